"""Exercises of lecture 10: CLIP's symmetric loss, its floor where captions repeat, and the floor taken away."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import logsumexp

from ssl_course.course.exercises.card import Card, check
from ssl_course.course.exercises.judging import judge

Array = np.ndarray


# ---- the symmetric loss ------------------------------------------------------------------------------------------
def _unit(x: Array) -> Array:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def _rows(logits: Array) -> float:
    """Mean over rows of −log softmax at the diagonal."""
    return float((logsumexp(logits, 1) - logits.diagonal()).mean())


def _both(logits: Array, one: Callable[[Array], float] = _rows) -> float:
    """The mean over both directions of a loss of one."""
    return (one(logits) + one(logits.T)) / 2


def _logits(images: Array, texts: Array, logit_scale: float) -> Array:
    return np.exp(logit_scale) * _unit(images) @ _unit(texts).T


def _of_logits(rule: Callable[[Array], float]) -> Callable[..., float]:
    return lambda images, texts, s: rule(_logits(images, texts, s))


def _mean_first(logits: Array) -> float:
    return float(-np.log(np.exp(logits.diagonal() - logsumexp(logits, 1)).mean()))


def _without_the_pair(logits: Array) -> float:
    rest = logits + np.diag(np.full(len(logits), -np.inf))
    return float((logsumexp(rest, 1) - logits.diagonal()).mean())


_SYMMETRIC = {
    "One direction only: each picture chooses among the captions. Each caption must choose among the "
    "pictures too; take the mean of both.": _of_logits(_rows),
    "One direction only: each caption chooses among the pictures. "
    "Each picture must choose among the captions too.": _of_logits(lambda a: _rows(a.T)),
    "The features are not brought to length 1: a long feature would win every comparison.": lambda i, t, s: (
        _both(np.exp(s) * i @ t.T)
    ),
    "The captions' features are not brought to length 1.": lambda i, t, s: _both(np.exp(s) * _unit(i) @ t.T),
    "The pictures' features are not brought to length 1.": lambda i, t, s: _both(np.exp(s) * i @ _unit(t).T),
    "`exp` is missing: logit_scale is the logarithm of the factor (it starts at log(1/0.07) "
    "= 2.66).": lambda i, t, s: _both(s * _unit(i) @ _unit(t).T),
    "The cosines are not scaled. They lie in [−1, 1], "
    "so the softmax stays flat and the loss near log N.": lambda i, t, s: _both(_unit(i) @ _unit(t).T),
    "You divide by exp(logit_scale). It is 1/τ already: multiply.": lambda i, t, s: _both(
        np.exp(-s) * _unit(i) @ _unit(t).T
    ),
    "That is the sum of both directions; CLIP takes half of it.": _of_logits(lambda a: 2 * _both(a)),
    "You take −log of the mean probability. Wanted is the mean of the −log.": _of_logits(
        lambda a: _both(a, _mean_first)
    ),
    "The pair itself is missing below the fraction. In SimCLR a row is not compared with itself; here the "
    "diagonal is the right answer, and belongs to the softmax.": _of_logits(
        lambda a: _both(a, _without_the_pair)
    ),
    "One softmax over all N² entries. Each row needs a softmax of its own, and each column.": _of_logits(
        lambda a: float(logsumexp(a) - a.diagonal().mean())
    ),
}


@check()
def symmetric_loss(function: Any, seed: int = 0) -> Card:
    """Check ``function(images, texts, logit_scale)``: CLIP's loss of N pairs (arXiv 2103.00020, fig. 3).

    It gets features (N, d) of any length, and the logarithm of the scale.
    """
    rng = np.random.default_rng(seed)
    cases = [
        (rng.normal(0, 2, (n, 4)), rng.normal(0, 2, (n, 4)), float(rng.uniform(0.4, 2.5)))
        for n in (3, 5, 6, 4)
    ]
    praise = "Length 1, times exp(logit_scale), cross-entropy along rows and along columns, half of each."
    hint = (
        "Four steps: rows of length 1; the N × N cosines times exp(logit_scale); −log softmax at the "
        "diagonal, along rows and along columns; the mean of both."
    )
    return judge(function, cases, _of_logits(_both), _SYMMETRIC, praise, hint)


# ---- its floor ---------------------------------------------------------------------------------------------------
def _counts(captions: Array) -> Array:
    """How often each row's caption occurs."""
    return (captions[:, None] == captions).sum(1)


def _floor(captions: Array) -> float:
    return float(np.log(_counts(captions)).mean())


_FLOOR = {
    "0 would need probability 1 for one caption out of several equal ones. They have the same feature, so "
    "the softmax cannot tell them apart.": lambda c: 0.0,
    "log N is where a network starts that knows nothing. How low can the best one get?": lambda c: np.log(
        len(c)
    ),
    "You take the log of the mean count. Wanted is the mean of the logs.": lambda c: np.log(
        _counts(c).mean()
    ),
    "You average over different captions. The loss averages over rows: a caption that occurs m times has m "
    "of them.": lambda c: np.log(np.unique(c, return_counts=True)[1]).mean(),
    "You count the others with the same caption. The pair itself is among the m that share the "
    "probability.": lambda c: np.log(np.maximum(_counts(c) - 1, 1)).mean(),
    "You treat all captions as equally frequent. Count each one: "
    "a row whose caption occurs m times pays log m.": lambda c: np.log(len(c) / len(np.unique(c))),
    "Both directions pay log m, and the loss takes half of each: log m, not 2 log m.": lambda c: (
        2 * _floor(c)
    ),
    "Rows *and* columns pay log m; half of each adds up to log m.": lambda c: _floor(c) / 2,
    "That is the share of wrong answers. The loss is a mean of −log probabilities.": lambda c: (
        1 - 1 / len(c) * (1 / _counts(c)).sum()
    ),
}


@check()
def floor(function: Any, seed: int = 0) -> Card:
    """Check ``function(captions)``: the least loss that any network can have on a batch with these captions.

    It gets the number of each pair's caption, (N,) integers.
    """
    rng = np.random.default_rng(seed)
    cases = [(np.r_[0, 0, 0, rng.integers(0, k, n)],) for n, k in ((6, 4), (9, 6), (12, 5), (7, 9))]
    praise = "A caption that occurs m times shares the probability m ways: log m for each of its rows."
    hint = "In the best case, what is the softmax of a row whose caption occurs m times in the batch?"
    return judge(function, cases, _floor, _FLOOR, praise, hint)


# ---- and the floor taken away ------------------------------------------------------------------------------------
def _masked(logits: Array, captions: Array, fill: float = -np.inf) -> Array:
    same = captions[:, None] == captions
    return np.where(same & ~np.eye(len(captions), dtype=bool), fill, logits)


def _as_positives(logits: Array, captions: Array) -> float:
    target = (captions[:, None] == captions) / _counts(captions)[:, None]
    return _both(logits, lambda a: float(-(target * (a - logsumexp(a, 1)[:, None])).sum(1).mean()))


def _dropped(logits: Array, captions: Array) -> float:
    _, first = np.unique(captions, return_index=True)
    return _both(logits[np.ix_(first, first)])


_MASKED = {
    "Nothing is masked: equal captions still count as wrong answers.": lambda a, c: _both(a),
    "Masked rightly, but one direction only: add the columns, and halve.": lambda a, c: _rows(_masked(a, c)),
    "Masked rightly, but one direction only: add the rows, and halve.": lambda a, c: _rows(_masked(a, c).T),
    "You set the masked logits to 0, and exp(0) = 1 still takes part in the softmax. Set "
    "them to −∞.": lambda a, c: _both(_masked(a, c, 0.0)),
    "You count equal captions as further right answers (soft targets). That is another remedy, and its "
    "least loss is the floor again; here they are to be left out.": _as_positives,
    "You drop the repeated pairs altogether. Each pair keeps its row and its column; only what they are "
    "compared with shrinks.": _dropped,
    "That is the sum of both directions; CLIP takes half of it.": lambda a, c: 2 * _both(_masked(a, c)),
}


@check()
def masked_loss(function: Any, seed: int = 0) -> Card:
    """Check ``function(logits, captions)``: the symmetric loss that leaves equal captions out of the contrast.

    It gets scaled cosines (N, N) and the number of each pair's caption, (N,) integers.
    """
    rng = np.random.default_rng(seed)
    cases = []
    for n, k in ((5, 3), (6, 4), (8, 5), (7, 4)):
        captions = np.concatenate([[0, 0], rng.integers(0, k, n - 2)])
        cases.append((rng.normal(0, 3, (n, n)), captions))
    praise = "Equal captions at −∞, the diagonal kept; now the least loss is 0."
    hint = (
        "NaN or ∞? Then the diagonal went too: the pair itself must stay. Else: −∞ where captions i ≠ j are "
        "equal, then as before."
    )
    return judge(function, cases, lambda a, c: _both(_masked(a, c)), _MASKED, praise, hint)
