"""Exercises of lecture 11: the probe's learning curve, where supervision overtakes, and a broken bound."""

from typing import Any

import numpy as np

from ssl_course.course.exercises.card import Card, check, passed, wrong
from ssl_course.course.exercises.judging import judge
from ssl_course.theory import bounds, independence

LABELS, FACTOR = 100_000, 1000  # of `breaks_the_bound`


def _excess(a: float, noise: float, rank: int, n: int) -> float:
    return a + (noise + a) * rank / (n - rank - 1) if n > rank + 1 else np.inf


def _unless_too_few(rule: Any) -> Any:
    """A usual wrong rule, with the infinity that is asked for."""
    return lambda a, noise, rank, n: rule(a, noise, rank, n) if n > rank + 1 else np.inf


_CURVES = {
    "The a that no weight can mend is noise to the fit, too: (V + a) r/(n − r − 1), not V r/(n − r − 1).": (
        lambda a, noise, rank, n: a + noise * rank / (n - rank - 1)
    ),
    "That is the error of estimation alone. The excess risk is a on top of it.": (
        lambda a, noise, rank, n: (noise + a) * rank / (n - rank - 1)
    ),
    "r/n is what remains for n far above r. Exactly, E[trace of the inverse covariance] gives r/(n "
    "− r − 1).": (lambda a, noise, rank, n: a + (noise + a) * rank / n),
    "Nearly: the mean of an inverse Wishart matrix divides by n − r − 1, not by n − r.": (
        lambda a, noise, rank, n: a + (noise + a) * rank / (n - rank)
    ),
    "That is the whole risk with the label noise in it. The excess is the risk less V, "
    "which nobody can avoid.": (lambda a, noise, rank, n: noise + a + (noise + a) * rank / (n - rank - 1)),
}


@check()
def excess_of_probe(function: Any, seed: int = 0) -> Card:
    """Check ``function(a, noise, rank, n)``: expected excess of least squares without intercept (note §3.4).

    Infinity is right where n ≤ rank + 1.
    """
    rng = np.random.default_rng(seed)
    cases = [(float(rng.uniform(0.05, 2)), float(rng.uniform(0.1, 3)), int(r), int(r + rng.integers(3, 60)))
             for r in rng.integers(1, 12, 6)]  # fmt: skip
    cases += [(0.1, 0.5, 8, 5), (0.2, 1.0, 5, 2)]  # fewer labels than features
    too_few = (
        "Right for n > r + 1. With fewer labels the formula turns negative; the true expectation is infinite: "
        "return float('inf') there."
    )
    mistakes = {too_few: lambda a, noise, rank, n: a + (noise + a) * rank / (n - rank - 1)}
    mistakes |= {text: (_unless_too_few(rule), rule) for text, rule in _CURVES.items()}
    praise = "Exact for Gaussian features at every n: a no label can mend, and (V + a) r/(n − r − 1) for lack of labels."
    hint = (
        "The residual's variance is V + a; least squares spends r/(n − r − 1) of it; a stays. Infinite for "
        "n ≤ r + 1."
    )
    return judge(function, cases, _excess, mistakes, praise, hint)


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
    """Check a world in which the note's k/n_L + ε_CI² falls short of the probe's excess 1,000-fold (note §3.4).

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
    promise = k / LABELS + epsilon / unit
    ratio = a / promise
    if ratio >= FACTOR:
        return passed(
            f"The promise is {promise:.2g}, the probe's excess at least {a:.2g}: {ratio:,.0f} times as much. The class "
            f"means are {sigma / unit**0.5:.2g} apart, and ε²/σ² = {epsilon / max(sigma, 1e-300) ** 2:.2g} "
            f"keeps its promise."
        )
    if a / (k / LABELS + epsilon) >= FACTOR:
        return wrong(
            f"In your units the ratio is {a / (k / LABELS + epsilon):,.0f}, but only since X₂ is small: ε² shrinks with "
            f"the unit. Brought to variance 1, {ratio:,.0f} remain. Make X₂ say less about Y instead."
        )
    return wrong(
        f"The probe's excess is {ratio:,.1f} times the promise; wanted are {FACTOR:,}. The gap ε is enlarged by "
        "1/σ, so bring the class means of X₂ closer together."
    )
