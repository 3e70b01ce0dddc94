"""Where a lecture runs: what its first cell says there, and the buttons that open it."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tools import build

ROOT = Path(__file__).resolve().parents[1]
HOMES = ("COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE", "BINDER_SERVICE_HOST", "VSCODE_PID")


def first_cell(guard: str, missing: bool = True, **environment: str) -> str:
    """What IPython prints for it, in a process whose environment tells this home."""
    run = (
        f"import sys\nsys.modules.update({{'ssl_course': None}} if {missing} else {{}})\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        f"shell = InteractiveShell.instance(colors='nocolor')\nresult = shell.run_cell({guard!r})\n"
        "print('success', result.success)"
    )
    kept = {k: v for k, v in os.environ.items() if k not in HOMES}
    return subprocess.run(
        [sys.executable, "-c", run],
        capture_output=True,
        text=True,
        check=True,
        env=kept | environment,
        cwd=ROOT,
    ).stdout


@pytest.mark.parametrize(
    "home, says",
    [
        ("COLAB_RELEASE_TAG", ["%pip install git+https://github.com/a/b", "Restart session"]),
        ("KAGGLE_KERNEL_RUN_TYPE", ["Internet", "%pip install git+https://github.com/a/b", "Restart"]),
        ("BINDER_SERVICE_HOST", ["binder/"]),
        ("VSCODE_PID", ["Select Kernel", ".venv", "make setup"]),
        ("SOMEWHERE", ["make lab", "python -m pip install -e .", "ssl-course lab"]),
    ],
)
def test_without_the_package_each_home_gets_its_one_sentence(home, says):
    printed = first_cell(build.guard({"Source": "https://github.com/a/b/"}), **{home: "1"})
    assert all(word in printed for word in says)
    others = {"COLAB_RELEASE_TAG": "Colab", "KAGGLE_KERNEL_RUN_TYPE": "Kaggle", "VSCODE_PID": "Select Kernel"}
    assert not [word for name, word in others.items() if name != home and word in printed], (
        "one thing, not all"
    )
    assert "Traceback" not in printed and "ImportError" not in printed
    assert "success False" in printed, "so that Run All stops here"


def test_a_copy_without_an_address_installs_from_the_wheel():
    printed = first_cell(build.guard({}), COLAB_RELEASE_TAG="1")
    assert "upload the course's wheel" in printed and "%pip install ssl_course-*.whl" in printed


def test_with_the_package_the_first_cell_is_silent():
    assert first_cell(build.guard(), missing=False) == "success True\n"


def test_sources_have_the_short_guard_and_notebooks_the_long_one():
    for src in build.sources():
        assert build.GUARD in src.read_text(encoding="utf-8")
        first, second = [c for c in build.read_source(src).cells if c.cell_type == "code"][:2]
        assert first.source.startswith(build.guard().strip()) and build.GUARD.strip() not in first.source
        assert "ImportError" not in second.source and second.source.endswith("here = setting()")


def test_a_new_address_needs_no_new_run(tmp_path, monkeypatch):
    """A fork that says where it lives gets its buttons and its install command into the notebooks as they are stored."""
    folder = tmp_path / "lectures" / "src"
    folder.mkdir(parents=True)
    text = (
        f"# Title\n\n```{{code-cell}} ipython3\n{build.GUARD}```\n\n```{{code-cell}} ipython3\n1 + 1\n```\n"
    )
    (folder / "01_x.md").write_text(text, encoding="utf-8")
    ran = []

    def execute(notebook, *_, **__):
        ran.append(1)
        notebook.cells[-1].outputs = [nbformat.v4.new_output("stream", text="kept")]
        return notebook

    monkeypatch.setattr(build, "execute", execute)
    monkeypatch.setattr(build.bake, "stale", lambda *_: None)
    (file,) = build.build(root=tmp_path)
    assert build.build(root=tmp_path) == []
    monkeypatch.setattr(build, "urls", lambda: {"Source": "https://github.com/a/b"})
    assert build.stale(file, folder / "01_x.md")
    assert build.build(root=tmp_path) == [file] and len(ran) == 1
    notebook = nbformat.read(file, as_version=4)
    assert "colab.research.google.com/github/a/b/blob/main/lectures/01_x.ipynb" in notebook.cells[0].source
    assert "git+https://github.com/a/b" in notebook.cells[1].source
    assert notebook.cells[2].outputs[0].text == "kept"
    (folder / "01_x.md").write_text(text.replace("1 + 1", "1 + 2"), encoding="utf-8")
    build.build(root=tmp_path)
    assert len(ran) == 2, "another source is another run"


def test_buttons_follow_from_where_a_fork_lives() -> None:
    assert build.buttons("01_x", {}) == "" == build.buttons("01_x", {"Hub": "https://hub.example"})
    both = build.buttons("01_x", {"Source": "https://github.com/a/b", "Hub": "https://hub.example/"})
    assert "https://colab.research.google.com/github/a/b/blob/main/lectures/01_x.ipynb" in both
    assert "https://mybinder.org/v2/gh/a/b/main?urlpath=lab/tree/lectures/01_x.ipynb" in both
    assert "https://hub.example/hub/user-redirect/git-pull?repo=https%3A%2F%2Fgithub.com%2Fa%2Fb" in both
