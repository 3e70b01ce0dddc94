"""A button with which students bring a picture of their own; what is no picture becomes a sentence."""

import html
from collections.abc import Callable
from dataclasses import dataclass, field

import anywidget
import torch
import traitlets

from ssl_course.data.files import DataError
from ssl_course.data.photos import open_picture
from ssl_course.widgets.frame.canvas import HERE
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
        kinds = "JPEG, PNG, GIF, BMP, WebP, TIFF, AVIF, JPEG 2000"
        return Upload(message=f"The file is empty: choose a picture ({kinds}).")
    try:
        image = open_picture(content, size)
    except (DataError, ValueError, MemoryError) as error:
        return Upload(message=str(error))
    return Upload(image.contiguous().numpy().tobytes(), size)


class PictureButton(anywidget.AnyWidget):
    """A button for a file; its `Explorer` also takes one that is dropped on it or pasted into it.

    Args:
        receive: called with a sentence, or with the bytes of a picture: PNG, a square of at most ``side``
            pixels, or the file itself where the browser cannot read it.
    """

    _esm = HERE / "upload.js"
    side = traitlets.Int(512).tag(sync=True)

    def __init__(self, receive: Callable[[str | bytes], None]) -> None:
        super().__init__()
        self.on_msg(lambda _, content, buffers: receive(content.get("error") or bytes(buffers[0])))


def add_upload(explorer: Explorer, size: int, receive: Callable[[Upload], None]) -> PictureButton:
    """Put the button among the explorer's controls; ``receive`` gets what each upload became."""

    def take(given: str | bytes) -> None:
        answer_while_busy(button)
        upload = Upload(message=given) if isinstance(given, str) else read_upload(given, size)
        explorer.attempt(lambda: receive(upload))

    button = PictureButton(take)
    explorer.add(button)
    answer_while_busy(button)
    return button
