"""SimSiam: heads as published, switches that act on a living object, the loss in both directions."""

import pytest
import torch
from torch import nn

from ssl_course.data.pictures import Pictures
from ssl_course.methods import SimSiam


@pytest.fixture
def z():
    return torch.randn(2, 12, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def method():
    torch.manual_seed(0)
    return SimSiam(projection=(32, 16))


def test_the_heads_are_those_of_the_paper(method):
    projection, prediction = method.projection_head, method.prediction_head
    assert [type(m).__name__ for m in projection] == [
        "Linear",
        "BatchNorm1d",
        "ReLU",
        "Linear",
        "OutputNorm",
    ]
    assert isinstance(projection[-1], nn.BatchNorm1d)
    assert not projection[-1].affine and projection[1].affine
    assert [type(m).__name__ for m in prediction] == ["Linear", "BatchNorm1d", "ReLU", "Linear"]
    assert prediction[0].out_features == 4 and prediction[-1].bias is not None
    assert len([m for m in SimSiam().projection_head if isinstance(m, nn.Linear)]) == 3  # §3: three layers


def test_the_loss_is_symmetric_and_stops_at_z(method, z):
    method.eval()
    z1, z2 = (v.requires_grad_() for v in z)
    loss = method.loss(z1, z2)
    assert loss.item() == pytest.approx(method.loss(z2, z1).item())
    p1, p2 = method.predict(z1), method.predict(z2)
    cosine = torch.nn.functional.cosine_similarity
    assert loss.item() == pytest.approx(-(cosine(p1, z2).mean() + cosine(p2, z1).mean()).item() / 2, abs=1e-6)
    through_p = torch.autograd.grad(-cosine(p1, z2.detach()).mean() / 2, z1)[0]
    torch.testing.assert_close(torch.autograd.grad(method.loss(z1, z2), z1)[0], through_p)
    method.stop_gradient = False
    assert (torch.autograd.grad(method.loss(z1, z2), z1)[0] - through_p).abs().max() > 1e-4


def test_without_predictor_p_is_z(method, z):
    method.predictor = False
    assert method.loss(z[0], z[0]).item() == pytest.approx(-1)


def test_output_norm_is_a_switch_that_goes_on_counting():
    torch.manual_seed(0)
    x = torch.rand(64, 3, 16, 16)
    off = SimSiam(projection=(32, 16), output_norm=False)
    assert not off.output_norm
    z = off.project(x)  # training mode
    torch.testing.assert_close(z, off.projection_head[:-1](off.encode(x)))
    off.output_norm = True
    normed = off.project(x)
    torch.testing.assert_close(
        normed, (z - z.mean(0)) / (z.var(0, correction=0) + 1e-5).sqrt(), atol=1e-4, rtol=1e-3
    )
    off.output_norm = False
    for _ in range(60):
        off.project(x)
    off.eval()
    plain = off.project(x)
    off.output_norm = True
    expected = (plain - z.mean(0)) / (z.var(0) + 1e-5).sqrt()
    torch.testing.assert_close(off.project(x), expected, atol=2e-2, rtol=2e-2)
    assert off.state_dict().keys() == SimSiam(projection=(32, 16)).state_dict().keys()


def test_the_predictor_keeps_its_rate(method):
    (group,) = method.param_groups(0.3)
    assert group["constant_lr"] and len(group["params"]) == len(list(method.prediction_head.parameters()))


def test_project_and_forward(method):
    data = Pictures(torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8))
    assert method.project(data.inputs).shape == (8, 16) and -1 <= method(data).item() <= 1


def test_a_batch_of_one_is_refused(method):
    with pytest.raises(ValueError, match="at least two"):
        method(Pictures(torch.zeros(1, 3, 32, 32, dtype=torch.uint8)))
