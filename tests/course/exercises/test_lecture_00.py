"""Reading a label-efficiency curve, and what a pretext task is: the right answer passes, each usual wrong one is named."""

import math

import numpy as np
import pytest

from ssl_course.course.exercises import lecture_00 as check


def right(n_labels, accuracy, target):
    for n, a in zip(n_labels, accuracy, strict=True):
        if a >= target:
            return n
    return None


def strict(n_labels, accuracy, target):
    return next((n for n, a in zip(n_labels, accuracy, strict=True) if a > target), None)


def position(n_labels, accuracy, target):
    return next((i for i, a in enumerate(accuracy) if a >= target), None)


def its_accuracy(n_labels, accuracy, target):
    return next((a for a in accuracy if a >= target), None)


def one_early(n_labels, accuracy, target):
    i = position(n_labels, accuracy, target)
    return None if i is None else n_labels[max(i - 1, 0)]


def closest(n_labels, accuracy, target):
    return min(zip(abs(accuracy - target), n_labels, strict=True))[1]


def argmax_of_nothing(n_labels, accuracy, target):
    return n_labels[np.argmax(accuracy >= target)]


def largest(n_labels, accuracy, target):
    return right(n_labels, accuracy, target) or n_labels[-1]


def last(n_labels, accuracy, target):
    return right(n_labels[::-1], accuracy[::-1], target)


def stays_above(n_labels, accuracy, target):
    for i in range(len(n_labels)):
        if all(a >= target for a in accuracy[i:]):
            return n_labels[i]
    return None


def takes_it_for_monotone(n_labels, accuracy, target):
    i = np.searchsorted(accuracy, target)
    return n_labels[i] if i < len(n_labels) else None


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("answer", [right, lambda *a: right(*a) or math.inf, lambda *a: right(*a) or np.inf])
def test_right(answer, seed):
    assert check.labels_needed(answer, seed).passed


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (strict, "use ≥"), (position, "position in the array"), (its_accuracy, "That is the accuracy"),
        (one_early, "One step too early"), (closest, "closest"), (argmax_of_nothing, "np.argmax of nothing"),
        (largest, "the largest count is no answer"), (lambda *a: right(*a) or 0, "0 labels is no answer"),
        (last, "Wanted is the smallest"), (stays_above, "dip"), (lambda *a: 1000, "None if none is"),
        (lambda *a: None, "Replace the dots"), (lambda *a: ..., "Replace the dots"),
        (lambda n, a, t: n[a >= t], "shape"), (lambda n: 1, "TypeError"),
    ],
)  # fmt: skip
def test_wrong_answers_are_named(wrong, says, seed):
    card = check.labels_needed(wrong, seed)
    assert not card.passed and says in card.text


def test_taking_the_curve_for_monotone_does_not_pass():
    assert not all(check.labels_needed(takes_it_for_monotone, seed).passed for seed in range(6))


TASKS = dict(zip("abcdef", ["yes", "label", "copy", "yes", "chance", "yes"], strict=True))


def test_pretext_tasks():
    assert check.pretext_tasks(TASKS).passed
    assert check.pretext_tasks(TASKS | {"c": ...}).state == "unsolved"


@pytest.mark.parametrize(
    ("letter", "says", "why"),
    [
        ("a", "copy", "before it was painted over"), ("b", "yes", "somebody has to look"), ("c", "yes", "blurring it"),
        ("d", "chance", "have an up"), ("e", "yes", "no trace"), ("f", "label", "we cut them"), ("f", "copy", "nothing to copy"),
        ("a", "no", "write one of"), ("a", True, "write one of"),
    ],
)  # fmt: skip
def test_what_is_none(letter, says, why):
    card = check.pretext_tasks(TASKS | {letter: says})
    assert card.state == "wrong" and why in card.text


@pytest.mark.parametrize("answers", [["yes"] * 6, {"a": "yes"}, "yes", {}])
def test_no_dict_of_six(answers):
    assert "a dict with the letters" in check.pretext_tasks(answers).text
