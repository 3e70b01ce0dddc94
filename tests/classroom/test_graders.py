"""The assignments of a lecture in the real nbgrader and the real otter-grader: what is right, wrong or a cheat gets its due."""

import csv
import json
import os
import re
import subprocess
import sys
import zipfile

import nbformat
import pytest

from tools import assignment
from tools.build import ROOT

pytestmark = pytest.mark.slow
SEEDS = [101, 102, 103]
SECONDS = 12
CHEAT = (
    "from ssl_course.course.exercises.card import Card\nCard.passed = property(lambda self: True)\n"
    "check.two_decays = check.two_points = check.faster_predictor = lambda *a, **k: type('Card', (), {'passed': True, 'text': ''})()\n"
)
WRONG = {
    "my_rest": "def my_rest(noise, predictor_decay, encoder_decay):\n"
    "    kappa = (1 + (1 - 4 * encoder_decay * (1 + noise)) ** 0.5) / (2 * (1 + noise))\n    return kappa, kappa",
    "my_gauge": "def my_gauge(u):\n    return 1.0",
    "my_faster": "def my_faster(noise, decay, speed):\n    return 0.5",
}
# student → what replaces the stub of each answer; None: handed in as it was
STUDENTS = {
    "right": "solutions",
    "wrong": WRONG,
    "empty": {},
    "crashing": WRONG | {"my_gauge": "def my_gauge(u):\n    import os; os._exit(1)", "my_faster": "1 / 0"},
    "endless": WRONG | {"my_gauge": "def my_gauge(u):\n    while True: pass"},
    "cheating": {name: CHEAT + code for name, code in WRONG.items()},
    "hardcoded": WRONG | {"my_gauge": "def my_gauge(u):\n    return {2: 0.9, 3: 0.8}.get(len(u), 0.7)"},
}
# otter runs each submission by itself, half a minute: the odd ones together, one a question
MIXED = {
    "my_rest": STUDENTS["cheating"]["my_rest"],
    "my_gauge": STUDENTS["endless"]["my_gauge"],
    "my_faster": "def my_faster(noise, decay, speed):\n    import os; os._exit(1)",
}
RIGHT = {student: 6.0 if student == "right" else 0.0 for student in STUDENTS}


def run(programs, *argv, cwd):
    """A grader, in this Python: Debian's 3.11.2 has a fault in regular expressions on which nbconvert's pages stumble."""
    (packages,) = programs.parent.glob("lib/python*/site-packages")
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(packages)]),
        "PATH": os.pathsep.join([str(programs), os.environ["PATH"]]),  # nbgrader calls alembic
    }
    done = subprocess.run(
        [sys.executable, "-m", *map(str, argv)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def solutions():
    from tools.build import read_source, sources

    return {
        task.answers[0]: f"{task.stub}\n{task.solution}"
        for task in assignment.tasks(read_source(sources(["09"])[0]))[0]
    }


def submission(released, changes, solutions):
    """The students' notebook with its stubs replaced."""
    notebook = nbformat.read(released, as_version=4)
    changes = solutions if changes == "solutions" else changes
    for cell in notebook.cells:
        for name, code in changes.items():
            if re.match(rf"def {name}\(", cell.source):
                cell.source = code
    return notebook


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("assignment")
    assignment.write("09", folder, seeds=SEEDS)
    return folder


@pytest.fixture(scope="module")
def graded(folder, programs, solutions):
    """The course's folder after nbgrader's whole round."""
    course = folder / "nbgrader"
    config = course / "nbgrader_config.py"
    config.write_text(config.read_text() + f"c.Judge.seconds = {SECONDS}\n")
    run(programs, "nbgrader", "generate_assignment", "lecture_09", cwd=course)
    released = course / "release" / "lecture_09" / "lecture_09.ipynb"
    for student, changes in STUDENTS.items():
        there = course / "submitted" / student / "lecture_09"
        there.mkdir(parents=True)
        nbformat.write(submission(released, changes, solutions), there / "lecture_09.ipynb")
    run(programs, "nbgrader", "autograde", "lecture_09", cwd=course)
    run(programs, "nbgrader", "generate_feedback", "lecture_09", cwd=course)
    run(programs, "nbgrader", "export", cwd=course)
    return course


def test_students_get_neither_solutions_nor_seeds(graded):
    text = (graded / "release" / "lecture_09" / "lecture_09.ipynb").read_text()
    assert "SOLUTION" not in text and "HIDDEN" not in text and not any(str(seed) in text for seed in SEEDS)
    assert "predictor_decay / encoder_decay" not in text
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert sum(bool(re.search(r"^    \.\.\.  # ", cell.source, re.MULTILINE)) for cell in notebook.cells) == 3


def test_nbgrader_gives_each_what_is_due_and_a_table_of_it(graded):
    rows = list(csv.DictReader((graded / "grades.csv").open()))
    assert {row["student_id"]: float(row["score"]) for row in rows} == RIGHT
    assert {float(row["max_score"]) for row in rows} == {6.0}


@pytest.mark.parametrize(
    "student, words",
    [
        ("right", "decay alone; ω = κ √(γ_p/γ_e)"),
        ("wrong", "κ = ω holds where both decays are equal"),
        ("wrong", "root of the *mean square*"),
        ("empty", "Not solved yet"),
        ("crashing", "ended the process"),
        ("crashing", "ZeroDivisionError"),
        ("endless", "did not come to an end in time"),
        ("cheating", "κ = ω holds where both decays are equal"),
    ],
)
def test_the_feedback_has_the_sentence_on_the_misconception(graded, student, words):
    page = (graded / "feedback" / student / "lecture_09" / "lecture_09.html").read_text()
    if student == "right":
        assert page.count("✓ Passed") == 3 and "Not yet right" not in page
    else:
        assert words in re.sub(r"&#39;|&quot;", "'", page)


@pytest.fixture(scope="module")
def otter(folder, programs):
    """(students' notebook, autograder's zip)"""
    place = folder / "otter" / "lecture_09"
    source = place / "lecture_09.ipynb"
    # a test does not wait a minute for the endless one
    source.write_text(
        source.read_text().replace("questions:\\n", f"seconds: {SECONDS}\\n        questions:\\n")
    )
    run(programs, "otter", "assign", "--no-run-tests", "lecture_09.ipynb", "dist", cwd=place)
    (archive,) = (place / "dist" / "autograder").glob("*.zip")
    return place / "dist" / "student" / "lecture_09.ipynb", archive


def test_otter_s_students_get_neither_solutions_nor_seeds(otter):
    student, archive = otter
    text = student.read_text()
    assert "predictor_decay / encoder_decay" not in text and not any(str(seed) in text for seed in SEEDS)
    assert text.count("    ...  # ") == 3
    with zipfile.ZipFile(archive) as packed:
        assert str(SEEDS[1]) in packed.read("otter_config.json").decode()


@pytest.mark.parametrize("student", ["right", "wrong", "empty", "mixed"])
def test_otter_gives_each_what_is_due(otter, student, solutions, programs, tmp_path):
    released, archive = otter
    nbformat.write(
        submission(released, (STUDENTS | {"mixed": MIXED})[student], solutions), tmp_path / "lecture_09.ipynb"
    )
    run(programs, "otter", "run", "-a", archive, "-o", tmp_path, "lecture_09.ipynb", cwd=tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    questions = [test for test in results["tests"] if test["name"].startswith("q")]
    assert len(questions) == 3 and sum(test["score"] for test in questions) == (
        6.0 if student == "right" else 0.0
    )
    said = json.dumps(results, ensure_ascii=False)
    if student in ("wrong", "mixed"):
        assert "κ = ω holds where both decays are equal" in said
    if student == "mixed":
        assert "did not come to an end in time" in said and "ended the process" in said
