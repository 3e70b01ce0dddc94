// What the pages do without a kernel: formulas in cards, guesses that are kept, words with their meaning.
const ready = (action) => document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", action) : action();

function typeset() {
  for (const box of document.querySelectorAll(".math, .ssl-shown, .cell_output details"))
    renderMathInElement(box, {
      delimiters: [{left: "$$", right: "$$", display: true}, {left: "$", right: "$", display: false},
                   {left: "\\(", right: "\\)", display: false}, {left: "\\[", right: "\\]", display: true}], throwOnError: false });
}

// A guess waits in this browser. What was measured stays covered until a guess is there, or the reader asks.
function guesses() {
  const here = {}; // of this visit: all there is where a browser keeps nothing for pages
  const name = (box) => `ssl-course ${box.dataset.key}`;
  const kept = (box) => {
    try { return localStorage.getItem(name(box)) ?? ""; } catch { return here[name(box)] ?? ""; }
  };
  const keep = (box, guess) => {
    here[name(box)] = guess;
    try { guess ? localStorage.setItem(name(box), guess) : localStorage.removeItem(name(box)); } catch { /* here it is */ }
  };
  const asked = document.querySelectorAll(".ssl-predict[data-key]"), told = document.querySelectorAll(".ssl-reveal[data-key]");
  for (const box of asked) {
    const row = document.createElement("label");
    row.className = "ssl-guess";
    const offered = box.querySelector(".ssl-choices")?.textContent.split(" · ");
    const input = document.createElement(offered ? "select" : "input");
    if (offered) for (const choice of ["", ...offered]) input.add(new Option(choice || "choose …", choice));
    else Object.assign(input, { placeholder: "a number", autocomplete: "off" });
    input.value = kept(box);
    input.addEventListener("change", () => {
      keep(box, input.value.trim());
      show();
    });
    row.append("Your guess: ", input);
    box.append(row);
  }
  for (const box of told) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Show what was measured";
    button.addEventListener("click", () => box.classList.add("ssl-open"));
    const inside = document.createElement("div");
    inside.append(...box.childNodes);
    box.append(button, inside);
  }
  const show = () => {
    for (const box of told) {
      box.classList.toggle("ssl-open", kept(box) !== "");
      box.querySelector("b").textContent = kept(box) || "none";
    }
  };
  show();
}

// The first time that a section uses a word of the glossary, it leads there; pointer and keyboard show its meaning at once.
const UNMARKED = "a, button, code, pre, label, summary, figcaption, h1, h2, h3, h4, h5, h6, .katex, .math, .ssl-shown, .citation, #references, script, style";
function words() {
  const number = location.pathname.match(/\/lectures\/(\d\d)_[^/]*$/)?.[1];
  if (!number || typeof GLOSSARY === "undefined") return;
  const plain = (name) => name.replace(/[\s-]+/g, " ").toLowerCase(), known = new Map(); // how a text writes a word → its entry
  for (const entry of GLOSSARY) if (!entry.only || entry.only.includes(number)) known.set(plain(entry.name), entry);
  const names = [...known.keys()].sort((a, b) => b.length - a.length).map((name) => name.replaceAll(" ", "[\\s-]+"));
  const pattern = new RegExp(`(?<![\\w-])(${names.join("|")})(?:e?s)?(?![\\w-])`, "giu");
  const walker = document.createTreeWalker(document.querySelector("article"), NodeFilter.SHOW_TEXT, {
    acceptNode: (node) => node.parentElement.closest(UNMARKED) ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT });
  const nodes = [], said = new Map(); // section → words that it has said
  while (walker.nextNode()) nodes.push(walker.currentNode);
  for (const node of nodes) {
    const section = node.parentElement.closest("section"), parts = [];
    if (!said.has(section)) said.set(section, new Set());
    let end = 0;
    for (const found of node.data.matchAll(pattern)) {
      const entry = known.get(plain(found[1]));
      if (said.get(section).has(entry.address) || (entry.exact && found[1] !== entry.name)) continue;
      said.get(section).add(entry.address);
      const link = Object.assign(document.createElement("a"), { className: "ssl-word", href: `../glossary.html#${entry.address}`, textContent: found[0] });
      link.entry = entry;
      parts.push(node.data.slice(end, found.index), link);
      end = found.index + found[0].length;
    }
    if (parts.length) node.replaceWith(...parts, node.data.slice(end));
  }
  meanings();
}

// One box for all meanings: it can be pointed at, and Escape puts it away. Where nothing hovers, the first tap shows it.
function meanings() {
  const box = Object.assign(document.createElement("div"), { id: "ssl-meaning", hidden: true });
  box.setAttribute("role", "tooltip");
  document.body.append(box);
  let shown = null, leaving = 0;
  const hide = () => {
    shown?.removeAttribute("aria-describedby");
    shown = null;
    box.hidden = true;
  };
  const show = (word) => {
    clearTimeout(leaving);
    if (shown === word) return;
    hide();
    shown = word;
    word.setAttribute("aria-describedby", box.id);
    const name = document.createElement("b");
    name.textContent = word.entry.name;
    box.replaceChildren(name, ` ${word.entry.meaning}`);
    box.hidden = false;
    const at = word.getClientRects()[0], below = at.bottom + box.offsetHeight + 8 < innerHeight;
    box.style.left = `${Math.max(8, Math.min(at.left, document.documentElement.clientWidth - box.offsetWidth - 8)) + scrollX}px`;
    box.style.top = `${Math.max(0, (below ? at.bottom : at.top - box.offsetHeight) + scrollY)}px`;
  };
  const word = (event) => event.target.closest?.(".ssl-word");
  document.addEventListener("pointerover", (event) => {
    if (event.pointerType === "touch") return;
    if (word(event)) show(word(event));
    else if (box.contains(event.target)) clearTimeout(leaving);
    else if (shown && document.activeElement !== shown) {
      clearTimeout(leaving);
      leaving = setTimeout(hide, 200);
    }
  });
  document.addEventListener("focusin", (event) => word(event) ? show(word(event)) : hide());
  document.addEventListener("focusout", () => { if (!held) hide(); });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  let before = null, held = false; // what was shown when a finger came down, and whether on the box, which then stays
  document.addEventListener("pointerdown", (event) => {
    before = shown;
    held = box.contains(event.target);
    if (!word(event) && !held) hide();
  });
  document.addEventListener("click", (event) => {
    if (!word(event) || !matchMedia("(hover: none)").matches || before === word(event)) return;
    event.preventDefault();
    show(word(event));
  });
}

// docutils calls citations a list but not its items, and Sphinx puts lists beside the items that they belong to.
function mended() {
  for (const list of document.querySelectorAll(".citation-list")) list.removeAttribute("role");
  for (const list of document.querySelectorAll("article li + ul")) list.previousElementSibling.append(list);
}

// What scrolls must be reachable from the keyboard.
function scrollable() {
  for (const box of document.querySelectorAll("pre, [style*='overflow-x'], .math-wrapper, .output, .ssl-figure, article table, .table-wrapper"))
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
}

// Where there is no room beside the text, furo's two lists wait behind a button: whoever opens one by key stands in it.
function lists() {
  for (const [id, list] of [["__navigation", ".sidebar-drawer"], ["__toc", ".toc-drawer"]]) {
    const box = document.getElementById(id), inside = document.querySelector(list);
    const close = () => { box.checked = false; };
    box.addEventListener("change", () => {
      if (box.checked && box.matches(":focus-visible")) [...inside.querySelectorAll("a")].find((a) => a.getClientRects().length).focus();
    });
    box.addEventListener("keydown", (event) => { if (event.key === "Enter") box.click(); });
    inside.addEventListener("click", (event) => { if (event.target.closest("a")) close(); });
    inside.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !box.checked) return;
      close();
      box.focus();
    });
  }
}

ready(() => { mended(); typeset(); guesses(); words(); lists(); scrollable(); });
document.fonts.ready.then(scrollable); // letters of formulas come late
addEventListener("load", scrollable);
addEventListener("resize", scrollable);
