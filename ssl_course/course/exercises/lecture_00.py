"""Exercises of lecture 00: how few labels the best ψ needs; tell pretext tasks from what is none;
what a linear probe does not notice."""

import math
from typing import Any

import numpy as np

from ssl_course.course.exercises.card import UNSOLVED, Card, check, is_stub, passed, wrong
from ssl_course.course.exercises.judging import judge

# ---- how few labels can be enough --------------------------------------------------------------------------


def _share_named(n: int, k: int) -> float:
    return 1 - (1 - 1 / k) ** n


_SHARES = {
    "That is the share that is missed: none of the n labels is of their class.": lambda n, k: (
        1 - _share_named(n, k)
    ),
    "Labels do not share the classes out among themselves: two of them may fall on one class.": (
        lambda n, k: min(1.0, n / k),
        lambda n, k: n / k,
    ),
    "That is how likely *every* class has a label, or nearly. A picture needs one class only, its own.": (
        lambda n, k: _share_named(n, k) ** k,
        lambda n, k: 1 - k * (1 - 1 / k) ** n,
    ),
    "1/k is how likely a label is of the class. The picture is missed if all n labels are *not* of "
    "it.": lambda n, k: 1 - (1 / k) ** n,
    "All n labels are drawn, and each may be of the class: n factors, one for each.": lambda n, k: (
        _share_named(n - 1, k)
    ),
    "Close for many classes: e^(−1/k) is 1 − 1/k only in the limit. Wanted is the value "
    "itself.": lambda n, k: 1 - math.exp(-n / k),
    "One chance too many: w does not guess. A picture whose class has no label is never named rightly.": (
        lambda n, k: _share_named(n, k) + (1 - _share_named(n, k)) / k,
    ),
    "That is what guessing gets, or a single label. More labels show more classes.": lambda n, k: 1 / k,
    "ψ is perfect, and still w has never heard of a class without a label.": lambda n, k: 1.0,
}


@check()
def perfect_psi(function: Any, seed: int = 0) -> Card:
    """Check ``function(n, k)``: the accuracy of w on a ψ that makes one point of each class, with n labels
    drawn at random, on average (note §2: w is learned from n_L labels).

    It gets the numbers of labels and of classes, which are equally frequent, and returns a number.
    """
    rng = np.random.default_rng(seed)
    cases = [(int(n), int(k)) for n, k in zip(rng.integers(2, 12, 5), rng.integers(3, 9, 5), strict=True)]
    praise = (
        "1 − (1 − 1/k)ⁿ: with as many labels as classes, and many of both, it is near 1 − 1/e, however good ψ is. "
        "So a curve over labels drawn at random says something of the draw as well."
    )
    hint = "Take one new picture. How likely is it that none of the n labels is of its class?"
    return judge(function, [*cases, (1000, 1000), (3, 40)], _share_named, _SHARES, praise, hint)


# ---- letters with one word each ----------------------------------------------------------------------------

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

_REACHES = ("same", "fewer", "more", "other")
_CHANGES = {
    "a": ("same", "Divide w by ten: the scores are what they were."),
    "b": ("same", "An invertible matrix can be undone: give w its inverse, and the scores are what they were."),
    "c": ("fewer", "With weight 0 on the second half w could do all this before; what it read from there is gone."),
    "d": ("more", "With weight 0 on the squares w has all that it had, and now it can bend as well."),
    "e": (
        "more",
        "With weight 0 on the noise w has all that it had. The new scores help nobody, and they are there to be chosen: that is what costs labels.",
    ),
    "f": ("other", "What is linear in a number is not linear in its square, nor the other way round: scores are lost, and others come in."),
}  # fmt: skip


def _letters(answers: Any, table: dict[str, tuple[str, str]], kinds: tuple[str, ...], praise: str) -> Card:
    if not isinstance(answers, dict) or set(answers) != set(table):
        return wrong(f"Hand over a dict with the letters {', '.join(table)}.")
    if any(is_stub(answer) for answer in answers.values()):
        return UNSOLVED
    for letter, (right, why) in table.items():
        if answers[letter] not in kinds:
            return wrong(f"{letter}: write one of {', '.join(map(repr, kinds))}.")
        if answers[letter] != right:
            return wrong(f"{letter} is not {answers[letter]!r}. {why}")
    return passed(praise)


@check("the answers, a dict of letters")
def pretext_tasks(answers: Any) -> Card:
    """Check which of lecture 00's six pairs (X₁, X₂) are pretext tasks (note §2).

    Args:
        answers: letter a to f → "yes", "label", "copy" or "chance".
    """
    praise = "A pretext task: the data give X₂, X₁ tells of it, and X₁ does not contain it."
    return _letters(answers, _PAIRS, _KINDS, praise)


@check("the answers, a dict of letters")
def unnoticed(answers: Any) -> Card:
    """Check what six changes of ψ do to the scores wψ + constant that a linear probe can choose from (note §2).

    Args:
        answers: letter a to f → "same", "fewer", "more" or "other", which is neither fewer nor more.
    """
    praise = (
        "A linear probe sees what can be read off linearly, not how it is written. "
        "More to choose from can cost labels: a thousand numbers of noise do."
    )
    return _letters(answers, _CHANGES, _REACHES, praise)
