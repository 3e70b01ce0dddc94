"""The tour's numbers are those of the shipped networks, and w is the one that linear_probe finds."""

import pytest
import torch

from ssl_course.checkpoints import shipped
from ssl_course.data import scenes
from ssl_course.evaluation import encode, label_draws, linear_probe
from ssl_course.widgets import PipelineTour, pipeline_tour

SIZES = (60, 40)


@pytest.fixture(scope="module")
def tour():
    return PipelineTour(scenes.World(0.5).sample(3, size=48, seed=4), *SIZES)


def test_the_whole_pipeline_is_shown(tour):
    captions = [p.caption for p in tour.panels]
    assert len(captions) == 6
    assert captions[0].startswith("x:") and captions[1].startswith("X₁") and captions[2].startswith("X₂")
    assert captions[3].startswith("ψ(x) = (") and captions[4].startswith("wψ(x): ")
    assert captions[4].removeprefix("wψ(x): ") in scenes.BIOMES


def test_psi_is_the_networks_own(tour):
    """Against encode on the same gray picture, standardised by the bank that is painted here anew."""
    picture = tour.state.pictures[1].gray().images
    big = torch.nn.functional.interpolate(picture.float() / 255, (64, 64), mode="bilinear", antialias=True)
    psi = encode(shipped("rotation"), type(tour.state.pictures)(big)).inputs[0]
    bank = scenes.World().sample(sum(SIZES), 64, seed=pipeline_tour.FRESH).gray()[: SIZES[0]]
    features = encode(shipped("rotation"), bank).inputs
    known = pipeline_tour._known("which way up", *SIZES)
    ours = known.standard(pipeline_tour._features("which way up", picture))[0]
    assert torch.allclose(ours, (psi - features.mean(0)) / features.std(0, correction=0), atol=1e-3)


@pytest.mark.parametrize("label", ["biome", "texture"])
def test_w_is_that_of_the_curve(label):
    """Accuracy of the drawn w on the test scenes, by hand, is linear_probe's of one draw."""
    known = pipeline_tour._known("which way up", *SIZES)
    right = known.w(label, 30)(known.standard(known.test.inputs)).argmax(1) == known.test.labels[label]
    probe = linear_probe(
        None, train=known.train, test=known.test, label=label, n_labels=30, draws=1, solver="ridge", l2=0.1
    )
    assert len(label_draws(known.train.labels[label], 30, 1)[0]) == 30
    assert float(right.double().mean()) == pytest.approx(probe.accuracy, abs=0.03)


def test_the_line_names_the_truth_and_the_share(tour):
    tour.set(task="which way up", label="light", n_labels=30, picture=2)
    truth = scenes.LIGHTS[int(tour.state.pictures.labels["light"][2])]
    assert f"It is <b>{truth}</b>" in tour.readout
    share = pipeline_tour._curve("which way up", "light", *SIZES)["which way up"][30]
    assert f"<b>{share:.0%}</b>" in tour.readout


def test_a_task_without_its_network_says_how_to_get_it(tour, monkeypatch):
    def missing(name):
        raise FileNotFoundError(name)

    pipeline_tour._known.cache_clear()
    monkeypatch.setattr(pipeline_tour, "shipped", missing)
    panels, line = PipelineTour.render(tour.state, **tour.values())
    assert len(panels) == 3 and "make checkpoints" in line
    pipeline_tour._known.cache_clear()


def test_pictures_without_labels_do(tour):
    bare = type(tour.state.pictures)(tour.state.pictures.images)
    shown = PipelineTour(bare, *SIZES)
    shown.set(task="which way up")
    assert shown.error is None and "It is" not in shown.readout
