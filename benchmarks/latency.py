"""From a hand to its picture, in a real JupyterLab and a real browser: `python benchmarks/latency.py`.

Each widget of each lecture stands beside a bare canvas of as many panels and pixels, whose picture costs nothing to
make: the ratio is what the widget itself costs. It is moved by its first slider, or by its first box to tick; painting
is timed on the two painters, and the way from `import ssl_course` to the first widget beside a bare `import torch`.
Bytes are those of a whole frame, and of what the canvas sends for a change: only panels that are no longer the same.
Training is cut to ten steps; nothing else may run meanwhile. At the end it prints the table of benchmarks/README.md,
and again with --table, which measures nothing.

    python benchmarks/latency.py --lectures 04 12 --json build/latency.json
    python benchmarks/latency.py --table
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "browser"), str(ROOT / "tests" / "widgets")]
from examples import WIDGETS  # noqa: E402
from harness import Lab, Notebook, Shown  # noqa: E402

from tools.browser import FLAGS, HELP, find_browser  # noqa: E402

# Runs in the kernel: for each widget alive, one with panels of the same kinds and sizes, filled with a gray. `twin_of`
# says which belong together, for a lecture may make widgets that it does not show.
TWINS = """
import ipywidgets, json, numpy as np
from ipywidgets.widgets.widget import _instances
from ssl_course.widgets import Canvas, Explorer, Panel, Plot

changes = {}  # model_id of a canvas: bytes of each message with which it has changed its picture
def counted(self, msg, buffers=None, send=Canvas._send):
    if self.comm is not None and "_frame" in msg.get("state", ()):
        size = len(json.dumps(msg)) + sum(memoryview(b).nbytes for b in buffers or ())
        changes.setdefault(self.model_id, []).append(size)
    return send(self, msg, buffers)
Canvas._send = counted
def sizes(canvas):
    c = next(w for w in _instances.values() if w.model_id == canvas)
    contents = [p.sent for p in c.panels]
    whole = len(json.dumps(c._frame)) + sum(len(s.encode() if isinstance(s, str) else s) for s in contents)
    print(json.dumps([whole, changes.get(canvas, [])]))

class Twin(Explorer):
    def __init__(self, other):
        sizes = [
            (p.drawn, *((p.picture.width, p.picture.height) if p.drawn else p.picture.shape[1::-1]), p.width, p.operable)
            for p in other.panels
        ]
        gray = ipywidgets.IntSlider(100, min=0, max=255, description="gray")
        super().__init__({"gray": gray, "tick": ipywidgets.Checkbox(description="tick")}, state=sizes)
    @staticmethod
    def render(state, *, gray, tick):
        gray = 255 - gray if tick else gray
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
  const handle = [...el.closest(".ssl-explorer").querySelectorAll("[role=slider]")].find((h) => h.checkVisibility());
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
SLIDER = "[role=slider]:visible"
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


def keys(shown: Shown, slides: bool, steps: int = 21) -> dict[str, float]:
    """From an arrow key on the first slider, or from Space on the first box to tick."""
    control = shown.box.locator(SLIDER if slides else "input[type=checkbox]:visible").first
    control.scroll_into_view_if_needed()
    control.focus()
    key = "ArrowRight" if slides else "Space"

    def press(_: int, slider: list[float]) -> None:
        nonlocal key
        now, low, high = slider
        if slides:
            key = "ArrowLeft" if now >= high else "ArrowRight" if now <= low else key
        shown.page.keyboard.press(key)

    return timed(shown, press, steps) | sizes(shown)


def sizes(shown: Shown) -> dict[str, float]:
    """Bytes of the whole frame that is shown, and of the median and the largest change since the widget stood there."""
    whole, changes = json.loads(shown.notebook.ask(f"sizes({shown.canvas_id!r})"))
    return {"whole": whole, "change": statistics.median(changes), "largest_change": max(changes)}


def clicks(shown: Shown, panel: int = 1, steps: int = 13) -> dict[str, float]:
    """From the pointer's going down on a panel, at ever new places of its two upper rows."""
    canvas = shown.box.locator(".ssl-canvas canvas").nth(panel)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()

    def click(step: int, _: list[float]) -> None:
        x, y = 0.06 + 0.125 * (step % 8), 0.06 + 0.125 * (step // 8)
        shown.page.mouse.click(box["x"] + box["width"] * x, box["y"] + box["height"] * y)

    return timed(shown, click, steps) | sizes(shown)


def beside(own: dict[str, float], bare: dict[str, float]) -> dict[str, Any]:
    """The row of a widget: its median and its 95th percentile as multiples of the bare canvas's median."""
    times = {"ratio": own["median_ms"], "p95_ratio": own["p95_ms"]}
    return (
        own | {"bare_ms": bare["median_ms"]} | {k: round(v / bare["median_ms"], 2) for k, v in times.items()}
    )


def table(rows: dict[str, Any]) -> str:
    """As benchmarks/README.md has it; the last line the median widget."""
    columns = {"median_ms": "median, ms", "ratio": "× bare", "p95_ratio": "95 %, × bare", "whole": "KB, whole frame",
               "change": "KB, a change", "largest_change": "largest change"}  # fmt: skip
    middle = {key: statistics.median(row[key] for row in rows.values()) for key in columns}
    lines = [f"| lecture: widget | {' | '.join(columns.values())} |", "| --- |" + " --- |" * len(columns)]
    for name, row in (rows | {"**the median**": middle}).items():
        cells = (
            f"{row[k]:.2f}" if "ratio" in k else f"{row[k] / (1 if k == 'median_ms' else 1000):.0f}"
            for k in columns
        )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def lecture(notebook: Notebook) -> dict[str, Any]:
    """Each widget beside its twin."""
    notebook.cut_short()
    notebook.run_all()
    if errors := notebook.cell_errors():
        raise RuntimeError(f"{notebook.name}: {errors}")
    everything = {shown.canvas_id: shown for shown in notebook.explorers()}
    twin_of = json.loads(notebook.ask("print(json.dumps(twin_of))"))
    rows = {}
    seen: Counter[str] = Counter()
    for shown in everything.values():
        if shown.kind == "Twin" or not shown.box.is_visible():
            continue
        seen[shown.kind] += 1
        again = f" {seen[shown.kind]}" * (seen[shown.kind] > 1)
        name = f"{notebook.name[:2]}: {shown.kind}{again}"
        slides = shown.box.locator(SLIDER).count() > 0  # else both have a box to tick
        rows[name] = beside(keys(shown, slides), keys(everything[twin_of[shown.canvas_id]], slides))
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
    parser.add_argument(
        "--table", action="store_true", help="print the table of that file, and measure nothing"
    )
    arguments = parser.parse_args()
    if arguments.table:
        if not arguments.json.exists():
            parser.error(f"there is no {arguments.json}: measure first, without --table")
        print(table(json.loads(arguments.json.read_text(encoding="utf-8"))["widgets"]))
        return
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

    print(table(rows))
    if missing := [kind for kind in WIDGETS if not any(kind in name for name in rows)]:
        print("not in these lectures:", ", ".join(missing))
    print(", ".join(f"{name} {seconds} s" for name, seconds in started.items()))
    about = {"date": date.today().isoformat(), "machine": platform.machine(), "command": " ".join(sys.argv)}
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(
        json.dumps(about | {"start_s": started, "widgets": rows}, indent=1) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
