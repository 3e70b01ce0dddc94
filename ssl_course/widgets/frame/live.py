"""Training that can be watched and steered: in the background, while cells and other widgets answer."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import copy
import html
import math
import operator
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import ipywidgets
import torch
from torch import nn

from ssl_course.interfaces import pair_of
from ssl_course.training import DEFAULTS, Step, train
from ssl_course.widgets.frame import draw, replay
from ssl_course.widgets.frame.canvas import Panel
from ssl_course.widgets.frame.explorer import Explorer, answer_while_busy
from ssl_course.widgets.frame.leftover import Leftover
from ssl_course.widgets.frame.pairs import pair_panels, seeded
from ssl_course.widgets.frame.progress import Curve, curve_panel, so_far
from ssl_course.widgets.frame.slider import settle

PAUSE = 0.2  # seconds between two pictures, at least
SHARE = 1 / 10  # of the time may go into pictures
BREATH = 0.02  # seconds after which everybody else gets a turn
PASSES = 10  # turns of the event loop that a message needs from its socket to its callback, and some more
MARKS = 9  # changes that stay marked on the curve
_ALIVE: weakref.WeakSet[Live] = weakref.WeakSet()


class Run(NamedTuple):
    """All that a picture of a run is made of; a new one every few steps, none is ever changed."""

    labels: dict[str, str]  # of the controls
    curve: dict[str, Any]  # what `curve_panel` draws
    panels: tuple[Panel, ...]  # the views
    line: str  # HTML


class Live(Explorer):
    """Train ``method`` on ``data`` with Start, Pause, Step and Reset, and controls that act between steps.

        live(SimSiam(), data, controls={"stop_gradient": True, "lr": (1e-4, 1e-1)})
        live(MAE(), data, controls={"mask_ratio": (0.1, 0.9)}, views=lambda mae: [Panel(…), …])

    Nothing is trained before Start is pressed: until then a recorded run of the same recipe is shown, faint,
    where there is one. Its curve stays below the new one; its pictures, of which two sets would be one too
    many to compare at a glance, give way to those of the method as it is trained here, and come back with
    Reset. Then `train` is driven step by step in a task on the event loop of the thread that made the widget.
    Between steps cells and other widgets have their turn and find the method in eval mode. Pause and Start do
    not change the run: it ends with the same weights, bit for bit, as ``train(method, data, …)`` at one go.
    Without an event loop, in plain Python, `run` does the steps.

    In a notebook, the run's state is written to the student's own folder every hundred steps: if the kernel
    dies, the same cell offers to go on from there.

    A new live widget for the same method, or from the same cell run again, stops the earlier one.

    Args:
        method: put into the state that the controls show; its state then is what Reset brings back: weights,
            buffers, and plain attributes of all its modules.
        data, steps, batch_size, lr, seed, more: see `train`; what is not given comes from the method's
            defaults, the seed is 0.
        controls: name → what moves it. The name is an attribute of the method ("temperature", or dotted,
            "augment.strength"), set to the newest value before the next step; or "lr", the learning rate,
            which the schedule goes on to multiply. What moves it is an ipywidget with a description; or (low,
            high) or (low, high, step), a slider that starts at the method's own value; or a list of choices;
            or True or False. With ``(ipywidget, function)``, ``function(method, value)`` is called instead.
        views: called with the method, gives the Panels beside the curve. It runs in eval mode, without
            gradients, and draws the same random numbers each time, so that the same masks come again. None
            shows X₁ and X₂ of one example, as the method's own `pair` makes them, where they can be drawn.
        landmarks: words → the loss at which the curve has a dashed line.
        every: steps between two calls of ``views``; never more often than pictures are shown.
        save: see `train`.

    Raises:
        AttributeError: a control that the method does not have.
        TypeError: a setting that `train` does not know, a control that cannot be understood,
            views without panels.
    """

    index: int  # steps done
    running = _retired = False
    _generator: Iterator[Step] | None = None
    _task: asyncio.Task | None = None
    _resetting = False
    _panels: tuple[Panel, ...] | None = None  # None until the views were drawn once

    def __init__(
        self,
        method: nn.Module,
        data: Any,
        *,
        steps: int | None = None,
        batch_size: int | None = None,
        controls: Mapping[str, Any] | None = None,
        views: Callable[[nn.Module], Any] | None = None,
        landmarks: Mapping[str, float] | None = None,
        every: int = 20,
        lr: float | Callable[[int], float] | None = None,
        seed: int | None = None,
        save: Callable[[dict[str, Any]], None] | None = None,
        **more: Any,
    ) -> None:
        self.method, self._data = method, data
        self._cell = _cell()
        for other in list(_ALIVE):  # before the weights are looked at
            again = self._cell[0] and self._cell[0] == other._cell[0] and self._cell[1] != other._cell[1]
            if other.method is method or again:
                other.retire()
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        self._home, self._context = threading.get_ident(), contextvars.copy_context()

        defaults = DEFAULTS | getattr(method, "defaults", {})
        self._given = self._resume = more.pop("resume", None)
        defaults |= self._given["settings"] if self._given else {}
        self._how = {"steps": steps, "batch_size": batch_size, "lr": lr, "seed": seed, **more}
        self._save = save
        self._begin = self._resume["step"] if self._resume else 0
        planned, batch = steps or defaults["steps"], batch_size or defaults["batch_size"]
        size, self._lr = sum(p.numel() for p in method.parameters()), lr or defaults["lr"]
        # what is painted names no source
        of = getattr(data, "source", "") or (len(data) if hasattr(data, "__len__") else "?")
        self.recipe = f"{type(method).__name__}, {size} weights, {planned} × {batch} of {of}, lr {self._lr}"
        self._recorded = None if self._given else replay.recorded(self.recipe)
        self._steps = min(planned, int(os.environ.get("SSL_COURSE_MAX_STEPS", planned)))
        self._leftover = Leftover(f"{self.recipe}, seed {seed}", "" if self._given else self._cell[0])
        self._offered = step if (step := self._leftover.step()) < self._steps else 0
        if controls and "lr" in controls and callable(lr):
            raise TypeError("lr is either a function of the steps or a control, not both")

        self._train().close()  # names a setting that does not exist, in the cell
        made = {name: _control(name, what, method, self._lr) for name, what in (controls or {}).items()}
        self._acts = {name: act for name, (_, act) in made.items()}
        self.controls = {name: control for name, (control, _) in made.items()}
        for control in self.controls.values():  # before it acts
            settle(control)
        self._applied = {name: control.value for name, control in self.controls.items()}
        self._at_start = dict(self._applied)
        for name, value in self._applied.items():
            self._act(name, value)
        self._draw_views, self._every, self._landmarks = views, every, dict(landmarks or {})
        self._first = _snapshot(method)
        self._clear()
        self._panels = self._views()
        actions = {"Start": lambda: self.pause() if self.running else self.start(), "Step": self._one}
        super().__init__(self.controls, state=self._now(), actions=actions)
        self.action_buttons["Start"].tooltip = "Train until Pause or the last step"
        self.action_buttons["Step"].tooltip = "One step"
        self.reset_button.tooltip = "Put the first weights and every control back"
        if self._offered:
            words, tip = f"Resume at {self._offered:,}", "Go on with the run that was broken off"
            self._resume_button = self.button(words, lambda: self._at_home(self._take_up), tip)
            self.add(self._resume_button)
        _ALIVE.add(self)

    @staticmethod
    def render(state: Run, /, **values: Any) -> tuple[list[Panel], str]:
        """The curve with the controls' values above it, then the views; pure."""
        note = " · ".join(f"{state.labels[name]} {_in_words(value)}" for name, value in values.items())
        return [curve_panel(**state.curve, note=draw.short(note, 72)), *state.panels], state.line

    # ------------------------------------------------------------------------------- what a student uses
    def start(self) -> None:
        """Train in the background, from where the run is.

        Raises:
            RuntimeError: there is no event loop, or this widget was replaced by a newer one.
        """
        if self._loop is None:
            raise RuntimeError("there is no event loop to train in here: use run(n)")
        if self._retired:
            raise RuntimeError("a newer live widget has taken over: run this cell again")
        self._at_home(self._begin_task)

    def pause(self) -> None:
        """Stop after the current step; `start` goes on as if nothing had happened."""
        self.running = False
        self._at_home(self._show)

    def run(self, steps: int | None = None) -> Live:
        """Train here and now: ``steps`` further steps, or up to the last one.

        Raises:
            Diverged, MemoryError, ValueError: see `train`; the method stays usable.
        """
        if self._retired:
            raise RuntimeError("a newer live widget has taken over: make a new one")
        self.running = False
        until = self._steps if steps is None else self.index + steps
        self._clock = (time.perf_counter(), self.index)
        while self.index < until and self._advance():
            self._show_if_due()
        self._show(views=True)
        if self.failure is not None:
            raise self.failure
        return self

    def reset(self) -> None:
        """Stop; first weights, every attribute and every control back to the start."""
        self.running = False
        self._at_home(self._restart)

    def retire(self) -> None:
        """Stop for good, because another widget takes over."""
        self.running, self._retired = False, True
        self._end_generator()
        for button in [*self.action_buttons.values(), self.reset_button]:
            button.disabled = True
        self._show()

    def close(self) -> None:
        """Stop, and remove the widget."""
        self.running = False
        super().close()

    # ----------------------------------------------------------------------------------- between threads
    def _at_home(self, action: Callable[[], None]) -> None:
        """Run it in the thread that trains, between two steps: callbacks may come from any thread."""
        if threading.get_ident() == self._home or self._loop is None or self._loop.is_closed():
            action()
        else:
            self._loop.call_soon_threadsafe(self.attempt, action, context=self._context)

    def _on_change(self, change: Any) -> None:
        super()._on_change(change)
        self._at_home(self._settle)

    def _take_up(self) -> None:
        """The run that was broken off goes on where its state was last written."""
        if not self._offered or self._retired or self.running or self.index > self._begin:
            return
        state, controls = self._leftover.take(self.method)
        self._resume, self._begin = state, state["step"]
        if not callable(self._lr):
            self._lr = self._how["lr"] = state["settings"]["lr"]
        self._clear()
        for name in controls.keys() & self.controls.keys():
            self._applied[name] = controls[name] if name == "lr" else self._applied[name]
        self.set(**{name: value for name, value in controls.items() if name in self.controls})
        self.start() if self._loop else self._show(views=True)

    def _withdraw(self) -> None:
        """Whatever was offered is out of date once something is trained or reset."""
        if self._offered:
            self._offered, self._resume_button.layout.display = 0, "none"

    def _one(self) -> None:
        self.running = False
        self._at_home(lambda: self._show(views=self._advance()))

    def _begin_task(self) -> None:
        if self._retired or self._over():
            return
        self.running = True
        self._clock = (time.perf_counter(), self.index)
        if self._task is None or self._task.done():  # else it has not yet noticed the pause
            self._task = self._loop.create_task(self._go(), context=self._context)
        self._show()

    async def _go(self) -> None:
        """The task: steps, and turns for everybody else."""
        rested = 0.0
        try:
            while self.running and self._advance():
                self._show_if_due()
                late = time.perf_counter() - rested > BREATH
                for _ in range(PASSES if late else 1):
                    await asyncio.sleep(0)
                rested = time.perf_counter() if late else rested
        finally:
            self.running = False
            self._show(views=True)

    # -------------------------------------------------------------------------------------------- steps
    def _advance(self) -> bool:
        """One step, after the controls have acted; False if there was none."""
        if self._retired or self._over():
            return False
        try:
            self._apply()
            if self._generator is None:
                self._generator = self._train()
            self.method.train()
            step = next(self._generator)
        except KeyboardInterrupt:  # the notebook's ■ is a pause; the loop has kept its state
            self._generator = None
            return False
        except Exception as error:
            self.failure, self._generator = error, None
            return False
        finally:
            self.method.eval()  # for views, cells and other widgets
        self._step, self.index, self._steps = step, step.index, step.steps
        self._withdraw()
        self._curve.see(step)
        if self._over():
            self._end_generator()
        return True

    @property
    def losses(self) -> list[float]:
        """Of all steps so far; read from the device when asked for, all at once, as each reading waits."""
        self._losses += self._curve.read()
        return self._losses

    def _over(self) -> bool:
        return self.failure is not None or self.index >= self._steps

    def _train(self) -> Iterator[Step]:
        state = copy.deepcopy(self._resume)  # the optimizer goes on in the tensors that it is given
        return train(self.method, self._data, **self._how, save=self._keep, resume=state)

    def _keep(self, state: dict[str, Any]) -> None:
        self._resume = state
        if state["step"] < self._steps:
            self._leftover.keep(self.method, state, {name: self._applied[name] for name in self.controls})
        else:
            self._leftover.forget()
        if self._save is not None:
            self._save(state)

    def _end_generator(self) -> None:
        """Afterwards ``self._resume`` is the state after the last step."""
        generator, self._generator = self._generator, None
        if generator is not None:
            generator.close()

    def _apply(self) -> bool:
        """The newest values of the controls to the method; whether any has changed."""
        changed = False
        for name, control in self.controls.items():
            value = control.value
            if value == self._applied[name]:
                continue
            self._applied[name], changed = value, True
            try:
                self._act(name, value)
                self._troubles.pop(name, None)
            except Exception as error:  # the run goes on without it
                self._troubles[name] = f"{control.description}: {type(error).__name__}: {error}"
                continue
            words = f"{control.description} {_in_words(value)}"
            last = self._marks[-1] if self._marks else (-1, "")
            near = self.index - last[0] <= 0.02 * (self._steps - self._begin)
            if near and last[1].startswith(f"{control.description} "):  # a slider on its way
                self._marks.pop()
            if self.index > self._begin:
                self._marks = [*self._marks[1 - MARKS :], (self.index, words)]
        return changed

    def _act(self, name: str, value: Any) -> None:
        act = self._acts[name]
        if act is not None:
            act(self.method, value)
        elif name == "lr":
            self._set_lr(value)
        else:
            owner, _, attribute = name.rpartition(".")
            setattr(operator.attrgetter(owner)(self.method) if owner else self.method, attribute, value)

    def _set_lr(self, value: float) -> None:
        """Through the state of a run, groups keep the ratio of their rates, the schedule its place."""
        old, self._lr = self._lr, value
        self._how["lr"] = value
        if value == old:
            return
        self._end_generator()
        if (state := self._resume) is None:  # before the first step
            return
        groups = [g | {"base_lr": g["base_lr"] / old * value} for g in state["optimizer"]["param_groups"]]
        optimizer = state["optimizer"] | {"param_groups": groups}
        self._resume = state | {"settings": state["settings"] | {"lr": value}, "optimizer": optimizer}

    def _settle(self) -> None:
        """A control was moved: while nothing is trained, it acts at once."""
        if not (self.running or self._retired or self._resetting) and self._apply():
            self._show(views=True)

    def _restart(self) -> None:
        if self._retired:
            return
        self._end_generator()
        self._resetting = True
        try:
            super().reset()
        finally:
            self._resetting = False
        _reset_to(self.method, self._first)
        self._resume = self._given
        self._begin = self._given["step"] if self._given else 0
        self._leftover.forget()
        self._withdraw()
        self._clear()
        for name, control in self.controls.items():
            self._applied[name] = control.value
            self._act(name, control.value)
        self._show(views=True)

    def _clear(self) -> None:
        """As if no step had been done."""
        self.index, self._step = self._begin, None
        self._losses: list[float] = []
        self._curve, self._marks = Curve(self._begin), []
        self.failure: Exception | None = None
        self._troubles: dict[str, str] = {}  # of controls and views; they do not stop a run
        self._views_at, self._shown_at, self._cost = -1, 0.0, 0.0
        self._clock = (0.0, self._begin)  # when and where this stretch of steps began

    # ------------------------------------------------------------------------------------------ pictures
    def _show_if_due(self) -> None:
        if time.perf_counter() - self._shown_at >= max(PAUSE, self._cost / SHARE):
            self._show()

    def _show(self, views: bool = False) -> None:
        """What there is now onto the screen."""
        began = time.perf_counter()
        if views or self.index - self._views_at >= self._every:
            self._panels = self._views()
        button = self.action_buttons["Start"]
        button.description = "Pause" if self.running else "Start"
        answer_while_busy(button)
        self.show(self._now())
        self._shown_at = time.perf_counter()
        self._cost = self._shown_at - began

    def _views(self) -> tuple[Panel, ...]:
        self._views_at = self.index
        self.method.eval()
        try:
            with seeded(0):
                panels = (self._draw_views or self._example)(self.method)
            panels = (panels,) if isinstance(panels, Panel) else tuple(panels)
            if not all(isinstance(panel, Panel) for panel in panels):
                raise TypeError("views(method) gives a list of Panels (ssl_course.widgets.Panel)")
        except Exception as error:
            if self._panels is None:
                raise  # an error of the cell
            self._troubles["views"] = f"views: {type(error).__name__}: {error}"
            return self._panels
        self._troubles.pop("views", None)
        return panels

    def _example(self, method: nn.Module) -> list[Panel]:
        """X₁ and X₂ of the first example; nothing where there is none, or none before `prepare`."""
        if not hasattr(self._data, "inputs"):
            return []
        with contextlib.suppress(*[ValueError] * hasattr(method, "prepare")):
            return pair_panels(method, pair_of(method, self._data[:1]), captions=("X₁", "X₂"), side=120)
        return []

    def _now(self) -> Run:
        name, done, left = type(self.method).__name__, self.index, self._steps - self.index
        words, losses = f"step {done:,} of {self._steps:,}", self.losses
        if self._step is not None:
            seconds, since = time.perf_counter() - self._clock[0], done - self._clock[1]
            pace = seconds / since if self.running and since > 0 else None
            words = so_far(done, self._steps, losses[-1], self._step, pace)
        wrong = list(self._troubles.values())
        if self.failure is not None:
            wrong.append(f"{type(self.failure).__name__}: {self.failure}")
            line = "Reset puts the first weights back."
        elif self._retired:
            line = "A newer live widget has taken over. Run this cell again to train here."
        elif self.running:
            line = "Training. Controls act between steps; other cells and widgets answer meanwhile."
        elif left <= 0:
            line = "Done. Reset puts the first weights back."
        elif done > self._begin:
            line = f"Paused after step {done:,}. Start goes on exactly from there."
        else:
            line = f"Start trains <b>{html.escape(name)}</b> for {left:,} steps."
            if self._offered:
                line = f"This cell's run broke off: Resume goes on from step {self._offered:,}. {line}"
            if self._recorded is not None:
                line += " Faint is a recorded run: its curve stays below yours"
                line += ", its pictures give way to yours." if self._recorded.panels else "."
        for text in wrong:
            line = f'<span class="ssl-error">{html.escape(text)}</span> {line}'
        labels = {name: control.description for name, control in self.controls.items()}
        curve = {"name": name, "losses": self._curve.losses(), "marks": tuple(self._marks), "caption": words}
        curve |= {"begin": self._begin, "done": done, "steps": self._steps, "landmarks": self._landmarks}
        if self.running:
            curve["empty"] = "the first step is on its way"
        panels = self._panels
        if self._recorded is not None:
            curve["before"] = self._recorded.losses
            if self._step is None and self._applied == self._at_start:
                panels = self._recorded.panels
        return Run(labels, curve, panels, line)


def live(method: nn.Module, data: Any, **settings: Any) -> Live:
    """`Live` as a function: ``live(method, data, controls=…, views=…)``."""
    return Live(method, data, **settings)


@atexit.register
def _end_all() -> None:
    """Runs end, and save, while Python is still whole."""
    for one in list(_ALIVE):
        one._end_generator()


# ------------------------------------------------------------------------------------------------ small parts
def _control(name: str, what: Any, method: nn.Module, lr: Any) -> tuple[ipywidgets.Widget, Callable | None]:
    """(the ipywidget, the function that it calls or None for an attribute)."""
    if isinstance(what, tuple) and len(what) == 2 and isinstance(what[0], ipywidgets.Widget):
        if not callable(what[1]):
            raise TypeError(f"controls: {name!r} is (ipywidget, function), and the function cannot be called")
        return what
    now = lr
    if name != "lr":
        try:
            now = operator.attrgetter(name)(method)
        except AttributeError:
            raise AttributeError(
                f"controls: {type(method).__name__} has no attribute {name!r}; for anything else give "
                "(ipywidget, function of method and value)"
            ) from None
    label = "learning rate" if name == "lr" else name.rpartition(".")[2].replace("_", " ")
    if isinstance(what, ipywidgets.Widget):
        return what, None
    if isinstance(what, bool):
        return ipywidgets.Checkbox(what, description=label), None
    if isinstance(what, list):
        return ipywidgets.Dropdown(options=what, value=now, description=label), None
    if isinstance(what, tuple) and len(what) in (2, 3) and all(isinstance(v, int | float) for v in what):
        low, high = what[:2]
        if isinstance(now, int) and all(isinstance(v, int) for v in what):
            step = what[2] if len(what) == 3 else 1
            return ipywidgets.IntSlider(now, low, high, step, description=label), None
        if 0 < low and high >= 100 * low and len(what) == 2:
            how = {"min": math.log10(low), "max": math.log10(high), "step": 0.05, "readout_format": ".1e"}
            return ipywidgets.FloatLogSlider(now, **how, description=label), None
        step = what[2] if len(what) == 3 else 10.0 ** math.floor(math.log10((high - low) / 20))
        return ipywidgets.FloatSlider(now, min=low, max=high, step=step, description=label), None
    raise TypeError(
        f"controls: {name!r} is an ipywidget, (low, high), (low, high, step), a list, True or False, or "
        f"(ipywidget, function); not {what!r}"
    )


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _cell() -> tuple[str, str]:
    """(the notebook's name for the cell that runs, this run of it); empty where there is no notebook."""
    try:
        parent = get_ipython().kernel.get_parent("shell")  # type: ignore[name-defined]
        return parent["metadata"]["cellId"], parent["header"]["msg_id"]
    except (NameError, AttributeError, KeyError, TypeError):
        return "", ""


_TORCHS = vars(nn.Module()).keys()  # attributes of a module that are torch's business


def _snapshot(method: nn.Module) -> dict[str, Any]:
    """Tensors and plain attributes of all modules, by name, as copies."""
    first = {}
    for name, module in method.named_modules():
        tensors = {k: None if t is None else t.detach().clone() for k, t in _tensors(module)}
        plain = {}
        for key, value in vars(module).items():
            if key not in _TORCHS:
                # a lock, an open file: not part of what training changes
                with contextlib.suppress(Exception):
                    plain[key] = copy.deepcopy(value)
        first[name] = (tensors, plain)
    return first


@torch.no_grad()
def _reset_to(method: nn.Module, first: dict[str, Any]) -> None:
    """The method as it was, in the same tensors wherever they fit, so that others who hold them see it."""
    method.zero_grad(set_to_none=True)
    for name, module in method.named_modules():
        tensors, plain = first.get(name, ({}, {}))
        for key, now in list(_tensors(module)):
            if key not in tensors:  # made later, by prepare
                continue
            was = tensors[key]
            if was is not None and now is not None and was.shape == now.shape:
                now.copy_(was)
            elif was is not None and key in module._parameters:
                setattr(module, key, nn.Parameter(was.clone()))
            else:
                setattr(module, key, None if was is None else was.clone())
        for key, value in plain.items():
            vars(module)[key] = copy.deepcopy(value)


def _tensors(module: nn.Module) -> Iterator[tuple[str, torch.Tensor | None]]:
    yield from module._parameters.items()
    yield from module._buffers.items()
