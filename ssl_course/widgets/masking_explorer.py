"""Lecture 04's experiment: hide patches; a masked autoencoder fills them in (note §3.1, §3.5)."""

from collections.abc import Sequence
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from ipywidgets import Checkbox, Dropdown, FloatSlider, IntSlider
from torch import Tensor

from ssl_course import nets
from ssl_course.course import palette
from ssl_course.data import scenes
from ssl_course.data.pictures import Pictures
from ssl_course.interfaces import pair_of
from ssl_course.methods.mae import MAE, encoder_flops, hidden_error, mean_picture, patch_means
from ssl_course.pretext import holes
from ssl_course.pretext.masking import KINDS, patchify, to_pixels
from ssl_course.widgets.frame import Frame, Panel, draw
from ssl_course.widgets.frame.hide_and_fill import WIDE, Cells, HideAndFill, Mark, Place, cell_of, guessed
from ssl_course.widgets.frame.pairs import as_set, seeded
from ssl_course.widgets.frame.sheet import SHOWN, Gallery
from ssl_course.widgets.frame.upload import Upload

VEIL = torch.tensor([128, 128, 128])  # the gray of hidden patches: nothing of them reaches the network
WORST = 0.25  # root mean squared error of a patch, pixels in [0, 1], that is drawn in full colour


class _Filled(NamedTuple):
    """One picture, hidden in part and filled; errors are mean squares over the hidden, pixels in [0, 1]."""

    seen: Tensor  # (3, H, W) with hidden patches gray
    image: np.ndarray  # (H, W, 4) with hidden patches filled
    patches: np.ndarray  # (L,) root mean squared error of each patch, 0 where nothing was hidden
    network: float
    flat: float  # of each patch in its own true mean
    average: float  # of the average picture


class _State(Gallery):
    """Masks and fillings, computed once."""

    def __init__(self, networks: dict[str, MAE], pictures: Pictures, remark: str = "") -> None:
        super().__init__(networks, pictures)
        self.remark, self.mean = remark, mean_picture(pictures)  # (3, s, s)

    @lru_cache(maxsize=256)  # noqa: B019 - one instance lives as long as its widget
    def drawn(self, network: str, kind: str, ratio: float, number: int) -> Cells:
        """The patches that the method's `pair` hides: ``round(ratio · L)`` of L; here also none, and all."""
        method = self.networks[network]
        patches = method.grid**2
        if round(ratio * patches) in (0, patches):  # `pair` always leaves something to see and to tell
            return bytes([round(ratio)]) * patches
        with seeded(number):
            pair = pair_of(as_set(method, masking=kind, mask_ratio=ratio), Pictures(self.images[:1]))
        return bytes(pair.parts["mask"][0].bool().tolist())

    @lru_cache(maxsize=128)  # noqa: B019
    def filled(self, network: str, picture: int, upload: Upload, hidden: Cells) -> _Filled:
        method, image = self.networks[network].eval(), self.image(picture, upload)
        if not any(hidden):
            return _Filled(image[0], draw.rgba(image[0]), np.zeros(len(hidden)), 0.0, 0.0, 0.0)
        mask, x = torch.tensor([list(hidden)]).float(), nets.as_float(image)  # (1, L), (1, 3, s, s)
        filling = method.reconstruct(image, float(mask.mean()), mask, lend=method.norm_pix_loss)[0].cpu()
        error = patchify((filling - x).square(), method.patch_size).mean(-1) * mask  # (1, L)
        others = (filling, patch_means(image, method.patch_size), self.mean)
        return _Filled(
            holes.fill(image, to_pixels(mask, method.patch_size), VEIL)[0],
            draw.rgba(filling[0]),
            error[0].sqrt().numpy(),
            *(hidden_error(image, other, mask) for other in others),
        )


def fitted(images: Tensor, size: int) -> tuple[Tensor, str]:
    """Pictures of any size, of 1, 3 or 4 channels, as (N, 3, size, size) uint8; what was done to them."""
    _, channels, height, width = images.shape
    if channels == 3 and (height, width) == (size, size) and images.dtype == torch.uint8:
        return images, ""
    x = nets.as_float(images[:, :3]).expand(-1, 3, -1, -1)  # gray thrice, transparency left out
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    x = x[:, :, top : top + side, left : left + side]
    if side != size:
        x = F.interpolate(x, (size, size), mode="bilinear", antialias=True)
    given = f"{width} × {height} px in {channels} channel{'s' * (channels > 1)}"
    remark = (
        f"The network reads {size} × {size} px in colour: these pictures, {given}, were cut to their middle "
        "square and brought to that. "
    )
    return (255 * x.clamp(0, 1)).round().to(torch.uint8), remark


class MaskingExplorer(HideAndFill):
    """Hide patches by ratio and pattern, or by clicking and dragging over them, and see them filled.

    Point in the filled picture at the hidden patch that you hold for the worst: then errors and truth appear.

    Args:
        networks: one trained `MAE` or several by name, beside the one shipped with the course.
        data: pictures; of another size than the networks', they are cropped and resized, and the widget says
            so. None paints scenes.
        with_shipped: offer the shipped network, trained on scenes, beside the given ones.

    Raises:
        ValueError: no pictures, or networks for pictures of different sizes and no data of the size of one.
        FileNotFoundError: no network is given and none is shipped.
    """

    shipped = {"MAE": "mae"}
    settings = ("kind", "ratio", "number")
    _hiding = True  # what the stroke now under way does

    def __init__(
        self,
        networks: MAE | dict[str, MAE] | None = None,
        data: Pictures | None = None,
        with_shipped: bool = True,
    ) -> None:
        offered, size = self.offer(networks, data, with_shipped)
        pictures = scenes.World().sample(SHOWN, size, seed=12) if data is None else data
        images, remark = fitted(pictures.images, size)
        controls = {
            "ratio": FloatSlider(0.75, min=0, max=1, step=0.01, description="hidden share"),
            "kind": Dropdown(options=KINDS, description="pattern"),
            "number": IntSlider(0, 0, 9, description="draw"),
            "network": Dropdown(options=list(offered), description="network"),
            "answer": Checkbox(False, description="show X₂ and the errors"),
        }
        super().__init__(controls, state=_State(offered, Pictures(images), remark))

    @staticmethod
    def render(state: Any, **values: Any) -> Frame:
        """The panels; pure."""
        v = SimpleNamespace(**values)
        method, (_, hidden) = state.networks[v.network], MaskingExplorer.hiding(state, values)
        filled, grid = state.filled(v.network, v.picture, v.upload, hidden), method.grid
        cursor = None if v.cursor is None else cell_of(v.cursor, grid)
        guess = guessed(v.guess, hidden)
        open_ = (v.answer or guess is not None) and any(hidden)
        leak = ", true mean and contrast of each patch lent: a leak" if method.norm_pix_loss else ""
        masked = f"the picture with {sum(hidden)} of {len(hidden)} patches hidden"
        panels = [
            state.sheet(v.picture, v.upload),
            MaskingExplorer.picture_panel(
                filled.seen,
                "X₁: click or drag to hide and show",
                masked,
                _around_patch(cursor, grid, palette.X1),
                cells=(grid, grid),
                hidden="".join(map(str, hidden)),
            ),
            MaskingExplorer.picture_panel(
                filled.image,
                f"ψ(X₁){leak}: point at the worst",
                "the picture with its hidden patches filled in",
                _around_patch(guess, grid, palette.Y),
            ),
        ]
        if open_:
            heat = draw.shades((filled.patches / WORST).reshape(grid, grid), palette.X2)
            largest = f"the largest root mean squared error of a patch is {filled.patches.max():.2f}"
            panels += [
                Panel(heat, "error of each patch", f"a map of the errors; {largest}", WIDE),
                Panel(state.image(v.picture, v.upload)[0], "X₂: what was hidden", "the whole picture", WIDE),
            ]
        line = _readout(method, filled, hidden, guess, open_)
        return panels, v.upload.line + state.remark + line

    def keyboard(self, side: int) -> tuple[Place, float, float]:
        """From the middle of one patch to that of the next."""
        return (0.5 / side, 0.5 / side), 1 / side, 0.5 / side

    def paint(self, cells: np.ndarray, path: Sequence[Place], begins: bool, shift: bool) -> None:
        """A stroke does to all patches what it does to its first: hide it if it was visible, else show it."""
        if begins:
            self._hiding = not cells.flat[cell_of(path[0], len(cells))]
        for at in path:
            cells.flat[cell_of(at, len(cells))] = self._hiding


def _around_patch(patch: int | None, grid: int, colour: str) -> Mark | None:
    """Draws a frame inside one of the patches."""
    if patch is None:
        return None
    rim = 3  # CSS pixels
    y, x = (k / grid for k in divmod(patch, grid))
    near, far = rim / 2 / WIDE, 1 / grid - rim / 2 / WIDE
    return lambda plot: plot.rect(x + near, y + near, x + far, y + far, outline=colour, width=rim)


def _readout(method: MAE, filled: _Filled, hidden: Cells, guess: int | None, open_: bool) -> str:
    """What the encoder saves, and after a guess how large the errors are."""
    length, count = len(hidden), sum(hidden)
    width, depth = method.backbone.dim, len(method.backbone.transformer.blocks)
    work, whole = (encoder_flops(1 + t, width, depth) for t in (length - count, length))
    text = (
        f"The encoder reads <b>{1 + length - count}</b> tokens instead of {1 + length}: {work / 1e6:.1f} "
        f"instead of {whole / 1e6:.1f} MFLOP, <b>{100 * work / whole:.0f} %</b>. "
    )
    if not count:
        hint = "Nothing is hidden: there is nothing to predict. Click a patch, or raise the hidden share."
        return text + hint
    if count == length:
        text += "Everything is hidden: what you see is all that the network can say about no picture at all. "
    if not open_:
        return text + "<br>Which hidden patch is filled worst? Point at it, in the filled picture, to see."
    if guess is not None:
        rank = 1 + int((filled.patches > filled.patches[guess] + 1e-9).sum())
        text += f"<br>Of {count} hidden patches yours is number <b>{rank}</b> from the worst. "
    return text + (
        f"Squared error on hidden patches <b>{filled.network:.4f}</b>; each in its own true mean "
        f"{filled.flat:.4f}; the average picture {filled.average:.4f}."
    )
