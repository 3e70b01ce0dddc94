"""CLIP on scenes with their captions: what lecture 10 shows as recorded, and the networks that come with the course.

    python benchmarks/captions.py --json assets/results/captions.json
    python benchmarks/captions.py --ship clip
    python benchmarks/captions.py --ship clip_emoji [--root FOLDER]
    python benchmarks/captions.py --flickr FOLDER

The first trains, for each arm and seed, one network and measures zero-shot accuracy beside probes, recall@k, and how
well (count, object, light) is named where that combination was held out of training:

- all: every picture with its caption
- masked: the same with equal captions of a batch left out of the contrast
- triples: without pictures of 9 of the 27 (count, object, light), "three boats at dawn" among them
- pairs: without pictures of 3 of the 9 (object, light), "boats at dawn" among them
- gray: every picture, in gray

The others train one network and write assets/checkpoints/NAME.safetensors (weights, with command, seed, steps and
metrics in the header), or print what Flickr8k's photographs give.
"""

import argparse
import base64
import json
import math
import shlex
import time
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from ssl_course import checkpoints
from ssl_course.data import Pictures, load, scenes
from ssl_course.evaluation import encode, linear_probe, pixels, zero_shot
from ssl_course.losses import clip_floor
from ssl_course.methods import CLIP
from ssl_course.methods.clip import by_each_text, recall
from ssl_course.studies.recorded import record
from ssl_course.training import train

SIZE, N_TRAIN, N_TEST, STEPS, BATCH, DRAWS = 32, 6144, 2048, 200, 128, 3
ARMS = ("all", "masked", "triples", "pairs", "gray")
FEW = (3, 10, 30, 100, 300, 1000)
RANKS = (1, 5, 10)
COMBINATION = ("count", "object", "light")
SHIPPED = Path(__file__).resolve().parents[1] / "assets" / "checkpoints"
ABOUT = {
    "protocol": (
        f"CLIP(), {STEPS} steps of {BATCH} pairs on {N_TRAIN} scenes of {SIZE} px with captions of all six labels; "
        f"{N_TEST} test scenes; zero-shot with words, phrases, the mean feature of all captions of a class, or the summed probabilities of each; probes: mean of {DRAWS} "
        "draws of labels (one of 1,000), l2 by cross-validation; recall among all 1,458 captions, and among the test pictures; "
        "named and answered (each caption): a bit for each test picture, np.packbits as base64"
    ),
    "labels": list(FEW),
    "recall": list(RANKS),
}


def held_out(labels: dict[str, torch.Tensor], arm: str) -> torch.Tensor:
    """Which pictures have a combination that this arm keeps out of training, (N,) bool.

    A Latin square: every count, object and light is still seen, and for "triples" every pair of them.
    """
    count, kind, light = (labels[k] for k in COMBINATION)
    if arm == "pairs":
        return (kind + light) % 3 == 2  # boat (2) and dawn (0) among them
    return (count + kind + light) % 3 == 1  # three (2), boat (2), dawn (0) among them


@lru_cache
def pictures(arm: str, seed: int) -> tuple[Pictures, Pictures]:
    """(to train on, to test on); the test pictures are the same for every arm but gray."""
    data, test = (
        scenes.World().sample(N_TRAIN * 2 if arm in ("triples", "pairs") else N_TRAIN, SIZE, seed=seed),
        scenes.World().sample(N_TEST, SIZE, seed=10**6),
    )
    if arm in ("triples", "pairs"):
        data = data[~held_out(data.labels, arm)]
    data = data[:N_TRAIN]
    return (data.gray(), test.gray()) if arm == "gray" else (data, test)


def trained(data: Pictures, seed: int, steps: int = STEPS, masked: bool = False) -> tuple[CLIP, list[float]]:
    """A network after its steps, in eval mode, and its losses."""
    torch.manual_seed(seed)
    method = CLIP(mask_false_negatives=masked)
    losses = [step.loss for step in train(method, data, steps, BATCH, seed=seed)]
    return method.eval(), losses


@torch.no_grad()
def texts() -> tuple[list[str], dict[str, torch.Tensor]]:
    """All captions and their labels."""
    return scenes.every_caption()


@torch.no_grad()
def retrieval(images: torch.Tensor, captions: torch.Tensor, test: Pictures) -> dict[str, list[float]]:
    """recall@k both ways: a picture's caption among all, and for each caption that occurs, one of its pictures."""
    every, _ = texts()
    place = {caption: i for i, caption in enumerate(every)}
    own = torch.tensor([place[c] for c in test.captions])  # (N,)
    cosine = images @ captions.T  # (N, 1458)
    right = own[:, None] == torch.arange(len(every))
    asked = right.any(0)
    return {
        "picture to caption": [recall(cosine, k, right) for k in RANKS],
        "caption to picture": [recall(cosine.T[asked], k, right.T[asked]) for k in RANKS],
    }


def classes(captions: torch.Tensor, index: torch.Tensor, k: int) -> torch.Tensor:
    """The mean feature of all captions of each class, (K, d): what `CLIP.class_features` gives for whole captions."""
    return torch.stack([captions[index == j].mean(0) for j in range(k)])


def naming(right: torch.Tensor, test: Pictures) -> dict[str, list[float]]:
    """How often (count, object, light) is named among all 27, by which of them were held out where: [held out, seen].

    ``right`` (N,) bool: of which pictures.
    """
    shares = {}
    for arm in ("triples", "pairs"):
        unseen = held_out(test.labels, arm)
        shares[arm] = [float(right[mask].double().mean()) for mask in (unseen, ~unseen)]
    return shares


def packed(yes: torch.Tensor) -> str:
    """A bit a picture, eight a byte, as base64: an interval over pictures needs each picture's answer."""
    return base64.b64encode(np.packbits(yes.numpy())).decode()


def measure(arm: str, seed: int, steps: int = STEPS) -> dict:
    """Train once, measure everything."""
    data, test = pictures(arm, seed)
    began = time.process_time()
    method, losses = trained(data, seed, steps, arm == "masked")
    with torch.no_grad():
        images, captions = encode(method.encode_image, test).inputs, method.encode_text(texts()[0])
    spent, scale = time.process_time() - began, float(method.logit_scale.detach().exp())
    labels = texts()[1]
    combination = (labels["count"] * 3 + labels["object"]) * 3 + labels["light"]
    named = by_each_text(images, captions, combination, scale).argmax(1)  # (N,) which of the 27
    right = named == (test.labels["count"] * 3 + test.labels["object"]) * 3 + test.labels["light"]
    metrics: dict = {
        "cpu seconds": round(spent, 1),
        "first loss": losses[0],
        "last loss": sum(losses[-20:]) / len(losses[-20:]),
        "scale": scale,
        "retrieval": retrieval(images, captions, test),
        "naming": naming(right, test),
        "named": packed(right),
        "held out": {a: packed(held_out(test.labels, a)) for a in ("triples", "pairs")},
        "answered": {},
    }
    features = [encode(method, d) for d in (data[:4096], test)] if arm == "all" else []
    metrics["zero-shot"], metrics["probe"] = {}, {}
    for label in scenes.NAMES:
        rows = {kind: method.class_features(scenes.prompts(label, kind)) for kind in scenes.PROMPTS[:2]}
        rows[scenes.PROMPTS[2]] = classes(captions, labels[label], len(scenes.NAMES[label]))
        metrics["zero-shot"][label] = {
            kind: zero_shot(images, r, test.labels[label]) for kind, r in rows.items()
        }
        answer = by_each_text(images, captions, labels[label], scale).argmax(1)
        metrics["zero-shot"][label]["each caption"] = float((answer == test.labels[label]).double().mean())
        metrics["answered"][label] = packed(answer == test.labels[label])
        if arm == "all":
            metrics["probe"][label] = [
                linear_probe(
                    None,
                    train=features[0],
                    test=features[1],
                    label=label,
                    n_labels=n,
                    draws=DRAWS if n < 1000 else 1,
                ).accuracy
                for n in FEW
            ]
    label = {"all": "texture", "gray": "biome"}.get(arm)
    if label:  # the goal: more than raw pixels and a random network have at 10 labels
        torch.manual_seed(seed)
        rows = {"CLIP": method, "random network": CLIP().eval(), "pixels": pixels()}
        metrics["ten labels"] = {"label": label}
        for name, row in rows.items():
            p = linear_probe(row, train=data[:4096], test=test, label=label, n_labels=10)
            metrics["ten labels"][name] = [p.accuracy, p.std]
    return metrics


# ---- the networks that come with the course ---------------------------------------------------------------------


def ship(name: str, root: str | None, seed: int = 0, steps: int | None = None) -> Path:
    """Train NAME and write its checkpoint; prints its header."""
    began = time.perf_counter()
    torch.manual_seed(seed)
    if name == "clip":
        steps = steps or 500
        data, test = (scenes.World().sample(n, SIZE, seed=s) for n, s in ((8192, seed), (1024, 10**6)))
        method, source = CLIP(), "scenes.World(), 8,192 pictures of 32 px"
        losses = [step.loss for step in train(method, data, steps, BATCH, seed=seed)]
        method.eval()
        with torch.no_grad():
            images, captions = encode(method.encode_image, test).inputs, method.encode_text(texts()[0])
        about = retrieval(images, captions, test) | {
            label: zero_shot(encode(method.encode_image, test).inputs,
                             method.class_features(scenes.prompts(label)), test.labels[label])
            for label in scenes.NAMES
        }  # fmt: skip
        about |= {
            "loss": sum(losses[-50:]) / 50,
            "floor": float(clip_floor(scenes.World().states().sum(-1), BATCH)),
        }
    else:
        steps = steps or 400
        data, test = (load("emoji", 32, split, root=root) for split in ("train", "test"))
        method = CLIP(
            **CLIP.arguments_for(data), augmentation={"crop": (0.7, 1), "jitter": 0, "gray": 0, "flip": 0}
        )
        source = f"emoji, {len(data)} pictures of 32 px with their Unicode names"
        losses = [step.loss for step in train(method, data, steps, BATCH, lr=1e-3, seed=seed)]
        about = own_recall(method.eval(), test) | {"loss": sum(losses[-50:]) / 50, "candidates": len(test)}
    about |= {"steps": steps, "seed": seed, "seconds": round(time.perf_counter() - began)}
    path = SHIPPED / f"{name}.safetensors"
    command = shlex.join(["python", "benchmarks/captions.py", "--ship", name])
    checkpoints.save(path, method, command=command, metrics=about, data=source)
    print(json.dumps(checkpoints.about(path), indent=1))
    return path


@torch.no_grad()
def own_recall(method: CLIP, test: Pictures) -> dict[str, list[float]]:
    """recall@k among the test pictures and their captions; equal captions are all right."""
    ids = method.tokenize(test.captions, cut=True)
    cosine = encode(method.encode_image, test).inputs @ method.encode_text(ids).T  # (N, N)
    photo = test.parts.get("photo", torch.arange(len(test)))
    right = photo[:, None] == photo
    return {
        "picture to caption": [recall(cosine, k, right) for k in RANKS],
        "caption to picture": [recall(cosine.T, k, right) for k in RANKS],
    }


def flickr(root: str, steps: int, seed: int = 0) -> dict:
    """Flickr8k, or the part of it that lies in ROOT: recall@k on photographs that it was not trained with."""
    data, test = (load("flickr8k", 64, split, root=root) for split in ("train", "test"))
    torch.manual_seed(seed)
    method = CLIP(**CLIP.arguments_for(data), augmentation={"crop": (0.6, 1), "jitter": 0, "gray": 0})
    losses = [step.loss for step in train(method, data, steps, BATCH, lr=1e-3, seed=seed)]
    recalls = own_recall(method.eval(), test)
    return recalls | {"rows": len(data), "test rows": len(test), "first and last loss": [losses[0], losses[-1]],
                    "log N": math.log(BATCH), "chance": 1 / len(test)}  # fmt: skip


def main() -> None:
    """See the top of the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", help="kept after each cell; what it holds already is not measured again")
    parser.add_argument("--most", type=int, help="only the first so many cells, for a short run")
    parser.add_argument("--arms", nargs="*", choices=ARMS, default=ARMS, help="measure these alone")
    parser.add_argument("--ship", choices=("clip", "clip_emoji"))
    parser.add_argument("--root", help="the folder of the emoji, where they are not installed")
    parser.add_argument("--flickr", metavar="FOLDER", help="train on Flickr8k in FOLDER")
    parser.add_argument("--steps", type=int)
    given = parser.parse_args()
    if given.ship:
        ship(given.ship, given.root, steps=given.steps)
    elif given.flickr:
        print(json.dumps(flickr(given.flickr, given.steps or 400), indent=1))
    else:
        order = [("all", "triples"), ("gray", "pairs"), ("masked",)]  # what matters most comes first
        cells = [{"arm": arm, "seed": s} for arms in order for s in range(3) for arm in arms]
        cells = [cell for cell in cells if cell["arm"] in given.arms]
        record(given.json, cells[: given.most], measure, ABOUT)


if __name__ == "__main__":
    main()
