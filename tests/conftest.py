"""Fixtures that every room shares."""

import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def _devices():
    """cpu, and cuda where there is one. Asked of torch only when a test wants a device."""
    try:
        import torch
    except ImportError:
        return ["cpu"]
    return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


def pytest_generate_tests(metafunc):
    if "device" in metafunc.fixturenames:
        metafunc.parametrize("device", _devices(), indirect=True)


@pytest.fixture
def device(request):
    """Runs the test once on the CPU, and once more on the GPU where there is one. A name for ``.to``."""
    return request.param


@pytest.fixture(scope="session")
def data_folder():
    """The folder with real data sets; tests that need it are skipped where it is absent, saying so."""
    named = os.environ.get("SSL_COURSE_DATA")
    if not named:
        pytest.skip("needs real data: SSL_COURSE_DATA is not set")
    folder = Path(named)
    if not folder.is_dir():
        pytest.skip(f"needs real data: SSL_COURSE_DATA={named} is no folder")
    return folder


@pytest.fixture(scope="session")
def build():
    """The folder ``build/``, for screenshots and reports."""
    folder = Path(__file__).parents[1] / "build"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def ranks(request, tmp_path, monkeypatch):
    """``ranks(n, script)``: what a script, run as n ranks on the CPU, has saved into the file of its first argument.

    The script may import the test's module. One rank runs in this process, several are processes of `torchrun`.
    """

    def run(n, script):
        import torch

        file, out = tmp_path / "ranks.py", tmp_path / f"{n}.pt"
        file.write_text(script)
        if n == 1:
            threads = torch.get_num_threads()
            monkeypatch.setattr(sys, "argv", [str(file), str(out)])
            runpy.run_path(str(file))
            torch.set_num_threads(threads)
            return torch.load(out)
        launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={n}"]
        env = os.environ | {
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT, request.path.parent))),
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",  # several ranks would want a GPU each
        }
        argv = [sys.executable, *launch, str(file), str(out)]
        done = subprocess.run(argv, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return torch.load(out)

    return run


def pytest_configure(config):
    """No test reads or leaves the guesses and answers of whoever runs it; kernels inherit this."""
    folder = tempfile.TemporaryDirectory()
    os.environ["SSL_COURSE_KEPT"] = folder.name
    config.add_cleanup(folder.cleanup)


def pytest_collection_modifyitems(items):
    """Browser tests last: Playwright leaves an event loop running, in which no other test can start its own."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
