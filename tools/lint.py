"""The rules that a lecture must keep: ``python -m tools.lint [LECTURE …]``.

It finds what a green run does not show: a stale pair, pictures without alt text, prose that contradicts the
results, cells without slide metadata, and what ``tools.prose`` finds in the sentences. ``tools.build`` makes the
notebooks that it reads.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator, Sequence
from html import unescape
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tools import assignment, prose, words
from tools.build import MAX_BYTES, WIDGET_VIEW, guard, notebook_of, sources, stale

CHECKING = {"solution", "hold"}  # tags of cells that assert; readers find them folded, students not at all
SLIDE_TYPES = {"slide", "subslide", "fragment", "skip", "notes"}
FIRST_CELL = guard()  # first lines of every lecture


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
        problems.append("first cell: does not begin with tools.build.GUARD")
    for i, cell in enumerate(notebook.cells):
        problems += [f"cell {i}: {problem}" for problem in _cell_problems(cell)]
    return problems + assignment.problems(notebook) + _contradicted(notebook)


def said(ipynb: Path) -> list[str]:
    """What is wrong with a lecture's prose (`tools.prose`); needs the glossary and the table of lectures beside it."""
    return prose.problems(nbformat.read(ipynb, as_version=4), ipynb.stem[:2], *words.read(ipynb.parent))


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
    asserts = re.search(r"^\s*assert\b", cell.source, re.M)
    checking = CHECKING & set(cell.metadata.get("tags", []))
    for tag in checking:
        if not cell.metadata.get("jupyter", {}).get("source_hidden"):
            yield f"{tag}: not folded (jupyter: {{source_hidden: true}})"
        elif tag == "solution" and not cell.metadata.jupyter.get("outputs_hidden"):
            yield "solution: its output tells the answer (jupyter: {outputs_hidden: true})"
        if not asserts:
            yield f"{tag}: asserts nothing, so its run proves nothing"
        if kind != "skip":
            yield f"{tag}: on the slides (slide_type: skip)"
    if asserts and not checking:
        yield "assert: what must hold stands in a cell of its own, tagged hold"
    if cell.source.strip() and cell.execution_count is None:
        yield "not executed"
    for output in cell.outputs:
        yield from output_problems(output)


def output_problems(output: NotebookNode) -> Iterator[str]:
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
_STATIC = re.compile(
    r'class="ssl-(source|card|predict)[ "]'
)  # outputs that authors wrote: they confirm nothing


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
            for decimal in _decimals(paragraph):
                if not any(_rounds_to(value, decimal) for value in measured):
                    problems.append(f"cell {i}: prose number {decimal.strip()} occurs in no output")
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
        for decimal in _decimals(re.sub(r"\{[^{}]*\}", " ", " ".join(texts))):
            if name != "figure":  # its own output would confirm it
                yield f"prose number {decimal.strip()} is typed into {name}(): fill it in from the run"
            elif not any(_rounds_to(value, decimal) for value in measured):
                yield f"prose number {decimal.strip()} in an alt text occurs in no output"


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
                if _STATIC.search(html + _text(output.data.get("text/markdown", ""))):
                    continue
                bare = re.sub(
                    r"(?s)<(script|style)>.*?</\1>|<[^>]*>", " ", html
                )  # alt texts go with their tags
                texts.append(unescape(bare))
                texts += [_text(output.data.get(kind, "")) for kind in ("text/markdown",)]
                if not html:
                    texts.append(_text(output.data.get("text/plain", "")))
    numbers = []
    for number in _NUMBER.findall("\n".join(texts)):
        try:
            numbers.append(float(number.replace(",", "").replace("−", "-")))
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the problems, one a line; returns 1 when there are any."""
    parser = argparse.ArgumentParser(prog="python -m tools.lint", description=__doc__)
    parser.add_argument("names", nargs="*", help="lectures by name or number; all by default")
    try:
        chosen = sources(parser.parse_args(arguments).names)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    problems = []
    for src in chosen:
        ipynb = notebook_of(src)
        wrong = lint(ipynb, src) + (said(ipynb) if ipynb.exists() else [])
        problems += [f"{ipynb.name}: {problem}" for problem in wrong]
    print(*problems, sep="\n", end="\n" if problems else "")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
