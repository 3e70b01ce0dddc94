"""Hide patches of a picture: the pretext task of masked autoencoders (note §3.1; MAE, arXiv 2111.06377)."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ssl_course import nets

KINDS = ("random", "block", "grid")


def patchify(images: Tensor, patch_size: int) -> Tensor:
    """Pictures as rows of patches, (N, C, H, W) → (N, L, p²·C);
    in a row pixel by pixel, its channels together.

    Patches go row by row over the picture, pixels row by row over the patch.

    Raises:
        ValueError: ``patch_size`` does not divide height and width.
    """
    n, c, height, width = images.shape
    p = patch_size
    if height % p or width % p:
        raise ValueError(f"patch_size={p} does not divide {height} × {width} pixels")
    x = images.reshape(n, c, height // p, p, width // p, p)  # (N, C, h, p, w, p)
    # Channels last, the order of the authors' code.
    return x.permute(0, 2, 4, 3, 5, 1).reshape(n, (height // p) * (width // p), p * p * c)


def unpatchify(patches: Tensor, patch_size: int) -> Tensor:
    """The inverse of `patchify` for square pictures of 3 channels, (N, L, p²·3) → (N, 3, H, W).

    Raises:
        ValueError: the number of patches is not a square.
    """
    n, length, _ = patches.shape
    side, p = round(length**0.5), patch_size
    if side * side != length:
        raise ValueError(f"{length} patches do not make a square")
    x = patches.reshape(n, side, side, p, p, -1)  # (N, h, w, p, p, C)
    return x.permute(0, 5, 1, 3, 2, 4).reshape(n, -1, side * p, side * p)


def to_pixels(mask: Tensor, patch_size: int) -> Tensor:
    """A mask of the patches of square pictures as one of pixels, (N, L) → (N, 1, H, W)."""
    side = round(mask.shape[1] ** 0.5)
    grid: Tensor = mask.unflatten(1, (1, side, side))  # (N, 1, h, w)
    return grid.repeat_interleave(patch_size, 2).repeat_interleave(patch_size, 3)


def n_keep(length: int, mask_ratio: float) -> int:
    """How many of ``length`` patches stay visible: rounded, at least one and at most all but one."""
    # round, since int(10 · (1 − 0.9)) is 0; and there must be something to see and something to guess
    return min(max(round(length * (1 - mask_ratio)), 1), length - 1)


def random_masking(noise: Tensor, mask_ratio: float) -> tuple[Tensor, Tensor, Tensor]:
    """Per picture, keep the patches with the smallest noise (MAE, §3).

    Args:
        noise: (N, L), any numbers; uniform ones give a uniform choice.
        mask_ratio: share of patches that are removed.

    Returns:
        ids_keep (N, K): the kept patches, in the order of their noise. ids_restore (N, L): where in the row
        [kept …, removed …] each patch is to be found. mask (N, L): 1.0 where removed.
    """
    length = noise.shape[1]
    # Sorting noise draws without replacement, for all pictures at once;
    # stable, so ties fall alike everywhere.
    ids_shuffle = noise.argsort(dim=1, stable=True)  # (N, L)
    ids_restore = ids_shuffle.argsort(1)  # (N, L), the inverse: each patch's place in the sorted row
    keep = n_keep(length, mask_ratio)
    mask = (ids_restore >= keep).to(torch.float32)  # (N, L)
    return ids_shuffle[:, :keep], ids_restore, mask


def mask_noise(
    kind: str, n: int, grid: int, mask_ratio: float, *, generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
) -> Tensor:  # fmt: skip
    """Noise (n, grid²) that makes `random_masking` remove patches at random, in one block,
    or on a regular grid.

    random: uniform. block: what is removed is the square (or what the ratio leaves of one) around a random
    place. grid: kept patches lie on a regular lattice with a random offset, as far as the ratio allows
    (.75 keeps one in every 2 × 2).

    Raises:
        ValueError: no such kind.
    """
    rand = torch.rand(n, grid * grid, generator=generator, device=device)  # (n, L)
    if kind == "random":
        return rand
    row, column = torch.meshgrid(*[torch.arange(grid, device=device)] * 2, indexing="ij")
    row, column = row.reshape(1, -1), column.reshape(1, -1)  # (1, L)
    if kind == "block":
        # Nothing next to most of what is hidden is seen: harder to guess,
        # and at high ratios worse features (MAE §4.1).
        side = min(grid, max(1, (grid * grid * mask_ratio) ** 0.5))
        corner = torch.rand(n, 2, generator=generator, device=device) * (grid - side)  # (n, 2)
        centre = corner + (side - 1) / 2
        far = torch.maximum((row - centre[:, :1]).abs(), (column - centre[:, 1:]).abs())  # (n, L)
        return -far + 1e-3 * rand  # the nearest are removed: largest noise
    if kind == "grid":
        # Every gap has a seen neighbour: the picture comes out sharper, the features worse (MAE §4.1).
        period = max(2, round((1 / max(1 - mask_ratio, 1e-6)) ** 0.5))
        offset = torch.randint(period, (n, 2), generator=generator, device=device)  # (n, 2)
        off = ((row + offset[:, :1]) % period != 0).int() + ((column + offset[:, 1:]) % period != 0).int()
        return rand.add(off)  # the lattice first, then its rows and columns, then the rest
    raise ValueError(f"no masking {kind!r}; there are {', '.join(KINDS)}")


# ----------------------------------------------------------------------------------- what a filling must beat
def patch_means(images: Tensor, patch_size: int) -> Tensor:
    """Pictures (N, 3, H, W) in [0, 1] with every patch in its own mean colour.

    Nobody who does not see a patch can know its mean: to beat this filling on hidden patches is to have got
    their mean and some of their texture right.
    """
    return F.interpolate(F.avg_pool2d(nets.as_float(images), patch_size), scale_factor=patch_size)


def hidden_error(truth: Tensor, filled: Tensor, mask: Tensor) -> float:
    """Mean squared error on removed patches alone, a number and channel, pixels in [0, 1].

    Args:
        truth, filled: (N, 3, H, W), uint8 or in [0, 1]; ``filled`` may be one picture (3, H, W) for all.
        mask: (N, L), 1 where a patch was removed.

    Raises:
        ValueError: nothing was removed.
    """
    if not mask.any():
        raise ValueError("the mask removes nothing, so there is no error")
    # in pixels as they are shown, so that numbers of different methods can stand side by side
    error = (nets.as_float(filled) - nets.as_float(truth)).square()  # (N, 3, H, W)
    side = round(mask.shape[1] ** 0.5)
    per_patch = F.adaptive_avg_pool2d(error, side).mean(1).flatten(1)  # (N, L)
    return float((per_patch * mask).sum() / mask.sum())
