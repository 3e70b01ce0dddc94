"""Sentences wrong on purpose: each rule of tools.prose finds its own, and is silent beside it."""

from pathlib import Path

import nbformat
import pytest

from tools import prose, words
from tools.words import Letter, Word

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = [
    Word("Collapse", ("09",)),
    Word("Linear probe", ("00",)),
    Word("ε_CI²", ("01",)),
    Word("CI", ("01",)),
    Word("Whitening", ("07", "12")),
    Word("Biome", ("01",)),
    Word("Negative", ("05",)),
    Word("Spread", ("06",)),
]
LETTERS = [
    Letter(("δ",), "how often x₂ decides Y", "11"),
    Letter(("σ", "σ_i"), "singular value", "07"),
    Letter(("B",), "radius of a ball", "11"),
    Letter(("C(·)",), "complexity of what is trained", "11"),
    Letter(("h",), "features of the backbone", "08"),
    Letter(("k",), "number of classes", "01"),
    Letter(("T",), "temperature of the annealed mean", "02"),
]
NEEDS = {"00": set(), "01": {"00"}, "07": {"00"}, "09": {"00", "01", "08"}, "12": {"00", "01", "07", "11"}}


def md(text, **metadata):
    return nbformat.v4.new_markdown_cell(text, metadata=metadata)


def code(source, printed="", html="", plain="", **metadata):
    outputs = [nbformat.v4.new_output("stream", text=printed)] if printed else []
    if html:
        outputs.append(nbformat.v4.new_output("display_data", {"text/html": html, "text/plain": plain}))
    return nbformat.v4.new_code_cell(source, outputs=outputs, metadata=metadata)


def revealed(key, value):
    return code(
        f"reveal('{key}', x, 'So.')",
        html='<div class="ssl-reveal">…',
        plain=f"guess: none; measured: {value}. So.",
    )


TITLE = md("# A lecture")


def found(rule, *cells, number="09"):
    notebook = nbformat.v4.new_notebook(cells=[TITLE, *cells])
    kept = prose.problems(notebook, number, GLOSSARY, LETTERS, NEEDS)
    return [p for p in kept if f"{rule}: " in p.split('"')[0]]


# ---- words ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "cells", "says"),
    [
        ("07", [md("Then all collapse.")], '"Collapse" is explained in lecture 09'),
        ("07", [code("say('Collapses, {x}.', x=1)")], '"Collapse" is explained in lecture 09'),
        ("00", [md(r"Small $\varepsilon_{CI}^2$ helps.")], '"ε_CI²" is explained in lecture 01'),
        ("08", [md("After whitening.")], '"Whitening" is explained in lecture 07 or 12'),
        ("09", [md("All of it collapses."), md("A *collapse* is one point for all.")], '"Collapse" is explained only later'),
        ("09", [md("A collapse is one point for all.")], '"Collapse" is explained in this lecture'),
        ("00", [md("The biome is named.")], '"Biome" is explained in lecture 01'),
        ("00", [md("It pushes all negatives away.")], '"Negative" is explained in lecture 05'),
    ],
)  # fmt: skip
def test_a_word_before_its_definition(number, cells, says):
    assert [p for p in found("word", *cells, number=number) if says in p]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("12", "A linear probe after whitening."),  # 12 explains whitening anew; 00 comes by way of 01
        ("08", "It may collapse (lecture 09)."),
        ("08", "It may collapse: [lecture 09](09_collapse.md)."),
        ("08", "Why none of them collapses stands in lectures 08 to 10."),
        ("08", "Lecture 09 asks how none collapses."),
        ("00", "A negative number, and a wide spread."),
        ("00", "`collapse` is code."),
        ("00", r"$$\varepsilon_{CI}^2 = E\|X_2\|^2$$"),  # says what it is
        ("00", "ε_CI is small."),  # CI is another word
    ],
)
def test_a_word_in_its_place(number, text):
    own = {"12": "*Whitening*", "00": "*Linear probe*"}.get(number, "")
    assert found("word", md(own), md(text), number=number) == []


# ---- letters ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (r"The excess is $a + (\sigma^2 + a) r/(n - r - 1)$.", "label noise is V"),
        (r"Weigh with $\exp(-d^2/2\sigma^2)$.", "width"),
        (r"It misses by $\delta^2 = E\|\hat\psi - \psi^*\|^2$.", "world of two bits"),
        (r"$\min L = 2k - 2\sum_{i \le k}\rho_i$", "components is r"),
        (r"$w \propto ((1-\lambda) p + \lambda/Q)^{-1}$", "mixing weight is μ"),
        (r"$P(z_2 = z_1)$", "light and tint"),
        ("where δ is the distance to the line", "δ is how often x₂ decides Y"),
        ("A batch of B pictures.", "B is radius"),
        (r"With $C$ classes chance is $1/C$.", "C is complexity"),
        (r"With $T_j$ for a turn by $j$ quarters.", "T is temperature"),
        ("Both tell it twice. h is the entropy of a density.", "h is features"),
    ],
)
def test_a_letter_with_a_second_meaning(text, says):
    assert [p for p in found("letter", md(text)) if says in p]
    assert found("letter", md(text + " <!-- allowed: as in the paper -->")) == []


def test_a_letter_in_its_meaning():
    for text in (r"where $\delta$ is how often $x_2$ decides", r"$\varepsilon^2/\sigma^2$ and $\sigma_{k-1}(M\Pi)$", r"$2r - 2\sum\rho_i$",
                 "Here k is the number of classes, and all h are one dot.", "k classes. σ is the next to last singular value.",
                 "With $T$ for the temperature, and with h for 30 labels."):  # fmt: skip
        assert found("letter", md(text)) == []


def test_a_letter_of_a_proof():
    line = "proof('t', [(r'S(X)', 'h is the entropy of a density.')])"
    assert found("letter", code(line)) and found("letter", code(f"# allowed: as everywhere\n{line}")) == []


# ---- answers ----------------------------------------------------------------------------------------------------

ASK = code("predict('09-gap', 'How large is the gap?')")


@pytest.mark.parametrize(
    "before",
    [
        [md("We shall find 0.41.")],
        [code("print(x)", printed="gap 0.413")],
        [code("say('It will be 0.41.')")],
    ],
)
def test_an_answer_above_its_question(before):
    value = "0.413" if before[0].get("outputs") else "0.41"
    assert len(found("answer", *before, ASK, revealed("09-gap", value))) == 1
    assert found("answer", ASK, *before, revealed("09-gap", value)) == []


def test_an_answer_in_its_question_and_numbers_that_are_everywhere():
    assert found("answer", code("predict('q', 'Bayes reaches 85 %. And the probe?')"), revealed("q", "85"))
    assert found("answer", md("It has 3 classes."), ASK, revealed("09-gap", "3")) == []
    assert (
        found("answer", code("print(x)", printed="0.41"), ASK, revealed("09-gap", "0.41")) == []
    )  # by chance


def choice(key, question, *choices):
    return code(f"predict({key!r}, {question!r}, 'choice', {[*choices]!r})")


@pytest.mark.parametrize(
    "before",
    [
        md("Mark that the *loss* alone\ncannot tell."),
        code("card()", html='<div class="ssl-card">say why the loss alone cannot tell<br>'),
        code("plots.figure(fig, alt='The loss alone cannot tell.')"),
        code("ax.set_title('the loss alone cannot tell')"),
        code("say('Here the loss alone cannot tell.')"),
    ],
)
def test_the_right_choice_above_its_question(before):
    ask = choice("q", "Celebrate?", "yes, at last", "no, the loss alone cannot tell")
    right = revealed("q", "no, the loss alone cannot tell")
    assert len(found("answer", before, ask, right)) == 1
    assert found("answer", ask, before, right) == []
    assert found("answer", before, ask, revealed("q", "yes, at last")) == []  # what is wrong may stand there


def test_choices_that_give_nothing_away():
    half = choice("q", "A tenth or a half?", "a tenth", "a half"), revealed("q", "a half")
    assert found("answer", md("Holes of a tenth and of a half."), *half) == []  # the question has it, too
    verdict = choice("p", "Which?", "one", "all are not told apart"), md("They are not told apart.")
    assert found("answer", *verdict, choice("q", "And these?", "above", "not told apart"), revealed("q", "not told apart")) == []  # fmt: skip
    assert (
        found("answer", md("It falls."), choice("q", "Then?", "rises", "falls"), revealed("q", "falls")) == []
    )


# ---- captions ---------------------------------------------------------------------------------------------------


def test_a_number_in_a_caption_that_the_run_contradicts():
    drawn = "plots.figure(fig, alt='The curve ends at 0.85, after 400 steps.')"
    contradicted = found("caption", code("fit(400)", printed="end 0.79"), code(drawn))
    assert len(contradicted) == 1 and ".85" in contradicted[0]
    assert found("caption", code("fit(400)", printed="end 0.85"), code(drawn)) == []
    assert len(found("caption", code(drawn), code("fit(400)", printed="end 0.85"))) == 2  # only later
    assert found("caption", code("# allowed: from the paper\n" + drawn)) == []
    assert found("caption", code("ax.set(title='60 px and more')"))
    assert found("caption", code("plots.figure(fig, alt=f'It ends at {x:.2f}.')")) == []


# ---- claims -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "The trained network is better.",
        "Here SimCLR leads.",
        "MAE comes first.",
        "It reaches less here because the views are too hard.",
        "What beats pixels is the *probe*.",
    ],
)
def test_a_claim_without_an_interval(text):
    said = f"say({text!r})"
    assert (
        found("claim", md(text))
        and found("claim", code(said))
        and found("claim", code(f"reveal('k', x, {text!r})"))
    )
    assert found("claim", md(f"{text} <!-- allowed: enumerated exactly -->")) == []
    assert found("claim", code(f"# allowed: enumerated exactly\n{said}")) == []
    assert found("claim", code(f"say({text + ' By 0.20 ± 0.02.'!r})")) == []
    assert found("claim", code(said, html='<div class="ssl-shown">It is 0.20 ± 0.02.</div>')) == []
    assert found("claim", code(said, printed="0.61 ± 0.02"))  # of something else
    assert found("claim", md(f"It is 0.61 ± 0.02.\n\n{text}")) and found(
        "claim", code("interval(x)"), md(text)
    )
    assert found("claim", code("table()", printed="0.61 ± 0.02"), md(text)) == []
    assert found("claim", code("table()", printed="0.61 ± 0.02"), code("other()", printed="2"), md(text))
    assert found("claim", md(f"{text} <!-- allowed: -->"))  # no reason


def test_what_is_no_claim():
    for text in ("The best linear probe of ψ.", "Which one is best?", "First look at the picture.", "**Is MAE better?** Ask it.",
                 "Learned because it is there."):  # fmt: skip
        assert found("claim", md(text)) == []


# ---- sources, proofs, exercises ---------------------------------------------------------------------------------


def test_a_source_too_long():
    def shown(lines):
        return code(
            "show_source(f)", html='<div class="ssl-source"><small>from <code>a.f</code>', plain="x\n" * lines
        )

    assert found("source", shown(26)) and found("source", shown(25)) == []


def test_a_page_without_proof_or_exercises():
    one, two = code("check.first(f)"), code("check.second(f)")
    assert found("proof", one) and found("proof", code("proof('Why', lines)")) == []
    assert found("proof", one, number="05") == []
    assert found("exercises", one) and found("exercises", one, two) == []
    assert found("exercises", one, code("check.second(f)", tags=["solution"]))


# ---- where words come from --------------------------------------------------------------------------------------


def test_needs_and_glossary_are_read():
    readme = "| 01 | [A](01_a.ipynb) | 20 | 1 | 00; sums | x |\n| 05 | [B](05_b.ipynb) | 20 | 1 | 01; names from 03 to 04 | y |\n"
    assert words.needs(readme) == {"01": {"00"}, "05": {"00", "01", "03", "04"}}
    assert words.words("**View, pair** (08). One\n**ψ\\*** (01, 02). Two") == [
        Word("View", ("08",)), Word("pair", ("08",)), Word("ψ*", ("01", "02")),
    ]  # fmt: skip
    known, letters, needs = words.read(ROOT / "lectures")
    assert len(known) > 50 and len(letters) > 30 and needs["12"] >= {"00", "01", "07", "11"}
