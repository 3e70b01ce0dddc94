"""The smallest widgets there are: what the tests of the frame, and the bare round trip in the browser, run on."""

from __future__ import annotations

import threading
from typing import Any

import ipywidgets
import numpy as np

from ssl_course.widgets.frame.canvas import Key, Panel, Pointer
from ssl_course.widgets.frame.explorer import Explorer


class Bare(Explorer):
    """A slider fills one small picture with a gray."""

    def __init__(self, *, size: int = 64, width: int = 128) -> None:
        gray = ipywidgets.IntSlider(100, min=0, max=255, description="gray")
        super().__init__({"gray": gray}, state=(size, width))

    @staticmethod
    def render(state: Any, *, gray: int) -> list[Panel]:
        size, width = state
        return [Panel(np.full((size, size), gray, np.uint8), "a gray", f"all gray, {gray}", width)]


class Tiny(Explorer):
    """One control of each kind and a spot that follows pointer and arrows. The picture is a colour gradient."""

    def __init__(self) -> None:
        controls = {
            "blue": ipywidgets.IntSlider(3, min=0, max=7, description="blue"),
            "mix": ipywidgets.FloatSlider(0.5, min=0, max=1, step=0.1, description="mix λ"),
            "kind": ipywidgets.Dropdown(options=["plain", "striped"], description="kind"),
            "side": ipywidgets.ToggleButtons(options=["left", "right"], description="side"),
            "flip": ipywidgets.Checkbox(False, description="upside down"),
        }
        hidden = {"spot": (0.5, 0.5)}
        rows = [["blue", "mix"], ["kind", "side", "flip"]]
        actions = {"Centre": lambda: self.set(spot=(0.5, 0.5))}
        super().__init__(controls, hidden=hidden, rows=rows, actions=actions)

    @staticmethod
    def render(state: Any, *, blue: int, mix: float, kind: str, side: str, flip: bool, spot: tuple) -> tuple:
        y, x = np.mgrid[:48, :64].astype(np.float32) / 64
        x = 1 - x if side == "left" else x
        rgb = np.stack([x * mix, y, np.full_like(x, blue / 7)], 2)
        if kind == "striped":
            rgb[::4] = 0
        if flip:
            rgb = rgb[::-1]
        column, row = round(spot[0] * 63), round(spot[1] * 47)
        rgb[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3] = 1
        gray = rgb.mean(2)
        panels = [
            Panel(rgb, "X₁ and X₂: click", "a gradient with a white spot", 256, operable=True),
            Panel(gray, "what ψ(X₁) keeps of Y", "the same in gray", 128),
        ]
        return panels, f"spot at <b>{spot[0]:.2f}</b>, <b>{spot[1]:.2f}</b>"

    def on_pointer(self, event: Pointer) -> None:
        self.set(spot=(event.x, event.y))

    def on_key(self, event: Key) -> None:
        dx, dy = event.arrow
        x, y = self.values()["spot"]
        self.set(spot=(min(max(x + dx / 16, 0.0), 1.0), min(max(y + dy / 16, 0.0), 1.0)))


class Slow(Explorer):
    """Each picture waits until the test lets it go; counts what was rendered, and by how many at once."""

    def __init__(self) -> None:
        state = {
            "gate": threading.Semaphore(1),
            "made": [],
            "inside": 0,
            "most": 0,
            "entered": threading.Event(),
        }
        super().__init__({"n": ipywidgets.IntSlider(0, min=0, max=10_000, description="n")}, state=state)

    @staticmethod
    def render(state: Any, *, n: int) -> list[Panel]:
        state["inside"] += 1
        state["most"] = max(state["most"], state["inside"])
        state["entered"].set()
        state["gate"].acquire()
        state["made"].append(n)
        state["inside"] -= 1
        return [Panel(np.full((4, 4), n % 256, np.uint8), str(n), f"gray {n}")]


class Planted(Explorer):
    """Raises at one value that is not the start: the sweep must find it."""

    def __init__(self) -> None:
        n = ipywidgets.IntSlider(0, min=0, max=20, description="n")
        super().__init__({"n": n, "on": ipywidgets.Checkbox(False, description="on")})

    @staticmethod
    def render(state: Any, *, n: int, on: bool) -> list[Panel]:
        if n == 13:
            raise ZeroDivisionError("thirteen")
        return [Panel(np.full((4, 4), n, np.uint8), str(n), f"gray {n}")]


class PlantedPair(Planted):
    """Raises only where two controls are both at their ends."""

    @staticmethod
    def render(state: Any, *, n: int, on: bool) -> list[Panel]:
        if on and n == 20:
            raise IndexError("both")
        return [Panel(np.full((4, 4), n, np.uint8), str(n), f"gray {n}")]


class PlantedMemory(Planted):
    """Remembers how often it was called, so the same values give other pictures."""

    calls = 0

    @staticmethod
    def render(state: Any, *, n: int, on: bool) -> list[Panel]:
        PlantedMemory.calls += 1
        return [Panel(np.full((4, 4), PlantedMemory.calls % 256, np.uint8), str(n), f"gray {n}")]
