"""The true statements, always; the literal one, not; probes against brute force and simulation."""

import numpy as np
import pytest
import torch

from ssl_course.theory import bounds, correlation, independence, worlds

C1 = worlds.two_bits()


def random_worlds(n, shape, seed):
    """(n, n1, n2, k) tables and (n, n2, d) values.

    The first half from nearly even to nearly deterministic; there a is mostly far below its bound. The others are
    like C1: X₁ and X₂ (almost) independent, Y mostly X₁'s, a little X₂'s.
    """
    n1, n2, k, d = shape
    rng = np.random.default_rng(seed)
    mass = rng.gamma(rng.choice([0.1, 0.4, 1, 5], n)[:, None], size=(n, n1 * n2 * k)) + 1e-6
    mass = mass.reshape(n, n1, n2, k)
    half = n // 2
    tie = rng.choice([0, 0.01, 0.3], half)[:, None, None]
    pair = rng.dirichlet(np.ones(n1), half)[:, :, None] * rng.dirichlet(np.ones(n2), half)[:, None]
    pair = (1 - tie) * pair + tie * rng.dirichlet(np.ones(n1 * n2), half).reshape(half, n1, n2)
    y1, y2 = rng.dirichlet(np.full(k, 0.3), (half, n1, 1)), rng.dirichlet(np.full(k, 0.3), (half, 1, n2))
    delta = rng.uniform(0.02, 0.5, half)[:, None, None, None]
    mass[:half] = pair[..., None] * ((1 - delta) * y1 + delta * y2)
    joint = mass / mass.sum((1, 2, 3), keepdims=True)
    scale = np.exp(rng.normal(size=(n, 1, d)))  # units of very different size
    return joint, rng.normal(size=(n, n2, d)) * scale + rng.normal(size=(n, 1, d))


SHAPES = [(4, 3, 2, 2), (6, 5, 3, 3), (3, 4, 2, 3), (8, 6, 4, 5), (2, 2, 2, 2), (5, 4, 3, 2)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_true_bound_holds_in_thousands_of_worlds(shape):
    """All at once in NumPy, independently of the library: a ≤ ε²/σ_k² and a ≤ ε²/σ_{k−1}(MΠ)²."""
    n, (_, _, k, d) = 3000, shape
    joint, x2 = random_worlds(n, shape, 0)
    p, py = joint.sum((2, 3)), joint.sum((1, 2))
    f = joint.sum(2) / p[..., None]  # (n, n1, k) P(y|x₁)
    psi = np.einsum("bij,bjd->bid", joint.sum(3) / p[..., None], x2)
    means = np.einsum("bjy,bjd->byd", joint.sum(1) / py[:, None], x2)  # (n, k, d)
    epsilon = np.einsum("bi,bid->b", p, (psi - f @ means) ** 2)
    design = np.concatenate([np.ones_like(p)[..., None], psi - np.einsum("bi,bid->bd", p, psi)[:, None]], 2)
    root = np.sqrt(p)[..., None]
    left = root * design
    u, s, _ = np.linalg.svd(left, full_matrices=False)
    u = u * (s > 1e-9 * s[:, :1])[:, None]
    target = root * f
    a = ((target - u @ (u.transpose(0, 2, 1) @ target)) ** 2).sum((1, 2))
    centred = (
        np.linalg.svd(means - means.mean(1, keepdims=True), compute_uv=False)[:, k - 2] if d >= k - 1 else 0
    )
    assert (a * centred**2 <= epsilon * (1 + 1e-7) + 1e-12).all()
    smallest = np.linalg.svd(means, compute_uv=False)[:, k - 1] if d >= k else 0
    assert (a * smallest**2 <= epsilon * (1 + 1e-7) + 1e-12).all()
    tight = a * centred**2 / np.maximum(epsilon, 1e-12)
    assert tight.max() > 0.5 and (tight > 0.1).mean() > 0.01  # the constant 1 cannot be bettered
    assert (a > 20 * epsilon).mean() > 0.05  # and without σ there is no bound
    for b in range(0, n, 60):  # and the library says the same
        assert float(bounds.approximation_error(joint[b], x2[b])) == pytest.approx(a[b], rel=1e-5, abs=1e-10)
        assert float(independence.epsilon_ci_squared(joint[b], x2[b])) == pytest.approx(epsilon[b], rel=1e-9)
        for function, truth in ((bounds.sigma_k, smallest), (bounds.sigma_centred, centred)):
            truth = truth[b] if np.ndim(truth) else 0
            assert float(function(joint[b], x2[b])) == pytest.approx(truth, rel=1e-7)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_term_keeps_its_promise(shape):
    joint, x2 = random_worlds(60, shape, 1)
    for table, values in zip(joint, x2, strict=True):
        t = bounds.terms(table, values, 50)
        for value, bound in (
            (t.approximation, t.approximation_bound),
            (t.approximation, t.centred_bound),
            (t.top, t.top_bound),
            (t.similarity, t.similarity_bound),
        ):
            assert value <= bound * (1 + 1e-6) + 1e-12
        assert t.approximation <= t.top + 1e-12
        assert t.literal == pytest.approx(shape[2] / 50 + float(t.epsilon_squared))
        assert float(t.estimation) == pytest.approx(2 * float(t.noise) * shape[2] / 50)
        assert float(t.supervised) == shape[0] / 50


def test_all_functions_reach_constant_one():
    """a ≤ (1 − ΣP(y)²) ε̃²/ρ_{k−1}² when all E[g|X₁] may be used; attained in C1."""
    joint, _ = random_worlds(300, (6, 5, 3, 3), 2)
    for table in [*joint, C1.joint.numpy()]:
        psi = table.sum(2) / table.sum((1, 2))[:, None]  # all E[g|X₁]
        a = bounds.probe_features(table, torch.tensor(psi)).excess
        prior = table.sum((0, 1))
        rho = correlation.maximal_correlations(table.sum(0))[len(prior) - 2]
        bound = (1 - (prior**2).sum()) * independence.epsilon_tilde_squared(table) / rho**2
        assert a <= float(bound) * (1 + 1e-6) + 1e-12
    assert a == pytest.approx(float(bound))


def test_weighted_centring_would_break_the_bound():
    """k = 2, P(y) uneven, ψ* constant: with the weighted mean the factor is 2(p₁² + p₂²)."""
    found = 0.0
    rng = np.random.default_rng(0)
    for _ in range(500):
        q, d = rng.uniform(0.5, 0.98), rng.uniform(0.01, 0.2)
        x1, x2 = np.array([q, 1 - q]), np.array([0.5, 0.5])
        joint = np.einsum("i,j->ij", x1, x2)[..., None] * np.array(
            [[[1 - d * (j != i), d * (j != i)] if i == 0 else [d * (j != i), 1 - d * (j != i)] for j in range(2)]
             for i in range(2)]
        )  # fmt: skip
        means, prior = independence.class_means(joint, np.eye(2)).numpy(), joint.sum((0, 1))
        weighted = np.linalg.svd(means - prior @ means, compute_uv=False)[0]
        a, epsilon = (
            bounds.approximation_error(joint, np.eye(2)),
            independence.epsilon_ci_squared(joint, np.eye(2)),
        )
        found = max(found, float(a) * weighted**2 / float(epsilon) / (2 * (prior**2).sum()))
        assert float(a) <= float(epsilon / bounds.sigma_centred(joint, np.eye(2)) ** 2) * (1 + 1e-9)
    assert 0.97 < found < 1 + 1e-6  # reaches the factor, which is above 1 for uneven classes


def test_c1():
    t = bounds.terms(*C1, n=1000)
    assert np.linalg.svd(independence.class_means(*C1).numpy(), compute_uv=False).tolist() == pytest.approx(
        [1, 0.1]
    )
    assert float(t.sigma_k) == pytest.approx(0.1)
    assert float(t.epsilon_squared) == pytest.approx(0.00405)
    assert float(t.approximation) == pytest.approx(0.405)
    assert float(t.approximation_bound) == pytest.approx(0.405)
    assert float(t.centred_bound) == pytest.approx(0.405)
    assert float(t.noise) == pytest.approx(0.095)
    assert float(t.literal) == pytest.approx(0.00605)
    assert float(t.top_bound) == pytest.approx(4 * 0.405)
    assert float(t.similarity_bound) == pytest.approx(4 * 0.5 * 0.0081 / 0.1**2)  # ρ(X₂, Y) = δ
    assert float(t.similarity) == pytest.approx(0.405)  # against ε̃ = .09, the note's garbled line
    assert float(independence.epsilon_tilde_squared(C1.joint)) == pytest.approx(0.09**2)
    real = float(bounds.excess_risk(t.approximation, t.noise, 0, 1000, intercept=True))
    assert real == pytest.approx(0.4055) and real / float(t.literal) == pytest.approx(67, abs=0.1)
    simulated = worlds.simulate_excess(*C1, n=1000)
    assert abs(simulated.mean - real) < 4 * simulated.standard_error
    for delta in (0.02, 0.3, 0.5):
        t = bounds.terms(*worlds.two_bits(delta), n=1000)
        assert float(t.approximation / t.epsilon_squared) == pytest.approx(1 / delta**2)
        assert float(t.approximation / t.approximation_bound) == pytest.approx(1)


def test_label_noise():
    joint, _ = random_worlds(20, (4, 3, 3, 2), 3)
    for table in joint:
        expected = 0.0
        for i in range(4):
            f = table[i].sum(0) / table[i].sum()
            expected += table[i].sum() * np.trace(
                np.diag(f) - np.outer(f, f)
            )  # the covariance of a one-hot Y
        assert float(bounds.label_noise(table)) == pytest.approx(expected)


def test_smallest_class_correlation():
    joint, x2 = random_worlds(20, (4, 5, 3, 4), 4)
    for table, values in zip(joint, x2, strict=True):
        cross = np.zeros((4, 3))  # E[X₂ Yᵀ]
        for j in range(5):
            for y in range(3):
                cross[:, y] += table[:, j, y].sum() * values[j]
        expected = np.linalg.svd(cross, compute_uv=False)[2]
        assert float(bounds.smallest_class_correlation(table, values)) == pytest.approx(expected, rel=1e-6)
        assert expected != pytest.approx(float(bounds.sigma_k(table, values)), rel=1e-3)  # the numbers differ


def test_the_rank_condition_fails():
    rng = np.random.default_rng(0)
    table = rng.dirichlet(np.ones(60)).reshape(4, 5, 3)
    for values, why in (
        (rng.normal(size=(5, 2)), "fewer numbers than classes"),
        (np.full((5, 3), 0.1), "equal class means"),
        (rng.normal(size=5), "one number"),
    ):
        assert float(bounds.sigma_k(table, values)) == 0, why
        assert float(bounds.smallest_class_correlation(table, values)) == 0, why
        assert float(bounds.terms(table, values, 10).approximation_bound) == np.inf, why
    assert float(bounds.sigma_centred(table, np.full((5, 3), 0.1))) == 0
    assert float(bounds.sigma_centred(table, rng.normal(size=(5, 2)))) > 0  # k − 1 numbers are enough for it
    # X₂ independent of Y, as in puzzles: all class means equal, the theory is silent
    product = np.einsum("iy,j->ijy", rng.dirichlet(np.ones(12)).reshape(4, 3), rng.dirichlet(np.ones(5)))
    t = bounds.terms(product, rng.normal(size=(5, 3)), 10)
    assert (
        float(t.sigma_centred) == 0
        and float(t.centred_bound) == np.inf
        and float(t.similarity_bound) == np.inf
    )


def test_probe_limit_of_the_world_where_nothing_is_learned():
    limit = bounds.probe_limit(*C1)
    assert limit.excess == pytest.approx(0.405, abs=1e-12)
    assert limit.accuracy == pytest.approx(0.5)


def test_the_rank_of_the_predictor():
    """k − 1 under CI, whatever the size of X₂, and more with any dependence: here by counting distinct means."""
    rng = np.random.default_rng(6)
    for k in (2, 3, 4):
        of_y = [rng.dirichlet(np.ones(n), k) for n in (7, 8)]
        joint = np.einsum("y,yi,yj->ijy", rng.dirichlet(np.ones(k)), *of_y)
        values = rng.normal(size=(8, 5)) + 3
        assert bounds.predictor_rank(joint, values) == k - 1
        mixed = 0.999 * joint + 0.001 * rng.dirichlet(np.ones(joint.size)).reshape(joint.shape)
        assert bounds.predictor_rank(mixed, values) == 5
    assert [bounds.predictor_rank(*worlds.film_words(v)) for v in (0, 0.01, 1)] == [1, 3, 3]
    assert bounds.predictor_rank(*C1) == 0  # ψ* is constant


def test_a_bottleneck_keeps_the_principal_components():
    joint, x2 = random_worlds(20, (7, 5, 3, 4), 5)
    for table, values in zip(joint[10:], x2[10:], strict=True):  # where ψ* has full rank
        p = table.sum((1, 2))
        psi = independence.best_predictor(table, values).numpy()
        covariance = (psi - p @ psi).T @ (p[:, None] * (psi - p @ psi))
        top = psi @ np.linalg.eigh(covariance)[1][:, -2:]
        design = np.column_stack([np.ones(7), top])
        f = independence.posterior(table).numpy()
        w = np.linalg.solve(design.T @ (p[:, None] * design), design.T @ (p[:, None] * f))
        expected = p @ ((f - design @ w) ** 2).sum(1)
        assert float(bounds.approximation_error(table, values, rank=2)) == pytest.approx(expected, rel=1e-5)
    full = float(bounds.approximation_error(table, values))
    assert float(bounds.approximation_error(table, values, rank=4)) == pytest.approx(full)
    with pytest.raises(ValueError, match="rank"):
        bounds.probe_limit(table, values, rank=0)


# ---- estimation ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("intercept", [False, True])
def test_excess_risk_of_gaussian_features(intercept):
    """f = w·x + curve, curve uncorrelated with x and independent of it: a is its variance; V the label noise."""
    r, n, a, noise = 3, 12, 0.2, 1.5
    rng = np.random.default_rng(0)
    w, total = rng.normal(size=r), []
    for _ in range(6000):
        x = rng.normal(size=(n, r))
        y = x @ w + rng.normal(size=n) * (a + noise) ** 0.5
        design = np.column_stack([x, np.ones(n)]) if intercept else x
        fit = np.linalg.lstsq(design, y, rcond=None)[0]
        total.append(a + ((fit[:r] - w) ** 2).sum() + (fit[r] ** 2 if intercept else 0))
    expected = float(bounds.excess_risk(a, noise, r, n, intercept))
    assert abs(np.mean(total) - expected) < 4 * np.std(total) / 6000**0.5
    assert np.std(total) / 6000**0.5 < 0.02 * expected


def test_excess_risk_is_infinite_not_negative():
    n = torch.arange(1, 8)
    risk = bounds.excess_risk(0.1, 1.0, 3, n)
    assert torch.isinf(risk).tolist() == [True] * 4 + [False] * 3 and (risk > 0).all()
    assert (
        torch.isinf(bounds.excess_risk(0.1, 1.0, 3, n, intercept=True)).tolist() == [True] * 5 + [False] * 2
    )
    assert risk[4] == pytest.approx(0.1 + 1.1 * 3)
    one = bounds.excess_risk(0.0, 2.0, 0, 10)
    assert one.ndim == 0 and one.dtype == torch.float64 and float(one) == 0
    with pytest.raises(ValueError, match="noise"):
        bounds.excess_risk(0.1, -1.0, 3, 10)


def test_the_simple_bound_follows():
    """n ≥ 2k + 2: excess ≤ 2Vk/n + 2ε²/σ_k² (statement 3)."""
    for k in (1, 2, 5):
        for n in (2 * k + 2, 3 * k + 5, 400):
            for a in (0.0, 0.3, 2.0):
                assert bounds.excess_risk(a, 1.3, k, n) <= 2 * 1.3 * k / n + 2 * a + 1e-12
    assert bounds.excess_risk(1.0, 1.3, 5, 11) > 2 * 1.3 * 5 / 11 + 2  # below, it does not


def test_finite_worlds_break_the_estimation_bound():
    """Statement 4: .00057 against V k/n = .00001."""
    world = worlds.rare_coin()
    simulated = worlds.simulate_excess(*world, n=1000, repeats=4000)
    t = bounds.terms(*world, n=1000)
    assert simulated.mean == pytest.approx(0.00057, abs=0.00002)
    assert float(t.noise) * 2 / 1000 == pytest.approx(0.00001)
    assert float(t.approximation) == pytest.approx(0, abs=1e-12)
    rarer = worlds.simulate_excess(*worlds.rare_coin(0.002), n=1000, repeats=2000)
    assert rarer.mean / (0.001 * 2 / 1000) > 2 * simulated.mean / 0.00001  # and the ratio grows


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bounds.terms(np.full((2, 2, 1), 0.25), np.eye(2), 10), "one class only"),
        (lambda: bounds.sigma_k(np.full((2, 2, 1), 0.25), np.eye(2)), "one class only"),
        (lambda: bounds.sigma_centred(np.full((2, 2, 1), 0.25), np.eye(2)), "one class only"),
        (lambda: bounds.smallest_class_correlation(np.full((2, 2, 1), 0.25), np.eye(2)), "one class only"),
        (lambda: bounds.similarity_error(np.full((2, 2, 1), 0.25)), "one class only"),
        (lambda: bounds.approximation_error(np.full((2, 2, 1), 0.25), np.eye(2)), "one class only"),
        (lambda: bounds.label_noise(np.full((2, 2, 1), 0.25)), "one class only"),
        (lambda: bounds.label_noise([[[0.5, 0]], [[0.5, 0]]]), "state 1 of Y has probability zero"),
        (lambda: bounds.approximation_error([[[0.5, 0]], [[0.5, 0]]], [1.0]), "state 1 of Y"),
        (lambda: bounds.terms(*C1, n=0), "n must be"),
        (lambda: bounds.label_noise(np.ones((2, 2, 2))), "sums to 8"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_every_device(device):
    joint, x2 = C1.joint.to(device), C1.x2.to(device)
    t = bounds.terms(joint, x2, 1000)
    assert all(v.ndim == 0 and v.dtype == torch.float64 for v in t)
    assert [float(v) for v in t] == pytest.approx([float(v) for v in bounds.terms(*C1, n=1000)], abs=1e-9)
    assert float(bounds.smallest_class_correlation(joint, x2)) == pytest.approx(0.05)
