"""The notebook's bar: what it counts, what it shows, what it costs and what it leaves behind."""

from __future__ import annotations

import base64
import builtins
import io
import math
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import IPython.display
import nbformat
import numpy as np
import pytest
import torch
from PIL import Image, ImageColor

from ssl_course.course import palette
from ssl_course.data.pictures import Pictures
from ssl_course.interfaces import Pair
from ssl_course.training import History, Step, fit
from ssl_course.widgets.frame import progress
from ssl_course.widgets.frame.progress import BINS, Bar, Curve, Losses, curve_panel, duration, smooth

PSI = np.array(ImageColor.getrgb(palette.PSI))


def step(index: int, steps: int, loss: float) -> Step:
    return Step(index, steps, torch.tensor(loss), lr=1e-3, samples_per_second=1234.5)


@pytest.mark.parametrize(("begin", "steps"), [(0, 7), (0, BINS), (0, 100_000), (40, 1_003)])
def test_bins_hold_mean_least_and_largest(begin: int, steps: int) -> None:
    losses = np.random.default_rng(0).normal(size=steps - begin)
    curve = Curve(begin)
    for i, loss in enumerate(losses):
        curve.add(begin + i + 1, loss)
    got, per = curve.losses(), curve.per
    assert len(got.step) <= BINS and (per == 1 or len(got.step) > BINS / 2)
    chunks = [losses[i : i + per] for i in range(0, len(losses), per)]
    np.testing.assert_allclose(got.mean, [c.mean() for c in chunks])
    assert got.low.tolist() == [c.min() for c in chunks] and got.high.tolist() == [c.max() for c in chunks]
    middles = [np.mean(range(begin + i + 1, begin + i + per + 1)) for i in range(0, len(losses), per)]
    np.testing.assert_allclose(got.step, middles)


def test_a_curve_has_gaps_and_may_be_empty() -> None:
    curve = Curve()
    assert len(curve.losses().step) == 0
    for index, loss in [(1, 2.0), (2, math.nan), (3, math.inf), (4, 1.0)]:
        curve.add(index, loss)
    assert curve.losses().step.tolist() == [1, 4] and curve.losses().mean.tolist() == [2.0, 1.0]
    before = curve.losses()
    curve.add(5, 9.0)
    assert before.mean.tolist() == [2.0, 1.0], "what was handed out must not change"


def test_smooth_is_the_mean_of_the_neighbours() -> None:
    values = np.random.default_rng(1).normal(size=12)
    for reach in (0, 1, 5, 30):
        expected = [values[max(0, i - reach) : i + reach + 1].mean() for i in range(12)]
        np.testing.assert_allclose(smooth(values, reach), expected)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (59.7, "1 min 00 s"),
        (125, "2 min 05 s"),
        (12_000, "3 h 20 min"),
        (-3, "0 s"),
    ],
)
def test_duration(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def losses_of(values: list[float]) -> Losses:
    curve = Curve()
    for i, value in enumerate(values):
        curve.add(i + 1, value)
    return curve.losses()


@pytest.mark.parametrize(
    "values", [[3.0], [1.0, 1.0], [0.0, 0.0], [-0.1, -0.99], [5.0, 0.1], [1e-9, 1e6], [7e4, 6e4]]
)
def test_the_axis_holds_all_losses_and_has_ticks(values: list[float]) -> None:
    place, (low, high), ticks = progress._axis(losses_of(values))
    at = [float(place(v)) for v in values]
    assert low <= min(at) and max(at) <= high and low < high
    inside = [t for t in ticks if low <= t <= high]
    assert 2 <= len(inside) <= 16
    for position, label in ticks.items():
        assert float(place(float(label.replace("−", "-")))) == pytest.approx(position, abs=1e-9)
    logarithmic = min(values) > 0 and max(values) > 15 * min(values)
    assert (place is np.log10) == logarithmic


def is_psi(rgba: np.ndarray) -> np.ndarray:
    return (np.abs(rgba[..., :3].astype(int) - PSI) < 8).all(-1)


@pytest.mark.parametrize(("begin", "done", "steps"), [(0, 25, 100), (0, 100, 100), (50, 60, 90), (0, 0, 10)])
def test_the_bar_is_as_long_as_the_share_done(begin: int, done: int, steps: int) -> None:
    panel = curve_panel("MAE", Curve(begin).losses(), begin, done, steps, "caption")
    row = panel.rgba[2 * 9]  # through the middle of the bar
    filled = is_psi(row).sum()
    track = (np.abs(row[:, :3].astype(int) - ImageColor.getrgb(palette.GRID)) < 8).all(-1).sum()
    assert filled / (filled + track) == pytest.approx((done - begin) / (steps - begin), abs=0.01)


@pytest.mark.parametrize(
    ("begin", "done", "steps", "end"),
    [(0, 0, 30, 30), (0, 1, 400, 400), (0, 0, 100_000, 100), (0, 99, 100_000, 200), (0, 40_000, 100_000, 50_000),
     (0, 49_900, 100_000, 100_000), (0, 100_000, 100_000, 100_000), (900, 950, 9_000, 1_000), (0, 300, 700, 700)],
)  # fmt: skip
def test_a_long_run_that_has_hardly_begun_can_be_seen(begin: int, done: int, steps: int, end: int) -> None:
    assert progress._end(begin, done, steps) == end


def test_the_curve_is_where_its_losses_are() -> None:
    curve = Curve()
    for i in range(1, 51):
        curve.add(i, 2.0 if i <= 25 else 1.0)
    panel = curve_panel("MAE", curve.losses(), 0, 50, 100, "c")
    rows = [np.flatnonzero(is_psi(panel.rgba[40:, x])).mean() for x in (250, 430)]  # steps 17 and 39
    bottom, top = panel.rgba.shape[0] - 2 * 36 - 40, 2 * 24 - 40
    _, (low, high), _ = progress._axis(curve.losses())
    for row, loss in zip(rows, (2.0, 1.0), strict=True):
        assert row == pytest.approx(bottom + (loss - low) / (high - low) * (top - bottom), abs=2)
    assert "2 at the start, 1 after step 50 of 100" in panel.alt


def test_marks_and_note_are_drawn_and_pictures_are_pure() -> None:
    losses = losses_of([3.0, 2.0, 1.0])
    plain = curve_panel("MAE", losses, 0, 3, 3, "c").rgba
    assert (plain == curve_panel("MAE", losses, 0, 3, 3, "c").rgba).all()
    assert (plain != curve_panel("MAE", losses, 0, 3, 3, "c", marks=[(2, "temperature 0.1")]).rgba).any()
    noted = curve_panel("MAE", losses, 0, 3, 3, "c", note="temperature 0.1")
    assert (plain != noted.rgba).any() and "temperature 0.1" in noted.alt


def test_landmarks_are_dashed_at_their_loss_and_belong_to_the_axis() -> None:
    losses = losses_of([3.0, 2.0, 1.0])
    panel = curve_panel("MAE", losses, 0, 3, 3, "c", landmarks={"nothing known": 5.0, "the least": 0.5})
    ink = (np.abs(panel.rgba[:, :, :3].astype(int) - ImageColor.getrgb(palette.INK)) < 8).all(-1)
    long = np.flatnonzero(ink.sum(1) > 0.4 * ink.shape[1])  # rows that are dashed from end to end
    low, high = progress._axis(losses_of([5.0, 3.0, 2.0, 1.0, 0.5]))[1]
    bottom, top = panel.rgba.shape[0] - 2 * 36, 2 * 24
    expected = [bottom + (loss - low) / (high - low) * (top - bottom) for loss in (5.0, 0.5)]
    assert all(np.abs(long - row).min() <= 2 for row in expected) and len(long) <= 6
    assert "dashed at 5: nothing known" in panel.alt and "dashed at 0.5: the least" in panel.alt


def test_words_of_marks_do_not_cover_each_other() -> None:
    marks = [
        (10, "mask ratio 0.9"),
        (20, "masking block"),
        (22, "learning rate 0.001"),
        (70, "temperature 0.25"),
    ]
    placed = list(progress._rows([*marks, (95, "masking grid")], 0, 100, 400))
    assert [(step, words) for step, words, _, _ in placed] == [*marks, (95, "masking grid")]
    assert [right for *_, right in placed] == [True, True, True, True, False]
    boxes = []
    for step, words, row, right in placed:
        long = progress.paint.font(10).getlength(words)
        boxes.append((row, 4 * step if right else 4 * step - long, 4 * step + long if right else 4 * step))
    for i, (row, left, _) in enumerate(boxes):
        assert not any(r == row and a < boxes[i][2] and left < b for r, a, b in boxes[:i])
    assert max(row for row, _, _ in boxes) == 2, "rows are used again where there is room"


class Shown:
    """Stands for the notebook's output: what was displayed, and what it was replaced by."""

    def __init__(self) -> None:
        self.bundles: list[dict] = []

    def display(self, bundle: dict, raw: bool, display_id: bool) -> Shown:
        assert raw and display_id and not self.bundles
        self.bundles.append(bundle)
        return self

    def update(self, bundle: dict, raw: bool) -> None:
        assert raw
        self.bundles.append(bundle)


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> Shown:
    shown = Shown()
    monkeypatch.setattr(IPython.display, "display", shown.display)
    return shown


def test_nothing_is_shown_before_the_first_step(output: Shown) -> None:
    bar = Bar("MAE")
    bar.close(History())
    assert output.bundles == []


def test_a_bar_while_it_runs_and_afterwards(output: Shown) -> None:
    bar = Bar("MAE")
    bar.update(step(1, 4, 2.0))
    (live,) = output.bundles
    assert "application/vnd.jupyter.widget-view+json" in live
    (panel,) = bar.canvas.panels
    assert panel.caption.startswith("step 1 of 4 · loss 2.000 · 1,234 samples/s")
    assert bar.canvas.readout == "", "a line that changes all the time would be read aloud all the time"
    for i in (2, 3, 4):
        bar.update(step(i, 4, 2.0 / i))
    canvas = bar.canvas
    bar.close(History(losses=[2.0, 1.0, 2 / 3, 0.5], seconds=65.0))
    _, still = output.bundles
    assert still["text/plain"] == "MAE: 4 steps in 1 min 05 s · loss 2.000 → 0.500 · 1,234 samples/s"
    assert "application/vnd.jupyter.widget-view+json" not in still
    assert 'alt="loss curve of MAE: 2 at the start, 0.5 after step 4 of 4' in still["text/html"]
    image = Image.open(io.BytesIO(base64.b64decode(still["image/png"])))
    assert image.size == panel.rgba.shape[1::-1]
    drawing = unquote(still["text/html"].split("svg+xml,")[1].split('"')[0])
    assert (
        "loss" in drawing and f"--ssl-psi:{palette.DARK['psi']}" in drawing
    )  # it knows the dark theme's colours
    assert is_psi(np.asarray(image.convert("RGB"))).sum() > 1000, "the curve and the bar are in the picture"
    assert len(still["image/png"]) < 30_000
    assert canvas.comm is None, "a canvas that nobody sees any more is closed"


def in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A shell for which `fit` makes a Bar."""
    shell = type("ZMQInteractiveShell", (), {"execution_count": 7})()
    monkeypatch.setattr(builtins, "get_ipython", lambda: shell, raising=False)
    monkeypatch.setattr(progress.plots, "shell", lambda: shell)
    return shell


def trained(**how: Any) -> History:
    toy = torch.nn.Linear(16, 1)
    toy.pair = lambda batch: Pair(batch.inputs, batch.inputs)  # type: ignore[assignment]
    toy.forward = lambda batch: toy.weight.square().mean()  # type: ignore[method-assign]
    return fit(toy, Pictures(torch.zeros(16, 3, 4, 4, dtype=torch.uint8)), 2, 8, **how)  # type: ignore[arg-type]


def test_a_history_is_silent_under_its_own_curve_alone(
    output: Shown, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = in_a_notebook(monkeypatch)
    shown, unseen, formatter = trained(), trained(bar=False), IPython.core.formatters.DisplayFormatter()
    assert formatter.format(shown) == ({}, {}) and capsys.readouterr().out == ""
    assert formatter.format(unseen) == ({}, {}) and capsys.readouterr().out == f"{unseen}\n"
    shell.execution_count += 1  # asked for in another cell
    assert formatter.format(shown) == ({}, {}) and capsys.readouterr().out == f"{shown}\n"
    assert str(shown).startswith("2 steps in")


def test_landmarks_of_a_fit_are_in_its_curve_while_it_runs_and_afterwards(
    output: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_a_notebook(monkeypatch)
    while_it_ran: list[str] = []
    show = progress.Canvas.show
    monkeypatch.setattr(progress.Canvas, "show", lambda c, p: (while_it_ran.append(p[0].alt), show(c, p)))
    trained(landmarks={"one answer for all": 0.25})
    for alt in (while_it_ran[0], output.bundles[-1]["text/html"]):
        assert "dashed at 0.25: one answer for all" in alt
    assert len(output.bundles) == 2


def test_a_run_that_ends_early_says_so(output: Shown) -> None:
    for interrupted, words in [
        (True, "stopped at step 2 of 9; fit(…, resume=history.state)"),
        (False, "broken off"),
    ]:
        output.bundles.clear()
        bar = Bar("MAE")
        for i in (1, 2):
            bar.update(step(i, 9, 1.0))
        bar.close(History(losses=[1.0, 1.0], interrupted=interrupted))
        assert words in output.bundles[-1]["text/plain"]


def test_a_resumed_run_counts_its_own_steps(output: Shown) -> None:
    bar = Bar("MAE")
    for i in range(41, 51):
        bar.update(step(i, 50, 1.0))
    bar.close(History(losses=[1.0] * 10))
    assert output.bundles[-1]["text/plain"].startswith("MAE: 10 steps in")


@pytest.mark.parametrize("seconds", [0.001, 0.012, 0.5])
def test_pictures_take_little_of_the_time(
    output: Shown, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    now = [100.0]
    real = progress.curve_panel

    def slow(*args: object, **more: object) -> object:
        now[0] += seconds
        return real(*args, **more)

    monkeypatch.setattr(progress, "curve_panel", slow)
    monkeypatch.setattr(progress, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    bar = Bar("MAE")
    for i in range(1, 10_001):
        now[0] += 0.01
        bar.update(step(i, 10_000, 1.0))
    total = now[0] - 100
    assert 3 <= bar.pictures <= 5 * total + 1
    assert (bar.pictures - 2) * seconds < 0.02 * total


def test_the_remaining_time(output: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    bar = Bar("MAE")
    for i in range(1, 11):  # two seconds a step
        bar.update(step(i, 100, 1.0))
        now[0] += 2
    assert bar.canvas.panels[0].caption.endswith(" · 3 min 00 s left")


CELLS = [
    "import torch\nfrom torch import nn\nfrom ssl_course.interfaces import Pair\nfrom ssl_course.training import fit\nfrom ssl_course.data import scenes\n"
    "data = scenes.World().sample(32, size=16, seed=0)\n"
    "class Toy(nn.Module):\n"
    "    def __init__(self):\n        super().__init__()\n        self.w = nn.Linear(768, 4)\n"
    "    def pair(self, batch):\n        return Pair(batch.inputs, batch.inputs)\n"
    "    def forward(self, batch):\n        return self.w(batch.inputs.flatten(1) / 255).square().mean()\n"
    "    def encode(self, x):\n        return self.w(x.flatten(1) / 255)\n",
    "history = fit(Toy(), data, steps=60, batch_size=8, lr=1e-3)",
    "def stop(step):\n    if step.index == 7:\n        raise KeyboardInterrupt\n"
    "early = fit(Toy(), data, steps=60, batch_size=8, on_step=stop)\nprint(early.interrupted)",
    "def fail(step):\n    if step.index == 5:\n        raise ZeroDivisionError('planted')\n"
    "try:\n    fit(Toy(), data, steps=60, batch_size=8, on_step=fail)\nexcept ZeroDivisionError as error:\n    print(error)",
]


@pytest.mark.slow
def test_what_a_built_notebook_keeps(tmp_path: object) -> None:
    from tools import build, lint

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in CELLS])
    built = build.execute(notebook, tmp_path, "bar")
    words = ["60 steps in", "stopped at step 6 of 60", "broken off by an error after step 4 of 60"]
    for cell, expected in zip(built.cells[1:], words, strict=True):
        figure, *rest = [o for o in cell.outputs if o.output_type == "display_data"]
        assert rest == [], "one output for one run"
        assert "application/vnd.jupyter.widget-view+json" not in figure.data and "image/png" in figure.data
        assert expected in figure.data["text/plain"] and 'alt="loss curve' in figure.data["text/html"]
        assert [p for o in cell.outputs for p in lint.output_problems(o)] == []
        assert len(nbformat.writes(nbformat.v4.new_notebook(cells=[cell]))) < 60_000
