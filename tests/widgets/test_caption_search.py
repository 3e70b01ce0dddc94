"""CaptionSearch: the order is that of the cosines, what it says about captions, clicks, the curve, the matrix."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ssl_course.data import scenes
from ssl_course.losses import clip_loss
from ssl_course.methods import CLIP
from ssl_course.widgets import CaptionSearch, caption_search
from ssl_course.widgets.frame import paint
from ssl_course.widgets.frame.canvas import Key, Pointer


@pytest.fixture(scope="module")
def data():
    return scenes.World().sample(40, 32, seed=4)


@pytest.fixture(scope="module")
def network(data):
    torch.manual_seed(0)
    net = CLIP(width=16, embed_dim=8)
    net.prepare(data[[i for i, c in enumerate(data.captions) if "rosy" not in c]])
    return net.eval()


@pytest.fixture
def widget(network, data):
    return CaptionSearch(network, data)


def said(widget) -> str:
    return paint.plain(widget.readout)


def test_pictures_come_in_the_order_of_their_cosines(widget, network, data):
    with torch.no_grad():
        cosine = network.encode_image(data.images) @ network.encode_text(["one pine at noon"])[0]
    widget.set(caption="one pine at noon")
    order, values = widget.state["yours"].order("one pine at noon")
    assert list(order) == cosine.argsort(descending=True).tolist()
    np.testing.assert_allclose(values, cosine[list(order)].numpy(), atol=1e-5)
    best = data.captions[order[0]]
    assert best in widget.panels[0].alt and best in widget.panels[1].alt


def test_captions_come_in_the_order_of_their_cosines_with_its_own(widget, network, data):
    gallery = widget.state["yours"]
    assert len(gallery.captions) == 1458
    with torch.no_grad():
        cosine = network.encode_text(gallery.captions) @ network.encode_image(data.images[7:8])[0]
    ranked = caption_search._captions_of(gallery, 7)
    best = cosine.argsort(descending=True)[:8].tolist()
    own = gallery.captions.index(data.captions[7])
    assert ranked == best or (ranked[:-1] == best[:-1] and ranked[-1] == own)
    assert own in ranked


def test_a_click_chooses_a_picture_and_a_click_on_a_caption_asks_for_it(widget):
    before = widget.panels[1].alt
    widget._on_events([Pointer("down", 0, 0.5, 0.9)])
    assert widget.values()["rank"] == 2 * 4 + 2 and widget.panels[1].alt != before
    wanted = widget.state["yours"].captions[widget._ranked()[2]]
    widget._on_events([Pointer("down", 2, 0.3, 2.5 / 8)])
    assert widget.values()["caption"] == wanted and widget.values()["rank"] == 0
    widget._on_events([Key(0, "ArrowRight"), Key(0, "ArrowDown")])
    assert widget.values()["rank"] == 1 + 4
    widget._on_events([Key(2, "ArrowDown"), Key(2, "Enter")])
    assert widget.values()["cursor"] == 0 and widget.error is None
    widget.controls["caption"].value = "two boats"
    assert widget.values()["rank"] == 0
    widget.reset()
    assert widget.values() == widget.defaults


@pytest.mark.parametrize(
    ("caption", "says"),
    [
        ("", "The caption is empty"),
        ("   ", "The caption is empty"),
        ("two purple boats on the moon", "Never seen in training: purple, the, moon.|Never seen in training: purple, moon."),
        ("two boats in rosy light", "Never seen in training: rosy."),
        ("Zebra crossing", "the ranking means nothing"),
        ("three boats " * 20, r"has 40 tokens; the network's context has room for 30"),
        ("👩‍👩‍👧 🇫🇷 👍🏽", "no word"),
        ("?!…", "no word"),
        ("ثلاثة قوارب عند الفجر", "the ranking means nothing"),
        ("שלוש סירות boats", "Never seen in training: שלוש, סירות."),
        ("<b>boats</b> & \x00\u202e", "Never seen in training: b."),
        ("word " * 5000, "tokens; the network"),
    ],
)  # fmt: skip
def test_odd_captions_get_a_sentence(widget, caption, says):
    widget.set(caption=caption)
    assert widget.error is None and re.search(says, said(widget)), said(widget)
    assert widget.png()


def test_the_words_of_training_are_not_named(widget):
    widget.set(caption="Two BOATS on waves at sea at dusk, in violet light")
    assert "Never seen" not in said(widget)


def test_the_curve_is_the_loss_of_its_batch(widget, network, data):
    same = torch.tensor([[a == b for b in data.captions] for a in data.captions])
    with torch.no_grad():
        pair = network.encode_image(data.images), network.encode_text(data.captions)
    for masked in (False, True):
        scales, loss, floor = widget.state["yours"].curve(masked)
        for k in (0, 20, 40):
            expected = clip_loss(*pair, float(scales[k]), same if masked else None)
            assert loss[k] == pytest.approx(float(expected), abs=1e-3)
        counts = torch.tensor([data.captions.count(c) for c in data.captions]).double()
        assert floor == pytest.approx(0 if masked else float(counts.log().mean()))
    assert "log N 3.69" in said(widget)


@pytest.mark.parametrize("kind", [*scenes.PROMPTS, caption_search.EACH])
@pytest.mark.parametrize("label", ["biome", "count"])
def test_the_matrix_counts_zero_shot_answers(widget, network, data, label, kind):
    with torch.no_grad():
        images = network.encode_image(data.images)
        if kind == caption_search.EACH:
            every = [network.encode_text(texts) for texts in scenes.prompts(label)]
            odds = [(network.logit_scale.exp() * images @ v.T).exp().sum(1) for v in every]
            answer = torch.stack(odds, 1).argmax(1)
        else:
            rows = [
                F.normalize(network.encode_text(texts).mean(0), dim=0)
                for texts in scenes.prompts(label, kind)
            ]
            answer = (images @ torch.stack(rows).T).argmax(1)
    y = data.labels[label]
    table = widget.state["yours"].confusion(label, kind)
    for i in range(3):
        for j in range(3):
            assert table[i, j] == pytest.approx(
                float(((y == i) & (answer == j)).sum() / max((y == i).sum(), 1))
            )
    accuracy = float((answer == y).double().mean())
    assert widget.state["yours"].accuracy(label, kind) == pytest.approx(accuracy)
    widget.set(label=label, prompts=kind)
    assert f"{accuracy:.3f}" in said(widget)


def test_other_pictures_bring_their_own_labels_and_scale(network, data):
    widget = CaptionSearch(network, replace(data, labels={}, names={}))
    assert "no zero-shot matrix" in said(widget)
    with pytest.raises(ValueError, match="with captions"):
        CaptionSearch(network, replace(data, captions=[]))
    with pytest.raises(ValueError, match="at least two"):
        CaptionSearch(network, data[:1])


def test_typing_is_answered_fast(widget):
    import time

    spent = []
    for k in range(1, 15):
        began = time.perf_counter()
        widget.controls["caption"].value = "two boats at sea at dusk"[: 2 * k]
        spent.append(time.perf_counter() - began)
    assert sorted(spent)[len(spent) // 2] < 0.3  # tens of ms on an idle machine
