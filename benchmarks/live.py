"""The runs that the lectures' live widgets open on: ``python benchmarks/live.py --json assets/results/live.json``.

A lecture's cells run in order, with training cut short where no live widget is made. Each live widget is trained to its
end and packed: its losses and its last views (`packing.py`). What the file holds is not run again, but for ``--anew 13``.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
from pathlib import Path

import matplotlib
from packing import pack

from ssl_course.studies.recorded import record
from ssl_course.widgets.frame.live import Live
from tools.build import read_source, sources

LECTURES = ("12", "07", "13", "09", "10", "11", "08", "03", "02", "04")  # the quick ones first
LARGEST = 30_000  # bytes of a run
MAKES_ONE = re.compile(r"^(?:live|CollapseLab|CollapseCircle)\(", re.MULTILINE)


def runs(lecture: str) -> dict[str, dict[str, str]]:
    """recipe → packed run, of all live widgets of a lecture."""
    cells = read_source(sources([lecture])[0]).cells
    texts = [
        c.source
        for c in cells
        if c.cell_type == "code" and not {"hold", "solution"} & {*c.metadata.get("tags", [])}
    ]
    last = max(i for i, text in enumerate(texts) if MAKES_ONE.search(text))
    space: dict[str, object] = {"__name__": "__main__", "display": lambda *_: None}
    by_recipe = {}
    for text in texts[: last + 1]:
        os.environ.pop("SSL_COURSE_MAX_STEPS", None)
        if not MAKES_ONE.search(text):
            os.environ["SSL_COURSE_MAX_STEPS"] = "2"
        widget = value_of(text, space)
        if isinstance(widget, Live):
            widget.run()
            packed = pack(widget.state.curve["losses"], widget.panels[1:])
            if len(packed) > LARGEST:
                raise ValueError(f"{widget.recipe}: {len(packed):,} bytes, more than {LARGEST:,}")
            by_recipe[widget.recipe] = packed
            widget.reset()
    return {"runs": by_recipe}


def value_of(cell: str, space: dict[str, object]) -> object:
    """Run a cell; what its last line is worth."""
    tree = ast.parse(cell)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), space)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), space) if last else None


def main() -> None:
    """Every lecture that is not in the file yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json")
    parser.add_argument(
        "--anew",
        nargs="*",
        default=[],
        choices=LECTURES,
        help="record these again, whose recipes have changed",
    )
    given = parser.parse_args()
    matplotlib.use("agg")
    if given.anew and given.json:
        kept = json.loads(Path(given.json).read_text(encoding="utf-8"))
        kept["results"] = [row for row in kept["results"] if row["cell"]["lecture"] not in given.anew]
        Path(given.json).write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    record(given.json, [{"lecture": name} for name in LECTURES], runs, {"views": "after the last step"})


if __name__ == "__main__":
    main()
