"""What pictures, texts and pairs have in common: a part of a set is a set again, and so is a batch."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, Self

import torch


class Rows:
    """A dataclass whose tensors, dicts of tensors and lists of strings hold a row for each sample.

    Lists within a dict, the names of classes, belong to the whole set and stay.
    """

    def __getitem__(self, index: int | slice | torch.Tensor) -> Self:
        """A slice, a tensor of indices or a mask gives a batch; a single number a batch of one."""
        if isinstance(index, int):
            index = torch.tensor([range(len(self))[index]])
        if not torch.is_tensor(index):
            return self._each(lambda x: x[index], lambda strings: _strings_at(strings, index))
        return self._each(lambda x: x[index.to(x.device)], lambda strings: _strings_at(strings, index.cpu()))

    def to(self, device: str | torch.device) -> Self:
        """The same set with its tensors on another device."""
        return self._each(lambda x: x.to(device), lambda strings: strings)

    def _each(self, tensors: Callable[[torch.Tensor], torch.Tensor], lists: Callable[[list], list]) -> Self:
        """The same set with every tensor and every list of rows replaced."""
        changed: dict[str, Any] = {}
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if torch.is_tensor(value):
                changed[name] = tensors(value)
            elif isinstance(value, dict):
                changed[name] = {k: tensors(v) if torch.is_tensor(v) else v for k, v in value.items()}
            elif isinstance(value, list):
                changed[name] = lists(value)
        return replace(self, **changed)


def _strings_at(strings: list[str], index: Any) -> list[str]:
    """Index a list, empty where a set has none, the way a tensor is indexed."""
    if strings and not (torch.is_tensor(index) and index.dtype != torch.bool):
        # Only here: a batch's own indices are not worth numbering the whole set.
        index = torch.arange(len(strings))[index]
    return [strings[i] for i in index.reshape(-1).tolist()] if strings else []
