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
    this.slash = (event) => !this.data?.minus && slashKey(this, event);
    document.addEventListener("keydown", this.slash);
  }

  // Streamlit does not tell that its theme was switched, and Python, which draws the charts, hears it late.
  followTheme() {
    if (!this.root.isConnected) {
      clearInterval(this.watch);
      document.removeEventListener("keydown", this.slash);
    } else if (this.data && !getComputedStyle(this.root).colorScheme.includes(this.scheme)) {
      this.dress();
      this.toolbar();
      this.paint();
      this.correctTheme();
    }
  }

  async choose(changes) {
    if ("signal" in changes || "layer" in changes) shareLook(this, changes);
    if (!(await this.adopt(changes))) return;
    for (const name of Object.keys(changes)) this.send(name, [this[name], Date.now()]);
  }

  // Draw with these choices; whether that could be done.
  async adopt(changes) {
    Object.assign(this, changes);
    this.lineColours = lineColours(this);
    if ("layer" in changes) this.panels.forEach((panel) => (panel.columns = {}));
    this.table = null;
    this.toolbar();
    const needed = [this.signal, ...this.underlines].filter((name) => !this.panels.some((p) => p.columns[name]));
    try {
      await this.fetchColumns(needed);
    } catch (error) {
      this.failed(error);
      return false;
    }
    this.peaks = null;
    this.paint();
    return true;
  }

  async chooseUnit(unit, rule) {
    const before = [this.unit, this.rule];
    if (!(await this.adoptUnit(unit, rule))) return;
    if (unit !== before[0]) this.send("unit", [unit, Date.now()]);
    if (rule !== before[1]) this.send("rule", [rule, Date.now()]);
  }

  // The units of the whole text are found first, in slices; until then the old ones stay. Whether they are drawn.
  async adoptUnit(unit, rule) {
    const { doc } = this;
    if (!doc) return false;
    this.wanted = unit;
    const units = unit === "token" ? null : (doc.units[unit] ??= new Units(doc, unit));
    while (units && !units.done) {
      units.advance(12);
      if (units.done) break;
      this.finding = unit;
      this.toolbar();
      await new Promise((resolve) => setTimeout(resolve, 0));
      if (this.doc !== doc || this.wanted !== unit) return false;
    }
    Object.assign(this, { unit, rule, units, finding: null, peaks: null });
    this.toolbar();
    this.paint();
    if (this.selected !== null) this.announce(this.selected);
    return true;
  }

  // -- pointer ------------------------------------------------------------------------------------------
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

  // Where a text opens: as `reveal`, but where the figures show a part without the token, at that part.
  settle() {
    const { zoom } = this.data;
    const inside = this.selected !== null && zoom && this.selected >= zoom[0] && this.selected < zoom[1];
    if (zoom && !inside) this.scrollTo(zoom[0], true);
    else this.reveal();
  }

  // Bring the selected token, or the range where none is selected, into view.
  reveal() {
    const token = this.head ?? this.selected ?? (this.range ? this.range[0] : null);
    if (token !== null && this.layout) this.scrollTo(token, false);
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

  // A click or a tap: this token alone, without the range that was; or an end of a range.
  pick(token, shift) {
    if (shift || this.ranging === "end") return this.extend(token);
    if (this.range) this.setRange(null, true);
    this.select(token, true);
    if (this.ranging && token >= 0) {
      this.ranging = "end";
      this.toolbar();
    }
  }

  select(token, tell) {
    if (token < 0) return;
    this.selected = token;
    this.head = null;
    shareLook(this, { token });
    this.paint();
    this.announce(token);
    clearTimeout(this.telling);
    // With the time, so that choosing the same token again is news as well.
    this.telling = setTimeout(() => this.send("token", [token, Date.now()]), tell ? 0 : 180);
  }

  // By a key: on from the end of the range that moved last; the range itself is left, as editors do.
  move(token) {
    if (this.range) this.setRange(null, true);
    this.select(token, false);
  }

  // From the selected token, which stays, to another.
  extend(token) {
    if (token < 0) return;
    if (this.selected === null) {
      this.select(token, true);
      return;
    }
    this.head = token;
    this.ranging = null;
    this.toolbar();
    this.setRange([Math.min(this.selected, token), Math.max(this.selected, token) + 1], true);
    this.live.textContent = rangeWords(this.range);
  }

  setRange(range, tell) {
    this.range = range;
    if (!range) this.head = null;
    shareLook(this, { range });
    this.rangeLine.draw();
    this.paint();
    clearTimeout(this.tellingRange);
    const [from, to] = range ?? [-1, -1];
    if (tell) this.tellingRange = setTimeout(() => this.send("range", [from, to, Date.now()]), 250);
  }

  announce(token) {
    const { fill } = this.panels[0];
    const facts = this.signalFacts(this.signal);
    const value = fill ? number(fill[token]) : "";
    const unit = this.units ? `, ${this.rule} of ${this.unit} ${this.unitText(token, 40)}` : "";
    const place = `token ${token + 1} of ${this.doc.start.length}, ${pieceOf(this, token)}`;
    this.live.textContent = `${place}, ${facts.label}${unit} ${value}`;
  }
}
