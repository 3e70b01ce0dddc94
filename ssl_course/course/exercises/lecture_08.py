"""Exercises of lecture 08: what temperature does to the loss's gradient, how small the loss can be, what the class alone is worth."""

from typing import Any

import numpy as np
from scipy.special import softmax

from ssl_course.course.exercises.card import Card, check
from ssl_course.course.exercises.judging import judge

# ---- the temperature in the gradient ------------------------------------------------------------------------------


def _hot(s: np.ndarray, j: int) -> np.ndarray:
    return (np.arange(len(s)) == j).astype(float)


def _pull(s: np.ndarray, j: int, t: float) -> np.ndarray:
    return (softmax(s / t) - _hot(s, j)) / t


_PULLS = {
    "A factor is missing: the cosines are divided by τ before the softmax, "
    "so the chain rule gives 1/τ.": lambda s, j, t: softmax(s / t) - _hot(s, j),
    "The sign: raising the positive's cosine must lower the loss.": lambda s, j, t: -_pull(s, j, t),
    "The positive has a term of its own: "
    "−sim_j/τ is part of the loss, so 1 is taken off at j.": lambda s, j, t: softmax(s / t) / t,
    "The softmax itself does not feel τ: take it of s/τ.": lambda s, j, t: (softmax(s) - _hot(s, j)) / t,
    "You multiplied by τ where the chain rule divides by it.": lambda s, j, t: (
        (softmax(s / t) - _hot(s, j)) * t
    ),
    "You multiplied the cosines by τ. They are divided by it.": lambda s, j, t: (
        (softmax(s * t) - _hot(s, j)) * t
    ),
    "You took a mean over the views. ℓ_i is the loss of one row; "
    "its gradient is not divided by their number.": lambda s, j, t: _pull(s, j, t) / len(s),
}


@check()
def pull(function: Any, seed: int = 0) -> Card:
    """Check ``function(cosines, j, temperature)``: ∂ℓ/∂sim_m for one row, (softmax_m − 1[m = j]) / τ (note §3.2).

    It gets the cosines with the 2N − 1 other views, the index of the positive and τ, and returns as many
    numbers.
    """
    rng = np.random.default_rng(seed)
    cases = [(rng.uniform(-1, 1, m), int(rng.integers(m)), t) for m, t in ((5, 0.5), (7, 0.2), (3, 2.0))]
    praise = (
        "Negatives are pushed away in proportion to their softmax: at a small τ only the nearest feels it."
    )
    hint = "ℓ = −sim_j/τ + log Σ_m exp(sim_m/τ). Differentiate with respect to each sim_m."
    return judge(function, cases, _pull, _PULLS, praise, hint)


# ---- the least loss ----------------------------------------------------------------------------------------


def _least(
    n: int, t: float, negatives: int | None = None, cosine: float | None = None, own: float = 1.0
) -> float:
    """−log of the right one's share: ``own`` candidates have cosine 1, it among them, the others ``cosine``."""
    others = 2 * n - 2 if negatives is None else negatives
    between = -1 / (n - 1) if cosine is None else cosine
    return float(np.log(own + others * np.exp((between - 1) / t)))


_LEAST = {
    "That is the value when all z are equal, log(2N − 1): the other end.": lambda n, t: np.log(2 * n - 1),
    "Not 0: the negatives cannot be infinitely far away. Vectors of length 1 have cosines of at least −1, "
    "and N of them keep less distance still.": lambda n, t: 0.0,
    "Right angles are not the most even: cosines a little below 0 are possible. "
    "‖Σ z‖² = N + N (N − 1) c must not be negative.": lambda n, t: _least(n, t, cosine=0.0),
    "Two vectors can be opposite, N of them cannot: ‖Σ z‖² = N + N (N − 1) c must not be negative.": lambda n, t: (
        _least(n, t, cosine=-1.0)
    ),
    "The cosine is −1/(N − 1): each of N vectors has N − 1 others.": lambda n, t: _least(n, t, cosine=-1 / n),
    "You spread 2N views evenly. The two views of a picture are one point here: N points.": lambda n, t: (
        _least(n, t, cosine=-1 / (2 * n - 1))
    ),
    "N − 1 negatives only, those of the other kind (CLIP's loss). "
    "Both views of each other picture push: 2N − 2.": lambda n, t: _least(n, t, n - 1),
    "2N − 1 others, but one of them is the right one: 2N − 2 negatives.": lambda n, t: _least(
        n, t, 2 * n - 1
    ),
    "The right one is missing below the fraction line.": lambda n, t: _least(n, t, own=0.0),
    "The temperature has no effect: divide the cosines by it.": lambda n, t: _least(n, 1.0),
    "You multiplied by the temperature. Divide.": lambda n, t: _least(n, 1 / t),
    "The sign: a loss is −log of a probability, so never negative.": lambda n, t: -_least(n, t),
}


@check()
def least_loss(function: Any, seed: int = 0) -> Card:
    """Check ``function(n, temperature)``: the smallest value of NT-Xent with N pictures,
    log(1 + (2N − 2) e^{(c − 1)/τ}), c = −1/(N − 1).

    It is reached when the two views of each picture agree and the z of the pictures form a simplex
    (note §3.2).
    """
    rng = np.random.default_rng(seed)
    cases = [(int(n), float(t)) for n, t in ((4, 1.0), (rng.integers(6, 12), 0.5), (32, 0.4), (128, 0.2))]
    praise = (
        "A simplex, and the right one among 2N − 2 negatives. A loss is read between this and log(2N − 1)."
    )
    hint = "Σ z = 0 gives the cosine c = −1/(N − 1); then −log of exp(1/τ) over exp(1/τ) + (2N − 2) exp(c/τ)."
    return judge(function, cases, _least, _LEAST, praise, hint)


# ---- the class alone ----------------------------------------------------------------------------------------------


def _class_alone(n: int, k: int, t: float, alike: float | None = None, cosine: float | None = None) -> float:
    """``alike`` views of the same class have cosine 1, the right one among them, the rest ``cosine``."""
    alike = 2 * n / k - 1 if alike is None else alike
    return _least(n, t, 2 * n - 2 * n // k, -1 / (k - 1) if cosine is None else cosine, alike)


_ALONE = {
    "That is the value when all z are equal, log(2N − 1): the other classes are farther away here.": lambda n, k, t: (
        np.log(2 * n - 1)
    ),
    "That is the least loss there is: it tells every picture from every other.": lambda n, k, t: _least(n, t),
    "Only the right view has cosine 1 in your sum. All views of its class have, 2N/k − 1 of them.": lambda n, k, t: (
        _class_alone(n, k, t, 1)
    ),
    "The row itself is not among its candidates: 2N/k − 1 of the class, not 2N/k.": lambda n, k, t: (
        _class_alone(n, k, t, 2 * n / k)
    ),
    "Both views of each picture of the class are candidates: 2N/k − 1.": (
        lambda n, k, t: _class_alone(n, k, t, n / k),
        lambda n, k, t: _class_alone(n, k, t, n / k - 1),
    ),
    "The other classes are not infinitely far away: 2N − 2N/k views have cosine −1/(k − 1).": (
        lambda n, k, t: np.log(2 * n / k - 1),
        lambda n, k, t: np.log((2 * n - 1) / k),
    ),
    "Right angles are not the most even: k directions can have −1/(k − 1).": lambda n, k, t: _class_alone(
        n, k, t, cosine=0.0
    ),
    "Two directions can be opposite, k of them cannot: −1/(k − 1).": lambda n, k, t: _class_alone(
        n, k, t, cosine=-1.0
    ),
    "It is the k classes that lie evenly, not the N pictures: −1/(k − 1).": lambda n, k, t: _class_alone(
        n, k, t, cosine=-1 / (n - 1)
    ),
    "The temperature has no effect: divide the cosines by it.": lambda n, k, t: _class_alone(n, k, 1.0),
    "You multiplied by the temperature. Divide.": lambda n, k, t: _class_alone(n, k, 1 / t),
    "The sign: a loss is −log of a probability, so never negative.": lambda n, k, t: -_class_alone(n, k, t),
}


@check()
def class_alone(function: Any, seed: int = 0) -> Card:
    """Check ``function(n, k, temperature)``: NT-Xent when z is the class and nothing else, N/k pictures of each of k classes.

    log((2N/k − 1) + (2N − 2N/k) e^{(c − 1)/τ}), c = −1/(k − 1): the classes form a simplex (note §3.2).
    """
    few = int(np.random.default_rng(seed).integers(2, 6))
    cases = [(3 * few, 3, 1.0), (4 * few, 4, 0.5), (30, 3, 0.4), (128, 4, 0.2)]
    praise = "All the views of a class stand where the right one stands: to know the class alone leaves most of the loss."
    hint = "Of the 2N − 1 others 2N/k − 1 have cosine 1, the right one among them; 2N − 2N/k have −1/(k − 1)."
    return judge(function, cases, _class_alone, _ALONE, praise, hint)
