"""The checks of lecture 06: right answers pass, usual wrong ones are named; the truth here is torch's, a table, or a count."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ssl_course.course.exercises import lecture_06 as check

SEEDS = pytest.mark.parametrize("seed", range(4))


# ---- one head of attention ----------------------------------------------------------------------------------------


def by_torch(queries, keys, values, causal):
    q, k, v = (torch.tensor(x)[None, None] for x in (queries, keys, values))
    return F.scaled_dot_product_attention(q, k, v, is_causal=causal)[0, 0]


def attends(scale=None, dim=1, hide=lambda n: np.triu(np.ones((n, n)), 1), hidden=-math.inf, late=False):
    """Attention, or one with a mistake in it."""

    def answer(q, k, v, causal):
        scores = torch.tensor(q @ k.T / (math.sqrt(q.shape[1]) if scale is None else scale(q)))
        hides = torch.tensor(hide(len(q)), dtype=torch.bool) & causal
        if late:
            return torch.where(hides, 0.0, scores.softmax(dim)) @ torch.tensor(v)
        return torch.where(hides, hidden, scores).softmax(dim) @ torch.tensor(v)

    return answer


@SEEDS
@pytest.mark.parametrize("answer", [by_torch, attends(), lambda *case: by_torch(*case).tolist()])
def test_attention(answer, seed):
    assert check.attention(answer, seed).passed


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (attends(scale=lambda q: 1), "without it they have a variance"),
        (attends(scale=lambda q: q.shape[1]), "root of d, not by d"),
        (attends(scale=lambda q: math.sqrt(len(q))), "not the number of words"),
        (attends(dim=0), "wrong axis"),
        (lambda q, k, v, causal: by_torch(k, q, v, causal), "changed places"),
        (lambda q, k, v, causal: by_torch(q, k, v, False), "nothing is hidden"),
        (attends(hide=lambda n: np.tril(np.ones((n, n)), -1)), "Transposed"),
        (attends(hide=lambda n: np.triu(np.ones((n, n)), 2)), "Off by one"),
        (attends(hidden=0.0), "not 0"),
        (attends(late=True), "before the softmax"),
        (lambda q, k, v, causal: np.where(np.tri(len(q)) > 1 - causal, q @ k.T, 0) @ v, "give"),
        (lambda q, k, v, causal: (q @ k.T if not causal else np.tril(q @ k.T)) @ v, "no shares"),
        (lambda q, k, v, causal: q @ k.T, "shape"),
        (lambda q, k, v, causal: by_torch(q, k, v, True) * 2, "Scores"),
        (lambda q, k, v, causal: None, "Replace the dots"),
    ],
)
def test_wrong_attention_is_named(answer, says):
    card = check.attention(answer)
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
