// What colours and lines mean, and which part of the text is shown.

function drawLegend(view) {
  const facts = view.signalFacts(view.signal);
  const { scale } = view;
  const keys = element("span", "soft keys", "← → ↑ ↓ token   shift range   [ ] peak   / search   esc");
  const lines = view.underlines.map((name, k) => underlineWords(view, name, k)).filter(Boolean);
  const cone = coneWords(view);
  view.legend.replaceChildren(...selectedLine(view, facts), fillWords(view, facts), ...lines, ...cone, view.data.minus ? "" : keys);
  view.legend.setAttribute("aria-label", `Colours from ${number(scale.low)} to ${number(scale.high)}`);
  const [from, to] = view.shownTokens();
  const these = to - from === 1 ? `token ${whole(to)}` : `tokens ${whole(from + 1)}–${whole(to)}`;
  const shown = `${these} of ${whole(view.doc.start.length)} below`;
  const what = `${view.data.minus ? view.data.minus.words : facts.label.toLowerCase()}${view.units ? `, ${view.rule} of each ${view.unit}` : ""}`;
  view.stripTitle.replaceChildren(
    element("b", "", "Whole text"),
    element("span", "soft", `${what}, mean and highest of each bin · ${shown}`),
  );
}

function fillWords(view, facts) {
  const { scale, palette } = view;
  const line = element("div", "line");
  const bar = element("span", "ramp");
  const stops = view.signed ? palette.diverging : palette.ramp;
  bar.style.background = `linear-gradient(90deg, ${stops.join(",")})`;
  line.append(
    element("b", "", view.data.minus ? view.data.minus.symbol : facts.symbol),
    element("span", "", number(scale.low)),
    bar,
    element("span", "", number(scale.high)),
    element("span", "soft", scaleWords(view, facts)),
  );
  return line;
}

function underlineWords(view, name, place) {
  const scale = view.scales[name];
  if (!scale) return null;
  const facts = view.signalFacts(name);
  const line = element("div", "line");
  const key = element("span", "under", facts.symbol);
  key.style.borderColor = view.lineColours[name];
  const which = view.underlines.length > 1 ? ["upper line", "lower line"][place] : "line";
  line.append(
    key,
    element("span", "soft", `${which}, faint to strong`),
    element("span", "", `${number(scale.low)}–${number(scale.high)}`),
    element("span", "soft", scale.rule),
  );
  return line;
}

// What the rule in the text of a difference means.
function coneWords({ data }) {
  if (data.minus?.cone === undefined || data.minus.cone === null) return [];
  const words = `The rule stands before token ${whole(data.minus.cone + 1)}, where the intervention begins: nothing before it can differ.`;
  return [element("div", "line soft", words)];
}

// On a narrow screen the token's card is further down, so its value stands here.
function selectedLine(view, facts) {
  const token = view.selected;
  if (token === null || !view.root.classList.contains("narrow")) return [];
  const line = element("div", "status", "");
  line.append(element("span", "piece", pieceOf(view, token)), element("span", "soft", ` token ${whole(token + 1)} `));
  for (const panel of view.panels) {
    const value = panel.fill?.length ? number(panel.fill[token]) : "–";
    line.append(element("b", "", view.panels.length > 1 ? `${panel.run.label} ${value} ` : `${view.data.minus ? view.data.minus.symbol : facts.symbol} ${value}`));
  }
  if (view.units) line.append(element("span", "soft", ` ${view.rule} of its ${view.unit}`));
  return [line];
}

function scaleWords(view, facts) {
  const { scale, data, units } = view;
  const parts = [];
  if (facts.over) parts.push(view.layer === null ? facts.over : `layer ${view.layer + 1}`);
  if (facts.granularity !== "token") parts.push(`one value per ${facts.granularity}`);
  parts.push(units ? `${view.rule} of each ${view.unit}` : facts.granularity === "token" ? "per token" : "");
  if (units) parts.push("on the scale of tokens");
  parts.push(data.runs.length > 1 ? `one scale for all, ${scale.rule}` : scale.rule);
  if (!units) parts.push(beyondWords(scale));
  return parts.filter(Boolean).join(" · ");
}

// How many values lie beyond the ends of the colours, and how they are drawn.
function beyondWords({ above, below }) {
  const beyond = [above && `${whole(above)} above`, below && `${whole(below)} below`].filter(Boolean);
  return beyond.length ? `${beyond.join(" and ")} in the end ${beyond.length > 1 ? "colours" : "colour"}` : "";
}
