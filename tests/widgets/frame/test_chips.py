"""Sentences as chips: no letter is lost, none lies on another, and hidden words follow an edit."""

from __future__ import annotations

import re

from odd_texts import ODD_TEXTS

from ssl_course.data import reviews
from ssl_course.pretext.words import MASK
from ssl_course.widgets.frame import chips


def test_words():
    found = [w.text for w in chips.words_of("I don't like [MASK]... well-made films: naïve, שָׁלוֹם 👍🏽x")]
    assert found == [
        "I", "don't", "like", "[MASK]", "...", "well-made", "films", ":", "naïve", ",", "שָׁלוֹם", "👍🏽", "x",
    ]  # fmt: skip


@ODD_TEXTS
def test_nothing_of_a_text_is_lost(text):
    words = chips.words_of(text)
    assert all(text[w.start : w.end] == w.text for w in words)
    assert re.sub(r"\s", "", "".join(w.text for w in words)) == re.sub(r"\s", "", text)
    assert chips.masked_text(text, words, ()) == text
    typed = [k for k, w in enumerate(words) if w.text == "[MASK]"]
    some = sorted({*typed, *range(0, len(words), 3)})
    hidden = chips.masked_text(text, words, some)
    assert reviews.tokenizer().ids(hidden).count(MASK) == len(some)
    pages = chips.pages(tuple(w.text for w in words))
    assert [c.index for page in pages for c in page if c.index >= 0] == list(range(len(words)))
    for page in pages:
        assert all(0 <= c.x and c.x + c.width <= chips.WIDTH + 1 for c in page)
        assert chips.height_of(page) <= (chips.LINES + 1) * chips.ROW


def test_chips_do_not_overlap_and_answer_where_they_are():
    words = tuple("I love this film . The music is awful".split() * 12)
    for rtl in (False, True):
        for page in chips.pages(words, rtl):
            for a in page:
                middle = (a.x + a.width / 2) / chips.WIDTH, (a.y + chips.ROW / 2) / chips.height_of(page)
                assert chips.chip_at(page, *middle, chips.height_of(page)) is a
    first, second = chips.pages(words, True)[0][:2]
    assert first.x > second.x, "from right to left"


def test_hidden_words_follow_an_edit():
    before = "I like this movie".split()
    assert chips.follow((1, 3), before, "Well I like this movie".split()) == (2, 4)
    assert chips.follow((1, 3), before, "I like this bad movie".split()) == (1, 4)
    assert chips.follow((1, 3), before, "I likes this movie".split()) == (3,)
    assert chips.follow((1, 3), before, "I like".split()) == (1,)
    assert chips.follow((1, 3), before, []) == ()
    assert chips.follow((1,), "a a a".split(), "a a a a".split()) == (1,)
