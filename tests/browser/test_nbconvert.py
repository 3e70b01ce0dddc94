"""A stored lecture as nbconvert shows it, without a kernel and without the net: pages in both themes, and paper.

Its `--to webpdf` starts no other browser than the one that Playwright downloads; what it would print, the page with the
media of paper, is printed here by the browser that there is.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from harness import SCREENSHOTS, STORED, all_pictures_are_seen
from PIL import Image
from playwright.sync_api import BrowserContext

pytestmark = pytest.mark.browser

DEAD = ("model not found", "Error displaying widget", "widget-view")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_converted_lecture_shows_all_its_pictures(
    browser: BrowserContext, tmp_path: Path, theme: str
) -> None:
    wanted = [sys.executable, "-m", "jupyter", "nbconvert", "--to", "html", "--theme", theme]
    subprocess.run([*wanted, "--output-dir", tmp_path, STORED], check=True, timeout=300)

    page = browser.new_page()
    try:
        page.route(re.compile("^https?:"), lambda route: route.abort())  # formulas would come from the net
        page.goto((tmp_path / STORED.with_suffix(".html").name).as_uri())
        page.wait_for_function("() => [...document.images].every((i) => i.complete)")
        all_pictures_are_seen(page)
        text = page.locator("body").inner_text()
        assert [word for word in DEAD if word in text] == []
        figures = page.locator(".ssl-figure").all_inner_texts()
        assert [t for t in figures if re.search(r"\$[^$\n]+\$", t)] == [], "formulas that wait for the net"
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        for number, picture in enumerate(page.locator("img.ssl-shown").all()):
            shot = picture.screenshot(path=SCREENSHOTS / f"nbconvert_{theme}_{number}.png")
            edge = np.asarray(Image.open(io.BytesIO(shot)).convert("L"), float)[6:-6, 6]
            assert (edge.mean() < 80) == (theme == "dark"), f"picture {number} has the other theme's paper"

        page.emulate_media(media="print")
        page.set_viewport_size({"width": 718, "height": 1000})  # of A4 within its margins
        beyond = "() => [...document.querySelectorAll('.ssl-shown')].filter(i => i.getBoundingClientRect().right > innerWidth).length"
        assert page.evaluate(beyond) == 0, "the paper cuts a picture"
        paper = page.pdf(format="A4", print_background=True)
        (SCREENSHOTS / f"nbconvert_{theme}.pdf").write_bytes(paper)
        assert paper.startswith(b"%PDF") and len(re.findall(rb"/Type\s*/Page\b", paper)) > 3
    finally:
        page.close()
