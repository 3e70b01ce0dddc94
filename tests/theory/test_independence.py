"""Every sum of theory/ against a plain loop over the table, and against worlds whose answer is known."""

import itertools
import math

import numpy as np
import pytest
import torch

from ssl_course.theory import bounds, independence

# δ = 0.1 of the world in which learning fails although ε is tiny; counts of 40, [x1][x2][y]
C1 = np.array([[[10, 0], [9, 1]], [[1, 9], [0, 10]]]) / 40
# ε_CI = 0 without conditional independence; counts of 20
SILENT = np.array([[[7, 1], [1, 1]], [[2, 3], [0, 5]]]) / 20


def worlds(n=20, shape=(4, 3, 2)):
    rng = np.random.default_rng(0)
    for _ in range(n):
        yield rng.dirichlet(np.full(math.prod(shape), 0.5)).reshape(shape), rng.normal(size=(shape[1], 2))


def loop(joint, x2):
    """E[X₂|x₁], E[X₂|y] and P(y|x₁) by the definition, one entry after the other."""
    n1, n2, k = joint.shape
    psi = [sum(joint[i, j].sum() * x2[j] for j in range(n2)) / joint[i].sum() for i in range(n1)]
    means = [sum(joint[:, j, y].sum() * x2[j] for j in range(n2)) / joint[:, :, y].sum() for y in range(k)]
    posterior = [[joint[i, :, y].sum() / joint[i].sum() for y in range(k)] for i in range(n1)]
    return psi, means, posterior


def test_best_predictor_against_brute_force():
    for joint, x2 in worlds():
        np.testing.assert_allclose(independence.best_predictor(joint, x2), loop(joint, x2)[0], atol=1e-12)


def test_epsilon_against_brute_force():
    for joint, x2 in worlds():
        psi, means, posterior = loop(joint, x2)
        expected = 0.0
        for i in range(len(psi)):
            through = sum(posterior[i][y] * means[y] for y in range(len(means)))
            expected += joint[i].sum() * float(((psi[i] - through) ** 2).sum())
        assert float(independence.epsilon_ci_squared(joint, x2)) == pytest.approx(expected, rel=1e-10)


def test_known_worlds():
    assert float(independence.epsilon_ci_squared(C1, np.eye(2))) == pytest.approx(0.00405, abs=1e-12)
    assert float(independence.conditional_mutual_information(C1)) == pytest.approx(0.031, abs=5e-4)
    assert float(independence.epsilon_ci_squared(SILENT, np.eye(2))) == pytest.approx(0, abs=1e-15)
    assert float(independence.conditional_mutual_information(SILENT)) == pytest.approx(0.0144, abs=5e-5)


def test_cmi_against_brute_force():
    for joint, _ in worlds():
        expected = 0.0
        for i, j, y in itertools.product(*map(range, joint.shape)):
            p, py = joint[i, j, y], joint[:, :, y].sum()
            expected += p * math.log(p * py / (joint[i, :, y].sum() * joint[:, j, y].sum()))
        assert float(independence.conditional_mutual_information(joint)) == pytest.approx(expected, rel=1e-9)


def test_under_ci_the_predictor_goes_through_y():
    rng = np.random.default_rng(1)
    for _ in range(10):
        p1, p2, py = rng.dirichlet(np.ones(5), 3), rng.dirichlet(np.ones(4), 3), rng.dirichlet(np.ones(3))
        joint, x2 = np.einsum("yi,yj,y->ijy", p1, p2, py), rng.normal(size=(4, 3))
        direct = independence.best_predictor(joint, x2)
        through = independence.predictor_through_y(joint, x2)
        np.testing.assert_allclose(direct, through, atol=1e-12)
        by_hand = [[sum(py_ * m for py_, m in zip(row, col, strict=True)) for col in np.transpose(loop(joint, x2)[1])]
                   for row in loop(joint, x2)[2]]  # fmt: skip
        np.testing.assert_allclose(through, by_hand, atol=1e-12)
        assert float(independence.conditional_mutual_information(joint)) == pytest.approx(0, abs=1e-12)
        assert bounds.probe_limit(joint, x2).excess == pytest.approx(0, abs=1e-12)  # A has rank 3


def draw(joint, n, seed):
    flat = torch.as_tensor(joint, dtype=torch.float64).reshape(-1)
    k = torch.multinomial(flat, n, True, generator=torch.Generator().manual_seed(seed))
    return np.unravel_index(k.numpy(), joint.shape)


@pytest.mark.parametrize("world", ["C1", "independent"])
def test_estimate_converges(world):
    joint, x2 = C1, np.eye(2)
    if world == "independent":
        joint, x2 = np.full((9, 3, 2), 1 / 54), np.eye(3)
    exact = float(independence.epsilon_ci_squared(joint, x2))
    runs = []
    for seed in range(200):
        i, j, y = draw(joint, 1000, seed)
        runs.append(independence.estimate_epsilon_ci_squared(i, x2[j], y, seed))
    values = np.array([r.value for r in runs])
    error = values.std() / len(runs) ** 0.5
    assert abs(values.mean() - exact) < 4 * error + 1e-4
    assert np.mean([r.plug_in for r in runs]) - exact > 3 * error or world == "C1"  # the plug-in's bias
    covered = np.mean([abs(r.value - exact) < 2 * r.standard_error for r in runs])
    assert covered > 0.93


@pytest.mark.parametrize(
    ("joint", "message"),
    [
        (np.full((2, 2), 0.25), "axes"),
        (np.full((2, 2, 2), 0.25), "sums to 2"),
        (np.array([[[-0.5, 0.5], [0.5, 0.5]]]), "negative"),
        (np.array([[[np.nan, 0.5], [0.5, 0.0]]]), "not finite"),
    ],
)
def test_bad_tables_are_named(joint, message):
    with pytest.raises(ValueError, match=message):
        independence.epsilon_ci_squared(joint, np.eye(2))


def test_x2_must_fit():
    with pytest.raises(ValueError, match="3 values for the 2 states"):
        independence.epsilon_ci_squared(C1, np.eye(3))
    with pytest.raises(ValueError, match="x2 has a value that is not finite"):
        independence.epsilon_ci_squared(C1, [0.0, np.nan])


@pytest.mark.parametrize(("axis", "name"), [(0, "X₁"), (2, "Y")])
def test_a_state_that_never_occurs_is_named(axis, name):
    padded = np.concatenate([C1, np.zeros_like(C1.take([0], axis))], axis)
    with pytest.raises(ValueError, match=f"state 2 of {name} has probability zero"):
        independence.epsilon_ci_squared(padded, np.eye(2))


def test_epsilon_tilde_against_search():
    rng = np.random.default_rng(3)
    for joint, _ in worlds(5):
        exact = float(independence.epsilon_tilde_squared(joint))
        q = joint.sum((0, 2))
        best = 0.0
        for g in rng.normal(size=(500, 3)):
            g = (g - q @ g) / np.sqrt(q @ (g - q @ g) ** 2)  # mean 0, variance 1
            value = float(independence.epsilon_ci_squared(joint, g))
            assert value <= exact + 1e-12
            best = max(best, value)
        assert best == pytest.approx(exact, rel=0.01)  # 500 directions of a circle
    assert float(independence.epsilon_tilde_squared(C1)) == pytest.approx(0.0081, abs=1e-12)


def test_tables_on_every_device(device):
    joint, x2 = torch.tensor(C1, device=device), torch.eye(2, device=device)
    value = independence.epsilon_ci_squared(joint, x2)
    assert value.ndim == 0 and value.dtype == torch.float64 and value.device.type == device
    assert float(value) == pytest.approx(0.00405, abs=1e-12)
    assert float(independence.epsilon_tilde_squared(joint)) == pytest.approx(0.0081, abs=1e-12)
    assert float(independence.conditional_mutual_information(joint)) == pytest.approx(0.031, abs=5e-4)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (([0, 1, 0], [1.0, 2, 3], [0, 1, 0]), "at least 4 samples"),
        (([0, 1, 0, 1], [1.0, 2, 3], [0, 1, 0, 1]), "equal length"),
        (([0.5, 1, 0, 1], [1.0, 2, 3, 4], [0, 1, 0, 1]), "x1 must be integers"),
        (([0, 1, 0, 1], [1.0, 2, 3, 4], [0, 0, 0, 0]), "one class only"),
        (([0, 1, 0, 1], [1.0, 2, 3, np.nan], [0, 1, 0, 1]), "x2 has a value that is not finite"),
        (([0, 1, 2, 3], [1.0, 2, 3, 4], [0, 1, 0, 1]), "occurs only once"),
    ],
)
def test_bad_samples_are_named(samples, message):
    with pytest.raises(ValueError, match=message):
        independence.estimate_epsilon_ci_squared(*samples)


def test_the_plug_in_s_bias_is_the_closed_form():
    """(1/n) Σ_{x₁,y} p(y|x₁) v_y (1 − p(x₁|y)) at conditional independence, v_y = Tr Cov(X₂|y)."""
    n, px = 500, np.array([[0.5, 0.3, 0.2], [0.1, 0.3, 0.6]])  # p(x₁|y)
    joint = np.einsum("y,yi,yj->ijy", [0.4, 0.6], px, [[0.7, 0.3], [0.2, 0.8]])
    v = np.array([2 * 0.7 * 0.3, 2 * 0.2 * 0.8])
    posterior = joint.sum(1) / joint.sum((1, 2))[:, None]
    bias = (posterior * v * (1 - px.T)).sum() / n
    runs = []
    for seed in range(400):
        i, j, y = draw(joint, n, seed)
        runs.append(independence.estimate_epsilon_ci_squared(i, np.eye(2)[j], y, seed))
    plug_in, cross = (np.array([getattr(r, f) for r in runs]) for f in ("plug_in", "value"))
    assert abs(plug_in.mean() - bias) < 4 * plug_in.std() / 20 + 0.05 * bias
    assert abs(cross.mean()) < 4 * cross.std() / 20 < 0.4 * bias
    low, high = runs[0].interval
    assert high - low == pytest.approx(3.92 * runs[0].standard_error)
    assert (low + high) / 2 == pytest.approx(runs[0].value)


def test_probe_limit_of_the_world_where_nothing_is_learned():
    limit = bounds.probe_limit(C1, np.eye(2))
    assert limit.excess == pytest.approx(0.405, abs=1e-12)
    assert limit.accuracy == pytest.approx(0.5)


def test_one_class_is_nothing_to_tell_apart():
    table = np.full((2, 2, 1), 0.25)
    for call in (
        lambda: independence.epsilon_ci_squared(table, [0, 1]),
        lambda: independence.epsilon_tilde_squared(table),
    ):
        with pytest.raises(ValueError, match="joint has one class only"):
            call()
    assert float(independence.conditional_mutual_information(table)) == pytest.approx(0)  # I(X₁; X₂) then
