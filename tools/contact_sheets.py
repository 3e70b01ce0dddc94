"""Each widget at three widths in both themes, side by side, to be looked at: ``python -m tools.contact_sheets [WIDGET …]``.

In a real JupyterLab, of which the notebook has the whole window. The sheets land in build/contact/WIDGET.png.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.sync_api import Locator, sync_playwright

from ssl_course.widgets.frame.paint import font
from tools.browser import FLAGS, HELP, find_browser
from tools.build import ROOT

sys.path[:0] = [str(ROOT / "tests" / "browser"), str(ROOT / "tests" / "widgets")]
from examples import WIDGETS  # noqa: E402
from harness import DARK, LIGHT, Lab, Notebook  # noqa: E402

SHEETS = ROOT / "build" / "contact"
WIDTHS = (360, 800, 1280)  # of the window: a phone, half a screen, a screen
GAP, TITLE = 24, 28  # pixels between screenshots, and above each for its name
# As the lectures show it, with the shipped networks; the tests' small one where a lecture trains it first.
SET_UP = """from examples import SMALL, example
from ssl_course import widgets
def show(name):
    return example(name) if name in ("CollapseLab", "CollapseCircle", "DrawnRow", "Leaderboard", "Live") else getattr(widgets, name)()"""


def open_at_width(notebook: Notebook, width: int) -> None:
    """The window is so wide, the notebook alone in it."""
    notebook.page.set_viewport_size({"width": width, "height": 3000})
    notebook.page.wait_for_timeout(500)  # JupyterLab lays itself out again


def alone(notebook: Notebook) -> None:
    """No side bars, and no source above the widgets."""
    notebook.command("application:set-mode", mode="single-document")
    notebook.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    for side in ("left", "right"):
        notebook.command("application:toggle-side-tabbar", side=side)
    notebook.command("notebook:hide-all-cell-code")


def sheet(shots: dict[tuple[str, int], bytes]) -> Image.Image:
    """All screenshots of one widget, the light ones above the dark ones."""
    pictures = {key: Image.open(io.BytesIO(shot)).convert("RGB") for key, shot in shots.items()}
    columns = [max(p.width for (_, w), p in pictures.items() if w == width) + GAP for width in WIDTHS]
    rows = [
        max(p.height for (t, _), p in pictures.items() if t == theme) + GAP + TITLE for theme in (LIGHT, DARK)
    ]
    whole = Image.new("RGB", (sum(columns) + GAP, sum(rows) + GAP), "#888888")
    pen = ImageDraw.Draw(whole)
    for (theme, width), picture in pictures.items():
        column, row = WIDTHS.index(width), (LIGHT, DARK).index(theme)
        x, y = GAP + sum(columns[:column]), GAP + sum(rows[:row])
        pen.text((x, y), f"{width} px, {theme.split()[-1].lower()}", "white", font(16))
        whole.paste(picture, (x, y + TITLE))
    return whole


def output_of(box: Locator) -> Locator:
    """What a widget has to itself on the page: a screenshot of it shows what is cut off, too."""
    return box.locator("xpath=ancestor::div[contains(@class, 'jp-OutputArea-child')]").last


def main(names: list[str]) -> int:
    if unknown := set(names) - set(WIDGETS):
        print(f"no widget {sorted(unknown)}; there are {', '.join(WIDGETS)}", file=sys.stderr)
        return 2
    names = names or WIDGETS
    path = find_browser()
    if path is None:
        print(f"There is no browser. {HELP}", file=sys.stderr)
        return 1
    SHEETS.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder))
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            notebook = Notebook(
                lab,
                chromium.new_context(viewport={"width": 1280, "height": 3000}),
                lab.write("contact.ipynb", [SET_UP, *(f"show({name!r})" for name in names)]),
            )
            notebook.run_all()
            if errors := notebook.cell_errors():
                print("\n".join(errors), file=sys.stderr)
                return 1
            alone(notebook)
            shown = {explorer.kind: explorer.box for explorer in notebook.explorers()}
            shots: dict[str, dict[tuple[str, int], bytes]] = {kind: {} for kind in shown}
            for width in WIDTHS:
                open_at_width(notebook, width)
                for theme in (LIGHT, DARK):
                    notebook.theme(theme)
                    for kind, box in shown.items():
                        shots[kind][theme, width] = output_of(box).screenshot()
                    print(f"{time.monotonic() - began:4.0f} s  {width} px, {theme}", flush=True)
            for kind, pictures in shots.items():
                sheet(pictures).save(SHEETS / f"{kind}.png")
                print(SHEETS.relative_to(ROOT) / f"{kind}.png", flush=True)
        finally:
            chromium.close()
            lab.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
