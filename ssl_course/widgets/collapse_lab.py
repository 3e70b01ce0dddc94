"""Lecture 09's experiments: SimSiam in training, switches that act while it runs, z (note §3.2)."""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ssl_course import nets
from ssl_course.course import palette
from ssl_course.data import scenes
from ssl_course.data.pictures import Pictures
from ssl_course.evaluation import effective_rank, feature_std, spectrum
from ssl_course.methods.simsiam import SimSiam, circle
from ssl_course.widgets.frame import Panel, draw
from ssl_course.widgets.frame.circle import circle_panel, colours_of, legend
from ssl_course.widgets.frame.live import Live

SHOWN = 240  # pictures whose z is drawn
BARS = 48  # eigenvalues that are drawn at most
FLOOR = 1e-7  # below it an eigenvalue is drawn as this
FALLEN = 0.05  # std·√d of z below which all rows are called one
EACH = 3  # pictures of each class that stand round the circle
PIXELS = 24  # of the circle's pictures, a side
SWITCHES = ("stop_gradient", "predictor", "output_norm")


class Gauge(NamedTuple):
    """What was measured after one step."""

    step: int
    spread: float  # std·√d of z
    before: float  # the same before the output norm; equal to it where there is none


class CollapseLab(Live):
    """Train SimSiam on pictures, take away the stop-gradient or the predictor, and watch what becomes of z.

    The curve beneath the loss is the spread of z, std·√d of the normalised rows: about 1 when they are spread
    evenly, 0 when all are one. Beside it a map of z and its spectrum with the effective rank, or with d = 2
    the circle itself. All of it is measured in eval mode, on pictures that belong to the data.

    Args:
        method: a `SimSiam`; None is a small one, for pictures of 32 px.
        data: pictures; None paints scenes of 32 px.
        steps, batch_size, lr, seed: see `Live`. The learning rate is constant, so that late switches act too.
    """

    def __init__(
        self,
        method: SimSiam | None = None,
        data: Pictures | None = None,
        *,
        steps: int = 300,
        batch_size: int = 128,
        lr: float | None = None,
        seed: int = 0,
    ) -> None:
        if method is None:
            torch.manual_seed(seed)
            method = SimSiam(nets.ConvNet((16, 32, 64)))
        data = scenes.World().sample(2048, size=32, seed=seed) if data is None else data
        self._pictures = data[:SHOWN]
        nets.settle_norms(method, self._pictures.images)
        super().__init__(
            method,
            data,
            steps=steps,
            batch_size=batch_size,
            lr=lr,
            seed=seed,
            schedule="constant",
            warmup=0,
            controls={name: getattr(method, name) for name in SWITCHES},
            views=self._gauges,
            landmarks={"−1: every p points where its z does": -1.0},
            every=4,
        )

    def _clear(self) -> None:
        super()._clear()
        self.history: list[Gauge] = []

    def _look(self, method: SimSiam) -> tuple[Tensor, Tensor]:
        """z of the shown pictures, and z before the output norm, (N, d) each."""
        return method.project(self._pictures.images), method.before_norm(self._pictures.images)

    def _draw(self, unit: Tensor, classes: Tensor, names: list[str]) -> list[Panel]:
        """What is drawn of the normalised z (N, d)."""
        panels = [(circle_panel if unit.shape[1] == 2 else _map)(unit, classes, names)]
        return panels if unit.shape[1] == 2 else [*panels, _spectrum(unit)]

    @torch.no_grad()
    def _gauges(self, method: SimSiam) -> list[Panel]:
        """Measure z of the shown pictures, remember it, draw it."""
        z, bare = self._look(method)
        root = z.shape[1] ** 0.5
        now = Gauge(self.index, feature_std(z) * root, feature_std(bare) * root)
        self.history = [g for g in self.history if g.step < now.step] + [now]
        label = next(iter(self._pictures.labels), None)
        classes = self._pictures.labels[label].cpu() if label else torch.zeros(len(z), dtype=torch.long)
        names = self._pictures.names.get(label) or [str(k) for k in range(int(classes.max()) + 1)]
        drawn = self._draw(F.normalize(z, dim=1), classes, names)
        return [drawn[0], _spread(self.history, self._begin, self._steps), *drawn[1:]]


def as_seen(method: SimSiam, images: Tensor) -> Tensor:
    """z (N, 2) as the loss sees it: an output norm divides by the spread of these very rows.

    In eval mode it would divide by the spread that it remembers, which lags behind a fall and tells of it.
    """
    z = method.before_norm(images)  # (N, 2)
    if not method.output_norm:
        return z
    norm = method.projection_head[-1]
    return (z - z.mean(0)) / (z.var(0, correction=0) + norm.eps).sqrt()


class CollapseCircle(CollapseLab):
    """SimSiam with z in the plane: every picture is a dot on a circle, three switches act while it trains.

    Take the stop-gradient or the predictor away and all dots run to one place while the loss reaches its
    best, −1. Then switch the output norm on: the dots fly apart again, though the network is as fallen as
    before; the dashed curve, the spread before the norm, says so.

    Args:
        data: pictures; None paints scenes of 24 px.
        steps, batch_size, seed: see `Live`.
    """

    def __init__(
        self, data: Pictures | None = None, *, steps: int = 600, batch_size: int = 64, seed: int = 0
    ) -> None:
        data = scenes.World().sample(1024, size=PIXELS, seed=seed) if data is None else data
        super().__init__(circle(seed), data, steps=steps, batch_size=batch_size, lr=0.05, seed=seed)

    def _look(self, method: SimSiam) -> tuple[Tensor, Tensor]:
        images = self._pictures.images
        return as_seen(method, images), method.before_norm(images)

    def _draw(self, unit: Tensor, classes: Tensor, names: list[str]) -> list[Panel]:
        """The circle, with some pictures of each class round it."""
        few = [torch.nonzero(classes == k)[:EACH, 0] for k in range(len(names))]
        first = torch.cat(few)[:12]
        rest = torch.ones(len(unit), dtype=torch.bool).index_fill(0, first, False).nonzero()[:, 0]
        order = torch.cat([first, rest])
        return [circle_panel(unit[order], classes[order], names, self._pictures.images[first].cpu())]


def _map(unit: Tensor, classes: Tensor, names: list[str]) -> Panel:
    """Rows (N, d) of length 1 along their two main directions, around their mean, at one scale."""
    centred = unit - unit.mean(0)
    _, _, axes = torch.linalg.svd(centred.double(), full_matrices=False)
    axes = axes[:2] * axes[:2].gather(1, axes[:2].abs().argmax(1, keepdim=True)).sign()  # (2, d), sign fixed
    at = (centred.double() @ axes.T).numpy()  # (N, 2)
    plot = draw.Plot(250, 250, (-1.2, 1.2), (-1.2, 1.2), margin=(4, 4, 4, 4), equal=True)
    turn = np.linspace(0, 2 * np.pi, 121)
    plot.line(np.stack([np.cos(turn), np.sin(turn)], 1), palette.GRID, 1)
    for k, colour in enumerate(colours := colours_of(names)):
        plot.dots(at[(classes == k).numpy()], colour + "a0", r=3)
    legend(plot, names, colours)
    far = float(np.hypot(*at.T).mean())
    alt = f"rows z along their two main directions; their mean distance from the middle is {far:.3f}"
    return plot.panel(f"map of z around its mean; mean distance {far:.2f}", f"{len(unit)} {alt}")


def _spread(history: list[Gauge], begin: int, end: int) -> Panel:
    """The spread over the steps, solid; before the output norm, dashed."""
    plot = draw.Plot(300, 200, (begin, max(end, begin + 1)), (0, 1.15), margin=(12, 12, 36, 50))
    plot.axes("step", "std·√d of z", yticks=[0, 0.5, 1])
    for level, words, colour in ((1, "spread evenly", palette.MUTED), (FALLEN, "fallen", palette.WRONG)):
        plot.line([(begin, level), (end, level)], colour, 1, dash=(4, 3))
        plot.text(end, level, f"{words}: {level}", colour, 10, "rd", offset=(-2, -2))
    now = history[-1]
    for name, colour, dash in (("before", palette.X2, (5, 3)), ("spread", palette.PSI, None)):
        points = [(g.step, getattr(g, name)) for g in history]
        if len(points) > 1:
            plot.line(points, colour, 2, dash, name)
        plot.dot(*points[-1], colour, r=3.5)
    words = f"std·√d of z: {now.spread:.3f}"
    if abs(now.before - now.spread) > 5e-4:
        words += f"; dashed, before the output norm: {now.before:.3f}"
    return plot.panel(words, f"spread of z over the steps, at step {now.step}: {words}")


def _spectrum(unit: Tensor) -> Panel:
    """Eigenvalues of the covariance of rows (N, d) of length 1, times d: 1 each when spread evenly."""
    d = unit.shape[1]
    values = (spectrum(unit) * d).clamp(min=FLOOR).numpy()[:BARS]  # (min(d, BARS),)
    rank = effective_rank(unit)
    low, high = np.log10(FLOOR), 2.6
    plot = draw.Plot(300, 200, (0, len(values) + 1), (low, high), margin=(12, 8, 36, 50))
    marks = {float(e): f"1e{e}" if e else "1" for e in (-6, -4, -2, 0, 2)}
    plot.axes("eigenvalue, largest first", "d · eigenvalue", yticks=marks)
    x = np.arange(1, len(values) + 1)
    plot.bars(x, np.log10(values), palette.PSI, 0.8, base=low)
    plot.line([(0, 0), (len(values) + 1, 0)], palette.MUTED, 1, dash=(4, 3))
    words = f"effective rank {rank:.1f} of {d}"
    alt = f"spectrum of z: {words}; the largest of d times an eigenvalue is {values[0]:.3g}"
    return plot.panel(words, alt)
