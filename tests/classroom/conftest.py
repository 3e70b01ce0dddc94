"""The environment of hub and graders, which `make test` installs and `python -m tools.classroom` does by hand."""

import os

import pytest

from tools import classroom


@pytest.fixture(scope="session")
def programs():
    """The folder with jupyterhub, nbgrader, otter and their Python."""
    if not (classroom.VENV / ".stamp").is_file():
        why = "no hub and no graders: python -m tools.classroom installs them"
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)
    return classroom.VENV / "bin"
