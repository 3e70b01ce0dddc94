"""Where a run computes: a GPU that works, else the CPU."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional as F

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Alone:
    """What a `Run` asks of a Fabric, for one process on the CPU, where it is no more than this.

    Lightning itself brings PyTorch's compiler (`ssl_course.training.optimizer`) and seconds of waiting.
    """

    device, world_size, global_rank, is_global_zero = torch.device("cpu"), 1, 0, True

    def setup(self, method: Any, optimizer: Any) -> tuple[Any, Any]:
        """Both as they are."""
        return method, optimizer

    def backward(self, loss: torch.Tensor) -> None:
        """Gradients."""
        loss.backward()


def default_fabric() -> Fabric | Alone:
    """`make_fabric`, unless this process is alone on a machine without a GPU."""
    gpu = torch.cuda.is_available()
    return make_fabric() if gpu or int(os.environ.get("WORLD_SIZE", 1)) > 1 else Alone()


def make_fabric(accelerator: str | None = None, precision: Any = None) -> Fabric:
    """Lightning Fabric for this process, all ranks of `torchrun` included.

    Args:
        accelerator: "cpu", "cuda" or "mps"; None takes an NVIDIA GPU that works, else the CPU.
        precision: as Lightning calls it; None is "bf16-mixed" on a GPU that computes in bf16, else "32-true".
    """
    from lightning_fabric import Fabric  # late: it takes a second to load

    if accelerator is None:
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
        if accelerator == "cuda" and (why := gpu_fault()):
            accelerator = "cpu"
            warnings.warn(f"the GPU does not compute ({why}), so the CPU trains", stacklevel=2)
    if precision is None:
        # A T4 or V100 "supports" bf16 by emulation, far slower than plain float32.
        native = accelerator == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        precision = "bf16-mixed" if native else "32-true"
    world, local = (int(os.environ.get(k, 1)) for k in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    fabric = Fabric(
        accelerator=accelerator,
        devices=local,
        num_nodes=world // local,
        precision=precision,
        strategy="ddp" if world > 1 else "auto",
    )
    fabric.launch()
    return fabric


def gpu_fault() -> str:
    """Why one small convolution does not run on this rank's GPU, in a line; "" when it does.

    A GPU can be there and yet of no use: too old for this build of torch, out of memory, its driver broken.
    """
    number = int(os.environ.get("LOCAL_RANK", 0)) % max(torch.cuda.device_count(), 1)
    try:
        picture, kernel = (torch.ones(1, 3, side, side, device=f"cuda:{number}") for side in (8, 3))
        F.conv2d(picture, kernel).sum().item()  # item waits, so that an error comes here
    except (RuntimeError, AssertionError) as error:  # AssertionError: torch was built without CUDA
        return (str(error).strip().splitlines() or [type(error).__name__])[0]
    return ""
