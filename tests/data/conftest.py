"""No test here sees the user's cache or data; those that check real sets ask for them by name, with `shared`."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from ssl_course.data import files

SHARED = os.environ.get("SSL_COURSE_DATA", "")  # as it was before the fixture below hides it


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user's cache is; it does not exist yet."""
    cache = tmp_path / "cache"
    monkeypatch.setattr(files, "cache_folder", lambda: cache)
    monkeypatch.delenv("SSL_COURSE_DATA", raising=False)
    return cache


@pytest.fixture
def shared() -> Callable[[str], Path]:
    """The folder of a real set by its name, or a skip that says what is missing."""

    def folder(name: str) -> Path:
        path = Path(SHARED) / name
        if not SHARED or not path.exists():
            pytest.skip(f"needs $SSL_COURSE_DATA/{name}")
        return path

    return folder


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A machine without a network; the list fills with what was asked for."""
    asked: list[str] = []

    def refuse(request: object, *_: object, **__: object) -> None:
        asked.append(getattr(request, "full_url", str(request)))
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    return asked
