"""Lecture 02's experiment: the colours that a network expects, and how one of them is chosen (note §3.1)."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import Any

import ipywidgets
import numpy as np
import torch
from PIL import Image
from torch import nn

from ssl_course.checkpoints import together
from ssl_course.course import palette
from ssl_course.data import scenes
from ssl_course.data.pictures import Pictures
from ssl_course.methods.colorization import Colorization, paint
from ssl_course.pretext.color import annealed_mean, lab_to_rgb, rebalance_weights, rgb_to_lab
from ssl_course.widgets.frame import draw
from ssl_course.widgets.frame.canvas import Key, Panel, Pointer
from ssl_course.widgets.frame.explorer import Explorer
from ssl_course.widgets.frame.sheet import ARROWS, SHOWN, OnSheet, chosen_image, sheet, thumbnails, which
from ssl_course.widgets.frame.upload import NOTHING, Upload, add_upload

WIDE = 192  # CSS pixels of a picture
PLANE = 300
SHIPPED = {"classes": "colorization", "L2": "colorization_l2"}


class _State:
    """Networks, pictures, and what each network says of each picture; computed once."""

    def __init__(self, networks: dict[str, nn.Module], pictures: Pictures) -> None:
        self.networks, self.images = networks, pictures.images[:SHOWN]
        self.size = int(self.images.shape[-1])
        gray = Pictures(self.images).gray().images
        self.thumbs = thumbnails(gray)

    @lru_cache(maxsize=64)  # noqa: B019 - one instance lives as long as its widget
    def said(self, network: str, picture: int, upload: Upload) -> torch.Tensor:
        """Logits (1, Q, h, w), or ab (1, 2, h, w) of an L2 network."""
        method = self.networks[network]
        with torch.no_grad():
            return method.eval().predict(chosen_image(self.images, picture, upload)).float().cpu()


class ColorizationExplorer(OnSheet, Explorer):
    """Choose a gray picture, point at a place, and see every colour that the network holds possible there.

    Click in the ab plane where you expect the place's true colour: then the true picture appears.

    Args:
        networks: one trained `Colorization` or several by name, beside those shipped with the course.
        data: pictures, (N, 3, H, W) uint8 of any size; None paints scenes.
        seed: of the scenes.
        with_shipped: offer the shipped networks, trained on scenes, beside the given ones.

    Raises:
        ValueError: no pictures. FileNotFoundError: no network is given and none is shipped.
    """

    def __init__(
        self,
        networks: Colorization | dict[str, Colorization] | None = None,
        data: Pictures | None = None,
        seed: int = 12,
        with_shipped: bool = True,
    ) -> None:
        if data is not None and not len(data):
            raise ValueError("data has no pictures: give at least one")
        found = together(networks, SHIPPED if with_shipped or networks is None else {})
        pictures = scenes.World().sample(SHOWN, 64, seed) if data is None else data
        slider = {"min": 0, "max": 1, "step": 0.02}
        controls = {
            "network": ipywidgets.Dropdown(options=list(found), description="network"),
            "temperature": ipywidgets.FloatSlider(0.38, **slider, description="temperature T"),
            "rebalancing": ipywidgets.FloatSlider(0.5, **slider, description="rebalancing"),
            "answer": ipywidgets.Checkbox(False, description="show the true colours"),
        }
        somewhere = Upload(bytes(range(192)), 8)
        super().__init__(
            controls,
            state=_State(found, pictures),
            hidden={"picture": 0, "place": (0.5, 0.75), "guess": None, "upload": NOTHING},
            tries={
                "picture": [len(pictures.images[:SHOWN]) - 1, SHOWN],
                "place": [(0.0, 0.0), (1.0, 1.0)],
                "guess": [(0.5, 0.5), (1.0, 0.0)],
                "upload": [somewhere, Upload(message="That is no picture.")],
            },
        )
        self.upload = add_upload(self, self.state.size, self._receive)

    @classmethod
    def example(cls) -> ColorizationExplorer:
        """Untrained networks, one of each kind."""
        torch.manual_seed(0)
        both = {"small": Colorization(step=40.0), "small L2": Colorization(objective="l2")}
        return cls(both, scenes.World().sample(5, 32, 0), with_shipped=False)

    @staticmethod
    def render(state: Any, *, network: str, temperature: float, rebalancing: float, answer: bool, picture: int,
               place: tuple[float, float], guess: tuple[float, float] | None, upload: Upload) -> Any:  # fmt: skip
        """The panels; pure."""
        method, said = state.networks[network], state.said(network, picture, upload)
        image = chosen_image(state.images, picture, upload)  # (1, 3, s, s)
        classes = method.objective == "classes"
        centres, mix = method.centres.cpu(), 1 - rebalancing
        if classes:
            weights = rebalance_weights(method.prior.cpu(), mix)  # (Q,)
            said = said + (weights.log() - method.weights.cpu().log())[:, None, None]
        ab = annealed_mean(said, centres, temperature) if classes else said  # (1, 2, h, w)
        truth = rgb_to_lab(image.float() / 255)[:, 1:]  # (1, 2, s, s)
        row, column = (min(int(place[k] * said.shape[3 - k]), said.shape[3 - k] - 1) for k in (1, 0))
        here, true_here = ab[0, :, row, column], _cell(truth, said.shape[-2:])[:, row, column]
        open_ = answer or guess is not None
        p = said[0, :, row, column].softmax(0).numpy() if classes else None
        prior = method.prior.cpu().numpy()
        plot = _plane(centres.numpy(), p, prior, here.numpy(), true_here.numpy() if open_ else None, guess)
        chosen = which(picture, upload, len(state.thumbs))
        gray = Pictures(image).gray().images[0]
        panels = [
            sheet(state.thumbs, chosen, "choose X₁", "gray pictures"),
            Panel(gray, "X₁: what the network sees", "the chosen picture in gray", WIDE),
            Panel(
                _marked(paint(image, ab)[0], place),
                "ψ(X₁): what it says; click a place",
                "the picture in the network's colours, with a ring around the place you chose",
                WIDE,
                pixelated=state.size <= 64,
                operable=True,
            ),
            plot,
        ]
        if open_:
            panels.append(
                Panel(_marked(image[0], place), "X₂: its true colours", "the picture as it was", WIDE)
            )
        line = _line(
            method, classes, here, ab, truth, true_here if open_ else None, p, temperature, rebalancing
        )
        return panels, upload.line + line + (
            ""
            if open_
            else "<br>Where in the plane lies the true colour of the marked place? Click there to see."
        )

    def png(self) -> bytes:
        """As every explorer's, with 256 colours: photographs take half of the bytes, and notebooks are to stay small."""
        return draw.png(Image.open(BytesIO(super().png())).quantize(256, dither=Image.Dither.NONE))

    def on_pointer(self, event: Pointer) -> None:
        """Choose a picture, point at a place, or guess its colour."""
        if event.panel == 0:
            self.on_sheet(event)
        elif event.panel == 2:
            self.set(place=(event.x, event.y), guess=None)
        elif event.panel == 3 and event.kind != "up":
            self.set(guess=(event.x, event.y))

    def on_key(self, event: Key) -> None:
        """Arrows choose the picture, move the place, or move the guess."""
        dx, dy = ARROWS.get(event.key, (0, 0))
        values = self.values()
        if event.panel == 0:
            self.on_sheet(event)
        elif event.panel == 2:
            self.set(place=_move(values["place"], dx / 16, dy / 16), guess=None)
        elif event.panel == 3:
            self.set(guess=_move(values["guess"] or (0.5, 0.5), 0.03 * dx, 0.03 * dy))


def _move(at: tuple[float, float], dx: float, dy: float) -> tuple[float, float]:
    return min(max(at[0] + dx, 0.0), 1.0), min(max(at[1] + dy, 0.0), 1.0)


def _cell(ab: torch.Tensor, size: torch.Size) -> torch.Tensor:
    return nn.functional.adaptive_avg_pool2d(ab, size)[0]


def _marked(image: torch.Tensor, place: tuple[float, float]) -> np.ndarray:
    """The picture, twice as large and at least 192 pixels, with a ring around the place."""
    pixels = draw.rgba(image)
    times = max(2, -(-WIDE // pixels.shape[0]))
    pixels = pixels.repeat(times, 0).repeat(times, 1)
    size = pixels.shape[0]
    y, x = np.mgrid[:size, :size]
    distance = np.hypot(x - place[0] * (size - 1), y - place[1] * (size - 1)) / size * WIDE  # CSS pixels
    pixels[np.abs(distance - 9) < 2.6] = (0, 0, 0, 255)
    pixels[np.abs(distance - 9) < 1.4] = 255
    return pixels


@lru_cache(maxsize=16)
def _swatches(key: bytes) -> list[tuple[int, int, int]]:
    """Each bin's colour, at L = 62 so that all look equally light."""
    centres = np.frombuffer(key, np.float32).reshape(-1, 2)
    lab = torch.cat([torch.full((len(centres), 1), 62.0), torch.tensor(centres.copy())], 1).T[..., None]
    return [tuple(c) for c in (lab_to_rgb(lab).clamp(0, 1)[..., 0].T * 255).round().int().tolist()]


def _plane(centres: np.ndarray, p: np.ndarray | None, prior: np.ndarray, here: np.ndarray, truth: np.ndarray | None,
           guess: tuple[float, float] | None) -> Panel:  # fmt: skip
    """The ab plane: squares are bins, their shade how common they are, discs how likely they are at the place."""
    width = float(np.abs(np.diff(np.unique(centres[:, 0]))).min())
    plot = draw.Plot(PLANE, PLANE, (-114, 114), (-114, 114), margin=(8, 8, 38, 44), equal=True)
    plot.axes(
        "a: green to red", "b: blue to yellow", [-80, -40, 0, 40, 80], [-80, -40, 0, 40, 80], grid=False
    )
    shade = np.clip((np.log10(prior + 1e-9) + 4) / 4, 0, 1)  # one in ten thousand and less: hardly there
    corner = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * width / 2
    for centre, colour, s in zip(
        centres, _swatches(centres.astype(np.float32).tobytes()), shade, strict=True
    ):
        fill = tuple(int(255 - (255 - c) * (0.12 + 0.4 * s)) for c in colour)
        plot.polygon(centre + corner, fill=fill, outline="#ffffff", width=0.5)
    if p is not None:
        for centre, colour, q in sorted(
            zip(centres.tolist(), _swatches(centres.astype(np.float32).tobytes()), p, strict=True),
            key=lambda t: -t[2],
        ):
            if q > 0.002:
                plot.dot(*centre, colour, r=16 * float(q) ** 0.5, outline=palette.INK, width=1)
    if truth is not None:
        plot.cross(*truth, color=palette.X2, r=7, width=3)
    if guess is not None:
        plot.dot(*plot.at(*guess), color=None, r=6, outline=palette.Y, width=2.5)
    plot.dot(*here, color=palette.PSI, r=4.5, outline="#ffffff")
    caption = (
        "the marked place: ● ψ" + (", × X₂" if truth is not None else "") + (", ○ guess" if guess else "")
    )
    said = f"the answer lies at a {here[0]:.0f}, b {here[1]:.0f}"
    if p is not None:
        top = int(p.argmax())
        said += f"; the likeliest bin, at a {centres[top][0]:.0f}, b {centres[top][1]:.0f}, has {100 * p[top]:.0f} %"
    return plot.panel(
        caption, f"the ab plane in bins, with what the network holds possible; {said}", operable=True
    )


def _line(method: Colorization, classes: bool, here: torch.Tensor, ab: torch.Tensor, truth: torch.Tensor,
          true_here: torch.Tensor | None, p: np.ndarray | None, temperature: float, rebalancing: float) -> str:  # fmt: skip
    chroma = [float(x.norm(dim=1).mean()) for x in (ab, truth)]
    if classes:
        weights = rebalance_weights(method.prior.cpu(), 1 - rebalancing)
        times = float(weights.max() / weights.min())
        how = (
            "the mode"
            if temperature < 0.05
            else "the mean"
            if temperature > 0.95
            else "between mode and mean"
        )
        text = (
            f"T = {temperature:.2f}: {how} of {int((p > 0.02).sum())} likely bins. The rarest colour counts "
            f"{times:.0f} times the commonest. "
        )
    else:
        text = "L2 knows one answer, E[X₂ | X₁]: T and rebalancing change nothing. "
    text += f"Vividness (mean chroma) <b>{chroma[0]:.0f}</b>"
    if true_here is not None:
        off = float((here - true_here).norm())
        text += f", of the truth <b>{chroma[1]:.0f}</b>; at the ring ψ is <b>{off:.0f}</b> Lab units off"
    return text + "."
