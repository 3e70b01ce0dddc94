"""CIFAR-10, Fashion-MNIST and STL-10: read as torchvision reads them, fetched whole or not at all, wrong files named."""

from __future__ import annotations

import dataclasses
import gzip
import os
import pickle
import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ssl_course.data import files, torchvision_sets
from ssl_course.data.catalog import NAMES, DataError, available, load


@pytest.fixture(autouse=True)
def debian_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the sets that Debian packages."""
    hidden = {k: dataclasses.replace(v, extra_places=()) for k, v in torchvision_sets.SETS.items()}
    monkeypatch.setattr(torchvision_sets, "SETS", hidden)


def make_cifar(place: Path, per_batch: int = 7) -> Path:
    folder = place / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for i, name in enumerate([f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]):
        rng = np.random.default_rng(i)
        batch = {
            "data": rng.integers(0, 256, (per_batch, 3072), dtype=np.uint8),
            "labels": rng.integers(0, 10, per_batch).tolist(),
        }
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    meta = {"label_names": list(torchvision_sets.SETS["cifar10"].classes)}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol=2))
    return folder


def make_fashion(place: Path, inner: str = "FashionMNIST/raw", zipped: bool = False) -> Path:
    folder = place / inner
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, n in (("train", 9), ("t10k", 4)):
        pixels = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        labels = rng.integers(0, 10, n, dtype=np.uint8)
        for file, head, values in (
            ("images-idx3-ubyte", struct.pack(">IIII", 0x803, n, 28, 28), pixels),
            ("labels-idx1-ubyte", struct.pack(">II", 0x801, n), labels),
        ):
            content = head + values.tobytes()
            if zipped:
                (folder / f"{name}-{file}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / f"{name}-{file}").write_bytes(content)
    return folder


def make_stl(place: Path) -> Path:
    folder = place / "stl10_binary"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, n in (("train", 6), ("test", 3)):
        (folder / f"{name}_X.bin").write_bytes(rng.integers(0, 256, n * 27648, dtype=np.uint8).tobytes())
        (folder / f"{name}_y.bin").write_bytes(rng.integers(1, 11, n, dtype=np.uint8).tobytes())
    return folder


MAKE = {"cifar10": make_cifar, "fashion_mnist": make_fashion, "stl10": make_stl}
OWN_SIZE = {"cifar10": 32, "fashion_mnist": 28, "stl10": 96}


def as_torchvision_reads(name: str, root: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """The same files read by torchvision, its checksums switched off: (N, C, H, W) and labels."""
    import torchvision.datasets as sets

    if name == "cifar10":

        class Part(sets.CIFAR10):
            train_list = [[f"data_batch_{i}", None] for i in range(1, 6)]
            test_list = [["test_batch", None]]
            meta = {**sets.CIFAR10.meta, "md5": None}

        read = Part(root, train=split == "train")
        return read.data.transpose(0, 3, 1, 2), np.array(read.targets)
    if name == "fashion_mnist":
        read = sets.FashionMNIST(root, train=split == "train")
        return read.data.numpy()[:, None], read.targets.numpy()

    class Unchecked(sets.STL10):
        def _check_integrity(self) -> bool:
            return True

        def _STL10__load_folds(self, folds: object) -> None:  # noqa: N802  the file of folds is not needed
            pass

    read = Unchecked(root, split=split)
    return read.data, read.labels


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("split", ["train", "test"])
def test_read_as_torchvision_reads_it(name: str, split: str, tmp_path: Path, offline: list[str]) -> None:
    MAKE[name](tmp_path)
    with pytest.warns(UserWarning, match="is a part of the set") as caught:
        ours = load(name, size=OWN_SIZE[name], split=split, root=tmp_path)
    images, labels = as_torchvision_reads(name, tmp_path, split)
    assert torch.equal(ours.images, torch.from_numpy(images).expand(-1, 3, -1, -1))
    assert ours.labels["class"].tolist() == labels.tolist() and len(ours.names["class"]) == 10
    assert f"{len(labels):,} of" in str(caught[0].message) and not offline
    assert caught[0].filename == __file__, "the warning points at the line that called load"
    spec = torchvision_sets.SETS[name]
    part = f"{spec.title}, {len(labels):,} of {spec.counts[split]:,} {split} pictures"
    assert ours.source == ours[:2].gray().source == part
    with pytest.warns(UserWarning):
        assert load(name, size=20, split=split, root=tmp_path).images.shape == (len(labels), 3, 20, 20)


def test_a_whole_set_says_so_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert files.source("CIFAR-10", 10_000, 10_000, "test", "/") == "CIFAR-10, all 10,000 test pictures"


@pytest.mark.parametrize("name", MAKE)
def test_class_names_are_torchvisions(name: str) -> None:
    import torchvision.datasets as sets

    if name == "fashion_mnist":
        assert list(torchvision_sets.SETS[name].classes) == sets.FashionMNIST.classes
    assert len(set(torchvision_sets.SETS[name].classes)) == 10


@pytest.mark.filterwarnings("ignore:.*is a part of the set")
def test_where_sets_are_looked_for_and_in_which_order(
    tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch, offline: list[str]
) -> None:
    assert all(available()[name] is None for name in MAKE)
    make_cifar(empty_cache, per_batch=3)
    assert len(load("cifar10", size=8)) == 15
    make_cifar(tmp_path / "data" / "cifar10", per_batch=4)
    monkeypatch.setenv("SSL_COURSE_DATA", str(tmp_path / "data"))
    assert len(load("cifar10", size=8)) == 20, "SSL_COURSE_DATA comes before the cache"
    make_cifar(tmp_path / "mine", per_batch=5)
    assert len(load("cifar10", size=8, root=tmp_path / "mine")) == 25, "root comes first"
    assert len(load("cifar10", size=8, root=tmp_path / "mine" / "cifar-10-batches-py")) == 25
    make_fashion(tmp_path / "data", "fashion_mnist", zipped=True)
    make_stl(empty_cache)
    assert len(load("fashion_mnist", size=8)) == 9 and len(load("stl10", size=8)) == 6
    where = available()
    assert where["cifar10"] == str(tmp_path / "data" / "cifar10" / "cifar-10-batches-py")
    assert where["stl10"] == str(empty_cache / "stl10_binary")
    assert set(where) == set(NAMES) and not offline


@pytest.mark.filterwarnings("ignore:.*is a part of the set")
def test_fashion_mnist_where_debian_puts_it(
    tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch, offline: list[str]
) -> None:
    debian = make_fashion(tmp_path, "usr/share/datasets/fashion-mnist", zipped=True)
    moved = dataclasses.replace(torchvision_sets.SETS["fashion_mnist"], extra_places=(str(debian),))
    monkeypatch.setitem(torchvision_sets.SETS, "fashion_mnist", moved)
    assert len(load("fashion_mnist", size=28, split="test")) == 4 and not offline
    assert available()["fashion_mnist"] is not None


@pytest.mark.parametrize("name", MAKE)
def test_offline_one_error_says_it_all(
    name: str, tmp_path: Path, empty_cache: Path, offline: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_COURSE_DATA", str(tmp_path / "data"))
    with pytest.raises(DataError) as caught:
        load(name, root=tmp_path / "mine")
    assert offline, "it did try"
    message = str(caught.value)
    assert torchvision_sets.SETS[name].title in message and "no route to host" in message
    for place in (tmp_path / "mine", tmp_path / "data", empty_cache):
        assert str(place) in message
    assert f"load('{name}')" in message and "http" in message
    assert str(empty_cache / torchvision_sets.SETS[name].folder) in message
    assert os.listdir(empty_cache) == [], "nothing unfinished is left behind"
    offline.clear()
    with pytest.raises(DataError, match="download=False"):
        load(name, download=False)
    assert not offline
    monkeypatch.delenv("SSL_COURSE_DATA")
    with pytest.raises(DataError, match=r"\$SSL_COURSE_DATA \(not set\)"):
        load(name, download=False)


@pytest.mark.filterwarnings("ignore:.*is a part of the set")
@pytest.mark.parametrize("name", MAKE)
def test_downloads_arrive_whole_or_not_at_all(
    name: str, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torchvision.datasets as sets

    calls: list[str] = []
    interrupted = True

    def fetch(root: str, download: bool = False) -> None:
        calls.append(root)
        assert download
        folder = MAKE[name](Path(root))
        if interrupted:
            next(folder.iterdir()).write_bytes(b"half")
            raise KeyboardInterrupt

    monkeypatch.setattr(sets, torchvision_sets.SETS[name].torchvision, fetch)
    with pytest.raises(KeyboardInterrupt):
        load(name, size=8)
    assert available()[name] is None and os.listdir(empty_cache) == []
    interrupted = False
    first = load(name, size=8)
    again = load(name, size=8)
    assert len(calls) == 2 and torch.equal(first.images, again.images), "the third time it was there"
    assert Path(available()[name]) == empty_cache / torchvision_sets.SETS[name].folder


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize(
    "wrong",
    [
        "truncated",
        "empty",
        "text",
        "evil",
        "no data",
        "short pixels",
        "wide pixels",
        "label 10",
        "object labels",
    ],
)
def test_a_wrong_cifar_file_is_named(wrong: str, tmp_path: Path, offline: list[str]) -> None:
    folder = make_cifar(tmp_path)
    file = folder / "data_batch_3"
    batch = pickle.loads(file.read_bytes())
    trap = tmp_path / "trap"
    content = {
        "truncated": file.read_bytes()[:-2000],
        "empty": b"",
        "text": b"<html>404</html>",
        "evil": pickle.dumps({**batch, "more": Evil(trap)}),
        "no data": pickle.dumps({"labels": batch["labels"]}),
        "short pixels": pickle.dumps({**batch, "data": batch["data"][:-1]}),
        "wide pixels": pickle.dumps({**batch, "data": batch["data"].astype(np.int64)}),
        "label 10": pickle.dumps({**batch, "labels": [10] * 7}),
        "object labels": pickle.dumps({**batch, "labels": ["cat"] * 7}),
    }[wrong]
    file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load("cifar10", size=8, root=tmp_path)
    named = folder if wrong == "label 10" else file  # labels are checked once for all files
    assert str(named) in str(caught.value) and not trap.exists() and not offline


def test_a_full_cifar_batch_must_be_the_official_one(tmp_path: Path) -> None:
    folder = make_cifar(tmp_path)
    pixels = np.zeros((10_000, 3072), np.uint8)
    (folder / "test_batch").write_bytes(pickle.dumps({"data": pixels, "labels": [0] * 10_000}, protocol=2))
    with pytest.raises(DataError, match="test_batch .*official checksum"):
        load("cifar10", size=8, root=tmp_path, split="test")


@pytest.mark.parametrize("file", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"])
@pytest.mark.parametrize(
    "wrong", ["truncated", "too long", "empty", "text", "zip cut", "zip flipped", "missing"]
)
def test_a_wrong_fashion_mnist_file_is_named(
    file: str, wrong: str, tmp_path: Path, offline: list[str]
) -> None:
    zipped = wrong.startswith("zip")
    folder = make_fashion(tmp_path, zipped=zipped)
    path = folder / (file + ".gz" * zipped)
    content = path.read_bytes()
    if wrong == "missing":
        path.unlink()
    else:
        path.write_bytes(
            {
                "truncated": content[:-3],
                "too long": content + b"1",
                "empty": b"",
                "text": b"<html>404 not found</html>",
                "zip cut": content[:-12],
                "zip flipped": content[:-6] + bytes([content[-6] ^ 1]) + content[-5:],
            }[wrong]
        )
    with pytest.raises(DataError, match=file):
        load("fashion_mnist", size=8, root=tmp_path)
    assert not offline


def test_fashion_mnist_pictures_and_labels_must_be_as_many(tmp_path: Path) -> None:
    folder = make_fashion(tmp_path)
    (folder / "train-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, 5) + bytes(5))
    with pytest.raises(DataError, match="9 pictures but 5 labels"):
        load("fashion_mnist", size=8, root=tmp_path)


def test_a_wrong_stl10_file_is_named(tmp_path: Path, offline: list[str]) -> None:
    folder = make_stl(tmp_path)
    path = folder / "train_X.bin"
    for content in (path.read_bytes()[:-1], path.read_bytes()[:-27648], b""):
        path.write_bytes(content)
        with pytest.raises(DataError, match="train_X.bin"):
            load("stl10", size=8, root=tmp_path)
    (folder / "train_y.bin").unlink()
    with pytest.raises(DataError, match="train_y.bin is missing"):
        load("stl10", size=8, root=tmp_path)
    (folder / "test_y.bin").write_bytes(bytes(3))  # labels count from 1
    with pytest.raises(DataError, match="labels that STL-10 does not have"):
        load("stl10", size=8, root=tmp_path, split="test")
    assert not offline


def test_a_part_of_the_real_cifar(
    monkeypatch: pytest.MonkeyPatch, offline: list[str], shared: Callable[[str], Path]
) -> None:
    folder = shared("cifar10")
    monkeypatch.setenv("SSL_COURSE_DATA", str(folder.parent))
    for split in ("train", "test"):
        with pytest.warns(UserWarning, match="is a part of the set"):
            ours = load("cifar10", size=32, split=split)
        images, labels = as_torchvision_reads("cifar10", folder, split)
        assert torch.equal(ours.images, torch.from_numpy(images))
        assert ours.labels["class"].tolist() == labels.tolist()
    meta = pickle.loads((folder / "cifar-10-batches-py" / "batches.meta").read_bytes())
    assert ours.names["class"] == meta["label_names"]
    assert available()["cifar10"] == str(folder / "cifar-10-batches-py") and not offline
