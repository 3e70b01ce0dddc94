"""Where a run takes its batches from, and the random state that it owns."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ssl_course.data.pictures import Pictures
from ssl_course.interfaces import Data


class Random:
    """The run's own random state, swapped in around every step, so that nobody else's draws change a run."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self.device = device
        with self:
            torch.manual_seed(seed)

    def __enter__(self) -> None:
        self.outside = self._get()
        if hasattr(self, "inside"):
            self._set(self.inside)

    def __exit__(self, *_: object) -> None:
        self.inside = self._get()
        self._set(self.outside)

    def _get(self) -> dict[str, Tensor]:
        cuda = {"cuda": torch.cuda.get_rng_state(self.device)} if self.device.type == "cuda" else {}
        return {"cpu": torch.get_rng_state(), **cuda}

    def _set(self, state: dict[str, Tensor]) -> None:
        torch.set_rng_state(state["cpu"])
        if self.device.type == "cuda" and "cuda" in state:  # absent when a run moves from a CPU
            torch.cuda.set_rng_state(state["cuda"], self.device)


class Resident:
    """Batches of a set that lies on the device: each pass in a new order that only seed and pass decide."""

    def __init__(self, data: Data, settings: dict[str, Any], fabric: Any) -> None:
        try:
            self.data: Any = data.to(fabric.device)
        except torch.OutOfMemoryError:  # larger than the GPU: rows travel batch by batch
            self.data = data
        self.device, self.seed = fabric.device, settings["seed"]
        self.batch = min(settings["batch_size"], len(data))
        if self.batch % fabric.world_size:
            raise ValueError(
                f"batch_size={self.batch} is the joint batch and must be divisible "
                f"by {fabric.world_size} ranks"
            )
        share = self.batch // fabric.world_size
        self.mine = slice(fabric.global_rank * share, (fabric.global_rank + 1) * share)
        self.epoch = -1

    def take(self, step: int) -> Any:
        epoch, number = divmod(step, len(self.data) // self.batch)
        if epoch != self.epoch:
            stream = torch.Generator().manual_seed(self.seed * 100_003 + epoch)
            order = torch.randperm(len(self.data), generator=stream)
            self.epoch, self.order = epoch, order.to(self.data.inputs.device)
        rows = self.order[number * self.batch : (number + 1) * self.batch][self.mine]
        return self.data[rows].to(self.device)

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any], step: int, random: Random) -> None:
        pass


class Loader:
    """Batches of a torch DataLoader, its ``(x, y)`` wrapped;
    on resuming, the pass is begun again up to its place."""

    def __init__(self, loader: Any, settings: dict[str, Any], fabric: Any) -> None:
        self.loader, self.device = loader, fabric.device
        self.batch = loader.batch_size or settings["batch_size"]
        self.batches: Iterator[Any] | None = None
        self.start: dict[str, Tensor] = {}  # the random state in which this pass began
        self.number = 0  # batches taken from this pass

    def take(self, step: int) -> Any:
        while True:
            if self.batches is None:
                self.start = {"cpu": torch.get_rng_state()}
                self.batches, self.number = iter(self.loader), 0
            try:
                batch = next(self.batches)
            except StopIteration:
                if self.number == 0:
                    why = "the DataLoader gives no batch (drop_last with too few pictures?)"
                    raise ValueError(why) from None
                self.batches = None
                continue
            self.number += 1
            return _as_batch(batch).to(self.device)

    def state(self) -> dict[str, Any]:
        return {"start": self.start, "number": self.number}

    def restore(self, state: dict[str, Any], step: int, random: Random) -> None:
        with random:
            torch.set_rng_state(state["start"]["cpu"])
            self.start, self.batches = state["start"], iter(self.loader)
            for _ in range(state["number"]):
                next(self.batches)
            self.number = state["number"]


def _as_batch(batch: Any) -> Any:
    if hasattr(batch, "inputs"):
        return batch
    x, *y = batch if isinstance(batch, tuple | list) else (batch,)
    return Pictures(x, {"label": y[0]} if y and torch.is_tensor(y[0]) else {})
