"""Labelled pictures, and pairs of views: the only shapes in which data travels through the course."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch

from ssl_course.data.rows import Rows


@dataclass
class Pictures(Rows):
    """A set of pictures; a batch is a slice of one.

    Attributes:
        images: (N, 3, H, W) uint8.
        labels: name → (N,) LongTensor of classes 0..K−1.
        captions: N strings, or empty.
        names: label → its class names, for plots and widgets.
        parts: named extras of the same length, e.g. ``{"L": (N,1,H,W), "ab": (N,2,H,W)}`` in Lab units.
        source: what was loaded, "CIFAR-10, 2,000 of 50,000 train pictures"; "" for painted ones.
    """

    images: torch.Tensor
    labels: dict[str, torch.Tensor] = field(default_factory=dict)
    captions: list[str] = field(default_factory=list)
    names: dict[str, list[str]] = field(default_factory=dict)
    parts: dict[str, torch.Tensor] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        n = len(self.images)
        for name, values in {**self.labels, **self.parts}.items():
            if len(values) != n:
                raise ValueError(f"{name!r} has {len(values)} rows for {n} pictures")
        if self.captions and len(self.captions) != n:
            raise ValueError(f"{len(self.captions)} captions for {n} pictures")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def inputs(self) -> torch.Tensor:
        """What ``encode`` takes: the images, (N, 3, H, W)."""
        return self.images

    def gray(self) -> Pictures:
        """The pictures as three equal channels of their lightness (CIE L*, shown as the gray of equal L*)."""
        from ssl_course.pretext.color import lab_to_rgb, rgb_to_lab

        parts = []
        for images in self.images.split(64):  # in parts: floats of a whole set take memory
            lab = rgb_to_lab(images.float() / 255)  # (64, 3, H, W)
            lab[:, 1:] = 0
            parts.append((lab_to_rgb(lab)[:, 1:2].clamp(0, 1) * 255).round().to(torch.uint8))
        # One channel seen thrice: equal exactly, whatever the matrix rounds, and a third of the memory.
        return replace(self, images=torch.cat(parts).expand(-1, 3, -1, -1))
