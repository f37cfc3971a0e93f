// What is chosen, over every band of a figure, and where the pointer is.

// halo: what stands on cells of any colour is drawn twice.
function paintMarks(context, plot, { palette }, { token, range }, halo) {
  for (const [top, height] of plot.bands) {
    if (range && range[0] < plot.high && range[1] > plot.low) {
      const [from, to] = [plot.x(Math.max(range[0], plot.low)), plot.x(Math.min(range[1], plot.high))];
      context.fillStyle = halo ? "#ffffff" : palette.selected;
      context.globalAlpha = halo ? 0.2 : 0.18;
      context.fillRect(from, top, to - from, height);
      context.globalAlpha = halo ? 0.95 : 0.5;
      context.fillRect(from - 0.5, top, 1, height);
      context.fillRect(to - 0.5, top, 1, height);
      context.globalAlpha = 1;
    }
    if (token === null || token < plot.low || token >= plot.high) continue;
    const x = plot.x(token + 0.5);
    if (halo) line(context, palette.panel, 3, [], 0.75, x, top, height);
    line(context, palette.selected, halo ? 1.5 : 1, [2, 2], 1, x, top, height);
  }
}

function paintPointer(context, plot, look, { bin, drag }) {
  for (const [top, height] of plot.bands) {
    if (drag) {
      const [from, to] = drag.map((x) => Math.max(LEFT, Math.min(plot.right, x))).sort((a, b) => a - b);
      context.fillStyle = look.palette.selected;
      context.globalAlpha = 0.16;
      context.fillRect(from, top, to - from, height);
      context.globalAlpha = 1;
      context.fillRect(from, top, 1, height);
      context.fillRect(to - 1, top, 1, height);
    } else if (bin !== null) line(context, look.palette.muted, 1, [], 0.9, plot.middle(bin), top, height);
  }
  if (bin !== null && !drag) plot.paintHover(context, look, bin);
}

function line(context, colour, width, dashes, strength, x, top, height) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.globalAlpha = strength;
  context.setLineDash(dashes);
  context.beginPath();
  context.moveTo(x, top);
  context.lineTo(x, top + height);
  context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 1;
}
