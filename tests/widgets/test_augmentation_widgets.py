"""What the widgets of lecture 08 claim, against pictures and sums made by hand."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision.transforms.v2.functional as tv
from examples import example

from ssl_course import nets
from ssl_course.data import scenes
from ssl_course.interfaces import Pair
from ssl_course.losses import nt_xent
from ssl_course.methods import SimCLR
from ssl_course.widgets import augmentation_explorer as augmentation
from ssl_course.widgets import similarity_matrix as matrix
from ssl_course.widgets.drawn_row import DrawnRow
from ssl_course.widgets.frame.canvas import Key, Pointer
from ssl_course.widgets.frame.upload import Upload

MANY = augmentation.MANY
SEEN = SimCLR(nets.ConvNet((4,)), (4, 4))  # whose pair is asked


@pytest.fixture(scope="module")
def pictures():
    return scenes.World().sample(20, size=32, seed=0)


@pytest.fixture
def explorer(pictures):
    torch.manual_seed(1)  # the untrained one has seed 0
    return augmentation.AugmentationExplorer(SimCLR(nets.ConvNet((4, 8)), (8, 4)), pictures)


# ---- AugmentationExplorer ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", augmentation.MODES.values())
def test_no_augmentation_changes_nothing(pictures, mode):
    made = augmentation.views(SEEN, pictures.images[0], augmentation.OFF, mode, 0)
    want = (pictures.images[:1].float() / 255).expand(2 * MANY, -1, -1, -1)
    torch.testing.assert_close(made.images, want, atol=1e-5, rtol=0)


def test_the_button_takes_every_augmentation_away(explorer):
    explorer.action_buttons["no augmentation"].click()
    assert explorer.error is None and "X₁: as it is.<br>X₂: as it is." in explorer.readout
    assert {name: explorer.values()[name] for name in augmentation.STEPS} == augmentation.OFF


@pytest.mark.parametrize(
    ("setting", "truth"),
    [
        ({"flip": 1.0}, lambda x: x.flip(-1)),
        ({"turn": 90.0}, lambda x: torch.rot90(x, 1, (1, 2))),
        ({"crop": 0.25}, lambda x: tv.resize(x[:, 8:24, 8:24], [32, 32], antialias=False)),
        ({"zoom": 2.0}, lambda x: tv.resize(x[:, 8:24, 8:24], [32, 32], antialias=False)),
        ({"brightness": 0.5}, lambda x: tv.adjust_brightness(x, 1.5)),
        ({"contrast": 1.0}, lambda x: tv.adjust_contrast(x, 2.0)),
        ({"saturation": 1.0}, lambda x: tv.adjust_saturation(x, 2.0)),
        ({"hue": 0.5}, lambda x: tv.adjust_hue(x, 0.5)),
        ({"gray": 1.0}, lambda x: tv.rgb_to_grayscale(x, 3)),
        ({"blur": 4.0}, lambda x: tv.gaussian_blur(x, 3, 4.0)),
    ],
)
def test_exact_values_do_what_torchvision_does(pictures, setting, truth):
    image = pictures.images[1]
    made = augmentation.views(SEEN, image, augmentation.OFF | setting, "exact", 0)
    x = image.float() / 255
    torch.testing.assert_close(made.images[0], x, atol=1e-5, rtol=0)  # the first view is the picture
    inner = (slice(None), slice(2, -2), slice(2, -2))  # at its edge a zoomed picture sees beyond the crop
    torch.testing.assert_close(made.images[MANY][inner], truth(x)[inner], atol=2e-4, rtol=0)


def test_one_draw_shared_makes_equal_views_and_two_draws_do_not(pictures):
    setting = augmentation.OFF | {
        "crop": 0.2,
        "turn": 90.0,
        "hue": 0.4,
        "gray": 0.5,
        "blur": 1.0,
        "zoom": 0.5,
    }
    shared = augmentation.views(SEEN, pictures.images[0], setting, "shared", 3).images
    assert torch.equal(shared[:MANY], shared[MANY:])
    apart = augmentation.views(SEEN, pictures.images[0], setting, "separate", 3).images
    assert torch.equal(apart[:MANY], shared[:MANY])  # the first view stays
    assert ((apart[:MANY] - apart[MANY:]).abs().mean((1, 2, 3)) > 0.01).all()
    again = augmentation.views(SEEN, pictures.images[0], setting, "separate", 4).images
    assert not torch.equal(apart, again)


@pytest.mark.parametrize("name", augmentation.STEPS)
def test_every_control_acts_on_the_random_views(pictures, name):
    far = {"crop": 0.1, "zoom": 2.0, "turn": 180.0, "hue": 0.5, "blur": 4.0}.get(name, 1.0)
    made = augmentation.views(SEEN, pictures.images[0], augmentation.OFF | {name: far}, "separate", 0).images
    plain = pictures.images[0].float() / 255
    assert (made - plain).abs().mean((1, 2, 3)).max() > 0.003


@pytest.mark.parametrize("zoom", [0.4, 2.5])
def test_zoom_goes_out_and_in(pictures, zoom):
    low, high = sorted((zoom, 1.0))
    drawn = augmentation.views(
        SEEN, pictures.images[0], augmentation.OFF | {"zoom": zoom}, "separate", 0
    ).draw.zoom
    assert low <= drawn.min() < drawn.max() <= high


def test_the_cosines_are_those_of_the_features(explorer):
    explorer.set(guess="trained ψ", turn=45.0, picture=2)
    values = explorer.values()
    key = (tuple(float(values[n]) for n in augmentation.STEPS), "separate", 0, 2, values["upload"])
    images = explorer.state.made(*key).images
    for name, method in explorer.state.networks.items():
        pairs, others = explorer.state.cosines(name, False, *key)
        with torch.no_grad():
            h, rest = method.eval().encode(images), method.encode(explorer.state.images)
        assert pairs[0] == pytest.approx(float(F.cosine_similarity(h[0], h[MANY], dim=0)), abs=1e-5)
        assert f"{name}</b>: cosine {pairs[0]:.3f}" in explorer.readout
        assert len(others) == 20 - augmentation.SHOWN and rest.shape[1] == h.shape[1]
    a, b = (explorer.state.cosines(n, False, *key)[0] for n in explorer.state.networks)
    assert not np.allclose(a, b)  # two networks


def test_cosines_wait_for_a_guess(explorer):
    assert "Commit to a guess" in explorer.readout and "cosine " not in explorer.readout
    hidden = explorer.panels[3].alt
    explorer.set(guess="untrained ψ")
    assert "cosine " in explorer.readout and explorer.panels[3].alt != hidden
    explorer.set(mode="shared")
    assert "cosine 1.000" in explorer.readout and "nothing is left to learn" in explorer.readout


def test_pictures_are_chosen_by_pointer_and_keys(explorer):
    explorer.on_pointer(Pointer("down", 0, 0.99, 0.99))
    assert explorer.values()["picture"] == 11
    explorer.on_key(Key(0, "ArrowRight"))
    assert explorer.values()["picture"] == 0


def test_an_upload_is_a_picture_too_and_no_picture_is_a_sentence(explorer):
    explorer._receive(Upload(bytes([200] * 3 * 32 * 32), 32))
    assert explorer.values()["picture"] == 12
    assert explorer.state.image(12, explorer.values()["upload"]).float().mean() == 200
    explorer._receive(Upload(message="That is no picture."))
    assert "That is no picture." in explorer.readout and explorer.error is None


def test_one_picture_is_not_enough(pictures):
    with pytest.raises(ValueError, match="two at least"):
        augmentation.AugmentationExplorer(SimCLR(nets.ConvNet((4, 8))), pictures[:1])


# ---- SimilarityMatrix -------------------------------------------------------------------------------------


def test_the_loss_is_taken_apart_as_the_formula_says():
    torch.manual_seed(0)
    z, t = torch.randn(8, 3), 0.4
    loss = matrix.taken_apart(z, t)
    unit = [r / r.norm() for r in z]
    for i in range(8):
        j = (i + 4) % 8
        total = sum(math.exp(float(unit[i] @ unit[m]) / t) for m in range(8) if m != i)
        for m in range(8):
            want = 0.0 if m == i else math.exp(float(unit[i] @ unit[m]) / t) / total
            assert float(loss.softmax[i, m]) == pytest.approx(want, abs=1e-5)
        assert float(loss.rows[i]) == pytest.approx(-math.log(float(loss.softmax[i, j])), abs=1e-5)
    assert loss.mean == pytest.approx(float(loss.rows.mean()), abs=1e-5)
    assert loss.mean == pytest.approx(float(nt_xent(z[:4], z[4:], t)), abs=1e-6)


@pytest.fixture
def similar(pictures):
    torch.manual_seed(1)
    made = matrix.SimilarityMatrix(SimCLR(nets.ConvNet((4, 8)), (8, 4)), pictures)
    made.set(n=6)
    return made


def test_the_views_are_those_of_the_methods_pair(pictures):
    class Mirror(SimCLR):
        def pair(self, batch):
            x = nets.as_float(batch.inputs)
            return Pair(x, x.flip(-1))

    method = Mirror(nets.ConvNet((4, 8)), (8, 4))
    shown = matrix.SimilarityMatrix(method, pictures).state
    x = nets.as_float(pictures.images[:10])
    with torch.no_grad():
        z = method.eval().project(torch.cat([x, x.flip(-1)]))
    torch.testing.assert_close(shown.z["trained ψ"], z, atol=1e-5, rtol=0)


def test_a_collapse_lies_on_the_line(similar):
    for n in (2, 6, 10):
        loss = similar.state.loss(matrix.COLLAPSED, n, 0.2)
        assert torch.allclose(loss.rows, torch.tensor(math.log(2 * n - 1)), atol=1e-5)
    hot = similar.state.curve("untrained ψ", 6)[-1]  # at a high temperature all differences vanish
    assert hot == pytest.approx(math.log(11), abs=0.05)


def test_the_first_click_is_the_guess_and_every_row_can_be_hit(similar):
    assert "hardest?" in similar.readout and len(similar.panels) == 1 + 2
    for row in (4, 0, 11):
        y = (matrix.EDGE + (row + 0.5) * (matrix.SIDE - matrix.EDGE) / 12) / matrix.SIDE
        similar.on_pointer(Pointer("down", 0, 0.5, y))
        assert similar.values()["row"] == row and similar.values()["guess"] == 4
    assert len(similar.panels) == 3 + 2 and "row 5" in similar.readout
    similar.on_pointer(Pointer("down", 0, 0.5, 0.0))  # the thumbnails above are no row
    assert similar.values()["row"] == 11


def test_the_keyboard_guesses_too(similar):
    similar.on_key(Key(0, "ArrowDown"))
    similar.on_key(Key(0, "Enter"))
    assert similar.values()["row"] == similar.values()["guess"] == 1
    assert (
        f"<b>{similar.state.loss('trained ψ', 6, similar.values()['temperature']).mean:.3f}"
        in similar.readout
    )


def test_a_pair_needs_another(pictures):
    with pytest.raises(ValueError, match="negative"):
        matrix.SimilarityMatrix(SimCLR(nets.ConvNet((4, 8))), pictures[:1])


# ---- DrawnRow ---------------------------------------------------------------------------------------------


def test_a_row_is_drawn_and_only_then_compared():
    row = example("DrawnRow")
    row.set(show=True)
    assert "appears when yours is complete" in row.readout
    row.on_pointer(Pointer("down", 0, 0.25, 0.5))
    assert row.guesses() == {"tint": pytest.approx(0.5, abs=0.06)} and "Still open: count" in row.readout
    row.on_key(Key(0, "ArrowRight"))
    row.on_key(Key(0, "ArrowDown"))
    assert row.guesses()["count"] == 0.45  # a step below the reference
    off = (abs(row.guesses()["tint"] - 0.9) + 0.05) / 2
    assert f"off by <b>{off:.2f}</b>" in row.readout and "most at tint" in row.readout
    row.set(row="colour")
    assert row.guesses() == {} and set(row.guesses("crop")) == {"tint", "count"}


@pytest.mark.parametrize("height", [0.0, 0.25, 0.7, 1.0])
def test_the_pointer_draws_where_it_is(height):
    row = example("DrawnRow")
    from ssl_course.widgets import drawn_row

    low, high = drawn_row.HEIGHT - 40, drawn_row.TOP  # of the plot, CSS pixels
    y = (low - height / 1.02 * (low - high)) / drawn_row.HEIGHT
    row.on_pointer(Pointer("drag", 0, 0.9, y, ((0.3, y), (0.9, y))))
    assert row.guesses() == {"tint": height, "count": height}


def test_rows_must_have_all_columns():
    with pytest.raises(ValueError, match="lacks count"):
        DrawnRow({"crop": {"tint": (0.9, 0.0)}}, {"tint": 0.9, "count": 0.5})
