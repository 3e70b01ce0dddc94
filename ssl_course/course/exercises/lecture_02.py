"""Exercises of lecture 02: colours as soft classes, their weights, and one colour out of a distribution."""

from functools import partial
from typing import Any

import numpy as np

from ssl_course.course.exercises.card import Card, check
from ssl_course.course.exercises.judging import Rule, judge


# ------------------------------------------------------------------------------------------ soft encoding
def _gaussian(distance: np.ndarray, sigma: float) -> np.ndarray:
    return np.exp(-(distance**2) / (2 * sigma**2))


def _encode(ab: np.ndarray, centres: np.ndarray, sigma: float, weigh: Rule = _gaussian, k: int = 3,
            normal: bool = True, farthest: bool = False) -> np.ndarray:  # fmt: skip
    distance = np.sqrt(((centres - ab) ** 2).sum(1))  # (Q,)
    keep = np.argsort(-distance if farthest else distance, kind="stable")[:k]
    shares = np.zeros(len(centres))
    shares[keep] = weigh(distance[keep], sigma)
    return shares / shares.sum() if normal else shares


_ENCODE_MISTAKES = {
    "That is one-hot: all on the nearest bin. Soft encoding shares among the three nearest.": partial(
        _encode, k=1
    ),
    "The Gaussian weights are right, but they do not sum to 1: divide by their sum.": partial(
        _encode, normal=False
    ),
    "You share among all bins. Wanted are the three nearest; the others get 0.": lambda ab, c, s: _encode(
        ab, c, s, k=len(c)
    ),
    "You use exp(−d/b). The Gaussian is exp(−d²/(2b²)).": partial(_encode, weigh=lambda d, s: np.exp(-d / s)),
    "You use exp(−d²/b²): the 2 of the Gaussian's 2b² is missing.": partial(
        _encode, weigh=lambda d, s: np.exp(-(d**2) / s**2)
    ),
    "You take the softmax of the negative distances. The Gaussian squares them and divides by 2b².": partial(
        _encode, weigh=lambda d, s: np.exp(-d)
    ),
    "You keep the three farthest bins: argsort puts the smallest first.": partial(_encode, farthest=True),
    "The three nearest share equally. The nearer ones get more: weigh with exp(−d²/(2b²)).": partial(
        _encode, weigh=lambda d, s: 1.0
    ),
}


@check()
def soft_encoding(function: Any, seed: int = 0) -> Card:
    """Check ``function(ab, centres, sigma)``: one colour (2,) as shares (Q,) of the three nearest bins.

    Shares are exp(−d²/(2b²)) divided by their sum, 0 elsewhere (note §3.1; Zhang 2016, §2.1).

    It gets ab (2,), centres (Q, 2) and the width b, all in Lab units.
    """
    rng = np.random.default_rng(seed)
    cases = [(rng.normal(0, 12, 2), rng.permutation(20) [:9, None] * [[1.0, 0]] - 10 + rng.normal(0, 9, (9, 2)),
              float(rng.uniform(4, 9))) for _ in range(6)]  # fmt: skip
    praise = "The nearest bins, each with its Gaussian share."
    hint = "Distances to all centres; the three smallest; exp(−d²/(2b²)) there and 0 elsewhere; divide by the sum."
    return judge(function, cases, _encode, _ENCODE_MISTAKES, praise, hint)


# ------------------------------------------------------------------------------------------ rebalancing
def _inverse(prior: np.ndarray, mix: float) -> np.ndarray:
    return 1 / ((1 - mix) * prior + mix / len(prior))


def _scaled(prior: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return weights / (prior @ weights)


def _weights(prior: np.ndarray, mix: float) -> np.ndarray:
    return _scaled(prior, _inverse(prior, mix))


def _unsmoothed(prior: np.ndarray, mix: float) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = 1 / prior
        return weights / np.nansum(prior * np.where(np.isfinite(weights), weights, 0))


_WEIGHT_MISTAKES = {
    "You invert the prior as it was counted, without mixing in the uniform 1/Q: a bin that was never seen "
    "gets an infinite weight, and one seen once drowns all others.": _unsmoothed,
    "The shape is right, the scale is not: "
    "divide so that E_p[w] = Σ p w is 1, or the loss changes its size.": _inverse,
    "Your weights sum to 1. Wanted is that their *expectation* under the prior, Σ p w, is 1.": lambda p, m: (
        _inverse(p, m) / _inverse(p, m).sum()
    ),
    "Your weights average to 1 over the bins. Wanted is the expectation under the prior, "
    "Σ p w = 1.": lambda p, m: _inverse(p, m) / _inverse(p, m).mean(),
    "The two shares are swapped: μ belongs to the uniform distribution, 1 − μ to the prior.": lambda p, m: (
        _weights(p, 1 - m)
    ),
    "You weigh common colours more. The inverse is missing: w ∝ ((1 − μ) p + μ/Q)⁻¹.": lambda p, m: _scaled(
        p, 1 / _inverse(p, m)
    ),
    "You mix the inverses. Mix first, (1 − μ) p + μ/Q, and invert then.": lambda p, m: _scaled(
        p, (1 - m) / np.where(p > 0, p, np.inf) + m * len(p)
    ),
    "The uniform distribution over Q bins is 1/Q, not 1.": lambda p, m: _scaled(p, 1 / ((1 - m) * p + m)),
}


@check()
def rebalancing(function: Any, seed: int = 0) -> Card:
    """Check ``function(prior, mix)``: weights (Q,) ∝ ((1 − μ) p + μ/Q)⁻¹ with Σ p w = 1 (Zhang 2016, eq. 4).

    It gets the prior (Q,), some of it 0, and μ.
    """
    rng = np.random.default_rng(seed)
    cases = []
    for trial in range(6):
        prior = rng.dirichlet(np.full(8, 0.6))
        if trial % 2:  # bins that no picture showed
            prior[rng.choice(8, 2, replace=False)] = 0
            prior /= prior.sum()
        cases.append((prior, float(rng.uniform(0.1, 0.9))))
    praise = "Rare colours count more, none without end, and the loss keeps its size."
    hint = "Mix the prior with the uniform distribution, invert, and divide by Σ p w."
    return judge(function, cases, _weights, _WEIGHT_MISTAKES, praise, hint)


# ------------------------------------------------------------------------------------------ annealed mean
def _anneal(p: np.ndarray, centres: np.ndarray, temperature: float) -> np.ndarray:
    sharp = p ** (1 / temperature)
    return sharp @ centres / sharp.sum()


_ANNEAL_MISTAKES = {
    "That is the plain mean, T = 1: the temperature does nothing.": lambda p, c, t: p @ c,
    "That is the mode, T → 0: the temperature does nothing.": lambda p, c, t: c[p.argmax()],
    "You raise p to the power T. The logarithm is *divided* by T: p to the power 1/T.": lambda p, c, t: (
        _anneal(p, c, 1 / t)
    ),
    "After the power the shares no longer sum to 1: divide by their sum.": lambda p, c, t: p ** (1 / t) @ c,
    "You take the softmax of p/T. It is log p that is divided by T: softmax(log p / T).": lambda p, c, t: (
        np.exp(p / t) @ c / np.exp(p / t).sum()
    ),
    "You divide p itself by T, and not its logarithm.": lambda p, c, t: p / t @ c,
    "You anneal the mean colour. It is the distribution that is annealed, "
    "before the mean is taken.": lambda p, c, t: np.sign(p @ c) * np.abs(p @ c) ** (1 / t),
}


@check()
def annealed_mean(function: Any, seed: int = 0) -> Card:
    """Check ``function(p, centres, temperature)``: one colour (2,) out of shares p (Q,) (Zhang 2016, eq. 5).

    It gets positive p (Q,) that sum to 1, centres (Q, 2), and T in (0, 1).
    """
    rng = np.random.default_rng(seed)
    cases = [
        (rng.dirichlet(np.ones(6)) * 0.97 + 0.005, rng.normal(0, 30, (6, 2)), float(rng.uniform(0.2, 0.8)))
        for _ in range(6)
    ]
    praise = "Sharpened, normalised, averaged."
    hint = "Raise p to the power 1/T, divide by the sum, and average the centres with it."
    return judge(function, cases, _anneal, _ANNEAL_MISTAKES, praise, hint)
