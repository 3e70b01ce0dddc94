"""How few labels can be enough, what a pretext task is, what a probe does not notice: the right answer passes,
each usual wrong one is named."""

import math
from fractions import Fraction

import numpy as np
import pytest

from ssl_course.course.exercises import lecture_00 as check


def by_classes_seen(n, k):
    """The mean share of classes with a label, over the distribution of their number, label by label."""
    seen = {0: Fraction(1)}
    for _ in range(n):
        now = {}
        for classes, p in seen.items():
            for more, share in ((0, Fraction(classes, k)), (1, Fraction(k - classes, k))):
                now[classes + more] = now.get(classes + more, 0) + p * share
        seen = now
    return float(sum(p * Fraction(classes, k) for classes, p in seen.items()))


def exact(n, k):
    return by_classes_seen(n, k) if n < 50 else 1 - math.exp(n * math.log1p(-1 / k))


def guesses(n, k):
    return exact(n, k) + (1 - exact(n, k)) / k


@pytest.mark.parametrize("seed", range(4))
def test_the_best_psi(seed):
    assert check.perfect_psi(exact, seed).passed


def test_what_is_drawn_is_what_is_derived():
    rng = np.random.default_rng(0)
    drawn = [len(set(row)) / 7 for row in rng.integers(7, size=(20_000, 9))]
    assert np.mean(drawn) == pytest.approx(by_classes_seen(9, 7), abs=0.005)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda n, k: 1 - exact(n, k), "share that is missed"), (lambda n, k: min(1, n / k), "may fall on one class"),
        (lambda n, k: n / k, "may fall on one class"), (lambda n, k: exact(n, k) ** k, "*every* class"),
        (lambda n, k: 1 - k * (1 - exact(n, k)), "*every* class"), (lambda n, k: 1 - k**-n, "are *not* of it"),
        (lambda n, k: exact(n - 1, k), "n factors"), (guesses, "does not guess"), (lambda n, k: exact(n + 1, k), "does not guess"),
        (lambda n, k: 1 - math.exp(-n / k), "only in the limit"), (lambda n, k: 1 / k, "what guessing gets"),
        (lambda n, k: 1, "never heard"), (lambda n, k: 0.5, "Take one new picture"), (lambda n, k: None, "Replace the dots"),
        (lambda n, k: ..., "Replace the dots"), (lambda n, k: [n, k], "One number"), (lambda n: 1, "TypeError"),
        (lambda n, k: 1 / 0, "stopped"), (0.6, "the function itself"),
    ],
)  # fmt: skip
def test_wrong_answers_are_named(wrong, says, seed):
    card = check.perfect_psi(wrong, seed)
    assert not card.passed and says in card.text


TASKS = dict(zip("abcdef", ["yes", "label", "copy", "yes", "chance", "yes"], strict=True))
CHANGES = dict(zip("abcdef", ["same", "same", "fewer", "more", "more", "other"], strict=True))


def test_pretext_tasks():
    assert check.pretext_tasks(TASKS).passed
    assert check.pretext_tasks(TASKS | {"c": ...}).state == "unsolved"


def test_unnoticed():
    assert check.unnoticed(CHANGES).passed
    assert check.unnoticed(CHANGES | {"c": ...}).state == "unsolved"


def scores(features):
    """The space of all wψ + constant on the given rows: an orthonormal basis, (n, dimension)."""
    u, s, _ = np.linalg.svd(np.column_stack([features, np.ones(len(features))]), full_matrices=False)
    return u[:, s > 1e-9 * s[0]]


def test_the_changes_by_the_spaces_of_scores():
    rng = np.random.default_rng(0)
    h = rng.normal(size=(60, 4))
    changed = {
        "a": 10 * h, "b": h @ rng.normal(size=(4, 4)), "c": h[:, :2], "d": np.hstack([h, h**2]),
        "e": np.hstack([h, rng.normal(size=(60, 20))]), "f": h**2,
    }  # fmt: skip
    before = scores(h)
    for letter, features in changed.items():
        after = scores(features)
        keeps = np.allclose(after @ (after.T @ before), before)  # every old score is there still
        adds = not np.allclose(before @ (before.T @ after), after)  # some new one was not there before
        found = {(True, False): "same", (False, False): "fewer", (True, True): "more", (False, True): "other"}
        assert found[keeps, adds] == CHANGES[letter], letter


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


@pytest.mark.parametrize(
    ("letter", "says", "why"),
    [
        ("a", "more", "Divide w"), ("b", "other", "can be undone"), ("c", "same", "read from there"),
        ("d", "other", "can bend"), ("e", "same", "costs labels"), ("f", "fewer", "in its square"), ("d", "less", "write one of"),
    ],
)  # fmt: skip
def test_what_is_noticed(letter, says, why):
    card = check.unnoticed(CHANGES | {letter: says})
    assert card.state == "wrong" and why in card.text


@pytest.mark.parametrize("ask", [check.pretext_tasks, check.unnoticed])
@pytest.mark.parametrize("answers", [["yes"] * 6, {"a": "yes"}, "yes", {}])
def test_no_dict_of_six(ask, answers):
    assert "a dict with the letters" in ask(answers).text
