"""Live widgets open on the recorded run of their recipe."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from examples import example
from packing import pack

from ssl_course import assets
from ssl_course.widgets.frame import draw, replay
from ssl_course.widgets.frame.canvas import Panel

ROOT = Path(__file__).parents[3]


def words(panel: Panel) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)<", panel.svg)


def live_widgets(source: Path) -> int:
    """How many a lecture has."""
    return len(re.findall(r"^(?:live|CollapseLab|CollapseCircle)\(", source.read_text("utf-8"), re.M))


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The recorded runs, to be filled by a test."""
    runs: dict[str, str] = {}
    monkeypatch.setattr(replay, "_kept", lambda: runs)
    return runs


def trained(name: str) -> Any:
    widget = example(name)
    widget.reset()
    return widget.run()


@pytest.mark.parametrize("name", ["CollapseLab", "CollapseCircle", "Live"])
def test_a_run_comes_back_as_it_was(name: str) -> None:
    widget = trained(name)
    losses, panels = widget.state.curve["losses"], widget.panels[1:]
    text = pack(losses, panels)
    run = replay.unpack(text)
    assert len(text) < 30_000
    for mine, theirs in zip(run.losses, losses, strict=True):
        assert np.allclose(mine, theirs, rtol=1e-3)
    for mine, theirs in zip(run.panels, panels, strict=True):
        assert mine.width == theirs.width and theirs.alt in mine.alt and "recorded" in mine.caption
        if theirs.drawn:
            assert words(mine) == words(theirs)
            faint = mine.rgba[..., :3].astype(float) - 255
            assert np.abs(faint).mean() < 0.7 * np.abs(theirs.rgba[..., :3] - 255.0).mean()


def test_pictures_stay_pictures() -> None:
    photo = np.zeros((20, 30, 3), np.uint8)
    photo[:, 15:] = 255
    plot = draw.Plot(60, 40, (0, 1), (0, 1), margin=(0, 0, 0, 0)).image(photo, 0, 0, 1, 1)
    none = replay.Losses(*[np.zeros(0)] * 4)
    mine, drawn = replay.unpack(pack(none, [Panel(photo, "a", "b", 120), plot.panel("c", "d")])).panels
    for panel, width, height in ((mine, 120, 80), (drawn, 60, 40)):
        assert (panel.picture.width, panel.picture.height) == (width, height) and "<image" in panel.svg
        pixels = panel.rgba[:, :, 0]
        left, right = pixels[:, : len(pixels[0]) // 3], pixels[:, -len(pixels[0]) // 3 :]
        assert right.min() > 245 and 90 < left.mean() < 190  # dark is veiled


def test_it_stands_there_until_something_is_trained_here(kept: dict[str, str]) -> None:
    widget = trained("CollapseLab")
    empty = example("CollapseLab")
    empty.reset()
    assert "press Start to train it here" in words(empty.panels[0]) and not any(
        "recorded" in p.caption for p in empty.panels
    )
    kept[widget.recipe] = pack(widget.state.curve["losses"], widget.panels[1:])

    again = example("CollapseLab")
    again.reset()
    curve, *views = again.panels
    assert "press Start to train it here" in words(curve) and "of an earlier run" in curve.alt
    assert [p.caption for p in views] == [f"{p.caption} (recorded)" for p in widget.panels[1:]]
    assert len(curve.svg) > len(empty.panels[0].svg)
    first = [p.svg for p in again.panels]

    again.run(2)
    assert "press Start to train it here" not in words(again.panels[0])
    assert not any("recorded" in p.caption for p in again.panels)
    assert len(again.state.curve["before"].step) == 8  # still there, below
    again.reset()
    assert [p.svg for p in again.panels] == first

    again.controls["stop_gradient"].value = False  # what is shown answers to the controls
    assert not any("recorded" in p.caption for p in again.panels)
    again.reset()
    assert [p.svg for p in again.panels] == first


def test_it_changes_no_run(kept: dict[str, str]) -> None:
    one = trained("CollapseLab")
    kept[one.recipe] = pack(one.state.curve["losses"], one.panels[1:])
    other = trained("CollapseLab")
    assert one.losses == other.losses
    for a, b in zip(one.method.parameters(), other.method.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_runs_of_the_lectures_are_whole() -> None:
    file = json.loads(assets.results("live").read_text(encoding="utf-8"))
    for row in file["results"]:
        (source,) = (ROOT / "lectures" / "src").glob(f"{row['cell']['lecture']}_*.md")
        assert len(row["runs"]) == live_widgets(source), "a lecture has other live widgets than were recorded"
        for recipe, text in row["runs"].items():
            assert len(text) <= 30_000, recipe
            run = replay.recorded(recipe)
            assert run is not None and len(run.losses.step) > 10 and np.isfinite(run.losses.mean).all()


def test_every_stored_lecture_opens_its_live_widgets_on_a_recorded_run() -> None:
    """A recipe that changed has another name than its record, and would open empty."""
    for source in sorted((ROOT / "lectures" / "src").glob("[0-9]*.md")):
        cells = json.loads((ROOT / "lectures" / source.with_suffix(".ipynb").name).read_text("utf-8"))[
            "cells"
        ]
        shown = "".join(
            "".join(o.get("data", {}).get("text/html", "")) for c in cells for o in c.get("outputs", ())
        )
        assert shown.count("Faint is a recorded run") == live_widgets(source), source.name
