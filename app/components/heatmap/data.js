// Fetching and decoding: [u32 header length][JSON header][4-byte sections], see components/blob.py.

const BLOCK = 4096; // tokens whose every signal is fetched at once for the hover card
const fetched = new Map(); // address -> Promise of a decoded blob; runs never change

function decode(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const sections = {};
  let at = 4 + length;
  for (const { name, kind, length: count } of header.sections) {
    sections[name] = kind === "f" ? new Float32Array(buffer, at, count) : new Uint32Array(buffer, at, count);
    at += 4 * count;
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

const loadText = (run) => load("text", [["run", run]]);

function loadValues(runs, signals, layer, from, to) {
  const query = [...runs.map((run) => ["run", run]), ...signals.map((name) => ["signal", name])];
  if (layer !== null) query.push(["layer", layer]);
  if (to !== undefined) query.push(["from", from], ["to", to]);
  return load("values", query);
}
