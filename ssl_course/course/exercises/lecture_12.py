"""Exercises of lecture 12: how many rounds ACE takes, how softly VICReg whitens, and a broken rank condition."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ssl_course.course.exercises.card import UNSOLVED, Card, check, is_stub, passed, wrong
from ssl_course.course.exercises.judging import judge
from ssl_course.theory import bounds, correlation, independence

_ROUNDS = {
    "That is for the second function's share, which falls by ρ₂/ρ₁ in each half round. The correlation falls short by "
    "its square.": lambda a, b, d: d * np.log(10) / (2 * np.log(a / b)),
    "A round has two half rounds, ψ and η, and the gap is quadratic in what is left of the second function: (ρ₂/ρ₁)⁴ a "
    "round.": lambda a, b, d: d * np.log(10) / np.log(a / b),
    "Digits are powers of 10, and that logarithm is natural: d ln 10.": lambda a, b, d: (
        d / (4 * np.log(a / b))
    ),
    "The first function shrinks as well, by ρ₁, and is brought back to variance 1: only the ratio counts.": (
        lambda a, b, d: -d * np.log(10) / (4 * np.log(b)),
        lambda a, b, d: -d * np.log(10) / (2 * np.log(b)),
    ),
    "It is the ratio of the two that counts, not their difference.": lambda a, b, d: (
        -d * np.log(10) / (4 * np.log(a - b))
    ),
    "The sign: ρ₂/ρ₁ is below 1, and its logarithm negative.": lambda a, b, d: (
        d * np.log(10) / (4 * np.log(b / a))
    ),
}


@check()
def rounds_of_ace(function: Any, seed: int = 0) -> Card:
    """Check ``function(rho1, rho2, digits)``: how many rounds of ACE, late in the run, until its correlation falls
    short of ρ₁ by 10^digits less (note §3.5.2).

    It gets the two largest maximal correlations and the digits; returns a number, fractions allowed.
    """
    rng = np.random.default_rng(seed)
    cases = [
        (float(a), float(a * s), int(d))
        for a, s, d in zip(rng.uniform(0.3, 0.95, 5), rng.uniform(0.3, 0.9, 5), range(1, 6), strict=True)
    ]
    praise = "d ln 10 / (4 ln(ρ₁/ρ₂)): where two functions are shared almost alike, ACE takes its time."
    hint = "Write η = φ₁ + c φ₂. What has a half round made of c, at variance 1? And E[ψη], by how much is it below ρ₁?"
    return judge(function, cases, lambda a, b, d: d * np.log(10) / (4 * np.log(a / b)), _ROUNDS, praise, hint)


def _overlap(scale: float = 1.0, most: float = 1.0) -> Callable[[float, float, float, float], float]:
    return lambda a, b, inv, cov: min(most, scale * inv * (a - b) / (4 * cov))


@check()
def soft_whitening(function: Any, seed: int = 0) -> Card:
    """Check ``function(rho1, rho2, invariance, covariance)``:
    the correlation of ψ's two numbers at VICReg's minimum.

    Two numbers of variance 1 in each view (`losses.vicreg`, lecture 12):
    min(1, invariance (ρ₁ − ρ₂) / (4 covariance)).
    """
    rng = np.random.default_rng(seed)
    cases = [(0.9, 0.3, 25.0, 1.0)]  # beyond 1
    for low, high in ((0.5, 0.6), (0.5, 0.8), (0.55, 0.7), (0.6, 0.95)):
        rho2, rho1 = rng.uniform(low, (low + high) / 2), rng.uniform((low + high) / 2, high)
        invariance = rng.uniform(5, 30)
        cases.append((rho1, rho2, invariance, invariance * (rho1 - rho2) / (4 * rng.uniform(0.1, 0.45))))
    mistakes = {
        "Right, except that a correlation is at most 1: from there on both numbers are copies.": _overlap(
            most=np.inf
        ),
        "Twice too much: either the covariances of one view only are counted, or the invariance is summed over the "
        "two numbers, where VICReg takes the mean.": (_overlap(2), _overlap(2, np.inf)),
        "Half of it: VICReg divides the covariances by the number of numbers, 2, and Cov₁₂² + Cov₂₁² by 2 is Cov₁₂² "
        "once a view.": (_overlap(0.5), _overlap(0.5, np.inf)),
        "That is two copies, which only a small covariance weight allows.": lambda a, b, inv, cov: 1.0,
        "The sum of the correlations does not change with c; what the invariance term gains by a copy is their "
        "difference.": lambda a, b, inv, cov: inv * (a + b) / (4 * cov),
        "That is exact whitening, the limit of a large covariance weight.": lambda a, b, inv, cov: 0.0,
    }
    praise = (
        "A copy of the first function gains invariance · (ρ₁ − ρ₂) c and costs 2 · covariance · c². Twice the invariance "
        "weight, twice the correlation, until it is 1."
    )
    hint = (
        "With ψ₁,₂ = cos θ φ₁ ± sin θ φ₂ the invariance term is 2 − ρ₁(1 + c) − ρ₂(1 − c), and the covariance term of "
        "both views 2c². Which c makes the weighted sum smallest, for c from 0 to 1?"
    )
    return judge(function, cases, _overlap(), mistakes, praise, hint)


@check("the table and the values of X₂ themselves")
def broken_condition(joint: Any, x2: Any) -> Card:
    """Check a world in which X₂ tells much of Y and yet all class means E[X₂|Y] are equal (note §3.5.2).

    Args:
        joint: the student's joint[x1, x2, y].
        x2: values of the states of X₂, (n2,) or (n2, d).
    """
    if is_stub(x2):
        return UNSOLVED
    try:
        table, values = np.array(joint, dtype=np.float64), np.array(x2, dtype=np.float64)
        spread = float(independence.variance(table, values)) ** 0.5
        sigma = float(bounds.sigma_centred(table, values))
        tells = float(correlation.maximal_correlations(table.sum(0))[0])
        reconstruction = bounds.probe_limit(table, values).excess
        coded = bounds.probe_limit(table, np.eye(table.shape[1])).excess
    except (TypeError, ValueError, IndexError) as error:
        return wrong(f"That is no world: {error}.")
    if tells < 0.3:
        return wrong(
            f"X₂ says little of Y: their largest maximal correlation is {tells:.2f}, wanted is 0.3. Equal means are "
            "easy when nothing is shared; let Y change the shape of X₂, not its mean."
        )
    if sigma > 1e-9 * max(spread, 1e-300):
        return wrong(
            f"The class means differ: σ is {sigma / spread:.2g} of the spread of X₂. Let Y decide how far X₂ strays, evenly to both "
            "sides."
        )
    if reconstruction < 1e-9:
        return wrong("X₁ says nothing of Y here, so nothing is lost. Let X₁ depend on Y, too.")
    return passed(
        f"ψ* learns nothing of Y: excess {reconstruction:.3f}, the bound infinite. Coded one-hot, a function of X₂, the "
        f"same X₂ leaves {abs(coded):.3f}: that is what similarity with free functions finds by itself."
    )
