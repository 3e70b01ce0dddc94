"""The notebook's progress bar: a loss curve that grows while a cell trains, and stays as a picture."""

import base64
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from ssl_course.course import palette, plots, themes
from ssl_course.course.lecture import live_view
from ssl_course.training.steps import Step, read_losses
from ssl_course.widgets.frame import draw, paint
from ssl_course.widgets.frame.canvas import Canvas, Panel

BINS = 400  # about one for each CSS pixel of the curve: more would not be seen; an even number
EMPTY = (0.0, 0.0, math.inf, -math.inf)  # of the losses in a bin: sum, number, least, most
PAUSE = 0.2  # seconds between two pictures, at least
SHARE = 1 / 60  # of the time may go into pictures; sending them costs as much again
LOG_FROM = 15  # positive losses that span more than this factor get a logarithmic axis


class Losses(NamedTuple):
    """A run's losses as they are drawn: one entry for each of at most `BINS` bins that have a step."""

    step: np.ndarray  # (B,) middle of the bin
    mean: np.ndarray  # (B,)
    low: np.ndarray  # (B,) least loss of the bin
    high: np.ndarray  # (B,)


class Curve:
    """Collects losses in bins of equally many steps, ever wider ones: memory does not grow with the run."""

    def __init__(self, begin: int = 0) -> None:
        self.begin = begin  # steps before the first loss: those of a run that is resumed have no curve
        self.per = 1  # steps in a bin
        self._bins = np.tile(EMPTY, (BINS, 1))
        self._unread: list[Step] = []

    def see(self, step: Step) -> None:
        """One more step; its loss waits for `read`."""
        self._unread.append(step)

    def read(self) -> list[float]:
        """Add the losses of all steps seen since, in one reading: each waits for the device."""
        unread, self._unread = self._unread, []
        losses = read_losses(unread)
        for step, loss in zip(unread, losses, strict=True):
            self.add(step.index, loss)
        return losses

    def add(self, index: int, loss: float) -> None:
        """The loss of step ``index`` (1 is the first); one that is no number leaves a gap."""
        if not math.isfinite(loss):
            return
        while (i := (index - self.begin - 1) // self.per) >= BINS:
            self._widen()
        total, count, low, high = self._bins[i]
        self._bins[i] = total + loss, count + 1, min(low, loss), max(high, loss)

    def _widen(self) -> None:
        """Two neighbours become one."""
        total, count, low, high = self._bins.reshape(-1, 2, 4).transpose(2, 0, 1)  # (BINS / 2, 2) each
        joined = np.stack([total.sum(1), count.sum(1), low.min(1), high.max(1)], 1)
        self._bins = np.concatenate([joined, np.tile(EMPTY, (BINS // 2, 1))])
        self.per *= 2

    def losses(self) -> Losses:
        """What there is so far, as copies."""
        there = np.flatnonzero(self._bins[:, 1])
        total, count, low, high = self._bins[there].T
        return Losses(self.begin + there * self.per + (self.per + 1) / 2, total / count, low, high)


def smooth(values: np.ndarray, reach: int) -> np.ndarray:
    """Mean over the neighbours up to ``reach`` away, fewer at the ends; (B,) → (B,)."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    i = np.arange(len(values))
    left, right = np.maximum(i - reach, 0), np.minimum(i + reach + 1, len(values))
    return (total[right] - total[left]) / (right - left)


def duration(seconds: float) -> str:
    """Seconds in words: "8 s", "2 min 05 s", "3 h 20 min"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def curve_panel(
    name: str,  # of what is trained
    losses: Losses,
    begin: int,  # the run's first step less one
    done: int,  # the last step done
    steps: int,  # the step at which it ends
    caption: str,
    *,
    note: str = "",  # a short line between bar and curve
    marks: Sequence[tuple[int, str]] = (),  # (step, words): upright lines, where something was changed
    before: Losses | None = None,  # of a run that was recorded earlier, drawn faint below
    landmarks: Mapping[str, float] = MappingProxyType({}),  # words → loss: dashed, to read the curve against
    empty: str = "press Start to train it here",  # stands there while there is no loss
) -> Panel:
    """The curve so far beneath a bar for the whole run. Pure."""
    width, height = 480, 192  # CSS pixels
    end = max(steps, begin + 1)
    if before is None:
        before, end = Losses(*[np.zeros(0)] * 4), _end(begin, done, end)
    known = np.array([*landmarks.values()], float)  # they belong to the axis, from the first picture on
    both = zip(losses, before, [known] * 4, strict=True)
    value, (low, high), yticks = _axis(Losses(*map(np.concatenate, both)))
    top = 38 if note else 24
    plot = draw.Plot(width, height, (begin, end), (low, high), margin=(top, 26, 36, 58))

    def bar(share: float, color: str) -> None:  # in CSS pixels, over the full width of the axis
        upper, lower = plot.at(0, 6 / height)[1], plot.at(0, 12 / height)[1]
        until = begin + share * (end - begin)
        plot.rect(begin, lower, until, upper, fill=color)

    bar(1.0, palette.GRID)
    if done > begin:
        bar((done - begin) / (steps - begin), palette.PSI)
    whole = {t: f"{t:,.0f}" for t in draw.ticks(begin, end, 6) if t == int(t)}
    plot.axes("step", f"{name} loss", whole, yticks)
    if note:
        plot.text(begin, high, note, palette.MUTED, 11, anchor="ls", offset=(0, -8))
    for words, loss in landmarks.items():
        level = (value(loss) - low) / (high - low)
        # a curve ends above its floor, and begins below what knows nothing
        under = 0.12 < level < 0.4 or level > 0.85
        plot.line([(begin, value(loss)), (end, value(loss))], palette.INK, width=1, dash=(6, 4))
        anchor, down = ("ra", 3) if under else ("rs", -3)
        plot.text(end, value(loss), words, palette.INK, 11, anchor, offset=(-4, down), halo=True)
    for step, words, row, right in _rows(marks, begin, end, plot.place(end, 0)[0] * width - 58):
        plot.line([(step, low), (step, high)], palette.MUTED, width=1, dash=(3, 3))
        if row < 5:  # else the line alone
            offset = (4 if right else -4, 2 + 13 * row)
            plot.text(step, high, words, palette.MUTED, 10, "la" if right else "ra", offset=offset, halo=True)
    if len(before.step):
        then = np.stack([before.step, value(smooth(before.mean, len(before.step) // 40))], 1)
        plot.line(then[before.step <= end], palette.PSI + "60", told="an earlier run")
    if len(losses.step):
        x = losses.step
        if (losses.high > losses.low).any():  # several steps in a bin: their range
            above, below = (np.stack([x, value(edge)], 1) for edge in (losses.high, losses.low))
            if len(x) > 1:
                plot.polygon(np.concatenate([above, below[::-1]]), fill=palette.PSI + "30")
        else:
            plot.line(np.stack([x, value(losses.mean)], 1), palette.PSI + "60", 1, told="each step")
        mean = value(smooth(losses.mean, len(x) // 40))
        if len(x) > 1:
            plot.line(np.stack([x, mean], 1), palette.PSI, told=f"{name} loss")
        plot.dot(x[-1], mean[-1], palette.PSI, r=3.5)
        first, last, least = losses.mean[0], losses.mean[-1], losses.low.min()
        alt = f"loss curve of {name}: {first:.3g} at the start, {last:.3g} after step {done} of {steps}"
        alt += f", least {least:.3g}"
    else:
        plot.text((begin + end) / 2, high, empty, palette.INK, 12, "ma", offset=(0, 8), halo=True)
        alt = f"loss curve of {name}, still empty: 0 of {steps - begin} steps; {empty}"
        if len(before.step):
            first, last = before.mean[0], before.mean[-1]
            alt += f"; faint, of an earlier run: {first:.3g} at the start, {last:.3g} at the end"
    alt += "".join(f"; dashed at {loss:.3g}: {words}" for words, loss in landmarks.items())
    return plot.panel(caption, alt + (f"; {note}" if note else ""))


def _rows(
    marks: Sequence[tuple[int, str]], begin: int, end: int, width: float
) -> Iterator[tuple[int, str, int, bool]]:
    """(step, words, row, whether right of the line) of each mark: the first row with room for its words."""
    taken: list[list[tuple[float, float]]] = []
    for step, words in marks:
        x, long = (step - begin) / (end - begin) * width, paint.font(10).getlength(words) + 8
        right = x + long < width
        here = (x, x + long) if right else (x - long, x)
        free = (r for r, spans in enumerate(taken) if all(here[1] < a or b < here[0] for a, b in spans))
        row = next(free, len(taken))
        if row == len(taken):
            taken.append([])
        taken[row].append(here)
        yield step, words, row, right


def _end(begin: int, done: int, steps: int) -> int:
    """Where the axis ends: with the run, unless the run is long and so far hardly begun."""
    if steps - begin <= BINS:
        return steps
    nice = (m * 10**power for power in range(2, 20) for m in (1, 2, 5))
    end = begin + next(n for n in nice if n >= 1.02 * (done - begin))
    return end if end <= 0.5 * (begin + steps) else steps


def _axis(losses: Losses) -> tuple[Any, tuple[float, float], dict[float, str]]:
    """(loss → height, limits, ticks): round limits, so that the axis rarely moves while the curve grows."""
    if not len(losses.step):
        return (lambda v: v), (0.0, 1.0), {}
    least, most = float(losses.low.min()), float(losses.high.max())
    if least > 0 and most > LOG_FROM * least:
        low, high = math.log10(least), math.log10(most)
        marks = [m * 10.0**d for d in range(math.floor(low), math.ceil(high) + 1) for m in (1, 2, 5)]
        if high - low > 2.5:
            marks = marks[::3]  # decades only
        pad = 0.05 * (high - low)
        low, high = math.floor(20 * (low - pad)) / 20, math.ceil(20 * (high + pad)) / 20
        yticks = {math.log10(v): f"{v:g}" for v in marks if low <= math.log10(v) <= high}
        return np.log10, (low, high), yticks
    if 0 <= least < 0.4 * most:
        least = 0.0  # a loss that may reach 0 is drawn from 0
    span = most - least or abs(most) or 1.0
    by = 10.0 ** math.floor(math.log10(span)) / 4
    low, high = by * math.floor((least - 0.05 * span) / by), by * math.ceil((most + 0.05 * span) / by)
    low = max(low, 0.0) if least == 0 else low
    return (lambda v: v), (low, high), {v: f"{v:.10g}".replace("-", "−") for v in draw.ticks(low, high, 5)}


class Bar:
    """A run's bar and curve in the output of its cell; `ssl_course.training.fit` makes one in a notebook.

    While the cell is busy, a canvas shows at most five pictures a second and takes at most a sixtieth of the
    time. At the end a still picture with alt text, which needs no kernel, takes the place of the canvas.
    """

    def __init__(self, name: str, landmarks: Mapping[str, float] = MappingProxyType({})) -> None:
        self.name, self.landmarks = name, landmarks
        self.canvas: Canvas | None = None
        self.pictures = 0
        self._next = 0.0

    def update(self, step: Step) -> None:
        """One more step; the first one displays the bar. Losses are read when a picture is due."""
        now = time.perf_counter()
        if self.canvas is None:
            self.canvas, self.curve = Canvas(), Curve(step.index - 1)
            self._began = now
        self.curve.see(step)
        self.step = step
        if now >= self._next:
            self.curve.read()
            self._draw(time.perf_counter())

    def close(self, history: Any) -> None:
        """The run is over, stopped early (``history.interrupted``) or broken off by an error."""
        if self.canvas is None:  # not one step: nothing to show
            return
        self.curve.read()
        begin, done, steps = self.curve.begin, self.step.index, self.step.steps
        caption = (
            f"{done - begin:,} steps in {duration(history.seconds)} · loss {history.losses[0]:.3f} → "
            f"{history.losses[-1]:.3f} · {rate_words(self.step)}"
        )
        if history.interrupted:
            caption += f" · stopped at step {done:,} of {steps:,}; fit(…, resume=history.state) goes on"
        elif done < steps:
            caption += f" · broken off by an error after step {done:,} of {steps:,}"
        panel = self._panel(caption)
        self._handle.update(still(panel) | {"text/plain": f"{self.name}: {caption}"}, raw=True)
        history.cell = getattr(plots.shell(), "execution_count", None)
        self.canvas.close()

    def _panel(self, caption: str) -> Panel:
        run = (self.curve.losses(), self.curve.begin, self.step.index, self.step.steps)
        return curve_panel(self.name, *run, caption, landmarks=self.landmarks)

    def _draw(self, now: float) -> None:
        begin, done, steps = self.curve.begin, self.step.index, self.step.steps
        pace = (now - self._began) / (done - begin - 1) if done > begin + 1 else None
        caption = so_far(done, steps, self.step.loss, self.step, pace)
        self.canvas.show([self._panel(caption)])
        if self.pictures == 0:
            from IPython.display import display

            bundle = live_view(self.canvas) | {"text/plain": f"{self.name} is being trained."}
            self._handle = display(bundle, raw=True, display_id=True)
        self.pictures += 1
        after = time.perf_counter()
        cost = after - now if self.pictures > 1 else 0.0  # the first one loads fonts and makes the widget
        self._next = after + max(PAUSE, cost / SHARE)


def so_far(done: int, steps: int, loss: float, step: Any, pace: float | None) -> str:
    """A caption: the step, its loss, how fast it goes, and, with the pace in seconds a step, what is left."""
    left = f" · {duration(pace * (steps - done))} left" if pace is not None and steps > done else ""
    return f"step {done:,} of {steps:,} · loss {loss:.3f} · {rate_words(step)}{left}"


def rate_words(step: Any) -> str:
    n = step.samples_per_second
    return f"{n:,.0f} samples/s" if n >= 10 else f"{n:.2g} samples/s"


def still(panel: Panel) -> dict[str, str]:
    """A drawing as an output that needs no kernel: a figure with alt text, a PNG, its caption as text."""
    image = Image.fromarray(panel.rgba).convert("RGB")
    return {
        "text/html": themes.figure(panel.svg, panel.alt, panel.width, panel.caption),
        "image/png": base64.b64encode(paint.png(image, colors=64)).decode(),
        "text/plain": panel.caption,
    }
