// Drawing of the rows that can be seen.

function paintText(context, view, panel, top, width, height) {
  const { layout } = view;
  const { rowHeight, pad, font } = view.metrics;
  context.clearRect(0, 0, width, height);
  if (!layout) return;
  context.font = font;
  context.textBaseline = "alphabetic";
  const look = {
    fill: panel.fill,
    scale: view.scale,
    table: view.table,
    lines: view.underlines.map((name) => [panel.shown(name), view.scales[name], view.lineColours[name]]),
    units: view.units,
    faint: view.palette.dark ? 0.3 : 0.15, // how much of a line's colour its lowest value has
  };
  const firstRow = Math.max(0, Math.floor((top - pad) / rowHeight));
  const lastRow = Math.min(layout.rows - 1, Math.floor((top + height - pad) / rowHeight));
  for (let row = firstRow; row <= lastRow; row++) {
    const y = pad + row * rowHeight - top;
    if (view.range) paintRange(context, view, row, y);
    for (let f = layout.rowStart[row]; f < layout.endOf(row); f++) paintFragment(context, view, look, f, row, y);
  }
  // What was found and chosen is drawn last, over the borders of cells.
  for (let row = firstRow; row <= lastRow; row++) paintMarks(context, view, look, row, pad + row * rowHeight - top);
}

function paintFragment(context, view, look, f, row, y) {
  const { layout, doc, metrics } = view;
  const { rowHeight, pad } = metrics;
  const [low, high] = layout.tokensOf(f);
  const tokens = high - low;
  const text = doc.text.slice(layout.from[f], layout.to[f]);
  const rtl = (layout.kind[f] & 4) !== 0;
  const { joinedBefore, joinedAfter } = joins(view, look, f, row);
  const [x, w] = extent(view, f, joinedBefore, joinedAfter);
  const near = joinedBefore ? 0 : 3;
  const far = joinedAfter ? 0 : 3;
  const corners = tokens > 1 ? 0 : rtl ? [far, near, near, far] : [near, far, far, near];
  let ink = view.palette.text;
  for (let k = 0; k < tokens; k++) {
    const left = x + (w * (rtl ? tokens - 1 - k : k)) / tokens;
    const value = look.fill ? look.fill[low + k] : NaN;
    if (!Number.isNaN(value)) {
      const colour = shade(value, look.scale);
      context.fillStyle = look.table.fill[colour];
      ink = look.table.ink[colour];
      context.beginPath();
      context.roundRect(left, y + 2, w / tokens, rowHeight - 7, corners);
      context.fill();
    }
    paintUnderlines(context, look, low + k, left, w / tokens, y + rowHeight);
  }
  context.fillStyle = ink;
  if (layout.kind[f] & 1) {
    context.globalAlpha = 0.75;
    context.direction = "ltr";
    context.textAlign = "left";
    context.fillText("↵", pad + layout.x[f] + 2, y + Math.round(rowHeight * 0.66));
    context.globalAlpha = 1;
  } else paintLetters(context, layout, f, row, text, pad, y + Math.round(rowHeight * 0.66), y, rowHeight);
}

// Whether the cell is coloured as one with the cell before and after it in its row.
function joins({ layout }, { units }, f, row) {
  if (!units) return { joinedBefore: false, joinedAfter: false };
  const [low, high] = layout.tokensOf(f);
  const unit = units.of(low);
  return {
    joinedBefore: f > layout.rowStart[row] && low > units.first[unit],
    joinedAfter: f + 1 < layout.endOf(row) && high < units.first[unit + 1],
  };
}

// Where a fragment is coloured, [x, width]. The space before a word stays mostly white, so that words are seen as words.
function extent({ layout, doc, metrics }, f, joinedBefore, joinedAfter) {
  const spaced = doc.text[layout.from[f]] === " " && layout.to[f] - layout.from[f] > 1;
  const lead = spaced && !joinedBefore && !(layout.kind[f] & 2) ? metrics.space * 0.7 : 0;
  const x = metrics.pad + layout.x[f] + (layout.kind[f] & 4 ? 0 : lead);
  return [x, Math.max(2, layout.w[f] - lead - (joinedAfter ? -0.5 : 0.5))];
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

function paintUnderlines(context, { lines, faint }, token, x, width, bottom) {
  lines.forEach(([column, scale, colour], k) => {
    if (!column || !scale || Number.isNaN(column[token])) return;
    context.globalAlpha = faint + ((1 - faint) * shade(column[token], scale)) / 255;
    context.fillStyle = colour;
    context.fillRect(x, bottom - 5 + 3 * k, width, 2);
    context.globalAlpha = 1;
  });
}
