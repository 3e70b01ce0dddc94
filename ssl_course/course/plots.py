"""Figures of the lectures: one matplotlib style, and figures that carry their alt text."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from ssl_course.course import palette

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 144  # pixels per inch of the stored picture; shown at 72 per inch, so sharp on dense screens


def style() -> None:
    """Set matplotlib's defaults to the course's: light paper in every theme, colours of palette.py."""
    import matplotlib as mpl

    mpl.rcParams.update(
        {
            "figure.figsize": (7.0, 3.6),
            "figure.dpi": DPI,
            "figure.facecolor": palette.PAPER,
            "figure.constrained_layout.use": True,
            "axes.facecolor": palette.PAPER,
            "axes.edgecolor": palette.MUTED,
            "axes.labelcolor": palette.INK,
            "axes.titlecolor": palette.INK,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.labelsize": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.prop_cycle": mpl.cycler(
                color=[palette.X1, palette.X2, palette.Y, palette.PSI], linestyle=["-", "--", "-.", ":"]
            ),  # the line style tells the curves apart without colour
            "grid.color": palette.GRID,
            "grid.linewidth": 0.8,
            "text.color": palette.INK,
            "xtick.color": palette.MUTED,
            "ytick.color": palette.MUTED,
            "xtick.labelcolor": palette.INK,
            "ytick.labelcolor": palette.INK,
            "xtick.labelsize": 9,
            "ytick.labelsize": 9,
            "legend.frameon": False,
            "legend.fontsize": 9,
            "lines.linewidth": 2.0,
            "lines.markersize": 5,
            "font.size": 10,
            "image.interpolation": "nearest",
        }
    )


class FigureImage:
    """A finished figure as ``<figure><img alt=…>``; the last expression of a cell shows it.

    Attributes:
        png: the picture's bytes.
        alt: what the picture says, for those who do not see it.
    """

    def __init__(self, png: bytes, alt: str, caption: str | None, width: int) -> None:
        self.png, self.alt, self.caption, self.width = png, alt, caption, width

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.png).decode("ascii")
        # The paper is part of the figure: a plot with dark ink must not lie on a dark page.
        image = (
            f'<img alt="{escape(self.alt)}" src="data:image/png;base64,{data}" width="{self.width}" '
            f'style="max-width:100%;height:auto;background:{palette.PAPER};border-radius:4px">'
        )
        text = f"<figcaption>{escape(self.caption)}</figcaption>" if self.caption else ""
        return f'<figure class="ssl-figure" style="margin:0.5em 0">{image}{text}</figure>'

    def __repr__(self) -> str:
        return f"<figure: {self.alt}>"


def figure(
    fig: Figure, alt: str, caption: str | None = None, width: int | None = None, colours: int | None = None
) -> FigureImage:
    """Turn a matplotlib figure into an image with alt text, and close it.

    Args:
        fig: drawn figure; closed here, so that the notebook does not show it a second time.
        alt: one or two sentences with what the figure shows, numbers included; not "a plot".
        caption: text under the figure.
        width: CSS pixels; by default 72 per inch of the figure.
        colours: keep only so many of them, the nearest to each pixel's: pictures in 256 take a third of the bytes.

    Raises:
        ValueError: empty alt text.
    """
    import matplotlib.pyplot as plt

    if not alt or not alt.strip():
        raise ValueError("figure() needs alt text: say in a sentence what the figure shows")
    file = io.BytesIO()
    # No software version in the file: the same figure gives the same bytes.
    fig.savefig(file, format="png", dpi=DPI, facecolor=palette.PAPER, metadata={"Software": None})
    plt.close(fig)
    shown = round(72 * fig.get_size_inches()[0]) if width is None else width
    png = file.getvalue() if colours is None else _in_few_colours(file, colours)
    return FigureImage(png, alt.strip(), caption, shown)


def _in_few_colours(file: io.BytesIO, colours: int) -> bytes:
    from PIL import Image

    smaller = io.BytesIO()
    Image.open(file).convert("RGB").quantize(colours, dither=Image.Dither.NONE).save(
        smaller, "png", optimize=True
    )
    return smaller.getvalue()


def _dithered(pictures: list[Any], colours: int) -> list[Any]:
    """The pictures, (H, W, 3) uint8 each, in one palette of so many colours; errors spread over the neighbours."""
    import numpy as np
    from PIL import Image

    shapes = []
    for picture in pictures:
        array = np.asarray(picture.permute(1, 2, 0) if hasattr(picture, "permute") else picture)
        array = array if array.dtype == np.uint8 else (255 * array.clip(0, 1)).round().astype(np.uint8)
        image = Image.fromarray(array).convert("RGBA")
        shapes.append(
            Image.alpha_composite(Image.new("RGBA", image.size, palette.PAPER), image).convert("RGB")
        )
    pixels = np.concatenate([np.asarray(image).reshape(-1, 3) for image in shapes])
    few = Image.fromarray(pixels[None]).quantize(colours)
    return [
        np.asarray(i.quantize(palette=few, dither=Image.Dither.FLOYDSTEINBERG).convert("RGB")) for i in shapes
    ]


def pictures(
    rows: Sequence[Sequence[Any]],
    names: Sequence[str] = (),
    alt: str = "",
    *,
    titles: Sequence[str] = (),
    caption: str | None = None,
    width: float = 7.6,
) -> FigureImage:
    """Rows of pictures, stored in 256 colours: their own pixels are dithered, then enlarged, so that they pack well.

    Args:
        rows: of pictures, equally many in each: tensors (3, H, W) or arrays (H, W, 3 or 4), uint8 or in [0, 1].
        names: of the rows, written on their left.
        alt: what the pictures show.
        titles: of the columns.
        caption: text under the figure.
        width: of the figure, in inches.

    Raises:
        ValueError: empty alt text, or rows, names or titles that do not belong together.
    """
    import matplotlib.pyplot as plt

    cell = width / len(rows[0])
    above = 0.1 + 0.2 * max(title.count("\n") + 1 for title in titles) if titles else 0
    size = (width, 1.04 * cell * len(rows) + above)
    fig, axes = plt.subplots(len(rows), len(rows[0]), figsize=size, squeeze=False)
    few = iter(_dithered([picture for row in rows for picture in row], 224))  # 32 are left for the letters
    for line, row in zip(axes, rows, strict=True):
        for ax, _ in zip(line, row, strict=True):
            ax.imshow(next(few))
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
            ax.spines[:].set_visible(False)
    for ax, name in zip(axes[:, 0], names or [""] * len(rows), strict=True):
        ax.set_ylabel(name, fontsize=9)
    for ax, title in zip(axes[0], titles or [""] * len(rows[0]), strict=True):
        ax.set_title(title, fontsize=9)
    return figure(fig, alt, caption, colours=256)
