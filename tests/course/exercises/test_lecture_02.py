"""The checks of lecture 02 against brute force: right answers pass, each usual wrong one is named."""

import math

import numpy as np
import pytest

from ssl_course.course.exercises import lecture_02 as check


def descended(p, w):
    """The minimiser of the weighted cross-entropy, by descent on logits."""
    logits = np.zeros(len(p))
    for _ in range(4000):
        said = np.exp(logits - logits.max())
        said /= said.sum()
        logits += (w * p - (w @ p) * said) / (w @ p)  # minus the gradient
    return said


def turned(boldness, weight=lambda b: b):
    """Where the mode of what was learned turns from the rare colour to the common one, by halving."""
    low, high = 0.0, 1.0
    for _ in range(30):
        p = (low + high) / 2
        common, rare = descended(np.array([p, 1 - p]), np.array([1.0, weight(boldness)]))
        low, high = (p, high) if rare > common else (low, p)
    return low


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (turned, None),
        (lambda b: turned(1.0), "equally likely"),
        (lambda b: 1 - turned(b), "rare colour's probability"),
        (lambda b: turned(b) / (1 - turned(b)), "the odds, p"),
        (lambda b: (1 - turned(b)) / turned(b), "upside down"),
        (lambda b: (b - 1) / b, "with 1"),
        (lambda b: turned(b, lambda w: w * w), "twice"),
        (lambda b: turned(b, math.sqrt), "No root"),
        (lambda b: 0.7, "is right"),
        (lambda b: np.ones(2), "is wanted"),
    ],
)
def test_rare_colour_wins(answer, says):
    card = check.rare_colour_wins(answer)
    assert card.passed if says is None else (card.state == "wrong" and says in card.text), card.text


def error(p, d, answer):
    """Expected squared error when the truth is 0 with probability p, else d."""
    return p * answer**2 + (1 - p) * (d - answer) ** 2


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda p, d: error(p, d, 0) - error(p, d, (1 - p) * d), None),
        (lambda p, d: error(p, d, 0), "likelier colour itself"),
        (lambda p, d: error(p, d, (1 - p) * d), "error of the mean"),
        (lambda p, d: p * error(p, d, 0) + (1 - p) * error(p, d, d), "honest random draw"),
        (lambda p, d: d - p * d, "enters squared"),
        (lambda p, d: error(p, d, d) - error(p, d, (1 - p) * d), "other way round"),
        (lambda p, d: error(p, d, (1 - p) * d) - error(p, d, 0), "Upside down"),
        (lambda p, d: 1 - p, "ratio"),
        (lambda p, d: 0.0, "is right"),
    ],
)
def test_price_of_vividness(answer, says):
    card = check.price_of_vividness(answer)
    assert card.passed if says is None else (card.state == "wrong" and says in card.text), card.text


def shown(s, first=2.0, second=2):
    """The share by a sum over a world with two states, g = E[R|X₁] = ±3."""
    g = np.array([3.0, -3.0])
    return (first * (g * s * g).mean() - (abs(s * g) ** second).mean()) / (g**2).mean()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (shown, None),
        (lambda s: shown(s) + s * s, "first term alone"),
        (lambda s: s * s, "second term"),
        (lambda s: s, "grows with s²"),
        (lambda s: 1 - shown(s), "missing"),
        (lambda s: -shown(s), "The sign"),
        (lambda s: 1, "more than 1"),
        (lambda s: shown(s, first=1.0), "The 2 before"),
        (lambda s: 0.3, "is right"),
    ],
)
def test_scaled(answer, says):
    card = check.scaled(answer)
    assert card.passed if says is None else (card.state == "wrong" and says in card.text), card.text


@pytest.mark.parametrize("function", [check.rare_colour_wins, check.price_of_vividness, check.scaled])
@pytest.mark.parametrize("stub", [None, ..., lambda *a: ..., lambda *a: None])
def test_stubs(function, stub):
    assert function(stub).state == "unsolved"
    assert "function itself" in function(np.zeros(3)).text
