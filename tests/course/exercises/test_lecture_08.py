"""The checks of lecture 08: right answers pass, usual wrong ones are named; the truth here is written out."""

import math

import numpy as np
import pytest
import torch

from ssl_course.course.exercises import lecture_08 as check
from ssl_course.losses import nt_xent


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


def of_classes(n, k, t, counted=lambda z, t: nt_xent(z, z, t), corners=None):
    """The loss itself, at z that are the class's corner of a simplex."""
    corners = torch.eye(k, dtype=torch.float64) - 1 / k if corners is None else corners
    return counted(corners[torch.arange(n) % k], t)


def with_itself(z, t):
    z = torch.nn.functional.normalize(torch.cat([z, z]), dim=1)
    return torch.nn.functional.cross_entropy(z @ z.T / t, torch.arange(len(z)).roll(len(z) // 2))


def in_class(n, k, t, alike, c, others=None):
    """−log of one of ``alike`` at cosine 1, the others at c."""
    rest = (2 * n - 2 * n // k if others is None else others) * math.exp(c / t)
    return -math.log(math.exp(1 / t) / (alike * math.exp(1 / t) + rest))


@pytest.mark.parametrize("seed", range(3))
def test_the_class_alone(seed):
    assert check.class_alone(of_classes, seed).passed


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda n, k, t: math.log(2 * n - 1), "all z are equal"),
        (lambda n, k, t: simplex(n, t), "the least loss there is"),
        (lambda n, k, t: in_class(n, k, t, 1, -1 / (k - 1)), "Only the right view"),
        (lambda n, k, t: of_classes(n, k, t, with_itself), "The row itself"),
        (lambda n, k, t: in_class(n, k, t, n / k, -1 / (k - 1)), "Both views"),
        (lambda n, k, t: in_class(n, k, t, n / k - 1, -1 / (k - 1)), "Both views"),
        (lambda n, k, t: in_class(n, k, t, 2 * n / k - 1, 0, others=0), "infinitely far"),
        (lambda n, k, t: math.log(2 * n - 1) - math.log(k), "infinitely far"),
        (lambda n, k, t: of_classes(n, k, t, corners=torch.eye(k)), "Right angles"),
        (lambda n, k, t: in_class(n, k, t, 2 * n / k - 1, -1), "can be opposite"),
        (lambda n, k, t: in_class(n, k, t, 2 * n / k - 1, -1 / (n - 1)), "not the N pictures"),
        (lambda n, k, t: of_classes(n, k, 1.0), "no effect"),
        (lambda n, k, t: of_classes(n, k, 1 / t), "You multiplied"),
        (lambda n, k, t: -of_classes(n, k, t), "The sign"),
        (lambda n, k, t: of_classes(n, k, t) + 1, "is right. Of the 2N − 1 others"),
        (lambda n, k, t: torch.ones(3), "sum it up"),
        (lambda *a: a[7], "IndexError"),
        (lambda n, k, t: None, "Replace the dots"),
    ],
)
def test_wrong_values_of_the_class_alone_are_named(answer, says):
    card = check.class_alone(answer)
    assert not card.passed and says in card.text


def test_checks_leave_the_random_state_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    check.pull(by_autograd), check.least_loss(simplex), check.class_alone(of_classes)
    assert torch.equal(torch.random.get_rng_state(), before)
