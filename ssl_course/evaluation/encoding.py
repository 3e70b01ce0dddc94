"""Features of a frozen network: eval mode, no gradients, and afterwards all is as it was before."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import nn

Network = Callable[[torch.Tensor], torch.Tensor] | nn.Module  # see `ssl_course.evaluation`


class Labelled(Protocol):
    """What is probed: `Pictures`, `Texts`, `Pairs`, `Encoded`, or anything else with these names."""

    @property
    def inputs(self) -> Any:
        """(N, …)."""
        ...

    @property
    def labels(self) -> dict[str, torch.Tensor]:
        """Name → (N,) classes 0..K−1."""
        ...

    def __len__(self) -> int: ...


@contextmanager
def frozen(module: object) -> Iterator[None]:
    """Eval mode and no gradients inside; afterwards each submodule's training flag is what it was before.

    Per submodule, since a method may keep some of its layers (a frozen target, a batch norm) in another mode
    than its root. What is no module passes through.
    """
    flags = [(m, m.training) for m in module.modules()] if isinstance(module, nn.Module) else []
    try:
        for m, _ in flags:
            m.training = False
        with torch.no_grad():
            yield
    finally:
        for m, flag in flags:
            m.training = flag


def module_of(method: object) -> nn.Module | None:
    """The module behind a method, None behind a plain function."""
    owner = method if isinstance(method, nn.Module) else getattr(method, "__self__", None)
    return owner if isinstance(owner, nn.Module) else None


def device_of(method: object) -> torch.device | None:
    """Where the method's weights are; None: it has none, so inputs stay where they are."""
    owner = module_of(method)
    tensors = [*owner.parameters(), *owner.buffers()] if owner is not None else []
    return tensors[0].device if tensors else None


def name_of(method: object) -> str:
    """What tables call a method: its class or function, Class.method for a bound method."""
    if method is None:
        return "features"
    owner, own = module_of(method), getattr(method, "__name__", type(method).__name__)
    return own if owner is None or owner is method else f"{type(owner).__name__}.{own}"


def features(method: Network, inputs: torch.Tensor, batch_size: int = 64) -> torch.Tensor:
    """Frozen features of all inputs, (N, D) float32 on the CPU.

    Args:
        method: see `ssl_course.evaluation`.
        inputs: (N, ...), for pictures (N, 3, H, W) uint8 or float in [0, 1]; moved to the method's device in
            pieces of ``batch_size``.

    Raises:
        ValueError: no inputs, strings instead of ids, an output that is not (N, D),
            or features that are not finite.
    """
    if not len(inputs):
        raise ValueError("inputs is empty: there is nothing to encode")
    if isinstance(inputs[0], str):
        raise ValueError("inputs are strings, not ids: prepare the texts first: test = method.prepare(test)")
    function, device, name = getattr(method, "encode", method), device_of(method), name_of(method)
    rows = []
    with frozen(module_of(method)):
        for chunk in torch.as_tensor(inputs).split(batch_size):
            z = function(chunk if device is None else chunk.to(device))  # (n, D)
            if z.ndim != 2 or len(z) != len(chunk):
                raise ValueError(f"{name} made {tuple(z.shape)} of {len(chunk)} inputs; features are (N, D)")
            rows.append(z.detach().float().cpu())
    return finite(torch.cat(rows), name)


def finite(x: torch.Tensor, name: str) -> torch.Tensor:
    """x (N, D) itself, or a ValueError that names its maker."""
    bad = int((~x.isfinite()).any(1).sum())
    if bad:
        raise ValueError(
            f"{name}: the features of {bad} of {len(x)} inputs are NaN or infinite. If the inputs are "
            "finite, its weights have diverged: go back to the last good checkpoint, or train with a lower "
            "learning rate."
        )
    return x


@dataclass(frozen=True)
class Encoded:
    """Features with the labels of their pictures: goes where data goes when ``method`` is None."""

    inputs: torch.Tensor  # (N, D)
    labels: dict[str, torch.Tensor]
    name: str = "features"
    source: str = ""  # of the data: which part of which set

    def __len__(self) -> int:
        return len(self.inputs)


def encode(method: Network | None, data: Labelled, batch_size: int = 64) -> Encoded:
    """Encode once, probe often: ``linear_probe(None, train=encode(m, train), test=encode(m, test), ...)``.

    Raises:
        ValueError: as `features`; with method None, inputs that are not (N, D) or not finite.
    """
    if method is not None:
        if isinstance(data, Encoded):
            raise ValueError(f"the data are features of {data.name} already: give None as the method")
        source = getattr(data, "source", "")
        return Encoded(features(method, data.inputs, batch_size), data.labels, name_of(method), source)
    x, name = torch.as_tensor(data.inputs), getattr(data, "name", "features")
    if x.ndim != 2:
        raise ValueError(f"method is None, so inputs must be features (N, D), got {tuple(x.shape)}")
    return Encoded(finite(x.detach().float().cpu(), name), data.labels, name, getattr(data, "source", ""))


def pixels(size: int = 16) -> Callable[[torch.Tensor], torch.Tensor]:
    """The baseline that learns nothing: pictures averaged down to ``size`` × ``size`` and laid in a row.

    The function returned takes (N, C, H, W), uint8 or float in [0, 1], and gives (N, C·h·w) in [0, 1] with
    h = min(size, H) and w = min(size, W).
    """

    def encode_pixels(x: torch.Tensor) -> torch.Tensor:
        x = x.float() if x.is_floating_point() else x.float() / 255
        return F.adaptive_avg_pool2d(x, (min(size, x.shape[2]), min(size, x.shape[3]))).flatten(1)

    encode_pixels.__name__ = f"pixels {size}×{size}"
    return encode_pixels


def classes_of(data: Labelled, label: str) -> torch.Tensor:
    """Labels (N,) on the CPU."""
    if label not in data.labels:
        raise ValueError(
            f"unknown label {label!r}; the data have {', '.join(map(repr, data.labels)) or 'none'}"
        )
    y = torch.as_tensor(data.labels[label]).cpu()
    if y.is_floating_point() or y.ndim != 1 or (y < 0).any():
        raise ValueError(f"label {label!r} needs whole numbers 0..K-1, (N,), not {y.dtype} {tuple(y.shape)}")
    return y.long()


def encode_pair(
    method: Network | None, train: Labelled, test: Labelled, label: str
) -> tuple[Encoded, Encoded]:
    """Both sets encoded, after the cheap checks."""
    for data in (train, test):
        classes_of(data, label)
    pair = encode(method, train), encode(method, test)
    if pair[0].inputs.shape[1] != pair[1].inputs.shape[1]:
        raise ValueError(f"train has {pair[0].inputs.shape[1]} features, test has {pair[1].inputs.shape[1]}")
    return pair


def rows_of(z: torch.Tensor, argument: str = "z", least: int = 1) -> torch.Tensor:
    """(N, D) in float64 on the CPU."""
    z = torch.as_tensor(z).detach().cpu().double()
    if z.ndim != 2 or len(z) < least:
        raise ValueError(f"{argument} must be (N, D) with N at least {least}, got {tuple(z.shape)}")
    return finite(z, argument)
