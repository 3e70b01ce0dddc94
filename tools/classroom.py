"""The environment of the hub and of the graders, and what students find there: ``python -m tools.classroom``.

build/class-venv looks into the course's own environment for all else. Students' accounts run its Python too, so where
ours lies in root's home it is made from another one of the same version.
"""

from __future__ import annotations

import compileall
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from tools.build import ROOT

VENV = ROOT / "build" / "class-venv"
PROXY = VENV / "node" / "node_modules" / ".bin" / "configurable-http-proxy"
WANTED = ROOT / "deploy" / "requirements.txt"
NOBODY = 65534


def _as(user: int, group: int) -> dict[str, Any]:
    """What makes a program of root's run with another account's rights; nothing where we are not root."""
    root = os.name == "posix" and os.geteuid() == 0
    return {"user": user, "group": group, "extra_groups": []} if root else {}


def others_can_run(python: str | Path) -> bool:
    """Whether an account without rights can run this Python; on systems without such accounts, whether we can."""
    command = [str(python), "-c", "import math, ssl"]
    try:
        done = subprocess.run(command, capture_output=True, cwd="/", **_as(NOBODY, NOBODY))
    except OSError:
        return False
    return done.returncode == 0


def python_for_all() -> Path:
    """This Python, or one of the same version that others can run; where there is none, this one: no hub then."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    own = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    others = [own, Path(f"/usr/bin/python{version}"), Path(f"/usr/local/bin/python{version}")]
    return next((python for python in others if python.is_file() and others_can_run(python)), own)


def ensure() -> Path:
    """Make the environment where it is missing or out of date; returns its Python.

    Raises:
        RuntimeError: something could not be installed; the message says what.
    """
    python, stamp = VENV / "bin" / "python", VENV / ".stamp"
    digest = hashlib.sha256(WANTED.read_bytes()).hexdigest()
    if not (stamp.is_file() and stamp.read_text() == digest and python.exists()):
        shutil.rmtree(VENV, ignore_errors=True)
        _run([str(python_for_all()), "-m", "venv", "--without-pip", str(VENV)])
        here = sysconfig.get_path("purelib")
        (there,) = VENV.glob("lib/python*/site-packages")
        (there / "course.pth").write_text(f"import site; site.addsitedir({here!r})\n{ROOT}\n")
        # pip knows constraints, but none with digests
        lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
        pins = VENV / "pins.txt"
        pins.write_text(re.sub(r" \\\n +--hash=\S+", "", lock), encoding="utf-8")
        _run([
            sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--disable-pip-version-check",
            "--requirement", str(WANTED), "--constraint", str(pins),
        ])  # fmt: skip
        # graders are used from the command line: no buttons of theirs in a student's JupyterLab
        shutil.rmtree(VENV / "share/jupyter/labextensions", ignore_errors=True)
        (VENV / "etc/jupyter/jupyter_server_config.d/nbgrader.json").unlink(missing_ok=True)
        for part in ("share/jupyter", "etc/jupyter"):
            _look_into(Path(sys.prefix) / part, VENV / part)
        _compile(Path(here))
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


def git_settings(file: Path, python: str | Path, trusted: Path | str = "") -> dict[str, str]:
    """Write settings with which git, so nbgitpuller, merges students' notebooks cell by cell (`ssl_course.unpack.merge`).

    Args:
        file: of the settings.
        python: one in which the course is installed.
        trusted: a repository of another's that may be pulled from.

    Returns:
        Environment in which git reads them.
    """
    safe = f'[safe]\n\tdirectory = "{trusted}"\n' if trusted else ""
    driver = f"'{python}' -m ssl_course merge %O %A %B"
    file.write_text(
        f'[merge "ssl-course"]\n\tname = cell by cell\n\tdriver = "{driver}"\n{safe}', encoding="utf-8"
    )
    return {"GIT_CONFIG_SYSTEM": str(file)}


def _look_into(course: Path, own: Path) -> None:
    """JupyterLab with its widgets and slides, and the templates of nbconvert, as the course's environment has them."""
    own.mkdir(parents=True, exist_ok=True)
    for there in course.iterdir():
        here = own / there.name
        if here.is_dir() and not here.is_symlink():
            _look_into(there, here)
        elif not here.exists():
            here.symlink_to(there)


def prepare(state: Path) -> None:
    """What students of the hub find, below the folder ``state``, which all may enter.

    course/ has the library, networks and results, without solutions; lectures.git the notebooks, as a branch that each
    student's server pulls when it starts.
    """
    from tools import handout  # nbformat; not needed to install

    state.mkdir(parents=True, exist_ok=True)
    handout.edition(state / "fresh")
    bare, fresh = state / "lectures.git", state / "fresh"
    if not bare.exists():
        handout.git(state, "init", "--quiet", "--bare", "--initial-branch=lectures", str(bare))
    (fresh / "lectures" / ".gitattributes").write_text(handout.ATTRIBUTES, encoding="utf-8")
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER")
           for what, value in (("NAME", "ssl-course"), ("EMAIL", "class@localhost"))}  # fmt: skip
    handout.commit_folder(bare, fresh / "lectures", "refs/heads/lectures", "The lectures", **who)
    shutil.rmtree(state / "course", ignore_errors=True)
    compileall.compile_dir(
        fresh / "ssl_course", quiet=2, stripdir=str(fresh), prependdir=str(state / "course")
    )
    fresh.rename(state / "course")
    for path in [state, *state.rglob("*")]:
        if "private" not in path.parts:
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))


def _compile(packages: Path) -> None:
    """Bytecode for all: students may not write there, so each of their kernels would compile PyTorch for itself."""
    owner = packages.stat()  # who installed them must be able to remove them: not root, under sudo
    command = [sys.executable, "-m", "compileall", "-qq", "-j", "0", str(packages)]
    # Some packages carry files that are no Python of this version; what cannot be compiled is left.
    subprocess.run(command, cwd="/", **_as(owner.st_uid, owner.st_gid))


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
