// A picture of the student's own: chosen, dropped on the widget or pasted into it, and made small here, since through
// Jupyter's websocket more than 10 MB are silently lost. Plain ES module, no imports.

const AS_IT_IS = 5e6; // bytes of a file that this browser cannot read: the kernel may (TIFF)

/** A file as PNG: its centred square, at most `side` pixels, upright, in sRGB, on white. */
async function small(file, side) {
  const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
  const whole = Math.min(picture.width, picture.height);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = Math.min(whole, side);
  const pen = canvas.getContext("2d", { colorSpace: "srgb" }); // a photograph in Display P3 gets sRGB's numbers
  pen.fillStyle = "white";
  pen.fillRect(0, 0, canvas.width, canvas.width);
  pen.imageSmoothingQuality = "high";
  const [left, top] = [picture.width, picture.height].map((length) => Math.floor((length - whole) / 2));
  pen.drawImage(picture, left, top, whole, whole, 0, 0, canvas.width, canvas.width);
  picture.close();
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

function render({ model, el }) {
  const send = async (file) => {
    let blob = null;
    try {
      blob = await small(file, model.get("side"));
    } catch {
      if (file.size <= AS_IT_IS) blob = file;
    }
    if (blob) return model.send({}, undefined, [await blob.arrayBuffer()]);
    const size = `${Math.round(file.size / 1e6)} MB`;
    model.send({ error: `This browser cannot read ${file.name} (${size}): export it as JPEG or PNG and bring that.` });
  };

  const input = document.createElement("input");
  Object.assign(input, { type: "file", accept: "image/*", hidden: true });
  input.addEventListener("change", () => {
    if (input.files.length) send(input.files[0]);
    input.value = ""; // so that the same file can be chosen again
  });
  const button = document.createElement("button");
  button.className = "jupyter-widgets jupyter-button widget-button";
  button.style.width = "auto";
  button.textContent = "your picture";
  button.title = "Choose a picture of your own; or drop it on this widget, or paste it";
  button.addEventListener("click", () => input.click());
  el.append(button, input);

  // On the way down, before JupyterLab: only what happens in this widget, and has to do with files.
  const life = new AbortController();
  const listen = (name, act) => {
    const mine = (event) => el.closest(".ssl-explorer")?.contains(event.target) && act(event);
    window.addEventListener(name, mine, { capture: true, signal: life.signal });
  };
  const take = (event, files) => {
    if (!files?.length) return;
    event.preventDefault();
    event.stopPropagation();
    send(files[0]);
  };
  listen("dragover", (event) => event.dataTransfer.types.includes("Files") && event.preventDefault());
  listen("drop", (event) => take(event, event.dataTransfer.files));
  listen("paste", (event) => take(event, event.clipboardData?.files));
  listen("keydown", ({ target, key, ctrlKey, metaKey }) => {
    if (!(ctrlKey || metaKey) || key.toLowerCase() !== "v") return; // JupyterLab would paste a cell
    target.setAttribute("data-lm-suppress-shortcuts", "true");
    setTimeout(() => target.removeAttribute("data-lm-suppress-shortcuts"));
  });
  return () => life.abort();
}

export default { render };
