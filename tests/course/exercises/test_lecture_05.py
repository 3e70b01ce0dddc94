"""The checks of lecture 05: right answers pass, wrong ones are named; the truth here is a plain loop."""

from itertools import permutations

import numpy as np
import pytest
import torch

from ssl_course.course.exercises import lecture_05 as check
from ssl_course.pretext.puzzles import permutation_set, turn


def right(orders):
    best = 99
    for i in range(len(orders)):
        for j in range(i):
            best = min(best, sum(1 for a, b in zip(orders[i], orders[j], strict=True) if a != b))
    return best


def pairs(orders):
    return [(a, b) for i, a in enumerate(orders) for b in orders[:i]]


@pytest.mark.parametrize("seed", range(5))
def test_hamming(seed):
    assert check.hamming(right, seed).passed
    assert check.hamming(lambda o: np.int64(right(o)), seed).passed


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda o: max(sum(a != b) for a, b in pairs(o)), "largest distance"),
        (lambda o: sum(sum(a != b) for a, b in pairs(o)) / len(pairs(o)), "mean distance"),
        (lambda o: min(sum(a != b) for a in o for b in o), "always 0"),
        (lambda o: min(sum(a == b) for a, b in pairs(o)), "places that agree"),
        (lambda o: min(sum(abs(a - b)) for a, b in pairs(o)), "Tiles have no size"),
        (lambda o: min(sum(o[0] != b) for b in o[1:]), "first order only"),
        (lambda o: min(sum(o[i] != o[i + 1]) for i in range(len(o) - 1)), "neighbouring rows"),
        (lambda o: right(o) / o.shape[1], "divide by the number"),
        (lambda o: right(o) + 1, "For every pair"),
        (lambda o: ..., "Replace the dots"),
        (lambda o: o[99], "IndexError"),
    ],
)
def test_wrong_distances_are_named(answer, says):
    card = check.hamming(answer)
    assert not card.passed and says in card.text


EVEN = [p for p in permutations(range(4)) if sum(p[i] > p[j] for j in range(4) for i in range(j)) % 2 == 0]
ODD = [p for p in permutations(range(4)) if p not in EVEN]


@pytest.mark.parametrize(
    "orders", [EVEN, ODD, np.array(EVEN), permutation_set(4, 12), permutation_set(4, 12).tolist()]
)
def test_twelve_orders(orders):
    card = check.twelve_orders(orders)
    assert card.passed and ("odd" if orders is ODD else "even") in card.text


@pytest.mark.parametrize(
    ("orders", "says"),
    [
        (..., "Replace the dots"),
        (None, "Replace the dots"),
        (EVEN[:11] + ODD[:1], "one swap apart"),
        (list(permutations(range(4))), "one swap apart"),
        (EVEN[:11] + EVEN[:1], "occurs twice"),
        (EVEN[:7], "add 5 more"),
        (np.array(EVEN) + 1, "from 0"),
        ([[0, 0, 1, 2]] * 12, "Not every row"),
        (permutation_set(9, 12), "(12, 9)"),
        ([[0, 1], [2]], "no table"),
        ("orders", "shape ()"),
        (lambda: EVEN, "not a function"),
    ],
)
def test_sets_that_are_none(orders, says):
    card = check.twelve_orders(orders)
    assert not card.passed and says in card.text


def by_corners(picture):
    """Independent of the check: in the upper rows of a picture turned by 30° more is black on the left."""
    black = picture == 0
    if not black.any():
        return 0
    half = len(picture) // 2
    top = black[: half // 4]
    return 30 if top[:, :half].sum() > top[:, -half:].sum() else 60


@pytest.mark.parametrize("seed", range(5))
def test_angle_from_corners(seed):
    assert check.angle_from_corners(by_corners, seed).passed


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda p: {0: 0, 30: 60, 60: 30}[by_corners(p)], "changed over"),
        (lambda p: 30 if (p == 0).any() else 0, "ask where"),
        (lambda p: 60 if p[0, 0] == 0 else 0, "ask where"),
        (lambda p: 0, "always 0"),
        (lambda p: by_corners(p) or 90, "nobody can tell"),
        (lambda p: 30 * int(p.mean() > 0.4), "first row"),
        (lambda p: None, "Replace the dots"),
    ],
)
def test_wrong_angles_are_named(answer, says):
    card = check.angle_from_corners(answer)
    assert not card.passed and says in card.text


def test_the_corners_of_a_white_square():
    """The check's rule on white squares turned by hand: a pixel is lit when its centre comes from inside."""
    size = 40
    for angle in (30, 60):
        turned = turn(torch.ones(1, 1, size, size), float(angle))[0, 0].numpy()
        assert check._angle(turned) == by_corners(turned) == angle
        c, s = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
        y, x = np.mgrid[:size, :size] + 0.5 - size / 2
        source_x, source_y = c * x - s * y, s * x + c * y  # counter-clockwise on a screen whose y points down
        white = ((abs(source_x) < size / 2) & (abs(source_y) < size / 2)).astype(float)
        assert check._angle(white) == angle
