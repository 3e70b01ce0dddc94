"""Lecture 13's checks: the right answer passes, each usual wrong one is named."""

import math
import statistics

import numpy as np
import pytest
import torch

from ssl_course.course.exercises import lecture_13 as check
from ssl_course.pretext.color import lightness, rgb_to_lab
from ssl_course.theory import bounds, independence


def right_interval(a, b):
    """With t looked up in a printed table instead of computed."""
    d = [x - y for x, y in zip(a, b, strict=True)]
    half = {3: 4.302653, 5: 2.776445, 8: 2.364624}[len(d)] * statistics.stdev(d) / math.sqrt(len(d))
    return [statistics.mean(d) - half, statistics.mean(d) + half]


def widened(factor, ddof=1):
    """± factor standard errors; a function of n gives the factor where it depends on it."""

    def answer(a, b):
        d, n = a - b, len(a)
        half = (factor(n) if callable(factor) else factor) * np.std(d, ddof=ddof) / math.sqrt(n)
        return d.mean() - half, d.mean() + half

    return answer


@pytest.mark.parametrize("seed", range(3))
def test_interval_accepts_the_right_answer(seed):
    assert check.interval(right_interval, seed).passed


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (widened(1.959964), "many seeds"),
        (widened(2), "18 of 100"),
        (widened({3: 3.182446, 5: 2.570582, 8: 2.306004}.get), "n − 1"),
        (widened({3: 2.919986, 5: 2.131847, 8: 1.894579}.get), "90 %"),
        (widened({3: 4.302653, 5: 2.776445, 8: 2.364624}.get, ddof=0), "ddof=1"),
        (widened(lambda n: {3: 4.302653, 5: 2.776445, 8: 2.364624}[n] * math.sqrt(n)), "√n"),
        (lambda a, b: right_interval(b, a), "sign is turned"),
        (lambda a, b: right_interval(a, b)[::-1], "changed places"),
        (lambda a, b: a.mean() - b.mean(), "shape"),
    ],
)
def test_interval_names_the_mistake(answer, word):
    card = check.interval(answer)
    assert not card.passed and word in card.text


def test_unpaired_seeds_are_named():
    def answer(a, b):
        error = math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / len(a))
        half = {3: 4.302653, 5: 2.776445, 8: 2.364624}[len(a)] * error
        return (a - b).mean() - half, (a - b).mean() + half

    assert "in common" in check.interval(answer).text


RIGHT = {"times 3": (9, 9, 1), "copied": (2, 2, 1), "noise beside": (1, 1, 1)}


def test_factors_are_those_of_a_world():
    """Measured in a random finite world, with noise that is a fourth variable."""
    rng = np.random.default_rng(0)
    joint, x2 = rng.dirichlet(np.ones(60)).reshape(4, 5, 3), rng.normal(size=(5, 3))
    noisy = np.repeat(joint, 2, axis=1) / 2  # a fair sign beside X₂
    beside = np.column_stack([np.repeat(x2, 2, axis=0), np.tile([-1.0, 1.0], 5)])

    def measured(table, values):
        epsilon, sigma = (
            independence.epsilon_ci_squared(table, values),
            bounds.sigma_centred(table, values) ** 2,
        )
        return np.array([epsilon, sigma, epsilon / sigma])

    before = measured(joint, x2)
    worlds = {
        "times 3": (joint, 3 * x2),
        "copied": (joint, np.column_stack([x2, x2])),
        "noise beside": (noisy, beside),
    }
    assert check.factors({name: tuple(measured(*w) / before) for name, w in worlds.items()}).passed
    assert check.factors(RIGHT).passed


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"times 3": (3, 3, 1)}, "are squares"),
        ({"times 3": (9, 1, 9)}, "grow with it"),
        ({"copied": (4, 4, 1)}, "not on top"),
        ({"copied": (1, 1, 1)}, "both squares double"),
        ({"noise beside": (11, 1, 11)}, "Nobody predicts noise"),
        ({"noise beside": (1, 10, 0.1)}, "Π takes it away"),
        ({"noise beside": (1, 2, 1)}, "first over the second"),
        ({"copied": (5, 5, 1)}, "not yet"),
        ({"copied": ...}, "not three numbers"),
        ({"copied": (2, 2)}, "three numbers are wanted"),
        ({"else": (1, 1, 1)}, "Wanted is"),
    ],
)
def test_factors_names_the_mistake(change, word):
    card = check.factors(RIGHT | change)
    assert card.state == "wrong" and word in card.text


def test_factors_of_dots_are_not_solved_yet():
    assert check.factors(dict.fromkeys(RIGHT, ...)).state == "unsolved"


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
        (
            lambda x: (lightness(x), rgb_to_lab(x.float() / 255)[:, 1:].mean((2, 3))),
            "hero",
        ),  # the page's own entry
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


@pytest.mark.parametrize("name", ["interval", "keeps_light"])
@pytest.mark.parametrize("stub", [..., None, lambda *a: ..., lambda *a: None])
def test_a_stub_is_not_solved_yet(name, stub):
    assert getattr(check, name)(stub).state == "unsolved"
