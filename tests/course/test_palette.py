"""The course's colours are legible, and distinct for colour-blind readers."""

import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import legible
import nbformat
import numpy as np
import pytest

from ssl_course.course import palette
from ssl_course.widgets import Plot

LECTURES = sorted((Path(__file__).resolve().parents[2] / "lectures").glob("[0-9]*.ipynb"))
SVG = "{http://www.w3.org/2000/svg}"

GROUPS = {
    "roles": [palette.X1, palette.X2, palette.Y, palette.PSI],
    "biomes": list(palette.BIOME.values()),
}
ALL = GROUPS | {
    f"dark {name}": [palette.DARK[palette.NAMES[c]] for c in group] for name, group in GROUPS.items()
}
# Machado, Oliveira, Fernandes 2009, severity 1.0, on linear RGB
SEEN_BY = {
    "normal": np.eye(3),
    "protanope": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranope": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanope": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}  # fmt: skip


def linear(colour: str) -> np.ndarray:
    """'#rrggbb' → linear RGB."""
    return legible.linear(legible.shown(colour, dark=False)[:3])


def contrast(a: str, b: str) -> float:
    """WCAG 2 contrast ratio."""
    return legible.contrast(*(legible.shown(c, dark=False)[:3] for c in (a, b)))


def lab(rgb: np.ndarray) -> np.ndarray:
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x = to_xyz @ np.clip(rgb, 0, 1) / [0.9505, 1, 1.089]
    f = np.where(x > 0.008856, np.cbrt(x), 7.787 * x + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_contrast_formula() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


LIGHT = {name: colour for colour, name in palette.NAMES.items()}
WORDS = sorted(LIGHT.keys() - {"grid", "paper", "wash"})
# In light these two are too faint for the wash, on which no word of them stands without a halo of paper: `legible` sees
# to that in every state of every widget, the test after the next in all drawings that the lectures have stored.
ON_PAPER = {"desert", "sea"}


@pytest.mark.parametrize("name", WORDS)
@pytest.mark.parametrize("ground", ["paper", "wash"])
@pytest.mark.parametrize("theme", [LIGHT, palette.DARK], ids=["light", "dark"])
def test_words_are_legible(name: str, ground: str, theme: dict[str, str]) -> None:
    if (ground, theme) == ("wash", LIGHT) and name in ON_PAPER:
        assert 4 < contrast(theme[name], theme[ground]) < 4.5, "legible: no exception any more"
    else:
        assert contrast(theme[name], theme[ground]) >= 4.5


@pytest.mark.parametrize("name", sorted(set(WORDS) - {"ink"}))
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_ink_is_legible_on_a_ground_of_any_colour(name: str, dark: bool) -> None:
    """With the most of the colour that a ground may have; any other lies between that and paper."""
    ground, ink = (legible.shown(c, dark)[:3] for c in (palette.ground(LIGHT[name], 1), palette.INK))
    assert legible.contrast(ink, ground) >= 4.5


def parts(of: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """All inside a drawing but what is inside a smaller one, which has its own places."""
    for child in of:
        if child.tag != f"{SVG}svg":
            yield child
            yield from parts(child)


def words_on_wash(svg: str) -> set[str]:
    """The colours, by name, of all words without a halo that lie in a box around something filled with the wash."""
    root, found = ElementTree.fromstring(svg), set()
    rules = dict(
        re.findall(r"\.(\w+)\{([^}]*)\}", svg)
    )  # a film names looks and elements that it has many times
    shared = {f"#{e.get('id')}": e for e in root.iter() if e.get("id")}

    def fill(e: ElementTree.Element) -> str:
        look = f"fill:{e.get('fill')};{e.get('style')};{rules.get(e.get('class', ''))}"
        names = re.findall(r"fill: ?var\(--ssl-(\w+)", look)
        return names[0] if names else ""

    for drawing in root.iter(f"{SVG}svg"):
        inside = [shared.get(e.get("href", ""), e) for e in parts(drawing)]
        boxes = []
        for e in inside:
            if fill(e) == "wash":
                if e.tag == f"{SVG}rect":
                    x, y, wide, high = (float(e.get(k, 0)) for k in ("x", "y", "width", "height"))
                    corners = np.array([(x, y), (x + wide, y + high)])
                else:
                    corners = np.array(re.findall(r"-?[\d.]+", e.get("d", "")), float).reshape(-1, 2)
                boxes.append((corners.min(0), corners.max(0)))
        for e in inside:
            if e.tag == f"{SVG}text" and "stroke" not in e.keys():
                moved = re.search(r"translate\((\S+) (\S+)\)", e.get("transform", ""))
                at = np.array(moved.groups() if moved else (e.get("x", 0), e.get("y", 0)), float) - (0, 3)
                if any((low <= at).all() and (at <= high).all() for low, high in boxes):
                    found.add(fill(e))
    return found


def test_words_on_the_wash_of_a_stored_drawing_are_legible() -> None:
    found = set()
    for lecture in LECTURES:
        for cell in nbformat.read(lecture, 4).cells:
            for output in cell.get("outputs", ()):
                html = output.get("data", {}).get("text/html", "")
                drawings = (unquote(data) for data in re.findall(r"svg\+xml,([^\"]+)", html))
                found |= set().union(*(words_on_wash(svg) for svg in drawings if "--ssl-wash," in svg))
    assert found >= {"ink", "muted", "psi"} and not found & {"", *ON_PAPER}, found


def test_a_faint_word_on_the_wash_is_found() -> None:
    plot = Plot(200, 100, (0, 1), (0, 1)).rect(0, 0, 1, 1, palette.WASH)
    plot.text(0.5, 0.5, "a", LIGHT["sea"]).text(0.5, 0.2, "b", LIGHT["desert"], halo=True).text(
        0, 1.1, "c", palette.Y
    )
    assert words_on_wash(plot.svg()) == {"sea"}


def test_every_colour_has_its_name_and_its_dark_one() -> None:
    assert set(palette.NAMES.values()) == palette.DARK.keys() and len(palette.NAMES) == len(palette.DARK)


@pytest.mark.parametrize("eyes", SEEN_BY)
@pytest.mark.parametrize("group", ALL)
def test_colours_of_a_group_stay_apart(group: str, eyes: str) -> None:
    seen = [lab(np.array(SEEN_BY[eyes]) @ linear(c)) for c in ALL[group]]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) >= 20  # ΔE₇₆; 2.3 is just noticeable


def test_mixes() -> None:
    assert palette.rgb("#1450f5") == (20, 80, 245)
    assert palette.mix("#000000", "#ff8000", 0.5) == "#804000"
    assert (
        palette.mix(palette.PAPER, palette.X2, 0) == palette.PAPER
        and palette.mix("#000000", "#010203", 7) == "#010203"
    )
