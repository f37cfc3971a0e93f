function node(tag, className, ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content); // strings become text nodes, never HTML
  return made;
}

const FIRST = 6; // signals that a phone shows at first
let all = false; // stays so from token to token

function tokenCard({ piece, place, stood, columns, rows }) {
  const head = node("div", "head", node("span", "piece", `“${piece}”`), node("span", "soft", place));
  if (stood) head.append(node("bdi", "stood soft", stood));
  const table = node("table");
  if (columns.length > 1) {
    table.append(node("tr", "", node("th"), ...columns.map((name) => node("th", "", name))));
  }
  for (const [k, { label, symbol, values }] of rows.entries()) {
    const row = node("tr", k < FIRST ? "" : "rest", node("td", "", label, node("span", "soft", ` ${symbol}`)));
    row.append(...values.map((value) => node("td", "value", value)));
    table.append(row);
  }
  const more = node("button", "more", `${rows.length - FIRST} more signals`); // on a phone alone
  more.type = "button";
  more.hidden = rows.length <= FIRST || all;
  more.addEventListener("click", () => {
    all = more.hidden = true;
    table.classList.add("all");
  });
  table.classList.toggle("all", all);
  return [head, node("div", "wide", table), more, details(rows)];
}

// Closed at first: values by layer, equation and granularity. Stays open from token to token.
let open = false;
function details(rows) {
  const box = node("details", "", node("summary", "soft", "Layers, equations, granularity"));
  box.open = open;
  box.addEventListener("toggle", () => (open = box.open));
  for (const { label, note, layers } of rows) {
    const line = node("div", "detail", node("b", "", label), node("div", "soft", note));
    if (layers.length) line.append(node("div", "", ...layers.map((text) => node("span", "layer", text))));
    box.append(line);
  }
  return box;
}

function passageList(passages, pick) {
  return passages.map(({ token, value, before, core, after, stood }) => {
    const line = node("button", "passage");
    line.type = "button";
    line.dataset.token = token;
    const quote = node("span", "quote", node("bdi", "", "…", before, node("b", "", core), after, "…"));
    if (stood) quote.append(node("bdi", "stood soft", stood));
    line.append(quote, node("span", "value soft", value));
    line.addEventListener("click", () => pick(token));
    return line;
  });
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".cards");
  const pick = (token) => setStateValue("token", [token, Date.now()]);
  root.replaceChildren(...(data.token ? tokenCard(data.token) : passageList(data.passages, pick)));
}
