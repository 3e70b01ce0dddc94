"""The one place that knows where the files lie that come with the course:
networks, results, settings, lectures.

In a checkout they are the top-level folders ``assets/`` and ``lectures/``. A wheel carries them inside the
package, under ``ssl_course/_carried/``. Nobody else spells a path to them.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
CARRIED = PACKAGE / "_carried"  # what a wheel brings; pyproject.toml fills it at build time


def checkout() -> Path | None:
    """The folder that the package was installed from in place, with its pyproject.toml; None from a wheel."""
    above = PACKAGE.parent
    return above if (above / "pyproject.toml").is_file() and (above / "lectures").is_dir() else None


def root() -> Path:
    """The folder that holds ``assets/`` and ``lectures/``.

    Raises:
        FileNotFoundError: a package that was copied without them; the message says what to do.
    """
    if folder := checkout():
        return folder
    parts = ("lectures", "assets/checkpoints", "assets/results", "assets/jupyter")
    if lost := next((CARRIED / part for part in parts if not (CARRIED / part).is_dir()), None):
        raise FileNotFoundError(
            f"The course in {PACKAGE} came without all of its networks and lectures (there is no {lost}): "
            "install it again, from its wheel or with `make setup` in its folder."
        )
    return CARRIED


def checkpoint(name: str) -> Path:
    """``assets/checkpoints/NAME.safetensors``, whether it is there or not."""
    return root() / "assets" / "checkpoints" / f"{name}.safetensors"


def results(name: str) -> Path:
    """``assets/results/NAME.json``, whether it is there or not."""
    return root() / "assets" / "results" / f"{name}.json"


def jupyter() -> Path:
    """The folder with ``overrides.json``: JupyterLab's settings as the lectures want them."""
    return root() / "assets" / "jupyter"


def lectures() -> Path:
    """The folder of the notebooks."""
    return root() / "lectures"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to write, which then takes the place of ``path``:
    whoever reads meanwhile sees the old one or the new one whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
