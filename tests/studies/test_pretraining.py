"""The comparison with time to learn: who stands beside whom, verdicts against scipy, and the recorded cells once more."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from ssl_course import nets
from ssl_course.data import scenes
from ssl_course.studies import comparison, pretraining
from ssl_course.studies.pretraining import Protocol, paired_difference
from ssl_course.training import train

RESULTS = Path(__file__).resolve().parents[2] / "assets" / "results"
TINY = Protocol(dim=16, depth=1, heads=2, samples=256, batch=16, n_train=64, n_test=32, widths=(8, 8, 8, 8))


def test_a_paired_difference_has_the_interval_of_scipy():
    stream = np.random.default_rng(0)
    for n in (2, 3, 5, 9):
        ours, theirs = stream.normal(0.6, 0.1, n), stream.normal(0.5, 0.1, n)
        difference = paired_difference(dict(enumerate(ours)), dict(enumerate(theirs)))
        interval = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
        assert difference.mean - difference.half_width == pytest.approx(interval.low)
        assert difference.mean + difference.half_width == pytest.approx(interval.high)
        assert difference.better == (interval.low > 0) and difference.seeds == n


def test_a_paired_difference_by_hand():
    """.1, .2, .3: mean .2, standard error .1/√3 = .0577, times 4.303 is .248, so three seeds do not decide."""
    open_question = paired_difference({0: 0.6, 1: 0.7, 2: 0.8}, {0: 0.5, 1: 0.5, 2: 0.5})
    assert open_question.mean == pytest.approx(0.2) and open_question.half_width == pytest.approx(
        0.2484, abs=1e-4
    )
    assert not open_question.better
    # Pairs, not groups: what both seeds share drops out. .1, .1, .13: mean .11, ± 4.303 · .01.
    paired = paired_difference({0: 0.3, 1: 0.6, 2: 0.93, 7: 0.0}, {0: 0.2, 1: 0.5, 2: 0.8, 9: 1.0})
    assert paired == pytest.approx((0.11, 0.0430, 3), abs=1e-4) and paired.better
    alone = paired_difference({4: 0.9}, {4: 0.1})
    assert alone.mean == pytest.approx(0.8) and math.isinf(alone.half_width) and not alone.better
    with pytest.raises(ValueError, match="same seeds"):
        paired_difference({0: 0.5}, {1: 0.5})


def rows_of(method, *accuracies):
    return [
        {"cell": {"method": method, "seed": seed}, "accuracy": {"biome": {"30": a}}}
        for seed, a in enumerate(accuracies)
    ]


def test_a_row_stands_beside_the_random_network_of_its_own_backbone():
    table = [
        *rows_of("raw pixels", 0.30, 0.31, 0.32),
        *rows_of("random network", 0.40, 0.41, 0.42), *rows_of("random ViT", 0.20, 0.21, 0.22),
        *rows_of("SimCLR", 0.39, 0.41, 0.43), *rows_of("MAE", 0.35, 0.36, 0.37), *rows_of("CLIP", 0.9),
    ]  # fmt: skip
    verdicts = pretraining.verdicts(table, "biome", 30)
    assert set(verdicts) == {"SimCLR", "MAE", "CLIP"}
    assert verdicts["MAE"].over_random.mean == pytest.approx(0.15) and verdicts["MAE"].learned
    assert verdicts["SimCLR"].over_random.mean == pytest.approx(0) and verdicts["SimCLR"].over_pixels.better
    assert not verdicts["SimCLR"].learned  # above pixels, not above its network untrained
    assert not verdicts["CLIP"].learned  # one seed
    assert pretraining.verdicts(table, "biome", 10) == {}
    weak = [*table[:9], *rows_of("MAE", 0.29, 0.30, 0.31)]  # above its network untrained, below pixels
    assert pretraining.verdicts(weak, "biome", 30)["MAE"].over_random.better
    assert not pretraining.verdicts(weak, "biome", 30)["MAE"].learned


def test_all_share_a_convnet_and_only_mae_has_a_vit():
    convnet = [tuple(p.shape) for p in nets.ConvNet(TINY.widths).parameters()]
    vit = [tuple(p.shape) for p in nets.ViT(32, 8, 16, 1, 2).parameters()]
    for name in comparison.MAKERS:
        method = comparison.make(name, TINY)
        body = method.net1[0] if name == "deep CCA" else method.backbone
        own = vit if pretraining.own_random(name) == pretraining.RANDOM_VIT else convnet
        assert [tuple(p.shape) for p in body.parameters()] == own, name
    assert set(pretraining.SAMPLES) == set(comparison.MAKERS)
    assert pretraining.own_random("MAE") == pretraining.RANDOM_VIT


def test_the_random_rows_are_the_weights_that_training_starts_from():
    train_set, test_set = comparison.train_and_test("scenes", "G", 0, TINY)
    for method, before in (("SimCLR", "random network"), ("MAE", "random ViT")):
        row = pretraining.run_cell("scenes", "G", before, 0, TINY)
        torch.manual_seed(0)
        start = comparison.probe_all(comparison.make(method, TINY).eval(), train_set, test_set, 0)
        assert row["accuracy"] == start and row["pictures"] == [64, 32]


def test_the_best_accuracy_is_that_of_the_world_and_of_its_labels_counted():
    seen = pretraining.bayes_rates("G")
    assert seen["biome"] == pytest.approx(0.85) and seen["tint"] == pytest.approx(1 / 3)
    for label in ("light", "texture", "object", "count"):
        assert seen[label] == pytest.approx(1)
    assert all(rate == pytest.approx(1) for rate in pretraining.bayes_rates("C").values())
    half = pretraining.bayes_rates("G", scenes.World(dependence=0.5))
    assert half["tint"] == pytest.approx(2 / 3)  # λ + (1 − λ)/3


@pytest.mark.slow
def test_the_curve_is_read_at_halves_of_the_run_and_ends_in_the_row():
    row = pretraining.run_cell("scenes", "G", "SimCLR", 0, replace(TINY, samples=1600))
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
            pretraining.learn(method, encode, train_set, test_set, 8, 16, 0)
        else:
            for _ in train(method, train_set, 8, 16, seed=0):
                pass
        weights.append(method.state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


@pytest.mark.slow
def test_supervised_is_named_for_each_label_and_number(monkeypatch):
    monkeypatch.setattr(pretraining, "SUPERVISED_STEPS", 3)
    row = pretraining.run_cell("scenes", "G", "supervised", 0, replace(TINY, n_train=32))
    assert set(row["accuracy"]) == {"biome", "light", "tint", "texture", "object", "count"}
    assert set(row["accuracy"]["light"]) == {"3", "10", "30"} and row["cpu_seconds"] > 0


def test_the_plan_is_seed_by_seed_and_each_cell_once():
    parts = pretraining.plan()
    assert [part.file for part in parts][:2] == ["pretraining_scenes_G", "pretraining_scenes_C"]
    for part in parts:
        keys = [json.dumps(cell, sort_keys=True) for cell in part.cells]
        assert len(keys) == len(set(keys)), part.file
        assert [cell["seed"] for cell in part.cells] == sorted(cell["seed"] for cell in part.cells)
    assert "colorization" not in {cell["method"] for cell in parts[1].cells}
    assert parts[2].budget.n_train == 50_000 and parts[2].budget.batch == 256


# ------------------------------------------------------------------------------------------ the recorded cells
FILES = sorted(RESULTS.glob("pretraining_*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_recorded_cells_belong_to_the_plan_and_carry_what_the_protocol_asks(file):
    part = next(part for part in pretraining.plan() if part.file == file.stem)
    kept = json.loads(file.read_text(encoding="utf-8"))
    assert kept["about"]["budget"] == json.loads(json.dumps(pretraining.about(part.budget)))["budget"]
    for row in kept["results"]:
        assert row["cell"] in part.cells
        if row["cell"]["method"] in pretraining.SAMPLES:
            assert 5 <= len(row["curve"]) <= 8 and len(row["loss"]) == 2
            assert row["curve"][-1]["samples"] == row["samples"] and row["cpu_seconds"] <= 600


@pytest.mark.slow
@pytest.mark.parametrize("method", ["raw pixels", "random network", "SimCLR"])
def test_a_cell_of_the_scenes_comes_out_again(method):
    """Reduced: of a training the first point of its curve."""
    file = RESULTS / "pretraining_scenes_G.json"
    kept = json.loads(file.read_text(encoding="utf-8"))["results"] if file.is_file() else []
    same = [row for row in kept if row["cell"]["method"] == method]
    if not same:
        pytest.skip(f"{method} is not measured yet")
    recorded = next(row for row in same if row["cell"]["seed"] == 0)
    protocol, numbers = pretraining.PROTOCOLS["scenes"], (30,)
    train_set, test_set = comparison.train_and_test("scenes", "G", 0, protocol)
    if method != "SimCLR":
        row = pretraining.run_cell("scenes", "G", method, 0)
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
    some = train_set[: pretraining.LABELLED]
    again = comparison.probe_all(learner.eval(), some, test_set, 0, labels, numbers)
    for label in labels:
        spread = np.std([row["curve"][0][label] for row in same], ddof=1) if len(same) > 1 else 0.0
        # Another machine rounds differently, which training amplifies.
        assert again[label]["30"] == pytest.approx(first[label], abs=3 * spread + 0.02), label
