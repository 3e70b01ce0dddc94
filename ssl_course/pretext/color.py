"""sRGB ↔ CIE Lab (D65): how a picture splits into X₁ = lightness L and X₂ = colour ab (note §3.1, Zhang 2016).

Constants: IEC 61966-2-1 (sRGB) and CIE 15 (Lab, 2° observer, D65).
"""

from __future__ import annotations

import torch

WHITE = (0.95047, 1.0, 1.08883)  # D65, Y = 1
RGB_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
DELTA = 6 / 29  # where CIE Lab's cube root hands over to a straight line


def _matrix(like: torch.Tensor) -> torch.Tensor:
    """Linear sRGB → XYZ relative to the white point, (3, 3)."""
    m = torch.tensor(RGB_TO_XYZ, dtype=torch.float64)
    m = m / m.sum(1, keepdim=True)  # white is exactly (1, 1, 1), so that gray has a = b = 0
    return m.to(like)


def rgb_to_lab(rgb: torch.Tensor) -> torch.Tensor:
    """sRGB (…, 3, H, W) in [0, 1] → Lab (…, 3, H, W): L in [0, 100], a and b in about ±110.

    Raises:
        ValueError: not a float tensor with three channels.
    """
    if not rgb.is_floating_point() or rgb.shape[-3] != 3:
        raise ValueError(f"need floats (…, 3, H, W) in [0, 1], got {rgb.dtype} {tuple(rgb.shape)}")
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb.clamp(min=0) + 0.055) / 1.055) ** 2.4)
    xyz = torch.einsum("ij,...jhw->...ihw", _matrix(rgb), linear)  # (…, 3, H, W), white = 1
    f = torch.where(xyz > DELTA**3, xyz.clamp(min=1e-9) ** (1 / 3), xyz / (3 * DELTA**2) + 4 / 29)
    fx, fy, fz = f.unbind(-3)
    return torch.stack([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)], -3)


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
    linear = torch.einsum("ij,...jhw->...ihw", torch.linalg.inv(_matrix(lab).double()).to(lab), xyz)
    gamma = 1.055 * linear.clamp(min=1e-9) ** (1 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, 12.92 * linear, gamma)
