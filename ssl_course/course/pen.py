"""The course's pen: an SVG that grows by words, blocks, arrows, grids, bars and little pictures,
and follows the page's theme."""

from __future__ import annotations

from html import escape
from math import atan2, cos, sin

from ssl_course.course.palette import BIOME, INK, MUTED, PAPER, WASH, ground, mix
from ssl_course.course.themes import css

Point = tuple[float, float]


class Sheet:
    """A drawing of so many CSS pixels; places are measured from its upper left corner."""

    def __init__(self, width: int, height: int) -> None:
        size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        self.parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size}>']
        self.rect(0, 0, width, height, PAPER)

    def svg(self) -> str:
        """All so far, as one element."""
        return "".join([*self.parts, "</svg>"])

    def words(
        self, x: float, y: float, text: str, colour: str = INK, size: float = 13, at: str = "middle",
        more: str = "",
    ) -> None:  # fmt: skip
        """Lines of text, their middle at height y; ``more`` are attributes of each."""
        for i, line in enumerate(lines := text.split("\n") if text else []):
            base = y + size * (0.36 + 1.25 * (i - (len(lines) - 1) / 2))
            look = f'font-size="{size:g}" text-anchor="{at}" fill="{css(colour)}"{more}'
            self.parts.append(f'<text x="{x:g}" y="{base:.1f}" {look}>{escape(line)}</text>')

    def note(self, x: float, y: float, text: str, at: str = "middle") -> None:
        """A remark in small letters; ``shape@module`` shows the shape and is marked with the rest."""
        text, _, of = text.partition("@")
        self.words(x, y, text, MUTED, 11, at, f' data-of="{escape(of)}"' * bool(of))

    def rect(
        self, x: float, y: float, w: float, h: float, fill: str, stroke: str = "none", rx: float = 0,
        dash: bool = False,
    ) -> None:  # fmt: skip
        """A rectangle."""
        line = f' stroke="{css(stroke)}" stroke-width="1.5"' if stroke != "none" else ""
        line += ' stroke-dasharray="5 4"' * dash + f' rx="{rx:g}"' * bool(rx)
        at = f'x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}"'
        self.parts.append(f'<rect {at} fill="{css(fill)}"{line}/>')

    def block(
        self, x: float, y: float, w: float, text: str, colour: str = MUTED, h: float = 60, dash: bool = False
    ) -> None:  # fmt: skip
        """A part of the network, (x, y) the middle of its left edge."""
        self.rect(x, y - h / 2, w, h, ground(colour, 0.3), colour, 6, dash)
        self.words(x + w / 2, y, text)

    def loss(self, x: float, y: float, w: float, text: str) -> None:
        """Where the loss sits, (x, y) the middle of its left edge."""
        self.rect(x, y - 20, w, 40, WASH, INK, 20)
        self.words(x + w / 2, y, text, size=12)

    def line(self, *points: Point, colour: str = MUTED, dash: bool = False, width: float = 1.5) -> None:
        """A line through points."""
        path, dashes = "M" + "L".join(f"{x:.4g} {y:.4g}" for x, y in points), ' stroke-dasharray="5 4"' * dash
        self.parts.append(
            f'<path d="{path}" fill="none" stroke="{css(colour)}" stroke-width="{width:g}"{dashes}/>'
        )

    def arrow(self, *points: Point, text: str = "", colour: str = MUTED, dash: bool = False) -> None:
        """A line with a head; a shape above the middle of its first stretch."""
        (a, b), (c, d) = points[-2:]
        turn = atan2(d - b, c - a)
        foot = (c - 7 * cos(turn), d - 7 * sin(turn))
        self.line(*points[:-1], foot, colour=colour, dash=dash)
        ends = [(c, d)] + [(foot[0] + s * sin(turn), foot[1] - s * cos(turn)) for s in (4, -4)]
        corners = " ".join(f"{p:.1f},{q:.1f}" for p, q in ends)
        self.parts.append(f'<polygon points="{corners}" fill="{css(colour)}"/>')
        self.note((points[0][0] + points[1][0]) / 2, points[0][1] - 9, text)

    def flow(self, y: float, *items: float | str | tuple, h: float = 60) -> None:
        """Blocks (x, width, text, colour) and the arrows between them, at one height;
        numbers are ends of arrows."""
        x, text = None, ""
        for item in items:
            if isinstance(item, str):
                text = item
                continue
            start, wide = item[:2] if isinstance(item, tuple) else (item, 0)
            if x is not None:
                self.arrow((x, y), (start, y), text=text)
            if isinstance(item, tuple):
                self.block(start, y, *item[1:], h=h)
            x, text = start + wide, ""

    def scene(
        self, x: float, y: float, side: float, stroke: str = MUTED, text: str = "",
        view: tuple[float, ...] = (0, 0, 24, 24), turn: int = 0, gray: bool = False,
    ) -> None:  # fmt: skip
        """A landscape, or the part of it in ``view`` (of 24 × 24), from its upper left corner;
        its height is ``side``."""
        tints = [(BIOME["sea"], 0.3), (BIOME["desert"], 0.9), (BIOME["forest"], 0.65), (BIOME["desert"], 0.4)]
        if gray:
            tints = [(MUTED, 0.12), (MUTED, 0.5), (MUTED, 0.75), (MUTED, 0.35)]
        sky, sun, hill, sand = (css(mix(PAPER, colour, share)) for colour, share in tints)
        wide = side * view[2] / view[3]
        self.parts.append(
            f'<svg x="{x:g}" y="{y:g}" width="{wide:g}" height="{side:g}" '
            f'viewBox="{" ".join(map(str, view))}">'
            f'<g transform="rotate({-turn} 12 12)"><rect width="24" height="24" fill="{sky}"/>'
            f'<circle cx="17.5" cy="6" r="3" fill="{sun}"/><path d="M-2 16L7 6L16 16Z" fill="{hill}"/>'
            f'<rect y="15" width="24" height="9" fill="{sand}"/></g></svg>'
        )
        self.rect(x, y, wide, side, "none", stroke)
        self.words(x + wide / 2, y + side + 13, text, stroke)

    def grid(self, x: float, y: float, side: float, colours: list[str], gap: float = 1) -> None:
        """A square of cells in these colours, row by row; "" leaves one out."""
        n = round(len(colours) ** 0.5)
        cell = side / n
        for fill in dict.fromkeys(filter(None, colours)):  # a path each, since hundreds of <rect> are long
            corners = [(x + k % n * cell, y + k // n * cell) for k, c in enumerate(colours) if c == fill]
            one = f"h{cell - gap:g}v{cell - gap:g}h{gap - cell:g}z"
            path = "".join(f"M{a + gap / 2:g} {b + gap / 2:g}{one}" for a, b in corners)
            self.parts.append(f'<path d="{path}" fill="{css(fill)}"/>')

    def bars(self, x: float, y: float, w: float, heights: list[float], colour: str = MUTED) -> None:
        """A distribution on the ground line y."""
        for i, h in enumerate(heights):
            self.rect(x + i * w / len(heights) + 1, y - h, w / len(heights) - 2, h, colour)
        self.line((x, y), (x + w, y))
