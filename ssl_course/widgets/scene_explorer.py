"""Lecture 01's experiment: given the biome, does gray still tell colour? (note §3.3.1, §3.4)"""

import warnings
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, NamedTuple, Self

import numpy as np
import torch
import torch.nn.functional as F
from ipywidgets import Checkbox, Dropdown, FloatSlider, Widget

from ssl_course.course import palette
from ssl_course.data import painter, scenes
from ssl_course.data.pictures import Pictures
from ssl_course.pretext.color import lab_to_rgb, rgb_to_lab
from ssl_course.theory.independence import Estimate, estimate_epsilon_ci_squared, predictor_through_y
from ssl_course.widgets.frame import Frame, Panel, draw
from ssl_course.widgets.frame.sheet import SHOWN, SheetExplorer, sheet

STARTS = 20  # of k-means: one alone ends up to 7 % further from its means, and what is told of colour follows
SAMPLES = 2000  # for the estimate of ε_CI²
KINDS = 30  # of gray that are told apart on real pictures
WIDE = 120  # CSS pixels of a picture
SEED, SIZE = 28, 96  # of the scenes; their pixels


class View(NamedTuple):
    """Everything the panels need at one setting; k classes, c states of X₁, d numbers of X₂ (Lab units)."""

    classes: list[str]
    weight: np.ndarray  # (c,) P(x₁)
    psi: np.ndarray  # (c, d) E[X₂|X₁]
    through: np.ndarray  # (c, d) Σ_y P(y|x₁) E[X₂|y]
    posterior: np.ndarray  # (c, k)
    means: np.ndarray  # (k, d) E[X₂|y]
    known: np.ndarray  # (SHOWN, d) E[X₂|X₁, Y] of the shown pictures
    cell: np.ndarray  # (SHOWN,) state of X₁ of the shown pictures
    label: np.ndarray  # (SHOWN,) class of the shown pictures
    exact: float | None  # ε_CI², Lab units²
    variance: float  # Tr Cov X₂ of the sample
    estimate: Estimate
    probe: tuple[float, float] | None  # excess squared risk and accuracy of the best linear probe


def _rgba(lightness: torch.Tensor, ab: torch.Tensor) -> np.ndarray:
    """L (1, s, s) and ab (2, s, s) → (s, s, 4) uint8."""
    lab = torch.cat([lightness, ab.expand(-1, *lightness.shape[1:])])
    return draw.rgba(lab_to_rgb(lab).clamp(0, 1))


class _Scenes:
    """The scenes world: everything exact by enumeration, the estimate from drawn skeletons."""

    sees = scenes.SEES
    labels = ("biome", "light")

    def __init__(self) -> None:
        pictures = scenes.World().sample(SHOWN, SIZE, SEED, parts=True)
        self.lightness = pictures.parts["L"]  # (SHOWN, 1, s, s)
        self.biome = pictures.labels["biome"]
        self.grays, self.thumbs = _grays(self.lightness)

    @lru_cache(maxsize=64)  # noqa: B019 - one instance lives as long as its widget
    def view(self, dependence: float, sees: str, label: str) -> View:
        world = scenes.World(dependence=dependence, sees=sees)
        joint, values = world.joint(label), world.x2_values()
        latents, _ = world.latents(SAMPLES, torch.Generator().manual_seed(3 * SEED + 3), "cpu")
        x2 = values[::2][world.x2_index(latents)]  # hue tints: both sides have one value
        shown = self._shown(world)
        cell, psi = world.x1_index(shown), world.psi_star()
        if label == "light":  # once z₁ is known, E[X₂ | X₁, z₁] says nothing that x₁ did not
            known = psi[cell]
        else:
            shares = world.tint_given_light()[shown["light"]]  # (SHOWN, 3)
            known = torch.einsum("nz,nzd->nd", shares, values[::2].reshape(3, 3, -1)[shown["biome"]])
        limit, through = world.probe_limit(label), predictor_through_y(joint, values)
        posterior, means = world.posterior(label), world.class_means(label)
        drawn = (joint.sum((1, 2)), psi, through, posterior, means, known, cell, shown[label])
        exact, variance = float(world.epsilon_ci_squared(label)), float(x2.var(0).sum())
        estimate = estimate_epsilon_ci_squared(world.x1_index(latents), x2, latents[label])
        probe = (limit.excess, limit.accuracy)
        return View(scenes.NAMES[label], *(t.numpy() for t in drawn), exact, variance, estimate, probe)

    def _shown(self, world: scenes.World) -> dict[str, torch.Tensor]:
        return world.latents(SHOWN, torch.Generator().manual_seed(3 * SEED), "cpu")[0]

    def truth(self, dependence: float, picture: int) -> np.ndarray:
        world = scenes.World(dependence=dependence)
        latents = {k: v[picture : picture + 1] for k, v in self._shown(world).items()}
        sky, ground = world.colours(latents["biome"], latents["tint"], torch.ones(1))
        ab = painter.paint_colour(sky, ground, latents["biome"], None, SIZE)[0]
        return _rgba(self.lightness[picture], ab)

    def paint(self, x2: np.ndarray, picture: int, contrast: float = 1.0) -> np.ndarray:
        """The gray picture, or a paler one, in these colours: (sky, ground) or one colour for all."""
        c = torch.as_tensor(x2, dtype=torch.float32).reshape(1, -1)
        biome = self.biome[picture : picture + 1]
        ab = painter.paint_colour(c[:, :2], c[:, -2:], biome, None, SIZE)[0]
        return _rgba(_paler(self.lightness[picture], contrast), ab)


def kinds_of(x: np.ndarray, k: int, seed: int) -> np.ndarray:
    """The cluster of each row of x (n, d), (n,) in 0..at most k−1: k-means++ (Arthur, Vassilvitskii 2007).

    SciPy's, since scikit-learn's would take 65 MB of each kernel, three times as much.
    """
    from scipy.cluster.vq import kmeans2

    with warnings.catch_warnings():  # of rows that are alike, which leave a cluster empty
        warnings.simplefilter("ignore")
        runs = [kmeans2(x, k, iter=100, minit="++", seed=seed + start) for start in range(STARTS)]
    _, cluster = min(runs, key=lambda run: ((x - run[0][run[1]]) ** 2).sum())
    return np.unique(cluster, return_inverse=True)[1]


class _Photos:
    """Real pictures: X₁ is one of a few dozen kinds of gray, tables are counted, λ shuffles within classes.

    With probability λ a picture keeps its own colours, else it gets those of another picture of its class: at
    λ = 0 conditional independence holds by construction, at λ = 1 the data are as they are.
    """

    sees = ("average colour",)

    def __init__(self, pictures: Pictures) -> None:
        name = next(iter(pictures.labels), "")
        if not name:
            raise ValueError("the pictures have no label: the experiment needs one to be Y")
        self.labels = (name,)
        names = pictures.names.get(name) or [str(k) for k in range(int(pictures.labels[name].max()) + 1)]
        if len(names) < 2 or len(pictures) < 100:
            raise ValueError(f"need at least 100 pictures of 2 classes, got {len(pictures)} of {len(names)}")
        lab = rgb_to_lab(pictures.images.float() / 255)  # (N, 3, H, W)
        lightness = lab[:, :1]
        self.x2 = lab[:, 1:].mean((2, 3)).double()  # (N, 2)
        self.y, self.classes = pictures.labels[name].cpu(), list(names)
        coarse, fine = F.adaptive_avg_pool2d(lightness, 4), lightness - F.avg_pool2d(lightness, 5, 1, 2)
        coarse, rough = coarse.flatten(1), F.adaptive_avg_pool2d(fine.abs(), 2).flatten(1)
        gray = torch.cat([coarse / coarse.std(), 2 * rough / rough.std()], 1)  # (N, 20)
        self.cells = torch.as_tensor(kinds_of(gray.double().numpy(), KINDS, SEED))
        stream = torch.Generator().manual_seed(SEED)
        rows = [(self.y == k).nonzero()[:, 0] for k in range(len(names))]
        rows = [r[torch.randperm(len(r), generator=stream)] for r in rows if len(r)]
        self.shown = torch.cat([r[: -(-SHOWN // len(rows))] for r in rows])[:SHOWN]
        self.lightness = lightness[self.shown]  # (SHOWN, 1, s, s)
        self.ab = lab[self.shown, 1:]
        self.grays, self.thumbs = _grays(self.lightness)
        self.keep = torch.rand(len(self.y), generator=stream)
        self.other = torch.arange(len(self.y))
        for r in rows:
            self.other[r] = r[torch.randperm(len(r), generator=stream)]

    @lru_cache(maxsize=64)  # noqa: B019
    def view(self, dependence: float, sees: str, label: str) -> View:
        cells, y, k, c = self.cells, self.y, len(self.classes), int(self.cells.max()) + 1
        none, one = torch.zeros(c, k, 2, dtype=torch.float64), torch.ones(1).double()
        count = none[:, :, 0].clone().index_put_((cells, y), one, accumulate=True)
        total = none.index_put_((cells, y), self.x2, accumulate=True)
        means = total.sum(0) / count.sum(0)[:, None]  # (k, 2)
        posterior = count / count.sum(1, keepdim=True)
        through = posterior @ means
        own = total.sum(1) / count.sum(1, keepdim=True)
        both = total / count.clamp(min=1)[:, :, None]
        shown, kept = self.shown, (self.keep < dependence)
        colour = torch.where(kept[:, None], self.x2, self.x2[self.other])
        known = dependence * both[cells[shown], y[shown]] + (1 - dependence) * means[y[shown]]
        weight, psi = count.sum(1) / len(y), dependence * own + (1 - dependence) * through
        drawn = (weight, psi, through, posterior, means, known, cells[shown], y[shown])
        variance, estimate = float(colour.var(0).sum()), estimate_epsilon_ci_squared(cells, colour, y)
        return View(self.classes, *(t.numpy() for t in drawn), None, variance, estimate, probe=None)

    def truth(self, dependence: float, picture: int) -> np.ndarray:
        row = int(self.shown[picture])
        if self.keep[row] < dependence:
            return _rgba(self.lightness[picture], self.ab[picture])
        return self.paint(self.x2[self.other[row]].numpy(), picture)

    def paint(self, x2: np.ndarray, picture: int, contrast: float = 1.0) -> np.ndarray:
        ab = torch.as_tensor(x2, dtype=torch.float32)[:, None, None]
        return _rgba(_paler(self.lightness[picture], contrast), ab)


class _Triangle(NamedTuple):
    """The plane of the class means, seen from above; what lies off the plane becomes a stem."""

    centre: np.ndarray  # (d,) mean of the corners
    basis: np.ndarray  # (d, 2 or more) orthonormal; the first two span the plane
    corners: np.ndarray  # (k, 2) the class means in it

    @classmethod
    def of(cls, view: View) -> Self:
        centre = view.means.mean(0)
        if view.means.shape[1] == 2:  # the ab plane itself: a to the right, b up
            basis = np.eye(2)
        else:
            spread = view.means - centre
            if np.abs(spread).max() < 1e-6:  # all corners coincide: look along the colours that occur
                spread = view.psi - view.weight @ view.psi
            _, _, basis = np.linalg.svd(spread)
            basis = basis.T
            for j in range(2):  # a sign that does not flip with rounding
                basis[:, j] *= np.sign(basis[np.abs(basis[:, j]).argmax(), j])
            off = view.psi - view.through
            rest = off - off @ basis[:, :2] @ basis[:, :2].T
            _, s, axes = np.linalg.svd(rest - view.weight @ rest, full_matrices=False)
            basis = np.concatenate([basis[:, :2], axes[:2].T * (s[:2] > 1e-6)], 1)
        return cls(centre, basis, (view.means - centre) @ basis[:, :2])

    def foot(self, x: np.ndarray) -> np.ndarray:
        """(n, d) colours → (n, 2) straight down on the plane."""
        return (x - self.centre) @ self.basis[:, :2]

    def tip(self, x: np.ndarray) -> np.ndarray:
        """(n, d) colours → (n, 2) with the height over the plane drawn obliquely."""
        height = (x - self.centre) @ self.basis[:, 2:]  # (n, 0 or 2)
        tilt = np.array([[0.25, 0.75], [0.65, -0.2]])[: height.shape[1]]
        return self.foot(x) + height @ tilt

    def colour(self, point: np.ndarray) -> np.ndarray:
        """(2,) in the plane → (d,) colour."""
        return self.centre + self.basis[:, :2] @ point


class SceneExplorer(SheetExplorer):
    """Guess the colour of a gray picture, then see what the best predictor says and what the class alone.

    Args:
        data: pictures with one label (`load("earth")`, a folder of photographs); None is the scenes world.

    Raises:
        ValueError: fewer than 100 pictures, or fewer than 2 classes.
    """

    places = {1: ("guess", 0.03)}

    def __init__(self, data: Pictures | None = None) -> None:
        source = _Scenes() if data is None else _Photos(data)
        controls: dict[str, Widget] = {
            "dependence": FloatSlider(0.0, min=0, max=1, step=0.05, description="dependence λ"),
            "sees": Dropdown(options=source.sees, description="X₂ is"),
            "label": Dropdown(options=source.labels, description="Y is"),
            "known": Checkbox(False, description="tell me Y"),
            "answer": Checkbox(False, description="show the answer"),
        }
        super().__init__(controls, state=source)

    @staticmethod
    def render(state: Any, **values: Any) -> Frame:
        """The panels; pure."""
        v = SimpleNamespace(**values)
        view: View = state.view(v.dependence, v.sees, v.label)
        picture = v.picture % len(state.thumbs)
        triangle, y = _Triangle.of(view), view.classes[view.label[picture]]
        cell, open_ = view.cell[picture], v.answer or v.guess is not None
        psi, through = view.psi[cell], view.through[cell]
        first, second = "ψ* = E[X₂ | X₁]", "Σ P(y|X₁) E[X₂|y]"
        if v.known:
            psi, through = view.known[picture], view.means[view.label[picture]]
            first, second = f"E[X₂ | X₁, Y = {y}]", f"E[X₂ | Y = {y}]"
        plot, colours = _plot(view, triangle, psi if open_ else None, v.guess)
        at = None if v.guess is None else np.array(plot.at(*v.guess))
        gray = "the gray picture in the colours that"
        shown = [(state.grays[picture], "X₁: what the network sees", "the chosen picture in gray")]
        if at is not None:
            shown += [(state.paint(triangle.colour(at), picture), "your guess", f"{gray} you chose")]
        if open_:
            gap = state.paint(3 * (psi - through), picture, contrast=0.15)
            truth = state.truth(v.dependence, picture)
            shown += [
                (state.paint(psi, picture), first, f"{gray} the best predictor expects"),
                (state.paint(through, picture), second, f"{gray} the class alone explains"),
                (gap, "their gap, three times", "gray where gray tells nothing more than the class"),
                (truth, "one true X₂", "the picture with the colours that it was given"),
            ]
        panels = [
            sheet(state.thumbs, picture, "choose X₁", "gray pictures"),
            colours,
            *(Panel(pixels, caption, alt, WIDE) for pixels, caption, alt in shown),
        ]
        guessed = None if at is None else float(np.hypot(*(at - triangle.foot(view.psi[cell][None])[0])))
        return panels, _readout(view, cell, y if v.known else None, open_, guessed)


def _grays(lightness: torch.Tensor) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The pictures in gray as RGBA, and as thumbnails; made once, since no control changes them."""
    none = torch.zeros(2, 1, 1)
    small = F.interpolate(lightness, (48, 48), mode="bilinear", antialias=True)
    return [_rgba(x, none) for x in lightness], [_rgba(x, none) for x in small]


def _paler(lightness: torch.Tensor, contrast: float) -> torch.Tensor:
    """Less contrast around a middle gray: then colours alone differ."""
    return lightness if contrast == 1 else lightness * contrast + 52


def _plot(
    view: View, triangle: _Triangle, psi: np.ndarray | None, guess: tuple[float, float] | None
) -> tuple[draw.Plot, Panel]:
    """The colour triangle and the guess in its plane; with ``psi``, this picture's ψ* among all others."""
    # A stem begins at A f*(x₁), where ψ* is under CI: ε_CI is its r.m.s. length.
    # Straight below ψ* would be less.
    tips, feet, corners = triangle.tip(view.psi), triangle.foot(view.through), triangle.corners
    around = np.concatenate([tips, feet, corners])
    low, high = around.min(0) - 9, around.max(0) + 9
    plot = draw.Plot(310, 280, (low[0], high[0]), (low[1], high[1]), margin=(12, 12, 12, 12), equal=True)
    if len(corners) >= 3:
        plot.polygon(corners, fill=palette.WASH, outline=palette.MUTED)
    if len(corners) == 3:
        _paint(plot, triangle)
    if psi is not None:
        for tip, foot in {(tuple(t), tuple(f)) for t, f in zip(tips.round(2), feet.round(2), strict=True)}:
            if np.hypot(*(np.array(tip) - foot)) > 0.3:
                plot.line([foot, tip], palette.MUTED, 1.5)
            plot.dot(*tip, color=palette.PSI, r=3)
    for (x, y), name in zip(corners, view.classes, strict=True):
        colour, below = palette.BIOME.get(name, palette.Y), y < corners.mean(0)[1]
        plot.dot(x, y, colour, r=6)
        plot.text(x, y, name, colour, 12, bold=True, halo=True, offset=(0, 15 if below else -14))
    if guess is not None:
        plot.cross(*plot.at(*guess), color=palette.X2, r=7, width=3)
    if psi is not None:
        plot.dot(*triangle.tip(psi[None])[0], color=None, r=8, outline=palette.X1, width=3)
    caption, what = "guess: click where the colour lies", "click to guess"
    if psi is not None:
        caption = "○ this picture's ψ*, • all others, × your guess"
        what = "each dot is the expected colour of one kind of gray"
    return plot, plot.panel(caption, f"the colours of the classes as corners; {what}", operable=True)


def _paint(plot: draw.Plot, triangle: _Triangle, n: int = 9) -> None:
    """Fill the triangle with the colours of the ground that lie there, in n² small triangles."""
    origin, *sides = triangle.corners[0], *(triangle.corners[1:] - triangle.corners[0]) / n  # (2,) each
    small = []
    for i, j in [(row, column) for row in range(n) for column in range(n - row)]:
        ends = ((0, 0), (1, 0), (0, 1), (1, 1))
        a, b, c, d = (origin + (i + u) * sides[0] + (j + v) * sides[1] for u, v in ends)
        small += [np.array(corners) for corners in [(a, b, c)] + [(d, b, c)] * (i + j < n - 1)]
    colours = np.stack([triangle.colour(corners.mean(0))[-2:] for corners in small], 1)  # (2, n²)
    ab = torch.as_tensor(colours, dtype=torch.float32)[:, None]
    for corners, pixel in zip(small, _rgba(torch.full((1, 1, len(small)), 62.0), ab)[0, :, :3], strict=True):
        fill = "#" + pixel.tobytes().hex()
        plot.polygon(corners, fill=fill, outline=fill)  # an outline closes the seams


def _readout(view: View, cell: int, known: str | None, open_: bool, guessed: float | None) -> str:
    """Numbers in words; ``known`` is the class if it was told, ``guessed`` how far the guess is from ψ*."""
    estimate, exact = view.estimate, view.exact is not None
    share = 100 * max(estimate.value, 0) / view.variance
    parts = ["ε<sub>CI</sub>² =", f"<b>{view.exact:.2f}</b> exact," if exact else ""]
    parts.append(
        f"{estimate.value:.2f} ± {2 * estimate.standard_error:.2f} (two standard errors) estimated from "
        f"{SAMPLES if exact else 'these'} pictures, {share:.1f} % of the variance of X₂."
    )
    if view.probe is not None:
        excess, accuracy = (f"<b>{number:.3f}</b>" for number in view.probe)
        parts.append(f"Best linear probe of ψ*: accuracy {accuracy}, excess squared risk {excess}.")
    if not open_:
        parts.append("<br>Commit to a guess: click in the triangle; then the answer appears.")
        return " ".join(filter(None, parts))
    odds = ", ".join(f"{name} {p:.2f}" for name, p in zip(view.classes, view.posterior[cell], strict=True))
    parts.append(f"<br>P(Y | this X₁): {odds}.")
    if known is not None:
        parts.append(f"Y is {known}.")
    if guessed is not None:
        parts.append(f"Your guess is {guessed:.0f} Lab units from ψ*.")
    return " ".join(filter(None, parts))
