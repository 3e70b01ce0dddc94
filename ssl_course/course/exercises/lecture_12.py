"""Exercises of lecture 12: ACE on a table, where the leading feature flips, and a broken rank condition."""

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


@check()
def flip(function: Any, seed: int = 0) -> Card:
    """Check ``function(q)``: the λ at which intensity overtakes sentiment, when a word tells Y with probability q.

    (note §3.5; ``worlds.film_words``).
    """
    rng = np.random.default_rng(seed)
    cases = [(float(q),) for q in rng.uniform(0.55, 0.98, 6)]
    mistakes = {
        "2q − 1 is the correlation of one word's sentiment with Y. "
        "From word to word it is passed through Y twice.": lambda q: 2 * q - 1,
        "q² is the probability that both words agree with Y. "
        "Correlations of signs multiply, not probabilities.": lambda q: q * q,
        "q is a probability; the leading feature is decided between correlations.": lambda q: q,
        "That is the probability that the two sentiments agree. "
        "Of it to the correlation: twice it, less one.": lambda q: q * q + (1 - q) ** 2,
    }
    praise = "The sentiments correlate by (2q − 1)², the intensities by λ: whoever is larger leads."
    hint = (
        "Which correlation have s₁ and s₂, each equal to Y's sign with probability q and independent given Y?"
    )
    return judge(function, cases, lambda q: (2 * q - 1) ** 2, mistakes, praise, hint)


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
