"""What BERT and GPT share: one Transformer, tied weights, a tokenizer that travels with the model."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssl_course.data.texts import MIN_PIECES, Texts, Tokenizer
from ssl_course.nets import TextTransformer
from ssl_course.pretext.words import CLS, PAD, SEP, SPECIAL, UNK, without_tail


class LanguageModel(nn.Module):
    """Texts as rows of ids → scores of every word at every place; see `BERT` and `GPT`.

    Args:
        vocab_size: number of ids, special ones included; None is the film-review world, with its tokenizer.
        context: longest row, [CLS] and [SEP] counted.
        dim: width of the Transformer, divisible by ``heads``.
        depth: number of blocks.
        heads: attention heads.
        causal: a word sees those before it (GPT), or all (BERT).

    Raises:
        ValueError: a size that does not fit.
    """

    def __init__(
        self,
        vocab_size: int | None = None,
        context: int = 32,
        dim: int = 64,
        depth: int = 1,
        heads: int = 4,
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.tokenizer: Tokenizer | None = None
        if vocab_size is None:
            from ssl_course.data import reviews  # late: its words are listed when first needed

            self.tokenizer = reviews.tokenizer()
            vocab_size = len(self.tokenizer)
        if vocab_size <= len(SPECIAL):
            raise ValueError(f"vocab_size must exceed the {len(SPECIAL)} special ids, got {vocab_size}")
        if context < 3:
            raise ValueError(f"context must be at least 3: begin, a word, end; got {context}")
        if dim % heads:
            raise ValueError(f"heads={heads} does not divide dim={dim}")
        self.vocab_size, self.context = vocab_size, context
        self.net = TextTransformer(vocab_size, context, dim, depth, heads, causal=causal)
        # Larger than the usual 0.02: at Adam's steps, tiny embeddings are thrown about for hundreds of steps
        # before two words of a text find each other.
        nn.init.normal_(self.net.tokens.weight, std=0.1)
        nn.init.normal_(self.net.positions, std=0.1)
        self.bias = nn.Parameter(torch.zeros(vocab_size))  # how frequent a word is, whatever the context

    @classmethod
    def arguments_for(cls, data: Texts) -> dict[str, int]:
        """Constructor arguments that suit these texts: ``BERT(**BERT.arguments_for(data))``.

        Nothing for the film-review world, whose arguments are the defaults. Untokenized texts get 4,096
        pieces and a context for their longest string (in steps of 32, at most 256).
        """
        if data.ids is not None:
            # The defaults are for the film-review world: do they suit these texts, too?
            own = cls()
            size = len(data.tokenizer) if data.tokenizer else int(data.ids.max()) + 1
            same = data.tokenizer is None or data.tokenizer.to_json() == own.reader.to_json()
            if size <= own.vocab_size and same and data.ids.shape[1] <= own.context:
                return {}
            return {"vocab_size": max(size, len(SPECIAL) + 1), "context": max(data.ids.shape[1], 3)}
        longest = max(map(len, data.strings), default=0)
        pieces = longest / 2.5  # about so many characters a piece, or more
        context = min(max(32 * math.ceil(pieces / 32), 32), 256)
        return {"vocab_size": 4096, "context": context, "dim": 128, "depth": 4}

    def prepare(self, data: Texts) -> Texts:
        """Texts with ids of this model's tokenizer, which is learned here from real text, once, and kept.

        Raises:
            ValueError: ids that this model has no room for, texts tokenized otherwise than those before, or
                texts of which more than half is unknown. The message says which arguments to give.
        """
        name = type(self).__name__
        advice = f"build the model with {name}(**{name}.arguments_for(data))"
        if data.ids is None:
            if self.tokenizer is None:
                if self.vocab_size < MIN_PIECES:
                    raise ValueError(f"vocab_size={self.vocab_size} is below {MIN_PIECES}: {advice}")
                # From the first texts that come, once: a test set must be read with the ids that the weights
                # know.
                self.tokenizer = Tokenizer.of_pieces(data.strings, self.vocab_size)
            data = data.tokenize(self.tokenizer, self.context)
            unknown, known = int((data.rows == UNK).sum()), int((data.rows >= len(SPECIAL)).sum())
            # It would learn that most things are [UNK], at a fine loss.
            if unknown > known:
                raise ValueError(f"{unknown} of {unknown + known} words are unknown to this model: {advice}")
        width, highest = data.rows.shape[1], int(data.rows.max())
        if highest >= self.vocab_size or width > self.context:
            raise ValueError(
                f"rows of {width} ids up to {highest} do not fit vocab_size={self.vocab_size} and "
                f"context={self.context}: {advice}"
            )
        # Compared by what they do: a tokenizer from a checkpoint is another object.
        if data.tokenizer is not None and data.tokenizer is not self.tokenizer:
            if self.tokenizer is not None and data.tokenizer.to_json() != self.tokenizer.to_json():
                raise ValueError(f"these texts were tokenized otherwise than this model's: {advice}")
            self.tokenizer = data.tokenizer
        return data

    def hidden(self, ids: Tensor) -> Tensor:
        """Hidden states of ids (N, T): (N, T, dim)."""
        return self.net(ids, self._padding(ids))

    def _padding(self, ids: Tensor) -> Tensor | None:
        """True where there is no token, (N, T)."""
        if self.net.causal:
            return None  # pads are at the end: a causal model's words do not see them anyway
        padding = ids == PAD
        padding[:, 0] = False  # a row of pads alone would have nothing to attend to, and give NaN
        return padding

    @torch.no_grad()
    def attention(self, ids: Tensor) -> Tensor:
        """Attention weights, ids (N, T) → (depth, N, heads, T, T):
        row i says how much place i takes from each place.

        A row sums to 1. They are softmax(query·key/√(dim/heads)) of Vaswani et al. 2017, §3.2.1; a place that
        may not be looked at (a pad, in GPT a later word) has 0.
        """
        # The positions are added, not appended: attention itself has no order (Vaswani 2017, §3.5).
        x = self.net.tokens(ids) + self.net.positions[: ids.shape[1]]  # (N, T, dim)
        padding, weights = self._padding(ids), []
        # Above the diagonal: a place may read itself and what came before it (Vaswani 2017, §3.2.3).
        later = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool, device=ids.device).triu(1)
        mask = later if self.net.causal else None
        blocks: Any = self.net.transformer.blocks
        for block in blocks:
            h = block.norm1(x)  # (N, T, dim)
            # Asked for once more: a block itself leaves its weights in a fused kernel.
            heads = block.self_attn(
                h, h, h, key_padding_mask=padding, attn_mask=mask, average_attn_weights=False
            )
            weights.append(heads[1])  # (N, heads, T, T)
            x = block(x, src_mask=mask, src_key_padding_mask=padding)
        return torch.stack(weights)

    def scores(self, hidden: Tensor) -> Tensor:
        """Hidden states (…, dim) → logits (…, V): the embedding is the last layer too (weight tying)."""
        # One table for reading and writing: half the weights, and each word learns from both uses
        # (Press, Wolf 2017).
        return F.linear(hidden, self.net.tokens.weight, self.bias)

    def logits(self, ids: Tensor) -> Tensor:
        """Scores of every id at every place, (N, T) → (N, T, V), before softmax.

        GPT: position t scores the word after ids[:, t]. BERT: the word at t, meaningful where it is [MASK].

        Raises:
            ValueError: not (N, T) int64, or T > context.
        """
        if ids.ndim != 2 or ids.dtype != torch.int64:
            raise ValueError(f"ids must be (N, T) int64, got {ids.dtype} {tuple(ids.shape)}")
        return self.scores(self.hidden(ids))

    def encode(self, x: Tensor | list[str]) -> Tensor:
        """The mean of a text's hidden states over its words, ids (N, T) or N strings → (N, dim).

        [CLS], [SEP] and pads do not count: nothing is ever predicted at them in BERT, and GPT's [SEP] is
        followed by nothing. A text without words is its [CLS].
        """
        ids = x if isinstance(x, Tensor) else self.prepare(Texts(None, list(x))).rows
        ids = without_tail(ids.to(self.bias.device))
        # The words' mean and not [CLS]: the paper trains that one by its next-sentence task, we do not.
        word = (ids != PAD) & (ids != CLS) & (ids != SEP)  # (N, T)
        word[:, 0] |= ~word.any(1)  # else 0 / 0
        weight = word / word.sum(1, keepdim=True)  # (N, T)
        return torch.einsum("nt,ntd->nd", weight, self.hidden(ids))

    @property
    def reader(self) -> Tokenizer:
        """The tokenizer, for who cannot do without.

        Raises:
            ValueError: this model has none yet.
        """
        if self.tokenizer is None:
            raise ValueError("this model has no tokenizer yet: data = model.prepare(data) gives it one")
        return self.tokenizer

    def ids(self, text: str) -> list[int]:
        """The ids of a text, without marks of beginning and end. Errors as in `reader`."""
        return self.reader.ids(text)

    def get_extra_state(self) -> Tensor:
        """The tokenizer as bytes, so that it is part of ``state_dict`` and of every checkpoint."""
        # A tensor, since a checkpoint keeps nothing else.
        text = self.tokenizer.to_json() if self.tokenizer else ""
        return torch.tensor(list(text.encode()), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """The inverse of `get_extra_state`."""
        text = bytes(state.cpu().tolist()).decode()
        self.tokenizer = Tokenizer.from_json(text) if text else None
