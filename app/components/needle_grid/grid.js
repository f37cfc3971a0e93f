function node(tag, className, ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content); // strings become text nodes, never HTML
  return made;
}

function header(text, scope) {
  const made = node("th", "", text);
  made.scope = scope;
  return made;
}

// One grid: depths down, lengths across. Its buttons are filled by `paint`, again and again while cells come in.
function build({ name, colour, rows }, { lengths, depths }) {
  const title = node("caption", "", node("span", "dot"), name);
  title.firstChild.style.background = colour;
  const table = node("table", "grid", title);
  for (const [k, row] of rows.entries()) {
    const line = node("tr", "", header(depths[k], "row"));
    for (const _ of row) {
      const button = node("button", "", node("b", ""), node("i", ""));
      button.type = "button";
      button.tabIndex = -1;
      line.append(node("td", "", button));
    }
    table.append(line);
  }
  table.append(node("tr", "", node("td", "corner"), ...lengths.map((length) => header(length, "col"))));
  return node("div", "one", table);
}

function paint(button, cell, chosen, after) {
  const run = cell.share !== undefined;
  button.className = run ? "run" : "not";
  button.style.background = run ? cell.fill : "";
  button.style.color = run ? cell.ink : "";
  button.firstChild.textContent = run ? cell.share : "";
  button.lastChild.textContent = run ? cell.marks : "";
  button.setAttribute("aria-label", cell.words);
  button.setAttribute("aria-pressed", String(chosen));
  button.parentElement.classList.toggle("end", after);
}

// Arrows go from cell to cell, and from one grid to the next: one tab stop for all.
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
function walk(event, cells) {
  const step = STEPS[event.key];
  const from = cells.find(({ button }) => button === event.target);
  if (!step || !from) return;
  event.preventDefault();
  const to = cells.find(({ x, y }) => x === from.x + step[0] && y === from.y + step[1]);
  if (to) focusOn(to.button, cells);
}

function focusOn(button, cells) {
  for (const cell of cells) cell.button.tabIndex = -1;
  button.tabIndex = 0;
  button.focus();
}

const LEAST = 24; // pixels that a cell needs
const HINT = "Point at a cell for its numbers, click it for its texts. Arrow keys go from cell to cell.";

// What is drawn in `root`: tables, their buttons with their places, and a line for what a cell says that is pointed at.
function fresh(root, shape, data) {
  const tables = data.grids.map((grid) => build(grid, data));
  const all = node("div", "all", ...tables);
  const told = node("div", "told");
  told.setAttribute("aria-hidden", "true"); // the cells say it themselves
  all.style.setProperty("--least", `${Math.max(150, 40 + LEAST * data.lengths.length)}px`);
  root.replaceChildren(all, told);
  const cells = tables.flatMap((table, g) =>
    [...table.querySelectorAll("tr")].flatMap((line, y) =>
      [...line.querySelectorAll("button")].map((button, k) => ({ button, x: g * data.lengths.length + k, y, g, k })),
    ),
  );
  const made = { shape, cells, told, at: null };
  if (cells.length) cells[0].button.tabIndex = 0;
  all.addEventListener("keydown", (event) => walk(event, cells));
  for (const type of ["pointerover", "focusin"]) {
    all.addEventListener(type, ({ target }) => {
      made.at = cells.find(({ button }) => button.contains(target))?.button ?? null;
      tell(made);
    });
  }
  for (const type of ["pointerleave", "focusout"]) {
    all.addEventListener(type, () => {
      made.at = null;
      tell(made);
    });
  }
  return made;
}

function tell({ at, told }) {
  told.textContent = at ? at.getAttribute("aria-label") : HINT;
}

const drawn = new WeakMap(); // root -> what `fresh` made there

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".needles");
  const shape = JSON.stringify([data.lengths, data.depths, data.grids.map(({ name, colour }) => [name, colour])]);
  if (drawn.get(root)?.shape !== shape) drawn.set(root, fresh(root, shape, data));
  const known = drawn.get(root);
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", data.alt);
  for (const { button, g, k, y } of known.cells) {
    const { rows, line } = data.grids[g];
    const cell = rows[y][k];
    paint(button, cell, String(cell.at) === String(data.chosen), line === k);
    button.onclick = () => {
      for (const other of known.cells) other.button.setAttribute("aria-pressed", String(other.button === button));
      focusOn(button, known.cells);
      setStateValue("cell", [...cell.at, Date.now()]);
    };
  }
  tell(known);
}
