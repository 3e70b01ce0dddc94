"""The three curves against the mask ratio: numbers of an AR(1) world, plain loops, and simulation."""

import math

import numpy as np
import pytest
import torch

from ssl_course.theory.masking import ar1_covariance, class_moments, masked_curves
from ssl_course.theory.residual import held_out_epsilon_squared


def ar1(ratio, masks=200):
    """Means over random masks of 32 pixels with ρ = .9 and two classes one unit apart; ε² as if the class were known."""
    s = ar1_covariance(32, 0.9)
    stream = torch.Generator().manual_seed(0)
    rows = []
    for _ in range(masks):
        hide = torch.zeros(32, dtype=torch.bool)
        hide[torch.randperm(32, generator=stream)[: min(max(round(32 * ratio), 1), 31)]] = True
        two = masked_curves(
            [0.5, 0.5], torch.stack([torch.zeros(32), torch.ones(32)]), torch.stack([s, s]), hide
        )
        one = masked_curves([1.0], torch.zeros(1, 32), s[None], hide)
        rows.append((float(two.dependence), float(one.epsilon_squared), float(two.class_information)))
    return np.mean(rows, 0)


@pytest.mark.parametrize(
    ("ratio", "dependence", "epsilon", "information"),  # derived and simulated for this project
    [
        (0.1, 2.9, 0.88, 2.62),
        (0.5, 6.9, 0.82, 2.51),
        (0.75, 5.6, 0.72, 2.33),
        (0.9, 2.9, 0.48, 1.76),
        (0.97, 1.1, 0.23, 1.0),
    ],
)
def test_the_ar1_world(ratio, dependence, epsilon, information):
    found = ar1(ratio)
    assert found[0] == pytest.approx(dependence, abs=0.15)
    assert found[1] == pytest.approx(epsilon, abs=0.02)
    assert found[2] == pytest.approx(information, abs=0.05)


def world(seed=0, k=3, d=6):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(k, d, d))
    return rng.dirichlet(np.ones(k)), rng.normal(size=(k, d)), a @ a.transpose(0, 2, 1) + 0.5 * np.eye(d)


def test_dependence_and_information_by_plain_loops():
    p, m, s = world()
    hide = np.array([True, False, False, True, False, True])
    found = masked_curves(p, m, s, hide)
    total, within = 0.0, np.zeros((3, 3))
    for y in range(3):
        det = np.linalg.det
        total += (
            p[y] * 0.5 * math.log(det(s[y][np.ix_(~hide, ~hide)]) * det(s[y][np.ix_(hide, hide)]) / det(s[y]))
        )
        within += p[y] * s[y][np.ix_(~hide, ~hide)]
    assert float(found.dependence) == pytest.approx(total)
    pairs = [(m[a] - m[b])[~hide] for a in range(3) for b in range(a)]
    assert float(found.class_information) == pytest.approx(
        np.mean([v @ np.linalg.solve(within, v) for v in pairs])
    )


def test_epsilon_by_simulation():
    """R regressed on X₁ in samples, scored on others; and independent parts have none."""
    p, m, s = world(1)
    hide = np.array([False, True, False, False, True, False])
    rng = np.random.default_rng(2)
    y = rng.choice(3, 200_000, p=p)
    x = m[y] + np.einsum("nij,nj->ni", np.linalg.cholesky(s)[y], rng.normal(size=(200_000, 6)))
    design = np.c_[np.ones(len(x)), x[:, ~hide]]
    rest = x[:, hide] - m[y][:, hide]
    g = design @ np.linalg.lstsq(design[:100_000], rest[:100_000], rcond=None)[0]
    found = held_out_epsilon_squared(x[100_000:, hide], y[100_000:], g[100_000:])
    exact = masked_curves(p, m, s, hide)
    assert abs(2 * float(exact.epsilon_squared) - found.value) < 5 * found.standard_error
    apart = s * (hide[:, None] == hide)
    nothing = masked_curves(p, m, apart, hide)
    assert float(nothing.dependence) == pytest.approx(0, abs=1e-9)
    assert float(nothing.epsilon_squared) == pytest.approx(0, abs=1e-9)


def test_the_noise_of_few_samples_is_taken_off():
    """40 samples a class: on average over many sets, right with counts, too large without."""
    p, m, s = np.full(3, 1 / 3), world(1)[1], world(1)[2]
    hide = np.array([False, True, False, False, True, False])
    exact = masked_curves(p, m, s, hide)
    rng, root = np.random.default_rng(0), np.linalg.cholesky(s)
    found = []
    for _ in range(300):
        y = np.repeat(np.arange(3), 40)
        x = m[y] + np.einsum("nij,nj->ni", root[y], rng.normal(size=(120, 6)))
        moments = class_moments(x, y)
        plain, mended = masked_curves(*moments, hide), masked_curves(*moments, hide, [40, 40, 40])
        found.append([float(v) for v in (*plain[:2], *mended[:2])])
    mean, error = np.mean(found, 0), np.std(found, 0) / 300**0.5
    truth = [float(exact.dependence), float(exact.epsilon_squared)]
    assert mean[0] > truth[0] + 5 * error[0] and mean[1] > truth[1] + 3 * error[1]
    assert abs(mean[2] - truth[0]) < 4 * error[2]
    assert abs(mean[3] - truth[1]) < abs(mean[1] - truth[1]) / 2  # not exact where class covariances differ
    with pytest.raises(ValueError, match="too few"):
        masked_curves(*moments, hide, [6, 40, 40])


def test_moments_against_numpy():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 4)), rng.integers(0, 3, 300)
    shares, means, covariances = class_moments(x, y)
    for k in range(3):
        assert float(shares[k]) == pytest.approx((y == k).mean())
        np.testing.assert_allclose(means[k], x[y == k].mean(0))
        np.testing.assert_allclose(covariances[k], np.cov(x[y == k].T))


def test_wrong_arguments_are_named():
    p, m, s = world()
    for hide in (np.ones(6, bool), np.zeros(6, bool)):
        with pytest.raises(ValueError, match="some visible"):
            masked_curves(p, m, s, hide)
    with pytest.raises(ValueError, match="rho"):
        ar1_covariance(3, 1.0)
    with pytest.raises(ValueError, match="two samples"):
        class_moments(np.zeros((3, 2)), [0, 0, 1])
