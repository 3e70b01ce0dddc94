"""What the widgets of lectures 07 and 12 claim, against closed forms and counts."""

import numpy as np
import pytest

from ssl_course.data import scenes
from ssl_course.pretext.halves import halves
from ssl_course.theory.ace import SHAPES, STEPS, draw_pairs, straightened
from ssl_course.theory.correlation import maximal_correlations, noise_edge
from ssl_course.widgets.dependence_explorer import DependenceExplorer
from ssl_course.widgets.flip_explorer import FlipExplorer, view
from ssl_course.widgets.frame.canvas import Key, Pointer
from ssl_course.widgets.halves_explorer import HalvesExplorer
from ssl_course.widgets.noise_fit import NoiseFit
from ssl_course.widgets.noise_fit import fitted as noise_fitted
from ssl_course.widgets.shared_versus_large import SharedVersusLarge
from ssl_course.widgets.shared_versus_large import fitted as both_fitted


@pytest.mark.parametrize("shape", ["parabola", "circle", "cross"])
def test_ace_finds_what_linear_correlation_misses(shape):
    fit = straightened(shape, 0.0, 600, 0.08, STEPS)
    assert abs(fit.linear) < 0.15
    assert float(fit.now.correlation) > 0.95 and fit.fresh > 0.93


def test_nothing_shared_is_fitted_noise():
    narrow, wide = (straightened("nothing shared", 0.1, 60, span, STEPS) for span in (0.08, 0.5))
    assert float(narrow.now.correlation) > 0.6 > float(wide.now.correlation)
    assert max(abs(narrow.fresh), abs(wide.fresh)) < 0.15
    widget = DependenceExplorer()
    widget.set(shape="nothing shared", n=60, span=0.08, step=STEPS)
    assert "fitted noise" in widget.readout


@pytest.mark.parametrize("shape", SHAPES)
def test_functions_are_whitened_and_rise(shape):
    first, last = straightened(shape, 0.2, 200, 0.2, 1), straightened(shape, 0.2, 200, 0.2, STEPS)
    for f in (last.now.psi, last.now.eta):
        assert float(f.mean()) == pytest.approx(0, abs=1e-9)
        assert float(f.square().mean()) == pytest.approx(1)
    assert float(last.now.correlation) > float(first.now.correlation) - 0.02
    assert first.whole.history[0] == pytest.approx(float(first.now.correlation))


def test_pairs_have_their_shape():
    x1, x2 = draw_pairs("circle", 0.0, 300, seed=3)
    np.testing.assert_allclose(x1**2 + x2**2, 1, atol=0.02)
    x1, x2 = draw_pairs("cross", 0.0, 300, seed=3)
    np.testing.assert_allclose(np.abs(x1), np.abs(x2), atol=0.02)


# ---- the flip


@pytest.mark.parametrize("dependence", [0.0, 0.5, 0.8, 1.0])
def test_words_counted(dependence):
    """The table by its definition; the correlations are .64, λ and .64 λ."""
    v = view("words", dependence)
    for i in range(4):
        for j in range(4):
            same_s, same_v = i // 2 == j // 2, i % 2 == j % 2
            sentiments = 0.82 / 2 if same_s else 0.18 / 2  # q² + (1 − q)² = .82
            assert float(v.table[i, j]) == pytest.approx(
                sentiments * (1 + (dependence if same_v else -dependence)) / 4
            )
    np.testing.assert_allclose(v.rho, sorted([0.64, dependence, 0.64 * dependence], reverse=True), atol=1e-9)
    assert v.accuracy["happy or unhappy"] == pytest.approx((0.9 if dependence < 0.64 else 0.5, 0.9))
    assert v.accuracy["mild or strong"][0] == pytest.approx(0.5 if dependence < 0.64 else 1.0)


@pytest.mark.parametrize("dependence", [0.3, 0.75, 0.8])
def test_scenes_flip_at_775(dependence):
    v = view("scenes", dependence)
    whole = scenes.World(dependence).joint().sum(2)
    np.testing.assert_allclose(v.rho[:8], maximal_correlations(whole)[:8], atol=1e-9)
    c = 0.775
    expected = sorted([c] * 2 + [dependence] * 2 + [c * dependence] * 4, reverse=True)
    np.testing.assert_allclose(v.rho[:8], expected, atol=1e-9)
    before = dependence < c
    assert v.accuracy["biome"] == pytest.approx((0.85 if before else 1 / 3, 0.85))
    assert v.accuracy["light"][0] == pytest.approx(1 / 3 if before else 1.0)
    # functions of variance 1 that see biome only, or light only
    groups = np.arange(9) // 3 if before else np.arange(9) % 3
    for g in range(3):
        np.testing.assert_allclose(v.psi[groups == g], v.psi[groups == g][:1].repeat(3, 0), atol=1e-6)
    np.testing.assert_allclose(v.psi.T @ np.diag(v.table.sum(1).numpy()) @ v.psi, np.eye(2), atol=1e-6)


def test_the_scenes_stand_still_between_flips():
    np.testing.assert_allclose(view("scenes", 0.2).psi, view("scenes", 0.7).psi, atol=1e-6)


def test_rows_are_chosen():
    widget = FlipExplorer()
    assert "sentiment" in widget.readout and widget.values()["chosen"] == 1
    widget.on_pointer(Pointer("down", 0, 0.5, 0.99))
    assert widget.values()["chosen"] == 3
    widget.on_key(Key(0, "ArrowDown"))
    assert widget.values()["chosen"] == 0
    widget.set(dependence=0.8)
    assert "<b>intensity</b>" in widget.readout
    widget.set(world="scenes")
    assert "<b>light</b>" in widget.readout
    widget.on_pointer(Pointer("down", 0, 0.5, 0.1))  # the scenes' table is none to click
    assert widget.values()["chosen"] == 0


# ---- lecture 07: noise, shared against large, halves


def test_noise_is_fitted_perfectly_up_to_p_plus_q_rows():
    assert noise_fitted(40, 25, 20, 0.0, 0.0).train == pytest.approx(1, abs=1e-9)
    many = noise_fitted(2000, 25, 20, 0.0, 0.0)
    assert many.train < 0.25 and abs(many.fresh) < 0.1
    assert noise_fitted(60, 25, 20, 0.0, 10.0).train < noise_fitted(60, 25, 20, 0.0, 0.0).train
    shared = noise_fitted(2000, 25, 20, 0.8, 0.0)
    assert shared.fresh == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(("n", "p", "q"), [(60, 25, 20), (120, 40, 40), (400, 40, 10)])
def test_the_theory_of_pure_noise(n, p, q):
    """Wachter's edge against SVDs of random orthonormal bases; exactly 1 up to n = p + q."""
    rng, values = np.random.default_rng(0), []
    for _ in range(40):
        one, two = (
            np.linalg.qr(z - z.mean(0))[0] for z in (rng.normal(size=(n, p)), rng.normal(size=(n, q)))
        )
        values.append(np.linalg.svd(one.T @ two)[1][0])
    assert float(noise_edge(n, p, q)) == pytest.approx(np.mean(values), abs=0.03)
    assert float(noise_edge(p + q, p, q)) == 1 > float(noise_edge(p + q + 2, p, q))


def test_fresh_rows_are_shown_on_demand():
    widget = NoiseFit()
    assert "Guess" in widget.readout and len(widget.panels) == 2
    widget.set(fresh=True)
    assert "On fresh rows" in widget.readout and len(widget.panels) == 3


def test_large_against_shared():
    f = both_fitted(600, 1.0, 9.0, 90.0)
    assert f.explained > 0.98
    assert f.accuracy["shared"][0] < 0.55 and f.accuracy["shared"][1] > 0.93
    assert f.accuracy["private"][0] > 0.93 and f.accuracy["private"][1] < 0.6  # CCA throws it away
    assert "PCA's first component" in SharedVersusLarge().readout


def test_halves_are_the_picture_cut_in_two():
    pictures = scenes.World(0.5).sample(4, size=32, seed=0).images
    for split, axis in (("left", 3), ("top", 2)):
        first, second = halves(pictures, split, grid=32)
        np.testing.assert_allclose(first.reshape(4, 3, *((32, 16) if axis == 3 else (16, 32))) * 255, pictures.chunk(2, axis)[0], atol=1e-9)  # fmt: skip
        np.testing.assert_allclose(second.numpy() * 255, pictures.chunk(2, axis)[1].flatten(1), atol=1e-9)
    with pytest.raises(ValueError, match="at least 200 pictures"):
        HalvesExplorer(scenes.World().sample(20, size=24, seed=0))
