"""Checks of the features that a student hands to a linear probe: those of the network in eval mode, before any head."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ssl_course.course.exercises import arrays
from ssl_course.course.exercises.card import UNSOLVED, Card, _last_line, is_stub, wrong


def reading(
    which: Callable[[Any, Tensor], Tensor], training: bool = False
) -> Callable[[Any, Tensor], np.ndarray]:
    """A rule on a copy of the network, in one of its modes."""

    def rule(method: Any, x: Tensor) -> np.ndarray:
        method = copy.deepcopy(method).train(training)
        with torch.no_grad():
            return which(method, x).numpy()

    return rule


def judge_features(
    function: Any,
    name: str,
    make: Callable[[], Any],
    mistakes: Sequence[arrays.Mistake],
    praise: str,
    seed: int = 0,
) -> Card:
    """Whether ``function(method, x)`` returns h, (N, dim), of the network in eval mode.

    Args:
        function: the student's; gets a network in training mode and pictures (N, 3, H, W).
        name: of the check, for what it says.
        make: builds a network with ``encode`` and ``project``; called under seeds of ours.
        mistakes: the usual wrong readings, made by `reading`.
        praise: text of the passed card.
        seed: of weights and pictures.
    """
    if is_stub(function):
        return UNSOLVED
    if not callable(function):
        return wrong(f"Hand over the function itself: check.{name}(my_function).")
    cases = []
    with torch.random.fork_rng(devices=[]):
        for k in range(2):
            torch.manual_seed(seed + k)
            method = make()
            x = torch.rand(5, 3, 16, 16)
            with torch.no_grad():
                method.project(torch.rand(16, 3, 16, 16))  # running statistics unlike those of the batch
            cases.append((method, x))

    def answer(method: Any, x: Tensor) -> Any:
        return function(copy.deepcopy(method), x.clone())

    try:
        first = answer(*cases[0])
    except NotImplementedError:
        return UNSOLVED
    except Exception as error:
        return wrong(f"Your function stopped with {_last_line(error)} method.encode(x) gives h.")
    if torch.is_tensor(first) and first.ndim == 4:
        return wrong(
            "That is the backbone's map, (N, dim, h, w). Take the mean over places: method.encode does."
        )
    return arrays.judge_arrays(
        answer, cases, reading(lambda m, x: m.encode(x)), mistakes, praise,
        "Put the network into eval mode and return what `encode` gives.",
    )  # fmt: skip
