"""The loop: `train`, a generator of steps."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ssl_course.interfaces import Data, Method
from ssl_course.training.fabric import default_fabric
from ssl_course.training.faults import whole_step
from ssl_course.training.run import Run, settle
from ssl_course.training.steps import Step

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch.utils.data import DataLoader


def train(
    method: Method,
    data: Data | DataLoader[Any],
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
    fabric: Fabric | None = None,
    compile: bool = False,
    on_step: Callable[[Step], None] | None = None,
    save: Callable[[dict[str, Any]], None] | None = None,
    every: int = 100,
    resume: dict[str, Any] | None = None,
) -> Iterator[Step]:
    """Train ``method`` on ``data``, one `Step` at a time; stop whenever you like, the method stays usable.

    Settings that are None come from the run that is resumed, then from ``method.defaults``,
    then from `DEFAULTS`.

    Args:
        method: its `pair` is asked once, and checked, before the first step.
        data: Pictures, Texts or Pairs (kept on the device, where they fit), or any torch DataLoader.
        steps: how many; the environment's SSL_COURSE_MAX_STEPS caps it.
        batch_size: joint over all ranks; at most the whole set.
        optimizer: "adamw", "sgd" or "lars". ``weight_decay`` spares biases, norms and single vectors.
        lr: the largest learning rate, or a function of the steps done, which then replaces the schedule (not
            in groups of a constant rate).
        schedule, warmup: see `rate`.
        seed: decides order and draws of this run, whatever else happens in the process. (Initial weights are
            the method's.)
        fabric: a Lightning Fabric; by default that of `make_fabric()`, none on one process and its CPU.
        compile: torch.compile the method. Off: on two cores the first step then took 29 to 37 s (SimCLR, MAE)
            and the others at most a tenth less than before; meant for long runs on a GPU.
        on_step: called with every step.
        save: called with the state, every ``every`` steps, at the end, and when the run is stopped. The state
            is a dict of tensors and plain values, `checkpoints.save` writes it.
        resume: such a state; the run goes on to exactly the weights of an unbroken one.

    Raises:
        Diverged: the loss is NaN or infinite; the method holds its last good state.
        MemoryError: out of memory; names the batch size that fitted.
        TypeError, ValueError: settings that cannot be, or no `pair` that could be learned from.
    """
    given: dict[str, Any] = {"steps": steps, "batch_size": batch_size, "optimizer": optimizer, "seed": seed}
    given |= {"lr": None if callable(lr) else lr, "schedule": schedule, "warmup": warmup}
    given |= {"weight_decay": weight_decay, "betas": betas, "momentum": momentum}
    settings = settle(given, method, data, resume)
    where = fabric or default_fabric()
    run = Run(method, data, settings, where, compile, resume)
    # On a GPU every asks-th step waits for all before it: whole rounds, so that each counts equally often.
    times: deque[float] = deque(maxlen=20 if run.asks == 1 else 2 * run.asks)
    try:
        while run.done < run.total:
            began = time.perf_counter()
            first_rate = run.set_rates(lr if callable(lr) else None)
            with whole_step() as interrupted, run.random:
                loss = run.step()
            times.append(time.perf_counter() - began)
            speed = run.batches.batch * len(times) / sum(times)
            step = Step(run.done, run.total, loss, first_rate, speed)
            if run.done % every == 0 or run.done == run.total:
                run.remember_good(every)
                if save is not None:
                    run.hand_to(save)
            if on_step is not None:
                on_step(step)
            yield step
            if interrupted():  # only now, so that the caller has seen the step
                raise KeyboardInterrupt
    except (GeneratorExit, KeyboardInterrupt):
        # Ranks do not stop at the same step; and a dying interpreter can write no file.
        if save and run.saved != run.done and where.world_size == 1 and not sys.is_finalizing():
            run.hand_to(save)
        raise
    finally:
        run.method.eval()
