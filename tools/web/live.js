// Starts the page of live networks, or says why it cannot. No module: those are not loaded from a folder.
(() => {
  const root = document.getElementById("live");
  const refuse = (...words) => {
    const line = document.createElement("p");
    line.className = "live-wrong";
    line.append(...words);
    root.replaceChildren(line);
  };
  const code = (text) => Object.assign(document.createElement("code"), { textContent: text });
  if (location.protocol === "file:")
    refuse(
      "This page was opened from a folder, and from there browsers let no page read its networks. In the course's folder run ",
      code("python -m http.server -d build/site"),
      " and open ",
      code("http://localhost:8000/try.html"),
      ". Until then the pictures below stand still.",
    );
  else if (typeof WebAssembly !== "object" || typeof DecompressionStream === "undefined")
    refuse(
      "The networks cannot run in this browser: it has no WebAssembly, or is older than 2023. The pictures below stand ",
      "still. In the notebooks the networks run on any machine.",
    );
  else
    import("live/page")
      .then((page) => page.begin())
      .catch((error) => {
        console.warn(error);
        refuse(`The pictures could not be loaded (${error.message}). Reload the page to try again.`);
      });
})();
