// Layer x token: a block of cells a run, a row a layer, the first layer lowest.

const LAYER = 22; // pixels of a row, the last of which parts it from the next
const BLOCK_GAP = 22;
const BLOCKS_TOP = 42; // the colour bar, and beside it the choice of max or mean
const BAR = 150; // pixels of the colour bar

class LayerMap extends Plot {
  constructor(reply, width) {
    super(reply, width);
    let top = BLOCKS_TOP + (this.runs.length > 1 ? 14 : 0);
    this.bands = this.runs.map(({ layers }) => {
      const band = [top, layers.length * LAYER - 1];
      top += layers.length * LAYER + BLOCK_GAP;
      return band;
    });
  }

  row(run, layer) {
    return this.bands[run][0] + (this.runs[run].layers.length - 1 - layer) * LAYER;
  }

  index(run, layer, bin) {
    return layer * this.bins + bin;
  }

  paint(context, look) {
    this.runs.forEach(({ label, layers }, run) => {
      if (this.runs.length > 1) {
        write(context, look, look.palette.muted, "left", 12);
        context.fillText(label, LEFT + 1, this.bands[run][0] - 6);
      }
      layers.forEach((name, layer) => {
        write(context, look, look.palette.muted, "right", 11);
        context.fillText(name, LEFT - 6, this.row(run, layer) + 15);
        this.paintCells(context, look, run, layer);
      });
    });
    this.paintTokens(context, look);
    this.paintBar(context, look);
  }

  // A column of pixels has the bins that begin in it, so that none is left out where there are more bins than pixels.
  paintCells(context, look, run, layer) {
    const y = this.row(run, layer);
    const columns = Math.round((this.right - LEFT) * look.ratio);
    const perColumn = (this.high - this.low) / this.size / columns;
    const values = this.sections[`${run}/value`].subarray(layer * this.bins, (layer + 1) * this.bins);
    const rects = new Map(); // colour -> [x, width] of neighbours that have it; -1: no value
    let from = 0;
    let colour = null;
    for (let column = 0; column <= columns; column++) {
      const first = Math.floor(column * perColumn);
      const value = pooled(values, first, Math.max(first + 1, Math.floor((column + 1) * perColumn)), this.header.how);
      const next = column === columns ? null : Number.isFinite(value) ? shade(value, this.header) : -1;
      if (next === colour) continue;
      if (colour !== null) {
        if (!rects.has(colour)) rects.set(colour, []);
        rects.get(colour).push([LEFT + from / look.ratio, (column - from) / look.ratio]);
      }
      [from, colour] = [column, next];
    }
    for (const [shown, places] of rects) {
      const missing = shown < 0;
      context.fillStyle = missing ? look.palette.muted : look.table.fill[shown];
      context.beginPath();
      for (const [x, width] of places) context.rect(x, missing ? y + 10 : y, width, missing ? 1 : LAYER - 1);
      context.fill();
    }
  }

  paintBar(context, look) {
    const left = this.right - 14 - BAR;
    for (let k = 0; k < BAR; k += 2) {
      context.fillStyle = look.table.fill[Math.round((255 * k) / (BAR - 2))];
      context.fillRect(left + k, 6, 2, 7);
    }
    const { low, high } = this.header;
    const numbers = ticks(low, high, 4);
    const words = tickWords(numbers);
    write(context, look, look.palette.muted, "center", 11);
    numbers.forEach((v, k) => context.fillText(words[k], left + (BAR * (v - low)) / (high - low), 26));
  }

  paintHover() {}

  // What the card says of a bin; `y` tells which row the pointer is on.
  lines(bin, y) {
    const on = y === undefined ? null : this.cell(y);
    return this.runs.flatMap((one, run) =>
      one.layers
        .map((name, layer) => {
          const at = this.index(run, layer, bin);
          const marked = on !== null && on.run === run && on.layer === layer;
          return { run: one, name, on: marked, value: this.sections[`${run}/value`][at], peak: this.peak(run, at, bin) };
        })
        .reverse());
  }

  cell(y) {
    const run = this.nearestBand(y);
    const row = Math.floor((y - this.bands[run][0]) / LAYER);
    const last = this.runs[run].layers.length - 1;
    return { run, layer: last - Math.max(0, Math.min(last, row)) };
  }

  tokenAt(x, y) {
    const bin = this.binAt(x);
    const { run, layer } = this.cell(y);
    return this.peak(run, this.index(run, layer, bin), bin);
  }
}

// The highest or the mean of the finite values from..to; NaN where there are none.
function pooled(values, from, to, how) {
  if (to - from === 1) return values[from];
  let count = 0;
  let found = how === "max" ? -Infinity : 0;
  for (let k = from; k < to; k++) {
    if (!Number.isFinite(values[k])) continue;
    count++;
    found = how === "max" ? Math.max(found, values[k]) : found + values[k];
  }
  return count === 0 ? NaN : how === "max" ? found : found / count;
}
