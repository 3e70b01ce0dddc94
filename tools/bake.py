"""Widgets for pages without a kernel: ``python -m tools.bake [LECTURE …]`` executes lectures and bakes what they show.

A baked widget is a table: every frame that its plan (`tools.plans`) asks for, drawn by its own ``render``, and where each
control, click, key and button leads, found by asking the widget itself. Drawings stay drawings, written as rows of
pieces that frames share; pictures become WebP. ``tools/web/baked.js`` shows the table with the notebook's own canvas.

Most widgets show networks that the lecture has trained, so they are baked where they are shown: in the lecture's kernel,
in a fork, whose training, caches and random numbers end with it. `tools.build` does so whenever it executes. The tables
are kept in ``assets/baked/`` (not in the wheel), so that ``make site`` needs no execution, on a machine without PyTorch's
hours either; each names the hash of what it follows from, and `stale` says which are out of step.
"""

from __future__ import annotations

import argparse
import ast
import base64
import gzip
import hashlib
import inspect
import io
import itertools
import json
import logging
import math
import os
import random
import re
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
LARGEST = 1_500_000  # bytes of a widget, packed
CELLS = 20  # the grid on which clicks are tried, a side
KEYS = ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Enter", " ")
QUALITY = 70  # of WebP
CHECKED = 150  # events tried again at random
PIECE = re.compile(r"<text\b[^>]*>[^<]*</text>|<[^<]*")
DATA = re.compile(r"data:image/png;base64,([^\"]+)")


class Plan(NamedTuple):
    """What of a widget is baked.

    Attributes:
        blocks: products of values, name → values; a name that a block leaves out keeps its value at the start.
        context: names that stay as they are when another control moves.
        beside: names from which clicks and keys follow where it takes two to show it.
        leave: control or button → what it would do; said to be in the notebook.
        remarks: more that is in the notebook.
        of: the widget's values as the plan knows them.
        to: and back, as ``render`` takes them.
        say: the line below, less what is not true of a page, such as the score of all games.
        draw: values → frame, in place of ``render``.
        extra: name → (label, words of its values): a control that the widget does not have; ``play`` lets it run.
    """

    blocks: Sequence[dict[str, Sequence[Any]]]
    context: Sequence[str] = ()
    beside: Sequence[str] = ()
    leave: dict[str, str] = {}
    remarks: Sequence[str] = ()
    of: Callable[[Any], dict[str, Any]] = lambda explorer: explorer.values()
    to: Callable[[dict[str, Any]], dict[str, Any]] = dict
    say: Callable[[str], str] = str
    draw: Callable[[dict[str, Any]], Any] | None = None
    extra: dict[str, tuple[str, Sequence[str]]] = {}
    play: str = ""


# --------------------------------------------------------------------------------------------------- in the kernel
def hook(folder: str) -> None:
    """From now on every `Explorer` that this kernel shows is baked into the folder as well."""
    from ssl_course.widgets.frame.explorer import Explorer

    shown, place, count = Explorer._repr_mimebundle_, Path(folder), itertools.count(1)
    (place / "hooked").touch()
    # Read now: what an author changes while the lecture runs is not what is baked.
    for file in (ROOT / "tools/plans.py", *(ROOT / "ssl_course/widgets").glob("*.py")):
        _code(file)

    def show(self: Explorer, **how: Any) -> Any:
        bundle = shown(self, **how)
        file, page = place / f"{next(count):02d}_{type(self).__name__}.json", bundle[0]["text/html"]
        if why := _in_a_fork(lambda: file.write_text(packed(bake(self, page)), encoding="utf-8")):
            file.with_suffix(".failed").write_text(
                why, encoding="utf-8"
            )  # the lecture goes on, its picture stays
        return bundle

    Explorer._repr_mimebundle_ = show  # type: ignore[method-assign]


def packed(table: dict[str, Any]) -> str:
    """A table as JSON without a space too many."""
    return json.dumps(table, ensure_ascii=False, separators=(",", ":"))


def _in_a_fork(work: Callable[[], Any]) -> str:
    """Do it in a copy of this process, which leaves nothing behind but what it writes; what went wrong."""
    if not hasattr(os, "fork"):
        return "this system cannot copy a process: bake on Linux or macOS"
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        logging.disable()  # the kernel warns of each message that a copy does not send
        if torch := sys.modules.get("torch"):
            # A copy has none of the threads that the kernel computes with: a step of training would wait for them, seconds long.
            torch.set_num_threads(1)
        said = b""
        try:
            work()
        except BaseException:
            said = traceback.format_exc().encode()
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(said)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        wrong = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    return wrong or (f"the copy of the process ended with status {status}" if status else "")


def bake(explorer: Any, page: str) -> dict[str, Any]:
    """The table of a widget as it stands; see the module. The widget is of no use afterwards.

    Args:
        explorer: the widget.
        page: the HTML that stays of it in the notebook: there, and nowhere else, the table belongs.

    Raises:
        ValueError: an event leads elsewhere than the table says, in `CHECKED` random tries.
    """
    from tools.plans import plan_of

    kind = type(explorer).__name__
    _silence(explorer)  # before a plan trains it
    plan = plan_of(explorer)
    table = _Table(explorer, plan)
    return {"kind": kind, "of": follows(type(explorer)), "shows": _hash(page), **table.whole()}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _silence(explorer: Any) -> None:
    """It draws nothing and tells nobody any more."""
    explorer._refresh = lambda: None
    for widget in [
        explorer,
        explorer.canvas,
        explorer.reset_button,
        *explorer.controls.values(),
        *explorer.action_buttons.values(),
    ]:
        widget.comm = None


class _Table:
    """States, frames and moves of one widget."""

    def __init__(self, explorer: Any, plan: Plan) -> None:
        self.explorer, self.plan = explorer, plan
        start = plan.of(explorer) | {
            name: next(v for block in plan.blocks for v in block.get(name, ())) for name in plan.extra
        }
        self.names = list(start)
        self.start_values = start
        self.values = {name: self._ordered(name, start[name]) for name in self.names}
        self.blocks = [
            {name: [self.index(name, v) for v in block[name]] for name in self.names if name in block}
            for block in plan.blocks
        ]
        self.start = [self.index(name, start[name]) for name in self.names]

    # -------------------------------------------------------------------------------------------- values
    def _ordered(self, name: str, start: Any) -> list[Any]:
        found = [start] + [v for block in self.plan.blocks for v in block.get(name, ())]
        unique: list[Any] = []
        for value in found:
            if not any(_same(value, other) for other in unique):
                unique.append(value)
        control = self.explorer.controls.get(name)
        if control is not None and hasattr(control, "_options_full"):
            order = [value for _, value in control._options_full]
            return sorted(unique, key=order.index)
        numbers = all(isinstance(v, int | float) for v in unique)
        return sorted(unique) if numbers else unique

    def index(self, name: str, value: Any, near: bool = False) -> int | None:
        """The place of a value among those of its name; ``near``: of the nearest, where there is a nearest."""
        known = self.values[name]
        for k, other in enumerate(known):
            if _same(value, other):
                return k
        if not near:
            raise ValueError(f"{name} = {value!r} is not in the plan")
        far = [(_distance(value, other), k) for k, other in enumerate(known)]
        best = min(far)
        return best[1] if math.isfinite(best[0]) else None

    def state(self, indices: Sequence[int]) -> dict[str, Any]:
        return {name: self.values[name][k] for name, k in zip(self.names, indices, strict=True)}

    def states(self, block: dict[str, list[int]]) -> Iterator[list[int]]:
        choices = [block.get(name, [k]) for name, k in zip(self.names, self.start, strict=True)]
        return map(list, itertools.product(*choices))

    # -------------------------------------------------------------------------------------------- events
    def put(self, indices: Sequence[int]) -> None:
        """The widget's own values."""
        explorer, values = self.explorer, self.plan.to(self.state(indices))
        for _ in range(2):  # some controls move others
            for name, control in explorer.controls.items():
                if name in values and not _same(control.value, values[name]):
                    control.value = values[name]
        explorer._hidden = {k: values.get(k, v) for k, v in explorer._hidden.items()}

    def after(self, indices: Sequence[int], event: Callable[[], None]) -> list[int | None]:
        self.put(indices)
        self.explorer.error = None
        event()
        if self.explorer.error is not None:
            raise self.explorer.error
        now = self.plan.of(self.explorer)
        return [
            k if name in self.plan.extra else self.index(name, now[name], near=True)
            for name, k in zip(self.names, indices, strict=True)
        ]

    def move(
        self, event: Callable[[], None], mine: tuple[str, int] | None = None, beside: Sequence[str] = ()
    ) -> dict[str, Any] | None:
        """Where an event leads from any state: the names that it depends on, and for each of their values what changes."""
        several = self.moves([event], mine, beside)
        return (
            None
            if several is None
            else {"on": several["on"], "to": {k: v[0] for k, v in several["to"].items()}}
        )

    def moves(
        self,
        events: list[Callable[[], None]],
        mine: tuple[str, int] | None = None,
        beside: Sequence[str] = (),
    ) -> dict[str, Any] | None:
        """The same for several events, found together; None where nothing happens.

        An event leaves a value as it is, or gives it a new one. Which, two states tell that differ in all that events
        touch; from what else it follows, values tell that are varied one by one in both, and ``beside`` says.
        ``mine`` is the control that the event turns, and to which value: from another one.
        """
        own = self.names.index(mine[0]) if mine else -1
        few = events[:: max(1, len(events) // 60)]
        apart = [(k + 1) % len(self.values[name]) for name, k in zip(self.names, self.start, strict=True)]
        apart = [
            k if n in self.plan.extra else a for n, k, a in zip(self.names, self.start, apart, strict=True)
        ]
        start = list(self.start)
        if mine:
            start[own] = apart[own] = next((k for k in range(len(self.values[mine[0]])) if k != mine[1]), 0)
        touched = {own} - {-1}
        for state in (start, apart):
            for event in few:
                after = self.after(state, event)
                touched |= {i for i, (k, was) in enumerate(zip(after, state, strict=True)) if k != was}
        if not touched:
            return None

        def told(fixed: dict[int, int], some: list[Callable[[], None]]) -> list[Any]:
            """For each event its changes {name: value}, "?" where the two states disagree, None where it leads away."""
            pair = []
            for other in (start, [a if i in touched else k for i, (k, a) in enumerate(both)]):
                pair.append([fixed.get(i, k) for i, k in enumerate(other)])
            made: list[Any] = []
            for event in some:
                first, second = (self.after(state, event) for state in pair)
                change: Any = {}
                for i in sorted(touched):
                    new = first[i], second[i]
                    if None in new:
                        change = None
                        break
                    if new != (pair[0][i], pair[1][i]) or i == own:
                        change[i] = new[0] if new[0] == new[1] else "?"
                made.append(change)
            return made

        both = list(zip(start, apart, strict=True))
        begin = told({}, few)
        unsure = {i for change in begin for i in (change or {}) if change[i] == "?"}
        on = {self.names.index(name) for name in beside}
        for i, name in enumerate(self.names):
            if i == own or i in on | unsure or name in self.plan.extra:
                continue
            many = range(len(self.values[name]))
            tried = many if len(many) <= 6 else sorted({0, 1, len(many) // 2, len(many) - 1})
            if not all(_agree(told({i: k}, few), begin, i, k) for k in tried):
                on.add(i)
        # What two states disagree on, they often agree on once all the others are known: a guess, given the picture.
        for rows in (sorted(on - unsure), sorted(on | unsure)):
            table: dict[str, Any] = {}
            for chosen in itertools.product(*(range(len(self.values[self.names[i]])) for i in rows)):
                if not any(self._in(block, rows, chosen) for block in self.blocks):
                    continue  # nobody gets there
                changes = told(dict(zip(rows, chosen, strict=True)), events)
                if any("?" in (change or {}).values() for change in changes):
                    break
                flat = [
                    [x for pair in change.items() for x in pair] if change else None for change in changes
                ]
                table[",".join(map(str, chosen))] = flat
            else:
                return {"on": rows, "to": table}
        raise ValueError(f"an event follows from more than {[self.names[i] for i in rows]}")

    def _in(self, block: dict[str, list[int]], rows: Sequence[int], chosen: Sequence[int]) -> bool:
        there = zip(rows, chosen, strict=True)
        return all(k in block.get(self.names[i], [self.start[i]]) for i, k in there)

    def clicks(self, panel: int) -> dict[str, Any] | None:
        """Where a click on each cell of a panel leads, and whether a drag does the same."""
        from ssl_course.widgets.frame.canvas import Pointer

        explorer = self.explorer

        def click(x: float, y: float) -> None:
            for kind in ("down", "up"):
                explorer.on_pointer(Pointer(kind, panel, x, y, ((x, y),)))

        def drag(x: float, y: float) -> None:
            explorer.on_pointer(Pointer("drag", panel, x, y, ((x, y),)))

        middles = [(k + 0.5) / CELLS for k in range(CELLS)]
        places = [(x, y) for y in middles for x in middles]
        found = self.moves([lambda x=x, y=y: click(x, y) for x, y in places], beside=self.plan.beside)
        if found is None:
            return None
        few = places[:: len(places) // 40]
        same = all(
            self.after(self.start, lambda x=x, y=y: click(x, y))
            == self.after(self.start, lambda x=x, y=y: drag(x, y))
            for x, y in few
        )
        changes: list[Any] = []
        maps = {}
        for key, cells in found["to"].items():
            row = []
            for change in cells:
                if change is not None and change not in changes:
                    changes.append(change)
                row.append(-1 if change is None else changes.index(change))
            maps[key] = row
        return {"on": found["on"], "side": CELLS, "changes": changes, "maps": maps, "drag": same}

    # --------------------------------------------------------------------------------------------- whole
    def whole(self) -> dict[str, Any]:
        store = _Store()
        blocks, operable = [], set()
        for block in self.blocks:
            frames = []
            for indices in self.states(block):
                panels, line = self.draw(self.state(indices))
                frames.append(store.frame(panels, line))
                operable |= {k for k, panel in enumerate(panels) if panel.operable}
            axes = [[self.names.index(name), ks] for name, ks in block.items()]
            blocks.append({"axes": axes, "frames": frames})
        moves: dict[str, Any] = {"down": {}, "key": {}, "action": {}, "set": {}}
        controls, notes = self.controls(moves["set"], blocks)
        actions = []
        for label, button in self.explorer.action_buttons.items():
            if label in self.plan.leave:
                notes.append(f"{label}: {self.plan.leave[label]}".removesuffix(": "))
                continue
            found = self.move(button.click)
            if found is None or not any(found["to"].values()):
                raise ValueError(
                    f"the button {label!r} does nothing in this plan: leave it out, or bake more"
                )
            moves["action"][label] = found
            actions.append(label)
        silent = []
        for panel in sorted(operable):
            found = self.clicks(panel)
            if found is not None and found["changes"]:
                moves["down"][panel] = found
            for key in KEYS:
                press = self.move(self.press(panel, key), beside=self.plan.beside)
                if press is not None and any(press["to"].values()):
                    moves["key"].setdefault(panel, {})[key] = press
            if panel not in moves["down"] and panel not in moves["key"]:
                silent.append(panel)
        store.silence(silent)
        table = {
            "names": self.names,
            "at": [self.places(name) for name in self.names],
            "start": self.start,
            "context": [self.names.index(name) for name in self.plan.context],
            "controls": controls,
            "actions": actions,
            "notes": [*notes, *self.plan.remarks],
            "play": self.names.index(self.plan.play) if self.plan.play else -1,
            "blocks": blocks,
            "moves": moves,
            **store.tables(),
        }
        self.check(table)
        return table

    def moves_by(self, frames: Sequence[int], axes: dict[str, list[int]], name: int) -> bool:
        """Whether two frames of a block differ where this value alone does."""
        shape = [len(values) for values in axes.values()]
        if self.names[name] not in axes:
            return False
        lines = np.moveaxis(np.reshape(frames, shape), list(axes).index(self.names[name]), -1)
        return bool((lines != lines[..., :1]).any())

    def press(self, panel: int, key: str) -> Callable[[], None]:
        from ssl_course.widgets.frame.canvas import Key

        return lambda: self.explorer.on_key(Key(panel, key))

    def draw(self, values: dict[str, Any]) -> tuple[list[Any], str]:
        explorer = self.explorer
        if self.plan.draw is not None:
            frame = self.plan.draw(values)
        else:
            frame = type(explorer).render(explorer.state, **self.plan.to(values))
        panels, line = frame if isinstance(frame, tuple) else (frame, "")
        return panels, self.plan.say(line)

    def controls(
        self, sets: dict[int, Any], blocks: list[dict[str, Any]]
    ) -> tuple[list[dict[str, Any]], list[str]]:
        """What stands above the pictures, and sentences on what does not."""
        explorer, plan = self.explorer, self.plan
        made, notes = [], []
        for name, control in explorer.controls.items():
            label = control.description.rstrip(": ")
            if name in plan.leave or name not in self.names:
                notes.append(f"{label}: {plan.leave.get(name, '')}".removesuffix(": "))
                continue
            here = self.names.index(name)
            kind, words = _look(control, self.values[name])
            if len(words) == 1 and kind != "text":
                notes.append(f"{label} (here {words[0]})")
                continue
            alive = any(
                self.moves_by(b["frames"], axes, here) for b, axes in zip(blocks, self.blocks, strict=True)
            )
            alive |= len({axes[name][0] for axes in self.blocks if len(axes.get(name, ())) == 1}) > 1
            if not alive and kind != "text":
                notes.append(f"{label} (which changes nothing here)")
                continue
            made.append({"name": here, "as": kind, "label": label, "words": words})
            if kind == "text":
                notes.append(f"{label} of your own")
                continue
            for k, value in enumerate(self.values[name]):
                found = self.move(lambda value=value, name=name: self.turn(name, value), mine=(name, k))
                if found and (found["on"] or any(v and v != [here, k] for v in found["to"].values())):
                    sets.setdefault(here, {})[k] = found
        for name, (label, words) in plan.extra.items():
            made.insert(
                0, {"name": self.names.index(name), "as": "range", "label": label, "words": list(words)}
            )
        if hasattr(explorer, "upload"):
            notes.append("a picture of your own")
        return made, notes

    def turn(self, name: str, value: Any) -> None:
        self.explorer.controls[name].value = self.plan.to(self.start_values | {name: value})[name]

    def places(self, name: str) -> list[float] | None:
        """Where values lie on a line, if they do."""
        values = self.values[name]
        control = self.explorer.controls.get(name)
        if type(control).__name__ == "SelectionSlider" or name in self.plan.extra:
            return list(range(len(values)))
        if any(isinstance(v, bool) or not isinstance(v, int | float) for v in values):
            return None
        if type(control).__name__ == "FloatLogSlider":
            return [math.log10(v) for v in values]
        return [float(v) for v in values] if control is not None and hasattr(control, "max") else None

    def check(self, table: dict[str, Any]) -> None:
        """At random states the widget goes where the table says."""
        dice = random.Random(0)
        events: list[tuple[str, Any, Any, Callable[[], None]]] = []
        for label, found in table["moves"]["action"].items():
            events.append((label, found, None, self.explorer.action_buttons[label].click))
        for panel, keys in table["moves"]["key"].items():
            events += [
                (f"{key!r} on {panel}", found, None, self.press(panel, key)) for key, found in keys.items()
            ]
        for panel, found in table["moves"]["down"].items():
            for cell in dice.sample(range(CELLS**2), 20):
                events.append((f"cell {cell} of {panel}", found, cell, self._click(panel, cell)))
        for _ in range(CHECKED if events else 0):
            what, found, cell, event = dice.choice(events)
            block = dice.choice(self.blocks)
            indices = [
                dice.choice(block.get(name, [k])) for name, k in zip(self.names, self.start, strict=True)
            ]
            key = ",".join(str(indices[i]) for i in found["on"])
            if cell is None:
                change = found["to"][key]
            else:
                number = found["maps"][key][cell]
                change = None if number < 0 else found["changes"][number]
            real, said = self.after(indices, event), list(indices)
            for i, k in zip((change or [])[::2], (change or [])[1::2], strict=True):
                said[i] = k
            if change is None and None in real:
                continue
            if said != real:
                names = zip(self.names, said, real, strict=True)
                wrong = [f"{n}: said {a}, is {b}" for n, a, b in names if a != b]
                raise ValueError(f"{what}, from {self.state(indices)}: {'; '.join(wrong)}")

    def _click(self, panel: int, cell: int) -> Callable[[], None]:
        from ssl_course.widgets.frame.canvas import Pointer

        y, x = ((k + 0.5) / CELLS for k in divmod(cell, CELLS))

        def click() -> None:
            for kind in ("down", "up"):
                self.explorer.on_pointer(Pointer(kind, panel, x, y, ((x, y),)))

        return click


def _agree(changes: list[Any], others: list[Any], name: int, value: int) -> bool:
    """Whether changes are the same, though a name already has the value that the others give it."""
    fewer = [other and {i: k for i, k in other.items() if (i, k) != (name, value)} for other in others]
    return changes == fewer


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
    return bool(a == b)


def _distance(a: Any, b: Any) -> float:
    """Between numbers, or places on a picture; infinite between all else."""
    if isinstance(a, bool) or isinstance(b, bool):
        return math.inf
    if isinstance(a, int | float) and isinstance(b, int | float):
        return abs(a - b)
    if isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b) == 2:
        if all(isinstance(v, float) for v in (*a, *b)):
            return math.dist(a, b)
    return math.inf


def _look(control: Any, values: Sequence[Any]) -> tuple[str, list[str]]:
    """Which native control it becomes, and the words of its values."""
    kind = type(control).__name__
    if hasattr(control, "_options_full"):
        words = [next(label for label, v in control._options_full if v == value) for value in values]
        return {"SelectionSlider": "range", "ToggleButtons": "radio"}.get(kind, "select"), list(
            map(str, words)
        )
    if kind in ("Checkbox", "ToggleButton"):
        return "check", ["no", "yes"][: len(values)]
    if kind in ("Text", "Textarea"):
        return "text", [str(v) for v in values]
    form = getattr(control, "readout_format", "")
    return "range", [format(v, form) for v in values]


class _Store:
    """Frames, each piece of them once."""

    def __init__(self) -> None:
        self.pieces: dict[str, int] = {}
        self.pictures: dict[str, int] = {}
        self.contents: dict[Any, int] = {}
        self.metas: dict[str, int] = {}
        self.panels: dict[tuple[int, int], int] = {}
        self.readouts: dict[str, int] = {}
        self.frames: dict[tuple[int, ...], int] = {}
        self.silenced: dict[int, tuple[int, int]] = {}
        self._webp: dict[bytes, str] = {}

    def frame(self, panels: Sequence[Any], line: str) -> int:
        row = [_put(self.readouts, line)]
        for panel in panels:
            content = self._drawing(panel.svg) if panel.drawn else self._picture(panel.rgba)
            meta = json.dumps(panel.layout, ensure_ascii=False)
            row.append(_put(self.panels, (content, _put(self.metas, meta))))
        return _put(self.frames, tuple(row))

    def _drawing(self, svg: str) -> int:
        pieces = []
        for part in PIECE.findall(svg):
            for k, bit in enumerate(DATA.split(part)):
                text = self._as_webp(base64.b64decode(bit)) if k % 2 else bit
                pieces.append(_put(self.pieces, text))
        return _put(self.contents, tuple(pieces))

    def _picture(self, pixels: Any) -> int:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "png", compress_level=0)
        data = self._as_webp(file.getvalue()).partition(",")[2]
        return _put(self.contents, _put(self.pictures, data))

    def _as_webp(self, png: bytes) -> str:
        key = hashlib.sha256(png).digest()
        if key not in self._webp:
            picture, file = Image.open(io.BytesIO(png)), io.BytesIO()
            if picture.mode == "RGBA" and picture.getextrema()[3][0] == 255:
                picture = picture.convert("RGB")
            few = picture.getcolors(256) is not None
            how = {"lossless": True, "exact": True} if few else {"quality": QUALITY}
            picture.save(file, "webp", method=4, **how)
            self._webp[key] = f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
        return self._webp[key]

    def silence(self, panels: Sequence[int]) -> None:
        """Panels that answer no click in the table: they do not look as if, and say where they do."""
        if not panels:
            return
        meant = {row[1 + k] for row in self.frames for k in panels if 1 + k < len(row)}
        metas = list(self.metas)
        for (content, number), panel in self.panels.items():
            meta = json.loads(metas[number])
            if panel in meant and meta["operable"]:
                meta |= {"operable": False, "caption": f"{meta['caption']} (in the notebook)"}
                self.silenced[panel] = (content, _put(self.metas, json.dumps(meta, ensure_ascii=False)))

    def tables(self) -> dict[str, Any]:
        return {
            "frames": [list(row) for row in self.frames],
            "panels": [list(self.silenced.get(k, panel)) for panel, k in self.panels.items()],
            "metas": [json.loads(meta) for meta in self.metas],
            "contents": [list(c) if isinstance(c, tuple) else c for c in self.contents],
            "pieces": list(self.pieces),
            "pictures": list(self.pictures),
            "readouts": list(self.readouts),
        }


def _put(table: dict[Any, int], key: Any) -> int:
    return table.setdefault(key, len(table))


# -------------------------------------------------------------------------------------------------- in the folder
def follows(kind: type) -> str:
    """A hash of what a bake follows from beside its lecture: the widget's own code, comments apart, and its plan with
    the helpers that it calls."""
    from tools import plans

    asked = plans.PLANS.get(kind.__name__, plans.each_alone)
    plan = _with_what_it_calls(_code(Path(inspect.getfile(asked))), asked.__name__)
    modules = {base.__module__ for base in kind.__mro__ if base.__module__.startswith("ssl_course.widgets.")}
    files = [Path(inspect.getfile(sys.modules[name])) for name in sorted(modules) if ".frame." not in name]
    trees = [*(_code(file) for file in files), ast.Module(plan, [])]
    return _hash("\n".join(_bare(tree) for tree in trees))


def _with_what_it_calls(module: ast.Module, name: str) -> list[ast.stmt]:
    """A function and those of its module that it uses, and those that they use, in the order of the file."""
    functions = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
    used, new = set(), {name}
    while new:
        used |= new
        new = {
            n.id for f in new for n in ast.walk(functions[f]) if isinstance(n, ast.Name)
        } & functions.keys() - used
    return [node for name, node in functions.items() if name in used]


@cache
def _code(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _bare(tree: ast.AST) -> str:
    """Code without docstrings; comments are none of it."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            if isinstance(body[0].value, ast.Constant) and isinstance(body[0].value.value, str):
                body[0].value.value = ""
    return ast.dump(tree)


def keep(folder: Path, src: Path) -> list[dict[str, Any]]:
    """Pack what a lecture's kernel has baked into ``assets/baked/NN/``; rows as in its index.

    A widget that could not be baked, or takes more than `LARGEST` bytes, is a row that says so: its picture stays.
    """
    from tools.build import digest

    if not (folder / "hooked").exists():
        raise RuntimeError(f"{src.stem}: its kernel did not import tools.bake, so that nothing is baked")
    place = place_of(src)
    rows, files = [], {}
    for file in sorted(folder.glob("*.json")):
        table = json.loads(file.read_text(encoding="utf-8"))
        packed = gzip.compress(file.read_bytes(), 9, mtime=0)
        if len(packed) > LARGEST:
            size = f"{len(packed):,} bytes packed, more than {LARGEST:,}"
            rows.append({"kind": table["kind"], "of": table["of"], "failed": size})
            continue
        files[f"{file.stem}.json.gz"] = packed
        rows.append(
            {
                "file": f"{file.stem}.json.gz",
                "kind": table["kind"],
                "of": table["of"],
                "shows": table["shows"],
            }
        )
        rows[-1] |= {"frames": len(table["frames"]), "bytes": len(packed), "controls": len(table["controls"])}
        rows[-1] |= {"notes": table["notes"]}
    for file in sorted(folder.glob("*.failed")):
        why = file.read_text(encoding="utf-8")
        print(f"{src.stem}, {file.stem}: {why}", file=sys.stderr)
        rows.append({"kind": file.stem[3:], "of": "", "failed": why.strip().rpartition("\n")[2]})
    if place.exists():
        shutil.rmtree(place)
    place.mkdir(parents=True)
    for name, packed in files.items():
        (place / name).write_bytes(packed)
    index = {"source": digest(src), "widgets": rows}
    text = json.dumps(index, ensure_ascii=False, indent=1) + "\n"
    (place / "index.json").write_text(text, encoding="utf-8", newline="\n")
    return rows


def place_of(src: Path) -> Path:
    """lectures/src/01_x.md → assets/baked/01."""
    return src.parents[2] / "assets" / "baked" / src.stem[:2]


def index_of(src: Path) -> dict[str, Any]:
    """What is baked of a lecture."""
    file = place_of(src) / "index.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"source": "", "widgets": []}


def stale(src: Path) -> str | None:
    """Why a lecture's bakes are out of step; None where they are not."""
    from ssl_course import widgets
    from tools.build import digest

    index = index_of(src)
    if not index["source"]:
        return "nothing is baked yet"
    if index["source"] != digest(src):
        return "the lecture's source changed after its widgets were baked"
    for row in index["widgets"]:
        if "failed" in row:
            return f"{row['kind']} could not be baked: {row['failed']}"
        kind = getattr(widgets, row["kind"], None)
        if kind is not None and follows(kind) != row["of"]:
            return f"{row['kind']} or its plan changed after it was baked"
    return None


def read(src: Path, file: str) -> dict[str, Any]:
    """A table as it was baked."""
    return json.loads(gzip.decompress((place_of(src) / file).read_bytes()))


def mount(page: str, src: Path, at: str) -> str:
    """HTML of an output, its figure with the address of the bake that was made beside it; else as it was."""
    shows = _hash(page)
    for row in index_of(src)["widgets"]:
        if row.get("shows") == shows:
            return page.replace(
                'class="ssl-figure"', f'class="ssl-figure" data-baked="{at}/{row["file"]}"', 1
            )
    return page


def main(arguments: Sequence[str] | None = None) -> int:
    """Bake the lectures that are out of step, and say how large it came out."""
    from tools import build

    parser = argparse.ArgumentParser(prog="python -m tools.bake", description=__doc__)
    parser.add_argument("names", nargs="*", help="lectures by name or number; all by default")
    parser.add_argument("--force", action="store_true", help="bake what is in step, too")
    parser.add_argument("--check", action="store_true", help="only say what is out of step")
    given = parser.parse_intermixed_args(arguments)
    code = 0
    try:
        for src in build.sources(given.names):
            why = stale(src)
            if given.check:
                print(f"{src.stem}: {why or 'in step'}", flush=True)
                code |= why is not None
            elif why or given.force:
                build.execute(build.read_source(src), build.notebook_of(src).parent, src.name, bakes=src)
                for row in index_of(src)["widgets"]:
                    if "failed" in row:
                        print(f"{src.stem[:2]} {row['kind']}: not baked, {row['failed']}", flush=True)
                        continue
                    size = f"{row['frames']:,} frames, {row['bytes'] / 1e3:,.0f} KB"
                    print(f"{src.stem[:2]} {row['kind']}: {size}", flush=True)
    except (ValueError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
