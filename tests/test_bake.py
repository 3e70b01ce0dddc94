"""Baked widgets: the tables that the site shows are what the widgets themselves draw, and go where they go."""

from __future__ import annotations

import base64
import io
import random
import re

import ipywidgets
import nbformat
import numpy as np
import pytest
from examples import example
from PIL import Image

from ssl_course import widgets
from ssl_course.widgets import Explorer, Panel, Plot
from tools import bake
from tools.build import RUN_LINE, notebook_of, sources
from tools.plans import plan_of

LECTURES = [src for src in sources() if bake.index_of(src)["widgets"]]
EACH, ALL = 1_500_000, 12_000_000  # bytes
# Made without anything of the lecture, so that they can be made again here, and quickly.
ALONE = (
    "BreakTheBound",
    "FlipExplorer",
    "HoleExplorer",
    "HidingCurves",
    "RotationGame",
    "SceneExplorer",
    "NoiseFit",
)


class Two(Explorer):
    """A slider, a box, a place that is clicked, which the box forgets."""

    def __init__(self) -> None:
        controls = {
            "x": ipywidgets.FloatSlider(0.33, min=0, max=1, step=0.01, description="x"),
            "on": ipywidgets.Checkbox(False, description="on"),
        }
        super().__init__(controls, hidden={"spot": None}, actions={"away": lambda: self.set(spot=None)})
        self.controls["on"].observe(lambda _: self.set(spot=None), names="value")

    @staticmethod
    def render(state, *, x, on, spot):
        plot = Plot(100, 100, (0, 1), (0, 1)).dot(x, 0.5, "#112233" if on else "#332211")
        picture = np.full((8, 8, 3), int(255 * x), np.uint8)
        picture[: 4 if spot else 8] //= 2
        return [
            plot.panel("dot", f"at {x:.2f}", operable=True),
            Panel(picture, "gray"),
        ], f"x is {x:.2f}, {spot}"

    def on_pointer(self, event):
        if event.panel == 0 and event.kind == "down" and event.x > 0.5:
            self.set(spot=(event.x, event.y))

    def on_key(self, event):
        if event.key == "Enter":
            self.set(spot=(0.75, 0.25))


def plan_two(explorer):
    spots = [None, (0.75, 0.25), (0.75, 0.75)]
    return bake.Plan([{"x": [0.0, 0.33, 0.5, 1.0], "on": [False, True], "spot": spots}])


@pytest.fixture
def two(monkeypatch):
    from tools import plans

    monkeypatch.setitem(plans.PLANS, "Two", plan_two)
    return bake.bake(Two(), "<p>this very output</p>")


def frame_at(table, **wanted):
    """The frame of indices given by name, the others as at the start."""
    state = [wanted.get(name, k) for name, k in zip(table["names"], table["start"], strict=True)]
    (block,) = table["blocks"]
    number = 0
    for name, values in block["axes"]:
        number = number * len(values) + values.index(state[name])
    return table["frames"][block["frames"][number]]


def svg_of(table, content):
    return "".join(table["pieces"][k] for k in table["contents"][content])


def test_a_table_has_every_frame_and_says_where_events_lead(two):
    assert two["names"] == ["x", "on", "spot"] and two["start"] == [
        1,
        0,
        0,
    ]  # .33, off the coarse grid, is kept
    assert [c["label"] for c in two["controls"]] == ["x", "on"]
    assert two["controls"][0]["words"] == ["0.00", "0.33", "0.50", "1.00"]
    line, drawn, gray = frame_at(two, x=2, spot=2)
    assert two["readouts"][line] == "x is 0.50, (0.75, 0.75)"
    (panels, _) = Two.render(None, x=0.5, on=False, spot=(0.75, 0.75))
    assert svg_of(two, two["panels"][drawn][0]) == panels[0].svg
    picture = Image.open(
        io.BytesIO(base64.b64decode(two["pictures"][two["contents"][two["panels"][gray][0]]]))
    )
    assert (np.asarray(picture.convert("RGBA")) == panels[1].rgba).all()
    assert two["metas"][two["panels"][drawn][1]]["alt"] == "at 0.50"
    click = two["moves"]["down"][0]
    row, side = click["maps"][""], click["side"]
    assert row[0] == -1  # the left half answers nothing
    assert click["changes"][row[side - 1]] == [2, 1] and click["changes"][row[-1]] == [2, 2]
    assert two["moves"]["key"][0]["Enter"]["to"] == {"": [2, 1]} and "ArrowUp" not in two["moves"]["key"][0]
    assert two["moves"]["action"]["away"]["to"] == {"": [2, 0]}
    assert two["moves"]["set"][1][1]["to"] == {"": [1, 1, 2, 0]}  # the box forgets the place


def test_a_table_that_leads_elsewhere_is_refused(monkeypatch):
    from tools import plans

    def liar(self, event):
        if (
            event.panel == 0 and event.kind == "down"
        ):  # takes two values to show: missed by varying one at a time
            self.set(spot=(0.75, 0.25) if self.values()["x"] == 1.0 and self.values()["on"] else None)

    monkeypatch.setitem(plans.PLANS, "Two", plan_two)
    monkeypatch.setattr(Two, "on_pointer", liar)
    with pytest.raises(ValueError, match="said|follows from more"):
        bake.bake(Two(), "")


def test_what_a_bake_follows_from_is_code_not_comments():
    import ast

    plain = ast.parse('def f():\n    "Says."\n    return 1')
    assert bake._bare(ast.parse('def f():\n    "Says more."\n    return 1  # one')) == bake._bare(plain)
    assert bake._bare(ast.parse('def f():\n    "Says."\n    return 2')) != bake._bare(plain)


def test_a_bake_stands_only_where_it_was_made(tmp_path, two):
    src = tmp_path / "lectures/src/01_x.md"
    src.parent.mkdir(parents=True)
    src.write_text("text", encoding="utf-8")
    assert bake.stale(src) == "nothing is baked yet"
    oven = tmp_path / "oven"
    oven.mkdir()
    with pytest.raises(RuntimeError, match="did not import"):
        bake.keep(oven, src)
    (oven / "hooked").touch()
    (oven / "01_Two.json").write_text(bake.packed(two), encoding="utf-8")
    (row,) = bake.keep(oven, src)
    assert bake.read(src, row["file"]) == bake.json.loads(bake.packed(two)) and bake.stale(src) is None
    figure = '<figure class="ssl-figure"><img></figure>'
    assert bake.mount(figure, src, "at") == figure  # another output
    two["shows"] = bake._hash(figure)
    (oven / "01_Two.json").write_text(bake.packed(two), encoding="utf-8")
    (oven / "02_Tiny.failed").write_text("Traceback\nValueError: no", encoding="utf-8")
    bake.keep(oven, src)
    assert 'data-baked="at/01_Two.json.gz"' in bake.mount(figure, src, "at")
    assert bake.stale(src) == "Tiny could not be baked: ValueError: no"
    src.write_text("another text", encoding="utf-8")
    assert bake.stale(src) == "the lecture's source changed after its widgets were baked"


def test_a_fork_leaves_nothing_behind_but_what_it_writes(tmp_path):
    kept = []
    assert bake._in_a_fork(lambda: kept.append((tmp_path / "there").write_text("yes"))) == ""
    assert kept == [] and (tmp_path / "there").read_text() == "yes"
    assert "ZeroDivisionError" in bake._in_a_fork(lambda: 1 / 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["Leaderboard", "JigsawGame", "DrawnRow", "Live", "MaskingExplorer", "HolePainter"]
)
def test_every_kind_has_a_plan_that_can_be_carried_out(name, monkeypatch):
    from tools import plans

    explorer = example(name)
    # A guess goes to the nearest place: nine do as well as 64, and take a minute less.
    if name == "HolePainter":
        all_places = plans.places
        monkeypatch.setattr(plans, "places", lambda side: all_places(3))
    table = bake.bake(explorer, "")
    assert table["frames"] and (table["controls"] or table["moves"]["down"])
    if name == "JigsawGame":
        words = str(table["readouts"])
        assert "Guess the order and press Commit, then the network" in words and "Drag" not in words
    if name == "Live":  # a film for each mask
        moments, kinds = len(table["controls"][0]["words"]), len(table["controls"][1]["words"])
        assert kinds == 3 and len(table["blocks"][0]["frames"]) == moments * kinds
        assert len(set(table["blocks"][0]["frames"])) > moments
        assert any("press Play" in piece for piece in table["pieces"])
        assert not any("Start" in piece for piece in table["pieces"]), "there is no such button in the page"


@pytest.mark.parametrize("src", LECTURES, ids=lambda src: src.stem[:2])
def test_bakes_are_in_step_small_and_shown(src):
    assert (why := bake.stale(src)) is None, f"{why}: run python -m tools.build {src.stem[:2]}"
    rows = bake.index_of(src)["widgets"]
    assert {row["file"] for row in rows} == {file.name for file in bake.place_of(src).glob("*.gz")}
    notebook = nbformat.read(notebook_of(src), as_version=4)
    pages = [
        "".join(o.get("data", {}).get("text/html", "")) for c in notebook.cells for o in c.get("outputs", ())
    ]
    shown = {
        found[1]
        for page in pages
        if (found := re.search(r'data-baked="x/([^"]+)"', bake.mount(page, src, "x")))
    }
    assert shown == {row["file"] for row in rows}, (
        "a bake belongs to no output of the notebook: build both together"
    )
    assert all((bake.place_of(src) / row["file"]).stat().st_size == row["bytes"] <= EACH for row in rows)
    assert sum(RUN_LINE in page for page in pages) >= len(rows)


def test_all_bakes_together_are_small():
    assert sum(row["bytes"] for src in LECTURES for row in bake.index_of(src)["widgets"]) <= ALL


@pytest.mark.parametrize("kind", ALONE)
def test_baked_frames_are_those_of_a_fresh_render(kind):
    found = [(src, row) for src in LECTURES for row in bake.index_of(src)["widgets"] if row["kind"] == kind]
    if not found:
        pytest.skip(f"no {kind} is baked yet")
    src, row = found[0]
    table = bake.read(src, row["file"])
    explorer = getattr(widgets, kind)()
    bake._silence(explorer)
    fresh = bake._Table(explorer, plan_of(explorer))
    assert (fresh.names, fresh.start) == (table["names"], table["start"])
    dice = random.Random(1)
    for _ in range(12):
        number = dice.randrange(len(table["blocks"]))
        block, axes = table["blocks"][number], fresh.blocks[number]
        assert [[fresh.names[name], values] for name, values in block["axes"]] == [
            [n, v] for n, v in axes.items()
        ]
        states = list(fresh.states(axes))
        at = dice.randrange(len(states))
        panels, line = fresh.draw(fresh.state(states[at]))
        said, *drawn = table["frames"][block["frames"][at]]
        assert table["readouts"][said] == line and len(drawn) == len(panels)
        for panel, (content, meta) in zip(panels, (table["panels"][k] for k in drawn), strict=True):
            assert (table["metas"][meta]["alt"], table["metas"][meta]["css"]) == (panel.alt, panel.width)
            assert panel.caption in table["metas"][meta]["caption"]
            if panel.drawn:
                bare = (re.sub(r"data:image/[^\"]+", "", svg) for svg in (svg_of(table, content), panel.svg))
                assert next(bare) == next(bare)
            else:
                picture = Image.open(
                    io.BytesIO(base64.b64decode(table["pictures"][table["contents"][content]]))
                )
                far = np.abs(np.asarray(picture.convert("RGB"), float) - panel.rgba[..., :3])[
                    panel.rgba[..., 3] > 0
                ]
                assert far.mean() < 6, f"{panel.caption}: {far.mean():.1f} of 255"
    for events in ("down", "key"):  # JSON has panels as text
        table["moves"][events] = {int(panel): found for panel, found in table["moves"][events].items()}
    fresh.check(table)


def test_the_hash_is_of_the_code_that_bakes_not_of_what_an_author_writes_meanwhile(tmp_path, monkeypatch):
    from tools import plans

    file = tmp_path / "own_plans.py"
    file.write_text("def plan_own(explorer):\n    return 1\n", encoding="utf-8")
    space = {}
    exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), space)
    monkeypatch.setitem(plans.PLANS, "Two", space["plan_own"])
    before = bake.follows(Two)
    file.write_text("# longer\n\n\ndef plan_own(explorer):\n    return 2\n", encoding="utf-8")
    assert bake.follows(Two) == before
    bake._code.cache_clear()
    assert bake.follows(Two) != before


def test_the_hash_follows_the_helpers_of_a_plan_and_no_other_function(tmp_path, monkeypatch):
    from tools import plans

    file = tmp_path / "own_plans.py"

    def hash_of(helper, deeper, other):
        text = (
            "def plan_own(explorer):\n    return helper(1)\n\n\n"
            f"def helper(x):\n    return deeper(x) + {helper}\n\n\n"
            f"def deeper(x):\n    return {deeper}\n\n\ndef other():\n    return {other}\n"
        )
        file.write_text(text, encoding="utf-8")
        space = {}
        exec(compile(text, str(file), "exec"), space)
        monkeypatch.setitem(plans.PLANS, "Two", space["plan_own"])
        bake._code.cache_clear()
        return bake.follows(Two)

    before = hash_of(1, 1, 1)
    assert hash_of(1, 1, 2) == before
    assert hash_of(2, 1, 1) != before and hash_of(1, 2, 1) != before
