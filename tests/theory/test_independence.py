"""Every sum of theory/ against a plain loop over the table, and against worlds whose answer is known."""

import itertools
import math

import numpy as np
import pytest
import torch

from ssl_course.theory import bounds, correlation, independence

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


def test_maximal_correlations():
    bits = np.array([[0.4, 0.1], [0.1, 0.4]])  # correlation of two bits
    assert correlation.maximal_correlations(bits).tolist() == pytest.approx([0.6])
    square = np.array([[0, 1], [1, 0], [0, 1]]) / 3  # x in −1, 0, 1 and x²: uncorrelated, yet a function
    assert correlation.maximal_correlations(square).tolist() == pytest.approx([1.0])
    assert correlation.maximal_correlations(np.eye(3) / 3).tolist() == pytest.approx([1.0, 1.0])
    with pytest.raises(ValueError, match="table"):
        correlation.maximal_correlations(np.ones((2, 2)))


def test_probe_limit_of_the_world_where_nothing_is_learned():
    limit = bounds.probe_limit(C1, np.eye(2))
    assert limit.excess == pytest.approx(0.405, abs=1e-12)
    assert limit.accuracy == pytest.approx(0.5)
