// What both figures share: the token axis, its bins, and numbers along an axis.

const LEFT = 44;
const RIGHT = 10;
const FOOT = 38; // pixels under the last row, for the numbers of the tokens

// A drawing of one reply of titanscope/figure, `width` pixels wide. Tokens are counted from 0; token t fills t to t + 1.
// bands: the [top, height] of what stands over the token axis.
class Plot {
  constructor({ header, sections }, width) {
    Object.assign(this, { header, sections, width, runs: header.runs, size: header.size });
    [this.low, this.high] = header.extent;
    this.right = width - RIGHT;
    this.bins = Math.ceil((this.high - this.low) / this.size);
  }

  get height() {
    const [top, height] = this.bands.at(-1);
    return top + height + FOOT;
  }

  x(place) {
    return LEFT + ((place - this.low) / (this.high - this.low)) * (this.right - LEFT);
  }

  // Where on the token axis an x is, between the ends of what is drawn.
  place(x) {
    const share = Math.max(0, Math.min(1, (x - LEFT) / (this.right - LEFT)));
    return this.low + share * (this.high - this.low);
  }

  binAt(x) {
    return Math.min(this.bins - 1, Math.floor((this.place(x) - this.low) / this.size));
  }

  // Tokens from..to of a bin, and the x of its middle.
  tokens(bin) {
    const from = this.low + bin * this.size;
    return [from, Math.min(this.high, from + this.size)];
  }

  middle(bin) {
    return this.x(this.low + (bin + 0.5) * this.size);
  }

  // The token of the highest value of a bin; null where it has none.
  peak(part, at, bin) {
    if (this.size === 1) return this.low + bin;
    const token = this.sections[`${part}/peak`][at];
    return token < this.high ? token : null;
  }

  nearestBand(y) {
    const away = ([top, height]) => Math.max(top - y, 0, y - top - height);
    return this.bands.reduce((best, band, k) => (away(band) < away(this.bands[best]) ? k : best), 0);
  }

  paintTokens(context, look) {
    const bottom = this.height - FOOT;
    write(context, look, look.palette.muted, "center", 11);
    for (const token of ticks(this.low + 1, this.high, (this.right - LEFT) / 85, 1)) {
      const most = this.width - look.measure(whole(token), 11) / 2; // the last one stays in the picture
      context.fillText(whole(token), Math.min(most, this.x(token - 0.5)), bottom + 17);
    }
    context.fillText("token", (LEFT + this.right) / 2, bottom + 32);
  }
}

function write(context, look, colour, align, size) {
  context.fillStyle = colour;
  context.textAlign = align;
  context.font = `${size}px ${look.font}`;
}

function dot(context, colour, x, y) {
  context.fillStyle = colour;
  context.beginPath();
  context.roundRect(x - 2.5, y - 2.5, 5, 5, 2.5);
  context.fill();
}

// Round numbers from low to high, about so many of them and at least `least` apart.
function ticks(low, high, about, least = 0) {
  if (!(high > low)) return Number.isFinite(low) && high === low ? [low] : [];
  const rough = Math.max((high - low) / Math.max(1, about), least);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((size) => size >= rough * 0.999);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k <= Math.floor(high / step + 1e-9); k++) found.push(k * step + 0); // never −0
  return found;
}

// Numbers of one axis, with as many digits as the step between them needs.
function tickWords(values) {
  const most = Math.max(...values.map(Math.abs));
  const step = values.length > 1 ? values[1] - values[0] : most;
  if (most >= 1e5 || (most > 0 && most < 1e-3)) return values.map((v) => (v === 0 ? "0" : short(v, step)));
  const digits = step > 0 ? Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)) : 0;
  const format = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return values.map((v) => v.toLocaleString("en-US", format).replace("-", "−"));
}

function short(value, step) {
  const digits = Math.max(0, Math.floor(Math.log10(Math.abs(value)) + 1e-9) - Math.floor(Math.log10(step) + 1e-9));
  return value.toExponential(digits).replaceAll("-", "−").replace("e+", "e");
}
