"""Whatever a student hands over, the answer is a card and never a traceback."""

import numpy as np
import pytest
import torch

from ssl_course.course.exercises.card import UNSOLVED, Card, Mistake, judge

CASES = [(2.0,), (5.0,), (-1.0,)]


def square(x):
    return x * x


def verdict(function, cases=CASES):
    return judge(
        function, cases, square, [Mistake(lambda x: 2 * x, "You doubled it.")], "Squared.", "Multiply x by x."
    )


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

    assert judge(spoils, [(data,)], np.sum, [], "", "").passed
    assert data.tolist() == [1, 2]


def test_html_is_a_status_and_escapes():
    html = Card("wrong", "<script>")._repr_html_()
    assert 'role="status"' in html and "<script>" not in html and "Not yet right" in html
    assert not UNSOLVED.passed
