"""What a check answers: passed, not solved yet, or which misconception the answer shows."""

import ast
import functools
import linecache
import re
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any, Literal

from ssl_course import NEW_ONE
from ssl_course.assets import PACKAGE
from ssl_course.course import kept, palette, themes
from ssl_course.course.lecture import live_view, with_reset

_LOOKS = {
    "passed": ("✓ Passed", palette.PASSED),
    "wrong": ("✗ Not yet right", palette.WRONG),
    "unsolved": ("… Not solved yet", palette.MUTED),
}


@dataclass(frozen=True)
class Card:
    """The verdict on an answer; the last expression of a cell shows it.

    Attributes:
        state: "passed", "wrong" or "unsolved".
        text: why, in a sentence or two.
        earlier: the cell with the student's last answer, where the stub is back in its place.
        forget: what Reset does to that answer.
    """

    state: Literal["passed", "wrong", "unsolved"]
    text: str
    earlier: str = ""
    forget: Callable[[], Any] = field(default=lambda: None, repr=False, compare=False)

    @property
    def passed(self) -> bool:
        """Whether the answer is right."""
        return self.state == "passed"

    def _repr_html_(self) -> str:
        head, colour = _LOOKS[self.state]
        earlier, both = "", themes.both(colour)
        text = re.sub(r"(?<!\w)\*(?!\s)([^*]+)(?<!\s)\*(?!\w)", r"<em>\1</em>", escape(self.text))
        if self.earlier:
            code = f'<pre style="white-space:pre-wrap">{escape(self.earlier)}</pre>'
            earlier = f"<p>Your last answer, kept for you:</p>{code}"
        return (
            f'{themes.SCHEME}<div class="ssl-check ssl-shown" role="status" style="border-left:4px solid {colour};'
            f'border-left-color:{both};padding:0.4em 0.9em;margin:0.5em 0;border-radius:4px;{themes.on_wash()}">'
            f'<b style="color:{colour};color:{both}">{head}.</b> {text}{earlier}</div>'
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """With an earlier answer, also a Reset that forgets it."""
        if not self.earlier:
            return {}

        def forget() -> None:
            self.forget()
            box.children[0].value = replace(self, earlier="")._repr_html_()
            box.children = box.children[:1]

        box = with_reset([self._repr_html_()], forget)
        return live_view(box) | {"text/html": self._repr_html_(), "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"{_LOOKS[self.state][0]}. {self.text}"


def passed(text: str) -> Card:
    """The answer is right."""
    return Card("passed", text)


def wrong(text: str) -> Card:
    """The answer is wrong, and this is why."""
    return Card("wrong", text)


UNSOLVED = Card("unsolved", "Replace the dots by your lines and run the cell again.")


class Verdict(Exception):  # noqa: N818  no error: it carries the card out of whatever was being tried
    """Ends a check with a card; a text says what is wrong."""

    def __init__(self, card: Card | str) -> None:
        self.card = wrong(card) if isinstance(card, str) else card
        super().__init__(self.card.text)


def is_stub(value: Any) -> bool:
    """Whether a value is what an exercise holds before anybody worked on it."""
    return value is None or value is ... or value is NotImplemented


def check(wants: str = "function") -> Callable[[Callable[..., Card]], Callable[..., Card]]:
    """Make a check of a function: it knows stubs, and whatever a student hands over, it answers with a card.

    Only the student's own Ctrl-C (KeyboardInterrupt) gets through:
    SystemExit and what a ``repr`` raises do not.

    Args:
        wants: "function"; else what belongs in its place, as in "Hand over …, not a function."
    """

    def decorate(function: Callable[..., Card]) -> Callable[..., Card]:
        # the module's own: called for check.NAME of an exercise that has left the lecture
        function.__globals__.setdefault("__getattr__", _gone)

        @functools.wraps(function)
        def checked(answer: Any, *more: Any, **settings: Any) -> Card:
            card, cell = verdict(answer, *more, **settings), _cell_ending_in(function.__name__)
            return _remember(card, cell, function) if cell else card

        def verdict(answer: Any, *more: Any, **settings: Any) -> Card:
            if is_stub(answer):
                return UNSOLVED
            if wants == "function" and not callable(answer):
                return wrong(
                    f"Hand over the function itself, without calling it: check.{function.__name__}(my_function)."
                )
            if wants != "function" and callable(answer):
                return wrong(f"Hand over {wants}, not a function.")
            try:
                return function(answer, *more, **settings)
            except Verdict as verdict:
                return verdict.card
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                return wrong(f"Your answer cannot be read: {said_by(error)}")

        return checked

    return decorate


def _gone(name: str) -> Any:
    raise AttributeError(f"This edition has no exercise {name!r}. {NEW_ONE}")


def _cell_ending_in(name: str) -> str:
    """The text of the cell that called the check and shows its card, ``check.NAME(…)`` being its last line.

    "" for every other caller, such as the cell with the solution, which looks at the card first.
    """
    frame = sys._getframe(2)
    if frame.f_locals is not frame.f_globals:
        return ""
    text = "".join(linecache.getlines(frame.f_code.co_filename)).strip()
    try:
        last = ast.parse(text).body[-1].value  # type: ignore[attr-defined]
        return text if last.func.attr == name else ""
    except (SyntaxError, AttributeError, IndexError):
        return ""


def _remember(card: Card, cell: str, function: Callable[..., Card]) -> Card:
    """Keep the cell if it answers; if it does not, the card gets the answer that was kept."""
    lecture, key = function.__module__.rpartition("_")[2], f"check.{function.__name__}"
    if card.state != "unsolved":
        kept.put(lecture, key, cell)
    elif isinstance(earlier := kept.get(lecture, key), str):
        return replace(card, earlier=earlier, forget=lambda: kept.put(lecture, key, None))
    return card


def ask(function: Callable[..., Any], *case: Any, hint: str = "", may_be_none: bool = False) -> Any:
    """What a student's function returns.

    Raises:
        Verdict: it returned nothing yet, or stopped; ``hint`` follows what it stopped with.
    """
    try:
        value = function(*case)
    except (Verdict, KeyboardInterrupt):
        raise
    except NotImplementedError:
        raise Verdict(UNSOLVED) from None
    except BaseException as error:
        raise Verdict(f"Your function stopped with {said_by(error)} {hint}".rstrip()) from None
    if is_stub(value) and not (may_be_none and value is None):
        raise Verdict(UNSOLVED)
    return value


def said_by(error: BaseException) -> str:
    """'ZeroDivisionError: division by zero (line 3 of your cell, in f).'"""
    text = traceback.format_exception_only(error)[-1].strip()
    frames = traceback.extract_tb(error.__traceback__)
    libraries = (str(PACKAGE), "site-packages")
    theirs = [frame for frame in frames if not any(part in frame.filename for part in libraries)]
    where = f" (line {theirs[0].lineno} of your cell, in {theirs[0].name})" if theirs else ""
    return f"{text}{where}."
