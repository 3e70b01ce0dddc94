"""Lecture 05's first game: order the tiles of a picture, then see what the network answers (note §3.1)."""

from collections.abc import Sequence
from itertools import product
from math import factorial, isqrt
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from ipywidgets import Checkbox

from ssl_course.course import palette
from ssl_course.data.pictures import Pictures
from ssl_course.interfaces import pair_of
from ssl_course.methods import Jigsaw
from ssl_course.widgets.frame import Frame, Key, Panel, Pointer, draw
from ssl_course.widgets.frame.game import Boards, Game, opponent, pictures_for, readout
from ssl_course.widgets.frame.pairs import as_set, seeded
from ssl_course.widgets.frame.sheet import cell_at

BOARD, RIM = 214, 5  # CSS pixels of the board, and between its tiles
BEST = 5  # orders whose probabilities are shown
RIGHT, WRONG = palette.PASSED, palette.WRONG

Order = tuple[int, ...]  # which tile lies in each place


class _Puzzle(NamedTuple):
    """One picture with one way to cut it."""

    picture: np.ndarray  # (H, W, 4)
    tiles: list[np.ndarray]  # grid² of (t, t, 4), by their true place
    start: Order
    guess: Order  # the network's answer
    best: list[tuple[float, int, bool]]  # probability, tiles right, whether all, of its best orders


class _State(NamedTuple):
    puzzles: dict[tuple[int, bool], _Puzzle]  # (number, with gaps)
    grid: int
    orders: int


class JigsawGame(Game):
    """Put the tiles in order, commit, and compare with the network; the score of both is kept.

    Drag a tile onto another, or move with the arrows and lift and drop with Enter: the two change places. A
    puzzle that was committed is closed; its answer counts for the score until Reset.

    Args:
        network: a trained `Jigsaw`; None takes the one shipped with the course.
        data: pictures for it, at least 1; None paints scenes.

    Raises:
        FileNotFoundError: no network was given and none is shipped.
        ValueError: no pictures.
    """

    fresh = {"held": None, "at": None}
    own = {"cursor": None}

    def __init__(self, network: Jigsaw | None = None, data: Pictures | None = None) -> None:
        network = opponent("jigsaw", steps=300) if network is None else network
        data = pictures_for(data, 1005)
        gaps = Checkbox(True, description="gaps between the tiles")
        super().__init__(len(data), "gaps", gaps, _state(network, data))

    @staticmethod
    def begin(state: _State, puzzle: tuple[int, bool]) -> Order:
        return state.puzzles[puzzle].start

    @staticmethod
    def render(state: Any, **values: Any) -> Frame:
        """The board; after the commit also the network's board and its confidence. Pure."""
        v = SimpleNamespace(**values)
        this: _Puzzle = state.puzzles[v.puzzle, v.gaps]
        order, done = JigsawGame.board(state, (v.puzzle, v.gaps), v.boards)
        if done:
            mine = _marked(this, order, "your order")
            return [mine, *_answer(state, this)], _readout(state, v.boards, this, done)
        alt = f"{len(order)} shuffled tiles"
        if v.cursor is not None:
            alt += f"; the cursor is at place {v.cursor + 1}"
        plot = _Board(this.tiles, order)
        if v.cursor is not None:
            plot.frame(plot.corner(v.cursor), palette.X1)
        if v.held is not None:
            plot.lift(v.held, v.at)
        panel = plot.panel("X₁: drag the tiles into order", alt, operable=True)
        return [panel], _readout(state, v.boards, this, done)

    def on_pointer(self, event: Pointer) -> None:
        """Lift a tile, carry it, drop it on another."""
        held, at = self.values()["held"], (event.x, event.y)
        place = cell_at(*at, self.state.grid, self.state.grid)
        if self.now()[1]:
            return
        if event.kind == "down":
            self.set(held=place, at=at, cursor=None)
        elif event.kind == "drag" and held is not None:
            self.set(at=at)
        elif event.kind == "up" and held is not None:
            self.swap(held, place)

    def on_key(self, event: Key) -> None:
        """Arrows move the cursor; Enter or Space lifts the tile there, or drops the one that is held."""
        values, n = self.values(), self.state.grid
        cursor, held = values["cursor"], values["held"]
        dx, dy = event.arrow
        if self.now()[1]:
            return
        if cursor is None:
            self.set(cursor=0, at=None)
        elif dx or dy:
            row, column = divmod(cursor, n)
            self.set(cursor=min(max(row + dy, 0), n - 1) * n + min(max(column + dx, 0), n - 1))
        elif held is None:
            self.set(held=cursor, at=None)
        else:
            self.swap(held, cursor)

    def swap(self, one: int, other: int) -> None:
        """The tiles of two places."""
        order = list(self.now()[0])
        order[one], order[other] = order[other], order[one]
        self.answer(tuple(order))


@torch.no_grad()
def _state(network: Jigsaw, data: Pictures) -> _State:
    """All puzzles, as the network's own `pair` makes them, and its answers; nothing is computed later."""
    orders, puzzles = network.permutations.cpu(), {}
    network.eval()
    for i, gaps in product(range(len(data)), (True, False)):
        method = as_set(network, gaps=gaps)
        with seeded(500 + i):
            tiles, which = pair_of(method, data[i])  # (1, T, 3, s, s), (1,)
            while not which and len(orders) > 1:  # never the order that it has anyway
                tiles, which = pair_of(method, data[i])
        chance = network.logits(tiles).softmax(1)[0].cpu()  # (P,)
        start, guess = orders[int(which)], orders[chance.argmax()]  # (T,) each
        best = [
            (float(p), int((orders[k] == start).sum()), bool(k == which))
            for p, k in zip(*chance.topk(min(BEST, len(orders))), strict=True)
        ]
        # put back by the network: the tile that it takes for tile g goes to place g
        placed = tuple(start[guess.argsort()].tolist())
        cells = [draw.rgba(tile) for tile in tiles[0, start.argsort()].cpu()]
        puzzles[i + 1, gaps] = _Puzzle(draw.rgba(data.images[i]), cells, tuple(start.tolist()), placed, best)
    return _State(puzzles, network.grid, len(orders))


class _Board(draw.Plot):
    """The tiles as they lie; a corner is the upper left one of a place, in CSS pixels."""

    def __init__(self, tiles: list[np.ndarray], order: Order) -> None:
        self.tiles, self.order, self.grid = tiles, order, isqrt(len(order))
        self.side = (BOARD - RIM * (self.grid - 1)) // self.grid  # of a tile
        size = self.grid * (self.side + RIM) - RIM
        super().__init__(size, size, (0, size), (size, 0), margin=(0, 0, 0, 0))
        for place in range(len(order)):
            self.lay(place, self.corner(place))

    def corner(self, place: int) -> tuple[int, int]:
        row, column = divmod(place, self.grid)
        return column * (self.side + RIM), row * (self.side + RIM)

    def lay(self, place: int, corner: Sequence[float]) -> None:
        """The tile of a place at a corner."""
        x, y = corner
        self.image(self.tiles[self.order[place]], x, y + self.side, x + self.side, y, smooth=True)

    def frame(self, corner: Sequence[float], colour: str, width: float = 4) -> None:
        """Inside the edges of a tile."""
        x, y, inset, side = *corner, width / 2, self.side
        self.rect(x + inset, y + inset, x + side - inset, y + side - inset, outline=colour, width=width)

    def lift(self, place: int, at: tuple[float, float] | None) -> None:
        """A tile under the pointer, or, without one, framed where the keyboard lifted it."""
        if at is None:
            return self.frame(self.corner(place), palette.X2)
        (x, y), side = self.corner(place), self.side
        self.rect(x, y, x + side, y + side, fill=palette.GRID)
        self.frame(self.corner(cell_at(*at, self.grid, self.grid)), palette.X1)
        carried = [min(max(v * self.width - side / 2, 0), self.width - side) for v in at]
        self.lay(place, carried)
        self.frame(carried, palette.X2)


def _marked(this: _Puzzle, order: Order, whose: str) -> Panel:
    """A board whose tiles carry a tick or a cross: not by colour alone."""
    plot = _Board(this.tiles, order)
    for place, tile in enumerate(order):
        x, y = corner = plot.corner(place)
        colour, sign = (RIGHT, "✓") if tile == place else (WRONG, "✗")
        plot.frame(corner, colour, 3)
        plot.rect(x, y, x + 12, y + 12, fill=colour).text(x + 6, y + 6, sign, palette.PAPER, 9, bold=True)
    caption = f"{whose}: {_hits(order)} of {len(order)} tiles in place"
    return plot.panel(caption, f"{caption}; each tile is marked")


def _hits(order: Order) -> int:
    """How many tiles lie in their place."""
    return sum(tile == place for place, tile in enumerate(order))


def _answer(state: _State, this: _Puzzle) -> list[Panel]:
    """The network's order, how sure it was, and the picture."""
    plot = draw.Plot(200, 200, (0, 1), (-0.6, len(this.best) - 0.4), margin=(8, 12, 40, 12))
    plot.axes("probability", xticks=[0, 0.5, 1], yticks=[])
    for rank, (p, tiles, all_right) in enumerate(this.best):
        y = len(this.best) - 1 - rank
        plot.rect(0, y - 0.35, p, y + 0.35, fill=RIGHT if all_right else palette.MUTED)
        words = f"{p:.2f}  {'✓ the order' if all_right else f'{tiles} right'}"
        plot.text(min(p, 0.35), y, words, palette.INK, 11, "lm", offset=(6, 0), halo=True)
    best = f"ψ's {len(this.best)} best orders of {state.orders}"
    odds = ", ".join(f"{p:.2f} with {t} of the tiles right" for p, t, _ in this.best)
    return [
        _marked(this, this.guess, "the network"),
        plot.panel(best, f"the network's most probable orders: {odds}"),
        Panel(this.picture, "the picture", "the whole picture", 96, pixelated=False),
    ]


def _readout(state: _State, boards: Boards, this: _Puzzle, done: bool) -> str:
    """Instructions or the verdict, and the score so far."""
    n = state.grid**2
    played = [(order, state.puzzles[key].guess) for key, (order, closed) in boards if closed]
    scores = []
    for who, orders in zip(("you", "the network"), zip(*played, strict=True), strict=False):
        hits = [_hits(order) for order in orders]
        scores.append(f"<b>{who} {hits.count(n)}</b> solved, {sum(hits)} of {n * len(played)} tiles")
    task = (
        "Drag a tile onto another (or arrows and Enter): they change places. Commit, then the network "
        f"answers: it chooses among {state.orders} orders, you among {factorial(n):,}."
    )
    return readout(task, this.best[0][0] if done else None, "order", len(played), "; ".join(scores))
