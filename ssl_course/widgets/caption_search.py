"""Lecture 10's experiment: type a caption, get pictures; pick a picture, get captions (note §3.2, CLIP)."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from html import escape
from math import log, log10
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from ipywidgets import Checkbox, Dropdown, FloatLogSlider, Text

from ssl_course import assets, checkpoints
from ssl_course.course import palette
from ssl_course.data import captioned, scenes
from ssl_course.data.pictures import Pictures
from ssl_course.evaluation import features
from ssl_course.losses import clip_loss
from ssl_course.methods import CLIP
from ssl_course.methods.captions import words_of
from ssl_course.methods.clip import by_each_text
from ssl_course.widgets.frame import Explorer, Frame, Key, Panel, Pointer, chips, draw
from ssl_course.widgets.frame.sheet import cell_at

GALLERY, COLUMNS, ROWS = 240, 4, 3  # pictures searched; the best of them are shown
SHOWN = COLUMNS * ROWS
CELL, FOOT = 96, 18  # CSS pixels of a picture on the sheet, and of its number below
BARS, BAR, WIDE = 8, 28, 420  # captions of the chosen picture
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
        shown: torch.Tensor | None = None,  # the same pictures, finer, for the reader's eyes alone
    ) -> None:
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
    def order(self, caption: str) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """Pictures from the best to the worst, and their cosines with the caption.

        Without a word they stand in their own order, and there are no cosines.
        """
        if not caption.strip():
            return tuple(range(len(self.data))), ()
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
            prompts = scenes.prompts(label, scenes.PROMPTS[2] if kind == EACH else kind)
            if kind != EACH or all(t in self.place for texts in prompts for t in texts):
                return prompts
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
        """Scales, the loss of a batch at each of them, and the least that any network could have on it."""
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
        network: a trained `CLIP`; None takes those shipped with the course: scenes, and emoji where their
            pictures are on this machine.
        data: pictures with captions for it, at least two; None paints scenes of 32 px.
        candidates: captions beside those of ``data``; None adds all captions of the scenes to scenes.

    Raises:
        FileNotFoundError: no network was given and none is shipped. ValueError: pictures without captions.
    """

    def __init__(
        self,
        network: CLIP | None = None,
        data: Pictures | None = None,
        candidates: Sequence[str] | None = None,
    ) -> None:
        courses = network is None and data is None
        network = checkpoints.shipped("clip") if network is None else network
        if data is None:
            first = _scene_gallery(network)
        else:
            every = scenes.every_caption()[0]
            fitting = every if set(data.captions) <= set(every) else ()
            first = _Gallery(network, data, fitting if candidates is None else candidates, START)
        galleries = {"scenes" if courses else "yours": first}
        if courses and (emoji := _emoji_gallery()) is not None:
            galleries["emoji"] = emoji
        labels = list(dict.fromkeys(label for g in galleries.values() for label in g.labels))
        own, ends = min(max(first.scale, 1.0), 100.0), {"base": 10, "min": 0, "max": 2, "step": 0.01}
        controls = {
            "caption": Text(first.start, description="caption", layout={"width": "420px"}),
            "pictures": Dropdown(options=list(galleries), description="pictures"),
            "label": Dropdown(options=labels or ["(no label)"], description="zero-shot: which"),
            "prompts": Dropdown(options=(*scenes.PROMPTS, EACH), value=EACH, description="asked by"),
            "scale": FloatLogSlider(own, **ends, description="exp(logit_scale)", readout_format=".1f"),
            "masked": Checkbox(False, description="mask equal captions"),
        }
        rows = [["caption", "pictures"], ["label", "prompts"], ["scale", "masked"]]
        super().__init__(controls, state=galleries, hidden={"rank": 0, "cursor": 0}, rows=rows)
        self.controls["caption"].observe(lambda _: self.attempt(lambda: self.set(rank=0)), names="value")
        self.controls["pictures"].observe(lambda _: self.attempt(self._moved), names="value")

    @staticmethod
    def render(state: Any, **values: Any) -> Frame:
        """Ranked pictures, the chosen one with its captions, the zero-shot matrix, the loss. Pure."""
        v = SimpleNamespace(**values)
        gallery: _Gallery = state[v.pictures]
        order, cosines = gallery.order(v.caption)
        rank = min(v.rank, len(order) - 1, SHOWN - 1)
        ranked = _captions_of(gallery, order[rank])
        panels = [
            _sheet(gallery, v.caption, order, cosines, rank),
            *_chosen(gallery, order[rank], ranked, v.scale, v.cursor),
        ]
        asked = v.label if v.label in gallery.labels else next(iter(gallery.labels), None)
        if asked is not None:
            panels.append(_matrix(gallery, asked, v.prompts))
        panels.append(_loss(gallery, v.scale, v.masked))
        lines = [*_of_the_caption(gallery.network, v.caption), _of_the_loss(gallery, v.scale, v.masked)]
        return panels, "<br>".join([*lines, *_of_zero_shot(gallery, v.label, asked, v.prompts)])

    def on_pointer(self, event: Pointer) -> None:
        """Choose a picture on the sheet, or a caption to ask for."""
        if event.kind != "down":
            return
        if event.panel == 0:
            self._choose(cell_at(event.x, event.y, ROWS, COLUMNS))
        elif event.panel == 2:
            self._ask(int(event.y * len(self._ranked())))

    def on_key(self, event: Key) -> None:
        """Arrows move; Enter on a caption asks for it."""
        dx, dy = event.arrow
        values = self.values()
        if event.panel == 0:
            self._choose((values["rank"] + dx + COLUMNS * dy) % SHOWN)
        elif event.panel == 2:
            if (dx, dy) == (0, 0):
                self._ask(values["cursor"])
            else:
                self.set(cursor=(values["cursor"] + dx + dy) % len(self._ranked()))

    def _gallery(self) -> _Gallery:
        return self.state[self.values()["pictures"]]

    def _ranked(self) -> list[int]:
        """The captions of the chosen picture."""
        values, gallery = self.values(), self._gallery()
        order, _ = gallery.order(values["caption"])
        return _captions_of(gallery, order[min(values["rank"], len(order) - 1, SHOWN - 1)])

    def _choose(self, rank: int) -> None:
        if rank < len(self._gallery().data):
            self.set(rank=rank, cursor=0)

    def _ask(self, row: int) -> None:
        ranked = self._ranked()
        caption = self._gallery().captions[ranked[min(row, len(ranked) - 1)]]  # the one that is outlined
        self.set(caption=caption, rank=0, cursor=0)

    def _moved(self) -> None:
        """Other pictures: a caption that suits them, and their network's own scale."""
        gallery = self._gallery()
        self.set(caption=gallery.start, scale=min(max(gallery.scale, 1.0), 100.0), rank=0, cursor=0)


def _scene_gallery(network: CLIP) -> _Gallery:
    data, fine = (scenes.World().sample(GALLERY, size, seed=1_000_010) for size in (SIZE, 96))
    return _Gallery(network, data, scenes.every_caption()[0], START, fine.images)


def _emoji_gallery() -> _Gallery | None:
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


def _cut(text: str, most: int = 58) -> str:
    return draw.short(text.strip(), most)


def _sheet(
    gallery: _Gallery, caption: str, order: tuple[int, ...], cosines: tuple[float, ...], rank: int
) -> Panel:
    """The best pictures, each with its cosine below, the chosen one outlined."""
    plot = draw.Plot.board(COLUMNS * CELL, ROWS * (CELL + FOOT))
    for i, picture in enumerate(order[:SHOWN]):
        x, y = i % COLUMNS * CELL, i // COLUMNS * (CELL + FOOT)
        plot.image(gallery.thumbs[picture], x + 2, y + CELL - 2, x + CELL - 2, y + 2, smooth=True)
        if i == rank:
            plot.rect(x + 2, y + 2, x + CELL - 2, y + CELL - 2, outline=palette.X1, width=3)
        if cosines:
            cosine = f"{cosines[i]:.2f}".replace("-", "−")
            plot.text(x + CELL / 2, y + CELL + 6, cosine, palette.INK, 11)
    if not cosines:
        return plot.panel("X₁: click one", "pictures in their own order", operable=True, columns=COLUMNS)
    best = [f"{gallery.data.captions[k]} ({c:.2f})" for k, c in zip(order[:3], cosines, strict=False)]
    alt = f"the pictures nearest to “{_cut(caption)}”: {'; '.join(best)}"
    return plot.panel("X₁: best first, with the cosine; click one", alt, operable=True, columns=COLUMNS)


def _chosen(gallery: _Gallery, picture: int, ranked: list[int], scale: float, cursor: int) -> list[Panel]:
    """The chosen picture, and bars of its best captions."""
    cosine = gallery.texts @ gallery.images[picture]  # (C,)
    chance = (scale * cosine).softmax(0)
    own = int(gallery.own[picture])
    plot = draw.Plot.board(WIDE, BAR * len(ranked))
    for row, i in enumerate(ranked):
        y, p = BAR * row, float(chance[i])
        plot.rect(0, y + 2, max(p * WIDE, 2), y + BAR - 2, fill=palette.X2 + "46")  # its text stays readable
        if row == min(cursor, len(ranked) - 1):
            plot.rect(1, y + 1, WIDE - 1, y + BAR - 1, outline=palette.GRID)
        words = ("✓ " if i == own else "") + gallery.captions[i].strip()
        words = draw.fitted(words, WIDE - 52, 11, bold=i == own)
        plot.text(6, y + BAR / 2, words, palette.INK, 11, "lm", bold=i == own)
        plot.text(WIDE - 6, y + BAR / 2, f"{p:.2f}", palette.INK, 12, "rm")
    spoken = "; ".join(f"{_cut(gallery.captions[i])} {float(chance[i]):.2f}" for i in ranked[:4])
    alt = f"captions of the chosen picture with their probabilities: {spoken}"
    place = f"{1 + int((cosine > cosine[own]).sum()):,} of {len(gallery.captions):,}"
    its_own = f"the chosen picture: {gallery.data.captions[picture]}"
    return [
        Panel(gallery.thumbs[picture], f"its own caption: place {place}", its_own, 160, pixelated=False),
        plot.panel("X₂: its captions, P(X₂ | X₁); ✓ its own; click one to ask for it", alt, operable=True),
    ]


def _matrix(gallery: _Gallery, label: str, kind: str) -> Panel:
    table, names = gallery.confusion(label, kind), gallery.data.names[label]
    k = len(names)
    cell = 46 if k <= 3 else 40 if k <= 6 else 30
    left, top = 118, 26
    plot = draw.Plot(left + cell * k + 8, top + cell * k + 4, (0, k), (k, 0), margin=(top, 8, 4, left))
    for i, name in enumerate(names):
        for j, share in enumerate(table[i].tolist()):
            plot.rect(j, i, j + 1, i + 1, palette.ground(palette.PSI, share), palette.GRID)
            if k <= 6 or share >= 0.2:
                text = f"{share:.2f}".lstrip("0") if share < 1 else "1"
                plot.text(j + 0.5, i + 0.5, text, palette.INK, 12 if k <= 6 else 10)
        plot.text(0, i + 0.5, _cut(name, 16), palette.INK, 11, "rm", offset=(-6, 0))
        # what is too long for a column is cut to its beginning: it is spelled out in the rows
        whole = k == 3 and max(map(len, names)) <= 6
        above = name if whole else _cut(name, 3).rstrip("…")
        plot.text(i + 0.5, 0, above, palette.INK, 11, "ms", offset=(0, -6))
    right = float(gallery.accuracy(label, kind))
    each = ", ".join(f"{name} {table[i, i]:.2f} right" for i, name in enumerate(names))
    alt = f"zero-shot answers for {label}, asked by {kind}: accuracy {right:.2f}; {each}"
    return plot.panel(f"zero-shot: Y in rows, answers in columns; accuracy {right:.2f}", alt)


def _loss(gallery: _Gallery, scale: float, masked: bool) -> Panel:
    """The loss of one batch at every scale, with log N and the floor."""
    scales, loss, floor = gallery.curve(masked)
    n = min(BATCH, len(gallery.data))
    top = 1.4 * log(n)  # far above a random guess the exact loss teaches nothing
    plot = draw.Plot(300, 200, (0, 2), (0, top), margin=(14, 12, 40, 48))
    plot.axes("exp(logit_scale)", "loss", xticks=draw.log_ticks(1, 2, 5, 10, 20, 50, 100))
    for y, name, colour, dash in (
        (log(n), f"log N = log {n} = {log(n):.2f}", palette.MUTED, (5, 4)),
        (floor, f"floor {floor:.2f}", palette.WRONG, (2, 3)),
    ):
        plot.line([(0, y), (2, y)], colour, 1.5, dash=dash)
        plot.text(0.04, y, name, colour, 11, "ls", offset=(0, -4), halo=True)
    inside = loss <= top
    plot.line(np.stack([np.log10(scales), loss], 1)[inside], palette.PSI, 2.5, told="loss")
    own = log10(min(max(gallery.scale, 1.0), 100.0))
    at_own, now = (float(np.interp(v, np.log10(scales), loss)) for v in (own, log10(scale)))
    if at_own <= top:
        plot.dot(own, at_own, None, r=6, outline=palette.X1, width=2.5)
    if now <= top:
        plot.dot(log10(scale), now, palette.INK, r=4)
    else:  # an arrow at the upper edge to what lies beyond it
        x = log10(scale)
        anchor, side = ("lm", 8) if x < 1 else ("rm", -8)
        plot.arrow((x, 0.88 * top), (x, top))
        plot.text(x, 0.94 * top, f"{now:.1f}, above", palette.INK, 11, anchor, True, (side, 0), halo=True)
    alt = (
        f"loss against the scale; at {scale:.1f} it is {now:.2f}, log N is {log(n):.2f}, "
        f"the floor {floor:.2f}"
    )
    return plot.panel("● loss at your scale, ○ where training left it", alt)


def _of_the_caption(network: CLIP, caption: str) -> Iterator[str]:
    words = words_of(caption)
    if not caption.strip():
        yield "The caption is empty: type one. Until then the pictures stand in their own order."
    elif not words:
        why = "signs and emoji say nothing to a network that has read words"
        yield f"There is <b>no word</b> in this caption: {why}."
    else:
        tokens, room = len(network.tokenizer.ids(caption)), network.context - 2
        if tokens > room:
            rest = f"the network's context has room for {room}, the rest is not read"
            yield f"This caption has {tokens:,} tokens; {rest}."
        if missing := network.unknown(caption):
            all_of_it = "; that is all there is, so <b>the ranking means nothing</b>"
            everything = all_of_it if len(missing) == len(set(words)) else ""
            yield f"Never seen in training: {chips.several(missing)}{everything}."


def _of_the_loss(gallery: _Gallery, scale: float, masked: bool) -> str:
    scales, loss, floor = gallery.curve(masked)
    now, n = float(np.interp(log10(scale), np.log10(scales), loss)), min(BATCH, len(gallery.data))
    return (
        f"exp(logit_scale) = {scale:.1f}; training left it at {gallery.scale:.1f}. A batch of N = {n}: loss "
        f"<b>{now:.2f}</b>, floor {floor:.2f}{' (equal captions masked)' if masked else ''}, "
        f"log N {log(n):.2f}."
    )


def _of_zero_shot(gallery: _Gallery, label: str, asked: str | None, kind: str) -> Iterator[str]:
    if asked is None:
        yield "These pictures have no label with 2 to 12 classes: no zero-shot matrix."
        return
    if asked != label:
        yield f"These pictures have no {escape(label)}: the matrix is that of {escape(asked)}."
    accuracy = gallery.accuracy(asked, kind)
    yield f"Zero-shot accuracy of {escape(asked)}, asked by {escape(kind)}: <b>{accuracy:.3f}</b>."
