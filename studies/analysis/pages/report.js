// Draw each figure when it comes into sight, and again when the page turns dark or light.
const drawn = new Set();

function draw(at) {
  const figure = coloured(document.getElementById(`figure-${at.id}`).textContent);
  drawn.add(at);
  Plotly.react(at, figure.data, figure.layout, {displaylogo: false, responsive: true,
    modeBarButtons: [['toImage', 'resetScale2d']]});
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => drawn.forEach(draw));
const watcher = new IntersectionObserver(seen => seen.filter(s => s.isIntersecting).forEach(s => {
  watcher.unobserve(s.target);
  draw(s.target);
}), {rootMargin: '200px'});
document.querySelectorAll('.plot').forEach(at => watcher.observe(at));
document.documentElement.dataset.ready = performance.now().toFixed(0);
