"""The checks of lecture 09: right answers pass, usual wrong ones are named; the truth here is written out."""

import math

import numpy as np
import pytest
import torch

from ssl_course.course.exercises import lecture_09 as check


def lives(start, noise, decay):
    """Whether κ = ω grows from there, by small steps of the two equations themselves."""
    kappa = omega = start
    for _ in range(200):
        kappa, omega = (
            kappa + 0.05 * (omega**2 * (1 - (1 + noise) * kappa) - decay * kappa),
            omega + 0.05 * (kappa * omega * (1 - (1 + noise) * kappa) - decay * omega),
        )
    return kappa > start


def by_search(noise, decay):
    """The least of many starts that grows, then the watershed by bisection."""
    alive = [s for s in np.linspace(0.001, 0.6, 600) if s * (1 - (1 + noise) * s) > decay]
    if not alive:
        return math.inf
    low, high = alive[0] - 0.001, alive[0]
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if middle * (1 - (1 + noise) * middle) > decay else (middle, high)
    return high


@pytest.mark.parametrize("seed", range(3))
def test_the_watershed(seed):
    assert check.watershed(by_search, seed).passed


def test_directions_live_above_it_and_die_below():
    edge = by_search(0.25, 0.05)
    assert lives(edge * 1.1, 0.25, 0.05) and not lives(edge * 0.9, 0.25, 0.05)


def zero(noise, decay, sign=-1, below=None, a=None):
    a = 1 + noise if a is None else a
    under = 1 - 4 * decay * a
    return math.inf if under < 0 else (1 + sign * under**0.5) / (2 * a if below is None else below)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda v, g: zero(v, g, sign=1), "κ₊"),
        (lambda v, g: 0.0 if math.isinf(zero(v, g)) else zero(v, g), "return math.inf"),
        (lambda v, g: zero(v, g, a=1), "noise is missing"),
        (lambda v, g: zero(v, g, below=2), "Divide by twice"),
        (lambda v, g: zero(v, g, below=1 + v), "Divide by twice"),
        (lambda v, g: g, "small decay"),
        (lambda v, g: 1 / (1 + v), "best predictor"),
        (lambda v, g: zero(v, g) + 1, "smaller zero"),
        (lambda v, g: (1 - math.sqrt(1 - 4 * g * (1 + v))) / 2, "ValueError"),
        (lambda v, g: ..., "Replace the dots"),
    ],
)
def test_wrong_watersheds_are_named(answer, says):
    card = check.watershed(answer)
    assert not card.passed and says in card.text


def measured(u):
    """The library's gauge, on two million rows' worth of ±u."""
    from ssl_course.evaluation import feature_std

    rows = torch.from_numpy(np.concatenate([[u, -u]] * 200_000))
    return feature_std(rows) * len(u) ** 0.5


def test_two_points_is_what_the_gauge_measures():
    assert check.two_points(measured).passed


def length(u):
    return math.sqrt(sum(x * x for x in u))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda u: 1, "Always 1"),
        (lambda u: sum(map(abs, u)) / math.sqrt(len(u)), "divide by the length"),
        (lambda u: sum(map(abs, u)) / length(u), "wrong side"),
        (lambda u: np.mean(np.abs(u)) / length(u), "wrong side"),
        (lambda u: sum(u) / length(u) / math.sqrt(len(u)), "not signed"),
        (lambda u: len(u) ** -0.5, "coordinate axis only"),
        (lambda u: 2 + sum(u), "column j has the std"),
        (lambda u: ..., "Replace the dots"),
    ],
)
def test_wrong_gauges_are_named(answer, says):
    card = check.two_points(answer)
    assert not card.passed and says in card.text


def grows(omega, noise, decay, speed):
    """Whether a direction lives: many small steps, the predictor's slope counted speed times."""
    kappa = speed**0.5 * omega
    for _ in range(4000):
        slope = 1 - (1 + noise) * kappa
        kappa, omega = (
            kappa + 0.05 * (speed * omega**2 * slope - decay * kappa),
            omega + 0.05 * (kappa * omega * slope - decay * omega),
        )
    return omega > 0.1


def test_the_faster_predictor():
    edge = by_search(0.25, 0.05) / 2
    assert grows(edge * 1.1, 0.25, 0.05, 4) and not grows(edge * 0.9, 0.25, 0.05, 4)
    assert check.faster_predictor(lambda v, g, m: by_search(v, g) / m**0.5).passed


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda v, g, m: zero(v, g), "of κ, which stays"),
        (lambda v, g, m: zero(v, g) / m, "divide by the root"),
        (lambda v, g, m: zero(v, g) * m**0.5, "divide by the root"),
        (lambda v, g, m: zero(v, g / m), "decay is not divided"),
        (lambda v, g, m: zero(v, g, sign=1) / m**0.5, "comes to rest"),
        (lambda v, g, m: zero(v, g) + m, "in units of ω"),
        (lambda v, g, m: ..., "Replace the dots"),
    ],
)
def test_wrong_faster_predictors_are_named(answer, says):
    card = check.faster_predictor(answer)
    assert not card.passed and says in card.text
