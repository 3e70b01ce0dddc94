import pytest

from ssl_course.course.proof import proof

LINES = [(r"a^2 \ge 0", "a square"), ("b = 2", "chosen", "it is {b:.1f}"), ("a^2 + b > 0", "their sum")]


def test_lines_are_numbered_have_reasons_and_numbers_of_the_run():
    text = proof("a sum that is positive", LINES, b=2)._repr_markdown_()
    body = text.split("</summary>")[1]
    assert [row[:2] for row in body.splitlines() if row[:1].isdigit()] == ["1.", "2.", "3."]
    assert r"$\displaystyle a^2 \ge 0$" in body and "their sum ∎" in body and "*Here:* it is 2.0" in body
    assert "a sum that is positive</summary>" in text


def test_markdown_makes_it_one_folded_list_with_its_formulas():
    markdown = pytest.importorskip("markdown_it").MarkdownIt()
    html = markdown.render(proof("t", LINES, b=2)._repr_markdown_())
    details = html[html.index("<details>") : html.index("</details>")]
    assert details.count("<li>") == 3 and details.count("$") == 6  # left for whoever typesets


def test_what_is_wrong_is_said():
    with pytest.raises(ValueError, match="three to eight lines, not 2"):
        proof("t", LINES[:2], b=2)
    with pytest.raises(ValueError, match="line 1 of the proof types its numbers"):
        proof("t", [("a", "r", "it is 3"), *LINES[1:]], b=2)
    with pytest.raises(ValueError, match="does not use c"):
        proof("t", LINES, b=2, c=3)
