"""A real JupyterLab, a real browser, and what a student does in them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import BrowserContext, Locator, Page
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from ssl_course.cli import lab_command

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = REPOSITORY / "build"
SCREENSHOTS = BUILD / "screenshots"
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
# What axe-core finds wrong in a part of the page. It takes seconds for thousands of spans, so some are away meanwhile: in a block
# of code or a signature all but the first of one look, in a formula the letters that stand alone, which it does not ask.
LOOK_THROUGH = """async (part) => {
  const away = [];
  const lift = (e) => { away.push([e, e.parentNode, e.nextSibling]); e.remove(); };
  for (const block of document.querySelectorAll("pre, dt.sig")) {
    const seen = new Set();
    for (const e of block.querySelectorAll("span[class]")) {
      const look = e.childElementCount ? "" : `${e.parentNode.className}>${e.className} ${e.style.cssText}`;
      if (seen.has(look)) lift(e); else if (look) seen.add(look);
    }
  }
  for (const e of document.querySelectorAll(".katex-html *")) {
    if (e.isConnected && !e.childElementCount && e.textContent.trim().length < 2) lift(e);
  }
  const { violations } = await axe.run(part, { resultTypes: ["violations"] });
  for (const [e, parent, next] of away.reverse()) parent.insertBefore(e, next);
  return violations;
}"""
STORED = REPOSITORY / "lectures" / "13_which_pretext_task.ipynb"  # has figures and stills of widgets
PICTURES = """() => [...document.querySelectorAll("img.ssl-shown")].map((i) => {
  const { width, height } = i.getBoundingClientRect();
  return [i.alt, i.complete && i.naturalWidth > 0, width, height];
})"""
# Console errors of an empty notebook in Notebook 7.
OF_NOTEBOOK_7 = ("reading 'schema'", "'filebrowser:open-path' not registered")
DARK, LIGHT = "JupyterLab Dark", "JupyterLab Light"

# Runs in the kernel: what the widget behind a canvas should be showing now, made afresh; "drawn" says whether its newest
# frame is of these values, for a control may be moved, in another thread, while this is asked.
FIND = """
def _ssl_widget(canvas):
    from ipywidgets.widgets.widget import _instances
    for widget in list(_instances.values()):
        if getattr(getattr(widget, "canvas", None), "model_id", None) == canvas:
            return widget
    raise LookupError(f"no widget has the canvas {canvas}")
"""

TRUTH = f"""{FIND}
def _ssl_truth(widget):
    import hashlib, json
    wanted = widget._wanted
    frame = type(widget).render(widget.state, **widget.values())
    panels = frame[0] if isinstance(frame, tuple) else frame
    print(json.dumps({{
        "drawn": not widget._rendering and widget._drawn == widget._wanted == wanted,
        "newest": [wanted, widget.canvas._frame["number"]],
        "hashes": [hashlib.sha256(p.svg.encode() if p.drawn else p.rgba.tobytes()).hexdigest() for p in panels],
        "values": repr(widget.values()),
        "error": repr(widget.error) if widget.error else "",
    }}))
_ssl_truth(_ssl_widget(%r))
"""

# These render nothing: its class and its controls' labels; its values; how often they changed, and the number of its
# newest frame.
ABOUT = f"""{FIND}
import json
_ssl_explorer = _ssl_widget(%r)
print(json.dumps([type(_ssl_explorer).__name__, [c.description for c in _ssl_explorer.controls.values()]]))
"""
VALUES = f"""{FIND}
print(_ssl_widget(%r).values())
"""
NEWEST = f"""{FIND}
_ssl_explorer = _ssl_widget(%r)
print([_ssl_explorer._wanted, _ssl_explorer.canvas._frame["number"]])
"""

# Two logarithms or powers may differ in their last bit; that alone is no reason to go back to the start.
START = f"""{FIND}
from ssl_course.widgets.frame.explorer import Explorer as _SslExplorer
def _ssl_moved(now, start):
    return abs(now - start) > 1e-12 * abs(start) if isinstance(start, float) else now != start
_ssl_explorer = _ssl_widget(%r)
if type(_ssl_explorer).reset is _SslExplorer.reset and any(
    _ssl_moved(now, _ssl_explorer.defaults[name]) for name, now in _ssl_explorer.values().items()
):
    _ssl_explorer.reset()
"""

PROJECTOR = {"width": 1280, "height": 720}
HEIGHTS = (
    "() => [...document.querySelectorAll('.jp-Deck .jp-Cell.jp-deck-mod-visible')]"
    ".map(c => c.getBoundingClientRect().height)"
)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Lab:
    """JupyterLab as `make lab` starts it, on a folder of copied notebooks; ``options`` go to its server."""

    def __init__(self, root: Path, *options: str) -> None:
        self.root, self.port, self.token = root, free_port(), secrets.token_hex(16)
        argv, environment = lab_command(root, open_at=None, port=self.port, browser=False)
        environment = dict(environment)
        environment["JUPYTER_TOKEN"] = self.token
        environment["JUPYTER_RUNTIME_DIR"] = str(root / "runtime")
        environment.pop("SSL_COURSE_MAX_STEPS", None)
        environment["SSL_COURSE_KEPT"] = str(root / "kept")
        environment["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests" / "widgets")])
        self.log = root / "jupyter.log"
        for app in ("LabApp", "JupyterNotebookApp"):  # the tests call JupyterLab's own commands
            argv = [*argv, f"--{app}.expose_app_in_browser=True"]
        argv = [*argv, *options]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(argv, env=environment, cwd=root, stdout=log, stderr=log)
        end = time.monotonic() + 180
        while True:
            try:
                self.api("GET", "api/status")
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    self.stop()
                    raise RuntimeError(f"JupyterLab did not start:\n{self.log.read_text()[-3000:]}") from None
                time.sleep(0.2)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def api(self, method: str, path: str) -> Any:
        """One call of Jupyter's REST interface."""
        request = urllib.request.Request(f"{self.url}/{path}", method=method)
        request.add_header("Authorization", f"token {self.token}")
        with urllib.request.urlopen(request, timeout=10) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def stop_kernels(self, wait: bool = True) -> None:
        """All that run now; a kernel takes seconds to end, for which the next notebook need not wait."""
        paths = [f"api/sessions/{session['id']}" for session in self.api("GET", "api/sessions")]

        def end() -> None:
            for path in paths:
                self.api("DELETE", path)

        def whenever() -> None:
            with contextlib.suppress(OSError):  # as when the server has ended first
                end()

        end() if wait else threading.Thread(target=whenever, daemon=True).start()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def write(self, name: str, cells: list[str]) -> str:
        """A notebook with these code cells; returns its name."""
        notebook = {
            "cells": [
                {
                    "cell_type": "code",
                    "id": f"cell{i}",
                    "metadata": {"slideshow": {"slide_type": "slide"}},
                    "execution_count": None,
                    "outputs": [],
                    "source": text,
                }
                for i, text in enumerate(cells)
            ],
            "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        (self.root / name).write_text(json.dumps(notebook))
        return name

    def copy(self, path: Path, *extra: str) -> str:
        """A lecture without its outputs, with `extra` code cells at its end; returns its name."""
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for i, text in enumerate(extra):
            notebook["cells"].append(
                {
                    "cell_type": "code",
                    "id": f"extra{i}",
                    "metadata": {},
                    "execution_count": None,
                    "outputs": [],
                    "source": text,
                }
            )
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell["outputs"], cell["execution_count"] = [], None
        (self.root / path.name).write_text(json.dumps(notebook))
        return path.name


class Notebook:
    """One notebook in one tab of the browser, in JupyterLab or ``at`` another page of the same server."""

    def __init__(self, lab: Lab, browser: BrowserContext, name: str, at: str = "lab/tree") -> None:
        self.lab, self.name = lab, name
        self.errors: list[str] = []
        self.page: Page = browser.new_page()
        self.page.set_default_timeout(15_000)
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda e: self.errors.append(str(e)))
        self.page.goto(f"{lab.url}/{at}/{name}?token={lab.token}&reset")
        self.wait(
            "() => { const s = window.jupyterapp?.shell?.currentWidget?.sessionContext;"
            " return s?.isReady && s.session?.kernel?.status === 'idle'; }",
            f"{name} open with an idle kernel",
            180,
        )

    def close(self) -> None:
        self.page.close()
        self.lab.stop_kernels()

    def screenshot(self, name: str, of: Locator | None = None) -> Path:
        """Into build/screenshots; returns the file."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{Path(self.name).stem}_{name}.png"
        (of or self.page).screenshot(path=path)
        return path

    def wait(self, condition: str, what: str, seconds: float = 15, arg: Any = None) -> Any:
        """Until a JavaScript function returns something true; on time-out says what was awaited."""
        try:
            return self.page.wait_for_function(
                condition, arg=arg, timeout=1000 * seconds, polling=50
            ).json_value()
        except PlaywrightTimeout:
            shot = self.screenshot("timeout")
            raise AssertionError(f"{self.name}: waited {seconds:g} s for: {what}. See {shot}") from None

    def command(self, name: str, **args: Any) -> None:
        """One of JupyterLab's own commands."""
        self.page.evaluate(
            "([n, a]) => window.jupyterapp.commands.execute(n, a).then(() => null)", [name, args]
        )

    def run_all(self, seconds: float = 900) -> None:
        """Run all cells, and wait until they have run and all widgets show their first picture."""
        self.page.evaluate(
            "() => { window.sslDone = false; window.jupyterapp.commands.execute('notebook:run-all-cells')"
            ".then(() => { window.sslDone = true; }); }"
        )
        self.wait("() => window.sslDone", "all cells have run", seconds)
        self.idle()

    def cut_short(self) -> None:
        """From now on training ends after ten steps: what is tested is not what was learned."""
        self.ask("import os; os.environ['SSL_COURSE_MAX_STEPS'] = '10'")

    def idle(self, seconds: float = 30) -> None:
        self.wait(
            "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'",
            "the kernel is idle",
            seconds,
        )

    def run_cell(self, index: int, wait: bool = True) -> None:
        """Run one cell; without `wait`, return at once."""
        self.page.evaluate(
            "([i, wait]) => { const p = window.jupyterapp.shell.currentWidget; p.content.activeCellIndex = i;"
            " const done = window.jupyterapp.commands.execute('notebook:run-cell');"
            " return wait ? done.then(() => null) : null; }",
            [index, wait],
        )

    def cell_errors(self) -> list[str]:
        """The error outputs of all cells."""
        return self.page.evaluate(
            "() => [...window.jupyterapp.shell.currentWidget.content.model.cells].flatMap((c, i) =>"
            " c.type !== 'code' ? [] : c.outputs.toJSON().filter(o => o.output_type === 'error')"
            ".map(o => `cell ${i}: ${o.ename}: ${o.evalue}`))"
        )

    def printed(self) -> dict[str, str]:
        """cell id → what the cells have printed whose stored output must come out again."""
        return printed(
            self.page.evaluate(
                "() => [...window.jupyterapp.shell.currentWidget.content.model.cells].map(c => c.toJSON())"
            )
        )

    def ask(self, code: str) -> str:
        """What `code` prints, run in the notebook's kernel but not in a cell."""
        answer = self.page.evaluate(
            """async (code) => {
              const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
              const future = kernel.requestExecute({ code, store_history: false });
              const out = { text: "", error: "" };
              future.onIOPub = (m) => {
                if (m.header.msg_type === "stream" && m.content.name === "stdout") out.text += m.content.text;
                if (m.header.msg_type === "error") out.error = m.content.ename + ": " + m.content.evalue;
              };
              await future.done;
              return out;
            }""",
            code,
        )
        assert not answer["error"], answer["error"]
        return answer["text"]

    def theme(self, name: str) -> None:
        self.command("apputils:change-theme", theme=name)
        light = str(name == LIGHT).lower()
        self.wait("(l) => document.body.dataset.jpThemeLight === l", f"the theme {name}", 15, light)
        self.page.wait_for_timeout(300)  # colours fade

    def explorers(self) -> list[Shown]:
        """The widgets on the page, in order; scrolls through the notebook so that all of it is there."""
        cells = self.page.evaluate("() => window.jupyterapp.shell.currentWidget.content.widgets.length")
        for index in range(cells):
            self.page.evaluate(
                "(i) => { const n = window.jupyterapp.shell.currentWidget.content;"
                " n.scrollToItem(i, 'smart'); }",
                index,
            )
        self.page.wait_for_timeout(300)
        found = self.page.locator(".ssl-explorer:has(.ssl-canvas[data-canvas])")
        return [Shown(self, found.nth(i)) for i in range(found.count())]

    def slides(self) -> list[tuple[int, list[float]]]:
        """As slides on a projector: of each state, which a press of a key brings, its cell and the heights of all that is shown.

        Leaves the slides open: the command deck:stop closes them.
        """
        self.page.set_viewport_size(PROJECTOR)
        self.page.evaluate("() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 0; }")
        self.command("deck:start")
        self.wait("() => document.querySelector('.jp-Deck .jp-deck-mod-visible')", "the slides")
        kinds = self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.content.widgets.map("
            "c => c.model.getMetadata('slideshow')?.slide_type)"
        )
        states = []
        for index in (i for i, kind in enumerate(kinds) if kind not in ("skip", "notes")):
            self.page.evaluate(
                "(i) => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = i; }", index
            )
            heights, now = None, self.page.evaluate(HEIGHTS)
            while heights != now:  # until nothing grows any more
                self.page.wait_for_timeout(60)
                heights, now = now, self.page.evaluate(HEIGHTS)
            states.append((index, now))
        return states

    def serious(self, include: str = "[class*='ssl-']") -> list[str]:
        """What axe-core finds serious or critical inside our own elements."""
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
        if not self.page.locator(include).count():
            return []
        result = self.page.evaluate(LOOK_THROUGH, {"include": [[include]]})
        return [
            f"{v['id']} ({v['impact']}): {v['help']}: {n['html'][:200]}"
            for v in result
            if v["impact"] in ("serious", "critical")
            for n in v["nodes"]
        ]

    def new_errors(self, known: set[str]) -> list[str]:
        """Console errors that an empty notebook does not have."""
        return [e for e in self.errors if sameness(e) not in known]


def printed(cells: list[dict[str, Any]]) -> dict[str, str]:
    """cell id → standard output of the cells tagged nbval-check-output, of a notebook's JSON."""
    return {
        cell["id"]: "".join(
            "".join(output["text"])
            for output in cell["outputs"]
            if output["output_type"] == "stream" and output["name"] == "stdout"
        )
        for cell in cells
        if "nbval-check-output" in cell["metadata"].get("tags", [])
    }


def all_pictures_are_seen(page: Page) -> None:
    """Those of `STORED`, on a page that shows it as it is stored."""
    outputs = [o for c in json.loads(STORED.read_text("utf-8"))["cells"] for o in c.get("outputs", ())]
    stored = sum("".join(o.get("data", {}).get("text/html", "")).count('class="ssl-shown"') for o in outputs)
    pictures = page.evaluate(PICTURES)
    assert len(pictures) == stored >= 3
    for alt, whole, width, height in pictures:
        assert alt and whole and width > 150 and height > 50, f"not to be seen: {alt!r}"


def sameness(error: str) -> str:
    """An error without what differs from run to run: numbers, ids, addresses."""
    return re.sub(r"https?://\S+|[0-9a-f]{8,}|\d+", "#", error)[:200]


class Shown:
    """One widget on the page."""

    def __init__(self, notebook: Notebook, box: Locator) -> None:
        self.notebook, self.box, self.page = notebook, box, notebook.page
        self.canvas_id = box.locator(".ssl-canvas").get_attribute("data-canvas")
        self.kind, self.labels = json.loads(self.notebook.ask(ABOUT % self.canvas_id))

    def values(self) -> str:
        """All values, as they are written in Python."""
        return self.notebook.ask(VALUES % self.canvas_id)

    def truth(self) -> dict[str, Any]:
        """What the kernel says should be shown, rendered afresh from the current values."""
        return json.loads(self.notebook.ask(TRUTH % self.canvas_id))

    def number(self) -> int:
        """The number of the frame on the screen."""
        return int(self.box.locator(".ssl-canvas").get_attribute("data-frame"))

    def hashes(self) -> list[str]:
        """sha256 of the RGBA bytes of each picture, read back from its canvas, or of the text of a drawing."""
        return self.box.locator(".ssl-canvas").evaluate(
            """async (el) => Promise.all([...el.querySelectorAll(".ssl-picture")].map(async (c) => {
              let bytes;
              const canvas = c.querySelector("canvas");
              if (canvas) {
                bytes = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
              } else {
                const fresh = document.createElement("div");
                fresh.innerHTML = c.sslContent;
                const bare = (node) => {  // less the size of its letters, which the width of the page decides
                  const copy = node.cloneNode(true);
                  for (const text of copy.querySelectorAll("text")) text.removeAttribute("style");
                  return copy.innerHTML;
                };
                if (bare(fresh) !== bare(c)) return "the page shows another drawing than it was sent";
                bytes = new TextEncoder().encode(c.sslContent);
              }
              const digest = await crypto.subtle.digest("SHA-256", bytes);
              return [...new Uint8Array(digest)].map((b) => b.toString(16).padStart(2, "0")).join("");
            }))"""
        )

    def start(self) -> list[str]:
        """The picture of the default values, also where the lecture has left the widget with others."""
        self.notebook.ask(START % self.canvas_id)
        return self.settled()

    def settled(self) -> list[str]:
        """Waits until the screen shows the kernel's newest frame; asserts that it is the right one."""
        while not (truth := self.truth())["drawn"]:
            self.page.wait_for_timeout(50)
        self.notebook.wait(
            "([id, n]) => [...document.querySelectorAll('.ssl-canvas')].some(e => e.dataset.canvas === id"
            " && Number(e.dataset.frame) >= n)",
            f"frame {truth['newest'][1]} of {self.kind}",
            15,
            [self.canvas_id, truth["newest"][1]],
        )
        shown = self.hashes()
        # What a control said may have reached the kernel since it was asked, and its picture the page.
        if json.loads(self.notebook.ask(NEWEST % self.canvas_id)) != truth["newest"]:
            return self.settled()
        assert not truth["error"], f"{self.kind} with {truth['values']}: {truth['error']}"
        assert shown == truth["hashes"], f"{self.kind}: the pixels are not those of render({truth['values']})"
        return shown

    def control(self, label: str) -> Locator:
        """The control with this description."""
        exact = re.compile(rf"^\s*{re.escape(label)}\s*$")
        named = self.page.locator("label, .widget-label, .widget-label-basic span").filter(has_text=exact)
        return self.box.locator(":is(.ssl-group, .ssl-end) > :not(.ssl-end)").filter(has=named).first

    def move(self, label: str) -> None:
        """Moves a control by one step, as a student would, by keyboard where there is one."""
        before = self.number()
        control = self.control(label)
        if not control.is_visible():
            self.box.locator(".ssl-more:not(.mod-active)").click()
        control.scroll_into_view_if_needed()
        slider = control.locator("[role=slider]")
        if slider.count():
            handle = slider.first
            at_end = float(handle.get_attribute("aria-valuenow")) >= float(
                handle.get_attribute("aria-valuemax")
            )
            handle.focus()
            self.page.keyboard.press("ArrowLeft" if at_end else "ArrowRight")
        elif control.locator("select").count():
            select = control.locator("select")
            options = select.locator("option").count()
            if options < 2:
                return
            now = select.evaluate("s => s.selectedIndex")
            select.select_option(index=(now + 1) % options)
        elif control.locator("input[type=checkbox]").count():
            control.locator("input[type=checkbox]").click()
        elif control.locator("input[type=radio]").count():
            control.locator("input[type=radio]:not(:checked)").first.click()
        elif control.locator("button").count():
            control.locator("button:not(.mod-active)").first.click()
        else:
            field = control.locator("input, textarea").first
            field.fill(field.input_value() + "1")
            field.press("Enter")
        self.next_frame(before, f"a new picture after moving {label!r}")

    def next_frame(self, before: int, what: str, seconds: float = 15) -> None:
        self.notebook.wait(
            "([id, n]) => [...document.querySelectorAll('.ssl-canvas')].some(e => e.dataset.canvas === id"
            " && Number(e.dataset.frame) > n)",
            f"{what} ({self.kind})",
            seconds,
            [self.canvas_id, before],
        )


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


Opener = Callable[..., Notebook]
