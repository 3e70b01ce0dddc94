"""The losses against double loops, closed forms and finite differences."""

import math

import pytest
import torch
from torch.nn import functional as F

from ssl_course import losses
from ssl_course.pretext.masking import patchify


def nt_xent_by_hand(z1, z2, temperature):
    """The formula of the note, a loop for every sum."""
    z = [row / row.norm() for row in torch.cat([z1, z2])]
    n, total = len(z1), 0
    for i in range(2 * n):
        j = (i + n) % (2 * n)
        others = sum(torch.exp(z[i] @ z[m] / temperature) for m in range(2 * n) if m != i)
        total = total - torch.log(torch.exp(z[i] @ z[j] / temperature) / others)
    return total / (2 * n)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0])
def test_nt_xent_against_a_double_loop(temperature):
    generator = torch.Generator().manual_seed(0)
    z = [torch.randn(5, 3, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    ours, brute = losses.nt_xent(*z, temperature), nt_xent_by_hand(*z, temperature)
    assert ours.item() == pytest.approx(brute.item(), abs=1e-5)
    for a, b in zip(torch.autograd.grad(ours, z), torch.autograd.grad(brute, z), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)


def test_nt_xent_of_collapsed_and_of_perfect_views():
    same = torch.ones(8, 4)
    assert losses.nt_xent(same, same).item() == pytest.approx(math.log(15), abs=1e-6)
    eye = torch.eye(8)  # views equal, all others orthogonal
    expected = math.log(math.exp(1 / 0.5) + 14) - 1 / 0.5
    assert losses.nt_xent(eye, 3 * eye, 0.5).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("z1", "z2", "temperature", "says"),
    [
        (torch.ones(2, 3), torch.ones(3, 3), 1, "one shape"),
        (torch.ones(1, 3), torch.ones(1, 3), 1, "negatives"),
        (torch.ones(2, 3), torch.ones(2, 3), 0, "temperature"),
    ],
)
def test_nt_xent_refuses(z1, z2, temperature, says):
    with pytest.raises(ValueError, match=says):
        losses.nt_xent(z1, z2, temperature)


def test_negative_cosine_and_its_stop_gradient():
    p = torch.tensor([[3.0, 0.0], [1.0, 1.0]], requires_grad=True)
    z = torch.tensor([[5.0, 0.0], [1.0, -1.0]], requires_grad=True)
    assert losses.negative_cosine(p, z).item() == pytest.approx(-0.5)
    losses.negative_cosine(p, z).backward()
    assert p.grad.abs().sum() > 0 and z.grad is None
    losses.negative_cosine(p, z, stop_gradient=False).backward()
    assert z.grad.abs().sum() > 0


def test_clip_loss_against_loops():
    generator = torch.Generator().manual_seed(0)
    a, b = (F.normalize(torch.randn(6, 4, generator=generator), dim=1) for _ in range(2))
    scale, n = 7.0, 6
    rows = sum(
        -math.log(math.exp(scale * a[i] @ b[i]) / sum(math.exp(scale * a[i] @ b[j]) for j in range(n)))
        for i in range(n)
    )
    columns = sum(
        -math.log(math.exp(scale * a[i] @ b[i]) / sum(math.exp(scale * a[j] @ b[i]) for j in range(n)))
        for i in range(n)
    )
    assert losses.clip_loss(a, b, scale).item() == pytest.approx((rows + columns) / (2 * n), abs=1e-5)
    one = F.normalize(torch.ones(6, 4), dim=1)
    assert losses.clip_loss(one, one, 100.0).item() == pytest.approx(math.log(6), abs=1e-4)


def test_similarity_is_three_terms():
    generator = torch.Generator().manual_seed(0)
    eta, psi = torch.randn(2, 50, 3, generator=generator, dtype=torch.float64)
    three = (eta**2).sum(1).mean() + (psi**2).sum(1).mean() - 2 * (eta * psi).sum(1).mean()
    assert losses.similarity(eta, psi).item() == pytest.approx(three.item())


def column(z, i):
    """Numbers of column i, its mean and its standard deviation with N and with N − 1; plain floats."""
    values = [float(row[i]) for row in z]
    mean = sum(values) / len(values)
    squares = sum((v - mean) ** 2 for v in values)
    return [v - mean for v in values], squares / len(values), squares / (len(values) - 1)


def test_barlow_twins_against_loops():
    z1, z2 = torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3 + 1
    expected = 0.0
    for i in range(3):
        for j in range(3):
            (a, va, _), (b, vb, _) = column(z1, i), column(z2, j)
            c = sum(x * y for x, y in zip(a, b, strict=True)) / 7 / math.sqrt(va * vb)
            expected += (1 - c) ** 2 if i == j else 0.3 * c**2
    assert losses.barlow_twins(z1, z2, 0.3).item() == pytest.approx(expected, abs=1e-12)
    assert losses.barlow_twins(5 * z1 - 1, z2 / 9, 0.3).item() == pytest.approx(expected, abs=1e-12)


def test_vicreg_against_loops():
    z1, z2 = torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    z2 = z2 * torch.tensor([0.2, 1.0, 4.0], dtype=torch.float64)  # on both sides of the hinge
    terms = [
        sum(float(a - b) ** 2 for r, s in zip(z1, z2, strict=True) for a, b in zip(r, s, strict=True)) / 21,
        0.0,
        0.0,
    ]
    for z in (z1, z2):
        for i in range(3):
            terms[1] += max(0.0, 1 - math.sqrt(column(z, i)[2] + 1e-4)) / 3
            for j in range(3):
                if i != j:
                    pairs = zip(column(z, i)[0], column(z, j)[0], strict=True)
                    terms[2] += (sum(x * y for x, y in pairs) / 6) ** 2 / 3
    for weights in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (25.0, 25.0, 1.0)):
        expected = sum(w * t for w, t in zip(weights, terms, strict=True))
        assert losses.vicreg(z1, z2, *weights).item() == pytest.approx(expected, abs=1e-10)
    assert (
        losses.vicreg(z1[:, :1], z1[:, :1], 1, 0, 1).item() == 0
    )  # one number has no other to correlate with


def test_white_and_equal_views_cost_nothing():
    z = torch.linalg.qr(torch.randn(50, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64))[
        0
    ]
    z = torch.linalg.qr(z - z.mean(0))[0] * math.sqrt(49)
    assert losses.vicreg(z, z).item() == pytest.approx(0, abs=1e-9)
    assert losses.barlow_twins(z, z).item() == pytest.approx(0, abs=1e-12)


def test_reconstruction_is_the_squared_distance():
    x2, prediction = torch.zeros(4, 2, 3), torch.full((4, 2, 3), 0.5)
    assert losses.reconstruction(x2, prediction).item() == pytest.approx(6 * 0.25)


def test_masked_mse_against_a_loop():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, 8, 8, generator=generator)
    prediction = torch.rand(2, 4, 48, generator=generator)
    mask = torch.tensor([[1.0, 0, 0, 1], [0, 1, 0, 0]])
    for norm in (False, True):
        errors = []
        for n, place in [(0, 0), (0, 3), (1, 1)]:
            patch = patchify(images, 4)[n, place]
            if norm:
                patch = (patch - patch.mean()) / (patch.var(unbiased=True) + 1e-6) ** 0.5
            errors.append(((prediction[n, place] - patch) ** 2).mean().item())
        ours = losses.masked_mse(images, prediction, mask, 4, norm).item()
        assert ours == pytest.approx(sum(errors) / 3, rel=1e-5)
    with pytest.raises(ValueError, match="removes nothing"):
        losses.masked_mse(images, prediction, torch.zeros(2, 4), 4)


def test_visible_patches_do_not_count():
    images, prediction = torch.rand(1, 3, 8, 8), torch.rand(1, 4, 48)
    mask = torch.tensor([[1.0, 0, 0, 0]])
    other = prediction.clone()
    other[:, 1:] += 9
    assert losses.masked_mse(images, prediction, mask, 4) == losses.masked_mse(images, other, mask, 4)
