"""Context encoder: a region of the picture is cut out, the rest must tell what it was (note §3.1, §3.3.2).

Pathak, Krähenbühl, Donahue, Darrell, Efros, *Context Encoders: Feature Learning by Inpainting*, CVPR 2016,
arXiv 1604.07379. Features need the L2 loss alone; the adversarial one is for looks
(pathak22/context-encoder #12).
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from ssl_course import nets
from ssl_course.data.pictures import Pictures
from ssl_course.interfaces import Batch, Pair
from ssl_course.losses import adversarial_losses, hole_loss
from ssl_course.pretext import holes


class ChannelwiseLinear(nn.Module):
    """Each place of a channel reaches all others, channels stay apart (§3.1): (N, C, h, w) → (N, C, h, w)."""

    def __init__(self, channels: int, places: int) -> None:
        super().__init__()
        # √places, so that a sum over all places is as large as what goes in
        self.weight = nn.Parameter(torch.randn(channels, places, places) / places**0.5)
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        # A hole is wider than what convolutions see around each place, so information must travel across the
        # map; linking all channels too would take C times as many weights.
        flat = x.flatten(2).transpose(0, 1)  # (C, N, hw)
        return torch.baddbmm(self.bias, flat, self.weight).transpose(0, 1).reshape(x.shape)


class ContextEncoder(nn.Module):
    """picture with a hole → backbone → channel-wise linear layer → up-convolutions → what was in the hole.

    Args:
        backbone: a module with ``.dim``, a timm name, or None for the course's `nets.ConvNet`.
        image_size: height and width in pixels.
        hole: kind of `holes.make_holes`: "centre", "blocks", "free", "around" or "mixed". The attribute may
            also be a mask (H, W), one hole for all pictures.
        share: of the picture's area that is removed ("around": that stays).
        overlap: width in pixels of the band around the hole that is seen and predicted all the same, at ten
            times the weight, so that the filling joins its surroundings.
        gap: width in pixels of a band around the hole that is hidden but not asked for; then there is no
            overlap. It puts distance between X₁ and X₂ (note §3.5).
        adversarial: a, share of the adversarial loss; the paper's pictures have 0.001.
        width: channels of the decoder's first up-convolution, halved by each one that follows.

    Raises:
        ValueError: a negative band, a share a outside [0, 1), or a backbone whose map does not divide the
            picture by a power of two.
    """

    mean_colour: Tensor  # (3,), of the set: `prepare`
    defaults = {"optimizer": "adamw", "lr": 2e-3, "weight_decay": 1e-2, "warmup": 0.1, "steps": 200}

    def __init__(
        self,
        backbone: nn.Module | str | None = None,
        image_size: int = 64,
        hole: str = "centre",
        share: float = 0.25,
        overlap: int = 4,
        gap: int = 0,
        adversarial: float = 0.0,
        width: int = 64,
    ) -> None:
        self.arguments = nets.arguments(locals())
        super().__init__()
        if overlap < 0 or gap < 0 or not 0 <= adversarial < 1:
            raise ValueError("overlap and gap must not be negative, adversarial must be in [0, 1)")
        # A wrong kind or share is an error now, not at the first step.
        holes.make_holes(hole, 1, image_size, share)
        self.image_size, self.hole, self.share = image_size, hole, share
        self.overlap, self.gap, self.adversarial = 0 if gap else overlap, gap, adversarial
        self.backbone = nets.backbone(backbone)
        self.register_buffer("mean_colour", torch.tensor(nets.MEAN))
        with torch.no_grad():
            # eval: a picture of zeros must not move the means of BatchNorm
            side = self.backbone.eval()(torch.zeros(1, 3, image_size, image_size)).shape[-1]
        self.backbone.train()
        doublings = math.log2(image_size / side)
        if doublings != round(doublings):
            raise ValueError(f"the backbone makes {side} × {side} of {image_size} px: not a power of two")
        dim = self.backbone.dim
        layers = [ChannelwiseLinear(dim, side**2), nn.ReLU(), nn.Conv2d(dim, dim, 1), nn.ReLU()]
        # 4 × 4 with stride 2 reaches every pixel from equally many places: no checkerboard (Odena 2016).
        for i in range(round(doublings) - 1):
            after = max(width >> i, 16)
            layers += [nn.ConvTranspose2d(dim, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            dim = after
        layers.append(nn.ConvTranspose2d(dim, 3, 4, 2, 1))
        self.decoder = nn.Sequential(*layers).to(memory_format=torch.channels_last)  # a fifth faster on a CPU
        self.discriminator = _discriminator() if adversarial else None

    def prepare(self, data: Pictures) -> Pictures:
        """The set's mean colour: what holes are filled with, since it says least about what was there."""
        # 2,000 pictures are more than enough for three numbers.
        some = data.inputs[:: -(-len(data) // 2000)]
        self.mean_colour.copy_(nets.as_float(some, self).mean((0, 2, 3)))
        return data

    def param_groups(self, lr: float) -> list[dict[str, Any]]:
        """The discriminator learns ten times slower than the generator, as in the paper's code."""
        if self.discriminator is None:
            return []
        named = [(f"discriminator.{name}", p) for name, p in self.discriminator.named_parameters()]
        return [{"params": named, "lr": lr / 10}]

    def encode(self, x: Tensor) -> Tensor:
        """Whole pictures (N, 3, H, W), uint8 or in [0, 1] → features (N, dim), averaged over places."""
        return self.backbone(nets.normalise(nets.as_float(x, self))).mean((2, 3))

    def pair(self, batch: Batch) -> Pair:
        """X₁: pictures (N, 3, H, W) in [0, 1] with a hole in the set's mean colour.
        X₂: what is asked for, alone.

        X₂ is the hole and the overlap around it, the rest of it in the mean colour: pixels of the overlap are
        in both. parts: "hidden" (N, 1, H, W), what X₁ does not show, and "hole" (N, 1, H, W),
        smaller by the gap.
        """
        x = self._checked(batch.inputs)
        n, size = len(x), self.image_size
        hole = holes.make_holes(self.hole, n, size, self.share, device=x.device)  # (N, 1, H, W)
        # A gap keeps the network from going on with the lines at the edge,
        # an overlap makes the filling join them.
        hidden, asked = holes.dilate(hole, self.gap), holes.dilate(hole, self.overlap)
        seen, truth = (holes.fill(x, away, self.mean_colour) for away in (hidden, 1 - asked))
        return Pair(seen, truth, {"hidden": hidden, "hole": hole})

    def complete(self, x1: Tensor) -> Tensor:
        """X₁ (N, 3, H, W) in [0, 1] → what the whole might be, in normalised pixels (`nets.normalise`)."""
        # All of the picture, wherever the hole is: which part counts is for the loss to say.
        whole: Tensor = self.decoder(self.backbone(nets.normalise(x1)))
        return whole

    def predict(self, images: Tensor, hidden: Tensor) -> Tensor:
        """What the whole picture might be, seen without what ``hidden`` covers.

        Args:
            images: (N, 3, H, W), uint8 or in [0, 1].
            hidden: (N, 1, H, W), 1 where the encoder sees the mean colour instead.

        Returns:
            (N, 3, H, W) in normalised pixels (`nets.normalise`).
        """
        x = self._checked(images)
        return self.complete(holes.fill(x, hidden.to(x.device), self.mean_colour))

    def _checked(self, images: Tensor) -> Tensor:
        x = nets.as_float(images, self)
        if tuple(x.shape[-2:]) != (self.image_size, self.image_size):
            raise ValueError(f"built for pictures of {self.image_size} px, not {x.shape[-2]} × {x.shape[-1]}")
        return x

    def forward(self, batch: Batch) -> Tensor:
        """The loss of a batch with freshly cut holes: L2, or
        (1 − a) L2 + a · fooling + the discriminator's own."""
        pair = self.pair(batch)
        hole, truth = pair.parts["hole"], nets.normalise(pair.x2)  # (N, 1, H, W), (N, 3, H, W)
        filled = self.complete(pair.x1).float()
        l2 = hole_loss(filled, truth, hole, self.overlap)
        # L2 alone answers E[X₂|X₁], a blur of all that could be there;
        # the discriminator wants one of them (§3.2).
        if self.discriminator is None:
            return l2
        # The region alone: with its surroundings in view, the judge would look for the seam only (§3.2).
        fooling, judging = adversarial_losses(self.discriminator, filled * hole, truth * hole)
        return (1 - self.adversarial) * l2 + self.adversarial * fooling + judging

    @torch.no_grad()
    def inpaint(self, images: Tensor, hole: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Pictures with the hole filled, (N, 3, H, W) in [0, 1]; outside the hole as they were.

        Args:
            hole: (N, 1, H, W), 1 where the filling is shown.
            hidden: what the encoder does not see, by default the hole.
        """
        # Only the hole: what is seen would come back blurred.
        filled = self.predict(images, hole if hidden is None else hidden).float()
        x = nets.as_float(images, self)
        return torch.where(hole.to(x.device).bool(), nets.denormalise(filled), x)


def _discriminator() -> nn.Sequential:
    """Pictures → logits (N,): is this region real? Group norm, as batch norm would couple real and fake."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(32, 64, 4, 2, 1, bias=False), nn.GroupNorm(8, 64), nn.LeakyReLU(0.2),
        nn.Conv2d(64, 128, 4, 2, 1, bias=False), nn.GroupNorm(8, 128), nn.LeakyReLU(0.2),
        nn.Conv2d(128, 1, 4, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(0),
    )  # fmt: skip
