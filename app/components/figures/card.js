// The hover card: the exact values of a bin, in every row and of every run.

function fillCard(view, bin, y) {
  const { plot, card } = view;
  const [from, to] = plot.tokens(bin);
  const lines = plot.lines(bin, y);
  const binned = plot.size > 1;
  const lowest = binned && lines.some((one) => one.low !== undefined);
  const several = plot.runs.length > 1;
  const where = to - from > 1 ? `${whole(to - from)} tokens, ${whole(from + 1)} to ${whole(to)}` : `token ${whole(from + 1)}`;
  const head = element("div", "cardHead");
  head.append(element("b", "", where), element("span", "soft", plot.header.signal ?? ""));
  const table = element("table");
  if (binned) {
    const names = [...(lowest ? ["lowest", "mean"] : []), plot.header.how === "mean" ? "mean" : "highest", "highest at token"];
    const row = element("tr");
    row.append(element("th"), ...names.map((name) => element("th", "soft", name)));
    table.append(row);
  }
  for (const { run, name, on, low, mean, value, peak } of lines) {
    const row = element("tr", on ? "on" : "");
    const title = element("td");
    if (several) {
      const colour = element("span", "dot");
      colour.style.background = view.style.colour(run);
      title.append(colour, element("span", "", `${run.label} `));
    }
    title.append(element("span", several ? "soft" : "", name));
    const cells = [...(lowest ? [told(low), told(mean)] : []), told(value), ...(binned ? [peak === null ? "–" : whole(peak + 1)] : [])];
    row.append(title, ...cells.map((words) => element("td", "value", words)));
    table.append(row);
  }
  card.replaceChildren(head, table);
}

const told = (value) => (value === Infinity ? "infinite" : exact(value));
