"""Alternating conditional expectations: maximal correlation from samples (note §3.5.2)."""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch

from ssl_course.theory.independence import Array, group_mean

# How x₂ may depend on x₁, and after how many alternations ACE hardly moves on any of them.
SHAPES = ["line", "parabola", "wave", "circle", "cross", "steps", "nothing shared"]
STEPS = 15


class Ace(NamedTuple):
    """The most correlated pair of functions that was found."""

    correlation: torch.Tensor  # 0-d float64, of the samples
    eta: torch.Tensor  # (N,) η(x2) at the samples, mean 0, variance 1
    psi: torch.Tensor  # (N,) ψ(x1) at the samples, mean 0, variance 1
    history: list[float]  # the correlation after each iteration


def ace(
    x1: Array,
    x2: Array,
    categorical: bool | None = None,
    span: float = 0.2,
    iterations: int = 500,
    tolerance: float = 1e-10,
) -> Ace:
    """ψ(X₁) and η(X₂) of largest correlation (note §3.5.2; Breiman & Friedman 1985, ACE with one predictor).

    Under the constraint of variance 1, L_sim is smallest at ψ = E[η|X₁] normalised when η is held, and at
    η = E[ψ|X₂] normalised when ψ is held; the two steps alternate. Without normalising, both shrink to 0.
    Conditional expectations are group means for categories and a running line through the nearest samples for
    numbers. The correlation is that of the samples that the functions were fitted to: too high, the more so
    the fewer samples or the smaller the span. η rises with x2 on the whole (with its codes, for categories).

    Args:
        x1, x2: (N,) numbers or categories (integers, truth values, strings).
        categorical: None takes integers, truth values, strings and numbers with at most N / 10 different
            values as categories, everything else as numbers.
        span: share of the samples in a running line's window.
        iterations: at most so many; stops when the correlation changes by less than ``tolerance``.

    Raises:
        ValueError: shapes other than (N,), lengths that differ, N < 3, a value that is not finite,
            a constant.
    """
    first, second = _Variable(x1, "x1", categorical, span), _Variable(x2, "x2", categorical, span)
    if len(first.codes) != len(second.codes):
        raise ValueError(f"x1 and x2 need equal lengths, got {len(first.codes)} and {len(second.codes)}")
    eta = _normal(second.rank.square())  # neither even nor odd, so it misses no shape from the start
    psi, correlation, history = torch.zeros_like(eta), eta.new_zeros(()), []
    for _ in range(iterations):
        psi = _normal(first.expect(eta))
        eta = _normal(second.expect(psi))
        before, correlation = correlation, (psi * eta).mean()
        history.append(float(correlation))
        if abs(float(correlation - before)) < tolerance:
            break
    sign = -1.0 if float(eta @ (second.rank - second.rank.mean())) < 0 else 1.0
    return Ace(correlation, sign * eta, sign * psi, history)


def _normal(f: torch.Tensor) -> torch.Tensor:
    """Mean 0 and variance 1; a constant becomes 0."""
    f = f - f.mean()
    spread = f.square().mean().sqrt()
    return f / spread if spread > 1e-12 else torch.zeros_like(f)


class _Variable:
    """Samples of one variable, and the conditional expectation given it."""

    def __init__(self, values: Array, name: str, categorical: bool | None, span: float) -> None:
        device = values.device if torch.is_tensor(values) else "cpu"
        raw = values.detach().cpu().numpy() if torch.is_tensor(values) else np.asarray(values)
        if raw.ndim != 1 or len(raw) < 3:
            raise ValueError(f"{name} must be (N,) with N ≥ 3, got shape {raw.shape}")
        numbers = raw.dtype.kind == "f"
        if numbers and not np.isfinite(raw).all():
            raise ValueError(f"{name} has a value that is not finite")
        if not 0 < span <= 1:
            raise ValueError(f"span must be in (0, 1], got {span}")
        distinct, codes = np.unique(raw, return_inverse=True)
        if len(distinct) < 2:
            raise ValueError(f"{name} is constant")
        if categorical is None:
            categorical = not numbers or len(distinct) <= len(raw) / 10
        self.codes = torch.as_tensor(codes, device=device)
        self.groups = len(distinct)
        self.rank = (self.codes.double() + 1) / self.groups  # (N,) in (0, 1]
        self.expect: Callable[[torch.Tensor], torch.Tensor] = self._means
        if not categorical:
            x = torch.as_tensor(raw, dtype=torch.float64, device=device)
            self._prepare_lines((x - x.mean()) / x.std(), max(2, round(span * len(x) / 2)))
            self.expect = self._lines

    def _means(self, f: torch.Tensor) -> torch.Tensor:
        return group_mean(self.codes, f[:, None], self.groups)[0][self.codes, 0]

    def _prepare_lines(self, x: torch.Tensor, half: int) -> None:
        self.x, self.order = x.sort()
        place = torch.arange(len(x), device=x.device)
        self.low, self.high = (place - half).clamp(min=0), (place + half + 1).clamp(max=len(x))
        self.mean = self._window(self.x)
        self.variance = self._window(self.x.square()) - self.mean.square()

    def _window(self, f: torch.Tensor) -> torch.Tensor:
        """Means over each sample's window of sorted neighbours."""
        total = torch.cat([f.new_zeros(1), f.cumsum(0)])
        return (total[self.high] - total[self.low]) / (self.high - self.low)

    def _lines(self, f: torch.Tensor) -> torch.Tensor:
        """A least-squares line within each window, read off at its sample; equal samples get their mean."""
        f = f[self.order]
        mean = self._window(f)
        covariance = self._window(self.x * f) - self.mean * mean
        flat = self.variance < 1e-10
        slope = torch.where(flat, 0.0, covariance / torch.where(flat, 1.0, self.variance))
        smooth = torch.empty_like(f)
        smooth[self.order] = mean + slope * (self.x - self.mean)
        return self._means(smooth)


def draw_pairs(shape: str, noise: float, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """n pairs (x₁, x₂) of one of `SHAPES`, both (n,); ``noise`` is the standard deviation of what x₂ has of
    its own."""
    rng = np.random.default_rng(seed)
    u, e1, e2 = rng.uniform(-1, 1, n), rng.normal(size=n), rng.normal(size=n)
    coin = rng.integers(0, 2, n) * 2 - 1
    x1, x2 = {
        "line": (u, u),
        "parabola": (u, u**2),
        "wave": (u, np.sin(3.5 * np.pi * u) / 2),
        "circle": (np.cos(np.pi * u), np.sin(np.pi * u)),
        "cross": (u, coin * u),
        "steps": (u, np.floor(3 * (u + 1) / 2) % 2 + 0.0 * u),
        "nothing shared": (u, rng.uniform(-1, 1, n)),
    }[shape]
    # a hair of noise at least, or few values would count as categories
    return x1 + 0.001 * e1, x2 + (noise + 0.001) * e2


class Straightened(NamedTuple):
    """What ACE makes of n pairs of a shape."""

    x1: np.ndarray  # (n,)
    x2: np.ndarray  # (n,)
    whole: Ace  # to convergence
    now: Ace  # after the chosen number of steps
    linear: float  # correlation of x₁ and x₂
    fresh: float  # correlation of the functions on pairs that they have not seen
    psi: np.ndarray  # (4000,) the functions at those pairs
    eta: np.ndarray


@lru_cache(maxsize=64)
def straightened(shape: str, noise: float, n: int, span: float, step: int) -> Straightened:
    """ACE on n pairs of a shape, stopped after ``step`` alternations,
    and what its functions are worth on fresh pairs."""
    x1, x2 = draw_pairs(shape, noise, n, seed=1)
    now, whole = (ace(x1, x2, categorical=False, span=span, iterations=i) for i in (step, STEPS))
    new1, new2 = draw_pairs(shape, noise, 4000, seed=2)
    psi, eta = _follow(x1, now.psi.numpy(), new1), _follow(x2, now.eta.numpy(), new2)
    flat = min(psi.std(), eta.std()) < 1e-9
    fresh = 0.0 if flat else float(np.corrcoef(psi, eta)[0, 1])
    return Straightened(x1, x2, whole, now, float(np.corrcoef(x1, x2)[0, 1]), fresh, psi, eta)


def _follow(x: np.ndarray, f: np.ndarray, new: np.ndarray) -> np.ndarray:
    """A function known at the samples, between them."""
    order = x.argsort()
    return np.asarray(np.interp(new, x[order], f[order]))
