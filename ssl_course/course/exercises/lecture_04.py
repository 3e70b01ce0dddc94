"""Exercises of lecture 04: what the encoder reads, what hiding saves, what a row's gaps say of dependence."""

from functools import partial
from typing import Any

import numpy as np

from ssl_course.course.exercises.card import Card, check
from ssl_course.course.exercises.judging import judge


# ------------------------------------------------------------------------------------- what the encoder reads
def _after(cls: np.ndarray, patches: np.ndarray) -> np.ndarray:
    """The class token, then the patches."""
    return np.concatenate([cls[None], patches])


def _input(patches: np.ndarray, positions: np.ndarray, cls: np.ndarray, ids: np.ndarray) -> np.ndarray:
    return _after(cls, (patches + positions)[ids])


def _mask_tokens(patches: np.ndarray, positions: np.ndarray, cls: np.ndarray, ids: np.ndarray) -> np.ndarray:
    tokens = np.zeros_like(patches)
    tokens[ids] = patches[ids]
    return _after(cls, tokens + positions)


def _zeroed_after(patches: np.ndarray, positions: np.ndarray, cls: np.ndarray, ids: np.ndarray) -> np.ndarray:
    tokens = np.zeros_like(patches)
    tokens[ids] = (patches + positions)[ids]
    return _after(cls, tokens)


_INPUT_MISTAKES = {
    "The positions are added after masking: the first kept patch gets place 0, "
    "wherever it was. Add them before.": lambda x, p, c, i: _after(c, x[i] + p[: len(i)]),
    "The positions are missing: a bag of patches, in no place.": lambda x, p, c, i: _after(c, x[i]),
    "The class token is missing, in front.": lambda x, p, c, i: (x + p)[i],
    "The class token stands behind the patches; it comes first.": lambda x, p, c, i: np.concatenate(
        [(x + p)[i], c[None]]
    ),
    "You feed mask tokens (zeros) to the encoder. It reads the visible patches only: that makes it fast, "
    "and keeps it from ever seeing tokens that do not occur when it is used. Mask tokens enter the "
    "decoder.": _mask_tokens,
    "Removed patches are zeroed, but still there: the encoder reads all L tokens. Leave them out; mask "
    "tokens enter the decoder.": _zeroed_after,
    "Nothing is removed: the encoder reads what it is to predict.": lambda x, p, c, i: _after(c, x + p),
    "You keep the patches that were to be removed.": lambda x, p, c, i: _after(c, np.delete(x + p, i, 0)),
    "The class token gets the position of the first patch: it has no place.": lambda x, p, c, i: (
        np.concatenate([c[None] + p[:1], (x + p)[i]])
    ),
}


@check()
def encoder_input(function: Any, seed: int = 0) -> Card:
    """Check ``function(patches, positions, cls, ids_keep)``: the tokens that MAE's encoder reads, (1 + K, d).

    The class token first, then the kept patches with the positions of their own places (note §3.1; MAE, §3).

    It gets patches (L, d), positions (L, d), cls (d,), ids_keep (K,).
    """
    rng = np.random.default_rng(seed)
    cases = [
        (rng.normal(size=(9, 4)), rng.normal(size=(9, 4)), rng.normal(size=4), rng.permutation(9)[:k])
        for k in (2, 3, 4)
    ]
    praise = "Positions first, then the selection; nothing of what is removed."
    hint = "Add the positions to all patches, take the rows ids_keep, put cls in front."
    return judge(function, cases, _input, _INPUT_MISTAKES, praise, hint)


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
    """Logarithm of the determinant of the covariance of these places: neighbours among them, g apart."""
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
    "The variance that a neighbour g places away leaves open is 1 − ρ^(2g): its correlation is ρ^g, and it is "
    "squared.": partial(_gaps, power=1),
    "You add ½ log 1/(1 − ρ²) for each border. That is right for one border; with several, a border tells in part what "
    "the last one has told. Count the gaps instead.": _borders,
}


@check()
def from_gaps(function: Any, seed: int = 0) -> Card:
    """Check ``function(hidden, rho)``: I(X₁; X₂ | Y) of a row, in nats, from the gaps between its places
    (note §3.5).

    The row has covariance ρ^|i−j| within each class (`theory.masking.ar1_covariance`), so the determinant of
    the covariance of some of its places is the product of 1 − ρ^(2g) over neighbours among them, g apart.

    It gets hidden (n,), True where a number is X₂, and ρ.
    """
    rng = np.random.default_rng(seed)
    cases = []
    for rho in (0.9, 0.5, 0.8, 0.3):
        hidden = rng.random(12) < rng.uniform(0.3, 0.7)
        hidden[:3] = [False, True, False]
        cases.append((hidden, rho))
    praise = "Two sums over gaps, less that of the whole row, and a half."
    hint = "Logarithms of 1 − ρ^(2g) over the gaps of the seen places, plus over those of the hidden ones, less over the row; half of it."
    return judge(function, cases, _gaps, _GAPS_MISTAKES, praise, hint)
