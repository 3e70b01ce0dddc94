"""CollapseLab: what it shows is measured, its switches act on the living method, Reset brings all of it back."""

import re

import pytest
import torch
from torch import nn

from ssl_course.data import scenes
from ssl_course.data.pictures import Pictures
from ssl_course.methods import SimSiam
from ssl_course.methods.simsiam import circle
from ssl_course.nets import settle_norms
from ssl_course.widgets.collapse_lab import CollapseLab


@pytest.fixture(scope="module")
def data():
    return scenes.World().sample(256, size=16, seed=0)


def lab(data, **more):
    return CollapseLab(circle(), data, **{"steps": 200, "batch_size": 32, "lr": 0.05} | more)


def spread(z):
    unit = z / z.norm(dim=1, keepdim=True)
    return float(unit.std(0).mean()) * z.shape[1] ** 0.5


def test_settle_norms_makes_eval_mode_say_what_the_pictures_say(data):
    method = circle().eval()
    before = {k: v.clone() for k, v in method.named_parameters()}
    settle_norms(method, data.images)
    assert not method.training
    norms = [m for m in method.modules() if isinstance(m, nn.BatchNorm2d | nn.BatchNorm1d)]
    assert {m.momentum for m in norms} == {0.1}
    assert all(torch.equal(v, before[k]) for k, v in method.named_parameters())
    with torch.no_grad():
        z = method.project(data.images)
        own = method.train().project(data.images)
    torch.testing.assert_close(z, own, rtol=2e-2, atol=2e-3)


def test_the_numbers_are_those_of_z(data):
    made = lab(data)
    made.run(6)
    z = made.method.project(data.images[:240]).detach()
    assert made.history[-1].step == 6
    assert made.history[-1].spread == made.history[-1].before == pytest.approx(spread(z), abs=1e-4)
    assert f"std·√d of z: {spread(z):.3f}" in made.panels[2].caption
    mean = (z / z.norm(dim=1, keepdim=True)).mean(0).norm()
    assert f"length {mean:.3f}" in made.panels[1].caption
    assert all(0 <= a.step < b.step for a, b in zip(made.history, made.history[1:], strict=False))


def test_the_switches_act_and_the_norm_hides_the_fall(data):
    made = lab(data)
    made.controls["stop_gradient"].value = False
    assert made.method.stop_gradient is False
    made.run(60)
    assert made.history[-1].spread < 0.2 and made.losses[-1] < -0.9
    made.controls["output_norm"].value = True  # not trained since: only looked at otherwise
    assert made.method.output_norm
    assert made.history[-1].spread > 10 * made.history[-1].before  # though nothing was trained in between
    assert "before the output norm" in made.panels[2].caption
    assert re.search(r"length 0\.\d+", made.panels[1].caption)


def test_reset(data):
    made = lab(data)
    first = [p.rgba.tobytes() for p in made.panels]
    made.controls["predictor"].value = False
    made.controls["output_norm"].value = True
    made.run(5)
    made.reset()
    assert made.method.predictor and not made.method.output_norm
    assert [g.step for g in made.history] == [0]
    assert [p.rgba.tobytes() for p in made.panels] == first


def test_more_numbers_get_a_map_and_a_spectrum(data):
    torch.manual_seed(0)
    made = CollapseLab(SimSiam(projection=(16, 8)), data, steps=4, batch_size=16)
    z = made.method.project(data.images[:240]).detach()
    s = torch.linalg.svdvals(z / z.norm(dim=1, keepdim=True))
    p = s / s.sum()
    rank = float(torch.exp(-(p * p.log()).sum()))
    assert len(made.panels) == 4 and f"effective rank {rank:.1f} of 8" in made.panels[3].caption
    made.run(1)


@pytest.mark.parametrize("labels", [{}, {"class": torch.arange(24) % 10}])
def test_other_pictures(labels):
    pictures = Pictures(torch.randint(0, 256, (24, 3, 16, 16), dtype=torch.uint8), labels)
    made = CollapseLab(circle(), pictures, steps=2, batch_size=8)
    made.run(1)
    assert made.error is None and len(made.panels) == 3
