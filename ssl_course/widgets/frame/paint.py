"""Drawings and whole frames as pixels, by Pillow: for files, printed pages and wherever no browser draws."""

import functools
import html
import importlib.util
import io
import pathlib
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ssl_course.course.palette import INK, PAPER
from ssl_course.widgets.frame.canvas import Panel
from ssl_course.widgets.frame.marks import Area, Box, Discs, Drawing, Line, Picture, Text

SCALE = 2  # pixels per CSS pixel, for sharp screens
FINER = 2  # shapes are painted at so many times that, and averaged down
FINE = SCALE * FINER

SMALL = {
    "b": str.maketrans("0123456789+-−", "₀₁₂₃₄₅₆₇₈₉₊₋₋"),
    "p": str.maketrans("0123456789+-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻"),
}


@functools.cache
def font(size: float, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which has ψ, ε, ₁ and ⊥ (Pillow's own font has not), `size` in pixels."""
    spec = importlib.util.find_spec("matplotlib")  # found, not imported: that takes half a second
    if spec and spec.origin:
        folder = pathlib.Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
        return ImageFont.truetype(str(folder / f"DejaVuSans{'-Bold' if bold else ''}.ttf"), size)
    return ImageFont.load_default(size)


def paint(drawing: Drawing) -> np.ndarray:
    """(2·height, 2·width, 4) uint8, on light paper."""
    image = Image.new("RGB", (drawing.width * FINE, drawing.height * FINE), drawing.paper)
    pen = ImageDraw.Draw(image, "RGBA")
    for mark in drawing.marks:
        match mark:
            case Line(points, color, width, dash, rounded):
                path, joint = _fine(points), "curve" if rounded else None
                for piece in _dashes(path, dash[0] * FINE, dash[1] * FINE) if dash else [path]:
                    pen.line(piece, fill=color, width=_thick(width), joint=joint)
            case Area(points, fill):
                pen.polygon(_fine(points), fill=fill)
            case Discs(points, r, fills, outline, width):
                r, thick = r * FINE, _thick(width) if outline is not None else 0
                for (x, y), fill in zip(_fine(points), fills, strict=True):
                    pen.ellipse((x - r, y - r, x + r, y + r), fill=fill, outline=outline, width=thick)
            case Box(x0, y0, x1, y1, fill):
                pen.rectangle([side * FINE for side in (x0, y0, x1, y1)], fill=fill)
            case Picture(pixels, x0, y0, x1, y1, smooth):
                left, top, right, bottom = (side * FINE for side in (x0, y0, x1, y1))
                size = max(1, round(right - left)), max(1, round(bottom - top))
                how = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
                shown = Image.fromarray(pixels).resize(size, how)
                image.paste(shown, (round(left), round(top)), shown)
    image = image.reduce(FINER)
    for mark in drawing.marks:
        if isinstance(mark, Text):
            _draw_text(image, mark)
    return np.asarray(image.convert("RGBA"))


def _fine(points: np.ndarray) -> list[tuple[float, float]]:
    return list(zip((points[:, 0] * FINE).tolist(), (points[:, 1] * FINE).tolist(), strict=True))


def _thick(width: float) -> int:
    return max(1, round(width * FINE))


def _draw_text(image: Image.Image, mark: Text) -> None:
    face = font(mark.size * SCALE, mark.bold)
    if mark.turned:
        x0, y0, x1, y1 = face.getbbox(mark.text)
        strip = Image.new("L", (int(x1), int(y1) + SCALE), 0)
        ImageDraw.Draw(strip).text((0, 0), mark.text, font=face, fill=255)
        strip = strip.transpose(Image.Transpose.ROTATE_90)
        image.paste(mark.color, (round(mark.x * SCALE), round(mark.y * SCALE - strip.height / 2)), strip)
        return
    halo = {"stroke_width": 2 * SCALE, "stroke_fill": PAPER} if mark.halo else {}
    at = (mark.x * SCALE, mark.y * SCALE)
    ImageDraw.Draw(image).text(at, mark.text, font=face, fill=mark.color, anchor=mark.anchor, **halo)


def _dashes(points: list[tuple[float, float]], on: float, off: float) -> list[list[tuple[float, float]]]:
    """A path cut into pieces of length `on` with gaps of `off`, the pattern carried over its corners."""
    path = np.array(points)  # (N, 2)
    along = np.concatenate([[0.0], np.hypot(*np.diff(path, axis=0).T).cumsum()])  # (N,) the way to each point
    pieces = []
    for start in np.arange(0, along[-1], on + off):
        ends = [start, min(start + on, along[-1])]
        first, last = np.stack([np.interp(ends, along, side) for side in path.T], 1).tolist()
        inside = path[(ends[0] < along) & (along < ends[1])].tolist()
        pieces.append([tuple(point) for point in (first, *inside, last)])
    return pieces


class Sheet(NamedTuple):
    """Where everything of a frame lies, in CSS pixels."""

    width: int
    height: int
    panels: list[tuple[Panel, int, int, int, int]]  # x, y, width, height
    words: list[Text]


def lay_out(panels: Sequence[Panel], readout: str = "", width: int = 760) -> Sheet:
    """The panels in rows with their captions, and a line beneath, as on the screen."""
    gap, line, edge = 24, 18, 8
    rows: list[list[tuple[Panel, int, int, list[str]]]] = [[]]  # with width, height and lines of caption
    used = 0
    for panel in panels:
        w = min(panel.width, width)
        if rows[-1] and used + gap + w > width:
            rows.append([])
        used = w if not rows[-1] else used + gap + w
        own = panel.size
        h = round(w * own[1] / own[0])
        rows[-1].append((panel, w, h, _wrap(plain(panel.caption), w, 12)))
    foot = _wrap(readout, width, 13) if readout else []
    total = max(sum(w for _, w, _, _ in row) + gap * (len(row) - 1) for row in rows)
    total = max([total, *(int(font(13 * SCALE).getlength(t) / SCALE) + 1 for t in foot)])
    sheet, y = Sheet(0, 0, [], []), edge
    for row in rows:
        x = edge
        for panel, w, h, caption in row:
            sheet.panels.append((panel, x, y, w, h))
            below = y + h + 8
            sheet.words.extend(Text(x, below + line * k, t, INK, 12, "la") for k, t in enumerate(caption))
            x += w + gap
        y += max(h + 8 + line * len(caption) for _, _, h, caption in row) + gap
    y -= gap
    sheet.words.extend(Text(edge, y + 8 + 20 * k, text, INK, 13, "la") for k, text in enumerate(foot))
    y += 8 + 20 * len(foot) if foot else 0
    return sheet._replace(width=total + 2 * edge, height=y + edge)


def compose(there: Sheet) -> Image.Image:
    """A whole frame as pixels; RGB, at `SCALE`."""
    sheet = Image.new("RGB", (there.width * SCALE, there.height * SCALE), PAPER)
    for panel, x, y, w, h in there.panels:
        how = Image.Resampling.NEAREST if panel.pixelated else Image.Resampling.LANCZOS
        picture = Image.fromarray(panel.rgba).resize((w * SCALE, h * SCALE), how)
        sheet.paste(picture, (x * SCALE, y * SCALE), picture)
    for mark in there.words:
        _draw_text(sheet, mark)
    return sheet


def _wrap(text: str, width: float, size: float) -> list[str]:
    """Lines no wider than `width` CSS pixels, broken at spaces."""
    face = font(size * SCALE)
    lines: list[str] = []
    for paragraph in text.split("\n"):
        current = ""
        for word in paragraph.split():
            longer = f"{current} {word}".strip()
            if current and face.getlength(longer) > width * SCALE:
                lines.append(current)
                current = word
            else:
                current = longer
        lines.append(current)
    return lines


DRAWN = 2000  # a picture with no more colours than this is a drawing: a few inks and their soft edges


def png(image: Image.Image, colors: int | None = None) -> bytes:
    """The image as PNG: a drawing, or any with ``colors``, with a palette, which takes 40 % of the bytes."""
    file = io.BytesIO()
    if colors is None and image.mode == "RGB" and image.getcolors(DRAWN) is not None:
        colors = 256
    if colors is not None:
        image = image.quantize(colors, dither=Image.Dither.NONE)
    image.save(file, "png", optimize=False, compress_level=6)
    return file.getvalue()


def still(there: Sheet) -> bytes:
    """A whole frame as PNG, at one pixel a CSS pixel."""
    image = compose(there).reduce(SCALE)
    if image.getcolors(DRAWN) is None:  # pictures: a median cut alone leaves steps in every sky
        image = image.quantize(160, kmeans=1, dither=Image.Dither.NONE)
    return png(image)


def plain(text: str) -> str:
    """HTML to plain text, for where there is no browser."""
    text = re.sub(r"<br\s*/?>|</(p|div|tr)>", "\n", text)
    text = re.sub(r"<su([bp])>([0-9+−-]+)</su\1>", lambda m: m[2].translate(SMALL[m[1]]), text)
    text = re.sub(r"<sub>([^<]*)</sub>", r"_\1", text)
    return html.unescape(re.sub(r"<[^>]+>", "", text)).strip()
