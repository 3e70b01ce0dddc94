"""The page of the site on which the networks run: its pictures, what stands there until they do, what it must know."""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import re
from collections.abc import Sequence
from html import escape
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ssl_course import nets
from ssl_course.data import scenes
from ssl_course.data.pictures import Pictures
from ssl_course.pretext import color
from ssl_course.pretext.augment import Draw, apply
from ssl_course.pretext.words import CLS, PAD, SEP, UNK
from tools.export_networks import PATCHES, SIZE, exported, load

SCENES = 24  # pictures that the page offers
CAPTIONS = (
    "three boats on waves at sea at dawn", "two cacti on dunes in the desert at noon", "pines among trunks in the forest",
    "one boat in the desert", "violet light",
)  # fmt: skip
# Where a lecture leads to: its number, what the link says, the section.
ENTRIES = {
    "02": ("Colour your own photograph", "colours"),
    "03": ("Paint a hole and see it filled", "hole"),
    "04": ("Hide patches and see them filled", "masks"),
    "08": ("Compare two views of a picture", "views"),
    "10": ("Type a caption", "caption"),
}


@torch.no_grad()
def facts() -> dict[str, Any]:
    """What the page must know beside the weights: words and their ids, what CLIP makes of the scenes, colours."""
    clip, hole = load("clip"), load("context_encoder")
    words = clip.tokenizer.words
    features = clip.encode_image(gallery().images)  # (24, d)
    return {
        "words": {word.lower(): i for i, word in enumerate(words)},
        "seen": sorted(clip.seen),
        "context": clip.context,
        "marks": {"pad": PAD, "unknown": UNK, "begin": CLS, "end": SEP},
        "features": [[round(v, 5) for v in row] for row in features.tolist()],
        "gray": [round(float(v), 6) for v in hole.mean_colour],
    }


def gallery() -> Pictures:
    """The scenes that the page offers."""
    return scenes.World().sample(SCENES, SIZE, seed=7)


def picture(image: Tensor) -> Image.Image:
    """(3, H, W) in [0, 1] or uint8 as a picture."""
    return Image.fromarray(as_bytes(image).permute(1, 2, 0).numpy())


def as_bytes(image: Tensor) -> Tensor:
    """Pixels as uint8."""
    return image if image.dtype == torch.uint8 else (255 * image.clamp(0, 1)).round().to(torch.uint8)


def side_by_side(images: Sequence[Tensor], scale: int = 3, columns: int = 0) -> bytes:
    """Pictures (3, 64, 64) beside each other, enlarged, as WebP."""
    columns, gap, side = columns or len(images), 12, scale * SIZE
    lines = -(-len(images) // columns)
    sheet = Image.new("RGBA", (columns * (side + gap) - gap, lines * (side + gap) - gap))
    for k, image in enumerate(images):
        at = (k % columns * (side + gap), k // columns * (side + gap))
        sheet.paste(picture(image).resize((side, side), Image.Resampling.NEAREST), at)
    file = io.BytesIO()
    sheet.save(file, "webp", quality=85)
    return file.getvalue()


@torch.no_grad()
def stills(some: Pictures) -> dict[str, tuple[bytes, str]]:
    """What stands in a section's place until its network runs, and where none can: (picture, its alt text)."""
    image, x = some.images[:1], nets.as_float(some.images[:1])
    gray = color.paint(image, torch.zeros(1, 2, 16, 16))[0]
    order = torch.tensor(noise()[:PATCHES])[None]  # (1, L)
    pair = (mae := load("mae")).hide(image, noise=order)
    square = torch.zeros(1, 1, SIZE, SIZE)
    square[..., 16:48, 16:48] = 1
    seen = torch.where(square.bool(), 0.5, x)[0]
    box = (
        Draw(top=4, left=2, height=44, width=44),
        Draw(top=16, left=18, height=44, width=44, flip=1, hue=0.05),
    )
    clip = load("clip")
    near = (clip.encode_image(some.images) @ clip.encode_text([CAPTIONS[0]]).T)[:, 0].argsort(descending=True)
    filled = mae.reconstruct(image, noise=order)[0][0]
    return {
        "colours": (
            side_by_side([gray, load("colorization_l2").colorize(image)[0], x[0]]),
            "A scene in gray, in the colours that the network tells, and in its own.",
        ),
        "mae": (
            side_by_side([pair.x1[0], filled, x[0]]),
            "A scene with three quarters of its patches hidden, filled by the network, and whole.",
        ),
        "hole": (
            side_by_side([seen, load("context_encoder").inpaint(image, square)[0], x[0]]),
            "A scene with a square cut out of its middle, filled by the network, and whole.",
        ),
        "views": (
            side_by_side([x[0], *(apply(image, b)[0] for b in box)]),
            "A scene and two views of it, one mirrored and in other hues.",
        ),
        "caption": (
            side_by_side([some.images[k] for k in near[:12]], 2, 4),
            f"The twelve scenes that are nearest to the caption: {CAPTIONS[0]}.",
        ),
    }


def noise() -> list[float]:
    """68 numbers in [0, 1): which patches the page hides first, and where a block or a grid lies."""
    return [round(v, 6) for v in torch.rand(68, generator=torch.Generator().manual_seed(4)).tolist()]


def page(
    template: str, vendored: dict[str, bytes], scripts: dict[str, bytes]
) -> tuple[str, dict[str, bytes]]:
    """The Markdown of the page, and the files that it asks for.

    Args:
        template: tools/web/try.md.
        vendored: ``ort.mjs``, ``ort.wasm`` and ``xz.js``.
        scripts: ``live.js``, its modules and ``live.css``, for their versions.
    """
    some, sheet = gallery(), io.BytesIO()
    picture(some.images.permute(1, 0, 2, 3).flatten(1, 2)).save(sheet, "png", optimize=True)
    files = exported() | {"scenes.png": sheet.getvalue(), "ort.mjs": vendored["ort.mjs"]}
    # A third smaller than gzip, which is all that browsers unpack by themselves.
    files["ort.wasm.xz"] = lzma.compress(vendored["ort.wasm"], check=lzma.CHECK_CRC32)
    files["xz.js"] = vendored["xz.js"]
    told = facts() | {
        "files": {name: f"{name}{version(raw)}" for name, raw in files.items()},
        "scenes": some.captions, "captions": CAPTIONS, "noise": noise(),
    }  # fmt: skip
    for name, (raw, alt) in stills(some).items():
        files[f"{name}.webp"] = raw
        # Its place is kept while the network comes, so that nothing below it jumps.
        block = f'<div data-live="{name}"><img src="_static/live/{name}.webp" alt="{escape(alt)}"></div>'
        template = template.replace(f"@{name}@", f"```{{raw}} html\n{block}\n```")
    imports = {name: f"./_static/{name}{version(raw)}" for name, raw in scripts.items()}
    modules = {f"live/{name[5:-3]}": address for name, address in imports.items() if name.startswith("live_")}
    filled = {
        "facts": json.dumps(told, ensure_ascii=False).replace("<", "\\u003c"),
        "modules": json.dumps({"imports": modules}),
        "css": version(scripts["live.css"]),
        "js": version(scripts["live.js"]),
    }
    return re.sub(r"@(\w+)@", lambda match: filled[match[1]], template), files


def version(raw: bytes) -> str:
    """What makes a browser fetch a file again when it has changed."""
    return f"?v={hashlib.sha256(raw).hexdigest()[:8]}"


def entry(stem: str) -> str:
    """Markdown in a lecture that leads to its network in the page; nothing where there is none."""
    words, at = ENTRIES.get(stem[:2], ("", ""))
    return f"\n\n[{words}, in this browser](../try.md#{at})" if at else ""
