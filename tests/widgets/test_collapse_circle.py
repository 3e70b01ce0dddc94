"""CollapseCircle: the fall in the plane, in time; what the loss sees, and what the output norm hides."""

import time

import pytest
import torch

from ssl_course.data import scenes
from ssl_course.data.pictures import Pictures
from ssl_course.widgets.collapse_lab import CollapseCircle, as_seen


@pytest.fixture(scope="module")
def data():
    return scenes.World().sample(256, size=16, seed=0)


def spread(z):
    unit = z / z.norm(dim=1, keepdim=True)
    return float(unit.std(0).mean()) * 2**0.5


def test_as_seen_divides_by_the_spread_of_these_rows(data):
    made = CollapseCircle(data, steps=4)
    method, images = made.method, data.images[:100]
    with torch.no_grad():
        bare = method.before_norm(images)
        torch.testing.assert_close(as_seen(method, images), bare)
        method.output_norm = True
        seen = as_seen(method, images)
    torch.testing.assert_close(seen, torch.nn.functional.batch_norm(bare, None, None, training=True))
    assert spread(seen) > 0.8


def test_it_falls_and_the_norm_hides_it_at_once(data):
    made = CollapseCircle(data, steps=300)
    made.controls["stop_gradient"].value = False
    made.run(80)
    fallen = made.history[-1]
    assert fallen.spread == fallen.before < 0.1 and made.losses[-1] < -0.99
    z = made.method.project(data.images[:240]).detach()
    assert fallen.spread == pytest.approx(spread(z), abs=1e-4)
    weights = [p.clone() for p in made.method.parameters()]
    made.controls["output_norm"].value = True
    hidden = made.history[-1]
    assert hidden.before == fallen.before and hidden.spread > 0.8
    assert all(torch.equal(a, b) for a, b in zip(weights, made.method.parameters(), strict=True))
    assert f"before the output norm: {hidden.before:.3f}" in made.panels[2].caption


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_it_falls_below_a_twentieth_in_ten_seconds_of_two_cores(seed):
    made = CollapseCircle(seed=seed)
    made.controls["stop_gradient"].value = False
    began = time.process_time()
    while made.history[-1].spread >= 0.05 and made.index < 300:
        made.run(10)
    assert made.history[-1].spread < 0.05 and time.process_time() - began < 20


def test_reset_stands_it_up_again(data):
    made = CollapseCircle(data, steps=100)
    first = [p.rgba.tobytes() for p in made.panels]
    made.controls["predictor"].value = False
    made.run(20)
    assert [p.rgba.tobytes() for p in made.panels] != first
    made.reset()
    assert [p.rgba.tobytes() for p in made.panels] == first and made.method.predictor


@pytest.mark.parametrize("labels", [{}, {"class": torch.arange(24) % 10}])
def test_other_pictures(labels):
    pictures = Pictures(torch.randint(0, 256, (24, 3, 16, 16), dtype=torch.uint8), labels)
    made = CollapseCircle(pictures, steps=2, batch_size=8)
    made.run(1)
    assert made.error is None and len(made.panels) == 3
