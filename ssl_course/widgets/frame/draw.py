"""Plots and picture sheets by Pillow, fast enough for a slider: a plot takes a few milliseconds."""

from __future__ import annotations

import functools
import html
import importlib.util
import io
import pathlib
import re
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ssl_course.course.palette import GRID, INK, MUTED, PAPER, rgb
from ssl_course.widgets.frame.canvas import Panel, rgba

SCALE = 2  # pixels per CSS pixel, for sharp screens

_SMALL = {
    "b": str.maketrans("0123456789+-−", "₀₁₂₃₄₅₆₇₈₉₊₋₋"),
    "p": str.maketrans("0123456789+-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻"),
}

Color = str | tuple[int, int, int] | tuple[int, int, int, int]


def printable(text: str) -> str:
    """The text with "�" for what is no letter or sign, such as control characters: no font can draw those."""
    return "".join(c if c.isprintable() or c in "\n\u200d" else "�" for c in text)


def short(text: str, most: int) -> str:
    """A `printable` text, cut to ``most`` letters of which the last then is "…"."""
    text = printable(text)
    return text if len(text) <= most else text[: most - 1] + "…"


def number(value: float) -> str:
    """Three digits for the line under the pictures: "0", "0.0123", "1.2e−5"."""
    if abs(value) < 1e-12:
        return "0"
    plain_enough = 1e-3 <= abs(value) < 1e4
    text = f"{value:.3g}" if plain_enough else f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e")
    return text.replace("-", "−")


@functools.cache
def font(size: float, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which has ψ, ε, ₁ and ⊥ (Pillow's own font has not), `size` in pixels."""
    spec = importlib.util.find_spec("matplotlib")  # found, not imported: that takes half a second
    if spec and spec.origin:
        folder = pathlib.Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
        return ImageFont.truetype(str(folder / f"DejaVuSans{'-Bold' if bold else ''}.ttf"), size)
    return ImageFont.load_default(size)


def framed(picture: Any, color: Color, width: int = 3) -> np.ndarray:
    """A picture (anything `rgba` takes) with a frame on its edges, `width` of its pixels wide: a copy, (H, W, 4)."""
    image = Image.fromarray(rgba(picture))
    box = (0, 0, image.width - 1, image.height - 1)
    ImageDraw.Draw(image).rectangle(box, outline=color, width=width)
    return np.asarray(image)


def tile(pictures: Any, columns: int, gap: int = 2) -> np.ndarray:
    """N pictures of one size (anything `rgba` takes) as one sheet, (H, W, 4); the gaps are transparent."""
    cells = [rgba(p) for p in pictures]
    h, w = cells[0].shape[:2]
    rows = -(-len(cells) // columns)
    sheet = np.zeros((rows * (h + gap) - gap, columns * (w + gap) - gap, 4), np.uint8)
    for i, cell in enumerate(cells):
        r, c = divmod(i, columns)
        sheet[r * (h + gap) : r * (h + gap) + h, c * (w + gap) : c * (w + gap) + w] = cell
    return sheet


def shades(share: np.ndarray, high: str, low: str = PAPER) -> np.ndarray:
    """Shares in [0, 1], of any shape, as colours from ``low`` to ``high``: (…) → (…, 3) uint8."""
    ends = np.array([rgb(low), rgb(high)], float)
    return np.rint(ends[0] + np.clip(share, 0, 1)[..., None] * (ends[1] - ends[0])).astype(np.uint8)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from low to high."""
    span = abs(high - low) or 1.0
    raw = span / max(most - 1, 1)
    power = 10.0 ** np.floor(np.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first = np.ceil(min(low, high) / step - 1e-9) * step
    values = np.arange(first, max(low, high) + step * 1e-6, step)
    return [float(v) + 0.0 for v in np.round(values, 12)]  # + 0.0: no −0


def log_ticks(*values: float) -> dict[float, str]:
    """Ticks of an axis of log10: {3: "1,000", -1: "0.1", -3: "10⁻³"} for 1000, 0.1 and 0.001."""
    powers = [round(np.log10(value)) for value in values]
    return {
        float(np.log10(value)): f"{value:,g}" if value >= 0.01 else f"10{str(power).translate(_SMALL['p'])}"
        for value, power in zip(values, powers, strict=True)
    }


class Plot:
    """A small plot on its own light paper, in data coordinates; y points up.

    Shapes are drawn at twice the resolution and averaged down; text is drawn last, always on top. Widths,
    radii and sizes are in CSS pixels. Every method returns the plot, so calls can be chained; `array()`
    ends it.
    """

    _FINE = 2  # supersampling of shapes

    def __init__(
        self,
        width: int,
        height: int,
        xlim: tuple[float, float],
        ylim: tuple[float, float],
        *,
        margin: tuple[int, int, int, int] = (12, 12, 40, 48),
        equal: bool = False,
        paper: Color = PAPER,
    ) -> None:
        """A plot `width` × `height` CSS pixels; `margin` is (top, right, bottom, left), room for the labels.

        `equal` widens one of the limits so that one unit is equally long in both directions.
        """
        self.width, self.height = width, height
        top, right, bottom, left = margin
        self._box = (left, top, width - right, height - bottom)
        x0, y0, x1, y1 = self._box
        if equal:
            xlim, ylim = _equal(xlim, ylim, x1 - x0, y1 - y0)
        self.xlim, self.ylim = xlim, ylim
        self._x = (x0, (x1 - x0) / (xlim[1] - xlim[0]))  # CSS pixel of xlim[0], pixels per unit
        self._y = (y1, (y0 - y1) / (ylim[1] - ylim[0]))
        self._fine = SCALE * self._FINE
        self._image = Image.new("RGB", (width * self._fine, height * self._fine), paper)
        self._pen = ImageDraw.Draw(self._image, "RGBA")
        self._texts: list[tuple] = []

    @classmethod
    def board(cls, width: int, height: int) -> Plot:
        """Paper without margins, x and y in CSS pixels from its top left: y points down."""
        return cls(width, height, (0, width), (height, 0), margin=(0, 0, 0, 0))

    @classmethod
    def over(cls, picture: Any, width: int, smooth: bool = False) -> Plot:
        """A picture to draw on, x and y from 0 to 1 from its top left, as those of a `Pointer`."""
        pixels = rgba(picture)
        height = round(width * pixels.shape[0] / pixels.shape[1])
        return cls(width, height, (0, 1), (1, 0), margin=(0, 0, 0, 0)).image(pixels, 0, 1, 1, 0, smooth)

    # where things are

    def place(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Data → fraction of the picture, from its top left: where a `Pointer` would be."""
        px, py = self._css(x, y)
        return px / self.width, py / self.height

    def at(self, x: float, y: float) -> tuple[float, float]:
        """A `Pointer`'s x, y (fractions of the picture) → data."""
        return (
            (x * self.width - self._x[0]) / self._x[1] + self.xlim[0],
            (y * self.height - self._y[0]) / self._y[1] + self.ylim[0],
        )

    def _css(self, x: Any, y: Any) -> tuple[Any, Any]:
        return self._x[0] + (x - self.xlim[0]) * self._x[1], self._y[0] + (y - self.ylim[0]) * self._y[1]

    def _points(self, points: Any) -> list[tuple[float, float]]:
        p = np.asarray(points, float).reshape(-1, 2)
        x, y = self._css(p[:, 0], p[:, 1])
        return list(zip((x * self._fine).tolist(), (y * self._fine).tolist(), strict=True))

    # shapes

    def line(
        self, points: Any, color: Color = INK, width: float = 2, dash: tuple[float, float] | None = None
    ) -> Plot:
        """Through (N, 2) points; `dash` = (on, off) in CSS pixels."""
        p = self._points(points)
        w = max(1, round(width * self._fine))
        joint = "curve" if len(p) <= 16 else None  # a smooth curve of many points shows no gaps at its joints
        for piece in _dashes(p, dash[0] * self._fine, dash[1] * self._fine) if dash else [p]:
            self._pen.line(piece, fill=color, width=w, joint=joint)
        return self

    def polygon(
        self, points: Any, fill: Color | None = None, outline: Color | None = None, width: float = 1
    ) -> Plot:
        """With (N, 2) corners; a fill such as "#1f77b440" lets what is below shine through."""
        p = self._points(points)
        if fill is not None:
            self._pen.polygon(p, fill=fill)
        if outline is not None:
            self._pen.line(
                [*p, p[0], p[1]], fill=outline, width=max(1, round(width * self._fine)), joint="curve"
            )
        return self

    def rect(
        self,
        x0: float,
        y0: float,
        x1: float,
        y1: float,
        fill: Color | None = None,
        outline: Color | None = None,
        width: float = 1,
    ) -> Plot:
        """A box between two opposite corners; as a `polygon` otherwise."""
        return self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], fill, outline, width)

    def dot(
        self,
        x: float,
        y: float,
        color: Color = INK,
        r: float = 4,
        outline: Color | None = None,
        width: float = 1.5,
    ) -> Plot:
        """A disc of radius r, or a ring if `color` is None."""
        ((px, py),) = self._points([(x, y)])
        r = r * self._fine
        w = max(1, round(width * self._fine)) if outline is not None else 0
        self._pen.ellipse((px - r, py - r, px + r, py + r), fill=color, outline=outline, width=w)
        return self

    def ring(self, x: float, y: float, color: Color = INK, r: float = 9, halo: Color = PAPER) -> Plot:
        """A ring of radius r that can be seen on any picture, for it has an edge of another colour on both sides."""
        return self.dot(x, y, None, r + 3, halo, 6).dot(x, y, None, r + 1.8, color, 3.6)

    def dots(self, points: Any, color: Color | Sequence[Color] = INK, r: float = 2.5) -> Plot:
        """(N, 2) discs, of one colour or one each."""
        p = self._points(points)
        colors = _each(color, len(p))
        r = r * self._fine
        for (x, y), c in zip(p, colors, strict=True):
            self._pen.ellipse((x - r, y - r, x + r, y + r), fill=c)
        return self

    def cross(self, x: float, y: float, color: Color = INK, r: float = 5, width: float = 2) -> Plot:
        """A ×."""
        ((px, py),) = self._points([(x, y)])
        r, w = r * self._fine, max(1, round(width * self._fine))
        self._pen.line([(px - r, py - r), (px + r, py + r)], fill=color, width=w)
        self._pen.line([(px - r, py + r), (px + r, py - r)], fill=color, width=w)
        return self

    def arrow(
        self,
        tail: Sequence[float],
        tip: Sequence[float],
        color: Color = INK,
        width: float = 2,
        head: float = 9,
    ) -> Plot:
        """From tail to tip, with a filled head; nothing where they coincide."""
        a, b = (np.array(p) for p in self._points([tail, tip]))
        length = float(np.hypot(*(b - a)))
        if length < 1:
            return self
        along = (b - a) / length
        across = np.array([-along[1], along[0]])
        h = min(head * self._fine, length)
        neck = b - along * h
        self._pen.line([tuple(a), tuple(neck)], fill=color, width=max(1, round(width * self._fine)))
        corners = [b, neck + across * h * 0.42, neck - across * h * 0.42]
        self._pen.polygon([tuple(c) for c in corners], fill=color)
        return self

    def bars(
        self, x: Any, height: Any, color: Color | Sequence[Color] = INK, width: float = 0.8, base: Any = 0.0
    ) -> Plot:
        """Bars centred at x, from `base` up to `height`, `width` in data units."""
        x, height = np.asarray(x, float), np.asarray(height, float)
        base = np.broadcast_to(np.asarray(base, float), x.shape)
        colors = _each(color, len(x))
        for xi, hi, bi, c in zip(x, height, base, colors, strict=True):
            (x0, y0), (x1, y1) = self._points([(xi - width / 2, bi), (xi + width / 2, hi)])
            self._pen.rectangle((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), fill=c)
        return self

    def image(self, picture: Any, x0: float, y0: float, x1: float, y1: float, smooth: bool = False) -> Plot:
        """A picture (as `rgba` takes it) in the data box from (x0, y0) below left to (x1, y1) above right."""
        (left, bottom), (right, top) = self._points([(x0, y0), (x1, y1)])
        size = max(1, round(right - left)), max(1, round(bottom - top))
        how = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
        shown = Image.fromarray(rgba(picture)).resize(size, how)
        self._image.paste(shown, (round(left), round(top)), shown)
        return self

    def text(
        self,
        x: float,
        y: float,
        text: str,
        color: Color = INK,
        size: float = 12,
        anchor: str = "mm",
        bold: bool = False,
        offset: tuple[float, float] = (0, 0),
        halo: bool = False,
    ) -> Plot:
        """At a data point, moved by `offset` CSS pixels (right, down).

        `anchor` is Pillow's: l/m/r, then a/m/s (top, middle, baseline). `halo` keeps it readable on shapes.
        """
        px, py = self._css(x, y)
        self._texts.append((px + offset[0], py + offset[1], text, color, size, anchor, bold, halo, False))
        return self

    def names(
        self, entries: Iterable[tuple[str, Color]], row: int = 0, bold: bool = True, gap: float = 14
    ) -> Plot:
        """A legend above the plot's box: each name in its colour, one beside the other, row 0 the lowest.

        The upper margin has to leave room: 22 pixels for a row, 14 for each further one.
        """
        x, y = self._box[0], self._box[1] - 8 - 14 * row
        for name, color in entries:
            self._texts.append((x, y, name, color, 11, "ls", bold, False, False))
            x += font(11 * SCALE, bold).getlength(name) / SCALE + gap
        return self

    def axes(
        self,
        xlabel: str = "",
        ylabel: str = "",
        xticks: Sequence[float] | dict[float, str] | None = None,
        yticks: Sequence[float] | dict[float, str] | None = None,
        grid: bool = True,
    ) -> Plot:
        """Labels, ticks and quiet grid lines.

        Ticks are {position: text} or positions; [] for none; round numbers if not given.
        """
        x0, y0, x1, y1 = self._box
        f = self._fine
        hair = max(1, f // 2)
        for value, label in _labelled(xticks, self.xlim, most=max(2, (x1 - x0) // 52)):
            px = self._css(value, 0.0)[0]
            if grid:
                self._pen.line([(px * f, y0 * f), (px * f, y1 * f)], fill=GRID, width=hair)
            self._texts.append((px, y1 + 6, label, MUTED, 11, "ma", False, False, False))
        for value, label in _labelled(yticks, self.ylim, most=max(2, (y1 - y0) // 40)):
            py = self._css(0.0, value)[1]
            if grid:
                self._pen.line([(x0 * f, py * f), (x1 * f, py * f)], fill=GRID, width=hair)
            self._texts.append((x0 - 6, py, label, MUTED, 11, "rm", False, False, False))
        self._pen.line([(x0 * f, y0 * f), (x0 * f, y1 * f), (x1 * f, y1 * f)], fill=MUTED, width=hair)
        if xlabel:
            self._texts.append(((x0 + x1) / 2, self.height - 3, xlabel, INK, 12, "md", False, False, False))
        if ylabel:
            self._texts.append((4, (y0 + y1) / 2, ylabel, INK, 12, "", False, False, True))
        return self

    def array(self) -> np.ndarray:
        """(2·height, 2·width, 4) uint8: give it to a `Panel` with `width=plot.width, pixelated=False`."""
        image = self._image.reduce(self._FINE)
        pen = ImageDraw.Draw(image)
        for x, y, text, color, size, anchor, bold, halo, turned in self._texts:
            face = font(size * SCALE, bold)
            if turned:
                x0, y0, x1, y1 = face.getbbox(text)
                strip = Image.new("L", (int(x1), int(y1) + SCALE), 0)
                ImageDraw.Draw(strip).text((0, 0), text, font=face, fill=255)
                strip = strip.transpose(Image.Transpose.ROTATE_90)
                image.paste(color, (round(x * SCALE), round(y * SCALE - strip.height / 2)), strip)
                continue
            kw = {"stroke_width": 2 * SCALE, "stroke_fill": PAPER} if halo else {}
            pen.text((x * SCALE, y * SCALE), text, font=face, fill=color, anchor=anchor, **kw)
        return np.asarray(image.convert("RGBA"))

    def panel(self, caption: str, alt: str, operable: bool = False) -> Panel:
        """The finished plot as a `Panel`."""
        return Panel(self.array(), caption, alt, width=self.width, pixelated=False, operable=operable)


def _each(color: Color | Sequence[Color], n: int) -> Sequence[Color]:
    one = isinstance(color, str) or (len(color) > 0 and isinstance(color[0], int))
    return [color] * n if one else color


def _equal(xlim: tuple, ylim: tuple, w: float, h: float) -> tuple[tuple[float, float], tuple[float, float]]:
    unit = max((xlim[1] - xlim[0]) / w, (ylim[1] - ylim[0]) / h)  # data per pixel
    dx, dy = (unit * w - (xlim[1] - xlim[0])) / 2, (unit * h - (ylim[1] - ylim[0])) / 2
    return (xlim[0] - dx, xlim[1] + dx), (ylim[0] - dy, ylim[1] + dy)


def _labelled(given: Any, limits: tuple[float, float], most: int) -> list[tuple[float, str]]:
    if isinstance(given, dict):
        return [(float(v), label) for v, label in given.items()]
    values = ticks(*limits, most=int(most)) if given is None else list(given)
    return [(float(v), f"{v:.10g}".replace("-", "−")) for v in values]


def _dashes(points: list[tuple[float, float]], on: float, off: float) -> list[list[tuple[float, float]]]:
    """A path cut into pieces of length `on` with gaps of `off`, the pattern carried over its corners."""
    pieces: list[list[tuple[float, float]]] = []
    left, drawing = on, True
    piece = [points[0]]
    for (xa, ya), (xb, yb) in zip(points, points[1:], strict=False):
        length = float(np.hypot(xb - xa, yb - ya))
        done = 0.0
        while length - done > left:
            done += left
            cut = (xa + (xb - xa) * done / length, ya + (yb - ya) * done / length)
            if drawing:
                pieces.append([*piece, cut])
            drawing = not drawing
            piece, left = [cut], on if drawing else off
        left -= length - done
        if drawing:
            piece.append((xb, yb))
    if drawing and len(piece) > 1:
        pieces.append(piece)
    return pieces


def compose(panels: Sequence[Panel], readout: str = "", width: int = 760) -> Image.Image:
    """The panels in rows with their captions, and a line beneath, as on the screen; RGB, at `SCALE`."""
    gap, line = 24, 18
    shown = [min(p.width, width) for p in panels]
    rows: list[list[int]] = [[]]
    used = 0
    for i, w in enumerate(shown):
        if rows[-1] and used + gap + w > width:
            rows.append([])
        used = w if not rows[-1] else used + gap + w
        rows[-1].append(i)
    heights = [round(w * p.rgba.shape[0] / p.rgba.shape[1]) for p, w in zip(panels, shown, strict=True)]
    captions = [_wrap(plain(p.caption), w, 12) for p, w in zip(panels, shown, strict=True)]
    foot = _wrap(readout, width, 13) if readout else []
    row_heights = [max(heights[i] + 8 + line * len(captions[i]) for i in row) for row in rows]
    total_w = max(sum(shown[i] for i in row) + gap * (len(row) - 1) for row in rows)
    if foot:
        total_w = max(total_w, *(int(font(13 * SCALE).getlength(t) / SCALE) + 1 for t in foot))
    total_h = sum(row_heights) + gap * (len(rows) - 1) + (8 + 20 * len(foot) if foot else 0)
    sheet = Image.new("RGB", ((total_w + 16) * SCALE, (total_h + 16) * SCALE), PAPER)
    pen = ImageDraw.Draw(sheet)
    y = 8
    for row, row_height in zip(rows, row_heights, strict=True):
        x = 8
        for i in row:
            size = (shown[i] * SCALE, heights[i] * SCALE)
            how = Image.Resampling.NEAREST if panels[i].pixelated else Image.Resampling.LANCZOS
            picture = Image.fromarray(panels[i].rgba)
            picture = picture if picture.size == size else picture.resize(size, how)
            sheet.paste(picture, (x * SCALE, y * SCALE), picture)
            for k, text in enumerate(captions[i]):
                at = (x * SCALE, (y + heights[i] + 8 + line * k) * SCALE)
                pen.text(at, text, font=font(12 * SCALE), fill=INK)
            x += shown[i] + gap
        y += row_height + gap
    for k, text in enumerate(foot):
        pen.text((8 * SCALE, (y - gap + 8 + 20 * k) * SCALE), text, font=font(13 * SCALE), fill=INK)
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
    """The image as PNG; a drawing with a palette of 256 colours, which takes 40 % of the bytes, and all with ``colors``."""
    file = io.BytesIO()
    if colors is None and image.mode == "RGB" and image.getcolors(DRAWN) is not None:
        colors = 256
    if colors is not None:
        image = image.quantize(colors, dither=Image.Dither.NONE)
    image.save(file, "png", optimize=False, compress_level=6)
    return file.getvalue()


def png_size(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG, from its header."""
    return struct.unpack(">II", data[16:24])


def plain(text: str) -> str:
    """HTML to plain text, for where there is no browser."""
    text = re.sub(r"<br\s*/?>|</(p|div|tr)>", "\n", text)
    text = re.sub(r"<su([bp])>([0-9+−-]+)</su\1>", lambda m: m[2].translate(_SMALL[m[1]]), text)
    text = re.sub(r"<sub>([^<]*)</sub>", r"_\1", text)
    return html.unescape(re.sub(r"<[^>]+>", "", text)).strip()
