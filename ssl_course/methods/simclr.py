"""SimCLR: two augmented views of one picture are to resemble each other more than any other picture.

Chen, Kornblith, Norouzi, Hinton, *A Simple Framework for Contrastive Learning of Visual Representations*,
ICML 2020, arXiv 2002.05709 (note §3.2).
"""

from typing import Any

import torch
from torch import Tensor, nn

from ssl_course import nets
from ssl_course.interfaces import Batch, Pair
from ssl_course.losses import gather_ranks, nt_xent
from ssl_course.pretext.augment import Augmentation


def as_augmentation(settings: Augmentation | dict[str, Any] | None) -> Augmentation:
    """Settings as they come from a caller, or from a command or a checkpoint, where pairs are lists."""
    if isinstance(settings, dict):
        # JSON knows no tuples, and a frozen Augmentation is to have no lists.
        given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
        settings = Augmentation(**given)
    return settings or Augmentation()


class SimCLR(nn.Module):
    """x → two views x1, x2 → backbone → features h → projection head → z;
    the loss contrasts all z of the batch.

    The probe reads h, before the projection head (§4.2): the head may forget what the augmentation destroys.

    Args:
        backbone: a module with ``.dim``, a timm name, or None for the course's `nets.ConvNet`.
        projection: hidden and output width of the head.
        temperature: τ of `nt_xent`.
        augmentation: an `Augmentation` or its settings as a dict; by default the paper's without blur.

    Raises:
        ValueError: a temperature that is not positive.
    """

    defaults = {"optimizer": "adamw", "lr": 2e-3, "weight_decay": 1e-4, "warmup": 0.1, "steps": 150}

    def __init__(
        self,
        backbone: nn.Module | str | None = None,
        projection: tuple[int, int] = (256, 64),
        temperature: float = 0.2,
        augmentation: Augmentation | dict[str, Any] | None = None,
    ) -> None:
        self.arguments = nets.arguments(locals())
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, not {temperature}")
        self.backbone = nets.backbone(backbone)
        # z may forget colour and place, which two views do not share;
        # h, in front of the head, keeps them (§4.2).
        self.projection_head = nets.mlp(self.backbone.dim, *projection)
        self.temperature = temperature
        self.augment = as_augmentation(augmentation)

    def encode(self, x: Tensor) -> Tensor:
        """Pictures (N, 3, H, W), uint8 or in [0, 1] → features h (N, dim), averaged over places."""
        return self.backbone(nets.normalise(nets.as_float(x, self))).mean((2, 3))

    def project(self, x: Tensor) -> Tensor:
        """Pictures → z (N, d), what the loss compares."""
        z: Tensor = self.projection_head(self.encode(x))
        return z

    def pair(self, batch: Batch) -> Pair:
        """X₁ and X₂: two random views of each picture, (N, 3, H, W) in [0, 1] each."""
        # Each row draws its own augmentation: one call for both,
        # so no view is treated otherwise than the other.
        x1, x2 = self.augment(torch.cat([batch.inputs] * 2)).chunk(2)
        return Pair(x1, x2)

    def forward(self, batch: Batch) -> Tensor:
        """The contrast of two fresh views of a batch; with several ranks, among the pictures of all.

        Raises:
            ValueError: one picture only, which has no negatives.
        """
        views = torch.cat([*self.pair(batch)])  # (2N, 3, H, W): one batch, so BatchNorm sees both alike
        z1, z2 = self.project(views).chunk(2)  # (N, d) each
        # All other pictures of the batch push: without them, one z for all would be the best answer (§2.1).
        # The more of them the better (§5.2), so the ranks' z are put together first.
        return nt_xent(gather_ranks(z1), gather_ranks(z2), self.temperature)
