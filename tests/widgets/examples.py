"""One small instance of every widget, for the tests that sweep them all and those that look at one of them.

A widget that is quick to build needs no line here. Networks are untrained, so that nothing has to be loaded.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ssl_course import nets, widgets
from ssl_course.data import Texts, reviews, scenes
from ssl_course.methods import (
    BERT,
    CLIP,
    GPT,
    MAE,
    Colorization,
    ContextEncoder,
    Jigsaw,
    Rotation,
    SimCLR,
    SimSiam,
)
from ssl_course.studies import comparison
from ssl_course.widgets import Explorer, Panel

# What widgets are made of; live() makes a Live.
FRAME = {"Canvas", "Panel", "Pointer", "Key", "Explorer", "Plot", "live", "film", "filmed"}
WIDGETS = [name for name in widgets.__all__ if name not in FRAME]


def example(name: str) -> Any:
    """The widget of this name, with the same weights each time."""
    torch.manual_seed(0)
    return SMALL.get(name, getattr(widgets, name))()


def captions() -> Explorer:
    data = scenes.World().sample(24, 32, seed=1)
    network = CLIP(width=16, embed_dim=8)
    network.prepare(data)
    return widgets.CaptionSearch(network, data, candidates=())


def circle() -> Explorer:
    """Four steps done."""
    return widgets.CollapseCircle(scenes.World().sample(32, size=16, seed=0), steps=8, batch_size=8).run(4)


def collapse() -> Explorer:
    """Four steps done."""
    method = SimSiam(nets.ConvNet((8, 16)), projection=(16, 8))
    data = scenes.World().sample(32, size=16, seed=0)
    return widgets.CollapseLab(method, data, steps=8, batch_size=8, lr=0.05).run(4)


def colours() -> Explorer:
    """One network of each kind."""
    both = {"small": Colorization(step=40.0), "small L2": Colorization(objective="l2")}
    return widgets.ColorizationExplorer(both, scenes.World().sample(5, 32, 0), with_shipped=False)


def drawn_row() -> Explorer:
    rows = {
        "crop": {"tint": (0.9, 0.01), "count": (0.4, 0.02)},
        "colour": {"tint": (0.5, 0.03), "count": (0.5, math.nan)},
    }
    return widgets.DrawnRow(rows, {"tint": 0.9, "count": 0.5}, chance={"tint": 1 / 3, "count": 1 / 3})


def holes() -> Explorer:
    data = scenes.World().sample(5, 32, 0)
    return widgets.HolePainter({"small": ContextEncoder(image_size=32)}, data, with_shipped=False)


def leaderboard() -> Explorer:
    """Three methods out of a hat, two seeds of each."""
    rows = [
        {
            "cell": {"method": method, "seed": seed},
            "accuracy": {"biome": {"30": accuracy + seed / 50}, "light": {"30": 0.5}},
        }
        for method, accuracy in ((comparison.PIXELS, 0.4), ("rotation", 0.6), ("CLIP", 0.8))
        for seed in (0, 1)
    ]
    return widgets.Leaderboard(rows, Path("nowhere"))


def live() -> Explorer:
    """A MAE, three steps done."""
    data = scenes.World().sample(8, size=32, seed=0)
    controls = {"mask_ratio": (0.1, 0.9), "masking": ["random", "block", "grid"], "lr": (1e-4, 1e-1)}

    def views(mae: nn.Module) -> list[Panel]:
        return [Panel(mae.reconstruct(data.images[:1])[0][0], "reconstruction", width=128)]

    mae = MAE(32, 8, dim=32, depth=1, decoder_dim=32)
    return widgets.live(mae, data, steps=6, batch_size=4, controls=controls, views=views).run(3)


def masks() -> Explorer:
    """A network of 16 patches, and one trained on normalised patches."""
    small = {"image_size": 32, "dim": 32, "depth": 1, "heads": 2, "decoder_dim": 16, "decoder_heads": 2}
    both = {"small": MAE(**small), "normalised": MAE(**small, norm_pix_loss=True)}
    return widgets.MaskingExplorer(both, scenes.World().sample(5, 32, 0))


def next_word() -> Explorer:
    """Networks of words and of pieces."""
    pieces = GPT(vocab_size=300, context=96, dim=16)
    pieces.prepare(Texts(None, reviews.World().sample(50).strings))
    return widgets.NextWord({"film reviews": GPT(dim=16).eval(), "Shakespeare": pieces.eval()})


def three() -> Any:
    """Pictures for a game."""
    return scenes.World(0.5).sample(3, 32, seed=1)


def simclr() -> SimCLR:
    return SimCLR(nets.ConvNet((4, 8)), (8, 4))


SMALL: dict[str, Callable[[], Explorer]] = {
    "AugmentationExplorer": lambda: widgets.AugmentationExplorer(
        simclr(), scenes.World().sample(20, size=16, seed=0)
    ),
    "BoundExplorer": lambda: widgets.BoundExplorer(repeats=8),
    "CaptionSearch": captions,
    "CollapseCircle": circle,
    "CollapseLab": collapse,
    "ColorizationExplorer": colours,
    "DrawnRow": drawn_row,
    "HalvesExplorer": lambda: widgets.HalvesExplorer(scenes.World(0.5).sample(260, size=24, seed=11)),
    "HolePainter": holes,
    "JigsawGame": lambda: widgets.JigsawGame(Jigsaw(nets.ConvNet((8, 8)), grid=2), three()),
    "Leaderboard": leaderboard,
    "Live": live,
    "MaskedWords": lambda: widgets.MaskedWords(BERT(dim=16)),
    "MaskingExplorer": masks,
    "NextWord": next_word,
    "PipelineTour": lambda: widgets.PipelineTour(scenes.World(0.5).sample(2, size=48, seed=21), 40, 30),
    "RotationGame": lambda: widgets.RotationGame(Rotation(nets.ConvNet((8, 8))), three()),
    "SimilarityMatrix": lambda: widgets.SimilarityMatrix(simclr(), scenes.World().sample(4, size=16, seed=0)),
    "WhereKComesFrom": lambda: widgets.WhereKComesFrom(repeats=8),
}
