"""What MaskingExplorer and HolePainter share: a student hides, a network fills, the worst is guessed."""

from collections.abc import Callable, Mapping, Sequence
from math import ceil, isqrt
from typing import Any

import numpy as np

from ssl_course.checkpoints import together
from ssl_course.data.pictures import Pictures
from ssl_course.widgets.frame import Key, Panel, Pointer, draw
from ssl_course.widgets.frame.sheet import SheetExplorer, cell_at, moved

WIDE = 208  # CSS pixels of a picture

Place = tuple[float, float]  # x and y of a pointer, in [0, 1]
Mark = Callable[[draw.Plot], draw.Plot]  # draws on a picture, in the coordinates of a `Place`
Cells = bytes  # of a square grid, row by row: 1 where hidden, 0 where seen
Hand = tuple[tuple, Cells]  # (settings that it was painted over, what was painted)


def cell_of(at: Place, side: int) -> int:
    """The cell of a square grid at a place, row by row."""
    return cell_at(*at, side, side)


def guessed(at: Place | None, cells: Cells) -> int | None:
    """The cell that the student holds for the worst, if it is one of the hidden ones."""
    cell = None if at is None else cell_of(at, isqrt(len(cells)))
    return cell if cell is not None and cells[cell] else None


def along(path: Sequence[Place], step: float) -> list[Place]:
    """The points, and between them more on straight lines, half a step apart: a fast stroke has no gaps."""
    points = [path[0]]
    for (x0, y0), (x1, y1) in zip(path, path[1:], strict=False):
        n = max(1, ceil(2 * np.hypot(x1 - x0, y1 - y0) / step))
        points += [(x0 + (x1 - x0) * k / n, y0 + (y1 - y0) * k / n) for k in range(1, n + 1)]
    return points


class HideAndFill(SheetExplorer):
    """Panel 1 shows what is left of the picture and takes strokes; panel 2 its filling, and a guess.

    Hidden values: ``hand``, what was painted by hand; ``cursor``, where the keyboard is, and ``guess``, the
    place that the student holds for the worst. Settings that change bring a mask of their own again.
    """

    shipped: Mapping[str, str]  # networks that come with the course: what the switch shows → checkpoint
    settings: tuple[str, ...]  # names of the controls that decide, beside the student's hand, what is hidden
    own = {"hand": None, "cursor": None}
    _last: tuple[Place, ...] = ()  # where the stroke now under way has come to

    @classmethod
    def offer(cls, networks: Any, data: Pictures | None, with_shipped: bool) -> tuple[dict[str, Any], int]:
        """The networks to choose from, and how many pixels a side their pictures have.

        Where some read pictures of the data's size, only those.

        Raises:
            ValueError: data without a picture, or networks that read pictures of different sizes.
            FileNotFoundError: no network is given and none is shipped.
        """
        if data is not None and not len(data):
            raise ValueError("data has no pictures: give at least one")
        networks = together(networks, cls.shipped if with_shipped or networks is None else {})
        pixels = None if data is None else data.images.shape[-1]
        fitting = {name: m for name, m in networks.items() if m.image_size == pixels} or networks
        sizes = sorted({m.image_size for m in fitting.values()})
        if len(sizes) > 1:
            made = f"the networks are made for pictures of {sizes} px"
            raise ValueError(f"{made}: give one of them, or data of its size")
        return fitting, sizes[0]

    @staticmethod
    def picture_panel(picture: Any, caption: str, alt: str, mark: Mark | None = None, **touch: Any) -> Panel:
        """A picture that takes strokes, with a mark drawn over it; ``touch`` is the panel's."""
        shown = picture if mark is None else mark(draw.Plot.over(picture, WIDE))
        return Panel(shown, caption, alt, WIDE, pixelated=mark is None, operable=True, touch=touch)

    # What a subclass defines

    def paint(self, cells: np.ndarray, path: Sequence[Place], begins: bool, shift: bool) -> None:
        """Hide or show cells (side, side) along a path, in place; ``begins`` a stroke."""
        raise NotImplementedError

    def keyboard(self, side: int) -> tuple[Place, float, float]:
        """Where the keyboard begins, how far an arrow goes, and how near to an edge."""
        return (0.5, 0.5), 1 / 16, 0.0

    @classmethod
    def hiding(cls, state: Any, values: dict[str, Any]) -> tuple[tuple, Cells]:
        """The settings, and what is hidden: by hand, as long as they are those it was painted over. Pure.

        Else it is drawn: ``state.drawn(network, *settings)`` gives the cells that the network's own `pair`
        hides.
        """
        settings, hand = tuple(values[name] for name in cls.settings), values["hand"]
        drawn = state.drawn(values["network"], *settings)
        # A hand of another length was painted on the grid of another network.
        by_hand = hand is not None and hand[0] == settings and len(hand[1]) == len(drawn)
        return settings, hand[1] if by_hand else drawn

    # What the student does

    def on_pointer(self, event: Pointer) -> None:
        """Choose a picture, hide and show, or point at the worst place of the filling."""
        if event.panel == 0:
            super().on_pointer(event)
        elif event.panel == 1 and event.kind != "up":
            begins, path = event.kind == "down", event.path or ((event.x, event.y),)
            self._stroke(path if begins else (*self._last, *path), begins, event.shift, cursor=None)
            self._last = path[-1:]
        elif event.panel == 2 and event.kind == "down":
            self._guess((event.x, event.y))

    def on_key(self, event: Key) -> None:
        """Arrows choose a picture or move the cursor; Enter and Space hide, show or guess there."""
        start, step, edge = self.keyboard(isqrt(len(self.hidden_now()[1])))
        at, (dx, dy) = self.values()["cursor"] or start, event.arrow
        if event.panel == 0:
            super().on_key(event)
        elif dx or dy:
            self.set(cursor=moved(at, dx * step, dy * step, edge))
        elif event.panel == 1:
            self._stroke((at,), True, event.shift, cursor=at)
        else:
            self._guess(at)

    def hidden_now(self) -> tuple[tuple, Cells]:
        """`hiding` for the values on the screen."""
        return self.hiding(self.state, self.values())

    def _stroke(self, path: Sequence[Place], begins: bool, shift: bool, cursor: Place | None) -> None:
        settings, hidden = self.hidden_now()
        side = isqrt(len(hidden))
        cells = np.frombuffer(hidden, np.uint8).reshape(side, side).copy()
        self.paint(cells, along(path, 1 / side), begins, shift)
        self.set(hand=(settings, cells.tobytes()), guess=None, cursor=cursor)

    def _guess(self, at: Place) -> None:
        if guessed(at, self.hidden_now()[1]) is not None:
            self.set(guess=at)
