"""HolePainter: holes by setting, pointer and key, the filling against the method's own, bad input as sentences."""

import numpy as np
import pytest
import torch
from examples import example
from PIL import Image
from uploads import bring, file

from ssl_course.data import scenes
from ssl_course.data.pictures import Pictures
from ssl_course.methods import ContextEncoder
from ssl_course.pretext import holes
from ssl_course.pretext.holes import part_means
from ssl_course.widgets import HolePainter
from ssl_course.widgets.frame import draw
from ssl_course.widgets.frame.canvas import Key, Pointer
from ssl_course.widgets.frame.hide_and_fill import along
from ssl_course.widgets.hole_painter import CHOICES


@pytest.fixture
def painter():
    return example("HolePainter")


def inside(painter):
    return np.frombuffer(painter.hidden_now()[1], np.uint8).reshape(32, 32).astype(bool)


@pytest.mark.parametrize("distance", [0, 3])
@pytest.mark.parametrize("choice", CHOICES.values())
def test_the_filling_is_the_methods_own(painter, choice, distance):
    painter.set(hole=choice, distance=distance, answer=True)
    hole = torch.tensor(inside(painter))[None, None].float()
    image, method = painter.state.images[:1], painter.state.networks["small"]
    expected = method.inpaint(image, hole, holes.dilate(hole, distance))
    assert np.array_equal(painter.panels[2].rgba, draw.rgba(expected[0]))
    error = (expected - image / 255).square()[hole.bool().expand(-1, 3, -1, -1)].mean()
    assert f"network <b>{float(error):.4f}</b>" in painter.readout
    seen = torch.tensor(painter.panels[1].rgba[..., :3]).permute(2, 0, 1)
    hidden = holes.dilate(hole, distance)[0].bool().expand(3, -1, -1)
    assert torch.equal(seen[~hidden], image[0][~hidden])
    assert set(seen[hidden].unique().tolist()) <= {96, 128}


def test_the_hole_is_the_one_that_the_methods_pair_cuts(painter):
    class Corner(ContextEncoder):
        def pair(self, batch):
            pair = super().pair(batch)
            pair.parts["hole"].zero_()[..., : round(32 * self.share), :8] = 1
            return pair

    corner = Corner(image_size=32)
    own = HolePainter(corner, Pictures(painter.state.images), with_shipped=False)
    own.set(share=0.5)
    assert inside(own)[:16, :8].all() and inside(own).sum() == 16 * 8
    assert (
        corner.share == ContextEncoder(image_size=32).share
    )  # the slider is no business of the network's owner


def test_a_stroke_paints_and_shift_mends(painter):
    painter.set(hole="centre", share=0.0, brush=2)
    assert not inside(painter).any()
    painter.on_pointer(Pointer("down", 1, 0.1, 0.5, ((0.1, 0.5),)))
    painter.on_pointer(Pointer("drag", 1, 0.9, 0.5, ((0.9, 0.5),)))  # a fast stroke: two reports, far apart
    row = inside(painter)[16]
    assert row[3:29].all() and not inside(painter)[:13].any() and not inside(painter)[19:].any()
    painter.on_pointer(Pointer("down", 1, 0.5, 0.5, ((0.5, 0.5),), shift=True))
    assert not inside(painter)[16, 15:17].any() and inside(painter)[16, 5]
    painter.on_pointer(Pointer("up", 1, 0.5, 0.5, ((0.5, 0.5),), shift=True))
    painter.set(share=0.25)  # new settings, a new hole
    assert np.array_equal(inside(painter), holes.make_holes("centre", 1, 32, 0.25)[0, 0].numpy() > 0)
    painter.action_buttons["No hole"].click()
    assert not inside(painter).any() and "nothing to fill" in painter.readout
    painter.reset()
    assert painter.values() == painter.defaults


def test_points_between_points():
    path = along(((0.0, 0.0), (1.0, 0.5)), 1 / 32)
    gaps = np.hypot(*np.diff(np.array(path), axis=0).T)
    assert path[0] == (0.0, 0.0) and path[-1] == (1.0, 0.5) and gaps.max() <= 2.3 / 32


def test_the_keyboard_can_do_it_all(painter):
    painter.set(share=0.0)
    painter.on_key(Key(1, "Enter"))
    assert inside(painter)[16, 16]
    painter.on_key(Key(2, " "))
    assert painter.values()["guess"] == (0.5, 0.5) and "as well or better" in painter.readout
    painter.on_key(Key(1, "Enter", shift=True))
    assert not inside(painter).any() and painter.values()["guess"] is None
    painter.on_key(Key(1, "ArrowLeft"))
    assert painter.values()["cursor"] == pytest.approx((0.5 - 1 / 16, 0.5))
    painter.on_key(Key(0, "ArrowRight"))
    assert painter.values()["picture"] == 1


def test_the_truth_waits_for_a_guess(painter):
    assert len(painter.panels) == 4 and "Squared error" not in painter.readout
    painter.on_pointer(Pointer("down", 2, 0.05, 0.05))
    assert painter.values()["guess"] is None  # no hole there
    painter.on_pointer(Pointer("down", 2, 0.5, 0.5))
    assert len(painter.panels) == 5 and "Squared error" in painter.readout
    hole, upload = painter.hidden_now()[1], painter.values()["upload"]
    place = painter.state.filled("small", 0, upload, hole, 0).place.reshape(32, 32)
    worse = (place[inside(painter)] > place[16, 16]).mean()
    assert f"{100 * (1 - worse):.0f} % of the hole" in painter.readout


def test_part_means_by_hand():
    images = torch.randint(
        0, 256, (20, 3, 30, 30), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    found = part_means(images)
    for k in range(3):
        band = slice(10 * k, 10 * k + 10)
        expected = (images[:, :, band].double() / 255).mean((0, 2, 3)).float()
        torch.testing.assert_close(found[:, band], expected[:, None, None].expand(-1, 10, 30))


def test_the_part_is_that_of_the_pictures_class(painter):
    state = painter.state
    data = scenes.World().sample(5, 32, 0)
    for picture in range(5):
        k = int(data.labels["biome"][picture])
        part, whose = state.part(picture, painter.values()["upload"])
        assert whose == scenes.BIOMES[k]
        torch.testing.assert_close(part, part_means(data.images[data.labels["biome"] == k]))


def test_nothing_and_everything_hidden_get_a_sentence(painter):
    painter.set(share=0.0)
    assert "nothing to fill" in painter.readout
    assert np.array_equal(painter.panels[2].rgba, draw.rgba(painter.state.images[0]))
    painter.set(share=1.0, answer=True)
    assert "Nothing is left to see" in painter.readout and painter.error is None
    one = painter.panels[2].rgba
    painter.set(picture=1)
    assert np.array_equal(painter.panels[2].rgba, one)  # nothing of the picture reached the network
    painter.set(hole="around", share=1.0)
    assert "nothing to fill" in painter.readout
    painter.set(hole="centre", share=0.8, distance=8)
    assert "Nothing is left to see" in painter.readout


@pytest.mark.parametrize("content", [b"", b"no picture at all", file(Image.effect_noise((90, 90), 50))[:900]])
def test_what_is_no_picture_gets_a_sentence(painter, content):
    before = painter.panels[2].rgba
    bring(painter, content)
    assert 'class="ssl-error"' in painter.readout and painter.error is None
    assert np.array_equal(painter.panels[2].rgba, before)


def test_an_upload_has_no_class(painter):
    bring(painter, file(Image.new("L", (70, 50), 200)))
    assert "any picture" in painter.panels[3].caption and "your own" in painter.panels[0].alt
    assert (painter.panels[1].rgba[0, 0, :3] == 200).all()


def test_pictures_without_labels_will_do():
    torch.manual_seed(0)
    plain = Pictures(scenes.World().sample(3, 32).images)
    painter = HolePainter(ContextEncoder(image_size=32), plain, with_shipped=False)
    assert "any picture" in painter.panels[3].caption and painter.error is None


def test_wrong_input_is_an_error_of_the_cell():
    torch.manual_seed(0)
    small = ContextEncoder(image_size=32)
    with pytest.raises(ValueError, match="no pictures"):
        HolePainter(small, Pictures(torch.zeros(0, 3, 32, 32, dtype=torch.uint8)), with_shipped=False)
    with pytest.raises(ValueError, match="32"):
        HolePainter(small, scenes.World().sample(2, 48), with_shipped=False)
