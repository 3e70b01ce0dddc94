"""Lecture 00's tour: one picture, seven questions made of it, and what each of the seven networks knows (note §2, §3.1, §3.2)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
import torch
import torch.nn.functional as F

from ssl_course import nets
from ssl_course.checkpoints import shipped
from ssl_course.course import palette
from ssl_course.data import scenes
from ssl_course.data.pictures import Pictures
from ssl_course.evaluation import Encoded, encode, label_draws, linear_probe, pixels
from ssl_course.evaluation.solvers import ridge_map
from ssl_course.pretext.color import lab_to_rgb, rgb_to_lab
from ssl_course.widgets.frame import draw
from ssl_course.widgets.frame.canvas import Panel
from ssl_course.widgets.frame.explorer import Explorer

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


NETWORKS = {  # task → (checkpoint, size of the pictures that it was trained on)
    "colour from gray": ("colorization", 64),
    "fill the hole": ("context_encoder", 64),
    "hidden patches": ("mae", 64),
    "which way up": ("rotation", 64),
    "order the patches": ("jigsaw", 64),
    "two views": ("simclr", 64),
    "picture and caption": ("clip", 32),
}
LABELS = ("biome", "light", "texture", "object")
COUNTS = (3, 10, 30, 100, 300)  # of labels
L2 = 0.1  # of the ridge that finds w: fixed, nothing is chosen
DRAWS = 4
FRESH = 3_000_000  # seed of the scenes that w is learned and tested on


class Tour(NamedTuple):
    """The pictures to choose from, and how many scenes there are to learn w on and to test it."""

    pictures: Pictures
    n_train: int
    n_test: int


class PipelineTour(Explorer):
    """x → (X₁, X₂) for every pretext task, then ψ(x), wψ(x) and the label-efficiency curve of its trained network.

    The networks are those that come with the course (assets/checkpoints). w is a ridge regression of the one-hot
    label on ψ, from as many labelled scenes as the student allows. ψ reads the lightness of a picture alone, since
    its colour would give the biome away; networks that were trained in colour are not at their best there. The numbers are computed when a task is first chosen, and kept.

    Args:
        data: pictures to choose from, with captions for the last task; None paints twelve scenes.
        n_train, n_test: scenes to draw labels from, and to test on.
    """

    def __init__(self, data: Pictures | None = None, n_train: int = 600, n_test: int = 400) -> None:
        pictures = scenes.World(0.5).sample(12, size=96, seed=21) if data is None else data[:12]
        controls = {
            "task": ipywidgets.Dropdown(options=list(TASKS), description="pretext task"),
            "picture": ipywidgets.IntSlider(0, 0, len(pictures) - 1, description="picture"),
            "hide": ipywidgets.FloatSlider(0.5, min=0.1, max=0.9, step=0.1, description="how much is hidden"),
            "draw": ipywidgets.IntSlider(0, 0, 9, description="random draw"),
            "label": ipywidgets.Dropdown(options=list(LABELS), description="label Y"),
            "n_labels": ipywidgets.SelectionSlider(
                options=[n for n in COUNTS if n <= n_train], value=30, description="labels for w"
            ),
        }
        rows = [["task", "picture"], ["hide", "draw"], ["label", "n_labels"]]
        super().__init__(controls, state=Tour(pictures, n_train, n_test), rows=rows)

    @classmethod
    def example(cls) -> PipelineTour:
        """Two pictures, and few scenes to learn w on."""
        return cls(scenes.World(0.5).sample(2, size=48, seed=21), 40, 30)

    @staticmethod
    def render(
        state: Tour, *, task: str, picture: int, hide: float, draw: int, label: str, n_labels: int
    ) -> tuple[list[Panel], str]:
        """x, X₁ and X₂; then ψ(x), wψ(x) and what w needs; pure."""
        x = state.pictures.images[picture]  # (3, s, s) uint8
        rng = np.random.default_rng([picture, draw])
        (x1, said1), (x2, said2) = _split(task, x, hide, rng, state.pictures, picture)
        panels = [
            _panel(x, "x: a picture without a label"),
            _panel(x1, f"X₁: {said1}"),
            _panel(x2, f"X₂: {said2}"),
        ]
        line = (
            f"<b>{TASKS[task]}</b><br>x → ψ(X₁) ≈ X₂ on unlabelled pictures; then only a linear w is learned."
        )
        try:
            known = _known(task, state.n_train, state.n_test)
        except FileNotFoundError:
            return (
                panels,
                f"{line}<br>The network of this task is not shipped yet: make checkpoints trains it.",
            )
        psi = known.standard(_features(task, state.pictures[picture].gray().images))[0]  # (D,)
        scores = known.w(label, n_labels)(psi[None])[0]  # (k,)
        names = scenes.NAMES[label]
        said = names[int(scores.argmax())]
        curve = _curve(task, label, state.n_train, state.n_test)
        panels += [_psi(psi), _scores(scores, names), _efficiency(curve, label, n_labels, task)]
        accuracy = curve[task][n_labels]
        truth = ""
        if label in state.pictures.labels:
            truth = f" It is <b>{names[int(state.pictures.labels[label][picture])]}</b>."
        line += (
            f"<br>ψ reads the lightness alone. wψ(x) says <b>{said}</b>, with w from {n_labels} labels.{truth} On {state.n_test} other scenes it is "
            f"right in <b>{accuracy:.0%}</b>, w on raw pixels in <b>{curve[PIXELS][n_labels]:.0%}</b>."
        )
        return panels, line


# ------------------------------------------------------------------------------------------- ψ, w and the curve
PIXELS = "raw pixels"


@lru_cache(maxsize=4)
def _bank(size: int, n_train: int, n_test: int) -> tuple[Pictures, Pictures]:
    """Scenes in gray: in colour a ruler would know the biome, and nothing had to be learned."""
    both = scenes.World().sample(n_train + n_test, size, seed=FRESH).gray()
    return both[:n_train], both[n_train:]


def _features(task: str, images: torch.Tensor) -> torch.Tensor:
    """ψ of pictures (N, 3, s, s), at the size that its network knows: (N, D)."""
    name, size = NETWORKS[task]
    if images.shape[-1] != size:
        images = F.interpolate(nets.as_float(images), (size, size), mode="bilinear", antialias=True)
    return encode(shipped(name), Pictures(images)).inputs


class Known(NamedTuple):
    """Features of the bank, standardised by those that w learns from."""

    train: Encoded
    test: Encoded
    mean: torch.Tensor  # (D,)
    spread: torch.Tensor  # (D,)

    def standard(self, features: torch.Tensor) -> torch.Tensor:
        """(N, D) in standard deviations."""
        return (features - self.mean) / self.spread

    def w(self, label: str, n: int) -> Any:
        """w from n labels, the first draw of the curve: (N, D) standardised → (N, k) scores."""
        y = self.train.labels[label]
        rows = label_draws(y, n, DRAWS)[0]
        target = F.one_hot(y[rows], len(scenes.NAMES[label]))
        return ridge_map(self.standard(self.train.inputs)[rows], target, L2)


@lru_cache(maxsize=16)
def _known(task: str, n_train: int, n_test: int) -> Known:
    sets = []
    for data in _bank(NETWORKS[task][1], n_train, n_test):
        sets.append(Encoded(_features(task, data.images), data.labels, task))
    spread = sets[0].inputs.std(0, correction=0)
    return Known(*sets, sets[0].inputs.mean(0), torch.where(spread > 1e-6, spread, 1.0))


@lru_cache(maxsize=4)
def _pixel_bank(n_train: int, n_test: int) -> tuple[Encoded, Encoded]:
    train, test = (encode(pixels(8), data) for data in _bank(64, n_train, n_test))
    return train, test


@lru_cache(maxsize=64)
def _curve(task: str, label: str, n_train: int, n_test: int) -> dict[str, dict[int, float]]:
    """row → number of labels → accuracy, of ψ and of raw pixels."""
    known = _known(task, n_train, n_test)
    found = {}
    for name, (train, test) in {task: known[:2], PIXELS: _pixel_bank(n_train, n_test)}.items():
        found[name] = {
            n: linear_probe(
                None, train=train, test=test, label=label, n_labels=n, draws=DRAWS, solver="ridge", l2=L2
            ).accuracy
            for n in COUNTS
            if n <= n_train
        }
    return found


def _psi(psi: torch.Tensor) -> Panel:
    d = len(psi)
    reach = float(psi.abs().max().clamp(min=1))
    plot = draw.Plot(225, 190, (-1, d), (-reach, reach), margin=(10, 8, 38, 40))
    plot.axes(f"ψ: {d} numbers", "", xticks=[0, d - 1])
    plot.bars(np.arange(d), psi.numpy(), palette.PSI, 1.0)
    first = ", ".join(f"{v + 0.0:.1f}".replace("-", "−") for v in psi[:4].mul(10).round().div(10).tolist())
    return plot.panel(
        f"ψ(x) = ({first}, …)", f"Bars: the {d} features of x in standard deviations, from {first}."
    )


def _scores(scores: torch.Tensor, names: list[str]) -> Panel:
    k = len(names)
    low, high = min(float(scores.min()), 0.0) - 0.1, max(float(scores.max()), 1.0) + 0.25
    plot = draw.Plot(225, 190, (low, high), (-k, 0), margin=(8, 8, 38, 70))
    plot.axes("score of each class", yticks=[])
    best = int(scores.argmax())
    for i, (name, value) in enumerate(zip(names, scores.tolist(), strict=True)):
        y = -i - 0.5
        box = [(0, y - 0.3), (value, y - 0.3), (value, y + 0.3), (0, y + 0.3)]
        plot.polygon(box, fill=palette.Y if i == best else palette.MUTED)
        plot.text(low, y, name, anchor="rm", offset=(-6, 0), size=11)
        plot.text(max(value, 0), y, f"{value:.2f}", anchor="lm", offset=(4, 0), size=11, halo=True)
    said = ", ".join(f"{n} {v:.2f}" for n, v in zip(names, scores.tolist(), strict=True))
    return plot.panel(f"wψ(x): {names[best]}", f"Scores of the classes: {said}.")


def _efficiency(curve: dict[str, dict[int, float]], label: str, n_labels: int, task: str) -> Panel:
    counts = list(curve[task])
    at = {n: float(np.log10(n)) for n in counts}
    plot = draw.Plot(255, 190, (at[counts[0]] - 0.1, at[counts[-1]] + 0.1), (0, 1), margin=(8, 8, 38, 44))
    plot.axes("labels", f"right, {label}", xticks={x: str(n) for n, x in at.items()})
    plot.line([(at[n_labels], 0), (at[n_labels], 1)], palette.GRID, 2)
    for name, colour, dash, place in ((PIXELS, palette.MUTED, (5, 4), -2), (task, palette.PSI, None, -1)):
        points = [(at[n], curve[name][n]) for n in counts]
        plot.line(points, colour, 2, dash).dots(points, colour, 3)
        # Each name at a point of its own: where the curves cross, the names must not.
        (x, y), n = points[place], counts[place]
        down = y > 0.85 or y < max(curve[task][n], curve[PIXELS][n])  # beside its curve, inside the frame
        word, offset = ("ψ" if name == task else "pixels"), (-2, 16 if down else -14)
        plot.text(x, y, word, colour, 12, "rm", offset=offset, halo=True)
    said = "; ".join(
        f"{'ψ' if name == task else name} {curve[name][counts[0]]:.2f} with {counts[0]} labels, "
        f"{curve[name][counts[-1]]:.2f} with {counts[-1]}"
        for name in (task, PIXELS)
    )
    return plot.panel(
        "what w needs: label efficiency", f"Accuracy of {label} against the number of labels: {said}."
    )


# ------------------------------------------------------------------------------------------------ the question
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
