"""The linear probe: what a linear classifier of frozen features reaches with few labels."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ssl_course.evaluation.encoding import Labelled, Network, classes_of, encode_pair
from ssl_course.evaluation.solvers import SOLVERS, Floats, Ints

L2_GRID = (1.0, 0.1, 0.01, 0.001)  # what cross-validation chooses from
L2_FEW = 0.1  # while no class shows two labels there is nothing to validate on
FOLDS = 5
MANY_NUMBERS = 4_000_000  # entries of the labelled features from which several threads pay
# Gradient at which a fit of many rows is good enough to choose l2 by; few rows need all, at little cost.
ROUGHLY = 1e-3
JOINT_NUMBERS = 1_000_000  # entries up to which all draws are fitted at once


def label_draws(y: torch.Tensor, n: int | None, draws: int = 5, seed: int = 0) -> list[torch.Tensor]:
    """The rows that get a label: ``draws`` times n of them, stratified, a function of
    (y, n, draws, seed) alone.

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
    classes, drawn = torch.as_tensor(y).cpu().numpy(), []
    for draw in range(draws):
        order = np.random.default_rng([seed, draw]).permutation(len(classes))
        rank, count = _rank_in_class(classes[order])
        turn = np.where(rank == 0, -1, (rank + 0.5) / count)  # when a row's turn comes, among all classes
        drawn.append(torch.from_numpy(order[np.argsort(turn, kind="stable")[:n]]))
    return drawn


def _rank_in_class(y: Ints) -> tuple[Ints, Ints]:
    """For each row: how many rows of its class stand before it, and how many there are; both (n,)."""
    _, group, counts = np.unique(y, return_inverse=True, return_counts=True)
    by_class = np.argsort(group, kind="stable")
    rank = np.empty(len(y), dtype=int)
    rank[by_class] = np.arange(len(y)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rank, counts[group]


def held_out(y: Ints) -> NDArray[np.bool_]:
    """Which rows each of `FOLDS` stratified folds holds out, (n, F); the only row of a class never is."""
    rank, count = _rank_in_class(y)
    fold = np.where(count > 1, rank % FOLDS, -1)
    return np.asarray(fold[:, None] == np.arange(FOLDS))


def choose_l2(x: Floats, y: Ints, k: int, solver: str) -> Floats:
    """For each draw of x (B, n, D), y (B, n) the l2 of the grid with the fewest errors on held-out rows, then
    the least loss; (B,).

    Errors first: the loss alone asks for confident answers and so for too weak a penalty where classes are
    far apart (0.92 instead of 0.93 with 100 labels on Gaussian blobs), too strong a one where they are close.
    """
    held = np.stack([held_out(row) for row in y])  # (B, n, F)
    weight = ~held / (~held).sum(1, keepdims=True)
    held_by_fold = held.transpose(0, 2, 1)  # (B, F, n)
    scores, w, gtol = [], None, ROUGHLY if x.shape[1] > 50 else 1e-5
    for l2 in L2_GRID:  # from the strongest down: each start is near its end
        w = SOLVERS[solver].fit(x, y, weight, k, np.full(len(x), l2), w, gtol)
        outputs = x[:, None] @ w[:, :, :-1] + w[:, :, -1:]  # (B, F, n, k)
        truth = np.broadcast_to(y[:, None], outputs.shape[:3])
        errors = ((outputs.argmax(3) != truth) & held_by_fold).sum((1, 2))
        loss = (SOLVERS[solver].loss(outputs, truth) * held_by_fold).sum((1, 2))
        scores.append(list(zip(errors, loss, strict=True)))  # of each draw
    best = [L2_GRID[min(range(len(L2_GRID)), key=lambda i: scores[i][b])] for b in range(len(x))]
    return np.where(held.any((1, 2)), best, L2_FEW)


def _along_axes(x: Floats) -> tuple[Floats, Floats, Floats]:
    """x (n, D) → its mean, its principal axes (D, r), and its rows along them (n, r).

    The penalty does not see a rotation, and no solution leaves the span of the rows, so 30 labels make a
    problem of 30 dimensions at most.
    """
    mean = x.mean(0)
    n, dim = x.shape
    if n > dim:
        # Two to four times as fast as the SVD. An axis a millionth as long as the first is lost,
        # and not missed.
        square, axes = np.linalg.eigh((x - mean).T @ (x - mean))
        kept = axes[:, square > 1e-12 * square[-1]]
    else:
        _, s, axes = np.linalg.svd(x - mean, full_matrices=False)
        kept = axes[s > 1e-12 * s[0]].T
    return mean, kept, (x - mean) @ kept


class Classifier(NamedTuple):
    """A linear classifier (n, D) → (n,), and the penalty that it was fitted with."""

    predict: Callable[[Floats], Ints]
    l2: float


def _always(answer: int) -> Callable[[Floats], Ints]:
    return lambda x: np.full(len(x), answer)


def fit_draws(xs: list[Floats], ys: list[Ints], solver: str, l2: float | None) -> list[Classifier]:
    """A classifier for each draw of xs, all (n, D), and ys (n,); l2 None is chosen, for each draw anew."""
    present = [np.unique(y) for y in ys]
    k = len(present[0])
    if any(len(p) != k for p in present):
        return [fit_draws([x], [y], solver, l2)[0] for x, y in zip(xs, ys, strict=True)]
    if k == 1:
        strength = L2_FEW if l2 is None else l2
        return [Classifier(_always(c), strength) for (c,) in present]
    means, axes, rows = zip(*(_along_axes(x) for x in xs), strict=True)
    rank = max(z.shape[1] for z in rows)
    z = np.stack([np.pad(z, ((0, 0), (0, rank - z.shape[1]))) for z in rows])  # (B, n, r)
    del rows
    y = np.stack([np.searchsorted(p, y) for p, y in zip(present, ys, strict=True)])  # (B, n)
    used = choose_l2(z, y, k, solver) if l2 is None else np.full(len(xs), l2)
    even = np.full((*y.shape, 1), 1 / y.shape[1])
    ws = SOLVERS[solver].fit(z, y, even, k, used)[:, 0]  # (B, r + 1, k)

    def predictor(mean: Floats, of_draw: Floats, w: Floats, classes: Ints) -> Callable[[Floats], Ints]:
        full, b = of_draw @ w[: of_draw.shape[1]], w[-1]  # (D, k), (k,)
        return lambda x: classes[((x - mean) @ full + b).argmax(1)]

    predictors = map(predictor, means, axes, ws, present)
    return [Classifier(*both) for both in zip(predictors, used.tolist(), strict=True)]


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
    sources: tuple[str, str] = ("", "")  # what train and test were taken from, where that is known

    @property
    def accuracy(self) -> float:
        """Mean over the draws of labels."""
        return float(np.mean(self.accuracies))

    @property
    def std(self) -> float:
        """Sample standard deviation over the draws: 0 with all labels (none is drawn), NaN for one draw."""
        if self.n_labels == self.n_train:
            return 0.0
        return float(np.std(self.accuracies, ddof=1)) if len(self.accuracies) > 1 else math.nan

    def as_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON; a std of one draw is None."""
        std = None if math.isnan(self.std) else self.std
        lists = {"accuracies": list(self.accuracies), "l2": list(self.l2), "sources": list(self.sources)}
        return {"accuracy": self.accuracy, "std": std} | asdict(self) | lists

    @property
    def cell(self) -> str:
        """Accuracy ± std, the std only where labels were drawn."""
        drawn = self.n_labels < self.n_train
        return f"{self.accuracy:.3f} ± {self.std:.3f}" if drawn else f"{self.accuracy:.3f}"

    @property
    def setting(self) -> str:
        """How it was measured, up to what depends on the method and the number of labels."""
        sources = f";\nrows of {' and of '.join(filter(None, self.sources))}" if any(self.sources) else ""
        return (
            f"{self.solver} probe of frozen features, standardised by mean and std of the {self.n_train} "
            f"train rows;\nl2 {self.l2_rule}; stratified draws of labels from seed {self.seed};"
            f" {self.n_test} test rows, majority class {self.majority:.3f}{sources}"
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
    method: Network | None,
    *,
    train: Labelled,
    test: Labelled,
    label: str,
    n_labels: int | None = None,
    draws: int = 5,
    seed: int = 0,
    solver: str = "logistic",
    l2: float | None = None,
) -> Probe:
    """Accuracy on ``test`` of a linear classifier of frozen features that sees ``n_labels`` labels of
    ``train``.

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
        l2: None: stratified 5-fold cross-validation on the labelled train rows, for each draw anew, takes the
            one of 1, 0.1, 0.01, 0.001 with the fewest errors; 0.1 if no class shows two rows.
            A number fixes it.

    Raises:
        ValueError: an unknown label or solver, n_labels beyond train, l2 not positive, features not finite.
    """
    if solver not in SOLVERS:
        raise ValueError(f"solver must be one of {', '.join(SOLVERS)}, got {solver!r}")
    if l2 is not None and not l2 > 0:
        raise ValueError(f"l2 must be positive, got {l2}; None chooses it by cross-validation")
    y, y_test = classes_of(train, label), classes_of(test, label)
    rows = label_draws(y, n_labels, draws, seed)
    known, asked = encode_pair(method, train, test, label)
    x = known.inputs.double()  # (N, D)
    mean, std = x.mean(0), x.std(0, correction=0)
    std = torch.where(std > 1e-6 * x.square().mean(0).sqrt().max(), std, 1.0)
    dim = x.shape[1]
    del x  # twice the bytes of the features; each draw makes floats of its own rows
    x_test = ((asked.inputs.double() - mean) / std).numpy()
    accuracies, used = [], []
    # Threads that wait for one another on a busy machine made 30 labels take 38 s instead of 0.3 s.
    with threadpool_limits(1 if len(rows[0]) * dim < MANY_NUMBERS else None, user_api="blas"):
        # What is not fitted jointly is not held jointly either: five draws of 3,000 rows of pixels are 90 MB.
        joint = len(rows) * len(rows[0]) * dim <= JOINT_NUMBERS
        for drawn in [rows] if joint else [[one] for one in rows]:
            labelled = [((known.inputs[one].double() - mean) / std).numpy() for one in drawn]  # (n, D) each
            for classifier in fit_draws(labelled, [y[one].numpy() for one in drawn], solver, l2):
                accuracies.append(float((classifier.predict(x_test) == y_test.numpy()).mean()))
                used.append(classifier.l2)
    return Probe(
        name=known.name,
        label=label,
        n_labels=len(rows[0]),
        accuracies=tuple(accuracies),
        l2=tuple(used),
        l2_rule="fixed" if l2 else f"by {FOLDS}-fold cross-validation on the labelled train rows",
        solver=solver,
        dim=dim,
        n_train=len(y),
        n_test=len(y_test),
        seed=seed,
        majority=float((y_test == y.bincount().argmax()).double().mean()),
        sources=(known.source, asked.source),
    )
