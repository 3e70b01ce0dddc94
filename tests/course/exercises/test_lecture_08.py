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


def simplex(n, t):
    """The loss itself, at z that are as even as can be."""
    z = torch.eye(n, dtype=torch.float64) - 1 / n
    return nt_xent(z, z, t)


@pytest.mark.parametrize("seed", range(3))
def test_the_least_loss(seed):
    assert check.least_loss(simplex, seed).passed


def test_nothing_is_below_the_least_loss():
    """Descent from random z: it comes near, and never falls below."""
    torch.manual_seed(0)
    z = torch.randn(2, 5, 6, dtype=torch.float64, requires_grad=True)
    descent = torch.optim.Adam([z], 0.05)
    for _ in range(400):
        descent.zero_grad()
        nt_xent(*z, 0.5).backward()
        descent.step()
    least = float(simplex(5, 0.5))
    assert least - 1e-9 <= nt_xent(*z, 0.5).item() < least + 1e-3


def at_cosine(n, t, c, negatives=None, right=1):
    others = [math.exp(c / t)] * (2 * n - 2 if negatives is None else negatives)
    return -math.log(math.exp(1 / t) / (right * math.exp(1 / t) + sum(others)))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda n, t: math.log(2 * n - 1), "the other end"),
        (lambda n, t: 0.0, "Not 0"),
        (lambda n, t: at_cosine(n, t, 0), "Right angles"),
        (lambda n, t: at_cosine(n, t, -1), "can be opposite"),
        (lambda n, t: at_cosine(n, t, -1 / n), "N − 1 others"),
        (lambda n, t: at_cosine(n, t, -1 / (2 * n - 1)), "2N views evenly"),
        (lambda n, t: at_cosine(n, t, -1 / (n - 1), n - 1), "CLIP"),
        (lambda n, t: at_cosine(n, t, -1 / (n - 1), 2 * n - 1), "one of them is the right one"),
        (lambda n, t: at_cosine(n, t, -1 / (n - 1), right=0), "below the fraction line"),
        (lambda n, t: at_cosine(n, 1.0, -1 / (n - 1)), "no effect"),
        (lambda n, t: at_cosine(n, 1 / t, -1 / (n - 1)), "You multiplied"),
        (lambda n, t: -at_cosine(n, t, -1 / (n - 1)), "The sign"),
        (lambda n, t: at_cosine(n, t, -1 / (n - 1)) + 1, "is right. Σ z = 0"),
        (lambda n, t: None, "Replace the dots"),
        (3, "Hand over the function"),
    ],
)
def test_wrong_least_losses_are_named(answer, says):
    card = check.least_loss(answer)
    assert not card.passed and says in card.text


def test_checks_leave_the_random_state_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    check.nt_xent(eight_lines), check.pull(by_autograd), check.least_loss(simplex)
    assert torch.equal(torch.random.get_rng_state(), before)
