// Elements, and numbers as people read them.

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text; // never as HTML: text may come from people
  return node;
}

function pieceOf(view, token) {
  return view.doc.pieces[view.doc.id[token]] ?? "";
}

function whole(value) {
  return value.toLocaleString("en-US");
}

// Three significant digits, as theme.number does on the server.
function number(value) {
  if (!Number.isFinite(value)) return unbounded(value);
  if (value < 0) return `−${number(-value)}`;
  const size = value;
  if (value === 0) return "0";
  if (size < 1e-3 || size >= 1e5) return value.toExponential(2).replace("e-", "e−").replace("e+", "e");
  const digits = Math.max(0, 2 - Math.floor(Math.log10(size)));
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

// A float32 with no more digits than it holds.
function exact(value) {
  if (!Number.isFinite(value)) return unbounded(value);
  const tiny = value !== 0 && Math.abs(value) < 1e-4;
  return (tiny ? value.toExponential(6) : String(parseFloat(value.toPrecision(7)))).replaceAll("-", "−");
}

function unbounded(value) {
  return value === Infinity ? "∞" : value === -Infinity ? "−∞" : "–";
}
