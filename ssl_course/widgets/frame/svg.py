"""Drawings as SVG: sharp at any zoom, its text is text, and the palette's colours follow the page's theme.

A colour of the palette becomes a variable of `canvas.css` with its light value behind it, so that a drawing
which leaves the course's pages keeps its colours. Thousands of dots take fewer bytes as a picture inside the
drawing, one for each theme; axes and text stay as they are.
"""

import base64
import io
from html import escape
from itertools import groupby, zip_longest
from operator import itemgetter

import numpy as np
from PIL import Image

from ssl_course.course.palette import PAPER
from ssl_course.course.themes import css, pixel
from ssl_course.widgets.frame.canvas import solid
from ssl_course.widgets.frame.marks import Area, Box, Discs, Drawing, Line, Picture, Text
from ssl_course.widgets.frame.paint import Sheet, paint

TELLING = 300  # of more points than this none says its values: they would be most of the drawing
# From about 2,400 dots on, a path of 13 bytes each is longer than two pictures of a plot of 300 × 220.
CROWD = 2000  # from here the shorter of the two is taken
LEVELS = 16  # of opacity in such a picture: twice as many bytes would be edges that nobody sees
EM = 12  # CSS pixels of a drawing's own letters: who shows it small may enlarge them all
ANCHORS = {"l": "start", "m": "middle", "r": "end"}
# From where Pillow's anchor puts a text to its baseline, in sizes of the font: by DejaVu's ascender (a, d
# below), or by the letters themselves (t, b).
BASELINE = {"a": 0.93, "t": 0.75, "m": 0.35, "s": 0.0, "b": -0.1, "d": -0.24}


def write(drawing: Drawing) -> str:
    """One <svg> element; texts last, above all else."""
    marks = sorted(drawing.marks, key=lambda mark: isinstance(mark, Text))  # stable
    paper = _box(Box(0, 0, drawing.width, drawing.height, drawing.paper))
    crowds = [isinstance(mark, Discs) and len(mark.points) > CROWD for mark in marks]
    written = zip(crowds, marks, strict=True)
    inside = [_crowd(mark, drawing) if many else _WRITE[type(mark)](mark) for many, mark in written]
    return _whole(drawing, paper + "".join(inside), ' class="ssl-drawing"')


def _whole(of: Drawing | Sheet, inside: str, look: str = "") -> str:
    size = f'viewBox="0 0 {of.width} {of.height}" width="{of.width}" height="{of.height}" font-size="{EM}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg"{look} {size}>{inside}</svg>'


def sheet(there: Sheet) -> str:
    """A whole frame as one <svg> element. In an <img> no mark can tell its values, so none has them."""
    parts = [_box(Box(0, 0, there.width, there.height, PAPER))]
    for panel, x, y, w, h in there.panels:
        if panel.drawn:
            drawing = panel.picture.drawing()
            marks = [m._replace(told="") if isinstance(m, Discs | Line) else m for m in drawing.marks]
            scale = w / panel.size[0]
            inside = write(drawing._replace(marks=marks))
            parts.append(f'<g transform="translate({x} {y}) scale({scale:.4g})">{inside}</g>')
        else:
            parts.append(_picture(Picture(panel.rgba, x, y, x + w, y + h, not panel.pixelated)))
    return _whole(there, "".join([*parts, *map(_text, there.words)]))


def _path(points: np.ndarray, close: str = "") -> str:
    return "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in points.tolist()) + close


def _n(value: float) -> str:
    """A tenth of a pixel is fine enough, and the shortest way to write it."""
    return f"{value:.1f}".removesuffix(".0")


def _end(told: str | None, kind: str) -> str:
    """Of an element that says this under the pointer."""
    return f"><title>{escape(told)}</title></{kind}>" if told else "/>"


def _line(mark: Line) -> str:
    dash = f' stroke-dasharray="{_n(mark.dash[0])} {_n(mark.dash[1])}"' if mark.dash else ""
    joint = ' stroke-linejoin="round"' if mark.rounded or len(mark.points) > 2 else ""
    return (
        f'<path d="{_path(mark.points)}" fill="none" stroke="{css(mark.color)}" '
        f'stroke-width="{max(mark.width, 1):g}"{dash}{joint}{_end(mark.told, "path")}'
    )


def _area(mark: Area) -> str:
    return f'<path d="{_path(mark.points, "Z")}" fill="{css(mark.fill)}"/>'


def _discs(mark: Discs) -> str:
    if mark.outline is None and not mark.told:
        return _dots(mark)
    # Pillow's outline lies inside the radius, SVG's on it.
    edge = f' stroke="{css(mark.outline)}" stroke-width="{mark.width:g}"' if mark.outline is not None else ""
    r = mark.r - mark.width / 2 if edge else mark.r
    return "".join(
        f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(r)}" fill="{fill}"{edge}{_end(told, "circle")}'
        for (x, y), fill, told in zip_longest(mark.points.tolist(), _fills(mark), mark.told)
    )


def _dots(mark: Discs) -> str:
    """Lines of no length with round ends, a dozen letters a dot; in runs of one colour, the order stays."""
    paths = []
    for color, run in groupby(zip(_fills(mark), mark.points.tolist(), strict=True), key=itemgetter(0)):
        dots = "".join(f"M{_n(x)} {_n(y)}h0" for _, (x, y) in run)
        width = _n(2 * mark.r)
        paths.append(f'<path d="{dots}" stroke="{color}" stroke-width="{width}" stroke-linecap="round"/>')
    return "".join(paths)


def _crowd(mark: Discs, drawing: Drawing) -> str:
    """Very many dots: as a path, or as the pictures that `paint` makes of them, whatever takes less."""
    path = _discs(mark)
    if None in mark.fills or mark.outline is not None:
        return path

    def painted(fills: list[tuple[int, ...]]) -> np.ndarray:
        alone = drawing._replace(paper="#000000", marks=[mark._replace(fills=fills)])
        return paint(alone)[:, :, :3].astype(float)

    light, dark = ([pixel(fill, dark) for fill in mark.fills] for dark in (False, True))
    opacity = painted([(255, 255, 255, alpha) for *_, alpha in light])[:, :, 0]
    pictures = []
    for fills in [light] if light == dark else [light, dark]:
        if len(set(fills)) == 1:
            level = np.rint(opacity * ((LEVELS - 1) / 255)).astype(np.uint8)
            image, how = Image.fromarray(level).convert("P"), {"bits": 4}
            image.putpalette(fills[0][:3] * LEVELS)
            how["transparency"] = bytes(round(255 * k / (LEVELS - 1)) for k in range(LEVELS))
        else:
            inks = np.rint(255 * painted(fills) / np.maximum(opacity, 1)[:, :, None]).clip(0, 255)
            image, how = Image.fromarray(np.dstack([inks, opacity]).astype(np.uint8)), {}
            image = image.quantize(256, Image.Quantize.FASTOCTREE)
        file = io.BytesIO()
        image.save(file, "png", **how)
        pictures.append(base64.b64encode(file.getvalue()).decode())
    looks = [""] if light == dark else [' class="ssl-light"', ' class="ssl-dark" display="none"']
    whole = f'<image width="{drawing.width}" height="{drawing.height}"'
    both = zip(pictures, looks, strict=True)
    shown = "".join(f'{whole} href="data:image/png;base64,{data}"{look}/>' for data, look in both)
    return min(path, shown, key=len)


def _fills(mark: Discs) -> list[str]:
    """Each by its name; thousands are often one object (a `Mixed` colour equals another that is none)."""
    names = {at: "none" if fill is None else css(fill) for at, fill in {id(f): f for f in mark.fills}.items()}
    return [names[id(fill)] for fill in mark.fills]


def _bounds(mark: Box | Picture) -> str:
    size = f'width="{_n(mark.x1 - mark.x0)}" height="{_n(mark.y1 - mark.y0)}"'
    return f'x="{_n(mark.x0)}" y="{_n(mark.y0)}" {size}'


def _box(mark: Box) -> str:
    return f'<rect {_bounds(mark)} fill="{css(mark.fill)}"{_end(mark.told, "rect")}'


def _picture(mark: Picture) -> str:
    file = io.BytesIO()
    solid(mark.pixels).save(file, "png", compress_level=1)
    sharp = "" if mark.smooth else ' style="image-rendering:pixelated"'
    data = base64.b64encode(file.getvalue()).decode()
    return f'<image {_bounds(mark)} preserveAspectRatio="none" href="data:image/png;base64,{data}"{sharp}/>'


def _text(mark: Text) -> str:
    bold = ' font-weight="bold"' if mark.bold else ""
    look = f'font-size="{mark.size / EM:.3g}em" fill="{css(mark.color)}"{bold}'
    if mark.halo:
        look += f' stroke="{css(PAPER)}" stroke-width="4" stroke-linejoin="round" paint-order="stroke"'
    across, along = "ma" if mark.turned else mark.anchor
    x, y, down = _n(mark.x), _n(mark.y), BASELINE[along] * mark.size
    where = f'x="{x}" y="{_n(mark.y + down)}"'
    if mark.turned:
        where = f'transform="translate({_n(mark.x + down)} {y}) rotate(-90)"'
    where += f' text-anchor="{ANCHORS[across]}"'
    return f"<text {where} {look}>{escape(mark.text)}</text>"


_WRITE = {Line: _line, Area: _area, Discs: _discs, Box: _box, Picture: _picture, Text: _text}
