"""Where x and y come from: the course's own worlds, and real sets through `load`."""

import importlib
from typing import Any

# loaded when first used: torch takes a second or more
_HOME = {"load": "catalog", "Pictures": "pictures", "Pairs": "pairs", "Texts": "texts"}
_ROOMS = ("scenes", "reviews", "catalog", "pictures", "pairs", "texts")


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
