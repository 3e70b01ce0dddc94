"""PCA and CCA against scikit-learn, and where scikit-learn gives NaN or nonsense, against what must come out."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.cross_decomposition import CCA as SklearnCCA
from sklearn.decomposition import PCA as SklearnPCA

from ssl_course.theory.correlation import CCA, PCA, canonical_correlations, cca_from_covariance


def views(n=400, p=5, q=4, shared=2, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, shared)) * np.arange(1, shared + 1)
    x = z @ rng.normal(size=(shared, p)) + rng.normal(size=(n, p)) + 10
    return x, z @ rng.normal(size=(shared, q)) + rng.normal(size=(n, q)) * 3 - 2


@pytest.mark.parametrize("seed", range(3))
def test_cca_is_scikit_learns(seed):
    x, y = views(seed=seed)
    theirs = SklearnCCA(3, scale=False, max_iter=5000, tol=1e-12).fit(x, y)
    ours = CCA(3).fit(x, y)
    expected = [np.corrcoef(*pair)[0, 1] for pair in zip(*(s.T for s in theirs.transform(x, y)), strict=True)]
    np.testing.assert_allclose(ours.correlations_, expected, atol=1e-6)
    for mine, other in zip(ours.transform(x, y), theirs.transform(x, y), strict=True):
        other = other / other.std(0, ddof=1)
        sign = np.sign((mine.numpy() * other).sum(0))
        np.testing.assert_allclose(mine, other * sign, atol=2e-6)
    assert canonical_correlations(x, y).shape == (4,)
    np.testing.assert_allclose(canonical_correlations(x, y)[:3], ours.correlations_, atol=1e-12)


@pytest.mark.parametrize("k", [1, 3, 4])
def test_cca_predicts_and_scores_as_scikit_learn(k):
    x, y = views(n=450)
    (x, y), (new_x, new_y) = (x[:350], y[:350]), (x[350:], y[350:])
    theirs = SklearnCCA(k, scale=False, max_iter=20_000, tol=1e-14).fit(x, y)
    ours = CCA(k).fit(x, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
    np.testing.assert_allclose(ours.predict(new_x), theirs.predict(new_x), atol=1e-5)
    for rows in ((x, y), (new_x, new_y)):
        assert float(ours.score(*rows)) == pytest.approx(theirs.score(*rows), abs=1e-6)


def test_cca_scores_constant_columns():
    x, y = views(n=60)
    with pytest.warns(UserWarning, match="without variance"):
        cca = CCA(2).fit(x, np.column_stack([y, np.full(60, 0.3)]))
    assert torch.isfinite(cca.coef_).all()
    half = float(cca.score(x, np.column_stack([y, np.full(60, 9.0)])))
    assert half == pytest.approx(float(CCA(2).fit(x, y).score(x, y)) * 4 / 5, abs=1e-9)


def test_components_are_white_and_paired():
    x, y = views()
    psi, eta = CCA().fit_transform(x, y)
    rho = canonical_correlations(x, y)
    np.testing.assert_allclose(np.cov(psi.T), np.eye(4), atol=1e-10)
    np.testing.assert_allclose(np.cov(psi.T, eta.T)[:4, 4:], np.diag(rho), atol=1e-10)
    assert (rho.diff() <= 0).all()
    cca = CCA(2).fit(x, y)
    assert float(cca.correlation(x, y)) == pytest.approx(float(rho[:2].mean()), abs=1e-10)
    assert float(cca.correlation(x, -y)) == pytest.approx(
        -float(rho[:2].mean()), abs=1e-10
    )  # the sign counts


def test_cca_does_not_see_units_or_mixtures():
    x, y = views()
    rng = np.random.default_rng(3)
    mixed = x * np.array([1e-7, 1e6, 1, 30, 1e3])
    np.testing.assert_allclose(canonical_correlations(mixed, y), canonical_correlations(x, y), atol=1e-9)
    mixed = x @ rng.normal(size=(5, 5)) - 4
    np.testing.assert_allclose(canonical_correlations(mixed, y), canonical_correlations(x, y), atol=1e-9)


def test_noise_is_fitted_perfectly_when_there_are_too_few_rows():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 25)), rng.normal(size=(40, 20))
    with pytest.warns(UserWarning, match="40 rows for 25 \\+ 20 columns"):
        cca = CCA(3).fit(x, y)
    np.testing.assert_allclose(cca.correlations_, 1, atol=1e-9)
    assert abs(float(cca.correlation(rng.normal(size=(4000, 25)), rng.normal(size=(4000, 20))))) < 0.1
    # exactly one certain correlation of 1 in the last case that warns, none in the first that does not
    with pytest.warns(UserWarning, match="certain"):
        rho = canonical_correlations(rng.normal(size=(9, 5)), rng.normal(size=(9, 4)))
    assert float(rho[0]) == pytest.approx(1, abs=1e-9) and rho[1] < 1 - 1e-6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert canonical_correlations(rng.normal(size=(10, 5)), rng.normal(size=(10, 4)))[0] < 1 - 1e-6
        assert canonical_correlations(x, y, ridge=5.0)[0] < 0.6  # a ridge is the cure, and needs no warning


def test_more_columns_than_rows():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(10, 30)), rng.normal(size=(10, 3))
    with pytest.warns(UserWarning) as caught:
        rho = canonical_correlations(x, y)
    assert len(caught) == 1  # 21 missing directions are no fault of the columns
    np.testing.assert_allclose(rho, [1, 1, 1], atol=1e-9)


@pytest.mark.parametrize("spoil", ["constant", "repeated"])
def test_columns_without_variance(spoil):
    x, y = views(p=4)
    spare = np.full(len(x), 0.1) if spoil == "constant" else x[:, 0] - x[:, 1]
    with pytest.warns(UserWarning, match="x has 1 of 5 directions without variance"):
        cca = CCA().fit(np.column_stack([x, spare]), y)
    np.testing.assert_allclose(cca.correlations_, canonical_correlations(x, y), atol=1e-9)
    assert torch.isfinite(cca.x_rotations_).all()
    with pytest.warns(UserWarning, match="y has 3 of 3"):
        cca = CCA().fit(x, np.ones((len(x), 3)))
    assert (cca.correlations_ == 0).all() and float(cca.correlation(x, np.ones((len(x), 3)))) == 0


def test_the_ridge_is_added_to_the_variances():
    x, y = views()
    s = np.cov(x.T, y.T)
    a, b, c, r = s[:5, :5] + 0.7 * np.eye(5), s[5:, 5:] + 0.7 * np.eye(4), s[:5, 5:], CCA(ridge=0.7).fit(x, y)
    squares = np.linalg.eigvals(np.linalg.solve(a, c) @ np.linalg.solve(b, c.T)).real
    np.testing.assert_allclose(r.correlations_, np.sort(np.sqrt(np.abs(squares)))[::-1][:4], atol=1e-8)
    assert (r.correlations_ < canonical_correlations(x, y)).all()


def test_covariances_give_the_same():
    x, y = views()
    s = np.cov(x.T, y.T)
    np.testing.assert_allclose(
        cca_from_covariance(s[:5, :5], s[5:, 5:], s[:5, 5:]), canonical_correlations(x, y), atol=1e-9
    )
    assert cca_from_covariance([[2.0]], [[8.0]], [[-2.0]]).tolist() == pytest.approx([0.5])
    ties = cca_from_covariance(np.eye(3), np.eye(3), 0.3 * np.eye(3))
    assert ties.tolist() == pytest.approx([0.3] * 3)


def test_pca_is_scikit_learns():
    x, _ = views()
    for k in (1, 2, 4):
        ours, theirs = PCA(k).fit(x), SklearnPCA(k).fit(x)
        for name in ("components_", "explained_variance_", "explained_variance_ratio_", "mean_"):
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=1e-9, err_msg=name)
        np.testing.assert_allclose(ours.transform(x), theirs.transform(x), atol=1e-9)
    assert PCA().fit(x).components_.shape == (5, 5)
    flat = PCA(1).fit(np.full((6, 2), 0.1))
    assert flat.explained_variance_ratio_.tolist() == [0] and torch.isfinite(flat.components_).all()


def test_pca_keeps_what_is_large_and_cca_what_is_shared():
    """A private factor 9 times as strong as the shared one (note §3.2)."""
    rng = np.random.default_rng(0)
    z, private = rng.choice([-1, 1], 2000), rng.normal(size=(2, 2000)) * 9
    x, y = (
        np.column_stack([private[i] + 0.2 * rng.normal(size=2000), z + 0.5 * rng.normal(size=2000)])
        for i in (0, 1)
    )

    def agreement(feature):
        return max(np.mean(np.sign(feature) == z), np.mean(np.sign(-feature) == z))

    assert PCA(1).fit(x).explained_variance_ratio_[0] > 0.98
    assert agreement(PCA(1).fit(x).transform(x)[:, 0].numpy()) < 0.55
    assert agreement(CCA(1).fit(x, y).transform(x)[:, 0].numpy()) > 0.95


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: CCA().fit(np.ones((3, 2)), np.ones((4, 2))), "same rows"),
        (lambda: CCA().fit(np.ones((1, 2)), np.ones((1, 2))), "at least 2"),
        (lambda: CCA(3).fit(*views(q=2)), "n_components must be between 1 and min\\(p, q\\) = 2"),
        (lambda: CCA(ridge=-1), "ridge"),
        (lambda: CCA().fit([[np.nan, 1], [1, 2]], np.ones((2, 2))), "x has a value that is not finite"),
        (lambda: PCA(6).fit(views()[0]), "n_components"),
        (lambda: PCA().fit([[1.0, 2.0]]), "one row only"),
        (lambda: cca_from_covariance(np.eye(2), np.eye(3), np.ones((3, 2)) / 9), "sxy \\(p, q\\)"),
        (lambda: cca_from_covariance(np.eye(2), np.eye(2), np.eye(2) * 1.1), "too large"),
        (lambda: cca_from_covariance(-np.eye(2), np.eye(2), np.eye(2) * 0), "negative eigenvalue"),
        (lambda: cca_from_covariance(np.array([[1, 0.5], [0, 1]]), np.eye(2), np.eye(2) * 0), "symmetric"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_every_device(device):
    x, y = (torch.as_tensor(v, device=device) for v in views())
    rho = canonical_correlations(x, y)
    assert rho.device.type == device and rho.dtype == torch.float64
    np.testing.assert_allclose(rho.cpu(), canonical_correlations(x.cpu(), y.cpu()), atol=1e-9)
    assert PCA(2).fit(x).transform(x).device.type == device
    assert CCA(2).fit(x, y).transform(x.float()).dtype == torch.float64
