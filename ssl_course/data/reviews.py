"""The film-review world: a small grammar whose every text and probability can be written down (note §3.5.1).

    sentiment y ─→ adjective of one sentence, x₁ = (s₁, t₁)      "The CG is awesome."
        └───────→ verb of the other, x₂ = (s₂, t₂)               "I like this movie."

A word that carries sentiment has a sign s (positive or negative, right with probability ``purity``) and an
intensity t (mild or strong). λ = ``dependence`` couples the intensities: P(x₁, x₂, y) =
½ P(s₁|y) P(s₂|y) ¼ (1 + λ t₁t₂). At λ = 0, X₁ ⟂ X₂ | Y: given happy or unhappy, the rest of the text says
nothing more about the verb. The rest (who, what, which part, the order of the sentences, a fox that comes by)
is drawn apart from all that. What is most shared by x₁ and x₂ is the sentiment as long as
λ < λ* = (2·purity − 1)², and the intensity above.
"""

import functools
import math
import re
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import torch

from ssl_course.data.texts import Texts, Tokenizer
from ssl_course.pretext.words import CLS, MASK, PAD
from ssl_course.theory import bounds, correlation, worlds

SENTIMENTS = ["happy", "unhappy"]  # y
INTENSITIES = ["mild", "strong"]  # v
ADJECTIVES = ["nice", "awesome", "dull", "awful"]  # x₁: (+, mild), (+, strong), (−, mild), (−, strong)
VERBS = ["like", "love", "dislike", "hate"]  # x₂: likewise

SUBJECTS = ["I", "We"]
THINGS = ["movie", "film", "story"]
PARTS = ["CG", "acting", "plot", "music"]
ORDERS = ["verb first", "adjective first"]
FOX = {  # "A quick brown fox jumps over the lazy dog.": each with its probability
    "speed": {"quick": 0.6, "slow": 0.4},
    "colour": {"brown": 0.6, "red": 0.3, "grey": 0.1},
    "mood": {"lazy": 0.6, "sleepy": 0.3, "old": 0.1},
}
FOX_PLACE = {"none": 0.8, "before": 0.1, "after": 0.1}  # a fifth of the texts have a fox, first or last
NAMES = {
    "sentiment": SENTIMENTS,
    "intensity": INTENSITIES,
    "adjective": ADJECTIVES,
    "verb": VERBS,
    "subject": SUBJECTS,
    "thing": THINGS,
    "part": PARTS,
    "order": ORDERS,
}
_COLUMNS = ("adjective", "verb", "subject", "thing", "part", "order")
_SIZES = tuple(len(NAMES[k]) for k in _COLUMNS)


@functools.cache
def tokenizer() -> Tokenizer:
    """One id for each word of the world, the names of the sentiments, and the punctuation."""
    fox = ["A", "fox", "jumps", "over", "the", "dog", *(w for slot in FOX.values() for w in slot)]
    glue = ["this", "is"]  # "The" and "the" are one word
    return Tokenizer.of_words(
        [".", ",", ":", *SENTIMENTS, *ADJECTIVES, *VERBS, *SUBJECTS, *THINGS, *PARTS, *glue, *fox]
    )


def review(
    verb: str = "like",
    adjective: str = "awesome",
    subject: str = "I",
    thing: str = "movie",
    part: str = "CG",
    order: str = "verb first",
) -> str:
    """One review without a fox; any word may be "[MASK]". The default is the note's own (§3.5.1)."""
    sentences = [f"{subject} {verb} this {thing}.", f"The {part} is {adjective}."]
    return " ".join(sentences if order == "verb first" else sentences[::-1])


def _foxes() -> list[tuple[str, float]]:
    """What the fox does to a text, with its probability; {} is the review."""
    ways = [("{}", FOX_PLACE["none"])]
    for (place, p), *slots in product(list(FOX_PLACE.items())[1:], *(slot.items() for slot in FOX.values())):
        speed, colour, mood = (word for word, _ in slots)
        sentence = f"A {speed} {colour} fox jumps over the {mood} dog."
        text = f"{sentence} {{}}" if place == "before" else f"{{}} {sentence}"
        ways.append((text, p * math.prod(q for _, q in slots)))
    return ways


class _Table(NamedTuple):
    """Every text there is, in the mixed radix (`_COLUMNS`, fox)."""

    strings: list[str]
    ids: torch.Tensor  # (M, T)
    fox: torch.Tensor  # (foxes,) probabilities


@functools.cache
def _table() -> _Table:
    foxes = _foxes()
    texts = product(*(NAMES[k] for k in _COLUMNS))
    plain = [review(**dict(zip(_COLUMNS, words, strict=True))) for words in texts]
    strings = [fox.format(text) for text in plain for fox, _ in foxes]
    ids, _ = tokenizer().rows(strings, 10**9)
    return _Table(strings, ids, torch.tensor([p for _, p in foxes], dtype=torch.float64))


class Shared(NamedTuple):
    """The functions of x₁ and x₂ that are correlated most, in descending order."""

    correlations: torch.Tensor  # (k,)
    x1: torch.Tensor  # (4, k): their values on `ADJECTIVES`, mean 0, variance 1
    x2: torch.Tensor  # (4, k): on `VERBS`


@dataclass(frozen=True)
class World(worlds.Enumerated):
    """The film-review world. ψ*(x₁) = P(x₂ | x₁) is what masked-word prediction must learn.

    ε_CI² is λ² (1 + (2·purity − 1)⁴) / 4 for the sentiment;
    the maximal correlations are c = (2·purity − 1)², λ and cλ.

    Args:
        dependence: λ in [0, 1]; 0 is exact conditional independence of adjective and verb given the
            sentiment.
        purity: probability that a word has the sign of the sentiment, in (1/2, 1].

    Raises:
        ValueError: a value outside its range.
    """

    dependence: float = 0.0
    purity: float = 0.9

    def __post_init__(self) -> None:
        if not 0 <= self.dependence <= 1:
            raise ValueError(f"dependence (λ) must be in [0, 1], got {self.dependence}")
        if not 0.5 < self.purity <= 1:
            raise ValueError(f"purity must be in (1/2, 1], got {self.purity}")

    # ---- the two words: tables, exact ---------------------------------------------------------------------

    def joint(self, label: str = "sentiment") -> torch.Tensor:
        """P(x₁, x₂, label), (4, 4, 2) float64: `ADJECTIVES`, `VERBS`, then `SENTIMENTS`, each in its order.
        The label is "sentiment", or "intensity" (of x₁).

        Raises:
            ValueError: another label.
        """
        joint = worlds.film_words(self.dependence, self.purity).joint
        if label == "sentiment":
            return joint
        if label == "intensity":
            table = joint.sum(2)
            return torch.stack([table * (torch.arange(4) % 2 == k)[:, None] for k in range(2)], 2)
        raise ValueError(f"unknown label {label!r}; the words have sentiment, intensity")

    def x2_values(self) -> torch.Tensor:
        """The value of X₂ in each of its states: one-hot, (4, 4)."""
        return torch.eye(len(VERBS), dtype=torch.float64)

    def flip(self) -> float:
        """λ* = (2·purity − 1)²: beyond it the leading shared feature is the intensity; at it, any mixture."""
        return (2 * self.purity - 1) ** 2

    def shared(self, k: int = 3) -> Shared:
        """The k most correlated pairs of functions of x₁ and x₂ (note §3.5.2);
        the first is the leading feature.

        The sign of a pair is arbitrary; here it is positive on the first word that it does not vanish on.
        """
        f, s, g = correlation.maximal_functions(self.joint().sum(2))
        first = f.gather(0, (f.abs() > 1e-6).int().argmax(0, keepdim=True)).sign()  # (1, k)
        return Shared(s[:k], (f * first)[:, :k], (g * first)[:, :k])

    def probe_limit(self, label: str = "sentiment", k: int | None = None) -> bounds.ProbeLimit:
        """What a linear probe reaches with infinitely many labels: of ψ*, or of its k leading features alone.

        k = 1 is a bottleneck of one number: it keeps the sentiment below `flip`, the intensity above.
        """
        values = self.x2_values() if k is None else self.shared(k).x2
        return bounds.probe_limit(self.joint(label), values)

    # ---- the texts: all of them, exact --------------------------------------------------------------------

    def texts(self) -> Texts:
        """Every text of the world once (28,416), in the order of `probabilities`; the sentiment is no label
        here, since a text does not determine it."""
        table = _table()
        return Texts(table.ids, list(table.strings), tokenizer=tokenizer())

    def probabilities(self, sentiment: str | None = None) -> torch.Tensor:
        """P(text), or P(text | sentiment), (M,) float64.

        Raises:
            ValueError: a sentiment that is neither None, "happy" nor "unhappy".
        """
        joint = self.joint()  # (4, 4, 2)
        if sentiment is None:
            words = joint.sum(2)
        elif sentiment in SENTIMENTS:
            words = 2 * joint[:, :, SENTIMENTS.index(sentiment)]
        else:
            raise ValueError(f"sentiment must be None or one of {SENTIMENTS}, got {sentiment!r}")
        rest = math.prod(_SIZES[2:])
        p = words.reshape(-1, 1, 1) / rest * _table().fox  # (16, 1, foxes)
        return p.expand(-1, rest, -1).reshape(-1)

    def fill(self, text: str, sentiment: str | None = None) -> torch.Tensor:
        """P(word | the rest of the text, and the sentiment if given) at each [MASK], (masks, V), exact.

        The text may be a beginning: it is then summed over how it can go on.

        Raises:
            ValueError: no [MASK], or no text of this world looks like that.
        """
        ids = torch.tensor(tokenizer().ids(text))
        holes = (ids == MASK).nonzero()[:, 0]
        if not len(holes):
            raise ValueError("there is no [MASK] in the text")
        rows, p = self._beginning(ids, sentiment)
        words = rows[:, 1 + holes]  # (m, masks)
        odds = torch.zeros(len(holes), len(tokenizer()), dtype=torch.float64)
        return odds.scatter_add_(1, words.T, p.expand(len(holes), -1)) / p.sum()

    def next_word(self, text: str = "", sentiment: str | None = None) -> torch.Tensor:
        """P(next word | the words so far, and the sentiment if given), (V,), exact; [SEP] is the text's end.

        Raises:
            ValueError: no text of this world begins like that, or goes on after it.
        """
        ids = torch.tensor(tokenizer().ids(text), dtype=torch.long)
        rows, p = self._beginning(ids, sentiment)
        odds = torch.zeros(len(tokenizer()), dtype=torch.float64)
        return odds.index_add_(0, rows[:, 1 + len(ids)], p) / p.sum()

    def _beginning(self, ids: torch.Tensor, sentiment: str | None) -> tuple[torch.Tensor, torch.Tensor]:
        """The texts that begin with these ids, [MASK] standing for any word, and their probabilities."""
        table = torch.nn.functional.pad(_table().ids, (0, 1), value=PAD)
        p = self.probabilities(sentiment)
        if 1 + len(ids) < table.shape[1]:
            start = torch.cat([torch.tensor([CLS]), ids])
            part = table[:, : len(start)]
            fits = torch.where(start == MASK, part > MASK, part == start).all(1)  # (M,); a word is > MASK
            fits &= (table[:, len(start)] != PAD) & (p > 0)
            if fits.any():
                return table[fits], p[fits]
        told = f" by somebody {sentiment}" if sentiment else ""
        raise ValueError(f"no text of this world begins{told} with {tokenizer().decode(ids)!r}")

    def entropy(self) -> float:
        """Of a whole text, in nats: no model of the texts gets below, on average."""
        p = self.probabilities()
        return float(torch.special.entr(p).sum())

    def perplexity(self) -> float:
        """The lowest perplexity that a next-word model can have here, per token, the end counted."""
        tokens = (_table().ids > CLS).sum(1).double()
        return math.exp(self.entropy() / float(self.probabilities() @ tokens))

    # ---- the sample ----------------------------------------------------------------------------------------

    def sample(self, n: int, seed: int = 0, single: float = 0.0) -> Texts:
        """Draw n texts with the labels of `NAMES`; the same seed gives the same texts, and λ alone changes
        nothing but the intensity of verbs.

        Args:
            n: how many, at least 1.
            seed: of all draws.
            single: share of the texts that are cut down to one of their sentences, any of them. People who
                type only "I [MASK] this movie." need a network that has seen such texts. The labels stay
                those of the whole text, also of words that are gone: use 0 to test what texts tell.

        Raises:
            ValueError: n < 1, or a share outside [0, 1].
        """
        if n < 1:
            raise ValueError(f"n must be at least 1, got {n}")
        if not 0 <= single <= 1:
            raise ValueError(f"single is a share in [0, 1], got {single}")
        u = torch.rand(n, 12, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        sentiment = (u[:, 0] < 0.5).long()
        s1 = sentiment ^ (u[:, 1] >= self.purity).long()  # 0 is positive, 1 negative
        s2 = sentiment ^ (u[:, 2] >= self.purity).long()
        v1 = (u[:, 3] < 0.5).long()
        v2 = v1 ^ (u[:, 4] >= (1 + self.dependence) / 2).long()
        columns = [2 * s1 + v1, 2 * s2 + v2]
        columns += [(u[:, 5 + k] * size).long() for k, size in enumerate(_SIZES[2:])]
        table = _table()
        fox = torch.searchsorted(table.fox.cumsum(0), u[:, 9].contiguous()).clamp(max=len(table.fox) - 1)
        row = torch.zeros(n, dtype=torch.long)
        for column, size in zip([*columns, fox], [*_SIZES, len(table.fox)], strict=True):
            row = row * size + column
        words = dict(zip(_COLUMNS, columns, strict=True))
        ids, strings = table.ids[row], [table.strings[i] for i in row.tolist()]
        if single:
            for i in (u[:, 10] < single).nonzero()[:, 0].tolist():
                sentences = re.findall(r"[^.]+\.", strings[i])
                strings[i] = sentences[int(u[i, 11] * len(sentences))].strip()
            ids, _ = tokenizer().rows(strings, 10**9)
        labels = {"sentiment": sentiment, "intensity": v1} | words
        return Texts(ids, strings, labels, names=dict(NAMES), tokenizer=tokenizer())
