"""The course's site, made from the stored notebooks and read in a browser that reaches nothing else."""

from __future__ import annotations

import functools
import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from harness import AXE
from playwright.sync_api import BrowserContext, Page

from tools import bake, site
from tools.build import sources

pytestmark = pytest.mark.browser
LECTURES = [f"lectures/{src.stem}.html" for src in sources()]
BAKED = [f"lectures/{src.stem}.html" for src in sources() if bake.index_of(src)["widgets"]]
OTHERS = [
    "index.html",
    "try.html",
    "glossary.html",
    "bibliography.html",
    "teach.html",
    "api/index.html",
    "api/theory.html",
]


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server of files that says nothing."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(testrun_uid: str) -> Iterator[str]:
    """Where the site is served, once it is made, without one warning; by one worker for all of this run."""
    made = site.SITE / ".made"
    site.SITE.parent.mkdir(exist_ok=True)
    with FileLock(site.SITE.with_suffix(".lock")):
        if not made.exists() or made.read_text() != testrun_uid:
            assert site.main() == 0
            made.write_text(testrun_uid)
    handler = functools.partial(Quiet, directory=str(site.SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def page(browser: BrowserContext, address: str) -> Iterator[tuple[Page, list[str]]]:
    """A tab as narrow as a phone, and what went wrong in it: errors, and requests to anybody else."""
    page, wrong = browser.new_page(), []
    page.set_viewport_size({"width": 360, "height": 780})
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))

    def only_here(route: object) -> None:
        if route.request.url.startswith((address, "data:", "blob:")):
            route.continue_()
        else:
            wrong.append(f"asks {route.request.url}")
            route.abort()

    page.route("**/*", only_here)
    yield page, wrong
    page.close()


def serious(page: Page, part: str = "article") -> list[str]:
    """What axe-core finds serious or critical in a part of the page, by default all that is its own."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate(
        "async (part) => (await axe.run(part, { resultTypes: ['violations'] })).violations", part
    )
    return [
        f"{v['id']}: {v['help']}: {node['html'][:160]}"
        for v in found
        if v["impact"] in ("serious", "critical")
        for node in v["nodes"][:3]
    ]


def whole(page: tuple[Page, list[str]], address: str, name: str, part: str = "article") -> None:
    """Opens a page as on a phone, in one of the two themes: nothing goes wrong, is cut off, or is not typeset."""
    tab, wrong = page
    wrong.clear()
    tab.set_viewport_size({"width": 360, "height": 780})
    tab.emulate_media(color_scheme="dark" if len(name) % 2 else "light")
    tab.goto(f"{address}/{name}")
    tab.wait_for_load_state("networkidle")
    assert wrong == []
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), "runs beyond the screen"
    assert tab.locator(".katex-error").count() == 0
    words = tab.evaluate(
        "[...document.querySelectorAll('article p, article li, .ssl-shown')].map(e => e.innerText).join('\\n')"
    )
    assert not re.search(r"\$[^$\n]*\\\w+[^$\n]*\$|\\\(", words), "a formula is not typeset"
    assert name not in LECTURES or "For the lecturer" not in words
    assert serious(tab, part) == []
    size = (site.SITE / name).stat().st_size
    assert size < 3_000_000


@pytest.mark.parametrize("name", [*OTHERS, *(name for name in LECTURES if name not in BAKED)])
def test_pages_are_whole_on_a_phone(page: tuple[Page, list[str]], address: str, name: str) -> None:
    whole(page, address, name)


def test_a_guess_is_kept_and_uncovers_what_was_measured(page: tuple[Page, list[str]], address: str) -> None:
    tab, wrong = page
    tab.goto(f"{address}/lectures/01_desert_forest_sea.html")
    asked = tab.locator(".ssl-predict[data-key]").first
    told = tab.locator(f".ssl-reveal[data-key='{asked.get_attribute('data-key')}'] > div")
    assert not told.is_visible()
    asked.locator("input").fill("54")
    asked.locator("input").blur()
    assert told.is_visible() and "Your guess: 54" in told.inner_text()
    tab.reload()
    assert tab.locator(".ssl-predict[data-key] input").first.input_value() == "54"
    asked.locator("input").fill("")
    asked.locator("input").blur()
    assert not told.is_visible()
    assert wrong == []


def test_solutions_are_folded_and_assertions_left_out(page: tuple[Page, list[str]], address: str) -> None:
    tab, _ = page
    tab.goto(f"{address}/lectures/01_desert_forest_sea.html")
    solutions = tab.locator("details:has(summary:has-text('Solution'))")
    assert solutions.count() >= 2
    assert not solutions.first.locator("pre").first.is_visible()
    assert "here.whole" not in tab.content() and "ssl_course.__version__" not in tab.content()


def test_the_site_is_small(address: str) -> None:
    files = [file for file in Path(site.SITE).rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 60_000_000
