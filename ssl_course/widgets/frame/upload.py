"""A button with which students bring a picture of their own; what is no picture becomes a sentence."""

import html
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anywidget
import torch
import traitlets

from ssl_course.data.files import DataError
from ssl_course.data.photos import open_picture
from ssl_course.widgets.frame.canvas import HERE
from ssl_course.widgets.frame.explorer import Explorer, answer_while_busy


@dataclass(frozen=True)
class Upload:
    """What came of an upload: a picture, or a sentence that says why there is none."""

    pixels: bytes = field(default=b"", repr=False)  # (3, size, size) uint8, as what can be compared
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
        kinds = "JPEG, PNG, GIF, BMP, WebP, TIFF, AVIF, JPEG 2000"
        return Upload(message=f"The file is empty: choose a picture ({kinds}).")
    try:
        image = open_picture(content, size)
    except (DataError, ValueError, MemoryError) as error:
        return Upload(message=str(error))
    return Upload(image.contiguous().numpy().tobytes(), size)


class PictureButton(anywidget.AnyWidget):
    """A button for a file; the `Explorer` also takes one that is dropped on it or pasted into it.

    Args:
        receive: gets what became of each, a picture of ``size`` pixels a side.
    """

    _esm = HERE / "upload.js"
    side = traitlets.Int(512).tag(sync=True)

    def __init__(self, explorer: Explorer, size: int, receive: Callable[[Upload], None]) -> None:
        super().__init__()
        answer_while_busy(self)

        # A sentence, a square PNG of at most ``side`` pixels, or the file, where the browser cannot read it.
        def take(_: Any, content: dict, buffers: list) -> None:
            answer_while_busy(self)
            wrong = content.get("error")
            upload = Upload(message=wrong) if wrong else read_upload(bytes(buffers[0]), size)
            explorer.attempt(lambda: receive(upload))

        self.on_msg(take)
