"""Fine-tuning: the encoder and a linear head learn together from labels, beside `linear_probe`,
which freezes the encoder."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_course import nets
from ssl_course.evaluation.encoding import Labelled, classes_of, features
from ssl_course.interfaces import Pair


class FineTuned(nn.Module):
    """A copy of a method with a linear head on ``encode``;
    train it as any method, on labelled pictures (note §1).

    The head sees features normalised by batch statistics, as MAE's own probing protocol does
    (arXiv 2111.06377, App. A.1).

    Args:
        method: with ``encode`` and ``backbone.dim``; copied, so that it stays as it was.
        label: key of the data's ``labels``.
        classes: how many.
    """

    head: Callable[[Tensor], Tensor]  # (N, D) → (N, classes)
    defaults = {"optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.05, "warmup": 0.1, "steps": 80}

    def __init__(self, method: nn.Module, label: str, classes: int) -> None:
        super().__init__()
        self.method, self.label = copy.deepcopy(method), label
        dim = int(method.backbone.dim)  # type: ignore[arg-type]
        self.norm, self.head = nn.BatchNorm1d(dim, affine=False), nn.Linear(dim, classes)

    def encode(self, x: Tensor) -> Tensor:
        """Inputs → features (N, dim)."""
        return self.method.encode(x)  # type: ignore[operator, no-any-return]

    def scores(self, x: Tensor) -> Tensor:
        """Inputs → scores of the classes (N, classes)."""
        return self.head(self.norm(self.encode(x)))

    def pair(self, batch: Labelled) -> Pair:
        """X₁: the pictures (N, 3, H, W). X₂: their classes (N,), given by people."""
        return Pair(nets.as_float(batch.inputs, self), batch.labels[self.label])

    def forward(self, batch: Labelled) -> Tensor:
        """Mean cross-entropy."""
        x, y = self.pair(batch)
        return F.cross_entropy(self.scores(x), y)

    def accuracy(self, data: Labelled) -> float:
        """Share of ``data`` whose class has the largest score."""
        truth = classes_of(data, self.label)
        return float((features(self.scores, torch.as_tensor(data.inputs)).argmax(1) == truth).double().mean())
