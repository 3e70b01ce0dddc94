"""Figures of the lectures: one matplotlib style, and figures that carry their alt text."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING

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
