"""Exercises of lecture 10: what a contrast learns from any strangers, where a masked loss begins,
what half a mask and a shared target leave of the floor."""

from typing import Any

import numpy as np

from ssl_course.course.exercises.card import Card, check, is_stub
from ssl_course.course.exercises.judging import Rule, judge

Array = np.ndarray


# ---- what a contrast learns of strangers from Q -----------------------------------------------------------
def _rows_centred(rule: Rule) -> Rule:
    """The rule's table with the mean of each row away, since a constant of the row is free."""

    def centred(joint: Array, noise: Array) -> Any:
        scores = rule(joint, noise)
        if is_stub(scores):
            return scores
        table = np.asarray(scores, dtype=float)
        return table - table.mean(1, keepdims=True) if table.shape == joint.shape else table

    return centred


_SCORES = {
    "That is the PMI: right where P(x₂) draws the strangers, as in a batch. Here another distribution does: where in "
    "the proof did P(x₂) come from?": lambda p, q: np.log(p / p.sum(0)),
    "The conditional probability, or the joint, knows nothing of the strangers. What often is one must score less.": (
        lambda p, q: np.log(p)
    ),
    "A ratio or a probability. The softmax exponentiates its scores: return the logarithm.": (
        lambda p, q: p / q / p.sum(1, keepdims=True),
        lambda p, q: p / q,
        lambda p, q: p,
        lambda p, q: p / p.sum(1, keepdims=True),
    ),
    "The sign: what fits gets the *higher* score.": lambda p, q: -np.log(p / q),
    "The sign of Q: what often is a stranger must score less, not more.": lambda p, q: np.log(p * q),
    "Each entry is weighted by P(x₁, x₂), as in a mean over pairs. The score is the logarithm alone.": (
        lambda p, q: p * np.log(p / q / p.sum(1, keepdims=True))
    ),
    "You divide by P(x₂) as well. One distribution draws the strangers: one division.": lambda p, q: np.log(
        p / p.sum(0) / q
    ),
}


@check()
def optimal_scores(function: Any, seed: int = 0) -> Card:
    """Check ``function(joint, noise)``: scores at which InfoNCE is least, up to a constant in each row, if
    ``noise`` draws the wrong x₂ (arXiv 1807.03748, where it is P(x₂)).

    It gets P(x₁, x₂), (d₁, d₂) positive numbers that sum to 1, and Q(x₂), (d₂,) likewise; it returns (d₁, d₂).
    """
    rng = np.random.default_rng(seed)
    cases = []
    for shape in ((2, 3), (4, 3), (3, 5), (5, 4)):
        joint, noise = rng.gamma(1.0, size=shape) + 0.05, rng.gamma(1.0, size=shape[1]) + 0.05
        cases.append((joint / joint.sum(), noise / noise.sum()))
    praise = "log P(x₂|x₁)/Q(x₂), whatever is added to a row. Where Q is P(x₂) it is the PMI."
    hint = "The true x₂ comes from P(x₂|x₁), the others from Q. Which place is the true one's? Bayes, as in line 1 of the proof."
    return judge(
        _rows_centred(function) if callable(function) else function,
        cases,
        _rows_centred(lambda p, q: np.log(p / q)),
        {text: tuple(map(_rows_centred, r if isinstance(r, tuple) else (r,))) for text, r in _SCORES.items()},
        praise,
        hint,
    )


# ---- where the masked loss begins --------------------------------------------------------------------------
def _counts(captions: Array) -> Array:
    """How often each row's caption occurs."""
    return (captions[:, None] == captions).sum(1)


_SILENCE = {
    "log N is where it starts without the mask. A masked row contrasts its pair with fewer.": lambda c: (
        np.log(len(c))
    ),
    "The pair itself stays in its row: of the q with its caption q − 1 go.": lambda c: np.log(
        np.maximum(len(c) - _counts(c), 1)
    ).mean(),
    "Log N less the floor is another number. A row of N − q + 1 equal scores pays their log, not "
    "log N − log q.": lambda c: np.log(len(c) / _counts(c)).mean(),
    "Repeated captions of *others* still count, each of them: not the number of different captions, but of "
    "entries.": lambda c: np.log(len(np.unique(c))),
    "You take the log of the mean. Wanted is the mean of the logs.": lambda c: np.log(
        (len(c) - _counts(c) + 1).mean()
    ),
    "You average over different captions. The loss averages over rows: a caption that occurs q times has q "
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
    praise = "The mean of log(N − q + 1). From here down to 0 the masked loss goes, and not from log N."
    hint = "How many entries are left in a row whose caption occurs q times? All have the same score."
    return judge(function, cases, _silence, _SILENCE, praise, hint)


# ---- half a mask, and a shared target ----------------------------------------------------------------------
def _floor(captions: Array) -> float:
    return float(np.log(_counts(captions)).mean())


_FLOORS = {
    "(1) Nothing is masked in the columns: each of the q rows of a caption still pays log q there, and the columns are "
    "half of the loss.": (lambda c: (0.0, _floor(c)), lambda c: (0.0, 0.0)),
    "(1) The masked rows can reach 0; only the columns pay, and they are half of the loss.": lambda c: (
        _floor(c),
        _floor(c),
    ),
    "(2) A target of 1/q for q equal captions is met by a softmax of 1/q each, and −log of that is log q, not 0: "
    "the loss has the entropy of its target in it.": (
        lambda c: (_floor(c) / 2, 0.0),
        lambda c: (_floor(c), 0.0),
    ),
    "(2) Rows *and* columns pay log q; half of each adds up to log q.": lambda c: (_floor(c) / 2,) * 2,
    "(1) and (2) have changed places.": lambda c: (_floor(c), _floor(c) / 2),
    "You take the log of the mean count. Wanted is the mean of the logs.": lambda c: (
        np.log(_counts(c).mean()) * np.array([0.5, 1])
    ),
    "You average over different captions. The loss averages over rows: a caption that occurs q times has q "
    "of them.": lambda c: np.log(np.unique(c, return_counts=True)[1]).mean() * np.array([0.5, 1]),
}


@check()
def two_floors(function: Any, seed: int = 0) -> Card:
    """Check ``function(captions)``: the least loss (1) with equal captions masked in the rows only, (2) with
    nothing masked and a target of 1/q for each of the q equal captions.

    It gets the number of each pair's caption, (N,) integers, and returns two numbers.
    """
    rng = np.random.default_rng(seed)
    cases = [(np.r_[0, 0, 0, rng.integers(0, k, n)],) for n, k in ((6, 4), (9, 6), (12, 5), (7, 9))]
    praise = "Half of the floor is left by half a mask; a shared target leaves all of it, as its own entropy."
    hint = "What do rows pay, and what columns, when equal captions have one feature and the others are far away?"
    right = lambda c: (_floor(c) / 2, _floor(c))  # noqa: E731
    return judge(function, cases, right, _FLOORS, praise, hint)
