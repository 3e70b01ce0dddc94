// The page on which the course's networks run: the pictures to choose from, a reader's own, and the sections' beginning.
import { FACTS, FILES, ask } from "live/networks";
import { SIZE, encoded, masked, paint, toLab, view } from "live/maths";
import { SHOWN, button, make, newest, planes, show } from "live/parts";
import { SECTIONS, chosen, pictures } from "live/sections";

const root = document.getElementById("live");
const MAX_BYTES = 100e6; // of a file
const changed = []; // what is drawn again when another picture is chosen
const line = make("p", { className: "live-line", role: "status" });

function choose(k) {
  chosen.at = k;
  [...root.querySelectorAll(".live-thumbs button")].forEach((b, i) => b.setAttribute("aria-pressed", String(i === k)));
  for (const draw of changed) draw();
}
function thumb(k) {
  const canvas = make("canvas", { width: SIZE, height: SIZE });
  show(canvas, pictures[k].rgb);
  const b = make("button", { type: "button", title: pictures[k].name, ariaLabel: pictures[k].name }, canvas);
  b.setAttribute("aria-pressed", "false");
  b.addEventListener("click", () => choose(k));
  return b;
}

/** A file as a picture: its centred square, upright, on white, at 64 pixels for the networks and at 256 for the eye. */
async function opened(file) {
  const name = file.name || "what you pasted";
  if (/svg/i.test(file.type) || /\.svgz?$/i.test(file.name))
    throw new Error(
      `${name} is a drawing made of instructions, which are not followed here: save it as PNG or JPEG and bring that.`,
    );
  if (file.size > MAX_BYTES)
    throw new Error(`${name} has ${Math.round(file.size / 1e6)} MB; bring one of at most ${MAX_BYTES / 1e6} MB.`);
  let picture;
  try {
    picture = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new Error(`This browser cannot read ${name} as a picture. Save it as JPEG or PNG and bring that.`);
  }
  const whole = Math.min(picture.width, picture.height),
    left = (picture.width - whole) / 2,
    top = (picture.height - whole) / 2;
  const square = (side) => {
    const canvas = make("canvas", { width: side, height: side }),
      pen = canvas.getContext("2d", { colorSpace: "srgb" });
    pen.fillStyle = "white";
    pen.fillRect(0, 0, side, side);
    pen.imageSmoothingQuality = "high";
    pen.drawImage(picture, left, top, whole, whole, 0, 0, side, side);
    return planes(pen.getImageData(0, 0, side, side));
  };
  const large = square(SHOWN),
    made = {
      rgb: square(SIZE),
      large: whole >= SHOWN ? large : null,
      name: "your own picture",
      size: [picture.width, picture.height],
    };
  picture.close();
  return made;
}
async function bring(file) {
  line.classList.remove("live-wrong");
  line.textContent = "Reading it …";
  try {
    const own = await opened(file),
      at = FACTS.scenes.length;
    pictures[at] = own;
    const thumbs = root.querySelector(".live-thumbs");
    thumbs.children[at]?.remove();
    thumbs.append(thumb(at));
    const few =
      Math.min(...own.size) < SIZE ? `, fewer than the ${SIZE} × ${SIZE} that the networks read: it was enlarged` : "";
    line.textContent = `Your picture (${own.size.join(" × ")} pixels${few}) is chosen. It stays in this page and is gone when you close it.`;
    choose(at);
  } catch (error) {
    line.classList.add("live-wrong");
    line.textContent = error.message;
  }
}
async function gallery() {
  const sheet = await createImageBitmap(await (await fetch(new URL(FACTS.files["scenes.png"], FILES))).blob());
  const canvas = make("canvas", { width: SIZE, height: sheet.height }),
    pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(sheet, 0, 0);
  FACTS.scenes.forEach((name, k) =>
    pictures.push({ rgb: planes(pen.getImageData(0, k * SIZE, SIZE, SIZE)), large: null, name }),
  );
  const file = make("input", { type: "file", accept: "image/*", hidden: true }),
    row = make("div", { className: "live-row" });
  file.setAttribute("aria-label", "your own photograph");
  file.addEventListener("change", () => {
    if (file.files.length) bring(file.files[0]);
    file.value = "";
  });
  button(row, "your own photograph …", () => file.click());
  row.append(file, make("span", { textContent: "or drop it here, or paste it. It never leaves this page." }));
  root.replaceChildren(make("div", { className: "live-thumbs" }, ...pictures.map((_, k) => thumb(k))), row, line);
  addEventListener("dragover", (event) => {
    if (event.dataTransfer.types.includes("Files")) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    if (event.dataTransfer.files.length) {
      event.preventDefault();
      bring(event.dataTransfer.files[0]);
    }
  });
  addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) bring(event.clipboardData.files[0]);
  });
  choose(0);
}

function section(place) {
  const row = make("div", { className: "live-row" }),
    panels = make("div", { className: "live-panels" }),
    words = make("p", { className: "live-line", role: "status" });
  const inside = make("div", { className: "live-inside" }, row, panels, words);
  const readout = (text, ms) => {
    words.textContent = ms == null ? text : `${text} Answered in ${Math.max(Math.round(ms), 1)} ms.`;
  };
  let draw = () => {};
  const action = SECTIONS[place.dataset.live](row, panels, readout, () => draw());
  const wrong = (error) => {
    console.warn(error);
    const note = place.querySelector(".live-note") ?? place.appendChild(make("p", { className: "live-note" }));
    note.classList.add("live-wrong");
    note.textContent = `The network could not be loaded (${error.message}). The picture stays; reload the page to try again.`;
  };
  draw = newest(() =>
    action()
      .then(() => {
        if (!inside.isConnected) {
          place.querySelector(".live-note")?.remove();
          place.querySelector("img")?.replaceWith(inside);
        }
        place.dataset.drawn = 1 + +(place.dataset.drawn ?? 0);
      })
      .catch(wrong),
  );
  const note = place.appendChild(make("p", { className: "live-note", textContent: "The network is being loaded …" }));
  note.setAttribute("role", "status");
  changed.push(draw);
  return draw();
}

export const begin = () =>
  gallery().then(() => {
    const watch = new IntersectionObserver(
      (entries) => {
        for (const entry of entries)
          if (entry.isIntersecting) {
            watch.unobserve(entry.target);
            section(entry.target);
          }
      },
      { rootMargin: "0px 0px 100px" }, // not what lies above, which an address has left out
    );
    // The one that the address names comes first, and alone; then each is fetched when it comes into view.
    const places = [...document.querySelectorAll("[data-live]")],
      named = document.getElementById(location.hash.slice(1))?.closest("section");
    if (location.hash) named?.scrollIntoView(); // the pictures to choose from have moved it down
    const first = places.find((place) => named?.contains(place)) ?? places[0];
    section(first).then(() => places.forEach((place) => place !== first && watch.observe(place)));
  });

Object.assign(globalThis, { sslLive: { ask, view, paint, toLab, encoded, masked, pictures } }); // tests ask it, and so may you
