"""Emoji and Flickr8k through `load`: drawn or read at run time, and one clear error where they are absent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from ssl_course.data import captioned, load
from ssl_course.data.catalog import DataError, available

LIST = """# emoji-test.txt
# group: Smileys & Emotion
# subgroup: face-smiling
1F600 ; fully-qualified     # 😀 E1.0 grinning face
263A FE0F ; fully-qualified # ☺️ E0.6 smiling face
263A ; unqualified          # ☺ E0.6 smiling face
# group: People & Body
# subgroup: hand-fingers-open
1F44B ; fully-qualified     # 👋 E0.6 waving hand
1F44B 1F3FB ; fully-qualified # 👋🏻 E1.0 waving hand: light skin tone
"""


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees Debian's packages."""
    monkeypatch.setattr(captioned, "DEBIAN", (tmp_path / "fonts", tmp_path / "names"))
    return tmp_path


def folder(root: Path, n: int = 40) -> Path:
    """The layout of captions.tsv and images/."""
    (root / "images").mkdir(parents=True)
    lines = ["file\tcaption\tgroup\tsubgroup"]
    for i in range(n):
        Image.new("RGB", (16, 16), (i, 0, 0)).save(root / "images" / f"1f6{i:02x}.png")
        lines.append(f"images/1f6{i:02x}.png\tface number {i}\tgroup {i % 2}\tsubgroup {i % 3}")
    (root / "captions.tsv").write_text("\n".join(lines) + "\n")
    return root


def test_where_there_are_none_one_error_says_what_to_do(nowhere: Path) -> None:
    assert available()["emoji"] is None and available()["flickr8k"] is None
    with pytest.raises(DataError, match="apt-get install fonts-noto-color-emoji unicode-data"):
        load("emoji")
    with pytest.raises(DataError, match=r"load\('flickr8k', root=FOLDER\)") as caught:
        load("flickr8k")
    assert str(nowhere / "cache") in str(caught.value)


def test_the_list_of_names() -> None:
    path = Path("unused")
    path = type("Text", (), {"read_text": lambda *_, **__: LIST, "__str__": lambda _: "list"})()
    assert captioned._emoji_named(path) == [
        ("1f600", "grinning face", "Smileys & Emotion", "face-smiling"),
        ("263a-fe0f", "smiling face", "Smileys & Emotion", "face-smiling"),
        ("1f44b", "waving hand", "People & Body", "hand-fingers-open"),
    ]


def test_a_folder_is_split_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder(tmp_path / "mine" / "emoji_captions")
    monkeypatch.setenv("SSL_COURSE_DATA", str(tmp_path / "mine"))
    train, test = load("emoji", size=16), load("emoji", size=16, split="test")
    assert len(train) + len(test) == 40 and 0 < len(test) < len(train)
    assert not set(train.captions) & set(test.captions)
    for data in (train, test):
        for image, caption, group in zip(
            data.images, data.captions, data.labels["group"].tolist(), strict=True
        ):
            i = int(caption.split()[-1])
            assert image[0, 8, 8] == i and data.names["group"][group] == f"group {i % 2}"
    assert available()["emoji"] == str(root)
    assert torch.equal(load("emoji", size=16, root=root).images, train.images)


def test_a_damaged_list_is_named(tmp_path: Path) -> None:
    root = folder(tmp_path / "a")
    (root / "captions.tsv").write_text("file\tcaption\n")
    with pytest.raises(DataError, match="first line"):
        load("emoji", root=root)
    (root / "captions.tsv").write_text("file\tcaption\tgroup\tsubgroup\nimages/1f600.png\t\tg\ts\n")
    with pytest.raises(DataError, match="line 2"):
        load("emoji", root=root)
    with pytest.raises(ValueError, match="no option 'captions'"):
        load("emoji", root=root, captions=2)


def test_emoji_drawn_from_the_font(monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's font, where it is installed: as Debian draws them, and as the shared folder kept them."""
    fonts, names = Path("/usr/share/fonts/truetype/noto"), Path("/usr/share/unicode/emoji")
    if not (fonts / captioned.FONT).is_file() or not (names / captioned.LIST).is_file():
        pytest.skip("needs apt-get install fonts-noto-color-emoji unicode-data")
    monkeypatch.setattr(captioned, "DEBIAN", (fonts, names))
    drawn = load("emoji", split="test", size=64)
    assert len(drawn) > 300 and len(drawn.names["group"]) == 9
    hearts = [i for i, c in enumerate(load("emoji", size=64).captions) if c == "red heart"]
    assert len(hearts) <= 1
    assert ((drawn.images.float() - 255).abs().amax((1, 2, 3)) > 50).all()  # none is blank


def flickr(root: Path, images: str = "images") -> Path:
    (root / images).mkdir(parents=True)
    lines = []
    for i in range(20):
        Image.new("RGB", (20, 16), (10 * i, 0, 0)).save(root / images / f"{i}.png")
        lines += [f"{i}.png#{k}\tcaption {k} of {i} ." for k in range(5)]
    (root / captioned.FLICKR_LIST).write_text("\n".join(lines) + "\n")
    return root


@pytest.mark.parametrize("images", ["images", "Flicker8k_Dataset"])
def test_flickr8k(tmp_path: Path, images: str) -> None:
    root = flickr(tmp_path / "f", images)
    train, test = load("flickr8k", size=8, root=root), load("flickr8k", size=8, root=root, split="test")
    assert len(train) + len(test) == 100 and 0 < len(test) < len(train)
    assert len(load("flickr8k", size=8, root=root, captions=2)) == len(train) * 2 // 5
    for image, caption, photo in zip(
        train.images, train.captions, train.parts["photo"].tolist(), strict=True
    ):
        assert abs(int(image[0, 4, 4]) - 10 * int(caption.split()[3])) <= 1
        assert train.captions[5 * photo].endswith(f"of {caption.split()[3]} .")
    with pytest.raises(ValueError, match="how many of"):
        load("flickr8k", root=root, captions=6)
    (root / captioned.FLICKR_LIST).write_text("no tab here\n")
    with pytest.raises(DataError, match="line 1"):
        load("flickr8k", root=root)


def test_the_real_ones(monkeypatch: pytest.MonkeyPatch, shared: Callable[[str], Path]) -> None:
    shared("flickr8k_1000")
    monkeypatch.setenv("SSL_COURSE_DATA", str(shared("emoji_captions").parent))
    emoji = load("emoji", size=32, split="test")
    assert 300 < len(emoji) < 420 and len(emoji.names["group"]) == 9
    photos = load("flickr8k", size=16, split="test", captions=1)
    assert 100 < len(photos) < 300
