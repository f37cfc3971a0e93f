// The toolbar: what colours the text, what underlines it, in which units, of which layer.

const MOST_UNDERLINES = 2; // as in link.py
const FINGER = matchMedia("(pointer: coarse)");
const UNIT_NAMES = { token: "token", word: "word", sentence: "sentence", paragraph: "¶" };

function button(text, pressed, title, act) {
  const node = element("button", "", text);
  node.type = "button";
  node.title = title;
  if (!/\p{L}{2}/u.test(text)) node.setAttribute("aria-label", title);
  if (pressed !== undefined) node.setAttribute("aria-pressed", String(pressed));
  node.addEventListener("click", act);
  return node;
}

function choice(label, options, value, act) {
  const node = element("select");
  node.setAttribute("aria-label", label);
  node.dataset.name = label;
  for (const [key, text] of options) {
    const option = element("option", "", text);
    option.value = key;
    option.selected = key === value;
    node.append(option);
  }
  node.addEventListener("change", () => act(node.value));
  return node;
}

function group(className, label, ...members) {
  const node = element("div", `group ${className}`);
  node.setAttribute("role", "group");
  node.setAttribute("aria-label", label);
  node.append(...members);
  return node;
}

function named(name, node) {
  node.dataset.name = name;
  return node;
}

function drawToolbar(view) {
  const { data, signal, layer, underlines, unit, rule, finding, ranging } = view;
  const key = JSON.stringify([data.key, signal, layer, underlines, unit, rule, finding, ranging, view.palette.dark]);
  if (key === view.toolbarKey) return;
  view.toolbarKey = key;
  const focused = view.root.getRootNode().activeElement?.dataset?.name;
  const lines = underlineGroup(view);
  const parts = [fillGroup(view)];
  if (lines) parts.push(pair(element("span", "soft", "underline"), lines));
  parts.push(...unitGroups(view));
  if (data.layers > 1) parts.push(layerChoice(view));
  if (FINGER.matches) parts.push(rangeSwitch(view));
  view.tools.replaceChildren(...parts);
  if (focused) [...view.tools.querySelectorAll("[data-name]")].find((node) => node.dataset.name === focused)?.focus();
}

// A label and what it names, which wrap together.
function pair(...nodes) {
  const box = element("div", "pair");
  box.append(...nodes);
  return box;
}

function fillGroup(view) {
  const { signals } = view.data;
  const box = group("fills", "colour by");
  for (const { name, label, words } of signals.filter((signal) => MAIN_SIGNALS.includes(signal.name))) {
    box.append(named(name, button(label, name === view.signal, words, () => view.choose({ signal: name }))));
  }
  const rest = signals.filter((signal) => !MAIN_SIGNALS.includes(signal.name));
  if (!rest.length) return box;
  const inRest = rest.some((signal) => signal.name === view.signal);
  const options = [["", "More"], ...rest.map(({ name, label, symbol }) => [name, `${label} ${symbol}`])];
  const pick = (name) => name && view.choose({ signal: name });
  const more = choice("more signals", options, inRest ? view.signal : "", pick);
  more.classList.toggle("on", inRest);
  box.append(more);
  return box;
}

// The gates, what else is drawn as a line, and all the others in a list.
function underlineGroup(view) {
  const { signals } = view.data;
  const extra = view.underlines.filter((name) => !UNDERLINES.includes(name));
  const shown = [...UNDERLINES, ...extra].map((name) => view.signalFacts(name)).filter(Boolean);
  const rest = signals.filter((signal) => !shown.includes(signal));
  if (!signals.length) return null;
  const full = view.underlines.length >= MOST_UNDERLINES;
  const add = (name) => view.choose({ underlines: [...view.underlines, name] });
  const box = group("lines", "underline");
  for (const { name, label, symbol, words } of shown) {
    const on = view.underlines.includes(name);
    const remove = () => view.choose({ underlines: view.underlines.filter((other) => other !== name) });
    const node = button(symbol, on, `underline: ${label.toLowerCase()}, ${words}`, () => (on ? remove() : add(name)));
    node.setAttribute("aria-label", symbol); // as it is written; the title says the rest
    node.style.setProperty("--signal", view.lineColours[name] ?? view.palette.muted);
    if (full && !on) node.disabled = true;
    box.append(named(`line ${name}`, node));
  }
  const options = [["", "more"], ...rest.map(({ name, label, symbol }) => [name, `${label} ${symbol}`])];
  if (rest.length) {
    const more = choice("more underlines", options, "", (name) => name && add(name));
    more.disabled = full;
    box.append(more);
  }
  return full ? pair(box, element("span", "soft", "two at most")) : box;
}

function unitGroups(view) {
  const units = UNITS.map((unit) => {
    const title = unit === "token" ? "colour each token" : `colour each ${unit} as one`;
    const node = button(UNIT_NAMES[unit], unit === view.unit, title, () => view.chooseUnit(unit, view.rule));
    if (unit === "paragraph") node.setAttribute("aria-label", "paragraph");
    return named(unit, node);
  });
  const groups = [group("units", "unit of the text", ...units)];
  if (view.unit !== "token") {
    const rules = ["mean", "max"].map((rule) => {
      const title = `the ${rule === "max" ? "highest" : "mean"} of each ${view.unit}'s tokens`;
      return named(rule, button(rule, rule === view.rule, title, () => view.chooseUnit(view.unit, rule)));
    });
    groups.push(group("rules", "value of a unit", ...rules));
  }
  if (view.finding) groups.push(element("span", "soft", `finding ${view.finding}s`));
  return groups;
}

function layerChoice(view) {
  const options = [["", "all layers"]];
  for (let k = 0; k < view.data.layers; k++) options.push([String(k), `layer ${k + 1}`]);
  const now = view.layer === null ? "" : String(view.layer);
  return choice("layers", options, now, (value) => view.choose({ layer: value === "" ? null : Number(value) }));
}

// What dragging is to a mouse: of the next two taps the first begins a range and the second ends it.
function rangeSwitch(view) {
  const act = () => {
    view.ranging = view.ranging ? null : "start";
    view.toolbar();
  };
  const words = { start: "Start?", end: "End?" }[view.ranging] ?? "Range";
  const node = button(words, Boolean(view.ranging), "the next two taps are the ends of a range", act);
  node.setAttribute("aria-label", view.ranging ? `Range: tap its ${view.ranging}` : "Range");
  return group("ranges", "range", named("range", node));
}
