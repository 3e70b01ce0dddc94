"""`fit`: the loop with a progress bar."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch.utils.data import DataLoader

from ssl_course.interfaces import Data, Method
from ssl_course.training.loop import train
from ssl_course.training.steps import Step, read_losses

UNREAD = 1000  # losses that wait on the device, to be read together: one by one, each would wait for its step


@dataclass
class History:
    """What `fit` returns: the losses, and the state from which ``fit(…, resume=history.state)`` goes on."""

    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0  # of training, without the bar
    samples_per_second: float = 0.0
    interrupted: bool = False
    state: dict[str, Any] | None = None
    cell: int | None = None  # the notebook's cell whose output has it all, under the curve

    def _ipython_display_(self) -> None:
        """Its line, but not a second time in the cell that shows the curve."""
        if self.cell != get_ipython().execution_count:  # type: ignore[name-defined] # noqa: F821
            print(self)

    def __repr__(self) -> str:
        if not self.losses:
            return "no steps"
        tail = ", stopped early: fit(…, resume=history.state) goes on" if self.interrupted else ""
        return (
            f"{len(self.losses)} steps in {self.seconds:.0f} s ({self.samples_per_second:.0f} samples/s), "
            f"loss {self.losses[0]:.3f} → {self.losses[-1]:.3f}{tail}"
        )


def fit(
    method: Method,
    data: Data | DataLoader[Any],
    steps: int | None = None,
    batch_size: int | None = None,
    bar: bool = True,
    landmarks: Mapping[str, float] | None = None,
    **settings: Any,
) -> History:
    """`train` with a progress bar: a line in a terminal, a live loss curve in a notebook.

    Ctrl-C (or the notebook's ■) stops after the step; the method keeps what it has learned, and
    ``fit(…, resume=history.state)`` goes on as if nothing had happened. The arguments are those of `train`;
    ``bar=False`` shows nothing, for cells that train many networks. ``landmarks``: words → the loss at which
    the notebook's curve has a dashed line, as in `live`.
    """
    history = History(state=settings.get("resume"))
    save = settings.pop("save", None)

    def keep(state: dict[str, Any]) -> None:
        history.state = state
        if save is not None:
            save(state)

    shown = _bar(type(method).__name__, landmarks or {}) if bar else None
    unread: list[Step] = []
    began = time.perf_counter()
    try:
        for step in train(method, data, steps, batch_size, save=keep, **settings):
            unread.append(step)
            if len(unread) == UNREAD:
                history.losses += read_losses(unread)
                unread = []
            history.samples_per_second = step.samples_per_second
            if shown is not None:
                shown.update(step)
    except KeyboardInterrupt:
        history.interrupted = True
    finally:
        history.losses += read_losses(unread)
        history.seconds = time.perf_counter() - began
        if shown is not None:
            shown.close(history)
    return history


def _bar(name: str, landmarks: Mapping[str, float]) -> Any:
    """The notebook's bar inside a notebook, a line of tqdm elsewhere; none on ranks but the first."""
    if int(os.environ.get("RANK", 0)) > 0:
        return None
    try:
        shell = get_ipython().__class__.__name__  # type: ignore[name-defined]
    except NameError:
        shell = ""
    if shell == "ZMQInteractiveShell":
        from ssl_course.widgets.frame.progress import Bar  # late and upwards: widgets stand above training

        return Bar(name, landmarks)
    return _Line(name)


class _Line:
    """tqdm in a terminal."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.bar: Any = None

    def update(self, step: Step) -> None:
        if self.bar is None:
            from tqdm import tqdm

            self.bar = tqdm(total=step.steps, initial=step.index - 1, desc=self.name, unit="step")
        if self.bar.update():  # only where it was drawn: reading a loss waits for its step
            self._say(step.loss, step.samples_per_second)

    def _say(self, loss: float, speed: float) -> None:
        self.bar.set_postfix_str(f"loss {loss:.4f}, {speed:.0f} samples/s", refresh=False)

    def close(self, history: History) -> None:
        if self.bar is not None:
            self._say(history.losses[-1], history.samples_per_second)
            self.bar.close()
        if history.interrupted:
            print(history)
