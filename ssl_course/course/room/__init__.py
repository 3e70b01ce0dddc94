"""*Predict first* with the whole room: the lecturer's side. `server` is the other, in a process of its own.

``ssl-course room`` leaves word in the lecturer's own folder of where it listens; `lecture.predict` and
`lecture.reveal` look there. Where there is no room, nothing changes.
"""

import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from ssl_course import assets
from ssl_course.course import kept, palette, themes
from ssl_course.course.pen import Sheet

EVERY = 0.7  # seconds between two looks at the number of answers
WIDTH, BOLD = 620, ' font-weight="bold"'  # of the histogram


@dataclass(frozen=True)
class Desk:
    """The way to a room.

    Attributes:
        url: where it listens.
        phones: the address that phones open, without the code.
        desk: the token that shows who asks.
    """

    url: str
    phones: str
    desk: str

    @property
    def notes(self) -> str:
        """The address of the lecturer's notes: on a hub where phones go, too, else on this machine alone."""
        return f"{self.phones if os.environ.get('SSL_COURSE_ROOM') else self.url}notes/{self.desk}"

    def post(self, what: str, **given: object) -> dict[str, Any]:
        """One call of the room's desk.

        Raises:
            OSError: the room does not answer, or refuses.
        """
        request = urllib.request.Request(f"{self.url}desk/{what}", json.dumps(given).encode(), method="POST")
        request.add_header("Authorization", f"token {self.desk}")
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it is on this machine
        with direct.open(request, timeout=2) as answer:
            return dict(json.loads(answer.read()))


def place() -> Path:
    """The file in which a room leaves word.

    Raises:
        OSError: there is no folder for it.
    """
    return kept.folder() / "room.json"


def leave_word(file: Path, word: dict[str, str]) -> None:
    """Write the file, for its owner alone."""
    with assets.replacing(file) as part:
        os.close(os.open(part, os.O_CREAT, 0o600))
        part.write_text(json.dumps(word), encoding="utf-8")


def find() -> Desk | None:
    """The room that is open now: $SSL_COURSE_ROOM (on a hub), or the one that left word;
    None where there is none."""
    try:
        text = os.environ.get("SSL_COURSE_ROOM") or place().read_text(encoding="utf-8")
        address = json.loads(text)
        desk = Desk(*(str(address[name]) for name in ("url", "phones", "desk")))
        desk.post("count", key="")
    except urllib.error.HTTPError as error:  # it answers: only there is no such question
        return desk if error.code == 404 else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return desk


# -------------------------------------------------------------------------------------- asking, and the count


class Asked:
    """A question that the room has; its ``show`` is called with new HTML while answers come in."""

    _latest: dict[str, "Asked"] = {}  # a cell that is run again takes over from its former run

    def __init__(self, desk: Desk, key: str, question: str, kind: str, choices: Sequence[str] | None) -> None:
        self.desk, self.key = desk, key
        self.state = desk.post("ask", key=key, text=question, kind=kind, choices=list(choices or ()))
        self._latest[key] = self

    def html(self) -> str:
        """QR code, address and number of answers."""
        address = f"{self.desk.phones}{self.state['code']}"
        how_many = (
            f'<b style="font-size:1.6em">{self.state["n"]}</b> answer{"" if self.state["n"] == 1 else "s"}'
        )
        closed = " · the result is out" if self.state["revealed"] else ""
        return (
            '<div class="ssl-room ssl-shown" '
            f'style="display:flex;gap:1em;align-items:center;flex-wrap:wrap">{qr(address)}'
            '<div style="line-height:1.5">Answer on your phone:<br><code '
            f'style="font-size:1.15em">{escape(address)}</code>'
            f'<br><span role="status">{how_many}{closed}</span></div></div>'
        )

    def anew(self) -> str:
        """Forget the room's answers to this question, and open it again."""
        try:
            self.state = self.desk.post("anew", key=self.key)
        except OSError:
            return LOST
        return self.html()

    def watch(self, show: Callable[[str], None]) -> None:
        """Call ``show`` whenever something has changed, from a thread,
        so that a cell that runs does not stop it."""
        threading.Thread(target=self._watch, args=(show,), name=f"room {self.key}", daemon=True).start()

    def _watch(self, show: Callable[[str], None]) -> None:
        wait, missed = threading.Event(), 0
        while self._latest.get(self.key) is self:
            try:
                state = self.desk.post("count", key=self.key)
                missed = 0
            except OSError:
                missed += 1
                if missed == 3:  # once may be a hiccup
                    show(LOST)
                    return
                wait.wait(EVERY)
                continue
            if state != self.state:
                self.state = state
                show(self.html())
            wait.wait(EVERY)


LOST = (
    "<p>The room does not answer. Open it again with <code>ssl-course room</code>, "
    "then run this cell again.</p>"
)


def ask(key: str, question: str, kind: str, choices: Sequence[str] | None) -> Asked | None:
    """Put a prediction to the room; None where none is open."""
    desk = find()
    try:
        return Asked(desk, key, question, kind, choices) if desk else None
    except OSError:
        return None


def qr(address: str) -> str:
    """A QR code as an <svg>, dark on white in both themes: many phones read no other."""
    import segno

    code = segno.make(address, error="m", micro=False)
    svg = code.svg_inline(scale=4, border=4, dark="#000", light="#fff", omitsize=True)
    label = (
        f'<svg role="img" aria-label="QR code of {escape(address)}" '
        'style="width:170px;flex:none;border-radius:4px" '
    )
    return svg.replace("<svg ", label, 1)


# ------------------------------------------------------------------------------------------------- the result


def reveal(key: str, measured: object) -> str:
    """Close the question and show the room's histogram with the measured value;
    "" where the room was not asked."""
    desk = find()
    try:
        if desk is None:
            return ""
        plain = measured if isinstance(measured, int | float | str) else str(measured)  # what JSON can hold
        room = desk.post("reveal", key=key, measured=plain)
    except OSError:
        return ""
    answers = room["answers"]
    if not answers:
        return "<p>The room: no answer.</p>"
    choices = room["choices"]
    sheet, alt = _choices(answers, choices, measured) if choices else _numbers(answers, measured)
    many = f"{len(answers)} answer{'' if len(answers) == 1 else 's'}"
    words = f"The room: {many}." if choices else f"The room: {many}. {alt}"
    return (
        f'<div class="ssl-room">{themes.figure(sheet.svg(), f"The room, {many}. {alt}", WIDTH, words)}</div>'
    )


def _short(value: float) -> str:
    """1,830 · 0.27 · 1e+09."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.3g}"


def _choices(answers: Sequence[str], choices: Sequence[str], measured: object) -> tuple[Sheet, str]:
    """A bar for each choice, the measured one in Y's colour and with a word."""
    counts = {choice: answers.count(choice) for choice in choices}
    most, sheet, bars = max(counts.values()), Sheet(WIDTH, 48 * len(counts)), []
    for row, (choice, count) in enumerate(counts.items()):
        right, top = choice == measured, 48.0 * row
        words = f"{choice}  ← measured" if right else choice
        sheet.words(2, top + 11, words, palette.Y if right else palette.INK, 14, "start", BOLD * right)
        long = 560 * count / most
        sheet.rect(2, top + 22, max(long, 1), 18, palette.Y if right else palette.MUTED, rx=2)
        sheet.words(10 + long, top + 31, str(count), size=14, at="start")
        bars.append(f"{words}: {count}")
    return sheet, "; ".join(bars).replace("  ← ", ", ") + "."


def _numbers(answers: Sequence[float], measured: object) -> tuple[Sheet, str]:
    """Bins over the middle of the answers; who is beyond is counted in the bins at the ends."""
    import numpy as np

    values = np.array(answers, float)
    number = isinstance(measured, int | float) and not isinstance(measured, bool)
    value = float(measured) if number and abs(measured) < 1e300 else None  # no NaN, no infinity
    few = len(values) < 5  # among more a joker's 10⁹ does not squeeze the others into one bar
    low, high = np.quantile(values, [0, 1] if few else [0.05, 0.95])
    low, high = (low, high) if value is None else (min(low, value), max(high, value))
    logarithmic = bool(low > 0 and high > 50 * low)
    into, back = (np.log10, lambda x: 10**x) if logarithmic else ((lambda x: x), (lambda x: x))
    a, b = float(into(low)), float(into(high))
    margin = 0.0 if b > a else max(abs(a), 1e-9) * 0.1
    edges = np.linspace(a - margin, b + margin, 13 if len(values) > 20 else 9)
    with np.errstate(divide="ignore", invalid="ignore"):
        places = np.clip(np.nan_to_num(into(values), nan=-1e300, neginf=-1e300), edges[0], edges[-1])
    counts, _ = np.histogram(places, edges)

    left, floor, full = 14.0, 150.0, WIDTH - 28.0

    def at(x: float) -> float:
        return left + full * (x - edges[0]) / (edges[-1] - edges[0])

    wide, sheet = full / len(counts), Sheet(WIDTH, 176)
    for k, count in enumerate(counts):
        tall = 105 * count / counts.max()
        sheet.rect(at(edges[k]) + 1, floor - tall, wide - 2, tall, palette.MUTED, rx=2)
        if count:
            sheet.words(at(edges[k]) + wide / 2, floor - tall - 9, str(count), size=14)
    sheet.line((left, floor), (left + full, floor), colour=palette.INK, width=1)
    for k in (0, len(counts) // 2, len(counts)):
        anchor = "start" if k == 0 else "end" if k == len(counts) else "middle"
        sheet.words(at(edges[k]), floor + 13, _short(back(edges[k])), palette.MUTED, 14, anchor)
    beyond = int((values < back(edges[0]) - 1e-12).sum() + (values > back(edges[-1]) + 1e-12).sum())
    quarter, middle, three = np.quantile(values, [0.25, 0.5, 0.75])
    alt = (
        f"The middle answer is {_short(middle)}; "
        f"half of them lie between {_short(quarter)} and {_short(three)}."
    )
    if beyond:
        alt += f" {beyond} beyond the axis, counted at its ends."
    if logarithmic:
        alt += " The axis is logarithmic."
    if value is not None:
        x = at(float(into(value)))
        sheet.rect(x - 1.5, 22, 3, floor - 22, palette.Y, rx=2)
        anchor = "start" if x < WIDTH / 4 else "end" if x > 3 * WIDTH / 4 else "middle"
        sheet.words(x, 10, f"measured {_short(value)}", palette.Y, 14, anchor, BOLD)
        alt += f" Measured: {_short(value)}."
    return sheet, alt
