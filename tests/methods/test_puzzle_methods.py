"""Rotation and Jigsaw: what the loss is, what they can and cannot see, and that they learn."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import shortcuts
import torch
import torch.nn.functional as F

from ssl_course import checkpoints, nets
from ssl_course.data import scenes
from ssl_course.data.pictures import Pictures
from ssl_course.methods import Jigsaw, Rotation
from ssl_course.methods.jigsaw import permutation_set
from ssl_course.pretext.puzzles import cut
from ssl_course.training import train


def small():
    return nets.ConvNet((8, 16, 16))


@pytest.fixture
def batch():
    return Pictures(
        torch.randint(0, 256, (6, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    )


def methods():
    torch.manual_seed(0)
    return [Rotation(small()), Jigsaw(small(), grid=2), Jigsaw(small(), grid=3)]


# ---- what both keep ----------------------------------------------------------------------------------------


def test_the_losses_start_at_chance(batch):
    for method, chance in zip(methods(), (4, 12, 64), strict=True):
        with torch.no_grad():
            for layer in method.modules():  # a head that knows nothing
                if isinstance(layer, torch.nn.Linear):
                    for p in layer.parameters():
                        p.zero_()
        assert float(method(batch).detach()) == pytest.approx(math.log(chance), abs=1e-5)


def test_features_are_those_of_whole_pictures(batch, device):
    for method in methods():
        method = method.to(device).eval()
        h = method.encode(batch.inputs)
        assert h.shape == (6, method.backbone.dim) and h.device.type == device
        torch.testing.assert_close(method.encode(batch.inputs.float() / 255), h)
        torch.testing.assert_close(method.encode(batch.inputs[2:3]), h[2:3], atol=1e-5, rtol=1e-4)
        loss = method(batch.to(device))
        loss.backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in method.parameters())


def test_a_checkpoint_brings_it_back(batch, tmp_path):
    for method in (Rotation(angles=(0, 45)), Jigsaw(grid=2, gaps=False, n_permutations=5)):
        method.eval()
        back = checkpoints.load(checkpoints.save(tmp_path / "m.safetensors", method))
        json.dumps(method.arguments)
        torch.testing.assert_close(back.encode(batch.inputs), method.encode(batch.inputs))
        assert back.arguments == json.loads(json.dumps(method.arguments))


# ---- rotation ----------------------------------------------------------------------------------------------


@torch.no_grad()
def test_rotation_by_hand(batch):
    method = Rotation(small()).eval()
    x, loss = batch.inputs.float() / 255, 0.0
    for k in range(4):
        for one in x:
            logits = method.head(
                method.backbone(nets.normalise(torch.rot90(one, k, (1, 2))[None])).mean((2, 3))
            )
            loss -= float(logits.log_softmax(1)[0, k]) / 24
    assert float(method(batch).detach()) == pytest.approx(loss, abs=1e-5)


def test_rotation_knows_a_picture_with_the_sun_above():
    """Bright above, dark below: separable from the angle alone; and quarter turns leave bytes as they are."""
    ramp = torch.linspace(255, 0, 32).to(torch.uint8)[None, None, :, None]
    data = Pictures(
        (ramp * torch.rand(64, 3, 1, 1, generator=torch.Generator().manual_seed(0)))
        .to(torch.uint8)
        .expand(64, 3, 32, 32)
    )
    turned, angle = Rotation(small()).puzzle(data.inputs)
    assert turned.shape == (256, 3, 32, 32) and torch.equal(angle.bincount(), torch.full((4,), 64))
    assert torch.equal((turned[:64] * 255).round().to(torch.uint8), data.inputs)
    torch.manual_seed(0)
    method = Rotation(small())
    for _ in train(method, data, steps=30, batch_size=32, lr=5e-3):
        pass
    assert method.accuracy(data.inputs) > 0.95
    assert Rotation(small()).eval().accuracy(data.inputs) < 0.6


def test_a_picture_without_up_cannot_be_turned_back():
    """All turns of one gray are one picture: whatever the network, a quarter of the answers is right."""
    flat = torch.full((8, 3, 16, 16), 90, dtype=torch.uint8)
    assert Rotation(small()).eval().accuracy(flat) == 0.25
    torch.manual_seed(0)
    method = Rotation(small(), angles=(0, 30, 60, 90))  # but interpolated turns leave black corners
    for _ in train(method, Pictures(flat), steps=60, batch_size=8, lr=5e-3):
        pass
    assert method.accuracy(flat) == 0.75  # 0° and 90° look alike, 30° and 60° are told apart


def test_stages_end_with_the_features(batch):
    method = Rotation().eval()
    stages = shortcuts.block_features(method, batch.inputs)
    assert [h.shape[1] for h in stages] == [32, 64, 128, 128]
    torch.testing.assert_close(stages[-1], method.encode(batch.inputs))
    by_hand = method.backbone.layers[:6](nets.normalise(batch.inputs.float() / 255)).mean((2, 3))
    torch.testing.assert_close(stages[1], by_hand, atol=1e-5, rtol=1e-4)

    class Other(torch.nn.Conv2d):
        dim = 4

    with pytest.raises(TypeError, match="ConvNet"):
        shortcuts.block_features(Rotation(Other(3, 4, 3)), batch.inputs)


# ---- jigsaw ------------------------------------------------------------------------------------------------


def test_the_label_says_the_order(batch):
    """Tiles that show their own number: the order read off the shuffled tiles is that of the label."""
    number = torch.arange(9).view(3, 3).repeat_interleave(10, 0).repeat_interleave(10, 1)  # (30, 30)
    images = (number.float() / 10).expand(200, 3, 30, 30)
    method = Jigsaw(small(), normalise=False, shift=0)
    tiles, label = method.puzzle(images)
    seen = (tiles.mean((2, 3, 4)) * 10).round().long()  # (200, 9)
    assert torch.equal(seen, permutation_set(9, 64)[label])
    assert len(label.unique()) > 50


def test_jigsaw_by_hand(batch):
    method = Jigsaw(small(), grid=2).eval()
    tiles = cut(batch.inputs.float() / 255, 2)
    h = []
    for place in range(4):  # each place on its own through one and the same backbone
        x = tiles[:, place]
        x = (x - x.mean((2, 3), keepdim=True)) / (x.std((2, 3), keepdim=True, correction=0) + 0.02)
        h.append(method.tile_head(F.adaptive_avg_pool2d(method.backbone(x), 2).flatten(1)))
    torch.testing.assert_close(method.logits(tiles), method.head(torch.cat(h, 1)), atol=1e-4, rtol=1e-4)


def test_brightness_of_tiles_tells_nothing(batch):
    method = Jigsaw(small(), grid=2).eval()
    tiles = method.tiles(batch.inputs) * 0.5
    brighter = tiles + 0.3 * torch.rand(6, 4, 3, 1, 1)
    torch.testing.assert_close(method.logits(brighter), method.logits(tiles), atol=1e-4, rtol=1e-3)
    naive = Jigsaw(small(), grid=2, normalise=False).eval()
    assert (naive.logits(brighter) - naive.logits(tiles)).abs().max() > 1e-3


def test_drop_leaves_gray_tiles(batch):
    tiles = Jigsaw(small(), grid=2, drop=1.0, shift=0).tiles(batch.inputs)
    assert torch.equal(tiles[:, :, 0], tiles[:, :, 1]) and torch.equal(tiles[:, :, 0], tiles[:, :, 2])


def test_accuracy_is_repeatable_and_touches_no_other_draw(batch):
    method = Jigsaw(small(), grid=2).eval()
    torch.manual_seed(3)
    before = torch.rand(1)
    torch.manual_seed(3)
    first = method.accuracy(batch.inputs)
    assert torch.equal(torch.rand(1), before) and method.accuracy(batch.inputs) == first


@pytest.mark.slow
def test_jigsaw_learns_the_order_of_scenes():
    """Rows are easy (sky above ground): half of the 12 even orders; more needs the columns too."""
    torch.manual_seed(0)
    data, test = scenes.World().sample(2000, 32), scenes.World().sample(500, 32, seed=9)
    method = Jigsaw(grid=2)
    for _ in train(method, data, steps=80):
        pass
    assert method.accuracy(test.images) > 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Jigsaw(small(), grid=4), "2 or 3"),
        (lambda: Jigsaw(small(), grid=2, n_permutations=25), "24"),
        (lambda: Jigsaw(small())(Pictures(torch.zeros(4, 3, 9, 9, dtype=torch.uint8))), "tiles of 2 px"),
        (lambda: Rotation(small(), angles=(90,)), "at least two"),
        (lambda: Rotation(small())(Pictures(torch.zeros(4, 3, 9, 8, dtype=torch.uint8))), "square"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ---- what is recorded of the shortcuts ---------------------------------------------------------------------

KEPT = json.loads((Path(__file__).parents[2] / "assets" / "results" / "shortcuts.json").read_text())


def recorded(**cell):
    return [r for r in KEPT["results"] if cell.items() <= r["cell"].items()]


def test_every_row_was_recorded():
    assert KEPT["command"] == "python benchmarks/shortcuts.py --json assets/results/shortcuts.json"
    assert KEPT["about"] == json.loads(json.dumps(shortcuts.about()))
    kept = [json.dumps(r["cell"], sort_keys=True) for r in KEPT["results"]]
    assert sorted(kept) == sorted(json.dumps(c, sort_keys=True) for c in shortcuts.cells(3))


def test_curves_end_where_their_rows_do():
    for row in KEPT["results"]:
        if row["cell"]["arm"] in shortcuts.UNTRAINED:
            assert "curve" not in row
            continue
        seen = [p["samples"] for p in row["curve"]]
        assert seen == sorted(seen) and 5 <= len(seen)
        assert (
            seen[-1] == row["samples"] == shortcuts.STEPS[row["cell"]["shortcut"]] * shortcuts.PROTOCOL.batch
        )
        assert row["curve"][-1]["puzzle"] == row["puzzle"]


def test_a_confusion_is_the_accuracy_told_apart():
    for row in recorded(shortcut="corners"):
        if row["cell"]["arm"] == "pixels":
            continue  # no network, no answers
        table = np.array(row["confusion"])  # (4, 4): true, said
        assert len(set(table.sum(1))) == 1  # each picture in all angles
        assert np.trace(table) / table.sum() == pytest.approx(row["puzzle"])


def test_on_the_earth_two_angles_are_told_from_the_corners_and_two_by_a_coin():
    for row in recorded(shortcut="corners", data="earth, gray", arm="open"):
        table = np.array(row["confusion"])
        with_corners, flat = table[[1, 2]], table[[0, 3]]
        assert with_corners[0, 1] + with_corners[1, 2] > 0.98 * with_corners.sum()
        assert flat[:, [0, 3]].sum() > 0.98 * flat.sum()  # of those two it knows that they have none
        right = (flat[0, 0] + flat[1, 3]) / flat.sum()
        assert abs(right - 0.5) < 3 * (0.25 / flat.sum()) ** 0.5 + 0.05


def test_arms_differ_in_the_shortcut_alone():
    for shortcut, differing in (("corners", {"angles"}), ("edges", {"gaps"}), ("fringes", {"shift", "drop"})):
        one, other = (shortcuts.learner(shortcut, arm).arguments for arm in shortcuts.ARMS)
        assert {k for k in one if one[k] != other[k]} == differing


@pytest.mark.slow
def test_a_recorded_row_comes_out_again():
    """Another seed than those recorded: within four standard deviations, and .03, three seeds being few."""
    again = shortcuts.measure("corners", "earth, gray", "open", seed=7, stages=False)
    mine = recorded(shortcut="corners", data="earth, gray", arm="open")
    for key in ("puzzle", "biome"):
        values = np.array([r[key] for r in mine])
        assert abs(again[key] - values.mean()) < 4 * values.std(ddof=1) + 0.03, key
