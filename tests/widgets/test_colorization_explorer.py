"""ColorizationExplorer: its pictures are the network's, the truth waits for a guess, and bad uploads get a sentence."""

import zlib

import numpy as np
import pytest
import torch
from examples import example
from PIL import Image
from uploads import bring, file

from ssl_course import assets, checkpoints
from ssl_course.data import scenes
from ssl_course.data.pictures import Pictures
from ssl_course.methods import Colorization
from ssl_course.widgets import ColorizationExplorer
from ssl_course.widgets.colorization_explorer import SHOWN
from ssl_course.widgets.frame import draw
from ssl_course.widgets.frame.canvas import Key, Pointer


@pytest.fixture
def explorer():
    return example("ColorizationExplorer")


@pytest.mark.parametrize(("temperature", "rebalancing"), [(0.38, 0.5), (0.0, 1.0), (1.0, 0.0)])
def test_the_picture_is_that_of_the_network(explorer, temperature, rebalancing):
    explorer.set(temperature=temperature, rebalancing=rebalancing, place=(0.0, 0.0))
    network = explorer.state.networks["small"]
    own = network.colorize(explorer.state.images[:1], temperature, 1 - rebalancing)[0]
    shown = explorer.panels[2].rgba
    times = len(shown) // 32
    expected = draw.rgba(own).repeat(times, 0).repeat(times, 1)
    far = len(shown) // 2  # the ring is at the top left
    assert np.array_equal(shown[far:], expected[far:])


def test_the_truth_waits_for_a_guess(explorer):
    assert len(explorer.panels) == 4 and "Click there" in explorer.readout and "truth" not in explorer.readout
    explorer.on_pointer(Pointer("down", 3, 0.3, 0.4))
    assert len(explorer.panels) == 5 and "Lab units off" in explorer.readout
    explorer.on_pointer(Pointer("down", 2, 0.1, 0.9))
    assert (
        explorer.values()["place"] == (0.1, 0.9) and len(explorer.panels) == 4
    )  # another place, another guess
    explorer.on_key(Key(3, "ArrowUp"))
    assert explorer.values()["guess"] == pytest.approx((0.5, 0.47))
    explorer.on_key(Key(2, "ArrowRight"))
    assert explorer.values()["place"] == pytest.approx((0.1 + 1 / 16, 0.9))
    explorer.on_pointer(Pointer("down", 0, 0.9, 0.9))
    assert explorer.values()["picture"] == 4 and explorer.values()["guess"] is None
    explorer.on_key(Key(0, "ArrowRight"))
    assert explorer.values()["picture"] == 0
    explorer.reset()
    assert explorer.values() == explorer.defaults


def test_l2_says_that_it_has_one_answer(explorer):
    explorer.set(network="small L2")
    first = explorer.panels[2].rgba
    explorer.set(temperature=0.0, rebalancing=1.0)
    assert np.array_equal(explorer.panels[2].rgba, first) and "one answer" in explorer.readout


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1", "CMYK", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (7, 300), (640, 480)])
def test_pictures_of_every_size_and_mode(explorer, mode, size):
    kind = "JPEG" if mode == "CMYK" else "PNG"
    bring(explorer, file(Image.new(mode, size), kind))
    assert explorer.values()["picture"] == SHOWN and explorer.error is None
    assert "ssl-error" not in explorer.readout and "your own" in explorer.panels[0].alt
    assert explorer.panels[1].rgba.shape == (32, 32, 4)


def bomb():
    """A PNG of 60,000 × 60,000 pixels in a few kilobytes of header and nothing."""
    content = bytearray(file(Image.new("RGB", (1, 1))))
    content[16:24] = (60_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"This is a letter, not a picture.", "not a picture"),
        (b"%PDF-1.7 and so on", "not a picture"),
        (file(Image.effect_noise((90, 90), 50))[:900], "damaged"),
        (bomb(), "too large"),
        (b"<svg onload=alert(1)></svg>", "not a picture"),
    ],
    ids=["empty", "letter", "pdf", "cut short", "bomb", "svg"],
)
def test_what_is_no_picture_gets_a_sentence(explorer, content, says):
    before = explorer.panels[2].rgba
    bring(explorer, content)
    assert says in explorer.readout and 'class="ssl-error"' in explorer.readout
    assert explorer.error is None and "Traceback" not in explorer.readout and "<svg" not in explorer.readout
    assert np.array_equal(explorer.panels[2].rgba, before)  # what was there stays
    bring(explorer, file(Image.new("RGB", (9, 9), "red")))
    assert "ssl-error" not in explorer.readout and explorer.values()["picture"] == SHOWN


def test_shipped_networks_come_first_and_are_not_needed(tmp_path, monkeypatch):
    monkeypatch.setattr(assets, "checkpoint", lambda name: tmp_path / f"{name}.safetensors")
    checkpoints.shipped.cache_clear()
    with pytest.raises(FileNotFoundError, match="assets/checkpoints|" + tmp_path.name):
        ColorizationExplorer()
    mine = Colorization(step=40)
    assert list(ColorizationExplorer(mine, scenes.World().sample(2, 32)).state.networks) == ["yours"]
    checkpoints.save(tmp_path / "colorization.safetensors", mine)
    checkpoints.shipped.cache_clear()
    both = ColorizationExplorer({"just trained": mine}, scenes.World().sample(2, 32))
    assert list(both.state.networks) == ["classes", "just trained"]
    checkpoints.shipped.cache_clear()


def test_no_pictures_is_an_error_of_the_cell():
    with pytest.raises(ValueError, match="no pictures"):
        ColorizationExplorer(Colorization(step=40), Pictures(torch.zeros(0, 3, 8, 8, dtype=torch.uint8)))
