// The text in rows: laid out for the width of the page, placed in the scroll boxes of the panels.

const PLACE_EVERY = 250; // ms, while a long text is laid out

// What can be seen of the text is laid out at once; the rest lets the figures go first.
function whenIdle(act) {
  if (window.requestIdleCallback) requestIdleCallback(act, { timeout: 100 });
  else setTimeout(act, 0);
}

class Sheet extends Source {
  constructor() {
    super();
    this.widths = new Map();
    this.measurer = document.createElement("canvas").getContext("2d");
  }

  resize(force = false) {
    const width = this.root.clientWidth;
    if (!this.doc || !width || (!force && width === this.lastWidth)) return;
    this.lastWidth = width;
    const many = this.panels.length > 1;
    this.root.classList.toggle("narrow", width < 640);
    const fontSize = many ? 14.5 : width < 640 ? 15.5 : 16.5;
    const font = `${fontSize}px Georgia, "Liberation Serif", "Noto Serif", "DejaVu Serif", serif`;
    this.measurer.font = font;
    if (font !== this.font) this.widths.clear();
    this.font = font;
    this.metrics = { font, rowHeight: many ? 25 : 29, pad: many ? 2 : 4, space: this.measure(" ") };
    const inner = this.panels[0].scroll.clientWidth - 2 * this.metrics.pad - this.measure("↵ ");
    const layout = new Layout(this.doc, this.cells, Math.max(60, inner), (text) => this.measure(text));
    this.layout = layout;
    let placed = -PLACE_EVERY;
    const work = (deadline) => {
      if (this.layout !== layout) return;
      layout.advance(Math.max(12, deadline?.timeRemaining() ?? 0));
      const now = performance.now();
      if (layout.done || now - placed > PLACE_EVERY) this.place();
      if (now - placed > PLACE_EVERY) placed = now;
      if (!layout.done) whenIdle(work);
      else this.settle();
    };
    work();
  }

  measure(text) {
    let width = this.widths.get(text);
    if (width === undefined) {
      width = this.measurer.measureText(text).width;
      if (this.widths.size < 200000) this.widths.set(text, width);
    }
    return width;
  }

  place() {
    const { rowHeight, pad } = this.metrics;
    const full = this.layout.rows * rowHeight + 2 * pad;
    const most = this.root.classList.contains("narrow") ? 340 : 470;
    const height = Math.min(full, Math.floor(most / rowHeight) * rowHeight + pad + 2); // whole rows
    for (const panel of this.panels) {
      panel.scroll.style.height = `${height}px`;
      panel.spacer.style.height = `${full}px`;
      panel.canvas.style.height = `${height}px`;
    }
    this.strip.hidden = full <= height;
    const seat = this.strip.hidden ? this.bar : this.stripHead; // beside the title of the strip, where there is one
    if (this.search.box.parentNode !== seat) seat.append(this.search.box);
    this.paint();
  }

  shownTokens() {
    const { rowHeight, pad } = this.metrics;
    const scroll = this.panels[0].scroll;
    const first = Math.max(0, Math.floor((scroll.scrollTop - pad) / rowHeight));
    const last = Math.floor((scroll.scrollTop + scroll.clientHeight - pad) / rowHeight) + 1;
    const to = last >= this.layout.rows ? this.doc.start.length : this.layout.firstToken(last);
    return [this.layout.firstToken(first), to];
  }

  // Whole rows, so that none is cut at the upper edge.
  scrollTo(token, centre) {
    const { rowHeight, pad } = this.metrics;
    const { scroll } = this.panels[0];
    const row = this.layout.rowOf(this.layout.fragmentOf[this.cells.cellOf[token]]);
    const rows = Math.max(1, Math.floor((scroll.clientHeight - 2 * pad) / rowHeight));
    const first = (scroll.scrollTop - 1) / rowHeight;
    if (!centre && row >= first && row + 1 <= first + rows + 1 / rowHeight) return;
    scroll.scrollTop = Math.max(0, row - (rows >> 1)) * rowHeight;
  }
}
