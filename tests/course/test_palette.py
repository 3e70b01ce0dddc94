"""The course's colours are legible, and distinct for colour-blind readers."""

from itertools import combinations

import legible
import numpy as np
import pytest

from ssl_course.course import palette

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


@pytest.mark.parametrize("colour", [*GROUPS["roles"], *GROUPS["biomes"], palette.INK, palette.MUTED,
                                    palette.PASSED, palette.WRONG])  # fmt: skip
def test_text_on_paper_is_legible(colour: str) -> None:
    assert contrast(colour, palette.PAPER) >= 4.5


@pytest.mark.parametrize("name", sorted(palette.DARK.keys() - {"grid", "paper", "wash"}))
@pytest.mark.parametrize("ground", ["paper", "wash"])
def test_text_on_dark_paper_is_legible(name: str, ground: str) -> None:
    assert contrast(palette.DARK[name], palette.DARK[ground]) >= 4.5


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
