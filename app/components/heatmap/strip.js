// The overview of the whole text.

// The whole text on one line: the highest value of each bin, one line per panel, and the window that is shown.
function paintStrip(canvas, view) {
  const { width, height } = fitCanvas(canvas);
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  const total = view.doc.start.length;
  const bins = Math.min(total, Math.floor(width));
  const peaks = view.panels.map((panel) => (panel.fill ? panel.highest(bins) : null));
  const scale = stripScale(peaks, view, Math.ceil((view.data.settling / total) * bins));
  for (const [k, panel] of view.panels.entries()) {
    if (!peaks[k]) continue;
    const colour = panel.colour();
    context.beginPath();
    peaks[k].forEach((peak, bin) => {
      const level = Number.isNaN(peak) ? 0 : shade(peak, scale) / 255;
      context.lineTo((bin / Math.max(1, bins - 1)) * width, height - 1 - level * (height - 4));
    });
    context.strokeStyle = colour;
    context.lineWidth = 1;
    context.setLineDash(panel.run.dash);
    context.stroke();
    context.setLineDash([]);
    if (view.panels.length > 1) continue;
    context.lineTo(width, height);
    context.lineTo(0, height);
    context.globalAlpha = 0.14;
    context.fillStyle = colour;
    context.fill();
    context.globalAlpha = 1;
  }
  if (view.range) {
    const [from, to] = view.range;
    context.fillStyle = view.palette.selected;
    context.fillRect((from / total) * width, height - 3, Math.max(2, ((to - from) / total) * width), 3);
  }
  if (view.data.zoom) paintZoom(context, view.data.zoom, total, width, height, view.palette);
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

// From the low end of the colours to the highest bin after the start: of a long text every bin has a high token.
function stripScale(peaks, view, skip) {
  let high = view.scale.low;
  for (const row of peaks) for (let bin = skip; bin < (row?.length ?? 0); bin++) if (row[bin] > high) high = row[bin];
  return high > view.scale.low ? { low: view.scale.low, high } : view.scale;
}

// What lies outside the figures' zoom is dimmed.
function paintZoom(context, [from, to], total, width, height, palette) {
  const [left, right] = [(from / total) * width, (to / total) * width];
  context.fillStyle = palette.panel;
  context.globalAlpha = 0.6;
  context.fillRect(0, 0, left, height);
  context.fillRect(right, 0, width - right, height);
  context.globalAlpha = 1;
}
