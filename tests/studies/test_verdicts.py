"""Verdicts against scipy and by hand, and who stands beside whom."""

import math

import numpy as np
import pytest
from scipy import stats

from ssl_course.data import scenes
from ssl_course.studies import verdicts
from ssl_course.studies.verdicts import paired_difference


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


def test_many_verdicts_by_hand():
    """Gaps 0, .1, .2 and .1, .1, .1: s is .1 and 0, pooled √(.01/2) = .0707. Two verdicts, two rows: t of 4 degrees at
    1 − .025/2 is 3.495; with three seeds s = .1 gives .2018, the pooled one .1427. Alone .1 has 4.303 · .1/√3 = .2484."""
    zero = {0: 0.0, 1: 0.0, 2: 0.0}
    pairs = {"wide": ({0: 0.0, 1: 0.1, 2: 0.2}, zero), "narrow": ({0: 0.1, 1: 0.1, 2: 0.1}, zero)}
    found = verdicts.corrected(pairs, rows=2)
    assert found["wide"] == pytest.approx((0.1, 0.2484, 3), abs=1e-4)  # never narrower than alone
    assert found["narrow"] == pytest.approx((0.1, 0.1427, 3), abs=1e-4) and not found["narrow"].clear
    alone = verdicts.corrected(pairs)  # each with its own spread: t of 2 degrees at 1 − .025/2 is 6.205
    assert alone["wide"].half_width == pytest.approx(6.205 * 0.1 / 3**0.5, abs=1e-3)
    assert alone["narrow"].better and verdicts.corrected({"down": (zero, pairs["narrow"][0])})["down"].clear
    assert math.isinf(verdicts.corrected(pairs | {"one": ({5: 1.0}, {5: 0.0})}, rows=2)["one"].half_width)


def test_many_verdicts_are_right_at_once():
    """Without any difference the whole table keeps silent in 95 of 100 studies; interval by interval it would not."""
    stream, studies, methods, labels = np.random.default_rng(0), 400, 5, 4
    loud = {"together": 0, "each for itself": 0}
    for _ in range(studies):
        rows = stream.normal(0, 0.02, (labels, methods + 1, 3))
        pairs = {
            (label, method): (dict(enumerate(rows[label, method])), dict(enumerate(rows[label, methods])))
            for label in range(labels)
            for method in range(methods)
        }
        loud["together"] += any(d.clear for d in verdicts.corrected(pairs, rows=methods).values())
        loud["each for itself"] += any(paired_difference(*pair).clear for pair in pairs.values())
    assert loud["together"] <= 0.05 * studies < 0.3 * studies < loud["each for itself"]


def test_a_tables_verdicts_are_corrected_over_all_its_labels():
    def rows(method, *accuracies):
        return [
            {"cell": {"method": method, "seed": seed}, "accuracy": {label: {"30": a + shift} for label, shift in labels.items()}}
            for seed, a in enumerate(accuracies)
        ]  # fmt: skip

    widths = []
    for labels in ({"biome": 0.0}, {"biome": 0.0, "light": 0.0, "tint": 0.0}):
        table = [
            *rows("raw pixels", 0.30, 0.31, 0.32),
            *rows("random network", 0.40, 0.41, 0.42),
            *rows("SimCLR", 0.44, 0.41, 0.43),
        ]
        given = verdicts.verdicts(table, "biome", 30)["SimCLR"]
        pairs = {
            (label, base): [verdicts.accuracies(table, label, 30)[name] for name in ("SimCLR", base)]
            for label in labels
            for base in ("random network", "raw pixels")
        }
        assert given.over_random == verdicts.corrected(pairs, rows=1)["biome", "random network"]
        widths.append(given.over_random.half_width)
    assert widths[0] < widths[1]


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
    given = verdicts.verdicts(table, "biome", 30)
    assert set(given) == {"SimCLR", "MAE", "CLIP"}
    assert given["MAE"].over_random.mean == pytest.approx(0.15) and given["MAE"].learned
    assert given["SimCLR"].over_random.mean == pytest.approx(0) and given["SimCLR"].over_pixels.better
    assert not given["SimCLR"].learned  # above pixels, not above its network untrained
    assert not given["CLIP"].learned  # one seed
    assert verdicts.verdicts(table, "biome", 10) == {}
    weak = [*table[:9], *rows_of("MAE", 0.29, 0.30, 0.31)]  # above its network untrained, below pixels
    assert verdicts.verdicts(weak, "biome", 30)["MAE"].over_random.better
    assert not verdicts.verdicts(weak, "biome", 30)["MAE"].learned


def test_the_best_accuracy_is_that_of_the_world_and_of_its_labels_counted():
    seen = verdicts.bayes_rates("G")
    assert seen["biome"] == pytest.approx(0.85) and seen["tint"] == pytest.approx(1 / 3)
    for label in ("light", "texture", "object", "count"):
        assert seen[label] == pytest.approx(1)
    assert all(rate == pytest.approx(1) for rate in verdicts.bayes_rates("C").values())
    half = verdicts.bayes_rates("G", scenes.World(dependence=0.5))
    assert half["tint"] == pytest.approx(2 / 3)  # λ + (1 − λ)/3


def test_summary_gives_mean_and_standard_error_over_seeds():
    rows = [
        {"cell": {"method": m, "seed": s}, "accuracy": {"biome": {"30": a}}}
        for m, s, a in [("A", 0, 0.5), ("A", 1, 0.7), ("B", 0, 0.9)]
    ]
    found = verdicts.summary(rows, "biome", 30)
    assert list(found) == ["B", "A"]
    assert found["A"].mean == pytest.approx(0.6) and found["A"].error == pytest.approx(0.1)
    assert (
        found["A"].half_width == pytest.approx(1.2706, abs=1e-4) and found["B"].half_width == 0
    )  # t of one degree
    assert found["B"].error == 0 and found["B"].seeds == 1
    assert verdicts.summary(rows, "biome", 7) == {}


def test_what_a_run_bought_is_paired_over_the_seeds_that_have_its_recipe():
    rows = [
        {
            "cell": {"seed": seed},
            "recipes": {"A": {"class": [0.5 + d, 0.4, 0.3 + d]}, "B": {"class": [0.0] * 3}},
        }
        for seed, d in enumerate((0.0, 0.1, 0.2))
    ] + [{"cell": {"seed": 9}, "recipes": {"B": {"class": [1.0, 0.0, 0.0]}}}]
    found = verdicts.bought(rows, "A", "class")
    assert found.over_random.mean == pytest.approx(0.2) and found.over_random.seeds == 3
    assert found.over_random.half_width == pytest.approx(4.3027 * 0.1 / math.sqrt(3), rel=1e-4)
    assert found.over_pixels.mean == pytest.approx(0.2) and found.over_pixels.half_width < 1e-9
    assert found.over_pixels.better and not found.over_random.better


def test_late_gains_are_the_end_of_a_curve_less_its_quarter():
    curves = {
        "still learns": (0.5, 0.6, 0.7),
        "flat": (0.3, 0.8, 0.3),
    }  # at a quarter, a half and the whole run
    rows = [
        {"cell": {"method": name, "seed": seed}, "curve": [{"biome": a + seed / 100} for a in (0.1, *curve)]}
        for name, curve in curves.items()
        for seed in range(3)
    ] + rows_of("raw pixels", 0.3, 0.3, 0.3)
    late = verdicts.late_gains(rows, ["biome"])
    assert list(late) == [("biome", "still learns"), ("biome", "flat")]
    assert late["biome", "still learns"].mean == pytest.approx(0.2) and late["biome", "still learns"].better
    assert late["biome", "flat"].mean == pytest.approx(0, abs=1e-12) and not late["biome", "flat"].clear


def test_where_a_run_stands_on_the_recorded_curve():
    """600 lies nearer to 400 than to 1,600 by ratio (1.5 against 2.7), 900 to 1,600 (2.25 against 1.8)."""
    rows = [
        {
            "cell": {"method": m, "seed": seed, "table": "G"},
            "curve": [
                {"samples": n, "biome": x + seed / 100} for n, x in ((100, 0.3), (400, 0.5), (1600, 0.7))
            ],
        }
        for m in ("MAE", "other")
        for seed in range(2)
    ]
    for samples, said in (
        (600, "in 0.50, 0.51 of new scenes after 400 pictures, and in 0.70, 0.71 at the end: +0.20 ± 0.00"),
        (900, "in 0.70, 0.71 of new scenes after 1,600 pictures, and in 0.70, 0.71 at the end: +0.00 ± 0.00"),
    ):
        sentence = verdicts.on_curve(rows, "MAE", "biome", samples)
        assert said in sentence and sentence.endswith("more to come." if samples == 600 else "a tie.")
        assert f"drew {samples:,} pictures" in sentence and "their lightness, 2 seeds" in sentence
    assert "after 100 pictures" in verdicts.on_curve(rows, "MAE", "biome", 7)
