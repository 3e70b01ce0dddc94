"""One JupyterLab and one browser for all browser tests of a worker."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import SCREENSHOTS, Lab, Notebook, Opener, sameness
from playwright.sync_api import BrowserContext, sync_playwright

from tools.browser import FLAGS, find_browser


def pytest_sessionstart(session: pytest.Session) -> None:
    """Throws the last run's screenshots away, once, before workers share the tests."""
    if not hasattr(session.config, "workerinput"):
        shutil.rmtree(SCREENSHOTS, ignore_errors=True)


@pytest.hookimpl(trylast=True)  # when those that are not asked for are gone
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The site's pages first, the lectures in the middle: of two workers, which begin with a half each, one makes the
    site, for which nobody need wait, and one runs the lectures, which take longest."""
    lectures = [item for item in items if "test_lecture[" in item.nodeid]
    others = [item for item in items if "test_lecture[" not in item.nodeid]
    others.sort(key=lambda item: "address" not in getattr(item, "fixturenames", ()))
    half = len(items) // 2
    items[:] = others[:half] + lectures + others[half:]


@pytest.fixture(scope="session")
def browser() -> Iterator[BrowserContext]:
    """Chromium, or whatever find_browser() finds: one window, whose tabs share JupyterLab's files in its cache."""
    path = find_browser()
    if path is None:
        why = "no Chrome, Chromium or Edge: `python -m ssl_course doctor` says how to get one"
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium.new_context(viewport={"width": 1360, "height": 900})
        chromium.close()


@pytest.fixture(scope="session")
def lab(browser: BrowserContext, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab as `make lab` starts it, on an empty folder."""
    running = Lab(Path(tmp_path_factory.mktemp("lab")))
    yield running
    running.stop()


@pytest.fixture
def open_notebook(lab: Lab, browser: BrowserContext) -> Iterator[Opener]:
    """open_notebook(name, at=…) → Notebook; closed, with its kernel, after the test."""
    opened: list[Notebook] = []

    def open_one(name: str, **how: str) -> Notebook:
        opened.append(Notebook(lab, browser, name, **how))
        return opened[-1]

    yield open_one
    for notebook in opened:
        notebook.page.close()
    lab.stop_kernels(wait=False)


@pytest.fixture(scope="session")
def known_errors(lab: Lab, browser: BrowserContext) -> set[str]:
    """The console errors of an empty notebook that is run: JupyterLab's own."""
    notebook = Notebook(lab, browser, lab.write("empty.ipynb", ["1 + 1"]))
    notebook.run_all()
    notebook.theme("JupyterLab Dark")
    notebook.theme("JupyterLab Light")
    notebook.close()
    return {sameness(error) for error in notebook.errors}
