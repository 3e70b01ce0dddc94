"""Lecture 06's first experiment: hide words of a sentence, see what could stand there (note §3.1, §3.5.1)."""

from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from ipywidgets import FloatSlider, ToggleButtons

from ssl_course.checkpoints import shipped
from ssl_course.course import palette
from ssl_course.data import reviews
from ssl_course.data.texts import Texts
from ssl_course.interfaces import pair_of
from ssl_course.methods import BERT
from ssl_course.pretext.words import IGNORE, SPECIAL
from ssl_course.theory.independence import conditional_mutual_information
from ssl_course.widgets.frame import Explorer, Frame, Key, Panel, Pointer, chips, draw

NOTE = reviews.review()
FOX = "A quick brown fox jumps over the lazy dog."
UNKNOWN = "unknown"
SHOWN, CANDIDATES, LEAST = 2, 6, 0.005  # masks with their bars, words in each, the least worth a bar
BARS = 366  # CSS pixels: two such panels stand side by side
FEELING = {w.lower() for w in (*reviews.ADJECTIVES, *reviews.VERBS)}


class _Odds(NamedTuple):
    """What could stand at one [MASK]; vectors over the vocabulary, or None."""

    network: torch.Tensor | None
    exact: torch.Tensor | None
    alone: torch.Tensor | None  # exact, with every other word of feeling hidden too


class _Leading(NamedTuple):
    """What one number can keep of this world."""

    values: list[float]  # of the leading feature on `reviews.VERBS`
    sentiment: float  # accuracy of a probe of that number
    intensity: float
    full: float  # accuracy for the sentiment of a probe of all of ψ
    flip: float
    tells: dict[bool, float]  # nats between adjective and verb; True: given the sentiment


class _State:
    """The network and the world; what was computed is kept for a while."""

    def __init__(self, network: BERT, told: bool, learned: str) -> None:
        self.network, self.told, self.learned = network, told, learned
        # only then can its answers stand beside those of the tables
        self.same = network.tokenizer.words == reviews.tokenizer().words

    @lru_cache(maxsize=64)  # noqa: B019 - one instance lives as long as its widget
    def odds(self, text: str, hidden: tuple[int, ...], hole: int, feeling: str, dependence: float) -> _Odds:
        """For word ``hole`` of the text, one of the ``hidden``."""
        words = chips.words_of(text)
        known = None if feeling == UNKNOWN else feeling
        seen = chips.masked_text(text, words, hidden)
        network = None
        if known is None or self.told:
            prefix = f"{known}: " if known else ""
            network = self.network.probabilities(prefix + seen, [hidden.index(hole)])[0].double().cpu()
        world, more = reviews.World(dependence), {k for k, w in enumerate(words) if w.text.lower() in FEELING}
        both = tuple(sorted(more | set(hidden)))
        exact = alone = None
        if self.same:
            with suppress(ValueError):  # no text of the world looks like that
                exact = world.fill(seen, known)[hidden.index(hole)]
                alone = world.fill(chips.masked_text(text, words, both), known)[both.index(hole)]
        return _Odds(network, exact, alone)

    @lru_cache(maxsize=64)  # noqa: B019
    def leading(self, dependence: float) -> _Leading:
        world = reviews.World(dependence)
        table = world.joint()
        sentiment, intensity = (world.probe_limit(label, 1).accuracy for label in ("sentiment", "intensity"))
        full = world.probe_limit("sentiment").accuracy
        tables = {False: table.sum(2, keepdim=True), True: table}
        tells = {given: float(conditional_mutual_information(t)) for given, t in tables.items()}
        return _Leading(world.shared(1).x2[:, 0].tolist(), sentiment, intensity, full, world.flip(), tells)


class MaskedWords(Explorer):
    """Click words to hide them: what could stand there, by the world's exact tables and by a trained BERT.

    Click a word, or go to it with the arrows and press Enter or Space; again shows it. Say what the writer
    felt, and see whether the rest of the text still matters.
    The slider λ is the world's: how much intensities agree.

    Args:
        network: a trained `BERT`; None takes the one that comes with the course.
        told: whether the network was trained on texts that were told the sentiment (`Texts.told`). One that
            was not is silent when the sentiment is given.

    Raises:
        FileNotFoundError: no network was given and none is shipped.
        ValueError: a network without a tokenizer.
    """

    def __init__(self, network: BERT | None = None, told: bool = True) -> None:
        learned = ", learned at λ = 0.50" if network is None else ""
        network = shipped("bert_reviews") if network is None else network.eval()
        if network.tokenizer is None:
            raise ValueError("this network has no tokenizer yet: network.prepare(data) gives it one")
        controls = {
            "feeling": ToggleButtons(options=[UNKNOWN, *reviews.SENTIMENTS], description="Y, the writer is"),
            "dependence": FloatSlider(0.5, min=0, max=1, step=0.02, description="λ of the world"),
            "text": chips.text_area(NOTE, "sentence", rows=2),
        }
        controls["feeling"].style.button_width = "auto"
        self._before = chips.texts_of(NOTE)  # the next edit
        controls["text"].observe(self._edited, names="value")  # before the picture is drawn
        first = next(k for k, word in enumerate(self._before) if word.lower() in FEELING)
        super().__init__(
            controls,
            state=_State(network, told, learned),
            hidden={"masked": (first,), "cursor": first},
            rows=[["text"], ["feeling", "dependence"]],
            actions={"The fox": self.fox, "Hide 15 %": self.hide, "Show all words": self.reveal},
        )
        self._stream = torch.Generator().manual_seed(0)

    @staticmethod
    def render(
        state: Any, *, text: str, feeling: str, dependence: float, masked: tuple[int, ...], cursor: int
    ) -> Frame:
        """The sentence, bars for the hidden words nearest to the cursor, and the leading feature. Pure."""
        words = chips.words_of(text)
        holes = _holes(words, masked)
        pages = chips.pages_of(text)
        page = chips.page_of(pages, cursor)
        missing = state.network.tokenizer.unknown(text)
        near = _nearest(holes, cursor)
        odds = {hole: state.odds(text, holes, hole, feeling, dependence) for hole in near}
        panels = [_sentence(page, set(holes), set(missing), cursor if words else -1)]
        panels += [_bars(state, words[hole].text, hole, odds[hole], feeling) for hole in near]
        leading = state.leading(dependence)
        panels.append(_feature(leading, dependence))
        lines = [
            *_of_the_text(words, holes, len(pages), state.network.context),
            *_of_the_answers(odds, missing, feeling),
            *_of_the_world(leading, feeling, dependence),
        ]
        return panels, "<br>".join(lines)

    # What the student does

    def on_pointer(self, event: Pointer) -> None:
        """A click hides a word, or shows it again."""
        if event.kind != "down":
            return
        page = self._page()
        chip = chips.chip_at(page, event.x, event.y, chips.height_of(page))
        if chip is None:
            return
        if chip.index in (chips.EARLIER, chips.LATER):
            here = [c.index for c in page if c.index >= 0]
            self.set(cursor=here[0] - 1 if chip.index == chips.EARLIER else here[-1] + 1)
        else:
            self.toggle(chip.index)

    def on_key(self, event: Key) -> None:
        """Arrows go from word to word and from line to line, Enter and Space hide or show."""
        words, now = self._texts(), self.values()["cursor"]
        if not words:
            return
        now = min(now, len(words) - 1)
        dx, down = event.arrow
        if not (dx or down):
            self.toggle(now)
            return
        if dx:
            now += -dx if chips.from_right(self.values()["text"]) else dx
        else:
            page = [c for c in self._page() if c.index >= 0]
            here = next(c for c in page if c.index == now)
            line = [c for c in page if c.y == here.y + down * chips.ROW]
            if line:
                now = min(line, key=lambda c: abs(c.x + c.width / 2 - here.x - here.width / 2)).index
            else:
                now = page[-1].index + 1 if down > 0 else page[0].index - 1
        self.set(cursor=min(max(now, 0), len(words) - 1))

    def toggle(self, index: int) -> None:
        """Hide word ``index``, or show it; a typed [MASK] stays one."""
        hidden = set(self.values()["masked"]) ^ {index}
        if self._texts()[index] == chips.MASKED:
            hidden.discard(index)
        self.set(masked=tuple(sorted(hidden)), cursor=index)

    def fox(self) -> None:
        """The note's own sentence, §3.1."""
        self.set(text=FOX, masked=(2, 7), cursor=2)

    def hide(self) -> None:
        """Hide what the network's `pair` chooses, drawn until it is a word; none where it knows none."""
        hidden = next(filter(None, (self._chosen() for _ in range(99))), [])
        self.set(masked=tuple(hidden), cursor=min(hidden, default=0))

    def _chosen(self) -> list[int]:
        """The words of which a piece, or all, is in one drawn X₂."""
        text, network = self.values()["text"], self.state.network
        ids, _ = network.tokenizer.rows([text], network.context)  # (1, T)
        chosen = pair_of(network, Texts(ids), generator=self._stream).x2[0, 1:] != IGNORE  # after [CLS]
        places = [at for at, yes in zip(network.tokenizer.spans(text), chosen, strict=False) if yes]
        words = enumerate(chips.words_of(text))
        return [k for k, word in words if any(a < word.end and b > word.start for a, b in places)]

    def reveal(self) -> None:
        """Nothing hidden but typed [MASK]s."""
        self.set(masked=())

    def _texts(self) -> tuple[str, ...]:
        return chips.texts_of(self.values()["text"])

    def _page(self) -> tuple[chips.Chip, ...]:
        return chips.page_of(chips.pages_of(self.values()["text"]), self.values()["cursor"])

    def _edited(self, change: Any) -> None:
        """Hidden words stay hidden while the text around them is edited."""
        before, self._before = self._before, chips.texts_of(change["new"])
        masked = chips.follow([k for k in self.values()["masked"] if k < len(before)], before, self._before)
        cursor = min(self.values()["cursor"], max(len(self._before) - 1, 0))
        self.attempt(lambda: self.set(masked=masked, cursor=cursor))


def _holes(words: tuple[chips.Word, ...], masked: tuple[int, ...]) -> tuple[int, ...]:
    typed = {k for k, w in enumerate(words) if w.text == chips.MASKED}
    return tuple(sorted(typed | {k for k in masked if k < len(words)}))


def _nearest(holes: tuple[int, ...], cursor: int) -> tuple[int, ...]:
    """The hole nearest to the cursor and those beside it, `SHOWN` at most."""
    if len(holes) <= SHOWN:
        return holes
    best = min(range(len(holes)), key=lambda k: abs(holes[k] - cursor))
    first = min(best, len(holes) - SHOWN)
    return holes[first : first + SHOWN]


def _sentence(page: tuple[chips.Chip, ...], holes: set[int], missing: set[str], cursor: int) -> Panel:
    looks = []
    for chip in page:
        if chip.index in holes:
            # a hidden word keeps its width, so that no other word moves under the pointer
            sign = chips.MASKED if chip.text == chips.MASKED else "?"
            look = chips.Look(palette.X2, palette.PAPER, palette.X2, sign)
        elif chip.index < 0:
            look = chips.Look(palette.WASH, palette.X1, palette.WASH)
        elif chip.text in missing:
            look = chips.Look(palette.WASH, palette.MUTED, palette.MUTED)
        else:
            look = chips.Look()
        looks.append(look._replace(outline=palette.INK, wide=2) if chip.index == cursor else look)
    spoken = " ".join("[hidden]" if c.index in holes else c.text for c in page if c.index >= 0)
    alt = f"the sentence, a box for each word: {spoken}" if spoken else "an empty sentence"
    caption = "X₁: click a word to hide it; hidden words are X₂; gray words are unknown to the network"
    return chips.sheet(page, looks, caption, alt, operable=True)


def _bars(state: _State, word: str, hole: int, odds: _Odds, feeling: str) -> Panel:
    """Candidates at one [MASK], two bars each."""
    token = state.network.tokenizer.token
    leader = odds.network if odds.exact is None else odds.exact
    if leader is None:
        plot = draw.Plot.board(BARS, 60).text(BARS / 2, 30, "nothing to show: see below", palette.MUTED)
        return plot.panel(f"X₂, word {hole + 1}", "no candidates for this word")
    # who answers, and where its bars lie in a row
    answers = [("world", odds.exact, palette.X2), ("BERT", odds.network, palette.PSI)]
    answers = [answer for answer in answers if answer[1] is not None]
    sides = (-0.2, 0.2) if len(answers) > 1 else (0,)
    best = leader.topk(min(CANDIDATES, len(leader))).indices.tolist()
    best = [k for n, k in enumerate(best) if n < 2 or max(float(p[k]) for _, p, _ in answers) >= LEAST]
    own = [k for k in range(len(SPECIAL), len(leader)) if token(k).strip().lower() == word.lower()][:1]
    best += [k for k in own if k not in best]
    plot = draw.Plot(BARS, 52 + 36 * len(best), (0, 1.16), (len(best) - 0.4, -0.6), margin=(44, 8, 4, 96))
    spoken = []
    for row, k in enumerate(best):
        word_there = draw.short(token(k).strip() or "␣", 12)
        plot.text(0, row, word_there, palette.INK, 13, "rm", bold=k in own, offset=(-8, 0))
        for side, (who, p, colour) in zip(sides, answers, strict=True):
            value, y = float(p[k]), row + side
            plot.rect(0, y - 0.17, value, y + 0.17, fill=colour)
            # in a column of their own, where no bar and no mark can lie under them
            plot.text(1, y, f"{value:.2f}", colour, 11, "lm", offset=(6, 0))
            spoken.append(f"{word_there} {value:.2f} ({who})")
        if odds.alone is not None:
            value = float(odds.alone[k])
            plot.line([(value, row - 0.44), (value, row + 0.44)], palette.Y, 2, dash=(3, 2))
    if odds.exact is not None:
        plot.text(0, -0.6, "■ world, exact", palette.X2, 11, "ls", offset=(-88, -26))
        plot.text(0, -0.6, "┆ same, no other word of feeling seen", palette.Y, 11, "ls", offset=(-88, -10))
    if odds.network is not None:
        beside = 8 if odds.exact is not None else -88
        plot.text(0, -0.6, f"■ BERT{state.learned}", palette.PSI, 11, "ls", offset=(beside, -26))
    given = "" if feeling == UNKNOWN else f", Y = {feeling}"
    return plot.panel(f"P(X₂ | X₁{given}), word {hole + 1}", "candidates: " + ", ".join(spoken))


def _feature(leading: _Leading, dependence: float) -> Panel:
    """The function of the verb that is most shared, as bars."""
    plot = draw.Plot(BARS, 200, (-0.6, 3.6), (-1.6, 1.6), margin=(12, 8, 28, 40))
    plot.axes(xticks=dict(enumerate(reviews.VERBS)), yticks=[-1, 0, 1])
    plot.bars(range(4), leading.values, palette.PSI, width=0.6)
    spoken = ", ".join(f"{w} {v:+.2f}" for w, v in zip(reviews.VERBS, leading.values, strict=True))
    caption = f"what a ψ of one number keeps at λ = {dependence:.2f}: its value for each verb"
    return plot.panel(caption, f"leading feature: {spoken}")


def _of_the_text(words: tuple, holes: tuple[int, ...], pages: int, context: int) -> Iterator[str]:
    if not words:
        yield "The sentence is empty: type one, or press <b>Reset</b>."
    elif not holes:
        yield "Nothing is hidden: click a word (or arrows, then Enter)."
    elif len(holes) == len(words):
        yield "Nothing but [MASK]s: the answers are what is common at these places."
    elif len(holes) > SHOWN:
        yield f"{len(holes):,} words are hidden; the bars are those beside the one clicked last."
    if pages > 1:
        nearest = f"each [MASK] sees the {context - 2} words nearest to it"
        yield f"{len(words):,} words, {pages:,} pages; {nearest}."


def _of_the_answers(odds: dict[int, _Odds], missing: list[str], feeling: str) -> Iterator[str]:
    if missing:
        yield f"Unknown to the network, seen as [UNK]: {chips.several(missing)}."
    if odds and all(o.exact is None for o in odds.values()):
        by = "" if feeling == UNKNOWN else f" by somebody {feeling}"
        yield f"No text of the world looks like that{by}: the network alone answers."
    if odds and all(o.network is None for o in odds.values()):
        yield "This network has learned without labels: it cannot be told what the writer felt."


def _of_the_world(leading: _Leading, feeling: str, dependence: float) -> Iterator[str]:
    given = feeling != UNKNOWN
    when = "once Y is known" if given else "while Y is unknown"
    yield f"Between adjective and verb, {when}: <b>{leading.tells[given]:.3f}</b> nats (I, exact)."
    if abs(dependence - leading.flip) < 1e-9:
        yield "At this λ sentiment and intensity are shared equally: any mixture is a leading feature."
    else:
        yield (
            f"A probe of the one number: sentiment <b>{leading.sentiment:.2f}</b>, intensity "
            f"<b>{leading.intensity:.2f}</b>; of all four numbers of ψ: sentiment {leading.full:.2f}."
        )
