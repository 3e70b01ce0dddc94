"""What lecture 03 reads from assets: whole, of the same protocol as lecture 13's row, and reproducible at its first point."""

import json
from dataclasses import replace
from pathlib import Path

import hole_study as study
import pytest
import torch

from ssl_course.studies import comparison
from ssl_course.training import train

RESULTS = Path(__file__).resolve().parents[2] / "assets" / "results"


def rows(share):
    kept = json.loads((RESULTS / "hole_size.json").read_text())
    return [r for r in kept["results"] if r["cell"]["share"] == share]


def test_both_sizes_have_the_seeds_of_the_comparison_and_its_length():
    compared = json.loads((RESULTS / "comparison_scenes_G.json").read_text())["results"]
    quarter = {r["cell"]["seed"]: r["samples"] for r in compared if r["cell"]["method"] == "context encoder"}
    for share in study.SHARES:
        assert {r["cell"]["seed"]: r["samples"] for r in rows(share)} == quarter


def test_a_short_cell_has_all_its_numbers_and_the_quarter_is_the_comparisons():
    tiny = replace(study.PROTOCOL, size=16, widths=(8, 8), samples=64, batch=32, n_train=256, n_test=128)
    row = study.measure(0.5, 0, tiny)
    assert row["samples"] == 64 and set(row["accuracy"]) == set(study.ASKED)
    assert all(0 < e < 0.2 for e in row["squared error"].values())
    assert study.measure(0.1, 0, tiny)["squared error"].keys() == row["squared error"].keys()
    torch.manual_seed(0)
    one = comparison.make("context encoder 0.25", study.PROTOCOL).state_dict()
    torch.manual_seed(0)
    other = comparison.make("context encoder", study.PROTOCOL).state_dict()
    assert all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.slow
@pytest.mark.parametrize("share", study.SHARES)
def test_the_first_point_comes_out_again(share):
    before = next(r for r in rows(share) if r["cell"]["seed"] == 0)
    data, test = comparison.train_and_test("scenes", "G", 0, study.PROTOCOL)
    torch.manual_seed(0)
    method = comparison.make(f"context encoder {share}", study.PROTOCOL)
    first, batch = before["curve"][0], study.PROTOCOL.batch
    for step in train(method, data, study.PROTOCOL.steps_of(), batch, seed=0):
        if step.index * batch == first["samples"]:
            break
    some = data[: comparison.LABELLED]
    again = comparison.probe_all(method.encode, some, test, 0, study.ASKED, study.NUMBERS[:1])
    for label in study.ASKED:
        assert again[label]["30"] == pytest.approx(first[label], abs=0.04), label
