// Streamlit's charts tell Python nothing of a zoom, and of clicks only those on points: so plotly itself is asked.

const TWICE = 260; // ms in which a second click makes a double click

class Bridge {
  constructor(root) {
    this.root = root;
    this.figures = new Map(); // key of the chart -> the plotly figure that is listened to
    this.watch = setInterval(() => this.look(), 150);
  }

  // The server holds back the layer map and all else until it hears that the first chart is drawn.
  tellDrawn() {
    if (!this.root.isConnected) return;
    const chart = `.st-key-${this.data.charts[0]} .js-plotly-plot`;
    if (document.querySelector(`${chart} .scatterlayer .trace path`)) {
      const address = new URL(`titanscope/drawn?run=${this.data.run}&part=timelines`, document.baseURI);
      fetch(address).catch(() => {});
    } else requestAnimationFrame(() => this.tellDrawn());
  }

  update(data, send) {
    const isFirst = !this.data;
    this.data = data;
    this.send = send;
    this.look();
    this.address();
    if (isFirst) requestAnimationFrame(() => this.tellDrawn());
  }

  // Streamlit may put a new figure in the place of the old one.
  look() {
    if (!this.root.isConnected) {
      clearInterval(this.watch);
      return;
    }
    for (const key of this.data.charts) {
      const figure = document.querySelector(`.st-key-${key} .js-plotly-plot`);
      if (!figure || !figure.on || this.figures.get(key) === figure) continue;
      this.figures.set(key, figure);
      figure.on("plotly_relayout", (change) => this.moved(change));
      figure.on("plotly_click", (event) => this.clicked(event));
      figure.on("plotly_doubleclick", () => this.whole());
    }
  }

  moved(change) {
    const name = Object.keys(change).find((key) => /^xaxis\d*\.range(\[0\])?$/.test(key));
    if (!name) return;
    const ends = name.endsWith("]") ? [change[name], change[name.replace("[0]", "[1]")]] : change[name];
    const [low, high] = ends.map(Number);
    if (!(low < high)) return;
    // Token t fills the axis from t + 0.5 to t + 1.5, because the page counts from 1.
    const from = Math.max(0, Math.min(this.data.total - 1, Math.floor(low - 0.5)));
    const to = Math.min(this.data.total, Math.max(from + 2, Math.ceil(high - 0.5)));
    this.tell(() => this.send("zoom", [from, to, Date.now()]));
  }

  tell(act) {
    clearTimeout(this.telling);
    this.telling = setTimeout(act); // of several in one go the last; plotly tells a drag once, at its end
  }

  whole() {
    clearTimeout(this.clicking);
    if (this.data.zoomed) this.tell(() => this.send("zoom", [-1, -1, Date.now()]));
  }

  clicked(event) {
    const token = tokenOf(event);
    if (token === null) return;
    clearTimeout(this.clicking);
    // Only a zoomed figure has a use for a double click, so only there a click waits for a second one.
    const act = () => this.send("token", [Math.max(0, Math.min(this.data.total - 1, token)), Date.now()]);
    this.clicking = setTimeout(act, this.data.zoomed ? TWICE : 0);
  }

  address() {
    const url = new URL(window.location.href);
    for (const [name, value] of Object.entries(this.data.link)) {
      if (value === null) url.searchParams.delete(name);
      else url.searchParams.set(name, value);
    }
    if (url.href !== window.location.href) window.history.replaceState(window.history.state, "", url);
  }
}

// The token of the point that is nearest to the pointer: of its row, then of its line.
function tokenOf({ points, event }) {
  if (!points || !points.length) return null;
  const box = event.target.closest(".js-plotly-plot").getBoundingClientRect();
  const y = event.clientY - box.top;
  const away = ({ yaxis, y: value }) => Math.abs(yaxis._offset + yaxis.d2p(value) - y);
  const { x, customdata } = points.reduce((best, point) => (away(point) < away(best) ? point : best));
  const peak = customdata?.length ? customdata[1] : customdata; // of a bin; a typed array, or a number
  const place = Math.round(Number(peak ?? x)) - 1;
  return Number.isFinite(place) && place >= 0 ? place : null;
}

const bridges = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".zoom");
  let bridge = bridges.get(root);
  if (!bridge) {
    bridge = new Bridge(root);
    bridges.set(root, bridge);
  }
  bridge.update(data, setStateValue);
}
