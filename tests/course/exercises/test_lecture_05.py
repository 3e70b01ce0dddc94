"""The checks of lecture 05: right answers pass, wrong ones are named; the truth here is a plain loop."""

import itertools
import math

import numpy as np
import pytest
import torch

from ssl_course.course.exercises import lecture_05 as check
from ssl_course.pretext.puzzles import turn


def by_filling(n, distance):
    """The ways to fill the first places, one factor a place."""
    ways = 1
    for taken in range(n - distance + 1):
        ways *= n - taken
    return ways


@pytest.mark.parametrize("seed", range(5))
def test_most_orders(seed):
    assert check.most_orders(by_filling, seed).passed


@pytest.mark.parametrize(("n", "distance"), [(3, 3), (4, 3), (4, 4)])
def test_no_more_can_be_chosen_and_so_many_can(n, distance):
    """By trying every set: the bound is reached for few tiles."""
    orders = list(itertools.permutations(range(n)))
    far = {
        p: {q for q in orders if sum(a != b for a, b in zip(p, q, strict=True)) >= distance} for p in orders
    }

    def largest(free):
        return max((1 + largest({q for q in free & far[p] if q > p}) for p in free), default=0)

    first = orders[0]  # any order may be renamed to the first
    assert 1 + largest(far[first]) == by_filling(n, distance)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda n, d: by_filling(n, d + 1), "One place too few"),
        (lambda n, d: by_filling(n, d - 1), "One place too many"),
        (lambda n, d: n ** (n - d + 1), "Each tile occurs once"),
        (lambda n, d: by_filling(n, d) / math.factorial(n - d + 1), "lies where"),
        (lambda n, d: math.factorial(d - 1), "left over"),
        (lambda n, d: math.factorial(n - d + 1), "left over"),
        (lambda n, d: math.factorial(n), "without any demand"),
        (lambda n, d: math.factorial(n) / 2, "three places"),
        (lambda n, d: by_filling(n, d) + 1, "In how many ways"),
        (lambda n, d: ..., "Replace the dots"),
        (lambda n, d: n[99], "TypeError"),
    ],
)
def test_wrong_numbers_of_orders_are_named(answer, says):
    card = check.most_orders(answer)
    assert not card.passed and says in card.text


def groups(angles):
    """Independent of the check: turn a white square and see which angles leave the same black."""
    black = {turn(torch.ones(1, 1, 40, 40), float(a)).lt(0.5).numpy().tobytes() for a in angles}
    return len(black) / len(angles)


@pytest.mark.parametrize("seed", range(5))
def test_ceiling(seed):
    assert check.ceiling(groups, seed).passed


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda a: (sum(x % 90 > 0 for x in a) + (min(x % 90 for x in a) == 0)) / len(a), "the same corners"),
        (lambda a: len({x % 90 for x in a if x % 90}) / len(a), "count for nothing"),
        (
            lambda a: sum(1 if [y % 90 for y in a].count(x % 90) == 1 else 0.5 for x in a) / len(a),
            "A coin has two sides",
        ),
        (lambda a: len({x % 180 for x in a}) / len(a), "not only by 180°"),
        (lambda a: 1 / len(a), "That is chance"),
        (lambda a: 1.0, "Not all of them"),
        (lambda a: len({x % 90 for x in a}), "a share of all"),
        (lambda a: 0.3, "Put angles"),
        (lambda a: None, "Replace the dots"),
    ],
)
def test_wrong_ceilings_are_named(answer, says):
    card = check.ceiling(answer)
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
