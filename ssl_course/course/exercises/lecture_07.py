"""Exercises of lecture 07: CCA by whitening and SVD, fool it with noise, when noise is certain to."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ssl_course.course.exercises.card import Card, ask, check, passed, wrong
from ssl_course.course.exercises.judging import judge
from ssl_course.theory.correlation import CCA, canonical_correlations

ROWS, FRESH = 50, 2000  # of `fooled_by_noise`
FOOLED, HONEST = 0.99, 0.2  # training correlation at least, correlation on fresh rows at most


def _right(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return canonical_correlations(x, y).numpy()


def _covariances(x: np.ndarray, y: np.ndarray, centre: bool = True) -> tuple[np.ndarray, ...]:
    if centre:
        x, y = x - x.mean(0), y - y.mean(0)
    return x.T @ x / len(x), y.T @ y / len(x), x.T @ y / len(x)


def _power(s: np.ndarray, exponent: float) -> np.ndarray:
    """A power of a symmetric matrix."""
    values, vectors = np.linalg.eigh(s)
    return vectors * values**exponent @ vectors.T


def _svd(matrix: np.ndarray) -> np.ndarray:
    return np.linalg.svd(matrix, compute_uv=False)


def _spoilt(whiten: Callable[..., np.ndarray], centre: bool = True) -> Callable[..., np.ndarray]:
    """Singular values of ``whiten(sxx, syy, sxy)``."""
    return lambda x, y: _svd(whiten(*_covariances(x, y, centre)))


def _powers(first: float, second: float, centre: bool = True) -> Callable[..., np.ndarray]:
    """Singular values of Σ₁₁^first Σ₁₂ Σ₂₂^second; whitening has −½ twice."""
    return _spoilt(lambda a, b, c: _power(a, first) @ c @ _power(b, second), centre)


def _wrong_triangle(sxx: np.ndarray, syy: np.ndarray, sxy: np.ndarray) -> np.ndarray:
    lx, ly = (np.linalg.inv(np.linalg.cholesky(s)) for s in (sxx, syy))
    return lx.T @ sxy @ ly


_MISTAKES = {
    "Uncentred: without the means taken off first, the constant counts as something shared.": _powers(
        -0.5, -0.5, centre=False
    ),
    "You whiten with the wrong side: Σ₁₁^(−½) belongs to the side of X₁, the rows of Σ₁₂, and Σ₂₂^(−½) to "
    "its columns. It only fits here since both views have equally many numbers.": _spoilt(
        lambda a, b, c: _power(b, -0.5) @ c @ _power(a, -0.5)
    ),
    "You whiten with the transposed factors: with Σ = L Lᵀ the whitened cross-covariance is L₁⁻¹ Σ₁₂ L₂⁻ᵀ, "
    "not L₁⁻ᵀ Σ₁₂ L₂⁻¹.": _spoilt(_wrong_triangle),
    "No whitening: these are the singular values of the cross-covariance, covariances with units. "
    "They favour what is large.": _powers(0, 0),
    "You divide by standard deviations only. Whitening must also undo the correlations within "
    "each view.": _spoilt(lambda a, b, c: c / np.sqrt(np.outer(np.diag(a), np.diag(b)))),
    "Too much: you multiply by the inverses. Whitening takes inverse square roots, Σ^(−½).": _powers(-1, -1),
    "You multiply by the square roots. Whitening takes their inverses, Σ^(−½).": _powers(0.5, 0.5),
    "Only the first view is whitened. Both must be, "
    "or the answer depends on the units of the second.": _powers(-0.5, 0),
    "Only the second view is whitened. Both must be, "
    "or the answer depends on the units of the first.": _powers(0, -0.5),
    "These are the squares ρ², the eigenvalues of Σ₁₁⁻¹ Σ₁₂ Σ₂₂⁻¹ Σ₂₁. Wanted is ρ.": lambda x, y: (
        _right(x, y) ** 2
    ),
    "The right numbers, in ascending order: largest first.": lambda x, y: _right(x, y)[::-1],
    "That is the first canonical correlation. "
    "Return all of them, as many as each view has numbers.": lambda x, y: _right(x, y)[0],
}


@check()
def cca_by_whitening(function: Any, seed: int = 0) -> Card:
    """Check ``function(x, y)``: the canonical correlations of samples, descending (note §3.2).

    It gets x (N, p) and y (N, p), N well above 2p.
    """
    rng = np.random.default_rng(seed)
    cases = []
    for p in (2, 3, 4):
        z = rng.normal(size=(60, 2))
        views = [
            z @ rng.normal(size=(2, p)) + rng.normal(size=(60, p)) @ rng.normal(size=(p, p)) for _ in "12"
        ]
        cases.append(tuple(v + rng.normal(size=p) * 3 for v in views))
    praise = (
        "Centre, whiten both views, and the singular values of their cross-covariance are the canonical "
        "correlations."
    )
    hint = "x and y less their means; Σ₁₁, Σ₂₂ and Σ₁₂; then the singular values of Σ₁₁^(−½) Σ₁₂ Σ₂₂^(−½)."
    return judge(function, cases, _right, _MISTAKES, praise, hint)


@check()
def fooled_by_noise(function: Any, seed: int = 0) -> Card:
    """Check ``function(n, rng)``: two views with nothing in common that CCA, on 50 rows,
    finds perfectly correlated.

    Returns x (n, p) and y (n, q), n rows of the same distribution each time.
    """
    drawn = []
    for n, stream in ((ROWS, 1), (FRESH, 2)):
        views = ask(function, n, np.random.default_rng([seed, stream]))
        try:
            x, y = (np.array(v, dtype=float) for v in views)
        except (TypeError, ValueError):
            return wrong("Two arrays are wanted, x of shape (n, p) and y of shape (n, q).")
        if x.ndim != 2 or y.ndim != 2 or len(x) != n or len(y) != n:
            return wrong(f"Two arrays with {n} rows are wanted, got the shapes {x.shape} and {y.shape}.")
        drawn.append((x, y))
    (x, y), (new_x, new_y) = drawn
    if x.shape[1] != new_x.shape[1] or y.shape[1] != new_y.shape[1]:
        return wrong("The number of columns must not depend on n: fresh rows go through the same maps.")
    if any(np.array_equal(a, b[: len(a)]) or np.allclose(b, b[:1]) for a, b in zip(*drawn, strict=True)):
        return wrong("The rows do not change: draw new ones from rng each time, or fresh rows are not fresh.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it is fooled is the point
            cca = CCA(1).fit(x, y)
            train, fresh = float(cca.correlations_[0]), float(cca.correlation(new_x, new_y))
            really = float(canonical_correlations(new_x, new_y)[0])
    except ValueError as error:
        return wrong(f"CCA refuses your views: {error}.")
    chance = 2 * ((x.shape[1] + y.shape[1]) / FRESH) ** 0.5  # what independent views reach on so many rows
    if really > max(HONEST, chance):
        return wrong(
            f"Your views have something in common: on {FRESH:,} fresh rows their correlation is {really:.2f}. Draw them "
            "independently of each other."
        )
    if train < FOOLED:
        return wrong(
            f"On {ROWS} rows CCA finds {train:.2f}, wanted is {FOOLED}. It had {x.shape[1]} + {y.shape[1]} weights to "
            "choose: give it more columns."
        )
    if abs(fresh) > HONEST:
        return wrong(f"The same maps still correlate by {fresh:.2f} on fresh rows: the views are dependent.")
    return passed(
        f"With {x.shape[1]} + {y.shape[1]} columns and {ROWS} rows CCA reports {train:.3f}; on fresh rows the same maps "
        f"correlate by {fresh:.2f}. Always look at fresh rows."
    )


@check()
def certain_to_be_fooled(function: Any, seed: int = 0) -> Card:
    """Check ``function(p, q)``: the most rows at which independent noise is certain to give a correlation of
    1.

    P and q numbers in the two views, CCA with centring (note §3.2).
    """
    rng = np.random.default_rng(seed)
    cases = [(int(p), int(q)) for p, q in rng.integers(2, 30, (6, 2))] + [(3, 9)]
    mistakes = {
        "Nearly: that is right without centring. "
        "Taking off the means leaves n − 1 dimensions, so one row more.": lambda p, q: p + q - 1,
        "Nearly: with p + q + 1 rows both spaces just fill the p + q dimensions that "
        "centring leaves.": lambda p, q: p + q + 1,
        "That many rows let the larger view fit *anything*. Less is enough: "
        "the views only need to meet somewhere.": (max, lambda p, q: max(p, q) + 1),
        "Both views choose weights: p and q of them count together.": min,
        "The weights of the views add up: p + q are chosen, not p times q.": lambda p, q: p * q,
        "At that many rows noise is still fitted well, but not perfectly. "
        "When must the two spaces intersect?": lambda p, q: 2 * (p + q),
    }
    praise = "Spaces of dimension p and q within n − 1 dimensions meet once p + q > n − 1: up to n = p + q."
    hint = (
        "After centring, what a view can make of n rows is a space of dimension p within n − 1. When must "
        "two such spaces share a direction?"
    )
    return judge(function, cases, lambda p, q: p + q, mistakes, praise, hint)
