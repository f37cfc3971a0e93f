// What is shown: the elements of a figure and when they are drawn.

const PLOTS = { timelines: Timelines, layer_map: LayerMap };

class Surface {
  constructor(root) {
    this.root = root;
    this.pointer = { bin: null, drag: null };
    this.measurer = document.createElement("canvas").getContext("2d");
    this.backdrop = document.createElement("canvas"); // all but the marks, which move more often
    this.title = element("div", "title");
    this.tools = element("div", "tools");
    this.canvas = element("canvas", "figure");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.card = element("div", "values");
    this.card.hidden = true;
    root.replaceChildren(this.title, this.tools, this.canvas, this.card);
    // For the component that saves images.
    this.canvas.titanscopePaint = (context, ratio) => this.paintAll(context, ratio);
    this.canvas.titanscopeSvg = () => this.svg();
    listen(this);
    new ResizeObserver(() => this.paint()).observe(root);
    this.watch = setInterval(() => this.followTheme(), 400);
  }

  // Streamlit does not tell that its theme was switched.
  followTheme() {
    if (!this.root.isConnected) clearInterval(this.watch);
    else if (this.scheme && this.scheme !== this.shownScheme()) this.paint();
  }

  shownScheme() {
    return getComputedStyle(this.root).colorScheme.includes("dark") ? "dark" : "light";
  }

  paint() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      this.draw();
    });
  }

  draw() {
    const width = this.root.clientWidth;
    if (!this.reply || !width) return;
    const ratio = window.devicePixelRatio || 1;
    const [scheme, { header }] = [this.shownScheme(), this.reply];
    if (this.plot?.width !== width || scheme !== this.scheme || ratio !== this.style.ratio) {
      this.dress(scheme, ratio);
      this.plot = new PLOTS[this.data.kind](this.reply, width, this.style);
      this.canvas.hidden = !this.plot.runs.length;
      this.canvas.style.height = this.canvas.hidden ? "" : `${this.plot.height}px`;
      this.canvas.setAttribute("aria-label", header.summary);
      drawNote(this, header.note);
      this.pointer.bin = null;
      this.card.hidden = true;
      this.keep();
    }
    drawTools(this);
    this.root.classList.add("drawn");
    if (!this.canvas.hidden) {
      const size = fitCanvas(this.canvas);
      const context = this.canvas.getContext("2d");
      context.clearRect(0, 0, size.width, size.height);
      context.drawImage(this.backdrop, 0, 0, size.width, size.height);
      paintMarks(context, this.plot, this.style, this.look, this.data.kind === "layer_map");
      paintPointer(context, this.plot, this.style, this.pointer);
    }
    this.mark();
  }

  keep() {
    const { ratio } = this.style;
    this.backdrop.width = Math.round(this.plot.width * ratio);
    this.backdrop.height = Math.round(this.plot.runs.length ? this.plot.height * ratio : 1);
    const context = this.backdrop.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (this.plot.runs.length) this.plot.paint(context, this.style);
  }

  // Colours and type of the theme that the browser shows.
  dress(scheme, ratio) {
    const palette = this.data.palettes[scheme];
    const font = getComputedStyle(this.root).fontFamily;
    const measure = (words, size) => {
      this.measurer.font = `${size}px ${font}`;
      return this.measurer.measureText(words).width;
    };
    const colour = ({ colours }) => colours[scheme];
    const table = colourTable(this.reply.header.signed ? palette.diverging : this.data.cividis);
    this.scheme = scheme;
    this.style = { palette, font, ratio, table, colour, measure };
    for (const name of ["muted", "panel", "ground", "selected"]) {
      this.root.style.setProperty(`--ts-${name}`, palette[name]);
    }
  }

  // The figure without the pointer, for an image.
  paintAll(context, ratio) {
    const style = { ...this.style, ratio };
    this.plot.paint(context, style);
    paintMarks(context, this.plot, style, this.look, this.data.kind === "layer_map");
  }

  svg() {
    const context = new SvgContext(this.plot.width, this.plot.height);
    this.paintAll(context, this.style.ratio);
    return context.root;
  }

  // For tests: what was drawn last. The server holds back what comes further down until the timelines are drawn.
  mark() {
    const { kind, runs } = this.data;
    const all = (window.__titanscopeFigures ??= {});
    const { token, range, signal, how } = this.look;
    const painted = (all[kind]?.painted ?? 0) + 1;
    const { header, sections } = this.reply;
    all[kind] = { painted, runs, span: this.span, token, range, signal, how, header, sections, plot: this.plot };
    if (kind === "timelines" && this.told !== String(runs)) {
      this.told = String(runs);
      requestAnimationFrame(() => tellDrawn(runs[0], kind)); // it is painted by then
    }
  }
}
