"""Jigsaw: in which order were the tiles of a picture shuffled?

Noroozi, Favaro, *Unsupervised Learning of Visual Representations by Solving Jigsaw Puzzles*, ECCV 2016, arXiv
1603.09246 (note §3.1). X₂, the order, is drawn without looking at the picture: it is independent of Y, and
the note's theory does not cover it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssl_course import nets
from ssl_course.interfaces import Batch, Pair
from ssl_course.pretext.puzzles import cut, drop_channels, normalise_tiles, permutation_set, shuffle

__all__ = ["Jigsaw", "permutation_set"]


class Jigsaw(nn.Module):
    """x → tiles, shuffled → the same backbone for each → features side by side → a head names the order.

    Args:
        backbone: a module with ``.dim``, a timm name, or None for the course's `nets.ConvNet`.
        grid: 2 or 3, cells a side.
        n_permutations: orders to tell apart (`permutation_set`); None: 12, the even ones, for 2 × 2 tiles,
            and 64 for 3 × 3.
        tile: side of a tile as a share of its cell.
        gaps: each tile at a random place of its own; False opens a shortcut: edges run on from tile to tile.
        normalise: each tile has mean 0 and standard deviation 1; else its brightness gives its place away.
        shift: pixels by which the colour channels of a tile are moved apart.
        drop: probability that a picture keeps one channel only. Both are against the colour fringes
            of lenses.
        tile_dim: what is kept of each tile before they are compared.

    Raises:
        ValueError: a grid that is neither 2 nor 3, or as in `permutation_set`.
    """

    permutations: Tensor  # (P, T)
    defaults = {"optimizer": "adamw", "lr": 2e-3, "weight_decay": 1e-2, "warmup": 0.1, "steps": 200}

    def __init__(
        self,
        backbone: nn.Module | str | None = None,
        grid: int = 3,
        n_permutations: int | None = None,
        tile: float = 0.8,
        gaps: bool = True,
        normalise: bool = True,
        shift: int = 1,
        drop: float = 0.3,
        tile_dim: int = 64,
    ) -> None:
        self.arguments = nets.arguments(locals())
        super().__init__()
        if grid not in (2, 3):  # the 16! orders of 4 × 4 tiles cannot be listed
            raise ValueError(f"grid must be 2 or 3, not {grid}")
        self.grid, self.tile, self.gaps = grid, tile, gaps
        self.normalise, self.shift, self.drop = normalise, shift, drop
        orders = permutation_set(grid * grid, n_permutations or {2: 12, 3: 64}[grid])
        self.register_buffer("permutations", orders)
        self.backbone = nets.backbone(backbone)
        # Little is kept of each tile: the head must compare what tiles show,
        # and has no room for their pixels.
        self.tile_head = nn.Sequential(nn.Linear(self.backbone.dim * 4, tile_dim), nn.ReLU(inplace=True))
        self.head = nets.mlp(grid * grid * tile_dim, 256, len(orders))

    def tiles(self, x: Tensor) -> Tensor:
        """Pictures (N, 3, H, W) → their tiles in order, cut at random places, (N, T, 3, s, s) in [0, 1]."""
        # Lenses shift red against blue, more so far from the centre: fringes would tell each tile its place.
        # So some pictures lose two channels, and `cut` moves the channels apart at random
        # (Doersch 2015, §3.1).
        x = nets.as_float(x, self)
        x = drop_channels(x, self.drop) if self.drop else x
        return cut(x, self.grid, self.tile, self.gaps, self.shift)

    def pair(self, batch: Batch) -> Pair:
        """X₁: tiles in a random order (N, T, 3, s, s) in [0, 1], not yet standardised.
        X₂: that order's number (N,)."""
        return Pair(*self.puzzle(batch.inputs))

    def puzzle(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures → tiles in a random order (N, T, 3, s, s), and the number of that order (N,)."""
        tiles = self.tiles(x)
        # One of a few orders that differ in as many places as possible:
        # a class each, and none next to another (§3.1).
        label = torch.randint(len(self.permutations), (len(tiles),), device=tiles.device)
        return shuffle(tiles, self.permutations[label]), label

    def logits(self, tiles: Tensor) -> Tensor:
        """Tiles (N, T, 3, s, s) in [0, 1], as they lie → (N, P), one number for each order."""
        # Each tile is seen alone; only the head compares them.
        # Seen together, matching edges would be enough (§3).
        h = self.backbone(self._standard(tiles.flatten(0, 1)))  # (N·T, D, h, w): one backbone for all places
        h = F.adaptive_avg_pool2d(h, 2).flatten(1)  # (N·T, 4 D): which side of a tile things are on counts
        h = self.tile_head(h).unflatten(0, tiles.shape[:2])  # (N, T, tile_dim)
        logits: Tensor = self.head(h.flatten(1))
        return logits

    def _standard(self, x: Tensor) -> Tensor:
        # Neighbours share their light: raw brightness would sort the tiles without a look at what they show.
        return normalise_tiles(x) if self.normalise else nets.normalise(x)

    def forward(self, batch: Batch) -> Tensor:
        """Cross-entropy of the order, chance is log P."""
        tiles, label = self.pair(batch)
        return F.cross_entropy(self.logits(tiles), label)

    def encode(self, x: Tensor) -> Tensor:
        """Whole pictures (N, 3, H, W) → features (N, dim), averaged over places.

        A picture is standardised as its tiles were in training, each channel by its own mean and spread.
        """
        return self.backbone(self._standard(nets.as_float(x, self))).mean((2, 3))

    @torch.no_grad()
    def accuracy(self, x: Tensor, seed: int = 0, batch_size: int = 128) -> float:
        """Share of pictures whose order is named rightly, one puzzle each; chance is 1/P."""
        device = self.permutations.device
        # The same puzzles at each call, and the random state of a training that goes on stays as it was.
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            right = 0
            for part in x.split(batch_size):
                tiles, label = self.puzzle(part)
                right += int((self.logits(tiles).argmax(1) == label).sum())
        return right / len(x)
