"""The checks of lecture 11 against right answers written differently, and the usual wrong ones."""

import numpy as np
import pytest

from ssl_course.course.exercises import lecture_11 as check


def right_factor(p):
    """By two singular value decompositions of class means in the plane."""
    means = np.array([[0.3, 1.0], [2.0, -0.7]])  # (k, d)
    plain, weighted = (
        np.linalg.svd(means - m, compute_uv=False)[0] for m in (means.mean(0), [p, 1 - p] @ means)
    )
    return weighted**2 / plain**2


@pytest.mark.parametrize("seed", range(3))
def test_wrong_mean_right(seed):
    assert check.wrong_mean(right_factor, seed).passed


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda p: right_factor(p) / 2, "divide by that"),
        (lambda p: right_factor(p) ** 0.5, "ratio of the σ"),
        (lambda p: 1 / right_factor(p), "Upside down"),
        (lambda p: 4 * p**2, "column of class 1"),
        (lambda p: 4 * p * (1 - p), "variance of the label"),
        (lambda p: 1.5, "with the plain mean"),
        (lambda p: float("nan"), "NaN"),
        (lambda p: None, "Replace the dots"),
        (lambda: 1.0, "TypeError"),
    ],
)
def test_wrong_mean_wrong(wrong, says):
    card = check.wrong_mean(wrong)
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


def world(delta, k=3):
    """C1 with k faces instead of two, by loops."""
    joint = np.zeros((k, k, k))
    for i in range(k):
        for j in range(k):
            joint[i, j, i] += (1 - delta) / k**2
            joint[i, j, j] += delta / k**2
    return joint


def test_broken():
    card = check.breaks_the_bound(world(0.01))
    assert card.passed
    # promise: 3/100000 + ε²/Tr Cov(X₂), ε² = δ² a, a = (1 − δ)² Tr Cov(Y), and both traces are 2/3
    a = 0.99**2 * 2 / 3
    assert f"{a / (3e-5 + 1e-4 * a / (2 / 3)):,.0f} times" in card.text
    assert check.breaks_the_bound(world(0.01).tolist(), [[0, 0], [1, 0], [0, 1]]).passed


@pytest.mark.parametrize(
    ("joint", "x2", "says"),
    [
        (world(0.1), None, "closer together"),
        (world(0.1), np.eye(3) * 1e-3, "only since X₂ is small"),
        (world(0.01, 2), None, "two classes"),
        (np.einsum("iy,jy,y->ijy", [[0.8, 0.3], [0.2, 0.7]], [[0.6, 0.1], [0.4, 0.9]], [0.5, 0.5]), None, "a = 0"),
        (world(0.01) * 90, None, "sums to 90"),
        (world(0.01), [1, 1, 1], "one value only"),
        (world(0.01), [1, 2], "no world"),
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
