"""Lectures broken on purpose: each defect that a green run hides is found by its tool."""

import copy
import subprocess
import sys
import textwrap
from pathlib import Path

import nbformat
import pytest

from tools import build, lint
from tools.lint import FIRST_CELL

ROOT = Path(__file__).resolve().parent.parent.parent
HEADER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec: {name: python3, display_name: Python 3, language: python}
---
"""


def markdown(text):
    return f'\n+++ {{"slideshow": {{"slide_type": "slide"}}}}\n\n{text}\n'


def code(text, more="", kind="fragment"):
    return f"\n```{{code-cell}} ipython3\n---\nslideshow: {{slide_type: {kind}}}\n{more}---\n{textwrap.dedent(text).strip()}\n```\n"


def folded(text, tag, more=None, kind="skip"):
    hidden = "source_hidden: true" + ", outputs_hidden: true" * (tag == "solution")
    more = f"jupyter: {{{hidden}}}\n" if more is None else more
    return code(text, f"tags: [{tag}]\n{more}", kind)


def lecture(*cells, first=FIRST_CELL):
    return HEADER + markdown("# A lecture") + code(first) + "".join(cells)


def course(folder, *cells, name="01_small", **more):
    """A course with one lecture; returns its source."""
    src = folder / "lectures" / "src" / f"{name}.md"
    src.parent.mkdir(parents=True, exist_ok=True)
    src.write_text(lecture(*cells, **more), encoding="utf-8")
    return src


def built(folder, *cells, **more):
    """What lint says of such a lecture after its build."""
    src = course(folder, *cells, **more)
    build.build(root=folder)
    return lint.lint(build.notebook_of(src), src)


FIGURE = """
import matplotlib.pyplot as plt
from ssl_course.course import plots
fig, ax = plt.subplots()
ax.plot([0.25, 1])
plots.figure(fig, alt="A line from 0.25 to 1.")
"""
GOOD = [
    code("print(f'gap {1 / 3:.4f}')\nprint(12.5, 1234.5)", "tags: [nbval-check-output]\n"),
    markdown(
        "The gap is 0.33, or 33.3 %, and in a formula $0.77$ and `0.88` are free; see §3.4 and arXiv 2008.01064."
    ),
    markdown("Elsewhere 0.819 was measured. <!-- given: published benchmark -->"),
    code(FIGURE.replace("0.25", "12.5")),
    code("from ssl_course.course.lecture import predict, say, show_source\npredict('k', 'How many?')"),
    code("say('It is {x:.2f}.', x=1 / 3)"),
    code("import ipywidgets\nipywidgets.IntSlider(description='n')"),
    code("from ssl_course.widgets import PipelineTour\nPipelineTour(n_train=40, n_test=30)"),
    folded("def f(): return 2\nassert f() == 2", "solution"),
    folded("if f():\n    assert f() == 2", "hold"),
]


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    src = course(folder, *GOOD)
    assert build.build(root=folder) == [build.notebook_of(src)]
    return src


# ---- the tools are silent on a good lecture, and build what changed only ---------------------------------------


@pytest.mark.slow
def test_a_good_lecture_has_no_problems(good):
    assert lint.lint(build.notebook_of(good), good) == []


@pytest.mark.slow
def test_stored_outputs_read_without_a_kernel(good):
    text = build.notebook_of(good).read_text()
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert "widget-view" not in text and "widget-state" not in text
    predict, slider, tour = (notebook.cells[i].outputs for i in (6, 8, 9))
    assert "How many?" in predict[0].data["text/html"]
    assert slider[0].data["text/plain"] == build.RUN_LINE
    assert "image/png" in tour[0].data
    assert "run this cell" in tour[-1].data["text/plain"].lower()


@pytest.mark.slow
def test_nothing_is_built_twice_and_a_second_build_gives_the_same_bytes(good):
    ipynb, root = build.notebook_of(good), good.parent.parent.parent
    before = ipynb.read_bytes()
    assert build.build(root=root) == []
    assert build.build(force=True, root=root) == [ipynb]
    assert ipynb.read_bytes() == before


@pytest.mark.slow
def test_a_cell_with_an_error_stops_the_build_and_keeps_the_old_notebook(tmp_path):
    src = course(tmp_path, code("print(1)"))
    build.build(root=tmp_path)
    before = build.notebook_of(src).read_bytes()
    course(tmp_path, code("print(1)"), code("1 / 0"))
    with pytest.raises(RuntimeError, match=r"(?s)01_small\.md.*ZeroDivisionError"):
        build.build(root=tmp_path)
    assert build.notebook_of(src).read_bytes() == before


@pytest.mark.slow
def test_a_notebook_too_large_is_not_written(tmp_path):
    # In lines: nbclient's clean-up of streams takes minutes over one line of this length.
    src = course(tmp_path, code("for _ in range(11_500): print('x' * 99)"))
    with pytest.raises(RuntimeError, match="more than 1,000,000"):
        build.build(root=tmp_path)
    assert not build.notebook_of(src).exists()


def test_an_unknown_lecture_lists_those_there_are():
    with pytest.raises(ValueError, match="there are: 00_start_here"):
        build.sources(["99"])
    assert [p.stem[:2] for p in build.sources(["01"])] == ["01"]


# ---- planted defects -------------------------------------------------------------------------------------------


# broken cells, and what lint must say of them; all stand in one lecture, which is built once
BROKEN = [
    ([code("import matplotlib.pyplot as plt\nplt.plot([1, 2]);")], "alt text: plain picture"),
    ([code("print(0.5)"), markdown("The accuracy is 0.61.")], "prose number 0.61"),
    ([code("print(0.5)"), markdown("It reaches 98.8 % here.")], "prose number 98.8 %"),
    ([code("print(0.5)"), markdown("It falls to .64 then. <!-- given: -->")], "says no reason"),
    (
        [code("from ssl_course.course.lecture import say\nsay('It is 0.73, not {x}.', x=2)")],
        "typed into say()",
    ),
    ([code(FIGURE.replace("[0.25, 1]", "[0, 1]"))], "prose number 0.25 in an alt text"),
    ([code("from IPython.display import HTML\nHTML('<img src=\"a.png\">')")], "an <img> without it"),
    ([markdown("![](picture.png)")], "a Markdown picture without it"),
    ([folded("print(1)\nassert 1", "solution", more="")], "solution: not folded"),
    (
        [folded("print(1)\nassert 1", "solution", more="jupyter: {source_hidden: true}\n")],
        "solution: its output tells the answer",
    ),
    ([folded("print(1)", "solution")], "solution: asserts nothing"),
    ([folded("assert 1", "hold", more="")], "hold: not folded"),
    ([folded("f'{1} assert'", "hold")], "hold: asserts nothing"),
    ([folded("assert 1", "hold", kind="fragment")], "hold: on the slides"),
    ([code("for k in range(2):\n    assert k < 2")], "assert: what must hold"),
    ([code("import warnings\nwarnings.warn('old')")], "warning: "),
    ([code("class Thing: pass\nThing()")], "shows only its address"),
    ([markdown("text").replace("slide_type", "kind")], "needs slide_type"),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    cells = [cell for more, _ in BROKEN for cell in more]
    return built(tmp_path_factory.mktemp("broken"), *cells, first="import ssl_course")


@pytest.mark.slow
@pytest.mark.parametrize("says", [says for _, says in BROKEN] + ["first cell: does not begin"])
def test_planted_in_a_cell(found, says):
    assert [problem for problem in found if says in problem]


@pytest.mark.slow
def test_each_planted_defect_is_counted_once(found):
    assert len(found) == len(BROKEN) + 1, found


def edit(good, tmp_path, change):
    """What lint says of the good lecture after ``change`` of its notebook."""
    notebook = copy.deepcopy(nbformat.read(build.notebook_of(good), as_version=4))
    change(notebook)
    nbformat.write(notebook, tmp_path / "edited.ipynb")
    return lint.lint(tmp_path / "edited.ipynb", good)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda nb: setattr(nb.cells[2], "source", "print(2)"), "edited by hand"),
        (lambda nb: nb.cells.pop(), "edited by hand"),
        (lambda nb: setattr(nb.cells[2], "execution_count", None), "not executed"),
        (lambda nb: nb.cells[2].update(outputs=[nbformat.v4.new_output("error", ename="E", evalue="v", traceback=[])]),
         "error: E: v"),
        (lambda nb: nb.cells[2].update(outputs=[nbformat.v4.new_output("stream", text="gap 0.7")]), "prose number 33.3 %"),
        (lambda nb: nb.cells[8].outputs[0].data.update({build.WIDGET_VIEW: {}}), "widget view"),
        (lambda nb: nb.cells[2].update(outputs=[nbformat.v4.new_output("stream", text="x" * 1_000_000)]), "size"),
    ],
)  # fmt: skip
def test_planted_in_a_notebook(good, tmp_path, change, says):
    assert any(says in problem for problem in edit(good, tmp_path, change))


@pytest.mark.slow
def test_what_jupyterlab_writes_on_running_is_no_edit(good, tmp_path):
    assert (
        edit(good, tmp_path, lambda nb: nb.cells[2].metadata.update(execution={"iopub.execute_input": "now"}))
        == []
    )


@pytest.mark.slow
def test_planted_stale_pair(tmp_path):
    src = course(tmp_path, code("print(1)"))
    assert lint.lint(build.notebook_of(src), src) == ["stale pair: there is no notebook yet"]
    build.build(root=tmp_path)
    src.write_text(src.read_text() + "\nOne more line.\n")
    assert any("the source changed" in p for p in lint.lint(build.notebook_of(src), src))


def nbval(notebook):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--nbval-lax", "--nbval-current-env", "-p", "no:cacheprovider", notebook],
        cwd=notebook.parent, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


@pytest.mark.slow
def test_planted_output_that_the_run_contradicts(good, tmp_path):
    notebook = nbformat.read(build.notebook_of(good), as_version=4)
    notebook.cells = notebook.cells[:3]
    nbformat.write(notebook, tmp_path / "same.ipynb")
    assert nbval(tmp_path / "same.ipynb").returncode == 0
    notebook.cells[2].outputs[0].text = "gap 0.4444\n12.5 1234.5\n"
    nbformat.write(notebook, tmp_path / "other.ipynb")
    done = nbval(tmp_path / "other.ipynb")
    assert done.returncode == 1 and "mismatch" in done.stdout


@pytest.mark.slow
def test_planted_error_is_caught_by_nbval(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0", execution_count=1)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "error.ipynb")
    assert nbval(tmp_path / "error.ipynb").returncode == 1


WIDGET = """
import numpy as np, ipywidgets
from ssl_course.widgets.frame.canvas import Panel
from ssl_course.widgets.frame.explorer import Explorer
class Breaks(Explorer):
    def __init__(self):
        super().__init__({"n": ipywidgets.IntSlider(2, min=0, max=9, description="n")})
    @staticmethod
    def render(state, *, n):
        return [Panel(np.full((4, 4), 255 // abs(n - 7), np.uint8), "c", "a grey square")]
Breaks()
"""


@pytest.mark.slow
def test_planted_slider_value_runs_green_and_the_sweep_finds_it(tmp_path, monkeypatch):
    assert not [p for p in built(tmp_path, code(WIDGET)) if "alt text" not in p]  # the build sees nothing
    monkeypatch.syspath_prepend(ROOT / "tests" / "widgets")
    from sweep import sweep

    names = {}
    exec(WIDGET, names)
    assert any(f.values == {"n": 7} and "ZeroDivisionError" in f.why for f in sweep(names["Breaks"]()))
