"""Widgets: one file each, all on one canvas. Nothing is imported before it is used."""

import importlib
import re
from typing import Any

# Each gives its file the name: SceneExplorer in scene_explorer.py.
_EXPERIMENTS = (
    "SceneExplorer PipelineTour HoleExplorer ColorizationExplorer MaskingExplorer HidingCurves "
    "HolePainter BreakTheBound WhereKComesFrom BoundExplorer HarmlessOrHarmful JigsawGame RotationGame "
    "MaskedWords NextWord AugmentationExplorer SimilarityMatrix DrawnRow CollapseLab "
    "DependenceExplorer FlipExplorer SharedVersusLarge HalvesExplorer NoiseFit CaptionSearch Leaderboard"
).split()
_HOME = {
    **dict.fromkeys(("Canvas", "Panel", "Pointer", "Key"), "frame.canvas"),
    **dict.fromkeys(("Live", "live"), "frame.live"),
    **dict.fromkeys(("film", "filmed"), "frame.film"),
    "Explorer": "frame.explorer",
    "Plot": "frame.draw",
    "CollapseCircle": "collapse_lab",
    **{name: re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in _EXPERIMENTS},
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"ssl_course.widgets has no {name!r}; it has {', '.join(_HOME)}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
