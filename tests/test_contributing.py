"""What CONTRIBUTING.md says, followed to the letter: the lecture, the method and the widget of its pages."""

import re
import shutil
import sys
from pathlib import Path

import pytest
import torch

from ssl_course import checkpoints
from ssl_course.data import scenes
from ssl_course.evaluation import linear_probe
from ssl_course.interfaces import pair_of
from ssl_course.training import train
from tools import build, lint

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def page(title):
    return re.search(rf"^## {title}\n(.*?)(?=^## )", TEXT, re.M | re.S)[1]


def code_of(title, folder, name):
    """The page's code as a module of that name."""
    source = re.search(r"```python\n(.*?)```", page(title), re.S)[1]
    (folder / f"{name}.py").write_text(source, encoding="utf-8")
    sys.path.insert(0, str(folder))
    try:
        return __import__(name)
    finally:
        sys.path.remove(str(folder))


def test_a_lecture_from_the_template_has_its_parts(tmp_path):
    source = tmp_path / "lectures" / "src"
    source.mkdir(parents=True)
    shutil.copy(ROOT / "lectures/src/_template.md", source / "14_noise.md")
    (found,) = build.sources(["14"], tmp_path)
    notebook = build.read_source(found)
    assert all(c.metadata.slideshow.slide_type in lint.SLIDE_TYPES for c in notebook.cells)
    assert lint.lint(build.notebook_of(found), found) == ["stale pair: there is no notebook yet"]


@pytest.mark.slow
def test_a_lecture_from_the_template_builds(tmp_path):
    source = tmp_path / "lectures" / "src"
    source.mkdir(parents=True)
    shutil.copy(ROOT / "lectures/src/_template.md", source / "14_noise.md")
    (built,) = build.build(["14"], root=tmp_path)
    assert lint.lint(built, source / "14_noise.md") == []


def test_the_method_trains_is_probed_and_kept(tmp_path):
    kind = code_of("Add a method", tmp_path, "mean_colour_example").MeanColour
    torch.manual_seed(0)
    method, data = kind(), scenes.World().sample(48, 32, seed=0)
    losses = [step.loss for step in train(method, data, steps=12, batch_size=16)]
    assert losses[-1] < losses[0]
    x1, x2 = pair_of(method, data)
    assert x1.shape == (48, 1, 32, 32) and x2.shape == (48, 2)
    assert 0 <= linear_probe(method, train=data, test=data, label="biome", n_labels=12).accuracy <= 1
    gray = data.gray()
    method.eval()
    assert torch.allclose(
        method.encode(gray.images), method.encode(data.images), atol=0.05
    )  # X₁ is lightness
    kept = checkpoints.save(tmp_path / "m.safetensors", method)
    again = checkpoints.load(kept, kind())
    assert torch.equal(again.eval().encode(data.images), method.encode(data.images))


def test_the_widget_passes_the_sweep(tmp_path):
    from sweep import sweep

    assert sweep(code_of("Add a widget", tmp_path, "waves_example").Waves()) == []


def test_every_file_it_names_is_there():
    made = ("14_noise", "lecture_14", "mean_colour", "waves", "NN_name", "tests.xml")
    for name in re.findall(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|md|bib|json))`", TEXT):
        if not any(word in name for word in made):
            assert (ROOT / name).exists(), name


def test_the_map_names_every_room_and_no_other():
    """The floors of the package: its folders and the modules that lie beside them."""
    package = ROOT / "ssl_course"
    there = {p.name for p in package.glob("*.py") if not p.name.startswith("__")} | {
        f"{p.parent.relative_to(package).as_posix()}/"
        for p in package.rglob("__init__.py")
        if p.parent != package
    }
    floors = re.search(r"```\n(lectures/ .*?)```", page("Where things are"), re.S)[1]
    named = set(re.findall(r"(?:\w+/)+(?=\s)|\b\w+\.py", floors)) - {"lectures/"}
    assert named - {"plots.py"} == there - {"course/exercises/"}
