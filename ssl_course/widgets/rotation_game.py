"""Lecture 05's second game: which way is up? The student turns the picture, then the network (note §3.1)."""

from math import atan2, pi
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from ipywidgets import Dropdown
from PIL import Image

from ssl_course.course import palette
from ssl_course.data.pictures import Pictures
from ssl_course.interfaces import pair_of
from ssl_course.methods import Rotation
from ssl_course.widgets.frame import Frame, Key, Panel, Pointer, draw
from ssl_course.widgets.frame.game import Boards, Game, opponent, pictures_for, readout

SIDE = 200  # CSS pixels
ZOOMS = {"the whole picture": 1, "a piece of it": 2, "a small piece": 4}


class _Puzzle(NamedTuple):
    picture: np.ndarray  # (SIDE, SIDE, 4), upright
    quarters: int  # how often it was turned, counter-clockwise
    chance: tuple[float, float, float, float]  # the network's, of 0, 1, 2, 3 quarters


class RotationGame(Game):
    """Turn the picture upright, commit, and compare with the network; the score of both is kept.

    Click on the picture, drag round its middle, or use the arrows: it turns by quarters. The network sees
    the same pixels. A puzzle that was committed is closed; its answer counts for the score until Reset.

    Args:
        network: a trained `Rotation` of the four right angles; None takes the one shipped with the course.
        data: pictures for it, at least 1; None paints scenes.

    Raises:
        FileNotFoundError: no network was given and none is shipped.
        ValueError: no pictures, or a network of other angles.
    """

    def __init__(self, network: Rotation | None = None, data: Pictures | None = None) -> None:
        network = opponent("rotation", steps=150) if network is None else network
        if network.angles != (0.0, 90.0, 180.0, 270.0):
            raise ValueError(f"the game needs a network of the four right angles, not of {network.angles}")
        data = pictures_for(data, 2003)
        zoom = Dropdown(options=list(ZOOMS), description="you both see")
        super().__init__(len(data), "zoom", zoom, _state(network, data))
        self._grip: tuple[float, int] | None = None  # where the pointer took hold: its angle, the turn then

    @staticmethod
    def begin(state: Any, puzzle: tuple[int, str]) -> int:
        """Quarters that the student has turned it clockwise."""
        return 0

    @staticmethod
    def render(state: Any, *, puzzle: int, zoom: str, boards: tuple) -> Frame:
        """The turned picture; after the commit also the network's answer. Pure."""
        this: _Puzzle = state[puzzle, zoom]
        back, done = RotationGame.board(state, (puzzle, zoom), boards)
        panels = [_turned(this, back, "your answer"), *_answer(this)] if done else [_to_turn(this, back)]
        return panels, _readout(state, boards, this, done)

    def on_pointer(self, event: Pointer) -> None:
        """Drag round the middle, by quarters; a click turns one quarter clockwise."""
        back, done = self.now()
        if done:
            return
        angle = atan2(0.5 - event.y, event.x - 0.5)  # counter-clockwise from the right, radians
        if event.kind == "down":
            self._grip = (angle, back)
        elif self._grip is not None:
            began, before = self._grip
            quarters = round(((angle - began + pi) % (2 * pi) - pi) / (pi / 2))  # counter-clockwise
            if event.kind == "drag":
                self.answer((before - quarters) % 4)
            else:
                self._grip = None
                still = back == before % 4 and quarters == 0
                self.answer((back + 1 if still else before - quarters) % 4)

    def on_key(self, event: Key) -> None:
        """Right, Enter or Space turn a quarter clockwise, left counter-clockwise, up and down by two."""
        turn = {"ArrowLeft": -1, "ArrowUp": 2, "ArrowDown": 2}.get(event.key, 1)
        self.answer((self.now()[0] + turn) % 4)


@torch.no_grad()
def _state(network: Rotation, data: Pictures) -> dict[tuple[int, str], _Puzzle]:
    """All puzzles with the network's answers; nothing is computed later."""
    stream = torch.Generator().manual_seed(3)  # how far each is turned, and where pieces lie
    quarters = torch.randint(0, 4, (len(data),), generator=stream).tolist()
    where = torch.rand(len(data), 2, generator=stream).tolist()
    x, size, puzzles = data.images.float() / 255, data.images.shape[-1], {}
    network.eval()
    for words, zoom in ZOOMS.items():
        side = max(size // zoom, 4)
        for i, (turns, (down, right)) in enumerate(zip(quarters, where, strict=True)):
            top, left = round(down * (size - side)), round(right * (size - side))
            piece = x[i : i + 1, :, top : top + side, left : left + side]
            piece = F.interpolate(piece, (size, size), mode="bilinear") if zoom > 1 else piece  # (1, 3, H, W)
            turned = pair_of(network, Pictures(piece)).x1  # (4, 3, H, W), in all its turns
            logits = network.logits(turned[turns, None])
            large = Image.fromarray(draw.rgba(piece[0])).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            puzzles[i + 1, words] = _Puzzle(np.asarray(large), turns, tuple(logits.softmax(1)[0].tolist()))
    return puzzles


def _after(this: _Puzzle, back: int) -> np.ndarray:
    """The picture as it is given, turned back by quarters."""
    return np.ascontiguousarray(np.rot90(this.picture, this.quarters - back))


def _to_turn(this: _Puzzle, back: int) -> Panel:
    alt = f"the picture, turned; you have turned it {back} quarters clockwise"
    return Panel(_after(this, back), "X₁: turn it upright", alt, SIDE, pixelated=False, operable=True)


def _turned(this: _Puzzle, back: int, whose: str) -> Panel:
    verdict = f"{whose}: " + ("✓ upright" if back == this.quarters else "✗ not upright")
    return Panel(_after(this, back), verdict, verdict, SIDE, pixelated=False)


def _answer(this: _Puzzle) -> list[Panel]:
    """The network's, how sure it was, and the picture."""
    plot = draw.Plot(200, 200, (-0.6, 3.6), (0, 1), margin=(20, 8, 40, 36))
    plot.axes("turned by", xticks={k: f"{90 * k}°" for k in range(4)}, yticks=[0, 0.5, 1])
    colours = [palette.PASSED if k == this.quarters else palette.MUTED for k in range(4)]
    plot.bars(range(4), this.chance, colours, width=0.7)
    for k, p in enumerate(this.chance):
        words = f"{p:.2f}" + (" ✓" if k == this.quarters else "")
        plot.text(k, p, words, palette.INK, 11, "ms", offset=(0, -4), halo=True)
    alt = "the network's probabilities: " + ", ".join(f"{90 * k}° {p:.2f}" for k, p in enumerate(this.chance))
    return [
        _turned(this, int(np.argmax(this.chance)), "the network's answer"),
        plot.panel(f"P(X₂ | X₁); it was turned by {90 * this.quarters}°", alt),
        Panel(this.picture, "upright", "the picture upright", 96, pixelated=False),
    ]


def _readout(state: dict, boards: Boards, this: _Puzzle, done: bool) -> str:
    """Instructions or the verdict, and the score so far."""
    played = [(state[key], turned) for key, (turned, closed) in boards if closed]
    mine = sum(p.quarters == turned for p, turned in played)
    theirs = sum(p.quarters == int(np.argmax(p.chance)) for p, _ in played)
    score = f"<b>you {mine}</b>, <b>the network {theirs}</b>"
    task = (
        "Click, drag round the middle, or use the arrows: the picture turns by quarters. Commit when it is "
        "upright, then the network answers."
    )
    return readout(task, max(this.chance) if done else None, "answer", len(played), score)
