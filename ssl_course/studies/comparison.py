"""Every method under the same rules: one world, one thin ViT, one budget, one probe (note §3.5).

Two tables. In table G every encoder sees lightness only, so that colorization may take part; its targets may be
colour. In table C every encoder sees colour, and colorization, which would see its own answer, is left out. A
cell is one method trained once and probed for each label with few and with many labels; the seed draws the
pictures, the first weights, the batches and the labels, so the spread over seeds is all of the spread.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssl_course import evaluation, interfaces, methods, nets
from ssl_course.data import load
from ssl_course.data.pictures import Pictures
from ssl_course.evaluation import linear_probe
from ssl_course.evaluation.solvers import ridge_map
from ssl_course.pretext.color import lab_to_rgb, rgb_to_lab
from ssl_course.pretext.words import SPECIAL
from ssl_course.theory import bounds, residual
from ssl_course.training import train

N_LABELS = (3, 10, 30, 100, 1000)
FEW = 30  # up to so many labels they are drawn `DRAWS` times, above once: the seeds draw them anew as well
DRAWS = 2
CELL = 4  # pixels a side: what the measured dependence sees of pictures
SHUFFLES = 19  # of labels, to see how large σ² is by chance alone
TABLES = ("G", "C")
PIXELS, RANDOM = "raw pixels", "random network"
TEST_SEED = 1_000_000


@dataclass(frozen=True)
class Budget:
    """What all methods get alike.

    Attributes:
        size: of the pictures, in pixels.
        patch, dim, depth, heads: of the ViT.
        samples: pictures drawn in training, with repetition; rotation turns each of them four ways, methods
            of two views look at each twice.
        batch: pictures in one step.
        n_train, n_test: pictures to learn from, without labels, and to test on; as many as there are where a
            set has fewer.
    """

    size: int = 32
    patch: int = 8
    dim: int = 64
    depth: int = 2
    heads: int = 4
    samples: int = 9600
    batch: int = 64
    n_train: int = 2048
    n_test: int = 1024

    @property
    def steps(self) -> int:
        """Steps of training."""
        return max(self.samples // self.batch, 1)

    def backbone(self) -> nets.ViT:
        """A fresh backbone, for pictures, tiles and halves of pictures alike; MAE builds one like it for itself."""
        return nets.ViT(self.size, self.patch, self.dim, self.depth, self.heads)


# ------------------------------------------------------------------------------------------------ the methods
def _mae(budget: Budget, ratio: float = 0.75) -> nn.Module:
    return methods.MAE(
        budget.size, budget.patch, budget.dim, budget.depth, budget.heads, decoder_dim=32, mask_ratio=ratio
    )


def _context(budget: Budget, share: float = 0.25) -> nn.Module:
    return methods.ContextEncoder(budget.backbone(), budget.size, share=share, overlap=2, width=16)


MAKERS: dict[str, Callable[[Budget], nn.Module]] = {
    "colorization": lambda b: methods.Colorization(b.backbone(), width=64),
    "SimCLR": lambda b: methods.SimCLR(b.backbone()),
    "MAE": _mae,
    "context encoder": _context,
    "jigsaw": lambda b: methods.Jigsaw(b.backbone(), grid=2),
    "rotation": lambda b: methods.Rotation(b.backbone()),
    "SimSiam": lambda b: methods.SimSiam(b.backbone()),
    "deep CCA": lambda b: methods.DeepCCA(backbone=b.backbone()),
    "CLIP": lambda b: methods.CLIP(b.backbone()),
}
NOT_COVERED = (methods.Rotation, methods.Jigsaw)  # by the theory: X₂ is drawn without looking at the picture
RATIOS = (0.25, 0.5, 0.75, 0.9)
SHARES = (0.1, 0.25, 0.5)
# The note's message within one method: the same task with more or less hidden.
WITHIN: dict[str, Callable[[Budget], nn.Module]] = {
    **{f"MAE {r}": (lambda b, r=r: _mae(b, r)) for r in RATIOS},
    **{f"context encoder {s}": (lambda b, s=s: _context(b, s)) for s in SHARES},
}


def make(name: str, budget: Budget, data: Pictures | None = None) -> nn.Module:
    """A fresh network by its name in the table.

    Args:
        name: of the row.
        budget: size of its network.
        data: what it will learn from, where its captions decide on the vocabulary (CLIP); None are scenes.

    Raises:
        ValueError: no such row.
    """
    known = MAKERS | WITHIN
    if name not in known:
        raise ValueError(f"no method {name!r} in the comparison; there are {', '.join(known)}")
    if name == "CLIP" and data is not None:
        return methods.CLIP(budget.backbone(), **methods.CLIP.arguments_for(data))
    return known[name](budget)


def encoder(method: nn.Module) -> Callable[[Tensor], Tensor] | nn.Module:
    """What the probe reads: `encode`, or ``encode_whole`` where that sees only half a picture (deep CCA)."""
    return getattr(method, "encode_whole", method)


def row_names(data: str, table: str) -> list[str]:
    """The rows of a table, the two that learn nothing first."""
    left_out = {"colorization"} if table == "C" else set()  # whose encoder would see its own answer
    if data == "cifar10":
        left_out.add("CLIP")  # no captions
    return [n for n in (PIXELS, RANDOM, *MAKERS) if n not in left_out]


# ---------------------------------------------------------------------------------------------------- the data
@lru_cache(maxsize=2)
def train_and_test(data: str, table: str, seed: int, budget: Budget) -> tuple[Pictures, Pictures]:
    """(train, test) of a table: scenes painted anew for each seed, other sets the same pictures.

    In table G pictures are three equal channels of lightness and ``parts["ab"]`` keeps the colours at a
    quarter of the size, in Lab units, as a target.

    Raises:
        ValueError: a table other than G and C, or as `load`.
    """
    if table not in TABLES:
        raise ValueError(f"the tables are {' and '.join(TABLES)}, not {table!r}")
    sets = []
    for split, n, start in (("train", budget.n_train, 0), ("test", budget.n_test, TEST_SEED)):
        if data == "scenes":
            pictures = load("scenes", budget.size, split, n=n, seed=seed)
        else:
            pictures = load(data, budget.size, split)
            order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(start + seed))
            pictures = pictures[order[:n]]
        sets.append(gray_with_colours(pictures) if table == "G" else pictures)
    return sets[0], sets[1]


def gray_with_colours(pictures: Pictures) -> Pictures:
    """Lightness to see and, in ``parts["ab"]`` (N, 2, H/4, W/4), the colours to tell, in Lab units."""
    ab = [F.avg_pool2d(rgb_to_lab(part.float() / 255)[:, 1:], 4) for part in pictures.images.split(512)]
    return replace(pictures.gray(), parts={"ab": torch.cat(ab)})


# ---------------------------------------------------------------------------------------------------- one cell
def probe_all(
    encode: Callable[[Tensor], Tensor] | nn.Module,
    train_set: Any,
    test_set: Any,
    seed: int = 0,
    labels: Sequence[str] | None = None,
    n_labels: Sequence[int] = N_LABELS,
) -> dict[str, dict[str, float]]:
    """Accuracy of a linear probe, label → number of labels (as text) → share of test rows named rightly."""
    features = [evaluation.encode(encode, s) for s in (train_set, test_set)]
    reached: dict[str, dict[str, float]] = {}
    for label in labels or train_set.labels:
        reached[label] = {}
        for n in (n for n in n_labels if n <= len(train_set)):
            draws = DRAWS if n <= FEW else 1
            probe = linear_probe(
                None, train=features[0], test=features[1], label=label, n_labels=n, draws=draws, seed=seed
            )
            reached[label][str(n)] = round(probe.accuracy, 4)
    return reached


def run_cell(
    data: str,
    table: str,
    method: str,
    seed: int,
    budget: Budget | None = None,
    labels: Sequence[str] | None = None,
    n_labels: Sequence[int] = N_LABELS,
) -> dict[str, Any]:
    """Train a method under the rules and probe it, for all labels or some.

    Returns:
        ``accuracy`` as `probe_all`, ``loss`` (first and last ten steps), ``train_seconds``, ``spread`` (feature
        std by evaluation.feature_std, against 1/√D).
    """
    budget = budget or Budget()
    train_set, test_set = train_and_test(data, table, seed, budget)
    torch.manual_seed(seed)
    row: dict[str, Any] = {}
    if method == PIXELS:
        encode: Any = evaluation.pixels(16)
    elif method == RANDOM:
        encode = make("SimCLR", budget)
    else:
        learner = make(method, budget, train_set)
        row = run_training(learner, train_set, budget.steps, budget.batch, seed)
        encode = encoder(learner)
    row["accuracy"] = probe_all(encode, train_set, test_set, seed, labels, n_labels)
    if method != PIXELS:
        spread = evaluation.feature_std(evaluation.features(encode, test_set.inputs))
        row["spread"] = round(float(spread) * math.sqrt(budget.dim), 3)
    return row


def run_training(learner: nn.Module, data: Any, steps: int, batch: int, seed: int) -> dict[str, Any]:
    """Train: ``loss`` and ``train_seconds`` of `run_cell`."""
    began = time.perf_counter()
    losses = [step.loss for step in train(learner, data, steps, batch, seed=seed)]
    return {"loss": ends_of(losses), "train_seconds": round(time.perf_counter() - began, 1)}


def ends_of(losses: Sequence[float]) -> list[float]:
    """The mean of the first ten and of the last ten."""
    return [round(statistics.mean(part), 4) for part in (losses[:10], losses[-10:])]


# ------------------------------------------------------------------------------------- the measured dependence
class Dependence(NamedTuple):
    """How much X₁ still tells of X₂ once Y is known, over how well X₂ tells the classes apart.

    Attributes:
        low: ε² / σ² by the best linear prediction found, a lower bound on average; not below 0.
        error: its standard error.
        high: E Tr Cov(X₂|Y) / σ², which ε² / σ² cannot exceed.
        sigma: σ_{k−1}(MΠ)², in units of X₂ squared.
        chance: the largest σ² in 19 shuffles of the labels; where ``sigma`` is not well above it, X₂ does not
            tell the classes apart and the theory is silent.
    """

    low: float
    error: float
    high: float
    sigma: float
    chance: float

    @property
    def silent(self) -> bool:
        """Whether X₂ does not tell every class apart, as far as this sample can show."""
        return self.sigma < 1.5 * self.chance


def two_views(method: str, data: Pictures, seed: int = 0) -> tuple[Tensor, Tensor] | None:
    """X₁ (N, d₁) and X₂ (N, d₂) of a method's own `pair`, as numbers for a linear estimate; None: not covered.

    Pictures become the means of cells of 4 × 4 pixels, X₁ of those that its mask shows, X₂ of those that it hides;
    lightness becomes the gray that shows it, a map of colours 4 × 4 places, a caption the words (or pieces) in it.
    Colours are in Lab units, all else in [0, 1]. Where pixels are hidden, each picture's pair is drawn under the
    same seed, so that a column means the same place in every picture.
    """
    with torch.random.fork_rng([]):
        learner = make(method, Budget(size=data.images.shape[-1]), data)
        if isinstance(learner, NOT_COVERED):
            return None
        data = learner.prepare(data) if hasattr(learner, "prepare") else data
        torch.manual_seed(seed)
        pair = interfaces.pair_of(learner, data)
        (x1, x2), hidden = pair, pair.parts.get("hidden")
        if hidden is not None:
            rows = []
            for i in range(len(data)):
                torch.manual_seed(seed)
                rows.append(interfaces.pair_of(learner, data[i : i + 1]))
            x1, x2 = (torch.cat(views) for views in zip(*rows, strict=True))  # (N, 3, H, W) each
            hidden = F.avg_pool2d(rows[0].parts["hidden"], CELL)[0, 0] > 0.5  # (h, w)
    gray = torch.equal(data.images[:, 0], data.images[:, 1])  # then one of the three equal channels is enough
    return numbers_of(x1, gray, None if hidden is None else ~hidden), numbers_of(x2, gray, hidden)


def numbers_of(view: Tensor, gray: bool = False, shown: Tensor | None = None) -> Tensor:
    """A view as rows of numbers (N, d), as `two_views` says; of pictures the cells where ``shown`` (h, w) is true."""
    if not view.is_floating_point():  # ids (N, T)
        words = torch.zeros(len(view), int(view.max()) + 1).scatter(1, view, 1.0)  # (N, V): is it there?
        return words[:, len(SPECIAL) :]
    if view.ndim == 2:
        return view
    if view.shape[1] == 2:  # ab
        return F.adaptive_avg_pool2d(view, 4).flatten(1)
    if view.shape[1] == 1:  # L
        view, gray = lab_to_rgb(F.pad(view, (0, 0, 0, 0, 0, 2))), True
    cells = F.avg_pool2d(view[:, :1] if gray else view, CELL)  # (N, C, h, w)
    return (cells if shown is None else cells[:, :, shown]).flatten(1)


def ridge_predictor(x1: Tensor, target: Tensor) -> Callable[[Tensor], Tensor]:
    """The linear predictor of many numbers from many: columns standardised, penalty 1 % of the rows."""
    x1 = x1.double()
    mean, scale = x1.mean(0), x1.std(0).clamp(min=1e-6)
    predict = ridge_map((x1 - mean) / scale, target, l2=0.01)
    return lambda new: predict((new.double() - mean) / scale)


def class_separation(x2: Tensor, y: Tensor) -> float:
    """σ_{k−1}(MΠ)² of class means, minus their unweighted mean, in units of X₂ squared."""
    means = torch.stack([x2[y == c].double().mean(0) for c in y.unique()])  # (k, d)
    k = len(means)
    return float(bounds.kth_singular_value(means - means.mean(0), k - 1)) ** 2


def dependence(x1: Tensor, x2: Tensor, y: Tensor, seed: int = 0) -> Dependence:
    """ε²/σ² of X₁ (N, d₁) and X₂ (N, d₂) given the classes Y (N,): `Dependence`."""
    estimate = residual.cross_fitted_epsilon_squared(x1, x2, y, ridge_predictor, folds=4, seed=seed)
    within = residual.class_residual(x2, y).square().sum(1).mean()
    sigma = class_separation(x2, y)
    generator = torch.Generator().manual_seed(seed)
    shuffled = [class_separation(x2, y[torch.randperm(len(y), generator=generator)]) for _ in range(SHUFFLES)]
    return Dependence(
        max(estimate.value, 0.0) / sigma,
        estimate.standard_error / sigma,
        float(within) / sigma,
        sigma,
        max(shuffled),
    )


def run_dependence(
    data: str, table: str, method: str, seed: int, budget: Budget | None = None
) -> dict[str, Any]:
    """The dependence of a method's X₁ and X₂ given each label, or ``covered: false``."""
    train_set, _ = train_and_test(data, table, seed, budget or Budget())
    views = two_views(method, train_set, seed)
    if views is None:
        return {"covered": False}
    measured = {name: dependence(*views, y, seed) for name, y in train_set.labels.items()}
    return {
        "covered": True,
        "given": {
            name: {k: float(f"{v:.4g}") for k, v in d._asdict().items()} | {"silent": d.silent}
            for name, d in measured.items()
        },
    }


# ---------------------------------------------------------------------------------------------------- the texts
def run_text_cell(method: str, seed: int, budget: Budget | None = None) -> dict[str, Any]:
    """BERT, GPT, a random BERT, or the words counted, on the film-review world: the same Transformer and probe.

    Four times the samples of the pictures, since a text is that much cheaper.
    """
    budget = budget or Budget()
    train_set, test_set = (
        load("reviews", split=split, n=n, seed=seed)
        for split, n in (("train", 2 * budget.n_train), ("test", budget.n_test))
    )
    torch.manual_seed(seed)
    row: dict[str, Any] = {}
    learner = methods.GPT() if method == "GPT" else methods.BERT()
    if hasattr(learner, "prepare"):
        train_set, test_set = learner.prepare(train_set), learner.prepare(test_set)
    if method in ("BERT", "GPT"):
        row = run_training(learner, train_set, 4 * budget.steps, budget.batch, seed)
    encode: Callable[[Tensor], Tensor] | nn.Module = learner
    if method == "word counts":
        size = int(train_set.inputs.max()) + 1

        def count(ids: Tensor) -> Tensor:
            return F.one_hot(ids.clamp(min=0), size).sum(1).float()  # (N, V)

        encode = count
    return row | {"accuracy": probe_all(encode, train_set, test_set, seed)}


# --------------------------------------------------------------------------------------------------- the tables
class Part(NamedTuple):
    """A piece of the whole study: a file and the cells that belong into it."""

    file: str
    cells: list[dict[str, Any]]
    measure: Callable[..., dict[str, Any]]
    budget: Budget = Budget()


def plan(seeds: int = 5, real_seeds: int = 3) -> list[Part]:
    """The whole study, the most important first: a run that is stopped early leaves a smaller study behind.

    Args:
        seeds: on the scenes.
        real_seeds: on the Earth and on CIFAR-10.
    """
    first = range(min(3, seeds))

    def table(data: str, letter: str, over: Sequence[int]) -> Part:
        return Part(f"comparison_{data}_{letter}", cells_of(data, letter, over), run_cell)

    within = cells_of("scenes", "C", first, list(WITHIN))
    given: list[dict[str, Any]] = []
    for data, letter in ((d, t) for d in ("scenes", "earth", "cifar10") for t in TABLES):
        names = row_names(data, letter)[2:] + (list(WITHIN) if (data, letter) == ("scenes", "C") else [])
        given += cells_of(data, letter, first if data == "scenes" else [0], names)
    texts = [
        {"method": m, "seed": s} for s in first for m in ("word counts", "random network", "BERT", "GPT")
    ]
    return [
        table("scenes", "G", first),
        Part("comparison_dependence", given, run_dependence),
        table("scenes", "C", first),
        Part("comparison_within", within, run_cell),
        Part("comparison_texts", texts, run_text_cell),
        *(table("earth", letter, range(real_seeds)) for letter in TABLES),
        *(table("cifar10", letter, range(real_seeds)) for letter in TABLES),
        *(table("scenes", letter, range(seeds)) for letter in TABLES),
    ]


def about(budget: Budget | None = None) -> dict[str, Any]:
    """What all cells of a file have in common."""
    return {
        "budget": asdict(budget or Budget()),
        "probe": f"logistic, l2 by cross-validation; {DRAWS} draws of labels up to {FEW}, one above",
    }


def cells_of(
    data: str, table: str, seeds: Sequence[int], names: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """The cells of a table, seed by seed, so that a run that is stopped leaves whole seeds behind."""
    names = list(names or row_names(data, table))
    return [{"data": data, "table": table, "method": m, "seed": s} for s in seeds for m in names]


class Cell(NamedTuple):
    """Mean over seeds, its standard error (0 with one seed), and how many seeds there are."""

    mean: float
    error: float
    seeds: int


def summary(results: Sequence[dict[str, Any]], label: str, n_labels: int) -> dict[str, Cell]:
    """method → accuracy over the seeds that are there, best first.

    Args:
        results: rows of `recorded.record`.
        label, n_labels: which probe.
    """
    cells = {}
    for name, by_seed in accuracies(results, label, n_labels).items():
        v = list(by_seed.values())
        error = statistics.stdev(v) / math.sqrt(len(v)) if len(v) > 1 else 0.0
        cells[name] = Cell(statistics.mean(v), error, len(v))
    return dict(sorted(cells.items(), key=lambda item: -item[1].mean))


def accuracies(results: Sequence[dict[str, Any]], label: str, n_labels: int) -> dict[str, dict[int, float]]:
    """method → seed → accuracy, of the rows that have this probe; see `summary`."""
    reached: dict[str, dict[int, float]] = {}
    for row in results:
        value = row.get("accuracy", {}).get(label, {}).get(str(n_labels))
        if value is not None:
            reached.setdefault(row["cell"]["method"], {})[row["cell"]["seed"]] = value
    return reached
