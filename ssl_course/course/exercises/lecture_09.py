"""Checks of lecture 09: SimSiam's loss and its stopped gradient, effective rank, three ways to collapse, the probe."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ssl_course.course.exercises.card import UNSOLVED, Card, check, is_stub, passed, said_by, wrong
from ssl_course.course.exercises.judging import judge
from ssl_course.course.exercises.probing import judge_features, reading

# ---- the loss, with its gradients ---------------------------------------------------------------------------------


def _cos(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return F.cosine_similarity(a, b, dim=1).mean()


def _loss(p1: torch.Tensor, p2: torch.Tensor, z1: torch.Tensor, z2: torch.Tensor) -> torch.Tensor:
    return -(_cos(p1, z2.detach()) + _cos(p2, z1.detach())) / 2


_SLIPS = {
    "The value is right, but the gradient flows into z too: without the stop-gradient everything collapses. "
    "Use z1.detach() and z2.detach().": lambda p1, p2, z1, z2: -(_cos(p1, z2) + _cos(p2, z1)) / 2,
    "The gradient is stopped on the wrong side: p must learn, z is its target.": lambda p1, p2, z1, z2: (
        -(_cos(p1.detach(), z2) + _cos(p2.detach(), z1)) / 2
    ),
    "No gradient is left at all: detach z only, or nothing learns.": lambda p1, p2, z1, z2: (
        -(_cos(p1.detach(), z2.detach()) + _cos(p2.detach(), z1.detach())) / 2 + 0 * p1.sum()
    ),
    "The sign: similar views must give a low loss, −cosine.": lambda p1, p2, z1, z2: -_loss(p1, p2, z1, z2),
    "One direction only: add D(p2, z1), and take half.": lambda p1, p2, z1, z2: -_cos(p1, z2.detach()),
    "One direction only: add D(p1, z2), and take half.": lambda p1, p2, z1, z2: -_cos(p2, z1.detach()),
    "Both directions are there, but summed: the paper takes half of each, "
    "so that the loss lies in [−1, 1].": lambda p1, p2, z1, z2: 2 * _loss(p1, p2, z1, z2),
    "You compare p of a view with z of the same view. Each p must predict the other "
    "view's z.": lambda p1, p2, z1, z2: -(_cos(p1, z1.detach()) + _cos(p2, z2.detach())) / 2,
    "The rows are not normalised: "
    "a dot product grows with the length of p, and the loss has no floor.": lambda p1, p2, z1, z2: (
        -((p1 * z2.detach()).sum(1).mean() + (p2 * z1.detach()).sum(1).mean()) / 2
    ),
    "The rows are summed. Take their mean, so that the batch size does not scale "
    "the loss.": lambda p1, p2, z1, z2: len(p1) * _loss(p1, p2, z1, z2),
}


def _with_gradients(loss: Callable[..., Any]) -> Callable[..., np.ndarray]:
    """A rule: the value of a loss, then its gradients with respect to p1, p2, z1, z2, in one row."""

    def rule(*case: torch.Tensor) -> np.ndarray:
        leaves = [t.clone().requires_grad_() for t in case]
        value = loss(*leaves)
        if is_stub(value):
            return value
        if not torch.is_tensor(value) or value.ndim:
            raise TypeError("a loss is a tensor with one number")
        none = [None] * len(leaves)
        gradients = torch.autograd.grad(value, leaves, allow_unused=True) if value.requires_grad else none
        rows = [torch.zeros_like(t) if g is None else g for t, g in zip(leaves, gradients, strict=True)]
        return torch.cat([value.detach().reshape(1), *(r.flatten() for r in rows)]).numpy()

    return rule


@check()
def simsiam_loss(function: Any, seed: int = 0) -> Card:
    """Check ``function(p1, p2, z1, z2)``: ½ D(p1, z2) + ½ D(p2, z1), with z stopped (note §3.2).

    It gets four tensors (N, d) and returns a tensor with one number.
    """
    stream = torch.Generator().manual_seed(seed)
    cases = [tuple(torch.randn(4, 5, 3, generator=stream, dtype=torch.float64)) for _ in range(4)]
    answer, right = _with_gradients(function), _with_gradients(_loss)
    slips = {text: _with_gradients(rule) for text, rule in _SLIPS.items()}
    praise = "Value and gradients are right: p learns, z stands still, both views take their turn."
    hint = "D(p, z) = −p/‖p‖ · z/‖z‖, the mean over the rows; half the sum of D(p1, z2) and D(p2, z1); z detached."
    card = judge(answer, cases, right, slips, praise, hint)
    if card.state != "wrong" or card.text in slips:
        return card
    only = f"The value is right, the gradient is not. {hint}"
    value = judge(lambda *case: answer(*case)[0], cases, lambda *case: right(*case)[0], {}, only, hint)
    return wrong(value.text)


# ---- the effective rank -------------------------------------------------------------------------------------------


def _singular(z: np.ndarray) -> np.ndarray:
    return np.linalg.svd(z, compute_uv=False)


def _entropy(weights: np.ndarray) -> float:
    p = weights / weights.sum()
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())


_RANKS = {
    "That is the entropy. Its exponential is a number of directions: "
    "1 when all the weight lies on one.": lambda z: _entropy(_singular(z)),
    "You squared the singular values: those are eigenvalues of zᵀz. Here the singular values themselves are "
    "divided by their sum.": lambda z: np.exp(_entropy(_singular(z) ** 2)),
    "The entropy is in bits and the exponential has base e. Use one base: "
    "natural logarithm and exp.": lambda z: np.exp(_entropy(_singular(z)) / np.log(2)),
    "You count the singular values that are not 0. Noise makes them all positive; "
    "weigh them by their size.": lambda z: float((_singular(z) > 1e-9).sum()),
    "You centred z first. Here the mean counts: a collapse to one point that is not 0 "
    "has rank 1.": lambda z: np.exp(_entropy(_singular(z - z.mean(0)))),
    "The sign of the entropy: it is −Σ p log p, so the effective rank is at least 1.": lambda z: np.exp(
        -_entropy(_singular(z))
    ),
    "The singular values are not divided by their sum, so they are no probabilities.": lambda z: np.exp(
        -(_singular(z) * np.log(_singular(z))).sum()
    ),
}


@check()
def effective_rank(function: Any, seed: int = 0) -> Card:
    """Check ``function(z)``: exp of the entropy of the singular values of z over their sum (lecture 09).

    It gets an array (N, d).
    """
    rng = np.random.default_rng(seed)
    cases = []
    for _ in range(6):
        scales = 10.0 ** rng.uniform(-2, 0, 4)
        cases.append((rng.normal(size=(9, 4)) * scales + rng.normal(size=4),))
    praise = "So many directions does z really use, between 1 and min(N, d)."
    hint = "s = the singular values of z; p = s / Σs; exp(−Σ p log p)."
    return judge(function, cases, lambda z: np.exp(_entropy(_singular(z))), _RANKS, praise, hint)


# ---- three ways to collapse ---------------------------------------------------------------------------------------

FALLEN = 0.1  # std·√d of z below which everything counts as one point
STEPS = 80
_MODEL = ("stop_gradient", "predictor", "output_norm", "bottleneck", "augmentation")
_RUN = ("lr", "weight_decay")


def spread_after(settings: dict[str, Any], seed: int = 0, steps: int = STEPS) -> float:
    """std·√d of z of a small SimSiam (d = 2, no output norm) after some steps on scenes of 16 px.

    Args:
        settings: arguments of `SimSiam`, and lr and weight_decay of the training, that replace the usual
            ones.
        steps: of 64 pictures each.

    Raises:
        Diverged, TypeError, ValueError: settings that cannot be trained.
    """
    from ssl_course import nets
    from ssl_course.data import scenes
    from ssl_course.evaluation import feature_std
    from ssl_course.methods import SimSiam
    from ssl_course.training import train

    run = {k: v for k, v in settings.items() if k in _RUN}
    model = {"output_norm": False, "bottleneck": 8} | {k: v for k, v in settings.items() if k not in _RUN}
    data = scenes.World().sample(256, size=16, seed=seed)
    torch.manual_seed(seed)
    method = SimSiam(nets.ConvNet((8, 16, 32)), projection=(32, 2), **model)
    how = {"lr": 0.05, "weight_decay": 1e-4, "schedule": "constant", "warmup": 0} | run
    for _ in train(method, data, steps=steps, batch_size=64, seed=seed, **how):
        pass
    with torch.no_grad():
        return feature_std(method.project(data.images)) * 2**0.5


@check("a list of three dicts, such as [{'stop_gradient': False}, …, …]")
def three_ways(settings: Any, seed: int = 0) -> Card:
    """Check three different settings under which SimSiam collapses; each is trained, some seconds (lecture 09).

    Args:
        settings: the student's, three dicts, such as ``{"stop_gradient": False}``.
    """
    if not isinstance(settings, list | tuple):
        return wrong("Hand over a list of three dicts, such as [{'stop_gradient': False}, …, …].")
    if any(is_stub(s) for s in settings):
        return UNSOLVED
    if not all(isinstance(s, dict) for s in settings) or len(settings) != 3:
        return wrong(f"Three dicts are wanted; this is a list of {len(settings)}.")
    for one in settings:
        if unknown := sorted(map(str, one.keys() - {*_MODEL, *_RUN})):
            known = ", ".join((*_MODEL, *_RUN))
            return wrong(f"{unknown[0]!r} cannot be set here; these can: {known}.")
        if not one:
            return wrong("An empty dict is the faithful SimSiam, which does not collapse.")
    if any(a == b for i, a in enumerate(settings) for b in settings[:i]):
        return wrong("Two of the three are the same.")
    spreads = []
    for one in settings:
        if one.get("output_norm"):
            return wrong(
                f"{one}: an output norm gives z a spread of 1 whatever happens before it. It hides a collapse."
            )
        try:
            spreads.append(spread_after(one, seed))
        except Exception as error:
            return wrong(f"{one} cannot be trained: {said_by(error)}")
    for one, spread in zip(settings, spreads, strict=True):
        if spread >= FALLEN:
            return wrong(
                f"{one} does not collapse in {STEPS} steps: std·√d of z is {spread:.2f}. What keeps z apart is a "
                "target that stands still, and a predictor that stands between."
            )
    numbers = ", ".join(f"{spread:.3f}" for spread in spreads)
    return passed(f"Fallen in all three: std·√d of z is {numbers}, where an even spread has 1.")


# ---- what the probe reads -----------------------------------------------------------------------------------------


@check()
def probe_reads(function: Any, seed: int = 0) -> Card:
    """Check ``function(method, x)``: the features of a SimSiam that a linear probe is to read.

    It gets a `SimSiam` in training mode and pictures (N, 3, H, W), returns (N, dim).
    """
    from ssl_course.methods import SimSiam

    why_h = "The probe reads h, before the heads: they are trained to forget, and they are the first to fall."
    more = {f"That is p, after both heads. {why_h}": reading(lambda m, x: m.predict(m.project(x)))}
    praise = "h, of a network in eval mode: before both heads, as it is."
    return judge_features(function, SimSiam, why_h, more, praise, seed)
