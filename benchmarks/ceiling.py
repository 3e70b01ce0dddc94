"""How near training comes to what the device can do: `python benchmarks/ceiling.py`, meant for a GPU.

Pictures per second of SimCLR with ResNet-18 at 32 px and of MAE with ViT-B/16 at 224 px, and their arithmetic as a
share of the rate of a large matrix product in the same precision, measured in the same run. With ``--profile`` the
operations that take the most time are listed: what holds it back.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import time
from datetime import date
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from ssl_course.data.pictures import Pictures
from ssl_course.methods import MAE, SimCLR
from ssl_course.training import make_fabric, train

CUDA = torch.cuda.is_available()
METHODS = {
    "SimCLR, ResNet-18, 32 px": (lambda: SimCLR("small-resnet18", projection=(512, 128)), 32, 1024),
    "MAE, ViT-B/16, 224 px": (
        lambda: MAE(224, 16, 768, 12, 12, 512, 8, 16, norm_pix_loss=True), 224, 256,
    ),
}  # fmt: skip


def wait() -> None:
    """Until the device has done what it was asked."""
    if CUDA:
        torch.cuda.synchronize()


def ceiling(n: int) -> float:
    """Floating-point operations per second of an n × n matrix product, the best of a few."""
    kind = torch.bfloat16 if CUDA else torch.float32
    a, b = (torch.randn(n, n, dtype=kind, device="cuda" if CUDA else "cpu") for _ in range(2))
    best = 0.0
    for _ in range(5):
        wait()
        began = time.perf_counter()
        for _ in range(5):
            a @ b
        wait()
        best = max(best, 5 * 2 * n**3 / (time.perf_counter() - began))
    return best


def measure(name: str, args: argparse.Namespace, most: float) -> dict[str, Any]:
    """Speed of one method, after warm-up."""
    make, size, batch = METHODS[name]
    batch = args.batch_size or batch
    data = Pictures(torch.randint(0, 256, (max(4 * batch, 1024), 3, size, size), dtype=torch.uint8))
    method = make()
    if name.startswith("SimCLR"):
        method.backbone.to(memory_format=torch.channels_last)
    fabric = make_fabric()
    run = train(method, data, 10**6, batch, fabric=fabric, compile=args.compile)
    list(itertools.islice(run, args.warm_up))
    wait()
    began = time.perf_counter()
    list(itertools.islice(run, args.steps))
    wait()
    seconds = (time.perf_counter() - began) / args.steps
    method.train()
    with FlopCounterMode(display=False) as counter, fabric.autocast():
        method(data[:batch].to(fabric.device)).backward()
    flops = counter.get_total_flops()
    method.zero_grad(set_to_none=True)
    row = {
        "batch": batch,
        "pictures per second": round(batch / seconds),
        "ms per step": round(1e3 * seconds, 2),
        "TFLOP per step": round(flops / 1e12, 3),
        "share of the ceiling": round(flops / seconds / most, 3),
    }
    if args.profile:
        kinds = [torch.profiler.ProfilerActivity.CPU] + [torch.profiler.ProfilerActivity.CUDA] * CUDA
        with torch.profiler.profile(activities=kinds) as profile:
            list(itertools.islice(run, 5))
            wait()
        order = "self_cuda_time_total" if CUDA else "self_cpu_time_total"
        print(profile.key_averages().table(sort_by=order, row_limit=15, max_name_column_width=60))
    return row


def main() -> None:
    """The ceiling, then each method."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--warm-up", type=int, default=10)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--matrix", type=int, default=8192)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--json")
    args = parser.parse_args()
    most = ceiling(args.matrix)
    print(f"matrix product: {most / 1e12:.2f} TFLOP/s", flush=True)
    rows = {}
    for name in METHODS:
        rows[name] = measure(name, args, most)
        print(name, rows[name], flush=True)
    if args.json:
        device = torch.cuda.get_device_name() if CUDA else platform.machine()
        kept = {
            "command": "python benchmarks/ceiling.py" + " --compile" * args.compile, "date": str(date.today()),
            "machine": f"{device}, torch {torch.__version__}", "ceiling, TFLOP/s": round(most / 1e12, 1), "results": rows,
        }  # fmt: skip
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(kept, file, indent=1)


if __name__ == "__main__":
    main()
