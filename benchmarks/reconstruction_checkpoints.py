"""Trains the networks that the widgets of lectures 02 to 04 show first, measures them, and writes assets/checkpoints.

    python benchmarks/reconstruction_checkpoints.py colorization colorization_l2 mae context_encoder context_encoder_adversarial
    python benchmarks/reconstruction_checkpoints.py context_encoder_earth colorization_earth   (after those of scenes, with which they begin)

Interrupted, the same command goes on where it stopped (build/checkpoints keeps the run).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ssl_course import checkpoints
from ssl_course.data import load, scenes
from ssl_course.data.pictures import Pictures
from ssl_course.evaluation import linear_probe
from ssl_course.methods import MAE, Colorization, ContextEncoder
from ssl_course.methods.context_encoder import hole_loss
from ssl_course.methods.mae import hidden_error, mean_picture, patch_means
from ssl_course.nets import as_float
from ssl_course.pretext import holes
from ssl_course.pretext.augment import Augmentation
from ssl_course.studies.recorded import machine
from ssl_course.training import train

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "assets" / "checkpoints"
# name → (how to build it, pictures: so many scenes, or "earth"; settings of the run). "rounds": how often the whole schedule is run, each
# round from the weights of the one before. "start": the shipped network whose weights it begins with. "stop": the step after which the
# run ends, short of its schedule. "recoloured": how many more times each picture is there, in other colours and cuts.
RECIPES: dict[str, tuple[Any, int | str, dict[str, Any]]] = {
    "colorization": (lambda: Colorization(objective="classes"), 20_000, {"steps": 900}),
    "colorization_l2": (lambda: Colorization(objective="l2"), 20_000, {"steps": 900}),
    "context_encoder": (lambda: ContextEncoder(hole="mixed"), 8000, {"steps": 400, "batch_size": 64}),
    "context_encoder_adversarial": (  # from the L2 network: a critic that meets noise teaches one blob for all
        lambda: ContextEncoder(hole="mixed", adversarial=0.006),
        8000,
        {"steps": 240, "batch_size": 64, "lr": 1e-3, "start": "context_encoder", "stop": 100},
    ),
    "context_encoder_earth": (
        lambda: ContextEncoder(hole="mixed", overlap=2),
        "earth",
        {"steps": 2000, "batch_size": 64, "lr": 2e-3, "start": "context_encoder", "recoloured": 2},
    ),
    "colorization_earth": (
        lambda: Colorization(objective="classes"),
        "earth",
        {"steps": 1200, "start": "colorization"},
    ),
    "mae": (lambda: MAE(), 8000, {"steps": 2200, "batch_size": 64, "rounds": 3}),
}


def pictures_of(source: int | str, recoloured: int = 0) -> tuple[Pictures, Pictures, str]:
    """(to learn from, to measure on, what they are); few satellite pictures, so each in all eight turns and mirrors."""
    if isinstance(source, int):
        world = scenes.World()
        return (
            world.sample(source, seed=0),
            world.sample(1000, seed=10**6),
            f"scenes, {source} pictures, λ = 0",
        )
    real, test = load(source, 64), load(source, 64, "test")
    turned = [r for x in (real.images, real.images.flip(3)) for r in (x.rot90(k, (2, 3)) for k in range(4))]
    # A filling is to go on with the colours around its hole, whichever they are, and the training regions have few of them.
    anew = Augmentation(
        crop=(0.5, 1.0), flip=0.0, jitter=1.0, contrast=0.3, saturation=0.5, hue=0.5, gray=0.0
    )
    stream = torch.Generator().manual_seed(0)
    others = [
        (anew(as_float(x), generator=stream) * 255).round().byte() for x in turned for _ in range(recoloured)
    ]
    what = f"{source}, {len(real)} pictures, each turned and mirrored"
    what += f", and {recoloured} times more in other colours and cuts" if recoloured else ""
    return Pictures(torch.cat([*turned, *others])), test, what


def measure(method: nn.Module, train_set: Pictures, test: Pictures) -> dict[str, float]:
    """What the course says about such a network, on pictures that it has not seen."""
    metrics = {
        f"probe {label}, 10 labels": linear_probe(method, train=train_set[:4096], test=test, label=label, n_labels=10).accuracy
        for label in ("biome", "light") if label in train_set.labels
    }  # fmt: skip
    if isinstance(method, MAE):
        noise = torch.rand(len(test), method.grid**2, generator=torch.Generator().manual_seed(0))
        filled, mask = method.reconstruct(test.images, 0.75, noise)
        metrics["hidden error"] = hidden_error(test.images, filled, mask)
        metrics["patch means"] = hidden_error(test.images, patch_means(test.images, method.patch_size), mask)
        metrics["mean picture"] = hidden_error(test.images, mean_picture(train_set), mask)
    elif isinstance(method, ContextEncoder):
        hole = holes.make_holes("centre", len(test), method.image_size)
        x, mean = as_float(test.images), mean_picture(train_set).expand_as(as_float(test.images))
        metrics["error in the centre"] = float(hole_loss(method.inpaint(test.images, hole), x, hole))
        metrics["mean picture"] = float(hole_loss(mean, x, hole))
        around = ((x * (1 - hole)).sum((2, 3)) / (1 - hole).sum((2, 3)))[:, :, None, None].expand_as(x)
        metrics["mean of the surroundings"] = float(hole_loss(around, x, hole))
    elif "light" not in test.labels:  # photographs
        truth = method.pair(test).x2
        one = method.mean.view(1, 2, 1, 1).expand_as(truth)
        for name, answer in {
            "colour error": method.colours(test.images, temperature=1.0, mix=1.0),
            "one mean colour": one,
        }.items():
            metrics[name] = float((truth - answer).square().sum(1).mean())  # Lab units²
    elif method.objective == "l2":
        world = scenes.World()
        predicted = world.x2(Pictures(test.images, parts={"ab": method.colours(test.images)})).double()
        exact = world.psi_star()[world.x1_index(test.labels)]
        metrics["RMSE to E[X₂|X₁], Lab units"] = float((predicted - exact).square().sum(1).mean().sqrt())
        metrics["least correlation"] = float(
            min(np.corrcoef(predicted[:, i], exact[:, i])[0, 1] for i in range(4))
        )
    else:
        metrics["mean chroma, T = 0.38"] = float(method.colours(test.images).norm(dim=1).mean())
    return {name: round(value, 5) for name, value in metrics.items()}


def make(name: str) -> None:
    """Train (or go on), measure, write."""
    build, source, settings = RECIPES[name]
    settings, began = dict(settings), time.perf_counter()
    rounds, start = settings.pop("rounds", 1), settings.pop("start", None)
    stop, recoloured = settings.pop("stop", settings["steps"]), settings.pop("recoloured", 0)
    torch.manual_seed(0)
    method = build()
    if start:  # what the start does not have, the discriminator, begins at random
        method.load_state_dict(checkpoints.load(SHIPPED / f"{start}.safetensors").state_dict(), strict=False)
    data, test, what = pictures_of(source, recoloured)
    for turn in range(rounds):
        kept, state = ROOT / "build" / "checkpoints" / f"{name}{turn or ''}.safetensors", None
        if kept.is_file():
            method, state = checkpoints.resume(kept)
        if state is None or state["step"] < stop:
            how = {} if state else settings | {"seed": turn}
            for step in train(
                method, data, save=checkpoints.saver(kept, method), every=100, resume=state, **how
            ):
                if step.index % 100 == 0:
                    print(f"{name} round {turn} {step!r}, {time.perf_counter() - began:.0f} s", flush=True)
                if step.index == stop:  # after the save
                    break
    metrics = measure(method.eval(), data, test)
    print(name, metrics)
    command = f"python benchmarks/reconstruction_checkpoints.py {name}"
    about = {
        "steps": rounds * stop,
        "batch_size": settings.get("batch_size", 128),
        "machine": machine(),
    }
    path = SHIPPED / f"{name}.safetensors"
    checkpoints.save(path, method, command=command, metrics=metrics | about, data=what)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", choices=RECIPES)
    for chosen in parser.parse_args().names:
        make(chosen)
