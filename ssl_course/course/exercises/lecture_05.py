"""Checks of lecture 05: how far apart orders are, what corners are worth, an angle read off the corners."""

from itertools import combinations
from typing import Any

import numpy as np
import torch

from ssl_course.course.exercises.card import Card, check
from ssl_course.course.exercises.judging import judge
from ssl_course.pretext.puzzles import turn

# ---- the smallest Hamming distance -------------------------------------------------------------------------


def _apart(orders: np.ndarray) -> np.ndarray:
    """In how many places each pair of orders differs, (pairs,)."""
    return np.array([(a != b).sum() for a, b in combinations(orders, 2)])


def _right(orders: np.ndarray) -> float:
    return _apart(orders).min()


_DISTANCES = {
    "That is the largest distance. A set is as good as its two most similar orders: take the "
    "smallest.": lambda o: _apart(o).max(),
    "That is the mean distance. It can be large although two orders are nearly equal: take the "
    "smallest.": lambda o: _apart(o).mean(),
    "It is always 0: each order has distance 0 to itself. Compare different rows only.": lambda o: 0.0,
    "You count the places that agree. The Hamming distance counts those that differ.": lambda o: (
        o.shape[1] - _apart(o)
    ).min(),
    "You add up how far the numbers are apart. Tiles have no size: "
    "a place differs or it does not.": lambda o: min(np.abs(a - b).sum() for a, b in combinations(o, 2)),
    "You compare with the first order only. Every pair counts.": lambda o: (o[1:] != o[0]).sum(1).min(),
    "You compare neighbouring rows only. Every pair counts.": lambda o: (o[1:] != o[:-1]).sum(1).min(),
    "You divide by the number of tiles. The distance is a number of places.": lambda o: (
        _right(o) / o.shape[1]
    ),
}


@check()
def hamming(function: Any, seed: int = 0) -> Card:
    """Check ``function(orders)``: the smallest Hamming distance between two rows (lecture 05).

    It gets (P, n) whole numbers, each row an order of n tiles, no two rows equal.
    """
    rng = np.random.default_rng(seed)
    cases: list[tuple[np.ndarray]] = []
    rules = [_right, *_DISTANCES.values()]
    # until each usual mistake gives itself away, and is taken for no other
    while len(cases) < 8 or len({tuple(rule(o) for (o,) in cases) for rule in rules}) < len(rules):
        n, many = int(rng.integers(4, 10)), int(rng.integers(3, 6))
        orders = np.array([rng.permutation(n) for _ in range(many)])
        if _right(orders) > 0:
            cases.append((orders,))
    praise = "In so many places do even the two most similar orders differ."
    hint = "For every pair of different rows count the places where they differ; then take the smallest."
    return judge(function, cases, _right, _DISTANCES, praise, hint)


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
