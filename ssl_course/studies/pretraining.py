"""The comparison with time to learn: each method trains until its probe has stopped rising (note §3.5).

The first comparison (`comparison.run_cell`) gives every method the same few seconds, in which most learn nothing. Here
a method trains for the number of pictures in `SAMPLES`, in one run with its own schedule, and the probe is read on
the way, so that a reader sees what a short run buys and whether a longer one would help. All share a `nets.ConvNet`,
only MAE needs a ViT; a method stands beside the random network of its own backbone. The seed draws pictures, first
weights, batches, masks, views and labels anew.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from scipy import stats
from torch import nn

from ssl_course import evaluation, methods, nets
from ssl_course.data.pictures import Pictures
from ssl_course.data.scenes import World
from ssl_course.evaluation.finetuning import FineTuned
from ssl_course.studies import comparison
from ssl_course.studies.comparison import DRAWS, FEW, PIXELS, RANDOM, Part
from ssl_course.training import train

RANDOM_VIT, SUPERVISED = "random ViT", "supervised"
OF_A_VIT = ("MAE",)  # methods that bring a ViT, and so stand beside a random one
# Pictures drawn in training, with repetition; rotation turns each four ways. Chosen by curves on pictures of a seed
# (100) that the study does not use; where the curve of a row is not flat at its end, more would help.
SAMPLES = {
    "colorization": 100_000,
    "SimCLR": 150_000,
    "MAE": 600_000,
    "context encoder": 300_000,
    "jigsaw": 100_000,
    "rotation": 50_000,
    "SimSiam": 300_000,
    "deep CCA": 100_000,
    "CLIP": 100_000,
}
SUPERVISED_STEPS = 200
CURVE = ("biome", "texture", "object", "class")  # probed during training, where the set has them
LABELLED = 1024  # pictures from which their labels are drawn
N_LABELS = {"cifar10": (100, 1000, 5000)}
HALVINGS = 6  # the curve has its points at the whole run and at so many halves of it


@dataclass(frozen=True)
class Protocol(comparison.Budget):
    """As `comparison.Budget`, with a ConvNet for all but MAE; ``samples`` 0 is what `SAMPLES` gives each method."""

    samples: int = 0
    batch: int = 128
    n_train: int = 8192
    n_test: int = 2048
    widths: tuple[int, ...] = (32, 64, 128, 128)

    def backbone(self) -> nn.Module:
        """A fresh ConvNet."""
        return nets.ConvNet(self.widths)

    def steps_of(self, method: str) -> int:
        """Steps of training of a row."""
        return max((self.samples or SAMPLES[method]) // self.batch, 1)


PROTOCOLS = {
    "scenes": Protocol(),
    "earth": Protocol(widths=(32, 64, 128, 256)),
    "cifar10": Protocol(widths=(32, 64, 128, 256), batch=256, n_train=50_000, n_test=2000),
}


def row_names(data: str, table: str) -> list[str]:
    """The rows of a table: what learns nothing, then the pretext tasks, then labels alone, the dearest row."""
    untrained = [PIXELS, RANDOM, RANDOM_VIT]
    return untrained + [n for n in comparison.row_names(data, table) if n not in untrained] + [SUPERVISED]


def own_random(method: str) -> str:
    """The row of the untrained network that a method started from."""
    return RANDOM_VIT if method in OF_A_VIT else RANDOM


# ---------------------------------------------------------------------------------------------------- one cell
def run_cell(data: str, table: str, method: str, seed: int, budget: Protocol | None = None) -> dict[str, Any]:
    """One row: train a method until its probe is flat, and probe it for all labels.

    Returns:
        ``pictures`` (train, test) and ``accuracy`` (`comparison.probe_all`). Of what is trained, ``cpu_seconds`` of
        training alone; of a method also ``samples``, ``loss`` (mean of the first and of the last ten steps) and
        ``curve``: the probe with the middle one of the numbers of labels (30; CIFAR-10: 1,000) against samples seen.
        Its labels are drawn from the first `LABELLED` pictures, the row's from all: its end need not be the row's number.
    """
    protocol = budget or PROTOCOLS[data]
    train_set, test_set = comparison.train_and_test(data, table, seed, protocol)
    numbers = N_LABELS.get(data, comparison.N_LABELS)
    torch.manual_seed(seed)
    row: dict[str, Any] = {"pictures": [len(train_set), len(test_set)]}
    if method == SUPERVISED:
        return row | from_scratch(protocol, train_set, test_set, seed, numbers)
    if method == PIXELS:
        encode: Any = evaluation.pixels(16)
    elif method in (RANDOM, RANDOM_VIT):
        encode = comparison.make("MAE" if method == RANDOM_VIT else "SimCLR", protocol)
    else:
        learner = comparison.make(method, protocol, train_set)
        encode = comparison.encoder(learner)
        steps = protocol.steps_of(method)
        row |= learn(learner, encode, train_set, test_set, steps, protocol.batch, seed, numbers)
    return row | {"accuracy": comparison.probe_all(encode, train_set, test_set, seed, n_labels=numbers)}


def learn(
    learner: nn.Module, encode: Any, train_set: Pictures, test_set: Pictures, steps: int, batch: int, seed: int,
    numbers: Sequence[int] = comparison.N_LABELS,
) -> dict[str, Any]:  # fmt: skip
    """Train, and probe on the way: ``samples``, ``cpu_seconds``, ``loss`` and ``curve`` of `run_cell`."""
    labels = [label for label in CURVE if label in train_set.labels]
    labelled = train_set[:LABELLED]
    number = max(n for n in numbers[: len(numbers) // 2 + 1] if n <= len(labelled))
    reading = {steps} | {max(steps >> halves, 1) for halves in range(HALVINGS + 1)}
    losses, curve, spent, began = [], [], 0.0, time.process_time()
    for step in train(learner, train_set, steps, batch, seed=seed):
        losses.append(step.loss)
        if step.index not in reading:
            continue
        spent += time.process_time() - began
        accuracy = comparison.probe_all(encode, labelled, test_set, seed, labels, (number,))
        curve.append(
            {"samples": step.index * batch, "cpu_seconds": round(spent, 1)}
            | {label: by_n[str(number)] for label, by_n in accuracy.items()}
        )
        began = time.process_time()
    loss = comparison.ends_of(losses)
    return {"samples": steps * batch, "cpu_seconds": round(spent, 1), "loss": loss, "curve": curve}


def from_scratch(
    protocol: Protocol, train_set: Pictures, test_set: Pictures, seed: int, numbers: Sequence[int]
) -> dict[str, Any]:
    """The same network from random weights, trained on the labelled pictures alone: what the labels are worth by themselves."""
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


# ---------------------------------------------------------------------------------------------------- verdicts
class Difference(NamedTuple):
    """Mean of paired differences over seeds, half the width of its 95 % interval by Student's t, and the pairs."""

    mean: float
    half_width: float
    seeds: int

    @property
    def better(self) -> bool:
        """Whether the whole interval is above 0; one seed decides nothing."""
        return self.mean > self.half_width


def paired_difference(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Difference:
    """seed → accuracy of two rows, over the seeds that both have.

    Three seeds: ± 4.30 standard errors. With fewer than two the interval is infinite.

    Raises:
        ValueError: no seed in common.
    """
    gaps = [ours[seed] - theirs[seed] for seed in sorted(set(ours) & set(theirs))]
    if not gaps:
        raise ValueError("the two rows have no seed in common: measure the same seeds for both")
    if len(gaps) == 1:
        return Difference(gaps[0], math.inf, 1)
    error = statistics.stdev(gaps) / math.sqrt(len(gaps))
    return Difference(statistics.mean(gaps), float(stats.t.ppf(0.975, len(gaps) - 1)) * error, len(gaps))


class Verdict(NamedTuple):
    """What a row gains over the random network of its own backbone, and over raw pixels."""

    over_random: Difference
    over_pixels: Difference

    @property
    def learned(self) -> bool:
        """Whether it beats both."""
        return self.over_random.better and self.over_pixels.better


def verdicts(results: Sequence[dict[str, Any]], label: str, n_labels: int) -> dict[str, Verdict]:
    """trained row → `Verdict`; rows without a seed in common with both baselines are left out.

    A table has one verdict for each row, label and number of labels: at 95 % some of many come out by chance, so show
    them all.

    Args:
        results: rows of `recorded.record`.
        label, n_labels: which probe.
    """
    reached, given = comparison.accuracies(results, label, n_labels), {}
    for name, values in reached.items():
        baselines = [reached.get(base, {}) for base in (own_random(name), PIXELS)]
        if name not in (PIXELS, RANDOM, RANDOM_VIT) and all(set(values) & set(base) for base in baselines):
            given[name] = Verdict(*(paired_difference(values, base) for base in baselines))
    return given


def bayes_rates(table: str, world: World | None = None) -> dict[str, float]:
    """label → the best accuracy that there is on the scenes, by enumeration: from lightness (G) or lightness and colour (C)."""
    world = world or World()
    rates = {}
    for label in ("biome", "light", "tint", "texture", "object", "count"):
        joint = world.joint(label)  # (x1, x2, classes)
        seen = joint.sum(1) if table == "G" else joint.flatten(0, 1)
        rates[label] = float(seen.max(1).values.sum())
    return rates


# ------------------------------------------------------------------------------------------------------ the plan
def plan(seeds: int = 3) -> list[Part]:
    """The study, the most important first; seed by seed, so that a run that is stopped leaves whole seeds behind."""
    tables = [("scenes", "G"), ("scenes", "C"), ("cifar10", "C"), ("earth", "G")]
    rows = {("cifar10", "C"): [PIXELS, RANDOM, "SimCLR"]}
    return [
        Part(
            f"pretraining_{data}_{table}",
            comparison.cells_of(data, table, range(seeds), rows.get((data, table)) or row_names(data, table)),
            run_cell,
            PROTOCOLS[data],
        )
        for data, table in tables
    ]


def about(protocol: Protocol, note: str = "") -> dict[str, Any]:
    """What all cells of a file have in common.

    Args:
        protocol: of the file.
        note: what else a reader must know, such as which copy or part of a set was at hand.
    """
    return comparison.about(protocol) | {
        "supervised": f"{SUPERVISED_STEPS} steps of the labelled pictures",
        "varies with the seed": "pictures, first weights, batches, masks, views, labels",
    } | ({"note": note} if note else {})  # fmt: skip
