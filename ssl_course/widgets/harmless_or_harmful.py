"""Lecture 11: the same ε_CI can cost nothing or everything; the direction decides (note §3.4)."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from ipywidgets import Dropdown, FloatSlider

from ssl_course.course import palette
from ssl_course.data import scenes
from ssl_course.theory import bounds, independence
from ssl_course.theory.gaussian import gaussian_world
from ssl_course.widgets.frame import Explorer, Frame, Panel, draw

WHERE = {
    "beside the classes": "aside",
    "along the classes, as new noise": "class",
    "against what X₁ says of the class": "against",
    "scenes: sky and ground": "sky and ground",
    "scenes: average colour": "average colour",
}
SHOWN = 70  # states of X₁ drawn of the Gaussian world
NOISE = 0.5  # V of the Gaussian world, k = 1
TINT_GAIN = 1.5  # tints as strong as the sums allow; pictures would leave sRGB


class View(NamedTuple):
    """What is drawn: states of X₁ in the plane of X₂, what the probe says of them, and the numbers."""

    weight: np.ndarray  # (m,) P(x₁)
    psi: np.ndarray  # (m, 2) ψ*
    through: np.ndarray  # (m, 2) Σ_y P(y|x₁) E[X₂|y], or its Gaussian form
    means: np.ndarray  # (c, 2) class means
    truth: np.ndarray  # (m,) one coordinate of E[Y|X₁]
    answer: np.ndarray  # (m,) the best linear probe of ψ*
    epsilon_squared: float
    sigma: float
    approximation: float
    ceiling: float
    constant: float  # excess of always saying E[Y]
    accuracy: tuple[float, float] | None  # Bayes and probe
    wide: bool = False  # X₂ has more than two numbers: a projection is drawn


@lru_cache(maxsize=128)
def view(where: str, rho: float) -> View:
    """Everything at one setting, exact."""
    return _scenes(where, rho) if where in scenes.SEES else _gaussian(where, rho)


def _gaussian(where: str, rho: float) -> View:
    world = gaussian_world(k=1, d1=4, d2=2, dependence=rho, sigma=1.0, noise=NOISE, where=where)
    root = torch.linalg.cholesky(world.block("1", "1"))
    z = torch.randn(SHOWN, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    x1 = z @ root.T  # (m, d1)
    target = world.expectation("y", "1")  # (1, d1)
    basis = world.whitened("full")  # (r, d1), on whitened x1
    fit = target @ root @ basis.T @ basis @ torch.linalg.inv(root)  # (1, d1)
    psi, through = ((x1 @ matrix.T).numpy() for matrix in (world.psi(), world.means() @ target))
    truth, answer = ((x1 @ row.T)[:, 0].numpy() for row in (target, fit))
    epsilon, sigma = world.epsilon_ci_squared(), world.sigma_k()
    loss = epsilon, sigma, world.approximation_error(), world.approximation_bound(), 1 - world.label_noise()
    weight, no_means = np.full(SHOWN, 1 / SHOWN), np.zeros((0, 2))
    return View(weight, psi, through, no_means, truth, answer, *map(float, loss), accuracy=None)


def _scenes(sees: str, rho: float) -> View:
    world = scenes.World(rho, sees=sees, tint_gain=TINT_GAIN)
    joint, x2 = world.joint().reshape(18, 9, 18, 3).sum(1), world.x2_values()  # X₁ = (texture, light)
    of_x2 = (independence.best_predictor, independence.predictor_through_y, independence.class_means)
    psi, through, means = (f(joint, x2) for f in of_x2)
    p, target = joint.sum((1, 2)), independence.posterior(joint)
    design = torch.cat([torch.ones_like(p)[:, None], psi - p @ psi], 1)
    fit = design @ torch.linalg.pinv(p.sqrt()[:, None] * design, rtol=1e-9) @ (p.sqrt()[:, None] * target)
    limit, epsilon = bounds.probe_limit(joint, x2), independence.epsilon_ci_squared(joint, x2)
    sigma = bounds.sigma_centred(joint, x2)
    if x2.shape[1] > 2:  # the plane of the class means' first direction and of the tints' first
        first = torch.linalg.svd(means - means.mean(0))[2][0]
        tints = scenes.World(1.0, sees=sees)
        off = tints.psi_star() - independence.predictor_through_y(tints.joint(), x2)
        off = off - (off @ first)[:, None] * first
        second = torch.linalg.svd(off)[2][0]
        axes, centre = torch.stack([first, second], 1), means.mean(0)
    else:
        axes, centre = torch.eye(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    flat = [((v - centre) @ axes).numpy() for v in (psi, through, means)]
    truth, answer = target[:, 2].numpy(), fit[:, 2].numpy()
    constant = 1 - joint.sum((0, 1)).square().sum() - bounds.label_noise(joint)
    loss = epsilon, sigma, limit.excess, bounds.over_square(epsilon, sigma), constant
    accuracy = (world.bayes_rate(), limit.accuracy)
    return View(p.numpy(), *flat, truth, answer, *map(float, loss), accuracy, wide=x2.shape[1] > 2)


class HarmlessOrHarmful(Explorer):
    """Same knob, different directions: watch ε_CI² grow everywhere and the probe suffer only in some."""

    def __init__(self) -> None:
        controls = {
            "where": Dropdown(options=WHERE, value="aside", description="X₁ and X₂ share"),
            "dependence": FloatSlider(0.6, min=0, max=1, step=0.05, description="dependence ρ, λ"),
        }
        super().__init__(controls)

    @staticmethod
    def render(state: Any, *, where: str, dependence: float) -> Frame:
        """ψ* against the way through Y, the probe against the truth, ε²/σ² against a; pure."""
        v = view(where, dependence)
        finite = where in scenes.SEES
        if v.approximation >= 1e-9:
            verdict = f"<b>harmful</b>: {100 * v.approximation / v.ceiling:.0f} % of what the bound allows"
        elif v.epsilon_squared < 1e-12:
            verdict = "nothing is shared"
        else:
            verdict = "<b>harmless</b>, this probe loses nothing"
        numbers = (v.epsilon_squared, v.ceiling, v.approximation)
        epsilon, ceiling, a = (draw.number(round(x, 9)) for x in numbers)
        line = f"ε² = {epsilon}, ε²/σ² = {ceiling}, a = <b>{a}</b>: {verdict}."
        if v.accuracy:
            line += f" Accuracy {v.accuracy[1]:.3f}, Bayes {v.accuracy[0]:.3f}."
        if where == "against" and v.approximation < 1e-9 and dependence:
            line += " ψ* shrinks, and a linear probe undoes that, until ψ* is 0."
        return [_plane(v, finite), _answers(v, finite), _ledger(where, dependence, v)], line


def _plane(v: View, finite: bool) -> Panel:
    """Each state of X₁: a ring where the class alone would put it, a bar to where ψ* is."""
    psi, through = v.psi, v.through
    names = ("along the classes", "along the tints") if v.wide else ("a of X₂", "b of X₂")
    if not finite:
        names = ("X₂ along the class", "X₂ beside it")
        if not np.abs(psi[:, 1]).max() > 1e-9:  # nothing happens beside it: a row for each state instead
            names = (names[0], "one row for each x₁")
            rows = np.linspace(-2, 2, len(psi))
            order = through[:, 0].argsort()
            psi, through = (np.stack([z[order, 0], rows], 1) for z in (psi, through))
    points = np.concatenate([psi, through, v.means])
    low, high = (points.min(0), points.max(0)) if finite else (np.full(2, -2.7), np.full(2, 2.7))
    pad = 0.12 * (high - low).max()
    xlim, ylim = zip(low - pad, high + pad, strict=True)
    plot = draw.Plot(240, 260, xlim, ylim, margin=(12, 8, 26, 26), equal=True)
    plot.axes(*names, [], [])
    for a, b in zip(through, psi, strict=True):
        plot.line([a, b], palette.X2 + ("cc" if finite else "99"), 2 if finite else 1.4)
    for a in through:
        plot.dot(*a, palette.PAPER, 2.6, palette.X1, 1.4)
    plot.dots(psi, palette.PSI, 3)
    for (x, y), name, colour in zip(v.means, scenes.BIOMES, palette.BIOME.values(), strict=False):
        plot.dot(x, y, None, 8, colour, 2)
        plot.text(x, y, name, colour, 11, bold=True, halo=True, offset=(0, -16))
    alt = (
        "each state of X1 in the plane of X2; the bars from ring to dot have the root mean square "
        f"{v.epsilon_squared**0.5:.3g}"
    )
    return plot.panel("ring: through Y; dot: ψ*; bar: their gap, ε_CI in the mean square", alt)


def _answers(v: View, finite: bool) -> Panel:
    """What the best probe of ψ* says against E[Y|X₁]: on the diagonal nothing is lost."""
    low, high = (-0.15, 1.15) if finite else (-2.2, 2.2)
    plot = draw.Plot(240, 260, (low, high), (low, high), margin=(12, 8, 40, 46), equal=True)
    marks = [0, 0.5, 1] if finite else [-2, 0, 2]
    target = "P(sea | X₁)" if finite else "E[Y | X₁]"
    plot.axes(target, "the probe says", marks, marks)
    plot.line([(low, low), (high, high)], palette.MUTED, 1, (4, 4))
    for truth, answer in zip(v.truth, v.answer, strict=True):
        plot.line([(truth, truth), (truth, answer)], palette.Y + "66", 1.2)
    plot.dots(np.stack([v.truth, v.answer], 1), palette.Y, 3)
    distance = f"mean squared distance from the diagonal {v.approximation:.3g}"
    caption = "what the best probe says of Y; off the diagonal: lost"
    return plot.panel(caption, f"the probe's answer against the truth; {distance}")


def _ledger(where: str, rho: float, v: View) -> Panel:
    """What the bound allows and what is lost, against the dependence."""
    grid = np.linspace(0, 1, 21)
    views = [view(where, float(r)) for r in grid]
    allowed = np.array([u.ceiling for u in views])
    lost = np.array([u.approximation for u in views])
    top = 1.1 * max(allowed.max(), 1.2 * v.constant)
    plot = draw.Plot(240, 260, (0, 1), (0, top), margin=(34, 8, 40, 50))
    plot.axes("dependence", "squared risk")
    plot.line(np.stack([grid, allowed], 1), palette.X2, 2.5, (7, 5), "allowed: ε²/σ²")
    plot.line(np.stack([grid, lost], 1), palette.PSI, 3, told="lost: a")
    for value, colour in ((v.ceiling, palette.X2), (v.approximation, palette.PSI)):
        plot.dot(rho, value, colour, 5, palette.PAPER, 1)
    plot.line([(0, v.constant), (1, v.constant)], palette.INK, 1.5, (1, 4))
    plot.text(0, v.constant, "constant probe", palette.INK, 10, "lb", offset=(3, -2), halo=True)
    plot.names([("allowed: ε²/σ²", palette.X2)], row=1).names([("lost: a", palette.PSI)])
    alt = f"allowed {v.ceiling:.3g}, lost {v.approximation:.3g}, a constant probe loses {v.constant:.3g}"
    return plot.panel("the bound and the loss", alt)
