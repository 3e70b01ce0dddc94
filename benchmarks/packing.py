"""How a run is kept for the live widgets: written here, for `live.py`, and read by `ssl_course.widgets.frame.replay`."""

from __future__ import annotations

import base64
import io
import json
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from ssl_course.course.palette import PAPER
from ssl_course.widgets.frame.canvas import Panel
from ssl_course.widgets.frame.marks import Drawing, Picture
from ssl_course.widgets.frame.progress import Losses
from ssl_course.widgets.frame.replay import MARKS


def pack(losses: Losses, panels: Sequence[Panel]) -> str:
    """A run as text: numbers to four digits, places to a tenth of a pixel, pictures as WebP."""
    run = {
        "losses": [[float(f"{v:.4g}") for v in column] for column in losses],
        "views": [{"caption": p.caption, "alt": p.alt, "drawing": _plain(_drawing(p))} for p in panels],
    }
    return base64.b64encode(zlib.compress(json.dumps(run).encode(), 9)).decode()


def _drawing(panel: Panel) -> Drawing:
    if panel.drawn:
        return panel.picture.drawing()
    height = round(panel.width * panel.picture.shape[0] / panel.picture.shape[1])
    whole = Picture(panel.picture, 0, 0, panel.width, height, not panel.pixelated)
    return Drawing(panel.width, height, PAPER, [whole])


def _plain(value: Any) -> Any:
    """Marks as lists with the name of their kind, arrays as lists of numbers, pixels as WebP."""
    if isinstance(value, Picture):
        file = io.BytesIO()
        Image.fromarray(value.pixels).save(file, "WEBP", quality=75)
        return ["Picture", base64.b64encode(file.getvalue()).decode(), *value[1:]]
    if isinstance(value, tuple | list):
        items = [_plain(v) for v in value]
        return [type(value).__name__, *items] if type(value).__name__ in MARKS else items
    if isinstance(value, np.ndarray):
        return np.round(value, 1).tolist()
    value = value.item() if isinstance(value, np.generic) else value
    return round(value, 2) if isinstance(value, float) else value
