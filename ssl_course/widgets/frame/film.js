// The controls of films, where a page runs scripts; they ask no kernel. Elsewhere the picture moves by itself.
for (const film of document.querySelectorAll(".ssl-film:not(:has(input))")) {
  const picture = film.querySelector("img");
  const text = decodeURIComponent(picture.src.slice(picture.src.indexOf(",") + 1));
  const svg = new DOMParser().parseFromString(text, "image/svg+xml");
  svg.getElementById("motion").remove();
  const groups = [...svg.querySelectorAll(".frame")];
  const frames = groups.map((group) => {
    groups.forEach((other) => other.remove());
    svg.documentElement.append(group);
    const alone = encodeURIComponent(new XMLSerializer().serializeToString(svg));
    return { src: `data:image/svg+xml,${alone}`, says: group.getAttribute("aria-label") };
  });
  const last = frames.length - 1;

  const player = document.createElement("div");
  player.className = "ssl-player ssl-shown";
  player.innerHTML =
    '<button>Play</button><button aria-label="frame back">‹</button>' +
    `<input type="range" aria-label="frame" min="0" max="${last}"><button aria-label="frame forward">›</button><span></span>`;
  film.append(player, document.createElement("style"));
  film.lastChild.textContent = `
    .ssl-player { display: flex; align-items: center; gap: 8px; max-width: 480px; margin-top: 4px; color: CanvasText;
      font: 13px system-ui, sans-serif }
    .ssl-player button { min-width: 32px; height: 32px; border-radius: 4px; font: inherit }
    .ssl-player button:first-child { min-width: 64px }
    .ssl-player input { flex: 1; min-width: 0 }
    .ssl-player span { white-space: nowrap; font-variant-numeric: tabular-nums }
    .ssl-player :focus-visible { outline: 3px solid #1f78d1; outline-offset: 2px }`;
  const [play, back, on] = player.querySelectorAll("button");
  const slider = player.querySelector("input");
  let timer = 0;

  const show = (index) => {
    slider.value = Math.min(last, Math.max(0, index)); // a slider that follows the hand stays as it is
    const { src, says } = frames[slider.value];
    picture.src = src;
    slider.setAttribute("aria-valuetext", `${+slider.value + 1} of ${frames.length}: ${says}`);
    player.lastChild.textContent = `${+slider.value + 1} of ${frames.length}`;
    if (+slider.value === last) rest();
  };
  const rest = () => {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
  };
  const step = (by) => {
    rest();
    show(+slider.value + by);
  };
  const start = () => {
    show(+slider.value === last ? 0 : +slider.value);
    timer = setInterval(() => show(+slider.value + 1), 1000 * film.dataset.seconds);
    play.textContent = "Pause";
  };
  const turn = () => (timer ? rest() : start());
  play.addEventListener("click", turn);
  back.addEventListener("click", () => step(-1));
  on.addEventListener("click", () => step(1));
  slider.addEventListener("input", () => step(0)); // arrows, Home and End come with a slider
  slider.addEventListener("keydown", (event) => {
    if (event.key !== " ") return;
    event.preventDefault();
    turn();
  });
  show(last); // as on paper
}

// JupyterLab in command mode takes arrows and Space; it listens on the document while a key still goes down.
window.sslFilmKeys ??= (event) => {
  if (!event.target.closest?.(".ssl-player") || event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
  event.target.setAttribute("data-lm-suppress-shortcuts", "true");
  setTimeout(() => event.target.removeAttribute("data-lm-suppress-shortcuts"));
};
window.addEventListener("keydown", window.sslFilmKeys, true); // again: the same one
