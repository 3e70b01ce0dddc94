"""Exercises of lecture 13: a pretext task that keeps the light, a difference with its error, ε²/σ² by hand."""

from typing import Any

import numpy as np
import torch

from ssl_course.course.exercises.card import Card, ask, check, passed, wrong
from ssl_course.course.exercises.judging import judge
from ssl_course.data import scenes
from ssl_course.theory.residual import least_squares

PICTURES = 900
KEEP, FORGET = 0.5, 0.03  # shares of X₂'s variance that the light must, and the biome may, explain
SIDES = 0.05  # share of X₁'s variance that the light must explain


def _z(a: np.ndarray, b: np.ndarray) -> float:
    d = a - b
    return float(d.mean() / (d.std(ddof=1) / len(d) ** 0.5))


def _unpaired(a: np.ndarray, b: np.ndarray) -> float:
    return float((a.mean() - b.mean()) / np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)))


@check()
def paired(function: Any, seed: int = 0) -> Card:
    """Check ``function(a, b)``: mean difference over its standard error, seed by seed.

    It gets the accuracies of two methods, (seeds,) each, row i from the same seed.
    """
    rng = np.random.default_rng(seed)
    cases = []
    for n, sign in ((3, 1), (5, -1), (5, 1), (8, -1)):
        common = rng.normal(0.7, 0.05, n)  # the seed's pictures are easy or hard for both
        cases.append((common + rng.normal(0.02 * sign, 0.01, n), common + rng.normal(0, 0.01, n)))
    mistakes = {
        "You compare the two means as if their seeds had nothing in common. Both methods saw the same "
        "pictures and labels in each seed: take the differences first, then their spread.": _unpaired,
        "You divide by the standard deviation of a difference. "
        "That of the mean is smaller by √n.": lambda a, b: (a - b).mean() / (a - b).std(ddof=1),
        "The spread is taken with 1/n. With so few seeds it must be 1/(n − 1): ddof=1.": lambda a, b: (
            (a - b).mean() / ((a - b).std() / len(a) ** 0.5)
        ),
        "The sign is turned: above 0 is to mean that the first is better.": lambda a, b: -_z(a, b),
        "That is the mean difference: divide it by its standard error.": lambda a, b: (a - b).mean(),
        "The sign is lost: it says which of the two is better.": lambda a, b: abs(_z(a, b)),
    }
    praise = "Above 2 or below −2 the difference is no accident, roughly; with three seeds read even that with care."
    hint = "d = a − b; its mean; its standard error, std(ddof=1) / √n; the quotient."
    return judge(function, cases, _z, mistakes, praise, hint)


def _ratio(epsilon_squared: float, means: np.ndarray) -> float:
    return float(epsilon_squared / np.linalg.svd(means - means.mean(0))[1][len(means) - 2] ** 2)


@check()
def ratio(function: Any, seed: int = 0) -> Card:
    """Check ``function(epsilon_squared, means)``: ε² / σ_{k−1}(MΠ)² (note §3.4).

    It gets ε² and the class means of X₂, (k, d) with k ≤ d.
    """
    rng = np.random.default_rng(seed)
    cases = [(rng.uniform(0.1, 2), rng.normal(1, 1, (k, k + 2))) for k in (2, 3, 3, 5)]

    def sigma(means: np.ndarray, i: int) -> float:
        return np.linalg.svd(means)[1][i]

    mistakes = {
        "That is σ_k of the class means themselves. The probe has an intercept: subtract the mean of the "
        "class means first, and take the (k−1)-th.": lambda e, m: e / sigma(m, len(m) - 1) ** 2,
        "That is the largest singular value. The classes that are hardest to tell apart decide: the "
        "(k−1)-th.": lambda e, m: e / sigma(m - m.mean(0), 0) ** 2,
        "σ is not squared, so the result still has units.": lambda e, m: e / sigma(m - m.mean(0), len(m) - 2),
        "You subtract from each class the mean of its own numbers. Wanted is the mean over the "
        "classes.": lambda e, m: e / (np.linalg.svd(m - m.mean(1, keepdims=True))[1][len(m) - 2] ** 2),
        "ε² is squared already.": lambda e, m: e**2 / sigma(m - m.mean(0), len(m) - 2) ** 2,
    }
    praise = "No units are left, so pretext tasks with different X₂ can be compared."
    hint = "Subtract from all class means their plain mean; singular values; the (k−1)-th; square; divide."
    return judge(function, cases, _ratio, mistakes, praise, hint)


def explained(x: torch.Tensor, y: torch.Tensor) -> float:
    """Share of the variance of x (N, …) that the classes y (N,) explain, between 0 and 1."""
    rows = x.double().flatten(1)
    centred = rows - rows.mean(0)
    total = float(centred.square().sum())
    if total <= 1e-12:
        return 0.0
    means = torch.stack([centred[y == c].mean(0) for c in y.unique()])
    return float(means[y].square().sum()) / total


@check()
def keeps_light(function: Any, seed: int = 0) -> Card:
    """Check a pretext task that keeps the label light and forgets the biome.

    It gets pictures (N, 3, H, W) uint8 and returns (X₁, X₂), N rows each.
    """
    pictures = scenes.World().sample(PICTURES, 32, seed=seed)
    hint = "It takes pictures (N, 3, H, W) uint8 and returns the pair (X₁, X₂)."
    answer = ask(function, pictures.images.clone(), hint=hint)
    try:
        x1, x2 = (torch.as_tensor(part).float() for part in answer)
    except (TypeError, ValueError, RuntimeError):
        return wrong(f"That is no pair of tensors. {hint}")
    for name, x in (("X₁", x1), ("X₂", x2)):
        if x.ndim < 1 or len(x) != PICTURES:
            return wrong(f"{name} is {tuple(x.shape)}: its first axis must be the {PICTURES} pictures.")
        if not x.isfinite().all():
            return wrong(f"{name} has numbers that are not finite.")
    x1, x2 = (x.reshape(PICTURES, -1) for x in (x1, x2))
    return _verdict(x1, x2, pictures.labels)


def _verdict(x1: torch.Tensor, x2: torch.Tensor, labels: dict[str, torch.Tensor]) -> Card:
    if float((x2 - x2.mean(0)).abs().max()) < 1e-6:
        return wrong("X₂ is the same for every picture: there is nothing to predict, so nothing is learned.")
    light, biome = explained(x2, labels["light"]), explained(x2, labels["biome"])
    shares = f"(of the variance of X₂ the light explains {light:.0%}, the biome {biome:.0%})"
    if biome > FORGET and light >= KEEP:
        return wrong(f"X₂ keeps the light, but it still tells the biome {shares}. Average away what differs.")
    if biome > FORGET and light < 0.05:
        return wrong(
            f"X₂ tells the biome and not the light {shares}: the hero of lecture 01 where a villain is wanted. "
            "Colours and textures follow the biome."
        )
    if biome > FORGET:
        return wrong(
            f"X₂ tells too much of the biome and too little of the light {shares}. Which part is the light in?"
        )
    if light < 0.05:
        return wrong(
            f"X₂ tells neither {shares}. A puzzle's answer, or noise, is drawn without looking: "
            "the theory is silent about it."
        )
    if light < KEEP:
        return wrong(f"X₂ tells too little of the light {shares}. Where in the picture is it brightest?")
    if _copied(x1, x2):
        return wrong(
            "X₂ can be computed from X₁ by a linear map: the task is solved without learning anything. Hide it."
        )
    if explained(x1, labels["light"]) < SIDES:
        return wrong(
            "X₁ tells nothing of the light, so nobody can predict X₂ from it: leave some of the light in X₁."
        )
    return passed(f"It keeps the light and forgets the biome {shares}.")


def _copied(x1: torch.Tensor, x2: torch.Tensor) -> bool:
    """Whether a linear map fitted on half of the rows gives X₂ of the other half exactly.

    Seen only where X₁ has fewer numbers than there are rows: else a map that fits says nothing.
    """
    half = len(x1) // 2
    if x1.shape[1] + 1 >= half:
        return False
    truth = x2.double()
    guess = least_squares(x1[:half], truth[:half])(x1[half:])
    error = (guess - truth[half:]).square().sum() / (truth[half:] - truth[half:].mean(0)).square().sum()
    return float(error) < 1e-4
