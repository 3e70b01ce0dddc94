"""BERT: hide some words, say which they were from all the others (Devlin et al. 2018; note §3.1).

X₁ is the text with [MASK], X₂ the hidden words. The network's answer at a [MASK] estimates P(x₂ | x₁), which
is E[X₂ | X₁ = x₁] when words are one-hot: the ψ* of note §3.3.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ssl_course import nets
from ssl_course.data.texts import Texts
from ssl_course.interfaces import Pair
from ssl_course.methods.language import LanguageModel
from ssl_course.pretext.words import CLS, IGNORE, MASK, SEP, SPECIAL, mask_words, without_tail


class Candidate(NamedTuple):
    """A word that could stand at a [MASK]."""

    word: str
    probability: float


class BERT(LanguageModel):
    """Masked words, bidirectional; `BERT()` suits the film-review world.

    Args:
        vocab_size, context, dim, depth, heads: see `LanguageModel`.
        mask_ratio: share of the words that is to be guessed; of them 80 % show [MASK], 10 % a random word,
            10 % themselves.
    """

    defaults = {"optimizer": "adamw", "lr": 3e-3, "weight_decay": 0.01, "steps": 1000, "batch_size": 64}

    def __init__(
        self,
        vocab_size: int | None = None,
        context: int = 32,
        dim: int = 64,
        depth: int = 1,
        heads: int = 4,
        mask_ratio: float = 0.15,  # as in §3.1: the more are hidden, the less is left to guess from
    ) -> None:
        self.arguments = nets.arguments(locals())
        super().__init__(vocab_size, context, dim, depth, heads, causal=False)
        if not 0 < mask_ratio <= 1:
            raise ValueError(f"mask_ratio must be in (0, 1], got {mask_ratio}")
        self.mask_ratio = mask_ratio

    def pair(self, batch: Texts, generator: torch.Generator | None = None) -> Pair:
        """X₁: ids (N, T), most chosen words behind [MASK].
        X₂: the chosen words' ids (N, T), `IGNORE` elsewhere.

        Two in ten of the chosen show another word or themselves (`mask_words`):
        X₂ is not always out of sight.
        """
        # Pads at the end of a batch of short texts cost time and teach nothing.
        return mask_words(without_tail(batch.rows), self.vocab_size, self.mask_ratio, generator)

    def forward(self, batch: Texts, generator: torch.Generator | None = None) -> Tensor:
        """Mean cross-entropy of the chosen words in nats; 0 if chance chose none."""
        inputs, targets = self.pair(batch, generator)
        # No loss at words that are shown: copying them is easy and would drown the few that must be guessed
        # (§3.1).
        chosen = targets != IGNORE  # (N, T)
        logits = self.scores(self.hidden(inputs)[chosen])  # (chosen, V): the last layer where it is asked for
        # A sum over at least one: in a short batch chance may choose no word, and a mean of nothing is NaN.
        return F.cross_entropy(logits, targets[chosen], reduction="sum") / chosen.sum().clamp(min=1)

    @torch.no_grad()
    def probabilities(self, text: str, only: Sequence[int] | None = None) -> Tensor:
        """P(word | the rest of the text) at each [MASK], (masks, V); special ids have probability 0.

        In a text longer than the context, each [MASK] sees the words nearest to it.

        Args:
            text: as typed.
            only: which of its [MASK]s to answer, 0 the first; all by default.

        Raises:
            ValueError: there is no [MASK] in the text.
        """
        ids = torch.tensor(self.ids(text), dtype=torch.long)
        holes = (ids == MASK).nonzero()[:, 0]
        if not len(holes):
            raise ValueError("there is no [MASK] in the text: put one in place of a word")
        holes = holes if only is None else holes[list(only)]
        # [CLS] and [SEP] stand around the words, as they did in every text of training.
        room = min(self.context - 2, len(ids))
        start = (holes - room // 2).clamp(0, len(ids) - room)  # (masks,)
        probabilities = []
        # A row for each hole, with the other holes in sight as [MASK]:
        # in training, too, several are hidden at once.
        for hole, first in zip(holes.split(256), start.split(256), strict=True):
            rows = F.pad(ids[first[:, None] + torch.arange(room)], (1, 1), value=SEP)  # (m, room + 2)
            rows[:, 0] = CLS
            rows = rows.to(self.bias.device)
            states = self.hidden(rows)[torch.arange(len(hole)), 1 + hole - first]  # (m, dim)
            probabilities.append(_words_only(self.scores(states)).softmax(-1))
        return torch.cat(probabilities)

    def fill(self, text: str, k: int = 5) -> list[list[Candidate]]:
        """The k most probable words at each [MASK] of a text, in descending order.

        ``fill("A quick [MASK] fox jumps over the [MASK] dog")`` gives two lists. With pieces of words a
        candidate may be a piece. Words the model does not know take part as [UNK];
        ``tokenizer.unknown(text)`` lists them.
        """
        p, ids = self.probabilities(text).topk(min(k, self.vocab_size - len(SPECIAL)))
        return [
            # a piece has its space in front
            [Candidate(self.reader.token(i).strip(), q) for i, q in zip(row, values, strict=True)]
            for row, values in zip(ids.tolist(), p.tolist(), strict=True)
        ]

    def psi(self, ids: Tensor, words: Sequence[str]) -> Tensor:
        """ψ(x₁) = P(x₂ | x₁) over ``words`` with the first of them in each text hidden, (N, T) →
        (N, len(words)).

        The answer itself as features, where `encode` gives the states behind it: note §3.3's ψ, which in the
        film-review world is a linear map of P(Y | x₁) when X₁ ⟂ X₂ | Y. For a probe:
        ``linear_probe(functools.partial(bert.psi, words=VERBS), …)``.

        Raises:
            ValueError: a text without any of the words.
        """
        # One mask, one word: two in a row would be guessed without each other (§3.1 hides pieces, too).
        wanted = torch.tensor([self._one_id(w) for w in words], device=ids.device)
        hidden = torch.isin(ids, wanted)  # (N, T)
        if not hidden.any(1).all():
            raise ValueError(f"{int((~hidden.any(1)).sum())} of {len(ids)} texts have none of these words")
        place = hidden.int().argmax(1)  # the first
        # Out of sight, or the word would be copied instead of told from the others.
        scores = self._at(ids.scatter(1, place[:, None], MASK), place)  # (N, V)
        # Given that it is one of these: what the others of the vocabulary get says nothing of the class.
        return scores[:, wanted.to(scores.device)].softmax(-1)

    @torch.no_grad()
    def pseudo_perplexity(self, texts: Texts, batch_size: int = 256) -> float:
        """exp of the mean surprise, in nats, of each word when it alone is masked (Salazar et al. 2020).

        Comparable between masked models of one tokenizer only;
        a next-word model's perplexity is another thing.
        """
        ids = texts.rows
        # No mark of beginning or end is ever hidden in training, so none is asked for.
        rows, places = (ids >= len(SPECIAL)).nonzero(as_tuple=True)
        total = 0.0
        for row, place in zip(rows.split(batch_size), places.split(batch_size), strict=True):
            # One word at a time: hidden together, the words of a text could not help each other.
            hidden = self._at(ids[row].scatter(1, place[:, None], MASK), place)
            total += float(F.cross_entropy(hidden, ids[row, place].to(hidden.device), reduction="sum"))
        return math.exp(total / max(len(rows), 1))

    @torch.no_grad()
    def information(
        self, texts: Texts, targets: Sequence[str], others: Sequence[str], batch_size: int = 256
    ) -> tuple[float, float]:
        """What the words ``others`` tell of a word of ``targets`` in the same text, in nats,
        and its standard error.

        For every text with a word of both lists, the first of ``targets`` is masked and guessed twice: with
        the ``others`` visible and with them masked too. The mean of log P(x₂ | x₁, rest) − log P(x₂ | rest)
        estimates I(x₂; x₁ | rest). On texts that were told the sentiment (`Texts.told`), by a model trained
        on such texts, the sentiment is part of the rest: I(x₂; x₁ | Y), 0 under conditional independence. As
        a difference of two cross-entropies of an imperfect model it is no bound, and may come out below 0.
        Give it texts that the model has not seen.

        Raises:
            ValueError: no text has words of both lists.
        """
        ids = texts.rows
        lists = [
            torch.tensor([self._one_id(w) for w in words], device=ids.device) for words in (targets, others)
        ]
        wanted, context = (torch.isin(ids, words) for words in lists)  # (N, T) each
        rows = (wanted.any(1) & context.any(1)).nonzero()[:, 0]
        if not len(rows):
            raise ValueError("no text has a word of targets and a word of others")
        gains = []
        for row in rows.split(batch_size):
            place = wanted[row].int().argmax(1)  # the first
            seen = ids[row].scatter(1, place[:, None], MASK)
            answer = ids[row, place].to(self.bias.device)
            # The same word at the same place, twice: what makes it hard by itself cancels in the difference.
            loss = [
                F.cross_entropy(self._at(x, place), answer, reduction="none")
                for x in (torch.where(context[row], MASK, seen), seen)
            ]
            gains.append(loss[0] - loss[1])
        gain = torch.cat(gains).cpu().double()
        error = float(gain.std() / len(gain) ** 0.5) if len(gain) > 1 else math.inf
        return float(gain.mean()), error

    def _one_id(self, word: str) -> int:
        ids = self.ids(word)
        if len(ids) != 1 or ids[0] < len(SPECIAL):  # a word in pieces would need several masks
            raise ValueError(f"{word!r} is not one word of this model's vocabulary")
        return ids[0]

    def _at(self, ids: Tensor, places: Tensor) -> Tensor:
        """Scores of words at one place of each row, (n, V)."""
        ids, places = ids.to(self.bias.device), places.to(self.bias.device)
        rows = torch.arange(len(ids), device=ids.device)
        return _words_only(self.scores(self.hidden(ids)[rows, places]))


def _words_only(logits: Tensor) -> Tensor:
    """Scores with the special ids ruled out: an answer is a word."""
    return logits.index_fill(-1, torch.arange(len(SPECIAL), device=logits.device), -math.inf)
