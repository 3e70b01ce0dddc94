"""Gauges of collapse, and what makes features good on the sphere: even, alike for two views of a picture."""

import math

import torch
import torch.nn.functional as F

from ssl_course.evaluation.encoding import rows_of


def feature_std(z: torch.Tensor) -> float:
    """Mean over the D dimensions of the std of the l2-normalised rows of z (N, D);
    SimSiam §4.1, arXiv 2011.10566.

    About 1/√D for directions spread evenly and 0 at collapse to one direction. Blind to a collapse into a
    subspace: look at `effective_rank` too.

    Raises:
        ValueError: not (N, D) with N ≥ 2, or not finite.
    """
    return float(F.normalize(rows_of(z, least=2), dim=1).std(0).mean())


def effective_rank(z: torch.Tensor) -> float:
    """exp of the entropy of the singular values of z (N, D) divided by their sum; not centred.

    Between 1 and min(N, D): r when r singular values are equal and the rest 0. Roy & Vetterli 2007; RankMe,
    arXiv 2210.02885. All zeros give 0.

    Raises:
        ValueError: not (N, D), or not finite.
    """
    s = torch.linalg.svdvals(rows_of(z))
    return float(torch.special.entr(s / s.sum()).sum().exp()) if s.sum() > 0 else 0.0


def spectrum(z: torch.Tensor) -> torch.Tensor:
    """Eigenvalues of the covariance of z (N, D), descending, (D,) float64, in squared units of z.

    Raises:
        ValueError: not (N, D) with N ≥ 2, or not finite.
    """
    z = rows_of(z, least=2)
    centred = z - z.mean(0)
    return torch.clamp(torch.linalg.eigvalsh(centred.T @ centred / (len(z) - 1)).flip(0), min=0)


def alignment(z1: torch.Tensor, z2: torch.Tensor, alpha: float = 2) -> float:
    """Mean of ‖z1 − z2‖^alpha over pairs of views (N, D), on the unit sphere:
    0 is perfect, 2 (alpha = 2) unrelated.

    Wang & Isola, arXiv 2005.10242, §4. Rows are l2-normalised here.

    Raises:
        ValueError: not (N, D), not finite, or two shapes.
    """
    z1, z2 = rows_of(z1, "z1"), rows_of(z2, "z2")
    if z1.shape != z2.shape:
        raise ValueError(f"z1 and z2 must have one shape, got {tuple(z1.shape)} and {tuple(z2.shape)}")
    return float((F.normalize(z1, dim=1) - F.normalize(z2, dim=1)).norm(dim=1).pow(alpha).mean())


def uniformity(z: torch.Tensor, t: float = 2) -> float:
    """log of the mean of exp(−t ‖zᵢ − zⱼ‖²) over pairs i ≠ j, on the unit sphere:
    0 at collapse, lower is more even.

    Wang & Isola, arXiv 2005.10242, §4. Rows of z (N, D) are l2-normalised here. Takes N²/2 numbers of memory.

    Raises:
        ValueError: not (N, D) with N ≥ 2, or not finite.
    """
    squared = F.pdist(F.normalize(rows_of(z, least=2), dim=1)).square()  # (N (N − 1) / 2,)
    return float((-t * squared).logsumexp(0) - math.log(len(squared)))
