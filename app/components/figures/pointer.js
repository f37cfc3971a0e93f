// Mouse and finger: hover, click, double click, and a drag along the tokens. Up and down a finger moves the page.

const TWICE = 260; // ms in which a second click makes a double click
const FAR = 5; // pixels that make a drag

function listen(view) {
  const { canvas } = view;
  const point = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const release = () => {
    view.pointer.drag = null;
    view.paint();
  };
  let began = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !view.plot?.runs.length) return;
    canvas.setPointerCapture(event.pointerId);
    began = point(event)[0];
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = point(event);
    if (began !== null && (view.pointer.drag || Math.abs(x - began) >= FAR)) {
      view.pointer.drag = [began, x];
      view.card.hidden = true;
      view.paint();
    } else if (event.pointerType !== "touch") hover(view, event, x, y);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (began === null) return;
    const { drag } = view.pointer;
    began = null;
    release();
    if (drag) zoomTo(view, drag);
    else click(view, ...point(event));
  });
  canvas.addEventListener("pointercancel", () => {
    began = null;
    release();
  });
  canvas.addEventListener("pointerleave", () => unhover(view));
  canvas.addEventListener("dblclick", () => {
    clearTimeout(view.clicking);
    if (view.look.span) view.zoom(null);
  });
}

function hover(view, event, x, y) {
  const { plot } = view;
  if (!plot?.runs.length || x < LEFT - FAR || x > plot.right + FAR) return unhover(view);
  const bin = plot.binAt(x);
  if (bin !== view.pointer.bin) {
    view.pointer.bin = bin;
    view.paint();
  }
  fillCard(view, bin, y);
  placeCard(view, event);
}

function unhover(view) {
  view.card.hidden = true;
  if (view.pointer.bin !== null) view.paint();
  view.pointer.bin = null;
}

// All tokens that a drag touches, and at least two.
function zoomTo(view, drag) {
  const [low, high] = drag.map((x) => view.plot.place(x)).sort((a, b) => a - b);
  const { total } = view.data;
  const from = Math.max(0, Math.min(total - 2, Math.floor(low)));
  view.zoom([from, Math.min(total, Math.max(from + 2, Math.ceil(high)))]);
}

function click(view, x, y) {
  const token = view.plot.tokenAt(x, y);
  clearTimeout(view.clicking);
  if (token === null) return;
  // Only a zoomed figure has a use for a double click, so only there a click waits for a second one.
  const act = () => view.choose({ token }, "token", [token, Date.now()]);
  view.clicking = setTimeout(act, view.look.span ? TWICE : 0);
}
