"""The comparison: the same rules for every method, a command that goes on, and the recorded cells once more."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from ssl_course import methods, nets
from ssl_course.cli import app
from ssl_course.studies import comparison
from ssl_course.studies.comparison import Protocol
from ssl_course.studies.verdicts import own_random
from ssl_course.training import train

RESULTS = Path(__file__).resolve().parents[2] / "assets" / "results"
TINY = Protocol(dim=16, depth=1, heads=2, samples=256, batch=16, n_train=64, n_test=32, widths=(8, 8, 8, 8))


def test_all_share_a_convnet_and_only_mae_has_a_vit():
    convnet = [tuple(p.shape) for p in nets.ConvNet(TINY.widths).parameters()]
    vit = [tuple(p.shape) for p in nets.ViT(32, 8, 16, 1, 2).parameters()]
    for name in comparison.MAKERS:
        method = comparison.make(name, TINY)
        body = method.net1[0] if name == "deep CCA" else method.backbone
        own = vit if own_random(name) == comparison.RANDOM_VIT else convnet
        assert [tuple(p.shape) for p in body.parameters()] == own, name
    assert set(comparison.SAMPLES) == set(comparison.MAKERS)
    assert own_random("MAE") == comparison.RANDOM_VIT


def test_the_random_rows_are_the_weights_that_training_starts_from():
    train_set, test_set = comparison.train_and_test("scenes", "G", 0, TINY)
    for method, before in (("SimCLR", "random network"), ("MAE", "random ViT")):
        row = comparison.run_cell("scenes", "G", before, 0, TINY)
        torch.manual_seed(0)
        start = comparison.probe_all(comparison.make(method, TINY).eval(), train_set, test_set, 0)
        assert row["accuracy"] == start and row["pictures"] == [64, 32]


def test_the_backbone_takes_pictures_tiles_and_halves():
    ours = Protocol().backbone().eval()
    for tall, wide in ((32, 32), (16, 16), (32, 16)):
        assert ours(torch.rand(2, 3, tall, wide)).shape[:2] == (2, 128)


def test_table_g_shows_lightness_and_keeps_the_colour_as_a_target():
    pictures, _ = comparison.train_and_test("scenes", "G", 0, TINY)
    assert torch.equal(pictures.images[:, 0], pictures.images[:, 2])
    assert pictures.parts["ab"].shape == (64, 2, 8, 8) and pictures.parts["ab"].abs().max() > 5
    colour, _ = comparison.train_and_test("scenes", "C", 0, TINY)
    assert not torch.equal(colour.images[:, 0], colour.images[:, 2])
    asked = methods.Colorization().target(colour, (8, 8))  # X₂ where the data bring none
    assert torch.equal(pictures.parts["ab"], asked)
    assert "colorization" in comparison.row_names("scenes", "G")
    assert "colorization" not in comparison.row_names("scenes", "C")
    assert "CLIP" not in comparison.row_names("cifar10", "G")
    with pytest.raises(ValueError, match="G and C"):
        comparison.train_and_test("scenes", "H", 0, TINY)
    with pytest.raises(ValueError, match="colorization"):
        comparison.make("colourisation", TINY)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*comparison.row_names("scenes", "G"), "MAE 0.9", "context encoder 0.5"])
def test_every_row_trains_and_is_probed(name, monkeypatch):
    monkeypatch.setattr(comparison, "SUPERVISED_STEPS", 3)
    row = comparison.run_cell("scenes", "G", name, 0, replace(TINY, samples=32))
    assert set(row["accuracy"]) == {"biome", "light", "tint", "texture", "object", "count"}
    assert set(row["accuracy"]["biome"]) == {"3", "10", "30"}  # what 64 pictures allow
    assert all(0 <= value <= 1 for by_n in row["accuracy"].values() for value in by_n.values())


@pytest.mark.slow
def test_a_cell_is_reproducible_and_seeds_differ():
    one, two, other = (comparison.run_cell("scenes", "C", "SimCLR", s, TINY) for s in (0, 0, 1))
    assert one["loss"] == two["loss"] and one["accuracy"] == two["accuracy"]
    assert one["loss"] != other["loss"]


@pytest.mark.slow
def test_the_curve_is_read_at_halves_of_the_run_and_ends_in_the_row():
    row = comparison.run_cell("scenes", "G", "SimCLR", 0, replace(TINY, samples=1600))
    assert [point["samples"] for point in row["curve"]] == [16 * s for s in (1, 3, 6, 12, 25, 50, 100)]
    assert row["samples"] == 1600 and set(row["curve"][0]) == {
        "samples",
        "cpu_seconds",
        "biome",
        "texture",
        "object",
    }
    spent = [point["cpu_seconds"] for point in row["curve"]]
    assert spent == sorted(spent) and row["cpu_seconds"] == spent[-1]
    # 64 pictures are all that the curve may draw labels from, so its last point is the row.
    assert row["curve"][-1]["texture"] == row["accuracy"]["texture"]["30"]


@pytest.mark.slow
def test_reading_the_curve_does_not_disturb_the_training():
    """Nor do batch statistics of the test pictures leak into deep CCA, whose `encode` is a plain function."""
    train_set, test_set = comparison.train_and_test("scenes", "G", 0, TINY)
    weights = []
    for read in (True, False):
        torch.manual_seed(0)
        method = comparison.make("deep CCA", TINY)
        if read:
            encode = comparison.encoder(method)
            comparison.learn(method, encode, train_set, test_set, 8, 16, 0)
        else:
            for _ in train(method, train_set, 8, 16, seed=0):
                pass
        weights.append(method.state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


@pytest.mark.slow
def test_supervised_is_named_for_each_label_and_number(monkeypatch):
    monkeypatch.setattr(comparison, "SUPERVISED_STEPS", 3)
    row = comparison.run_cell("scenes", "G", "supervised", 0, replace(TINY, n_train=32))
    assert set(row["accuracy"]) == {"biome", "light", "tint", "texture", "object", "count"}
    assert set(row["accuracy"]["light"]) == {"3", "10", "30"} and row["cpu_seconds"] > 0


def test_the_plan_is_seed_by_seed_and_each_cell_once():
    parts = comparison.plan()
    assert [part.file for part in parts][:2] == ["comparison_scenes_G", "comparison_scenes_C"]
    for part in parts:
        keys = [json.dumps(cell, sort_keys=True) for cell in part.cells]
        assert len(keys) == len(set(keys)), part.file
        assert [cell["seed"] for cell in part.cells] == sorted(cell["seed"] for cell in part.cells)
    assert "colorization" not in {cell["method"] for cell in parts[1].cells}
    assert parts[2].protocol.n_train == 50_000 and parts[2].protocol.batch == 256


# ------------------------------------------------------------------------------------------ the recorded cells
FILES = sorted(RESULTS.glob("comparison_*_[CG].json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_recorded_cells_belong_to_the_plan_and_carry_what_the_protocol_asks(file):
    part = next(part for part in comparison.plan() if part.file == file.stem)
    kept = json.loads(file.read_text(encoding="utf-8"))
    assert kept["about"]["budget"] == json.loads(json.dumps(comparison.about(part.protocol)))["budget"]
    for row in kept["results"]:
        assert row["cell"] in part.cells
        if row["cell"]["method"] in comparison.SAMPLES:
            assert 5 <= len(row["curve"]) <= 8 and len(row["loss"]) == 2
            assert row["curve"][-1]["samples"] == row["samples"] and row["cpu_seconds"] <= 600


@pytest.mark.slow
@pytest.mark.parametrize("method", ["raw pixels", "random network", "SimCLR"])
def test_a_cell_of_the_scenes_comes_out_again(method):
    """Reduced: of a training the first point of its curve."""
    file = RESULTS / "comparison_scenes_G.json"
    kept = json.loads(file.read_text(encoding="utf-8"))["results"] if file.is_file() else []
    same = [row for row in kept if row["cell"]["method"] == method]
    if not same:
        pytest.skip(f"{method} is not measured yet")
    recorded = next(row for row in same if row["cell"]["seed"] == 0)
    protocol, numbers = comparison.PROTOCOLS["scenes"], (30,)
    train_set, test_set = comparison.train_and_test("scenes", "G", 0, protocol)
    if method != "SimCLR":
        row = comparison.run_cell("scenes", "G", method, 0)
        for label, by_n in recorded["accuracy"].items():
            assert row["accuracy"][label] == pytest.approx(by_n, abs=0.005), label
        return
    first = recorded["curve"][0]
    torch.manual_seed(0)
    learner = comparison.make(method, protocol, train_set)
    steps = recorded["samples"] // protocol.batch
    for step in train(learner, train_set, steps, protocol.batch, seed=0):
        if step.index * protocol.batch == first["samples"]:
            break
    labels = ["biome", "texture", "object"]
    some = train_set[: comparison.LABELLED]
    again = comparison.probe_all(learner.eval(), some, test_set, 0, labels, numbers)
    for label in labels:
        spread = np.std([row["curve"][0][label] for row in same], ddof=1) if len(same) > 1 else 0.0
        # Another machine rounds differently, which training amplifies.
        assert again[label]["30"] == pytest.approx(first[label], abs=3 * spread + 0.02), label


@pytest.mark.slow
def test_the_command_keeps_its_cells_and_says_what_it_does_not_know(tmp_path, monkeypatch):
    arguments = ["compare", "--only", "scenes_G", "--seeds", "1", "--samples", "32", "--pictures", "32"]
    arguments += ["--out", str(tmp_path)]
    monkeypatch.setattr(comparison, "row_names", lambda *_: ["raw pixels", "SimCLR"])
    first = CliRunner().invoke(app, arguments)
    assert first.exit_code == 0, first.output
    kept = json.loads((tmp_path / "comparison_scenes_G.json").read_text())
    assert [row["cell"]["method"] for row in kept["results"]] == ["raw pixels", "SimCLR"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert json.loads((tmp_path / "comparison_scenes_G.json").read_text())["results"] == kept["results"]
    wrong = CliRunner().invoke(app, ["compare", "--only", "sceens"])
    assert wrong.exit_code != 0 and "scenes_G" in wrong.output
