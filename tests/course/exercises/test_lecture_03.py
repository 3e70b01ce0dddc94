"""The checks of lecture 03 against brute force: right answers pass, each usual wrong one is named."""

import math

import numpy as np
import pytest

from ssl_course.course.exercises import lecture_03 as check


def enumerated(m):
    """E(x − G)² / Var of a fair ±1 truth and the mean G of m such guesses, over all 2^(m+1) outcomes."""
    signs = np.array(np.meshgrid(*[[-1.0, 1.0]] * (m + 1))).reshape(m + 1, -1)
    return np.mean((signs[0] - signs[1:].mean(0)) ** 2)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (enumerated, None),
        (lambda m: 2, "one honest guess"),
        (lambda m: 1, "limit of many"),
        (lambda m: 1 / m, "the guesses alone"),
        (lambda m: 2 / m, "one truth"),
        (lambda m: 1 + m, "m / m²"),
        (lambda m: 1 + 1 / m / m, "m / m²"),
        (lambda m: 1 + 1 / math.sqrt(m), "standard deviation"),
        (lambda m: 1 + 1 / (m + 1), "not among the guesses"),
        (lambda m: 0.3, "is right"),
        (lambda m: [m, m], "One number"),
    ],
)
def test_a_few_guesses(answer, says):
    card = check.a_few_guesses(answer)
    assert card.passed if says is None else (card.state == "wrong" and says in card.text), card.text


def conditioned(rho, left, right):
    """The conditional variance from all pixels outside the hole, three on either side, by a Schur complement."""
    at = np.array([-left - 2, -left - 1, -left, right, right + 1, right + 2])
    seen = rho ** np.abs(at[:, None] - at).astype(float)
    c = rho ** np.abs(at).astype(float)
    return 1 - c @ np.linalg.inv(seen) @ c


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (conditioned, None),
        (lambda r, a, b: 1 - r ** (2 * a), "left edge alone"),
        (lambda r, a, b: 1 - r ** (2 * b), "right edge alone"),
        (lambda r, a, b: max(1 - r ** (2 * a), 1 - r ** (2 * b)), "is right"),
        (lambda r, a, b: min(1 - r ** (2 * a), 1 - r ** (2 * b)), "nearer edge alone"),
        (lambda r, a, b: (1 - r ** (2 * a)) * (1 - r ** (2 * b)), "independently"),
        (lambda r, a, b: 1 - r ** (2 * a) - r ** (2 * b), "counted twice"),
        (lambda r, a, b: 1.0 + 0.25 * (2 + 2 * r ** (a + b)) - r**a - r**b, "averaged"),
        (lambda r, a, b: 1 - conditioned(r, a, b), "that is left"),
        (lambda r, a, b: conditioned(math.sqrt(r), a, b), "its square"),
        (lambda r, a, b: "far", "is wanted"),
    ],
)
def test_between_two_edges(answer, says):
    card = check.between_two_edges(answer)
    assert card.passed if says is None else (card.state == "wrong" and says in card.text), card.text


def divergences(p):
    """Both KL to the mixture, term by term, with the rest of the truth shared by three other fillings."""
    truth, filling = [p, *[(1 - p) / 3] * 3], [1.0, 0.0, 0.0, 0.0]
    mixture = [(a + b) / 2 for a, b in zip(truth, filling, strict=True)]
    return [
        sum(a * math.log(a / m) for a, m in zip(one, mixture, strict=True) if a) for one in (truth, filling)
    ]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda p: sum(divergences(p)) / 2, None),
        (lambda p: -math.log(p), "with their mixture"),
        (lambda p: sum(divergences(p)), "the mean of two"),
        (lambda p: 1 - p, "in shares"),
        (lambda p: sum(divergences(p)) / 2 / math.log(2), "in bits"),
        (lambda p: (sum(divergences(p)) - (1 - p) * math.log(2)) / 2, "never gives"),
        (lambda p: divergences(p)[0], "network to the mixture, and halve"),
        (lambda p: divergences(p)[1] / 2, "truth to the mixture, and halve"),
        (lambda p: p, "is right"),
        (lambda p: math.nan, "NaN"),
    ],
)
def test_without_dice(answer, says):
    card = check.without_dice(answer)
    assert card.passed if says is None else (card.state == "wrong" and says in card.text), card.text


@pytest.mark.parametrize("function", [check.a_few_guesses, check.between_two_edges, check.without_dice])
@pytest.mark.parametrize("stub", [None, ..., lambda *a: ..., lambda *a: None])
def test_stubs(function, stub):
    assert function(stub).state == "unsolved"
