// Words, sentences and paragraphs: runs of tokens that are coloured as one. A unit has the tokens that begin in it.

const UNITS = ["token", "word", "sentence", "paragraph"];
const PARAGRAPH = /[\n\u2028\u2029](?:\s*[\n\u2028\u2029])?/g;
const BREAK = /^[\n\r\u2028\u2029]/;
const BLANK = /^\s+$/;

class Units {
  // first (count + 1,): the first token of each unit, complete when `done`.
  constructor({ text, start }, kind) {
    Object.assign(this, { text, start, kind });
    this.first = new Uint32Array(start.length + 1);
    this.count = 1;
    this.done = false;
    this.steps = kind === "word" ? wordStarts(text) : kind === "sentence" ? sentenceStarts(text) : paragraphStarts(text);
    this.token = 0;
  }

  advance(milliseconds) {
    const until = performance.now() + milliseconds;
    while (!this.done && performance.now() < until) {
      for (let k = 0; k < 256 && !this.done; k++) this.step(this.steps.next());
    }
  }

  step({ value, done }) {
    const { start, first } = this;
    if (!done) while (this.token < start.length && start[this.token] < value) this.token++;
    if (done || this.token === start.length) {
      this.done = true;
      first[this.count] = start.length;
      this.first = first.slice(0, this.count + 1);
    } else if (this.token > first[this.count - 1]) first[this.count++] = this.token;
  }

  // The unit of a token.
  of(token) {
    return lastAtMost(this.first, token, this.count);
  }
}

// Index of the last of the first `count` ascending numbers that is at most `value`.
function lastAtMost(numbers, value, count = numbers.length) {
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (numbers[middle] <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

// Tokens carry the space before them, so it goes with the word that follows it.
function* wordStarts(text) {
  let space = -1;
  let afterBreak = false;
  for (const { at, segment } of segments(text, "word", 0, text.length)) {
    const isBreak = BREAK.test(segment);
    if (!isBreak && BLANK.test(segment)) {
      if (space < 0) space = at;
      continue;
    }
    if (!(isBreak && afterBreak)) yield space < 0 ? at : space;
    afterBreak = isBreak;
    space = -1;
  }
  if (space >= 0) yield space;
}

function* sentenceStarts(text) {
  for (const { at, segment } of segments(text, "sentence", 0, text.length)) {
    if (BLANK.test(segment)) continue;
    let begin = at;
    while (begin > 0 && !NEWLINE.test(text[begin - 1]) && BLANK.test(text[begin - 1])) begin--;
    yield begin;
  }
}

function* paragraphStarts(text) {
  for (const match of text.matchAll(PARAGRAPH)) yield match.index + match[0].length;
}

// The mean or the highest of each unit's tokens, NaN left out. values (units,); tokens (T,): the same for every token.
function pool(column, { first, count }, rule) {
  const values = new Float32Array(count);
  const tokens = new Float32Array(column.length);
  for (let u = 0; u < count; u++) {
    let sum = 0;
    let most = -Infinity;
    let defined = 0;
    for (let t = first[u]; t < first[u + 1]; t++) {
      const value = column[t];
      if (Number.isNaN(value)) continue;
      defined++;
      sum += value;
      if (value > most) most = value;
    }
    values[u] = defined === 0 ? NaN : rule === "max" ? most : sum / defined;
    tokens.fill(values[u], first[u], first[u + 1]);
  }
  return { column, values, tokens };
}
