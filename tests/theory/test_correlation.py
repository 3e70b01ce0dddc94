"""Maximal correlations and L_sim against searches, enumeration and closed forms; ACE against both."""

import numpy as np
import pytest
import torch

from ssl_course import losses
from ssl_course.theory import correlation, worlds
from ssl_course.theory.correlation import ace, l_sim, l_sim_minimum, maximal_correlations, maximal_functions

SQUARE = np.array([[0, 1], [1, 0], [0, 1]]) / 3  # x in −1, 0, 1 and x²: uncorrelated, yet a function


def tables(n=5, shape=(4, 3)):
    rng = np.random.default_rng(0)
    return [rng.dirichlet(np.full(np.prod(shape), 0.6)).reshape(shape) for _ in range(n)]


def test_maximal_correlations():
    bits = np.array([[0.4, 0.1], [0.1, 0.4]])  # correlation of two bits
    assert maximal_correlations(bits).tolist() == pytest.approx([0.6])
    assert maximal_correlations(SQUARE).tolist() == pytest.approx([1.0])
    assert maximal_correlations(np.eye(3) / 3).tolist() == pytest.approx([1.0, 1.0])
    assert maximal_correlations(np.full((3, 4), 1 / 12)).tolist() == pytest.approx([0, 0], abs=1e-12)


def test_no_pair_of_functions_is_more_correlated():
    rng = np.random.default_rng(1)
    for table in tables():
        p, q = table.sum(1), table.sum(0)
        best = 0.0
        for _ in range(3000):
            g = rng.normal(size=3)
            g = (g - q @ g) / np.sqrt(q @ (g - q @ g) ** 2)
            f = table @ g / p  # the best partner of g
            best = max(best, np.sqrt(p @ f**2))
        rho = maximal_correlations(table)
        assert best <= rho[0] + 1e-12 and best == pytest.approx(float(rho[0]), abs=1e-3)


def test_maximal_functions_have_these_correlations():
    for table in [*tables(), tables(1, (3, 5))[0]]:
        psi, rho, eta = (v.numpy() for v in maximal_functions(table))
        p, q, eye = table.sum(1), table.sum(0), np.eye(len(rho))
        np.testing.assert_allclose(rho, maximal_correlations(table), atol=1e-12)
        np.testing.assert_allclose(psi.T @ (p[:, None] * psi), eye, atol=1e-10)
        np.testing.assert_allclose(eta.T @ (q[:, None] * eta), eye, atol=1e-10)
        np.testing.assert_allclose(psi.T @ table @ eta, np.diag(rho), atol=1e-10)
        np.testing.assert_allclose([p @ psi, q @ eta], 0, atol=1e-10)


def test_l_sim_is_the_similarity_loss():
    rng = np.random.default_rng(0)
    eta, psi = torch.tensor(rng.normal(size=(50, 3))), torch.tensor(rng.normal(size=(50, 3)))
    rows = [
        sum((float(e) - float(f)) ** 2 for e, f in zip(a, b, strict=True))
        for a, b in zip(eta, psi, strict=True)
    ]
    expected = sum(rows) / 50
    assert float(l_sim(eta, psi)) == pytest.approx(expected, rel=1e-12)
    assert float(losses.similarity(eta, psi)) == pytest.approx(expected, rel=1e-12)
    expanded = (eta**2).sum(1).mean() + (psi**2).sum(1).mean() - 2 * (eta * psi).sum(1).mean()
    assert float(expanded) == pytest.approx(expected, rel=1e-12)


def test_without_whitening_the_minimum_is_collapse():
    constant = np.full((20, 2), 3.7)
    assert float(l_sim(constant, constant)) == 0
    assert float(l_sim(constant, constant, whiten=True)) == 4  # 2k: as bad as no correlation at all
    leaning = np.random.default_rng(0).normal(size=(500, 2))
    half = np.column_stack([leaning[:, 0], np.ones(500)])  # one of two dimensions collapsed
    assert float(l_sim(half, half, whiten=True)) == pytest.approx(2, abs=1e-9)


def test_whitened_l_sim():
    rng = np.random.default_rng(0)
    psi = rng.normal(size=(400, 3)) @ rng.normal(size=(3, 3)) + 5
    eta = psi + 0.3 * rng.normal(size=(400, 3))

    def white(rows):
        rows = rows - rows.mean(0)
        values, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
        return rows @ vectors / np.sqrt(values) @ vectors.T

    expected = float(l_sim(white(eta), white(psi)))
    assert float(l_sim(eta, psi, whiten=True)) == pytest.approx(expected, rel=1e-9)
    assert float(l_sim(white(eta), white(psi), whiten=True)) == pytest.approx(expected, rel=1e-9)
    # no linear maps do better than CCA's
    best = 2 * 3 - 2 * float(correlation.canonical_correlations(psi, eta).sum())
    assert expected >= best
    components = correlation.CCA().fit_transform(psi, eta)
    assert float(l_sim(*components, whiten=True)) == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize("k", [1, 2])
def test_l_sim_minimum(k):
    """Reached by the maximal functions of the table, and by nothing else among random whitened ones."""
    rng = np.random.default_rng(2)
    for table in tables(3):
        least = float(l_sim_minimum(table, k))
        psi, _, eta = maximal_functions(table)
        psi, eta = psi.numpy()[:, :k], eta.numpy()[:, :k]
        distance = ((psi[:, None] - eta[None]) ** 2).sum(2)  # (n1, n2)
        assert (table * distance).sum() == pytest.approx(least, abs=1e-10)
        p, q = table.sum(1), table.sum(0)
        for _ in range(200):
            a, b = (white_table(rng.normal(size=(n, k)), w) for n, w in ((4, p), (3, q)))
            assert (table * ((a[:, None] - b[None]) ** 2).sum(2)).sum() > least - 1e-10


def white_table(f, weight):
    f = f - weight @ f
    values, vectors = np.linalg.eigh(f.T @ (weight[:, None] * f))
    return f @ vectors / np.sqrt(values)


def test_l_sim_minimum_of_worlds():
    world = worlds.film_words(0.5)
    rho = [0.64, 0.5, 0.32]
    for k in (1, 2, 3):
        assert float(l_sim_minimum(world.joint, k)) == pytest.approx(2 * k - 2 * sum(rho[:k]))
        assert float(l_sim_minimum(world.joint.sum(2), k)) == pytest.approx(2 * k - 2 * sum(rho[:k]))
    with pytest.raises(ValueError, match="r must be between 1 and"):
        l_sim_minimum(world.joint, 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: maximal_correlations(np.ones((2, 2))), "sums to 1"),
        (lambda: maximal_correlations([[0.6, -0.1], [0.25, 0.25]]), "table"),
        (lambda: maximal_correlations([[np.nan, 0.5], [0.25, 0.25]]), "table"),
        (lambda: maximal_correlations([[0.5, 0.5], [0, 0]]), "state 1 of X₁ has probability zero"),
        (lambda: maximal_correlations([[0.5, 0], [0.5, 0]]), "state 1 of X₂ has probability zero"),
        (lambda: l_sim(np.ones((3, 2)), np.ones((3, 1))), "one shape"),
        (lambda: l_sim(np.ones((1, 2)), np.ones((1, 2)), whiten=True), "one row"),
        (lambda: l_sim([[np.nan]], [[1.0]]), "eta has a value"),
        (lambda: ace([1.0, 2.0], [1.0, 2.0]), "N ≥ 3"),
        (lambda: ace([1.0, 2, np.nan], [1.0, 2, 3]), "x1 has a value"),
        (lambda: ace([1.0, 2, 3], [1.0, 1, 1]), "x2 is constant"),
        (lambda: ace([1.0, 2, 3], [1.0, 1, 2, 3]), "equal lengths"),
        (lambda: ace([1.0, 2, 3], [1.0, 2, 3], span=0), "span"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ---- ACE ----------------------------------------------------------------------------------------------------


def test_ace_on_categories_is_the_svd_of_their_table():
    rng = np.random.default_rng(0)
    for table in tables(4, (5, 4)):
        i, j = np.unravel_index(rng.choice(table.size, 800, p=table.flatten()), table.shape)
        counts = np.zeros(table.shape)
        np.add.at(counts, (i, j), 1)
        counts = counts[counts.sum(1) > 0][:, counts.sum(0) > 0]
        found = ace(i, j)
        assert float(found.correlation) == pytest.approx(
            float(maximal_correlations(counts / 800)[0]), abs=1e-6
        )
        assert float((found.eta * found.psi).mean()) == pytest.approx(float(found.correlation), abs=1e-9)
        for f in (found.eta, found.psi):
            assert float(f.mean()) == pytest.approx(0, abs=1e-9) and float(
                f.var(correction=0)
            ) == pytest.approx(1)
        assert found.history == sorted(found.history)  # alternating never loses


@pytest.mark.parametrize("kind", [int, float, str])
def test_ace_finds_the_square(kind):
    x = np.array([-1, 0, 1] * 40)
    y = x**2
    assert np.corrcoef(x, y)[0, 1] == pytest.approx(0, abs=1e-12)
    found = ace(x.astype(kind), y.astype(kind))
    assert float(found.correlation) == pytest.approx(1)
    np.testing.assert_allclose(found.eta, (y - y.mean()) / y.std(), atol=1e-9)
    np.testing.assert_allclose(found.psi, found.eta, atol=1e-9)
    swapped = ace(y.astype(kind), x.astype(kind))  # E[x | x²] = 0: starting from x itself would stop there
    assert float(swapped.correlation) == pytest.approx(1)


def test_the_sign_of_ace_is_fixed():
    """Fairly many 1 at both ends: the start overlaps with an η that falls with the codes, and is turned round."""
    x2 = np.repeat(np.arange(4), 100)
    x1 = np.concatenate([np.arange(100) < ones for ones in (95, 10, 10, 80)])
    found = ace(x1, x2)
    assert np.corrcoef(found.eta, x2)[0, 1] > 0.05
    assert found.psi[0] < 0 and float((found.eta * found.psi).mean()) == pytest.approx(
        float(found.correlation)
    )


def test_ace_on_numbers():
    rng = np.random.default_rng(0)
    x = rng.normal(size=4000)
    for rho in (0.8, -0.8):  # of Gaussians it is |ρ|, with straight lines
        y = rho * x + 0.6 * rng.normal(size=4000)
        found = ace(x, y)
        assert float(found.correlation) == pytest.approx(0.8, abs=0.03)
        assert np.corrcoef(found.psi, x)[0, 1] * np.sign(rho) > 0.97
        assert np.corrcoef(found.eta, y)[0, 1] > 0.97  # η rises with x2
    y = x**2 + 0.1 * rng.normal(size=4000)
    assert abs(np.corrcoef(x, y)[0, 1]) < 0.1
    found = ace(x, y)
    assert float(found.correlation) > 0.95
    assert abs(np.corrcoef(found.psi, x**2)[0, 1]) > 0.85
    y = np.exp(x + 0.5 * rng.normal(size=4000))  # η = log: linear correlation sees less
    found = ace(x, y)
    assert float(found.correlation) == pytest.approx(1 / np.sqrt(1.25), abs=0.03)
    assert np.corrcoef(x, y)[0, 1] < 0.75
    assert np.corrcoef(found.eta, np.log(y))[0, 1] > 0.97


def test_ace_on_independent_numbers_says_little_and_is_biased():
    rng = np.random.default_rng(0)
    values = [float(ace(rng.normal(size=n), rng.normal(size=n)).correlation) for n in (200, 5000)]
    assert 0 < values[1] < values[0] < 0.7 and values[1] < 0.15


def test_ace_mixes_kinds_and_takes_orders():
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, 3000)
    centre = np.array([0.0, 3.0, 0.1])
    x2 = centre[group] + rng.normal(size=3000)
    found = ace(group, x2)
    levels = [float(found.psi[group == g].mean()) for g in range(3)]
    assert levels[1] > 1 and abs(levels[0] - levels[2]) < 0.2
    fine = np.exp(-((np.linspace(-5, 8, 500) - centre[:, None]) ** 2) / 2)  # the density, cut in 500
    assert float(found.correlation) == pytest.approx(
        float(maximal_correlations(fine / fine.sum())[0]), abs=0.02
    )
    few = ace(np.array([0.0, 0, 1, 1]), np.array([1.0, 1, 0, 0]), categorical=True)
    assert float(few.correlation) == pytest.approx(1)
    independent = ace(np.repeat([0, 1], 4), np.tile([0, 1], 4))
    assert float(independent.correlation) == 0 and not torch.isnan(independent.psi).any()


def test_the_leading_feature_of_words_flips():
    """C2: below λ* = .64 the leading ψ is the sentiment, above the intensity (note §3.5.1)."""
    sentiment, intensity = torch.tensor([1.0, 1, -1, -1]).double(), torch.tensor([-1.0, 1, -1, 1]).double()
    for dependence, leading in ((0.5, sentiment), (0.62, sentiment), (0.66, intensity), (0.9, intensity)):
        psi = maximal_functions(worlds.film_words(dependence).joint.sum(2))[0][:, 0]
        assert abs(float(psi @ leading)) / 4 == pytest.approx(1, abs=1e-9)


def test_every_device(device):
    table = torch.tensor(SQUARE, device=device)
    assert float(maximal_correlations(table)[0]) == pytest.approx(1)
    assert l_sim_minimum(table, 1).device.type == device
    x = torch.randn(300, generator=torch.Generator().manual_seed(0)).to(device)
    assert ace(x, x**2).psi.device.type == device
    assert l_sim(x, x, whiten=True).dtype == torch.float64
