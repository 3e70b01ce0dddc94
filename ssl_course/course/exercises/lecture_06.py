"""Exercises of lecture 06: the causal mask, BERT's 80/10/10 rule, and perplexity."""

from typing import Any

import numpy as np

from ssl_course.course.exercises.card import Card, check
from ssl_course.course.exercises.judging import Rule, judge
from ssl_course.pretext.words import IGNORE, MASK, PAD, SPECIAL

# ---- the causal mask ----------------------------------------------------------------------------------------------


_SEES = {
    "Transposed: here the first word sees all the others, and the last only itself. "
    "Row i says what word i sees.": lambda n: np.tri(n).T,
    "Off by one: word i sees word i + 1, which is just what it must predict. "
    "The loss falls to 0 and nothing is learned.": lambda n: np.tri(n, k=1),
    "Off by one: word i does not see itself, so the newest word is lost, and the first row sees nothing at "
    "all (a softmax over nothing is NaN).": lambda n: np.tri(n, k=-1),
    "Turned over: True stands where a word must NOT look. Some libraries mark it so; "
    "here True is what is seen.": lambda n: np.tri(n, k=-1).T,
    "Every word sees every word: that is BERT's mask, not GPT's.": lambda n: np.ones((n, n)),
    "Each word sees itself alone. All earlier words may be seen, too.": lambda n: np.eye(n),
    "Each word sees itself and one before: all earlier words may be seen.": lambda n: (
        np.tri(n) - np.tri(n, k=-2)
    ),
    "Nobody sees anything.": lambda n: np.zeros((n, n)),
}


@check()
def causal_mask(function: Any, seed: int = 0) -> Card:
    """Check ``function(n)``: an (n, n) mask, True in row i and column j if word i may see word j (lecture 06).

    It gets a whole number, returns booleans or zeros and ones.
    """
    sizes = np.random.default_rng(seed).choice(np.arange(4, 16), 4, replace=False)
    praise = (
        "Each word sees itself and all before it: with that, every place of every text is an example at once."
    )
    hint = "Row i must be True up to and including column i, and False after it."
    return judge(function, [(int(n),) for n in sizes], np.tri, _SEES, praise, hint)


# ---- 80/10/10 -----------------------------------------------------------------------------------------------------

RATIO = 0.15


def _chosen(ids: np.ndarray, u: np.ndarray) -> np.ndarray:
    return (u < RATIO) & (ids >= len(SPECIAL))


def _shown(ids: np.ndarray, v: np.ndarray, anything: np.ndarray) -> np.ndarray:
    """What each word would show if it were chosen."""
    return np.where(v < 0.8, MASK, np.where(v < 0.9, anything, ids))


def _asked(ids: np.ndarray, chosen: np.ndarray, v: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    return np.where(chosen, ids, IGNORE)


def _masking(choose: Rule = _chosen, show: Rule = _shown, ask_for: Rule = _asked) -> Rule:
    """BERT's rule, or a wrong one that chooses, shows or asks for other words."""

    def rule(ids: np.ndarray, u: np.ndarray, v: np.ndarray, anything: np.ndarray) -> np.ndarray:
        chosen = choose(ids, u)
        inputs = np.where(chosen, show(ids, v, anything), ids)
        return np.stack([inputs, ask_for(ids, chosen, v, inputs)])

    return rule


_MASKING = {
    "Every chosen word shows [MASK]. Then the network learns nothing about words that it sees: 80 % [MASK], "
    "10 % another word, 10 % as they are.": _masking(show=lambda ids, v, a: MASK),
    "80 % show [MASK] and all the rest another word: the 10 % that stay as they are have been "
    "forgotten.": _masking(show=lambda ids, v, a: np.where(v < 0.8, MASK, a)),
    "80 % show [MASK] and all the rest stay: the 10 % that show another word have been forgotten.": _masking(
        show=lambda ids, v, a: np.where(v < 0.8, MASK, ids)
    ),
    "The three shares overlap: v < 0.1 for another word lies within v < 0.8. "
    "Use v < 0.8, then v < 0.9.": _masking(
        show=lambda ids, v, a: np.where(v < 0.1, a, np.where(v < 0.8, MASK, ids))
    ),
    "The loss counts every word: the network is mostly asked for words that it sees. Only the chosen ones "
    "count.": _masking(ask_for=lambda ids, c, v, x: np.where(ids >= len(SPECIAL), ids, IGNORE)),
    "The loss counts the [MASK]s only. All chosen words count, those that show another word or themselves, "
    "too.": _masking(ask_for=lambda ids, c, v, x: np.where(c & (v < 0.8), ids, IGNORE)),
    "The words that were chosen and stay as they are count, too: all chosen ones.": _masking(
        ask_for=lambda ids, c, v, x: np.where(c & (v < 0.9), ids, IGNORE)
    ),
    "The targets are taken after masking: the network is asked for [MASK] itself. "
    "Keep the ids of before.": _masking(ask_for=lambda ids, c, v, x: np.where(c, x, IGNORE)),
    "Targets that do not count are −100, which the loss leaves out; 0 is [PAD], a word to be learned.": _masking(
        ask_for=lambda ids, c, v, x: np.where(c, ids, 0)
    ),
    "Special ids are chosen, too. [PAD], [UNK], [CLS], [SEP] and [MASK] (0 to 4) are no words.": _masking(
        lambda ids, u: u < RATIO
    ),
    "All words go through 80/10/10. First choose 15 % of them (u < 0.15); "
    "only those are changed and asked for.": _masking(lambda ids, u: ids >= len(SPECIAL)),
}


@check()
def mask_rule(function: Any, seed: int = 0) -> Card:
    """Check ``function(ids, u, v, anything)``: BERT's 80/10/10 rule with the dice already thrown (lecture 06).

    It gets ids (T,) with the special ids 0 to 4, uniform numbers u and v in [0, 1), (T,) each, and random
    words ``anything`` (T,); returns inputs and targets, (2, T).
    """
    rng = np.random.default_rng(seed)
    cases = []
    for _ in range(3):
        ids = rng.integers(len(SPECIAL), 40, 400)
        special = rng.random(400) < 0.2
        ids[special] = rng.integers(0, len(SPECIAL), int(special.sum()))
        other = (ids - len(SPECIAL) + rng.integers(1, 34, 400)) % 35  # never the word itself
        cases.append((ids, rng.random(400), rng.random(400), other + len(SPECIAL)))
    praise = "Words that stay or change make the network look at every word: it never knows which ones it may trust."
    hint = (
        "Chosen: u < 0.15 and a word (id ≥ 5). Inputs: 4 where v < 0.8, anything where 0.8 ≤ v < 0.9, else "
        "the id. Targets: the id where chosen, else −100."
    )
    return judge(function, cases, _masking(), _MASKING, praise, hint)


# ---- perplexity ---------------------------------------------------------------------------------------------------


def _surprise(p: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Nats of the tokens that count."""
    return -np.log(p[ids != PAD])


def _per_text(p: np.ndarray, ids: np.ndarray) -> np.ndarray:
    return np.array([_surprise(row, k).mean() for row, k in zip(p, ids, strict=True)])


_PERPLEXITY = {
    "Pads are counted. What stands after the end of a text (id 0) is no word: "
    "leave it out of the mean.": lambda p, ids: np.exp(-np.log(p).mean()),
    "The surprise of the words is divided by all places, pads counted. "
    "Divide by the number of words.": lambda p, ids: np.exp(-np.log(p[ids != PAD]).sum() / p.size),
    "Two bases: surprise in nats (log), then 2 to its power. Use exp with log, or 2** with log2: either "
    "gives the same number.": lambda p, ids: 2 ** _surprise(p, ids).mean(),
    "Two bases: surprise in bits (log2), then exp. Use exp with log, or 2** with log2.": lambda p, ids: (
        np.exp(_surprise(p, ids).mean() / np.log(2))
    ),
    "Two bases: log is natural, 10** undoes log10. Use exp with log.": lambda p, ids: (
        10 ** _surprise(p, ids).mean()
    ),
    "That is the mean surprise in nats, the cross-entropy. Perplexity is exp of it: "
    "a number of equally likely words.": lambda p, ids: _surprise(p, ids).mean(),
    "That is the mean surprise in bits. Perplexity is 2 to its power.": lambda p, ids: (
        _surprise(p, ids).mean() / np.log(2)
    ),
    "The mean of the surprise, not its sum.": lambda p, ids: np.exp(_surprise(p, ids).sum()),
    "Upside down: that is the (geometric) mean probability. "
    "A good model has a LOW perplexity, of at least 1.": lambda p, ids: np.exp(-_surprise(p, ids).mean()),
    "You average 1/p. The average belongs into the logarithm: exp of the mean of −log p.": lambda p, ids: (
        1 / p[ids != PAD]
    ).mean(),
    "You average the probabilities. The average belongs into the logarithm: "
    "exp of the mean of −log p.": lambda p, ids: 1 / p[ids != PAD].mean(),
    "You average the perplexities of the texts. Average the surprise over all words first, then take exp "
    "once.": lambda p, ids: np.exp(_per_text(p, ids)).mean(),
    "You average text by text, so a word of a short text counts more. "
    "All words count alike.": lambda p, ids: np.exp(_per_text(p, ids).mean()),
}


@check()
def perplexity(function: Any, seed: int = 0) -> Card:
    """Check ``function(p, ids)``: the perplexity of a next-word model (lecture 06).

    It gets p (N, T), the probability that the model gave to each token that came, and the tokens' ids (N, T),
    0 where a text has ended.
    """
    rng = np.random.default_rng(seed)
    cases = []
    for _ in range(6):
        n, length = int(rng.integers(2, 5)), int(rng.integers(6, 12))
        ids = rng.integers(3, 30, (n, length))
        ends = rng.permutation(np.linspace(2, length - 1, n).round().astype(int))
        ids[np.arange(length) >= ends[:, None]] = PAD
        cases.append((rng.uniform(0.02, 0.98, (n, length)), ids))
    praise = "Among so many equally likely words the model wavers, on average, at each step."
    hint = "Three steps: −log p where ids is not 0; the mean over all those words; exp."
    return judge(function, cases, lambda p, ids: np.exp(_surprise(p, ids).mean()), _PERPLEXITY, praise, hint)
