"""Lecture 08's bet: draw one row of the heat map augmentation × label before the measured one appears."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from ipywidgets import Checkbox, Dropdown, Widget

from ssl_course.course import palette
from ssl_course.widgets.frame import Explorer, Frame, Key, Pointer, draw

WIDTH, HEIGHT, LEFT, TOP = 440, 270, 58, 32
STEP = 0.05  # what an arrow moves, and the grid of guesses

Row = Mapping[str, tuple[float, float]]  # column → (mean, standard error)
Drawn = tuple[tuple[str, tuple[float | None, ...]], ...]  # (row, a guess or None for each column)


class _State(NamedTuple):
    measured: dict[str, Row]
    columns: tuple[str, ...]
    reference: dict[str, float]
    chance: dict[str, float]


class DrawnRow(Explorer):
    """Draw how accurate a probe will be, column by column; the measured row appears when yours is complete.

    Args:
        measured: row → column → (mean, standard error), accuracies; NaN where there is no error bar.
        reference: column → the accuracy of a random network, known beforehand, drawn as a mark.
        chance: column → the accuracy of guessing.
        first: the row to begin with; None is the first.

    Raises:
        ValueError: rows without the columns of ``reference``.
    """

    def __init__(
        self,
        measured: Mapping[str, Row],
        reference: Mapping[str, float],
        chance: Mapping[str, float] | None = None,
        first: str | None = None,
    ) -> None:
        columns, first = tuple(reference), first or next(iter(measured))
        for name, row in measured.items():
            if missing := [c for c in columns if c not in row]:
                raise ValueError(f"the row {name!r} lacks {', '.join(missing)}")
        state = _State(dict(measured), columns, dict(reference), dict(chance or {}))
        controls: dict[str, Widget] = {
            "row": Dropdown(options=list(measured), value=first, description="augmentation"),
            "show": Checkbox(False, description="show what was measured"),
        }
        super().__init__(controls, state=state, hidden={"drawn": (), "column": 0})

    def guesses(self, row: str | None = None) -> dict[str, float]:
        """What was drawn in a row (None: that on the screen): column → accuracy, untouched ones left out."""
        values = self.values()
        drawn = dict(values["drawn"]).get(values["row"] if row is None else row, ())
        return {c: v for c, v in zip(self.state.columns, drawn, strict=False) if v is not None}

    @staticmethod
    def render(state: Any, *, row: str, show: bool, drawn: Drawn, column: int) -> Frame:
        """The panels; pure."""
        mine = dict(drawn).get(row, (None,) * len(state.columns))
        open_ = show and None not in mine
        plot = _empty(len(state.columns))
        columns, heights = dict(enumerate(state.columns)), [0, 0.25, 0.5, 0.75, 1]
        plot.axes("label", "accuracy of a linear probe", columns, heights)
        plot.text(-0.5, 1.02, f"views differ by: {row}", anchor="lb", offset=(0, -7), bold=True)
        for k, (name, guess) in enumerate(zip(state.columns, mine, strict=True)):
            if k == column:
                plot.rect(k - 0.48, 0, k + 0.48, 1.02, fill=palette.WASH)
            if guess is not None:
                plot.bars([k], [guess], palette.Y + "60", 0.5)
                plot.line([(k - 0.25, guess), (k + 0.25, guess)], palette.Y, 3)
            if name in state.chance:
                level = state.chance[name]
                plot.line([(k - 0.42, level), (k + 0.42, level)], palette.MUTED, 1, dash=(2, 3))
            known = state.reference[name]
            plot.line([(k - 0.42, known), (k + 0.42, known)], palette.INK, 1.5)
            if open_:
                mean, error = state.measured[row][name]
                if math.isfinite(error):
                    plot.line([(k, mean - 2 * error), (k, mean + 2 * error)], palette.PSI, 2)
                plot.dot(k, mean, palette.PSI, r=5)
        dot = " · dot: measured ± 2 s.e." if open_ else ""
        caption = f"line: random network · dotted: chance · purple: you{dot}"
        drawn_so_far = [f"{c} {g:.2f}" for c, g in zip(state.columns, mine, strict=True) if g is not None]
        alt = f"your row for {row}: {', '.join(drawn_so_far) or 'nothing yet'}"
        return [plot.panel(caption, alt, operable=True)], _readout(state, row, show, mine)

    def on_pointer(self, event: Pointer) -> None:
        """Drag over the columns: each takes the height of the pointer."""
        if event.kind == "up":
            return
        last = len(self.state.columns) - 1
        plot = _empty(last + 1)
        for at in event.path or ((event.x, event.y),):
            column, height = plot.at(*at)
            self._draw(min(max(int(column + 0.5), 0), last), height)

    def on_key(self, event: Key) -> None:
        """Left and right choose the column, up and down draw in it."""
        column, (dx, dy) = self.values()["column"], event.arrow
        if dx:
            self.set(column=(column + dx) % len(self.state.columns))
        elif dy:
            name = self.state.columns[column]
            self._draw(column, self.guesses().get(name, self.state.reference[name]) - STEP * dy)

    def _draw(self, column: int, height: float) -> None:
        values = self.values()
        rows = dict(values["drawn"])
        mine = list(rows.get(values["row"], (None,) * len(self.state.columns)))
        mine[column] = round(min(max(round(height / STEP) * STEP, 0.0), 1.0), 2)
        rows[values["row"]] = tuple(mine)
        self.set(drawn=tuple(rows.items()), column=column)


def _empty(columns: int) -> draw.Plot:
    return draw.Plot(WIDTH, HEIGHT, (-0.5, columns - 0.5), (0, 1.02), margin=(TOP, 10, 40, LEFT))


def _readout(state: _State, row: str, show: bool, mine: Sequence[float | None]) -> str:
    left = [c for c, g in zip(state.columns, mine, strict=True) if g is None]
    if left:
        first = "The measured row appears when yours is complete. " if show else ""
        return (
            f"{first}SimCLR is trained with views that differ by <b>{row}</b> alone. Drag over the columns "
            "(keyboard: arrows): how well can a linear probe read each label afterwards? Still open: "
            f"{', '.join(left)}."
        )
    if not show:
        return "Your row is complete. Tick <b>show what was measured</b>."
    off = {c: g - state.measured[row][c][0] for c, g in zip(state.columns, mine, strict=True)}
    worst = max(off, key=lambda c: abs(off[c]))
    mean = float(np.mean([abs(v) for v in off.values()]))
    measured, error = state.measured[row][worst]
    bar = f" ± {error:.2f}" if math.isfinite(error) else ""
    return (
        f"On average you were off by <b>{mean:.2f}</b>; most at {worst}: you said "
        f"{measured + off[worst]:.2f}, measured {measured:.2f}{bar}."
    )
