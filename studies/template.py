"""The page's frame: HTML with `{{part}}` for what `studies.page` fills in, style, script."""

HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{title}} · skipsearch</title>
<style>{{style}}</style>
<script>{{plotly}}</script>
</head>
<body>
<header>
  <h1>{{title}}</h1>
  <p>{{about}}</p>
  <dl>{{facts}}</dl>
</header>
<main>
  <section class="wide">
    <h2>Pareto front <span class="choose">{{buttons}}</span></h2>
    <div id="front" class="plot"></div>
  </section>
  <section>
    <h2>Hypervolume over trials</h2>
    <div id="hypervolume" class="plot"></div>
    <p class="note">{{note}}</p>
  </section>
</main>
<section class="members">
  <h2>Networks on the front</h2>
  {{table}}
</section>
<footer>{{footer}}</footer>
<script type="application/json" id="figures">{{figures}}</script>
<script>{{script}}</script>
</body>
</html>
"""

CSS = """
:root { color-scheme: light dark; --ink: #1f2328; --muted: #656d76; --grid: #e4e7eb;
  --paper: #ffffff; --veil: rgba(255,255,255,.7); --ground: #f5f6f8; --accent: #0b62b4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --muted: #98a1ab; --grid: #30363d;
  --paper: #1a1e24; --veil: rgba(26,30,36,.7); --ground: #111418; --accent: #6cb2f2; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 18px 24px 28px; max-width: 1560px; background: var(--ground);
  color: var(--ink); line-height: 1.4;
  font: 14px system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 16px; }
h1 { margin: 0; font-size: 23px; letter-spacing: -.01em; }
header p { margin: 0; color: var(--muted); }
dl { display: flex; flex-wrap: wrap; gap: 10px 30px; margin: 10px 0 14px; width: 100%; }
dt { color: var(--muted); font-size: 12px; }
dd { margin: 0; font-size: 17px; font-weight: 600; font-variant-numeric: tabular-nums; }
dd small { font-size: 13px; font-weight: 400; color: var(--muted); }
main { display: grid; grid-template-columns: minmax(0, 2.15fr) minmax(0, 1fr); gap: 14px; }
section { background: var(--paper); border: 1px solid var(--grid); border-radius: 8px;
  padding: 12px 14px 8px; min-width: 0; }
h2 { display: flex; justify-content: space-between; align-items: center; min-height: 26px;
  margin: 0 2px 4px; font-size: 15px; }
.plot { height: 486px; }
#hypervolume { height: 404px; }
.note { margin: 4px 4px 8px; font-size: 12.5px; color: var(--muted); }
.choose button { font: inherit; font-weight: 400; font-size: 13px; padding: 2px 10px;
  color: var(--muted); background: none; border: 1px solid var(--grid); border-radius: 12px;
  cursor: pointer; }
.choose button[aria-pressed=true] { color: var(--paper); background: var(--accent);
  border-color: var(--accent); }
.members { margin-top: 14px; overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th { font-size: 12px; font-weight: 500; color: var(--muted); text-align: right; }
th, td { padding: 6px 10px; border-bottom: 1px solid var(--grid); vertical-align: top;
  text-align: right; white-space: nowrap; }
tr:last-child td { border-bottom: 0; }
th.text, td.text { text-align: left; }
td.network { width: 99%; white-space: normal; text-align: left; }
th.network { text-align: left; }
td.network code { display: block; padding: 6px 0; color: var(--muted); font-size: 12.5px;
  white-space: pre-wrap; }
summary { cursor: pointer; }
i.dot { display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin: 0 7px 0 3px; }
.tag { padding: 0 7px; border: 1px solid var(--muted); border-radius: 9px; font-size: 12px;
  color: var(--muted); white-space: nowrap; }
footer { margin-top: 12px; color: var(--muted); font-size: 12.5px; }
@media (max-width: 900px) { main { grid-template-columns: minmax(0, 1fr); } }
@media print { body { background: none; } section { break-inside: avoid; } }
"""

SCRIPT = """
const text = document.getElementById('figures').textContent;
const buttons = [...document.querySelectorAll('.choose button')];
let cost = Object.keys(JSON.parse(text).front)[0];
function draw() {
  const style = getComputedStyle(document.documentElement);
  const coloured = text.replace(/"@(ink|grid|muted|paper|veil)"/g,
    (_, name) => JSON.stringify(style.getPropertyValue('--' + name).trim()));
  const figures = JSON.parse(coloured);
  const config = {displaylogo: false, responsive: true,
    modeBarButtons: [['toImage', 'resetScale2d']]};
  const front = figures.front[cost], volume = figures.hypervolume;
  Plotly.react('front', front.data, front.layout, config);
  Plotly.react('hypervolume', volume.data, volume.layout, {...config, displayModeBar: false});
  buttons.forEach(b => b.setAttribute('aria-pressed', b.dataset.cost === cost));
}
buttons.forEach(b => b.addEventListener('click', () => { cost = b.dataset.cost; draw(); }));
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
draw();
"""
