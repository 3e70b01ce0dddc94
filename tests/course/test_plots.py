"""Figures carry their alt text, and follow the theme."""

import base64
import io
import re
from urllib.parse import unquote
from xml.etree import ElementTree

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from ssl_course.course import palette, plots

SPACE = "{http://www.w3.org/2000/svg}"


def embedded(figure):
    """The files of the pictures in a figure, in its order."""
    return [
        io.BytesIO(base64.b64decode(data)) for data in re.findall(r"image/png;base64,([^\"]+)", figure.svg)
    ]


def drawn():
    fig, ax = plt.subplots(figsize=(4, 2))
    ax.plot([1, 2])
    return fig


def test_figure_is_an_image_with_alt_text():
    shown = plots.figure(drawn(), alt='Two points, "rising" <fast>.', caption="a < b", width=300)
    html = shown._repr_html_()
    assert 'alt="Two points, &quot;rising&quot; &lt;fast&gt;."' in html
    assert "<figcaption>a &lt; b</figcaption>" in html and 'width="300"' in html
    drawing = ElementTree.fromstring(unquote(re.search(r"svg\+xml,([^\"]+)", html)[1]))
    assert drawing.get("viewBox") == "0 0 288 144"  # 4 × 2 inches
    assert [e.text for e in drawing.iter(f"{SPACE}text")][:2] == ["0.0", "0.2"]  # text is text
    assert repr(shown) == '<figure: Two points, "rising" <fast>.>'


def test_figure_is_closed_and_its_bytes_are_repeatable():
    a, b = (plots.figure(drawn(), alt="line").svg for _ in range(2))
    assert a == b and plt.get_fignums() == []


def test_colours_of_the_palette_follow_the_theme_but_for_words_on_pictures():
    with matplotlib.rc_context():
        plots.style()
        fig, (left, right) = plt.subplots(1, 2)
        left.plot([1, 2], color=palette.X2)
        left.set_title("over a plot")
        right.imshow(np.eye(3))
        right.text(1, 1, "over pixels", color=palette.PAPER)
        svg = plots.figure(fig, alt="a line and a picture").svg
    assert f"stroke: var(--ssl-x2,{palette.X2})" in svg and palette.X2 not in svg.replace(
        f",{palette.X2})", ""
    )
    words = {e.text: e.get("style") for e in ElementTree.fromstring(svg).iter(f"{SPACE}text")}
    assert f"fill: var(--ssl-ink,{palette.INK})" in words["over a plot"]
    assert "fill: #fffffe" in words["over pixels"]  # as good as white, and without its name


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
    colours = [Image.open(file) for file in embedded(shown)]
    assert [image.convert("RGB").getcolors() for image in colours] == [
        [(64, (255, 0, 0))], *3 * [[(64, (0, 0, 255))]]
    ]  # fmt: skip
    words = [e.text for e in ElementTree.fromstring(shown.svg).iter(f"{SPACE}text")]
    assert sorted(words) == ["a", "above", "b", "below"] and plt.get_fignums() == []
    with pytest.raises(ValueError, match="alt text"):
        plots.pictures([[red]], alt="")
    with pytest.raises(ValueError):
        plots.pictures([[red], [red]], ["one name"], "two rows")


def test_pictures_keep_their_means_in_few_bytes():
    """A ramp in thousands of colours: places keep their mean."""
    across, down = np.meshgrid(np.linspace(0, 1, 64), np.linspace(0, 1, 64))
    ramp = np.stack([across, down, 1 - across], 2)
    (file,) = embedded(plots.pictures([[ramp]], alt="a ramp", width=3))
    image = Image.open(file)
    assert image.size == (64, 64) and len(file.getvalue()) < 64 * 64
    shown = np.asarray(image.convert("RGB"), float)
    means = shown.reshape(8, 8, 8, 8, 3).mean((1, 3))
    truth = 255 * ramp.reshape(8, 8, 8, 8, 3).mean((1, 3))
    assert np.abs(means - truth).max() < 6


def test_style_uses_the_palette():
    with matplotlib.rc_context():
        plots.style()
        cycle = matplotlib.rcParams["axes.prop_cycle"].by_key()
        assert cycle["color"] == [palette.X1, palette.X2, palette.Y, palette.PSI]
        assert len(set(cycle["linestyle"])) == 4  # told apart without colour
