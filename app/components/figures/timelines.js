// Signals through time: a row a signal, a line a run.

const ROW = 78;
const ROW_GAP = 26;
const ROWS_TOP = 22;
const KEY = 20; // pixels of a run's colour in the legend
const KEY_LINE = 18;

class Timelines extends Plot {
  constructor(reply, width, style) {
    super(reply, width);
    this.alone = this.runs.length === 1;
    this.keys = this.alone ? [] : this.legend(style);
    // On one line with the title of the first row where both have room.
    const beside = this.keys.length < 2 && (this.keys[0]?.width ?? 0) < (this.right - LEFT) / 2;
    const top = ROWS_TOP + (beside ? 0 : KEY_LINE * this.keys.length);
    this.bands = this.header.rows.map((_, row) => [top + row * (ROW + ROW_GAP), ROW]);
  }

  // Lines of runs, [{ runs: [[run, width]], width }], none longer than the figure is wide.
  legend({ measure }) {
    const lines = [];
    for (const run of this.runs) {
      const width = KEY + 6 + measure(run.label, 12) + 14;
      let last = lines.at(-1);
      if (!last || last.width + width > this.right - LEFT) lines.push((last = { runs: [], width: 0 }));
      last.runs.push([run, width]);
      last.width += width;
    }
    return lines;
  }

  values(row, run, name = "value") {
    return this.sections[`${row}/${run}/${name}`];
  }

  // What the line is of: single tokens, or the means of bins.
  line(row, run) {
    return this.values(row, run, "mean") ?? this.values(row, run);
  }

  y(row, value) {
    const [top, height] = this.bands[row];
    return top + height * (1 - Math.max(0, value) / this.header.rows[row].top);
  }

  paint(context, look) {
    this.header.rows.forEach((_, row) => {
      this.paintScale(context, look, row);
      const [top, height] = this.bands[row];
      context.save();
      context.beginPath();
      context.rect(LEFT, top, this.right - LEFT, height + 1);
      context.clip(); // what starts above the scale
      this.runs.forEach((_, run) => this.values(row, run) && this.paintLine(context, look, row, run));
      context.restore();
    });
    this.paintTokens(context, look);
    if (!this.alone) this.paintLegend(context, look);
  }

  paintScale(context, look, row) {
    const { title, top } = this.header.rows[row];
    const [upper] = this.bands[row];
    const numbers = ticks(0, top, 4);
    const words = tickWords(numbers);
    numbers.forEach((value, k) => {
      const y = Math.round(this.y(row, value));
      context.fillStyle = look.palette.line;
      context.fillRect(LEFT, y, this.right - LEFT, 1);
      write(context, look, look.palette.muted, "right", 11);
      context.fillText(words[k], LEFT - 6, y + 4);
    });
    write(context, look, look.palette.muted, "left", 12);
    context.fillText(title, LEFT + 1, upper - 6);
  }

  // One line of single tokens; of bins their mean, over a band from their lowest to their highest.
  paintLine(context, look, row, run) {
    const high = this.values(row, run);
    const low = this.values(row, run, "low");
    const line = this.line(row, run);
    const colour = look.colour(this.runs[run]);
    const x = (bin) => this.middle(bin);
    context.fillStyle = context.strokeStyle = colour;
    context.lineWidth = this.alone ? 1.3 : 1;
    for (const [from, to] of stretches(high)) {
      if (low || this.alone) {
        context.globalAlpha = low && this.alone ? 0.24 : 0.14;
        context.beginPath();
        for (let k = from; k < to; k++) context.lineTo(x(k), this.y(row, high[k]));
        for (let k = to - 1; k >= from; k--) context.lineTo(x(k), this.y(row, low ? low[k] : 0));
        context.fill();
        context.globalAlpha = 1;
      }
      context.beginPath();
      for (let k = from; k < to; k++) context.lineTo(x(k), this.y(row, line[k]));
      if (to - from === 1) {
        // A value between undefined ones: as wide as its bin.
        const half = Math.max(1, Math.min(6, (x(1) - x(0)) / 2));
        context.moveTo(x(from) - half, this.y(row, line[from]));
        context.lineTo(x(from) + half, this.y(row, line[from]));
      }
      context.setLineDash(this.runs[run].dash);
      context.stroke();
      context.setLineDash([]);
    }
  }

  paintLegend(context, look) {
    this.keys.forEach(({ runs, width }, k) => {
      let x = this.right - width + 14;
      for (const [run, wide] of runs) {
        paintKey(context, look.colour(run), run.dash, x, 11 + k * KEY_LINE);
        write(context, look, look.palette.text, "left", 12);
        context.fillText(run.label, x + KEY + 6, 15 + k * KEY_LINE);
        x += wide;
      }
    });
  }

  paintHover(context, look, bin) {
    this.bands.forEach((_, row) => {
      this.runs.forEach((one, run) => {
        const value = this.line(row, run)?.[bin];
        if (Number.isFinite(value) && value <= this.header.rows[row].top) {
          dot(context, look.colour(one), this.middle(bin), this.y(row, value));
        }
      });
    });
  }

  // What the card says of a bin.
  lines(bin) {
    const found = [];
    this.header.rows.forEach(({ title }, row) => {
      this.runs.forEach((one, run) => {
        const values = this.values(row, run);
        if (!values) return;
        const part = `${row}/${run}`;
        const low = this.values(row, run, "low")?.[bin];
        const mean = this.values(row, run, "mean")?.[bin];
        found.push({ run: one, name: title, low, mean, value: values[bin], peak: this.peak(part, bin, bin) });
      });
    });
    return found;
  }

  // The token that is meant at a point: of the nearest row, there of the nearest line.
  tokenAt(x, y) {
    const [bin, row] = [this.binAt(x), this.nearestBand(y)];
    let best = null;
    let least = Infinity;
    this.runs.forEach((_, run) => {
      const away = Math.abs(this.y(row, this.line(row, run)?.[bin] ?? NaN) - y);
      if (away < least) [best, least] = [run, away];
    });
    return best === null ? null : this.peak(`${row}/${best}`, bin, bin);
  }
}

// A piece of a run's line, as it is drawn.
function paintKey(context, colour, dash, x, y) {
  context.strokeStyle = colour;
  context.lineWidth = 2;
  context.setLineDash(dash);
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x + KEY, y);
  context.stroke();
  context.setLineDash([]);
}

// Where values are finite: [from, to) of each stretch.
function stretches(values) {
  const found = [];
  for (let k = 0; k < values.length; k++) {
    if (!Number.isFinite(values[k])) continue;
    const from = k;
    while (k < values.length && Number.isFinite(values[k])) k++;
    found.push([from, k]);
  }
  return found;
}
