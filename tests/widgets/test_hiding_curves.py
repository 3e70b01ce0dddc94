"""HidingCurves: its curves against closed forms of the AR(1) row."""

import math

import numpy as np
import pytest

from ssl_course.widgets import HidingCurves
from ssl_course.widgets.hiding_curves import PIXELS, curves, order_of


@pytest.mark.parametrize("pattern", ["random", "block", "spread"])
def test_orders_hide_each_pixel_once(pattern):
    assert sorted(order_of(pattern)) == list(range(PIXELS))
    with pytest.raises(ValueError, match="random, block, spread"):
        order_of("stripes")


def test_a_block_touches_the_rest_at_one_pixel():
    """A Markov chain cut in two: −½ log(1 − ρ²), whatever the length."""
    found = curves("block", 0.8)[:, 0]
    assert np.allclose(found, -0.5 * math.log(1 - 0.8**2))


def test_every_other_pixel_shares_most():
    """16 pixels evenly spread have 31 borders: more than 16 at random, and those more than a block."""
    spread, random, block = (curves(p, 0.9)[15, 0] for p in ("spread", "random", "block"))
    assert spread > random > block
    assert set(order_of("spread")[:16]) == set(range(0, 32, 2))


def test_pixels_that_share_nothing():
    found = curves("random", 0.0)
    assert np.allclose(found[:, :2], 0, atol=1e-9)
    assert np.allclose(found[:, 2], np.arange(31, 0, -1))  # one unit of distance for each visible pixel


def test_the_dependence_is_a_hump_and_the_information_falls():
    found = curves("random", 0.9)
    top = found[:, 0].argmax()
    assert 8 < top < 24 and found[0, 0] < found[top, 0] > found[-1, 0]
    assert (np.diff(found[:, 2]) < 0).all()


def test_the_curves_wait_for_the_guess():
    explorer = HidingCurves()
    first = [p.rgba.copy() for p in explorer.panels]
    assert "Guess" in explorer.readout
    explorer.set(whole=True)
    assert "Guess" not in explorer.readout
    assert all((a != p.rgba).any() for a, p in zip(first[1:], explorer.panels[1:], strict=True))
    explorer.set(hidden=20)
    row = explorer.panels[0].rgba
    cell = row.shape[1] // 32  # pixels of the picture for one of the row
    orange = (row[len(row) // 2, cell // 2 :: cell, :3] == [0xB8, 0x3A, 0x00]).all(1)
    assert orange.sum() == 20 and f"{curves('random', 0.9)[19, 0]:.2f}" in explorer.readout
