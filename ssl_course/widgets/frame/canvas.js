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
    const colour = { "X₁": "ssl-x1", "X₂": "ssl-x2", Y: "ssl-y", "ψ": "ssl-psi", "ψ*": "ssl-psi" }[part];
    if (colour) element("span", colour, node).textContent = part;
    else node.append(part);
  }
}

const GAP = 16; // CSS pixels between panels, as in canvas.css
const THUMB = 68; // the least width of a picture to choose from: 64 and its edges
const TALLEST = 300; // a picture may grow up to that, or to the height of a plot beside it; a plot by LARGER
const LARGER = 1.4;
const SMALL = 0.85; // of its own size: a plot that is smaller gets larger letters, up to LETTERS
const LETTERS = 1.35;
const BESIDE = 0.66; // a page less filled than that has room for the line below

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
  let cost = 2 * (1 - used / page) ** 2;
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
  texts.forEach((text, i) => {
    const { x, y, width: wide } = boxes[i];
    const touches = (b) => b !== boxes[i] && Math.abs(b.y - y) < 4 && b.x < x + wide + 2 && x < b.x + b.width + 2;
    const out = Math.max(0, -x, x + wide - panel.width) * (text.getAttribute("text-anchor") === "middle" ? 2 : 1);
    const share = boxes.some(touches) ? 0 : 1 - out / wide;
    if (share < 1) text.style.fontSize = `${Number.parseFloat(text.getAttribute("font-size")) * Math.max(1 / letters, share)}em`;
  });
}

/** Events wait here until the kernel has handled the batch before; strokes in between become one. */
function outbox(model) {
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
    timer = setTimeout(done, GIVE_UP_MS, inFlight);
  }
  function done(number) {
    if (number !== inFlight) return;
    clearTimeout(timer);
    inFlight = null;
    flush();
  }
  const receive = (message) => message && "handled" in message && done(message.handled);
  model.on("msg:custom", receive);
  return {
    push(event) {
      const last = waiting.at(-1);
      if (event.kind === "drag" && last?.kind === "drag" && last.panel === event.panel) {
        const path = [...last.path, ...event.path].slice(-LONGEST_PATH);
        waiting[waiting.length - 1] = { ...event, path };
      } else {
        waiting.push(event);
      }
      flush();
    },
    close() {
      clearTimeout(timer);
      model.off("msg:custom", receive);
    },
  };
}

/** Strokes (one report per animation frame) and keys of one panel. */
function listen(picture, panel, box) {
  let path = [];
  let frame = 0;
  const where = (event) => {
    const r = picture.getBoundingClientRect();
    const inside = (v) => Math.min(1, Math.max(0, v));
    return [inside((event.clientX - r.left) / r.width), inside((event.clientY - r.top) / r.height)];
  };
  const report = (kind, event) => {
    const [x, y] = path.at(-1) ?? where(event);
    box.push({ kind, panel, x, y, path: path.length ? path : [[x, y]], shift: event.shiftKey });
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
  picture.addEventListener("pointermove", (event) => {
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
  const box = outbox(model);
  const shown = [];
  const bitmaps = new WeakMap();
  let newest = 0;
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
    el.classList.toggle("ssl-beside", widest < BESIDE * el.clientWidth && el.clientWidth >= 640);
  }
  const watch = new ResizeObserver(layOut);
  watch.observe(el);

  function panelNodes(index) {
    if (!shown[index]) {
      const figure = element("figure", "ssl-panel", row);
      const picture = element("div", "ssl-picture", figure); // stays, with its focus, whatever it holds
      const caption = element("figcaption", "", figure);
      listen(picture, index, box);
      shown[index] = { figure, picture, caption };
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
      const { picture, caption } = nodes;
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
    });
    for (const extra of shown.splice(frame.panels.length)) extra.figure.remove();
    laid = frame.panels;
    layOut();
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
