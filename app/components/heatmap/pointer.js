// What a pointer does on a text: a mouse hovers, and drags a range; a click or a finger selects.

const STILL = 4; // pixels that a hand may slip in a click

function listenToPointer(panel) {
  const { canvas, view } = panel;
  let down = null; // where the button went down: { token, x, y }
  let dragged = false;
  canvas.addEventListener("pointerdown", (event) => {
    dragged = false;
    const plain = event.pointerType !== "touch" && event.button === 0 && !event.shiftKey;
    down = plain ? { token: panel.nearestToken(event), x: event.clientX, y: event.clientY } : null;
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch") return; // a finger scrolls
    if (!down || !(event.buttons & 1)) return view.hover(panel, event);
    if (!dragged && Math.hypot(event.clientX - down.x, event.clientY - down.y) < STILL) return;
    if (!dragged) {
      dragged = true;
      canvas.setPointerCapture(event.pointerId);
      view.hover(panel, null);
      view.select(down.token, true);
    }
    view.extend(panel.nearestToken(event));
  });
  canvas.addEventListener("pointerleave", () => view.hover(panel, null));
  canvas.addEventListener("click", (event) => {
    if (!dragged) view.pick(panel.tokenAt(event), event.shiftKey);
    dragged = false;
  });
}
