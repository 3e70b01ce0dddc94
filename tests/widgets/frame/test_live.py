"""Training in a widget: the same run bit for bit, steered between steps, paused, reset, broken, replaced."""

from __future__ import annotations

import asyncio
import copy
import functools
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import ipywidgets
import numpy as np
import pytest
import torch
from torch import nn

from ssl_course.data.pictures import Pictures
from ssl_course.interfaces import Pair
from ssl_course.methods import MAE
from ssl_course.training import Diverged, rate, train
from ssl_course.widgets import live as live_in_the_package
from ssl_course.widgets.frame.canvas import Panel
from ssl_course.widgets.frame.live import Live, live

STEPS = 12
MORE = {"steps": STEPS, "batch_size": 8, "lr": 1e-2}


class Toy(nn.Module):
    """Draws random numbers, has batch statistics, and remembers what its knobs were in each step."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.backbone = nn.Sequential(
            nn.Flatten(), nn.Linear(3 * 4 * 4, 6), nn.BatchNorm1d(6), nn.Dropout(0.3)
        )
        self.arguments = {"backbone": self.backbone}  # as methods keep them; no checkpoint can write it down
        self.temperature, self.stop_gradient, self.kind = 0.5, True, "plain"
        self.seen: list[tuple] = []
        self.slow = 0.0

    def pair(self, batch: Pictures) -> Pair:
        return Pair(batch.inputs.flatten(1), torch.randn(len(batch), 6))  # X₁ is drawn as nothing

    def forward(self, batch: Pictures) -> torch.Tensor:
        before = (self.temperature, self.stop_gradient)
        z = self.backbone(batch.inputs / 255) + 0.1 * torch.randn(len(batch), 6)
        time.sleep(self.slow)
        assert self.training
        assert before == (self.temperature, self.stop_gradient), "a control acted in the middle of a step"
        self.seen.append(before)
        return (z / self.temperature).square().mean() + (0 if self.stop_gradient else z.mean())

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return self.backbone(x / 255)


@functools.cache
def pictures() -> Pictures:
    images = torch.randint(
        0, 256, (40, 3, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    return Pictures(images)


def weights(method: nn.Module) -> list[bytes]:
    return [t.numpy().tobytes() for t in method.state_dict().values()]


def at_one_go(method: nn.Module, seed: int = 0, act: Callable | None = None, **more: object) -> list[float]:
    losses = []
    for step in train(method, pictures(), seed=seed, **(MORE | more)):
        losses.append(step.loss)
        if act is not None:
            act(method, step.index)
    return losses


def see(method: nn.Module) -> list[Panel]:
    assert not method.training and not torch.is_grad_enabled()
    z = method.encode(pictures().images[:6])
    noise = torch.rand(6, 6)
    return [Panel(z.sigmoid(), "features", width=60), Panel(noise, "noise", width=60)]


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0)  # after each step: on busy cores a timer may come when the run is over


# ------------------------------------------------------------------------------------------------- the same run
def test_run_in_pieces_is_train_at_one_go() -> None:
    one, other = Toy(), Toy()
    losses = at_one_go(one, seed=3)
    widget = Live(other, pictures(), seed=3, views=see, every=1, **MORE)
    for n in (1, 4, 2, None):
        torch.rand(17)  # others draw too
        widget.run(n)
    assert widget.losses == losses and len(losses) == STEPS
    assert weights(one) == weights(other)
    other_seed = Live(Toy(), pictures(), seed=4, **MORE).run()
    assert other_seed.losses != losses


def test_landmarks_stand_in_the_curve_before_and_while_it_trains() -> None:
    widget = Live(Toy(), pictures(), landmarks={"one answer for all": 0.25}, **MORE)
    assert "dashed at 0.25: one answer for all" in widget.panels[0].alt
    widget.run(2)
    assert "dashed at 0.25: one answer for all" in widget.panels[0].alt


def test_live_with_pauses_is_train_at_one_go() -> None:
    one, other = Toy(), Toy()
    losses = at_one_go(one)

    async def main() -> Live:
        widget = Live(other, pictures(), views=see, every=3, **MORE)
        assert widget.index == 0 and not widget.running, "it must not begin by itself"
        for stop in (2, 5, 9):
            widget.action_buttons["Start"].click()
            assert widget.running and widget.action_buttons["Start"].description == "Pause"
            await until(lambda stop=stop: widget.index >= stop)
            widget.action_buttons["Start"].click()
            index = widget.index
            assert not widget.running and widget.action_buttons["Start"].description == "Start"
            torch.rand(5)
            other.train()  # a cell that leaves it in another mode does no harm
            await asyncio.sleep(0.02)
            assert widget.index == index, "it goes on while paused"
            assert "Paused after step" in widget.readout
            widget.action_buttons["Step"].click()
            assert widget.index == index + 1
        widget.start()
        await until(lambda: widget.index == STEPS and not widget.running)
        assert "Done" in widget.readout
        widget.start()
        assert not widget.running
        return widget

    widget = asyncio.run(main())
    assert widget.losses == losses and weights(one) == weights(other)


@pytest.mark.slow
def test_mae_too() -> None:
    from ssl_course.data import scenes

    data = scenes.World().sample(32, size=32, seed=0)
    torch.manual_seed(0)
    one = MAE(32, 8, dim=32, depth=1, decoder_dim=32)
    other = copy.deepcopy(one)
    losses = [step.loss for step in train(one, data, 10, 8)]
    widget = Live(other, data, steps=10, batch_size=8, controls={"mask_ratio": (0.1, 0.9)})
    assert widget.run(4).run().losses == losses and weights(one) == weights(other)


def test_an_interrupt_is_a_pause() -> None:
    one, other = Toy(), Toy()
    losses = at_one_go(one)
    forward = other.forward

    def interrupted(batch: Pictures) -> torch.Tensor:
        if len(other.seen) == 4:
            signal.raise_signal(signal.SIGINT)
        return forward(batch)

    other.forward = interrupted
    widget = Live(other, pictures(), **MORE)
    widget.run()
    assert widget.index == 5 and widget.failure is None and "Paused after step 5" in widget.readout
    del other.forward
    widget.run()
    assert widget.losses == losses
    assert weights(one) == weights(other)


# --------------------------------------------------------------------------------------------------- controls
def test_controls_act_before_the_next_step() -> None:
    def act(method: Toy, index: int) -> None:
        if index == 3:
            method.temperature = 0.25
        if index == 6:
            method.stop_gradient = False

    one, other = Toy(), Toy()
    losses = at_one_go(one, act=act)
    widget = Live(other, pictures(), controls={"temperature": (0.1, 1.0), "stop_gradient": True}, **MORE)
    first = widget.panels[0].rgba
    widget.run(3)
    widget.controls["temperature"].value = 0.25
    widget.run(3)
    widget.controls["stop_gradient"].value = False
    widget.run()
    assert widget.losses == losses and weights(one) == weights(other)
    assert other.seen == [(0.5, True)] * 3 + [(0.25, True)] * 3 + [(0.25, False)] * 6
    assert [index for index, _ in widget.state.curve["marks"]] == [3, 6] and (
        widget.panels[0].rgba != first
    ).any()


def test_controls_from_another_thread_act_between_steps() -> None:
    method, seen = Toy(), set()
    method.slow = 0.003

    async def main() -> None:
        widget = Live(method, pictures(), controls={"temperature": (0.1, 1.0)}, steps=10**6, batch_size=8)
        widget.start()
        await until(lambda: widget.index >= 2)

        def turn() -> None:
            for k in range(100):
                widget.controls["temperature"].value = 0.1 + 0.009 * k
                time.sleep(0.001)

        thread = threading.Thread(target=turn)
        thread.start()
        await until(lambda: not thread.is_alive())
        index = widget.index
        await until(lambda: widget.index > index + 1)
        assert method.temperature == widget.controls["temperature"].value == pytest.approx(0.991)
        threading.Thread(target=widget.action_buttons["Start"].click).start()  # Pause, from there too
        await until(lambda: not widget.running)
        assert widget.failure is None, widget.failure
        index = widget.index
        threading.Thread(target=lambda: setattr(widget.controls["temperature"], "value", 0.3)).start()
        await until(lambda: method.temperature == 0.3)  # acts although nothing is trained
        threading.Thread(target=widget.action_buttons["Start"].click).start()
        await until(lambda: widget.index > index)
        seen.update(method.seen)
        threading.Thread(target=widget.reset_button.click).start()
        await until(lambda: widget.index == 0 and not widget.running)
        await asyncio.sleep(0.02)
        assert method.temperature == 0.5 and widget.error is None

    asyncio.run(main())
    assert len(seen) > 3, "no step saw a value on its way"


@pytest.mark.parametrize("factor", [10, 1 / 3])
def test_the_learning_rate_changes_while_it_trains(factor: float) -> None:
    lr, cut = 1e-2, 5
    one, other = Toy(), Toy()
    losses = at_one_go(one, lr=lambda done: lr * (1 if done < cut else factor) * rate(done, STEPS))
    widget = Live(other, pictures(), controls={"lr": (1e-4, 1.0)}, **MORE)
    assert widget.run(cut).losses == losses[:cut], "a control that nobody touched changes nothing"
    widget.controls["lr"].value = lr * factor
    widget.run()
    np.testing.assert_allclose(widget.losses, losses, rtol=1e-5)
    assert widget._step.lr == pytest.approx(lr * factor * rate(STEPS - 1, STEPS))
    widget.reset()
    assert widget.controls["lr"].value == lr
    assert widget.run().losses == at_one_go(Toy(), lr=lr)


def test_groups_keep_the_ratio_of_their_rates() -> None:
    class Two(Toy):
        def param_groups(self, lr: float) -> list[dict]:
            return [{"params": list(self.backbone[1].named_parameters()), "lr": 3 * lr, "constant_lr": True}]

    states = []
    widget = Live(Two(), pictures(), controls={"lr": (1e-4, 1.0)}, save=states.append, every=1, **MORE)
    widget.run(2)
    widget.controls["lr"].value = 0.1
    widget.run()
    rates = {(g["constant_lr"], round(g["base_lr"], 9)) for g in states[-1]["optimizer"]["param_groups"]}
    assert rates == {(False, 0.1), (True, 0.3)}
    before = {(g["constant_lr"], round(g["base_lr"], 9)) for g in states[0]["optimizer"]["param_groups"]}
    assert before == {(False, 0.01), (True, 0.03)}, "the state that was saved must not be changed"


def test_what_may_be_a_control() -> None:
    method = Toy()
    calls = []
    widget = Live(
        method,
        pictures(),
        controls={
            "temperature": (0.1, 1.0),
            "stop_gradient": False,
            "kind": ["plain", "striped"],
            "slow": ipywidgets.FloatText(0.0, description="seconds"),
            "backbone.3.p": (0.0, 0.9, 0.1),
            "noise": (ipywidgets.IntSlider(2, 0, 4, description="noise"), lambda m, v: calls.append((m, v))),
            "lr": (1e-4, 1e-1),
        },
        **MORE,
    )
    kinds = {name: type(control).__name__ for name, control in widget.controls.items()}
    assert kinds == {
        "temperature": "FloatSlider", "stop_gradient": "Checkbox", "kind": "Dropdown", "slow": "FloatText",
        "backbone.3.p": "FloatSlider", "noise": "IntSlider", "lr": "FloatLogSlider",
    }  # fmt: skip
    assert all(control.description for control in widget.controls.values())
    assert method.stop_gradient is False, "the method is as its controls say, from the start"
    assert widget.controls["temperature"].value == 0.5 and widget.controls["lr"].value == pytest.approx(1e-2)
    widget.controls["backbone.3.p"].value, widget.controls["noise"].value = 0.1, 3
    assert method.backbone[3].p == 0.1 and calls == [(method, 2), (method, 3)]
    assert "noise 3" in widget.panels[0].alt or "…" in widget.panels[0].alt


@pytest.mark.parametrize(
    ("more", "error", "words"),
    [
        ({"controls": {"temprature": (0, 1)}}, AttributeError, "temprature"),
        ({"controls": {"temperature": "hot"}}, TypeError, "temperature"),
        (
            {"controls": {"temperature": (ipywidgets.IntSlider(description="t"), 3)}},
            TypeError,
            "cannot be called",
        ),
        ({"controls": {"temperature": ipywidgets.FloatSlider(0.5)}}, ValueError, "description"),
        ({"controls": {"lr": (0.1, 1.0)}, "lr": lambda done: 0.1}, TypeError, "not both"),
        ({"stepps": 4}, TypeError, "stepps"),
        ({"views": lambda method: [3]}, TypeError, "Panels"),
        ({"views": lambda method: 1 / 0}, ZeroDivisionError, "zero"),
    ],
)
def test_what_is_wrong_is_an_error_of_the_cell(more: dict, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        Live(Toy(), pictures(), **more)


# ------------------------------------------------------------------------------------------------------ reset
def test_reset_brings_everything_back() -> None:
    method = Toy()
    holder = list(method.parameters())
    widget = Live(method, pictures(), controls={"temperature": (0.1, 1.0)}, views=see, **MORE)
    first, pixels = weights(method), [p.rgba.tobytes() for p in widget.panels]
    method.seen.append("something")
    widget.run(5)
    losses = list(widget.losses)
    widget.controls["temperature"].value = 0.9
    widget.run(3)
    assert weights(method) != first
    widget.reset_button.click()
    assert weights(method) == first and widget.index == 0 and widget.losses == []
    assert method.temperature == widget.controls["temperature"].value == 0.5 and method.seen == []
    assert [p.rgba.tobytes() for p in widget.panels] == pixels and widget.state.curve["marks"] == ()
    assert all(a is b for a, b in zip(holder, method.parameters(), strict=True)), "others hold these tensors"
    widget.run(5)
    assert widget.losses == losses


def test_reset_while_it_trains() -> None:
    method = Toy()

    async def main() -> None:
        widget = Live(method, pictures(), steps=10**6, batch_size=8)
        first = weights(method)
        for _ in range(3):
            widget.start()
            await until(lambda: widget.index > 3)
            widget.reset()
            assert widget.index == 0 and not widget.running and weights(method) == first
        await asyncio.sleep(0.02)
        assert widget.index == 0 and weights(method) == first
        assert "Start trains" in widget.readout
        widget.reset()
        widget.start()  # at once: the task before has not noticed
        await until(lambda: widget.index > 3)
        widget.close()
        await until(lambda: not widget.running)

    asyncio.run(main())


def test_what_prepare_makes_is_no_obstacle() -> None:
    class Prepared(Toy):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Parameter(torch.zeros(2))

        def prepare(self, data: Pictures) -> Pictures:
            self.register_buffer("mean", data.images.float().mean((0, 2, 3)))
            self.table = nn.Parameter(torch.zeros(len(data)))
            return data

    widget = Live(Prepared(), pictures(), **MORE)
    losses = list(widget.run(4).losses)
    widget.reset()
    assert len(widget.method.table) == 2 and widget.run(4).losses == losses


# --------------------------------------------------------------------------------------------------- failures
class Brittle(Toy):
    def forward(self, batch: Pictures) -> torch.Tensor:
        return super().forward(batch) * (float("nan") if len(self.seen) == 4 else 1.0)


def test_a_failure_is_a_line_and_the_method_stays_usable() -> None:
    async def main() -> None:
        widget = Live(Brittle(), pictures(), **MORE)
        widget.start()
        await until(lambda: widget.failure is not None)
        assert isinstance(widget.failure, Diverged) and not widget.running
        assert "ssl-error" in widget.readout and "Diverged: the loss is nan at step 4" in widget.readout
        assert widget.index == 3 and all(torch.isfinite(p).all() for p in widget.method.parameters())
        widget.method.encode(pictures().images)
        widget.start()
        widget.action_buttons["Step"].click()
        assert widget.index == 3 and not widget.running
        widget.reset()
        assert widget.failure is None and "ssl-error" not in widget.readout
        widget.start()
        await until(lambda: widget.index >= 2)

    asyncio.run(main())


def test_run_raises_what_went_wrong() -> None:
    widget = Live(Brittle(), pictures(), **MORE)
    with pytest.raises(Diverged):
        widget.run()
    assert "Diverged" in widget.readout and widget.index == 3


def test_a_setting_that_cannot_be_is_shown() -> None:
    widget = Live(Toy(), pictures(), optimizer="adam")
    widget.action_buttons["Step"].click()
    assert "adamw" in widget.readout and isinstance(widget.failure, ValueError)


def test_views_that_stumble_do_not_stop_the_run() -> None:
    bad = []

    def views(method: nn.Module) -> list[Panel]:
        if bad:
            raise LookupError("planted")
        return see(method)

    widget = Live(Toy(), pictures(), views=views, **MORE)
    bad.append(1)
    widget.run(3)
    assert "LookupError: planted" in widget.readout and len(widget.panels) == 3
    bad.clear()
    widget.run(1)
    assert "LookupError" not in widget.readout and widget.index == 4


def test_a_control_that_stumbles_does_not_stop_the_run() -> None:
    def act(method: nn.Module, value: int) -> None:
        method.temperature = 1 / value

    slider = ipywidgets.IntSlider(2, 0, 4, description="sharpness")
    widget = Live(Toy(), pictures(), controls={"sharpness": (slider, act)}, **MORE)
    widget.run(2)
    slider.value = 0
    assert "sharpness: ZeroDivisionError" in widget.readout
    widget.run(2)
    assert widget.index == 4 and widget.method.temperature == 0.5 and "ZeroDivisionError" in widget.readout
    slider.value = 4
    assert widget.method.temperature == 0.25 and "ZeroDivisionError" not in widget.readout


def test_views_disturb_nobody() -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    widget = Live(Toy(), pictures(), views=see, **MORE)
    noise = widget.panels[2].rgba
    widget.run(2)
    assert (widget.panels[2].rgba == noise).all(), "the same random numbers, so that pictures do not flicker"
    torch.manual_seed(11)
    widget._show(views=True)
    assert (torch.rand(3) == expected).all()


# ------------------------------------------------------------------------------------------- living together
def test_others_have_their_turn_while_it_trains() -> None:
    async def main() -> None:
        method = Toy()
        method.slow = 0.03
        widget = Live(method, pictures(), steps=10**6, batch_size=8)
        widget.start()
        await until(lambda: widget.index > 2)
        begin, loop = widget.index, asyncio.get_running_loop()
        done = asyncio.Event()

        def chain(left: int) -> None:  # as a message goes from its socket to its callback
            loop.call_soon(chain, left - 1) if left else done.set()

        chain(8)
        await done.wait()
        assert widget.index - begin <= 2
        widget.pause()
        await until(lambda: widget._task.done())

    asyncio.run(main())


def test_two_may_train_side_by_side() -> None:
    async def main() -> None:
        alone = at_one_go(Toy(), seed=1)
        one, two = (Live(Toy(), pictures(), seed=seed, **MORE) for seed in (1, 2))
        one.start()
        two.start()
        await until(lambda: one.index == two.index == STEPS)
        assert one.losses == alone != two.losses

    asyncio.run(main())


def test_a_second_one_on_the_same_method_stops_the_first() -> None:
    async def main() -> None:
        method, saved = Toy(), []
        first = Live(method, pictures(), steps=10**6, batch_size=8, save=saved.append)
        first.start()
        await until(lambda: first.index > 3)
        second = Live(method, pictures(), **MORE)
        index, now = first.index, weights(method)
        assert saved[-1]["step"] == index, "what it has learned is handed over"
        await asyncio.sleep(0.03)
        assert first.index == index and weights(method) == now and not first.running
        assert "taken over" in first.readout and first.action_buttons["Start"].disabled
        with pytest.raises(RuntimeError, match="run this cell again"):
            first.start()
        first.reset()
        assert weights(method) == now
        second.start()
        await until(lambda: second.index == STEPS)

    asyncio.run(main())


def test_the_same_cell_run_again_stops_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules[Live.__module__]
    now = {"cell": ("a", "run 1")}
    monkeypatch.setattr(module, "_cell", lambda: now["cell"])
    one, two = Live(Toy(), pictures(), **MORE), Live(Toy(), pictures(), **MORE)
    assert not (one._retired or two._retired), "two in one run of a cell stay"
    now["cell"] = ("b", "run 2")
    Live(Toy(), pictures(), **MORE)
    assert not (one._retired or two._retired)
    now["cell"] = ("a", "run 3")
    Live(Toy(), pictures(), **MORE)
    assert one._retired and two._retired


def test_without_an_event_loop() -> None:
    widget = Live(Toy(), pictures(), **MORE)
    with pytest.raises(RuntimeError, match=r"run\(n\)"):
        widget.start()
    widget.action_buttons["Start"].click()
    assert "run(n)" in widget.readout and widget.index == 0
    widget.action_buttons["Step"].click()
    assert widget.index == 1 and widget.run(2).index == 3


def test_resume_and_save_are_trains() -> None:
    states: list[dict] = []
    half = Live(Toy(), pictures(), seed=5, save=states.append, **MORE)
    half.run(5)
    half.retire()
    assert states[-1]["step"] == 5
    whole = Toy()
    losses = at_one_go(whole, seed=5)
    rest = Live(Toy(), pictures(), resume=states[-1], **MORE)
    assert rest.index == 5
    rest.run(2)
    rest.reset()
    assert rest.index == 5 and rest.run().losses == losses[5:] and weights(rest.method) == weights(whole)


def test_the_environment_caps_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_COURSE_MAX_STEPS", "3")
    widget = Live(Toy(), pictures(), **MORE)
    assert "step 0 of 3" in widget.panels[0].caption
    assert widget.run().index == 3 and "Done" in widget.readout


def test_the_picture_says_what_happens() -> None:
    widget = Live(Toy(), pictures(), **MORE)
    assert (
        "Start trains <b>Toy</b> for 12 steps" in widget.readout
        and "step 0 of 12" in widget.panels[0].caption
    )
    widget.run(2)
    caption = widget.panels[0].caption
    assert f"step 2 of 12 · loss {widget.losses[-1]:.3f}" in caption and "samples/s" in caption
    data, _ = widget._repr_mimebundle_()
    assert "image/png" in data and "Run this cell" in data["text/plain"]


@pytest.mark.slow
def test_live_is_a_function_however_it_is_imported() -> None:
    assert isinstance(live_in_the_package(Toy(), pictures()), Live)
    assert isinstance(live(Toy(), pictures(), controls={"temperature": (0.1, 1.0)}), Live)
    for order in (
        "from ssl_course.widgets import live, Live",
        "import ssl_course.widgets.frame.live; from ssl_course.widgets import live",
    ):
        code = f"{order}; print(callable(live), live.__name__.rpartition('.')[2])"
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert out.stdout.split() == ["True", "live"]


@pytest.mark.slow
def test_python_ends_quietly_with_a_run_that_is_paused() -> None:
    code = (
        "from test_live import *\nstates = []\nwidget = Live(Toy(), pictures(), save=lambda s: print(s['step']), **MORE)\n"
        "widget.run(3)"
    )
    here = {"cwd": __file__.rpartition("/")[0], "capture_output": True, "text": True}
    out = subprocess.run([sys.executable, "-c", code], check=True, **here)
    assert out.stdout == "3\n" and out.stderr == ""


@pytest.mark.slow
def test_a_built_notebook_keeps_its_picture_and_trains_nothing(tmp_path: object) -> None:
    import nbformat

    from tools import build, lint

    cells = [
        "from ssl_course.data import scenes\nfrom ssl_course.methods import MAE\nfrom ssl_course.widgets import Live",
        "mae, data = MAE(32, 8, dim=32, depth=1, decoder_dim=32), scenes.World().sample(8, size=32, seed=0)\n"
        "widget = Live(mae, data, steps=6, batch_size=4).run(3)\nwidget.reset()\nwidget",
        "print(widget.index, widget._loop is not None)",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    _, first, second = build.execute(notebook, tmp_path, "live").cells
    assert second.outputs[0].text.split() == ["0", "True"]
    picture = first.outputs[0]
    assert "image/png" in picture.data and "application/vnd.jupyter.widget-view+json" not in picture.data
    assert [p for o in first.outputs for p in lint.output_problems(o)] == []
    assert len(nbformat.writes(notebook)) < 120_000


# ------------------------------------------------------------------------------------- a kernel that is killed
@pytest.fixture
def notebook(monkeypatch, tmp_path):
    """``notebook(n)``: from now on this is the n-th run of one cell of a notebook; its runs are kept in a folder."""
    monkeypatch.setenv("SSL_COURSE_KEPT", str(tmp_path))
    module = sys.modules["ssl_course.widgets.frame.live"]

    def run(number: int, cell: str = "cell") -> None:
        monkeypatch.setattr(module, "_cell", lambda: (cell, f"run {number}"))

    run(1)
    return run


LONG = {"steps": 230, "batch_size": 8, "lr": 1e-2}


def killed(tmp_path, at: int, **more) -> None:
    """A run of which only what lies on the disk is left."""
    broken = Live(Toy(), pictures(), **LONG, **more)
    broken.run(at)
    kept = {file: file.read_bytes() for file in tmp_path.rglob("*.safetensors")}
    broken.retire()  # which would save its last step, and a dead kernel does not
    for file, content in kept.items():
        file.write_bytes(content)


def test_a_killed_run_loses_at_most_a_hundred_steps_and_goes_on_bit_for_bit(notebook, tmp_path):
    whole = Toy()
    for _ in train(whole, pictures(), **LONG, seed=0):
        pass
    killed(tmp_path, 217)
    notebook(2)
    again = Live(Toy(), pictures(), **LONG)
    assert again._resume_button.description == "Resume at 200" and "from step 200" in again.readout
    again._resume_button.click()
    assert again.index == 200
    again.run()
    assert weights(again.method) == weights(whole)
    assert not list(tmp_path.rglob("*.safetensors")), "a run that is done is offered no more"
    notebook(3)
    assert "broke off" not in Live(Toy(), pictures(), **LONG).readout


def test_what_the_controls_were_comes_back_with_the_run(notebook, tmp_path):
    controls = {"temperature": (0.1, 2.0), "lr": (1e-4, 1e-1), "stop_gradient": True}
    first = Live(Toy(), pictures(), **LONG, controls=controls)
    first.set(temperature=1.5, stop_gradient=False, lr=1e-3)
    rate_then = first.controls["lr"].value
    first.run(100)
    first.retire()
    notebook(2)
    again = Live(Toy(), pictures(), **LONG, controls=controls)
    again._resume_button.click()
    assert again.values() == {"temperature": 1.5, "lr": rate_then, "stop_gradient": False}
    again.run(1)
    assert again.method.seen[-1] == (1.5, False) and again._step.lr == pytest.approx(first._step.lr, rel=0.02)


def test_start_and_reset_decline_what_was_offered(notebook, tmp_path):
    killed(tmp_path, 120)
    notebook(2)
    again = Live(Toy(), pictures(), **LONG)
    again.run(1)
    assert again.index == 1 and again._resume_button.layout.display == "none"
    again._resume_button.click()  # a click that was on its way
    assert again.index == 1
    again.reset()
    assert again.index == 0 and not list(tmp_path.rglob("*.safetensors"))


def test_another_cell_recipe_or_place_is_offered_nothing(notebook, tmp_path, monkeypatch):
    killed(tmp_path, 120)
    notebook(1, "another cell")
    assert Live(Toy(), pictures(), **LONG)._offered == 0
    notebook(2)
    assert Live(Toy(), pictures(), **LONG | {"lr": 1e-3})._offered == 0
    for file in tmp_path.rglob("*.safetensors"):
        file.write_bytes(b"no checkpoint")
    assert Live(Toy(), pictures(), **LONG)._offered == 0
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SSL_COURSE_KEPT", str(tmp_path / "file" / "below"))  # where nothing can be written
    notebook(3)
    assert Live(Toy(), pictures(), **LONG).run(101).index == 101


def test_only_the_newest_runs_are_kept(notebook, tmp_path):
    for number in range(6):
        notebook(number, f"cell {number}")
        Live(Toy(), pictures(), **LONG).run(100).retire()
    assert len(list(tmp_path.rglob("*.safetensors"))) == 4


def test_its_little_pictures_are_what_pair_gives() -> None:
    toy, x1, x2 = Toy(), torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    toy.pair = lambda batch: Pair(x1, x2)
    shown = {panel.caption: panel.rgba for panel in Live(toy, pictures(), **MORE).panels if not panel.drawn}
    for caption, x in (("X₁", x1), ("X₂", x2)):
        assert np.abs(shown[caption][..., :3] / 255 - x[0].permute(1, 2, 0).numpy()).max() < 0.003
