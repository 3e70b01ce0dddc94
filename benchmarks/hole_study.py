"""The study of lecture 03: what the size of the hole does to the features of a context encoder.

    python benchmarks/hole_study.py --json assets/results/hole_size.json

Scenes from lightness, table G of `ssl_course.studies.comparison`, its network, its 300,000 pictures a network and its
probe. A hole of a quarter is the row *context encoder* of that table, and the rows without training are there too, from
the same pictures for each seed: only the smaller and the larger hole are trained here (five minutes of one idle core each).

The file is kept cell by cell: stopped, the same command goes on where it was.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch

from ssl_course.losses import hole_loss
from ssl_course.nets import as_float
from ssl_course.pretext import holes
from ssl_course.studies import comparison
from ssl_course.studies.recorded import record

SHARES = (0.1, 0.5)  # of the picture's area; a quarter stands in the comparison
PROTOCOL = comparison.Protocol(samples=comparison.SAMPLES["context encoder"])
ASKED = ("biome", "texture", "object")
NUMBERS = (30, 100)  # of labels


def measure(share: float, seed: int, protocol: comparison.Protocol = PROTOCOL) -> dict[str, Any]:
    """One network: curve while it learns, probes, and the squared error in its hole and in the smallest of the holes."""
    data, test = comparison.train_and_test("scenes", "G", seed, protocol)
    torch.manual_seed(seed)
    method = comparison.make(f"context encoder {share}", protocol)
    steps = protocol.steps_of()
    row = comparison.learn(method, method.encode, data, test, steps, protocol.batch, seed, NUMBERS[:1])
    own, inner = (holes.make_holes("centre", len(test), protocol.size, s) for s in (share, min(SHARES)))
    filled, truth = method.eval().inpaint(test.images, own), as_float(test.images)
    errors = {
        name: round(float(hole_loss(filled, truth, mask)), 6)
        for name, mask in (("in the hole", own), ("in the smallest", inner))
    }
    return row | {
        "squared error": errors,
        "accuracy": comparison.probe_all(method.encode, data, test, seed, ASKED, NUMBERS),
    }


def main() -> None:
    """Every cell, the seeds in the outer loop."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json")
    given = parser.parse_args()
    cells = [{"share": share, "seed": seed} for seed in given.seeds for share in reversed(SHARES)]
    record(given.json, cells, measure, comparison.about(PROTOCOL))


if __name__ == "__main__":
    main()
