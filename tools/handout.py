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
ATTRIBUTES = "* text=auto eol=lf\nlectures/*.ipynb merge=ssl-course\n"
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


def handout(folder: Path, root: Path = ROOT) -> Path:
    """Write the students' edition: ``folder``/ssl-course with all it needs for `make lab`, and one zip of it.

    Args:
        folder: emptied first.
        root: the course's folder.

    Returns:
        The zip.
    """
    top = folder / "ssl-course"
    if folder.exists():
        shutil.rmtree(folder)
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
    packed = folder / "ssl-course-handout.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(p for p in top.rglob("*") if p.is_file()):
            archive.write(file, file.relative_to(folder))
    return packed


def student_branch(name: str, root: Path = ROOT) -> str | None:
    """Put the students' edition, as a new commit, on a branch; neither the index nor a file of the checkout changes.

    The branch is never rewritten: each commit's parent is the one that students have, so that they can merge it.

    Args:
        name: of the branch, made where it is missing.
        root: the course's folder, all of it committed.

    Returns:
        The commit; None where students have all of it already.

    Raises:
        RuntimeError: this is no repository, it has changes that are not committed, or git refuses; says what to do.
    """

    def git(*arguments: str, **environment: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=root, env=os.environ | environment, capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"git {arguments[0]}: {done.stderr.strip()}")
        return done.stdout.strip()

    if git("status", "--porcelain", "--untracked-files=no"):
        raise RuntimeError("There are changes that are not committed: commit them first, or put them aside.")
    if git("rev-parse", "--abbrev-ref", "HEAD") == name:
        raise RuntimeError(f"You are on the branch {name} itself: make it from the one where you work.")
    with tempfile.TemporaryDirectory() as folder:
        handout(Path(folder) / "edition", root)
        (Path(folder) / "edition" / "ssl-course" / ".gitattributes").write_text(ATTRIBUTES, encoding="utf-8")
        tree_of = {
            "GIT_INDEX_FILE": str(Path(folder) / "index"),
            "GIT_WORK_TREE": str(Path(folder) / "edition" / "ssl-course"),
        }
        git("add", "--all", "--force", ".", GIT_DIR=git("rev-parse", "--absolute-git-dir"), **tree_of)
        tree = git("write-tree", **tree_of)
    ref = f"refs/heads/{name}"
    before = git("for-each-ref", "--format=%(objectname)", ref)
    if before and git("rev-parse", f"{before}^{{tree}}") == tree:
        return None
    message = f"The students' edition of {git('rev-parse', '--short', 'HEAD')}"
    commit = git("commit-tree", tree, *(["-p", before] if before else []), "-m", message)
    git("update-ref", ref, commit, before or "0" * 40)  # fails where somebody was quicker
    return commit


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
