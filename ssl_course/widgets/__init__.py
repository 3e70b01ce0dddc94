"""Widgets: one file each, all on one canvas. Nothing is imported before it is used."""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "Canvas": "canvas",
    "Panel": "canvas",
    "Pointer": "canvas",
    "Key": "canvas",
    "Explorer": "explorer",
    "Plot": "draw",
    "SceneExplorer": "scene_explorer",
    "PipelineTour": "pipeline_tour",
    "HoleExplorer": "hole_explorer",
    "Live": "live",
    "live": "live",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"ssl_course.widgets has no {name!r}; it has {', '.join(_HOME)}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
