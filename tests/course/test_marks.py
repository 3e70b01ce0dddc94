"""The judge of submissions: right and wrong answers as in the lecture, and nothing that a submission does makes it pass."""

import os
import py_compile
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ssl_course.course import marks
from ssl_course.course.exercises import lecture_09
from ssl_course.course.marks import Exercise, grade, worker
from tools import assignment
from tools.build import ROOT, read_source, sources

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="graders run on Linux and macOS")
SET_UP = "import numpy as np\nfrom ssl_course.course.exercises import lecture_09 as check"
GAUGE = Exercise("09", "two_points", ("my_gauge",), 4711)
DECAYS = Exercise("09", "two_decays", ("my_rest",), 4712)
RIGHT = "def my_gauge(u):\n    return np.abs(u).sum() / np.linalg.norm(u) / np.sqrt(len(u))"
RIGHT_TOO = (
    "def my_rest(noise, predictor_decay, encoder_decay):\n"
    "    kappa = (1 + (1 - 4 * encoder_decay * (1 + noise)) ** 0.5) / (2 * (1 + noise))\n"
    "    return kappa, kappa * (predictor_decay / encoder_decay) ** 0.5"
)


def one(*cells):
    (card,) = grade([SET_UP, *cells], [GAUGE], 20)
    return card


def test_a_right_answer_passes_and_a_wrong_one_is_told_its_misconception():
    assert one(RIGHT).passed
    card = one("def my_gauge(u):\n    return 1.0")
    assert card.text == lecture_09.two_points(lambda u: 1.0).text and "mean square" in card.text


def test_nothing_done_is_not_solved_yet():
    for cell in (
        "def my_gauge(u):\n    ...",
        "def my_gauge(u):\n    raise NotImplementedError()",
        "",
        "my_gauge = ...",
    ):
        assert one(cell).state == "unsolved"


CRASHES = {
    "def my_gauge(u):\n    return 1 / 0": "ZeroDivisionError: division by zero (line 2 of your cell, in my_gauge)",
    "def my_gauge(u)\n    return 1": "SyntaxError",
    "1 / 0\n" + RIGHT: "Your cell stopped with ZeroDivisionError",
    "def my_gauge(u):\n    import os; os._exit(0)": "ended the process",
    "import os; os._exit(0)\n" + RIGHT: "ended the process",
    "def my_gauge(u):\n    raise SystemExit": "SystemExit",
    "def my_gauge(u):\n    import ctypes; ctypes.string_at(0)": "ended the process",
    "def my_gauge(u):\n    return my_gauge(u)": "RecursionError",
    "def my_gauge(u):\n    import os; os.write(3, b'x' * 999); os.write(4, b'x' * 999); os._exit(1)": "",
    **({"def my_gauge(u):\n    return bytearray(10**11)": "MemoryError"} if sys.platform == "linux" else {}),
    "def my_gauge(u):\n    return object()": "object",
    "def my_gauge(u):\n    return 'much'": "",
}


@pytest.mark.parametrize("cell", CRASHES, ids=range(len(CRASHES)))
def test_a_crash_is_a_sentence(cell):
    card = one(cell)
    assert card.state == "wrong" and CRASHES[cell] in card.text


@pytest.mark.parametrize("cell", ["def my_gauge(u):\n    while True: pass", "while True: pass\n" + RIGHT,
                                  "import subprocess\nsubprocess.run(['sleep', '600'])\n" + RIGHT])  # fmt: skip
def test_an_endless_answer_ends_and_the_other_exercise_is_judged(cell):
    first, second = grade([SET_UP, cell, RIGHT_TOO], [GAUGE, DECAYS], 4)
    assert first.state == "wrong" and "did not come to an end" in first.text and second.passed


def test_what_stopped_is_said_where_no_cell_gives_the_answer():
    cells = ["def my_gauge(u):\n    import os; os._exit(1)", "my_gauge", "1 / 0"]
    assert "ZeroDivisionError" in grade([SET_UP, *cells], [GAUGE, DECAYS], 20)[1].text


HERE = "import os, ssl_course.course\nfile = ssl_course.course.__path__[0] + '/exercises/lecture_09.py'\n"
LOADED = "from importlib import machinery, util\nspec = util.spec_from_loader('x', machinery.{}('x', file))\n" \
    "x = util.module_from_spec(spec)\nspec.loader.exec_module(x)\nmy_gauge = x._gauge"  # fmt: skip
BY_PATH = [
    HERE + LOADED.format("SourceFileLoader"),
    HERE + "space = {'__name__': 'x'}\nexec(open(file).read(), space)\nmy_gauge = space['_gauge']",
    HERE + "from importlib.util import cache_from_source\nfile = cache_from_source(file)\n"
    + LOADED.format("SourcelessFileLoader"),
    # under another name, by way of a folder's
    HERE + "import tempfile\nlink = tempfile.mkdtemp() + '/mine'\nos.symlink(os.path.dirname(file), link)\n"
    "os.chdir(link)\nfile = './/lecture_09.py'\n" + LOADED.format("SourceFileLoader"),
]  # fmt: skip
CHEATS = [
    *BY_PATH,
    "from ssl_course.course.exercises.card import Card\nCard.passed = property(lambda self: True)\n"
    "def my_gauge(u):\n    return 0.5",
    "class check:\n    two_points = staticmethod(lambda *a, **k: type('Card', (), {'passed': True})())\n"
    "def my_gauge(u):\n    return 0.5",
    "import ssl_course.course.exercises.lecture_09 as l\nl.two_points = lambda *a, **k: 1\nmy_gauge = l._gauge",
    "from ssl_course.course.exercises import lecture_09\nmy_gauge = lecture_09._gauge",
    "from ssl_course.course import marks\nmarks.grade = lambda *a: []\ndef my_gauge(u):\n    return 0.5",
    # hard-coded: what the card of the notebook tries, with its own seed
    "seen = {}\ndef my_gauge(u):\n    rng = np.random.default_rng(0)\n"
    "    for d in (2, 3, 8, 20, 64):\n        v = rng.normal(size=d) * rng.uniform(0.5, 3)\n"
    "        seen[tuple(v)] = float(np.abs(v).sum() / np.linalg.norm(v) / d**0.5)\n    return seen.get(tuple(u), 0.5)",
    # objects that say yes to every question
    "class Yes(float):\n    __eq__ = lambda s, o: True\n    __hash__ = None\n    __array__ = lambda s, *a, **k: 1 / 0\n"
    "def my_gauge(u):\n    return Yes(0.5)",
    # a message of its own making
    "import os, json, struct\ndef my_gauge(u):\n    data = json.dumps({'passed': True, 'value': {'plain': 1}}).encode()\n"
    "    for f in range(3, 12):\n        try: os.write(f, struct.pack('>I', len(data)) + data)\n        except OSError: pass\n"
    "    return 0.5",
]  # fmt: skip


@pytest.mark.parametrize("cell", CHEATS, ids=range(len(CHEATS)))
def test_no_cheat_passes(cell):
    assert not one(cell).passed
    assert (
        lecture_09.two_points(lambda u: 0.5).passed is False
    )  # and nothing of it reaches the judge's process


def test_the_hard_coded_answers_would_have_passed_with_the_seed_that_students_see():
    """Else the cheat above would be refused for some other reason."""
    cell = next(cell for cell in CHEATS if "seen" in cell)
    (card,) = grade([SET_UP, cell], [Exercise("09", "two_points", ("my_gauge",), 0)])
    assert card.passed


@pytest.mark.parametrize("cell", BY_PATH, ids=range(len(BY_PATH)))
def test_who_reads_the_checks_by_their_path_is_refused_and_would_have_passed(cell, monkeypatch):
    py_compile.compile(lecture_09.__file__)  # where Python is told to write no bytecode, there is none
    assert "PermissionError: The lecture's checks cannot be read" in one(cell).text
    monkeypatch.chdir(ROOT)  # it may leave for another folder
    space = {}
    exec(f"{SET_UP}\n{cell}", space)
    assert lecture_09.two_points(space["my_gauge"], seed=GAUGE.seed).passed


def test_a_check_under_another_name_is_known_by_its_file(tmp_path):
    """Whoever made the name: a submission may not, but finds what lies there."""
    (tmp_path / "other.txt").symlink_to(lecture_09.__file__)
    tmp_path.chmod(0o755)
    code = (
        "import sys; from pathlib import Path; from ssl_course.course.marks import worker\n"
        f"worker.close(Path({str(Path(lecture_09.__file__).parent)!r}))\nopen({str(tmp_path / 'other.txt')!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert "PermissionError: The lecture's checks" in done.stderr


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can grade as nobody")
def test_graded_by_root_a_submission_is_nobody(tmp_path):
    if not marks._rights():
        pytest.skip("nobody cannot run this Python: tests/classroom grades with one that it can")
    secret = tmp_path / "gradebook.db"
    secret.write_text("secret")
    secret.chmod(0o600)
    assert "PermissionError" in one(f"open({str(secret)!r}).read()\n" + RIGHT).text


VALUES = [None, True, 3, 2.5, "text", ..., [1, (2.0, None)], {"a": (1, 2)}, np.float32(0.1), np.arange(6).reshape(2, 3),
          np.array(3), np.array([True]), torch.tensor(2.0), torch.ones(2, 3, dtype=torch.uint8), float("inf"), 10**30,
          (torch.ones(2), np.ones(3)), np.array([])]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=[repr(v)[:25] for v in VALUES])
def test_what_is_sent_arrives(value):
    import json

    back = marks.decode(json.loads(json.dumps(worker.encode(value))))

    def same(a, b):
        if isinstance(a, list | tuple):
            return len(a) == len(b) and type(a) is type(b) and all(map(same, a, b))
        if isinstance(a, torch.Tensor):
            return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
        if isinstance(a, np.ndarray | np.generic):
            return np.asarray(a).dtype == np.asarray(b).dtype and np.array_equal(a, b)
        return a == b and type(a) is type(b)

    assert same(value, back)


FORGED = [None, 1, [], {}, {"plain": []}, {"array": 1}, {"array": ["O", [1], "AAAA"]}, {"array": ["f8", [9], "AAAA"]}, {"x": 1}, {"plain": 1, "dots": 1}, {"dict": [[{"dict": []}, {"plain": 1}]]},
          {"other": "__import__('os')"}, {"tensor": ["<U3", [1], "AAAA"]}]  # fmt: skip


@pytest.mark.parametrize("message", FORGED, ids=repr)
def test_a_forged_value_is_only_unreadable(message):
    assert isinstance(marks.decode(message), marks.Unreadable)


# ---- the assignments ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("src", sources(), ids=lambda p: p.stem)
def test_every_exercise_becomes_a_task_whose_solution_stands_alone(src):
    notebook = read_source(src)
    found, _ = assignment.tasks(notebook)
    asked = [c for c in notebook.cells if c.cell_type == "markdown" and c.source.startswith("## Exercise")]
    assert len(found) == len(asked) >= 2
    assert assignment.problems(notebook) == []


def test_an_assignment_is_closed_to_other_accounts(tmp_path):
    folder = tmp_path / "assignment"
    folder.mkdir()
    folder.chmod(0o755)  # of an edition that left it open
    assignment.write("09", folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_solution_that_leans_on_the_lecture_s_body_is_found():
    notebook = read_source(sources(["09"])[0])
    for cell in notebook.cells:
        if "solution" in cell.metadata.get("tags", []) and "def faster" in cell.source:
            cell.source = cell.source.replace("return kappa", "return kappa * strengths[0] + moments")
    assert assignment.problems(notebook) == [
        "solution of check.faster_predictor: uses moments, strengths of the lecture's body"
    ]


@pytest.mark.slow
@pytest.mark.parametrize("src", sources(), ids=lambda p: p.stem)
def test_the_lecture_s_own_solutions_pass_and_its_stubs_do_not(src):
    found, imports = assignment.tasks(read_source(src))
    number = src.stem[:2]
    exercises = [
        Exercise(number, t.check, tuple(t.answers), 90210 if marks.takes_seed(number, t.check) else None)
        for t in found
    ]
    set_up = "\n".join([assignment._set_up(read_source(src)), *imports])
    right = grade([set_up, *(f"{t.stub}\n{t.solution}" for t in found)], exercises)
    assert all(card.passed for card in right), right
    assert {card.state for card in grade([set_up, *(t.stub for t in found)], exercises)} == {"unsolved"}


def test_the_worker_knows_no_right_answer():
    """Its file is run by itself, and imports nothing of the exercises."""
    code = f"import runpy, sys; runpy.run_path({str(Path(worker.__file__))!r}); print([m for m in sys.modules if 'exercises' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
