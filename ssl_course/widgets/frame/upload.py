"""A button with which students bring a picture of their own; what is no picture becomes a sentence."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import ipywidgets
import torch

from ssl_course.data.files import DataError
from ssl_course.data.photos import open_picture
from ssl_course.widgets.frame.explorer import Explorer, answer_while_busy


@dataclass(frozen=True)
class Upload:
    """What came of an upload: a picture, or a sentence that says why there is none.

    Attributes:
        pixels: of (3, size, size) uint8, as bytes, so that two uploads can be compared; empty if none.
        size: pixels a side.
        message: empty where there is a picture.
    """

    pixels: bytes = field(default=b"", repr=False)
    size: int = 0
    message: str = ""

    @property
    def image(self) -> torch.Tensor | None:
        """(3, size, size) uint8, or None."""
        if not self.pixels:
            return None
        return torch.frombuffer(bytearray(self.pixels), dtype=torch.uint8).view(3, self.size, self.size)

    @property
    def line(self) -> str:
        """The message as HTML for the line under the pictures."""
        return f'<span class="ssl-error">{html.escape(self.message)}</span><br>' if self.message else ""


NOTHING = Upload()


def read_upload(content: bytes, size: int) -> Upload:
    """A file's bytes as an `Upload` of size × size pixels; never raises for what is in them."""
    if not content:
        return Upload(message="The file is empty: choose a picture (JPEG, PNG, GIF, BMP, WebP or TIFF).")
    try:
        image = open_picture(content, size)
    except (DataError, ValueError, MemoryError) as error:
        return Upload(message=str(error))
    return Upload(image.contiguous().numpy().tobytes(), size)


def add_upload(explorer: Explorer, size: int, receive: Callable[[Upload], None]) -> ipywidgets.FileUpload:
    """Put the button into the explorer's first row; ``receive`` gets what each upload became."""
    words = {"description": "your picture", "tooltip": "Upload a picture of your own"}
    button = ipywidgets.FileUpload(accept="image/*", multiple=False, layout={"width": "auto"}, **words)

    def take(change: Any) -> None:
        answer_while_busy(button)
        if change["new"]:
            explorer.attempt(lambda: receive(read_upload(bytes(change["new"][0]["content"]), size)))

    button.observe(take, names="value")
    row = explorer.children[0]
    row.children = (*row.children, button)
    answer_while_busy(button)
    return button
