"""The words and letters of the course, read from lectures/glossary.md and the *needs* of lectures/README.md."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import NamedTuple


class Word(NamedTuple):
    """An entry of the glossary: its name, and the lectures each of which explains it."""

    name: str
    lectures: tuple[str, ...]


class Letter(NamedTuple):
    """A row of the notation table: the symbols it lists, and what they mean."""

    symbols: tuple[str, ...]
    meaning: str
    first: str


def words(text: str) -> list[Word]:
    """The entries ``**Name, other name** (01, 02). …`` of a glossary; "CI" and its long form are two words."""
    entries = re.findall(r"^\*\*(.+?)\*\* \(([\d, ]+)\)", text, re.M)
    return [
        Word(name.replace("\\", ""), tuple(numbers.split(", ")))
        for names, numbers in entries
        for name in names.split(", ")
    ]


def letters(text: str) -> list[Letter]:
    """The rows of a glossary's notation table."""
    rows = re.findall(r"^\| ([^|]+) \| ((?:[^|\\]|\\.)+) \| (\d\d) \|", text, re.M)
    return [Letter(tuple(symbols.split(", ")), meaning, first) for symbols, meaning, first in rows]


def base(symbol: str) -> str:
    """The letter of a symbol, without index, star, hat or tilde: "ε̃_CI²" → "ε"."""
    return unicodedata.normalize("NFD", symbol)[0]


GREEK = {
    name: letter
    for name, letter in zip(
        "alpha beta delta varepsilon epsilon eta lambda mu Pi psi rho sigma Sigma tau ell".split(),
        "αβδεεηλμΠψρσΣτℓ",
        strict=True,
    )
}


def letters_of(latex: str) -> set[str]:
    """The letters that a formula uses: names of functions and indices of several letters left out."""
    bare = re.sub(r"\\(?:mathrm|text|texttt|operatorname)\{[^{}]*\}|_\{[A-Za-z]{2,}\}", " ", latex)
    commands = re.findall(r"\\([A-Za-z]+)", bare)
    single = re.findall(r"[A-Za-z]", re.sub(r"\\[A-Za-z]+", " ", bare))
    return {GREEK[c] for c in commands if c in GREEK} | set(single)


def needs(readme: str) -> dict[str, set[str]]:
    """Lecture → all that it builds on, through others too, from the table's column *needs* ("00, 02 to 04")."""
    direct = {}
    for number, column in re.findall(r"^\| (\d\d) \| \[.*?\|[^|]*\|[^|]*\| ([^|]*) \|", readme, re.M):
        spans = re.findall(r"\b(\d\d)(?: to (\d\d))?\b", column)
        direct[number] = {f"{n:02}" for a, b in spans for n in range(int(a), int(b or a) + 1)}

    def closure(number: str) -> set[str]:
        return set().union(*({n} | closure(n) for n in direct.get(number, ())))

    return {number: closure(number) for number in direct}


def read(lectures: Path) -> tuple[list[Word], list[Letter], dict[str, set[str]]]:
    """Words, letters and needs of a folder of lectures; empty where a file is missing."""
    texts = [
        p.read_text(encoding="utf-8") if p.exists() else ""
        for p in (lectures / "glossary.md", lectures / "README.md")
    ]
    return words(texts[0]), letters(texts[0]), needs(texts[1])
