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
# Words of the glossary whose plain sense is as frequent, and the form that has only the course's sense, if one has.
ORDINARY = {"spread": "", "negative": "negatives"}
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
    prose = list(passages(notebook))
    known = needs.get(number, set()) | {number}
    return [
        *_words_before_definition(prose, number, words, known),
        *_two_meanings(notebook, prose, number, letters),
        *_answers_before_questions(notebook),
        *_captions(notebook),
        *_claims(notebook, prose),
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
    """The text of string constants under an expression, a line each of a list's; calls inside have their own."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(_string(v) or "…" for v in node.values)
    if isinstance(node, ast.BinOp | ast.List | ast.Tuple | ast.IfExp):
        between = "\n" if isinstance(node, ast.List | ast.Tuple) else " "
        return between.join(t for t in map(_string, ast.iter_child_nodes(node)) if t)
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
    prose: list[Passage], number: str, words: list[Word], known: set[str]
) -> Iterator[str]:
    for word in words:
        form = ORDINARY.get(word.name.lower(), word.name)
        if len(form) < 2 or set(word.lectures) & (known - {number}):
            continue
        here, pattern = number in word.lectures, _pattern(form)
        uses = [p for p in prose if p.kind != "heading" and pattern.search(plain(p.text))]
        if _symbol(word.name):
            if here or (
                uses and re.search(pattern.pattern + r"\$?(?:\([^)]*\))?\s*&?=", plain(uses[0].text))
            ):
                continue  # a formula says what it is
        elif here:
            own = next((p for p in prose if pattern.search(_emphasised(p))), None)
            if own is None:
                yield f'word: "{word.name}" is explained in this lecture (glossary), yet nowhere stands in *italics* or **bold**'
                continue
            before = prose[: prose.index(own)]
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
    spans = re.findall(r"(?:\b[Ll]ectures?\b[^.;]*?|\()\b(\d\d)(?:(?: to |[-–])(\d\d))?\b", text)
    several = re.findall(r"\b[Ll]ectures?\b[^.;]*", text)
    numbers = set(re.findall(r"\]\((\d\d)_", text)) | set(re.findall(r"\b\d\d\b", " ".join(several)))
    for first, last in spans:
        numbers |= {f"{n:02}" for n in range(int(first), int(last or first) + 1)}
    return numbers


def _around(text: str, pattern: re.Pattern[str], side: int = 30) -> str:
    match = pattern.search(text)
    low, high = (max(0, match.start() - side), match.end() + side) if match else (0, 2 * side)
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
_ITS = r"%s(?:_\{?\w+\}?|[₀-₉])?"  # the letter, with an index or without
_ANEW = (
    rf"(?:\b(?:[Ww]here|[Hh]ere|[Ll]et|[Nn]ow|[Ww]ith)\b[^.\w]{{0,3}}{_ITS}[^\w²^*_]{{0,3}}"
    r"(?:is|are|be|stands for|means|denotes|for(?=\s(?:an?|the)\s))"
    rf"|(?:^|[.;:(]\s*|\n){_ITS} (?:is|are)(?=\s(?:the|how|what)\b))\s+((?:[\w'’-]+[\s,]*){{1,9}})"
)
_COUNTED = (  # "B pictures", where B is no number
    r"(?<![\w'’^_{\\])%s (?:pictures|classes|captions|tokens|patches|words|tiles|views|samples|steps|places|numbers"
    r"|pairs|rows|columns)\b"
)


def _two_meanings(
    notebook: NotebookNode, prose: list[Passage], number: str, letters: list[Letter]
) -> Iterator[str]:
    for p in prose:
        text = plain(p.text)
        if _meant(notebook, p):
            continue
        for form, instead in SECOND_MEANINGS:
            if match := re.search(form, text):
                yield f'cell {p.cell}: letter: "{_around(text, re.compile(re.escape(match[0])))}": {instead}'
        text = text.replace("$", "")
        for row in letters:
            for letter in {base(symbol) for symbol in row.symbols} - set("XxYyEPψη"):  # "let Y be the light"
                anew = [
                    m[0]
                    for m in re.finditer(_ANEW.replace("%s", re.escape(letter)), text)
                    if row.first != number and not _akin(m[1], row.meaning)
                ]
                if letter not in "aA" and not re.search("number|size|how many", row.meaning):
                    anew += re.findall(_COUNTED % letter, text)
                for words in anew:
                    yield f'cell {p.cell}: letter: "{" ".join(words.split())}": {letter} is {row.meaning} (glossary)'


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
    """A measured number, to two digits in prose and to three in an output, or the right choice above its question."""
    asked: dict[str, tuple[int, str, list[str]]] = {}
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        for call in _calls(cell.source):
            name = getattr(call.func, "id", "")
            if name in ("predict", "reveal") and call.args and isinstance(call.args[0], ast.Constant):
                key = call.args[0].value
                if name == "predict":
                    given = [*call.args[1:], *(k.value for k in call.keywords)]
                    choices = [_string(c) for node in given if isinstance(node, ast.List) for c in node.elts]
                    asked[key] = i, _string(given[0]) if given else "", choices
                elif (measured := _measured_by(cell)) and key in asked:
                    place, question, choices = asked[key]
                    if right := next((c for c in choices if c and measured.startswith(f"{c}.")), ""):
                        offered = [c for *_, options in asked.values() for c in options]
                        yield from _told_above(notebook, key, place, " | ".join([question, *offered]), right)
                    elif match := re.match(r"([\d.,]*\d)(?:\.$|\. )", measured):
                        number = match[1].replace(",", "").lstrip("0") or "0"
                        yield from _printed_above(notebook, key, place, question, number)


def _measured_by(cell: NotebookNode) -> str:
    """What a cell's `reveal` measured, and what it says of it; empty where it reveals nothing."""
    for output in cell.outputs:
        text = "".join(output.get("data", {}).get("text/plain", ""))
        if match := re.search(r"(?s)^guess: .*?; measured: (.*)", text):
            return match[1]
    return ""


def _told_above(notebook: NotebookNode, key: str, place: int, asked: str, right: str) -> Iterator[str]:
    """The right choice, or two words or more of it up to a comma; not what its question or another choice says, too."""
    for part in re.split(r"[,:;]\s+|[()]", right):
        words = rf"(?<!\w){re.escape(_folded(part))}(?!\w)"
        if (
            " " not in part.strip()
            or not re.search(r"\w{4}", part)
            or len(re.findall(words, _folded(asked))) > 1
        ):
            continue
        for i, cell in enumerate(notebook.cells[:place]):
            if re.search(words, _folded(_read(cell))):
                yield f'cell {place}: answer: {key} asks for "{right}": "{part}" stands in cell {i} above it'
                return


def _read(cell: NotebookNode) -> str:
    """What a reader sees of a cell: prose, titles, outputs; nothing of one that asks, or that is folded."""
    if cell.cell_type == "markdown":
        return cell.source
    calls = [*spoken(cell.source)]
    if FOLDED & set(cell.metadata.get("tags", [])) or "predict" in dict(calls):
        return ""
    return "\n".join([*(text for _, text in calls), *_titles(cell.source), _outputs(cell)])


def _folded(text: str) -> str:
    return " ".join(re.sub(r"[*$]", "", plain(text)).casefold().split())


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


def _titles(source: str) -> list[str]:
    """What an author typed into the alt texts, captions and titles of a cell."""
    typed: list[str] = []
    for call in _calls(source):
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        if name in CAPTIONS:
            nodes = [k.value for k in call.keywords if k.arg in CAPTIONS[name]]
            typed += map(_string, nodes + (call.args[:1] if name in ("suptitle", "set_title") else []))
    return typed


def _captions(notebook: NotebookNode) -> Iterator[str]:
    """Digits typed into an alt text or a title that neither the run so far nor the code, which it reads, contains."""
    known: set[str] = set()
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        typed = _titles(cell.source)
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
_INTERVAL = re.compile(r"±|interval|standard errors?|error bars?|\bties?\b|\btied\b|half[- ]width")


def _claims(notebook: NotebookNode, prose: list[Passage]) -> Iterator[str]:
    """Comparatives about results without an interval in the paragraph or the call itself.

    What a call says is read as it was printed, too; a paragraph of Markdown may rest on the output above it.
    """
    shown = ""
    beside: dict[int, str] = {}
    for i, cell in enumerate(notebook.cells):
        beside[i] = shown
        if cell.cell_type == "code" and not FOLDED & set(cell.metadata.get("tags", [])):
            shown = _outputs(cell)
            spoke = [
                o for o in cell.get("outputs", []) if re.search(r"text/markdown|ssl-(?:shown|proof)", str(o))
            ]
            beside[i] = _outputs(NotebookNode(outputs=spoke))
    for p in prose:
        if p.kind == "predict" or _meant(notebook, p) or _INTERVAL.search(p.text + beside[p.cell]):
            continue
        for sentence in re.split(r"(?<=[.!?:])\**\s+", re.sub(_OPTIMUM, " ", plain(p.text))):
            if (match := _CLAIM.search(sentence)) and not sentence.rstrip("* \n").endswith("?"):
                yield (
                    f'cell {p.cell}: claim: "{match[0].strip()}" without an interval beside it: '
                    f'"{_around(sentence, _CLAIM, 45)}"'
                )
                break


def _meant(notebook: NotebookNode, p: Passage) -> bool:
    """Whether its author says why a passage is right as it stands."""
    return bool(re.search(r"<!--\s*allowed:\s*\w", p.text)) or "# allowed:" in notebook.cells[p.cell].source


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
