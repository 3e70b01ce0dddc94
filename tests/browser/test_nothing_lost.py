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
