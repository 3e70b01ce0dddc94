"""Fixtures for all rooms."""

import os
from pathlib import Path

import pytest


@pytest.fixture(params=["cpu", "cuda"])
def device(request):
    """Every test that takes it runs on the CPU, and on a GPU where there is one."""
    import torch

    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    return request.param


@pytest.fixture
def data_folder():
    """The folder of real data sets, ``$SSL_COURSE_DATA``."""
    folder = os.environ.get("SSL_COURSE_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set SSL_COURSE_DATA to the folder of real data sets to run this test")
    return Path(folder)


@pytest.fixture(scope="session")
def build():
    """``build/``, for screenshots and reports."""
    folder = Path(__file__).resolve().parent.parent / "build"
    folder.mkdir(exist_ok=True)
    return folder
