"""The checks of lecture 12 against right answers written differently, and the usual wrong ones."""

import math

import numpy as np
import pytest
import scipy.optimize

from ssl_course.course.exercises import lecture_12 as check


def alternate(joint, centre=True, normalise=True, wrong_way=False, rounds=800):
    """ACE with plain loops, and the ways to spoil it."""
    n1, n2 = joint.shape
    p, q = [sum(row) for row in joint], [sum(column) for column in joint.T]
    eta = [float(j * j + 1) for j in range(n2)]
    psi = [0.0] * n1

    def tidy(f, w):
        mean = sum(a * b for a, b in zip(f, w, strict=True)) if centre else 0.0
        f = [a - mean for a in f]
        size = math.sqrt(sum(b * a * a for a, b in zip(f, w, strict=True))) if normalise else 1.0
        return [a / size for a in f]

    for _ in range(rounds):
        psi = tidy(
            [sum(joint[i, j] / (q[j] if wrong_way else p[i]) * eta[j] for j in range(n2)) for i in range(n1)],
            p,
        )
        eta = tidy(
            [sum(joint[i, j] / (p[i] if wrong_way else q[j]) * psi[i] for i in range(n1)) for j in range(n2)],
            q,
        )
    return sum(joint[i, j] * psi[i] * eta[j] for i in range(n1) for j in range(n2))


def by_svd(joint):
    root = np.sqrt(np.outer(joint.sum(1), joint.sum(0)))
    return np.linalg.svd(joint / root, compute_uv=False)[1]


@pytest.mark.parametrize("seed", range(3))
def test_ace_right(seed):
    assert check.ace_of_a_table(by_svd, seed).passed
    assert check.ace_of_a_table(lambda joint: alternate(joint, rounds=150), seed).passed


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda p: alternate(p, centre=False, rounds=150), "constant functions"),
        (lambda p: alternate(p, normalise=False, rounds=150), "shrinks to 0"),
        (lambda p: alternate(p, wrong_way=True, rounds=600), "wrong way"),
        (lambda p: by_svd(p) ** 2, "ρ²"),
        (lambda p: 2 - 2 * by_svd(p), "smallest L_sim"),
        (lambda p: np.linalg.svd(p - np.outer(p.sum(1), p.sum(0)))[1][0], "without whitening"),
        (lambda p: 0.5, "Start with any η"),
        (lambda p: ..., "Replace the dots"),
        (lambda p: p, "shape (4, 5)"),
    ],
)
def test_ace_wrong(wrong, says):
    card = check.ace_of_a_table(wrong)
    assert not card.passed and says in card.text


def test_linear_correlation_is_named():
    def pearson(joint):
        rng = [(i, j) for i in range(joint.shape[0]) for j in range(joint.shape[1])]
        weights = [joint[i, j] for i, j in rng]
        cov = np.cov(np.array(rng).T, aweights=weights, ddof=0)
        return cov[0, 1] / math.sqrt(cov[0, 0] * cov[1, 1])

    assert "numbers of the states" in check.ace_of_a_table(pearson).text


def by_search(rho1, rho2, invariance, covariance):
    """The least weighted loss over c = cos 2θ, by golden section of the terms written out."""

    def loss(c):
        cos2, sin2 = (1 + c) / 2, (1 - c) / 2
        shared = cos2 * rho1 + sin2 * rho2  # correlation of each number of ψ with its partner
        return invariance * (2 * (2 - 2 * shared)) / 2 + covariance * 2 * (2 * c * c) / 2

    return scipy.optimize.minimize_scalar(loss, bounds=(0, 1), options={"xatol": 1e-12}).x


def by_formula(scale):
    return lambda a, b, i, c: min(1, scale * i * (a - b) / c)


@pytest.mark.parametrize("seed", range(3))
def test_soft_whitening_right(seed):
    assert check.soft_whitening(by_formula(0.25), seed).passed
    assert by_formula(0.25)(0.64, 0.5, 25, 1) == pytest.approx(by_search(0.64, 0.5, 25, 1), abs=1e-6)
    assert by_formula(0.25)(0.9, 0.3, 25, 1) == pytest.approx(by_search(0.9, 0.3, 25, 1), abs=1e-5)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda a, b, i, c: i * (a - b) / (4 * c), "at most 1"),
        (by_formula(1 / 2), "Twice too much"),
        (by_formula(1 / 8), "Half of it"),
        (lambda a, b, i, c: i * (a + b) / (4 * c), "their difference"),
        (lambda a, b, i, c: 0, "exact whitening"),
        (lambda a, b, i, c: 1, "two copies"),
        (lambda a, b, i, c: a, "Which c makes"),
        (lambda a, b, i, c: None, "Replace the dots"),
    ],
)
def test_soft_whitening_wrong(wrong, says):
    card = check.soft_whitening(wrong)
    assert not card.passed and says in card.text


def strays(q=0.9):
    """Y decides whether X₂ is 0 or ±1; X₁ is a noisy copy of Y."""
    joint = np.zeros((2, 3, 2))
    for y in range(2):
        for i in range(2):
            row = np.array([0.0, 1.0, 0.0]) if y == 0 else np.array([0.5, 0.0, 0.5])
            joint[i, :, y] = 0.5 * (q if i == y else 1 - q) * row
    return joint


def test_broken_condition():
    card = check.broken_condition(strays(), [-1, 0, 1])
    # E‖P(Y|X₁) − ½‖² = 2 · .4² , and one-hot nothing is lost
    assert card.passed and f"excess {2 * 0.4**2:.3f}" in card.text and "leaves 0.000" in card.text


@pytest.mark.parametrize(
    ("joint", "x2", "says"),
    [
        (strays(), [0, 0, 1], "class means differ"),
        (strays(0.5), [-1, 0, 1], "X₁ says nothing"),
        (np.einsum("iy,j->ijy", [[0.4, 0.1], [0.1, 0.4]], [0.25, 0.5, 0.25]), [-1, 0, 1], "says little of Y"),
        (strays() * 2, [-1, 0, 1], "sums to 2"),
        (strays(), [1, 2], "no world"),
        (strays()[:, :, :1], [-1, 0, 1], "no world"),
        ("abc", [1], "no world"),
        (strays, [-1, 0, 1], "the table and the values"),
    ],
)
def test_not_broken(joint, x2, says):
    card = check.broken_condition(joint, x2)
    assert card.state == "wrong" and says in card.text


@pytest.mark.parametrize("stub", [(None, [1]), (..., [1]), (strays(), ...)])
def test_stub(stub):
    assert check.broken_condition(*stub).state == "unsolved"
