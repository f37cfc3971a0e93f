// Colours of values, and inks that can be read on them.

function rgb(hex) {
  return [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));
}

// Relative luminance and contrast as WCAG defines them.
function luminance(colour) {
  const [r, g, b] = colour.map((c) => (c <= 10 ? c / 3294.6 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

// The soft pair is for grounds on which it stands out. On the mid tones every bit counts: black or white, whichever
// reads better, reaches the 4.5 that WCAG asks for.
const INKS = ["#0d1120", "#fffaf0"];
const HARD_INKS = ["#000000", "#ffffff"];
const PLENTY = 7;

function inkOn(ground) {
  const best = (inks) => inks.map((ink) => [contrast(ground, rgb(ink)), ink]).sort((a, b) => b[0] - a[0])[0];
  const soft = best(INKS);
  return soft[0] >= PLENTY ? soft[1] : best(HARD_INKS)[1];
}

// 256 colours along the stops, and for each the ink that reads best on it.
function colourTable(stops) {
  const fill = [];
  const ink = [];
  const points = stops.map(rgb);
  for (let k = 0; k < 256; k++) {
    const at = (k / 255) * (points.length - 1);
    const low = Math.min(points.length - 2, Math.floor(at));
    const mixed = points[low].map((c, i) => Math.round(c + (points[low + 1][i] - c) * (at - low)));
    fill.push(`rgb(${mixed.join(",")})`);
    ink.push(inkOn(mixed));
  }
  return { fill, ink };
}

function shade(value, scale) {
  return Math.max(0, Math.min(255, Math.round((255 * (value - scale.low)) / (scale.high - scale.low))));
}

// A signal's own colour where it has one; the second of two lines never looks like the first.
function lineColours({ palette, underlines }) {
  const spare = [palette.variants.mal, palette.signals.theta, palette.signals.alpha];
  const colours = {};
  for (const name of underlines) {
    const taken = Object.values(colours);
    colours[name] = [palette.signals[name], ...spare].find((colour) => colour && !taken.includes(colour));
  }
  return colours;
}
