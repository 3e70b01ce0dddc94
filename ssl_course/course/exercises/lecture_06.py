"""Exercises of lecture 06: a head by hand, the flip of two unlike words,
and how far a shown word may be trusted."""

from typing import Any

import numpy as np

from ssl_course.course.exercises.card import Card, ask, check, passed, wrong
from ssl_course.course.exercises.judging import Rule, judge

# ---- a head by hand ----------------------------------------------------------------------------------------


@check()
def looks_back(function: Any) -> Card:
    """Check ``function(n)``: queries and keys (n, d) of a causal head in which each of n places gives at least
    .99 of its weight to the one before it (lecture 06).
    """
    for n in (7, 3, 12):
        try:
            queries, keys = (np.asarray(x, dtype=float) for x in ask(function, n))
            if queries.ndim != 2 or queries.shape != keys.shape or len(keys) != n:
                return wrong(
                    f"For n = {n}, two arrays of {n} rows and equally many numbers a row are wanted."
                )
        except (TypeError, ValueError):
            return wrong("Two arrays are wanted, the queries (n, d) and the keys (n, d).")
        scores = queries @ keys.T / np.sqrt(keys.shape[1])
        if not np.isfinite(scores).all():
            return wrong("No infinite numbers: the mask is applied for you, and products are finite.")
        seen = np.where(np.tri(n, dtype=bool), scores, -np.inf)
        weights = np.exp(seen - seen.max(1, keepdims=True))
        weights /= weights.sum(1, keepdims=True)
        if np.diagonal(weights, -1).min() >= 0.99:
            continue
        if np.ptp(scores) < 1e-9:
            return wrong(
                "All scores are equal: each place shares its weight out evenly. What tells two places apart?"
            )
        if (scores.argmax(1)[:-1] == np.arange(1, n)).all():
            return wrong(
                "Each query fits the key of the place *after* it, which is hidden: the row asks, the column is asked."
            )
        if (weights.argmax(1) == np.arange(n)).all():
            return wrong("Each place looks at itself: query i should fit the key of place i − 1.")
        if (weights.argmax(1)[1:] == np.arange(n - 1)).all():
            return wrong(
                f"It looks back, but too softly: at n = {n} one place gives only {np.diagonal(weights, -1).min():.2f} of its weight. The "
                "product is divided by √d, and up to n − 1 others share in the softmax."
            )
        return wrong(
            f"At n = {n}, row {int((weights.argmax(1)[1:] != np.arange(n - 1)).argmax()) + 1} looks elsewhere. Let each place "
            "have a direction of its own."
        )
    return passed("Positions alone do it, whatever the words are: so can a head that has learned to.")


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
