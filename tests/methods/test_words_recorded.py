"""Lecture 06's networks that come with the course, and its recorded numbers: a fresh measurement agrees with each."""

import json
import math
from pathlib import Path

import pytest
import torch
import words as bench

from ssl_course import checkpoints
from ssl_course.data import load, reviews
from ssl_course.theory import independence

ASSETS = Path(__file__).resolve().parents[2] / "assets"
KEPT = json.loads((ASSETS / "results" / "words.json").read_text())
CELLS = [r | r["cell"] for r in KEPT["results"] if r["cell"]["of"] == "world"]
REAL = next(r for r in KEPT["results"] if r["cell"]["of"] == "real reviews")
NAMES = sorted(
    p.stem for p in (ASSETS / "checkpoints").glob("*.safetensors") if p.stem in bench.STEPS
)  # a checkout may leave the largest out


def of(name):
    path = ASSETS / "checkpoints" / f"{name}.safetensors"
    return checkpoints.load(path), checkpoints.about(path)


def test_the_two_of_the_review_world_are_there():
    assert {"bert_reviews", "gpt_reviews"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_weights_alone_with_their_origin(name):
    path = ASSETS / "checkpoints" / f"{name}.safetensors"
    assert path.stat().st_size <= 8_000_000
    assert checkpoints.resume(path)[1] is None, "a finished method, no run"
    about = checkpoints.about(path)
    assert about["command"].startswith(f"python benchmarks/words.py --ship {name}")
    assert about["metrics"]["steps"] == bench.STEPS[name] and about["metrics"]["seed"] == 0


@pytest.mark.parametrize("told", [True, False])
def test_bert_reviews_knows_what_it_is_said_to_know(told):
    bert, about = of("bert_reviews")
    recorded = about["metrics"]["given" if told else "alone"]
    test = reviews.World(0.5).sample(1500, seed=77)
    test = test.told(share=1.0) if told else test
    nats, error = bert.information(test, reviews.VERBS, reviews.ADJECTIVES)
    assert abs(nats - recorded["nats"]) < 4 * math.hypot(error, recorded["error"])
    table = reviews.World(0.5).joint()
    exact = independence.conditional_mutual_information(table if told else table.sum(2, keepdim=True))
    assert recorded["exact"] == pytest.approx(float(exact))
    assert abs(recorded["nats"] - float(exact)) < 3 * recorded["error"]


def test_bert_reviews_answers_the_notes_sentences():
    bert, world = of("bert_reviews")[0], reviews.World(0.5)
    for text in (
        "A quick [MASK] fox jumps over the [MASK] dog",
        "I [MASK] this movie.",
        reviews.review("[MASK]"),
    ):
        for sentiment in (None, *reviews.SENTIMENTS):
            exact = world.fill(text, sentiment)
            found = bert.probabilities(f"{sentiment}: {text}" if sentiment else text).double()
            # 20,000 texts hold some two hundred by somebody unhappy with an "awesome": ± 0.035 in what it saw
            assert (found - exact).abs().max() < 0.15


def test_gpt_reviews_wavers_as_recorded():
    gpt, about = of("gpt_reviews")
    recorded, test = about["metrics"], reviews.World(0.5).sample(1500, seed=77)
    again = bench.surprise(gpt, test)
    assert abs(again["perplexity"] - recorded["perplexity"]) < 4 * math.hypot(
        again["error"], recorded["error"]
    )
    assert recorded["exact"] == pytest.approx(reviews.World(0.5).perplexity())
    assert recorded["exact"] * 0.998 < recorded["perplexity"] < recorded["exact"] * 1.01


def test_the_error_of_a_perplexity_is_that_of_its_texts():
    """Against the spread over disjoint sets of texts."""
    gpt, world = of("gpt_reviews")[0], reviews.World(0.5)
    sets = [world.sample(200, seed=500 + k) for k in range(12)]
    spread = torch.tensor([gpt.perplexity(s) for s in sets]).std()
    assert 0.4 < bench.surprise(gpt, sets[0])["error"] / float(spread) < 2.5


@pytest.mark.skipif("gpt_shakespeare" not in NAMES, reason="gpt_shakespeare is not shipped")
def test_gpt_shakespeare(data_folder):
    gpt, about = of("gpt_shakespeare")
    file = data_folder / "tinyshakespeare" / "input.txt"
    if not file.is_file():
        pytest.skip(f"needs {file}")
    test = gpt.prepare(load("text", split="test", root=file))[:100]
    again = bench.surprise(gpt, test)
    error = math.hypot(again["error"], about["metrics"]["error"])
    assert abs(again["perplexity"] - about["metrics"]["perplexity"]) < 4 * error


# ---- recorded results -------------------------------------------------------------------------------------------


def test_recorded_estimates_are_near_the_tables():
    assert KEPT["about"] == bench.ABOUT and KEPT["command"].startswith("python benchmarks/words.py --json")
    cells = {(r["dependence"], r["seed"]) for r in CELLS}
    assert {(0.0, 0), (0.0, 1), (0.0, 2), (0.5, 0), (0.5, 1)} <= cells
    assert cells <= {(d, s) for d, n in bench.SEEDS.items() for s in range(n)}
    for row in CELLS:
        joint = reviews.World(row["dependence"]).joint()
        for key, table in (("alone", joint.sum(2, keepdim=True)), ("given", joint)):
            exact = float(independence.conditional_mutual_information(table))
            assert row[key]["exact"] == pytest.approx(exact, abs=1e-9)
            assert abs(row[key]["nats"] - exact) < 4 * row[key]["error"] + 0.03


@pytest.mark.slow
def test_one_cell_again():
    row = next(r for r in CELLS if (r["dependence"], r["seed"]) == (0.5, 1))
    world = reviews.World(0.5)
    found = bench.information(bench.bert(world, True, 5), world, True, n=4000)  # another seed
    assert found["nats"] == pytest.approx(float(world.conditional_mutual_information()), abs=0.04)
    assert (
        abs(found["nats"] - row["given"]["nats"])
        < 4 * math.hypot(found["error"], row["given"]["error"]) + 0.03
    )


@pytest.mark.slow
def test_real_reviews_again(data_folder):
    found = bench.real_reviews(str(data_folder / "sentiment"), folds=3)
    for key in ("I(x2; Y)", "I(x2; rest)", "I(x2; rest | Y)"):
        error = math.hypot(found[key]["error"], REAL[key]["error"])
        assert abs(found[key]["nats"] - REAL[key]["nats"]) < 4 * error
