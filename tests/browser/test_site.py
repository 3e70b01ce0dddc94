"""The course's site, made from the stored notebooks and read in a browser that reaches nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from harness import AXE
from playwright.sync_api import BrowserContext, Page, Response

from tools import bake, site
from tools.build import sources

pytestmark = pytest.mark.browser
LECTURES = [f"lectures/{src.stem}.html" for src in sources()]
BAKED = [f"lectures/{src.stem}.html" for src in sources() if bake.index_of(src)["widgets"]]
OTHERS = [
    *(f"{name}.html" for name in ("index", "try", "glossary", "bibliography", "teach", "search", "genindex")),
    *(f"api/{room}.html" for room in ("index", "contracts", *site.ROOMS)),
]
PAPER = {"width": 718, "height": 1047}  # A4 within Chromium's margins, in CSS pixels
WIDTHS = (360, 600, 1024, 1280, 1600)


# What sticks out of the page, and so makes it scroll sideways.
BEYOND = """() => document.documentElement.scrollWidth <= innerWidth ? [] :
  [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
    .slice(0, 5).map((e) => e.outerHTML.slice(0, 120))"""


@pytest.fixture(scope="module")
def address(testrun_uid: str) -> Iterator[str]:
    """Where the site is served, once it is made, without one warning; by one worker for all of this run."""
    made = site.SITE / ".made"
    site.SITE.parent.mkdir(exist_ok=True)
    with FileLock(site.SITE.with_suffix(".lock")):
        if not made.exists() or made.read_text() != testrun_uid:
            assert site.main() == 0
            made.write_text(testrun_uid)
    with site.served() as there:
        yield there


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
    """Opens a page from a phone's width to a wall's, one theme narrow and the other wide: nothing goes wrong, is cut off, or is not typeset."""
    tab, wrong = page
    wrong.clear()
    came: list[Response] = []
    note = lambda answer: came.append(answer)  # noqa: E731
    tab.on("response", note)
    tab.set_viewport_size({"width": 360, "height": 780})
    narrow, wide = ("dark", "light") if len(name) % 2 else ("light", "dark")
    tab.emulate_media(color_scheme=narrow)
    tab.goto(f"{address}/{name}")
    tab.wait_for_load_state("networkidle")
    tab.remove_listener("response", note)
    assert wrong == []
    assert (
        sum(int(answer.headers["content-length"]) for answer in came if "/live/" not in answer.url)
        < 3_000_000
    )
    assert tab.locator(".katex-error").count() == 0
    words = tab.evaluate(
        "[...document.querySelectorAll('article p, article li, .ssl-shown')].map(e => e.innerText).join('\\n')"
    )
    assert not re.search(r"\$[^$\n]*\\\w+[^$\n]*\$|\\\(", words), "a formula is not typeset"
    assert name not in LECTURES or "For the lecturer" not in words
    for width in WIDTHS:
        tab.set_viewport_size({"width": width, "height": 900})
        tab.emulate_media(color_scheme=wide if width == WIDTHS[-1] else narrow)
        beyond = tab.evaluate(BEYOND)
        assert beyond == [], f"runs beyond {width} px"
        if width in (WIDTHS[0], WIDTHS[-1]):
            assert serious(tab, part) == [], f"at {width} px"
    assert wrong == []


def test_every_other_page_is_whole(page: tuple[Page, list[str]], address: str) -> None:
    tab, wrong = page
    wrong.clear()
    others = {str(file.relative_to(site.SITE)) for file in site.SITE.rglob("*.html")} - {*OTHERS, *LECTURES}
    assert others and all(name.startswith(("_modules/", "py-modindex")) for name in others), (
        "a page that no test opens"
    )
    for number, name in enumerate(sorted(others)):
        tab.set_viewport_size({"width": WIDTHS[-(number % 2)], "height": 900})
        tab.emulate_media(color_scheme=("light", "dark")[number // 2 % 2])
        tab.goto(f"{address}/{name}")
        assert tab.evaluate(BEYOND) == [], name
        if number % 10 == 0:  # lines of code, all made by one template
            assert serious(tab) == [], name
    assert wrong == []


@pytest.mark.parametrize("name", [*OTHERS, *(name for name in LECTURES if name not in BAKED)])
def test_pages_are_whole_from_phone_to_wall_in_both_themes(
    page: tuple[Page, list[str]], address: str, name: str
) -> None:
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


WORD = "a.ssl-word"


@pytest.mark.parametrize("name", LECTURES)
def test_words_of_the_glossary_tell_their_meaning(
    page: tuple[Page, list[str]], address: str, name: str
) -> None:
    tab, wrong = page
    wrong.clear()
    tab.set_viewport_size({"width": 360, "height": 780})
    tab.goto(f"{address}/{name}")
    words = tab.locator(WORD)
    assert words.count() >= 5, "a lecture uses words of the glossary"
    assert tab.locator(f"article :is(h1, h2, h3, h4, code, pre, .katex, button) {WORD}").count() == 0
    twice = tab.evaluate(
        """word => [...document.querySelectorAll("article section")].flatMap((section) => {
          const own = [...section.querySelectorAll(word)].filter((e) => e.closest("section") === section).map((e) => e.hash);
          return own.filter((e, k) => own.indexOf(e) !== k);
        })""",
        WORD,
    )
    assert twice == [], "more than once in a section"
    said = (site.SITE / "glossary.html").read_text(encoding="utf-8")
    for k in {0, words.count() // 2, words.count() - 1}:
        word, box = words.nth(k), tab.locator("#ssl-meaning")
        word.focus()
        assert box.is_visible() and word.get_attribute("aria-describedby") == "ssl-meaning"
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
            "its box runs beyond the screen"
        )
        assert f'id="{word.get_attribute("href").partition("#")[2]}"' in said, "leads nowhere"
        tab.keyboard.press("Escape")
        assert not box.is_visible()
    assert wrong == []


def test_a_meaning_is_that_of_the_glossary_and_can_be_pointed_at(
    page: tuple[Page, list[str]], address: str
) -> None:
    tab, wrong = page
    wrong.clear()
    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.goto(f"{address}/{LECTURES[0]}")
    box, word = tab.locator("#ssl-meaning"), tab.locator(WORD, has_text="linear probe").first
    word.hover()
    assert box.inner_text() == "Linear probe A linear classifier on frozen features."
    box.hover()
    tab.wait_for_timeout(400)
    assert box.is_visible(), "whoever reads it with a lens points at it"
    tab.mouse.move(5, 5)
    box.wait_for(state="hidden")
    word.click()
    assert tab.url.endswith("glossary.html#linear-probe")
    assert wrong == []


def test_a_lecture_prints_whole(page: tuple[Page, list[str]], address: str) -> None:
    tab, wrong = page
    wrong.clear()
    tab.emulate_media(color_scheme="dark")  # paper is white all the same
    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.goto(f"{address}/lectures/01_desert_forest_sea.html")
    alive = tab.locator("[data-baked]").first
    alive.scroll_into_view_if_needed()
    alive.locator(".ssl-canvas[data-frame]").wait_for()
    dark = alive.locator(".ssl-baked")
    assert dark.get_attribute("data-jp-theme-light") == "false"
    printed = tab.pdf(format="A4", print_background=True)
    assert printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") > 5
    tab.emulate_media(media="print", color_scheme="dark")
    tab.set_viewport_size(PAPER)
    for solution in tab.locator("details:has(summary:has-text('Solution'))").all():
        assert solution.locator("pre").first.bounding_box()["height"] > 20, "a solution is folded"
    for hidden in (
        ".ssl-controls",
        ".ssl-player",
        ".ssl-guess",
        ".ssl-reveal > button",
        "#ssl-meaning",
        ".skip-to-content",
    ):
        assert not [e for e in tab.locator(hidden).all() if e.is_visible()], f"{hidden}: nobody can press it"
    assert all(e.is_visible() for e in tab.locator(".ssl-reveal > div").all())
    cut = tab.evaluate(
        """height => [...document.querySelectorAll("article figure, article img, .ssl-panel, .katex-display")].filter((e) =>
          e.offsetParent && (getComputedStyle(e).breakInside !== "avoid" || e.getBoundingClientRect().height > height))
          .map((e) => e.outerHTML.slice(0, 120))""",
        PAPER["height"],
    )
    assert cut == [], "may be cut between two pages"
    assert tab.evaluate(BEYOND) == []
    tab.emulate_media(media="screen")
    assert wrong == []
