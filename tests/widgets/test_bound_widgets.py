"""What the widgets of lecture 11 claim, against fractions, closed forms and simulation."""

from fractions import Fraction

import numpy as np
import pytest
from examples import example

from ssl_course.data import scenes
from ssl_course.theory.gaussian import gaussian_world
from ssl_course.theory.worlds import Simulated
from ssl_course.widgets.bound_explorer import BoundExplorer
from ssl_course.widgets.break_the_bound import BreakTheBound, broken
from ssl_course.widgets.frame.canvas import Key, Pointer
from ssl_course.widgets.harmless_or_harmful import WHERE, HarmlessOrHarmful, view
from ssl_course.widgets.where_k_comes_from import NOISE, RIDGE, WhereKComesFrom

# ---- break the bound


@pytest.mark.parametrize("delta", [Fraction(1, 100), Fraction(1, 10), Fraction(1, 2)])
def test_the_broken_bound_in_fractions(delta):
    """By hand: class means δ apart, a = (1 − δ)²/2, ε² = δ² a, and the ratio 1/δ²."""
    now = broken(float(delta), n=1000)
    a = (1 - delta) ** 2 / 2
    assert now.approximation == pytest.approx(float(a))
    assert now.epsilon_squared == pytest.approx(float(delta**2 * a))
    assert now.sigma == pytest.approx(float(delta))
    assert now.promise == pytest.approx(float(Fraction(2, 1000) + delta**2 * a))
    assert now.excess == pytest.approx(float(a + Fraction(1, 2000)))  # Tr Cov(Y) = ½, one intercept
    assert now.bayes == pytest.approx(float(1 - delta / 2)) and now.probe == pytest.approx(0.5)


def test_units_move_the_promise_and_not_the_truth():
    plain, small = broken(0.1, unit=1.0), broken(0.1, unit=0.1)
    assert small.excess == pytest.approx(plain.excess)
    assert small.epsilon_squared == pytest.approx(plain.epsilon_squared / 100)
    assert small.epsilon_squared / small.sigma**2 == pytest.approx(plain.epsilon_squared / plain.sigma**2)


def test_it_starts_at_67_times_and_follows_the_pointer():
    widget = BreakTheBound()
    assert "<b>67 times</b>" in widget.readout and "50 %" in widget.readout
    left = 58 / 654  # the plot's left edge is the smallest δ
    widget.on_pointer(Pointer("down", 2, left, 0.5))
    assert widget.values()["delta"] == pytest.approx(0.01)
    widget.on_key(Key(2, "ArrowRight"))
    assert widget.values()["delta"] == pytest.approx(10**-1.95)
    widget.on_pointer(Pointer("down", 0, 0.5, 0.5))  # the picture of the world is none to move
    assert widget.values()["delta"] == pytest.approx(10**-1.95)


# ---- where k comes from


def test_the_rank_jumps_and_the_ridge_brings_it_back():
    state = WhereKComesFrom(repeats=200).state
    still, moved = state.world(0.0), state.world(0.001)
    assert (still.rank("full"), moved.rank("full"), moved.rank("top")) == (3, 10, 3)
    n = 60
    for rho, which, rank in ((0.0, "full", 3), (0.001, "full", 10), (0.001, "top", 3)):
        m = state.measured(rho, n, which, 0.0, 0)
        assert abs(m.mean - NOISE * rank / (n - rank - 1)) < 4 * m.standard_error
    ridged = state.measured(0.001, n, "full", RIDGE, 0)
    assert ridged.mean < 0.11


def test_a_learned_psi_has_all_dimensions_even_at_zero():
    state = WhereKComesFrom(repeats=800).state  # a quarter of them with pairs
    assert (state.spectrum(0.0, 0)[3:] < 1e-9).all()
    learned = state.spectrum(0.0, 3000)
    assert (learned[3:] > 0.02).all() and (learned[:3] > 0.5).all()
    assert state.measured(0.0, 60, "full", 0.0, 3000).mean > 0.25
    assert state.measured(0.0, 60, "top", 0.0, 3000).mean < 0.15


# ---- the bound explorer


@pytest.mark.parametrize("where", ["aside", "class", "all"])
@pytest.mark.parametrize("probe", ["full", "top"])
def test_no_gaussian_curve_passes_its_bound(where, probe):
    state = example("BoundExplorer").state
    for rho in (0.0, 0.3, 0.9):
        for sigma in (0.25, 1.0, 4.0):
            c = state.curves(where, probe, 3, rho, sigma, 0.5)
            assert (c.probe <= c.bound + 1e-9).all()


def test_the_literal_line_is_passed():
    c = example("BoundExplorer").state.curves("class", "full", 3, 0.3, 0.25, 0.5)
    assert (c.probe > 2 * (c.k / c.n + c.epsilon_squared)).all()


def test_supervision_overtakes_where_the_curves_cross():
    c = example("BoundExplorer").state.curves("class", "full", 3, 0.3, 1.0, 0.5)
    world = gaussian_world(3, 40, 10, dependence=0.3, noise=1.5, where="class")
    before, after = (
        [float(world.excess(int(n), w)) for w in ("raw", "full")] for n in (c.overtakes - 5, c.overtakes + 5)
    )
    assert before[0] > before[1] and after[0] < after[1]


@pytest.mark.parametrize("sees", scenes.SEES)
def test_scenes_curves_come_from_the_world(sees):
    c = example("BoundExplorer").state.curves(sees, "full", 3, 0.5, 1.0, 0.5)
    world = scenes.World(0.5, sees=sees)
    assert c.epsilon_squared == pytest.approx(float(world.epsilon_ci_squared()))
    assert c.approximation == pytest.approx(world.probe_limit().excess, abs=1e-9)
    assert c.approximation <= c.ceiling + 1e-9


def test_points_of_a_network_are_drawn_where_they_belong():
    points = {0.5: {"colorizer": {100: Simulated(0.05, 0.005)}}}
    bare, given = BoundExplorer(repeats=8), BoundExplorer(points, repeats=8)
    for widget in (bare, given):
        widget.set(world="sky and ground", dependence=0.5)
        assert widget.controls["sigma"].disabled
    assert not np.array_equal(bare.panels[0].rgba, given.panels[0].rgba)
    for widget in (bare, given):
        widget.set(dependence=0.3)
    assert np.array_equal(bare.panels[0].rgba, given.panels[0].rgba)
    given.reset()
    assert not given.controls["sigma"].disabled


# ---- harmless or harmful


@pytest.mark.parametrize("where", WHERE.values())
def test_the_drawn_gaps_are_epsilon_and_a(where):
    v = view(where, 0.6)
    if where in scenes.SEES:
        lost = v.weight @ (v.truth - v.answer) ** 2
        assert (lost < 1e-12) == (v.approximation < 1e-12)
        assert lost <= v.approximation + 1e-12  # one of three coordinates
        if not v.wide:
            assert v.weight @ ((v.psi - v.through) ** 2).sum(1) == pytest.approx(v.epsilon_squared)
    else:  # the drawn states are a sample of normal numbers
        gap = ((v.psi - v.through) ** 2).sum(1).mean()
        assert gap == pytest.approx(v.epsilon_squared, rel=0.5)
        assert ((v.truth - v.answer) ** 2).mean() == pytest.approx(v.approximation, rel=0.5, abs=1e-12)
    assert v.approximation <= v.ceiling + 1e-9


def test_verdicts():
    widget = HarmlessOrHarmful()
    assert "harmless" in widget.readout
    widget.set(where="class")
    assert "harmful" in widget.readout
    widget.set(where="against", dependence=1.0)
    assert "100 % of what the bound allows" in widget.readout
    widget.set(where="sky and ground")
    assert "harmless" in widget.readout
    widget.set(where="average colour")
    assert "harmful" in widget.readout
    widget.set(dependence=0.0)
    assert "nothing is shared" in widget.readout


def test_the_probe_of_the_scenes_is_the_best_one():
    """Another solver: the normal equations of the weighted least squares."""
    v = view("average colour", 0.7)
    design = np.column_stack([np.ones(len(v.psi)), v.psi])
    weights = np.linalg.solve(design.T * v.weight @ design, design.T * v.weight @ v.truth)
    np.testing.assert_allclose(v.answer, design @ weights, atol=1e-8)
