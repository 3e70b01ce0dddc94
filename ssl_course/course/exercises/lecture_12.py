"""Exercises of lecture 12: ACE on a table, how softly VICReg whitens, and a broken rank condition."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ssl_course.course.exercises.card import UNSOLVED, Card, check, is_stub, passed, wrong
from ssl_course.course.exercises.judging import judge
from ssl_course.theory import bounds, correlation, independence


def _right(joint: np.ndarray) -> float:
    return float(correlation.maximal_correlations(joint)[0])


def _wrong_way(joint: np.ndarray) -> float:
    """Alternating with P(x₁|x₂) where P(x₂|x₁) belongs, otherwise as it should be."""
    p, q = joint.sum(1), joint.sum(0)
    eta = np.arange(joint.shape[1], dtype=float) ** 2
    psi = np.zeros(len(p))
    for _ in range(3000):
        psi = _white((joint / q) @ eta, p)
        eta = _white((joint / p[:, None]).T @ psi, q)
    return float(psi @ joint @ eta)


def _white(f: np.ndarray, weight: np.ndarray) -> np.ndarray:
    f = f - weight @ f
    return f / max(np.sqrt(weight @ f**2), 1e-300)


def _linear(joint: np.ndarray) -> float:
    i, j = np.arange(joint.shape[0]), np.arange(joint.shape[1])
    p, q = joint.sum(1), joint.sum(0)
    return float(_white(i.astype(float), p) @ joint @ _white(j.astype(float), q))


def _largest_singular_value(joint: np.ndarray) -> float:
    return float(np.linalg.svd(joint - np.outer(joint.sum(1), joint.sum(0)), compute_uv=False)[0])


@check()
def ace_of_a_table(function: Any, seed: int = 0) -> Card:
    """Check ``function(joint)``: the first maximal correlation of P(X₁, X₂) by alternating (note §3.5.2).

    It gets joint[x1, x2], non-negative, sum 1, of shape (4, 5) or the like.
    """
    rng = np.random.default_rng(seed)
    cases = []
    while len(cases) < 5:
        table = rng.dirichlet(np.full(20, 0.4)).reshape(4, 5) + 0.004
        table /= table.sum()
        rho = correlation.maximal_correlations(table)
        if rho[1] < 0.85 * rho[0]:  # far enough apart to converge in a few dozen steps
            cases.append((table,))
    mistakes = {
        "It ends at 1: the constant functions are perfectly correlated. "
        "Take the mean off in every step.": lambda p: 1.0,
        "It shrinks to 0: E[E[η|X₁]|X₂] is smaller than η each time. "
        "Bring the functions back to variance 1.": lambda p: 0.0,
        "That is ρ², the factor by which a full round shrinks η. "
        "The correlation is E[ψη] with both of variance 1.": lambda p: _right(p) ** 2,
        "That is the smallest L_sim, 2 − 2ρ. Wanted is ρ.": lambda p: 2 - 2 * _right(p),
        "You condition the wrong way: "
        "E[η(X₂)|x₁] weighs with P(x₂|x₁), rows that sum to 1, not with P(x₁|x₂).": _wrong_way,
        "That is the correlation of the numbers of the states. "
        "Functions may give each state any value.": _linear,
        "That is a singular value of P − pqᵀ without whitening: "
        "divide by √(p_i q_j), or variances are not 1.": _largest_singular_value,
    }
    praise = (
        "ACE on a table is the power method: it finds the first singular value of the whitened joint table."
    )
    hint = (
        "Start with any η; repeat a few hundred times: ψ = E[η|X₁], centred, variance 1 under P(x₁); η = "
        "E[ψ|X₂] likewise."
    )
    return judge(function, cases, _right, mistakes, praise, hint)


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
        "Half of it: VICReg divides the covariances by the number of numbers, 2, and C₁₂² + C₂₁² by 2 is C₁₂² "
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
