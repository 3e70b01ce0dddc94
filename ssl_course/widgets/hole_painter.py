"""Lecture 03's experiment: paint a hole, see it filled, and compare with what its part alone would say (note §3.3.2)."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
import torch
from PIL import Image

from ssl_course import nets
from ssl_course.checkpoints import together
from ssl_course.course import palette
from ssl_course.data import scenes
from ssl_course.data.pictures import Pictures
from ssl_course.methods.context_encoder import ContextEncoder
from ssl_course.pretext import holes
from ssl_course.pretext.holes import PARTS, part_means
from ssl_course.widgets.frame import draw
from ssl_course.widgets.frame.canvas import Key, Panel, Pointer
from ssl_course.widgets.frame.explorer import Explorer
from ssl_course.widgets.frame.sheet import ARROWS, SHOWN, OnSheet, chosen_image, sheet, thumbnails, which
from ssl_course.widgets.frame.upload import NOTHING, Upload, add_upload

WIDE = 208  # CSS pixels of a picture
SHIPPED = {"L2": "context_encoder", "L2 + adversarial": "context_encoder_adversarial"}
CHOICES = {
    "centre": "centre",
    "random blocks": "blocks",
    "free form": "free",
    "reverse: all but the centre": "around",
}
ASKED, UNASKED = 128, 96  # grays of what is hidden and asked for, and of what is only hidden

Hand = tuple[tuple[str, float, int], bytes]  # (settings it was painted over, the hole's pixels as bytes)


class _Filled(NamedTuple):
    """One hole and its fillings; pictures (H, W, 4), errors in pixels of [0, 1] squared."""

    filled: np.ndarray
    parts: np.ndarray
    place: np.ndarray  # (H, W) squared error of the network, summed over channels, 0 outside the hole
    errors: dict[str, float]


class _State:
    """Networks and pictures; fillings are computed once."""

    def __init__(self, networks: dict[str, ContextEncoder], pictures: Pictures) -> None:
        self.networks, self.images = networks, pictures.images[:SHOWN]
        self.size = int(self.images.shape[-1])
        self.thumbs = thumbnails(self.images)
        self.label = next(iter(pictures.labels), "")
        y = pictures.labels[self.label].cpu() if self.label else torch.zeros(len(pictures), dtype=torch.long)
        self.y = y[:SHOWN].tolist()
        names = pictures.names.get(self.label, [])
        self.names = names or [str(k) for k in range(int(y.max()) + 1)]
        images = pictures.images.cpu()
        means = [
            part_means(images[y == k]) if bool((y == k).any()) else None for k in range(int(y.max()) + 1)
        ]
        self.parts = {k: m for k, m in enumerate(means) if m is not None}  # class → (3, s, s)
        self.any_part = part_means(images)
        self.mean = nets.as_float(images[:2000]).mean((0, 2, 3))

    def part(self, picture: int, upload: Upload) -> tuple[torch.Tensor, str]:
        """The part-mean picture (3, s, s) and whose: of the picture's class, or of all where the class is not known."""
        at = which(picture, upload, len(self.images))
        if not self.label or at < 0:
            return self.any_part, "any picture"
        k = self.y[at]
        return self.parts[k], self.names[k]

    @lru_cache(maxsize=128)  # noqa: B019 - one instance lives as long as its widget
    def filled(self, network: str, picture: int, upload: Upload, hole: bytes, distance: int) -> _Filled:
        method, image = self.networks[network], chosen_image(self.images, picture, upload)
        cut = as_mask(hole, self.size)  # (1, 1, s, s)
        x, wide = nets.as_float(image), cut.bool()
        method.eval()
        out = method.inpaint(image, cut, holes.dilate(cut, distance)).cpu()
        parts = torch.where(wide, self.part(picture, upload)[0], x)
        errors = {}
        for name, filling in {
            "network": out,
            "part": parts,
            "one colour": holes.fill(x, cut, self.mean),
        }.items():
            square = (filling - x).square().sum(1, keepdim=True)[wide]
            errors[name] = float(square.mean()) / 3 if len(square) else 0.0
        return _Filled(
            draw.rgba(out[0]),
            draw.rgba(parts[0]),
            (out - x).square().sum(1)[0].numpy() * cut[0, 0].numpy(),
            errors,
        )


def as_mask(hole: bytes, size: int) -> torch.Tensor:
    """Bytes of 0 and 1 → (1, 1, size, size)."""
    return torch.frombuffer(bytearray(hole), dtype=torch.uint8).view(1, 1, size, size).float()


@lru_cache(maxsize=256)
def cut_hole(choice: str, share: float, number: int, size: int) -> bytes:
    """The hole of these settings, size² bytes of 0 and 1; a share of 0 cuts nothing and one of 1 everything."""
    if share <= 0 or share >= 1:
        full = (share >= 1) != (choice == "around")  # "around" keeps that share
        return bytes([int(full)]) * size**2
    stream = torch.Generator().manual_seed(number)
    return holes.make_holes(choice, 1, size, share, generator=stream).to(torch.uint8).numpy().tobytes()


class HolePainter(OnSheet, Explorer):
    """Cut a hole by its settings or paint one (with Shift: mend it), and see how it is filled.

    Point in the filling at the place that you hold for the worst: then the truth appears.

    Args:
        networks: one trained `ContextEncoder` or several by name, beside those shipped with the course.
        data: pictures of the networks' size; None paints scenes. Their first label gives the parts' classes.
        seed: of the scenes.
        with_shipped: offer the shipped networks, trained on scenes, beside the given ones.

    Raises:
        ValueError: no pictures, or pictures of another size than the networks'.
        FileNotFoundError: no network is given and none is shipped.
    """

    def __init__(
        self,
        networks: ContextEncoder | dict[str, ContextEncoder] | None = None,
        data: Pictures | None = None,
        seed: int = 12,
        with_shipped: bool = True,
    ) -> None:
        if data is not None and not len(data):
            raise ValueError("data has no pictures: give at least one")
        found = together(networks, SHIPPED if with_shipped or networks is None else {})
        sizes = {m.image_size for m in found.values()}
        if networks is not None and data is not None:  # shipped networks of another size give way
            found = {k: m for k, m in found.items() if m.image_size == data.images.shape[-1]}
        if not found or (data is None and len(sizes) > 1):
            raise ValueError(
                f"the networks are made for pictures of {sorted(sizes)} px: load data of that size"
            )
        size = next(iter(found.values())).image_size
        if data is None:
            many = scenes.World().sample(600, size, seed)  # for the means of the parts
            only = {"biome": many.labels["biome"]}
            data = Pictures(many.images, only, names={"biome": scenes.BIOMES})
        if tuple(data.images.shape[-2:]) != (size, size):
            raise ValueError(
                f"the networks are made for pictures of {size} px, not {tuple(data.images.shape[-2:])}"
            )
        controls = {
            "hole": ipywidgets.Dropdown(options=list(CHOICES.items()), description="hole"),
            "share": ipywidgets.FloatSlider(0.25, min=0, max=1, step=0.01, description="its share"),
            "distance": ipywidgets.IntSlider(0, 0, size // 4, description="distance"),
            "number": ipywidgets.IntSlider(0, 0, 9, description="draw"),
            "network": ipywidgets.Dropdown(options=list(found), description="network"),
            "brush": ipywidgets.IntSlider(max(size // 12, 1), 1, size // 4, description="brush"),
            "answer": ipywidgets.Checkbox(False, description="show X₂"),
        }
        settings = ("centre", 0.25, 0)
        super().__init__(
            controls,
            state=_State(found, data),
            hidden={"picture": 0, "hand": None, "cursor": None, "guess": None, "upload": NOTHING},
            tries={
                "picture": [len(data.images[:SHOWN]) - 1, SHOWN],
                "hand": [(settings, bytes(size**2)), (settings, b"\1" * size**2)],
                "cursor": [(0.0, 0.0), (1.0, 1.0)],
                "guess": [(0.0, 0.0), (0.5, 0.5)],
                "upload": [Upload(bytes(3 * size * size), size), Upload(message="That is no picture.")],
            },
            actions={"No hole": self._clear},
        )
        self.upload = add_upload(self, size, self._receive)

    @classmethod
    def example(cls) -> HolePainter:
        """An untrained network and few scenes."""
        torch.manual_seed(0)
        data = scenes.World().sample(5, 32, 0)
        return cls({"small": ContextEncoder(image_size=32)}, data, with_shipped=False)

    @staticmethod
    def render(state: Any, *, hole: str, share: float, distance: int, number: int, network: str, brush: int, answer: bool,
               picture: int, hand: Hand | None, cursor: tuple[float, float] | None,
               guess: tuple[float, float] | None, upload: Upload) -> Any:  # fmt: skip
        """The panels; pure."""
        image = chosen_image(state.images, picture, upload)  # (1, 3, s, s)
        cut = _hole(hole, share, number, state.size, hand)
        found = state.filled(network, picture, upload, cut, distance)
        mask = as_mask(cut, state.size)
        hidden = holes.dilate(mask, distance)
        seen = torch.where(mask.bool(), ASKED, torch.where(hidden.bool(), UNASKED, image))[0].to(torch.uint8)
        inside = np.frombuffer(cut, np.uint8).reshape(state.size, state.size)
        at = None if guess is None else _pixel(guess, state.size)
        at = at if at is not None and inside[at] else None
        count = int(inside.sum())
        open_ = (answer or at is not None) and count > 0
        part, whose = state.part(picture, upload)
        panels = [
            sheet(state.thumbs, which(picture, upload, len(state.thumbs))),
            Panel(
                _marked(draw.rgba(seen), cursor, brush, palette.X1),
                "X₁: paint with the pointer, mend with Shift",
                f"the picture with a hole of {100 * count / inside.size:.0f} % of its area",
                WIDE,
                operable=True,
            ),
            Panel(
                _marked(found.filled, guess if at is not None else None, 2, palette.Y),
                "ψ(X₁): point at the worst",
                "the picture with the network's filling",
                WIDE,
                operable=True,
            ),
            Panel(
                found.parts,
                f"E[X₂ | Y]: Y = part of {whose}",
                f"the hole filled with the mean colours of {', '.join(PARTS)} of {whose}",
                WIDE,
            ),
        ]
        if open_:
            panels.append(Panel(image[0], "X₂: what was in the hole", "the whole picture", WIDE))
        return panels, upload.line + _line(found, inside, hidden, at, open_, whose)

    def _now(self) -> tuple[tuple[str, float, int], bytes]:
        values = self.values()
        settings = (values["hole"], values["share"], values["number"])
        return settings, _hole(*settings, self.state.size, values["hand"])

    def _clear(self) -> None:
        self.set(hand=(self._now()[0], bytes(self.state.size**2)), guess=None)

    def _paint(self, points: tuple[tuple[float, float], ...], mend: bool) -> None:
        settings, cut = self._now()
        size, brush = self.state.size, self.values()["brush"]
        inside = np.frombuffer(cut, np.uint8).reshape(size, size).copy()
        y, x = np.mgrid[:size, :size] + 0.5
        for px, py in along(points, 1 / size):
            inside[(x - px * size) ** 2 + (y - py * size) ** 2 <= brush**2] = 0 if mend else 1
        self.set(hand=(settings, inside.tobytes()), guess=None)

    def png(self) -> bytes:
        """As every explorer's, with 256 colours: photographs take half of the bytes, and notebooks are to stay small."""
        return draw.png(Image.open(BytesIO(super().png())).quantize(256, dither=Image.Dither.NONE))

    def on_pointer(self, event: Pointer) -> None:
        """Choose a picture, paint or mend the hole, or point at the worst place of the filling."""
        if event.panel == 0:
            self.on_sheet(event)
        elif event.panel == 1 and event.kind != "up":
            points = event.path or ((event.x, event.y),)
            last = getattr(self, "_last", None) if event.kind == "drag" else None
            self._paint((last, *points) if last else points, event.shift)
            self._last = points[-1]
        elif event.panel == 2 and event.kind == "down":
            self._guess((event.x, event.y))

    def on_key(self, event: Key) -> None:
        """Arrows choose a picture or move the brush; Enter and Space paint (Shift+Space mends) or guess there."""
        if event.panel == 0:
            self.on_sheet(event)
            return
        dx, dy = ARROWS.get(event.key, (0, 0))
        x, y = self.values()["cursor"] or (0.5, 0.5)
        if dx or dy:
            x, y = min(max(x + dx / 16, 0.0), 1.0), min(max(y + dy / 16, 0.0), 1.0)
            self.set(cursor=(x, y))
        elif event.panel == 1:
            self._paint(((x, y),), event.shift)
        else:
            self._guess((x, y))

    def _guess(self, at: tuple[float, float]) -> None:
        size = self.state.size
        if np.frombuffer(self._now()[1], np.uint8).reshape(size, size)[_pixel(at, size)]:
            self.set(guess=at)


def along(points: tuple[tuple[float, float], ...], step: float) -> list[tuple[float, float]]:
    """The points and, between any two that lie further apart, more on the straight line: a fast stroke has no gaps."""
    out = [points[0]]
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        n = max(1, int(np.hypot(x1 - x0, y1 - y0) / (2 * step)))
        out += [(x0 + (x1 - x0) * k / n, y0 + (y1 - y0) * k / n) for k in range(1, n + 1)]
    return out


def _hole(hole: str, share: float, number: int, size: int, hand: Hand | None) -> bytes:
    """The painted hole, as long as the settings are those that it was painted over; else that of the settings."""
    if hand is not None and hand[0] == (hole, share, number) and len(hand[1]) == size**2:
        return hand[1]
    return cut_hole(hole, share, number, size)


def _pixel(at: tuple[float, float], size: int) -> tuple[int, int]:
    return min(int(at[1] * size), size - 1), min(int(at[0] * size), size - 1)


def _marked(pixels: np.ndarray, at: tuple[float, float] | None, radius: float, colour: str) -> np.ndarray:
    """The picture, enlarged to at least 192 pixels and with a ring when a place is marked."""
    if at is None:
        return pixels
    times = max(1, -(-192 // len(pixels)))
    out = pixels.repeat(times, 0).repeat(times, 1)
    y, x = np.mgrid[: len(out), : len(out)] + 0.5
    distance = np.hypot(x - at[0] * len(out), y - at[1] * len(out)) - max(radius * times, 6)
    out[np.abs(distance) < 3] = 255
    out[np.abs(distance) < 1.8] = (*bytes.fromhex(colour[1:]), 255)
    return out


def _line(found: _Filled, inside: np.ndarray, hidden: torch.Tensor, at: tuple[int, int] | None, open_: bool,
          whose: str) -> str:  # fmt: skip
    count = int(inside.sum())
    if not count:
        return (
            "Nothing is hidden: there is nothing to fill. Paint over the picture, or raise the hole's share."
        )
    text = f"The hole has <b>{100 * count / inside.size:.0f} %</b> of the pixels. "
    if bool(hidden.all()):
        text += "Nothing is left to see: what stands there is all that the network can say about no picture at all. "
    if not open_:
        return (
            text
            + "<br>Where is the filling worst? Point at it, in the network's filling, to see what was there."
        )
    if at is not None:
        worse = float((found.place[inside > 0] > found.place[at]).mean())
        text += f"<br>{100 * (1 - worse):.0f} % of the hole is filled as well or better than the place you chose. "
    e = found.errors
    return text + (
        f"Squared error: the network <b>{e['network']:.4f}</b>, the mean of the part ({whose}) <b>{e['part']:.4f}</b>, "
        f"one mean colour {e['one colour']:.4f}."
    )
