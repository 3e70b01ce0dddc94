"""How near a small ConvNet on the lightness alone comes to what is possible: `python benchmarks/gray_classifier.py`.

Trained with 10,000 labels; the best possible accuracy is known, since the world is ours. With ``--json FILE`` the
result is kept with its command, seeds and machine. Longer is not better: gray cannot explain 15 % of the labels,
and 2,000 steps (25 passes) memorise them: 0.783 instead of 0.830 after 900.
"""

import argparse
import json
import time
from datetime import date

import torch

from ssl_course.data import scenes
from ssl_course.studies.recorded import machine


def network(classes: int) -> torch.nn.Module:
    """Five 3 × 3 convolutions with batch normalisation, global average, a linear layer: (N, 1, H, W) → (N, classes)."""

    def block(i: int, o: int, stride: int) -> torch.nn.Module:
        convolution = torch.nn.Conv2d(i, o, 3, stride, 1, bias=False)
        return torch.nn.Sequential(convolution, torch.nn.BatchNorm2d(o), torch.nn.ReLU())

    widths = [(1, 24, 2), (24, 48, 2), (48, 48, 1), (48, 96, 2), (96, 128, 2)]
    head = [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(128, classes)]
    return torch.nn.Sequential(*[block(*w) for w in widths], *head).to(memory_format=torch.channels_last)


def train(x: torch.Tensor, y: torch.Tensor, steps: int, seed: int = 0) -> torch.nn.Module:
    """Batches of 128, every second one flipped; AdamW, one cycle."""
    torch.manual_seed(seed)
    net = network(int(y.max()) + 1)
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, steps, pct_start=0.1)
    for step in range(steps):
        rows = torch.randint(0, len(x), (128,))
        batch = x[rows].flip(3) if step % 2 else x[rows]  # (128, 1, H, W)
        loss = torch.nn.functional.cross_entropy(net(batch), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return net.eval()


@torch.no_grad()
def accuracy(net: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    """Share of right answers."""
    return float((torch.cat([net(b) for b in x.split(250)]).argmax(1) == y).float().mean())


def lightness(n: int, seed: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """L of n scenes, (n, 1, 64, 64), centred and scaled, and the labels."""
    pictures = scenes.World().sample(n, seed=seed, parts=True)
    return (pictures.parts["L"] - 55) / 12, pictures.labels


def main() -> None:
    """Train on each label in turn and print the accuracies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--labels", nargs="+", default=["biome"])
    parser.add_argument("--json")
    given = parser.parse_args()
    (x, y), (x_test, y_test) = lightness(10_000, 0), lightness(4000, 1)
    rows = []
    for label in given.labels:
        for seed in range(given.seeds):
            start = time.perf_counter()
            reached = accuracy(train(x, y[label], given.steps, seed), x_test, y_test[label])
            seconds = time.perf_counter() - start
            best = scenes.World().bayes_rate(label)
            rows.append(
                {"label": label, "seed": seed, "accuracy": round(reached, 4), "best possible": round(best, 4)}
            )
            print(
                f"{label}, seed {seed}: {reached:.4f} of {best:.4f} after {given.steps} steps, {seconds:.0f} s",
                flush=True,
            )
    if given.json:
        command = f"python benchmarks/gray_classifier.py --steps {given.steps} --seeds {given.seeds} --labels {' '.join(given.labels)}"
        kept = {
            "command": command,
            "date": str(date.today()),
            "machine": machine(),
            "test pictures": 4000,
            "results": rows,
        }
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump(kept, file, indent=1)


if __name__ == "__main__":
    main()
