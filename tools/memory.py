"""What each lecture takes: ``python -m tools.memory [LECTURE …] --write`` measures, and puts the table into lectures/README.md.

A lecture is run whole in a kernel of its own. Peak is the most that it held at once (VmHWM), libraries included. Private is what
each further kernel on a machine costs: what it wrote itself; the libraries as they lie on the disk are there once for all. A PyTorch
with CUDA's libraries gives its own column, one for CPUs, as hubs and laptops get it, the others; CPU seconds come from either. Linux only.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from nbclient import NotebookClient
from tqdm import tqdm

from tools.build import ROOT, TIMEOUT, read_source, sources

BEGIN, END = "<!-- memory: made by python -m tools.memory -->", "<!-- /memory -->"
LARGEST = 1000  # MB that a lecture may hold at its peak


def measure(src: Path, go_on: bool = False) -> dict[str, float]:
    """Megabytes of one lecture, at its peak, after its set-up, and private at its end; CPU seconds of the whole run.

    With ``go_on`` a cell that fails does not end the run: another PyTorch comes to other numbers than the cells that assert some.
    """
    notebook, readings, first = read_source(src), {}, True
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        allow_errors=go_on,
        kernel_name="python3",
        resources={"metadata": {"path": str(src.parent.parent)}},
    )
    environment = {k: v for k, v in os.environ.items() if k != "SSL_COURSE_MAX_STEPS"}
    with (
        TemporaryDirectory() as nothing_kept,
        client.setup_kernel(env=environment | {"SSL_COURSE_KEPT": nothing_kept}),
    ):
        pid = client.km.provisioner.process.pid
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
            if cell.cell_type == "code" and first and "home" not in cell.metadata.get("tags", []):
                readings["import"], first = _private(pid), False
        readings["private"] = _private(pid)
        readings["peak"] = _read(pid, "status", "VmHWM")
        readings["seconds"] = _seconds(pid)
    return readings


def _read(pid: int, file: str, *names: str) -> float:
    text = Path(f"/proc/{pid}/{file}").read_text(encoding="utf-8")
    return sum(int(re.search(rf"^{name}:\s+(\d+) kB", text, re.M)[1]) for name in names) / 1024  # type: ignore[index]


def _seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _private(pid: int) -> float:
    return _read(pid, "smaps_rollup", "Private_Dirty")


COLUMNS = {
    "import": "first cell, private MB",
    "private": "end, private MB",
    "peak": "peak, MB",
    "cuda": "peak with CUDA's libraries",
    "seconds": "whole run, CPU seconds",
}


def table(measured: dict[str, dict[str, float]]) -> str:
    """Markdown, a row a lecture; a peak above the limit in bold."""
    rows = [f"| | {' | '.join(COLUMNS.values())} |", "| --- " * (1 + len(COLUMNS)) + "|"]
    for name, of in sorted(measured.items()):
        cells = [f"{of[key]:,.0f}" if key in of else "" for key in COLUMNS]
        if of.get("peak", 0) > LARGEST:
            cells[[*COLUMNS].index("peak")] = f"**{of['peak']:,.0f}**"
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def write(measured: dict[str, dict[str, float]], file: Path) -> None:
    """Put the table where the last one stands; rows of lectures that were not measured stay.

    Raises:
        ValueError: the file has no place for it.
    """
    text = file.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise ValueError(f"{file} has no place for the table: put {BEGIN} and {END} into it.")
    before, _, rest = text.partition(BEGIN)
    old, _, after = rest.partition(END)
    rows: dict[str, dict[str, float]] = {}
    for line in re.findall(r"^\| \d\d .*\|$", old, re.M):
        name, *cells = (cell.strip("* ").replace(",", "") for cell in line.strip("|").split("|"))
        rows[name] = {key: float(cell) for key, cell in zip(COLUMNS, cells, strict=False) if cell}
    for name, of in measured.items():
        rows[name] = rows.get(name, {}) | of
    file.write_text(f"{before}{BEGIN}\n\n{table(rows)}\n\n{END}{after}", encoding="utf-8", newline="\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and with --write keep."""
    parser = argparse.ArgumentParser(prog="python -m tools.memory", description=__doc__)
    parser.add_argument("lectures", nargs="*", help="numbers or names; all by default")
    parser.add_argument("--write", action="store_true", help="into lectures/README.md, after each lecture")
    parser.add_argument("--go-on", action="store_true", help="past cells that fail, as with another PyTorch")
    given = parser.parse_args(arguments)
    measured: dict[str, dict[str, float]] = {}
    try:
        for src in tqdm(sources(given.lectures), desc="lectures"):
            taken = measure(src, given.go_on)
            with_cuda = {"cuda": taken["peak"], "seconds": taken["seconds"]}
            measured[src.stem[:2]] = with_cuda if torch.version.cuda else taken
            if given.write:
                write(measured, ROOT / "lectures" / "README.md")
    except (ValueError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
    print(table(measured))
    return 0


if __name__ == "__main__":
    sys.exit(main())
