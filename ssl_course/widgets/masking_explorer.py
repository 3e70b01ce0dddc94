"""Lecture 04's experiment: hide patches of a picture, see what a masked autoencoder makes of the rest (note §3.1, §3.5)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
import torch
from torch import nn

from ssl_course import nets
from ssl_course.checkpoints import together
from ssl_course.course import palette
from ssl_course.data import scenes
from ssl_course.data.pictures import Pictures
from ssl_course.methods.mae import MAE, encoder_flops, hidden_error, mean_picture, patch_means
from ssl_course.pretext.masking import KINDS, mask_noise, patchify, unpatchify
from ssl_course.widgets.frame import draw
from ssl_course.widgets.frame.canvas import Key, Panel, Pointer
from ssl_course.widgets.frame.explorer import Explorer
from ssl_course.widgets.frame.sheet import ARROWS, SHOWN, OnSheet, chosen_image, sheet, thumbnails, which
from ssl_course.widgets.frame.upload import NOTHING, Upload, add_upload

WIDE = 208  # CSS pixels of a picture
SHIPPED = {"MAE": "mae"}
VEIL = 128  # the gray of hidden patches
WORST = 0.25  # root mean squared error of a patch, pixels in [0, 1], that is drawn in full colour

Hand = tuple[tuple[str, float, int, int], tuple[bool, ...]]  # (settings it was painted over, hidden or not)


class _Filled(NamedTuple):
    """One picture with its hidden patches filled."""

    image: np.ndarray  # (H, W, 4)
    error: np.ndarray  # (L,) root mean squared error of each patch
    total: float  # mean squared error of the hidden ones


class _State:
    """Networks and pictures; fillings are computed once."""

    def __init__(self, networks: dict[str, MAE], pictures: Pictures, said: str = "") -> None:
        self.networks, self.images, self.said = networks, pictures.images[:SHOWN], said
        self.size = int(self.images.shape[-1])
        self.mean = mean_picture(pictures)  # (3, s, s)
        self.thumbs = thumbnails(self.images)

    @lru_cache(maxsize=128)  # noqa: B019 - one instance lives as long as its widget
    def filled(self, network: str, picture: int, upload: Upload, hidden: tuple[bool, ...]) -> _Filled:
        method, image = self.networks[network], chosen_image(self.images, picture, upload)
        mask = torch.tensor([hidden]).float()  # (1, L)
        x = nets.as_float(image)
        out = predict(method, image, mask) if mask.any() else x
        error = patchify((out - x).square(), method.patch_size).mean(-1)[0]  # (L,)
        return _Filled(
            draw.rgba(out[0]),
            (error * mask[0]).sqrt().numpy(),
            hidden_error(image, out, mask) if mask.any() else 0.0,
        )


def fitted(images: torch.Tensor, size: int) -> tuple[torch.Tensor, str]:
    """Pictures of any size and of one, three or four channels as (N, 3, size, size) uint8, and what was done to them."""
    _, channels, height, width = images.shape
    if channels == 3 and (height, width) == (size, size) and images.dtype == torch.uint8:
        return images, ""
    x = nets.as_float(images[:, :3]).expand(-1, 3, -1, -1)  # gray thrice, transparency left out
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    x = x[:, :, top : top + side, left : left + side]
    if side != size:
        x = nn.functional.interpolate(x, (size, size), mode="bilinear", antialias=True)
    out = (255 * x.clamp(0, 1)).round().to(torch.uint8)
    given = f"{width} × {height} px in {channels} channel{'s' * (channels > 1)}"
    said = f"The network reads {size} × {size} px in colour: these pictures, {given}, were cut to their middle square"
    return out, f"{said} and brought to that. "


@torch.no_grad()
def predict(method: MAE, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """One picture (1, 3, H, W) with the patches filled that ``mask`` (1, L) removes, all of them if need be.

    A network trained with ``norm_pix_loss`` knows a patch only up to mean and contrast: then the true ones are used.
    """
    method.eval()
    removed, length = int(mask.sum()), mask.shape[1]
    if removed == length:  # the encoder reads its class token alone
        latent = method.backbone.transformer(method.cls_token)  # (1, 1, dim)
        restore = torch.arange(length, device=latent.device)[None]
    else:
        latent, _, restore = method.forward_encoder(image, removed / length, mask)
    patches = method.forward_decoder(latent, restore).float().cpu()  # (1, L, p²·3)
    if method.norm_pix_loss:
        true = patchify(nets.normalise(nets.as_float(image)), method.patch_size)
        patches = patches * (true.var(-1, keepdim=True) + 1e-6).sqrt() + true.mean(-1, keepdim=True)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (nets.MEAN, nets.STD))
    filled = (unpatchify(patches, method.patch_size) * std + mean).clamp(0, 1)
    return torch.where(_pixels(mask, method.grid, method.patch_size), filled, nets.as_float(image).cpu())


def _pixels(mask: torch.Tensor, grid: int, patch_size: int) -> torch.Tensor:
    """(N, L) → (N, 1, H, W) bool."""
    return (
        mask.view(-1, 1, grid, grid).repeat_interleave(patch_size, 2).repeat_interleave(patch_size, 3).bool()
    )


@lru_cache(maxsize=256)
def drawn_mask(kind: str, ratio: float, draw_number: int, grid: int) -> tuple[bool, ...]:
    """Which of grid² patches are hidden, ``round(ratio · L)`` of them: none at 0, all at 1."""
    stream = torch.Generator().manual_seed(draw_number)
    noise = mask_noise(kind, 1, grid, ratio, generator=stream)[0]  # (L,)
    keep = len(noise) - round(len(noise) * ratio)
    rank = noise.argsort(stable=True).argsort()
    return tuple((rank >= keep).tolist())


class MaskingExplorer(OnSheet, Explorer):
    """Hide patches by ratio and pattern, or by clicking and dragging over them, and see them filled.

    Point in the filled picture at the hidden patch that you hold for the worst: then errors and truth appear.

    Args:
        networks: one trained `MAE` or several by name, beside the one shipped with the course.
        data: pictures; of another size than the networks', they are cropped and resized, and the widget says so.
            None paints scenes.
        seed: of the scenes.
        with_shipped: offer the shipped network, trained on scenes, beside the given ones.

    Raises:
        ValueError: no pictures, or networks for pictures of different sizes and no data of the size of one.
        FileNotFoundError: no network is given and none is shipped.
    """

    def __init__(
        self, networks: MAE | dict[str, MAE] | None = None, data: Pictures | None = None, seed: int = 12,
        with_shipped: bool = True,
    ) -> None:  # fmt: skip
        if data is not None and not len(data):
            raise ValueError("data has no pictures: give at least one")
        found = together(networks, SHIPPED if with_shipped or networks is None else {})
        if data is not None:  # a shipped network of another size gives way to the student's
            fits = {k: m for k, m in found.items() if m.image_size == data.images.shape[-1]}
            found = fits or found
        sizes = sorted({m.image_size for m in found.values()})
        if len(sizes) > 1:
            raise ValueError(
                f"the networks are made for pictures of {sizes} px: give one of them, or data of its size"
            )
        size = sizes[0]
        pictures = scenes.World().sample(SHOWN, size, seed) if data is None else data
        images, said = fitted(pictures.images, size)
        pictures = Pictures(images)
        controls = {
            "ratio": ipywidgets.FloatSlider(0.75, min=0, max=1, step=0.01, description="hidden share"),
            "kind": ipywidgets.Dropdown(options=KINDS, description="pattern"),
            "number": ipywidgets.IntSlider(0, 0, 9, description="draw"),
            "network": ipywidgets.Dropdown(options=list(found), description="network"),
            "answer": ipywidgets.Checkbox(False, description="show X₂ and the errors"),
        }
        grid = next(iter(found.values())).grid
        settings = ("random", 0.75, 0, grid)
        super().__init__(
            controls,
            state=_State(found, pictures, said),
            hidden={"picture": 0, "hand": None, "cursor": None, "guess": None, "upload": NOTHING},
            tries={
                "picture": [len(pictures.images[:SHOWN]) - 1, SHOWN],
                "hand": [(settings, (True,) * grid**2), (settings, (False,) * grid**2)],
                "cursor": [0, grid**2 - 1],
                "guess": [0, grid**2 - 1],
                "upload": [Upload(bytes(3 * size * size), size), Upload(message="That is no picture.")],
            },
        )
        self.upload = add_upload(self, size, self._receive)
        self._hiding = True  # what the stroke now under way does

    @classmethod
    def example(cls) -> MaskingExplorer:
        """An untrained network of 16 patches, and one trained on normalised patches."""
        torch.manual_seed(0)
        small = {"image_size": 32, "dim": 32, "depth": 1, "heads": 2, "decoder_dim": 16, "decoder_heads": 2}
        both = {"small": MAE(**small), "normalised": MAE(**small, norm_pix_loss=True)}
        return cls(both, scenes.World().sample(5, 32, 0))

    @staticmethod
    def render(state: Any, *, ratio: float, kind: str, number: int, network: str, answer: bool, picture: int,
               hand: Hand | None, cursor: int | None, guess: int | None, upload: Upload) -> Any:  # fmt: skip
        """The panels; pure."""
        method, image = state.networks[network], chosen_image(state.images, picture, upload)
        hidden = _hidden(kind, ratio, number, method.grid, hand)
        count, length = sum(hidden), len(hidden)
        filled = state.filled(network, picture, upload, hidden)
        mask = torch.tensor([hidden])
        seen = torch.where(_pixels(mask, method.grid, method.patch_size), VEIL, image)[0]  # (3, s, s)
        guess = guess if guess is not None and guess < length and hidden[guess] else None
        cursor = min(cursor, length - 1) if cursor is not None else None
        open_ = (answer or guess is not None) and count > 0
        leak = ", true mean and contrast of each patch lent: a leak" if method.norm_pix_loss else ""
        panels = [
            sheet(state.thumbs, which(picture, upload, len(state.thumbs))),
            _panel(
                _outlined(draw.rgba(seen), cursor, method.grid, palette.X1),
                "X₁: click or drag to hide and show",
                f"the picture with {count} of {length} patches hidden",
            ),
            _panel(
                _outlined(filled.image, guess, method.grid, palette.Y),
                f"ψ(X₁){leak}: point at the worst",
                "the picture with its hidden patches filled in",
            ),
        ]
        if open_:
            panels += [
                Panel(_heat(filled.error, method.grid), "error of each patch", _said(filled.error), WIDE),
                Panel(image[0], "X₂: what was hidden", "the whole picture", WIDE),
            ]
        return panels, upload.line + state.said + _line(
            state, method, image, mask.float(), filled, guess, open_
        )

    def _settings_now(self) -> tuple[str, float, int, int]:
        values = self.values()
        grid = self.state.networks[values["network"]].grid
        return values["kind"], values["ratio"], values["number"], grid

    def _hidden_now(self) -> list[bool]:
        kind, ratio, number, grid = self._settings_now()
        return list(_hidden(kind, ratio, number, grid, self.values()["hand"]))

    def on_pointer(self, event: Pointer) -> None:
        """Choose a picture, hide or show patches, or point at the worst one."""
        grid = self._settings_now()[3]
        if event.panel == 0:
            self.on_sheet(event)
        elif event.panel == 1 and event.kind != "up":
            hidden = self._hidden_now()
            points = event.path or ((event.x, event.y),)
            if event.kind == "down":
                self._hiding = not hidden[_patch(*points[0], grid)]
            for x, y in points:
                hidden[_patch(x, y, grid)] = self._hiding
            self.set(hand=(self._settings_now(), tuple(hidden)), guess=None, cursor=None)
        elif event.panel == 2 and event.kind == "down":
            self._guess(_patch(event.x, event.y, grid))

    def on_key(self, event: Key) -> None:
        """Arrows choose a picture or move over the patches; Enter and Space hide, show or guess."""
        if event.panel == 0:
            self.on_sheet(event)
            return
        dx, dy = ARROWS.get(event.key, (0, 0))
        at, grid = self.values()["cursor"] or 0, self._settings_now()[3]
        row, column = at // grid, at % grid
        if dx or dy:
            row, column = min(max(row + dy, 0), grid - 1), min(max(column + dx, 0), grid - 1)
            self.set(cursor=row * grid + column)
        elif event.panel == 1:
            hidden = self._hidden_now()
            hidden[at] = not hidden[at]
            self.set(hand=(self._settings_now(), tuple(hidden)), guess=None, cursor=at)
        else:
            self._guess(at)

    def _guess(self, patch: int) -> None:
        if self._hidden_now()[patch]:
            self.set(guess=patch)


def _hidden(kind: str, ratio: float, number: int, grid: int, hand: Hand | None) -> tuple[bool, ...]:
    """The patches painted by hand, as long as the settings are those that they were painted over; else the drawn ones."""
    if hand is not None and hand[0] == (kind, ratio, number, grid) and len(hand[1]) == grid**2:
        return hand[1]
    return drawn_mask(kind, ratio, number, grid)


def _patch(x: float, y: float, grid: int) -> int:
    return min(int(y * grid), grid - 1) * grid + min(int(x * grid), grid - 1)


def _panel(pixels: np.ndarray, caption: str, alt: str) -> Panel:
    return Panel(pixels, caption, alt, WIDE, operable=True)


def _outlined(pixels: np.ndarray, patch: int | None, grid: int, colour: str) -> np.ndarray:
    """The picture, enlarged to at least 192 pixels when a patch is outlined."""
    if patch is None:
        return pixels
    times = max(1, -(-192 // len(pixels))) if grid > 1 else 1
    out = pixels.repeat(times, 0).repeat(times, 1)
    side, rim = len(out) / grid, 3
    top, left = (round(k * side) for k in divmod(patch, grid))
    end, right = round(top + side), round(left + side)
    ink = (*bytes.fromhex(colour[1:]), 255)
    out[top : top + rim, left:right] = out[end - rim : end, left:right] = ink
    out[top:end, left : left + rim] = out[top:end, right - rim : right] = ink
    return out


def _heat(error: np.ndarray, grid: int) -> np.ndarray:
    """Errors (L,) as one square a patch, from white to the colour of X₂."""
    share = np.clip(error / WORST, 0, 1).reshape(grid, grid, 1)
    ink = np.array(list(bytes.fromhex(palette.X2[1:])))
    cells = (255 * (1 - share) + ink * share).round().astype(np.uint8)
    times = max(1, 192 // grid)
    return cells.repeat(times, 0).repeat(times, 1)


def _said(error: np.ndarray) -> str:
    return f"a map of the errors; the largest root mean squared error of a patch is {error.max():.2f}"


def _line(state: _State, method: MAE, image: torch.Tensor, mask: torch.Tensor, filled: _Filled, guess: int | None,
          open_: bool) -> str:  # fmt: skip
    length, count = mask.shape[1], int(mask.sum())
    width, depth = method.backbone.dim, len(method.backbone.transformer.blocks)
    work, whole = (encoder_flops(1 + t, width, depth) for t in (length - count, length))
    text = (
        f"The encoder reads <b>{1 + length - count}</b> tokens instead of {1 + length}: {work / 1e6:.1f} instead of "
        f"{whole / 1e6:.1f} MFLOP, <b>{100 * work / whole:.0f} %</b>. "
    )
    if not count:
        return (
            text + "Nothing is hidden: there is nothing to predict. Click a patch, or raise the hidden share."
        )
    if count == length:
        text += "Everything is hidden: what you see is all that the network can say about no picture at all. "
    if not open_:
        return text + "<br>Which hidden patch is filled worst? Point at it, in the filled picture, to see."
    if guess is not None:
        rank = 1 + int((filled.error > filled.error[guess] + 1e-9).sum())
        text += f"<br>Of {count} hidden patches yours is number <b>{rank}</b> from the worst. "
    flat = hidden_error(image, patch_means(image, method.patch_size), mask)
    average = hidden_error(image, state.mean, mask)
    return text + (
        f"Squared error on hidden patches <b>{filled.total:.4f}</b>; each in its own true mean {flat:.4f}; "
        f"the average picture {average:.4f}."
    )
