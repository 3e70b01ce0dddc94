"""Widgets: one file each, all on one canvas. Nothing is imported before it is used."""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "Canvas": "frame.canvas",
    "Panel": "frame.canvas",
    "Pointer": "frame.canvas",
    "Key": "frame.canvas",
    "Explorer": "frame.explorer",
    "Plot": "frame.draw",
    "SceneExplorer": "scene_explorer",
    "PipelineTour": "pipeline_tour",
    "HoleExplorer": "hole_explorer",
    "ColorizationExplorer": "colorization_explorer",
    "MaskingExplorer": "masking_explorer",
    "HidingCurves": "hiding_curves",
    "HolePainter": "hole_painter",
    "BreakTheBound": "break_the_bound",
    "WhereKComesFrom": "where_k_comes_from",
    "BoundExplorer": "bound_explorer",
    "HarmlessOrHarmful": "harmless_or_harmful",
    "JigsawGame": "jigsaw_game",
    "RotationGame": "rotation_game",
    "MaskedWords": "masked_words",
    "NextWord": "next_word",
    "AugmentationExplorer": "augmentation_explorer",
    "SimilarityMatrix": "similarity_matrix",
    "DrawnRow": "drawn_row",
    "CollapseCircle": "collapse_lab",
    "CollapseLab": "collapse_lab",
    "DependenceExplorer": "dependence_explorer",
    "FlipExplorer": "flip_explorer",
    "SharedVersusLarge": "shared_versus_large",
    "HalvesExplorer": "halves_explorer",
    "NoiseFit": "noise_fit",
    "CaptionSearch": "caption_search",
    "Leaderboard": "leaderboard",
    "Live": "frame.live",
    "live": "frame.live",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"ssl_course.widgets has no {name!r}; it has {', '.join(_HOME)}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
