"""Checkpoints: one safetensors file, with everything that is not a tensor as JSON in its header; no pickle.

save("F.safetensors", method, command="…", metrics={…})           # a finished method
train(method, data, save=saver("F.safetensors", method))          # and a run that can go on
method = load("F.safetensors");  method, state = resume("F.safetensors")
"""

import json
import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import nn

from ssl_course import __version__, assets, methods

FORMAT = 1
ByName = dict[str, nn.Module]
RUN = {"step", "settings", "optimizer", "random", "data"}  # what a run needs besides its weights


class CheckpointError(ValueError):
    """The file is no checkpoint of the course, or a damaged one; the message says which and what to do."""


def _flatten(tree: Any, prefix: str, tensors: dict[str, torch.Tensor]) -> Any:
    """The tree with every tensor moved to ``tensors`` and replaced by its key; only JSON remains."""
    if torch.is_tensor(tree):
        tensors[prefix] = tree.detach().cpu().contiguous().clone()  # clone: tied weights share memory
        return {"__tensor__": prefix}
    if isinstance(tree, dict):
        return {"__dict__": [[k, _flatten(v, f"{prefix}/{k}", tensors)] for k, v in tree.items()]}
    if isinstance(tree, list | tuple):
        return [_flatten(v, f"{prefix}/{i}", tensors) for i, v in enumerate(tree)]
    if tree is None or isinstance(tree, str | int | float | bool):
        return tree
    raise TypeError(
        f"{prefix} is a {type(tree).__name__}: a checkpoint holds tensors, numbers, texts, lists and dicts"
    )


def _restore(tree: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(tree, dict):
        if "__tensor__" in tree:
            return tensors[tree["__tensor__"]]
        return {k: _restore(v, tensors) for k, v in tree["__dict__"]}
    return [_restore(v, tensors) for v in tree] if isinstance(tree, list) else tree


def _arguments(method: nn.Module) -> Any:
    arguments = getattr(method, "arguments", {})
    for name, value in arguments.items():
        if isinstance(value, nn.Module):
            raise ValueError(
                f"{type(method).__name__}({name}=…) was given a module, which a checkpoint cannot write "
                f"down: name a timm model instead, or save with arguments={{…}} and load into an object: "
                "load(path, method=…)"
            )
    return json.loads(json.dumps(arguments, default=lambda value: vars(value)))


def save(
    path: str | os.PathLike[str],
    method: nn.Module,
    *,
    state: dict[str, Any] | None = None,
    command: str | None = None,
    metrics: dict[str, Any] | None = None,
    data: str | None = None,
    arguments: dict[str, Any] | None = None,
) -> Path:
    """Write ``method`` (or a run's ``state`` of it) so that a killed process leaves the old file or the new
    one whole.

    Args:
        state: what `training.train` hands to its ``save``; then `resume` can go on.
        command: how to make the file again. metrics, data: whatever describes it, JSON.
        arguments: of the constructor, by default those that the method remembers.

    Raises:
        ValueError: an argument is a module. TypeError: something that is neither tensor nor JSON.
    """
    path = Path(path)
    tensors: dict[str, torch.Tensor] = {}
    weights = state["method"] if state else method.state_dict()
    rest = {k: v for k, v in state.items() if k != "method"} if state else None
    header = {
        "format": FORMAT,
        "ssl_course": __version__,
        "method": type(method).__name__,
        "arguments": _arguments(method) if arguments is None else arguments,
        "command": command,
        "metrics": metrics,
        "data": data,
        "steps": state["step"] if state else None,
        "weights": _flatten(dict(weights), "method", tensors),
        "run": _flatten(rest, "run", tensors),
    }
    with assets.replacing(path) as part:
        safetensors.torch.save_file(tensors, part, metadata={"ssl_course": json.dumps(header)})
    return path


def saver(path: str | os.PathLike[str], method: nn.Module, **about: Any) -> Callable[[dict[str, Any]], Path]:
    """What to hand to ``train(…, save=…)``."""
    return lambda state: save(path, method, state=state, **about)


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """All that a checkpoint holds: what `save` wrote, with its tensors in ``weights`` and ``run``.

    Raises:
        FileNotFoundError: there is no such file. CheckpointError: it is no checkpoint, or a damaged one.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            words = (file.metadata() or {}).get("ssl_course")
            tensors = {key: file.get_tensor(key) for key in file.keys()}
        header = json.loads(words) if words is not None else None
    except (safetensors.SafetensorError, ValueError, OSError, RecursionError) as error:
        raise CheckpointError(
            f"{path} is damaged or no safetensors file ({error}). Delete it, and make or fetch it again"
        ) from None
    if not isinstance(header, dict) or not isinstance(header.get("format"), int):
        raise CheckpointError(f"{path} is a safetensors file, but not one that this course wrote")
    if header["format"] > FORMAT:
        raise CheckpointError(
            f"{path} was written by ssl_course {header.get('ssl_course')}: update the course to read it"
        )
    try:
        parts = {name: _restore(header.get(name), tensors) for name in ("weights", "run")}
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _edited(path, "its tensors do not fit what it says of them") from None
    for name, kind in {"method": str, "arguments": dict, "weights": dict}.items():
        if not isinstance((header | parts).get(name), kind):
            raise _edited(path, f"it does not say its {name}")
    if parts["run"] is not None and not (isinstance(parts["run"], dict) and parts["run"].keys() >= RUN):
        raise _edited(path, "its run cannot go on")
    return header | parts


def _edited(path: Path, why: str) -> CheckpointError:
    return CheckpointError(f"{path} was edited after the course wrote it: {why}. Make or fetch it again")


def about(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Method, arguments, steps, metrics, data and command of a checkpoint, or of one shipped, by its name."""
    path = Path(path)
    held = read(path if path.suffix or path.exists() else assets.checkpoint(path.name))
    names = ("method", "arguments", "steps", "metrics", "data", "command", "ssl_course")
    return {name: held.get(name) for name in names}


def resume(
    path: str | os.PathLike[str], method: nn.Module | None = None
) -> tuple[nn.Module, dict[str, Any] | None]:
    """(method, state): ``train(method, data, resume=state)`` goes on; state is None for a file without a run.

    Args:
        method: an object to fill instead of a new one, where the constructor's arguments cannot be written
            down.

    Raises:
        CheckpointError: no checkpoint, damaged, or of another kind than ``method``.
    """
    held = read(path)
    kind = held["method"]
    if method is None:
        if kind not in dir(methods):
            raise CheckpointError(
                f"{path} holds a {kind}, which is none of the course's methods: load(path, "
                "method=…) fills yours"
            )
        try:
            method = getattr(methods, kind)(**held["arguments"])
        except Exception as error:  # whatever a constructor makes of arguments that are not its own
            raise _edited(Path(path), f"no {kind} can be made with its arguments ({error})") from error
    elif type(method).__name__ != kind:
        raise CheckpointError(f"{path} holds a {kind}, not a {type(method).__name__}")
    try:
        method.load_state_dict(held["weights"])
    except RuntimeError as error:
        raise CheckpointError(f"{path} does not fit this {kind}: {error}") from None
    state = held["run"]
    return method.eval(), state and state | {"method": held["weights"]}


def load(path: str | os.PathLike[str], method: nn.Module | None = None) -> nn.Module:
    """The method of a checkpoint, in eval mode. Arguments and errors as in `resume`."""
    return resume(path, method)[0]


# --------------------------------------------------------------------- the networks that come with the course
@lru_cache(maxsize=8)
def shipped(name: str, command: str = "") -> nn.Module:
    """The network in assets/checkpoints/NAME.safetensors, loaded once; do not train it.

    Args:
        name: of the file, without its ending.
        command: what makes it, for the message when it is not there.

    Raises:
        FileNotFoundError: it is not there.
    """
    path = assets.checkpoint(name)
    if not path.is_file():
        otherwise = f"make it with  {command}" if command else "get the course's assets/checkpoints"
        raise FileNotFoundError(f"there is no {path}: hand over a network that you trained, or {otherwise}")
    return load(path)


def together(networks: nn.Module | ByName | None, names: Mapping[str, str]) -> ByName:
    """Shipped networks first, then the student's own, each under the name that its switch shows.

    Args:
        networks: one network, several by name, or None.
        names: what the switch shows → checkpoint. Missing files are left out where ``networks`` brings
            others.

    Raises:
        FileNotFoundError: none is shipped and none is given.
    """
    offered: ByName = {}
    for shown, name in names.items():
        try:
            offered[shown] = shipped(name)
        except FileNotFoundError:
            if networks is None:
                raise
    if networks is not None:
        offered |= networks if isinstance(networks, dict) else {"yours": networks}
    return offered
