"""Exercises of lecture 08: the contrastive loss, what temperature does to its gradient,
how small the loss can be."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ssl_course.course.exercises.card import Card, check
from ssl_course.course.exercises.judging import judge

# ---- NT-Xent -----------------------------------------------------------------------------------------------


def _scores(z1: Tensor, z2: Tensor, t: float, unit: bool = True) -> Tensor:
    """Similarities of all 2N views over the temperature, (2N, 2N)."""
    z = torch.cat([z1, z2]).double()
    z = F.normalize(z, dim=1) if unit else z
    return z @ z.T / t


def _other(n: int) -> Tensor:
    return torch.arange(2 * n).roll(n)


def _masked(s: Tensor) -> Tensor:
    return s.masked_fill(torch.eye(len(s), dtype=torch.bool), -torch.inf)


def _rows(z1: Tensor, z2: Tensor, t: float, unit: bool = True) -> Tensor:
    """−log of the softmax at the other view, for each of the 2N views."""
    return F.cross_entropy(_masked(_scores(z1, z2, t, unit)), _other(len(z1)), reduction="none")


def _right(z1: Tensor, z2: Tensor, t: float) -> Tensor:
    return _rows(z1, z2, t).mean()


def _no_exp(z1: Tensor, z2: Tensor, t: float) -> float:
    s = _scores(z1, z2, t)
    rows, n = torch.arange(len(s)), len(z1)
    return float(-(s[rows, _other(n)] / (s.sum(1) - s.diagonal())).log().mean())


def _across(z1: Tensor, z2: Tensor, t: float) -> Tensor:
    return _scores(z1, z2, t)[: len(z1), len(z1) :]


def _clip(z1: Tensor, z2: Tensor, t: float) -> float:
    s, own = _across(z1, z2, t), torch.arange(len(z1))
    return float((F.cross_entropy(s, own) + F.cross_entropy(s.T, own)) / 2)


def _neighbour(z1: Tensor, z2: Tensor, t: float) -> float:
    s = _masked(_scores(z1, z2, t))
    return float(F.cross_entropy(s, torch.arange(len(s)) ^ 1))


_LOSSES = {
    "The diagonal is not masked: each row also competes with itself, whose cosine of 1 nothing can beat. "
    "The sum runs over m ≠ i.": lambda z1, z2, t: F.cross_entropy(_scores(z1, z2, t), _other(len(z1))),
    "You took −log of the mean probability. The loss is the mean of the −log: "
    "a row that fails must weigh a lot.": lambda z1, z2, t: -(-_rows(z1, z2, t)).exp().mean().log(),
    "One direction only: the first views look for the second ones. "
    "Let all 2N rows look for their other view.": lambda z1, z2, t: _rows(z1, z2, t)[: len(z1)].mean(),
    "One direction only: the second views look for the first ones. "
    "Let all 2N rows look for their other view.": lambda z1, z2, t: _rows(z1, z2, t)[len(z1) :].mean(),
    "One direction only, and among the N second views only: rows are to be compared with all 2N − "
    "1 others.": lambda z1, z2, t: F.cross_entropy(_across(z1, z2, t), torch.arange(len(z1))),
    "Both directions, but each row sees the N views of the other kind only (that is CLIP's loss). Here the "
    "other pictures' views of its own kind are negatives too: 2N − 2 in all.": _clip,
    "No normalisation: sim is the cosine. With plain dot products the loss falls just by making "
    "z longer.": lambda z1, z2, t: _rows(z1, z2, t, unit=False).mean(),
    "The exp is missing: −log of a cosine over a sum of cosines. Similarities can be negative; "
    "exp makes them weights.": _no_exp,
    "The positive is missing below the fraction line. "
    "The sum runs over all m ≠ i, and so over j too.": lambda z1, z2, t: (
        _rows(z1, z2, t).expm1().log().mean()  # of a row with probability p it is log (1 − p)/p
    ),
    "The rows are summed. Take their mean, "
    "so that the batch size does not scale the loss.": lambda z1, z2, t: _rows(z1, z2, t).sum(),
    "Exactly twice: you added the means of both halves, as google-research/simclr does. "
    "Here it is the mean of all 2N rows.": lambda z1, z2, t: 2 * _right(z1, z2, t),
    "You multiplied by the temperature. Divide: a small τ makes differences large.": lambda z1, z2, t: _right(
        z1, z2, 1 / t
    ),
    "The temperature has no effect: divide the cosines by it.": lambda z1, z2, t: _right(z1, z2, 1.0),
    "The sign: a loss is −log of a probability, so never negative.": lambda z1, z2, t: -_right(z1, z2, t),
    "You paired rows 2k and 2k + 1. "
    "Here all first views come before all second ones: i belongs to i + N.": _neighbour,
}


@check()
def nt_xent(function: Any, seed: int = 0) -> Card:
    """Check ``function(z1, z2, temperature)``: the contrast of two views, NT-Xent (note §3.2).

    It gets two tensors (N, d) and a number, returns a tensor with one number.
    """
    stream = torch.Generator().manual_seed(seed)

    def draw(n: int) -> Tensor:  # positive entries, so that a missing exp gives numbers and not NaN
        scale = 0.5 + 2 * torch.rand(n, 1, generator=stream, dtype=torch.float64)
        return scale * torch.rand(n, 3, generator=stream, dtype=torch.float64)

    cases = [(draw(n), draw(n), t) for n, t in ((4, 0.5), (3, 0.4), (6, 0.8), (4, 1.6))]
    hint = (
        "z of length 1, all 2N × 2N cosines over τ, the diagonal at −∞, then the mean over rows of −log of the "
        "softmax at the other view."
    )
    praise = "2N rows, 2N − 1 others each, and one of them is right."
    return judge(function, cases, _right, _LOSSES, praise, hint)


# ---- the temperature in the gradient -----------------------------------------------------------------------


def _softmax(s: np.ndarray) -> np.ndarray:
    e = np.exp(s - s.max())
    return e / e.sum()


def _hot(s: np.ndarray, j: int) -> np.ndarray:
    return (np.arange(len(s)) == j).astype(float)


def _pull(s: np.ndarray, j: int, t: float) -> np.ndarray:
    return (_softmax(s / t) - _hot(s, j)) / t


_PULLS = {
    "A factor is missing: the cosines are divided by τ before the softmax, "
    "so the chain rule gives 1/τ.": lambda s, j, t: _softmax(s / t) - _hot(s, j),
    "The sign: raising the positive's cosine must lower the loss.": lambda s, j, t: -_pull(s, j, t),
    "The positive has a term of its own: "
    "−s_j/τ is part of the loss, so 1 is taken off at j.": lambda s, j, t: _softmax(s / t) / t,
    "The softmax itself does not feel τ: take it of s/τ.": lambda s, j, t: (_softmax(s) - _hot(s, j)) / t,
    "You multiplied by τ where the chain rule divides by it.": lambda s, j, t: (
        (_softmax(s / t) - _hot(s, j)) * t
    ),
    "You multiplied the cosines by τ. They are divided by it.": lambda s, j, t: (
        (_softmax(s * t) - _hot(s, j)) * t
    ),
    "You took a mean over the views. ℓ_i is the loss of one row; "
    "its gradient is not divided by their number.": lambda s, j, t: _pull(s, j, t) / len(s),
}


@check()
def pull(function: Any, seed: int = 0) -> Card:
    """Check ``function(cosines, j, temperature)``: ∂ℓ/∂s_m for one row, (p_m − 1[m = j]) / τ (note §3.2).

    It gets the cosines (M,) with the M = 2N − 1 other views, the index of the positive and τ, and returns
    (M,).
    """
    rng = np.random.default_rng(seed)
    cases = [(rng.uniform(-1, 1, m), int(rng.integers(m)), t) for m, t in ((5, 0.5), (7, 0.2), (3, 2.0))]
    praise = (
        "Negatives are pushed away in proportion to their softmax: at a small τ only the nearest feels it."
    )
    hint = "ℓ = −s_j/τ + log Σ_m exp(s_m/τ). Differentiate with respect to each s_m."
    return judge(function, cases, _pull, _PULLS, praise, hint)


# ---- the least loss ----------------------------------------------------------------------------------------


def _least(
    n: int, t: float, negatives: int | None = None, cosine: float | None = None, own: float = 1.0
) -> float:
    """−log of the right one's share: it has cosine 1, the others ``cosine``."""
    others = 2 * n - 2 if negatives is None else negatives
    between = -1 / (n - 1) if cosine is None else cosine
    return float(np.log(own + others * np.exp((between - 1) / t)))


_LEAST = {
    "That is the value when all z are equal, log(2N − 1): the other end.": lambda n, t: np.log(2 * n - 1),
    "Not 0: the negatives cannot be infinitely far away. Vectors of length 1 have cosines of at least −1, "
    "and N of them keep less distance still.": lambda n, t: 0.0,
    "Right angles are not the most even: cosines a little below 0 are possible. "
    "‖Σ z‖² = N + N (N − 1) c must not be negative.": lambda n, t: _least(n, t, cosine=0.0),
    "Two vectors can be opposite, N of them cannot: ‖Σ z‖² = N + N (N − 1) c must not be negative.": lambda n, t: (
        _least(n, t, cosine=-1.0)
    ),
    "The cosine is −1/(N − 1): each of N vectors has N − 1 others.": lambda n, t: _least(n, t, cosine=-1 / n),
    "You spread 2N views evenly. The two views of a picture are one point here: N points.": lambda n, t: (
        _least(n, t, cosine=-1 / (2 * n - 1))
    ),
    "N − 1 negatives only, those of the other kind (CLIP's loss). "
    "Both views of each other picture push: 2N − 2.": lambda n, t: _least(n, t, n - 1),
    "2N − 1 others, but one of them is the right one: 2N − 2 negatives.": lambda n, t: _least(
        n, t, 2 * n - 1
    ),
    "The right one is missing below the fraction line.": lambda n, t: _least(n, t, own=0.0),
    "The temperature has no effect: divide the cosines by it.": lambda n, t: _least(n, 1.0),
    "You multiplied by the temperature. Divide.": lambda n, t: _least(n, 1 / t),
    "The sign: a loss is −log of a probability, so never negative.": lambda n, t: -_least(n, t),
}


@check()
def least_loss(function: Any, seed: int = 0) -> Card:
    """Check ``function(n, temperature)``: the smallest value of NT-Xent with N pictures,
    log(1 + (2N − 2) e^{(c − 1)/τ}), c = −1/(N − 1).

    It is reached when the two views of each picture agree and the z of the pictures form a simplex
    (note §3.2).
    """
    rng = np.random.default_rng(seed)
    cases = [(int(n), float(t)) for n, t in ((4, 1.0), (rng.integers(6, 12), 0.5), (32, 0.4), (128, 0.2))]
    praise = (
        "A simplex, and the right one among 2N − 2 negatives. A loss is read between this and log(2N − 1)."
    )
    hint = "Σ z = 0 gives the cosine c = −1/(N − 1); then −log of e^{1/τ} over e^{1/τ} + (2N − 2) e^{c/τ}."
    return judge(function, cases, _least, _LEAST, praise, hint)
