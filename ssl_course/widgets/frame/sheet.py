"""The sheet in a widget's first panel: small pictures, of which one is chosen, or the student's own."""

from collections.abc import Mapping
from typing import Any

import ipywidgets
import numpy as np
import torch
import torch.nn.functional as F

from ssl_course.course import palette
from ssl_course.data.pictures import Pictures
from ssl_course.widgets.frame import draw
from ssl_course.widgets.frame.canvas import Key, Panel, Pointer
from ssl_course.widgets.frame.explorer import Explorer
from ssl_course.widgets.frame.upload import NOTHING, PictureButton, Upload

SHOWN, COLUMNS = 12, 4  # pictures to choose from; number SHOWN is the upload
THUMB = 64  # CSS pixels of a thumbnail, at least


class Gallery:
    """The state of a widget that asks networks about a picture that the student chooses.

    The first `SHOWN` of the pictures can be chosen; ``gray``: by thumbnails in gray.
    """

    def __init__(self, networks: Mapping[str, Any], pictures: Pictures, gray: bool = False) -> None:
        self.networks, self.images = networks, pictures.images[:SHOWN]  # (N, 3, size, size) uint8
        self.size = int(self.images.shape[-1])
        shown = Pictures(self.images).gray().images if gray else self.images
        small = F.interpolate(shown.float() / 255, (THUMB, THUMB), mode="bilinear", antialias=True)
        self.thumbs = [draw.rgba(x) for x in small]  # N of (64, 64, 4), once: no control changes them

    def which(self, picture: int, upload: Upload) -> int:
        """The place of the chosen picture, or −1 if it is the upload.

        Any number beyond the pictures is the upload; while there is none, counting begins again at the first.
        """
        count = len(self.images)
        return -1 if picture >= count and upload.image is not None else picture % count

    def image(self, picture: int, upload: Upload) -> torch.Tensor:
        """The chosen picture or the upload, (1, 3, size, size) uint8."""
        at = self.which(picture, upload)
        return (upload.image if at < 0 else self.images[at])[None]

    def sheet(self, picture: int, upload: Upload, *words: str) -> Panel:
        """The first panel; ``words`` are those of `sheet`."""
        return sheet(self.thumbs, self.which(picture, upload), *words)


def sheet(
    thumbs: list[np.ndarray], chosen: int, caption: str = "choose a picture", kind: str = "pictures"
) -> Panel:
    """The panel; ``chosen`` is −1 for the upload, ``kind`` what the alt text calls the thumbnails."""
    cells = [draw.framed(cell, palette.X1) if k == chosen else cell for k, cell in enumerate(thumbs)]
    choice = f"number {chosen + 1} is chosen" if chosen >= 0 else "your own picture is chosen"
    columns, alt = min(COLUMNS, len(cells)), f"{len(cells)} {kind}; {choice}"
    touch, picture = {"cells": (-(-len(cells) // columns), columns)}, draw.tile(cells, columns)
    shown = {"pixelated": False, "operable": True, "columns": columns, "touch": touch}
    return Panel(picture, caption, alt, picture.shape[1], **shown)


def moved(at: tuple[float, float], dx: float, dy: float, edge: float = 0.0) -> tuple[float, float]:
    """A place on a panel after a step, still on it and no nearer to its edges than ``edge``."""
    x, y = (min(max(v + step, edge), 1 - edge) for v, step in zip(at, (dx, dy), strict=True))
    return x, y


def cell_at(x: float, y: float, rows: int, columns: int) -> int:
    """The cell of a grid under a pointer, counted row by row."""
    return min(int(y * rows), rows - 1) * columns + min(int(x * columns), columns - 1)


class SheetExplorer(Explorer):
    """An `Explorer` whose first panel is a `sheet` of ``state.thumbs``.

    Hidden values are the number of the picture, what a new picture puts back (``fresh``), those in ``own``
    and, where the state has a ``size``, the student's own picture of so many pixels a side.
    """

    fresh: Mapping[str, Any] = {"guess": None}  # a new picture, a new guess
    own: Mapping[str, Any] = {}
    places: Mapping[int, tuple[str, float]] = {}  # panel → what is chosen there, how far an arrow moves it

    def __init__(self, controls: Mapping[str, ipywidgets.Widget], *, state: Any, **more: Any) -> None:
        size, hidden = getattr(state, "size", None), {"picture": 0, **self.own, **self.fresh}
        if size is not None:
            hidden["upload"] = NOTHING
        super().__init__(controls, state=state, hidden=hidden, **more)
        if size is not None:
            self.upload = PictureButton(self, size, self._receive)
            self.add(self.upload)

    def on_pointer(self, event: Pointer) -> None:
        """Choose the picture under the pointer, or a place."""
        n = len(self.state.thumbs)
        if event.panel == 0 and event.kind == "down":
            picture = cell_at(event.x, event.y, -(-n // COLUMNS), min(COLUMNS, n))
            self._choose(min(picture, n - 1))  # the last row may be short
        elif event.panel in self.places:
            self.set(**{**self.fresh, self.places[event.panel][0]: (event.x, event.y)})

    def on_key(self, event: Key) -> None:
        """Arrows choose the next picture in their direction, round and round, or move a place."""
        dx, dy = event.arrow
        if event.panel == 0:
            picture = self.values()["picture"] + dx + COLUMNS * dy
            self._choose(picture % len(self.state.thumbs))
        elif event.panel in self.places:
            name, step = self.places[event.panel]
            at = self.values()[name] or (0.5, 0.5)
            self.set(**{**self.fresh, name: moved(at, step * dx, step * dy)})

    def _choose(self, picture: int) -> None:
        if picture != self.values()["picture"]:
            self.set(picture=picture, **self.fresh)

    def _receive(self, upload: Upload) -> None:
        if upload.message:  # it takes the place of an earlier upload: back to a picture that is there
            self.set(upload=upload, picture=self.values()["picture"] % len(self.state.thumbs))
        else:
            self.set(upload=upload, picture=SHOWN, **self.fresh)
