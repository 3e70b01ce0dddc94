"""The checks of lecture 11 against right answers written differently, and the usual wrong ones."""

import math

import numpy as np
import pytest

from ssl_course.course.exercises import lecture_11 as check


def right_excess(a, noise, rank, n):
    """As the whole risk less the noise."""
    if n - rank - 1 <= 0:
        return math.inf
    return (noise + a) * (n - 1) / (n - rank - 1) - noise


@pytest.mark.parametrize("seed", range(4))
def test_excess_right(seed):
    assert check.excess_of_probe(right_excess, seed).passed


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda a, s, r, n: a + (s + a) * r / (n - r - 1), "turns negative"),
        (lambda a, s, r, n: a + s * r / (n - r - 1), "noise to the fit"),
        (lambda a, s, r, n: a + s * r / (n - r - 1) if n > r + 1 else math.inf, "noise to the fit"),
        (lambda a, s, r, n: (s + a) * r / (n - r - 1), "estimation alone"),
        (lambda a, s, r, n: a + (s + a) * r / n, "far above r"),
        (lambda a, s, r, n: a + (s + a) * r / (n - r), "not by n − r"),
        (lambda a, s, r, n: right_excess(a, s, r, n) + s, "less V"),
        (lambda a, s, r, n: r / n + a, "Infinite for n ≤ r + 1"),
        (lambda a, s, r, n: float("nan"), "NaN"),
        (lambda a, s, r, n: None, "Replace the dots"),
        (lambda a, s, r: 1.0, "TypeError"),
    ],
)
def test_excess_wrong(wrong, says, seed):
    card = check.excess_of_probe(wrong, seed)
    assert not card.passed and says in card.text


def right_crossing(a, noise, rank, d1):
    """By bisection between the two curves, no algebra."""
    low, high = d1 + 1 + 1e-9, 1e9
    for _ in range(200):
        n = (low + high) / 2
        probe = a + (noise + a) * rank / (n - rank - 1)
        if noise * d1 / (n - d1 - 1) > probe:
            low = n
        else:
            high = n
    return low


@pytest.mark.parametrize("seed", range(4))
def test_crossing_right(seed):
    assert check.supervision_overtakes(right_crossing, seed).passed


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda a, s, r, d: (d - r) * s / a, "d₁ + 1 more"),
        (lambda a, s, r, d: (d * s - r * (s + a)) / a, "beyond d₁ + 1"),
        (lambda a, s, r, d: d + (d - r) * s / a, "One label short"),
        (lambda a, s, r, d: d + 1 + d * s / a, "its own r".capitalize()),
        (lambda a, s, r, d: r + 1 + (d - r) * s / a, "not r + 1"),
        (lambda a, s, r, d: d + 1 + (d - r) * a / s, "Upside down"),
        (lambda a, s, r, d: 100.0, "Write both curves"),
        (lambda a, s, r, d: ..., "Replace the dots"),
    ],
)
def test_crossing_wrong(wrong, says):
    card = check.supervision_overtakes(wrong)
    assert not card.passed and says in card.text


def world(delta):
    """C1 by loops."""
    joint = np.zeros((2, 2, 2))
    for i in range(2):
        for j in range(2):
            joint[i, j, i] += (1 - delta) / 4
            joint[i, j, j] += delta / 4
    return joint


def test_broken():
    card = check.breaks_the_bound(world(0.01))
    assert card.passed
    # promise: 2/100000 + ε²/Tr Cov(X₂) = .00002 + 2 δ² a, a = (1 − δ)²/2
    a = 0.99**2 / 2
    assert f"{a / (2e-5 + 2 * 1e-4 * a):,.0f} times" in card.text
    assert check.breaks_the_bound(world(0.01).tolist(), [0, 1]).passed


@pytest.mark.parametrize(
    ("joint", "x2", "says"),
    [
        (world(0.1), None, "closer together"),
        (world(0.1), np.eye(2) * 1e-3, "only since X₂ is small"),
        (np.einsum("iy,jy,y->ijy", [[0.8, 0.3], [0.2, 0.7]], [[0.6, 0.1], [0.4, 0.9]], [0.5, 0.5]), None, "a = 0"),
        (world(0.01) * 40, None, "sums to 40"),
        (world(0.01), [1, 1], "one value only"),
        (world(0.01), [1, 2, 3], "no world"),
        (np.full((2, 2, 1), 0.25), None, "no world"),
        ("abc", None, "no world"),
        (world, None, "the table itself"),
        (np.pad(world(0.01), ((0, 1), (0, 0), (0, 0))), None, "probability zero"),
    ],
)  # fmt: skip
def test_not_broken(joint, x2, says):
    card = check.breaks_the_bound(joint, x2)
    assert card.state == "wrong" and says in card.text


@pytest.mark.parametrize("stub", [None, ...])
def test_stub(stub):
    assert check.breaks_the_bound(stub).state == "unsolved"
