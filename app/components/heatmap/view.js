// The component: a surface that answers to toolbar, pointer and keys.

class View extends Surface {
  constructor(root) {
    super(root);
    const drag = (event) => event.buttons & 1 && this.jump(event);
    this.stripCanvas.addEventListener("pointerdown", (event) => {
      this.stripCanvas.setPointerCapture(event.pointerId);
      this.jump(event);
    });
    this.stripCanvas.addEventListener("pointermove", drag);
    this.watch = setInterval(() => this.followTheme(), 400);
  }

  // Streamlit does not tell that its theme was switched, and Python, which draws the charts, hears it late.
  followTheme() {
    if (!this.root.isConnected) clearInterval(this.watch);
    else if (this.data && !getComputedStyle(this.root).colorScheme.includes(this.scheme)) {
      this.dress();
      this.toolbar();
      this.paint();
      this.correctTheme();
    }
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
