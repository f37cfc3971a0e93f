// What is shown: fetched values, layout and drawing. All state that needs no server is here.

const MAIN_SIGNALS = ["surprise", "momentum", "forgotten", "update", "loss", "nll"];
const UNDERLINES = ["theta", "eta", "alpha"];

class Surface {
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
  }

  // New facts from the server. Only what changed is fetched, laid out or drawn again.
  update(data, send) {
    this.send = send;
    const before = this.data;
    this.data = data;
    this.dress();
    this.correctTheme();
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

  // Take the colours of the theme that the browser shows.
  dress() {
    this.scheme = getComputedStyle(this.root).colorScheme.includes("dark") ? "dark" : "light";
    this.palette = this.data.palettes[this.scheme];
    this.table = null;
    for (const name of ["muted", "panel", "ground", "selected"]) {
      this.root.style.setProperty(`--ts-${name}`, this.palette[name]);
    }
  }

  correctTheme() {
    if (this.data.theme !== this.scheme) this.send("theme", [this.scheme, Date.now()]);
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
    this.table ??= colourTable(cosine ? this.palette.diverging : this.palette.ramp);
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
}
