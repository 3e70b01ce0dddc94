"""``python -m ssl_course``: see :mod:`ssl_course.cli`."""

from ssl_course.cli import app

app(prog_name="python -m ssl_course")
