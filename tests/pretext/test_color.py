"""Lab against published values and against itself."""

import math

import pytest
import torch

from ssl_course.pretext.color import (
    ab_map,
    annealed_mean,
    gamut_bins,
    lab_to_rgb,
    lightness,
    rebalance_weights,
    rgb_to_lab,
    smooth_prior,
    soft_encode,
)


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


# ------------------------------------------------------------------------------------------ colours as classes
def test_lightness_is_the_first_channel_of_lab(device):
    bytes_ = torch.randint(
        0, 256, (2, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    ).to(device)
    expected = rgb_to_lab(bytes_.float() / 255)[:, :1]
    for images in (bytes_, bytes_.float() / 255):
        torch.testing.assert_close(lightness(images), expected, atol=1e-3, rtol=0)
    with pytest.raises(ValueError, match="3, H, W"):
        lightness(torch.rand(1, 8, 8))


def test_the_map_of_colours_is_the_mean_of_ab_over_its_cells(device):
    draw = torch.Generator().manual_seed(0)
    bytes_ = torch.randint(0, 256, (130, 3, 16, 32), dtype=torch.uint8, generator=draw).to(device)
    expected = rgb_to_lab(bytes_.double() / 255)[:, 1:].unflatten(3, (8, 4)).unflatten(2, (2, 8)).mean((3, 5))
    for images in (bytes_, bytes_.float() / 255):
        torch.testing.assert_close(ab_map(images, (2, 8)).double(), expected, atol=1e-3, rtol=0)


def test_bins_hold_every_colour_and_no_more():
    colours = torch.rand(1, 3, 200, 500, generator=torch.Generator().manual_seed(0))
    for step, count in ((10.0, 261), (20.0, 75)):
        centres = gamut_bins(step)
        assert len(centres) == count
        ab = rgb_to_lab(colours)[0, 1:].flatten(1).T
        # 1: a corner of the gamut that reaches less than a unit into a square may be left to its neighbour
        assert (torch.cdist(ab, centres, p=torch.inf).min(1).values <= step / 2 + 1).all()
    # and every square has a colour: those of the rim, where one channel is full and another empty, included
    stream = torch.Generator().manual_seed(1)
    rim, rows = torch.rand(200_000, 3, generator=stream), torch.arange(200_000)
    order = torch.rand(200_000, 3, generator=stream).argsort(1)
    rim[rows, order[:, 0]], rim[rows, order[:, 1]] = 0, 1
    rim = torch.cat([rim.T[None, :, :, None], colours.flatten(2)[..., None]], 2)  # (1, 3, 300 000, 1)
    nearest = torch.cdist(rgb_to_lab(rim)[0, 1:].flatten(1).T, centres, p=torch.inf).min(1)
    assert len(nearest.indices[nearest.values <= step / 2 + 1e-3].unique()) == len(centres)
    for step in (0, -1, 1000):
        with pytest.raises(ValueError, match="step"):
            gamut_bins(step)


def test_soft_encoding_by_hand(device):
    centres = gamut_bins(20)
    ab = (60 * torch.rand(3, 2, 2, 4, generator=torch.Generator().manual_seed(1)) - 30).to(device)
    share = soft_encode(ab, centres, neighbours=5, sigma=10.0)
    assert share.shape == (3, len(centres), 2, 4)
    for n, i, j in ((0, 0, 0), (1, 1, 2), (2, 0, 3)):
        distance = [math.dist(ab[n, :, i, j].tolist(), c) for c in centres.tolist()]
        nearest = sorted(range(len(centres)), key=distance.__getitem__)[:5]
        weight = {q: math.exp(-(distance[q] ** 2) / (2 * 10.0**2)) for q in nearest}
        expected = [weight.get(q, 0) / sum(weight.values()) for q in range(len(centres))]
        assert share[n, :, i, j].tolist() == pytest.approx(expected, abs=1e-5)
    one = soft_encode(ab, centres, neighbours=1)
    assert torch.equal(one.sum(1), torch.ones_like(one[:, 0])) and one.max() == 1
    with pytest.raises(ValueError, match="sigma"):
        soft_encode(ab, centres, sigma=0)
    with pytest.raises(ValueError, match="2, H, W"):
        soft_encode(ab[:, :1], centres)


def test_rebalancing_by_hand():
    prior = torch.tensor([0.7, 0.2, 0.1, 0.0], dtype=torch.float64)
    raw = [1 / (0.5 * p + 0.5 / 4) for p in prior.tolist()]
    mean = sum(p * w for p, w in zip(prior.tolist(), raw, strict=True))
    weights = rebalance_weights(prior, 0.5)
    assert weights.tolist() == pytest.approx([w / mean for w in raw])
    assert float(prior @ weights) == pytest.approx(1)
    torch.testing.assert_close(rebalance_weights(100 * prior, 0.5), weights)
    torch.testing.assert_close(rebalance_weights(prior, 1.0), torch.ones(4, dtype=torch.float64))
    plain = rebalance_weights(prior, 0.0)  # the inverse: every bin that occurs has the same p·w
    assert plain.isfinite().all() and plain[3] == plain[2]
    assert (prior * plain)[:3].tolist() == pytest.approx([1 / 3] * 3)
    for bad, mix in (([0.0, 0.0], 0.5), ([-1.0, 2.0], 0.5), ([math.nan, 1.0], 0.5), ([0.5, 0.5], 1.5)):
        with pytest.raises(ValueError, match="prior|mix"):
            rebalance_weights(torch.tensor(bad), mix)


def test_a_smooth_prior_by_hand():
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 30.0]])
    smooth = smooth_prior(torch.tensor([0.6, 0.4, 0.0]), centres, sigma=10.0)
    kernel = [[math.exp(-(math.dist(a, b) ** 2) / 200) for b in centres.tolist()] for a in centres.tolist()]
    expected = [
        sum(p * row[q] / sum(row) for p, row in zip([0.6, 0.4, 0], kernel, strict=True)) for q in range(3)
    ]
    assert smooth.tolist() == pytest.approx(expected, abs=1e-6) and smooth[2] > 0


def test_the_annealed_mean_by_hand(device):
    centres = torch.tensor([[0.0, 0.0], [10.0, -20.0], [40.0, 40.0]])
    p = torch.tensor([0.5, 0.3, 0.2], device=device)
    sharp = [q ** (1 / 0.38) for q in p.tolist()]
    expected = [
        sum(s * c[d] for s, c in zip(sharp, centres.tolist(), strict=True)) / sum(sharp) for d in (0, 1)
    ]
    assert annealed_mean(p.log(), centres, 0.38).tolist() == pytest.approx(expected, abs=1e-4)
    assert annealed_mean(p.log() + 7, centres, 1.0).tolist() == pytest.approx(
        (p.cpu() @ centres).tolist(), abs=1e-4
    )
    for cold in (0, 1e-9, 1e-4):
        assert annealed_mean(p.log(), centres, cold).tolist() == [0.0, 0.0]
    maps = torch.randn(2, 3, 4, 5, device=device)
    out = annealed_mean(maps, centres, 0.5)
    assert out.shape == (2, 2, 4, 5)
    torch.testing.assert_close(out[1, :, 2, 3], annealed_mean(maps[1, :, 2, 3], centres, 0.5))
    torch.testing.assert_close(annealed_mean(maps.movedim(1, -1), centres, 0.5), out.movedim(1, -1))
    with pytest.raises(ValueError, match="temperature"):
        annealed_mean(p, centres, -0.1)
    with pytest.raises(ValueError, match=r"\(…, 3\)"):
        annealed_mean(torch.rand(2, 4), centres, 1)
