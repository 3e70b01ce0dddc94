"""The frame of all widgets in a real browser, on the smallest widgets there are."""

from __future__ import annotations

import io
import json
import re

import numpy as np
import pytest
from harness import DARK, LIGHT, Lab, Opener
from PIL import Image
from playwright.sync_api import BrowserContext, Page

from ssl_course.course import palette, themes
from ssl_course.widgets import Plot
from ssl_course.widgets.frame import canvas
from tools.browser import FLAGS, find_browser

pytestmark = pytest.mark.browser

CELLS = ["from tiny import Bare, Tiny", "tiny = Tiny()\ntiny", "Bare()"]
BROKEN = """with tiny.canvas.hold_sync():
    tiny.canvas._panel0 = tiny.canvas._panel0[:60]
    tiny.canvas._frame = tiny.canvas._frame | {"number": tiny.canvas._frame["number"] + 1}"""
BUSY = """import pathlib, time
end = time.monotonic() + 60
while not pathlib.Path("enough").exists() and time.monotonic() < end:
    time.sleep(0.02)"""


def test_controls_strokes_and_keys(lab: Lab, open_notebook: Opener, known_errors: set[str]) -> None:
    notebook = open_notebook(lab.write("tiny.ipynb", CELLS))
    notebook.run_all()
    assert notebook.cell_errors() == []
    tiny, bare = notebook.explorers()
    assert (tiny.kind, bare.kind) == ("Tiny", "Bare")

    first = tiny.settled()
    for label in ("blue", "mix λ", "kind", "side", "upside down"):
        before = tiny.settled()
        tiny.move(label)
        assert tiny.settled() != before, f"{label!r} changes nothing on the screen"

    page, canvas = notebook.page, tiny.box.locator(".ssl-picture").first
    canvas.scroll_into_view_if_needed()
    where = canvas.bounding_box()
    number, x, y = tiny.number(), where["x"] + where["width"] / 4, where["y"] + where["height"] / 4
    page.mouse.click(x, y)
    tiny.next_frame(number, "a picture after a click")
    tiny.settled()
    x0, y0 = map(float, re.search(r"'spot': \(([\d.]+), ([\d.]+)\)", tiny.values()).groups())
    assert abs(x0 - 0.25) < 0.01 and abs(y0 - 0.25) < 0.01
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(20):
        page.mouse.move(x + 4 * step, y + step)
    page.mouse.up()
    page.wait_for_timeout(300)
    tiny.settled()
    x1, y1 = map(float, re.search(r"'spot': \(([\d.]+), ([\d.]+)\)", tiny.values()).groups())
    assert abs(x1 - x0 - 76 / where["width"]) < 0.01 and abs(y1 - y0 - 19 / where["height"]) < 0.01

    canvas.focus()
    assert page.evaluate("() => document.activeElement.className") == "ssl-picture"
    cell = "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex"
    active, number = page.evaluate(cell), tiny.number()
    page.keyboard.press("ArrowRight")
    tiny.next_frame(number, "a picture after an arrow key")
    number = tiny.number()
    page.keyboard.press("ArrowDown")
    tiny.next_frame(number, "a picture after an arrow key")
    tiny.settled()
    assert page.evaluate("() => document.activeElement.className") == "ssl-picture"
    assert page.evaluate(cell) == active, "JupyterLab took the arrow key and moved to another cell"
    notebook.screenshot("focus", tiny.box)

    reset = tiny.box.get_by_role("button", name="Reset")
    number = tiny.number()
    reset.focus()
    page.keyboard.press("Enter")
    tiny.next_frame(number, "a picture after Enter on Reset")
    assert tiny.settled() == first, "Reset does not bring back the first picture"

    number = tiny.number()
    notebook.ask(BROKEN)
    page.get_by_text("could not read the new picture").wait_for()
    assert tiny.hashes() == first and tiny.number() == number, "the picture before must stay"
    notebook.screenshot("unreadable", tiny.box)
    tiny.move("blue")
    tiny.settled()
    assert page.get_by_text("could not read the new picture").count() == 0

    for theme in (DARK, LIGHT):
        notebook.theme(theme)
        assert notebook.serious() == []
        notebook.screenshot(theme.split()[-1].lower())
    assert notebook.new_errors(known_errors) == []


def test_a_slider_answers_while_a_cell_is_busy(lab: Lab, open_notebook: Opener) -> None:
    notebook = open_notebook(lab.write("busy.ipynb", [*CELLS, BUSY]))
    for index in range(3):
        notebook.run_cell(index)
    tiny, _ = notebook.explorers()
    notebook.run_cell(3, wait=False)
    notebook.wait(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'busy'",
        "the blocking cell runs",
    )
    for label in ("blue", "mix λ"):
        number = tiny.number()
        tiny.move(label)
        tiny.next_frame(number, f"a picture while the kernel is busy, after {label!r}")
    running = (
        "() => [...document.querySelectorAll('.jp-InputPrompt')].some(e => e.textContent.includes('[*]'))"
    )
    assert notebook.page.evaluate(running), "the blocking cell was over: nothing was tested"
    (lab.root / "enough").touch()
    notebook.idle()
    tiny.settled()


def test_a_crowd_of_dots_has_each_theme_s_colours(browser: BrowserContext) -> None:
    """Live, and as it stays behind in an <img>, as Pillow paints it: nearly, for a browser has edges of its own."""
    points = np.random.default_rng(0).normal(0, 1, (10_000, 2)).clip(-3, 3)

    def plot(ink: str, paper: str) -> Plot:
        return Plot(300, 220, (-3, 3), (-3, 3), paper=paper).dots(points, ink)

    drawing = plot(palette.X1, palette.PAPER).svg()
    css = canvas.STYLE
    page = browser.new_page()
    try:
        for dark in (False, True):
            page.set_content(
                f"<style>{css} body{{margin:0}}</style><body data-jp-theme-light={str(not dark).lower()}>"
                f"<div class=ssl-canvas style='width:300px'>{drawing}</div>{themes.img(drawing, 'dots', 300)}"
            )
            page.wait_for_function("() => document.querySelector('img').complete")
            names = palette.DARK if dark else {name: colour for colour, name in palette.NAMES.items()}
            painted = Image.fromarray(plot(names["x1"], names["paper"]).array()).convert("RGB").reduce(2)
            for shown in (".ssl-drawing", "img"):
                shot = Image.open(io.BytesIO(page.locator(shown).screenshot())).convert("RGB")
                assert shot.size == (300, 220)
                wrong = np.abs(np.asarray(shot, int) - np.asarray(painted, int))[4:-4, 4:-4]  # round corners
                assert wrong.mean() < 2, f"{shown}, {'dark' if dark else 'light'}: off by {wrong.mean():.1f}"
    finally:
        page.close()


FILM = """\
from ssl_course.widgets import Plot, film
def frame(k):
    plot = Plot(300, 200, (0, 8), (0, 1)).axes("step", "here")
    return plot.bars([k + 0.5], [1], "#1450f5").panel(f"bar {k}", "a bar")
film([frame(k) for k in range(8)], "a bar goes to the right", seconds=0.2)"""
PLAYER = """() => {
  const player = document.querySelector(".ssl-player");
  return [+player.querySelector("input").value, player.querySelector("button").textContent];
}"""


def bar(page: Page) -> int:
    """Which bar the picture shows: read off its pixels."""
    picture = page.locator("figure.ssl-film img")
    image = Image.open(io.BytesIO(picture.screenshot())).convert("RGB")
    red, _, blue = (np.asarray(image, float)[..., k] for k in range(3))
    (columns,) = np.nonzero((blue - red > 90).sum(0) > 20)  # in both themes the bar is the only blue thing
    assert len(columns), "there is no bar: a blank frame"
    left, right = 8 + 48, 8 + 300 - 12  # of the plot's box, CSS pixels of a sheet of 316
    return int(8 * (columns.mean() / image.width * 316 - left) / (right - left))


def test_a_film_with_its_player_and_as_it_stays_behind(
    lab: Lab, browser: BrowserContext, open_notebook: Opener, known_errors: set[str]
) -> None:
    notebook = open_notebook(lab.write("film.ipynb", [FILM]))
    notebook.run_all()
    page, slider = notebook.page, notebook.page.locator(".ssl-player input")
    slider.wait_for()
    assert page.evaluate(PLAYER) == [7, "Play"] and bar(page) == 7, "it waits at its end"
    page.get_by_role("button", name="Play").click()
    notebook.wait("() => +document.querySelector('.ssl-player input').value === 2", "it plays")
    page.get_by_role("button", name="Pause").click()
    at, _ = page.evaluate(PLAYER)
    page.wait_for_timeout(600)
    assert page.evaluate(PLAYER) == [at, "Play"] and bar(page) == at
    page.get_by_role("button", name="frame forward").click()
    page.get_by_role("button", name="frame back").press("Enter")
    assert page.evaluate(PLAYER)[0] == at
    slider.focus()
    for key, index in (("Home", 0), ("ArrowRight", 1), ("ArrowDown", 0), ("End", 7), ("ArrowLeft", 6)):
        page.keyboard.press(key)
        assert page.evaluate(PLAYER) == [index, "Play"], key
    assert bar(page) == 6 and slider.get_attribute("aria-valuetext") == "7 of 8: bar 6"
    page.keyboard.press("Space")
    notebook.wait("() => +document.querySelector('.ssl-player input').value === 7", "it plays to its end")
    notebook.wait(
        "() => document.querySelector('.ssl-player button').textContent === 'Play'", "it rests there"
    )
    assert page.evaluate("() => document.activeElement.type") == "range", "JupyterLab took a key"
    for theme in (DARK, LIGHT):
        notebook.theme(theme)
        assert notebook.serious() == [] and bar(page) == 7
        notebook.screenshot(theme.split()[-1].lower())
    assert notebook.new_errors(known_errors) == []

    stored = json.loads((lab.root / lab.write("stored.ipynb", ["1"])).read_text())
    data = json.loads(
        notebook.ask(
            f"import json\n{FILM.replace('film([', 'made = film([')}\nprint(json.dumps(made._repr_mimebundle_()))"
        )
    )
    output = {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": data}
    stored["cells"][0]["outputs"] = [output]
    (lab.root / "stored.ipynb").write_text(json.dumps(stored))
    untrusted = open_notebook("stored.ipynb")  # nobody here has run it: no scripts
    untrusted.page.locator("figure.ssl-film img").wait_for()
    assert untrusted.page.locator(".ssl-player").count() == 0
    seen = set()
    for _ in range(100):  # a busy machine shows few of its frames each time round
        seen.add(bar(untrusted.page))
        if len(seen) > 3:
            break
        untrusted.page.wait_for_timeout(150)
    assert len(seen) > 3, f"it does not move: {seen}"
    untrusted.screenshot("untrusted")

    # What Playwright emulates does not reach into an <img>: a browser of somebody who asks for less motion.
    wanted = [*FLAGS, "--force-prefers-reduced-motion"]
    calm = browser.browser.browser_type.launch(executable_path=find_browser(), args=wanted)
    page = calm.new_page()
    page.set_content(re.sub(r"(?s)<script>.*?</script>", "", data["text/html"]))
    still = set()
    for _ in range(5):
        still.add(bar(page))
        page.wait_for_timeout(300)
    calm.close()
    assert still == {7}, "who wants no motion sees the last frame"
