"""The dependence of X₁ and X₂ given a label: closed forms, whose pair is measured, and the recorded numbers once more."""

import json
from dataclasses import replace

import pytest
import torch

from ssl_course import assets
from ssl_course.interfaces import Pair
from ssl_course.studies import comparison, dependence
from ssl_course.studies.comparison import Protocol

TINY = Protocol(dim=16, depth=1, heads=2, widths=(8, 16), samples=32, batch=16, n_train=64, n_test=32)


def test_dependence_finds_what_was_put_in():
    """X₂ = contrast of the class + c · X₁ + noise: ε² = c² Var X₁, σ² of three corners in the plane is known."""
    stream = torch.Generator().manual_seed(0)
    y = torch.arange(6000) % 3
    corners = torch.tensor([[2.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    centred = corners - corners.mean(0)
    sigma = float(torch.linalg.svdvals(centred)[1]) ** 2
    x1 = torch.randn(6000, 2, generator=stream)
    noise = torch.randn(6000, 2, generator=stream)
    free = dependence.dependence(x1, corners[y] + noise, y)
    bound = dependence.dependence(x1, corners[y] + 0.5 * x1 + noise, y)
    assert free.sigma == pytest.approx(sigma, rel=0.15)
    assert free.low < 0.01 and free.high == pytest.approx(2 / sigma, rel=0.15)
    assert bound.low == pytest.approx(0.5 / sigma, rel=0.15)
    assert bound.low <= bound.high
    silent = dependence.dependence(x1, noise, y)
    assert silent.silent and not free.silent


def test_two_views_split_the_picture_and_puzzles_are_not_covered():
    gray, _ = comparison.train_and_test("scenes", "G", 0, TINY)
    colour, _ = comparison.train_and_test("scenes", "C", 0, TINY)
    for name, data, (d1, d2) in [
        ("MAE", gray, (16, 48)), ("MAE 0.25", gray, (48, 16)), ("context encoder", gray, (48, 16)),
        ("colorization", gray, (64, 32)), ("SimCLR", colour, (192, 192)), ("deep CCA", gray, (32, 32)),
    ]:  # fmt: skip
        x1, x2 = dependence.two_views(name, data)
        assert (x1.shape[1], x2.shape[1]) == (d1, d2), name
    assert dependence.two_views("rotation", gray) is None and dependence.two_views("jigsaw", gray) is None


def cells_by_hand(pictures):
    """Means of 4 × 4 pixels in [0, 1], (N, C, 8, 8)."""
    return pictures.images.double().unflatten(3, (8, 4)).unflatten(2, (8, 4)).mean((3, 5)) / 255


@pytest.mark.parametrize("name", ["MAE", "MAE 0.9", "context encoder", "context encoder 0.5"])
def test_what_is_hidden_and_what_is_shown_make_each_picture_whole_with_one_mask_for_all(name):
    colour, _ = comparison.train_and_test("scenes", "C", 0, TINY)
    cells = cells_by_hand(colour).flatten(1)  # (64, 192)
    columns = []
    for view in dependence.two_views(name, colour, seed=3):
        gap = (cells[:, :, None] - view.double()[:, None]).abs().amax(0)  # (192, d): over all pictures
        assert gap.amin(0).max() < 1e-6
        columns += gap.argmin(0).tolist()
    assert sorted(columns) == list(range(192))
    first, again, other = (dependence.two_views(name, colour, s)[0] for s in (3, 3, 4))
    assert torch.equal(first, again) and torch.equal(first, other) != name.startswith("MAE")


def test_a_cell_that_the_hole_touches_does_not_give_it_away():
    """A hole of a tenth ends inside cells: what is left of them does not change with what was in the hole."""
    colour, _ = comparison.train_and_test("scenes", "C", 0, TINY)
    other = replace(colour, images=colour.images.clone())
    other.images[:, :, 11:21, 11:21] = colour.images[:, :, 11:21, 11:21].flip(0)
    one, two = (dependence.two_views("context encoder 0.1", x) for x in (colour, other))
    assert torch.allclose(one[0], two[0], atol=1e-6) and (one[1] - two[1]).abs().max() > 0.05


def test_lightness_is_the_gray_that_shows_it_and_a_caption_the_words_in_it():
    gray, _ = comparison.train_and_test("scenes", "G", 0, TINY)
    x1, _ = dependence.two_views("colorization", gray)
    assert (x1 - cells_by_hand(gray)[:, 0].flatten(1)).abs().max() < 1e-3
    _, bag = dependence.two_views("CLIP", gray)
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
    x1, x2 = dependence.two_views(name, colour)
    assert (x1 == 0.25).all() and (x2 == 0.75).all()
    assert (x1.shape[1], x2.shape[1]) == ((144, 48) if name == "MAE" else (192, 192))


@pytest.mark.parametrize("table, name", [("G", "colorization"), ("C", "MAE"), ("C", "SimCLR"), ("G", "CLIP")])
def test_the_recorded_dependence_comes_again(table, name):
    cell = {"data": "earth", "table": table, "method": name, "seed": 0}
    kept = json.loads(assets.results("comparison_dependence").read_text(encoding="utf-8"))["results"]
    row = next(r for r in kept if r["cell"] == cell)["given"]["biome"]
    again = dependence.run_dependence(**cell)["given"]["biome"]
    assert again == pytest.approx(row, rel=0.02, abs=0.01)


def test_in_the_world_without_dependence_gray_tells_nothing_more_of_colour():
    """At λ = 0, X₁ ⟂ X₂ | biome by construction: the measured ε² must not leave 0 by more than its error."""
    protocol = Protocol(n_train=1500, n_test=8)
    found = dependence.run_dependence("scenes", "G", "colorization", 0, protocol)["given"]
    assert found["biome"]["low"] <= 3 * found["biome"]["error"] + 1e-3
    assert not found["biome"]["silent"] and found["light"]["silent"]
    halves = dependence.run_dependence("scenes", "G", "deep CCA", 0, protocol)["given"]
    assert halves["biome"]["low"] > 10 * halves["biome"]["error"]
