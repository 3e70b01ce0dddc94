"""Exercises of lecture 03: the mean of a few guesses, a pixel between two edges, a critic without dice."""

from typing import Any

import numpy as np

from ssl_course.course.exercises.card import Card, check
from ssl_course.course.exercises.judging import judge

# ------------------------------------------------------------------------------------------ a few guesses
_FEW_MISTAKES = {
    "That is one honest guess, whatever m is. The guesses are independent, so their mean has less variance.": (
        lambda m: 2.0
    ),
    "That is the mean filling itself, the limit of many guesses. With m of them some chance is left.": (
        lambda m: 1.0
    ),
    "That is the variance of the mean of the guesses alone. The truth has its own, too.": lambda m: 1 / m,
    "You divide both variances by m. There are m guesses, but one truth.": lambda m: 2 / m,
    "The variances of independent guesses add, and the mean divides by m²: m / m², not 1 and not m.": (
        lambda m: 1 + m,
        lambda m: 1 + 1 / m**2,
    ),
    "That is 1 + 1/√m: the error is squared, so the variance counts, not the standard deviation.": lambda m: (
        1 + 1 / m**0.5
    ),
    "You take the mean of m numbers one of which is the truth: the truth is not among the guesses.": (
        lambda m: 1 - 1 / m,
        lambda m: 1 + 1 / (m + 1),
    ),
}


@check()
def a_few_guesses(function: Any, seed: int = 0) -> Card:
    """Check ``function(m)``: the squared error of the mean of m honest guesses,
    over that of the mean filling (note §3.3.2).

    It gets m, how many independent draws from P(X₂|x₁) are averaged.
    """
    cases = [(int(m),) for m in np.random.default_rng(seed).permutation(np.arange(1, 9))]
    praise = "1 + 1/m: once for the truth's own chance, a share of 1/m for that of the guesses."
    hint = "Write X₂ − G = (X₂ − ψ*) − (G − ψ*), G the mean of the guesses. The two are independent."
    return judge(function, cases, lambda m: 1 + 1 / m, _FEW_MISTAKES, praise, hint)


# ------------------------------------------------------------------------------------------ between two edges
def _error_between(rho: float, left: int, right: int) -> float:
    a, b = rho ** (2 * left), rho ** (2 * right)
    return (1 - a) * (1 - b) / (1 - a * b)


_BETWEEN_MISTAKES = {
    "That is the error from the left edge alone. The right edge is seen as well.": lambda rho, a, b: (
        1 - rho ** (2 * a)
    ),
    "That is the error from the right edge alone. The left edge is seen as well.": lambda rho, a, b: (
        1 - rho ** (2 * b)
    ),
    "That is the error from the nearer edge alone. The farther one adds a little.": lambda rho, a, b: (
        1 - rho ** (2 * min(a, b))
    ),
    "You multiply the two errors, as if the edges erred independently. They are correlated, by ρ^(a+b): "
    "divide by 1 − ρ^(2(a+b)).": lambda rho, a, b: (1 - rho ** (2 * a)) * (1 - rho ** (2 * b)),
    "You add what the two edges explain. What both say is counted twice.": lambda rho, a, b: (
        1 - rho ** (2 * a) - rho ** (2 * b)
    ),
    "You averaged what the two edges predict. The best weights come from Σ⁻¹.": lambda rho, a, b: (
        1.5 + rho ** (a + b) / 2 - rho**a - rho**b
    ),
    "That is what is predictable. Asked is the error that is left: take it from the variance, 1.": (
        lambda rho, a, b: 1 - _error_between(rho, a, b)
    ),
    "ρ^a is a correlation; its square is the share of the variance that it explains.": lambda rho, a, b: (
        _error_between(rho**0.5, a, b)
    ),
}


@check()
def between_two_edges(function: Any, seed: int = 0) -> Card:
    """Check ``function(rho, left, right)``: the squared error of the best prediction of a pixel in a hole
    (note §3.5).

    A row of pixels of mean 0 and variance 1, Corr = ρ^distance; all pixels outside the hole are seen.

    It gets ρ in (0, 1) and the distances, in pixels, to the nearest seen pixel on each side.
    """
    rng = np.random.default_rng(seed)
    cases = [
        (float(rng.uniform(0.5, 0.95)), int(a), int(b)) for a, b in ((1, 1), (1, 4), (3, 2), (5, 5), (2, 7))
    ]
    praise = "(1 − ρ^(2a)) (1 − ρ^(2b)) / (1 − ρ^(2(a+b))): it grows with either distance, up to 1."
    hint = "Only the two edges count: 1 − c Σ⁻¹ cᵀ with c = (ρ^a, ρ^b) and Σ their covariance, 1 and ρ^(a+b)."
    return judge(function, cases, _error_between, _BETWEEN_MISTAKES, praise, hint)


# ------------------------------------------------------------------------------------------ without dice
def _no_dice(p: float) -> float:
    return float(np.log(2) + (p * np.log(p) - (1 + p) * np.log(1 + p)) / 2)


_DICE_MISTAKES = {
    "That is KL from the filling to the truth, −log p. The critic compares both with their mixture.": lambda p: (
        -np.log(p)
    ),
    "The two halves are missing: JS is the mean of two KL, not their sum.": lambda p: 2 * _no_dice(p),
    "That is half of how far the two distributions are apart in shares, 1 − p. JS has logarithms.": lambda p: (
        1 - p
    ),
    "That is in bits. The course counts in nats: the natural logarithm.": lambda p: _no_dice(p) / np.log(2),
    "You left out the fillings that the network never gives. There the truth is found with certainty: "
    "(1 − p) log 2 more, before it is halved.": lambda p: (
        (p * np.log(2 * p / (1 + p)) + np.log(2 / (1 + p))) / 2
    ),
    "That is only KL from the truth to the mixture. Add the one from the network to the mixture, and halve.": (
        lambda p: (1 - p) * np.log(2) + p * np.log(2 * p / (1 + p)),
        lambda p: ((1 - p) * np.log(2) + p * np.log(2 * p / (1 + p))) / 2,
    ),
    "That is only KL from the network to the mixture. Add the one from the truth to the mixture, and halve.": (
        lambda p: np.log(2 / (1 + p)),
        lambda p: np.log(2 / (1 + p)) / 2,
    ),
}


@check()
def without_dice(function: Any, seed: int = 0) -> Card:
    """Check ``function(p)``: the Jensen-Shannon divergence, in nats,
    of P(X₂|x₁) and one filling that is always given.

    It gets p in (0, 1], the probability that the truth is that filling.
    """
    cases = [(float(p),) for p in np.random.default_rng(seed).uniform(0.05, 0.95, 6)]
    praise = (
        "It falls from log 2 at p → 0 to 0 at p = 1: without dice the likeliest filling is found out least."
    )
    hint = "The mixture has (1 + p)/2 at the filling and half of the truth elsewhere. Write out both KL."
    return judge(function, cases, _no_dice, _DICE_MISTAKES, praise, hint)
