"""The environment of the hub and of the graders: ``python -m tools.classroom``.

build/class-venv looks into the course's own environment for all else. Students' accounts run its Python too, so where
ours lies in root's home it is made from another one of the same version.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tools.build import ROOT

VENV = ROOT / "build" / "class-venv"
PROXY = VENV / "node" / "node_modules" / ".bin" / "configurable-http-proxy"
WANTED = ROOT / "deploy" / "requirements.txt"
NOBODY = 65534


def others_can_run(python: str | Path) -> bool:
    """Whether an account without rights can run this Python; on systems without such accounts, whether we can."""
    rights = (
        {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        if os.name == "posix" and os.geteuid() == 0
        else {}
    )
    try:
        done = subprocess.run([str(python), "-c", "import math, ssl"], capture_output=True, cwd="/", **rights)
    except OSError:
        return False
    return done.returncode == 0


def python_for_all() -> Path:
    """This Python, or one of the same version that others can run.

    Raises:
        RuntimeError: there is none; the message says what to do.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    own = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    for python in (own, Path(f"/usr/bin/python{version}"), Path(f"/usr/local/bin/python{version}")):
        if python.is_file() and others_can_run(python):
            return python
    raise RuntimeError(
        f"Students' accounts cannot run {own}: it lies where only its owner may look. Install Python {version} for all "
        f"users (on Debian and Ubuntu: sudo apt-get install python{version}), or make .venv from another Python."
    )


def ensure() -> Path:
    """Make the environment where it is missing or out of date; returns its Python.

    Raises:
        RuntimeError: something could not be installed; the message says what.
    """
    python, stamp = VENV / "bin" / "python", VENV / ".stamp"
    digest = hashlib.sha256(WANTED.read_bytes() + Path(__file__).read_bytes()).hexdigest()
    if not (stamp.is_file() and stamp.read_text() == digest and others_can_run(python)):
        shutil.rmtree(VENV, ignore_errors=True)
        _run([str(python_for_all()), "-m", "venv", "--without-pip", str(VENV)])
        here = sysconfig.get_path("purelib")
        (there,) = VENV.glob("lib/python*/site-packages")
        (there / "course.pth").write_text(f"import site; site.addsitedir({here!r})\n{ROOT}\n")
        _run([
            sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--disable-pip-version-check",
            "--requirement", str(WANTED), "--constraint", str(ROOT / "constraints.txt"),
        ])  # fmt: skip
        # graders are used from the command line: no buttons of theirs in a student's JupyterLab
        shutil.rmtree(VENV / "share/jupyter/labextensions", ignore_errors=True)
        (VENV / "etc/jupyter/jupyter_server_config.d/nbgrader.json").unlink(missing_ok=True)
        for part in ("share/jupyter", "etc/jupyter"):
            _look_into(Path(sys.prefix) / part, VENV / part)
        stamp.write_text(digest)
    if not PROXY.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError(
                "JupyterHub's proxy comes from npm, which is not here: install Node.js with npm."
            )
        PROXY.parents[2].mkdir(exist_ok=True)
        _run(
            [
                npm,
                "install",
                "--silent",
                "--no-fund",
                "--no-audit",
                "--prefix",
                str(PROXY.parents[2]),
                "configurable-http-proxy@5",
            ]
        )
    return python


def git_settings(python: str | Path) -> dict[str, str]:
    """Environment in which git, so nbgitpuller, merges students' notebooks cell by cell (`ssl_course.unpack.merge`)."""
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "merge.ssl-course.driver",
        "GIT_CONFIG_VALUE_0": f"'{python}' -m ssl_course merge %O %A %B",
    }


def _look_into(course: Path, own: Path) -> None:
    """JupyterLab with its widgets and slides, and the templates of nbconvert, as the course's environment has them."""
    own.mkdir(parents=True, exist_ok=True)
    for there in course.iterdir():
        here = own / there.name
        if here.is_dir() and not here.is_symlink():
            _look_into(there, here)
        elif not here.exists():
            here.symlink_to(there)


def _run(argv: list[str]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv[:4])} …: {(done.stderr or done.stdout).strip()[-600:]}")


def main() -> int:
    """Print the environment's Python, or why there is none."""
    try:
        print(ensure())
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
