"""Pairs of views given as plain rows of numbers, for CCA and deep CCA."""

from dataclasses import dataclass, field

import torch

from ssl_course.data.rows import Rows


@dataclass
class Pairs(Rows):
    """Two views of the same samples; a batch is a slice of one.

    Attributes:
        x1, x2: (N, d1) and (N, d2).
        labels: name → (N,) LongTensor of classes 0..K−1.
        names: label → its class names.

    Raises:
        ValueError: lengths that differ.
    """

    x1: torch.Tensor
    x2: torch.Tensor
    labels: dict[str, torch.Tensor] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, values in {"x2": self.x2, **self.labels}.items():
            if len(values) != len(self.x1):
                raise ValueError(f"{name!r} has {len(values)} rows where x1 has {len(self.x1)}")

    def __len__(self) -> int:
        return len(self.x1)

    @property
    def inputs(self) -> torch.Tensor:
        """What ``encode`` takes: the first view."""
        return self.x1
