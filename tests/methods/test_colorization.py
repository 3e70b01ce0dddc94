"""Colorization: what it sees, what it minimises, and on worlds with known answers what it says."""

import math

import pytest
import torch

from ssl_course import checkpoints, nets
from ssl_course.data.pictures import Pictures
from ssl_course.methods import Colorization
from ssl_course.pretext.color import lab_to_rgb, lightness, rgb_to_lab
from ssl_course.training import train


def pictures(lab):
    return Pictures((lab_to_rgb(lab).clamp(0, 1) * 255).round().to(torch.uint8))


def gray(n, size=16, seed=0):
    """Lightness (n, 1, size, size) between 45 and 65: all colours below lie inside sRGB."""
    return 45 + 20 * torch.rand(n, 1, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module", params=["classes", "l2"])
def method(request):
    torch.manual_seed(0)
    return Colorization(objective=request.param).eval()


def test_it_sees_the_lightness_alone(method):
    light = gray(3, 32)
    one = lab_to_rgb(torch.cat([light, torch.full((3, 2, 32, 32), 12.0)], 1))
    other = lab_to_rgb(torch.cat([light, torch.randn(3, 2, 32, 32) * 6], 1))
    assert (one - other).abs().mean() > 0.02
    for function in (method.encode, method.predict):
        torch.testing.assert_close(function(one), function(other), atol=1e-3, rtol=1e-3)
    images = one.clone().requires_grad_(True)
    method.encode(images).sum().backward()
    colour = torch.autograd.grad(rgb_to_lab(images)[:, 1].sum(), images)[0]
    light = torch.autograd.grad(lightness(images).sum(), images)[0]
    along = light / light.norm(dim=1, keepdim=True)
    rest = images.grad - (images.grad * along).sum(1, keepdim=True) * along
    assert rest.norm() < 1e-3 * images.grad.norm() < colour.norm()


def test_shapes_and_bytes(method):
    whole = torch.randint(
        0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    assert method.encode(whole).shape == (2, method.backbone.dim)
    assert method.predict(whole).shape[-2:] == (16, 16) and method.colours(whole).shape == (2, 2, 16, 16)
    torch.testing.assert_close(method.encode(whole), method.encode(whole / 255), atol=1e-4, rtol=1e-3)
    out = method.colorize(whole)
    assert out.shape == (2, 3, 64, 64) and 0 <= out.min() and out.max() <= 1


def test_the_picture_keeps_its_lightness():
    torch.manual_seed(0)
    method = Colorization(objective="l2").eval()
    method.spread.fill_(3.0)  # colours that no lightness here pushes out of sRGB
    lab = torch.cat([gray(2, 32), torch.zeros(2, 2, 32, 32)], 1)
    torch.testing.assert_close(lightness(method.colorize(lab_to_rgb(lab))), lab[:, :1], atol=0.05, rtol=0)


def test_the_loss_of_classes_by_hand():
    torch.manual_seed(0)
    method = Colorization(step=40).eval()
    data = method.prepare(pictures(torch.cat([gray(6), 15 * torch.randn(6, 2, 16, 16)], 1)))
    logits, share = method.predict(data.inputs).detach().double(), method.soft(data.parts["ab"]).double()
    total = 0.0
    for n in range(6):
        for i in range(logits.shape[2]):
            for j in range(logits.shape[3]):
                z, out = share[n, :, i, j], logits[n, :, i, j]
                log_p = out - out.exp().sum().log()
                total -= float(method.weights[z.argmax()] * (z * log_p).sum())
    places = 6 * logits.shape[2] * logits.shape[3]
    assert method(data).item() == pytest.approx(total / places, rel=1e-4)


def test_the_loss_of_l2_by_hand():
    torch.manual_seed(0)
    method = Colorization(objective="l2").eval()
    data = method.prepare(pictures(torch.cat([gray(6), 15 * torch.randn(6, 2, 16, 16)], 1)))
    distance = (method.predict(data.inputs).detach() - data.parts["ab"]).square().sum(1)  # (6, h, w)
    assert method(data).item() == pytest.approx(float(distance.mean()), rel=1e-5)


def test_what_prepare_counts():
    torch.manual_seed(0)
    method = Colorization()
    ab = torch.tensor([[20.0, 30.0], [-20.0, 20.0]])[torch.arange(40) % 4 // 3]  # three in four are the first
    data = pictures(torch.cat([gray(40), ab[:, :, None, None].expand(-1, -1, 16, 16)], 1))
    prepared = method.prepare(data)
    assert method.training and prepared.parts["ab"].shape == (40, 2, 4, 4)
    torch.testing.assert_close(prepared.parts["ab"].mean((2, 3)), ab, atol=0.3, rtol=0)
    torch.testing.assert_close(method.mean, ab.mean(0), atol=0.3, rtol=0)
    assert float(method.prior.sum()) == pytest.approx(1, abs=1e-5)
    assert float(method.prior @ method.weights) == pytest.approx(1, abs=1e-4) and method.weights.min() > 0
    often, seldom = (torch.cdist(ab[i : i + 1], method.centres).argmin() for i in (0, 3))
    assert method.prior[often] > 2 * method.prior[seldom] and method.weights[often] < method.weights[seldom]
    given = method.prepare(Pictures(data.images, parts={"ab": torch.ones(40, 2, 16, 16)}))
    assert (given.parts["ab"] == 1).all()  # X₂ as the data bring it


def ambiguous(n, seed=0):
    """Stripes are always violet; a plain gray is red or green with equal odds, which nothing in it tells.

    The pictures are gray, and the colours come beside them: rounded to bytes, a red and a green of equal
    lightness are told apart by the rounding.
    """
    stream = torch.Generator().manual_seed(seed)
    striped, green = (torch.rand(n, generator=stream) < 0.5 for _ in range(2))
    bars = torch.arange(16) % 4 // 2 * 2.0 - 1
    lab = torch.zeros(n, 3, 16, 16)
    lab[:, 0] = 55 + 10 * striped.view(-1, 1, 1) * bars
    ab = torch.tensor([[30.0, 20.0], [-30.0, 20.0], [20.0, -30.0]])[torch.where(striped, 2, green.long())]
    maps = ab[:, :, None, None].expand(-1, -1, 16, 16)
    return Pictures(pictures(lab).images, parts={"ab": maps}), striped


def trained(objective):
    torch.manual_seed(0)
    method = Colorization(nets.ConvNet((16, 32)), objective, width=32, upscale=1)
    data, _ = ambiguous(256)
    for _ in train(method, data, steps=120, batch_size=64):
        pass
    return method


def test_l2_answers_the_mean_of_what_could_be():
    method = trained("l2")
    data, striped = ambiguous(64, seed=1)
    said = method.colours(data.images).mean((2, 3))
    torch.testing.assert_close(said[striped].mean(0), torch.tensor([20.0, -30.0]), atol=3, rtol=0)
    torch.testing.assert_close(said[~striped].mean(0), torch.tensor([0.0, 20.0]), atol=6, rtol=0)


def test_classes_know_both_answers():
    method = trained("classes")
    data, striped = ambiguous(64, seed=1)
    plain = data.images[~striped]
    p = method.predict(plain).softmax(1).mean((0, 2, 3))  # (Q,)
    for side in ((30.0, 20.0), (-30.0, 20.0)):
        near = (method.centres - torch.tensor(side)).norm(dim=1) < 25
        assert 0.25 < p[near].sum() < 0.75
    mean, mode = (method.colours(plain, t)[:, 0].abs() for t in (1.0, 0.0))  # |a| at every place
    assert mean.max() < 18 and mode.min() > 18  # gray, vivid


def test_another_mix_without_training_again():
    """Three quarters of one colour: weights make the rare one likelier, and can be taken out again."""
    torch.manual_seed(0)
    method = Colorization(nets.ConvNet((16, 32)), width=32, upscale=1, mix=0.2)
    images = ambiguous(256)[0].images[:1].expand(256, -1, -1, -1)
    ab = torch.tensor([[30.0, 20.0], [-30.0, 20.0]])[(torch.arange(256) % 4 == 0).long()]
    data = Pictures(images, parts={"ab": ab[:, :, None, None].expand(-1, -1, 4, 4)})
    for _ in train(method, data, steps=120, batch_size=64):
        pass
    near = (method.centres - torch.tensor([-30.0, 20.0])).norm(dim=1) < 25
    logits = method.predict(images[:1]).detach()
    own, plain = (x.softmax(1)[:, near].sum(1).mean() for x in (logits, method.rebalanced(logits, 1.0)))
    assert own > 0.35 and plain == pytest.approx(0.25, abs=0.06)
    torch.testing.assert_close(method.rebalanced(logits, 0.2), logits)


@pytest.mark.parametrize("objective", ["classes", "l2"])
def test_it_runs_where_the_batch_is(objective, device):
    data, _ = ambiguous(8)
    method = Colorization(objective=objective).to(device)
    data = method.prepare(data.to(device))
    method(data).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in method.parameters())
    assert method.colorize(data.images).device.type == method.encode(data.images).device.type == device


def test_a_checkpoint_brings_the_prior_along(tmp_path):
    method = Colorization(step=40, mix=0.25)
    method.prepare(ambiguous(64)[0])
    again = checkpoints.load(checkpoints.save(tmp_path / "c.safetensors", method))
    assert torch.equal(again.prior, method.prior) and torch.equal(again.weights, method.weights)
    assert again.mix == 0.25 and len(again.centres) == len(method.centres)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="classes, l2"):
        Colorization(objective="l1")
    with pytest.raises(ValueError, match=".dim"):
        Colorization(backbone=torch.nn.Identity())


def test_any_backbone_will_do():
    class Stem(torch.nn.Module):
        dim = 7

        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Conv2d(3, 7, 4, 4)

        def forward(self, x):
            return self.layer(x)

    method = Colorization(Stem(), upscale=1).eval()
    assert method.colours(torch.rand(2, 3, 32, 32)).shape == (2, 2, 8, 8)
    assert math.isfinite(float(nets.as_float(method.colorize(torch.rand(2, 3, 32, 32))).mean()))
