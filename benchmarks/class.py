"""A class on one machine, measured: N scripted students at once on a real hub: ``sudo python benchmarks/class.py``.

Each logs in, starts a server, runs lecture 01 whole and then moves the slider of its last explorer twice a second. What
comes out: seconds to start and to run, from slider to frame the median and the 95th percentile, the share of late frames,
bytes a frame, and the memory of kernels and servers. Nothing else may run meanwhile.

    python benchmarks/class.py --students 5 10 20 30 --seconds 30 --json assets/results/class.json
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
from hub_user import HubUser, Kernel  # noqa: E402

from ssl_course.studies.recorded import command, machine  # noqa: E402
from tools import classroom  # noqa: E402

EVERY = 0.5  # seconds between two moves of a slider
LATE = 0.5  # a frame that comes after the next move is late


def memory(pid: int) -> dict[str, float]:
    """Megabytes of a process, all of it and what it shares with nobody."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    read = {name: int(value) / 1024 for name, value in re.findall(r"^(\w+):\s+(\d+) kB", text, re.M)}
    return {"resident": read["Rss"], "private": read["Private_Clean"] + read["Private_Dirty"]}


def processes(account: str) -> dict[str, list[int]]:
    """The kernels and the server of an account of the system, by their command lines."""
    import pwd

    uid, pids = pwd.getpwnam(account).pw_uid, {"kernel": [], "server": []}
    for place in Path("/proc").iterdir():
        try:
            if place.name.isdigit() and place.stat().st_uid == uid:
                line = (place / "cmdline").read_bytes().decode()
                kind = "kernel" if "ipykernel" in line else "server" if "singleuser" in line else None
                if kind:
                    pids[kind].append(int(place.name))
        except OSError:
            continue
    return pids


def middle(values: Sequence[float]) -> float:
    """The median, to the digits that are worth keeping."""
    return round(statistics.median(values), 4)


def last_slider(kernel: Kernel) -> str:
    """The last slider that the lecture has shown."""
    return [c for c, s in kernel.models.items() if "FloatSlider" in str(s.get("_model_name")) and "min" in s][
        -1
    ]


def play(kernel: Kernel, seconds: float) -> list[float]:
    """Move the slider to and fro; the seconds from each move to its frame."""
    slider, took = last_slider(kernel), []
    low, high = kernel.models[slider]["min"], kernel.models[slider]["max"]
    end, k = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        began, k = time.monotonic(), k + 1
        took.append(kernel.move(slider, low + (high - low) * (0.1 + 0.2 * (k % 5))))
        time.sleep(max(0.0, began + EVERY - time.monotonic()))
    return took


def measure(students: int, seconds: float, bar: Callable[[str], Any]) -> dict[str, Any]:
    """One class, from the hub's start to its end; every account and file of it is removed."""
    state, homes = (
        Path(tempfile.mkdtemp(prefix="class", dir=ROOT / "build")),
        Path(tempfile.mkdtemp(prefix="ssl-")),
    )
    for folder in (state, homes):
        folder.chmod(0o755)
    url, names = f"http://127.0.0.1:{8200 + students}", [f"b{k}x{os.getpid()}" for k in range(students)]
    environment = os.environ | {
        "SSL_COURSE_CLASS_STATE": str(state), "SSL_COURSE_CLASS_HOMES": str(homes), "SSL_COURSE_CLASS_URL": url,
        "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    modes = {
        part: part.stat().st_mode for part in (ROOT / "lectures", ROOT / "tests", ROOT / ".git")
    }  # the hub closes them
    argv = [
        str(classroom.VENV / "bin" / "jupyterhub"),
        "--config",
        str(ROOT / "deploy" / "jupyterhub_config.py"),
    ]
    with open(state / "hub.log", "w", encoding="utf-8") as log:
        hub = subprocess.Popen(argv, cwd=state, env=environment, stdout=log, stderr=log)
    try:
        with ThreadPoolExecutor(students) as pool:

            def all_at_once(what: Callable[[Any], Any], over: Sequence[Any]) -> tuple[list[Any], float]:
                began = time.monotonic()
                return list(pool.map(what, over)), round(time.monotonic() - began, 1)

            bar("hub")
            wait_for(hub, url, state)
            bar("log in")
            users = [HubUser(url, name, "a long password") for name in names]
            bar("servers")
            _, started = all_at_once(HubUser.start, users)
            kernels, _ = all_at_once(HubUser.kernel, users)
            book = nbformat.from_dict(users[0].file("lectures/01_desert_forest_sea.ipynb")["content"])
            home, set_up, *cells = [cell.source for cell in book.cells if cell.cell_type == "code"]
            bar("import")
            _, imported = all_at_once(lambda k: k.run(f"{home}\n{set_up}"), kernels)
            bar("lecture 01")
            _, lecture = all_at_once(lambda k: [k.run(cell) for cell in cells], kernels)
            running = [processes(f"ssl-{name}") for name in names]
            after = [memory(pid) for of in running for pid in of["kernel"]]
            servers = [memory(pid) for of in running for pid in of["server"]]
            bar("sliders")
            before = sum(kernel.bytes for kernel in kernels)
            frames, _ = all_at_once(lambda k: play(k, seconds), kernels)
            flat = sorted(second for of in frames for second in of)
            return {
                "students": students, "servers_start_s": started, "import_s": imported, "lecture_01_s": lecture,
                "frames": len(flat), "median_s": middle(flat), "p95_s": round(flat[int(0.95 * (len(flat) - 1))], 4),
                "late": round(sum(second > LATE for second in flat) / len(flat), 4),
                "bytes_a_frame": round((sum(kernel.bytes for kernel in kernels) - before) / len(flat)),
                "kernel_mb": {kind: round(middle([m[kind] for m in after])) for kind in ("resident", "private")},
                "server_mb": {kind: round(middle([m[kind] for m in servers])) for kind in ("resident", "private")},
            }  # fmt: skip
    finally:
        hub.terminate()
        try:
            hub.wait(120)
        except subprocess.TimeoutExpired:
            hub.kill()
        for name in names:
            subprocess.run(["userdel", "--remove", f"ssl-{name}"], capture_output=True)
        for folder in (state, homes):
            shutil.rmtree(folder, ignore_errors=True)
        for part, mode in modes.items():
            part.chmod(mode)


def wait_for(hub: subprocess.Popen, url: str, state: Path) -> None:
    """Until the hub answers.

    Raises:
        RuntimeError: it ended; the message is its own.
    """
    import urllib.request

    end = time.monotonic() + 120
    while True:
        try:
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}/hub/login", timeout=5)
            return
        except OSError:
            if hub.poll() is not None or time.monotonic() > end:
                raise RuntimeError((state / "hub.log").read_text()[-2000:]) from None
            time.sleep(0.3)


def main() -> None:
    """Measure, and write what was measured after each size of the class."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--students", type=int, nargs="+", default=[5, 10, 20, 30], help="at most 40")
    parser.add_argument("--seconds", type=float, default=30.0, help="of moving sliders")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "class.json")
    given = parser.parse_args()
    if max(given.students) > 40:
        parser.error("at most 40 students: this is a measurement, not an attack")
    classroom.ensure()
    rows = []
    with tqdm(given.students, desc="classes") as bar:
        for students in bar:
            rows.append(
                measure(
                    students,
                    given.seconds,
                    lambda what, n=students: bar.set_postfix_str(f"{n} students: {what}"),
                )
            )
            about = {"command": command(), "machine": machine(), "results": rows}
            given.json.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
            print(json.dumps(rows[-1]))


if __name__ == "__main__":
    main()
