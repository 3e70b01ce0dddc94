"""Every method on the same pictures, with time to learn, under one probe (note §3.5).

A method trains for the number of pictures in `SAMPLES`, in one run with its own schedule; the probe is read
on the way, so that a reader sees what a short run buys and whether a longer one would help: lecture 13 marks
the rows that still rise at their end.
All share a `nets.ConvNet`, only MAE needs a ViT; a method stands beside the random network of its own
backbone (`verdicts.verdicts`). The seed draws pictures, first weights, batches, masks, views and labels anew.

Two tables. In table G every encoder sees lightness only, so that colorization may take part; its targets may
be colour. In table C every encoder sees colour, and colorization, which would see its own answer,
is left out.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from typing import Any, NamedTuple

import torch
from torch import nn

from ssl_course import evaluation, methods, nets
from ssl_course.data import load
from ssl_course.data.pictures import Pictures
from ssl_course.evaluation import linear_probe
from ssl_course.evaluation.encoding import Labelled, Network
from ssl_course.evaluation.finetuning import FineTuned
from ssl_course.interfaces import Method
from ssl_course.pretext.color import ab_map
from ssl_course.training import read_losses, train

TABLES = ("G", "C")
N_LABELS = (3, 10, 30, 100, 1000)
OTHER_NUMBERS: dict[str, Sequence[int]] = {"cifar10": (100, 1000, 5000)}
FEW = 30  # up to so many labels they are drawn `DRAWS` times, above once: the seeds draw them anew as well
DRAWS = 2
TEST_SEED = 1_000_000
PIXELS, RANDOM, RANDOM_VIT, SUPERVISED = "raw pixels", "random network", "random ViT", "supervised"
OF_A_VIT = ("MAE",)  # methods that bring a ViT, and so stand beside a random one
# Pictures drawn in training, with repetition; rotation turns each four ways. Chosen by curves on pictures of
# a seed (100) that the study does not use; where the curve of a row is not flat at its end, more would help.
SAMPLES = {
    "colorization": 100_000,
    "SimCLR": 150_000,
    "MAE": 1_500_000,
    "context encoder": 300_000,
    "jigsaw": 100_000,
    "rotation": 50_000,
    "SimSiam": 420_000,
    "deep CCA": 100_000,
    "CLIP": 100_000,
}
SUPERVISED_STEPS = 200
CURVE = ("biome", "texture", "object", "class")  # probed during training, where the set has them
LABELLED = 1024  # pictures from which their labels are drawn
HALVINGS = 6  # the curve has its points at the whole run and at so many halves of it


@dataclass(frozen=True)
class Protocol:
    """What all methods get alike.

    Attributes:
        size: of the pictures, in pixels.
        patch, dim, depth, heads: of MAE's ViT.
        widths: of the ConvNet that all others have.
        samples: pictures drawn in training, with repetition; 0 is what `SAMPLES` gives each method.
        batch: pictures in one step.
        n_train, n_test: pictures to learn from, without labels, and to test on; as many as there are where a
            set has fewer.
    """

    size: int = 32
    patch: int = 8
    dim: int = 64
    depth: int = 2
    heads: int = 4
    samples: int = 0
    batch: int = 128
    n_train: int = 8192
    n_test: int = 2048
    widths: tuple[int, ...] = (32, 64, 128, 128)

    def backbone(self) -> nn.Module:
        """A fresh ConvNet, for pictures, tiles and halves of pictures alike."""
        return nets.ConvNet(self.widths)

    def steps_of(self, method: str = "") -> int:
        """Steps of training of a row; of a method that is not in `SAMPLES`,
        only where ``samples`` says how many."""
        return max((self.samples or SAMPLES[method]) // self.batch, 1)


PROTOCOLS = {
    "scenes": Protocol(),
    "earth": Protocol(widths=(32, 64, 128, 256), samples=100_000),  # each of its 670 pictures 150 times
    "cifar10": Protocol(widths=(32, 64, 128, 256), batch=256, n_train=50_000, n_test=2000),
}
# Some seconds, in front of a class: too few to learn.
LIVE = Protocol(samples=9_600, n_train=2048, n_test=1024)


# ------------------------------------------------------------------------------------------------ the methods
def _mae(p: Protocol, ratio: float = 0.75) -> Method:
    mae: Method = methods.MAE(p.size, p.patch, p.dim, p.depth, p.heads, decoder_dim=32, mask_ratio=ratio)
    return mae


def _context(p: Protocol, share: float = 0.25) -> Method:
    context: Method = methods.ContextEncoder(p.backbone(), p.size, share=share, overlap=2, width=16)
    return context


MAKERS: dict[str, Callable[[Protocol], Method]] = {
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
RATIOS = (0.25, 0.5, 0.75, 0.9)
SHARES = (0.1, 0.25, 0.5)
# The note's message within one method: the same task with more or less hidden.
WITHIN: dict[str, Callable[[Protocol], Method]] = {
    **{f"MAE {r}": partial(_mae, ratio=r) for r in RATIOS},
    **{f"context encoder {s}": partial(_context, share=s) for s in SHARES},
}


def make(name: str, protocol: Protocol, data: Pictures | None = None) -> Method:
    """A fresh network by its name in the table.

    Args:
        name: of the row.
        protocol: size of its network.
        data: what it will learn from, where its captions decide on the vocabulary (CLIP); None are scenes.

    Raises:
        ValueError: no such row.
    """
    known = MAKERS | WITHIN
    if name not in known:
        raise ValueError(f"no method {name!r} in the comparison; there are {', '.join(known)}")
    if name == "CLIP" and data is not None:
        clip: Method = methods.CLIP(protocol.backbone(), **methods.CLIP.arguments_for(data))
        return clip
    return known[name](protocol)


def encoder(method: Method) -> Network:
    """What the probe reads: `encode`, or ``encode_whole`` where that sees only half a picture (deep CCA)."""
    return getattr(method, "encode_whole", method.encode)


def row_names(data: str, table: str) -> list[str]:
    """The rows of a table: what learns nothing, then the pretext tasks, then labels alone, the dearest."""
    left_out = {"colorization"} if table == "C" else set()  # whose encoder would see its own answer
    if data == "cifar10":
        left_out.add("CLIP")  # no captions
    return [PIXELS, RANDOM, RANDOM_VIT, *(n for n in MAKERS if n not in left_out), SUPERVISED]


# --------------------------------------------------------------------------------------------------- the data
@lru_cache(maxsize=2)
def train_and_test(data: str, table: str, seed: int, protocol: Protocol) -> tuple[Pictures, Pictures]:
    """(train, test) of a table: scenes painted anew for each seed, other sets the same pictures.

    In table G pictures are three equal channels of lightness and ``parts["ab"]`` keeps the colours at a
    quarter of the size, in Lab units, as a target.

    Raises:
        ValueError: a table other than G and C, or as `load`.
    """
    if table not in TABLES:
        raise ValueError(f"the tables are {' and '.join(TABLES)}, not {table!r}")
    sets = []
    for split, n, start in (("train", protocol.n_train, 0), ("test", protocol.n_test, TEST_SEED)):
        if data == "scenes":
            pictures = load("scenes", protocol.size, split, n=n, seed=seed)
        else:
            pictures = load(data, protocol.size, split)
            order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(start + seed))
            pictures = pictures[order[:n]]
        sets.append(gray_with_colours(pictures) if table == "G" else pictures)
    return sets[0], sets[1]


def gray_with_colours(pictures: Pictures) -> Pictures:
    """Lightness to see and, in ``parts["ab"]`` (N, 2, H/4, W/4), the colours to tell, in Lab units."""
    height, width = pictures.images.shape[-2:]
    return replace(pictures.gray(), parts={"ab": ab_map(pictures.images, (height // 4, width // 4))})


# --------------------------------------------------------------------------------------------------- one cell
def probe_all(
    encode: Network,
    train_set: Labelled,
    test_set: Labelled,
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


def ends_of(losses: Sequence[float]) -> list[float]:
    """The mean of the first ten and of the last ten."""
    return [round(statistics.mean(part), 4) for part in (losses[:10], losses[-10:])]


def run_cell(
    data: str,
    table: str,
    method: str,
    seed: int,
    protocol: Protocol | None = None,
    n_labels: Sequence[int] | None = None,
) -> dict[str, Any]:
    """One row: train a method until its probe is flat, and probe it for all labels, with each number of them.

    Returns:
        ``pictures`` (train, test) and ``accuracy`` (`probe_all`). Of what is trained, ``cpu_seconds`` of
        training alone; of a method also ``samples``, ``loss`` (mean of the first and of the last ten steps)
        and ``curve``: the probe with the middle one of the numbers of labels (30; CIFAR-10: 1,000) against
        samples seen. Its labels are drawn from the first `LABELLED` pictures, the row's from all:
        its end need not be the row's number.
    """
    protocol = protocol or PROTOCOLS[data]
    train_set, test_set = train_and_test(data, table, seed, protocol)
    numbers: Sequence[int] = n_labels or OTHER_NUMBERS.get(data, N_LABELS)
    torch.manual_seed(seed)
    row: dict[str, Any] = {"pictures": [len(train_set), len(test_set)]}
    if method == SUPERVISED:
        return row | from_scratch(protocol, train_set, test_set, seed, numbers)
    if method == PIXELS:
        encode: Network = evaluation.pixels(16)
    elif method in (RANDOM, RANDOM_VIT):
        encode = encoder(make("MAE" if method == RANDOM_VIT else "SimCLR", protocol))
    else:
        learner = make(method, protocol, train_set)
        encode = encoder(learner)
        steps = protocol.steps_of(method)
        row |= learn(learner, encode, train_set, test_set, steps, protocol.batch, seed, numbers)
    return row | {"accuracy": probe_all(encode, train_set, test_set, seed, n_labels=numbers)}


def learn(
    learner: Method, encode: Network, train_set: Pictures, test_set: Pictures, steps: int, batch: int,
    seed: int, numbers: Sequence[int] = N_LABELS, also: Callable[[], dict[str, float]] = dict,
) -> dict[str, Any]:  # fmt: skip
    """Train, and probe on the way: ``samples``, ``cpu_seconds``, ``loss`` and ``curve`` of `run_cell`.

    ``also`` is asked for more numbers at each point of the curve.
    """
    labels = [label for label in CURVE if label in train_set.labels]
    labelled = train_set[:LABELLED]
    number = max(n for n in numbers[: len(numbers) // 2 + 1] if n <= len(labelled))
    reading = {steps} | {max(steps >> halves, 1) for halves in range(HALVINGS + 1)}
    done, curve, spent, began = [], [], 0.0, time.process_time()
    for step in train(learner, train_set, steps, batch, seed=seed):
        done.append(step)
        if step.index not in reading:
            continue
        spent += time.process_time() - began
        accuracy = probe_all(encode, labelled, test_set, seed, labels, (number,))
        curve.append(
            {"samples": step.index * batch, "cpu_seconds": round(spent, 1)}
            | {label: by_n[str(number)] for label, by_n in accuracy.items()}
            | also()
        )
        began = time.process_time()
    loss = ends_of(read_losses(done))  # at the end: each reading waits for the device
    return {"samples": steps * batch, "cpu_seconds": round(spent, 1), "loss": loss, "curve": curve}


def from_scratch(
    protocol: Protocol, train_set: Pictures, test_set: Pictures, seed: int, numbers: Sequence[int]
) -> dict[str, Any]:
    """The same network from random weights, trained on the labelled pictures alone:
    what the labels are worth by themselves."""
    began = time.process_time()
    accuracy: dict[str, dict[str, float]] = {}
    for label, y in train_set.labels.items():
        accuracy[label] = {}
        for n in (n for n in numbers if n <= len(train_set)):
            reached = []
            for rows in evaluation.label_draws(y, n, DRAWS if n <= FEW else 1, seed):
                network = FineTuned(methods.SimCLR(protocol.backbone()), label, int(y.max()) + 1)
                for _ in train(network, train_set[rows], SUPERVISED_STEPS, min(protocol.batch, n), seed=seed):
                    pass
                reached.append(network.accuracy(test_set))
            accuracy[label][str(n)] = round(statistics.mean(reached), 4)
    return {"cpu_seconds": round(time.process_time() - began, 1), "accuracy": accuracy}


# --------------------------------------------------------------------------------------------------- the plan
class Part(NamedTuple):
    """A piece of the whole study: a file, the cells that belong into it, and what holds for them all."""

    file: str
    cells: list[dict[str, Any]]
    measure: Callable[..., dict[str, Any]]
    protocol: Protocol
    about: Callable[..., dict[str, Any]]


def plan(seeds: int = 3) -> list[Part]:
    """The study, the most important first; seed by seed, so that a run that is stopped leaves whole seeds
    behind."""
    tables = [("scenes", "G"), ("scenes", "C"), ("cifar10", "C"), ("earth", "G")]
    rows = {("cifar10", "C"): [PIXELS, RANDOM, "SimCLR", SUPERVISED]}
    parts = []
    for data, table in tables:
        cells = cells_of(data, table, range(seeds), rows.get((data, table)))
        parts.append(Part(f"comparison_{data}_{table}", cells, run_cell, PROTOCOLS[data], about))
    return parts


def about(protocol: Protocol, note: str = "") -> dict[str, Any]:
    """What all cells of a file have in common.

    Args:
        protocol: of the file.
        note: what else a reader must know, such as which copy or part of a set was at hand.
    """
    return {
        "budget": asdict(protocol),
        "probe": f"logistic, l2 by cross-validation; {DRAWS} draws of labels up to {FEW}, one above",
        "supervised": f"{SUPERVISED_STEPS} steps of the labelled pictures",
        "varies with the seed": "pictures, first weights, batches, masks, views, labels",
    } | ({"note": note} if note else {})  # fmt: skip


def cells_of(
    data: str, table: str, seeds: Sequence[int], names: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """The cells of a table, seed by seed, so that a run that is stopped leaves whole seeds behind."""
    names = list(names or row_names(data, table))
    return [{"data": data, "table": table, "method": m, "seed": s} for s in seeds for m in names]
