"""The checks of lecture 06: right answers pass, usual wrong ones are named; the truth here is a loop, or torch's."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ssl_course.course.exercises import lecture_06 as check

SEEDS = pytest.mark.parametrize("seed", range(4))


# ---- the causal mask ----------------------------------------------------------------------------------------------


def loop(n):
    return [[j <= i for j in range(n)] for i in range(n)]


@SEEDS
@pytest.mark.parametrize(
    "answer",
    [
        loop,
        lambda n: torch.ones(n, n).tril().bool(),
        lambda n: ~torch.nn.Transformer.generate_square_subsequent_mask(n).isinf(),
        lambda n: np.arange(n)[None] <= np.arange(n)[:, None],
    ],
)
def test_causal_mask(answer, seed):
    assert check.causal_mask(answer, seed).passed


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda n: np.array(loop(n)).T, "Transposed"),
        (lambda n: np.array([[j <= i + 1 for j in range(n)] for i in range(n)]), "must predict"),
        (lambda n: np.array([[j < i for j in range(n)] for i in range(n)]), "does not see itself"),
        (lambda n: ~np.array(loop(n)), "Turned over"),
        (lambda n: torch.ones(n, n), "BERT's mask"),
        (lambda n: np.eye(n), "itself alone"),
        (lambda n: np.eye(n) + np.eye(n, k=-1), "one before"),
        (lambda n: np.zeros((n, n)), "Nobody"),
        (lambda n: np.ones(n), "shape"),
        (lambda n: np.array(loop(n))[::-1], "Row i"),
        (lambda n: torch.where(torch.ones(n, n).tril() > 0, 0.0, -math.inf), "Row i"),
        (lambda n: None, "Replace the dots"),
        (lambda n: loop(n)[n], "IndexError"),
    ],
)
def test_wrong_masks_are_named(answer, says):
    card = check.causal_mask(answer)
    assert not card.passed and says in card.text


# ---- 80/10/10 -----------------------------------------------------------------------------------------------------


def rule(ids, u, v, anything):
    inputs, targets = [], []
    for k, a, b, other in zip(ids, u, v, anything, strict=True):
        if k < 5 or a >= 0.15:
            inputs.append(k)
            targets.append(-100)
            continue
        targets.append(k)
        inputs.append(4 if b < 0.8 else other if b < 0.9 else k)
    return inputs, targets


def changed(inputs=None, targets=None):
    def answer(ids, u, v, anything):
        x, t = (np.array(part) for part in rule(ids, u, v, anything))
        chosen = (u < 0.15) & (ids > 4)
        if inputs:
            x = inputs(ids, chosen, v, anything)
        if targets:
            t = targets(ids, chosen, v, x)
        return x, t

    return answer


@SEEDS
def test_mask_rule(seed):
    assert check.mask_rule(rule, seed).passed
    assert check.mask_rule(lambda *case: torch.tensor(np.array(rule(*case))), seed).passed


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (changed(inputs=lambda k, c, v, a: np.where(c, 4, k)), "Every chosen word"),
        (changed(inputs=lambda k, c, v, a: np.where(c, np.where(v < 0.8, 4, a), k)), "stay as they are have"),
        (changed(inputs=lambda k, c, v, a: np.where(c & (v < 0.8), 4, k)), "show another word have"),
        (
            changed(inputs=lambda k, c, v, a: np.where(c, np.where(v < 0.1, a, np.where(v < 0.8, 4, k)), k)),
            "overlap",
        ),
        (changed(targets=lambda k, c, v, x: np.where(k > 4, k, -100)), "counts every word"),
        (changed(targets=lambda k, c, v, x: np.where(x == 4, np.where(c, k, -100), -100)), "[MASK]s only"),
        (changed(targets=lambda k, c, v, x: np.where(c & (x != k), k, -100)), "count, too"),
        (changed(targets=lambda k, c, v, x: np.where(c, x, -100)), "after masking"),
        (changed(targets=lambda k, c, v, x: np.where(c, k, 0)), "0 is [PAD]"),
        (lambda k, u, v, a: specials(k, u, v, a), "Special ids"),
        (lambda k, u, v, a: rule(k, u * 0, v, a), "First choose 15 %"),
        (lambda k, u, v, a: rule(k, 1 - u, v, a), "Chosen:"),
        (lambda k, u, v, a: rule(k, u, v, a)[0], "shape"),
        (lambda k, u, v, a: ..., "Replace the dots"),
    ],
)
def test_wrong_masking_is_named(answer, says):
    card = check.mask_rule(answer)
    assert not card.passed and says in card.text


def specials(ids, u, v, anything):
    chosen = u < 0.15
    return (
        np.where(chosen, np.where(v < 0.8, 4, np.where(v < 0.9, anything, ids)), ids),
        np.where(chosen, ids, -100),
    )


# ---- perplexity ---------------------------------------------------------------------------------------------------


def by_torch(p, ids):
    """Of a model with two tokens, the right one always the first."""
    logits = torch.log(torch.tensor(np.stack([p, 1 - p], -1)))
    target = torch.where(torch.tensor(ids) == 0, -100, 0)
    return F.cross_entropy(logits.flatten(0, 1), target.flatten()).exp()


def in_bits(p, ids):
    bits = [-math.log2(q) for row, k in zip(p, ids, strict=True) for q, i in zip(row, k, strict=True) if i]
    return 2 ** (sum(bits) / len(bits))


@SEEDS
@pytest.mark.parametrize("answer", [by_torch, in_bits])
def test_perplexity(answer, seed):
    assert check.perplexity(answer, seed).passed


def words(p, ids):
    return p[ids > 0]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda p, ids: np.exp(np.mean(-np.log(p))), "Pads are counted"),
        (lambda p, ids: np.exp(np.where(ids > 0, -np.log(p), 0).mean()), "divided by all places"),
        (lambda p, ids: 2 ** -np.log(words(p, ids)).mean(), "2 to its power"),
        (lambda p, ids: np.exp(-np.log2(words(p, ids)).mean()), "bits (log2), then exp"),
        (lambda p, ids: 10 ** -np.log(words(p, ids)).mean(), "log10"),
        (lambda p, ids: math.log(by_torch(p, ids)), "cross-entropy"),
        (lambda p, ids: math.log2(in_bits(p, ids)), "surprise in bits"),
        (lambda p, ids: 1 / np.prod(words(p, ids)), "not its sum"),
        (lambda p, ids: 1 / by_torch(p, ids), "Upside down"),
        (lambda p, ids: np.mean(1 / words(p, ids)), "You average 1/p"),
        (lambda p, ids: 1 / np.mean(words(p, ids)), "average the probabilities"),
        (
            lambda p, ids: np.mean([in_bits(p[k : k + 1], ids[k : k + 1]) for k in range(len(p))]),
            "of the texts",
        ),
        (
            lambda p, ids: np.exp(
                np.mean([np.log(in_bits(p[k : k + 1], ids[k : k + 1])) for k in range(len(p))])
            ),
            "text by text",
        ),
        (lambda p, ids: -np.log(p), "array of shape"),
        (lambda p, ids: by_torch(p, ids) + 1, "Three steps"),
        (lambda p, ids: None, "Replace the dots"),
    ],
)
def test_wrong_perplexities_are_named(answer, says):
    card = check.perplexity(answer)
    assert not card.passed and says in card.text
