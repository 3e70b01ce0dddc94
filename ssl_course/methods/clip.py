"""CLIP: of all captions in the batch, which belongs to this picture? And of all pictures, which to this caption?

Radford, Kim, Hallacy, et al., *Learning Transferable Visual Models From Natural Language Supervision*, ICML 2021,
arXiv 2103.00020 (note §3.2). X₁ is the picture, X₂ its caption; the two views are of different kinds.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssl_course import nets
from ssl_course.data.pictures import Pictures
from ssl_course.data.texts import MIN_PIECES, Tokenizer
from ssl_course.interfaces import Pair
from ssl_course.losses import clip_loss, gather_ranks
from ssl_course.methods.simclr import as_augmentation
from ssl_course.pretext.augment import Augmentation
from ssl_course.pretext.words import PAD, SEP, UNK

START = math.log(1 / 0.07)  # of logit_scale
LARGEST = math.log(100)


def words_of(text: str) -> list[str]:
    """The words of a text in small letters, without punctuation."""
    return re.findall(r"\w+", text.lower())


class CLIP(nn.Module):
    """Pictures and their captions in one space; `CLIP()` suits the scenes.

    Picture → backbone → features h → linear → length 1. Caption → causal Transformer → its state at the end token
    → linear → length 1. The loss contrasts the N × N cosines of a batch, times exp(logit_scale), in both directions.

    Args:
        backbone: a module with ``.dim``, a timm name, or None for the course's `nets.ConvNet`.
        vocab_size: ids of the text Transformer; None is the words of the scenes' captions. A number is byte-pair
            pieces, learned from the captions that come first.
        context: longest caption in tokens, its begin and end counted.
        width, depth, heads: of the text Transformer.
        embed_dim: d, of the common space.
        mask_false_negatives: leave equal captions of a batch out of the contrast.
        augmentation: an `Augmentation` or its settings, for pictures in training; None leaves them as they are.
            (The paper's only one is a random square crop; flips and colours may contradict a caption.)

    Raises:
        ValueError: a size that does not fit.
    """

    defaults = {
        "optimizer": "adamw",
        "lr": 2e-3,
        "weight_decay": 0.05,
        "warmup": 0.1,
        "steps": 400,
        "batch_size": 128,
    }

    def __init__(
        self,
        backbone: nn.Module | str | None = None,
        vocab_size: int | None = None,
        context: int = 32,
        width: int = 64,
        depth: int = 1,
        heads: int = 4,
        embed_dim: int = 64,
        mask_false_negatives: bool = False,
        augmentation: Augmentation | dict[str, Any] | None = None,
    ) -> None:
        self.arguments = nets.arguments(locals())
        super().__init__()
        if context < 3:
            raise ValueError(f"context must be at least 3: begin, a word, end; got {context}")
        if width % heads:
            raise ValueError(f"heads={heads} does not divide width={width}")
        if embed_dim < 1:
            raise ValueError(f"embed_dim must be at least 1, not {embed_dim}")
        self.tokenizer: Tokenizer | None = None
        self.seen: set[str] = set()  # the words of the captions that it was trained with
        if vocab_size is None:
            self.tokenizer = scenes_tokenizer()
            vocab_size = len(self.tokenizer)
        elif vocab_size < MIN_PIECES:
            raise ValueError(f"vocab_size must be at least {MIN_PIECES} for real captions, got {vocab_size}")
        self.context, self.mask_false_negatives = context, mask_false_negatives
        self.backbone = nets.backbone(backbone)
        self.text = nets.TextTransformer(vocab_size, context, width, depth, heads, causal=True)
        self.projection_head = nn.Linear(self.backbone.dim, embed_dim, bias=False)
        self.text_projection = nn.Linear(width, embed_dim, bias=False)
        # 1/τ is learned, and as a logarithm, since what matters is its ratio (§2.3).
        self.logit_scale = nn.Parameter(torch.tensor(START))
        self.augment = None if augmentation is None else as_augmentation(augmentation)

    @classmethod
    def arguments_for(cls, data: Pictures) -> dict[str, int]:
        """Constructor arguments that suit these captions: ``CLIP(**CLIP.arguments_for(data))``; none for scenes."""
        words = [w for caption in data.captions for w in words_of(caption)]
        known = set(scenes_tokenizer().words or ())
        if sum(w in known for w in words) > len(words) / 2:
            return {}
        return {"vocab_size": 2048, "width": 128, "depth": 2, "embed_dim": 128}

    # ---- pictures ---------------------------------------------------------------------------------------------
    def encode(self, x: Tensor) -> Tensor:
        """Pictures (N, 3, H, W), uint8 or in [0, 1] → features h (N, dim), averaged over places, before any head."""
        return self.backbone(nets.normalise(nets.as_float(x, self))).mean((2, 3))

    def encode_image(self, x: Tensor) -> Tensor:
        """Pictures → (N, d), each of length 1."""
        return F.normalize(self.projection_head(self.encode(x)), dim=1)

    def project(self, x: Tensor) -> Tensor:
        """The same as `encode_image`: what the loss compares."""
        return self.encode_image(x)

    # ---- captions ---------------------------------------------------------------------------------------------
    def encode_text(self, texts: Sequence[str] | Tensor) -> Tensor:
        """Captions, or their ids (N, T), → (N, d), each of length 1: the state at the end token, projected.

        Raises:
            ValueError: an empty caption, one that is longer than the context, or no tokenizer yet.
        """
        ids = texts if torch.is_tensor(texts) else self.tokenize(texts)
        ids = ids.to(self.logit_scale.device)
        states = self.text(ids)  # (N, T, width); causal, so pads behind the end are never seen
        end = (ids == SEP).int().argmax(1)  # (N,)
        return F.normalize(
            self.text_projection(states[torch.arange(len(ids), device=ids.device), end]), dim=1
        )

    def tokenize(self, texts: Sequence[str], cut: bool = False) -> Tensor:
        """Ids (N, T) of captions; ``cut`` shortens those that are longer than the context.

        Raises:
            ValueError: a single string, an empty caption, one that is too long, or no tokenizer yet.
        """
        if isinstance(texts, str):
            raise ValueError("give a list of captions, not one string")
        if self.tokenizer is None:
            raise ValueError(
                "this CLIP has no tokenizer yet: data = clip.prepare(data) learns it from the captions"
            )
        for i, text in enumerate(texts):
            if not text.strip():
                raise ValueError(f"caption {i} is empty: a caption needs at least one word")
        ids, too_long = self.tokenizer.rows(list(texts), self.context)
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
        return [w for w in dict.fromkeys(words_of(text)) if w not in self.seen]

    def prepare(self, data: Pictures) -> Pictures:
        """The pictures with the ids of their captions in ``parts["ids"]``; called once by `train`.

        Pieces are learned here, where ``vocab_size`` asks for them, and kept with the method; so are the words seen.

        Raises:
            ValueError: no captions, an empty one, or captions of which more than half of the words are unknown.
        """
        if not getattr(data, "captions", None):
            raise ValueError(
                "CLIP needs a caption for every picture: these data have none (Pictures.captions)"
            )
        if self.tokenizer is None:
            self.tokenizer = Tokenizer.of_pieces(data.captions, self.text.tokens.num_embeddings)
        distinct = list(dict.fromkeys(data.captions))
        ids = self.tokenize(distinct, cut=True)
        if int((ids == UNK).sum()) > int((ids > UNK).sum()) - 2 * len(ids):
            raise ValueError(
                "more than half of the captions' words are unknown to this CLIP: build it with "
                "CLIP(**CLIP.arguments_for(data))"
            )
        self.seen |= {w for caption in distinct for w in words_of(caption)}
        place = {caption: i for i, caption in enumerate(distinct)}
        rows = torch.tensor([place[c] for c in data.captions])
        return replace(data, parts=data.parts | {"ids": ids[rows].to(data.images.device)})

    # ---- training ---------------------------------------------------------------------------------------------
    def pair(self, batch: Pictures) -> Pair:
        """X₁: the pictures (N, 3, H, W) in [0, 1], augmented if so. X₂: the ids of their captions (N, T).

        Raises:
            ValueError: no captions.
        """
        ids = getattr(batch, "parts", {}).get("ids")
        if ids is None:  # a batch that did not come through `prepare`, as from a DataLoader
            if not getattr(batch, "captions", None):
                raise ValueError("CLIP needs a caption for every picture: this batch has none")
            ids = self.tokenize(batch.captions, cut=True).to(self.logit_scale.device)
        x = nets.as_float(batch.inputs, self)
        return Pair(x if self.augment is None else self.augment(x), ids)

    def forward(self, batch: Pictures) -> Tensor:
        """The symmetric contrast of a batch's pictures and captions; with several ranks, among the pairs of all.

        Raises:
            ValueError: no captions, or one pair only, which has no negatives.
        """
        x, ids = self.pair(batch)
        # The right answer on each row and in each column is the diagonal: which caption, and which picture (fig. 3).
        images = self.encode_image(x)  # (n, d)
        images, texts = gather_ranks(images), gather_ranks(self.encode_text(ids))  # (N, d) each
        same = None
        if self.mask_false_negatives:
            every = gather_ranks(F.pad(ids, (0, self.context - ids.shape[1]), value=PAD))  # (N, context)
            same = (every[:, None] == every).all(2)  # (N, N)
        return clip_loss(images, texts, self.logit_scale.exp(), same)

    @torch.no_grad()
    def after_step(self) -> None:
        """Keeps logit_scale in [0, log 100], "to prevent training instability" (§2.5)."""
        self.logit_scale.clamp_(0, LARGEST)

    # ---- use --------------------------------------------------------------------------------------------------
    @torch.no_grad()
    def class_features(self, prompts: Iterable[str | Sequence[str]]) -> Tensor:
        """A row for each class, (K, d) of length 1: the mean of the features of its texts (§3.1.4).

        Args:
            prompts: for each class a text, or several.
        """
        prompts = [[p] if isinstance(p, str) else list(p) for p in prompts]
        features = self.encode_text([text for texts in prompts for text in texts])
        return torch.stack([F.normalize(f.mean(0), dim=0) for f in features.split([len(t) for t in prompts])])

    @torch.no_grad()
    def zero_shot(self, x: Tensor, classes: Sequence[str], templates: Sequence[str] = ("{}",)) -> Tensor:
        """P(class | picture) without a single label, (N, K): the softmax of scaled cosines with each class's texts.

        Args:
            x: pictures.
            classes: K names.
            templates: texts with "{}" where the name goes; with several, their features are averaged.

        Raises:
            ValueError: a template without "{}", or fewer than two classes.
        """
        if len(classes) < 2:
            raise ValueError("zero-shot needs at least two classes to choose from")
        if bad := [t for t in templates if "{}" not in t]:
            raise ValueError(f'the template {bad[0]!r} has no "{{}}" for the name of the class')
        rows = self.class_features([[t.replace("{}", name) for t in templates] for name in classes])
        return (self.logit_scale.exp() * self.encode_image(x) @ rows.T).softmax(1)

    def get_extra_state(self) -> Tensor:
        """Tokenizer and words seen as bytes, so that they are part of ``state_dict`` and of every checkpoint."""
        tokenizer = self.tokenizer.to_json() if self.tokenizer else ""
        text = json.dumps({"tokenizer": tokenizer, "seen": sorted(self.seen)})
        return torch.tensor(list(text.encode()), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """The inverse of `get_extra_state`."""
        found = json.loads(bytes(state.cpu().tolist()).decode())
        self.tokenizer = Tokenizer.from_json(found["tokenizer"]) if found["tokenizer"] else None
        self.seen = set(found["seen"])


def by_each_text(
    image_features: Tensor, text_features: Tensor, classes: Tensor, logit_scale: Tensor | float
) -> Tensor:
    """P(class | picture) from many texts a class, (N, K): one softmax over all texts, summed within each class.

    The other way to use several prompts: `CLIP.class_features` averages features, where a picture must resemble the
    mean of all texts of its class; here it is enough to resemble one.

    Args:
        image_features, text_features: (N, d) and (T, d), of length 1.
        classes: (T,) the class of each text, 0..K−1, of each class equally many (else the more numerous is favoured).
        logit_scale: 1/τ, already exponentiated.
    """
    p = (logit_scale * image_features @ text_features.T).softmax(1)  # (N, T)
    return p @ F.one_hot(classes).to(p.dtype)


def scenes_tokenizer() -> Tokenizer:
    """One id for each word of the scenes' captions."""
    from ssl_course.data import scenes

    texts, _ = scenes.every_caption()
    return Tokenizer.of_words([*sorted({w for text in texts for w in words_of(text)}), ","])


def recall(similarity: Tensor, k: int = 1, right: Tensor | None = None) -> float:
    """Share of queries with a right answer among their k best (recall@k, as in §3.1 and Flickr30k's tables).

    Args:
        similarity: (queries, candidates).
        right: (queries, candidates) bool; by default answer i is the only right one of query i.

    Raises:
        ValueError: k < 1, or shapes that do not fit.
    """
    if k < 1 or (right is None and similarity.shape[0] != similarity.shape[1]):
        raise ValueError("k must be at least 1, and without `right` there must be as many answers as queries")
    right = torch.eye(len(similarity), dtype=torch.bool, device=similarity.device) if right is None else right
    best = similarity.topk(min(k, similarity.shape[1]), 1).indices  # (queries, k)
    return float(right.gather(1, best).any(1).double().mean())
