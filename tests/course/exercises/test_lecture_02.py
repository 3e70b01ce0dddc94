"""The checks of lecture 02 against plain loops: right answers pass, each usual wrong one is named."""

import math

import numpy as np
import pytest

from ssl_course.course.exercises import lecture_02 as check


def nearest(ab, centres, k=3):
    distance = [math.dist(ab, c) for c in centres]
    return distance, sorted(range(len(centres)), key=distance.__getitem__)[:k]


def encode(ab, centres, sigma, weigh=lambda d, s: math.exp(-d * d / (2 * s * s)), k=3, divide=True):
    distance, keep = nearest(ab, centres, k)
    out = [weigh(distance[q], sigma) if q in keep else 0.0 for q in range(len(centres))]
    return [o / sum(out) for o in out] if divide else out


def farthest(ab, centres, sigma):
    distance, _ = nearest(ab, centres)
    keep = sorted(range(len(centres)), key=distance.__getitem__)[-3:]
    out = [math.exp(-(distance[q] ** 2) / (2 * sigma**2)) if q in keep else 0.0 for q in range(len(centres))]
    return [o / sum(out) for o in out]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (encode, None),
        (lambda a, c, s: encode(a, c, s, k=1), "one-hot"),
        (lambda a, c, s: encode(a, c, s, divide=False), "do not sum to 1"),
        (lambda a, c, s: encode(a, c, s, k=9), "all bins"),
        (lambda a, c, s: encode(a, c, s, lambda d, s: math.exp(-d / s)), "exp(−d/b)"),
        (lambda a, c, s: encode(a, c, s, lambda d, s: math.exp(-d * d / s / s)), "exp(−d²/b²)"),
        (lambda a, c, s: encode(a, c, s, lambda d, s: math.exp(-d)), "softmax of the negative distances"),
        (lambda a, c, s: encode(a, c, s, lambda d, s: 1.0), "share equally"),
        (farthest, "three farthest"),
        (lambda a, c, s: np.zeros(len(c)), "is right"),
        (lambda a, c, s: a, "(9,) is wanted"),
        (lambda a, c, s: a["red"], "IndexError"),
        (lambda a, c, s: "a string", "Numbers are wanted"),
        (lambda a, c, s: np.full(9, np.nan), "NaN"),
    ],
)
def test_soft_encoding(answer, says):
    card = check.soft_encoding(answer)
    assert card.passed if says is None else (card.state == "wrong" and says in card.text), card.text


def weights(p, m, scale="expectation"):
    raw = [1 / ((1 - m) * q + m / len(p)) for q in p]
    total = {
        "expectation": sum(a * b for a, b in zip(p, raw, strict=True)), "none": 1, "sum": sum(raw),
        "mean": sum(raw) / len(raw),
    }[scale]  # fmt: skip
    return np.array([r / total for r in raw])


def unsmoothed(p, m):
    with np.errstate(divide="ignore"):
        raw = 1 / p
    return raw / sum(a * b for a, b in zip(p, raw, strict=True) if a > 0)


def of(rule):
    """Weights by a rule for one bin, scaled to E_p[w] = 1."""
    return lambda p, m: (w := np.array([rule(q, m, len(p)) for q in p])) / (w @ p)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (weights, None),
        (unsmoothed, "as it was counted"),
        (lambda p, m: weights(p, m, "none"), "divide so that"),
        (lambda p, m: weights(p, m, "sum"), "weights sum to 1"),
        (lambda p, m: weights(p, m, "mean"), "average to 1 over the bins"),
        (of(lambda q, m, n: 1 / (m * q + (1 - m) / n)), "swapped"),
        (of(lambda q, m, n: (1 - m) * q + m / n), "inverse is missing"),
        (of(lambda q, m, n: ((1 - m) / q if q > 0 else 0) + m * n), "mix the inverses"),
        (of(lambda q, m, n: 1 / ((1 - m) * q + m)), "1/Q, not 1"),
        (lambda p, m: 1 / p * 0, "NaN"),
        (lambda p, m: p, "is right"),
    ],
)
def test_rebalancing(answer, says):
    with np.errstate(divide="ignore", invalid="ignore"):
        card = check.rebalancing(answer)
    assert card.passed if says is None else (card.state == "wrong" and says in card.text), card.text


def anneal(p, centres, t):
    sharp = [math.exp(math.log(q) / t) for q in p]
    return [sum(s * c[d] for s, c in zip(sharp, centres, strict=True)) / sum(sharp) for d in (0, 1)]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (anneal, None),
        (lambda p, c, t: anneal(p, c, 1.0), "plain mean"),
        (lambda p, c, t: c[list(p).index(max(p))], "the mode"),
        (lambda p, c, t: anneal(p, c, 1 / t), "power T"),
        (lambda p, c, t: sum(q ** (1 / t) * x for q, x in zip(p, c, strict=True)), "no longer sum to 1"),
        (lambda p, c, t: anneal(np.exp(p), c, t), "softmax of p/T"),
        (lambda p, c, t: sum(q / t * x for q, x in zip(p, c, strict=True)), "not its logarithm"),
        (
            lambda p, c, t: np.sign(np.asarray(p) @ c) * np.abs(np.asarray(p) @ c) ** (1 / t),
            "anneal the mean colour",
        ),
        (lambda p, c, t: [0.0, 0.0], "is right"),
        (lambda p, c, t: 0.0, "(2,) is wanted"),
    ],
)
def test_annealed_mean(answer, says):
    card = check.annealed_mean(answer)
    assert card.passed if says is None else (card.state == "wrong" and says in card.text), card.text


@pytest.mark.parametrize("function", [check.soft_encoding, check.rebalancing, check.annealed_mean])
@pytest.mark.parametrize("stub", [None, ..., lambda *a: ..., lambda *a: None])
def test_stubs(function, stub):
    assert function(stub).state == "unsolved"
    assert "function itself" in function(np.zeros(3)).text
