"""Cut holes into pictures: the pretext task of context encoders
(note §3.1, §3.3.2; Pathak 2016, arXiv 1604.07379).

A hole is a mask (N, 1, H, W) of zeros and ones, 1 where pixels are removed.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from ssl_course import nets
from ssl_course.interfaces import Batch

KINDS = ("centre", "blocks", "free", "around")
PARTS = ("sky", "middle", "ground")  # the upper, middle and lower third of a picture
BLOCKS = 5  # how many blocks one picture has; they may overlap


def make_holes(
    kind: str | Tensor, n: int, size: int, share: float = 0.25, *, generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
) -> Tensor:  # fmt: skip
    """One hole for each of n pictures of size × size pixels, (n, 1, size, size); Pathak et al. §3.3.

    centre: the square in the middle. around: everything but that square, the reverse question. blocks: a few
    squares at random places, which together cover at most ``share``. free: a region of any shape, a coarse
    random field above a threshold (the paper cuts along the outlines of other pictures' objects; its code has
    such fields too). mixed: each picture gets one of the four.
    A mask (size, size): that hole, for each picture.

    Args:
        share: of the picture's area, in (0, 1); for "around" that of the square which stays.

    Raises:
        ValueError: no such kind, or a share out of range.
    """
    if isinstance(kind, Tensor):
        return kind.to(device, torch.float32).expand(n, 1, size, size)
    if not 0 < share < 1:
        raise ValueError(f"share must be between 0 and 1, got {share}")
    if kind == "mixed":
        # All four are drawn and one is taken: no hole depends on what the other pictures got.
        which = torch.randint(len(KINDS), (n,), generator=generator, device=device)
        every = [make_holes(k, n, size, share, generator=generator, device=device) for k in KINDS]
        return torch.stack(every)[which, torch.arange(n, device=device)]
    if kind in ("centre", "around"):
        # Always at one place, the network may learn the edge of that place alone:
        # hence the other kinds (§3.3).
        side = min(max(round(size * share**0.5), 1), size - 1)
        first = (size - side) // 2
        at = torch.arange(size, device=device)
        inside = ((at >= first) & (at < first + side)).float()  # (size,)
        square: Tensor = (inside[:, None] * inside).expand(n, 1, size, size).clone()
        return square if kind == "centre" else 1 - square
    if kind == "blocks":
        side = min(max(round(size * (share / BLOCKS) ** 0.5), 1), size - 1)
        corner = torch.rand(2, n, BLOCKS, 1, generator=generator, device=device) * (size - side + 1)
        # u < 1, but u · m may be rounded up to m
        corner = corner.floor().clamp(max=size - side)
        at = torch.arange(size, device=device)
        row, column = (((at >= c) & (at < c + side)).float() for c in corner)  # (n, BLOCKS, size) each
        # where blocks overlap, a pixel is removed once
        return torch.einsum("nki,nkj->nij", row, column).clamp(max=1)[:, None]
    if kind == "free":
        # Few numbers, smoothly joined: above a threshold lie blobs,
        # where noise of each pixel would give dust.
        coarse = torch.rand(n, 1, 6, 6, generator=generator, device=device)
        field = F.interpolate(coarse, (size, size), mode="bicubic", align_corners=True)  # (n, 1, size, size)
        outside = min(max(round(size**2 * (1 - share)), 1), size**2 - 1)
        # each picture's own threshold, so that all holes are equally large
        edge = field.flatten(1).kthvalue(outside, dim=1).values  # (n,)
        return (field > edge[:, None, None, None]).float()
    raise ValueError(f"no hole {kind!r}; there are {', '.join(KINDS)} and mixed")


def dilate(mask: Tensor, width: int) -> Tensor:
    """The mask grown by ``width`` pixels to all sides, corners included, (N, 1, H, W).

    Raises:
        ValueError: a negative width.
    """
    if width < 0:
        raise ValueError(f"width must not be negative, got {width}")
    return F.max_pool2d(mask, 2 * width + 1, 1, width) if width else mask


def border_band(hole: Tensor, width: int) -> Tensor:
    """The band of ``width`` pixels around a hole, (N, 1, H, W):
    seen by the encoder, and predicted all the same."""
    return dilate(hole, width) - hole


def fill(images: Tensor, hole: Tensor, colour: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) with the hole in one colour (3,), in its units; the mean colour says least."""
    return torch.where(hole.bool(), colour.to(images)[:, None, None], images)


def mean_picture(data: Batch) -> Tensor:
    """The average picture of a set, (3, H, W) in [0, 1]: the best filling for who sees nothing."""
    return _mean(data.inputs)


def _mean(images: Tensor) -> Tensor:
    # in pieces: the whole set as floats would take four times its memory
    total = sum((nets.as_float(part).sum(0) for part in images.split(512)), torch.zeros(()))
    return total / len(images)  # (3, H, W)


def part_means(images: Tensor) -> Tensor:
    """The mean colour of each `PARTS` over pictures (N, 3, H, W), painted there: (3, H, W) in [0, 1]."""
    mean = _mean(images)  # (3, H, W)
    height = mean.shape[1]
    rows = [round(height * k / len(PARTS)) for k in range(len(PARTS) + 1)]
    # Landscapes are alike at one height: whoever fills a hole must beat this guess,
    # for which nothing need be seen.
    bands = [
        mean[:, a:b].mean((1, 2), keepdim=True).expand(-1, b - a, mean.shape[2])
        for a, b in zip(rows, rows[1:], strict=False)
    ]
    return torch.cat(bands, 1)
