// The component: what is looked at, what the server sent of it, and who hears of a choice.

class View extends Surface {
  constructor(root) {
    super(root);
    this.newest = {}; // the last report of each name
    hearLook(this, (changes) => this.follow(changes));
  }

  // New facts from the server. Only what changed is fetched or drawn again.
  update(data, send) {
    const another = String(this.data?.runs) !== String(data.runs);
    const current = another || isCurrent(this, data);
    Object.assign(this, { data, send });
    this.root.classList.add(data.kind);
    this.canvas.dataset.key = data.kind;
    if (another) this.plot = this.reply = null;
    if (data.kind === "timelines") writeAddress(data.link);
    this.follow(current ? data.look : {});
  }

  follow(changes) {
    this.look = { ...this.look, ...changes };
    return this.fetch();
  }

  // What is chosen here: shown at once in all views. Python, which has more to do for it, hears of it after that.
  async choose(changes, name, report) {
    this.newest[name] = report;
    shareLook(this, changes);
    await this.follow(changes);
    if (this.newest[name] === report) this.send(name, report);
  }

  zoom(span) {
    const all = span && span[0] === 0 && span[1] === this.data.total;
    this.choose({ span: all ? null : span }, "span", [...(span ?? [-1, -1]), Date.now()]);
  }

  get query() {
    const { kind, runs } = this.data;
    const { signal, layer, how, span } = this.look;
    const query = [["kind", kind], ...runs.map((run) => ["run", run])];
    if (kind === "layer_map") query.push(["signal", signal], ["how", how]);
    else if (layer !== null) query.push(["layer", layer]);
    if (span) query.push(["from", span[0]], ["to", span[1]]);
    return query;
  }

  // The old picture stays until the new one can be drawn; of replies only the newest that was asked for counts.
  async fetch() {
    const wanted = String(this.query);
    if (wanted !== this.wanted) {
      this.wanted = wanted;
      const { span } = this.look;
      try {
        const reply = await load("figure", this.query);
        if (wanted !== this.wanted) return;
        Object.assign(this, { reply, span, plot: null });
      } catch (error) {
        if (wanted !== this.wanted) return;
        this.wanted = null;
        drawNote(this, loadWords(error));
        return;
      }
    }
    this.paint();
  }
}
