"""The methods, one file each; each an ``nn.Module`` with ``forward(batch) -> loss`` and ``encode(x)``."""

import importlib
from typing import Any

# By name only: torch and the text tools are loaded with the first method that is asked for.
_HOME = {
    "ContextEncoder": "context_encoder",
    "MAE": "mae",
    "Colorization": "colorization",
    "Rotation": "rotation",
    "Jigsaw": "jigsaw",
    "BERT": "bert",
    "GPT": "gpt",
    "SimCLR": "simclr",
    "SimSiam": "simsiam",
    "BYOL": "byol",
    "CLIP": "clip",
    "DeepCCA": "deep_cca",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:  # PEP 562: called for what the module does not have yet
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:  # for completion in a notebook, before anything is loaded
    return list(_HOME)
