"""Every formula of the note has a function, a test that can fail, and a lecture that runs it."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

from ssl_course.course.equations import EQUATIONS, Equation, by_name
from tools import words

ROOT = Path(__file__).resolve().parents[2]
# Sections of the note that state a formula; each must appear in the table.
SECTIONS = {"§3.1", "§3.2", "§3.3", "§3.4", "§3.5.2"}
# Equation → a change of sign in its function.
MUTATIONS = {
    "pretext task": ("return conditional(", "return -conditional("),
    "downstream task": ("(target - fit)", "(target + fit)"),
    "number of classes": ("psi - p @ psi", "psi + p @ psi"),
    "literal bound": ("k / n + epsilon", "k / n - epsilon"),
    "supervised learning": ("else rank / free", "else -rank / free"),
    "similarity as a maximum": ("(eta * sign)", "(-eta * sign)"),
    "rank condition of functions": ("[:-1]", "[1:]"),
    "representation error": ("4 * (1 - prior", "4 * (1 + prior"),
    "conditional independence": ("torch.where(p > 0, p * (", "torch.where(p > 0, -p * ("),
    "best predictor": ("return conditional(", "return -conditional("),
    "best predictor under CI": ("return posterior(joint) @", "return -posterior(joint) @"),
    "approximate conditional independence": ("x2) - predictor_through_y(", "x2) + predictor_through_y("),
    "ε² from samples": ("values[rows] - means", "values[rows] + means"),
    "reconstruction loss": ("return (x2", "return -(x2"),
    "contrast of two views": ("return F.cross_entropy(", "return -F.cross_entropy("),
    "negative cosine": ("return -F.cosine_similarity", "return F.cosine_similarity"),
    "contrast of pictures and captions": ("logits = logit_scale", "logits = -logit_scale"),
    "canonical correlations": ("return canonical_directions", "return -1 * canonical_directions"),
    "excess risk of the probe": ("(noise + a)", "(noise - a)"),
    "rank condition": ("prior[:, None] * means", "means"),
    "similarity loss": ("(eta - psi)", "(eta + psi)"),
    "maximal correlation": ("2 * r - 2 * rho", "2 * r + 2 * rho"),
    "approximate independence of functions": ("direct - posterior", "direct + posterior"),
}


def problems(row: Equation, root: Path = ROOT) -> list[str]:
    """What a row lacks."""
    lacks = []
    module, name = row.function.rsplit(".", 1)
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        return [f"no function {row.function}"]
    if f"note {row.section}" not in (
        re.sub(r"(§[\d.]+), (?=§)", r"\1, note ", inspect.getdoc(function) or "")
    ):
        lacks.append(f"the docstring of {name} does not say note {row.section}")
    file, _, test = row.test.partition("::")
    tests = ast.walk(ast.parse((root / file).read_text())) if (root / file).is_file() else []
    if test not in {node.name for node in tests if isinstance(node, ast.FunctionDef)}:
        lacks.append(f"no test {row.test}")
    lectures = [p.read_text() for p in (root / "lectures" / "src").glob(f"{row.lecture}_*.md")]
    code = "\n".join(c for text in lectures for c in re.findall(r"(?s)```\{code-cell\}.*?\n```", text))
    if not re.search(rf"\b{name}\(", code):
        lacks.append(f"lecture {row.lecture} does not call {name}")
    return lacks


@pytest.mark.parametrize("row", EQUATIONS, ids=lambda r: r.name)
def test_every_equation_is_executed(row):
    assert problems(row) == []


def test_names_are_unique_and_sections_covered():
    assert len({row.name for row in EQUATIONS}) == len(EQUATIONS)
    assert {row.section for row in EQUATIONS} >= SECTIONS
    assert by_name("best predictor").section == "§3.3"
    with pytest.raises(ValueError, match="there are: pretext task"):
        by_name("nothing")


@pytest.mark.parametrize("row", EQUATIONS, ids=lambda r: r.name)
def test_latex_is_balanced(row):
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", row.latex):
        depth += 1 if brace == "{" else -1
        assert depth >= 0
    assert depth == 0 and "$" not in row.latex


GOOD = by_name("best predictor")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"function": "ssl_course.theory.independence.nowhere"}, "no function"),
        ({"function": "ssl_course.nowhere.f"}, "no function"),
        ({"function": "ssl_course.theory.bounds.probe_limit", "section": "§9"}, "docstring"),
        ({"section": "§3.5"}, "docstring"),
        ({"test": "tests/theory/test_independence.py::test_nothing"}, "no test"),
        ({"test": "tests/nothing.py::test_known_worlds"}, "no test"),
        ({"lecture": "00"}, "does not call"),
    ],
)
def test_a_broken_row_is_found(change, says):
    assert problems(GOOD) == []
    assert any(says in problem for problem in problems(GOOD._replace(**change)))


# ---- the tests named in the table can fail ------------------------------------------------------------------


class Outcomes:
    """A plugin of pytest that keeps how each test itself ended, set-up and collection apart."""

    def __init__(self):
        self.calls = []

    def pytest_runtest_logreport(self, report):
        if report.when == "call":
            self.calls.append(report.outcome)


def outcomes(test):
    """How the test of a row, run inside this process, ends for each of its parameters."""
    kept = Outcomes()
    code = pytest.main(["-q", "-p", "no:cacheprovider", f"--rootdir={ROOT}", str(ROOT / test)], [kept])
    assert code == (pytest.ExitCode.TESTS_FAILED if "failed" in kept.calls else pytest.ExitCode.OK)
    return set(kept.calls)


def flip(row, old, new, monkeypatch):
    """Whoever has imported the row's function now calls what its changed source says."""
    module, name = row.function.rsplit(".", 1)
    home = importlib.import_module(module)
    function = inspect.unwrap(getattr(home, name))
    source = inspect.getsource(function)
    assert source.count(old) == 1, f"{old!r} must occur once in {name}; mend MUTATIONS"
    changed = dict(vars(home))
    exec(compile(source.replace(old, new), inspect.getsourcefile(function), "exec"), changed)
    monkeypatch.setattr(function, "__code__", inspect.unwrap(changed[name]).__code__)


def test_every_equation_has_a_mutation():
    assert set(MUTATIONS) == {row.name for row in EQUATIONS}


@pytest.mark.slow
@pytest.mark.parametrize("row", EQUATIONS, ids=lambda r: r.name)
def test_a_flipped_sign_is_noticed(row, monkeypatch):
    flip(row, *MUTATIONS[row.name], monkeypatch)
    assert "failed" in outcomes(row.test)


@pytest.mark.slow
def test_the_unchanged_function_passes():
    """After all flips: each has been undone."""
    assert outcomes(GOOD.test) == {"passed"}


# ---- one letter, one meaning ------------------------------------------------------------------------------------


def rows_of(letter, table):
    return [row.meaning for row in table if letter in {words.base(s) for s in row.symbols}]


def test_every_letter_of_an_equation_has_one_row_in_the_glossary():
    table = words.letters((ROOT / "lectures" / "glossary.md").read_text(encoding="utf-8"))
    used = {letter: row.name for row in EQUATIONS for letter in words.letters_of(row.latex)}
    assert {"X", "ψ", "σ", "V", "r", "k"} <= set(used)
    assert {letter: name for letter, name in used.items() if len(rows_of(letter, table)) != 1} == {}


def test_no_letter_of_the_glossary_has_two_meanings():
    table = words.letters((ROOT / "lectures" / "glossary.md").read_text(encoding="utf-8"))
    assert len(table) > 30
    assert [
        row.meaning for row in table for s in row.symbols if len(rows_of(words.base(s), table)) != 1
    ] == []


def test_a_letter_of_two_meanings_or_none_is_found():
    table = words.letters(
        "| σ, σ_i | singular value | 07 | |\n| k | classes | 01 | |\n| k | numbers | 07 | |\n"
    )
    assert rows_of("σ", table) == ["singular value"] and len(rows_of("k", table)) == 2
    assert rows_of("δ", table) == []
    assert words.letters_of(r"a + (\sigma^2 + a)\,\frac{r}{n} \le \varepsilon_{CI}^2, \mathrm{Id}_r") == set(
        "aσrnε"
    )
