"""``python -m ssl_course train`` and ``evaluate`` as a shell sees them."""

import json

import pytest
import torch
from typer.testing import CliRunner

from ssl_course import checkpoints
from ssl_course.cli import app

TINY = [
    "--n",
    "48",
    "--size",
    "16",
    "--batch-size",
    "16",
    "--set",
    "dim=16",
    "--set",
    "depth=1",
    "--set",
    "heads=2",
]


@pytest.fixture
def run():
    return lambda *argv: CliRunner().invoke(app, [str(a) for a in argv])


def test_train_writes_a_checkpoint_and_its_results(run, tmp_path):
    out, results = tmp_path / "m.safetensors", tmp_path / "m.json"
    done = run("train", "mae", *TINY, "--steps", 4, "--out", out, "--json", results)
    assert done.exit_code == 0, done.output
    said = json.loads(results.read_text())
    assert said["method"] == "MAE" and said["steps"] == 4 == len(said["losses"]) and said["pictures"] == 48
    assert said["arguments"]["image_size"] == 16 and said["arguments"]["dim"] == 16
    method = checkpoints.load(out)
    assert method.encode(torch.rand(2, 3, 16, 16)).shape == (2, 16)
    assert checkpoints.about(out)["steps"] == 4


def test_the_same_command_gives_the_same_weights_and_resume_goes_on(run, tmp_path):
    files = [tmp_path / f"{i}.safetensors" for i in range(3)]
    for file in files[:2]:
        assert run("train", "mae", *TINY, "--steps", 6, "--out", file).exit_code == 0
    one, other = (checkpoints.load(f).state_dict() for f in files[:2])
    assert all(torch.equal(one[k], other[k]) for k in one)
    assert (
        run("train", "mae", *TINY, "--steps", 6, "--out", files[2], "--resume").exit_code == 0
    )  # nothing there yet
    again = run("train", "mae", *TINY, "--out", files[2], "--resume")  # all done
    assert again.exit_code == 0, again.output


@pytest.mark.parametrize(("size", "times"), [(64, None), (192, "9 times")])
def test_large_pictures_are_announced_with_what_they_take(run, size, times):
    done = run("train", "rotation", "--n", 2, "--size", size, "--batch-size", 2, "--steps", 1)
    assert done.exit_code == 0, done.output
    assert ("the usual 64 × 64" in done.output) == (times is not None)
    assert not times or times in done.output


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["train", "simsalabim"], "no method"),
        (["train", "mae", "--data", "nowhere"], "nowhere"),
        (["train", "mae", "--n", "8", "--set", "patch_size=7"], "patch_size=7"),
        (["train", "mae", "--n", "8", "--set", "patchsize=8"], "patchsize"),
        (["train", "simclr", "--n", "16", "--size", "4096"], "64 GB of memory"),
        (["train", "mae", "--n", "8", "--set", "patch_size"], "name=value"),
        (["train", "mae", "--n", "8", "--steps", "0"], "at least 1"),
        (["evaluate", "nowhere.safetensors"], "no checkpoint"),
        (["train", "bert", "--n", "8"], "learns from texts"),
        (["train", "simclr", "--data", "reviews", "--n", "8"], "does not learn from texts"),
    ],
)
def test_mistakes_are_one_line(run, argv, says):
    done = run(*argv)
    assert done.exit_code != 0 and says in done.output.replace("\n", " ")
    assert "Traceback" not in done.output


@pytest.mark.parametrize("option", ["--out", "--json"])
def test_a_place_that_cannot_be_written_is_told_before_the_work(run, tmp_path, option):
    (tmp_path / "file").write_text("")
    done = run("train", "mae", *TINY, "--steps", 10**9, option, tmp_path / "file" / "m")
    assert done.exit_code == 1 and f"name a folder of your own with {option}" in done.output
    done = run("compare", "--out", tmp_path / "file" / "results")
    assert done.exit_code == 1 and "name a folder of your own with --out" in done.output


def test_evaluate_prints_its_protocol(run, tmp_path):
    out, results = tmp_path / "m.safetensors", tmp_path / "e.json"
    assert run("train", "mae", *TINY, "--steps", 2, "--out", out).exit_code == 0
    done = run("evaluate", out, "--n", 60, "--size", 16, "--n-labels", 6, "--n-labels", 30, "--json", results)
    assert done.exit_code == 0, done.output
    assert "pixels" in done.output and "30" in done.output and "draws" in done.output
    assert json.loads(results.read_text())


@pytest.mark.parametrize("method", ["bert", "gpt"])
def test_texts_by_command(run, tmp_path, method):
    """The film-review world by its own tokenizer, any text file by pieces; what was learned is evaluated as it is."""
    out, text = tmp_path / "m.safetensors", tmp_path / "t.txt"
    done = run("train", method, "--data", "reviews", "--n", 60, "--steps", 2, "--out", out)
    assert done.exit_code == 0, done.output
    done = run("evaluate", out, "--n", 80, "--n-labels", 8)
    assert done.exit_code == 0 and "bag of words" in done.output and "pixels" not in done.output, done.output
    text.write_text("We know what we are, but know not what we may be.\n" * 200)
    small = ["--set", "vocab_size=300", "--set", "dim=16", "--set", "depth=1", "--steps", 2]
    done = run("train", method, "--data", "text", "--root", text, *small, "--out", out)
    assert done.exit_code == 0, done.output
    assert checkpoints.load(out).tokenizer.ids("not what 🙂")
    done = run("evaluate", out, "--root", text)
    assert done.exit_code != 0 and "no labels" in done.output and "Traceback" not in done.output
