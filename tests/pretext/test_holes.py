"""Holes: how large, where, and how they grow, the last against scipy."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from ssl_course.data.pictures import Pictures
from ssl_course.methods import ContextEncoder
from ssl_course.nets import MEAN, ConvNet
from ssl_course.pretext import holes


def draw(kind, n=50, size=32, share=0.25, seed=0):
    return holes.make_holes(kind, n, size, share, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", [*holes.KINDS, "mixed"])
def test_holes_are_masks_of_both_values(kind, device):
    hole = holes.make_holes(kind, 20, 32, 0.25, device=device)
    assert hole.shape == (20, 1, 32, 32) and set(hole.unique().tolist()) == {0.0, 1.0}
    inside = hole.mean((1, 2, 3))
    assert (inside > 0).all() and (inside < 1).all()


def test_the_centre_is_a_quarter_in_the_middle():
    hole = draw("centre")[0, 0]
    by_hand = torch.zeros(32, 32)
    by_hand[8:24, 8:24] = 1
    assert torch.equal(hole, by_hand)
    assert torch.equal(draw("around")[0, 0], 1 - by_hand)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.6])
def test_free_regions_have_exactly_their_share(share):
    areas = draw("free", share=share).sum((1, 2, 3))
    assert (areas == round(1024 * share)).all()


def test_blocks_cover_at_most_their_share():
    hole = draw("blocks", 200)
    side = round(32 * (0.25 / holes.BLOCKS) ** 0.5)
    areas = hole.sum((1, 2, 3))
    assert (areas <= holes.BLOCKS * side**2).all() and (areas >= side**2).all()
    for one in hole[
        :20, 0
    ].numpy():  # opened by a square of that side, nothing is lost: it is a union of such squares
        assert np.array_equal(ndimage.binary_opening(one, np.ones((side, side))), one.astype(bool))
    centres = torch.stack([one.nonzero().float().mean(0) for one in hole[:, 0]])
    assert (centres.mean(0) - 15.5).abs().max() < 1  # anywhere


@pytest.mark.parametrize("kind", ["blocks", "free", "mixed"])
def test_each_picture_has_its_own_and_the_seed_decides(kind):
    assert torch.equal(draw(kind), draw(kind)) and not torch.equal(draw(kind), draw(kind, seed=1))
    assert len({one.numpy().tobytes() for one in draw(kind)}) > (3 if kind == "mixed" else 45)


def test_mixed_has_all_kinds():
    found = {one.numpy().tobytes() for one in draw("mixed", 60)}
    assert draw("centre")[0].numpy().tobytes() in found and draw("around")[0].numpy().tobytes() in found


@pytest.mark.parametrize("width", [0, 1, 4])
def test_dilation_against_scipy(width, device):
    hole = draw("free", 10).to(device)
    grown = holes.dilate(hole, width).cpu().numpy()
    square = np.ones((2 * width + 1,) * 2)
    for mine, one in zip(grown[:, 0], hole[:, 0].cpu().numpy(), strict=True):
        assert np.array_equal(mine, ndimage.binary_dilation(one, square))
    band = holes.border_band(hole, width)
    assert (band * hole == 0).all() and torch.equal((band + hole).cpu(), torch.from_numpy(grown))


def test_a_mask_is_a_hole_for_all(device):
    """In the corner and with a gap: what the method hides is the mask grown by it, what it asks for the mask."""
    mask = torch.zeros(16, 16, dtype=torch.bool)
    mask[:2, 13:] = True
    method = ContextEncoder(ConvNet((8, 16)), image_size=16, gap=3).to(device)
    method.hole = mask
    x1, x2 = pair = method.pair(
        Pictures(torch.randint(256, (3, 3, 16, 16), dtype=torch.uint8, device=device))
    )
    parts = {name: part.cpu().bool() for name, part in pair.parts.items()}
    grown = torch.zeros(16, 16, dtype=torch.bool)
    grown[:5, 10:] = True
    assert (parts["hole"] == mask).all() and (parts["hidden"] == grown).all() and len(parts["hole"]) == 3
    for shown, hidden in ((x1, grown), (x2, ~mask)):
        colours = shown.cpu().permute(0, 2, 3, 1)  # (N, H, W, 3)
        assert torch.allclose(colours[:, hidden], torch.tensor(MEAN)) and colours[:, ~hidden].std() > 0.1


def test_filling_touches_the_hole_only():
    images, hole = torch.rand(5, 3, 32, 32), draw("free", 5)
    colour = torch.tensor([0.1, 0.2, 0.3])
    filled = holes.fill(images, hole, colour)
    outside, inside = ~hole.bool().expand(-1, 3, -1, -1), hole[0, 0].bool()
    assert torch.equal(filled[outside], images[outside])
    assert torch.equal(filled[0][:, inside], colour[:, None].expand(-1, int(inside.sum())))


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="centre, blocks, free, around"):
        holes.make_holes("star", 1, 16)
    for share in (0, 1, 1.5):
        with pytest.raises(ValueError, match="share"):
            holes.make_holes("centre", 1, 16, share)
    with pytest.raises(ValueError, match="width"):
        holes.dilate(torch.zeros(1, 1, 4, 4), -1)
