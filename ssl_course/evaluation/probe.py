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
ROUGHLY = 1e-3  # gradient at which a fit of many rows is good enough to choose l2 by; few rows need all of it, and cost little
JOINT_NUMBERS = 1_000_000  # entries up to which all draws are fitted at once


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


def _logistic(
    x: np.ndarray, y: np.ndarray, share: np.ndarray, k: int, l2: np.ndarray, start: np.ndarray | None = None,
    gtol: float = 1e-5,
) -> np.ndarray:  # fmt: skip
    """Minimise Σ share · cross-entropy + l2/2 ‖W‖² by full-batch L-BFGS, B draws times F folds in one problem.

    The problems share nothing, so their sum is least where each of them is; and one walk of all at once costs a
    fraction of one walk for each (5 draws of 100 labels of three classes, 128 features, l2 chosen: 0.3 s of CPU instead of 2.0).

    Columns of x must be nearly orthogonal: then dividing each by the root of its curvature makes the problem
    nearly round. On 1,000 rows of 768 pixels with l2 = 0.001 that is 21 steps where scikit-learn's
    LogisticRegression, which finds the same optimum, takes 791.

    Args:
        x: (B, n, D). y: (B, n), classes 0 … k − 1.
        share: (B, n, F), what each row counts in each fold; 0 where it is held out, the sum over n is 1.
        l2: (B,).
        start: where to begin, as what is returned.
        gtol: largest entry of the gradient at which it is done.

    Returns:
        (B, F, D + 1, k): W with b below it.
    """
    (draws, _, dim), folds = x.shape, share.shape[2]
    target, share, l2 = np.eye(k)[y][:, :, None], share[..., None], l2[:, None, None, None]
    curvature = np.square(x).transpose(0, 2, 1) @ share[..., 0] * (k - 1) / k**2  # (B, D, F)
    scale = np.sqrt(curvature[..., None] + l2)  # (B, D, F, 1)
    turned = np.ascontiguousarray(x.transpose(0, 2, 1))  # (B, D, n)

    def loss_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w, b = np.split(flat.reshape(draws, dim + 1, folds, k), [-1], axis=1)  # (B, D, F, k), (B, 1, F, k)
        true = w / scale  # of the problem as it was given
        out = (x @ true.reshape(draws, dim, folds * k)).reshape(draws, -1, folds, k) + b  # (B, n, F, k)
        out -= out.max(3, keepdims=True)
        p = np.exp(out)
        total = p.sum(3, keepdims=True)
        loss = (share * (np.log(total) - (out * target).sum(3, keepdims=True))).sum()
        error = (p / total - target) * share
        pull = l2 * true
        slope = (turned @ error.reshape(draws, -1, folds * k)).reshape(w.shape)  # (B, D, F, k)
        gradient = np.concatenate([(slope + pull) / scale, error.sum(1, keepdims=True)], 1)
        return loss + (true * pull).sum() / 2, gradient.ravel()

    unit = np.concatenate([scale, np.ones((draws, 1, folds, 1))], 1)  # from W to the w of the round problem
    first = np.zeros((draws, dim + 1, folds, k)) if start is None else start.transpose(0, 2, 1, 3) * unit
    options = {"maxiter": 1000, "gtol": gtol, "ftol": 1e-12, "maxcor": 20}
    found = minimize(loss_and_gradient, first.ravel(), jac=True, method="L-BFGS-B", options=options)
    return (found.x.reshape(first.shape) / unit).transpose(0, 2, 1, 3)


def _ridge(
    x: np.ndarray, y: np.ndarray, share: np.ndarray, k: int, l2: np.ndarray, start: np.ndarray | None = None,
    gtol: float = 0.0,
) -> np.ndarray:  # fmt: skip
    """Minimise Σ share · ‖one-hot(y) − Wx − b‖² + l2 ‖W‖² in closed form; arguments and result as of `_logistic`."""
    target, shares = np.eye(k)[y][:, None], share.transpose(0, 2, 1)[..., None]  # (B, 1, n, k), (B, F, n, 1)
    x = x[:, None]  # (B, 1, n, D)
    mean, middle = ((shares * v).sum(2, keepdims=True) for v in (x, target))  # (B, F, 1, D), (B, F, 1, k)
    weighted = (shares * (x - mean)).swapaxes(2, 3)  # (B, F, D, n)
    gram = weighted @ (x - mean) + l2[:, None, None, None] * np.eye(x.shape[3])
    w = np.linalg.solve(gram, weighted @ (target - middle))  # (B, F, D, k)
    return np.concatenate([w, middle - mean @ w], 2)


def _cross_entropy(out: np.ndarray, y: np.ndarray) -> np.ndarray:
    return logsumexp(out, -1) - np.take_along_axis(out, y[..., None], -1)[..., 0]


def _squared_error(out: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.square(out - np.eye(out.shape[-1])[y]).sum(-1)


SOLVERS = {"logistic": (_logistic, _cross_entropy), "ridge": (_ridge, _squared_error)}


def _choose_l2(x: np.ndarray, y: np.ndarray, k: int, solver: str) -> np.ndarray:
    """For each draw of x (B, n, D), y (B, n) the l2 of the grid with the fewest errors on held-out rows, then the
    least loss; stratified folds.

    Errors first: the loss alone asks for confident answers and so for too weak a penalty where classes are far
    apart (0.92 instead of 0.93 with 100 labels on Gaussian blobs), too strong a one where they are close.
    """
    fit, risk = SOLVERS[solver]
    rank, count = np.stack([_rank_in_class(row) for row in y], 1)  # (B, n) each
    fold = np.where(count > 1, rank % FOLDS, -1)  # a class's only row is never held out
    held = fold[:, :, None] == np.arange(FOLDS)  # (B, n, F)
    share = ~held / (~held).sum(1, keepdims=True)
    score, w, gtol = [], None, ROUGHLY if x.shape[1] > 50 else 1e-5
    for l2 in L2_GRID:  # from the strongest down: each start is near its end
        w = fit(x, y, share, k, np.full(len(x), l2), w, gtol)
        out = x[:, None] @ w[:, :, :-1] + w[:, :, -1:]  # (B, F, n, k)
        each = np.broadcast_to(y[:, None], out.shape[:3])
        ours = held.transpose(0, 2, 1)
        wrong = ((out.argmax(3) != each) & ours).sum((1, 2))
        score.append(
            list(zip(wrong, (risk(out, each) * ours).sum((1, 2)), strict=True))
        )  # (errors, loss) of B
    best = [L2_GRID[min(range(len(L2_GRID)), key=lambda i: score[i][b])] for b in range(len(x))]
    return np.where(held.any((1, 2)), best, L2_FEW)


def _rotated(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x (n, D) → its mean, its principal axes (D, r), and its rows along them (n, r).

    The penalty does not see a rotation, and no solution leaves the span of the rows, so 30 labels make a problem
    of 30 dimensions at most.
    """
    mean = x.mean(0)
    n, dim = x.shape
    if n > dim:
        # Two to four times as fast as the SVD. An axis a millionth as long as the first is lost, and not missed.
        square, axes = np.linalg.eigh((x - mean).T @ (x - mean))
        kept = axes[:, square > 1e-12 * square[-1]]
    else:
        _, s, axes = np.linalg.svd(x - mean, full_matrices=False)
        kept = axes[s > 1e-12 * s[0]].T
    return mean, kept, (x - mean) @ kept


def _fit(
    xs: list[np.ndarray], ys: list[np.ndarray], solver: str, l2: float | None
) -> list[tuple[Callable, float]]:
    """For each draw of xs, all (n, D), and ys (n,) a classifier and the l2 it uses."""
    present = [np.unique(y) for y in ys]
    k = len(present[0])
    if len(xs) > 1 and (len(xs) * xs[0].size > JOINT_NUMBERS or any(len(p) != k for p in present)):
        return [found for x, y in zip(xs, ys, strict=True) for found in _fit([x], [y], solver, l2)]
    if k == 1:
        return [(lambda new, c=c: np.full(len(new), c), L2_FEW if l2 is None else l2) for (c,) in present]
    means, axes, rows = zip(*(_rotated(x) for x in xs), strict=True)
    rank = max(z.shape[1] for z in rows)
    z = np.stack([np.pad(z, ((0, 0), (0, rank - z.shape[1]))) for z in rows])  # (B, n, r)
    y = np.stack([np.searchsorted(p, y) for p, y in zip(present, ys, strict=True)])  # (B, n)
    used = _choose_l2(z, y, k, solver) if l2 is None else np.full(len(xs), l2)
    ws = SOLVERS[solver][0](z, y, np.full((*y.shape, 1), 1 / y.shape[1]), k, used)[:, 0]  # (B, r + 1, k)

    def classifier(mean: np.ndarray, axes: np.ndarray, w: np.ndarray, classes: np.ndarray) -> Callable:
        w, b = axes @ w[: axes.shape[1]], w[-1]  # (D, k), (k,)
        return lambda new: classes[((new - mean) @ w + b).argmax(1)]

    made = [classifier(*each) for each in zip(means, axes, ws, present, strict=True)]
    return list(zip(made, used.tolist(), strict=True))


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
        labelled = [((x[drawn] - mean) / std).numpy() for drawn in rows]  # (n, D) each
        for predict, strength in _fit(labelled, [y[drawn].numpy() for drawn in rows], solver, l2):
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
