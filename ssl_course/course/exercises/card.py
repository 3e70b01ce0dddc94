"""What a check answers: passed, not solved yet, or which misconception the answer shows."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal, NamedTuple

import numpy as np

from ssl_course.course import palette

_LOOKS = {"passed": ("✓ Passed", palette.PASSED), "wrong": ("✗ Not yet right", palette.WRONG),
          "unsolved": ("… Not solved yet", palette.MUTED)}  # fmt: skip


@dataclass(frozen=True)
class Card:
    """The verdict on an answer; the last expression of a cell shows it.

    Attributes:
        state: "passed", "wrong" or "unsolved".
        text: why, in a sentence or two.
    """

    state: Literal["passed", "wrong", "unsolved"]
    text: str

    @property
    def passed(self) -> bool:
        """Whether the answer is right."""
        return self.state == "passed"

    def _repr_html_(self) -> str:
        head, colour = _LOOKS[self.state]
        # Light ground of its own, so that it reads the same in the dark theme.
        return (
            f'<div class="ssl-check" role="status" style="border-left:4px solid {colour};padding:0.4em 0.9em;'
            f'margin:0.5em 0;border-radius:4px;background:{palette.WASH};color:{palette.INK}">'
            f'<b style="color:{colour}">{head}.</b> {escape(self.text)}</div>'
        )

    def __repr__(self) -> str:
        return f"{_LOOKS[self.state][0]}. {self.text}"


def passed(text: str) -> Card:
    """The answer is right."""
    return Card("passed", text)


def wrong(text: str) -> Card:
    """The answer is wrong, and this is why."""
    return Card("wrong", text)


UNSOLVED = Card("unsolved", "Replace the dots by your lines and run the cell again.")


def is_stub(value: Any) -> bool:
    """Whether a value is what an exercise returns before anybody worked on it."""
    return value is None or value is ... or value is NotImplemented


class Mistake(NamedTuple):
    """A rule that gives a usual wrong answer, and what to tell who follows it."""

    rule: Callable[..., Any]
    text: str


def answers_of(
    function: Any, cases: Sequence[tuple], read: Callable[[Any], Any], hint: str, may_be_none: bool = False
) -> list[Any] | Card:
    """What a student's function returns for every case, made an answer by ``read``, or the card that says why not."""
    if is_stub(function):
        return UNSOLVED
    if not callable(function):
        return wrong("Hand over the function itself, without calling it: check.name(my_function).")
    answers = []
    for case in cases:
        try:
            value = function(*[np.copy(v) if isinstance(v, np.ndarray) else v for v in case])
        except NotImplementedError:
            return UNSOLVED
        except Exception as error:
            return wrong(f"Your function stopped with {_last_line(error)} {hint}")
        if is_stub(value) and not (may_be_none and value is None):
            return UNSOLVED
        answer = None if value is None else read(value)
        if isinstance(answer, Card):
            return answer
        answers.append(answer)
    return answers


def judge(
    function: Any,
    cases: Sequence[tuple],
    right: Callable[..., float],
    mistakes: Sequence[Mistake],
    praise: str,
    hint: str,
    none: float | None = None,
) -> Card:
    """Call a student's function on every case and compare its numbers with the rules.

    Args:
        function: takes a case's values and returns a number.
        cases: arguments, drawn at random by the caller; arrays are handed over as copies.
        right: the true rule.
        mistakes: the usual wrong rules; the one that agrees in *every* case is named.
        praise: text of the passed card.
        hint: follows when no rule agrees, or the function failed.
        none: what None counts as, where None is the right answer to some cases; a function that gives
            nothing else is still a stub.

    Returns:
        The card; whatever the function does short of an interrupt, nothing is raised.
    """
    found = answers_of(function, cases, _number, hint, may_be_none=none is not None)
    if isinstance(found, Card):
        return found
    if all(answer is None for answer in found):
        return UNSOLVED
    answers = [none if answer is None else answer for answer in found]

    def agrees(rule: Callable[..., float]) -> bool:
        return np.allclose(answers, [float(rule(*case)) for case in cases], rtol=1e-6, atol=1e-9)

    if agrees(right):
        return passed(praise)
    for mistake in mistakes:
        if agrees(mistake.rule):
            return wrong(mistake.text)
    truth = [float(right(*case)) for case in cases]
    worst = int(np.argmin(np.isclose(answers, truth, rtol=1e-6, atol=1e-9)))
    return wrong(
        f"For one of the inputs it gives {answers[worst]:.4g}, and {truth[worst]:.4g} is right. {hint}"
    )


def _number(value: Any) -> float | Card:
    """One real number out of whatever came back, or the card that says why not."""
    try:
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    except Exception:
        array = np.asarray(None)
    if array.ndim and array.size != 1:
        return wrong(
            f"One number is wanted; your function returns an array of shape {array.shape}: sum it up."
        )
    if array.dtype.kind not in "biuf":
        return wrong(
            f"One number is wanted; your function returns {type(value).__name__} ({str(value)[:60]})."
        )
    number = float(array.reshape(()))
    if number != number:
        return wrong("It gives NaN: look for 0/0, or the logarithm or root of a negative number.")
    return number


def _last_line(error: Exception) -> str:
    """'ZeroDivisionError: division by zero (line 3 of f).'"""
    text = traceback.format_exception_only(error)[-1].strip()
    frames = traceback.extract_tb(error.__traceback__)[1:]  # the first one is ours
    where = f" (line {frames[0].lineno} of your cell, in {frames[0].name})" if frames else ""
    return f"{text}{where}."
