"""What a student entered outlives the kernel; pictures that students bring arrive, however large they are."""

from __future__ import annotations

import pytest
from harness import DARK, LIGHT, Lab, Opener

pytestmark = pytest.mark.browser

SETUP = """\
from ssl_course.course.exercises import lecture_00 as check
from ssl_course.course.lecture import predict, reveal"""
ASK = 'predict("00-jigsaw", "Nine tiles: how many orders?")'
CHOOSE = 'predict("00-labels", "How many labels?", "choice", ["about 60", "about 300"])'
STUB = "def mine(n_labels, accuracy, target):\n    ...\n\n\ncheck.labels_needed(mine)"
ANSWER = STUB.replace("...", "return n_labels[0]  # mine")
SOLUTION = """\
verdict = check.labels_needed(lambda n, a, t: min((m for m, b in zip(n, a) if b >= t), default=None))
assert verdict.passed
verdict"""


def test_guesses_and_answers_outlive_the_kernel(
    lab: Lab, open_notebook: Opener, known_errors: set[str]
) -> None:
    cells = [SETUP, ASK, CHOOSE, STUB, SOLUTION]
    first = open_notebook(lab.write("before.ipynb", [*cells[:3], ANSWER, SOLUTION]))
    first.run_all()
    first.page.locator("input[placeholder='a number']").fill("1,024")
    first.page.keyboard.press("Enter")
    first.page.get_by_label("about 300").check()
    first.wait(
        "() => document.querySelectorAll('.jp-OutputArea')[2].innerText.includes('Kept')", "it is kept"
    )
    first.close()  # and its kernel

    again = open_notebook(lab.write("after.ipynb", cells))
    again.run_all()
    page = again.page
    assert page.locator("input[placeholder='a number']").input_value() == "1,024"
    assert page.get_by_label("about 300").is_checked() and not page.get_by_label("about 60").is_checked()
    assert page.locator(".ssl-check pre").inner_text() == ANSWER
    for theme in (DARK, LIGHT):
        again.theme(theme)
        again.screenshot(f"kept_{theme.split()[-1]}")
        assert again.serious() == []
    for left in (2, 1, 0):
        page.get_by_role("button", name="Reset").first.click()
        again.wait("(n) => [...document.querySelectorAll('button')].filter(b => b.innerText === 'Reset'"
                   " && b.offsetParent).length === n", f"{left} things are kept", arg=left)  # fmt: skip
    assert page.locator(".ssl-check pre").count() == 0
    again.run_all()
    assert page.locator("input[placeholder='a number']").input_value() == ""
    assert page.locator(".ssl-check pre").count() == 0
    assert not again.cell_errors() and not again.new_errors(known_errors)


SLIDERS = """
import ipywidgets as w
def sliders():
    odd = {"min": 0.05, "max": 0.95}
    yield from (w.FloatSlider(v / 37, step=0.05, **odd) for v in range(2, 36, 3))
    yield from (w.FloatSlider(v / 7 - 1, min=-1, max=1.1, step=0.3) for v in range(14))
    yield from (w.FloatLogSlider(10 ** (v / 9 - 2), min=-2, max=1, step=0.07) for v in range(1, 27))
    yield from (w.IntSlider(v, 1, 40, 7) for v in range(1, 40, 4))
"""


def test_sliders_stand_where_settle_puts_them(lab: Lab, open_notebook: Opener) -> None:
    show = "shown = w.VBox(list(sliders()))\nshown"
    notebook = open_notebook(lab.write("sliders.ipynb", [SLIDERS, show]))
    notebook.run_all()
    notebook.wait("() => document.querySelectorAll('.noUi-handle').length === 62", "62 sliders")
    notebook.page.wait_for_timeout(1000)  # for what they say to the kernel
    wrong = notebook.ask("""
from ssl_course.widgets.frame.slider import settle
for there, mine in zip(shown.children, sliders()):
    before = mine.value
    settle(mine)
    log = isinstance(mine, w.FloatLogSlider)  # logarithms and powers may differ in their last bit
    if there.value != mine.value if not log else abs(there.value / mine.value - 1) > 1e-14:
        print(type(mine).__name__, before, "the browser:", there.value, "settle:", mine.value)
""")
    assert not wrong
