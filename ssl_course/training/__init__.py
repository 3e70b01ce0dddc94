"""One training loop for every method, as a generator of steps: the bar, the live widget and the tests all drive it.

    for step in train(method, data, steps=400): print(step.index, step.loss)
    history = fit(method, data, steps=400)      # the same loop with a progress bar

It knows of a method only ``forward(batch) -> loss`` and, where present, ``prepare(data)``, ``param_groups(lr)``,
``defaults`` and ``after_step()``.
"""

from __future__ import annotations

from ssl_course.training.faults import Diverged
from ssl_course.training.fitting import History, fit
from ssl_course.training.loop import DEFAULTS, Step, make_fabric, train
from ssl_course.training.optimizer import make_optimizer, parameter_groups, rate

__all__ = [
    "DEFAULTS",
    "Diverged",
    "History",
    "Step",
    "fit",
    "make_fabric",
    "make_optimizer",
    "parameter_groups",
    "rate",
    "train",
]
