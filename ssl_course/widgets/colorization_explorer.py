"""Lecture 02's experiment: the colours that a network expects, and how one of them is chosen (note §3.1)."""

from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from ipywidgets import Checkbox, Dropdown, FloatSlider

from ssl_course.checkpoints import together
from ssl_course.course import palette
from ssl_course.data import scenes
from ssl_course.data.pictures import Pictures
from ssl_course.interfaces import Pair, pair_of
from ssl_course.methods.colorization import Colorization, paint
from ssl_course.pretext.color import annealed_mean, lab_to_rgb, rebalance_weights
from ssl_course.widgets.frame import Frame, Panel, draw
from ssl_course.widgets.frame.pairs import picture_of
from ssl_course.widgets.frame.sheet import SHOWN, Gallery, SheetExplorer, cell_at
from ssl_course.widgets.frame.upload import Upload

WHITE = (255, 255, 255)  # on a picture, in the dark theme too
WIDE = 192  # CSS pixels of a picture
PLANE = 300
SHIPPED = {"classes": "colorization", "L2": "colorization_l2"}


class _State(Gallery):
    """What each network says of each picture, computed once."""

    @lru_cache(maxsize=64)  # noqa: B019 - one instance lives as long as its widget
    def predicted(self, network: str, picture: int, upload: Upload) -> torch.Tensor:
        """Logits (1, Q, h, w), or ab (1, 2, h, w) of an L2 network."""
        method = self.networks[network]
        with torch.no_grad():
            return method.eval().predict(self.image(picture, upload)).float().cpu()

    @lru_cache(maxsize=64)  # noqa: B019
    def pair(self, network: str, picture: int, upload: Upload) -> Pair:
        """X₁ (1, 1, s, s) and X₂ (1, 2, h, w), as the network gets them when it learns."""
        return pair_of(self.networks[network], Pictures(self.image(picture, upload)))


class ColorizationExplorer(SheetExplorer):
    """Choose a gray picture, point at a place, and see every colour that the network holds possible there.

    Click in the ab plane where you expect the place's true colour: then the true picture appears.

    Args:
        networks: one trained `Colorization` or several by name, beside those shipped with the course.
        data: pictures, (N, 3, H, W) uint8 of any size; None paints scenes.
        with_shipped: offer the shipped networks, trained on scenes, beside the given ones.

    Raises:
        ValueError: no pictures. FileNotFoundError: no network is given and none is shipped.
    """

    own = {"place": (0.5, 0.75)}
    places = {2: ("place", 1 / 16), 3: ("guess", 0.03)}  # on the picture; its colour in the plane

    def __init__(
        self,
        networks: Colorization | dict[str, Colorization] | None = None,
        data: Pictures | None = None,
        with_shipped: bool = True,
    ) -> None:
        if data is not None and not len(data):
            raise ValueError("data has no pictures: give at least one")
        offered = together(networks, SHIPPED if with_shipped or networks is None else {})
        pictures = scenes.World().sample(SHOWN, 64, seed=12) if data is None else data
        slider = {"min": 0, "max": 1, "step": 0.02}
        controls = {
            "network": Dropdown(options=list(offered), description="network"),
            "temperature": FloatSlider(0.38, **slider, description="temperature T"),
            "rebalancing": FloatSlider(0.5, **slider, description="rebalancing"),
            "answer": Checkbox(False, description="show the true colours"),
        }
        super().__init__(controls, state=_State(offered, pictures, gray=True))

    @staticmethod
    def render(state: Any, **values: Any) -> Frame:
        """The panels; pure."""
        v = SimpleNamespace(**values)
        method, psi = state.networks[v.network], state.predicted(v.network, v.picture, v.upload)
        image = state.image(v.picture, v.upload)  # (1, 3, s, s)
        classes, centres, weights = method.objective == "classes", method.centres.cpu(), None
        if classes:
            weights = rebalance_weights(method.prior.cpu(), 1 - v.rebalancing)  # (Q,)
            psi = psi + (weights.log() - method.weights.cpu().log())[:, None, None]
        ab = annealed_mean(psi, centres, v.temperature) if classes else psi  # (1, 2, h, w)
        x1, x2 = (x.cpu() for x in state.pair(v.network, v.picture, v.upload))
        row, column = divmod(cell_at(*v.place, *psi.shape[-2:]), psi.shape[-1])
        here, true_here = (x[0, :, row, column] for x in (ab, x2))
        open_ = v.answer or v.guess is not None
        p = psi[0, :, row, column].softmax(0).numpy() if classes else None
        true_there = true_here.numpy() if open_ else None
        alt = "the picture in the network's colours, with a ring around the place you chose"
        painted, original = (_ringed(x, v.place) for x in (paint(image, ab)[0], image[0]))
        panels = [
            state.sheet(v.picture, v.upload, "choose X₁", "gray pictures"),
            Panel(picture_of(x1[0]), "X₁: what the network sees", "the chosen picture in gray", WIDE),
            painted.panel("ψ(X₁): what it says; click a place", alt, operable=True),
            _plane(centres.numpy(), p, method.prior.cpu().numpy(), here.numpy(), true_there, v.guess),
        ]
        if open_:
            panels.append(original.panel("X₂: its true colours", "the picture as it was"))
        line = _settings_in_words(p, weights, v.temperature)
        vivid, true_vivid = (float(x.norm(dim=1).mean()) for x in (ab, x2))
        line += f"Vividness (mean chroma) <b>{vivid:.0f}</b>"
        if not open_:
            line += ".<br>Where in the plane lies the true colour of the marked place? Click there to see."
        else:
            off = f"<b>{float((here - true_here).norm()):.0f}</b> Lab units off"
            line += f", of the truth <b>{true_vivid:.0f}</b>; at the ring ψ is {off}."
        return panels, v.upload.line + line


def _ringed(image: torch.Tensor, place: tuple[float, float]) -> draw.Plot:
    """The picture with a ring around the place."""
    smooth = image.shape[-1] > 64  # pixels that are shown small are no part of the story
    return draw.Plot.over(image, WIDE, smooth).ring(*place, WHITE, r=9, halo="#000000")


@lru_cache(maxsize=16)
def _swatches(key: bytes) -> list[str]:
    """Each bin's colour, at L = 62 so that all look equally light."""
    centres = np.frombuffer(key, np.float32).reshape(-1, 2)
    lab = torch.cat([torch.full((len(centres), 1), 62.0), torch.tensor(centres.copy())], 1).T[..., None]
    colours = (lab_to_rgb(lab).clamp(0, 1)[..., 0].T * 255).round().to(torch.uint8)  # (Q, 3)
    return ["#" + bytes(colour).hex() for colour in colours.tolist()]


def _plane(
    centres: np.ndarray,
    p: np.ndarray | None,
    prior: np.ndarray,
    here: np.ndarray,
    truth: np.ndarray | None,
    guess: tuple[float, float] | None,
) -> Panel:
    """The ab plane: squares are bins, their shade how common they are, discs how likely at the place."""
    width = float(np.abs(np.diff(np.unique(centres[:, 0]))).min())
    plot = draw.Plot(PLANE, PLANE, (-126, 126), (-126, 126), margin=(8, 8, 38, 44), equal=True)
    ticks = [-80, -40, 0, 40, 80]
    plot.axes("a: green to red", "b: blue to yellow", ticks, ticks, grid=False)
    shade = np.clip((np.log10(prior + 1e-9) + 4) / 4, 0, 1)  # one in ten thousand and less: hardly there
    swatches, half = _swatches(centres.astype(np.float32).tobytes()), width / 2
    for (x, y), colour, s in zip(centres.tolist(), swatches, shade.tolist(), strict=True):
        fill = palette.mix(palette.PAPER, colour, 0.12 + 0.4 * s)
        plot.rect(x - half, y - half, x + half, y + half, fill, outline=palette.PAPER, width=0.5)
    for k in () if p is None else (-p).argsort(kind="stable"):  # the likeliest first, below the others
        if p[k] > 0.002:
            r = 16 * float(p[k]) ** 0.5
            plot.dot(*centres[k].tolist(), swatches[k], r, outline=palette.INK, width=1)
    if truth is not None:
        plot.cross(*truth, color=palette.X2, r=7, width=3)
    if guess is not None:
        plot.dot(*plot.at(*guess), color=None, r=6, outline=palette.Y, width=2.5)
    plot.dot(*here, color=palette.PSI, r=4.5, outline=palette.PAPER)
    marks = ["● ψ"] + ["× X₂"] * (truth is not None) + ["○ guess"] * bool(guess)
    alt = f"the answer lies at a {here[0]:.0f}, b {here[1]:.0f}"
    if p is not None:
        top = int(p.argmax())
        a, b = centres[top]
        alt += f"; the likeliest bin, at a {a:.0f}, b {b:.0f}, has {100 * p[top]:.0f} %"
    alt = f"the ab plane in bins, with what the network holds possible; {alt}"
    return plot.panel(f"the marked place: {', '.join(marks)}", alt, operable=True)


def _settings_in_words(p: np.ndarray | None, weights: torch.Tensor | None, temperature: float) -> str:
    """What temperature and rebalancing do to an answer that is a distribution; None for an L2 network's."""
    if p is None:
        return "L2 knows one answer, E[X₂ | X₁]: T and rebalancing change nothing. "
    between = "between mode and mean" if temperature <= 0.95 else "the mean"
    how = "the mode" if temperature < 0.05 else between
    return (
        f"T = {temperature:.2f}: {how} of {int((p > 0.02).sum())} likely bins. The rarest colour counts "
        f"{float(weights.max() / weights.min()):.0f} times the commonest. "
    )
