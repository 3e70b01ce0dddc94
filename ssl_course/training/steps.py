"""What `train` yields."""

from collections.abc import Sequence

import torch
from torch import Tensor


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


def read_losses(steps: Sequence[Step]) -> list[float]:
    """The losses of many steps, as `Step.loss` gives them, for one wait and one transfer from the device."""
    if not steps:
        return []
    return torch.stack([step._loss.reshape(()) for step in steps]).tolist()
