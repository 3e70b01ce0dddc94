"""What every widget stands on; anywidget lives only here. Modules of this room import each other by name."""

from ssl_course.widgets.frame import draw
from ssl_course.widgets.frame.canvas import Frame, Key, Panel, Pointer
from ssl_course.widgets.frame.explorer import Explorer

__all__ = ["Explorer", "Frame", "Key", "Panel", "Pointer", "draw"]
