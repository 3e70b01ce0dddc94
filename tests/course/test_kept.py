"""Guesses and answers outlive the kernel, whatever the disk is like, and two notebooks lose none of each other's."""

import json
import linecache
import os
import subprocess
import sys
import threading

import pytest

from ssl_course.course import kept, lecture
from ssl_course.course.exercises import lecture_00, lecture_01

KEY = "99-how-many"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_COURSE_KEPT", str(tmp_path / "kept"))
    yield tmp_path / "kept"
    kept._unwritten.clear()


def in_a_fresh_kernel(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_guess_outlives_its_kernel_until_reset(folder):
    in_a_fresh_kernel(
        f"from ssl_course.course import lecture; lecture.predict({KEY!r}, '?').input.value = '25 %'"
    )
    assert [file.name for file in folder.iterdir()] == ["lecture_99.json"]
    asked = lecture.predict(KEY, "?")
    assert asked.input.value == "0.25" and "Kept" in asked.answer.value
    assert "0.25" in lecture.reveal(KEY, 0.5).html
    reset = asked.box.children[-1]
    assert reset.description == "Reset" and reset.layout.display != "none"
    reset.click()
    assert asked.input.value == "" and asked.answer.value == "" and reset.layout.display == "none"
    assert lecture.guess(KEY) is None and json.loads((folder / "lecture_99.json").read_text()) == {}


def test_reset_of_a_choice():
    asked = lecture.predict(KEY, "?", "choice", ["up", "down"])
    asked.input.value = "down"
    assert lecture.predict(KEY, "?", "choice", ["up", "down"]).input.value == "down"
    asked.box.children[-1].click()
    assert lecture.predict(KEY, "?", "choice", ["up", "down"]).input.value is None


@pytest.mark.parametrize(
    "entry", ['"down"', "true", "[1]", '{"a": 1}', "null", "NaN", "Infinity", "1" + 400 * "0"]
)
def test_what_no_longer_fits_the_question_is_not_shown(folder, entry):
    folder.mkdir()
    (folder / "lecture_99.json").write_text(f'{{"{KEY}": {entry}}}')
    assert lecture.predict(KEY, "?", "choice", ["left", "right"]).input.value is None
    assert lecture.predict(KEY, "?").answer.value == "" or entry == "true"
    lecture.reveal(KEY, 0.5)
    lecture.reveal(KEY, "left")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"7", b"\xff\xfe\x00", b"[" * 100_000, b"{" + b" " * kept.LARGEST + b"}"]
)
def test_a_damaged_file_holds_nothing_and_is_replaced(folder, content):
    folder.mkdir()
    (folder / "lecture_99.json").write_bytes(content)
    asked = lecture.predict(KEY, "?")
    assert asked.input.value == ""
    asked.input.value = "3"
    assert (
        json.loads((folder / "lecture_99.json").read_text()) == {KEY: 3}
        and "beside the result" in asked.answer.value
    )


def says_why(asked):
    asked.input.value = "3"
    assert "as long as this kernel" in asked.answer.value and asked.answer.value.count(". ") == 1
    assert lecture.guess(KEY) == 3 and lecture.predict(KEY, "?").input.value == "3"


def test_an_unwritable_folder_is_one_sentence_and_writes_later(tmp_path, folder):
    folder.write_text("a file where the folder should be")
    says_why(lecture.predict(KEY, "?"))
    folder.unlink()
    assert kept.put("99", "other", 1) == ""  # takes along what waited
    assert json.loads((folder / "lecture_99.json").read_text()) == {KEY: 3, "other": 1}


def test_without_a_home_nothing_is_written_beside_the_notebook(tmp_path, monkeypatch):
    monkeypatch.setenv(
        "SSL_COURSE_KEPT", "~nobody-of-this-name/kept"
    )  # stays as it is, as "~" without a home
    monkeypatch.chdir(tmp_path)
    says_why(lecture.predict(KEY, "?"))
    assert not list(tmp_path.iterdir())


def test_keys_are_no_paths(folder):
    assert kept.put("../../x", "k", 1) == "" and [f.name for f in folder.iterdir()] == ["lecture__x.json"]


def test_a_lock_whose_owner_died_is_broken(folder, monkeypatch):
    monkeypatch.setattr(kept, "PATIENCE", 0.05)
    folder.mkdir()
    (folder / "lecture_99.lock").touch()
    assert kept.put("99", "k", 1) == "" and kept.get("99", "k") == 1
    assert [f.name for f in folder.iterdir()] == ["lecture_99.json"]


def test_two_kernels_and_their_threads_lose_nothing(folder):
    code = "from ssl_course.course import kept\nfor i in range(40): assert not kept.put('99', f'{%d}-{i}', i)"
    other = subprocess.Popen([sys.executable, "-c", code % 1])
    threads = [threading.Thread(target=exec, args=(code % k,)) for k in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert other.wait() == 0
    assert len(json.loads((folder / "lecture_99.json").read_text())) == 120
    assert [file.name for file in folder.iterdir()] == ["lecture_99.json"]


# ---- exercises ----------------------------------------------------------------------------------------------------

STUB = "def mine(n, k):\n    ...\n\n\ncheck.perfect_psi(mine)"
WRONG = STUB.replace("...", "return 3  # ≥")
SOLUTION = """\
def solution(n, k):
    return 1 - (1 - 1 / k) ** n
verdict = check.perfect_psi(solution)
verdict"""


def run_cell(text, check=lecture_00):
    """The value of the cell's last line, as in a notebook."""
    name = f"<cell {text}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    *body, last = text.rsplit("\n", 1)
    space = {"check": check}
    exec(compile("\n".join(body), name, "exec"), space)
    return eval(compile(last, name, "eval"), space)


def test_an_answer_is_shown_again_where_the_stub_is_back(folder):
    assert run_cell(STUB).earlier == ""
    assert run_cell(SOLUTION).passed and not folder.exists()  # the course's own is nobody's answer
    assert run_cell(WRONG).state == "wrong"
    card = run_cell(STUB)
    assert card.state == "unsolved" and card.earlier == WRONG and "return 3  # ≥" in card._repr_html_()
    assert not run_cell(STUB.replace("perfect_psi", "careless_labels"), lecture_01).earlier
    data = card._repr_mimebundle_(include=None, exclude=None)
    assert "application/vnd.jupyter.widget-view+json" in data and "return 3" in data["text/html"]
    card.forget()
    assert run_cell(STUB) == lecture_00.perfect_psi(None) and not run_cell(STUB)._repr_mimebundle_()


def test_answers_that_are_no_cells_are_not_kept(folder):
    lecture_00.perfect_psi(lambda *_: 3)
    assert not folder.exists()


def test_the_users_own_folder_is_not_the_repository(monkeypatch):
    monkeypatch.delenv("SSL_COURSE_KEPT")
    assert kept.folder().is_absolute() and "ssl_course" in kept.folder().name
    assert not kept.folder().is_relative_to(os.getcwd()) or os.getcwd() == os.path.expanduser("~")
