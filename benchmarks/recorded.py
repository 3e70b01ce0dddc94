"""Results that are kept cell by cell: a long command that is stopped goes on where it was."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any

import torch


def record(
    path: str | None, cells: Iterable[dict[str, Any]], measure: Callable[..., dict[str, Any]], about: dict
) -> list[dict[str, Any]]:
    """Measure the cells that the file does not have yet, and save after each.

    Args:
        path: JSON file; None keeps nothing.
        cells: arguments of ``measure``, plain values.
        measure: gives numbers for one cell.
        about: what holds for all cells, such as the protocol; a file made under another one is refused.

    Returns:
        One dict for each cell, its arguments and its numbers, in the order of ``cells``.

    Raises:
        ValueError: the file was made with other settings.
    """
    file = Path(path) if path else None
    kept = json.loads(file.read_text()) if file and file.is_file() else {"about": about, "results": []}
    if kept["about"] != json.loads(json.dumps(about)):
        raise ValueError(f"{path} was made with other settings: move it away, or give another name")
    done = {_key(row["cell"]): row for row in kept["results"]}
    wanted = []
    for cell in cells:
        key = _key(cell)
        if key not in done:
            began = time.perf_counter()
            row = {"cell": cell} | measure(**cell)
            row["seconds"] = round(time.perf_counter() - began, 1)
            done[key] = row
            print(json.dumps(row), flush=True)
            if file:
                machine = (
                    f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
                )
                head = {
                    "command": shlex.join(["python", *sys.argv]),
                    "date": str(date.today()),
                    "machine": machine,
                }
                file.parent.mkdir(parents=True, exist_ok=True)
                half = file.with_suffix(".part")
                half.write_text(
                    json.dumps(head | {"about": about, "results": list(done.values())}, indent=1) + "\n"
                )
                os.replace(half, file)
        wanted.append(done[key])
    return wanted


def _key(cell: dict[str, Any]) -> str:
    return json.dumps(cell, sort_keys=True)
