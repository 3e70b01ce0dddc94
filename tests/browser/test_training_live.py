"""Training in a real browser: `live` lets everything else answer; `fit` shows its bar and leaves a picture."""

from __future__ import annotations

import json

import pytest
from harness import DARK, LIGHT, Lab, Notebook, Opener, Shown

pytestmark = pytest.mark.browser

FIRST = """import torch
torch.set_num_threads(1)  # leaves a core for the browser
from ssl_course.data import scenes
from ssl_course.methods import MAE
from ssl_course.training import fit
from ssl_course.widgets import Panel, SceneExplorer, live
from ssl_course.widgets.frame.draw import tile
data = scenes.World().sample(256, size=64, seed=0)
torch.manual_seed(0)"""
LIVE = """def views(mae):
    return [Panel(tile(data.images[:6], 6), "x", "six scenes", width=420),
            Panel(tile(mae.reconstruct(data.images[:6])[0], 6), "from the visible patches", "the same, filled in", 420)]

widget = live(MAE(), data, steps=100_000, batch_size=32, lr=1e-3, views=views,
              controls={"mask_ratio": (0.1, 0.9), "masking": ["random", "block", "grid"], "lr": (1e-5, 1e-2)})
widget"""
SECOND = "from ssl_course.training import train\nother = train(MAE(), data, steps=5)\nnext(other).index"
FIT = "history = fit(MAE(), data, steps=150, batch_size=32)"
FOREVER = "history = fit(MAE(), data, steps=100_000, batch_size=32)"


def index(notebook: Notebook) -> int:
    """Steps done, asked of the kernel between two of them."""
    return int(notebook.ask("print(widget.index)"))


def moves_on(notebook: Notebook, seconds: float = 20) -> int:
    """Waits until more steps are done; returns how many there are."""
    before = now = index(notebook)
    for _ in range(int(seconds / 0.1)):
        if (now := index(notebook)) > before:
            return now
        notebook.page.wait_for_timeout(100)
    raise AssertionError(f"no step in {seconds} s: still {now}")


def stands_still(notebook: Notebook) -> int:
    before = index(notebook)
    notebook.page.wait_for_timeout(700)
    assert index(notebook) == before, "it trains although it is paused"
    return before


def press(widget: Shown, label: str) -> None:
    """By keyboard."""
    button = widget.box.get_by_role("button", name=label, exact=True)
    button.scroll_into_view_if_needed()
    button.focus()
    widget.page.keyboard.press("Enter")


def test_a_slider_answers_while_live_trains(lab: Lab, open_notebook: Opener, known_errors: set[str]) -> None:
    notebook = open_notebook(lab.write("live.ipynb", [FIRST, LIVE, "SceneExplorer()", SECOND]))
    for cell in range(3):
        notebook.run_cell(cell)
    notebook.idle()
    assert notebook.cell_errors() == []
    training, scene = notebook.explorers()
    assert (training.kind, scene.kind) == ("Live", "SceneExplorer")
    first = training.settled()
    scene.move("show the answer")  # now its slider moves pixels
    scene.settled()
    assert stands_still(notebook) == 0, "it must wait for Start"
    notebook.screenshot("before", training.box)

    press(training, "Start")
    training.box.get_by_role("button", name="Pause", exact=True).wait_for(timeout=15_000)
    moves_on(notebook)

    shown = scene.hashes()
    before = index(notebook)
    scene.move("dependence λ")
    assert scene.hashes() != shown, "the picture of the other widget did not follow its slider"
    scene.settled()
    after = moves_on(notebook)
    assert after > before, "training did not go on beside the slider"
    for _ in range(6):
        frame = scene.number()
        scene.move("dependence λ")
        scene.next_frame(frame, "a picture while it trains")
    assert moves_on(notebook) > after

    notebook.run_cell(3)  # a cell is answered too, another run trains a step, and this one goes on
    assert notebook.cell_errors() == []
    moves_on(notebook)

    frame = training.number()
    training.move("mask ratio")  # acts while it trains
    training.next_frame(frame, "a picture while it trains")
    ratio = float(notebook.ask("print(widget.controls['mask_ratio'].value)"))
    moves_on(notebook)
    assert float(notebook.ask("print(widget.method.mask_ratio)")) == ratio != 0.75
    training.move("masking")
    training.move("learning rate")
    moves_on(notebook)
    moves_on(notebook)
    training.box.scroll_into_view_if_needed()
    for theme in (DARK, LIGHT):
        notebook.theme(theme)
        assert notebook.serious() == []
        notebook.screenshot(f"training_{theme.split()[-1].lower()}", training.box)
        notebook.screenshot(f"page_{theme.split()[-1].lower()}")

    press(training, "Pause")
    training.box.get_by_role("button", name="Start", exact=True).wait_for(timeout=15_000)
    paused = stands_still(notebook)
    shown = training.settled()
    training.move("masking")  # acts at once while nothing is trained: curve and views
    assert all(a != b for a, b in zip(training.settled()[::2], shown[::2], strict=True))
    assert index(notebook) == paused
    notebook.screenshot("paused", training.box)

    press(training, "Start")
    assert moves_on(notebook) > paused
    press(training, "Reset")
    training.box.get_by_role("button", name="Start", exact=True).wait_for(timeout=15_000)
    assert stands_still(notebook) == 0
    assert training.settled() == first, "Reset does not bring back the first picture"
    press(training, "Step")
    notebook.page.wait_for_timeout(500)
    assert stands_still(notebook) == 1
    assert notebook.new_errors(known_errors) == []


def test_a_closed_tab_does_no_harm(lab: Lab, open_notebook: Opener) -> None:
    name = lab.write("closed.ipynb", [FIRST, LIVE])
    notebook = open_notebook(name)
    notebook.run_all()
    (training,) = notebook.explorers()
    press(training, "Start")
    before = moves_on(notebook)
    notebook.command("docmanager:save")
    notebook.page.close()
    again = open_notebook(name)
    assert index(again) > before
    moves_on(again)
    (training,) = again.explorers()  # the widget is there again
    press(training, "Pause")
    training.box.get_by_role("button", name="Start", exact=True).wait_for(timeout=15_000)
    stands_still(again)


def test_running_the_cell_again_stops_the_run_before(lab: Lab, open_notebook: Opener) -> None:
    notebook = open_notebook(lab.write("again.ipynb", [FIRST, LIVE]))
    notebook.run_all()
    (training,) = notebook.explorers()
    notebook.ask("first = widget")
    press(training, "Start")
    moves_on(notebook)
    notebook.run_cell(1)
    stopped = notebook.ask("print(first.index)")
    notebook.page.wait_for_timeout(700)
    assert notebook.ask("print(first.index)") == stopped
    assert notebook.ask("print(first.running, first._retired, widget.running)").split() == [
        "False",
        "True",
        "False",
    ]


BAR = ".jp-OutputArea .ssl-canvas[data-frame]:not(.ssl-explorer .ssl-canvas)"
STILL = ".jp-OutputArea figure.ssl-figure img"


def test_the_bar_of_a_blocking_fit(lab: Lab, open_notebook: Opener, known_errors: set[str]) -> None:
    notebook = open_notebook(lab.write("fit.ipynb", [FIRST, "SceneExplorer()", FIT, FOREVER]))
    notebook.run_cell(0)
    notebook.run_cell(1)
    (scene,) = notebook.explorers()
    notebook.run_cell(2, wait=False)
    notebook.wait("(s) => document.querySelector(s)", "the bar", 60, BAR)
    page = notebook.page
    page.evaluate("(s) => { document.querySelector(s).dataset.mine = 'yes'; }", BAR)
    look = (
        "(s) => { const e = document.querySelector(s);"  # the bar is the filled shape that reaches furthest right
        " const bars = [...e.querySelectorAll('path[fill*=psi]')].map(p => p.getBBox());"
        " const ink = Math.max(0, ...bars.filter(b => b.y < 14).map(b => b.width));"
        " return [Number(e.dataset.frame), e.querySelector('figcaption').textContent, ink, e.dataset.mine]; }"
    )
    seen = []
    for _ in range(3):
        seen.append(page.evaluate(look, BAR))
        if len(seen) == 2:
            notebook.screenshot("busy")
        notebook.wait(
            "([s, n]) => Number(document.querySelector(s).dataset.frame) > n",
            "a new picture",
            30,
            [BAR, seen[-1][0]],
        )
    seen.append(page.evaluate(look, BAR))
    frames, captions, ink, mine = zip(*seen, strict=True)
    assert list(ink) == sorted(set(ink)), f"the bar does not grow from frame to frame: {ink}"
    assert len(set(captions)) == 4 and all("of 150 · loss" in c for c in captions), captions
    assert set(mine) == {"yes"}, "the bar was made anew: it flickers"
    number = scene.number()
    scene.move("dependence λ")
    scene.next_frame(number, "a picture of the other widget during fit")
    assert page.locator(BAR).count() == 1, "fit was over: the slider was not tested"

    # The kernel says "idle" as soon as it has answered the slider, so wait for the picture.
    page.locator(STILL).wait_for(timeout=120_000)
    assert page.locator(BAR).count() == 0
    alt = page.locator(STILL).get_attribute("alt")
    assert alt.startswith("loss curve of MAE: ") and "after step 150 of 150" in alt
    notebook.screenshot("after")

    notebook.run_cell(3, wait=False)
    notebook.wait("(s) => document.querySelector(s)", "the bar of the second run", 60, BAR)
    page.wait_for_timeout(1500)
    notebook.command("notebook:interrupt-kernel")
    notebook.idle(30)
    notebook.wait("(s) => document.querySelectorAll(s).length === 2", "the second picture", 15, STILL)
    assert notebook.cell_errors() == []
    assert notebook.ask("print(history.interrupted)").strip() == "True"
    assert (
        "stopped at step" in page.locator(".jp-OutputArea figure.ssl-figure figcaption").last.text_content()
    )
    for theme in (DARK, LIGHT):
        notebook.theme(theme)
        page.locator(STILL).last.scroll_into_view_if_needed()
        notebook.screenshot(f"stopped_{theme.split()[-1].lower()}")
        assert notebook.serious() == []
    assert notebook.new_errors(known_errors) == []

    notebook.command("docmanager:save")  # as stored, without a kernel
    page.wait_for_timeout(500)
    cells = json.loads((lab.root / "fit.ipynb").read_text())["cells"]
    for cell in cells[2:]:
        (output,) = cell["outputs"]
        assert (
            "application/vnd.jupyter.widget-view+json" not in output["data"] and "image/png" in output["data"]
        )
        assert len(json.dumps(output)) < 60_000
