"""Studies of lecture 04: what the mask ratio does to the features, and fine-tuning beside probing.

    python benchmarks/mae_study.py learned --json assets/results/mae_ratio_learned.json --seeds 0 1 2 3 4
    python benchmarks/mae_study.py finetune --json assets/results/mae_finetune.json

``learned`` trains at six ratios, from lightness alone, 16 patches and 268,800 pictures a network, under the protocol of
`ssl_course.studies.comparison`.

Each keeps its file cell by cell: stopped, the same command goes on where it was.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ssl_course.data import scenes
from ssl_course.data.pictures import Pictures
from ssl_course.evaluation import encode, label_draws, linear_probe, pixels
from ssl_course.evaluation.encoding import Encoded, frozen
from ssl_course.evaluation.finetuning import FineTuned
from ssl_course.methods import MAE
from ssl_course.methods.mae import hidden_error
from ssl_course.studies import comparison
from ssl_course.studies.recorded import record
from ssl_course.training import train

RATIOS = (0.1, 0.25, 0.5, 0.75, 0.9, 0.97)
N_LABELS = 100
BATCH, PICTURES = 64, 4000
BEFORE, TUNING = 300, 60  # steps of pretraining and of fine-tuning in the second study
DRAWS = 2  # of labels
TEST = 800  # pictures on which accuracy is counted
SMALL = {"image_size": 32, "patch_size": 4, "dim": 64, "depth": 3, "heads": 4, "decoder_dim": 48}
# The ratios: network and pictures of lecture 13's table G.
PROTOCOL = comparison.Protocol(samples=268_800)
SIXTEEN = {"image_size": 32, "patch_size": 8, "dim": 64, "depth": 2, "heads": 4, "decoder_dim": 32}
ASKED = ("biome", "texture")


@lru_cache(maxsize=1)
def pictures(seed: int, n: int) -> tuple[Pictures, Pictures]:
    """n to train on, and others to test on."""
    world = scenes.World()
    return world.sample(n, size=32, seed=100 + seed), world.sample(TEST, size=32, seed=200 + seed)


def small_mae(ratio: float, data: Pictures, steps: int, seed: int, network: dict[str, int] = SMALL) -> MAE:
    """An MAE of 64 patches of 4 px, trained with this ratio."""
    torch.manual_seed(seed)
    method = MAE(**network, mask_ratio=ratio)
    for _ in train(method, data, steps=steps, batch_size=BATCH, seed=seed):
        pass
    return method


def of_the_visible(method: MAE, data: Pictures, ratio: float, seed: int) -> Encoded:
    """Features of X₁ alone, (N, dim): what the encoder makes of the patches that a ratio leaves visible."""
    noise = torch.rand(len(data), method.grid**2, generator=torch.Generator().manual_seed(seed))
    parts: list[Tensor] = []
    with frozen(method):
        for x, z in zip(data.images.split(256), noise.split(256), strict=True):
            parts.append(method.forward_encoder(x, ratio, z)[0][:, 1:].mean(1))
    return Encoded(torch.cat(parts), data.labels, "ψ(X₁)")


def probes(name: str, a: Encoded, b: Encoded, seed: int, labels: Sequence[str]) -> dict[str, float]:
    """Accuracies, each the mean over draws of labels."""
    accuracies = {}
    for label in labels:
        probe = linear_probe(None, train=a, test=b, label=label, n_labels=N_LABELS, draws=DRAWS, seed=seed)
        accuracies[f"{name}, {label}"] = round(probe.accuracy, 4)
    return accuracies


def measure_learned(
    what: str, seed: int, ratio: float = 0.75, protocol: comparison.Protocol = PROTOCOL
) -> dict[str, Any]:
    """One MAE with the time to learn, or its network untrained, or pixels: probe and fine-tuning, `N_LABELS` labels each.

    The seed draws pictures, weights, order, masks and labels.
    """
    data, test = comparison.train_and_test("scenes", "G", seed, protocol)
    if what == "pixels":
        return probes("whole", encode(pixels(16), data), encode(pixels(16), test), seed, ASKED)
    torch.manual_seed(seed)
    method = MAE(**SIXTEEN, mask_ratio=ratio)
    row: dict[str, Any] = {}
    if what == "MAE":
        steps = protocol.steps_of("MAE")
        row |= comparison.learn(method, method, data, test, steps, protocol.batch, seed, (N_LABELS,))
        noise = torch.rand(len(test), method.grid**2, generator=torch.Generator().manual_seed(seed))
        row["hidden error"] = round(
            hidden_error(test.images, *method.reconstruct(test.images, ratio, noise)), 5
        )
        row |= probes("visible", *(of_the_visible(method, d, ratio, seed) for d in (data, test)), seed, ASKED)
    row |= probes("whole", encode(method, data), encode(method, test), seed, ASKED)
    for label in ASKED:
        reached = [
            tuned(method, data[rows], label, TUNING, seed).accuracy(test)
            for rows in label_draws(data.labels[label], N_LABELS, DRAWS, seed)
        ]
        row[f"fine-tuned, {label}"] = round(sum(reached) / DRAWS, 4)
    return row


@lru_cache(maxsize=1)
def pretrained(seed: int, steps: int) -> MAE:
    """The start of probe and fine-tuning: an MAE that has seen pictures, and no label."""
    return small_mae(0.75, pictures(seed, PICTURES)[0], steps, seed)


def tuned(method: MAE, labelled: Pictures, label: str, steps: int, seed: int) -> FineTuned:
    """All weights, on the labelled pictures alone."""
    torch.manual_seed(seed)
    model = FineTuned(method, label, int(labelled.labels[label].max()) + 1)
    for _ in train(model, labelled, steps=steps, batch_size=min(BATCH, len(labelled)), seed=seed):
        pass
    return model


def measure_finetune(
    label: str, n_labels: int, seed: int, steps: int = TUNING, before: int = BEFORE
) -> dict[str, float]:
    """Probe, fine-tuning, and training the same network from scratch, on the same labelled pictures."""
    data, test = pictures(seed, PICTURES)
    labelled = data[label_draws(data.labels[label], n_labels, draws=1, seed=seed)[0]]
    mae = pretrained(seed, before)
    torch.manual_seed(seed)
    fresh = MAE(**SMALL)
    probe = linear_probe(mae, train=labelled, test=test, label=label, n_labels=None, seed=seed)
    metrics = {
        "probe": probe.accuracy,
        "fine-tuned": tuned(mae, labelled, label, steps, seed).accuracy(test),
        "from scratch": tuned(fresh, labelled, label, steps, seed).accuracy(test),
    }
    return {k: round(v, 4) for k, v in metrics.items()}


def main() -> None:
    """Every cell of one study, the seeds in the outer loop."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", choices=["learned", "finetune"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json")
    given = parser.parse_args()
    cells: list[dict[str, Any]] = []
    if given.study == "learned":
        for seed in given.seeds:
            cells += [{"what": what, "seed": seed} for what in ("pixels", "random network")]
            cells += [{"what": "MAE", "seed": seed, "ratio": r} for r in RATIOS]
        about = comparison.about(PROTOCOL) | {"network": SIXTEEN, "labels": N_LABELS, "draws": DRAWS}
        record(given.json, cells, measure_learned, about | {"steps of tuning": TUNING})
        return
    cells = [{"label": "light", "n_labels": n, "seed": seed} for seed in given.seeds for n in (30, 100, 300)]
    about = {"pixels": 32, "pictures": PICTURES, "steps before": BEFORE, "steps of tuning": TUNING}
    about |= {"batch": f"at most {BATCH}", "network": SMALL, "tested on": TEST}
    record(given.json, cells, measure_finetune, about)


if __name__ == "__main__":
    main()
