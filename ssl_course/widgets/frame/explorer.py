"""What every widget of the course is made of: labelled controls, a pure ``render``, a canvas, a Reset."""

import base64
import html
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import ipywidgets

from ssl_course.course import themes
from ssl_course.course.lecture import live_view
from ssl_course.widgets.frame import draw, paint, svg
from ssl_course.widgets.frame.canvas import Canvas, Key, Panel, Pointer
from ssl_course.widgets.frame.slider import settle


def answer_while_busy(widget: ipywidgets.Widget) -> None:
    """Lets what the browser says to this widget in even while a cell runs.

    JupyterLab addresses it to a subshell, a thread beside the cells. But ipykernel (7.4) sends it on to the
    shell from which the widget last spoke, and if that was a cell, it waits for the cells.
    Forget who spoke last.
    """
    if widget.comm is not None:
        vars(widget.comm).pop("_reply_subshell_id", None)


def _boxed(children: Sequence[ipywidgets.Widget], kind: str) -> ipywidgets.HBox:
    return ipywidgets.HBox(children, _dom_classes=(kind,))


class Explorer(ipywidgets.VBox):
    """A widget: rows of controls, pictures that follow them, and a line that says what they show.

    A subclass builds its controls and whatever else it needs, calls ``super().__init__`` last, and defines

        @staticmethod
        def render(state, **values): ...   # -> [Panel, ...]  or  ([Panel, ...], "a line of HTML")

    ``render`` is pure: the same state and values give the same bytes, and it touches no control. So a test
    can call it for every value of every control, and compare its bytes with the pixels in a browser.

    Callbacks may come from another thread (JupyterLab delivers them while a cell is still busy). Only one
    thread renders at a time, always the newest values; the others leave at once, and pictures that nobody
    would see are never made.

    Args:
        controls: name → ipywidget with a ``value`` and a description. The names are arguments of ``render``.
        state: whatever ``render`` needs besides the values; kept as ``self.state``.
        hidden: name → value at the start, for values that have no control and are moved by ``set`` only, such
            as the place of the last click.
        rows: names of the controls, group by group: what is in one group stays side by side where there is
            room.
        actions: label → function without arguments, a button each; it usually calls ``set``.
    """

    def __init__(
        self,
        controls: Mapping[str, ipywidgets.Widget],
        *,
        state: Any = None,
        hidden: Mapping[str, Any] | None = None,
        rows: Sequence[Sequence[str]] | None = None,
        actions: Mapping[str, Callable[[], None]] | None = None,
    ) -> None:
        self.state = state
        self.controls = dict(controls)
        self._hidden = dict(hidden or {})
        rows = [list(self.controls)] if rows is None else [list(row) for row in rows]
        self._check(rows)
        for control in self.controls.values():
            settle(control)
        self.defaults = self.values()
        self.error: Exception | None = None
        self._lock = threading.Lock()  # guards the four below; never held while rendering
        self._wanted = self._drawn = 0
        self._rendering = False
        self._held = 0

        self.canvas = Canvas(self._on_events)
        self.reset_button = self.button("Reset", self.reset, "Put every control back to its start")
        self.action_buttons = {label: self.button(label, act) for label, act in (actions or {}).items()}
        for control in self.controls.values():
            if control.has_trait("style") and control.style.has_trait("description_width"):
                control.style.description_width = "initial"
            if isinstance(control, ipywidgets.Checkbox):
                control.indent = False  # else an empty label stands before it
            if control.has_trait("tooltip") and control.tooltip is None:
                control.tooltip = control.description  # ipywidgets would show "null"
            control.observe(self._on_change, names="value")
        groups = [[self.controls[name] for name in row] for row in rows if row] or [[]]
        last = [*groups[-1], *self.action_buttons.values(), self.reset_button]
        groups[-1] = [*last[:-2], _boxed(last[-2:], "ssl-end")]  # however narrow: Reset has company
        boxes = [_boxed(group, "ssl-group") for group in groups]
        super().__init__([_boxed(boxes, "ssl-controls"), self.canvas], _dom_classes=("ssl-explorer",))
        self._wanted = 1
        self._draw_once()  # an error in the first picture is an error of the cell
        for widget in [*self.controls.values(), *self.action_buttons.values(), self.reset_button]:
            answer_while_busy(widget)

    def _check(self, rows: list[list[str]]) -> None:
        shown = [name for row in rows for name in row]
        if sorted(shown) != sorted(self.controls):
            raise ValueError(f"rows must name each control once: {list(self.controls)}, not {shown}")
        for name, control in self.controls.items():
            if not control.has_trait("value"):
                kind = type(control).__name__
                raise TypeError(f"the control {name!r} ({kind}) has no value; make a button an action")
            if not getattr(control, "description", ""):
                raise ValueError(f"the control {name!r} has no description: everybody needs its label")
        if both := self._hidden.keys() & self.controls.keys():
            raise ValueError(f"{sorted(both)} are both controls and hidden")

    def button(self, label: str, action: Callable[[], None], tip: str | None = None) -> ipywidgets.Button:
        """A button that does this; an error in it becomes the line under the pictures."""
        button = ipywidgets.Button(description=label, tooltip=tip)
        button.on_click(lambda _: self.attempt(action))
        return button

    def add(self, button: ipywidgets.Widget) -> None:
        """A further button, before the end of the controls."""
        group = self.children[0].children[-1]
        group.children = (*group.children[:-1], button, group.children[-1])

    def fold(self, row: int, words: str) -> None:
        """Hide a row of controls until a button with these words, at the end of the row before, is on."""
        before, seldom = self.children[0].children[row - 1 : row + 1]
        button = ipywidgets.ToggleButton(description=words, tooltip="Show or hide them")
        button.add_class("ssl-more")
        before.children = (*before.children, button)
        seldom.add_class("ssl-seldom")

    # What a subclass defines
    @staticmethod
    def render(state: Any, **values: Any) -> Any:
        """The panels for these values, or (panels, a line of HTML). Pure."""
        raise NotImplementedError("a subclass defines render(state, **values)")

    def on_pointer(self, event: Pointer) -> None:
        """A stroke on a panel: change values, never draw."""

    def on_key(self, event: Key) -> None:
        """An arrow, Enter or Space on the focused panel: change values, never draw."""

    # What a subclass and the student use
    def values(self) -> dict[str, Any]:
        """The current value of every control, and the hidden ones."""
        return {name: control.value for name, control in self.controls.items()} | self._hidden

    @property
    def panels(self) -> list[Panel]:
        """The panels on the screen."""
        return self.canvas.panels

    @property
    def readout(self) -> str:
        """The line of HTML under the pictures."""
        return self.canvas.readout

    def reset(self) -> None:
        """Every value, hidden ones too, back to the start."""
        self.set(**self.defaults)

    def set(self, **values: Any) -> None:
        """Several values at once, and one new picture."""
        if unknown := values.keys() - self.defaults.keys():
            raise ValueError(f"no value {sorted(unknown)}; there are {list(self.defaults)}")
        with self.together():
            for name, value in values.items():
                if name in self.controls:
                    self.controls[name].value = value
                elif self._hidden[name] != value:
                    with self._lock:
                        self._hidden = self._hidden | {name: value}
                        self._wanted += 1

    def show(self, state: Any) -> None:
        """Another state, and its picture; from any thread."""
        with self._lock:
            self.state = state
            self._wanted += 1
        self._refresh()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Changes inside give one new picture at the end."""
        with self._lock:
            self._held += 1
        try:
            yield
        finally:
            with self._lock:
                self._held -= 1
            self._refresh()

    def png(self) -> bytes:
        """All panels, their captions, the settings and the line below, as one PNG, where no SVG is shown."""
        return paint.still(self._sheet())

    def _sheet(self) -> paint.Sheet:
        words = f"{self._settings()}\n{paint.plain(self.readout)}".strip()
        return paint.lay_out(self.panels, words)

    # Newest only
    def _on_change(self, change: Any) -> None:
        answer_while_busy(change["owner"])
        with self._lock:
            self._wanted += 1
        self._refresh()

    def _refresh(self) -> None:
        """Draw until the picture is that of the newest values, unless another thread is doing so already."""
        while True:
            with self._lock:
                if self._rendering or self._held or self._drawn == self._wanted:
                    return
                self._rendering = True
            try:
                self.attempt(self._draw_once)
            finally:
                with self._lock:
                    self._rendering = False

    def _draw_once(self) -> None:
        """One picture of the values as they are now."""
        with self._lock:
            number = self._wanted
        try:
            frame = type(self).render(self.state, **self.values())
        finally:
            with self._lock:
                self._drawn = number  # of failing values, too: one message for each, not a loop
        panels, line = frame if isinstance(frame, tuple) else (frame, "")
        self.error = None
        self.canvas.show(panels, line)
        answer_while_busy(self.canvas)

    def attempt(self, action: Callable[[], None]) -> None:
        """Run it; an error becomes the line under the pictures: callbacks have no cell to show it in."""
        try:
            action()
        except Exception as error:
            self.error = error
            where = traceback.extract_tb(error.__traceback__)[-1]
            text = html.escape(f"{type(error).__name__}: {error}")
            place = html.escape(f"{where.name}, line {where.lineno}")
            line = f"<b>The widget stumbled.</b> {text} <small>({place})</small>"
            self.canvas.show(self.canvas.panels, f'<span class="ssl-error">{line}</span>')

    def _on_events(self, events: list[Pointer | Key]) -> None:
        def handle() -> None:
            with self.together():
                for event in events:
                    (self.on_key if isinstance(event, Key) else self.on_pointer)(event)

        self.attempt(handle)

    # The picture that stays behind
    _ipython_display_ = None  # ipywidgets 7 shows itself by it, and leaves no picture

    def _settings(self) -> str:
        """The controls and their values in words: "λ: 0.5 · tell me Y: no"."""
        parts = []
        for control in self.controls.values():
            value = getattr(control, "label", None) or control.value
            if isinstance(value, bool):
                value = "yes" if value else "no"
            elif isinstance(value, float):
                value = f"{value:.3g}"
            parts.append(f"{control.description.rstrip(': ')}: {draw.short(str(value), 300)}")
        return "   ·   ".join(parts)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The live widget; for pages without a kernel, its picture and how to bring it alive."""
        data: dict[str, Any] = live_view(self)
        there = self._sheet()
        alt = " ".join(panel.alt for panel in self.panels)
        data["text/plain"] = f"{type(self).__name__}. Run this cell to use the widget."
        data["text/html"] = themes.figure(svg.sheet(there), alt, there.width)
        data["image/png"] = base64.b64encode(self.png()).decode()
        _, colab = self.canvas._repr_mimebundle_() or ({}, {})  # where Colab finds what draws a canvas
        return data, colab | {"image/png": {"width": there.width, "height": there.height}}
