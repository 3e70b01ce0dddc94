"""SimCLR: the probe's features lie before the head, the views differ, the loss falls and clusters appear."""

import pytest
import torch

from ssl_course.data.pictures import Pictures
from ssl_course.evaluation import linear_probe
from ssl_course.losses import nt_xent
from ssl_course.methods import SimCLR
from ssl_course.training import train


@pytest.fixture
def data():
    return Pictures(
        torch.randint(0, 256, (24, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    )


def test_features_lie_before_the_projection_head(data):
    torch.manual_seed(0)
    method = SimCLR().eval()
    h, z = method.encode(data.inputs), method.project(data.inputs)
    assert h.shape == (24, method.backbone.dim) and z.shape == (24, 64)
    torch.testing.assert_close(method.projection_head(h), z)


def test_the_loss_is_nt_xent_of_two_views(data):
    torch.manual_seed(0)
    method = SimCLR(temperature=0.3)
    torch.manual_seed(1)
    loss = method(data)
    torch.manual_seed(1)
    z1, z2 = method.project(torch.cat([*method.pair(data)])).chunk(2)
    assert loss.item() == pytest.approx(nt_xent(z1, z2, 0.3).item(), abs=1e-5)
    x1, x2 = method.pair(data)
    assert x1.shape == x2.shape == (24, 3, 32, 32) and (x1 - x2).abs().mean() > 0.01


def test_arguments_are_remembered():
    method = SimCLR(projection=(32, 8), temperature=0.7, augmentation={"flip": 0.0})
    assert method.arguments["temperature"] == 0.7 and method.augment.flip == 0.0
    assert method.project(torch.rand(2, 3, 16, 16)).shape == (2, 8)


def test_bad_input_is_named(data):
    with pytest.raises(ValueError, match="temperature must be positive"):
        SimCLR(temperature=0.0)
    with pytest.raises(ValueError, match="no negatives"):
        SimCLR()(data[:1])
    with pytest.raises(ValueError, match="between 1 and the 24 rows"):  # more labels than data
        coloured = Pictures(data.images, {"k": torch.arange(24) % 2})
        linear_probe(SimCLR(), train=coloured, test=coloured, label="k", n_labels=25)


def test_a_batch_beyond_the_data_is_all_of_them(data):
    """As `train` says: at most the whole set."""
    sizes = []
    method = SimCLR()
    method.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    next(train(method, data, steps=1, batch_size=25))
    assert sizes == [24]
