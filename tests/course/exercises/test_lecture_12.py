"""The checks of lecture 12 against right answers written differently, and the usual wrong ones."""

import math

import numpy as np
import pytest
import scipy.optimize

from ssl_course.course.exercises import lecture_12 as check


def by_trying(rho1, rho2, digits):
    """From one round of ACE on two functions, the second one nearly gone: what the gap shrinks by."""
    eta = np.array([1, 1e-4])
    gaps = []
    for _ in range(2):
        psi = np.array([rho1, rho2]) * eta
        psi /= np.linalg.norm(psi)
        eta = np.array([rho1, rho2]) * psi
        eta /= np.linalg.norm(eta)
        gaps.append(
            (rho1 - rho2) * psi[1] * eta[1] + rho1 * ((psi - eta) ** 2).sum() / 2
        )  # ρ₁ − E[ψη], ρ₁ taken out
    return digits / -math.log10(gaps[1] / gaps[0])


@pytest.mark.parametrize("seed", range(3))
def test_rounds_right(seed):
    assert check.rounds_of_ace(by_trying, seed).passed


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda a, b, d: 2 * by_trying(a, b, d), "by its square"),
        (lambda a, b, d: 4 * by_trying(a, b, d), "two half rounds"),
        (lambda a, b, d: by_trying(a, b, d) / math.log(10), "d ln 10"),
        (lambda a, b, d: d / -math.log10(b) / 4, "shrinks as well"),
        (lambda a, b, d: d / -math.log10(b) / 2, "shrinks as well"),
        (lambda a, b, d: d / -math.log10(a - b) / 4, "not their difference"),
        (lambda a, b, d: -by_trying(a, b, d), "The sign"),
        (lambda a, b, d: 0.5, "Write η"),
        (lambda a, b, d: ..., "Replace the dots"),
        (lambda a, b, d: [a, b], "One number"),
    ],
)
def test_rounds_wrong(wrong, says):
    card = check.rounds_of_ace(wrong)
    assert not card.passed and says in card.text


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
