"""Sentences as rows of words that can be pointed at, page by page; for the widgets of lecture 06."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from html import escape
from typing import NamedTuple

import ipywidgets

from ssl_course.course.palette import GRID, INK, PAPER
from ssl_course.widgets.frame import draw, paint
from ssl_course.widgets.frame.canvas import Panel

MASKED = "[MASK]"
WIDTH, LINES = 440, 8  # CSS pixels of a page, and its lines of words
SIZE, ROW, GAP, PAD = 15, 34, 6, 8  # of letters, lines, between words, beside letters; CSS pixels
EARLIER, LATER = -1, -2  # chips that turn the page
# of the letters of `_kinds`: a mask; a word, inside of which a hyphen or an apostrophe may stand;
# all else but white space
SIGNS = {"_": "u", "'": "h", "’": "h", "-": "h"}
RUN = re.compile(r"m{6}|[wu](?:[wua]|h(?=w))*|[pha]+")


class Word(NamedTuple):
    """text[start:end]."""

    text: str
    start: int
    end: int


@lru_cache(maxsize=16)
def words_of(text: str) -> tuple[Word, ...]:
    """Words, runs of punctuation (and emoji), and each "[MASK]"; only white space belongs to none."""
    kinds = re.sub(r"\[MASK\]|(.)", _kinds, text, flags=re.DOTALL)
    return tuple(Word(text[slice(*run.span())], *run.span()) for run in RUN.finditer(kinds))


def _kinds(match: re.Match) -> str:
    """For each character of "[MASK]", or for the one that was matched, the letter that `RUN` knows it by."""
    c = match[1]
    if c is None:
        return "m" * len(MASKED)
    if unicodedata.category(c)[0] == "M" or c == "\u200d" or "\U0001f3fb" <= c <= "\U0001f3ff":
        return "a"  # an accent, a joiner, a skin tone: part of what it stands behind
    return " " if c.isspace() else "w" if c.isalnum() else SIGNS.get(c, "p")


def texts_of(text: str) -> tuple[str, ...]:
    """`words_of` without their places."""
    return tuple(word.text for word in words_of(text))


def masked_text(text: str, words: Sequence[Word], hidden: Sequence[int]) -> str:
    """The text with "[MASK]" in place of some of its words; all else stays as it is."""
    pieces, end = [], 0
    for k in sorted(hidden):
        pieces += [text[end : words[k].start], MASKED]
        end = words[k].end
    return "".join([*pieces, text[end:]])


def follow(places: Sequence[int], before: Sequence[str], after: Sequence[str]) -> tuple[int, ...]:
    """Where words went when a text was edited: those before and after the change; changed words are gone."""
    most = min(len(before), len(after))
    head = next((k for k in range(most) if before[k] != after[k]), most)
    tail = next((k for k in range(most - head) if before[-1 - k] != after[-1 - k]), most - head)
    moved = len(after) - len(before)
    return tuple(p if p < head else p + moved for p in places if p < head or p >= len(before) - tail)


def from_right(text: str) -> bool:
    """Whether the text is read from right to left: its first letter with a direction says so."""
    strong = next((d for d in map(unicodedata.bidirectional, text) if d in ("L", "R", "AL")), "L")
    return strong != "L"


def text_area(text: str, description: str, rows: int) -> ipywidgets.Textarea:
    """A row of its own among the controls."""
    layout = {"width": "760px", "max_width": "100%"}
    return ipywidgets.Textarea(text, description=description, rows=rows, layout=layout)


class Chip(NamedTuple):
    """A word on a page, in CSS pixels from the top left."""

    index: int
    text: str  # as shown: a very long word is cut
    x: float
    y: float
    width: float


@lru_cache(maxsize=4096)
def _length(text: str) -> float:
    return paint.font(SIZE * paint.SCALE).getlength(text) / paint.SCALE


def _fit(text: str) -> tuple[str, float]:
    short = draw.short(text, 60)
    while _length(short) > WIDTH - 4 * PAD:
        short = short[: 2 * len(short) // 3] + "…"
    return short, max(_length(short), 8) + 2 * PAD


@lru_cache(maxsize=16)
def pages(words: tuple[str, ...], rtl: bool = False, lines: int = LINES) -> tuple[tuple[Chip, ...], ...]:
    """Words in lines and pages of `WIDTH`; of several pages each ends with "earlier" and "later"."""
    chips: list[list[Chip]] = [[]]  # of each page
    x, line = 0.0, 0
    for k, word in enumerate(words):
        shown, width = _fit(word)
        if x and x + width > WIDTH:
            x, line = 0.0, line + 1
        if line == lines:
            chips.append([])
            x, line = 0.0, 0
        left = WIDTH - x - width if rtl else x
        chips[-1].append(Chip(k, shown, left, line * ROW, width))
        x += width + GAP
    if len(chips) > 1:
        for page in chips[1:]:
            page.append(Chip(EARLIER, "‹ earlier", 0.0, lines * ROW, _fit("‹ earlier")[1]))
        for page in chips[:-1]:
            width = _fit("later ›")[1]
            page.append(Chip(LATER, "later ›", WIDTH - width, lines * ROW, width))
    return tuple(tuple(page) for page in chips)


def pages_of(text: str) -> tuple[tuple[Chip, ...], ...]:
    """The `pages` of a text."""
    return pages(texts_of(text), from_right(text))


def page_of(pages: Sequence[Sequence[Chip]], index: int) -> Sequence[Chip]:
    """The page on which word ``index`` stands; the last one for words beyond the end."""
    return next((page for page in pages if any(chip.index == index for chip in page)), pages[-1])


def chip_at(page: Sequence[Chip], x: float, y: float, height: float) -> Chip | None:
    """The chip under a pointer's x and y in [0, 1] of a page that is ``height`` CSS pixels high."""
    px, py = x * WIDTH, y * height
    return next((c for c in page if c.x <= px <= c.x + c.width and c.y <= py <= c.y + ROW - GAP + 2), None)


def height_of(page: Sequence[Chip]) -> int:
    """CSS pixels."""
    return round(max((c.y for c in page), default=0) + ROW)


class Look(NamedTuple):
    """How a chip is drawn."""

    fill: str = PAPER
    ink: str = INK
    outline: str = GRID
    text: str | None = None  # in place of its own
    wide: float = 1  # of the outline


def sheet(page: Sequence[Chip], looks: Sequence[Look], caption: str, alt: str, operable: bool) -> Panel:
    """A page as a picture, a look for each chip."""
    height = height_of(page)
    plot = draw.Plot.board(WIDTH, height)
    for chip, look in zip(page, looks, strict=True):
        low, high = chip.y + 2, chip.y + ROW - GAP + 2
        plot.rect(chip.x + 1, low, chip.x + chip.width - 1, high, look.fill, look.outline, look.wide)
        text = chip.text if look.text is None else look.text
        plot.text(chip.x + chip.width / 2, (low + high) / 2, text, look.ink, SIZE)
    return plot.panel(caption, alt, operable=operable)


def several(words: Sequence[str], most: int = 12) -> str:
    """Different words for the line below, as HTML: "a, b, c and 7 more"."""
    different = list(dict.fromkeys(words))
    shown = ", ".join(f"<b>{escape(draw.short(word, 40))}</b>" for word in different[:most])
    return shown + (f" and {len(different) - most:,} more" if len(different) > most else "")
