"""Where a slider's handle can stand: the browser moves it there as soon as it shows the slider."""

import math

import ipywidgets


def settle(control: ipywidgets.Widget) -> None:
    """Put a slider where the browser will; else its first value would not be the one that Reset brings back.

    Other controls stay as they are. The arithmetic is noUiSlider's, to the last bit.
    """
    log = isinstance(control, ipywidgets.FloatLogSlider)
    if not (log or isinstance(control, ipywidgets.IntSlider | ipywidgets.FloatSlider)):
        return
    low, width = control.min, control.max - control.min
    at = math.log(control.value) / math.log(control.base) if log else control.value
    if not control.step or width <= 0:
        return
    percent = 100 * (at - low) / width
    if percent < 100:  # the end can be held, on a step or not
        step = 100 * control.step / width
        percent = math.floor(percent / step + 0.5) * step
    held = percent * width / 100 + low if percent < 100 else control.max
    if log:
        held = control.base ** max(held, low)
    elif isinstance(control, ipywidgets.IntSlider):
        held = math.floor(held + 0.5)
    control.value = held
