"""A game: moves, commits, closed puzzles, and the next one."""

from __future__ import annotations

from typing import Any

import ipywidgets
import numpy as np

from ssl_course.widgets.frame.canvas import Panel
from ssl_course.widgets.frame.game import Boards, Game


class Count(Game):
    """The answer is a number, and begins with the puzzle's own."""

    fresh = {"held": None}

    def __init__(self) -> None:
        super().__init__(3, "side", ipywidgets.Dropdown(options=["left", "right"], description="side"))

    @staticmethod
    def begin(state: Any, puzzle: tuple) -> int:
        return 10 * puzzle[0]

    @staticmethod
    def render(
        state: Any, *, puzzle: int, side: str, boards: Boards, held: object
    ) -> tuple[list[Panel], str]:
        answer, done = Count.board(state, (puzzle, side), boards)
        return [Panel(np.zeros((4, 4), np.uint8), "board")], f"{answer} {done}"


def test_moves_commit_and_the_next_puzzle() -> None:
    game = Count()
    assert game.readout == "10 False"
    game.set(held=3)
    game.answer(11)
    assert game.readout == "11 False" and game.values()["held"] is None
    game.action_buttons["Commit"].click()
    game.answer(12)
    assert game.readout == "11 True", "a committed puzzle is closed"
    game.set(side="right")
    assert game.readout == "10 False", "the other side is another puzzle"
    for number in (2, 3, 1):
        game.action_buttons["Next puzzle"].click()
        assert game.values()["puzzle"] == number
    game.set(side="left")
    assert game.readout == "11 True"
    game.reset()
    assert game.readout == "10 False" and game.error is None
