"""The loop: `train`, a generator of steps."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ssl_course.training.batches import Loader, Random, Resident
from ssl_course.training.faults import diverged, finite, out_of_memory, too_large, whole_step
from ssl_course.training.optimizer import make_optimizer, rate, restore

DEFAULTS = {
    "optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.05, "betas": (0.9, 0.999), "momentum": 0.9,
    "schedule": "cosine", "warmup": 0.05, "steps": 400, "batch_size": 128,
}  # fmt: skip


class Step:
    """One step of training.

    Attributes:
        index: steps done so far, 1 … ``steps``.
        steps: how many there will be.
        loss: of this step's batch, before the update.
        lr: learning rate of the first group.
        samples_per_second: over the last steps, without the time that the caller took between them.
    """

    __slots__ = ("index", "steps", "lr", "samples_per_second", "_loss")

    def __init__(self, index: int, steps: int, loss: Tensor, lr: float, samples_per_second: float) -> None:
        self.index, self.steps, self.lr, self.samples_per_second = index, steps, lr, samples_per_second
        self._loss = loss

    @property
    def loss(self) -> float:
        """Read from the device only when asked for: on a GPU every reading waits for the step to end."""
        return float(self._loss)

    def __repr__(self) -> str:
        return (
            f"Step({self.index}/{self.steps}, loss {self.loss:.4f}, {self.samples_per_second:.0f} samples/s)"
        )


def make_fabric(accelerator: str | None = None, precision: str | None = None) -> Any:
    """Lightning Fabric for this process: a GPU in bf16 where there is one, else the CPU; all ranks of `torchrun`."""
    from lightning_fabric import Fabric

    if accelerator is None:
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    if precision is None:
        precision = "bf16-mixed" if accelerator == "cuda" and torch.cuda.is_bf16_supported() else "32-true"
    world, local = (int(os.environ.get(k, 1)) for k in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    fabric = Fabric(
        accelerator=accelerator, devices=local, num_nodes=world // local, precision=precision,
        strategy="ddp" if world > 1 else "auto",
    )  # fmt: skip
    fabric.launch()
    return fabric


def _copy(tree: Any) -> Any:
    if torch.is_tensor(tree):
        return tree.detach().clone()
    if isinstance(tree, dict):
        return {k: _copy(v) for k, v in tree.items()}
    return [_copy(v) for v in tree] if isinstance(tree, list | tuple) else tree


def train(
    method: nn.Module,
    data: Any,
    steps: int | None = None,
    batch_size: int | None = None,
    *,
    optimizer: str | None = None,
    lr: float | Callable[[int], float] | None = None,
    weight_decay: float | None = None,
    betas: tuple[float, float] | None = None,
    momentum: float | None = None,
    schedule: str | None = None,
    warmup: float | None = None,
    seed: int | None = None,
    fabric: Any = None,
    compile: bool = False,
    on_step: Callable[[Step], None] | None = None,
    save: Callable[[dict[str, Any]], None] | None = None,
    every: int = 100,
    resume: dict[str, Any] | None = None,
) -> Iterator[Step]:
    """Train ``method`` on ``data``, one `Step` at a time; stop whenever you like, the method stays usable.

    Settings that are None come from the run that is resumed, then from ``method.defaults``, then from `DEFAULTS`.

    Args:
        data: Pictures, Texts or Pairs (kept on the device, where they fit), or any torch DataLoader.
        steps: how many; the environment's SSL_COURSE_MAX_STEPS caps it.
        batch_size: joint over all ranks; at most the whole set.
        optimizer: "adamw", "sgd" or "lars". ``weight_decay`` spares biases, norms and single vectors.
        lr: the largest learning rate, or a function of the steps done, which then replaces the schedule (not in
            groups of a constant rate).
        schedule, warmup: see `rate`.
        seed: decides order and draws of this run, whatever else happens in the process. (Initial weights are
            the method's.)
        fabric: a Lightning Fabric; by default `make_fabric()`.
        compile: torch.compile the method. Off: on two cores the first step then took 29 to 37 s (SimCLR, MAE) and
            the others at most a tenth less than before; meant for long runs on a GPU.
        on_step: called with every step.
        save: called with the state, every ``every`` steps, at the end, and when the run is stopped. The state is
            a dict of tensors and plain values, `checkpoints.save` writes it.
        resume: such a state; the run goes on to exactly the weights of an unbroken one.

    Raises:
        Diverged: the loss is NaN or infinite; the method holds its last good state.
        MemoryError: out of memory; names the batch size that fitted.
        ValueError: settings that cannot be.
    """
    given = {
        "steps": steps, "batch_size": batch_size, "optimizer": optimizer, "lr": None if callable(lr) else lr,
        "weight_decay": weight_decay, "betas": betas, "momentum": momentum, "schedule": schedule, "warmup": warmup,
        "seed": seed,
    }  # fmt: skip
    before = resume["settings"] if resume else getattr(method, "defaults", {})
    settings = {"seed": 0} | DEFAULTS | before | {k: v for k, v in given.items() if v is not None}
    if cap := os.environ.get("SSL_COURSE_MAX_STEPS"):
        settings["steps"] = min(settings["steps"], int(cap))
    if settings["steps"] < 1 or settings["batch_size"] < 1:
        raise ValueError("steps and batch_size are at least 1")
    if hasattr(data, "inputs") and len(data) == 0:
        raise ValueError("there is nothing to train on: the data are empty")
    if batch_size and hasattr(data, "inputs") and batch_size > len(data):
        warnings.warn(
            f"batch_size={batch_size} is more than the {len(data)} rows of data: every step sees all of them",
            stacklevel=3,
        )
    fabric = fabric or make_fabric()

    random = Random(settings["seed"] + fabric.global_rank, fabric.device)
    with random:
        method.to(fabric.device)
        if hasattr(method, "prepare") and hasattr(data, "inputs"):
            data = method.prepare(data)
    done = 0
    if resume:
        method.load_state_dict(resume["method"])
    method.train()
    if compile:
        method.compile()
    model, stepper = fabric.setup(method, make_optimizer(method, settings))
    batches = (Resident if hasattr(data, "inputs") else Loader)(data, settings, fabric)
    if resume:
        done = resume["step"]
        restore(stepper.optimizer, resume["optimizer"])
        for group in stepper.param_groups:  # as saved, unless another rate is asked for now
            group["base_lr"] *= settings["lr"] / resume["settings"]["lr"]
        random.inside = {k: v.cpu() for k, v in resume["random"][fabric.global_rank].items()}
        if resume["data"]:
            inside = dict(random.inside)
            batches.restore(resume["data"], done, random)
            random.inside = inside

    def state() -> dict[str, Any]:
        mine = random.inside
        ranks = [mine]
        if fabric.world_size > 1:
            ranks = [None] * fabric.world_size
            torch.distributed.all_gather_object(ranks, mine)
        return _copy(
            {
                "step": done, "settings": settings, "method": method.state_dict(),
                "optimizer": stepper.state_dict(), "random": ranks, "data": batches.state(),
            }
        )  # fmt: skip

    def keep() -> None:
        now = state()  # every rank takes part, one writes
        if save is not None and fabric.is_global_zero:
            save(now)

    asks = 1 if fabric.device.type == "cpu" else 16  # asking a GPU for the loss waits for it

    def update() -> Tensor:
        """One batch, one step of the optimizer."""
        loss = model(batches.take(done))
        if (done % asks == 0 or done == total - 1) and not torch.isfinite(loss.detach()):
            raise diverged(method, done, float(loss.detach()), good)
        stepper.zero_grad(set_to_none=True)
        fabric.backward(loss)
        stepper.step()
        if hasattr(method, "after_step"):
            method.after_step()
        return loss.detach()

    total, saved = settings["steps"], done
    good = (done, _copy(method.state_dict()))
    times: list[float] = []
    try:
        while done < total:
            began = time.perf_counter()
            factor = rate(done, total, settings["warmup"], settings["schedule"])
            for group in stepper.param_groups:
                group["lr"] = group["base_lr"] * (1.0 if group["constant_lr"] else factor)
                if callable(lr) and not group["constant_lr"]:
                    group["lr"] = lr(done)
            failed = None
            with whole_step() as interrupted, random:
                try:
                    loss = update()
                except (RuntimeError, MemoryError) as error:
                    if not out_of_memory(error):
                        raise
                    failed = error.with_traceback(None)  # lets go of what the failed step holds
                if failed is not None:
                    raise too_large(model, batches, done, fabric) from failed
            done += 1
            times = [*times[-19:], time.perf_counter() - began]
            speed = batches.batch * len(times) / sum(times)
            step = Step(done, total, loss, stepper.param_groups[0]["lr"], speed)
            if done % every == 0 or done == total:
                if done - good[0] >= every and finite(method):
                    good = (done, _copy(method.state_dict()))
                if save is not None:
                    keep()
                    saved = done
            if on_step is not None:
                on_step(step)
            yield step
            if interrupted():  # only now, so that the caller has seen the step
                raise KeyboardInterrupt
    except (GeneratorExit, KeyboardInterrupt):
        # Ranks do not stop at the same step; and a dying interpreter can write no file.
        if save is not None and saved != done and fabric.world_size == 1 and not sys.is_finalizing():
            keep()
        raise
    finally:
        method.eval()
