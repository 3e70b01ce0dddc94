"""The checks of lecture 04: right answers pass, usual wrong ones are named; the truth here is a count, a search, or determinants."""

import math

import numpy as np
import pytest

from ssl_course.course.exercises import lecture_04 as check
from ssl_course.nets import encoder_flops
from ssl_course.theory.masking import ar1_covariance, masked_curves


def by_counting(length, visible):
    """Of all ways to choose the visible ones among the others, those that leave out the four."""
    return math.comb(length - 5, visible) / math.comb(length - 1, visible)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (by_counting, None),
        (lambda n, k: (1 - k / n) ** 4, "without putting back"),
        (lambda n, k: (1 - k / (n - 1)) ** 4, "without putting back"),
        (lambda n, k: math.comb(n - 4, k) / math.comb(n, k), "The patch itself"),
        (lambda n, k: 1 - by_counting(n, k), "*has* a visible"),
        (lambda n, k: math.comb(n - 5, k) / math.comb(n, k), "all five"),
        (lambda n, k: math.comb(n - 9, k) / math.comb(n - 1, k), "corners too"),
        (lambda n, k: math.comb(n - 5, k - 4) / math.comb(n - 1, k), "none is"),
        (lambda n, k: (k / n) ** 4, "none is"),
        (lambda n, k: 0.5, "one after the other"),
        (lambda n, k: [1, 2], "One number"),
        (lambda n, k: n["visible"], "TypeError"),
    ],
)
def test_alone(answer, says):
    card = check.alone(answer)
    assert card.passed if says is None else (card.state == "wrong" and says in card.text), card.text


def searched(share, length, dim):
    """The largest number of visible patches whose work is small enough, by trying all."""
    whole = encoder_flops(1 + length, dim, 1)
    return max(k for k in range(length + 1) if encoder_flops(1 + k, dim, 1) <= share * whole)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (searched, None),
        (lambda s, n, d: int(s * n), "in proportion"),
        (lambda s, n, d: int(s * (n + 1)) - 1, "attention is missing"),
        (lambda s, n, d: int(s**0.5 * (n + 1)) - 1, "linear layers are missing"),
        (
            lambda s, n, d: max(
                k for k in range(n + 1) if encoder_flops(k, d, 1) <= s * encoder_flops(n, d, 1)
            ),
            "on both sides",
        ),
        (lambda s, n, d: 1 + searched(s, n, d), "number of tokens"),
        (lambda s, n, d: n - searched(s, n, d), "*hidden*"),
        (lambda s, n, d: 0, "is right"),
        (lambda s, n, d: [1, 2], "One number"),
    ],
)
def test_most_visible(answer, says):
    card = check.most_visible(answer)
    assert card.passed if says is None else (card.state == "wrong" and says in card.text), card.text


def by_determinants(hidden, rho):
    s = ar1_covariance(len(hidden), rho)
    return float(masked_curves([1.0], np.zeros((1, len(hidden))), s[None], hidden).dependence)


def each_border(hidden, rho):
    return -0.5 * np.log(1 - rho**2) * sum(a != b for a, b in zip(hidden, hidden[1:], strict=False))


def parts(hidden, rho, square=2):
    """Logarithm of the determinants of seen, hidden and all places."""
    s = np.abs(np.subtract.outer(np.arange(len(hidden)), np.arange(len(hidden))))
    covariance = rho ** (square / 2 * s)
    seen = ~np.asarray(hidden)
    return [np.linalg.slogdet(covariance[np.ix_(w, w)])[1] for w in (seen, ~seen, seen | ~seen)]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (by_determinants, None),
        (lambda h, r: 2 * by_determinants(h, r), "½ in front"),
        (lambda h, r: by_determinants(h, r) / np.log(2), "nats"),
        (lambda h, r: -by_determinants(h, r), "sign"),
        (lambda h, r: sum(parts(h, r)[:2]) / 2, "row itself"),
        (lambda h, r: (parts(h, r, 1)[0] + parts(h, r, 1)[1] - parts(h, r, 1)[2]) / 2, "it is squared"),
        (each_border, "for each border"),
        (lambda h, r: 0.0, "is right"),
        (lambda h, r: h, "One number"),
    ],
)
def test_from_gaps(answer, says):
    card = check.from_gaps(answer)
    assert card.passed if says is None else (card.state == "wrong" and says in card.text), card.text


@pytest.mark.parametrize("function", [check.alone, check.most_visible, check.from_gaps])
@pytest.mark.parametrize("stub", [None, ..., lambda *a: ..., lambda *a: None])
def test_stubs(function, stub):
    assert function(stub).state == "unsolved"
