"""The loop against closed forms, against a loop written out by hand, and against being interrupted."""

import importlib
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ssl_course import checkpoints, doctor
from ssl_course.data.pictures import Pictures
from ssl_course.interfaces import Pair
from ssl_course.methods import MAE, SimCLR
from ssl_course.training import (
    Diverged,
    History,
    Step,
    fit,
    make_fabric,
    make_optimizer,
    parameter_groups,
    rate,
    train,
)
from ssl_course.training import steps as steps_of_training


class Mean(nn.Module):
    """Learns the mean of the pictures; draws noise, so that random states matter."""

    defaults = {
        "optimizer": "sgd",
        "lr": 0.1,
        "momentum": 0.0,
        "weight_decay": 0.0,
        "schedule": "constant",
        "warmup": 0,
    }

    def __init__(self, noise=0.0):
        super().__init__()
        self.weight, self.noise = nn.Parameter(torch.zeros(3)), noise
        self.seen = []

    def pair(self, batch):
        x = batch.inputs.float().mean((2, 3)) / 255
        return Pair(x, x + self.noise * torch.randn_like(x))

    def forward(self, batch):
        x1, x2 = self.pair(batch)
        self.seen.append(len(x1))
        return (x2 - self.weight).square().sum(1).mean()


def pictures(n=40, size=4, seed=0):
    return Pictures(
        torch.randint(
            0, 256, (n, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
        )
    )


def weights(method):
    return torch.cat([v.flatten().double() for v in method.state_dict().values()])


# ------------------------------------------------------------------------------------------------------ schedule
def test_rate_is_a_ramp_and_half_a_cosine():
    steps, ramp = 100, 10
    found = [rate(i, steps, 0.1) for i in range(steps)]
    assert found[:ramp] == pytest.approx([(i + 1) / 11 for i in range(ramp)])
    assert found[ramp:] == pytest.approx([0.5 * (1 + math.cos(math.pi * i / 90)) for i in range(90)])
    assert rate(50, steps, 0, "constant") == 1 and rate(3, steps, 7) == pytest.approx(0.5)
    assert all(0 < rate(0, n, 0.05) <= 1 for n in (1, 2, 3, 400))
    with pytest.raises(ValueError, match="cosine"):
        rate(0, 10, 0, "linear")


def test_norms_biases_and_scales_do_not_decay():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.norm, self.head = nn.Linear(2, 3), nn.LayerNorm(3), nn.Linear(3, 3)
            self.logit_scale, self.cls_token = (
                nn.Parameter(torch.zeros(())),
                nn.Parameter(torch.zeros(1, 1, 3)),
            )

        def param_groups(self, lr):
            head = [(n, p) for n, p in self.named_parameters() if n.startswith("head")]
            return [{"params": head, "lr": 10 * lr, "constant_lr": True}]

    net = Net()
    by = {id(p): g for g in parameter_groups(net, 0.1, 0.05) for p in g["params"]}
    assert len(by) == len(list(net.parameters()))
    assert by[id(net.linear.weight)]["weight_decay"] == 0.05 == by[id(net.head.weight)]["weight_decay"]
    for p in (net.linear.bias, net.norm.weight, net.logit_scale, net.cls_token, net.head.bias):
        assert by[id(p)]["weight_decay"] == 0
    assert by[id(net.head.weight)]["lr"] == 1.0 and by[id(net.head.weight)]["constant_lr"]
    assert not by[id(net.linear.weight)]["constant_lr"]


def test_a_constant_group_keeps_its_rate_while_the_rest_decays():
    class Two(Mean):
        def __init__(self):
            super().__init__()
            self.head = nn.Parameter(torch.zeros(3, 3))

        def param_groups(self, lr):
            return [{"params": [("head", self.head)], "constant_lr": True}]

        def forward(self, batch):
            return super().forward(batch) + self.head.sum()  # gradient 1: each step moves it by its rate

    method = Two()
    list(train(method, pictures(), steps=20, lr=0.1, schedule="cosine"))
    assert method.head.detach().flatten().tolist() == pytest.approx([-0.1 * 20] * 9)


@pytest.mark.parametrize("name", ["adamw", "sgd", "lars"])
def test_each_optimizer_learns_and_a_wrong_one_is_refused(name):
    method = SimCLR(projection=(32, 16))
    settings = {"optimizer": name, "lr": 0.1, "weight_decay": 0.0, "betas": (0.9, 0.99), "momentum": 0.9}
    assert make_optimizer(method, settings).param_groups
    with pytest.raises(ValueError, match="'adamw', 'sgd' or 'lars'"):
        make_optimizer(method, settings | {"optimizer": "adam"})


# ---------------------------------------------------------------------------------------------------------- the loop
def test_the_loop_equals_one_written_by_hand():
    data, method = pictures(), Mean()
    found = [step.loss for step in train(method, data, steps=10, batch_size=8, seed=3)]
    w, expected = torch.zeros(3), []
    for i in range(10):
        order = torch.randperm(40, generator=torch.Generator().manual_seed(3 * 100_003 + i // 5))
        x = data.inputs[order[i % 5 * 8 : i % 5 * 8 + 8]].float().mean((2, 3)) / 255
        expected.append((x - w).square().sum(1).mean().item())
        w = w - 0.1 * 2 * (w - x.mean(0))
    assert found == pytest.approx(expected, abs=1e-5)
    torch.testing.assert_close(method.weight.detach(), w)


def test_a_pass_sees_every_picture_once():
    class Seen(Mean):
        def forward(self, batch):
            self.rows = getattr(self, "rows", []) + batch.labels["row"].tolist()
            return super().forward(batch)

    data = pictures()
    data.labels["row"] = torch.arange(40)
    method = Seen()
    list(train(method, data, steps=10, batch_size=8))
    assert sorted(method.rows[:40]) == sorted(method.rows[40:]) == list(range(40))
    assert method.rows[:40] != method.rows[40:]


def test_steps_say_what_a_bar_needs():
    steps = list(train(Mean(), pictures(), steps=5, batch_size=8))
    assert [s.index for s in steps] == [1, 2, 3, 4, 5] and all(s.steps == 5 for s in steps)
    assert all(isinstance(s, Step) and isinstance(s.loss, float) and s.samples_per_second > 0 for s in steps)
    assert "Step(5/5, loss" in repr(steps[-1])


def test_nobody_elses_draws_change_a_run_and_a_run_changes_nobodys():
    one, other = Mean(noise=1.0), Mean(noise=1.0)
    torch.manual_seed(0)
    undisturbed = torch.rand(3)
    list(train(one, pictures(), steps=6))
    torch.manual_seed(0)
    for _ in train(other, pictures(), steps=6):
        drawn = torch.rand(3) if _.index == 1 else torch.rand(100)
        if _.index == 1:
            assert torch.equal(drawn, undisturbed)
    assert torch.equal(one.weight, other.weight)


def test_a_function_replaces_the_schedule():
    rates = [s.lr for s in train(Mean(), pictures(), steps=4, lr=lambda done: 0.01 * (done + 1))]
    assert rates == pytest.approx([0.01, 0.02, 0.03, 0.04])


def test_on_step_save_and_every():
    said, saved = [], []
    list(
        train(
            Mean(),
            pictures(),
            steps=7,
            every=3,
            on_step=lambda s: said.append(s.index),
            save=lambda s: saved.append(s["step"]),
        )
    )
    assert said == [1, 2, 3, 4, 5, 6, 7] and saved == [3, 6, 7]


def test_the_environment_caps_the_steps(monkeypatch):
    monkeypatch.setenv("SSL_COURSE_MAX_STEPS", "3")
    steps = list(train(Mean(), pictures(), steps=50, schedule="cosine"))
    assert len(steps) == 3 and steps[-1].steps == 3


def test_a_batch_is_at_most_the_set():
    method = Mean()
    with pytest.warns(UserWarning, match="batch_size=64 is more than the 5 rows"):
        list(train(method, pictures(5), steps=2, batch_size=64))
    assert method.seen == [5, 5]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"steps": 0}, "at least 1"),
        ({"batch_size": 0}, "at least 1"),
        ({"schedule": "x"}, "schedule"),
        ({"optimizer": "x"}, "optimizer"),
    ],
)
def test_impossible_settings_are_refused(settings, says):
    with pytest.raises(ValueError, match=says):
        list(train(Mean(), pictures(), **{"steps": 2} | settings))


def test_empty_data_are_refused():
    with pytest.raises(ValueError, match="empty"):
        next(train(Mean(), pictures(4)[:0], steps=1))


def test_hooks_are_called():
    class Hooked(Mean):
        def prepare(self, data):
            self.prepared = len(data)
            return data[:8]

        def after_step(self):
            with torch.no_grad():
                self.weight.clamp_(max=0.05)

    method = Hooked()
    list(train(method, pictures(), steps=20, batch_size=32))
    assert method.prepared == 40 and set(method.seen) == {8} and method.weight.max() <= 0.05


@pytest.mark.parametrize("workers", [0, 2])
def test_a_dataloader_does_as_well(workers):
    data = pictures()
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(data.images, torch.arange(40)),
        batch_size=8,
        shuffle=True,
        num_workers=workers,
    )
    one, other = Mean(noise=0.1), Mean(noise=0.1)
    states = []
    whole = [s.loss for s in train(one, loader, steps=13)]
    for step in train(other, loader, steps=13, save=states.append, every=7):
        if step.index == 7:
            break
    last = Mean(noise=0.1)
    rest = [s.loss for s in train(last, loader, resume=states[0])]
    assert rest == whole[7:] and torch.equal(one.weight, last.weight)


def test_a_dataloader_without_batches_is_named():
    class Nothing(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter(())

    with pytest.raises(ValueError, match="no batch"):
        next(train(Mean(), torch.utils.data.DataLoader(Nothing()), steps=1))


def test_it_runs_where_it_is_told(device):
    method = SimCLR(projection=(32, 16))
    steps = list(train(method, pictures(16, 16), steps=2, batch_size=8, fabric=make_fabric(device)))
    assert next(method.parameters()).device.type == device and math.isfinite(steps[-1].loss)


# --------------------------------------------------------------------------------------- where it computes
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_cpu_alone_trains_as_lightning_does_there(optimizer, monkeypatch):
    """Bit for bit, through a state and back; Lightning has torch's own optimizers here."""
    runs = []
    for fabric in (None, make_fabric("cpu")):
        if fabric:
            for name in ("AdamW", "SGD"):
                monkeypatch.setattr(f"ssl_course.training.optimizer.{name}", getattr(torch.optim, name))
        torch.manual_seed(0)
        method, states = SimCLR(projection=(32, 16)), []
        how = {"batch_size": 8, "optimizer": optimizer, "fabric": fabric, "save": states.append}
        losses = [s.loss for s in train(method, pictures(16, 16), steps=3, every=2, **how)]
        torch.manual_seed(0)
        again = SimCLR(projection=(32, 16))
        losses += [s.loss for s in train(again, pictures(16, 16), steps=3, resume=states[0], **how)]
        runs.append((losses, [*method.state_dict().values(), *again.state_dict().values()]))
    (a, weights), (b, others) = runs
    assert a == b and len(a) == 4 and all(map(torch.equal, weights, others))


def test_training_on_a_cpu_does_not_load_the_compiler():
    """PyTorch's optimizers and Lightning would: 165 MB of every kernel, and seconds before the first step."""
    script = """
import sys, torch
from ssl_course.data import scenes
from ssl_course.methods import SimCLR
from ssl_course.training import fit, optimizer
fit(SimCLR(projection=(32, 16)), scenes.World().sample(16, 16), steps=2, batch_size=8, bar=False)
for kind in (optimizer.Adam, optimizer.LBFGS, optimizer.SGD):  # as lectures use them
    number = torch.ones(1, requires_grad=True)
    descent = kind([number], lr=0.1)
    slower = torch.optim.lr_scheduler.CosineAnnealingLR(descent, 2)
    def closure():
        descent.zero_grad()
        loss = number.square().sum()
        loss.backward()
        return loss
    descent.step(closure)
    slower.step()
    assert float(number.detach()) < 1
print(sorted({"torch._dynamo", "sympy", "triton", "lightning_fabric"} & set(sys.modules)))
"""
    without_gpu = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", script], env=without_gpu, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stdout + done.stderr


class Asked:
    """Stands in for Lightning's Fabric: keeps what it was made with."""

    def __init__(self, **settings):
        self.settings = settings

    def launch(self):
        pass


@pytest.fixture
def gpu(monkeypatch):
    """A machine with a GPU, as far as torch says; ``gpu(native, works)`` says what it can do."""

    def made(native, works=True):
        def supported(including_emulation=True):
            return native or including_emulation  # what torch answers on a T4

        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
        monkeypatch.setattr("lightning_fabric.Fabric", Asked)
        if works:
            plain = torch.ones
            monkeypatch.setattr(torch, "ones", lambda *size, device: plain(*size, device="cpu"))

    return made


@pytest.mark.parametrize(("native", "precision"), [(True, "bf16-mixed"), (False, "32-true")])
def test_bf16_only_where_the_gpu_computes_in_it(gpu, native, precision):
    gpu(native)
    found = make_fabric().settings
    assert (found["accelerator"], found["precision"]) == ("cuda", precision)
    assert make_fabric(precision="16-mixed").settings["precision"] == "16-mixed"
    assert make_fabric("cpu").settings["precision"] == "32-true"
    apple = make_fabric("mps").settings  # only where it is asked for
    assert (apple["accelerator"], apple["precision"]) == ("mps", "32-true")


def test_a_gpu_that_cannot_compute_is_left_alone_and_named(gpu, monkeypatch):
    gpu(native=True)

    def conv2d(*_):
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device\nmore lines")

    monkeypatch.setattr(torch.nn.functional, "conv2d", conv2d)
    with pytest.warns(
        UserWarning, match=r"GPU does not compute \(CUDA error: no kernel image [^\n]*CPU"
    ) as said:
        found = make_fabric().settings
    assert len(said) == 1 and (found["accelerator"], found["precision"]) == ("cpu", "32-true")
    assert make_fabric("cuda").settings["accelerator"] == "cuda", "who asks for it gets it"
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla K80")
    check = doctor._gpu(torch)
    assert not check.ok and not check.required and "Tesla K80" in check.seen
    assert "no kernel image" in check.seen and "more lines" not in check.seen and "driver" in check.fix


@pytest.mark.skipif(torch.cuda.is_available(), reason="this torch can compute on a GPU")
def test_a_torch_without_cuda_says_so_by_itself(gpu):
    gpu(native=True, works=False)
    with pytest.warns(UserWarning, match="so the CPU trains"):
        assert make_fabric().settings["accelerator"] == "cpu"


@pytest.fixture
def readings(monkeypatch):
    """How often a loss is read from its device: [one by one, all together]."""
    count, loss, read = [0, 0], Step.loss.fget, steps_of_training.read_losses

    def one(self):
        count[0] += 1
        return loss(self)

    def many(steps):
        count[1] += bool(steps)
        return read(steps)

    monkeypatch.setattr(Step, "loss", property(one))
    for module in ("training.fitting", "widgets.frame.progress"):
        monkeypatch.setattr(importlib.import_module(f"ssl_course.{module}"), "read_losses", many)
    return count


def test_fit_does_not_wait_for_each_step(readings):
    expected = [s.loss for s in train(Mean(), pictures(), steps=50, batch_size=8)]
    readings[:] = 0, 0
    history = fit(Mean(), pictures(), steps=50, batch_size=8, bar=False)
    assert history.losses == expected and readings == [0, 1]


def test_neither_do_the_bar_and_the_live_widget(readings, monkeypatch):
    import IPython.display

    from ssl_course.widgets import live
    from ssl_course.widgets.frame import progress

    monkeypatch.setattr(
        IPython.display, "display", lambda *_, **__: SimpleNamespace(update=lambda *_, **__: None)
    )
    for module in (progress, importlib.import_module("ssl_course.widgets.frame.live")):
        monkeypatch.setattr(module, "PAUSE", 1000.0)  # seconds: no picture but the first and the last
    bar, losses = progress.Bar("Mean"), []
    for step in train(Mean(), pictures(), steps=50, batch_size=8):
        bar.update(step)
        losses.append(step)
    bar.close(History(losses=[1.0]))
    assert sum(readings) <= 5 and bar.curve.losses().mean.tolist() == [s.loss for s in losses]
    readings[:] = 0, 0
    widget = live(Mean(), pictures(), steps=50, batch_size=8).run()
    assert sum(readings) <= 5 and widget.losses == [s.loss for s in losses]


# ------------------------------------------------------------------------------------- what can stop a run
SMALL = {
    "simclr": lambda: SimCLR(projection=(32, 16)),
    "mae": lambda: MAE(image_size=16, patch_size=8, dim=16, depth=1, heads=2, decoder_dim=8, decoder_heads=2),
}


@pytest.mark.parametrize("name", SMALL)
def test_stopping_and_going_on_changes_nothing(name, tmp_path):
    torch.manual_seed(0)
    start = SMALL[name]().state_dict()

    def fresh():
        method = SMALL[name]()
        method.load_state_dict(start)
        return method

    whole = fresh()
    losses = [s.loss for s in train(whole, pictures(40, 16), steps=9, batch_size=16)]
    part = fresh()
    file = tmp_path / "run.safetensors"
    for step in train(part, pictures(40, 16), steps=9, batch_size=16, save=checkpoints.saver(file, part)):
        if step.index == 4:
            break  # closes the generator, which saves
    again, state = checkpoints.resume(file)
    assert state["step"] == 4
    torch.rand(7)
    rest = [s.loss for s in train(again, pictures(40, 16), resume=state)]
    assert rest == losses[4:] and torch.equal(weights(again), weights(whole))


def test_two_runs_can_go_on_from_one_state():
    torch.manual_seed(0)
    method = SMALL["mae"]()
    state = fit(method, pictures(40, 16), steps=3, batch_size=16, bar=False).state
    later = [
        [s.loss for s in train(SMALL["mae"](), pictures(40, 16), steps=8, resume=state)] for _ in range(2)
    ]
    assert later[0] == later[1]


def test_a_resumed_run_takes_another_rate_when_asked():
    state = fit(Mean(), pictures(), steps=4, bar=False).state
    assert [s.lr for s in train(Mean(), pictures(), steps=6, lr=0.05, resume=state)] == pytest.approx(
        [0.05, 0.05]
    )
    assert [s.lr for s in train(Mean(), pictures(), steps=6, resume=state)] == pytest.approx([0.1, 0.1])


def begin_or_go_on(name, file, pause=0.0):
    """Thirty steps that are saved to the file, from where it ends if there is one; prints each step's number."""
    if Path(file).exists():
        method, state = checkpoints.resume(file)
    else:
        torch.manual_seed(0)
        method, state = SMALL[name](), None
    save = checkpoints.saver(file, method)
    for step in train(method, pictures(40, 16), steps=30, batch_size=16, save=save, every=2, resume=state):
        print(step.index, flush=True)
        time.sleep(pause)


KILLED = """
import sys, torch
from test_training import begin_or_go_on
torch.set_num_threads(1)
begin_or_go_on(sys.argv[1], sys.argv[2], pause=0.01)
"""


@pytest.fixture
def one_thread():
    """Sums in one order, here and in another process; afterwards as many threads as before."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_killed_process_goes_on_to_the_same_weights(name, tmp_path, one_thread):
    """Another process is killed, and this one goes on: nothing but the file can have passed between them."""
    here = Path(__file__).parent
    env = os.environ | {"PYTHONPATH": f"{here.parent}{os.pathsep}{here}", "OMP_NUM_THREADS": "1"}
    whole, broken = tmp_path / "whole.safetensors", tmp_path / "broken.safetensors"
    kill_at = int(torch.randint(5, 25, (1,)))  # at a random step, said below if it fails
    argv = [sys.executable, "-c", KILLED, name, str(broken)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=env)
    for line in process.stdout:
        if int(line) == kill_at:
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    stopped = checkpoints.about(broken)["steps"]
    assert kill_at - 2 <= stopped <= kill_at + 2
    torch.rand(7)  # of this process's own random state, of which nothing may depend
    begin_or_go_on(name, broken)
    begin_or_go_on(name, whole)
    (one, a), (other, b) = checkpoints.resume(whole), checkpoints.resume(broken)
    assert torch.equal(weights(one), weights(other)), f"killed at step {kill_at}"
    assert a["step"] == b["step"] == 30
    flat = [
        torch.cat([t.flatten().double() for s in x["optimizer"]["state"].values() for t in s.values()])
        for x in (a, b)
    ]
    assert torch.equal(*flat)


@pytest.fixture
def interruptible():
    """Python's own answer to Ctrl-C, which a shell takes from what it starts in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_waits_for_the_step_and_loses_nothing(interruptible):
    class Interrupted(Mean):
        def forward(self, batch):
            if len(self.seen) == 2:
                signal.raise_signal(signal.SIGINT)  # in the middle of the third step
            return super().forward(batch)

    method = Interrupted(noise=0.1)
    history = fit(method, pictures(), steps=8, batch_size=8)
    assert history.interrupted and history.state["step"] == 3 and "goes on" in repr(history)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    whole = Mean(noise=0.1)
    losses = [s.loss for s in train(whole, pictures(), steps=8, batch_size=8)]
    rest = fit(Mean(noise=0.1), pictures(), resume=history.state)
    assert history.losses + rest.losses == losses


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_with_the_last_good_state(bad):
    class Breaks(Mean):
        def forward(self, batch):
            loss = super().forward(batch)
            return loss * bad if len(self.seen) == 6 else loss

    method, good = Breaks(), Mean()
    list(train(good, pictures(), steps=5, batch_size=8))
    saved = []
    with pytest.raises(Diverged, match=r"at step 6; .* of step 5\. Try a smaller learning rate") as error:
        list(train(method, pictures(), steps=20, batch_size=8, save=saved.append))
    assert error.value.step == 5 and torch.equal(method.weight, good.weight) and not saved


def test_weights_that_are_no_numbers_are_put_back():
    class Poisoned(Mean):
        def after_step(self):
            if len(self.seen) == 7:
                self.weight.data[:] = torch.nan

    method, good = Poisoned(), Mean()
    list(train(good, pictures(), steps=4, batch_size=8))
    with pytest.raises(Diverged, match="of step 4"):
        list(train(method, pictures(), steps=20, batch_size=8, every=4))
    assert torch.equal(method.weight, good.weight)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_out_of_memory_names_the_batch_that_fits(error):
    class Big(Mean):
        def forward(self, batch):
            if len(batch) > limit:
                raise error
            return super().forward(batch)

    limit = 9
    with pytest.raises(MemoryError, match=r"batch_size=32 does not fit .* batch_size=8 fits"):
        list(train(Big(), pictures(), steps=2, batch_size=32))
    limit = 1
    with pytest.raises(MemoryError, match="Not even two"):
        list(train(Big(), pictures(), steps=2, batch_size=32))


def test_other_errors_pass_through():
    class Wrong(Mean):
        def forward(self, batch):
            raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        list(train(Wrong(), pictures(), steps=2))


# ------------------------------------------------------------------------------------------------------------- fit
def test_fit_returns_its_history(capfd):
    method = Mean()
    history = fit(method, pictures(), steps=6, batch_size=8)
    assert isinstance(history, History) and len(history.losses) == 6 and history.state["step"] == 6
    assert "6/6" in capfd.readouterr().err and "6 steps in" in repr(history)
    assert not method.training
    assert history.losses == [s.loss for s in train(Mean(), pictures(), steps=6, batch_size=8)]


def test_fit_hands_on_what_the_caller_wants_to_save():
    saved = []
    history = fit(Mean(), pictures(), steps=4, every=2, save=lambda s: saved.append(s["step"]))
    assert saved == [2, 4] and history.state["step"] == 4


# --------------------------------------------------------------------------------------------------- several ranks
RANKS = """
import os, sys, torch
from ssl_course.data.pictures import Pictures
from ssl_course.losses import gather_ranks
from ssl_course.methods import MAE, SimCLR
from ssl_course import nets
from ssl_course.training import make_fabric, train
from test_training import patches, pictures
torch.set_num_threads(1)
torch.manual_seed(0)
method = SimCLR(backbone=patches(), augmentation=dict(crop=(1, 1), ratio=(1, 1), flip=0, jitter=0, gray=0))
method.projection_head = nets.mlp(8, 16, 8, norm=False)
fabric = make_fabric("cpu")
grads = []
method.projection_head[0].weight.register_post_accumulate_grad_hook(lambda p: grads.append(p.grad.clone()))
losses = [s.loss for s in train(method, pictures(32, 16), steps=3, batch_size=16, lr=1e-2, optimizer="sgd", fabric=fabric)]
if fabric.is_global_zero:
    torch.save({"losses": losses, "weights": method.state_dict(), "world": fabric.world_size}, sys.argv[1])
"""


def patches():
    """A backbone without batch statistics."""
    net = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.GELU())
    net.dim = 8
    return net


@pytest.mark.slow
def test_two_ranks_are_one_with_the_joint_batch(ranks):
    found = {n: ranks(n, RANKS) for n in (1, 2)}
    assert [found[n]["world"] for n in (1, 2)] == [1, 2]
    assert found[2]["losses"] == pytest.approx(found[1]["losses"], abs=1e-5)
    for name, value in found[1]["weights"].items():  # plain SGD: weights are the sum of the gradients
        torch.testing.assert_close(found[2]["weights"][name], value, atol=1e-5, rtol=0)
