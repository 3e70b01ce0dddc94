"""ε_CI from samples of any X₁: pictures, numbers, anything (note §3.4).

How much of X₂ that the class did not explain can X₁ still predict? With R = X₂ − E[X₂|Y] and any function g,
2 E⟨R, g(X₁)⟩ − E‖g(X₁)‖² = ε_CI² − E‖E[R|X₁] − g(X₁)‖² ≤ ε_CI², with equality at g = E[R|X₁]. So a predictor
of R, scored on samples it has not seen, gives a lower bound that gets tight as it learns; no classifier is
needed.
"""

from collections.abc import Callable

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
    """ε_CI² by a predictor of the residual, each fold scored by the one fitted on the other folds
    (note §3.4).

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
