"""Painting with the pointer in a real browser: strokes reach the kernel whole."""

from __future__ import annotations

import pytest
from harness import Lab, Notebook, Opener, Shown

pytestmark = pytest.mark.browser

CELLS = {
    kind: (
        "import torch; torch.manual_seed(0)\nfrom ssl_course import methods\n"
        f"from ssl_course.widgets import {kind}\n"
        f"widget = {kind}({{'untrained': methods.{method}()}}, with_shipped=False); widget"
    )
    for kind, method in {"HolePainter": "ContextEncoder", "MaskingExplorer": "MAE"}.items()
}


def stroke(notebook: Notebook, shown: Shown, panel: int) -> None:
    """A fast drag from left to right."""
    canvas = shown.box.locator(".ssl-picture").nth(panel)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    mouse, y = shown.page.mouse, box["y"] + 0.9 * box["height"]
    mouse.move(box["x"] + 4, y)
    mouse.down()
    for k in range(12):
        mouse.move(box["x"] + 4 + (box["width"] - 8) * k / 11, y)
    mouse.up()
    notebook.page.wait_for_timeout(300)


@pytest.mark.parametrize("kind", CELLS)
def test_strokes(kind: str, lab: Lab, open_notebook: Opener, known_errors: set[str]) -> None:
    notebook = open_notebook(lab.write(f"strokes_{kind}.ipynb", [CELLS[kind]]))
    notebook.run_all()
    (widget,) = notebook.explorers()
    before = widget.settled()
    stroke(notebook, widget, 1)
    after = widget.settled()
    assert after[1] != before[1] and after[2] != before[2], "the stroke changed neither X₁ nor its filling"
    if kind == "MaskingExplorer":  # the last row but one: hidden from end to end
        row = notebook.ask("print(sum(widget.hidden_now()[1][56:64]))")
        assert int(row) in (0, 8), f"{row} of 8 patches under the stroke: it did not arrive whole"
    else:
        row = notebook.ask(
            "import numpy as np; print(np.frombuffer(widget.hidden_now()[1], np.uint8).reshape(64, 64)[57].sum())"
        )
        assert int(row) >= 62, f"{row} of 64 pixels under the stroke: it has gaps"
    canvas = widget.box.locator(".ssl-picture").nth(1)
    canvas.focus()
    for key in ("ArrowRight", "Shift+Space"):  # Shift+Enter belongs to JupyterLab: it runs the cell
        number = widget.number()
        notebook.page.keyboard.press(key)
        widget.next_frame(number, f"a picture after {key}")
    widget.settled()
    notebook.screenshot(kind, widget.box)
    assert notebook.new_errors(known_errors) == []
    assert notebook.serious() == []
