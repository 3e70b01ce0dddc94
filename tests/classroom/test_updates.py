"""Real updates of the lectures, pulled by nbgitpuller onto notebooks that a student has executed and edited."""

import functools
import json
import os
import re
import subprocess
from types import SimpleNamespace

import nbformat
import pytest

from tools import build, classroom, handout
from tools.build import ROOT, read_source

pytestmark = pytest.mark.slow
UPDATES = 12
LECTURES = ["01", "07", "09", "11", "13"]  # those that changed most


def git(*arguments, cwd=ROOT):
    return subprocess.run(["git", *arguments], cwd=cwd, check=True, capture_output=True, text=True).stdout


@functools.cache
def edition(blob, stem, folder):
    """The students' notebook of a source as it once was."""
    src = folder / f"{stem}.md"
    src.write_text(git("cat-file", "blob", blob), encoding="utf-8")
    return nbformat.writes(handout.student_edition(read_source(src))) + "\n"


def editions(folder):
    """[{stem: notebook}] of the last states of the lectures' sources, each unlike the one before it."""
    found = []
    paths = [f"lectures/src/{src.name}" for src in build.sources(LECTURES)]
    for commit in git("log", "--format=%H", "--", *paths).split():
        blobs = dict(
            re.findall(r"blob (\w+)\tlectures/src/(\d\d_\w+)\.md", git("ls-tree", commit, "lectures/src/"))
        )
        books = {stem: edition(blob, stem, folder) for blob, stem in blobs.items() if stem[:2] in LECTURES}
        if not found or books != found[-1]:
            found.append(books)
        if len(found) > UPDATES:
            break
    return found[::-1]


def work(book, visit):
    """What a student leaves in a notebook: outputs, answers, a cell of their own after each exercise."""
    cells, count = [], 0
    for cell in book.cells:
        cells.append(cell)
        if cell.cell_type != "code":
            continue
        count += 1
        cell.execution_count = count + 100 * visit
        cell.outputs = [
            nbformat.v4.new_output("stream", text=f"visit {visit}, {len(cell.source)} characters\nand more\n")
        ]
        cell.metadata["execution"] = {"iopub.execute_input": f"2026-01-{visit + 1:02d}"}
        if re.search(r"^check\.\w+\(", cell.source, re.M) and "mine" not in cell.source:
            cell.source = cell.source.replace("...", "41 + 1", 1) + f"\n# mine, on visit {visit}"
            own = nbformat.v4.new_code_cell(
                f"# tried on visit {visit} behind {cell.id}", id=f"own-{visit}-{cell.id[-12:]}"
            )
            cells.append(own)
    book.cells = cells


def faults(merged, upstream, mine):
    """What a merge has damaged, as lines."""
    try:
        ids = [
            cell["id"] for cell in json.loads(merged)["cells"]
        ]  # nbformat would give those that are doubled new ones
        book = nbformat.reads(merged, as_version=4)
        nbformat.validate(book)
    except Exception as error:  # whatever the reader says
        return [f"no notebook: {error}"]
    found = [f"doubled id {i}" for i in sorted({i for i in ids if ids.count(i) > 1})]
    texts = {cell.source for cell in book.cells}
    found += [
        f"lost of the student's: {cell.source[:60]!r}"
        for cell in mine.cells
        if re.search(r"^# (mine|tried) ", cell.source, re.M) and cell.source not in texts
    ]
    edited = {cell.id for cell in mine.cells if "# mine" in cell.source}
    found += [
        f"lost of the lecture's: {cell.source[:60]!r}"
        for cell in upstream.cells
        if cell.source not in texts and cell.id not in edited
    ]
    return found


def replay(folder, pull, books):
    """The faults of all pulls, one after the other, into one student's copy."""
    upstream, student = folder / "upstream", folder / "student"
    (upstream / "lectures").mkdir(parents=True)
    git("init", "--quiet", "--initial-branch=students", cwd=upstream)
    (upstream / ".gitattributes").write_text(handout.ATTRIBUTES)
    found = []
    for visit, edition_ in enumerate(books):
        for stem, text in edition_.items():
            (upstream / "lectures" / f"{stem}.ipynb").write_text(text, encoding="utf-8", newline="\n")
        git("add", "--all", cwd=upstream)
        git(
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@t",
            "commit",
            "--quiet",
            "-m",
            f"edition {visit}",
            cwd=upstream,
        )
        mine = {
            p.stem: nbformat.read(p, as_version=4) for p in sorted((student / "lectures").glob("*.ipynb"))
        }
        pull(upstream, student)
        for stem, text in edition_.items():
            file = student / "lectures" / f"{stem}.ipynb"
            new, old = nbformat.reads(text, as_version=4), mine.get(stem, SimpleNamespace(cells=[]))
            found += [
                f"update {visit}, {stem}: {fault}"
                for fault in faults(file.read_text(encoding="utf-8"), new, old)
            ]
            book = nbformat.read(file, as_version=4)
            work(book, visit)
            nbformat.write(book, file)  # as JupyterLab's server does
    return found


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    books = editions(tmp_path_factory.mktemp("sources"))
    if len(books) <= UPDATES:
        pytest.skip(f"the lectures' history, {len(books)} editions, is not all here (a shallow clone)")
    return books


def puller(programs, **environment):
    def pull(upstream, student):
        argv = [programs / "gitpuller", upstream.as_uri(), "students", student]
        done = subprocess.run(argv, capture_output=True, text=True, env=os.environ | environment)
        assert done.returncode == 0, done.stdout + done.stderr

    return pull


def test_a_dozen_real_updates_damage_no_notebook(books, programs, tmp_path):
    driver = classroom.git_settings(tmp_path / "gitconfig", programs / "python") | {"PYTHONPATH": str(ROOT)}
    assert replay(tmp_path, puller(programs, **driver), books) == []


def test_by_lines_a_notebook_stays_one_and_nothing_of_the_student_s_is_lost(books, programs, tmp_path):
    """Where git does not know the driver; that lectures lose cells there shows that these tests find such losses."""
    found = replay(tmp_path, puller(programs), books)
    assert any("lost of the lecture's" in fault for fault in found)
    assert [fault for fault in found if "no notebook" in fault or "lost of the student's" in fault] == []


# ---- the branch ---------------------------------------------------------------------------------------------------


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A small course in a repository of its own."""
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "t")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "t@t")
    root = tmp_path / "course"
    (root / "lectures" / "src").mkdir(parents=True)
    (root / "ssl_course").mkdir()
    (root / "README.md").write_text("a course\n")
    (root / "lectures" / "src" / "09_x.md").write_bytes((build.sources(["09"])[0]).read_bytes())
    git("init", "--quiet", "--initial-branch=main", cwd=root)
    git("add", "--all", cwd=root)
    git("commit", "--quiet", "-m", "first", cwd=root)
    return root


def test_the_branch_is_made_once_and_then_goes_on(course):
    first = handout.student_branch("students", course)
    files = git("ls-tree", "-r", "--name-only", "students", cwd=course).split()
    assert sorted(files) == [".gitattributes", "README.md", "lectures/09_x.ipynb"]
    book = git("show", "students:lectures/09_x.ipynb", cwd=course)
    assert "solution_of_exercise_1" not in book and "For the lecturer" not in book and "my_rest" in book
    assert handout.student_branch("students", course) is None
    source = course / "lectures" / "src" / "09_x.md"
    source.write_text(source.read_text() + '\n+++ {"slideshow": {"slide_type": "slide"}}\n\nNew.\n')
    with pytest.raises(RuntimeError, match="not committed"):
        handout.student_branch("students", course)
    git("commit", "--quiet", "--all", "-m", "second", cwd=course)
    second = handout.student_branch("students", course)
    assert git("rev-parse", "students^", cwd=course).strip() == first
    assert git("rev-parse", "students", cwd=course).strip() == second
    assert git("status", "--porcelain", cwd=course) == ""
    git("checkout", "--quiet", "students", cwd=course)
    with pytest.raises(RuntimeError, match="branch students itself"):
        handout.student_branch("students", course)
