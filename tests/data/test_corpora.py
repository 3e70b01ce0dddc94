"""Real texts through `load`: files, Hugging Face's datasets played by a double, and what is said when wrong."""

import csv
import sys
import types

import pytest
import torch

from ssl_course.data import corpora, load
from ssl_course.data.catalog import DataError, available


@pytest.fixture(autouse=True)
def nothing_here(tmp_path, monkeypatch):
    """No package datasets."""
    monkeypatch.setitem(sys.modules, "datasets", None)  # import datasets fails
    return tmp_path


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def glue(folder):
    write(folder / "train.tsv", 'sentence\tlabel\na "fine film \t1\nno\tgood\t0\n')  # a tab inside a sentence
    write(folder / "dev.tsv", "sentence\tlabel\nfine\t1\n")
    write(folder / "test.tsv", "index\tsentence\n0\tunlabelled\n")


def polarity(folder):
    write(folder / "rt-polarity.pos", "\n".join(f"good {i} " for i in range(10)) + "\n")
    write(folder / "rt-polarity.neg", "\r\n".join(f"bad caf\xe9 {i}" for i in range(20)).encode("cp1252"))


# --- reviews -----------------------------------------------------------------------------------------------


def test_the_world_through_the_same_door():
    from ssl_course.data.reviews import World

    train = load("reviews", n=50, seed=3, dependence=0.5)
    assert train.strings == World(0.5).sample(50, seed=3).strings
    assert load("reviews", n=50, split="test", seed=3, dependence=0.5).strings != train.strings
    assert all(s.count(".") == 1 for s in load("reviews", n=9, single=1.0).strings)
    with pytest.raises(ValueError, match="leave out root"):
        load("reviews", root=".")


# --- the two sets ------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*is a part of the set")
def test_sst2_from_glues_files(nothing_here):
    glue(nothing_here / "mine" / "SST-2")
    train = load("sst2", root=nothing_here / "mine")
    assert sorted(zip(train.strings, train.labels["sentiment"].tolist(), strict=True)) == [
        ('a "fine film', 1),
        ("no\tgood", 0),
    ]
    assert train.ids is None and train.names == {"sentiment": ["negative", "positive"]}
    test = load("sst2", root=nothing_here / "mine" / "SST-2", split="test")
    assert test.strings == ["fine"] and test.labels["sentiment"].tolist() == [1]


@pytest.mark.filterwarnings("ignore:.*is a part of the set", "ignore:.*is not UTF-8")
def test_polarity_splits_both_classes(nothing_here):
    polarity(nothing_here / "rt-polaritydata")
    train, test = (load("rt-polarity", root=nothing_here, split=s) for s in ("train", "test"))
    assert len(train) == 9 + 18 and len(test) == 1 + 2
    assert set(test.strings) == {"good 9", "bad café 18", "bad café 19"}
    for part in (train, test):
        for s, y in zip(part.strings, part.labels["sentiment"].tolist(), strict=True):
            assert s.startswith(("bad", "good")[y])
    half = train.labels["sentiment"][: len(train) // 2]
    assert 0 < int(half.sum()) < len(half), "shuffled, not one class after the other"
    assert load("rt-polarity", root=nothing_here).strings == train.strings


def test_a_part_is_read_with_a_warning_and_found_in_every_place(nothing_here, monkeypatch):
    assert available()["sst2"] is None and available()["rt-polarity"] is None
    polarity(nothing_here / "cache" / "rt-polaritydata")
    assert available()["rt-polarity"] == str(nothing_here / "cache" / "rt-polaritydata")
    glue(nothing_here / "data" / "sst2")
    monkeypatch.setenv("SSL_COURSE_DATA", str(nothing_here / "data"))
    assert available()["sst2"] == str(nothing_here / "data" / "sst2")
    with pytest.warns(UserWarning, match="is a part of the set: 2 of 67,349 train"):
        load("sst2")


@pytest.mark.parametrize("name", corpora.CORPORA)
def test_offline_one_error_says_it_all(name, nothing_here, monkeypatch):
    monkeypatch.setenv("SSL_COURSE_DATA", str(nothing_here / "data"))
    with pytest.raises(DataError) as caught:
        load(name, root=nothing_here / "mine")
    message = str(caught.value)
    spec = corpora.CORPORA[name]
    assert spec.title in message and "not installed" in message and "pip install" in message
    for place in ("mine", "data", "cache"):
        assert str(nothing_here / place) in message
    assert f"load('{name}')" in message and "https://" in message
    for layout in spec.layouts[0].values():
        assert all(str(nothing_here / "cache" / spec.folders[0] / file) in message for file in layout)
    with pytest.raises(DataError, match="download=False"):
        load(name, download=False)
    monkeypatch.delenv("SSL_COURSE_DATA")
    with pytest.raises(DataError, match=r"\$SSL_COURSE_DATA \(not set\)"):
        load(name)


def double(monkeypatch, answer):
    """A package datasets whose load_dataset is ``answer``; the list fills with what was asked."""
    asked = []

    def load_dataset(hub, split):
        asked.append((hub, split))
        return answer()

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    return asked


@pytest.mark.filterwarnings("ignore:.*is a part of the set")
def test_datasets_where_there_are_no_files(nothing_here, monkeypatch):
    asked = double(monkeypatch, lambda: {"sentence": ["good ", "bad"], "label": [1, 0]})
    found = load("sst2", split="test")
    assert sorted(zip(found.strings, found.labels["sentiment"].tolist(), strict=True)) == [
        ("bad", 0),
        ("good", 1),
    ]
    double(monkeypatch, lambda: {"text": ["fine"], "label": [1]})
    assert load("rt-polarity").strings == ["fine"]
    assert asked == [("stanfordnlp/sst2", "validation")]
    glue(nothing_here / "cache" / "SST-2")
    never = double(monkeypatch, lambda: {})
    assert load("sst2").strings and not never, "files come first"


def test_datasets_without_a_network(monkeypatch):
    def fail():
        raise ConnectionError("Couldn't reach 'stanfordnlp/sst2' on the Hub (no route to host)")

    asked = double(monkeypatch, fail)
    with pytest.raises(DataError, match="no route to host") as caught:
        load("sst2")
    assert asked and "pip install" not in str(caught.value)


@pytest.mark.parametrize(
    "content, says",
    [
        (b"", "is empty"),
        (b"<html>404</html>", "first line"),
        (b"sentence\tlabel\nfine\t2\n", "line 2"),
        (b"sentence\tlabel\nfine 1\n", "line 2"),
        (b"PK\x03\x04\0\0", "not a text file"),
        (b"sentence\tlabel\nfine\t1\ncut sho", "line 3"),
    ],
)
def test_a_wrong_file_is_named(content, says, nothing_here):
    glue(nothing_here / "SST-2")
    path = write(nothing_here / "SST-2" / "train.tsv", content)
    with pytest.raises(DataError, match=says) as caught:
        load("sst2", root=nothing_here)
    assert str(path) in str(caught.value)


def test_the_real_sst2(monkeypatch, shared):
    folder = shared("sentiment")
    monkeypatch.setenv("SSL_COURSE_DATA", str(folder.parent))
    for split, parts in (("train", ("train", "dev")), ("test", ("test",))):
        ours = load("sst2", split=split)
        theirs = []
        for part in parts:
            with open(folder / f"sst2_{part}.tsv", newline="", encoding="utf-8") as file:
                rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
                theirs += [(row["sentence"].strip(), int(row["label"])) for row in rows]
        assert sorted(zip(ours.strings, ours.labels["sentiment"].tolist(), strict=True)) == sorted(theirs)


def test_the_real_polarity(monkeypatch, shared):
    monkeypatch.setenv("SSL_COURSE_DATA", str(shared("sentiment").parent))
    train, test = load("rt-polarity"), load("rt-polarity", split="test")
    assert train.labels["sentiment"].bincount().tolist() == [4798, 4798]
    assert test.labels["sentiment"].bincount().tolist() == [533, 533]


# --- any text file -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 7, 40, 10_000])
def test_passages_are_the_text(length):
    text = "One line.\nAnother one, longer.\n\n" + "word " * 30 + "\r\n" + "x" * 100 + "\n🙂 שלום\n"
    found = corpora.passages(text, length)
    assert "".join(found) == text
    assert all(0 < len(p) <= length for p in found)
    if length == 40:
        assert found[0] == "One line.\nAnother one, longer.\n\n"
        assert all(p.endswith((" ", "\n")) for p in found if "word" in p), "lines are cut after a space"


def test_a_text_file_in_two_parts(nothing_here):
    text = "".join(f"This is line {i}.\n" for i in range(400))
    path = write(nothing_here / "a.txt", text)
    train, test = load("text", root=path), load("text", root=str(path), split="test")
    assert "".join(train.strings + test.strings) == text
    assert len(test) / (len(train) + len(test)) == pytest.approx(0.1, abs=0.03)
    assert train.ids is None and train.labels == {}
    assert max(map(len, load("text", root=path, length=50).strings)) <= 50


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(encoding, nothing_here):
    text = "naïve café\n" * 100
    path = write(nothing_here / "a.txt", text.encode(encoding))
    if encoding == "cp1252":
        with pytest.warns(UserWarning, match="read as Windows-1252"):
            found = load("text", root=path)
    else:
        found = load("text", root=path)
    assert found.strings[0].startswith("naïve café\n")


def test_bad_text_files(nothing_here):
    with pytest.raises(ValueError, match="root='path"):
        load("text")
    with pytest.raises(FileNotFoundError, match="no file"):
        load("text", root=nothing_here / "none.txt")
    with pytest.raises(FileNotFoundError, match="is a folder"):
        load("text", root=nothing_here)
    for content, says in ((b"", "is empty"), (b"\x89PNG\0\0", "not a text"), (b"short", "too few")):
        with pytest.raises(DataError, match=says):
            load("text", root=write(nothing_here / "bad.txt", content))
    path = write(nothing_here / "a.txt", "line\n" * 1000)
    with pytest.raises(ValueError, match="length is"):
        load("text", root=path, length=0)
    for name, root in (("text", path), ("sst2", None)):
        with pytest.raises(ValueError, match="no option 'n'"):
            load(name, root=root, n=5)


def test_the_real_shakespeare(shared):
    path = shared("tinyshakespeare") / "input.txt"
    parts = [load("text", root=path, split=s) for s in ("train", "test")]
    assert "".join(parts[0].strings + parts[1].strings) == path.read_text()
    assert torch.tensor([len(s) for s in parts[0].strings]).double().mean() > 150
