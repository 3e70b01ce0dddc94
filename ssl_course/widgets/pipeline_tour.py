"""Lecture 00's tour: one picture, seven questions, what seven networks know (note §2, §3.1, §3.2)."""

from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from ipywidgets import Dropdown, FloatSlider, IntSlider, SelectionSlider

from ssl_course import nets
from ssl_course.assets import checkout
from ssl_course.checkpoints import shipped
from ssl_course.course import palette
from ssl_course.data import scenes
from ssl_course.data.pictures import Pictures
from ssl_course.evaluation import Encoded, encode, label_draws, linear_probe, pixels
from ssl_course.evaluation.solvers import ridge_map
from ssl_course.interfaces import pair_of
from ssl_course.widgets.frame import Explorer, Frame, Panel, draw
from ssl_course.widgets.frame.pairs import SIDE, as_set, pair_panels, seeded, words_panel


class Task(NamedTuple):
    """One pretext task and the network that has learned it."""

    network: str  # its checkpoint
    x1: str
    x2: str
    knob: str = ""  # the method's attribute that says how much is hidden
    size: int = 64  # pixels of the pictures that it was trained on


TASKS = {
    "colour from gray": Task("colorization", "the lightness L", "the colour ab, at even lightness"),
    "fill the hole": Task("context_encoder", "what is left", "what was cut out, and its edge", "share"),
    "hidden patches": Task("mae", "the visible patches", "the hidden patches", "mask_ratio"),
    "which way up": Task("rotation", "the turned picture", "the angle"),
    "order the patches": Task("jigsaw", "shuffled tiles", "their order"),
    "two views": Task("simclr", "one augmentation", "another of the same picture"),
    "picture and caption": Task("clip", "the picture", "its caption", size=32),
}
QUESTIONS = {
    "colour from gray": "Colorization (note §3.1): what colour does each part of the picture have?",
    "fill the hole": "Context encoder (note §3.1): what was cut out?",
    "hidden patches": "Masked autoencoder (note §3.1): what do the hidden patches look like?",
    "which way up": "Rotation (note §3.1): by how many quarter turns was the picture turned?",
    "order the patches": "Jigsaw (note §3.1): in which order were the nine tiles?",
    "two views": "SimCLR and SimSiam (note §3.2): which other view comes from the same picture?",
    "picture and caption": "CLIP (note §3.2): which sentence belongs to the picture?",
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
    """x → (X₁, X₂) for every pretext task; ψ(x), wψ(x) and the label efficiency of its trained network.

    X₁ and X₂ are what the network has learned from: its own `pair`, drawn with the random draw as seed. The
    networks are those that come with the course (assets/checkpoints). w is a ridge regression of the one-hot
    label on ψ, from as many labelled scenes as the student allows. ψ reads the lightness of a picture alone,
    since its colour would give the biome away; networks that were trained in colour are not at their best
    there. The numbers are computed when a task is first chosen, and kept.

    Args:
        data: pictures to choose from, with captions for the last task; None paints twelve scenes.
        n_train, n_test: scenes to draw labels from, and to test on.
    """

    def __init__(self, data: Pictures | None = None, n_train: int = 600, n_test: int = 400) -> None:
        pictures = scenes.World(0.5).sample(12, size=96, seed=21) if data is None else data[:12]
        counts = [n for n in COUNTS if n <= n_train]
        controls = {
            "task": Dropdown(options=list(TASKS), description="pretext task"),
            "picture": IntSlider(min(7, len(pictures) - 1), 0, len(pictures) - 1, description="picture"),
            "hide": FloatSlider(0.5, min=0.1, max=0.9, step=0.05, description="how much is hidden"),
            "draw": IntSlider(0, 0, 9, description="random draw"),
            "label": Dropdown(options=list(LABELS), description="label Y"),
            "n_labels": SelectionSlider(options=counts, value=30, description="labels for w"),
        }
        rows = [["task", "picture"], ["hide", "draw"], ["label", "n_labels"]]
        super().__init__(controls, state=Tour(pictures, n_train, n_test), rows=rows)
        self.controls["task"].observe(lambda _: self.attempt(self._own_share), names="value")
        self._own_share()

    def _own_share(self) -> None:
        """The slider acts where the task hides something; it begins as the network was trained."""
        task = TASKS[self.values()["task"]]
        self.controls["hide"].disabled = not task.knob
        if task.knob:
            with suppress(FileNotFoundError):
                self.set(hide=getattr(shipped(task.network), task.knob))

    @staticmethod
    def render(
        state: Tour, *, task: str, picture: int, hide: float, draw: int, label: str, n_labels: int
    ) -> Frame:
        """x, X₁ and X₂; then ψ(x), wψ(x) and what w needs; pure."""
        panels = [Panel(state.pictures.images[picture], *["x: a picture without a label"] * 2, SIDE)]
        line = f"<b>{QUESTIONS[task]}</b>"
        line += "<br>x → ψ(X₁) ≈ X₂ on unlabelled pictures; then only a linear w is learned."
        try:
            panels += _pair_of_task(TASKS[task], state.pictures[picture], hide, seed=10 * picture + draw)
            known = _known(task, state.n_train, state.n_test)
        except FileNotFoundError as error:
            missing = "The network of this task is not shipped yet: make checkpoints trains it."
            return panels, f"{line}<br>{missing if checkout() else error}"
        psi = known.standard(_features(task, state.pictures[picture].gray().images))[0]  # (D,)
        scores = known.w(label, n_labels)(psi[None])[0]  # (k,)
        names = scenes.NAMES[label]
        curve = _accuracy_by_labels(task, label, state.n_train, state.n_test)
        panels += [_psi(psi), _scores(scores, names), _efficiency(curve, label, n_labels, task)]
        accuracy = curve[task][n_labels]
        truth = ""
        if label in state.pictures.labels:
            truth = f" It is <b>{names[int(state.pictures.labels[label][picture])]}</b>."
        line += (
            f"<br>ψ reads the lightness alone. wψ(x) says <b>{names[int(scores.argmax())]}</b>, with w from "
            f"{n_labels} labels.{truth} On {state.n_test} other scenes it is right in <b>{accuracy:.0%}</b>, "
            f"w on raw pixels, {PIXEL_SIDE} × {PIXEL_SIDE}, in <b>{curve[PIXELS][n_labels]:.0%}</b>."
        )
        return panels, line


# ----------------------------------------------------------------------------------------- ψ, w and the curve
PIXELS = "raw pixels"
PIXEL_SIDE = 8  # to which they are averaged


@lru_cache(maxsize=4)
def _bank(size: int, n_train: int, n_test: int) -> tuple[Pictures, Pictures]:
    """Scenes in gray: in colour a ruler would know the biome, and nothing had to be learned."""
    both = scenes.World().sample(n_train + n_test, size, seed=FRESH).gray()
    return both[:n_train], both[n_train:]


def _features(task: str, images: torch.Tensor) -> torch.Tensor:
    """ψ of pictures (N, 3, s, s), at the size that its network knows: (N, D)."""
    return encode(shipped(TASKS[task].network), Pictures(_at_size(images, TASKS[task].size))).inputs


def _at_size(images: torch.Tensor, size: int) -> torch.Tensor:
    """Pictures (N, 3, s, s) as a network knows them."""
    if images.shape[-1] == size:
        return images
    return F.interpolate(nets.as_float(images), (size, size), mode="bilinear", antialias=True)


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
    bank = _bank(TASKS[task].size, n_train, n_test)
    sets = [Encoded(_features(task, data.images), data.labels, task) for data in bank]
    spread = sets[0].inputs.std(0, correction=0)
    return Known(*sets, sets[0].inputs.mean(0), torch.where(spread > 1e-6, spread, 1.0))


@lru_cache(maxsize=4)
def _pixel_bank(n_train: int, n_test: int) -> list[Encoded]:
    return [encode(pixels(PIXEL_SIDE), data) for data in _bank(64, n_train, n_test)]


@lru_cache(maxsize=64)
def _accuracy_by_labels(task: str, label: str, n_train: int, n_test: int) -> dict[str, dict[int, float]]:
    """row → number of labels → accuracy, of ψ and of raw pixels."""
    known = _known(task, n_train, n_test)
    accuracies = {}
    for name, (train, test) in {task: known[:2], PIXELS: _pixel_bank(n_train, n_test)}.items():
        how = {"train": train, "test": test, "label": label, "draws": DRAWS, "solver": "ridge", "l2": L2}
        counts = [n for n in COUNTS if n <= n_train]
        accuracies[name] = {n: linear_probe(None, n_labels=n, **how).accuracy for n in counts}
    return accuracies


def _psi(psi: torch.Tensor) -> Panel:
    d = len(psi)
    reach = float(psi.abs().max().clamp(min=1))
    plot = draw.Plot(225, 190, (-1, d), (-reach, reach), margin=(10, 14, 38, 40))
    plot.axes(f"ψ: {d} numbers", "", xticks=[0, d - 1])
    plot.bars(np.arange(d), psi.numpy(), palette.PSI, 1.0)
    first = ", ".join(f"{v + 0.0:.1f}".replace("-", "−") for v in psi[:4].mul(10).round().div(10).tolist())
    alt = f"Bars: the {d} features of x in standard deviations, from {first}."
    return plot.panel(f"ψ(x) = ({first}, …)", alt)


def _scores(scores: torch.Tensor, names: list[str]) -> Panel:
    k = len(names)
    low, high = min(float(scores.min()), 0.0) - 0.1, 1.3 * max(float(scores.max()), 1.0)
    plot = draw.Plot(225, 190, (low, high), (-k, 0), margin=(8, 8, 38, 70))
    plot.axes("score of each class", yticks=[])
    best = int(scores.argmax())
    for i, (name, value) in enumerate(zip(names, scores.tolist(), strict=True)):
        y = -i - 0.5
        plot.rect(0, y - 0.3, value, y + 0.3, fill=palette.Y if i == best else palette.MUTED)
        plot.text(low, y, name, anchor="rm", offset=(-6, 0), size=11)
        plot.text(max(value, 0), y, f"{value:.2f}", anchor="lm", offset=(4, 0), size=11, halo=True)
    spoken = ", ".join(f"{n} {v:.2f}" for n, v in zip(names, scores.tolist(), strict=True))
    return plot.panel(f"wψ(x): {names[best]}", f"Scores of the classes: {spoken}.")


def _efficiency(curve: dict[str, dict[int, float]], label: str, n_labels: int, task: str) -> Panel:
    counts = list(curve[task])
    at = {n: float(np.log10(n)) for n in counts}
    plot = draw.Plot(225, 190, (at[counts[0]] - 0.1, at[counts[-1]] + 0.1), (0, 1), margin=(8, 8, 38, 44))
    plot.axes("labels", f"right, {label}", xticks={x: str(n) for n, x in at.items()})
    plot.line([(at[n_labels], 0), (at[n_labels], 1)], palette.GRID, 2)
    for name, colour, dash, place in ((PIXELS, palette.MUTED, (5, 4), -2), (task, palette.PSI, None, -1)):
        points, word = [(at[n], curve[name][n]) for n in counts], "ψ" if name == task else "pixels"
        plot.line(points, colour, 2, dash, word).dots(points, colour, 3)
        # Each name at a point of its own: where the curves cross, the names must not.
        (x, y), n = points[place], counts[place]
        down = y > 0.85 or y < max(curve[task][n], curve[PIXELS][n])  # beside its curve, inside the frame
        plot.text(x, y, word, colour, 12, "rm", offset=(-2, 16 if down else -14), halo=True)
    few, many = counts[0], counts[-1]
    spoken = "; ".join(
        f"{name} {accuracy[few]:.2f} with {few} labels, {accuracy[many]:.2f} with {many}"
        for name, accuracy in (("ψ", curve[task]), (PIXELS, curve[PIXELS]))
    )
    alt = f"Accuracy of {label} against the number of labels: {spoken}."
    return plot.panel("what w needs: label efficiency", alt)


# ----------------------------------------------------------------------------------------------- the question
def _pair_of_task(task: Task, picture: Pictures, hide: float, seed: int) -> list[Panel]:
    """X₁ and X₂ of one picture, as the task's network makes them when it learns."""
    captions = (f"X₁: {task.x1}", f"X₂: {task.x2}")
    batch, method = replace(picture, images=_at_size(picture.images, task.size)), shipped(task.network)
    if task.knob:
        method = as_set(method, **{task.knob: hide})
    if task.network == "clip" and not batch.captions:
        nothing = words_panel("no caption here", captions[1])
        return [Panel(batch.images[0], captions[0], captions[0], SIDE), nothing]
    with seeded(seed):
        pair = pair_of(method, batch)
        row = int(torch.randint(len(pair), ()))  # of the turns, all of which are learned from at once
    return pair_panels(method, pair, row, captions)
