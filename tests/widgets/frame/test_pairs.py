"""X₁ and X₂ as panels: each kind of tensor is drawn as what it is."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ssl_course.interfaces import Pair
from ssl_course.pretext.color import rgb_to_lab
from ssl_course.widgets.frame import draw
from ssl_course.widgets.frame.pairs import EVEN, as_set, pair_panels, picture_of, seeded, words_panel


def lab(picture: torch.Tensor) -> torch.Tensor:
    return rgb_to_lab(picture[None])[0]


def test_lightness_is_gray_and_colour_is_even() -> None:
    level = torch.linspace(10, 90, 16).view(1, 4, 4)
    seen = lab(picture_of(level))
    torch.testing.assert_close(seen[:1], level, atol=0.5, rtol=0)
    assert seen[1:].abs().max() < 0.5
    ab = torch.tensor([10.0, -15.0]).view(2, 1, 1).expand(2, 4, 4)
    seen = lab(picture_of(ab))
    torch.testing.assert_close(seen, torch.cat([torch.full((1, 4, 4), EVEN), ab]), atol=0.5, rtol=0)


def test_tiles_lie_in_their_order() -> None:
    tiles = torch.arange(9).view(9, 1, 1, 1).expand(9, 3, 5, 5) / 10
    whole = picture_of(tiles)
    assert [whole[2 + 9 * r, 2 + 9 * c, 0] for r in range(3) for c in range(3)] == [
        round(25.5 * k) for k in range(9)
    ]


@pytest.mark.parametrize("side", [120, 200])
@pytest.mark.parametrize(
    "text", ["three pines among spruces in the forest at dawn, in clear light", "1 2 3\n4 5 6\n7 8 9", "270°"]
)
def test_words_stay_inside_their_panel(text: str, side: int) -> None:
    pixels = words_panel(text, "X₂", side).rgba[..., :3].astype(int)
    drawn = np.abs(pixels - pixels[0, 0]).max(-1) > 40
    assert drawn.any() and not drawn[:, [0, -1]].any() and not drawn[[0, -1]].any()


def test_a_seed_draws_the_same_and_disturbs_nobody() -> None:
    before = torch.random.get_rng_state()
    with seeded(3):
        first = torch.rand(4)
    with seeded(3):
        assert torch.equal(torch.rand(4), first)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_method_as_a_control_says_leaves_the_one_that_is_shown_elsewhere() -> None:
    method = torch.nn.Linear(2, 2)
    changed = as_set(method, mask_ratio=0.5)
    assert changed.mask_ratio == 0.5 and not hasattr(method, "mask_ratio")
    assert changed.weight is method.weight


def test_panels_of_pictures_numbers_and_what_cannot_be_drawn() -> None:
    x = torch.rand(2, 3, 6, 6)
    plain = SimpleNamespace()
    panels = pair_panels(plain, Pair(x, x.flip(0)), row=1)
    assert [np.array_equal(p.rgba, draw.rgba(y)) for p, y in zip(panels, (x[1], x[0]), strict=True)] == [
        True
    ] * 2
    turned = pair_panels(SimpleNamespace(angles=(0.0, 90.0)), Pair(x, torch.tensor([0, 1])), row=1)
    assert turned[1].alt.endswith("90°")
    orders = torch.tensor([[0, 1, 2, 3], [3, 1, 0, 2]])
    puzzle = pair_panels(SimpleNamespace(permutations=orders), Pair(x, torch.tensor([1, 0])), row=0)
    assert puzzle[1].alt.endswith("4 2 1 3")
    assert pair_panels(plain, Pair(torch.rand(2, 5), torch.rand(2, 5))) == []
    assert pair_panels(plain, Pair(x, torch.tensor([0, 1]))) == []
    for x2, told in (
        (torch.tensor([[0.5, -2.0], [0.0, 0.0]]), "X₂: 0.5, −2"),
        (torch.tensor([0.25, 1.0]), "X₂: 0.25"),
    ):
        one, two = pair_panels(plain, Pair(x, x2), captions=("X₁", "X₂"))
        assert np.array_equal(one.rgba, draw.rgba(x[0])) and two.alt == told
