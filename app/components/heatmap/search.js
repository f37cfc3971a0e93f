// The search box. Matches are spans of the text; the one gone to is `at`, or -1.

const NOTHING = { from: new Uint32Array(0), to: new Uint32Array(0) };

class Search {
  constructor(view) {
    this.view = view;
    this.matches = NOTHING;
    this.at = -1;
    this.linked = null; // the match that a link goes to
    this.box = element("div", "search");
    this.box.setAttribute("role", "search");
    this.input = element("input");
    this.input.type = "search";
    this.input.placeholder = "Search text  /";
    this.input.autocomplete = "off";
    this.input.spellcheck = false;
    this.input.setAttribute("aria-label", "Search in the text");
    this.count = element("span", "count soft");
    this.count.setAttribute("role", "status");
    this.back = button("‹", undefined, "previous match (Shift+Enter)", () => this.go(-1));
    this.on = button("›", undefined, "next match (Enter)", () => this.go(1));
    this.box.append(this.input, this.count, this.back, this.on);
    this.input.addEventListener("input", () => {
      clearTimeout(this.waiting);
      this.waiting = setTimeout(() => this.run(), 80);
      this.report();
    });
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.tell();
  }

  key(event) {
    event.stopPropagation(); // letters typed here are no shortcuts of the page
    if (event.isComposing) return;
    if (event.key === "Enter") this.go(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") this.clear();
    else return;
    event.preventDefault();
  }

  focus() {
    this.input.focus();
    this.input.select();
  }

  clear() {
    this.input.value = "";
    this.run();
    this.report();
    this.view.panels[0].scroll.focus({ preventScroll: true });
  }

  // What a link says: these words, and the match gone to, or null. They are sought when the text is there.
  restore(words, match) {
    this.input.value = words;
    this.linked = match;
  }

  // The address follows when nobody types.
  report() {
    clearTimeout(this.telling);
    this.telling = setTimeout(() => this.view.send("find", [this.input.value, this.at, Date.now()]), 500);
  }

  // Find all matches of what is typed.
  run() {
    clearTimeout(this.waiting);
    this.waiting = null;
    const { doc } = this.view;
    const words = this.input.value;
    this.words = words;
    this.at = -1;
    if (!doc || !words) this.matches = NOTHING;
    else {
      doc.folded ??= new Folded(doc.text);
      this.matches = doc.folded.find(words);
      if (this.linked !== null) this.goToLinked();
    }
    this.tell();
    this.view.paint();
  }

  // The match that a link names; the address takes it back where there is none.
  goToLinked() {
    if (this.linked < this.matches.from.length) this.at = this.linked;
    else this.report();
    this.linked = null;
  }

  // The next match after where one is, round and round.
  go(way) {
    if (this.waiting || this.words !== this.input.value) this.run();
    const { from } = this.matches;
    if (!from.length) return;
    const next = this.at < 0 ? this.nearest(way) : this.at + way;
    this.at = (next + from.length) % from.length;
    this.tell();
    this.report();
    this.view.select(firstTokenAt(this.view.doc, from[this.at]), false);
    this.view.reveal();
  }

  // From the selected token on, or from the first that is shown.
  nearest(way) {
    const { view, matches } = this;
    const before = lastBefore(matches.from, view.doc.start[view.selected ?? view.shownTokens()[0]]);
    return way < 0 ? before : before + 1;
  }

  tell() {
    const { length } = this.matches.from;
    const many = whole(length);
    const found = this.at < 0 ? `${many} found` : `${whole(this.at + 1)} of ${many}`;
    this.count.textContent = !this.words ? "" : length ? found : "no match";
    this.back.hidden = this.on.hidden = !length;
  }
}

// Index of the last number below `value`, or -1.
function lastBefore(numbers, value) {
  return numbers.length && numbers[0] < value ? lastAtMost(numbers, value - 1) : -1;
}

// The first of the tokens that share the character at `offset`.
function firstTokenAt({ start, end }, offset) {
  let token = lastAtMost(start, offset);
  while (token > 0 && end[token - 1] > offset) token--;
  return token;
}
