"""Checks of functions that return arrays: the same verdicts as `card.judge`, entry by entry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ssl_course.course.exercises.card import Card, Mistake, answers_of, passed, wrong


def judge_arrays(
    function: Any,
    cases: Sequence[tuple],
    right: Callable[..., Any],
    mistakes: Sequence[Mistake],
    praise: str,
    hint: str,
) -> Card:
    """Call a student's function on every case and compare what it returns with the rules.

    Args:
        function: takes a case's values; returns a number or an array (NumPy, tensor, list).
        cases: arguments, drawn at random by the caller; arrays are handed over as copies.
        right: the true rule.
        mistakes: the usual wrong rules; the first that agrees in *every* case is named.
        praise: text of the passed card.
        hint: follows when no rule agrees, or the function failed.

    Returns:
        The card; whatever the function does short of an interrupt, nothing is raised.
    """
    answers = answers_of(function, cases, _array, hint)
    if isinstance(answers, Card):
        return answers

    def agrees(rule: Callable[..., Any]) -> bool:
        found = (np.asarray(rule(*case), dtype=np.float64) for case in cases)
        return all(
            a.shape == f.shape and np.allclose(a, f, rtol=1e-5, atol=1e-8)
            for a, f in zip(answers, found, strict=True)
        )

    if agrees(right):
        return passed(praise)
    for mistake in mistakes:
        if agrees(mistake.rule):
            return wrong(mistake.text)
    for answer, case in zip(answers, cases, strict=True):
        expected = np.asarray(right(*case), dtype=np.float64)
        if answer.shape != expected.shape:
            return wrong(f"The shape is {answer.shape}; {expected.shape} is wanted. {hint}")
        if not np.allclose(answer, expected, rtol=1e-5, atol=1e-8):
            worst = np.unravel_index(np.nanargmax(np.abs(answer - expected)), expected.shape)
            at = f" at {[int(i) for i in worst]}" if worst else ""
            return wrong(
                f"For one of the inputs it gives {answer[worst]:.4g}{at}, and {expected[worst]:.4g} is right. {hint}"
            )
    return wrong(hint)


def _array(value: Any) -> np.ndarray | Card:
    """An array of whatever came back, or the card that says why not."""
    try:
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value, dtype=np.float64)
    except Exception:
        return wrong(f"Numbers are wanted; your function returns {type(value).__name__} ({str(value)[:60]}).")
    if np.isnan(array).any():
        return wrong("It gives NaN: look for 0/0, or the logarithm or root of a negative number.")
    return array
