"""The two widgets of lecture 06: what is clicked is hidden or taken, bars are the tables' and networks', odd texts survive."""

import math
import re

import numpy as np
import pytest
import torch
from examples import example
from odd_texts import ODD, ODD_TEXTS

from ssl_course import assets, checkpoints
from ssl_course.data import Texts, reviews
from ssl_course.methods import BERT, GPT
from ssl_course.methods.gpt import sharpen
from ssl_course.pretext.words import SEP
from ssl_course.widgets import MaskedWords, NextWord
from ssl_course.widgets.frame import chips
from ssl_course.widgets.frame.canvas import Key, Pointer
from ssl_course.widgets.next_word import ROW, TOP


@pytest.fixture
def masked():
    return example("MaskedWords")


@pytest.fixture
def next_word():
    return example("NextWord")


def click(explorer, chip, page):
    middle = (chip.x + chip.width / 2) / chips.WIDTH, (chip.y + chips.ROW / 2) / chips.height_of(page)
    explorer.on_pointer(Pointer("down", 0, *middle))
    explorer.on_pointer(Pointer("up", 0, *middle))


# ---- masked words -----------------------------------------------------------------------------------------------


def test_clicking_hides_and_shows(masked):
    page = masked._page()
    assert masked.values()["masked"] == (1,)
    click(masked, page[8], page)
    assert masked.values()["masked"] == (1, 8) and len(masked.panels) == 4
    assert "[hidden]" in masked.panels[0].alt and "awesome" not in masked.panels[0].alt
    click(masked, page[1], page)
    click(masked, page[8], page)
    assert masked.values()["masked"] == () and "Nothing is hidden" in masked.readout
    masked.on_pointer(Pointer("down", 0, 0.999, 0.5))  # beside all words
    assert masked.values()["masked"] == () and masked.values()["text"] == reviews.review()
    masked.reset()
    assert masked.values()["masked"] == (1,)


def test_keys(masked):
    for key in ("ArrowRight", "ArrowRight", "Enter", "ArrowLeft", " "):
        masked.on_key(Key(0, key))
    assert masked.values()["masked"] == (1, 2, 3)
    masked.set(text="I like this movie. " * 60, cursor=0, masked=())
    masked.on_key(Key(0, "ArrowDown"))
    lower = masked.values()["cursor"]
    assert masked._page()[lower].y == chips.ROW
    masked.on_key(Key(0, "ArrowUp"))
    assert masked.values()["cursor"] == 0
    for _ in range(chips.LINES):
        masked.on_key(Key(0, "ArrowDown"))
    assert masked._page()[0].index > 0, "on the second page"
    page = masked._page()
    click(masked, next(c for c in page if c.index == chips.EARLIER), page)
    assert masked._page()[0].index == 0


def test_bars_are_the_tables_and_the_network(masked):
    network = masked.state.network
    for text, seen, hidden in (
        (reviews.review(), reviews.review("[MASK]"), (1,)),
        ("A quick brown fox jumps", "A quick [MASK] fox jumps", (2,)),
    ):
        for feeling in ("unknown", "happy", "unhappy"):
            for dependence in (0.0, 0.7):
                odds = masked.state.odds(text, hidden, hidden[0], feeling, dependence)
                known = None if feeling == "unknown" else feeling
                exact = reviews.World(dependence).fill(seen, known)[0]
                torch.testing.assert_close(odds.exact, exact)
                own = network.probabilities(seen if known is None else f"{known}: {seen}")[0]
                torch.testing.assert_close(odds.network, own.double())
    at_0 = masked.state.odds(reviews.review(), (1,), 1, "happy", 0.0)
    torch.testing.assert_close(at_0.exact, at_0.alone)  # given Y the adjective says nothing
    at_5 = masked.state.odds(reviews.review(), (1,), 1, "happy", 0.5)
    assert (at_5.exact - at_5.alone).abs().max() > 0.1
    masked.set(feeling="happy", dependence=0.0)
    p = reviews.World(0.0).joint()[1, :, 0] / reviews.World(0.0).joint()[1, :, 0].sum()
    assert f"like {p[0]:.2f} (world)" in masked.panels[1].alt


def test_no_mark_runs_through_a_number(masked):
    """The dashed marks end, as all bars do, at probability 1; every number stands to the right of that."""
    masked.set(feeling="happy", dependence=0.0)
    drawn = masked.panels[1].picture.drawing()
    number = [m for m in drawn.marks if getattr(m, "text", "").replace(".", "").isdigit()]
    dashed = [m for m in drawn.marks if getattr(m, "dash", None)]
    assert len(number) >= 8 and len(dashed) >= 4
    assert min(m.x for m in number) > max(float(x) for m in dashed for x, _ in m.points)


def test_the_flip_is_found_with_the_slider(masked):
    found = {}
    for step in range(51):
        masked.set(dependence=round(0.02 * step, 2))
        found[step] = re.search(r"sentiment <b>(\S+)</b>, intensity <b>(\S+)</b>", masked.readout)
    assert [step for step, m in found.items() if m is None] == [32], "at λ* = .64 any mixture will do"
    assert all(found[s].groups() == ("0.90", "0.50") for s in range(32))
    assert all(found[s].groups()[0] == "0.50" and float(found[s][2]) > 0.8 for s in range(33, 51))
    masked.set(dependence=0.3)
    like, love, dislike, hate = masked.state.leading(0.3).values
    assert like == pytest.approx(love) == pytest.approx(-dislike) == pytest.approx(-hate)
    like, love, dislike, hate = masked.state.leading(0.9).values
    assert like == pytest.approx(dislike) == pytest.approx(-love) == pytest.approx(-hate)


def test_editing_keeps_what_is_hidden(masked):
    masked.set(masked=(1, 8))
    masked.controls["text"].value = "Well, I like this movie. The CG is awesome."
    assert masked.values()["masked"] == (3, 10)
    masked.controls["text"].value = ""
    assert masked.values()["masked"] == () and "empty" in masked.readout
    masked.reset()
    assert masked.values() == masked.defaults


@ODD_TEXTS
@pytest.mark.parametrize("feeling", ["unknown", "happy"])
def test_any_sentence(masked, text, feeling):
    masked.set(text=text, masked=(0, 2), feeling=feeling)
    assert masked.error is None and masked.values()["text"] == text
    assert "<script" not in masked.readout
    masked.hide()
    masked.on_key(Key(0, "Enter"))
    masked.on_key(Key(0, "ArrowDown"))
    masked.on_key(Key(0, "ArrowUp"))
    assert masked.error is None and len(masked.png()) < 3_000_000


def test_what_is_said_of_odd_sentences(masked):
    masked.set(text=ODD["emoji"], masked=(3,))
    assert "Unknown to the network" in masked.readout and "🙂" in masked.readout
    assert "No text of the world" in masked.readout
    masked.set(text=ODD["only masks"])
    assert (
        "Nothing but [MASK]s" in masked.readout
        and masked.state.odds(ODD["only masks"], (0, 1, 2), 0, "unknown", 0.5).exact is not None
    )
    masked.set(text=ODD["10,000 words"])
    assert "10,000 words" in masked.readout and "30 words nearest" in masked.readout
    masked.set(text="[MASK] " * 9)
    masked.toggle(4)
    assert masked.values()["masked"] == (), "a typed [MASK] stays"


def test_a_network_that_was_told_nothing_is_silent_then():
    torch.manual_seed(0)
    explorer = MaskedWords(BERT(dim=16), told=False)
    assert "(BERT)" in explorer.panels[1].alt
    explorer.set(feeling="happy")
    assert "(BERT)" not in explorer.panels[1].alt and "cannot be told" in explorer.readout
    explorer.set(text="what [MASK] that")
    assert explorer.error is None


def test_a_network_of_pieces():
    torch.manual_seed(0)
    bert = BERT(vocab_size=300, dim=16)
    with pytest.raises(ValueError, match="no tokenizer yet"):
        MaskedWords(bert)
    bert.prepare(Texts(None, reviews.World().sample(50).strings))
    explorer = MaskedWords(bert, told=False)
    assert "(world)" not in explorer.panels[1].alt and "(BERT)" in explorer.panels[1].alt
    explorer.set(text=ODD["emoji"], masked=(0, 3))
    assert explorer.error is None


# ---- next word --------------------------------------------------------------------------------------------------


def rows(next_word):
    return next_word._next()


def test_bars_are_the_networks_and_the_worlds(next_word):
    gpt, text = next_word.state.networks["film reviews"], "I like this movie. The"
    next_word.set(text=text, temperature=0.5, top_k=3, network="film reviews")
    found = rows(next_word)
    own = gpt.probabilities(text).double()
    drawn = gpt.probabilities(text, 0.5, 3).double()
    exact = reviews.World(0.5).next_word(text)
    # each of the ten likeliest that anybody gives half a hundredth; the others are no bars
    assert found.ids == [
        k for k in own.topk(10).indices.tolist() if max(p[k] for p in (own, drawn, exact)) >= 0.005
    ]
    np.testing.assert_allclose(found.drawn, drawn[found.ids], atol=1e-6)
    np.testing.assert_allclose(found.exact, exact[found.ids])
    assert sum(p > 0 for p in found.drawn) == 3 and sum(found.drawn) == pytest.approx(1)
    next_word.set(text="movie movie")
    assert rows(next_word).exact is None
    next_word.set(text="I like this movie. The", temperature=0.0, top_k=0)
    assert len(rows(next_word).ids) >= 2 and "Any other word" not in next_word.readout
    next_word.set(text="movie movie", temperature=2.0)
    left = 1 - float(gpt.probabilities("movie movie", 2.0)[rows(next_word).ids].sum())
    assert left > 0.005 and f"Any other word: {left:.2f} together" in next_word.readout


def test_clicking_a_bar_takes_its_word_and_undo_takes_it_back(next_word):
    begin = next_word.values()["text"]
    next_word.set(network="film reviews", text="I like", temperature=1.0)
    tokenizer = next_word.state.networks["film reviews"].tokenizer
    ids = rows(next_word).ids
    row = next(r for r, k in enumerate(ids) if k != SEP)
    y = (TOP + ROW * (row + 0.5)) / (TOP + ROW * len(ids))
    next_word.on_pointer(Pointer("down", 0, 0.5, y))
    assert next_word.values()["text"] == "I like", "the words so far are no button"
    next_word.on_pointer(Pointer("down", 1, 0.5, y))
    assert next_word.values()["text"] == "I like" + tokenizer.decode([ids[row]], after="I like")
    next_word.draw(), next_word.greedy(), next_word.write()
    for _ in range(9):
        next_word.undo()
    assert next_word._past == [] and next_word.values()["text"] == begin


def test_undo_goes_through_all_texts(next_word):
    begin = next_word.values()["text"]
    box = next_word.controls["text"]
    for typed in ("I", "I l", "I lo", "I love"):
        box.value = typed
    seen = ["I love"]
    for _ in range(3):
        next_word.take(next_word.state.networks["film reviews"].tokenizer.ids("movie")[0])
        seen.append(next_word.values()["text"])
    assert seen[-1] == "I love movie movie movie"
    for text in seen[-2::-1]:
        next_word.undo()
        assert next_word.values()["text"] == text
    next_word.undo()
    assert next_word.values()["text"] == begin, "what was typed in one go is one step"
    next_word.undo()
    assert next_word.values()["text"] == begin and next_word.error is None
    next_word.reset()


def test_greedy_and_drawing(next_word):
    next_word.set(network="film reviews", text="We")
    gpt = next_word.state.networks["film reviews"]
    own = next_word.state.own("film reviews", "We")
    torch.testing.assert_close(
        sharpen(own.log(), 0.7, 4), gpt.probabilities("We", 0.7, 4).double(), atol=1e-6, rtol=0
    )
    best = int(own.argmax())
    next_word.greedy()
    expected = "We" if best == SEP else "We" + gpt.tokenizer.decode([best], after="We")
    assert next_word.values()["text"] == expected
    next_word.set(temperature=0.0)
    for _ in range(3):
        next_word.set(text="We", ended=False)
        next_word.draw()
        assert next_word.values()["text"] == expected, "temperature 0 is greedy"
    assert "Greedy" in next_word.readout
    counts = {}
    next_word.set(temperature=1.0, top_k=2)
    for _ in range(60):
        next_word.set(text="We", ended=False)
        next_word.draw()
        counts[next_word.values()["text"]] = 1
    assert len(counts) == 2


def test_the_end_is_said(next_word):
    next_word.set(network="film reviews", text="I like this movie.")
    next_word.take(SEP)
    assert "ends here" in next_word.readout and next_word.values()["text"] == "I like this movie."
    next_word.controls["text"].value = "I like this movie. The"
    assert "ends here" not in next_word.readout


def test_surprise_and_perplexity(next_word):
    gpt, text = next_word.state.networks["film reviews"], "I like this movie."
    next_word.set(network="film reviews", text=text)
    with torch.no_grad():
        ids = gpt.ids(text)
        log_p = gpt.logits(torch.tensor([[2, *ids]])).log_softmax(-1)[0]
        nats = [-float(log_p[t, k]) for t, k in enumerate(ids)]
    told = next_word.state.told("film reviews", text)
    np.testing.assert_allclose([t.nats for t in told], nats, rtol=1e-4)
    assert f"perplexity <b>{math.exp(np.mean(nats)):.2f}</b>" in next_word.readout


@ODD_TEXTS
@pytest.mark.parametrize("network", ["film reviews", "Shakespeare"])
def test_any_beginning(next_word, text, network):
    next_word.set(text=text, network=network)
    assert next_word.error is None and next_word.values()["text"] == text
    assert "<script" not in next_word.readout
    for act in (next_word.greedy, next_word.draw, next_word.write):
        act()
        assert next_word.error is None and next_word.values()["text"].startswith(text)
    for _ in range(5):
        next_word.undo()
    next_word.on_key(Key(1, "ArrowDown"))
    next_word.on_key(Key(1, "Enter"))
    assert next_word.error is None and len(next_word.png()) < 3_000_000


def test_what_is_said_of_odd_beginnings(next_word):
    next_word.set(network="film reviews", text=ODD["emoji"])
    assert "Unknown to the network" in next_word.readout and "🙂" in next_word.readout
    next_word.set(text=ODD["10,000 words"])
    assert "sees the last 31" in next_word.readout
    next_word.set(text=ODD["only masks"])
    assert "[MASK] means nothing" in next_word.readout
    next_word.set(text="")
    assert "Nothing is written yet" in next_word.readout
    next_word.set(network="Shakespeare", text="a 🙂\nb")
    assert any("🙂" in t.text for t in next_word.state.told("Shakespeare", "a 🙂\nb"))


def test_own_networks_stand_beside_the_shipped_ones(monkeypatch, tmp_path):
    monkeypatch.setattr(assets, "checkpoint", lambda name: tmp_path / f"{name}.safetensors")
    checkpoints.shipped.cache_clear()
    with pytest.raises(FileNotFoundError, match="hand over a network"):
        NextWord()
    with pytest.raises(FileNotFoundError, match="hand over a network"):
        MaskedWords()
    torch.manual_seed(0)
    own = NextWord(GPT(dim=16), {"yours": reviews.World(0.0)})
    assert own.controls["network"].options == ("yours",) and rows(own).exact is not None
    with pytest.raises(ValueError, match="no tokenizer yet"):
        NextWord(GPT(vocab_size=300, dim=16))
    checkpoints.shipped.cache_clear()


def test_the_words_that_are_hidden_are_those_that_pair_chooses(masked, monkeypatch):
    from ssl_course.interfaces import Pair

    def third(batch, generator):
        x2 = torch.full_like(batch.rows, -100)
        x2[:, 3] = batch.rows[:, 3]  # [CLS] and two words before it
        return Pair(batch.rows, x2)

    monkeypatch.setattr(masked.state.network, "pair", third)
    masked.hide()
    assert masked.values()["masked"] == (2,)


def test_a_network_that_is_sure_has_no_bars_of_nothing():
    shipped = NextWord()
    shipped.set(network="film reviews", text="I like this movie", temperature=1.0)
    found = shipped._next()
    assert len(found.ids) < 10 and all(
        max(p) >= 0.005 for p in list(zip(found.own, found.exact, strict=True))[2:]
    )
