// The hover card: every signal of the token; where words or more are coloured as one, first that unit and its value.

const LONGEST_TITLE = 60; // characters of a unit that the card shows

async function showCard(view, token) {
  const { data } = view;
  const base = Math.floor(token / BLOCK) * BLOCK;
  const names = data.signals.map((signal) => signal.name);
  fillCard(view, token, (k, name) => view.panels[k].columns[name]?.[token]);
  try {
    const { sections } = await loadValues(view.runs, names, view.layer, data.minus, base, base + BLOCK);
    if (view.hovered === token || view.selected === token) {
      fillCard(view, token, (k, name) => sections[`${k}/${name}`]?.[token - base]);
    }
  } catch (error) {
    view.failed(error);
  }
}

function fillCard(view, token, value) {
  const { data, card } = view;
  const head = view.units ? unitHead(view, token) : tokenHead(view, token);
  const table = element("table");
  if (data.minus) head.append(element("span", "soft", data.minus.words));
  if (data.runs.length > 1) {
    const row = element("tr");
    row.append(element("th"), ...data.runs.map((run) => element("th", "", run.label)));
    table.append(row);
  }
  if (view.units) table.append(unitRow(view, token), tokenRow(view, token));
  for (const { name, label, symbol } of data.signals) {
    const values = data.runs.map((_, k) => value(k, name));
    if (values.every((v) => v === undefined)) continue;
    const on = name === view.signal && !view.units;
    table.append(valueRow(on, label, symbol, values));
  }
  card.replaceChildren(head, table);
}

function tokenHead(view, token) {
  const head = element("div", "cardHead");
  head.append(element("span", "piece", pieceOf(view, token)), element("span", "soft", `token ${whole(token + 1)}`));
  return head;
}

// Of which token of the unit the rows below it are.
function tokenRow(view, token) {
  const row = element("tr", "of");
  const cell = element("td");
  cell.colSpan = view.data.runs.length + 1;
  cell.append(element("span", "soft", "its token "), element("span", "unitPiece", pieceOf(view, token)));
  cell.append(element("span", "soft", ` ${whole(token + 1)}`));
  row.append(cell);
  return row;
}

function valueRow(on, label, note, values) {
  const row = element("tr", on ? "on" : "");
  const title = element("td");
  title.append(element("span", "", label), element("span", "soft", ` ${note}`));
  row.append(title, ...values.map((v) => element("td", "value", v === undefined ? "" : number(v))));
  return row;
}

function unitRow(view, token) {
  const { label } = view.signalFacts(view.signal);
  const values = view.panels.map((panel) => panel.fill?.[token]);
  return valueRow(true, `${label}, ${view.rule} of the ${view.unit}`, "", values);
}

function unitHead(view, token) {
  const [from, to] = view.unitSpan(token);
  const head = element("div", "cardHead");
  const many = to - from === 1 ? "1 token" : `${whole(to - from)} tokens`;
  head.append(element("span", "piece", view.unitText(token, LONGEST_TITLE)), element("span", "soft", `${view.unit}, ${many}`));
  return head;
}
