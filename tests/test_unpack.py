"""A student's folder of lectures: new files come, what was edited stays, nothing is written twice."""

import json
import sys

import pytest
from typer.testing import CliRunner

from ssl_course import assets, cli
from ssl_course.unpack import KEPT, merge, merge_files, unpack

BOOK = "01_a.ipynb"


@pytest.fixture
def course(tmp_path, monkeypatch):
    """The lectures that the package carries: ``course(name=text)`` publishes another edition of them."""
    folder = tmp_path / "carried"
    folder.mkdir()
    monkeypatch.setattr(assets, "lectures", lambda: folder)

    def publish(**texts):
        for name, text in texts.items():
            (folder / f"{name}.ipynb").write_text(text, encoding="utf-8")

    publish(**{"01_a": "a, first edition", "02_b": "b, first edition"})
    return publish


@pytest.fixture
def students(tmp_path):
    return tmp_path / "home" / "lectures"


def contents(folder):
    return {p.name: p.read_text(encoding="utf-8") for p in folder.iterdir() if p.is_file()}


def test_the_first_time_all_files_come(course, students):
    first = unpack(students, "1")
    assert first.new == [BOOK, "02_b.ipynb"] and not first.renewed and not first.beside
    assert contents(students) == {BOOK: "a, first edition", "02_b.ipynb": "b, first edition"}
    again = unpack(students, "1")
    assert not again.new and not again.renewed and not again.beside


def test_what_nobody_edited_is_renewed(course, students):
    unpack(students, "1")
    course(**{"01_a": "a, second edition", "03_c": "c"})
    second = unpack(students, "2")
    assert (second.renewed, second.new, second.beside) == ([BOOK], ["03_c.ipynb"], [])
    assert contents(students)[BOOK] == "a, second edition"


def test_what_was_edited_stays_and_the_new_version_lies_beside_it_once(course, students):
    unpack(students, "1")
    (students / BOOK).write_text("a, and my notes")
    same = unpack(students, "1")
    assert not same.beside, "there is nothing new"
    course(**{"01_a": "a, second edition"})
    second = unpack(students, "2")
    assert second.beside == ["01_a-2.ipynb"] and BOOK in str(second).replace("-2", "")
    assert contents(students)[BOOK] == "a, and my notes"
    assert contents(students)["01_a-2.ipynb"] == "a, second edition"
    assert not unpack(students, "2").beside
    (students / "01_a-2.ipynb").unlink()
    assert not unpack(students, "2").beside, "who threw it away does not get it again"
    course(**{"01_a": "a, third edition"})
    assert unpack(students, "3").beside == ["01_a-3.ipynb"]
    assert contents(students)[BOOK] == "a, and my notes"


def test_a_file_that_is_already_there_is_never_written_over(course, students):
    students.mkdir(parents=True)
    (students / BOOK).write_text("mine, before the course came")
    (students / "01_a-1.ipynb").write_text("mine too")
    unpack(students, "1")
    assert contents(students)[BOOK] == "mine, before the course came"
    assert contents(students)["01_a-1.ipynb"] == "mine too"


@pytest.mark.parametrize("damage", ["", "{", "no json"])
def test_without_its_record_all_that_differs_counts_as_edited(course, students, damage):
    unpack(students, "1")
    (students / ".ssl-course" / "written.json").write_text(damage)
    course(**{"01_a": "a, second edition"})
    assert unpack(students, "2").beside == ["01_a-2.ipynb"]
    assert contents(students)[BOOK] == "a, first edition"


def test_a_deleted_file_comes_back(course, students):
    unpack(students, "1")
    (students / BOOK).unlink()
    assert unpack(students, "1").new == [BOOK]


def test_sources_and_hidden_files_stay_out(course, students):
    for name in ("src/01_a.md", ".ipynb_checkpoints/01_a.ipynb"):
        path = assets.lectures() / name
        path.parent.mkdir()
        path.write_text("with the solution")
    assert unpack(students, "1").new == [BOOK, "02_b.ipynb"]


# --- bad input ---------------------------------------------------------------------------------------------


def lab(*arguments):
    result = CliRunner().invoke(cli.app, ["lab", "--no-browser", *map(str, arguments)])
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit), result.output
    return result.output


def test_a_folder_that_cannot_be_made(course, tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "lectures"):
        assert "name a folder of your own with --folder" in lab("--folder", folder)


@pytest.mark.skipif(sys.platform == "win32", reason="made of Unix's folders")
def test_a_home_that_is_not_there_is_replaced(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/no/such/home")
    home = cli.lab_command(tmp_path, kept=tmp_path / "kept")[1]["HOME"]
    assert home == str(tmp_path / "kept" / "home")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cli.lab_command(tmp_path)[1]["HOME"] == str(tmp_path)


def test_a_wheel_that_came_without_its_files(tmp_path, monkeypatch):
    from ssl_course import doctor

    monkeypatch.setattr(assets, "PACKAGE", tmp_path / "site-packages" / "ssl_course")
    monkeypatch.setattr(assets, "CARRIED", assets.PACKAGE / "_carried")
    (tmp_path / "site-packages" / "assets").mkdir(parents=True)  # another package's
    assert "install it again" in lab()
    check = doctor._files()
    assert check.required and not check.ok and check.fix


@pytest.mark.parametrize("lost", ["lectures", "assets/checkpoints", "assets/results", "assets/jupyter"])
def test_a_wheel_that_came_without_half_of_its_files(lost, tmp_path, monkeypatch):
    from ssl_course import doctor

    monkeypatch.setattr(assets, "PACKAGE", tmp_path / "ssl_course")
    monkeypatch.setattr(assets, "CARRIED", assets.PACKAGE / "_carried")
    for part in ("lectures", "assets/checkpoints", "assets/results", "assets/jupyter"):
        (assets.CARRIED / part).mkdir(parents=True)
    assert assets.root() == assets.CARRIED and doctor._files().ok
    (assets.CARRIED / lost).rmdir()
    assert "install it again" in lab() and not doctor._files().ok
    with pytest.raises(FileNotFoundError, match=f"{lost}.*install it again"):
        assets.checkpoint("mae")


@pytest.mark.parametrize("text", ["[]", "[1]", "null", '"a"'])
def test_a_damaged_record_counts_as_none(text, course, students):
    unpack(students)
    (students / KEPT / "written.json").write_text(text)
    assert unpack(students).new == [] and contents(students)[BOOK] == "a, first edition"


def test_a_lecture_that_is_not_there(course, students):
    assert "no 99_x.ipynb" in lab("99_x.ipynb", "--folder", students)


# ---- a newer lecture, merged into a student's copy ----------------------------------------------------------------


def book(*cells, **metadata):
    """A notebook from "id: text" of its code cells."""
    pairs = [cell.split(": ") for cell in cells]
    return {
        "cells": [
            {"cell_type": "code", "id": i, "source": s, "outputs": [], "metadata": {}} for i, s in pairs
        ],
        "metadata": metadata,
    }


def said(merged):
    return [f"{cell['id']}: {cell['source']}" for cell in merged["cells"]]


BASE = book("a: 1", "b: 2", "c: 3", "d: 4")


@pytest.mark.parametrize(
    "mine, theirs, wanted",
    [
        (["a: 1", "b: 2", "c: 3", "d: 4"], ["a: 1", "x: 9", "c: 3", "d: 4"], ["a: 1", "x: 9", "c: 3", "d: 4"]),
        (["a: 1", "b: mine", "c: 3", "d: 4"], ["a: 1", "b: 2", "x: 9", "d: 4"], ["a: 1", "b: mine", "x: 9", "d: 4"]),
        # the edited cell has a new text in the lecture: both stay
        (["a: 1", "b: mine", "c: 3", "d: 4"], ["a: 1", "x: 9", "c: 3", "d: 4"], ["a: 1", "b: mine", "x: 9", "c: 3", "d: 4"]),
        (["own: 0", "a: 1", "b: 2", "new: 5", "more: 6", "c: 3", "d: 4"], ["d: 4", "b: 2"],
         ["own: 0", "d: 4", "b: 2", "new: 5", "more: 6"]),
        (["a: 1", "c: 3", "d: 4"], ["a: 1", "b: 2", "c: 3", "d: 4", "e: 5"], ["a: 1", "c: 3", "d: 4", "e: 5"]),
        ([], ["a: 1", "x: 9"], ["x: 9"]),
        (["a: 1", "a: 1", "b: 2", "c: 3", "d: 4"], ["a: 1", "b: 2"], ["a: 1", "a-again: 1", "b: 2"]),
    ],
)  # fmt: skip
def test_a_merge_keeps_the_lecture_s_order_and_the_student_s_work(mine, theirs, wanted):
    assert said(merge(BASE, book(*mine), book(*theirs))) == wanted


def test_a_cell_that_was_run_keeps_its_outputs_and_one_that_changed_comes_without():
    mine = book("a: 1", "b: 2", "c: 3", "d: 4")
    for cell in mine["cells"]:
        cell["outputs"] = ["seen"]
    theirs = book("a: 1", "b: other", "d: 4")  # the same id with another text: of an older edition's making
    merged = {cell["id"]: cell for cell in merge(BASE, mine, theirs)["cells"]}
    assert {i: cell["outputs"] for i, cell in merged.items()} == {"a": ["seen"], "b": [], "d": ["seen"]}
    assert merged["b"]["source"] == "other"


@pytest.mark.parametrize("damaged", ["", "{", "[]", '{"cells": 1}', '{"cells": [{}], "metadata": {}}'])
def test_what_is_no_notebook_leaves_the_student_s_as_it_was(tmp_path, damaged):
    files = [tmp_path / name for name in ("base", "mine", "theirs")]
    for file in files:
        for other in files:
            other.write_text(damaged if other is file else json.dumps(BASE))
        before = files[1].read_text()
        merge_files(*files)
        assert files[1].read_text() == before


def test_a_merge_of_files_is_written_as_jupyter_writes(tmp_path):
    files = [tmp_path / name for name in ("base", "mine", "theirs")]
    for file, content in zip(files, (BASE, BASE, book("a: é", "b: 2")), strict=True):
        file.write_text(json.dumps(content), encoding="utf-8")
    merge_files(*files)
    text = files[1].read_text(encoding="utf-8")
    assert (
        said(json.loads(text)) == ["a: é", "b: 2"]
        and text.startswith('{\n "cells": [')
        and text.endswith("}\n")
    )
