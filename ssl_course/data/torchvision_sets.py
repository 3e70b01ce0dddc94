"""CIFAR-10, Fashion-MNIST and STL-10: found on this machine, or fetched by torchvision, then read here.

torchvision knows the addresses and checksums. Reading is done here because torchvision refuses a part of
CIFAR-10, reads a truncated Fashion-MNIST without naming the file, and wants the 2.7 GB of unlabelled STL-10
present, and checksummed, at every start.
"""

import gzip
import hashlib
import http.client
import io
import os
import pickle
import shutil
import socket
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ssl_course.data import files
from ssl_course.data.files import DataError, damaged, missing, resize, source
from ssl_course.data.pictures import Pictures

Arrays = tuple[np.ndarray, np.ndarray]  # images (N, C, H, W) uint8 and labels (N,)


@dataclass(frozen=True)
class TorchvisionSet:
    """One set: where torchvision puts it, what else is accepted, and how it is read."""

    title: str
    torchvision: str  # class in torchvision.datasets
    folder: str  # what torchvision makes, and so where files put by hand belong
    also: tuple[str, ...]  # further folders within a place that may hold the files
    files: dict[str, tuple[str, ...]]  # split → files; "name.gz" is accepted for "name" in Fashion-MNIST
    counts: dict[str, int]
    classes: Sequence[str]
    by_hand: str
    read: Callable[[Path, tuple[str, ...]], Arrays]
    extra_places: tuple[str, ...] = ()


def load_set(name: str, size: int, split: str, root: str | os.PathLike | None, download: bool) -> Pictures:
    """One of `SETS`, labels ``class``; gray pictures get three equal channels.

    Looked for in ``root``, $SSL_COURSE_DATA, the user's cache; then downloaded into the cache.

    Raises:
        DataError: nowhere and not to be had (where it looked, what to do), or a file that is not whole.
    """
    spec = SETS[name]
    folder = find(name, root, split)
    if folder is None:
        folder = _fetch(name, root, download)
    images, labels = spec.read(folder, spec.files[split])
    if len(images) != len(labels):
        raise DataError(f"{folder} has {len(images)} pictures but {len(labels)} labels: fetch it anew.")
    if len(labels) == 0 or labels.min() < 0 or labels.max() >= len(spec.classes):
        raise DataError(f"{folder} holds labels that {spec.title} does not have: fetch it anew.")
    loaded = source(spec.title, len(labels), spec.counts[split], split, folder)
    pictures = resize(torch.from_numpy(images), size)
    return Pictures(
        images=pictures.expand(-1, 3, -1, -1).contiguous(),
        labels={"class": torch.from_numpy(labels.astype(np.int64))},
        names={"class": list(spec.classes)},
        source=loaded,
    )


# ---- finding and fetching ----------------------------------------------------------------------------------


def places(name: str, root: str | os.PathLike | None = None) -> list[Path]:
    """Folders that are searched, in this order."""
    return files.places(root) + [Path(p) for p in SETS[name].extra_places]


def find(name: str, root: str | os.PathLike | None = None, split: str = "train") -> Path | None:
    """The folder that holds at least one file of this split, or None. Cheap; downloads nothing."""
    spec = SETS[name]
    inner = files.within(places(name, root), spec.folder, *spec.also)
    return next((f for f in inner if any(_existing(f, file) for file in spec.files[split])), None)


def _existing(folder: Path, file: str) -> Path | None:
    """The file, or its gzipped form; None where there is neither."""
    return next((p for p in (folder / file, folder / f"{file}.gz") if p.is_file()), None)


def _fetch(name: str, root: str | os.PathLike | None, download: bool) -> Path:
    """Download with torchvision's progress bar; only what came down whole appears in the cache."""
    spec, cache = SETS[name], files.cache_folder()
    why: str | Exception = "download=False was given"
    if download:
        import torchvision.datasets

        try:
            cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=cache, prefix="incoming-") as incoming, _patience(20):
                getattr(torchvision.datasets, spec.torchvision)(incoming, download=True)
                top = Path(spec.folder).parts[0]
                shutil.rmtree(cache / top, ignore_errors=True)  # it held no file of the set
                os.replace(Path(incoming) / top, cache / top)
            return cache / spec.folder
        except (OSError, RuntimeError, EOFError, http.client.HTTPException, zlib.error) as error:
            why = error
    belongs = [f"{spec.folder}/{spec.files['train'][0]}"]
    raise missing(spec.title, name, why, places(name, root), spec.by_hand, belongs)


@contextmanager
def _patience(seconds: float) -> Iterator[None]:
    """A dead network should fail within seconds; urllib by itself waits for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(before or seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


# ---- reading -----------------------------------------------------------------------------------------------


def _bytes_of(folder: Path, file: str) -> tuple[Path, bytes]:
    path = _existing(folder, file)
    if path is None:
        raise DataError(f"{folder / file} is missing: fetch the set anew, or put the file there.")
    try:
        content = path.read_bytes()
        return path, gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:  # gzip finds truncation and, by its checksum, any change
        raise damaged(path, str(error)) from error


def _check_sum(path: Path, content: bytes, dataset: str) -> None:
    """Whether a file has the checksum that torchvision knows for it."""
    import torchvision.datasets

    known = getattr(torchvision.datasets, dataset)
    official = dict(known.train_list + known.test_list).get(path.name)
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != official:
        raise damaged(path, "it has the official number of records, but not the official checksum")


class _ArraysOnly(pickle.Unpickler):
    """Unpickles NumPy arrays, lists and strings; a pickle may otherwise run any program."""

    ALLOWED = {
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("_codecs", "encode"),
    }

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module, name)


def _read_cifar(folder: Path, files: tuple[str, ...]) -> Arrays:
    """Batches of 32 × 32 pictures as rows of 3,072 bytes with a label each. Fewer rows than 10,000 are a part
    of the set and welcome, if every record is whole; all 10,000 must be the official ones."""
    images, labels = [], []
    for file in files:
        if not (folder / file).is_file():
            continue  # also a part; at least one is there, and the count is reported
        path, content = _bytes_of(folder, file)
        try:
            batch = _ArraysOnly(io.BytesIO(content), encoding="latin1").load()
            pixels, classes = batch["data"], np.asarray(batch["labels"])
            whole = pixels.dtype == np.uint8 and pixels.shape == (len(classes), 3072)
            whole = whole and classes.dtype.kind == "i" and classes.ndim == 1
        except Exception as error:  # a damaged pickle fails in any way
            raise damaged(path, str(error) or type(error).__name__) from error
        if not whole:
            raise damaged(path, f"{len(classes)} labels for pixels of shape {pixels.shape}")
        if len(classes) == 10_000:
            _check_sum(path, content, "CIFAR10")
        images.append(pixels.reshape(-1, 3, 32, 32))
        labels.append(classes)
    return np.concatenate(images), np.concatenate(labels)


def _read_idx(folder: Path, file: str, sides: tuple[int, ...]) -> np.ndarray:
    """One file in the IDX format: 0, 0, 8 (unsigned bytes), the number of axes, their lengths, the values."""
    path, content = _bytes_of(folder, file)
    axes = 1 + len(sides)
    head = 4 + 4 * axes
    if len(content) < head or content[:4] != bytes([0, 0, 8, axes]):
        raise damaged(path, "its header is not that of an IDX file")
    shape = tuple(np.frombuffer(content, ">u4", axes, 4).tolist())
    if shape[1:] != sides or len(content) != head + int(np.prod(shape)):
        raise damaged(path, f"its header promises {shape}, it holds {len(content) - head:,} bytes")
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape).copy()


def _read_fashion(folder: Path, files: tuple[str, ...]) -> Arrays:
    return _read_idx(folder, files[0], (28, 28))[:, None], _read_idx(folder, files[1], ())


def _read_stl(folder: Path, files: tuple[str, ...]) -> Arrays:
    """Pictures of 3 × 96 × 96 bytes, each channel column by column; labels count from 1."""
    (path, pixels), (label_path, labels) = (_bytes_of(folder, file) for file in files)
    record = 3 * 96 * 96
    if len(pixels) != record * len(labels):
        raise damaged(path, f"{len(pixels):,} bytes are not {len(labels):,} pictures of {record:,}")
    if len(labels) in (5_000, 8_000):
        _check_sum(path, pixels, "STL10")
        _check_sum(label_path, labels, "STL10")
    images = np.frombuffer(pixels, np.uint8).reshape(-1, 3, 96, 96).transpose(0, 1, 3, 2)
    return np.ascontiguousarray(images), np.frombuffer(labels, np.uint8).astype(np.int64) - 1


SETS = {
    "cifar10": TorchvisionSet(
        title="CIFAR-10",
        torchvision="CIFAR10",
        folder="cifar-10-batches-py",
        also=("cifar10/cifar-10-batches-py",),
        files={"train": tuple(f"data_batch_{i}" for i in range(1, 6)), "test": ("test_batch",)},
        counts={"train": 50_000, "test": 10_000},
        classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        by_hand="unpack https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz (170 MB)",
        read=_read_cifar,
    ),
    "fashion_mnist": TorchvisionSet(
        title="Fashion-MNIST",
        torchvision="FashionMNIST",
        folder="FashionMNIST/raw",
        also=("fashion_mnist/FashionMNIST/raw", "fashion_mnist", "fashion-mnist"),
        files={
            "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
            "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
        },
        counts={"train": 60_000, "test": 10_000},
        classes="T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot".split(","),
        by_hand="copy the four *-ubyte.gz of https://github.com/zalandoresearch/fashion-mnist (30 MB; on "
        "Debian and Ubuntu apt-get install dataset-fashion-mnist is enough)",
        read=_read_fashion,
        extra_places=("/usr/share/datasets/fashion-mnist",),  # where Debian's package puts it
    ),
    "stl10": TorchvisionSet(
        title="STL-10",
        torchvision="STL10",
        folder="stl10_binary",
        also=("stl10/stl10_binary", "stl10"),
        files={"train": ("train_X.bin", "train_y.bin"), "test": ("test_X.bin", "test_y.bin")},
        counts={"train": 5_000, "test": 8_000},
        classes=("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"),
        by_hand="unpack http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz (2.6 GB)",
        read=_read_stl,
    ),
}
