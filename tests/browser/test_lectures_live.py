"""Every lecture in real JupyterLab: all cells, whole, then every control of every widget, in both themes; the first one as slides.

SSL_COURSE_AT=notebooks does the same in Notebook 7.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from harness import DARK, LIGHT, OF_NOTEBOOK_7, PROJECTOR, REPOSITORY, Lab, Notebook, Opener, Shown, printed

pytestmark = pytest.mark.browser

ACTIVE = "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex"
AT = os.environ.get("SSL_COURSE_AT", "lab/tree")
LECTURES = sorted((REPOSITORY / "lectures").glob("*.ipynb"))


@pytest.mark.parametrize("path", LECTURES, ids=lambda p: p.stem)
def test_lecture(path: Path, lab: Lab, open_notebook: Opener, known_errors: set[str]) -> None:
    notebook = open_notebook(lab.copy(path), at=AT)
    notebook.run_all()
    assert notebook.cell_errors() == []
    assert notebook.printed() == printed(json.loads(path.read_text(encoding="utf-8"))["cells"])
    notebook.cut_short()
    widgets = notebook.explorers()
    assert widgets, f"{path.name} has no widget"

    for widget in widgets:
        first = before = widget.start()
        changed = {}
        for label in widget.labels:
            widget.move(label)
            now = widget.settled()
            changed[label], before = now != before, now
        assert any(changed.values()), f"no control of {widget.kind} changes its picture: {list(changed)}"
        reset = widget.box.get_by_role("button", name="Reset")
        number = widget.number()
        reset.click()
        widget.next_frame(number, "a picture after Reset")
        assert widget.settled() == first, f"Reset does not bring back the first picture of {widget.kind}"

    if sys.platform == "linux":
        held = notebook.ask("print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])")
        assert int(held) < 2e6, "kB at its peak: a hub of small seats ends it at 2 GB"

    serious = []
    for theme in (DARK, LIGHT):
        notebook.theme(theme)
        serious += notebook.serious()
        for index, widget in enumerate(widgets):
            widget.box.scroll_into_view_if_needed()
            notebook.screenshot(f"{widget.kind}_{index}_{theme.split()[-1].lower()}", widget.box)
    assert serious == []
    if AT == "lab/tree":  # Notebook 7 has no deck
        if path == LECTURES[0]:
            slides_have_living_widgets(notebook, widgets[0])
        states = notebook.slides()
        notebook.command("deck:stop")
        assert [cell for cell, heights in states if not heights] == []  # no slide is empty
        assert [(cell, sum(h)) for cell, h in states if sum(h) > PROJECTOR["height"]] == []
    assert [e for e in notebook.new_errors(known_errors) if not any(k in e for k in OF_NOTEBOOK_7)] == []


def slides_have_living_widgets(notebook: Notebook, widget: Shown) -> None:
    index = widget.box.evaluate(
        "(e) => window.jupyterapp.shell.currentWidget.content.widgets.findIndex(c => c.node.contains(e))"
    )
    notebook.page.evaluate(
        "(i) => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = i; }", index
    )
    notebook.command("deck:toggle")
    notebook.wait("() => document.querySelector('.jp-Deck, [data-jp-deck-mode]')", "the slides")
    widget.box.wait_for(state="visible", timeout=15_000)
    for label in widget.labels:  # keys that move a control must not turn the slide
        widget.move(label)
        widget.settled()
    assert notebook.page.evaluate(ACTIVE) == index
    notebook.screenshot("slides")

    # Long code shows its beginning only, and opens when one writes in it; Space turns to the next slide.
    long = notebook.page.evaluate(
        "() => { const n = window.jupyterapp.shell.currentWidget.content; const lines = (c) =>"
        " c.model.type === 'code' ? c.model.sharedModel.source.split('\\n').length : 0;"
        " const i = n.widgets.findIndex((c) => lines(c) > 12 && c.model.getMetadata('slideshow').slide_type !== 'skip'"
        " && !c.model.getMetadata('jupyter')?.source_hidden);"
        " n.activeCellIndex = i; return i; }"
    )
    code = notebook.page.locator(f".jp-Cell[data-windowed-list-index='{long}'] .cm-editor")
    code.wait_for(state="visible")
    closed = code.bounding_box()["height"]
    notebook.screenshot("slides_code")
    notebook.page.keyboard.press("Enter")
    notebook.wait(
        "(h) => document.activeElement.closest('.cm-editor')?.clientHeight > h", "all code", 15, closed
    )
    assert closed < 200 < code.bounding_box()["height"]
    notebook.page.keyboard.press("Escape")
    notebook.page.keyboard.press("Space")
    notebook.wait(f"(i) => ({ACTIVE})() > i", "the next slide", 15, long)
    notebook.command("deck:toggle")
    widget.settled()
