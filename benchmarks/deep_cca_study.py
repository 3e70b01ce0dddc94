"""What else was tried of deep CCA, which has no star in lecture 13's table: a larger ridge, larger batches.

    python benchmarks/deep_cca_study.py --json assets/results/deep_cca_tried.json

Scenes from lightness, table G of `ssl_course.studies.comparison`: its pictures, first weights, number of pictures and
probe; each setting changes one thing of its row. A larger ridge blows up directions of next to no variance less; in larger
batches fewer correlations are there by chance, but the same pictures make half as many steps.

The file is kept cell by cell: stopped, the same command goes on where it was.
"""

import argparse
from typing import Any

import torch

from ssl_course.methods import DeepCCA
from ssl_course.studies import comparison
from ssl_course.studies.recorded import record

PROTOCOL = comparison.Protocol(samples=comparison.SAMPLES["deep CCA"])
# Arguments of DeepCCA and pictures a step; the table's row has a ridge of 1e-3 and 128.
SETTINGS: dict[str, tuple[dict[str, float], int]] = {
    "deep CCA, ridge 0.01": ({"ridge": 1e-2}, PROTOCOL.batch),
    "deep CCA, batch 256": ({}, 2 * PROTOCOL.batch),
}


def measure(method: str, seed: int, protocol: comparison.Protocol = PROTOCOL) -> dict[str, Any]:
    """One network: its curve while it learns, and its probes for all labels with 30 of them."""
    arguments, batch = SETTINGS[method]
    data, test = comparison.train_and_test("scenes", "G", seed, protocol)
    torch.manual_seed(seed)
    learner = DeepCCA(backbone=protocol.backbone(), **arguments)
    encode, steps = comparison.encoder(learner), protocol.samples // batch
    row = comparison.learn(learner, encode, data, test, steps, batch, seed)
    return row | {"accuracy": comparison.probe_all(encode, data, test, seed, n_labels=(30,))}


def main() -> None:
    """Every cell, the seeds in the outer loop."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json")
    given = parser.parse_args()
    torch.set_num_threads(1)
    cells = [{"method": name, "seed": seed} for seed in range(given.seeds) for name in SETTINGS]
    record(given.json, cells, measure, comparison.about(PROTOCOL))


if __name__ == "__main__":
    main()
