"""The networks on the site's pages: they answer as PyTorch does, survive what people bring, and tell nobody."""

from __future__ import annotations

import base64
import gzip
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import BrowserContext, Page
from test_site import BEYOND, address, page, serious  # noqa: F401 - the site, made once, and a tab that notes what goes wrong

from ssl_course import nets
from ssl_course.data import scenes
from ssl_course.pretext import augment
from ssl_course.pretext.words import SEP
from tools import export_networks, front, live, site
from tools.build import sources
from tools.export_networks import CLOSE, NETWORKS, SIZE, answers, examples, load

pytestmark = pytest.mark.browser
SECTIONS = ("colours", "mae", "hole", "views", "caption")


@pytest.fixture(scope="module")
def tried(page: tuple[Page, list[str]], address: str) -> tuple[Page, list[str]]:  # noqa: F811
    """The page, with all of its networks running."""
    tab, wrong = page
    tab.goto(f"{address}/try.html")
    for name in SECTIONS:
        tab.locator(f"[data-live={name}]").scroll_into_view_if_needed()
        tab.wait_for_selector(f"[data-live={name}][data-drawn]", timeout=120_000)
    assert wrong == []
    return tab, wrong


def pixels(tab: Page, section: str, panel: int) -> np.ndarray:
    """What a panel shows, (64, 64, 3) uint8: the middle of each of its enlarged pixels."""
    url = tab.locator(f"[data-live={section}] canvas").nth(panel).evaluate("c => c.toDataURL()")
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB"))
    return shown[2::4, 2::4]


def after(tab: Page, section: str, act: object) -> str:
    """What a section says once it has drawn again because of an act."""
    place = tab.locator(f"[data-live={section}]")
    before = int(place.get_attribute("data-drawn"))
    act()
    tab.wait_for_function(f"document.querySelector('[data-live={section}]').dataset.drawn > {before}")
    return place.locator(".live-line").inner_text()


def test_every_network_answers_as_in_pytorch(tried: tuple[Page, list[str]]) -> None:
    tab, _ = tried
    for name, network in NETWORKS.items():
        asked = network.asked(load(network.checkpoint))
        for given in examples(name):
            feeds = [
                (key, value.flatten().tolist(), list(value.shape), value.dtype == torch.int64)
                for key, value in zip(network.inputs, given, strict=True)
            ]
            said = tab.evaluate(
                """async ([name, feeds]) => {
                  const given = Object.fromEntries(feeds.map(([key, numbers, shape, whole]) =>
                    [key, [whole ? BigInt64Array.from(numbers, BigInt) : Float32Array.from(numbers), shape]]));
                  const { ms, ...said } = await sslLive.ask(name, given);
                  return Object.fromEntries(Object.entries(said).map(([key, value]) => [key, [...value.data]]));
                }""",
                [name, feeds],
            )
            with torch.no_grad():
                expected = answers(asked, given)
            for key, wanted in zip(network.outputs, expected, strict=True):
                got = torch.tensor(said[key]).view_as(wanted)
                scale = network.unit if wanted.ndim == 4 else float(wanted.norm(dim=1).max())
                assert float((got - wanted).abs().max()) < CLOSE * scale, (name, key)


def test_sixteen_bits_are_kept_only_where_no_answer_moves() -> None:
    for name, network in NETWORKS.items():
        asked = network.asked(load(network.checkpoint))
        assert export_networks.difference(name, asked, export_networks.halved(asked)) < CLOSE, name
    spoiled = export_networks.halved(asked)
    with torch.no_grad():
        for weight in spoiled.parameters():
            weight.mul_(1.02)
    assert export_networks.difference(name, asked, spoiled) > CLOSE


def test_the_page_draws_what_the_course_computes(tried: tuple[Page, list[str]]) -> None:
    tab, wrong = tried
    image = live.gallery().images[:1]
    hole = torch.zeros(1, 1, SIZE, SIZE)
    hole[..., 16:48, 16:48] = 1
    order = torch.tensor(live.noise()[: export_networks.PATCHES])[None]
    wanted = {
        "colours": load("colorization_l2").colorize(image),
        "mae": load("mae").reconstruct(image, noise=order)[0],
        "hole": load("context_encoder").inpaint(image, hole),
    }
    for section, filled in wanted.items():
        expected = (255 * filled[0].permute(1, 2, 0)).numpy()
        assert np.abs(pixels(tab, section, 1) - expected).max() < 1.5, section
        truth = image[0].permute(1, 2, 0).numpy()
        assert np.abs(pixels(tab, section, 2).astype(int) - truth).max() == 0, section
    assert wrong == []


def test_views_are_those_of_training(tried: tuple[Page, list[str]]) -> None:
    tab, _ = tried
    x = nets.as_float(live.gallery().images[3:4])
    for draw in (
        augment.Draw(),
        augment.Draw(top=3, left=7, height=40, width=31, flip=1),
        augment.Draw(brightness=1.3, contrast=0.7, saturation=1.4, hue=-0.1),
        augment.Draw(top=10, left=0, height=20, width=50, hue=0.37, saturation=0.6),
        augment.Draw(brightness=0.6, gray=1),
    ):
        given = {"top": 0, "left": 0, "height": SIZE, "width": SIZE} | {
            key: value for key, value in vars(draw).items() if value is not None
        }
        got = tab.evaluate(
            "([x, draw]) => [...sslLive.view(Float32Array.from(x), draw)]", [x.flatten().tolist(), given]
        )
        assert float((torch.tensor(got).view_as(x) - augment.apply(x, draw)).abs().max()) < CLOSE, draw


def test_captions_are_read_as_in_the_course(tried: tuple[Page, list[str]]) -> None:
    tab, _ = tried
    clip, some = load("clip"), live.gallery()
    for caption in (
        *scenes.World().sample(20, 16, seed=1).captions, "Two BOATS, at sea.", "don't -- stop!", "ein Schiff im Meer",
        "boat_boat boat-boat", "船 boat 🚢 café", "constructor toString __proto__", "a " * 500,
    ):  # fmt: skip
        row, end = tab.evaluate("caption => sslLive.encoded(caption)", caption)
        ids = clip.tokenize([caption], cut=True)[0].tolist()
        assert row[: len(ids)] == ids and row[end] == SEP and len(row) == clip.context, caption
    box = tab.get_by_label("a caption")
    for caption in live.CAPTIONS:
        after(tab, "caption", lambda text=caption: box.fill(text))
        order = tab.locator("[data-live=caption] .live-panels").get_attribute("data-order").split()
        with torch.no_grad():
            cosines = (clip.encode_image(some.images) @ clip.encode_text([caption]).T)[:, 0]
        ranked = cosines[[int(k) for k in order]]
        assert (ranked[:-1] - ranked[1:]).min() > -CLOSE
        assert float(ranked[0]) > float(cosines.max()) - CLOSE


def test_every_control_does_something(tried: tuple[Page, list[str]]) -> None:
    tab, wrong = tried
    share = tab.get_by_label("hidden share")
    said = after(tab, "mae", lambda: share.fill("0.25"))
    assert said.startswith("16 of 64 patches are hidden")
    assert after(tab, "mae", lambda: share.fill("1")).startswith("64 of 64")
    assert after(tab, "mae", lambda: share.fill("0")).startswith("Nothing is hidden")
    seen = tab.locator("[data-live=mae] canvas").first
    seen.scroll_into_view_if_needed()
    at = seen.bounding_box()
    step = at["width"] / 8

    def stroke() -> None:
        tab.mouse.move(at["x"] + step / 2, at["y"] + step / 2)
        tab.mouse.down()
        tab.mouse.move(at["x"] + 2.5 * step, at["y"] + step / 2, steps=8)
        tab.mouse.up()

    stroke()
    tab.wait_for_function(
        "document.querySelector('[data-live=mae] .live-line').textContent.startsWith('3 of 64')"
    )
    assert after(tab, "mae", lambda: seen.press(" ")).startswith("4 of 64")
    for kind in ("block", "grid", "random"):
        after(tab, "mae", lambda kind=kind: tab.get_by_label("pattern").select_option(kind))
    after(tab, "mae", lambda: share.fill("0.75"))
    before = pixels(tab, "mae", 0)
    after(tab, "mae", lambda: tab.get_by_role("button", name="draw again").click())
    assert (pixels(tab, "mae", 0) != before).any()

    assert after(tab, "hole", lambda: tab.get_by_role("button", name="no hole").click()).startswith(
        "There is no hole"
    )
    seen = tab.locator("[data-live=hole] canvas").first
    assert "The hole takes" in after(tab, "hole", lambda: seen.click(position={"x": 40, "y": 40}))
    assert "25 %" in after(tab, "hole", lambda: tab.get_by_role("button", name="the centre").click())

    twice = after(tab, "views", lambda: tab.get_by_role("button", name="twice the same").click())
    assert "cosine 1.00 in z" in twice
    for label, value in (("X₂'s hue", "0.4"), ("X₂'s size", "20")):
        assert (
            after(tab, "views", lambda label=label, value=value: tab.get_by_label(label).fill(value)) != twice
        )
    after(tab, "views", lambda: tab.get_by_label("X₂ gray").check())
    after(tab, "views", lambda: tab.get_by_role("button", name="two new views").click())
    before = pixels(tab, "views", 2)
    tab.get_by_role("button", name="twice the same").click()
    seen = tab.locator("[data-live=views] canvas").first
    after(tab, "views", lambda: seen.press("ArrowLeft"))
    assert tab.url.endswith("try.html"), "an arrow on a picture turned the page"

    vivid = after(tab, "colours", lambda: tab.get_by_label("answer").select_option("vivid"))
    assert vivid != after(tab, "colours", lambda: tab.get_by_label("temperature").fill("1"))
    after(tab, "colours", lambda: tab.get_by_label("answer").select_option("colours"))
    before = pixels(tab, "colours", 1)
    after(tab, "colours", lambda: tab.locator(".live-thumbs button").nth(5).click())
    assert (pixels(tab, "colours", 1) != before).any()
    after(tab, "colours", lambda: tab.locator(".live-thumbs button").first.click())
    assert wrong == []


def test_the_page_is_whole_with_every_network_alive(tried: tuple[Page, list[str]]) -> None:
    tab, wrong = tried
    for width in (360, 1600):
        tab.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            tab.emulate_media(color_scheme=scheme)
            assert tab.evaluate(BEYOND) == [], f"runs beyond {width} px"
            assert serious(tab) == [], f"{width} px, {scheme}"
    assert wrong == []


def picture(kind: str, size: tuple[int, int], colour: object = (200, 120, 40)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, kind)
    return file.getvalue()


SCRIPT = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>window.hacked = 1</script></svg>'
)


@pytest.mark.parametrize(
    "name, kind, content, says",
    [
        ("photo.png", "image/png", picture("png", (300, 200)), "300 × 200 pixels) is chosen"),
        ("one.png", "image/png", picture("png", (1, 1)), "1 × 1 pixels, fewer than the 64 × 64"),
        ("large.png", "image/png", picture("png", (8000, 6250)), "8000 × 6250 pixels) is chosen"),
        ("notes.jpg", "image/jpeg", b"this is no picture", "cannot read notes.jpg"),
        ("empty.jpg", "image/jpeg", b"", "cannot read empty.jpg"),
        ("half.png", "image/png", picture("png", (300, 200))[:60], "cannot read half.png"),
        ("drawing.svg", "image/svg+xml", SCRIPT, "instructions, which are not followed"),
        ("disguised.png", "image/png", SCRIPT, "cannot read disguised.png"),
        ("<img src=x onerror='hacked=1'>.jpg", "image/jpeg", b"x", "cannot read <img"),
    ],
    ids=[
        "photo",
        "1 × 1",
        "50 megapixels",
        "text",
        "empty",
        "cut off",
        "SVG",
        "SVG as PNG",
        "HTML in its name",
    ],
)
def test_what_people_bring(
    tried: tuple[Page, list[str]], name: str, kind: str, content: bytes, says: str
) -> None:
    tab, wrong = tried
    asked: list[str] = []
    note = lambda request: asked.append(request.url)  # noqa: E731
    tab.on("request", note)
    tab.get_by_label("your own photograph").set_input_files(
        {"name": name, "mimeType": kind, "buffer": content}
    )
    line = tab.locator("#live .live-line")
    tab.wait_for_function("!document.querySelector('#live .live-line').textContent.startsWith('Reading')")
    tab.wait_for_timeout(300)
    tab.remove_listener("request", note)
    assert says in line.inner_text()
    assert not [url for url in asked if not url.startswith(("data:", "blob:"))], "something left the page"
    assert tab.evaluate("typeof hacked") == "undefined"
    if "is chosen" in says:  # one colour everywhere: what it draws is that
        tab.wait_for_timeout(300)
        shown = pixels(tab, "colours", 2).astype(int)
        assert np.abs(shown - (200, 120, 40)).max() <= 1
    assert wrong == []


@pytest.mark.parametrize(
    "caption, says",
    [
        ("", "The caption is empty"),
        ("🚢 !!", "There is no word in this caption"),
        ("boat " * 2000, "reads the first 30"),
        ("x" * 10_000, "the order means nothing|this order means nothing"),
        ("<img src=x onerror='window.hacked = 1'> boat", "Never seen in training: img, src, x, onerror"),
    ],
    ids=["empty", "signs", "10,000 letters", "one word of 10,000", "HTML"],
)
def test_what_people_type(tried: tuple[Page, list[str]], caption: str, says: str) -> None:
    tab, wrong = tried
    said = after(tab, "caption", lambda: tab.get_by_label("a caption").fill(caption + " "))
    assert re.search(says, said) and len(said) < 400
    assert tab.evaluate("typeof hacked") == "undefined"
    assert tab.locator("[data-live=caption] img").count() == 0
    assert wrong == []


def test_without_webassembly_a_sentence_and_pictures_stay(browser: BrowserContext, address: str) -> None:  # noqa: F811
    tab = browser.new_page()
    tab.add_init_script("delete globalThis.WebAssembly")
    tab.goto(f"{address}/try.html")
    assert "no WebAssembly" in tab.locator("#live").inner_text()
    for name in SECTIONS:
        still = tab.locator(f"[data-live={name}] img")
        still.scroll_into_view_if_needed()
        assert still.is_visible() and still.evaluate("i => i.decode().then(() => i.naturalWidth > 0)")
        assert still.get_attribute("alt")
    tab.close()


def test_a_network_that_is_not_there_leaves_its_picture(browser: BrowserContext, address: str) -> None:  # noqa: F811
    tab = browser.new_page()
    tab.route("**/mae.onnx.gz*", lambda route: route.fulfill(status=404, body="no"))
    tab.goto(f"{address}/try.html")
    tab.wait_for_selector("[data-live=colours][data-drawn]", timeout=120_000)
    place = tab.locator("[data-live=mae]")
    place.scroll_into_view_if_needed()
    tab.wait_for_selector("[data-live=mae] .live-wrong", timeout=60_000)
    assert "could not be loaded (mae.onnx.gz is not there (404))" in place.inner_text()
    assert place.locator("img").is_visible()
    tab.close()


def test_from_a_folder_it_says_which_command_starts_a_server(browser: BrowserContext, address: str) -> None:  # noqa: F811
    tab = browser.new_page()
    tab.goto((site.SITE / "try.html").as_uri())
    assert "python -m http.server -d build/site" in tab.locator("#live").inner_text()
    assert tab.locator("[data-live=colours] img").is_visible()
    tab.close()


def test_networks_are_fetched_on_their_own_page_alone(browser: BrowserContext, address: str) -> None:  # noqa: F811
    tab, asked = browser.new_page(), []
    tab.on("request", lambda request: asked.append(request.url))
    for name in ("index.html", f"lectures/{sources()[4].stem}.html"):
        tab.goto(f"{address}/{name}")
        tab.wait_for_load_state("networkidle")
    assert not [url for url in asked if "ort." in url or ".onnx" in url]
    tab.close()


@pytest.mark.parametrize(
    "at, section, network",
    [
        ("", "colours", "colours"),
        ("#masks", "mae", "mae"),
        ("#hole", "hole", "hole"),
        ("#views", "views", "views"),
        ("#caption", "caption", "caption"),
    ],
)
def test_the_section_that_is_asked_for_comes_first_and_is_small(
    browser: BrowserContext,
    address: str,  # noqa: F811
    at: str,
    section: str,
    network: str,
) -> None:
    tab = browser.new_page()
    tab.add_init_script(
        """new MutationObserver((all) => {
          if (all.some((one) => one.attributeName === "data-drawn")) globalThis.drawnAt ??= performance.now();
        }).observe(document, { attributes: true, subtree: true })"""
    )
    tab.goto(f"{address}/try.html{at}")
    tab.wait_for_selector(f"[data-live={section}][data-drawn]", timeout=120_000)
    before = tab.evaluate(
        "performance.getEntriesByType('resource').filter((e) => e.startTime < drawnAt).map((e) => e.name)"
    )
    files = {url.removeprefix(address).partition("?")[0].lstrip("/") for url in before}
    first = [f for f in files if "ort." in f or "xz." in f or ".onnx" in f]
    wanted = [f"{network}.onnx.gz", "ort.mjs", "ort.wasm.xz", "xz.js"]
    assert sorted(f.rpartition("/")[2] for f in first) == sorted(wanted), "others wait until it is drawn"
    raw = [(site.SITE / f).read_bytes() for f in first]
    assert sum(min(len(r), len(gzip.compress(r))) for r in raw) < 4_500_000
    tab.close()


def test_the_first_page_moves_and_tells_what_was_measured(page: tuple[Page, list[str]], address: str) -> None:  # noqa: F811
    tab, wrong = page
    wrong.clear()
    tab.goto(f"{address}/index.html")
    words, drag = tab.locator(".front-strip p"), tab.locator(".front-strip input")
    first, shown = words.inner_text(), tab.locator(".front-second").first
    before = shown.evaluate("e => getComputedStyle(e).backgroundPosition")
    assert first.startswith("48 of 64 pieces are hidden")
    drag.fill("4")
    assert words.inner_text().startswith("16 of 64")
    assert shown.evaluate("e => getComputedStyle(e).backgroundPosition") != before
    cards = tab.locator(".ssl-lecture")
    assert cards.count() == len(sources()) == len(front.MEASURED)
    for number in range(cards.count()):
        card = cards.nth(number)
        assert re.search(r"\d", card.locator(".front-measured b").inner_text()), number
        card.scroll_into_view_if_needed()
        assert card.locator("img").evaluate("i => i.decode().then(() => i.naturalWidth > 0)")
    assert re.search(r"Edition [\d.]+\w*, made on \d+ \w+ 20\d\d", tab.locator("article").inner_text())
    assert wrong == []


def test_the_number_of_a_lecture_is_the_one_it_shows() -> None:
    said = {"text/plain": "guess: none; measured: 7. For a reason."}
    cell = {"source": 'reveal("04-work", x)', "outputs": [{"data": said}]}
    assert "<b>7</b> %" in front.measured("04_x", {"cells": [cell]})
    assert front.measured("04_x", {"cells": []}) == ""
    assert front.sentence("ε_CI² grows, **always**") == "ε<sub>CI</sub>² grows, always."
