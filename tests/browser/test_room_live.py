"""The room in real browsers: the lecturer's deck and two phones, one light, one dark, 360 pixels wide."""

import os
import subprocess
import sys
import time

import pytest
from harness import AXE, DARK, LIGHT, REPOSITORY, SCREENSHOTS, free_port

from ssl_course.course import room

CELLS = [
    "from ssl_course.course.lecture import predict, reveal",
    'predict("09-spread", "What is the **spread** std·√d of z in such a run without stop-gradient? (1: spread evenly; 0: all are one)")',
    'reveal("09-spread", 0.02, "Every picture has the same z.")',
    'predict("09-back", "The stop-gradient comes back, and training goes on. What happens within 120 steps?", "choice",'
    ' ["they spread again", "they stay where they are", "they spread half-way, and then all of them come together again"])',
    'reveal("09-back", "they stay where they are")',
]


@pytest.fixture
def opened(lab, monkeypatch):
    """A room that leaves word where the kernels of the test's JupyterLab look."""
    kept = str(lab.root / "kept")
    monkeypatch.setenv("SSL_COURSE_KEPT", kept)
    argv = [sys.executable, "-m", "ssl_course", "room", "--port", str(free_port())]
    process = subprocess.Popen(argv, cwd=REPOSITORY, env=os.environ | {"SSL_COURSE_KEPT": kept})
    end = time.monotonic() + 60
    while room.find() is None:
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.1)
    yield room.find()
    process.terminate()
    process.wait(20)


def phone(browser, address, scheme, errors):
    page = browser.browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme).new_page()
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: errors.append(str(e)))
    page.on(
        "request", lambda r: errors.append(f"asks {r.url}") if not r.url.startswith(address[:17]) else None
    )
    page.goto(address)
    return page


def fine(page, name):
    """No sideways scrolling, nothing that axe finds, and a picture to look at."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    page.screenshot(path=SCREENSHOTS / f"room_{name}.png")
    page.evaluate(AXE.read_text())
    found = page.evaluate(
        "axe.run(document).then(r => r.violations.map(v => v.id + ' ' + v.nodes[0].html))",
    )
    assert found == [], name


def test_two_phones_and_the_lecturer_s_deck(lab, browser, opened, open_notebook, known_errors):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    notebook = open_notebook(lab.write("room.ipynb", CELLS))
    for k in (0, 1):
        notebook.run_cell(k)
    deck = notebook.page.locator(".ssl-room").first
    deck.get_by_text("0 answers").wait_for()
    address = deck.locator("code").inner_text()
    errors = []
    light, dark = (phone(browser, address, scheme, errors) for scheme in ("light", "dark"))
    for page, guess in ((light, "30 %"), (dark, "many")):
        page.get_by_text("What is the spread std").wait_for()
        page.locator("#ask input").fill(guess)
        page.get_by_role("button", name="Send").click()
    light.get_by_text("Your answer: 0.3.").wait_for()
    dark.get_by_text("That is not a number").wait_for()
    errors[:] = [e for e in errors if "400" not in e]  # the browser's own line about the refused number
    deck.get_by_text("1 answer", exact=False).wait_for()
    dark.locator("#ask input").fill(".9")
    dark.get_by_role("button", name="Send").click()
    deck.get_by_text("2 answers").wait_for()
    light.locator("#ask input").fill("0.05")  # changed before the result is out
    light.get_by_role("button", name="Send").click()
    light.get_by_text("Your answer: 0.05.").wait_for()
    for page, scheme in ((light, "light"), (dark, "dark")):
        fine(page, f"number_{scheme}")
    for theme in (LIGHT, DARK):
        notebook.theme(theme)
        notebook.screenshot(f"question_{theme.split()[1].lower()}")
    notebook.run_cell(2)
    notebook.page.locator('img[alt^="The room, 2 answers"]').wait_for()
    for page, own in ((light, "0.05"), (dark, "0.9")):
        page.get_by_text(f"Measured: 0.02. Your answer: {own}.").wait_for()
        assert page.locator("#ask input").is_disabled()
    fine(light, "result_light")

    notebook.run_cell(3)
    for page, choice in ((light, "they stay where they are"), (dark, "they spread half-way")):
        page.get_by_text(choice).click()
        page.get_by_role("button", name="Send").click()
        page.get_by_text("You may change it until the result is out.").wait_for()
    for page, scheme in ((light, "light"), (dark, "dark")):
        fine(page, f"choice_{scheme}")
    notebook.run_cell(4)
    result = notebook.page.locator('img[alt*="they stay where they are, measured: 1"]')
    result.wait_for()
    for theme in (DARK, LIGHT):
        notebook.theme(theme)
        result.scroll_into_view_if_needed()
        notebook.screenshot(f"result_{theme.split()[1].lower()}")

    wrong = phone(
        browser, address[:-5] + ("AAAAA" if not address.endswith("AAAAA") else "BBBBB"), "light", []
    )
    wrong.get_by_text("There is no room with this code.").wait_for()
    asking = phone(browser, address[:-5], "light", errors)
    asking.get_by_label("The code on the screen").fill(address[-5:].lower())
    asking.get_by_role("button", name="Join").click()
    asking.get_by_text("The stop-gradient comes back").wait_for()
    for page in (light, dark, wrong, asking):
        page.context.close()
    assert errors == [] and notebook.new_errors(known_errors) == [] and notebook.cell_errors() == []


def test_no_answer_is_lost_when_the_kernel_is(lab, browser, opened, open_notebook):
    notebook = open_notebook(lab.write("lost.ipynb", CELLS[:3]))
    for k in (0, 1):
        notebook.run_cell(k)
    deck = notebook.page.locator(".ssl-room").first
    errors = []
    one = phone(browser, deck.locator("code").inner_text(), "light", errors)
    one.locator("#ask input").fill("0.5")
    one.get_by_role("button", name="Send").click()
    one.get_by_text("Your answer: 0.5.").wait_for()
    lab.stop_kernels()
    other = phone(browser, one.url, "light", errors)
    other.locator("#ask input").fill("0.7")
    other.get_by_role("button", name="Send").click()
    other.get_by_text("Your answer: 0.7.").wait_for()
    again = open_notebook(lab.write("lost_again.ipynb", CELLS[:3]))
    for k in (0, 1):
        again.run_cell(k)
    again.page.locator(".ssl-room").first.get_by_text("2 answers").wait_for()
    again.run_cell(2)
    again.page.locator('img[alt^="The room, 2 answers"]').wait_for()
    for page in (one, other):
        page.context.close()
    assert errors == []
