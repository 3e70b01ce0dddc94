// The page on which the course's networks run. Runtime and networks come from this site; no picture leaves the page.
(() => {
  "use strict";
  const root = document.getElementById("live"); // the gallery; without it this is another page
  if (!root) return;
  const FACTS = JSON.parse(document.getElementById("live-facts").textContent);
  const FILES = new URL("live/", document.currentScript.src);
  const SIZE = 64,
    GRID = 8,
    SHOWN = 256,
    MAX_BYTES = 100e6;

  // ------------------------------------------------------------------------------------------------- networks
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
  async function ask(name, given) {
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
  const integers = (numbers) => BigInt64Array.from(numbers, BigInt);

  // --------------------------------------------------------------------------------- colours, as pretext/color.py
  const WHITE = [0.4124564 + 0.3575761 + 0.1804375, 0.2126729 + 0.7151522 + 0.072175, 0.0193339 + 0.119192 + 0.9503041];
  const XYZ = [
    [0.4124564, 0.3575761, 0.1804375],
    [0.2126729, 0.7151522, 0.072175],
    [0.0193339, 0.119192, 0.9503041],
  ].map((row, i) => row.map((v) => v / WHITE[i]));
  const RGB = inverse(XYZ);
  function inverse([[a, b, c], [d, e, f], [g, h, i]]) {
    const A = e * i - f * h,
      B = f * g - d * i,
      C = d * h - e * g,
      det = a * A + b * B + c * C;
    return [
      [A, c * h - b * i, b * f - c * e],
      [B, a * i - c * g, c * d - a * f],
      [C, b * g - a * h, a * e - b * d],
    ].map((row) => row.map((v) => v / det));
  }
  const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const gamma = (v) => (v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055);
  const root3 = (v) => (v > (6 / 29) ** 3 ? Math.cbrt(v) : v / (3 * (6 / 29) ** 2) + 4 / 29);
  const cube = (v) => (v > 6 / 29 ? v ** 3 : 3 * (6 / 29) ** 2 * (v - 4 / 29));

  /** sRGB planes (3 · n numbers in [0, 1]) as Lab planes. */
  function toLab(rgb) {
    const n = rgb.length / 3,
      lab = new Float32Array(rgb.length);
    for (let i = 0; i < n; i++) {
      const light = [linear(rgb[i]), linear(rgb[n + i]), linear(rgb[2 * n + i])];
      const [x, y, z] = XYZ.map((row) => root3(row[0] * light[0] + row[1] * light[1] + row[2] * light[2]));
      lab[i] = 116 * y - 16;
      lab[n + i] = 500 * (x - y);
      lab[2 * n + i] = 200 * (y - z);
    }
    return lab;
  }

  /** Lightness (side² numbers) in the colours of small maps (2 · m²), which are widened without steps: sRGB planes. */
  function paint(lightness, side, ab, m) {
    const n = side * side,
      rgb = new Float32Array(3 * n),
      [a, b] = [wide(ab.subarray(0, m * m), m, side), wide(ab.subarray(m * m), m, side)];
    for (let i = 0; i < n; i++) {
      const y = (lightness[i] + 16) / 116,
        f = [cube(y + a[i] / 500), cube(y), cube(y - b[i] / 200)];
      RGB.forEach((row, k) => {
        rgb[k * n + i] = gamma(Math.max(row[0] * f[0] + row[1] * f[1] + row[2] * f[2], 0));
      });
    }
    return rgb;
  }
  function wide(map, m, side) {
    // bilinear, between the middles of cells
    const out = new Float32Array(side * side),
      at = Array.from({ length: side }, (_, k) => Math.max(((k + 0.5) * m) / side - 0.5, 0));
    for (let r = 0; r < side; r++)
      for (let c = 0; c < side; c++) {
        const y = Math.floor(at[r]),
          x = Math.floor(at[c]),
          dy = at[r] - y,
          dx = at[c] - x;
        const y1 = Math.min(y + 1, m - 1) * m,
          x1 = Math.min(x + 1, m - 1),
          y0 = y * m;
        out[r * side + c] =
          (1 - dy) * ((1 - dx) * map[y0 + x] + dx * map[y0 + x1]) + dy * ((1 - dx) * map[y1 + x] + dx * map[y1 + x1]);
      }
    return out;
  }

  // -------------------------------------------------------------------------------- two views, as pretext/augment.py
  /** A view of a picture: a box (top, left, height, width in pixels), mirrored or not, its colours changed. */
  function view(
    rgb,
    { top, left, height, width, flip = 0, brightness = 1, contrast = 1, saturation = 1, hue = 0, gray = 0 },
  ) {
    const n = SIZE * SIZE,
      out = new Float32Array(3 * n);
    const places = (first, length) =>
      Array.from({ length: SIZE }, (_, k) =>
        Math.min(Math.max(first + ((k + 0.5) * length) / SIZE - 0.5, first), first + length - 1),
      ); // the box's edge repeats
    const rows = places(top, height),
      columns = places(left, width);
    if (flip) columns.reverse();
    for (let k = 0; k < 3; k++)
      for (let r = 0; r < SIZE; r++)
        for (let c = 0; c < SIZE; c++) {
          const y = Math.floor(rows[r]),
            x = Math.floor(columns[c]),
            dy = rows[r] - y,
            dx = columns[c] - x,
            p = k * n;
          const y1 = Math.min(y + 1, SIZE - 1),
            x1 = Math.min(x + 1, SIZE - 1),
            at = (a, b) => rgb[p + a * SIZE + b];
          out[p + r * SIZE + c] =
            (1 - dy) * ((1 - dx) * at(y, x) + dx * at(y, x1)) + dy * ((1 - dx) * at(y1, x) + dx * at(y1, x1));
        }
    const unit = (v) => Math.min(Math.max(v, 0), 1),
      luma = (i) => 0.2989 * out[i] + 0.587 * out[n + i] + 0.114 * out[2 * n + i];
    for (let i = 0; i < 3 * n; i++) out[i] = unit(out[i] * brightness);
    let mean = 0;
    for (let i = 0; i < n; i++) mean += luma(i) / n;
    for (let i = 0; i < 3 * n; i++) out[i] = unit(contrast * out[i] + (1 - contrast) * mean);
    for (let i = 0; i < n; i++) {
      let own = luma(i);
      const v = [0, 1, 2].map((k) => unit(saturation * out[k * n + i] + (1 - saturation) * own));
      const most = Math.max(...v),
        least = Math.min(...v),
        spread = Math.max(most - least, 1e-12),
        [r, g, b] = v;
      if (hue) {
        const sixth =
          (most === r ? (g - b) / spread : most === g ? 2 + (b - r) / spread : 4 + (r - g) / spread) + 6 * hue;
        v.forEach((_, k) => {
          // a wave of period 6 for each channel, 1 around its own hue
          const z = ((((sixth - 2 * k + 3) % 6) + 6) % 6) - 3;
          v[k] = least + spread * unit(2 - Math.abs(z));
        });
      }
      own = 0.2989 * v[0] + 0.587 * v[1] + 0.114 * v[2];
      v.forEach((value, k) => {
        out[k * n + i] = unit(gray ? own : value);
      });
    }
    return out;
  }
  /** What SimCLR's training draws (Augmentation's defaults): a box of 20 to 100 % of the area, and colours. */
  function drawn() {
    const u = (low, high) => low + (high - low) * Math.random();
    let height, width;
    for (let tries = 0; tries < 10; tries++) {
      const area = SIZE * SIZE * u(0.2, 1),
        ratio = Math.exp(u(Math.log(3 / 4), Math.log(4 / 3)));
      [height, width] = [Math.round(Math.sqrt(area / ratio)), Math.round(Math.sqrt(area * ratio))];
      if (height <= SIZE && width <= SIZE) break;
      height = width = SIZE;
    }
    const jittered = Math.random() < 0.8,
      around = (neutral, reach) => (jittered ? u(neutral - reach, neutral + reach) : neutral);
    return {
      top: Math.floor(u(0, SIZE - height + 1)),
      left: Math.floor(u(0, SIZE - width + 1)),
      height,
      width,
      flip: +(Math.random() < 0.5),
      brightness: around(1, 0.4),
      contrast: around(1, 0.4),
      saturation: around(1, 0.4),
      hue: around(0, 0.1),
      gray: +(Math.random() < 0.2),
    };
  }

  // ------------------------------------------------------------------------------------------ captions, as data/texts.py
  const WORD = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d\s]+/gu;
  /** The tokens of a caption, in small letters: words, and runs of punctuation. */
  const tokens = (caption) => caption.toLowerCase().match(WORD) ?? [];
  /** A caption as the network reads it: begin, ids, end, pads; and the place of its end. */
  function encoded(caption) {
    const { begin, end, pad, unknown } = FACTS.marks,
      room = FACTS.context - 2;
    const ids = tokens(caption)
      .slice(0, room)
      .map((word) => (Object.hasOwn(FACTS.words, word) ? FACTS.words[word] : unknown));
    const row = [begin, ...ids, end];
    return [[...row, ...Array(FACTS.context - row.length).fill(pad)], ids.length + 1];
  }

  // -------------------------------------------------------------------------------------------------------- masks
  /** Noise whose largest values are removed, as pretext/masking.py: `u` are 64 + 4 numbers in [0, 1). */
  function noise(kind, ratio, u) {
    return Array.from({ length: GRID * GRID }, (_, k) => {
      const row = Math.floor(k / GRID),
        column = k % GRID;
      if (kind === "block") {
        const side = Math.min(GRID, Math.max(1, Math.sqrt(GRID * GRID * ratio)));
        const far = (at, v) => Math.abs(at - (v * (GRID - side) + (side - 1) / 2));
        return -Math.max(far(row, u[64]), far(column, u[65])) + 1e-3 * u[k];
      }
      if (kind === "grid") {
        const period = Math.max(2, Math.round(Math.sqrt(1 / Math.max(1 - ratio, 1e-6))));
        const off = (at, v) => +((at + Math.floor(v * period)) % period !== 0);
        return off(row, u[66]) + off(column, u[67]) + u[k];
      }
      return u[k];
    });
  }
  function masked(kind, ratio, u) {
    const count = Math.round(GRID * GRID * ratio),
      values = noise(kind, ratio, u);
    const order = values.map((_, k) => k).sort((a, b) => values[b] - values[a]);
    const hidden = Array(GRID * GRID).fill(false);
    for (const k of order.slice(0, count)) hidden[k] = true;
    return hidden;
  }
  /** What MAE makes of a picture of which some patches are hidden: planes, the visible ones as they were. */
  async function fill(rgb, hidden) {
    const keep = [],
      gone = [];
    hidden.forEach((h, k) => (h ? gone : keep).push(k));
    const restore = Array(hidden.length);
    [...keep, ...gone].forEach((k, place) => {
      restore[k] = place;
    });
    const said = await ask("mae", {
      picture: [rgb, [1, 3, SIZE, SIZE]],
      keep: [integers(keep), [keep.length]],
      restore: [integers(restore), [64]],
    });
    const at = (i) => hidden[Math.floor(Math.floor(i / SIZE) / 8) * GRID + Math.floor((i % SIZE) / 8)];
    return { ...mixed(rgb, said.filled.data, at), ms: said.ms };
  }
  /** One picture where `inside(pixel)`, the other elsewhere; and the mean squared error there. */
  function mixed(truth, filled, inside) {
    const out = truth.slice(),
      n = SIZE * SIZE;
    let sum = 0,
      count = 0;
    for (let i = 0; i < n; i++)
      if (inside(i)) {
        count++;
        for (let p = i; p < 3 * n; p += n) {
          out[p] = filled[p];
          sum += (filled[p] - truth[p]) ** 2 / 3;
        }
      }
    return { picture: out, error: count ? sum / count : 0, count };
  }

  // ----------------------------------------------------------------------------------------------------- small parts
  const make = (tag, properties = {}, ...inside) => {
    const e = Object.assign(document.createElement(tag), properties);
    e.append(...inside);
    return e;
  };
  const say = (number, digits = 2) => number.toFixed(digits).replace("-", "−");
  const cosine = (a, b) => {
    let [ab, aa, bb] = [0, 0, 0];
    a.forEach((v, i) => {
      ab += v * b[i];
      aa += v * v;
      bb += b[i] * b[i];
    });
    return ab / Math.sqrt(aa * bb);
  };
  /** Only the newest of what is asked while an answer is under way. */
  function newest(action) {
    let busy = false,
      again = false;
    return async () => {
      again = true;
      if (busy) return;
      busy = true;
      try {
        while (again) {
          again = false;
          await action();
        }
      } finally {
        busy = false;
      }
    };
  }
  function planes(pixels) {
    // of an ImageData
    const n = pixels.width * pixels.height,
      rgb = new Float32Array(3 * n);
    for (let i = 0; i < n; i++) for (let k = 0; k < 3; k++) rgb[k * n + i] = pixels.data[4 * i + k] / 255;
    return rgb;
  }
  const small = make("canvas");
  /** Draw planes on a canvas, pixel by pixel. */
  function show(canvas, rgb) {
    const n = rgb.length / 3,
      side = Math.sqrt(n),
      data = new ImageData(side, side);
    for (let i = 0; i < n; i++) {
      for (let k = 0; k < 3; k++) data.data[4 * i + k] = Math.round(255 * Math.min(Math.max(rgb[k * n + i], 0), 1));
      data.data[4 * i + 3] = 255;
    }
    small.width = small.height = side;
    small.getContext("2d").putImageData(data, 0, 0);
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.imageSmoothingEnabled = false;
    pen.drawImage(small, 0, 0, canvas.width, canvas.height);
    return pen;
  }
  function panel(row, caption, operable) {
    const canvas = make("canvas", { width: SHOWN, height: SHOWN }),
      words = make("figcaption", { textContent: caption });
    canvas.setAttribute("role", operable ? "application" : "img");
    canvas.setAttribute("aria-label", operable ? `${caption}. ${operable}` : caption);
    if (operable) canvas.tabIndex = 0;
    row.append(make("figure", {}, canvas, words));
    return canvas;
  }
  let named = 0;
  function control(row, label, element, act, event = "input") {
    element.id = `live-${++named}`;
    element.addEventListener(event, act);
    row.append(
      make("span", { className: "live-control" }, make("label", { htmlFor: element.id, textContent: label }), element),
    );
    return element;
  }
  const slider = (row, label, min, max, step, value, act) =>
    control(row, label, make("input", { type: "range", min, max, step, value }), act);
  const box = (row, label, act) => control(row, label, make("input", { type: "checkbox" }), act, "change");
  function select(row, label, options, act) {
    const element = make("select");
    for (const [value, text] of Object.entries(options)) element.add(new Option(text, value));
    return control(row, label, element, act, "change");
  }
  function button(row, text, act) {
    const b = make("button", { type: "button", textContent: text });
    b.addEventListener("click", act);
    row.append(b);
    return b;
  }
  /** Strokes and keys on a canvas: act(x, y, begins) with places in [0, 1]; arrows move a place by `step`, space acts there. */
  function strokes(canvas, step, act, moved = () => {}) {
    const place = [0.5 + step / 2, 0.5 + step / 2],
      inside = (v) => Math.min(Math.max(v, 0), 1 - 1e-6);
    const at = (event) => {
      const r = canvas.getBoundingClientRect();
      return [inside((event.clientX - r.left) / r.width), inside((event.clientY - r.top) / r.height)];
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      act(...at(event), true);
      event.preventDefault();
      canvas.focus({ preventScroll: true });
      canvas.dataset.keys = "";
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.buttons) for (const e of event.getCoalescedEvents?.() ?? [event]) act(...at(e), false);
    });
    canvas.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (way)
        way.forEach((w, k) => {
          place[k] = inside(Math.max(place[k] + w * step, step / 2));
        });
      else if (event.key !== " ") return;
      event.preventDefault();
      event.stopPropagation(); // else an arrow would turn to the page before or behind
      canvas.dataset.keys = "yes";
      if (event.key === " ") act(...place, true);
      else moved(...place);
    });
    return place;
  }

  // ------------------------------------------------------------------------------------------------------ the gallery
  const pictures = []; // {rgb, large, name}; the last may be the reader's own
  let chosen = 0;
  const changed = []; // what is drawn again when another picture is chosen
  const line = make("p", { className: "live-line", role: "status" });

  function choose(k) {
    chosen = k;
    [...root.querySelectorAll(".live-thumbs button")].forEach((b, i) =>
      b.setAttribute("aria-pressed", String(i === k)),
    );
    for (const draw of changed) draw();
  }
  function thumb(k) {
    const canvas = make("canvas", { width: SIZE, height: SIZE });
    show(canvas, pictures[k].rgb);
    const b = make("button", { type: "button", title: pictures[k].name, ariaLabel: pictures[k].name }, canvas);
    b.setAttribute("aria-pressed", "false");
    b.addEventListener("click", () => choose(k));
    return b;
  }

  /** A file as a picture: its centred square, upright, on white, at 64 pixels for the networks and at 256 for the eye. */
  async function opened(file) {
    const name = file.name || "what you pasted";
    if (/svg/i.test(file.type) || /\.svgz?$/i.test(file.name))
      throw new Error(
        `${name} is a drawing made of instructions, which are not followed here: save it as PNG or JPEG and bring that.`,
      );
    if (file.size > MAX_BYTES)
      throw new Error(`${name} has ${Math.round(file.size / 1e6)} MB; bring one of at most ${MAX_BYTES / 1e6} MB.`);
    let picture;
    try {
      picture = await createImageBitmap(file, { imageOrientation: "from-image" });
    } catch {
      throw new Error(`This browser cannot read ${name} as a picture. Save it as JPEG or PNG and bring that.`);
    }
    const whole = Math.min(picture.width, picture.height),
      left = (picture.width - whole) / 2,
      top = (picture.height - whole) / 2;
    const square = (side) => {
      const canvas = make("canvas", { width: side, height: side }),
        pen = canvas.getContext("2d", { colorSpace: "srgb" });
      pen.fillStyle = "white";
      pen.fillRect(0, 0, side, side);
      pen.imageSmoothingQuality = "high";
      pen.drawImage(picture, left, top, whole, whole, 0, 0, side, side);
      return planes(pen.getImageData(0, 0, side, side));
    };
    const large = square(SHOWN),
      made = {
        rgb: square(SIZE),
        large: whole >= SHOWN ? large : null,
        name: "your own picture",
        size: [picture.width, picture.height],
      };
    picture.close();
    return made;
  }
  async function bring(file) {
    line.classList.remove("live-wrong");
    line.textContent = "Reading it …";
    try {
      const own = await opened(file),
        at = FACTS.scenes.length;
      pictures[at] = own;
      const thumbs = root.querySelector(".live-thumbs");
      thumbs.children[at]?.remove();
      thumbs.append(thumb(at));
      const few =
        Math.min(...own.size) < SIZE
          ? `, fewer than the ${SIZE} × ${SIZE} that the networks read: it was enlarged`
          : "";
      line.textContent = `Your picture (${own.size.join(" × ")} pixels${few}) is chosen. It stays in this page and is gone when you close it.`;
      choose(at);
    } catch (error) {
      line.classList.add("live-wrong");
      line.textContent = error.message;
    }
  }
  async function gallery() {
    const sheet = await createImageBitmap(await (await fetch(new URL(FACTS.files["scenes.png"], FILES))).blob());
    const canvas = make("canvas", { width: SIZE, height: sheet.height }),
      pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(sheet, 0, 0);
    FACTS.scenes.forEach((name, k) =>
      pictures.push({ rgb: planes(pen.getImageData(0, k * SIZE, SIZE, SIZE)), large: null, name }),
    );
    const file = make("input", { type: "file", accept: "image/*", hidden: true }),
      row = make("div", { className: "live-row" });
    file.setAttribute("aria-label", "your own photograph");
    file.addEventListener("change", () => {
      if (file.files.length) bring(file.files[0]);
      file.value = "";
    });
    button(row, "your own photograph …", () => file.click());
    row.append(file, make("span", { textContent: "or drop it here, or paste it. It never leaves this page." }));
    root.replaceChildren(make("div", { className: "live-thumbs" }, ...pictures.map((_, k) => thumb(k))), row, line);
    addEventListener("dragover", (event) => {
      if (event.dataTransfer.types.includes("Files")) event.preventDefault();
    });
    addEventListener("drop", (event) => {
      if (event.dataTransfer.files.length) {
        event.preventDefault();
        bring(event.dataTransfer.files[0]);
      }
    });
    addEventListener("paste", (event) => {
      if (event.clipboardData?.files.length) bring(event.clipboardData.files[0]);
    });
    choose(0);
  }

  // ----------------------------------------------------------------------------------------------------- the sections
  const X1 = "#1450f5",
    X2 = "#b83a00";
  const SECTIONS = {
    colours(row, panels, readout, draw) {
      const how = select(row, "answer", { colours: "mean colour (L2)", vivid: "out of classes" }, draw);
      const heat = slider(row, "temperature", 0.05, 1, 0.05, 0.38, draw);
      const [gray, told, truth] = [
        "X₁: the lightness",
        "ψ(X₁): the colours it tells",
        "X₂: the picture's own colours",
      ].map((c) => panel(panels, c));
      return async () => {
        const picture = pictures[chosen],
          lab = toLab(picture.rgb),
          n = SIZE * SIZE,
          vivid = how.value === "vivid";
        heat.parentElement.hidden = !vivid;
        const said = await ask(how.value, {
          lightness: [lab.slice(0, n), [1, 1, SIZE, SIZE]],
          ...(vivid ? { temperature: [Float32Array.of(+heat.value), [1]] } : {}),
        });
        const ab = said.ab.data,
          m = Math.sqrt(ab.length / 2),
          large = picture.large ?? picture.rgb,
          side = Math.sqrt(large.length / 3);
        const light = picture.large ? toLab(large).subarray(0, side * side) : lab.subarray(0, n);
        show(gray, paint(light, side, new Float32Array(ab.length), m));
        show(told, paint(light, side, ab, m));
        show(truth, large);
        let [sum, none] = [0, 0]; // each place of the map against the mean colour of its cell
        const cell = SIZE / m;
        for (let k = 0; k < 2; k++)
          for (let r = 0; r < m; r++)
            for (let c = 0; c < m; c++) {
              let own = 0;
              for (let y = 0; y < cell; y++)
                for (let x = 0; x < cell; x++)
                  own += lab[(k + 1) * n + (r * cell + y) * SIZE + c * cell + x] / cell ** 2;
              sum += (own - ab[k * m * m + r * m + c]) ** 2;
              none += own ** 2;
            }
        readout(
          `Its colours miss the picture's by ${say(Math.sqrt(sum / (2 * m * m)), 1)} Lab units (root mean square); gray everywhere would miss by ${say(Math.sqrt(none / (2 * m * m)), 1)}.`,
          said.ms,
        );
      };
    },
    mae(row, panels, readout, draw) {
      let u,
        hidden,
        hiding = true;
      const again = () => {
        u = Array.from({ length: 68 }, Math.random);
        hide();
      };
      const hide = () => {
        hidden = masked(kind.value, +share.value, u);
        draw();
      };
      const share = slider(row, "hidden share", 0, 1, 1 / 64, 0.75, hide);
      const kind = select(row, "pattern", { random: "random", block: "one block", grid: "grid" }, hide);
      button(row, "draw again", again);
      const seen = panel(
        panels,
        "X₁: drag over it to hide and show",
        "Arrows move to a patch, space hides or shows it.",
      );
      const [told, truth] = ["ψ(X₁): filled", "the whole picture"].map((c) => panel(panels, c));
      const cell = (x, y) => Math.floor(y * GRID) * GRID + Math.floor(x * GRID);
      const place = strokes(
        seen,
        1 / GRID,
        (x, y, begins) => {
          if (begins) hiding = !hidden[cell(x, y)];
          if (hidden[cell(x, y)] !== hiding) {
            hidden[cell(x, y)] = hiding;
            draw();
          }
        },
        draw,
      );
      u = FACTS.noise;
      hidden = masked("random", 0.75, u);
      return async () => {
        const { rgb } = pictures[chosen],
          count = hidden.filter(Boolean).length,
          pen = show(seen, rgb),
          side = SHOWN / GRID;
        pen.fillStyle = "#808080";
        hidden.forEach((h, k) => {
          if (h) pen.fillRect((k % GRID) * side, Math.floor(k / GRID) * side, side, side);
        });
        if (seen.dataset.keys) {
          pen.strokeStyle = X1;
          pen.lineWidth = 4;
          pen.strokeRect(
            Math.floor(place[0] * GRID) * side + 2,
            Math.floor(place[1] * GRID) * side + 2,
            side - 4,
            side - 4,
          );
        }
        show(truth, rgb);
        if (!count) {
          show(told, rgb);
          return readout("Nothing is hidden: there is nothing to predict. Raise the hidden share, or drag over X₁.");
        }
        const { picture, error, ms } = await fill(rgb, hidden);
        show(told, picture);
        readout(
          `${count} of 64 patches are hidden; the encoder reads ${64 - count}${count === 64 ? ", so this is what it says of no picture at all" : ""}. Mean squared error on the hidden ones, pixels from 0 to 1: ${say(error, 4)}.`,
          ms,
        );
      };
    },
    hole(row, panels, readout, draw) {
      const hole = new Float32Array(SIZE * SIZE),
        n = SIZE * SIZE;
      const centre = () => {
        for (let i = 0; i < n; i++) hole[i] = +(i / SIZE >= 16 && i / SIZE < 48 && i % SIZE >= 16 && i % SIZE < 48);
        draw();
      };
      const brush = slider(row, "brush", 1, 12, 1, 4, () => {});
      button(row, "no hole", () => {
        hole.fill(0);
        draw();
      });
      button(row, "the centre", centre);
      const seen = panel(panels, "X₁: paint a hole", "Arrows move the brush, space paints.");
      const [told, truth] = ["ψ(X₁): filled", "the whole picture"].map((c) => panel(panels, c));
      const place = strokes(
        seen,
        1 / 16,
        (x, y) => {
          const r = +brush.value,
            [cx, cy] = [x * SIZE, y * SIZE];
          for (let j = 0; j < SIZE; j++)
            for (let i = 0; i < SIZE; i++)
              if ((i + 0.5 - cx) ** 2 + (j + 0.5 - cy) ** 2 <= r * r) hole[j * SIZE + i] = 1;
          draw();
        },
        draw,
      );
      for (let i = 0; i < n; i++) hole[i] = +(i / SIZE >= 16 && i / SIZE < 48 && i % SIZE >= 16 && i % SIZE < 48);
      return async () => {
        const { rgb } = pictures[chosen],
          cut = rgb.slice(),
          now = hole.slice(),
          flat = new Float32Array(3 * n);
        for (let i = 0; i < 3 * n; i++) {
          flat[i] = FACTS.gray[Math.floor(i / n)];
          if (now[i % n]) cut[i] = 0.5;
        }
        const pen = show(seen, cut);
        if (seen.dataset.keys) {
          pen.strokeStyle = X1;
          pen.lineWidth = 3;
          pen.beginPath();
          pen.arc(place[0] * SHOWN, place[1] * SHOWN, brush.value * 4, 0, 7);
          pen.stroke();
        }
        show(truth, rgb);
        const inside = (i) => now[i] > 0,
          mean = mixed(rgb, flat, inside);
        if (!mean.count) {
          show(told, rgb);
          return readout("There is no hole: paint one on X₁.");
        }
        const said = await ask("hole", { picture: [rgb, [1, 3, SIZE, SIZE]], hole: [now, [1, 1, SIZE, SIZE]] });
        const { picture, error } = mixed(rgb, said.filled.data, inside);
        show(told, picture);
        readout(
          `The hole takes ${say((100 * mean.count) / n, 0)} % of the picture. Mean squared error in it, pixels from 0 to 1: ${say(error, 4)}; the mean colour of all scenes has ${say(mean.error, 4)}.`,
          said.ms,
        );
      };
    },
    views(row, panels, readout, draw) {
      const whole = {
        top: 0,
        left: 0,
        height: SIZE,
        width: SIZE,
        flip: 0,
        brightness: 1,
        contrast: 1,
        saturation: 1,
        hue: 0,
        gray: 0,
      };
      const two = [
        { ...whole, top: 4, left: 2, height: 44, width: 44 },
        { ...whole, top: 16, left: 18, height: 44, width: 44, flip: 1, hue: 0.05 },
      ];
      button(row, "two new views, as training draws them", () => {
        two[0] = drawn();
        two[1] = drawn();
        put();
      });
      button(row, "twice the same", () => {
        two[1] = { ...two[0] };
        put();
      });
      const seen = panel(panels, "x: drag a box", "Arrows move the orange box.");
      const shown = ["X₁: one view", "X₂: another"].map((c) => panel(panels, c));
      const parts = ["X₂'s hue", "X₂'s size"].map((label, k) =>
        slider(row, label, [-0.5, 12][k], [0.5, SIZE][k], [0.01, 1][k], 0, () => {
          take(k);
        }),
      );
      const gray = box(row, "X₂ gray", () => {
        two[1].gray = +gray.checked;
        draw();
      });
      const take = (k) => {
        if (k === 0) two[1].hue = +parts[0].value;
        else {
          const s = +parts[1].value;
          two[1].height = two[1].width = s;
          two[1].top = Math.min(two[1].top, SIZE - s);
          two[1].left = Math.min(two[1].left, SIZE - s);
        }
        draw();
      };
      const put = () => {
        parts[0].value = two[1].hue;
        parts[1].value = two[1].height;
        gray.checked = two[1].gray > 0;
        draw();
      };
      let held = null;
      const centre = (v) => [v.left + v.width / 2, v.top + v.height / 2];
      const move = (v, x, y) => {
        v.left = Math.round(Math.min(Math.max(x - v.width / 2, 0), SIZE - v.width));
        v.top = Math.round(Math.min(Math.max(y - v.height / 2, 0), SIZE - v.height));
        draw();
      };
      strokes(
        seen,
        1 / 32,
        (x, y, begins) => {
          const at = [x * SIZE, y * SIZE],
            far = (v) => Math.hypot(centre(v)[0] - at[0], centre(v)[1] - at[1]);
          if (begins) {
            const v = far(two[0]) < far(two[1]) ? two[0] : two[1];
            held = [v, centre(v)[0] - at[0], centre(v)[1] - at[1]];
          } else if (held) move(held[0], at[0] + held[1], at[1] + held[2]);
        },
        (x, y) => move(two[1], x * SIZE, y * SIZE),
      );
      const scale = make("div", { className: "live-scale" });
      panels.after(scale);
      let others = null;
      queueMicrotask(() => {
        parts[0].value = two[1].hue;
        parts[1].value = two[1].height;
      });
      return async () => {
        const { rgb } = pictures[chosen],
          pen = show(seen, rgb);
        two.forEach((v, k) => {
          pen.strokeStyle = "#fff";
          pen.lineWidth = 7;
          const b = [v.left, v.top, v.width, v.height].map((t) => 4 * t);
          pen.strokeRect(b[0] + 3, b[1] + 3, b[2] - 6, b[3] - 6);
          pen.strokeStyle = [X1, X2][k];
          pen.lineWidth = 4;
          pen.strokeRect(b[0] + 3, b[1] + 3, b[2] - 6, b[3] - 6);
        });
        const [a, b] = two.map((v) => view(rgb, v));
        show(shown[0], a);
        show(shown[1], b);
        if (!others)
          others = (
            await features(
              "views",
              pictures.slice(0, FACTS.scenes.length).map((p) => p.rgb),
            )
          ).z;
        const both = new Float32Array(2 * a.length);
        both.set(a);
        both.set(b, a.length);
        const said = await ask("views", { pictures: [both, [2, 3, SIZE, SIZE]] });
        const pair = (name) => {
          const d = said[name].data,
            w = d.length / 2;
          return [d.subarray(0, w), d.subarray(w)];
        };
        const [z1, z2] = pair("z"),
          same = cosine(z1, z2),
          rest = others.filter((_, k) => k !== chosen).map((z) => cosine(z1, z));
        const above = rest.filter((c) => c >= same).length;
        const place = (c) => `${50 + 50 * Math.min(Math.max(c, -1), 1)}%`;
        scale.replaceChildren(
          ...rest.map((c) => {
            const dot = make("i");
            dot.style.left = place(c);
            return dot;
          }),
          Object.assign(make("b"), { style: `left:${place(same)}` }),
          make("span", { textContent: "−1" }),
          make("span", { textContent: "cosine with X₁, in z: ● X₂, | other scenes" }),
          make("span", { textContent: "1" }),
        );
        readout(
          `The two views have cosine ${say(same)} in z, which the loss compares, and ${say(cosine(...pair("h")))} in ψ, which is kept. Of ${rest.length} other scenes ${above === 0 ? "none is" : above === 1 ? "one is" : `${above} are`} as near to X₁ in z.`,
          said.ms / 2,
        );
      };
    },
    caption(row, panels, readout, draw) {
      const text = make("input", { type: "text", value: FACTS.captions[0], autocomplete: "off", spellcheck: false });
      control(row, "a caption", text, draw);
      text.parentElement.classList.add("live-wide");
      const examples = make("div", { className: "live-row" });
      for (const caption of FACTS.captions)
        button(examples, caption, () => {
          text.value = caption;
          draw();
        });
      row.after(examples);
      panels.classList.add("live-ranked");
      const seen = new Set(FACTS.seen),
        cells = [];
      let known = null,
        own = null;
      return async () => {
        const caption = text.value,
          all = tokens(caption),
          words = all.filter((t) => /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]/u.test(t));
        known ??= (
          await features(
            "pictures",
            pictures.slice(0, FACTS.scenes.length).map((p) => p.rgb),
          )
        ).features;
        const mine = pictures[FACTS.scenes.length],
          rows = [...known];
        if (mine) {
          if (own?.of !== mine) own = { of: mine, row: (await features("pictures", [mine.rgb])).features[0] };
          rows.push(own.row);
        }
        let cosines = rows.map(() => 0),
          ms = null;
        if (words.length) {
          const [ids, end] = encoded(caption),
            said = await ask("caption", { ids: [integers(ids), [1, ids.length]], end: [integers([end]), [1]] });
          [cosines, ms] = [rows.map((r) => cosine(r, said.features.data)), said.ms];
        }
        const order = rows
          .map((_, k) => k)
          .sort((a, b) => cosines[b] - cosines[a])
          .slice(0, 12);
        order.forEach((k, place) => {
          cells[place] ??= [panel(panels, ""), panels.lastChild.lastChild];
          show(cells[place][0], pictures[k].rgb);
          cells[place][0].setAttribute("aria-label", pictures[k].name);
          cells[place][1].textContent = words.length ? say(cosines[k]) : "";
        });
        panels.dataset.order = order.join(" ");
        if (!caption.trim())
          return readout("The caption is empty: type one. Until then the pictures stand in their own order.");
        if (!words.length)
          return readout(
            "There is no word in this caption: signs and emoji say nothing to a network that has read words.",
          );
        const strange = [...new Set(words.filter((w) => !seen.has(w)))],
          room = FACTS.context - 2,
          cut = (w) => (w.length > 24 ? `${w.slice(0, 24)}…` : w);
        const parts = [`Of ${rows.length} pictures the 12 nearest, with their cosines.`];
        if (all.length > room)
          parts.push(`This caption has ${all.length} words and signs; the network reads the first ${room}.`);
        if (strange.length)
          parts.push(
            `Never seen in training: ${strange.slice(0, 6).map(cut).join(", ")}${strange.length > 6 ? ` and ${strange.length - 6} more` : ""}${strange.length === new Set(words).size ? "; that is all there is, so this order means nothing" : ""}.`,
          );
        readout(parts.join(" "), ms);
      };
    },
  };
  /** Features of pictures, one row for each, by output; one picture at a time, so that the page stays awake. */
  async function features(name, rgbs) {
    const rows = {};
    for (const rgb of rgbs) {
      const { ms, ...said } = await ask(name, { pictures: [rgb, [1, 3, SIZE, SIZE]] });
      for (const [key, value] of Object.entries(said)) (rows[key] ??= []).push(value.data.slice());
    }
    return rows;
  }

  function section(place) {
    const row = make("div", { className: "live-row" }),
      panels = make("div", { className: "live-panels" }),
      words = make("p", { className: "live-line", role: "status" });
    const inside = make("div", { className: "live-inside" }, row, panels, words);
    const readout = (text, ms) => {
      words.textContent = ms == null ? text : `${text} Answered in ${Math.max(Math.round(ms), 1)} ms.`;
    };
    let draw = () => {};
    const action = SECTIONS[place.dataset.live](row, panels, readout, () => draw());
    const wrong = (error) => {
      console.warn(error);
      const note =
        place.querySelector(".live-note") ?? place.appendChild(make("p", { className: "live-note live-wrong" }));
      note.textContent = `The network could not be loaded (${error.message}). The picture stays; reload the page to try again.`;
    };
    draw = newest(() =>
      action()
        .then(() => {
          if (!inside.isConnected) {
            place.querySelector(".live-note")?.remove();
            place.querySelector("img")?.replaceWith(inside);
          }
          place.dataset.drawn = 1 + +(place.dataset.drawn ?? 0);
        })
        .catch(wrong),
    );
    const note = place.appendChild(make("p", { className: "live-note", textContent: "The network is being loaded …" }));
    note.setAttribute("role", "status");
    changed.push(draw);
    draw();
  }

  // ---------------------------------------------------------------------------------------------------------- begin
  const places = [...document.querySelectorAll("[data-live]")];
  const refuse = (...words) => root.replaceChildren(make("p", { className: "live-wrong" }, ...words));
  if (location.protocol === "file:")
    refuse(
      "This page was opened from a folder, and from there browsers let no page read its networks. In the course's folder run ",
      make("code", { textContent: "python -m http.server -d build/site" }),
      " and open ",
      make("code", { textContent: "http://localhost:8000/try.html" }),
      ". Until then the pictures below stand still.",
    );
  else if (typeof WebAssembly !== "object" || typeof DecompressionStream === "undefined")
    refuse(
      "This browser has no WebAssembly, or an owner who has switched it off: the networks cannot run in it, and the pictures below stand still. In the notebooks they run on any machine.",
    );
  else
    gallery()
      .then(() => {
        const watch = new IntersectionObserver(
          (entries) => {
            for (const entry of entries)
              if (entry.isIntersecting) {
                watch.unobserve(entry.target);
                section(entry.target);
              }
          },
          { rootMargin: "100px" },
        );
        places.forEach((place) => watch.observe(place));
      })
      .catch((error) => refuse(`The pictures could not be loaded (${error.message}). Reload the page to try again.`));

  Object.assign(globalThis, { sslLive: { ask, view, paint, toLab, encoded, masked, pictures } }); // tests ask it, and so may you
})();
