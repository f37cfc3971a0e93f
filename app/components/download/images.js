// Images of what stands on the page: plotly's figures by plotly itself, the text from its canvases.

const PNG_SCALE = 2; // pixels of an image per pixel of the page

// The plotly figures of the page, with the key that Streamlit gave each.
function figures() {
  return [...document.querySelectorAll(".js-plotly-plot")].map((plot) => {
    const names = plot.closest('[class*="st-key-"]')?.className ?? "";
    return { plot, key: /st-key-([\w-]+)/.exec(names)?.[1] ?? "figure" };
  });
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
function saveFigure(plot, format, filename, ground) {
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

function textCanvases() {
  const found = [];
  for (const host of document.querySelectorAll("*")) {
    if (host.shadowRoot) found.push(...host.shadowRoot.querySelectorAll("canvas.text"));
  }
  return found.filter((canvas) => canvas.width && canvas.height);
}

const GAP = 12; // pixels around and between the texts of an image

function drawnTexts() {
  const canvases = textCanvases();
  if (!canvases.length) throw new Error("the text is not drawn yet");
  return canvases;
}

// The part of the text that is in view, one run beside the other.
function saveText(filename, ground) {
  const canvases = drawnTexts();
  const image = document.createElement("canvas");
  image.width = canvases.reduce((sum, canvas) => sum + canvas.width + GAP, GAP);
  image.height = Math.max(...canvases.map((canvas) => canvas.height)) + 2 * GAP;
  const context = image.getContext("2d");
  context.fillStyle = ground;
  context.fillRect(0, 0, image.width, image.height);
  let x = GAP;
  for (const canvas of canvases) {
    context.drawImage(canvas, x, GAP);
    x += canvas.width + GAP;
  }
  image.toBlob((blob) => save(blob, `${filename}.png`), "image/png");
}

// The same as SVG: every canvas says what it shows.
function saveTextSvg(filename, ground) {
  const texts = drawnTexts().map((canvas) => canvas.titanscopeSvg());
  const made = (attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", attributes.tag);
    for (const [name, value] of Object.entries(attributes)) if (name !== "tag") element.setAttribute(name, value);
    return element;
  };
  const of = (text, name) => Number(text.getAttribute(name));
  const width = texts.reduce((sum, text) => sum + of(text, "width") + GAP, GAP);
  const height = Math.max(...texts.map((text) => of(text, "height"))) + 2 * GAP;
  const root = made({ tag: "svg", width, height, viewBox: `0 0 ${width} ${height}` });
  root.append(made({ tag: "rect", width: "100%", height: "100%", fill: ground }));
  let x = GAP;
  texts.forEach((text, k) => {
    for (const clip of text.querySelectorAll("clipPath")) clip.id = `t${k}${clip.id}`; // ids are the whole image's
    for (const group of text.querySelectorAll("[clip-path]")) {
      group.setAttribute("clip-path", group.getAttribute("clip-path").replace("#", `#t${k}`));
    }
    text.setAttribute("x", x);
    text.setAttribute("y", GAP);
    root.append(text);
    x += of(text, "width") + GAP;
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
