"""Checks of lecture 05: how far apart orders are, a set of orders, an angle read off the corners."""

from itertools import combinations
from typing import Any

import numpy as np
import torch

from ssl_course.course.exercises.card import Card, check, passed, wrong
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


# ---- twelve orders of four tiles ---------------------------------------------------------------------------


@check("the orders themselves, 12 rows of 4 numbers")
def twelve_orders(orders: Any) -> Card:
    """Check a set of 12 orders of 4 tiles, any two of which differ in at least 3 places (lecture 05).

    Args:
        orders: the student's, 12 rows of the numbers 0 to 3.
    """
    try:
        table = np.array(orders.tolist() if hasattr(orders, "tolist") else orders)
    except (TypeError, ValueError):
        return wrong("That is no table: give 12 rows of 4 numbers.")
    if table.ndim != 2 or table.shape[1] != 4 or table.dtype.kind not in "iuf":
        return wrong(f"12 rows of 4 numbers are wanted; yours has the shape {table.shape}.")
    if (np.sort(table, 1) == [1, 2, 3, 4]).all():
        return wrong("Count the tiles from 0: each row holds 0, 1, 2, 3, each once.")
    if not (np.sort(table, 1) == [0, 1, 2, 3]).all():
        return wrong("Not every row is an order: each must hold 0, 1, 2, 3, each once.")
    table = table.astype(int)
    for a, b in combinations(range(len(table)), 2):
        apart = int((table[a] != table[b]).sum())
        if apart < 3:
            rows = f"{table[a].tolist()} and {table[b].tolist()}"
            if apart == 0:
                return wrong(f"The order {table[a].tolist()} occurs twice.")
            return wrong(
                f"{rows} differ in {apart} places only: one swap apart. After an odd number of swaps an "
                "order is odd; keep to one kind, even or odd."
            )
    if len(table) < 12:
        return wrong(f"These {len(table)} keep their distance; 12 are possible: add {12 - len(table)} more.")
    kind = "even" if _swaps(table[0]) % 2 == 0 else "odd"
    return passed(f"These are the {kind} orders: no two are a single swap apart, and a 13th would be.")


def _swaps(order: np.ndarray) -> int:
    return sum(int(order[i] > order[j]) for i, j in combinations(range(len(order)), 2))


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
