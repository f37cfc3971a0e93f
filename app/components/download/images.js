// Images of what stands on the page: plotly's figures by plotly itself, text and other figures from their canvases.

const PNG_SCALE = 2; // pixels of an image per pixel of the page

// The figures of the page with their keys: those on canvases of our own, then plotly's.
function figures() {
  const own = canvases("canvas.figure").map((plot) => ({ plot, key: plot.dataset.key, save: saveCanvases }));
  const others = [...document.querySelectorAll(".js-plotly-plot")].map((plot) => {
    const names = plot.closest('[class*="st-key-"]')?.className ?? "";
    return { plot, key: /st-key-([\w-]+)/.exec(names)?.[1] ?? "figure", save: savePlotly };
  });
  return [...own, ...others];
}

// Plotly saves by the click of a link that it puts into the body. To the popover that is a click outside, which would
// close it; so for a while nobody hears of such a click. The download itself is not held up.
function keepOpen() {
  const hush = (event) => {
    const link = event.target;
    if (link instanceof HTMLAnchorElement && link.download && link.parentElement === document.body) {
      event.stopImmediatePropagation();
    }
  };
  window.addEventListener("click", hush, { capture: true });
  setTimeout(() => window.removeEventListener("click", hush, { capture: true }), 10_000);
}

// Streamlit keeps plotly to itself; the camera button of the (hidden) mode bar is the way to its own export.
function savePlotly(plot, format, filename, ground) {
  const camera = plot._fullLayout?._modeBar?.element?.querySelector('[data-title^="Download"]');
  if (!camera) throw new Error("this figure cannot be saved");
  const before = plot.layout.paper_bgcolor;
  plot._context.toImageButtonOptions = { format, filename, scale: format === "png" ? PNG_SCALE : 1 };
  plot.layout.paper_bgcolor = ground; // copied by the click below, before anything is drawn again
  keepOpen();
  try {
    camera.dispatchEvent(new MouseEvent("click")); // which does not bubble, see keepOpen
  } finally {
    plot.layout.paper_bgcolor = before;
  }
}

// The canvases of our components that show something.
function canvases(selector) {
  const found = [];
  for (const host of document.querySelectorAll("*")) {
    if (host.shadowRoot) found.push(...host.shadowRoot.querySelectorAll(selector));
  }
  return found.filter((canvas) => canvas.width && canvas.height && !canvas.hidden);
}

const GAP = 12; // pixels around and between the canvases of an image

// The part of the text that is in view, one run beside the other.
function saveText(format, filename, ground) {
  const texts = canvases("canvas.text");
  if (!texts.length) throw new Error("the text is not drawn yet");
  saveCanvases(texts, format, filename, ground);
}

// One canvas, or several side by side.
function saveCanvases(drawn, format, filename, ground) {
  (format === "svg" ? saveSvg : savePng)([drawn].flat(), filename, ground);
}

// As sharp as the screen; a canvas that can paint itself larger is drawn at PNG_SCALE.
function savePng(drawn, filename, ground) {
  const scale = drawn.every((canvas) => canvas.titanscopePaint) ? PNG_SCALE : window.devicePixelRatio || 1;
  const size = (canvas) => [canvas.clientWidth, canvas.clientHeight];
  const image = document.createElement("canvas");
  image.width = scale * drawn.reduce((sum, canvas) => sum + size(canvas)[0] + GAP, GAP);
  image.height = scale * (Math.max(...drawn.map((canvas) => size(canvas)[1])) + 2 * GAP);
  const context = image.getContext("2d");
  context.fillStyle = ground;
  context.fillRect(0, 0, image.width, image.height);
  let x = GAP;
  for (const canvas of drawn) {
    context.setTransform(scale, 0, 0, scale, scale * x, scale * GAP);
    if (canvas.titanscopePaint) canvas.titanscopePaint(context, scale);
    else context.drawImage(canvas, 0, 0, ...size(canvas));
    x += size(canvas)[0] + GAP;
  }
  image.toBlob((blob) => save(blob, `${filename}.png`), "image/png");
}

// Every canvas says what it shows.
function saveSvg(drawn, filename, ground) {
  const parts = drawn.map((canvas) => canvas.titanscopeSvg());
  const made = (attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", attributes.tag);
    for (const [name, value] of Object.entries(attributes)) if (name !== "tag") element.setAttribute(name, value);
    return element;
  };
  const of = (part, name) => Number(part.getAttribute(name));
  const width = parts.reduce((sum, part) => sum + of(part, "width") + GAP, GAP);
  const height = Math.max(...parts.map((part) => of(part, "height"))) + 2 * GAP;
  const root = made({ tag: "svg", width, height, viewBox: `0 0 ${width} ${height}` });
  root.append(made({ tag: "rect", width: "100%", height: "100%", fill: ground }));
  let x = GAP;
  parts.forEach((part, k) => {
    for (const clip of part.querySelectorAll("clipPath")) clip.id = `t${k}${clip.id}`; // ids are the whole image's
    for (const group of part.querySelectorAll("[clip-path]")) {
      group.setAttribute("clip-path", group.getAttribute("clip-path").replace("#", `#t${k}`));
    }
    part.setAttribute("x", x);
    part.setAttribute("y", GAP);
    root.append(part);
    x += of(part, "width") + GAP;
  });
  save(new Blob([new XMLSerializer().serializeToString(root)], { type: "image/svg+xml" }), `${filename}.svg`);
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
