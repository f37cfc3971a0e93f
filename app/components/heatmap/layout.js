// From tokens to cells (what is drawn as one) and from cells to rows of a given width.

const JOINING = /\p{M}|\u200d|\p{RI}|\p{Emoji_Modifier}|\ufe0f/u; // characters that join the one before
const BEYOND_LATIN = /[\u0300-\uffff]+/g;
const RTL = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]|[\ud802\ud803\ud83a]/;
const LTR = /[A-Za-z0-9\u00c0-\u02b8\u0370-\u058f\u0900-\u1fff\u2c00-\ufaff]/;
const CJK = /[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]|[\ud840-\ud88d]/;
const NEWLINE = /[\n\u2028\u2029]/;
// Drawn as nothing: they would turn the text around or hide it. The token card shows their code points.
const HIDDEN = /[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\r]/g;
const CONTROL = /[\u0000-\u0008\u000b-\u001f]/g;

function visible(text) {
  return text
    .replace(HIDDEN, "")
    .replace(/\t/g, "    ")
    .replace(CONTROL, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)));
}

// Tokens that share a character, or a cluster of characters that is drawn as one, make one cell.
function buildCells({ text, start, end }) {
  const inside = insideClusters(text);
  const count = start.length;
  const first = new Uint32Array(count + 1);
  const cellOf = new Uint32Array(count);
  let cells = 0;
  let reach = 0;
  for (let token = 0; token < count; token++) {
    const joined = token > 0 && (start[token] < reach || (inside !== null && inside[start[token]]));
    if (!joined) first[cells++] = token;
    cellOf[token] = cells - 1;
    reach = Math.max(reach, end[token]);
  }
  first[cells] = count;
  return { first: first.subarray(0, cells + 1), cellOf, cells };
}

// Marks the offsets that lie inside a grapheme cluster; null where no text needs it.
function insideClusters(text) {
  if (!JOINING.test(text) || typeof Intl.Segmenter !== "function") return null;
  const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });
  const inside = new Uint8Array(text.length + 1);
  for (const match of text.matchAll(BEYOND_LATIN)) {
    if (!JOINING.test(match[0])) continue;
    const from = Math.max(0, match.index - 1); // the letter that a mark belongs to
    const part = text.slice(from, match.index + match[0].length);
    inside.fill(1, from + 1, from + part.length);
    for (const { index } of segmenter.segment(part)) inside[from + index] = 0;
  }
  return inside;
}

class Layout {
  // Rows of fragments; a fragment is a cell or, where a newline splits a cell, a part of one.
  constructor(doc, cells, width, measure) {
    const newlines = doc.text.split("\n").length + doc.text.split(/[\u2028\u2029]/).length;
    const room = cells.cells + 2 * newlines + 16;
    Object.assign(this, { doc, cells, width, measure });
    this.cell = new Uint32Array(room);
    this.from = new Uint32Array(room); // span in the text
    this.to = new Uint32Array(room);
    this.x = new Float32Array(room);
    this.w = new Float32Array(room);
    this.kind = new Uint8Array(room); // 1 newline, 2 first of a soft row: its leading space is dropped, 4 RTL
    this.fragmentOf = new Uint32Array(cells.cells);
    this.rowStart = [0];
    this.count = 0;
    this.done = false;
    this.rtl = RTL.test(doc.text);
    this.steps = this.work();
  }

  get rows() {
    return this.rowStart.length - (this.done && this.rowStart[this.rowStart.length - 1] === this.count ? 1 : 0);
  }

  advance(milliseconds) {
    const until = performance.now() + milliseconds;
    while (!this.done && performance.now() < until) this.done = this.steps.next().done;
  }

  *work() {
    const { doc, cells } = this;
    let word = []; // fragments that must stay together: [cell, from, to, width]
    let wordWidth = 0;
    let x = 0;
    let softStart = false;
    let before = "\n";
    const endRow = () => {
      if (this.rtl) this.reorder(this.rowStart[this.rowStart.length - 1], this.count);
      this.rowStart.push(this.count);
      x = 0;
    };
    const put = (cell, from, to, width, kind) => {
      const f = this.count++;
      if (kind !== 1 && softStart && doc.text[from] === " ") {
        kind |= 2;
        width = Math.max(3, width - this.measure(" "));
      }
      softStart = false;
      this.cell[f] = cell;
      this.from[f] = from;
      this.to[f] = to;
      this.x[f] = x;
      this.w[f] = width;
      this.kind[f] = kind;
      x += width;
    };
    const flush = () => {
      const space = word.length && doc.text[word[0][1]] === " " ? this.measure(" ") : 0;
      if (x > 0 && x + wordWidth > this.width + (wordWidth === space ? 1e9 : 0)) {
        endRow();
        softStart = true;
      }
      for (const [cell, from, to, width] of word) {
        if (x > 0 && x + width > this.width && wordWidth > this.width) endRow(); // longer than a row
        put(cell, from, to, Math.min(width, this.width), 0);
      }
      word = [];
      wordWidth = 0;
    };
    for (let c = 0; c < cells.cells; c++) {
      if (c % 512 === 511) yield;
      const begin = doc.start[cells.first[c]];
      const stop = c + 1 < cells.cells ? doc.start[cells.first[c + 1]] : doc.text.length;
      this.fragmentOf[c] = this.count + word.length;
      let from = begin;
      while (from < stop) {
        let to = from;
        while (to < stop && !NEWLINE.test(doc.text[to])) to++;
        if (to > from) {
          const piece = doc.text.slice(from, to);
          const lead = piece[0];
          if (/\s/.test(lead) || /[\s\-–—/]/.test(before) || CJK.test(lead) || CJK.test(before)) flush();
          const width = Math.max(this.measure(visible(piece)), 3);
          word.push([c, from, to, width]);
          wordWidth += width;
          before = doc.text[to - 1];
        }
        if (to < stop) {
          flush();
          softStart = false;
          put(c, to, to + 1, this.measure("↵ "), 1);
          endRow();
          before = "\n";
          to++;
        }
        from = to;
      }
    }
    flush();
    if (this.rtl) this.reorder(this.rowStart[this.rowStart.length - 1], this.count);
  }

  // Visual order of one row: runs by the direction of its first strong letter, a word of the other way inside.
  reorder(low, high) {
    const text = (f) => this.doc.text.slice(this.from[f], this.to[f]);
    const way = [];
    for (let f = low; f < high; f++) way.push(RTL.test(text(f)) ? "R" : LTR.test(text(f)) ? "L" : "");
    const base = way.find((w) => w) === "R" ? "R" : "L";
    if (base === "L" && !way.includes("R")) return;
    for (let k = 0; k < way.length; k++) {
      if (way[k]) continue;
      const next = way.slice(k).find((w) => w) || base;
      way[k] = (way[k - 1] || base) === next ? next : base;
    }
    const runs = [];
    for (let k = 0; k < way.length; k++) {
      if (k && way[k] === way[k - 1]) runs[runs.length - 1].push(low + k);
      else runs.push([low + k]);
    }
    let used = 0;
    for (const run of runs) {
      const isRtl = way[run[0] - low] === "R";
      if (isRtl) this.measureRun(run);
      const width = run.reduce((sum, f) => sum + this.w[f], 0);
      let at = base === "R" ? this.width - used - width : used;
      for (const f of isRtl ? [...run].reverse() : run) {
        this.x[f] = at;
        at += this.w[f];
        if (isRtl) this.kind[f] |= 4;
      }
      used += width;
    }
  }

  // Letters join in these scripts, so a token's width is what it adds to the run before it.
  measureRun(run) {
    const start = this.from[run[0]];
    let last = 0;
    for (const f of run) {
      if (this.kind[f] & 1) continue;
      const width = this.measure(visible(this.doc.text.slice(start, this.to[f])));
      this.w[f] = Math.max(3, width - last);
      last = Math.max(last, width);
    }
  }

  rowOf(fragment) {
    let low = 0;
    let high = this.rowStart.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.rowStart[middle] <= fragment) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  endOf(row) {
    return row + 1 < this.rowStart.length ? this.rowStart[row + 1] : this.count;
  }

  firstToken(row) {
    const fragment = Math.min(this.rowStart[Math.max(0, Math.min(row, this.rowStart.length - 1))], this.count - 1);
    return this.cells.first[this.cell[Math.max(0, fragment)]];
  }

  // The token at a place, or -1. A cell of several tokens is divided evenly among them.
  tokenAt(row, x) {
    if (row < 0 || row >= this.rows) return -1;
    for (let f = this.rowStart[row]; f < this.endOf(row); f++) {
      if (x < this.x[f] || x >= this.x[f] + this.w[f]) continue;
      const low = this.cells.first[this.cell[f]];
      const tokens = this.cells.first[this.cell[f] + 1] - low;
      const part = Math.floor(((x - this.x[f]) / this.w[f]) * tokens);
      return low + Math.min(tokens - 1, this.kind[f] & 4 ? tokens - 1 - part : part);
    }
    return -1;
  }
}
