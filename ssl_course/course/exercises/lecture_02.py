"""Exercises of lecture 02: when weights make the rare colour win, what vividness costs, what a bold g shows of ε_CI²."""

from typing import Any

import numpy as np

from ssl_course.course.exercises.card import Card, check
from ssl_course.course.exercises.judging import judge

# ------------------------------------------------------------------------------------------ when the rare colour wins
_WINS_MISTAKES = {
    "That is where both are equally likely. The weights move it.": lambda boldness: 0.5,
    "That is the rare colour's probability there; asked is the common one's.": lambda boldness: (
        1 / (1 + boldness)
    ),
    "Those are the odds, p / (1 − p). As a probability: odds / (1 + odds).": lambda boldness: boldness,
    "Those are the odds, upside down. Compare p with boldness · (1 − p).": lambda boldness: 1 / boldness,
    "You compared boldness · (1 − p) with 1. It stands against the common colour's p.": lambda boldness: (
        1 - 1 / boldness
    ),
    "You counted the weight twice: what the network says has it once, and nothing more is multiplied.": (
        lambda boldness: boldness**2 / (1 + boldness**2)
    ),
    "The weights stay as they are. No root is taken.": lambda boldness: boldness**0.5 / (1 + boldness**0.5),
}


@check()
def rare_colour_wins(function: Any, seed: int = 0) -> Card:
    """Check ``function(boldness)``: below which p the mode of w P is the rare of two colours (Zhang 2016, §2.2).

    p is the common colour's true probability, 1 − p the rare one's, whose weight is ``boldness`` > 1 times as large.
    """
    cases = [(float(b),) for b in np.random.default_rng(seed).uniform(1.2, 9, 6)]
    praise = "boldness / (1 + boldness): at 4 times the weight the common colour must have four fifths to be shown."
    hint = "The network says w P, up to a factor; the mode is the larger of p and boldness · (1 − p)."
    return judge(function, cases, lambda b: b / (1 + b), _WINS_MISTAKES, praise, hint)


# ------------------------------------------------------------------------------------- the price of vividness
_PRICE_MISTAKES = {
    "That is the error of the likelier colour itself. "
    "The mean is off, too: take its p (1 − p) d² away.": lambda p, d: (1 - p) * d**2,
    "That is the error of the mean, the variance. Asked is what the likelier colour costs beyond it.": (
        lambda p, d: p * (1 - p) * d**2
    ),
    "That is what an honest random draw costs beyond nothing: 2 p (1 − p) d². Answer B is always the same colour.": (
        lambda p, d: 2 * p * (1 - p) * d**2
    ),
    "The distance enters squared, and so does the chance of being wrong.": (
        lambda p, d: (1 - p) * d,
        lambda p, d: (1 - p) ** 2 * d,
    ),
    "That is the other way round, p for 1 − p: at p = 1 nobody errs and nothing can be gained.": lambda p, d: (
        (p * d) ** 2
    ),
    "Upside down: the mean has the smaller squared error, always.": lambda p, d: -(((1 - p) * d) ** 2),
    "That is 1 − p for a ratio. Asked is a difference, in Lab units squared.": lambda p, d: 1 - p,
}


@check()
def price_of_vividness(function: Any, seed: int = 0) -> Card:
    """Check ``function(p, distance)``: by how much the likelier of two colours errs more than their mean
    (note §3.1).

    It gets the likelier colour's probability, in (½, 1), and the distance of the two in Lab units; both
    squared errors are expectations in Lab units².
    """
    rng = np.random.default_rng(seed)
    cases = [(float(rng.uniform(0.52, 0.98)), float(rng.uniform(10, 80))) for _ in range(6)]
    praise = "The squared distance from the mean to the likelier colour: that is all that line 4 of the first proof says."
    hint = "The likelier colour errs by d² with probability 1 − p; the mean by the variance, p (1 − p) d²."
    return judge(function, cases, lambda p, d: ((1 - p) * d) ** 2, _PRICE_MISTAKES, praise, hint)


# ------------------------------------------------------------------------------------------ a bold g
_SCALED_MISTAKES = {
    "The first term alone: ‖sg‖² is taken off.": lambda s: 2 * s,
    "That is the second term's size, s² ε². The first is 2 s ε².": lambda s: s**2,
    "You took E‖sg‖² to grow with s. It grows with s².": (lambda s: s, lambda s: 2 * s - abs(s)),
    "That is the share that is missing, (1 − s)²: take it from 1.": lambda s: (1 - s) ** 2,
    "The sign: first 2 E⟨R, sg⟩, then less E‖sg‖².": lambda s: s**2 - 2 * s,
    "No estimate shows more than 1, but a wrong scale shows less.": lambda s: 1.0,
    "The 2 before the inner product is missing: 2 s − s².": lambda s: s - s**2,
}


@check()
def scaled(function: Any, seed: int = 0) -> Card:
    """Check ``function(s)``: the share of ε_CI² that 2E⟨R, sg⟩ − E‖sg‖² shows for g = E[R|X₁] (note §3.4)."""
    cases = [(float(s),) for s in np.random.default_rng(seed).uniform(0.1, 3, 6)]
    praise = "1 − (1 − s)²: largest at s = 1, and negative beyond 2. Too bold is as bad as too shy."
    hint = "E⟨R, g⟩ and E‖g‖² are both ε² when g = E[R|X₁]; the first is linear in s, the second quadratic."
    return judge(function, cases, lambda s: 2 * s - s**2, _SCALED_MISTAKES, praise, hint)
