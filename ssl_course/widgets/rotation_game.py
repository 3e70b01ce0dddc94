"""Lecture 05's second game: which way is up? The student turns the picture, then the network (note §3.1)."""

from __future__ import annotations

from math import atan2, pi
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from ssl_course.checkpoints import shipped
from ssl_course.course import palette
from ssl_course.data import scenes
from ssl_course.data.pictures import Pictures
from ssl_course.methods import Rotation
from ssl_course.nets import ConvNet
from ssl_course.widgets.frame import draw
from ssl_course.widgets.frame.canvas import Key, Panel, Pointer
from ssl_course.widgets.frame.explorer import Explorer

PUZZLES = 12
SIDE = 200  # CSS pixels
ZOOMS = {"the whole picture": 1, "a piece of it": 2, "a small piece": 4}


class _Puzzle(NamedTuple):
    picture: np.ndarray  # (SIDE, SIDE, 4), upright
    quarters: int  # how often it was turned, counter-clockwise
    chance: tuple[float, float, float, float]  # the network's, of 0, 1, 2, 3 quarters


class RotationGame(Explorer):
    """Turn the picture upright, commit, and compare with the network; the score of both is kept.

    Click on the picture, drag round its middle, or use the arrows: it turns by quarters. The network sees
    the same pixels. A puzzle that was committed is closed; its answer counts for the score until Reset.

    Args:
        network: a trained `Rotation` of the four right angles; None takes the one shipped with the course.
        data: pictures for it, at least 1; None paints scenes.
        seed: of the puzzles: how far each is turned, and where pieces lie.

    Raises:
        FileNotFoundError: no network was given and none is shipped.
        ValueError: no pictures, or a network of other angles.
    """

    def __init__(self, network: Rotation | None = None, data: Pictures | None = None, seed: int = 3) -> None:
        if network is None:
            network = shipped(
                "rotation",
                "python -m ssl_course train rotation --data scenes --n 8192 "
                "--steps 150 --out assets/checkpoints/rotation.safetensors",
            )
        if network.angles != (0.0, 90.0, 180.0, 270.0):
            raise ValueError(f"the game needs a network of the four right angles, not of {network.angles}")
        data = scenes.World().sample(PUZZLES, 64, seed=2000 + seed) if data is None else data[:PUZZLES]
        if not len(data):
            raise ValueError("data has no picture to make a puzzle of")
        controls = {
            "puzzle": ipywidgets.IntSlider(1, 1, len(data), description="puzzle"),
            "zoom": ipywidgets.Dropdown(options=list(ZOOMS), description="you both see"),
        }
        whole = next(iter(ZOOMS))
        tries = {
            "boards": [(((1, whole), (2, False)),), (((1, whole), (2, True)),), (((1, whole), (0, True)),)]
        }
        super().__init__(
            controls,
            state=_state(network, data, seed),
            hidden={"boards": ()},
            tries=tries,
            actions={"Commit": self.commit, "Next puzzle": self.next},
        )
        self._grip: tuple[float, int] | None = None  # where the pointer took hold: its angle, the turn then

    @classmethod
    def example(cls) -> RotationGame:
        """A small network that has learned nothing, on three pictures."""
        torch.manual_seed(0)
        return cls(Rotation(ConvNet((8, 8))), scenes.World(0.5).sample(3, 32, seed=1))

    @staticmethod
    def render(state: Any, *, puzzle: int, zoom: str, boards: tuple) -> tuple[list[Panel], str]:
        """The turned picture; after the commit also the network's answer. Pure."""
        this: _Puzzle = state[puzzle, zoom]
        back, done = dict(boards).get((puzzle, zoom), (0, False))
        panels = [_turned(this, back, done)]
        if done:
            panels += _answer(this)
        return panels, _readout(state, boards, this, back, done)

    def on_pointer(self, event: Pointer) -> None:
        """Drag round the middle, by quarters; a click turns one quarter clockwise."""
        back, done = self._board()
        if done:
            return
        angle = atan2(0.5 - event.y, event.x - 0.5)  # counter-clockwise from the right, radians
        if event.kind == "down":
            self._grip = (angle, back)
        elif self._grip is not None:
            began, before = self._grip
            quarters = round(((angle - began + pi) % (2 * pi) - pi) / (pi / 2))  # counter-clockwise
            if event.kind == "drag":
                self._put(before - quarters)
            else:
                self._grip = None
                still = back == before % 4 and quarters == 0
                self._put(back + 1 if still else before - quarters)

    def on_key(self, event: Key) -> None:
        """Right, Enter or Space turn a quarter clockwise, left counter-clockwise, up and down by two."""
        back, done = self._board()
        if not done:
            self._put(back + {"ArrowLeft": -1, "ArrowUp": 2, "ArrowDown": 2}.get(event.key, 1))

    def commit(self) -> None:
        """This is the student's answer; the network's appears."""
        back, done = self._board()
        if not done:
            self._put(back, True)

    def next(self) -> None:
        """The next puzzle, after the last the first."""
        self.set(puzzle=self.values()["puzzle"] % self.controls["puzzle"].max + 1)

    def _board(self) -> tuple[int, bool]:
        """(quarters that the student turned it clockwise, committed)."""
        values = self.values()
        return dict(values["boards"]).get((values["puzzle"], values["zoom"]), (0, False))

    def _put(self, back: int, done: bool = False) -> None:
        values = self.values()
        boards = dict(values["boards"]) | {(values["puzzle"], values["zoom"]): (back % 4, done)}
        self.set(boards=tuple(boards.items()))


@torch.no_grad()
def _state(network: Rotation, data: Pictures, seed: int) -> dict[tuple[int, str], _Puzzle]:
    """All puzzles with the network's answers; nothing is computed later."""
    stream = torch.Generator().manual_seed(seed)
    quarters = torch.randint(0, 4, (len(data),), generator=stream).tolist()
    where = torch.rand(len(data), 2, generator=stream).tolist()
    x, size, found = data.images.float() / 255, data.images.shape[-1], {}
    network.eval()
    for words, zoom in ZOOMS.items():
        side = max(size // zoom, 4)
        for i, (turns, (down, right)) in enumerate(zip(quarters, where, strict=True)):
            top, left = round(down * (size - side)), round(right * (size - side))
            piece = x[i : i + 1, :, top : top + side, left : left + side]
            piece = F.interpolate(piece, (size, size), mode="bilinear") if zoom > 1 else piece  # (1, 3, H, W)
            logits = network.logits(torch.rot90(piece, turns, (2, 3)).to(network.head.weight.device))
            large = Image.fromarray(draw.rgba(piece[0])).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            found[i + 1, words] = _Puzzle(np.asarray(large), turns, tuple(logits.softmax(1)[0].tolist()))
    return found


def _turned(this: _Puzzle, back: int, done: bool) -> Panel:
    """The picture as the student has turned it, with an arrow to what would then be up."""
    shown = np.rot90(this.picture, this.quarters - back)
    if not done:
        alt = f"the picture, turned; you have turned it {back} quarters clockwise"
        return Panel(
            np.ascontiguousarray(shown), "X₁: turn it upright", alt, SIDE, pixelated=False, operable=True
        )
    right = back == this.quarters
    said = "your answer: ✓ upright" if right else "your answer: ✗ not upright"
    return Panel(np.ascontiguousarray(shown), said, said, SIDE, pixelated=False)


def _answer(this: _Puzzle) -> list[Panel]:
    guess = int(np.argmax(this.chance))
    right = guess == this.quarters
    shown = np.ascontiguousarray(np.rot90(this.picture, this.quarters - guess))
    said = "the network's answer: " + ("✓ upright" if right else "✗ not upright")
    plot = draw.Plot(200, 200, (-0.6, 3.6), (0, 1), margin=(20, 8, 40, 36))
    plot.axes("turned by", xticks={k: f"{90 * k}°" for k in range(4)}, yticks=[0, 0.5, 1])
    colours = [palette.PASSED if k == this.quarters else palette.MUTED for k in range(4)]
    plot.bars(range(4), this.chance, colours, width=0.7)
    for k, p in enumerate(this.chance):
        words = f"{p:.2f}" + (" ✓" if k == this.quarters else "")
        plot.text(k, p, words, palette.INK, 11, "ms", offset=(0, -4), halo=True)
    alt = "the network's probabilities: " + ", ".join(f"{90 * k}° {p:.2f}" for k, p in enumerate(this.chance))
    return [
        Panel(shown, said, said, SIDE, pixelated=False),
        plot.panel(f"P(X₂ | X₁); it was turned by {90 * this.quarters}°", alt),
        Panel(this.picture, "upright", "the picture upright", 96, pixelated=False),
    ]


def _readout(state: dict, boards: tuple, this: _Puzzle, back: int, done: bool) -> str:
    played = [(state[key], turned) for key, (turned, closed) in boards if closed]
    score = ""
    if played:
        mine = sum(p.quarters == turned for p, turned in played)
        theirs = sum(p.quarters == int(np.argmax(p.chance)) for p, _ in played)
        score = f"<br>Score after {len(played)}: <b>you {mine}</b>, <b>the network {theirs}</b>."
    if done:
        return f"The network was <b>{100 * max(this.chance):.0f} %</b> sure of its answer.{score}"
    return (
        "Click, drag round the middle, or use the arrows: the picture turns by quarters. Commit when it is "
        f"upright, then the network answers.{score}"
    )
