"""Drawings as SVG: every mark where Pillow paints it, text as text, the palette's colours by name."""

from __future__ import annotations

import base64
import io
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from ssl_course.course import palette
from ssl_course.widgets.frame import svg
from ssl_course.widgets.frame.draw import Plot

SPACE = "{http://www.w3.org/2000/svg}"


def marks(plot: Plot, kind: str) -> list[ElementTree.Element]:
    return ElementTree.fromstring(plot.svg()).findall(f".//{SPACE}{kind}")


def test_colours_of_the_palette_have_names_mixtures_parts_and_others_stay() -> None:
    assert svg.css(palette.X1) == f"var(--ssl-x1,{palette.X1})"
    assert svg.css(palette.X1 + "80") == f"color-mix(in srgb,var(--ssl-x1,{palette.X1}) 50.2%,transparent)"
    assert svg.css("#123456") == "#123456" and svg.css((1, 2, 255)) == "#0102ff"
    mixed = palette.mix(palette.PAPER, palette.PSI, 0.25)
    parts = f"var(--ssl-psi,{palette.PSI}) 25%,var(--ssl-paper,{palette.PAPER})"
    assert svg.css(mixed) == f"color-mix(in srgb,{parts})"


def test_marks_lie_where_the_data_say() -> None:
    plot = Plot(200, 160, (0, 10), (0, 8), margin=(0, 0, 0, 0))
    plot.dot(2.5, 6, "#ff0000", r=5).bars([5.0], [4.0], "#00ff00", width=2).line([(0, 0), (10, 8)], "#0000ff")
    ((dot,), box, (line,)) = marks(plot, "path")[:1], marks(plot, "rect")[1], marks(plot, "path")[1:]
    assert dot.get("d") == "M50 40h0" and dot.get("stroke-width") == "10"
    assert [float(box.get(k)) for k in ("x", "y", "width", "height")] == [80, 80, 40, 80]
    assert line.get("d") == "M0 160L200 0"


def test_text_is_text_and_lies_above_shapes() -> None:
    plot = Plot(200, 160, (0, 1), (0, 1)).text(0.5, 0.5, "ε² < λ & ψ").rect(0, 0, 1, 1, fill="#000000")
    inside = list(ElementTree.fromstring(plot.svg()))
    assert [e.tag.removeprefix(SPACE) for e in inside] == ["rect", "path", "text"]
    assert inside[-1].text == "ε² < λ & ψ"


def test_a_mark_says_its_values() -> None:
    plot = Plot(200, 160, (0, 500), (0, 2)).axes("step", "loss").dot(300, 0.5, r=3).dots([(1, 1), (2, 1.5)])
    assert [e.find(f"{SPACE}title").text for e in marks(plot, "circle")] == [
        "step 300, loss 0.5", "step 1, loss 1", "step 2, loss 1.5",
    ]  # fmt: skip
    plot.line([(0, 1), (500, 2)]).line([(0, 2), (500, 1)], told="ψ < X₁")
    assert [e.findtext(f"{SPACE}title") for e in marks(plot, "path")][-2:] == [None, "ψ < X₁"]


def test_an_axis_of_words_tells_no_number_that_is_not_its_own() -> None:
    """A log axis has its ticks as words: at 2.0 it stands for 100."""
    plot = Plot(200, 160, (0, 3), (0, 1)).axes("n", "", {0: "1", 2: "100"}, [])
    assert [e.find(f"{SPACE}title").text for e in marks(plot.dot(2, 0.3), "circle")] == ["n 100"]
    assert len(marks(plot.dot(1.7, 0.3), "title")) == 1, "between the ticks it says nothing"


def test_thousands_of_points_stay_small() -> None:
    points = np.random.default_rng(0).uniform(0, 1, (5000, 2))
    plot = Plot(400, 400, (0, 1), (0, 1)).axes("x", "y").dots(points, palette.X2)
    assert len(plot.svg()) < 90_000 and not marks(plot, "title")


MANY = np.random.default_rng(0).normal(0, 1, (10_000, 2)).clip(-3, 3)
SHADES = [palette.mix(palette.X1, palette.X2, k / len(MANY)) for k in range(len(MANY))]


def over(image: ElementTree.Element, paper: str) -> np.ndarray:
    """A picture inside a drawing on its paper."""
    data = base64.b64decode(image.get("href").partition(",")[2])
    picture = Image.open(io.BytesIO(data)).convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", picture.size, paper), picture), int)[..., :3]


@pytest.mark.parametrize(
    ("color", "most", "off"),
    [(palette.X1, 40_000, 9), (palette.X1 + "90", 75_000, 9), (SHADES, 90_000, 24)],
    ids=["one", "shines through", "each its own"],
)
def test_ten_thousand_dots_are_a_picture_as_pillow_paints_them(color: object, most: int, off: int) -> None:
    """Their path has 130 KB. The axes and their text stay vectors."""
    plot = Plot(300, 220, (-3, 3), (-3, 3)).axes("x", "y").dots(MANY, color)
    assert len(plot.svg()) < most
    assert len(marks(plot, "text")) > 6 and all(len(e.get("d")) < 100 for e in marks(plot, "path"))
    light, dark = marks(plot, "image")
    assert (light.get("class"), dark.get("class")) == ("ssl-light", "ssl-dark")
    assert (light.get("display"), dark.get("display")) == (None, "none"), "light where no style sheet is"

    alone = Plot(300, 220, (-3, 3), (-3, 3)).dots(MANY, color)
    wrong = np.abs(over(light, palette.PAPER) - alone.array()[..., :3].astype(int))
    assert wrong.max() <= off and wrong.mean() < 2
    night = {c: palette.DARK[name] for c, name in palette.NAMES.items()}
    if isinstance(color, str):
        fills = night[color[:7]] + color[7:]
    else:
        fills = [palette.mix(night[palette.X1], night[palette.X2], c.share) for c in color]
    alone = Plot(300, 220, (-3, 3), (-3, 3), paper=night[palette.PAPER]).dots(MANY, fills)
    wrong = np.abs(over(dark, night[palette.PAPER]) - alone.array()[..., :3].astype(int))
    assert wrong.max() <= off and wrong.mean() < 2


def test_dots_of_no_palette_need_one_picture_and_few_dots_none() -> None:
    plot = Plot(300, 220, (-3, 3), (-3, 3))
    (only,) = marks(plot.dots(MANY, "#ff0000"), "image")
    assert only.get("class") is None and only.get("display") is None
    assert not marks(Plot(300, 220, (-3, 3), (-3, 3)).dots(MANY[:2000], palette.X1), "image")


@pytest.mark.parametrize("smooth", [True, False])
def test_a_picture_inside_a_drawing_keeps_its_pixels(smooth: bool) -> None:
    gray = np.arange(12, dtype=np.uint8).reshape(3, 4)
    (image,) = marks(Plot.over(gray, 80, smooth), "image")
    data = base64.b64decode(image.get("href").partition(",")[2])
    assert (np.asarray(Image.open(io.BytesIO(data)))[..., 0] == gray).all()
    assert [float(image.get(k)) for k in ("x", "y", "width", "height")] == [0, 0, 80, 60]
    assert ("pixelated" in image.get("style", "")) == (not smooth)
