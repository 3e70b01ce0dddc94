"""sRGB ↔ CIE Lab (D65): how a picture splits into X₁ = lightness L and X₂ = colour ab
(note §3.1, Zhang 2016).

Constants: IEC 61966-2-1 (sRGB) and CIE 15 (Lab, 2° observer, D65). Colours as classes, soft encoding,
rebalancing and the annealed mean: Zhang, Isola, Efros, *Colorful Image Colorization*, ECCV 2016,
arXiv 1603.08511, §2.
"""

from collections.abc import Callable
from functools import lru_cache, wraps

import torch
from torch.nn import functional as F

WHITE = (0.95047, 1.0, 1.08883)  # D65, Y = 1
RGB_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
PIECE = 2**19  # numbers in a piece: 42 pictures of 64 px, which the caches hold
DELTA = 6 / 29  # where CIE Lab's cube root hands over to a straight line


def _to_xyz(like: torch.Tensor) -> torch.Tensor:
    """Linear sRGB → XYZ relative to the white point, (3, 3)."""
    m = torch.tensor(RGB_TO_XYZ, dtype=torch.float64)
    m = m / m.sum(1, keepdim=True)  # white is exactly (1, 1, 1), so that gray has a = b = 0
    return m.to(like)


def _in_pieces(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    """The same pictures, where there are many (N, C, H, W), a few dozen at a time: steps copy them."""

    @wraps(function)
    def piece_by_piece(pictures: torch.Tensor) -> torch.Tensor:
        count = -(-pictures.numel() // PIECE) if pictures.ndim == 4 and not pictures.requires_grad else 1
        count = min(count, len(pictures) // 16)  # a few alone would be multiplied in another order
        return function(pictures) if count < 2 else torch.cat([*map(function, pictures.tensor_split(count))])

    return piece_by_piece


@_in_pieces
def rgb_to_lab(rgb: torch.Tensor) -> torch.Tensor:
    """sRGB (…, 3, H, W) in [0, 1] → Lab (…, 3, H, W): L in [0, 100], a and b in about ±110.

    Raises:
        ValueError: not a float tensor with three channels.
    """
    if not rgb.is_floating_point() or rgb.shape[-3] != 3:
        raise ValueError(f"need floats (…, 3, H, W) in [0, 1], got {rgb.dtype} {tuple(rgb.shape)}")
    xyz = torch.einsum("ij,...jhw->...ihw", _to_xyz(rgb), _linear(rgb))  # (…, 3, H, W), white = 1
    fx, fy, fz = _cube_root(xyz).unbind(-3)
    # Colours as differences, so gray has none; and equal distances in Lab look about equally large
    # (Zhang 2016, §2.1).
    return torch.stack([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)], -3)


@_in_pieces
def lightness(images: torch.Tensor) -> torch.Tensor:
    """L alone, (…, 3, H, W) → (…, 1, H, W) in [0, 100]: `rgb_to_lab`'s first channel at a fraction of the
    price.

    Args:
        images: sRGB, uint8 or float in [0, 1].

    Raises:
        ValueError: not three channels.
    """
    if images.shape[-3] != 3:
        raise ValueError(f"need pictures (…, 3, H, W), got {tuple(images.shape)}")
    if images.dtype == torch.uint8:
        powers = _linear(torch.arange(256, device=images.device) / 255)  # 256 of them, not N·3·H·W
        linear = powers[images.long()]
    else:
        linear = _linear(images)
    y = torch.einsum("j,...jhw->...hw", _to_xyz(linear)[1], linear)
    return (116 * _cube_root(y) - 16).unsqueeze(-3)


def _linear(rgb: torch.Tensor) -> torch.Tensor:
    """sRGB's bytes to light."""
    # Bytes are spaced for the eye, finely in the dark; only amounts of light may be added up.
    return torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb.clamp(min=0) + 0.055) / 1.055) ** 2.4)


def _cube_root(xyz: torch.Tensor) -> torch.Tensor:
    # where() differentiates both branches, and the slope of a root at 0 is infinite: hence the clamp.
    return torch.where(xyz > DELTA**3, xyz.clamp(min=1e-9) ** (1 / 3), xyz / (3 * DELTA**2) + 4 / 29)


@_in_pieces
def lab_to_rgb(lab: torch.Tensor) -> torch.Tensor:
    """Lab (…, 3, H, W) → sRGB (…, 3, H, W); values outside [0, 1] mean a colour that no screen shows.

    Raises:
        ValueError: not a float tensor with three channels.
    """
    if not lab.is_floating_point() or lab.shape[-3] != 3:
        raise ValueError(f"need floats (…, 3, H, W), got {lab.dtype} {tuple(lab.shape)}")
    lightness, a, b = lab.unbind(-3)
    fy = (lightness + 16) / 116
    f = torch.stack([fy + a / 500, fy, fy - b / 200], -3)
    xyz = torch.where(f > DELTA, f**3, 3 * DELTA**2 * (f - 4 / 29))
    # inverted in float64, which not every device has: there and back, a byte must stay the same byte
    linear = torch.einsum(
        "ij,...jhw->...ihw", torch.linalg.inv(_to_xyz(torch.empty(0, dtype=lab.dtype)).double()).to(lab), xyz
    )
    # clamped for the gradient, as in `_cube_root`
    gamma = 1.055 * linear.clamp(min=1e-9) ** (1 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, 12.92 * linear, gamma)


def paint(images: torch.Tensor, ab: torch.Tensor) -> torch.Tensor:
    """The lightness of pictures (N, 3, H, W) in the colours of maps (N, 2, h, w): (N, 3, H, W) in [0, 1]."""
    light = lightness(images)  # (N, 1, H, W)
    # Small maps do: the eye sees detail in lightness, and takes colour from a larger area.
    ab = F.interpolate(ab, light.shape[-2:], mode="bilinear")
    return lab_to_rgb(torch.cat([light, ab], 1)).clamp(0, 1)


def ab_map(images: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Colours to tell from lightness: pictures (N, 3, H, W), uint8 or float in [0, 1] → ab averaged over the
    cells of a map of this size (h, w), (N, 2, h, w) in Lab units."""
    # As floats a whole set would take gigabytes.
    pieces = (p.float() / 255 if p.dtype == torch.uint8 else p for p in images.split(64))
    return torch.cat([F.adaptive_avg_pool2d(rgb_to_lab(p)[:, 1:], size) for p in pieces])  # (N, 2, h, w)


# ----------------------------------------------------------------------------------------- colours as classes
def gamut_bins(step: float = 10.0) -> torch.Tensor:
    """Centres of the squares of the ab plane in which some sRGB colour lies, (Q, 2), Lab units; §2.1.

    Squares are ``step`` wide and centred at multiples of it. Step 10 gives 261; the paper's own list has 313,
    since it lets in neighbours of the gamut. Step 20 gives 75, enough for a small network.

    Raises:
        ValueError: a step that is not positive, or so large that all colours fall into one square.
    """
    if not step > 0:
        raise ValueError(f"step must be positive, got {step}")
    centres = _gamut_bins(float(step))
    if len(centres) < 2:
        raise ValueError(f"step {step} puts all colours into one bin; 5 to 40 are useful")
    return centres.clone()


@lru_cache(maxsize=8)
def _gamut_bins(step: float) -> torch.Tensor:
    # In the ab plane the gamut of a screen has no formula; a fine grid of all its colours stands for it.
    level = torch.linspace(0, 1, 65)
    cube = torch.stack(torch.meshgrid(level, level, level, indexing="ij")).reshape(3, 65 * 65, 65)
    ab = rgb_to_lab(cube)[1:].flatten(1).T  # (65³, 2)
    return torch.mul((ab / step).round().unique(dim=0), step)


def soft_encode(
    ab: torch.Tensor, centres: torch.Tensor, neighbours: int = 5, sigma: float = 5.0
) -> torch.Tensor:
    """Colours as distributions over bins: Gaussian weights on the nearest ones; §2.1.

    Args:
        ab: (…, 2, H, W), Lab units.
        centres: (Q, 2), Lab units.
        neighbours: how many bins share a colour; all bins if there are fewer.
        sigma: of the Gaussian, in Lab units; the paper's 5 goes with bins 10 wide.

    Returns:
        (…, Q, H, W), non-negative, sum 1 over the bins.

    Raises:
        ValueError: another shape of ``ab``, or a sigma that is not positive.
    """
    if ab.ndim < 3 or ab.shape[-3] != 2:
        raise ValueError(f"ab must be (…, 2, H, W), got {tuple(ab.shape)}")
    if not sigma > 0:
        raise ValueError(f"sigma must be positive, got {sigma}")
    centres = centres.to(ab)
    points = ab.movedim(-3, -1)  # (…, H, W, 2)
    # |x − c|² less |x|², which is the same for all bins: it changes neither the order nor the shares
    distance = centres.square().sum(1) - 2 * points @ centres.T  # (…, H, W, Q)
    # Several bins, or two colours that look alike would be as wrong for each other as red and green (§2.1).
    near, bins = distance.topk(min(neighbours, len(centres)), largest=False)  # (…, H, W, k)
    shares = (-near / (2 * sigma**2)).softmax(-1)
    return distance.zero_().scatter_(-1, bins, shares).movedim(-1, -3)


def smooth_prior(prior: torch.Tensor, centres: torch.Tensor, sigma: float = 5.0) -> torch.Tensor:
    """p̃: how often each bin occurs, (Q,), blurred over the ab plane by a Gaussian; §2.2. Sums to 1.

    A bin that no picture happened to show gets a share of its neighbours, so its weight stays reasonable.
    """
    distance = torch.cdist(centres.cpu().double(), centres.cpu().double())
    kernel = (-distance.square() / (2 * sigma**2)).exp()  # (Q, Q)
    # a bin at the edge of the gamut gives nothing to colours that no screen has
    kernel = kernel / kernel.sum(1, keepdim=True)
    smooth = prior.cpu().double() @ kernel
    return (smooth / smooth.sum()).to(prior)


def rebalance_weights(prior: torch.Tensor, mix: float = 0.5) -> torch.Tensor:
    """w ∝ ((1 − mix) p̃ + mix/Q)⁻¹ with E_p̃[w] = 1: rare colours count more; §2.2, eq. 4.

    Args:
        prior: p̃ (Q,), non-negative; divided by its sum here.
        mix: μ (Zhang's λ) in [0, 1]; 1 gives every bin weight 1, 0 the plain inverse, where a bin with p̃ = 0
            gets the weight of the rarest bin that occurs instead of infinity.

    Raises:
        ValueError: a mix outside [0, 1], or a prior that is negative, not finite, or all 0.
    """
    if not 0 <= mix <= 1:
        raise ValueError(f"mix must be in [0, 1], got {mix}")
    if prior.ndim != 1 or not bool(((prior >= 0) & prior.isfinite()).all()) or not bool(prior.sum() > 0):
        raise ValueError("prior must be (Q,), non-negative, finite and not all 0")
    p = prior if prior.is_floating_point() else prior.double()
    p = p / p.sum()
    # Uniform in part: by the plain inverse a handful of rare colours would outweigh all others (§2.2).
    mixed = (1 - mix) * p + mix / len(p)
    weights = 1 / torch.where(mixed > 0, mixed, mixed[mixed > 0].min())
    return weights / (p @ weights)  # the loss keeps its size, so the learning rate may stay


def annealed_mean(logits: torch.Tensor, centres: torch.Tensor, temperature: float = 0.38) -> torch.Tensor:
    """One colour out of a distribution over bins: the mean after its logarithm is divided by T; §2.3, eq. 5.

    T = 1 is the mean, as gray as L2 regression; T → 0 the mode, vivid and patchy; T = 0 is the mode itself.

    Args:
        logits: (…, Q, H, W), or (…, Q) without places; log-probabilities up to a constant.
        centres: (Q, 2).
        temperature: T ≥ 0.

    Returns:
        (…, 2, H, W), or (…, 2), in the units of ``centres``.

    Raises:
        ValueError: a negative temperature, or no axis of Q.
    """
    if not temperature >= 0:
        raise ValueError(f"temperature must not be negative, got {temperature}")
    q = len(centres)
    axis = -3 if logits.ndim >= 3 and logits.shape[-3] == q else -1
    if logits.shape[axis] != q:
        raise ValueError(f"logits must be (…, {q}, H, W) or (…, {q}), got {tuple(logits.shape)}")
    x = logits.movedim(axis, -1)  # (…, Q)
    centres = centres.to(x)
    mode = temperature < 1e-6  # below, logits / T overflows
    ab = centres[x.argmax(-1)] if mode else (x / temperature).softmax(-1) @ centres  # (…, 2)
    return ab.movedim(-1, axis)
