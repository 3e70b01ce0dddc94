"""The tour's numbers are those of the shipped networks, and w is the one that linear_probe finds."""

import dataclasses

import numpy as np
import pytest
import torch

from ssl_course.checkpoints import shipped
from ssl_course.data import scenes
from ssl_course.evaluation import encode, label_draws, linear_probe
from ssl_course.pretext.color import rgb_to_lab
from ssl_course.widgets import PipelineTour, pipeline_tour
from ssl_course.widgets.frame import draw

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
    share = pipeline_tour._accuracy_by_labels("which way up", "light", *SIZES)["which way up"][30]
    assert f"<b>{share:.0%}</b>" in tour.readout


def test_a_task_without_its_network_says_how_to_get_it(tour, monkeypatch):
    def missing(name):
        raise FileNotFoundError(name)

    pipeline_tour._known.cache_clear()
    monkeypatch.setattr(pipeline_tour, "shipped", missing)
    panels, line = PipelineTour.render(tour.state, **tour.values())
    assert len(panels) == 1 and "make checkpoints" in line
    pipeline_tour._known.cache_clear()


def test_pictures_without_labels_do(tour):
    bare = type(tour.state.pictures)(tour.state.pictures.images)
    shown = PipelineTour(bare, *SIZES)
    shown.set(task="which way up")
    assert shown.error is None and "It is" not in shown.readout


@pytest.mark.parametrize("task", pipeline_tour.TASKS)
def test_the_pair_is_the_networks_own(tour, task):
    """Of the network that is shipped, on the same picture, drawn with the same seed and share."""
    tour.set(task=task, picture=1, draw=3)
    now, about = tour.values(), pipeline_tour.TASKS[task]
    method, batch = shipped(about.network), tour.state.pictures[1]
    big = torch.nn.functional.interpolate(
        batch.images / 255, (about.size,) * 2, mode="bilinear", antialias=True
    )
    batch = dataclasses.replace(batch, images=big)
    with torch.random.fork_rng():
        torch.manual_seed(13)
        x1, x2 = method.pair(batch)
        row = int(torch.randint(len(x1), ()))
    if about.knob:  # choosing the task brings the share that the network was trained with
        assert (
            now["hide"] == pytest.approx(getattr(method, about.knob)) and not tour.controls["hide"].disabled
        )
        tour.set(hide=0.3)
        assert getattr(method, about.knob) == pytest.approx(now["hide"])  # the network itself is not touched
        tour.set(hide=now["hide"])
    else:
        assert tour.controls["hide"].disabled
    if x1.ndim == 4 and x1.shape[1] == 3:
        assert np.array_equal(tour.panels[1].rgba, draw.rgba(x1[row]))
    if x2.ndim == 4 and x2.shape[1] == 3:
        assert np.array_equal(tour.panels[2].rgba, draw.rgba(x2[row]))
    if task == "which way up":
        assert tour.panels[2].alt.endswith(f"{90 * int(x2[row])}°")
    if task == "order the patches":
        order = (method.permutations[x2[row]] + 1).tolist()
        assert tour.panels[2].alt.endswith(" ".join(map(str, order)))
    if task == "picture and caption":
        assert batch.captions[0].split()[-1].strip(".") in tour.panels[2].alt
    first = tour.panels[1].rgba
    tour.set(draw=4)
    tour.set(draw=3)
    assert np.array_equal(tour.panels[1].rgba, first)


def test_the_colour_task_shows_lightness_and_colour_apart(tour):
    tour.set(task="colour from gray")
    x1, x2 = (panel.rgba[..., :3].astype(int) for panel in tour.panels[1:3])
    assert (np.ptp(x1, 2) <= 1).all(), "X₁ has no colour"
    assert np.ptp(rgb_to_lab(torch.tensor(x2 / 255).permute(2, 0, 1)[None].float())[0, 0].numpy()) < 12
