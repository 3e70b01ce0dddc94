"""Every lecture as slides on a projector of 1280 × 720: ``python -m tools.slides [LECTURE …]`` lists the states that do not fit.

A state is what a press of a key brings: a slide with those of its fragments that are out by now. Each lecture runs whole in a real
JupyterLab, its training cut short; build/slides/NN.json keeps all heights, build/slides/*.png the states that are too tall.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import nbformat
from playwright.sync_api import sync_playwright

from tools.browser import FLAGS, HELP, find_browser
from tools.build import ROOT, read_source, sources

sys.path[:0] = [str(ROOT / "tests" / "browser")]
from harness import PROJECTOR, Lab, Notebook  # noqa: E402

KEPT = ROOT / "build" / "slides"


def main(names: list[str]) -> int:
    """One line for each state that is too tall; returns 1 when there is one."""
    path = find_browser()
    if path is None:
        print(f"There is no browser. {HELP}", file=sys.stderr)
        return 1
    KEPT.mkdir(parents=True, exist_ok=True)
    too_tall = 0
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder))
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            for src in sources(names):
                (lab.root / f"{src.stem}.ipynb").write_text(
                    nbformat.writes(read_source(src)), encoding="utf-8"
                )
                notebook = Notebook(lab, chromium.new_context(viewport=PROJECTOR), f"{src.stem}.ipynb")
                notebook.cut_short()
                notebook.run_all()
                if errors := notebook.cell_errors():  # what is an error has not the height of a picture
                    print(f"{src.stem[:2]}: {errors[0]}", file=sys.stderr)
                    return 1
                states = notebook.slides()
                tall = [(cell, heights) for cell, heights in states if sum(heights) > PROJECTOR["height"]]
                (KEPT / f"{src.stem[:2]}.json").write_text(json.dumps(states), encoding="utf-8")
                for cell, heights in tall:
                    notebook.page.evaluate(
                        "(i) => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = i; }", cell
                    )
                    notebook.page.screenshot(path=KEPT / f"{src.stem[:2]}_{cell:03d}.png")
                    print(
                        f"{src.stem[:2]} cell {cell}: {sum(heights):.0f} px, of which it is {heights[-1]:.0f}",
                        flush=True,
                    )
                print(f"{src.stem[:2]}: {len(tall)} of {len(states)} states are too tall", flush=True)
                too_tall += len(tall)
                notebook.command("deck:stop")  # else the next one would open as slides
                notebook.close()
        finally:
            chromium.close()
            lab.stop()
    return int(too_tall > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
