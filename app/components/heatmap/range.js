// A range of tokens: [from, to), what is said about it, and its text.

class RangeLine {
  constructor(view) {
    this.view = view;
    this.box = element("div", "range");
    this.box.hidden = true;
    this.words = element("span");
    this.copier = button("Copy", undefined, "copy the text of the range (Ctrl+C)", () => this.copy());
    const clear = button("Clear", undefined, "clear the range (Escape)", () => view.setRange(null, true));
    this.box.append(this.words, this.copier, clear);
    view.root.addEventListener("copy", (event) => this.fill(event));
  }

  get text() {
    const { doc, range } = this.view;
    return doc.text.slice(doc.start[range[0]], doc.end[range[1] - 1]);
  }

  draw() {
    const { range, data, panels, signal } = this.view;
    this.box.hidden = !range;
    if (!range) return;
    const columns = panels.map((panel) => panel.columns[signal]);
    const same = this.drawn && this.drawn.range === range && columns.every((c, k) => c === this.drawn.columns[k]);
    if (same && this.drawn.columns.length === columns.length) return;
    this.drawn = { range, columns };
    const { symbol } = this.view.signalFacts(signal);
    const facts = panels.map((panel, k) => {
      const { mean, max } = meanAndMax(columns[k], range);
      return `${data.runs.length > 1 ? panel.run.label : symbol} mean ${number(mean)}, max ${number(max)}`;
    });
    this.words.textContent = `${rangeWords(range)}, ${facts.join(" · ")}`;
  }

  // The clipboard's own way needs a secure address; the older one works on any.
  async copy() {
    if (!this.view.range) return;
    try {
      await navigator.clipboard.writeText(this.text);
      this.copied();
    } catch {
      document.execCommand("copy");
    }
  }

  fill(event) {
    const typing = event.composedPath()[0] instanceof HTMLInputElement;
    if (!this.view.range || typing) return;
    event.clipboardData.setData("text/plain", this.text);
    event.preventDefault();
    this.copied();
  }

  copied() {
    this.copier.textContent = "Copied";
    this.view.live.textContent = `${rangeWords(this.view.range)}: copied`;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (this.copier.textContent = "Copy"), 1500);
  }
}

function rangeWords([from, to]) {
  const many = to - from;
  return many === 1
    ? `token ${whole(to)}, 1 token`
    : `tokens ${whole(from + 1)}–${whole(to)}, ${whole(many)} tokens`;
}

function meanAndMax(column, [from, to]) {
  let sum = 0;
  let count = 0;
  let max = NaN;
  for (let t = from; column && t < to; t++) {
    if (Number.isNaN(column[t])) continue;
    sum += column[t];
    count++;
    if (!(column[t] <= max)) max = column[t];
  }
  return { mean: sum / count, max };
}
