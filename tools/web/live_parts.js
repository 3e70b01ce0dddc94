// Canvases, controls and strokes: what every section of the page is made of.
import { SIZE } from "live/maths";

export const SHOWN = 256; // pixels a side of a canvas

export const make = (tag, properties = {}, ...inside) => {
  const e = Object.assign(document.createElement(tag), properties);
  e.append(...inside);
  return e;
};
export const say = (number, digits = 2) => number.toFixed(digits).replace("-", "−");
/** Only the newest of what is asked while an answer is under way. */
export function newest(action) {
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
export function planes(pixels) {
  // of an ImageData
  const n = pixels.width * pixels.height,
    rgb = new Float32Array(3 * n);
  for (let i = 0; i < n; i++) for (let k = 0; k < 3; k++) rgb[k * n + i] = pixels.data[4 * i + k] / 255;
  return rgb;
}
const small = make("canvas");
/** Draw planes on a canvas, pixel by pixel. */
export function show(canvas, rgb) {
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
export function panel(row, caption, operable) {
  const canvas = make("canvas", { width: SHOWN, height: SHOWN }),
    words = make("figcaption", { textContent: caption });
  canvas.setAttribute("role", operable ? "application" : "img");
  canvas.setAttribute("aria-label", operable ? `${caption}. ${operable}` : caption);
  if (operable) canvas.tabIndex = 0;
  row.append(make("figure", {}, canvas, words));
  return canvas;
}
let named = 0;
export function control(row, label, element, act, event = "input") {
  element.id = `live-${++named}`;
  element.addEventListener(event, act);
  row.append(
    make("span", { className: "live-control" }, make("label", { htmlFor: element.id, textContent: label }), element),
  );
  return element;
}
export const slider = (row, label, min, max, step, value, act) =>
  control(row, label, make("input", { type: "range", min, max, step, value }), act);
export const box = (row, label, act) => control(row, label, make("input", { type: "checkbox" }), act, "change");
export function select(row, label, options, act) {
  const element = make("select");
  for (const [value, text] of Object.entries(options)) element.add(new Option(text, value));
  return control(row, label, element, act, "change");
}
export function button(row, text, act) {
  const b = make("button", { type: "button", textContent: text });
  b.addEventListener("click", act);
  row.append(b);
  return b;
}
/** Strokes and keys on a canvas: act(x, y, begins) with places in [0, 1]; arrows move a place by `step`, space acts there. */
export function strokes(canvas, step, act, moved = () => {}) {
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
