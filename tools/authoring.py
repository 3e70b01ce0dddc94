"""Lectures from text to notebook, and the rules that a lecture must keep.

``lectures/src/NN_name.md`` (MyST, what authors edit) is executed into ``lectures/NN_name.ipynb`` (what readers
open): ``python -m tools.authoring build``. ``lint`` finds what a green run does not show: a stale pair,
pictures without alt text, prose that contradicts the results, cells without slide metadata. ``handout`` writes
the students' edition: no solutions, no speaker notes, no outputs.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import os
import re
import shutil
import sys
import textwrap
import zipfile
from collections.abc import Iterator, Sequence
from html import unescape
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

from ssl_course.course.lecture import FIRST_CELL

ROOT = Path(__file__).resolve().parent.parent
MAX_BYTES = 1_000_000
TIMEOUT = 600  # seconds for one cell
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
RUN_LINE = "Run this cell to use the widget."
SLIDE_TYPES = {"slide", "subslide", "fragment", "skip", "notes", "-"}
LANGUAGE = {  # as the kernel reports it, less the version, so that another Python does not change the file
    "name": "python",
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "pygments_lexer": "ipython3",
    "codemirror_mode": {"name": "ipython", "version": 3},
    "nbconvert_exporter": "python",
}


# ---------------------------------------------------------------------------------------------- build


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
    """The source as a notebook without outputs; cell ids follow from name and position."""
    notebook = jupytext.read(src, fmt="md:myst")
    for i, cell in enumerate(notebook.cells):
        cell.id = f"{src.stem}-{i:03d}"[-64:]
    notebook.metadata = NotebookNode(
        kernelspec={"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"},
        language_info=LANGUAGE,
        ssl_course={"source": f"src/{src.name}", "sha256": _digest(src)},
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def _digest(src: Path) -> str:
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
    if notebook.metadata.get("ssl_course", {}).get("sha256") != _digest(src):
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
        if not force and stale(ipynb, src) is None:
            continue
        notebook = execute(read_source(src), ipynb.parent, src.name)
        text = nbformat.writes(notebook) + "\n"
        if len(text.encode()) > MAX_BYTES:
            raise RuntimeError(f"{ipynb.name} would be {len(text.encode()):,} bytes, more than {MAX_BYTES:,}")
        ipynb.write_text(text, encoding="utf-8", newline="\n")
        written.append(ipynb)
    return written


def execute(notebook: NotebookNode, folder: Path, name: str) -> NotebookNode:
    """Run all cells in ``folder`` with this Python's kernel, and leave outputs that read without a kernel.

    Raises:
        RuntimeError: a cell raised; the message has the cell and the error.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    client = NotebookClient(
        notebook, timeout=TIMEOUT, kernel_name="python3", store_widget_state=False, record_timing=False,
        coalesce_streams=True, resources={"metadata": {"path": str(folder)}},
    )  # fmt: skip
    # Few steps are for quick browser runs, never for what readers see.
    environment = {k: v for k, v in os.environ.items() if k != "SSL_COURSE_MAX_STEPS"}
    try:
        client.execute(env=environment)
    except CellExecutionError as error:
        raise RuntimeError(f"{name}: {error}") from None
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


# ---------------------------------------------------------------------------------------------- lint


def lint(ipynb: Path, src: Path) -> list[str]:
    """What is wrong with a lecture, one line a problem; empty when all is well."""
    problems = [reason] if (reason := stale(ipynb, src)) else []
    if not ipynb.exists():
        return problems
    if (size := ipynb.stat().st_size) > MAX_BYTES:
        problems.append(f"size: {size:,} bytes, more than {MAX_BYTES:,}")
    notebook = nbformat.read(ipynb, as_version=4)
    code = [c for c in notebook.cells if c.cell_type == "code"]
    if not code or not code[0].source.startswith(FIRST_CELL.strip()):
        problems.append("first cell: does not begin with ssl_course.course.lecture.FIRST_CELL")
    for i, cell in enumerate(notebook.cells):
        problems += [f"cell {i}: {problem}" for problem in _cell_problems(cell)]
    return problems + _contradicted(notebook)


def _cell_problems(cell: NotebookNode) -> Iterator[str]:
    kind = cell.metadata.get("slideshow", {}).get("slide_type")
    if kind not in SLIDE_TYPES:
        yield f"slideshow: needs slide_type, one of {', '.join(sorted(SLIDE_TYPES))}"
    if cell.cell_type == "markdown":
        if re.search(r"!\[\s*\]\(", cell.source):
            yield "alt text: a Markdown picture without it"
        yield from _images_without_alt(cell.source)
    if cell.cell_type != "code":
        return
    if "solution" in cell.metadata.get("tags", []):
        if not cell.metadata.get("jupyter", {}).get("source_hidden"):
            yield "solution: not folded (jupyter: {source_hidden: true})"
        if not re.search(r"^\s*assert\b", cell.source, re.M):
            yield "solution: asserts nothing, so its run proves nothing"
    if cell.source.strip() and cell.execution_count is None:
        yield "not executed"
    for output in cell.outputs:
        yield from _output_problems(output)


def _output_problems(output: NotebookNode) -> Iterator[str]:
    if output.output_type == "error":
        yield f"error: {output.ename}: {output.evalue}"
        return
    if output.output_type == "stream":
        if output.name == "stderr" and "Warning" in output.text:
            yield f"warning: {output.text.strip().splitlines()[0]}"
        return
    data = output.data
    if WIDGET_VIEW in data:
        yield "widget view: stored without its state, hides the picture"
    if "text/html" in data:
        yield from _images_without_alt(_text(data["text/html"]))
    elif any(kind.startswith("image/") for kind in data):
        # A widget's picture says in text what it is and how to wake it; a bare matplotlib figure says nothing.
        if "run this cell" not in _text(data.get("text/plain", "")).lower():
            yield "alt text: plain picture; show it with ssl_course.course.plots.figure(fig, alt=…)"
    elif re.search(r" at 0x[0-9a-f]{6,}", _text(data.get("text/plain", ""))):
        yield f"object: shows only its address: {_text(data['text/plain'])[:80]}"


def _images_without_alt(html: str) -> Iterator[str]:
    for tag in re.findall(r"<img\b[^>]*>", html):
        if not re.search(r"""\balt=("[^"]*\S[^"]*"|'[^']*\S[^']*')""", tag):
            yield "alt text: an <img> without it"


def _text(value: str | list[str]) -> str:
    return value if isinstance(value, str) else "".join(value)


_NUMBER = re.compile(r"(?<![\w.])[-−+]?(?:\d+(?:,\d{3})*)?\.?\d+(?:[eE][-+]?\d+)?(?![\w])")
_DECIMAL = re.compile(r"(?<![\w.§])[-−]?\d*\.\d+(?!\w|\.\d)(?:[ \u00a0\u202f]?%)?")
_STATIC = ("ssl-source", "ssl-card", "ssl-predict")  # outputs that authors wrote: they confirm nothing


def _contradicted(notebook: NotebookNode) -> list[str]:
    """Decimals of the prose that no output of the run rounds to."""
    measured = _measured(notebook)
    problems = []
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            problems += [f"cell {i}: {problem}" for problem in _typed(cell.source, measured)]
        if cell.cell_type != "markdown":
            continue
        prose = re.sub(r"(?s)```.*?```|~~~.*?~~~|\$\$.*?\$\$", " ", cell.source)
        for paragraph in re.split(r"\n\s*\n", prose):
            given = re.search(r"(?s)<!--\s*given:(.*?)-->", paragraph)
            if given:
                if not given[1].strip():
                    problems.append(f"cell {i}: given: says no reason")
                continue
            for found in _decimals(paragraph):
                if not any(_rounds_to(value, found) for value in measured):
                    problems.append(f"cell {i}: prose number {found.strip()} occurs in no output")
    return problems


def _typed(source: str, measured: list[float]) -> Iterator[str]:
    """Decimals that the author typed where a number of the run belongs: in say(), reveal() and alt texts."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a magic: nothing of ours
        return
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        if name not in ("say", "reveal", "figure"):
            continue
        arguments = [*call.args, *(k.value for k in call.keywords)]
        texts = [n.value for a in arguments for n in _strings(a)]
        for found in _decimals(re.sub(r"\{[^{}]*\}", " ", " ".join(texts))):
            if name != "figure":  # its own output would confirm it
                yield f"prose number {found.strip()} is typed into {name}(): fill it in from the run"
            elif not any(_rounds_to(value, found) for value in measured):
                yield f"prose number {found.strip()} in an alt text occurs in no output"


def _strings(node: ast.AST) -> Iterator[ast.Constant]:
    """String constants under ``node``, format specs of f-strings left out."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node
    elif isinstance(node, ast.JoinedStr | ast.BinOp):
        for child in ast.iter_child_nodes(node):
            yield from _strings(child)


def _decimals(paragraph: str) -> list[str]:
    """The decimals of a paragraph that claim a result: not those in formulas, code, comments, links."""
    bare = re.sub(r"(?s)<!--.*?-->|`[^`]*`|(?<!\\)\$[^$]+\$|\]\([^)]*\)|https?://\S+|<[^>]+>", " ", paragraph)
    # names, not results
    bare = re.sub(r"arXiv[: ]\d{4}\.\d{4,5}(v\d+)?|§\s?\d+(\.\d+)*|\d+(\.\d+){2,}", " ", bare)
    return _DECIMAL.findall(bare)


def _measured(notebook: NotebookNode) -> list[float]:
    """Every number that the outputs show; those of pictures and of text that the author wrote left out."""
    texts = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                texts.append(output.text)
            elif "data" in output:
                html = _text(output.data.get("text/html", ""))
                if any(f'class="{name}"' in html for name in _STATIC):
                    continue
                texts.append(unescape(re.sub(r"(?s)<[^>]*>", " ", html)))  # alt texts go with their tags
                texts += [_text(output.data.get(kind, "")) for kind in ("text/markdown",)]
                if not html:
                    texts.append(_text(output.data.get("text/plain", "")))
    numbers = []
    for found in _NUMBER.findall("\n".join(texts)):
        try:
            numbers.append(float(found.replace(",", "").replace("−", "-")))
        except ValueError:  # "1.2.3" and the like
            continue
    return numbers


def _rounds_to(value: float, written: str) -> bool:
    """Whether ``written`` ("0.41", ".405", "12.5 %") is ``value``, rounded to the places it shows; sign aside."""
    percent = written.endswith("%")
    digits = written.rstrip("% \u00a0\u202f").lstrip("-−")
    half = 0.5 * 10.0 ** -len(digits.split(".")[1])
    candidates = [abs(value), 100 * abs(value)] if percent else [abs(value)]
    return any(abs(v - float(digits)) <= half * (1 + 1e-6) for v in candidates)


# ---------------------------------------------------------------------------------------------- handout

# What `make lab` needs beside the notebooks. The sources of the lectures stay out: they hold the solutions.
HANDED_OUT = (
    "ssl_course", "assets", "Makefile", "pyproject.toml", "constraints.txt", "environment.yml", "README.md",
    "LICENSE", "LICENSE-lectures", "CONTRIBUTING.md", "lectures/README.md", "lectures/glossary.md", "lectures/references.bib",
)  # fmt: skip


def student_edition(notebook: NotebookNode) -> NotebookNode:
    """A lecture without its solutions, its speaker notes and its outputs; the stubs stay."""
    kept = []
    for cell in notebook.cells:
        notes = cell.metadata.get("slideshow", {}).get("slide_type") == "notes"
        if notes or "solution" in cell.metadata.get("tags", []):
            continue
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        kept.append(cell)
    notebook.cells = kept
    notebook.metadata.pop("ssl_course", None)  # its source is not handed out
    return notebook


def handout(folder: Path, root: Path = ROOT) -> Path:
    """Write the students' edition: ``folder``/ssl-course with all it needs for `make lab`, and one zip of it.

    Args:
        folder: emptied first.
        root: the course's folder.

    Returns:
        The zip.
    """
    top = folder / "ssl-course"
    if folder.exists():
        shutil.rmtree(folder)
    (top / "lectures").mkdir(parents=True)
    for src in sources(root=root):
        notebook = student_edition(read_source(src))
        text = nbformat.writes(notebook) + "\n"
        (top / "lectures" / f"{src.stem}.ipynb").write_text(text, encoding="utf-8", newline="\n")
    left_out = shutil.ignore_patterns("__pycache__", "*.pyc", ".*", "*.part")
    for name in HANDED_OUT:
        there = root / name
        if there.is_dir():
            shutil.copytree(there, top / name, ignore=left_out)
        elif there.is_file():
            shutil.copy2(there, top / name)
    packed = folder / "ssl-course-handout.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(p for p in top.rglob("*") if p.is_file()):
            archive.write(file, file.relative_to(folder))
    return packed


# ---------------------------------------------------------------------------------------------- command line


def main(arguments: Sequence[str] | None = None) -> int:
    """``build``, ``lint`` or ``handout``; returns 1 when a lecture fails."""
    parser = argparse.ArgumentParser(prog="python -m tools.authoring", description=textwrap.dedent(__doc__))
    parser.add_argument("command", choices=["build", "lint", "handout"])
    parser.add_argument("names", nargs="*", help="lectures by name or number; all by default")
    parser.add_argument("--force", action="store_true", help="build what did not change, too")
    given = parser.parse_intermixed_args(arguments)  # options may stand between the names
    if given.command == "handout":
        packed = handout(ROOT / "build" / "handout")
        print(f"{packed.relative_to(ROOT)}: {packed.stat().st_size / 1e6:.1f} MB; unpack it and run make lab")
        return 0
    try:
        chosen = sources(given.names)
        if given.command == "build":
            for src in chosen:
                built = build([src.stem], given.force)
                print(f"{notebook_of(src).name}: {'built' if built else 'up to date'}", flush=True)
            return 0
    except (ValueError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    found = {src: lint(notebook_of(src), src) for src in chosen}
    for src, problems in found.items():
        for problem in problems:
            print(f"{notebook_of(src).name}: {problem}")
    return int(any(found.values()))


if __name__ == "__main__":
    sys.exit(main())
