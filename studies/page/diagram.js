// Draw a network as SVG from its sketch: stem, stages of blocks, arcs of the shortcut, gates, head.
const NS = 'http://www.w3.org/2000/svg';
const SHOWN = 6; // blocks of a stage that are drawn; the rest is an ellipsis
const DASHES = {concat: '', sum: '', weighted: '5 3', pseudo_query: '7 3 1 3', attention: '1.5 2.5'};

const PLACES = {branch: 'in the branch of a block', block: 'after a block', stage: 'after a stage',
  convolution: 'in the convolutions'};
const JOINED = {none: '', block: ' over each block', blocks: ' from all earlier blocks',
  stages: ' from all earlier stages'};

// Name the parts of a sketch, which studies/page/network_sketch.py lists in this order.
function sketchOf([stem, stem_channels, stages, shortcut, reach, gate, place, head]) {
  return {stem, stem_channels, stages, shortcut, reach, gate, place, head};
}

// One line under the drawing.
function caption({shortcut, reach, gate, place}) {
  return `shortcut ${shortcut}${JOINED[reach]}` + (gate ? ` · ● gate ${gate}, ${PLACES[place]}` : '');
}

// The text alternative of the drawing.
function inWords(sketch) {
  const rows = sketch.stages.map(([blocks, channels, side, gated], i) =>
    `stage ${i + 1}: ${blocks} block${blocks > 1 ? 's' : ''} of ${channels} channels at ${side}×${side}`
    + gatedInWords(gated));
  return `stem ${sketch.stem} of ${sketch.stem_channels} channels; ${rows.join('; ')}; `
    + `${caption(sketch)}; ${sketch.head} head`;
}

// How many blocks of a stage have the gate; a row of 0 and 1, one for each block.
function gatedInWords(gated) {
  const count = gated.filter(Boolean).length;
  if (!count) return '';
  return count === gated.length ? ', gated' : `, ${count} of ${gated.length} gated`;
}

function element(name, attributes, text) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// Lay out boxes from left to right: {x, height, stage, number, last, skipped}, with the block's
// number in its stage and how many blocks are skipped before the box.
function laid(sketch) {
  const largest = sketch.stages[0][2], boxes = [];
  let x = 58;
  sketch.stages.forEach(([blocks, , side], stage) => {
    const drawn = Math.min(blocks, SHOWN);
    for (let i = 0; i < drawn; i++) {
      const skipped = i === drawn - 1 ? blocks - drawn : 0;
      if (skipped) x += 16;
      const height = 22 + 46 * (1 + Math.log2(side)) / (1 + Math.log2(largest));
      const number = i + skipped, last = i === drawn - 1;
      boxes.push({x, height, stage, number, last, skipped});
      x += 21;
    }
    x += 13;
  });
  return {boxes, end: x};
}

// Pairs [from, to] of boxes that the shortcut joins; -1 is the stem.
function joins(sketch, boxes) {
  const all = boxes.map((_, i) => i), ends = [-1, ...all.filter(i => boxes[i].last)];
  switch (sketch.reach) {
    case 'none': return [];
    case 'block': return all.map(i => [i - 1, i]);
    case 'stages': return ends.flatMap((to, i) => ends.slice(0, Math.max(0, i - 1)).map(from => [from, to]));
    default: return all.flatMap(to => [-1, ...all].filter(from => from < to).map(from => [from, to]));
  }
}

// Height of the control points of an arc of this width; the curve itself reaches 3/4 of it.
const rise = over => Math.min(88, 12 + 0.22 * over);

function arcs(sketch, boxes, colour, base) {
  const pairs = joins(sketch, boxes), group = element('g', {fill: 'none', stroke: colour});
  const faint = pairs.length > 40 ? 0.22 : pairs.length > 12 ? 0.45 : 0.9;
  const at = i => i < 0 ? {x: 40, height: 50} : {x: boxes[i].x + 15, height: boxes[i].height};
  for (const [from, to] of pairs) {
    const a = at(from), b = {x: boxes[to].x + (sketch.reach === 'block' ? 18 : 4)};
    const x0 = sketch.reach === 'block' ? boxes[to].x - 4 : a.x;
    const top = base - boxes[to].height / 2 - 3;
    const low = base - (sketch.reach === 'block' ? boxes[to].height : a.height) / 2 - 3;
    const peak = Math.min(top, low) - rise(b.x - x0);
    group.append(element('path', {
      d: `M${x0} ${low}C${x0} ${peak} ${b.x} ${peak} ${b.x} ${top}`,
      'stroke-dasharray': DASHES[sketch.shortcut] ?? '3 2', 'stroke-opacity': faint, 'stroke-width': 1.6}));
  }
  return group;
}

function gates(sketch, boxes, base) {
  const group = element('g', {});
  for (const box of boxes) {
    if (!sketch.stages[box.stage][3][box.number]) continue;
    const inside = sketch.place === 'branch' || sketch.place === 'convolution';
    const ring = sketch.place === 'convolution';
    group.append(element('circle', {cx: box.x + (inside ? 7 : 17), cy: base, r: 3.6,
      fill: ring ? 'none' : '#E69F00', stroke: '#E69F00', 'stroke-width': 1.6}));
  }
  return group;
}

function stageLabels(sketch, boxes, base) {
  const group = element('g', {});
  sketch.stages.forEach(([blocks, channels, side], stage) => {
    const own = boxes.filter(box => box.stage === stage);
    const x = (own[0].x + own[own.length - 1].x + 14) / 2;
    group.append(element('text', {x, y: base + 52}, `${channels}`),
      element('text', {x, y: base + 65, class: 'small'}, `${side}×${side}`),
      element('text', {x, y: base + 78, class: 'small'}, `×${blocks}`));
  });
  return group;
}

// Draw the whole network; `colour` is that of the shortcut.
function diagram(sketch, colour) {
  const {boxes, end} = laid(sketch), width = Math.max(end + 64, 300);
  const base = {none: 50, block: 66}[sketch.reach] ?? 48 + 0.75 * rise(end - 40);
  const svg = element('svg', {viewBox: `0 0 ${width} ${base + 86}`, role: 'img', 'aria-label': inWords(sketch)});
  svg.append(element('title', {}, inWords(sketch)));
  const line = {stroke: 'var(--muted)', 'stroke-width': 1.2};
  svg.append(element('line', {x1: 42, y1: base, x2: end + 8, y2: base, ...line}));
  svg.append(arcs(sketch, boxes, colour, base));
  const box = {rx: 3, fill: 'var(--ground)', stroke: 'var(--ink)', 'stroke-width': 1.2};
  svg.append(element('rect', {x: 16, y: base - 25, width: 26, height: 50, ...box}));
  svg.append(element('text', {x: 29, y: base + 52}, sketch.stem_channels),
    element('text', {x: 29, y: base + 65, class: 'small'}, sketch.stem));
  for (const {x, height, skipped} of boxes) {
    if (skipped) svg.append(element('text', {x: x - 10, y: base - 4, class: 'small'}, '…'));
    svg.append(element('rect', {x, y: base - height / 2, width: 14, height, ...box, fill: colour,
      'fill-opacity': 0.25}));
  }
  svg.append(element('rect', {x: end + 8, y: base - 15, width: 30, height: 30, ...box, rx: 15}));
  svg.append(element('text', {x: end + 23, y: base + 52, class: 'small'}, sketch.head));
  svg.append(gates(sketch, boxes, base), stageLabels(sketch, boxes, base));
  return svg;
}
