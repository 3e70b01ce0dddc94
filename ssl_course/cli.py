"""The command line: ``python -m ssl_course lab | present | doctor``. Imports nothing heavy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Self-supervised learning by hand.")

FIRST_LECTURE = "lectures/00_start_here.ipynb"
DEFAULTS = Path(__file__).resolve().parents[1] / "assets" / "jupyter"  # overrides.json: no news pop-up, ...
FIRST_TALK = "lectures/01_desert_forest_sea.ipynb"


def checkout() -> Path:
    """The folder with ``lectures/`` in it: the checkout the package was installed from, else the current one.

    Raises FileNotFoundError, saying what to do, when there is neither.
    """
    for folder in (Path(__file__).resolve().parents[1], Path.cwd()):
        if (folder / "lectures").is_dir():
            return folder
    raise FileNotFoundError(
        "Found no folder lectures/: go to the folder of the course (the one with the Makefile) and try again."
    )


def lab_command(
    root: Path,
    *,
    open_at: str | Path | None = None,
    port: int | None = None,
    browser: bool = True,
    slides: bool = False,
) -> tuple[list[str], dict[str, str]]:
    """What `make lab` starts: (argv, environment) of a JupyterLab that only this machine can reach.

    ``root`` is the folder that JupyterLab shows, ``open_at`` a file in it, opened first. Without ``port``,
    Jupyter takes 8888 or the next free one. Jupyter's token stays on. Settings, workspaces and configuration
    live in ``root/build/jupyter``, so that neither the reader's own JupyterLab nor the course surprises the
    other. ``slides`` starts as a presentation (jupyterlab-slideshow).
    """
    root = Path(root).resolve()
    home = root / "build" / "jupyter"
    settings = home / ("settings-slides" if slides else "settings")
    if slides:
        deck = settings / "jupyterlab-slideshow" / "plugin.jupyterlab-settings"
        deck.parent.mkdir(parents=True, exist_ok=True)
        deck.write_text(json.dumps({"active": True}), encoding="utf-8")
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / ("workspaces-slides" if slides else "workspaces")),
        "JUPYTER_PREFER_ENV_PATH": "1",  # the kernel of this installation, not one of the same name elsewhere
    }
    argv = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.root_dir={root}",
        f"--LabApp.app_settings_dir={DEFAULTS}",
    ]
    if port is not None:
        argv += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    if not browser:
        argv.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        argv.append("--allow-root")  # containers: Jupyter refuses otherwise
    if open_at is not None:
        argv.append(str(root / open_at))
    return argv, environment


def _start(lecture: str, port: int | None, browser: bool, slides: bool) -> None:
    try:
        root = checkout()
        if not (root / lecture).is_file():
            raise FileNotFoundError(f"There is no {lecture} in {root}.")
    except FileNotFoundError as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from None
    argv, environment = lab_command(root, open_at=lecture, port=port, browser=browser, slides=slides)
    try:
        code = subprocess.run(argv, env=environment, cwd=root).returncode
    except KeyboardInterrupt:  # Ctrl-C is how one leaves JupyterLab
        code = 0
    raise typer.Exit(code)


Port = Annotated[int | None, typer.Option(help="Default: 8888 or the next free one.")]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="Open it in the web browser.")]


@app.command()
def lab(
    lecture: Annotated[str, typer.Argument(help="The notebook to open.")] = FIRST_LECTURE,
    port: Port = None,
    browser: Browser = True,
) -> None:
    """Open the lectures in JupyterLab."""
    _start(lecture, port, browser, slides=False)


@app.command()
def present(
    lecture: Annotated[str, typer.Argument(help="The notebook to present.")] = FIRST_TALK,
    port: Port = None,
    browser: Browser = True,
) -> None:
    """Open a lecture as slides, with its widgets alive."""
    typer.echo("Click the first slide once: then the arrow keys turn the slides and Shift+Enter runs a cell.")
    _start(lecture, port, browser, slides=True)


@app.command()
def doctor() -> None:
    """Say what is installed, what is missing, and the command that mends it."""
    from ssl_course.doctor import report, show

    checks = report()
    typer.echo(show(checks))
    raise typer.Exit(int(any(c.required and not c.ok for c in checks)))
