// The sections of the page: each makes its controls and panels, and gives what draws them anew.
import { FACTS, ask, integers } from "live/networks";
import { GRID, SIZE, cosine, drawn, encoded, masked, mixed, paint, toLab, tokens, view } from "live/maths";
import { SHOWN, box, button, control, make, panel, say, select, show, slider, strokes } from "live/parts";

const X1 = "#1450f5"; // as in course/palette.py
const X2 = "#b83a00";
/** What can be chosen: {rgb, large, name} each, large where there is more than 64 pixels; the last may be the reader's own. */
export const pictures = [];
/** Which of them is. */
export const chosen = { at: 0 };

/** What MAE makes of a picture of which some patches are hidden: planes, the visible ones as they were. */
async function fill(rgb, hidden) {
  const keep = [],
    gone = [];
  hidden.forEach((h, k) => (h ? gone : keep).push(k));
  const restore = Array(hidden.length);
  [...keep, ...gone].forEach((k, place) => {
    restore[k] = place;
  });
  const said = await ask("mae", {
    picture: [rgb, [1, 3, SIZE, SIZE]],
    keep: [integers(keep), [keep.length]],
    restore: [integers(restore), [64]],
  });
  const at = (i) => hidden[Math.floor(Math.floor(i / SIZE) / 8) * GRID + Math.floor((i % SIZE) / 8)];
  return { ...mixed(rgb, said.filled.data, at), ms: said.ms };
}

export const SECTIONS = {
  colours(row, panels, readout, draw) {
    const how = select(row, "answer", { colours: "mean colour (L2)", vivid: "out of classes" }, draw);
    const heat = slider(row, "temperature", 0.05, 1, 0.05, 0.38, draw);
    const [gray, told, truth] = [
      "X₁: the lightness",
      "ψ(X₁): the colours it tells",
      "X₂: the picture's own colours",
    ].map((c) => panel(panels, c));
    return async () => {
      const picture = pictures[chosen.at],
        lab = toLab(picture.rgb),
        n = SIZE * SIZE,
        vivid = how.value === "vivid";
      heat.parentElement.hidden = !vivid;
      const said = await ask(how.value, {
        lightness: [lab.slice(0, n), [1, 1, SIZE, SIZE]],
        ...(vivid ? { temperature: [Float32Array.of(+heat.value), [1]] } : {}),
      });
      const ab = said.ab.data,
        m = Math.sqrt(ab.length / 2),
        large = picture.large ?? picture.rgb,
        side = Math.sqrt(large.length / 3);
      const light = picture.large ? toLab(large).subarray(0, side * side) : lab.subarray(0, n);
      show(gray, paint(light, side, new Float32Array(ab.length), m));
      show(told, paint(light, side, ab, m));
      show(truth, large);
      let [sum, none] = [0, 0]; // each place of the map against the mean colour of its cell
      const cell = SIZE / m;
      for (let k = 0; k < 2; k++)
        for (let r = 0; r < m; r++)
          for (let c = 0; c < m; c++) {
            let own = 0;
            for (let y = 0; y < cell; y++)
              for (let x = 0; x < cell; x++) own += lab[(k + 1) * n + (r * cell + y) * SIZE + c * cell + x] / cell ** 2;
            sum += (own - ab[k * m * m + r * m + c]) ** 2;
            none += own ** 2;
          }
      readout(
        `Its colours miss the picture's by ${say(Math.sqrt(sum / (2 * m * m)), 1)} Lab units (root mean square); ` +
          `gray everywhere would miss by ${say(Math.sqrt(none / (2 * m * m)), 1)}.`,
        said.ms,
      );
    };
  },
  mae(row, panels, readout, draw) {
    let u,
      hidden,
      hiding = true;
    const again = () => {
      u = Array.from({ length: 68 }, Math.random);
      hide();
    };
    const hide = () => {
      hidden = masked(kind.value, +share.value, u);
      draw();
    };
    const share = slider(row, "hidden share", 0, 1, 1 / 64, 0.75, hide);
    const kind = select(row, "pattern", { random: "random", block: "one block", grid: "grid" }, hide);
    button(row, "draw again", again);
    const seen = panel(panels, "X₁: drag over it to hide and show", "Arrows move to a patch, space hides or shows it.");
    const [told, truth] = ["ψ(X₁): filled", "the whole picture"].map((c) => panel(panels, c));
    const cell = (x, y) => Math.floor(y * GRID) * GRID + Math.floor(x * GRID);
    const place = strokes(
      seen,
      1 / GRID,
      (x, y, begins) => {
        if (begins) hiding = !hidden[cell(x, y)];
        if (hidden[cell(x, y)] !== hiding) {
          hidden[cell(x, y)] = hiding;
          draw();
        }
      },
      draw,
    );
    u = FACTS.noise;
    hidden = masked("random", 0.75, u);
    return async () => {
      const { rgb } = pictures[chosen.at],
        count = hidden.filter(Boolean).length,
        pen = show(seen, rgb),
        side = SHOWN / GRID;
      pen.fillStyle = "#808080";
      hidden.forEach((h, k) => {
        if (h) pen.fillRect((k % GRID) * side, Math.floor(k / GRID) * side, side, side);
      });
      if (seen.dataset.keys) {
        pen.strokeStyle = X1;
        pen.lineWidth = 4;
        pen.strokeRect(
          Math.floor(place[0] * GRID) * side + 2,
          Math.floor(place[1] * GRID) * side + 2,
          side - 4,
          side - 4,
        );
      }
      show(truth, rgb);
      if (!count) {
        show(told, rgb);
        return readout("Nothing is hidden: there is nothing to predict. Raise the hidden share, or drag over X₁.");
      }
      const { picture, error, ms } = await fill(rgb, hidden);
      show(told, picture);
      readout(
        `${count} of 64 patches are hidden; the encoder reads ${64 - count}` +
          `${count === 64 ? ", so this is what it says of no picture at all" : ""}. ` +
          `Mean squared error on the hidden ones, pixels from 0 to 1: ${say(error, 4)}.`,
        ms,
      );
    };
  },
  hole(row, panels, readout, draw) {
    const hole = new Float32Array(SIZE * SIZE),
      n = SIZE * SIZE;
    const centre = () => {
      for (let i = 0; i < n; i++) hole[i] = +(i / SIZE >= 16 && i / SIZE < 48 && i % SIZE >= 16 && i % SIZE < 48);
      draw();
    };
    const brush = slider(row, "brush", 1, 12, 1, 4, () => {});
    button(row, "no hole", () => {
      hole.fill(0);
      draw();
    });
    button(row, "the centre", centre);
    const seen = panel(panels, "X₁: paint a hole", "Arrows move the brush, space paints.");
    const [told, truth] = ["ψ(X₁): filled", "the whole picture"].map((c) => panel(panels, c));
    const place = strokes(
      seen,
      1 / 16,
      (x, y) => {
        const r = +brush.value,
          [cx, cy] = [x * SIZE, y * SIZE];
        for (let j = 0; j < SIZE; j++)
          for (let i = 0; i < SIZE; i++) if ((i + 0.5 - cx) ** 2 + (j + 0.5 - cy) ** 2 <= r * r) hole[j * SIZE + i] = 1;
        draw();
      },
      draw,
    );
    for (let i = 0; i < n; i++) hole[i] = +(i / SIZE >= 16 && i / SIZE < 48 && i % SIZE >= 16 && i % SIZE < 48);
    return async () => {
      const { rgb } = pictures[chosen.at],
        cut = rgb.slice(),
        now = hole.slice(),
        flat = new Float32Array(3 * n);
      for (let i = 0; i < 3 * n; i++) {
        flat[i] = FACTS.gray[Math.floor(i / n)];
        if (now[i % n]) cut[i] = 0.5;
      }
      const pen = show(seen, cut);
      if (seen.dataset.keys) {
        pen.strokeStyle = X1;
        pen.lineWidth = 3;
        pen.beginPath();
        pen.arc(place[0] * SHOWN, place[1] * SHOWN, brush.value * 4, 0, 7);
        pen.stroke();
      }
      show(truth, rgb);
      const inside = (i) => now[i] > 0,
        mean = mixed(rgb, flat, inside);
      if (!mean.count) {
        show(told, rgb);
        return readout("There is no hole: paint one on X₁.");
      }
      const said = await ask("hole", { picture: [rgb, [1, 3, SIZE, SIZE]], hole: [now, [1, 1, SIZE, SIZE]] });
      const { picture, error } = mixed(rgb, said.filled.data, inside);
      show(told, picture);
      readout(
        `The hole takes ${say((100 * mean.count) / n, 0)} % of the picture. ` +
          `Mean squared error in it, pixels from 0 to 1: ${say(error, 4)}; the mean colour of all scenes has ${say(mean.error, 4)}.`,
        said.ms,
      );
    };
  },
  views(row, panels, readout, draw) {
    const whole = {
      top: 0,
      left: 0,
      height: SIZE,
      width: SIZE,
      flip: 0,
      brightness: 1,
      contrast: 1,
      saturation: 1,
      hue: 0,
      gray: 0,
    };
    const two = [
      { ...whole, top: 4, left: 2, height: 44, width: 44 },
      { ...whole, top: 16, left: 18, height: 44, width: 44, flip: 1, hue: 0.05 },
    ];
    button(row, "two new views, as training draws them", () => {
      two[0] = drawn();
      two[1] = drawn();
      put();
    });
    button(row, "twice the same", () => {
      two[1] = { ...two[0] };
      put();
    });
    const seen = panel(panels, "x: drag a box", "Arrows move the orange box.");
    const shown = ["X₁: one view", "X₂: another"].map((c) => panel(panels, c));
    const parts = ["X₂'s hue", "X₂'s size"].map((label, k) =>
      slider(row, label, [-0.5, 12][k], [0.5, SIZE][k], [0.01, 1][k], 0, () => {
        take(k);
      }),
    );
    const gray = box(row, "X₂ gray", () => {
      two[1].gray = +gray.checked;
      draw();
    });
    const take = (k) => {
      if (k === 0) two[1].hue = +parts[0].value;
      else {
        const s = +parts[1].value;
        two[1].height = two[1].width = s;
        two[1].top = Math.min(two[1].top, SIZE - s);
        two[1].left = Math.min(two[1].left, SIZE - s);
      }
      draw();
    };
    const put = () => {
      parts[0].value = two[1].hue;
      parts[1].value = two[1].height;
      gray.checked = two[1].gray > 0;
      draw();
    };
    let held = null;
    const centre = (v) => [v.left + v.width / 2, v.top + v.height / 2];
    const move = (v, x, y) => {
      v.left = Math.round(Math.min(Math.max(x - v.width / 2, 0), SIZE - v.width));
      v.top = Math.round(Math.min(Math.max(y - v.height / 2, 0), SIZE - v.height));
      draw();
    };
    strokes(
      seen,
      1 / 32,
      (x, y, begins) => {
        const at = [x * SIZE, y * SIZE],
          far = (v) => Math.hypot(centre(v)[0] - at[0], centre(v)[1] - at[1]);
        if (begins) {
          const v = far(two[0]) < far(two[1]) ? two[0] : two[1];
          held = [v, centre(v)[0] - at[0], centre(v)[1] - at[1]];
        } else if (held) move(held[0], at[0] + held[1], at[1] + held[2]);
      },
      (x, y) => move(two[1], x * SIZE, y * SIZE),
    );
    const scale = make("div", { className: "live-scale" });
    panels.after(scale);
    let others = null;
    queueMicrotask(() => {
      parts[0].value = two[1].hue;
      parts[1].value = two[1].height;
    });
    return async () => {
      const { rgb } = pictures[chosen.at],
        pen = show(seen, rgb);
      two.forEach((v, k) => {
        pen.strokeStyle = "#fff";
        pen.lineWidth = 7;
        const b = [v.left, v.top, v.width, v.height].map((t) => 4 * t);
        pen.strokeRect(b[0] + 3, b[1] + 3, b[2] - 6, b[3] - 6);
        pen.strokeStyle = [X1, X2][k];
        pen.lineWidth = 4;
        pen.strokeRect(b[0] + 3, b[1] + 3, b[2] - 6, b[3] - 6);
      });
      const [a, b] = two.map((v) => view(rgb, v));
      show(shown[0], a);
      show(shown[1], b);
      if (!others)
        others = (
          await features(
            "views",
            pictures.slice(0, FACTS.scenes.length).map((p) => p.rgb),
          )
        ).z;
      const both = new Float32Array(2 * a.length);
      both.set(a);
      both.set(b, a.length);
      const said = await ask("views", { pictures: [both, [2, 3, SIZE, SIZE]] });
      const pair = (name) => {
        const d = said[name].data,
          w = d.length / 2;
        return [d.subarray(0, w), d.subarray(w)];
      };
      const [z1, z2] = pair("z"),
        same = cosine(z1, z2),
        rest = others.filter((_, k) => k !== chosen.at).map((z) => cosine(z1, z));
      const above = rest.filter((c) => c >= same).length;
      const place = (c) => `${50 + 50 * Math.min(Math.max(c, -1), 1)}%`;
      scale.replaceChildren(
        ...rest.map((c) => {
          const dot = make("i");
          dot.style.left = place(c);
          return dot;
        }),
        Object.assign(make("b"), { style: `left:${place(same)}` }),
        make("span", { textContent: "−1" }),
        make("span", { textContent: "cosine with X₁, in z: ● X₂, | other scenes" }),
        make("span", { textContent: "1" }),
      );
      readout(
        `The two views have cosine ${say(same)} in z, which the loss compares, and ` +
          `${say(cosine(...pair("h")))} in ψ, which is kept. ` +
          `Of ${rest.length} other scenes ${above === 0 ? "none is" : above === 1 ? "one is" : `${above} are`} as near to X₁ in z.`,
        said.ms / 2,
      );
    };
  },
  caption(row, panels, readout, draw) {
    const text = make("input", { type: "text", value: FACTS.captions[0], autocomplete: "off", spellcheck: false });
    control(row, "a caption", text, draw);
    text.parentElement.classList.add("live-wide");
    const examples = make("div", { className: "live-row" });
    for (const caption of FACTS.captions)
      button(examples, caption, () => {
        text.value = caption;
        draw();
      });
    row.after(examples);
    panels.classList.add("live-ranked");
    const seen = new Set(FACTS.seen),
      cells = [];
    let own = null;
    return async () => {
      const caption = text.value,
        all = tokens(caption),
        words = all.filter((t) => /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]/u.test(t));
      const mine = pictures[FACTS.scenes.length],
        rows = [...FACTS.features]; // the network of pictures is fetched for the reader's own alone
      if (mine) {
        if (own?.of !== mine) own = { of: mine, row: (await features("pictures", [mine.rgb])).features[0] };
        rows.push(own.row);
      }
      let cosines = rows.map(() => 0),
        ms = null;
      if (words.length) {
        const [ids, end] = encoded(caption),
          said = await ask("caption", { ids: [integers(ids), [1, ids.length]], end: [integers([end]), [1]] });
        [cosines, ms] = [rows.map((r) => cosine(r, said.features.data)), said.ms];
      }
      const order = rows
        .map((_, k) => k)
        .sort((a, b) => cosines[b] - cosines[a])
        .slice(0, 12);
      order.forEach((k, place) => {
        cells[place] ??= [panel(panels, ""), panels.lastChild.lastChild];
        show(cells[place][0], pictures[k].rgb);
        cells[place][0].setAttribute("aria-label", pictures[k].name);
        cells[place][1].textContent = words.length ? say(cosines[k]) : "";
      });
      panels.dataset.order = order.join(" ");
      if (!caption.trim())
        return readout("The caption is empty: type one. Until then the pictures stand in their own order.");
      if (!words.length)
        return readout(
          "There is no word in this caption: signs and emoji say nothing to a network that has read words.",
        );
      const strange = [...new Set(words.filter((w) => !seen.has(w)))],
        room = FACTS.context - 2,
        cut = (w) => (w.length > 24 ? `${w.slice(0, 24)}…` : w);
      const parts = [`Of ${rows.length} pictures the 12 nearest, with their cosines.`];
      if (mine) parts.push("A photograph gets a cosine, too, though the network has seen none.");
      if (all.length > room)
        parts.push(`This caption has ${all.length} words and signs; the network reads the first ${room}.`);
      if (strange.length)
        parts.push(
          `Never seen in training: ${strange.slice(0, 6).map(cut).join(", ")}` +
            `${strange.length > 6 ? ` and ${strange.length - 6} more` : ""}` +
            `${strange.length === new Set(words).size ? "; that is all there is, so this order means nothing" : ""}.`,
        );
      readout(parts.join(" "), ms);
    };
  },
};

/** Features of pictures, one row for each, by output; one picture at a time, so that the page stays awake. */
async function features(name, rgbs) {
  const rows = {};
  for (const rgb of rgbs) {
    const { ms, ...said } = await ask(name, { pictures: [rgb, [1, 3, SIZE, SIZE]] });
    for (const [key, value] of Object.entries(said)) (rows[key] ??= []).push(value.data.slice());
  }
  return rows;
}
