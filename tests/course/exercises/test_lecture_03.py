"""The checks of lecture 03: right answers pass, usual wrong ones are named; the truth here is a plain loop."""

import numpy as np
import pytest

from ssl_course.course.exercises import lecture_03 as check


def painted(picture, hole, colour=None, choose=None):
    out = picture.copy()
    for i in range(len(hole)):
        for j in range(hole.shape[1]):
            if hole[i, j] == 1:
                out[i, j] = colour if choose is None else choose
    return out


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (painted, None),
        (lambda x, h, c: painted(x, h, choose=0), "black"),
        (lambda x, h, c: painted(x, 1 - h, c), "Polarity"),
        (lambda x, h, c: painted(x, h, choose=x[h == 1].mean(0)), "gives away"),
        (lambda x, h, c: painted(x, h, choose=x[h == 0].mean(0)), "surroundings"),
        (lambda x, h, c: painted(x, h, choose=c.mean()), "a gray"),
        (lambda x, h, c: painted(x, h, choose=0) + c, "everywhere"),
        (lambda x, h, c: x, "is right"),
        (lambda x, h, c: h, "is wanted"),
    ],
)
def test_fill(answer, says):
    card = check.fill(answer)
    assert card.passed if says is None else (card.state == "wrong" and says in card.text), card.text


def by_distance(hole, rule, steps=max):
    """Every pixel's weight by a rule of (in the hole?, distance to the hole, distance to what is not hole)."""
    ones, zeros = np.argwhere(hole == 1), np.argwhere(hole == 0)

    def away(points, i, j):
        return min(steps(abs(a - i), abs(b - j)) for a, b in points)

    return np.array(
        [
            [rule(hole[i, j] == 1, away(ones, i, j), away(zeros, i, j)) for j in range(hole.shape[1])]
            for i in range(len(hole))
        ]
    )


def weights(hole, width):
    return by_distance(hole, lambda inside, d, _: 1 if inside else 10 if d <= width else 0)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (weights, None),
        (lambda h, w: by_distance(h, lambda i, d, _: 10 if i else 1 if d <= w else 0), "Swapped"),
        (lambda h, w: by_distance(h, lambda i, d, e: (10 if e <= w else 1) if i else 0), "inside the hole"),
        (lambda h, w: by_distance(h, lambda i, d, _: 1 if i else 10 if d <= w else 1), "weight 0"),
        (lambda h, w: h, "missing"),
        (lambda h, w: by_distance(h, lambda i, d, _: 10 if d <= w else 0), "counts once"),
        (
            lambda h, w: by_distance(h, lambda i, d, _: 1 if i else 10 if d <= w else 0, lambda a, b: a + b),
            "no corners",
        ),
        (lambda h, w: by_distance(h, lambda i, d, _: 11 if i else 10 if d <= w else 0), "add up to 11"),
        (lambda h, w: 0 * h, "is right"),
    ],
)
def test_border(answer, says):
    card = check.border(answer)
    assert card.passed if says is None else (card.state == "wrong" and says in card.text), card.text


def two_draws(p, x):
    return sum(p[i] * p[j] * (x[i] - x[j]) ** 2 for i in range(len(x)) for j in range(len(x)))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (two_draws, None),
        (lambda p, x: two_draws(p, x) / 2, "error of the mean filling"),
        (lambda p, x: 2 * sum(p * x * x), "do not cancel"),
        (lambda p, x: sum(p * x * x), "filling with 0"),
        (lambda p, x: two_draws(np.full(4, 0.25), x), "count all fillings alike"),
        (lambda p, x: 2 * (two_draws(p, x) / 2) ** 0.5, "twice the variance"),
        (
            lambda p, x: sum(p[i] * 0.25 * (x[i] - x[j]) ** 2 for i in range(4) for j in range(4)),
            "One of the two draws",
        ),
        (lambda p, x: sum(q * (v - v) for q, v in zip(p, x, strict=True)), "same draw"),
        (lambda p, x: 0.123, "is right"),
        (lambda p, x: p * x, "shape"),
    ],
)
def test_honest_guess(answer, says):
    card = check.honest_guess(answer)
    assert card.passed if says is None else (card.state == "wrong" and says in card.text), card.text


@pytest.mark.parametrize("function", [check.fill, check.border, check.honest_guess])
@pytest.mark.parametrize("stub", [None, ..., lambda *a: ..., lambda *a: None])
def test_stubs(function, stub):
    assert function(stub).state == "unsolved"
