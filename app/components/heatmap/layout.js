// From cells to rows of a given width.

class Layout {
  // Rows of fragments; a fragment is a cell or, where a newline splits a cell, a part of one.
  constructor(doc, cells, width, measure) {
    const newlines = doc.text.split("\n").length + doc.text.split(/[\u2028\u2029]/).length;
    const room = cells.cells + 2 * newlines + 16;
    Object.assign(this, { doc, cells, width, measure });
    this.widths = new Map(); // of pieces as they stand in the text
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

  widthOf(piece) {
    let width = this.widths.get(piece);
    if (width === undefined) {
      width = Math.max(this.measure(visible(piece)), 3);
      if (this.widths.size < 100000) this.widths.set(piece, width);
    }
    return width;
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
        while (to < stop && !endsRow(doc.text, to)) to++;
        if (to > from) {
          const piece = doc.text.slice(from, to);
          const lead = piece[0];
          if (mayPart(before, lead)) flush();
          const width = this.widthOf(piece);
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

  // Letters join in these scripts, so a token's width is what it adds to the run before it. The joiner gives the last
  // letter the form that it has within the run.
  measureRun(run) {
    const start = this.from[run[0]];
    const parts = run.filter((f) => !(this.kind[f] & 1));
    const reach = parts.map((f, k) => {
      const text = visible(this.doc.text.slice(start, this.to[f]));
      return this.measure(k + 1 < parts.length ? `${text}\u200d` : text);
    });
    for (let k = reach.length - 2; k >= 0; k--) reach[k] = Math.min(reach[k], reach[k + 1]);
    parts.forEach((f, k) => (this.w[f] = reach[k] - (k ? reach[k - 1] : 0)));
  }

  rowOf(fragment) {
    return lastAtMost(this.rowStart, fragment);
  }

  // The tokens [low, high) of a fragment's cell.
  tokensOf(fragment) {
    const cell = this.cell[fragment];
    return [this.cells.first[cell], this.cells.first[cell + 1]];
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

  // As tokenAt, of the row's end that is nearer where there is no token.
  nearestToken(row, x) {
    const at = Math.max(0, Math.min(this.rows - 1, row));
    const begins = this.x.subarray(this.rowStart[at], this.endOf(at));
    const right = Math.max(...begins.map((begin, k) => begin + this.w[this.rowStart[at] + k]));
    return this.tokenAt(at, Math.max(Math.min(...begins), Math.min(right - 0.5, x)));
  }
}
