"""CLIP: of all captions in the batch, which belongs to this picture?
And of all pictures, which to this caption?

Radford, Kim, Hallacy, et al., *Learning Transferable Visual Models From Natural Language Supervision*, ICML
2021, arXiv 2103.00020 (note §3.2). X₁ is the picture, X₂ its caption; the two views are of different kinds.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssl_course import nets
from ssl_course.data.pictures import Pictures
from ssl_course.interfaces import Pair
from ssl_course.losses import clip_loss, gather_ranks
from ssl_course.methods.captions import CaptionReader
from ssl_course.methods.simclr import as_augmentation
from ssl_course.pretext.augment import Augmentation
from ssl_course.pretext.words import PAD, SEP

START = math.log(1 / 0.07)  # of logit_scale
LARGEST = math.log(100)  # beyond it the softmax is all or nothing, and training unstable (§2.5)


class CLIP(CaptionReader):
    """Pictures and their captions in one space; `CLIP()` suits the scenes.

    Picture → backbone → features h → linear → length 1. Caption → causal Transformer → its state at the end
    token → linear → length 1. The loss contrasts the N × N cosines of a batch, times exp(logit_scale),
    in both directions.

    Args:
        backbone: a module with ``.dim``, a timm name, or None for the course's `nets.ConvNet`.
        vocab_size: ids of the text Transformer; None is the words of the scenes' captions. A number is
            byte-pair pieces, learned from the captions that come first.
        context: longest caption in tokens, its begin and end counted.
        width, depth, heads: of the text Transformer.
        embed_dim: d, of the common space.
        mask_false_negatives: leave equal captions of a batch out of the contrast.
        augmentation: an `Augmentation` or its settings, for pictures in training; None leaves them as they
            are. (The paper's only one is a random square crop; flips and colours may contradict a caption.)

    Raises:
        ValueError: a size that does not fit.
    """

    defaults = {
        "optimizer": "adamw", "lr": 2e-3, "weight_decay": 0.05, "warmup": 0.1,
        "steps": 400, "batch_size": 128,
    }  # fmt: skip

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
        super().__init__(vocab_size, context)
        if width % heads:
            raise ValueError(f"heads={heads} does not divide width={width}")
        if embed_dim < 1:
            raise ValueError(f"embed_dim must be at least 1, not {embed_dim}")
        self.mask_false_negatives = mask_false_negatives
        self.backbone = nets.backbone(backbone)
        # Causal: the state at the end token has read all of the caption, and no pad behind it (§2.4).
        self.text = nets.TextTransformer(self.vocab_size, context, width, depth, heads, causal=True)
        # Linear, where SimCLR has two layers: the paper saw no difference here (§2.3).
        self.projection_head = nn.Linear(self.backbone.dim, embed_dim, bias=False)
        self.text_projection = nn.Linear(width, embed_dim, bias=False)
        # 1/τ is learned, and as a logarithm, since what matters is its ratio (§2.3).
        self.logit_scale = nn.Parameter(torch.tensor(START))
        self.augment = None if augmentation is None else as_augmentation(augmentation)

    # ---- pictures ------------------------------------------------------------------------------------------
    def encode(self, x: Tensor) -> Tensor:
        """Pictures (N, 3, H, W), uint8 or in [0, 1] → features h (N, dim), averaged over places,
        before any head."""
        return self.backbone(nets.normalise(nets.as_float(x, self))).mean((2, 3))

    def encode_image(self, x: Tensor) -> Tensor:
        """Pictures → (N, d), each of length 1."""
        # Directions are compared: how sharply, logit_scale says for all pairs alike.
        return F.normalize(self.projection_head(self.encode(x)), dim=1)

    def project(self, x: Tensor) -> Tensor:
        """The same as `encode_image`: what the loss compares."""
        return self.encode_image(x)

    # ---- captions ------------------------------------------------------------------------------------------
    def encode_text(self, texts: Sequence[str] | Tensor) -> Tensor:
        """Captions, or their ids (N, T), → (N, d), each of length 1: the state at the end token, projected.

        Raises:
            ValueError: an empty caption, one that is longer than the context, or no tokenizer yet.
        """
        ids = texts if torch.is_tensor(texts) else self.tokenize(texts)
        ids = ids.to(self.logit_scale.device)
        states = self.text(ids)  # (N, T, width); causal, so pads behind the end are never seen
        # The state that has read it all; the paper takes it there, too (§2.4).
        end = (ids == SEP).int().argmax(1)  # (N,)
        return F.normalize(
            self.text_projection(states[torch.arange(len(ids), device=ids.device), end]), dim=1
        )

    # ---- training ------------------------------------------------------------------------------------------
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
        """The symmetric contrast of a batch's pictures and captions;
        with several ranks, among the pairs of all.

        Raises:
            ValueError: no captions, or one pair only, which has no negatives.
        """
        x, ids = self.pair(batch)
        # The right answer on each row and in each column is the diagonal:
        # which caption, and which picture (fig. 3).
        images = self.encode_image(x)  # (n, d)
        images, texts = gather_ranks(images), gather_ranks(self.encode_text(ids))  # (N, d) each
        same = None
        if self.mask_false_negatives:
            # "a calm sea" may be right for two pictures, which as negatives would be pushed apart.
            # Padded to one width: each rank has cut its captions to its own longest.
            every = gather_ranks(F.pad(ids, (0, self.context - ids.shape[1]), value=PAD))  # (N, context)
            same = (every[:, None] == every).all(2)  # (N, N)
        return clip_loss(images, texts, self.logit_scale.exp(), same)

    @torch.no_grad()
    def after_step(self) -> None:
        """Keeps logit_scale in [0, log 100], "to prevent training instability" (§2.5)."""
        self.logit_scale.clamp_(0, LARGEST)

    # ---- use -----------------------------------------------------------------------------------------------
    @torch.no_grad()
    def class_features(self, prompts: Iterable[str | Sequence[str]]) -> Tensor:
        """A row for each class, (K, d) of length 1: the mean of the features of its texts (§3.1.4).

        Args:
            prompts: for each class a text, or several.
        """
        prompts = [[p] if isinstance(p, str) else list(p) for p in prompts]
        features = self.encode_text([text for texts in prompts for text in texts])
        # Texts that disagree have a short mean: set back to length 1, it weakens no class.
        return torch.stack([F.normalize(f.mean(0), dim=0) for f in features.split([len(t) for t in prompts])])

    @torch.no_grad()
    def zero_shot(self, x: Tensor, classes: Sequence[str], templates: Sequence[str] = ("{}",)) -> Tensor:
        """P(class | picture) without a single label, (N, K):
        the softmax of scaled cosines with each class's texts.

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
        # The text encoder writes the weights of a linear classifier: names instead of labels (§3.1.2).
        rows = self.class_features([[t.replace("{}", name) for t in templates] for name in classes])
        return (self.logit_scale.exp() * self.encode_image(x) @ rows.T).softmax(1)


def by_each_text(
    image_features: Tensor, text_features: Tensor, classes: Tensor, logit_scale: Tensor | float
) -> Tensor:
    """P(class | picture) from many texts a class, (N, K):
    one softmax over all texts, summed within each class.

    The other way to use several prompts: `CLIP.class_features` averages features, where a picture must
    resemble the mean of all texts of its class; here it is enough to resemble one.

    Args:
        image_features, text_features: (N, d) and (T, d), of length 1.
        classes: (T,) the class of each text, 0..K−1, of each class equally many
            (else the more numerous is favoured).
        logit_scale: 1/τ, already exponentiated.
    """
    p = (logit_scale * image_features @ text_features.T).softmax(1)  # (N, T)
    return p @ F.one_hot(classes).to(p.dtype)


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
    # Several answers may be right: captions repeat, and Flickr30k has five for each photograph.
    right = torch.eye(len(similarity), dtype=torch.bool, device=similarity.device) if right is None else right
    best = similarity.topk(min(k, similarity.shape[1]), 1).indices  # (queries, k)
    return float(right.gather(1, best).any(1).cpu().double().mean())
