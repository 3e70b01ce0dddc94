"""The comparison: the same rules for every method, dependence against closed forms, a command that goes on."""

import json
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from ssl_course import assets, nets
from ssl_course.cli import app
from ssl_course.interfaces import Pair
from ssl_course.studies import comparison
from ssl_course.studies.comparison import Budget
from ssl_course.studies.recorded import record

TINY = Budget(dim=16, depth=1, heads=2, samples=32, batch=16, n_train=64, n_test=32)


def test_the_backbone_takes_pictures_tiles_and_halves():
    torch.manual_seed(0)
    ours = TINY.backbone().eval()
    assert ours(torch.rand(2, 3, 32, 32)).shape == (2, 16, 4, 4)
    assert ours(torch.rand(2, 3, 13, 13)).shape == (2, 16, 2, 2)
    assert ours(torch.rand(2, 3, 32, 16)).shape == (2, 16, 4, 2)


def test_every_encoder_has_the_same_network():
    """Same parameters in number and shape, whatever the method wraps around them (MAE has a class token more)."""
    reference = [tuple(p.shape) for p in nets.ViT(32, 8, 16, 1, 2).parameters()]
    for name in comparison.MAKERS:
        method = comparison.make(name, TINY)
        body = method.net1[0] if name == "deep CCA" else method.backbone
        assert [tuple(p.shape) for p in body.parameters()] == reference, name


def test_table_g_shows_lightness_and_keeps_the_colour_as_a_target():
    pictures, _ = comparison.train_and_test("scenes", "G", 0, TINY)
    assert torch.equal(pictures.images[:, 0], pictures.images[:, 2])
    assert pictures.parts["ab"].shape == (64, 2, 8, 8) and pictures.parts["ab"].abs().max() > 5
    colour, _ = comparison.train_and_test("scenes", "C", 0, TINY)
    assert not torch.equal(colour.images[:, 0], colour.images[:, 2])
    assert "colorization" in comparison.row_names("scenes", "G")
    assert "colorization" not in comparison.row_names("scenes", "C")
    assert "CLIP" not in comparison.row_names("cifar10", "G")
    with pytest.raises(ValueError, match="G and C"):
        comparison.train_and_test("scenes", "H", 0, TINY)
    with pytest.raises(ValueError, match="colorization"):
        comparison.make("colourisation", TINY)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*comparison.row_names("scenes", "G"), "MAE 0.9", "context encoder 0.5"])
def test_every_row_trains_and_is_probed(name):
    row = comparison.run_cell("scenes", "G", name, 0, TINY)
    assert set(row["accuracy"]) == {"biome", "light", "tint", "texture", "object", "count"}
    assert set(row["accuracy"]["biome"]) == {"3", "10", "30"}  # what 64 pictures allow
    assert all(0 <= value <= 1 for by_n in row["accuracy"].values() for value in by_n.values())


@pytest.mark.slow
def test_a_cell_is_reproducible_and_seeds_differ():
    one, two, other = (comparison.run_cell("scenes", "C", "SimCLR", s, TINY) for s in (0, 0, 1))
    assert one["loss"] == two["loss"] and one["accuracy"] == two["accuracy"]
    assert one["loss"] != other["loss"]


def test_dependence_finds_what_was_put_in():
    """X₂ = contrast of the class + c · X₁ + noise: ε² = c² Var X₁, σ² of three corners in the plane is known."""
    stream = torch.Generator().manual_seed(0)
    y = torch.arange(6000) % 3
    corners = torch.tensor([[2.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    centred = corners - corners.mean(0)
    sigma = float(torch.linalg.svdvals(centred)[1]) ** 2
    x1 = torch.randn(6000, 2, generator=stream)
    noise = torch.randn(6000, 2, generator=stream)
    free = comparison.dependence(x1, corners[y] + noise, y)
    bound = comparison.dependence(x1, corners[y] + 0.5 * x1 + noise, y)
    assert free.sigma == pytest.approx(sigma, rel=0.15)
    assert free.low < 0.01 and free.high == pytest.approx(2 / sigma, rel=0.15)
    assert bound.low == pytest.approx(0.5 / sigma, rel=0.15)
    assert bound.low <= bound.high
    silent = comparison.dependence(x1, noise, y)
    assert silent.silent and not free.silent


def test_two_views_split_the_picture_and_puzzles_are_not_covered():
    gray, _ = comparison.train_and_test("scenes", "G", 0, TINY)
    colour, _ = comparison.train_and_test("scenes", "C", 0, TINY)
    for name, data, (d1, d2) in [
        ("MAE", gray, (16, 48)), ("MAE 0.25", gray, (48, 16)), ("context encoder", gray, (48, 16)),
        ("colorization", gray, (64, 32)), ("SimCLR", colour, (192, 192)), ("deep CCA", gray, (32, 32)),
    ]:  # fmt: skip
        x1, x2 = comparison.two_views(name, data)
        assert (x1.shape[1], x2.shape[1]) == (d1, d2), name
    assert comparison.two_views("rotation", gray) is None and comparison.two_views("jigsaw", gray) is None


def cells_by_hand(pictures):
    """Means of 4 × 4 pixels in [0, 1], (N, C, 8, 8)."""
    return pictures.images.double().unflatten(3, (8, 4)).unflatten(2, (8, 4)).mean((3, 5)) / 255


@pytest.mark.parametrize("name", ["MAE", "MAE 0.9", "context encoder", "context encoder 0.5"])
def test_what_is_hidden_and_what_is_shown_make_each_picture_whole_with_one_mask_for_all(name):
    colour, _ = comparison.train_and_test("scenes", "C", 0, TINY)
    cells = cells_by_hand(colour).flatten(1)  # (64, 192)
    columns = []
    for view in comparison.two_views(name, colour, seed=3):
        gap = (cells[:, :, None] - view.double()[:, None]).abs().amax(0)  # (192, d): over all pictures
        assert gap.amin(0).max() < 1e-6
        columns += gap.argmin(0).tolist()
    assert sorted(columns) == list(range(192))
    first, again, other = (comparison.two_views(name, colour, s)[0] for s in (3, 3, 4))
    assert torch.equal(first, again) and torch.equal(first, other) != name.startswith("MAE")


def test_a_cell_that_the_hole_touches_does_not_give_it_away():
    """A hole of a tenth ends inside cells: what is left of them does not change with what was in the hole."""
    colour, _ = comparison.train_and_test("scenes", "C", 0, TINY)
    other = replace(colour, images=colour.images.clone())
    other.images[:, :, 11:21, 11:21] = colour.images[:, :, 11:21, 11:21].flip(0)
    one, two = (comparison.two_views("context encoder 0.1", x) for x in (colour, other))
    assert torch.allclose(one[0], two[0], atol=1e-6) and (one[1] - two[1]).abs().max() > 0.05


def test_lightness_is_the_gray_that_shows_it_and_a_caption_the_words_in_it():
    gray, _ = comparison.train_and_test("scenes", "G", 0, TINY)
    x1, _ = comparison.two_views("colorization", gray)
    assert (x1 - cells_by_hand(gray)[:, 0].flatten(1)).abs().max() < 1e-3
    _, bag = comparison.two_views("CLIP", gray)
    words = [set(caption.replace(",", " ,").split()) for caption in gray.captions]
    assert bag.sum(1).tolist() == [len(w) for w in words]
    shared = [[len(a & b) for b in words] for a in words]
    assert (bag @ bag.T).tolist() == shared


@pytest.mark.parametrize("name", [n for n in comparison.MAKERS if n not in ("rotation", "jigsaw")])
def test_two_views_show_the_pair_of_the_method_and_nobody_elses(name, monkeypatch):
    colour, _ = comparison.train_and_test("scenes", "C", 0, TINY)

    def pair(self, batch):
        plain = torch.ones(len(batch), 3, 32, 32)
        hidden = torch.zeros(len(batch), 1, 32, 32)
        hidden[..., :8] = 1
        return Pair(0.25 * plain, 0.75 * plain, {"hidden": hidden} if name == "MAE" else {})

    monkeypatch.setattr(type(comparison.make(name, TINY)), "pair", pair)
    x1, x2 = comparison.two_views(name, colour)
    assert (x1 == 0.25).all() and (x2 == 0.75).all()
    assert (x1.shape[1], x2.shape[1]) == ((144, 48) if name == "MAE" else (192, 192))


@pytest.mark.parametrize("table, name", [("G", "colorization"), ("C", "MAE"), ("C", "SimCLR"), ("G", "CLIP")])
def test_the_recorded_dependence_comes_again(table, name):
    cell = {"data": "earth", "table": table, "method": name, "seed": 0}
    kept = json.loads(assets.results("comparison_dependence").read_text(encoding="utf-8"))["results"]
    row = next(r for r in kept if r["cell"] == cell)["given"]["biome"]
    again = comparison.run_dependence(**cell)["given"]["biome"]
    assert again == pytest.approx(row, rel=0.02, abs=0.01)


def test_in_the_world_without_dependence_gray_tells_nothing_more_of_colour():
    """At λ = 0, X₁ ⟂ X₂ | biome by construction: the measured ε² must not leave 0 by more than its error."""
    budget = Budget(n_train=1500, n_test=8)
    found = comparison.run_dependence("scenes", "G", "colorization", 0, budget)["given"]
    assert found["biome"]["low"] <= 3 * found["biome"]["error"] + 1e-3
    assert not found["biome"]["silent"] and found["light"]["silent"]
    halves = comparison.run_dependence("scenes", "G", "deep CCA", 0, budget)["given"]
    assert halves["biome"]["low"] > 10 * halves["biome"]["error"]


def test_summary_gives_mean_and_standard_error_over_seeds():
    rows = [
        {"cell": {"method": m, "seed": s}, "accuracy": {"biome": {"30": a}}}
        for m, s, a in [("A", 0, 0.5), ("A", 1, 0.7), ("B", 0, 0.9)]
    ]
    found = comparison.summary(rows, "biome", 30)
    assert list(found) == ["B", "A"]
    assert found["A"].mean == pytest.approx(0.6) and found["A"].error == pytest.approx(0.1)
    assert found["B"].error == 0 and found["B"].seeds == 1
    assert comparison.summary(rows, "biome", 7) == {}


def test_the_plan_names_each_cell_of_a_table_and_the_most_important_first():
    parts = comparison.plan()
    assert parts[0].file == "comparison_scenes_G" and {c["seed"] for c in parts[0].cells} == {0, 1, 2}
    for part in parts:
        keys = [json.dumps(cell, sort_keys=True) for cell in part.cells]
        assert len(keys) == len(set(keys)), part.file
    seeds = {(c["data"], c["seed"]) for p in parts for c in p.cells if "data" in c and c["method"] == "MAE"}
    assert {s for d, s in seeds if d == "scenes"} == set(range(5))
    assert {s for d, s in seeds if d == "earth"} == {s for d, s in seeds if d == "cifar10"} == {0, 1, 2}


def test_an_interrupted_record_goes_on(tmp_path):
    asked = []

    def measure(n):
        if n == 2 and len(asked) == 2:
            raise KeyboardInterrupt
        asked.append(n)
        return {"square": n * n}

    cells = [{"n": n} for n in range(4)]
    file = tmp_path / "r.json"
    with pytest.raises(KeyboardInterrupt):
        record(str(file), cells, measure, {"rule": 1})
    assert [row["square"] for row in json.loads(file.read_text())["results"]] == [0, 1]
    asked.append(None)
    rows = record(str(file), cells, measure, {"rule": 1}, bar=True)
    assert [row["square"] for row in rows] == [0, 1, 4, 9]
    assert asked == [0, 1, None, 2, 3]  # nothing twice
    with pytest.raises(ValueError, match="other settings"):
        record(str(file), cells, measure, {"rule": 2})


def test_settings_are_compared_as_json_keeps_them(tmp_path):
    """A tuple comes back as a list: that is no other setting, in a new file neither."""
    file = str(tmp_path / "r.json")
    for _ in range(2):
        assert len(record(file, [{"n": 1}], lambda n: {"value": n}, {"widths": (1, 2)})) == 1


@pytest.mark.slow
def test_the_command_keeps_its_cells_and_says_what_it_does_not_know(tmp_path):
    arguments = ["compare", "--only", "texts", "--seeds", "1", "--samples", "64", "--pictures", "64"]
    arguments += ["--out", str(tmp_path)]
    first = CliRunner().invoke(app, arguments)
    assert first.exit_code == 0, first.output
    kept = json.loads((tmp_path / "comparison_texts.json").read_text())
    assert {row["cell"]["method"] for row in kept["results"]} == {
        "word counts",
        "random network",
        "BERT",
        "GPT",
    }
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert json.loads((tmp_path / "comparison_texts.json").read_text())["results"] == kept["results"]
    wrong = CliRunner().invoke(app, ["compare", "--only", "sceens"])
    assert wrong.exit_code != 0 and "scenes_G" in wrong.output
