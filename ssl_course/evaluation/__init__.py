"""How good is ψ? A linear probe, kNN, accuracy against the number of labels, zero-shot, gauges of collapse.

    print(linear_probe(simclr, train=data, test=test, label="biome", n_labels=30))
    print(evaluate(simclr, data, test, label="biome", beside={"random network": SimCLR()}))

Everything here reads features and changes nothing: the network is put into eval mode, run without gradients
and left exactly as it was. Nothing is chosen on test data: the test set is used once, for the accuracy. Each
result prints its protocol, since an accuracy without one cannot be compared.

``method`` is always one of: a module with ``encode``; any other module; a bound method of a module, such as
``simclr.project`` (features after the head); a function x → (N, D); or None, when the data are features
already (`encode`). A function that hides a network, such as a lambda,
leaves eval mode and device to its author.
"""

from ssl_course.evaluation.encoding import Encoded, encode, features, frozen, pixels
from ssl_course.evaluation.gauges import alignment, effective_rank, feature_std, spectrum, uniformity
from ssl_course.evaluation.neighbours import Neighbours, knn, zero_shot
from ssl_course.evaluation.probe import Probe, label_draws, linear_probe
from ssl_course.evaluation.tables import Efficiency, Evaluation, evaluate, label_efficiency

__all__ = [
    "Efficiency",
    "Encoded",
    "Evaluation",
    "Neighbours",
    "Probe",
    "alignment",
    "effective_rank",
    "encode",
    "evaluate",
    "feature_std",
    "features",
    "frozen",
    "knn",
    "label_draws",
    "label_efficiency",
    "linear_probe",
    "pixels",
    "spectrum",
    "uniformity",
    "zero_shot",
]
