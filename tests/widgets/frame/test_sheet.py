"""The sheet of pictures: every one can be hit, arrows go round, and a step stays on the panel."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ssl_course.widgets.frame.canvas import Key, Panel, Pointer
from ssl_course.widgets.frame.sheet import SHOWN, SheetExplorer, cell_at, moved, sheet
from ssl_course.widgets.frame.upload import Upload


class Album(SheetExplorer):
    """Seven grays, four in a row, and one of the student's own."""

    def __init__(self) -> None:
        thumbs = [np.full((48, 48, 4), (k, k, k, 255), np.uint8) for k in range(7)]
        super().__init__({}, state=SimpleNamespace(thumbs=thumbs, size=8))

    @staticmethod
    def render(state: Any, *, picture: int, guess: object, upload: Upload) -> list[Panel]:
        return [sheet(state.thumbs, picture % 7)]


def test_every_picture_can_be_hit_where_it_lies() -> None:
    album = Album()
    for k in range(7):
        album.set(guess="mine")
        x, y = (k % 4 + 0.5) / 4, (k // 4 + 0.5) / 2
        album.on_pointer(Pointer("down", 0, x, y))
        assert album.values()["picture"] == k
        assert album.values()["guess"] is (None if k else "mine"), "a new picture, a new guess"
        shown = album.panels[0].rgba
        assert shown[round(y * len(shown)), round(x * shown.shape[1]), 0] == k
    album.on_pointer(Pointer("down", 0, 0.99, 0.99))  # beyond the short last row
    assert album.values()["picture"] == 6
    album.on_pointer(Pointer("down", 1, 0.1, 0.1))
    album.on_pointer(Pointer("drag", 0, 0.1, 0.1))
    assert album.values()["picture"] == 6


@pytest.mark.parametrize(
    ("key", "then"), [("ArrowRight", 0), ("ArrowLeft", 5), ("ArrowDown", 3), ("ArrowUp", 2)]
)
def test_arrows_go_round(key: str, then: int) -> None:
    album = Album()
    album.set(picture=6)
    album.on_key(Key(0, key))
    assert album.values()["picture"] == then


def test_an_upload_takes_the_place_behind_the_pictures_and_a_bad_one_does_not() -> None:
    album = Album()
    album._receive(Upload(bytes(3 * 64), 8))
    assert album.values()["picture"] == SHOWN
    album._receive(Upload(message="That is no picture."))
    assert album.values()["picture"] == SHOWN % 7 and album.error is None


def test_steps_and_cells() -> None:
    assert moved((0.5, 0.02), 0.1, -0.1) == (0.6, 0.0) and moved((0.5, 0.5), 1, 0, edge=0.125) == (0.875, 0.5)
    assert [cell_at(x, y, 2, 3) for x, y in ((0, 0), (0.99, 0), (1.0, 1.0), (0.4, 0.6))] == [0, 2, 5, 4]
