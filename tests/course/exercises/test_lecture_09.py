"""The checks of lecture 09: right answers pass, usual wrong ones are named; the truth here is written out."""

import math

import numpy as np
import pytest
import torch

from ssl_course.course.exercises import lecture_09 as check


def d(p, z):
    """Row by row, without a library's cosine."""
    return -sum((a / a.norm()) @ (b / b.norm()) for a, b in zip(p, z, strict=True)) / len(p)


def right(p1, p2, z1, z2):
    return d(p1, z2.detach()) / 2 + d(p2, z1.detach()) / 2


@pytest.mark.parametrize("seed", range(3))
def test_the_loss(seed):
    assert check.simsiam_loss(right, seed).passed


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda p1, p2, z1, z2: d(p1, z2) / 2 + d(p2, z1) / 2, "flows into z"),
        (lambda p1, p2, z1, z2: d(p1.detach(), z2) / 2 + d(p2.detach(), z1) / 2, "wrong side"),
        (lambda *v: right(*(x.detach() for x in v)), "No gradient is left"),
        (lambda *v: -right(*v), "The sign"),
        (lambda p1, p2, z1, z2: d(p1, z2.detach()), "One direction only"),
        (lambda p1, p2, z1, z2: d(p2, z1.detach()), "One direction only"),
        (lambda *v: 2 * right(*v), "summed"),
        (lambda p1, p2, z1, z2: right(p2, p1, z1, z2), "same view"),
        (
            lambda p1, p2, z1, z2: -((p1 * z2.detach()).sum() + (p2 * z1.detach()).sum()) / (2 * len(p1)),
            "not normalised",
        ),
        (lambda *v: len(v[0]) * right(*v), "Take their mean"),
        (lambda *v: right(*v) + 1, "is right. D(p, z)"),
        (
            lambda p1, p2, z1, z2: right(p1, p2, z1, z2) + 0 * p1.sum() + (z1 - z1.detach()).sum(),
            "gradient is not",
        ),
        (lambda *v: None, "Replace the dots"),
        (lambda *v: v[9], "IndexError"),
        (lambda *v: v[0], "one number"),
    ],
)
def test_wrong_losses_are_named(answer, says):
    card = check.simsiam_loss(answer)
    assert not card.passed and says in card.text


def rank(z):
    s = np.sqrt(np.maximum(np.linalg.eigvalsh(z.T @ z), 0))
    return math.exp(-sum(x / sum(s) * math.log(x / sum(s)) for x in s if x > 0))


def entropy(s):
    return -sum(x / sum(s) * math.log(x / sum(s)) for x in s)


def singular(z):
    return np.sqrt(np.linalg.eigvalsh(z.T @ z))


@pytest.mark.parametrize("seed", range(5))
def test_effective_rank(seed):
    assert check.effective_rank(rank, seed).passed


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda z: entropy(singular(z)), "That is the entropy"),
        (lambda z: math.exp(entropy(np.linalg.eigvalsh(z.T @ z))), "squared"),
        (lambda z: math.exp(entropy(singular(z)) / math.log(2)), "in bits"),
        (lambda z: np.linalg.matrix_rank(z), "count the singular values"),
        (lambda z: rank(z - z.mean(0)), "centred"),
        (lambda z: 1 / rank(z), "sign of the entropy"),
        (lambda z: math.exp(-sum(x * math.log(x) for x in singular(z))), "not divided by their sum"),
        (lambda z: rank(z) + 1, "exp(−Σ p log p)"),
        (lambda z: ..., "Replace the dots"),
    ],
)
def test_wrong_ranks_are_named(answer, says):
    card = check.effective_rank(answer)
    assert not card.passed and says in card.text


WAYS = [{"stop_gradient": False}, {"predictor": False}, {"stop_gradient": False, "predictor": False}]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_three_ways(seed):
    assert check.three_ways(WAYS, seed).passed
    card = check.three_ways([*WAYS[:2], {"bottleneck": 4}], seed)
    assert card.state == "wrong" and "does not collapse" in card.text


@pytest.mark.slow
def test_the_faithful_one_stays():
    assert min(check.spread_after({}, seed) for seed in range(3)) > 0.5


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ([{"stop_gradient": False}] * 3, "the same"),
        (WAYS[:2], "Three dicts"),
        ([*WAYS[:2], {}], "empty dict"),
        ([*WAYS[:2], {"temperature": 1}], "cannot be set"),
        ([{"output_norm": True, "stop_gradient": False}, *WAYS[:2]], "hides a collapse"),
        ([{"bottleneck": -3}, *WAYS[:2]], "cannot be trained"),
        (lambda: 0, "list of three dicts"),
        (..., "Replace the dots"),
        ([..., ..., ...], "Replace the dots"),
    ],
)
def test_bad_answers(answer, says):
    card = check.three_ways(answer)
    assert not card.passed and says in card.text


@pytest.mark.slow
def test_the_spread_of_a_fallen_and_a_standing_run():
    torch.manual_seed(0)
    assert check.spread_after({"stop_gradient": False}, steps=70) < 0.3 < check.spread_after({}, steps=70)


def in_eval(read):
    def function(method, x):
        method.eval()
        with torch.no_grad():
            return read(method, x)

    return function


@pytest.mark.parametrize("seed", range(3))
def test_the_probe_reads_h(seed):
    assert check.probe_reads(in_eval(lambda m, x: m.encode(x)), seed).passed


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (in_eval(lambda m, x: m.project(x)), "That is z, after"),
        (in_eval(lambda m, x: m.prediction_head(m.project(x))), "That is p"),
        (lambda m, x: m.project(x).detach(), "training mode besides"),
        (lambda m, x: m.encode(x).detach(), "still in training mode"),
        (in_eval(lambda m, x: m.encode(x) / m.encode(x).norm(dim=1, keepdim=True)), "rows are normalised"),
        (in_eval(lambda m, x: m.backbone(x)), "Take the mean over places"),
        (in_eval(lambda m, x: m.encode(x) + 1), "eval mode and return"),
        (lambda m, x: m.nothing, "AttributeError"),
        (lambda m, x: None, "Replace the dots"),
    ],
)
def test_wrong_readings_are_named(answer, says):
    card = check.probe_reads(answer)
    assert not card.passed and says in card.text
