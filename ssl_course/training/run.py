"""One run: what it is made of, one step of it, and the state from which it goes on."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ssl_course.interfaces import Data, Method, pair_of
from ssl_course.training.batches import Loader, Random, Resident
from ssl_course.training.faults import diverged, finite, out_of_memory, too_large
from ssl_course.training.optimizer import make_optimizer, rate, restore

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch.utils.data import DataLoader

    from ssl_course.training.fabric import Alone

DEFAULTS: dict[str, Any] = {
    "optimizer": "adamw",
    "lr": 1e-3,
    "weight_decay": 0.05,
    "betas": (0.9, 0.999),
    "momentum": 0.9,
    "schedule": "cosine",
    "warmup": 0.05,
    "steps": 400,
    "batch_size": 128,
}


def settle(
    given: dict[str, Any], method: Method, data: Data | DataLoader[Any], resume: dict[str, Any] | None
) -> dict[str, Any]:
    """All settings of a run: those given, else of the resumed run or the method, else `DEFAULTS`.

    Raises:
        ValueError: settings that cannot be, or no data.
    """
    before = resume["settings"] if resume else getattr(method, "defaults", {})
    settings = {"seed": 0} | DEFAULTS | before | {k: v for k, v in given.items() if v is not None}
    if cap := os.environ.get("SSL_COURSE_MAX_STEPS"):
        settings["steps"] = min(settings["steps"], int(cap))
    if settings["steps"] < 1 or settings["batch_size"] < 1:
        raise ValueError("steps and batch_size are at least 1")
    if hasattr(data, "inputs"):
        if len(data) == 0:
            raise ValueError("there is nothing to train on: the data are empty")
        if (asked := given["batch_size"]) and asked > len(data):
            warnings.warn(
                f"batch_size={asked} is more than the {len(data)} rows of data: every step sees all of them",
                stacklevel=4,
            )
    return settings


class Run:
    """Method, optimizer, batches and random state of one run, on the fabric's device.

    Attributes:
        done: steps so far.
        total: how many there will be.
        asks: after how many steps the loss is looked at; asking a GPU waits for it.
    """

    def __init__(
        self,
        method: Method,
        data: Data | DataLoader[Any],
        settings: dict[str, Any],
        fabric: Fabric | Alone,
        compile: bool,
        resume: dict[str, Any] | None,
    ) -> None:
        if not isinstance(method, nn.Module):
            raise TypeError(f"a method is a torch.nn.Module, not {type(method).__name__}")
        self.method, self.settings, self.fabric = method, settings, fabric
        self.done, self.total, self.asked = 0, settings["steps"], False
        self.asks = 1 if fabric.device.type == "cpu" else 16
        self.random = Random(settings["seed"] + fabric.global_rank, fabric.device)
        with self.random:
            method.to(fabric.device)
            prepare = getattr(method, "prepare", None)
            if prepare is not None and hasattr(data, "inputs"):
                data = prepare(data)
        if resume:
            method.load_state_dict(resume["method"])
        method.train()
        if compile:
            method.compile()
        self.optimizer = make_optimizer(method, settings)
        self.model, self.stepper = fabric.setup(method, self.optimizer)
        kind: Any = Resident if hasattr(data, "inputs") else Loader
        self.batches: Resident | Loader = kind(data, settings, fabric)
        if resume:
            self._go_on_from(resume)
        self.saved = self.done  # the step of the newest state that was handed out
        self.good = (self.done, copied(method.state_dict()))  # to go back to when the loss is no number

    def _go_on_from(self, state: dict[str, Any]) -> None:
        self.done = state["step"]
        restore(self.optimizer, state["optimizer"])
        for group in self.stepper.param_groups:  # as saved, unless another rate is asked for now
            group["base_lr"] *= self.settings["lr"] / state["settings"]["lr"]
        inside = {k: v.cpu() for k, v in state["random"][self.fabric.global_rank].items()}
        self.random.inside = dict(inside)
        if state["data"]:
            self.batches.restore(state["data"], self.done, self.random)
            self.random.inside = inside  # beginning the pass again must not count as draws

    def state(self) -> dict[str, Any]:
        """All that the run needs to go on exactly, copied; with several ranks each must call it."""
        ranks = [self.random.inside]
        if self.fabric.world_size > 1:
            ranks = ranks * self.fabric.world_size
            torch.distributed.all_gather_object(ranks, self.random.inside)
        kept: dict[str, Any] = copied(
            {
                "step": self.done,
                "settings": self.settings,
                "method": self.method.state_dict(),
                "optimizer": self.stepper.state_dict(),
                "random": ranks,
                "data": self.batches.state(),
            }
        )
        return kept

    def hand_to(self, save: Callable[[dict[str, Any]], None]) -> None:
        """The state to ``save``: every rank takes part, one writes."""
        state = self.state()
        if self.fabric.is_global_zero:
            save(state)
        self.saved = self.done

    def remember_good(self, every: int) -> None:
        """Keep the weights, if the newest kept ones are ``every`` steps old and these are numbers."""
        if self.done - self.good[0] >= every and finite(self.method):
            self.good = (self.done, copied(self.method.state_dict()))

    def set_rates(self, lr: Callable[[int], float] | None) -> float:
        """Learning rates of the coming step, by schedule or function; returns that of the first group."""
        factor = rate(self.done, self.total, self.settings["warmup"], self.settings["schedule"])
        for group in self.stepper.param_groups:
            group["lr"] = group["base_lr"] * (1.0 if group["constant_lr"] else factor)
            if lr is not None and not group["constant_lr"]:
                group["lr"] = lr(self.done)
        return float(self.stepper.param_groups[0]["lr"])

    def step(self) -> Tensor:
        """One batch, one step of the optimizer. Returns the loss, 0-d, still on the device.

        Raises:
            Diverged: the loss is no number; the weights are the last good ones.
            MemoryError: too large a batch.
        """
        try:
            loss = self._step()
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            failed = error.with_traceback(None)  # lets go of what the failed step holds
        else:
            self.done += 1
            return loss
        raise too_large(self.model, self.batches, self.done, self.fabric) from failed

    def _step(self) -> Tensor:
        batch = self.batches.take(self.done)
        if not self.asked:  # so that a wrong pair is named; this draw of it does not count
            gpu = [self.fabric.device] if self.fabric.device.type == "cuda" else []
            with torch.random.fork_rng(gpu), torch.no_grad():
                pair_of(self.method, batch)
            self.asked = True
        loss: Tensor = self.model(batch)
        looked_at = self.done % self.asks == 0 or self.done == self.total - 1
        if looked_at and not torch.isfinite(loss.detach()):
            raise diverged(self.method, self.done, float(loss.detach()), self.good)
        self.stepper.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        self.stepper.step()
        after_step = getattr(self.method, "after_step", None)
        if after_step is not None:
            after_step()
        return loss.detach()


def copied(tree: Any) -> Any:
    """Dicts, lists and tensors of a state, so that later steps do not change it; tuples become lists."""
    if torch.is_tensor(tree):
        return tree.detach().clone()
    if isinstance(tree, dict):
        return {k: copied(v) for k, v in tree.items()}
    return [copied(v) for v in tree] if isinstance(tree, list | tuple) else tree
