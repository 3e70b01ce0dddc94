"""Calls a widget's ``render`` for every value that a student could set, and says what went wrong where."""

from __future__ import annotations

import inspect
import itertools
import re
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import ipywidgets as w
import numpy as np
from legible import beyond, illegible, silent
from tries import tries

from ssl_course.widgets.frame.explorer import Explorer

MOST = 200  # a whole-number control with more values than this counts as continuous


@dataclass
class Failure:
    """One setting that does not work."""

    values: dict[str, Any]
    why: str


def values_of(control: w.Widget) -> list[Any]:
    """Every value of a finite control; ends, middle and start of a continuous one."""
    now = control.value
    if isinstance(control, w.Checkbox | w.ToggleButton | w.Valid):
        return [False, True]
    if isinstance(control, w.SelectMultiple):
        options = [value for _, value in control._options_full]
        return [(), *((value,) for value in options), tuple(options)]
    if hasattr(control, "_options_full"):  # Dropdown, RadioButtons, ToggleButtons, Select, SelectionSlider
        return [value for _, value in control._options_full]
    if isinstance(control, w.FloatLogSlider):
        return [control.base**e for e in (control.min, (control.min + control.max) / 2, control.max)] + [now]
    if isinstance(control, w.IntRangeSlider | w.FloatRangeSlider):
        low, high = control.min, control.max
        return [(low, low), (low, high), (high, high), now]
    if isinstance(control, w.IntSlider | w.BoundedIntText):
        steps = range(control.min, control.max + 1, control.step)
        return list(steps) if len(steps) <= MOST else [steps[0], steps[len(steps) // 2], steps[-1], now]
    if isinstance(control, w.FloatSlider | w.BoundedFloatText):
        return [control.min, (control.min + control.max) / 2, control.max, now]
    if isinstance(control, w.Text | w.Textarea | w.Combobox):
        return ["", now, "ψ <b>&amp; \N{SNOWMAN}", "a " * 200]
    raise TypeError(f"sweep.py does not know the values of a {type(control).__name__}: teach it")


def sweep(explorer: Explorer) -> list[Failure]:
    """Each value of each control alone, then odd pairs (the ends of any two), and what must hold for all of them.

    Returns:
        the failures; an empty list if every picture could be made.
    """
    failures: list[Failure] = []
    if not isinstance(inspect.getattr_static(type(explorer), "render"), staticmethod):
        failures.append(
            Failure({}, "render is not a @staticmethod: it could look at more than state and values")
        )
    start = explorer.values()
    choices = {name: values_of(control) for name, control in explorer.controls.items()}
    beside = tries(explorer)
    for name in start.keys() - choices.keys():
        if name not in beside:
            failures.append(
                Failure({name: "?"}, "a hidden value needs `tries`, for nobody can guess its values")
            )
        choices[name] = [start[name]]
    for name in beside.keys() - choices.keys():
        failures.append(Failure({name: "?"}, "`tries` of what is neither control nor hidden"))
    for name in beside.keys() & choices.keys():
        choices[name] = [*choices[name], *beside[name]]

    settings = [{}] + [{name: value} for name, values in choices.items() for value in values]
    for a, b in itertools.combinations(choices, 2):
        ends = [(choices[n][0], choices[n][-1]) for n in (a, b)]
        settings += [{a: x, b: y} for x, y in itertools.product(*ends)]
    seen: set[str] = set()
    before = None
    for change in settings:
        values = start | change
        if repr(values) in seen:
            continue
        seen.add(repr(values))
        try:
            frame = look(type(explorer).render(explorer.state, **values))
        except Exception as error:
            failures.append(Failure(change, f"{type(error).__name__}: {error}"))
        else:
            before = before or frame
    if before and not failures and look(type(explorer).render(explorer.state, **start)) != before:
        failures.append(
            Failure({}, "the same values give another picture after the sweep: render is not pure")
        )
    return failures


def look(rendered: Any) -> tuple:
    """A picture as something that can be compared, after checking what every picture must have."""
    panels, line = rendered if isinstance(rendered, tuple) else (rendered, "")
    assert panels, "no panels"
    assert isinstance(line, str), "the line below is not text"
    for word in ("nan", "inf", "None"):
        assert word not in line.replace("<", " ").replace(">", " ").split(), (
            f"the line below says {word}: {line}"
        )
    for panel in panels:
        if panel.drawn:
            drawing = panel.picture.drawing()
            assert not (dim := illegible(drawing)), f"{panel.caption!r}: {dim}"
            assert not (cut := beyond(drawing)), f"{panel.caption!r}: {cut}"
            assert not (mute := silent(drawing)), (
                f"{mute} curves of {panel.caption!r} do not say what they are"
            )
            ElementTree.fromstring(panel.svg)  # a browser shows half of what is not well formed
            assert not re.search(r"[\"( ]-?(nan|inf)\b", panel.svg), (
                f"a mark of {panel.caption!r} has no place"
            )
        else:
            assert panel.rgba.dtype == np.uint8 and panel.rgba.ndim == 3 and panel.rgba.shape[2] == 4
            assert np.isin(panel.rgba[..., 3], (0, 255)).all(), f"panel {panel.caption!r} is half transparent"
        assert panel.caption and panel.alt, "every panel has a caption and says in words what it shows"
        assert 0 < panel.width <= 1200, f"panel {panel.caption!r} is {panel.width} CSS pixels wide"
    return tuple((p.svg or p.rgba.tobytes(), p.caption, p.alt, p.width) for p in panels), line
