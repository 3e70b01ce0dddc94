"""Widgets where more goes on than one notebook in JupyterLab as the course sets it up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from harness import (
    DARK,
    LIGHT,
    OF_NOTEBOOK_7,
    STORED,
    Lab,
    Notebook,
    Opener,
    Shown,
    all_pictures_are_seen,
)

from tools.build import HOME, guard

pytestmark = pytest.mark.browser

BEGIN = """\
from examples import example
from tiny import Tiny
from ssl_course.course import plots
from ssl_course.course.lecture import predict
import time
import matplotlib.pyplot as plt
plots.style()
busy = 0.0  # seconds between two lines of a figure"""
TINY, K = "tiny = Tiny()\ntiny", "k = example('WhereKComesFrom')\nk"
FIGURE = """\
plt.figure(figsize=(3, 2))
for x in range(40):
    plt.plot([x, x + 1], [x % {0}, x], "k")  # into whatever figure is matplotlib's current one
    end = time.monotonic() + busy
    while time.monotonic() < end:
        pass
plots.figure(plt.gcf(), alt="forty lines")"""
BLOCK = """import pathlib
end = time.monotonic() + 60
while not pathlib.Path("over").exists() and time.monotonic() < end:
    time.sleep(0.02)"""
GUESS = 'predict("00-{0}", "A number of {0}?")'

FIGURES = (
    "() => [...window.jupyterapp.shell.currentWidget.content.model.cells].flatMap(c => c.outputs.toJSON())"
    ".filter(o => o.data && !('application/vnd.jupyter.widget-view+json' in o.data))"
    ".flatMap(o => o.data['text/html'] ?? []).filter(h => h.includes('ssl-figure'))"
)

TRACKER = "@jupyterlab/notebook-extension:tracker"
TRUSTED = """() => [...window.jupyterapp.shell.currentWidget.content.model.cells].filter(
  (c) => c.type === "code" && c.outputs.length && c.trusted).length"""


@contextmanager
def setting(lab: Lab, plugin: str, **values: Any) -> Iterator[None]:
    """JupyterLab opened meanwhile has these settings of a plugin, as a reader would choose them."""
    file = lab.root / "build" / "jupyter" / "settings" / f"{plugin.replace(':', '/')}.jupyterlab-settings"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(values))
    try:
        yield
    finally:
        file.unlink()


def nudge(shown: Shown, label: str, key: str) -> None:
    """One step of a slider, without waiting for its picture."""
    shown.control(label).locator("[role=slider]").first.press(key, no_wait_after=True)


def guess(notebook: Notebook, text: str) -> None:
    field = notebook.page.locator("input[placeholder='a number']:visible").last
    field.fill(text)
    field.press("Enter")


def test_run_all_while_controls_are_moved(lab: Lab, open_notebook: Opener, known_errors: set[str]) -> None:
    cells = [BEGIN, TINY, K, *(FIGURE.format(n) for n in (2, 3, 5))]
    notebook = open_notebook(lab.write("moved.ipynb", cells))
    notebook.run_all()
    undisturbed = notebook.page.evaluate(FIGURES)
    assert len(set(undisturbed)) == 3
    rules = "print({n: v for n, v in plt.rcParams.items() if not n.startswith('backend')})"
    before = notebook.ask(rules)
    canvas = notebook.page.locator(".ssl-canvas[data-canvas]")
    old = canvas.evaluate_all("all => all.map(e => e.dataset.canvas)")

    notebook.page.evaluate(
        "() => { const cell = window.jupyterapp.shell.currentWidget.content.model.cells.get(0);"
        " cell.sharedModel.setSource(cell.sharedModel.source.replace('busy = 0.0', 'busy = 0.04'));"
        " window.sslDone = false; window.jupyterapp.commands.execute('notebook:run-all-cells')"
        ".then(() => { window.sslDone = true; }); }"
    )
    new = "(old) => document.querySelectorAll('.ssl-canvas[data-canvas]').length === old.length"
    new += " && !old.some(id => document.querySelector(`.ssl-canvas[data-canvas='${id}']`))"
    notebook.wait(new, "new widgets", arg=old)
    boxes = [
        notebook.page.locator(".ssl-explorer").nth(i) for i in range(2)
    ]  # the kernel cannot be asked now
    sliders = [(boxes[0], 0, 1), (boxes[1], 0, 1), (boxes[1], 1, -1)]  # blue, dependence ρ, labels n_L
    moves = 0
    while not notebook.page.evaluate("() => window.sslDone"):
        for box, index, way in sliders:
            key = "ArrowRight" if way * (moves // 8 % 2 * 2 - 1) > 0 else "ArrowLeft"
            box.locator("[role=slider]").nth(index).press(key, no_wait_after=True)
        moves += 1
    frames = canvas.evaluate_all("all => all.map(e => Number(e.dataset.frame))")
    assert min(frames) > 1, f"nothing was moved: {moves} moves, {frames} pictures"
    tiny, k = notebook.explorers()
    tiny.settled()
    k.settled()
    notebook.idle()
    assert notebook.cell_errors() == []
    assert notebook.page.evaluate(FIGURES) == undisturbed
    assert notebook.ask(rules) == before and notebook.ask("print(plt.get_fignums())").strip() == "[]"
    assert notebook.new_errors(known_errors) == []


def test_two_notebooks_side_by_side(lab: Lab, open_notebook: Opener, known_errors: set[str]) -> None:
    left, right = (
        lab.write(f"{name}.ipynb", [BEGIN, TINY, GUESS.format(name), BLOCK]) for name in ("left", "right")
    )
    notebook = open_notebook(left)
    page = notebook.page

    def bring(name: str) -> str:
        """To the front; the id of its panel."""
        found = page.evaluate(
            "(name) => { const shell = window.jupyterapp.shell;"
            " const panel = [...shell.widgets('main')].find(w => w.context?.path === name);"
            " shell.activateById(panel.id); return panel.id; }",
            name,
        )
        notebook.wait(
            "(n) => { const w = window.jupyterapp.shell.currentWidget; return w?.context?.path === n"
            " && w.sessionContext.session?.kernel; }",
            f"{name} is in front",
            60,
            name,
        )
        return found

    notebook.command("docmanager:open", path=right, options={"mode": "split-right"})
    widgets = {}
    for name in (left, right):
        panel = page.locator(f"[id='{bring(name)}']")
        notebook.idle(60)
        for cell in range(3):
            notebook.run_cell(cell)
        box = panel.locator(".ssl-explorer:has(.ssl-canvas[data-frame])")
        box.wait_for()
        widgets[name] = Shown(notebook, box)
        guess(notebook, {left: "11", right: "22"}[name])
    first = widgets[right].settled()
    notebook.run_cell(3, wait=False)  # the right one is busy
    bring(left)
    before = widgets[left].settled()
    assert before == first
    for label in ("blue", "mix λ", "kind"):
        widgets[left].move(label)
    assert widgets[left].settled() != before
    bring(right)
    widgets[right].move("side")  # beside its own cell, too
    (lab.root / "over").touch()
    notebook.idle(60)
    assert "'blue': 3" in widgets[right].values()
    assert widgets[right].settled() != first
    notebook.screenshot("two")
    kept = json.loads((lab.root / "kept" / "lecture_00.json").read_text())
    assert "11" in str(kept) and "22" in str(kept), f"a guess is lost: {kept}"
    ours = [
        e for e in notebook.new_errors(known_errors) if "removeChild" not in e
    ]  # JupyterLab's, of two toolbars
    assert ours == []


def test_notebook_7(lab: Lab, open_notebook: Opener) -> None:
    notebook = open_notebook(
        lab.write("classic.ipynb", [BEGIN, TINY, FIGURE.format(2), GUESS.format("classic")]), at="notebooks"
    )
    notebook.run_all()
    assert notebook.cell_errors() == []
    (tiny,) = notebook.explorers()
    first = tiny.settled()
    for label in tiny.labels:
        before = tiny.settled()
        tiny.move(label)
        assert tiny.settled() != before, f"{label!r} changes nothing on the screen"
    number = tiny.number()
    tiny.box.get_by_role("button", name="Reset").click()
    tiny.next_frame(number, "a picture after Reset")
    assert tiny.settled() == first
    guess(notebook, "77")
    notebook.wait(
        "() => [...document.querySelectorAll('.jp-OutputArea')].some(e => e.innerText.includes('Kept'))",
        "the guess is kept",
    )
    for theme in (DARK, LIGHT):
        notebook.theme(theme)
        notebook.screenshot(f"notebook7_{theme.split()[-1]}")
        assert notebook.serious() == []
    assert [e for e in notebook.errors if not any(known in e for known in OF_NOTEBOOK_7)] == []


def test_without_subshells(lab: Lab, open_notebook: Opener, known_errors: set[str]) -> None:
    (lab.root / "over").unlink(missing_ok=True)
    live = "live = example('Live')\nlive"
    name = lab.write("one_shell.ipynb", [BEGIN, TINY, live, BLOCK])
    with setting(lab, "@jupyterlab/apputils-extension:kernels-settings", commsOverSubshells="disabled"):
        notebook = open_notebook(name)
        for cell in range(3):
            notebook.run_cell(cell)
        tiny, training = notebook.explorers()
        before = tiny.settled()
        tiny.move("blue")
        assert tiny.settled() != before
        done = int(notebook.ask("print(live.index)"))
        training.box.get_by_role("button", name="Start", exact=True).click()
        notebook.wait("() => document.body.innerText.includes('Done. Reset puts')", "it trains to its end")
        assert int(notebook.ask("print(live.index)")) > done

        number = tiny.number()
        notebook.run_cell(3, wait=False)
        for key in ("ArrowLeft", "ArrowLeft", "ArrowRight"):  # no subshell: they wait for the cell
            nudge(tiny, "blue", key)
        notebook.page.wait_for_timeout(500)
        assert tiny.number() == number, "there was a subshell: nothing was tested"
        (lab.root / "over").touch()
        tiny.next_frame(number, "a picture after the cell")
        notebook.idle()
        assert tiny.settled() == before and "'blue': 3" in tiny.values()
        assert notebook.new_errors(known_errors) == []


@pytest.mark.parametrize("windowing", ["defer", "full", "contentVisibility"])
def test_how_to_install_is_in_sight_after_run_all(lab: Lab, open_notebook: Opener, windowing: str) -> None:
    """Run All shows its last cell, and the sentence of the first, which is folded, would stand far above it."""
    tall = "from IPython.display import HTML\nHTML(\"<div style='height:700px'>tall</div>\")"
    without = "import sys\nsys.modules['ssl_course'] = None"
    name = lab.write(f"missing_{windowing}.ipynb", [without, guard(), *[tall] * 40])
    stored = json.loads((lab.root / name).read_text())
    stored["cells"][1]["metadata"] = HOME
    (lab.root / name).write_text(json.dumps(stored))
    in_sight = (
        "() => [...document.querySelectorAll('.jp-OutputArea-output')].some(e => e.innerText.includes('Not installed')"
        " && e.getBoundingClientRect().top > 0 && e.getBoundingClientRect().bottom < window.innerHeight)"
    )
    with setting(lab, TRACKER, windowingMode=windowing):
        notebook = open_notebook(name)
        assert notebook.page.locator(".jp-InputPlaceholder").count() == 1, "its code is folded"
        notebook.command("notebook:run-all-cells")
        notebook.wait(in_sight, "the sentence is in sight")
        notebook.page.wait_for_timeout(3000)
        assert notebook.page.evaluate(in_sight), "it was in sight, and is no longer"
        notebook.screenshot("missing")


@pytest.mark.parametrize(
    "windowing", ["full", "contentVisibility"]
)  # the second is the newest JupyterLab's own choice
def test_windowing(lab: Lab, open_notebook: Opener, known_errors: set[str], windowing: str) -> None:
    tall = "from IPython.display import HTML\nHTML(\"<div style='height:700px'>tall</div>\")"
    name = lab.write(
        f"windowed_{windowing}.ipynb", [BEGIN, TINY, *[tall] * 12, K, *[tall] * 12, FIGURE.format(2)]
    )
    with setting(lab, TRACKER, windowingMode=windowing):
        notebook = open_notebook(name)
        notebook.run_all()

        def scroll(cell: int) -> None:
            notebook.page.evaluate(
                "(i) => window.jupyterapp.shell.currentWidget.content.scrollToItem(i, 'start')", cell
            )
            notebook.page.wait_for_timeout(300)

        shown = {}
        for cell in (1, 14):
            scroll(cell)
            box = notebook.page.locator(
                f".jp-Cell[data-windowed-list-index='{cell}'] .ssl-explorer:has(.ssl-canvas[data-frame])"
            )
            box.wait_for()
            shown[cell] = Shown(notebook, box)
        for cell, label, change in ((1, "blue", "tiny.set(blue=6)"), (14, "labels n_L", "k.set(n=500)")):
            widget = shown[cell]
            scroll(26)
            skipped = "e => !e.checkVisibility({ contentVisibilityAuto: true })"
            assert widget.box.evaluate(skipped), "JupyterLab does not take it away: nothing was tested"
            notebook.ask(change)
            scroll(cell)
            widget.settled()
            widget.move(label)
            widget.settled()
            slider = widget.control(label).locator("[role=slider]").first
            assert slider.get_attribute("aria-label") == label
            notebook.screenshot(f"back_{widget.kind}")
        assert notebook.new_errors(known_errors) == []


@pytest.mark.parametrize("at", ["lab/tree", "notebooks"])
def test_a_stored_lecture_that_nobody_trusts_shows_all_its_pictures(
    lab: Lab, open_notebook: Opener, at: str
) -> None:
    """Downloaded and opened, not run: Jupyter strips scripts and styles of what it shows; widgets' stills are there."""
    (lab.root / "nobody_trusts.ipynb").write_bytes(STORED.read_bytes())
    with setting(lab, TRACKER, windowingMode="none"):
        notebook = open_notebook("nobody_trusts.ipynb", at=at)
        assert notebook.page.evaluate(TRUSTED) == 0
        for theme in (DARK, LIGHT):
            notebook.theme(theme)
            all_pictures_are_seen(notebook.page)
            notebook.page.locator("img.ssl-shown").first.scroll_into_view_if_needed()
            notebook.screenshot(f"untrusted_{at[:3]}_{theme.split()[-1].lower()}")
