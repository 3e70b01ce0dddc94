"""Exercises of lecture 01: ε_CI² by hand and in closed form,
and a world with ε_CI = 0 that is not conditionally independent."""

from typing import Any

import numpy as np

from ssl_course.course.exercises.card import Card, check, passed, wrong
from ssl_course.course.exercises.judging import judge
from ssl_course.theory import independence


def _pieces(joint: np.ndarray, x2: np.ndarray) -> tuple[np.ndarray, ...]:
    """P(x₁), E[X₂|x₁], P(y|x₁), E[X₂|y] as NumPy arrays."""
    psi = independence.best_predictor(joint, x2).numpy()[:, 0]
    means = independence.class_means(joint, x2).numpy()[:, 0]
    return joint.sum((1, 2)), psi, independence.posterior(joint).numpy(), means


def _gaps(joint: np.ndarray, x2: np.ndarray) -> np.ndarray:
    _, psi, posterior, means = _pieces(joint, x2)
    return psi - posterior @ means


def _right(joint: np.ndarray, x2: np.ndarray) -> float:
    return float(independence.epsilon_ci_squared(joint, x2))


def _against_the_mean(joint: np.ndarray, x2: np.ndarray) -> float:
    p1, psi, _, _ = _pieces(joint, x2)
    return float(p1 @ (psi - p1 @ psi) ** 2)


def _square_inside(joint: np.ndarray, x2: np.ndarray) -> float:
    p1, psi, posterior, means = _pieces(joint, x2)
    return float(p1 @ (posterior * (psi[:, None] - means) ** 2).sum(1))


def _given_both(joint: np.ndarray, x2: np.ndarray) -> float:
    both = np.einsum("ijy,j->iy", joint, x2) / joint.sum(1)  # E[X₂|x₁,y]
    return float((joint.sum(1) * (both - _pieces(joint, x2)[3]) ** 2).sum())


def _bayes_reversed(joint: np.ndarray, x2: np.ndarray) -> float:
    p1, psi, _, means = _pieces(joint, x2)
    given_y = joint.sum(1) / joint.sum((0, 1))  # P(x₁|y)
    return float(p1 @ (psi - given_y @ means) ** 2)


_MISTAKES = {
    "That is the root, ε_CI. Wanted is its square, ε_CI².": lambda p, x2: np.sqrt(_right(p, x2)),
    "You average the size of the gaps: the square is forgotten.": lambda p, x2: (
        p.sum((1, 2)) @ np.abs(_gaps(p, x2))
    ),
    "It is always 0. Either the gaps are averaged without the square, and cancel; or E[X₂|y] was taken "
    "given x₁ as well, and averaging E[X₂|x₁,y] over y gives E[X₂|x₁] back.": lambda p, x2: 0.0,
    "You compare E[X₂|x₁] with the plain mean of X₂. That happens with P(y) in place of P(y|x₁), and when "
    "the conditioning on y is dropped, P(x₁)P(x₂): it measures dependence, not dependence "
    "given Y.": _against_the_mean,
    "The mean over x₁ counts every x₁ alike. The expectation weighs each with P(x₁).": lambda p, x2: (
        _gaps(p, x2) ** 2
    ).mean(),
    "You sum over x₁ without weights. The expectation weighs each x₁ with P(x₁).": lambda p, x2: (
        _gaps(p, x2) ** 2
    ).sum(),
    "You square first and average over y then. "
    "The average over y, E_Y[E[X₂|Y] | x₁], belongs inside the square.": _square_inside,
    "You compare E[X₂|x₁,y] with E[X₂|y] in each (x₁, y). "
    "ε_CI² compares after averaging over y given x₁.": _given_both,
    "You weigh the classes with P(x₁|y). Wanted is P(y|x₁).": _bayes_reversed,
}


@check()
def epsilon_ci_squared(function: Any, seed: int = 0) -> Card:
    """Check ``function(joint, x2)``: ε_CI² of a 2×2×2 table (note §3.4).

    It gets joint[x1, x2, y] of shape (2, 2, 2) and the values x2 of shape (2,).
    """
    rng = np.random.default_rng(seed)
    cases = [(rng.dirichlet(np.ones(8)).reshape(2, 2, 2), rng.normal(0, 3, 2)) for _ in range(6)]
    praise = (
        "For every x₁: the best guess of X₂, less the guess that goes through Y; squared; weighed with P(x₁)."
    )
    hint = "In four steps: E[X₂|x₁], E[X₂|y], P(y|x₁), then P(x₁)-weighted squares of E[X₂|x₁] − Σ_y P(y|x₁) E[X₂|y]."
    return judge(function, cases, _right, _MISTAKES, praise, hint)


@check("the table itself, an array joint[x1, x2, y]")
def ci_free_world(joint: Any, x2: Any = None) -> Card:
    """Check a table with ε_CI = 0 in which X₁ and X₂ are nevertheless dependent given Y (note §3.4).

    Args:
        joint: the student's joint[x1, x2, y], any number of states of each.
        x2: values of the states of X₂, (n2,) or (n2, d); by default 0, 1, 2, …
    """
    try:
        table = np.array(joint, dtype=np.float64)
        values = np.arange(table.shape[1]) if x2 is None else np.array(x2, dtype=np.float64)
        spread = float(independence.variance(table, values))
        epsilon = float(independence.epsilon_ci_squared(table, values))
        dependence = float(independence.conditional_mutual_information(table))
    except (TypeError, ValueError, IndexError) as error:
        return wrong(f"That is no world; give an array joint[x1, x2, y]: {error}.")
    if spread < 1e-9:
        return wrong("X₂ has one value only: there is nothing to predict.")
    if dependence < 1e-9:
        return wrong(
            "Here X₁ ⟂ X₂ | Y holds, so ε_CI = 0 is no surprise. Find one with ε_CI = 0 where it does not hold."
        )
    if epsilon > 1e-9 * spread:
        return wrong(
            f"ε_CI² is {epsilon / spread:.3g} of the variance of X₂, not 0. It is 0 as soon as E[X₂|x₁] = "
            "Σ_y P(y|x₁) E[X₂|y]; think of a Y that says nothing about X₁ alone and nothing about X₂ alone."
        )
    if _says_nothing(table):
        return wrong("Y is independent of X₁ and X₂ together: it plays no part. Let Y depend on them.")
    if dependence < 1e-4:
        return wrong(f"The dependence given Y is {dependence:.1e} nats: make it clearly larger (above 1e-4).")
    return passed(
        f"ε_CI = 0, and yet I(X₁; X₂ | Y) = {dependence:.3g} nats: ε_CI looks at means only, and after averaging over Y."
    )


def _says_nothing(table: np.ndarray) -> bool:
    """Whether Y is independent of the pair (X₁, X₂)."""
    return np.allclose(table, table.sum(2, keepdims=True) * table.sum((0, 1)), atol=1e-9)


def _by_enumeration(dependence: float, profile: np.ndarray, tints: np.ndarray) -> float:
    """ε_CI² of X₁ = light, X₂ = profile ⊗ its tint, and a class that is a fair coin of its own."""
    k = len(tints)
    both = (dependence * np.eye(k) + (1 - dependence) / k) / k  # P(light, tint)
    shifts = np.einsum("p,zc->zpc", profile, tints).reshape(k, -1)
    return float(independence.epsilon_ci_squared(np.stack([both, both], 2) / 2, shifts))


_SLIPS = {
    "λ comes in once where it belongs twice: the gap grows with λ, and the gap is squared.": lambda d, p, t: (
        _by_enumeration(1, p, t) * d
    ),
    "That is the root, ε_CI. Wanted is its square, ε_CI².": lambda d, p, t: np.sqrt(_by_enumeration(d, p, t)),
    "You put P(tint = light) where λ belongs. The other tints, which are drawn as often as not, pull back to the mean "
    "tint: what is left of the gap is λ.": lambda d, p, t: (
        _by_enumeration(1, p, t) * (d + (1 - d) / len(t)) ** 2
    ),
    "You square the tints as they are. The class alone already predicts their mean: take it away first.": lambda d, p, t: (
        d**2 * (p**2).sum() * (t**2).sum(1).mean()
    ),
    "You sum over the lights. They are equally frequent: take the mean, which also divides by K and not by "
    "K − 1.": (
        lambda d, p, t: _by_enumeration(d, p, t) * len(t),
        lambda d, p, t: _by_enumeration(d, p, t) * len(t) / (len(t) - 1),
    ),
    "The shares of the places are squared, each by itself, and then summed: each place has numbers of its own in X₂.": (
        lambda d, p, t: _by_enumeration(d, p, t) * p.sum() / (p**2).sum(),
        lambda d, p, t: _by_enumeration(d, p, t) * p.sum() ** 2 / (p**2).sum(),
        lambda d, p, t: _by_enumeration(d, p, t) / (p**2).sum(),
    ),
}


@check()
def closed_form(function: Any, seed: int = 0) -> Card:
    """Check ``function(dependence, profile, tints)``: ε_CI² of the scenes' kind of world in closed form
    (note §3.4).

    It gets λ, the shares of the places (places,), and the shifts of K tints (K, 2).
    """
    rng = np.random.default_rng(seed)
    cases = [
        (rng.uniform(0.2, 0.9), rng.uniform(0.2, 1.5, rng.integers(2, 5)), rng.normal(3, 4, (k, 2)))
        for k in (3, 4, 5, 6)
    ]
    praise = "λ² ‖profile‖² times the variance of the tints: dependence, how much X₂ shows of it, and how far the tints lie apart."
    hint = "For light i the mean shift is profile ⊗ (mean tint + λ (tint i − mean tint)); the class alone gives profile ⊗ mean tint."
    return judge(function, cases, _by_enumeration, _SLIPS, praise, hint)
