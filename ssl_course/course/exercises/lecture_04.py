"""Exercises of lecture 04: which patches go, what the encoder reads, and what the loss counts."""

from functools import partial
from typing import Any

import numpy as np

from ssl_course.course.exercises.card import Card, check
from ssl_course.course.exercises.judging import judge


# ------------------------------------------------------------------------------------------ masking
def _mask(noise: np.ndarray, ratio: float) -> np.ndarray:
    length = noise.shape[1]
    keep = min(max(round(length * (1 - ratio)), 1), length - 1)
    return _keep_smallest(noise, keep)


def _keep_smallest(noise: np.ndarray, keep: int) -> np.ndarray:
    rank = noise.argsort(1, kind="stable").argsort(1, kind="stable")
    return (rank >= keep).astype(float)


def _shuffled_order(noise: np.ndarray, ratio: float) -> np.ndarray:
    """Kept first, then removed: the mask before it is put back in order."""
    return np.sort(_mask(noise, ratio), 1)


def _order_for_rank(noise: np.ndarray, ratio: float) -> np.ndarray:
    keep = int((1 - _mask(noise, ratio)[0]).sum())
    return (noise.argsort(1, kind="stable") >= keep).astype(float)


_MASK_MISTAKES = {
    "Polarity: in the course, as in MAE, the mask is 1 where a patch is *removed*.": lambda n, r: (
        1 - _mask(n, r)
    ),
    "int(10 · (1 − 0.9)) is 0, since 1 − 0.9 is a little less than a tenth: then nothing is left to see. "
    "Use round, and keep at least one patch and remove at least one.": lambda n, r: _keep_smallest(
        n, int(n.shape[1] * (1 - r))
    ),
    "At ratios near 0 and 1 you remove nothing or everything. Keep at least one patch, "
    "and remove at least one.": lambda n, r: _keep_smallest(n, round(n.shape[1] * (1 - r))),
    "You keep the patches with the *largest* noise; kept are the smallest.": lambda n, r: _mask(-n, r),
    "Every picture has the mask of the first. Each row has noise of its own.": lambda n, r: np.repeat(
        _mask(n, r)[:1], len(n), 0
    ),
    "Your mask is in shuffled order, kept patches first. "
    "Put it back with ids_restore, the argsort of the argsort.": _shuffled_order,
    "argsort says which patch comes first, not which rank a patch has. "
    "The rank is the argsort of the argsort.": _order_for_rank,
    "You toss a coin for each patch: then rows keep different numbers of patches, "
    "and no batch can hold them.": lambda n, r: (n < r).astype(float),
}


@check()
def random_masking(function: Any, seed: int = 0) -> Card:
    """Check ``function(noise, ratio)``: the mask (N, L), 1 where a patch is removed (note §3.1; MAE, §3).

    Kept are the round(L (1 − ratio)) patches of a row with the smallest noise, at least one and at most L − 1.

    It gets noise (N, L), all different, and a ratio in [0, 1].
    """
    rng = np.random.default_rng(seed)
    ratios = [0.75, 0.9, 0.5, 0.25, 0.0, 1.0]
    cases = [(rng.random((4, 10 if r == 0.9 else 16)), r) for r in ratios]
    praise = "Rounded, clamped, one draw a picture, and 1 means removed."
    hint = "Rank each row's noise; the round(L (1 − ratio)) smallest are kept (0), the others removed (1)."
    return judge(function, cases, _mask, _MASK_MISTAKES, praise, hint)


# ------------------------------------------------------------------------------------------ what the encoder reads
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


# ------------------------------------------------------------------------------------------ the loss
def _loss(target: np.ndarray, prediction: np.ndarray, mask: np.ndarray, *, ddof: int = 1, where: str = "removed",
          root: bool = True, normal: bool = True, axis: int = -1) -> float:  # fmt: skip
    mean = target.mean(axis, keepdims=True)
    spread = target.var(axis, keepdims=True, ddof=ddof) + 1e-6
    spread = np.sqrt(spread) if root else spread
    error = (prediction - ((target - mean) / spread if normal else target)) ** 2
    per_patch = error.mean(-1)
    if where == "all":
        return float(per_patch.mean())
    if where == "share":
        return float((per_patch * mask).mean())
    if where == "sum":
        return float((error * mask[..., None]).sum() / mask.sum())
    if where == "pictures":
        return float(((per_patch * mask).sum(1) / mask.sum(1)).mean())
    counted = 1 - mask if where == "visible" else mask
    return float((per_patch * counted).sum() / counted.sum())


_LOSS_MISTAKES = {
    "The loss is taken on all patches. Only removed ones count: "
    "copying a visible patch teaches nothing.": partial(_loss, where="all"),
    "Polarity: you count the visible patches. The mask is 1 where a patch is removed.": partial(
        _loss, where="visible"
    ),
    "The variance is biased (divided by n). "
    "MAE uses the unbiased one, divided by n − 1: ddof=1 in NumPy.": partial(_loss, ddof=0),
    "Two things: the loss is taken on all patches, and the variance is biased (ddof=1 in NumPy "
    "is not).": partial(_loss, ddof=0, where="all"),
    "You divide by the number of all patches. Divide by the number of removed ones, mask.sum().": partial(
        _loss, where="share"
    ),
    "The errors of a patch are summed; wanted is their mean over its D numbers.": partial(_loss, where="sum"),
    "You average within each picture first. Here all removed patches of the batch count alike.": partial(
        _loss, where="pictures"
    ),
    "The target is not normalised: subtract each patch's mean and divide by its spread.": partial(
        _loss, normal=False
    ),
    "You divide by the variance. Divide by its root, √(variance + 10⁻⁶).": partial(_loss, root=False),
    "Mean and variance run over the patches. They belong to each patch: "
    "over its own D numbers, axis −1.": partial(_loss, axis=1),
}


@check()
def masked_loss(function: Any, seed: int = 0) -> Card:
    """Check ``function(target, prediction, mask)``: MAE's loss with normalised targets (note §3.5.2; MAE, §3).

    Each patch of the target less its mean, over √(unbiased variance + 10⁻⁶); squared error, mean over the D
    numbers of a patch and over the removed patches of the batch.

    It gets target (N, L, D), prediction (N, L, D), mask (N, L), 1 where removed.
    """
    rng = np.random.default_rng(seed)
    cases = []
    for _ in range(4):
        mask = np.zeros((3, 6))
        for row, count in enumerate((2, 3, 5)):
            mask[row, rng.permutation(6)[:count]] = 1
        cases.append((rng.normal(0.4, 0.3, (3, 6, 5)), rng.normal(size=(3, 6, 5)), mask))
    praise = "Normalised by its own mean and unbiased variance, and counted where it was removed."
    hint = "Normalise the last axis with ddof=1; squared error; mean over the last axis; (… · mask).sum() / mask.sum()."
    return judge(function, cases, _loss, _LOSS_MISTAKES, praise, hint)
