"""`grade` as a preprocessor of nbgrader's autograding, in the place of the one that runs the notebook."""

from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_grade
from traitlets import Float

from ssl_course.course.exercises.card import Card
from ssl_course.course.marks import SECONDS, grade, read_test


class Judge(NbGraderPreprocessor):  # type: ignore[misc]
    """Judges the cells that nbgrader has put back from the lecturer's copy, and shows their cards."""

    seconds = Float(SECONDS, help="For each cell, and for all calls of an exercise.").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """A failed test has an error as its output, which nbgrader reads as no points."""
        code = [cell for cell in nb.cells if cell.cell_type == "code"]
        tests = {
            id(cell): exercise for cell in code if is_grade(cell) and (exercise := read_test(cell.source))
        }
        submitted = [cell.source for cell in code if not is_grade(cell)]
        cards = dict(zip(tests, grade(submitted, list(tests.values()), self.seconds), strict=True))
        for cell in code:
            cell.outputs, cell.execution_count = [], None
            if is_grade(cell):  # one that is no exercise gives nothing away
                cell.outputs = outputs(
                    cards.get(id(cell), Card("wrong", "This cell is no test of the course."))
                )
        return nb, resources


def outputs(card: Card) -> list[NotebookNode]:
    """What the student reads in the feedback, with the sentence on the misconception."""
    shown = new_output("display_data", {"text/html": card._repr_html_(), "text/plain": repr(card)})
    if card.passed:
        return [shown]
    return [shown, new_output("error", ename="NotPassed", evalue=card.text, traceback=[repr(card)])]
