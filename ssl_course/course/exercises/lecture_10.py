"""Exercises of lecture 10: what a contrast learns, where a masked loss begins, the floor taken away."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import logsumexp

from ssl_course.course.exercises.card import Card, check, is_stub
from ssl_course.course.exercises.judging import Rule, judge

Array = np.ndarray


def _rows(logits: Array) -> float:
    """Mean over rows of −log softmax at the diagonal."""
    return float((logsumexp(logits, 1) - logits.diagonal()).mean())


def _both(logits: Array, one: Callable[[Array], float] = _rows) -> float:
    """The mean over both directions of a loss of one."""
    return (one(logits) + one(logits.T)) / 2


# ---- what a contrast learns --------------------------------------------------------------------------------
def _centred(rule: Rule) -> Rule:
    """The rule's table with the mean of each row away, since a constant of the row is free."""

    def centred(joint: Array) -> Any:
        scores = rule(joint)
        if is_stub(scores):
            return scores
        table = np.asarray(scores, dtype=float)
        return table - table.mean(1, keepdims=True) if table.shape == joint.shape else table

    return centred


_SCORES = {
    "log P(x₂|x₁), or the log of the joint, favours frequent x₂. But frequent x₂ are frequent among the negatives, "
    "too: divide by P(x₂).": lambda p: np.log(p / p.sum(1, keepdims=True)),
    "That is the ratio itself. The softmax exponentiates its scores: return the logarithm.": (
        lambda p: p / p.sum(0) / p.sum(1, keepdims=True),
        lambda p: p / p.sum(0),
    ),
    "The sign: what fits gets the *higher* score.": lambda p: -np.log(p / p.sum(0)),
    "The joint probability, not its ratio to what chance would give.": (
        lambda p: p,
        lambda p: p / p.sum(1, keepdims=True),
    ),
    "Each entry is weighted by P(x₁, x₂): that is its part of the mutual information. The score is the "
    "logarithm alone.": lambda p: p * np.log(p / p.sum(0) / p.sum(1, keepdims=True)),
    "You divide by P(x₂) twice: the joint over P(x₁) P(x₂) is enough.": lambda p: np.log(
        p / p.sum(1, keepdims=True) / p.sum(0) ** 2
    ),
}


@check()
def optimal_scores(function: Any, seed: int = 0) -> Card:
    """Check ``function(joint)``: scores at which InfoNCE is least, up to a constant in each row
    (arXiv 1807.03748).

    It gets P(x₁, x₂), (d₁, d₂) positive numbers that sum to 1, and returns (d₁, d₂).
    """
    rng = np.random.default_rng(seed)
    cases = []
    for shape in ((2, 3), (4, 3), (3, 5), (5, 4)):
        joint = rng.gamma(1.0, size=shape) + 0.05
        cases.append((joint / joint.sum(),))
    praise = "log P(x₂|x₁)/P(x₂), or log P(x₁|x₂), which differs from it by a constant of the row."
    hint = "Wanted is log P(x₁, x₂)/(P(x₁) P(x₂)), whatever is added to a whole row."
    return judge(
        _centred(function) if callable(function) else function,
        cases,
        _centred(lambda p: np.log(p / p.sum(0))),
        {text: tuple(map(_centred, r if isinstance(r, tuple) else (r,))) for text, r in _SCORES.items()},
        praise,
        hint,
    )


# ---- where the masked loss begins ---------------------------------------------------------------------------------------------
def _counts(captions: Array) -> Array:
    """How often each row's caption occurs."""
    return (captions[:, None] == captions).sum(1)


_SILENCE = {
    "log N is where it starts without the mask. A masked row contrasts its pair with fewer.": lambda c: (
        np.log(len(c))
    ),
    "The pair itself stays in its row: of the m with its caption m − 1 go.": lambda c: np.log(
        np.maximum(len(c) - _counts(c), 1)
    ).mean(),
    "Log N less the floor is another number. A row of N − m + 1 equal scores pays their log, not "
    "log N − log m.": lambda c: np.log(len(c) / _counts(c)).mean(),
    "Repeated captions of *others* still count, each of them: not the number of different captions, but of "
    "entries.": lambda c: np.log(len(np.unique(c))),
    "You take the log of the mean. Wanted is the mean of the logs.": lambda c: np.log(
        (len(c) - _counts(c) + 1).mean()
    ),
    "You average over different captions. The loss averages over rows: a caption that occurs m times has m "
    "of them.": lambda c: np.log(len(c) - np.unique(c, return_counts=True)[1] + 1).mean(),
    "0 is the other end, of one who knows everything.": lambda c: 0.0,
    "Rows *and* columns pay this, and the loss takes half of each.": (
        lambda c: 2 * _silence(c),
        lambda c: _silence(c) / 2,
    ),
}


def _silence(captions: Array) -> float:
    return float(np.log(len(captions) - _counts(captions) + 1).mean())


@check()
def silence(function: Any, seed: int = 0) -> Card:
    """Check ``function(captions)``: the loss of a network whose scores are all equal, with equal captions masked.

    It gets the number of each pair's caption, (N,) integers.
    """
    rng = np.random.default_rng(seed)
    cases = [(np.r_[0, 0, 0, rng.integers(0, k, n)],) for n, k in ((6, 4), (9, 6), (12, 5), (7, 9))]
    praise = "The mean of log(N − m + 1). From here down to 0 the masked loss goes, and not from log N."
    hint = "How many entries are left in a row whose caption occurs m times? All have the same score."
    return judge(function, cases, _silence, _SILENCE, praise, hint)


# ---- and the floor taken away ------------------------------------------------------------------------------
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
    """Check ``function(logits, captions)``: the symmetric loss that leaves equal captions out of the
    contrast.

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
