"""Training here against the recipe of lightly, side by side in one run: `make bench`, or

    build/bench-venv/bin/python benchmarks/against_lightly.py speed        # pictures per second, three methods
    build/bench-venv/bin/python benchmarks/against_lightly.py overhead     # the loop against a bare one
    build/bench-venv/bin/python benchmarks/against_lightly.py reach        # seconds until a probe stands where theirs is after 120 s

lightly is not a dependency of the course: `make bench` installs it into build/bench-venv. Its side is what its
examples show: a Dataset of PIL pictures, its transform, a DataLoader with two workers, its heads and its loss; the
backbone, the batch, the size and the strength of the augmentation are ours on both sides. ``--json FILE`` keeps the
numbers.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from statistics import median
from typing import Any

import torch
from torch import nn

from ssl_course import nets
from ssl_course.data import scenes
from ssl_course.evaluation import linear_probe, pixels
from ssl_course.methods import MAE, SimCLR, SimSiam
from ssl_course.studies.recorded import machine
from ssl_course.training import DEFAULTS, make_fabric, make_optimizer, train

BATCH = 128


# ------------------------------------------------------------------------------------------------- lightly's side
class Scenes(torch.utils.data.Dataset):
    """Scenes as PIL pictures, as a user of lightly would have them."""

    def __init__(self, images: torch.Tensor, transform: Callable) -> None:
        from torchvision.transforms.functional import to_pil_image

        self.pictures, self.transform = [to_pil_image(image) for image in images], transform

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, row: int) -> Any:
        return self.transform(self.pictures[row])


class TwoViews(nn.Module):
    """Backbone and lightly's head; `encode` for the probe."""

    def __init__(self, head: nn.Module, predictor: nn.Module | None = None) -> None:
        super().__init__()
        self.backbone, self.head, self.predictor = nets.ConvNet(), head, predictor

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Pooled features, as `SimCLR.encode`."""
        return self.backbone(nets.normalise(nets.as_float(x, self))).mean((2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """A view, normalised by the transform → z."""
        return self.head(self.backbone(x).mean((2, 3)))


def lightly_simclr(
    images: torch.Tensor, size: int, recipe: dict[str, Any] | None = None, temperature: float = 0.2
) -> tuple[nn.Module, Iterator[torch.Tensor]]:
    """(network, one loss per batch); ``recipe`` is what SimCLRTransform gets, by default our own strengths."""
    from lightly.loss import NTXentLoss
    from lightly.models.modules import SimCLRProjectionHead
    from lightly.transforms import SimCLRTransform

    ours = {"cj_strength": 0.5, "min_scale": 0.2, "gaussian_blur": 0.0}
    transform = SimCLRTransform(input_size=size, **(ours if recipe is None else recipe))
    net, criterion = TwoViews(SimCLRProjectionHead(128, 256, 64)), NTXentLoss(temperature=temperature)

    def losses() -> Iterator[torch.Tensor]:
        for x1, x2 in batches(images, transform):
            yield criterion(net(x1), net(x2))

    return net, losses()


def lightly_simsiam(images: torch.Tensor, size: int) -> tuple[nn.Module, Iterator[torch.Tensor]]:
    """(network, one loss per batch)."""
    from lightly.loss import NegativeCosineSimilarity
    from lightly.models.modules import SimSiamPredictionHead, SimSiamProjectionHead
    from lightly.transforms import SimSiamTransform

    transform = SimSiamTransform(input_size=size, cj_strength=0.5, gaussian_blur=0.0)
    net = TwoViews(SimSiamProjectionHead(128, 256, 256), SimSiamPredictionHead(256, 64, 256))
    criterion = NegativeCosineSimilarity()

    def losses() -> Iterator[torch.Tensor]:
        for x1, x2 in batches(images, transform):
            z1, z2 = net(x1), net(x2)
            p1, p2 = net.predictor(z1), net.predictor(z2)
            yield (criterion(p1, z2.detach()) + criterion(p2, z1.detach())) / 2

    return net, losses()


def lightly_mae(images: torch.Tensor, size: int) -> tuple[nn.Module, Iterator[torch.Tensor]]:
    """(network, one loss per batch); encoder and decoder of the sizes of ours, on timm's Vision Transformer."""
    from lightly.models import utils
    from lightly.models.modules import MAEDecoderTIMM, MaskedVisionTransformerTIMM
    from lightly.transforms import MAETransform
    from timm.models.vision_transformer import VisionTransformer

    vit = VisionTransformer(img_size=size, patch_size=8, embed_dim=128, depth=4, num_heads=4, num_classes=0)
    encoder = MaskedVisionTransformerTIMM(vit=vit)
    length = encoder.sequence_length
    decoder = MAEDecoderTIMM(
        num_patches=vit.patch_embed.num_patches, patch_size=8, embed_dim=128, decoder_embed_dim=64,
        decoder_depth=1, decoder_num_heads=4, mlp_ratio=4.0,
    )  # fmt: skip
    net = nn.ModuleDict({"encoder": encoder, "decoder": decoder})

    def losses() -> Iterator[torch.Tensor]:
        for (x,) in batches(images, MAETransform(input_size=size)):
            keep, mask = utils.random_token_mask(size=(len(x), length), mask_ratio=0.75, device=x.device)
            seen = encoder.encode(images=x, idx_keep=keep)
            tokens = utils.repeat_token(decoder.mask_token, (len(x), length))
            tokens = utils.set_at_index(tokens, keep, decoder.embed(seen).type_as(tokens))
            predicted = decoder.predict(utils.get_at_index(decoder.decode(tokens), mask))
            target = utils.get_at_index(utils.patchify(x, 8), mask - 1)
            yield nn.functional.mse_loss(predicted, target)

    return net, losses()


def batches(images: torch.Tensor, transform: Callable) -> Iterator[Any]:
    """Batches without end, two workers that live on between passes."""
    loader = torch.utils.data.DataLoader(
        Scenes(images, transform), batch_size=BATCH, shuffle=True, drop_last=True, num_workers=2,
        persistent_workers=True,
    )  # fmt: skip
    while True:
        yield from loader


def lightly_steps(
    net: nn.Module, losses: Iterator[torch.Tensor], defaults: dict[str, Any]
) -> Iterator[float]:
    """Train on lightly's side, with our optimizer and its constant rate."""
    net.train()
    optimizer = make_optimizer(net, DEFAULTS | defaults)
    for loss in losses:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        yield float(loss.detach())


# --------------------------------------------------------------------------------------------------- the three benches
PAIRS = {
    "SimCLR": (lambda size: SimCLR(), lightly_simclr),
    "SimSiam": (lambda size: SimSiam(), lightly_simsiam),
    "MAE": (lambda size: MAE(image_size=size), lightly_mae),
}


def speed(args: argparse.Namespace) -> dict[str, Any]:
    """Pictures per second end to end, in turns of a few steps: one here, one there, and again."""
    speeds = {}
    for size in args.sizes:
        data = scenes.World().sample(2048, size=size, seed=0)
        for name, (ours, theirs) in PAIRS.items():
            torch.manual_seed(0)
            method = ours(size)
            mine = iter(train(method, data, steps=10**6, batch_size=BATCH))
            net, losses = theirs(data.images, size)
            their = lightly_steps(net, losses, method.defaults)
            rates: dict[str, list[float]] = {"ours": [], "lightly": []}
            for steps in (mine, their):
                list(itertools.islice(steps, 3))  # warm up, workers started
            for _ in range(args.rounds):
                for who, steps, n in (
                    ("ours", mine, args.steps),
                    ("lightly", their, max(args.steps // 4, 2)),
                ):
                    began = time.perf_counter()
                    list(itertools.islice(steps, n))
                    rates[who].append(n * BATCH / (time.perf_counter() - began))
            del mine, their, losses
            ratios = sorted(a / b for a, b in zip(rates["ours"], rates["lightly"], strict=True))
            speeds[f"{name}, {size} px"] = {k: round(median(v)) for k, v in rates.items()} | {
                "ratio": round(median(ratios), 2), "from": round(ratios[0], 2), "to": round(ratios[-1], 2),
            }  # fmt: skip
            print(name, size, speeds[f"{name}, {size} px"], flush=True)
    return speeds


def overhead(args: argparse.Namespace) -> dict[str, Any]:
    """Seconds per step of `train` over those of a bare forward, backward and optimizer step on resident batches."""
    overheads = {}
    for name, make in {"SimCLR": SimCLR, "MAE": MAE}.items():
        data = scenes.World().sample(2048, size=64, seed=0)
        method, bare = make(), make()
        run = train(method, data, steps=10**6, batch_size=BATCH, fabric=make_fabric("cpu"))
        optimizer = make_optimizer(bare, DEFAULTS | bare.defaults)
        ready = [data[i * BATCH : (i + 1) * BATCH] for i in range(16)]

        def plain(bare: nn.Module = bare, optimizer: Any = optimizer, ready: list = ready) -> Iterator[None]:
            for batch in itertools.cycle(ready):
                loss = bare(batch)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                yield

        loops = {"train": run, "bare": plain()}
        times: dict[str, list[float]] = {"train": [], "bare": []}
        for steps in loops.values():
            list(itertools.islice(steps, 3))
        for _ in range(args.rounds):
            for who, steps in loops.items():
                began = time.perf_counter()
                list(itertools.islice(steps, args.steps))
                times[who].append((time.perf_counter() - began) / args.steps)
        ratios = sorted(a / b for a, b in zip(times["train"], times["bare"], strict=True))
        overheads[name] = {k: round(median(v), 4) for k, v in times.items()} | {
            "ratio": round(median(ratios), 3), "from": round(ratios[0], 3), "to": round(ratios[-1], 3),
        }  # fmt: skip
        print(name, overheads[name], flush=True)
    return overheads


SLOW_START: dict[str, Any] = {
    "schedule": "constant",
    "warmup": 5,
}  # of steps; who stops when, nobody knows before
# What learns here until it reaches the mark: the network, how it is trained, whether its pictures are halved to 32 px.
RUNS: dict[str, tuple[Callable[[], Any], dict[str, Any], bool]] = {
    "SimCLR": (SimCLR, {}, False),
    "SimCLR, rate doubled": (SimCLR, {"lr": 4e-3}, False),
    "SimCLR, LARS": (SimCLR, {"optimizer": "lars", "lr": 0.3, "weight_decay": 1e-6}, False),
    "SimCLR, batch of 64": (SimCLR, {"batch_size": 64}, False),
    "SimCLR, bfloat16": (SimCLR, {"precision": "bf16-mixed"}, False),
    "SimCLR, pictures halved": (SimCLR, {}, True),
    "SimSiam": (SimSiam, {}, False),
    "SimSiam, pictures halved": (SimSiam, {}, True),
    "MAE": (lambda: MAE(image_size=64), {}, False),
    "MAE, pictures halved": (lambda: MAE(image_size=32, patch_size=8), {}, True),
}
EXAMPLE = {"optimizer": "sgd", "lr": 0.06, "momentum": 0.0, "weight_decay": 0.0}  # lightly's, with τ = 0.5


def reach(args: argparse.Namespace) -> dict[str, Any]:
    """Seconds of training until a probe stands where lightly's SimCLR example stands after ``--theirs`` seconds.

    The probe is that of the biome from 30 labels, gray scenes of 64 px, 20 draws; its own time is not counted (so
    lightly's two workers get a few batches ahead for nothing). Reached means: at two probes in a row, the first of them
    counts. "lightly, our recipe" has our rate, optimizer, temperature and strengths: what is left is the engine.
    """
    world = scenes.World()
    test = world.sample(1000, size=64, seed=99).gray()
    rows: dict[str, list[Any]] = {}
    for seed in range(args.seeds):
        data = world.sample(10_000, size=64, seed=seed).gray()

        def probed(method: Any, halve: bool = False, data: Any = data, seed: int = seed) -> float:
            sets = [halved(x) if halve else x for x in (data[:2000], test)]
            probe = linear_probe(
                method, train=sets[0], test=sets[1], label="biome", n_labels=30, draws=20, seed=seed
            )
            return probe.accuracy

        torch.manual_seed(seed)
        rows.setdefault("random network", []).append(probed(SimCLR()))
        rows.setdefault("pixels", []).append(probed(pixels()))
        torch.manual_seed(seed)
        net, losses = lightly_simclr(data.images, 64, {}, temperature=0.5)
        timed(lightly_steps(net, losses, EXAMPLE), args.theirs)
        goal = probed(net)
        del losses
        rows.setdefault(f"lightly's example, {args.theirs:g} s", []).append(goal)
        print(
            f"seed {seed}: "
            + ", ".join(f"{name} {v[-1]:.3f}" for name, v in rows.items() if isinstance(v[-1], float)),
            flush=True,
        )
        for name, (make, settings, halve) in RUNS.items():
            torch.manual_seed(seed)
            method, given = make(), dict(settings)
            fabric = make_fabric("cpu", precision=given.pop("precision", "32-true"))
            steps = train(
                method, halved(data) if halve else data, steps=10**6, seed=seed, fabric=fabric,
                **{"batch_size": BATCH} | SLOW_START | given,
            )  # fmt: skip
            keep(rows, name, until(iter(steps), lambda m=method, h=halve: probed(m, h), goal, args))
        torch.manual_seed(seed)
        net, losses = lightly_simclr(data.images, 64)
        steps = lightly_steps(net, losses, SimCLR.defaults)
        keep(rows, "lightly, our recipe", until(steps, lambda net=net: probed(net), goal, args))
        del losses, steps
        results = {"rows": rows, "most seconds": args.most, "best possible": world.bayes_rate()}
        save(args, results)  # should the next seed be ended
    return results


def keep(rows: dict[str, list[Any]], name: str, run: dict[str, Any]) -> None:
    """Note a run and print where it got."""
    rows.setdefault(name, []).append(run)
    print(f"{name}: {run['seconds']} s, {run['steps']} steps; probe {run['curve'][-1][1]:.3f}", flush=True)


def halved(data: Any) -> Any:
    """The same pictures with half as many pixels on a side."""
    small = nn.functional.avg_pool2d(data.images.float(), 2).round().to(torch.uint8)
    return replace(data, images=small)


def timed(steps: Iterator[Any], seconds: float) -> int:
    """Train for so long; how many steps were done."""
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        next(steps)
        done += 1
    return done


def until(
    steps: Iterator[Any], probe: Callable[[], float], goal: float, args: argparse.Namespace
) -> dict[str, Any]:
    """Train, the clock stopped for each probe, until two in a row reach the goal or the time is over."""
    spent, done, curve = 0.0, 0, []
    while spent < args.most:
        began = time.perf_counter()
        for _ in range(more := max(args.every, done // 8)):  # a probe takes seconds: late ones are rarer
            next(steps)
        spent += time.perf_counter() - began
        done += more
        curve.append((round(spent, 2), round(probe(), 4)))
        if len(curve) > 1 and min(curve[-1][1], curve[-2][1]) >= goal:
            return {"seconds": curve[-2][0], "steps": done - more, "curve": curve}
    return {"seconds": None, "steps": done, "curve": curve}


def save(args: argparse.Namespace, results: dict[str, Any]) -> None:
    """To where ``--json`` says."""
    if args.json:
        command = f"python benchmarks/against_lightly.py {args.what}"
        kept = {"command": command, "date": str(date.today()), "machine": machine(), "results": results}
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(kept, file, indent=1)


def main() -> None:
    """One of the three, printed, and kept where ``--json`` says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["speed", "overhead", "reach"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--theirs", type=float, default=120.0, help="seconds that lightly's example trains")
    parser.add_argument(
        "--most", type=float, default=120.0, help="seconds after which a run has not reached it"
    )
    parser.add_argument(
        "--every", type=int, default=5, help="steps between two probes; later an eighth of those done"
    )
    parser.add_argument("--json")
    args = parser.parse_args()
    save(args, {"speed": speed, "overhead": overhead, "reach": reach}[args.what](args))


if __name__ == "__main__":
    main()
