"""The students' edition, without solutions, assertions, speaker notes and outputs: ``python -m tools.handout``.

``python -m tools.handout --branch students`` puts it on a branch of this repository, for students to pull.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tools.build import ROOT, read_source, sources
from tools.lint import CHECKING

# Where git knows a driver of this name (deploy/README.md, *Updates*), it merges a student's notebook cell by cell.
ATTRIBUTES = "* text=auto eol=lf\n*.ipynb merge=ssl-course\n"
# What `make lab` needs beside the notebooks. The sources of the lectures stay out: they hold the solutions.
HANDED_OUT = (
    "ssl_course",
    "assets",
    "Makefile",
    "pyproject.toml",
    "requirements.txt",
    "tools/install.py",
    "environment.yml",
    "README.md",
    "LICENSE",
    "LICENSE-lectures",
    "CHANGELOG.md",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "lectures/README.md",
    "lectures/glossary.md",
    "lectures/references.bib",
)


def student_edition(notebook: NotebookNode) -> NotebookNode:
    """A lecture without its solutions, its assertions, its speaker notes and its outputs; the stubs stay."""
    kept = []
    for cell in notebook.cells:
        notes = cell.metadata.get("slideshow", {}).get("slide_type") == "notes"
        if notes or CHECKING & set(cell.metadata.get("tags", [])):
            continue
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        kept.append(cell)
    notebook.cells = kept
    notebook.metadata.pop("ssl_course", None)  # its source is not handed out
    return notebook


def edition(top: Path, root: Path = ROOT) -> None:
    """Write the students' edition into the folder ``top``, emptied first, with all it needs for `make lab`."""
    if top.exists():
        shutil.rmtree(top)
    for name in ("lectures", "tools"):
        (top / name).mkdir(parents=True)
    for src in sources(root=root):
        notebook = student_edition(read_source(src))
        text = nbformat.writes(notebook) + "\n"
        (top / "lectures" / f"{src.stem}.ipynb").write_text(text, encoding="utf-8", newline="\n")
    left_out = shutil.ignore_patterns("__pycache__", "*.pyc", ".*", "*.part")
    for name in HANDED_OUT:
        there = root / name
        if there.is_dir():
            shutil.copytree(there, top / name, ignore=left_out)
        elif there.is_file():
            shutil.copy2(there, top / name)


def handout(folder: Path, root: Path = ROOT) -> Path:
    """Write the students' edition: ``folder``/ssl-course, and one zip of it; returns the zip."""
    if folder.exists():
        shutil.rmtree(folder)
    top = folder / "ssl-course"
    edition(top, root)
    packed = folder / "ssl-course-handout.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(p for p in top.rglob("*") if p.is_file()):
            archive.write(file, file.relative_to(folder))
    return packed


def commit_folder(git_dir: Path, folder: Path, ref: str, message: str, **author: str) -> str | None:
    """Make what lies in a folder the next commit of a branch; the branch is never rewritten.

    Args:
        git_dir: of the repository; neither its index nor a file of its checkout changes.
        folder: all of it is committed.
        ref: refs/heads/NAME, made where it is missing.
        message: of the commit.
        author: git's variables of who commits, where that is not its own setting.

    Returns:
        The commit; None where the branch has all of it already.

    Raises:
        RuntimeError: git refuses; the message is its own.
    """
    with tempfile.TemporaryDirectory() as scratch:
        there = {"GIT_DIR": str(git_dir), "GIT_WORK_TREE": str(folder), "GIT_INDEX_FILE": f"{scratch}/index"}
        git(folder, "add", "--all", "--force", ".", **there)
        tree = git(folder, "write-tree", **there)
    own = {"GIT_DIR": str(git_dir)}
    before = git(folder, "for-each-ref", "--format=%(objectname)", ref, **own)
    if before and git(folder, "rev-parse", f"{before}^{{tree}}", **own) == tree:
        return None
    commit = git(
        folder, "commit-tree", tree, *(["-p", before] if before else []), "-m", message, **own, **author
    )
    git(folder, "update-ref", ref, commit, before or "0" * 40, **own)  # fails where somebody was quicker
    return commit


def git(folder: Path, *arguments: str, **environment: str) -> str:
    """What git prints.

    Raises:
        RuntimeError: it refuses; the message is its own.
    """
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=os.environ | environment, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def student_branch(name: str, root: Path = ROOT) -> str | None:
    """Put the students' edition, as a new commit, on a branch that they pull; see `commit_folder`.

    Args:
        name: of the branch, made where it is missing.
        root: the course's folder, all of it committed.

    Returns:
        The commit; None where students have all of it already.

    Raises:
        RuntimeError: this is no repository, it has changes that are not committed, or git refuses; says what to do.
    """

    if git(root, "status", "--porcelain", "--untracked-files=no"):
        raise RuntimeError("There are changes that are not committed: commit them first, or put them aside.")
    if git(root, "rev-parse", "--abbrev-ref", "HEAD") == name:
        raise RuntimeError(f"You are on the branch {name} itself: make it from the one where you work.")
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder) / "ssl-course"
        edition(top, root)
        (top / ".gitattributes").write_text(ATTRIBUTES, encoding="utf-8")
        git_dir = Path(git(root, "rev-parse", "--absolute-git-dir"))
        message = f"The students' edition of {git(root, 'rev-parse', '--short', 'HEAD')}"
        return commit_folder(git_dir, top, f"refs/heads/{name}", message)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the zip, or the branch."""
    parser = argparse.ArgumentParser(prog="python -m tools.handout", description=__doc__)
    parser.add_argument("--branch", help="put it on this branch instead, such as students")
    name = parser.parse_args(arguments).branch
    if name is None:
        archive = handout(ROOT / "build" / "handout")
        size = archive.stat().st_size / 1e6
        print(f"{archive.relative_to(ROOT)}: {size:.1f} MB; unpack it and run make lab")
        return 0
    try:
        commit = student_branch(name)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    done = (
        f"{commit[:10]}; git push origin {name} hands it out" if commit else "students have all of it already"
    )
    print(f"branch {name}: {done}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
