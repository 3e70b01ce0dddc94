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
    from PIL.Image import Image

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


def figure(fig: Figure, alt: str, caption: str | None = None, width: int | None = None) -> FigureImage:
    """Turn a matplotlib figure into an image with alt text, and close it.

    Args:
        fig: drawn figure; closed here, so that the notebook does not show it a second time.
        alt: one or two sentences with what the figure shows, numbers included; not "a plot".
        caption: text under the figure.
        width: CSS pixels; by default 72 per inch of the figure.

    Raises:
        ValueError: empty alt text.
    """
    import matplotlib.pyplot as plt

    if not alt or not alt.strip():
        raise ValueError("figure() needs alt text: say in a sentence what the figure shows")
    buffer = io.BytesIO()
    # No software version in the file: the same figure gives the same bytes.
    fig.savefig(buffer, format="png", dpi=DPI, facecolor=palette.PAPER, metadata={"Software": None})
    plt.close(fig)
    shown = round(72 * fig.get_size_inches()[0]) if width is None else width
    return FigureImage(buffer.getvalue(), alt.strip(), caption, shown)


def pictures(
    rows: Sequence[Sequence[Any]],
    names: Sequence[str] = (),
    alt: str = "",
    *,
    titles: Sequence[str] = (),
    caption: str | None = None,
    width: float = 7.6,
) -> FigureImage:
    """Rows of pictures, stored in 192 colours: their own pixels are dithered and then enlarged, so they pack well.

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
    from PIL import Image

    cell = (width - 0.25 * bool(names)) / len(rows[0])
    above = 0.15 + 0.16 * max(title.count("\n") + 1 for title in titles) if titles else 0
    size = (width, cell * len(rows) + above)
    fig, axes = plt.subplots(len(rows), len(rows[0]), figsize=size, squeeze=False, layout="compressed")
    theirs, all_colours = _palettes([picture for row in rows for picture in row])
    for line, row in zip(axes, rows, strict=True):
        for ax, picture in zip(line, row, strict=True):
            ax.imshow(
                _rgb(picture).quantize(palette=theirs, dither=Image.Dither.FLOYDSTEINBERG).convert("RGB")
            )
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
            ax.spines[:].set_visible(False)
    for ax, name in zip(axes[:, 0], names or [""] * len(rows), strict=True):
        ax.set_ylabel(name, fontsize=9)
    for ax, title in zip(axes[0], titles or [""] * len(rows[0]), strict=True):
        ax.set_title(title, fontsize=9)
    shown, smaller = figure(fig, alt, caption), io.BytesIO()
    enlarged = Image.open(io.BytesIO(shown.png)).convert("RGB")
    enlarged.quantize(palette=all_colours, dither=Image.Dither.NONE).save(smaller, "png", optimize=True)
    shown.png = smaller.getvalue()
    return shown


def _rgb(picture: Any) -> Image:
    """A picture as PIL has it, what is transparent on paper."""
    import numpy as np
    from PIL import Image

    array = np.asarray(picture.permute(1, 2, 0) if hasattr(picture, "permute") else picture)
    array = array if array.dtype == np.uint8 else (255 * array.clip(0, 1)).round().astype(np.uint8)
    image = Image.fromarray(array).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, palette.PAPER), image).convert("RGB")


def _palettes(pictures: Sequence[Any]) -> tuple[Image, Image]:
    """160 colours that suit the pictures together, and these with 32 more from ink to paper, for the letters."""
    import numpy as np
    from PIL import Image, ImageColor

    pixels = np.concatenate([np.asarray(_rgb(picture)).reshape(-1, 3) for picture in pictures])
    theirs = Image.fromarray(pixels[None]).quantize(160, kmeans=1)
    ink, paper = (np.array(ImageColor.getrgb(colour)) for colour in (palette.INK, palette.PAPER))
    letters = (ink + np.linspace(0, 1, 32)[:, None] * (paper - ink)).round().astype(int)
    both = Image.new("P", (1, 1))
    both.putpalette(theirs.getpalette()[: 3 * 160] + letters.flatten().tolist())
    return theirs, both
