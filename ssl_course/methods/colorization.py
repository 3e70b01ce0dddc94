"""Colorization: see the lightness, tell the colours (note §3.1, §3.3.1).

Zhang, Isola, Efros, *Colorful Image Colorization*, ECCV 2016, arXiv 1603.08511. Two objectives: "classes",
the paper's, for vivid pictures; and "l2", the note's L_mask, whose best answer is E[X₂|X₁], gray where
colours are uncertain.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_course import nets
from ssl_course.data.pictures import Pictures
from ssl_course.interfaces import Batch, Pair
from ssl_course.losses import reconstruction
from ssl_course.pretext import color
from ssl_course.pretext.color import paint as paint

OBJECTIVES = ("classes", "l2")


class Colorization(nn.Module):
    """L → backbone → a map of colour bins, or of ab itself, at a quarter of the picture's height and width.

    Every place of the map also sees the average over the picture and its own coordinates: the paper's network
    is deep enough to know both, the course's is not.

    Args:
        backbone: a module with ``.dim``, a timm name, or None for the course's `nets.ConvNet`.
        objective: "classes" or "l2".
        step: width of the bins in Lab units; the paper's 10 asks for more pictures and time than a lecture
            has.
        mix: μ of `color.rebalance_weights`; 1 switches rebalancing off.
        temperature: of the annealed mean.
        width: of the head's hidden layer.
        upscale: the map's side over that of the backbone's.

    Raises:
        ValueError: an unknown objective.
    """

    centres: Tensor  # (Q, 2), of the bins, in Lab units
    prior: Tensor  # (Q,), how often each bin occurs, and what it weighs in the loss
    weights: Tensor
    mean: Tensor  # (2,) and (), of all colours
    spread: Tensor
    defaults = {"optimizer": "adamw", "lr": 3e-3, "weight_decay": 1e-2, "warmup": 0.1, "steps": 200}

    def __init__(
        self,
        backbone: nn.Module | str | None = None,
        objective: str = "classes",
        step: float = 20.0,
        mix: float = 0.5,
        temperature: float = 0.38,
        width: int = 128,
        upscale: int = 2,
    ) -> None:
        self.arguments = nets.arguments(locals())
        super().__init__()
        if objective not in OBJECTIVES:
            raise ValueError(f"objective is one of {', '.join(OBJECTIVES)}, not {objective!r}")
        self.objective, self.mix, self.temperature = objective, mix, temperature
        self.sigma = step / 2  # the paper's 5 at its step of 10
        self.backbone = nets.backbone(backbone)
        self.register_buffer("centres", color.gamut_bins(step))
        bins = len(self.centres)
        # Buffers: a network from a checkpoint must answer as it was trained, without the data.
        for name, start in {  # what `prepare` counts
            "prior": torch.full((bins,), 1 / bins), "weights": torch.ones(bins),
            "mean": torch.zeros(2), "spread": torch.tensor(20.0),
        }.items():  # fmt: skip
            self.register_buffer(name, start)
        channels = bins if objective == "classes" else 2
        self.head = nn.Sequential(
            nn.Conv2d(2 * self.backbone.dim + 2, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, channels * upscale**2, 1),
            nn.PixelShuffle(upscale),
        )
        self.map_sizes: dict[tuple[int, int], tuple[int, int]] = {}

    @torch.no_grad()
    def prepare(self, data: Pictures) -> Pictures:
        """Once for a set: its colours as small maps in ``parts["ab"]``;
        their mean, spread and prior into buffers.

        ``parts["ab"]`` (N, 2, h, w), Lab units, is X₂ where the data bring it,
        else the pictures' own colour is.
        """
        # Lab of each picture once, at the size of the map; every step of training then looks it up.
        size = self.map_size(data.inputs)
        rows = torch.arange(len(data)).split(512)
        ab = torch.cat([self.target(data[r], size).cpu() for r in rows])  # (N, 2, h, w)
        # About 2,000 pictures: enough to count colours; all would take longer than a lecture's training.
        some = ab[:: -(-len(ab) // 2000)]  # (M, 2, h, w)
        self.mean.copy_(some.mean((0, 2, 3)))
        self.spread.copy_((some - self.mean.cpu()[:, None, None]).square().mean().sqrt().clamp(min=1))
        counts = sum((self.soft(part).sum((0, 2, 3)) for part in some.split(256)), torch.zeros(()))  # (Q,)
        # Blurred: a bin that these pictures happen not to show would weigh most of all (§2.2).
        self.prior.copy_(color.smooth_prior(counts / counts.sum(), self.centres.cpu(), self.sigma))
        self.weights.copy_(color.rebalance_weights(self.prior, self.mix))
        return replace(data, parts=data.parts | {"ab": ab.to(data.images.device)})

    @torch.no_grad()
    def map_size(self, images: Tensor) -> tuple[int, int]:
        """Height and width of the map of colours for pictures of this size; the backbone is asked once."""
        shape = images.shape[-2], images.shape[-1]
        if shape not in self.map_sizes:
            training = self.training
            # eval: to ask for a size must not move the means of BatchNorm.
            _, _, height, width = self.eval().predict(images[:1]).shape
            self.map_sizes[shape] = height, width
            self.train(training)
        return self.map_sizes[shape]

    def pair(self, batch: Batch) -> Pair:
        """X₁: lightness L (N, 1, H, W). X₂: colour ab (N, 2, h, w) at the map's size; both in Lab units."""
        return Pair(self.lightness(batch.inputs), self.target(batch, self.map_size(batch.inputs)))

    def target(self, batch: Any, size: tuple[int, int]) -> Tensor:
        """X₂: the batch's colours averaged over the cells of the map, (N, 2, h, w), Lab units."""
        ab = batch.parts.get("ab")
        if ab is not None:
            return F.adaptive_avg_pool2d(ab.to(self.mean.device), size)
        return color.ab_map(batch.inputs.to(self.mean.device), size)

    def soft(self, ab: Tensor) -> Tensor:
        """Colours (N, 2, h, w) as distributions over the bins, (N, Q, h, w)."""
        return color.soft_encode(ab, self.centres, sigma=self.sigma)

    def lightness(self, images: Tensor) -> Tensor:
        """X₁ of pictures (N, 3, H, W), uint8 or in [0, 1]: L (N, 1, H, W) in [0, 100]."""
        return color.lightness(images.to(self.mean.device))

    def features(self, lightness: Tensor) -> Tensor:
        """L (N, 1, H, W) → the backbone's map (N, dim, h, w)."""
        # Around 0, as networks like it, and three times, since backbones take three channels.
        return self.backbone(((lightness - 50) / 50).expand(-1, 3, -1, -1))

    def encode(self, x: Tensor) -> Tensor:
        """Pictures (N, 3, H, W), uint8 or in [0, 1] → features (N, dim), averaged over places."""
        return self.features(self.lightness(x)).mean((2, 3))

    def predict(self, images: Tensor) -> Tensor:
        """Pictures → logits of the bins (N, Q, h, w), or under "l2" ab itself, (N, 2, h, w) in Lab units."""
        return self.answer(self.lightness(images))

    def answer(self, lightness: Tensor) -> Tensor:
        """`predict` from L (N, 1, H, W) alone."""
        # At a quarter of the side, as in the paper: lightness brings the edges, colour needs none.
        h = self.features(lightness)  # (N, dim, h, w)
        n, _, height, width = h.shape
        row, column = (torch.linspace(-1, 1, s, device=h.device, dtype=h.dtype) for s in (height, width))
        place = torch.stack(torch.meshgrid(row, column, indexing="ij")).expand(n, -1, -1, -1)  # (N, 2, h, w)
        # Sky and sea are the same smooth gray: above or below, and in what picture,
        # tells their colours apart.
        whole = h.mean((2, 3), keepdim=True).expand_as(h)  # (N, dim, h, w)
        raw = self.head(torch.cat([h, whole, place], 1))
        # In units of the spread around the mean colour: an answer of 0 is already the best constant one.
        answer: Tensor = raw if self.objective == "classes" else self.mean[:, None, None] + self.spread * raw
        return answer

    def forward(self, batch: Batch) -> Tensor:
        """The loss: cross-entropy in nats a place, rebalanced, or squared error in Lab units² a place."""
        lightness, ab = self.pair(batch)  # (N, 1, H, W), (N, 2, h, w)
        answer = self.answer(lightness).float()  # (N, Q or 2, h, w)
        if self.objective == "l2":
            return reconstruction(ab, answer) / answer[0, 0].numel()
        # Classes, since a mean of red and green apples is gray;
        # soft ones, since bins next to each other look alike (§2.1).
        share = self.soft(ab)  # (N, Q, h, w)
        # Skies and walls are many and dull: unweighted, dull is the best answer everywhere (§2.2).
        weight = self.weights[share.argmax(1)]  # (N, h, w), of the nearest bin (eq. 3)
        return -(weight * (share * answer.log_softmax(1)).sum(1)).mean()

    def rebalanced(self, logits: Tensor, mix: float) -> Tensor:
        """Logits (N, Q, h, w) as if it had been trained with another mix.

        Weights w in the loss make a network answer ∝ w(q) p(q | X₁): dividing by the weights that it was
        trained with and multiplying by others exchanges them.
        """
        change = color.rebalance_weights(self.prior, mix).log() - self.weights.log()  # (Q,)
        return logits + change[:, None, None]

    @torch.no_grad()
    def colours(self, images: Tensor, temperature: float | None = None, mix: float | None = None) -> Tensor:
        """What it says of the colours, (N, 2, h, w) in Lab units: the annealed mean, or under "l2" E[X₂|X₁].

        Args:
            temperature, mix: instead of the method's own; an "l2" network has neither.
        """
        answer = self.predict(images).float()  # (N, Q or 2, h, w)
        if self.objective == "l2":
            return answer
        logits = answer if mix is None else self.rebalanced(answer, mix)
        # The mode is bold and blotchy, the mean gray: a mean of the sharpened is between (§2.3, eq. 5).
        t = self.temperature if temperature is None else temperature
        return color.annealed_mean(logits, self.centres, t)

    @torch.no_grad()
    def colorize(self, images: Tensor, temperature: float | None = None, mix: float | None = None) -> Tensor:
        """The pictures' lightness in the colours that are predicted, (N, 3, H, W) in [0, 1]."""
        return paint(images.to(self.mean.device), self.colours(images, temperature, mix))
