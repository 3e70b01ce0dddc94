"""Context encoder: what it sees, what counts, and that filling and judging do not mix."""

import pytest
import torch
from torch.nn import functional as F

from ssl_course import nets
from ssl_course.data.pictures import Pictures
from ssl_course.methods import ContextEncoder
from ssl_course.methods.context_encoder import ChannelwiseLinear, adversarial_losses, hole_loss
from ssl_course.pretext import holes
from ssl_course.training import parameter_groups, train


@pytest.fixture(scope="module")
def method():
    torch.manual_seed(0)
    return ContextEncoder(image_size=32).eval()


@pytest.fixture
def images():
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def centre(n=3):
    return holes.make_holes("centre", n, 32)


def test_hidden_pixels_do_not_leak(method, images):
    images.requires_grad_(True)
    method.predict(images, centre()).square().sum().backward()
    touched = images.grad.abs().sum(1, keepdim=True) > 0
    assert torch.equal(touched, centre() == 0)


def test_the_hole_has_the_mean_colour_not_black(method, images):
    data = Pictures((images * 255).to(torch.uint8))
    method.prepare(data)
    torch.testing.assert_close(method.mean_colour, nets.as_float(data.images).mean((0, 2, 3)))
    seen = []
    hook = method.backbone.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    method.predict(data.images, centre())
    hook.remove()
    inside = seen[0].permute(0, 2, 3, 1)[centre()[:, 0].bool()]  # (pixels, 3)
    expected = nets.normalise(method.mean_colour.view(1, 3, 1, 1)).flatten()
    torch.testing.assert_close(inside, expected.expand_as(inside))


def test_the_channelwise_layer_by_hand():
    torch.manual_seed(0)
    layer, x = ChannelwiseLinear(3, 4), torch.rand(2, 3, 2, 2)
    torch.nn.init.normal_(layer.bias)
    for n in range(2):
        for c in range(3):
            expected = x[n, c].flatten() @ layer.weight[c] + layer.bias[c, 0]
            torch.testing.assert_close(layer(x)[n, c].flatten(), expected)


def test_the_loss_by_hand():
    generator = torch.Generator().manual_seed(0)
    filled, truth = (torch.rand(2, 3, 12, 12, generator=generator) for _ in range(2))
    hole = torch.zeros(2, 1, 12, 12)
    hole[0, 0, 4:8, 4:8], hole[1, 0, 6:7, 0:3] = 1, 1
    total = weights = 0.0
    for n in range(2):
        rows = hole[n, 0].nonzero()
        for i in range(12):
            for j in range(12):
                away = (rows - torch.tensor([i, j])).abs().amax(1).min().item()
                w = 1 if away == 0 else 10 if away <= 2 else 0
                total += w * (filled[n, :, i, j] - truth[n, :, i, j]).square().sum().item()
                weights += 3 * w
    assert hole_loss(filled, truth, hole, 2).item() == pytest.approx(total / weights, rel=1e-5)
    plain = (filled - truth).square()[hole.expand(-1, 3, -1, -1).bool()].mean()
    torch.testing.assert_close(hole_loss(filled, truth, hole), plain)
    with pytest.raises(ValueError, match="empty"):
        hole_loss(filled, truth, torch.zeros_like(hole))


def test_neither_gradient_reaches_the_other(device):
    torch.manual_seed(0)
    method = ContextEncoder(image_size=32, adversarial=0.001).to(device)
    judge = method.discriminator
    fake = torch.rand(4, 3, 32, 32, device=device, requires_grad=True)
    real = torch.rand(4, 3, 32, 32, device=device)
    fooling, judging = adversarial_losses(judge, fake, real)
    assert torch.autograd.grad(fooling, judge.parameters(), allow_unused=True, retain_graph=True) == (
        None,
    ) * len(list(judge.parameters()))
    assert torch.autograd.grad(judging, fake, allow_unused=True, retain_graph=True) == (None,)
    # so the gradient of the sum is that of each part alone
    alone = F.binary_cross_entropy_with_logits(judge(fake), torch.ones(4, device=device))
    torch.testing.assert_close(
        torch.autograd.grad(fooling + judging, fake, retain_graph=True), torch.autograd.grad(alone, fake)
    )
    logits = judge(torch.cat([real, fake.detach()]))
    truth = torch.cat([torch.ones(4), torch.zeros(4)]).to(device)
    alone = torch.autograd.grad(F.binary_cross_entropy_with_logits(logits, truth), list(judge.parameters()))
    both = torch.autograd.grad(fooling + judging, list(judge.parameters()))
    for a, b in zip(alone, both, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-3)


def test_the_discriminator_learns_slower_and_only_the_region_is_judged():
    torch.manual_seed(0)
    method = ContextEncoder(image_size=32, adversarial=0.01)
    rates = {id(p): g["lr"] for g in parameter_groups(method, 1e-2, 0.1) for p in g["params"]}
    assert {rates[id(p)] for p in method.discriminator.parameters()} == {1e-3}
    assert {rates[id(p)] for p in method.decoder.parameters()} == {1e-2}
    seen = []
    method.discriminator.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    method(Pictures(torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8))).backward()
    assert all((x[(centre(4) == 0).expand_as(x)] == 0).all() for x in seen) and len(seen) == 3
    assert all(p.grad is not None for p in method.parameters())


@pytest.mark.parametrize("kind", [*holes.KINDS, "mixed"])
@pytest.mark.parametrize("adversarial", [0.0, 0.001])
def test_one_scalar_for_every_kind(kind, adversarial, device):
    torch.manual_seed(0)
    method = ContextEncoder(image_size=32, hole=kind, adversarial=adversarial).to(device)
    loss = method(Pictures(torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8).to(device)))
    assert loss.ndim == 0 and loss.isfinite()


def test_the_gap_hides_more_than_is_asked(method, images):
    torch.manual_seed(0)
    far = ContextEncoder(image_size=32, gap=4).eval()
    assert far.overlap == 0
    hole, seen = centre(), []
    hook = far.backbone.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    far(Pictures((images * 255).to(torch.uint8)))
    hook.remove()
    flat = nets.normalise(far.mean_colour.view(1, 3, 1, 1)).expand(3, -1, 32, 32)
    hidden = ((seen[0] - flat).abs().amax(1, keepdim=True) < 1e-6).float()
    assert torch.equal(hidden, holes.dilate(hole, 4))


def test_inpainting_keeps_what_is_seen(method, images):
    out = method.inpaint(images, centre())
    outside = (centre() == 0).expand_as(images)
    assert torch.equal(out[outside], images[outside]) and not torch.equal(out, images)
    assert torch.equal(method.inpaint(images, torch.zeros(3, 1, 32, 32)), images)
    everything = method.inpaint(images, torch.ones(3, 1, 32, 32))
    torch.testing.assert_close(everything[0], everything[1])  # it saw nothing of either
    whole = (images * 255).to(torch.uint8)
    torch.testing.assert_close(method.encode(whole), method.encode(whole / 255))
    with pytest.raises(ValueError, match="32 px"):
        method.predict(torch.rand(1, 3, 64, 64), torch.zeros(1, 1, 64, 64))


def test_it_carries_the_colour_into_the_hole():
    """Pictures of one random colour each: the hole has the colour of what is around it."""
    torch.manual_seed(0)
    colours = torch.rand(256, 3, 1, 1, generator=torch.Generator().manual_seed(0)).expand(-1, -1, 16, 16)
    method = ContextEncoder(image_size=16)
    losses = [step.loss for step in train(method, Pictures((colours * 255).to(torch.uint8)), 60, 64)]
    assert losses[-1] < 0.15 * losses[0]


def test_l2_fills_with_the_mean_of_what_could_be():
    """The hole is black or white, by a coin that the surroundings do not know: the answer is gray."""
    torch.manual_seed(0)
    coin = (torch.rand(256, 1, 1, 1, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    hole = holes.make_holes("centre", 256, 16)
    images = torch.where(hole.bool(), coin, 0.3).expand(-1, 3, -1, -1)
    method = ContextEncoder(image_size=16, overlap=0)
    for _ in train(method, Pictures((images * 255).to(torch.uint8)), 60, 64):
        pass
    inside = method.inpaint(images[:16], hole[:16])[:, :, 6:10, 6:10]
    assert (inside.mean() - coin.mean()).abs() < 0.1 and inside.std() < 0.15


@pytest.mark.parametrize(
    "wrong", [{"overlap": -1}, {"gap": -1}, {"adversarial": 1.0}, {"hole": "star"}, {"share": 0}]
)
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(ValueError, match="must|no hole"):
        ContextEncoder(image_size=32, **wrong)
