"""The small worlds: their tables by the definition, entry by entry, and the numbers that they are known for."""

import numpy as np
import pytest
import torch

from ssl_course.theory import bounds, correlation, independence, worlds


def test_two_bits():
    counts = [[[10, 0], [9, 1]], [[1, 9], [0, 10]]]
    np.testing.assert_allclose(worlds.two_bits().joint, np.array(counts) / 40, atol=1e-15)
    assert float(independence.conditional_mutual_information(worlds.two_bits().joint)) == pytest.approx(
        0.031, abs=5e-4
    )


def test_film_words_by_definition():
    q, dependence = 0.8, 0.3
    joint = worlds.film_words(dependence, q).joint
    for i in range(4):
        for j in range(4):
            for y in range(2):
                (s1, v1), (s2, v2) = divmod(i, 2), divmod(j, 2)
                sign = 1 if v1 == v2 else -1
                expected = (
                    0.5 * (q if s1 == y else 1 - q) * (q if s2 == y else 1 - q) * (1 + dependence * sign) / 4
                )
                assert float(joint[i, j, y]) == pytest.approx(expected)


def test_film_words_numbers():
    counts = [[246, 82, 54, 18], [82, 246, 18, 54], [54, 18, 246, 82], [18, 54, 82, 246]]
    np.testing.assert_allclose(worlds.film_words(0.5).joint.sum(2) * 1600, counts, atol=1e-9)
    c = 0.64
    for dependence in (0.0, 0.3, 0.6, 0.7, 1.0):
        world = worlds.film_words(dependence)
        rho = correlation.maximal_correlations(world.joint.sum(2))
        np.testing.assert_allclose(rho, sorted([c, dependence, c * dependence], reverse=True), atol=1e-9)
        epsilon = float(independence.epsilon_ci_squared(*world))
        assert epsilon == pytest.approx(dependence**2 * (1 + c**2) / 4, abs=1e-12)
        full, narrow = bounds.probe_limit(*world), bounds.probe_limit(*world, rank=1)
        assert full.excess == pytest.approx(0, abs=1e-12) and full.accuracy == pytest.approx(0.9)
        below = dependence < c
        assert narrow.excess == pytest.approx(0 if below else 0.32, abs=1e-12)
        assert narrow.accuracy == pytest.approx(0.9 if below else 0.5)
        psi = independence.best_predictor(*world)
        assert int(torch.linalg.matrix_rank(psi - psi.mean(0))) == (1 if dependence == 0 else 3)
    like, awesome = worlds.WORDS_2.index("like"), worlds.WORDS_1.index("awesome")
    assert float(worlds.film_words(1.0).joint[awesome, like].sum()) == 0  # the note's sentence
    assert float(worlds.film_words(0.9).joint[awesome, like].sum()) > 0


def test_silent_dependence():
    """ε_CI = 0 without conditional independence: the converse of "CI gives ε_CI = 0" is false."""
    joint = np.array([[[7, 1], [1, 1]], [[2, 3], [0, 5]]]) / 20
    t = bounds.terms(joint, np.eye(2), n=100)
    assert float(t.epsilon_squared) == pytest.approx(0, abs=1e-15)
    assert float(t.approximation) == pytest.approx(0, abs=1e-12)
    assert float(t.sigma_k) == pytest.approx(0.473, abs=5e-4)
    assert float(independence.conditional_mutual_information(joint)) == pytest.approx(0.0144, abs=5e-5)


def test_simulated_excess_against_a_plain_loop():
    rng = np.random.default_rng(0)
    joint, x2 = rng.dirichlet(np.ones(24)).reshape(4, 3, 2), rng.normal(size=(3, 1))
    psi, f = independence.best_predictor(joint, x2).numpy(), independence.posterior(joint).numpy()
    runs = []
    for _ in range(3000):
        i, _, y = np.unravel_index(rng.choice(24, 40, p=joint.flatten()), joint.shape)
        w = np.linalg.lstsq(np.column_stack([np.ones(40), psi[i]]), np.eye(2)[y], rcond=None)[0]
        fit = np.column_stack([np.ones(4), psi]) @ w
        runs.append(joint.sum((1, 2)) @ ((f - fit) ** 2).sum(1))
    ours = worlds.simulate_excess(joint, x2, n=40, repeats=3000)
    error = np.hypot(ours.standard_error, np.std(runs) / 3000**0.5)
    assert abs(ours.mean - np.mean(runs)) < 4 * error
    assert ours.standard_error == pytest.approx(np.std(runs) / 3000**0.5, rel=0.3)
    again = worlds.simulate_excess(joint, None, n=40, repeats=3000, features=psi)
    assert again == ours


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: worlds.two_bits(0), "delta"),
        (lambda: worlds.film_words(1.2), "dependence"),
        (lambda: worlds.film_words(0.5, 0.4), "certainty"),
        (lambda: worlds.rare_coin(0), "rare"),
        (lambda: worlds.simulate_excess(*worlds.two_bits(), n=0), "n ≥ 1"),
        (lambda: worlds.simulate_excess(worlds.two_bits().joint, None, n=5), "give x2"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("n", [1, 7, 60])
def test_table_excess_against_simulation(n):
    """Learning from scratch, played out: draw labels, answer with their means."""
    rng = np.random.default_rng(n)
    joint = rng.dirichlet(np.ones(24)).reshape(4, 2, 3)
    p, truth = joint.sum((1, 2)), joint.sum(1) / joint.sum((1, 2))[:, None]
    found = []
    for _ in range(4000):
        counts = rng.multinomial(n, joint.sum(1).ravel()).reshape(4, 3)
        seen = counts.sum(1, keepdims=True)
        said = np.where(seen > 0, counts / np.maximum(seen, 1), 1 / 3)
        found.append(p @ ((said - truth) ** 2).sum(1))
    assert abs(float(worlds.table_excess(joint, n)) - np.mean(found)) < 4 * np.std(found) / 4000**0.5


def test_table_excess_refuses():
    with pytest.raises(ValueError, match="n must be at least 1"):
        worlds.table_excess(np.full((2, 2, 2), 0.125), 0)
