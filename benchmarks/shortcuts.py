"""Puzzles with their shortcuts open and closed.

    python benchmarks/shortcuts.py --json assets/results/shortcuts.json

What is measured: how well a network solves its puzzle on pictures it never saw, and what a linear probe
with 100 labels reads from its features of whole pictures. Arms of one row differ in the
shortcut and in what it takes to close it.

- corners: rotation by 0°, 30°, 60°, 90°, interpolated, with black corners / by quarter turns
- edges: 2 × 2 tiles that touch / with gaps, equally large and moved equally far
- fringes: pictures through a lens with colour fringes, 2 × 2 tiles as they are / with channels shifted,
  and dropped
"""

import argparse
import json
import shlex
import sys
import time
from dataclasses import replace
from datetime import date
from functools import lru_cache

import numpy as np
import torch

from ssl_course import nets
from ssl_course.data import load
from ssl_course.data.pictures import Pictures
from ssl_course.evaluation import encode, linear_probe
from ssl_course.methods import Jigsaw, Rotation
from ssl_course.pretext.puzzles import lens
from ssl_course.studies.recorded import machine
from ssl_course.training import train

SIZE, N_TRAIN, N_TEST, N_LABELS, STRENGTH = 32, 4096, 1000, 100, 0.04
STEPS = {"corners": 120, "edges": 240, "fringes": 120}  # an edge is a subtler cue
ARMS = ("open", "closed")
ROWS = {
    "corners": ("scenes, gray", "scenes", "earth, gray"),
    "edges": ("scenes, gray", "earth, gray"),
    "fringes": ("scenes", "earth"),
}  # shortcut: where it is measured
STAGE_LABEL = {"scenes": "texture", "earth": "biome"}
LABELS = {"scenes": ("biome", "texture", "object", "count"), "earth": ("biome",)}


@lru_cache
def pictures(name: str, through_lens: bool) -> tuple[Pictures, Pictures]:
    """(to train on, to test on), of a set such as "earth, gray"."""
    sets = []
    for split, n in (("train", N_TRAIN), ("test", N_TEST)):
        data = load(name.split(",")[0], SIZE, split)
        # the Earth comes in order
        order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))
        data = data[order[:n]]
        data = data.gray() if name.endswith("gray") else data
        if through_lens:
            seen = lens(data.images.float() / 255, STRENGTH)
            data = replace(data, images=(seen * 255).round().to(torch.uint8))
        sets.append(data)
    return sets[0], sets[1]


def learner(shortcut: str, arm: str) -> Rotation | Jigsaw:
    """The method with this shortcut open or closed."""
    is_open = arm == "open"
    if shortcut == "corners":
        return Rotation(angles=(0, 30, 60, 90) if is_open else (0, 90, 180, 270))
    if shortcut == "edges":
        return Jigsaw(grid=2, gaps=not is_open, shift=0, drop=0.0)
    return Jigsaw(grid=2, shift=0 if is_open else 1, drop=0.0 if is_open else 0.5)


def measure(
    shortcut: str, name: str, arm: str, seed: int, steps: int | None = None, stages: bool = True
) -> dict:
    """Train once; accuracy of the puzzle, and of probes of the features (and of each stage, for one label).

    ``arm`` "random" is the network before training. Without ``stages`` those of the stages are left out.
    """
    data, test = pictures(name, shortcut == "fringes")
    torch.manual_seed(seed)
    method = learner(shortcut, arm).eval()
    if arm != "random":
        for _ in train(method, data, steps or STEPS[shortcut], seed=seed):
            pass
    metrics = {
        "shortcut": shortcut,
        "data": name,
        "arm": arm,
        "seed": seed,
        "puzzle": method.accuracy(test.images),
    }
    labels = LABELS[name.split(",")[0]]
    bank, asked = encode(method, data), encode(method, test)
    for label in labels:
        metrics[label] = linear_probe(None, train=bank, test=asked, label=label, n_labels=N_LABELS).accuracy
    if stages and isinstance(method, Rotation):
        label, metrics["stages"] = STAGE_LABEL[name.split(",")[0]], []
        for stage in range(4):
            bank, asked = (encode(Stage(method, stage), d) for d in (data, test))
            metrics["stages"].append(
                linear_probe(None, train=bank, test=asked, label=label, n_labels=N_LABELS).accuracy
            )
    return metrics


def block_features(method: Rotation, x: torch.Tensor) -> list[torch.Tensor]:
    """Features after each block of the backbone, averaged over places: which depth is best probed?

    Raises:
        TypeError: a backbone other than `nets.ConvNet`, whose blocks are not known here.
    """
    if not isinstance(method.backbone, nets.ConvNet):
        raise TypeError(
            f"block_features() knows the blocks of ConvNet, not of {type(method.backbone).__name__}"
        )
    # The last blocks know angles best, the middle ones what the picture shows (Gidaris 2018, §3.1, table 1).
    h, depths = nets.normalise(nets.as_float(x, method)), []
    h = h.contiguous(memory_format=torch.channels_last)
    for layer in method.backbone.layers:
        h = layer(h)
        if isinstance(layer, torch.nn.ReLU):  # the last of a block
            depths.append(h.mean((2, 3)))
    return depths


class Stage(torch.nn.Module):
    """A rotation network cut off behind one of its blocks."""

    def __init__(self, method: Rotation, stage: int) -> None:
        super().__init__()
        self.method, self.stage = method, stage

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Features of that block, averaged over places."""
        return block_features(self.method, x)[self.stage]


def summary(rows: list[dict]) -> str:
    """A line for each shortcut, set and arm: mean ± standard deviation over the seeds."""
    lines = []
    for shortcut, sets in ROWS.items():
        for name in sets:
            for arm in ("random", *ARMS):
                mine = [r for r in rows if (r["shortcut"], r["data"], r["arm"]) == (shortcut, name, arm)]
                if mine:
                    parts = []
                    for key in ("puzzle", *LABELS[name.split(",")[0]]):
                        values = np.array([r[key] for r in mine])
                        spread = f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else ""
                        parts.append(f"{key} {values.mean():.3f}{spread}")
                    lines.append(f"{shortcut:<8} {name:<13} {arm:<7} " + "  ".join(parts))
    return "\n".join(lines)


def main() -> None:
    """Every shortcut on every set, open and closed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json")
    given = parser.parse_args()
    began, rows = time.perf_counter(), []
    for shortcut, sets in ROWS.items():
        for name in sets:
            for arm in ("random", *ARMS):
                for seed in range(given.seeds):
                    rows.append(measure(shortcut, name, arm, seed))
                    print(rows[-1], flush=True)
    print(summary(rows))
    if given.json:
        kept = {
            "command": shlex.join(["python", *sys.argv]),
            "date": str(date.today()),
            "machine": machine(),
            "seconds": round(time.perf_counter() - began),
            "protocol": (
                f"{STEPS} steps on {N_TRAIN} pictures of {SIZE} px, {N_TEST} test pictures; linear probe with"
                f" {N_LABELS} labels, mean of 5 draws; chance of a puzzle: corners 1/4, else 1/12"
            ),
            "results": rows,
        }
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump(kept, file, indent=1)


if __name__ == "__main__":
    main()
