// From tokens to cells: what is drawn as one.

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
  const inside = new Uint8Array(text.length + 1);
  for (const match of text.matchAll(BEYOND_LATIN)) {
    if (!JOINING.test(match[0])) continue;
    const from = Math.max(0, match.index - 1); // the letter that a mark belongs to
    const to = match.index + match[0].length;
    inside.fill(1, from + 1, to);
    for (const { at } of segments(text, "grapheme", from, to)) inside[at] = 0;
  }
  return inside;
}

const borders = new Map(); // two characters -> whether a row may end between them

function mayPart(before, lead) {
  if (lead === " ") return true;
  const pair = before + lead;
  let may = borders.get(pair);
  if (may === undefined) {
    may = /\s/.test(lead) || /[\s\-–—/]/.test(before) || CJK.test(lead) || CJK.test(before);
    if (borders.size < 100000) borders.set(pair, may);
  }
  return may;
}

function endsRow(text, at) {
  const code = text.charCodeAt(at);
  return code === 10 || code === 0x2028 || code === 0x2029; // as NEWLINE
}
