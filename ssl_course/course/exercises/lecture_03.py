"""Exercises of lecture 03: what a hole is filled with, what its border counts, and what an honest guess costs."""

from typing import Any

import numpy as np
from scipy.ndimage import maximum_filter

from ssl_course.course.exercises.card import Card, check
from ssl_course.course.exercises.judging import judge

HOLE, BAND = 1.0, 10.0


# ------------------------------------------------------------------------------------------ filling
def _fill(picture: np.ndarray, hole: np.ndarray, colour: np.ndarray) -> np.ndarray:
    return np.where(hole[..., None] == 1, colour, picture)


_FILL_MISTAKES = {
    "The hole is black. 0 is a colour like any other, and a strong one: the network would see an object. "
    "The mean colour of the data says least.": lambda x, h, c: _fill(x, h, np.zeros(3)),
    "Polarity: the hole is where the mask is 1. You painted over everything else.": lambda x, h, c: _fill(
        x, 1 - h, c
    ),
    "You fill with the mean of the very pixels that were cut out: that gives away their colour. Take the "
    "colour that is handed over, the data's.": lambda x, h, c: _fill(x, h, x[h == 1].mean(0)),
    "You fill with the mean of this picture's surroundings. "
    "Wanted is one colour for all pictures, the data's.": lambda x, h, c: _fill(x, h, x[h == 0].mean(0)),
    "You fill with a gray, the mean over the channels. Each channel has a mean of its own.": lambda x, h, c: (
        _fill(x, h, np.full(3, c.mean()))
    ),
    "You add the colour everywhere. Multiply it with the mask first.": lambda x, h, c: (
        x * (1 - h[..., None]) + c
    ),
}


@check()
def fill(function: Any, seed: int = 0) -> Card:
    """Check ``function(picture, hole, colour)``: the picture with its hole in the data's mean colour (Pathak 2016, §3.1).

    It gets picture (H, W, 3), hole (H, W) of 0 and 1, colour (3,).
    """
    rng = np.random.default_rng(seed)
    cases = [((x := rng.random((5, 6, 3))), _some_hole(rng, x.shape[:2]), rng.random(3)) for _ in range(4)]
    praise = "One colour, the data's own mean, in the hole and nowhere else."
    hint = "np.where(hole[..., None] == 1, colour, picture)"
    return judge(function, cases, _fill, _FILL_MISTAKES, praise, hint)


def _some_hole(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    hole = np.zeros(shape)
    top, left = rng.integers(1, shape[0] - 2), rng.integers(1, shape[1] - 2)
    hole[top : top + 2, left : left + 2] = 1
    return hole


# ------------------------------------------------------------------------------------------ border weights
def _grown(hole: np.ndarray, width: int, diamond: bool = False) -> np.ndarray:
    away = np.abs(np.arange(-width, width + 1))
    near = away[:, None] + away <= width if diamond else np.ones((len(away), len(away)), bool)
    return maximum_filter(hole, footprint=near, mode="constant")


def _weights(hole: np.ndarray, width: int) -> np.ndarray:
    return HOLE * hole + BAND * (_grown(hole, width) - hole)


def _shrunk(hole: np.ndarray, width: int) -> np.ndarray:
    return 1 - _grown(1 - hole, width)


_BORDER_MISTAKES = {
    "Swapped: the band counts ten times, the hole once.": lambda h, w: BAND * h + HOLE * (_grown(h, w) - h),
    "Your band lies inside the hole. Here it lies around it: pixels that the encoder sees and the decoder "
    "repeats.": lambda h, w: BAND * (h - _shrunk(h, w)) + HOLE * _shrunk(h, w),
    "Pixels far from the hole have weight 1. They do not count: weight 0.": lambda h, w: (
        HOLE * _grown(h, w) + (BAND - HOLE) * (_grown(h, w) - h) + (1 - _grown(h, w))
    ),
    "The band is missing.": lambda h, w: HOLE * h,
    "Everything counts ten times: the hole itself counts once.": lambda h, w: BAND * _grown(h, w),
    "Your band has no corners: it is grown step by step to four neighbours. "
    "Take the square of side 2·width + 1.": lambda h, w: HOLE * h + BAND * (_grown(h, w, diamond=True) - h),
    "In the hole the two add up to 11. Take the hole out of the band: "
    "the grown mask less the hole.": lambda h, w: HOLE * h + BAND * _grown(h, w),
}


@check()
def border(function: Any, seed: int = 0) -> Card:
    """Check ``function(hole, width)``: weights (H, W), 1 in the hole, 10 in the band around it, 0 elsewhere.

    The band holds every pixel outside the hole whose row and column are both at most ``width`` away from one in it.

    It gets hole (H, W) of 0 and 1, and the width of the band in pixels.
    """
    rng = np.random.default_rng(seed)
    cases = []
    for width in (2, 2, 3):
        hole = np.zeros((14, 15))
        top, left = rng.integers(3, 6), rng.integers(3, 6)
        hole[top : top + 7, left : left + 8] = 1
        hole[top : top + 2, left : left + 2] = 0  # no plain square
        cases.append((hole, width))
    praise = "Once in the hole, ten times in the band, and nowhere else."
    hint = "Grow the hole by width pixels to all sides; the band is what was gained."
    return judge(function, cases, _weights, _BORDER_MISTAKES, praise, hint)


# ------------------------------------------------------------------------------------------ an honest guess
def _variance(p: np.ndarray, x: np.ndarray) -> float:
    return float(p @ (x - p @ x) ** 2)


_GUESS_MISTAKES = {
    "That is the error of the mean filling, the variance. "
    "An honest random filling is off by its own chance, too.": _variance,
    "The means do not cancel by themselves: 2E[x²] − 2(E[x])², the mean squared is missing.": lambda p, x: (
        2 * float(p @ x**2)
    ),
    "That is E[x²], the error of filling with 0.": lambda p, x: float(p @ x**2),
    "You count all fillings alike: weigh them with their probabilities.": lambda p, x: 2 * float(np.var(x)),
    "Twice the standard deviation: the error is squared, so it is twice the variance.": lambda p, x: (
        2 * _variance(p, x) ** 0.5
    ),
    "One of the two draws is uniform. Truth and guess are both drawn from p.": lambda p, x: float(
        (p[:, None] * (x[:, None] - x[None]) ** 2).sum() / len(x)
    ),
    "Truth and guess are the same draw: then nothing is ever wrong. They are independent.": lambda p, x: 0.0,
}


@check()
def honest_guess(function: Any, seed: int = 0) -> Card:
    """Check ``function(p, x)``: E(x − x')² of a truth x and an independent guess x', both drawn from p (note §3.3.2).

    It gets probabilities p (M,) of the fillings, given the surroundings, and their values (M,).
    """
    rng = np.random.default_rng(seed)
    cases = [(rng.dirichlet(np.ones(4)), rng.normal(1, 2, 4)) for _ in range(6)]
    praise = "Twice the variance: once for the truth, once for the guess."
    hint = "Sum over both: Σ_i Σ_j p_i p_j (x_i − x_j)²."
    return judge(function, cases, lambda p, x: 2 * _variance(p, x), _GUESS_MISTAKES, praise, hint)
