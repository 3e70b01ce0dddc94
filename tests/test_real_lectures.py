"""Lectures that run on real pictures, run on them: `make test-real`. They take some minutes, so `make test` skips them."""

import os
from pathlib import Path

import jupytext
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
VARIABLE = "SSL_COURSE_LECTURE_DATA"
READERS = [
    p for p in sorted((ROOT / "lectures" / "src").glob("[0-9][0-9]_*.md")) if VARIABLE in p.read_text()
]


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
