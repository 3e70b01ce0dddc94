"""Exercises of lecture 04: hidden among hidden patches, what hiding saves, what a row's gaps say of dependence."""

from functools import partial
from typing import Any

import numpy as np

from ssl_course.course.exercises.card import Card, check
from ssl_course.course.exercises.judging import judge


# --------------------------------------------------------------------------------- hidden among hidden patches
def _chances(length: int, hidden: int, many: int = 4) -> float:
    """That ``many`` patches, drawn without putting back, are all among ``hidden`` of ``length``."""
    return float(np.prod([(hidden - i) / (length - i) for i in range(many)]))


_ALONE = {
    "Nearly: the neighbours are drawn without putting back. Each hidden one leaves one hidden patch less for "
    "the next.": (lambda n, k: (1 - k / n) ** 4, lambda n, k: ((n - k - 1) / (n - 1)) ** 4),
    "The patch itself is hidden: of the other L − 1, only L − visible − 1 are.": lambda n, k: _chances(
        n, n - k
    ),
    "That is the probability that it *has* a visible neighbour.": lambda n, k: 1 - _chances(n - 1, n - k - 1),
    "That all five are hidden. It is known of the patch in the middle already: the four "
    "count.": lambda n, k: _chances(n, n - k, 5),
    "That is for the eight around it, corners too. Neighbours share a side: four.": lambda n, k: _chances(
        n - 1, n - k - 1, 8
    ),
    "You let all four be visible. Wanted is that none is.": (
        lambda n, k: _chances(n - 1, k),
        lambda n, k: (k / n) ** 4,
    ),
}


@check()
def alone(function: Any, seed: int = 0) -> Card:
    """Check ``function(length, visible)``: the probability that a hidden patch with four neighbours sees none of
    them, under random masking (MAE, §3).

    It gets the number of patches and how many stay visible.
    """
    rng = np.random.default_rng(seed)
    cases = [(int(n), int(rng.integers(5, n - 9))) for n in rng.integers(20, 200, 6)]
    praise = "At 75 % nearly a third of what is hidden has no visible neighbour: copying is not enough."
    hint = "Given that it is hidden: L − visible − 1 hidden ones among L − 1 others. Draw four, one after the other."
    return judge(function, cases, lambda n, k: _chances(n - 1, n - k - 1), _ALONE, praise, hint)


# ------------------------------------------------------------------------------------------ what hiding saves
def _visible(
    share: float, length: int, dim: int, *, linear: float = 12, cls: int = 1, up: bool = False
) -> int:
    """Of ``linear`` d² T + 2 d T² = share · (the same at T = length + cls):
    T less the class token, rounded down."""
    whole = length + cls
    half = linear * dim / 4
    tokens = (half**2 + share * (whole**2 + 2 * half * whole)) ** 0.5 - half
    return int(np.ceil(tokens) if up else np.floor(tokens)) - cls


_VISIBLE_MISTAKES = {
    "You let the work grow in proportion to the patches. The class token is read, too, and attention grows with "
    "the square.": (lambda s, n, d: int(s * n), lambda s, n, d: round(s * n)),
    "The linear layers are right, and the attention is missing: 2 d T² for T tokens.": lambda s, n, d: (
        int(s * (n + 1)) - 1
    ),
    "The attention is right, and the linear layers are missing: 12 d² T.": partial(_visible, linear=0),
    "The class token is missing, on both sides: the encoder reads 1 + K tokens, and the whole picture has "
    "1 + L.": partial(_visible, cls=0),
    "That is the number of tokens. One of them is the class token, which is no patch.": lambda s, n, d: (
        _visible(s, n, d) + 1
    ),
    "You round up: then the work is above the share.": partial(_visible, up=True),
    "That is the number of *hidden* patches.": lambda s, n, d: n - _visible(s, n, d),
}


@check()
def most_visible(function: Any, seed: int = 0) -> Card:
    """Check ``function(share, length, dim)``: how many patches may stay visible (MAE, §3).

    The encoder's work on 1 + K tokens, 12 d² T + 2 d T² for T of them, is to be at most this share of its
    work on the whole picture.

    It gets a share between .1 and .9, the number of patches and the width d.
    """
    rng = np.random.default_rng(seed)
    cases = [(0.25, 64, 128), (0.5, 196, 768), (0.1, 256, 16), (0.3, 144, 24)]
    cases += [
        (float(rng.uniform(0.15, 0.85)), int(rng.integers(60, 300)), 8 * int(rng.integers(2, 12)))
        for _ in range(4)
    ]
    praise = "Class token, linear layers and attention, and rounded down."
    hint = "Write the work of T tokens, set it to share times the work of 1 + L, solve for T, take the class token away."
    return judge(function, cases, _visible, _VISIBLE_MISTAKES, praise, hint)


# ------------------------------------------------------------------------------------------ the gaps of a row
def _logs(places: np.ndarray, rho: float, power: int = 2) -> float:
    """Logarithm of the determinant of the covariance of these places: neighbours among them, q apart."""
    return float(np.log1p(-(rho ** (power * np.diff(places)))).sum())


def _gaps(
    hidden: np.ndarray, rho: float, *, power: int = 2, whole: bool = True, factor: float = 0.5
) -> float:
    hide = np.asarray(hidden, bool)
    parts = [_logs(np.flatnonzero(one), rho, power) for one in (~hide, hide)]
    return factor * (sum(parts) - whole * _logs(np.arange(len(hide)), rho, power))


def _borders(hidden: np.ndarray, rho: float) -> float:
    """What each border between seen and hidden would tell if it were alone."""
    return float(-0.5 * np.log1p(-(rho**2)) * np.abs(np.diff(np.asarray(hidden, int))).sum())


_GAPS_MISTAKES = {
    "Twice too much: the formula has a ½ in front.": partial(_gaps, factor=1.0),
    "In bits. The course counts in nats: the natural logarithm.": partial(_gaps, factor=0.5 / np.log(2)),
    "The sign: |Σ| of the whole row is smaller than the product of the two, so the logarithm of the ratio is "
    "positive.": partial(_gaps, factor=-0.5),
    "The row itself is missing: subtract its own determinant, of 1 − ρ² for each pair of neighbours.": (
        partial(_gaps, whole=False),
        partial(_gaps, whole=False, factor=-0.5),
    ),
    "The variance that a neighbour q places away leaves open is 1 − ρ^(2q): its correlation is ρ^q, and it is "
    "squared.": partial(_gaps, power=1),
    "You add ½ log 1/(1 − ρ²) for each border. That is right for one border; with several, a border tells in part what "
    "the last one has told. Count the gaps instead.": _borders,
}


@check()
def from_gaps(function: Any, seed: int = 0) -> Card:
    """Check ``function(hidden, rho)``: I(X₁; X₂ | Y) of a row, in nats, from the gaps between its places
    (note §3.5).

    The row has covariance ρ^|i−j| within each class (`theory.masking.ar1_covariance`), so the determinant of
    the covariance of some of its places is the product of 1 − ρ^(2q) over neighbours among them, q apart.

    It gets hidden (n,), True where a number is X₂, and ρ.
    """
    rng = np.random.default_rng(seed)
    cases = []
    for rho in (0.9, 0.5, 0.8, 0.3):
        hidden = rng.random(12) < rng.uniform(0.3, 0.7)
        hidden[:3] = [False, True, False]
        cases.append((hidden, rho))
    praise = "Two sums over gaps, less that of the whole row, and a half."
    hint = "Logarithms of 1 − ρ^(2q) over the gaps of the seen places, plus over those of the hidden ones, less over the row; half of it."
    return judge(function, cases, _gaps, _GAPS_MISTAKES, praise, hint)
