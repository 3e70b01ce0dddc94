"""Lecture 07: how much of CCA's correlation is fitted noise? (note §3.2)"""

import warnings
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from ipywidgets import Checkbox, Dropdown, FloatSlider, IntSlider, SelectionSlider

from ssl_course.course import palette
from ssl_course.theory.correlation import CCA, noise_edge, sample_noise
from ssl_course.widgets.frame import Explorer, Frame, Panel, draw

ROWS = [10, 15, 20, 30, 40, 50, 60, 80, 120, 200, 400, 800, 2000]
RIDGES = {"none": 0.0, "0.1": 0.1, "1": 1.0, "10": 10.0}  # every column has variance 1
FRESH = 2000
SIDE = 236  # CSS pixels


class Fitted(NamedTuple):
    """One fit and what it is worth."""

    psi: np.ndarray  # (n,) first components of the training rows
    eta: np.ndarray
    new_psi: np.ndarray  # (FRESH,) of fresh rows
    new_eta: np.ndarray
    train: float  # correlation of the components
    fresh: float


@lru_cache(maxsize=1024)
def fitted(n: int, p: int, q: int, shared: float, ridge: float) -> Fitted:
    """CCA's first pair on n rows, and on fresh ones."""
    x, y = sample_noise(n, p, q, shared, 1000)
    new = sample_noise(FRESH, p, q, shared, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # too few rows is the point
        cca = CCA(1, ridge=ridge).fit(x, y)
    pairs = [[c[:, 0].numpy() for c in cca.transform(*views)] for views in ((x, y), new)]
    return Fitted(*pairs[0], *pairs[1], *(round(float(np.corrcoef(*pair)[0, 1]), 12) + 0.0 for pair in pairs))


class NoiseFit(Explorer):
    """Choose rows and columns of two views that share nothing; say what CCA will find, then look."""

    def __init__(self) -> None:
        controls = {
            "n": SelectionSlider(options=ROWS, value=60, description="rows n"),
            "p": IntSlider(25, min=1, max=40, description="numbers in X₁"),
            "q": IntSlider(20, min=1, max=40, description="numbers in X₂"),
            "shared": FloatSlider(0.0, min=0, max=0.9, step=0.1, description="really shared"),
            "ridge": Dropdown(options=RIDGES, value=0.0, description="ridge"),
            "fresh": Checkbox(False, description="show fresh rows"),
        }
        super().__init__(controls, rows=[["n", "p", "q"], ["shared", "ridge", "fresh"]])

    @staticmethod
    def render(state: Any, *, n: int, p: int, q: int, shared: float, ridge: float, fresh: bool) -> Frame:
        """The first pair on training rows and, when asked for, on fresh ones; both against n; pure."""
        f = fitted(n, p, q, round(shared, 1), ridge)
        panels = [_scatter(f.psi, f.eta, f.train, "the rows that CCA was fitted to")]
        truth = f"really shared: {shared:.1f}" if shared else "the views are independent"
        line = f"{n:,} rows, {p} + {q} numbers: CCA reports a correlation of <b>{f.train:.2f}</b>; {truth}. "
        if fresh:
            caption = "fresh rows through the same maps"
            panels.append(_scatter(f.new_psi[:400], f.new_eta[:400], f.fresh, caption))
            line += f"On fresh rows: <b>{round(f.fresh, 2) + 0.0:.2f}</b>."
        else:
            line += "And on fresh rows? Guess, then tick the box."
        return [*panels, _curves(n, p, q, round(shared, 1), ridge, fresh)], line


def _scatter(psi: np.ndarray, eta: np.ndarray, rho: float, caption: str) -> Panel:
    plot = draw.Plot(SIDE, SIDE, (-3.2, 3.2), (-3.2, 3.2), margin=(10, 8, 38, 44), equal=True)
    plot.axes("ψ(x₁)", "η(x₂)", [-2, 0, 2], [-2, 0, 2])
    plot.line([(-3.2, -3.2), (3.2, 3.2)], palette.GRID, 1.5)
    white = [(v - v.mean()) / max(v.std(), 1e-9) for v in (psi, eta)]
    plot.dots(np.stack(white, 1).clip(-3.2, 3.2), palette.PSI, 2.4)
    plot.text(-3.0, 3.0, f"ρ = {round(rho, 2) + 0.0:.2f}", palette.PSI, 15, "lt", True, halo=True)
    return plot.panel(caption, f"the first canonical pair, correlation {rho:.2f}")


def _curves(n: int, p: int, q: int, shared: float, ridge: float, fresh: bool) -> Panel:
    low, high = np.log10(ROWS[0]) - 0.06, np.log10(ROWS[-1]) + 0.06
    plot = draw.Plot(440, SIDE, (low, high), (-0.25, 1.08), margin=(26, 8, 38, 44))
    plot.axes("rows n", "correlation", draw.log_ticks(10, 50, 100, 500, 1000), [0, 0.5, 1])
    grid = 10 ** np.linspace(low, high, 80)
    theory = "theory for pure noise, no ridge"
    plot.line(np.stack([np.log10(grid), noise_edge(grid, p, q)], 1), palette.MUTED, 2, (3, 4), theory)
    if p + q > ROWS[0]:
        at = float(np.log10(p + q))
        plot.line([(at, -0.25), (at, 1.08)], palette.INK, 1, (3, 3))
        plot.text(at, -0.25, f"{p + q} rows", palette.INK, 11, "lb", offset=(5, -4), halo=True)
    x = np.log10(ROWS)
    fits = [fitted(m, p, q, shared, ridge) for m in ROWS]
    series = [("fitted", [f.train for f in fits], palette.PSI, None)]
    if fresh:
        series.append(("fresh", [f.fresh for f in fits], palette.X2, (6, 4)))
    for name, values, colour, dash in series:
        points = np.stack([x, np.clip(values, -0.25, 1.08)], 1)
        plot.line(points, colour, 2.5, dash, name).dots(points, colour, 3)
        plot.dot(*points[ROWS.index(n)], colour, 6, palette.PAPER, 1.5)
    plot.names([*((name, colour) for name, _, colour, _ in series), (theory, palette.MUTED)], gap=16)
    told = [f"{f.train:.2f}" + f" and {f.fresh:.2f} fresh" * fresh for f in fits]
    numbers = [f"{m} rows {words}" for m, words in zip(ROWS, told, strict=True)]
    return plot.panel("the first canonical correlation against the number of rows", ", ".join(numbers))
