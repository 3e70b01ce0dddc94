"""Marks: a submission is judged by the lecture's own checks, in a process that the submission does not share.

A worker runs the submission's cells. The grader draws hidden inputs, has them sent to the student's function
there, and compares what comes back here. Whatever a submission does to its own process (another `check`,
another ``Card.passed``, an exit, an endless loop), the verdict is not made there. nbgrader and otter-grader
both call `grade`, see tools/assignment.py.
"""

from __future__ import annotations

import ast
import base64
import functools
import importlib
import inspect
import json
import os
import pickle
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssl_course.course.exercises.card import UNSOLVED, Card, Verdict, wrong

WORKER = Path(__file__).with_name("worker.py")
SECONDS = 60.0  # for one cell of a submission, and for all calls of one exercise
START_SECONDS = 120.0
LARGEST = 64 * 2**20  # bytes of an answer
NOBODY = 65534


@functools.cache
def _rights() -> dict[str, Any]:
    """Where root grades, the worker is nobody, who cannot read the gradebook;
    if nobody can run this Python."""
    if os.name != "posix" or os.geteuid() != 0:
        return {}
    nobody: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    try:
        subprocess.run(
            [sys.executable, "-c", "import math, ssl_course"], check=True, capture_output=True, **nobody
        )
    except (OSError, subprocess.CalledProcessError):
        return {}
    return nobody


@dataclass(frozen=True)
class Exercise:
    """What is asked of a submission.

    Attributes:
        lecture: number, "09".
        check: name of the check in that lecture's module.
        answers: the names, in the submission, that the check takes.
        seed: of the inputs; None for a check that draws none.
    """

    lecture: str
    check: str
    answers: tuple[str, ...]
    seed: int | None = None


def read_test(source: str) -> Exercise | None:
    """The exercise of a cell that tests: ``check.NAME(answers, seed=…)`` below ``LECTURE = "NN"``;
    None for others."""
    lecture = re.search(r'^LECTURE = "(\d\d)"', source, re.M)
    seed = re.search(r"^SEED = (\d+)", source, re.M)
    try:
        calls = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call)]
    except SyntaxError:
        return None
    for call in calls:
        if lecture and isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") == "check":
            names = tuple(arg.id for arg in call.args if isinstance(arg, ast.Name))
            return Exercise(lecture[1], call.func.attr, names, int(seed[1]) if seed else None)
    return None


def takes_seed(lecture: str, check: str) -> bool:
    """Whether a check draws inputs."""
    module = importlib.import_module(f"ssl_course.course.exercises.lecture_{lecture}")
    return "seed" in inspect.signature(getattr(module, check)).parameters


class Gone(Exception):  # noqa: N818  the submission's doing, no error of ours
    """The worker has ended or did not answer in time; the message is for the student."""


class Submission:
    """A submission's cells in a worker; started anew, without the cell that ended it, whenever it is gone."""

    def __init__(self, cells: Sequence[str], seconds: float) -> None:
        self.cells, self.seconds = list(cells), seconds
        self.stopped_with: dict[int, str] = {}  # cell → what it stopped with
        self.ran: set[int] = set()
        self.left_out: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Submission:
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        os.chmod(self._folder.name, 0o777)  # the worker may be another user
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._folder.cleanup()

    def end(self) -> None:
        """End the worker and all that it has started."""
        if self._process is None:
            return
        if os.name == "posix":
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                try:
                    stream.close()
                except OSError:
                    pass
        self._process = None

    def start(self) -> None:
        """Run the cells; one that ends the worker, or does not end, is left out the next time."""
        while self._process is None:
            here = self._folder.name
            kept = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "SSL_COURSE_DATA", "SYSTEMROOT")
            environment = {name: os.environ[name] for name in kept if name in os.environ} | {
                "HOME": here, "MPLCONFIGDIR": here, "SSL_COURSE_KEPT": here, "TMPDIR": here,
                "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg", "SSL_COURSE_MAX_STEPS": "10",
            }  # fmt: skip
            self._process = subprocess.Popen(
                [sys.executable, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, cwd=here, env=environment, start_new_session=True, bufsize=0,
                **_rights(),
            )  # fmt: skip
            self._receive(time.monotonic() + START_SECONDS)
            for k, cell in enumerate(self.cells):
                if k in self.left_out:
                    continue
                try:
                    answer = self.ask({"run": cell}, time.monotonic() + self.seconds)
                except Gone as gone:
                    self.stopped_with[k] = f"Your cell {gone}"
                    self.left_out.add(k)
                    break
                first, self.ran = k not in self.ran, self.ran | {k}
                if "error" in answer and first:  # later a cell that was left out may be missing
                    self.stopped_with[k] = f"Your cell stopped with {_stop(answer)}"

    def ask(self, message: dict[str, Any], end: float) -> dict[str, Any]:
        """One question to the worker.

        Raises:
            Gone: there is no worker any more.
        """
        assert self._process and self._process.stdin
        data = pickle.dumps(message)
        try:
            self._process.stdin.write(struct.pack(">I", len(data)))
            rest = memoryview(data)
            while rest:
                rest = rest[self._process.stdin.write(rest) :]
        except OSError:
            self._lost("ended the process that ran it.")
        return self._receive(end)

    def _receive(self, end: float) -> dict[str, Any]:
        size = struct.unpack(">I", self._read(4, end))[0]
        if size > LARGEST:
            self._lost("gave more than can be read.")
        try:
            message = json.loads(self._read(size, end))
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            self._lost("answered what cannot be read.")
        return message

    def _read(self, size: int, end: float) -> bytes:
        assert self._process and self._process.stdout
        got, file = b"", self._process.stdout.fileno()
        while len(got) < size:
            ready, _, _ = select.select([file], [], [], max(end - time.monotonic(), 0))
            if not ready:
                self._lost("did not come to an end in time.")
            part = os.read(file, min(size - len(got), 2**20))
            if not part:
                self._lost("ended the process that ran it.")
            got += part
        return got

    def _lost(self, why: str) -> None:
        self.end()
        raise Gone(why)

    def cells_of(self, exercise: Exercise) -> list[int]:
        """The cells that bind one of the exercise's answers."""
        return [k for k, cell in enumerate(self.cells) if _binds(cell) & set(exercise.answers)]

    def judge(self, exercise: Exercise) -> Card:
        """The lecture's own verdict on this submission's answer."""
        module = importlib.import_module(f"ssl_course.course.exercises.lecture_{exercise.lecture}")
        check, own = getattr(module, exercise.check), self.cells_of(exercise)
        self.start()
        # where no cell gives the answer, the one that stopped was to do it
        if stopped := next(
            (self.stopped_with[k] for k in own or sorted(self.stopped_with) if k in self.stopped_with), None
        ):
            return wrong(stopped)
        end = time.monotonic() + self.seconds
        try:
            answers = [self._answer(name, end, own) for name in exercise.answers]
            return check(*answers, **({} if exercise.seed is None else {"seed": exercise.seed}))
        except Gone as gone:
            self.left_out |= set(own)  # the other exercises go on without it
            return wrong(f"Your cell {gone}")

    def _answer(self, name: str, end: float, own: Sequence[int]) -> Any:
        given = self.ask({"get": name}, end)
        if "function" not in given:
            return decode(given.get("value", {"dots": True}))

        def function(*case: Any) -> Any:
            try:
                answer = self.ask({"call": name, "with": case}, end)
            except Gone as gone:
                self.left_out |= set(own)
                raise Verdict(f"Your function {gone}") from None
            if answer.get("error") == "NotImplementedError":
                raise NotImplementedError
            if "error" in answer:
                raise type(str(answer["error"])[:60], (Exception,), {"__module__": "builtins"})(
                    _message(answer)
                )
            return decode(answer.get("value", {"plain": None}))

        return function


def _message(answer: dict[str, Any]) -> str:
    words, line = str(answer.get("words", ""))[:300], answer.get("line")
    function = str(answer.get("function", ""))[:60]
    inside = f", in {function}" if function not in ("", "<module>") else ""
    return f"{words} (line {line} of your cell{inside})" if line else words


def _stop(answer: dict[str, Any]) -> str:
    return f"{str(answer['error'])[:60]}: {_message(answer)}."


def _binds(cell: str) -> set[str]:
    try:
        tree = ast.parse(cell)
    except SyntaxError:  # the names may stand there all the same
        return set(re.findall(r"\b[A-Za-z_]\w*\b", cell))
    names = {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    return names | {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


class Unreadable:
    """What a function returned that is neither a number, a text, an array nor made of them."""


def _unreadable(name: str) -> Unreadable:
    return type(name[:60], (Unreadable,), {})()  # a check names it by its type


def decode(message: Any) -> Any:
    """The value that the worker sent; whatever it sends, nothing of it is run."""
    import numpy as np

    try:
        ((kind, value),) = message.items()
        if kind == "plain" and (value is None or isinstance(value, bool | int | float | str)):
            return value
        if kind == "dots":
            return ...
        if kind in ("list", "tuple"):
            return (list if kind == "list" else tuple)(decode(v) for v in value)
        if kind == "dict":
            return {decode(k): decode(v) for k, v in value}
        if kind in ("array", "tensor"):
            dtype, shape, data = value
            if np.dtype(dtype).kind not in "biufc":
                raise ValueError(dtype)
            array = np.frombuffer(base64.b64decode(data), dtype).reshape([int(n) for n in shape]).copy()
            if kind == "array":
                return array if array.ndim else array[()]
            import torch

            return torch.from_numpy(array)
        return _unreadable(str(value) if str(value).isidentifier() else "object")
    except (ValueError, TypeError, AttributeError, RecursionError):
        return _unreadable("object")


def grade(cells: Sequence[str], exercises: Sequence[Exercise], seconds: float = SECONDS) -> list[Card]:
    """The verdicts on a submission's cells, one for each exercise.

    Args:
        cells: source of its code cells, in order; those that only test may be among them,
            and say nothing here.
        exercises: from the lecturer's copy, never from the submission.
        seconds: for each cell, and for all calls of an exercise.
    """
    plain = [re.sub(r"^[ \t]*[%!].*$", "pass", cell, flags=re.M) for cell in cells]  # no magics of notebooks
    with Submission(plain, seconds) as submission:
        return [submission.judge(exercise) if exercise.answers else UNSOLVED for exercise in exercises]
