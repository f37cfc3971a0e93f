// Fetching and decoding: [u32 header length][JSON header][sections], see components/blob.py.

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

function loadWords(error) {
  if (error.message === "expired") return "This run is no longer stored. Run the text again.";
  return "The values of this run could not be loaded from the server. Reload the page to try again.";
}

// The server holds back what comes further down until it hears this. part: "text" or "timelines".
function tellDrawn(run, part) {
  fetch(new URL(`titanscope/drawn?run=${run}&part=${part}`, document.baseURI)).catch(() => {});
}
