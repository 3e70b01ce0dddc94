"""A student's own copy of the lectures: a newer course renews it, never what the student edited."""

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ssl_course import __version__, assets

# What the course keeps in a student's folder; JupyterLab's file browser does not show it.
KEPT = ".ssl-course"


@dataclass
class Unpacked:
    """What was done: names of files, relative to ``folder``."""

    folder: Path
    version: str
    new: list[str] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)  # nobody had edited them
    beside: list[str] = field(default_factory=list)  # new versions of files that were edited, and stay

    def __str__(self) -> str:
        lines = [f"The lectures of ssl_course {self.version} are in {self.folder}"]
        done = [
            f"{len(names)} {word}" for word, names in (("new", self.new), ("renewed", self.renewed)) if names
        ]
        lines[0] += f" ({', '.join(done)})." if done else "."
        if self.beside:
            lines.append(f"Files that you edited stay; new ones lie beside them: {', '.join(self.beside)}")
        return "\n".join(lines)


def unpack(folder: Path, version: str = __version__) -> Unpacked:
    """Copy the lectures into ``folder``, made where it is missing.

    A file that is as the course wrote it is replaced by a newer one. One that differs was edited (running a
    notebook and saving it is an edit too): it stays, and a newer one comes beside it, with its version in its
    name.

    Raises:
        FileNotFoundError: the course came without its lectures.
        OSError: the folder cannot be written; the message says what to do.
    """
    source = assets.lectures()
    folder = Path(os.path.abspath(folder.expanduser()))
    unpacked = Unpacked(folder, version)
    try:
        (folder / KEPT).mkdir(parents=True, exist_ok=True)
        record = folder / KEPT / "written.json"  # name → digest of what the course last wrote, or offered
        try:
            written = dict(json.loads(record.read_text(encoding="utf-8")))
        except (FileNotFoundError, TypeError, ValueError):
            written = {}  # the first time; damaged: all that differs counts as edited
        for name in sorted(path.relative_to(source) for path in source.rglob("*") if path.is_file()):
            if name.parts[0] != "src" and not name.parts[0].startswith("."):
                _put((source / name).read_bytes(), name, unpacked, written)
        _write_whole(record, json.dumps(written, indent=1).encode())
    except OSError as error:
        raise OSError(
            f"Cannot write the lectures to {folder} ({error.strerror}): "
            "name a folder of your own with --folder."
        ) from None
    return unpacked


def _put(content: bytes, name: Path, unpacked: Unpacked, written: dict, beside: bool = False) -> None:
    path, key, digest = unpacked.folder / name, name.as_posix(), _digest(content)
    here = _digest(path.read_bytes()) if path.exists() else None
    before, written[key] = written.get(key), digest
    if here is None or here == before != digest:
        _write_whole(path, content)
        (unpacked.beside if beside else unpacked.new if here is None else unpacked.renewed).append(key)
    elif here != digest and before != digest and not beside:  # edited, and there is something new
        _put(content, name.with_stem(f"{name.stem}-{unpacked.version}"), unpacked, written, beside=True)


def _write_whole(path: Path, content: bytes) -> None:
    """All of it or nothing: a half-written notebook would count as edited."""
    with assets.replacing(path) as part:
        part.write_bytes(content)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# -------------------------------------------------------------------------- where git brings the new lectures


def merge(base: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """A newer lecture, and in it all that a student did: a merge of cells, where git's own is one of lines.

    Cells are told apart by their ids, which follow from what they say. The lecture's order holds. A cell that
    the student edited, or added, stays; one that was only run keeps its outputs while the lecture has it; one
    that the student deleted stays away.

    Args:
        base: the edition that the student's copy was made from, as JSON.
        mine: the student's copy.
        theirs: the new edition.
    """
    was, new = ({cell["id"]: cell for cell in book["cells"]} for book in (base, theirs))
    here: dict[str, dict[str, Any]] = {}
    for cell in mine["cells"]:
        name = cell.get("id") or f"own-{len(here)}"
        while name in here:  # an older git's merge of lines has doubled it
            name = f"{name}-again"[-64:]
        here[name] = cell | {"id": name}

    text = {name: _said(cell) for name, cell in here.items()}

    def stays(name: str) -> bool:
        return name not in was or text[name] != _said(was[name])

    order = [name for name in new if name in here or name not in was]
    place = -1  # where in the order the student's cell before this one stands
    for name in here:
        if name not in new and stays(name):
            order.insert(place + 1, name)
        if name in order:
            place = order.index(name)
    untouched = {
        name for name in here if name in new and not stays(name) and _said(new[name]) != _said(was[name])
    }
    cells = [new[name] if name in untouched or name not in here else here[name] for name in order]
    return theirs | {"cells": cells, "metadata": theirs["metadata"] | mine["metadata"]}


def _said(cell: dict[str, Any]) -> tuple[str, str]:
    source = cell["source"]
    return cell["cell_type"], source if isinstance(source, str) else "".join(source)


def merge_files(base: Path, mine: Path, theirs: Path) -> None:
    """`merge`, as git calls it: the result replaces ``mine``, which stays where one is no notebook."""
    try:
        books = [json.loads(path.read_text(encoding="utf-8")) for path in (base, mine, theirs)]
        merged = merge(*books)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    _write_whole(mine, (json.dumps(merged, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode())
