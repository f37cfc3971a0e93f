// What is known: the runs and their values, in the chosen layer and units, and the scales they are drawn on. Units keep
// the scale of the tokens, so that a colour is the same value in all of them.

class Source {
  constructor() {
    this.underlines = [];
    this.range = null; // [from, to) in tokens
    this.unit = "token";
    this.rule = "mean";
    this.units = null; // of this.unit; null for tokens
    this.scales = {};
  }

  get runs() {
    return this.data.runs.map((run) => run.id);
  }

  // Whether values of both signs are drawn, centred at zero.
  get signed() {
    return Boolean(this.data.minus) || this.signalFacts(this.signal).kind === "cosine";
  }

  signalFacts(name) {
    return this.data.signals.find((signal) => signal.name === name);
  }

  async fetchColumns(names) {
    const { key, layer } = { key: this.data.key, layer: this.layer };
    for (const name of names) {
      const { header, sections } = await loadValues(this.runs, [name], layer, this.data.minus);
      if (key !== this.data.key || layer !== this.layer) return;
      this.scales[name] = header.scales[name];
      this.panels.forEach((panel, k) => (panel.columns[name] = sections[`${k}/${name}`]));
    }
    this.peaks = null;
  }

  get scale() {
    return this.scales[this.signal];
  }

  // The tokens [from, to) of a token's unit.
  unitSpan(token) {
    if (!this.units) return [token, token + 1];
    const unit = this.units.of(token);
    return [this.units.first[unit], this.units.first[unit + 1]];
  }

  // The text of a token's unit, at most so many characters of it.
  unitText(token, most) {
    const [from, to] = this.unitSpan(token);
    const { text, start, end } = this.doc;
    const all = text.slice(start[from], Math.min(end[to - 1], start[from] + 4 * most)).trim();
    const letters = Array.from(all);
    return letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : all;
  }
}
