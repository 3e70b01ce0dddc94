"""A derivation on a lecture's page: numbered lines, each with its reason,
and beside them what this run measures."""

import re
from collections.abc import Sequence
from html import escape

from ssl_course.course import palette
from ssl_course.course.lecture import Prose, boxed, say

# On paper nothing can be unfolded.
_PRINT = (
    "<style>@media print{.ssl-proof details::details-content{content-visibility:visible;height:auto}}</style>"
)


def proof(title: str, lines: Sequence[tuple[str, str] | tuple[str, str, str]], **numbers: object) -> Prose:
    """A folded card: *title*, and under it three to eight numbered lines.

    It is Markdown, not HTML, since only there every notebook home typesets formulas.

    Args:
        title: what is shown, in plain words; no formula, since a summary does not typeset one everywhere.
        lines: (formula without dollars, its reason) each; a third part is a sentence with ``{name}`` or
            ``{name:.3f}`` for what the run measures at this line, as in `say`.
        numbers: what these names are.

    Raises:
        ValueError: fewer than three lines or more than eight, a third part without a number of the run, a
            number that no line uses.
    """
    if not 3 <= len(lines) <= 8:
        raise ValueError(
            f"a proof card has three to eight lines, not {len(lines)}: split it, or name a step in a reason"
        )
    steps = []
    for place, (formula, reason, *here) in enumerate(lines, start=1):
        if here and not re.search(r"\{[A-Za-z_]", here[0]):
            raise ValueError(f"line {place} of the proof types its numbers: write {{name}}, and give name=…")
        measured = f"<br>\n   *Here:* {here[0]}" if here else ""
        steps.append(f"{place}. $\\displaystyle {formula}$<br>\n   {reason}{measured}")
    # A blank line ends HTML and begins Markdown.
    head, tail = boxed(
        f"<details><summary><b>Proof.</b> {escape(title)}</summary>\n\n@\n\n</details>",
        palette.PSI,
        "ssl-proof",
    ).split("@")
    return say(_PRINT + head + "\n".join(steps) + " ∎" + tail, **numbers)
