"""What a student has entered, kept beyond the kernel: a small JSON file a lecture, in the user's folder."""

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ssl_course import assets

PATIENCE = 2.0  # seconds; nobody holds a lock for so long, so whoever made it is gone
LARGEST = 1_000_000  # bytes of a file that is read

# (file's name, key) → what could not be written; lives as long as the kernel,
# and is tried again with the next entry
_unwritten: dict[tuple[str, str], Any] = {}


def folder() -> Path:
    """$SSL_COURSE_KEPT, else the user's data folder of this course; it may not exist yet.

    Raises:
        OSError: there is none, as for a user without a home.
    """
    from platformdirs import user_data_path

    named = os.environ.get("SSL_COURSE_KEPT", "").strip()
    path = Path(os.path.expanduser(named)) if named else user_data_path("ssl_course", appauthor=False)
    if not path.is_absolute():  # "~" was not known: never beside the notebook
        raise OSError(f"{path} is no folder of yours")
    return path


def _name(lecture: str) -> str:
    return f"lecture_{re.sub(r'[^0-9A-Za-z]+', '_', lecture)}.json"


def _read(file: Path) -> dict[str, Any]:
    """What the file holds; nothing where it is missing or damaged."""
    try:
        if file.stat().st_size > LARGEST:
            return {}
        entries = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return entries if isinstance(entries, dict) else {}


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """One writer at a time, other kernels included: two notebooks may hold the same lecture."""
    lock, end = file.with_suffix(".lock"), time.monotonic() + PATIENCE
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            break
        except FileExistsError:
            if time.monotonic() > end:
                lock.unlink(missing_ok=True)
            time.sleep(0.01)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def get(lecture: str, key: str) -> Any:
    """What was kept under ``key``, or None; a file that cannot be read holds nothing."""
    name = _name(lecture)
    if (name, key) in _unwritten:
        return _unwritten[name, key]
    try:
        return _read(folder() / name).get(key)
    except OSError:
        return None


def put(lecture: str, key: str, value: Any) -> str:
    """Keep ``value`` (what JSON can hold) under ``key``; None forgets it.

    Returns:
        "", or why it is kept only as long as this kernel lives.
    """
    name = _name(lecture)
    _unwritten[name, key] = value
    try:
        file = folder() / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with _alone(file), assets.replacing(file) as fresh:
            waiting = {k: v for (n, k), v in _unwritten.items() if n == name}
            entries = {k: v for k, v in (_read(file) | waiting).items() if v is not None}
            text = json.dumps(entries, ensure_ascii=False, indent=1)
            fresh.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        return f"{error.strerror or error}"
    for k in waiting:
        _unwritten.pop((name, k), None)
    return ""
