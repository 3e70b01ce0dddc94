"""Figures carry their alt text, and look the same in both themes."""

import base64
import io
import re

import matplotlib
import matplotlib.pyplot as plt
import pytest
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


def test_style_uses_the_palette():
    with matplotlib.rc_context():
        plots.style()
        cycle = matplotlib.rcParams["axes.prop_cycle"].by_key()
        assert cycle["color"] == [palette.X1, palette.X2, palette.Y, palette.PSI]
        assert len(set(cycle["linestyle"])) == 4  # told apart without colour
