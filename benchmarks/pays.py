"""Whether what a lecture trains has learned: ``python benchmarks/pays.py --json assets/results/pays.json``.

Each `fit` and live widget of a lecture is noted while the lecture's cells run with training cut short. Then each recipe
trains whole from several seeds (weights, batches, masks, labels; on scenes the pictures that are probed as well), and its
features are probed beside those of the same network untrained and beside pixels. ``--table`` prints the rows of
benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import copy
import os
import re
import time
from functools import lru_cache, partial
from typing import Any

import matplotlib
import torch
from live import value_of

from ssl_course import training
from ssl_course.data import load
from ssl_course.data.pictures import Pictures
from ssl_course.evaluation import linear_probe, pixels
from ssl_course.methods import Colorization
from ssl_course.studies.comparison import encoder
from ssl_course.studies.recorded import record
from ssl_course.studies.verdicts import paired_difference
from ssl_course.training import train
from ssl_course.widgets.frame.live import Live
from tools.build import read_source, sources

LECTURES = ("00", "02", "03", "04", "05", "07", "08", "09", "10")
SEEDS = (0, 1, 2)
LABELS = ("biome", "texture", "object", "class")
N_LABELS, DRAWS, TEST = 100, 2, 2000  # DRAWS: unless --draws says more
REAL = {"CIFAR-10": "cifar10", "NASA": "earth"}  # how the source of a set begins
SETTINGS = ("steps", "batch_size", "lr")


@lru_cache(maxsize=1)
def recipes(lecture: str) -> list[dict[str, Any]]:
    """What the lecture trains, in its order: method, data and settings; a recipe that comes again counts once."""
    noted: list[dict[str, Any]] = []

    def note(method: Any, data: Any, **how: Any) -> None:
        arguments = getattr(method, "arguments", None)
        if isinstance(data, Pictures) and arguments is not None and hasattr(method, "encode"):
            row = {"kind": type(method), "arguments": arguments, "data": data}
            row |= {k: how[k] for k in SETTINGS if how.get(k)}
            name = f"{type(method).__name__}({sum(p.numel() for p in method.parameters()):,} weights)"
            size = "×".join(str(n) for n in data.images.shape[1:])
            of = f"{len(data):,} of {data.source or 'scenes'} {size}"
            row["name"] = f"{name}, {', '.join(f'{k} {row[k]}' for k in SETTINGS if k in row)}, {of}"
            if row["name"] not in [other["name"] for other in noted]:
                noted.append(row)

    real = training.fit

    def fit(method: Any, data: Any, steps: Any = None, batch_size: Any = None, **more: Any) -> Any:
        note(method, data, steps=steps, batch_size=batch_size, **more)
        return real(method, data, steps, batch_size, **more)

    training.fit = fit
    os.environ["SSL_COURSE_MAX_STEPS"] = "1"
    space: dict[str, object] = {"__name__": "__main__", "display": lambda *_: None}
    try:
        for cell in read_source(sources([lecture])[0]).cells:
            tags = {*cell.metadata.get("tags", [])}
            if cell.cell_type == "code" and not {"hold", "solution"} & tags:
                widget = value_of(cell.source, space)
                if isinstance(widget, Live):
                    note(widget.method, widget._data, **widget._how)
    finally:
        training.fit = real
        del os.environ["SSL_COURSE_MAX_STEPS"]
    return noted


def learned(lecture: str, seed: int, draws: int = DRAWS) -> dict[str, Any]:
    """recipe → seconds of a core and, for each label, accuracies (probe, untrained, pixels)."""
    rows: dict[str, Any] = {}
    for recipe in recipes(lecture):
        data, row = recipe["data"], {}
        test = other_pictures(data, seed)
        torch.manual_seed(seed)
        method = recipe["kind"](**fresh(recipe["arguments"]))
        untrained = copy.deepcopy(method).eval()
        began = time.process_time()
        for _ in train(method, data, seed=seed, **{k: recipe[k] for k in SETTINGS if k in recipe}):
            pass
        row["core seconds"] = round(time.process_time() - began, 1)
        if recipe["kind"] is Colorization:  # whose encoder sees lightness only
            data, test = data.gray(), test.gray()
        for label in (name for name in LABELS if name in data.labels):
            row[label] = [
                round(
                    linear_probe(
                        reader, train=data, test=test, label=label,
                        n_labels=min(N_LABELS, len(data)), draws=draws, seed=seed,
                    ).accuracy, 4,
                )
                for reader in (encoder(method.eval()), encoder(untrained), pixels(16))
            ]  # fmt: skip
        rows[recipe["name"]] = row
        print(recipe["name"], row, flush=True)
    return {"recipes": rows}


def fresh(arguments: dict[str, Any]) -> dict[str, Any]:
    """The same arguments, a backbone among them with new random weights."""
    new = copy.deepcopy(arguments)
    for module in (value for value in new.values() if isinstance(value, torch.nn.Module)):
        for layer in module.modules():
            if hasattr(layer, "reset_parameters"):
                layer.reset_parameters()
    return new


def other_pictures(data: Pictures, seed: int) -> Pictures:
    """What the probe is tested on: gray where the lecture's pictures are."""
    real = next((name for start, name in REAL.items() if data.source.startswith(start)), None)
    size = data.images.shape[-1]
    test = load(real, size, "test") if real else load("scenes", size, n=TEST, seed=1000 + seed)
    gray = bool((data.images[:64, :1] == data.images[:64]).all())
    return test[:TEST].gray() if gray else test[:TEST]


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown, a recipe a row: for each label the mean of the probe, and by how much it is above the network untrained, and
    above pixels; where that paired difference is clear of 0, a star (each interval for itself, 95 %)."""
    labels = [
        name for name in LABELS if any(name in recipe for row in rows for recipe in row["recipes"].values())
    ]
    star = " \\*"
    lines = [f"| lecture | recipe | core s | {' | '.join(labels)} |", "| --- " * (3 + len(labels)) + "|"]
    recipes_of = dict.fromkeys((row["cell"]["lecture"], name) for row in rows for name in row["recipes"])
    for lecture, name in recipes_of:
        by_seed = {
            row["cell"]["seed"]: row["recipes"][name]
            for row in rows
            if row["cell"]["lecture"] == lecture and name in row["recipes"]
        }
        seconds = sum(row["core seconds"] for row in by_seed.values()) / len(by_seed)
        short = re.sub(r"\d\.\d{4,}", lambda number: f"{float(number[0]):.2g}", name)  # a rate
        cells = [lecture, short, f"{seconds:.0f}"]
        for label in labels:
            if label not in next(iter(by_seed.values())):
                cells.append("")
                continue
            ours, *others = ({seed: row[label][k] for seed, row in by_seed.items()} for k in range(3))
            gaps = [paired_difference(ours, other) for other in others]
            signs = [f"{g.mean:+.2f} ± {g.half_width:.2f}{star * g.better}" for g in gaps]
            cells.append(f"{sum(ours.values()) / len(ours):.2f} ({', '.join(signs)})".replace("-", "−"))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Every lecture and seed that is not in the file yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--lectures", nargs="+", default=LECTURES)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    given = parser.parse_args()
    matplotlib.use("agg")
    about = {"labels": N_LABELS, "draws of labels": given.draws, "tested on": TEST}
    cells = [{"lecture": name, "seed": seed} for name in given.lectures for seed in given.seeds]
    rows = record(given.json, cells, partial(learned, draws=given.draws), about)
    if given.table:
        print(table(rows))


if __name__ == "__main__":
    main()
