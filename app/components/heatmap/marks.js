// Drawing of what stands behind and over the cells: the range, what was found, and the token or unit that is chosen.

const RANGE_STRENGTH = 0.3;
const EDGE_STRENGTH = 0.6;

function paintRange(context, view, row, y) {
  const { layout, metrics, palette } = view;
  const { rowHeight, pad } = metrics;
  const [from, to] = view.range;
  context.fillStyle = palette.selected;
  for (let f = layout.rowStart[row]; f < layout.endOf(row); f++) {
    const [low, high] = layout.tokensOf(f);
    if (high <= from || low >= to) continue;
    const x = pad + layout.x[f];
    const rtl = layout.kind[f] & 4;
    context.globalAlpha = RANGE_STRENGTH;
    context.fillRect(x, y, layout.w[f], rowHeight);
    context.globalAlpha = 1;
    // Bars where it begins and ends; a cell that a newline splits has its ends on two rows.
    const first = low <= from && (f === 0 || layout.cell[f - 1] !== layout.cell[f]);
    const last = high >= to && (f + 1 >= layout.count || layout.cell[f + 1] !== layout.cell[f]);
    if (first) context.fillRect(rtl ? x + layout.w[f] - 1 : x - 1, y, 2, rowHeight);
    if (last) context.fillRect(rtl ? x - 1 : x + layout.w[f] - 1, y, 2, rowHeight);
  }
}

function paintMarks(context, view, look, row, y) {
  const { layout, range, metrics } = view;
  paintMatches(context, view, row, y);
  for (let f = layout.rowStart[row]; f < layout.endOf(row); f++) {
    const [low, high] = layout.tokensOf(f);
    if (view.data.minus && holds(view.data.minus.cone ?? null, low, high)) paintCone(context, view, f, y);
    if (range && high > range[0] && low < range[1]) edge(context, view, f, y);
  }
  for (const token of [view.hovered, view.selected]) {
    if (token === null) continue;
    for (const [x, end] of spots(view, look, row, view.unitSpan(token))) {
      outline(context, view, token === view.selected, x, y, end - x, metrics.rowHeight);
    }
  }
}

// Where the tokens from..to stand in a row, [x, end] each: one place, or several where text runs both ways.
function spots(view, look, row, [from, to]) {
  const { layout } = view;
  const found = [];
  for (let f = layout.rowStart[row]; f < layout.endOf(row); f++) {
    const [low, high] = layout.tokensOf(f);
    if (high <= from || low >= to) continue;
    const [x, w] = extent(view, f, joins(view, look, f, row).joinedBefore, false);
    found.push([x, x + w]);
  }
  found.sort((one, other) => one[0] - other[0]);
  const merged = [];
  for (const [x, end] of found) {
    const last = merged[merged.length - 1];
    if (last && x <= last[1] + 1) last[1] = Math.max(last[1], end);
    else merged.push([x, end]);
  }
  return merged;
}

// A thin rule before the first token that an intervention can reach.
function paintCone(context, { layout, metrics, palette }, f, y) {
  const rtl = layout.kind[f] & 4;
  context.fillStyle = palette.selected;
  context.fillRect(metrics.pad + layout.x[f] + (rtl ? layout.w[f] : 0) - 1, y - 1, 1.5, metrics.rowHeight);
}

const holds = (token, low, high) => token !== null && token >= low && token < high;

function outline(context, view, chosen, x, y, w, rowHeight) {
  context.strokeStyle = chosen ? view.palette.selected : view.palette.muted;
  context.lineWidth = chosen ? 2 : 1;
  context.beginPath();
  context.roundRect(x, y + 1.5, w, rowHeight - 6, 3);
  context.stroke();
}

// The upper and lower edge of the range.
function edge(context, { layout, metrics, palette }, f, y) {
  context.fillStyle = palette.selected;
  context.globalAlpha = EDGE_STRENGTH;
  context.fillRect(metrics.pad + layout.x[f], y, layout.w[f], 1);
  context.fillRect(metrics.pad + layout.x[f], y + metrics.rowHeight - 1, layout.w[f], 1);
  context.globalAlpha = 1;
}

function paintMatches(context, view, row, y) {
  const { layout } = view;
  const { from, to } = view.search.matches;
  if (!from.length) return;
  for (let f = layout.rowStart[row]; f < layout.endOf(row); f++) {
    if (layout.kind[f] & 1) continue;
    let m = lastAtMost(from, layout.from[f]);
    if (to[m] <= layout.from[f]) m++;
    for (; m < from.length && from[m] < layout.to[f]; m++) {
      if (to[m] > layout.from[f]) frame(context, view, f, y, from[m], to[m], m === view.search.at);
    }
  }
}

// The part of a match that lies in one fragment. Sides are drawn only where the match begins and ends.
function frame(context, view, f, y, from, to, current) {
  const { layout, doc, metrics, palette } = view;
  const left = metrics.pad + layout.x[f];
  const begin = layout.from[f] + (layout.kind[f] & 2 ? 1 : 0);
  const rtl = layout.kind[f] & 4; // joined letters: the whole token is framed
  const place = (offset) => left + view.measure(visible(doc.text.slice(begin, Math.max(begin, offset))));
  const x0 = rtl || from <= begin ? left : place(from);
  const x1 = rtl || to >= layout.to[f] ? left + layout.w[f] : place(to);
  const [top, bottom] = [y + 1.5, y + metrics.rowHeight - 4];
  const opens = from >= layout.from[f];
  const closes = to <= layout.to[f];
  context.beginPath();
  context.moveTo(x0, bottom);
  (rtl ? closes : opens) ? context.lineTo(x0, top) : context.moveTo(x0, top);
  context.lineTo(x1, top);
  (rtl ? opens : closes) ? context.lineTo(x1, bottom) : context.moveTo(x1, bottom);
  context.lineTo(x0, bottom);
  for (const [colour, width] of [[palette.panel, current ? 4 : 3], [palette.signals.theta, current ? 2.5 : 1.5]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.stroke();
  }
}
