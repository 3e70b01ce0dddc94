"""What lecture 04 reads from assets: whole, reproducible within its error bars, and a network as good as it says."""

import ast
import json
import re
from pathlib import Path

import mae_study as study
import numpy as np
import pytest
import torch

from ssl_course import checkpoints
from ssl_course.data import load, scenes
from ssl_course.evaluation import encode, label_draws
from ssl_course.methods import MAE
from ssl_course.methods.mae import hidden_error, mean_picture, patch_means
from ssl_course.studies import comparison
from ssl_course.studies.verdicts import paired_difference
from ssl_course.training import train

ROOT = Path(__file__).resolve().parents[2]
LEARNED = ROOT / "assets" / "results" / "mae_ratio_learned.json"
FINETUNE = ROOT / "assets" / "results" / "mae_finetune.json"
LIVE = ROOT / "assets" / "results" / "mae_live.json"
NETWORK = ROOT / "assets" / "checkpoints" / "mae.safetensors"
EARTH = ROOT / "assets" / "checkpoints" / "mae_earth.safetensors"
SOURCE = ROOT / "lectures" / "src" / "04_masked_autoencoders.md"


def rows(file, **cell):
    found = [r for r in json.loads(file.read_text())["results"] if cell.items() <= r["cell"].items()]
    assert found, f"{file.name} has no {cell}"
    return found


def test_every_ratio_has_five_seeds():
    for ratio in study.RATIOS:
        assert sorted(r["cell"]["seed"] for r in rows(LEARNED, what="MAE", ratio=ratio)) == [0, 1, 2, 3, 4]
    for what in ("pixels", "random network"):
        assert len(rows(LEARNED, what=what)) == 5
    for n in (30, 100, 300):
        assert sorted(r["cell"]["seed"] for r in rows(FINETUNE, n_labels=n)) == [0, 1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("what", ["pixels", "random network", "MAE"])
def test_a_cell_of_the_ratios_with_time_to_learn_comes_out_again(what):
    """Reduced: of a training the first point of its curve; of the random network the probes, without fine-tuning."""
    cell = {"what": what, "seed": 0} | ({"ratio": 0.75} if what == "MAE" else {})
    same = rows(LEARNED, **{k: v for k, v in cell.items() if k != "seed"})
    before = next(r for r in same if r["cell"]["seed"] == 0)
    if what == "pixels":
        again = study.measure_learned(**cell)
        assert again == pytest.approx({key: before[key] for key in again}, abs=0.005)
        return
    data, test = comparison.train_and_test("scenes", "G", 0, study.PROTOCOL)
    torch.manual_seed(0)
    method = MAE(**study.SIXTEEN, mask_ratio=0.75)
    if what == "random network":
        again = study.probes("whole", encode(method, data), encode(method, test), 0, study.ASKED)
        assert again == pytest.approx({key: before[key] for key in again}, abs=0.005)
        return
    first, batch = before["curve"][0], study.PROTOCOL.batch
    for step in train(method, data, study.PROTOCOL.steps_of("MAE"), batch, seed=0):
        if step.index * batch == first["samples"]:
            break
    some, asked = data[: comparison.LABELLED], ["biome", "texture", "object"]
    again = comparison.probe_all(method, some, test, 0, asked, (study.N_LABELS,))
    for label in asked:
        spread = np.std([r["curve"][0][label] for r in same], ddof=1) if len(same) > 1 else 0.0
        assert again[label][str(study.N_LABELS)] == pytest.approx(first[label], abs=3 * spread + 0.02), label


@pytest.mark.slow
def test_a_cell_of_fine_tuning_comes_out_again():
    data, test = study.pictures(0, study.PICTURES)
    labelled = data[label_draws(data.labels["light"], 30, draws=1, seed=0)[0]]
    torch.manual_seed(0)
    again = study.tuned(MAE(**study.SMALL), labelled, "light", study.TUNING, 0).accuracy(test)
    assert again == pytest.approx(rows(FINETUNE, n_labels=30, seed=0)[0]["from scratch"], abs=0.05)


def test_the_shipped_network_beats_the_patch_means():
    assert NETWORK.stat().st_size < 8e6
    mae, test = checkpoints.load(NETWORK), scenes.World().sample(200, 64, seed=77)
    noise = torch.rand(200, mae.grid**2, generator=torch.Generator().manual_seed(1))
    filled, mask = mae.reconstruct(test.images, 0.75, noise)
    error = hidden_error(test.images, filled, mask)
    assert error < hidden_error(test.images, patch_means(test.images, 8), mask)
    assert error < 0.2 * hidden_error(test.images, mean_picture(test), mask)


def test_the_recipe_that_was_measured_is_the_one_that_the_lecture_trains_and_it_has_learned():
    text = SOURCE.read_text(encoding="utf-8")
    small, recipe = (
        ast.literal_eval(re.search(rf"^{n} = (.*)$", text, re.M)[1]) for n in ("SMALL", "RECIPE")
    )
    weights = sum(p.numel() for p in MAE(**small).parameters())
    (name,) = {name for row in rows(LIVE, lecture="04") for name in row["recipes"]}
    assert name.startswith(f"MAE({weights:,} weights), " + "".join(f"{k} {v}, " for k, v in recipe.items()))
    found = {row["cell"]["seed"]: row["recipes"][name]["texture"] for row in rows(LIVE, lecture="04")}
    ours, *rest = ({seed: row[k] for seed, row in found.items()} for k in range(3))
    assert len(ours) >= 3 and all(paired_difference(ours, other).better for other in rest)


def test_the_network_of_the_earth_fills_what_it_has_not_seen():
    mae = checkpoints.load(EARTH)
    known, unseen = (load("earth", mae.image_size, split) for split in ("train", "test"))
    noise = torch.rand(len(unseen), mae.grid**2, generator=torch.Generator().manual_seed(1))
    filled, mask = mae.reconstruct(unseen.images, 0.75, noise)
    error = hidden_error(unseen.images, filled, mask)
    assert error < 0.05 * hidden_error(unseen.images, mean_picture(known), mask)
    assert error == pytest.approx(checkpoints.about(EARTH)["metrics"]["hidden error"], rel=0.2)
