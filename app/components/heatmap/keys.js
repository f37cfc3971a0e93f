// The keyboard: tokens, ranges, peaks, search.

const EDITABLE = "input, textarea, select, [contenteditable=''], [contenteditable=true]";

function pressed(view, event) {
  const { layout, doc, selected } = view;
  if (!layout || isChord(event)) return;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "c") {
    if (!view.range) return;
    view.rangeLine.copy();
  } else if (event.ctrlKey || event.metaKey) return;
  else if (event.key === "/") view.search.focus();
  else if (event.key === "Escape") escape(view);
  else {
    const step = stepOf(view, event.key, view.head ?? selected);
    if (step === null) return;
    const token = Math.max(0, Math.min(doc.start.length - 1, step));
    if (event.shiftKey && selected !== null && !"[]".includes(event.key)) view.extend(token);
    else view.move(token);
    view.reveal();
  }
  event.preventDefault();
  event.stopPropagation();
}

// Alt with a key is the system's, unless it is how this keyboard writes [, ] or /.
function isChord(event) {
  const written = "[]/".includes(event.key) && (event.getModifierState("AltGraph") || !event.ctrlKey);
  return event.altKey && !written;
}

// The first press clears the range, the next the token.
function escape(view) {
  view.card.hidden = true;
  if (view.range) {
    view.setRange(null, true);
    view.live.textContent = "range cleared";
    return;
  }
  view.selected = null;
  shareLook(view, { token: null });
  view.paint();
  clearTimeout(view.telling);
  view.send("token", [-1, Date.now()]);
}

function stepOf(view, key, at) {
  if (key === "ArrowRight") return at === null ? 0 : at + 1;
  if (key === "ArrowLeft") return at === null ? 0 : at - 1;
  if (key === "ArrowDown") return rowStep(view, at, 1);
  if (key === "ArrowUp") return rowStep(view, at, -1);
  if (key === "Home") return 0;
  if (key === "End") return view.doc.start.length - 1;
  if (key === "]") return peakStep(view, at, 1);
  if (key === "[") return peakStep(view, at, -1);
  return null;
}

function rowStep({ layout, cells }, at, by) {
  if (at === null) return 0;
  const f = layout.fragmentOf[cells.cellOf[at]];
  const row = Math.max(0, Math.min(layout.rows - 1, layout.rowOf(f) + by));
  const token = layout.tokenAt(row, layout.x[f] + 1);
  return token >= 0 ? token : layout.firstToken(row);
}

// The first token of the next unit, either way, that is a local peak within the top 5 % of the units.
function peakStep(view, at, way) {
  const { units } = view;
  const panel = view.panels[0];
  const values = units ? panel.pool(view.signal)?.values : panel.fill;
  if (!values) return at ?? 0;
  view.peaks ??= peaksOf(values);
  const now = at === null ? -1 : units ? units.of(at) : at;
  const next = way > 0 ? view.peaks.find((u) => u > now) : view.peaks.findLast((u) => u < now);
  if (next === undefined) return at ?? 0;
  return units ? units.first[next] : next;
}

function peaksOf(values) {
  const defined = values.filter((v) => !Number.isNaN(v));
  const rank = Math.floor(0.95 * (defined.length - 1));
  if (defined.length) select(defined, rank);
  const bar = defined[rank];
  const peaks = [];
  for (let u = 0; u < values.length; u++) {
    if (values[u] >= bar && !(values[u - 1] > values[u]) && !(values[u + 1] >= values[u])) peaks.push(u);
  }
  return peaks;
}

// "/" goes to the search box from anywhere on the page where nobody writes.
function slashKey(view, event) {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.defaultPrevented) return;
  const target = event.composedPath()[0];
  if (target instanceof Element && (target.matches(EDITABLE) || target.isContentEditable)) return;
  view.search.focus();
  event.preventDefault();
}
