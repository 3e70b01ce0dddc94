"""CLIP's loss, its floor, the masked loss; the truth here is written out in loops, not the library's."""

import math

import numpy as np
import pytest

from ssl_course.course.exercises import lecture_10 as check
from ssl_course.losses import clip_loss


def cosines(images, texts):
    def length(v):
        return math.sqrt(sum(x * x for x in v))

    return [
        [sum(p * q for p, q in zip(a, b, strict=True)) / length(a) / length(b) for b in texts] for a in images
    ]


def ask(logits, i, axis=0, over=None):
    """−log softmax at (i, i), along a row or a column."""
    row = logits[i] if axis == 0 else [r[i] for r in logits]
    kept = [v for j, v in enumerate(row) if over is None or over(j)]
    return math.log(sum(math.exp(v) for v in kept)) - logits[i][i]


def loss(images, texts, s, factor=math.exp):
    a = [[factor(s) * c for c in row] for row in cosines(images, texts)]
    n = len(a)
    return sum(ask(a, i) + ask(a, i, 1) for i in range(n)) / (2 * n)


def one_way(axis):
    def function(images, texts, s):
        a = [[math.exp(s) * c for c in row] for row in cosines(images, texts)]
        return sum(ask(a, i, axis) for i in range(len(a))) / len(a)

    return function


def raw(which):
    def function(images, texts, s):
        def unit(x):
            return x / np.linalg.norm(x, axis=1)[:, None]

        i, t = (x if name in which else unit(x) for name, x in (("i", images), ("t", texts)))
        a = (math.exp(s) * i @ t.T).tolist()
        return sum(ask(a, k) + ask(a, k, 1) for k in range(len(a))) / (2 * len(a))

    return function


def mean_first(images, texts, s):
    a = [[math.exp(s) * c for c in row] for row in cosines(images, texts)]
    n = range(len(a))
    return sum(-math.log(sum(math.exp(-ask(a, i, axis)) for i in n) / len(a)) for axis in (0, 1)) / 2


def without_the_pair(images, texts, s):
    a = [[math.exp(s) * c for c in row] for row in cosines(images, texts)]
    n = range(len(a))
    return sum(ask(a, i, axis, lambda j, i=i: j != i) for i in n for axis in (0, 1)) / (2 * len(a))


def one_softmax(images, texts, s):
    a = [[math.exp(s) * c for c in row] for row in cosines(images, texts)]
    total = math.log(sum(math.exp(v) for row in a for v in row))
    return total - sum(a[i][i] for i in range(len(a))) / len(a)


@pytest.mark.parametrize("seed", range(4))
def test_right(seed):
    assert check.symmetric_loss(loss, seed).passed
    assert check.floor(least, seed).passed
    assert check.masked_loss(masked, seed).passed


def test_the_librarys_own_loss_passes():
    import torch
    import torch.nn.functional as F

    def own(images, texts, s):
        i, t = (F.normalize(torch.tensor(x), dim=1) for x in (images, texts))
        return clip_loss(i, t, math.exp(s))

    def own_masked(logits, captions):
        n = len(logits)
        c = torch.tensor(captions)
        return clip_loss(torch.tensor(logits), torch.eye(n, dtype=torch.float64), 1.0, c[:, None] == c)

    assert check.symmetric_loss(own).passed and check.masked_loss(own_masked).passed


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (one_way(0), "each picture chooses"),
        (one_way(1), "each caption chooses"),
        (raw("it"), "not brought to length 1: a long"),
        (raw("i"), "pictures' features are not"),
        (raw("t"), "captions' features are not"),
        (lambda i, t, s: loss(i, t, s, lambda v: v), "`exp` is missing"),
        (lambda i, t, s: loss(i, t, s, lambda v: 1.0), "not scaled"),
        (lambda i, t, s: loss(i, t, s, lambda v: math.exp(-v)), "multiply"),
        (lambda i, t, s: 2 * loss(i, t, s), "half of it"),
        (mean_first, "mean of the −log"),
        (without_the_pair, "pair itself is missing"),
        (one_softmax, "all N² entries"),
        (lambda i, t, s: 7.0, "is right"),
    ],
)
def test_wrong_losses_are_recognised(wrong, says, seed):
    card = check.symmetric_loss(wrong, seed)
    assert card.state == "wrong" and says in card.text


def least(captions):
    c = list(captions)
    return sum(math.log(c.count(x)) for x in c) / len(c)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda c: 0, "probability 1"),
        (lambda c: math.log(len(c)), "knows nothing"),
        (lambda c: math.log(sum(list(c).count(x) for x in c) / len(c)), "mean of the logs"),
        (lambda c: sum(math.log(list(c).count(x)) for x in set(c)) / len(set(c)), "averages over rows"),
        (lambda c: sum(math.log(max(list(c).count(x) - 1, 1)) for x in c) / len(c), "The pair itself"),
        (lambda c: math.log(len(c) / len(set(c))), "equally frequent"),
        (lambda c: 2 * least(c), "not 2 log m"),
        (lambda c: least(c) / 2, "Rows *and* columns"),
        (lambda c: sum(1 - 1 / list(c).count(x) for x in c) / len(c), "share of wrong"),
    ],
)
def test_wrong_floors_are_recognised(wrong, says, seed):
    card = check.floor(wrong, seed)
    assert card.state == "wrong" and says in card.text


def masked(logits, captions, axes=(0, 1)):
    n = len(logits)
    a, c = logits.tolist(), list(captions)
    return sum(ask(a, i, x, lambda j, i=i: j == i or c[j] != c[i]) for i in range(n) for x in axes) / (
        n * len(axes)
    )


def zeros(logits, captions):
    a = logits.copy()
    for i in range(len(a)):
        for j in range(len(a)):
            if i != j and captions[i] == captions[j]:
                a[i, j] = 0
    a = a.tolist()
    return sum(ask(a, i) + ask(a, i, 1) for i in range(len(a))) / (2 * len(a))


def positives(logits, captions):
    a, c, total = logits.tolist(), list(captions), 0.0
    n = len(c)
    for i in range(n):
        twins = [j for j in range(n) if c[j] == c[i]]
        for axis in (0, 1):
            norm = ask(a, i, axis) + a[i][i]
            total += sum(norm - (a[i][j] if axis == 0 else a[j][i]) for j in twins) / len(twins)
    return total / (2 * n)


def dropped(logits, captions):
    c = list(captions)
    first = sorted({c.index(x) for x in c})
    a = logits[np.ix_(first, first)].tolist()
    return sum(ask(a, i) + ask(a, i, 1) for i in range(len(a))) / (2 * len(a))


def plain(logits, captions):
    a = logits.tolist()
    return sum(ask(a, i) + ask(a, i, 1) for i in range(len(a))) / (2 * len(a))


def diagonal_too(logits, captions):
    same = captions[:, None] == captions
    with np.errstate(all="ignore"):
        a = np.where(same, -np.inf, logits)
        return (np.log(np.exp(a).sum(1)) - a.diagonal()).mean()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (plain, "Nothing is masked"),
        (lambda a, c: masked(a, c, (0,)), "add the columns"),
        (lambda a, c: masked(a, c, (1,)), "add the rows"),
        (zeros, "exp(0) = 1"),
        (positives, "soft targets"),
        (dropped, "keeps its row"),
        (lambda a, c: 2 * masked(a, c), "half of it"),
        (diagonal_too, "the pair itself must stay"),
    ],
)
def test_wrong_masks_are_recognised(wrong, says, seed):
    card = check.masked_loss(wrong, seed)
    assert card.state == "wrong" and says in card.text


@pytest.mark.parametrize("name", ["symmetric_loss", "floor", "masked_loss"])
def test_stubs_and_stumbles(name):
    ask_it = getattr(check, name)
    assert ask_it(lambda *_: ...).state == "unsolved" and ask_it(...).state == "unsolved"
    assert "stopped" in ask_it(lambda *_: 1 / 0).text
    assert "One number" in ask_it(lambda *a: a[0]).text
