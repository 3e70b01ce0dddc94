"""One training loop for every method, as a generator of steps:
the bar, the live widget and the tests all drive it.

    for step in train(method, data, steps=400): print(step.index, step.loss)
    history = fit(method, data, steps=400)      # the same loop with a progress bar

It knows of a method only ``pair(batch)``, ``forward(batch) -> loss`` and, where present, ``prepare(data)``,
``param_groups(lr)``, ``defaults`` and ``after_step()``.
"""

from ssl_course.training.fabric import make_fabric
from ssl_course.training.faults import Diverged
from ssl_course.training.fitting import History, fit
from ssl_course.training.loop import train
from ssl_course.training.optimizer import make_optimizer, parameter_groups, rate
from ssl_course.training.run import DEFAULTS
from ssl_course.training.steps import Step, read_losses

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
    "read_losses",
    "train",
]
