"""Plots and picture sheets: what a widget draws, in the units of its data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from ssl_course.course.palette import GRID, INK, MUTED, PAPER, rgb
from ssl_course.widgets.frame import paint, svg
from ssl_course.widgets.frame.canvas import Panel, rgba
from ssl_course.widgets.frame.marks import Area, Box, Color, Dash, Discs, Drawing, Line, Mark, Picture, Text

Colors = Color | Sequence[Color]  # of all, or of each
Fill = Color | None  # None: nothing is painted
Point = Sequence[float]  # x, y
Tick = Sequence[float] | dict[float, str] | None  # positions, or {position: text}; None: round numbers


def printable(text: str) -> str:
    """The text with "�" for what is no letter or sign, such as control characters: no font can draw those."""
    return "".join(c if c.isprintable() or c in "\n\u200d" else "�" for c in text)


def short(text: str, most: int) -> str:
    """A `printable` text, cut to ``most`` letters of which the last then is "…"."""
    text = printable(text)
    return text if len(text) <= most else text[: most - 1] + "…"


def fitted(text: str, width: float, size: float, bold: bool = False) -> str:
    """A `printable` text, cut so that it is at most ``width`` CSS pixels long."""
    text, face = printable(text), paint.font(size * paint.SCALE, bold)
    most = len(text)
    while most > 1 and face.getlength(short(text, most)) > width * paint.SCALE:
        most -= 1
    return short(text, most)


def number(value: float) -> str:
    """Three digits for the line under the pictures: "0", "0.0123", "1.2e−5"."""
    if abs(value) < 1e-12:
        return "0"
    plain_enough = 1e-3 <= abs(value) < 1e4
    text = f"{value:.3g}" if plain_enough else f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e")
    return text.replace("-", "−")


def framed(picture: Any, color: Color, width: int = 3) -> np.ndarray:
    """A copy (H, W, 4) of a picture (anything `rgba` takes), on its edges a frame `width` pixels wide."""
    image = Image.fromarray(rgba(picture))
    ImageDraw.Draw(image).rectangle((0, 0, image.width - 1, image.height - 1), outline=color, width=width)
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
    words = {}
    for value in values:
        at = float(np.log10(value))
        words[at] = f"{value:,g}" if value >= 0.01 else f"10{str(round(at)).translate(paint.SMALL['p'])}"
    return words


class Plot:
    """A small plot on its own paper, in data coordinates; y points up.

    Text lies above all shapes. Widths, radii and sizes are in CSS pixels. Every method returns the plot, so
    calls can be chained; `panel` ends it. In a browser the colours of the palette follow the page's theme,
    and a mark says its values under the pointer.
    """

    over_picture = False  # marks on a picture, which may be shown in any size

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
        self.width, self.height, self._paper = width, height, paper
        top, right, bottom, left = margin
        self._box = (left, top, width - right, height - bottom)
        x0, y0, x1, y1 = self._box
        if equal:
            xlim, ylim = _equal(xlim, ylim, x1 - x0, y1 - y0)
        self.xlim, self.ylim = xlim, ylim
        self._x = (x0, (x1 - x0) / (xlim[1] - xlim[0]))  # CSS pixel of xlim[0], pixels per unit
        self._y = (y1, (y0 - y1) / (ylim[1] - ylim[0]))
        self._marks: list[Mark] = []
        self._tells: tuple[_Axis, ...] = ()  # what a mark says of x and of y: nothing before axes are drawn

    @classmethod
    def board(cls, width: int, height: int) -> Plot:
        """Paper without margins, x and y in CSS pixels from its top left: y points down."""
        return cls(width, height, (0, width), (height, 0), margin=(0, 0, 0, 0))

    @classmethod
    def over(cls, picture: Any, width: int, smooth: bool = False) -> Plot:
        """A picture to draw on, x and y from 0 to 1 from its top left, as those of a `Pointer`."""
        pixels = rgba(picture)
        height = round(width * pixels.shape[0] / pixels.shape[1])
        plot = cls(width, height, (0, 1), (1, 0), margin=(0, 0, 0, 0)).image(pixels, 0, 1, 1, 0, smooth)
        plot.over_picture = True
        return plot

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

    def _points(self, points: Any) -> np.ndarray:
        p = np.asarray(points, float).reshape(-1, 2)
        return np.stack(self._css(p[:, 0], p[:, 1]), 1)

    # shapes

    def line(
        self, points: Any, color: Color = INK, width: float = 2, dash: Dash = None, told: str = ""
    ) -> Plot:
        """Through (N, 2) points; `dash` = (on, off) in CSS pixels; `told`: what it says under the pointer."""
        p = self._points(points)
        # A smooth curve of many points shows no gaps at its joints.
        self._marks.append(Line(p, color, width, dash, len(p) <= 16, told))
        return self

    def polygon(self, points: Any, fill: Fill = None, outline: Fill = None, width: float = 1) -> Plot:
        """With (N, 2) corners; a fill such as "#1f77b440" lets what is below shine through."""
        p = self._points(points)
        if fill is not None:
            self._marks.append(Area(p, fill))
        if outline is not None:
            self._marks.append(Line(np.concatenate([p, p[:2]]), outline, width, rounded=True))
        return self

    def rect(
        self,
        x0: float,
        y0: float,
        x1: float,
        y1: float,
        fill: Fill = None,
        outline: Fill = None,
        width: float = 1,
    ) -> Plot:
        """A box between two opposite corners; as a `polygon` otherwise."""
        return self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], fill, outline, width)

    def dot(
        self, x: float, y: float, color: Fill = INK, r: float = 4, outline: Fill = None, width: float = 1.5
    ) -> Plot:
        """A disc of radius r, or a ring if `color` is None."""
        told = self._told([(x, y)])
        self._marks.append(Discs(self._points([(x, y)]), r, [color], outline, width, told))
        return self

    def ring(self, x: float, y: float, color: Color = INK, r: float = 9, halo: Color = PAPER) -> Plot:
        """A ring of radius r with an edge of another colour on both sides, to be seen on any picture."""
        return self.dot(x, y, None, r + 3, halo, 6).dot(x, y, None, r + 1.8, color, 3.6)

    def dots(self, points: Any, color: Colors = INK, r: float = 2.5) -> Plot:
        """(N, 2) discs, of one colour or one each."""
        p = np.asarray(points, float).reshape(-1, 2)
        self._marks.append(Discs(self._points(p), r, _each(color, len(p)), told=self._told(p)))
        return self

    def cross(self, x: float, y: float, color: Color = INK, r: float = 5, width: float = 2) -> Plot:
        """A ×."""
        middle = self._points([(x, y)])
        for sign in (1, -1):
            self._marks.append(Line(middle + r * np.array([(-1, -sign), (1, sign)]), color, width))
        return self

    def arrow(self, tail: Point, tip: Point, color: Color = INK, width: float = 2, head: float = 9) -> Plot:
        """From tail to tip, with a filled head; nothing where they coincide."""
        a, b = self._points([tail, tip])
        length = float(np.hypot(*(b - a)))
        if length < 0.25:
            return self
        along = (b - a) / length
        across = np.array([-along[1], along[0]]) * min(head, length) * 0.42
        neck = b - along * min(head, length)
        self._marks.append(Line(np.stack([a, neck]), color, width))
        self._marks.append(Area(np.stack([b, neck + across, neck - across]), color))
        return self

    def bars(self, x: Any, height: Any, color: Colors = INK, width: float = 0.8, base: Any = 0.0) -> Plot:
        """Bars centred at x, from `base` up to `height`, `width` in data units."""
        x, height = np.asarray(x, float), np.asarray(height, float)
        base = np.broadcast_to(np.asarray(base, float), x.shape)
        told = self._told(np.stack([x, height], 1)) or [""] * len(x)
        for xi, hi, bi, c, says in zip(x, height, base, _each(color, len(x)), told, strict=True):
            corners = self._points([(xi - width / 2, bi), (xi + width / 2, hi)])
            self._marks.append(Box(*corners.min(0), *corners.max(0), c, says))
        return self

    def image(self, picture: Any, x0: float, y0: float, x1: float, y1: float, smooth: bool = False) -> Plot:
        """A picture (as `rgba` takes it) in the data box from (x0, y0) below left to (x1, y1) above right."""
        (left, bottom), (right, top) = self._points([(x0, y0), (x1, y1)])
        self._marks.append(Picture(rgba(picture), left, top, right, bottom, smooth))
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
        self._marks.append(Text(px + offset[0], py + offset[1], text, color, size, anchor, bold, halo))
        return self

    def names(
        self, entries: Iterable[tuple[str, Color]], row: int = 0, bold: bool = True, gap: float = 14
    ) -> Plot:
        """A legend above the plot's box: each name in its colour, one beside the other, row 0 the lowest.

        The upper margin has to leave room: 22 pixels for a row, 14 for each further one.
        """
        x, y = self._box[0], self._box[1] - 8 - 14 * row
        for name, color in entries:
            self._marks.append(Text(x, y, name, color, 11, "ls", bold))
            x += paint.font(11 * paint.SCALE, bold).getlength(name) / paint.SCALE + gap
        return self

    def axes(
        self, xlabel: str = "", ylabel: str = "", xticks: Tick = None, yticks: Tick = None, grid: bool = True
    ) -> Plot:
        """Labels, ticks and quiet grid lines.

        Ticks are {position: text} or positions; [] for none; round numbers if not given.
        """
        x0, y0, x1, y1 = self._box
        self._tells = (_Axis(xlabel, xticks), _Axis(ylabel, yticks))
        for value, label in _labelled(xticks, self.xlim, most=max(2, (x1 - x0) // 52)):
            px = self._css(value, 0.0)[0]
            if grid:
                self._marks.append(Line(np.array([(px, y0), (px, y1)]), GRID, 0.5))
            self._marks.append(Text(px, y1 + 6, label, MUTED, 11, "ma"))
        for value, label in _labelled(yticks, self.ylim, most=max(2, (y1 - y0) // 40)):
            py = self._css(0.0, value)[1]
            if grid:
                self._marks.append(Line(np.array([(x0, py), (x1, py)]), GRID, 0.5))
            self._marks.append(Text(x0 - 6, py, label, MUTED, 11, "rm"))
        self._marks.append(Line(np.array([(x0, y0), (x0, y1), (x1, y1)], float), MUTED, 0.5))
        if xlabel:
            self._marks.append(Text((x0 + x1) / 2, self.height - 3, xlabel, INK, 12, "md"))
        if ylabel:
            self._marks.append(Text(4, (y0 + y1) / 2, ylabel, INK, 12, "", turned=True))
        return self

    def _told(self, points: Any) -> list[str]:
        """What each of (N, 2) points says of itself: its values on both axes, where the axes give them."""
        if not self._tells or len(points) > svg.TELLING:
            return []
        pairs = ([axis.says(v) for axis, v in zip(self._tells, point, strict=True)] for point in points)
        told = [", ".join(filter(None, pair)) for pair in pairs]
        return told if any(told) else []

    # the end

    def drawing(self) -> Drawing:
        """All marks so far."""
        return Drawing(self.width, self.height, self._paper, tuple(self._marks))

    def array(self) -> np.ndarray:
        """Painted, (2·height, 2·width, 4) uint8."""
        return paint.paint(self.drawing())

    def svg(self) -> str:
        """As an element for a page that has `canvas.css`."""
        return svg.write(self.drawing())

    def panel(self, caption: str, alt: str, operable: bool = False, columns: int = 1) -> Panel:
        """The finished plot as a `Panel`."""
        return Panel(self, caption, alt, self.width, pixelated=False, operable=operable, columns=columns)


class _Axis(NamedTuple):
    """What a mark says of its place on one axis."""

    label: str
    ticks: Tick

    def says(self, value: float) -> str:
        """ "steps 300"; only the ticks' own words where there are any: they may stand for anything."""
        if isinstance(self.ticks, dict):
            value = self.ticks.get(float(value), "")
        elif self.ticks is not None and not len(self.ticks):
            value = ""
        text = value if isinstance(value, str) else number(value)
        return f"{self.label} {text}".strip() if text else ""


def _each(color: Colors, n: int) -> Sequence[Color]:
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
