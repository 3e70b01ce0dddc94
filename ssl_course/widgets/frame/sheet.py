"""The sheet in a widget's first panel: small pictures, one of which is chosen, unless it is the student's own."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from ssl_course.course import palette
from ssl_course.widgets.frame import draw
from ssl_course.widgets.frame.canvas import Key, Panel, Pointer
from ssl_course.widgets.frame.upload import Upload

SHOWN, COLUMNS = 12, 4  # pictures to choose from; number SHOWN is the upload
ARROWS = {"ArrowLeft": (-1, 0), "ArrowRight": (1, 0), "ArrowUp": (0, -1), "ArrowDown": (0, 1)}  # (dx, dy)


def thumbnails(images: torch.Tensor) -> list[np.ndarray]:
    """(N, C, H, W) uint8 → N of (48, 48, 4); for a state, since no control changes them."""
    small = F.interpolate(images.float() / 255, (48, 48), mode="bilinear", antialias=True)  # (N, C, 48, 48)
    return [draw.rgba(x) for x in small]


def which(picture: int, upload: Upload, count: int) -> int:
    """The place of the chosen one among ``count`` pictures, or −1 if it is the upload.

    Any number beyond the pictures is the upload; while there is none, counting begins again at the first picture.
    """
    return -1 if picture >= count and upload.image is not None else picture % count


def chosen_image(images: torch.Tensor, picture: int, upload: Upload) -> torch.Tensor:
    """The chosen one of (N, 3, s, s) uint8, or the upload, as (1, 3, s, s) uint8."""
    at = which(picture, upload, len(images))
    return (upload.image if at < 0 else images[at])[None]  # (1, 3, s, s)


def framed(cell: np.ndarray) -> np.ndarray:
    """A copy of a thumbnail (H, W, 4) with a frame in the colour of X₁."""
    cell = cell.copy()
    cell[:3], cell[-3:], cell[:, :3], cell[:, -3:] = ((*bytes.fromhex(palette.X1[1:]), 255),) * 4
    return cell


def sheet(
    thumbs: list[np.ndarray], chosen: int, caption: str = "choose a picture", kind: str = "pictures",
    columns: int = COLUMNS,
) -> Panel:  # fmt: skip
    """The panel; ``chosen`` as `which` gives it, ``kind`` what the alt text calls the thumbnails."""
    cells = [framed(cell) if k == chosen else cell for k, cell in enumerate(thumbs)]
    said = f"number {chosen + 1} is chosen" if chosen >= 0 else "your own picture is chosen"
    columns = min(columns, len(cells))
    return Panel(
        draw.tile(cells, columns), caption, f"{len(cells)} {kind}; {said}", 49 * columns, operable=True
    )


class OnSheet:
    """For an `Explorer` with ``state.thumbs`` and the hidden values picture and guess (and upload, to receive one)."""

    sheet_columns = COLUMNS

    def on_sheet(self, event: Pointer | Key) -> None:
        """Choose the picture under the pointer, or the next one in the arrow's direction, round and round."""
        n = len(self.state.thumbs)
        if isinstance(event, Key):
            dx, dy = ARROWS.get(event.key, (0, 0))
            self._choose((self.values()["picture"] + dx + self.sheet_columns * dy) % n)
        elif event.kind == "down":
            rows, columns = -(-n // self.sheet_columns), min(self.sheet_columns, n)
            row, column = min(int(event.y * rows), rows - 1), min(int(event.x * columns), columns - 1)
            self._choose(min(row * columns + column, n - 1))  # the last row may be short

    def _choose(self, picture: int) -> None:
        if picture != self.values()["picture"]:
            self.set(picture=picture, guess=None)  # a new picture, a new guess

    def _receive(self, upload: Upload) -> None:
        if upload.message:  # it takes the place of an earlier upload: back to a picture that is there
            self.set(upload=upload, picture=self.values()["picture"] % len(self.state.thumbs))
        else:
            self.set(upload=upload, picture=SHOWN, guess=None)
