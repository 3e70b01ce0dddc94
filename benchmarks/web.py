"""The web edition in a real browser, how fast and how large: `make site`, then `python benchmarks/web.py`.

From an arrow key on a slider to the painted frame, for every baked widget; from a question to the network's answer, and
from a slider to the painted answer, for every live network; bytes of each page before and after its widgets are touched,
and of the whole site. Nothing else may run meanwhile.

    python benchmarks/web.py --lectures 03 04 --json build/web.json
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import torch
from playwright.sync_api import BrowserContext, Page, sync_playwright
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from latency import WARM, summary  # noqa: E402

from tools.browser import FLAGS, HELP, find_browser  # noqa: E402
from tools.export_networks import NETWORKS, examples  # noqa: E402
from tools.site import SITE, served  # noqa: E402

MOST_MS, PAGE, WHOLE, FIRST = 40, 3e6, 60e6, 4.5e6  # the goals
STEPS = 24
# Runs in the page: from an event to the paint of what it changed. A frame callback stands right before that paint, a
# message right behind it.
WATCH = """([node, attribute, kind]) => {
  const log = (window.sslTimes = []);
  let began = 0;
  addEventListener(kind, (event) => { began = event.timeStamp; }, true);
  new MutationObserver(() => {
    const mine = began;
    if (!mine) return;
    began = 0;
    requestAnimationFrame(() => {
      const behind = new MessageChannel();
      behind.port1.onmessage = () => log.push(performance.now() - mine);
      behind.port2.postMessage(0);
    });
  }).observe(node, { attributes: true, attributeFilter: [attribute] });
}"""
SECTIONS = {"colours": "colours", "mae": "masks", "hole": "hole", "views": "views", "caption": "caption"}
SLIDERS = {"mae": "hidden share", "views": "X₂'s hue"}


def pressed(tab: Page, act: Callable[[int], None]) -> dict[str, float]:
    """What `WATCH` has seen of as many acts, one after the other, at moments that follow no frame."""
    for step in range(STEPS + WARM):
        act(step)
        tab.wait_for_function("n => window.sslTimes.length > n", arg=step, timeout=20_000)
        tab.wait_for_timeout(37)
    return summary(tab.evaluate("window.sslTimes"))


def arrows(tab: Page, slider: Any, node: Any, attribute: str) -> dict[str, float]:
    """From an arrow key on a slider to the paint that follows a node's attribute; back at its end."""
    slider.scroll_into_view_if_needed()
    slider.focus()
    tab.evaluate(WATCH, [node, attribute, "keydown"])
    way = ["ArrowRight"]

    def press(_: int) -> None:
        now, low, high = (
            float(v) for v in slider.evaluate("s => [s.valueAsNumber, Number(s.min), Number(s.max)]")
        )
        way[0] = "ArrowLeft" if now >= high else "ArrowRight" if now <= low else way[0]
        tab.keyboard.press(way[0])

    return pressed(tab, press)


def lecture(window: BrowserContext, url: str) -> tuple[dict[str, Any], dict[str, int]]:
    """Its baked widgets, slider by slider (the first of each), and its bytes."""
    tab, sizes, rows = window.new_page(), {}, {}
    tab.on("response", lambda answer: sizes.setdefault(answer.url, answer))
    tab.goto(url)
    tab.wait_for_load_state("networkidle")
    untouched = set(sizes)
    for k, figure in enumerate(tab.locator("[data-baked]").all()):
        figure.scroll_into_view_if_needed()
        canvas = figure.locator(".ssl-canvas[data-frame]")
        canvas.wait_for(timeout=30_000)
        kind = figure.locator(".ssl-baked").get_attribute("data-kind")
        sliders = figure.locator(".ssl-baked .ssl-control input[type=range]")
        if sliders.count():
            rows[f"{url.rsplit('/', 1)[-1][:2]} {kind} {k + 1}"] = arrows(
                tab, sliders.first, canvas.element_handle(), "data-frame"
            )
    tab.evaluate("for (const i of document.images) i.loading = 'eager'")
    tab.wait_for_load_state("networkidle")
    length = {
        at: int(answer.headers.get("content-length", 0)) for at, answer in [*sizes.items()] if answer.ok
    }
    bytes_ = {
        "page": sum(length[a] for a in untouched & length.keys()),
        "all but widgets": sum(n for a, n in length.items() if "/baked/" not in a),
        "with widgets": sum(length.values()),
    }
    tab.close()
    return rows, bytes_


def networks(window: BrowserContext, url: str) -> dict[str, Any]:
    """How long each network takes for a picture, and its sliders."""
    tab = window.new_page()
    tab.goto(url)
    for name in SECTIONS:
        tab.locator(f"[data-live={name}]").scroll_into_view_if_needed()
        tab.wait_for_selector(f"[data-live={name}][data-drawn]", timeout=120_000)
    rows: dict[str, Any] = {}
    for name, network in NETWORKS.items():
        times = []
        for given in (examples(name) * STEPS)[: STEPS + WARM]:
            feeds = [
                (key, value.flatten().tolist(), list(value.shape), value.dtype == torch.int64)
                for key, value in zip(network.inputs, given, strict=True)
            ]
            pictures = len(given[0]) if network.inputs[0] == "pictures" else 1
            took = tab.evaluate(
                """async ([name, feeds]) => (await sslLive.ask(name, Object.fromEntries(feeds.map(([key, numbers, shape, whole]) =>
                    [key, [whole ? BigInt64Array.from(numbers, BigInt) : Float32Array.from(numbers), shape]])))).ms""",
                [name, feeds],
            )
            times.append(took / pictures)
        rows[f"{name}: the network alone"] = summary(times)
    for name, label in SLIDERS.items():
        place = tab.locator(f"[data-live={name}]")
        slider = place.get_by_label(label)
        rows[f"{name}: {label} to screen"] = arrows(tab, slider, place.element_handle(), "data-drawn")
    tab.close()
    return rows


# Runs in the page: when the first section is drawn, and what had been asked for by then of the runtime and the networks.
DRAWN = """new MutationObserver(() => { window.sslDrawn ??= performance.now(); })
  .observe(document, { subtree: true, attributes: true, attributeFilter: ["data-drawn"] })"""
CAME = """() => performance.getEntriesByType("resource").filter((e) => e.startTime <= window.sslDrawn &&
  /\\/(ort|xz)\\.|\\.onnx/.test(e.name)).reduce((sum, e) => sum + e.encodedBodySize, 0)"""


def first_network(window: BrowserContext, url: str) -> dict[str, int]:
    """Bytes of the runtime and of the networks that the section which the address names has asked for."""
    sizes = {}
    for name, anchor in SECTIONS.items():
        tab = window.new_page()
        tab.add_init_script(DRAWN)
        tab.goto(f"{url}#{anchor}")
        tab.wait_for_selector(f"[data-live={name}][data-drawn]", timeout=120_000)
        sizes[anchor] = tab.evaluate(CAME)
        tab.close()
    return sizes


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lectures", nargs="*", default=[""], metavar="NN", help="default: all")
    parser.add_argument("--json", type=Path, default=ROOT / "build/web.json")
    arguments = parser.parse_args()
    files = sorted(f for n in arguments.lectures for f in (SITE / "lectures").glob(f"{n}*.html"))
    if not files:
        parser.exit(2, "There is no such page in build/site: run `make site` first.\n")
    browser = find_browser()
    if browser is None:
        parser.exit(2, f"There is no browser. {HELP}\n")
    with (
        sync_playwright() as playwright,
        served() as address,
    ):
        chromium = playwright.chromium.launch(executable_path=browser, args=FLAGS)
        window = chromium.new_context(viewport={"width": 1360, "height": 900})
        widgets: dict[str, Any] = {}
        pages: dict[str, Any] = {}
        for file in tqdm(files, unit="lecture"):
            rows, pages[file.stem] = lecture(window, f"{address}/lectures/{file.name}")
            widgets |= rows
        live = networks(window, f"{address}/try.html")
        first = first_network(window, f"{address}/try.html")
        chromium.close()
    whole = sum(file.stat().st_size for file in SITE.rglob("*") if file.is_file())

    for name, row in (widgets | live).items():
        print(f"{name:48} {row['median_ms']:6.1f} ms, p95 {row['p95_ms']:6.1f}")
    for name, row in pages.items():
        print(f"{name:48} " + ", ".join(f"{key} {n / 1e6:.2f} MB" for key, n in row.items()))
    for name, n in first.items():
        print(f"try.html#{name:39} {n / 1e6:.2f} MB for the runtime and the first network")
    print(f"{'the whole site':48} {whole / 1e6:.1f} MB")
    for quantity, goal, values in (
        ("slider to screen, baked, median ms", MOST_MS, [row["median_ms"] for row in widgets.values()]),
        ("live networks, median ms", MOST_MS, [row["median_ms"] for row in live.values()]),
        ("page before its widgets, bytes", PAGE, [row["page"] for row in pages.values()]),
        ("runtime and first network, bytes", FIRST, list(first.values())),
        ("the whole site, bytes", WHOLE, [whole]),
    ):
        over = sum(v > goal for v in values)
        print(f"{quantity}: at most {max(values):,.0f}, goal {goal:,.0f}; {over} of {len(values)} above it")
    about = {"date": date.today().isoformat(), "machine": platform.machine(), "command": " ".join(sys.argv)}
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    measured = {"widgets": widgets, "live": live, "pages": pages, "first_network": first, "whole": whole}
    arguments.json.write_text(json.dumps(about | measured, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
