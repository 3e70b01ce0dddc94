"""The checks of lecture 07 against right answers written differently, and the usual wrong ones."""

import numpy as np
import pytest
import scipy.linalg

from ssl_course.course.exercises import lecture_07 as check
from ssl_course.theory.correlation import canonical_correlations


def right(x, y):
    """By principal angles between the column spaces: no covariance, no whitening."""
    one, two = (np.linalg.qr(v - v.mean(0))[0] for v in (x, y))
    return np.linalg.svd(one.T @ two)[1]


def spoilt(centre=True, swap=False, one=-0.5, two=-0.5, transposed=False):
    """By scipy's matrix functions, with ways to spoil it."""

    def answer(x, y):
        if centre:
            x, y = x - x.mean(0), y - y.mean(0)
        n = len(x)
        a, b, c = x.T @ x / n, y.T @ y / n, x.T @ y / n
        if transposed:
            la, lb = scipy.linalg.cholesky(a, lower=True), scipy.linalg.cholesky(b, lower=True)
            return np.linalg.svd(np.linalg.solve(la.T, c) @ np.linalg.inv(lb))[1]
        wa, wb = (np.real(scipy.linalg.fractional_matrix_power(s, e)) for s, e in ((a, one), (b, two)))
        return np.linalg.svd(wb @ c @ wa if swap else wa @ c @ wb)[1]

    return answer


def by_standard_deviations(x, y):
    p = x.shape[1]
    return np.linalg.svd(np.corrcoef(x.T, y.T)[:p, p:])[1]


@pytest.mark.parametrize("seed", range(3))
def test_cca_right(seed):
    assert check.cca_by_whitening(right, seed).passed
    assert check.cca_by_whitening(spoilt(), seed).passed


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (spoilt(centre=False), "Uncentred"),
        (spoilt(swap=True), "wrong side"),
        (spoilt(transposed=True), "transposed factors"),
        (spoilt(one=0, two=0), "No whitening"),
        (by_standard_deviations, "standard deviations only"),
        (spoilt(one=-1, two=-1), "Too much"),
        (spoilt(one=0.5, two=0.5), "their inverses"),
        (spoilt(two=0), "Only the first view"),
        (spoilt(one=0), "Only the second view"),
        (lambda x, y: right(x, y) ** 2, "squares ρ²"),
        (lambda x, y: right(x, y)[::-1], "ascending"),
        (lambda x, y: right(x, y)[0], "Return all of them"),
        (lambda x, y: right(x, y) * 0.9, "is right"),
        (lambda x, y: np.full(x.shape[1], np.nan), "NaN"),
        (lambda x, y: None, "Replace the dots"),
        (lambda x: 1.0, "TypeError"),
        (3.0, "the function itself"),
        (..., "Replace the dots"),
    ],
)
def test_cca_wrong(wrong, says, seed):
    card = check.cca_by_whitening(wrong, seed)
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
        (lambda p, q: p * q, "not p times q"),
        (lambda p, q: 2 * (p + q), "not perfectly"),
        (lambda p, q: p + q + 7, "is right"),
        (lambda p, q: None, "Replace the dots"),
    ],
)
def test_certain_wrong(wrong, says, seed):
    card = check.certain_to_be_fooled(wrong, seed)
    assert not card.passed and says in card.text
