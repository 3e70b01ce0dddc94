"""tools/install.py with the real uv, against package indexes of our own on 127.0.0.1: nothing outside is asked."""

import base64
import hashlib
import http.server
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from ssl_course import doctor

ROOT = Path(__file__).resolve().parents[1]
UV = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
pytestmark = [
    pytest.mark.skipif(not UV, reason="uv is not installed"),
    pytest.mark.skipif(
        sys.platform != "linux", reason="the builds of PyTorch that are told apart are Linux's"
    ),
]

# Builds the stand-in course without asking an index for hatchling.
BACKEND = """
import os, zipfile
def build_editable(folder, config=None, metadata=None):
    name = "ssl_course-1-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("ssl_course-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: ssl_course\\nVersion: 1\\n")
        wheel.writestr("ssl_course-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("_ssl_course.pth", os.getcwd().encode())  # UTF-8, as hatchling writes it
        wheel.writestr("ssl_course-1.dist-info/RECORD", "_ssl_course.pth,,\\n")
    return name
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "ssl_course"
version = "1"
dependencies = ["torch", "plain"]
optional-dependencies = { test = ["extra"] }
"""


def wheel(folder, name, version, needs=""):
    """A package with one module; returns its digest."""
    stem = f"{name.replace('-', '_')}-{version}"
    info, path = f"{stem}.dist-info", folder / f"{stem}-py3-none-any.whl"
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + (
        f"Requires-Dist: {needs}\n" if needs else ""
    )
    files = {
        f"{name.replace('-', '_')}/__init__.py": f"version = {version!r}\n",
        f"{info}/METADATA": about,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [
        f"{n},sha256={base64.urlsafe_b64encode(hashlib.sha256(t.encode()).digest()).rstrip(b'=').decode()},{len(t)}"
        for n, t in files.items()
    ]
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
        archive.writestr(f"{info}/RECORD", "\n".join([*lines, f"{info}/RECORD,,", ""]))
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


class Index(http.server.BaseHTTPRequestHandler):
    """``/whl/cpu/torch/`` or ``/simple/torch/`` lists what lies in the folder of that name; CONNECT turns to TLS."""

    folder: Path
    certificate: Path
    asked: list[str]

    def do_GET(self):
        self.asked.append(self.path)
        place, _, last = self.path.strip("/").rpartition("/")
        shelf = self.folder / place.replace("/", "_")
        if last.endswith(".whl"):
            file = self.folder / place.replace("/", "_").removesuffix("_files") / last.replace("%2B", "+")
            return self.reply(file.read_bytes() if file.is_file() else None, "application/octet-stream")
        files = sorted(shelf.glob(f"{last.replace('-', '_')}-*.whl"))
        links = "".join(f'<a href="/{place}/files/{f.name.replace("+", "%2B")}">{f.name}</a>' for f in files)
        self.reply(f"<html><body>{links}</body></html>".encode() if files else None, "text/html")

    def do_HEAD(self):
        self.do_GET()

    def reply(self, content, kind):
        self.send_response(200 if content is not None else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        if content and self.command != "HEAD":
            self.wfile.write(content)

    def do_CONNECT(self):
        """What stands for PyTorch's own index: whatever host was meant, it is this one."""
        self.send_response(200)
        self.end_headers()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        with context.wrap_socket(self.connection, server_side=True) as secure:
            type(self)(secure, self.client_address, self.server)
        self.close_connection = True

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def shelves(tmp_path_factory):
    """The folder of both indexes, and the digests of the general one's files."""
    folder = tmp_path_factory.mktemp("shelves")
    for name in ("simple", "whl_cpu", "whl_cu130"):
        (folder / name).mkdir()
    known = {
        "torch==2.14.1": wheel(folder / "simple", "torch", "2.14.1", "nvidia-big"),
        "nvidia-big==1.0": wheel(folder / "simple", "nvidia-big", "1.0"),
        "plain==1.0": wheel(folder / "simple", "plain", "1.0"),
        "extra==1.0": wheel(folder / "simple", "extra", "1.0"),
    }
    for name in ("torch==2.15.0", "plain==2.0"):  # newer than what the lock has
        wheel(folder / "simple", *name.split("=="))
    wheel(folder / "whl_cpu", "torch", "2.14.1+cpu")
    wheel(folder / "whl_cu130", "torch", "2.14.1+cu130", "nvidia-big")
    return folder, known


@pytest.fixture(scope="module")
def server(shelves, tmp_path_factory):
    """(port, what it was asked, the certificate that vouches for it)."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("certificate")
    # PyTorch's index is named by uv alone: its error says where it wanted to go.
    lost = [
        UV,
        "pip",
        "install",
        "--dry-run",
        "--torch-backend=cpu",
        "--cache-dir",
        folder / "cache",
        "torch",
    ]
    lost += ["--python", sys.executable, "--reinstall"]
    nowhere = os.environ | {"HTTPS_PROXY": "http://127.0.0.1:9", "UV_HTTP_RETRIES": "0"}
    said = subprocess.run(lost, env=nowhere, capture_output=True, text=True).stderr
    host = re.search(r"https://([^/]+)/whl/", said)[1]
    ask = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=stand-in"]
    ask += ["-addext", f"subjectAltName=DNS:{host}", "-addext", "basicConstraints=CA:FALSE"]
    subprocess.run(
        [*ask, "-keyout", "key.pem", "-out", "cert.pem"], cwd=folder, check=True, capture_output=True
    )
    both = folder / "both.pem"
    both.write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())
    kind = type("Here", (Index,), {"folder": shelves[0], "certificate": both, "asked": []})
    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield served.server_address[1], kind.asked, folder / "cert.pem"
    served.shutdown()
    served.server_close()


@pytest.fixture
def course(shelves, tmp_path):
    """A course of four files, at a place that is hard to spell."""
    folder = tmp_path / "Über uns [1] it's"
    (folder / "tools").mkdir(parents=True)
    (folder / "ssl_course").mkdir()
    for name in ("tools/install.py", *(f"ssl_course/{n}.py" for n in ("__init__", "doctor", "assets"))):
        shutil.copy(ROOT / name, folder / name)
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "backend.py").write_text(BACKEND)
    lock = "".join(f"{pin} \\\n    --hash={digest}\n" for pin, digest in shelves[1].items())
    (folder / "requirements.txt").write_text(lock)
    return folder


def install(course, server, *arguments, reachable=True, **environment):
    port, asked, certificate = server
    asked.clear()
    with socket.socket() as closed:  # a port at which nobody listens
        closed.bind(("127.0.0.1", 0))
        proxy = port if reachable else closed.getsockname()[1]
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("UV_", "PIP_")) and k != "PYTHONPATH"
        }
        settings = {
            "PATH": os.pathsep.join([str(Path(UV).parent), kept["PATH"]]),
            "UV_DEFAULT_INDEX": f"http://127.0.0.1:{port}/simple",
            "UV_CACHE_DIR": str(course / "cache"),
            "HTTPS_PROXY": f"http://127.0.0.1:{proxy}",
            "NO_PROXY": "127.0.0.1",
            "SSL_CERT_FILE": str(certificate),
            "UV_TORCH_BACKEND": "cpu" if shutil.which("nvidia-smi") else "auto",
        }
        if not (course / ".venv").exists():
            subprocess.run([UV, "venv", "-q", "--python", sys.executable, course / ".venv"], check=True)
        return subprocess.run(
            [sys.executable, course / "tools/install.py", *arguments],
            env=kept | settings | environment, capture_output=True, text=True, cwd="/",
        )  # fmt: skip


def installed(course):
    listed = subprocess.run(
        [UV, "pip", "list", "-q", "--python", course / ".venv", "--format", "freeze"],
        capture_output=True,
        text=True,
    )
    return {line for line in listed.stdout.splitlines() if not line.startswith("ssl")}


def test_without_a_gpu_the_build_for_the_cpu_comes(course, server):
    done = install(course, server)
    assert done.returncode == 0, done.stderr
    assert installed(course) == {"torch==2.14.1+cpu", "plain==1.0"}, (
        "in the lock's versions, no CUDA, no tests' package"
    )
    assert "PyTorch for the CPU" in done.stdout and "cannot be reached" not in done.stdout


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_the_course_is_found_in_a_folder_with_an_umlaut(course, server, locale):
    """Python up to 3.12 reads the line that leads there in the locale's encoding, as it does on Windows."""
    assert install(course, server, LC_ALL=locale).returncode == 0
    found = "import ssl_course; print(ascii(ssl_course.__file__))"
    done = subprocess.run(
        [course / ".venv/bin/python", "-c", found],
        env={"LC_ALL": locale},
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert done.stdout.strip() == ascii(str(course / "ssl_course" / "__init__.py")), done.stderr


def test_with_a_gpu_the_build_for_its_driver_comes(course, server):
    done = install(course, server, UV_CUDA_DRIVER_VERSION="580.65", UV_TORCH_BACKEND="auto")
    assert done.returncode == 0, done.stderr
    assert installed(course) == {"torch==2.14.1+cu130", "nvidia-big==1.0", "plain==1.0"}
    assert "with NVIDIA's CUDA" in done.stdout


def test_where_pytorchs_index_is_out_of_reach_one_line_says_so(course, server):
    done = install(course, server, reachable=False)
    assert done.returncode == 0, done.stderr
    assert installed(course) == {"torch==2.14.1", "nvidia-big==1.0", "plain==1.0"}
    assert [
        line for line in done.stdout.splitlines() if "cannot be reached" in line
    ] == done.stdout.splitlines()[1:2]
    assert done.stderr == ""


def test_the_tests_packages_come_only_when_asked_for(course, server):
    install(course, server)
    assert install(course, server, "--test").returncode == 0
    assert installed(course) == {"torch==2.14.1+cpu", "plain==1.0", "extra==1.0"}


def test_without_the_lock_the_newest_come(course, server):
    assert install(course, server, "--lock", "/dev/null", reachable=False).returncode == 0
    assert installed(course) == {"torch==2.15.0", "plain==2.0"}


def test_a_file_with_another_digest_is_refused(course, server, shelves):
    lock = course / "requirements.txt"
    lock.write_text(lock.read_text().replace(shelves[1]["plain==1.0"], "sha256:" + "0" * 64))
    done = install(course, server)
    assert done.returncode == 1
    assert "plain" in done.stderr and "hash" in done.stderr.lower() and "Traceback" not in done.stderr
    assert not any(name.startswith("plain") for name in installed(course))


def small_disk(folder, megabytes):
    """A file system of that size at ``folder``; whoever may not mount one skips the test."""
    size = f"size={megabytes}m"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("this user may mount nothing")


def test_too_little_room_is_said_before_anything_is_installed(course, server):
    (course / ".venv").mkdir()
    small_disk(course / ".venv", 100)
    try:
        subprocess.run(
            [UV, "venv", "-q", "--allow-existing", "--python", sys.executable, course / ".venv"], check=True
        )
        done = install(course, server)
        came = installed(course)
    finally:
        subprocess.run(["umount", course / ".venv"], check=True)
    assert done.returncode == 1 and "0.1 GB are free: make room" in done.stderr
    assert came == set()


def test_a_disk_that_fills_up_on_the_way_is_named(course, server, shelves):
    with zipfile.ZipFile(shelves[0] / "simple" / "plain-3.0-py3-none-any.whl", "w") as archive:
        archive.writestr("plain/data", os.urandom(4_000_000))
        archive.writestr("plain-3.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: plain\nVersion: 3.0\n")
        archive.writestr(
            "plain-3.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("plain-3.0.dist-info/RECORD", "plain/data,,\n")
    (course / ".venv").mkdir()
    small_disk(course / ".venv", 2)
    try:
        subprocess.run(
            [UV, "venv", "-q", "--allow-existing", "--python", sys.executable, course / ".venv"], check=True
        )
        torch = course / ".venv/lib" / f"python3.{sys.version_info[1]}" / "site-packages/torch"
        torch.mkdir()  # so that it does not count as a first installation
        done = install(course, server, "--lock", "none", reachable=False)
    finally:
        subprocess.run(["umount", course / ".venv"], check=True)
        (shelves[0] / "simple" / "plain-3.0-py3-none-any.whl").unlink()
    assert done.returncode == 1 and "The disk is full: make room" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_a_home_that_is_read_only(course, server):
    """uv keeps what it fetched in the home; where it cannot, beside .venv, for as long as it takes."""
    home = course / "home"
    home.mkdir()
    (home / ".cache").write_text("")  # not even root can make a folder in it
    done = install(course, server, HOME=str(home), UV_CACHE_DIR=str(home / ".cache" / "uv"))
    assert done.returncode == 0, done.stderr
    assert "plain==1.0" in installed(course)
    assert not list((course / ".venv").glob(".install-*"))


def test_no_network_is_an_error_in_words(course, server):
    done = install(course, server, UV_DEFAULT_INDEX="http://127.0.0.1:9/simple", UV_HTTP_RETRIES="0")
    assert done.returncode == 1
    assert "127.0.0.1:9" in done.stderr and "Traceback" not in done.stderr


def test_pips_own_mirror_is_uvs(course, server, monkeypatch):
    """A university's mirror is said in pip's settings, which uv does not read."""
    sys.path.insert(0, str(ROOT))
    from tools import install as module

    monkeypatch.setattr(module, "PYTHON", Path(sys.executable))
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    assert module._mirror() == {"UV_DEFAULT_INDEX": "http://127.0.0.1:1/simple"}
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:2/simple")
    assert module._mirror() == {}


def test_the_bar_says_what_how_much_and_how_long():
    from tools.install import _progress

    assert _progress(6.2, 3.1, ["torch", "triton", "numpy"], 48) == (
        "fetching torch and 2 more · 3.1 of 6.2 GB · 48 s, about 48 s to go"
    )
    assert "to go" not in _progress(6.2, 0.0, ["torch"], 1)
    assert "100" not in _progress(1.0, 7.0, ["torch"], 1), "another program fills the disk"


@pytest.mark.parametrize(
    "system, machine, libc, tag, said",
    [
        ("Darwin", "x86_64", ("", ""), "macosx-13-x86_64", "Intel"),
        ("Darwin", "arm64", ("", ""), "macosx-14-arm64", ""),
        ("Windows", "ARM64", ("", ""), "win-arm64", "Windows on ARM"),
        ("Windows", "ARM64", ("", ""), "win-amd64", ""),  # a Python for x64 on such a machine
        ("Linux", "x86_64", ("glibc", "2.27"), "linux-x86_64", "2.27"),
        ("Linux", "x86_64", ("glibc", "2.28"), "linux-x86_64", ""),
        ("Linux", "aarch64", ("", ""), "linux-aarch64", "Alpine"),
    ],
)
def test_what_pytorch_does_not_serve_is_said_with_a_way_out(monkeypatch, system, machine, libc, tag, said):
    monkeypatch.setattr(doctor.platform, "system", lambda: system)
    monkeypatch.setattr(doctor.platform, "machine", lambda: machine)
    monkeypatch.setattr(doctor.platform, "libc_ver", lambda: libc)
    monkeypatch.setattr(doctor.sysconfig, "get_platform", lambda: tag)
    why = doctor.unserved()
    assert bool(why) == bool(said) and said in why
    assert not why or "Colab" in why
    assert doctor._machine().ok == (not said)
