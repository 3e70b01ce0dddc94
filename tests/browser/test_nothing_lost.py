"""What a student entered outlives the kernel; pictures that students bring arrive, however large they are."""

from __future__ import annotations

import base64
import io
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from harness import DARK, LIGHT, Lab, Notebook, Opener
from PIL import Image, features
from playwright.sync_api import BrowserContext
from uploads import display_p3, file, p3_in_srgb

pytestmark = pytest.mark.browser

SETUP = """\
from ssl_course.course.exercises import lecture_00 as check
from ssl_course.course.lecture import predict, reveal"""
ASK = 'predict("00-jigsaw", "Nine tiles: how many orders?")'
CHOOSE = 'predict("00-labels", "How many labels?", "choice", ["about 60", "about 300"])'
STUB = "def mine(n, k):\n    ...\n\n\ncheck.perfect_psi(mine)"
ANSWER = STUB.replace("...", "return n / k  # mine")
SOLUTION = """\
verdict = check.perfect_psi(lambda n, k: 1 - (1 - 1 / k) ** n)
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


LIVE = """\
import torch
from ssl_course import nets
from ssl_course.data import scenes
from ssl_course.methods import Rotation
from ssl_course.widgets import live
torch.manual_seed(0)
net = Rotation(backbone=nets.ConvNet((4, 8)))
run = live(net, scenes.World().sample(64, size=16), steps=4000, batch_size=8)
run"""


def test_a_run_outlives_a_kernel_that_is_killed(
    lab: Lab, open_notebook: Opener, known_errors: set[str]
) -> None:
    notebook = open_notebook(lab.write("killed.ipynb", [LIVE]))
    notebook.run_all()
    page = notebook.page
    page.get_by_role("button", name="Start", exact=True).click()
    folder = lab.root / "kept" / "runs"
    notebook.wait(
        "() => /step (1[2-9]\\d|[2-9]\\d\\d|\\d,\\d+) of 4,000/.test(document.body.innerText)",
        "120 steps",
        120,
    )
    assert list(folder.glob("*.safetensors"))
    page.evaluate(  # its kernel ends itself in the middle of training, as a hub's memory limit would
        "() => { window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute("
        "{ code: 'import os; os.kill(os.getpid(), 9)' }); }"
    )
    page.locator(".jp-Dialog .jp-mod-accept").click(
        timeout=60_000
    )  # JupyterLab says that it has restarted it
    notebook.idle(60)
    notebook.run_all()
    offer = page.get_by_role("button", name="Resume at")
    offer.wait_for()
    at = int(offer.inner_text().removeprefix("Resume at ").replace(",", ""))
    assert at >= 100 and at % 100 == 0
    for theme in (DARK, LIGHT):
        notebook.theme(theme)
        notebook.screenshot(f"resume_{theme.split()[-1]}")
    assert notebook.serious() == []
    offer.click()
    notebook.wait("(n) => document.body.innerText.includes('Training.')", "it goes on")
    page.get_by_role("button", name="Pause", exact=True).click()
    notebook.wait("() => document.body.innerText.includes('Paused after step')", "it pauses")
    assert int(notebook.ask("print(run.index)")) > at and int(notebook.ask("print(run._begin)")) == at
    assert not offer.is_visible()
    notebook.screenshot("resumed")


LONG = LIVE.replace("steps=4000", "steps=1_000_000")
STEPS = "/step (\\d{1,3}(?:,\\d{3})*) of 1,000,000/"  # as the widget writes it


def steps(notebook: Notebook, least: int) -> int:
    """How many the page shows, once there are at least so many."""
    return notebook.wait(
        f"(least) => {{ const done = {STEPS}.exec(document.body.innerText)?.[1].replaceAll(',', '');"
        " return Number(done ?? -1) >= least ? Number(done) : 0; }",
        f"step {least:,}",
        120,
        least,
    )


def offered(notebook: Notebook) -> int:
    """The step that the same cell offers to go on from, in a new kernel."""
    notebook.run_all()
    offer = notebook.page.get_by_role("button", name="Resume at")
    offer.wait_for()
    at = int(offer.inner_text().removeprefix("Resume at ").replace(",", ""))
    offer.click()
    steps(notebook, at + 1)
    assert int(notebook.ask("print(run._begin)")) == at
    return at


def test_a_run_outlives_a_server_that_culls_and_one_that_is_killed(
    browser: BrowserContext, tmp_path: Path
) -> None:
    """A hub ends kernels that do nothing and whose page is closed: not one that trains."""
    idle = 5  # seconds
    culls = [f"--MappingKernelManager.cull_{what}" for what in (f"idle_timeout={idle}", "interval=1")]
    lab = Lab(tmp_path, *culls)
    try:
        name = lab.write("culled.ipynb", [LONG])
        notebook = Notebook(lab, browser, name)
        notebook.run_all()
        notebook.page.get_by_role("button", name="Start", exact=True).click()
        done = steps(notebook, 1)
        notebook.command("docmanager:save")
        notebook.page.close()
        time.sleep(2 * idle + 2)
        notebook = Notebook(lab, browser, name)
        ran = int(notebook.ask("print(run.index)"))
        assert ran > done, "it was stopped with its page"
        notebook.page.get_by_role("button", name="Pause", exact=True).click()
        notebook.wait("() => document.body.innerText.includes('Paused after step')", "it pauses")
        paused = steps(notebook, ran)
        notebook.page.close()
        end = time.monotonic() + 60
        while lab.api("GET", "api/kernels"):
            assert time.monotonic() < end, "nothing is culled here: nothing was tested"
            time.sleep(0.2)
        notebook = Notebook(lab, browser, name)
        assert paused - 100 <= (at := offered(notebook)) <= paused
        done = steps(notebook, at + 120)
        lab.process.kill()  # no word to anybody: its kernels find out by themselves
        lab.process.wait()
        notebook.page.close()

        lab = Lab(tmp_path)
        notebook = Notebook(lab, browser, name)
        assert done - 100 <= offered(notebook)
        notebook.close()
    finally:
        lab.stop()


@pytest.mark.skipif(os.name != "posix", reason="Windows stops no process for a while")
def test_a_run_goes_on_when_the_laptop_wakes(browser: BrowserContext, tmp_path: Path) -> None:
    """Everything stands still; the server wakes first and gives the page up, which must find it again."""
    # Milliseconds, where Jupyter waits for half a minute. At a ping the newest answer is that to the ping before: with a
    # timeout of one interval every page is given up at every ping, awake or not, and what its cells show is lost.
    soon = "{'ws_ping_interval': 1000, 'ws_ping_timeout': 6000}"
    lab = Lab(tmp_path, f"--ServerApp.tornado_settings={soon}")
    try:
        notebook = Notebook(lab, browser, lab.write("slept.ipynb", [LONG]))
        opened: list[int] = []
        notebook.page.on("websocket", lambda _: opened.append(1))  # each is a new connection
        notebook.run_all()
        notebook.page.get_by_role("button", name="Start", exact=True).click(timeout=60_000)
        steps(notebook, 1)
        servers = [psutil.Process(lab.process.pid)]
        servers += servers[0].children(recursive=True)
        pages = [p for p in psutil.Process().children(recursive=True) if "chrom" in p.name()]
        assert len(servers) > 1 and pages
        opened.clear()
        try:
            for process in servers + pages:
                process.suspend()
            time.sleep(2)
            for process in servers:
                process.resume()
            time.sleep(8)
        finally:
            for process in servers + pages:
                process.resume()
        notebook.wait(
            "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.connectionStatus === 'connected'",
            "the page is connected again",
            60,
        )
        now = int(notebook.ask("print(run.index)"))
        steps(notebook, now + 1)  # on the page, too
        assert opened, "the page kept its connection: nothing was tested"
        notebook.page.get_by_role("button", name="Pause", exact=True).click()
        notebook.wait("() => document.body.innerText.includes('Paused after step')", "it pauses")
        assert int(notebook.ask("print(run._begin)")) == 0, "it began anew"
        notebook.close()
    finally:
        lab.stop()


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


PAINTER = """\
from examples import example
painter = example("HolePainter")
came = []
painter.upload.on_msg(lambda _, content, buffers: came.append([bytes(b) for b in buffers]))
painter"""
NOW = """
import json
upload = painter.values()["upload"]
corners = [] if upload.image is None else [upload.image[:, y, x].tolist() for y in (8, 24) for x in (8, 24)]
sent = [(sum(map(len, buffers)), all(b[1:4] == b"PNG" for b in buffers)) for buffers in came]
print(json.dumps({"corners": corners, "message": upload.message, "sent": sent}))
"""
COLOURS = np.array(
    [[200, 80, 70], [90, 150, 80], [60, 90, 200], [180, 120, 220]]
)  # of the quarters, row by row


def quarters(width: int, height: int, colours: np.ndarray = COLOURS) -> np.ndarray:
    """A picture of four colours whose centred square has them in its corners."""
    rows = np.arange(height)[:, None] >= height // 2
    return colours[2 * rows + (np.arange(width) >= width // 2)].astype(np.uint8)


def arrived(notebook: Notebook, count: int) -> dict:
    """What the kernel has after so many uploads."""
    for _ in range(100):
        if len((now := json.loads(notebook.ask(NOW)))["sent"]) >= count:
            return now
        notebook.page.wait_for_timeout(100)
    raise AssertionError(f"upload {count} has not arrived: {now}")


def near(now: dict, colours: np.ndarray) -> bool:
    assert not now["message"]
    return np.abs(np.array(now["corners"]) - colours).max() < 5


def photograph(path: Path, width: int, **how: Any) -> Path:
    """Of a camera held upright: a picture that lies on its side, in Display P3, with the grain of a sensor."""
    height = width * 4 // 3
    upright = quarters(width, height) + np.random.default_rng(0).normal(0, 20, (height, width, 1))
    lying = Image.fromarray(upright.clip(0, 255).astype(np.uint8)).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    lying.save(path, exif=exif, icc_profile=display_p3(), **how)
    return path


def test_pictures_arrive(
    lab: Lab, open_notebook: Opener, browser: BrowserContext, tmp_path: Path, known_errors: set[str]
) -> None:
    notebook = open_notebook(lab.write("bring.ipynb", [PAINTER]))
    notebook.run_all()
    page, (painter,) = notebook.page, notebook.explorers()
    chooser = page.locator(".ssl-explorer input[type=file]")

    large = photograph(tmp_path / "IMG_0001.jpg", 3000, quality=99, subsampling=0)
    assert large.stat().st_size > 12e6
    chooser.set_input_files(large)
    now = arrived(notebook, 1)
    assert near(now, p3_in_srgb(COLOURS)), now
    assert not near(now, COLOURS)  # as they would be if the profile was not read
    assert now["sent"][0][0] < 1e6
    painter.settled()
    for theme in (DARK, LIGHT):
        notebook.theme(theme)
        notebook.screenshot(f"photograph_{theme.split()[-1]}")

    shifted = np.roll(COLOURS, 1, 0)
    wide = base64.b64encode(file(Image.fromarray(quarters(300, 200, shifted)))).decode()
    dropped = page.evaluate(
        """async (data) => {
          const bytes = await (await fetch(`data:image/png;base64,${data}`)).blob();
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([bytes], "mine.png", { type: "image/png" }));
          const panel = document.querySelector(".ssl-explorer .ssl-picture");
          return ["dragover", "drop"].map((name) =>
            !panel.dispatchEvent(new DragEvent(name, { bubbles: true, cancelable: true, dataTransfer })));
        }""",
        wide,
    )
    assert dropped == [True, True]  # the browser does not open the file instead
    assert near(arrived(notebook, 2), shifted)

    browser.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate(
        """async (data) => {
          const blob = await (await fetch(`data:image/png;base64,${data}`)).blob();
          await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
        }""",
        base64.b64encode(file(Image.fromarray(quarters(200, 300)))).decode(),
    )
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    page.locator(".ssl-explorer .ssl-picture").first.focus()
    page.keyboard.press("Control+v")
    assert near(arrived(notebook, 3), COLOURS)
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells  # and no cell was pasted

    (tmp_path / "letter.png").write_bytes(b"Dear reader")
    (tmp_path / "IMG_0002.heic").write_bytes(b"\0" * 6_000_000)
    for count, (name, says) in enumerate(
        [("letter.png", "not a picture that can be read here"), ("IMG_0002.heic", "cannot read IMG_0002.heic (6 MB)")], 4
    ):  # fmt: skip
        chooser.set_input_files(tmp_path / name)
        now = arrived(notebook, count)
        assert says in now["message"] and not now["corners"]
        notebook.wait(
            "(t) => document.querySelector('.ssl-error')?.innerText.includes(t)", "the sentence", arg=says
        )
    notebook.screenshot("broken")
    stream = io.BytesIO()  # this browser has no TIFF; the kernel has
    Image.fromarray(quarters(300, 200)).save(stream, "TIFF")
    (tmp_path / "scan.tif").write_bytes(stream.getvalue())
    chooser.set_input_files(tmp_path / "scan.tif")
    assert near(arrived(notebook, 6), COLOURS)
    if features.check(
        "avif"
    ):  # what is read here, with its turn and its colours, need not be read by the kernel
        chooser.set_input_files(photograph(tmp_path / "IMG_0003.avif", 600, quality=90, speed=10))
        now = arrived(notebook, 7)
        assert near(now, p3_in_srgb(COLOURS)) and now["sent"][-1][1], now
    assert not notebook.new_errors(known_errors) and notebook.serious() == []
