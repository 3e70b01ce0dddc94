"""Two halves of a picture as two views of numbers, for CCA (note §3.2)."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from ssl_course import nets

GRID = 16  # pictures are averaged to so many pixels a side


def halves(images: Tensor, split: str, grid: int = GRID) -> tuple[Tensor, Tensor]:
    """Pictures (N, C, H, W), uint8 or float, as two views of numbers, (N, C·grid·grid/2) float64 each."""
    # float64, since CCA divides by small eigenvalues
    small = adaptive_avg_pool2d(nets.as_float(images), grid).double()
    first, second = small.chunk(2, 3 if split == "left" else 2)
    return first.flatten(1), second.flatten(1)
