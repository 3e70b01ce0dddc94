"""A checkpoint comes back whole, without pickle, and a wrong file is called by its name."""

import json

import pytest
import safetensors.torch
import torch
from torch import nn

from ssl_course import checkpoints, nets
from ssl_course.methods import MAE, SimCLR

TINY = {"image_size": 16, "dim": 16, "depth": 1, "heads": 2, "decoder_dim": 8, "decoder_heads": 2}


@pytest.fixture
def mae():
    torch.manual_seed(0)
    return MAE(**TINY, mask_ratio=0.5)


def test_it_comes_back_whole(mae, tmp_path):
    file = checkpoints.save(
        tmp_path / "a" / "m.safetensors", mae, command="make it", metrics={"loss": 0.5}, data="scenes"
    )
    again = checkpoints.load(file)
    assert again.mask_ratio == 0.5 and not again.training
    for name, value in mae.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    about = checkpoints.about(file)
    assert about["method"] == "MAE" and about["metrics"] == {"loss": 0.5} and about["command"] == "make it"
    assert checkpoints.resume(file)[1] is None
    assert [p.name for p in file.parent.iterdir()] == ["m.safetensors"]  # no part files left


def test_augmentations_and_other_arguments_come_back(tmp_path):
    method = SimCLR(projection=(16, 8), augmentation={"crop": (0.5, 1.0), "hue": 0.0})
    again = checkpoints.load(checkpoints.save(tmp_path / "s.safetensors", method))
    assert again.augment == method.augment and again.temperature == method.temperature


def test_the_file_is_plain_safetensors(mae, tmp_path):
    file = checkpoints.save(tmp_path / "m.safetensors", mae)
    tensors = safetensors.torch.load_file(file)
    assert torch.equal(tensors["method/mask_token"], mae.mask_token)
    assert b"pickle" not in file.read_bytes()


def test_runs_of_every_kind_come_back(mae, tmp_path):
    state = {
        "step": 3, "method": mae.state_dict(), "settings": {"betas": [0.9, 0.95], "name": "x", "none": None, "yes": True},
        "optimizer": {"state": {0: {"step": torch.tensor(3.0), "m": torch.rand(4)}}, "param_groups": [{"params": [0], "lr": 1e-3}]},
        "random": [{"cpu": torch.get_rng_state()}], "data": {},
    }  # fmt: skip
    _, again = checkpoints.resume(checkpoints.save(tmp_path / "m.safetensors", mae, state=state))
    assert (
        again["settings"] == state["settings"]
        and again["optimizer"]["param_groups"] == state["optimizer"]["param_groups"]
    )
    assert list(again["optimizer"]["state"]) == [0]  # a number, not "0"
    assert torch.equal(again["optimizer"]["state"][0]["m"], state["optimizer"]["state"][0]["m"])
    assert torch.equal(again["random"][0]["cpu"], state["random"][0]["cpu"]) and again["step"] == 3


def test_tied_weights_are_kept(tmp_path):
    class Tied(nn.Module):
        arguments: dict = {}

        def __init__(self):
            super().__init__()
            self.a = nn.Linear(3, 3, bias=False)
            self.b = nn.Linear(3, 3, bias=False)
            self.b.weight = self.a.weight

    method, other = Tied(), Tied()
    checkpoints.load(checkpoints.save(tmp_path / "t.safetensors", method), method=other)
    assert torch.equal(other.b.weight, method.a.weight) and other.a.weight is other.b.weight


def test_a_module_as_argument_needs_an_object_to_fill(tmp_path):
    method = SimCLR(backbone=nets.ViT(16, 8, 16, 1, 2))
    with pytest.raises(ValueError, match="backbone=…"):
        checkpoints.save(tmp_path / "s.safetensors", method)
    file = checkpoints.save(tmp_path / "s.safetensors", method, arguments={})
    other = SimCLR(backbone=nets.ViT(16, 8, 16, 1, 2))
    checkpoints.load(file, method=other)
    assert torch.equal(other.backbone.patch_embed.weight, method.backbone.patch_embed.weight)


def test_wrong_files_are_named(mae, tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        checkpoints.load(tmp_path / "none.safetensors")
    file = checkpoints.save(tmp_path / "m.safetensors", mae)
    whole = file.read_bytes()
    for broken in (b"", b"hello", whole[: len(whole) // 2], whole[:100]):
        file.write_bytes(broken)
        with pytest.raises(checkpoints.CheckpointError, match="damaged"):
            checkpoints.load(file)
    safetensors.torch.save_file({"x": torch.zeros(1)}, file)
    with pytest.raises(checkpoints.CheckpointError, match="not one that this course wrote"):
        checkpoints.load(file)


def header_with(file, **changes):
    """The header of a checkpoint with other words; a change to None takes a word away."""
    header = json.loads(safetensors.safe_open(file, framework="pt").metadata()["ssl_course"])
    return {k: v for k, v in (header | changes).items() if v is not None}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": None}, "not one that this course wrote"),
        ({"format": "1"}, "not one that this course wrote"),
        ({"weights": None}, "does not say its weights"),
        ({"weights": []}, "does not say its weights"),
        ({"weights": {"a": 1}}, "its tensors do not fit"),
        ({"weights": {"__dict__": [["a", {"__tensor__": "gone"}]]}}, "its tensors do not fit"),
        ({"weights": {"__dict__": [["mask_token", 3]]}}, "does not fit this MAE"),
        ({"method": None}, "does not say its method"),
        ({"method": ["MAE"]}, "does not say its method"),
        ({"arguments": [1, 2]}, "does not say its arguments"),
        ({"arguments": {"temperature": 0.5}}, "no MAE can be made with its arguments.*temperature"),
        ({"arguments": {"image_size": "large"}}, "no MAE can be made with its arguments"),
        ({"method": "SimCLR"}, "no SimCLR can be made with its arguments"),
        ({"run": {"__dict__": [["step", 3]]}}, "its run cannot go on"),
        ({"run": 3}, "its run cannot go on"),
    ],
)
def test_an_edited_header_is_named(mae, tmp_path, changes, says):
    file = checkpoints.save(tmp_path / "m.safetensors", mae)
    header = header_with(file, **changes)
    safetensors.torch.save_file(safetensors.torch.load_file(file), file, {"ssl_course": json.dumps(header)})
    with pytest.raises(checkpoints.CheckpointError, match=says):
        checkpoints.load(file)


@pytest.mark.parametrize("words", ["[]", "3", "null", '"MAE"', "{}", "{", "[" * 100_000])
def test_a_header_that_is_something_else_is_named(tmp_path, words):
    file = tmp_path / "m.safetensors"
    safetensors.torch.save_file({"x": torch.zeros(1)}, file, {"ssl_course": words})
    for read in (checkpoints.load, checkpoints.about):
        with pytest.raises(checkpoints.CheckpointError, match="not one that this course wrote|damaged"):
            read(file)


def test_a_file_that_does_not_fit_is_named(mae, tmp_path):
    file = checkpoints.save(tmp_path / "m.safetensors", mae)
    with pytest.raises(checkpoints.CheckpointError, match="holds a MAE, not a SimCLR"):
        checkpoints.load(file, method=SimCLR())
    with pytest.raises(checkpoints.CheckpointError, match="does not fit this MAE"):
        checkpoints.load(file, method=MAE(**TINY | {"depth": 2}))


def test_a_file_of_a_newer_course_is_refused(mae, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "FORMAT", 2)
    file = checkpoints.save(tmp_path / "m.safetensors", mae)
    monkeypatch.undo()
    with pytest.raises(checkpoints.CheckpointError, match="update the course"):
        checkpoints.load(file)


def test_an_own_class_is_filled_by_hand(tmp_path):
    class Mine(nn.Linear):
        pass

    file = checkpoints.save(tmp_path / "x.safetensors", Mine(2, 2))
    with pytest.raises(checkpoints.CheckpointError, match=r"load\(path, method=…\)"):
        checkpoints.load(file)
    assert checkpoints.load(file, method=Mine(2, 2))


def test_a_failed_write_leaves_the_old_file(mae, tmp_path, monkeypatch):
    file = checkpoints.save(tmp_path / "m.safetensors", mae)
    before = file.read_bytes()

    def full(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(OSError, match="No space"):
        checkpoints.save(file, mae, metrics={"new": 1})
    assert file.read_bytes() == before and len(list(tmp_path.iterdir())) == 1
    assert json.dumps(checkpoints.about(file))
