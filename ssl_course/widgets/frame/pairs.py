"""X₁ and X₂ of a method's own `pair`, drawn anew, and as panels where they can be shown."""

import copy
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from math import isqrt
from typing import Any

import torch
from torch import Tensor, nn

from ssl_course.course import palette
from ssl_course.interfaces import Pair
from ssl_course.pretext.color import lab_to_rgb
from ssl_course.widgets.frame import draw
from ssl_course.widgets.frame.canvas import Panel

SIDE = 200  # CSS pixels
EVEN = 60.0  # the lightness L at which colours are shown that have none of their own
CAPTIONS = ("X₁: what the network sees", "X₂: what it must predict")


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Random numbers of its own, and no gradients: the same seed, the same draws, no others disturbed."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(list(devices)), torch.no_grad():
        torch.manual_seed(seed)
        yield


def as_set(method: Any, **attributes: Any) -> Any:
    """A shallow copy of the method with attributes as a control says: what others show keeps its own."""
    changed = copy.copy(method)
    for name, value in attributes.items():
        setattr(changed, name, value)
    return changed


def untrained(method: nn.Module) -> nn.Module:
    """The same network with fresh weights; not made anew, since its arguments may hold the very backbone."""
    fresh = copy.deepcopy(method)
    with seeded(0):
        for part in fresh.modules():
            if hasattr(part, "reset_parameters"):
                part.reset_parameters()
    return fresh.eval()


def picture_of(x: Tensor) -> Any:
    """One row of a `Pair` as something that `canvas.rgba` takes; None where it is no picture.

    Three channels are colours, one is the lightness L, two are a and b, and
    (T, C, s, s) are tiles in their order.
    """
    x = x.detach().float().cpu()
    if x.ndim == 4:
        return draw.tile(x.numpy(), isqrt(len(x)), gap=4)
    if x.ndim != 3 or len(x) > 3:
        return None
    if len(x) == 3:
        return x
    lab = torch.cat([torch.full_like(x[:1], EVEN), x]) if len(x) == 2 else torch.cat([x, 0 * x, 0 * x])
    return lab_to_rgb(lab[None])[0].clamp(0, 1)


def in_words(method: Any, x2: Tensor) -> str | None:
    """An X₂ that is a number or a row of ids: the angle, the tiles' order, the caption; else None."""
    if hasattr(method, "angles"):
        return f"{method.angles[int(x2)]:g}°"
    if hasattr(method, "permutations"):
        order = [str(k + 1) for k in method.permutations[int(x2)].tolist()]
        n = isqrt(len(order))
        return "\n".join(" ".join(order[n * row : n * (row + 1)]) for row in range(n))
    if x2.ndim == 1 and not x2.is_floating_point() and getattr(method, "tokenizer", None) is not None:
        return method.tokenizer.decode(x2.tolist())
    return None


def words_panel(text: str, caption: str, side: int = SIDE) -> Panel:
    """A square with a few words on it."""
    letters = side // 9  # that many of 14 px, a letter being about 8 px wide, stand beside each other
    lines = [line for paragraph in text.split("\n") for line in textwrap.wrap(paragraph, letters)]
    size = 22 if 14 * max(map(len, lines)) <= side else 14
    step = min(30, side / len(lines))
    plot = draw.Plot.board(side, side)
    for row, line in enumerate(lines):
        plot.text(side / 2, side / 2 - (len(lines) / 2 - row - 0.5) * step, line, size=size)
    return plot.panel(caption, f"{caption}: {' '.join(lines)}")


def bars_panel(numbers: Tensor, caption: str, side: int = SIDE) -> Panel:
    """A bar for each number."""
    heights = numbers.detach().float().cpu().flatten().numpy()
    reach = (heights.min(initial=0), heights.max(initial=0) or 1)
    plot = draw.Plot(side, side, (-0.5, max(len(heights), 1) - 0.5), reach, margin=(12, 12, 12, 12))
    plot.bars(range(len(heights)), heights, palette.X2)
    return plot.panel(caption, f"{caption}: {', '.join(map(draw.number, heights[:12]))}")


def pair_panels(
    method: Any, pair: Pair, row: int = 0, captions: tuple[str, str] = CAPTIONS, side: int = SIDE
) -> list[Panel]:
    """X₁ and X₂ of one row; nothing where X₁ is no picture, or X₂ can be neither drawn nor said."""
    first, second = (picture_of(x[row]) for x in pair)
    if first is None:
        return []
    x1 = Panel(first, captions[0], captions[0], side)
    if second is not None:
        return [x1, Panel(second, captions[1], captions[1], side)]
    if text := in_words(method, pair.x2[row]):
        return [x1, words_panel(text, captions[1], side)]
    return [x1, bars_panel(pair.x2[row], captions[1], side)] if pair.x2.is_floating_point() else []
