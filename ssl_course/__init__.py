"""Self-supervised learning by hand. Start with `ssl-course lab`, or `make lab` in a checkout.

Nothing heavy is imported here: torch, matplotlib and ipywidgets come in with the modules that use them.
"""

import os
import sys

# Threads that have nothing to do sleep. By default they spin, and on cores that are shared (a hub, a laptop
# that is busy) they take the time of those that work. The OpenMP of torch reads it when torch is loaded, so
# it stands in what is imported first. What is set already stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.2.0.dev0"

NEW_ONE = (
    "A notebook that asks for it is from another edition of the course: open the lecture anew "
    "(ssl-course lab, or make lab; on a hub, start your server again). What you wrote stays in this notebook."
)


class _OtherEdition(ImportError):
    """An import of what this edition does not have: a notebook prints what to do, and no traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class _Gone:
    """Asked last of all, so only for modules that are nowhere; no ModuleNotFoundError, since
    ``from ssl_course import x`` would hide that."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name.startswith("ssl_course."):
            raise _OtherEdition(f"ssl_course {__version__} has no {name}. {NEW_ONE}", name=name)


sys.meta_path.append(_Gone)
