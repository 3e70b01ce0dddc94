"""Two views of one picture: SimCLR's augmentation, a whole batch at once, each picture in its own way.

    augment = Augmentation()
    x1, x2 = augment(images), augment(images)

The recipe is that of Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations"
(2020, arXiv 2002.05709, appendix A): a random part of the picture, mirrored or not, its colours jittered,
sometimes gray, sometimes blurred. Turning and zooming, which it leaves out, and solarising (BYOL, Grill et
al. 2020) are there to try. Each step gives what the function of that name in
torchvision.transforms.v2.functional gives.

- Geometry is one bilinear sampling of the picture, so nothing is smoothed twice. It is not antialiased:
  with a ``size`` far below that of the crop, or a zoom far below 1, fine texture turns into moiré.
- Beyond the picture's edge (turned or zoomed out) lies its reflection: a gray or black corner would give
  the angle away, and a network would rather read the corner than the picture.
- The order is that of the paper's code, the same for every picture: crop, flip, turn and zoom, brightness,
  contrast, saturation, hue, gray, blur, solarise. torchvision draws the order of the four jitters. It
  matters little, since the first three commute where nothing is clipped: on the scenes another order moves
  a byte by 1.2 on average, the jitter by 27.
- Hue is that of HSV, exactly, so that colours keep their value and saturation. One 3 × 3 matrix (YIQ) would
  be four times as fast, but off by 8 bytes on the scenes, more than the hue jitter itself moves them (5).
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F

Value = torch.Tensor | float | None


@dataclass(frozen=True)
class Draw:
    """What is done to each picture; ``Draw()`` does nothing, and ``replace(draw, angle=30)`` sets one thing.

    A field is None (that step is left out), a number for all pictures, or a tensor (N,).

    Attributes:
        top, left, height, width: the box that is kept, inside the picture, in its pixels; all four or none.
        flip: 1 mirrors left and right, 0 does not.
        angle: degrees, counter-clockwise.
        zoom: above 1 nearer, below 1 farther.
        brightness, contrast, saturation: factors; 1 changes nothing.
        hue: how far colours move round the circle of HSV, in turns; 0 changes nothing, ±0.5 is the opposite.
        gray: 1 takes the colour away, 0 does not.
        sigma: of the Gaussian blur, in pixels of the view; 0 changes nothing.
        solarize: what is as bright as this, or brighter, is inverted; above 1 changes nothing.
    """

    top: Value = None
    left: Value = None
    height: Value = None
    width: Value = None
    flip: Value = None
    angle: Value = None
    zoom: Value = None
    brightness: Value = None
    contrast: Value = None
    saturation: Value = None
    hue: Value = None
    gray: Value = None
    sigma: Value = None
    solarize: Value = None


BOX = ("top", "left", "height", "width")
TRIES = 10  # boxes tried for one crop before the largest is taken, as in torchvision
PIECE = 2**20  # numbers that a CPU works on at a time: 4 MB of floats


@cache
def _keep_memory() -> None:
    # Linux's malloc hands large freed blocks back to the kernel; fetching them again, page by page, can cost
    # as much as the arithmetic. One block of 31 MB, freed untouched, raises its limits (mallopt(3),
    # M_MMAP_THRESHOLD), so that this program keeps its memory: measured, a third less time for a batch, a
    # tenth less for a training step.
    torch.empty(31 * 2**20, dtype=torch.uint8)


@dataclass(frozen=True)
class Augmentation:
    """Settings of the recipe; called with pictures, it gives one view of each.

    The defaults suit pictures of 32 to 64 pixels: half of the paper's colour strength, and no blur.

    Args:
        crop: smallest and largest share of the area that is kept; None keeps the whole picture.
        ratio: smallest and largest width / height of the crop.
        flip: probability of a mirrored view.
        rotate: largest angle in degrees, either way.
        zoom: smallest and largest factor.
        jitter: probability that the colours are jittered, all four together.
        brightness, contrast, saturation: factors are drawn from 1 − value to 1 + value.
        hue: turns are drawn from −value to value, at most 0.5.
        gray: probability of a gray view.
        blur: probability of a blurred view (the paper, for large pictures: 0.5).
        blur_sigma: smallest and largest width in pixels.
        solarize: probability that what is brighter than one half is inverted.

    Raises:
        ValueError: a value outside its range.
    """

    crop: tuple[float, float] | None = (0.2, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    rotate: float = 0.0
    zoom: tuple[float, float] = (1.0, 1.0)
    jitter: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    gray: float = 0.2
    blur: float = 0.0
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    solarize: float = 0.0

    def __post_init__(self) -> None:
        open_ended = dict.fromkeys(("ratio", "zoom", "blur_sigma"), math.inf)
        most = {"crop": 1.0, "rotate": 180.0, "hue": 0.5} | open_ended
        for name, value in vars(self).items():
            high = most.get(name, 1.0)
            if isinstance(value, tuple | list):
                if len(value) != 2 or not 0 < value[0] <= value[1] <= high:
                    raise ValueError(f"{name} must be (low, high), 0 < low ≤ high ≤ {high:g}, got {value}")
            elif value is not None and not 0 <= value <= high:
                raise ValueError(f"{name} must be in [0, {high:g}], got {value}")

    def __call__(
        self, images: torch.Tensor, *, generator: torch.Generator | None = None, size: int | None = None
    ) -> torch.Tensor:
        """One view of each picture, (N, 3, H, W) → (N, 3, size, size): a `draw` and its `apply`."""
        n, height, width = _check(images)
        return apply(images, self.draw(n, height, width, generator=generator, device=images.device), size)

    def draw(
        self,
        n: int,
        height: int,
        width: int,
        *,
        generator: torch.Generator | None = None,
        device: str | torch.device | None = None,
    ) -> Draw:
        """The parameters for n pictures of height × width pixels: tensors (n,), None where a step is off.

        Each setting has its own random numbers, so switching one step off leaves the others as they were.
        They come from ``generator``, on its own device (one on the CPU gives every device the same views), or
        from the global state of ``device``.
        """
        _keep_memory()
        source = device if generator is None else generator.device
        u = torch.rand(2 * TRIES + 14, n, generator=generator, device=source).to(device)
        top, left, flip, angle, zoom, jitter, *colours, gray, blur, sigma, solarize = u[2 * TRIES :]
        # Crops of one picture share its colours, and a network would tell them by that alone: so colours must
        # move, too (Chen 2020, §3.1). One coin for all four: jittered or not at all.
        jittered = jitter < self.jitter

        def around(neutral: float, reach: float, u: torch.Tensor) -> Value:
            value = _uniform(neutral - reach, neutral + reach, u)
            return torch.where(jittered, value, neutral) if self.jitter and reach else None

        return Draw(
            **self._box(u[: 2 * TRIES], top, left, height, width),
            flip=(flip < self.flip).float() if self.flip else None,
            angle=_uniform(-self.rotate, self.rotate, angle) if self.rotate else None,
            zoom=_uniform(*self.zoom, zoom) if tuple(self.zoom) != (1, 1) else None,
            brightness=around(1, self.brightness, colours[0]),
            contrast=around(1, self.contrast, colours[1]),
            saturation=around(1, self.saturation, colours[2]),
            hue=around(0, self.hue, colours[3]),
            gray=(gray < self.gray).float() if self.gray else None,
            sigma=_uniform(*self.blur_sigma, sigma) * (blur < self.blur) if self.blur else None,
            solarize=torch.where(solarize < self.solarize, 0.5, 2.0) if self.solarize else None,
        )

    def _box(
        self, u: torch.Tensor, top: torch.Tensor, left: torch.Tensor, h: int, w: int
    ) -> dict[str, torch.Tensor]:
        """`BOX`, each (n,): the first of TRIES that fits, else the largest; nothing without ``crop``."""
        if self.crop is None:
            return {}
        # Of many sizes: one view may be a part of the other, or lie beside it (Chen 2020, fig. 3).
        area = h * w * _uniform(*self.crop, u[:TRIES])  # (TRIES, n)
        narrow, wide = self.ratio
        # In logarithms twice as wide and twice as high are equally likely.
        ratio = _uniform(math.log(narrow), math.log(wide), u[TRIES:]).exp()  # (TRIES, n)
        heights, widths = (area / ratio).sqrt().round(), (area * ratio).sqrt().round()
        fits = (heights > 0) & (heights <= h) & (widths > 0) & (widths <= w)
        first, any_fits = fits.int().argmax(0, keepdim=True), fits.any(0)  # (1, n), (n,)
        height = torch.where(any_fits, heights.gather(0, first)[0], min(h, round(w / narrow)))
        width = torch.where(any_fits, widths.gather(0, first)[0], min(w, round(h * wide)))
        # u < 1, but u · (h − height + 1) may be rounded up to the first row that is too far down
        top = (top * (h - height + 1)).floor().minimum(h - height)
        left = (left * (w - width + 1)).floor().minimum(w - width)
        return dict(zip(BOX, (top, left, height, width), strict=True))


def apply(images: torch.Tensor, draw: Draw, size: int | None = None) -> torch.Tensor:
    """The views that ``draw`` describes. Nothing is random here; float pictures may ask for gradients.

    Args:
        images: (N, 3, H, W), uint8 or float in [0, 1].
        draw: what to do to each.
        size: pixels a side of the views; None keeps H and W.

    Returns:
        float32 in [0, 1], (N, 3, size, size), never the memory of ``images``.

    Raises:
        ValueError: images of another shape or type, a value of ``draw`` that does not fit N, or half a box.
    """
    n, height, width = _check(images)
    h, w = (height, width) if size is None else (size, size)
    # A CPU waits for memory most of the time: pieces whose memory the next piece uses again
    count = math.ceil(n * 3 * h * w / PIECE) if images.device.type == "cpu" else 1
    rows = math.ceil(n / max(1, count))
    starts = range(0, n, rows) if n else [0]
    views = [_apply(images[i : i + rows], _columns(draw, images, i, i + rows), h, w) for i in starts]
    return views[0] if len(views) == 1 else torch.cat(views)


def _apply(images: torch.Tensor, do: dict[str, torch.Tensor], h: int, w: int) -> torch.Tensor:
    """All steps in their order, those that ``do`` has `_columns` for."""
    x = images.float()
    if images.dtype == torch.uint8:
        x.div_(255)
    if (h, w) != x.shape[2:] or do.keys() & {"top", "flip", "angle", "zoom"}:
        x = _sample(x, do, h, w)  # (N, 3, h, w)
    elif x is images:
        x = x.clone()  # what follows works in place
    if "brightness" in do:
        x.mul_(do["brightness"]).clamp_(0, 1)
    if "contrast" in do:
        mean = _gray(x.mean((2, 3), keepdim=True))  # (N, 1, 1, 1)
        # towards the picture's own gray: contrast goes, brightness stays
        _blend(x, mean, do["contrast"]).clamp_(0, 1)
    if "saturation" in do:
        # towards each pixel's own gray: colour goes, what is light stays light
        _blend(x, _gray(x), do["saturation"]).clamp_(0, 1)
    if "hue" in do:
        x = _turn_hue(x, do["hue"])
    if "gray" in do:
        # Colours alone may tell two crops of one picture: some views must do with shapes (Chen 2020, App. A).
        _blend(x, _gray(x), 1 - do["gray"])
    if "sigma" in do:
        x = _blur(x, do["sigma"])
    if "solarize" in do:
        x = x + (1 - 2 * x) * (x >= do["solarize"])
    return x.clamp_(0, 1)  # a sum of weights may be 1 + 1e-7


def _check(images: torch.Tensor) -> tuple[int, int, int]:
    """N, H, W of pictures that can be used."""
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"images must be (N, 3, H, W), got {tuple(images.shape)}")
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise ValueError(f"images must be uint8, or floats in [0, 1], got {images.dtype}")
    return images.shape[0], images.shape[2], images.shape[3]


def _columns(draw: Draw, images: torch.Tensor, start: int, stop: int) -> dict[str, torch.Tensor]:
    """What is done to the rows from start to stop, by name: numbers as (n, 1, 1, 1) or (1, 1, 1, 1)."""
    if len({getattr(draw, name) is None for name in BOX}) > 1:
        raise ValueError("a box needs all of top, left, height and width")
    columns = {}
    for name, value in vars(draw).items():
        if value is not None:
            value = torch.as_tensor(value, dtype=torch.float32, device=images.device).reshape(-1, 1, 1, 1)
            if len(value) not in (1, len(images)):
                raise ValueError(f"{name} has {len(value)} values for {len(images)} pictures")
            columns[name] = value if len(value) == 1 else value[start:stop]
    return columns


def _uniform(low: float, high: float, u: torch.Tensor) -> torch.Tensor:
    return low + (high - low) * u


def _sample(x: torch.Tensor, do: dict[str, torch.Tensor], h: int, w: int) -> torch.Tensor:
    """(N, 3, H, W) → (N, 3, h, w), bilinear. The picture is the square [-1, 1]², as grid_sample has it."""
    n, _, full_h, full_w = x.shape
    window: tuple[Any, ...] = (0.0, 0.0, 1.0, 1.0)  # that becomes the view: numbers, or (N, 1, 1, 1) each
    centre_y, centre_x, reach_y, reach_x = window
    if "top" in do:
        reach_y, reach_x = do["height"] / full_h, do["width"] / full_w  # (N, 1, 1, 1)
        centre_y, centre_x = do["top"] * (2 / full_h) + reach_y - 1, do["left"] * (2 / full_w) + reach_x - 1
    if "zoom" in do:
        reach_y, reach_x = reach_y / do["zoom"], reach_x / do["zoom"]
    down = torch.linspace(1 / h - 1, 1 - 1 / h, h, device=x.device).view(h, 1)  # pixel centres of the view
    across = torch.linspace(1 / w - 1, 1 - 1 / w, w, device=x.device)
    if "angle" not in do:
        # The outermost pixels of the window repeat, as if it were cut out first and then resized
        dy = (reach_y * down).clamp(1 / full_h - reach_y, reach_y - 1 / full_h)  # (N, 1, h, 1)
        dx = (reach_x * across).clamp(1 / full_w - reach_x, reach_x - 1 / full_w)  # (N, 1, 1, w)
    else:
        cos, sin = do["angle"].deg2rad().cos(), do["angle"].deg2rad().sin()
        # w / h: in [-1, 1]² a picture that is not square is squeezed, and a turn would shear it
        dy = reach_y * (cos * down + sin * across * (w / h))  # (N, 1, h, w)
        dx = reach_x * (cos * across - sin * down * (h / w))
    if "flip" in do:
        # about the middle of the window, so that the crop stays where it was
        dx = dx * (1 - 2 * do["flip"])
    at = (centre_x + dx).expand(n, 1, h, w), (centre_y + dy).expand(n, 1, h, w)
    # Inside the picture the two agree, and "border" is a fifth faster
    padding = "border" if "angle" not in do and "zoom" not in do else "reflection"
    return F.grid_sample(x, torch.stack(at, -1).squeeze(1), padding_mode=padding, align_corners=False)


def _blend(x: torch.Tensor, other: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """share · x + (1 − share) · other, in the memory of x; ``other`` is used up."""
    return x.mul_(share).add_(other.mul_(1 - share))


def _gray(x: torch.Tensor) -> torch.Tensor:
    """(N, 3, h, w) → (N, 1, h, w) with torchvision's weights (ITU-R BT.601)."""
    r, g, b = x.tensor_split(3, 1)
    return (0.2989 * r).add_(g, alpha=0.587).add_(b, alpha=0.114)


def _turn_hue(x: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Turn the hue of HSV, keeping value and saturation, without visiting HSV: (N, 3, h, w) → (N, 3, h, w).

    With m the least channel of a pixel and c the range of its channels, channel k is m + c · wave(hue − 2k).
    The hue is in sixths of a turn; the wave, of period 6, is 1 for |z| < 1, 0 for 2 < |z| < 3 and straight in
    between: ||z| − 3| − 1, clamped to [0, 1], for all |z| ≤ 6.
    """
    r, g, b = x.split(1, 1)  # (N, 1, h, w)
    high, low = torch.maximum(g, b), torch.minimum(g, b)
    hue = high + low
    # Memory is used again where no gradient needs it: fresh memory costs more than the sums
    again = not x.requires_grad
    most = torch.maximum(r, high, out=high if again else None)
    least = torch.minimum(r, low, out=low if again else None)
    # |hue| · c = (high − low) + (most − r) + 2 (low − least), whichever channel is most; green is +2, blue −2
    hue.add_(most).sub_(r).sub_(least, alpha=2)
    spread = most.sub_(least).clamp_(min=1e-12)  # c
    hue.div_(spread).copysign_(g - b)  # [-3, 3]
    k = torch.arange(3, device=x.device).view(1, 3, 1, 1)
    shift = torch.remainder(6 * turns - 2 * k + 3, 6) - 3  # (N, 3, 1, 1), in [-3, 3)
    wave = torch.add(hue, shift, out=x if again else None)  # (N, 3, h, w)
    return wave.abs_().sub_(3).abs_().sub_(1).clamp_(0, 1).mul_(spread).add_(least)


def _blur(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """Gaussian blur, one width for each picture; as in the paper the kernel spans a tenth of the picture."""
    radius = max(x.shape[-2:]) // 20
    taps = torch.arange(-radius, radius + 1, device=x.device)
    # a width of 0 would divide by 0; this near to it, all weight is on the middle
    weights = (-0.5 * (taps / sigma.clamp(min=1e-3)) ** 2).softmax(-1)  # (N, 1, 1, 2 radius + 1)
    # Down, then across: 2 (2r + 1) products a pixel where a square of taps has (2r + 1)². Reflected, since
    # beyond black edges every picture would get a dark frame.
    for axis, pad in (2, (0, 0, radius, radius)), (3, (radius, radius, 0, 0)):
        padded, length = F.pad(x, pad, mode="reflect"), x.shape[axis]
        x = padded.narrow(axis, 0, length) * weights[..., :1]
        for k in range(1, 2 * radius + 1):
            x.addcmul_(padded.narrow(axis, k, length), weights[..., k : k + 1])
    return x
