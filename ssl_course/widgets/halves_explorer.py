"""Lecture 07: halves of pictures as two views; what does a component of PCA or CCA sort by? (note §3.2)"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from ipywidgets import Dropdown, IntSlider, ToggleButtons

from ssl_course.course import palette
from ssl_course.data import scenes
from ssl_course.data.pairs import Pairs
from ssl_course.data.pictures import Pictures
from ssl_course.evaluation import linear_probe
from ssl_course.pretext.halves import GRID, halves
from ssl_course.theory.correlation import CCA, PCA
from ssl_course.widgets.frame import Explorer, Frame, Panel, draw

KEPT = 8  # components
COUNTS = [1, 2, 4, 8]  # of the accuracy curve
SPLITS = {"left | right": "left", "top | bottom": "top"}
METHODS = {"PCA of X₁: what is large": "pca", "CCA of X₁ and X₂: what is shared": "cca"}
RIDGE = 1e-3  # share of the pixels' mean variance
SHOWN, THUMB = 4, 64


class Parts(NamedTuple):
    """What a method makes of one split."""

    scores: np.ndarray  # (n_test, KEPT) components of X₁, held-out pictures, variance 1
    pattern: np.ndarray  # (KEPT, C, grid, grid) how each pixel of both halves goes with the component
    value: np.ndarray  # (KEPT,) share of variance, or canonical correlation on held-out pictures
    features: tuple[torch.Tensor, torch.Tensor]  # (n_train, KEPT), (n_test, KEPT)


class _Source:
    def __init__(self, pictures: Pictures) -> None:
        order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(0))
        cut = int(0.7 * len(pictures))  # for the fit; the rest is all that is shown
        self.train, self.test = pictures[order[:cut]], pictures[order[cut:]]

    @lru_cache(maxsize=8)  # noqa: B019 - one instance lives as long as its widget
    def parts(self, split: str, method: str) -> Parts:
        # PCA and CCA are solved for, no network learns here: the pair is that of the note's §3.2.
        (l, r), (lt, rt) = halves(self.train.images, split), halves(self.test.images, split)
        if method == "pca":
            model = PCA(KEPT).fit(l)
            h, ht, value = model.transform(l), model.transform(lt), model.explained_variance_ratio_
        else:
            model = CCA(KEPT, ridge=RIDGE * float(l.var(0).mean())).fit(l, r)
            h, (ht, eta) = model.transform(l), model.transform(lt, rt)
            pairs = [torch.stack(pair) for pair in zip(ht.T, eta.T, strict=True)]
            value = torch.stack([torch.corrcoef(pair)[0, 1] for pair in pairs])
        z, zt = ((v - h.mean(0)) / h.std(0) for v in (h, ht))
        both = torch.cat([l - l.mean(0), r - r.mean(0)], 1)  # (n, 2p)
        pattern = (z.T @ both / len(z)).split(l.shape[1], 1)
        channels = self.train.images.shape[1]
        height, width, joint = (GRID, GRID // 2, 3) if split == "left" else (GRID // 2, GRID, 2)
        whole = torch.cat([p.reshape(KEPT, channels, height, width) for p in pattern], joint)
        return Parts(zt.numpy(), whole.numpy(), value.numpy(), (z, zt))

    @lru_cache(maxsize=64)  # noqa: B019
    def accuracy(self, split: str, method: str, label: str) -> list[float]:
        """Of a linear probe with 100 labels of the first 1, 2, 4, 8 components, held-out pictures."""
        features, pictures = self.parts(split, method).features, (self.train, self.test)
        how = {"n_labels": min(100, len(self.train)), "draws": 3, "solver": "ridge", "l2": 1e-3}
        accuracies = []
        for k in COUNTS:
            train, test = (
                Pairs(f[:, :k], f[:, :k], {label: p.labels[label]})
                for f, p in zip(features, pictures, strict=True)
            )
            probe = linear_probe(lambda x: x, train=train, test=test, label=label, **how)
            accuracies.append(probe.accuracy)
        return accuracies


class HalvesExplorer(Explorer):
    """The first half of each picture is X₁, the second X₂. Choose a component and see what it sorts by.

    Args:
        pictures: with at least one label; None paints 1,500 scenes.

    Raises:
        ValueError: pictures without a label, or fewer than 200.
    """

    def __init__(self, pictures: Pictures | None = None) -> None:
        pictures = scenes.World(0.5).sample(1500, size=48, seed=11) if pictures is None else pictures
        if not pictures.labels or len(pictures) < 200:
            raise ValueError(f"need at least 200 pictures with a label, got {len(pictures)}")
        labels = list(pictures.labels)
        controls = {
            "split": ToggleButtons(options=SPLITS, value="top", description="halves"),
            "method": ToggleButtons(options=METHODS, value="pca", description="method"),
            "component": IntSlider(1, min=1, max=KEPT, description="component"),
            "label": Dropdown(options=labels, description="Y is"),
        }
        rows = [["split", "method"], ["component", "label"]]
        super().__init__(controls, state=_Source(pictures), rows=rows)

    @staticmethod
    def render(state: Any, *, split: str, method: str, component: int, label: str) -> Frame:
        """The component's pattern, the pictures that it sorts, the accuracies of both methods; pure."""
        parts = state.parts(split, method)
        i = component - 1
        curves = {m: state.accuracy(split, m, label) for m in ("pca", "cca")}
        _, few, *_, many = zip(*curves.values(), strict=True)
        value = parts.value[i]
        says = f"correlates {value:.2f} with its partner in X₂"
        if method == "pca":
            says = f"holds {100 * value:.1f} % of the variance of X₁"
        line = (
            f"Component {component} of {method.upper()} <b>{says}</b>. A probe of the first 2 numbers with "
            f"100 labels names <i>{label}</i> with accuracy PCA <b>{few[0]:.2f}</b>, CCA <b>{few[1]:.2f}</b>;"
            f" of the first 8: {many[0]:.2f} and {many[1]:.2f}."
        )
        panels = [_pattern(parts, i, split), _sorted(state, parts, i, split), _curve(state, label, curves)]
        return panels, line


def _pattern(parts: Parts, i: int, split: str) -> Panel:
    """Red where a pixel rises with the component in that channel; gray where it does not care."""
    p = parts.pattern[i]
    p = np.repeat(p, 3, 0) if len(p) == 1 else p
    shown = np.clip(0.5 + 0.5 * p / max(np.abs(p).max(), 1e-12), 0, 1).transpose(1, 2, 0)
    big = np.kron(shown, np.ones((12, 12, 1)))
    middle = len(big) // 2
    where = "left: X₁" if split == "left" else "above: X₁"
    (big.swapaxes(0, 1) if split == "left" else big)[middle - 1 : middle + 1] = 1
    alt = "how the pixels of both halves go with the component"
    return Panel(big, f"what changes with it; {where}", alt, 192)


def _sorted(state: Any, parts: Parts, i: int, split: str) -> Panel:
    """Held-out pictures with the lowest and with the highest values, a line between the halves."""
    order = parts.scores[:, i].argsort()
    rows = [order[:SHOWN], order[len(order) // 2 - SHOWN // 2 :][:SHOWN], order[-SHOWN:]]
    cells = [draw.rgba(state.test.images[int(k)]).copy() for row in rows for k in row]
    for cell in cells:
        (cell.swapaxes(0, 1) if split == "left" else cell)[len(cell) // 2] = 255
    sheet, caption = draw.tile(cells, SHOWN), "lowest, average, highest value; held-out pictures"
    alt = "held-out pictures: above those with the lowest value of the component, in the middle average ones"
    return Panel(sheet, caption, f"{alt}, below the highest", SHOWN * (THUMB + 2), columns=SHOWN)


def _curve(state: Any, label: str, curves: dict[str, list[float]]) -> Panel:
    low = 0.9 / max(int(state.test.labels[label].max()) + 1, 2)
    plot = draw.Plot(230, 200, (-0.2, 3.2), (low, 1.02), margin=(24, 8, 38, 46))
    plot.axes("components of X₁", "accuracy", {k: str(c) for k, c in enumerate(COUNTS)})
    for name, colour, dash in (("pca", palette.MUTED, (6, 4)), ("cca", palette.PSI, None)):
        points = [(k, a) for k, a in enumerate(curves[name])]
        plot.line(points, colour, 2.5, dash, name.upper()).dots(points, colour, 4)
    plot.names([("PCA", palette.MUTED), ("CCA", palette.PSI)])
    alt = ", ".join(f"{name}: {' '.join(f'{a:.2f}' for a in values)}" for name, values in curves.items())
    return plot.panel(f"probe of {label}, 100 labels", alt)
