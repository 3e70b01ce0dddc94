"""What a drawing consists of: marks in CSS pixels from its top left, each above those before it.

`draw.Plot` records them; `svg` writes them for a browser, `paint` paints them where there is none.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Color = str | tuple[int, int, int] | tuple[int, int, int, int]
Dash = tuple[float, float] | None  # on and off, in CSS pixels


class Line(NamedTuple):
    """Through points, (N, 2)."""

    points: np.ndarray
    color: Color
    width: float
    dash: Dash = None
    rounded: bool = False  # at its joints
    told: str = ""


class Area(NamedTuple):
    """A polygon with corners, (N, 2), filled."""

    points: np.ndarray
    fill: Color


class Discs(NamedTuple):
    """Round points, (N, 2), of radius r, each of its colour; told: what each says under the pointer."""

    points: np.ndarray
    r: float
    fills: Sequence[Color | None]
    outline: Color | None = None
    width: float = 0
    told: Sequence[str] = ()


class Box(NamedTuple):
    """A filled rectangle from its upper left to its lower right."""

    x0: float
    y0: float
    x1: float
    y1: float
    fill: Color
    told: str = ""


class Picture(NamedTuple):
    """Pixels, (H, W, 4), stretched over a rectangle; smooth: between their middles."""

    pixels: np.ndarray
    x0: float
    y0: float
    x1: float
    y1: float
    smooth: bool


class Text(NamedTuple):
    """One line. anchor is Pillow's: l/m/r, then a/t/m/s/b/d from top to bottom (s: baseline)."""

    x: float
    y: float
    text: str
    color: Color
    size: float
    anchor: str
    bold: bool = False
    halo: bool = False
    turned: bool = False  # reads upwards


Mark = Line | Area | Discs | Box | Picture | Text


class Drawing(NamedTuple):
    """Paper of so many CSS pixels and the marks on it; texts lie above all else."""

    width: int
    height: int
    paper: Color
    marks: Sequence[Mark]
