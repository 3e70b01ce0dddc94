"""Figures of the lectures: one matplotlib style, and figures that carry their alt text."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ssl_course.course import palette, themes

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

DPI = 144  # pixels per inch where a figure has pixels; shown at 72 per inch, so sharp on dense screens


def style() -> None:
    """Set matplotlib's defaults to the course's: palette.py's colours, to which `figure` adds dark ones."""
    import matplotlib as mpl

    # With the line styles curves can be told apart without colour.
    colours = [palette.X1, palette.X2, palette.Y, palette.PSI]
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
            "axes.prop_cycle": mpl.cycler(color=colours, linestyle=["-", "--", "-.", ":"]),
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
    _draw_after_cells_only()


def shell() -> Any:
    """IPython's shell, None where there is none; IPython is not loaded for the question."""
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None


def _draw_after_cells_only() -> None:
    """In a notebook matplotlib draws, shows and closes the open figures at IPython's event of a cell's end.

    What a widget hears in a thread beside a cell triggers that event, too: the figure that the cell is making
    would be drawn half done, by two threads at once, and closed.
    """
    events = getattr(shell(), "events", None)
    if events is None or "trigger" in vars(events):
        return
    trigger = events.trigger

    def of_cells(event: str, *args: Any, **kwargs: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            trigger(event, *args, **kwargs)

    events.trigger = of_cells


class FigureImage:
    """A finished figure as ``<figure><img alt=…>``; the last expression of a cell shows it.

    Attributes:
        svg: the drawing, its colours by their names in the palette.
        alt: what the picture says, for those who do not see it.
        least: CSS pixels; on a page narrower than this it scrolls and shrinks no further.
    """

    def __init__(self, svg: str, alt: str, caption: str | None, width: int, least: int = 0) -> None:
        self.svg, self.alt, self.caption, self.width, self.least = svg, alt, caption, width, least

    def _repr_html_(self) -> str:
        return themes.figure(self.svg, self.alt, self.width, self.caption, self.least)

    def __repr__(self) -> str:
        return f"<figure: {self.alt}>"


def figure(fig: Figure, alt: str, caption: str | None = None, width: int | None = None) -> FigureImage:
    """Turn a matplotlib figure into a drawing with alt text that follows the page's theme, and close it.

    It is stored in an <img>, whose letters nobody can select: of an <svg> in the page itself JupyterLab 4.6
    and Notebook 7 keep, where a notebook is not trusted (as every one is that somebody else has run), nothing
    but its letters in one line, without the drawing. Where they trust it they keep it whole. The alt text is
    what is read aloud.

    Args:
        fig: drawn figure; closed here, so that the notebook does not show it a second time.
        alt: one or two sentences with what the figure shows, numbers included; not "a plot".
        caption: text under the figure.
        width: CSS pixels; by default 72 per inch of the figure.

    Raises:
        ValueError: empty alt text.
    """
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    if not alt or not alt.strip():
        raise ValueError("figure() needs alt text: say in a sentence what the figure shows")
    for ax in fig.axes:
        if ax.images or any(isinstance(drawn, mpl.collections.QuadMesh) for drawn in ax.collections):
            for text in ax.texts:  # what lies under them is the same in both themes, so they stay as well
                text.set_color(_unnamed(mpl.colors.to_hex(text.get_color())))
    buffer = io.StringIO()
    # Text as text, and no date or version in the file: the same figure gives the same bytes.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "ssl"}):
        fig.savefig(buffer, format="svg", dpi=DPI, metadata={"Date": None, "Creator": None})
    plt.close(fig)
    shown = round(72 * fig.get_size_inches()[0]) if width is None else width
    return FigureImage(themes.named(buffer.getvalue()), alt.strip(), caption, shown)


def _unnamed(colour: str) -> str:
    """As good as this colour, and not one of the palette's, whose names follow the theme."""
    return f"#{int(colour[1:], 16) ^ 1:06x}"


def pictures(
    rows: Sequence[Sequence[Any]],
    names: Sequence[str] = (),
    alt: str = "",
    *,
    titles: Sequence[str] = (),
    caption: str | None = None,
    width: float = 7.6,
) -> FigureImage:
    """Rows of pictures, stored with their own pixels, which who shows them enlarges.

    Args:
        rows: of pictures, equally many in each: tensors (3, H, W) or arrays
            (H, W, 3 or 4), uint8 or in [0, 1].
        names: of the rows, written on their left.
        alt: what the pictures show.
        titles: of the columns.
        caption: text under the figure.
        width: of the figure, in inches.

    Raises:
        ValueError: empty alt text, or rows, names or titles that do not belong together.
    """
    import matplotlib.pyplot as plt

    cell = (width - 0.25 * bool(names)) / len(rows[0])
    above = 0.15 + 0.16 * max(title.count("\n") + 1 for title in titles) if titles else 0
    size = (width, cell * len(rows) + above)
    fig, axes = plt.subplots(len(rows), len(rows[0]), figsize=size, squeeze=False, layout="compressed")
    for line, row in zip(axes, rows, strict=True):
        for ax, picture in zip(line, row, strict=True):
            ax.imshow(_rgb(picture), interpolation="none")  # of an SVG: as it is
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
            ax.spines[:].set_visible(False)
    for ax, name in zip(axes[:, 0], names or [""] * len(rows), strict=True):
        ax.set_ylabel(name, fontsize=9)
    for ax, title in zip(axes[0], titles or [""] * len(rows[0]), strict=True):
        ax.set_title(title, fontsize=9)
    return figure(fig, alt, caption)


def _rgb(picture: Any) -> Image:
    """A picture as PIL has it, what is transparent on paper."""
    import numpy as np
    from PIL import Image

    array = np.asarray(picture.permute(1, 2, 0) if hasattr(picture, "permute") else picture)
    array = array if array.dtype == np.uint8 else (255 * array.clip(0, 1)).round().astype(np.uint8)
    image = Image.fromarray(array).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, palette.PAPER), image).convert("RGB")
