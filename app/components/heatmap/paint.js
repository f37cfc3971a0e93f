// Colours and drawing of the rows that can be seen.

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

const INKS = ["#0d1120", "#fffaf0"];

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
    ink.push(contrast(mixed, rgb(INKS[0])) > contrast(mixed, rgb(INKS[1])) ? INKS[0] : INKS[1]);
  }
  return { fill, ink };
}

function shade(value, scale) {
  return Math.max(0, Math.min(255, Math.round((255 * (value - scale.low)) / (scale.high - scale.low))));
}

function paintText(context, view, panel, top, width, height) {
  const { layout, doc, palette, metrics } = view;
  const { rowHeight, pad, font } = metrics;
  const table = view.table;
  const fill = panel.fill;
  context.clearRect(0, 0, width, height);
  if (!layout) return;
  context.font = font;
  context.textBaseline = "alphabetic";
  const firstRow = Math.max(0, Math.floor((top - pad) / rowHeight));
  const lastRow = Math.min(layout.rows - 1, Math.floor((top + height - pad) / rowHeight));
  for (let row = firstRow; row <= lastRow; row++) {
    const y = pad + row * rowHeight - top;
    const baseline = y + Math.round(rowHeight * 0.66);
    for (let f = layout.rowStart[row]; f < layout.endOf(row); f++) {
      const cell = layout.cell[f];
      const low = layout.cells.first[cell];
      const tokens = layout.cells.first[cell + 1] - low;
      const text = doc.text.slice(layout.from[f], layout.to[f]);
      // The space before a word stays mostly white, so that words are seen as words.
      const lead = text[0] === " " && text.length > 1 && !(layout.kind[f] & 2) ? metrics.space * 0.7 : 0;
      const rtl = (layout.kind[f] & 4) !== 0;
      const x = pad + layout.x[f] + (rtl ? 0 : lead);
      const w = Math.max(2, layout.w[f] - lead - 0.5);
      let ink = palette.text;
      for (let k = 0; k < tokens; k++) {
        const slot = rtl ? tokens - 1 - k : k;
        const left = x + (w * slot) / tokens;
        const value = fill ? fill[low + k] : NaN;
        if (!Number.isNaN(value)) {
          const colour = shade(value, view.scale);
          context.fillStyle = table.fill[colour];
          ink = table.ink[colour];
          context.beginPath();
          context.roundRect(left, y + 2, w / tokens, rowHeight - 7, tokens > 1 ? 0 : 3);
          context.fill();
        }
        paintUnderlines(context, view, panel, low + k, left, w / tokens, y + rowHeight);
      }
      if (layout.kind[f] & 1) {
        context.globalAlpha = 0.6;
        context.fillStyle = ink;
        context.fillText("↵", pad + layout.x[f] + 2, baseline);
        context.globalAlpha = 1;
      } else {
        context.fillStyle = ink;
        paintLetters(context, layout, f, row, text, pad, baseline, y, rowHeight);
      }
      outline(context, view, low, low + tokens, x, y, w, rowHeight);
    }
  }
}

function paintLetters(context, layout, f, row, text, pad, baseline, y, rowHeight) {
  if (!(layout.kind[f] & 4)) {
    context.direction = "ltr";
    context.textAlign = "left";
    context.fillText(visible(layout.kind[f] & 2 ? text.slice(1) : text), pad + layout.x[f], baseline);
    return;
  }
  // Joined scripts: the whole run is shaped at once and seen through this token's window.
  let low = f;
  let high = f;
  const sameRun = (g) => layout.kind[g] & 4 && !(layout.kind[g] & 1);
  while (low > layout.rowStart[row] && sameRun(low - 1)) low--;
  while (high + 1 < layout.endOf(row) && sameRun(high + 1)) high++;
  context.save();
  context.beginPath();
  context.rect(pad + layout.x[f], y, layout.w[f], rowHeight);
  context.clip();
  context.direction = "rtl";
  context.textAlign = "right";
  const run = visible(layout.doc.text.slice(layout.from[low], layout.to[high]));
  context.fillText(run, pad + layout.x[low] + layout.w[low], baseline);
  context.restore();
}

function paintUnderlines(context, view, panel, token, x, width, bottom) {
  view.underlines.forEach((name, k) => {
    const column = panel.columns[name];
    const scale = view.scales[name];
    if (!column || !scale || Number.isNaN(column[token])) return;
    const strength = shade(column[token], scale) / 255;
    context.globalAlpha = 0.08 + 0.92 * strength;
    context.fillStyle = view.palette.signals[name];
    context.fillRect(x, bottom - 5 + 3 * k, width, 2);
    context.globalAlpha = 1;
  });
}

function outline(context, view, low, high, x, y, w, rowHeight) {
  const has = (token) => token !== null && token >= low && token < high;
  if (!has(view.selected) && !has(view.hovered)) return;
  context.strokeStyle = has(view.selected) ? view.palette.selected : view.palette.muted;
  context.lineWidth = has(view.selected) ? 2 : 1;
  context.beginPath();
  context.roundRect(x, y + 1.5, w, rowHeight - 6, 3);
  context.stroke();
}

// The whole text on one line: the highest value of each bin, one line per panel, and the window that is shown.
function paintStrip(canvas, view) {
  const { width, height } = fitCanvas(canvas);
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  const total = view.doc.start.length;
  const bins = Math.min(total, Math.floor(width));
  for (const panel of view.panels) {
    if (!panel.fill) continue;
    const colour = panel.colour();
    context.beginPath();
    panel.highest(bins).forEach((peak, bin) => {
      const level = Number.isNaN(peak) ? 0 : shade(peak, view.scale) / 255;
      context.lineTo((bin / Math.max(1, bins - 1)) * width, height - 1 - level * (height - 4));
    });
    context.strokeStyle = colour;
    context.lineWidth = 1;
    context.stroke();
    if (view.panels.length > 1) continue;
    context.lineTo(width, height);
    context.lineTo(0, height);
    context.globalAlpha = 0.14;
    context.fillStyle = colour;
    context.fill();
    context.globalAlpha = 1;
  }
  const [from, to] = view.shownTokens();
  const left = (from / total) * width;
  context.fillStyle = view.palette.selected;
  context.globalAlpha = 0.08;
  context.fillRect(left, 0, Math.max(3, ((to - from) / total) * width), height);
  context.globalAlpha = 1;
  context.strokeStyle = view.palette.selected;
  context.lineWidth = 1;
  context.strokeRect(left + 0.5, 0.5, Math.max(3, ((to - from) / total) * width) - 1, height - 1);
}

// Match the canvas to its box and the screen's pixels.
function fitCanvas(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
  return { width, height };
}
