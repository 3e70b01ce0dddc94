"""The one canvas that every widget of the course draws on: pictures and drawings in, strokes and keys out."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from PIL import Image

from ssl_course.course import themes

HERE = Path(__file__).parent
STYLE = (HERE / "canvas.css").read_text(encoding="utf-8") + themes.variables()
LARGEST_SIDE = 4096  # beyond this a browser's canvas may silently stay blank


def rgba(picture: Any) -> np.ndarray:
    """A picture as (H, W, 4) uint8, each pixel opaque, or four zeros where the page shows through.

    Args:
        picture: an array (H, W), (H, W, C) or (C, H, W), or a tensor (H, W) or (C, H, W), with C of 1, 3 or
            4; uint8, or float in [0, 1] (clipped). What is half transparent is laid over white.
    """
    tensor = hasattr(picture, "detach")  # a tensor, without importing torch
    array = picture.detach().cpu().numpy() if tensor else np.asarray(picture)
    if array.ndim == 3 and (tensor or (array.shape[0] in (1, 3, 4) and array.shape[2] not in (1, 3, 4))):
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim == 2:
        array = np.repeat(array[:, :, None], 3, axis=2)
    if array.ndim != 3 or array.shape[2] not in (3, 4):
        raise ValueError(f"a picture is (H, W), (H, W, 3) or (3, H, W); this one has shape {array.shape}")
    if array.dtype != np.uint8:
        if not np.issubdtype(array.dtype, np.floating):
            raise TypeError(f"a picture is uint8, or float in [0, 1]; this one is {array.dtype}")
        array = np.rint(np.clip(np.nan_to_num(array), 0, 1) * 255).astype(np.uint8)
    height, width = array.shape[:2]
    if not (0 < height <= LARGEST_SIDE and 0 < width <= LARGEST_SIDE):
        raise ValueError(f"a picture has sides of 1 to {LARGEST_SIDE} pixels; this one is {height} × {width}")
    opaque = np.full((height, width, 4), 255, np.uint8)
    if array.shape[2] == 4 and (array[:, :, 3] != 255).any():
        alpha = array[:, :, 3:].astype(np.float32) / 255
        opaque[alpha[:, :, 0] == 0] = 0
        array = np.where(alpha > 0, np.rint(array[:, :, :3] * alpha + 255 * (1 - alpha)), 0).astype(np.uint8)
    opaque[:, :, :3] = array[:, :, :3]
    return opaque


def solid(pixels: np.ndarray) -> Image.Image:
    """(H, W, 4) as an image: without alpha, which takes bytes, where all is opaque."""
    return Image.fromarray(pixels[:, :, :3] if pixels[:, :, 3].all() else pixels)


@dataclass(frozen=True, eq=False)
class Panel:
    """One picture of a widget.

    Attributes:
        picture: pixels that :func:`rgba` understands, or a drawing: what has `svg()`, its marks as
            `drawing()`, a `width` and a `height` in CSS pixels, `array()` for where there is no browser,
            and says whether it is `over_picture`.
        caption: a short line under the picture. ``X₁``, ``X₂``, ``Y`` and ``ψ`` get their colours.
        alt: what the picture shows, for those who do not see it.
        width: CSS pixels; None is the picture's own width.
        pixelated: True keeps the pixels of a small picture sharp, False smooths (plots).
        operable: takes strokes and keys: the pointer is a cross there, and Tab stops at it.
        columns: small pictures beside each other in it, none of which is shown less than 64 CSS pixels wide.
        touch: what a stroke does, for the browser to draw it under the pointer until the kernel's picture
            comes: ``{"brush": r}`` hides what is within r of its width, or with Shift shows it; ``{"cells":
            (rows, columns)}`` chooses one; ``"hidden": "01…"`` beside that, row by row, hides or shows those
            on its way as the first of them was not. Empty: the stroke leaves its trace.
    """

    picture: Any
    caption: str = ""
    alt: str = ""
    width: int | None = None
    pixelated: bool = True
    operable: bool = False
    columns: int = 1
    touch: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "drawn", hasattr(self.picture, "svg"))
        if not self.drawn:
            object.__setattr__(self, "picture", rgba(self.picture))
        object.__setattr__(self, "width", int(self.width or self.size[0]))
        if not self.alt:
            object.__setattr__(self, "alt", self.caption)

    @property
    def size(self) -> tuple[int, int]:
        """Its picture's own width and height: pixels, or CSS pixels of a drawing."""
        height, width = (self.picture.height, self.picture.width) if self.drawn else self.picture.shape[:2]
        return width, height

    @property
    def layout(self) -> dict[str, Any]:
        """All that a browser needs to know of it besides its content."""
        return {
            "width": self.size[0], "height": self.size[1], "css": self.width, "caption": self.caption,
            "alt": self.alt, "pixelated": self.pixelated, "operable": self.operable, "columns": self.columns,
            "touch": self.touch, "picture": not self.drawn or self.picture.over_picture,
        }  # fmt: skip

    @cached_property
    def rgba(self) -> np.ndarray:
        """Its pixels, (H, W, 4) uint8, opaque or nothing: a browser would round the colours of others."""
        return self.picture.array() if self.drawn else self.picture

    @cached_property
    def svg(self) -> str:
        """A drawing as an element, "" for pixels."""
        return self.picture.svg() if self.drawn else ""

    @cached_property
    def sent(self) -> str | bytes:
        """What travels to the browser: a drawing as text, pixels as a PNG, which loses nothing."""
        if self.drawn:
            return self.svg
        file = io.BytesIO()
        solid(self.picture).save(file, "png", compress_level=1)
        return file.getvalue()


Frame = tuple[list[Panel], str]  # what ``render`` gives: the panels and the line of HTML below them


@dataclass(frozen=True)
class Pointer:
    """A stroke on an operable panel.

    Attributes:
        kind: "down", "drag" or "up".
        panel: index of the panel.
        x, y: position in [0, 1], from the left and from the top.
        path: all positions since the stroke's last event, oldest first; the last is (x, y).
        shift: whether Shift was held.
    """

    kind: str
    panel: int
    x: float
    y: float
    path: tuple[tuple[float, float], ...] = ()
    shift: bool = False


ARROWS = {"ArrowLeft": (-1, 0), "ArrowRight": (1, 0), "ArrowUp": (0, -1), "ArrowDown": (0, 1)}


@dataclass(frozen=True)
class Key:
    """A key on the focused panel.

    Attributes:
        panel: index of the panel.
        key: "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Enter" or " ".
        shift: whether Shift was held.
    """

    panel: int
    key: str
    shift: bool = False

    @property
    def arrow(self) -> tuple[int, int]:
        """Its direction (dx, dy), y down; (0, 0) for Enter and Space."""
        return ARROWS.get(self.key, (0, 0))


class Canvas(anywidget.AnyWidget):
    """Panels side by side with a line of HTML below.

    Each panel has a trait of its own, and those that changed travel with the layout and the line below in one
    message: what is on the screen is always one whole frame, and a row of thumbnails that stays is sent once.
    The browser sends the next batch of events only when the last has been handled,
    and merges the strokes that come in between, so a slow kernel never falls behind.
    """

    _esm = HERE / "canvas.js"
    _css = STYLE
    _frame = traitlets.Dict().tag(sync=True)

    def __init__(self, on_events: Callable[[list[Pointer | Key]], None] | None = None) -> None:
        super().__init__()
        self.panels: list[Panel] = []
        self.readout = ""
        self._on_events = on_events
        self.on_msg(self._receive)

    def show(self, panels: Sequence[Panel], readout: str = "") -> None:
        """Replace all panels and the line of HTML below them."""
        self.panels, self.readout = list(panels), readout
        layout = [panel.layout for panel in self.panels]
        number = self._frame.get("number", 0) + 1
        names = [f"_panel{i}" for i in range(len(self.panels))]
        self.add_traits(**{n: traitlets.Any().tag(sync=True) for n in names if not self.has_trait(n)})
        with self.hold_sync():  # one message
            for name, panel in zip(names, self.panels, strict=True):
                setattr(self, name, panel.sent)
            self._frame = {"number": number, "canvas": self.model_id, "panels": layout, "readout": readout}

    def _receive(self, _widget: Any, content: dict, _buffers: Any) -> None:
        try:
            events = [_event(event) for event in content.get("events", ())]
            if events and self._on_events:
                self._on_events(events)
        finally:  # without the answer the browser would wait for ever
            self.send({"handled": content.get("batch")})


def _event(message: dict) -> Pointer | Key:
    if "key" in message:
        return Key(message["panel"], message["key"], message["shift"])
    path = tuple((x, y) for x, y in message["path"])
    return Pointer(message["kind"], message["panel"], message["x"], message["y"], path, message["shift"])
