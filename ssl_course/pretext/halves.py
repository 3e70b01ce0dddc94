"""Two halves of a picture as two views, or as two views of numbers for CCA (note §3.2)."""

from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from ssl_course import nets

GRID = 16  # pictures are averaged to so many pixels a side


def parted(images: Tensor, split: str = "left") -> tuple[Tensor, Tensor]:
    """Pictures (N, C, H, W) cut in two, "left" from right or "top" from bottom:
    one scene, and no pixel shared."""
    axis = 3 if split == "left" else 2
    first, second = images.tensor_split([images.shape[axis] // 2], axis)
    return first, second


def halves(images: Tensor, split: str, grid: int = GRID) -> tuple[Tensor, Tensor]:
    """Pictures (N, C, H, W), uint8 or float, as two views of numbers, (N, C·grid·grid/2) float64 each."""
    # float64, since CCA divides by small eigenvalues
    small = nets.as_double(adaptive_avg_pool2d(nets.as_float(images), grid))
    first, second = parted(small, split)
    return first.flatten(1), second.flatten(1)
