"""The losses of the course, pure functions of tensors; the formulas are those of the note."""

from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from ssl_course.pretext.holes import border_band
from ssl_course.pretext.masking import patchify

BAND_WEIGHT = 10.0  # of a pixel in the band around a hole (Pathak 2016, supplementary material)


# ---------------------------------------------------------------------------------------------- similarity
def nt_xent(z1: Tensor, z2: Tensor, temperature: float = 0.5) -> Tensor:
    """The contrast of two views, normalised temperature-scaled cross-entropy (note §3.2; SimCLR, eq. 1).

    ℓ_ij = −log exp(sim(z_i, z_j)/τ) / Σ_{m≠i} exp(sim(z_i, z_m)/τ), sim the cosine, averaged over all 2N rows
    i with their other view j; 2N − 2 negatives each. google-research/simclr adds the means of the two halves
    instead: exactly twice this. When all z are equal the loss is log(2N − 1).

    Args:
        z1, z2: (N, d), row i of both from the same picture; any length.
        temperature: τ > 0.

    Raises:
        ValueError: shapes differ, fewer than two rows, or τ ≤ 0.
    """
    if z1.shape != z2.shape or z1.ndim != 2:
        raise ValueError(
            f"z1 and z2 must be two (N, d) tensors of one shape, not {tuple(z1.shape)}, {tuple(z2.shape)}"
        )
    if len(z1) < 2:
        raise ValueError("one pair has no negatives: give nt_xent at least two")
    if temperature <= 0:
        raise ValueError(f"temperature must be positive, not {temperature}")
    n = len(z1)
    # Length 1, else long vectors would lower the loss by themselves;
    # how sharp it is, τ alone says (SimCLR §5.1).
    z = F.normalize(torch.cat([z1, z2]).float(), dim=1)  # (2N, d)
    logits = z @ z.T / temperature  # (2N, 2N)
    itself = torch.eye(2 * n, dtype=torch.bool, device=z.device)
    logits = logits.masked_fill(itself, -torch.inf)  # else every view would be nearest to itself
    other_view = torch.arange(2 * n, device=z.device).roll(n)  # (2N,): i ↔ i + N
    # Both views ask for each other. Of the others the nearest push most, the more so the smaller τ (§5.1).
    return F.cross_entropy(logits, other_view)


def negative_cosine(p: Tensor, z: Tensor, stop_gradient: bool = True) -> Tensor:
    """D(p, z) = −p/‖p‖ · z/‖z‖, the mean over rows (note §3.2; SimSiam, arXiv 2011.10566, eq. 1), in [−1, 1].

    Args:
        p, z: (N, d).
        stop_gradient: z is a constant target (the whole point of SimSiam).
    """
    # detached here, not by the caller: who forgets it gets a collapse and no error (§4.1)
    z = z.detach() if stop_gradient else z
    # Directions alone: lengths would be a second way to a small loss.
    return -F.cosine_similarity(p, z, dim=1).mean()


def clip_loss(
    image_features: Tensor, text_features: Tensor, logit_scale: Tensor | float, same: Tensor | None = None
) -> Tensor:
    """Symmetric cross-entropy over N × N cosines of pictures and captions
    (note §3.2; CLIP, 2103.00020, fig. 3).

    Args:
        image_features, text_features: (N, d), rows of length 1, row i of both from the same pair.
        logit_scale: 1/τ, already exponentiated.
        same: (N, N) bool, True where captions i and j are equal. These are false negatives, and left out:
            each row then contrasts its own pair with those of other captions alone.

    A random start is near log N. Without ``same`` the loss cannot fall below `clip_floor`.

    Raises:
        ValueError: shapes differ, or one pair only.
    """
    if image_features.shape != text_features.shape or image_features.ndim != 2:
        raise ValueError(
            "image_features and text_features must be two (N, d) tensors of one shape, not "
            f"{tuple(image_features.shape)}, {tuple(text_features.shape)}"
        )
    if len(image_features) < 2:
        raise ValueError("one pair has no negatives: give clip_loss at least two")
    logits = logit_scale * image_features @ text_features.T  # (N, N)
    own = torch.arange(len(logits), device=logits.device)
    if same is not None:
        others = same & (own[:, None] != own)  # equal captions, but not the pair itself
        logits = logits.masked_fill(others, -torch.inf)  # out of the sum; a logit of 0 would stay in it
    # Rows alone never compare two pictures for one caption: one of them could be nearest to all captions.
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def clip_floor(p: Tensor, batch_size: int) -> Tensor:
    """The least value that `clip_loss` can have on average, when pairs have captions drawn from ``p``.

    A caption that occurs q times in a batch gives its q rows, and its q columns, equal logits at best: each
    of them pays log q, whatever the network. The mean over batches is E log q, q − 1 binomial(batch_size − 1,
    p_c), averaged over the captions c (lecture 10 has the proof).

    Args:
        p: probabilities of the captions, any shape, summing to 1.
        batch_size: N pairs.

    Raises:
        ValueError: p is no distribution, or batch_size < 1.
    """
    p = torch.as_tensor(p, dtype=torch.float64).reshape(-1)
    if (p < 0).any() or abs(float(p.sum()) - 1) > 1e-6 or batch_size < 1:
        raise ValueError("p must be probabilities that sum to 1, and batch_size at least 1")
    # p = 1 would give 0 · log 0 below
    p, n = p[p > 0, None].clamp(max=1 - 1e-12), batch_size - 1  # (captions, 1)
    k = torch.arange(n + 1, dtype=torch.float64)  # how many of the others have this caption too
    # the logarithm of "n choose k", which itself overflows at batches of a thousand
    ways = torch.lgamma(k.new_tensor(n + 1.0)) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)
    paid = []
    for some in p.split(128):  # in pieces: 1,458 captions by 4,096 places would be 190 MB
        chance = (ways + k * some.log() + (n - k) * torch.log1p(-some)).exp()  # (128, n + 1)
        paid.append(chance @ torch.log1p(k))  # (128,)
    return (p[:, 0] * torch.cat(paid)).sum()


def similarity(eta: Tensor, psi: Tensor) -> Tensor:
    """L_sim(η, ψ) = E‖η(X₂) − ψ(X₁)‖², a mean over rows (note §3.5.2). (N, k) each."""
    return (eta - psi).square().sum(1).mean()


def barlow_twins(z1: Tensor, z2: Tensor, weight: float = 5e-3) -> Tensor:
    """Σ_i (1 − corr_ii)² + weight Σ_{i≠j} corr_ij², corr the cross-correlation of the batch
    (Zbontar et al., 2103.03230, eq. 1-2).

    Whitening asked for softly (lecture 12). Blind to the scale of z,
    which its division by the deviations takes out.

    Args:
        z1, z2: (N, d), row i of both from the same pair; N ≥ 2, no constant column.
        weight: of the entries off the diagonal, the paper's λ.
    """
    z1, z2 = ((z - z.mean(0)) / z.std(0, correction=0) for z in (z1, z2))  # (N, d), variance 1 in the batch
    cross = z1.T @ z2 / len(z1)  # (d, d) corr: number i of one view with number j of the other
    agree = (1 - cross.diagonal()).square().sum()  # each number the same in both views …
    return agree + weight * _off_diagonal(cross)  # … and different from all others


def vicreg(
    z1: Tensor, z2: Tensor, invariance: float = 25.0, variance: float = 25.0, covariance: float = 1.0
) -> Tensor:
    """Invariance, variance, covariance: L_sim with whitening asked for softly
    (Bardes et al., 2105.04906, algorithm 1).

    The first term is the mean over rows *and* numbers, as in the paper's algorithm;
    its equation 5 sums over the numbers.

    Args:
        z1, z2: (N, d), row i of both from the same pair, N ≥ 2.
        invariance, variance, covariance: weights of the terms, the paper's λ, μ and ν.
    """
    loss = invariance * (z1 - z2).square().mean()
    for z in (z1, z2):
        cov = torch.cov(z.T).reshape(z.shape[1], -1)  # (d, d), with N − 1
        # A hinge pushes deviations below 1 up and leaves the others alone, so that z cannot collapse (§4.1).
        short = (1 - (cov.diagonal() + 1e-4).sqrt()).relu().mean()
        loss = loss + variance * short + covariance * _off_diagonal(cov) / z.shape[1]
    return loss


def _off_diagonal(matrix: Tensor) -> Tensor:
    """The sum of the squares off the diagonal of (d, d)."""
    return matrix.square().sum() - matrix.diagonal().square().sum()


# ------------------------------------------------------------------------------------------ reconstruction
def reconstruction(x2: Tensor, prediction: Tensor) -> Tensor:
    """L_mask(ψ) = E‖X₂ − ψ(X₁)‖², mean over rows, summed over all other dimensions (note §3.5.2)."""
    # Summed over a picture's numbers, as in the note, whose ε² and bounds are in the units of all of X₂.
    return (x2 - prediction).square().flatten(1).sum(1).mean()


def masked_mse(
    images: Tensor, prediction: Tensor, mask: Tensor, patch_size: int, norm_pix_loss: bool = False
) -> Tensor:
    """Mean squared error on the removed patches only (MAE, arXiv 2111.06377, §3).

    Args:
        images: (N, 3, H, W) floats.
        prediction: (N, L, p²·3), the patches as `patchify` orders them.
        mask: (N, L), 1 where a patch was removed.
        norm_pix_loss: compare with each patch normalised by its own mean and (unbiased) variance.

    Raises:
        ValueError: no patch was removed.
    """
    target = patchify(images, patch_size)  # (N, L, p²·3)
    if norm_pix_loss:
        # Without its own mean and contrast a patch is its texture: features get better (§3, table 1d).
        mean, variance = target.mean(-1, keepdim=True), target.var(-1, keepdim=True)  # (N, L, 1)
        target = (target - mean) / (variance + 1e-6).sqrt()  # a plain sky has no contrast to divide by
    if not mask.is_cuda and not mask.any():  # on a GPU the question alone would stall the step
        raise ValueError("the mask removes nothing, so there is nothing to predict")
    error = (prediction - target).square().mean(-1)  # (N, L)
    # What is visible could be copied: to count it costs accuracy (§3).
    return (error * mask).sum() / mask.sum()


def hole_loss(filled: Tensor, truth: Tensor, hole: Tensor, overlap: int = 0) -> Tensor:
    """Weighted mean squared error: the hole counts once, the band around it `BAND_WEIGHT` times,
    the rest not.

    Args:
        filled, truth: (N, 3, H, W).
        hole: (N, 1, H, W) of 0 and 1.
        overlap: width of the band in pixels.

    Raises:
        ValueError: no pixel is removed.
    """
    if not hole.is_cuda and not hole.any():  # on a GPU the question alone would stall the step
        raise ValueError("the hole is empty, so there is nothing to predict")
    # The band is seen by the encoder and predicted all the same: whoever errs there leaves a seam.
    weight = hole + BAND_WEIGHT * border_band(hole, overlap)  # (N, 1, H, W)
    # by the sum of the weights: a loss a pixel, comparable between small holes and large ones
    return (weight * (filled - truth).square()).sum() / (truth.shape[1] * weight.sum())


def adversarial_losses(discriminator: nn.Module, fake: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """(fooling, judging): what the filling pays for being found out, and the discriminator for being fooled.

    Their sum can be minimised in one step: the first has no gradient in the discriminator, whose parameters
    enter it as constants; the second none in the filling, which enters it as a constant (§3.2, eq. 2).

    Args:
        fake, real: (N, 3, H, W), the region alone, 0 elsewhere.
    """
    # else a worse judge would lower this loss as well as a better filling
    constants = {name: p.detach() for name, p in discriminator.named_parameters()}
    seen = functional_call(discriminator, constants, (fake,))  # (N,) logits
    fooling = F.binary_cross_entropy_with_logits(seen, torch.ones_like(seen))
    # detached, or the filling would learn to be found out
    yes, no = discriminator(real), discriminator(fake.detach())  # (N,) each
    judging = F.binary_cross_entropy_with_logits(yes, torch.ones_like(yes))
    judging = (judging + F.binary_cross_entropy_with_logits(no, torch.zeros_like(no))) / 2
    return fooling, judging


# ---------------------------------------------------------------------------------------------- several ranks
class _Gather(torch.autograd.Function):
    """All ranks' rows, with gradients: what every rank's loss says about my rows is added up."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        ctx.rank, ctx.n = torch.distributed.get_rank(), len(z)
        parts = [torch.empty_like(z) for _ in range(torch.distributed.get_world_size())]
        # It hands over constants: without `backward`, what other ranks see of my rows would not reach my
        # weights.
        torch.distributed.all_gather(parts, z.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.contiguous()
        torch.distributed.all_reduce(gradient)
        return gradient[ctx.rank * ctx.n : (ctx.rank + 1) * ctx.n]


def gather_ranks(z: Tensor) -> Tensor:
    """The rows of all ranks, (W·N, d), in the order of ranks; z itself when there is one.

    Contrastive losses call it so that the negatives of all ranks count. Each rank then computes the loss of
    the whole batch, and the average of their gradients is that of one rank with the joint batch. All ranks
    must hold equally many rows.
    """
    if not torch.distributed.is_initialized() or torch.distributed.get_world_size() == 1:
        return z
    gathered: Tensor = _Gather.apply(z)
    return gathered
