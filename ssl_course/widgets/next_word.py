"""Lecture 06's second experiment: one word after the other (note §3.1)."""

from contextlib import suppress
from functools import lru_cache
from math import exp
from typing import Any, NamedTuple

import torch
from ipywidgets import Dropdown, FloatSlider

from ssl_course import assets, checkpoints
from ssl_course.course import palette
from ssl_course.data import reviews
from ssl_course.methods import GPT
from ssl_course.methods.gpt import sharpen
from ssl_course.pretext.words import CLS, MASK, SEP, UNK
from ssl_course.widgets.frame import Explorer, Frame, Key, Panel, Pointer, chips, draw

START = "I like this movie. The"
SHIPPED = {"film reviews": "gpt_reviews", "Shakespeare": "gpt_shakespeare"}
BEGIN = {"film reviews": START, "Shakespeare": "ROMEO:\nI"}
CANDIDATES, SHOWN, WRITTEN, KEPT = 10, 130, 24, 200  # bars, words so far, tokens at once, steps to undo
FEW, LEAST = 2, 0.005  # bars there always are; the least probability worth another
ROW, TOP, WIDE = 26, 36, 440  # of the bars, CSS pixels
TOP_K = [("1", 1), ("2", 2), ("3", 3), ("5", 5), ("10", 10), ("40", 40), ("all", 0)]


class _Next(NamedTuple):
    """What may come next: the candidates worth a bar in order, and how likely each is."""

    ids: list[int]
    drawn: list[float]  # after temperature and top-k
    own: list[float]  # the network's
    exact: list[float] | None  # the world's


class _Told(NamedTuple):
    """A stretch of the text, and how much it surprised the network that had read all before it."""

    text: str
    nats: float | None  # None: a word it does not know


class _State:
    """Networks by name, and the worlds that their texts come from."""

    def __init__(self, networks: dict[str, GPT], worlds: dict[str, reviews.World]) -> None:
        self.networks, self.worlds = networks, worlds

    def next(self, network: str, text: str, temperature: float, top_k: int) -> _Next:
        """The likeliest tokens after the text, as drawn; of equals those that the network prefers."""
        own = self.own(network, text)
        drawn = sharpen(own.log(), temperature, top_k or None)
        ids = own.topk(min(CANDIDATES, int((own > 0).sum()))).indices
        exact = self.exact(network, text)
        answers = torch.stack([p[ids] for p in (drawn, own, exact) if p is not None])
        worth = (answers >= LEAST).any(0)  # (candidates,)
        worth[:FEW] = True
        ids = ids[worth]
        told = None if exact is None else exact[ids].tolist()
        return _Next(ids.tolist(), drawn[ids].tolist(), own[ids].tolist(), told)

    @lru_cache(maxsize=64)  # noqa: B019 - one instance lives as long as its widget
    def own(self, network: str, text: str) -> torch.Tensor:
        """The network's probabilities of the next token, (V,)."""
        return self.networks[network].probabilities(text).double().cpu()

    @lru_cache(maxsize=64)  # noqa: B019
    def exact(self, network: str, text: str) -> torch.Tensor | None:
        """The world's, where a text of the world begins like that."""
        if network in self.worlds:
            with suppress(ValueError):
                return self.worlds[network].next_word(text)
        return None

    @lru_cache(maxsize=16)  # noqa: B019
    def told(self, network: str, text: str) -> tuple[_Told, ...]:
        """The tokens that the network sees, each with its surprise; those that share letters are one."""
        gpt = self.networks[network]
        room = gpt.context - 1
        ids, spans = gpt.ids(text)[-room:], gpt.tokenizer.spans(text)[-room:]
        if not ids:
            return ()
        row = torch.tensor([[CLS, *ids]], device=gpt.bias.device)
        with torch.no_grad():
            log_p = gpt.logits(row)[0, :-1].log_softmax(-1).double().cpu()  # (T, V)
        stretches: list[_Told] = []
        before = None
        for t, (token, (a, b)) in enumerate(zip(ids, spans, strict=True)):
            nats = None if token in (UNK, MASK) else -float(log_p[t, token])
            if before == (a, b) and nats is not None:  # bytes of one letter
                stretches[-1] = _Told(stretches[-1].text, (stretches[-1].nats or 0) + nats)
            else:
                stretches.append(_Told(text[a:b], nats))
            before = (a, b)
        return tuple(stretches)


class NextWord(Explorer):
    """Write with a next-word network: see what it expects, choose or draw, go back.

    Click a bar (arrows and Enter) to take that word; or let it draw. The words so far are the darker the more
    they surprised the network.

    Args:
        networks: one trained `GPT` or several by name, beside those shipped with the course.
        worlds: name → the `reviews.World` whose texts that network has read, for exact bars beside its own;
            the shipped ``"film reviews"`` has its own.

    Raises:
        FileNotFoundError: no network was given and none is shipped.
        ValueError: a network without a tokenizer.
    """

    def __init__(
        self, networks: GPT | dict[str, GPT] | None = None, worlds: dict[str, reviews.World] | None = None
    ) -> None:
        there = {label: name for label, name in SHIPPED.items() if assets.checkpoint(name).is_file()}
        offered = checkpoints.together(networks, there or SHIPPED)
        if bare := [name for name, gpt in offered.items() if gpt.tokenizer is None]:
            raise ValueError(f"{bare[0]!r} has no tokenizer yet: gpt.prepare(data) gives it one")
        given = networks if isinstance(networks, dict) else {"yours": networks} if networks else offered
        name = next(iter(given))
        text = BEGIN.get(name, "" if offered[name].tokenizer.words is None else START)
        controls = {
            "network": Dropdown(options=list(offered), value=name, description="network has read"),
            "temperature": FloatSlider(1.0, min=0, max=2, step=0.05, description="temperature"),
            "top_k": Dropdown(options=TOP_K, value=0, description="top-k"),
            "text": chips.text_area(text, "so far", rows=3),
        }
        self._past: list[str] = []
        self._typing = self._going_back = False
        self._stream = torch.Generator().manual_seed(0)
        controls["text"].observe(self._edited, names="value")
        super().__init__(
            controls,
            state=_State(offered, {"film reviews": reviews.World(0.5)} | (worlds or {})),
            hidden={"cursor": -1, "ended": False},
            rows=[["text"], ["network", "temperature", "top_k"]],
            actions={
                "Take the likeliest": self.greedy,
                "Draw a word": self.draw,
                "Write on": self.write,
                "Undo": self.undo,
            },
        )

    @staticmethod
    def render(
        state: Any, *, network: str, text: str, temperature: float, top_k: int, cursor: int, ended: bool
    ) -> Frame:
        """The words so far, and bars for the next. Pure."""
        gpt = state.networks[network]
        told = state.told(network, text)
        coming = state.next(network, text, temperature, top_k)
        panels = [_so_far(told, chips.from_right(text)), _bars(gpt, coming, cursor)]
        return panels, _readout(gpt, text, told, coming, temperature, top_k, ended)

    # What the student does

    def on_pointer(self, event: Pointer) -> None:
        """A click on a bar takes that word."""
        if event.kind != "down" or event.panel != 1:
            return
        ids = self._next().ids
        row = int((event.y * (TOP + ROW * len(ids)) - TOP) // ROW)
        if 0 <= row < len(ids):
            self.set(cursor=row)
            self.take(ids[row])

    def on_key(self, event: Key) -> None:
        """Up and down choose a bar, Enter and Space take its word."""
        ids, cursor = self._next().ids, self.values()["cursor"]
        if step := sum(event.arrow):
            self.set(cursor=min(max(cursor + step, 0), len(ids) - 1))
        else:
            self.take(ids[max(cursor, 0)])

    def take(self, token: int) -> None:
        """This token comes next; the mark of the end adds nothing, and is said."""
        text = self.values()["text"]
        if token == SEP:
            self.set(ended=True)
        else:
            self._put(text + self._gpt().tokenizer.decode([token], after=text), ended=False)

    def greedy(self) -> None:
        """The likeliest token: "the next most probable word" (note §3.1)."""
        own = self.state.own(self.values()["network"], self.values()["text"])
        self.take(int(own.argmax()))

    def draw(self) -> None:
        """One token, drawn with this temperature and top-k."""
        values = self.values()
        own = self.state.own(values["network"], values["text"])
        p = sharpen(own.log(), values["temperature"], values["top_k"] or None)
        self.take(int(torch.multinomial(p, 1, generator=self._stream)))

    def write(self) -> None:
        """Up to `WRITTEN` tokens, drawn one after the other, or up to the end of the text."""
        values, gpt = self.values(), self._gpt()
        before = values["text"]
        after = gpt.sample(before, values["temperature"], values["top_k"] or None, self._stream, WRITTEN)
        self._put(after, ended=len(gpt.ids(after)) < len(gpt.ids(before)) + WRITTEN)

    def _put(self, text: str, ended: bool) -> None:
        """A step of its own, whatever was typed before and after."""
        self._typing = False
        self.set(text=text, ended=ended)
        self._typing = False

    def undo(self) -> None:
        """The text before the last word, or before the last stretch of typing."""
        if self._past:
            self._going_back = True
            try:
                self.set(text=self._past.pop(), ended=False)
            finally:
                self._going_back = self._typing = False

    def _gpt(self) -> GPT:
        return self.state.networks[self.values()["network"]]

    def _next(self) -> _Next:
        values = self.values()
        return self.state.next(values["network"], values["text"], values["temperature"], values["top_k"])

    def _edited(self, change: Any) -> None:
        """Every text that was left can be had back; what is typed in one go is one step."""
        if not self._going_back and not self._typing:
            self._past = [*self._past[-KEPT:], change["old"]]
            self._typing = True
        if self.values()["ended"] or self.values()["cursor"] >= 0:
            self.attempt(lambda: self.set(ended=False, cursor=-1))


def _shown(token: str) -> str:
    """A piece keeps its space in front, as "␣": it tells a new word from the end of one."""
    return draw.printable(token.replace(" ", "␣").replace("\n", "↵").replace("\t", "⇥"))


def _so_far(told: tuple[_Told, ...], rtl: bool) -> Panel:
    """The last words, each the darker the less it was expected."""
    told = told[-SHOWN:]
    page = chips.pages(tuple(_shown(t.text.strip(" ")) or "␣" for t in told), rtl, lines=SHOWN)[0]
    looks = []
    for chip in page:
        nats = told[chip.index].nats
        if nats is None:
            looks.append(chips.Look(palette.WASH, palette.MUTED, palette.MUTED))
            continue
        looks.append(chips.Look(palette.ground(palette.X2, nats / 6), palette.INK))
    spoken = ", ".join(f"{c.text} {told[c.index].nats:.1f}" for c in page if told[c.index].nats is not None)
    alt = f"the words so far with their surprise in nats: {spoken}" if spoken else "no words yet"
    caption = "X₁, the words so far: the darker, the less expected"
    return chips.sheet(page, looks, caption, alt, operable=False)


def _bars(gpt: GPT, coming: _Next, cursor: int) -> Panel:
    """Candidates for the next token, each with its bars."""
    height = TOP + ROW * len(coming.ids)
    plot = draw.Plot(WIDE, height, (0, 1.16), (height - TOP, 0), margin=(TOP, 8, 0, 110))
    spoken = []
    for row, token in enumerate(coming.ids):
        y = ROW * (row + 0.5)
        if row == cursor:
            plot.rect(-0.32, y - 12, 1.14, y + 12, palette.WASH, palette.INK)
        word = "(the end)" if token == SEP else _shown(gpt.tokenizer.token(token))
        plot.text(0, y, word, palette.INK, 13, "rm", offset=(-8, 0))
        bars = [(coming.drawn[row], palette.PSI, -5, 6), (coming.own[row], palette.MUTED, 3, 2)]
        if coming.exact is not None:
            bars.append((coming.exact[row], palette.X2, 7, 2))
        for value, colour, middle, half in bars:
            plot.rect(0, y + middle - half, value, y + middle + half, fill=colour)
        drawn = coming.drawn[row]
        told, ink = (f"{drawn:.2f}", palette.INK) if drawn >= LEAST else ("rarely", palette.MUTED)
        plot.text(drawn, y - 5, told if drawn else "cut off", ink, 11, "lm", offset=(4, 0))
        spoken.append(f"{word} {drawn:.2f}")
    plot.text(0, 0, "■ drawn with", palette.PSI, 11, "ls", offset=(-102, -18))
    plot.text(0, 0, "■ the network's P(X₂ | X₁)", palette.MUTED, 11, "ls", offset=(-14, -18))
    if coming.exact is not None:
        plot.text(0, 0, "■ the world's, exact", palette.X2, 11, "ls", offset=(168, -18))
    caption = "X₂, the next word: click one to take it"
    return plot.panel(caption, f"the next word: {', '.join(spoken)}", operable=True)


def _readout(
    gpt: GPT, text: str, told: tuple[_Told, ...], coming: _Next, temperature: float, top_k: int, ended: bool
) -> str:
    lines = []
    many = len(gpt.ids(text))
    if ended:
        lines.append("<b>The text ends here</b>, says the network. Undo, or write on by hand.")
    if not text.strip():
        lines.append("Nothing is written yet: these are the words that texts begin with.")
    if many > gpt.context - 1:
        lines.append(f"Of these {many:,} words and pieces the network sees the last {gpt.context - 1}.")
    if missing := gpt.tokenizer.unknown(text):
        lines.append(f"Unknown to the network, seen as [UNK]: {chips.several(missing)}.")
    if chips.MASKED in text:
        lines.append("[MASK] means nothing to a network that has only ever read on.")
    if temperature == 0 or top_k == 1:
        lines.append("Greedy: the likeliest word, always the same.")
    elif (rest := 1 - sum(coming.drawn)) >= LEAST:
        lines.append(f"Any other word: {rest:.2f} together.")
    nats = [t.nats for t in told if t.nats is not None]
    if nats:
        mean = sum(nats) / len(nats)
        lines.append(f"Mean surprise of the words so far {mean:.2f} nats: perplexity <b>{exp(mean):.2f}</b>.")
    return "<br>".join(lines or ["Click a bar to go on."])
