"""Masks on noise given by hand, the order of patches pixel by pixel, every kind at every ratio."""

import pytest
import torch

from ssl_course.pretext import masking


def test_patchify_pixel_by_pixel():
    images = torch.arange(2 * 3 * 4 * 6).reshape(2, 3, 4, 6)
    patches = masking.patchify(images, 2)
    assert patches.shape == (2, 6, 12)
    for n in range(2):
        for place in range(6):
            row, column = divmod(place, 3)
            by_hand = [
                images[n, c, 2 * row + i, 2 * column + j].item()
                for i in range(2)
                for j in range(2)
                for c in range(3)
            ]
            assert patches[n, place].tolist() == by_hand


def test_unpatchify_inverts():
    images = torch.rand(2, 3, 12, 12)
    assert torch.equal(masking.unpatchify(masking.patchify(images, 4), 4), images)
    with pytest.raises(ValueError, match="does not divide"):
        masking.patchify(images, 5)
    with pytest.raises(ValueError, match="square"):
        masking.unpatchify(torch.rand(1, 6, 48), 4)


def test_random_masking_keeps_the_smallest_noise():
    noise = torch.tensor([[0.3, 0.1, 0.9, 0.5], [0.2, 0.8, 0.4, 0.6]])
    ids_keep, ids_restore, mask = masking.random_masking(noise, 0.5)
    assert ids_keep.tolist() == [[1, 0], [0, 2]]
    assert mask.tolist() == [[0, 0, 1, 1], [0, 1, 0, 1]]
    shuffled = torch.cat([ids_keep, torch.tensor([[3, 2], [3, 1]])], 1)  # kept, then removed
    assert torch.equal(shuffled.gather(1, ids_restore), torch.arange(4).expand(2, 4))


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.5, 0.75, 0.9, 1.0])
@pytest.mark.parametrize("kind", masking.KINDS)
def test_every_kind_removes_the_share_asked(kind, ratio):
    noise = masking.mask_noise(kind, 5, 8, ratio, generator=torch.Generator().manual_seed(0))
    ids_keep, _, mask = masking.random_masking(noise, ratio)
    expected = min(max(round(64 * ratio), 1), 63)
    assert (mask.sum(1) == expected).all() and ids_keep.shape == (5, 64 - expected)


def test_a_ratio_is_rounded_not_cut():
    assert masking.n_keep(10, 0.9) == 1  # int(10 · (1 − 0.9)) is 0
    assert masking.n_keep(10, 0.0) == 9 and masking.n_keep(10, 1.0) == 1


def test_a_block_is_one_square_and_a_grid_a_lattice():
    generator = torch.Generator().manual_seed(1)
    _, _, mask = masking.random_masking(masking.mask_noise("block", 20, 8, 0.25, generator=generator), 0.25)
    for one in mask.reshape(20, 8, 8).bool():
        rows, columns = one.nonzero().unbind(1)
        assert rows.max() - rows.min() <= 4 and columns.max() - columns.min() <= 4 and one.sum() == 16
    _, _, mask = masking.random_masking(masking.mask_noise("grid", 20, 8, 0.75, generator=generator), 0.75)
    for one in mask.reshape(20, 8, 8):
        kept = (one == 0).nonzero()
        assert len(kept) == 16 and all(len(kept[:, d].unique()) == 4 for d in (0, 1))
    assert len({tuple(m.flatten().tolist()) for m in mask}) == 4  # the four offsets of a 2 × 2 lattice


def test_random_masks_are_uniform():
    noise = masking.mask_noise("random", 4000, 4, 0.75, generator=torch.Generator().manual_seed(0))
    _, _, mask = masking.random_masking(noise, 0.75)
    assert (mask.mean(0) - 0.75).abs().max() < 4 * (0.75 * 0.25 / 4000) ** 0.5
    with pytest.raises(ValueError, match="random, block, grid"):
        masking.mask_noise("stripes", 1, 4, 0.5)
