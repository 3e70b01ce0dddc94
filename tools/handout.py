"""The students' edition, without solutions, assertions, speaker notes and outputs: ``python -m tools.handout``."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tools.build import ROOT, read_source, sources
from tools.lint import CHECKING

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


if __name__ == "__main__":
    archive = handout(ROOT / "build" / "handout")
    print(f"{archive.relative_to(ROOT)}: {archive.stat().st_size / 1e6:.1f} MB; unpack it and run make lab")
