"""Figures carry their alt text, and look the same in both themes."""

import base64
import io
import re
from itertools import pairwise

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from ssl_course.course import palette, plots


def drawn():
    fig, ax = plt.subplots(figsize=(4, 2))
    ax.plot([1, 2])
    return fig


def test_figure_is_an_image_with_alt_text():
    shown = plots.figure(drawn(), alt='Two points, "rising" <fast>.', caption="a < b", width=300)
    html = shown._repr_html_()
    assert 'alt="Two points, &quot;rising&quot; &lt;fast&gt;."' in html
    assert "<figcaption>a &lt; b</figcaption>" in html and 'width="300"' in html
    data = base64.b64decode(re.search(r"base64,([^\"]+)", html)[1])
    image = Image.open(io.BytesIO(data))
    assert image.format == "PNG" and image.width == 4 * plots.DPI
    assert image.convert("RGBA").getpixel((0, 0)) == (255, 255, 255, 255)  # opaque paper
    assert repr(shown) == '<figure: Two points, "rising" <fast>.>'


def test_figure_is_closed_and_its_bytes_are_repeatable():
    a, b = (plots.figure(drawn(), alt="line").png for _ in range(2))
    assert a == b and plt.get_fignums() == []


@pytest.mark.parametrize("alt", ["", "  ", None])
def test_no_alt_text_is_an_error(alt):
    with pytest.raises(ValueError, match="alt text"):
        plots.figure(drawn(), alt=alt)
    plt.close("all")


def test_pictures_stand_in_rows_with_names_and_titles():
    red = torch.zeros(3, 8, 8)
    red[0] = 1
    blue = np.zeros((8, 8, 4), np.uint8)
    blue[..., 2:] = 255
    shown = plots.pictures(
        [[red, blue], [blue, blue]],
        ["above", "below"],
        "A red square and three blue.",
        titles=["a", "b"],
        width=3,
    )
    image = Image.open(io.BytesIO(shown.png))
    assert image.mode == "P" and image.width == 3 * plots.DPI and plt.get_fignums() == []
    share = {
        colour: count / (image.width * image.height) for count, colour in image.convert("RGB").getcolors()
    }
    assert 0.1 < share[255, 0, 0] < share[0, 0, 255] / 2.9 < 0.25
    with pytest.raises(ValueError, match="alt text"):
        plots.pictures([[red]], alt="")
    with pytest.raises(ValueError):
        plots.pictures([[red], [red]], ["one name"], "two rows")


def test_pictures_keep_their_means_in_few_colours():
    """A ramp in thousands of colours, six pixels of the screen for each of its own: places keep their mean."""
    across, down = np.meshgrid(np.linspace(0, 1, 64), np.linspace(0, 1, 64))
    ramp = np.stack([across, down, 1 - across], 2)
    image = Image.open(io.BytesIO(plots.pictures([[ramp]], alt="a ramp", width=3).png)).convert("RGB")
    shown = np.asarray(image, float)
    paper = (shown > 250).all(2)
    (top, *_, bottom), (left, *_, right) = (np.flatnonzero(~paper.all(axis)) for axis in (1, 0))
    shown = shown[top : bottom + 1, left : right + 1]
    places = [np.linspace(0, side, 9).astype(int) for side in shown.shape[:2]]
    means = [[shown[a:b, c:d].mean((0, 1)) for c, d in pairwise(places[1])] for a, b in pairwise(places[0])]
    truth = 255 * ramp.reshape(8, 8, 8, 8, 3).mean((1, 3))
    assert np.abs(np.array(means) - truth).max() < 6


def test_style_uses_the_palette():
    with matplotlib.rc_context():
        plots.style()
        cycle = matplotlib.rcParams["axes.prop_cycle"].by_key()
        assert cycle["color"] == [palette.X1, palette.X2, palette.Y, palette.PSI]
        assert len(set(cycle["linestyle"])) == 4  # told apart without colour
