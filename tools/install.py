"""Install the course into ``.venv``, in the versions of ``requirements.txt``: ``python tools/install.py [--test]``.

What `make setup`, `make lab` and `make test` call. It needs no package, since it runs before there is any. The work is
uv's, the machine's own or one that pip puts into ``.venv``: it resolves what this machine needs (of PyTorch the build
for its GPU, or for none), and installs it, held to the digests of ``requirements.txt``.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ssl_course.doctor import unserved  # noqa: E402  the package is not installed yet

VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
UV_AT_LEAST = (0, 8)
SIZES = {"small": (0.4, 1.4), "CUDA": (3.2, 5.9)}  # GB to fetch, GB on disk: measured with PyTorch 2.14


def main() -> None:
    """The whole set-up; ends with 1 and a sentence where it cannot."""
    parser = argparse.ArgumentParser(description="Install the course into .venv.")
    parser.add_argument("--test", action="store_true", help="also what tests, tools and the site need")
    parser.add_argument("--lock", default="requirements.txt", help="versions; no file takes the newest")
    asked = parser.parse_args()
    try:
        if why := unserved():
            sys.exit(why)
        install(asked.test, ROOT / asked.lock)
    except KeyboardInterrupt:
        sys.exit("\nStopped. The same command goes on where it was.")
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error.stderr or ''}\nThis failed: {' '.join(map(str, error.cmd))}{_full()}")
    except OSError as error:
        sys.exit(f"{error}{_full()}")


def install(test: bool, lock: Path) -> None:
    """Make ``.venv`` where it is missing, and put into it what is missing there."""
    began = time.monotonic()
    shutil.rmtree(
        ROOT / "ssl_course.egg-info", ignore_errors=True
    )  # of the first edition: Python would believe its version
    if not os.access(VENV if VENV.exists() else ROOT, os.W_OK):
        sys.exit(f"{ROOT} cannot be written: copy the course to a folder of your own, and try there.")
    print("Looking for what the course needs ...", flush=True)
    uv = _uv()
    if not PYTHON.exists():
        _make_venv(uv)
    if not uv:
        _run(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv")
        uv = str(shutil.which("uv", path=str(BIN)))
    environment = {**os.environ, **_mirror(), "VIRTUAL_ENV": str(VENV)}
    with tempfile.TemporaryDirectory(prefix=".install-", dir=VENV) as scratch:
        cache = Path(_run(uv, "cache", "dir", env=environment).stdout.strip())
        if not _usable(cache):  # a home that is read-only
            environment["UV_CACHE_DIR"] = str(Path(scratch, "cache"))
        extra = ["--extra", "test"] if test else []
        pins, backend = _resolve(uv, extra, lock, environment)
        wanted = Path(scratch, "wanted.txt")
        wanted.write_text(_with_digests(pins, lock), encoding="utf-8")
        growth = _announce(pins)
        _install(
            [uv, "pip", "install", *backend, "--requirement", str(wanted), "--no-deps", "--editable", "."],
            growth, environment,
        )  # fmt: skip
    _point_here()
    print(f"Installed in {time.monotonic() - began:.0f} s. Next time this step is skipped.", flush=True)


def _run(*command: object, **options: object) -> subprocess.CompletedProcess[str]:
    words = [str(part) for part in command]
    return subprocess.run(words, cwd=ROOT, text=True, capture_output=True, **({"check": True} | options))  # type: ignore[call-overload, no-any-return]


def _uv() -> str:
    """The machine's uv, else the one in ``.venv``, where it is new enough; else ""."""
    for uv in (shutil.which("uv"), shutil.which("uv", path=str(BIN))):
        version = re.search(r"(\d+)\.(\d+)", _run(uv, "--version", check=False).stdout) if uv else None
        if uv and version and tuple(map(int, version.groups())) >= UV_AT_LEAST:
            return uv
    return ""


def _make_venv(uv: str) -> None:
    try:
        import ensurepip  # noqa: F401  Debian has it in a package of its own
    except ImportError:
        if not uv:
            sys.exit(
                f"'{sys.executable}' cannot make virtual environments, and there is no uv. On Debian and Ubuntu: "
                "sudo apt-get install python3-venv"
            )
        _run(uv, "venv", "--quiet", "--seed", "--python", sys.executable, VENV)
    else:
        _run(sys.executable, "-m", "venv", VENV)


def _mirror() -> dict[str, str]:
    """The package index that pip is told to use on this machine: uv does not read pip's settings."""
    if os.environ.keys() & {"UV_DEFAULT_INDEX", "UV_INDEX_URL"}:
        return {}
    told = _run(PYTHON, "-m", "pip", "config", "list", check=False).stdout
    settings = dict(re.findall(r"^(\S+)='(.*)'$", told, re.MULTILINE))
    names = (":env:.index-url", "install.index-url", "global.index-url")
    return next(({"UV_DEFAULT_INDEX": settings[name]} for name in names if name in settings), {})


def _usable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _resolve(
    uv: str, extra: list[str], lock: Path, environment: dict[str, str]
) -> tuple[list[str], list[str]]:
    """("name==version" of all that this machine needs, uv's option for the builds of PyTorch)."""
    command = [uv, "pip", "compile", "pyproject.toml", "--quiet", "--no-header", "--no-annotate", *extra]
    command += ["--python", str(PYTHON), *(["--constraint", str(lock)] if lock.is_file() else [])]
    backend = ["--torch-backend", os.environ.get("UV_TORCH_BACKEND", "auto")]
    soon = {"UV_HTTP_RETRIES": "1", "UV_HTTP_CONNECT_TIMEOUT": "5"}
    done = _run(*command, *backend, env=environment | soon, check=False)
    if done.returncode and "/whl/" in done.stderr:  # the address of PyTorch's own index has it
        print(
            "PyTorch's own index cannot be reached from here: its build in the general index is taken.",
            flush=True,
        )
        backend = []
        environment.pop("UV_TORCH_BACKEND", None)
        done = _run(*command, env=environment)
    done.check_returncode()
    return [line.partition(" ")[0] for line in done.stdout.splitlines() if "==" in line], backend


def _with_digests(pins: list[str], lock: Path) -> str:
    """A requirements file: each pin with the digests that the lock has for it.

    Builds of PyTorch's own index ("2.14.1+cpu") are other files, whose digests the lock does not know.
    """
    known: dict[str, str] = {}
    for entry in (
        (lock.read_text(encoding="utf-8") if lock.is_file() else "").replace("\\\n", " ").splitlines()
    ):
        known[re.split(r"[ ;]", entry, maxsplit=1)[0]] = " ".join(re.findall(r"--hash=\S+", entry))
    return "".join(f"{pin} {known.get(pin, '')}\n" for pin in pins)


def _announce(pins: list[str]) -> float:
    """Say what comes, how much it is and how long that takes; returns by how much it grows when it is unpacked."""
    torch = next((pin for pin in pins if pin.startswith("torch==")), "")
    cuda = any(pin.startswith("nvidia-") for pin in pins) or "+cu" in torch
    fetch, disk = SIZES["CUDA" if cuda else "small"]
    fresh = not any(
        path.is_dir()
        for place in ("lib/python*", "Lib")
        for path in VENV.glob(f"{place}/site-packages/torch")
    )
    if fresh and (free := shutil.disk_usage(VENV).free / 1e9) < disk:
        sys.exit(
            f"The installation takes about {disk:g} GB, and where .venv lies {free:.1f} GB are free: make room."
        )
    words = "with NVIDIA's CUDA" if cuda else "for the CPU"
    how = f"; about {fetch:g} GB to fetch ({8 * fetch / 0.1 / 60:.0f} min at 100 Mbit/s), {disk:g} GB on disk"
    print(f"{len(pins)} packages into .venv, PyTorch {words}{how if fresh else ''}.", flush=True)
    return disk / fetch


def _install(command: list[str], growth: float, environment: dict[str, str]) -> None:
    """Run uv, and draw one line of what it fetches from what it says."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment | {"NO_COLOR": "1"},
        text=True,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stderr is not None
    sizes: dict[str, float] = {}  # MB of what is announced; small packages are not
    fetched: set[str] = set()
    lines: list[str] = []

    def listen() -> None:
        for line in process.stderr:
            if match := re.match(r"Downloading (\S+) \(([\d.]+)([KMG])iB\)", line):
                sizes[match[1]] = float(match[2]) * {"K": 1e-3, "M": 1.05, "G": 1074}[match[3]]
            elif match := re.match(r" Downloaded (\S+)", line):
                fetched.add(match[1])
            else:
                lines.append(line)

    def waits() -> list[str]:
        return sorted(set(sizes) - fetched, key=lambda name: -sizes[name])

    # What is still on its way is seen by the room that it takes: uv unpacks while it fetches.
    cache = _run(command[0], "cache", "dir", env=environment).stdout.strip()
    before = shutil.disk_usage(cache).used
    began, ear = time.monotonic(), threading.Thread(target=listen)
    ear.start()
    try:
        while ear.is_alive():
            ear.join(0.5)
            if sys.stdout.isatty():
                grown = max(shutil.disk_usage(cache).used - before, 0) / 1e9
                line = _progress(sum(sizes.values()) * growth / 1e3, grown, waits(), time.monotonic() - began)
                print(f"\r\033[K{line[: shutil.get_terminal_size().columns - 1]}", end="", flush=True)
    except KeyboardInterrupt:
        process.terminate()
        raise
    finally:
        process.wait()
        if sys.stdout.isatty():
            print("\r\033[K", end="")
    if process.returncode:
        sys.exit(
            "".join(lines)
            + f"Not all could be installed; the same command goes on where this stopped.{_full()}"
        )


def _point_here() -> None:
    """The line by which Python finds the course, without letters that not every Python reads.

    It is written in UTF-8, and Python before 3.13 reads it in the encoding of the locale: on Windows it would look for
    another folder than C:/Users/Müller, and under LC_ALL=C it would not even start.
    """
    for line in VENV.glob("[Ll]ib/**/site-packages/_ssl_course.pth"):
        if not line.read_bytes().isascii():
            line.write_text(os.path.relpath(ROOT, line.parent), encoding="utf-8")


def _progress(total: float, grown: float, waits: list[str], seconds: float) -> str:
    """'fetching torch and 3 more · 0.9 of 1.5 GB · 21 s, about 14 s to go'; sizes as they lie on the disk."""
    if not total:
        return f"asking for packages · {seconds:.0f} s"
    if not waits:
        return f"{total:.1f} GB are here, moving them into place · {seconds:.0f} s"
    more = f" and {len(waits) - 1} more" if waits[1:] else ""
    done = min(grown, 0.99 * total)
    left = f", about {seconds * (total - done) / done:.0f} s to go" if done > 0.05 * total else ""
    return f"fetching {waits[0]}{more} · {done:.1f} of {total:.1f} GB · {seconds:.0f} s{left}"


def _full() -> str:
    """A sentence where the disk is full."""
    folder = VENV if VENV.exists() else ROOT
    return "\nThe disk is full: make room first." if shutil.disk_usage(folder).free < 2e8 else ""


if __name__ == "__main__":
    main()
