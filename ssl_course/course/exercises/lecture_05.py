"""Checks of lecture 05: how many orders can be far apart, what corners are worth, an angle read off the corners."""

from math import comb, factorial
from typing import Any

import numpy as np
import torch

from ssl_course.course.exercises.card import Card, check
from ssl_course.course.exercises.judging import judge
from ssl_course.pretext.puzzles import turn

# ---- how many orders can be far apart -----------------------------------------------------------------------

_MOST_ORDERS = {
    "One place too few: two orders that agree in the first n − d places may still differ in the d others. Take one "
    "place more.": lambda n, d: factorial(n) // factorial(d),
    "One place too many: with d places left, they already differ in too few.": lambda n, d: (
        factorial(n) // factorial(d - 2)
    ),
    "Each tile occurs once: n for the first place, n − 1 for the second, and so on.": lambda n, d: (
        n ** (n - d + 1)
    ),
    "It matters which of these tiles lies where, not only which they are.": lambda n, d: comb(n, n - d + 1),
    "These are the orders of the places that are left over. Count the ways to fill the first ones.": (
        lambda n, d: factorial(d - 1),
        lambda n, d: factorial(n - d + 1),
    ),
    "That many there are without any demand.": lambda n, d: factorial(n),
    "The half is the case of three places, the one of the proof. Each place more costs more.": lambda n, d: (
        factorial(n) // 2
    ),
}


@check()
def most_orders(function: Any, seed: int = 0) -> Card:
    """Check ``function(n, distance)``: at most how many orders of n tiles differ pairwise in that many places,
    since no two may agree in the first n − distance + 1 (lecture 05).

    It gets n and a distance of 4 to n.
    """
    rng = np.random.default_rng(seed)
    cases = [(4, 4), (9, 8)] + [(n, int(rng.integers(4, n + 1))) for n in (6, 7, 8, 10, 12)]
    praise = "n!/(d − 1)!: for d = 3 the n!/2 of the proof, for d = n the n rows of a Latin square."
    hint = "Two orders that agree in the first n − d + 1 places differ in d − 1 at most. In how many ways can these be filled?"
    right = lambda n, d: factorial(n) // factorial(d - 1)  # noqa: E731
    return judge(function, cases, right, _MOST_ORDERS, praise, hint)


# ---- what corners alone are worth --------------------------------------------------------------------------


def _ceiling(angles: list[int]) -> float:
    return len({a % 90 for a in angles}) / len(angles)


_CEILINGS = {
    "You count each angle with corners as known. 30° and 120° leave the same corners: "
    "a square turned by 90° lies where it lay.": lambda a: (
        (sum(x % 90 != 0 for x in a) + any(x % 90 == 0 for x in a)) / len(a)
    ),
    "Angles without corners (0°, 90°, 180°, 270°) count for nothing with you. They cannot be told apart, but a guess "
    "among them is right once in their number: together they are worth one.": lambda a: (
        len({x % 90 for x in a} - {0}) / len(a)
    ),
    "A coin has two sides; among three angles that look alike a guess is right once in three, among four once in four. "
    "Each group that looks alike is worth one right answer, however large it is.": lambda a: np.mean(
        [1.0 if sum(x % 90 == y % 90 for y in a) == 1 else 0.5 for x in a]
    ),
    "A square looks as before after a turn by 90° already, not only by 180°.": lambda a: (
        len({x % 180 for x in a}) / len(a)
    ),
    "That is chance. Angles whose corners differ can be told apart.": lambda a: 1 / len(a),
    "Not all of them can be known: which angles leave the same corners?": lambda a: 1.0,
    "That is a number of angles. The accuracy is a share of all of them.": lambda a: len({x % 90 for x in a}),
}


@check()
def ceiling(function: Any, seed: int = 0) -> Card:
    """Check ``function(angles)``: the accuracy that black corners alone allow (lecture 05).

    It gets a list of different whole numbers of degrees, 0 to 359, all equally frequent. Corners depend on
    the angle modulo 90°; within a group that leaves the same corners one answer is right for one angle.
    """
    rng = np.random.default_rng(seed)
    cases: list[tuple[list[int]]] = []
    rules = [_ceiling, *_CEILINGS.values()]
    # until each usual mistake gives itself away, and is taken for no other
    while len(cases) < 8 or len({tuple(float(rule(a)) for (a,) in cases) for rule in rules}) < len(rules):
        base = rng.choice([0, *range(10, 90, 10)], int(rng.integers(2, 4)), replace=False)
        every = [int(b + 90 * q) for b in {0, *base.tolist()} for q in range(4)]
        cases.append((rng.choice(every, int(rng.integers(3, 7)), replace=False).tolist(),))
    praise = (
        "So much can be had on any pictures whatever. Only what a network scores above it can come from what "
        "pictures show."
    )
    hint = (
        "Put angles that leave the same corners into one group. Of each group one angle can be named rightly."
    )
    return judge(function, cases, _ceiling, _CEILINGS, praise, hint)


# ---- an angle without looking at the picture ---------------------------------------------------------------


def _runs(picture: np.ndarray) -> tuple[int, int]:
    """How many pixels of the first row are black, from the left and from the right."""
    lit = np.flatnonzero(picture[0] > 0)
    return int(lit[0]), len(picture[0]) - 1 - int(lit[-1])


def _angle(picture: np.ndarray) -> float:
    left, right = _runs(picture)
    return 0.0 if left == right == 0 else 30.0 if left > right else 60.0


_CORNERS = {
    "30 and 60 are changed over. Pictures turn counter-clockwise: look at a turned white square.": lambda p: {
        0.0: 0.0,
        30.0: 60.0,
        60.0: 30.0,
    }[_angle(p)],
    "You see that there are corners, but not whose. At 30° and 60° as many pixels are black: ask where.": (
        lambda p: 30.0 * (_angle(p) > 0),
        lambda p: 60.0 * (_angle(p) > 0),
    ),
    "It is always 0. Where a turned picture has no pixels, it is exactly 0: look at the rim.": lambda p: 0.0,
    "Without corners it was 0° or 90°: nobody can tell which in pure noise. Answer 0 for both.": lambda p: (
        90.0 if _angle(p) == 0 else _angle(p)
    ),
}


@check()
def angle_from_corners(function: Any, seed: int = 0) -> Card:
    """Check ``function(picture)``: 30 or 60 where the corners say so, else 0 (lecture 05).

    It gets (s, s) floats, pure noise that was turned by 0°, 30°, 60° or 90° with `pretext.puzzles.turn`.
    There is nothing to understand in it.
    """
    rng = np.random.default_rng(seed)
    cases = []
    for angle in rng.permutation([0, 30, 60, 90] * 4):
        size = int(rng.integers(24, 49))
        noise = torch.from_numpy(rng.uniform(0.05, 1, (1, 1, size, size)))
        cases.append((turn(noise, float(angle))[0, 0].numpy().copy(),))
    praise = (
        "You named the angle of pure noise. So will a network: its accuracy does not say what it understood."
    )
    hint = "Count the zeros of the first row from the left and from the right, and compare."
    return judge(function, cases, _angle, _CORNERS, praise, hint)
