function node(tag, className, ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content); // strings become text nodes, never HTML
  return made;
}

function tokenCard({ piece, place, columns, rows }) {
  const head = node("div", "head", node("span", "piece", `“${piece}”`), node("span", "soft", place));
  const table = node("table");
  if (columns.length > 1) {
    table.append(node("tr", "", node("th"), ...columns.map((name) => node("th", "", name))));
  }
  for (const { label, symbol, values, layers, note } of rows) {
    const row = node("tr", "", node("td", "", label, node("span", "soft", ` ${symbol}`)));
    row.append(...values.map((value) => node("td", "value", value)));
    const under = node("td", "note", node("div", "", note));
    if (layers.length) under.append(node("div", "", layers.join("   ")));
    under.colSpan = values.length + 1;
    table.append(row, node("tr", "", under));
  }
  return [head, table];
}

function passageList(passages, pick) {
  return passages.map(({ token, value, before, core, after }) => {
    const line = node("button", "passage");
    line.type = "button";
    line.dataset.token = token;
    const quote = node("span", "quote", node("bdi", "", "…", before, node("b", "", core), after, "…"));
    line.append(quote, node("span", "value soft", value));
    line.addEventListener("click", () => pick(token));
    return line;
  });
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".cards");
  root.style.setProperty("--muted", data.muted);
  const pick = (token) => setStateValue("token", [token, Date.now()]);
  root.replaceChildren(...(data.token ? tokenCard(data.token) : passageList(data.passages, pick)));
}
