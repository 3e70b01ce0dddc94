// The first page's strip: the slider shows one of its frames, and says what was measured there.
(() => {
  const strip = document.querySelector(".front-strip"),
    said = JSON.parse(strip.dataset.said);
  const slider = strip.querySelector("input"),
    words = strip.querySelector("p");
  const show = () => {
    strip.style.setProperty("--frame", slider.value);
    words.textContent = said[slider.value];
  };
  slider.addEventListener("input", show);
  show(); // a browser that comes back keeps where the slider was
})();
