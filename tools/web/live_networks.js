// onnxruntime-web and the networks, which come from this site; a network is fetched when it is first asked.
export const FACTS = JSON.parse(document.getElementById("live-facts").textContent); // from tools/live.py
export const FILES = new URL("live/", import.meta.url);

const at = (name) => new URL(FACTS.files[name], FILES);
async function unpacked(name) {
  const answer = await fetch(at(name));
  if (!answer.ok) throw new Error(`${name} is not there (${answer.status})`);
  const raw = await answer.blob(),
    begins = new Uint8Array(await raw.slice(0, 2).arrayBuffer());
  let plain = raw; // a server may have unpacked it on the way
  if (begins[0] === 0x1f && begins[1] === 0x8b) plain = raw.stream().pipeThrough(new DecompressionStream("gzip"));
  if (begins[0] === 0xfd && begins[1] === 0x37) plain = new (await unpacker()).XzReadableStream(raw.stream());
  return new Uint8Array(await new Response(plain).arrayBuffer());
}
const unpacker = () =>
  new Promise((found, failed) => {
    const script = document.createElement("script"); // it is no module
    script.onload = () => found(globalThis["xz-decompress"]);
    script.onerror = () => failed(new Error("xz.js is not there"));
    script.src = at("xz.js");
    document.head.append(script);
  });

const kept = new Map(); // what was loaded, by name; what failed is forgotten, so that one can try again
function once(name, load) {
  if (!kept.has(name))
    kept.set(
      name,
      load().catch((error) => {
        kept.delete(name);
        throw error;
      }),
    );
  return kept.get(name);
}
const runtime = () =>
  once("runtime", async () => {
    const [ort, wasm] = await Promise.all([import(at("ort.mjs")), unpacked("ort.wasm.xz")]);
    Object.assign(ort.env.wasm, { numThreads: 1, wasmBinary: wasm.buffer });
    return ort;
  });
const network = (name) =>
  once(name, async () => {
    const [ort, bytes] = await Promise.all([runtime(), unpacked(`${name}.onnx.gz`)]);
    return ort.InferenceSession.create(bytes);
  });

let turn = Promise.resolve(); // one question at a time: there is one thread
/** The answers of a network, by name, to inputs {name: [numbers, shape]}; and in `ms` how long it took. */
export async function ask(name, given) {
  const [ort, session] = await Promise.all([runtime(), network(name)]);
  const mine = turn.then(async () => {
    const feeds = {},
      begun = performance.now();
    for (const [key, [numbers, shape]] of Object.entries(given))
      feeds[key] = new ort.Tensor(numbers instanceof BigInt64Array ? "int64" : "float32", numbers, shape);
    const said = await session.run(feeds);
    return { ...said, ms: performance.now() - begun };
  });
  turn = mine.catch(() => {});
  return mine;
}
export const integers = (numbers) => BigInt64Array.from(numbers, BigInt);
