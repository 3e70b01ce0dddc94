"""`grade` as a plugin of otter-grader: the submission is judged before, and never runs in,
the process that scores."""

from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_notebook
from otter.plugins import AbstractOtterPlugin

from ssl_course.course.exercises.card import Card
from ssl_course.course.marks import SECONDS, Exercise, grade


class OtterPlugin(AbstractOtterPlugin):  # type: ignore[misc]
    """Configured by {"questions": {name: [lecture, check, answers, seed]}, "seconds": 60},
    which only the autograder's zip has."""

    def before_execution(self, submission: NotebookNode) -> NotebookNode:
        """Judge, and leave otter a notebook without the submission's cells."""
        exercises = {
            name: Exercise(lecture, check, tuple(answers), seed)
            for name, (lecture, check, answers, seed) in self.plugin_config["questions"].items()
        }
        cells = [cell.source for cell in submission.cells if cell.cell_type == "code"]
        cards = grade(cells, list(exercises.values()), self.plugin_config.get("seconds", SECONDS))
        self.cards: dict[str, Card] = dict(zip(exercises, cards, strict=True))
        return new_notebook(metadata=submission.metadata)

    def after_grading(self, results: Any) -> None:
        """Put the verdicts, with the sentence on the misconception,
        in the place of what otter found without them."""
        for name, file in results.results.items():
            card = self.cards.get(name, Card("wrong", "This question is none of the course's."))
            file.update_score(file.possible if card.passed else 0)
            for result in file.test_case_results:
                result.passed, result.message = card.passed, repr(card)
