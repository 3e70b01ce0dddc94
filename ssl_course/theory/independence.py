"""How far a world is from conditional independence, X₁ ⟂ X₂ | Y (note §3.3, §3.4).

Tables are ``joint[i, j, y] = P(X₁=i, X₂=j, Y=y)`` and ``x2[j]`` is the value of X₂ in state j, a number or
a vector. NumPy arrays or tensors on any device go in; float64 tensors come out. The idea is that of Lee, Lei,
Saunshi, Zhuo, "Predicting What You Already Know Helps" (NeurIPS 2021, arXiv 2008.01064).
"""

from typing import NamedTuple

import numpy as np
import torch

Array = np.ndarray | torch.Tensor


def as_joint(joint: Array) -> torch.Tensor:
    """The table as a float64 tensor (n1, n2, k).

    Raises:
        ValueError: not three axes, a negative or non-finite entry, or a sum other than 1.
    """
    table = torch.as_tensor(joint, dtype=torch.float64)
    if table.ndim != 3:
        raise ValueError(f"joint must have the axes [x1, x2, y], got shape {tuple(table.shape)}")
    if not torch.isfinite(table).all() or (table < 0).any():
        raise ValueError("joint has an entry that is negative or not finite")
    if abs(float(table.sum()) - 1) > 1e-6:
        raise ValueError(f"joint sums to {float(table.sum()):.6g}, not 1: divide counts by their sum")
    return table


def as_joint_of_classes(joint: Array) -> torch.Tensor:
    """`as_joint` of a table with something to tell apart.

    Raises:
        ValueError: as `as_joint`; one class only, or a class that never occurs.
    """
    table = as_joint(joint)
    if table.shape[2] < 2:
        raise ValueError("joint has one class only: there is nothing to tell apart")
    conditional(table.sum(0).T, "Y")  # only asks whether each class occurs
    return table


def _values(x2: Array, joint: torch.Tensor) -> torch.Tensor:
    """The values of X₂ as (n2, d)."""
    values = torch.as_tensor(x2, dtype=torch.float64, device=joint.device)
    if values.ndim == 0 or len(values) != joint.shape[1]:
        n = 1 if values.ndim == 0 else len(values)
        raise ValueError(f"x2 has {n} values for the {joint.shape[1]} states of X₂ in joint")
    if not torch.isfinite(values).all():
        raise ValueError("x2 has a value that is not finite")
    return values.reshape(len(values), -1)


def conditional(table: torch.Tensor, given: str) -> torch.Tensor:
    """The rows of a table [given, other], each divided by its sum.

    Raises:
        ValueError: a row of probability zero, on which nothing can be conditioned.
    """
    total = table.sum(1, keepdim=True)
    if (total <= 0).any():
        never = int((total[:, 0] <= 0).nonzero()[0])
        raise ValueError(f"joint: state {never} of {given} has probability zero, leave it out of the table")
    return table / total


def posterior(joint: Array) -> torch.Tensor:
    """P(Y | X₁), shape (n1, k): the best that any classifier can know from X₁ (note §3.3)."""
    return conditional(as_joint(joint).sum(1), "X₁")  # (n1, k)


def class_means(joint: Array, x2: Array) -> torch.Tensor:
    """E[X₂ | Y], shape (k, d): the columns of A in ψ* = A·P(Y|X₁), transposed (note §3.3)."""
    table = as_joint(joint)
    return conditional(table.sum(0).T, "Y") @ _values(x2, table)  # (k, d)


def best_predictor(joint: Array, x2: Array) -> torch.Tensor:
    """ψ*(x₁) = E[X₂ | X₁ = x₁], shape (n1, d): the minimiser of E‖X₂ − ψ(X₁)‖² (note §3.1, §3.3)."""
    table = as_joint(joint)
    return conditional(table.sum(2), "X₁") @ _values(x2, table)  # (n1, d)


def predictor_through_y(joint: Array, x2: Array) -> torch.Tensor:
    """E_Y[E[X₂ | Y] | X₁] = A·P(Y | X₁), shape (n1, d): what ψ* becomes under CI (note §3.3)."""
    return posterior(joint) @ class_means(joint, x2)  # (n1, d)


def epsilon_ci_squared(joint: Array, x2: Array) -> torch.Tensor:
    """ε_CI² = E‖ E[X₂|X₁] − E_Y[E[X₂|Y] | X₁] ‖², in squared units of X₂ (note §3.4).

    The note writes ε_CI for this expectation; here, as in the paper, ε_CI is its root.

    Raises:
        ValueError: a table or x2 that is none, one class only, a state of X₁ or a class that never occurs.
    """
    gap = best_predictor(joint, x2) - predictor_through_y(joint, x2)  # (n1, d)
    return as_joint_of_classes(joint).sum((1, 2)) @ gap.square().sum(1)


def epsilon_tilde_squared(joint: Array) -> torch.Tensor:
    """ε̃_CI² = max over g of E_{X₁}( E[g(X₂)|X₁] − E_Y[E[g(X₂)|Y] | X₁] )², Var g(X₂) = 1 (note §3.5.2).

    The same gap as in ε_CI², for the function g of X₂ that shows most of it: the square of the largest
    singular value of √P(x₁) (P(x₂|x₁) − Σ_y P(x₂|y) P(y|x₁)) / √P(x₂). Without units, in [0, 1].

    Raises:
        ValueError: one class only, or a state of X₁, X₂ or Y that never occurs.
    """
    table = as_joint_of_classes(joint)
    p, q = table.sum((1, 2)), table.sum((0, 2))  # (n1,), (n2,)
    conditional(table.sum(2).T, "X₂")  # only asks whether each state occurs
    direct = conditional(table.sum(2), "X₁")  # (n1, n2) P(x₂|x₁)
    gap = direct - posterior(table) @ conditional(table.sum(0).T, "Y")  # (n1, n2)
    return torch.square(torch.linalg.matrix_norm(p.sqrt()[:, None] * gap / q.sqrt(), 2))


def variance(joint: Array, x2: Array) -> torch.Tensor:
    """Tr Cov X₂, in squared units of X₂: the scale beside which ε_CI² is read."""
    table = as_joint(joint)
    p, values = table.sum((0, 2)), _values(x2, table)
    return p @ (values - p @ values).square().sum(1)


def conditional_mutual_information(joint: Array) -> torch.Tensor:
    """I(X₁; X₂ | Y) in nats: 0 exactly when P(x₁,x₂|y) = P(x₁|y) P(x₂|y) for all x₁, x₂, y (note §3.3)."""
    p = as_joint(joint)
    independent = p.sum(1, keepdim=True) * p.sum(0, keepdim=True) / p.sum((0, 1)).clamp(min=1e-300)
    return torch.where(p > 0, p * (p.clamp(min=1e-300) / independent.clamp(min=1e-300)).log(), 0.0).sum()


class Estimate(NamedTuple):
    """An estimate of ε_CI² from samples, with the plug-in that it improves on; squared units of X₂."""

    value: float
    standard_error: float
    plug_in: float

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval, value ± 1.96 standard errors; its lower end may be below 0."""
        return self.value - 1.96 * self.standard_error, self.value + 1.96 * self.standard_error


def estimate_epsilon_ci_squared(x1: Array, x2: Array, y: Array, seed: int = 0) -> Estimate:
    """ε_CI² from samples of a discrete X₁, as the part of X₂ that Y left over and X₁ still predicts.

    ε_CI² = E‖E[X₂ − m_Y | X₁]‖² with m_y = E[X₂|y] (note §3.4). The plug-in squares its own noise and so is
    positive even under CI; here two half samples estimate g(x₁) = E[X₂ − m_Y | x₁] apart from each other and
    their inner product is averaged over x₁: nearly unbiased, and able to come out below 0. For an X₁ that is
    no table (pictures, numbers) see `ssl_course.theory.residual`.

    Args:
        x1: (N,) states of X₁, integers.
        x2: (N,) or (N, d) values of X₂.
        y: (N,) classes, integers, at least two of them.
        seed: of the split into halves.

    Raises:
        ValueError: fewer than 4 samples, lengths that differ, states that are no integers, one class only, a
            value that is not finite, or no state of X₁ that occurs twice.
    """
    cells, values, classes = as_states(x1, "x1"), as_rows(x2, "x2").cpu(), as_states(y, "y")
    n = len(cells)
    if n < 4 or len(values) != n or len(classes) != n:
        raise ValueError(f"need at least 4 samples of equal length, got {n}, {len(values)}, {len(classes)}")
    if int(classes.max()) < 1:
        raise ValueError("y has one class only: there is nothing to condition on")

    def residual_and_means(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        means, _ = group_mean(classes[rows], values[rows], int(classes.max()) + 1)  # m_y
        residual = values[rows] - means[classes[rows]]  # (n, d)
        g, count = group_mean(cells[rows], residual, int(cells.max()) + 1)  # (n1, d), (n1,)
        return residual, g, count

    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    cross = []  # ⟨R, g of the other half⟩, one for each sample whose state the other half has seen
    halves = [(rows, *residual_and_means(rows)) for rows in (order[: n // 2], order[n // 2 :])]
    for (rows, residual, _, _), (_, _, g, count) in (halves, halves[::-1]):
        seen = count[cells[rows]] > 0
        cross.append((residual * g[cells[rows]]).sum(1)[seen])
    both = torch.cat(cross)  # (up to N,)
    if len(both) < 2:
        raise ValueError("every state of x1 occurs only once: group X₁ into fewer states")
    # The influence of one sample is 2⟨R, g⟩ − ‖g‖²; the factor 2 also covers ε = 0, where that degenerates.
    error = 2 * both.std() / len(both) ** 0.5
    _, g, _ = residual_and_means(order)
    return Estimate(float(both.mean()), float(error), float(g[cells].square().sum(1).mean()))


# ---- samples ----------------------------------------------------------------------------------------------


def as_rows(values: Array, name: str) -> torch.Tensor:
    """Samples as float64 rows (N, d), one row for each; axes beyond the first are flattened.

    Raises:
        ValueError: no axis of samples, no sample, or a value that is not finite.
    """
    rows = torch.as_tensor(values, dtype=torch.float64)
    if rows.ndim == 0 or len(rows) == 0:
        raise ValueError(f"{name} must hold samples along its first axis, got shape {tuple(rows.shape)}")
    if not torch.isfinite(rows).all():
        raise ValueError(f"{name} has a value that is not finite")
    return rows.reshape(len(rows), -1)


def as_states(values: Array, name: str) -> torch.Tensor:
    """Samples of a discrete variable as numbers 0..n−1 of the states that occur, (N,) on the CPU.

    Raises:
        ValueError: not one integer for each sample.
    """
    states = torch.as_tensor(values).cpu()
    if states.ndim != 1 or (states.is_floating_point() and (states != states.round()).any()):
        raise ValueError(f"{name} must be integers (N,), one state a sample: shape {tuple(states.shape)}")
    numbers: torch.Tensor = states.unique(return_inverse=True)[1]
    return numbers


def group_mean(groups: torch.Tensor, values: torch.Tensor, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean of ``values`` (N, d) within each of n groups, (n, d), and the group sizes (n,)."""
    count = torch.bincount(groups, minlength=n).double()
    total = torch.zeros(n, values.shape[1], dtype=torch.float64, device=values.device)
    return total.index_add_(0, groups, values) / count.clamp(min=1)[:, None], count
