"""Exercises of lecture 13: a pretext task that keeps the light, a difference with its interval,
what changes ε²/σ²."""

from typing import Any

import numpy as np
import torch
from scipy import stats

from ssl_course.course.exercises.card import UNSOLVED, Card, ask, check, is_stub, passed, wrong
from ssl_course.course.exercises.judging import judge
from ssl_course.data import scenes
from ssl_course.theory.residual import least_squares

PICTURES = 900
KEEP, FORGET = 0.5, 0.03  # shares of X₂'s variance that the light must, and the biome may, explain
SIDES = 0.05  # share of X₁'s variance that the light must explain


def _half(d: np.ndarray, quantile: float = 0.975, df: int | None = None, ddof: int = 1) -> float:
    return float(stats.t.ppf(quantile, df or len(d) - 1) * d.std(ddof=ddof) / len(d) ** 0.5)


def _around(mean: float, half: float) -> np.ndarray:
    return np.array([mean - half, mean + half])


def _interval(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return _around((a - b).mean(), _half(a - b))


def _unpaired(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    error = np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
    return _around(a.mean() - b.mean(), stats.t.ppf(0.975, len(a) - 1) * error)


@check()
def interval(function: Any, seed: int = 0) -> Card:
    """Check ``function(a, b)``: the 95 % interval (low, high) of the mean difference, seed by seed,
    by Student's t.

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
        "± 1.96 standard errors is for many seeds. With three, the error is itself so uncertain that it takes 4.30: "
        "stats.t.ppf(0.975, n − 1).": lambda a, b: _around((a - b).mean(), _half(a - b, df=10**9)),
        "± 2 standard errors, whatever the number of seeds: with three, differences of nothing pass that in 18 of 100 "
        "cases. Take the t quantile.": lambda a, b: _around(
            (a - b).mean(), 2 * (a - b).std(ddof=1) / len(a) ** 0.5
        ),
        "That t has n degrees of freedom. One is spent on the mean: n − 1.": lambda a, b: _around(
            (a - b).mean(), _half(a - b, df=len(a))
        ),
        "That is the 90 % interval: 5 % on each side. For 95 % take the quantile 0.975.": lambda a, b: (
            _around((a - b).mean(), _half(a - b, 0.95))
        ),
        "You take the standard deviation of a difference. That of the mean is smaller by √n.": lambda a, b: (
            _around((a - b).mean(), _half(a - b) * len(a) ** 0.5)
        ),
        "The spread is taken with 1/n. With so few seeds it must be 1/(n − 1): ddof=1.": lambda a, b: _around(
            (a - b).mean(), _half(a - b, ddof=0)
        ),
        "The sign is turned: above 0 is to mean that the first is higher.": lambda a, b: _interval(b, a),
        "The ends have changed places: (low, high).": lambda a, b: _interval(a, b)[::-1],
    }
    praise = "Clear of 0 or not: so a single verdict is made. With three seeds t is 4.30; many verdicts at once take a larger t."
    hint = "d = a − b; half = stats.t.ppf(0.975, n − 1) · std(ddof=1) / √n; (mean − half, mean + half)."
    return judge(function, cases, _interval, mistakes, praise, hint)


Factors = tuple[float, ...]

# What is done to X₂ → the factors of ε², σ² and ε²/σ², and what to tell who gives others.
_FACTORS: dict[str, tuple[Factors, dict[str, tuple[Factors, ...]]]] = {
    "times 3": (
        (9, 9, 1),
        {
            "ε² and σ² are squares: with X₂ three times as large each is nine times as large.": ((3, 3, 1),),
            "σ² is the square of a singular value of the class means, and these become three times as large.": ((9, 3, 3),),
            "The class means are means of X₂: they grow with it.": ((9, 1, 9),),
        },
    ),
    "copied": (
        (2, 2, 1),
        {
            "Beside each other, not on top of each other: ‖(x, x)‖² = 2‖x‖², not 4‖x‖².": ((4, 4, 1),),
            "No news, but ‖(x, x)‖² = 2‖x‖²: both squares double. Only the quotient stays.": ((1, 1, 1),),
            "The class means are copied, too: (MᵀM) doubles, and with it every squared singular value.": ((2, 1, 2),),
        },
    ),
    "noise beside": (
        (1, 1, 1),
        {
            "ε² is what X₁ *predicts* of X₂. Nobody predicts noise. You think of the upper end, Tr Cov(X₂|Y)/σ².": (
                (11, 1, 11),
                (10, 1, 10),
            ),
            "Noise has the same mean in every class: Π takes it away, and σ stays.": ((1, 10, 0.1),),
        },
    ),
}  # fmt: skip


@check("a dictionary of three factors each")
def factors(answer: Any) -> Card:
    """Check by which factors ε², σ² and ε²/σ² change when X₂ is scaled, copied, or has noise put beside it
    (note §3.4)."""
    hint = 'Wanted is {"times 3": (of ε², of σ², of ε²/σ²), "copied": …, "noise beside": …}.'
    if not isinstance(answer, dict) or set(answer) != set(_FACTORS):
        return wrong(hint)
    if all(is_stub(given) for given in answer.values()):
        return UNSOLVED
    for name, (right, usual) in _FACTORS.items():
        try:
            given = tuple(float(v) for v in answer[name])
        except (TypeError, ValueError):
            return wrong(f"{name}: {answer[name]!r} is not three numbers. {hint}")
        if len(given) != 3:
            return wrong(f"{name}: three numbers are wanted, of ε², σ² and ε²/σ².")
        if not np.allclose(given, right, rtol=1e-6):
            for text, mistakes in usual.items():
                if any(np.allclose(given, mistake, rtol=1e-6) for mistake in mistakes):
                    return wrong(f"{name}: {text}")
            if abs(given[0] / given[1] - given[2]) > 1e-6 * abs(given[2]):
                return wrong(f"{name}: the third factor is the first over the second.")
            return wrong(
                f"{name}: not yet. Write ε² = E‖Δ‖² and σ² as the squared length of M along one direction, and see what "
                "happens to the lengths."
            )
    return passed(
        "The quotient never changed: neither the unit of X₂, nor repetition, nor noise beside it can make a task look "
        "independent. What does change with noise is how badly ε² is *estimated*."
    )


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
    return _light_kept(x1, x2, pictures.labels)


def _light_kept(x1: torch.Tensor, x2: torch.Tensor, labels: dict[str, torch.Tensor]) -> Card:
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
