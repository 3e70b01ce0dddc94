"""The Gaussian world: closed forms against samples, regression by least squares, and the bound in random covariances."""

import numpy as np
import pytest
import torch

from ssl_course.theory import residual
from ssl_course.theory.gaussian import WHERE, GaussianWorld, gaussian_world


def random_world(seed, d1=6, d2=4, k=2):
    m = torch.randn(
        d1 + d2 + k, d1 + d2 + k + 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    return GaussianWorld(m @ m.T / 12, d1, d2, k)


def test_closed_forms_against_samples():
    world = random_world(0)
    x1, x2, y = (v.numpy() for v in world.sample(400_000))
    psi = np.linalg.lstsq(x1, x2, rcond=None)[0].T
    f = np.linalg.lstsq(x1, y, rcond=None)[0].T
    means = np.linalg.lstsq(y, x2, rcond=None)[0].T
    np.testing.assert_allclose(world.psi(), psi, atol=0.02)
    np.testing.assert_allclose(world.means(), means, atol=0.02)
    assert float(world.label_noise()) == pytest.approx(((y - x1 @ f.T) ** 2).sum(1).mean(), rel=0.01)
    gap = x1 @ psi.T - x1 @ f.T @ means.T
    assert float(world.epsilon_ci_squared()) == pytest.approx((gap**2).sum(1).mean(), rel=0.02)
    assert float(world.sigma_k()) == pytest.approx(np.linalg.svd(means)[1][1], abs=0.02)
    h = x1 @ psi.T
    fit = h @ np.linalg.lstsq(h, x1 @ f.T, rcond=None)[0]
    assert float(world.approximation_error()) == pytest.approx(
        ((x1 @ f.T - fit) ** 2).sum(1).mean(), rel=0.03
    )
    assert float(world.approximation_error("raw")) == pytest.approx(0, abs=1e-12)
    h2 = h @ np.linalg.eigh(np.cov(h.T))[1][:, -2:]
    fit = h2 @ np.linalg.lstsq(h2, x1 @ f.T, rcond=None)[0]
    assert float(world.approximation_error("top")) == pytest.approx(
        ((x1 @ f.T - fit) ** 2).sum(1).mean(), rel=0.03
    )


def test_the_bound_holds_in_random_worlds():
    tight = 0.0
    for seed in range(300):
        world = random_world(seed, *[(6, 4, 2), (5, 3, 3), (8, 2, 2)][seed % 3])
        for which in ("full", "top"):
            a, bound = world.approximation_error(which), world.approximation_bound(which)
            assert a <= bound * (1 + 1e-9)
        tight = max(tight, float(world.approximation_error() / world.approximation_bound()))
    assert tight > 0.2
    broken = random_world(0, 6, 1, 2)  # one number cannot tell two labels
    assert float(broken.sigma_k()) == 0 and float(broken.approximation_bound()) == np.inf


@pytest.mark.parametrize(("which", "n"), [("full", 30), ("top", 12), ("raw", 60)])
@pytest.mark.parametrize("where", ["all", "aside", "against"])
def test_excess_against_simulation(which, n, where):
    world = gaussian_world(k=3, d1=12, d2=5, dependence=0.6, where=where)
    simulated = world.simulate(n, which, repeats=3000)
    assert abs(simulated.mean - float(world.excess(n, which))) < 4 * simulated.standard_error
    assert simulated.standard_error < 0.02 * simulated.mean


def test_closed_forms_of_the_knobs():
    k, noise, sigma, rho = 3, 1.2, 0.7, 0.4
    s2 = k / noise - 1
    v = s2 / (1 + s2)
    common = dict(k=k, d1=12, d2=6, dependence=rho, sigma=sigma, noise=noise)
    a = k * v * rho**2 / (sigma**2 * v + rho**2)
    for where, rank, error, epsilon in (
        ("all", 6, a, 6 * rho**2),
        ("class", 3, a, 3 * rho**2),
        ("aside", 6, 0, 3 * rho**2),
        ("against", 3, 0, 3 * rho**2 / (1 + s2)),
    ):
        world = gaussian_world(**common, where=where)
        assert float(world.label_noise()) == pytest.approx(noise)
        assert float(world.sigma_k()) == pytest.approx(sigma)
        assert world.rank() == rank and world.rank("top") == 3 and world.rank("raw") == 12
        assert float(world.approximation_error()) == pytest.approx(error, abs=1e-12)
        assert float(world.epsilon_ci_squared()) == pytest.approx(epsilon)
    world = gaussian_world(**common | {"dependence": 0.001}, where="class")
    assert float(world.approximation_error() / world.approximation_bound()) == pytest.approx(
        1, abs=1e-4
    )  # tight
    full = (s2**0.5) * sigma  # where ψ* loses everything
    world = gaussian_world(**common | {"dependence": full}, where="against")
    assert world.rank() == 0
    assert float(world.approximation_error()) == pytest.approx(k * v)
    assert float(world.approximation_bound()) == pytest.approx(k * v)  # attained
    assert world.simulate(20).mean == pytest.approx(k * v)
    for where in WHERE:
        assert float(gaussian_world(**common | {"dependence": 0.0}, where=where).epsilon_ci_squared()) == 0


def test_where_k_comes_from():
    """Statement 5: the slightest dependence lifts the rank from k to d2; a ridge hides it."""
    ci, slight = gaussian_world(dependence=0.0), gaussian_world(dependence=0.001)
    expected = {(ci, "full"): 0.085, (slight, "full"): 0.325, (slight, "top"): 0.085, (slight, "raw"): 3.36}
    for (world, which), risk in expected.items():
        assert float(world.excess(60, which)) == pytest.approx(risk, abs=0.001)
        simulated = world.simulate(60, which, repeats=1500)
        assert abs(simulated.mean - float(world.excess(60, which))) < 4 * simulated.standard_error
    assert float(slight.label_noise()) == pytest.approx(1.596)
    assert ci.rank() == 3 and slight.rank() == 10
    assert slight.simulate(60, ridge=1e-3, repeats=1500).mean == pytest.approx(0.085, abs=0.01)
    assert slight.simulate(60, ridge=1e-12, repeats=1500).mean > 0.3


def test_where_supervision_overtakes():
    world = gaussian_world(dependence=0.3)
    n = float(world.overtakes())
    below, above = int(n), int(n) + 1
    assert world.excess(below) < world.excess(below, "raw")
    assert world.excess(above) > world.excess(above, "raw")
    a, r = float(world.approximation_error()), world.rank()
    assert n == pytest.approx(41 + (40 - r) * 1.596 / a)
    assert float(gaussian_world(dependence=0.3, where="aside").overtakes()) == np.inf  # harmless: never


def test_learned_from_unlabelled_pairs():
    world = gaussian_world(k=2, d1=8, d2=2, dependence=0.0, noise=1.0)
    risks = [world.simulate(20, unlabelled=m, repeats=300).mean for m in (20, 200, 2000)]
    assert risks[0] > 1.3 * risks[1] > 1.3 * risks[2]
    assert risks[2] == pytest.approx(float(world.excess(20)), rel=0.15)
    top = gaussian_world(k=2, d1=12, d2=6, dependence=0.0, noise=1.0)
    full, narrow = (top.simulate(20, which, unlabelled=2000, repeats=200).mean for which in ("full", "top"))
    assert full > 2 * narrow  # a learned ψ has full rank even under CI: the top k is the cure


def test_the_residual_estimator_finds_epsilon():
    """2 E⟨R, g⟩ − E‖g‖² on held-out samples, R = X₂ − M Y and g fitted by least squares (theory of residual.py)."""
    world = gaussian_world(k=2, d1=6, d2=3, dependence=0.4, noise=1.0)
    x1, x2, y = world.sample(100_000)
    left_over = x2 - y @ world.means().T
    g = residual.least_squares(x1[:50_000], left_over[:50_000])(x1[50_000:])
    terms = 2 * (left_over[50_000:] * g).sum(1) - g.square().sum(1)
    assert abs(float(terms.mean() - world.epsilon_ci_squared())) < 4 * float(terms.std()) / 50_000**0.5
    assert float(terms.std()) / 50_000**0.5 < 0.05 * float(world.epsilon_ci_squared())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gaussian_world(d1=5), "d1 ≥ k"),
        (lambda: gaussian_world(dependence=1.1), "dependence"),
        (lambda: gaussian_world(noise=3.0), "noise < k"),
        (lambda: gaussian_world(where="up"), "where must be"),
        (lambda: GaussianWorld(torch.eye(4), 2, 2, 2), "symmetric \\(6, 6\\)"),
        (lambda: GaussianWorld(-torch.eye(3), 1, 1, 1), "negative eigenvalue"),
        (lambda: gaussian_world().excess(10, "half"), "features must be"),
        (lambda: gaussian_world().simulate(0), "n ≥ 1"),
        (lambda: gaussian_world().simulate(10, unlabelled=40), "unlabelled must be above"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
