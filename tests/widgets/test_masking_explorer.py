"""MaskingExplorer: masks by hand and by slider, what the network sees of them, and bad input as sentences."""

import numpy as np
import pytest
import torch
from examples import example
from uploads import bring, file

from ssl_course import nets
from ssl_course.data.pictures import Pictures
from ssl_course.methods import MAE
from ssl_course.methods.mae import hidden_error
from ssl_course.pretext.masking import mask_noise, random_masking
from ssl_course.widgets import MaskingExplorer
from ssl_course.widgets.frame import draw
from ssl_course.widgets.frame.canvas import Key, Pointer
from ssl_course.widgets.frame.hide_and_fill import cell_of
from ssl_course.widgets.masking_explorer import fitted


@pytest.fixture
def explorer():
    return example("MaskingExplorer")


def hidden(explorer):
    return [bool(k) for k in explorer.hidden_now()[1]]


def mask_of_training(kind, ratio, number, grid):
    """The mask (1, L) of the draw with this number."""
    noise = mask_noise(kind, 1, grid, ratio, generator=torch.Generator().manual_seed(number))
    return random_masking(noise, ratio)[2]


@pytest.fixture(scope="module")
def of_64_patches():
    small = MAE(image_size=32, patch_size=4, dim=16, depth=1, heads=2, decoder_dim=16, decoder_heads=2)
    return MaskingExplorer(small, with_shipped=False)


@pytest.mark.parametrize("kind", ["random", "block", "grid"])
@pytest.mark.parametrize("ratio", [0.0, 0.01, 0.1, 0.5, 0.9, 0.97, 0.99, 1.0])
def test_the_slider_rounds(of_64_patches, kind, ratio):
    of_64_patches.set(kind=kind, ratio=ratio, number=3)
    mask = hidden(of_64_patches)
    assert sum(mask) == round(64 * ratio)
    if 0 < sum(mask) < 64:  # inside, they are the masks that training draws
        assert torch.equal(torch.tensor([mask]).float(), mask_of_training(kind, ratio, 3, 8))


def test_what_is_hidden_is_what_the_methods_pair_hides(explorer):
    """A method that hides in a way of its own is shown as it learns, by its own share and kind."""

    class Lower(MAE):
        def hide(self, images, mask_ratio=None, noise=None):
            rows = torch.arange(16.0)[None].expand(len(images), -1) if noise is None else noise
            return super().hide(images, mask_ratio, rows)

    lower = Lower(image_size=32, dim=32, depth=1, heads=2, decoder_dim=16, decoder_heads=2, mask_ratio=0.25)
    own = MaskingExplorer({"lower": lower}, Pictures(explorer.state.images), with_shipped=False)
    assert hidden(own) == [False] * 4 + [True] * 12
    own.set(ratio=0.5, number=4)
    assert hidden(own) == [False] * 8 + [True] * 8
    assert lower.mask_ratio == 0.25  # the slider is no business of the network's owner


def test_the_filling_is_the_methods_own(explorer):
    method, image = explorer.state.networks["small"], explorer.state.images[:1]
    mask = torch.tensor([hidden(explorer)]).float()
    expected, used = method.reconstruct(image, 0.75, mask)
    assert torch.equal(used, mask)
    assert np.array_equal(explorer.panels[2].rgba, draw.rgba(expected[0]))
    explorer.set(answer=True)
    assert f"{hidden_error(image, expected, mask):.4f}" in explorer.readout


def test_click_and_drag_hide_and_show(explorer):
    before = hidden(explorer)
    visible = before.index(False)
    x, y = (visible % 4 + 0.5) / 4, (visible // 4 + 0.5) / 4
    explorer.on_pointer(Pointer("down", 1, x, y))
    assert [a != b for a, b in zip(hidden(explorer), before, strict=True)].count(True) == 1 and hidden(
        explorer
    )[visible]
    row = tuple(((c + 0.5) / 4, 0.1) for c in range(4))
    explorer.on_pointer(Pointer("drag", 1, *row[-1], path=row))  # the stroke goes on hiding
    assert all(hidden(explorer)[:4])
    explorer.on_pointer(Pointer("down", 1, *row[0]))  # a stroke that begins on a hidden patch shows
    explorer.on_pointer(Pointer("drag", 1, *row[-1], path=row))
    assert not any(hidden(explorer)[:4])
    far = Pointer("drag", 1, *row[-1], path=(row[-1],))
    explorer.on_pointer(Pointer("down", 1, *row[0]))
    explorer.on_pointer(far)  # so fast that nothing between the ends was reported
    assert all(hidden(explorer)[:4])
    explorer.set(ratio=0.5)  # new settings, a new mask
    assert torch.equal(torch.tensor([hidden(explorer)]).float(), mask_of_training("random", 0.5, 0, 4))
    explorer.reset()
    assert hidden(explorer) == before


def test_the_keyboard_can_do_it_all(explorer):
    before = hidden(explorer)
    explorer.on_key(Key(1, "ArrowRight"))
    explorer.on_key(Key(1, "ArrowDown"))
    assert cell_of(explorer.values()["cursor"], 4) == 5
    explorer.on_key(Key(1, "Enter"))
    assert hidden(explorer)[5] != before[5]
    if not hidden(explorer)[5]:
        explorer.on_key(Key(1, " "))
    explorer.on_key(Key(2, "Enter"))
    assert cell_of(explorer.values()["guess"], 4) == 5 and "from the worst" in explorer.readout
    explorer.on_key(Key(0, "ArrowRight"))
    assert explorer.values()["picture"] == 1 and explorer.values()["guess"] is None


def test_the_truth_waits_for_a_guess(explorer):
    assert len(explorer.panels) == 3 and "Squared error" not in explorer.readout
    visible, covered = hidden(explorer).index(False), hidden(explorer).index(True)
    explorer.on_pointer(Pointer("down", 2, (visible % 4 + 0.5) / 4, (visible // 4 + 0.5) / 4))
    assert explorer.values()["guess"] is None  # nothing was filled there
    explorer.on_pointer(Pointer("down", 2, (covered % 4 + 0.5) / 4, (covered // 4 + 0.5) / 4))
    assert len(explorer.panels) == 5 and "Squared error" in explorer.readout
    error = explorer.state.filled("small", 0, explorer.values()["upload"], bytes(hidden(explorer))).patches
    rank = 1 + sum(error > error[covered])
    assert f"number <b>{rank}</b>" in explorer.readout


def test_nothing_and_everything_hidden_get_a_sentence(explorer):
    explorer.set(ratio=0.0)
    assert "Nothing is hidden" in explorer.readout and explorer.error is None
    assert np.array_equal(explorer.panels[2].rgba, draw.rgba(explorer.state.images[0]))
    explorer.set(ratio=1.0, answer=True)
    assert "Everything is hidden" in explorer.readout and "<b>1</b> tokens" in explorer.readout
    one = explorer.panels[2].rgba
    explorer.set(picture=1)
    assert np.array_equal(explorer.panels[2].rgba, one)  # nothing of the picture reached the network


def test_normalised_patches_are_filled_with_a_leak_and_it_says_so(explorer):
    explorer.set(network="normalised", answer=True)
    assert "a leak" in explorer.panels[2].caption
    method, image = explorer.state.networks["normalised"], explorer.state.images[:1]
    mask = torch.tensor([hidden(explorer)]).float()
    torch.nn.init.zeros_(
        method.decoder_pred.weight
    )  # a network that predicts 0 everywhere paints the true means
    torch.nn.init.zeros_(method.decoder_pred.bias)
    out, x = method.reconstruct(image, 0.75, mask, lend=True)[0][0], image[0] / 255
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (nets.MEAN, nets.STD))
    for patch in range(16):
        rows, columns = (slice(8 * k, 8 * k + 8) for k in divmod(patch, 4))
        own = x[:, rows, columns]
        lent = ((own - mean) / std).mean() * std + mean  # one number, over pixels and channels
        expected = lent.expand_as(own) if mask[0, patch] else own
        torch.testing.assert_close(out[:, rows, columns], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("content", [b"", b"no picture at all"])
def test_what_is_no_picture_gets_a_sentence(explorer, content):
    bring(explorer, content)
    assert 'class="ssl-error"' in explorer.readout and explorer.error is None


def test_an_upload_is_masked_too(explorer):
    from PIL import Image

    bring(explorer, file(Image.new("RGB", (70, 50), "red")))
    assert "your own" in explorer.panels[0].alt and explorer.error is None
    seen = explorer.panels[1].rgba[..., :3].reshape(-1, 3)
    assert {tuple(c) for c in seen.tolist()} == {(255, 0, 0), (128, 128, 128)}


def test_wrong_input_is_an_error_of_the_cell():
    small = MAE(image_size=32, dim=32, depth=1, heads=2)
    with pytest.raises(ValueError, match="no pictures"):
        MaskingExplorer(small, Pictures(torch.zeros(0, 3, 32, 32, dtype=torch.uint8)))
    other = MAE(image_size=16, dim=32, depth=1, heads=2)
    with pytest.raises(ValueError, match=r"\[16, 32\] px"):
        MaskingExplorer({"a": small, "b": other}, with_shipped=False)


@pytest.mark.parametrize("shape", [(3, 48, 48), (3, 20, 61), (1, 32, 32), (4, 33, 16)])
def test_pictures_of_another_size_or_mode_get_a_sentence(shape):
    small = MAE(image_size=32, dim=32, depth=1, heads=2)
    images = torch.randint(0, 256, (2, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    explorer = MaskingExplorer(small, Pictures(images), with_shipped=False)
    assert explorer.error is None and f"{shape[2]} × {shape[1]} px" in explorer.readout
    assert tuple(explorer.state.images.shape) == (2, 3, 32, 32)


def test_pictures_are_cut_to_their_middle_square():
    images = torch.zeros(1, 1, 4, 8, dtype=torch.uint8)
    images[..., 2:6] = 200
    out, said = fitted(images, 4)
    assert (out == 200).all() and out.shape == (1, 3, 4, 4) and "middle square" in said
    assert fitted(out, 4) == (out, "")


def test_a_picture_too_large_to_decode_gets_a_sentence(explorer, monkeypatch):
    from PIL import Image

    from ssl_course.data import photos

    monkeypatch.setattr(photos, "MAX_PIXELS", 1000)
    bring(explorer, file(Image.new("RGB", (70, 50), "red")))
    assert 'class="ssl-error"' in explorer.readout and explorer.error is None


@pytest.mark.parametrize("mode", ["L", "RGBA", "1", "P", "I;16"])
def test_uploads_of_every_mode(explorer, mode):
    from PIL import Image

    bring(explorer, file(Image.new(mode, (40, 40), 1)))
    assert "ssl-error" not in explorer.readout and explorer.error is None
