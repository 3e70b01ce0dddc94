"""Films: frames that a cell has drawn, stored as one picture that moves, with controls where scripts run.

The picture is an SVG in an <img>, as every stored picture (`course.themes`): it moves without a kernel and in
an untrusted notebook too, and for who wants less motion it is its last frame.
`film.js` puts a player below it.
"""

import base64
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from html import escape
from itertools import count
from pathlib import Path
from typing import Any

from PIL import Image

from ssl_course.course import themes
from ssl_course.widgets.frame import paint, svg
from ssl_course.widgets.frame.canvas import Panel
from ssl_course.widgets.frame.pairs import seeded

LARGEST = 200_000  # bytes that a film may add to a notebook
REST = 3.0  # seconds that the last frame stays before a film without controls begins again
SCRIPT = (Path(__file__).parent / "film.js").read_text(encoding="utf-8")
STEPS = (0, *sorted({round(2 ** (k / 2)) for k in range(24)}))  # as the logarithm goes, up to 2,896
SHARED = re.compile(r"<(?:path|image|rect)\b[^>]*/>|<text\b[^>]*>[^<]*</text>")
ATTRIBUTE, CSS = re.compile(r'([\w-]+)="([^"]*)" ?'), r"\1:\2;"


class Film:
    """Frames as one picture; the last expression of a cell shows it.

    Attributes:
        svg: all frames, the last one above the others, with the rules that show one after the other.
        alt: what the film shows.
        png: the last frame, for where no SVG is shown.
    """

    def __init__(self, sheets: Sequence[paint.Sheet], alt: str, seconds: float) -> None:
        self.alt, self.seconds, self.width = alt, seconds, max(sheet.width for sheet in sheets)
        height = max(sheet.height for sheet in sheets)
        # as large as the largest, so that each hides those below it
        same = [sheet._replace(width=self.width, height=height) for sheet in sheets]
        self.svg = _moving(same, seconds)
        self.png = paint.still(same[-1])

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        html = (
            f'<figure class="ssl-figure ssl-film" data-seconds="{self.seconds:g}" style="margin:0.5em 0">'
            f"{themes.img(self.svg, self.alt, self.width)}</figure><script>{SCRIPT}</script>"
        )
        data = {"text/html": html, "image/png": base64.b64encode(self.png).decode(), "text/plain": repr(self)}
        if (size := sum(map(len, data.values()))) > LARGEST:
            raise ValueError(f"the film takes {size:,} bytes, not {LARGEST:,}: fewer frames, or smaller ones")
        return data

    def __repr__(self) -> str:
        return f"<film: {self.alt}>"


def film(frames: Sequence[Any], alt: str, seconds: float = 0.4) -> Film:
    """Frames, as a film with Play, a step back and forward, and a slider.

    Args:
        frames: two or more, each a `Panel`, a picture or a `draw.Plot`, some of these in a list, or what a
            widget's ``render`` gives: (panels, a line of HTML).
        alt: one or two sentences with what moves from where to where, numbers included.
        seconds: for one frame.

    Raises:
        ValueError: empty alt text, or a single frame; when it is shown, also more than `LARGEST` bytes.
    """
    if not alt.strip():
        raise ValueError("film() needs alt text: say in a sentence what moves")
    if len(frames) < 2:
        raise ValueError(f"a film has two frames or more, not {len(frames)}")
    return Film([_laid_out(frame) for frame in frames], alt.strip(), seconds)


@contextmanager
def filmed(method: Any, views: Callable[[Any], Any], steps: Sequence[int] = STEPS) -> Iterator[list[Any]]:
    """Frames of a method as it learns, for `film`: ``with filmed(method, views) as frames: fit(method, …)``.

    ``views(method)`` gives the panels of a frame, as for `Live`: in eval mode, without gradients, and with
    the same random numbers each time, none of the training's own.
    It is called after each of these ``steps`` and at the end.
    """
    frames: list[Any] = []
    steps_done = count()

    def shoot(step: int) -> None:
        training = method.training
        method.eval()
        with seeded(0):
            frames.append((views(method), f"step {step:,}"))
        method.train(training)

    def before(*_: Any) -> None:
        if method.training and (step := next(steps_done)) in steps:
            shoot(step)

    hook = method.register_forward_pre_hook(before)
    try:
        yield frames
    finally:
        hook.remove()
    shoot(next(steps_done))


def _laid_out(frame: Any) -> paint.Sheet:
    panels, line = frame if isinstance(frame, tuple) else (frame, "")
    some = panels if isinstance(panels, list) else [panels]
    return paint.lay_out([p if isinstance(p, Panel) else Panel(p) for p in some], paint.plain(line))


def _moving(sheets: Sequence[paint.Sheet], seconds: float) -> str:
    """One <svg>: its frames lie on each other, and rules for who minds no motion show each in time."""
    frames = []
    for number, there in enumerate(sheets):
        drawn = svg.sheet(there)
        start, end = drawn.index(">") + 1, drawn.rindex("<")
        says = " ".join(word.text for word in there.words)
        frames.append(
            f'<g class="frame" aria-label="{escape(says)}" style="animation-delay:{number * seconds:.4g}s">'
            f"{drawn[start:end]}</g>"
        )
    whole = seconds * (len(frames) - 1) + REST

    def until(time: float) -> str:  # a little longer: no paper between two frames
        end = min(100 * (time + seconds / 10) / whole, 100)
        return f"{{0%{{visibility:visible}}{end:.4g}%{{visibility:hidden}}}}"

    motion = (
        f"@media(prefers-reduced-motion:no-preference){{@keyframes one{until(seconds)}@keyframes "
        f"last{until(REST)}.frame{{visibility:hidden;animation:one {whole:.4g}s step-end infinite}}"
        ".frame:last-child{animation-name:last}}"
    )
    return f'{drawn[:start]}<style id="motion">{motion}</style>{_once("".join(frames))}</svg>'


def _once(frames: str) -> str:
    """What several frames have in common, whole elements and the looks of paths, is written once."""
    looks: dict[str, str] = {}

    def named(path: re.Match) -> str:
        return f'{path[1]} class="{looks.setdefault(path[2], f"l{len(looks)}")}"/>'

    frames = re.sub(r'(<path d="[^"]*") ([^>]*)/>', named, frames)
    rules = "".join(f".{name}{{{ATTRIBUTE.sub(CSS, look)}}}" for look, name in looks.items())
    several = [mark for mark, n in Counter(SHARED.findall(frames)).items() if n > 1 and len(mark) > 50]
    for number, mark in enumerate(several):
        frames = frames.replace(mark, f'<use href="#s{number}"/>')
    there = (re.sub(r"^<\w+", rf'\g<0> id="s{number}"', mark) for number, mark in enumerate(several))
    frames = re.sub(r"data:image/png;base64,([^\"]+)", lambda match: _as_webp(match[1]), frames)
    return f"<style>{rules}</style><defs>{''.join(there)}</defs>{frames}"


def _as_webp(png: str) -> str:
    """A picture of a single frame in a fraction of its bytes; `themes` has those of few colours smaller."""
    picture, file = Image.open(io.BytesIO(base64.b64decode(png))), io.BytesIO()
    if picture.getcolors(256) is not None:
        return f"data:image/png;base64,{png}"
    picture.save(file, "webp", quality=85, method=6, use_sharp_yuv=True)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
