"""Deep CCA (Andrew, Arora, Bilmes, Livescu 2013): two networks whose outputs are as correlated as they can
be.

It is L_sim under whitening (note §3.5.2), with networks for ψ and η in place of the linear maps of CCA.
"""

import copy

import torch
from torch import Tensor, nn

from ssl_course import nets
from ssl_course.data.pairs import Pairs
from ssl_course.data.pictures import Pictures
from ssl_course.interfaces import Pair
from ssl_course.losses import gather_ranks
from ssl_course.pretext.halves import parted


def canonical_loss(eta: Tensor, psi: Tensor, ridge: float = 1e-3, n_components: int | None = None) -> Tensor:
    """2r − 2 Σ_{i≤r} ρ_i, the smallest L_sim of whitened linear maps of η and ψ
    (note §3.5.2; Andrew et al. 2013, eq. 10).

    Σρ_i is the nuclear norm of the whitened cross-covariance T when r = D. In float64, and with Cholesky
    factors: T has the same singular values as with symmetric roots, and no division by differences of
    eigenvalues, which is where NaN comes from when two are equal.

    Args:
        eta, psi: (N, D), row i of both from the same pair. With N ≤ 2D the loss is small whatever they are.
        ridge: share of each view's mean variance that is added to all its variances; 0 < ridge.
        n_components: r; None is D.

    Returns:
        0-d float64 in [0, 2k]. Constant features have correlation 0.

    Raises:
        ValueError: shapes that differ, fewer than 2 rows, r out of range, or a ridge that is not positive.
    """
    if eta.shape != psi.shape or eta.ndim != 2:
        raise ValueError(f"eta and psi must be (N, D) of one shape: {tuple(eta.shape)}, {tuple(psi.shape)}")
    if len(eta) < 2:
        raise ValueError("one pair has no covariance: give deep CCA at least two, better many more than D")
    r = eta.shape[1] if n_components is None else n_components
    if not 1 <= r <= eta.shape[1]:
        raise ValueError(f"n_components must be between 1 and {eta.shape[1]}, got {n_components}")
    if not ridge > 0:
        raise ValueError(f"ridge must be positive, got {ridge}")
    # float64 whatever else is trained in: whitening divides by small eigenvalues.
    with torch.autocast(eta.device.type, enabled=False):
        white = [_unit_scale(h) for h in (eta, psi)]  # (N, D) each
        # The ridge bounds how far a direction of next to no variance is blown up (Andrew 2013).
        factors = [torch.linalg.cholesky(_covariance(h, h) + ridge * _eye(h)) for h in white]
        # Solved for, never inverted: cheaper, and steadier when a view is nearly flat in some direction.
        half = torch.linalg.solve_triangular(factors[0], _covariance(*white), upper=False)
        t = torch.linalg.solve_triangular(factors[1], half.T, upper=False)  # (D, D)
        # E‖η − ψ‖² = E‖η‖² + E‖ψ‖² − 2 E η·ψ: white views have r + r, and at best share Σρ (note §3.5.2).
        return 2 * r - 2 * torch.sum(torch.linalg.svdvals(t)[:r])


def _unit_scale(h: Tensor) -> Tensor:
    """Centred, float64, mean variance 1: so the ridge means the same whatever scale the network chooses."""
    h = nets.as_double(h)
    h = h - h.mean(0)
    return h / (h.square().mean() + 1e-12).sqrt()  # constant features stay 0


def _covariance(a: Tensor, b: Tensor) -> Tensor:
    return a.T @ b / len(a)  # or N − 1: a factor in all three, which whitening takes out


def _eye(h: Tensor) -> Tensor:
    return torch.eye(h.shape[1], dtype=h.dtype, device=h.device)


class DeepCCA(nn.Module):
    """Two networks ψ(x₁) and η(x₂), trained to be correlated (note §3.5.2; Andrew et al. 2013).

    Args:
        inputs: (d1, d2), numbers in the two views of `Pairs`; None takes `Pictures` and splits them: the left
            half is X₁, the right half X₂.
        dim: D, numbers that each network returns.
        n_components: r, how many correlations count; None is all D.
        width: of the two hidden layers (`Pairs` only).
        backbone: of the two networks (`Pictures` only), two of the same kind with weights of their own.
        ridge: see `canonical_loss`.

    The batch should be several times D: with N ≤ 2D every correlation can be 1. For components that are
    uncorrelated and sorted, fit `ssl_course.theory.correlation.CCA` to ``encode(x1)`` and ``encode2(x2)``.

    Raises:
        ValueError: sizes below 1, or n_components above dim.
    """

    defaults = {"optimizer": "adamw", "lr": 2e-3, "weight_decay": 1e-3, "steps": 400}

    def __init__(
        self,
        inputs: tuple[int, int] | None = None,
        dim: int = 16,
        n_components: int | None = None,
        width: int = 128,
        backbone: nn.Module | str | None = None,
        ridge: float = 1e-3,
    ) -> None:
        self.arguments = nets.arguments(locals())
        super().__init__()
        if dim < 1 or width < 1 or (inputs is not None and min(inputs) < 1):
            raise ValueError(f"need inputs, dim and width ≥ 1, got {inputs}, {dim} and {width}")
        if n_components is not None and not 1 <= n_components <= dim:
            raise ValueError(f"n_components must be between 1 and dim={dim}, got {n_components}")
        self.inputs, self.n_components, self.ridge = inputs, n_components, ridge
        if inputs is None:
            # a copy, since one module in both places would be one network
            self.net1, self.net2 = _picture_net(backbone, dim), _picture_net(copy.deepcopy(backbone), dim)
        else:
            self.net1, self.net2 = (nets.mlp(d, width, width, dim) for d in inputs)

    def pair(self, batch: Pairs | Pictures) -> Pair:
        """X₁ and X₂: rows (N, d1), (N, d2), or left and right halves of pictures (N, 3, H, W/2) in [0, 1]."""
        # The halves show one scene and share no pixel: what they agree on is about the scene.
        both = (batch.x1, batch.x2) if isinstance(batch, Pairs) else (batch.inputs, batch.inputs)
        return Pair(self._view(both[0], 0), self._view(both[1], 1))

    def forward(self, batch: Pairs | Pictures) -> Tensor:
        """2k − 2Σρ of the batch; with several ranks, of the pairs of all.

        Raises:
            ValueError: one pair only.
        """
        if len(batch) < 2:
            raise ValueError("one pair has no covariance: give deep CCA a larger batch")
        # Whitened by the batch's own covariance: shrinking both outputs to agree is of no use,
        # only correlation counts.
        x1, x2 = self.pair(batch)
        psi, eta = self.net1(self._scaled(x1)), self.net2(self._scaled(x2))  # (N, D) each
        # Of all ranks together: a correlation is no mean over pairs, and of few pairs it is mostly chance.
        return canonical_loss(gather_ranks(eta), gather_ranks(psi), self.ridge, self.n_components)

    def encode(self, x: Tensor) -> Tensor:
        """ψ(x₁), (N, D), of rows (N, d1), or of pictures (N, 3, H, W), of which it sees the left half."""
        psi: Tensor = self.net1(self._scaled(self._view(x, 0)))
        return psi

    def encode2(self, x: Tensor) -> Tensor:
        """η(x₂), (N, D), of rows (N, d2), or of pictures (N, 3, H, W), of which it sees the right half."""
        eta: Tensor = self.net2(self._scaled(self._view(x, 1)))
        return eta

    def encode_whole(self, x: Tensor) -> Tensor:
        """Whole pictures (N, 3, H, W) → features (N, dim) of ψ's backbone, averaged over places: for a probe.

        `encode` is ψ of half a picture, as the theory has it;
        a probe is to see as much as with other methods.
        """
        return torch.mean(self.net1[0](nets.normalise(nets.as_float(x, self))), (2, 3))

    def _scaled(self, x: Tensor) -> Tensor:
        return nets.normalise(x) if self.inputs is None else x

    def _view(self, x: Tensor, view: int) -> Tensor:
        """Half of pictures as floats, or rows checked, on the networks' device."""
        if self.inputs is None:
            if x.ndim != 4:
                raise ValueError(
                    f"x must be pictures (N, 3, H, W), got {tuple(x.shape)}; for rows: inputs=(d1, d2)"
                )
            return nets.as_float(parted(x)[view], self)
        if x.ndim != 2 or x.shape[1] != self.inputs[view]:
            raise ValueError(
                f"x must be (N, {self.inputs[view]}), as inputs={self.inputs} says: {tuple(x.shape)}"
            )
        # Rows often come from NumPy, in float64; the networks stay in their own precision.
        weight = next(self.parameters())
        return x.to(weight.device, weight.dtype)


def _picture_net(which: nn.Module | str | None, dim: int) -> nn.Sequential:
    body = nets.backbone(which)
    # Linear at the end: a ReLU would cut off one sign, and correlations live on both.
    return nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(body.dim, dim))
