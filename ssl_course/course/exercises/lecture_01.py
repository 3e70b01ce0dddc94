"""Exercises of lecture 01: what careless labels do to ε_CI², its closed form in the scenes,
and a world with ε_CI = 0 that is not conditionally independent."""

from typing import Any

import numpy as np

from ssl_course.course.exercises.card import Card, check, passed, wrong
from ssl_course.course.exercises.judging import judge
from ssl_course.theory import independence

_CARELESS = {
    "That is the share of ε_CI. Wanted is that of its square: what is left open is squared.": lambda e, k: (
        1 - (1 - e) ** 2
    ),
    "The label errs twice: it blurs the class means, and it blurs what X₁ says of the label. Each gives a factor "
    "1 − errors.": (lambda e, k: e**2, lambda e, k: e),
    "A label that is drawn anew may come out right. A mean moves to 1 − errors of its distance from the mean of all "
    "classes, however many they are.": lambda e, k: (1 - (1 - e * (k - 1) / k) ** 2) ** 2,
    "That is what still goes through the label. Wanted is the share that no longer does.": (
        lambda e, k: (1 - e) ** 4,
        lambda e, k: (1 - e) ** 2,
    ),
    "0 holds for the true label. With errors in it X₁ knows more of X₂ than the label "
    "passes on.": lambda e, k: 0.0,
    "Only a label that says nothing leaves everything open; then errors is 1.": lambda e, k: 1.0,
}


@check()
def careless_labels(function: Any, seed: int = 0) -> Card:
    """Check ``function(errors, classes)``: ε_CI² given a label with errors, as a share of the variance of
    E[X₂|X₁], where X₁ ⟂ X₂ given the true label (note §3.4).

    It gets the probability that a label is drawn anew, uniformly, and the number of classes, equally frequent.
    """
    rng = np.random.default_rng(seed)
    cases = [
        (float(e), int(k)) for e, k in zip(rng.uniform(0.05, 0.95, 6), rng.integers(2, 9, 6), strict=True)
    ]
    praise = "(1 − (1 − errors)²)²: the class means shrink, and so does what X₁ says of the label."
    hint = "How far are E[X₂|label] and P(label|x₁) from their means, next to those of the true class? Then the gap, squared."
    return judge(function, cases, lambda e, k: (1 - (1 - e) ** 2) ** 2, _CARELESS, praise, hint)


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
