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

// The part of the text that is in view, one run beside the other.
function saveText(filename, ground) {
  const canvases = textCanvases();
  if (!canvases.length) throw new Error("the text is not drawn yet");
  const gap = 12;
  const image = document.createElement("canvas");
  image.width = canvases.reduce((sum, canvas) => sum + canvas.width + gap, gap);
  image.height = Math.max(...canvases.map((canvas) => canvas.height)) + 2 * gap;
  const context = image.getContext("2d");
  context.fillStyle = ground;
  context.fillRect(0, 0, image.width, image.height);
  let x = gap;
  for (const canvas of canvases) {
    context.drawImage(canvas, x, gap);
    x += canvas.width + gap;
  }
  image.toBlob((blob) => save(blob, `${filename}.png`), "image/png");
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
