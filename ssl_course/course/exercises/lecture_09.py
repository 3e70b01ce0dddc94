"""Checks of lecture 09: the watershed of a linear SimSiam, the spread of two opposite points,
a faster predictor."""

import math
from typing import Any

import numpy as np

from ssl_course.course.exercises.card import Card, check
from ssl_course.course.exercises.judging import judge

# ---- the watershed -----------------------------------------------------------------------------------------


def _root(noise: float, decay: float, sign: float = -1, below: float | None = None) -> float:
    under = 1 - 4 * decay * (1 + noise)
    if under < 0:
        return math.inf
    return (1 + sign * math.sqrt(under)) / (2 * (1 + noise) if below is None else below)


_WATERSHEDS = {
    "That is κ₊, where a direction comes to rest. The watershed is the smaller zero.": lambda noise, decay: (
        _root(noise, decay, sign=1)
    ),
    "Where the square root is not real nothing lives: return math.inf there. 0 would say that everything "
    "does.": lambda noise, decay: 0.0 if math.isinf(_root(noise, decay)) else _root(noise, decay),
    "The noise is missing: E[x₁²] is 1 + ν, which multiplies κ².": lambda noise, decay: _root(0, decay),
    "Divide by twice the coefficient of κ², 2 (1 + ν).": (
        lambda noise, decay: _root(noise, decay, below=2),
        lambda noise, decay: _root(noise, decay, below=1),
        lambda noise, decay: _root(noise, decay, below=1 + noise),
    ),
    "That is the first term for a small decay. Solve κ − (1 + ν)κ² − γ = 0 as it is.": lambda noise, decay: (
        decay
    ),
    "That is the slope of the best predictor, where the encoder would rest without decay. Here κ − (1 + ν)κ² − γ "
    "must be 0.": lambda noise, decay: 1 / (1 + noise),
}


@check()
def watershed(function: Any, seed: int = 0) -> Card:
    """Check ``function(noise, decay)``: the least κ = ω from which a direction of a linear SimSiam lives
    (lecture 09).

    It gets ν and γ, and returns a number, infinity where nothing lives.
    """
    rng = np.random.default_rng(seed)
    noises = rng.uniform(0.1, 1.0, 6)
    # two of the six decays are above the limit 1 / (4 (1 + ν))
    cases = [
        (float(noise), float(share / (4 * (1 + noise))))
        for noise, share in zip(noises, [*rng.uniform(0.1, 0.9, 4), 1.3, 2.0], strict=True)
    ]
    praise = "Below it a direction dies, however good the safeguards; too large a decay leaves none alive."
    hint = "The smaller zero of κ − (1 + ν)κ² − γ; math.inf where it has none."
    return judge(function, cases, _root, _WATERSHEDS, praise, hint)


# ---- two opposite points -----------------------------------------------------------------------------------


def _gauge(u: np.ndarray) -> float:
    return float(np.abs(u).sum() / np.linalg.norm(u) / math.sqrt(len(u)))


_GAUGES = {
    "Always 1? That is the root of the *mean square* of the stds. The gauge takes their mean, which is as large "
    "only where all |u_j| are equal, on the diagonal.": lambda u: 1.0,
    "The rows are normalised before the gauge: divide by the length of u.": lambda u: (
        np.abs(u).sum() / math.sqrt(len(u))
    ),
    "√d is on the wrong side: the *mean* of d stds, times √d, is their sum over √d.": (
        lambda u: np.abs(u).sum() / np.linalg.norm(u),
        lambda u: np.abs(u).sum() / np.linalg.norm(u) * math.sqrt(len(u)),
        lambda u: np.abs(u).mean() / np.linalg.norm(u),
    ),
    "A std is not signed: |u_j|.": lambda u: u.sum() / np.linalg.norm(u) / math.sqrt(len(u)),
    "1/√d holds on a coordinate axis only, where one column does it all. A std is |u_j|, not u_j².": lambda u: (
        1 / math.sqrt(len(u))
    ),
}


@check()
def two_points(function: Any, seed: int = 0) -> Card:
    """Check ``function(u)``: std·√d, rows normalised, where half of the rows are u and half −u (lecture 09).

    It gets an array (d,), not of length 1, and returns a number.
    """
    rng = np.random.default_rng(seed)
    cases = [(rng.normal(size=d) * rng.uniform(0.5, 3),) for d in (2, 3, 8, 20, 64)]
    praise = (
        "1 on the diagonal, 1/√d on a coordinate axis, about √(2/π) on a random one; always one direction."
    )
    hint = "Normalise u; column j has the std |u_j|; take the mean over the d columns, times √d."
    return judge(function, cases, _gauge, _GAUGES, praise, hint)


# ---- a predictor that learns faster ------------------------------------------------------------------------

_FASTER = {
    "That is the watershed of κ, which stays. In ω it lies at κ₋ divided by √m, since κ² = m ω².": lambda v, g, m: (
        _root(v, g)
    ),
    "κ² = m ω², so ω = κ/√m: divide by the root of m.": (
        lambda v, g, m: _root(v, g) / m,
        lambda v, g, m: _root(v, g) * math.sqrt(m),
        lambda v, g, m: _root(v, g) * m,
    ),
    "The decay is not divided by m: the rate of the predictor's learning grows, its decay stays "
    "γ.": lambda v, g, m: _root(v, g / m),
    "That is where it comes to rest. The watershed is the smaller zero.": lambda v, g, m: (
        _root(v, g, sign=1) / math.sqrt(m)
    ),
}


@check()
def faster_predictor(function: Any, seed: int = 0) -> Card:
    """Check ``function(noise, decay, speed)``: the least ω that lives beside κ = √speed ω, where the
    predictor's slope counts speed times (lecture 09; α_p of Tian et al., arXiv 2102.06810, §3).

    It gets ν, γ (below the limit, so that something lives) and m, and returns a number.
    """
    rng = np.random.default_rng(seed)
    cases = []
    for _ in range(5):
        noise, share = rng.uniform(0.1, 1), rng.uniform(0.2, 0.9)
        cases.append((float(noise), float(share / (4 * (1 + noise))), float(rng.uniform(1.5, 9))))
    praise = "κ₋/√m: a predictor that learns faster saves weaker directions."
    hint = "Derive κ² − m ω² → 0 as in line 1 of the proof; put ω² = κ²/m into κ̇; the watershed of κ, in units of ω."
    return judge(function, cases, lambda v, g, m: _root(v, g) / math.sqrt(m), _FASTER, praise, hint)
