"""The course's networks for the web page that runs them: ``python -m tools.export_networks`` writes build/networks/.

Each is made from its shipped checkpoint, so that page and lecture cannot differ: exported to ONNX, its weights kept as
16-bit numbers where that changes no answer by 1e-3, and packed; the page unpacks it, so it is small on any server.
"""

from __future__ import annotations

import contextlib
import copy
import gzip
import hashlib
import io
import logging
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ssl_course import assets, checkpoints, nets
from ssl_course.data import scenes
from ssl_course.interfaces import Pair
from ssl_course.methods import CLIP, MAE, Colorization, ContextEncoder, SimCLR
from ssl_course.pretext import color
from ssl_course.pretext.masking import unpatchify
from ssl_course.pretext.words import PAD, SEP

FOLDER = Path(__file__).resolve().parent.parent / "build/networks"
SIZE, PATCHES = 64, 64  # pixels a side, patches of MAE
CLOSE = 1e-3  # how far an answer may be from PyTorch's
LARGE = 2048  # numbers in a tensor from which on 16 bits save something
AB = 110.0  # Lab units: what the answers of the colorizers are divided by before they are compared


# ------------------------------------------------------------------------------ what the page asks the networks
class Asked(nn.Module):
    """A method and what the page asks it, as one module: what `torch.onnx` exports."""

    def __init__(self, method: nn.Module, ask: Callable[..., Any]) -> None:
        super().__init__()
        self.method, self.ask = method, ask

    def forward(self, *given: Tensor) -> Any:
        return self.ask(self.method, *given)


def fill(mae: MAE, picture: Tensor, keep: Tensor, restore: Tensor) -> Tensor:
    """A picture (1, 3, 64, 64) in [0, 1], kept patches (K,), the place of all in the sorted row (64,) → filled."""
    latent = mae.see(Pair(picture, picture, {"ids_keep": keep[None]}))  # (1, 1 + K, dim)
    patches = mae.forward_decoder(latent, restore[None])  # (1, L, p²·3)
    return nets.denormalise(unpatchify(patches, mae.patch_size))  # (1, 3, 64, 64)


def complete(encoder: ContextEncoder, picture: Tensor, hole: Tensor) -> Tensor:
    """A picture (1, 3, 64, 64) in [0, 1] and its hole (1, 1, 64, 64) → the whole of it."""
    return nets.denormalise(encoder.predict(picture, hole))  # (1, 3, 64, 64)


def vivid(colorizer: Colorization, lightness: Tensor, temperature: Tensor) -> Tensor:
    """By classes: L (1, 1, 64, 64) in [0, 100] and a temperature (1,) > 0 → ab (1, 2, 16, 16), its annealed mean."""
    share = (colorizer.answer(lightness) / temperature).softmax(1)  # (1, Q, 16, 16)
    return torch.einsum("nqhw,qc->nchw", share, colorizer.centres)


def views(simclr: SimCLR, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures (N, 3, 64, 64) in [0, 1] → h = ψ (N, 128), and z (N, 64), which the loss compares."""
    h = simclr.encode(pictures)
    return h, simclr.projection_head(h)


def caption(clip: CLIP, ids: Tensor, end: Tensor) -> Tensor:
    """Ids (1, context), padded, and the place of [SEP] (1,) → (1, d) of length 1."""
    state = clip.text(ids)[:, end][:, 0]  # (1, width): causal, so pads behind it are never seen
    return nn.functional.normalize(clip.text_projection(state), dim=1)


@dataclass(frozen=True)
class Network:
    """One that the page loads: its checkpoint, what it is asked, by which names."""

    checkpoint: str
    ask: Callable[..., Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    free: dict[str, dict[int, str]]  # axes of any length
    unit: float = 1.0  # what an answer is divided by before it is compared

    def asked(self, method: nn.Module) -> Asked:
        """The module that is exported, ready to answer."""
        return Asked(method, self.ask).eval()


NETWORKS = {
    "colours": Network("colorization_l2", Colorization.answer, ("lightness",), ("ab",), {}, AB),
    "vivid": Network("colorization", vivid, ("lightness", "temperature"), ("ab",), {}, AB),
    "mae": Network("mae", fill, ("picture", "keep", "restore"), ("filled",), {"keep": {0: "kept"}}),
    "hole": Network("context_encoder", complete, ("picture", "hole"), ("filled",), {}),
    "views": Network("simclr", views, ("pictures",), ("h", "z"), {"pictures": {0: "n"}}),
    "pictures": Network("clip", CLIP.encode_image, ("pictures",), ("features",), {"pictures": {0: "n"}}),
    "caption": Network("clip", caption, ("ids", "end"), ("features",), {}),
}


def examples(name: str, count: int = 8) -> list[tuple[Tensor, ...]]:
    """Inputs of a network, always the same: what an export is traced with, what answers are compared on."""
    some = scenes.World().sample(count, SIZE, seed=12)
    images, captions = nets.as_float(some.images), some.captions  # (count, 3, 64, 64)
    draw = torch.Generator().manual_seed(0)
    made: list[tuple[Tensor, ...]] = []
    for i, image in enumerate(images.split(1)):
        light = color.lightness(image)
        if name == "mae":
            order = torch.randperm(PATCHES, generator=draw)
            made.append((image, order[: (16, 40, 2, 0, 63)[i % 5]], order.argsort()))
        elif name == "hole":
            hole = torch.zeros(1, 1, SIZE, SIZE)
            hole[..., 16 : 32 + 4 * i, 8 : 40 + 2 * i] = 1
            made.append((image, hole))
        elif name == "caption":
            ids, end = rows(load("clip"), captions[i])
            made.append((ids, end))
        elif name == "vivid":
            made.append((light, torch.tensor([(0.38, 1.0, 0.1)[i % 3]])))
        else:
            made.append((light,) if name == "colours" else (images[i : i + 3],))
    return made


def rows(clip: CLIP, caption: str) -> tuple[Tensor, Tensor]:
    """A caption as `caption` takes it."""
    ids = clip.tokenize([caption], cut=True)
    padded = nn.functional.pad(ids, (0, clip.context - ids.shape[1]), value=PAD)  # (1, context)
    return padded, (ids == SEP).int().argmax(1)


def load(checkpoint: str) -> Any:
    """A shipped network, ready to answer."""
    return checkpoints.load(assets.checkpoint(checkpoint)).eval()


@torch.no_grad()
def difference(name: str, one: nn.Module, other: nn.Module) -> float:
    """The largest difference of two networks' answers to `examples`, pixels in [0, 1], features by their length."""
    most = 0.0
    for given in examples(name):
        for a, b in zip(answers(one, given), answers(other, given), strict=True):
            scale = NETWORKS[name].unit if a.ndim == 4 else float(a.norm(dim=1).max())
            most = max(most, float((a - b).abs().max()) / scale)
    return most


def answers(asked: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """One answer or several as a tuple."""
    answer = asked(*given)
    return answer if isinstance(answer, tuple) else (answer,)


# ----------------------------------------------------------------------------------------------------- exporting
def halved(asked: nn.Module) -> nn.Module:
    """A copy whose weights are those that 16 bits can hold."""
    copied = copy.deepcopy(asked)
    for tensor in (*copied.parameters(), *copied.buffers()):
        if tensor.is_floating_point() and tensor.numel() >= LARGE:
            tensor.data = tensor.data.half().float()
    return copied


def export(name: str) -> tuple[bytes, float | None]:
    """A network as ONNX; and how far 16-bit weights move its answers, None where they would move them too far."""
    network = NETWORKS[name]
    asked = network.asked(load(network.checkpoint))
    moved = difference(name, asked, halved(asked))
    nets.mean_and_std(torch.float32, torch.device("cpu"))  # kept before tracing, or a tracer's would be kept
    shapes = {"given": tuple(network.free.get(name, {}) for name in network.inputs)} if network.free else None
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # one operation that ONNX does not know
    try:
        with torch.no_grad(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            logging.getLogger("torch.onnx").setLevel(logging.ERROR)
            program = torch.onnx.export(
                asked, examples(name)[0], dynamo=True, input_names=network.inputs, output_names=network.outputs,
                dynamic_shapes=shapes, verbose=False,
            )  # fmt: skip
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    model = program.model_proto
    small = moved < CLOSE
    if small:
        _store_halves(model)
    return model.SerializeToString(), moved if small else None


def _store_halves(model: Any) -> None:
    """Weights as 16-bit numbers, and a Cast for each, which the runtime does once, when it loads them."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for kept in model.graph.initializer:
        if kept.data_type != TensorProto.FLOAT or np.prod(kept.dims) < LARGE:
            continue
        name, values = kept.name, numpy_helper.to_array(kept)
        kept.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [kept.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:], model.graph.value_info[:]
    model.graph.node.extend(nodes)


def exported(folder: Path = FOLDER) -> dict[str, bytes]:
    """All networks, packed, by file name; exported anew where a checkpoint or the code has changed."""
    package = Path(nets.__file__).parent
    code = (
        Path(__file__),
        package / "nets.py",
        *sorted(package.glob("methods/*.py")),
        *sorted(package.glob("pretext/*.py")),
    )
    written = b"".join(file.read_bytes() for file in code) + torch.__version__.encode()
    made = {}
    folder.mkdir(parents=True, exist_ok=True)
    for name, network in NETWORKS.items():
        key = hashlib.sha256(assets.checkpoint(network.checkpoint).read_bytes() + written).hexdigest()[:16]
        file = folder / f"{name}-{key}.onnx.gz"
        if not file.exists():
            model, moved = export(name)
            packed = gzip.compress(model, 9, mtime=0)
            for old in folder.glob(f"{name}-*.onnx.gz"):
                old.unlink()
            file.write_bytes(packed)
            kind = "32-bit" if moved is None else f"16-bit weights, which move answers by {moved:.1e} at most"
            print(f"{name}: {len(packed) / 1e6:.2f} MB, {kind}")
        made[f"{name}.onnx.gz"] = file.read_bytes()
    return made


if __name__ == "__main__":
    exported()
    sys.exit(0)
