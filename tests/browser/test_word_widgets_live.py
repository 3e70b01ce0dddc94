"""The widgets of lecture 06 in a real browser: words hidden by pointer and keyboard, text typed, words taken, undone."""

from __future__ import annotations

import pytest
from harness import Lab, Opener, Shown

pytestmark = pytest.mark.browser

CELLS = [
    "from examples import example",
    "m = example('MaskedWords'); m",
    "n = example('NextWord'); n",
]


def press(widget: Shown, name: str) -> None:
    number = widget.number()
    widget.box.get_by_role("button", name=name, exact=True).click()
    widget.next_frame(number, f"a picture after {name}")
    widget.settled()


def click(widget: Shown, panel: int, x: float, y: float) -> None:
    """At CSS pixels of a panel."""
    canvas = widget.box.locator(".ssl-picture").nth(panel)
    canvas.scroll_into_view_if_needed()
    number = widget.number()
    canvas.click(position={"x": x, "y": y})
    widget.next_frame(number, "a picture after a click")
    widget.settled()


def test_words(lab: Lab, open_notebook: Opener, known_errors: set[str]) -> None:
    notebook = open_notebook(lab.write("words.ipynb", CELLS))
    notebook.run_all()
    assert notebook.cell_errors() == []
    masked, following = notebook.explorers()
    page = notebook.page

    # hide, show, by pointer and by keyboard
    first = masked.settled()
    places = notebook.ask("print([(c.x + c.width / 2, c.y + 17) for c in m._page()])")
    x, y = eval(places)[8]
    click(masked, 0, x, y)
    assert "'masked': (1, 8)" in masked.values()
    assert masked.box.locator(".ssl-picture").count() == 4
    notebook.screenshot("masked_two", masked.box)
    masked.box.locator(".ssl-picture").first.focus()
    for key in ("ArrowLeft", "Enter"):
        number = masked.number()
        page.keyboard.press(key)
        masked.next_frame(number, f"a picture after {key}")
    assert "'masked': (1, 7, 8)" in masked.values()

    # edit: hidden words follow, odd text is kept
    box = masked.box.locator("textarea")
    number = masked.number()
    box.press("Home")
    box.press_sequentially("Well, ", delay=20)
    masked.next_frame(number, "a picture after typing")
    page.wait_for_timeout(500)
    masked.settled()
    assert "'masked': (3, 9, 10)" in masked.values()
    for text in ("", "[MASK] [MASK]", "שלום 🙂 עולם I like", "I like this movie. " * 2500):
        number = masked.number()
        box.fill(text)
        masked.next_frame(number, "a picture after filling")
        masked.settled()
        assert box.input_value() == text
        assert "stumbled" not in masked.box.locator(".ssl-readout").inner_text()
        notebook.screenshot(f"masked_{len(text)}", masked.box)
    masked.move("Y, the writer is")
    masked.move("λ of the world")
    masked.settled()
    press(masked, "The fox")
    press(masked, "Reset")
    assert masked.settled() == first

    # next words
    start = following.settled()
    box = following.box.locator("textarea")
    before = box.input_value()
    click(following, 1, 150, 36 + 26 * 2.5)
    after = box.input_value()
    assert after.startswith(before) and len(after) > len(before)
    press(following, "Write on")
    notebook.screenshot("next_written", following.box)
    press(following, "Undo")
    assert box.input_value() == after
    press(following, "Undo")
    assert box.input_value() == before
    following.move("temperature")
    following.move("top-k")
    following.move("network has read")
    number = following.number()
    box.fill("two\nlines 🙂 שלום ")
    following.next_frame(number, "a picture after filling")
    following.settled()
    press(following, "Take the likeliest")
    assert box.input_value().startswith("two\nlines 🙂 שלום ")
    notebook.screenshot("next_odd", following.box)
    press(following, "Reset")
    assert following.settled() == start
    assert notebook.serious() == []
    assert notebook.new_errors(known_errors) == []
