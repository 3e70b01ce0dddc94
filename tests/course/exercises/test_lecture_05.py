"""The checks of lecture 05: right answers pass, wrong ones are named; the truth here is a plain loop."""

import numpy as np
import pytest
import torch

from ssl_course.course.exercises import lecture_05 as check
from ssl_course.pretext.puzzles import turn


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
