"""The residual estimator with any predictor, against worlds whose answer is known."""

import numpy as np
import pytest
import torch
from scipy import stats

from ssl_course.theory import independence, residual

SHIFT = np.array([[0.0, 0.0], [3.0, -1.0]])  # E[X₂|Y]


def line(n, slope, seed):
    """X₁ = 2Y + N(0,1), X₂ = shift_Y + slope·(X₁ − 2Y, 0) + noise: E[R|X₁] and so ε² are known up to a 1-d integral."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    own = rng.normal(size=n)
    x2 = SHIFT[y] + slope * np.stack([own, 0 * own], 1) + rng.normal(size=(n, 2))
    return (own + 2 * y)[:, None], x2, y


def true_g(x1, slope):
    """E[R|x₁] = slope · (x₁ − 2 P(Y=1|x₁))."""
    x = x1[:, 0]
    odds = 1 / (1 + np.exp(-(2 * x - 2)))
    return np.stack([slope * (x - 2 * odds), 0 * x], 1)


def exact(slope):
    x = np.linspace(-8, 10, 20001)[:, None]
    density = (stats.norm.pdf(x[:, 0]) + stats.norm.pdf(x[:, 0] - 2)) / 2
    return np.trapezoid(density * (true_g(x, slope) ** 2).sum(1), x[:, 0])


def test_the_true_predictor_reaches_epsilon_and_no_other_exceeds_it():
    slope = 0.8
    target = exact(slope)
    values = {"true": [], "half": [], "twice": [], "noise": []}
    covered = []
    for seed in range(150):
        x1, x2, y = line(400, slope, seed)
        g = true_g(x1, slope)
        wrong = np.random.default_rng(1000 + seed).normal(size=g.shape)
        for name, guess in (("true", g), ("half", g / 2), ("twice", 2 * g), ("noise", g + 0.3 * wrong)):
            estimate = residual.held_out_epsilon_squared(x2, y, guess)
            values[name].append(estimate.value)
            if name == "true":
                covered.append(estimate.interval[0] <= target <= estimate.interval[1])
    mean = {name: np.mean(v) for name, v in values.items()}
    error = np.std(values["true"]) / 150**0.5
    assert abs(mean["true"] - target) < 4 * error
    assert mean["half"] == pytest.approx(0.75 * target, abs=4 * error)  # ε² − ‖g*/2‖²
    assert mean["twice"] == pytest.approx(0, abs=10 * error)  # ε² − ‖g*‖²
    assert mean["noise"] == pytest.approx(target - 2 * 0.09, abs=6 * error)
    assert np.mean(covered) > 0.9


def test_held_out_means_take_no_bias():
    """Small classes: with R as it is, the expectation would be 1 − 1/n_y of the true one."""
    runs = []
    for seed in range(1500):
        x1, x2, y = line(8, 0.8, seed)
        if np.bincount(y, minlength=2).min() < 2:
            continue
        g = np.stack([x1[:, 0] - 2 * y, 0 * y], 1)  # a g that knows y, so that E⟨R, g⟩ = slope in each class
        runs.append(residual.held_out_epsilon_squared(x2, y, g).value)
    assert np.mean(runs) == pytest.approx(2 * 0.8 - 1, abs=4 * np.std(runs) / len(runs) ** 0.5)


def test_the_standard_error_knows_that_class_means_were_fitted():
    """A g with a large mean: ⟨R, mean⟩ adds up to 0 exactly, so it must not count as noise."""
    runs = []
    for seed in range(400):
        x1, x2, y = line(200, 0.0, seed)
        runs.append(residual.held_out_epsilon_squared(x2, y, np.stack([x1[:, 0] - 2 * y + 10, 0 * y], 1)))
    spread = np.std([r.value for r in runs])
    assert np.mean([r.standard_error for r in runs]) == pytest.approx(spread, rel=0.15)


def test_cross_fitting_on_a_table_and_on_numbers():
    rng = np.random.default_rng(0)
    joint = rng.dirichlet(np.full(24, 0.7)).reshape(4, 3, 2)
    x2 = rng.normal(size=(3, 2))
    i, j, y = np.unravel_index(rng.choice(24, 20000, p=joint.flatten()), joint.shape)
    truth = float(independence.epsilon_ci_squared(joint, x2))
    estimate = residual.cross_fitted_epsilon_squared(
        np.eye(4)[i], x2[j], y
    )  # linear in one-hot is any function
    assert estimate.interval[0] - 0.1 * truth < truth < estimate.interval[1] + 0.1 * truth
    assert estimate.standard_error < 0.2 * truth

    slope, (x1, x2, y) = 0.8, line(20000, 0.8, 5)
    estimate = residual.cross_fitted_epsilon_squared(
        x1, x2, y, lambda x, r: lambda new: true_g(new.numpy(), slope)
    )
    assert abs(estimate.value - exact(slope)) < 3 * estimate.standard_error
    linear = residual.cross_fitted_epsilon_squared(x1, x2, y)
    assert linear.value < estimate.value - 3 * estimate.standard_error  # a line cannot follow E[R|X₁]


def test_under_ci_the_estimate_is_not_above_0():
    runs = [residual.cross_fitted_epsilon_squared(*line(300, 0.0, seed)) for seed in range(100)]
    mean = np.mean([r.value for r in runs])
    assert mean < 0 + 2 * np.std([r.value for r in runs]) / 10
    assert np.mean([r.plug_in for r in runs]) > 0.003  # ‖g‖² trusts its own noise
    assert np.mean([r.interval[0] > 0 for r in runs]) <= 0.06


Y4 = [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: residual.held_out_epsilon_squared([1.0, 2], [0, 0], [1.0, 2]), "one class only"),
        (lambda: residual.held_out_epsilon_squared([1.0], [0], [1.0]), "at least 2 samples"),
        (lambda: residual.held_out_epsilon_squared([1.0, 2], [0, 1], [1.0, 2]), "no class has two"),
        (lambda: residual.held_out_epsilon_squared([1.0, 2, 3, 4], Y4, [1.0, 2]), "g must predict"),
        (lambda: residual.held_out_epsilon_squared([1.0, 2, 3, np.inf], Y4, [1.0] * 4), "x2 has a value"),
        (lambda: residual.cross_fitted_epsilon_squared([[1.0]] * 4, [1.0] * 4, Y4, folds=3), "folds"),
        (lambda: residual.cross_fitted_epsilon_squared([[1.0]] * 3, [1.0] * 4, Y4), "equal length"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_every_device(device):
    x1, x2, y = (torch.as_tensor(v, device=device) for v in line(200, 0.8, 0))
    on_cpu = residual.cross_fitted_epsilon_squared(x1.cpu(), x2.cpu(), y.cpu())
    assert residual.cross_fitted_epsilon_squared(x1, x2, y).value == pytest.approx(on_cpu.value)
