// Show all trials in the table on demand, and sort it by a click on a title.
const members = document.getElementById('members');
const body = members.querySelector('tbody');
const more = document.getElementById('more');
const others = JSON.parse(document.getElementById('others').textContent);

function dressed(row) {
  row.tabIndex = 0;
  return row;
}

function showAll() {
  const rows = document.createElement('tbody');
  rows.innerHTML = others; // escaped in trial_rows.py; kept as text until now so that the page opens quickly
  body.append(...[...rows.rows].map(row => dressed(row)));
  members.querySelector('h2').firstChild.textContent = 'All trials, the front first ';
  more.remove();
}

function sortBy(title) {
  const place = [...title.parentNode.children].indexOf(title);
  const up = title.getAttribute('aria-sort') !== 'ascending';
  for (const other of title.parentNode.children)
    if (other.hasAttribute('aria-sort')) other.setAttribute('aria-sort', 'none');
  title.setAttribute('aria-sort', up ? 'ascending' : 'descending');
  const by = row => {
    const value = row.children[place].dataset.by;
    return value === undefined ? (up ? Infinity : -Infinity) : Number(value);
  };
  const keyed = [...body.rows].map(row => [by(row), row]);
  keyed.sort((a, b) => a[0] === b[0] ? 0 : (a[0] < b[0]) === up ? -1 : 1);
  body.append(...keyed.map(([, row]) => row));
}

if (body) {
  [...body.rows].forEach(dressed);
  if (others) more.addEventListener('click', showAll); else more.remove();
  members.querySelectorAll('th[aria-sort]').forEach(title =>
    title.firstChild.addEventListener('click', () => sortBy(title)));
} else more.remove();
