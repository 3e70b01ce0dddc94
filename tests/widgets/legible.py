"""Whether each text of a drawing stands out from what lies beneath it, in both themes, and lies on its paper; whether
each curve says what it is."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ssl_course.course.palette import DARK, GRID, NAMES, Mixed
from ssl_course.widgets.frame import paint
from ssl_course.widgets.frame.marks import Area, Box, Discs, Drawing, Line, Picture, Text

LEAST = 4.5  # WCAG 2.1, 1.4.3; 3 for large letters: 24 px, or 18.7 px and bold


def shown(color: Any, dark: bool) -> np.ndarray:
    """(r, g, b, alpha) in [0, 1] as a page of that theme shows a colour of a drawing."""
    if isinstance(color, Mixed):
        low, high = (shown(end, dark) for end in (color.low, color.high))
        return low + color.share * (high - low)
    if not isinstance(color, str):
        return np.array([*color, 255][:4]) / 255
    base = DARK[NAMES[color[:7]]] if dark and color[:7] in NAMES else color[:7]
    return np.array([int(c, 16) for c in re.findall("..", base[1:] + (color[7:] or "ff"))]) / 255


def linear(rgb: np.ndarray) -> np.ndarray:
    """sRGB in [0, 1] → linear light."""
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(a: np.ndarray, b: np.ndarray) -> float:
    """WCAG 2's ratio of two colours (r, g, b) in [0, 1], from 1 to 21."""
    high, low = sorted((float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (a, b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def over(ground: np.ndarray | None, colour: np.ndarray) -> np.ndarray | None:
    """A colour (r, g, b, alpha) laid on a ground; None is a picture, which shines through all that is not opaque."""
    *rgb, alpha = colour
    if alpha == 1:
        return np.array(rgb)
    return None if ground is None else alpha * np.array(rgb) + (1 - alpha) * ground


def inside(mark: Any, x: float, y: float) -> Any:
    """The fill of a mark at a place; None where it does not lie."""
    if isinstance(mark, Box):
        return mark.fill if mark.x0 <= x <= mark.x1 and mark.y0 <= y <= mark.y1 else None
    if isinstance(mark, Discs):
        near = np.flatnonzero(((mark.points - (x, y)) ** 2).sum(1) <= mark.r**2)
        return mark.fills[near[-1]] if len(near) else None
    if isinstance(mark, Area):
        (xs, ys), (xe, ye) = mark.points.T, np.roll(mark.points, -1, 0).T
        crosses = (ys > y) != (ye > y)
        with np.errstate(divide="ignore", invalid="ignore"):
            left = crosses & (x < xs + (y - ys) * (xe - xs) / (ye - ys))
        return mark.fill if left.sum() % 2 else None
    return None


def illegible(drawing: Drawing) -> list[str]:
    """Texts that do not stand out, with the contrast and the theme. What lies on a picture needs a halo."""
    found = []
    for text in (
        mark for mark in drawing.marks if isinstance(mark, Text) and mark.text.strip() and not mark.halo
    ):
        across, along = (text.anchor + "mm")[:2]
        x = text.x + {"l": 3, "r": -3}.get(across, 0)  # within its first or last letter
        y = text.y + {"a": 0.5, "t": 0.4, "s": -0.35, "b": -0.35, "d": -0.5}.get(along, 0) * text.size
        for dark in (False, True):
            ground: np.ndarray | None = shown(drawing.paper, dark)[:3]
            for mark in drawing.marks:
                if isinstance(mark, Picture) and mark.x0 <= x <= mark.x1 and mark.y0 <= y <= mark.y1:
                    ground = None  # of any colour
                elif (fill := inside(mark, x, y)) is not None:
                    ground = over(ground, shown(fill, dark))
            if ground is None:
                found.append(f"{text.text!r}: on a picture, without a halo")
                break
            ratio = contrast(over(ground, shown(text.color, dark)), ground)
            large = text.size >= 24 or text.bold and text.size >= 18.7
            if ratio < (3 if large else LEAST) - 0.01:
                found.append(f"{text.text!r}: {ratio:.1f} in the {'dark' if dark else 'light'} theme")
    return found


def box_of(text: Text) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of its letters, in CSS pixels."""
    face = paint.font(text.size * paint.SCALE, text.bold)
    if text.turned:
        x0, y0, x1, y1 = (side / paint.SCALE for side in face.getbbox(text.text))
        return text.x + y0, text.y - (x1 - x0) / 2, text.x + y1, text.y + (x1 - x0) / 2
    x0, y0, x1, y1 = (side / paint.SCALE for side in face.getbbox(text.text, anchor=text.anchor))
    return text.x + x0, text.y + y0, text.x + x1, text.y + y1


def beyond(drawing: Drawing) -> list[str]:
    """Texts and dots of which the paper's edge cuts off more than a pixel."""
    found = []
    for mark in drawing.marks:
        if isinstance(mark, Text) and mark.text.strip():
            x0, y0, x1, y1 = box_of(mark)
            off = max(-x0, -y0, x1 - drawing.width, y1 - drawing.height)
            if off > 1:
                found.append(f"{mark.text!r}: {off:.0f} px beyond its drawing")
        elif isinstance(mark, Discs) and len(mark.points):
            off = max(-mark.points.min(), (mark.points - (drawing.width, drawing.height)).max())
            if off > 1:
                found.append(f"a dot lies {off:.0f} px beyond its drawing")
    return found


def silent(drawing: Drawing) -> int:
    """How many curves have no title: lines of many points that are neither a grid's nor the outline of a polygon."""
    curves = [m for m in drawing.marks if isinstance(m, Line) and len(m.points) > 4 and m.color != GRID]
    return sum(not m.told and not np.allclose(m.points[0], m.points[-2]) for m in curves)
