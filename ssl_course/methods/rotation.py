"""Rotation: by how many quarter turns was the picture turned? To know, one must know what it shows.

Gidaris, Singh, Komodakis, *Unsupervised Representation Learning by Predicting Image Rotations*, ICLR 2018,
arXiv 1803.07728 (note §3.1). X₂, the angle, is drawn without looking at the picture: it is independent of
Y, and the note's theory does not cover it.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssl_course import nets
from ssl_course.interfaces import Batch, Pair
from ssl_course.pretext.puzzles import RIGHT_ANGLES, rotations


class Rotation(nn.Module):
    """x → all its turns, in one batch → backbone → features h → a linear head names the angle.

    Args:
        backbone: a module with ``.dim``, a timm name, or None for the course's `nets.ConvNet`.
        angles: in degrees, counter-clockwise. Right angles move pixels and change none. All others are
            interpolated and leave black corners, which give the angle away: to open that shortcut on purpose.

    Raises:
        ValueError: fewer than two angles.
    """

    # 64 pictures make 256 rows: each comes in all its turns.
    defaults = {
        "optimizer": "adamw", "lr": 2e-3, "weight_decay": 1e-2, "warmup": 0.1, "steps": 150, "batch_size": 64,
    }  # fmt: skip

    def __init__(
        self, backbone: nn.Module | str | None = None, angles: Sequence[float] = RIGHT_ANGLES
    ) -> None:
        self.arguments = nets.arguments(locals())
        super().__init__()
        if len(angles) < 2:
            raise ValueError(f"angles must be at least two, to choose from, not {angles}")
        self.angles = tuple(float(a) for a in angles)
        self.backbone = nets.backbone(backbone)
        # No more than linear: what tells the angle must lie in h, where a probe finds it.
        self.head = nn.Linear(self.backbone.dim, len(self.angles))

    def pair(self, batch: Batch) -> Pair:
        """X₁: all turns of the pictures (A·N, 3, H, W) in [0, 1]. X₂: the numbers of their angles (A·N,)."""
        return Pair(*self.puzzle(batch.inputs))

    def puzzle(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (N, 3, H, W) → all their turns (A·N, 3, H, W) in [0, 1], and their numbers (A·N,)."""
        return rotations(nets.as_float(x, self), self.angles)

    def logits(self, turned: Tensor) -> Tensor:
        """Turned pictures in [0, 1] → (N, A)."""
        logits: Tensor = self.head(self.encode(turned))
        return logits

    def forward(self, batch: Batch) -> Tensor:
        """Cross-entropy of the angle (eq. 2 and 3), chance is log A."""
        # All turns of a picture in one batch: what differs between them is the angle and nothing else (§3.1).
        turned, angle = self.pair(batch)
        return F.cross_entropy(self.logits(turned), angle)

    def encode(self, x: Tensor) -> Tensor:
        """Pictures (N, 3, H, W), not turned → features (N, dim), averaged over places."""
        # before the head, which knows of angles only
        return self.backbone(nets.normalise(nets.as_float(x, self))).mean((2, 3))

    @torch.no_grad()
    def accuracy(self, x: Tensor, batch_size: int = 128) -> float:
        """Share of all turns of these pictures whose angle is named rightly; chance is 1/A."""
        # In all turns, so that who always says "upright" gets 1/A.
        right = 0
        for part in x.split(batch_size):
            turned, angle = self.puzzle(part)
            right += int((self.logits(turned).argmax(1) == angle).sum())
        return right / (len(x) * len(self.angles))
