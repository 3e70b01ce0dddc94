"""What hiding part of a picture does to the note's quantities, for Gaussian classes:
three curves against the mask ratio.

The note's message (§3.5): choose X₁, X₂ so that they depend on each other as little as possible given Y,
while each still depends on Y. With a class mean and a covariance for each class, every one of these is a
closed form, for any choice of what is hidden; measured means and covariances give the linear,
Gaussian part of real pictures.
"""

from typing import NamedTuple

import torch

from ssl_course.theory.independence import Array


class Masked(NamedTuple):
    """The three curves at one mask, 0-d float64."""

    dependence: torch.Tensor  # I(X₁; X₂ | Y), nats
    epsilon_squared: torch.Tensor  # ε_CI² of the best linear predictor, a hidden number; units of X squared
    class_information: torch.Tensor  # mean squared Mahalanobis distance of two classes in what is visible


def ar1_covariance(n: int, rho: float) -> torch.Tensor:
    """ρ^|i−j|, (n, n): a row of pixels, each like its neighbours.

    Raises:
        ValueError: ρ outside (−1, 1).
    """
    if not -1 < rho < 1:
        raise ValueError(f"rho must be in (−1, 1), got {rho}")
    place = torch.arange(n, dtype=torch.float64)
    return rho ** (place[:, None] - place).abs()


def class_moments(x: Array, y: Array) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Shares (k,), means (k, d) and covariances (k, d, d) of samples x (N, d) with classes y (N,).

    Raises:
        ValueError: a class with fewer than two samples.
    """
    rows, classes = torch.as_tensor(x).double(), torch.as_tensor(y).long()
    parts = [rows[classes == k] for k in range(int(classes.max()) + 1)]
    if min(len(p) for p in parts) < 2:
        raise ValueError("every class needs at least two samples")
    shares = torch.tensor([len(p) for p in parts]).double() / len(rows)
    return shares, torch.stack([p.mean(0) for p in parts]), torch.stack([p.T.cov() for p in parts])


def masked_curves(
    shares: Array, means: Array, covariances: Array, hidden: Array, counts: Array | None = None
) -> Masked:
    """Dependence, ε_CI² and class information when some numbers are X₂ and the rest X₁ (note §3.4, §3.5).

    - dependence: Σ_y P(y) ½ log(|Σ_V| |Σ_H| / |Σ|), covariances of the visible and hidden numbers within
      class y.
    - ε_CI²: with R = X₂ − E[X₂|Y], Tr(Σ_R1 Σ⁻¹ Σ_R1ᵀ) a hidden number, where Σ_R1 is the covariance of R with
      X₁ and Σ that of X₁ over all classes: what the best linear predictor finds, a lower bound of the exact
      one. With one class there is nothing but R, and it is the share of the variance that is predictable.
    - class information: the mean over pairs of classes of (x̄ − x̄')ᵀ Σ_V⁻¹ (x̄ − x̄'), the squared
      distance of their means; Σ_V is the mean covariance within.

    Args:
        shares: P(y) (k,).
        means: (k, d).
        covariances: (k, d, d), positive definite.
        hidden: (d,) bool, what is X₂.
        counts: samples of each class (k,) that the moments come from, each more than d. Then what their noise
            adds is taken off: the expected logarithm of a Wishart determinant, and the degrees of freedom of
            a regression (adjusted R²). The class information is left as it is.

    Raises:
        ValueError: nothing is hidden, or everything is; or too few samples.
    """
    p, m, s = (torch.as_tensor(v).double() for v in (shares, means, covariances))
    hide = torch.as_tensor(hidden).bool()
    if hide.all() or not hide.any():
        raise ValueError("some numbers must be hidden and some visible")
    seen = ~hide
    visible, covered = s[:, seen][:, :, seen], s[:, hide][:, :, hide]  # (k, v, v), (k, h, h)
    logs = visible.logdet() + covered.logdet() - s.logdet()  # (k,)
    cross = torch.einsum("k,khv->hv", p, s[:, hide][:, :, seen])  # Cov(R, X₁)
    centred = m[:, seen] - p @ m[:, seen]
    within = torch.einsum("k,kij->ij", p, visible)
    total = within + torch.einsum("k,ki,kj->ij", p, centred, centred)
    epsilon = (cross * torch.linalg.solve(total, cross.T).T).sum() / hide.sum()
    if counts is not None:
        n = torch.as_tensor(counts).double()
        if n.min() <= len(hide) + 1:
            raise ValueError(f"{int(n.min())} samples of a class are too few for {len(hide)} numbers")
        logs = logs - _excess(n, int(seen.sum())) - _excess(n, int(hide.sum())) + _excess(n, len(hide))
        variance = torch.einsum("k,khh->", p, covered) / hide.sum()
        epsilon = variance - (variance - epsilon) * (n.sum() - 1) / (n.sum() - int(seen.sum()) - 1)
    dependence = p @ logs / 2
    apart = m[:, None, seen] - m[None, :, seen]  # (k, k, v)
    squared = torch.einsum("abv,vw,abw->ab", apart, torch.linalg.inv(within), apart)
    pairs = len(m) * (len(m) - 1)
    return Masked(dependence, epsilon, squared.sum() / max(pairs, 1))


def _excess(n: torch.Tensor, d: int) -> torch.Tensor:
    """E log|S| − log|Σ| of a sample covariance of n samples, d numbers."""
    freedom = n[:, None] - 1 - torch.arange(d, dtype=torch.float64)  # (k, d)
    return torch.digamma(freedom / 2).sum(1) + d * (2 / (n - 1)).log()
