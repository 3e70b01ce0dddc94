"""The brush of the scenes world: lightness L from (texture, light, objects), colour ab from (biome, tint).

The two painters share nothing but the picture's size: each gets latents of its own and random numbers of its
own, so that what is independent in the skeleton stays independent in the pixels. Three rules keep it so
(each has a test): the horizon of the colours is the class's, never the lightness painter's; every pair
(L, ab) that can occur lies inside sRGB, so that no clipping ties them together; objects, foam and shadows are
lightness only. Random numbers come as a table ``u`` of uniforms, so one picture is the same at every size.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from ssl_course.pretext.color import RGB_TO_XYZ

L_RANGE = (34.0, 77.0)  # darkest and lightest L; wider would leave sRGB less colour
U_LIGHTNESS, U_COLOUR = 40, 8  # how many uniforms each painter takes for one picture
EDGE = 0.12  # half the height of the band in which the sky's colour turns into the ground's
HORIZON = (0.36, 0.33, 0.39)  # of the colours, by biome
OFFSET, WASH = 2.0, 2.0  # largest colour noise of a whole picture, and of its cloudy field, in Lab units
FIELDS, PERIOD = 12, 2  # of the noise pool: how many fields, and after how many pictures they repeat


@lru_cache(maxsize=16)
def noise_pool(
    size: int, beta: float, stretch: float, seed: int, device: str, bounded: bool = False
) -> Tensor:
    """Periodic 1/f^β noise, two pictures wide, (FIELDS, 3·size, 3·size), standard deviation 1.

    A crop at a random place is a fresh-looking field at a fraction of the price of a new one. The margin
    repeats the start, so that a crop may run over the edge. Low frequencies are the same at every size.
    ``bounded`` squashes the values into (−1, 1).
    """
    span, base = PERIOD * size, 128
    spectrum = torch.zeros(FIELDS, span, span // 2 + 1, dtype=torch.complex64)
    for n, s in ((span, seed + 1), (min(base, span), seed)):  # fine detail first, then the common coarse part
        full = n if s > seed else base  # the common part is drawn whole, then cut: the same at every size
        draw = torch.randn(FIELDS, full, full // 2 + 1, 2, generator=torch.Generator().manual_seed(s))
        draw, half = torch.view_as_complex(draw), n // 2
        spectrum[:, :half, :half] = draw[:, :half, :half]
        spectrum[:, -half + 1 :, :half] = draw[:, -half + 1 :, :half]
    fy = torch.fft.fftfreq(span, 1 / span)[:, None] / PERIOD  # cycles per picture
    fx = torch.arange(span // 2 + 1)[None] / PERIOD * stretch  # stretch > 1: drawn out sideways
    spectrum *= (fy.square() + fx.square() + 0.5).pow(-beta / 2)
    spectrum[:, 0, 0] = 0
    field = torch.fft.irfft2(spectrum, s=(span, span))
    field = field / field.std((1, 2), keepdim=True)
    field = torch.tanh(0.8 * field) if bounded else field
    tall = torch.cat([field, field[:, :size]], 1)
    return torch.cat([tall, tall[..., :size]], 2).to(device)


def _noise(
    size: int, u: Tensor, beta: float, stretch: float = 1.0, seed: int = 0, bounded: bool = False
) -> Tensor:
    """One crop of the pool for each picture, (n, size, size); u (n, 2) says where."""
    pool = noise_pool(size, beta, stretch, seed, str(u.device), bounded)
    windows = pool.unfold(1, size, 1).unfold(2, size, 1)  # (FIELDS, span+1, span+1, size, size), a view
    span = PERIOD * size
    k = (u[:, 0] * FIELDS * span).long().clamp(max=FIELDS * span - 1)
    return windows[k // span, k % span, (u[:, 1] * span).long().clamp(max=span - 1)]


def _grid(size: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Pixel centres in (0, 1): rows (1, s, 1) from the top, columns (1, 1, s)."""
    x = (torch.arange(size, device=like.device) + 0.5) / size
    return x.view(1, -1, 1), x.view(1, 1, -1)


def _col(x: Tensor) -> Tensor:
    return x.view(-1, 1, 1)


def _frac(x: Tensor) -> Tensor:
    """What lies over the integer below, in [0, 1) for negative numbers too, unlike ``torch.frac``."""
    return x - x.floor()


def _hash(cell: Tensor, salt: Tensor) -> Tensor:
    """A repeatable number in [0, 1) for every cell of a row, for jittering trees."""
    return _frac(torch.sin(cell * 12.9898 + salt * 78.233) * 437.585)


def _below(r: Tensor, line: Tensor, size: int) -> Tensor:
    """1 under a line, 0 over it, antialiased over one pixel."""
    return ((r - line) * size + 0.5).clamp(0, 1)


def _sky(z1: Tensor, u: Tensor, h: Tensor, size: int) -> Tensor:
    """Dawn: a half sun on a bright horizon. Noon: a high sun. Dusk: dark, a crescent moon and stars."""
    r, c = _grid(size, u)
    q = (r / h).clamp(max=1)  # 0 zenith, 1 horizon
    base = _col(0.52 + 0.16 * u[:, 3])
    dawn, noon, dusk = (_col((z1 == k).float()) for k in range(3))
    clouds = _noise(size, u[:, 4:6], 2.0, 2.2, seed=2)
    sky = base + dawn * (0.34 * q.square() - 0.20) + noon * (0.22 - 0.14 * q) - dusk * (0.30 + 0.10 * q)
    sky = sky + (0.045 + 0.02 * dawn) * clouds
    x = _col(0.12 + 0.76 * u[:, 6])
    y = dawn * (h - 0.005) + (noon + dusk) * (0.08 + _col(0.08 * u[:, 7]))
    radius = dawn * 0.085 + noon * 0.05 + dusk * 0.055
    distance = ((r - y).square() + (c - x).square()).sqrt()
    bite = ((r - y + 0.016).square() + (c - x - 0.026).square()).sqrt()  # what makes the moon a crescent
    disc = ((radius - distance) * size + 0.5).clamp(0, 1)
    disc = disc * (1 - dusk * ((radius * 0.95 - bite) * size + 0.5).clamp(0, 1))
    glow = torch.exp(-distance / (0.07 + 0.08 * dawn)) * (0.20 * dawn + 0.18 * noon + 0.05 * dusk)
    stars = (_noise(size, u[:, 8:10], 0.0, seed=4) - 2.45).clamp(min=0) * 0.9 * dusk
    return torch.lerp(sky + glow + stars, torch.ones_like(sky), disc)


@dataclass(frozen=True)
class Ground:
    """What a brush paints on, and with: n pictures at once, (n, 1, 1) where there is one number for each."""

    sky: Tensor  # (n, s, s), over which the ground comes
    u: Tensor  # (n, U_LIGHTNESS) uniforms
    horizon: Tensor  # (n, 1, 1), rows from the top
    tone: Tensor  # (n, 1, 1), the mean lightness in [0, 1]
    contrast: Tensor  # (n, 1, 1)
    tilt: Tensor  # (n, 1, 1), how much lighter the ground is near the viewer than far away

    @property
    def size(self) -> int:
        """Pixels of a side."""
        return self.sky.shape[-1]

    def grid(self) -> tuple[Tensor, Tensor, Tensor]:
        """Rows (1, s, 1) and columns (1, 1, s) in (0, 1), and how near each row is:
        0 horizon, 1 viewer (n, s, 1)."""
        r, c = _grid(self.size, self.u)
        return r, c, ((r - self.horizon) / (1 - self.horizon)).clamp(0, 1)

    def noise(self, first: int, beta: float, stretch: float = 1.0, seed: int = 6) -> Tensor:
        """A field of `noise_pool` (n, s, s), placed by the uniforms ``first`` and the next."""
        return _noise(self.size, self.u[:, first : first + 2], beta, stretch, seed)

    def layer(self, k: int, columns: Sequence[int], factor: float, step: float, shift: float) -> list[Tensor]:
        """Numbers in [0, 1) of the k-th of several layers, (n, 1, 1) each: the same uniforms for all."""
        return [_col(_frac(self.u[:, i] * (factor + step * k) + shift * k)) for i in columns]

    def lit(self, near: Tensor | float, shade: Tensor | float) -> Tensor:
        """Lightness at a nearness in [0, 1] under light and shade, about −1 … 1."""
        return self.tone + self.tilt * (near - 0.5) + self.contrast * shade

    def under(self, r: Tensor, line: Tensor, over: Tensor, painted: Tensor) -> Tensor:
        """``painted`` where a row lies under the line, ``over`` elsewhere."""
        return torch.lerp(over, painted, _below(r, line, self.size))


def _dunes(ground: Ground) -> Tensor:
    """Ridges behind ridges: a lit windward side, a dark slip face, a sharp crest between."""
    (r, c, _), h = ground.grid(), ground.horizon
    picture, grain = ground.sky, ground.noise(12, 1.6, 2.5)
    for k in range(4):
        a, b, d = ground.layer(k, (14, 15, 16), 7.3, 3.1, 0.37)
        f = (2.6 - 0.45 * k) * (0.7 + 0.7 * a)
        s = _frac(c * f + b + 0.10 * torch.sin(2 * math.pi * (c + d)))
        peak = 0.62 + 0.2 * d
        rise, fall = s / peak, (1 - s) / (1 - peak)
        ridge = torch.minimum(rise, fall).pow(1.25)  # (n, 1, s)
        top = h + (1 - h) * (0.02 + 0.19 * k + 0.07 * (a - 0.5)) - (0.05 + 0.035 * k) * ridge
        depth = ((r - top) / (0.16 + 0.09 * k)).clamp(0, 1)
        slip = ((s - peak + 0.30 * depth) * 9).clamp(0, 1)  # the shadow widens downwards
        shade = (0.65 - 1.45 * slip * ridge.pow(0.4) * (1 - depth)) * (1 - 0.55 * depth)
        picture = ground.under(r, top, picture, ground.lit(k / 3, shade + 0.16 * grain))
    return picture


def _ripples(ground: Ground) -> Tensor:
    """A flat ground combed by wind into wandering lines, finer and fainter towards the horizon."""
    (r, c, v), u = ground.grid(), ground.u
    depth = 1 / (v + 0.16)
    warp = ground.noise(12, 2.6, 1.7)
    phase = (5.5 + 3 * _col(u[:, 14])) * depth + (c - 0.5) * depth * (2.4 * _col(u[:, 15]) - 1.2)
    phase = phase * 0.62 + 0.42 * warp + _col(u[:, 16])
    s = _frac(phase)
    wave = torch.minimum(s / 0.72, (1 - s) / 0.28) * 2 - 1
    fade = (v / (v + 0.10)).square()
    large = ground.noise(17, 2.8, 2.5, seed=8)
    return ground.under(r, ground.horizon, ground.sky, ground.lit(v, 0.62 * wave * fade + 0.25 * large))


def _trunks(ground: Ground) -> Tensor:
    """A wood seen from inside: thin trunks far away, thick ones near, the sky between them."""
    (r, c, _), h, u = ground.grid(), ground.horizon, ground.u
    floor = ground.tone + ground.contrast * 0.35 * ground.noise(12, 1.5, 2.0)
    picture = ground.under(r, h, ground.sky, floor)
    leaves = ground.noise(17, 1.5, seed=8)
    picture = picture - ground.contrast * 1.5 * (((leaves + 1.3 - 9.0 * r) * 1.5).clamp(0, 1))
    sign = torch.where(_col(u[:, 19]) < 0.5, -1.0, 1.0)  # birches or pines
    for k in range(3):
        f = (11.0, 7.0, 4.2)[k] * (0.75 + 0.5 * _col(u[:, 14]))
        sway = 0.05 * torch.sin(5 * r + 6 * _col(u[:, 16]) + k)
        x = c * f + 17 * _col(u[:, 15]) + 3.3 * k + sway  # (n, s, s)
        cell, s = torch.floor(x), _frac(x)
        jitter = _hash(cell, _col(u[:, 16]) + k)
        width = (0.10 + 0.07 * jitter) * (1 + 0.25 * r)
        offset = (s - 0.32 - 0.36 * _hash(cell, _col(u[:, 14]) + k)) / width  # −1 … 1 across the trunk
        inside = ((1 - offset.abs()) * width / f * ground.size + 0.5).clamp(0, 1)
        foot = h + (1 - h) * (0.05 + 0.27 * k + 0.18 * jitter)
        inside = inside * (1 - _below(r, foot, ground.size))
        bark = ground.lit(k / 2, sign * (0.5 + 0.35 * k) - 0.55 * offset + 0.22 * leaves)
        picture = torch.lerp(picture, bark, inside)
    return picture


def _spruces(ground: Ground) -> Tensor:
    """Rows of pointed trees behind each other, with mist between the rows."""
    (r, c, _), h = ground.grid(), ground.horizon
    picture, needles = ground.sky, ground.noise(12, 1.3, 0.6)
    for k in range(4):
        a, b = ground.layer(k, (14, 15), 5.3, 2.7, 0.41)
        f = (10.5, 7.5, 5.4, 3.8)[k] * (0.75 + 0.5 * _col(ground.u[:, 16]))
        top = torch.ones_like(c) * 2
        lit = torch.zeros_like(c)
        for j in range(2):  # two interleaved rows make the skyline irregular
            x = c * f + 9 * b + 0.5 * j
            cell, s = torch.floor(x), _frac(x)
            tall = 0.45 + 0.55 * _hash(cell, a + j)
            centre = s - 0.5 - 0.2 * (_hash(cell, b + j) - 0.5)
            line = -tall * (1 - 2.3 * centre.abs()).clamp(min=0)
            lit = torch.where(line < top, centre * 2.3, lit)
            top = torch.minimum(line, top)
        hill = 0.03 * torch.sin(5 * c + 6.28 * a)
        foot = h + (1 - h) * (0.10 + 0.26 * k) + hill
        y = foot + (0.11 + 0.065 * k) * top - 0.02
        depth = ((r - y) / (0.12 + 0.06 * k)).clamp(0, 1)
        tooth = _frac(r * (30 - 4 * k) + 0.7 * a)  # tiers of branches
        shade = 0.15 - 1.0 * lit * (1 - depth) - 0.75 * (1 - depth) + 0.55 * depth
        picture = ground.under(r, y, picture, ground.lit(k / 3, shade + 0.25 * needles - 0.2 * tooth))
    return picture


def _waves(ground: Ground) -> Tensor:
    """Crest after crest, wider apart near the viewer, with foam along each crest."""
    (r, c, v), h = ground.grid(), ground.horizon
    picture = ground.under(r, h, ground.sky, ground.lit(v, 0.0))
    foam = ground.noise(12, 1.3, 2.0)
    for k in range(7):
        a, b, d = ground.layer(k, (14, 15, 16), 6.1, 2.3, 0.29)
        near = ((k + 0.35 + 0.5 * a) / 7) ** 1.6
        f = (1.4 + 2.2 * (1 - near)) * (0.8 + 0.5 * b)
        swing = torch.sin(math.pi * (c * f + b * 3 + 0.12 * torch.sin(7 * c + 6.28 * d))).abs()
        crest = 1 - swing.pow(0.7)  # cusps
        top = h + (1 - h) * (0.03 + 0.95 * near) - (0.012 + 0.075 * near) * crest
        depth = ((r - top) / (0.03 + 0.15 * near)).clamp(0, 1)
        line = torch.exp(-(r - top).clamp(min=0) / (0.006 + 0.018 * near)) * (0.4 + 0.9 * crest)
        shade = -0.85 * (1 - depth) + 0.35 * depth + line * (1.35 + 0.55 * foam)
        picture = ground.under(r, top, picture, ground.lit(near, shade))
    return picture


def _calm(ground: Ground) -> Tensor:
    """Still water: short level streaks that shrink towards the horizon."""
    (r, c, v), u, size = ground.grid(), ground.u, ground.size
    streaks = noise_pool(size, 1.0, 7.0, 10, str(u.device))
    span = PERIOD * size
    row = (_col(u[:, 12]) * span + 1.9 * size * (v + 0.02).sqrt()).long() % span  # (n, s, 1)
    column = (_col(u[:, 13]) * span).long() + ((c - 0.5) * size * (0.9 / (v + 0.35))).long() + PERIOD * size
    field = (_col(u[:, 14]) * FIELDS).long().clamp(max=FIELDS - 1)
    glint = streaks[field, row, column % span]  # (n, s, s)
    glint = torch.tanh(1.5 * glint) * (v / (v + 0.04))
    large = ground.noise(17, 2.4, 4.0, seed=8)
    return ground.under(r, ground.horizon, ground.sky, ground.lit(v, 0.62 * glint + 0.22 * large))


TEXTURES: dict[str, Callable[[Ground], Tensor]] = {
    "dunes": _dunes,
    "ripples": _ripples,
    "trunks": _trunks,
    "spruces": _spruces,
    "waves": _waves,
    "calm water": _calm,
}


@lru_cache(maxsize=4)
def sprites(device: str, n: int = 96) -> Tensor:
    """Cactus, pine and boat as (3, 2, n, n): lightness and opacity; they stand on the line y = 0.9."""
    k = 4 * n  # drawn large, then averaged: soft edges
    y, x = torch.meshgrid(torch.linspace(0, 1, k), torch.linspace(-0.5, 0.5, k), indexing="ij")

    def capsule(x0: float, y0: float, x1: float, y1: float, w: float) -> Tensor:
        dx, dy = x1 - x0, y1 - y0
        t = (((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy)).clamp(0, 1)
        return (x - x0 - t * dx).square() + (y - y0 - t * dy).square() < w * w

    def triangle(top: float, foot: float, half: float, lean: float = 0.0) -> Tensor:
        t = (y - top) / (foot - top)
        return (t > 0) & (t < 1) & ((x - lean * (1 - t)).abs() < half * t)

    shadow = (x / 0.42).square() + ((y - 0.9) / 0.05).square() < 1
    cactus = capsule(0, 0.16, 0, 0.88, 0.075) | capsule(-0.24, 0.36, -0.24, 0.52, 0.055)
    cactus |= capsule(-0.24, 0.55, 0, 0.58, 0.055) | capsule(0.23, 0.27, 0.23, 0.45, 0.055)
    cactus |= capsule(0.23, 0.48, 0, 0.52, 0.055)
    pine = triangle(0.04, 0.40, 0.20) | triangle(0.22, 0.62, 0.28) | triangle(0.42, 0.84, 0.36)
    pine |= (x.abs() < 0.05) & (y > 0.8) & (y < 0.92)
    hull = (y > 0.70) & (y < 0.9) & (x.abs() < 0.44 - 0.9 * (y - 0.70))
    sails = triangle(0.06, 0.66, 0.34, 0.0) & (x > 0.025) | triangle(0.16, 0.66, 0.26, 0.0) & (x < -0.015)
    boat = hull | sails | ((x.abs() < 0.012) & (y > 0.06) & (y < 0.72))
    stamps = []
    for shape, value in (
        (cactus, torch.where(_frac((x + 0.5) * 14) < 0.35, 0.05, 0.16) + 0.5 * (x < -0.035) * (x > -0.1)),
        (pine, 0.08 + 0.45 * ((x < -0.02) & (_frac(y * 9) > 0.45))),
        (boat, torch.where(sails, 0.97, 0.06)),
    ):
        opacity = torch.where(shape, 1.0, 0.55 * shadow)
        stamps.append(torch.stack([torch.where(shape, value, 0.05) * opacity, opacity]))  # premultiplied
    return torch.nn.functional.avg_pool2d(torch.stack(stamps), 4).to(device)


def _objects(picture: Tensor, kind: Tensor, count: Tensor, u: Tensor, h: Tensor) -> Tensor:
    """Stand 1 to 3 objects on the ground, side by side, larger when nearer; count is the label 0..2."""
    size = picture.shape[-1]
    r, c = _grid(size, u)
    stamps = sprites(str(picture.device))  # (3, 2, 96, 96)
    near = (0.30 + 0.70 * u[:, 24:27]).sort(1).values
    for slot in range(3):
        # In pieces: a stamp is 36 times as large as a picture of 16 pixels.
        for on in (count >= slot).nonzero()[:, 0].split(32):
            if not len(on):
                continue
            foot = h[on, 0, 0] + (1 - h[on, 0, 0]) * (0.12 + 0.80 * near[on, slot])
            tall = 0.17 + 0.25 * near[on, slot]
            place = _frac(u[on, 30] + slot / 3 + 0.16 * (u[on, 27 + slot] - 0.5))
            x = 0.12 + 0.76 * place
            across = 2 * (c[:, 0] - x[:, None]) / tall[:, None]  # (m, s), −1 … 1 over the sprite
            down = 2 * (r[:, :, 0] - foot[:, None]) / tall[:, None] + 0.8  # its ground line is y = 0.9
            where = [across[:, None].expand(-1, size, -1), down[:, :, None].expand(-1, -1, size)]
            drawn = grid_sample(stamps[kind[on]], torch.stack(where, -1), align_corners=False)  # (m, 2, s, s)
            picture[on] = picture[on] * (1 - drawn[:, 1]) + drawn[:, 0]
    return picture


def paint_lightness(latents: dict[str, Tensor], u: Tensor, size: int) -> Tensor:
    """L (n, 1, size, size) in `L_RANGE`, from texture, light, object, count (n,) and uniforms u (n, 40)."""
    texture, z1 = latents["texture"], latents["light"]
    picture = torch.empty(len(u), size, size, device=u.device)
    for k, brush in enumerate(TEXTURES.values()):
        for rows in (texture == k).nonzero()[:, 0].split(max(1, 2**17 // size**2)):
            if not len(rows):
                continue
            v, z = u[rows], z1[rows]
            h = _col(0.26 + 0.18 * v[:, 0])
            day = _col(torch.tensor([-0.03, 0.05, -0.10], device=u.device)[z])
            tone, contrast = _col(0.36 + 0.26 * v[:, 1]) + day, _col(0.15 + 0.13 * v[:, 2])
            tilt = _col(0.36 * (v[:, 10] - 0.5))  # the ground gets lighter or darker towards the viewer
            ground = Ground(_sky(z, v, h, size), v, h, tone, contrast, tilt)
            drawn = brush(ground) + 0.012 * ground.noise(20, 0.3, seed=12)
            picture[rows] = _objects(drawn, latents["object"][rows], latents["count"][rows], v, h)
    low, high = L_RANGE
    return (low + (high - low) * picture.clamp(0, 1))[:, None]


def layout(biome: Tensor, size: int) -> Tensor:
    """How much of each pixel is sky, (n, size, 1) in [0, 1], by the class's own horizon."""
    r = (torch.arange(size, device=biome.device) + 0.5) / size
    h = torch.tensor(HORIZON, device=biome.device)[biome].view(-1, 1, 1)
    t = ((h + EDGE - r.view(1, -1, 1)) / (2 * EDGE)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def paint_colour(sky: Tensor, ground: Tensor, biome: Tensor, u: Tensor | None, size: int) -> Tensor:
    """ab (n, 2, size, size) from sky and ground colours (n, 2), the class's layout and noise u (n, 8),
    or none."""
    ab = torch.empty(len(biome), 2, size, size, device=sky.device)
    for rows in _chunks(len(biome), size):
        share = layout(biome[rows], size)[:, None]  # (m, 1, s, 1)
        plain = share * sky[rows, :, None, None] + (1 - share) * ground[rows, :, None, None]  # (m, 2, s, 1)
        if u is None:
            ab[rows] = plain
            continue
        plain = plain + OFFSET * (2 * u[rows, 0:2] - 1)[:, :, None, None]
        for k in range(2):
            wash = _noise(size, u[rows, 2 + 2 * k : 4 + 2 * k], 2.4, seed=20, bounded=True)  # (m, s, s)
            ab[rows, k] = torch.add(plain[:, k], wash, alpha=WASH)
    return ab


def _chunks(n: int, size: int) -> list[slice]:
    """Slices of n pictures small enough that a step's work stays in the cache."""
    step = max(1, 2**17 // size**2)
    return [slice(i, min(i + step, n)) for i in range(0, n, step)]


@lru_cache(maxsize=4)
def _gamma(device: str) -> Tensor:
    """sRGB's curve as a table of 16,384 bytes."""
    x = torch.linspace(0, 1, 16384, dtype=torch.float64)
    curve = torch.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    return (255 * curve).round().to(torch.uint8).to(device)


def to_uint8(lightness: Tensor, ab: Tensor) -> Tensor:
    """Lab (n, 1, s, s) and (n, 2, s, s) → sRGB uint8 (n, 3, s, s); as `lab_to_rgb`, several times faster."""
    white = torch.tensor(RGB_TO_XYZ, dtype=torch.float64)
    back = torch.linalg.inv(white / white.sum(1, keepdim=True)).to(ab)
    table = _gamma(str(ab.device))
    pixels = torch.empty(len(ab), 3, *ab.shape[2:], dtype=torch.uint8, device=ab.device)
    for rows in _chunks(len(ab), ab.shape[-1]):
        a, b = ab[rows].unbind(1)
        fy = (lightness[rows, 0] + 16) / 116
        x, y, z = (fy + a / 500) ** 3, fy**3, (fy - b / 200) ** 3  # L ≥ 34 is far from Lab's straight part
        for k in range(3):
            linear = back[k, 0] * x + back[k, 1] * y + back[k, 2] * z
            pixels[rows, k] = table[(linear * 16383 + 0.5).clamp(0, 16383).int()]
    return pixels
