"""Puzzles with their shortcuts open and closed.

    python benchmarks/shortcuts.py --json assets/results/shortcuts.json

What is measured: how well a network solves its puzzle on pictures it never saw, and what a linear probe
with 100 labels reads from its features of whole pictures; both on the way as well, after half of the steps, a quarter
and so on. Arms of one row differ in the shortcut and in what it takes to close it; "random" is the network before training,
"pixels" the probe of the same pictures without any network, 16 × 16.
A stopped run goes on where it was.

- corners: rotation by 0°, 30°, 60°, 90°, interpolated, with black corners / by quarter turns
- edges: 2 × 2 tiles that touch / with gaps, equally large and moved equally far
- fringes: pictures through a lens with colour fringes, 2 × 2 tiles as they are / with channels shifted,
  and dropped
"""

import argparse
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch

from ssl_course import nets
from ssl_course.data.pictures import Pictures
from ssl_course.evaluation import encode, linear_probe, pixels
from ssl_course.evaluation.encoding import Labelled, frozen
from ssl_course.methods import Jigsaw, Rotation
from ssl_course.pretext.puzzles import lens
from ssl_course.studies import comparison
from ssl_course.studies.recorded import record

N_LABELS, STRENGTH = 100, 0.04
PROTOCOL = comparison.Protocol(n_train=4096, n_test=1000, batch=64)
STEPS = {"corners": 240, "edges": 480, "fringes": 480}  # the curves say where more would help
ARMS = ("open", "closed")
UNTRAINED = ("random", "pixels")
ROWS = {
    "corners": ("scenes, gray", "scenes", "earth, gray"),
    "edges": ("scenes, gray", "earth, gray"),
    "fringes": ("scenes", "earth"),
}  # shortcut: where it is measured
STAGE_LABEL = {"scenes": "texture", "earth": "biome"}
LABELS = {"scenes": ("biome", "texture", "object", "count"), "earth": ("biome",)}


@lru_cache(maxsize=2)
def pictures(name: str, through_lens: bool, seed: int) -> tuple[Pictures, Pictures]:
    """(to train on, to test on), of a set such as "earth, gray": scenes painted anew for each seed, the Earth the same."""
    data, gray = name.split(",")[0], name.endswith("gray")
    train_set, test_set = comparison.train_and_test(data, "G" if gray else "C", seed, PROTOCOL)
    return (seen(train_set), seen(test_set)) if through_lens else (train_set, test_set)


def seen(data: Pictures) -> Pictures:
    """Through a lens with colour fringes."""
    return replace(data, images=(lens(data.images.float() / 255, STRENGTH) * 255).round().to(torch.uint8))


def learner(shortcut: str, arm: str) -> Rotation | Jigsaw:
    """The method with this shortcut open or closed."""
    is_open = arm == "open"
    if shortcut == "corners":
        return Rotation(angles=(0, 30, 60, 90) if is_open else (0, 90, 180, 270))
    if shortcut == "edges":
        return Jigsaw(grid=2, gaps=not is_open, shift=0, drop=0.0)
    return Jigsaw(grid=2, shift=0 if is_open else 1, drop=0.0 if is_open else 0.5)


def measure(
    shortcut: str, data: str, arm: str, seed: int, steps: int | None = None, stages: bool = True
) -> dict:
    """Train once; the curve of puzzle and probe, then both at the end, and the probe of each stage for one label.

    Of a rotation also ``confusion``: which angle was said (column) of each true one (row), all angles of all test pictures.
    Without ``stages`` the probes of the stages are left out.
    """
    train_set, test_set = pictures(data, shortcut == "fringes", seed)
    if arm == "pixels":
        bank, asked = (encode(pixels(16), d) for d in (train_set, test_set))
        return {label: probe(bank, asked, label, seed) for label in LABELS[data.split(",")[0]]}
    torch.manual_seed(seed)
    method = learner(shortcut, arm).eval()

    def solved() -> dict[str, float]:
        with frozen(method):
            return {"puzzle": method.accuracy(test_set.images)}

    row: dict = {}
    if arm != "random":
        row = comparison.learn(
            method,
            method,
            train_set,
            test_set,
            steps or STEPS[shortcut],
            PROTOCOL.batch,
            seed,
            (N_LABELS,),
            solved,
        )
    row |= solved()
    bank, asked = encode(method, train_set), encode(method, test_set)
    for label in LABELS[data.split(",")[0]]:
        row[label] = probe(bank, asked, label, seed)
    if isinstance(method, Rotation):
        with frozen(method):
            turned, true = method.puzzle(test_set.images)
            answers = torch.cat([method.logits(part).argmax(1) for part in turned.split(500)])
        n = len(method.angles)
        row["confusion"] = torch.bincount(true * n + answers, minlength=n * n).view(n, n).tolist()
        if stages:
            label, row["stages"] = STAGE_LABEL[data.split(",")[0]], []
            for stage in range(4):
                bank, asked = (encode(Stage(method, stage), d) for d in (train_set, test_set))
                row["stages"].append(probe(bank, asked, label, seed))
    return row


def probe(bank: Labelled, asked: Labelled, label: str, seed: int) -> float:
    """Accuracy, the mean of 5 draws of the labels."""
    result = linear_probe(None, train=bank, test=asked, label=label, n_labels=N_LABELS, seed=seed)
    return round(result.accuracy, 4)


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


def cells(seeds: int) -> list[dict]:
    """Seed by seed, so that a run that is stopped leaves whole seeds behind."""
    return [
        {"shortcut": shortcut, "data": data, "arm": arm, "seed": seed}
        for seed in range(seeds)
        for shortcut, sets in ROWS.items()
        for data in sets
        for arm in (*UNTRAINED, *ARMS)
    ]


def about() -> dict:
    """What holds for all cells."""
    return {
        "protocol": (
            f"steps of {PROTOCOL.batch} pictures of {PROTOCOL.size} px: {STEPS}; {PROTOCOL.n_train} scenes to train on and"
            f" {PROTOCOL.n_test} to test on, of the Earth as many as there are; linear probe with {N_LABELS} labels, mean of 5"
            " draws; chance of a puzzle: corners 1/4, else 1/12"
        ),
        "varies with the seed": "scenes, first weights, batches, puzzles in training, labels; the pictures of the Earth do not",
    }


def summary(rows: list[dict]) -> str:
    """A line for each shortcut, set and arm: mean ± standard deviation over the seeds."""
    lines = []
    for shortcut, sets in ROWS.items():
        for data in sets:
            for arm in (*UNTRAINED, *ARMS):
                here = {"shortcut": shortcut, "data": data, "arm": arm}
                mine = [r for r in rows if here.items() <= r["cell"].items()]
                parts = []
                for key in (*(["puzzle"] if arm != "pixels" else []), *LABELS[data.split(",")[0]]):
                    values = np.array([r[key] for r in mine])
                    spread = f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else ""
                    parts.append(f"{key} {values.mean():.3f}{spread}")
                lines.append(f"{shortcut:<8} {data:<13} {arm:<7} " + "  ".join(parts))
    return "\n".join(lines)


def main() -> None:
    """Every shortcut on every set, open and closed, or what is missing of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(summary(record(given.json, cells(given.seeds), measure, about(), bar=True)))


if __name__ == "__main__":
    main()
