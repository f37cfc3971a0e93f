// What stands above a figure: its title, what is drawn in words, and what else it could show.

const TITLES = { timelines: "Through time", layer_map: "Layer × token" };
const HINT = "Drag across a figure to zoom in, click to select a token.";

function drawNote(view, words) {
  const note = element("span", "soft note", words);
  note.addEventListener("click", () => note.classList.toggle("whole")); // on a phone it is two lines at first
  view.title.replaceChildren(element("b", "", TITLES[view.data.kind]), " ", note);
}

function drawTools(view) {
  const { look, plot, data, tools } = view;
  const key = JSON.stringify([look.range, look.span, look.how, plot.size, plot.runs.length]);
  if (key === view.toolsKey) return;
  view.toolsKey = key;
  const parts = [];
  if (data.kind === "layer_map") {
    if (plot.runs.length && plot.size > 1) parts.push(howGroup(view));
  } else {
    parts.push(element("span", "soft hint", HINT));
    if (look.range && String(look.range) !== String(look.span)) {
      const title = "Show only the tokens selected in the text";
      parts.push(button("Zoom to the range", title, () => view.zoom(look.range)));
    }
    if (look.span) {
      parts.push(button("Whole text", "Show all tokens again; a double click in a figure does the same", () => view.zoom(null)));
    }
  }
  const focused = tools.getRootNode().activeElement?.textContent;
  tools.replaceChildren(...parts);
  if (focused) [...tools.querySelectorAll("button")].find((node) => node.textContent === focused)?.focus();
}

function howGroup(view) {
  const group = element("div", "group");
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", "What a cell shows of its tokens");
  for (const [how, title] of [["max", "the highest value of its tokens"], ["mean", "the mean of its tokens"]]) {
    const node = button(how, title, () => view.choose({ how }, "map", [how, Date.now()]));
    node.setAttribute("aria-pressed", String(view.look.how === how));
    group.append(node);
  }
  return group;
}

function button(words, title, act) {
  const node = element("button", "", words);
  node.type = "button";
  node.title = title;
  node.addEventListener("click", act);
  return node;
}

// The address says what is looked at, without a new entry in the browser's history. null removes a parameter.
function writeAddress(link) {
  const url = new URL(window.location.href);
  for (const [name, value] of Object.entries(link)) {
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  if (url.href !== window.location.href) window.history.replaceState(window.history.state, "", url);
}
