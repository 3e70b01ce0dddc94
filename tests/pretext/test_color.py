"""Lab against published values and against itself."""

import pytest
import torch

from ssl_course.pretext.color import lab_to_rgb, rgb_to_lab


@pytest.mark.parametrize(
    ("rgb", "lab"),  # sRGB primaries in Lab (D65), as tabulated by Lindbloom
    [
        ((1.0, 0.0, 0.0), (53.24, 80.09, 67.20)),
        ((0.0, 1.0, 0.0), (87.73, -86.18, 83.18)),
        ((0.0, 0.0, 1.0), (32.30, 79.19, -107.86)),
        ((1.0, 1.0, 1.0), (100.0, 0.0, 0.0)),
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
    ],
)
def test_published_values(rgb, lab):
    out = rgb_to_lab(torch.tensor(rgb, dtype=torch.float64).view(3, 1, 1)).flatten()
    assert out.tolist() == pytest.approx(lab, abs=0.02)


def test_there_and_back(device):
    rgb = torch.rand(2, 5, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).to(
        device
    )
    assert (lab_to_rgb(rgb_to_lab(rgb)) - rgb).abs().max() < 1e-9


def test_gray_has_no_colour():
    gray = torch.linspace(0, 1, 64).view(1, 1, 8, 8).expand(1, 3, 8, 8)
    assert rgb_to_lab(gray)[:, 1:].abs().max() < 1e-3


@pytest.mark.parametrize("function", [rgb_to_lab, lab_to_rgb])
def test_bytes_are_refused(function):
    with pytest.raises(ValueError, match="floats"):
        function(torch.zeros(3, 4, 4, dtype=torch.uint8))
