// onnxruntime-web and the networks, which come from this site; a network is fetched when it is first asked.
export const FACTS = JSON.parse(document.getElementById("live-facts").textContent); // from tools/live.py
export const FILES = new URL("live/", import.meta.url);

async function unpacked(name) {
  const answer = await fetch(new URL(FACTS.files[name], FILES));
  if (!answer.ok) throw new Error(`${name} is not there (${answer.status})`);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes; // a server has unpacked it on the way
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(plain).arrayBuffer());
}

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
    const [ort, wasm] = await Promise.all([import(new URL(FACTS.files["ort.mjs"], FILES)), unpacked("ort.wasm.gz")]);
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
