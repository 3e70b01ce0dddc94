"""``python -m ssl_course``, which the command ``ssl-course`` runs too: see :mod:`ssl_course.cli`."""

import sys
from pathlib import Path


def main() -> None:
    """Run the command line."""
    try:
        from ssl_course.cli import app
    except ModuleNotFoundError as error:  # without Typer not even `doctor` can speak
        sys.exit(
            f"The package {error.name} is missing. Install what the course needs: its wheel, "
            "make setup or environment.yml"
        )
    name = Path(sys.argv[0]).stem
    app(prog_name="python -m ssl_course" if name == "__main__" else name)


if __name__ == "__main__":
    main()
