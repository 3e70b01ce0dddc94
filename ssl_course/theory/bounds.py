"""What a linear probe of the learned representation can reach, and what the bounds promise
(note §3.4, §3.5.2).

The note's k/n_L + ε_CI² is false as it stands, by any factor; the true statements carry σ_k, the smallest
singular value of the class means, and V, the noise of the labels. Targets are one-hot Y; risks are *excess
squared risks* E‖P(Y|X₁) − prediction‖², never accuracies. Infinite bounds say that the theory is silent.
"""

from typing import NamedTuple

import torch

from ssl_course.theory.correlation import maximal_correlations, maximal_functions
from ssl_course.theory.independence import (
    Array,
    as_joint,
    as_joint_of_classes,
    best_predictor,
    class_means,
    epsilon_ci_squared,
    epsilon_tilde_squared,
    posterior,
    variance,
)


class ProbeLimit(NamedTuple):
    """The best linear probe of ψ*, fitted on the whole population: no estimation error is left."""

    excess: float  # a = min E‖P(Y|X₁) − Wψ* − b‖², excess squared risk (not accuracy)
    accuracy: float  # of the largest output


def probe_limit(joint: Array, x2: Array, rank: int | None = None) -> ProbeLimit:
    """Least squares of P(Y|X₁) on ψ*(X₁) with an intercept, weighted by P(X₁) (note §3.3, §3.4).

    Under conditional independence with class means of full rank the excess is 0: the probe is Bayes-optimal.

    Args:
        rank: a bottleneck, only so many leading principal components of ψ*; None takes all of ψ*.

    Raises:
        ValueError: rank below 1, one class only, a class that never occurs, or a table or x2 that is none.
    """
    if rank is not None and rank < 1:
        raise ValueError(f"rank must be at least 1, got {rank}")
    return probe_features(joint, best_predictor(joint, x2) if rank is None else leading(joint, x2, rank))


def leading(joint: Array, x2: Array, rank: int) -> torch.Tensor:
    """The leading principal components of ψ*(X₁), centred, (n1, rank) (note §3.4)."""
    psi, p = best_predictor(joint, x2), as_joint(joint).sum((1, 2))  # (n1, d), (n1,)
    centred = psi - p @ psi
    v: torch.Tensor = torch.linalg.svd(p.sqrt()[:, None] * centred, full_matrices=False)[2]  # rows in order
    return centred @ v[:rank].T


def probe_features(joint: Array, features: torch.Tensor) -> ProbeLimit:
    """The same for any features of X₁, (n1, d), one row for each state (note §3.1, §3.4);
    one class raises, too."""
    table = as_joint_of_classes(joint)
    p = table.sum((1, 2))  # (n1,)
    target = posterior(table)  # (n1, k)
    design = torch.cat([torch.ones_like(p)[:, None], features - p @ features], 1)  # (n1, 1 + d)
    root = p.sqrt()[:, None]
    # The smallest singular values are rounding error, and would be inverted into huge weights.
    weights = torch.linalg.pinv(root * design, rtol=1e-9) @ (root * target)
    fit = design @ weights  # (n1, k)
    excess = p @ (target - fit).square().sum(1)
    # ties between outputs (a probe that knows nothing) count as a guess among the tied
    top = fit >= fit.max(1, keepdim=True).values - 1e-9
    guess = top / top.sum(1, keepdim=True)
    return ProbeLimit(float(excess), float(p @ (target * guess).sum(1)))


def predictor_rank(joint: Array, x2: Array) -> int:
    """In how many directions ψ*(X₁) varies: what a probe with an intercept must weigh (note §3.4).

    At most k − 1 under conditional independence, k the number of classes; any dependence may raise it up to
    d₂. Errors as in `best_predictor`.
    """
    psi, p = best_predictor(joint, x2), as_joint(joint).sum((1, 2))  # (n1, d), (n1,)
    rounding = 1e-9 * variance(joint, x2).sqrt()
    return int(torch.linalg.matrix_rank(p.sqrt()[:, None] * (psi - p @ psi), atol=rounding, rtol=0.0))


def approximation_error(joint: Array, x2: Array, rank: int | None = None) -> torch.Tensor:
    """a = min over W, b of E‖P(Y|X₁) − Wψ*(X₁) − b‖², the excess squared risk that labels cannot mend
    (note §3.4).

    Args and errors as in `probe_limit`; 0-d float64.
    """
    return torch.tensor(probe_limit(joint, x2, rank).excess, dtype=torch.float64)


def label_noise(joint: Array) -> torch.Tensor:
    """V = Tr Cov(Y|X₁) = E[1 − Σ_y P(y|X₁)²], the squared risk of Bayes itself (note §3.4).

    Raises:
        ValueError: one class only, a state of X₁ or a class that never occurs, or a table that is none.
    """
    table = as_joint_of_classes(joint)
    return table.sum((1, 2)) @ (1 - posterior(table).square().sum(1))


# ---- the conditions: how well X₂ tells the classes apart ---------------------------------------------------


def kth_singular_value(matrix: torch.Tensor, k: int) -> torch.Tensor:
    """The k-th singular value, 0 where it is rounding error or the matrix has fewer than k (note §3.5.2).

    The last one of those there are would be a different, larger number where X₂ has fewer than k components.
    """
    values: torch.Tensor = torch.linalg.svdvals(matrix)
    if k > len(values) or values[k - 1] <= 1e-12 * values[0]:
        return values.new_zeros(())
    return values[k - 1]


def sigma_k(joint: Array, x2: Array) -> torch.Tensor:
    """σ_k(M), the k-th singular value of M = [E[X₂|Y=1] … E[X₂|Y=k]], uncentred, in units of X₂
    (note §3.5.2).

    It is 0 when X₂ has fewer than k numbers, or the class means are linearly dependent; 0-d float64.

    Raises:
        ValueError: one class only, a class that never occurs, or a table or x2 that is none.
    """
    means = class_means(as_joint_of_classes(joint), x2)
    return kth_singular_value(means, len(means))


def sigma_centred(joint: Array, x2: Array) -> torch.Tensor:
    """σ_{k−1}(MΠ), Π = I − 11ᵀ/k: what matters when the probe has an intercept (note §3.4).

    The mean that is subtracted is the unweighted one: with P(y) as weights the bound on a breaks. It is 0
    when the class means are affinely dependent: three on one line, however far apart. Errors as in `sigma_k`.
    """
    means = class_means(as_joint_of_classes(joint), x2)
    value = kth_singular_value(means - means.mean(0), len(means) - 1)
    # equal means far from 0 leave rounding error of their own size
    return torch.where(value > 1e-12 * torch.linalg.matrix_norm(means, 2), value, 0.0)


def smallest_class_correlation(joint: Array, x2: Array) -> torch.Tensor:
    """σ_k(E[X₂Yᵀ]), uncentred: the note's rank condition is that it be > 0 (note §3.5.2).

    E[X₂Yᵀ] = M diag P(y), so it is positive exactly when σ_k(M) is; the numbers differ. 0-d float64. Errors
    as in `sigma_k`.
    """
    means = class_means(as_joint_of_classes(joint), x2)
    prior = as_joint(joint).sum((0, 1))  # (k,)
    return kth_singular_value(prior[:, None] * means, len(means))  # of E[Y X₂ᵀ]


# ---- the statements ----------------------------------------------------------------------------------------


def over_square(value: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """value/σ², infinite at σ = 0 even when value is 0: there the bound says nothing (note §3.4)."""
    return value / sigma.square() if sigma > 0 else torch.full_like(sigma, torch.inf)


def excess_risk(
    a: Array | float, noise: Array | float, rank: int, n: Array | int, intercept: bool = False
) -> torch.Tensor:
    """Expected excess of least squares on ``rank`` Gaussian features with n labels (note §3.4).

    excess = a + (V + a) r/(n − r − 1), exact for Gaussian features that were learned without these labels;
    with an intercept a + (V + a) [1/n + (n+1) r/(n (n−r−2))].
    For features of a finite world it may be far too small.

    Args:
        a: approximation error; noise: V; n: labels. Numbers or arrays that broadcast.

    Returns:
        float64 of the broadcast shape; infinite where n ≤ r + 1 (with an intercept n ≤ r + 2).

    Raises:
        ValueError: a negative or non-finite a, noise or rank, or n < 1.
    """
    a, noise, n = (torch.as_tensor(v, dtype=torch.float64) for v in (a, noise, n))
    if not ((a >= 0).all() and (noise >= 0).all() and rank >= 0 and (n >= 1).all()):
        raise ValueError(f"need a ≥ 0, noise ≥ 0, rank ≥ 0 and n ≥ 1, got {a}, {noise}, {rank}, {n}")
    free = n - rank - (2 if intercept else 1)
    share = 1 / n + (n + 1) * rank / (n * free) if intercept else rank / free
    return a + torch.where(free > 0, (noise + a) * share, torch.inf)


def literal_bound(k: int, n: int, epsilon_squared: torch.Tensor) -> torch.Tensor:
    """The note's line as it stands, k/n_L + ε_CI² (note §3.4). False: world C1 exceeds it 67-fold."""
    return k / n + epsilon_squared


class Terms(NamedTuple):
    """Every term of the bounds for a finite world and n labels, 0-d float64 each."""

    epsilon_squared: torch.Tensor  # ε_CI²
    sigma_k: torch.Tensor  # σ_k(M)
    sigma_centred: torch.Tensor  # σ_{k−1}(MΠ)
    noise: torch.Tensor  # V = Tr Cov(Y|X₁)
    approximation: torch.Tensor  # a, of the full ψ* with an intercept
    approximation_bound: torch.Tensor  # ε²/σ_k², never below a
    centred_bound: torch.Tensor  # ε²/σ_{k−1}(MΠ)², never below a either
    top: torch.Tensor  # a of the top k principal components of ψ*
    top_bound: torch.Tensor  # 4ε²/σ_k², never below top
    similarity: torch.Tensor  # a of the top k − 1 maximal-correlation functions of X₁
    similarity_bound: torch.Tensor  # 4 (1 − ΣP(y)²) ε̃²/ρ_{k−1}², never below it
    estimation: torch.Tensor  # 2Vk/n, for Gaussian features, n ≥ 2k + 2 and rank k; see `excess_risk`
    literal: torch.Tensor  # k/n + ε², the note's
    supervised: torch.Tensor  # d₁/n, the note's for a linear model of the raw input


def terms(joint: Array, x2: Array, n: int, d1: int | None = None) -> Terms:
    """The true statements term by term, beside the note's literal ones (note §3.4, §3.5.2).

    Args:
        joint, x2: the world.
        n: labels.
        d1: numbers in the raw X₁; None takes it as one-hot.

    Raises:
        ValueError: n < 1, one class only, or a table or x2 that is none.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    table = as_joint(joint)
    k, epsilon = table.shape[2], epsilon_ci_squared(table, x2)
    smallest, centred, noise = sigma_k(table, x2), sigma_centred(table, x2), label_noise(table)
    similarity, bound = similarity_error(table)
    return Terms(
        epsilon_squared=epsilon,
        sigma_k=smallest,
        sigma_centred=centred,
        noise=noise,
        approximation=approximation_error(table, x2),
        approximation_bound=over_square(epsilon, smallest),
        centred_bound=over_square(epsilon, centred),
        top=approximation_error(table, x2, k),
        top_bound=over_square(4 * epsilon, smallest),
        similarity=similarity,
        similarity_bound=bound,
        estimation=2 * noise * k / n,
        literal=literal_bound(k, n, epsilon),
        supervised=torch.tensor((table.shape[0] if d1 is None else d1) / n, dtype=torch.float64),
    )


def similarity_error(joint: Array) -> tuple[torch.Tensor, torch.Tensor]:
    """a of the top k − 1 maximal-correlation functions of X₁, and its bound (note §3.5.2).

    a ≤ 4 (1 − ΣP(y)²) ε̃_CI²/ρ_{k−1}(X₂,Y)², ρ_{k−1} the last non-trivial maximal correlation of X₂ with Y.
    (The note's "representation error ≤ ε̃_CI" is false.) Where ρ_{k−1} = 0 the bound is infinite. Functions
    of correlation 0 are left out; of a tie cut in two, which half is kept is arbitrary.
    """
    table = as_joint_of_classes(joint)
    k, prior = table.shape[2], table.sum((0, 1))
    psi, rho, _ = maximal_functions(table.sum(2))
    learned = psi[:, : k - 1][:, rho[: k - 1] > 1e-9]  # at ρ = 0 there is nothing to learn a function from
    a = torch.tensor(probe_features(table, learned).excess, dtype=torch.float64)
    rho = maximal_correlations(table.sum(0))
    last = rho[k - 2] if k - 2 < len(rho) and rho[k - 2] > 1e-12 else rho.new_zeros(())
    return a, over_square(4 * (1 - prior.square().sum()) * epsilon_tilde_squared(table), last)
