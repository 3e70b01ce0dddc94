"""What two views share: correlations between functions of X₁ and functions of X₂ (note §3.2, §3.5.2).

`PCA` and `CCA` (linear maps) are in components.py, `ace` (any maps, from samples) in ace.py; both are also
found here.
"""

import numpy as np
import torch

from ssl_course.theory.ace import Ace as Ace
from ssl_course.theory.ace import ace as ace
from ssl_course.theory.components import CCA as CCA
from ssl_course.theory.components import PCA as PCA
from ssl_course.theory.components import canonical_directions, whitener
from ssl_course.theory.independence import Array, as_rows, conditional


def canonical_correlations(x: Array, y: Array, ridge: float = 0.0) -> torch.Tensor:
    """The correlations of CCA on samples x (N, p), y (N, q), descending, (min(p, q),) float64 (note §3.2).

    Args, warnings and errors as in `CCA`; directions without variance have correlation 0.
    """
    return CCA(ridge=ridge).fit(x, y).correlations_


def cca_from_covariance(sxx: Array, syy: Array, sxy: Array, ridge: float = 0.0) -> torch.Tensor:
    """Canonical correlations from covariances, descending, (min(p, q),) float64 (note §3.2; Hotelling 1936).

    The singular values of Sxx^(−½) Sxy Syy^(−½): the exact correlations where the covariances are known.

    Args:
        sxx: (p, p), syy: (q, q), sxy: (p, q).
        ridge: added to the diagonals of sxx and syy.

    Raises:
        ValueError: shapes that do not fit, values not finite, sxx or syy not symmetric and positive
            semi-definite, or sxy larger than they allow.
    """
    sxx, syy, sxy = (as_rows(s, name) for s, name in ((sxx, "sxx"), (syy, "syy"), (sxy, "sxy")))
    if tuple(sxy.shape) != (len(sxx), len(syy)) or not ridge >= 0:
        raise ValueError(
            f"need sxx (p, p), syy (q, q), sxy (p, q) and ridge ≥ 0, got {tuple(sxx.shape)}, "
            f"{tuple(syy.shape)}, {tuple(sxy.shape)} and {ridge}"
        )
    for name, s in (("sxx", sxx), ("syy", syy)):
        if s.shape != s.T.shape or not torch.allclose(s, s.T, rtol=1e-8, atol=1e-10 * float(s.abs().max())):
            raise ValueError(f"{name} is not a symmetric matrix")
        if torch.linalg.eigvalsh(s)[0] < -1e-9 * s.abs().max():
            raise ValueError(f"{name} is no covariance: it has a negative eigenvalue")
    if torch.linalg.matrix_norm(whitener(sxx).T @ sxy @ whitener(syy), 2) > 1 + 1e-6:
        raise ValueError("sxy is too large: with sxx and syy it gives a correlation above 1")
    return canonical_directions(sxx, syy, sxy, ridge)[1]


def _two_way(joint: Array) -> torch.Tensor:
    table = torch.as_tensor(joint, dtype=torch.float64)
    if table.ndim != 2 or not (table >= 0).all() or not abs(float(table.sum()) - 1) <= 1e-6:
        raise ValueError(f"joint must be a table [x1, x2] that sums to 1, got shape {tuple(table.shape)}")
    conditional(table, "X₁"), conditional(table.T, "X₂")  # only ask whether each state occurs
    return table


def _normalised(table: torch.Tensor) -> torch.Tensor:
    """P(i,j)/√(p_i q_j) − √(p_i q_j), (n1, n2): its singular values are the maximal correlations, and a 0."""
    root = (table.sum(1)[:, None] * table.sum(0)).sqrt()
    return table / root - root


def maximal_correlations(joint: Array) -> torch.Tensor:
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
        ValueError: not a two-way table that sums to 1, or a state that never occurs.
    """
    return torch.clamp(torch.linalg.svdvals(_normalised(_two_way(joint)))[:-1], max=1)


def maximal_functions(joint: Array) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The functions behind the maximal correlations: ψ (n1, r), ρ (r,), η (n2, r), r = min(n1, n2) − 1
    (note §3.5.2).

    Columns have mean 0 and variance 1, and are uncorrelated; E[ψ_i(X₁) η_i(X₂)] = ρ_i. Of equal ρ only the
    space that their functions span is determined. Each ψ has its largest value positive.

    Raises:
        ValueError: as `maximal_correlations`.
    """
    table = _two_way(joint)
    u, s, vt = torch.linalg.svd(_normalised(table), full_matrices=False)
    psi, eta = u / table.sum(1).sqrt()[:, None], vt.T / table.sum(0).sqrt()[:, None]
    sign = torch.where(psi.gather(0, psi.abs().argmax(0, keepdim=True)) < 0, -1.0, 1.0)  # (1, r)
    return (psi * sign)[:, :-1], s[:-1].clamp(max=1), (eta * sign)[:, :-1]


def l_sim(eta: Array, psi: Array, whiten: bool = False) -> torch.Tensor:
    """L_sim = E‖η(X₂) − ψ(X₁)‖² of samples, as it is or with both whitened first (note §3.5.2).

    As it is, two equal constants give 0: collapse. Whitened, both are replaced by Σ^(−½)(η − mean), Σ^(−½)
    symmetric so that whitened functions stay as they are, and E‖η‖² = E‖ψ‖² = r: L_sim = 2r − 2 E[ηᵀψ]. A
    constant function cannot be whitened and counts as one without correlation, so a collapsed map gets 2k.

    Args:
        eta, psi: (N, r) or (N,), row i of both from the same sample; gradients pass through.

    Returns:
        0-d float64.

    Raises:
        ValueError: shapes that differ, values not finite, or fewer than 2 rows to whiten.
    """
    eta, psi = as_rows(eta, "eta"), as_rows(psi, "psi")
    if eta.shape != psi.shape:
        raise ValueError(f"eta and psi must have one shape, got {tuple(eta.shape)} and {tuple(psi.shape)}")
    if not whiten:
        return (eta - psi).square().sum(1).mean()
    if len(eta) < 2:
        raise ValueError("eta and psi have one row only: there is nothing to whiten")
    return 2 * eta.shape[1] - 2 * (_white(eta) * _white(psi)).sum(1).mean()


def _white(rows: torch.Tensor) -> torch.Tensor:
    """Rows (N, r) with mean 0 and covariance Id (over N), by the symmetric root; missing ones stay 0."""
    rows = rows - rows.mean(0)
    values, vectors = torch.linalg.eigh(rows.T @ rows / len(rows))
    keep = values > 1e-12 * values[-1].clamp(min=1e-12)
    vectors = vectors[:, keep]
    return torch.matmul(rows @ (vectors / values[keep].sqrt()), vectors.T)


def l_sim_minimum(joint: Array, r: int) -> torch.Tensor:
    """min L_sim = 2r − 2 Σ_{i≤r} ρ_i over all functions with E[ηηᵀ] = E[ψψᵀ] = Id_r, mean 0 (note §3.5.2).

    Args:
        joint: P(X₁, X₂), (n1, n2), or with Y as a third axis, which is summed over.
        r: number of functions, at most min(n1, n2) − 1: a view of n states has no more uncorrelated ones.

    Raises:
        ValueError: r out of range, or a table that is none.
    """
    table = torch.as_tensor(joint, dtype=torch.float64)
    rho = maximal_correlations(table.sum(2) if table.ndim == 3 else table)
    if not 1 <= r <= len(rho):
        raise ValueError(f"r must be between 1 and min(n1, n2) − 1 = {len(rho)}, got {r}")
    return 2 * r - 2 * rho[:r].sum()


def sample_noise(n: int, p: int, q: int, shared: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """x (n, p) and y (n, q), standard normal; only the first columns correlate, by ``shared``."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, p)), rng.normal(size=(n, q))
    y[:, 0] = shared * x[:, 0] + (1 - shared**2) ** 0.5 * y[:, 0]
    return x, y


def noise_edge(n: int | np.ndarray, p: int, q: int) -> np.ndarray:
    """The first canonical correlation of p and q columns of pure noise in n rows, for large n, p, q
    (Wachter 1980).

    √(α(1−β)) + √(β(1−α)) with α = p/(n−1), β = q/(n−1), the n − 1 for centring; 1 where α + β ≥ 1.
    """
    a, b = p / (np.asarray(n, float) - 1), q / (np.asarray(n, float) - 1)
    inside = a + b < 1
    a, b = np.where(inside, a, 0.5), np.where(inside, b, 0.5)
    return np.where(inside, np.sqrt(a * (1 - b)) + np.sqrt(b * (1 - a)), 1.0)
