"""Lecture 00's tour: one picture, seven ways to make a question and its answer out of it (note §2, §3.1, §3.2)."""

from __future__ import annotations

from typing import Any

import ipywidgets
import numpy as np
import torch

from ssl_course.data import scenes
from ssl_course.data.pictures import Pictures
from ssl_course.pretext.color import lab_to_rgb, rgb_to_lab
from ssl_course.widgets import draw
from ssl_course.widgets.canvas import Panel
from ssl_course.widgets.explorer import Explorer

GRAY = 128
TASKS = {
    "colour from gray": "Colorization (note §3.1): what colour does each part of the picture have?",
    "fill the hole": "Context encoder (note §3.1): what was in the hole?",
    "hidden patches": "Masked autoencoder (note §3.1): what do the hidden patches look like?",
    "which way up": "Rotation (note §3.1): by how many quarter turns was the picture turned?",
    "order the patches": "Jigsaw (note §3.1): in which order were the nine tiles?",
    "two views": "SimCLR and SimSiam (note §3.2): which other view comes from the same picture?",
    "picture and caption": "CLIP (note §3.2): which sentence belongs to the picture?",
}


class PipelineTour(Explorer):
    """x → (X₁, X₂) for every pretext task of the course; nothing is trained here.

    Args:
        data: pictures to choose from, with captions for the last task; None paints twelve scenes.
    """

    def __init__(self, data: Pictures | None = None) -> None:
        pictures = scenes.World(0.5).sample(12, size=96, seed=21) if data is None else data[:12]
        controls = {
            "task": ipywidgets.Dropdown(options=list(TASKS), description="pretext task"),
            "picture": ipywidgets.IntSlider(0, 0, len(pictures) - 1, description="picture"),
            "hide": ipywidgets.FloatSlider(0.5, min=0.1, max=0.9, step=0.1, description="how much is hidden"),
            "draw": ipywidgets.IntSlider(0, 0, 9, description="random draw"),
        }
        super().__init__(controls, state=pictures)

    @staticmethod
    def render(state: Any, *, task: str, picture: int, hide: float, draw: int) -> tuple[list[Panel], str]:
        """Three panels, x, X₁ and X₂, and the question in words; pure."""
        x = state.images[picture]  # (3, s, s) uint8
        rng = np.random.default_rng([picture, draw])
        (x1, said1), (x2, said2) = _split(task, x, hide, rng, state, picture)
        panels = [
            _panel(x, "x: a picture without a label"),
            _panel(x1, f"X₁: {said1}"),
            _panel(x2, f"X₂: {said2}"),
        ]
        return (
            panels,
            f"<b>{TASKS[task]}</b><br>x → ψ(X₁) ≈ X₂ on unlabelled pictures; then only a linear w is learned: Y ≈ wψ(X₁).",
        )


def _panel(x: torch.Tensor | np.ndarray, caption: str) -> Panel:
    return Panel(draw.rgba(x), caption, caption, 200)


def _split(
    task: str, x: torch.Tensor, hide: float, rng: np.random.Generator, state: Pictures, picture: int
) -> Any:
    """((X₁, words), (X₂, words)) as pictures."""
    s = x.shape[-1]
    if task == "colour from gray":
        gray = state[picture].gray().images[0]
        lab = rgb_to_lab(x[None].float() / 255)[0]
        lab[0] = 60
        return (gray, "the lightness L"), (
            lab_to_rgb(lab[None])[0].clamp(0, 1),
            "the colour ab, at even lightness",
        )
    if task == "fill the hole":
        side = max(2, round(s * hide**0.5))
        top, left = (rng.integers(0, s - side + 1) for _ in range(2))
        mask = torch.zeros(s, s, dtype=torch.bool)
        mask[top : top + side, left : left + side] = True
        return _hide(x, mask, "the surroundings", "the hole")
    if task == "hidden patches":
        n = 8
        order = rng.random((n, n)).argsort(axis=None).argsort().reshape(n, n)
        hidden = torch.as_tensor(order < min(max(round(hide * n * n), 1), n * n - 1))
        mask = torch.nn.functional.interpolate(hidden[None, None].float(), (s, s))[0, 0] > 0.5
        return _hide(x, mask, "the visible patches", "the hidden patches")
    if task == "which way up":
        turns = int(rng.integers(0, 4))
        return (torch.rot90(x, turns, (1, 2)), "the turned picture"), (
            _words(f"{turns} of\n0 1 2 3"),
            f"the angle, {90 * turns}°",
        )
    if task == "order the patches":
        third = s // 3
        cut = x[:, : 3 * third, : 3 * third]
        tiles = [
            cut[:, third * r : third * (r + 1), third * c : third * (c + 1)]
            for r in range(3)
            for c in range(3)
        ]
        order = rng.permutation(9)
        sheet = draw.tile([tiles[i] for i in order], 3, gap=4)
        text = "\n".join(" ".join(str(i + 1) for i in order[3 * r : 3 * r + 3]) for r in range(3))
        return (sheet, "shuffled tiles"), (_words(text), "their order")
    if task == "two views":
        return (_view(x, rng), "one augmentation"), (_view(x, rng), "another of the same picture")
    caption = state.captions[picture] if state.captions else "no caption here"
    return (x, "the picture"), (_words(_wrap(caption)), "its caption")


def _hide(x: torch.Tensor, mask: torch.Tensor, one: str, two: str) -> Any:
    gray = torch.full_like(x, GRAY)
    return (torch.where(mask, gray, x), one), (torch.where(mask, x, gray), two)


def _view(x: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """A crop of 30-100 %, maybe flipped, brightness changed by up to a third."""
    s = x.shape[-1]
    side = max(2, round(s * rng.uniform(0.3, 1) ** 0.5))
    top, left = (rng.integers(0, s - side + 1) for _ in range(2))
    cut = x[None, :, top : top + side, left : left + side].float()
    out = torch.nn.functional.interpolate(cut, (s, s), mode="bilinear")[0] * rng.uniform(0.67, 1.33)
    return (out.flip(2) if rng.random() < 0.5 else out).clamp(0, 255).to(torch.uint8)


def _words(text: str) -> np.ndarray:
    plot = draw.Plot(200, 200, (0, 1), (0, 1), margin=(0, 0, 0, 0))
    lines = text.split("\n")
    size = 22 if max(map(len, lines)) <= 9 else 14
    for i, line in enumerate(lines):
        plot.text(0.5, 0.5 + (len(lines) / 2 - i - 0.5) * 0.15, line, size=size)
    return plot.array()


def _wrap(text: str, most: int = 22) -> str:
    out, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > most:
            out.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return "\n".join([*out, line])
