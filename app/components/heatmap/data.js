// Fetching and decoding: [u32 header length][JSON header][sections], see components/blob.py.

const BLOCK = 4096; // tokens whose every signal is fetched at once for the hover card
const KINDS = { f4: Float32Array, u4: Uint32Array, u2: Uint16Array, u1: Uint8Array };
const fetched = new Map(); // address -> Promise of a decoded blob; runs never change

function decode(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const sections = {};
  let at = 4 + length;
  for (const { name, kind, length: count } of header.sections) {
    sections[name] = new KINDS[kind](buffer, at, count);
    at += 4 * Math.ceil(sections[name].byteLength / 4);
  }
  return { header, sections };
}

function load(path, query) {
  const address = new URL(`titanscope/${path}?${new URLSearchParams(query)}`, document.baseURI).href;
  if (!fetched.has(address)) {
    if (fetched.size > 200) fetched.delete(fetched.keys().next().value);
    const reply = fetch(address, { credentials: "same-origin" }).then(async (response) => {
      if (!response.ok) throw new Error(response.status === 404 ? "expired" : `status ${response.status}`);
      return decode(await response.arrayBuffer());
    });
    reply.catch(() => fetched.delete(address));
    fetched.set(address, reply);
  }
  return fetched.get(address);
}

// The server holds back the figures until it hears this.
const tellDrawn = (run) => fetch(new URL(`titanscope/drawn?run=${run}&part=text`, document.baseURI)).catch(() => {});

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

function loadValues(runs, signals, layer, from, to) {
  const query = [...runs.map((run) => ["run", run]), ...signals.map((name) => ["signal", name])];
  if (layer !== null) query.push(["layer", layer]);
  if (to !== undefined) query.push(["from", from], ["to", to]);
  return load("values", query);
}
