"""Exercises of lecture 11: the wrong mean, where supervision overtakes, a bound broken with three classes."""

from typing import Any

import numpy as np

from ssl_course.course.exercises.card import Card, check, passed, wrong
from ssl_course.course.exercises.judging import judge
from ssl_course.theory import bounds, independence

LABELS, FACTOR = 100_000, 1000  # of `breaks_the_bound`


@check()
def wrong_mean(function: Any, seed: int = 0) -> Card:
    """Check ``function(q)``: by which factor centring with P(y) makes ε²/σ² of two classes too small
    (note §3.4).

    q is the probability of one of them, in (0, 1).
    """
    cases = [(float(q),) for q in np.random.default_rng(seed).uniform(0.03, 0.97, 6)]
    mistakes = {
        "That is σ_w² over ‖m₁ − m₂‖². The proved σ² is ½ of it, not 1: divide by that, too.": (
            lambda q: q**2 + (1 - q) ** 2
        ),
        "That is the ratio of the σ. The bound has their squares.": lambda q: (
            (2 * (q**2 + (1 - q) ** 2)) ** 0.5
        ),
        "Upside down: asked is how much smaller the false bound is, a factor of at least 1.": (
            lambda q: 1 / (2 * (q**2 + (1 - q) ** 2))
        ),
        "You centred the column of class 1 with q too. m̄ = q m₁ + (1 − q) m₂, so m₁ − m̄ = (1 − q)(m₁ − m₂) and m₂ − m̄ = "
        "−q (m₁ − m₂).": lambda q: 4 * q**2,
        "That is the variance of the label. The singular value of u vᵀ is ‖u‖‖v‖, a sum of squares under a root: "
        "no product of q and 1 − q.": lambda q: 4 * q * (1 - q),
    }
    praise = (
        "1 at q = ½ and nearly 2 for a rare class: the bound with frequencies is false by up to this factor."
    )
    hint = "The columns are (1 − q)(m₁ − m₂) and −q (m₁ − m₂) with frequencies, ±½ (m₁ − m₂) with the plain mean."
    return judge(function, cases, lambda q: 2 * (q**2 + (1 - q) ** 2), mistakes, praise, hint)


def _overtakes(a: float, noise: float, rank: int, d1: int) -> float:
    return d1 + 1 + (d1 - rank) * noise / a


@check()
def supervision_overtakes(function: Any, seed: int = 0) -> Card:
    """Check ``function(a, noise, rank, d1)``: the n_L at which both learning curves cross (note §3.4).

    It is asked with a > 0 and rank < d1.
    """
    rng = np.random.default_rng(seed)
    cases = [(float(rng.uniform(0.05, 2)), float(rng.uniform(0.1, 3)), int(r), int(r + rng.integers(2, 60)))
             for r in rng.integers(1, 12, 6)]  # fmt: skip
    mistakes = {
        "You solved a + V r/n = V d₁/n. Take the exact curves, "
        "with r/(n − r − 1) and V + a: d₁ + 1 more.": lambda a, noise, rank, d1: (d1 - rank) * noise / a,
        "You used r/n and d₁/n. With r/(n − r − 1) and d₁/(n − d₁ − 1) the crossing lies beyond d₁ + 1, "
        "always.": lambda a, noise, rank, d1: (d1 * noise - rank * (noise + a)) / a,
        "One label short: that belongs to r/(n − r); the curves have n − r − 1 and n "
        "− d₁ − 1.": lambda a, noise, rank, d1: d1 + (d1 - rank) * noise / a,
        "That compares with a probe that needs no labels at all. "
        "Its own r gives (d₁ − r) in place of d₁.": lambda a, noise, rank, d1: d1 + 1 + d1 * noise / a,
        "Before n = d₁ + 1 the supervised risk is infinite, so the crossing is at least there: d₁ + 1, not "
        "r + 1.": lambda a, noise, rank, d1: rank + 1 + (d1 - rank) * noise / a,
        "Upside down: the smaller a, the longer the probe stays ahead.": lambda a, noise, rank, d1: (
            d1 + 1 + (d1 - rank) * a / noise
        ),
    }
    praise = "And so a = 0 means never: without approximation error labels never make supervision the better choice."
    hint = (
        "Write both curves as (V + a)(n − 1)/(n − r − 1) − V and V(n − 1)/(n − d₁ − 1) − V, and solve for n."
    )
    return judge(function, cases, _overtakes, mistakes, praise, hint)


@check("the table itself, an array joint[x1, x2, y]")
def breaks_the_bound(joint: Any, x2: Any = None) -> Card:
    """Check a world in which the note's k/n_L + ε_CI² falls short of the probe's excess 1,000-fold
    (note §3.4).

    With 100,000 labels, and X₂ brought to variance 1 first, so that no choice of units does the work.

    Args:
        joint: the student's joint[x1, x2, y], any number of states of each.
        x2: values of the states of X₂, (n2,) or (n2, d); by default one-hot.
    """
    try:
        table = np.array(joint, dtype=np.float64)
        values = np.eye(table.shape[1]) if x2 is None else np.array(x2, dtype=np.float64)
        spread = float(independence.variance(table, values))
        a = float(bounds.approximation_error(table, values))
        epsilon = float(independence.epsilon_ci_squared(table, values))
        sigma = float(bounds.sigma_centred(table, values))
    except (TypeError, ValueError, IndexError) as error:
        return wrong(f"That is no world: {error}.")
    if spread < 1e-12:
        return wrong("X₂ has one value only: there is nothing to predict.")
    if a < 1e-9:
        return wrong(
            "Here the probe of ψ* is Bayes-optimal (a = 0), so nothing is broken. ψ* must lose what X₁ knows of Y: "
            "make E[X₂ | X₁] constant although X₁ tells Y."
        )
    k, unit = table.shape[2], spread
    if k < 3:
        return wrong(
            "That world has two classes, as the two coins had. Give one with three: joint[i, j, y] with y in 0, 1, 2."
        )
    promise = k / LABELS + epsilon / unit
    ratio = a / promise
    if ratio >= FACTOR:
        return passed(
            f"The promise is {promise:.2g}, the probe's excess at least {a:.2g}: {ratio:,.0f} times as much. The class "
            f"means have σ = {sigma / unit**0.5:.2g}, and ε²/σ² = {epsilon / max(sigma, 1e-300) ** 2:.2g} "
            f"keeps its promise."
        )
    if a / (k / LABELS + epsilon) >= FACTOR:
        return wrong(
            f"In your units the ratio is {a / (k / LABELS + epsilon):,.0f}, but only since X₂ is small: ε² shrinks with "
            f"the unit. Brought to variance 1, {ratio:,.0f} remain. Make X₂ say less about Y instead."
        )
    return wrong(
        f"The probe's excess is {ratio:,.1f} times the promise; wanted are {FACTOR:,}. The gap ε is enlarged by "
        "1/σ, so bring the class means of X₂ closer together, all three."
    )
