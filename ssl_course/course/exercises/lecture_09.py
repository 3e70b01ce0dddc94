"""Checks of lecture 09: a linear SimSiam with two decays, the spread of two opposite points,
a faster predictor."""

import math
from typing import Any

import numpy as np

from ssl_course.course.exercises.card import Card, check
from ssl_course.course.exercises.judging import judge

# ---- two decays -----------------------------------------------------------------------------------------


def _root(noise: float, decay: float, sign: float = -1) -> float:
    return (1 + sign * math.sqrt(1 - 4 * decay * (1 + noise))) / (2 * (1 + noise))


def _rest(noise: float, first: float, second: float, sign: float = 1) -> list[float]:
    """(κ, ω) with ``first`` in the bracket and the ratio ``second``/``first`` under the root."""
    kappa = _root(noise, first, sign)
    return [kappa, kappa * math.sqrt(second / first)]


_DECAYS = {
    "κ = ω holds where both decays are equal. Divide κ̇ = 0 by ω̇ = 0 to see how they differ.": (
        lambda v, p, e: [_root(v, e, 1)] * 2,
        lambda v, p, e: [_root(v, p, 1)] * 2,
    ),
    "The decays have changed places. ω̇ = 0 says κ(1 − (1 + ν)κ) = γ_e: it is the *encoder's* decay that sets κ.": (
        lambda v, p, e: _rest(v, p, e)
    ),
    "κ is right. The ratio is upside down: the more the predictor decays, the more the encoder must "
    "hold up.": lambda v, p, e: [_root(v, e, 1), _root(v, e, 1) * math.sqrt(e / p)],
    "κ is right. ω² = (γ_p/γ_e) κ²: take the root.": lambda v, p, e: [_root(v, e, 1), _root(v, e, 1) * p / e],
    "That is the watershed, the smaller zero. It comes to rest at the larger one.": lambda v, p, e: _rest(
        v, e, p, -1
    ),
    "κ first, then ω.": lambda v, p, e: _rest(v, e, p)[::-1],
    "The noise is missing: E[x₁²] is 1 + ν, which multiplies κ².": lambda v, p, e: _rest(0, e, p),
}


@check()
def two_decays(function: Any, seed: int = 0) -> Card:
    """Check ``function(noise, predictor_decay, encoder_decay)``: where a direction comes to rest, (κ, ω), when
    the two have decays of their own (lecture 09).

    It gets ν and both decays, small enough that something lives.
    """
    rng = np.random.default_rng(seed)
    cases = []
    for noise in rng.uniform(0.1, 1, 6):
        limit = 1 / (4 * (1 + noise))
        predictor, encoder = limit * rng.choice([0.2, 0.4, 0.6, 0.8], 2, replace=False)
        cases.append((float(noise), float(predictor), float(encoder)))
    praise = (
        "κ knows the encoder's decay alone; ω = κ √(γ_p/γ_e): to decay the predictor strengthens the encoder."
    )
    hint = "Set ω̇ = 0 for κ. Then κ̇ = 0 gives ω² (1 − (1 + ν)κ) = γ_p κ; put γ_e/κ for the bracket."
    return judge(function, cases, lambda v, p, e: _rest(v, e, p), _DECAYS, praise, hint)


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
    hint = "Normalise u. A column is +u_j in half of the rows and −u_j in the others: its mean? its std? Then the gauge."
    return judge(function, cases, _gauge, _GAUGES, praise, hint)


# ---- a predictor that learns faster ------------------------------------------------------------------------

_FASTER = {
    "That is the watershed of κ, which stays. In ω it lies at κ₋ divided by √q, since κ² = q ω².": lambda v, g, m: (
        _root(v, g)
    ),
    "κ² = q ω², so ω = κ/√q: divide by the root of q.": (
        lambda v, g, m: _root(v, g) / m,
        lambda v, g, m: _root(v, g) * math.sqrt(m),
        lambda v, g, m: _root(v, g) * m,
    ),
    "The decay is not divided by q: the rate of the predictor's learning grows, its decay stays "
    "γ.": lambda v, g, m: _root(v, g / m),
    "That is where it comes to rest. The watershed is the smaller zero.": lambda v, g, m: (
        _root(v, g, sign=1) / math.sqrt(m)
    ),
}


@check()
def faster_predictor(function: Any, seed: int = 0) -> Card:
    """Check ``function(noise, decay, speed)``: the least ω that lives beside κ = √speed ω, where the
    predictor's slope counts speed times (lecture 09; α_p of Tian et al., arXiv 2102.06810, §3).

    It gets ν, γ (below the limit, so that something lives) and q, and returns a number.
    """
    rng = np.random.default_rng(seed)
    cases = []
    for _ in range(5):
        noise, share = rng.uniform(0.1, 1), rng.uniform(0.2, 0.9)
        cases.append((float(noise), float(share / (4 * (1 + noise))), float(rng.uniform(1.5, 9))))
    praise = "κ₋/√q: a predictor that learns faster saves weaker directions."
    hint = "Derive κ² − q ω² → 0 as in line 1 of the proof; put ω² = κ²/q into κ̇; the watershed of κ, in units of ω."
    return judge(function, cases, lambda v, g, m: _root(v, g) / math.sqrt(m), _FASTER, praise, hint)
