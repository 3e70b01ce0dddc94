"""Lecture 09's circle: the smallest SimSiam whose collapse can be seen with the bare eye (note §3.2)."""

from __future__ import annotations

import torch
from torch import Tensor

from ssl_course.data import scenes
from ssl_course.data.pictures import Pictures
from ssl_course.methods.simsiam import SimSiam, circle
from ssl_course.widgets.collapse_lab import CollapseLab, circle_panel
from ssl_course.widgets.frame import Panel

EACH = 3  # pictures of each class that stand round the circle
PIXELS = 24


def as_seen(method: SimSiam, images: Tensor) -> Tensor:
    """z (N, 2) as the loss sees it: where there is an output norm, it divides by the spread of these very rows.

    In eval mode the norm would divide by the spread that it remembers, which lags behind a fall and tells of it.
    """
    z = method.before_norm(images)  # (N, 2)
    if not method.output_norm:
        return z
    norm = method.projection_head[-1]
    return (z - z.mean(0)) / (z.var(0, correction=0) + norm.eps).sqrt()


class CollapseCircle(CollapseLab):
    """SimSiam with z in the plane: every picture is a dot on a circle, and three switches act while it trains.

    Take the stop-gradient or the predictor away and all dots run to one place while the loss reaches its best, −1.
    Then switch the output norm on: the dots fly apart again, though the network is as fallen as before; the dashed
    curve, the spread before the norm, says so.

    Args:
        data: pictures; None paints scenes of 24 px.
        steps, batch_size, lr, seed: see `Live`.
    """

    def __init__(
        self,
        data: Pictures | None = None,
        *,
        steps: int = 600,
        batch_size: int = 64,
        lr: float = 0.05,
        seed: int = 0,
    ) -> None:
        data = scenes.World().sample(1024, size=PIXELS, seed=seed) if data is None else data
        super().__init__(circle(seed), data, steps=steps, batch_size=batch_size, lr=lr, seed=seed)

    def _look(self, method: SimSiam) -> tuple[Tensor, Tensor]:
        images = self._pictures.images
        return as_seen(method, images), method.before_norm(images)

    def _draw(self, unit: Tensor, classes: Tensor, names: list[str]) -> list[Panel]:
        """The circle, with some pictures of each class round it."""
        few = [torch.nonzero(classes == k)[:EACH, 0] for k in range(len(names))]
        first = torch.cat(few)[:12]
        rest = torch.ones(len(unit), dtype=torch.bool).index_fill(0, first, False).nonzero()[:, 0]
        order = torch.cat([first, rest])
        shown = self._pictures.images[first].cpu()
        return [circle_panel(unit[order], classes[order], names, shown)]
