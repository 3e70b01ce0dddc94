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
  const kept = (box) => localStorage.getItem(`ssl-course ${box.dataset.key}`) ?? "";
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
      if (input.value.trim()) localStorage.setItem(`ssl-course ${box.dataset.key}`, input.value.trim());
      else localStorage.removeItem(`ssl-course ${box.dataset.key}`);
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

// The first time that a page uses a word of the glossary, the pointer can ask for its meaning.
function words() {
  if (!location.pathname.includes("/lectures/") || typeof GLOSSARY === "undefined") return;
  const left = new Map(Object.entries(GLOSSARY).filter(([word]) => /^[A-Za-z][\w -]{2,}$/.test(word)));
  const walker = document.createTreeWalker(document.querySelector("article"), NodeFilter.SHOW_TEXT, {
    acceptNode: (node) => node.parentElement.closest("a, code, pre, h1, h2, h3, .katex, .math, abbr, .ssl-shown, script")
      ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT });
  const nodes = [];
  while (walker.nextNode()) nodes.push(walker.currentNode);
  for (let node of nodes)
    for (const [word, [address, meaning]] of left) {
      const found = new RegExp(`\\b${word}s?\\b`, "i").exec(node.data);
      if (!found) continue;
      const rest = node.splitText(found.index), after = rest.splitText(found[0].length), mark = document.createElement("abbr");
      mark.className = "ssl-word"; mark.title = meaning; mark.append(rest.cloneNode());
      rest.replaceWith(mark);
      left.delete(word);
      node = after;
    }
}

// docutils calls citations a list but not its items.
const papers = () => document.querySelectorAll(".citation-list").forEach((list) => list.removeAttribute("role"));

// What scrolls must be reachable from the keyboard.
function scrollable() {
  for (const box of document.querySelectorAll("pre, [style*='overflow-x'], .math-wrapper, .output, .ssl-figure, article table, .table-wrapper"))
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
}

ready(() => { papers(); typeset(); guesses(); words(); scrollable(); });
document.fonts.ready.then(scrollable); // letters of formulas come late
addEventListener("load", scrollable);
addEventListener("resize", scrollable);
