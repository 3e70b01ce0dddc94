"""Plots by Pillow: things are where they should be, letters are there, and it is quick."""

from __future__ import annotations

import numpy as np
import pytest

from ssl_course.course import palette
from ssl_course.widgets.frame.draw import Plot, framed, number, shades, short, ticks, tile
from ssl_course.widgets.frame.paint import SCALE, compose, font, lay_out, plain


def ink(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """(n, 2) x, y in CSS pixels of the pixels of just this colour."""
    y, x = np.nonzero((picture[..., :3] == colour).all(2))
    return np.stack([x, y], 1) / SCALE + 0.5 / SCALE


def test_a_dot_lies_where_at_and_place_say() -> None:
    plot = Plot(200, 160, (-1, 3), (10, 20))
    plot.dot(1.0, 12.5, (255, 0, 0), r=6)
    centre = ink(plot.array(), (255, 0, 0)).mean(0)
    fraction = plot.place(1.0, 12.5)
    assert np.allclose(centre, np.array(fraction) * (200, 160), atol=0.5)
    assert np.allclose(plot.at(*fraction), (1.0, 12.5))


def test_y_points_up_and_lines_are_antialiased() -> None:
    plot = Plot(100, 100, (0, 1), (0, 1), margin=(0, 0, 0, 0))
    picture = plot.line([(0, 0), (1, 1)], (0, 0, 0), 2).array()
    assert picture.shape == (200, 200, 4) and (picture[..., 3] == 255).all()
    assert picture[-20, 20, 0] < 60 and picture[20, -20, 0] < 60 and picture[20, 20, 0] == 255
    steep = plot.line([(0.1, 0), (0.3, 1)], (0, 0, 0), 2).array()
    assert len(np.unique(steep[..., 0])) >= 4, "edges are not smooth"


@pytest.mark.parametrize("letter", "ψελ²₁₂⊥∈ΣρσXY−·")
def test_the_font_has_the_letters_of_the_note(letter: str) -> None:
    missing = font(40).getmask("\U0010fffe").getbbox(), bytes(font(40).getmask("\U0010fffe"))
    mask = font(40).getmask(letter)
    assert mask.getbbox() and (mask.getbbox(), bytes(mask)) != missing


def test_ticks_are_round_and_inside() -> None:
    assert ticks(0, 1) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(-3, 3, 4) == [-2.0, 0.0, 2.0]
    assert all(0.013 <= t <= 0.029 for t in ticks(0.013, 0.029))


def test_dashes_leave_gaps() -> None:
    def dark(dash: tuple[float, float] | None) -> int:
        plot = Plot(200, 40, (0, 1), (0, 1)).line([(0, 0.5), (1, 0.5)], (0, 0, 0), 2, dash)
        return int((plot.array()[..., 0] < 50).sum())

    whole, dashed = dark(None), dark((6, 6))
    assert 0.35 < dashed / whole < 0.65


def test_tile() -> None:
    cells = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 6), np.uint8)
    sheet = tile(cells, 3, gap=2)
    assert sheet.shape == (10, 22, 4)
    assert [sheet[0, 0, 0], sheet[0, 8, 0], sheet[6, 8, 0]] == [0, 1, 4]


def test_plain() -> None:
    assert (
        plain("ε<sub>CI</sub>² = <b>3</b> &lt; 4<br>x<sub>1</sub> 10<sup>-2</sup>")
        == "ε_CI² = 3 < 4\nx₁ 10⁻²"
    )


def test_compose_has_room_for_everything() -> None:
    panels = [Plot(300, 100, (0, 1), (0, 1)).panel(f"caption {i} " * 9, "a plot") for i in range(5)]
    image = compose(lay_out(panels, "a long line below " * 30))
    assert image.width <= (760 + 16) * SCALE
    pixels = np.asarray(image)
    for edge in (pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:]):
        assert (edge == 255).all(), "something is cut off at the edge"


def test_a_rectangle_is_where_its_corners_are() -> None:
    plot = Plot(200, 160, (0, 10), (0, 8), margin=(0, 0, 0, 0))
    picture = plot.rect(2, 6, 7, 1, fill="#ff0000").array()  # corners in any order
    inside = ink(picture, (255, 0, 0))
    assert np.allclose([inside.min(0), inside.max(0)], [(40, 40), (140, 140)], atol=1)
    same = Plot(200, 160, (0, 10), (0, 8), margin=(0, 0, 0, 0))
    assert np.array_equal(same.polygon([(2, 6), (7, 6), (7, 1), (2, 1)], fill="#ff0000").array(), picture)


def test_a_board_counts_pixels_from_the_top_and_a_picture_as_a_pointer_does() -> None:
    picture = Plot.board(100, 50).rect(90, 0, 100, 10, fill="#ff0000").array()
    assert picture.shape == (100, 200, 4) and (picture[:19, 181:, 0] == 255).all()
    assert (picture[21:, :, 1] == 255).all()
    dark = np.zeros((20, 40, 3), np.uint8)
    plot = Plot.over(dark, 200)
    assert (plot.width, plot.height) == (200, 100) and plot.at(0.25, 0.75) == (0.25, 0.75)
    red = ink(plot.dot(0.25, 0.75, "#ff0000", r=5).array(), (255, 0, 0))
    assert np.allclose(red.mean(0), (50, 75), atol=0.5)
    assert np.array_equal(Plot.over(dark, 200).array()[..., :3], np.zeros((200, 400, 3)))


def test_a_ring_can_be_seen_on_its_own_colour() -> None:
    ground = np.full((50, 50, 3), (255, 0, 0), np.uint8)
    picture = Plot.over(ground, 100).ring(0.5, 0.5, "#ff0000", r=20, halo="#ffffff").array()
    at = np.hypot(*(ink(picture, (255, 255, 255)) - 50).T)
    assert len(at) and 16 < at.min() and at.max() < 24, "white on both sides of the ring"
    assert (picture[100, 60, :3] == (255, 0, 0)).all() and (picture[100, 100, :3] == (255, 0, 0)).all()


def test_names_stand_above_the_box_one_beside_the_other() -> None:
    plot = Plot(300, 100, (0, 1), (0, 1), margin=(40, 10, 10, 20))
    picture = (
        plot.names([("first", "#ff0000"), ("second", "#0000ff")]).names([("above", "#00ff00")], row=1).array()
    )
    first, second, above = (ink(picture, c) for c in ((255, 0, 0), (0, 0, 255), (0, 255, 0)))
    assert first[:, 0].min() == pytest.approx(20, abs=2) and first[:, 0].max() < second[:, 0].min()
    assert above[:, 1].max() < first[:, 1].min() < first[:, 1].max() < 40


def test_framed_is_a_copy_with_its_edges_painted() -> None:
    gray = np.full((10, 12, 3), 7, np.uint8)
    frame = framed(gray, palette.X1, 2)
    assert (gray == 7).all() and (frame[2:-2, 2:-2, :3] == 7).all()
    edge = np.ones((10, 12), bool)
    edge[2:-2, 2:-2] = False
    assert (frame[edge] == (*palette.rgb(palette.X1), 255)).all()


def test_shades_are_mixes() -> None:
    share = np.array([[-1.0, 0.0], [0.3, 2.0]])
    table = shades(share, palette.PSI)
    for where in np.ndindex(2, 2):
        assert tuple(table[where]) == palette.rgb(palette.mix(palette.PAPER, palette.PSI, share[where]))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1e-15, "0"), (0.012345, "0.0123"), (1.2e-5, "1.2e−5"), (-0.5, "−0.5"), (123456.0, "1.2e5")],
)
def test_numbers_for_the_line_below(value: float, text: str) -> None:
    assert number(value) == text


def test_short_texts_have_no_letter_that_no_font_can_draw() -> None:
    assert short("abcdef", 6) == "abcdef" and short("abcdefg", 6) == "abcde…" and short("a\x00b", 9) == "a�b"
