"""Puzzles that are answered and committed one by one, and the score of both players."""

from collections.abc import Mapping
from typing import Any

import ipywidgets
from torch import nn

from ssl_course.checkpoints import shipped
from ssl_course.data import scenes
from ssl_course.data.pictures import Pictures
from ssl_course.widgets.frame.explorer import Explorer

PUZZLES = 12
Board = tuple[Any, bool]  # (the answer as it stands, whether it was committed)
Boards = tuple[tuple[tuple, Board], ...]  # (puzzle, Board) of those that were touched


def opponent(name: str, steps: int) -> nn.Module:
    """The shipped network that plays against the student; if it is not there, the error names its command."""
    how = f"--data scenes --n 8192 --steps {steps} --out assets/checkpoints/{name}.safetensors"
    return shipped(name, f"python -m ssl_course train {name} {how}")


def pictures_for(data: Pictures | None, seed: int) -> Pictures:
    """The first `PUZZLES` pictures, one for each puzzle; None paints scenes.

    Raises:
        ValueError: no pictures.
    """
    data = scenes.World().sample(PUZZLES, 64, seed=seed) if data is None else data[:PUZZLES]
    if not len(data):
        raise ValueError("data has no picture to make a puzzle of")
    return data


def readout(task: str, sure: float | None, answer: str, played: int, score: str) -> str:
    """The line below: what to do, or how sure the network was of its ``answer``; then the score."""
    line = task if sure is None else f"The network was <b>{100 * sure:.0f} %</b> sure of its {answer}."
    return line + (f"<br>Score after {played}: {score}." if played else "")


class Game(Explorer):
    """An `Explorer` with the buttons Commit and Next puzzle. A committed puzzle is closed until Reset.

    A puzzle is named by its number, from 1, and by the value of the second control, ``name``, which makes
    other puzzles of the same things: (1, "whole"). The hidden value ``boards`` holds what was answered.
    """

    fresh: Mapping[str, Any] = {}  # hidden values that every move puts back
    own: Mapping[str, Any] = {}  # further ones

    def __init__(self, count: int, name: str, variant: ipywidgets.Widget, state: Any = None) -> None:
        self._variant = name
        controls = {"puzzle": ipywidgets.IntSlider(1, 1, count, description="puzzle"), name: variant}
        hidden = {"boards": (), **self.fresh, **self.own}
        actions = {"Commit": self.commit, "Next puzzle": self.next}
        super().__init__(controls, state=state, hidden=hidden, actions=actions)

    @staticmethod
    def begin(state: Any, puzzle: tuple) -> Any:
        """The answer with which a puzzle begins."""
        raise NotImplementedError("a subclass defines begin(state, puzzle)")

    @classmethod
    def board(cls, state: Any, puzzle: tuple, boards: Boards) -> Board:
        """The answer as it stands, and whether it was committed. Pure."""
        return dict(boards).get(puzzle, (cls.begin(state, puzzle), False))

    def puzzle(self) -> tuple:
        """The one on the screen."""
        return self.values()["puzzle"], self.values()[self._variant]

    def now(self) -> Board:
        """The board on the screen."""
        return self.board(self.state, self.puzzle(), self.values()["boards"])

    def answer(self, answer: Any, done: bool = False) -> None:
        """A move: this is the answer now; nothing happens to a puzzle that is closed."""
        if not self.now()[1]:
            boards = dict(self.values()["boards"]) | {self.puzzle(): (answer, done)}
            self.set(boards=tuple(boards.items()), **self.fresh)

    def commit(self) -> None:
        """This is the student's answer; the network's appears."""
        self.answer(self.now()[0], done=True)

    def next(self) -> None:
        """The next puzzle, after the last the first."""
        self.set(puzzle=self.values()["puzzle"] % self.controls["puzzle"].max + 1, **self.fresh)
