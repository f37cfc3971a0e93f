// Toolbar, legend and hover card.

function button(text, pressed, title, act) {
  const node = element("button", "", text);
  node.type = "button";
  node.title = title;
  node.setAttribute("aria-pressed", String(pressed));
  node.addEventListener("click", act);
  return node;
}

function choice(label, options, value, act) {
  const node = element("select");
  node.setAttribute("aria-label", label);
  for (const [key, text] of options) {
    const option = element("option", "", text);
    option.value = key;
    option.selected = key === value;
    node.append(option);
  }
  node.addEventListener("change", () => act(node.value));
  return node;
}

function drawToolbar(view) {
  const { data } = view;
  const key = JSON.stringify([data.key, view.signal, view.layer, view.underlines, view.palette.dark]);
  if (key === view.toolbarKey) return;
  view.toolbarKey = key;
  const focused = view.root.getRootNode().activeElement?.dataset?.name;
  const group = (className, label) => {
    const node = element("div", className);
    node.setAttribute("role", "group");
    node.setAttribute("aria-label", label);
    return node;
  };
  const fills = group("group", "colour by");
  const main = data.signals.filter((signal) => MAIN_SIGNALS.includes(signal.name));
  const rest = data.signals.filter((signal) => !MAIN_SIGNALS.includes(signal.name));
  for (const { name, label, words } of main) {
    const node = button(label, name === view.signal, words, () => view.choose({ signal: name }));
    node.dataset.name = name;
    fills.append(node);
  }
  if (rest.length) {
    const inRest = rest.some((signal) => signal.name === view.signal);
    const options = [["", "More"], ...rest.map(({ name, label, symbol }) => [name, `${label} ${symbol}`])];
    const more = choice("more signals", options, inRest ? view.signal : "", (name) => name && view.choose({ signal: name }));
    more.classList.toggle("on", inRest);
    fills.append(more);
  }
  const lines = group("group lines", "underline");
  for (const name of UNDERLINES) {
    const facts = view.signalFacts(name);
    if (!facts) continue;
    const on = view.underlines.includes(name);
    const node = button(facts.symbol, on, `underline: ${facts.label.toLowerCase()}, ${facts.words}`, () => {
      const others = view.underlines.filter((other) => other !== name);
      view.choose({ underlines: on ? others : [...others, name].slice(-2) });
    });
    node.dataset.name = name;
    node.style.setProperty("--signal", view.palette.signals[name]);
    lines.append(node);
  }
  view.bar.replaceChildren(fills);
  if (lines.children.length) view.bar.append(element("span", "soft", "underline"), lines);
  if (data.layers > 1) {
    const options = [["", "all layers"]];
    for (let k = 0; k < data.layers; k++) options.push([String(k), `layer ${k + 1}`]);
    const now = view.layer === null ? "" : String(view.layer);
    view.bar.append(
      choice("layers", options, now, (value) => view.choose({ layer: value === "" ? null : Number(value) })),
    );
  }
  if (focused) view.bar.querySelector(`[data-name="${focused}"]`)?.focus();
}

function drawLegend(view) {
  const { scale, palette, data } = view;
  const facts = view.signalFacts(view.signal);
  const line = element("div", "line");
  const bar = element("span", "ramp");
  const stops = facts.kind === "cosine" ? palette.diverging : palette.ramp;
  bar.style.background = `linear-gradient(90deg, ${stops.join(",")})`;
  line.append(
    element("b", "", facts.symbol),
    element("span", "", number(scale.low)),
    bar,
    element("span", "", number(scale.high)),
    element("span", "soft", scaleWords(view, facts)),
  );
  for (const name of view.underlines) {
    const under = view.signalFacts(name);
    const range = view.scales[name];
    if (!range) continue;
    const key = element("span", "under", `${under.symbol} ${number(range.low)}–${number(range.high)}`);
    key.style.borderColor = palette.signals[name];
    line.append(key);
  }
  const keys = element("span", "soft keys", "← → ↑ ↓ token   [ ] peak   esc");
  view.legend.replaceChildren(...selectedLine(view, facts), line, keys);
  const [from, to] = view.shownTokens();
  const total = view.doc.start.length;
  view.stripTitle.replaceChildren(
    element("b", "", "Whole text"),
    element("span", "soft", `${facts.label.toLowerCase()}, highest of each bin · tokens ${whole(from + 1)}–${whole(to)} of ${whole(total)} below`),
  );
  view.legend.setAttribute("aria-label", `Colours from ${number(scale.low)} to ${number(scale.high)}`);
}

// On a narrow screen the token's card is further down, so its value stands here.
function selectedLine(view, facts) {
  const token = view.selected;
  if (token === null || !view.root.classList.contains("narrow")) return [];
  const line = element("div", "status", "");
  line.append(element("span", "piece", pieceOf(view, token)), element("span", "soft", ` token ${whole(token + 1)} `));
  for (const panel of view.panels) {
    const value = panel.fill ? number(panel.fill[token]) : "–";
    line.append(element("b", "", view.panels.length > 1 ? `${panel.run.label} ${value} ` : `${facts.symbol} ${value}`));
  }
  return [line];
}

function scaleWords(view, facts) {
  const { scale, data } = view;
  const parts = [];
  if (facts.over) parts.push(view.layer === null ? facts.over : `layer ${view.layer + 1}`);
  parts.push(facts.granularity === "token" ? "per token" : `one value per ${facts.granularity}`);
  parts.push(data.runs.length > 1 ? `one scale for all, ${scale.rule}` : scale.rule);
  if (scale.above) parts.push(`${whole(scale.above)} above`);
  return parts.join(" · ");
}

function pieceOf(view, token) {
  return view.doc.pieces[view.doc.id[token]] ?? "";
}

function whole(value) {
  return value.toLocaleString("en-US");
}

// Three significant digits, as theme.number does on the server.
function number(value) {
  if (!Number.isFinite(value)) return "–";
  if (value < 0) return `−${number(-value)}`;
  const size = value;
  if (value === 0) return "0";
  if (size < 1e-3 || size >= 1e5) return value.toExponential(2).replace("e-", "e−").replace("e+", "e");
  const digits = Math.max(0, 2 - Math.floor(Math.log10(size)));
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

// A float32 with no more digits than it holds.
function exact(value) {
  if (!Number.isFinite(value)) return "–";
  const tiny = value !== 0 && Math.abs(value) < 1e-4;
  return tiny ? value.toExponential(6).replace("e-", "e−") : String(parseFloat(value.toPrecision(7)));
}

async function showCard(view, token) {
  const { data } = view;
  const base = Math.floor(token / BLOCK) * BLOCK;
  const names = data.signals.map((signal) => signal.name);
  fillCard(view, token, (k, name) => view.panels[k].columns[name]?.[token]);
  try {
    const { sections } = await loadValues(view.runs, names, view.layer, base, base + BLOCK);
    if (view.hovered === token || view.selected === token) {
      fillCard(view, token, (k, name) => sections[`${k}/${name}`]?.[token - base]);
    }
  } catch (error) {
    view.failed(error);
  }
}

function fillCard(view, token, value) {
  const { data, card } = view;
  const head = element("div", "cardHead");
  head.append(element("span", "piece", pieceOf(view, token)), element("span", "soft", `token ${whole(token + 1)}`));
  const table = element("table");
  if (data.runs.length > 1) {
    const row = element("tr");
    row.append(element("th"), ...data.runs.map((run) => element("th", "", run.label)));
    table.append(row);
  }
  for (const { name, label, symbol } of data.signals) {
    const values = data.runs.map((_, k) => value(k, name));
    if (values.every((v) => v === undefined)) continue;
    const row = element("tr", name === view.signal ? "on" : "");
    const title = element("td");
    title.append(element("span", "", label), element("span", "soft", ` ${symbol}`));
    row.append(title, ...values.map((v) => element("td", "value", v === undefined ? "" : exact(v))));
    table.append(row);
  }
  card.replaceChildren(head, table);
}

function placeCard(view, event) {
  const { card, root } = view;
  card.hidden = false;
  const box = root.getBoundingClientRect();
  const x = event.clientX - box.left;
  const y = event.clientY - box.top;
  const left = x + 18 + card.offsetWidth > box.width ? Math.max(0, x - card.offsetWidth - 14) : x + 18;
  card.style.left = `${left}px`;
  // Below the pointer where the window has room, else above what fits.
  const room = window.innerHeight - event.clientY;
  const top = room > card.offsetHeight + 24 ? y + 18 : y - card.offsetHeight - 12;
  card.style.top = `${Math.max(-box.top + 4, top)}px`;
}
