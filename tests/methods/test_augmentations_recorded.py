"""The recorded study of lecture 08: it is complete, it says what the lecture says, and a cell of it comes out again."""

import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pytest

from ssl_course import checkpoints

ROOT = Path(__file__).resolve().parents[2]
RECORDED = json.loads((ROOT / "assets/results/augmentations_learned.json").read_text())


def study():
    """benchmarks/ is no package."""
    spec = importlib.util.spec_from_file_location(
        "augmentation_study", ROOT / "benchmarks/augmentation_study.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def values(row, strength, label, n_labels=300):
    kept = [r for r in RECORDED["results"] if (r["cell"]["views"], r["cell"]["strength"]) == (row, strength)]
    return np.array([r["accuracy"][label][str(n_labels)] for r in kept])


def test_it_was_made_with_these_settings():
    module = study()
    assert RECORDED["about"] == module.about() and {"command", "date", "machine"} <= RECORDED.keys()
    made, wanted = ([json.dumps(c, sort_keys=True) for c in cells] for cells in
                    ([r["cell"] for r in RECORDED["results"]], module.cells(3)))  # fmt: skip
    assert len(set(made)) == len(made) and set(made) <= set(wanted)
    assert len(wanted) == len(set(wanted)) == 3 * 17
    pixels = values("raw pixels", "usual", "tint")
    assert (pixels > 0.95).all()
    assert len(set(pixels)) > 1 or pixels.mean() > 0.99, "three draws of pictures, unless all are perfect"


def test_it_is_complete():
    made = [json.dumps(row["cell"], sort_keys=True) for row in RECORDED["results"]]
    missing = {json.dumps(cell, sort_keys=True) for cell in study().cells(3)} - set(made)
    assert not missing, f"still to be measured by  {RECORDED['command']}: {missing}"


def test_what_the_lecture_says_holds_seed_by_seed():
    """Without means and intervals: the worst of one row against the best of the other."""
    lost = (
        ("colour", "tint"),
        ("gray", "tint"),
        ("gray", "biome"),
        ("nothing", "biome"),
        ("nothing", "tint"),
    )
    for row, label in lost:
        strength = "usual" if row == "nothing" else "strong"
        assert values(row, strength, label).max() < values("random network", "usual", label).min(), (
            row,
            label,
        )
    for half in ("crop", "colour", "nothing", "random network"):
        strength = "strong" if half in ("crop", "colour") else "usual"
        assert values("crop + colour", "strong", "texture").min() > values(half, strength, "texture").max()


def test_no_row_that_is_compared_is_stuck():
    for row in RECORDED["results"]:
        if "loss" in row:
            left = row["loss"][-1] <= math.log(255) - study().STUCK
            assert left == (not row["stuck"]) and row["samples"] == 153_600


def test_settings_differ_in_the_named_augmentation_alone():
    module = study()
    nothing = module.settings("nothing")
    for name, wanted in (("crop", {"crop"}), ("gray", {"gray"}), ("colour", {"jitter", "hue", "saturation"})):
        made = module.settings(name, "strong")
        assert wanted <= {k for k, v in made.items() if nothing.get(k) != v}
    assert (
        module.settings("crop", "strong")["jitter"] == 0
        and module.settings("colour", "strong")["crop"] is None
    )


@pytest.mark.slow
def test_cells_come_out_again():
    """One that trains nothing to the last picture or two; an eighth of one that trains has lost the tint already."""
    cells = [r["cell"] for r in RECORDED["results"]]
    kept = RECORDED["results"][cells.index({"views": "random network", "strength": "usual", "seed": 0})]
    again = study().measure("random network", "usual", seed=0)
    for label, by_number in kept["accuracy"].items():
        assert again["accuracy"][label] == pytest.approx(by_number, abs=0.003), label
    row = study().measure("colour", "strong", seed=0, steps=150)
    assert row["loss"][0] > row["loss"][1] and not row["stuck"]
    assert row["accuracy"]["tint"]["300"] < values("nothing", "usual", "tint").min()


def test_the_shipped_network_says_how_it_was_made():
    about = checkpoints.about(ROOT / "assets/checkpoints/simclr.safetensors")
    assert about["command"] == "python benchmarks/augmentation_study.py --ship"
    metrics = about["metrics"]
    assert metrics["steps"] == 250 and metrics["loss"] < math.log(255)
    assert metrics["probe"]["texture"] > metrics["probe of a random network"]["texture"]
    assert (ROOT / "assets/checkpoints/simclr.safetensors").stat().st_size < 8_000_000
