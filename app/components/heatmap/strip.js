// The overview of the whole text.

// The whole text on one line, and the window that is shown: per panel the mean of each bin over a band to its highest.
function paintStrip(canvas, view) {
  const { width, height } = fitCanvas(canvas);
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  const total = view.doc.start.length;
  const bins = Math.min(total, Math.floor(width));
  const found = view.panels.map((panel) => (panel.fill ? panel.overview(bins) : null));
  const scale = stripScale(found.map((one) => one?.peaks), view, Math.ceil((view.data.settling / total) * bins));
  for (const [k, panel] of view.panels.entries()) {
    if (!found[k]) continue;
    const { peaks, means } = found[k];
    context.fillStyle = context.strokeStyle = panel.colour();
    const x = (bin) => (bin / Math.max(1, bins - 1)) * width;
    const y = (value) => height - 1 - (Number.isNaN(value) ? 0 : shade(value, scale) / 255) * (height - 4);
    const trace = () => means.forEach((mean, bin) => context.lineTo(x(bin), y(mean)));
    context.beginPath();
    trace();
    for (let bin = bins - 1; bin >= 0; bin--) context.lineTo(x(bin), y(peaks[bin]));
    context.globalAlpha = view.panels.length > 1 ? 0.18 : 0.3;
    context.fill();
    context.globalAlpha = 1;
    context.beginPath();
    trace();
    context.lineWidth = 1;
    context.setLineDash(panel.run.dash);
    context.stroke();
    context.setLineDash([]);
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
