"""What the real sets share: where files may lie, one kind of error, and one way to resize."""

from __future__ import annotations

import os
from pathlib import Path

import torch


class DataError(RuntimeError):
    """A data set that is missing, incomplete or damaged; the message names the file and says what to do."""


def cache_folder() -> Path:
    """The user's cache of this course: downloads and the cut satellite patches. It may not exist yet."""
    from platformdirs import user_cache_path

    return user_cache_path("ssl_course", appauthor=False)


def data_folder() -> Path | None:
    """The folder named by the environment variable SSL_COURSE_DATA, or None where it is not set."""
    value = os.environ.get("SSL_COURSE_DATA", "").strip()
    return Path(value).expanduser() if value else None


def resize(images: torch.Tensor, size: int) -> torch.Tensor:
    """(N, C, H, W) uint8 → (N, C, size, size) uint8, bicubic, antialiased (PIL's BICUBIC)."""
    if images.shape[-2:] == (size, size):
        return images.contiguous()
    chunks = images.split(4096)  # the float copy of 60,000 pictures would not fit a small laptop
    return torch.cat(
        [
            torch.nn.functional.interpolate(chunk, (size, size), mode="bicubic", antialias=True)
            for chunk in chunks
        ]
    )
