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
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import jupytext
import nbformat
from nbformat import NotebookNode

from tools import bake

ROOT = Path(__file__).resolve().parent.parent
MAX_BYTES = 1_000_000
TIMEOUT = 600  # seconds for one cell
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
RUN_LINE = "Run this cell to use the widget."
# How the set-up begins in the sources. An exit prints its sentence and no traceback, and Run All stops.
GUARD = """\
try:
    import ssl_course
except ImportError:
    raise SystemExit("Not installed in this Python. With the course's wheel: ssl-course lab. In its folder: make lab, or python -m pip install -e .") from None
"""
# Metadata of the cell that `guard` makes: JupyterLab folds it, slides and the site pass it by.
HOME = {"tags": ["home"], "slideshow": {"slide_type": "skip"}, "jupyter": {"source_hidden": True}}
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


def urls() -> dict[str, str]:
    """Where this copy of the course lives, as ``[project.urls]`` of pyproject.toml says."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return dict(project.get("urls", {}))


def buttons(stem: str, where: dict[str, str] | None = None) -> str:
    """Markdown that opens a lecture where it runs, as ``[project.urls]`` of a fork says; nothing where that says nothing."""
    where = urls() if where is None else where
    source, hub = where.get("Source", "").rstrip("/"), where.get("Hub", "").rstrip("/")
    made = []
    if match := re.fullmatch(r"https://github\.com/([^/]+)/([^/]+)", source):
        repository = "/".join(match.groups())
        made += [
            f"[Open in Colab](https://colab.research.google.com/github/{repository}/blob/main/lectures/{stem}.ipynb)",
            f"[Binder](https://mybinder.org/v2/gh/{repository}/main?urlpath=lab/tree/lectures/{stem}.ipynb)",
        ]
    if source and hub:
        place = quote(f"lab/tree/{source.rsplit('/', 1)[-1]}/lectures/{stem}.ipynb", safe="")
        made.append(
            f"[JupyterHub]({hub}/hub/user-redirect/git-pull?repo={quote(source, safe='')}&urlpath={place})"
        )
    return f"\n\n{' · '.join(made)}" if made else ""


def guard(where: dict[str, str] | None = None) -> str:
    """The cell that takes `GUARD`'s place before a notebook's set-up: each home gets the one sentence that helps there.

    Run All ends at the last cell, where a reader sees no message of the first: it brings itself back into sight. A page
    that shows only the cells near the one it stands at (windowing full) has hidden it by then: there the notebook goes to its top first.
    """
    source = (urls() if where is None else where).get("Source", "").rstrip("/")
    wheel = f"%pip install git+{source}" if source else "%pip install ssl_course-*.whl"
    upload = "" if source else "upload the course's wheel (folder symbol, left), then "
    homes = {
        "COLAB_RELEASE_TAG": f"Colab has no ssl_course yet: {upload}run  {wheel}  in a cell of its own, then Runtime > Restart session, and run this cell again.",
        "KAGGLE_KERNEL_RUN_TYPE": f"Kaggle has no ssl_course yet: switch Internet on (Settings), {upload.replace('folder symbol, left', 'File > Upload')}run  {wheel}  in a cell of its own, then Run > Restart session.",
        "BINDER_SERVICE_HOST": "This Binder was built without the course: launch the repository's main folder, which has binder/.",
        "VSCODE_PID": "This kernel has no ssl_course: choose the course's with Select Kernel (top right) > Python Environments > .venv. No .venv there? In a terminal: make setup, or uv sync.",
    }
    lines = "".join(f"        {name}={text!r},\n" for name, text in homes.items())
    elsewhere = re.search(r'SystemExit\((".*")\)', GUARD)
    assert elsewhere
    return f"""\
# Is the course installed here? If not, this cell says the one thing to do.
try:
    import ssl_course
except ImportError:  # one sentence for where this runs; Run All ends far below, so it scrolls back to it
    import IPython.display as show, os
    homes = dict(
{lines}    )
    show.display(show.HTML("<img src='data:,' alt='' style='opacity:0;height:0' onerror='for (const t of [50, 300, 800, 1500, 2500]) setTimeout(() => this.offsetParent ? this.scrollIntoView() : document.querySelector(`.jp-NotebookPanel:not(.lm-mod-hidden) .jp-WindowedPanel-outer`)?.scrollTo(0, 0), t)'>"))
    raise SystemExit(next((homes[home] for home in homes if home in os.environ), {elsewhere[1]})) from None
"""


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
    notebook.cells[0].source += buttons(src.stem)
    first = next((i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"), 0)
    set_up = notebook.cells[first]
    if set_up.source.startswith(GUARD.strip()):  # folded, in a cell of its own: plumbing is nobody's reading
        set_up.source = set_up.source.removeprefix(GUARD.strip()).lstrip("\n")
        home = nbformat.v4.new_code_cell(
            guard().strip(), id=f"{src.stem[:2]}-home", metadata=nbformat.from_dict(HOME)
        )
        notebook.cells[first : first + (not set_up.source)] = [home]
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
            if _named_anew(ipynb, src):
                written.append(ipynb)
            continue
        notebook = None if force or bake.stale(src) else _readdressed(ipynb, src)
        notebook = notebook or execute(read_source(src), ipynb.parent, src.name, bakes=src)
        text = nbformat.writes(notebook) + "\n"
        if len(text.encode()) > MAX_BYTES:
            raise RuntimeError(f"{ipynb.name} would be {len(text.encode()):,} bytes, more than {MAX_BYTES:,}")
        ipynb.write_text(text, encoding="utf-8", newline="\n")
        written.append(ipynb)
    return written


def _readdressed(ipynb: Path, src: Path) -> NotebookNode | None:
    """The stored notebook with today's buttons and guard, where only they changed: that needs no new run."""
    if not ipynb.exists():
        return None
    old, new = nbformat.read(ipynb, as_version=4), read_source(src)
    if old.metadata.get("ssl_course", {}).get("sha256") != digest(src) or len(old.cells) != len(new.cells):
        return None
    first = next((i for i, cell in enumerate(new.cells) if cell.cell_type == "code"), 0)
    if any(
        a != b for i, (a, b) in enumerate(zip(_cells(old), _cells(new), strict=True)) if i not in (0, first)
    ):
        return None
    for i in (0, first):
        old.cells[i].source = new.cells[i].source
    for cell, wanted in zip(old.cells, new.cells, strict=True):
        cell.id = wanted.id
    return old


def _named_anew(ipynb: Path, src: Path) -> bool:
    """Give the cells of a notebook that is up to date the ids of its source; whether any had another."""
    notebook = nbformat.read(ipynb, as_version=4)
    pairs = list(zip(notebook.cells, read_source(src).cells, strict=True))
    if all(cell.id == wanted.id for cell, wanted in pairs):
        return False
    for cell, wanted in pairs:
        cell.id = wanted.id
    ipynb.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8", newline="\n")
    return True


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
