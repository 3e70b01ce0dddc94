"""What a table of the comparison says: means over seeds, and who has learned, by paired differences (note §3.5)."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from scipy import stats

from ssl_course.data.scenes import World
from ssl_course.studies.comparison import OF_A_VIT, PIXELS, RANDOM, RANDOM_VIT


class Cell(NamedTuple):
    """Mean over seeds, its standard error (0 with one seed), and how many seeds there are."""

    mean: float
    error: float
    seeds: int

    @property
    def half_width(self) -> float:
        """Of its 95 % interval by Student's t: three seeds, 4.3 standard errors; 0 with one seed."""
        return float(stats.t.ppf(0.975, self.seeds - 1)) * self.error if self.seeds > 1 else 0.0


def summary(results: Sequence[dict[str, Any]], label: str, n_labels: int) -> dict[str, Cell]:
    """method → accuracy over the seeds that are there, best first.

    Args:
        results: rows of `recorded.record`.
        label, n_labels: which probe.
    """
    cells = {}
    for name, by_seed in accuracies(results, label, n_labels).items():
        v = list(by_seed.values())
        error = statistics.stdev(v) / math.sqrt(len(v)) if len(v) > 1 else 0.0
        cells[name] = Cell(statistics.mean(v), error, len(v))
    return dict(sorted(cells.items(), key=lambda item: -item[1].mean))


def accuracies(results: Sequence[dict[str, Any]], label: str, n_labels: int) -> dict[str, dict[int, float]]:
    """method → seed → accuracy, of the rows that have this probe; see `summary`."""
    reached: dict[str, dict[int, float]] = {}
    for row in results:
        value = row.get("accuracy", {}).get(label, {}).get(str(n_labels))
        if value is not None:
            reached.setdefault(row["cell"]["method"], {})[row["cell"]["seed"]] = value
    return reached


def own_random(method: str) -> str:
    """The row of the untrained network that a method started from."""
    return RANDOM_VIT if method in OF_A_VIT else RANDOM


class Difference(NamedTuple):
    """Mean of paired differences over seeds, half the width of its 95 % interval by Student's t, and the pairs."""

    mean: float
    half_width: float
    seeds: int

    @property
    def better(self) -> bool:
        """Whether the whole interval is above 0; one seed decides nothing."""
        return self.mean > self.half_width


def paired_difference(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Difference:
    """seed → accuracy of two rows, over the seeds that both have.

    Three seeds: ± 4.30 standard errors. With fewer than two the interval is infinite.

    Raises:
        ValueError: no seed in common.
    """
    gaps = [ours[seed] - theirs[seed] for seed in sorted(set(ours) & set(theirs))]
    if not gaps:
        raise ValueError("the two rows have no seed in common: measure the same seeds for both")
    if len(gaps) == 1:
        return Difference(gaps[0], math.inf, 1)
    gap = Cell(statistics.mean(gaps), statistics.stdev(gaps) / math.sqrt(len(gaps)), len(gaps))
    return Difference(gap.mean, gap.half_width, gap.seeds)


class Verdict(NamedTuple):
    """What a row gains over the random network of its own backbone, and over raw pixels."""

    over_random: Difference
    over_pixels: Difference

    @property
    def learned(self) -> bool:
        """Whether it beats both."""
        return self.over_random.better and self.over_pixels.better


def verdicts(results: Sequence[dict[str, Any]], label: str, n_labels: int) -> dict[str, Verdict]:
    """trained row → `Verdict`; rows without a seed in common with both baselines are left out.

    A table has one verdict for each row, label and number of labels: at 95 % some of many come out by chance, so show
    them all.

    Args:
        results: rows of `recorded.record`.
        label, n_labels: which probe.
    """
    reached, given = accuracies(results, label, n_labels), {}
    for name, values in reached.items():
        baselines = [reached.get(base, {}) for base in (own_random(name), PIXELS)]
        if name not in (PIXELS, RANDOM, RANDOM_VIT) and all(set(values) & set(base) for base in baselines):
            given[name] = Verdict(*(paired_difference(values, base) for base in baselines))
    return given


def bayes_rates(table: str, world: World | None = None) -> dict[str, float]:
    """label → the best accuracy that there is on the scenes, by enumeration: from lightness (G) or lightness and colour (C)."""
    world = world or World()
    rates = {}
    for label in ("biome", "light", "tint", "texture", "object", "count"):
        joint = world.joint(label)  # (x1, x2, classes)
        seen = joint.sum(1) if table == "G" else joint.flatten(0, 1)
        rates[label] = float(seen.max(1).values.sum())
    return rates
