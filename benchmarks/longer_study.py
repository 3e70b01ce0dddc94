"""Where lecture 13's rows that still rise would stand after ten minutes of one core: table G's five with an arrow.

    python benchmarks/longer_study.py --json assets/results/comparison_longer.json

Scenes from lightness, as in table G of `ssl_course.studies.comparison`: its pictures, first weights, batches and probes;
each row draws as many pictures as cost it about ten CPU minutes, by what the table's rows took. Three seeds are 15 cells,
two and a half hours of one core; `--seeds 1` measures one seed alone.

The file is kept cell by cell: stopped, the same command goes on where it was.
"""

import argparse
from dataclasses import replace
from typing import Any

import torch

from ssl_course.studies import comparison
from ssl_course.studies.recorded import record

# How many times as many pictures as the table's row, which took 79 to 351 seconds.
TIMES = {"CLIP": 7, "deep CCA": 7, "SimSiam": 3, "MAE": 2, "context encoder": 2}
PROTOCOL = comparison.PROTOCOLS["scenes"]


def measure(method: str, seed: int, **_: Any) -> dict[str, Any]:
    """One row of table G, trained longer: `comparison.run_cell`."""
    longer = replace(PROTOCOL, samples=TIMES[method] * comparison.SAMPLES[method])
    return comparison.run_cell("scenes", "G", method, seed, longer)


def main() -> None:
    """Every cell, the seeds in the outer loop."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json")
    given = parser.parse_args()
    torch.set_num_threads(1)
    cells = [
        {"data": "scenes", "table": "G", "method": name, "seed": seed}
        for seed in given.seeds
        for name in TIMES
    ]
    record(given.json, cells, measure, comparison.about(PROTOCOL, f"table G's pictures times {TIMES}"))


if __name__ == "__main__":
    main()
