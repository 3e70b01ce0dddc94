"""Small finite worlds in which the theory can be read off by hand, and probes fitted to their samples
(note §3.4)."""

from typing import NamedTuple

import torch

from ssl_course.theory import bounds, correlation, independence
from ssl_course.theory.independence import Array, as_joint, best_predictor, posterior

WORDS_1 = ["nice", "awesome", "dull", "awful"]  # states of X₁ in `film_words`: (+,mild) (+,strong) (−,mild) …
WORDS_2 = ["like", "love", "dislike", "hate"]


class Enumerated:
    """A world that can be written down: what follows from its tables.
    ``label`` is its own Y, where none is named."""

    def joint(self, label: str = "") -> torch.Tensor:
        """P(X₁, X₂, label), (n1, n2, classes); each world defines it."""
        raise NotImplementedError

    def x2_values(self) -> torch.Tensor:
        """The value of X₂ in each of its states, (n2, d); each world defines it."""
        raise NotImplementedError

    def psi_star(self) -> torch.Tensor:
        """ψ*(x₁) = E[X₂ | X₁ = x₁], (n1, d), in the units of X₂ (note §3.3)."""
        return independence.best_predictor(self.joint(), self.x2_values())

    def class_means(self, *label: str) -> torch.Tensor:
        """E[X₂ | label], (classes, d), in the units of X₂ (note §3.3)."""
        return independence.class_means(self.joint(*label), self.x2_values())

    def posterior(self, *label: str) -> torch.Tensor:
        """P(label | x₁), (n1, classes)."""
        return independence.posterior(self.joint(*label))

    def epsilon_ci_squared(self, *label: str) -> torch.Tensor:
        """ε_CI² (note §3.4) by enumeration, in squared units of X₂."""
        return independence.epsilon_ci_squared(self.joint(*label), self.x2_values())

    def variance(self) -> torch.Tensor:
        """Tr Cov X₂, in squared units of X₂; ε_CI² is measured against it."""
        return independence.variance(self.joint(), self.x2_values())

    def conditional_mutual_information(self, *label: str) -> torch.Tensor:
        """I(X₁; X₂ | label) in nats: what X₁ still says of X₂ to whoever knows the label."""
        return independence.conditional_mutual_information(self.joint(*label))

    def maximal_correlations(self) -> torch.Tensor:
        """Maximal correlations of X₁ and X₂, descending, without the trivial 1 (note §3.5.2)."""
        return correlation.maximal_correlations(self.joint().sum(2))

    def probe_limit(self, *label: str) -> bounds.ProbeLimit:
        """What a linear probe of ψ* reaches with infinitely many labels: excess squared risk and accuracy."""
        return bounds.probe_limit(self.joint(*label), self.x2_values())


class FiniteWorld(NamedTuple):
    """A joint table and the values of X₂."""

    joint: torch.Tensor  # (n1, n2, k), P(X₁, X₂, Y)
    x2: torch.Tensor  # (n2, d)


def two_bits(delta: float = 0.1) -> FiniteWorld:
    """The world that breaks the note's literal bound (note §3.4): ψ* learns nothing, though ε_CI² is tiny.

    x₁ and x₂ are independent fair bits; y = x₁ with probability 1 − δ, else y = x₂; X₂ one-hot. ψ* is
    constant, a = ε²/σ₂² exactly, and a over ε² is 1/δ².

    Raises:
        ValueError: δ outside (0, 1).
    """
    if not 0 < delta < 1:
        raise ValueError(f"delta must be between 0 and 1, got {delta}")
    joint = torch.zeros(2, 2, 2, dtype=torch.float64)
    for i in range(2):
        for j in range(2):
            joint[i, j, i] += (1 - delta) / 4
            joint[i, j, j] += delta / 4
    return FiniteWorld(joint, torch.eye(2, dtype=torch.float64))


def film_words(dependence: float = 0.5, certainty: float = 0.9) -> FiniteWorld:
    """ "I like this movie" (note §3.5.1): two words, each a sentiment s and an intensity t,
    Y happy or unhappy.

    P(x₁,x₂,y) = ½ P(s₁|y) P(s₂|y) ¼ (1 + λ t₁t₂). The maximal correlations are c = (2q − 1)², λ and cλ: the
    leading feature is the sentiment for λ < c and the intensity above. States as in WORDS_1 and WORDS_2.

    Args:
        dependence: λ in [0, 1].
        certainty: q, the probability that a word's sentiment is Y's.

    Raises:
        ValueError: a value outside its range.
    """
    if not 0 <= dependence <= 1:
        raise ValueError(f"dependence (λ) must be in [0, 1], got {dependence}")
    if not 0.5 < certainty <= 1:
        raise ValueError(f"certainty must be in (½, 1], got {certainty}")
    q = torch.tensor([[certainty, 1 - certainty], [1 - certainty, certainty]], dtype=torch.float64)  # (s, y)
    same = 1 + dependence * (2 * torch.eye(2, dtype=torch.float64) - 1)  # (v₁, v₂)
    joint = torch.einsum("ay,by,vw->avbwy", q, q, same) / 8
    return FiniteWorld(joint.reshape(4, 4, 2), torch.eye(4, dtype=torch.float64))


def rare_coin(rare: float = 0.01) -> FiniteWorld:
    """X₂ = Y; X₁ is mostly A, where Y is certain, and rarely B, where Y is a fair coin (note §3.4).

    Conditional independence holds and a = 0, yet no C makes "excess ≤ C V k/n" true: V = rare/2 vanishes
    with P(B) = rare while the few labels at B stay few.
    """
    if not 0 < rare < 1:
        raise ValueError(f"rare must be between 0 and 1, got {rare}")
    joint = torch.zeros(2, 2, 2, dtype=torch.float64)
    joint[0, 0, 0], joint[1, 0, 0], joint[1, 1, 1] = 1 - rare, rare / 2, rare / 2
    return FiniteWorld(joint, torch.eye(2, dtype=torch.float64))


def table_excess(joint: Array, n: int) -> torch.Tensor:
    """Expected excess squared risk of supervised learning by a table of X₁, exact (note §3.4); 0-d float64.

    The table answers each state with the mean of its labels, and a state without a label with 1/k for each
    class: learning from scratch, with as many parameters as X₁ has states.

    Raises:
        ValueError: n below 1, or a table that is none.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    table = as_joint(joint).cpu()
    p, target = table.sum((1, 2)), posterior(table)  # (n1,), (n1, k)
    count = torch.arange(1, n + 1, dtype=torch.float64)[:, None]  # (n, 1) labels at a state
    choose = torch.lgamma(torch.tensor(n + 1.0)) - torch.lgamma(count + 1) - torch.lgamma(n - count + 1)
    log_pmf = choose + count * p.log() + torch.special.xlog1py(n - count, -p)  # (n, n1), binomial
    inverse = (log_pmf.exp() / count).sum(0)  # (n1,) E[1/N; N > 0]
    noise = 1 - target.square().sum(1)  # (n1,) Tr Cov(Y|x₁)
    blind = (target - 1 / target.shape[1]).square().sum(1)  # (n1,)
    return torch.dot(p, noise * inverse + (1 - p) ** n * blind)


class Simulated(NamedTuple):
    """The mean of a simulated quantity over repeats and its standard error."""

    mean: float
    standard_error: float


def simulate_excess(
    joint: Array, x2: Array | None, n: int, repeats: int = 1000, seed: int = 0, features: Array | None = None
) -> Simulated:
    """Excess squared risk of exact least squares (with intercept) on ψ*(X₁) from n labels, simulated
    (note §3.4).

    Args:
        joint: (n1, n2, k).
        x2: (n2, d) values of X₂; not used when features are given.
        n: labels in each repeat.
        features: (n1, r), used in place of ψ*.

    Raises:
        ValueError: n or repeats below 1, neither x2 nor features, or a table that is none.
    """
    if n < 1 or repeats < 2:
        raise ValueError(f"need n ≥ 1 and repeats ≥ 2, got {n} and {repeats}")
    table = as_joint(joint).cpu()
    if features is not None:
        psi = torch.as_tensor(features, dtype=torch.float64).cpu()
    elif x2 is not None:
        psi = best_predictor(table, x2)
    else:
        raise ValueError("give x2, the values of X₂, or features of X₁")
    p, target = table.sum((1, 2)), posterior(table)  # (n1,), (n1, k)
    design = torch.cat([torch.ones_like(p)[:, None], psi - p @ psi], 1)  # (n1, 1 + r)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.multinomial(table.sum(1).flatten(), repeats * n, True, generator=generator)
    cell = drawn.reshape(repeats, n) + torch.arange(repeats)[:, None] * target.numel()
    counts = cell.flatten().bincount(minlength=repeats * target.numel()).double()
    counts = counts.reshape(repeats, *target.shape)
    seen = counts.sum(2)  # (repeats, n1)
    root = seen.sqrt()[..., None]
    mean = counts / seen.clamp(min=1)[..., None]  # (repeats, n1, k) labels' mean at each state
    # the smallest-norm solution where a state was not seen: what lstsq gives
    weights = torch.linalg.pinv(root * design, rtol=1e-9) @ (root * mean)
    excess = ((target - design @ weights).square().sum(2) * p).sum(1)  # (repeats,)
    return Simulated(float(excess.mean()), float(excess.std() / repeats**0.5))
