"""Exercises of lecture 06: one head of attention, the flip of two unlike words,
and how far a shown word may be trusted."""

from typing import Any

import numpy as np

from ssl_course.course.exercises.card import Card, check
from ssl_course.course.exercises.judging import Rule, judge

# ---- one head of attention ---------------------------------------------------------------------------------


def _softmax(scores: np.ndarray, axis: int = 1) -> np.ndarray:
    e = np.exp(scores - scores.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def _earlier(n: int, k: int = 0) -> np.ndarray:
    return np.tri(n, k=k, dtype=bool)


def _attends(
    scale: str = "root", axis: int = 1, sees: Any = _earlier, hide: float = -1e30, turned: bool = False
) -> Rule:
    """Attention, or a wrong one that scales, normalises or hides otherwise; ``sees`` None hides nothing."""

    def rule(queries: np.ndarray, keys: np.ndarray, values: np.ndarray, causal: bool) -> np.ndarray:
        n, d = queries.shape
        scores = (keys @ queries.T if turned else queries @ keys.T) / {
            "root": np.sqrt(d), "no": 1.0, "d": d, "places": np.sqrt(n),
        }[scale]  # fmt: skip
        if causal and sees is not None:
            scores = np.where(sees(n), scores, hide)
        return _softmax(scores, axis) @ values

    return rule


def _hides_too_late(queries: np.ndarray, keys: np.ndarray, values: np.ndarray, causal: bool) -> np.ndarray:
    weights = _softmax(queries @ keys.T / np.sqrt(queries.shape[1]))
    return (np.where(_earlier(len(queries)), weights, 0) if causal else weights) @ values


_ATTENTION: dict[str, Rule | tuple[Rule, ...]] = {
    "Divide the scores by √d: without it they have a variance of d, and one word takes nearly all the "
    "weight.": _attends("no"),
    "Divide by the root of d, not by d: the variance of a score is d, its standard deviation √d.": _attends("d"),
    "d is the length of a query, not the number of words.": _attends("places"),
    "The softmax runs along the wrong axis: each word shares out ITS weights among the words that it sees, so the "
    "rows of the table sum to 1.": _attends(axis=0),
    "Queries and keys have changed places: row i of the table is the query of word i against all keys.": _attends(
        turned=True
    ),
    "With causal=True nothing is hidden: word i may see the words up to i only.": _attends(sees=None),
    "Transposed: the first word sees all, the last one only itself. Row i says what word i "
    "sees.": _attends(sees=lambda n: _earlier(n).T),
    "Off by one: word i sees word i + 1, which is what it is to predict. The loss falls to 0 and nothing is "
    "learned.": _attends(sees=lambda n: _earlier(n, 1)),
    "A hidden score is −∞, not 0: exp(0) is 1, so the hidden words still get weight.": _attends(hide=0.0),
    "Hide before the softmax. Weights that are set to 0 after it leave a row that no longer sums to "
    "1.": _hides_too_late,
    "Without the softmax the weights are no shares: they may be negative, and do not sum to 1.": (
        lambda q, k, v, causal: (np.where(_earlier(len(q)), q @ k.T, 0) if causal else q @ k.T) / np.sqrt(q.shape[1]) @ v,
        lambda q, k, v, causal: (np.where(_earlier(len(q)), q @ k.T, 0) if causal else q @ k.T) @ v,
    ),
}  # fmt: skip


@check()
def attention(function: Any, seed: int = 0) -> Card:
    """Check ``function(queries, keys, values, causal)``: one head of attention
    (lecture 06; Vaswani et al. 2017, §3.2.1).

    It gets queries and keys (n, d), values (n, e), floats, and whether word i may see the words up to i only;
    returns (n, e).
    """
    rng, cases = np.random.default_rng(seed), []
    for causal in (False, True, True, False):
        n, d = (int(size) for size in rng.choice([3, 5, 6, 7, 9], 2, replace=False))
        cases.append((rng.normal(size=(n, d)), rng.normal(size=(n, d)), rng.normal(size=(n, 4)), causal))
    praise = "BERT and GPT differ in this one switch: who may be looked at."
    hint = "Scores (n, n): queries times keys over √d; where causal, −∞ above the diagonal; softmax of each row; times values."
    return judge(function, cases, _attends(), _ATTENTION, praise, hint)


# ---- the flip of two unlike words --------------------------------------------------------------------------

_FLIPS: dict[str, Rule | tuple[Rule, ...]] = {
    "That is the share of texts in which the two signs agree. Their correlation is twice that, less 1.": (
        lambda q1, q2: q1 * q2 + (1 - q1) * (1 - q2)
    ),
    "That holds where both words are alike. Here each brings its own factor.": (
        lambda q1, q2: (2 * q1 - 1) ** 2,
        lambda q1, q2: (2 * q2 - 1) ** 2,
        lambda q1, q2: (q1 + q2 - 1) ** 2,
    ),
    "A share is no correlation: a word that has the right sign half of the time (q = ½) tells nothing, yet your rule "
    "gives more than 0.": (
        lambda q1, q2: q1 * q2,
        lambda q1, q2: min(q1, q2),
        lambda q1, q2: (q1 + q2) / 2,
        lambda q1, q2: np.sqrt(q1 * q2),
    ),
    "Of the two factors 2q − 1 the product counts, not the mean and no root: both words must have kept the sign.": (
        lambda q1, q2: q1 + q2 - 1,
        lambda q1, q2: np.sqrt((2 * q1 - 1) * (2 * q2 - 1)),
    ),
    "A chain is worse than its weakest link: both factors count.": lambda q1, q2: 2 * min(q1, q2) - 1,
}


@check()
def flip_of_two(function: Any, seed: int = 0) -> Card:
    """Check ``function(q1, q2)``: λ* of the review world where the adjective has the right sign with
    probability q1, the verb with q2 (lecture 06).

    It gets two numbers in (½, 1), and returns one.
    """
    rng = np.random.default_rng(seed)
    cases = [(float(a), float(b)) for a, b in rng.uniform(0.55, 0.99, (6, 2))]
    praise = "(2q₁ − 1)(2q₂ − 1): the correlation of the two signs. Beyond it the intensity is shared more."
    hint = "Line 2 of the proof with q₁ for one word and q₂ for the other; then ask where λ overtakes."
    return judge(function, cases, lambda q1, q2: (2 * q1 - 1) * (2 * q2 - 1), _FLIPS, praise, hint)


# ---- how far a shown word may be trusted -------------------------------------------------------------------


_TRUST: dict[str, Rule | tuple[Rule, ...]] = {
    "That is what the rest of the text says. The word itself stands there: it was kept more often than it came by "
    "chance.": lambda p, n: p,
    "Kept and replaced are equally frequent, but a replaced word seldom becomes just this one: only in 1 of n "
    "cases.": lambda p, n: 0.5,
    "One of the n random words is the old one: then it was replaced, and is right all the same. Count p/n in the "
    "numerator, too.": (lambda p, n: p / (p + 1 / n), lambda p, n: p / (p + (1 - p) / n)),
    "The random word is drawn from all n, the old one too: n, not n − 1.": (
        lambda p, n: p / (p + (1 - p) / (n - 1)),
        lambda p, n: p * n / (p * (n - 1) + 1),
    ),
    "Nearly certain, but not quite: 10 % of the chosen words show another one.": lambda p, n: 1.0,
    "Some replaced words were other words before: all of them together give 1/n, not p/n, in the "
    "denominator.": lambda p, n: (p + p / n) / (p + p / n + (1 - p)),
    "Four fifths show [MASK], and here a word is shown: that part drops out of both sides.": (
        lambda p, n: (0.1 * p + 0.1 * p / n) / (0.8 + 0.1 * p + 0.1 / n),
        lambda p, n: 0.1 * p + 0.1 * p / n,
    ),
}


@check()
def trust(function: Any, seed: int = 0) -> Card:
    """Check ``function(p, n)``: the probability that a word which is shown at a chosen place is the one that
    stood there, under the 80/10/10 rule (lecture 06).

    It gets p, the word's probability given the rest of the text, and n, the number of words from which a
    random one is drawn (the old one among them); returns a number.
    """
    rng = np.random.default_rng(seed)
    cases = [
        (float(p), int(n)) for p, n in zip(rng.uniform(0.02, 0.9, 6), rng.integers(5, 60, 6), strict=True)
    ]
    praise = "A word that fits is believed, one that does not is overruled: BERT reads proof."
    hint = "Bayes: what shows this word? Kept: 0.1 p. Replaced: 0.1/n, whatever stood there, of which p/n was this word."
    return judge(function, cases, lambda p, n: (p + p / n) / (p + 1 / n), _TRUST, praise, hint)
