"""Lecture 12: two functions, ψ of x₁ and η of x₂, that make a dependence straight (note §3.5.2)."""

from typing import Any

import numpy as np
from ipywidgets import Dropdown, FloatSlider, IntSlider, SelectionSlider

from ssl_course.course import palette
from ssl_course.theory.ace import SHAPES, STEPS, Straightened, straightened
from ssl_course.widgets.frame import Explorer, Frame, Panel, draw
from ssl_course.widgets.frame.progress import smooth

SPANS = {"narrow": 0.08, "middle": 0.2, "wide": 0.5}
PLOT = 236  # CSS pixels


class DependenceExplorer(Explorer):
    """Choose how x₂ depends on x₁, then step through ACE: the scatter of ψ(x₁) and η(x₂) straightens."""

    def __init__(self) -> None:
        controls = {
            "shape": Dropdown(options=SHAPES, value="circle", description="x₂ from x₁"),
            "noise": FloatSlider(0.1, min=0, max=0.8, step=0.05, description="noise"),
            "step": IntSlider(1, min=1, max=STEPS, description="steps of ACE"),
            "n": SelectionSlider(options=[60, 200, 600], value=200, description="samples"),
            "span": Dropdown(options=SPANS, value=0.2, description="window"),
        }
        super().__init__(controls)

    @staticmethod
    def render(state: Any, *, shape: str, noise: float, step: int, n: int, span: float) -> Frame:
        """The pairs, ψ, η, the straightened pairs, the correlation step by step; pure."""
        fit = straightened(shape, noise, n, span, step)
        rho = float(fit.now.correlation)
        psi, eta = fit.now.psi.numpy(), fit.now.eta.numpy()
        panels = [
            _pairs(fit, span),
            _function(fit.x1, psi, "x₁", "ψ(x₁)", palette.X1, "ψ: what E[η(X₂) | X₁] has become"),
            _function(fit.x2, eta, "x₂", "η(x₂)", palette.X2, "η: what E[ψ(X₁) | X₂] has become"),
            _straight(psi, eta, rho, "the same pairs through ψ and η"),
            _straight(fit.psi[:n], fit.eta[:n], fit.fresh, "fresh pairs through the same functions"),
            _history(fit, step),
        ]
        line = (
            f"Linear correlation of x₁ and x₂: <b>{fit.linear:+.2f}</b>. After {step} step{'s' * (step > 1)} "
            f"the correlation of ψ(x₁) and η(x₂) is <b>{rho:.2f}</b>, whitened L_sim = 2 − 2ρ = "
            f"{2 - 2 * rho:.2f}. On fresh pairs: <b>{fit.fresh:.2f}</b>."
        )
        if fit.fresh < rho - 0.15:
            line += " The difference is fitted noise: more samples or a wider window."
        return panels, line


def _limits(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    pad = 0.06 * (high - low) + 1e-6
    return low - pad, high + pad


def _pairs(fit: Straightened, span: float) -> Panel:
    plot = draw.Plot(PLOT, PLOT, _limits(fit.x1), _limits(fit.x2), margin=(10, 8, 38, 44))
    plot.axes("x₁", "x₂")
    plot.dots(np.stack([fit.x1, fit.x2], 1), palette.MUTED, 2.2)
    half = max(2, round(span * len(fit.x1) / 2))
    order = fit.x1.argsort()
    plot.line(np.stack([fit.x1[order], smooth(fit.x2[order], half)], 1), palette.PSI, 3, told="E[X₂ | X₁]")
    alt = f"{len(order)} pairs; linear correlation {fit.linear:.2f}"
    return plot.panel("the pairs; line: ψ* = E[X₂ | X₁], what reconstruction sees", alt)


def _function(x: np.ndarray, f: np.ndarray, xlabel: str, ylabel: str, colour: str, caption: str) -> Panel:
    plot = draw.Plot(PLOT, PLOT, _limits(x), (-2.9, 2.9), margin=(10, 8, 38, 44))
    plot.axes(xlabel, ylabel, None, [-2, 0, 2])
    order = x.argsort()
    line = np.stack([x[order], f[order].clip(-2.9, 2.9)], 1)
    plot.line(line, colour + "66", 1.5, told=ylabel).dots(line, colour, 2)
    return plot.panel(caption, f"the function {ylabel} at the samples, mean 0 and variance 1")


def _straight(psi: np.ndarray, eta: np.ndarray, rho: float, caption: str) -> Panel:
    plot = draw.Plot(PLOT, PLOT, (-2.9, 2.9), (-2.9, 2.9), margin=(10, 8, 38, 44))
    plot.axes("ψ(x₁)", "η(x₂)", [-2, 0, 2], [-2, 0, 2])
    plot.line([(-2.9, -2.9), (2.9, 2.9)], palette.MUTED, 1, (4, 4))
    plot.dots(np.stack([psi, eta], 1).clip(-2.9, 2.9), palette.PSI, 2.2)
    plot.text(-2.7, 2.7, f"ρ = {rho:.2f}", palette.PSI, 15, "lt", True, halo=True)
    return plot.panel(caption, f"the transformed pairs, correlation {rho:.2f}")


def _history(fit: Straightened, step: int) -> Panel:
    plot = draw.Plot(PLOT, PLOT, (0.5, STEPS + 0.5), (0, 1.03), margin=(10, 8, 38, 44))
    plot.axes("steps of ACE", "correlation", [1, 5, 10, 15], [0, 0.5, 1])
    history = fit.whole.history + [fit.whole.history[-1]] * (STEPS - len(fit.whole.history))
    size = abs(fit.linear)
    plot.line([(0.5, size), (STEPS + 0.5, size)], palette.MUTED, 2, (2, 4))
    plot.text(STEPS + 0.4, size, "linear, its size", palette.MUTED, 11, "rb", offset=(0, -3), halo=True)
    points = [(i + 1, min(max(h, 0), 1.03)) for i, h in enumerate(history)]
    plot.line(points, palette.PSI, told="correlation").dots(points, palette.PSI, 2.5)
    plot.dot(*points[step - 1], palette.PSI, 6, palette.PAPER, 1.5)
    return plot.panel("step by step", f"correlation after each step: {history[step - 1]:.2f} now")
