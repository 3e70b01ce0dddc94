"""A live run outlasts its kernel: its state lies in the student's own folder, the same cell offers it."""

import contextlib
import hashlib
import os
from pathlib import Path
from typing import Any

from torch import nn

from ssl_course import checkpoints
from ssl_course.course import kept

MOST = 4  # runs that are kept; the oldest goes first


class Leftover:
    """The file of a run: of a recipe, in the cell that a notebook knows by this name ("" outside of one).

    Without a notebook or a home, or on a full disk, it keeps nothing.
    """

    def __init__(self, recipe: str, cell: str) -> None:
        name = hashlib.sha256(f"{recipe} {cell}".encode()).hexdigest()[:16]
        self.file: Path | None = None
        with contextlib.suppress(OSError):
            self.file = kept.folder() / "runs" / f"{name}.safetensors" if cell else None

    def keep(self, method: nn.Module, state: dict[str, Any], controls: dict[str, Any]) -> None:
        """Write a state of `train` and the controls' values; the old file stays until the new is whole."""
        if self.file is None:
            return
        with contextlib.suppress(OSError, TypeError, ValueError):
            # no arguments: the cell makes the method, whatever modules it is given, and `take` fills it
            checkpoints.save(self.file, method, state=state, metrics={"controls": controls}, arguments={})
            others = sorted(self.file.parent.glob("*.safetensors"), key=os.path.getmtime)
            for old in others[:-MOST]:
                old.unlink(missing_ok=True)

    def step(self) -> int:
        """Where the run that is kept stopped; 0 where there is none."""
        if self.file is None or not self.file.is_file():
            return 0
        try:
            return int(checkpoints.about(self.file)["steps"] or 0)
        except (checkpoints.CheckpointError, OSError, TypeError, ValueError):
            self.forget()  # of an older edition, or damaged
            return 0

    def take(self, method: nn.Module) -> tuple[dict[str, Any], dict[str, Any]]:
        """The method gets the weights that were kept; returns (state for `train`, the controls' values).

        Raises:
            CheckpointError: it does not fit the method. OSError: it is gone.
        """
        assert self.file is not None
        _, state = checkpoints.resume(self.file, method)
        about = checkpoints.about(self.file)["metrics"]
        if state is None or not isinstance(about, dict):
            raise checkpoints.CheckpointError(f"{self.file} holds no run")
        return state, dict(about.get("controls", {}))

    def forget(self) -> None:
        """The run is over, or was taken back."""
        if self.file is not None:
            with contextlib.suppress(OSError):
                self.file.unlink(missing_ok=True)
