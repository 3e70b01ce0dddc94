"""``python -m ssl_course``: see :mod:`ssl_course.cli`."""

import sys

try:
    from ssl_course.cli import app
except ModuleNotFoundError as error:  # without Typer not even `doctor` can speak
    sys.exit(
        f"The package {error.name} is missing. Install what the course needs: make setup, or environment.yml"
    )

app(prog_name="python -m ssl_course")
