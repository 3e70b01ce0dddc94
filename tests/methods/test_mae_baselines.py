"""What MAE's error is compared with, against plain loops."""

import pytest
import torch

from ssl_course.data.pictures import Pictures
from ssl_course.methods.mae import encoder_flops, hidden_error, mean_picture, patch_means
from ssl_course.nets import Transformer


@pytest.fixture
def images():
    return torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_patch_means_by_hand(images):
    flat = patch_means(images, 4)
    for n in range(5):
        for row in range(0, 16, 4):
            for column in range(0, 16, 4):
                patch = images[n, :, row : row + 4, column : column + 4]
                expected = patch.mean((1, 2))[:, None, None].expand_as(patch)
                torch.testing.assert_close(flat[n, :, row : row + 4, column : column + 4], expected)


def test_no_flat_filling_beats_the_patch_means(images):
    mask = torch.ones(5, 16)
    best = hidden_error(images, patch_means(images, 4), mask)
    for shift in (-0.05, 0.05):
        assert hidden_error(images, patch_means(images, 4) + shift, mask) == pytest.approx(
            best + 0.05**2, rel=1e-4
        )


def test_the_mean_picture():
    images = torch.randint(
        0, 256, (700, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(mean_picture(Pictures(images)), images.double().mean(0).float() / 255)


def test_hidden_error_counts_removed_patches_only(images):
    mask = torch.zeros(5, 16)
    mask[0, 5], mask[3, 15] = 1, 1
    other = torch.rand(3, 16, 16)
    total = (other - images[0]).square()[:, 4:8, 4:8].mean() + (other - images[3]).square()[
        :, 12:, 12:
    ].mean()
    assert hidden_error(images, other, mask) == pytest.approx(float(total / 2), rel=1e-5)
    with pytest.raises(ValueError, match="removes nothing"):
        hidden_error(images, other, torch.zeros(5, 16))


@pytest.mark.parametrize("tokens", [5, 17, 65])
def test_flops_against_torchs_own_counter(tokens):
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    encoder = Transformer(32, depth=3, heads=2)
    counter = FlopCounterMode(display=False)
    with counter, sdpa_kernel(SDPBackend.MATH):  # in training mode and unfused, else the counter sees less
        encoder(torch.rand(1, tokens, 32))
    assert counter.get_total_flops() == pytest.approx(encoder_flops(tokens, 32, 3), rel=1e-6)
