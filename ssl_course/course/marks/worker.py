"""Runs a submission's cells and calls its functions, in a process of its own, for `ssl_course.course.marks`.

It knows no right answer and no seed, and decides nothing: it sends back what a function returned. Started by
its path; the grader may end it at any time.
"""

import base64
import contextlib
import json
import os
import pickle
import re
import struct
import sys
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

CELL = "<your cell>"
MEMORY = 4 * 2**30  # bytes that a submission may allocate
LARGEST_FILE = 64 * 2**20


def send(stream: BinaryIO, message: dict[str, Any]) -> None:
    """A message, its length before it."""
    data = json.dumps(message).encode("utf-8", "replace")
    stream.write(struct.pack(">I", len(data)) + data)
    stream.flush()


def encode(value: Any) -> Any:
    """Numbers, texts, arrays and tensors, and lists, tuples and dicts of them, as JSON;
    of all else only its type."""
    import numpy as np

    if value is None or isinstance(value, bool | str) or type(value) in (int, float):
        return {"plain": value}
    if value is ...:
        return {"dots": True}
    if isinstance(value, list | tuple):
        return {type(value).__name__ if type(value) in (list, tuple) else "tuple": [encode(v) for v in value]}
    if isinstance(value, dict):
        return {"dict": [[encode(k), encode(v)] for k, v in value.items()]}
    tensor = hasattr(value, "detach")
    array = value.detach().cpu().numpy() if tensor else value
    if isinstance(array, np.ndarray | np.generic) and array.dtype.kind in "biufc":
        array = np.asarray(array)
        data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
        return {"tensor" if tensor else "array": [array.dtype.str, list(array.shape), data]}
    return {"other": type(value).__name__}


def described(error: BaseException) -> dict[str, Any]:
    """An error as its type, its words and the line of the cell in which it arose."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == CELL]
    line = error.lineno if isinstance(error, SyntaxError) else frames[0].lineno if frames else 0
    try:
        words = str(error.msg if isinstance(error, SyntaxError) else error)[:300]
    except BaseException:  # a __str__ of the student's own
        words = ""
    return {
        "error": type(error).__name__,
        "words": words,
        "line": line,
        "function": frames[0].name if frames else "",
    }


class Blank(types.ModuleType):
    """Stands where the lectures' checks stand: whatever it is asked, it does nothing."""

    __path__: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_, **__: None


def confine() -> None:
    """No more memory and disk than a submission needs."""
    import resource

    limits = {resource.RLIMIT_DATA: MEMORY, resource.RLIMIT_FSIZE: LARGEST_FILE, resource.RLIMIT_CORE: 0}
    for limit, most in limits.items():
        with contextlib.suppress(ValueError, OSError):  # a system without it, or a stricter one
            resource.setrlimit(limit, (most, most))


def close(exercises: Path) -> None:
    """Python opens no file with checks any more, whatever its path is here: an audit hook cannot be removed.

    Programs and libraries in C that read files by themselves do not ask it.
    """
    refusal = "The lecture's checks cannot be read while an answer is graded."
    # what a submission may put in the place of os.stat is not asked
    stat, decode, named = os.stat, os.fsdecode, re.compile(r"(?i)lecture_\d\d\.([^/]*\.)?pyc?\Z").search
    own = frozenset((s.st_dev, s.st_ino) for s in map(stat, exercises.rglob("lecture_*.py*")))

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event not in ("open", "os.link", "os.symlink") or isinstance(args[0], int):
            return
        if named(decode(args[0])):
            raise PermissionError(refusal)
        try:
            there = stat(args[0])
        except (OSError, ValueError):  # no such file: who opens it says so
            return
        if (there.st_dev, there.st_ino) in own:
            raise PermissionError(refusal)

    sys.addaudithook(hook)


def main() -> None:
    """Answer the grader's messages until it closes the pipe."""
    # What the submission prints goes nowhere, and what it reads is empty.
    inbox, outbox = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "r+b", buffering=0) as nothing:
        for number in (0, 1, 2):
            os.dup2(nothing.fileno(), number)
    if os.name == "posix":
        confine()
    import ssl_course.course

    for lecture in range(100):
        sys.modules[f"ssl_course.course.exercises.lecture_{lecture:02d}"] = Blank(f"lecture_{lecture:02d}")
    blank = sys.modules["ssl_course.course.exercises"] = Blank("exercises")
    course = os.path.dirname(str(ssl_course.course.__file__))
    blank.__path__ = [os.path.join(course, "exercises")]  # for its cards
    for name in [n for n in sys.modules if n.startswith("ssl_course.course.exercises.lecture_")]:
        setattr(blank, name.rpartition(".")[2], sys.modules[name])
    ssl_course.course.exercises = blank  # type: ignore[attr-defined]
    close(Path(course, "exercises"))
    space: dict[str, Any] = {"__name__": "__main__"}
    send(outbox, {"ready": True})
    while header := inbox.read(4):
        asked = pickle.loads(inbox.read(struct.unpack(">I", header)[0]))  # from the grader, who is trusted
        answer: dict[str, Any]
        try:
            if "run" in asked:
                exec(compile(asked["run"], CELL, "exec"), space)
                answer = {"value": None}
            elif "get" in asked:
                value = space.get(asked["get"], ...)
                answer = {"function": True} if callable(value) else {"value": encode(value)}
            else:
                answer = {"value": encode(space[asked["call"]](*asked["with"]))}
        except BaseException as error:  # SystemExit, too: it ends the cell, not the grading
            answer = described(error)
        send(outbox, answer)


if __name__ == "__main__":
    main()
