// What is shown: the elements and when they are drawn.

const MAIN_SIGNALS = ["surprise", "momentum", "forgotten", "update", "loss", "nll"];
const UNDERLINES = ["theta", "eta", "alpha"];

// Panels beside each other: a text narrower than a third of the page is no pleasure to read.
const columnsOf = (panels) => (panels === 4 ? 2 : Math.min(3, panels));

class Surface extends Sheet {
  constructor(root) {
    super();
    this.root = root;
    this.hovered = null;
    this.selected = null;
    this.ranging = null; // the end of a range that the next tap sets: "start", "end"
    this.lineColours = {};
    new ResizeObserver(() => this.resize()).observe(root);
    hearLook(this, (changes) => this.hear(changes));
    this.build();
  }

  build() {
    this.bar = element("div", "bar");
    this.tools = element("div", "tools");
    this.search = new Search(this);
    this.bar.append(this.tools, this.search.box); // drawn anew: the tools; the box keeps what is typed
    this.strip = element("div", "strip");
    this.stripTitle = element("div", "stripTitle");
    this.stripCanvas = element("canvas", "overview");
    this.stripCanvas.setAttribute("aria-hidden", "true");
    this.stripHead = element("div", "stripHead");
    this.stripHead.append(this.stripTitle);
    this.strip.append(this.stripHead, this.stripCanvas);
    this.panelRow = element("div", "panels");
    this.legend = element("div", "legend");
    this.rangeLine = new RangeLine(this);
    this.card = element("div", "card");
    this.card.hidden = true;
    this.live = element("div", "live");
    this.live.setAttribute("aria-live", "polite");
    const below = [this.rangeLine.box, this.legend, this.card, this.live];
    this.root.replaceChildren(this.bar, this.strip, this.panelRow, ...below);
  }

  // New facts from the server. Only what changed is fetched, laid out or drawn again.
  update(data, send) {
    this.send = send;
    const before = this.data;
    const current = !before || before.key !== data.key || isCurrent(this, data);
    this.data = current ? data : { ...data, zoom: before.zoom, nonce: this.nonce };
    this.dress();
    this.correctTheme();
    if (!before || before.key !== data.key) {
      this.signal = data.signal;
      this.layer = data.layer;
      this.follow(data);
      this.hovered = null;
      this.underlines = data.underlines.filter((name) => this.signalFacts(name));
      this.lineColours = lineColours(this);
      if (data.arrivals !== before?.arrivals) this.search.restore(data.find, data.match);
      this.open();
      return;
    }
    if (this.data.nonce !== this.nonce) {
      this.follow(data);
      this.reveal();
    }
    this.goTo(before.zoom);
    this.toolbar();
    this.paint();
  }

  // What is chosen in the figures shows here at once.
  hear({ token, span, range, signal, layer }) {
    const before = this.data.zoom;
    if (span !== undefined) this.data.zoom = span;
    this.goTo(before);
    if (token !== undefined) {
      Object.assign(this, { selected: token, head: null });
      this.reveal();
    }
    if (range !== undefined) this.range = range;
    if (this.data.minus && !this.data.minus.fixed && (signal !== undefined || layer !== undefined)) {
      this.adopt({ signal: signal ?? this.signal, layer: layer === undefined ? this.layer : layer });
    }
    this.paint();
  }

  // To the tokens that the figures show now, if they showed others before.
  goTo(before) {
    const { zoom } = this.data;
    if (zoom && String(zoom) !== String(before) && this.layout) this.scrollTo(zoom[0], true);
  }

  // What the server alone moves: the token and the range.
  follow(data) {
    this.nonce = data.nonce;
    this.selected = data.selected;
    this.range = data.range ?? null;
    this.head = null;
  }

  // Take the colours of the theme that the browser shows.
  dress() {
    this.scheme = getComputedStyle(this.root).colorScheme.includes("dark") ? "dark" : "light";
    this.palette = this.data.palettes[this.scheme];
    this.table = null;
    this.lineColours = lineColours(this);
    for (const name of ["muted", "panel", "ground", "selected"]) {
      this.root.style.setProperty(`--ts-${name}`, this.palette[name]);
    }
  }

  correctTheme() {
    if (this.data.theme !== this.scheme) this.send("theme", [this.scheme, Date.now()]);
  }

  async open() {
    const { key, unit, rule } = this.data;
    this.doc = this.layout = this.units = null;
    this.unit = "token";
    this.finding = null;
    this.panels = this.data.runs.map((run) => new Panel(this, run));
    this.panelRow.replaceChildren(...this.panels.map((panel) => panel.box));
    this.panelRow.style.setProperty("--panels", columnsOf(this.panels.length));
    this.toolbar();
    try {
      const [doc] = await Promise.all([loadText(this.runs[0]), this.fetchColumns([this.signal])]);
      if (key !== this.data.key) return;
      this.doc = { ...doc, units: {}, folded: null };
      this.cells = buildCells(this.doc);
      this.search.run();
      this.resize(true);
      if (unit !== "token") this.adoptUnit(unit, rule);
      if (this.underlines.length) this.adopt({});
    } catch (error) {
      this.failed(error);
    }
  }

  failed(error) {
    this.legend.textContent = loadWords(error);
    this.mark({ error: error.message });
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
    this.rangeLine.draw();
    this.table ??= colourTable(this.signed ? this.palette.diverging : this.palette.ramp);
    for (const panel of this.panels) panel.paint();
    if (!this.strip.hidden) paintStrip(this.stripCanvas, this);
    drawLegend(this);
    this.mark({});
    if (this.drawn !== this.data.key && !this.data.minus) requestAnimationFrame(() => tellDrawn(this.runs[0], "text")); // it is painted by then
    this.drawn = this.data.key;
  }

  // For tests: what was drawn last. span: the tokens of the selected token's unit; values: what colours it.
  mark(extra) {
    const { signal, layer, selected, hovered, unit, rule, underlines, range, search } = this;
    const ready = Boolean(this.doc) && selected !== null;
    const name = this.data.minus ? "__titanscopeDifference" : "__titanscope";
    window[name] = {
      painted: (window[name]?.painted ?? 0) + 1,
      ...{ signal, layer, selected, hovered, unit, rule, underlines, range, runs: this.runs },
      tokens: this.doc ? this.doc.start.length : 0,
      laidOut: Boolean(this.layout?.done),
      found: { words: search.words, count: search.matches.from.length, at: search.at },
      span: ready ? this.unitSpan(selected) : null,
      values: ready ? this.panels.map((panel) => panel.fill?.[selected] ?? null) : [],
      columns: this.panels.map((panel) => panel.fill ?? null),
      scale: this.scale ?? null,
      ...extra,
    };
  }

  toolbar() {
    this.bar.hidden = Boolean(this.data.minus); // it follows the text of the runs
    drawToolbar(this);
  }
}
