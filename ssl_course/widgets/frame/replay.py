"""The recorded run of a lecture's recipe, which a live widget shows before anything is trained here.

`benchmarks/live.py` records them into ``assets/results/live.json``: losses and last views, as drawings.
"""

import base64
import functools
import io
import json
import zlib
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from ssl_course import assets
from ssl_course.course.palette import PAPER
from ssl_course.widgets.frame import draw
from ssl_course.widgets.frame.canvas import Panel
from ssl_course.widgets.frame.marks import Area, Box, Discs, Drawing, Line, Picture, Text
from ssl_course.widgets.frame.progress import Losses

MARKS = {kind.__name__: kind for kind in (Area, Box, Discs, Line, Picture, Text)}
VEIL = PAPER + "90"  # over the views: what is not trained here looks faint


class Recorded(NamedTuple):
    """A run that was recorded."""

    losses: Losses
    panels: tuple[Panel, ...]  # its last views, faint


class _Still(draw.Plot):
    """A drawing that is finished, as `Panel` takes it."""

    def __init__(self, drawing: Drawing) -> None:
        self.width, self.height, self._drawing = drawing.width, drawing.height, drawing
        self.over_picture = isinstance(drawing.marks[0], Picture)

    def drawing(self) -> Drawing:
        return self._drawing


def unpack(text: str) -> Recorded:
    """A run that `benchmarks/packing.py` has packed, its views under a veil."""
    run = json.loads(zlib.decompress(base64.b64decode(text)))
    panels = []
    for view in run["views"]:
        width, height, paper, marks = view["drawing"]
        marks = [*map(_mark, marks), Box(0, 0, width, height, VEIL)]
        still = _Still(Drawing(width, height, paper, marks))
        caption = f"{view['caption']} (recorded)"
        panels.append(Panel(still, caption, f"recorded earlier: {view['alt']}", pixelated=False))
    return Recorded(Losses(*map(np.array, run["losses"])), tuple(panels))


@functools.cache
def _kept() -> dict[str, str]:
    try:
        rows = json.loads(assets.results("live").read_text(encoding="utf-8"))["results"]
    except FileNotFoundError:
        return {}
    return {recipe: text for row in rows for recipe, text in row["runs"].items()}


def recorded(recipe: str) -> Recorded | None:
    """The run of this recipe, if it is one of those that the lectures train live."""
    text = _kept().get(recipe)
    return None if text is None else unpack(text)


def _mark(plain: list[Any]) -> Any:
    kind, first, *rest = plain
    if kind == "Picture":
        first = np.asarray(Image.open(io.BytesIO(base64.b64decode(first))).convert("RGBA"))
    elif isinstance(first, list):  # points
        first = np.array(first, float)
    return MARKS[kind](first, *map(_tuples, rest))


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
