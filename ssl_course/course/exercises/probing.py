"""Checks of the features that a student hands to a linear probe:
those of the network in eval mode, before any head."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ssl_course import nets
from ssl_course.course.exercises.card import Card, Verdict
from ssl_course.course.exercises.judging import Mistakes, Rule, judge


def reading(which: Callable[[Any, Tensor], Tensor], training: bool = False) -> Rule:
    """A rule on a copy of the network, in one of its modes."""

    def rule(method: Any, x: Tensor) -> np.ndarray:
        method = copy.deepcopy(method).train(training)
        with torch.no_grad():
            return which(method, x).numpy()

    return rule


def judge_features(function: Rule, method: type, why_h: str, more: Mistakes, praise: str, seed: int) -> Card:
    """Whether ``function(method, x)`` returns h, (N, dim), of the network in eval mode.

    Args:
        function: the student's; gets a network in training mode and pictures (N, 3, H, W).
        method: class with ``encode``, ``project`` and the argument ``projection``; small ones are built here.
        why_h: what to tell who returns z, after the projection head.
        more: wrong readings besides the usual ones, made by `reading`.
        praise: text of the passed card.
        seed: of weights and pictures.
    """
    mistakes = {
        f"That is z, after the projection head. {why_h}": reading(lambda m, x: m.project(x)),
        f"That is z, after the projection head, and in training mode besides. {why_h}": reading(
            lambda m, x: m.project(x), training=True
        ),
        "The network is still in training mode: its batch normalisation uses the statistics of this batch, so a "
        "picture's features depend on its neighbours. Call method.eval() first.": reading(_h, training=True),
        "The rows are normalised. The loss compares directions; the probe may use lengths too: hand over h as "
        "it is.": reading(lambda m, x: F.normalize(m.encode(x), dim=1)),
        **more,
    }
    cases = []
    with torch.random.fork_rng(devices=[]):
        for k in range(2):
            torch.manual_seed(seed + k)
            network, x = method(nets.ConvNet((4, 6)), projection=(8, 6)), torch.rand(5, 3, 16, 16)
            with torch.no_grad():
                network.project(torch.rand(16, 3, 16, 16))  # running statistics unlike those of the batch
            cases.append((network, x))

    def features(network: Any, x: Tensor) -> Any:
        h = function(network, x)
        if torch.is_tensor(h) and h.ndim == 4:
            raise Verdict(
                "That is the backbone's map, (N, dim, h, w). Take the mean over places: method.encode does."
            )
        return h

    hint = "Put the network into eval mode and return what `encode` gives."
    return judge(features, cases, reading(_h), mistakes, praise, hint)


def _h(method: Any, x: Tensor) -> Tensor:
    return method.encode(x)
