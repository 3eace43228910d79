// Draw each figure when it comes into sight, and mark the chosen trial in all of them.
const details = JSON.parse(document.getElementById('details').textContent);
const chosenKey = {}; // the figure that a place shows, if it has several
const drawn = new Set();
let chosen = null;

// A circle as a path in pixels: on a logarithmic axis Plotly refuses negative pixels for circles.
const RING = 'M' + Array.from({length: 24}, (_, i) => i * Math.PI / 12)
  .map(a => `${(13 * Math.cos(a)).toFixed(1)},${(13 * Math.sin(a)).toFixed(1)}`).join('L') + 'Z';

const narrow = () => window.innerWidth < 600;
const shownKey = place => chosenKey[place] ? `figure-${place}-${chosenKey[place]}` : `figure-${place}`;

// Parse the figure of a place, its tokens (@ink, @grid, …) replaced by the page's present colours.
function figureOf(place) {
  const source = document.getElementById(shownKey(place));
  if (!source) return null;
  const figure = coloured(source.textContent);
  figure.layout.shapes = [{visible: false, type: 'path', path: 'M0,0'}];
  if (narrow() && place === 'front') {
    figure.layout.showlegend = false;
    figure.layout.annotations = [];
    Object.assign(figure.layout.margin, {l: 64, r: figure.layout.yaxis2 ? 64 : 12, t: 16});
    const axis = figure.layout.xaxis;
    if (axis.tickvals.length > 4)
      for (const name of ['tickvals', 'ticktext']) axis[name] = axis[name].filter((_, i) => i % 2 === 0);
  }
  return figure;
}

function draw(place) {
  const figure = figureOf(place), at = document.getElementById(place);
  if (!figure) { at.closest('section').querySelector('.plot').style.height = 'auto'; return; }
  const first = !drawn.has(place);
  drawn.add(place);
  const buttons = place === 'front' ? [['toImage', 'resetScale2d']] : false;
  const config = {displaylogo: false, responsive: true, displayModeBar: Boolean(buttons)};
  if (buttons) config.modeBarButtons = buttons;
  Plotly.react(at, figure.data, figure.layout, config);
  document.querySelectorAll(`button[data-plot=${place}]`).forEach(b =>
    b.setAttribute('aria-pressed', String(b.dataset.key === chosenKey[place])));
  if (first && (place === 'front' || place === 'curves'))
    for (const event of ['plotly_hover', 'plotly_click'])
      at.on(event, ({points}) => points[0].customdata != null && choose(points[0].customdata));
  if (chosen !== null) mark(place);
}

// Ring the chosen trial in the front, or trace its curve.
function mark(place) {
  if (!drawn.has(place) || (place !== 'front' && place !== 'curves')) return;
  const at = document.getElementById(place), ink = colour('ink');
  const points = [];
  for (const trace of at.data) (trace.customdata ?? []).forEach((number, i) => {
    if (number === chosen) points.push([trace.x[i], trace.y[i]]);
  });
  let shape = {visible: false, type: 'path', path: 'M0,0'};
  if (points.length && place === 'front') {
    const [x, y] = points[0];
    shape = {visible: true, type: 'path', xsizemode: 'pixel', ysizemode: 'pixel', xanchor: x, yanchor: y,
      path: RING, line: {color: ink, width: 2.4}};
  } else if (points.length > 1) {
    shape = {visible: true, type: 'path', path: 'M' + points.map(p => p.join(',')).join('L'),
      line: {color: ink, width: 3}};
  }
  Plotly.relayout(at, {'shapes[0]': shape});
}

function filled(id, pairs) {
  document.getElementById(id).replaceChildren(...pairs.flatMap(([name, value]) => {
    const dt = document.createElement('dt'), dd = document.createElement('dd');
    dt.textContent = name;
    dd.textContent = value;
    return [dt, dd];
  }));
}

function pictured(sketch, hue) {
  const at = document.getElementById('diagram'), words = document.createElement('p');
  if (!sketch) {
    words.textContent = 'No drawing: this version does not know the architecture.';
    at.replaceChildren(words);
    return;
  }
  words.textContent = caption(sketch);
  at.replaceChildren(diagram(sketch, hue), words);
}

function choose(number) {
  if (number === chosen || !(number in details.trials)) return;
  chosen = number;
  const [tags, lines, pairs, sketch, hue] = details.trials[number];
  document.getElementById('chosen').textContent = `Trial ${number}`;
  document.getElementById('tags').replaceChildren(...tags.map(tag => {
    const made = document.createElement('span');
    made.className = 'tag';
    made.textContent = tag;
    return made;
  }));
  pictured(sketch < 0 ? null : sketchOf(details.sketches[sketch]), hue);
  filled('lines', lines);
  const words = [];
  for (let i = 0; i < pairs.length; i += 2) words.push([details.words[pairs[i]], details.words[pairs[i + 1]]]);
  filled('configuration', words);
  body?.querySelectorAll('tr[aria-current]').forEach(row => row.removeAttribute('aria-current'));
  body?.querySelector(`tr[data-trial="${number}"]`)?.setAttribute('aria-current', 'true');
  requestAnimationFrame(() => { mark('front'); mark('curves'); });
}

function walked(event) {
  const step = {ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1}[event.key];
  if (!step || !details.front.length) return;
  event.preventDefault();
  const at = details.front.indexOf(chosen);
  choose(details.front[at < 0 ? 0 : (at + step + details.front.length) % details.front.length]);
}

function overRow(event) {
  const row = event.target.closest?.('tr[data-trial]');
  if (row && (event.type !== 'keydown' || event.key === 'Enter')) choose(Number(row.dataset.trial));
}

document.querySelectorAll('button[data-plot]').forEach(button => {
  const {plot, key} = button.dataset;
  chosenKey[plot] ??= key;
  button.addEventListener('click', () => { chosenKey[plot] = key; draw(plot); });
});
chosenKey.front ??= document.querySelector('script[id^=figure-front-]').id.slice('figure-front-'.length);
document.getElementById('front').addEventListener('keydown', walked);
for (const event of ['mouseover', 'focusin', 'click', 'keydown']) body?.addEventListener(event, overRow);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => drawn.forEach(draw));
draw('front');
if (details.first !== null) choose(details.first);
const watcher = new IntersectionObserver(seen => seen.filter(s => s.isIntersecting).forEach(s => {
  watcher.unobserve(s.target);
  draw(s.target.id);
}), {rootMargin: '200px'});
for (const id of ['curves', 'hypervolume', 'importance', 'parallel'])
  watcher.observe(document.getElementById(id));
document.documentElement.dataset.ready = performance.now().toFixed(0);
