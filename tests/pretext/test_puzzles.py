"""Turns, tiles and orders against torchvision, against plain loops, and by counting."""

from itertools import permutations as orders_of
from math import factorial

import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from ssl_course.pretext import puzzles
from ssl_course.pretext.puzzles import permutation_set, smallest_distance


def pictures(n=4, size=32, seed=0):
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(seed))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# ---- rotation ----------------------------------------------------------------------------------------------


def test_a_quarter_turn_moves_pixels_counter_clockwise():
    images = torch.arange(2 * 3 * 5 * 5, dtype=torch.uint8).view(2, 3, 5, 5)
    for quarters in range(4):
        turned = puzzles.turn(images, 90.0 * quarters)
        for row in range(5):
            for column in range(5):
                r, c = row, column
                for _ in range(quarters):  # what lies at (r, c) came from one quarter further clockwise
                    r, c = c, 4 - r
                assert torch.equal(turned[:, :, row, column], images[:, :, r, c])
    assert torch.equal(puzzles.turn(images, -90), puzzles.turn(images, 270))


@pytest.mark.parametrize("degrees", [30.0, 45.0, -17.0, 200.0])
def test_other_angles_are_torchvisions(degrees):
    images = pictures()
    theirs = tv.rotate(images, degrees, InterpolationMode.BILINEAR)
    torch.testing.assert_close(puzzles.turn(images, degrees), theirs, atol=1e-5, rtol=0)


def test_only_interpolated_turns_leave_black_corners():
    white = torch.ones(1, 3, 32, 32)
    assert (puzzles.turn(white, 270) == 1).all()
    turned = puzzles.turn(white, 30)
    assert (turned[..., [0, 0, -1, -1], [0, -1, 0, -1]] == 0).all() and (
        turned[..., 12:20, 12:20] > 0.999
    ).all()


def test_all_turns_of_all_pictures_in_one_batch(device):
    images = pictures(3).to(device)
    turned, labels = puzzles.rotations(images)
    assert turned.shape == (12, 3, 32, 32) and labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    for row, k in enumerate(labels.tolist()):
        assert torch.equal(turned[row], torch.rot90(images[row % 3], k, (1, 2)))


def test_turns_that_cannot_be():
    with pytest.raises(ValueError, match="square"):
        puzzles.turn(torch.rand(1, 3, 8, 9), 90)
    with pytest.raises(ValueError, match="interpolates"):
        puzzles.turn(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), 45)


# ---- permutations ------------------------------------------------------------------------------------------


def brute_distance(rows):
    rows = [tuple(r) for r in rows.tolist()]
    return min(sum(a != b for a, b in zip(p, q, strict=True)) for p in rows for q in rows if p is not q)


def test_the_twelve_of_four_tiles_are_the_even_ones():
    even = {
        p for p in orders_of(range(4)) if sum(p[i] > p[j] for i in range(4) for j in range(i + 1, 4)) % 2 == 0
    }
    found = permutation_set(4, 12)
    assert {tuple(p) for p in found.tolist()} == even and found.dtype == torch.int64
    assert brute_distance(found) == smallest_distance(found) == 3


def test_a_hundred_orders_of_nine_tiles_differ_in_six_places():
    found = permutation_set(9, 100)
    assert found.shape == (100, 9) and found[0].tolist() == list(range(9))
    assert (found.sort(1).values == torch.arange(9)).all()
    assert brute_distance(found) == smallest_distance(found) == 6
    assert brute_distance(found[:64]) == 7
    # no tile prefers a place: each pair occurs 100/9 times, give or take one
    count = np.array([[(found[:, place] == tile).sum() for place in range(9)] for tile in range(9)])
    assert abs(count - 100 / 9).max() < 2
    assert torch.equal(found, permutation_set(9, 100))


def test_each_choice_is_greedy():
    """Against a plain loop over all 120 orders of five tiles."""
    every = list(orders_of(range(5)))
    chosen = [every[0]]
    while len(chosen) < 30:

        def worth(p):
            apart = [sum(a != b for a, b in zip(p, q, strict=True)) for q in chosen]
            return min(apart), sum(apart)

        chosen.append(max((p for p in every if p not in chosen), key=worth))  # the first of equals
    assert permutation_set(5, 30).tolist() == [list(p) for p in chosen]


@pytest.mark.parametrize("n", [2, 3, 4])
def test_all_orders_are_the_most(n):
    found = permutation_set(n, factorial(n))
    assert {tuple(p) for p in found.tolist()} == set(orders_of(range(n)))
    with pytest.raises(ValueError, match=f"1 to {n}!"):
        permutation_set(n, factorial(n) + 1)


@pytest.mark.parametrize("n_tiles", [0, 1, 16])
def test_puzzles_that_are_too_small_or_too_large(n_tiles):
    with pytest.raises(ValueError, match="n_tiles"):
        permutation_set(n_tiles, 2)
    with pytest.raises(ValueError, match="n_permutations"):
        permutation_set(4, 0)


# ---- tiles -------------------------------------------------------------------------------------------------


def coordinates(n, size):
    """Pictures whose first two channels say the row and the column of each pixel; the third is their sum."""
    row, column = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return torch.stack([row, column, row + column]).float().expand(n, 3, size, size)


@pytest.mark.parametrize(("size", "grid"), [(64, 3), (64, 2), (31, 3)])
def test_with_gaps_each_tile_keeps_to_its_cell(size, grid, device):
    cell, side = puzzles.tile_side(size, grid, 0.8)
    tiles = puzzles.cut(coordinates(400, size).to(device), grid, 0.8)
    assert tiles.shape == (400, grid**2, 3, side, side)
    top, left = tiles[:, :, 0, 0, 0], tiles[:, :, 1, 0, 0]  # (N, T)
    for t in range(grid**2):
        for corner, number in ((top[:, t], t // grid), (left[:, t], t % grid)):
            inside = corner - number * cell
            assert set(inside.tolist()) == set(range(cell - side + 1))  # every place, and no other
    # a tile is a whole piece of the picture
    step = torch.arange(side, device=device)
    assert torch.equal(tiles[:, :, 0], (top[..., None, None] + step[:, None]).expand_as(tiles[:, :, 0]))
    assert torch.equal(tiles[:, :, 2], tiles[:, :, 0] + tiles[:, :, 1])
    apart = (left[:, 1] - left[:, 0] - side).unique()
    assert len(apart) == 2 * (cell - side) + 1  # neighbours lie at all distances: own places


@pytest.mark.parametrize("grid", [2, 3])
def test_without_gaps_edges_run_on(grid):
    tiles = puzzles.cut(coordinates(300, 48), grid, 0.8, gaps=False)
    side = tiles.shape[-1]
    assert side == puzzles.cut(coordinates(1, 48), grid, 0.8).shape[-1]  # equally large
    left, right = tiles[:, 0], tiles[:, 1]
    assert torch.equal(left[:, 1, :, -1] + 1, right[:, 1, :, 0]) and torch.equal(left[:, 0], right[:, 0])
    assert torch.equal(left[:, 0, -1, :] + 1, tiles[:, grid, 0, 0, :])
    first, free = tiles[:, 0, 0, 0, 0].unique(), 48 // grid - side
    assert len(first) == free + 1  # the whole moves as far as each tile does with gaps
    assert abs((first.min() + first.max() + grid * side) / 2 - 24) <= 0.5  # about the middle


def test_channels_are_shifted_apart_each_on_its_own():
    plain = puzzles.cut(coordinates(1000, 24), 2, 0.8, shift=0, generator=generator(1))
    assert torch.equal(plain[:, :, 2], plain[:, :, 0] + plain[:, :, 1])
    images = coordinates(1000, 24)[:, :1].expand(-1, 3, -1, -1)  # every channel says the row
    tiles = puzzles.cut(images, 2, 0.8, shift=1, generator=generator(1))
    moved = tiles[..., 0, 0] - plain[:, :, :1, 0, 0]  # (N, T, 3)
    assert len({tuple(m) for m in moved.reshape(-1, 3).tolist()}) == 27  # -1, 0, 1 in every combination
    assert 0 <= tiles.min() and tiles.max() <= 23


def test_the_generator_decides():
    images = pictures()
    first, again, other = (puzzles.cut(images, 3, shift=1, generator=generator(s)) for s in (5, 5, 6))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_shuffle_by_a_loop():
    tiles = pictures(24).view(6, 4, 3, 32, 32)
    orders = torch.stack([torch.randperm(4, generator=generator(s)) for s in range(6)])
    found = puzzles.shuffle(tiles, orders)
    for i in range(6):
        for place in range(4):
            assert torch.equal(found[i, place], tiles[i, orders[i, place]])
    back = puzzles.shuffle(found, orders.argsort(1))
    assert torch.equal(back, tiles)


def test_normalised_tiles_forget_brightness_and_contrast():
    tiles = pictures(6).view(2, 3, 3, 32, 32)
    found = puzzles.normalise_tiles(tiles, least=0.0)
    numbers = found.numpy().reshape(-1, 32 * 32)
    np.testing.assert_allclose(numbers.mean(1), 0, atol=1e-5)
    np.testing.assert_allclose(numbers.std(1), 1, atol=1e-5)
    torch.testing.assert_close(
        puzzles.normalise_tiles(0.3 * tiles + 0.4, least=0.0), found, atol=1e-4, rtol=0
    )
    flat = puzzles.normalise_tiles(torch.full((1, 1, 3, 8, 8), 0.7) + 1e-6 * pictures(1, 8)[:, None])
    assert flat.abs().max() < 1e-3  # a plain sky is not blown up into noise


def test_dropped_pictures_keep_one_channel(device):
    images = pictures(3000, 4).to(device)
    found = puzzles.drop_channels(images, 0.6)
    kept = (found == images).flatten(1).all(1)
    gray = (found == found[:, :1]).flatten(1).all(1)
    assert torch.equal(kept, ~gray) and abs(gray.double().mean() - 0.6) < 4 * (0.24 / 3000) ** 0.5
    which = (found[:, :1] == images).flatten(2).all(2)[gray].double().mean(0)
    assert (which - 1 / 3).abs().max() < 0.05
    assert torch.equal(puzzles.drop_channels(images, 0.0), images)


def test_a_lens_moves_red_out_and_blue_in():
    size, strength = 64, 0.1
    images = torch.zeros(1, 3, size, size)
    row, column = 32, 52
    images[:, :, row - 1 : row + 1, column - 1 : column + 1] = 1  # a white dot, 20 px right of the centre
    seen = puzzles.lens(images, strength)
    across = torch.arange(size) + 0.5
    centre = [float((seen[0, c].sum(0) * across).sum() / seen[0, c].sum()) for c in range(3)]
    assert centre == pytest.approx([32 + 20 * 1.1, 52, 32 + 20 * 0.9], abs=0.2)
    torch.testing.assert_close(seen[:, 1], images[:, 1], atol=1e-5, rtol=0)
    gray = pictures(1)[:, :1].expand(-1, 3, -1, -1)
    torch.testing.assert_close(puzzles.lens(gray, 0.0), gray, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: puzzles.cut(torch.rand(1, 3, 8, 12), 2), "square"),
        (lambda: puzzles.cut(pictures(), 3, tile=0.0), "tile is a share"),
        (lambda: puzzles.cut(pictures(), 3, tile=1.1), "tile is a share"),
        (lambda: puzzles.cut(pictures(size=8), 3), "tiles of 2 px"),
    ],
)
def test_tiles_that_cannot_be(call, message):
    with pytest.raises(ValueError, match=message):
        call()
