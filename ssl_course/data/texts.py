"""Labelled texts, and the tokenizer that turns them into rows of ids."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import tokenizers
import torch

from ssl_course.data.rows import Rows
from ssl_course.pretext.words import CLS, MASK, PAD, SEP, SPECIAL, UNK

MIN_PIECES = len(SPECIAL) + 256  # every byte has an id, so no text is unknown to pieces


class Tokenizer:
    """Text ↔ ids, by whole words (a small world) or by pieces of words (real text).

    The first ids are `SPECIAL`: [PAD] [UNK] [CLS] [SEP] [MASK]. Of these only [MASK] can be typed in a text.
    Make one with `Tokenizer.of_words`, `Tokenizer.of_pieces` or `Tokenizer.from_json`.
    """

    def __init__(self, core: tokenizers.Tokenizer, words: Sequence[str] | None = None) -> None:
        self.core = core
        self.words = list(words) if words is not None else None

    @classmethod
    def of_words(cls, words: Iterable[str]) -> Tokenizer:
        """One id for each word and punctuation mark of ``words``, in this order; all others are [UNK].

        Capitals do not matter in a text; ids are shown as written here.

        Raises:
            ValueError: a word that occurs twice, or that would be split (a space or a hyphen in it).
        """
        words = [*SPECIAL, *words]
        lower = [w.lower() for w in words[len(SPECIAL) :]]
        if len(set(lower)) < len(lower):
            raise ValueError("words has the same word twice (capitals do not count)")
        if split := [w for w in lower if not re.fullmatch(r"\w+|[^\w\s]+", w)]:
            raise ValueError(f"not one word or one punctuation mark: {split[0]!r}")
        vocabulary = {w: i for i, w in enumerate([*SPECIAL, *lower])}
        core = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token=SPECIAL[UNK]))
        core.normalizer = tokenizers.normalizers.Lowercase()
        core.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()  # words, and runs of punctuation
        core.add_special_tokens([tokenizers.AddedToken(SPECIAL[MASK], normalized=False)])
        return cls(core, words)

    @classmethod
    def of_pieces(cls, strings: Iterable[str], vocab_size: int = 4096) -> Tokenizer:
        """Byte-pair encoding learned on ``strings``: frequent words whole, rare ones in pieces,
        nothing unknown.

        (Sennrich et al. 2016, on bytes as in GPT-2.) A corpus with fewer pairs than asked gives fewer ids.

        Raises:
            ValueError: ``vocab_size`` below `MIN_PIECES`.
        """
        if vocab_size < MIN_PIECES:
            raise ValueError(
                f"vocab_size must be at least {MIN_PIECES} for real text "
                f"({len(SPECIAL)} special ids and 256 bytes), got {vocab_size}"
            )
        core = tokenizers.Tokenizer(tokenizers.models.BPE())
        core.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        core.decoder = tokenizers.decoders.ByteLevel()
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=list(SPECIAL),
            initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        core.train_from_iterator((" " + s for s in strings), trainer)
        plain = json.loads(core.to_str())
        # A typed "[PAD]" is then text like any other; the ids stay in the vocabulary.
        plain["added_tokens"] = []
        core = tokenizers.Tokenizer.from_str(json.dumps(plain))
        # lstrip: the space before a word belongs to its piece, so [MASK] must swallow it too
        core.add_special_tokens([tokenizers.AddedToken(SPECIAL[MASK], lstrip=True, normalized=False)])
        return cls(core)

    def __len__(self) -> int:
        """Number of ids."""
        return self.core.get_vocab_size()

    def to_json(self) -> str:
        """All there is to know, for a checkpoint."""
        return json.dumps({"core": self.core.to_str(), "words": self.words}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Tokenizer:
        """The tokenizer that `to_json` wrote."""
        parts = json.loads(text)
        return cls(tokenizers.Tokenizer.from_str(parts["core"]), parts["words"])

    def _encodings(self, strings: Iterable[str]) -> list[tokenizers.Encoding]:
        prefix = "" if self.words else " "  # the first word of a text is then the same piece as elsewhere
        return self.core.encode_batch([prefix + s for s in strings], add_special_tokens=False)

    def ids(self, text: str) -> list[int]:
        """The ids of a text, without marks of beginning and end."""
        return self._encodings([text])[0].ids

    def rows(self, strings: Sequence[str], context: int) -> tuple[torch.Tensor, torch.Tensor]:
        """[CLS] text [SEP] of each string, padded at the end to the longest.

        Returns:
            ids (N, T), T ≤ context; and a BoolTensor (N,) of texts that were longer and lost their end.

        Raises:
            ValueError: a context below 3.
        """
        if context < 3:
            raise ValueError(f"context must be at least 3: begin, a word, end; got {context}")
        rows = [e.ids for e in self._encodings(strings)]
        width = min(context, 2 + max(map(len, rows), default=0))
        padded = [[CLS, *ids[: width - 2], SEP] + [PAD] * (width - 2 - len(ids)) for ids in rows]
        cut = [len(ids) > width - 2 for ids in rows]
        return torch.tensor(padded).reshape(-1, width), torch.tensor(cut, dtype=torch.bool)

    def unknown(self, text: str) -> list[str]:
        """The words of a text that have no id, as typed."""
        encoding = self._encodings([text])[0]
        return [text[a:b] for i, (a, b) in zip(encoding.ids, encoding.offsets, strict=True) if i == UNK]

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where in the text each of its `ids` begins and ends; the bytes of one letter share its place."""
        shift = 0 if self.words else 1  # the space in front
        offsets = self._encodings([text])[0].offsets
        return [(max(a - shift, 0), max(b - shift, 0)) for a, b in offsets]

    def token(self, index: int) -> str:
        """One id as a reader sees it; a piece keeps its space in front."""
        if index < len(SPECIAL):
            return SPECIAL[index]
        return self.words[index] if self.words else self.core.decode([index])

    def decode(self, ids: Iterable[int], after: str = "") -> str:
        """Text of ids; [PAD], [CLS] and [SEP] are left out, [UNK] and [MASK] are shown.

        Pieces give the text exactly; words are set with spaces and capitals of their own. ``after`` is what
        stands before, so that ``after + decode(ids, after)`` reads well.
        """
        kept = [int(i) for i in ids if int(i) not in (PAD, CLS, SEP)]
        if not self.words:
            text = self.core.decode(kept, skip_special_tokens=False)
            return text if after else text.removeprefix(" ")
        text = re.sub(r" (?=[.,:;!?])", "", " ".join(self.words[i] for i in kept))
        text = re.sub(r"(?<=[.!?:] )[a-z]", lambda m: m.group().upper(), text)
        if not after.strip() or after.rstrip()[-1] in ".!?:":
            text = text[:1].upper() + text[1:]
        joined = not after or after[-1].isspace() or not text or text[0] in ".,:;!?"
        return text if joined else f" {text}"

    def bag_of_words(self, ids: torch.Tensor) -> torch.Tensor:
        """How often each word occurs in each text, (N, T) → (N, V) float32: what is left without the order.

        Goes where a method goes: ``linear_probe(data.tokenizer.bag_of_words, train=data, test=test)``.
        """
        counts = torch.zeros(len(ids), len(self), device=ids.device)
        counts.scatter_add_(1, ids, torch.ones_like(ids, dtype=counts.dtype))
        counts[:, : len(SPECIAL)] = 0
        return counts


@dataclass
class Texts(Rows):
    """A set of texts; a batch is a slice of one.

    Attributes:
        ids: (N, T) LongTensor, padded at the end with 0; or None before a tokenizer has been chosen.
        strings: N strings as written, or empty.
        labels: name → (N,) LongTensor of classes 0..K−1.
        names: label → its class names.
        tokenizer: the one that made ``ids``.
        source: what was loaded, "SST-2, all 872 test sentences"; "" for composed ones.
    """

    ids: torch.Tensor | None
    strings: list[str] = field(default_factory=list)
    labels: dict[str, torch.Tensor] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)
    tokenizer: Tokenizer | None = None
    source: str = ""

    def __post_init__(self) -> None:
        if self.ids is not None and (self.ids.ndim != 2 or self.ids.dtype != torch.int64):
            raise ValueError(f"ids must be (N, T) int64, got {self.ids.dtype} {tuple(self.ids.shape)}")
        n = len(self)
        if self.strings and len(self.strings) != n:
            raise ValueError(f"{len(self.strings)} strings for {n} rows of ids")
        for name, values in self.labels.items():
            if len(values) != n:
                raise ValueError(f"label {name!r} has {len(values)} rows for {n} texts")

    def __len__(self) -> int:
        return len(self.strings) if self.ids is None else len(self.ids)

    @property
    def inputs(self) -> torch.Tensor | list[str]:
        """What ``encode`` takes: the ids, (N, T); before there are any, the strings."""
        return self.strings if self.ids is None else self.ids

    @property
    def rows(self) -> torch.Tensor:
        """The ids, (N, T), for who cannot do without.

        Raises:
            ValueError: there are strings only.
        """
        if self.ids is None:
            raise ValueError("texts are strings, not ids: prepare them first: data = method.prepare(data)")
        return self.ids

    def tokenize(self, tokenizer: Tokenizer, context: int) -> Texts:
        """The same texts with ids; a text longer than ``context`` loses its end there, with a warning
        (the string stays whole).

        Raises:
            ValueError: there are no strings.
        """
        if not self.strings:
            raise ValueError("these texts have ids alone: there are no strings to tokenize")
        ids, cut = tokenizer.rows(self.strings, context)
        if cut.any():
            warnings.warn(
                f"{int(cut.sum())} of {len(self)} texts are longer than "
                f"context={context} and are read up to there",
                stacklevel=2,
            )
        return replace(self, ids=ids, tokenizer=tokenizer)

    def told(self, label: str = "sentiment", share: float = 0.5, seed: int = 0) -> Texts:
        """The same texts with their label's name in front of a share of them: "happy: I like this movie."

        A network trained on such texts answers with the label given or not. It uses labels: it is a measuring
        instrument for P(x₂ | x₁, Y), no longer self-supervised. Texts that had ids get new ones, all at full
        length.

        Raises:
            ValueError: there are no strings, or no names of such a label.
        """
        if not self.strings or label not in self.names:
            raise ValueError(f"told needs strings and the names of {label!r}")
        chosen = torch.rand(len(self), generator=torch.Generator().manual_seed(seed)) < share
        classes = self.labels[label].tolist()
        strings = [
            f"{self.names[label][y]}: {s}" if tell else s
            for s, y, tell in zip(self.strings, classes, chosen.tolist(), strict=True)
        ]
        texts = replace(self, ids=None, strings=strings)
        if self.ids is None or self.tokenizer is None:
            return texts
        ids, _ = self.tokenizer.rows(strings, 10**9)
        return replace(texts, ids=ids.to(self.ids.device))
