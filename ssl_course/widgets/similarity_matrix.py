"""Lecture 08's loss, cell by cell: 2N × 2N cosines, the softmax of a row, and the temperature (note §3.2)."""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from ipywidgets import Dropdown, FloatLogSlider, IntSlider, Widget
from torch import Tensor, nn

from ssl_course.checkpoints import shipped
from ssl_course.course import palette
from ssl_course.data import scenes
from ssl_course.data.files import resize
from ssl_course.data.pictures import Pictures
from ssl_course.evaluation import frozen
from ssl_course.interfaces import pair_of
from ssl_course.losses import nt_xent
from ssl_course.widgets.frame import Explorer, Frame, Key, Panel, Pointer, draw
from ssl_course.widgets.frame.pairs import seeded, untrained

LEAST, MOST = 2, 10  # pairs
SIDE, EDGE = 400, 26  # CSS pixels of the matrix with its thumbnails, and of a thumbnail's strip
WRITTEN = 12  # views up to which a cell says its cosine
SHIPPED = "simclr"
COLLAPSED = "collapsed: all z equal"
TEMPERATURES = np.geomspace(0.03, 30, 61)


class Loss(NamedTuple):
    """NT-Xent taken apart."""

    cosine: Tensor  # (2N, 2N)
    softmax: Tensor  # (2N, 2N), 0 on the diagonal
    rows: Tensor  # (2N,) the loss of each row
    mean: float  # what `nt_xent` returns


def taken_apart(z: Tensor, temperature: float) -> Loss:
    """z (2N, d): row i and row i + N from one picture."""
    n = len(z) // 2
    unit = F.normalize(z, dim=1)
    cosine = unit @ unit.T  # (2N, 2N)
    itself = torch.eye(2 * n, dtype=torch.bool)
    log_p = (cosine / temperature).masked_fill(itself, -torch.inf).log_softmax(1)
    rows = -log_p[torch.arange(2 * n), torch.arange(2 * n).roll(n)]  # (2N,)
    return Loss(cosine, log_p.exp(), rows, float(nt_xent(z[:n], z[n:], temperature)))


class _State:
    """Two views of some pictures, and their z in several networks."""

    def __init__(self, networks: dict[str, nn.Module], pictures: Pictures) -> None:
        with seeded(3):
            pair = pair_of(networks["trained ψ"], pictures[:MOST])
        self.most, views = len(pair), torch.cat([*pair])  # (2 most, 3, s, s)
        self.z = {}
        for name, network in networks.items():
            with frozen(network):
                self.z[name] = network.project(views).float().cpu()  # (2 most, d)
        self.z[COLLAPSED] = torch.ones_like(self.z["trained ψ"])
        small = resize((views.cpu().clamp(0, 1) * 255).round().to(torch.uint8), 64)
        self.thumbs = [draw.rgba(x) for x in small]

    def rows(self, n: int) -> list[int]:
        """Which of all views are shown when there are n pairs."""
        return [*range(n), *range(self.most, self.most + n)]

    @lru_cache(maxsize=64)  # noqa: B019 - one instance lives as long as its widget
    def loss(self, network: str, n: int, temperature: float) -> Loss:
        return taken_apart(self.z[network][self.rows(n)], temperature)

    @lru_cache(maxsize=64)  # noqa: B019
    def curve(self, network: str, n: int) -> np.ndarray:
        """The loss at each of `TEMPERATURES`."""
        z = self.z[network][self.rows(n)]
        return np.array([float(nt_xent(z[:n], z[n:], t)) for t in TEMPERATURES])


class SimilarityMatrix(Explorer):
    """The matrix that the contrastive loss looks at: each row must find its other view among 2N − 1.

    First click the row that you expect to be the hardest; then every row's loss appears. Later clicks choose
    the row whose softmax is drawn.

    Args:
        method: a trained `SimCLR`; None is the one that comes with the course. Its `pair` makes the views.
        data: pictures; None paints scenes of 64 px.

    Raises:
        ValueError: fewer than two pictures.
        FileNotFoundError: no method is given and none is shipped.
    """

    def __init__(self, method: nn.Module | None = None, data: Pictures | None = None) -> None:
        method = shipped(SHIPPED) if method is None else method
        data = scenes.World().sample(MOST, size=64, seed=3) if data is None else data
        if len(data) < LEAST:
            raise ValueError(f"data has {len(data)} pictures; a pair needs another one as its negative")
        state = _State({"trained ψ": method, "untrained ψ": untrained(method)}, data)
        range_ = {"base": 10, "min": -1.5, "max": 1.5, "step": 0.05, "readout_format": ".2f"}
        controls: dict[str, Widget] = {
            "temperature": FloatLogSlider(0.2, **range_, description="temperature τ"),
            "n": IntSlider(min(4, state.most), min=LEAST, max=state.most, description="pictures N"),
            "network": Dropdown(options=list(state.z), description="z from"),
        }
        hidden, actions = {"row": 0, "guess": None}, {"guess again": lambda: self.set(guess=None)}
        super().__init__(controls, state=state, hidden=hidden, actions=actions)

    @staticmethod
    def render(state: Any, *, temperature: float, n: int, network: str, row: int, guess: int | None) -> Frame:
        """The panels; pure."""
        row = row % (2 * n)
        loss = state.loss(network, n, temperature)
        views, other = state.rows(n), (row + n) % (2 * n)
        panels = [_matrix(state, loss, n, row, guess)]
        both = {row: f"X₁: view {row + 1}, the row", other: f"X₂: view {other + 1}, its other view"}
        for view, words in both.items():
            panels.append(Panel(state.thumbs[views[view]], words, width=128, pixelated=False))
        if guess is not None:
            words = f"softmax of row {row + 1}, its loss {float(loss.rows[row]):.3f}"
            panels.append(_softmax(loss, n, row).panel(words, f"{words} at temperature {temperature:.2f}"))
            words = f"the mean loss {loss.mean:.3f}"
            alt = f"{words} at temperature {temperature:.2f}; a collapse has {math.log(2 * n - 1):.3f}"
            panels.append(_curve(state.curve(network, n), n, loss, temperature).panel(words, alt))
        return panels, _readout(loss, n, row, guess, temperature)

    def on_pointer(self, event: Pointer) -> None:
        """The first click is the guess, later ones choose the row."""
        if event.panel == 0 and event.kind == "down":
            n = self.values()["n"]
            row = math.floor((event.y * SIDE - EDGE) / (SIDE - EDGE) * 2 * n)
            if 0 <= row < 2 * n:
                self._choose(row)

    def on_key(self, event: Key) -> None:
        """Up and down choose the row; Enter or Space makes it the guess."""
        values = self.values()
        if step := sum(event.arrow):
            self.set(row=(values["row"] + step) % (2 * values["n"]))
        else:
            self._choose(values["row"])

    def _choose(self, row: int) -> None:
        self.set(row=row, **({"guess": row} if self.values()["guess"] is None else {}))


def _matrix(state: Any, loss: Loss, n: int, row: int, guess: int | None) -> Panel:
    """Thumbnails along both sides, the cosines, positives outlined, the chosen row framed."""
    m = 2 * n
    unit = (SIDE - EDGE) / m  # CSS pixels of a cell
    plot, cosine = draw.Plot.board(SIDE, SIDE), loss.cosine.numpy()
    share = (cosine + 1) / 2  # paper at −1, the blue of X₁ at 1
    if m > WRITTEN:
        plot.image(draw.shades(share, palette.X1), EDGE, SIDE, SIDE, EDGE)
    else:
        for k, j in np.ndindex(m, m):
            x, y = EDGE + j * unit, EDGE + k * unit
            plot.rect(x, y, x + unit, y + unit, fill=palette.ground(palette.X1, share[k, j]))
    side = min(unit, EDGE) - 2
    for k, view in enumerate(state.rows(n)):
        at, other = EDGE + k * unit, EDGE + (k + n) % m * unit
        near, far = at + (unit - side) / 2, at + (unit + side) / 2
        plot.image(state.thumbs[view], 1, far, 1 + side, near, smooth=True)
        plot.image(state.thumbs[view], near, 1 + side, far, 1, smooth=True)
        start, end = at + 1, at + unit - 1
        plot.rect(other + 1, start, other + unit - 1, end, outline=palette.X2, width=2.5)
        plot.rect(start, start, end, end, fill=palette.WASH)
        plot.line([(start, start), (end, end)], palette.MUTED, 1)
        if m <= WRITTEN:
            for j in range(m):
                if j != k:
                    x, y = EDGE + (j + 0.5) * unit, at + unit / 2
                    plot.text(x, y, f"{cosine[k, j]:.2f}".replace("-", "−"), palette.INK, 9)
    top = EDGE + row * unit
    plot.rect(1, top, SIDE - 1, top + unit, outline=palette.Y, width=2.5)
    click = "Click the row that will be hardest" if guess is None else "Click a row"
    caption = f"cosines of all views; orange: the two views of one picture. {click}"
    alt = f"{m} by {m} cosines; row {row + 1} is chosen, its positive is {cosine[row, (row + n) % m]:.2f}"
    return plot.panel(caption, alt, operable=True)


def _softmax(loss: Loss, n: int, row: int) -> draw.Plot:
    """Bars of one row; the positive in the colour of X₂."""
    m, j = 2 * n, (row + n) % (2 * n)
    p = loss.softmax[row].numpy()
    plot = draw.Plot(300, 200, (-0.6, m - 0.4), (0, 1.05), margin=(10, 8, 36, 46))
    plot.axes("view", "softmax", xticks={k: str(k + 1) for k in range(m)}, yticks=[0, 0.5, 1])
    plot.bars(np.arange(m), p, [palette.X2 if k == j else palette.X1 for k in range(m)], 0.75)
    plot.text(j, float(p[j]), f"{p[j]:.2f}", palette.X2, 11, "md", offset=(0, -3), halo=True)
    return plot


def _curve(curve: np.ndarray, n: int, loss: Loss, temperature: float) -> draw.Plot:
    """The loss against the temperature, with the value of a collapse."""
    line = math.log(2 * n - 1)
    top = max(1.25 * line, min(float(curve.max()), 2.5 * line)) + 0.1
    x = np.log10(TEMPERATURES)
    plot = draw.Plot(300, 200, (float(x[0]), float(x[-1])), (0, top), margin=(10, 12, 36, 46))
    plot.axes("temperature τ", "loss", xticks={-1: "0.1", 0: "1", 1: "10"})
    plot.line([(x[0], line), (x[-1], line)], palette.MUTED, 1.5, dash=(5, 4))
    plot.text(x[-1], line, f"log(2N − 1) = {line:.2f}", palette.MUTED, 11, "rd", offset=(-2, -2), halo=True)
    plot.line(np.stack([x, curve.clip(0, top)], 1), palette.PSI, 2, told="loss")
    plot.dot(math.log10(temperature), min(loss.mean, top), palette.X2, r=5)
    return plot


def _readout(loss: Loss, n: int, row: int, guess: int | None, temperature: float) -> str:
    if guess is None:
        return (
            "Each row must find its other view (orange) among all others. <b>Which row will find it "
            "hardest?</b> Click it; with the keyboard: arrows, then Enter. Then the losses appear."
        )
    m, guess = 2 * n, guess % (2 * n)
    hardest = int(loss.rows.argmax())
    negatives = loss.cosine.clone()
    k = torch.arange(m)
    negatives[k, k] = negatives[k, k.roll(n)] = -2.0
    nearest = int((loss.cosine[k, k.roll(n)] > negatives.max(1).values).sum())
    if float(loss.rows.max() - loss.rows.min()) < 1e-5:
        verdict = "All rows are equally hard."
    else:
        verdict = f"Your guess, row {guess + 1}, has a loss of {float(loss.rows[guess]):.2f}; "
        other = f"the hardest is row {hardest + 1} with {float(loss.rows[hardest]):.2f}."
        verdict += "it is the hardest." if guess == hardest else other
    p = loss.softmax[row].clone()  # of the negatives
    p[(row + n) % m] = 0
    weighs = float(p.max() / p.sum()) if p.sum() > 0 else 1.0
    return (
        f"Loss, the mean of {m} rows: <b>{loss.mean:.3f}</b>; a collapse has log(2N − 1) = "
        f"{math.log(m - 1):.3f}. {nearest} of {m} rows have their other view as nearest.<br>{verdict} Row "
        f"{row + 1}: its nearest negative weighs {weighs:.3f} of the gradient's push, at τ = "
        f"{temperature:.2f}."
    )
