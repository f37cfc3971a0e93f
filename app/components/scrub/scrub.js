// A native slider, so that keys, touch and screen readers work, and a Play button for those who want motion.

const STEP = 160; // ms a moment while it plays
const LOOK = 150; // ms between looks at whether Streamlit drew the figure anew

function node(tag, className, ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content);
  return made;
}

class Scrub {
  constructor(root) {
    this.root = root;
    this.play = node("button", "play", "▶ Play");
    this.play.type = "button";
    this.play.addEventListener("click", () => (this.playing ? this.stop() : this.start()));
    this.slider = node("input", "slider");
    this.slider.type = "range";
    this.slider.min = 0;
    this.slider.addEventListener("input", () => {
      this.stop();
      this.go(Number(this.slider.value));
    });
    this.place = node("output", "place");
    this.place.setAttribute("aria-live", "off"); // the slider says it itself
    this.facts = node("div", "facts");
    root.replaceChildren(node("div", "row", this.play, this.slider, this.place), this.facts);
    this.calm = window.matchMedia("(prefers-reduced-motion: reduce)");
    this.calm.addEventListener("change", () => this.quieten());
    this.quieten();
    this.watch = setInterval(() => this.look(), LOOK);
  }

  update(data) {
    const before = JSON.stringify(this.data?.moments);
    this.data = data;
    this.slider.setAttribute("aria-label", data.name);
    this.slider.max = data.moments.length - 1;
    if (before !== JSON.stringify(data.moments)) {
      this.stop();
      this.moment = data.moments.length - 1;
    }
    this.go(this.moment);
  }

  // Nothing moves by itself for people who asked their system for less motion.
  quieten() {
    this.play.hidden = this.calm.matches;
    if (this.calm.matches) this.stop();
  }

  start() {
    if (this.moment === this.data.moments.length - 1) this.go(0);
    this.play.textContent = "❚❚ Pause";
    this.playing = setInterval(() => {
      this.go(this.moment + 1);
      if (this.moment === this.data.moments.length - 1) this.stop();
    }, STEP);
  }

  stop() {
    clearInterval(this.playing);
    this.playing = 0;
    this.play.textContent = "▶ Play";
  }

  go(moment) {
    this.moment = Math.max(0, Math.min(this.data.moments.length - 1, moment));
    const name = this.data.moments[this.moment];
    this.slider.value = this.moment;
    this.slider.setAttribute("aria-valuetext", `${name}. ${this.data.facts[this.moment]}`);
    this.place.textContent = name;
    this.facts.textContent = this.data.facts[this.moment];
    this.show();
  }

  // The figure shows the moment: its own button is told which, and pressed.
  show() {
    const figure = this.figure();
    if (!figure?._transitionData?._frameHash?.[this.moment]) return; // it is of another run still: `look` comes again
    const button = figure.querySelector(".updatemenu-button");
    const what = button?.__data__; // where plotly keeps what the button does
    if (!what) return;
    what.args = [[String(this.moment)], what.args[1]];
    button.dispatchEvent(new MouseEvent("click")); // which does not bubble
  }

  figure() {
    return document.querySelector(`.st-key-${this.data.chart} .js-plotly-plot`);
  }

  // Streamlit may put a new figure in the place of the old one, or draw it anew, which then shows its last moment.
  look() {
    if (!this.root.isConnected) {
      clearInterval(this.watch);
      this.stop();
      return;
    }
    const figure = this.data && this.figure();
    if (!figure?.on || !figure._fullLayout) return;
    if (figure.titanscopeScrub !== this) {
      figure.titanscopeScrub = this;
      figure.on("plotly_click", (event) => this.clicked(event));
    }
    const ring = figure._fullData?.find((trace) => Number.isInteger(trace.meta?.moment));
    if (ring && ring.meta.moment !== this.moment) this.show();
  }

  // A click on a point of the path goes to its moment.
  clicked({ points }) {
    const { data, pointNumber } = points?.[0] ?? {};
    if (data?.meta !== "moments") return;
    this.stop();
    this.go(pointNumber);
  }
}

const scrubs = new WeakMap();

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".scrub");
  let scrub = scrubs.get(root);
  if (!scrub) {
    scrub = new Scrub(root);
    scrubs.set(root, scrub);
  }
  scrub.update(data);
}
