"""BYOL: predict what a slowly moving copy of the network makes of the other view; no negatives at all.

Grill, Strub, Altché, et al., *Bootstrap Your Own Latent*, NeurIPS 2020, arXiv 2006.07733 (note §3.2).
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from ssl_course import nets
from ssl_course.interfaces import Batch, Pair
from ssl_course.losses import negative_cosine
from ssl_course.methods.simclr import as_augmentation
from ssl_course.pretext.augment import Augmentation


class BYOL(nn.Module):
    """x → two views → backbone → h → projection → z → prediction q(z),
    which meets the target network's z′ of the other view.

    Args:
        backbone: a module with ``.dim``, a timm name, or None for the course's `nets.ConvNet`.
        projection: hidden and output width of the projection; the prediction has the same.
        decay: τ, share of the target that stays at each step. The paper's grows from .996 to 1 in 300 epochs
            (§3.1, App. J); here it is constant, and lower, since a lecture's run is a few hundred steps.
        augmentation: an `Augmentation` or its settings as a dict, for both views
            (the paper's two differ a little).

    Raises:
        ValueError: a decay outside [0, 1].
    """

    defaults = {"optimizer": "adamw", "lr": 2e-3, "weight_decay": 1e-4, "warmup": 0.1, "steps": 150}

    def __init__(
        self,
        backbone: nn.Module | str | None = None,
        projection: tuple[int, int] = (256, 64),
        decay: float = 0.98,
        augmentation: Augmentation | dict[str, Any] | None = None,
    ) -> None:
        self.arguments = nets.arguments(locals())
        super().__init__()
        if not 0 <= decay <= 1:
            raise ValueError(f"decay must be in [0, 1], not {decay}")
        # At 0 the target runs along with the online network, at 1 it never learns:
        # both are worse than between (§5).
        self.decay = decay
        self.backbone = nets.backbone(backbone)
        self.projection_head = nets.mlp(self.backbone.dim, *projection)
        # Only the online side predicts: this asymmetry is the first of two differences between the networks
        # (§3.1).
        self.prediction_head = nets.mlp(projection[-1], *projection)
        self.augment = as_augmentation(augmentation)
        # The target has no prediction head: both networks alike on both sides could agree on a constant
        # (§3.2).
        self.target = copy.deepcopy(self._online()).requires_grad_(False)

    def _online(self) -> nn.ModuleList:
        return nn.ModuleList([self.backbone, self.projection_head])

    def encode(self, x: Tensor) -> Tensor:
        """Pictures (N, 3, H, W), uint8 or in [0, 1] → features h (N, dim) of the online network."""
        return self.backbone(nets.normalise(nets.as_float(x, self))).mean((2, 3))

    def project(self, x: Tensor) -> Tensor:
        """Pictures → z (N, d) of the online network."""
        z: Tensor = self.projection_head(self.encode(x))
        return z

    @torch.no_grad()  # sg(z′): the target learns from `after_step` alone
    def project_target(self, x: Tensor) -> Tensor:
        """Pictures → z′ (N, d) of the target network; what the online network is to predict."""
        backbone, projection_head = self.target
        z: Tensor = projection_head(backbone(nets.normalise(nets.as_float(x, self))).mean((2, 3)))
        return z

    def pair(self, batch: Batch) -> Pair:
        """X₁ and X₂: two random views of each picture, (N, 3, H, W) in [0, 1] each."""
        x1, x2 = self.augment(torch.cat([batch.inputs] * 2)).chunk(2)
        return Pair(x1, x2)

    def forward(self, batch: Batch) -> Tensor:
        """‖q̄(z₁) − z̄′₂‖² + ‖q̄(z₂) − z̄′₁‖², rows of length 1 (eq. 2, both ways):
        between 0 and 8, 4 by chance.

        Raises:
            ValueError: one picture only, which has no variance to normalise by.
        """
        if len(batch.inputs) < 2:
            raise ValueError("one picture has no variance to normalise by: give BYOL a batch of at least two")
        x1, x2 = self.pair(batch)  # (N, 3, H, W) each
        # Both ways, so that the online network learns from each view (§3.1).
        q1, q2 = (self.prediction_head(self.project(x)) for x in (x1, x2))  # (N, d) each
        # Rows of length 1: else the target could shrink until everything is near it (eq. 2).
        cosines = negative_cosine(q1, self.project_target(x2)) + negative_cosine(q2, self.project_target(x1))
        return 4 + 2 * cosines  # the squared distance of two rows of length 1 is 2 − 2 cos

    @torch.no_grad()
    def after_step(self) -> None:
        """ξ ← τ ξ + (1 − τ) θ (eq. 1): a mean over many past networks wavers less than any of them."""
        # Weights alone: the running means of BatchNorm are those of what each network has itself seen.
        for old, new in zip(self.target.parameters(), self._online().parameters(), strict=True):
            old.lerp_(new, 1 - self.decay)
