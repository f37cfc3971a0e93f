// The component: toolbar, overview strip, panels, legend, hover card. All state that needs no server is here.

const MAIN_SIGNALS = ["surprise", "momentum", "forgotten", "update", "loss", "nll"];
const UNDERLINES = ["theta", "eta", "alpha"];

class View {
  constructor(root) {
    this.root = root;
    this.hovered = null;
    this.selected = null;
    this.underlines = [];
    this.scales = {};
    this.widths = new Map();
    this.measurer = document.createElement("canvas").getContext("2d");
    new ResizeObserver(() => this.resize()).observe(root);
    this.build();
  }

  build() {
    this.bar = element("div", "bar");
    this.strip = element("div", "strip");
    this.stripTitle = element("div", "stripTitle");
    this.stripCanvas = element("canvas", "overview");
    this.stripCanvas.setAttribute("aria-hidden", "true");
    this.strip.append(this.stripTitle, this.stripCanvas);
    this.panelRow = element("div", "panels");
    this.legend = element("div", "legend");
    this.card = element("div", "card");
    this.card.hidden = true;
    this.live = element("div", "live");
    this.live.setAttribute("aria-live", "polite");
    this.root.replaceChildren(this.bar, this.strip, this.panelRow, this.legend, this.card, this.live);
    const drag = (event) => event.buttons & 1 && this.jump(event);
    this.stripCanvas.addEventListener("pointerdown", (event) => {
      this.stripCanvas.setPointerCapture(event.pointerId);
      this.jump(event);
    });
    this.stripCanvas.addEventListener("pointermove", drag);
  }

  // New facts from the server. Only what changed is fetched, laid out or drawn again.
  update(data, send) {
    this.send = send;
    const before = this.data;
    this.data = data;
    this.palette = data.palette;
    this.table = null;
    for (const name of ["muted", "panel", "ground", "selected"]) {
      this.root.style.setProperty(`--ts-${name}`, data.palette[name]);
    }
    if (!before || before.key !== data.key) {
      this.signal = data.signal;
      this.layer = data.layer;
      this.selected = data.selected;
      this.nonce = data.nonce;
      this.hovered = null;
      this.underlines = [];
      this.open();
      return;
    }
    if (data.nonce !== this.nonce) {
      this.nonce = data.nonce;
      this.selected = data.selected;
      this.reveal();
    }
    this.toolbar();
    this.paint();
  }

  get runs() {
    return this.data.runs.map((run) => run.id);
  }

  signalFacts(name) {
    return this.data.signals.find((signal) => signal.name === name);
  }

  async open() {
    const key = this.data.key;
    this.doc = this.layout = null;
    this.panels = this.data.runs.map((run) => new Panel(this, run));
    this.panelRow.replaceChildren(...this.panels.map((panel) => panel.box));
    this.panelRow.style.setProperty("--panels", this.panels.length);
    this.toolbar();
    try {
      const [{ header, sections }] = await Promise.all([loadText(this.runs[0]), this.fetchColumns([this.signal])]);
      if (key !== this.data.key) return;
      this.doc = { text: header.text, pieces: header.pieces, ...sections };
      this.cells = buildCells(this.doc);
      this.resize(true);
    } catch (error) {
      this.failed(error);
    }
  }

  failed(error) {
    const expired = error.message === "expired";
    this.legend.textContent = expired
      ? "This run is no longer stored. Run the text again."
      : "The values of this run could not be loaded from the server. Reload the page to try again.";
    this.mark({ error: error.message });
  }

  async fetchColumns(names) {
    const { key, layer } = { key: this.data.key, layer: this.layer };
    for (const name of names) {
      const { header, sections } = await loadValues(this.runs, [name], layer);
      if (key !== this.data.key || layer !== this.layer) return;
      this.scales[name] = header.scales[name];
      this.panels.forEach((panel, k) => (panel.columns[name] = sections[`${k}/${name}`]));
    }
    if (names.includes(this.signal)) {
      this.scale = this.scales[this.signal];
      this.peaks = null;
    }
  }

  // -- layout ----------------------------------------------------------------------------------------------------
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
    const work = () => {
      if (this.layout !== layout) return;
      layout.advance(12);
      this.place();
      if (!layout.done) setTimeout(work, 0);
      else if (this.selected !== null) this.reveal();
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
    const height = Math.min(full, Math.floor(most / rowHeight) * rowHeight + 2 * pad);
    for (const panel of this.panels) {
      panel.scroll.style.height = `${height}px`;
      panel.spacer.style.height = `${full}px`;
      panel.canvas.style.height = `${height}px`;
    }
    this.strip.hidden = full <= height;
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

  // -- drawing ---------------------------------------------------------------------------------------------------
  paint() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      this.draw();
    });
  }

  draw() {
    if (!this.layout || !this.scale) return;
    const cosine = this.signalFacts(this.signal).kind === "cosine";
    this.table ??= colourTable(cosine ? this.palette.diverging : this.palette.ramp, this.palette.dark);
    for (const panel of this.panels) panel.paint();
    if (!this.strip.hidden) paintStrip(this.stripCanvas, this);
    drawLegend(this);
    this.mark({});
  }

  // For tests: what was drawn last.
  mark(extra) {
    const { signal, layer, selected, hovered } = this;
    const tokens = this.doc ? this.doc.start.length : 0;
    const painted = ((window.__titanscope || {}).painted || 0) + 1;
    const laidOut = Boolean(this.layout && this.layout.done);
    window.__titanscope = { painted, signal, layer, tokens, selected, hovered, laidOut, runs: this.runs, ...extra };
  }

  toolbar() {
    drawToolbar(this);
  }

  async choose(changes) {
    Object.assign(this, changes);
    if ("layer" in changes) this.panels.forEach((panel) => (panel.columns = {}));
    this.table = null;
    this.toolbar();
    const needed = [this.signal, ...this.underlines].filter((name) => !this.panels.some((p) => p.columns[name]));
    try {
      await this.fetchColumns(needed);
    } catch (error) {
      this.failed(error);
      return;
    }
    this.scale = this.scales[this.signal];
    this.peaks = null;
    this.paint();
    if ("signal" in changes) this.send("signal", this.signal);
    if ("layer" in changes) this.send("layer", this.layer);
  }

  // -- pointer and keys ------------------------------------------------------------------------------------------
  scrolled(source) {
    for (const panel of this.panels) {
      if (panel !== source && panel.scroll.scrollTop !== source.scroll.scrollTop) {
        panel.scroll.scrollTop = source.scroll.scrollTop;
      }
    }
    this.card.hidden = true;
    this.paint();
  }

  jump(event) {
    const box = this.stripCanvas.getBoundingClientRect();
    const token = Math.floor(((event.clientX - box.left) / box.width) * this.doc.start.length);
    this.scrollTo(Math.max(0, Math.min(this.doc.start.length - 1, token)), true);
  }

  scrollTo(token, centre) {
    const { rowHeight, pad } = this.metrics;
    const top = this.layout.rowOf(this.layout.fragmentOf[this.cells.cellOf[token]]) * rowHeight + pad;
    const { scroll } = this.panels[0];
    if (!centre && top >= scroll.scrollTop && top + rowHeight <= scroll.scrollTop + scroll.clientHeight) return;
    scroll.scrollTop = top - scroll.clientHeight / 2;
  }

  reveal() {
    if (this.selected !== null && this.layout) this.scrollTo(this.selected, false);
    this.paint();
  }

  hover(panel, event) {
    const token = event ? panel.tokenAt(event) : -1;
    if (token < 0) {
      this.card.hidden = true;
      if (this.hovered !== null) this.paint();
      this.hovered = null;
      return;
    }
    if (token !== this.hovered) {
      this.hovered = token;
      this.paint();
      showCard(this, token);
    }
    placeCard(this, event);
  }

  select(token, tell) {
    if (token < 0) return;
    this.selected = token;
    this.paint();
    this.announce(token);
    clearTimeout(this.telling);
    // With the time, so that choosing the same token again is news as well.
    this.telling = setTimeout(() => this.send("token", [token, Date.now()]), tell ? 0 : 180);
  }

  announce(token) {
    const { fill } = this.panels[0];
    const facts = this.signalFacts(this.signal);
    const value = fill ? number(fill[token]) : "";
    this.live.textContent =
      `token ${token + 1} of ${this.doc.start.length}, ${pieceOf(this, token)}, ${facts.label} ${value}`;
  }

  key(event) {
    if (!this.layout || event.ctrlKey || event.metaKey || event.altKey) return;
    const last = this.doc.start.length - 1;
    const at = this.selected;
    const steps = {
      ArrowRight: () => (at === null ? 0 : at + 1),
      ArrowLeft: () => (at === null ? 0 : at - 1),
      ArrowDown: () => this.rowStep(1),
      ArrowUp: () => this.rowStep(-1),
      Home: () => 0,
      End: () => last,
      "]": () => this.peak(1),
      "[": () => this.peak(-1),
    };
    if (event.key === "Escape") {
      this.selected = null;
      this.card.hidden = true;
      this.paint();
      this.send("token", [-1, Date.now()]);
    } else if (steps[event.key]) {
      this.select(Math.max(0, Math.min(last, steps[event.key]())), false);
      this.reveal();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  rowStep(by) {
    if (this.selected === null) return 0;
    const f = this.layout.fragmentOf[this.cells.cellOf[this.selected]];
    const row = Math.max(0, Math.min(this.layout.rows - 1, this.layout.rowOf(f) + by));
    const token = this.layout.tokenAt(row, this.layout.x[f] + 1);
    return token >= 0 ? token : this.layout.firstToken(row);
  }

  // The next token, either way, that is a local peak within the top 5 % of the fill.
  peak(way) {
    const { fill } = this.panels[0];
    if (!fill) return this.selected ?? 0;
    if (!this.peaks) {
      const sorted = Float32Array.from(fill).filter((v) => !Number.isNaN(v)).sort();
      const bar = sorted[Math.floor(0.95 * (sorted.length - 1))];
      this.peaks = [];
      for (let t = 0; t < fill.length; t++) {
        if (fill[t] >= bar && !(fill[t - 1] > fill[t]) && !(fill[t + 1] >= fill[t])) this.peaks.push(t);
      }
    }
    const at = this.selected ?? -1;
    const next = way > 0 ? this.peaks.find((t) => t > at) : this.peaks.findLast((t) => t < at);
    return next ?? this.selected ?? 0;
  }
}
