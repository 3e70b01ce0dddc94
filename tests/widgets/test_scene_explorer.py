"""What the colour triangle claims, on the painted world and on counted pictures."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from ssl_course.course import palette
from ssl_course.data import scenes
from ssl_course.data.pictures import Pictures
from ssl_course.widgets.frame.canvas import Key, Pointer
from ssl_course.widgets.frame.marks import Line
from ssl_course.widgets.hole_explorer import HoleExplorer
from ssl_course.widgets.scene_explorer import SceneExplorer, _plot, _Triangle, kinds_of


@pytest.fixture(scope="module")
def painted():
    return SceneExplorer()


@pytest.fixture(scope="module")
def counted():
    pictures = scenes.World(1.0).sample(600, size=32, seed=3)
    only = {"biome": pictures.labels["biome"]}
    return SceneExplorer(Pictures(pictures.images, only, names={"biome": scenes.BIOMES}))


def test_dots_lie_at_the_class_probabilities(painted):
    view = painted.state.view(0.0, "sky and ground", "biome")
    triangle = _Triangle.of(view)
    np.testing.assert_allclose(triangle.tip(view.psi), view.posterior @ triangle.corners, atol=1e-6)


@pytest.mark.parametrize("sees", scenes.SEES)
@pytest.mark.parametrize("label", ["biome", "light"])
def test_epsilon_is_the_root_mean_square_displacement(painted, sees, label):
    for dependence in (0.0, 0.3, 1.0):
        view = painted.state.view(dependence, sees, label)
        displacement = view.weight @ ((view.psi - view.through) ** 2).sum(1)
        assert displacement == pytest.approx(view.exact, abs=1e-9)
        exact = float(scenes.World(dependence, sees=sees).epsilon_ci_squared(label))
        assert view.exact == pytest.approx(exact)
        assert abs(view.estimate.value - exact) < 4 * view.estimate.standard_error + 1e-9


def test_the_stems_are_as_long_as_epsilon(painted):
    """From where ψ* lies under independence to where it lies, which in this world is not straight down."""
    view = painted.state.view(1.0, "average colour", "biome")  # in the plane, so nothing is foreshortened
    plot, _ = _plot(view, _Triangle.of(view), view.psi[0], None)
    lines = [
        mark.points for mark in plot.drawing().marks if isinstance(mark, Line) and mark.color == palette.MUTED
    ]
    lengths = np.array([np.linalg.norm(ends[1] - ends[0]) for ends in lines if len(ends) == 2])
    unit = plot.width * (plot.place(1, 0)[0] - plot.place(0, 0)[0])  # pixels of a Lab unit
    assert len(lengths) == 9  # three class probabilities, three lights, equally likely
    exact = float(scenes.World(1.0, sees="average colour").epsilon_ci_squared())
    assert np.mean((lengths / unit) ** 2) == pytest.approx(exact, rel=1e-3)


def test_known_class_by_enumeration(painted):
    """E[X₂ | X₁, Y] from the joint table, state by state."""
    world = scenes.World(0.6)
    view = painted.state.view(0.6, "sky and ground", "biome")
    joint, x2 = world.joint().numpy(), world.x2_values().numpy()
    for i in range(len(view.cell)):
        p = joint[view.cell[i], :, view.label[i]]
        np.testing.assert_allclose(view.known[i], p @ x2 / p.sum(), atol=1e-9)


def test_shuffled_pictures_are_independent_and_the_gap_grows_linearly(counted):
    still, half, full = (counted.state.view(d, "average colour", "biome") for d in (0.0, 0.5, 1.0))
    np.testing.assert_allclose(still.psi, still.through, atol=1e-9)
    assert abs(still.estimate.value) < 4 * still.estimate.standard_error
    np.testing.assert_allclose(half.psi - half.through, 0.5 * (full.psi - full.through), atol=1e-9)
    assert full.estimate.value > 2 * full.estimate.standard_error  # z₁ shows in gray and in colour
    # E[X₂|x₁] and P(y|x₁) of one cell, counted by hand
    cell = int(counted.state.cells.mode().values)
    rows = counted.state.cells == cell
    np.testing.assert_allclose(full.psi[cell], counted.state.x2[rows].mean(0), atol=1e-9)
    shares = torch.bincount(counted.state.y[rows], minlength=3) / rows.sum()
    np.testing.assert_allclose(full.posterior[cell], shares, atol=1e-6)


def test_the_answer_waits_for_the_guess():
    explorer = SceneExplorer()
    assert len(explorer.panels) == 3 and "Commit to a guess" in explorer.readout
    explorer.on_pointer(Pointer("down", 1, 0.4, 0.6))
    assert explorer.values()["guess"] == (0.4, 0.6)
    assert len(explorer.panels) == 8 and "P(Y | this X₁)" in explorer.readout
    explorer.on_pointer(Pointer("down", 0, 0.95, 0.9))  # another picture, another guess
    assert explorer.values()["picture"] == 11 and explorer.values()["guess"] is None
    explorer.on_key(Key(0, "ArrowRight"))
    assert explorer.values()["picture"] == 0
    explorer.on_key(Key(1, "ArrowUp"))
    assert explorer.values()["guess"] == pytest.approx((0.5, 0.47))


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        (Pictures(torch.zeros(200, 3, 8, 8, dtype=torch.uint8)), "no label"),
        (
            Pictures(torch.zeros(9, 3, 8, 8, dtype=torch.uint8), {"class": torch.arange(9) % 2}),
            "at least 100",
        ),
        (
            Pictures(torch.zeros(200, 3, 8, 8, dtype=torch.uint8), {"class": torch.zeros(200).long()}),
            "2 classes",
        ),
    ],
)
def test_pictures_that_cannot_serve(pictures, message):
    with pytest.raises(ValueError, match=message):
        SceneExplorer(pictures)


def test_the_first_widget_loads_nothing_heavy():
    code = "import sys; from ssl_course.widgets import SceneExplorer; SceneExplorer(); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "torch" in loaded
    assert not {"torchvision", "lightning", "matplotlib", "sklearn"} & set(loaded)


def test_the_hole_by_enumeration():
    """P(object | surroundings, texture) does not move with the surroundings; without the texture it does."""
    table = scenes.World(0.5).hole_table().numpy()  # (9, 3, 6)
    given = table / table.sum(1, keepdims=True)
    np.testing.assert_allclose(given, np.broadcast_to(given[:1], given.shape), atol=1e-12)
    pooled = table.sum(2) / table.sum((1, 2))[:, None]
    assert np.ptp(pooled, 0).max() > 0.4
    # the object of the biome's own textures: .85 of the time its texture, whose own object it is in .8 of the cases
    assert pooled[0, 0] == pytest.approx(0.85 * 0.8 + 0.15 * 0.1)


def test_the_hole_is_filled_after_the_guess():
    explorer = HoleExplorer()
    assert len(explorer.panels) == 2
    explorer.set(guess="boat")
    assert len(explorer.panels) == 3 and "In the hole stands" in explorer.readout


@pytest.mark.parametrize(("n", "k", "seed"), [(40, 3, 0), (500, 10, 1), (2000, 30, 2)])
def test_kinds_of_gray_lie_as_close_as_scikit_learns(n, k, seed):
    """Where there are true kinds they are found; where there are none, as near to their means as another's."""
    x = np.random.default_rng(seed).normal(size=(n, 8))
    ours, theirs = kinds_of(x, k, seed), KMeans(k, n_init=1, random_state=seed).fit_predict(x)
    within = [
        sum(((x[own == j] - x[own == j].mean(0)) ** 2).sum() for j in range(k)) for own in (ours, theirs)
    ]
    assert within[0] < 1.1 * within[1] < 0.95 * ((x - x.mean(0)) ** 2).sum()
    apart = np.arange(4).repeat(n // 4)
    found = kinds_of(x[: len(apart)] + 50 * np.eye(8)[apart], 4, seed)
    assert len(set(zip(apart.tolist(), found.tolist(), strict=True))) == 4


def test_rows_that_are_alike_leave_no_kind_empty():
    kinds = kinds_of(np.repeat(np.eye(4), 25, 0), 30, 0)
    assert sorted(set(kinds.tolist())) == [0, 1, 2, 3] and (kinds.reshape(4, 25) == kinds[::25, None]).all()


def test_pictures_of_ones_own_load_no_scikit_learn():
    """With SciPy's statistics it takes 60 MB of each student's kernel (lecture 01)."""
    script = """
import sys, torch
from ssl_course.data.pictures import Pictures
from ssl_course.widgets import SceneExplorer
images = torch.randint(256, (100, 3, 16, 16), dtype=torch.uint8)
SceneExplorer(Pictures(images, {"kind": torch.arange(100) % 2}))
print(sorted({"sklearn", "scipy.stats"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stdout + done.stderr
