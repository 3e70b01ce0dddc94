"""How much X₁ and X₂ of a pretext task depend on each other once the label is known, without units
(note §3.5).

ε² (lecture 01, estimated without a classifier) over σ² = σ_{k−1}(MΠ)², how well X₂ tells the classes apart: a
probe of ψ* errs by no more than this quotient, so tasks with different X₂ can stand on one axis.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ssl_course import interfaces, methods
from ssl_course.data.pictures import Pictures
from ssl_course.evaluation.solvers import ridge_map
from ssl_course.pretext.color import lab_to_rgb
from ssl_course.pretext.words import SPECIAL
from ssl_course.studies import comparison
from ssl_course.studies.comparison import MAKERS, TABLES, WITHIN, Part, Protocol, cells_of
from ssl_course.theory import bounds, residual

CELL = 4  # pixels a side: what the measured dependence sees of pictures
SHUFFLES = 19  # of labels, to see how large σ² is by chance alone
NOT_COVERED = (methods.Rotation, methods.Jigsaw)  # by the theory: X₂ is drawn without looking at the picture
PROTOCOL = Protocol(n_train=2048, n_test=1024)


class Dependence(NamedTuple):
    """How much X₁ still tells of X₂ once Y is known, over how well X₂ tells the classes apart.

    Attributes:
        low: ε² / σ² by the best linear prediction found, a lower bound on average; not below 0.
        error: its standard error.
        high: E Tr Cov(X₂|Y) / σ², which ε² / σ² cannot exceed.
        sigma: σ_{k−1}(MΠ)², in units of X₂ squared.
        chance: the largest σ² in 19 shuffles of the labels; where ``sigma`` is not well above it, X₂ does not
            tell the classes apart and the theory is silent.
    """

    low: float
    error: float
    high: float
    sigma: float
    chance: float

    @property
    def silent(self) -> bool:
        """Whether X₂ does not tell every class apart, as far as this sample can show."""
        return self.sigma < 1.5 * self.chance


def two_views(method: str, data: Pictures, seed: int = 0) -> tuple[Tensor, Tensor] | None:
    """X₁ (N, d₁) and X₂ (N, d₂) of a method's own `pair`, as numbers for a linear estimate; None:
    not covered.

    Pictures become the means of cells of 4 × 4 pixels, X₁ of those that its mask shows, X₂ of those that it
    hides; lightness becomes the gray that shows it, a map of colours 4 × 4 places, a caption the words (or
    pieces) in it. Colours are in Lab units, all else in [0, 1]. Where pixels are hidden, each picture's pair
    is drawn under the same seed, so that a column means the same place in every picture.
    """
    with torch.random.fork_rng([]):
        learner = comparison.make(method, Protocol(size=data.images.shape[-1]), data)
        if isinstance(learner, NOT_COVERED):
            return None
        data = learner.prepare(data) if hasattr(learner, "prepare") else data
        torch.manual_seed(seed)
        pair = interfaces.pair_of(learner, data)
        (x1, x2), hidden = pair, pair.parts.get("hidden")
        if hidden is not None:
            rows = []
            for i in range(len(data)):
                torch.manual_seed(seed)
                rows.append(interfaces.pair_of(learner, data[i : i + 1]))
            x1, x2 = (torch.cat(views) for views in zip(*rows, strict=True))  # (N, 3, H, W) each
            hidden = F.avg_pool2d(rows[0].parts["hidden"], CELL)[0, 0] > 0.5  # (h, w)
    gray = torch.equal(data.images[:, 0], data.images[:, 1])  # then one of the three equal channels is enough
    return numbers_of(x1, gray, None if hidden is None else ~hidden), numbers_of(x2, gray, hidden)


def numbers_of(view: Tensor, gray: bool = False, shown: Tensor | None = None) -> Tensor:
    """A view as rows of numbers (N, d), as `two_views` says;
    of pictures the cells where ``shown`` (h, w) is true."""
    if not view.is_floating_point():  # ids (N, T)
        words = torch.zeros(len(view), int(view.max()) + 1).scatter(1, view, 1.0)  # (N, V): is it there?
        return words[:, len(SPECIAL) :]
    if view.ndim == 2:
        return view
    if view.shape[1] == 2:  # ab
        return F.adaptive_avg_pool2d(view, 4).flatten(1)
    if view.shape[1] == 1:  # L
        view, gray = lab_to_rgb(F.pad(view, (0, 0, 0, 0, 0, 2))), True
    cells = F.avg_pool2d(view[:, :1] if gray else view, CELL)  # (N, C, h, w)
    return (cells if shown is None else cells[:, :, shown]).flatten(1)


def ridge_predictor(x1: Tensor, target: Tensor) -> Callable[[Tensor], Tensor]:
    """The linear predictor of many numbers from many: columns standardised, penalty 1 % of the rows."""
    x1 = x1.double()
    mean, scale = x1.mean(0), x1.std(0).clamp(min=1e-6)
    predict = ridge_map((x1 - mean) / scale, target, l2=0.01)
    return lambda new: predict((new.double() - mean) / scale)


def class_separation(x2: Tensor, y: Tensor) -> float:
    """σ_{k−1}(MΠ)² of class means, minus their unweighted mean, in units of X₂ squared."""
    means = torch.stack([x2[y == c].double().mean(0) for c in y.unique()])  # (k, d)
    k = len(means)
    return float(bounds.kth_singular_value(means - means.mean(0), k - 1)) ** 2


def dependence(x1: Tensor, x2: Tensor, y: Tensor, seed: int = 0) -> Dependence:
    """ε²/σ² of X₁ (N, d₁) and X₂ (N, d₂) given the classes Y (N,): `Dependence`."""
    estimate = residual.cross_fitted_epsilon_squared(x1, x2, y, ridge_predictor, folds=4, seed=seed)
    within = residual.class_residual(x2, y).square().sum(1).mean()
    sigma = class_separation(x2, y)
    generator = torch.Generator().manual_seed(seed)
    shuffled = [class_separation(x2, y[torch.randperm(len(y), generator=generator)]) for _ in range(SHUFFLES)]
    return Dependence(
        max(estimate.value, 0.0) / sigma,
        estimate.standard_error / sigma,
        float(within) / sigma,
        sigma,
        max(shuffled),
    )


def run_dependence(
    data: str, table: str, method: str, seed: int, protocol: Protocol = PROTOCOL
) -> dict[str, Any]:
    """The dependence of a method's X₁ and X₂ given each label, or ``covered: false``."""
    train_set, _ = comparison.train_and_test(data, table, seed, protocol)
    views = two_views(method, train_set, seed)
    if views is None:
        return {"covered": False}
    measured = {name: dependence(*views, y, seed) for name, y in train_set.labels.items()}
    return {
        "covered": True,
        "given": {
            name: {k: float(f"{v:.4g}") for k, v in d._asdict().items()} | {"silent": d.silent}
            for name, d in measured.items()
        },
    }


def plan(seeds: int = 3) -> Part:
    """Every task, the first seed alone where the pictures are real; the random rows have no X₂."""
    cells = []
    for data, table in ((d, t) for d in ("scenes", "earth", "cifar10") for t in TABLES):
        names = [n for n in comparison.row_names(data, table) if n in MAKERS]
        names += list(WITHIN) if (data, table) == ("scenes", "C") else []
        cells += cells_of(data, table, range(seeds) if data == "scenes" else [0], names)
    return Part("comparison_dependence", cells, run_dependence, PROTOCOL, about)


def about(protocol: Protocol, note: str = "") -> dict[str, Any]:
    """What all cells have in common; note: what else a reader must know."""
    kept = {"pictures": protocol.n_train, "size": protocol.size, "cells": CELL, "shuffles": SHUFFLES}
    return kept | ({"note": note} if note else {})
