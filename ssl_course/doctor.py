"""``ssl-course doctor``: what the course needs, what is there, and the command that mends the rest."""

import functools
import importlib
import importlib.metadata
import platform
import re
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from ssl_course import __version__, assets

INSTALL = (
    "make setup  (with conda: conda env update -f environment.yml)"
    if assets.checkout()
    else "install the course's wheel again: python -m pip install --force-reinstall ssl_course-….whl"
)
DRIVER = "update the NVIDIA driver, or install a build of torch for it"
FETCH = """python -c "from ssl_course.data import load; load('{name}')\""""


@dataclass(frozen=True)
class Check:
    """One line of the report. ``fix`` is the command that mends it where it is not ``ok``."""

    name: str
    ok: bool
    seen: str
    fix: str = ""
    required: bool = True


_optional = functools.partial(Check, required=False)


def unserved() -> str:
    """Why PyTorch is not made for this machine, and what to do instead; "" where it is."""
    system, library, version = platform.system(), *platform.libc_ver()
    if system == "Darwin" and platform.machine() == "x86_64":
        why = "Macs with an Intel processor"
    elif system == "Windows" and "arm64" in sysconfig.get_platform():
        why = "Python for Windows on ARM (a Python for x64 runs there, too)"
    elif system == "Linux" and library != "glibc":
        why = "a Linux without glibc, such as Alpine"
    elif system == "Linux" and tuple(int(part) for part in version.split(".")[:2]) < (2, 28):
        why = f"a Linux with a glibc older than 2.28 (here it is {version})"
    else:
        return ""
    return f"PyTorch is not made for {why}. Use the course on Colab, on a hub, or as its web edition."


def report() -> list[Check]:
    """Look at Python, packages, device, disk, browser and data sets. Changes nothing, downloads nothing."""
    return [
        _python(),
        _machine(),
        *_packages(),
        _files(),
        _jupyterlab(),
        *_device(),
        _disk(),
        *_browser(),
        *_data_sets(),
    ]


def show(checks: list[Check]) -> str:
    """The report as text: one line for each check, and under it the command that mends what is missing."""
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        word = "ok  " if check.ok else "FAIL" if check.required else "none"
        lines.append(f"{word}  {check.name:<{width}}  {check.seen}")
        if not check.ok and check.fix:
            lines.append(f"      {'':<{width}}  -> {check.fix}")
    missing = sum(check.required and not check.ok for check in checks)
    lines.append("")
    lines.append("Everything the lectures need is here." if not missing else f"{missing} required: missing.")
    return "\n".join(lines)


def _python() -> Check:
    fix = "install Python 3.11 or newer, remove .venv, and: make setup PYTHON=python3.11"
    return Check("python", sys.version_info >= (3, 11), f"{sys.version.split()[0]} in {sys.prefix}", fix)


def _machine() -> Check:
    return Check("machine", not unserved(), f"{platform.system()} {platform.machine()}", unserved())


def requirements() -> dict[str, bool]:
    """Names of the packages that pyproject.toml asks for, as installed; True where the lectures need them."""
    wanted = importlib.metadata.requires("ssl_course") or []
    return {re.split(r"[^\w.-]", line, maxsplit=1)[0]: "extra ==" not in line for line in wanted}


def _files() -> Check:
    """Lectures, networks and results: in the checkout, or inside the package where a wheel brought them."""
    try:
        root = assets.root()
    except FileNotFoundError as error:
        return Check("the course's files", False, str(error), INSTALL)
    kind = "a checkout" if assets.checkout() else "from a wheel"
    return Check("the course's files", True, f"{root} ({kind})")


def _packages() -> list[Check]:
    try:
        wanted = requirements()
    except importlib.metadata.PackageNotFoundError:
        return [Check("ssl_course", False, "not installed in this Python", INSTALL)]
    checks, lost = [Check("ssl_course", True, __version__)], []
    for name, needed in wanted.items():
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            if needed:
                checks.append(Check(name, False, "missing", INSTALL))
            else:
                lost.append(name)
            continue
        if needed or assets.checkout():  # a wheel brings no tests
            checks.append(Check(name, True, version, required=needed))
    if lost and assets.checkout():
        many = f"{', '.join(lost[:3])}{', …' if lost[3:] else ''}: missing (only tests and tools need them)"
        checks.append(_optional("for tests", False, many, "make test adds them, and runs the tests"))
    return checks


def _jupyterlab() -> Check:
    """The slides are a prebuilt extension: installed is not enough, JupyterLab must also see its files."""
    try:
        from jupyter_core.paths import jupyter_path
    except ImportError:
        return Check("slides in JupyterLab", False, "no Jupyter", INSTALL)
    places = [Path(p) / "labextensions" / "jupyterlab-slideshow" for p in jupyter_path()]
    place = next((p for p in places if (p / "package.json").is_file()), None)
    return Check("slides in JupyterLab", bool(place), str(place or "extension not found"), INSTALL)


def _device() -> list[Check]:
    try:
        torch = importlib.import_module("torch")
    except (ImportError, OSError) as error:  # OSError: a library of the CUDA build is missing or broken
        return [Check("torch runs", False, f"{type(error).__name__}: {error}", INSTALL)]
    checks = [Check("torch runs", True, f"{torch.get_num_threads()} threads on the CPU")]
    try:
        importlib.import_module("torchvision")
    except Exception as error:  # a build that does not match torch fails with whatever its C++ part raises
        fix = "python -m pip install --force-reinstall torch torchvision"
        checks.append(Check("torchvision runs", False, f"does not match torch: {error}", fix))
    else:
        checks.append(Check("torchvision runs", True, "matches torch"))
    return [*checks, _gpu(torch)]


def _gpu(torch: ModuleType) -> Check:
    if torch.cuda.is_available():
        from ssl_course.training.fabric import gpu_fault

        names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        seen, why = f"{names} (CUDA {torch.version.cuda})", gpu_fault()
        return _optional("gpu", not why, f"{seen}, but it does not compute: {why}" if why else seen, DRIVER)
    if torch.backends.mps.is_available():
        return _optional("gpu", True, "Apple (mps)")
    if shutil.which("nvidia-smi"):
        return _optional("gpu", False, "there, but this build of torch cannot use it", DRIVER)
    return _optional("gpu", False, "none; every lecture runs on the CPU")


def _disk() -> Check:
    """Room in the current folder. Only told, never required: what needs much room may lie elsewhere."""
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    fix = "make room: notebooks, reports and downloaded data need about 1 GB"
    return _optional("disk", free >= 1, f"{free:.1f} GB free here", fix)


def _browser() -> list[Check]:
    """Only the tests want a browser to drive, and only a checkout has tests."""
    if assets.checkout() is None:  # another package may be called tools
        return []
    try:
        from tools import browser
    except ImportError:
        return []
    try:
        path = browser.find_browser()
    except FileNotFoundError as error:
        return [_optional("browser for tests", False, str(error), "unset CHROMIUM, or correct it")]
    fix = f"{sys.executable} -m tools.browser ensure"
    return [_optional("browser for tests", path is not None, path or "none", fix)]


def _data_sets() -> list[Check]:
    try:
        from ssl_course.data import catalog

        where = catalog.available()
    except (ImportError, OSError) as error:  # reported above with its fix
        return [_optional("data sets", False, f"cannot look: {error}", INSTALL)]
    return [
        _optional(f"data: {name}", bool(place), place or "not on this machine", FETCH.format(name=name))
        for name, place in where.items()
    ]
