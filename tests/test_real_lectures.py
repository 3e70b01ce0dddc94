"""Lectures on real pictures: whole ones, by `make test-real`; and the section "Real pictures" of lectures 02 and 03."""

import ast
import os
from pathlib import Path

import jupytext
import matplotlib.pyplot as plt
import pytest
from nbclient import NotebookClient
from PIL import Image

from ssl_course.data import scenes
from ssl_course.widgets.frame.explorer import Explorer
from tools import build

ROOT = Path(__file__).resolve().parent.parent
VARIABLE = "SSL_COURSE_LECTURE_DATA"
READERS = [p for p in build.sources() if VARIABLE in p.read_text()]


# ---- whole lectures: some minutes, so `make test` skips them -----------------------------------------------------
def test_some_lectures_read_the_variable():
    assert "08" in {p.stem[:2] for p in READERS}


@pytest.mark.notebook
@pytest.mark.slow
@pytest.mark.skipif(
    VARIABLE not in os.environ, reason=f"`make test-real` sets {VARIABLE}, to earth or cifar10"
)
@pytest.mark.parametrize("src", READERS, ids=lambda p: p.stem)
def test_lecture_runs_on_real_pictures(src):
    """Every cell of the source, in the folder of the notebooks; an error of a cell is this test's error."""
    notebook = jupytext.read(src)
    NotebookClient(
        notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": ROOT / "lectures"}}
    ).execute()
    text = "".join(str(o) for c in notebook.cells for o in c.get("outputs", ()))
    assert "The widget stumbled" not in text


# ---- the section: on the Earth, on CIFAR-10, and on a folder of a student's photographs -------------------------
def section(number):
    """What the cells of that section leave behind, run after the lecture's set-up alone."""
    (source,) = build.sources([number])
    cells = [
        (set(c.metadata.get("tags", [])), c.source)
        for c in build.read_source(source).cells
        if c.cell_type == "code"
    ]
    first, last = (i for i, (tags, _) in enumerate(cells) if "real-pictures" in tags)
    (set_up,) = (code for tags, code in cells if "set-up" in tags)
    names = {}
    # between the two stand folded helpers of theirs
    for code in (set_up, *(code for tags, code in cells[first : last + 1] if "hold" not in tags)):
        *body, end = ast.parse(code).body
        shows = isinstance(end, ast.Expr)
        exec(compile(ast.Module(body if shows else [*body, end], []), number, "exec"), names)
        shown = eval(ast.unparse(end), names) if shows else None
    plt.close("all")
    return names, shown


@pytest.fixture
def photographs(tmp_path):
    """Two class folders of pictures in several sizes, kinds and modes."""
    world = scenes.World().sample(60, 40, seed=5)
    for k in range(60):
        picture = Image.fromarray(world.images[k].permute(1, 2, 0).numpy()).resize((40 + 3 * k, 60))
        folder = tmp_path / ("holiday" if k % 2 else "home")
        folder.mkdir(exist_ok=True)
        kind, mode = (("png", "L"), ("jpg", "RGB"), ("png", "RGBA"))[k % 3]
        picture.convert(mode).save(folder / f"{k}.{kind}")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("number", ["02", "03"])
@pytest.mark.filterwarnings("ignore:CIFAR-10 in")
@pytest.mark.parametrize("where", ["earth", "cifar10", "photographs"])
def test_section_on_real_pictures(number, where, monkeypatch, request, capsys):
    if where == "cifar10":
        request.getfixturevalue("data_folder")
    data = str(request.getfixturevalue(where)) if where == "photographs" else where
    monkeypatch.setenv(VARIABLE, data)
    monkeypatch.setenv("SSL_COURSE_MAX_STEPS", "2")
    names, widget = section(number)
    assert names["REAL"].data == data and tuple(names["unseen"].images.shape[1:]) == (3, 64, 64)
    assert "unseen pictures: network" in capsys.readouterr().out
    assert isinstance(widget, Explorer) and widget.error is None
    own = widget.panels[0].rgba.copy()
    widget.set(picture=1)
    assert widget.error is None and (widget.panels[0].rgba != own).any()
