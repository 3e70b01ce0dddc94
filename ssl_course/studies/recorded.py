"""Results that are kept cell by cell: a long command that is stopped goes on where it was."""

import json
import platform
import shlex
import sys
import time
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from ssl_course import assets


def record(
    path: str | None,
    cells: Iterable[dict[str, Any]],
    measure: Callable[..., dict[str, Any]],
    about: dict[str, Any],
    bar: bool = False,
) -> list[dict[str, Any]]:
    """Measure the cells that the file does not have yet, and save after each.

    Args:
        path: JSON file; None keeps nothing.
        cells: arguments of ``measure``, plain values.
        measure: gives numbers for one cell.
        about: what holds for all cells, such as the protocol; a file made under another one is refused.
        bar: show a progress bar instead of printing each row.

    Returns:
        One dict for each cell, its arguments and its numbers, in the order of ``cells``.

    Raises:
        ValueError: the file was made with other settings.
    """
    file, about = Path(path) if path else None, json.loads(json.dumps(about))  # tuples are lists there
    kept: dict[str, Any] = {"about": about, "results": []}
    if file and file.is_file():
        kept = json.loads(file.read_text(encoding="utf-8"))
    if kept["about"] != about:
        raise ValueError(f"{path} was made with other settings: move it away, or give another name")
    done = {_key(row["cell"]): row for row in kept["results"]}
    cells = list(cells)
    new = {_key(cell): cell for cell in cells if _key(cell) not in done}
    shown = tqdm(total=len(cells), initial=len(cells) - len(new), unit="cell", disable=not bar)
    for key, cell in new.items():
        shown.set_description(" ".join(str(v) for v in cell.values()))
        began = time.perf_counter()
        row = {"cell": cell} | measure(**cell)
        row["seconds"] = round(time.perf_counter() - began, 1)
        done[key] = row
        shown.update()
        if not bar:
            print(json.dumps(row), flush=True)
        if file:
            head = {"command": command(), "date": str(date.today()), "machine": machine()}
            text = json.dumps(head | {"about": about, "results": list(done.values())}, indent=1)
            with assets.replacing(file) as part:
                part.write_text(text + "\n", encoding="utf-8")
    shown.close()
    return [done[_key(cell)] for cell in cells]


def command() -> str:
    """The command that runs, as a reader would type it."""
    program = Path(sys.argv[0])
    module = {"__main__.py": program.parent.name, "ssl-course": "ssl_course"}.get(program.name)
    return shlex.join(["python", *(["-m", module] if module else [sys.argv[0]]), *sys.argv[1:]])


def machine() -> str:
    """What a result should say about where it was made."""
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{platform.machine()}, {torch.get_num_threads()} threads{gpu}, torch {torch.__version__}"


def _key(cell: dict[str, Any]) -> str:
    return json.dumps(cell, sort_keys=True)
