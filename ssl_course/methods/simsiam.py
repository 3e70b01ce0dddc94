"""SimSiam: predict one view from the other, with nothing to push pictures apart but a stopped gradient.

Chen, He, *Exploring Simple Siamese Representation Learning*, CVPR 2021, arXiv 2011.10566 (note §3.2).
"""

from typing import Any, cast

import torch
from torch import Tensor, nn

from ssl_course import nets
from ssl_course.interfaces import Batch, Pair
from ssl_course.losses import negative_cosine
from ssl_course.methods.simclr import as_augmentation
from ssl_course.pretext.augment import Augmentation


class OutputNorm(nn.BatchNorm1d):
    """BatchNorm that can be switched off; it goes on counting mean and variance,
    to be right when it comes back."""

    on = True

    def forward(self, z: Tensor) -> Tensor:
        """(N, d) → (N, d), each column with mean 0 and variance 1, or z itself."""
        normed = super().forward(z)
        return normed if self.on else z


class SimSiam(nn.Module):
    """x → two views → backbone → h → projection head → z → prediction head → p;
    p of one view predicts z of the other.

    ``stop_gradient``, ``predictor`` and ``output_norm`` may be switched on a living object, while it trains:
    without the first or the second everything falls to one point, where the loss is its best, −1.

    Args:
        backbone: a module with ``.dim``, a timm name, or None for the course's `nets.ConvNet`.
        projection: widths of the projection head, three layers as in the paper (§3); every layer has
            BatchNorm, the last without scale, shift and ReLU.
        bottleneck: hidden width of the prediction head; None is a quarter of its input (§3).
        output_norm: BatchNorm at the end of the projection head. It hides a collapse: it rescales whatever
            spread is left to 1.
        augmentation: an `Augmentation` or its settings as a dict.
    """

    defaults = {"optimizer": "sgd", "lr": 0.1, "weight_decay": 1e-4, "warmup": 0.0, "steps": 150}

    def __init__(
        self,
        backbone: nn.Module | str | None = None,
        projection: tuple[int, ...] = (256, 256, 256),
        bottleneck: int | None = None,
        stop_gradient: bool = True,
        predictor: bool = True,
        output_norm: bool = True,
        augmentation: Augmentation | dict[str, Any] | None = None,
    ) -> None:
        self.arguments = nets.arguments(locals())
        super().__init__()
        self.stop_gradient, self.predictor = stop_gradient, predictor
        self.backbone = nets.backbone(backbone)
        d = projection[-1]
        # BatchNorm keeps the training stable; what prevents the collapse is the stopped gradient, not it
        # (§4.4).
        norm = OutputNorm(d, affine=False)
        self.projection_head = nets.mlp(self.backbone.dim, *projection, last_norm=norm)
        self.output_norm = output_norm
        # A bottleneck, so that p is no copy of z; BatchNorm at its end would make training unstable
        # (§3, §4.4).
        self.prediction_head = nets.mlp(d, bottleneck or max(d // 4, 1), d)
        self.augment = as_augmentation(augmentation)

    @property
    def output_norm(self) -> bool:
        """Whether BatchNorm ends the projection head."""
        return cast(OutputNorm, self.projection_head[-1]).on

    @output_norm.setter
    def output_norm(self, on: bool) -> None:
        cast(OutputNorm, self.projection_head[-1]).on = bool(on)

    def param_groups(self, lr: float) -> list[dict[str, Any]]:
        """The prediction head keeps a constant rate while the rest decays (§4.2)."""
        # It must follow a z that still moves, and need not have converged before z has.
        named = [(f"prediction_head.{n}", p) for n, p in self.prediction_head.named_parameters()]
        return [{"params": named, "lr": lr, "constant_lr": True}]

    def encode(self, x: Tensor) -> Tensor:
        """Pictures (N, 3, H, W), uint8 or in [0, 1] → features h (N, dim), averaged over places."""
        return self.backbone(nets.normalise(nets.as_float(x, self))).mean((2, 3))

    def project(self, x: Tensor) -> Tensor:
        """Pictures → z (N, d), whose spread tells a collapse (`evaluation.feature_std`)."""
        z: Tensor = self.projection_head(self.encode(x))
        return z

    def before_norm(self, x: Tensor) -> Tensor:
        """Pictures → z (N, d) as it is before the output norm."""
        z: Tensor = self.projection_head[:-1](self.encode(x))  # whose spread nothing has set back to 1
        return z

    def predict(self, z: Tensor) -> Tensor:
        """z → p (N, d); z itself when the predictor is switched off."""
        # Without it, a stopped gradient is half as long and points the same way: everything collapses (§4.2).
        return self.prediction_head(z) if self.predictor else z

    def loss(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Half the sum of D(p1, z2) and D(p2, z1), between −1 and 1 (eq. 2)."""
        # Only p learns: z is a target that holds still for this step. Were both to move, they would meet at
        # one point for all pictures, where the loss is best and nothing is known (§4.1).
        # Both ways, so that each picture gives two questions; against the collapse this does nothing (§4.6).
        p1, p2 = self.predict(z1), self.predict(z2)
        return (negative_cosine(p1, z2, self.stop_gradient) + negative_cosine(p2, z1, self.stop_gradient)) / 2

    def pair(self, batch: Batch) -> Pair:
        """X₁ and X₂: two random views of each picture, (N, 3, H, W) in [0, 1] each."""
        # Two draws of one recipe: what survives both is what the network can agree on.
        x1, x2 = self.augment(torch.cat([batch.inputs] * 2)).chunk(2)
        return Pair(x1, x2)

    def forward(self, batch: Batch) -> Tensor:
        """The loss of two fresh views. Each view is normalised by its own batch, as in the paper's code.

        Raises:
            ValueError: one picture only.
        """
        if len(batch.inputs) < 2:
            raise ValueError("one picture has no variance to normalise by: give it a batch of at least two")
        x1, x2 = self.pair(batch)  # (N, 3, H, W) each
        return self.loss(self.project(x1), self.project(x2))


def circle(seed: int = 0) -> SimSiam:
    """The smallest SimSiam whose collapse can be seen with the bare eye:
    z has two numbers, so it is a direction.

    Without output norm, which would hide the fall. For pictures of 16 to 32 px.
    """
    torch.manual_seed(seed)
    body = nets.ConvNet((8, 16, 32))
    # d // 4 of two numbers would leave the predictor one hidden unit
    return SimSiam(body, projection=(32, 2), bottleneck=8, output_norm=False)
