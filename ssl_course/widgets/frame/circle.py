"""Representations of two numbers, on the circle where the cosine compares them."""

import numpy as np
from torch import Tensor

from ssl_course.course import palette
from ssl_course.widgets.frame import draw
from ssl_course.widgets.frame.canvas import Panel


def colours_of(names: list[str]) -> list[str]:
    """One of the course's colours for each class, by its name."""
    others = [palette.X1, palette.X2, palette.Y, palette.PSI, palette.MUTED]
    return [palette.BIOME.get(name, others[k % len(others)]) for k, name in enumerate(names)]


def legend(plot: draw.Plot, names: list[str], colours: list[str]) -> None:
    """The first five classes in their colours, in the upper left corner."""
    shown = zip(names[:5], colours, strict=False)
    for k, (name, colour) in enumerate(shown):
        plot.text(plot.xlim[0], plot.ylim[1], f"● {name}", colour, 11, "la", offset=(2, 14 * k))


def circle_panel(unit: Tensor, classes: Tensor, names: list[str], pictures: Tensor | None = None) -> Panel:
    """Rows (N, 2) of length 1, each class on a ring of its own, so that dots at one place can be told apart.

    ``pictures`` (M, 3, H, W), uint8, stand outside the circle where the first M rows point.
    """
    size, far = (250, 1.3) if pictures is None else (320, 1.62)
    plot = draw.Plot(size, size, (-far, far), (-far, far), margin=(4, 4, 4, 4), equal=True)
    turn = np.linspace(0, 2 * np.pi, 121)
    colours = colours_of(names)
    step = min(0.09, 0.6 / len(names))
    for k, colour in enumerate(colours):
        radius = 1 - k * step
        plot.line(radius * np.stack([np.cos(turn), np.sin(turn)], 1), palette.GRID, 1)
        plot.dots(radius * unit[classes == k].numpy(), colour + "90", r=3)
    for k, picture in enumerate(() if pictures is None else pictures):
        x, y = (1.32 * unit[k]).tolist()
        half, edge = 0.15, 0.018  # of the picture, and its frame in the colour of its class
        far = half + edge
        plot.line([unit[k].tolist(), (x, y)], palette.GRID, 1)
        plot.rect(x - far, y - far, x + far, y + far, fill=colours[int(classes[k])])
        plot.image(picture, x - half, y - half, x + half, y + half, smooth=True)
    mean = unit.mean(0)
    plot.arrow((0, 0), mean.tolist(), palette.PSI, 2)
    legend(plot, names, colours)
    length = float(mean.norm())
    alt = (
        f"{len(unit)} directions z on a circle; their mean has length {length:.3f}, "
        "where 1 means that all are one"
    )
    return plot.panel(f"z on its circle; the arrow is the mean, length {length:.3f}", alt)
