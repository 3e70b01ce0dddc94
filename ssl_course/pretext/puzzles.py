"""Puzzles: turn a picture, or cut it into tiles and shuffle them; the answer comes free (note §3.1).

Both tasks can be won without looking at the picture: by the black corners that an interpolated turn leaves,
by edges that run on from tile to tile, by brightness, by the lens's colour fringes. What closes these
shortcuts is here, and each can be switched off to see what the network learns instead.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import permutations as all_permutations
from math import factorial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

RIGHT_ANGLES = (0.0, 90.0, 180.0, 270.0)
MOST_TILES = 9  # 9! = 362,880 orders can be listed; those of 16 tiles cannot


# ----------------------------------------------------------------------------------------------- rotation
def turn(images: Tensor, degrees: float) -> Tensor:
    """Pictures turned counter-clockwise about their centre; what comes from outside is black (0).

    Multiples of 90° move pixels and change none (`torch.rot90`). Every other angle is interpolated
    (bilinear) and leaves black corners: the shortcut that the rotation task must not have.

    Args:
        images: (N, C, H, W), H = W; floats where the angle is no multiple of 90°.

    Raises:
        ValueError: pictures that are not square, or whole numbers that would have to be interpolated.
    """
    if images.shape[-1] != images.shape[-2]:
        raise ValueError(f"only square pictures can be turned, not {images.shape[-2]} × {images.shape[-1]}")
    if degrees % 90 == 0:  # no trace of the turn is left in the pixels (Gidaris 2018)
        return torch.rot90(images, int(degrees // 90), (-2, -1))
    if not images.is_floating_point():
        raise ValueError(f"a turn by {degrees}° interpolates: give floats, not {images.dtype}")
    angle = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    cos, sin = float(angle.cos()), float(angle.sin())
    # rows of the matrix: where in the picture (x right, y down) a pixel of the turned one comes from
    matrix = images.new_tensor([[cos, -sin, 0.0], [sin, cos, 0.0]]).expand(len(images), 2, 3)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def rotations(images: Tensor, angles: Sequence[float] = RIGHT_ANGLES) -> tuple[Tensor, Tensor]:
    """Every picture at every angle, in one batch (Gidaris, Singh, Komodakis 2018, arXiv 1803.07728, eq. 2).

    Returns:
        (A·N, C, H, W), all pictures at the first angle before all at the second; the number of the angle,
        (A·N,). Errors as in `turn`.
    """
    labels = torch.arange(len(angles), device=images.device).repeat_interleave(len(images))
    return torch.cat([turn(images, a) for a in angles]), labels


# ------------------------------------------------------------------------------------------------- jigsaw
def permutation_set(n_tiles: int, n_permutations: int) -> Tensor:
    """Orders that differ as much as possible: greedy by Hamming distance (arXiv 1603.09246, alg. 1).

    The first is the identity; each next one has the largest distance to the nearest of those chosen, among
    equals the largest distance to all of them together, then the first in the order of the dictionary. For
    2 × 2 tiles the first 12 are the even permutations (distance 3), for 3 × 3 the first 100 keep a distance
    of 6.

    Returns:
        (n_permutations, n_tiles) int64; row p says which tile lies in each place.

    Raises:
        ValueError: not 2 to 9 tiles, or fewer than 1 or more than n_tiles! permutations.
    """
    if not 2 <= n_tiles <= MOST_TILES:
        raise ValueError(f"n_tiles must be 2 to {MOST_TILES} (a 3 × 3 puzzle), not {n_tiles}")
    if not 1 <= n_permutations <= factorial(n_tiles):
        raise ValueError(f"n_permutations is 1 to {n_tiles}! = {factorial(n_tiles):,}, not {n_permutations}")
    # a copy: whoever writes into it must not change what the next caller gets
    return torch.from_numpy(greedy_orders(n_tiles, n_permutations).copy())


@lru_cache(maxsize=8)
def greedy_orders(n: int, many: int) -> np.ndarray:
    """The rows of `permutation_set`, (many, n) int64."""
    # int8: the 362,880 orders of nine tiles then take 3 MB
    every = np.array(list(all_permutations(range(n))), dtype=np.int8).T.copy()  # (n, n!), dictionary order
    # Two orders that differ in two tiles only hang on these two, however blank they are: keep all far apart.
    nearest, total = np.full(every.shape[1], n + 1), np.zeros(every.shape[1], np.int64)
    chosen = [0]
    while len(chosen) < many:
        distance = sum((row != v).view(np.int8) for row, v in zip(every, every[:, chosen[-1]], strict=True))
        np.minimum(nearest, distance, out=nearest)
        total += distance
        # the total stays below n · many, so nearest decides; nearest 0 is a permutation that is there already
        chosen.append(int(np.where(nearest > 0, nearest * (n * many) + total, -1).argmax()))
    return every[:, chosen].T.astype(np.int64)


def smallest_distance(permutations: Tensor) -> int:
    """The smallest Hamming distance between two rows of (P, n), P ≥ 2: in how many places they differ."""
    apart = (permutations[:, None] != permutations[None]).sum(2)  # (P, P)
    return int(apart[~torch.eye(len(permutations), dtype=torch.bool, device=apart.device)].min())


def tile_side(size: int, grid: int, tile: float) -> tuple[int, int]:
    """(side of a cell, side of a tile) in pixels, of a picture of ``size`` px in ``grid`` × ``grid`` cells.

    Raises:
        ValueError: ``tile`` is no share of the cell in (0, 1], or leaves fewer than 4 px.
    """
    if not 0 < tile <= 1:
        raise ValueError(f"tile is a share of the cell's side, 0 < tile ≤ 1, not {tile}")
    cell = size // grid
    side = round(tile * cell)
    if side < 4:  # less shows nothing that a tile could be known by
        raise ValueError(f"a {grid} × {grid} puzzle of {size} px with tile={tile} has tiles of {side} px")
    return cell, side


def cut(
    images: Tensor,
    grid: int,
    tile: float = 0.8,
    gaps: bool = True,
    shift: int = 0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """One tile from each cell of a grid: (N, C, H, W) → (N, grid², C, s, s), row by row over the picture.

    With gaps each tile lies at a random place of its own in its cell, so no edge runs on into the next
    tile. Without gaps the tiles touch, and all of them move together, as far as each did: equally large and
    equally random, only that edges run on, which is the shortcut.

    Args:
        tile: side of a tile as a share of its cell (the paper: 64 of 75 pixels).
        shift: each channel of each tile is moved by up to so many pixels more, on its own, as far as the
            picture goes: against the colour fringes of lenses (chromatic aberration), which tell its place.
        generator: where the places come from; on its own device.

    Raises:
        ValueError: pictures that are not square, or as in `tile_side`.
    """
    n, c, height, width = images.shape
    if height != width:
        raise ValueError(f"only square pictures are cut, not {height} × {width}")
    cell, side = tile_side(height, grid, tile)
    device, source = images.device, images.device if generator is None else generator.device
    t = grid * grid

    def draw(low: int, high: int, *shape: int) -> Tensor:
        return torch.randint(low, high + 1, (*shape, 2), generator=generator, device=source).to(device)

    index = torch.arange(t, device=device)
    place = torch.stack([index // grid, index % grid], 1)[None, :, None]  # (1, T, 1, 2): row and column
    free = cell - side
    if gaps:
        corner = cell * place + draw(0, free, n, t, 1)  # (N, T, 1, 2)
    else:
        # around the middle, so that tiles move as freely, and see as much of the picture, as with gaps
        middle = (height - grid * side - free) // 2
        corner = side * place + middle + draw(0, free, n, 1, 1)  # (N, T, 1, 2)
    # Each channel by itself: the shift of a real lens, which tells how far off the centre a tile lay,
    # drowns in these.
    corner = (corner + draw(-shift, shift, n, t, c)).clamp(0, height - side)  # (N, T, C, 2)
    pixels = torch.arange(side, device=device)
    rows, columns = corner[..., 0, None] + pixels, corner[..., 1, None] + pixels  # (N, T, C, s) each
    picture = torch.arange(n, device=device).view(n, 1, 1, 1, 1)
    channel = torch.arange(c, device=device).view(1, 1, c, 1, 1)
    # one look-up for all, since each tile and channel has a corner of its own
    return images[picture, channel, rows[..., :, None], columns[..., None, :]]


def shuffle(tiles: Tensor, orders: Tensor) -> Tensor:
    """Tiles (N, T, …) laid out in the orders (N, T): place j of picture i shows its tile orders[i, j]."""
    index = orders.view(*orders.shape, *[1] * (tiles.ndim - 2)).expand_as(tiles)
    return tiles.gather(1, index)


def normalise_tiles(tiles: Tensor, least: float = 0.02) -> Tensor:
    """Each channel of each tile with mean 0 and standard deviation 1, (…, C, s, s): brightness tells nothing.

    ``least`` is added to the standard deviation (in units of the tiles, pictures are in [0, 1]): a plain
    sky stays plain instead of becoming amplified rounding error.
    """
    # of each tile by itself: by the mean of the picture, a bright sky would still be the top
    mean, std = tiles.mean((-2, -1), keepdim=True), tiles.std((-2, -1), keepdim=True, correction=0)
    return (tiles - mean) / (std + least)


def drop_channels(images: Tensor, probability: float, generator: torch.Generator | None = None) -> Tensor:
    """With this probability a picture keeps one channel, shown in all three, (N, 3, H, W): no fringe is left.

    Doersch, Gupta, Efros 2015, arXiv 1505.05192, §3.1, who put noise in place of the other two.
    """
    n, source = len(images), images.device if generator is None else generator.device
    which = torch.randint(3, (n,), generator=generator, device=source).to(images.device)
    dropped = (torch.rand(n, generator=generator, device=source) < probability).to(images.device)
    # A fringe is a difference between channels: of one channel there is none.
    one = images[torch.arange(n, device=images.device), which][:, None]  # (N, 1, H, W)
    return torch.where(dropped.view(-1, 1, 1, 1), one, images)


def lens(images: Tensor, strength: float) -> Tensor:
    """Pictures as through a cheap lens, (N, 3, H, W) floats: red is magnified about the centre, blue reduced.

    The lateral chromatic aberration of arXiv 1505.05192, §3.1. Painted scenes and maps have no lens: this
    gives them one, and with it the shortcut.

    Args:
        strength: 0.02 makes red 2 % larger and blue 2 % smaller; what comes from outside repeats the edge.
    """
    n, _, height, width = images.shape
    channels = []
    for channel, zoom in zip(images.split(1, 1), (1 + strength, 1.0, 1 - strength), strict=True):
        # 1 / zoom: affine_grid asks where a pixel comes from, nearer to the centre if things grow
        matrix = images.new_tensor([[1 / zoom, 0, 0], [0, 1 / zoom, 0]]).expand(n, 2, 3)
        grid = F.affine_grid(matrix, [n, 1, height, width], align_corners=False)
        channels.append(F.grid_sample(channel, grid, padding_mode="border", align_corners=False))
    return torch.cat(channels, 1)
