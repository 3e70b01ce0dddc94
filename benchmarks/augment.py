"""How fast pictures are augmented, beside torchvision and kornia: `python benchmarks/augment.py`.

One view of each picture by SimCLR's recipe for small pictures (crop, flip, jitter with hue, gray; no blur),
from uint8 in memory to a float batch. The contestants take turns in one process, several rounds, so that
whatever else the machine does meets them alike: ours and kornia on whole batches with all threads,
torchvision (v2) picture by picture in as many DataLoader workers as there are threads. A ratio is that of
one round; median and range are printed. Two threads must both be free: where they wait for other programs,
so does each step of a batch.

kornia is no part of the course. Without it, its row is left out; to have it, give it an environment of its
own that sees the course's packages:

    .venv/bin/python -m venv build/bench-venv
    .venv/bin/python -c "import site; print(*site.getsitepackages())" > "$(build/bench-venv/bin/python -c \
        "import site; print(site.getsitepackages()[0])")/course.pth"
    build/bench-venv/bin/pip install --no-deps kornia kornia_rs
    build/bench-venv/bin/python benchmarks/augment.py
"""

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import torch
import torchvision
from torchvision.transforms import v2

sys.path.append(str(Path(__file__).parents[1]))  # the course itself, when it is not installed where this runs
from ssl_course.pretext.augment import Augmentation  # noqa: E402

try:
    import kornia
except ImportError:
    kornia = None


class Views(torch.utils.data.Dataset):
    """One view of each picture, by torchvision's functions for a single picture."""

    def __init__(self, images: torch.Tensor, recipe: Augmentation) -> None:
        size, reach = images.shape[-1], (recipe.brightness, recipe.contrast, recipe.saturation, recipe.hue)
        self.images = images
        self.transform = v2.Compose(
            [
                v2.ToDtype(torch.float32, scale=True),  # first: a tenth faster than last
                v2.RandomResizedCrop(size, recipe.crop, recipe.ratio, antialias=False),
                v2.RandomHorizontalFlip(recipe.flip),
                v2.RandomApply([v2.ColorJitter(*reach)], recipe.jitter),
                v2.RandomGrayscale(recipe.gray),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.transform(self.images[index])


def kornia_views(recipe: Augmentation, size: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """The same by kornia, a batch at a time."""
    import kornia.augmentation as K

    reach = recipe.brightness, recipe.contrast, recipe.saturation, recipe.hue
    crop = K.RandomResizedCrop((size, size), recipe.crop, recipe.ratio, cropping_mode="resample")
    steps = crop, K.RandomHorizontalFlip(p=recipe.flip), K.ColorJitter(*reach, p=recipe.jitter)
    module = torch.nn.Sequential(*steps, K.RandomGrayscale(p=recipe.gray))
    return lambda images: module(images.float() / 255)


def compare(
    size: int, batch: int, pictures: int, rounds: int, threads: int, device: str
) -> dict[str, list[float]]:
    """Views a second of each contestant in each round."""
    recipe = Augmentation()
    images = torch.randint(0, 256, (pictures, 3, size, size), dtype=torch.uint8)
    there = images.to(device)

    def batched(augment: Callable) -> Callable[[], None]:
        def run() -> None:
            for rows in there.split(batch):
                augment(rows)
            if device != "cpu":
                torch.cuda.synchronize()

        return run

    loader = torch.utils.data.DataLoader(
        Views(images, recipe), batch, num_workers=threads, persistent_workers=True, pin_memory=device != "cpu"
    )

    def through_loader() -> None:
        for rows in loader:
            rows.to(device, non_blocking=True)

    contestants = {"ours": batched(recipe), "torchvision": through_loader}
    if kornia:
        contestants["kornia"] = batched(kornia_views(recipe, size))
    speeds = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, run in contestants.items():
            start = time.perf_counter()
            run()
            if turn:  # the first is to warm up: workers start, memory is taken
                speeds[name].append(pictures / (time.perf_counter() - start))
    return speeds


def main() -> None:
    """Print the rates and their ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--pictures", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    versions = f"torch {torch.__version__}, torchvision {torchvision.__version__}, kornia " + (
        kornia.__version__ if kornia else "absent (the top of this file says how to get it)"
    )
    on = torch.cuda.get_device_name() if given.device != "cpu" else platform.machine()
    machine = f"{on}, {given.threads} threads, {versions}"
    print(f"{machine}; batches of {given.batch}")
    rows = []
    for size in given.sizes:
        speeds = compare(size, given.batch, given.pictures, given.rounds, given.threads, given.device)
        for name, rates in speeds.items():
            ratios = [ours / other for ours, other in zip(speeds["ours"], rates, strict=True)]
            row = {"size": size, "contestant": name, "views a second": round(statistics.median(rates))}
            row |= {"range": [round(min(rates)), round(max(rates))]}
            row |= {"ours / it": [round(f(ratios), 2) for f in (statistics.median, min, max)]}
            rows.append(row)
            low, high = row["range"]
            text = f"{size} px, {name:12s}{row['views a second']:>10,} views a second ({low:,} to {high:,})"
            if name != "ours":
                text += "; ours is {:.1f} times as fast ({:.1f} to {:.1f})".format(*row["ours / it"])
            print(text, flush=True)
    if given.json:
        kept = {
            "command": f"python benchmarks/augment.py {' '.join(sys.argv[1:])}",
            "date": str(date.today()),
        }
        kept |= {"machine": machine, "batch": given.batch, "rounds": given.rounds, "results": rows}
        Path(given.json).write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
