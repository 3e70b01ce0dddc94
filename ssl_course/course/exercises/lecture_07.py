"""Exercises of lecture 07: an SVD without whitening, fool CCA with noise, when noise is certain to."""

import warnings
from typing import Any

import numpy as np

from ssl_course.course.exercises.card import Card, ask, check, passed, wrong
from ssl_course.course.exercises.judging import judge
from ssl_course.theory.correlation import CCA, canonical_correlations

ROWS, FRESH = 50, 2000  # of `fooled_by_noise`
FOOLED, HONEST = 0.99, 0.2  # training correlation at least, correlation on fresh rows at most


_LOUDNESS = {
    "The same number twice? A white X₁ has lost its loudness: c remains once, not squared.": (
        lambda p, q: [np.sqrt(q / p)] * 2,
        lambda p, q: [q / p] * 2,
    ),
    "They have changed places. Without any whitening c counts twice, c², so there is a root; with X₁ white it counts "
    "once.": lambda p, q: [q / p, np.sqrt(q / p)],
    "These are the squares. Wanted is c, a standard deviation, and correlations count as they are.": lambda p, q: [
        q / p,
        (q / p) ** 2,
    ],
    "The other way round: the weaker the loud signal is correlated, the louder it must be, above 1 in both "
    "cases.": lambda p, q: [np.sqrt(p / q), p / q],
    "From 1 on the loud signal has the larger *variance*: that is PCA, which asks for no correlation. Here a singular "
    "value is a covariance.": lambda p, q: [1.0, 1.0],
    "Right for CCA, where both views are white. Here one is not, or neither.": lambda p, q: [np.inf, np.inf],
}


@check()
def first_pair(function: Any, seed: int = 0) -> Card:
    """Check ``function(rho_loud, rho_quiet)``: how loud a signal must be to be the first pair of an SVD of the
    cross-covariance without whitening, and with X₁ alone white (note §3.2).

    It gets the correlations of both signals between the views, the quiet one's larger; returns two standard
    deviations, in units of the quiet one's.
    """
    rng = np.random.default_rng(seed)
    cases = [
        (float(p), float(q)) for p, q in zip(rng.uniform(0.1, 0.5, 5), rng.uniform(0.6, 0.99, 5), strict=True)
    ]
    praise = "√(ρ_quiet/ρ_loud), and ρ_quiet/ρ_loud with one view white: only two white views make loudness nothing."
    hint = "The covariances of the pairs are c² ρ_loud and ρ_quiet. What becomes of them when X₁ is divided by its standard deviations?"
    right = lambda p, q: [np.sqrt(q / p), q / p]  # noqa: E731
    return judge(function, cases, right, _LOUDNESS, praise, hint)


@check()
def fooled_by_noise(function: Any, seed: int = 0) -> Card:
    """Check ``function(n, rng)``: two views with nothing in common that CCA, on 50 rows,
    finds perfectly correlated.

    Returns x (n, d₁) and y (n, d₂), n rows of the same distribution each time.
    """
    drawn = []
    for n, stream in ((ROWS, 1), (FRESH, 2)):
        views = ask(function, n, np.random.default_rng([seed, stream]))
        try:
            x, y = (np.array(v, dtype=float) for v in views)
        except (TypeError, ValueError):
            return wrong("Two arrays are wanted, x of shape (n, d₁) and y of shape (n, d₂).")
        if x.ndim != 2 or y.ndim != 2 or len(x) != n or len(y) != n:
            return wrong(f"Two arrays with {n} rows are wanted, got the shapes {x.shape} and {y.shape}.")
        drawn.append((x, y))
    (x, y), (new_x, new_y) = drawn
    if x.shape[1] != new_x.shape[1] or y.shape[1] != new_y.shape[1]:
        return wrong("The number of columns must not depend on n: fresh rows go through the same maps.")
    if any(np.array_equal(a, b[: len(a)]) or np.allclose(b, b[:1]) for a, b in zip(*drawn, strict=True)):
        return wrong("The rows do not change: draw new ones from rng each time, or fresh rows are not fresh.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it is fooled is the point
            cca = CCA(1).fit(x, y)
            train, fresh = float(cca.correlations_[0]), float(cca.correlation(new_x, new_y))
            really = float(canonical_correlations(new_x, new_y)[0])
    except ValueError as error:
        return wrong(f"CCA refuses your views: {error}.")
    chance = 2 * ((x.shape[1] + y.shape[1]) / FRESH) ** 0.5  # what independent views reach on so many rows
    if really > max(HONEST, chance):
        return wrong(
            f"Your views have something in common: on {FRESH:,} fresh rows their correlation is {really:.2f}. Draw them "
            "independently of each other."
        )
    if train < FOOLED:
        return wrong(
            f"On {ROWS} rows CCA finds {train:.2f}, wanted is {FOOLED}. It had {x.shape[1]} + {y.shape[1]} weights to "
            "choose: give it more columns."
        )
    if abs(fresh) > HONEST:
        return wrong(f"The same maps still correlate by {fresh:.2f} on fresh rows: the views are dependent.")
    return passed(
        f"With {x.shape[1]} + {y.shape[1]} columns and {ROWS} rows CCA reports {train:.3f}; on fresh rows the same maps "
        f"correlate by {fresh:.2f}. Always look at fresh rows."
    )


@check()
def certain_to_be_fooled(function: Any, seed: int = 0) -> Card:
    """Check ``function(d1, d2)``: the most rows at which independent noise is certain to give a correlation of
    1.

    It gets d₁ and d₂, how many numbers the two views have; CCA with centring (note §3.2).
    """
    rng = np.random.default_rng(seed)
    cases = [(int(p), int(q)) for p, q in rng.integers(2, 30, (6, 2))] + [(3, 9)]
    mistakes = {
        "Nearly: that is right without centring. "
        "Taking off the means leaves n − 1 dimensions, so one row more.": lambda p, q: p + q - 1,
        "Nearly: with d₁ + d₂ + 1 rows both spaces just fill the d₁ + d₂ dimensions that "
        "centring leaves.": lambda p, q: p + q + 1,
        "That many rows let the larger view fit *anything*. Less is enough: "
        "the views only need to meet somewhere.": (max, lambda p, q: max(p, q) + 1),
        "Both views choose weights: d₁ and d₂ of them count together.": min,
        "The weights of the views add up: d₁ + d₂ are chosen, not d₁ times d₂.": lambda p, q: p * q,
        "At that many rows noise is still fitted well, but not perfectly. "
        "When must the two spaces intersect?": lambda p, q: 2 * (p + q),
    }
    praise = (
        "Spaces of dimension d₁ and d₂ within n − 1 dimensions meet once d₁ + d₂ > n − 1: up to n = d₁ + d₂."
    )
    hint = (
        "After centring, what a view can make of n rows is a space of dimension d₁ within n − 1. When must "
        "two such spaces share a direction?"
    )
    return judge(function, cases, lambda p, q: p + q, mistakes, praise, hint)
