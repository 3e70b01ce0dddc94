"""What CLIP needs to read captions: their words, a tokenizer that travels with the model, rows of ids."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from ssl_course.data.pictures import Pictures
from ssl_course.data.texts import MIN_PIECES, Tokenizer
from ssl_course.pretext.words import UNK


def words_of(text: str) -> list[str]:
    """The words of a text in small letters, without punctuation."""
    # Capitals and commas say nothing of a picture; the paper reads small letters, too (§2.4).
    return re.findall(r"\w+", text.lower())


def scenes_tokenizer() -> Tokenizer:
    """One id for each word of the scenes' captions."""
    from ssl_course.data import scenes  # late: its captions are listed when first needed

    texts, _ = scenes.every_caption()
    # In order, so that a word has the same id in every run and checkpoint.
    # The comma is no word, but it stands in the captions: without an id it would be [UNK].
    return Tokenizer.of_words([*sorted({w for text in texts for w in words_of(text)}), ","])


class CaptionReader(nn.Module):
    """Captions → rows of ids; see `CLIP`.

    Args:
        vocab_size: number of ids; None is the words of the scenes' captions. A number is byte-pair pieces,
            learned from the captions that come first.
        context: longest caption in tokens, its begin and end counted.

    Raises:
        ValueError: a size that does not fit.
    """

    def __init__(self, vocab_size: int | None, context: int) -> None:
        super().__init__()
        if context < 3:
            raise ValueError(f"context must be at least 3: begin, a word, end; got {context}")
        self.tokenizer: Tokenizer | None = None
        self.seen: set[str] = set()  # the words of the captions that it was trained with
        if vocab_size is None:
            self.tokenizer = scenes_tokenizer()
            vocab_size = len(self.tokenizer)
        elif vocab_size < MIN_PIECES:
            raise ValueError(f"vocab_size must be at least {MIN_PIECES} for real captions, got {vocab_size}")
        self.vocab_size, self.context = vocab_size, context

    @classmethod
    def arguments_for(cls, data: Pictures) -> dict[str, int]:
        """Constructor arguments that suit these captions: ``CLIP(**CLIP.arguments_for(data))``;
        none for scenes."""
        words = [w for caption in data.captions for w in words_of(caption)]
        known = set(scenes_tokenizer().words or ())
        if sum(w in known for w in words) > len(words) / 2:  # mostly words of the scenes
            return {}
        # Pieces, since the words of real captions never end; the paper has 49,152 (§2.4).
        # More of them ask for a wider network.
        return {"vocab_size": 2048, "width": 128, "depth": 2, "embed_dim": 128}

    def tokenize(self, texts: Sequence[str], cut: bool = False) -> Tensor:
        """Ids (N, T) of captions; ``cut`` shortens those that are longer than the context.

        Raises:
            ValueError: a single string, an empty caption, one that is too long, or no tokenizer yet.
        """
        # A string is a sequence of strings, too: of letters, each a caption without a complaint.
        if isinstance(texts, str):
            raise ValueError("give a list of captions, not one string")
        if self.tokenizer is None:
            raise ValueError(
                "this CLIP has no tokenizer yet: data = clip.prepare(data) learns it from the captions"
            )
        # Begin and end alone are one point for all pictures: a pair from which nothing can be learned.
        for i, text in enumerate(texts):
            if not text.strip():
                raise ValueError(f"caption {i} is empty: a caption needs at least one word")
        ids, too_long = self.tokenizer.rows(list(texts), self.context)
        # In training a long caption may lose its end; what someone asks by hand must not, silently.
        if too_long.any() and not cut:
            first = texts[int(too_long.int().argmax())]
            many = len(self.tokenizer.ids(first))
            raise ValueError(
                f"the caption {first[:40] + '…' if len(first) > 40 else first!r} has {many} tokens; "
                f"context={self.context} has room for {self.context - 2}"
            )
        return ids

    def unknown(self, text: str) -> list[str]:
        """The words of a text that no caption in training had, in small letters, each once."""
        # Pieces spell any word, but only what training showed has a meaning beside pictures.
        return [w for w in dict.fromkeys(words_of(text)) if w not in self.seen]

    def prepare(self, data: Pictures) -> Pictures:
        """The pictures with the ids of their captions in ``parts["ids"]``; called once by `train`.

        Pieces are learned here, where ``vocab_size`` asks for them, and kept with the method;
        so are the words seen.

        Raises:
            ValueError: no captions, an empty one, or captions of which more than half of the words are
                unknown.
        """
        if not getattr(data, "captions", None):
            raise ValueError("CLIP needs a caption for every picture: there are none (Pictures.captions)")
        if self.tokenizer is None:
            # of the first captions that come, and kept: those of a test are read with the same ids
            self.tokenizer = Tokenizer.of_pieces(data.captions, self.vocab_size)
        # Each caption once, however many pictures share it.
        distinct = list(dict.fromkeys(data.captions))
        ids = self.tokenize(distinct, cut=True)
        # Begin and end, two in each row, are ids above [UNK] but no words.
        if int((ids == UNK).sum()) > int((ids > UNK).sum()) - 2 * len(ids):
            raise ValueError(
                "more than half of the captions' words are unknown to this CLIP: build it with "
                "CLIP(**CLIP.arguments_for(data))"
            )
        self.seen |= {w for caption in distinct for w in words_of(caption)}
        # Read here once and for all: a step of training looks up rows of numbers.
        place = {caption: i for i, caption in enumerate(distinct)}
        rows = torch.tensor([place[c] for c in data.captions])
        return replace(data, parts=data.parts | {"ids": ids[rows].to(data.images.device)})

    def get_extra_state(self) -> Tensor:
        """Tokenizer and words seen as bytes, so that ``state_dict`` and every checkpoint have them."""
        tokenizer = self.tokenizer.to_json() if self.tokenizer else ""
        # A tensor, since a checkpoint keeps nothing else; sorted, since a set has another order in each run.
        text = json.dumps({"tokenizer": tokenizer, "seen": sorted(self.seen)})
        return torch.tensor(list(text.encode()), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """The inverse of `get_extra_state`."""
        # With the weights, since ids mean nothing to a network that learned others.
        kept = json.loads(bytes(state.cpu().tolist()).decode())
        self.tokenizer = Tokenizer.from_json(kept["tokenizer"]) if kept["tokenizer"] else None
        self.seen = set(kept["seen"])
