"""A lecture's exercises as an assignment, for nbgrader and for otter-grader: ``python -m tools.assignment 09``.

Both judge by the lecture's own checks on inputs that students do not know, in a process that a submission does not share
(`ssl_course.course.marks`). What is written under build/assignment/ carries the solutions: only what nbgrader's
``generate_assignment`` and ``otter assign`` make of it is for students.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import re
import secrets
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from ssl_course.course.marks import takes_seed
from tools.build import LANGUAGE, ROOT, read_source, sources

POINTS = 2
INTRODUCTION = """\
# Lecture {number}: {title}

The exercises of lecture {number}. Replace the dots by your lines and run the cell: the card below it says what it thinks
of your answer. Your answer is marked on other inputs than those that the card tries.
"""
NBGRADER_CONFIG = '''\
"""nbgrader, with the course's judge in the place of what runs submissions: see deploy/README.md, *Marks*."""

from nbgrader.preprocessors import AssignLatePenalties, CheckCellMetadata, LimitOutput, SaveAutoGrades

from ssl_course.course.marks.nbgrader import Judge

c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "ssl-course"
c.Autograde.autograde_preprocessors = [Judge, LimitOutput, SaveAutoGrades, AssignLatePenalties, CheckCellMetadata]
c.ClearSolutions.code_stub = {"python": ""}  # the lecture's own stub stands above each solution
'''


@dataclass
class Task:
    """One exercise of a lecture.

    Attributes:
        text: what is asked, Markdown.
        stub: code that students start from, without the check.
        check: name of the check.
        answers: names that the check takes.
        solution: code that gives them their values.
        missing: names that the solution uses and neither it, its stub nor an import of the lecture defines.
    """

    text: str
    stub: str
    check: str
    answers: list[str]
    solution: str
    missing: set[str]


def _check_call(tree: ast.Module) -> ast.Call | None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if getattr(node.func.value, "id", "") == "check":
                return node
    return None


def _names(node: ast.AST, kind: type[ast.expr_context]) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, kind)}


def _defined(statement: ast.stmt) -> set[str]:
    """The names that a statement of a cell's top level binds."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).split(".")[0] for alias in statement.names}
    return _names(statement, ast.Store)


def _wanted(node: ast.AST) -> set[str]:
    """The names that a statement needs from outside; parameters and its own are not among them."""
    own = {
        arg.arg for n in ast.walk(node) if isinstance(n, ast.arguments) for arg in (*n.args, *n.kwonlyargs)
    }
    inside = [
        n
        for n in ast.walk(node)
        if isinstance(
            n, ast.FunctionDef | ast.Lambda | ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp
        )
    ]
    for part in inside:
        own |= _names(part, ast.Store)
        own |= {n.name for n in ast.walk(part) if isinstance(n, ast.FunctionDef)}
        for n in ast.walk(part):
            if isinstance(n, ast.Import | ast.ImportFrom):
                own |= _defined(n)
    return _names(node, ast.Load) - own - set(dir(builtins))


def _text_of(statement: ast.stmt, source: str) -> str:
    """A statement with the comments above it and at its end."""
    lines = source.splitlines()
    first = min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", []))]) - 1
    while first and lines[first - 1].startswith("#"):
        first -= 1
    return "\n".join(lines[first : statement.end_lineno])


def _joined(parts: Sequence[str]) -> str:
    """Statements as a cell, with room around functions."""
    text = ""
    for part, after in zip(parts, [*parts[1:], ""], strict=True):
        roomy = any(re.search(r"^(def|class|@)", p, re.M) for p in (part, after))
        text += part + ("" if not after else "\n\n\n" if roomy else "\n")
    return text


def tasks(notebook: NotebookNode) -> tuple[list[Task], list[str]]:
    """The exercises of a lecture, and the imports of its body that their solutions need."""
    imports: dict[str, str] = {}  # name → the import that binds it
    body: list[str] = []
    exercises, text, stub = [], "", None
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            if re.match(r"## Exercise\b", cell.source):
                text, stub = cell.source, None
            continue
        tags = set(cell.metadata.get("tags", []))
        if cell.cell_type != "code" or tags & {"home", "set-up", "hold"}:
            continue
        tree = ast.parse(cell.source)
        call = _check_call(tree)
        if "solution" not in tags:
            if text and call:
                stub = cell.source, call
            else:
                for statement in tree.body:
                    if isinstance(statement, ast.Import | ast.ImportFrom):
                        imports |= {name: ast.unparse(statement) for name in _defined(statement)}
            continue
        if not (text and stub and call):
            continue
        source, asked = stub
        given = _joined([
            _text_of(s, source) for s in ast.parse(source).body if _check_call(ast.Module([s], [])) is None
        ])  # fmt: skip
        answers = [arg.id for arg in asked.args if isinstance(arg, ast.Name)]
        # from the end: what the check is given, what that needs, and so on
        wanted, kept = set().union(*(_wanted(arg) for arg in call.args)), []
        before = [s for s in tree.body if s.lineno < call.lineno and _check_call(ast.Module([s], [])) is None]
        for statement in reversed(before):
            if _defined(statement) & wanted:
                wanted = (wanted - _defined(statement)) | _wanted(statement)
                kept.insert(0, _text_of(statement, cell.source))
        same = [f"{name} = {ast.unparse(arg)}" for name, arg in zip(answers, call.args, strict=True)
                if name != getattr(arg, "id", "")]  # fmt: skip
        wanted -= set().union(*(_defined(s) for s in ast.parse(source).body))
        body += [imports[name] for name in sorted(wanted & imports.keys())]
        missing = wanted - imports.keys() - _set_up_names(notebook)
        exercises.append(Task(text, given, call.func.attr, answers, _joined([*kept, *same]), missing))  # type: ignore[attr-defined]
        text, stub = "", None
    return exercises, list(dict.fromkeys(body))


def _set_up(notebook: NotebookNode) -> str:
    """What finds the library, then the lecture's imports: an assignment begins with both in one cell."""
    opening = [c.source for c in notebook.cells if {"home", "set-up"} & set(c.metadata.get("tags", []))]
    return "\n\n".join(opening)


def _set_up_names(notebook: NotebookNode) -> set[str]:
    return set().union(
        *(_defined(s) for s in ast.walk(ast.parse(_set_up(notebook))) if isinstance(s, ast.stmt))
    )


def problems(notebook: NotebookNode) -> list[str]:
    """Solutions that do not stand alone; nobody could hand in such an answer."""
    return [
        f"solution of check.{task.check}: uses {', '.join(sorted(task.missing))} of the lecture's body"
        for task in tasks(notebook)[0]
        if task.missing
    ]


# ------------------------------------------------------------------------------------------------- the two forms


def _solved(task: Task, begin: str, end: str) -> str:
    return f"{task.stub}\n\n\n{begin}\n{task.solution}\n{end}"


def _test(number: str, task: Task, seed: int | None, begin: str = "", end: str = "") -> str:
    """A cell that tests; run by a student it does what the lecture's own check does."""
    hidden = "" if seed is None else f"\n{begin}\nSEED = {seed}\n{end}".rstrip()
    return (
        f'LECTURE = "{number}"  # marked on inputs that you do not know, elsewhere{hidden}\n'
        f"verdict = check.{task.check}({', '.join(task.answers)})\nassert verdict.passed, verdict.text"
    )


def nbgrader_notebook(src: Path, seeds: Sequence[int | None]) -> NotebookNode:
    """The source of an nbgrader assignment, solutions and hidden seeds in it."""
    notebook = read_source(src)
    number, (exercises, imports) = src.stem[:2], tasks(notebook)
    cells = _opening(notebook, number, imports)
    for k, (task, seed) in enumerate(zip(exercises, seeds, strict=True), 1):
        own = {"schema_version": 3, "locked": False, "task": False}
        cells.append(new_markdown_cell(task.text))
        cells.append(new_code_cell(
            _solved(task, "### BEGIN SOLUTION", "### END SOLUTION"),
            metadata={"nbgrader": own | {"grade": False, "solution": True, "grade_id": f"exercise_{k}"}},
        ))  # fmt: skip
        cells.append(new_code_cell(f"check.{task.check}({', '.join(task.answers)})"))
        cells.append(new_code_cell(
            _test(number, task, seed, "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"),
            metadata={"nbgrader": own | {
                "grade": True, "solution": False, "locked": True, "points": POINTS, "grade_id": f"test_{k}"
            }},
        ))  # fmt: skip
    return _finished(cells)


def otter_notebook(src: Path, seeds: Sequence[int | None]) -> NotebookNode:
    """The source of an otter assignment: the seeds stand in the plugin's settings, which only the autograder has."""
    notebook = read_source(src)
    number, (exercises, imports) = src.stem[:2], tasks(notebook)
    questions = "".join(
        f'        q{k}: ["{number}", {task.check}, [{", ".join(task.answers)}], {"null" if seed is None else seed}]\n'
        for k, (task, seed) in enumerate(zip(exercises, seeds, strict=True), 1)
    )
    config = (
        f"# ASSIGNMENT CONFIG\nname: lecture_{number}\ninit_cell: true\nexport_cell: false\nsolutions_pdf: false\n"
        "generate:\n  plugins:\n    - ssl_course.course.marks.otter.OtterPlugin:\n        questions:\n"
        + questions.replace("        q", "          q")
    )
    cells = [new_raw_cell(config), *_opening(notebook, number, imports)]
    for k, task in enumerate(exercises, 1):
        answer = _solved(task, "# BEGIN SOLUTION NO PROMPT", "# END SOLUTION")
        test = _test(number, task, None)
        cells += [
            new_raw_cell(f"# BEGIN QUESTION\nname: q{k}\npoints: {POINTS}"),
            new_markdown_cell(task.text),
            new_raw_cell("# BEGIN SOLUTION"), new_code_cell(answer), new_raw_cell("# END SOLUTION"),
            new_raw_cell("# BEGIN TESTS"), new_code_cell(test), new_raw_cell("# END TESTS"),
            new_raw_cell("# END QUESTION"),
            new_code_cell(f"check.{task.check}({', '.join(task.answers)})"),
        ]  # fmt: skip
    return _finished(cells)


def _opening(notebook: NotebookNode, number: str, imports: Iterable[str]) -> list[NotebookNode]:
    title = re.search(r"^# (.*)$", next(c.source for c in notebook.cells if c.cell_type == "markdown"), re.M)
    code = "\n".join([_set_up(notebook), *imports])
    return [
        new_markdown_cell(INTRODUCTION.format(number=number, title=title[1] if title else "")),
        new_code_cell(code),
    ]


def _finished(cells: list[NotebookNode]) -> NotebookNode:
    for k, cell in enumerate(cells):
        cell.id = f"cell-{k:02d}"
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": LANGUAGE})


def write(
    name: str, folder: Path, root: Path = ROOT, seeds: Sequence[int | None] | None = None
) -> tuple[Path, Path]:
    """Write the assignment of one lecture for both graders.

    Args:
        name: the lecture, "09".
        folder: gets nbgrader/, a course folder that holds all its assignments, and otter/; closed to other accounts.
        root: the course's folder.
        seeds: of each exercise's inputs; drawn anew by default.

    Returns:
        The two notebooks.

    Raises:
        ValueError: no such lecture, or a solution that does not stand alone.
    """
    (src,) = sources([name], root)
    notebook = read_source(src)
    if wrong := problems(notebook):
        raise ValueError("; ".join(wrong))
    number, assignment = src.stem[:2], f"lecture_{src.stem[:2]}"
    if seeds is None:
        exercises, _ = tasks(notebook)
        seeds = [secrets.randbelow(2**31) if takes_seed(number, task.check) else None for task in exercises]
    folder.mkdir(parents=True, exist_ok=True)
    # solutions, seeds, gradebook: the worker that runs submissions needs nothing of them
    folder.chmod(0o700)
    course = folder / "nbgrader"
    course.mkdir(exist_ok=True)
    (course / "nbgrader_config.py").write_text(NBGRADER_CONFIG, encoding="utf-8")
    written = []
    for made, place in (
        (nbgrader_notebook(src, seeds), course / "source" / assignment),
        (otter_notebook(src, seeds), folder / "otter" / assignment),
    ):
        if place.exists():
            shutil.rmtree(place)
        place.mkdir(parents=True)
        file = place / f"{assignment}.ipynb"
        nbformat.write(made, file)
        written.append(file)
    return written[0], written[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the assignments, and say what to do with them."""
    parser = argparse.ArgumentParser(prog="python -m tools.assignment", description=__doc__)
    parser.add_argument("lectures", nargs="+", help="numbers or names")
    try:
        for name in parser.parse_args(arguments).lectures:
            one, other = write(name, ROOT / "build" / "assignment")
            print(
                f"{one.relative_to(ROOT)}: in {one.parents[2].relative_to(ROOT)}, nbgrader generate_assignment {one.stem}"
            )
            print(f"{other.relative_to(ROOT)}: there, otter assign {other.name} dist")
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
