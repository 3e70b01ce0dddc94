"""Exercises of lecture 00: read the number of labels off a label-efficiency curve;
tell pretext tasks from what is none."""

import math
from typing import Any

import numpy as np

from ssl_course.course.exercises.card import UNSOLVED, Card, check, is_stub, passed, wrong
from ssl_course.course.exercises.judging import judge

# Each rule is given n_labels (m,), accuracy (m,) and the target; infinity stands for "never".


def _first(hits: np.ndarray, values: np.ndarray) -> float:
    return float(values[np.argmax(hits)]) if hits.any() else math.inf


def _right(n_labels: np.ndarray, accuracy: np.ndarray, target: float) -> float:
    return _first(accuracy >= target, n_labels)


_MISTAKES = {
    "Almost: to reach the target is enough. You ask for strictly more (>); use ≥.": lambda n, a, t: _first(
        a > t, n
    ),
    "That is the position in the array. Wanted is n_labels at that position.": lambda n, a, t: _first(
        a >= t, np.arange(len(n))
    ),
    "That is the accuracy there. Wanted is the number of labels.": lambda n, a, t: _first(a >= t, a),
    "One step too early: there the accuracy is still below the target.": lambda n, a, t: _first(
        a >= t, np.r_[n[0], n[:-1]]
    ),
    "That is where the accuracy is closest to the target; it may still be below, and never "
    "reach it.": lambda n, a, t: float(n[np.argmin(np.abs(a - t))]),
    "When no count is enough, np.argmax of nothing but False is 0. Return None there.": lambda n, a, t: float(
        n[np.argmax(a >= t)]
    ),
    "When the curve never gets there, the largest count is no answer. Return None.": lambda n, a, t: min(
        _right(n, a, t), float(n[-1])
    ),
    "When the curve never gets there, 0 labels is no answer. Return None.": lambda n, a, t: (
        _right(n, a, t) if (a >= t).any() else 0.0
    ),
    "That is the largest count that reaches the target. Wanted is the smallest.": lambda n, a, t: _first(
        (a >= t)[::-1], n[::-1]
    ),
    "You wait until the curve stays above the target. Measured curves dip; wanted is the first count that "
    "reaches it.": lambda n, a, t: _first(np.minimum.accumulate((a >= t)[::-1])[::-1], n),
}


@check()
def labels_needed(function: Any, seed: int = 0) -> Card:
    """Check ``function(n_labels, accuracy, target)``: the fewest labels with which a probe reaches
    ``target``.

    The right answer is the smallest entry of ``n_labels`` whose accuracy is at least ``target``, and None
    when there is none (note §2: w is learned from n_L labels).

    It gets increasing counts n_labels (m,), accuracy (m,), and a number.
    """
    rng = np.random.default_rng(seed)
    cases = []
    for trial in range(12):
        n_labels = np.sort(rng.choice(np.arange(2, 200), 8, replace=False)) * 10
        # Measured curves are not monotone: the first hit may be followed by a dip.
        accuracy = np.round(0.4 + np.linspace(0, 0.4, 8) + rng.normal(0, 0.04, 8), 3)
        target = float(np.round(rng.uniform(0.5, 0.7), 4))
        if trial % 4 == 0:  # reached exactly, later exceeded
            target = float(accuracy[:6].max())
            accuracy[7] = target + 0.05
        elif trial % 4 == 1:  # never reached
            target = float(accuracy.max()) + 0.01
        elif trial % 4 == 2:  # reached, then a dip
            accuracy[3:5] = target + 0.01, target - 0.02
            accuracy[:3] = np.minimum(accuracy[:3], target - 0.001)
            accuracy[7] = target + 0.05
        cases.append((n_labels, accuracy, target))
    praise = "The first count at which the probe reaches the target."
    hint = "Walk through the counts from the smallest; return the first whose accuracy is ≥ target, None if none is."
    return judge(function, cases, _right, _MISTAKES, praise, hint, none=math.inf)


_KINDS = ("yes", "label", "copy", "chance")
_PAIRS = {  # letter → what is right, and what to tell who says something else
    "a": ("yes", "The lower half was there before it was painted over: the picture itself gives the answer."),
    "b": ("label", "Whether it shows an animal stands nowhere in the file: somebody has to look and say so."),
    "c": ("copy", "X₁ holds the whole picture, so blurring it gives X₂: a network can do that and understand nothing."),
    "d": (
        "yes",
        "The die is chance, but we know what it said, and the turned picture shows it: sky, trees and faces have an up. "
        "So the data give the answer, and who finds it has looked at what is in the picture.",
    ),
    "e": ("chance", "This die has left no trace in the picture: no network can do better than guess."),
    "f": (
        "yes",
        "Nobody labels anything: that both crops come from x is known, since we cut them. And one crop does not contain "
        "the other, so there is nothing to copy.",
    ),
}  # fmt: skip


@check("the answers, a dict of letters")
def pretext_tasks(answers: Any) -> Card:
    """Check which of lecture 00's six pairs (X₁, X₂) are pretext tasks (note §2).

    Args:
        answers: letter a to f → "yes", "label", "copy" or "chance".
    """
    if not isinstance(answers, dict) or set(answers) != set(_PAIRS):
        return wrong(f"Hand over a dict with the letters {', '.join(_PAIRS)}.")
    if any(is_stub(answer) for answer in answers.values()):
        return UNSOLVED
    for letter, (right, why) in _PAIRS.items():
        if answers[letter] not in _KINDS:
            return wrong(f"{letter}: write one of {', '.join(map(repr, _KINDS))}.")
        if answers[letter] != right:
            return wrong(f"{letter} is not {answers[letter]!r}. {why}")
    return passed("A pretext task: the data give X₂, X₁ tells of it, and X₁ does not contain it.")
