"""Lecture 13's table as a ranking, which a method of one's own can enter (note §3.5)."""

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ipywidgets import Dropdown, SelectionSlider
from torch import nn

from ssl_course import assets
from ssl_course.course import palette
from ssl_course.course.lecture import Shown, boxed
from ssl_course.studies import comparison, verdicts
from ssl_course.studies.entry import Entry, try_out
from ssl_course.training import Diverged, fit
from ssl_course.widgets.frame import Explorer, Frame, draw

TABLES = {
    "scenes, lightness (table G)": "comparison_scenes_G",
    "scenes, colour (table C)": "comparison_scenes_C",
    "the Earth, lightness": "comparison_earth_G",
    "CIFAR-10, colour": "comparison_cifar10_C",
}
UNTRAINED = (comparison.PIXELS, comparison.RANDOM, comparison.RANDOM_VIT)
NOTES = {
    "CLIP": "sees captions",
    comparison.SUPERVISED: "these labels alone",
    **dict.fromkeys(UNTRAINED, "learns nothing"),
}
N_LABELS = [str(n) for n in sorted({*comparison.N_LABELS, *comparison.OTHER_NUMBERS["cifar10"]})]

SEED = 0  # of what is trained and labelled in a notebook
WIDE, ROW = 440, 38  # CSS pixels of the plot, and of a method in it


class Board(NamedTuple):
    """All that the ranking is drawn from."""

    tables: dict[str, list[dict[str, Any]]]  # what the switch says → rows of `record`
    own: frozenset[str]  # methods that the student entered


def recorded(folder: Path | None = None) -> dict[str, list[dict[str, Any]]]:
    """The tables that have been measured so far, by what the switch says; what is not there is left out."""
    where = {k: folder / f"{name}.json" if folder else assets.results(name) for k, name in TABLES.items()}
    read = {label: file.read_text(encoding="utf-8") for label, file in where.items() if file.is_file()}
    return {label: json.loads(text)["results"] for label, text in read.items()}


class Leaderboard(Explorer):
    """Methods ranked by a linear probe: choose data, label and number of labels; enter a method of your own.

        board = Leaderboard(live=rows)
        board.enter("mine", MyMethod())

    Args:
        live: rows measured in this notebook (`comparison.run_cell`), shown as a table of their own.
        folder: where the recorded tables lie; None is where those of the course do.
        protocol: what an entry gets, with seed 0, that of the live rows; how long it trains, too.

    Raises:
        ValueError: neither recorded nor live rows: there is nothing to rank.
    """

    LIVE = "trained in this notebook (scenes, lightness)"

    def __init__(
        self,
        live: Sequence[dict[str, Any]] = (),
        folder: Path | None = None,
        protocol: comparison.Protocol = comparison.LIVE,
    ) -> None:
        self._protocol = protocol
        tables = ({self.LIVE: list(live)} if live else {}) | recorded(folder)
        tables = {label: rows for label, rows in tables.items() if rows}
        if not tables:
            how = "give live=rows, or measure the tables with python -m ssl_course compare"
            raise ValueError(f"there is nothing to rank yet: {how}")
        labels = list(dict.fromkeys(k for rows in tables.values() for r in rows for k in r["accuracy"]))
        controls = {
            "data": Dropdown(options=list(tables), description="data"),
            "label": Dropdown(options=labels, description="label"),
            "n_labels": SelectionSlider(options=N_LABELS, value="30", description="number of labels"),
        }
        rows = [["data"], ["label", "n_labels"]]
        super().__init__(controls, state=Board(tables, frozenset()), rows=rows)

    def enter(self, name: str, method: nn.Module) -> Shown:
        """Train a method as the others of this notebook were trained, probe it, and rank it.

        Args:
            name: what the ranking calls it.
            method: any ``nn.Module`` with ``pair(batch)``, ``forward(batch) -> loss`` and ``encode(x) ->
                (N, D)``.

        Returns:
            A sentence: its place, or what is wrong with it. Nothing is raised whatever the method does.
        """
        name = str(name).strip() or "mine"
        known = {r["cell"]["method"] for r in self.state.tables.get(self.LIVE, ())} - self.state.own
        if name in known | set(UNTRAINED):
            return _reply(f"There is a row called {name} already: give yours another name.", palette.WRONG)
        train_set, test_set = comparison.train_and_test("scenes", "G", SEED, self._protocol)
        try:
            try_out(method, train_set)
            history = fit(method, train_set, self._protocol.steps_of(), self._protocol.batch, seed=SEED)
            # What the other rows were probed for, and no more: that is what can be compared.
            asked = [r["accuracy"] for r in self.state.tables.get(self.LIVE, ())] or [{}]
            numbers = sorted({int(n) for by_n in asked[0].values() for n in by_n})
            what = (list(asked[0]), numbers or comparison.N_LABELS)
            accuracy = comparison.probe_all(method, train_set, test_set, SEED, *what)
        except Exception as error:
            kind = "" if isinstance(error, Entry | Diverged | ValueError) else f"{type(error).__name__}: "
            return _reply(f"Not entered. {kind}{error}", palette.WRONG)
        if history.interrupted:
            return _reply("Not entered: its training was stopped.", palette.WRONG)
        cell = {"data": "scenes", "table": "G", "method": name, "seed": SEED}
        rows = [r for r in self.state.tables.get(self.LIVE, []) if r["cell"]["method"] != name]
        rows.append({"cell": cell, "accuracy": accuracy})
        with self.together():
            self.show(Board(self.state.tables | {self.LIVE: rows}, self.state.own | {name}))
            if self.LIVE not in self.controls["data"].options:
                self.controls["data"].options = [self.LIVE, *self.controls["data"].options]
            self.controls["data"].value = self.LIVE
        label, n = self.values()["label"], self.values()["n_labels"]
        ranking = list(verdicts.summary(rows, label, int(n)))
        if name not in ranking:
            return _reply(f"{name} is entered.", palette.PASSED)
        return _reply(
            f"{name} is number {ranking.index(name) + 1} of {len(ranking)} for {label} with {n} labels: "
            f"{accuracy[label][n]:.3f}. One seed: see the bars of the others before you celebrate.",
            palette.PASSED,
        )

    @staticmethod
    def render(state: Board, *, data: str, label: str, n_labels: str) -> Frame:
        """Bars, best first, with 95 % intervals over seeds; pure."""
        rows = state.tables.get(data, [])
        cells = verdicts.summary(rows, label, int(n_labels))
        if not cells:
            plot = draw.Plot.board(WIDE, 80).text(WIDE / 2, 40, "not measured on these data", palette.MUTED)
            empty = plot.panel("no ranking", "Nothing was measured for this choice.")
            return [empty], _what_there_is(rows, label)
        height = ROW * len(cells) + 46
        plot = draw.Plot(WIDE, height, (0, 1), (-len(cells), 0), margin=(6, 12, 40, 12))
        plot.axes(f"accuracy, {label}, {n_labels} labels", yticks=[])
        spoken, learned = [], verdicts.verdicts(rows, label, int(n_labels))
        for i, (name, cell) in enumerate(cells.items()):
            y = -i - 0.5
            note = "yours" if name in state.own else NOTES.get(name, "")
            if not note and name in learned and cell.seeds > 1 and not learned[name].learned:
                note = "not clear of untrained or pixels"
            colour = {"yours": palette.Y, "learns nothing": palette.MUTED}.get(note, palette.PSI)
            plot.rect(0, y - 0.4, cell.mean, y - 0.1, fill=colour)
            if cell.error:
                low, high = (min(max(cell.mean + k * cell.half_width, 0), 1) for k in (-1, 1))
                plot.line([(low, y - 0.25), (high, y - 0.25)], palette.INK, 2)
            plot.text(0, y + 0.2, name, anchor="lm", bold=name in state.own, halo=True)
            error = f" ± {cell.half_width:.3f}" if cell.error else ""
            plot.text(1, y + 0.2, f"{cell.mean:.3f}{error}", anchor="rm", halo=True)
            if note:
                plot.text(1, y + 0.2, note, palette.MUTED, 10, "rm", offset=(-100, 0), halo=True)
            spoken.append(f"{name} {cell.mean:.3f}")
        seeds = sorted({cell.seeds for cell in cells.values()})
        line = f"{seeds[0]} to {seeds[-1]} seeds"
        if len(seeds) == 1:
            line = f"{seeds[0]} seed" + "s" * (seeds[0] > 1)
        line += ": no error bar" if seeds == [1] else "; 95 % intervals over seeds"
        if tied := _tied(rows, label, int(n_labels)):
            line += f". Not to be told from the first: {html.escape(', '.join(tied))}"
        title = f"{data}: {label}, {n_labels} labels"
        return [plot.panel(title, f"{title}. Best first: {', '.join(spoken)}.")], line + "."


def _tied(rows: Sequence[dict[str, Any]], label: str, n_labels: int) -> list[str]:
    """Rows that the first does not beat seed by seed, as far as their seeds can show."""
    reached = verdicts.accuracies(rows, label, n_labels)
    first, *others = verdicts.summary(rows, label, n_labels)
    return [
        name
        for name in others
        if len(set(reached[first]) & set(reached[name])) > 1
        and not verdicts.paired_difference(reached[first], reached[name]).better
    ]


def _what_there_is(rows: Sequence[dict[str, Any]], label: str) -> str:
    labels = list(dict.fromkeys(k for r in rows for k in r["accuracy"]))
    if label not in labels:
        return f"These data have the label{'s' if len(labels) > 1 else ''} {html.escape(', '.join(labels))}."
    numbers = sorted({int(n) for r in rows for n in r["accuracy"].get(label, {})})
    return f"Measured with {', '.join(map(str, numbers))} labels."


def _reply(text: str, colour: str) -> Shown:
    return Shown(boxed(html.escape(text), colour, "ssl-entry"), text)
