"""What can stop a run: Ctrl-C, a loss that is no number, too little memory."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn


class Diverged(RuntimeError):
    """The loss became NaN or infinite; the method holds its last good state, of step ``.step``."""

    step = 0


@contextmanager
def whole_step() -> Iterator[Callable[[], bool]]:
    """Ctrl-C waits until the step is done, so that weights and optimizer fit together;
    a second one does not wait."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False  # signals go to the main thread only
        return
    before = signal.getsignal(signal.SIGINT)
    asked: list[int] = []

    def wait(number: int, frame: FrameType | None) -> None:
        if asked and callable(before):
            before(number, frame)
        asked.append(number)

    signal.signal(signal.SIGINT, wait)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)


def finite(method: nn.Module) -> bool:
    return all(bool(torch.isfinite(p).all()) for p in method.parameters())


def diverged(method: nn.Module, step: int, loss: float, good: tuple[int, dict[str, Tensor]]) -> Diverged:
    """The error for a loss that is not a number, with the weights put back where they were still good."""
    last = step
    if not finite(method):
        last = good[0]
        method.load_state_dict(good[1])
    error = Diverged(
        f"the loss is {loss} at step {step + 1}; the method holds its last good state, of step {last}. Try a "
        "smaller learning rate (lr=…/10), more warm-up, or look for NaN in the data. "
        "On a GPU also precision='32-true'."
    )
    error.step = last
    return error


def out_of_memory(error: BaseException) -> bool:
    text = str(error).lower()
    return (
        isinstance(error, MemoryError | torch.OutOfMemoryError)
        or "allocate memory" in text
        or "out of memory" in text
    )


def too_large(model: Any, batches: Any, step: int, fabric: Any) -> MemoryError:
    """Halve the batch until a forward and backward pass fit, and say which did."""
    asked = batches.batch
    size, advice = asked // fabric.world_size // 2, ""
    while size >= 2:
        if fabric.device.type == "cuda":
            torch.cuda.empty_cache()
        try:
            fabric.backward(model(batches.take(step)[:size]))
            advice = f" batch_size={size * fabric.world_size} fits."
            break
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            size //= 2
        finally:
            model.zero_grad(set_to_none=True)
    return MemoryError(
        f"step {step + 1} with batch_size={asked} does not fit into the memory of {fabric.device}."
        + (advice or " Not even two samples fit: choose a smaller model or smaller pictures.")
    )
