"""What the course is about: one x becomes a pair (X₁, X₂), and a method learns to tell X₂ from X₁.

`Pair` is what a method makes of a batch; `Method`, `Data` and `Batch` say, for readers and for type checkers,
what the rest of the course expects of each other. Nothing is inherited from them:
whatever has these names will do.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Pair:
    """X₁ and X₂ of one batch; ``x1, x2 = method.pair(batch)``.

    Attributes:
        x1: (N, …), what the network sees. Pictures are floats in [0, 1], lightness is in Lab units. A method
            may make several rows of one x: rotation has every picture in each of its turns.
        x2: (N, …), what it must predict, or agree with.
        parts: named extras of the same length. ``"hidden"`` (N, 1, H, W) is 1 where pixels of a picture are
            hidden from x1, 0 where they are seen; x2 alone does not tell, it may overlap with what x1 shows.
    """

    x1: Tensor
    x2: Tensor
    parts: dict[str, Tensor] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Tensor]:
        return iter((self.x1, self.x2))

    def __len__(self) -> int:
        return len(self.x1)


class Batch(Protocol):
    """What one step of training gets: a slice of a data set, on the device."""

    @property
    def inputs(self) -> Tensor:
        """What `Method.encode` takes: pictures (N, 3, H, W) uint8, ids (N, T) int64 or rows (N, d)."""
        ...

    def __len__(self) -> int:
        """N."""
        ...


class Data(Protocol):
    """A whole set: `Pictures`, `Texts` or `Pairs`; after `Method.prepare`, where there is one,
    a slice is a `Batch`."""

    @property
    def inputs(self) -> Tensor | list[str]:
        """Those of a `Batch`; the strings of texts that have no ids yet."""
        ...

    def __len__(self) -> int:
        """N."""
        ...

    @property
    def labels(self) -> dict[str, Tensor]:
        """Name → (N,) int64 of classes 0..K−1; only probes look at them."""
        ...

    def __getitem__(self, index: int | slice | Tensor) -> Self:
        """A slice, a tensor of indices or a mask gives a batch."""
        ...

    def to(self, device: str | torch.device) -> Self:
        """The same set on another device."""
        ...


class Method(Protocol):
    """An ``nn.Module`` that learns by itself. Optional: ``prepare(data)``, ``param_groups(lr)``,
    ``after_step()``."""

    def pair(self, batch: Any) -> Pair:
        """x → (x₁, x₂), drawn anew with each call: the only place where a method makes them."""
        ...

    def forward(self, batch: Any) -> Tensor:
        """The loss of `pair`, 0-d."""
        ...

    def encode(self, x: Tensor) -> Tensor:
        """What a `Batch` has as ``inputs``, nothing hidden → features (N, D)."""
        ...


def pair_of(method: Any, batch: Batch, **how: Any) -> Pair:
    """``method.pair(batch)``, checked: for who trains, draws or measures methods written by others.

    ``how``: what else the method's ``pair`` takes, as BERT's ``generator``.

    Raises:
        TypeError: the method has no ``pair``, or it returns something else than a `Pair` of tensors (N, …).
        ValueError: x1, x2 and the parts have different lengths.
    """
    name = type(method).__name__
    if not callable(getattr(method, "pair", None)):
        raise TypeError(
            f"{name} has no pair(batch): give it one that returns Pair(x1, x2), what its network sees and "
            "what it must predict, and let forward call it"
        )
    pair = method.pair(batch, **how)
    if not isinstance(pair, Pair):
        raise TypeError(
            f"{name}.pair(batch) returned a {type(pair).__name__}: return ssl_course.interfaces.Pair(x1, x2)"
        )
    named = {"x1": pair.x1, "x2": pair.x2, **pair.parts}
    for key, value in named.items():
        if not torch.is_tensor(value) or value.ndim == 0:
            was = "a number" if torch.is_tensor(value) else type(value).__name__
            raise TypeError(f"{name}.pair(batch) gave {was} as {key}: give a tensor (N, …), a row per pair")
    lengths = {key: len(value) for key, value in named.items()}
    if len(set(lengths.values())) > 1:
        rows = ", ".join(f"{key} {n}" for key, n in lengths.items())
        raise ValueError(
            f"{name}.pair(batch) returned other numbers of rows ({rows}): row i of each is one pair"
        )
    return pair
