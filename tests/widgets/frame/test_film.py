"""Films: every frame in one picture, the last one still; what a page without scripts has, and what is recorded."""

from __future__ import annotations

import base64
import io
import re
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from examples import example
from PIL import Image

from ssl_course.course import palette
from ssl_course.data import scenes
from ssl_course.methods import SimSiam
from ssl_course.nets import ConvNet
from ssl_course.training import train
from ssl_course.widgets import Panel, Plot, film, filmed
from ssl_course.widgets.frame import film as room
from ssl_course.widgets.frame import paint

SPACE = "{http://www.w3.org/2000/svg}"


def moving_dot(at: float) -> Panel:
    plot = Plot(120, 80, (0, 1), (0, 1), margin=(4, 4, 4, 4)).text(0.5, 0.9, "what stays")
    return plot.dot(at, 0.5, palette.PSI, r=6).panel(f"a dot at {at:g}", "a dot")


def stored(made: room.Film) -> ElementTree.Element:
    """The <svg> that lies in the notebook's <img>."""
    html = made._repr_mimebundle_()["text/html"]
    return ElementTree.fromstring(unquote(re.search(r"svg\+xml,([^\"]+)", html)[1]))


def times(svg: ElementTree.Element) -> tuple[list[float], float, dict[str, float]]:
    """When each frame begins, after how long all begins anew, and for how long a frame is seen, in seconds."""
    begins = [
        float(re.search(r"animation-delay:([\d.]+)s", g.get("style"))[1])
        for g in svg.iter(f"{SPACE}g")
        if g.get("class")
    ]
    (rules,) = (e.text for e in svg.iter(f"{SPACE}style") if e.get("id") == "motion")
    assert rules.startswith("@media(prefers-reduced-motion:no-preference){") and rules.endswith("}}")
    whole = float(re.search(r"animation:one ([\d.]+)s step-end infinite", rules)[1])
    seen = dict(re.findall(r"@keyframes (\w+){0%{visibility:visible}([\d.]+)%{visibility:hidden}}", rules))
    return begins, whole, {name: float(share) / 100 * whole for name, share in seen.items()}


def test_all_frames_lie_in_one_picture_and_follow_each_other() -> None:
    made = film([moving_dot(k / 4) for k in range(5)], "a dot goes to the right", seconds=0.5)
    svg = stored(made)
    frames = [g for g in svg if g.get("class") == "frame"]
    assert [g.get("aria-label") for g in frames] == [f"a dot at {k / 4:g}" for k in range(5)]
    begins, whole, seen = times(svg)
    assert begins == [0, 0.5, 1, 1.5, 2] and whole == 2 + room.REST
    assert seen["one"] == pytest.approx(0.55) and seen["last"] == pytest.approx(room.REST + 0.05, rel=1e-3)
    (same,) = (e.get("id") for e in svg.find(f"{SPACE}defs") if e.text == "what stays")
    assert all(f"#{same}" in [u.get("href") for u in frame.iter(f"{SPACE}use")] for frame in frames)


def test_the_still_is_the_last_frame() -> None:
    widget = example("SimilarityMatrix")
    frames = [[moving_dot(0.5)], (widget.panels, widget.readout)]  # as `render` gives it
    data = film(frames, "a dot, then a matrix")._repr_mimebundle_()
    still = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB")
    there = paint.lay_out(widget.panels, paint.plain(widget.readout))
    wanted = paint.compose(there).reduce(paint.SCALE)
    size = min(still.width, wanted.width), min(still.height, wanted.height)
    a, b = (np.asarray(i.crop((0, 0, *size)), float) for i in (still, wanted))
    assert np.abs(a - b).mean() < 1.5  # of 255: what a palette of 128 colours costs


def test_what_a_page_gets_is_small_and_says_what_it_shows() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2, 40, 60, 3), dtype=np.uint8)
    data = film(list(noise), "snow <b>")._repr_mimebundle_()
    assert 'alt="snow &lt;b&gt;"' in data["text/html"] and data["text/plain"] == "<film: snow <b>>"
    assert sum(map(len, data.values())) < 60_000 < room.LARGEST
    large = np.random.default_rng(0).integers(0, 256, (4, 300, 300, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="fewer frames, or smaller ones"):
        film(list(large), "snow")._repr_mimebundle_()
    with pytest.raises(ValueError, match="alt text"):
        film(list(noise), " ")
    with pytest.raises(ValueError, match="two frames"):
        film([moving_dot(0)], "a dot")


def test_filming_changes_no_training_and_sees_every_step_that_it_names() -> None:
    data = scenes.World().sample(64, size=16, seed=0)

    def trained(recorder) -> tuple[list, dict]:
        torch.manual_seed(0)
        method = SimSiam(ConvNet((4, 8)), projection=(8, 4))
        frames = recorder(
            method, lambda: [step.index for step in train(method, data, steps=6, batch_size=16, seed=0)]
        )
        return frames, method.state_dict()

    def look(method: SimSiam) -> Panel:
        assert not method.training and not torch.is_grad_enabled()
        rows = method.encode(data.images[:1])
        seen.append(float(rows.sum() + 0 * torch.rand(1)))
        return moving_dot(0.5)

    def with_film(method, run) -> list:
        with filmed(method, look, steps=(0, 1, 4, 100)) as frames:
            run()
        assert not method._forward_pre_hooks
        seen.append(float(method.eval().encode(data.images[:1]).detach().sum()))
        return frames

    seen: list[float] = []
    frames, weights = trained(with_film)
    assert [line for _, line in frames] == ["step 0", "step 1", "step 4", "step 6"]
    assert len(set(seen[:4])) == 4 and seen[3] == pytest.approx(seen[4])
    _, alone = trained(lambda method, run: run())
    assert all(torch.equal(weights[name], alone[name]) for name in alone)
