"""assets/results/collapse.json: complete, says what lecture 09 says, and can be made again."""

import json
from pathlib import Path

import collapse as study
import numpy as np
import pytest

from ssl_course.studies.verdicts import corrected

ROOT = Path(__file__).resolve().parents[2]
RECORDED = json.loads((ROOT / "assets" / "results" / "collapse.json").read_text())


def values(key, **cell):
    return np.array([r[key] for r in RECORDED["results"] if cell.items() <= r["cell"].items()])


def test_every_cell_is_there():
    assert {"command", "date", "machine", "about"} <= RECORDED.keys()
    have = {json.dumps(r["cell"], sort_keys=True) for r in RECORDED["results"]}
    assert have == {json.dumps(c, sort_keys=True) for c in study.all_cells(3)}


@pytest.mark.parametrize("without", ["predictor only", "stop-gradient only", "none"])
def test_simsiam_falls_without_either(without):
    kept = values("spread", method="SimSiam", safeguard="stop-gradient and predictor")
    assert len(kept) == 3 and kept.min() > 0.5
    assert values("spread", method="SimSiam", safeguard=without).max() < kept.min() / 2


def test_an_output_norm_alone_keeps_the_std_and_loses_the_rank():
    rows = {"method": "SimSiam", "safeguard": "output norm only"}
    kept = {"method": "SimSiam", "safeguard": "stop-gradient and predictor"}
    assert values("spread", **rows).min() > 0.8
    assert values("rank", **rows).max() < values("rank", **kept).min() / 2


@pytest.mark.slow
@pytest.mark.parametrize("safeguard", ["stop-gradient and predictor", "predictor only"])
def test_a_cell_can_be_made_again(safeguard):
    """Within the spread of the seeds: another machine rounds differently, and training makes much of it."""
    cell = {"method": "SimSiam", "safeguard": safeguard}
    known = values("spread", **cell)
    again = study.safeguards(**cell, seed=0)["spread"]
    assert abs(again - known.mean()) < 4 * known.std(ddof=1) + 0.05


def test_each_method_is_held_apart_by_its_safeguard():
    """SimCLR by direction; deep CCA, colorization and MAE compare lengths too, and theirs shrink."""
    assert values("spread", method="SimCLR", safeguard="none").max() < 0.1
    assert values("spread", method="SimCLR", safeguard="negatives").min() > 0.5
    for method, safeguard, part in (
        ("deep CCA", "whitening", 2), ("colorization", "reconstruction", 10), ("MAE", "reconstruction", 10),
    ):  # fmt: skip
        kept = values("variance", method=method, safeguard=safeguard)
        assert values("variance", method=method, safeguard="none").max() < kept.min() / part


def test_pictures_fall_in_the_gauges():
    for size in (32, 64):
        faithful, fallen = ({"size": size, "setting": s} for s in ("faithful", "no stop-gradient"))
        assert values("rank", **fallen).mean() < values("rank", **faithful).mean() / 2
        assert values("spread", **fallen).mean() < values("spread", **faithful).mean()


def test_at_64_px_the_spread_falls_below_half_for_every_seed():
    """The output norm stretches it back: so it is said of `project`, which uses running statistics."""
    kept, fallen = (
        values("spread", size=64, setting=s, part="pictures") for s in ("faithful", "no stop-gradient")
    )
    assert len(kept) == len(fallen) == 3 and fallen.max() < kept.min() / 2


def test_byol_is_held_apart_by_its_predictor_not_by_the_average():
    kept, plain, bare = (
        values("spread", method="BYOL", safeguard=s)
        for s in ("slow target and predictor", "predictor only", "slow target only")
    )
    assert min(kept.min(), plain.min()) > 0.7 and bare.max() < 0.4


@pytest.mark.slow
def test_masked_patches_collapse_again_without_a_fixed_target():
    known = values("variance", method="MAE", safeguard="none")
    kept = values("variance", method="MAE", safeguard="reconstruction")
    assert (
        study.safeguards("MAE", "none", seed=0)["variance"] < kept.min() / 10
        and known.max() < kept.min() / 10
    )


# ---- SimSiam, long enough to learn ---------------------------------------------------------------------------

LEARNED = json.loads((ROOT / "assets" / "results" / "simsiam_learned.json").read_text())


def learned(data, setting, label="biome"):
    """seed → accuracy at the end."""
    return {
        r["cell"]["seed"]: next(iter(r["accuracy"][label].values()))
        for r in LEARNED["results"]
        if (r["cell"]["data"], r["cell"]["setting"]) == (data, setting)
    }


def test_every_learned_cell_is_there():
    have = sorted(json.dumps(r["cell"], sort_keys=True) for r in LEARNED["results"])
    assert have == sorted(json.dumps(c, sort_keys=True) for c in study.learned_cells(5))
    for row in LEARNED["results"]:
        assert ("curve" in row) == (row["cell"]["setting"] in study.LEARNED)


def test_the_recipe_leads():
    """Paired over five seeds, corrected for both rivals and three labels."""
    labels = ("biome", "texture", "object")
    pairs = {
        (label, rival): (learned("scenes", "faithful", label), learned("scenes", rival, label))
        for label in labels
        for rival in (study.PIXELS, study.UNTRAINED)
    }
    gaps = corrected(pairs)
    assert any(all(gaps[label, r].better for r in (study.PIXELS, study.UNTRAINED)) for label in labels)


@pytest.mark.slow
def test_a_learned_cell_comes_out_again():
    """Another seed than those recorded: within four standard deviations, and .03."""
    row = study.learned("faithful", "scenes", seed=9)
    for label in ("biome", "texture", "object"):
        known = np.array([*learned("scenes", "faithful", label).values()])
        again = row["accuracy"][label]["30"]
        assert abs(again - known.mean()) < 4 * known.std(ddof=1) + 0.03, label
