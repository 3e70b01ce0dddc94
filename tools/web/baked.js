// Widgets without a kernel: native controls, and the frames that `tools.bake` has drawn, on the notebook's own canvas.
{
const here = document.currentScript.src;
const WAIT = 350; // milliseconds of a frame while a run plays

/** Its table, unpacked; a server may have unpacked it on the way. */
async function fetched(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return JSON.parse(new TextDecoder().decode(bytes));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}

/** Where each value is among those of a block, and its frames in the order of its axes. */
function prepare(table) {
  for (const block of table.blocks) {
    block.allowed = table.start.map((value) => [value]);
    for (const [name, values] of block.axes) block.allowed[name] = values;
  }
  table.span = table.at.map((at) => at && Math.max(...at) - Math.min(...at));
  table.chosen = new Map();
}

/** The baked state nearest to the wanted one: first of all what the reader has just moved, then the context. */
function nearest(table, wanted, moved) {
  const key = `${wanted}|${[...moved]}`;
  if (table.chosen.has(key)) return table.chosen.get(key);
  let best = { cost: Infinity };
  for (const block of table.blocks) {
    let cost = 0;
    const state = wanted.map((value, name) => {
      const allowed = block.allowed[name];
      if (allowed.includes(value)) return value;
      const at = table.at[name];
      const far = (other) => (at && table.span[name] ? Math.abs(at[other] - at[value]) / table.span[name] : 1);
      const other = allowed.reduce((a, b) => (far(b) < far(a) ? b : a));
      cost += (moved.has(name) ? 1e6 : table.context.includes(name) ? 1e3 : 1) * (1 + far(other));
      return other;
    });
    if (cost < best.cost) best = { cost, state, block };
  }
  let frame = 0;
  for (const [name, values] of best.block.axes) frame = frame * values.length + values.indexOf(best.state[name]);
  const found = { state: best.state, frame: best.block.frames[frame] };
  table.chosen.set(key, found);
  return found;
}

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** What the canvas takes for a widget in a kernel: it is given frames, and reports strokes and keys. */
function modelOf(table, happened) {
  const values = {}, heard = {}, made = new Map();
  const content = (number) => {
    if (!made.has(number)) {
      const kept = table.contents[number];
      made.set(number, Array.isArray(kept) ? kept.map((piece) => table.pieces[piece]).join("") : bytesOf(table.pictures[kept]));
    }
    return made.get(number);
  };
  let number = 0;
  return {
    get: (name) => values[name],
    on: (name, call) => (heard[name] ??= new Set()).add(call),
    off: (name, call) => heard[name]?.delete(call),
    send({ batch, events }) {
      events.forEach(happened);
      queueMicrotask(() => heard["msg:custom"]?.forEach((call) => call({ handled: batch })));
    },
    show(frame) {
      const [readout, ...panels] = table.frames[frame];
      panels.forEach((panel, index) => { values[`_panel${index}`] = content(table.panels[panel][0]); });
      const metas = panels.map((panel) => table.metas[table.panels[panel][1]]);
      values._frame = { number: ++number, canvas: "baked", panels: metas, readout: table.readouts[readout] };
      heard["change:_frame"]?.forEach((call) => call());
    },
  };
}

function make(tag, attributes, ...inside) {
  const node = Object.assign(document.createElement(tag), attributes);
  node.append(...inside);
  return node;
}

let widgets = 0;

/** The widget in place of its picture. */
function mount(figure, table, canvas) {
  prepare(table);
  const id = `ssl-baked-${++widgets}`;
  let state = table.start, playing = 0;
  const model = modelOf(table, (event) => {
    if ("key" in event) return follow(table.moves.key[event.panel]?.[event.key]);
    const map = table.moves.down[event.panel];
    if (!map || (event.kind !== "down" && !(map.drag && event.kind === "drag"))) return;
    const row = map.maps[map.on.map((name) => state[name]).join(",")];
    const cell = (v) => Math.min(map.side - 1, Math.floor(v * map.side));
    const change = row?.[cell(event.y) * map.side + cell(event.x)] ?? -1;
    if (change >= 0) go(map.changes[change]);
  });

  function follow(move) {
    const change = move?.to[move.on.map((name) => state[name]).join(",")];
    if (change) go(change);
  }
  function go(change) {
    const wanted = [...state], moved = new Set();
    for (let i = 0; i < change.length; i += 2) {
      if (wanted[change[i]] !== change[i + 1]) moved.add(change[i]);
      wanted[change[i]] = change[i + 1];
    }
    show(wanted, moved);
  }
  function turn(name, value) {
    const move = table.moves.set[name]?.[value];
    const change = move?.to[move.on.map((other) => state[other]).join(",")];
    if (!change) return go([name, value]);
    const wanted = [...state];
    for (let i = 0; i < change.length; i += 2) wanted[change[i]] = change[i + 1];
    show(wanted, new Set([name]));
  }
  function show(wanted, moved) {
    const found = nearest(table, wanted, moved);
    state = found.state;
    model.show(found.frame);
    for (const control of controls) control.set();
    for (const button of buttons) button.disabled = !leads(button.move);
  }
  const leads = (move) => Boolean(move.to[move.on.map((name) => state[name]).join(",")]);

  /** Whether a value can be had without another context. */
  const reached = (name, value) => {
    const wanted = [...state];
    wanted[name] = value;
    const found = nearest(table, wanted, new Set([name])).state;
    return found[name] === value && table.context.every((other) => other === name || found[other] === state[other]);
  };

  function stop() {
    clearInterval(playing);
    playing = 0;
    play.textContent = "Play";
  }
  const play = make("button", { type: "button", textContent: "Play" });
  play.addEventListener("click", () => {
    if (playing) return stop();
    const name = table.play, last = Math.max(...table.blocks.flatMap((block) => block.allowed[name]));
    if (state[name] === last) turn(name, 0);
    play.textContent = "Pause";
    playing = setInterval(() => {
      turn(name, state[name] + 1);
      if (state[name] === last) stop();
    }, WAIT);
  });

  const controls = table.controls.map((spec, index) => CONTROLS[spec.as](spec, `${id}-${index}`, {
    now: () => state[spec.name],
    turn: (value) => { if (playing) stop(); turn(spec.name, value); },
    reached: (value) => table.context.length === 0 || reached(spec.name, value),
  }));
  const buttons = table.actions.map((label) => {
    const button = make("button", { type: "button", textContent: label });
    button.move = table.moves.action[label];
    button.addEventListener("click", () => follow(button.move));
    return button;
  });
  const reset = make("button", { type: "button", textContent: "Reset", title: "Put every control back to its start" });
  reset.addEventListener("click", () => {
    if (playing) stop();
    show([...table.start], new Set());
  });
  const row = make("div", { className: "ssl-controls" }, ...controls.map((control) => control.node));
  if (table.play >= 0) row.prepend(play);
  row.append(...buttons, reset);
  const root = make("div", { className: "ssl-explorer ssl-baked" }, row);
  root.dataset.kind = table.kind;
  if (table.notes.length) {
    const words = `Only in the notebook: ${table.notes.map((note) => note.includes("(here ") ? `to change ${note}` : note).join("; ")}.`;
    root.append(make("p", { className: "ssl-elsewhere", textContent: words }));
  }
  const el = make("div", {});
  root.append(el);
  theme(root);
  figure.replaceChildren(root);
  figure.dataset.alive = "true";
  canvas.render({ model, el });
  show([...table.start], new Set());
}

// Each control: its node, and how it shows the value that there is.
const CONTROLS = {
  range(spec, id, { now, turn }) {
    const input = make("input", { type: "range", id, min: 0, max: spec.words.length - 1, step: 1 });
    const said = make("output", {});
    said.setAttribute("for", id);
    said.style.minWidth = `${Math.max(...spec.words.map((word) => word.length))}ch`;
    input.addEventListener("input", () => turn(+input.value));
    const node = make("div", { className: "ssl-control" }, make("label", { htmlFor: id, textContent: spec.label }), input, said);
    return { node, set() {
      input.value = now();
      said.textContent = spec.words[now()];
      input.setAttribute("aria-valuetext", spec.words[now()]);
    } };
  },
  select(spec, id, { now, turn, reached }) {
    const input = make("select", { id });
    spec.words.forEach((word, value) => input.add(new Option(word, value)));
    input.addEventListener("change", () => turn(+input.value));
    const node = make("div", { className: "ssl-control" }, make("label", { htmlFor: id, textContent: spec.label }), input);
    return { node, set() { input.value = now(); for (const option of input.options) option.disabled = !reached(+option.value); } };
  },
  radio(spec, id, { now, turn }) {
    const boxes = spec.words.map((word, value) => {
      const input = make("input", { type: "radio", name: id, id: `${id}-${value}`, value });
      input.addEventListener("change", () => turn(value));
      return [input, make("label", { htmlFor: input.id, textContent: word })];
    });
    const node = make("fieldset", { className: "ssl-control" }, make("legend", { textContent: spec.label }), ...boxes.flat());
    return { node, set() { boxes.forEach(([input], value) => { input.checked = value === now(); }); } };
  },
  check(spec, id, { now, turn }) {
    const input = make("input", { type: "checkbox", id });
    input.addEventListener("change", () => turn(+input.checked));
    const node = make("div", { className: "ssl-control" }, input, make("label", { htmlFor: id, textContent: spec.label }));
    return { node, set() { input.checked = now() === 1; } };
  },
  text(spec, id, { now }) {
    const said = make("output", { id });
    const node = make("div", { className: "ssl-control ssl-text" }, make("span", { textContent: `${spec.label}:` }), said);
    return { node, set() { said.textContent = spec.words[now()]; } };
  },
};

// canvas.css knows JupyterLab's themes.
const dark = matchMedia("(prefers-color-scheme: dark)");
function theme(root) {
  const chosen = document.body.dataset.theme;
  root.dataset.jpThemeLight = String(chosen === "light" || (chosen !== "dark" && !dark.matches));
}
const themes = () => document.querySelectorAll(".ssl-baked").forEach(theme);
dark.addEventListener("change", themes);

function say(figure, words) {
  figure.append(make("p", { className: "ssl-elsewhere", textContent: words }));
}

function start() {
  const figures = [...document.querySelectorAll("[data-baked]")];
  if (!figures.length) return;
  new MutationObserver(themes).observe(document.body, { attributes: true, attributeFilter: ["data-theme"] });
  if (location.protocol === "file:") {
    const how = "This moves where a small server shows the pages: python -m http.server -d build/site";
    return figures.forEach((figure) => say(figure, how));
  }
  let canvas = null;
  const watch = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      watch.unobserve(target);
      canvas ??= import(new URL("canvas.js", here));
      Promise.all([canvas, fetched(target.dataset.baked)])
        .then(([module, table]) => mount(target, table, module.default))
        .catch((error) => { console.warn(error); say(target, "This could not be loaded; the picture stays."); });
    }
  }, { rootMargin: "400px" });
  figures.forEach((figure) => watch.observe(figure));
}
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
else start();
}
