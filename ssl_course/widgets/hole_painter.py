"""Lecture 03's experiment: paint a hole; a network fills it, and what its part alone says (note §3.3.2)."""

from collections.abc import Sequence
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from ipywidgets import Checkbox, Dropdown, FloatSlider, IntSlider
from torch import Tensor

from ssl_course import nets
from ssl_course.course import palette
from ssl_course.data import scenes
from ssl_course.data.pictures import Pictures
from ssl_course.interfaces import pair_of
from ssl_course.methods.context_encoder import ContextEncoder
from ssl_course.pretext import holes
from ssl_course.pretext.holes import PARTS, part_means
from ssl_course.widgets.frame import Frame, Panel, draw
from ssl_course.widgets.frame.hide_and_fill import WIDE, Cells, HideAndFill, Mark, Place, guessed
from ssl_course.widgets.frame.pairs import as_set, seeded
from ssl_course.widgets.frame.sheet import SHOWN, Gallery
from ssl_course.widgets.frame.upload import Upload

CHOICES = {
    "centre": "centre",
    "random blocks": "blocks",
    "free form": "free",
    "reverse: all but the centre": "around",
}
ASKED, UNASKED = 128, 96  # grays of what is hidden and asked for, and of what is only hidden


class _Filled(NamedTuple):
    """One hole and its fillings; errors in pixels of [0, 1] squared."""

    seen: Tensor  # (3, H, W) with gray holes
    hidden: Tensor  # (H, W) bool: the hole and what lies within the distance of it
    network: np.ndarray  # (H, W, 4)
    parts: np.ndarray  # (H, W, 4)
    whose: str  # parts
    place: np.ndarray  # (H·W,) squared error of the network, summed over channels, 0 outside the hole
    errors: dict[str, float]


class _State(Gallery):
    """Holes and fillings, computed once."""

    def __init__(self, networks: dict[str, ContextEncoder], pictures: Pictures) -> None:
        super().__init__(networks, pictures)
        self.label = next(iter(pictures.labels), "")
        y = pictures.labels[self.label].cpu() if self.label else torch.zeros(len(pictures), dtype=torch.long)
        self.y = y[:SHOWN].tolist()
        self.names = pictures.names.get(self.label) or [str(k) for k in range(int(y.max()) + 1)]
        images = pictures.images.cpu()
        self.parts = {k: part_means(images[y == k]) for k in set(y.tolist())}  # class → (3, s, s)
        self.any_part = part_means(images)
        self.mean = nets.as_float(images[:2000]).mean((0, 2, 3))

    def part(self, picture: int, upload: Upload) -> tuple[torch.Tensor, str]:
        """The part-mean picture (3, s, s) and whose: its class's, or of all where that is not known."""
        at = self.which(picture, upload)
        if not self.label or at < 0:
            return self.any_part, "any picture"
        k = self.y[at]
        return self.parts[k], self.names[k]

    @lru_cache(maxsize=256)  # noqa: B019 - one instance lives as long as its widget
    def drawn(self, network: str, hole: str, share: float, number: int) -> Cells:
        """The hole that the method's `pair` cuts; a share of 0 cuts nothing and one of 1 everything."""
        if share <= 0 or share >= 1:  # `pair` always leaves something to see and to tell
            full = (share >= 1) != (hole == "around")  # "around" keeps that share
            return bytes([int(full)]) * self.size**2
        with seeded(number):
            method = as_set(self.networks[network], hole=hole, share=share)
            pair = pair_of(method, Pictures(self.images[:1]))
        return pair.parts["hole"].to("cpu", torch.uint8).numpy().tobytes()

    @lru_cache(maxsize=128)  # noqa: B019
    def filled(self, network: str, picture: int, upload: Upload, hole: Cells, distance: int) -> _Filled:
        method, image = self.networks[network].eval(), self.image(picture, upload)
        cut, x = torch.tensor(list(hole)).float(), nets.as_float(image)  # (s·s,), (1, 3, s, s)
        cut = cut.view(1, 1, self.size, self.size)
        inside, wide = cut.bool(), holes.dilate(cut, distance)
        part, whose = self.part(picture, upload)
        fillings = {
            "network": method.inpaint(image, cut, wide).cpu(),
            "part": torch.where(inside, part, x),
            "one colour": holes.fill(x, cut, self.mean),
        }
        # (1, 1, s, s) each
        squares = {name: (y - x).square().sum(1, keepdim=True) for name, y in fillings.items()}
        errors = {name: float(e[inside].mean()) / 3 if any(hole) else 0.0 for name, e in squares.items()}
        seen = torch.where(inside, ASKED, torch.where(wide.bool(), UNASKED, image))[0].to(torch.uint8)
        pictures = (draw.rgba(fillings[name][0]) for name in ("network", "part"))
        place = (squares["network"] * cut).flatten().numpy()
        return _Filled(seen, wide[0, 0].bool(), *pictures, whose, place, errors)


class HolePainter(HideAndFill):
    """Cut a hole by its settings or paint one (with Shift: mend it), and see how it is filled.

    Point in the filling at the place that you hold for the worst: then the truth appears.

    Args:
        networks: one trained `ContextEncoder` or several by name, beside those shipped with the course.
        data: pictures of the networks' size; None paints scenes. Their first label gives the parts' classes.
        with_shipped: offer the shipped networks, trained on scenes, beside the given ones.

    Raises:
        ValueError: no pictures, or pictures of another size than the networks'.
        FileNotFoundError: no network is given and none is shipped.
    """

    shipped = {"L2": "context_encoder", "L2 + adversarial": "context_encoder_adversarial"}
    settings = ("hole", "share", "number")

    def __init__(
        self,
        networks: ContextEncoder | dict[str, ContextEncoder] | None = None,
        data: Pictures | None = None,
        with_shipped: bool = True,
    ) -> None:
        offered, size = self.offer(networks, data, with_shipped)
        if data is None:  # so many for the means of the parts
            data = scenes.World().sample(600, size, seed=12)
        if (shape := tuple(data.images.shape[-2:])) != (size, size):
            raise ValueError(f"the networks take pictures of {size} px, not {shape}: load data of that size")
        controls = {
            "hole": Dropdown(options=list(CHOICES.items()), description="hole"),
            "share": FloatSlider(0.25, min=0, max=1, step=0.01, description="its share"),
            "distance": IntSlider(0, 0, size // 4, description="distance"),
            "number": IntSlider(0, 0, 9, description="draw"),
            "network": Dropdown(options=list(offered), description="network"),
            "brush": IntSlider(max(size // 12, 1), 1, size // 4, description="brush"),
            "answer": Checkbox(False, description="show X₂"),
        }
        super().__init__(controls, state=_State(offered, data), actions={"No hole": self._clear})

    @staticmethod
    def render(state: Any, **values: Any) -> Frame:
        """The panels; pure."""
        v = SimpleNamespace(**values)
        _, hole = HolePainter.hiding(state, values)
        filled = state.filled(v.network, v.picture, v.upload, hole, v.distance)
        at = guessed(v.guess, hole)
        open_ = (v.answer or at is not None) and any(hole)
        brush = max(WIDE * v.brush / state.size, 6)  # CSS pixels
        panels = [
            state.sheet(v.picture, v.upload),
            HolePainter.picture_panel(
                filled.seen,
                "X₁: paint with the pointer, mend with Shift",
                f"the picture with a hole of {100 * sum(hole) / len(hole):.0f} % of its area",
                _ring(v.cursor, brush, palette.X1),
                brush=v.brush / state.size,
            ),
            HolePainter.picture_panel(
                filled.network,
                "ψ(X₁): point at the worst",
                "the picture with the network's filling",
                _ring(None if at is None else v.guess, 6.5, palette.Y),
            ),
            Panel(
                filled.parts,
                f"E[X₂ | Y]: Y = part of {filled.whose}",
                f"the hole filled with the mean colours of {', '.join(PARTS)} of {filled.whose}",
                WIDE,
            ),
        ]
        if open_:
            whole = state.image(v.picture, v.upload)[0]
            panels.append(Panel(whole, "X₂: what was in the hole", "the whole picture", WIDE))
        return panels, v.upload.line + _readout(filled, hole, at, open_)

    def paint(self, cells: np.ndarray, path: Sequence[Place], begins: bool, shift: bool) -> None:
        """A round brush cuts; with Shift it mends."""
        size, brush = len(cells), self.values()["brush"]
        y, x = np.mgrid[:size, :size] + 0.5
        for px, py in path:
            cells[(x - px * size) ** 2 + (y - py * size) ** 2 <= brush**2] = not shift

    def _clear(self) -> None:
        self.set(hand=(self.hidden_now()[0], bytes(self.state.size**2)), guess=None)


def _ring(at: Place | None, radius: float, colour: str) -> Mark | None:
    return None if at is None else lambda plot: plot.ring(*at, colour, radius)


def _readout(filled: _Filled, hole: Cells, at: int | None, open_: bool) -> str:
    """How large the hole is, and after a guess how well it is filled."""
    if not any(hole):
        return "Nothing is hidden: there is nothing to fill. Paint on the picture, or raise the hole's share."
    text = f"The hole has <b>{100 * sum(hole) / len(hole):.0f} %</b> of the pixels. "
    if bool(filled.hidden.all()):
        what = "what stands there is all that the network can say about no picture at all"
        text += f"Nothing is left to see: {what}. "
    if not open_:
        question = "Where is the filling worst? Point at it, in the network's filling, to see what was there."
        return f"{text}<br>{question}"
    if at is not None:
        inside = np.frombuffer(hole, np.uint8) > 0
        worse = float((filled.place[inside] > filled.place[at]).mean())
        share = f"{100 * (1 - worse):.0f} % of the hole"
        text += f"<br>{share} is filled as well or better than the place you chose. "
    network, part, one = filled.errors.values()
    return text + (
        f"Squared error: the network <b>{network:.4f}</b>, the mean of the part ({filled.whose}) "
        f"<b>{part:.4f}</b>, one mean colour {one:.4f}."
    )
