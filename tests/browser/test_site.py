"""The course's site, made from the stored notebooks and read in a browser that reaches nothing else."""

from __future__ import annotations

import ast
import io
import re
import zipfile
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urljoin

import nbformat
import pytest
from filelock import FileLock
from harness import AXE, LOOK_THROUGH
from playwright.sync_api import BrowserContext, Page, Response

from ssl_course.course.exercises import lecture_02, lecture_09
from tools import bake, site
from tools.build import ROOT, notebook_of, sources

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
    found = page.evaluate(LOOK_THROUGH, part)
    return [
        f"{v['id']}: {v['help']}: {node['html'][:160]}"
        for v in found
        if v["impact"] in ("serious", "critical")
        for node in v["nodes"][:3]
    ]


def on_a_phone(page: tuple[Page, list[str]], address: str, name: str) -> tuple[Page, list[str]]:
    """The tab, as narrow as a phone, at a page of the site, and what goes wrong from now on."""
    tab, wrong = page
    wrong.clear()
    tab.set_viewport_size({"width": 360, "height": 780})
    tab.goto(f"{address}/{name}")
    return tab, wrong


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
    coloured: dict[str, set[str]] = {"light": set(), "dark": set()}
    for number, name in enumerate(sorted(others)):
        scheme = ("light", "dark")[number // 2 % 2]
        tab.set_viewport_size({"width": WIDTHS[-(number % 2)], "height": 900})
        tab.emulate_media(color_scheme=scheme)
        tab.goto(f"{address}/{name}")
        assert tab.evaluate(BEYOND) == [], name
        # Lines of code, in few colours: once a theme has shown them all, the first lines stand for the others.
        colours = set(re.findall(r'<span class="(\w+)">', (site.SITE / name).read_text(encoding="utf-8")))
        if colours <= coloured[scheme]:
            tab.evaluate(
                "for (const code of document.querySelectorAll('pre')) code.textContent = code.textContent.slice(0, 400)"
            )
        assert serious(tab) == [], name
        coloured[scheme] |= colours
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
    tab, wrong = on_a_phone(page, address, name)
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


# What may be cut between two pages of paper.
CUT = """height => [...document.querySelectorAll("article figure, article img, .ssl-panel, .katex-display")].filter((e) =>
  e.offsetParent && (getComputedStyle(e).breakInside !== "avoid" || e.getBoundingClientRect().height > height))
  .map((e) => e.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("name", LECTURES)
def test_no_figure_of_a_lecture_is_cut_on_paper(
    page: tuple[Page, list[str]], address: str, name: str
) -> None:
    tab, wrong = page
    wrong.clear()
    tab.set_viewport_size(PAPER)
    tab.goto(f"{address}/{name}")
    tab.evaluate("for (const one of document.images) one.loading = 'eager'")
    tab.wait_for_function("[...document.images].every((one) => one.complete && one.naturalWidth)")
    tab.emulate_media(media="print", color_scheme="light")
    assert tab.evaluate(CUT, PAPER["height"]) == []
    assert tab.evaluate(BEYOND) == []
    tab.emulate_media(media="screen")
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
    assert tab.evaluate(CUT, PAPER["height"]) == [], "may be cut between two pages"
    assert tab.evaluate(BEYOND) == []
    tab.emulate_media(media="screen")
    assert wrong == []


LINK = r'<[a-z][^<>]*? (?:href|src|data-baked)="([^"]+)"'


def test_every_link_leads_somewhere_below_any_address(address: str) -> None:
    """None begins with a slash: a fork's site lies in a folder of its host."""
    texts = {
        str(file.relative_to(site.SITE)): file.read_text(encoding="utf-8")
        for file in site.SITE.rglob("*.html")
    }
    known = {
        name: {unescape(one) for one in re.findall(r'<[a-z][^<>]*? id="([^"]+)"', text)}
        for name, text in texts.items()
    }
    astray = set()
    for name, text in texts.items():
        for link in {unescape(one) for one in re.findall(LINK, text)}:
            if re.match(r"[a-z]+:", link):
                continue
            path, _, at = urljoin(name, link).partition("#")
            path = unquote(path.partition("?")[0])
            there = (site.SITE / path).is_file() and (not at or unquote(at) in known[path])
            if link.startswith("/") or not there:
                astray.add((name, link))
    assert not astray and len(known) > len(LECTURES) + len(OTHERS)


def test_lectures_follow_one_another(address: str) -> None:
    turned, name = [], "index.html"
    for _ in LECTURES:
        text = (site.SITE / name).read_text(encoding="utf-8")
        name = urljoin(name, re.search(r'class="next-page" href="([^"]+)"', text)[1])
        turned.append(name)
        assert 'class="prev-page"' in (site.SITE / name).read_text(encoding="utf-8")
    assert turned == LECTURES


def test_the_reference_has_every_public_name_with_its_source(address: str) -> None:
    said = "".join(file.read_text(encoding="utf-8") for file in (site.SITE / "api").glob("*.html"))
    sources_of = dict(
        re.findall(r'<dt class="sig[^"]*" id="(ssl_course\.[^"]+)">(.*?)</dt>', said, re.DOTALL)
    )
    public = set()
    for file in (ROOT / "ssl_course").rglob("*.py"):
        parts = file.relative_to(ROOT).with_suffix("").parts
        module = ".".join(parts).removesuffix(".__init__")
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in tree.body if "._" not in module else ():
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                public.add(f"{module}.{node.name}")
            for part in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(part, ast.FunctionDef):
                    public.add(f"{module}.{node.name}.{part.name}")
    public = {name for name in public if "._" not in name}
    assert len(public) > 1000 and public - sources_of.keys() == set()
    assert [name for name in public if "viewcode-link" not in sources_of[name]] == []


def test_the_search_finds_a_lecture(page: tuple[Page, list[str]], address: str) -> None:
    tab, wrong = page
    wrong.clear()
    tab.goto(f"{address}/index.html")
    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.locator(".sidebar-search").fill("watershed")
    tab.locator(".sidebar-search").press("Enter")
    found = tab.locator("#search-results li a[href*='09_collapse']").first
    found.wait_for(timeout=30_000)
    found.click()
    assert LECTURES[9] in tab.url
    assert wrong == []


def test_what_is_offered_comes_and_can_be_opened(page: tuple[Page, list[str]], address: str) -> None:
    tab, _ = page
    for name, src in zip(LECTURES, sources(), strict=True):
        tab.goto(f"{address}/{name}")
        links = tab.locator("#furo-main-content > section > p a[download]").evaluate_all(
            "all => all.map(a => a.href)"
        )
        own, students = (tab.request.get(link) for link in links)
        assert own.ok and own.body() == notebook_of(src).read_bytes()
        nbformat.validate(nbformat.reads(own.text(), as_version=4))
        assert students.ok
    with zipfile.ZipFile(io.BytesIO(students.body())) as packed:
        assert packed.testzip() is None
        for src in sources():
            notebook = nbformat.reads(packed.read(f"lectures/{src.stem}.ipynb").decode(), as_version=4)
            nbformat.validate(notebook)
            assert not any("solution" in cell.metadata.get("tags", []) for cell in notebook.cells)
    with tab.expect_download() as fetched:
        tab.locator("a[download]").first.click()
    assert fetched.value.suggested_filename == f"{sources()[-1].stem}.ipynb"


@pytest.mark.parametrize("name", LECTURES)
def test_an_exercise_says_how_to_run_it_and_folds_its_hint(address: str, name: str) -> None:
    text = (site.SITE / name).read_text(encoding="utf-8")
    cards = re.findall(r"… Not solved yet\.</b>(.*?)</div>", text, re.DOTALL)
    notebook = nbformat.read(site.ROOT / name.replace(".html", ".ipynb"), as_version=4)
    assert len(cards) == sum(
        "Not solved yet" in output.get("data", {}).get("text/html", "")
        for cell in notebook.cells
        for output in cell.get("outputs", ())
    )
    assert len(cards) >= 2
    for card in cards:
        assert (
            f'href="../_static/notebooks/{Path(name).stem}.ipynb" download' in card and "run the cell" in card
        )
    assert any("<details><summary>Hint</summary>" in card for card in cards)


def test_a_hint_is_what_the_check_says_to_an_answer_that_is_wrong() -> None:
    for stem, check in (("02_x", lecture_02.scaled), ("09_x", lecture_09.two_points)):
        said = site.hint(stem, f"check.{check.__name__}(mine)")
        assert said and check(lambda *_: 12345.0).text.endswith(said)
    assert site.hint("01_x", "check.ci_free_world(mine)") == "" == site.hint("01_x", "1 + 1")


@pytest.fixture
def touched(browser: BrowserContext) -> Iterator[Page]:
    """A tab of a phone, whose fingers hover over nothing."""
    phone = browser.browser.new_context(
        has_touch=True, is_mobile=True, viewport={"width": 360, "height": 780}
    )
    yield phone.new_page()
    phone.close()


def test_a_tap_shows_what_a_word_means_and_a_second_leads_there(touched: Page, address: str) -> None:
    touched.goto(f"{address}/{LECTURES[0]}")
    box, words = touched.locator("#ssl-meaning"), touched.locator(WORD)
    words.first.tap()
    assert box.is_visible() and box.inner_text() and LECTURES[0] in touched.url
    box.tap()
    assert box.is_visible()
    words.nth(1).tap()
    assert words.nth(1).get_attribute("aria-describedby") == "ssl-meaning"
    touched.locator("h1").first.tap()
    assert not box.is_visible()
    words.first.tap()
    words.first.tap()
    touched.wait_for_url("**/glossary.html#*")


# Where the keyboard stands, and whether that is on the screen.
STANDS = """() => {
  const { left, right, width } = document.activeElement.getBoundingClientRect();
  return [document.activeElement.id || document.activeElement.outerHTML.slice(0, 90), right > 0 && left < innerWidth && width > 0];
}"""


@pytest.mark.parametrize("name", ["index.html", LECTURES[4]])
def test_on_a_narrow_screen_keys_reach_the_lists_and_nothing_unseen(
    page: tuple[Page, list[str]], address: str, name: str
) -> None:
    tab, wrong = on_a_phone(page, address, name)
    lists = {"__navigation": ".sidebar-drawer", "__toc": ".toc-drawer"}
    reached = []
    for _ in range(30):
        tab.keyboard.press("Tab")
        who, seen = tab.evaluate(STANDS)
        assert seen, f"the keyboard stands on what nobody sees: {who}"
        reached.append(who)
    assert [box for box in lists if box in reached] == list(lists)[: 1 + (name != "index.html")]
    for box, inside in lists.items():
        if box in reached:
            for key in ("Space", "Enter"):
                tab.locator(f"#{box}").focus()
                tab.keyboard.press(key)
                assert tab.locator(inside).locator(":focus").count() == 1, f"{key} does not open {inside}"
                tab.keyboard.press("Escape")
                assert tab.evaluate("document.activeElement.id") == box
                tab.locator(inside).wait_for(state="hidden")
    assert wrong == []


@pytest.mark.parametrize("name, held", [(BAKED[0], "baked.js|canvas.js|/baked/"), ("try.html", "live")])
def test_nothing_that_moves_holds_up_the_first_paint(
    browser: BrowserContext, address: str, name: str, held: str
) -> None:
    """What widgets need never comes here, and the page is painted all the same."""
    tab, asked = browser.new_page(), []
    wanted = re.compile(rf"_static/.*(?:{held})(?!.*\.(?:css|webp))")
    tab.route(wanted, lambda route: asked.append(route.request.url))
    tab.goto(f"{address}/{name}", wait_until="commit")
    tab.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
    tab.locator("h1").wait_for()
    assert asked
    tab.close()


def test_without_storage_a_guess_counts_for_the_visit(browser: BrowserContext, address: str) -> None:
    tab = browser.new_page()
    tab.add_init_script(
        "Object.defineProperty(Storage.prototype, 'getItem', { value() { throw new Error('not here'); } });"
        "Object.defineProperty(Storage.prototype, 'setItem', { value() { throw new Error('not here'); } });"
    )
    tab.goto(f"{address}/{LECTURES[1]}")
    asked = tab.locator(".ssl-predict[data-key]").first
    asked.locator("input").fill("54")
    asked.locator("input").blur()
    told = tab.locator(f".ssl-reveal[data-key='{asked.get_attribute('data-key')}'] > div")
    assert told.is_visible() and "Your guess: 54" in told.inner_text()
    assert tab.locator(WORD).count() >= 5, "what comes after the guesses was not done"
    tab.close()
