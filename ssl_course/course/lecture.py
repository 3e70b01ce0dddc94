"""What a lecture shows between its prose and its figures: card, guess, source, numbers from the run.

Every function returns an object that a notebook displays when it is the last expression of a cell. Nothing
here needs torch or matplotlib, and ipywidgets is loaded only by `predict`.
"""

from __future__ import annotations

import ast
import ctypes
import inspect
import json
import os
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssl_course import assets
from ssl_course.course import kept, palette, room, themes

if TYPE_CHECKING:
    from ssl_course.data.pictures import Pictures

_BOX = (
    "border-left:4px solid {colour};border-left-color:{both};padding:0.4em 0.9em;margin:0.5em 0;"
    "background:var(--jp-layout-color1,transparent);color:var(--jp-content-font-color1,inherit)"
)


_FORMULA = r"\$[^$<]+\$"
# What keeps its hyphens (code, formulas, tags and comments), or the hyphen before a negative number.
_MINUS = r"(`[^`]*`|\$[^$]+\$|<[a-zA-Z/!][^>]*>)|(?<![^\s(*|\[])-(?=\.?\d)"


class Shown:
    """A piece of HTML with a plain-text form; the last expression of a cell shows it.

    With formulas between dollars it becomes Markdown: VS Code and Colab typeset none in HTML.
    """

    def __init__(self, html: str, text: str) -> None:
        self.html, self.text = html, text

    def _repr_html_(self) -> str | None:
        return None if re.search(_FORMULA, self.html) else self.html

    def _repr_markdown_(self) -> str | None:
        """The same HTML, with blank lines around what has a formula: they end HTML and begin Markdown."""
        if self._repr_html_() is not None:
            return None
        whole = (
            self.html
            if "<td" in self.html
            else re.sub(r"(?s)(<div[^>]*>)(.*)(</div>)", r"\1\n\n\2\n\n\3", self.html)
        )
        cell = rf"(?s)(<td[^>]*>)((?:(?!</td>).)*{_FORMULA}(?:(?!</td>).)*)(</td>)"
        whole = re.sub(cell, r"\1\n\n\2\n\n\3", whole)
        # There a formula is taken as it is written, not as HTML.
        relations = {"&lt;": r"\lt ", "&gt;": r"\gt ", "<": r"\lt ", ">": r"\gt ", "&amp;": "&"}
        return re.sub(
            r"\$[^$]+\$",
            lambda formula: re.sub("&lt;|&gt;|&amp;|<|>", lambda m: relations[m[0]], formula[0]),
            whole,
        )

    def __repr__(self) -> str:
        return self.text


def boxed(body: str, colour: str = palette.X1, kind: str = "ssl-card") -> str:
    """HTML with a bar of this colour to its left; ``kind`` is its CSS class."""
    style = _BOX.format(colour=colour, both=themes.both(colour))
    return f'{themes.SCHEME}<div class="{kind} ssl-shown" style="{style}">{body}</div>'


def _inline(text: str) -> str:
    """Escape, then allow ``code`` and **bold**; formulas between dollars are typeset by the notebook."""
    html = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))
    return re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", html)


def plain(value: object) -> object:
    """A tensor or NumPy scalar as a Python number; everything else as it is."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value


def number(value: object) -> str:
    """A number as a reader wants it: 1,024 · 0.405 · 3.2e-05; other things as text."""
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or (abs(value) >= 1000 and value == value and abs(value) != float("inf")):
        return f"{value:,.0f}"
    return f"{value:.3g}"


# ---------------------------------------------------------------------------------- where a lecture runs


@dataclass(frozen=True)
class Setting:
    """What `setting` has read from the environment.

    Attributes:
        data: name of a set of pictures ("scenes", "earth", "cifar10", …), or a folder of photographs.
        whole: False where SSL_COURSE_MAX_STEPS cuts training short,
            so that a lecture's numbers need not hold.
    """

    data: str
    whole: bool

    def load(self, size: int, split: str = "train", most: int | None = None) -> Pictures:
        """The pictures of ``data``; with ``most`` that many of them, `shuffled`.

        Raises:
            DataError: they are not there; the message says how to get them.
        """
        from ssl_course.data import load

        folder = Path(self.data).is_dir()
        pictures = load("photos" if folder else self.data, size, split, root=self.data if folder else None)
        return pictures if most is None else shuffled(pictures, most)


def setting(data: str = "scenes") -> Setting:
    """Give figures the course's style, and say on which pictures a lecture runs and whether it is cut short.

    Args:
        data: the lecture's own pictures; the environment's SSL_COURSE_LECTURE_DATA comes before them.
    """
    from ssl_course.course import plots

    plots.style()
    if (shell := plots.shell()) is not None:
        shell.events.register("post_run_cell", give_back)  # once, however often it is asked
    return Setting(os.environ.get("SSL_COURSE_LECTURE_DATA", data), "SSL_COURSE_MAX_STEPS" not in os.environ)


def give_back(_: object = None) -> None:
    """Hand freed memory back to the system, where the C library can:
    it keeps for later what a cell took once.

    Thirty kernels on one machine are counted by what they hold.
    """
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)


def shuffled(data: Any, most: int) -> Any:
    """At most ``most`` rows of a data set, the same each time: real sets come in order of their classes."""
    import torch

    return data[torch.randperm(len(data), generator=torch.Generator().manual_seed(0))[:most]]


def recorded(name: str) -> dict[str, Any]:
    """``assets/results/NAME.json``: "results", one dict a cell, and the "command" that measured them.

    Raises:
        FileNotFoundError: there is none; the message lists those that there are.
    """
    file = assets.results(name)
    if not file.is_file():
        there = ", ".join(sorted(other.stem for other in file.parent.glob("*.json")))
        raise FileNotFoundError(f"no results called {name!r} are recorded; there are: {there}")
    return json.loads(file.read_text(encoding="utf-8"))


# ---------------------------------------------------------------------------------------------- the card


def card(
    *,
    claim: str,
    note: str,
    minutes: tuple[int, int],
    needs: str = "nothing",
    able: Sequence[str] = (),
    equations: Sequence[str] = (),
) -> Shown:
    """The lecture's metadata card.

    Args:
        claim: the one sentence that the lecture measures.
        note: section of the lecture note, "§3.3".
        minutes: (to read, to run).
        needs: what the reader should know first.
        able: what the reader will be able to do.
        equations: names from ssl_course.course.equations.EQUATIONS; each is shown with its function.

    Raises:
        ValueError: an equation that the table does not have.
    """
    from ssl_course.course.equations import by_name

    read, run = minutes
    rows = [
        ("Claim", _inline(claim)),
        ("Note", escape(note)),
        ("Time", f"{read} minutes to read, {run} to run"),
        ("You need", _inline(needs)),
    ]
    if able:
        rows.append(("You will be able to", "<br>".join(_inline(a) for a in able)))
    if equations:
        rows.append(("Equations", "<br>".join(_equation(by_name(name)) for name in equations)))
    body = "".join(
        f'<tr><th scope="row" style="text-align:left;vertical-align:top;white-space:nowrap">{head}</th>'
        f'<td style="text-align:left">{cell}</td></tr>'
        for head, cell in rows
    )
    return Shown(boxed(f"<table>{body}</table>"), f"Claim: {claim} (note {note})")


def _equation(row: Any) -> str:
    # No link to the file: beside a student's copy of the lectures there is none.
    return f"{escape(row.name)}: ${escape(row.latex, quote=False)}$ · <code>{escape(row.function)}</code>"


# ------------------------------------------------------------------------------------------ predict first


def live_view(widget: Any) -> dict[str, Any]:
    """What a notebook shows an ipywidget by, in version 8 and in 7, which Colab has."""
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    return {"application/vnd.jupyter.widget-view+json": view}


def with_reset(shown: Sequence[Any], action: Callable[[], None]) -> Any:
    """A box of widgets, or of HTML, with a Reset button below, which calls ``action``."""
    import ipywidgets

    button = ipywidgets.Button(
        description="Reset", tooltip="Forget what was kept", layout={"width": "max-content"}
    )
    button.on_click(lambda _: action())
    widgets = [ipywidgets.HTML(part) if isinstance(part, str) else part for part in shown]
    return ipywidgets.VBox([*widgets, button])


class Prediction:
    """A question with a labelled input; what the reader enters is kept under ``key``, beyond this kernel."""

    def __init__(self, key: str, question: str, kind: str, choices: Sequence[str] | None) -> None:
        import ipywidgets

        self.key, self.question, self.kind, self.choices = key, question, kind, choices
        style, layout = {"description_width": "initial"}, ipywidgets.Layout(width="max-content")
        mine = guess(key)
        if not (mine in choices if choices else not isinstance(mine, str)):
            mine = None  # the question has changed since
        if kind == "number":
            self.input = ipywidgets.Text(
                value="" if mine is None else number(mine), placeholder="a number", description="Your guess:",
                continuous_update=False, style=style, layout=layout,
            )  # fmt: skip
        else:
            self.input = ipywidgets.RadioButtons(
                options=list(choices), value=mine, description="Your guess:",
                style=style, layout=layout,
            )  # fmt: skip
        self.answer = ipywidgets.HTML()
        question_html = ipywidgets.HTMLMath(f"<b>Predict first.</b> {_inline(question)}")
        self.box = with_reset([question_html, self.input, self.answer], self._forget)
        self._receipt(mine)
        self.input.observe(self._store, "value")
        if asked := room.ask(key, question, kind, choices):
            self._show_room(asked)

    def _show_room(self, asked: room.Asked) -> None:
        """The way to the lecturer's room and the number of its answers, below the question."""
        import ipywidgets

        shown = ipywidgets.HTML(asked.html())
        anew = ipywidgets.Button(
            description="Ask the room anew",
            tooltip="Forget the room's answers to this question",
            layout={"width": "max-content"},
        )
        asked.watch(lambda html: setattr(shown, "value", html))
        anew.on_click(lambda _: setattr(shown, "value", asked.anew()))
        first, *others, reset = self.box.children
        self.box.children = [first, shown, *others, anew, reset]

    def _receipt(self, mine: float | str | None, why_not: str = "") -> None:
        waits = "It waits beside the result."
        if why_not:
            waits = f"It lasts only as long as this kernel, since it could not be saved: {why_not}."
        self.answer.value = "" if mine is None else f"Kept: <b>{escape(number(mine))}</b>. {escape(waits)}"
        self.box.children[-1].layout.display = "none" if mine is None else None

    def _store(self, change: dict) -> None:
        value = change["new"]
        if self.kind == "number" and value.strip():
            try:
                value = to_number(value)
            except ValueError:
                self.answer.value = "That is not a number: write for instance 30, 0.25 or 25 %."
                return
        value = None if value == "" else value
        self._receipt(value, kept.put(_lecture_of(self.key), self.key, value))

    def _forget(self) -> None:
        self.input.value = "" if self.kind == "number" else None  # and so `_store` forgets it

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        words = " · ".join(escape(str(c)) for c in self.choices or ())
        offered = f'<br><span class="ssl-choices">{words}</span>' if words else ""
        html = boxed(
            f"<b>Predict first.</b> {_inline(self.question)}{offered}<br>"
            "<small>Run this cell to enter your guess.</small>",
            palette.Y, "ssl-predict",
        )  # fmt: skip
        return {**live_view(self.box), "text/html": html, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"Predict first: {self.question}"


def to_number(text: str) -> float | int:
    """'1,024' → 1024 · '25 %' → 0.25 · '2e3' → 2000.0.

    Raises:
        ValueError: not a finite number.
    """
    clean = text.strip().replace(",", "").replace("−", "-").replace(" ", "")
    value = float(clean.rstrip("%")) / (100 if clean.endswith("%") else 1)
    if value != value or abs(value) == float("inf"):
        raise ValueError(text)
    return int(value) if value == int(value) and abs(value) < 1e15 else value


def predict(
    key: str, question: str, kind: str = "number", choices: Sequence[str] | None = None
) -> Prediction:
    """Ask for a guess before the answer is measured; `reveal` with the same key shows it beside the result.

    Args:
        key: unique in the lecture.
        question: what a later cell measures.
        kind: "number", or "choice" with ``choices``.
        choices: the answers on offer, for kind "choice".

    Raises:
        ValueError: unknown kind, or choices missing or not wanted.
    """
    if kind not in ("number", "choice"):
        raise ValueError(f"kind must be 'number' or 'choice', not {kind!r}")
    if (kind == "choice") != bool(choices):
        raise ValueError("give choices for kind='choice', and only then")
    return Prediction(key, question, kind, choices)


def guess(key: str) -> float | str | None:
    """The guess kept under ``key``, or None."""
    value = kept.get(_lecture_of(key), key)
    usable = isinstance(value, str) or (isinstance(value, int | float) and abs(value) < 1e300)
    return value if usable else None


def _lecture_of(key: str) -> str:
    """The "01" of "01-probe"."""
    return key.partition("-")[0]


def reveal(key: str, measured: object, text: str = "") -> Shown:
    """The guess beside the measured value; works, and says so, when nothing was guessed. Beside it the
    answers of the lecturer's room, where one is open: it then takes no more.

    Args:
        key: that of `predict`.
        measured: number, 0-d tensor, or one of the choices.
        text: a sentence to follow; ``{measured}`` and ``{guess}`` are filled in.
    """
    mine, result = guess(key), number(measured)
    how_far = "" if mine is None else f" &nbsp;·&nbsp; {_distance(mine, plain(measured))}"
    guessed = "none (enter one above and run this cell again)" if mine is None else number(mine)
    line = text.replace("{measured}", result).replace("{guess}", guessed if mine is not None else "no guess")
    body = (
        f'Your guess: <b style="font-size:1.15em">{escape(guessed)}</b> &nbsp;·&nbsp; '
        f'Measured: <b style="font-size:1.15em">{escape(result)}</b>{how_far}'
        + (f"<br>{_inline(line)}" if line else "")
        + room.reveal(key, plain(measured))
    )
    return Shown(
        boxed(body, palette.Y, "ssl-reveal"), f"guess: {guessed}; measured: {result}. {line}".strip()
    )


def _distance(kept: float | str, measured: object) -> str:
    """How far a guess was off, in words."""
    if isinstance(kept, str) or isinstance(measured, str):
        return "You had it." if kept == measured else "It surprised you: worth a second look."
    low, high = sorted((abs(kept), abs(measured)))
    if abs(kept - measured) <= 0.05 * max(high, 1e-12):
        return "You had it."
    if kept * measured > 0 and high >= 2 * low:
        return f"Off by a factor of {number(float(f'{high / low:.2g}'))}."
    return f"Off by {number(float(f'{abs(kept - measured):.2g}'))}."


# ----------------------------------------------------------------------------- source, and prose from results


def show_source(obj: Callable | type, lines: tuple[str, str] | None = None) -> Shown:
    """The library's own lines of a function, method or class, highlighted in the course's colours.

    They stand beside the equation, so they do without their docstring.

    Args:
        obj: what to show.
        lines: (a piece of the first line, a piece of the last), where few lines of many matter.

    Raises:
        ValueError: no line has the piece.
    """
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    source = _without_docstrings(textwrap.dedent(inspect.getsource(obj)))
    if lines:
        source = _excerpt(source, *lines)
    paper = (
        f"{themes.on_wash()};padding:0.6em 0.8em;margin:0.3em 0;overflow-x:auto;border-radius:4px;"
        "line-height:1.4;font-size:0.92em"
    )
    code = highlight(source, PythonLexer(), HtmlFormatter(nowrap=True, noclasses=True, style=_code_style()))
    code = re.sub(r"(?<=color: )#[0-9A-F]{6}", lambda match: themes.both(match[0].lower()), code)
    name = f"{obj.__module__}.{obj.__qualname__}"
    html = (
        f'{themes.SCHEME}<div class="ssl-source ssl-shown"><small>from <code>{escape(name)}</code></small>'
        # A region that scrolls must be reachable from the keyboard.
        f'<pre tabindex="0" role="region" aria-label="Source of {escape(name)}" '
        f'style="{paper}">{code}</pre></div>'
    )
    return Shown(html, source)


def _without_docstrings(source: str) -> str:
    lines = source.splitlines()
    drop: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        has_body = isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)
        if has_body and ast.get_docstring(node) and len(node.body) > 1:  # one that is nothing else keeps it
            drop.update(range(node.body[0].lineno - 1, node.body[0].end_lineno))
    return "\n".join(line for i, line in enumerate(lines) if i not in drop) + "\n"


def _excerpt(source: str, first: str, last: str) -> str:
    """The lines from the first that has ``first`` to the next that has ``last``, moved to the left."""
    rows = source.splitlines()
    try:
        begin = next(i for i, row in enumerate(rows) if first in row)
        end = next(i for i, row in enumerate(rows[begin:], begin) if last in row)
    except StopIteration:
        raise ValueError(f"this source has no lines from {first!r} to {last!r}:\n{source}") from None
    return textwrap.dedent("\n".join(rows[begin : end + 1])) + "\n"


def _code_style() -> type:
    """Highlighting in the course's colours: no built-in style of Pygments is legible throughout on white."""
    from pygments import token
    from pygments.style import Style

    class CodeStyle(Style):
        styles = {
            token.Token: palette.INK,
            token.Comment: f"italic {palette.MUTED}",
            token.Keyword: f"bold {palette.X1}",
            token.Name.Function: "bold",
            token.Name.Class: "bold",
            token.Operator.Word: f"bold {palette.X1}",
            token.Literal.Number: palette.Y,
            token.Literal.String: palette.X2,
        }

    return CodeStyle


class Prose:
    """Markdown whose numbers came from the run."""

    def __init__(self, markdown: str) -> None:
        self.markdown = markdown

    def _repr_markdown_(self) -> str:
        return self.markdown

    def __repr__(self) -> str:
        return self.markdown


def say(template: str, **numbers: object) -> Prose:
    """Prose with numbers from the run: ``say("The gap is **{gap:.3f}**.", gap=gap)``.

    ``{name}`` and ``{name:spec}`` are filled in where ``name`` is given; all other braces are left to LaTeX.
    Inside a formula only ``{name:spec}`` is filled, since ``{n}`` there is LaTeX's own. A negative number has
    a minus sign, outside formulas and code.

    Raises:
        ValueError: a number that the text does not use, or a ``{name:spec}`` without its number; so does
            ``{name.mean}``, which a string with an f before it would have filled.
    """
    values = {name: plain(value) for name, value in numbers.items()}
    used: set[str] = set()

    def fill(match: re.Match) -> str:
        if match["formula"]:
            return pattern_with_spec.sub(fill_named, match[0])
        return fill_named(match)

    def fill_named(match: re.Match) -> str:
        name, spec = match["name"], match["spec"]
        if name not in values:
            if spec is not None or "." in name:
                raise ValueError(f"the text asks for {match[0]}, but {name} was not given")
            return match[0]
        used.add(name)
        return format(values[name], spec) if spec else number(values[name])

    pattern_with_spec = re.compile(r"\{(?P<name>[A-Za-z_][\w.]*):(?P<spec>[^{}]*)\}")
    pattern = r"(?P<formula>\$[^$]+\$)|\{(?P<name>[A-Za-z_][\w.]*)(?::(?P<spec>[^{}]*))?\}"
    text = re.sub(pattern, fill, textwrap.dedent(template).strip())
    text = re.sub(_MINUS, lambda match: match[1] or "−", text)
    if unused := sorted(set(values) - used):
        raise ValueError(f"the text does not use {', '.join(unused)}")
    return Prose(text)
