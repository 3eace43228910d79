// Figures are embedded as JSON; tokens such as @ink in them are colours of the page's style.
const colour = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// Parse a figure and replace its tokens by the page's present colours.
const coloured = text => JSON.parse(text.replace(/"@(ink|grid|muted|paper|veil|accent)"/g,
  (_, name) => JSON.stringify(colour(name))));
