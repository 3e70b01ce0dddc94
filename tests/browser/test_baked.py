"""Baked widgets on the site: each is loaded when it comes into sight, and every control of it moves its picture."""

# ruff: noqa: F811 - fixtures of test_site
from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page
from test_site import BAKED, address, page, serious, whole  # noqa: F401 - two of them are fixtures

from tools import site

pytestmark = pytest.mark.browser

# What the page's canvas shows: the line below, captions, drawings as text; pictures by their pixels.
SEEN = """(figure) => JSON.stringify([
  figure.querySelector(".ssl-readout").innerHTML,
  ...[...figure.querySelectorAll(".ssl-panel")].map((p) => p.querySelector("figcaption").textContent
    + (p.querySelector("canvas")?.toDataURL() ?? p.querySelector(".ssl-picture").sslContent)),
])"""


def woken(tab: Page, figure: Locator) -> None:
    """Scrolled to, and alive."""
    figure.scroll_into_view_if_needed()
    figure.locator(".ssl-canvas[data-frame]").wait_for(timeout=30_000)


def table_of(figure: Locator) -> dict[str, Any]:
    path = figure.get_attribute("data-baked").removeprefix("../")
    return json.loads(gzip.decompress((site.SITE / path).read_bytes()))


def number(figure: Locator) -> int:
    return int(figure.locator(".ssl-canvas").get_attribute("data-frame"))


def after(tab: Page, figure: Locator, act: Any) -> str:
    """What is seen once ``act`` has had its frame."""
    before = number(figure)
    act()
    tab.wait_for_function(
        "([f, n]) => Number(f.querySelector('.ssl-canvas').dataset.frame) > n",
        arg=[figure.element_handle(), before],
        timeout=10_000,
    )
    return figure.evaluate(SEEN)


def turned(tab: Page, figure: Locator, control: Locator) -> set[str]:
    """What is seen at each value that the control offers."""
    seen = {figure.evaluate(SEEN)}
    if (slider := control.locator("input[type=range]")).count():
        last = int(slider.get_attribute("max"))
        for value in sorted({0, last // 2, last, 1}):
            if int(slider.input_value()) != value:
                seen.add(after(tab, figure, lambda v=value: slider.fill(str(v))))
                assert slider.input_value() == str(value), "a slider that does not stay where it was put"
    elif (select := control.locator("select")).count():
        for value in select.locator("option:not([disabled])").evaluate_all("o => o.map((x) => x.value)"):
            if select.input_value() != value:
                seen.add(after(tab, figure, lambda v=value: select.select_option(index=int(v))))
                assert select.input_value() == value
    elif (boxes := control.locator("input[type=radio]")).count():
        for k in range(boxes.count()):
            if not boxes.nth(k).is_checked():
                seen.add(after(tab, figure, boxes.nth(k).check))
    elif (box := control.locator("input[type=checkbox]")).count():
        seen.add(after(tab, figure, box.click))
        seen.add(after(tab, figure, box.click))
    return seen


def click(figure: Locator, table: dict[str, Any], panel: str) -> Any:
    """A click on the last cell of a panel that answers at the start; None where none does."""
    clicks = table["moves"]["down"][panel]
    key = ",".join(str(table["start"][n]) for n in clicks["on"])
    cells = [k for k, c in enumerate(clicks["maps"].get(key, [])) if c >= 0]
    if not cells:
        return None
    picture = figure.locator(".ssl-picture").nth(int(panel))
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    row, column = divmod(cells[-1], clicks["side"])
    x, y = ((v + 0.5) / clicks["side"] for v in (column, row))
    return lambda: picture.click(position={"x": x * box["width"], "y": y * box["height"]})


def open_up(tab: Page, figure: Locator, table: dict[str, Any]) -> bool:
    """A guess by a click, or all boxes ticked: what waits for one appears. Whether anything happened."""
    before = figure.evaluate(SEEN)
    for panel in table["moves"]["down"]:
        if act := click(figure, table, panel):
            after(tab, figure, act)
    for box in figure.locator("input[type=checkbox]").all():
        if not box.is_checked():
            after(tab, figure, box.click)
    return figure.evaluate(SEEN) != before


@pytest.mark.parametrize("name", BAKED)
def test_every_baked_control_is_alive(page: tuple[Page, list[str]], address: str, name: str) -> None:
    tab, wrong = page
    wrong.clear()
    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.emulate_media(color_scheme="light")
    tab.goto(f"{address}/{name}")
    figures = tab.locator("[data-baked]")
    for i in range(figures.count()):
        figure = figures.nth(i)
        woken(tab, figure)
        table = table_of(figure)
        what = f"{table['kind']} on {name}"
        start = figure.evaluate(SEEN)
        reset = figure.get_by_role("button", name="Reset", exact=True)
        controls = figure.locator(".ssl-control:not(.ssl-text)")
        assert controls.count() == sum(c["as"] != "text" for c in table["controls"])
        for k in range(controls.count()):
            seen = turned(tab, figure, controls.nth(k))
            if len(seen) < 2 and open_up(tab, figure, table):
                seen = turned(tab, figure, controls.nth(k))
            for other in table["controls"]:  # some act in another setting of a menu alone
                if len(seen) > 1 or other["as"] not in ("select", "radio"):
                    continue
                menu = controls.nth([c for c in table["controls"] if c["as"] != "text"].index(other))
                for option in menu.locator("option:not([disabled]), input").all():
                    if len(seen) < 2 and option.evaluate("o => o.tagName") == "OPTION":
                        menu.locator("select").select_option(index=int(option.get_attribute("value")))
                        seen = turned(tab, figure, controls.nth(k))
            label = [c["label"] for c in table["controls"] if c["as"] != "text"][k]
            assert len(seen) > 1, f"{what}: {label!r} changes nothing"
            assert after(tab, figure, reset.click) == start, f"{what}: Reset does not bring the start back"
        for label in table["actions"]:
            button = figure.get_by_role("button", name=label, exact=True)
            if button.is_enabled():
                after(tab, figure, button.click)
            after(tab, figure, reset.click)
        for panel in table["moves"]["down"]:
            act = click(figure, table, panel)
            assert act, f"{what}: no click on panel {panel} does anything at the start"
            assert after(tab, figure, act) != start, f"{what}: a click is lost"
            after(tab, figure, reset.click)
        for panel, keys in table["moves"]["key"].items():
            at_start = (",".join(str(table["start"][n]) for n in move["on"]) for move in keys.values())
            key = next((k for k, at in zip(keys, at_start, strict=True) if keys[k]["to"].get(at)), None)
            if key:
                picture = figure.locator(".ssl-picture").nth(int(panel))
                after(tab, figure, lambda p=picture, key=key: p.press("Space" if key == " " else key))
                after(tab, figure, reset.click)
        if table["play"] >= 0:
            figure.get_by_role("button", name="Play", exact=True).click()
            tab.wait_for_timeout(900)
            figure.get_by_role("button", name="Pause", exact=True).click()
            assert figure.evaluate(SEEN) != start, f"{what}: its run does not play"
    assert wrong == []


@pytest.mark.parametrize("name", BAKED)
def test_pages_with_baked_widgets_are_whole_on_a_phone(
    page: tuple[Page, list[str]], address: str, name: str
) -> None:
    """As they are stored, and in both themes once every widget is alive."""
    whole(page, address, name, "[data-baked]")  # all else is looked through below
    tab, wrong = page
    tab.set_viewport_size({"width": 360, "height": 780})
    figures = tab.locator("[data-baked]").all()
    for figure in figures:
        woken(tab, figure)
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        follows = f".ssl-baked[data-jp-theme-light={str(scheme == 'light').lower()}]"
        for figure in figures:
            figure.locator(follows).wait_for(state="attached", timeout=5_000)
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), "runs beyond the screen"
        assert serious(tab) == []
    assert wrong == []


def test_nothing_is_loaded_before_it_is_scrolled_to(page: tuple[Page, list[str]], address: str) -> None:
    tab, _ = page
    tab.set_viewport_size({"width": 360, "height": 780})
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url) if "/baked/" in request.url else None)
    tab.goto(f"{address}/{BAKED[-1]}")
    tab.wait_for_load_state("networkidle")
    assert asked == []
    woken(tab, tab.locator("[data-baked]").first)
    assert len(asked) >= 1


def test_a_baked_widget_needs_no_webassembly(browser: BrowserContext, address: str) -> None:
    tab = browser.new_page()
    tab.add_init_script("delete globalThis.WebAssembly")
    tab.goto(f"{address}/{BAKED[0]}")
    figure = tab.locator("[data-baked]").first
    woken(tab, figure)
    start = figure.evaluate(SEEN)
    seen = [
        len(turned(tab, figure, control)) for control in figure.locator(".ssl-control:not(.ssl-text)").all()
    ]
    assert start and max(seen) > 1
    tab.close()


def test_a_site_opened_from_a_folder_says_what_to_do(page: tuple[Page, list[str]], address: str) -> None:
    tab, _ = page
    tab.unroute_all()
    tab.goto((site.SITE / BAKED[0]).as_uri())
    tab.wait_for_timeout(500)
    figure = tab.locator("[data-baked]").first
    assert "python -m http.server" in figure.inner_text() and figure.locator("img").count() == 1
