"""The checks of lecture 06: right answers pass, usual wrong ones are named; the truth here is torch's, a table, or a count."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ssl_course.course.exercises import lecture_06 as check

SEEDS = pytest.mark.parametrize("seed", range(4))


# ---- a head by hand -----------------------------------------------------------------------------------------------


def looks(offset, size=12.0, d=None):
    """A direction of its own for each place; the query of place i is the key of place i + offset."""

    def answer(n):
        keys = np.eye(n, d or n)
        return size * np.sqrt(keys.shape[1]) * np.roll(keys, -offset, 0), keys

    return answer


def on_a_circle(n):
    angles = 2 * math.pi * np.arange(n) / n
    keys = torch.tensor(np.stack([np.cos(angles), np.sin(angles)], 1))
    return 100 * keys.roll(1, 0), keys


@pytest.mark.parametrize(
    "answer", [looks(-1), looks(-1, d=20), on_a_circle, lambda n: map(list, looks(-1)(n))]
)
def test_a_head_that_looks_back(answer):
    assert check.looks_back(answer).passed
    queries, keys = (torch.tensor(np.array(list(x)))[None] for x in answer(9))
    weights = F.scaled_dot_product_attention(queries, keys, torch.eye(9).double()[None], is_causal=True)[0]
    assert weights.diagonal(-1).min() > 0.99


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (looks(0), "at itself"),
        (looks(1), "*after* it"),
        (looks(1, size=1e4), "*after* it"),
        (lambda n: looks(-1)(n)[::-1], "*after* it"),
        (looks(-1, size=3.0), "too softly"),
        (lambda n: (np.roll(np.eye(n), 1, 0), np.eye(n)), "too softly"),
        (lambda n: (np.ones((n, 4)), np.ones((n, 4))), "evenly"),
        (looks(-2), "looks elsewhere"),
        (lambda n: (np.eye(n), np.eye(n)[:, :2]), "arrays of"),
        (lambda n: np.eye(n), "Two arrays"),
        (lambda n: 3, "Two arrays"),
        (lambda n: (np.full((n, 2), np.inf), np.ones((n, 2))), "infinite"),
        (lambda n: 1 / 0, "ZeroDivisionError"),
        (lambda n: None, "Replace the dots"),
    ],
)
def test_heads_that_do_not_are_named(answer, says):
    card = check.looks_back(answer)
    assert not card.passed and says in card.text


# ---- the flip of two unlike words ---------------------------------------------------------------------------------


def correlation_of_signs(q1, q2):
    """From the table of the two signs, both ±1 with probability ½."""
    return sum(
        0.5 * (q1 if s1 == y else 1 - q1) * (q2 if s2 == y else 1 - q2) * s1 * s2
        for y in (-1, 1) for s1 in (-1, 1) for s2 in (-1, 1)
    )  # fmt: skip


@SEEDS
def test_flip_of_two(seed):
    assert check.flip_of_two(correlation_of_signs, seed).passed


def test_beyond_the_flip_the_leading_feature_is_the_intensity():
    q1, q2 = 0.95, 0.8
    at = correlation_of_signs(q1, q2)
    for dependence, leads in ((at - 0.05, "sign"), (at + 0.05, "intensity")):
        table = np.zeros((4, 4))
        for i, (s1, t1) in enumerate([(1, -1), (1, 1), (-1, -1), (-1, 1)]):
            for j, (s2, t2) in enumerate([(1, -1), (1, 1), (-1, -1), (-1, 1)]):
                for y in (-1, 1):
                    p = 0.5 * (q1 if s1 == y else 1 - q1) * (q2 if s2 == y else 1 - q2)
                    table[i, j] += p * (1 + dependence * t1 * t2) / 4
        left = np.linalg.svd(4 * table - 0.25)[0][:, 0]
        feature = {"sign": [1, 1, -1, -1], "intensity": [-1, 1, -1, 1]}
        assert abs(left @ feature[leads]) == pytest.approx(2)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda a, b: a * b + (1 - a) * (1 - b), "signs agree"),
        (lambda a, b: (2 * a - 1) ** 2, "both words are alike"),
        (lambda a, b: (a + b - 1) ** 2, "both words are alike"),
        (lambda a, b: a * b, "no correlation"),
        (lambda a, b: (a + b) / 2, "no correlation"),
        (lambda a, b: math.sqrt((2 * a - 1) * (2 * b - 1)), "the product counts"),
        (lambda a, b: a + b - 1, "the product counts"),
        (lambda a, b: 2 * min(a, b) - 1, "weakest link"),
        (lambda a, b: 0.64, "Line 2"),
        (lambda a, b: ..., "Replace the dots"),
    ],
)
def test_wrong_flips_are_named(answer, says):
    card = check.flip_of_two(answer)
    assert not card.passed and says in card.text


# ---- how far a shown word may be trusted --------------------------------------------------------------------------


def counted(p, n):
    """All that can happen at a chosen place whose word is shown: (before, what is done, shown) with its probability."""
    before = [p, *[(1 - p) / (n - 1)] * (n - 1)]  # word 0 is the one that is shown
    seen = right = 0.0
    for word, probability in enumerate(before):
        for shown, chance in [(word, 0.1), *[(other, 0.1 / n) for other in range(n)]]:
            if shown == 0:
                seen += probability * chance
                right += probability * chance * (word == 0)
    return right / seen


@SEEDS
def test_trust(seed):
    assert check.trust(counted, seed).passed
    assert check.trust(lambda p, n: p * (n + 1) / (n * p + 1), seed).passed


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda p, n: p, "rest of the text"),
        (lambda p, n: 1 / 2, "equally frequent"),
        (lambda p, n: p / (p + 1 / n), "numerator"),
        (lambda p, n: p / (p + (1 - p) / n), "numerator"),
        (lambda p, n: p / (p + (1 - p) / (n - 1)), "n, not n"),
        (lambda p, n: 1, "Nearly certain"),
        (lambda p, n: (p + p / n) / (1 + p / n), "all of them together"),
        (lambda p, n: 0.1 * p * (1 + 1 / n), "drops out"),
        (lambda p, n: 0.8 * p, "Bayes"),
        (lambda p, n: None, "Replace the dots"),
    ],
)
def test_wrong_trust_is_named(answer, says):
    card = check.trust(answer)
    assert not card.passed and says in card.text
