"""Lectures from text to notebook: ``python -m tools.build [LECTURE …] [--force]``.

``lectures/src/NN_name.md`` (MyST, what authors edit) is executed into ``lectures/NN_name.ipynb`` (what readers
open). ``tools.lint`` then says what a green run does not show, and ``tools.handout`` makes the students' edition.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import jupytext
import nbformat
from nbformat import NotebookNode

from tools import bake

ROOT = Path(__file__).resolve().parent.parent
MAX_BYTES = 1_000_000
TIMEOUT = 600  # seconds for one cell
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
RUN_LINE = "Run this cell to use the widget."
LANGUAGE = {  # as the kernel reports it, less the version, so that another Python does not change the file
    "name": "python",
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "pygments_lexer": "ipython3",
    "codemirror_mode": {"name": "ipython", "version": 3},
    "nbconvert_exporter": "python",
}


def sources(names: Sequence[str] | None = None, root: Path = ROOT) -> list[Path]:
    """The lecture sources: all, or those whose name or number is given ("01", "01_desert_forest_sea").

    Raises:
        ValueError: a name that fits none; the message lists those that exist.
    """
    known = [p for p in sorted((root / "lectures" / "src").glob("*.md")) if re.match(r"\d\d_", p.name)]
    if not names:
        return known
    chosen = []
    for name in names:
        stem = Path(name).stem
        fits = [p for p in known if p.stem == stem or p.stem.split("_")[0] == stem]
        if not fits:
            raise ValueError(f"no lecture {name!r}; there are: {', '.join(p.stem for p in known)}")
        chosen += fits
    return chosen


def notebook_of(src: Path) -> Path:
    """lectures/src/01_x.md → lectures/01_x.ipynb."""
    return src.parent.parent / f"{src.stem}.ipynb"


def read_source(src: Path) -> NotebookNode:
    """The source as a notebook without outputs.

    A cell's id follows from what it says, not from where it stands: a cell that is inserted changes no other, so that a
    student's copy, executed and edited, takes the next edition in a merge of lines.
    """
    notebook = jupytext.read(src, fmt="md:myst")
    seen: Counter[str] = Counter()
    for cell in notebook.cells:
        name = f"{src.stem[:2]}-{hashlib.sha256(f'{cell.cell_type}:{cell.source}'.encode()).hexdigest()[:12]}"
        seen[name] += 1
        cell.id = name if seen[name] == 1 else f"{name}-{seen[name]}"
    notebook.metadata = NotebookNode(
        kernelspec={"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"},
        language_info=LANGUAGE,
        ssl_course={"source": f"src/{src.name}", "sha256": digest(src)},
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def digest(src: Path) -> str:
    """sha256 of a source's text."""
    text = src.read_text(encoding="utf-8")  # newlines as \n on every system
    return hashlib.sha256(text.encode()).hexdigest()


def _cells(notebook: NotebookNode) -> list[tuple[str, str, dict]]:
    def metadata(cell: NotebookNode) -> dict:  # what running a cell in JupyterLab writes does not count
        return {k: v for k, v in cell.metadata.items() if k not in ("execution", "collapsed", "scrolled")}

    return [(c.cell_type, c.source.strip("\n"), metadata(c)) for c in notebook.cells]


def stale(ipynb: Path, src: Path) -> str | None:
    """Why the notebook does not belong to its source; None when it does."""
    if not ipynb.exists():
        return "stale pair: there is no notebook yet"
    notebook = nbformat.read(ipynb, as_version=4)
    if notebook.metadata.get("ssl_course", {}).get("sha256") != digest(src):
        return "stale pair: the source changed after the notebook was built"
    if _cells(notebook) != _cells(read_source(src)):
        return "stale pair: the notebook's cells are not those of the source (edited by hand?)"
    return None


def build(names: Sequence[str] | None = None, force: bool = False, root: Path = ROOT) -> list[Path]:
    """Execute the lectures whose source changed, and write their notebooks.

    Args:
        names: lectures, by name or number; all by default.
        force: also those that did not change.
        root: the course's folder.

    Returns:
        The notebooks written.

    Raises:
        RuntimeError: a cell failed, or the notebook is too large; the old notebook stays as it was.
    """
    written = []
    for src in sources(names, root):
        ipynb = notebook_of(src)
        if not force and stale(ipynb, src) is None and bake.stale(src) is None:
            continue
        notebook = execute(read_source(src), ipynb.parent, src.name, bakes=src)
        text = nbformat.writes(notebook) + "\n"
        if len(text.encode()) > MAX_BYTES:
            raise RuntimeError(f"{ipynb.name} would be {len(text.encode()):,} bytes, more than {MAX_BYTES:,}")
        ipynb.write_text(text, encoding="utf-8", newline="\n")
        written.append(ipynb)
    return written


def execute(notebook: NotebookNode, folder: Path, name: str, bakes: Path | None = None) -> NotebookNode:
    """Run all cells in ``folder`` with this Python's kernel, and leave outputs that read without a kernel.

    Args:
        notebook, folder, name: the cells, where they run, and what messages call them.
        bakes: the source of a lecture whose widgets are to be baked on the way (`tools.bake`).

    Raises:
        RuntimeError: a cell raised; the message has the cell and the error.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    client = NotebookClient(
        notebook, timeout=TIMEOUT if bakes is None else 6 * TIMEOUT, kernel_name="python3", store_widget_state=False, record_timing=False,
        coalesce_streams=True, resources={"metadata": {"path": str(folder)}},
    )  # fmt: skip
    # Few steps are for quick browser runs, an author's guesses for nobody: never for what readers see.
    environment = {k: v for k, v in os.environ.items() if k != "SSL_COURSE_MAX_STEPS"}
    with TemporaryDirectory() as nothing_kept, TemporaryDirectory() as oven:
        if bakes is not None:  # before the first cell, and no cell itself
            environment["PYTHONPATH"] = os.pathsep.join(
                [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
            )
            hook = f"from tools import bake; bake.hook({oven!r})"
            client.on_notebook_start = lambda **_: client.kc.execute(hook, silent=True, store_history=False)
        try:
            client.execute(env=environment | {"SSL_COURSE_KEPT": nothing_kept})
        except CellExecutionError as error:
            raise RuntimeError(f"{name}: {error}") from None
        if bakes is not None:
            bake.keep(Path(oven), bakes)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [kept for output in cell.outputs for kept in _without_view(output)]
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = LANGUAGE
    return notebook


def _without_view(output: NotebookNode) -> list[NotebookNode]:
    """The output less its widget view, which without a kernel reads "model not found" in place of the picture."""
    data = output.get("data", {})
    if WIDGET_VIEW not in data:
        return [output]
    del data[WIDGET_VIEW]
    if "image/png" in data:
        line = f"<p><small>{RUN_LINE}</small></p>"
        return [output, nbformat.v4.new_output("display_data", {"text/html": line, "text/plain": RUN_LINE})]
    if "text/html" not in data:  # a plain ipywidget leaves a line with its class and nothing to see
        data["text/plain"] = RUN_LINE
    return [output]


def main(arguments: Sequence[str] | None = None) -> int:
    """Build what changed, one line a lecture; returns 1 when one fails."""
    parser = argparse.ArgumentParser(prog="python -m tools.build", description=__doc__)
    parser.add_argument("names", nargs="*", help="lectures by name or number; all by default")
    parser.add_argument("--force", action="store_true", help="build what did not change, too")
    given = parser.parse_intermixed_args(arguments)  # options may stand between the names
    try:
        for src in sources(given.names):
            built = build([src.stem], given.force)
            print(f"{notebook_of(src).name}: {'built' if built else 'up to date'}", flush=True)
    except (ValueError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
