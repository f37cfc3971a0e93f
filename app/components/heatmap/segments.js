// Intl.Segmenter in slices, and a plain stand-in where a browser has none.

// Characters that are segmented at once. A browser may copy the slice for each segment, so it is short.
const SLICE = 1024;
const EDGE = 64; // a border this near to the end of a slice may hang on what follows
// The stand-in is good for scripts that part words by spaces.
const PLAIN = {
  word: /[\p{L}\p{M}\p{N}_]+|[^\S\n]+|./gsu,
  sentence: /[^.!?…。！？\n]*(?:\n|[.!?…。！？]+["'”’)\]]*[^\S\n]*\n?|$)/g,
};

// {at, segment} from low to high, which must be borders. Slices end at a newline where there is one.
function* segments(text, granularity, low, high) {
  const find = segmenterOf(granularity);
  let size = SLICE;
  let at = low;
  while (at < high) {
    let stop = Math.min(high, at + size);
    let firm = stop;
    if (stop < high) {
      const newline = text.slice(at, stop).lastIndexOf("\n");
      if (newline >= 0) firm = stop = at + newline + 1;
      else firm = stop - EDGE;
    }
    let next = at;
    for (const { index, segment } of find(text.slice(at, stop))) {
      if (at + index + segment.length > firm) break;
      if (segment) yield { at: at + index, segment };
      next = at + index + segment.length;
    }
    size = next === at ? 2 * size : SLICE; // nothing ended in it: one word longer than a slice
    at = next;
  }
}

function segmenterOf(granularity) {
  if (typeof Intl.Segmenter === "function") {
    const segmenter = new Intl.Segmenter("en", { granularity });
    return (part) => segmenter.segment(part);
  }
  return function* (part) {
    for (const match of part.matchAll(PLAIN[granularity])) yield { index: match.index, segment: match[0] };
  };
}
