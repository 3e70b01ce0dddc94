"""BYOL: the target is a moving average and no more, the loss its first value by hand, and it learns without negatives."""

import pytest
import torch
import torch.nn.functional as F

from ssl_course import checkpoints, nets
from ssl_course.data import scenes
from ssl_course.evaluation import features
from ssl_course.methods import BYOL
from ssl_course.training import train


def small(**more):
    torch.manual_seed(0)
    return BYOL(nets.ConvNet((8, 16)), (16, 8), **more)


@pytest.fixture
def data():
    return scenes.World().sample(24, 32, seed=0)


def test_the_first_loss_is_the_distance_of_two_unit_vectors(data):
    """With constant predictions p and targets t it is 4 − 4 cos(p, t), whatever the pictures."""
    method = small()
    for head, row in ((method.prediction_head[-1], [3.0, 4.0]), (method.target[1][-1], [1.0, 0.0])):
        torch.nn.init.zeros_(head.weight)
        with torch.no_grad():
            head.bias.zero_()[:2] = torch.tensor(row)
    assert float(method(data).detach()) == pytest.approx(4 - 4 * 3 / 5, abs=1e-5)
    torch.manual_seed(1)
    assert 1 < float(BYOL()(data).detach()) < 7  # 4 by chance


def test_the_target_is_a_moving_average_in_closed_form(data):
    """Against a fixed online network: ξₙ = θ + τⁿ (ξ₀ − θ); it starts as the online network, and has its shapes."""
    method = small(decay=0.9)
    online = [*method.backbone.parameters(), *method.projection_head.parameters()]
    target = [*method.target.parameters()]
    assert all(torch.equal(a, b) and a is not b for a, b in zip(online, target, strict=True))
    with torch.no_grad():
        for p in online:
            p.add_(torch.randn_like(p))
    start = [p.clone() for p in target]
    for _ in range(7):
        method.after_step()
    for now, before, end in zip(target, start, online, strict=True):
        torch.testing.assert_close(now, end + 0.9**7 * (before - end))


def test_training_moves_the_target_by_the_average_alone(data):
    still, moving = small(decay=1.0), small(decay=0.5)
    start = [p.clone() for p in still.target.parameters()]
    for method in (still, moving):
        for step in train(method, data, steps=3, batch_size=12):
            assert 0 < step.loss < 8
        assert all(p.grad is None for p in method.target.parameters())
        assert all(p.grad is not None for p in method.prediction_head.parameters())
    assert all(torch.equal(a, b) for a, b in zip(start, still.target.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(start, moving.target.parameters(), strict=True))


def test_features_on_a_device_and_a_checkpoint(data, device, tmp_path):
    torch.manual_seed(0)
    method = BYOL(projection=(16, 8), decay=0.5).to(device)
    for _ in train(method, data, steps=2, batch_size=12):
        pass
    method = method.to(device).eval()
    h, z = method.encode(data.inputs), method.project(data.inputs)
    assert h.shape == (24, 128) and z.shape == (24, 8) and h.device.type == device
    method.cpu()
    back = checkpoints.load(checkpoints.save(tmp_path / "byol.safetensors", method)).eval()
    torch.testing.assert_close(back.encode(data.inputs), method.encode(data.inputs))
    torch.testing.assert_close(back.project_target(data.inputs), method.project_target(data.inputs))
    assert back.decay == 0.5 and not any(p.requires_grad for p in back.target.parameters())


def test_bad_input_is_named(data):
    with pytest.raises(ValueError, match=r"decay must be in \[0, 1\], not 1.5"):
        BYOL(decay=1.5)
    with pytest.raises(ValueError, match="at least two"):
        small()(data[:1])


def nearer(method, data):
    """Share of all other pictures whose view is less like a picture's own z than its own other view; chance is 1/2.

    Strictly less: who collapses to one point gets 0.
    """
    torch.manual_seed(2)
    one, two = (F.normalize(features(method.project, x)) for x in method.pair(data))
    cosine = one @ two.T  # (N, N)
    n = len(cosine)
    return float((cosine.diag()[:, None] > cosine).sum()) / (n * (n - 1))


@pytest.mark.slow
def test_a_short_run_knows_unseen_pictures_again_better_than_a_random_network():
    world = scenes.World()
    learn, test = world.sample(256, 16, seed=0), world.sample(128, 16, seed=1)
    torch.manual_seed(0)
    method = BYOL(nets.ConvNet((16, 32, 64)))
    random = nearer(method, test)
    for _ in train(method, learn, steps=60, batch_size=64, warmup=0):
        pass
    assert nearer(method, test) > random + 0.07
