"""Lecture 04's formulas: hide more and more of a row of pixels, watch three quantities (note §3.5)."""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from ipywidgets import Checkbox, Dropdown, IntSlider, SelectionSlider

from ssl_course.course import palette
from ssl_course.theory.masking import ar1_covariance, masked_curves
from ssl_course.widgets.frame import Explorer, Panel, draw

PIXELS = 32
PATTERNS = {"at random": "random", "one block": "block", "evenly spread": "spread"}
NEIGHBOURS = (0.0, 0.3, 0.6, 0.8, 0.9, 0.95, 0.99)
ROWS = 4  # random orders, over which curves are averaged
NAMES = ("I(X₁; X₂ | Y), nats", "ε_CI² a hidden pixel", "class information in X₁")


def order_of(pattern: str, row: int = 0) -> list[int]:
    """In which order the pixels are hidden: what is hidden stays so as more is.

    random: a permutation, another for each ``row``. block: from the right end. spread: bits of the number
    reversed, so that hidden and visible pixels both lie as far apart as they can.

    Raises:
        ValueError: no such pattern.
    """
    if pattern == "random":
        return torch.randperm(PIXELS, generator=torch.Generator().manual_seed(row)).tolist()
    if pattern == "block":
        return list(range(PIXELS - 1, -1, -1))
    if pattern == "spread":
        bits = PIXELS.bit_length() - 1
        return [int(f"{k:0{bits}b}"[::-1], 2) for k in range(PIXELS)]
    raise ValueError(f"no pattern {pattern!r}; there are {', '.join(PATTERNS.values())}")


@lru_cache(maxsize=64)
def curves(pattern: str, rho: float) -> np.ndarray:
    """Dependence, ε_CI² and class information with 1 … 31 of the 32 pixels hidden, (31, 3)."""
    covariance = ar1_covariance(PIXELS, rho)
    means = torch.stack([torch.zeros(PIXELS), torch.ones(PIXELS)])
    orders = [order_of(pattern, k) for k in range(ROWS if pattern == "random" else 1)]
    values = np.zeros((len(orders), PIXELS - 1, len(NAMES)))
    for k, order in enumerate(orders):
        hidden = torch.zeros(PIXELS, dtype=torch.bool)
        for count, pixel in enumerate(order[:-1]):
            hidden[pixel] = True
            values[k, count] = masked_curves([0.5, 0.5], means, torch.stack([covariance] * 2), hidden)
    return values.mean(0)


class HidingCurves(Explorer):
    """A row of 32 pixels, each like its neighbours, of two classes one unit apart: what to hide?

    The curves wait: first only the value at the chosen share is shown.
    """

    def __init__(self) -> None:
        controls = {
            "hidden": IntSlider(4, min=1, max=PIXELS - 1, description="hidden pixels"),
            "pattern": Dropdown(options=PATTERNS, value="random", description="which"),
            "rho": SelectionSlider(options=NEIGHBOURS, value=0.9, description="likeness ρ"),
            "whole": Checkbox(False, description="show the whole curves"),
        }
        super().__init__(controls, state=None, rows=[["hidden", "pattern"], ["rho", "whole"]])

    @staticmethod
    def render(state: Any, *, hidden: int, pattern: str, rho: float, whole: bool) -> Any:
        """The row and three plots; pure."""
        of_all = curves(pattern, rho)
        now = of_all[hidden - 1]
        shares = np.arange(1, PIXELS) / PIXELS
        panels = [_row(order_of(pattern)[:hidden], rho)]
        for k, (name, colour) in enumerate(zip(NAMES, (palette.X2, palette.PSI, palette.Y), strict=True)):
            curve = of_all[:, k]
            plot = draw.Plot(236, 190, (0, 1), (0, max(float(curve.max()) * 1.15, 0.05)))
            plot.axes("hidden share")
            if whole:
                plot.line(np.stack([shares, curve], 1), colour, told=name)
            plot.dot(hidden / PIXELS, float(now[k]), colour, r=5)
            flat = np.ptp(curve) < 1e-9
            peak = "flat" if flat else f"largest at a share of {shares[curve.argmax()]:.2f}"
            seen = f"; the curve is {peak}" if whole else ""
            panels.append(plot.panel(name, f"{name}: {now[k]:.2f} at a share of {hidden / PIXELS:.2f}{seen}"))
        line = (
            f"Hidden: <b>{hidden}</b> of {PIXELS}. Dependence given the class <b>{now[0]:.2f}</b> nats, "
            f"ε<sub>CI</sub>² <b>{now[1]:.2f}</b>, class information <b>{now[2]:.2f}</b>. "
        )
        if not whole:
            line += "Where is each of them largest? Guess, then show the curves."
        elif rho == 0:
            line += "Pixels that share nothing given the class: ε<sub>CI</sub>² is 0 whatever you hide."
        elif pattern == "block":
            line += "A block touches what is seen at one pixel only: "
            line += "for the dependence its length does not matter."
        return panels, line


def _row(hidden: list[int], rho: float) -> Panel:
    """A sample of the row: visible pixels in gray, hidden ones in the colour of X₂."""
    factor = torch.linalg.cholesky(ar1_covariance(PIXELS, rho))
    sample = (factor @ torch.randn(PIXELS, generator=torch.Generator().manual_seed(4)).double()).numpy()
    cell = 720 / PIXELS  # CSS pixels
    plot = draw.Plot.board(720, round(cell))
    for k, value in enumerate(np.clip((128 + 45 * sample) / 255, 0, 1).tolist()):
        gray = (round(255 * value),) * 3  # of the picture, in the dark theme too
        plot.rect(cell * k + 1, 0, cell * (k + 1) - 1, cell, fill=palette.X2 if k in hidden else gray)
    return plot.panel("X₁ in gray, X₂ in orange", f"a row of {PIXELS} pixels, {len(hidden)} of them hidden")
