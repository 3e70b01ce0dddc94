"""The site's first page: what this is, one thing to drag, the lectures with what each claims and measures.

Every number on it is read: from the lectures' outputs, from a shipped network, or reckoned here with that network.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
from datetime import date
from html import escape

import torch
from PIL import Image

import ssl_course
from ssl_course import checkpoints, nets
from ssl_course.data import scenes
from ssl_course.pretext.holes import mean_picture
from ssl_course.pretext.masking import hidden_error
from tools.build import ROOT, notebook_of, sources
from tools.export_networks import PATCHES, SIZE, load
from tools.live import gallery, noise, picture, version

FRAMES = (*range(0, PATCHES, 4), PATCHES - 1)  # patches hidden in each frame of what one drags
SCENE = 6  # of the gallery: boats at sea

# What a lecture measures: the key of its `reveal`, and a sentence with room for the value; a pattern, where the number
# stands in the sentence that follows the value.
MEASURED = {
    "00": ("00-labels", "To name the biome as a probe on SimCLR’s ψ does with a hundred labels, raw pixels need {} of them."),
    "01": ("01-double", "Twice the dependence λ gives {} times the ε_CI²."),
    "02": ("02-explains", "At λ = ½ gray predicts {} % of the colour’s variance that the biome leaves open."),
    "03": ("03-part", "Told which ground or sky it is, the surroundings add {} % of a hole’s variance.", r"measured: [a-z ]+\. ([\d.]+ ± [\d.]+) %"),
    "04": ("04-work", "With three quarters hidden the encoder does {} % of its work."),
    "05": ("05-corners", "Black corners and a coin name a share of {} of four angles, whatever is in the picture."),
    "06": ("06-rest", "Told the sentiment, a share of {} of what two words say of each other is left."),
    "07": ("07-large", "The first principal component’s sign names the shared coin in a share of {}."),
    "08": ("08-tint", "After views of arbitrary hues a probe reads one tint of three with accuracy {}."),
    "09": ("09-spread", "Without stop-gradient the spread of z ends at {}; 1 is even, 0 a single point."),
    "10": ("10-labels", "Textures asked for in words: a linear probe needs {} labels to do as well."),
    "11": ("11-overtake", "In one world, supervised learning overtakes from {} labels on."),
    "12": ("12-flip", "From λ = {} on, a ψ of one number forgets the sentiment."),
    "13": ("13-biome", "Best of four for the biome, with few labels: {}.", r"measured: (\w+)\. (\+[\d.]+ ± [\d.]+ over \w+)"),
}  # fmt: skip


def measured(stem: str, notebook: dict) -> str:
    """The sentence of a lecture with the number that its notebook shows, as HTML; empty where it shows none."""
    key, template, *pattern = MEASURED.get(stem[:2], ("", ""))
    for cell in notebook["cells"] if key else ():
        if f'"{key}"' not in "".join(cell["source"]) or "reveal(" not in "".join(cell["source"]):
            continue
        for output in cell.get("outputs", ()):
            text = "".join(output.get("data", {}).get("text/plain", ""))
            if match := re.search(pattern[0] if pattern else r"measured: ([^;]+?)\.(?: |$)", text):
                return sentence(template).replace("{}", f"<b>{escape(', '.join(match.groups()))}</b>")
    return ""


def sentence(claim: str) -> str:
    """A claim as it stands in a notebook's table, as a sentence of HTML."""
    text = escape(claim.replace("**", ""))
    text = re.sub(r"_([A-Za-z]+)", r"<sub>\1</sub>", text)
    return (
        (text[0].upper() if text[0].isascii() else text[0])
        + text[1:]
        + ("" if text.endswith(("?", ".")) else ".")
    )


@torch.no_grad()
def strip() -> tuple[bytes, list[str], str]:
    """What one drags: a picture with a frame for each of `FRAMES`, what is said of each, and the scene's caption.

    In a frame stand side by side what the network sees and what it makes of it.
    """
    mae, some = load("mae"), gallery()
    image = some.images[SCENE : SCENE + 1]  # (1, 3, 64, 64)
    order = torch.tensor(noise()[:PATCHES])[None]  # (1, L)
    average = mean_picture(scenes.World().sample(1000, SIZE, seed=0))
    sheet, sentences = Image.new("RGB", (2 * SIZE, SIZE * len(FRAMES))), []
    for row, hidden in enumerate(FRAMES):
        if hidden:
            ratio = hidden / PATCHES
            filled, mask = mae.reconstruct(image, ratio, order)
            seen = mae.hide(image, ratio, order).x1
            own, mean = (100 * hidden_error(image, other, mask) ** 0.5 for other in (filled, average))
            sentences.append(
                f"{hidden} of {PATCHES} pieces are hidden. Its painting misses them by {own:.0f} % of the range from "
                f"black to white; the average landscape in their place would by {mean:.0f} %."
            )
        else:
            seen = filled = nets.as_float(image)
            sentences.append("Nothing is hidden, so there is nothing to predict.")
        for column, one in enumerate((seen, filled)):
            sheet.paste(picture(one[0]), (column * SIZE, row * SIZE))
    file = io.BytesIO()
    sheet.save(file, "webp", quality=95, method=6)
    return file.getvalue(), sentences, some.captions[SCENE]


def made() -> str:
    """From which version, when: "Edition 2.0.0, made on 1 January 2026 from commit abc1234"."""
    try:
        asked = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
        )
        commit = asked.stdout.strip() if asked.returncode == 0 else ""
    except OSError:  # no git here
        commit = ""
    today = date.today()
    day = f"{today.day} {today:%B %Y}"
    return f"Edition {ssl_course.__version__}, made on {day}" + (f" from commit {commit}" if commit else "")


def page(
    template: str, rows: list[tuple[str, str, str, str]], scripts: dict[str, bytes]
) -> tuple[str, dict[str, bytes]]:
    """The Markdown of the first page, and the files that it asks for.

    Args:
        template: tools/web/index.md.
        rows: file, title, claim and first picture of each lecture.
        scripts: ``front.js`` and ``front.css``, for their versions.
    """
    notebooks = {src.stem: json.loads(notebook_of(src).read_text(encoding="utf-8")) for src in sources()}
    cards = "\n".join(
        f'<a class="ssl-lecture" href="lectures/{stem}.html"><img alt="" loading="lazy" src="{image}">'
        f"<b>{stem[:2]} · {escape(title)}</b><span>{sentence(claim)}</span>"
        f'<span class="front-measured">{measured(stem, notebooks[stem])}</span></a>'
        for stem, title, claim, image in rows
    )
    frames, sentences, scene = strip()
    metrics = checkpoints.about("mae")["metrics"]
    filled = {
        "cards": cards,
        "lectures": "\n".join(f"{stem[:2]} · {title} <lectures/{stem}>" for stem, title, *_ in rows),
        "made": made(),
        "strip": version(frames),
        "last": str(len(FRAMES) - 1),
        "start": str(FRAMES.index(3 * PATCHES // 4)),
        "said": escape(json.dumps(sentences, ensure_ascii=False)),
        "now": escape(sentences[FRAMES.index(3 * PATCHES // 4)]),
        "scene": escape(scene),
        "right": f"{100 * metrics['probe biome, 10 labels']:.0f}",
        "css": version(scripts["front.css"]),
        "js": version(scripts["front.js"]),
    }
    text = re.sub(r"@(\w+)@", lambda match: filled[match[1]], template)
    return text, {"strip.webp": frames, "scene.webp": _still()}


def _still() -> bytes:
    file = io.BytesIO()
    picture(gallery().images[SCENE]).save(file, "webp", lossless=True)
    return file.getvalue()
