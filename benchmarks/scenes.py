"""How fast the scenes are painted: `python benchmarks/scenes.py`; beside it, in the same process, the plain way
to do its two costliest steps (fresh 1/f noise for each picture, and Lab → sRGB with a power for each pixel)."""

import time

import torch

from ssl_course.data import painter, scenes
from ssl_course.pretext.color import lab_to_rgb
from ssl_course.studies.recorded import machine

N, SIZE = 4000, 64


def rate(function: object) -> float:
    """Pictures a second, best of three."""
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return N / best


def fresh_noise() -> None:
    """One field of 1/f noise for each picture, from its own spectrum."""
    f = torch.fft.fftfreq(SIZE)[:, None].square() + torch.fft.rfftfreq(SIZE).square() + 1 / SIZE**2
    spectrum = torch.randn(N, SIZE, SIZE // 2 + 1, dtype=torch.complex64) * f.pow(-0.5)
    torch.fft.irfft2(spectrum, s=(SIZE, SIZE))


def pooled_noise() -> None:
    """The same by crops from a pool."""
    painter._noise(SIZE, torch.rand(N, 2), 2.0, seed=2)


def main() -> None:
    """Print the rates and their ratios."""
    world = scenes.World(0.5)
    pictures = world.sample(N, size=SIZE, parts=True)
    lightness, ab = pictures.parts["L"], pictures.parts["ab"]
    lab = torch.cat([lightness, ab], 1)
    painted = rate(lambda: world.sample(N, size=SIZE))
    pool, fresh = rate(pooled_noise), rate(fresh_noise)
    table, power = rate(lambda: painter.to_uint8(lightness, ab)), rate(lambda: lab_to_rgb(lab))
    print(f"{machine()}; {SIZE} px")
    print(f"painted pictures a second: {painted:,.0f}")
    print(f"noise from the pool against fresh noise: {pool / fresh:.1f} times as fast")
    print(f"Lab to bytes by table against by powers: {table / power:.1f} times as fast")


if __name__ == "__main__":
    main()
