"""ε_CI² from pictures: what was recorded holds its promise, and a short run agrees with it."""

import json
from pathlib import Path

import colorization_epsilon as bench
import pytest

from ssl_course.data import scenes

KEPT = json.loads(
    (Path(__file__).resolve().parents[2] / "assets" / "results" / "colorization_epsilon.json").read_text()
)


def test_every_recorded_estimate_is_within_its_tolerance():
    assert [row["lambda"] for row in KEPT["results"]] == list(bench.LAMBDAS)
    assert KEPT["command"].startswith("python benchmarks/colorization_epsilon.py")
    largest = float(scenes.World(1.0).epsilon_ci_squared())
    for row in KEPT["results"]:
        exact = float(scenes.World(row["lambda"]).epsilon_ci_squared())
        assert row["exact"] == pytest.approx(exact, abs=1e-9)
        assert abs(row["estimate"] - exact) <= 0.15 * largest * max(row["lambda"] ** 2, 0.05)
        assert row["estimate"] < exact + 4 * row["standard_error"]  # a lower bound in expectation


def test_the_residual_has_no_class_mean_left():
    world = scenes.World(0.5)
    data = bench.residual(world, world.sample(3000, size=32, seed=3, parts=True))
    x2 = world.x2(data)  # (n, 4), Lab units
    for k in range(3):
        own = x2[data.labels["biome"] == k]
        assert (own.mean(0).abs() < 5 * own.std(0) / len(own) ** 0.5).all()


@pytest.mark.slow
def test_a_short_run_agrees_with_what_was_recorded():
    """60 steps learn less than 600, so the estimate is lower, but not much; and it must not be above the sum."""
    world = scenes.World(1.0)
    row = KEPT["results"][-1]
    found = bench.measure(bench.learn(world, 60, seed=3), world, 1000, seed=7)
    assert 0.7 * row["estimate"] < found.value < row["exact"] + 4 * found.standard_error
