"""What the real sets share: where files may lie, one kind of error, and one way to resize."""

import hashlib
import os
import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F


class DataError(RuntimeError):
    """A data set that is missing, incomplete or damaged; the message names the file and says what to do."""


def cache_folder() -> Path:
    """The user's cache of this course, for downloads. It may not exist yet."""
    from platformdirs import user_cache_path

    return user_cache_path("ssl_course", appauthor=False)


def data_folder() -> Path | None:
    """The folder named by the environment variable SSL_COURSE_DATA, or None where it is not set."""
    value = os.environ.get("SSL_COURSE_DATA", "").strip()
    return Path(value).expanduser() if value else None


def places(root: str | os.PathLike[str] | None = None) -> list[Path]:
    """Folders that a set is looked for in, in this order: ``root``, $SSL_COURSE_DATA, the user's cache."""
    given = [Path(root).expanduser()] if root is not None else []
    shared = [folder] if (folder := data_folder()) else []
    return [*given, *shared, cache_folder()]


def within(folders: Iterable[Path], *names: str) -> Iterator[Path]:
    """Where the files of a set may lie, folder by folder:
    in one inside it with one of these names, or in itself."""
    return (folder / name for folder in folders for name in (*names, "."))


def looked_in(folders: Iterable[Path]) -> str:
    """The folders for an error message, a line each."""
    lines = [f"  {folder}{'' if folder.is_dir() else ' (no such folder)'}" for folder in folders]
    unset = [] if data_folder() else ["  $SSL_COURSE_DATA (not set)"]
    return "Looked in:\n" + "\n".join(lines + unset)


def missing(
    title: str,
    name: str,
    why: str | Exception,
    folders: list[Path],
    by_hand: str,
    belongs: Iterable[str],
    install: str = "",
) -> DataError:
    """The error for a set that is not here and could not be fetched.

    Args:
        title, name: of the set, for people and for `load`.
        why: it could not be fetched; of a failed download the error.
        folders: where it was looked for.
        by_hand: how to fetch it oneself; belongs: the files that there must be then, within the cache.
        install: a command that must be run first.
    """
    if isinstance(why, Exception):
        lines = [line for line in str(why).splitlines() if line.strip()] or [type(why).__name__]
        why = f"the download failed: {lines[-1].strip()}"
    there = "\n".join(f"  {cache_folder() / file}" for file in dict.fromkeys(belongs))
    return DataError(
        f"{title} is not on this machine, and {why}.\n{looked_in(folders)}\n"
        f"What to do: with a connection, run\n{install}"
        f"  python -c \"from ssl_course.data import load; load('{name}')\"\n"
        f"or by hand: {by_hand}, so that there is\n{there}\n"
        "(any folder will do in place of the cache, if SSL_COURSE_DATA names it)."
    )


def damaged(path: Path, why: str) -> DataError:
    """The error for a file that is there and cannot be read."""
    return DataError(f"{path} is damaged or not the right file ({why}). Delete it and fetch it anew.")


def source(title: str, n: int, whole: int, split: str, where: object, what: str = "pictures") -> str:
    """Which part of a set was loaded, "CIFAR-10, all 10,000 test pictures";
    a warning where it is not the whole."""
    if n >= whole:
        return f"{title}, all {whole:,} {split} {what}"
    warnings.warn(
        f"{title} in {where} is a part of the set: {n:,} of {whole:,} {split} {what}. "
        "Results are not comparable with published ones.",
        stacklevel=4,  # the line that called load
    )
    return f"{title}, {n:,} of {whole:,} {split} {what}"


def is_test(name: str, share: float = 0.2) -> bool:
    """Whether a file is for test: decided by its own name, so that new files move none to the other split."""
    plain = unicodedata.normalize("NFC", name)  # macOS may store ü as two characters
    digest = hashlib.blake2b(plain.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64


def resize(images: torch.Tensor, size: int) -> torch.Tensor:
    """(N, C, H, W) uint8 → (N, C, size, size) uint8, bicubic, antialiased (PIL's BICUBIC)."""
    if images.shape[-2:] == (size, size):
        return images.contiguous()
    chunks = images.split(4096)  # the float copy of 60,000 pictures would not fit a small laptop
    return torch.cat([F.interpolate(chunk, (size, size), mode="bicubic", antialias=True) for chunk in chunks])
