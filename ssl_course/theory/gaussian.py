"""The jointly Gaussian world: every quantity of the bound in closed form, and the simulation beside it
(note §3.4).

X₁, X₂ and the label Y ∈ ℝᵏ are jointly Gaussian with mean 0; here Y is a vector of k numbers, not one-hot.
Then ψ*(x₁) = E[X₂|X₁] is linear, M is the matrix of E[X₂|Y] = M Y, and all statements of bounds.py hold
without an intercept. Our own settings, in the manner of the simulation of Lee, Lei, Saunshi, Zhuo
(arXiv 2008.01064).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from ssl_course.theory.bounds import excess_risk, kth_singular_value, over_square
from ssl_course.theory.worlds import Simulated

FEATURES = ("full", "top", "raw")  # ψ*, its top k principal components, X₁ itself
WHERE = ("all", "class", "aside", "against")


@dataclass(frozen=True, eq=False)  # a world equals itself: two covariances are compared by who asks
class GaussianWorld:
    """A world given by its covariance.

    Args:
        covariance: of (X₁, X₂, Y) in this order, (d1 + d2 + k,) squared.
        d1, d2, k: numbers in X₁, X₂ and Y.

    Raises:
        ValueError: shape or symmetry is wrong, or there is a negative eigenvalue.
    """

    covariance: torch.Tensor
    d1: int
    d2: int
    k: int

    def __post_init__(self) -> None:
        s = torch.as_tensor(self.covariance, dtype=torch.float64).cpu()
        object.__setattr__(self, "covariance", s)
        size = self.d1 + self.d2 + self.k
        if tuple(s.shape) != (size, size) or not torch.allclose(s, s.T):
            raise ValueError(f"covariance must be symmetric ({size}, {size}), got shape {tuple(s.shape)}")
        if torch.linalg.eigvalsh(s)[0] < -1e-9 * s.abs().max():
            raise ValueError("covariance has a negative eigenvalue")

    def block(self, rows: str, columns: str) -> torch.Tensor:
        """A block of the covariance; "1", "2" and "y" name X₁, X₂ and Y."""
        at = {"1": slice(0, self.d1), "2": slice(self.d1, self.d1 + self.d2), "y": slice(-self.k, None)}
        return self.covariance[at[rows], at[columns]]

    def expectation(self, target: str, given: str) -> torch.Tensor:
        """The matrix of E[target | given], of blocks as `block` names them."""
        return torch.t(torch.linalg.solve(self.block(given, given), self.block(given, target)))

    def psi(self) -> torch.Tensor:
        """(d2, d1), the matrix of ψ*(x₁) = E[X₂ | X₁ = x₁] (note §3.3)."""
        return self.expectation("2", "1")

    def means(self) -> torch.Tensor:
        """M, (d2, k), the matrix of E[X₂|Y] = M Y (note §3.3)."""
        return self.expectation("2", "y")

    def sigma_k(self) -> torch.Tensor:
        """σ_k(M), 0 when d2 < k (note §3.5.2)."""
        return kth_singular_value(self.means(), self.k)

    def label_noise(self) -> torch.Tensor:
        """V = Tr Cov(Y|X₁) (note §3.4)."""
        return (self.block("y", "y") - self.expectation("y", "1") @ self.block("1", "y")).trace()

    def epsilon_ci_squared(self) -> torch.Tensor:
        """ε_CI² = E‖ψ*(X₁) − M E[Y|X₁]‖², in squared units of X₂ (note §3.4)."""
        gap = self.psi() - self.means() @ self.expectation("y", "1")  # (d2, d1)
        return (gap @ self.block("1", "1") @ gap.T).trace()

    def features(self, which: str = "full") -> torch.Tensor:
        """(r, d1), the matrix of the features that are probed: one of FEATURES.

        Raises:
            ValueError: an unknown name.
        """
        if which not in FEATURES:
            raise ValueError(f"features must be one of {FEATURES}, got {which!r}")
        if which == "raw":
            return torch.eye(self.d1, dtype=torch.float64)
        psi = self.psi()
        return psi if which == "full" else _leading(psi, self.block("1", "1"), self.k)

    def whitened(self, which: str) -> torch.Tensor:
        """An orthonormal basis of the features in L²: (rank, d1) acting on whitened X₁;
        rounding error left out."""
        root = torch.linalg.cholesky(self.block("1", "1"))
        _, s, vt = torch.linalg.svd(self.features(which) @ root, full_matrices=False)
        scale = self.block("2", "2").trace().sqrt() if which != "raw" else s[0]
        basis: torch.Tensor = vt[s > 1e-9 * scale]
        return basis

    def rank(self, which: str = "full") -> int:
        """How many dimensions the features have: k of ψ* under CI, up to d2 without (note §3.4)."""
        return len(self.whitened(which))

    def approximation_error(self, which: str = "full") -> torch.Tensor:
        """a = min over W of E‖E[Y|X₁] − W features‖² (note §3.4); at most ε²/σ_k² for the full ψ*."""
        root: torch.Tensor = torch.linalg.cholesky(self.block("1", "1"))
        target, basis = self.expectation("y", "1") @ root, self.whitened(which)  # (k, d1), (r, d1)
        return (target - target @ basis.T @ basis).square().sum()

    def approximation_bound(self, which: str = "full") -> torch.Tensor:
        """ε²/σ_k(M)², four times that for the top k, 0 for the raw X₁ (note §3.4)."""
        if which == "raw":
            return torch.zeros((), dtype=torch.float64)
        return over_square((4 if which == "top" else 1) * self.epsilon_ci_squared(), self.sigma_k())

    def excess(self, n: int | torch.Tensor, which: str = "full") -> torch.Tensor:
        """Expected excess risk of least squares with n labels, exact (note §3.4); "raw": supervised."""
        return excess_risk(*self._terms(which), n)

    @lru_cache(maxsize=64)  # noqa: B019 - a curve asks for them at each n, and they do not depend on it
    def _terms(self, which: str) -> tuple[torch.Tensor, torch.Tensor, int]:
        return self.approximation_error(which), self.label_noise(), self.rank(which)

    def overtakes(self, which: str = "full") -> torch.Tensor:
        """The n_L from which supervised least squares on X₁ beats the probe (note §3.4):
        d₁ + 1 + (d₁ − r) V/a.

        The closed form of a + (V + a) r/(n−r−1) = V d₁/(n−d₁−1); infinite when a = 0.
        """
        a, noise, rank = self._terms(which)
        gain = (self.d1 - rank) * noise
        return self.d1 + 1 + gain / a if a > 1e-12 else torch.full_like(a, torch.inf)

    def sample(self, n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """n samples: x1 (n, d1), x2 (n, d2), y (n, k)."""
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(n, len(self.covariance), dtype=torch.float64, generator=generator)
        x1, x2, y = _mixed(noise, self.covariance).split([self.d1, self.d2, self.k], -1)
        return x1, x2, y

    def _labelled(
        self, shape: tuple[int, int], rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """`_triangles` of x1 (repeats, m, d1) with y (repeats, m, k)."""
        at = [*range(self.d1), *range(self.d1 + self.d2, len(self.covariance))]
        x1, y = _triangles(shape, self.covariance[at][:, at], rng).split([self.d1, self.k], -1)
        return x1, y

    def simulate(
        self,
        n: int,
        which: str = "full",
        repeats: int = 400,
        ridge: float = 0.0,
        unlabelled: int | None = None,
        seed: int = 0,
    ) -> Simulated:
        """Excess risk of least squares with n labels: the mean over repeats (note §3.4).

        Args:
            which: the features, one of FEATURES.
            ridge: added to the features' covariance; 0 is exact least squares
                (smallest norm when n is too small).
            unlabelled: learn ψ by least squares from so many pairs (X₁, X₂) each time; None uses ψ* itself.

        Raises:
            ValueError: an unknown name, n < 1, repeats < 2, or no more unlabelled pairs than numbers in X₁.
        """
        if n < 1 or repeats < 2 or not ridge >= 0:
            raise ValueError(f"need n ≥ 1, repeats ≥ 2 and ridge ≥ 0, got {n}, {repeats} and {ridge}")
        if unlabelled is not None and unlabelled <= self.d1:
            raise ValueError(f"unlabelled must be above d1 = {self.d1}, got {unlabelled}")
        rng = np.random.default_rng(seed)
        matrix, rank = self.features(which), self.rank(which)  # (r, d1)
        if rank == 0:
            matrix = torch.zeros_like(matrix)  # what is left is rounding error
        x1, y = self._labelled((repeats, n), rng)  # (repeats, m, d1), (repeats, m, k)
        if unlabelled is not None and which != "raw":
            pairs = _triangles((repeats, unlabelled), self.covariance[: -self.k, : -self.k], rng)
            u1, u2 = pairs.split([self.d1, self.d2], -1)  # (repeats, m, d1), (repeats, m, d2)
            matrix = torch.linalg.solve(u1.mT @ u1, u1.mT @ u2).mT  # (repeats, d2, d1)
            if which == "top":
                matrix = _leading(matrix, u1.mT @ u1 / unlabelled, self.k)
        elif not ridge and n > rank:
            # The span alone decides, so take a basis of it that is uncorrelated and has no direction of mere
            # rounding.
            root = torch.linalg.cholesky(self.block("1", "1"))
            matrix = torch.linalg.solve_triangular(root, self.whitened(which), upper=False, left=False)
        h = x1 @ matrix.mT  # (repeats, m, r)
        if ridge or n > h.shape[-1]:
            eye = torch.eye(h.shape[-1], dtype=torch.float64)
            weights = torch.linalg.solve(h.mT @ h + n * ridge * eye, h.mT @ y)  # (repeats, r, k)
        else:
            weights = torch.linalg.pinv(h, rtol=1e-9) @ y
        gap = self.expectation("y", "1") - weights.mT @ matrix  # (repeats, k, d1)
        excess = torch.einsum("bki,ij,bkj->b", gap, self.block("1", "1"), gap)
        return Simulated(float(excess.mean()), float(excess.std() / repeats**0.5))


def _mixed(noise: torch.Tensor, covariance: torch.Tensor) -> torch.Tensor:
    """Independent standard normal numbers (…, d) → numbers with this covariance."""
    values, vectors = torch.linalg.eigh(covariance)
    return torch.matmul(noise, (vectors * values.clamp(min=0).sqrt()).T)


def _triangles(shape: tuple[int, int], covariance: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """What least squares can see of ``repeats`` samples of n, shape = (repeats, n): (repeats, min(n, d), d).

    Turning a sample's rows, Z → QᵀZ, changes no least squares solution. With Z = QR that leaves the triangle
    R, whose entries are independent (Bartlett): N(0, 1) above the diagonal, χ with n, n − 1, … degrees of
    freedom on it. So five thousand labels cost no more than fifty.
    """
    (repeats, n), size = shape, len(covariance)
    noise = rng.standard_normal((repeats, min(n, size), size))
    if n > size:
        noise = np.triu(noise, 1)
        noise[:, range(size), range(size)] = np.sqrt(rng.chisquare(n - np.arange(size), (repeats, size)))
    return _mixed(torch.from_numpy(noise), covariance)


def _leading(psi: torch.Tensor, covariance: torch.Tensor, k: int) -> torch.Tensor:
    """The top k principal components of ψ(X₁): (…, d2, d1) → (…, k, d1)."""
    vectors: torch.Tensor = torch.linalg.eigh(psi @ covariance @ psi.mT)[1]  # ascending
    return vectors[..., -k:].mT @ psi


def gaussian_world(
    k: int = 3,
    d1: int = 40,
    d2: int = 10,
    dependence: float = 0.0,
    sigma: float = 1.0,
    noise: float = 1.596,
    where: str = "all",
) -> GaussianWorld:
    """A world with one knob for each term of the bound (note §3.4).
    Y ~ N(0, I_k); the noise of X₁ and X₂ is N(0, I).

    X₁ = (sY, 0) + N₁ with s² = k/V − 1, so that Tr Cov(Y|X₁) = ``noise``; X₂ = (``sigma``·Y, 0) + N₂, so that
    σ_k(M) = ``sigma``. Coordinate i of N₂ has the correlation ρ = ``dependence`` with one coordinate of N₁:

    - "all": with coordinate k + i, which says nothing about Y. ψ* gets rank d2 and its class coordinates
      noise: a = k v ρ²/(sigma² v + ρ²), v = s²/(1 + s²), which is ε²/σ_k² for weak dependence in the class
      coordinates.
    - "class": the same for i < k only; ψ* keeps rank k. "aside": for i ≥ k only: ε > 0 and a = 0, harmless.
    - "against": −ρ with coordinate i, i < k: a = 0, until at ρ = s·sigma ψ* = 0 and a = ε²/σ_k² exactly.

    Args:
        dependence: ρ in [0, 1].
        noise: V, in (0, k).

    Raises:
        ValueError: a value outside its range, d1 < k + d2 (room for the private coordinates), or d2 < 1.
    """
    if k < 1 or d2 < 1 or d1 < k + d2:
        raise ValueError(f"need k ≥ 1, d2 ≥ 1 and d1 ≥ k + d2, got k={k}, d1={d1}, d2={d2}")
    if not 0 <= dependence <= 1 or not 0 < noise < k or sigma < 0:
        raise ValueError(f"need 0 ≤ dependence ≤ 1, 0 < noise < k, sigma ≥ 0: {dependence}, {noise}, {sigma}")
    if where not in WHERE:
        raise ValueError(f"where must be one of {WHERE}, got {where!r}")
    eye = torch.eye(d1 + d2, dtype=torch.float64)
    first, second, c = (k / noise - 1) ** 0.5 * eye[:d1, :k], sigma * eye[:d2, :k], min(k, d2)
    cross = torch.zeros(d2, d1, dtype=torch.float64)  # Cov(N₂, N₁)
    chosen = {"all": range(d2), "class": range(c), "aside": range(c, d2), "against": range(c)}[where]
    for i in chosen:
        if where == "against":
            cross[i, i] = -dependence
        else:
            cross[i, k + i] = dependence
    loading = torch.cat([first, second, torch.eye(k, dtype=torch.float64)])  # of Y in (X₁, X₂, Y)
    private = torch.zeros(len(loading), len(loading), dtype=torch.float64)
    private[: d1 + d2, : d1 + d2] = eye
    private[d1 : d1 + d2, :d1], private[:d1, d1 : d1 + d2] = cross, cross.T
    return GaussianWorld(loading @ loading.T + private, d1, d2, k)
