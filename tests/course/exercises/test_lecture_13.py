"""Lecture 13's checks: the right answer passes, each usual wrong one is named."""

import math
import statistics

import numpy as np
import pytest
import torch

from ssl_course.course.exercises import lecture_13 as check
from ssl_course.pretext.color import lightness, rgb_to_lab


def right_z(a, b):
    d = [x - y for x, y in zip(a, b, strict=True)]
    return statistics.mean(d) / (statistics.stdev(d) / math.sqrt(len(d)))


@pytest.mark.parametrize("seed", range(3))
def test_paired_accepts_the_right_answer(seed):
    assert check.paired(right_z, seed).passed


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (
            lambda a, b: (a.mean() - b.mean()) / math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / len(a)),
            "in common",
        ),
        (lambda a, b: (a - b).mean() / (a - b).std(ddof=1), "√n"),
        (lambda a, b: (a - b).mean() / (np.std(a - b) / math.sqrt(len(a))), "ddof=1"),
        (lambda a, b: right_z(b, a), "sign is turned"),
        (lambda a, b: a.mean() - b.mean(), "divide it"),
        (lambda a, b: abs(right_z(a, b)), "sign is lost"),
    ],
)
def test_paired_names_the_mistake(answer, word):
    card = check.paired(answer)
    assert not card.passed and word in card.text


def right_ratio(e, means):
    k = len(means)
    centred = means - means.sum(0) / k
    eigenvalues = sorted(
        np.linalg.eigvalsh(centred @ centred.T)
    )  # σ² of the (k, d) matrix; the smallest is 0
    return e / eigenvalues[1]


@pytest.mark.parametrize("seed", range(3))
def test_ratio_accepts_the_right_answer(seed):
    assert check.ratio(right_ratio, seed).passed


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (lambda e, m: e / np.linalg.svd(m)[1][-1] ** 2, "intercept"),
        (lambda e, m: e / np.linalg.norm(m - m.mean(0), 2) ** 2, "largest"),
        (lambda e, m: e / np.linalg.svd(m - m.mean(0))[1][len(m) - 2], "not squared"),
        (
            lambda e, m: e / np.linalg.svd(m - m.mean(1, keepdims=True))[1][len(m) - 2] ** 2,
            "over the classes",
        ),
        (lambda e, m: e * right_ratio(e, m), "squared already"),
    ],
)
def test_ratio_names_the_mistake(answer, word):
    card = check.ratio(answer)
    assert not card.passed and word in card.text


def sky(images):
    return lightness(images)[:, :, :8]  # (N, 1, 8, 32)


def right_task(images):
    return sky(images)[..., :16], sky(images)[..., 16:].mean((1, 2, 3))


@pytest.mark.parametrize("seed", range(3))
def test_keeps_light_accepts_the_right_answer(seed):
    assert check.keeps_light(right_task, seed).passed


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (lambda x: (lightness(x), rgb_to_lab(x.float() / 255)[:, 1:]), "hero"),
        (lambda x: (sky(x), torch.randint(4, (len(x), 1))), "neither"),
        (lambda x: (x.float(), torch.zeros(len(x), 1)), "the same for every picture"),
        (lambda x: (sky(x), sky(x).mean((1, 2, 3))), "linear map"),
        (lambda x: (x[:, :, :, :16].float(), x[:, :, :, 16:].float()), "too much of the biome"),
        (lambda x: (torch.rand(len(x), 5), sky(x).mean((1, 2, 3))), "nothing of the light"),
        (lambda x: (sky(x), lightness(x)[:, :, 8:, 16:]), "too little of the light"),
        (lambda x: (x[:5], x[:5]), "first axis"),
        (lambda x: 1 / 0, "ZeroDivisionError"),
        (lambda x: 3, "pair"),
        (right_task(torch.zeros(2, 3, 32, 32, dtype=torch.uint8)), "without calling it"),
    ],
)
def test_keeps_light_names_the_mistake(answer, word):
    card = check.keeps_light(answer)
    assert card.state == "wrong" and word in card.text, card.text


@pytest.mark.parametrize("name", ["paired", "ratio", "keeps_light"])
@pytest.mark.parametrize("stub", [..., None, lambda *a: ..., lambda *a: None])
def test_a_stub_is_not_solved_yet(name, stub):
    assert getattr(check, name)(stub).state == "unsolved"
