"""Lecture 10's experiment: type a caption, get pictures; pick a picture, get captions (note §3.2, CLIP)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from html import escape
from math import log, log10
from typing import Any

import ipywidgets
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from ssl_course import assets, checkpoints
from ssl_course.course import palette
from ssl_course.data import captioned, scenes
from ssl_course.data.pictures import Pictures
from ssl_course.evaluation import features
from ssl_course.losses import clip_loss
from ssl_course.methods import CLIP
from ssl_course.methods.clip import by_each_text, words_of
from ssl_course.widgets.frame import chips, draw
from ssl_course.widgets.frame.canvas import Key, Panel, Pointer
from ssl_course.widgets.frame.explorer import Explorer
from ssl_course.widgets.frame.sheet import ARROWS

GALLERY, COLUMNS, ROWS = 240, 6, 2  # pictures searched; the best of them are shown
SHOWN = COLUMNS * ROWS
CELL, FOOT = 96, 18  # CSS pixels of a picture on the sheet, and of its number below
BARS, BAR, WIDE = 8, 26, 460  # captions of the chosen picture
SIZE = 32  # pixels of the scenes that the shipped network was trained with
EACH = "each caption"  # no mean feature: the probabilities of all captions, added up
BATCH = 64  # pairs whose loss is drawn
START = "three boats at dawn"


class _Gallery:
    """Pictures that are searched with a network: everything encoded once."""

    def __init__(
        self,
        network: CLIP,
        data: Pictures,
        candidates: Sequence[str],
        start: str,
        shown: torch.Tensor | None = None,
    ) -> None:  # ``shown``: the same pictures in a finer size, for the reader's eyes alone
        if not data.captions:
            raise ValueError("CaptionSearch needs pictures with captions (Pictures.captions)")
        if len(data) < 2:
            raise ValueError(f"CaptionSearch needs at least two pictures, got {len(data)}")
        if len(data) > GALLERY:  # some of each kind, however they are sorted
            data = data[torch.randperm(len(data), generator=torch.Generator().manual_seed(0))[:GALLERY]]
        self.network, self.data, self.start = network.eval(), data, start
        self.captions = list(dict.fromkeys([*self.data.captions, *candidates]))
        with torch.no_grad():
            self.images = features(network.encode_image, self.data.images)  # (N, d)
            ids = network.tokenize(self.captions, cut=True)
            self.texts = torch.cat([network.encode_text(i).cpu() for i in ids.split(512)])  # (C, d)
        self.place = {caption: i for i, caption in enumerate(self.captions)}
        self.own = torch.tensor([self.place[c] for c in self.data.captions])  # (N,)
        self.scale = float(network.logit_scale.detach().exp())
        self.thumbs = [draw.rgba(x) for x in (self.data.images if shown is None else shown)]
        self.labels = [k for k in self.data.labels if len(self.data.names.get(k, ())) in range(2, 13)]

    @lru_cache(maxsize=256)  # noqa: B019 - one instance lives as long as its widget
    def order(self, caption: str) -> tuple[tuple[int, ...], tuple[float, ...]] | None:
        """Pictures from the best to the worst, and their cosines with the caption; None without a word."""
        if not caption.strip():
            return None
        with torch.no_grad():
            text = self.network.encode_text(self.network.tokenize([caption], cut=True)).cpu()  # (1, d)
        cosine = (self.images @ text.T)[:, 0]
        best = cosine.argsort(descending=True)
        return tuple(best.tolist()), tuple(cosine[best].tolist())

    @lru_cache(maxsize=64)  # noqa: B019
    def confusion(self, label: str, kind: str) -> np.ndarray:
        """Share of the pictures of each class (rows) that get each answer (columns), (K, K)."""
        y, k = self.data.labels[label], len(self.data.names[label])
        prompts = self._prompts(label, kind)
        if kind == EACH:
            classes = torch.cat([torch.full((len(texts),), j) for j, texts in enumerate(prompts)])
            rows = self.texts[[self.place[t] for texts in prompts for t in texts]]
            answer = by_each_text(self.images, rows, classes, self.scale).argmax(1)
        else:
            answer = (self.images @ torch.stack([self._mean(texts) for texts in prompts]).T).argmax(1)
        table = torch.zeros(k, k).index_put_((y, answer), torch.ones(1), accumulate=True)
        return (table / table.sum(1, keepdim=True).clamp(min=1)).numpy()

    def accuracy(self, label: str, kind: str) -> float:
        """Of zero-shot classification."""
        share = np.bincount(self.data.labels[label].numpy(), minlength=len(self.data.names[label]))
        return float((self.confusion(label, kind).diagonal() * share).sum() / share.sum())

    def _prompts(self, label: str, kind: str) -> list[list[str]]:
        if self.data.names.get(label) == scenes.NAMES.get(label):
            found = scenes.prompts(label, scenes.PROMPTS[2] if kind == EACH else kind)
            if kind != EACH or all(t in self.place for texts in found for t in texts):
                return found
        names = self.data.names[label]
        if kind == scenes.PROMPTS[0]:
            return [[name] for name in names]
        if kind == scenes.PROMPTS[1]:
            return [[f"a picture of {name}"] for name in names]
        y = self.data.labels[label].tolist()
        own = [[c for c, k in zip(self.data.captions, y, strict=True) if k == j] for j in range(len(names))]
        return own if kind == EACH else [texts or [name] for texts, name in zip(own, names, strict=True)]

    def _mean(self, texts: list[str]) -> torch.Tensor:
        known = [self.place[t] for t in texts if t in self.place]
        if len(known) == len(texts):
            return F.normalize(self.texts[known].mean(0), dim=0)
        return self.network.class_features([texts])[0].cpu()

    @lru_cache(maxsize=4)  # noqa: B019
    def curve(self, masked: bool) -> tuple[np.ndarray, np.ndarray, float]:
        """Scales, the loss of a batch at each of them, and the least loss that any network could have on it."""
        own = self.own[:BATCH]
        same = own[:, None] == own
        scales = np.geomspace(1, 100, 41)
        images, texts = self.images[:BATCH], self.texts[own]
        loss = [float(clip_loss(images, texts, float(s), same if masked else None)) for s in scales]
        return scales, np.array(loss), 0.0 if masked else float(same.sum(1).double().log().mean())


class CaptionSearch(Explorer):
    """Type a caption and see which pictures fit it best; click one and see which captions fit it best.

    Click a caption to ask for it. Arrows move on the sheet and among the captions.

    Args:
        network: a trained `CLIP`; None takes those shipped with the course: scenes, and emoji where their pictures
            are on this machine.
        data: pictures with captions for it, at least two; None paints scenes of 32 px, as the shipped network knows them.
        candidates: captions to choose from beside those of ``data``; None adds all captions of the scenes to scenes.
        caption: to begin with.

    Raises:
        FileNotFoundError: no network was given and none is shipped. ValueError: pictures without captions.
    """

    def __init__(
        self,
        network: CLIP | None = None,
        data: Pictures | None = None,
        candidates: Sequence[str] | None = None,
        caption: str | None = None,
    ) -> None:
        galleries: dict[str, _Gallery] = {}
        if network is None and data is None:
            galleries["scenes"] = _scenes(checkpoints.shipped("clip"), SIZE)
            if (emoji := _emoji()) is not None:
                galleries["emoji"] = emoji
        else:
            network = checkpoints.shipped("clip") if network is None else network
            if data is None:
                galleries["yours"] = _scenes(network, SIZE)
            else:
                every = scenes.every_caption()[0]
                if candidates is None:
                    candidates = every if set(data.captions) <= set(every) else ()
                galleries["yours"] = _Gallery(network, data, candidates, START)
        first = next(iter(galleries.values()))
        labels = list(dict.fromkeys(label for g in galleries.values() for label in g.labels)) or [
            "(no label)"
        ]
        text = first.start if caption is None else caption
        own = min(max(first.scale, 1.0), 100.0)
        controls = {
            "caption": ipywidgets.Text(text, description="caption", layout={"width": "420px"}),
            "pictures": ipywidgets.Dropdown(options=list(galleries), description="pictures"),
            "label": ipywidgets.Dropdown(options=labels, description="zero-shot: which"),
            "prompts": ipywidgets.Dropdown(
                options=(*scenes.PROMPTS, EACH), value=EACH, description="asked by"
            ),
            "scale": ipywidgets.FloatLogSlider(
                own, base=10, min=0, max=2, step=0.01, description="exp(logit_scale)", readout_format=".1f"
            ),
            "masked": ipywidgets.Checkbox(False, description="mask equal captions"),
        }
        rows = [["caption", "pictures"], ["label", "prompts"], ["scale", "masked"]]
        hidden, tries = {"rank": 0, "cursor": 0}, {"rank": [1, SHOWN - 1], "cursor": [3, BARS - 1]}
        super().__init__(controls, state=galleries, hidden=hidden, tries=tries, rows=rows)
        self.controls["caption"].observe(lambda _: self.attempt(lambda: self.set(rank=0)), names="value")
        self.controls["pictures"].observe(lambda _: self.attempt(self._moved), names="value")

    @classmethod
    def example(cls) -> CaptionSearch:
        """A small network that has learned nothing, on a few pictures."""
        torch.manual_seed(0)
        data = scenes.World().sample(24, 32, seed=1)
        network = CLIP(width=16, embed_dim=8)
        network.prepare(data)
        return cls(network, data, candidates=())

    @staticmethod
    def render(state: Any, *, caption: str, pictures: str, label: str, prompts: str, scale: float, masked: bool,
               rank: int, cursor: int) -> tuple[list[Panel], str]:  # fmt: skip
        """Ranked pictures, the chosen one with its captions, the zero-shot matrix, the loss. Pure."""
        gallery: _Gallery = state[pictures]
        found = gallery.order(caption)
        order = found[0] if found else tuple(range(len(gallery.data)))
        rank = min(rank, len(order) - 1, SHOWN - 1)
        ranked = _captions_of(gallery, order[rank])
        panels = [
            _sheet(gallery, caption, order, found, rank),
            *_chosen(gallery, order[rank], ranked, scale, cursor),
        ]
        asked = label if label in gallery.labels else next(iter(gallery.labels), None)
        if asked is not None:
            panels.append(_matrix(gallery, asked, prompts))
        panels.append(_loss(gallery, scale, masked))
        return panels, _readout(gallery, caption, scale, masked, label, asked, prompts)

    def on_pointer(self, event: Pointer) -> None:
        """Choose a picture on the sheet, or a caption to ask for."""
        if event.kind != "down":
            return
        if event.panel == 0:
            row = min(int(event.y * ROWS), ROWS - 1)
            self._choose(row * COLUMNS + min(int(event.x * COLUMNS), COLUMNS - 1))
        elif event.panel == 2:
            ranked = _captions_of(self._gallery(), self._picture())
            self._ask(min(int(event.y * len(ranked)), len(ranked) - 1))

    def on_key(self, event: Key) -> None:
        """Arrows move; Enter on a caption asks for it."""
        dx, dy = ARROWS.get(event.key, (0, 0))
        values = self.values()
        if event.panel == 0:
            self._choose((values["rank"] + dx + COLUMNS * dy) % SHOWN)
        elif event.panel == 2:
            if (dx, dy) == (0, 0):
                self._ask(values["cursor"])
            else:
                many = len(_captions_of(self._gallery(), self._picture()))
                self.set(cursor=(values["cursor"] + dx + dy) % many)

    def png(self) -> bytes:
        """As `Explorer.png`, in 128 colours: with all their grain, the scenes would fill half of a notebook."""
        image = draw.compose(self.panels, f"{self._settings()}\n{draw.plain(self.readout)}".strip())
        return draw.png(image.quantize(128, dither=Image.Dither.NONE).convert("RGB"))

    def _gallery(self) -> _Gallery:
        return self.state[self.values()["pictures"]]

    def _picture(self) -> int:
        """The chosen picture's index."""
        gallery, values = self._gallery(), self.values()
        found = gallery.order(values["caption"])
        order = found[0] if found else tuple(range(len(gallery.data)))
        return order[min(values["rank"], len(order) - 1, SHOWN - 1)]

    def _choose(self, rank: int) -> None:
        if rank < len(self._gallery().data):
            self.set(rank=rank, cursor=0)

    def _ask(self, row: int) -> None:
        gallery = self._gallery()
        ranked = _captions_of(gallery, self._picture())
        if row < len(ranked):
            self.set(caption=gallery.captions[ranked[row]], rank=0, cursor=0)

    def _moved(self) -> None:
        """Other pictures: a caption that suits them, and their network's own scale."""
        gallery = self._gallery()
        self.set(caption=gallery.start, scale=min(max(gallery.scale, 1.0), 100.0), rank=0, cursor=0)

    def _settings(self) -> str:
        said = chips.printable(super()._settings())
        return said if len(said) <= 300 else said[:299] + "…"


def _scenes(network: CLIP, size: int) -> _Gallery:
    data, fine = (scenes.World().sample(GALLERY, s, seed=1_000_010) for s in (size, 96))
    return _Gallery(network, data, scenes.every_caption()[0], START, fine.images)


def _emoji() -> _Gallery | None:
    """Where network and pictures are there; test emoji first, which the network has never seen."""
    if captioned.find_emoji() is None or not assets.checkpoint("clip_emoji").is_file():
        return None
    data = captioned.load_emoji(32, "test")
    return _Gallery(checkpoints.shipped("clip_emoji"), data, data.captions, "a red heart")


def _captions_of(gallery: _Gallery, picture: int) -> list[int]:
    """The best captions of a picture; its own is the last one where it is not among them."""
    cosine = gallery.texts @ gallery.images[picture]  # (C,)
    best = cosine.topk(min(BARS, len(cosine))).indices.tolist()
    own = int(gallery.own[picture])
    return best if own in best else [*best[:-1], own]


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _short(text: str, most: int = 58) -> str:
    text = chips.printable(text.strip())
    return text if len(text) <= most else text[: most - 1] + "…"


def _sheet(gallery: _Gallery, caption: str, order: tuple, found: tuple | None, rank: int) -> Panel:
    """The best pictures, each with its cosine below, the chosen one outlined."""
    width, height = COLUMNS * CELL, ROWS * (CELL + FOOT)
    plot = draw.Plot(width, height, (0, width), (height, 0), margin=(0, 0, 0, 0))
    said = []
    for i, picture in enumerate(order[:SHOWN]):
        x, y = i % COLUMNS * CELL, i // COLUMNS * (CELL + FOOT)
        plot.image(gallery.thumbs[picture], x + 4, y + CELL - 4, x + CELL - 4, y + 4, smooth=True)
        if i == rank:
            box = [(x + 2, y + 2), (x + CELL - 2, y + 2), (x + CELL - 2, y + CELL - 2), (x + 2, y + CELL - 2)]
            plot.polygon(box, outline=palette.X1, width=3)
        if found:
            plot.text(x + CELL / 2, y + CELL + 6, _signed(found[1][i]), palette.INK, 11)
            said.append(f"{gallery.data.captions[picture]} ({found[1][i]:.2f})")
    alt = (
        f"the pictures nearest to “{_short(caption)}”: {'; '.join(said[:3])}"
        if found
        else "pictures in their own order"
    )
    return plot.panel(
        "X₁: best first, with the cosine; click one" if found else "X₁: click one", alt, operable=True
    )


def _chosen(gallery: _Gallery, picture: int, ranked: list[int], scale: float, cursor: int) -> list[Panel]:
    """The chosen picture, and bars of its best captions."""
    cosine = gallery.texts @ gallery.images[picture]  # (C,)
    chance = (scale * cosine).softmax(0)
    own = int(gallery.own[picture])
    place = 1 + int((cosine > cosine[own]).sum())
    height = BAR * len(ranked)
    plot = draw.Plot(WIDE, height, (0, WIDE), (height, 0), margin=(0, 0, 0, 0))
    for row, i in enumerate(ranked):
        y, p = BAR * row, float(chance[i])
        box = [(0, y + 2), (max(p * WIDE, 2), y + 2), (max(p * WIDE, 2), y + BAR - 2), (0, y + BAR - 2)]
        plot.polygon(box, fill=(184, 58, 0, 70))  # X₂, so that the text on it stays readable
        if row == min(cursor, len(ranked) - 1):
            edge = [(1, y + 1), (WIDE - 1, y + 1), (WIDE - 1, y + BAR - 1), (1, y + BAR - 1)]
            plot.polygon(edge, outline=palette.GRID)
        mark = "✓ " if i == own else ""
        plot.text(
            6, y + BAR / 2, mark + _short(gallery.captions[i], 66), palette.INK, 11, "lm", bold=i == own
        )
        plot.text(WIDE - 6, y + BAR / 2, f"{p:.2f}", palette.INK, 12, "rm")
    words = "; ".join(f"{_short(gallery.captions[i])} {float(chance[i]):.2f}" for i in ranked[:4])
    alt = f"captions of the chosen picture with their probabilities: {words}"
    thumb = Panel(
        gallery.thumbs[picture], f"its own caption: place {place:,} of {len(gallery.captions):,}",
        f"the chosen picture: {gallery.data.captions[picture]}", 128, pixelated=False,
    )  # fmt: skip
    return [
        thumb,
        plot.panel("X₂: its captions, P(X₂ | X₁); ✓ its own; click one to ask for it", alt, operable=True),
    ]


def _matrix(gallery: _Gallery, label: str, kind: str) -> Panel:
    table, names = gallery.confusion(label, kind), gallery.data.names[label]
    k = len(names)
    cell = 46 if k <= 3 else 40 if k <= 6 else 30
    left, top = 118, 26
    width, height = left + cell * k + 8, top + cell * k + 4
    plot = draw.Plot(width, height, (0, k), (k, 0), margin=(top, 8, 4, left))
    paper, full = (tuple(int(c[i : i + 2], 16) for i in (1, 3, 5)) for c in (palette.PAPER, palette.PSI))
    for i in range(k):
        for j in range(k):
            share = float(table[i, j])
            fill = "#{:02x}{:02x}{:02x}".format(
                *(round(a + (b - a) * share) for a, b in zip(paper, full, strict=True))
            )
            plot.polygon([(j, i), (j + 1, i), (j + 1, i + 1), (j, i + 1)], fill=fill, outline=palette.GRID)
            ink = palette.PAPER if share > 0.55 else palette.INK
            if k <= 6 or share >= 0.2:
                plot.text(
                    j + 0.5,
                    i + 0.5,
                    f"{share:.2f}".lstrip("0") if share < 1 else "1",
                    ink,
                    12 if k <= 6 else 10,
                )
        plot.text(0, i + 0.5, _short(names[i], 16), palette.INK, 11, "rm", offset=(-6, 0))
        if k == 3 and max(map(len, names)) <= 6:
            plot.text(i + 0.5, 0, names[i], palette.INK, 11, "ms", offset=(0, -6))
        else:  # too long for a column: their beginnings, spelled out in the rows
            plot.text(i + 0.5, 0, _short(names[i], 3).rstrip("…"), palette.INK, 11, "ms", offset=(0, -6))
    right = float(gallery.accuracy(label, kind))
    alt = f"zero-shot answers for {label}, asked by {kind}: accuracy {right:.2f}; " + ", ".join(
        f"{name} {table[i, i]:.2f} right" for i, name in enumerate(names)
    )
    return plot.panel(f"zero-shot: Y in rows, answers in columns; accuracy {right:.2f}", alt)


def _loss(gallery: _Gallery, scale: float, masked: bool) -> Panel:
    """The loss of one batch at every scale, with log N and the floor."""
    scales, loss, floor = gallery.curve(masked)
    n = min(BATCH, len(gallery.data))
    top = 1.4 * log(n)  # far above a random guess the exact loss teaches nothing
    plot = draw.Plot(320, 240, (0, 2), (0, top), margin=(14, 12, 40, 48))
    plot.axes(
        "exp(logit_scale)",
        "loss",
        xticks={0: "1", log10(2): "2", log10(5): "5", 1: "10", log10(20): "20", log10(50): "50", 2: "100"},
    )
    plot.line([(0, log(n)), (2, log(n))], palette.MUTED, 1.5, dash=(5, 4))
    plot.text(
        0.04, log(n), f"log N = log {n} = {log(n):.2f}", palette.MUTED, 11, "ls", offset=(0, -4), halo=True
    )
    plot.line([(0, floor), (2, floor)], palette.WRONG, 1.5, dash=(2, 3))
    plot.text(0.04, floor, f"floor {floor:.2f}", palette.WRONG, 11, "ls", offset=(0, -4), halo=True)
    inside = loss <= top
    plot.line(np.stack([np.log10(scales), loss], 1)[inside], palette.PSI, 2.5)
    own = log10(min(max(gallery.scale, 1.0), 100.0))
    at_own, now = (float(np.interp(v, np.log10(scales), loss)) for v in (own, log10(scale)))
    plot.dot(own, min(at_own, top), None, r=6, outline=palette.X1, width=2.5)
    plot.dot(log10(scale), min(now, top), palette.INK, r=4)
    alt = f"loss against the scale; at {scale:.1f} it is {now:.2f}, log N is {log(n):.2f}, the floor {floor:.2f}"
    return plot.panel("● loss at your scale, ○ where training left it", alt)


def _readout(gallery: _Gallery, caption: str, scale: float, masked: bool, label: str, asked: str | None,
             kind: str) -> str:  # fmt: skip
    lines = []
    network, words = gallery.network, words_of(caption)
    if not caption.strip():
        lines.append("The caption is empty: type one. Until then the pictures stand in their own order.")
    elif not words:
        lines.append(
            "There is <b>no word</b> in this caption: signs and emoji say nothing to a network that has read words."
        )
    else:
        tokens = len(network.tokenizer.ids(caption))
        if tokens > network.context - 2:
            lines.append(
                f"This caption has {tokens:,} tokens; the network's context has room for {network.context - 2}, "
                "the rest is not read."
            )
        if missing := network.unknown(caption):
            said = chips.several(missing)
            everything = (
                "; that is all there is, so <b>the ranking means nothing</b>"
                if len(missing) == len(set(words))
                else ""
            )
            lines.append(f"Never seen in training: {said}{everything}.")
    scales, loss, floor = gallery.curve(masked)
    now, n = float(np.interp(log10(scale), np.log10(scales), loss)), min(BATCH, len(gallery.data))
    lines.append(
        f"exp(logit_scale) = {scale:.1f}; training left it at {gallery.scale:.1f}. A batch of N = {n}: loss "
        f"<b>{now:.2f}</b>, floor {floor:.2f}{' (equal captions masked)' if masked else ''}, log N {log(n):.2f}."
    )
    if asked is None:
        lines.append("These pictures have no label with 2 to 12 classes: no zero-shot matrix.")
    else:
        if asked != label:
            lines.append(f"These pictures have no {escape(label)}: the matrix is that of {escape(asked)}.")
        lines.append(
            f"Zero-shot accuracy of {escape(asked)}, asked by {escape(kind)}: <b>{gallery.accuracy(asked, kind):.3f}</b>."
        )
    return "<br>".join(lines)
