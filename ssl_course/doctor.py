"""What the course finds on this machine, and the command that mends what is missing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from typing import NamedTuple

from ssl_course import __version__
from ssl_course.browser import find_browser

_PACKAGES = ("anywidget", "ipywidgets", "jupyterlab", "jupyterlab-slideshow", "jupytext", "matplotlib", "nbval", "scikit-learn")


class Check(NamedTuple):
    """One line of the report; a missing part that is not required only costs what its line says."""

    name: str
    ok: bool
    found: str
    fix: str
    required: bool = True


def report() -> list[Check]:
    """All checks, in the order in which they should be mended."""
    install = "make setup   (or: pip install -e '.[test]' -c constraints.txt)"
    checks = [
        Check("Python", sys.version_info >= (3, 11), platform.python_version(), "install Python 3.11 or newer"),
        Check("ssl_course", True, __version__, ""),
    ]
    for name in _PACKAGES:
        version = _version(name)
        checks.append(Check(name, version is not None, version or "not installed", install))
    checks += _torch(install)
    path = find_browser()
    checks.append(Check("browser", path is not None, path or "none; only the tests need one", "python -m ssl_course.browser", False))
    free = shutil.disk_usage(".").free / 1e9
    checks.append(Check("disk", free > 2, f"{free:.0f} GB free", "make room: data sets and checkpoints need some", False))
    return checks + _data()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _torch(install: str) -> list[Check]:
    try:
        import torch
    except ImportError as error:
        return [Check("torch", False, str(error), install)]
    device = f"CPU, {os.cpu_count()} cores"
    if torch.cuda.is_available():
        device = f"{torch.cuda.get_device_name()} (CUDA {torch.version.cuda})"
    elif torch.backends.mps.is_available():
        device = "Apple GPU (mps)"
    checks = [Check("torch", True, torch.__version__, ""), Check("device", True, device, "")]
    try:
        import torchvision
    except Exception as error:  # an unmatched pair fails with whatever its C++ part raises
        fix = "reinstall both together: pip install --force-reinstall torch torchvision -c constraints.txt"
        return [*checks, Check("torchvision", False, f"does not match torch: {error}", fix)]
    return [*checks, Check("torchvision", True, torchvision.__version__, "")]


def _data() -> list[Check]:
    from ssl_course.data.catalog import available

    fix = 'load("{}") fetches it, or says where to put it by hand'
    return [Check(f'data "{k}"', p is not None, p or "not here yet", fix.format(k), False) for k, p in available().items()]
