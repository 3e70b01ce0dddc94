"""Lecture 11: measured excess risk, the true bound, the note's, and supervised learning (note §3.4)."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from ipywidgets import Dropdown, FloatSlider, IntSlider, SelectionSlider, ToggleButtons

from ssl_course.course import palette
from ssl_course.data import scenes
from ssl_course.theory import bounds
from ssl_course.theory.gaussian import gaussian_world
from ssl_course.theory.worlds import Simulated, simulate_excess, table_excess
from ssl_course.widgets.frame import Explorer, Frame, Panel, draw

D1, D2 = 40, 10
LABELS = [8, 12, 20, 30, 50, 80, 120, 200, 300, 500, 800, 1200, 2000, 5000]
WORLDS = {
    "Gaussian: dependence beside the class": "aside",
    "Gaussian: dependence along the class": "class",
    "Gaussian: dependence in all coordinates": "all",
    "scenes, X₂ = sky and ground": "sky and ground",
    "scenes, X₂ = average colour": "average colour",
}
PROBES = {"all of ψ": "full", "top k of ψ": "top"}
GRID, NOISES = np.geomspace(6, 8000, 90), [0.1, 0.3, 0.5, 0.7, 0.9]
ONLY_GAUSSIAN = ("k", "sigma", "noise")


class Curves(NamedTuple):
    """Everything that is drawn at one setting; risks are excess squared risks."""

    k: int
    rank: int
    epsilon_squared: float
    sigma: float  # σ_k(M), or σ_{k−1}(MΠ) where the probe has an intercept
    noise: float  # V, the label noise
    approximation: float  # a
    ceiling: float  # what the true statement says that a is at most
    constant: float  # excess of always saying E[Y]: a bound above it says nothing
    n: np.ndarray  # (m,) labels of the curves
    probe: np.ndarray  # (m,)
    bound: np.ndarray  # (m,)
    supervised: np.ndarray  # (m,)
    overtakes: float  # labels from which supervised learning is better; may be infinite


class _Source:
    def __init__(self, measured: Mapping[float, Mapping[str, Mapping[int, Simulated]]], repeats: int) -> None:
        self.measured, self.repeats = measured, repeats

    @lru_cache(maxsize=64)  # noqa: B019 - one instance lives as long as its widget
    def gaussian(self, where: str, k: int, rho: float, sigma: float, noise: float) -> Any:
        return gaussian_world(k, D1, D2, dependence=rho, sigma=sigma, noise=noise * k, where=where)

    @lru_cache(maxsize=64)  # noqa: B019
    def curves(self, where: str, probe: str, k: int, rho: float, sigma: float, noise: float) -> Curves:
        if where in scenes.SEES:
            return self._scenes(where, probe, rho)
        world, n = self.gaussian(where, k, rho, sigma, noise), torch.as_tensor(GRID)
        ceiling, s2, rank = world.approximation_bound(probe), world.label_noise(), world.rank(probe)
        constant = k - s2  # Tr Cov(Y) = k
        a = world.approximation_error(probe)
        numbers = (world.epsilon_ci_squared(), world.sigma_k(), s2, a, ceiling, constant)
        bound = bounds.excess_risk(float(ceiling), float(s2), rank, n)
        curves = (curve.numpy() for curve in (world.excess(n, probe), bound, world.excess(n, "raw")))
        return Curves(k, rank, *map(float, numbers), GRID, *curves, float(world.overtakes(probe)))

    def _scenes(self, sees: str, probe: str, rho: float) -> Curves:
        joint, x2 = _small(rho, sees)
        cut = 3 if probe == "top" else None
        n = np.array([v for v in LABELS if v <= 2000], float)
        measured = np.array([self.simulated(sees, probe, rho, int(v)).mean for v in n])
        epsilon, sigma = float(bounds.epsilon_ci_squared(joint, x2)), float(bounds.sigma_centred(joint, x2))
        a, s2 = float(bounds.approximation_error(joint, x2, cut)), float(bounds.label_noise(joint))
        rank = bounds.predictor_rank(joint, x2)
        # 4ε²/σ_k² holds for the top k; with an intercept k − 1 centred components would do,
        # but are not what is cut
        ceiling = epsilon / sigma**2
        if cut:
            ceiling = float(bounds.over_square(torch.tensor(4 * epsilon), bounds.sigma_k(joint, x2)))
        supervised = np.array([float(table_excess(scenes.World(rho).joint(), int(v))) for v in n])
        # from the number of labels after the last one where it is worse it stays better
        after = int(np.flatnonzero(supervised >= measured).max(initial=-1)) + 1
        overtakes = float(n[after]) if after < len(n) else np.inf
        constant = 1 - float(joint.sum((0, 1)).square().sum()) - s2
        numbers = (3, min(rank, cut or rank), epsilon, sigma, s2, a, ceiling, constant)
        return Curves(*numbers, n, measured, np.full(len(n), ceiling), supervised, overtakes)

    @lru_cache(maxsize=512)  # noqa: B019
    def simulated(self, where: str, probe: str, rho: float, n: int, *gaussian: float) -> Simulated:
        if where in scenes.SEES:
            joint, x2 = _small(rho, where)
            features = bounds.leading(joint, x2, 3) if probe == "top" else None
            return simulate_excess(joint, x2, n, self.repeats, seed=3, features=features)
        return self.gaussian(where, *gaussian).simulate(n, probe, self.repeats, seed=3)


@lru_cache(maxsize=32)
def _small(rho: float, sees: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The scenes world with X₁ = (texture, light), (18, 18, 3): objects add nothing to the texture."""
    world = scenes.World(rho, sees=sees)
    return world.joint().reshape(18, 9, 18, 3).sum(1), world.x2_values()


class BoundExplorer(Explorer):
    """n_L, k, the dependence, σ_k and V: which of the curves lies where, and who wins with how many labels?

    Args:
        measured: λ → name → n → `Simulated`: a trained network's points, drawn where the world is the scenes.
        repeats: of each simulation.
    """

    def __init__(self, measured: Mapping | None = None, repeats: int = 120) -> None:
        controls = {
            "world": Dropdown(options=WORLDS, value="class", description="world"),
            "probe": ToggleButtons(options=PROBES, value="full", description="the probe sees"),
            "n": SelectionSlider(options=[(f"{v:,}", v) for v in LABELS], value=80, description="labels n_L"),
            "dependence": FloatSlider(0.3, min=0, max=1, step=0.05, description="dependence ρ, λ"),
            "k": IntSlider(3, min=1, max=6, description="classes k"),
            "sigma": SelectionSlider(options=[0.25, 0.5, 1.0, 2.0, 4.0], value=0.5, description="σ_k(M)"),
            "noise": SelectionSlider(options=NOISES, value=0.5, description="label noise V/k"),
        }
        rows = [["world", "probe"], ["k", "sigma", "noise"], ["n", "dependence"]]
        super().__init__(controls, state=_Source(measured or {}, repeats), rows=rows)
        self.fold(1, "k, σ and the noise")
        self.controls["world"].observe(lambda _: self._usable(), names="value")

    def _usable(self) -> None:
        for name in ONLY_GAUSSIAN:
            self.controls[name].disabled = self.controls["world"].value in scenes.SEES

    @staticmethod
    def render(
        state: Any, *, world: str, probe: str, n: int, dependence: float, k: int, sigma: float, noise: float
    ) -> Frame:
        """The curves against n_L, and what they are made of at the chosen n_L; pure."""
        c = state.curves(world, probe, k, dependence, sigma, noise)
        gaussian = () if world in scenes.SEES else (k, dependence, sigma, noise)
        m = state.simulated(world, probe, dependence, n, *gaussian)
        literal = c.k / n + c.epsilon_squared
        points = state.measured.get(round(dependence, 3), {}) if world == "sky and ground" else {}
        finite = world in scenes.SEES
        panels = [_curves(c, n, m, points, finite), _parts(c, n, m, literal, finite)]
        name = f"σ<sub>{'k−1' if finite else 'k'}</sub>"
        sharp = f"{c.approximation / c.ceiling:.2f}" if c.ceiling > 1e-12 else "0 of 0"
        if np.isfinite(c.overtakes):
            cross = f"supervision overtakes at n_L = <b>{c.overtakes:,.0f}</b>"
        elif c.approximation < 1e-9:
            cross = "supervision <b>never</b> overtakes here"
        else:
            cross = "supervision is not better up to the last n_L drawn"
        silent = f", and a constant probe loses {c.constant:.3g}" if c.ceiling > c.constant else ""
        epsilon, a, allowed, note = map(draw.number, (c.epsilon_squared, c.approximation, c.ceiling, literal))
        line = (
            f"ε² = {epsilon}, {name} = {c.sigma:.3g}, V = {c.noise:.3g}, rank {c.rank}. "
            f"a = <b>{a}</b> where the bound allows {allowed}: share used {sharp}{silent}; "
            f"{cross}.<br>With {n:,} labels: measured <b>{_risk(m)}</b>, the note's line {note}."
        )
        return panels, line


def _risk(m: Simulated) -> str:
    return f"{m.mean:.3g} ± {m.standard_error:.1g}" if m.mean < 1e3 else "above 1,000"


LEFT, RIGHT, LOW, HIGH = float(np.log10(6)), float(np.log10(8000)), -3.6, 1.3


def _curves(c: Curves, n: int, m: Simulated, points: Mapping, finite: bool) -> Panel:
    """``points``: name → labels → `Simulated`, of trained networks."""
    plot = draw.Plot(420, 300, (LEFT, RIGHT), (LOW, HIGH), margin=(34, 10, 40, 56))
    xticks, yticks = draw.log_ticks(10, 100, 1000), draw.log_ticks(10, 1, 0.1, 0.01, 0.001)
    plot.axes("labels n_L", "excess squared risk", xticks, yticks)
    curves = (
        (c.n, c.supervised, palette.MUTED, (2, 4), 2.5, "supervised"),
        (GRID, c.k / GRID + c.epsilon_squared, palette.Y, (10, 4), 2, "the note: k/n + ε²"),
        (c.n, c.bound, palette.X2, (6, 5), 2, "bound of a" if finite else "true bound"),
        (c.n, c.probe, palette.PSI, None, 3, "probe of ψ*"),
    )
    for x, y, colour, dash, width, name in curves:
        with np.errstate(divide="ignore", invalid="ignore"):
            y = np.log10(y)
        keep = np.isfinite(y) & (y < HIGH) & (y > LOW)
        if keep.sum() > 1:
            plot.line(np.stack([np.log10(x[keep]), y[keep]], 1), colour, width, dash, name)
    most = float(np.log10(c.constant))
    plot.line([(LEFT, most), (RIGHT, most)], palette.INK, 1.5, (1, 4))
    plot.text(RIGHT, most, "constant probe", palette.INK, 10, "rb", offset=(-2, -2), halo=True)
    if LEFT < np.log10(min(c.overtakes, 1e9)) < RIGHT:
        at = float(np.log10(c.overtakes))
        plot.line([(at, LOW), (at, HIGH)], palette.INK, 1, (3, 3))
        anchor, side = ("lb", 4) if at < RIGHT - 0.5 else ("rb", -4)
        plot.text(at, LOW, f"{c.overtakes:,.0f}", palette.INK, 11, anchor, offset=(side, -4), halo=True)
    x = float(np.log10(n))
    plot.rect(x - 0.02, LOW, x + 0.02, HIGH, fill=palette.GRID + "88")
    _dot(plot, n, m, palette.PSI)
    for name, of_n in points.items():
        for at, value in of_n.items():
            _dot(plot, at, value, palette.X1 if "colorizer" in name else palette.MUTED, ring=True)
    plot.names([(name, colour) for _, _, colour, _, _, name in reversed(curves)])
    rings = "; rings: trained on pictures" if points else ""
    alt = f"excess risk against labels; at {n} labels measured {_risk(m)}"
    return plot.panel(f"dot: measured, ± 2 standard errors{rings}", alt)


def _dot(plot: draw.Plot, n: float, m: Simulated, colour: str, ring: bool = False) -> None:
    x, y = float(np.log10(n)), float(np.log10(max(m.mean, 1e-9)))
    if not (LOW < y < HIGH and LEFT < x < RIGHT):
        return
    low = np.log10(max(m.mean - 2 * m.standard_error, 1e-9))
    high = np.log10(m.mean + 2 * m.standard_error)
    plot.line([(x, max(low, LOW)), (x, min(high, HIGH))], colour, 1.5)
    inside, edge, width = (palette.PAPER, colour, 2) if ring else (colour, palette.PAPER, 1)
    plot.dot(x, y, inside, 4.5, edge, width)


def _parts(c: Curves, n: int, m: Simulated, literal: float, finite: bool) -> Panel:
    """Stacked: what more labels mend, on top of what they cannot."""
    at = np.interp(np.log10(n), np.log10(c.n), np.nan_to_num(c.supervised, posinf=1e6))
    allowed = np.interp(np.log10(n), np.log10(c.n), np.nan_to_num(c.bound, posinf=1e6))
    bars = [
        ("measured", c.approximation, max(m.mean - c.approximation, 0), palette.PSI),
        ("true bound", c.ceiling, max(allowed - c.ceiling, 0), palette.X2),
        ("the note", c.epsilon_squared, c.k / n, palette.Y),
        ("supervised", 0.0, float(at), palette.MUTED),
    ]
    most = min(m.mean, 1e3)
    top = 1.15 * max(most, *(min(v, 3 * most) for v in (literal, allowed, at)))
    top = max(float(top), 1e-6)
    plot = draw.Plot(300, 300, (-0.55, 3.55), (0, top), margin=(34, 6, 40, 56))
    plot.axes("", "excess squared risk", dict(enumerate(["measured", "bound", "note", "superv."])), None)
    for i, (_, base, more, colour) in enumerate(bars):
        base, end = min(base, top), min(base + more, top)
        plot.bars([i], [base], colour, 0.62)
        plot.bars([i], [end], colour + "55", 0.62, base)
        if bars[i][1] + more > top:
            ink = palette.PAPER if base > 0.9 * top else palette.INK
            plot.arrow((i, 0.86 * top), (i, 0.99 * top), ink, 2, 8)
    if c.constant < top:
        plot.line([(-0.55, c.constant), (3.55, c.constant)], palette.INK, 1.5, (1, 4))
        plot.text(-0.55, c.constant, "constant probe", palette.INK, 10, "lb", offset=(3, -2), halo=True)
    plot.names([("dark: no label mends it", palette.INK)], row=1, bold=False)
    plot.names([("light: for lack of labels", palette.INK)], bold=False)
    parts = ", ".join(f"{name} {base:.3g} plus {more:.3g}" for name, base, more, _ in bars)
    silent = "; the bound is one of a alone" if finite else ""
    return plot.panel(f"what the risk at n_L is made of{silent}", parts)
