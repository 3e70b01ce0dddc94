"""ε_CI and conditional independence from samples of any X₁: pictures, numbers, anything (note §3.3, §3.4).

How much of X₂ that the class did not explain can X₁ still predict? With R = X₂ − E[X₂|Y] and any function g,
2 E⟨R, g(X₁)⟩ − E‖g(X₁)‖² = ε_CI² − E‖E[R|X₁] − g(X₁)‖² ≤ ε_CI², with equality at g = E[R|X₁]. So a predictor
of R, scored on samples it has not seen, gives a lower bound that gets tight as it learns; no classifier is
needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

from ssl_course.theory.independence import Array, Estimate, as_rows, as_states, group_mean

Predictor = Callable[[torch.Tensor], torch.Tensor]  # x1 (n, …) → g (n, d)


def class_residual(x2: Array, y: Array) -> torch.Tensor:
    """R = X₂ − E[X₂|Y] with the class means of these samples, (N, d): what Y left over (note §3.4).

    Args:
        x2: (N,) or (N, d).
        y: (N,) classes, integers.

    Raises:
        ValueError: as `held_out_epsilon_squared`.
    """
    values, classes = as_rows(x2, "x2"), as_states(y, "y")
    if len(values) != len(classes) or len(values) < 2:
        raise ValueError(f"need at least 2 samples of x2 and y, got {len(values)} and {len(classes)}")
    if int(classes.max()) < 1:
        raise ValueError("y has one class only: there is nothing to condition on")
    return _within(values, classes.to(values.device))


def _within(values: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    means, _ = group_mean(classes, values, int(classes.max()) + 1)
    return values - means[classes]


def held_out_epsilon_squared(x2: Array, y: Array, g: Array) -> Estimate:
    """2 E⟨R, g⟩ − E‖g‖² on held-out samples: never above ε_CI² in expectation, whatever g is (note §3.4).

    The class means in R are those of the held-out samples, each ⟨R, g⟩ divided by 1 − 1/n_y for the degree of
    freedom that they take, so that the expectation is exact for the given g. ``plug_in`` is E‖g‖², what one
    would report by trusting g.

    Args:
        x2: (N,) or (N, d), samples that g was not fitted on.
        y: (N,) classes, integers, at least two.
        g: (N,) or (N, d), the prediction of X₂ − E[X₂|Y] from X₁ for each sample.

    Raises:
        ValueError: lengths that differ, fewer than 2 samples, one class only, no class with two samples, or a
            value that is not finite.
    """
    residual = class_residual(x2, y)  # (N, d)
    prediction = as_rows(g, "g").to(residual.device)
    if prediction.shape != residual.shape:
        raise ValueError(
            f"g must predict x2's residual {tuple(residual.shape)}, got {tuple(prediction.shape)}"
        )
    terms = _terms(residual, as_states(y, "y").to(residual.device), prediction)
    return _estimate(terms, prediction)


def _terms(residual: torch.Tensor, classes: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """What each sample adds to 2 E⟨R, g⟩ − E‖g‖², (N,)."""
    count = classes.bincount()[classes].double()  # (N,)
    if (count < 2).all():
        raise ValueError("y: no class has two held-out samples")
    freedom = torch.where(count > 1, count / (count - 1).clamp(min=1), 0.0)
    # Σ⟨R, g⟩ does not change when g is centred within the class, but its spread, the standard error, does.
    return 2 * freedom * (residual * _within(g, classes)).sum(1) - g.square().sum(1)


def _estimate(terms: torch.Tensor, g: torch.Tensor) -> Estimate:
    error = terms.std() / len(terms) ** 0.5
    return Estimate(float(terms.mean()), float(error), float(g.square().sum(1).mean()))


def least_squares(x1: torch.Tensor, residual: torch.Tensor) -> Predictor:
    """The linear predictor with an intercept, the default g of `cross_fitted_epsilon_squared`."""

    def design(x: torch.Tensor) -> torch.Tensor:
        rows = x.reshape(len(x), -1).double()
        return torch.cat([torch.ones_like(rows[:, :1]), rows], 1)  # (n, 1 + d)

    weights = torch.linalg.pinv(design(x1), rtol=1e-10) @ residual
    return lambda x: design(x) @ weights


def cross_fitted_epsilon_squared(
    x1: Array,
    x2: Array,
    y: Array,
    fit: Callable[[torch.Tensor, torch.Tensor], Predictor] = least_squares,
    folds: int = 5,
    seed: int = 0,
) -> Estimate:
    """ε_CI² by a predictor of the residual, each fold scored by the one fitted on the other folds (note §3.4).

    A lower bound in expectation, short of ε_CI² by E‖E[R|X₁] − g(X₁)‖²: a g that learns little says little.

    Args:
        x1: (N, …).
        x2: (N,) or (N, d).
        y: (N,) classes, integers.
        fit: ``fit(x1, residual)`` returns a function x1 → prediction (n, d); residual is (n, d).
        folds: between 2 and N // 2.
        seed: of the split.

    Raises:
        ValueError: as `held_out_epsilon_squared`, or a number of folds out of range.
    """
    inputs, values, classes = torch.as_tensor(x1), as_rows(x2, "x2"), as_states(y, "y")
    n = len(classes)
    if n < 4 or len(inputs) != n or len(values) != n:
        raise ValueError(f"need at least 4 samples of equal length, got {len(inputs)}, {len(values)}, {n}")
    if not 2 <= folds <= n // 2:
        raise ValueError(f"folds must be between 2 and {n // 2}, got {folds}")
    inputs = inputs.to(values.device)
    fold = torch.randperm(n, generator=torch.Generator().manual_seed(seed)) % folds  # (N,)
    terms, predictions = [], []
    for f in range(folds):
        train, test = (fold != f).nonzero()[:, 0], (fold == f).nonzero()[:, 0]
        g = fit(inputs[train], class_residual(values[train], classes[train]))(inputs[test])
        g = as_rows(g, "the prediction of fit").to(values.device)
        if g.shape != values[test].shape:
            raise ValueError(f"fit predicts {tuple(g.shape)} where x2 has {tuple(values[test].shape)}")
        own = classes[test].to(values.device)
        terms.append(_terms(_within(values[test], own), own, g))
        predictions.append(g)
    return _estimate(torch.cat(terms), torch.cat(predictions))


class IndependenceTest(NamedTuple):
    """The statistic and its p-value; small p speaks against X₁ ⟂ X₂ | Y."""

    statistic: float
    p_value: float


def conditional_independence_test(
    x1: Array, x2: Array, y: Array, permutations: int = 199, seed: int = 0
) -> IndependenceTest:
    """Test of X₁ ⟂ X₂ | Y: shuffling X₂ within each class changes nothing if it holds (note §3.3).

    The statistic is the distance covariance within the classes (Székely, Rizzo, Bakirov 2007), which sees
    every dependence, not only linear ones. Under conditional independence the p-value is uniform on
    1/(permutations + 1), …, 1 whatever the distributions are. Time and memory grow with the square of the
    largest class: give it hundreds to a few thousand samples.

    Args:
        x1, x2: (N,) or (N, …); one integer for each sample is a state without order, numbers are
            standardised column by column.
        y: (N,) classes, integers.
        permutations: 199 gives p-values in steps of .005.

    Raises:
        ValueError: lengths that differ, fewer than 4 samples, one class only, no class with two samples, or a
            value that is not finite.
    """
    first, second, classes = _points(x1, "x1"), _points(x2, "x2"), as_states(y, "y")
    if len(classes) < 4 or not len(first) == len(second) == len(classes):
        raise ValueError(f"need 4 samples of equal length, got {len(first)}, {len(second)}, {len(classes)}")
    if int(classes.max()) < 1:
        raise ValueError("y has one class only: there is nothing to condition on")
    if (classes.bincount() < 2).all():
        raise ValueError("y: every class has one sample only, nothing can be shuffled")
    if permutations < 1:
        raise ValueError(f"permutations must be at least 1, got {permutations}")
    generator = torch.Generator().manual_seed(seed)
    totals = torch.zeros(1 + permutations, dtype=torch.float64, device=first.device)
    for c in range(int(classes.max()) + 1):
        rows = (classes == c).nonzero()[:, 0]
        n = len(rows)
        one, two = (
            _centred_distances(first[rows]),
            _centred_distances(second[rows].to(first.device)),
        )  # (n, n)
        order = torch.rand(permutations, n, generator=generator).argsort(1)
        order = torch.cat([torch.arange(n)[None], order]).to(first.device)  # row 0: as it is
        for some in torch.arange(1 + permutations).split(max(1, 4_000_000 // n**2)):
            shuffled = two[order[some][:, :, None], order[some][:, None, :]]  # (s, n, n)
            totals[some] += (one * shuffled).sum((1, 2)) / n
    # equal up to rounding counts as equal: tables have ties
    beaten = int((totals[1:] >= totals[0] - 1e-9 * totals[0].abs()).sum())
    return IndependenceTest(float(totals[0] / len(classes)), (1 + beaten) / (1 + permutations))


def _points(values: Array, name: str) -> torch.Tensor:
    """Samples as points (N, d): states as corners of a simplex, numbers in standard deviations."""
    raw = torch.as_tensor(values)
    if raw.ndim == 1 and not raw.is_floating_point():
        return torch.nn.functional.one_hot(as_states(raw, name)).double().to(raw.device)
    rows = as_rows(raw, name)
    rows = rows - rows.mean(0)
    scale = rows.square().mean(0).sqrt()
    return rows / torch.where(scale > 0, scale, 1)


def _centred_distances(points: torch.Tensor) -> torch.Tensor:
    """Euclidean distances (n, n), rows and columns centred."""
    d = torch.cdist(points, points)
    return d - d.mean(0) - d.mean(1, keepdim=True) + d.mean()
