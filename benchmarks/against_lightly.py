"""Training here against the recipe of lightly, side by side in one run: `make bench`, or

    build/bench-venv/bin/python benchmarks/against_lightly.py speed        # pictures per second, three methods
    build/bench-venv/bin/python benchmarks/against_lightly.py overhead     # the loop against a bare one
    build/bench-venv/bin/python benchmarks/against_lightly.py accuracy     # 30 s here, 120 s there, then a probe

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
from datetime import date
from statistics import mean, median, stdev
from typing import Any

import torch
from torch import nn

from ssl_course import nets
from ssl_course.data import scenes
from ssl_course.evaluation import knn, linear_probe, pixels
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


def accuracy(args: argparse.Namespace) -> dict[str, Any]:
    """Probe of the biome from 30 labels, gray scenes of 64 px: 30 s of training here, 120 s there.

    There by the settings of lightly's SimCLR example (SGD 0.06, τ = 0.5, its default transform), or, with
    ``--equal``, by ours. Our schedule is laid out for ``--ours-steps``, theirs is constant, as in the example.
    """
    world = scenes.World()
    test = world.sample(2000, size=64, seed=99).gray()
    rows: dict[str, list[float]] = {}
    steps: dict[str, list[int]] = {"ours": [], "lightly": []}

    def probe(name: str, method: Any, data: Any, seed: int) -> None:
        linear = linear_probe(method, train=data, test=test, label="biome", n_labels=30, draws=5, seed=seed)
        near = knn(method, train=data, test=test, label="biome", k=200)
        rows.setdefault(name, []).append(linear.accuracy)
        rows.setdefault(f"{name}, kNN", []).append(near.accuracy)
        print(f"seed {seed}, {name}: {linear.accuracy:.3f}, kNN {near.accuracy:.3f}", flush=True)

    for seed in range(args.seeds):
        data = world.sample(10_000, size=64, seed=seed).gray()
        torch.manual_seed(seed)
        method = SimCLR()
        probe("random network", method, data, seed)
        probe("pixels", pixels(), data, seed)
        began = time.perf_counter()
        total = args.ours_steps or 10**6
        for step in train(method, data, steps=total, batch_size=BATCH, seed=seed):
            done = step.index
            if time.perf_counter() - began > args.ours:
                break
        steps["ours"].append(done)
        probe("ours", method, data, seed)
        torch.manual_seed(seed)
        example = {"optimizer": "sgd", "lr": 0.06, "momentum": 0.0, "weight_decay": 0.0}
        settings = SimCLR.defaults if args.equal else example
        net, losses = (
            lightly_simclr(data.images, 64)
            if args.equal
            else lightly_simclr(data.images, 64, {}, temperature=0.5)
        )
        began = time.perf_counter()
        done = 0
        for _ in lightly_steps(net, losses, settings):
            done += 1
            if time.perf_counter() - began > args.theirs:
                break
        steps["lightly"].append(done)
        probe("lightly", net.eval(), data, seed)
    measured: dict[str, Any] = {
        k: {"mean": round(mean(v), 4), "std": round(stdev(v), 4)} for k, v in rows.items()
    }
    print(measured)
    return measured | {
        "steps": steps,
        "seconds": [args.ours, args.theirs],
        "best possible": world.bayes_rate(),
    }


def main() -> None:
    """One of the three, printed, and kept where ``--json`` says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["speed", "overhead", "accuracy"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ours", type=float, default=30.0, help="seconds of training here")
    parser.add_argument("--ours-steps", type=int, help="length of our schedule; default: a constant rate")
    parser.add_argument("--theirs", type=float, default=120.0, help="seconds of training there")
    parser.add_argument("--equal", action="store_true", help="lightly with our optimizer, transform and τ")
    parser.add_argument("--json")
    args = parser.parse_args()
    results = {"speed": speed, "overhead": overhead, "accuracy": accuracy}[args.what](args)
    if args.json:
        command = f"python benchmarks/against_lightly.py {args.what}"
        kept = {"command": command, "date": str(date.today()), "machine": machine(), "results": results}
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(kept, file, indent=1)


if __name__ == "__main__":
    main()
