"""Several methods side by side: accuracy against the number of labels, and all there is to say about one."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ssl_course.evaluation.encoding import Labelled, Network, classes_of, encode_pair, name_of, pixels
from ssl_course.evaluation.gauges import effective_rank, feature_std
from ssl_course.evaluation.neighbours import Neighbours, knn
from ssl_course.evaluation.probe import Probe, label_draws, linear_probe

N_LABELS = (3, 10, 30, 100, 1000)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """First column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        right = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *right]))
    return "\n".join(lines)


@dataclass(frozen=True)
class Efficiency:
    """Accuracy of several methods against the number of labels; print it."""

    probes: dict[str, list[Probe]]

    def rows(self) -> list[dict[str, Any]]:
        """One dict for each method and n: method, n_labels, accuracy, std and the rest of the protocol."""
        return [{"method": name} | p.as_dict() for name, probes in self.probes.items() for p in probes]

    def cells(self) -> list[list[str]]:
        """The table as text: a head, then a row for each method."""
        ns = [str(p.n_labels) for p in next(iter(self.probes.values()))]
        return [["labels", *ns], *([name, *(p.cell for p in probes)] for name, probes in self.probes.items())]

    def protocol(self) -> str:
        """What all rows have in common."""
        probes = next(iter(self.probes.values()))
        draws = max(len(p.accuracies) for p in probes)
        dims = ", ".join(f"{name} {probes[0].dim}" for name, probes in self.probes.items())
        return (
            f"Accuracy of {probes[0].label!r}, mean ± std over {draws} draws of labels, "
            "the same for every method;\n"
            f"{probes[0].setting}.\nFeatures: {dims}."
        )

    def __str__(self) -> str:
        return f"{_aligned(self.cells())}\n{self.protocol()}"


def label_efficiency(
    methods: dict[str, Network],
    *,
    train: Labelled,
    test: Labelled,
    label: str,
    n_labels: Sequence[int | None] = N_LABELS,
    draws: int = 5,
    seed: int = 0,
    solver: str = "logistic",
    l2: float | None = None,
) -> Efficiency:
    """`linear_probe` of each method at each number of labels, with the same draws of labels for all.

    Raises:
        ValueError: no methods or no n_labels; else as `linear_probe`.
    """
    encoded = _encoded(methods, train, test, label, n_labels, draws)
    return _probed(encoded, label, n_labels, draws=draws, seed=seed, solver=solver, l2=l2)


_Sets = dict[str, tuple[Labelled, Labelled]]  # features of train and test, by the method


def _encoded(
    methods: dict[str, Network],
    train: Labelled,
    test: Labelled,
    label: str,
    n_labels: Sequence[int | None],
    draws: int,
) -> _Sets:
    """What would fail after minutes of encoding fails before."""
    if not methods or not n_labels:
        raise ValueError("methods and n_labels must not be empty")
    for n in n_labels:
        label_draws(classes_of(train, label), n, draws)
    return {name: encode_pair(method, train, test, label) for name, method in methods.items()}


def _probed(sets: _Sets, label: str, n_labels: Sequence[int | None], **protocol: Any) -> Efficiency:
    def probes(a: Labelled, b: Labelled) -> list[Probe]:
        return [linear_probe(None, train=a, test=b, label=label, n_labels=n, **protocol) for n in n_labels]

    return Efficiency({name: probes(*pair) for name, pair in sets.items()})


@dataclass(frozen=True)
class Evaluation:
    """Probe, kNN and gauges of a method beside its baselines; print it."""

    efficiency: Efficiency
    neighbours: dict[str, Neighbours]
    gauges: dict[str, dict[str, float]]  # of the test features

    def as_dict(self) -> dict[str, Any]:
        """Numbers and protocol, ready for JSON."""
        near = {name: asdict(n) for name, n in self.neighbours.items()}
        return {"probe": self.efficiency.rows(), "knn": near, "gauges": self.gauges}

    def __str__(self) -> str:
        head, *body = self.efficiency.cells()
        rows = [[*head, "kNN", "feature std", "1/√D", "effective rank"]]
        for row in body:
            g = self.gauges[row[0]]
            rank = f"{g['effective_rank']:.1f} of {g['dim']}"
            near = self.neighbours[row[0]].accuracy
            rows.append([*row, f"{near:.3f}", f"{g['feature_std']:.3f}", f"{g['even_std']:.3f}", rank])
        n = next(iter(self.neighbours.values()))
        return (
            f"{_aligned(rows)}\n{self.efficiency.protocol()}\n"
            f"kNN: all {n.n_train} labels, cosine, k = {n.k}, votes exp(cos / {n.temperature:g}).\n"
            "Feature std of l2-normalised test features: 1/√D when spread evenly, 0 at collapse. "
            "Effective rank:\n"
            "exp of the entropy of their singular values (not centred)."
        )


def evaluate(
    method: Network,
    train: Labelled,
    test: Labelled,
    *,
    label: str,
    n_labels: Sequence[int | None] = N_LABELS,
    draws: int = 5,
    seed: int = 0,
    solver: str = "logistic",
    l2: float | None = None,
    k: int = 200,
    beside: dict[str, Network] | None = None,
) -> Evaluation:
    """Everything about a method that needs no picture: probe against labels, kNN, gauges; print the result.

    Raw pixels come as a row of their own when the inputs are pictures. ``beside`` holds further rows; a fair
    table has ``{"random network": the same method, untrained}``.

    Raises:
        ValueError: a row of ``beside`` with the name of another; else as `linear_probe` and `knn`.
    """
    methods = {name_of(method): method}
    if train.inputs.ndim == 4:
        methods |= {pixels().__name__: pixels()}
    if twice := methods.keys() & (beside or {}):
        raise ValueError(f"beside has a row that is there already: {', '.join(map(repr, twice))}; rename it")
    methods |= beside or {}
    encoded = _encoded(methods, train, test, label, n_labels, draws)
    curves = _probed(encoded, label, n_labels, draws=draws, seed=seed, solver=solver, l2=l2)
    near = {name: knn(None, train=a, test=b, label=label, k=k) for name, (a, b) in encoded.items()}
    gauges = {
        name: {
            "feature_std": feature_std(b.inputs),
            "even_std": b.inputs.shape[1] ** -0.5,
            "effective_rank": effective_rank(b.inputs),
            "dim": b.inputs.shape[1],
        }
        for name, (_, b) in encoded.items()
    }
    return Evaluation(curves, near, gauges)
