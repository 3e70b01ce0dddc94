"""What lecture 13 reads of deep CCA's other settings: whole, and each a change of one thing of the table's row."""

import json
from dataclasses import replace
from pathlib import Path

import deep_cca_study as study
import torch

from ssl_course.methods import DeepCCA
from ssl_course.studies import comparison

RESULTS = Path(__file__).resolve().parents[2] / "assets" / "results"


def test_each_setting_has_the_seeds_and_the_pictures_of_the_tables_row():
    kept, compared = (
        json.loads((RESULTS / f"{name}.json").read_text())["results"]
        for name in ("deep_cca_tried", "comparison_scenes_G")
    )
    row = {r["cell"]["seed"]: r["samples"] for r in compared if r["cell"]["method"] == "deep CCA"}
    for name, (_, batch) in study.SETTINGS.items():
        mine = {r["cell"]["seed"]: r for r in kept if r["cell"]["method"] == name}
        assert mine.keys() == row.keys()
        for seed, r in mine.items():
            assert 0 <= row[seed] - r["samples"] < batch and r["curve"][-1]["samples"] == r["samples"]


def test_a_short_cell_has_all_its_numbers_and_nothing_else_is_changed():
    tiny = replace(study.PROTOCOL, size=16, widths=(8, 8), samples=512, batch=32, n_train=256, n_test=128)
    for name, (arguments, _) in study.SETTINGS.items():
        row = study.measure(name, 0, tiny)
        assert row["samples"] == 512 and set(row["accuracy"]) >= {"biome", "texture", "object"}
        networks = []
        for make in (
            lambda: comparison.make("deep CCA", tiny),
            lambda a=arguments: DeepCCA(backbone=tiny.backbone(), **a),
        ):
            torch.manual_seed(0)
            networks.append(make())
        one, other = (network.state_dict() for network in networks)
        assert all(torch.equal(one[k], other[k]) for k in one)
        asked, other = (network.arguments for network in networks)
        assert {k for k in asked if k != "backbone" and asked[k] != other[k]} == set(arguments)
