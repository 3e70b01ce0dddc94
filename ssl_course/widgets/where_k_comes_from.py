"""Lecture 11: the k in k/n_L is a rank, and the slightest dependence changes it (note §3.4)."""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from ipywidgets import Checkbox, Dropdown, SelectionSlider

from ssl_course.course import palette
from ssl_course.theory.gaussian import GaussianWorld, gaussian_world
from ssl_course.theory.worlds import Simulated
from ssl_course.widgets.frame import Explorer, Frame, Panel, draw

K, D1, D2, NOISE = 3, 40, 10, 1.596
RHO = [0.0, 0.0001, 0.001, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5]
LABELS = [15, 20, 30, 45, 60, 100, 200, 500, 1000, 3000]
RIDGE = 0.01  # in the units of ψ's variances: far above the spurious ones, far below those of the classes
PAIRS = {"all pairs there are: ψ*": 0, "3,000 pairs": 3000, "300 pairs": 300}  # 0 stands for infinitely many
NAMES = {"full": "all of ψ", "top": "top k of ψ", "raw": "X₁ itself (supervised)"}
COLOURS = {"full": palette.PSI, "top": palette.X2, "raw": palette.MUTED}
FLOOR = -5.0  # log10 of what the spectrum still shows


class _Worlds:
    """The worlds of all ρ, and what was simulated in them."""

    def __init__(self, repeats: int) -> None:
        self.repeats = repeats

    @lru_cache(maxsize=32)  # noqa: B019 - one instance lives as long as its widget
    def world(self, rho: float) -> GaussianWorld:
        return gaussian_world(K, D1, D2, dependence=rho, noise=NOISE)

    @lru_cache(maxsize=512)  # noqa: B019
    def measured(self, rho: float, n: int, which: str, ridge: float, pairs: int) -> Simulated:
        repeats = max(4, self.repeats // 4) if pairs else self.repeats
        return self.world(rho).simulate(n, which, repeats, ridge, pairs or None, seed=1)

    @lru_cache(maxsize=64)  # noqa: B019
    def spectrum(self, rho: float, pairs: int) -> np.ndarray:
        """Standard deviations of the principal components of ψ(X₁), descending, (D2,)."""
        world = self.world(rho)
        psi = world.psi()  # (d2, d1)
        if pairs:
            x1, x2, _ = world.sample(pairs, seed=2)
            psi = torch.linalg.solve(x1.T @ x1, x1.T @ x2).T
        return torch.linalg.svdvals(psi @ torch.linalg.cholesky(world.block("1", "1"))).numpy()


class WhereKComesFrom(Explorer):
    """ρ from 0 to the smallest step: ψ* gets seven more dimensions, and least squares pays for each."""

    def __init__(self, repeats: int = 200) -> None:
        controls = {
            "dependence": SelectionSlider(options=[(f"{r:g}", r) for r in RHO], description="dependence ρ"),
            "n": SelectionSlider(options=[(f"{v:,}", v) for v in LABELS], value=60, description="labels n_L"),
            "pairs": Dropdown(options=PAIRS, value=0, description="ψ learned from"),
            "ridge": Checkbox(False, description="ridge"),
        }
        super().__init__(controls, state=_Worlds(repeats))

    @staticmethod
    def render(state: Any, *, dependence: float, n: int, pairs: int, ridge: bool) -> Frame:
        """Spectrum, risk against ρ, risk against n_L; pure."""
        penalty = RIDGE if ridge else 0.0
        world = state.world(dependence)
        rank = D2 if pairs else world.rank("full")
        measured = {w: state.measured(dependence, n, w, penalty, pairs) for w in ("full", "top")}
        measured["raw"] = state.measured(0.0, n, "raw", 0.0, 0)  # X₁ and Y alone: the same at every ρ
        panels = [
            _spectrum(state.spectrum(dependence, pairs), rank, penalty),
            _against_rho(state, dependence, n, pairs, penalty, measured),
            _against_n(world, n, pairs, penalty, measured),
        ]
        sigma2, a = float(world.label_noise()), float(world.approximation_error("full"))
        risks = " · ".join(f"{NAMES[w]} <b>{_risk(m)}</b>" for w, m in measured.items())
        few = " (fewer labels than numbers: the solution of smallest norm)" if n <= D1 + 1 else ""
        line = f"Measured excess risk with {n:,} labels: {risks}{few}.<br>"
        if not pairs and not ridge:
            line += (
                f"Rank of ψ*: <b>{rank}</b>. (V + a) r / (n − r − 1) = {sigma2 + a:.3f} × {rank} / "
                f"{n - rank - 1} = {(sigma2 + a) * rank / (n - rank - 1):.3f}, and a = {a:.2g}. Nothing but "
                "the rank has changed since ρ = 0."
                if dependence and a < 0.01
                else f"Rank of ψ*: <b>{rank}</b>. a + (V + a) r / (n − r − 1) = "
                f"{float(world.excess(n, 'full')):.3f} by the closed form."
            )
        elif ridge:
            line += (
                f"The ridge, {RIDGE:g}, drowns every component whose variance is far below it: the k that "
                "are left are those of Y. scikit-learn's LogisticRegression has one by default."
            )
        else:
            line += (
                f"A ψ learned from {pairs:,} pairs has rank <b>{D2}</b> at every ρ, 0 included: its own "
                "errors fill the other dimensions."
            )
        return panels, line


def _risk(m: Simulated) -> str:
    return f"{m.mean:.3f} ± {m.standard_error:.3f}" if m.mean < 100 else "above 100"


def _spectrum(values: np.ndarray, rank: int, penalty: float) -> Panel:
    plot = draw.Plot(240, 260, (0.3, D2 + 0.7), (FLOOR, 0.5), margin=(34, 6, 40, 62))
    yticks = draw.log_ticks(1, 0.1, 0.01, 1e-3, 1e-4) | {FLOOR: "0"}
    plot.axes("component of ψ(X₁)", "standard deviation", {1: "1", 3: "3", 10: "10"}, yticks)
    shown = np.log10(np.maximum(values, 10**FLOOR)).clip(FLOOR, 0.5)
    x = np.arange(1, D2 + 1)
    plot.bars(x, np.where(x <= rank, shown, FLOOR), [palette.PSI] * K + [palette.X2] * (D2 - K), 0.7, FLOOR)
    if penalty:
        level = float(np.log10(penalty**0.5))
        plot.line([(0.3, level), (D2 + 0.7, level)], palette.INK, 1.5, (5, 4))
        plot.text(D2 + 0.6, level, "ridge", palette.INK, 11, "rb", offset=(0, -2), halo=True)
    plot.text(0.3, 0.5, f"rank {rank}", palette.PSI if rank == K else palette.X2, 15, "ls", True, (0, -10))
    alt = f"the standard deviations of the {D2} components: " + ", ".join(f"{v:.2g}" for v in values)
    return plot.panel("what the probe has to weigh", alt)


def _against_rho(state: Any, rho: float, n: int, pairs: int, penalty: float, measured: dict) -> Panel:
    """Risk against ρ: the exact jump; with a ridge what is simulated, since there is no closed form."""
    places, top = np.arange(len(RHO), dtype=float), _top(n)
    plot = draw.Plot(240, 260, (-0.45, len(RHO) - 0.6), (0, top), margin=(34, 8, 40, 56))
    plot.axes("dependence ρ", "excess risk", {0: "0", 2: "10⁻³", 5: "0.1", 8: "0.5"})
    plot.rect(-0.45, 0, 0.5, top, fill=palette.WASH)
    values = {}
    for which, dash in (("full", None), ("top", (7, 5))):
        if penalty and not pairs:
            risks = [state.measured(r, n, which, penalty, 0).mean for r in RHO]
        else:  # with finite pairs the curves of ψ* stay as a faint measure
            risks = [float(state.world(r).excess(n, which)) for r in RHO]
        values[which] = np.array(risks)
        keep = [i for i in range(1, len(RHO)) if risks[i] < top]
        colour = COLOURS[which] + ("55" if pairs else "")
        if keep:
            plot.line(np.stack([places[keep], values[which][keep]], 1), colour, 2.5, dash, NAMES[which])
        if risks[0] < top:
            plot.dot(-0.1 if which == "full" else 0.1, risks[0], colour, 3.5)
    if not penalty and values["full"][1] < top:
        plot.arrow((0.5, values["full"][0]), (0.5, values["full"][1]), palette.INK, 1.5, 7)
        middle = (values["full"][0] + values["full"][1]) / 2
        plot.text(0.5, middle, f"rank {K} → {D2}", palette.INK, 11, "lm", offset=(6, 0), halo=True)
    for shift, which in ((-0.12, "full"), (0.12, "top")):
        m, at = measured[which], RHO.index(rho) + shift
        if m.mean > top:
            plot.arrow((at, 0.88 * top), (at, top), COLOURS[which], 2, 8)
            continue
        spread = 2 * m.standard_error
        plot.line([(at, max(m.mean - spread, 0)), (at, min(m.mean + spread, top))], COLOURS[which], 1.5)
        plot.dot(at, m.mean, COLOURS[which], 5, palette.PAPER, 1)
    plot.names([(NAMES[which], COLOURS[which]) for which in ("full", "top")])
    alt = f"at rho {rho:g} measured: " + ", ".join(f"{NAMES[w]} {_risk(m)}" for w, m in measured.items())
    caption = "a ridge hides the jump" if penalty else "the slightest dependence costs seven dimensions"
    return plot.panel("lines: ψ*; dots: the learned ψ" if pairs else caption, alt)


def _against_n(world: GaussianWorld, n: int, pairs: int, penalty: float, measured: dict) -> Panel:
    """Risk against n_L, both logarithmic: the slope is −1, the height is the rank."""
    grid, left = np.geomspace(13, 3000, 60), float(np.log10(12))
    plot = draw.Plot(240, 260, (left, np.log10(4200)), (-3.2, 1), margin=(34, 10, 40, 56))
    xticks, yticks = draw.log_ticks(30, 100, 300, 1000), draw.log_ticks(10, 1, 0.1, 0.01, 0.001)
    plot.axes("labels n_L", "excess risk", xticks, yticks)
    for which, dash in (("raw", (2, 4)), ("full", None), ("top", (7, 5))):
        y = np.log10(world.excess(torch.as_tensor(grid), which).numpy())
        keep = np.isfinite(y) & (y < 1) & (y > -3.2)
        faint = which != "raw" and (pairs or penalty)
        line = np.stack([np.log10(grid[keep]), y[keep]], 1)
        plot.line(line, COLOURS[which] + ("55" if faint else ""), 2.5, dash, NAMES[which])
    for which in ("raw", "full", "top"):
        y = np.log10(max(measured[which].mean, 1e-9))
        if -3.2 < y < 1:
            plot.dot(np.log10(n), y, COLOURS[which], 5, palette.PAPER, 1)
    plot.names([(NAMES["raw"], COLOURS["raw"])])
    lines = "ψ* without a ridge" if pairs or penalty else "closed form"
    caption = f"lines: {lines}; dots: measured"
    return plot.panel(caption, "excess risk against the number of labels, for all of psi, its top k, and X1")


def _top(n: int) -> float:
    """The top of the risk axis: room for ten dimensions, however many labels there are."""
    return 2.0 * NOISE * D2 / (n - D2 - 1)
