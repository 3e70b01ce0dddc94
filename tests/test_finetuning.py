"""Fine-tuning: the head learns, the original method stays as it was, and accuracy is counted right."""

import pytest
import torch

from ssl_course.data.pictures import Pictures
from ssl_course.evaluation.finetuning import FineTuned
from ssl_course.methods import MAE
from ssl_course.training import train


@pytest.fixture(scope="module")
def data():
    """Light is left or right; the two sides' mean is the same, so only places tell."""
    y = torch.arange(80) % 2
    images = 40 + 10 * torch.randint(0, 3, (80, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    images[y == 0, :, :, :8] += 120
    images[y == 1, :, :, 8:] += 120
    return Pictures(images.to(torch.uint8), {"side": y})


@pytest.fixture
def mae():
    torch.manual_seed(0)
    return MAE(image_size=16, patch_size=8, dim=16, depth=1, heads=2, decoder_dim=16, decoder_heads=2)


def test_it_learns_and_the_method_stays_as_it_was(mae, data):
    before = {k: v.clone() for k, v in mae.state_dict().items()}
    model = FineTuned(mae, "side", 2)
    for _ in train(model, data[:60], steps=60, batch_size=30, lr=5e-3):
        pass
    assert model.accuracy(data[60:]) > 0.9
    assert all(torch.equal(v, before[k]) for k, v in mae.state_dict().items())
    moved = model.method.state_dict()
    assert not torch.equal(moved["backbone.patch_embed.weight"], before["backbone.patch_embed.weight"])


def test_accuracy_by_hand(mae, data):
    model = FineTuned(mae, "side", 2).eval()
    torch.nn.init.zeros_(model.head.weight)
    model.head.bias.data = torch.tensor([0.0, 1.0])  # always says 1
    assert model.accuracy(data[:10]) == 0.5 and model.accuracy(data[1::2]) == 1.0
    model.train()
    model.accuracy(data[:10])
    assert model.training and model.norm.training


def test_the_loss_is_the_cross_entropy(mae, data):
    model = FineTuned(mae, "side", 2).eval()
    p = model.scores(data.inputs).softmax(1)
    expected = -p[torch.arange(80), data.labels["side"]].log().mean()
    torch.testing.assert_close(model(data), expected)
    with pytest.raises(ValueError, match="unknown label"):
        FineTuned(mae, "colour", 2).accuracy(data)
