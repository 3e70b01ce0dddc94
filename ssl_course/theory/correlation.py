"""What two views share: correlations between functions of X₁ and functions of X₂ (note §3.5.2)."""

from __future__ import annotations

import numpy as np
import torch


def maximal_correlations(joint: np.ndarray | torch.Tensor) -> torch.Tensor:
    """The maximal correlations of a table P(X₁=i, X₂=j), descending, without the trivial 1 (note §3.5.2).

    The i-th is the largest correlation of a function of X₁ with a function of X₂, uncorrelated with those
    before it (Hirschfeld, Gebelein, Rényi): the singular values of P(i,j)/√(p_i q_j). The constant function's
    correlation of 1 is taken out by subtracting √(p qᵀ) first, since dropping the largest singular value
    mixes up ties at 1. Papers that count it have one more.

    Args:
        joint: (n1, n2), non-negative, sum 1.

    Returns:
        (min(n1, n2) − 1,) float64.

    Raises:
        ValueError: not a two-way table that sums to 1.
    """
    table = torch.as_tensor(joint, dtype=torch.float64)
    if table.ndim != 2 or (table < 0).any() or abs(float(table.sum()) - 1) > 1e-6:
        raise ValueError(f"need a table [x1, x2] that sums to 1, got shape {tuple(table.shape)}")
    p, q = table.sum(1), table.sum(0)
    root = (p[:, None] * q).sqrt()  # (n1, n2)
    normalised = table / torch.where(root > 0, root, 1)
    return torch.linalg.svdvals(normalised - root)[:-1].clamp(max=1)
