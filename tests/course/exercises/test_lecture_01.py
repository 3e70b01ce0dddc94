"""ε_CI² by hand and in closed form, and ε_CI = 0 without CI; the truth here is not the library's."""

import math
from fractions import Fraction

import numpy as np
import pytest

from ssl_course.course.exercises import lecture_01 as check

R = range(2)


def e_x2(p, v, i=None, y=None):
    """E[X₂ | x₁ = i, Y = y], each condition only where given, entry by entry."""
    rows = [(p[a, j, c], v[j]) for a in R for j in R for c in R if i in (None, a) and y in (None, c)]
    return sum(w * x for w, x in rows) / sum(w for w, _ in rows)


def p_1(p, i):
    return sum(p[i, j, c] for j in R for c in R)


def gap(p, v, i):
    return e_x2(p, v, i) - sum(sum(p[i, j, y] for j in R) / p_1(p, i) * e_x2(p, v, y=y) for y in R)


def right(p, v):
    return sum(p_1(p, i) * gap(p, v, i) ** 2 for i in R)


def by_states(errors, classes):
    """Of a world with three states of X₁, X₂ decided by the class, and labels drawn anew: state by state."""
    rng, k = np.random.default_rng(classes), range(classes)
    given, v = rng.dirichlet(np.ones(3), classes), rng.normal(size=classes)  # P(x₁|y), E[X₂|y]
    says = [[(1 - errors) * (y == z) + errors / classes for z in k] for y in k]  # P(label z|y)
    of_label = [sum(says[y][z] * v[y] for y in k) for z in k]
    left = spread = 0.0
    for i in range(3):
        p = sum(given[y, i] for y in k) / classes
        posterior = [given[y, i] / classes / p for y in k]
        expected = sum(posterior[y] * v[y] for y in k)
        through = sum(posterior[y] * says[y][z] * of_label[z] for y in k for z in k)
        left += p * (expected - through) ** 2
        spread += p * (expected - v.mean()) ** 2
    return left / spread


@pytest.mark.parametrize("seed", range(5))
def test_careless_labels(seed):
    assert check.careless_labels(by_states, seed).passed


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda e, k: math.sqrt(by_states(e, k)), "share of ε_CI. Wanted"),
        (lambda e, k: e * e, "errs twice"),
        (lambda e, k: e, "errs twice"),
        (lambda e, k: by_states(e * (k - 1) / k, 2), "may come out right"),
        (lambda e, k: (1 - e) ** 4, "still goes through"),
        (lambda e, k: (1 - e) ** 2, "still goes through"),
        (lambda e, k: 0, "holds for the true label"),
        (lambda e, k: 1, "Only a label that says nothing"),
        (lambda e, k: 0.25, "How far are"),
        (lambda e, k: ..., "Replace the dots"),
        (lambda e, k: [e, k], "shape (2,)"),
        (lambda e, k: float("nan"), "NaN"),
        (lambda e, k: e["x1"], "TypeError"),
    ],
)
def test_wrong_answers_are_named(wrong, says, seed):
    card = check.careless_labels(wrong, seed)
    assert not card.passed and says in card.text


def xor():
    p = np.zeros((2, 2, 2))
    for i in R:
        for j in R:
            p[i, j, i ^ j] = 0.25
    return p


SILENT = np.array([[[7, 1], [1, 1]], [[2, 3], [0, 5]]]) / 20
INDEPENDENT = np.einsum("iy,jy,y->ijy", [[0.8, 0.3], [0.2, 0.7]], [[0.6, 0.1], [0.4, 0.9]], [0.5, 0.5])
DEPENDENT = np.random.default_rng(0).dirichlet(np.ones(8)).reshape(2, 2, 2)
# x₁ moves the spread of X₂ and not its mean; Y is a coin of its own
SPREAD = np.einsum("ij,y->ijy", [[0, 0.5, 0], [0.25, 0, 0.25]], [0.4, 0.6])


def test_the_worlds_of_this_test_are_what_they_claim():
    """In exact fractions, entry by entry."""
    p = np.vectorize(lambda x: Fraction(x).limit_denominator(100))(SILENT)
    assert right(p, [0, 1]) == 0
    cells = [(i, j, y) for i in R for j in R for y in R]
    assert any(p[c] * p[:, :, c[2]].sum() != p[c[0], :, c[2]].sum() * p[:, c[1], c[2]].sum() for c in cells)
    assert right(xor(), [0, 1]) == 0


@pytest.mark.parametrize("joint", [SILENT, SILENT.tolist(), xor()])
def test_worlds_that_pass(joint):
    assert check.ci_free_world(joint).passed


def test_vectors_are_welcome():
    assert check.ci_free_world(xor(), np.eye(2)).passed


@pytest.mark.parametrize(
    ("joint", "says"),
    [
        (INDEPENDENT, "X₁ ⟂ X₂ | Y holds"),
        (DEPENDENT, "not 0"),
        (SILENT * 20, "sums to 20"),
        (SILENT - np.array([[[0.5, 0], [0, 0]], [[0, 0], [0, -0.5]]]), "negative"),
        (np.full((2, 2, 2), np.nan), "not finite"),
        (np.ones((2, 2)) / 4, "(2, 2)"),
        (np.ones((2, 2, 1)) / 4, "one class only"),
        ("a table", "no world; give an array"),
        ([[1, 2], [3]], "no world; give an array"),
        (xor, "the table itself"),
        (np.pad(SILENT, ((0, 1), (0, 0), (0, 0))), "state 2 of X₁ has probability zero"),
        (np.pad(SILENT, ((0, 0), (0, 0), (1, 0))), "state 0 of Y has probability zero"),
    ],
)
def test_worlds_that_do_not(joint, says):
    card = check.ci_free_world(joint)
    assert card.state == "wrong" and says in card.text


def test_a_class_that_plays_no_part():
    card = check.ci_free_world(SPREAD, [-1, 0, 1])
    assert card.state == "wrong" and "plays no part" in card.text


def test_hardly_dependent():
    weak = np.full((2, 2, 2), 0.125)
    for i in R:
        for j in R:
            weak[i, j, i ^ j] += 0.001
            weak[i, j, 1 - (i ^ j)] -= 0.001
    assert "clearly larger" in check.ci_free_world(weak).text


@pytest.mark.parametrize("x2", [[1, 1], [0, 1, 2], [0, np.inf]])
def test_bad_values_of_x2(x2):
    assert check.ci_free_world(SILENT, x2).state == "wrong"


@pytest.mark.parametrize("stub", [None, ...])
def test_stub(stub):
    assert check.ci_free_world(stub).state == "unsolved"


def closed(dependence, profile, tints):
    away = tints - tints.mean(0)
    return dependence**2 * (profile @ profile) * (away**2).sum() / len(tints)


@pytest.mark.parametrize("seed", range(3))
def test_closed_form(seed):
    assert check.closed_form(closed, seed).passed


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda d, p, t: closed(d, p, t) / d, "belongs twice"),
        (lambda d, p, t: math.sqrt(closed(d, p, t)), "the root"),
        (lambda d, p, t: closed(d + (1 - d) / len(t), p, t), "P(tint = light)"),
        (lambda d, p, t: d**2 * (p @ p) * (t**2).sum() / len(t), "take it away first"),
        (lambda d, p, t: closed(d, p, t) * len(t), "You sum over"),
        (lambda d, p, t: d**2 * (p @ p) * np.trace(np.cov(t.T)), "not by K − 1"),
        (lambda d, p, t: d**2 * p.sum() * np.trace(np.cov(t.T, ddof=0)), "each by itself"),
        (lambda d, p, t: d**2 * p.sum() ** 2 * np.trace(np.cov(t.T, ddof=0)), "each by itself"),
        (lambda d, p, t: d**2 * np.trace(np.cov(t.T, ddof=0)), "each by itself"),
        (lambda d, p, t: 0.5, "For light i"),
        (lambda d, p, t: ..., "Replace the dots"),
    ],
)
def test_slips_of_the_closed_form_are_named(wrong, says):
    card = check.closed_form(wrong)
    assert not card.passed and says in card.text
