"""From a hand to its picture, in a real JupyterLab and a real browser: `python benchmarks/latency.py`.

Each widget of each lecture stands beside a bare canvas of as many pixels, whose picture costs nothing to make: the
ratio is what the widget itself costs. Painting is timed on the two painters, and the way from `import ssl_course` to
the first widget beside a bare `import torch`. Training is cut to ten steps; nothing else may run meanwhile.

    python benchmarks/latency.py --lectures 04 12 --json build/latency.json
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "browser")]
from harness import Lab, Notebook, Shown  # noqa: E402

from tools.browser import FLAGS, HELP, find_browser  # noqa: E402

# Runs in the kernel: for each widget alive, one with panels of the same kinds and sizes, filled with a gray. `twin_of`
# says which belong together, for a lecture may make widgets that it does not show.
TWINS = """
import ipywidgets, json, numpy as np
from ipywidgets.widgets.widget import _instances
from ssl_course.widgets import Explorer, Panel, Plot

class Twin(Explorer):
    def __init__(self, other):
        sizes = [
            (p.drawn, *((p.picture.width, p.picture.height) if p.drawn else p.picture.shape[1::-1]), p.width, p.operable)
            for p in other.panels
        ]
        gray = ipywidgets.IntSlider(100, min=0, max=255, description="gray")
        super().__init__({"gray": gray}, state=sizes)
    @staticmethod
    def render(state, *, gray):
        return [
            Panel(Plot.board(w, h).rect(0, 0, w, h, (gray,) * 3) if drawn else np.full((h, w), gray, np.uint8),
                  "a gray", f"gray {gray}", css, operable=operable)
            for drawn, w, h, css, operable in state
        ]
    def on_pointer(self, event):
        if event.kind == "down":
            self.controls["gray"].value = (self.values()["gray"] + 40) % 256

shown = [w for w in list(_instances.values()) if isinstance(w, Explorer) and not isinstance(w, Twin)]
twins = [Twin(w) for w in shown]
twin_of = {w.canvas.model_id: twin.canvas.model_id for w, twin in zip(shown, twins)}
ipywidgets.VBox(twins)
"""
PAINTERS = {
    "HolePainter": "HolePainter({'untrained': methods.ContextEncoder()}, with_shipped=False)",
    "MaskingExplorer": "MaskingExplorer({'untrained': methods.MAE()}, with_shipped=False)",
}
# Runs in the page, as does STEP: times each key or click until the canvas has its next picture.
WATCH = """(el) => {
  const handle = el.closest(".ssl-explorer").querySelector("[role=slider]");
  window.sslSlider = () => ["now", "min", "max"].map((name) => Number(handle?.getAttribute(`aria-value${name}`)));
  const log = (window.sslTimes = []);
  let began = 0;
  for (const kind of ["keydown", "pointerdown"])
    window.addEventListener(kind, () => { began = performance.now(); }, true);
  new MutationObserver(() => { if (began) log.push(performance.now() - began); began = 0; })
    .observe(el, { attributes: true, attributeFilter: ["data-frame"] });
  return window.sslSlider();
}"""
# Answers when more than n are timed, with the slider's value, least and most; with nothing after 15 s. One call a
# step, since every call that Playwright makes costs the browser more than the step itself.
STEP = """async (n) => {
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  for (const end = performance.now() + 15_000; window.sslTimes.length <= n; await pause(10))
    if (performance.now() > end) return null;
  await pause(30);
  return window.sslSlider();
}"""
WARM = 3  # the first steps warm up


def timed(shown: Shown, act: Callable[[int, list[float]], None], steps: int) -> dict[str, float]:
    """Milliseconds from an act to its picture, median and 95th percentile; ``act`` gets its number and the slider."""
    slider = shown.box.locator(".ssl-canvas").evaluate(WATCH)
    for step in range(steps + WARM):
        act(step, slider)
        slider = shown.page.evaluate(STEP, step)
        if slider is None:
            raise RuntimeError(f"{shown.notebook.name}: no picture of {shown.kind} after step {step}")
    return summary(shown.page.evaluate("() => window.sslTimes"))


def summary(times: list[float]) -> dict[str, float]:
    """Median and 95th percentile of milliseconds, the first ones left out."""
    times = sorted(times[WARM:])
    return {
        "median_ms": round(statistics.median(times), 1),
        "p95_ms": round(times[int(0.95 * len(times))], 1),
    }


def keys(shown: Shown, steps: int = 9) -> dict[str, float]:
    """From an arrow key on the first slider."""
    handle = shown.box.locator("[role=slider]").first
    handle.scroll_into_view_if_needed()
    handle.focus()
    key = "ArrowRight"

    def press(_: int, slider: list[float]) -> None:
        nonlocal key
        now, low, high = slider
        key = "ArrowLeft" if now >= high else "ArrowRight" if now <= low else key
        shown.page.keyboard.press(key)

    return timed(shown, press, steps)


def clicks(shown: Shown, panel: int = 1, steps: int = 13) -> dict[str, float]:
    """From the pointer's going down on a panel, at ever new places of its two upper rows."""
    canvas = shown.box.locator(".ssl-canvas canvas").nth(panel)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()

    def click(step: int, _: list[float]) -> None:
        x, y = 0.06 + 0.125 * (step % 8), 0.06 + 0.125 * (step // 8)
        shown.page.mouse.click(box["x"] + box["width"] * x, box["y"] + box["height"] * y)

    return timed(shown, click, steps)


def beside(own: dict[str, float], bare: dict[str, float]) -> dict[str, Any]:
    """The row of a widget."""
    return own | {"bare_ms": bare["median_ms"], "ratio": round(own["median_ms"] / bare["median_ms"], 2)}


def lecture(notebook: Notebook) -> dict[str, Any]:
    """Each widget that has a slider, beside its twin."""
    notebook.cut_short()
    notebook.run_all()
    everything = {shown.canvas_id: shown for shown in notebook.explorers()}
    twin_of = json.loads(notebook.ask("print(json.dumps(twin_of))"))
    rows = {}
    for index, shown in enumerate(shown for shown in everything.values() if shown.kind != "Twin"):
        slider = shown.box.locator("[role=slider]")
        if slider.count() and slider.first.is_visible():
            name = f"{Path(notebook.name).stem}: {shown.kind} {index}"
            rows[name] = beside(keys(shown), keys(everything[twin_of[shown.canvas_id]]))
    return rows


def first_widget(open_notebook: Callable[[list[str]], Notebook]) -> dict[str, float]:
    """Seconds of the first cell: with a bare ``import torch``, and to the first widget on the screen; best of 3."""
    cells = {
        "import torch": "import torch",
        "first widget": "from ssl_course.widgets import SceneExplorer\nSceneExplorer()",
    }
    seconds: dict[str, list[float]] = {name: [] for name in cells}
    for _ in range(3):
        for name, text in cells.items():
            notebook = open_notebook([text])
            began = notebook.page.evaluate("() => performance.now()")
            notebook.run_cell(0)
            if name == "first widget":
                notebook.wait("() => document.querySelector('.ssl-canvas[data-frame]')", "the first widget")
            seconds[name].append((notebook.page.evaluate("() => performance.now()") - began) / 1000)
            notebook.close()
    return {name: round(min(times), 2) for name, times in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lectures", nargs="*", default=[""], metavar="NN", help="default: all")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "latency.json")
    arguments = parser.parse_args()
    files = sorted(f for n in arguments.lectures for f in (ROOT / "lectures").glob(f"{n}*.ipynb"))
    if not files:
        parser.error(f"no lecture is called {' or '.join(arguments.lectures)}; name one by its number: 04")
    browser = find_browser()
    if browser is None:
        parser.exit(2, f"There is no browser. {HELP}\n")

    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        chromium = playwright.chromium.launch(executable_path=browser, args=FLAGS)
        window = chromium.new_context(viewport={"width": 1360, "height": 900})
        lab = Lab(Path(folder))
        try:
            rows: dict[str, Any] = {}
            for file in tqdm(files, unit="lecture"):
                notebook = Notebook(lab, window, lab.copy(file, TWINS))
                rows |= lecture(notebook)
                notebook.close()
            for kind, make in PAINTERS.items():
                cell = f"import torch; torch.manual_seed(0)\nfrom ssl_course import methods\nfrom ssl_course.widgets import {kind}\n{make}"
                notebook = Notebook(lab, window, lab.write("paint.ipynb", [cell, TWINS]))
                notebook.run_all()
                painter, twin = notebook.explorers()
                rows[f"click on {kind}"] = beside(clicks(painter), clicks(twin))
                notebook.close()
            started = first_widget(lambda cells: Notebook(lab, window, lab.write("start.ipynb", cells)))
        finally:
            lab.stop()
            chromium.close()

    for name, row in rows.items():
        print(f"{name:64} {row['median_ms']:7.1f} ms {row['ratio']:5.2f} × bare canvas")
    print(", ".join(f"{name} {seconds} s" for name, seconds in started.items()))
    about = {"date": date.today().isoformat(), "machine": platform.machine(), "command": " ".join(sys.argv)}
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(
        json.dumps(about | {"start_s": started, "widgets": rows}, indent=1) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
