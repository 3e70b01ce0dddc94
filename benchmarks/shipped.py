"""The networks in assets/checkpoints: what each claims, whether it is so, and all of them made anew.

    python benchmarks/shipped.py list               name, size, command, metrics
    python benchmarks/shipped.py verify [NAME …]    measure again what the file says, against its error bar
    python benchmarks/shipped.py rebuild [NAME …]   run the command that each file carries (hours for all)

`rebuild` is `make checkpoints`. Files made by ``python -m ssl_course train`` carry no metric of their own: it is
measured after training and written into the header, and so is, for networks that see scenes, what a probe of them
reaches beside one of the same network untrained and of pixels.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import normalize

from ssl_course import checkpoints
from ssl_course.data import load, reviews, scenes
from ssl_course.data.pictures import Pictures
from ssl_course.evaluation import encode, linear_probe, pixels, zero_shot
from ssl_course.losses import hole_loss
from ssl_course.methods.mae import hidden_error, mean_picture, patch_means
from ssl_course.nets import as_float
from ssl_course.pretext import holes
from ssl_course.studies.verdicts import paired_difference

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "assets" / "checkpoints"
MOST_BYTES, MOST_TOGETHER = 8_000_000, 60_000_000
FRESH = 2_000_000  # seed of pictures and texts that no recorded metric has seen
N_FRESH = 512
LABELS_OF_OWN = 100  # for the probe of networks that `train` made
BESIDE = "gray scenes, 100 labels"


class Check(NamedTuple):
    """A metric of a file's header, measured again."""

    metric: str
    recorded: float
    measured: float
    allowed: float

    @property
    def holds(self) -> bool:
        """Whether the two agree within the error bar."""
        return abs(self.measured - self.recorded) <= self.allowed


def share_error(p: float, n: int, m: int, k: float = 3.0) -> float:
    """k standard errors of the difference of two shares near p, of n and m trials; never quite 0."""
    return k * math.sqrt(max(p * (1 - p), 0.25 / min(n, m)) * (1 / n + 1 / m))


def files(names: list[str] | None = None) -> list[Path]:
    """The shipped files, all or those named.

    Raises:
        FileNotFoundError: a name that is not there.
    """
    if not names:
        return sorted(FOLDER.glob("*.safetensors"))
    paths = [FOLDER / f"{name.removesuffix('.safetensors')}.safetensors" for name in names]
    if gone := [p.name for p in paths if not p.is_file()]:
        raise FileNotFoundError(f"no {', '.join(gone)} in {FOLDER}")
    return paths


def verify(path: Path) -> list[Check]:
    """Every metric that can be measured here again within seconds; each kind of network has at least one."""
    about = checkpoints.about(path)
    method = checkpoints.load(path).eval()
    return list(_checks(method, about["metrics"] or {}))


@torch.no_grad()
def _puzzle(method: nn.Module, n: int, seed: int) -> float:
    test = scenes.World().sample(n, seed=seed)
    return float(method.accuracy(test.images))


def _hidden(method: nn.Module, test: Pictures) -> dict[str, float]:
    """Squared error of an MAE on three quarters of the patches, beside two fillings without a network."""
    noise = torch.rand(len(test), method.grid**2, generator=torch.Generator().manual_seed(0))
    filled, mask = method.reconstruct(test.images, 0.75, noise)
    others = {"patch means": patch_means(test.images, method.patch_size), "mean picture": mean_picture(test)}
    errors = {"hidden error": hidden_error(test.images, filled, mask)}
    errors |= {name: hidden_error(test.images, other, mask) for name, other in others.items()}
    return {name: round(error, 5) for name, error in errors.items()}


def _neighbours(method: nn.Module) -> float:
    """Share of the five nearest training pictures that have the biome of a test picture: the Earth in gray."""
    known, asked = (encode(method, load("earth", 64, split).gray()) for split in ("train", "test"))
    cosine = normalize(asked.inputs, dim=1) @ normalize(known.inputs, dim=1).T  # (n, N)
    nearest = known.labels["biome"][cosine.topk(5, dim=1).indices]  # (n, 5)
    return round(float((nearest == asked.labels["biome"][:, None]).double().mean()), 4)


def _checks(method: nn.Module, metrics: dict) -> Iterator[Check]:
    kind = type(method).__name__
    if (
        "neighbours of its biome" in metrics
    ):  # the same pictures: a neighbour may change where another machine rounds
        yield Check("neighbours of its biome", metrics["neighbours of its biome"], _neighbours(method), 0.01)
    if "puzzle" in metrics:  # rotation, jigsaw: other pictures than those of the header
        p, n = metrics["puzzle"], metrics.get("test_pictures", 1024)
        yield Check("puzzle", p, _puzzle(method, N_FRESH, FRESH), share_error(p, n, N_FRESH) + 0.01)
    if kind == "MAE" and metrics.get("tested on") == "earth":  # the same pictures and masks: rounding is left
        now = _hidden(method, load("earth", method.image_size, "test"))["hidden error"]
        yield Check("hidden error", metrics["hidden error"], now, 0.02 * metrics["hidden error"])
    for name, p in metrics.items():
        if name.startswith("probe ") and name.endswith(" labels") and isinstance(p, float):
            label, n = name.removeprefix("probe ").removesuffix(" labels").split(", ")
            size = metrics.get("size", 64)
            train, test = (scenes.World().sample(m, size, seed=s) for m, s in ((4096, 0), (1000, 10**6)))
            probe = linear_probe(method, train=train, test=test, label=label, n_labels=int(n))
            # The same pictures and labels: what is left is how another machine rounds.
            yield Check(name, p, probe.accuracy, share_error(p, 1000, 1000))
            break  # one label of it: encoding 4,096 pictures is what takes the time
    if (
        "mean of the surroundings" in metrics and "probe biome, 10 labels" not in metrics
    ):  # holes on the Earth
        test = load("earth", method.image_size, "test").images
        hole = holes.make_holes("centre", len(test), method.image_size)
        now = float(hole_loss(method.inpaint(test, hole), as_float(test), hole))
        yield Check(
            "error in the centre", metrics["error in the centre"], now, 0.1 * metrics["error in the centre"]
        )
    if "one mean colour" in metrics:  # colours of the Earth
        test = load("earth", 64, "test")
        answer = method.colours(test.images, temperature=1.0, mix=1.0)
        now = float((method.pair(test).x2 - answer).square().sum(1).mean())
        yield Check("colour error", metrics["colour error"], now, 0.05 * metrics["colour error"])
    if kind == "SimCLR" and isinstance(metrics.get("probe"), dict):
        n, label = metrics["n_labels"], "texture"
        train, test = (scenes.World().sample(m, seed=s) for m, s in ((4096, 0), (1000, 1)))
        probe = linear_probe(method, train=train, test=test, label=label, n_labels=n, draws=2)
        p = metrics["probe"][label]
        yield Check(f"probe: {label}", p, probe.accuracy, share_error(p, 1000, 1000) + 0.01)
    if kind == "GPT" and "exact" in metrics:
        now = float(method.perplexity(reviews.World(0.5).sample(1024, seed=FRESH)))
        # The header's error is that of its own texts, of which there were more: allow four of it twice over.
        yield Check("perplexity", metrics["perplexity"], now, 8 * metrics["error"])
    elif kind == "GPT" and "perplexity" in metrics:
        yield from _prose(method, metrics)
    if kind == "BERT" and "given" in metrics:
        table = metrics["given"]
        test = reviews.World(0.5).sample(1024, seed=FRESH).told(share=1.0)
        value, error = method.information(test, reviews.VERBS, reviews.ADJECTIVES)
        yield Check("given: nats", table["nats"], value, 3 * math.hypot(error, table["error"]))
    if kind == "CLIP" and "biome" in metrics:
        test = scenes.World().sample(N_FRESH, 32, seed=FRESH)
        for label in ("biome", "object"):
            names = method.class_features(scenes.prompts(label))
            now = zero_shot(encode(method.encode_image, test).inputs, names, test.labels[label])
            yield Check(f"zero-shot {label}", metrics[label], now, share_error(metrics[label], 1024, N_FRESH))


def _prose(method: nn.Module, metrics: dict) -> Iterator[Check]:
    """A text that is no world of ours: a loss that is finite and below that of guessing among its vocabulary."""
    ids = torch.randint(10, method.vocab_size, (4, 16), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        finite = float(method.hidden(ids).isfinite().all())
    yield Check("finite states", 1.0, finite, 0.0)


def beside(method: nn.Module, arguments: dict, size: int) -> dict[str, dict]:
    """Gray scenes, 100 labels: accuracy of a probe of the network, of the same one untrained and of pixels; how far the
    first is above the others, with half of the 95 % interval. First weights and labels are drawn anew for each of five seeds.
    """
    train, test = (scenes.World().sample(m, size, seed=FRESH + s).gray() for s, m in enumerate((2048, 1000)))
    rows: dict[str, dict[str, dict[int, float]]] = {label: {} for label in ("biome", "texture")}
    same = {
        name: (encode(f, train), encode(f, test)) for name, f in (("network", method), ("pixels", pixels(16)))
    }
    for seed in range(5):
        torch.manual_seed(seed)
        untrained = type(method)(**arguments).eval()
        encoded = same | {"untrained": (encode(untrained, train), encode(untrained, test))}
        for name, (bank, asked) in encoded.items():
            for label, row in rows.items():
                probe = linear_probe(
                    None, train=bank, test=asked, label=label, n_labels=LABELS_OF_OWN, draws=1, seed=seed
                )
                row.setdefault(name, {})[seed] = probe.accuracy
    made: dict[str, dict] = {}
    for label, row in rows.items():
        made[label] = {name: round(sum(v.values()) / len(v), 4) for name, v in row.items()}
        for other in ("untrained", "pixels"):
            gap = paired_difference(row["network"], row[other])
            made[label][f"above {other}"] = [round(gap.mean, 4), round(gap.half_width, 4)]
    return made


def measured(path: Path, **more: float) -> None:
    """Write what is missing into a file: a metric where `train` made it, the probe beside others where it sees scenes;
    and ``more``."""
    about, method = checkpoints.about(path), checkpoints.load(path).eval()
    metrics = (about.get("metrics") or _first_metrics(about, method)) | more
    if about["data"].startswith("scenes") and BESIDE not in metrics:
        size = metrics.get("size", 32 if "32 px" in about["data"] else 64)  # as it was trained
        metrics[BESIDE] = beside(method, about["arguments"], size)
    if metrics != about.get("metrics"):
        checkpoints.save(path, method, command=about["command"], metrics=metrics, data=about["data"])


def _first_metrics(about: dict, method: nn.Module) -> dict:
    words = shlex.split(about["command"])
    given = {a.removeprefix("--"): b for a, b in zip(words, words[1:], strict=False) if a.startswith("--")}
    metrics = {
        "steps": int(given.get("steps", type(method).defaults["steps"])),
        "seed": int(given.get("seed", 0)),
    }
    if hasattr(method, "accuracy"):
        metrics |= {"puzzle": round(_puzzle(method, 1024, 10**6), 4), "test_pictures": 1024}
    elif type(method).__name__ == "SimCLR" and about["data"] == "earth":
        torch.manual_seed(0)
        metrics |= {"neighbours of its biome": _neighbours(method), "tested on": "earth, gray"}
        metrics["of an untrained network"] = _neighbours(type(method)().eval())
    elif type(method).__name__ == "MAE" and about["data"] == "earth":
        metrics |= _hidden(method, load("earth", method.image_size, "test")) | {"tested on": "earth"}
    else:
        size = int(given.get("size", 64))
        train, test = (scenes.World().sample(m, size, seed=s) for m, s in ((4096, 0), (1000, 10**6)))
        probe = linear_probe(method, train=train, test=test, label="biome", n_labels=LABELS_OF_OWN)
        metrics |= {f"probe biome, {LABELS_OF_OWN} labels": round(probe.accuracy, 4), "size": size}
    return metrics


def rebuild(path: Path) -> None:
    """Run the command that the file carries; the old file stays until the new one is whole.

    Raises:
        CalledProcessError: the command failed.
    """
    command = checkpoints.about(path)["command"]
    words = shlex.split(command)
    if words[0] == "python":
        words[0] = sys.executable
    print(f"{path.name}: {command}", flush=True)
    before = os.times().children_user
    subprocess.run(words, cwd=ROOT, check=True)
    measured(path, **{"CPU seconds": round(os.times().children_user - before)})


def main() -> int:
    """0 if all is well."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["list", "verify", "rebuild", "measure"])
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    wrong = 0
    for path in files(given.names):
        if given.what == "rebuild":
            rebuild(path)
        elif given.what == "measure":
            measured(path)
        elif given.what == "list":
            about = checkpoints.about(path)
            print(f"{path.stem}: {path.stat().st_size / 1e6:.2f} MB\n  {about['command']}")
            print(f"  {json.dumps(about['metrics'], ensure_ascii=False)}")
        if given.what in ("rebuild", "verify"):
            for check in verify(path):
                wrong += not check.holds
                print(
                    f"{path.stem}: {check.metric}: {check.recorded:.4f} recorded, {check.measured:.4f} measured, "
                    f"± {check.allowed:.4f}: {'holds' if check.holds else 'DOES NOT HOLD'}"
                )
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
