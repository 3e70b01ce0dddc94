"""The checks of lecture 07 against right answers written differently, and the usual wrong ones."""

import numpy as np
import pytest

from ssl_course.course.exercises import lecture_07 as check
from ssl_course.theory.correlation import canonical_correlations


def by_bisection(loud, quiet):
    """Where the loud signal becomes the first singular pair, from SVDs of covariances between turned views."""
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(2, 2)))[0]

    def first(a, white):
        within, between = np.diag([a**2, 1.0]), np.diag([a**2 * loud, quiet])
        left = np.diag(1 / np.sqrt(np.diag(within))) @ between if white else between
        return abs(np.linalg.svd(left @ turn)[0][0, 0]) > 0.5  # of X₁'s direction that is loud

    found = []
    for white in (False, True):
        low, high = 0.5, 20.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (low, middle) if first(middle, white) else (middle, high)
        found.append(high)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_first_pair(seed):
    assert check.first_pair(by_bisection, seed).passed
    assert check.first_pair(lambda p, q: np.array([(q / p) ** 0.5, q / p]), seed).passed


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda p, q: [(q / p) ** 0.5] * 2, "same number twice"),
        (lambda p, q: [q / p] * 2, "same number twice"),
        (lambda p, q: by_bisection(p, q)[::-1], "changed places"),
        (lambda p, q: np.square(by_bisection(p, q)), "the squares"),
        (lambda p, q: by_bisection(q, p) if p > q else [(p / q) ** 0.5, p / q], "other way round"),
        (lambda p, q: (1, 1), "that is PCA"),
        (lambda p, q: (np.inf, np.inf), "Right for CCA"),
        (lambda p, q: (q / p) ** 0.5, "shape"),
        (lambda p, q: (2, 3), "is right"),
        (lambda p, q: (np.nan, 1), "NaN"),
        (lambda p, q: None, "Replace the dots"),
        (lambda p: 1.0, "TypeError"),
        (3.0, "the function itself"),
        (..., "Replace the dots"),
    ],
)
def test_wrong_first_pairs_are_named(wrong, says, seed):
    card = check.first_pair(wrong, seed)
    assert not card.passed and says in card.text


# ---- fooled by noise


def noise(p, q):
    return lambda n, rng: (rng.normal(size=(n, p)), rng.uniform(size=(n, q)))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("columns", [(25, 25), (30, 40), (70, 60)])
def test_fooled_right(columns, seed):
    assert check.fooled_by_noise(noise(*columns), seed).passed


def shared(n, rng):
    z = rng.normal(size=(n, 1))
    return np.hstack([z, rng.normal(size=(n, 30))]), np.hstack([z, rng.normal(size=(n, 30))])


def always_the_same(n, rng):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 30)), rng.normal(size=(2000, 30))[:n]


def one_row_again(n, rng):
    return np.tile(rng.normal(size=(1, 30)), (n, 1)), np.tile(rng.normal(size=(1, 30)), (n, 1))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (noise(3, 4), "give it more columns"),
        (noise(15, 12), "give it more columns"),
        (shared, "something in common"),
        (always_the_same, "do not change"),
        (one_row_again, "do not change"),
        (lambda n, rng: (rng.normal(size=(n, n)), rng.normal(size=(n, n))), "must not depend on n"),
        (lambda n, rng: (rng.normal(size=(50, 30)), rng.normal(size=(50, 30))), "rows are wanted"),
        (lambda n, rng: rng.normal(size=n), "two arrays"),
        (lambda n, rng: (np.full((n, 3), np.nan) + rng.normal(size=(n, 3)), rng.normal(size=(n, 3))), "CCA refuses"),
        (lambda n, rng: 1 / 0, "ZeroDivisionError"),
        (lambda n, rng: ..., "Replace the dots"),
        (lambda n: (0, 0), "stopped with"),
        (None, "Replace the dots"),
        (np.ones(3), "the function itself"),
    ],
)  # fmt: skip
def test_fooled_wrong(wrong, says, seed):
    card = check.fooled_by_noise(wrong, seed)
    assert not card.passed and says.lower() in card.text.lower()


# ---- when it is certain


def by_trying(p, q):
    """The last number of rows at which noise gives a correlation of 1."""
    rng, n = np.random.default_rng(0), max(p, q) + 1
    while canonical_correlations(rng.normal(size=(n + 1, p)), rng.normal(size=(n + 1, q)))[0] > 1 - 1e-9:
        n += 1
    return n


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(2))
def test_certain_right(seed):
    assert check.certain_to_be_fooled(by_trying, seed).passed


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda p, q: p + q - 1, "without centring"),
        (lambda p, q: p + q + 1, "just fill"),
        (lambda p, q: max(p, q), "fit *anything*"),
        (lambda p, q: max(p, q) + 1, "fit *anything*"),
        (lambda p, q: min(p, q), "count together"),
        (lambda p, q: p * q, "not d₁ times d₂"),
        (lambda p, q: 2 * (p + q), "not perfectly"),
        (lambda p, q: p + q + 7, "is right"),
        (lambda p, q: None, "Replace the dots"),
    ],
)
def test_certain_wrong(wrong, says, seed):
    card = check.certain_to_be_fooled(wrong, seed)
    assert not card.passed and says in card.text
