// One variant's text: a scroll box that holds a canvas as large as what can be seen.

const MOST_POOLS = 8; // 8 MB each at a million tokens

class Panel {
  constructor(view, run) {
    this.view = view;
    this.run = run;
    this.columns = {}; // signal -> Float32Array (T,)
    this.pools = new Map(); // "signal unit rule" -> see pool()
    this.box = element("section", "panel");
    if (view.data.runs.length > 1) {
      const head = element("div", "head");
      this.dot = element("span", "dot");
      this.about = element("span", "soft");
      head.append(this.dot, element("b", "", run.label), this.about);
      this.box.classList.add("headed");
      this.box.append(head);
    }
    this.scroll = element("div", "scroll");
    this.scroll.tabIndex = 0;
    this.scroll.setAttribute("role", "application");
    this.scroll.setAttribute("aria-label", `Text coloured by signal, ${run.label}. Arrow keys move over tokens, with Shift they make a range; slash searches.`);
    this.spacer = element("div", "spacer");
    this.canvas = element("canvas", "text");
    this.canvas.setAttribute("aria-hidden", "true");
    this.canvas.titanscopeSvg = () => this.svg(); // for the component that saves images
    this.spacer.append(this.canvas);
    this.scroll.append(this.spacer);
    this.box.append(this.scroll);
    this.scroll.addEventListener("scroll", () => view.scrolled(this), { passive: true });
    this.scroll.addEventListener("keydown", (event) => pressed(view, event));
    listenToPointer(this);
  }

  get fill() {
    return this.shown(this.view.signal);
  }

  // A signal as it is drawn, (T,): every token has the value of its unit.
  shown(name) {
    return this.view.units ? this.pool(name)?.tokens : this.columns[name];
  }

  pool(name) {
    const { units, unit, rule } = this.view;
    const column = this.columns[name];
    const key = `${name} ${unit} ${rule}`;
    const kept = this.pools.get(key);
    if (!column || kept?.column === column) return column && kept;
    if (this.pools.size >= MOST_POOLS) this.pools.delete(this.pools.keys().next().value);
    const made = pool(column, units, rule);
    this.pools.set(key, made);
    return made;
  }

  // Of each of `bins` equal parts of the text the highest value and the mean; kept until column or width change.
  overview(bins) {
    const column = this.fill;
    if (this.kept && this.kept.column === column && this.kept.peaks.length === bins) return this.kept;
    const peaks = new Float32Array(bins).fill(NaN);
    const means = new Float32Array(bins);
    const counts = new Uint32Array(bins);
    for (let t = 0; t < column.length; t++) {
      const bin = Math.floor((t * bins) / column.length);
      if (Number.isNaN(column[t])) continue;
      if (!(column[t] <= peaks[bin])) peaks[bin] = column[t];
      means[bin] += column[t];
      counts[bin]++;
    }
    for (let bin = 0; bin < bins; bin++) means[bin] /= counts[bin]; // NaN where nothing is defined
    return (this.kept = { column, peaks, means });
  }

  colour() {
    return this.run.colours[this.view.scheme];
  }

  // Why nothing is coloured, where the run has no such value; "" where it has.
  get lack() {
    const { view, run, columns } = this;
    if (!(view.signal in columns) || columns[view.signal]) return "";
    const label = view.signalFacts(view.signal).label.toLowerCase();
    if (!run.remembers) return `no memory, so no ${label}`;
    return view.layer === null ? `no ${label}` : `no ${label} in layer ${view.layer + 1}`;
  }

  tokenAt(event) {
    if (!this.view.layout) return -1;
    const { row, x } = this.placeOf(event);
    return this.view.layout.tokenAt(row, x);
  }

  // The token of the nearest row that can be seen, or -1 while nothing is laid out.
  nearestToken(event) {
    const { layout, metrics } = this.view;
    if (!layout) return -1;
    const box = this.canvas.getBoundingClientRect();
    const inside = Math.max(box.top + metrics.pad, Math.min(box.bottom - metrics.pad - 1, event.clientY));
    const { row, x } = this.placeOf({ clientX: event.clientX, clientY: inside });
    return layout.nearestToken(row, x);
  }

  placeOf({ clientX, clientY }) {
    const { metrics } = this.view;
    const box = this.canvas.getBoundingClientRect();
    const y = clientY - box.top + this.scroll.scrollTop - metrics.pad;
    return { row: Math.floor(y / metrics.rowHeight), x: clientX - box.left - metrics.pad };
  }

  paint() {
    const { view } = this;
    if (this.dot) {
      this.dot.style.background = this.colour();
      this.about.textContent = this.lack || this.run.meaning;
    }
    const { width, height } = fitCanvas(this.canvas);
    paintText(this.canvas.getContext("2d"), view, this, this.scroll.scrollTop, width, height);
  }

  // What the canvas shows, as an SVG element.
  svg() {
    const { view } = this;
    const { width, height } = this.canvas.getBoundingClientRect();
    const context = new SvgContext(width, height);
    paintText(context, view, this, this.scroll.scrollTop, width, height);
    return context.root;
  }
}
