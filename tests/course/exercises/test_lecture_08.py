"""The checks of lecture 08: right answers pass, usual wrong ones are named; the truth here is written out."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ssl_course.course.exercises import lecture_08 as check
from ssl_course.losses import nt_xent


def rows(z1, z2, t, unit=True, itself=False, exp=torch.exp, positive=True, across=False):
    """The loss of each of the 2N rows, a loop for every sum."""
    z = [row / row.norm() if unit else row for row in torch.cat([z1, z2])]
    n, found = len(z1), []
    for i in range(2 * n):
        j = (i + n) % (2 * n)
        others = [m for m in range(2 * n) if (itself or m != i) and (positive or m != j)]
        others = [m for m in others if (m < n) != (i < n)] if across else others
        total = sum(exp(z[i] @ z[m] / t) for m in others)
        found.append(-torch.log(exp(z[i] @ z[j] / t) / total))
    return torch.stack(found)


def eight_lines(z1, z2, temperature):
    n = len(z1)
    z = F.normalize(torch.cat([z1, z2]), dim=1)
    logits = z @ z.T / temperature
    logits.fill_diagonal_(-torch.inf)
    other = torch.arange(2 * n).roll(n)
    return F.cross_entropy(logits, other)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("answer", [eight_lines, nt_xent, lambda *a: rows(*a).mean()])
def test_the_loss(answer, seed):
    assert check.nt_xent(answer, seed).passed


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda *a: rows(*a, itself=True).mean(), "diagonal"),
        (lambda *a: -torch.log(torch.exp(-rows(*a)).mean()), "−log of the mean"),
        (lambda *a: rows(*a)[: len(a[0])].mean(), "the first views look"),
        (lambda *a: rows(*a)[len(a[0]) :].mean(), "the second views look"),
        (lambda *a: rows(*a, across=True)[: len(a[0])].mean(), "One direction only, and among"),
        (lambda *a: rows(*a, across=True).mean(), "CLIP"),
        (lambda *a: rows(*a, unit=False).mean(), "No normalisation"),
        (lambda *a: rows(*a, exp=lambda s: s).mean(), "exp is missing"),
        (lambda *a: rows(*a, positive=False).mean(), "positive is missing"),
        (lambda *a: rows(*a).sum(), "summed"),
        (lambda *a: 2 * rows(*a).mean(), "Exactly twice"),
        (lambda a, b, t: rows(a, b, 1 / t).mean(), "multiplied by the temperature"),
        (lambda a, b, t: rows(a, b, 1.0).mean(), "no effect"),
        (lambda *a: -rows(*a).mean(), "The sign"),
        (lambda a, b, t: F.cross_entropy(_logits(a, b, t), torch.arange(2 * len(a)) ^ 1), "2k and 2k + 1"),
        (lambda *a: rows(*a).mean() + 1, "is right. z of length 1"),
        (lambda *a: None, "Replace the dots"),
        (lambda *a: a[7], "IndexError"),
        (lambda *a: rows(*a), "sum it up"),
    ],
)
def test_wrong_losses_are_named(answer, says):
    card = check.nt_xent(answer)
    assert not card.passed and says in card.text


def _logits(a, b, t):
    z = F.normalize(torch.cat([a, b]), dim=1)
    return (z @ z.T / t).fill_diagonal_(-torch.inf)


def by_autograd(s, j, t):
    s = torch.tensor(s, requires_grad=True)
    loss = -s[j] / t + torch.logsumexp(s / t, 0)
    loss.backward()
    return s.grad.numpy()


def soft(s):
    return [math.exp(v) / sum(math.exp(u) for u in s) for v in s]


@pytest.mark.parametrize("seed", range(3))
def test_the_pull(seed):
    assert check.pull(by_autograd, seed).passed


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda s, j, t: t * by_autograd(s, j, t), "A factor is missing"),
        (lambda s, j, t: -by_autograd(s, j, t), "The sign"),
        (lambda s, j, t: np.array(soft(s / t)) / t, "term of its own"),
        (lambda s, j, t: (np.array(soft(s)) - np.eye(len(s))[j]) / t, "does not feel"),
        (lambda s, j, t: t**2 * by_autograd(s, j, t), "You multiplied by τ where"),
        (lambda s, j, t: by_autograd(s, j, 1 / t), "You multiplied the cosines"),
        (lambda s, j, t: by_autograd(s, j, t) / len(s), "mean over the views"),
        (lambda s, j, t: by_autograd(s, j, t) + 1, "Differentiate"),
        (lambda s, j, t: by_autograd(s, j, t)[:2], "The shape is"),
        (lambda s, j, t: ..., "Replace the dots"),
    ],
)
def test_wrong_pulls_are_named(answer, says):
    card = check.pull(answer)
    assert not card.passed and says in card.text


def read(method, x):
    with torch.no_grad():
        return method.eval().encode(x)


@pytest.mark.parametrize("seed", range(3))
def test_what_the_probe_reads(seed):
    assert check.what_the_probe_reads(read, seed).passed
    assert check.what_the_probe_reads(lambda m, x: m.eval().encode(x), seed).passed  # with its gradient


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda m, x: m.eval().project(x), "That is z, after the projection head. The probe"),
        (lambda m, x: m.project(x), "in training mode besides"),
        (lambda m, x: m.encode(x), "still in training mode"),
        (lambda m, x: F.normalize(m.eval().encode(x), dim=1), "rows are normalised"),
        (lambda m, x: F.normalize(m.eval().project(x), dim=1), "and normalised"),
        (lambda m, x: m.eval().backbone(x), "map"),
        (lambda m, x: 1 + m.eval().encode(x), "eval mode and return"),
        (lambda m, x: None, "Replace the dots"),
        (lambda m, x: m.nothing(x), "AttributeError"),
        (3, "Hand over the function"),
    ],
)
def test_wrong_readers_are_named(answer, says):
    card = check.what_the_probe_reads(answer)
    assert not card.passed and says in card.text


def test_checks_leave_the_random_state_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    check.nt_xent(eight_lines), check.pull(by_autograd), check.what_the_probe_reads(read)
    assert torch.equal(torch.random.get_rng_state(), before)
