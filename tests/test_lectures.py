"""The lectures as they are: each notebook belongs to its source, keeps the rules, and runs."""

import ast
import json
import pydoc
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest

from ssl_course.course.lecture import show_source
from tools import build, lint, prose
from tools.lint import FIRST_CELL

ROOT = Path(__file__).resolve().parent.parent
SOURCES = build.sources()
LECTURES_AND_TEMPLATE = [*SOURCES, ROOT / "lectures" / "src" / "_template.md"]


def test_there_are_lectures():
    assert {src.stem[:2] for src in SOURCES} >= {"00", "01"}


def test_no_notebook_without_its_source():
    assert {p.stem for p in (ROOT / "lectures").glob("*.ipynb")} <= {src.stem for src in SOURCES}


@pytest.mark.parametrize("src", SOURCES, ids=lambda p: p.stem)
def test_lecture_keeps_the_rules(src):
    assert lint.lint(build.notebook_of(src), src) == []


@pytest.mark.parametrize("src", SOURCES, ids=lambda p: p.stem)
def test_lecture_says_what_it_may(src):
    """Words defined, one meaning a letter, answers below, captions true, claims with intervals, proofs there."""
    problems = lint.said(build.notebook_of(src))
    broken = {rule: [p for p in problems if re.match(rf"(cell \d+: )?{rule}: ", p)] for rule in prose.RULES}
    assert sum(map(len, broken.values())) == len(problems)
    assert {rule: found for rule, found in broken.items() if found} == {}


@pytest.mark.parametrize("src", LECTURES_AND_TEMPLATE, ids=lambda p: p.stem)
def test_lecture_has_its_parts(src):
    notebook = build.read_source(src)
    code = [c for c in notebook.cells if c.cell_type == "code"]
    text = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    assert code[0].source.startswith(FIRST_CELL.strip())
    assert any(re.search(r"^card\(", c.source, re.M) for c in code)
    guesses = {key for c in code for key in re.findall(r"\bpredict\(\s*\"([^\"]+)\"", c.source)}
    assert guesses, "predict first"
    assert guesses == {key for c in code for key in re.findall(r"\breveal\(\s*\"([^\"]+)\"", c.source)}
    kinds = [c.metadata.slideshow.slide_type for c in notebook.cells]
    assert "notes" in kinds, "speaker notes"
    assert re.search(r"^## What people ask", text, re.M) and re.search(r"^## References", text, re.M)
    # Every check of an exercise has its folded solution, which tries the same check.
    tried = [set(re.findall(r"\bcheck\.(\w+)\(", c.source)) for c in code]
    folded = ["solution" in c.metadata.get("tags", []) for c in code]
    stubs = set().union(*(t for t, f in zip(tried, folded, strict=True) if not f))
    assert stubs and stubs == set().union(*(t for t, f in zip(tried, folded, strict=True) if f))


@pytest.mark.parametrize("src", LECTURES_AND_TEMPLATE, ids=lambda p: p.stem)
def test_set_up_is_short(src):
    """At most twelve lines, in the source and in the notebook, blank ones not counted: the guard, imports, `setting`.

    A notebook's guard is longer, and stands folded in a cell of its own.
    """
    (own,) = [c for c in jupytext.read(src, fmt="md:myst").cells if "set-up" in c.metadata.get("tags", [])]
    assert own.source.startswith(build.GUARD)
    code = [c for c in build.read_source(src).cells if c.cell_type == "code"]
    assert [i for i, c in enumerate(code) if "home" in c.metadata.get("tags", [])] == [0]
    assert [i for i, c in enumerate(code) if "set-up" in c.metadata.get("tags", [])] == [1]
    for cell in (own, code[1]):
        assert len([line for line in cell.source.splitlines() if line.strip()]) <= 12
    assert code[0].metadata.jupyter.source_hidden and code[0].metadata.slideshow.slide_type == "skip"
    first, *nothing = ast.parse(code[0].source).body
    assert isinstance(first, ast.Try) and nothing == []
    *more, last = ast.parse(code[1].source).body
    assert ast.unparse(last) == "here = setting()"
    assert all(isinstance(node, ast.Import | ast.ImportFrom) for node in more)


@pytest.mark.parametrize("src", LECTURES_AND_TEMPLATE, ids=lambda p: p.stem)
def test_teaching_cells_teach(src):
    """No assertion, no switch of the tests, no path, no storage format: `hold` cells and the library have those."""
    for cell in build.read_source(src).cells:
        tags = set(cell.metadata.get("tags", []))
        if cell.cell_type == "code" and "hold" in tags:
            assert cell.metadata.slideshow.slide_type == "skip" and cell.metadata.jupyter.source_hidden
            assert re.search(r"^\s*assert\b", cell.source, re.M)
        elif cell.cell_type == "code" and not tags & {"home", "solution"}:
            plumbing = (
                r"^\s*assert\b|\bWHOLE\b|\.whole\b|\bPath\(|__file__|environ|read_text|json\.load|quantize"
            )
            folded = cell.metadata.get("jupyter", {}).get("source_hidden")
            if not folded:
                plumbing += r"|\bassets\.|\.to\(torch\.uint8"
            assert not re.search(plumbing, cell.source, re.M), cell.source
            assert folded or len(cell.source.splitlines()) < 30, f"fold what is no teaching:\n{cell.source}"


@pytest.mark.parametrize("src", SOURCES, ids=lambda p: p.stem)
def test_sources_that_are_shown_are_the_librarys(src):
    """What a stored page shows of a function is what the function is now."""
    for cell in json.loads(build.notebook_of(src).read_text())["cells"]:
        for output in cell.get("outputs", ()):
            html = "".join(output.get("data", {}).get("text/html", ""))
            if name := re.search(r'class="ssl-source[^"]*"><small>from <code>([\w.]+)</code>', html):
                whole, shown = (
                    "\n".join(row.strip() for row in text.strip().splitlines())
                    for text in (
                        repr(show_source(pydoc.locate(name[1]))),
                        "".join(output["data"]["text/plain"]),
                    )
                )
                assert shown in whole, f"{name[1]}: build {src.stem} anew"


def test_there_are_sources_to_compare():
    pages = [build.notebook_of(src).read_text() for src in SOURCES]
    assert sum(page.count("ssl-source ssl-shown") for page in pages) > 40


@pytest.mark.parametrize("src", SOURCES, ids=lambda p: p.stem)
def test_no_formula_is_stored_as_html(src):
    """VS Code and Colab typeset formulas in Markdown alone; in HTML a reader sees the dollars."""
    for cell in json.loads(build.notebook_of(src).read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "text/markdown" not in data:
                html = re.sub(
                    r"(?s)<(pre|code|svg|style|script)\b.*?</\1>", "", "".join(data.get("text/html", ""))
                )
                raw = re.findall(r"\$[^$<>\n]*[\\_^{][^$<>\n]*\$", html)
                assert not raw, f"{cell['id']}: {raw}"


def test_no_stored_page_of_live_training_is_empty():
    """Each opens on the recorded run of its recipe: `python benchmarks/live.py` records what has changed."""
    empty = []
    for src in SOURCES:
        for cell in json.loads(build.notebook_of(src).read_text())["cells"]:
            for output in cell.get("outputs", ()):
                data = output.get("data", {})
                if re.match("Live|Collapse", "".join(data.get("text/plain", ""))):
                    empty += [] if "of an earlier run" in "".join(data["text/html"]) else [src.stem]
    assert empty == []


@pytest.mark.notebook
@pytest.mark.parametrize("src", SOURCES, ids=lambda p: p.stem)
def test_lecture_runs(src):
    """Every cell runs with this Python, and those tagged nbval-check-output print what they printed."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--nbval-lax", "--nbval-current-env", "-p", "no:cacheprovider",
         "--nbval-cell-timeout=600", str(build.notebook_of(src))],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
