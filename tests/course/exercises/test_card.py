"""Whatever a student hands over, the answer is a card and never a traceback."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest
import torch

from ssl_course.course import exercises
from ssl_course.course.exercises.card import UNSOLVED, Card, ask, check, passed
from ssl_course.course.exercises.judging import judge

CASES = [(2.0,), (5.0,), (-1.0,)]


def square(x):
    return x * x


@check()
def verdict(function, cases=CASES, none=None):
    mistakes = {"You doubled it.": lambda x: 2 * x, "A power.": (lambda x: x**4, lambda x: x**5)}
    return judge(function, cases, square, mistakes, "Squared.", "Multiply x by x.", none)


@pytest.mark.parametrize(
    "stub", [None, ..., lambda x: None, lambda x: ..., lambda x: NotImplemented, lambda x: (_ for _ in ()).throw(NotImplementedError())]
)  # fmt: skip
def test_stub_is_not_solved_yet(stub):
    assert verdict(stub).state == "unsolved"
    assert "Not solved yet" in repr(verdict(stub))


@pytest.mark.parametrize(
    "answer", [square, lambda x: torch.tensor(x) ** 2, lambda x: np.array([x * x]), lambda x: torch.tensor(x, requires_grad=True) ** 2]
)  # fmt: skip
def test_right(answer):
    assert verdict(answer).passed


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda x: 2 * x, "You doubled it"),
        (lambda x: x**4, "A power."),
        (lambda x: x**5, "A power."),
        (lambda x: 4.0, "Multiply x by x"),  # right for one of the cases only
        (lambda x: x**3, "8, and 4 is right"),
        (lambda x: np.ones(3), "shape (3,)"),
        (lambda x: float("nan"), "NaN"),
        (lambda x: "4", "str (4)"),
        (lambda x: 1 / 0, "ZeroDivisionError: division by zero (line"),
        (lambda: 4.0, "takes 0 positional arguments"),
        (lambda x: x * x + 1j, "complex"),
        (4.0, "the function itself"),
    ],
)
def test_wrong(answer, says):
    card = verdict(answer)
    assert card.state == "wrong"
    assert says in card.text


def test_the_line_of_an_error_is_that_of_the_students_cell():
    def mine(x):
        y = x
        return y.nothing

    line = mine.__code__.co_firstlineno + 2
    assert f"line {line} of your cell, in mine" in verdict(mine).text


def test_arguments_are_copies():
    data = np.array([1.0, 2.0])

    def spoils(a):
        a[:] = 0
        return 3.0

    assert judge(spoils, [(data,)], np.sum, {}, "", "").passed
    assert data.tolist() == [1, 2]


class Hostile:
    """Raises whatever is done with it."""

    def __getattribute__(self, name):
        raise SystemExit("away")

    def __repr__(self):
        raise SystemExit("away")

    __str__ = __array__ = __len__ = __iter__ = __float__ = __repr__


def leaves(x):
    raise SystemExit("done")


def test_neither_an_exit_nor_a_hostile_object_gets_past_a_check():
    for answer, says in (
        (leaves, "SystemExit: done (line"),
        (lambda x: Hostile(), "One number is wanted; your function returns Hostile"),
        (Hostile(), "Hand over the function itself, without calling it: check.verdict(my_function)."),
    ):
        card = verdict(answer)
        assert card.state == "wrong" and says in card.text


def raises(error):
    def function(*_, **__):
        raise error

    return function


LECTURES = [m.name for m in pkgutil.iter_modules(exercises.__path__) if m.name.startswith("lecture_")]


@pytest.mark.parametrize("lecture", LECTURES)
def test_every_check_of_every_lecture_answers_whatever_comes_with_a_card(lecture):
    module = importlib.import_module(f"{exercises.__name__}.{lecture}")
    checks = [
        f
        for f in list(vars(module).values())
        if hasattr(f, "__wrapped__") and f.__module__ == module.__name__
    ]
    assert len(checks) >= 2
    answers = [raises(SystemExit("bye")), raises(ZeroDivisionError()), lambda *_, **__: Hostile(), Hostile()]
    bad = []  # names only: pytest cannot write down what refuses to be
    for tried in checks:
        parameters = inspect.signature(tried).parameters.values()
        needed = sum(
            p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
            for p in parameters
        )
        for number, answer in enumerate(answers):
            try:
                card = tried(*[answer] * max(1, needed))
                fine = isinstance(card, Card) and card.state != "passed" and card._repr_html_() and repr(card)
            except BaseException as error:
                bad.append((tried.__name__, number, type(error).__name__))
            else:
                bad += [] if fine else [(tried.__name__, number, card.state)]
    assert bad == []


def test_an_error_whose_words_raise_gets_a_card():
    class Rude(Exception):
        def __str__(self):
            raise SystemExit("away")

    def rude(x):
        raise Rude

    assert "Your function stopped with" in verdict(rude).text


def test_what_stops_a_check_outside_of_the_judge_gets_a_card():
    @check("the table itself")
    def reads(table):
        return passed(str(table))

    assert "Your answer cannot be read: SystemExit: away" in reads(Hostile()).text
    assert reads(lambda: 1).text == "Hand over the table itself, not a function."
    assert reads(...) == UNSOLVED and reads(3).passed


def test_the_students_own_interrupt_gets_through():
    def interrupted(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verdict(interrupted)


def test_none_may_be_an_answer():
    assert verdict(lambda x: None if x < 0 else x * x, none=1.0).passed
    assert verdict(lambda x: None, none=1.0) == UNSOLVED
    assert verdict(lambda x: ..., none=1.0) == UNSOLVED
    assert not verdict(lambda x: None if x < 0 else x * x, none=2.0).passed


def test_arrays_are_compared_entry_by_entry():
    def table(x):
        return judge(
            x,
            [(np.arange(4.0),)],
            lambda v: v.reshape(2, 2),
            {"Turned.": lambda v: v.reshape(2, 2).T},
            "p",
            "h",
        )

    table = check()(table)
    assert table(lambda v: v.reshape(2, 2).tolist()).passed
    assert table(lambda v: torch.tensor(v).reshape(2, 2)).passed
    assert table(lambda v: v.reshape(2, 2).T).text == "Turned."
    assert table(lambda v: v).text == "The shape is (4,); (2, 2) is wanted. h"
    assert table(lambda v: v.reshape(2, 2) + [[0, 0], [0, 7]]).text == (
        "For one of the inputs it gives 10 at [1, 1], and 3 is right. h"
    )
    assert "Numbers are wanted" in table(lambda v: {"a": v}).text
    assert "NaN" in table(lambda v: v * np.nan).text


def test_ask_passes_on_what_a_function_returns():
    assert ask(lambda a, b: a + b, 1, 2) == 3


def test_html_is_a_status_and_escapes():
    html = Card("wrong", "<script>")._repr_html_()
    assert 'role="status"' in html and "<script>" not in html and "Not yet right" in html
    assert not UNSOLVED.passed


@pytest.mark.parametrize("cell", [  # the first edition's
    "from ssl_course.lecture import card, predict, reveal, say",
    "from ssl_course import checkpoints, losses, palette, plots",
    "from ssl_course.exercises import lecture_09 as check",
    "from ssl_course.widgets.shipped import shipped",
    "from ssl_course.widgets import PipelineTour, draw",
])  # fmt: skip
def test_a_notebook_of_an_older_edition_gets_one_sentence(cell):
    with pytest.raises(ImportError, match="another edition of the course: open the lecture anew") as refused:
        exec(cell, {})
    assert refused.value._render_traceback_() == [str(refused.value)]


def test_a_check_that_is_gone_says_so():
    from ssl_course.course.exercises import lecture_09

    with pytest.raises(AttributeError, match="no exercise 'spread_after'.*open the lecture anew"):
        lecture_09.spread_after(None)
