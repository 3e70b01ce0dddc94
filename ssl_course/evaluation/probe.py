"""The linear probe: what a linear classifier of frozen features reaches with few labels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits
from torch import nn

from ssl_course.evaluation.encoding import classes_of, encode_pair

L2_GRID = (1.0, 0.1, 0.01, 0.001)  # what cross-validation chooses from
L2_FEW = 0.1  # while no class shows two labels there is nothing to validate on
FOLDS = 5
MANY_NUMBERS = 4_000_000  # entries of the labelled features from which several threads pay


def label_draws(y: torch.Tensor, n: int | None, draws: int = 5, seed: int = 0) -> list[torch.Tensor]:
    """The rows that get a label: ``draws`` times n of them, stratified, a function of (y, n, draws, seed) alone.

    Each class gets its share of n up to rounding, and at least one row as soon as n reaches the number of
    classes; below that, n different classes get one row each. The draws of a larger n contain those of a
    smaller one. All rows (n None or the whole set) make one draw, since there is nothing to draw.

    Raises:
        ValueError: n < 1 or larger than the set, or draws < 1.
    """
    if n is not None and not 1 <= n <= len(y):
        raise ValueError(
            f"n_labels is {n}; it must be between 1 and the {len(y)} rows of train, or None for all"
        )
    if draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws}")
    if n is None or n == len(y):
        return [torch.arange(len(y))]
    found, y = [], torch.as_tensor(y).cpu().numpy()
    for draw in range(draws):
        order = np.random.default_rng([seed, draw]).permutation(len(y))
        rank, count = _rank_in_class(y[order])
        turn = np.where(rank == 0, -1, (rank + 0.5) / count)  # when a row's turn comes, among all classes
        found.append(torch.from_numpy(order[np.argsort(turn, kind="stable")[:n]]))
    return found


def _rank_in_class(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each row: how many rows of its class stand before it, and how many there are; both (n,)."""
    _, group, counts = np.unique(y, return_inverse=True, return_counts=True)
    by_class = np.argsort(group, kind="stable")
    rank = np.empty(len(y), dtype=int)
    rank[by_class] = np.arange(len(y)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rank, counts[group]


def _logistic(x: np.ndarray, y: np.ndarray, k: int, l2: float, start: np.ndarray | None = None) -> np.ndarray:
    """Minimise mean cross-entropy + l2/2 ‖W‖² by full-batch L-BFGS: W with b below it, (D + 1, k), of x (n, D).

    Columns of x must be nearly orthogonal: then dividing each by the root of its curvature makes the problem
    nearly round. On 1,000 rows of 768 pixels with l2 = 0.001 that is 21 steps where scikit-learn's
    LogisticRegression, which finds the same optimum, takes 791. ``start`` is where to begin.
    """
    n, target = len(x), np.eye(k)[y]
    scale = np.sqrt(np.square(x).mean(0) * (k - 1) / k**2 + l2)[:, None]  # (D, 1)
    xs = x / scale.T

    def loss_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w, b = np.split(flat.reshape(-1, k), [-1])  # (D, k), (1, k)
        out = xs @ w + b
        out = out - out.max(1, keepdims=True)
        log_p = out - np.log(np.exp(out).sum(1, keepdims=True))  # (n, k)
        error, pull = (np.exp(log_p) - target) / n, l2 * w / scale**2
        gradient = np.concatenate([xs.T @ error + pull, error.sum(0, keepdims=True)])
        return -(log_p * target).sum() / n + (w * pull).sum() / 2, gradient.ravel()

    unit = np.concatenate([scale, [[1.0]]])  # from W to the w of the round problem
    first = np.zeros((x.shape[1] + 1, k)) if start is None else start * unit
    options = {"maxiter": 1000, "gtol": 1e-5, "ftol": 1e-11}
    found = minimize(loss_and_gradient, first.ravel(), jac=True, method="L-BFGS-B", options=options)
    return found.x.reshape(-1, k) / unit


def _ridge(x: np.ndarray, y: np.ndarray, k: int, l2: float, start: np.ndarray | None = None) -> np.ndarray:
    """Minimise mean ‖one-hot(y) − Wx − b‖² + l2 ‖W‖² in closed form: W with b below it, (D + 1, k)."""
    target = np.eye(k)[y]
    mean, centred = x.mean(0), x - x.mean(0)
    gram = centred.T @ centred / len(x) + l2 * np.eye(x.shape[1])
    w = np.linalg.solve(gram, centred.T @ target / len(x))
    return np.concatenate([w, (target.mean(0) - mean @ w)[None]])


def _cross_entropy(out: np.ndarray, y: np.ndarray) -> float:
    return float((logsumexp(out, 1) - out[np.arange(len(y)), y]).sum())


def _squared_error(out: np.ndarray, y: np.ndarray) -> float:
    return float(np.square(out - np.eye(out.shape[1])[y]).sum())


SOLVERS = {"logistic": (_logistic, _cross_entropy), "ridge": (_ridge, _squared_error)}


def _choose_l2(x: np.ndarray, y: np.ndarray, k: int, solver: str) -> float:
    """The l2 of the grid with the fewest errors on held-out rows, then the least loss; stratified folds.

    Errors first: the loss alone asks for confident answers and so for too weak a penalty where classes are far
    apart (0.92 instead of 0.93 with 100 labels on Gaussian blobs), too strong a one where they are close.
    """
    fit, risk = SOLVERS[solver]
    rank, count = _rank_in_class(y)
    fold = np.where(count > 1, rank % FOLDS, -1)  # a class's only row is never held out
    score = dict.fromkeys(L2_GRID, np.zeros(2))
    for held in (fold == f for f in range(FOLDS) if (fold == f).any()):
        w = None
        for l2 in L2_GRID:  # from the strongest down: each start is near its end
            w = fit(x[~held], y[~held], k, l2, w)
            out = x[held] @ w[:-1] + w[-1]
            score[l2] = score[l2] + [(out.argmax(1) != y[held]).sum(), risk(out, y[held])]
    return min(score, key=lambda l2: tuple(score[l2])) if (fold >= 0).any() else L2_FEW


def _fit(x: np.ndarray, y: np.ndarray, solver: str, l2: float | None) -> tuple[Callable, float]:
    """A classifier of x (n, D), and the l2 it uses."""
    present, index = np.unique(y, return_inverse=True)
    if len(present) == 1:
        return lambda new: np.full(len(new), present[0]), L2_FEW if l2 is None else l2
    # Rotated to their principal axes: the penalty does not see a rotation, and no solution leaves the span of
    # the rows, so 30 labels make a problem of 30 dimensions at most.
    mean = x.mean(0)
    _, s, axes = np.linalg.svd(x - mean, full_matrices=False)
    axes = axes[s > 1e-12 * s[0]].T  # (D, r)
    z = (x - mean) @ axes
    used = _choose_l2(z, index, len(present), solver) if l2 is None else l2
    w = SOLVERS[solver][0](z, index, len(present), used)  # (r + 1, k)
    w, b = axes @ w[:-1], w[-1]
    return lambda new: present[((new - mean) @ w + b).argmax(1)], used


@dataclass(frozen=True)
class Probe:
    """Accuracy of a linear classifier on frozen features, with its protocol; print it."""

    name: str
    label: str
    n_labels: int
    accuracies: tuple[float, ...]  # one for each draw of labels
    l2: tuple[float, ...]  # one for each draw
    l2_rule: str
    solver: str
    dim: int
    n_train: int
    n_test: int
    seed: int
    majority: float  # accuracy on test of always answering the commonest class of train

    @property
    def accuracy(self) -> float:
        """Mean over the draws of labels."""
        return float(np.mean(self.accuracies))

    @property
    def std(self) -> float:
        """Sample standard deviation over the draws: 0 with all labels (nothing is drawn), NaN for one draw."""
        if self.n_labels == self.n_train:
            return 0.0
        return float(np.std(self.accuracies, ddof=1)) if len(self.accuracies) > 1 else math.nan

    def as_dict(self) -> dict:
        """All of it, ready for JSON; a std of one draw is None."""
        std = None if math.isnan(self.std) else self.std
        lists = {"accuracies": list(self.accuracies), "l2": list(self.l2)}
        return {"accuracy": self.accuracy, "std": std} | asdict(self) | lists

    @property
    def cell(self) -> str:
        """Accuracy ± std, the std only where labels were drawn."""
        drawn = self.n_labels < self.n_train
        return f"{self.accuracy:.3f} ± {self.std:.3f}" if drawn else f"{self.accuracy:.3f}"

    @property
    def setting(self) -> str:
        """How it was measured, up to what depends on the method and the number of labels."""
        return (
            f"{self.solver} probe of frozen features, standardised by mean and std of the {self.n_train} train"
            f" rows;\nl2 {self.l2_rule}; stratified draws of labels from seed {self.seed};"
            f" {self.n_test} test rows, majority class {self.majority:.3f}"
        )

    def __str__(self) -> str:
        drawn = (
            f"mean ± std of {len(self.accuracies)} draws" if self.n_labels < self.n_train else "all there are"
        )
        used = ", ".join(f"{v:g}" for v in sorted(set(self.l2)))
        return (
            f"{self.cell}  {self.label!r} from {self.name}, {self.dim} features, with {self.n_labels} labels"
            f" ({drawn}), l2 {used}\n{self.setting}"
        )


def linear_probe(
    method: Callable | nn.Module | None,
    *,
    train: object,
    test: object,
    label: str,
    n_labels: int | None = None,
    draws: int = 5,
    seed: int = 0,
    solver: str = "logistic",
    l2: float | None = None,
) -> Probe:
    """Accuracy on ``test`` of a linear classifier of frozen features that sees ``n_labels`` labels of ``train``.

    Features are standardised by the mean and std of all train rows, which needs no label; a column that is
    constant up to rounding (std below 1e-6 of the largest root mean square) is only centred. Classes that no
    drawn row shows are never answered; if only one shows, it is always answered.

    Args:
        method: see `ssl_course.evaluation`; None when ``train`` and ``test`` hold features (`encode`).
        train, test: anything with ``inputs`` and ``labels``.
        label: key of ``labels``.
        n_labels: how many rows of train show their label, None for all; drawn by `label_draws`.
        draws: how often labels are drawn anew.
        seed: of the draws; the same for every method.
        solver: "logistic" (mean cross-entropy + l2/2 ‖W‖²) or "ridge" (mean squared error of one-hot targets
            + l2 ‖W‖², closed form); intercepts are free.
        l2: None: stratified 5-fold cross-validation on the labelled train rows, for each draw anew, takes the one
            of 1, 0.1, 0.01, 0.001 with the fewest errors; 0.1 if no class shows two rows. A number fixes it.

    Raises:
        ValueError: an unknown label or solver, n_labels beyond train, l2 not positive, features not finite.
    """
    if solver not in SOLVERS:
        raise ValueError(f"solver must be one of {', '.join(SOLVERS)}, got {solver!r}")
    if l2 is not None and not l2 > 0:
        raise ValueError(f"l2 must be positive, got {l2}; None chooses it by cross-validation")
    y, y_test = classes_of(train, label), classes_of(test, label)
    rows = label_draws(y, n_labels, draws, seed)
    train, test = encode_pair(method, train, test, label)
    x = train.inputs.double()  # (N, D)
    mean, std = x.mean(0), x.std(0, correction=0)
    std = torch.where(std > 1e-6 * x.square().mean(0).sqrt().max(), std, 1.0)
    x_test = ((test.inputs.double() - mean) / std).numpy()
    accuracies, used = [], []
    # Threads that wait for one another on a busy machine made 30 labels take 38 s instead of 0.3 s.
    with threadpool_limits(1 if len(rows[0]) * x.shape[1] < MANY_NUMBERS else None, user_api="blas"):
        for drawn in rows:
            predict, strength = _fit(((x[drawn] - mean) / std).numpy(), y[drawn].numpy(), solver, l2)
            accuracies.append(float((predict(x_test) == y_test.numpy()).mean()))
            used.append(strength)
    return Probe(
        name=train.name,
        label=label,
        n_labels=len(rows[0]),
        accuracies=tuple(accuracies),
        l2=tuple(used),
        l2_rule="fixed" if l2 else f"by {FOLDS}-fold cross-validation on the labelled train rows",
        solver=solver,
        dim=x.shape[1],
        n_train=len(y),
        n_test=len(y_test),
        seed=seed,
        majority=float((y_test == y.bincount().argmax()).double().mean()),
    )
