// A canvas that fits its box, and a card at the pointer.

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

function placeCard({ card, root }, event) {
  card.hidden = false;
  const box = root.getBoundingClientRect();
  const x = event.clientX - box.left;
  const y = event.clientY - box.top;
  const left = x + 18 + card.offsetWidth > box.width ? Math.max(0, x - card.offsetWidth - 14) : x + 18;
  card.style.left = `${left}px`;
  // Below the pointer where the window has room, else above what fits.
  const room = window.innerHeight - event.clientY;
  const top = room > card.offsetHeight + 24 ? y + 18 : y - card.offsetHeight - 12;
  card.style.top = `${Math.max(-box.top + 4, top)}px`;
}
