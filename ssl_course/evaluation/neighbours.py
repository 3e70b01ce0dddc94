"""Classifiers without training: the nearest pictures (kNN), the nearest text (zero-shot)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ssl_course.evaluation.encoding import Labelled, Network, classes_of, device_of, encode_pair, rows_of


@dataclass(frozen=True)
class Neighbours:
    """Accuracy of weighted kNN, with its protocol; print it."""

    accuracy: float
    name: str
    label: str
    k: int
    temperature: float
    dim: int
    n_train: int
    n_test: int

    def __str__(self) -> str:
        return (
            f"{self.accuracy:.3f}  {self.label!r} from {self.name}: kNN by cosine, k = {self.k} of "
            f"{self.n_train} train rows, votes exp(cos / {self.temperature:g}), {self.dim} features, "
            f"{self.n_test} test rows"
        )


def knn(
    method: Network | None,
    *,
    train: Labelled,
    test: Labelled,
    label: str,
    k: int = 200,
    temperature: float = 0.1,
) -> Neighbours:
    """Weighted kNN: the k nearest train rows by cosine vote exp(cos/temperature) for their class.

    Wu et al. 2018 (arXiv 1805.01978, §3.4), as SimSiam and lightly use it. All labels of train are seen and
    nothing is fitted. A k beyond the train set is clamped to it; the result's ``k`` says what was used.

    Raises:
        ValueError: an unknown label, k < 1, temperature not positive, or features that are not finite.
    """
    if k < 1 or not temperature > 0:
        raise ValueError(f"k must be at least 1 and temperature positive, got {k} and {temperature}")
    y, y_test, k = classes_of(train, label), classes_of(test, label), min(k, len(train))
    known, asked = encode_pair(method, train, test, label)
    device = device_of(method) or torch.device("cpu")
    bank, answers, right = F.normalize(known.inputs, dim=1).to(device), y.to(device), 0
    for query, truth in zip(F.normalize(asked.inputs, dim=1).split(512), y_test.split(512), strict=True):
        cosine, nearest = (query.to(device) @ bank.T).topk(k, dim=1)  # (n, k)
        weight = ((cosine - cosine[:, :1]) / temperature).exp()  # relative to the nearest: no overflow
        votes = weight.new_zeros(len(query), int(y.max()) + 1).scatter_add_(1, answers[nearest], weight)
        right += int((votes.argmax(1).cpu() == truth).sum())
    return Neighbours(
        right / len(y_test), known.name, label, k, temperature, bank.shape[1], len(y), len(y_test)
    )


def zero_shot(image_features: torch.Tensor, class_features: torch.Tensor, labels: torch.Tensor) -> float:
    """Accuracy of answering the class whose text has the largest cosine with the picture (CLIP §3.1.2).

    Args:
        image_features: (N, D).
        class_features: (K, D), one row a class; of any length, both are normalised here.
        labels: (N,) classes 0..K−1.

    Raises:
        ValueError: shapes that do not fit together.
    """
    images, classes = rows_of(image_features, "image_features"), rows_of(class_features, "class_features")
    if images.shape[1] != classes.shape[1] or len(labels) != len(images):
        raise ValueError(
            f"shapes do not fit: image_features {tuple(images.shape)}, class_features {tuple(classes.shape)},"
            f" {len(labels)} labels"
        )
    answer = (F.normalize(images, dim=1) @ F.normalize(classes, dim=1).T).argmax(1)  # (N,)
    return float((answer == torch.as_tensor(labels).cpu()).double().mean())
