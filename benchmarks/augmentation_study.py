"""What each augmentation makes SimCLR's features forget (lecture 08).

    python benchmarks/augmentation_study.py --learned --json assets/results/augmentations_learned.json
    python benchmarks/augmentation_study.py --long --seeds 5 --json assets/results/augmentations_long.json
    python benchmarks/augmentation_study.py --ship

One cell is SimCLR trained once under one augmentation set, at one strength, from one seed, and probed for the
six labels of the scenes. The seed draws the pictures, the first weights, the batches, the views and the
labelled rows, so the spread over the seeds is all of the spread. Two rows train nothing: raw pixels, and the
network as it is before training. A stopped run goes on where it was.

Each cell trains for 1,200 steps: 120 leave the loss at log(2N − 1) where strong crops and colours come together. It keeps the probe's curve,
and is marked where the loss has not left that value. Its probes read h, and z after the head. The second command trains
strong crops, strong colours and both for four times as long, as their curves were still rising.

The last command trains the network that the widgets of the lecture show, and writes
assets/checkpoints/simclr.safetensors.
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import time
from functools import lru_cache, partial
from pathlib import Path

import torch

from ssl_course import checkpoints
from ssl_course.data.pictures import Pictures
from ssl_course.data.scenes import World
from ssl_course.evaluation import encode, linear_probe, pixels
from ssl_course.methods import SimCLR
from ssl_course.nets import ConvNet
from ssl_course.studies import comparison
from ssl_course.studies.recorded import record
from ssl_course.training import train

SIZE, N_TRAIN, N_TEST, BATCH = 32, 4096, 2000, 128
WIDTHS = (16, 32, 64)  # smaller than the course's ConvNet
N_LABELS, DRAWS = (30, 300), 2
STEPS = 1200  # 153,600 pictures, about 100 s of one core
LONG = 4 * STEPS
STUCK = 0.1  # nats below log(2N − 1): a loss that has come no further has learned nothing
LABELS = ("biome", "light", "tint", "texture", "object", "count")
NOTHING = {"crop": None, "flip": 0.0, "jitter": 0.0, "gray": 0.0}
CROP = {"usual": {"crop": (0.2, 1.0)}, "strong": {"crop": (0.08, 0.4)}}
COLOUR = {
    "usual": {"jitter": 0.8, "brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1},
    "strong": {"jitter": 1.0, "brightness": 0.4, "contrast": 0.4, "saturation": 0.8, "hue": 0.5},
}
GRAY = {"usual": {"gray": 0.2}, "strong": {"gray": 0.5}}
BLUR = {"usual": {"blur": 0.5}, "strong": {"blur": 0.5, "blur_sigma": (1.0, 4.0)}}
TURN = {"usual": {"flip": 0.5, "rotate": 30.0}, "strong": {"flip": 0.5, "rotate": 180.0}}
FLIP = {"usual": {"flip": 0.5}, "strong": {"flip": 0.5}}
SETS = {
    "nothing": [],
    "crop": [CROP],
    "colour": [COLOUR],
    "crop + colour": [CROP, COLOUR],
    "gray": [GRAY],
    "blur": [BLUR],
    "flip + turn": [TURN],
    "all": [CROP, FLIP, COLOUR, GRAY],
}  # name → what is added to NOTHING; "all" is the recipe of the paper without blur
STRENGTHS = ("usual", "strong")
SHIPPED = Path(__file__).resolve().parents[1] / "assets/checkpoints/simclr.safetensors"
UNTRAINED = ("raw pixels", "random network")


def settings(name: str, strength: str = "usual") -> dict:
    """Arguments of `Augmentation` for one row of the study."""
    made = dict(NOTHING)
    for part in SETS[name]:
        made |= part[strength]
    return made


@lru_cache(maxsize=2)
def pictures(seed: int) -> tuple[Pictures, Pictures]:
    """(to train on, to test on); both are other pictures for each seed."""
    world = World()
    return world.sample(N_TRAIN, SIZE, seed=2 * seed), world.sample(N_TEST, SIZE, seed=2 * seed + 1)


def measure(views: str, strength: str, seed: int, steps: int = STEPS) -> dict:
    """Train once: the probe's curve, then all labels, read before the head and after it."""
    data, test = pictures(seed)
    torch.manual_seed(seed)
    kept = NOTHING if views in UNTRAINED else settings(views, strength)
    method = SimCLR(backbone=ConvNet(WIDTHS), augmentation=kept).eval()
    row: dict = {}
    if views not in UNTRAINED:
        row = comparison.learn(method, method, data, test, steps, BATCH, seed)
        row["stuck"] = row["loss"][-1] > math.log(2 * BATCH - 1) - STUCK
        row["after the head"] = comparison.probe_all(
            method.eval().project, data, test, seed, LABELS, N_LABELS
        )
    encoder = pixels(16) if views == "raw pixels" else method
    return row | {"accuracy": comparison.probe_all(encoder, data, test, seed, LABELS, N_LABELS)}


def cells(seeds: int) -> list[dict]:
    """Every cell; first the rows about which the lecture makes claims, so that an unfinished study has those whole."""
    first = [(name, "usual") for name in (*UNTRAINED, "nothing")]
    first += [(name, "strong") for name in ("crop", "colour", "gray", "crop + colour")]
    rest = [(name, s) for s in STRENGTHS for name in SETS if name != "nothing" and (name, s) not in first]
    return [
        {"views": v, "strength": s, "seed": seed}
        for rows in (first, rest)
        for seed in range(seeds)
        for v, s in rows
    ]


def long_cells(seeds: int) -> list[dict]:
    """The three rows of the paper's claim, first seed first."""
    rows = ("crop", "colour", "crop + colour")
    return [{"views": v, "strength": "strong", "seed": seed} for seed in range(seeds) for v in rows]


def _plain(made: dict) -> dict:
    """As JSON gives it back."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in made.items()}


def about(steps: int = STEPS) -> dict:
    """What holds for all cells."""
    return {
        "protocol": (
            f"SimCLR, ConvNet {WIDTHS}, {steps} steps of {BATCH} pictures of {SIZE} px, lr the method's own, {N_TRAIN} scenes to train on,"
            f" {N_TEST} to test on, λ = 0; linear probe of h, mean of {DRAWS} draws of labels;"
            " the seed draws pictures, weights, batches, views and labels"
        ),
        "n_labels": list(N_LABELS),
        "labels": list(LABELS),
        "sets": {name: {s: _plain(settings(name, s)) for s in STRENGTHS} for name in SETS},
    }


def ship(steps: int = 250, size: int = 64, seed: int = 0) -> Path:
    """Train the network of the widgets and write its checkpoint; prints its header."""
    world, began = World(), time.perf_counter()
    data, test = world.sample(N_TRAIN, size, seed=seed), world.sample(N_TEST, size, seed=seed + 1)
    torch.manual_seed(seed)
    method = SimCLR()
    untrained = SimCLR().eval()
    *_, last = train(method, data, steps, BATCH, seed=seed)
    metrics = {"loss": round(float(last.loss), 4), "steps": steps, "seed": seed, "n_labels": N_LABELS[1]}
    for name, network in (("probe", method), ("probe of a random network", untrained)):
        bank, asked = encode(network, data), encode(network, test)
        metrics[name] = {
            label: round(
                linear_probe(
                    None, train=bank, test=asked, label=label, n_labels=N_LABELS[1], draws=DRAWS
                ).accuracy,
                4,
            )
            for label in LABELS
        }
    metrics["seconds"] = round(time.perf_counter() - began)
    command = shlex.join(["python", "benchmarks/augmentation_study.py", "--ship"])
    checkpoints.save(SHIPPED, method, command=command, metrics=metrics, data=f"scenes.World(), {size} px")
    print(json.dumps(checkpoints.about(SHIPPED), indent=1))
    return SHIPPED


def main() -> None:
    """The whole study, or what is missing of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--learned", action="store_true", help="the study, each network with the time to learn"
    )
    which.add_argument("--long", action="store_true", help="crop, colour and both for four times as long")
    which.add_argument("--ship", action="store_true", help="train and write the network of the widgets")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.ship:
        ship()
        return
    if given.long:
        record(given.json, long_cells(given.seeds), partial(measure, steps=LONG), about(LONG))
        return
    record(given.json, cells(given.seeds), measure, about())


if __name__ == "__main__":
    main()
