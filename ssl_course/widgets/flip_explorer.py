"""Lecture 12: a narrow ψ keeps what is most shared, not what the label wants (note §3.5)."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from ipywidgets import Dropdown, FloatSlider

from ssl_course.course import palette
from ssl_course.data import painter, scenes
from ssl_course.pretext.color import lab_to_rgb
from ssl_course.theory.bounds import probe_features
from ssl_course.theory.correlation import maximal_functions
from ssl_course.theory.worlds import WORDS_1, WORDS_2, film_words
from ssl_course.widgets.frame import Explorer, Frame, Key, Panel, Pointer, draw

WORLDS = {"film reviews, one number": "words", "scenes, two numbers": "scenes"}
SHARED = palette.X2  # what λ ties: intensity of the words, light of the scenes
THUMB = 64
GRID = np.linspace(0, 1, 21)


class View(NamedTuple):
    """One world at one λ; m states of X₁."""

    table: torch.Tensor  # (m, m2) P(X₁, X₂)
    rho: np.ndarray  # maximal correlations, named below
    names: list[tuple[str, float]]  # what each correlation is about, and its value
    psi: np.ndarray  # (m, r) the leading functions that a narrow ψ keeps
    accuracy: dict[str, tuple[float, float]]  # label → probe of the narrow ψ, probe of all functions


@lru_cache(maxsize=128)
def view(world: str, dependence: float) -> View:
    """Everything by enumeration."""
    return _view_of_words(dependence) if world == "words" else _view_of_scenes(dependence)


def _accuracies(joints: dict[str, torch.Tensor], psi: torch.Tensor, rho: torch.Tensor, width: int) -> dict:
    kept = [psi[:, :width], psi[:, rho > 1e-9]]
    return {label: tuple(probe_features(joint, f).accuracy for f in kept) for label, joint in joints.items()}


def _view_of_words(dependence: float) -> View:
    joint = film_words(dependence).joint  # (4, 4, 2)
    table = joint.sum(2)
    psi, rho, _ = maximal_functions(table)
    strong, states = torch.zeros(4, 4, 2, dtype=torch.float64), torch.arange(4)
    strong[states, :, states % 2] = table
    accuracy = _accuracies({"happy or unhappy": joint, "mild or strong": strong}, psi, rho, 1)
    names = [("sentiment", 0.64), ("intensity", dependence), ("both", 0.64 * dependence)]
    return View(table, rho.numpy(), names, psi[:, :1].numpy(), accuracy)


def _view_of_scenes(dependence: float) -> View:
    world = scenes.World(dependence)
    joints = {}
    for label in ("biome", "light"):
        whole = world.joint(label).reshape(6, 3, 9, 9, 2, 3)  # t, z₁, objects, (y, z₂), side, label
        # the two textures of a biome say the same, objects nothing more
        joints[label] = whole.sum((2, 4)).reshape(3, 2, 3, 9, 3).sum(1).reshape(9, 9, 3)
    table = joints["biome"].sum(2)
    psi, rho, _ = maximal_functions(table)
    c = 0.775
    names = [("biome, twice", c), ("light, twice", dependence), ("both", c * dependence)]
    first = psi[:, :2].numpy()
    # of equal correlations only the plane of their functions is determined: turn it so that it stands still
    corner = np.array([[-0.87, -0.5], [0, 1], [0.87, -0.5]]) * 2**0.5
    which = np.arange(9) // 3 if dependence < c else np.arange(9) % 3
    u, _, vt = np.linalg.svd(first.T @ corner[which])
    return View(table, rho.numpy(), names, first @ u @ vt, _accuracies(joints, psi, rho, 2))


class FlipExplorer(Explorer):
    """Move λ past the crossing: the leading feature changes from what Y wants to what else is shared."""

    def __init__(self) -> None:
        controls = {
            "world": Dropdown(options=WORLDS, description="world, and what ψ may keep"),
            "dependence": FloatSlider(0.3, min=0, max=1, step=0.05, description="dependence λ"),
        }
        super().__init__(controls, state=_thumbs(), hidden={"chosen": 1})

    @staticmethod
    def render(state: Any, *, world: str, dependence: float, chosen: int) -> Frame:
        """The joint table, leading features, correlations, what a probe of the narrow ψ reaches; pure."""
        v = view(world, dependence)
        if world == "words":
            panels = [_table_words(v, chosen), _sentence(v, dependence, chosen), _line_of_words(v)]
        else:
            panels = [_table_scenes(v, state), _plane_of_scenes(v, state)]
        panels += [_correlations(v, world, dependence), _accuracy(v, world, dependence)]
        (wanted, (narrow, full)), (shared, (other, _)) = v.accuracy.items()
        leading = v.names[0][0] if v.names[0][1] > dependence else v.names[1][0]
        line = (
            f"The leading feature is <b>{leading.split(',')[0]}</b>. A probe of the narrow ψ names "
            f"<i>{wanted}</i> with accuracy <b>{narrow:.2f}</b> (all features: {full:.2f}) and "
            f"<i>{shared}</i> with <b>{other:.2f}</b>. The flip is at λ* = {v.names[0][1]:.3g}."
        )
        return panels, line

    def on_pointer(self, event: Pointer) -> None:
        """On the table of the words: choose x₁."""
        if event.panel == 0 and event.kind == "down" and self.values()["world"] == "words":
            top = 34 / 236
            self.set(chosen=int(np.clip((event.y - top) / (1 - top) * 4, 0, 3)))

    def on_key(self, event: Key) -> None:
        """Up and down choose x₁."""
        self.set(chosen=(self.values()["chosen"] + event.arrow[1]) % 4)


@lru_cache(maxsize=1)
def _thumbs() -> list[np.ndarray]:
    """One gray scene for each (biome's texture, light), 9 RGBA pictures."""
    pictures = scenes.World().sample(400, size=THUMB, seed=5, parts=True)
    thumbs = []
    for biome, light in np.ndindex(3, 3):
        own = pictures.labels["texture"] == 2 * biome
        row = int((own & (pictures.labels["light"] == light)).nonzero()[0])
        lab = torch.cat([pictures.parts["L"][row], torch.zeros(2, THUMB, THUMB)])
        thumbs.append(draw.rgba(lab_to_rgb(lab).clamp(0, 1)))
    return thumbs


@lru_cache(maxsize=1)
def _swatches() -> list[np.ndarray]:
    """The colours of (biome, tint), 9 small pictures."""
    y, z = torch.arange(9) // 3, torch.arange(9) % 3
    sky, ground = scenes.World().colours(y, z, torch.ones(9))
    ab = painter.paint_colour(sky, ground, y, None, 24)  # (9, 2, 24, 24)
    return [draw.rgba(lab_to_rgb(torch.cat([torch.full((1, 24, 24), 62.0), c])).clamp(0, 1)) for c in ab]


def _table_words(v: View, chosen: int) -> Panel:
    p = v.table.numpy()
    plot = draw.Plot(236, 236, (0, 4), (0, 4), margin=(34, 4, 4, 72))
    for i in range(4):
        for j in range(4):
            plot.rect(j, 3 - i, j + 1, 4 - i, fill=palette.ground(palette.PSI, p[i, j] / p.max()))
            plot.text(j + 0.5, 3.5 - i, f"{100 * p[i, j]:.1f}", palette.INK, 11)
        plot.text(0, 3.5 - i, WORDS_1[i], palette.X1, 12, "rm", i == chosen, (-6, 0))
        plot.text(i + 0.5, 4, WORDS_2[i], palette.X2, 12, "mb", False, (0, -5))
    plot.rect(0, 3 - chosen, 4, 4 - chosen, outline=palette.X1, width=3)
    alt = f"the probabilities in percent of the pairs of words; {WORDS_1[chosen]} is chosen"
    return plot.panel("P(X₁, X₂) in percent; click a row", alt, operable=True)


def _sentence(v: View, dependence: float, chosen: int) -> Panel:
    """The gap in the sentence and what may fill it: from X₁, and through Y alone."""
    joint = film_words(dependence).joint.numpy()  # (4, 4, 2)
    direct = joint[chosen].sum(1) / joint[chosen].sum()
    y = joint[chosen].sum(0) / joint[chosen].sum()
    through = (joint.sum(0) / joint.sum((0, 1))) @ y
    plot = draw.Plot(486, 236, (-0.6, 3.6), (0, 0.85), margin=(66, 8, 28, 40))
    plot.axes("", "", dict(enumerate(WORDS_2)), [0, 0.4, 0.8])
    x = np.arange(4)
    plot.bars(x - 0.2, direct, palette.PSI, 0.36).bars(x + 0.2, through, palette.Y, 0.36)
    plot.text(-0.6, 0.85, "“I", palette.INK, 15, "ls", offset=(0, -40))
    plot.text(-0.6, 0.85, "[MASK]", palette.X2, 15, "ls", True, (18, -40))
    plot.text(-0.6, 0.85, "this movie. The CG is", palette.INK, 15, "ls", offset=(84, -40))
    plot.text(-0.6, 0.85, f"{WORDS_1[chosen]}.”", palette.X1, 15, "ls", True, (254, -40))
    through_y = "■ Σ P(y | x₁) P(x₂ | y): through happy / unhappy alone"
    plot.names([("■ P(x₂ | x₁)", palette.PSI), (through_y, palette.Y)], bold=False)
    odds = ", ".join(f"{w} {a:.2f} and {b:.2f}" for w, a, b in zip(WORDS_2, direct, through, strict=True))
    caption = "what may fill the gap; the bars differ where λ ties the intensities"
    return plot.panel(caption, f"direct and through Y: {odds}")


def _line_of_words(v: View) -> Panel:
    """The four words where the one number puts them."""
    plot = draw.Plot(236, 236, (-1.6, 1.6), (-2.4, 2.4), margin=(8, 8, 40, 8))
    plot.axes("ψ(x₁), the one number kept", "", [-1, 0, 1], [])
    plot.line([(-1.6, 0), (1.6, 0)], palette.GRID, 2)
    for i, word in enumerate(WORDS_1):
        value = float(v.psi[i, 0])
        above = sum(1 for j in range(i) if abs(v.psi[j, 0] - value) < 0.2)
        height = 0.75 if above % 2 == 0 else -0.75
        plot.line([(value, 0), (value, height)], palette.GRID, 1)
        plot.dot(value, 0, palette.X1, 6)
        plot.text(value, height, word, palette.X1, 13, bold=True, halo=True)
    places = ", ".join(f"{w} at {x:.2f}" for w, x in zip(WORDS_1, v.psi[:, 0], strict=True))
    return plot.panel("which words are one to it?", places)


def _table_scenes(v: View, thumbs: list[np.ndarray]) -> Panel:
    p = v.table.numpy()
    plot = draw.Plot(330, 330, (0, 9), (0, 9), margin=(38, 4, 4, 38))
    swatches = _swatches()
    for i in range(9):
        for j in range(9):
            plot.rect(j, 8 - i, j + 1, 9 - i, palette.mix(palette.PAPER, palette.PSI, p[i, j] / p.max()))
        plot.image(thumbs[i], -1.12, 8.06 - i, -0.1, 8.94 - i, smooth=True)
        plot.image(swatches[i], i + 0.06, 9.1, i + 0.94, 10.1, smooth=True)
    for at in (0, 3, 6, 9):
        plot.line([(at, 0), (at, 9)], palette.MUTED, 1).line([(0, at), (9, at)], palette.MUTED, 1)
    alt = (
        "nine kinds of gray against nine kinds of colour: blocks are biomes, "
        "diagonals within blocks are lights"
    )
    return plot.panel("P(X₁, X₂): blocks are biomes, lines inside them lights", alt)


def _plane_of_scenes(v: View, thumbs: list[np.ndarray]) -> Panel:
    """Nine gray scenes where the two numbers put them, fanned out where they coincide."""
    plot = draw.Plot(404, 330, (-2.3, 2.3), (-1.45, 2.1), margin=(6, 6, 26, 26))
    plot.axes("ψ₁", "ψ₂", [], [])
    side = 0.62
    turn = np.array([[-0.66, -0.12], [0.0, 0.22], [0.66, -0.12]])
    for i in range(9):
        twins = [j for j in range(9) if np.abs(v.psi[j] - v.psi[i]).max() < 0.05]
        x, y = v.psi[i] + (turn[twins.index(i) % 3] if len(twins) > 1 else 0)
        plot.image(thumbs[i], x - side / 2, y - side / 2, x + side / 2, y + side / 2, smooth=True)
    by = "biome" if v.names[0][1] > v.names[1][1] else "light"
    caption = f"gray scenes where ψ's two numbers put them: sorted by {by}"
    return plot.panel(caption, f"nine scenes in three groups, by {by}")


def _axis_of_lambda(top: float, ylabel: str, ticks: list[float]) -> draw.Plot:
    plot = draw.Plot(236, 236, (0, 1), (0, top), margin=(34, 8, 38, 44))
    return plot.axes("dependence λ", ylabel, [0, 0.5, 1], ticks)


def _correlations(v: View, world: str, dependence: float) -> Panel:
    plot = _axis_of_lambda(1, "maximal correlation", [0, 0.5, 1])
    c = v.names[0][1]
    first, second = (name for name, _ in v.names[:2])
    plot.line([(0, c), (1, c)], palette.Y, 3, told=first)
    plot.line([(0, 0), (1, 1)], SHARED, 3, (7, 5), second)
    plot.line([(0, 0), (1, c)], palette.MUTED, 2, (2, 4), "both")
    plot.line([(c, 0), (c, 1)], palette.INK, 1, (3, 3))
    plot.text(c, 0, f"λ* = {c:.3g}", palette.INK, 11, "rb", offset=(-4, -4), halo=True)
    for value, colour in ((c, palette.Y), (dependence, SHARED), (c * dependence, palette.MUTED)):
        plot.dot(dependence, value, colour, 5, palette.PAPER, 1)
    plot.names([(first, palette.Y), (second, SHARED)])
    alt = f"{first} {c:.3g}, {second} {dependence:.2f}, both {c * dependence:.2f}"
    return plot.panel("how much each feature is shared; the largest leads", alt)


def _accuracy(v: View, world: str, dependence: float) -> Panel:
    plot = _axis_of_lambda(1.03, "accuracy", [0, 0.5, 1])
    views = [view(world, round(float(x), 3)) for x in GRID]
    star = v.names[0][1]
    left = star > GRID
    for i, (label, colour) in enumerate(zip(v.accuracy, (palette.Y, SHARED), strict=True)):
        narrow = np.array([u.accuracy[label][0] for u in views])
        curve = np.stack([GRID, narrow], 1)  # it jumps at the crossing, upright
        before, after = curve[left], curve[~left]
        jump = [(star, before[-1, 1]), (star, after[0, 1])]
        plot.line(np.concatenate([before, jump, after]), colour, 3, None if i == 0 else (7, 5), label)
        plot.dot(dependence, v.accuracy[label][0], colour, 5, palette.PAPER, 1)
        plot.names([(label, colour)], row=1 - i)
    reached = ", ".join(f"{label} {narrow:.2f}" for label, (narrow, _) in v.accuracy.items())
    return plot.panel("what a probe of the narrow ψ names", reached)
