"""What a lecture says: words before their definition, letters with two meanings, answers, captions, claims, proofs.

`tools.lint` calls `problems`; each problem begins with the name of its rule. An author who means a sentence as it stands
writes ``<!-- allowed: reason -->`` into its paragraph (Markdown, or the text of `say`), or ``# allowed: reason`` into the
code cell: that silences `claim` and `letter` there, and `caption` and `source` in the cell.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html import unescape
from typing import NamedTuple

from nbformat import NotebookNode

from tools.words import Letter, Word, base

RULES = ("word", "letter", "answer", "caption", "claim", "source", "proof", "exercises")
SPEAKING = ("say", "reveal", "predict", "proof")  # calls whose strings a student reads
FOLDED = {"solution", "hold", "home", "set-up"}  # tags of cells that are no prose
# Words of the glossary that are also plain English, where only the plain sense can be meant as often as the other.
ORDINARY = {"dependence", "light", "tint", "view", "negative", "rotation", "spread", "temperature", "biome"}
# Lectures that rest on a statement with a proof.
WITH_PROOF = {"01", "02", "03", "04", "06", "07", "08", "09", "10", "11", "12"}
LONGEST_SOURCE = 25  # lines that show_source may print


class Passage(NamedTuple):
    """A paragraph, or what one call says; ``kind`` is "markdown" or the name of the call."""

    cell: int
    kind: str
    text: str


def problems(
    notebook: NotebookNode,
    number: str,
    words: list[Word],
    letters: list[Letter],
    needs: dict[str, set[str]],
) -> list[str]:
    """What is wrong with a lecture's prose, one line a problem; ``number`` is "07"."""
    said = list(passages(notebook))
    known = needs.get(number, set()) | {number}
    return [
        *_words_before_definition(said, number, words, known),
        *_two_meanings(said, number, letters),
        *_answers_before_questions(notebook),
        *_captions(notebook),
        *_claims(notebook, said),
        *_long_sources(notebook),
        *_parts(notebook, number),
    ]


# ------------------------------------------------------------------------------------------------ what is said


def passages(notebook: NotebookNode) -> Iterator[Passage]:
    """Paragraphs, headings and spoken strings in their order, without references and folded cells."""
    references = False
    for i, cell in enumerate(notebook.cells):
        if FOLDED & set(cell.metadata.get("tags", [])):
            continue
        if cell.cell_type == "code":
            for name, text in spoken(cell.source):
                yield Passage(i, name, text)
            continue
        for paragraph in re.split(r"\n\s*\n", re.sub(r"(?s)```.*?```", "", cell.source)):
            if heading := re.match(r"#+ (.*)", paragraph):
                references = heading[1].startswith("References")
                yield Passage(i, "heading", heading[1])
                paragraph = paragraph[heading.end() :]
            if paragraph.strip() and not references:
                yield Passage(i, "markdown", paragraph)


def spoken(source: str) -> Iterator[tuple[str, str]]:
    """(call, its text) for each `say`, `reveal`, `predict` and `proof` of a cell; an f-string's fields become "…"."""
    for call in _calls(source):
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        if name in SPEAKING:
            given = call.args[1:] if name in ("reveal", "predict") else call.args
            named = [k.value for k in call.keywords if k.arg != "kind"]
            texts = [_string(argument) for argument in [*given, *named] if _string(argument) != "choice"]
            yield name, " ".join(t for t in texts if t)


def _calls(source: str) -> Iterator[ast.Call]:
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a magic: nothing of ours
        return
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _string(node: ast.AST) -> str:
    """The text of string constants under an expression; calls inside have their own."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(_string(v) or "…" for v in node.values)
    if isinstance(node, ast.BinOp | ast.List | ast.Tuple | ast.IfExp):
        return " ".join(t for t in map(_string, ast.iter_child_nodes(node)) if t)
    return ""


def plain(text: str) -> str:
    """Formulas as prose writes them: ``$\\varepsilon_{CI}^2$`` → ε_CI²; code and links away."""
    text = re.sub(r"(?s)<!--.*?-->|`[^`]*`|\]\([^)]*\)", " ", text)
    for latex, letter in ((r"\\var?epsilon", "ε"), (r"\\psi", "ψ"), (r"\\sigma", "σ"), (r"\\lambda", "λ"), (r"\\delta", "δ"),
                          (r"\\tilde\s*\{?ε\}?", "ε̃"), (r"\\tau", "τ")):  # fmt: skip
        text = re.sub(latex + r"(?![A-Za-z])", letter, text)
    text = re.sub(r"_\{([A-Za-z]+)\}", r"_\1", text)
    return text.replace("^*", "*").replace("^2", "²")


def _emphasised(p: Passage) -> str:
    """What a paragraph sets in bold or italics; a heading is both."""
    if p.kind == "heading":
        return p.text
    return " · ".join(re.findall(r"\*\*?([^*\n]+(?:\n[^*\n]+)?)\*\*?", plain(p.text)))


# ------------------------------------------------------------------------------------------------------- words


def _pattern(name: str) -> re.Pattern[str]:
    ending = r"(?:e?s)?(?!\w)" if name[-1].isalpha() else r"(?!\*)"
    begin = r"(?<![\w_ε*])" if name.endswith("*") else r"(?<![\w_ε])"  # ψ*, but not the italic *ψ*
    acronym = sum(c.isupper() for c in name) > 1
    return re.compile(
        begin + re.escape(name).replace(r"\ ", r"[\s-]+") + ending, 0 if acronym or _symbol(name) else re.I
    )


def _symbol(name: str) -> bool:
    return not name.isascii() or "_" in name


def _words_before_definition(
    said: list[Passage], number: str, words: list[Word], known: set[str]
) -> Iterator[str]:
    for word in words:
        here, pattern = number in word.lectures, _pattern(word.name)
        if word.name.lower() in ORDINARY or len(word.name) < 2 or set(word.lectures) & (known - {number}):
            continue
        uses = [p for p in said if p.kind != "heading" and pattern.search(plain(p.text))]
        if _symbol(word.name):
            if here or (
                uses and re.search(pattern.pattern + r"\$?(?:\([^)]*\))?\s*&?=", plain(uses[0].text))
            ):
                continue  # a formula says what it is
        elif here:
            own = next((p for p in said if pattern.search(_emphasised(p))), None)
            if own is None:
                yield f'word: "{word.name}" is explained in this lecture (glossary), yet nowhere stands in *italics* or **bold**'
                continue
            before = said[: said.index(own)]
            uses = [
                p for p in uses if p in before and p.cell not in (0, own.cell)
            ]  # cell 0 says what is to come
        if uses and not set(word.lectures) & _pointed_at(uses[0].text):
            where = "only later" if here else f"in lecture {' or '.join(word.lectures)}"
            yield (
                f'cell {uses[0].cell}: word: "{word.name}" is explained {where}: '
                f'"{_around(plain(uses[0].text), pattern)}"'
            )


def _pointed_at(text: str) -> set[str]:
    """The lectures that a paragraph sends its reader to: "lectures 02 to 04", "(09)", a link."""
    spans = re.findall(r"(?:\blectures?\b[^.;]*?|\()\b(\d\d)(?:(?: to |[-–])(\d\d))?\b", text)
    several = re.findall(r"\blectures?\b[^.;]*", text)
    numbers = set(re.findall(r"\]\((\d\d)_", text)) | set(re.findall(r"\b\d\d\b", " ".join(several)))
    for first, last in spans:
        numbers |= {f"{n:02}" for n in range(int(first), int(last or first) + 1)}
    return numbers


def _around(text: str, pattern: re.Pattern[str], side: int = 30) -> str:
    found = pattern.search(text)
    low, high = (max(0, found.start() - side), found.end() + side) if found else (0, 2 * side)
    return " ".join(text[low:high].split())


# ----------------------------------------------------------------------------------------------------- letters

# Forms that give a letter of the glossary a second meaning, and what to write.
SECOND_MEANINGS = [
    (r"σ² *\+ *a\b|Tr Cov\(Y ?\| ?X₁\)[^.]{0,20}σ²|σ² *= *\\mathrm\{Tr\}|σ² ?k ?/ ?n|label(?:s'| noise)[^.]{0,12} σ²|σ²[^.]{0,12}labels' noise",
     "the label noise is V"),
    (r"2 ?σ²|d²? ?/ ?\(?2?σ|blur[^.]{0,20}σ", "the width of a Gaussian is b; σ is a singular value"),
    (r"δ² *=|\+ *δ\)|ψ\}? *misses[^.]{0,30}δ", "δ is the probability of the world of two bits; a ψ̂ that misses needs no letter"),
    (r"2k *[-−] *2|\b[IL]_k\b|i *(?:\\le|≤) *k\b.{0,6}(?:ρ|\\rho)|k *= *1\$?[^.]{0,20}number|each, \$?k", "the number of components is r; k that of classes"),
    (r"λ\)? *(?:\\tilde *)?p̃?\b[^.]{0,8}λ */ *Q|λ */ *Q", "the mixing weight is μ; λ is the dependence"),
    (r"\bz_[12]\$? *= *\$?z_[12]\$?\)|(?:light|tint) \$z_[12]", "z is the projection; write light and tint"),
    (r"e\^\{s ", "write the temperature, exp(uᵀv/τ); s is a word's sign"),
]  # fmt: skip
_ANEW = r"\b(?:where|here|let|now|with)\b[^.\w]{0,3}%s[^\w²^*_]{0,3}(?:is|be|stands for|means|denotes)\s+((?:[\w'’-]+[\s,]*){1,9})"


def _two_meanings(said: list[Passage], number: str, letters: list[Letter]) -> Iterator[str]:
    for p in said:
        text = plain(p.text)
        if _allowed(p.text):
            continue
        for form, instead in SECOND_MEANINGS:
            if found := re.search(form, text):
                yield f'cell {p.cell}: letter: "{_around(text, re.compile(re.escape(found[0])))}": {instead}'
        for row in letters:
            for letter in {base(symbol) for symbol in row.symbols} - set("XxYyEPψη"):  # "let Y be the light"
                for anew in re.finditer(_ANEW % re.escape(letter), text.replace("$", "")):
                    if row.first != number and not _akin(anew[1], row.meaning):
                        yield f'cell {p.cell}: letter: "{" ".join(anew[0].split())}": {letter} is {row.meaning} (glossary)'


def _akin(phrase: str, meaning: str) -> bool:
    """Whether both share a word of four letters or more, endings aside."""
    stems = [{w[:5] for w in re.findall(r"[a-z]{4,}", t.lower())} for t in (phrase, meaning)]
    return bool(stems[0] & stems[1])


# ----------------------------------------------------------------------------------------- answers, captions


NUMBER = re.compile(r"(?<![\w.,])(?:\d{1,3}(?:,\d{3})+|\d+)?\.?\d+(?![\w])(?!\.\d)")


def _numbers(text: str) -> set[str]:
    """Numbers as written, commas and leading zeros away."""
    return {n.replace(",", "").lstrip("0") or "0" for n in NUMBER.findall(text)}


def _digits(written: str) -> int:
    return len(
        written.replace(".", "").lstrip("0").rstrip("0")
        if "." not in written
        else written.replace(".", "").lstrip("0")
    )


def _answers_before_questions(notebook: NotebookNode) -> Iterator[str]:
    """A measured number that stands, to two digits in prose and to three in an output, above its question."""
    asked: dict[str, tuple[int, str]] = {}
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        for call in _calls(cell.source):
            name = getattr(call.func, "id", "")
            if name in ("predict", "reveal") and call.args and isinstance(call.args[0], ast.Constant):
                key = call.args[0].value
                if name == "predict":
                    asked[key] = i, _string(call.args[1]) if len(call.args) > 1 else ""
                elif (measured := _measured_by(cell)) and key in asked:
                    yield from _printed_above(notebook, key, *asked[key], measured)


def _measured_by(cell: NotebookNode) -> str:
    for output in cell.outputs:
        text = "".join(output.get("data", {}).get("text/plain", ""))
        if found := re.search(r"^guess: .*?; measured: ([\d.,]*\d)(?:\.$|\. )", text):
            return found[1].replace(",", "").lstrip("0") or "0"
    return ""


def _printed_above(
    notebook: NotebookNode, key: str, place: int, question: str, measured: str
) -> Iterator[str]:
    if _digits(measured) < 2:
        return
    if measured in _numbers(question):
        yield f"cell {place}: answer: {key} asks for {measured}, which its question contains"
    for i, cell in enumerate(notebook.cells[:place]):
        prose = cell.source if cell.cell_type == "markdown" else " ".join(t for _, t in spoken(cell.source))
        if measured in _numbers(prose) or (_digits(measured) > 2 and measured in _numbers(_outputs(cell))):
            yield f"cell {place}: answer: {key} asks for {measured}, which stands in cell {i} above it"
            return


def _outputs(cell: NotebookNode) -> str:
    """What a cell printed and said, tags and pictures away."""
    texts = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        html = "".join(data.get("text/html", ""))
        texts += [
            output.get("text", ""),
            "".join(data.get("text/markdown", "")),
            unescape(re.sub(r"(?s)<[^>]*>", " ", html)),
        ]
        texts += re.findall(r'\balt="([^"]*)"', html) if "<img" in html else []
        texts.append("" if html or "text/markdown" in data else "".join(data.get("text/plain", "")))
    return "\n".join(texts)


CAPTIONS = {
    "figure": ("alt",),
    "pictures": ("alt", "caption", "captions"),
    "set": ("title",),
    "suptitle": (),
    "set_title": (),
}


def _captions(notebook: NotebookNode) -> Iterator[str]:
    """Digits typed into an alt text or a title that neither the run so far nor the code, which it reads, contains."""
    known: set[str] = set()
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        typed, strings = [], set()
        for call in _calls(cell.source):
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            if name in CAPTIONS:
                nodes = [k.value for k in call.keywords if k.arg in CAPTIONS[name]]
                nodes += call.args[:1] if name in ("suptitle", "set_title") else []
                typed += [_string(n) for n in nodes]
                strings |= {id(c) for n in nodes for c in ast.walk(n)}
        code = _without(cell.source, typed)
        figures = [
            o
            for o in cell.get("outputs", [])
            if "ssl-figure" in "".join(o.get("data", {}).get("text/html", ""))
        ]
        printed = NotebookNode(outputs=[o for o in cell.get("outputs", []) if o not in figures])
        known |= _numbers(code) | _numbers(_outputs(printed))
        if "# allowed:" not in cell.source:
            for text in typed:
                for number in sorted(_numbers(text) - known):
                    yield f'cell {i}: caption: {number} in "{text[:60]}…" occurs neither in an output so far nor in the code: fill it in'
        known |= _numbers(" ".join(typed))


def _without(source: str, texts: list[str]) -> str:
    """A cell's code without the constant parts of those texts."""
    for text in texts:
        for part in text.split("…"):
            source = source.replace(part, " ") if part.strip() else source
    return source


# ------------------------------------------------------------------------------------------------------ claims

_OPTIMUM = (  # the best of something is what a formula or a definition says
    r"(?:at best|leads up to|\bbest (?:that any|possible|linear|(?:\w+ )?predict\w*|function|L2|one for L_mask|guess|answer|pair|pairs|η|ψ|probe of|classifier|weights?|directions?|"
    r"known|of (?:all|both) (?:possible )?functions)|second[- ]best|(?:the|its) best (?:in|of) (?:squared|mean) (?:error|square)|loss[^.]{0,20} its best)"
)
_CLAIM = re.compile(
    r"\b(better|best|worse|worst|leads?|led by|beats?|beaten|outperforms?|wins?|winner|ahead of|overtakes?)\b"
    r"|\b(?:is|are|comes?|stays?|ranks?|was|came) (first|last)\b(?! (?:to|made|taken|learned|drawn|trained))|\b(first|last) (?:is|comes) "
    r"|\b(?:more|less|fewer|higher|lower|larger|smaller)\b[^.:;]{0,80}\bbecause\b"
    r"|\bbecause\b[^.:;]{0,80}\b(?:more|less|fewer|higher|lower|larger|smaller)\b"
)
_INTERVAL = re.compile(
    r"±|95 ?%|confidence|interval|standard errors?|error bars?|\bties?\b|\btied\b|half[- ]width"
)


def _claims(notebook: NotebookNode, said: list[Passage]) -> Iterator[str]:
    """Comparatives about results in a cell that shows no interval; a Markdown cell may rest on the output above it."""
    shown = ""
    beside: dict[int, str] = {}
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and not FOLDED & set(cell.metadata.get("tags", [])):
            shown = cell.source + "\n" + _outputs(cell)
        beside[i] = cell.source + "\n" + shown
    for p in said:
        if p.kind == "predict" or _allowed(p.text) or "# allowed:" in notebook.cells[p.cell].source:
            continue
        if _INTERVAL.search(beside[p.cell]):
            continue
        for sentence in re.split(r"(?<=[.!?:])\**\s+", re.sub(_OPTIMUM, " ", plain(p.text))):
            if (found := _CLAIM.search(sentence)) and not sentence.rstrip("* \n").endswith("?"):
                yield (
                    f'cell {p.cell}: claim: "{found[0].strip()}" without an interval in the cell or its output: '
                    f'"{_around(sentence, _CLAIM, 45)}"'
                )
                break


def _allowed(text: str) -> bool:
    return bool(re.search(r"<!--\s*allowed:\s*\w", text))


# ----------------------------------------------------------------------------------------- sources, proofs, tasks


def _long_sources(notebook: NotebookNode) -> Iterator[str]:
    for i, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            html = "".join(data.get("text/html", ""))
            if "ssl-source" in html and "# allowed:" not in cell.source:
                lines = len("".join(data.get("text/plain", "")).strip().splitlines())
                name = re.search(r"from <code>([\w.]+)</code>", html)
                if lines > LONGEST_SOURCE:
                    yield f"cell {i}: source: {name[1] if name else '?'} prints {lines} lines: show_source(…, lines=(first, last))"


def _parts(notebook: NotebookNode, number: str) -> Iterator[str]:
    code = [c for c in notebook.cells if c.cell_type == "code"]
    if number in WITH_PROOF and not any(re.search(r"^proof\(", c.source, re.M) for c in code):
        yield "proof: the page derives nothing: a cell with proof(title, lines)"
    tasks = {
        name
        for c in code
        if not FOLDED & set(c.metadata.get("tags", []))
        for name in re.findall(r"\bcheck\.(\w+)\(", c.source)
    }
    if not 2 <= len(tasks) <= 4:
        yield f"exercises: {len(tasks)}, not two to four"
