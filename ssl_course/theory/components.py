"""PCA keeps what is large, CCA what two views share (note §3.2), in scikit-learn's manner on tensors."""

from __future__ import annotations

import warnings

import torch

from ssl_course.theory.independence import Array, as_rows


def whitener(covariance: torch.Tensor, ridge: float = 0.0) -> torch.Tensor:
    """W, (p, rank), with Wᵀ (Σ + ridge·I) W = I; directions without variance are left out.

    Columns are brought to variance 1 first, so that a small column is not mistaken for a missing one.
    """
    p = len(covariance)
    sigma = covariance + ridge * torch.eye(p, dtype=covariance.dtype, device=covariance.device)
    scale = sigma.diagonal().clamp(min=0).sqrt()
    inverse = torch.where(scale > 0, 1 / scale, 0.0)[:, None]  # (p, 1)
    values, vectors = torch.linalg.eigh(inverse * sigma * inverse.T)
    keep = values > 1e-12 * p
    return torch.div(inverse * vectors[:, keep], values[keep].sqrt())


def canonical_directions(
    sxx: torch.Tensor, syy: torch.Tensor, sxy: torch.Tensor, ridge: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """SVD of the whitened cross-covariance (note §3.2): a (p, m), correlations (m,), b (q, m), m = min(p, q).

    Where a view has fewer directions with variance than m, the last columns and correlations are zeros.
    """
    wx, wy = whitener(sxx, ridge), whitener(syy, ridge)  # (p, rx), (q, ry)
    u, s, vt = torch.linalg.svd(wx.T @ sxy @ wy, full_matrices=False)  # s: (min(rx, ry),)
    m = min(sxy.shape)
    a, b, correlations = sxx.new_zeros(len(sxx), m), syy.new_zeros(len(syy), m), s.new_zeros(m)
    a[:, : len(s)], b[:, : len(s)], correlations[: len(s)] = wx @ u, wy @ vt.T, s.clamp(max=1)
    return a, correlations, b


def _centred(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows less their mean, a constant column exactly 0 whatever the rounding, and the mean."""
    mean = rows.mean(0)
    centred = rows - mean
    constant = centred.abs().amax(0) <= 1e-12 * rows.abs().amax(0)
    return torch.where(constant, 0.0, centred), mean


def _sign(weights: torch.Tensor, dim: int) -> torch.Tensor:
    """±1 that makes the entry of largest size along ``dim`` positive: the sign of a direction is free."""
    top = weights.gather(dim, weights.abs().argmax(dim, keepdim=True))
    return torch.where(top < 0, -1.0, 1.0)


def _check_components(n_components: int | None, most: int, what: str) -> int:
    if n_components is None:
        return most
    if not 1 <= n_components <= most:
        raise ValueError(f"n_components must be between 1 and {what} = {most}, got {n_components}")
    return n_components


class PCA:
    """The directions of largest variance (Pearson 1901), as in ``sklearn.decomposition.PCA`` (note §3.2).

    Args:
        n_components: K; None keeps min(N, p).

    Attributes:
        components_: (K, p), orthonormal rows.
        explained_variance_: (K,), in squared units of x, with N − 1.
        explained_variance_ratio_: (K,), shares of the total.
        mean_: (p,).
    """

    def __init__(self, n_components: int | None = None) -> None:
        self.n_components = n_components

    def fit(self, x: Array) -> PCA:
        """x: (N, p). Raises ValueError for fewer than 2 rows, values not finite, or too many components."""
        rows = as_rows(x, "x")
        if len(rows) < 2:
            raise ValueError("x has one row only: there is no variance")
        k = _check_components(self.n_components, min(rows.shape), "min(N, p)")
        centred, self.mean_ = _centred(rows)
        _, s, vt = torch.linalg.svd(centred, full_matrices=False)
        variance = s.square() / (len(rows) - 1)
        self.components_: torch.Tensor = vt[:k] * _sign(vt[:k], 1)
        self.explained_variance_ = variance[:k]
        total = variance.sum()
        self.explained_variance_ratio_ = variance[:k] / torch.where(total > 0, total, 1)
        return self

    def transform(self, x: Array) -> torch.Tensor:
        """(N, p) → (N, K)."""
        return (as_rows(x, "x").to(self.mean_.device) - self.mean_) @ self.components_.T


class CCA:
    """Canonical correlation analysis (Hotelling 1936): whiten both views, SVD of their cross-covariance
    (§3.2).

    Equal to ``sklearn.cross_decomposition.CCA(scale=False, max_iter=5000, tol=1e-12)`` up to the scale of the
    components, which here have variance 1; ``predict`` and ``score`` are scikit-learn's, with its scale. What
    two views share is rather seen in `correlation`.

    With N ≤ p + q the training correlations start with a 1 whatever the data are, and constant or repeated
    columns leave directions without variance: both are computed without NaN, and a warning says so. A ridge
    or a test split is the cure.

    Args:
        n_components: K; None keeps min(p, q).
        ridge: added to the variances of both views, in squared units of their columns.

    Attributes:
        correlations_: (K,), descending; those of the training data, shrunk by the ridge.
        x_rotations_: (p, K), y_rotations_: (q, K): ψ(x₁) = (x₁ − mean) @ x_rotations_, η likewise.
        x_mean_: (p,), y_mean_: (q,).
        coef_: (q, p), of ``predict``.
    """

    def __init__(self, n_components: int | None = None, ridge: float = 0.0) -> None:
        if not ridge >= 0:
            raise ValueError(f"ridge must not be negative, got {ridge}")
        self.n_components, self.ridge = n_components, ridge

    def fit(self, x: Array, y: Array) -> CCA:
        """x: (N, p), y: (N, q), rows of the same samples.

        Raises:
            ValueError: fewer than 2 rows, lengths that differ, values not finite, too many components.
        """
        x, y = _pair(x, y)
        n, p, q = len(x), x.shape[1], y.shape[1]
        k = _check_components(self.n_components, min(p, q), "min(p, q)")
        x, self.x_mean_ = _centred(x)
        y, self.y_mean_ = _centred(y)
        sxx, syy, sxy = x.T @ x / (n - 1), y.T @ y / (n - 1), x.T @ y / (n - 1)
        if self.ridge == 0:
            _warn(n, whitener(sxx).shape, whitener(syy).shape)
        a, correlations, b = canonical_directions(sxx, syy, sxy, self.ridge)
        sign = _sign(a, 0)
        self.x_rotations_, self.y_rotations_ = (a * sign)[:, :k], (b * sign)[:, :k]
        self.correlations_ = correlations[:k]
        self._covariances = sxx, syy
        return self

    @property
    def coef_(self) -> torch.Tensor:
        """(q, p), of ``predict``; computed when asked for."""
        sxx, syy = self._covariances
        one, two = _unit_weights(sxx, self.x_rotations_), _unit_weights(syy, self.y_rotations_)  # (K,)
        scale = torch.where(two > 0, one / torch.where(two > 0, two, 1), 0.0)
        return syy @ self.y_rotations_ @ (scale[:, None] * self.x_rotations_.T)

    def transform(self, x: Array, y: Array | None = None) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """(N, p) → (N, K); with y: both views' components, (N, K) each."""
        return self._psi(x) if y is None else (self._psi(x), self._eta(y))

    def _psi(self, x: Array) -> torch.Tensor:
        return (as_rows(x, "x").to(self.x_mean_.device) - self.x_mean_) @ self.x_rotations_

    def _eta(self, y: Array) -> torch.Tensor:
        return (as_rows(y, "y").to(self.y_mean_.device) - self.y_mean_) @ self.y_rotations_

    def fit_transform(self, x: Array, y: Array) -> tuple[torch.Tensor, torch.Tensor]:
        """Fit, and transform the same rows: (N, K) each."""
        self.fit(x, y)
        return self._psi(x), self._eta(y)

    def predict(self, x: Array) -> torch.Tensor:
        """y (N, q) from x (N, p), as scikit-learn does it: through the K pairs, not by least squares."""
        return (as_rows(x, "x").to(self.x_mean_.device) - self.x_mean_) @ self.coef_.T + self.y_mean_

    def score(self, x: Array, y: Array) -> torch.Tensor:
        """R² of ``predict``, the mean over y's columns, as in scikit-learn; may be negative.

        Raises:
            ValueError: lengths that differ or fewer than 2 rows.
        """
        x, y = _pair(x, y)
        left = (y - self.predict(x).to(y.device)).square().sum(0)  # (q,)
        spread = _centred(y)[0].square().sum(0)
        # a constant column counts as scikit-learn has it: 1 when it is met, 0 when it is missed
        r2 = torch.where(spread > 0, 1 - left / torch.where(spread > 0, spread, 1), (left == 0).double())
        return r2.mean()

    def correlation(self, x: Array, y: Array) -> torch.Tensor:
        """Mean over the K components of the correlation on these rows, in [−1, 1]; honest on new rows."""
        psi, eta = (_centred(z)[0] for z in self.transform(*_pair(x, y)))
        norm = (psi.square().sum(0) * eta.square().sum(0)).sqrt()  # (K,)
        return ((psi * eta).sum(0) / torch.where(norm > 0, norm, 1)).mean()


def _unit_weights(covariance: torch.Tensor, rotations: torch.Tensor) -> torch.Tensor:
    """(K,) the scale of scikit-learn's components: each unit weights on what the earlier ones left over."""
    loadings = covariance @ rotations  # (p, K) covariance of the columns with components of variance 1
    left, scale = covariance, []
    for i in range(rotations.shape[1]):
        weights = torch.linalg.pinv(left, rtol=1e-12, hermitian=True) @ loadings[:, i]
        size = weights.norm()
        scale.append(torch.where(size > 0, 1 / size, 0.0))
        left = left - loadings[:, i, None] * loadings[:, i]
    return torch.stack(scale)


def _pair(x: Array, y: Array) -> tuple[torch.Tensor, torch.Tensor]:
    rows = as_rows(x, "x"), as_rows(y, "y")
    if len(rows[0]) != len(rows[1]) or len(rows[0]) < 2:
        raise ValueError(f"x and y need the same rows, at least 2: got {len(rows[0])} and {len(rows[1])}")
    return rows[0], rows[1].to(rows[0].device)


def _warn(n: int, x: torch.Size, y: torch.Size) -> None:
    """Say what makes training correlations meaningless: (columns, directions with variance) of both views."""
    if n <= x[0] + y[0]:
        warnings.warn(
            f"{n} rows for {x[0]} + {y[0]} columns: a training correlation of 1 is certain, whatever the "
            "data. Add a ridge, and score held-out rows.",
            stacklevel=3,
        )
    for name, (columns, rank) in (("x", x), ("y", y)):
        if rank < min(columns, n - 1):
            warnings.warn(
                f"{name} has {columns - rank} of {columns} directions without variance (constant or repeated "
                "columns); they are left out.",
                stacklevel=3,
            )
