"""Lecture 05's first game: order the tiles of a picture, then see what the network answers (note §3.1)."""

from __future__ import annotations

from math import factorial
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
import torch
from PIL import Image

from ssl_course.checkpoints import shipped
from ssl_course.course import palette
from ssl_course.data import scenes
from ssl_course.data.pictures import Pictures
from ssl_course.methods import Jigsaw
from ssl_course.nets import ConvNet
from ssl_course.pretext.puzzles import cut, shuffle
from ssl_course.widgets.frame import draw
from ssl_course.widgets.frame.canvas import Key, Panel, Pointer
from ssl_course.widgets.frame.explorer import Explorer

PUZZLES = 12
BOARD, RIM = 214, 5  # CSS pixels of the board, and between its tiles
BEST = 5  # orders whose probabilities are shown
RIGHT, WRONG = palette.PASSED, palette.WRONG


class _Puzzle(NamedTuple):
    """One picture with one way to cut it."""

    picture: np.ndarray  # (H, W, 4)
    tiles: list[np.ndarray]  # grid² of (t, t, 4), by their true place
    start: tuple[int, ...]  # which tile lies in each place
    guess: tuple[int, ...]  # the network's answer in the same form
    best: list[tuple[float, int, bool]]  # probability, tiles right, whether all, of its best orders


class _State(NamedTuple):
    puzzles: dict[tuple[int, bool], _Puzzle]  # (number, with gaps)
    grid: int
    orders: int


class JigsawGame(Explorer):
    """Put the tiles in order, commit, and compare with the network; the score of both is kept.

    Drag a tile onto another, or move with the arrows and lift and drop with Enter: the two change places. A
    puzzle that was committed is closed; its answer counts for the score until Reset.

    Args:
        network: a trained `Jigsaw`; None takes the one shipped with the course.
        data: pictures for it, at least 1; None paints scenes.
        seed: of the puzzles: which order, and where tiles are cut.

    Raises:
        FileNotFoundError: no network was given and none is shipped.
        ValueError: no pictures.
    """

    def __init__(self, network: Jigsaw | None = None, data: Pictures | None = None, seed: int = 5) -> None:
        if network is None:
            network = shipped(
                "jigsaw",
                "python -m ssl_course train jigsaw --data scenes --n 8192 "
                "--steps 300 --out assets/checkpoints/jigsaw.safetensors",
            )
        data = scenes.World().sample(PUZZLES, 64, seed=1000 + seed) if data is None else data[:PUZZLES]
        if not len(data):
            raise ValueError("data has no picture to make a puzzle of")
        controls = {
            "puzzle": ipywidgets.IntSlider(1, 1, len(data), description="puzzle"),
            "gaps": ipywidgets.Checkbox(True, description="gaps between the tiles"),
        }
        state = _state(network, data, seed)
        n = network.grid**2
        first, done = ((1, True), (tuple(range(n)), False)), ((1, True), (tuple(range(n)), True))
        tries = {
            "boards": [(first,), (done,)],
            "held": [0, n - 1],
            "at": [(0.5, 0.5), (0.0, 1.0)],
            "cursor": [0, n - 1],
        }
        super().__init__(
            controls,
            state=state,
            hidden={"boards": (), "held": None, "at": None, "cursor": None},
            tries=tries,
            actions={"Commit": self.commit, "Next puzzle": self.next},
        )

    @classmethod
    def example(cls) -> JigsawGame:
        """A small network that has learned nothing, on three pictures."""
        torch.manual_seed(0)
        return cls(Jigsaw(ConvNet((8, 8)), grid=2), scenes.World(0.5).sample(3, 32, seed=1))

    @staticmethod
    def render(state: Any, *, puzzle: int, gaps: bool, boards: tuple, held: int | None,
               at: tuple[float, float] | None, cursor: int | None) -> tuple[list[Panel], str]:  # fmt: skip
        """The board; after the commit also the network's board and its confidence. Pure."""
        this: _Puzzle = state.puzzles[puzzle, gaps]
        order, done = dict(boards).get((puzzle, gaps), (this.start, False))
        right = sum(t == place for place, t in enumerate(order))
        if done:
            said = f"your order: {right} of {len(order)} tiles in place"
            mine = _board(state, this.tiles, order, marks=True)
            panels = [Panel(mine, said, f"{said}; each tile is marked", BOARD, pixelated=False)]
        else:
            alt = f"{len(order)} shuffled tiles" + (
                f"; the cursor is at place {cursor + 1}" if cursor is not None else ""
            )
            mine = _board(state, this.tiles, order, held=held, at=at, cursor=cursor)
            panels = [
                Panel(mine, "X₁: drag the tiles into order", alt, BOARD, pixelated=False, operable=True)
            ]
        if done:
            panels += _answer(state, this)
        return panels, _readout(state, boards, this, done)

    def on_pointer(self, event: Pointer) -> None:
        """Lift a tile, carry it, drop it on another."""
        place = _place(event.x, event.y, self.state.grid)
        if self._closed():
            return
        if event.kind == "down":
            self.set(held=place, at=(event.x, event.y), cursor=None)
        elif event.kind == "drag" and self.values()["held"] is not None:
            self.set(at=(event.x, event.y))
        elif event.kind == "up" and self.values()["held"] is not None:
            self._swap(self.values()["held"], place)

    def on_key(self, event: Key) -> None:
        """Arrows move the cursor; Enter or Space lifts the tile there, or drops the one that is held."""
        if self._closed():
            return
        values, n = self.values(), self.state.grid
        if values["cursor"] is None:
            self.set(cursor=0, at=None)
            return
        row, column = divmod(values["cursor"], n)
        dy, dx = {"ArrowLeft": (0, -1), "ArrowRight": (0, 1), "ArrowUp": (-1, 0), "ArrowDown": (1, 0)}.get(
            event.key, (0, 0)
        )
        if (dy, dx) != (0, 0):
            self.set(cursor=min(max(row + dy, 0), n - 1) * n + min(max(column + dx, 0), n - 1))
        elif values["held"] is None:
            self.set(held=values["cursor"], at=None)
        else:
            self._swap(values["held"], values["cursor"])

    def commit(self) -> None:
        """This is the student's answer; the network's appears."""
        if not self._closed():
            order, _ = self._board()
            self._put(order, True)

    def next(self) -> None:
        """The next puzzle, after the last the first."""
        count = self.controls["puzzle"].max
        self.set(puzzle=self.values()["puzzle"] % count + 1, held=None, at=None, cursor=None)

    def _key(self) -> tuple[int, bool]:
        return self.values()["puzzle"], self.values()["gaps"]

    def _board(self) -> tuple[tuple[int, ...], bool]:
        key = self._key()
        return dict(self.values()["boards"]).get(key, (self.state.puzzles[key].start, False))

    def _closed(self) -> bool:
        return self._board()[1]

    def _swap(self, one: int, other: int) -> None:
        order = list(self._board()[0])
        order[one], order[other] = order[other], order[one]
        self._put(tuple(order), False)

    def _put(self, order: tuple[int, ...], done: bool) -> None:
        boards = dict(self.values()["boards"]) | {self._key(): (order, done)}
        self.set(boards=tuple(boards.items()), held=None, at=None)


def _state(network: Jigsaw, data: Pictures, seed: int) -> _State:
    """All puzzles with the network's answers; nothing is computed later."""
    stream = torch.Generator().manual_seed(seed)
    orders = network.permutations.cpu()
    which = torch.randint(
        1, len(orders), (len(data),), generator=stream
    )  # never the order that it has anyway
    found = {}
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        network.eval()
        for gaps in (True, False):
            x = data.images.float() / 255
            tiles = cut(x, network.grid, network.tile, gaps, generator=torch.Generator().manual_seed(seed))
            shown = shuffle(tiles, orders[which])  # (N, T, 3, s, s)
            device = network.permutations.device
            chances = network.logits(shown.to(device)).softmax(1).cpu()  # (N, P)
            for i, chance in enumerate(chances):
                start = tuple(orders[which[i]].tolist())
                guess = orders[chance.argmax()]
                best = [
                    (float(p), int((orders[k] == orders[which[i]]).sum()), bool(k == which[i]))
                    for p, k in zip(*chance.topk(min(BEST, len(orders))), strict=True)
                ]
                # put back by the network: the tile that it takes for tile g goes to place g
                placed = tuple(start[int((guess == g).nonzero())] for g in range(len(start)))
                found[i + 1, gaps] = _Puzzle(
                    draw.rgba(data.images[i]),
                    [_large(t, network.grid) for t in tiles[i]],
                    start,
                    placed,
                    best,
                )
    return _State(found, network.grid, len(orders))


def _large(tile: torch.Tensor, grid: int) -> np.ndarray:
    side = (BOARD - RIM * (grid - 1)) // grid
    picture = Image.fromarray(draw.rgba(tile)).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(picture)


def _place(x: float, y: float, grid: int) -> int:
    """The place under a pointer, row by row."""
    return min(int(y * grid), grid - 1) * grid + min(int(x * grid), grid - 1)


def _corner(place: int, grid: int, side: int) -> tuple[int, int]:
    return (place // grid) * (side + RIM), (place % grid) * (side + RIM)


def _board(
    state: _State,
    tiles: list[np.ndarray],
    order: tuple[int, ...],
    *,
    held: int | None = None,
    at: tuple[float, float] | None = None,
    cursor: int | None = None,
    marks: bool = False,
) -> np.ndarray:
    """The tiles as they lie; a held one under the pointer, or framed where the keyboard lifted it."""
    side, n = tiles[0].shape[0], state.grid
    whole = n * side + (n - 1) * RIM
    sheet = np.full((whole, whole, 4), 255, np.uint8)
    for place, tile in enumerate(order):
        top, left = _corner(place, n, side)
        sheet[top : top + side, left : left + side] = tiles[tile]
        if marks:
            _mark(sheet[top : top + side, left : left + side], tile == place)
    if cursor is not None:
        _frame(sheet, *_corner(cursor, n, side), side, palette.X1)
    if held is not None:
        top, left = _corner(held, n, side)
        if at is None:
            _frame(sheet, top, left, side, palette.X2)
        else:
            sheet[top : top + side, left : left + side] = (217, 220, 225, 255)
            target = _corner(_place(*at, n), n, side)
            _frame(sheet, *target, side, palette.X1)
            y, x = (round(v * whole - side / 2) for v in (at[1], at[0]))
            y, x = (min(max(v, 0), whole - side) for v in (y, x))
            sheet[y : y + side, x : x + side] = tiles[order[held]]
            _frame(sheet, y, x, side, palette.X2)
    return sheet


def _frame(sheet: np.ndarray, top: int, left: int, side: int, colour: str, width: int = 4) -> None:
    ink = (*bytes.fromhex(colour[1:]), 255)
    box = sheet[top : top + side, left : left + side]
    box[:width], box[-width:], box[:, :width], box[:, -width:] = ink, ink, ink, ink


def _mark(tile: np.ndarray, right: bool) -> None:
    """A tick or a cross in the corner: not by colour alone."""
    _frame(tile, 0, 0, tile.shape[0], RIGHT if right else WRONG, 3)
    badge = draw.Plot(12, 12, (0, 1), (0, 1), margin=(0, 0, 0, 0), paper=RIGHT if right else WRONG)
    badge.text(0.5, 0.5, "✓" if right else "✗", "#ffffff", 9, bold=True)
    tile[:24, :24] = badge.array()


def _answer(state: _State, this: _Puzzle) -> list[Panel]:
    """The network's order, how sure it was, and the picture."""
    right = sum(t == place for place, t in enumerate(this.guess))
    said = f"the network: {right} of {len(this.guess)} tiles in place"
    board = _board(state, this.tiles, this.guess, marks=True)
    plot = draw.Plot(200, 200, (0, 1), (-0.6, len(this.best) - 0.4), margin=(8, 12, 40, 12))
    plot.axes("probability", xticks=[0, 0.5, 1], yticks=[])
    for rank, (p, tiles, all_right) in enumerate(this.best):
        y = len(this.best) - 1 - rank
        colour = RIGHT if all_right else palette.MUTED
        plot.polygon([(0, y - 0.35), (p, y - 0.35), (p, y + 0.35), (0, y + 0.35)], fill=colour)
        words = f"{p:.2f}  {'✓ the order' if all_right else f'{tiles} right'}"
        plot.text(min(p, 0.35), y, words, palette.INK, 11, "lm", offset=(6, 0), halo=True)
    alt = "the network's most probable orders: " + ", ".join(
        f"{p:.2f} with {t} of the tiles right" for p, t, _ in this.best
    )
    return [
        Panel(board, said, f"{said}; each tile is marked", BOARD, pixelated=False),
        plot.panel(f"ψ's {len(this.best)} best orders of {state.orders}", alt),
        Panel(this.picture, "the picture", "the whole picture", 96, pixelated=False),
    ]


def _readout(state: _State, boards: tuple, this: _Puzzle, done: bool) -> str:
    """Instructions or the verdict, and the score so far."""
    n = state.grid**2
    played = [(order, state.puzzles[key].guess) for key, (order, closed) in boards if closed]
    sums = [[0, 0], [0, 0]]  # student, network: puzzles solved, tiles right
    for answers in played:
        for who, order in enumerate(answers):
            hits = sum(t == place for place, t in enumerate(order))
            sums[who][0] += hits == n
            sums[who][1] += hits
    score = ""
    if played:
        (a, b), (c, d) = sums
        score = (
            f"<br>Score after {len(played)}: <b>you {a}</b> solved, {b} of {n * len(played)} tiles; "
            f"<b>the network {c}</b> solved, {d} of {n * len(played)}."
        )
    if done:
        return f"The network was <b>{100 * this.best[0][0]:.0f} %</b> sure of its order.{score}"
    return (
        "Drag a tile onto another (or arrows and Enter): they change places. Commit, then the network "
        f"answers: it chooses among {state.orders} orders, you among {factorial(n):,}.{score}"
    )
