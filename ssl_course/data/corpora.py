"""Real texts: SST-2 and rt-polarity (sentences of film reviews with their sentiment), and any text file.

The two sets come from files, where there are any, else from Hugging Face's ``datasets``, where that is
installed. Their strings have no ids yet: ``method.prepare(data)`` learns the tokenizer.
"""

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from ssl_course.data import files
from ssl_course.data.files import DataError, damaged, missing, source
from ssl_course.data.texts import Texts

Rows = list[tuple[str, int]]  # sentence, 0 (negative) or 1 (positive)
NAMES = {"sentiment": ["negative", "positive"]}
TEST_SHARE = 0.1  # of a text file, its end


@dataclass(frozen=True)
class Corpus:
    """One set: in which files it may lie, and where else it comes from."""

    title: str
    layouts: tuple[dict[str, tuple[str, ...]], ...]  # ways to name the files: split → files
    folders: tuple[str, ...]  # within a place
    counts: dict[str, int]
    read: Callable[[list[Path], str], Rows]
    hub: str  # name at Hugging Face
    text: str  # its column there
    splits: dict[str, str]  # split → split there
    by_hand: str


def load_corpus(name: str, split: str, root: str | os.PathLike | None, download: bool) -> Texts:
    """One of `CORPORA`, labels ``sentiment`` (0 negative, 1 positive),
    in an order that a fixed seed shuffled.

    Looked for in ``root``, $SSL_COURSE_DATA, the user's cache; then asked of ``datasets``.

    Raises:
        DataError: nowhere and not to be had (where it looked, what to do), or a file that is not whole.
    """
    spec = CORPORA[name]
    paths = find(name, root, split)
    rows = spec.read(paths, split) if paths else _fetch(name, split, root, download)
    where = paths[0].parent if paths else spec.hub
    loaded = source(spec.title, len(rows), spec.counts[split], split, where, "sentences")
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0)).tolist()
    return Texts(
        ids=None,
        strings=[rows[i][0] for i in order],
        labels={"sentiment": torch.tensor([rows[i][1] for i in order])},
        names={k: list(v) for k, v in NAMES.items()},
        source=loaded,
    )


def load_text(path: str | os.PathLike, split: str, length: int = 240) -> Texts:
    """A text file in passages of about ``length`` characters, whole lines where lines are short enough.

    The passages of both splits, one after the other, are the whole text; the last tenth of them is for test.
    UTF-8 (or UTF-16 that says so); what is neither is read as Windows-1252, with a warning.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: not a text, or too short to be split.
        ValueError: a length below 1.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        raise FileNotFoundError(f"{path} is a folder: name the text file itself, load('text', root=FILE)")
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}")
    if not isinstance(length, int) or length < 1:
        raise ValueError(f"length is a whole number of characters, at least 1, not {length!r}")
    strings = passages(_text_of(path), length)
    first = round(len(strings) * (1 - TEST_SHARE))
    if not 0 < first < len(strings):
        raise DataError(
            f"{path} has {len(strings)} passage(s) of about {length} characters: too few to set some aside "
            "for test. Take a longer text, or a smaller length=…"
        )
    chosen = strings[:first] if split == "train" else strings[first:]
    return Texts(None, chosen, source=f"{path.name}, {len(chosen):,} {split} passages")


def passages(text: str, length: int) -> list[str]:
    """Pieces of at most ``length`` characters whose concatenation is the text.

    Lines stay whole and fill a passage together; a longer line is cut after a space, a longer word anywhere.
    """
    pieces = [""]
    for line in text.splitlines(keepends=True):
        while line:
            if len(pieces[-1]) + len(line) <= length:
                pieces[-1] += line
                break
            if len(line) <= length or pieces[-1]:  # it fits into a passage of its own, or at least begins one
                pieces.append("")
                continue
            end = line.rfind(" ", 0, length) + 1 or length
            pieces[-1], line = line[:end], line[end:]
            pieces.append("")
    return [piece for piece in pieces if piece]


# ---- finding and fetching ----------------------------------------------------------------------------------


def find(name: str, root: str | os.PathLike | None = None, split: str = "train") -> list[Path] | None:
    """The files of this split, or None. Cheap; downloads nothing."""
    spec = CORPORA[name]
    for folder in files.within(files.places(root), *spec.folders):
        for layout in spec.layouts:
            paths = [folder / file for file in layout[split]]
            if all(p.is_file() for p in paths):
                return paths
    return None


def _fetch(name: str, split: str, root: str | os.PathLike[str] | None, download: bool) -> Rows:
    """From Hugging Face's ``datasets``, which keeps its own cache."""
    spec, why, install = CORPORA[name], "download=False was given", ""
    if download:
        try:
            from datasets import load_dataset

            table = load_dataset(spec.hub, split=spec.splits[split])
            return list(zip(map(str.strip, table[spec.text]), map(int, table["label"]), strict=True))
        except ImportError:
            why = "the package datasets, which fetches it, is not installed"
            install = '  python -m pip install "datasets>=3"\n'
        except Exception as error:  # no network, no such set, a full disk: all end here
            why = error
    belongs = [f"{spec.folders[0]}/{file}" for names in spec.layouts[0].values() for file in names]
    raise missing(spec.title, name, why, files.places(root), spec.by_hand, belongs, install)


# ---- reading -----------------------------------------------------------------------------------------------


def _text_of(path: Path) -> str:
    content = path.read_bytes()
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
        if "\0" not in text:
            warnings.warn(f"{path} is not UTF-8; it is read as Windows-1252", stacklevel=4)
    if "\0" in text:
        raise DataError(f"{path} is not a text file: it holds zero bytes")
    if not text.strip():
        raise DataError(f"{path} is empty")
    return text


def _read_sst2(paths: list[Path], split: str) -> Rows:
    """A line of headings, then ``sentence<tab>label``; quotation marks are part of the sentence."""
    rows = []
    for path in paths:
        head, *lines = _text_of(path).rstrip("\n").split("\n")
        if head.strip() != "sentence\tlabel":
            raise damaged(path, "its first line is not sentence<tab>label")
        for number, line in enumerate(lines, 2):
            sentence, tab, label = line.rstrip("\r").rpartition("\t")
            if not tab or label not in ("0", "1"):
                raise damaged(path, f"line {number} is not a sentence, a tab, and 0 or 1")
            rows.append((sentence.strip(), int(label)))
    return rows


def _read_polarity(paths: list[Path], split: str) -> Rows:
    """One sentence a line, positive and negative in a file each; the last tenth of each is for test.

    The split is that of Hugging Face's rotten_tomatoes, its validation part counted to train.
    """
    rows = []
    for path, label in zip(paths, (1, 0), strict=True):
        lines = [line.strip() for line in _text_of(path).split("\n") if line.strip()]
        first = round(len(lines) * (1 - TEST_SHARE))
        rows += [(line, label) for line in (lines[:first] if split == "train" else lines[first:])]
    return rows


CORPORA = {
    "sst2": Corpus(
        title="SST-2",
        layouts=(
            {"train": ("train.tsv",), "test": ("dev.tsv",)},  # GLUE's, whose test.tsv has no labels
            {"train": ("sst2_train.tsv", "sst2_dev.tsv"), "test": ("sst2_test.tsv",)},
        ),
        folders=("SST-2", "sst2", "sentiment"),
        counts={"train": 67_349, "test": 872},
        read=_read_sst2,
        hub="stanfordnlp/sst2",
        text="sentence",
        splits={"train": "train", "test": "validation"},
        by_hand="unpack https://dl.fbaipublicfiles.com/glue/data/SST-2.zip (7 MB)",
    ),
    "rt-polarity": Corpus(
        title="rt-polarity",
        layouts=({split: ("rt-polarity.pos", "rt-polarity.neg") for split in ("train", "test")},),
        folders=("rt-polaritydata", "rt-polarity", "sentiment"),
        counts={"train": 9_596, "test": 1_066},
        read=_read_polarity,
        hub="cornell-movie-review-data/rotten_tomatoes",
        text="text",
        splits={"train": "train+validation", "test": "test"},
        by_hand="unpack https://www.cs.cornell.edu/people/pabo/movie-review-data/rt-polaritydata.tar.gz "
        "(0.5 MB)",
    ),
}
