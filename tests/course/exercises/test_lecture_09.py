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


def test_directions_live_above_it_and_die_below():
    edge = by_search(0.25, 0.05)
    assert lives(edge * 1.1, 0.25, 0.05) and not lives(edge * 0.9, 0.25, 0.05)


def settled(noise, predictor_decay, encoder_decay):
    """Where the two equations end, by many steps of their own."""
    kappa = omega = 0.5
    for _ in range(60_000):
        slope = 1 - (1 + noise) * kappa
        kappa, omega = (
            kappa + 0.05 * (omega**2 * slope - predictor_decay * kappa),
            omega + 0.05 * (kappa * omega * slope - encoder_decay * omega),
        )
    return kappa, omega


def test_two_decays():
    assert check.two_decays(settled).passed


def zero(noise, decay, sign=-1):
    return (1 + sign * (1 - 4 * decay * (1 + noise)) ** 0.5) / (2 * (1 + noise))


def rest(noise, predictor_decay, encoder_decay):
    kappa = zero(noise, encoder_decay, 1)
    return kappa, kappa * (predictor_decay / encoder_decay) ** 0.5


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda v, p, e: [zero(v, e, 1)] * 2, "both decays are equal"),
        (lambda v, p, e: [zero(v, p, 1)] * 2, "both decays are equal"),
        (lambda v, p, e: rest(v, e, p), "changed places"),
        (lambda v, p, e: (zero(v, e, 1), zero(v, e, 1) * (e / p) ** 0.5), "upside down"),
        (lambda v, p, e: (zero(v, e, 1), zero(v, e, 1) * p / e), "take the root"),
        (lambda v, p, e: (zero(v, e), zero(v, e) * (p / e) ** 0.5), "watershed"),
        (lambda v, p, e: rest(v, p, e)[::-1], "κ first"),
        (lambda v, p, e: rest(0, p, e), "noise is missing"),
        (lambda v, p, e: (v, p), "for the bracket"),
        (lambda v, p, e: v, "shape"),
        (lambda v, p, e: ..., "Replace the dots"),
    ],
)
def test_wrong_places_of_rest_are_named(answer, says):
    card = check.two_decays(answer)
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
        (lambda u: 2 + sum(u), "in half of the rows"),
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
