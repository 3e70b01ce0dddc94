"""Lecture 07: PCA keeps what is large, CCA what two views share (note §3.2)."""

import warnings
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from ipywidgets import Dropdown, FloatSlider, IntSlider

from ssl_course.course import palette
from ssl_course.theory.correlation import CCA, PCA
from ssl_course.widgets.frame import Explorer, Frame, Panel, draw

LABELS = {"shared: the sign of z": "shared", "private: the sign of X₁'s own u": "private"}
FRESH = 4000
SMALL = 0.15  # standard deviation of the noise in all directions


def sample_views(
    n: int, shared: float, private: float, angle: float, seed: int
) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    """Two views of a common z: x = shared·z·(1, 0) + private·u·(cos, sin)(angle) + noise, u each view's own.

    The angle is in degrees; in the second view it turns the other way. Gives x1 (n, 2), x2 (n, 2) and labels
    (n,): "shared", the sign of z, and "private", that of the first view's u.
    """
    rng = np.random.default_rng(seed)
    z, u1, u2 = rng.normal(size=(3, n))
    views = []
    for own, turn in ((u1, 1), (u2, -1)):
        a = np.radians(angle) * turn
        x = shared * z[:, None] * [1, 0] + private * own[:, None] * [np.cos(a), np.sin(a)]
        views.append(torch.as_tensor(x + SMALL * rng.normal(size=(n, 2))))
    signs = {"shared": torch.as_tensor(z > 0).long(), "private": torch.as_tensor(u1 > 0).long()}
    return views[0], views[1], signs


class Fitted(NamedTuple):
    """What PCA and CCA make of n pairs; accuracies: a threshold on the first component, fresh pairs."""

    x1: np.ndarray  # (n, 2)
    x2: np.ndarray
    labels: dict[str, np.ndarray]
    large: tuple[np.ndarray, np.ndarray]  # first PCA direction of each view, unit length
    common: tuple[np.ndarray, np.ndarray]  # first CCA direction of each view: the weights, unit length
    explained: float  # share of X₁'s variance in its first PCA direction
    correlation: float  # first canonical, training
    held_out: float  # the same maps on fresh pairs
    accuracy: dict[str, tuple[float, float]]  # label → PCA, CCA


@lru_cache(maxsize=256)
def fitted(n: int, shared: float, private: float, angle: float) -> Fitted:
    """Fit on n pairs, look at fresh ones."""
    x1, x2, labels = sample_views(n, shared, private, angle, seed=1)
    new1, new2, signs = sample_views(FRESH, shared, private, angle, seed=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few pairs on purpose
        cca = CCA(n_components=1).fit(x1, x2)
    pca, pca2 = PCA(1).fit(x1), PCA(1).fit(x2)
    h = {"pca": pca.transform(new1)[:, 0], "cca": cca.transform(new1)[:, 0]}
    accuracy = {}
    for name, y in signs.items():
        hits = [float(((v > v.median()) == (y == 1)).double().mean()) for v in h.values()]
        accuracy[name] = tuple(max(a, 1 - a) for a in hits)  # which side is which costs one label
    common = [w[:, 0] / w[:, 0].norm() for w in (cca.x_rotations_, cca.y_rotations_)]
    return Fitted(
        x1.numpy(),
        x2.numpy(),
        {k: v.numpy() for k, v in labels.items()},
        large=(pca.components_[0].numpy(), pca2.components_[0].numpy()),
        common=tuple(c.numpy() for c in common),
        explained=float(pca.explained_variance_ratio_[0]),
        correlation=float(cca.correlations_[0]),
        held_out=float(cca.correlation(new1, new2)),
        accuracy=accuracy,
    )


class SharedVersusLarge(Explorer):
    """Make the private part of two views large, turn it, take few pairs; who still finds the shared one?"""

    def __init__(self) -> None:
        controls = {
            "shared": FloatSlider(1.0, min=0, max=3, step=0.1, description="shared part"),
            "private": FloatSlider(3.0, min=0, max=10, step=0.1, description="private part"),
            "angle": IntSlider(60, min=0, max=90, step=5, description="angle between them, °"),
            "n": IntSlider(300, min=10, max=600, step=10, description="pairs"),
            "label": Dropdown(options=LABELS, description="Y is"),
        }
        super().__init__(controls)

    @staticmethod
    def render(state: Any, *, shared: float, private: float, angle: int, n: int, label: str) -> Frame:
        """Both views with the two directions, the components against each other, the accuracies; pure."""
        f = fitted(n, round(shared, 2), round(private, 2), angle)
        panels = [_view(f, 0, label), _view(f, 1, label), _components(f, label), _scores(f, label)]
        pca, cca = f.accuracy[label]
        line = (
            f"PCA's first component holds <b>{100 * f.explained:.1f} %</b> of the variance of X₁; its sign "
            f"tells Y in <b>{100 * pca:.0f} %</b> of the cases. CCA's: correlation {f.correlation:.2f} (on "
            f"fresh pairs {f.held_out:.2f}), <b>{100 * cca:.0f} %</b>."
        )
        return panels, line


def _shades(y: np.ndarray) -> list[str]:
    return [palette.Y if v else "#b98a2f" for v in y]


def _view(f: Fitted, which: int, label: str) -> Panel:
    x, y = (f.x1, f.x2)[which][:300], f.labels[label][:300]
    reach = 1.1 * max(3.0, float(np.abs(np.concatenate([f.x1, f.x2])).max()))
    plot = draw.Plot(236, 236, (-reach, reach), (-reach, reach), margin=(8, 8, 26, 26), equal=True)
    plot.axes("", "", [], [])
    plot.dots(x, _shades(y), 2.4)
    for w, colour, name in ((f.large[which], palette.MUTED, "PCA"), (f.common[which], palette.PSI, "CCA")):
        d = w if w[np.abs(w).argmax()] > 0 else -w
        tip = 0.72 * reach * d
        plot.arrow(-tip, tip, colour, 3, 11)
        plot.text(*(1.18 * tip), name, colour, 12, bold=True, halo=True)
    large, common = f.large[which].round(2), f.common[which].round(2)
    own = "" if label == "shared" or which == 0 else "; its own part knows nothing of this Y"
    alt = f"view {which + 1}: PCA points along {large}, CCA weighs with {common}"
    return plot.panel(f"X{'₁₂'[which]}, coloured by Y{own}", alt)


def _components(f: Fitted, label: str) -> Panel:
    """The first CCA component of both views against each other: what is shared is a diagonal."""
    a, b = (x @ w for x, w in ((f.x1, f.common[0]), (f.x2, f.common[1])))
    a, b = ((v - v.mean()) / max(v.std(), 1e-9) for v in (a, b))
    plot = draw.Plot(236, 236, (-3.2, 3.2), (-3.2, 3.2), margin=(8, 8, 38, 38), equal=True)
    plot.axes("ψ(x₁), CCA's first", "η(x₂)", [-2, 0, 2], [-2, 0, 2])
    sign = 1 if f.correlation >= 0 else -1
    plot.dots(np.stack([a, sign * b], 1)[:300].clip(-3.2, 3.2), _shades(f.labels[label][:300]), 2.4)
    plot.text(-3.0, 3.0, f"ρ = {f.correlation:.2f}", palette.PSI, 14, "lt", True, halo=True)
    alt = f"the first canonical pair, correlation {f.correlation:.2f}"
    return plot.panel("CCA's components of both views", alt)


def _scores(f: Fitted, label: str) -> Panel:
    plot = draw.Plot(480, 150, (0.5, 1.0), (-0.6, 3.6), margin=(6, 44, 38, 118))
    plot.axes("accuracy of the sign of the first component, fresh pairs", "", [0.5, 0.75, 1.0], [])
    for top, name in ((3, "shared"), (0.8, "private")):
        methods = (("PCA", top, palette.MUTED), ("CCA", top - 0.8, palette.PSI))
        for (method, y, colour), value in zip(methods, f.accuracy[name], strict=True):
            faint, bold = (colour, True) if name == label else (colour + "66", False)
            plot.rect(0.5, y - 0.32, value, y + 0.32, fill=faint)
            plot.text(value, y, f"{100 * value:.0f} %", palette.INK, 11, "lm", bold, (5, 0))
            plot.text(0.5, y, f"{name}, {method}", colour, 11, "rm", bold, (-6, 0))
    scores = ", ".join(f"{k}: PCA {a:.2f}, CCA {b:.2f}" for k, (a, b) in f.accuracy.items())
    return plot.panel("who finds what", scores)
