"""What a table of the comparison says: means over seeds, and who has learned, by paired differences
(note §3.5)."""

import functools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from scipy import stats

from ssl_course.data.scenes import World
from ssl_course.studies.comparison import OF_A_VIT, PIXELS, RANDOM, RANDOM_VIT

Key = TypeVar("Key")


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
    """Mean of paired differences over seeds, half its 95 % interval by Student's t, and the pairs."""

    mean: float
    half_width: float
    seeds: int

    @property
    def better(self) -> bool:
        """Whether the whole interval is above 0; one seed decides nothing."""
        return self.mean > self.half_width

    @property
    def clear(self) -> bool:
        """Whether the interval leaves 0 out, on either side."""
        return abs(self.mean) > self.half_width


def paired_difference(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Difference:
    """seed → accuracy of two rows, over the seeds that both have.

    Three seeds: ± 4.30 standard errors. With fewer than two the interval is infinite.

    Raises:
        ValueError: no seed in common.
    """
    return corrected({"": (ours, theirs)})[""]


def corrected(
    pairs: Mapping[Key, tuple[Mapping[int, float], Mapping[int, float]]], rows: int | None = None
) -> dict[Key, Difference]:
    """Paired differences of a table that gives many verdicts:
    95 % intervals that hold all at once (Bonferroni).

    A half is t · s / √n, with t for as many verdicts as there are pairs. Three seeds say little about their
    own spread: with ``rows`` s is the pooled standard deviation of all pairs, or the pair's own where that is
    larger. No interval is narrower than its pair would have alone.

    Args:
        pairs: what is compared → two rows, seed → accuracy each.
        rows: how many rows of networks were trained for these pairs: each gives the pooled s n − 1 degrees of
            freedom, however many labels it is probed for. None, where scales differ:
            every pair has its own s alone.

    Raises:
        ValueError: a pair without a seed in common.
    """
    gaps = {
        key: [ours[seed] - theirs[seed] for seed in sorted(set(ours) & set(theirs))]
        for key, (ours, theirs) in pairs.items()
    }
    if not all(gaps.values()):
        raise ValueError("the two rows have no seed in common: measure the same seeds for both")
    own = {key: float(np.std(v, ddof=1)) for key, v in gaps.items() if len(v) > 1}
    pooled = float(np.mean(np.square([*own.values()]))) ** 0.5 if rows and own else 0.0
    differences = {}
    for key, v in gaps.items():
        half, free = math.inf, len(v) - 1
        if free:
            wide = _quantile(len(gaps), (rows or 1) * free) * max(pooled, own[key])
            half = max(wide, _quantile(1, free) * own[key]) / len(v) ** 0.5
        differences[key] = Difference(float(np.mean(v)), half, len(v))
    return differences


@functools.cache
def _quantile(verdicts: int, degrees: int) -> float:
    """Student's t, two sides, 95 % for so many verdicts at once."""
    return float(stats.t.ppf(1 - 0.025 / verdicts, degrees))


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

    A table has two verdicts for each row and label: their intervals are `corrected` together, over all labels
    that were probed with this number of labelled pictures.

    Args:
        results: rows of `recorded.record`.
        label, n_labels: which probe.
    """
    pairs: dict[tuple[str, str, str], tuple[dict[int, float], dict[int, float]]] = {}
    for each in dict.fromkeys(k for row in results for k in row.get("accuracy", {})):
        reached = accuracies(results, each, n_labels)
        for name, values in reached.items():
            baselines = {base: reached.get(base, {}) for base in (own_random(name), PIXELS)}
            if name not in (PIXELS, RANDOM, RANDOM_VIT) and all(
                set(values) & set(b) for b in baselines.values()
            ):
                pairs |= {(each, name, base): (values, their) for base, their in baselines.items()}
    trained = dict.fromkeys(name for _, name, _ in pairs)
    given = corrected(pairs, rows=len(trained))
    return {
        name: Verdict(given[label, name, own_random(name)], given[label, name, PIXELS])
        for name in trained
        if (label, name, PIXELS) in given
    }


def bought(results: Sequence[dict[str, Any]], recipe: str, label: str) -> Verdict:
    """What a lecture's own run gains over its network untrained, and over pixels; each interval for itself.

    Args:
        results: rows of ``benchmarks/pays.py``.
        recipe: its whole name.
        label: which probe.
    """
    rows = {row["cell"]["seed"]: row["recipes"][recipe][label] for row in results if recipe in row["recipes"]}
    ours, *others = ({seed: row[k] for seed, row in rows.items()} for k in range(3))
    return Verdict(*(paired_difference(ours, other) for other in others))


def late_gains(results: Sequence[dict[str, Any]], labels: Iterable[str]) -> dict[tuple[str, str], Difference]:
    """(label, method) → what the last three quarters of its pictures still gave its probe, `corrected`.

    Args:
        results: rows of `recorded.record`, whose curves have their points at halves of the whole run.
        labels: that the curves were probed for.
    """
    curves: dict[str, dict[int, list[dict[str, float]]]] = {}
    for row in results:
        if "curve" in row:
            curves.setdefault(row["cell"]["method"], {})[row["cell"]["seed"]] = row["curve"]
    pairs = {
        (label, name): (
            {s: c[-1][label] for s, c in seeds.items()},
            {s: c[-3][label] for s, c in seeds.items()},
        )
        for label in labels
        for name, seeds in curves.items()
    }
    return corrected(pairs, rows=len(curves))


def on_curve(results: Sequence[dict[str, Any]], method: str, label: str, samples: int) -> str:
    """Where a run of so many pictures would stand on the recorded curve of its method: a sentence.

    Args:
        results: rows of `recorded.record`, of one table of scenes.
        samples: pictures drawn, each as often as it was drawn; the point nearest by ratio counts.
    """
    rows = [row for row in results if row["cell"]["method"] == method]
    points = [p["samples"] for p in rows[0]["curve"]]
    at = min(range(len(points)), key=lambda i: abs(math.log(points[i] / samples)))
    then, end = ({i: row["curve"][k][label] for i, row in enumerate(rows)} for k in (at, -1))
    told, at_end = (", ".join(f"{value:.2f}" for value in of.values()) for of in (then, end))
    more = paired_difference(end, then)
    seen = {"G": "lightness", "C": "colours"}[rows[0]["cell"]["table"]]
    return (
        f"Is this run at the end of what it can reach? It drew {samples:,} pictures. For lecture 13 the same "
        f"method ({method}), with another network, drew {points[-1]:,} (scenes of 32 px, their {seen}, "
        f"{len(rows)} seeds). A probe from 30 labels names the {label} in {told} of new scenes after "
        f"{points[at]:,} pictures, and in {at_end} at the end: {more.mean:+.2f} ± {more.half_width:.2f} "
        f"(95 %, seed by seed), {'so there was more to come' if more.better else 'a tie'}."
    )


def bayes_rates(table: str, world: World | None = None) -> dict[str, float]:
    """label → the best accuracy that there is on the scenes, by enumeration:
    from lightness (G) or lightness and colour (C)."""
    world = world or World()
    rates = {}
    for label in ("biome", "light", "tint", "texture", "object", "count"):
        joint = world.joint(label)  # (x1, x2, classes)
        seen = joint.sum(1) if table == "G" else joint.flatten(0, 1)
        rates[label] = float(seen.max(1).values.sum())
    return rates
