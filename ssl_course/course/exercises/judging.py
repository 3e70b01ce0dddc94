"""The judge of the exercises: an answer against the right rule,
and against those that are usually followed instead."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ssl_course.course.exercises.card import UNSOLVED, Card, Verdict, ask, passed, wrong

Rule = Callable[..., Any]
# What to tell who follows a wrong rule → the rule, or the rules that deserve the same words.
Mistakes = Mapping[str, Rule | tuple[Rule, ...]]


def judge(
    function: Rule,
    cases: Sequence[tuple],
    right: Rule,
    mistakes: Mistakes,
    praise: str,
    hint: str,
    none: float | None = None,
) -> Card:
    """Call a student's function on every case and compare what it returns, to 1 part in 10⁵, with the rules.

    Args:
        function: takes a case's values; returns a number or an array (NumPy, tensor, list),
            whichever ``right`` gives.
        cases: arguments, drawn at random by the caller; handed over as copies.
        right: the true rule.
        mistakes: the usual wrong rules; the first that agrees in *every* case is named.
        praise: text of the passed card.
        hint: follows when no rule agrees, or the function failed.
        none: what None counts as, where None is the right answer to some cases; a function that gives nothing
            else is still a stub.

    Raises:
        Verdict: the function is a stub, stopped, or gave what is not to be compared.
    """
    truths = [np.asarray(right(*case), np.float64) for case in cases]
    values = [ask(function, *copy.deepcopy(case), hint=hint, may_be_none=none is not None) for case in cases]
    if all(value is None for value in values):
        return UNSOLVED
    answers = [_numeric(none if v is None else v, t.ndim == 0) for v, t in zip(values, truths, strict=True)]

    def agrees(rule: Rule) -> bool:
        return all(_close_to(answer, rule(*case)) for answer, case in zip(answers, cases, strict=True))

    if agrees(right):
        return passed(praise)
    for text, rules in mistakes.items():
        if any(agrees(rule) for rule in (rules if isinstance(rules, tuple) else (rules,))):
            return wrong(text)
    answer, truth = next((a, t) for a, t in zip(answers, truths, strict=True) if not _close_to(a, t))
    if answer.shape != truth.shape:
        return wrong(f"The shape is {answer.shape}; {truth.shape} is wanted. {hint}")
    worst = np.unravel_index(np.nanargmax(np.abs(answer - truth)), truth.shape)
    at = f" at {[int(i) for i in worst]}" if worst else ""
    return wrong(
        f"For one of the inputs it gives {answer[worst]:.4g}{at}, and {truth[worst]:.4g} is right. {hint}"
    )


def _close_to(answer: np.ndarray, other: Any) -> bool:
    other = np.asarray(other, np.float64)
    return answer.shape == other.shape and np.allclose(answer, other, rtol=1e-5, atol=1e-8)


def _numeric(value: Any, one_number: bool) -> np.ndarray:
    """The numbers out of whatever came back.

    Raises:
        Verdict: there are none, or not as many as asked for.
    """
    wanted = "One number is" if one_number else "Numbers are"
    try:
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
        if one_number and array.ndim and array.size != 1:
            raise Verdict(f"One number is wanted; you return an array of shape {array.shape}: sum it up.")
        if array.dtype.kind not in "biufO":
            raise TypeError(array.dtype)
        array = array.astype(np.float64)
    except (Verdict, KeyboardInterrupt):
        raise
    except BaseException:
        raise Verdict(
            f"{wanted} wanted; your function returns {type(value).__name__}{_in_brackets(value)}."
        ) from None
    if np.isnan(array).any():
        raise Verdict("It gives NaN: look for 0/0, or the logarithm or root of a negative number.")
    return array.reshape(()) if one_number else array


def _in_brackets(value: Any) -> str:
    try:
        return f" ({str(value)[:60]})"
    except KeyboardInterrupt:
        raise
    except BaseException:  # a __str__ of the student's own
        return ""
