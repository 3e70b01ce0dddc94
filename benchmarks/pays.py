"""Whether what a lecture trains has learned: ``python benchmarks/pays.py --json assets/results/pays.json``.

Each `fit` and live widget of a lecture is noted while the lecture's cells run with training cut short. Then each recipe
trains whole from several seeds (weights, batches, masks, labels; on scenes the pictures that are probed as well), and its
features are probed beside those of the same network untrained and beside pixels. ``--data cifar10`` takes photographs in
place of the lectures' own pictures. ``--table`` prints the rows of benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import copy
import inspect
import json
import os
import re
import time
from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import matplotlib
import torch
from live import value_of

from ssl_course import training
from ssl_course.data import load
from ssl_course.data.pictures import Pictures
from ssl_course.evaluation import encode, linear_probe, pixels
from ssl_course.methods import Colorization
from ssl_course.studies.comparison import encoder
from ssl_course.studies.recorded import record
from ssl_course.studies.verdicts import bought
from ssl_course.training import train
from ssl_course.widgets.frame.live import Live
from tools.build import read_source, sources

LECTURES = ("00", "02", "03", "04", "05", "08", "09", "10", "11", "13")
PHOTOGRAPHS = ("04", "08")  # which of them run on other pictures than their own
FIVE = ("09", "scenes"), ("08", "cifar10"), ("04", "cifar10")  # seeds; three elsewhere
LABELS = ("biome", "texture", "object", "class")
N_LABELS, DRAWS, TEST = 100, 2, 2000  # DRAWS: unless --draws says more
MORE_LABELS = {"cifar10": 1000}
REAL = {"CIFAR-10": "cifar10", "NASA": "earth"}  # how the source of a set begins
SETTINGS = ("steps", "batch_size", "lr", "optimizer")
ARMS = ("angles", "shift", "drop")  # by these alone some of a lecture's recipes differ
LENS = "lens_train", "through_lens"  # what lecture 05 calls them


@lru_cache(maxsize=1)
def recipes(lecture: str, data: str = "scenes") -> list[dict[str, Any]]:
    """What the lecture trains, in its order: method, data and settings; a recipe that comes again counts once."""
    noted: list[dict[str, Any]] = []
    space: dict[str, Any] = {"__name__": "__main__", "display": lambda *_: None}

    def note(method: Any, data: Any, **how: Any) -> None:
        again = hasattr(method, "arguments") or not inspect.signature(type(method)).parameters
        if not (isinstance(data, Pictures) and again and hasattr(method, "encode")):
            return
        row = {"kind": type(method), "arguments": getattr(method, "arguments", {}), "data": data}
        usual = (training.DEFAULTS | getattr(method, "defaults", {}))["lr"]
        row |= {k: how[k] for k in SETTINGS if how.get(k) and (k, how[k]) != ("lr", usual)}
        row["seen"] = space[LENS[1]] if data is space.get(LENS[0]) else lambda pictures: pictures
        row["name"] = name_of(method, row, " through a lens" * (data is space.get(LENS[0])))
        if row["name"] not in [other["name"] for other in noted]:
            noted.append(row)

    real = training.fit

    def fit(method: Any, data: Any, steps: Any = None, batch_size: Any = None, **more: Any) -> Any:
        note(method, data, steps=steps, batch_size=batch_size, **more)
        return real(method, data, steps, batch_size, **more)

    training.fit = fit
    variables = {"SSL_COURSE_MAX_STEPS": "1"} | (
        {} if data == "scenes" else {"SSL_COURSE_LECTURE_DATA": data}
    )
    os.environ |= variables
    try:
        for cell in read_source(sources([lecture])[0]).cells:
            tags = {*cell.metadata.get("tags", [])}
            if cell.cell_type == "code" and not {"hold", "solution"} & tags:
                widget = value_of(cell.source, space)
                if isinstance(widget, Live):
                    note(widget.method, widget._data, **widget._how)
    finally:
        training.fit = real
        for variable in variables:
            del os.environ[variable]
    return noted


def name_of(method: Any, row: dict[str, Any], seen: str) -> str:
    """Network, settings and pictures, with all in which two recipes of a lecture differ."""
    name = f"{type(method).__name__}({sum(p.numel() for p in method.parameters()):,} weights)"
    told = [f"{k} {row[k]}" for k in SETTINGS if k in row]
    own = inspect.signature(row["kind"]).parameters
    for arm in (k for k in ARMS if k in row["arguments"] and row["arguments"][k] != own[k].default):
        value = row["arguments"][arm]
        told.append(f"{arm} {' '.join(map(str, value)) if isinstance(value, tuple) else value}")
    data = row["data"]
    size = "×".join(str(n) for n in data.images.shape[1:])
    of = f"{len(data):,} of {data.source or 'scenes'} {size}{seen}{' in gray' * is_gray(data)}"
    return ", ".join([name, *told, of])


def is_gray(data: Pictures) -> bool:
    """Whether its three channels are equal."""
    return bool((data.images[:64, :1] == data.images[:64]).all())


def learned(
    lecture: str,
    seed: int,
    data: str = "scenes",
    labels: int = N_LABELS,
    draws: int = DRAWS,
    kept: Mapping[tuple[str, int, str], dict[str, Any]] = MappingProxyType({}),
) -> dict[str, Any]:
    """recipe → seconds of a core and, for each label, accuracies (probe, untrained, pixels); those ``kept`` stay."""
    rows: dict[str, Any] = {}
    for recipe in recipes(lecture, data):
        name = recipe["name"]
        rows[name] = kept.get((lecture, seed, name)) or measured(recipe, seed, labels, draws)
        print(name, rows[name], flush=True)
    return {"recipes": rows}


def measured(recipe: dict[str, Any], seed: int, labels: int, draws: int) -> dict[str, Any]:
    """A recipe from one seed."""
    data, row = recipe["data"], {}
    test = recipe["seen"](other_pictures(data, seed))
    torch.manual_seed(seed)
    method = recipe["kind"](**fresh(recipe["arguments"]))
    untrained = copy.deepcopy(method).eval()
    began = time.process_time()
    for _ in train(method, data, seed=seed, **{k: recipe[k] for k in SETTINGS if k in recipe}):
        pass
    row["core seconds"] = round(time.process_time() - began, 1)
    if recipe["kind"] is Colorization:  # whose encoder sees lightness only
        data, test = data.gray(), test.gray()
    readers = encoder(method.eval()), encoder(untrained), pixels(16)
    encoded = [(encode(reader, data), encode(reader, test)) for reader in readers]
    for label in (name for name in LABELS if name in data.labels):
        row[label] = [
            round(
                linear_probe(
                    None, train=known, test=asked, label=label,
                    n_labels=min(labels, len(data)), draws=draws, seed=seed,
                ).accuracy, 4,
            )
            for known, asked in encoded
        ]  # fmt: skip
    return row


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
    return test[:TEST].gray() if is_gray(data) else test[:TEST]


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
        own = [row for row in rows if row["cell"]["lecture"] == lecture and name in row["recipes"]]
        seconds = sum(row["recipes"][name]["core seconds"] for row in own) / len(own)
        short = re.sub(r"\d\.\d{4,}", lambda number: f"{float(number[0]):.2g}", name)  # a rate
        many = own[0]["cell"].get("labels", 0)
        short += f"; {many:,} labels" * bool(many) + f"; {len(own)} seeds" * (len(own) != 3)
        cells = [lecture, short, f"{seconds:.0f}"]
        for label in labels:
            if label not in own[0]["recipes"][name]:
                cells.append("")
                continue
            reached = sum(row["recipes"][name][label][0] for row in own) / len(own)
            signs = [f"{g.mean:+.2f} ± {g.half_width:.2f}{star * g.better}" for g in bought(own, name, label)]
            cells.append(f"{reached:.2f} ({', '.join(signs)})".replace("-", "−"))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Every lecture and seed that is not in the file yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--lectures", nargs="+", default=LECTURES)
    parser.add_argument("--data", nargs="+", default=["scenes"], help="scenes: the lectures' own pictures")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--seeds", type=int, nargs="+")
    parser.add_argument(
        "--anew",
        nargs="*",
        default=[],
        help="look again at what these lectures train: what the file lacks is measured, what is gone goes",
    )
    given = parser.parse_args()
    matplotlib.use("agg")
    about = {"labels": N_LABELS, "draws of labels": given.draws, "tested on": TEST}
    cells = [
        {"lecture": name, "seed": seed}
        | ({} if data == "scenes" else {"data": data, "labels": MORE_LABELS.get(data, N_LABELS)})
        for data in given.data
        for name in given.lectures
        if data == "scenes" or name in PHOTOGRAPHS
        for seed in given.seeds or range(5 if (name, data) in FIVE else 3)
    ]
    kept: dict[tuple[str, int, str], dict[str, Any]] = {}
    if given.anew and given.json:
        file = json.loads(Path(given.json).read_text(encoding="utf-8"))
        for row in [r for r in file["results"] if r["cell"] in cells and r["cell"]["lecture"] in given.anew]:
            file["results"].remove(row)
            of = row["cell"]["lecture"], row["cell"]["seed"]
            kept |= {(*of, name): values for name, values in row["recipes"].items()}
        Path(given.json).write_text(json.dumps(file, indent=1) + "\n", encoding="utf-8")
    rows = record(given.json, cells, partial(learned, draws=given.draws, kept=kept), about)
    if given.table:
        print(table(rows))


if __name__ == "__main__":
    main()
