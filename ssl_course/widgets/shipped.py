"""The trained networks that come with the course, so that a widget is good from the first second."""

from __future__ import annotations

from functools import lru_cache

from torch import nn

from ssl_course import assets

CHECKPOINTS = assets.root() / "assets" / "checkpoints"


@lru_cache(maxsize=8)
def shipped(name: str, command: str = "") -> nn.Module:
    """The network in assets/checkpoints/NAME.safetensors, loaded once; do not train it.

    Args:
        name: of the file, without its ending.
        command: what makes it, for the message when it is not there.

    Raises:
        FileNotFoundError: it is not there (the course was installed without its checkout).
    """
    from ssl_course import checkpoints  # late: safetensors is not needed by who brings a network

    path = CHECKPOINTS / f"{name}.safetensors"
    if not path.is_file():
        otherwise = f"make it with  {command}" if command else "get the course's assets/checkpoints"
        raise FileNotFoundError(
            f"there is no {path}: hand over a network that you have trained, or {otherwise}"
        )
    return checkpoints.load(path)


def together(
    networks: nn.Module | dict[str, nn.Module] | None, names: dict[str, str]
) -> dict[str, nn.Module]:
    """Shipped networks first, then the student's own, each under the name that its switch shows.

    Args:
        networks: one network, several by name, or None.
        names: what the switch says → checkpoint. Missing files are left out where ``networks`` brings others.

    Raises:
        FileNotFoundError: none is shipped and none is given.
    """
    found: dict[str, nn.Module] = {}
    for said, name in names.items():
        try:
            found[said] = shipped(name)
        except FileNotFoundError:
            if networks is None:
                raise
    if networks is not None:
        found |= networks if isinstance(networks, dict) else {"yours": networks}
    return found
