"""ε_CI² from pictures, by a trained colorizer, against the sum over the world's causes (lecture 02).

    python benchmarks/colorization_epsilon.py --json assets/results/colorization_epsilon.json

An L2 colorizer learns the colour less its class mean, R = X₂ − E[X₂|Y], from the lightness; on fresh pictures
2 E⟨R, g⟩ − E‖g‖² then is at most ε_CI² in expectation, and equal to it if g is perfect (note §3.4).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import torch
from torch.utils.data import DataLoader, IterableDataset

from ssl_course.data import painter, scenes
from ssl_course.data.pictures import Pictures
from ssl_course.methods import Colorization
from ssl_course.studies.recorded import machine
from ssl_course.theory.independence import Estimate
from ssl_course.theory.residual import held_out_epsilon_squared
from ssl_course.training import train

LAMBDAS = (0.0, 0.25, 0.5, 0.75, 1.0)
TEST = 20_000


def residual(world: scenes.World, pictures: Pictures) -> Pictures:
    """The pictures with R in place of X₂: ``parts["ab"]`` less its exact class mean, place by place."""
    sky, ground = world.class_means().float().split(2, 1)  # (3, 2) each
    size = pictures.images.shape[-1]
    means = painter.paint_colour(sky, ground, torch.arange(3), None, size)  # (3, 2, s, s)
    return replace(pictures, parts={"ab": pictures.parts["ab"] - means[pictures.labels["biome"]]})


class Fresh(IterableDataset):
    """Batches of scenes that no step has seen before."""

    def __init__(self, world: scenes.World, batch: int, seed: int) -> None:
        self.world, self.batch, self.seed = world, batch, seed

    def __iter__(self) -> Iterator[Pictures]:
        block, seed = 8 * self.batch, self.seed
        while True:
            data = residual(self.world, self.world.sample(block, seed=seed, parts=True))
            yield from (data[i : i + self.batch] for i in range(0, block, self.batch))
            seed += 1


def learn(world: scenes.World, steps: int, seed: int) -> Colorization:
    """A colorizer of the residual, every batch fresh."""
    torch.manual_seed(seed)
    method = Colorization(objective="l2")
    method.prepare(residual(world, world.sample(1000, seed=2 * 10**6 + seed, parts=True)))
    fresh = DataLoader(Fresh(world, 128, 10**4 * (1 + seed)), batch_size=None)
    for _ in train(method, fresh, steps=steps, seed=seed):
        pass
    return method


@torch.no_grad()
def predicted(method: Colorization, world: scenes.World, images: torch.Tensor) -> torch.Tensor:
    """X₂ as the network predicts it, (n, 4) in Lab units: its maps read as the world reads pictures."""
    maps = torch.cat([method.colours(part) for part in images.split(500)])  # (n, 2, 16, 16)
    return world.x2(Pictures(images, parts={"ab": maps.to(images.device)}))


def measure(method: Colorization, world: scenes.World, n: int, seed: int = 0) -> Estimate:
    """ε_CI² on n fresh pictures, in Lab units²."""
    rows, x2, y = [], [], []
    for start in range(0, n, 2000):
        test = world.sample(min(2000, n - start), seed=5 * 10**6 + 1000 * seed + start // 2000)
        rows.append(predicted(method, world, test.images))
        x2.append(world.x2(test))
        y.append(test.labels["biome"])
    return held_out_epsilon_squared(torch.cat(x2), torch.cat(y), torch.cat(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lambdas", type=float, nargs="+", default=LAMBDAS)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    largest = float(scenes.World(1.0).epsilon_ci_squared())
    for value in given.lambdas:
        began, world = time.perf_counter(), scenes.World(value)
        estimate = measure(learn(world, given.steps, given.seed), world, TEST, given.seed)
        exact = float(world.epsilon_ci_squared())
        row = {
            "lambda": value, "exact": exact, "estimate": estimate.value, "standard_error": estimate.standard_error,
            "plug_in": estimate.plug_in, "tolerance": 0.15 * largest * max(value**2, 0.05),
        }  # fmt: skip
        print(f"λ = {value:.2f}: {estimate.value:.2f} ± {estimate.standard_error:.2f}, exact {exact:.2f} "
              f"({time.perf_counter() - began:.0f} s)", flush=True)  # fmt: skip
        if given.json:
            keep(given.json, row, given)


def keep(path: Path, row: dict, given: argparse.Namespace) -> None:
    """Add or replace one λ; so the whole can be measured piece by piece."""
    old = json.loads(path.read_text(encoding="utf-8"))["results"] if path.is_file() else []
    rows = sorted([r for r in old if r["lambda"] != row["lambda"]] + [row], key=lambda r: r["lambda"])
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {
        "command": f"python benchmarks/colorization_epsilon.py --steps {given.steps} --seed {given.seed} --json {path}",
        "date": str(date.today()), "machine": machine(), "test pictures": TEST, "results": rows,
    }  # fmt: skip
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
