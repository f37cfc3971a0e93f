// A drawing context that writes SVG: as much of the canvas' as painting a text or a figure takes.

const SVG = "http://www.w3.org/2000/svg";

class SvgContext {
  constructor(width, height) {
    Object.assign(this, { fillStyle: "#000", strokeStyle: "#000", lineWidth: 1, globalAlpha: 1 });
    Object.assign(this, { font: "", textAlign: "left", direction: "ltr", textBaseline: "alphabetic", dashes: [] });
    this.root = drawn("svg", { width, height, viewBox: `0 0 ${width} ${height}` });
    this.into = this.root; // what is clipped goes into a group
    this.path = "";
    this.clips = 0;
  }

  clearRect() {}

  beginPath() {
    this.path = "";
  }

  moveTo(x, y) {
    this.path += `M${round(x)} ${round(y)}`;
  }

  lineTo(x, y) {
    this.path += `${this.path ? "L" : "M"}${round(x)} ${round(y)}`;
  }

  rect(x, y, w, h) {
    this.roundRect(x, y, w, h, 0);
  }

  // radius: one for all corners, or four from the upper left on, clockwise. Too large ones shrink, as on a canvas.
  roundRect(x, y, w, h, radius) {
    const corners = [radius].flat();
    const most = Math.min(w, h) / 2;
    const [a, b = a, c = a, d = b] = corners.map((r) => Math.min(r, most));
    const turn = (r, dx, dy) => (r ? `a${r} ${r} 0 0 1 ${dx} ${dy}` : "");
    this.path += `M${round(x + a)} ${round(y)}H${round(x + w - b)}${turn(b, b, b)}V${round(y + h - c)}${turn(c, -c, c)}`;
    this.path += `H${round(x + d)}${turn(d, -d, -d)}V${round(y + a)}${turn(a, a, -a)}Z`;
  }

  fill() {
    this.add("path", { d: this.path, fill: this.fillStyle });
  }

  setLineDash(dashes) {
    this.dashes = dashes;
  }

  stroke() {
    const look = { fill: "none", stroke: this.strokeStyle, "stroke-width": this.lineWidth };
    if (this.dashes.length) look["stroke-dasharray"] = this.dashes.join(" ");
    this.add("path", { d: this.path, ...look });
  }

  fillRect(x, y, width, height) {
    const place = { x: round(x), y: round(y), width: round(width), height: round(height) };
    this.add("rect", { ...place, fill: this.fillStyle });
  }

  fillText(text, x, y) {
    if (!text.trim()) return;
    const ends = (this.textAlign === "right") !== (this.direction === "rtl");
    const anchor = this.textAlign === "center" ? "middle" : ends ? "end" : "start";
    const place = { x: round(x), y: round(y), fill: this.fillStyle, "text-anchor": anchor };
    const made = this.add("text", { ...place, direction: this.direction, style: `font:${this.font};white-space:pre` });
    made.textContent = text;
  }

  save() {}

  clip() {
    const id = `clip${++this.clips}`;
    const clip = drawn("clipPath", { id });
    clip.append(drawn("path", { d: this.path }));
    this.into = drawn("g", { "clip-path": `url(#${id})` });
    this.root.append(clip, this.into);
  }

  restore() {
    this.into = this.root;
  }

  add(tag, attributes) {
    const made = drawn(tag, attributes);
    if (this.globalAlpha < 1) made.setAttribute("opacity", round(this.globalAlpha));
    this.into.append(made);
    return made;
  }
}

const round = (value) => Math.round(value * 100) / 100;

function drawn(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
