"""The command line: ``ssl-course lab | present | room | doctor | train | evaluate | compare``.
Imports nothing heavy."""

import contextlib
import functools
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ssl_course import assets

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Self-supervised learning by hand.")

FIRST_LECTURE = "00_start_here.ipynb"
FIRST_TALK = "01_desert_forest_sea.ipynb"
STUDENTS_FOLDER = Path("ssl-course-lectures")


@contextlib.contextmanager
def _as_sentences(*mendable: type[Exception]) -> Iterator[None]:
    """Errors that the reader can mend end the command in a sentence, without a traceback."""
    try:
        yield
    except mendable as error:
        kind = "" if type(error) in (OSError, FileNotFoundError) else f"{type(error).__name__}: "
        typer.echo(f"{kind}{error}", err=True)
        raise typer.Exit(1) from None


def _make_writable(folder: Path, option: str) -> None:
    """Make the folder, before the work and not after it.

    Raises:
        OSError: it cannot be written; the message names ``option``, with which to name another.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError
    except OSError:
        raise OSError(f"Cannot write to {folder}: name a folder of your own with {option}.") from None


def lab_command(
    root: Path,
    *,
    kept: Path | None = None,
    open_at: str | Path | None = None,
    port: int | None = None,
    browser: bool = True,
    slides: bool = False,
) -> tuple[list[str], dict[str, str]]:
    """What `make lab` starts: (argv, environment) of a JupyterLab that only this machine can reach.

    ``root`` is the folder that JupyterLab shows, ``open_at`` a file in it, opened first. Without ``port``,
    Jupyter takes 8888 or the next free one. Jupyter's token stays on. Settings, workspaces and configuration
    live in ``kept`` (``root/build/jupyter``), so that neither the reader's own JupyterLab nor the course
    surprises the other. ``slides`` starts as a presentation (jupyterlab-slideshow).

    Raises:
        OSError: ``kept`` cannot be written.
    """
    root = Path(root).resolve()
    kept = root / "build" / "jupyter" if kept is None else Path(kept).resolve()
    _make_writable(kept, "--folder")
    settings = kept / ("settings-slides" if slides else "settings")
    if slides:
        deck = settings / "jupyterlab-slideshow" / "plugin.jupyterlab-settings"
        deck.parent.mkdir(parents=True, exist_ok=True)
        deck.write_text(json.dumps({"active": True}), encoding="utf-8")
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(kept / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(kept / ("workspaces-slides" if slides else "workspaces")),
        "JUPYTER_PREFER_ENV_PATH": "1",  # the kernel of this installation, not one of the same name elsewhere
    }
    home = Path(os.path.expanduser("~"))
    if not (home.is_dir() and os.access(home, os.W_OK)):  # where Jupyter, IPython and matplotlib would write
        environment["HOME"] = str(kept / "home")
        Path(environment["HOME"]).mkdir(exist_ok=True)
    argv = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.root_dir={root}",
        f"--LabApp.app_settings_dir={assets.jupyter()}",
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


def _start(lecture: str, folder: Path | None, port: int | None, browser: bool, slides: bool) -> None:
    """JupyterLab over the checkout's own lectures; from a wheel, or where ``folder`` is named,
    over a copy of them."""
    from ssl_course.unpack import KEPT, unpack

    with _as_sentences(OSError):
        root = assets.checkout() if folder is None else None
        if root is not None:
            lectures, kept = root / "lectures", root / "build" / "jupyter"
        else:
            unpacked = unpack(folder or STUDENTS_FOLDER)
            typer.echo(unpacked)
            root = lectures = unpacked.folder
            kept = root / KEPT / "jupyter"
        opened = root / lecture if (root / lecture).is_file() else lectures / Path(lecture).name
        if not opened.is_file():
            raise FileNotFoundError(f"There is no {lecture} in {lectures}.")
        argv, env = lab_command(root, kept=kept, open_at=opened, port=port, browser=browser, slides=slides)
    if os.name == "posix":  # this process becomes JupyterLab, so that a signal to stop reaches it
        os.chdir(root)
        os.execve(argv[0], argv, env)
    try:
        code = subprocess.run(argv, env=env, cwd=root).returncode
    except KeyboardInterrupt:  # Ctrl-C is how one leaves JupyterLab
        code = 0
    raise typer.Exit(code)


Folder = Annotated[
    Path | None,
    typer.Option(
        help="Work in a copy of the lectures in this folder; it is made, or brought up to date, and what you "
        "edited "
        f"stays. From a wheel: {STUDENTS_FOLDER}. In a checkout: no copy."
    ),
]
Port = Annotated[int | None, typer.Option(help="Default: 8888 or the next free one.")]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="Open it in the web browser.")]


@app.command()
def lab(
    lecture: Annotated[str, typer.Argument(help="The notebook to open.")] = FIRST_LECTURE,
    folder: Folder = None,
    port: Port = None,
    browser: Browser = True,
) -> None:
    """Open the lectures in JupyterLab."""
    _start(lecture, folder, port, browser, slides=False)


@app.command()
def present(
    lecture: Annotated[str, typer.Argument(help="The notebook to present.")] = FIRST_TALK,
    folder: Folder = None,
    port: Port = None,
    browser: Browser = True,
) -> None:
    """Open a lecture as slides, with its widgets alive."""
    typer.echo("Click the first slide once: then the arrow keys turn the slides and Shift+Enter runs a cell.")
    _start(lecture, folder, port, browser, slides=True)


@app.command("room")
def room_command(
    lan: Annotated[bool, typer.Option("--lan", help="Let phones in this network reach it.")] = False,
    port: Annotated[int | None, typer.Option(help="Default: 8765 or the next free one.")] = None,
    url: Annotated[
        str | None, typer.Option(help="What phones open, where it is not this machine's own address.")
    ] = None,
    keep: Annotated[Path | None, typer.Option("--csv", help="Keep the answers in this file.")] = None,
) -> None:
    """Let a room predict together: phones answer the lecture's *Predict first* cells, with no account.

    Open it before `make present` or `make lab`, or beside them.
    """
    from ssl_course.course.room import server

    with _as_sentences(OSError):
        server.run(port=port, lan=lan, url=url, keep=keep, say=typer.echo)


@app.command(hidden=True)
def merge(base: Path, mine: Path, theirs: Path) -> None:
    """What git calls to bring a newer lecture into a student's notebook (deploy/README.md, *Updates*)."""
    from ssl_course.unpack import merge_files

    merge_files(base, mine, theirs)


@app.command()
def doctor() -> None:
    """Say what is installed, what is missing, and the command that mends it."""
    from ssl_course.doctor import report, show

    checks = report()
    typer.echo(show(checks))
    raise typer.Exit(int(any(c.required and not c.ok for c in checks)))


# ---------------------------------------------------------------------------------------- training by command
Data = Annotated[str, typer.Option(help="scenes, earth, photos, cifar10, … (see ssl_course.data.load).")]
Size = Annotated[int, typer.Option(help="Height and width of the pictures in pixels.")]
Root = Annotated[Path | None, typer.Option(help="Where the data lie, for sets that need it.")]
Gray = Annotated[bool, typer.Option("--gray", help="Lightness only, as three equal channels.")]
Many = Annotated[
    int | None,
    typer.Option(
        "--n", "--count", help="How many pictures (or texts) to take, or make; under torchrun: --count."
    ),
]


def _load_data(name: str, split: str, size: int, root: Path | None, gray: bool, n: int | None) -> Any:
    """The set that the options ask for; painted and composed sets are made in the size asked."""
    from ssl_course.data import load

    if size > 128:
        times = (size / 64) ** 2
        typer.echo(
            f"--size {size}: {times:.0f} times the pixels of the usual 64 × 64, so that pictures, memory and "
            f"every step take about {times:.0f} times as much, or more.",
            err=True,
        )
    made = {"n": n} if n is not None and name in ("scenes", "reviews") else {}
    data = load(name, size, split, root=root, **made)
    data = data if n is None else data[:n]
    return data.gray() if gray else data


def _method_class(name: str) -> type:
    """The method whose name is ``name``, written in any case, with or without underscores."""
    from ssl_course import methods

    plain = {known.lower(): known for known in dir(methods)}
    wanted = name.lower().replace("_", "").replace("-", "")
    if wanted not in plain:
        raise typer.BadParameter(f"no method {name!r}; there are {', '.join(sorted(plain))}")
    return getattr(methods, plain[wanted])


def _suited(kind: type, data: Any, name: str) -> dict[str, Any]:
    """Arguments that suit the set, for methods that learn from texts; nothing for the others.

    Raises:
        ValueError: texts for a method of pictures, or the other way round.
    """
    reads, texts = hasattr(kind, "arguments_for"), hasattr(data, "strings")
    if reads and not texts:
        raise ValueError(
            f"{kind.__name__} learns from texts and {name!r} are pictures: --data reviews, sst2 or "
            "rt-polarity, or --data text --root FILE"
        )
    if texts and not reads:
        raise ValueError(f"{kind.__name__} does not learn from texts, which {name!r} are: try bert or gpt")
    return kind.arguments_for(data) if reads else {}


def _settings(given: list[str]) -> dict[str, Any]:
    """``["temperature=0.5", "backbone=resnet18"]`` as a dict; what is no JSON is text."""
    settings = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals:
            raise typer.BadParameter(f"--set {item}: write it as name=value")
        try:
            settings[name] = json.loads(value)
        except json.JSONDecodeError:
            settings[name] = value
    return settings


def _write_json(path: Path | None, result: dict[str, Any]) -> None:
    if path is not None:
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


@app.command()
def train(
    method: Annotated[str, typer.Argument(help="simclr, mae, …")],
    data: Data = "scenes",
    size: Size = 64,
    n: Many = None,
    root: Root = None,
    gray: Gray = False,
    steps: Annotated[int | None, typer.Option(help="Default: the method's own.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Over all ranks together.")] = None,
    lr: Annotated[float | None, typer.Option(help="Largest learning rate.")] = None,
    seed: Annotated[int, typer.Option(help="Of the first weights, the order and the draws.")] = 0,
    given: Annotated[
        list[str] | None, typer.Option("--set", help="An argument of the method, name=value.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Checkpoint to write, FILE.safetensors.")] = None,
    every: Annotated[int, typer.Option(help="Steps between two checkpoints.")] = 100,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from --out, where it exists.")] = False,
    results: Annotated[Path | None, typer.Option("--json", help="Losses, speed and settings.")] = None,
    accelerator: Annotated[
        str | None, typer.Option(help="cpu, cuda or mps; default: an NVIDIA GPU if there is one that works.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="As Lightning calls it: 32-true, bf16-mixed, …")
    ] = None,
) -> None:
    """Train a method. Several GPUs or processes: torchrun --nproc-per-node=2 -m ssl_course train …"""
    import torch

    from ssl_course import checkpoints
    from ssl_course.data.files import DataError
    from ssl_course.studies.recorded import command, machine
    from ssl_course.training import Diverged, fit, make_fabric

    arguments = _settings(given or [])
    kind = _method_class(method)
    with _as_sentences(Diverged, MemoryError, DataError, ValueError, TypeError, OSError):
        for path, option in ((out, "--out"), (results, "--json")):
            if path is not None:
                _make_writable(path.parent, option)
        pictures = _load_data(data, "train", size, root, gray, n)
        state = None
        if resume and out is not None and out.is_file():
            learner, state = checkpoints.resume(out)
            if state is None:
                raise ValueError(f"{out} holds a finished method, not a run that could go on")
        else:
            torch.manual_seed(seed)
            if "image_size" in inspect.signature(kind).parameters:
                arguments = {"image_size": size} | arguments
            learner = kind(**_suited(kind, pictures, data) | arguments)
        fabric = make_fabric(accelerator, precision)
        about = {"command": command(), "data": data}
        history = fit(
            learner,
            pictures,
            steps,
            batch_size,
            lr=lr,
            seed=None if state else seed,
            fabric=fabric,
            save=checkpoints.saver(out, learner, **about) if out is not None else None,
            every=every,
            resume=state,
        )
    if not fabric.is_global_zero:
        return
    typer.echo(history)
    if out is not None:
        typer.echo(f"kept in {out}" + ("; the same with --resume goes on" if history.interrupted else ""))
    measured = {
        "method": kind.__name__,
        "arguments": learner.arguments,
        "pictures": len(pictures),
        "source": pictures.source,
        "settings": history.state["settings"],
        "steps": history.state["step"],
        "machine": machine(),
        "seconds": history.seconds,
        "samples_per_second": history.samples_per_second,
        "interrupted": history.interrupted,
        "losses": history.losses,
    }
    _write_json(results, about | measured)
    raise typer.Exit(130 if history.interrupted else 0)


@app.command()
def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="What `train --out` wrote.")],
    data: Annotated[str | None, typer.Option(help="Default: what it was trained on.")] = None,
    size: Size = 64,
    n: Annotated[int, typer.Option(help="Rows to draw labels from; a quarter as many to test on.")] = 4096,
    root: Root = None,
    gray: Gray = False,
    label: Annotated[str | None, typer.Option(help="Default: the set's first label.")] = None,
    n_labels: Annotated[list[int] | None, typer.Option(help="Label counts; repeat it for several.")] = None,
    draws: Annotated[int, typer.Option(help="Draws of the labels.")] = 5,
    seed: Annotated[int, typer.Option(help="Of the draws and of the random network.")] = 0,
    results: Annotated[Path | None, typer.Option("--json", help="All numbers with their protocol.")] = None,
) -> None:
    """Linear probe, kNN and collapse gauges of a checkpoint, beside pixels (or words) and a random net."""
    import torch

    from ssl_course import checkpoints, methods
    from ssl_course.data.files import DataError
    from ssl_course.evaluation import evaluate as measure
    from ssl_course.studies.recorded import command, machine

    with _as_sentences(DataError, ValueError, OSError):
        if results is not None:
            _make_writable(results.parent, "--json")
        method = checkpoints.load(checkpoint)
        torch.manual_seed(seed)
        untrained = getattr(methods, type(method).__name__)(**method.arguments)
        data = data or checkpoints.about(checkpoint).get("data") or "scenes"
        train_set = _load_data(data, "train", size, root, gray, n)
        test_set = _load_data(data, "test", size, root, gray, max(n // 4, 1))
        _suited(type(method), train_set, data)
        beside = {"random network": untrained}
        if hasattr(method, "tokenizer"):
            train_set, test_set = method.prepare(train_set), method.prepare(test_set)
            beside["bag of words"] = method.tokenizer.bag_of_words
        if not train_set.labels:
            raise ValueError(f"{data!r} has no labels to probe for")
        label = label or next(iter(train_set.labels))
        evaluation = measure(
            method,
            train_set,
            test_set,
            label=label,
            n_labels=n_labels or [many for many in (3, 10, 30, 100, 1000) if many <= len(train_set)],
            draws=draws,
            seed=seed,
            k=min(200, len(train_set)),
            beside=beside,
        )
    typer.echo(evaluation)
    about = {"checkpoint": str(checkpoint), "data": data, "label": label}
    _write_json(results, about | {"command": command(), "machine": machine()} | evaluation.as_dict())


@app.command()
def compare(
    folder: Annotated[Path, typer.Option("--out", help="Folder of the results, one JSON a table.")] = Path(
        "assets/results"
    ),
    only: Annotated[
        list[str] | None,
        typer.Option(help="A table, such as scenes_G, cifar10_C, dependence; repeat it."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Seeds: pictures, weights, batches and labels drawn anew.")] = 3,
    samples: Annotated[
        int | None, typer.Option(help="Pictures drawn in training; fewer for a try, into another --out.")
    ] = None,
    pictures: Annotated[
        int | None, typer.Option(help="Pictures to draw from, a half of it to test on.")
    ] = None,
    note: Annotated[str, typer.Option(help="Kept with the results: which copy of a set was at hand.")] = "",
    bar: Annotated[bool, typer.Option(help="A progress bar; else a line of JSON for each cell.")] = True,
) -> None:
    """Every method with time to learn, under one probe (lecture 13):
    half an hour of one idle core a seed and table.

    Saved cell by cell: stopped, the same command goes on.
    """
    from ssl_course.data.files import DataError
    from ssl_course.studies import comparison, dependence
    from ssl_course.studies.recorded import record

    fewer = {"samples": samples} if samples is not None else {}
    if pictures is not None:
        fewer |= {"n_train": pictures, "n_test": pictures // 2}
    plan = [*comparison.plan(seeds), dependence.plan(seeds)]
    parts = {part.file.removeprefix("comparison_"): part for part in plan}
    if unknown := sorted(set(only or []) - parts.keys()):
        raise typer.BadParameter(f"no table {', '.join(unknown)}; there are {', '.join(sorted(parts))}")
    with _as_sentences(OSError):
        _make_writable(folder, "--out")
    for part in [part for name, part in parts.items() if not only or name in only]:
        protocol, file = replace(part.protocol, **fewer), folder / f"{part.file}.json"
        try:
            measure = functools.partial(part.measure, protocol=protocol)
            record(str(file), part.cells, measure, part.about(protocol, note), bar=bar)
        except KeyboardInterrupt:
            typer.echo(f"stopped; the cells so far are in {folder}, and the same command goes on", err=True)
            raise typer.Exit(130) from None
        except (DataError, ValueError) as error:
            typer.echo(f"{part.file}: {error}", err=True)
            if not isinstance(error, DataError):
                raise typer.Exit(1) from None
