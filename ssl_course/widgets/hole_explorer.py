"""Lecture 01's second experiment: once the part is known, do its surroundings still help? (note §3.3.2)"""

from typing import Any, NamedTuple

import numpy as np
import torch
from ipywidgets import Checkbox, Dropdown, IntSlider

from ssl_course.course import palette
from ssl_course.data import scenes
from ssl_course.data.pictures import Pictures
from ssl_course.pretext.color import lab_to_rgb, rgb_to_lab
from ssl_course.theory.independence import conditional_mutual_information
from ssl_course.widgets.frame import Explorer, Frame, Panel, draw

SHOWN = 12
HOLE = (0.44, 1.0)  # rows that are cut out: the ground with its objects
OPEN = "no guess yet"


class _State(NamedTuple):
    pictures: Pictures
    joint: torch.Tensor  # (9, 3, 6): P((biome, tint) around the hole, object in it, texture of the part)


class HoleExplorer(Explorer):
    """Guess what stands in the hole; then learn the part's texture: its surroundings no longer matter."""

    def __init__(self) -> None:
        world = scenes.World(dependence=0.5)
        controls = {
            "picture": IntSlider(0, 0, SHOWN - 1, description="picture"),
            "guess": Dropdown(options=[OPEN, *scenes.OBJECTS], description="in the hole stands a"),
            "known": Checkbox(False, description="tell me the part's texture"),
        }
        super().__init__(controls, state=_State(world.sample(SHOWN, 96, seed=28), world.hole_table()))

    @staticmethod
    def render(state: Any, *, picture: int, guess: str, known: bool) -> Frame:
        """X₁, the probabilities of X₂, and after a guess X₂; pure."""
        labels = {k: int(v[picture]) for k, v in state.pictures.labels.items()}
        around, texture, thing = labels["biome"] * 3 + labels["tint"], labels["texture"], labels["object"]
        joint = state.joint.numpy()  # (9, 3, 6)
        given = joint[..., texture] if known else joint.sum(2)  # (9, 3)
        with_, without = given[around] / given[around].sum(), given.sum(0) / given.sum()
        image = state.pictures.images[picture].permute(1, 2, 0).numpy()  # (96, 96, 3)
        top, end = (round(r * len(image)) for r in HOLE)
        lab = rgb_to_lab(state.pictures.images[picture].float() / 255)  # (3, 96, 96)
        lab[0] = 60  # the table's X₁ is the colours: a trunk that runs into the hole would give Y away
        outside = draw.rgba(lab_to_rgb(lab).clamp(0, 1))[..., :3].copy()  # (96, 96, 3)
        outside[top:end] = 128
        part = f", Y = {scenes.TEXTURES[texture]}" if known else ""
        alt = "the colours of the scene with its ground cut out"
        panels = [
            Panel(outside, "X₁: the colours around the hole", alt, 200),
            _bars(with_, without, f"P(X₂ | X₁{part})", f"P(X₂{part.replace(', ', ' | ')})"),
        ]
        tables = (torch.as_tensor(joint.sum(2, keepdims=True)), state.joint)
        nats = [float(conditional_mutual_information(t)) for t in tables]
        line = (
            f"What the surroundings tell about X₂: <b>{nats[0]:.3f}</b> nats without the part's texture, "
            f"<b>{abs(nats[1]):.3f}</b> once it is known."
        )
        if guess == OPEN:
            return panels, f"{line}<br>Commit to a guess, then the hole is filled."
        inside = image.copy()
        inside[:top] = 128
        panels.append(Panel(inside, "X₂: what was in the hole", "the piece that was cut out", 200))
        right = "right" if guess == scenes.OBJECTS[thing] else "it is another"
        return panels, f"{line}<br>In the hole stands a {scenes.OBJECTS[thing]}: {right}."


def _bars(left: np.ndarray, right: np.ndarray, first: str, second: str) -> Panel:
    """Two bars for each object: with the surroundings and without."""
    plot = draw.Plot(300, 200, (-0.6, 2.6), (0, 1), margin=(34, 8, 26, 34))
    plot.axes(xticks=dict(enumerate(scenes.OBJECTS)), yticks=[0, 0.5, 1])
    x = np.arange(3)
    plot.bars(x - 0.2, left, palette.X1, width=0.36).bars(x + 0.2, right, palette.MUTED, width=0.36)
    plot.names([(f"■ {first}", palette.X1)], row=1, bold=False)
    plot.names([(f"■ {second}", palette.MUTED)], bold=False)
    pairs = ", ".join(f"{o} {a:.2f} and {b:.2f}" for o, a, b in zip(scenes.OBJECTS, left, right, strict=True))
    alt = f"probabilities with and without the surroundings: {pairs}"
    return plot.panel("probability of each object, with and without X₁", alt)
