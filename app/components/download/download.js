// Lines of links and buttons. All words are set as text.

function node(tag, className, ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content);
  return made;
}

function line(label, note, actions) {
  const name = node("span", "", label);
  if (note) name.append(node("span", "soft", ` ${note}`));
  return node("div", "line", name, node("span", "files", ...actions));
}

function link(label, address, row) {
  const made = node("a", "", label);
  made.href = new URL(address, document.baseURI).href;
  made.download = ""; // the server names the file
  made.setAttribute("aria-label", `${row}: ${label}`);
  return made;
}

function button(label, row, act, problem) {
  const made = node("button", "", label);
  made.type = "button";
  made.setAttribute("aria-label", `${row}: ${label}`);
  made.addEventListener("click", () => {
    problem.textContent = "";
    try {
      act();
    } catch (error) {
      problem.textContent = `${row} was not saved: ${error.message}.`;
    }
  });
  return made;
}

function figureLines(data, problem) {
  const seen = new Map(); // two figures of one key get a number
  return figures().map(({ plot, key, save }) => {
    const count = (seen.get(key) ?? 0) + 1;
    seen.set(key, count);
    const label = (data.figures[key] ?? key.replaceAll(/[_-]+/g, " ")) + (count > 1 ? ` ${count}` : "");
    const file = `${data.file}-${key.replaceAll("_", "-")}${count > 1 ? `-${count}` : ""}`;
    const act = (format) => () => save(plot, format, file, data.ground);
    return line(label, "", [button("SVG", label, act("svg"), problem), button("PNG", label, act("png"), problem)]);
  });
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".download");
  const problem = node("div", "problem", "");
  problem.setAttribute("role", "status");
  const fixed = data.rows.map(({ label, note, files }) =>
    line(label, note, Object.entries(files).map(([name, address]) => link(name, address, label))));
  const saved = (format) => () => saveText(format, `${data.file}-text`, data.ground);
  const text = ["svg", "png"].map((format) => button(format.toUpperCase(), "Text in view", saved(format), problem));
  if (data.text) fixed.push(line("Text in view", "", text));
  const drawn = node("div");
  let known = "";
  const refresh = () => {
    const now = figures().map(({ key, plot }) => key + (plot._fullLayout?._uid ?? "")).join(" ");
    if (now === known) return;
    known = now;
    drawn.replaceChildren(...figureLines(data, problem));
  };
  root.replaceChildren(...fixed, drawn, problem);
  refresh();
  const watch = setInterval(refresh, 1000); // figures come and go while this stays open
  return () => clearInterval(watch);
}
