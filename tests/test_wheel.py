"""The wheel as a student gets it: installed outside the checkout, by another, into a folder that nobody can write."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import jupyterlab.commands
import pytest
from jupyterlab_server.settings_utils import get_settings

from ssl_course import __version__

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = "share/jupyter/lab/settings"  # where JupyterLab looks for those of its own Python
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights on files, and takes conda"),
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        folder,
        ROOT,
    ]
    subprocess.run(build, check=True, env=os.environ | {"PIP_NO_INDEX": "1"})
    (path,) = folder.iterdir()
    print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")
    return path


def test_the_wheel_carries_what_it_teaches_with_and_no_more(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    carried = {n.removeprefix("ssl_course/_carried/") for n in names if "/_carried/" in n}
    pictures = {f"assets/{p.name}" for p in ROOT.glob("assets/*.png")}  # of the README
    here = {p.relative_to(ROOT).as_posix() for p in ROOT.glob("assets/**/*") if p.is_file()} - pictures
    here = {name for name in here if not name.startswith("assets/baked/")}  # of the site
    assert {Path(n).parent.name for n in here} >= {"checkpoints", "results", "jupyter"}
    lectures = {p.relative_to(ROOT).as_posix() for p in ROOT.glob("lectures/*.*") if p.is_file()}
    assert carried == here | lectures
    package = {p.relative_to(ROOT).as_posix() for p in (ROOT / "ssl_course").rglob("*") if p.is_file()}
    assert {
        n for n in package if "__pycache__" not in n
    } <= names  # scripts and style sheets of widgets included
    outside = {n for n in names if not n.startswith(("ssl_course/", f"ssl_course-{__version__}.dist-info/"))}
    assert outside == {f"ssl_course-{__version__}.data/data/{SETTINGS}/overrides.d/ssl_course.json"}
    assert wheel.stat().st_size < 100e6, "more than package indexes take"


class Student:
    """An ordinary user with a home, and a Python of its own in which the wheel is installed."""

    def __init__(self, folder):
        import pwd

        self.rights = {}  # of the processes started
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self.rights = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self.folder, self.home, self.venv = folder, folder / "home", folder / "venv"
        self.bin = self.venv / "bin"
        self.home.mkdir()
        if self.rights:
            os.chown(self.home, self.rights["user"], self.rights["group"])

    def options(self, **environment):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "JUPYTER", "VIRTUAL_ENV"))}
        mine = {"HOME": str(self.home), "OMP_NUM_THREADS": "1", "JUPYTER_NO_BROWSER": "1"}
        return {"cwd": self.home, "env": kept | mine | environment, **self.rights}

    def run(self, *arguments, **environment):
        argv = [str(a) for a in arguments]
        return subprocess.run(
            argv, capture_output=True, text=True, timeout=120, **self.options(**environment)
        )


def python_for(student):
    """A Python of this version that the student may run: ours may lie in somebody's home; None where there is none."""
    for path in (
        os.path.realpath(sys.executable),
        shutil.which(f"python3.{sys.version_info[1]}", path="/usr/bin"),
    ):
        try:
            done = student.run(path, "-c", "import venv") if path else None
        except PermissionError:
            continue
        if done is not None and done.returncode == 0:
            return path
    return None


@pytest.fixture(scope="module")
def student(wheel):
    folder = Path(tempfile.mkdtemp(prefix="ssl-course-wheel-"))  # pytest's own are closed to other users
    folder.chmod(0o755)
    try:
        student = Student(folder)
        python, ours = python_for(student), Path(sysconfig.get_path("purelib"))
        if python is None or student.run("ls", ours).returncode != 0:
            pytest.skip("another user can run no Python of this version, or not read this one's packages")
        subprocess.run([python, "-m", "venv", "--without-pip", student.venv], check=True)
        install = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            student.bin / "python",
            "install",
            "-q",
            "--no-index",
        ]
        subprocess.run([*install, "--no-deps", wheel], check=True)
        (packages,) = student.venv.glob("lib/python*/site-packages")
        (packages / "others.pth").write_text(f"{ours}\n")  # torch and all that the wheel asks for
        jupyter = Path(sys.prefix, "share", "jupyter")
        for there in (
            Path(sys.prefix, "etc"),
            *jupyter.iterdir(),
            *(jupyter / "lab").iterdir(),
        ):  # JupyterLab itself
            here = student.venv / there.relative_to(sys.prefix)
            if not here.exists():
                here.symlink_to(there)
        subprocess.run(["chmod", "-R", "a-w,a+rX", packages / "ssl_course"], check=True)
        yield student
    finally:
        subprocess.run(["chmod", "-R", "u+w", folder], check=True)
        shutil.rmtree(folder)


def test_doctor_says_where_the_files_lie_and_asks_for_no_browser(student):
    done = student.run(student.bin / "ssl-course", "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"ok +the course's files +{student.venv}.*_carried \(from a wheel\)", done.stdout)
    assert "browser" not in done.stdout and "pytest" not in done.stdout
    assert re.search(rf"ok +ssl_course +{re.escape(__version__)}\n", done.stdout)


def ask(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


@pytest.fixture
def lab(student):
    """``lab(*options, **environment)``: starts `ssl-course lab`; (its address, its token, what it printed)."""
    started = []

    def start(*options, **environment):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        log = student.folder / f"lab-{port}.log"
        argv = [student.bin / "ssl-course", "lab", "--no-browser", "--port", str(port), *options]
        with log.open("w") as file:
            process = subprocess.Popen(
                argv, stdout=file, stderr=file, start_new_session=True, **student.options(**environment)
            )
        started.append(process)
        end = time.monotonic() + 90
        while not (address := re.search(r"(http://127\.0\.0\.1:\d+/)\S*\?token=(\w+)", log.read_text())):
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.2)
        while True:  # it prints its address before it answers
            try:
                ask(f"{address[1]}api")
                return address[1], address[2], log.read_text()
            except OSError:
                assert process.poll() is None and time.monotonic() < end, log.read_text()
                time.sleep(0.2)

    yield start
    for process in started:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def test_it_trains_and_keeps_the_network_where_it_is_told(student):
    file = student.home / "mine.safetensors"  # beside nothing of the course
    given = ("train", "rotation", "--n", "64", "--steps", "1", "--batch-size", "32", "--out", file)
    done = student.run(student.bin / "ssl-course", *given)
    assert done.returncode == 0, done.stdout + done.stderr
    assert file.stat().st_size > 10_000


def test_lab_copies_the_lectures_and_opens_them_for_this_machine_alone(student, lab):
    address, token, printed = lab()
    folder = student.home / "ssl-course-lectures"
    lectures = {p.name for p in (ROOT / "lectures").iterdir() if p.is_file()}
    assert printed.startswith(
        f"The lectures of ssl_course {__version__} are in {folder} ({len(lectures)} new).\n"
    )
    with pytest.raises(urllib.error.HTTPError, match="403"):
        ask(f"{address}api/contents")
    listed = ask(f"{address}api/contents?token={token}")["content"]
    assert {entry["name"] for entry in listed} == lectures
    plugin = "@jupyterlab/apputils-extension:notification"
    settings = ask(f"{address}lab/api/settings/{plugin}?token={token}")["schema"]["properties"]
    assert settings["fetchNews"]["default"] == "false", "the course's settings"
    assert not (student.home / ".jupyter").exists(), "the student's own JupyterLab is left alone"


def test_lab_works_without_a_home(student, lab):
    folder = student.home / "elsewhere"
    address, token, _ = lab("--folder", str(folder), HOME="/no/such/home")
    assert ask(f"{address}api/contents?token={token}")["content"]
    assert (folder / ".ssl-course" / "jupyter" / "home").is_dir()


RUN = """
import json, sys, nbformat
from nbclient import NotebookClient
book = nbformat.read("00_start_here.ipynb", as_version=4)
book.cells = [c for c in book.cells if c.cell_type == "code"][:3] + [nbformat.v4.new_code_cell('''
import ssl_course, json
from ssl_course import assets, checkpoints
from ssl_course.widgets import PipelineTour
checkpoints.load(assets.checkpoint("mae")), json.loads(assets.results("collapse").read_text())
print(ssl_course.__file__)
PipelineTour(n_train=40, n_test=30)
''')]
NotebookClient(book, timeout=120, kernel_name="python3").execute()
print(json.dumps(book.cells[-1].outputs))
"""


def test_a_notebook_runs_and_networks_and_results_load(student):
    folder = student.home / "ssl-course-lectures"
    code = f"from pathlib import Path; from ssl_course.unpack import unpack; unpack(Path('{folder}'))"
    assert student.run(student.bin / "python", "-c", code).returncode == 0
    done = student.run("sh", "-c", 'cd "$1" && exec "$2" -c "$3"', "sh", folder, student.bin / "python", RUN)
    assert done.returncode == 0, done.stderr[-2000:]
    printed, shown = json.loads(done.stdout.splitlines()[-1])
    assert printed["text"].startswith(str(student.venv))
    assert "image/png" in shown["data"]


def test_a_plain_jupyter_lab_has_the_settings_of_the_course(student, tmp_path):
    schemas = Path(jupyterlab.commands.get_app_dir()) / "schemas"
    overrides = json.loads((ROOT / "assets/jupyter/overrides.json").read_text(encoding="utf-8"))
    for plugin in ("@jupyterlab/apputils-extension:notification", "@jupyterlab/notebook-extension:tracker"):
        found, _ = get_settings(str(student.venv / SETTINGS), str(schemas), str(tmp_path), schema_name=plugin)
        properties = found["schema"]["properties"]
        assert {name: properties[name]["default"] for name in overrides[plugin]} == overrides[plugin]


@pytest.mark.parametrize("folder", ["/proc/lectures", "/lectures", "/dev/null"])
def test_a_folder_that_cannot_be_written_is_one_sentence(student, folder):
    done = student.run(student.bin / "ssl-course", "lab", "--no-browser", "--folder", folder)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "name a folder of your own with --folder" in done.stderr


def test_a_checkout_that_belongs_to_another_is_one_sentence(student):
    if not student.rights:
        pytest.skip("who runs the tests may write here")
    argv = [student.bin / "python", "-m", "ssl_course", "lab", "--no-browser"]
    done = student.run(*argv, PYTHONPATH=str(ROOT))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "a folder of your own with --folder" in done.stderr
