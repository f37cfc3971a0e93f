// What the text fetches: its tokens, and their values.

const BLOCK = 4096; // tokens whose every signal is fetched at once for the hover card

// The text of a run with its tokens: their ids, and start and end in it.
async function loadText(run) {
  const { header, sections } = await load("text", [["run", run]]);
  const { id, step, odd, size } = sections;
  const start = new Uint32Array(id.length);
  const end = new Uint32Array(id.length);
  for (let token = 0, at = 0; token < id.length; token++) {
    start[token] = at += step[token];
    if (token) end[token - 1] = at;
  }
  end[id.length - 1] = header.text.length;
  for (let k = 0, token = 0; k < odd.length; k++) {
    token += odd[k];
    end[token] = start[token] + size[k];
  }
  return { text: header.text, pieces: header.pieces, id, start, end };
}

// minus: { run, ratio }: what the values of that run are taken from them, or how often they go into them.
function loadValues(runs, signals, layer, minus, from, to) {
  const query = [...runs.map((run) => ["run", run]), ...signals.map((name) => ["signal", name])];
  if (minus) query.push(["minus", minus.run], ["ratio", Number(minus.ratio)]);
  if (layer !== null) query.push(["layer", layer]);
  if (to !== undefined) query.push(["from", from], ["to", to]);
  return load("values", query);
}
