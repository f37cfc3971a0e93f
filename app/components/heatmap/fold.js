// Plain search that sees no case: the text is folded block by block, and what is found is led back to the text.

const FOLD_BLOCK = 4096;
const JAMO = "\\u1100-\\u11ff\\ua960-\\ua97c\\ud7b0-\\ud7fb";
// Where these stand, composing may make a text shorter; everywhere else folding keeps lengths or adds to them.
const UNSTEADY = new RegExp(`[\\p{M}${JAMO}\\u{2f800}-\\u{2fa1f}]`, "u");
const PIECES = new RegExp(`[${JAMO}]+|\\P{M}\\p{M}*|\\p{M}+`, "gsu");

// ß is ss, ς is σ, and é is é however it was typed.
function fold(text) {
  return text.toUpperCase().toLowerCase().replaceAll("ς", "σ").normalize("NFC");
}

class Folded {
  constructor(text) {
    const parts = [];
    this.starts = []; // where each block begins once folded
    this.origins = []; // and in the text
    this.maps = []; // null where both run in step, else from[i]..to[i] is what folded character i comes from
    let length = 0;
    for (let at = 0; at < text.length; ) {
      const stop = blockEnd(text, at);
      const block = text.slice(at, stop);
      const folded = fold(block);
      const steady = folded.length === block.length && !UNSTEADY.test(block);
      const { text: part, map } = steady ? { text: folded, map: null } : foldPieces(block, at);
      this.starts.push(length);
      this.origins.push(at);
      this.maps.push(map);
      parts.push(part);
      length += part.length;
      at = stop;
    }
    this.text = parts.join("");
  }

  // Spans of the text, in order and apart from each other: {from, to} (matches,).
  find(words) {
    const needle = fold(words);
    const from = [];
    const to = [];
    let end = 0;
    for (let at = this.text.indexOf(needle); needle && at >= 0; at = this.text.indexOf(needle, at + needle.length)) {
      const begin = this.origin(at, "from");
      if (begin < end) continue; // two of them in one character
      end = this.origin(at + needle.length - 1, "to");
      from.push(begin);
      to.push(end);
    }
    return { from: Uint32Array.from(from), to: Uint32Array.from(to) };
  }

  origin(index, side) {
    const block = lastAtMost(this.starts, index);
    const map = this.maps[block];
    if (map) return map[side][index - this.starts[block]];
    return this.origins[block] + index - this.starts[block] + (side === "to" ? 1 : 0);
  }
}

function blockEnd(text, at) {
  let stop = at + FOLD_BLOCK;
  while (stop < text.length) {
    const code = text.codePointAt(stop);
    const low = code >= 0xdc00 && code <= 0xdfff; // the second half of a pair
    if (!low && !UNSTEADY.test(String.fromCodePoint(code))) break;
    stop++;
  }
  return Math.min(stop, text.length);
}

function foldPieces(block, at) {
  const parts = [];
  const from = [];
  const to = [];
  for (const match of block.matchAll(PIECES)) {
    const part = fold(match[0]);
    for (let k = 0; k < part.length; k++) {
      from.push(at + match.index);
      to.push(at + match.index + match[0].length);
    }
    parts.push(part);
  }
  return { text: parts.join(""), map: { from: Uint32Array.from(from), to: Uint32Array.from(to) } };
}
