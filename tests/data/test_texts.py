"""Texts as batches, tokenizers there and back."""

import re

import pytest
import torch

from ssl_course.data import reviews
from ssl_course.data.texts import MIN_PIECES, Texts, Tokenizer
from ssl_course.pretext.words import CLS, MASK, PAD, SEP, SPECIAL, UNK

ODD = ["", "🙂", "שלום עולם", "naïve café — “quoted”", "tab\tand\nnewline", "[PAD] [CLS] [UNK]", "a" * 300]


@pytest.fixture(scope="module")
def words():
    return Tokenizer.of_words([".", "I", "like", "love", "this", "CG", "movie"])


@pytest.fixture(scope="module")
def pieces():
    return Tokenizer.of_pieces(reviews.World().sample(500).strings, 320)


@pytest.fixture
def texts():
    strings = [f"text {i}" for i in range(6)]
    return Texts(
        torch.arange(24).reshape(6, 4), strings, {"mood": torch.arange(6) % 2}, {"mood": ["low", "high"]}
    )


# --- texts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "index, rows",
    [
        (2, [2]),
        (-1, [5]),
        (slice(1, 6, 2), [1, 3, 5]),
        (torch.tensor([4, 0, 4]), [4, 0, 4]),
        (torch.tensor([True, False, False, True, False, False]), [0, 3]),
        (torch.tensor([], dtype=torch.int64), []),
    ],
)
def test_a_slice_is_a_batch(texts, index, rows):
    batch = texts[index]
    assert len(batch) == len(rows)
    assert batch.ids.tolist() == texts.ids[rows].tolist() and batch.inputs is batch.ids
    assert batch.strings == [f"text {i}" for i in rows]
    assert batch.labels["mood"].tolist() == [i % 2 for i in rows] and batch.names == texts.names
    bare = Texts(None, texts.strings, texts.labels)[index]
    assert bare.inputs == batch.strings and len(bare) == len(rows)
    assert batch.rows is batch.ids
    with pytest.raises(ValueError, match=r"strings, not ids: prepare them first"):
        _ = bare.rows
    nameless = Texts(texts.ids)[index]
    assert nameless.strings == [] and len(nameless) == len(rows)


def test_bad_index_and_bad_rows(texts):
    with pytest.raises(IndexError):
        texts[6]
    with pytest.raises(ValueError, match="2 strings for 6 rows"):
        Texts(texts.ids, ["a", "b"])
    with pytest.raises(ValueError, match="label 'y' has 5 rows for 6 texts"):
        Texts(texts.ids, labels={"y": torch.zeros(5)})
    with pytest.raises(ValueError, match=r"\(N, T\) int64"):
        Texts(texts.ids.float())


def test_to_device(texts, device):
    there = texts.to(device)
    assert there.ids.device.type == there.labels["mood"].device.type == torch.device(device).type
    assert there[torch.tensor([1, 2], device=device)].strings == ["text 1", "text 2"]
    assert there[torch.tensor([1, 2])].ids.tolist() == texts.ids[1:3].tolist()
    assert Texts(None, ["a"]).to(device).ids is None


def test_tokenize_warns_of_what_is_cut(words):
    texts = Texts(None, ["I like this movie.", "I love"], {"mood": torch.tensor([0, 1])})
    with pytest.warns(UserWarning, match="1 of 2 texts are longer than context=5"):
        short = texts.tokenize(words, 5)
    assert short.ids.tolist() == [
        [CLS, *words.ids("I like this"), SEP],
        [CLS, *words.ids("I love"), SEP, PAD],
    ]
    assert short.strings == texts.strings and short.tokenizer is words
    assert texts.tokenize(words, 99).ids.shape == (2, 7)
    with pytest.raises(ValueError, match="no strings"):
        Texts(torch.zeros(2, 3, dtype=torch.int64)).tokenize(words, 5)


def test_told_puts_the_label_in_front():
    data = reviews.World().sample(400, seed=1)
    told = data.told("sentiment", share=0.5, seed=2)
    front = [s != t for s, t in zip(data.strings, told.strings, strict=True)]
    assert 160 < sum(front) < 240
    for s, t, y, f in zip(data.strings, told.strings, data.labels["sentiment"].tolist(), front, strict=True):
        assert t == (f"{['happy', 'unhappy'][y]}: {s}" if f else s)
    assert torch.equal(told.ids, data.tokenizer.rows(told.strings, 99)[0])
    assert data.told(share=0.5, seed=2).strings == told.strings != data.told(share=0.5, seed=3).strings
    bare = Texts(None, data.strings, data.labels, data.names).told(share=1.0)
    assert bare.ids is None and all(": " in s for s in bare.strings)
    with pytest.raises(ValueError, match="names of 'tone'"):
        data.told("tone")


# --- tokenizers --------------------------------------------------------------------------------------------


def test_words_and_their_order(words):
    assert [words.token(i) for i in range(len(words))] == [
        *SPECIAL,
        ".",
        "I",
        "like",
        "love",
        "this",
        "CG",
        "movie",
    ]
    assert words.ids("I like THIS movie.") == [6, 7, 9, 11, 5]
    assert words.ids("i [MASK] the cg") == [6, MASK, UNK, 10]
    assert words.unknown("I like the naïve 🙂 movie") == ["the", "naïve", "🙂"]
    assert words.decode(words.ids("i love this cg. i like [MASK]")) == "I love this CG. I like [MASK]"


def test_special_names_cannot_be_typed(words, pieces):
    for name in ("[PAD]", "[CLS]", "[SEP]"):
        assert not set(words.ids(f"I {name}")) & {PAD, CLS, SEP}
        assert min(pieces.ids(f"I {name}")) >= len(SPECIAL)
        assert pieces.decode(pieces.ids(f"I {name}")) == f"I {name}"
    assert pieces.ids("I [MASK] this").count(MASK) == words.ids("I [MASK] this").count(MASK) == 1


@pytest.mark.parametrize("text", ODD)
def test_pieces_give_every_text_back(pieces, text):
    assert pieces.decode(pieces.ids(text)) == text and not pieces.unknown(text)
    assert pieces.decode(pieces.ids(f"{text} [MASK] x")).endswith("[MASK] x")


def test_a_piece_is_the_same_word_first_later_and_after_a_mask(pieces):
    (first,), both = pieces.ids("movie"), pieces.ids("movie movie")
    assert both == [first, first]
    assert pieces.ids("this [MASK] movie") == [*pieces.ids("this"), MASK, first]
    assert pieces.token(first) == " movie"


def test_frequent_words_become_one_piece():
    corpus = ["awesome"] * 100 + ["zebra"]
    found = Tokenizer.of_pieces(corpus, MIN_PIECES + 8)
    assert len(found.ids("awesome")) == 1 and len(found.ids("zebra")) > 1
    assert len(Tokenizer.of_pieces(corpus, 5000)) < 300, "a small corpus has few pairs"


@pytest.mark.parametrize("kind", ["words", "pieces"])
def test_there_and_back_as_json(kind, request):
    tokenizer = request.getfixturevalue(kind)
    again = Tokenizer.from_json(tokenizer.to_json())
    assert len(again) == len(tokenizer) and again.to_json() == tokenizer.to_json()
    for text in [*ODD, "I love this movie. [MASK] is CG"]:
        assert again.ids(text) == tokenizer.ids(text)
        assert again.decode(again.ids(text)) == tokenizer.decode(tokenizer.ids(text))


def test_rows(words, pieces):
    ids, cut = words.rows(["I like this movie.", "", "love"], 32)
    assert ids.tolist() == [[CLS, 6, 7, 9, 11, 5, SEP], [CLS, SEP, *[PAD] * 5], [CLS, 8, SEP, *[PAD] * 4]]
    assert cut.tolist() == [False] * 3
    ids, cut = pieces.rows(["I like this movie. " * 2000, "I"], 16)
    assert ids.shape == (2, 16) and cut.tolist() == [True, False] and int(ids[0, -1]) == SEP
    assert words.rows([], 8)[0].shape == (0, 2) and words.rows([""], 8)[0].tolist() == [[CLS, SEP]]
    with pytest.raises(ValueError, match="context must be at least 3"):
        words.rows(["I"], 2)


def test_bag_of_words_is_sklearns():
    from sklearn.feature_extraction.text import CountVectorizer

    data = reviews.World().sample(100)
    ours = data.tokenizer.bag_of_words(data.ids)
    vocabulary = [data.tokenizer.token(i).lower() for i in range(len(data.tokenizer))]
    theirs = CountVectorizer(vocabulary=vocabulary, token_pattern=r"\w+|[^\w\s]").fit_transform(data.strings)
    assert torch.equal(ours, torch.tensor(theirs.toarray(), dtype=torch.float32))


@pytest.mark.parametrize("text", [*ODD, "I like [MASK] movies, 🙂 love!"])
def test_spans_are_where_the_ids_stand(words, pieces, text):
    for tokenizer in (words, pieces):
        spans = tokenizer.spans(text)
        assert len(spans) == len(tokenizer.ids(text))
        assert all(0 <= a <= b <= len(text) for a, b in spans)
        covered = {i for a, b in spans for i in range(a, b)}
        assert covered >= {i for i, c in enumerate(text) if not c.isspace()}
    for k, (a, b) in zip(words.ids(text), words.spans(text), strict=True):
        assert k == UNK or words.token(k).lower() == text[a:b].lower()


def test_decode_after_a_beginning(words, pieces):
    for begun, rest, expected in [
        ("I like", "this movie.", " this movie."),
        ("I like ", "this", "this"),
        ("I like this movie", ".", "."),
        ("I like this movie.", "this CG", " This CG"),
        ("", "this CG. movie", "This CG. Movie"),
    ]:
        assert words.decode(words.ids(rest), after=begun) == expected
        if begun:
            assert pieces.decode(pieces.ids(rest), after=begun) == f" {rest}"


def test_words_that_cannot_be():
    with pytest.raises(ValueError, match="same word twice"):
        Tokenizer.of_words(["The", "the"])
    for bad in ("two words", "semi-colon", ""):
        with pytest.raises(ValueError, match="not one word"):
            Tokenizer.of_words([bad])
    with pytest.raises(ValueError, match=f"at least {MIN_PIECES}"):
        Tokenizer.of_pieces(["a"], MIN_PIECES - 1)
    assert re.fullmatch(r"\[.*\]", SPECIAL[MASK])
