"""Checks of the features that a student hands to a linear probe: those of the network in eval mode, before any head."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ssl_course.course.exercises.card import Card, Verdict, wrong
from ssl_course.course.exercises.judging import Mistakes, Rule, judge


def reading(which: Callable[[Any, Tensor], Tensor], training: bool = False) -> Rule:
    """A rule on a copy of the network, in one of its modes."""

    def rule(method: Any, x: Tensor) -> np.ndarray:
        method = copy.deepcopy(method).train(training)
        with torch.no_grad():
            return which(method, x).numpy()

    return rule


def judge_features(
    function: Rule, make: Callable[[], Any], mistakes: Mistakes, praise: str, seed: int
) -> Card:
    """Whether ``function(method, x)`` returns h, (N, dim), of the network in eval mode.

    Args:
        function: the student's; gets a network in training mode and pictures (N, 3, H, W).
        make: builds a network with ``encode`` and ``project``; called under seeds of ours.
        mistakes: the usual wrong readings, made by `reading`.
        praise: text of the passed card.
        seed: of weights and pictures.
    """
    cases = []
    with torch.random.fork_rng(devices=[]):
        for k in range(2):
            torch.manual_seed(seed + k)
            method, x = make(), torch.rand(5, 3, 16, 16)
            with torch.no_grad():
                method.project(torch.rand(16, 3, 16, 16))  # running statistics unlike those of the batch
            cases.append((method, x))

    def features(method: Any, x: Tensor) -> Any:
        h = function(method, x)
        if torch.is_tensor(h) and h.ndim == 4:
            raise Verdict(
                wrong(
                    "That is the backbone's map, (N, dim, h, w). Take the mean over places: method.encode does."
                )
            )
        return h

    hint = "Put the network into eval mode and return what `encode` gives."
    return judge(features, cases, reading(lambda m, x: m.encode(x)), mistakes, praise, hint)
