// What the course does to pictures and captions before and after a network, on planes: 3 · side² numbers in [0, 1].
import { FACTS } from "live/networks";

export const SIZE = 64; // pixels a side that the networks read
export const GRID = 8; // patches a side

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
export function toLab(rgb) {
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
export function paint(lightness, side, ab, m) {
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
export function view(
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
export function drawn() {
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
export const tokens = (caption) => caption.toLowerCase().match(WORD) ?? [];
/** A caption as the network reads it: begin, ids, end, pads; and the place of its end. */
export function encoded(caption) {
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
export function masked(kind, ratio, u) {
  const count = Math.round(GRID * GRID * ratio),
    values = noise(kind, ratio, u);
  const order = values.map((_, k) => k).sort((a, b) => values[b] - values[a]);
  const hidden = Array(GRID * GRID).fill(false);
  for (const k of order.slice(0, count)) hidden[k] = true;
  return hidden;
}

// ------------------------------------------------------------------------------------------------------- errors
/** One picture where `inside(pixel)`, the other elsewhere; and the mean squared error there. */
export function mixed(truth, filled, inside) {
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
export const cosine = (a, b) => {
  let [ab, aa, bb] = [0, 0, 0];
  a.forEach((v, i) => {
    ab += v * b[i];
    aa += v * v;
    bb += b[i] * b[i];
  });
  return ab / Math.sqrt(aa * bb);
};
