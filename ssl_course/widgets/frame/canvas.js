// The course's canvas: shows the kernel's pixels and drawings, and reports strokes and keys. Plain ES module, no imports.

const POINTER_KEYS = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Enter", " "]);
// Keys that controls need for themselves while JupyterLab, in command mode, would move the cell or start editing it.
const CONTROL_KEYS = new Set([...POINTER_KEYS, "Home", "End", "PageUp", "PageDown"]);
const LONGEST_PATH = 2000; // points of a stroke kept while the kernel is busy
const GIVE_UP_MS = 5000; // a kernel that was interrupted may never answer
const UNREADABLE =
  '<span class="ssl-error">This browser could not read the new picture; the one before stays. Move a control to try again.</span>';

function element(tag, className, parent) {
  const node = document.createElement(tag);
  node.className = className;
  parent.append(node);
  return node;
}

/** The caption, with X₁, X₂, Y and ψ in their colours. */
function writeCaption(node, text) {
  if (node.dataset.text === text) return;
  node.dataset.text = text;
  node.replaceChildren();
  for (const part of text.split(/(X₁|X₂|ψ\*?|(?<![\p{L}\p{N}])Y(?![\p{L}\p{N}]))/u)) {
    const colour = { "X₁": "x1", "X₂": "x2", Y: "y", "ψ": "psi", "ψ*": "psi" }[part];
    if (colour) Object.assign(element("span", "", node), { textContent: part, style: `color: var(--ssl-${colour})` });
    else node.append(part);
  }
}

const GAP = 16; // CSS pixels between panels, as in canvas.css
const THUMB = 68; // the least width of a picture to choose from: 64 and its edges
const TALLEST = 300; // a picture may grow up to that, or to the height of a plot beside it; a plot by LARGER
const LARGER = 1.4;
const SMALL = 0.85; // of its own size: a plot that is smaller gets larger letters, up to LETTERS
const LETTERS = 1.35;
const BESIDE = 0.66; // a page, or its last row, less filled than that has room for the line below
const LINE = 240; // at least so wide
const PHONE = 360; // a page so narrow has pictures side by side rather than large

/** Panels row by row, of one height each: of all ways the one that keeps them nearest to their own size, pictures
 * nearest to each other's height, letters to each other's size, and leaves least of the page empty. */
function arrange(panels, page) {
  if (panels.length > 12) return [panels.slice(0, 12), panels.slice(12)].flatMap((some) => arrange(some, page));
  let best = { cost: Infinity };
  for (let breaks = 0; breaks < 2 ** (panels.length - 1); breaks++) {
    const rows = [[]];
    panels.forEach((panel, i) => {
      rows.at(-1).push(panel);
      if ((breaks >> i) & 1) rows.push([]);
    });
    const shaped = rows.map((row) => shape(row, page));
    const uneven = spread(shaped.flatMap((row) => row.pictures)) + 1.5 * spread(shaped.flatMap((row) => row.letters));
    const cost = shaped.reduce((sum, row) => sum + row.cost, uneven);
    if (cost < best.cost) best = { cost, rows: shaped };
  }
  return best.rows;
}

function spread(numbers) {
  const mean = numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
  return numbers.reduce((sum, x) => sum + (x - mean) ** 2, 0);
}

/** One row: widths, how much of the page they take, what is wrong with it; logarithms of the heights of its pictures and
 * of the changes of its plots. */
function shape(row, page) {
  const own = row.map((panel) => (panel.css * panel.height) / panel.width); // height
  const room = page - GAP * (row.length - 1);
  const tallest = Math.max(TALLEST, ...own.filter((_, i) => !row[i].picture));
  const tops = row.map((panel, i) => Math.max(LARGER * own[i], panel.picture ? tallest : 0));
  const height = Math.min(...tops, room / row.reduce((sum, panel) => sum + panel.width / panel.height, 0));
  const widths = row.map((panel) => Math.floor((100 * height * panel.width) / panel.height) / 100);
  const used = widths.reduce((sum, width) => sum + width, GAP * (row.length - 1));
  let cost = 2 * (1 - used / page) ** 2 + (page < PHONE ? 0.2 * (height / page) : 0); // else a phone scrolls for long
  const pictures = [];
  const letters = [];
  row.forEach((panel, i) => {
    const change = Math.log(height / own[i]);
    const sheet = panel.columns > 1;
    if (row.length > 1 && widths[i] < THUMB * panel.columns) cost += 1000;
    cost += change ** 2 * (panel.picture || sheet || change > 0 ? 0.5 : 4); // letters must not shrink
    if (!sheet && panel.picture) pictures.push(Math.log(height));
    if (!sheet && !panel.picture) letters.push(change);
  });
  return { cost, widths, used, pictures, letters };
}

/** Letters that can be read on a phone, too; those for which there is no room, to the edges or beside each other, stay
 * as small as they must. */
function enlarge({ picture, width }, panel) {
  const letters = panel.picture ? 1 : Math.min(LETTERS, Math.max(1, (SMALL * panel.width) / width));
  picture.style.setProperty("--ssl-letters", letters);
  const texts = [...picture.querySelectorAll("text:not([transform])")];
  for (const text of texts) text.style.fontSize = "";
  if (letters === 1) return;
  const boxes = texts.map((text) => text.getBBox());
  const shares = {}; // of the room that there is: texts of one column or row, such as a legend, look alike
  const lines = (text) => ["x", "y"].map((way) => [way, ...[way, "text-anchor", "font-size"].map((name) => text.getAttribute(name))].join());
  texts.forEach((text, i) => {
    const { x, y, width: wide } = boxes[i];
    const touches = (b) => b !== boxes[i] && Math.abs(b.y - y) < 4 && b.x < x + wide + 2 && x < b.x + b.width + 2;
    const out = Math.max(0, -x, x + wide - panel.width) * (text.getAttribute("text-anchor") === "middle" ? 2 : 1);
    const share = boxes.some(touches) ? 0 : 1 - out / wide;
    for (const line of lines(text)) shares[line] = Math.min(share, shares[line] ?? 1);
  });
  for (const text of texts) {
    const share = Math.min(...lines(text).map((line) => shares[line]));
    if (share < 1) text.style.fontSize = `${Number.parseFloat(text.getAttribute("font-size")) * Math.max(1 / letters, share)}em`;
  }
}

const HIDDEN = "#808080"; // as the kernel paints it
const SHOWN = "#ffffffb0"; // what was hidden there only the kernel knows

/** Draws over a panel what a stroke does as soon as the pointer does it, and forgets it when the kernel's picture has it. */
function toucher(figure) {
  const layer = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  layer.setAttribute("class", "ssl-touch");
  layer.setAttribute("aria-hidden", "true");
  let panel = { touch: {} };
  let parts = []; // of strokes, each with the batch of events that reports it
  let over = null; // where the pointer is
  let last = null; // where the stroke under way has come to
  let hides = 1; // what it does to cells

  const cell = ([x, y]) => {
    const [rows, columns] = panel.touch.cells;
    return Math.min(rows - 1, Math.floor(y * rows)) * columns + Math.min(columns - 1, Math.floor(x * columns));
  };
  const box = (number, look) => {
    const [rows, columns] = panel.touch.cells;
    const [w, h] = [panel.width / columns, panel.height / rows];
    return `<rect x="${(number % columns) * w}" y="${Math.floor(number / columns) * h}" width="${w}" height="${h}" ${look}/>`;
  };
  const line = (path, look) => {
    const points = path.map(([x, y]) => `${x * panel.width} ${y * panel.height}`).join("L");
    return `<path d="M${points}h0" fill="none" stroke-linecap="round" stroke-linejoin="round" ${look}/>`;
  };
  /** Seen on any picture. */
  const edged = (shape, look = "fill='none'") =>
    shape(`${look} stroke="#fff" stroke-width="4"`) + shape(`${look} stroke="#1450f5" stroke-width="2"`);

  /** Hidden (1) or seen (0), cell by cell, after what the strokes do. */
  function cells() {
    const now = [...panel.touch.hidden].map(Number);
    for (const part of parts) for (const point of part.path) now[cell(point)] = part.hides;
    return now;
  }

  function redraw() {
    const { brush, cells: grid, hidden } = panel.touch;
    let marks = "";
    if (hidden) {
      cells().forEach((now, number) => {
        if (now !== Number(hidden[number])) marks += box(number, `fill="${now ? HIDDEN : SHOWN}" shape-rendering="crispEdges"`);
      });
    } else {
      for (const { path, shift } of parts) {
        if (brush) marks += line(path, `stroke="${shift ? SHOWN : HIDDEN}" stroke-width="${2 * brush * panel.width}" data-wide`);
        else marks += edged((look) => (grid ? box(cell(path[0]), look) : line(path, look)));
      }
    }
    if (over && grid) marks += edged((look) => box(cell(over), look));
    if (over && brush) {
      const [x, y] = [over[0] * panel.width, over[1] * panel.height];
      marks += edged((look) => `<circle cx="${x}" cy="${y}" r="${brush * panel.width}" ${look}/>`);
    }
    layer.setAttribute("viewBox", `0 0 ${panel.width} ${panel.height}`);
    layer.innerHTML = marks;
    if (!marks) layer.remove();
    else if (!layer.isConnected) figure.append(layer);
  }

  /** A way with as many points as its cells need. */
  function along(path) {
    const finest = 2 * Math.max(...panel.touch.cells);
    return path.flatMap(([x, y], i) => {
      const [x0, y0] = path[Math.max(0, i - 1)];
      const n = Math.max(1, Math.ceil(finest * Math.hypot(x - x0, y - y0)));
      return Array.from({ length: n }, (_, k) => [x0 + ((x - x0) * (k + 1)) / n, y0 + ((y - y0) * (k + 1)) / n]);
    });
  }

  return {
    /** What the picture is of, from now on. */
    of(next) {
      panel = next;
      if (!panel.operable) [parts, over] = [[], null];
      redraw();
    },
    over(point) {
      over = point;
      if (panel.touch.brush || panel.touch.cells) redraw();
    },
    stroke(kind, points, shift, batch) {
      const { cells: grid, hidden } = panel.touch;
      const begins = kind === "down";
      if (kind === "up" || (grid && !hidden && !begins)) return; // a choice is made where it begins
      let path = begins || !last ? points : [last, ...points];
      last = path.at(-1);
      if (hidden) path = along(path);
      if (hidden && begins) hides = 1 - cells()[cell(path[0])];
      const part = parts.at(-1);
      if (!begins && part?.batch === batch && part.shift === shift) part.path.push(...path);
      else parts.push({ path, shift, batch, hides });
      redraw();
    },
    /** The picture has what was reported up to this batch. */
    drop(batch) {
      if (!parts.length) return;
      parts = parts.filter((part) => part.batch > batch);
      redraw();
    },
  };
}

/** Events wait here until the kernel has handled the batch before; strokes in between become one. `answered` hears of
 * each batch, and whether its answer was only waited for too long. */
function outbox(model, answered) {
  let waiting = [];
  let batch = 0;
  let inFlight = null;
  let timer = 0;
  function flush() {
    if (inFlight !== null || waiting.length === 0) return;
    inFlight = ++batch;
    const events = waiting;
    waiting = [];
    model.send({ batch, events });
    timer = setTimeout(done, GIVE_UP_MS, inFlight, true);
  }
  function done(number, lost = false) {
    answered(number, lost);
    if (number !== inFlight) return;
    clearTimeout(timer);
    inFlight = null;
    flush();
  }
  const receive = (message) => message && "handled" in message && done(message.handled);
  model.on("msg:custom", receive);
  return {
    /** Returns the batch that reports it. */
    push(event) {
      const last = waiting.at(-1);
      if (event.kind === "drag" && last?.kind === "drag" && last.panel === event.panel) {
        const path = [...last.path, ...event.path].slice(-LONGEST_PATH);
        waiting[waiting.length - 1] = { ...event, path };
      } else {
        waiting.push(event);
      }
      flush();
      return waiting.length ? batch + 1 : batch;
    },
    close() {
      clearTimeout(timer);
      model.off("msg:custom", receive);
    },
  };
}

/** Strokes (one report per animation frame) and keys of one panel. */
function listen(picture, panel, box, touch) {
  let path = [];
  let frame = 0;
  const where = (event) => {
    const r = picture.getBoundingClientRect();
    const inside = (v) => Math.min(1, Math.max(0, v));
    return [inside((event.clientX - r.left) / r.width), inside((event.clientY - r.top) / r.height)];
  };
  const report = (kind, event) => {
    const [x, y] = path.at(-1) ?? where(event);
    const whole = path.length ? path : [[x, y]];
    const batch = box.push({ kind, panel, x, y, path: whole, shift: event.shiftKey });
    touch.stroke(kind, whole, event.shiftKey, batch);
    path = [];
  };
  const flushDrag = (event) => {
    cancelAnimationFrame(frame);
    frame = 0;
    if (path.length) report("drag", event);
  };
  const active = () => picture.dataset.operable === "true";
  picture.addEventListener("pointerdown", (event) => {
    if (!active() || event.button !== 0) return;
    picture.setPointerCapture(event.pointerId);
    picture.focus({ preventScroll: true });
    path = [where(event)];
    report("down", event);
  });
  picture.addEventListener("pointerleave", () => touch.over(null));
  picture.addEventListener("pointermove", (event) => {
    if (active() && event.pointerType !== "touch") touch.over(where(event));
    if (!active() || !picture.hasPointerCapture(event.pointerId)) return;
    const points = event.getCoalescedEvents?.() ?? [];
    for (const point of points.length ? points : [event]) path.push(where(point));
    frame ||= requestAnimationFrame(() => flushDrag(event));
  });
  const up = (event) => {
    if (!active() || !picture.hasPointerCapture(event.pointerId)) return;
    flushDrag(event);
    picture.releasePointerCapture(event.pointerId);
    path = [where(event)];
    report("up", event);
  };
  picture.addEventListener("pointerup", up);
  picture.addEventListener("pointercancel", up);
  picture.addEventListener("keydown", (event) => {
    if (!active() || !POINTER_KEYS.has(event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    box.push({ panel, key: event.key, shift: event.shiftKey });
  });
}

/** What ipywidgets leaves out: names for slider handles, their number fields and groups of buttons. */
function nameControls(root) {
  // A SelectionSlider lacks the class jupyter-widgets that all others have.
  for (const control of root.querySelectorAll(".ssl-controls .widget-inline-hbox, .ssl-controls .widget-inline-vbox")) {
    const label = control.querySelector(":scope > .widget-label")?.textContent?.trim();
    if (!label) continue;
    const name = (node, role) => {
      if (role && !node.hasAttribute("role")) node.setAttribute("role", role);
      if (node.getAttribute("aria-label") !== label) node.setAttribute("aria-label", label);
    };
    for (const node of control.querySelectorAll("[role=slider]")) name(node);
    for (const node of control.querySelectorAll(".widget-readout[contenteditable]")) name(node, "textbox");
    for (const node of control.querySelectorAll(".widget-toggle-buttons > div, .widget-radio-box")) name(node, "group");
    if (control.matches(".widget-toggle-buttons, .widget-radio")) name(control, "group");
  }
  for (const node of root.querySelectorAll(".ssl-controls button.widget-toggle-button")) {
    const pressed = String(node.classList.contains("mod-active"));
    if (node.getAttribute("aria-pressed") !== pressed) node.setAttribute("aria-pressed", pressed);
  }
}

/** Keyboard and names for the controls around the canvas; returns how to undo it. */
function adopt(el) {
  let root = null;
  const observer = new MutationObserver(() => nameControls(root));
  // The element is attached to the page only after render() returns; in a cell that is scrolled away, long after.
  const attached = new ResizeObserver(() => {
    root = el.closest(".ssl-explorer");
    if (!root) return;
    attached.disconnect();
    nameControls(root);
    observer.observe(root, { childList: true, subtree: true, attributes: true, attributeFilter: ["class"] });
  });
  attached.observe(el);
  // JupyterLab listens on the document while the event still goes down, so the window is the only place before it.
  const keep = (event) => {
    const target = event.target;
    if (!root?.contains(target) || !CONTROL_KEYS.has(event.key)) return;
    if (event.ctrlKey || event.metaKey || event.altKey || (event.shiftKey && event.key === "Enter")) return;
    target.setAttribute("data-lm-suppress-shortcuts", "true");
    setTimeout(() => target.removeAttribute("data-lm-suppress-shortcuts"));
  };
  window.addEventListener("keydown", keep, true);
  return () => {
    attached.disconnect();
    observer.disconnect();
    window.removeEventListener("keydown", keep, true);
  };
}

function render({ model, el }) {
  el.classList.add("ssl-canvas");
  const row = element("div", "ssl-panels", el);
  const readout = element("div", "ssl-readout", el);
  readout.setAttribute("role", "status"); // read aloud when it changes
  const box = outbox(model, (batch, lost) => {
    // A batch's frame is sent before its answer, and perhaps not decoded yet.
    answers.push({ batch, frame: (model.get("_frame")?.number ?? 0) + lost });
    settle();
  });
  const shown = [];
  const bitmaps = new WeakMap();
  let newest = 0;
  let answers = []; // batches, and the frame from which on the picture has them
  let laid = []; // the panels on the screen
  let arranged = ""; // for which sizes they stand as they do

  function layOut() {
    if (!el.clientWidth || !laid.length) return;
    place();
    laid.forEach((panel, index) => enlarge(shown[index], panel));
  }

  /** Again whenever the page gets another width or a panel another size; a slider that only changes pixels moves none. */
  function place() {
    const sizes = laid.map((panel) => [panel.width, panel.height, panel.css, panel.columns, panel.picture]);
    const wanted = JSON.stringify([el.clientWidth, sizes]);
    if (wanted === arranged) return;
    arranged = wanted;
    const rows = arrange(laid, el.clientWidth);
    const widest = Math.max(...rows.map((row) => row.used));
    const whole = widest < BESIDE * el.clientWidth && el.clientWidth >= 640;
    const left = widest - rows.at(-1).used - GAP;
    const last = !whole && el.clientWidth >= 640 && left > Math.max(LINE, (1 - BESIDE) * widest);
    row.style.width = `${widest}px`;
    let index = 0;
    for (const { widths, used } of rows) {
      for (const width of widths) {
        shown[index].width = width;
        shown[index].figure.style.width = `${width}px`;
        shown[index++].figure.style.marginRight = 0;
      }
      shown[index - 1].figure.style.marginRight = `${widest - used}px`; // the next one begins a row
    }
    el.classList.toggle("ssl-beside", whole);
    if (last) shown[index - 1].figure.style.marginRight = 0;
    readout.style.width = last ? `${left}px` : "";
    if (last || readout.parentNode !== el) (last ? row : el).append(readout);
  }
  const watch = new ResizeObserver(layOut);
  watch.observe(el);

  function panelNodes(index) {
    if (!shown[index]) {
      const figure = element("figure", "ssl-panel", row);
      const picture = element("div", "ssl-picture", figure); // stays, with its focus, whatever it holds
      const caption = element("figcaption", "", figure);
      const touch = toucher(figure);
      listen(picture, index, box, touch);
      shown[index] = { figure, picture, caption, touch };
    }
    return shown[index];
  }

  function paint(picture, panel, bitmap) {
    const canvas = picture.querySelector("canvas") ?? document.createElement("canvas");
    if (!canvas.isConnected) picture.replaceChildren(canvas);
    if (canvas.width !== panel.width) canvas.width = panel.width;
    if (canvas.height !== panel.height) canvas.height = panel.height;
    const pen = canvas.getContext("2d");
    pen.globalCompositeOperation = "copy"; // what shows through hides what was there
    pen.drawImage(bitmap, 0, 0);
    canvas.style.aspectRatio = `${panel.width} / ${panel.height}`;
    canvas.classList.toggle("ssl-pixelated", panel.pixelated);
  }

  /** A drawing as it is, the bytes of a PNG as pixels: decoded once, however many frames show them. Null where this
   * browser cannot, out of memory perhaps: the next frame tries again. */
  function decoded(content) {
    if (typeof content === "string") return content;
    if (!bitmaps.has(content)) {
      const bitmap = createImageBitmap(new Blob([content]), { colorSpaceConversion: "none" });
      bitmaps.set(content, bitmap.catch(() => bitmaps.delete(content) && null));
    }
    return bitmaps.get(content);
  }

  function settle() {
    for (const { batch } of answers.filter(({ frame }) => frame <= newest)) for (const { touch } of shown) touch.drop(batch);
    answers = answers.filter(({ frame }) => frame > newest);
  }

  function say(html) {
    if (readout.dataset.html === html) return;
    readout.dataset.html = html;
    readout.innerHTML = html;
  }

  async function draw() {
    const frame = model.get("_frame");
    if (!frame?.panels) return;
    const contents = frame.panels.map((_, index) => model.get(`_panel${index}`));
    if (contents.some((content) => content === undefined || content === null)) return; // its other half is on the way
    const pictures = await Promise.all(contents.map(decoded));
    if (frame.number <= newest) return; // a later frame was quicker
    newest = frame.number;
    if (pictures.includes(null)) return say(UNREADABLE); // and the frame before stays
    frame.panels.forEach((panel, index) => {
      const nodes = panelNodes(index);
      const { picture, caption, touch } = nodes;
      const drawn = typeof contents[index] === "string";
      if (nodes.content !== contents[index]) {
        if (drawn) picture.innerHTML = contents[index];
        else paint(picture, panel, pictures[index]);
        picture.sslContent = nodes.content = contents[index];
      }
      picture.setAttribute("role", drawn ? "group" : "img"); // what is drawn has text to be read
      picture.setAttribute("aria-label", panel.alt);
      picture.dataset.operable = String(panel.operable);
      if (panel.operable) picture.tabIndex = 0;
      else picture.removeAttribute("tabindex");
      picture.dataset.frame = frame.number;
      picture.dataset.columns = panel.columns;
      writeCaption(caption, panel.caption);
      caption.hidden = !panel.caption;
      touch.of({ touch: {}, ...panel }); // tables baked before have none
    });
    for (const extra of shown.splice(frame.panels.length)) extra.figure.remove();
    laid = frame.panels;
    layOut();
    settle();
    say(frame.readout);
    el.dataset.canvas = frame.canvas;
    el.dataset.frame = frame.number; // last: who sees it sees the whole frame
  }

  model.on("change:_frame", draw);
  draw();
  const letGo = adopt(el);
  return () => {
    model.off("change:_frame", draw);
    watch.disconnect();
    box.close();
    letGo();
  };
}

export default { render };
