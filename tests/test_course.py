"""The course as one whole: neighbours are linked, the indexes are complete, papers and assets are accounted for."""

import fnmatch
import re
from pathlib import Path

import pytest

from tools import build

ROOT = Path(__file__).resolve().parent.parent
SOURCES = build.sources()
LINK = re.compile(r"\]\(([^)#\s]+)\)")


def markdown(src):
    return "\n".join(c.source for c in build.read_source(src).cells if c.cell_type == "markdown")


def test_the_lectures_are_numbered_without_a_gap():
    assert [src.stem[:2] for src in SOURCES] == [f"{i:02d}" for i in range(len(SOURCES))]
    assert len(SOURCES) == 14


@pytest.mark.parametrize("i", range(len(SOURCES)), ids=[src.stem for src in SOURCES])
def test_each_lecture_links_its_neighbours(i):
    links = set(LINK.findall(markdown(SOURCES[i])))
    wanted = {f"{SOURCES[j].stem}.ipynb" for j in (i - 1, i + 1) if 0 <= j < len(SOURCES)}
    assert wanted <= links


@pytest.mark.parametrize("src", SOURCES, ids=lambda p: p.stem)
def test_links_to_lectures_lead_somewhere(src):
    known = {f"{other.stem}.ipynb" for other in SOURCES}
    assert {link for link in LINK.findall(markdown(src)) if link.endswith(".ipynb")} <= known


@pytest.mark.parametrize("index", ["README.md", "lectures/README.md"])
def test_the_indexes_list_every_lecture_and_their_links_exist(index):
    file = ROOT / index
    links = [link for link in LINK.findall(file.read_text(encoding="utf-8")) if "://" not in link]
    for link in links:
        if link.endswith(".ipynb"):  # a lecture may not be built yet: its source must be there
            assert (ROOT / "lectures" / "src" / f"{Path(link).stem}.md").is_file(), link
        else:
            assert (file.parent / link).exists(), link
    assert {Path(link).stem for link in links if link.endswith(".ipynb")} == {src.stem for src in SOURCES}


@pytest.mark.parametrize("src", SOURCES, ids=lambda p: p.stem)
def test_the_time_plan_is_that_of_the_card(src):
    code = "\n".join(c.source for c in build.read_source(src).cells if c.cell_type == "code")
    read, run = re.search(r"minutes=\((\d+), (\d+)\)", code).groups()
    row = re.search(rf"^\| {src.stem[:2]} .*$", (ROOT / "lectures/README.md").read_text("utf-8"), re.M)[0]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert [re.match(r"\d+", cell)[0] for cell in cells[2:4]] == [read, run]


def entries():
    text = (ROOT / "lectures/references.bib").read_text(encoding="utf-8")
    return re.findall(r"^@(\w+)\{(\w+),\n(.*?)^\}", text, re.M | re.S)


def test_the_bibliography_is_well_formed():
    keys = [key for _, key, _ in entries()]
    assert len(keys) == len(set(keys)) >= 20
    for kind, key, body in entries():
        fields = dict(re.findall(r"^  (\w+) = \{(.*)\},$", body, re.M))
        assert {"author", "title", "year"} <= set(fields), key
        assert ("booktitle" in fields) == (kind == "inproceedings"), key
        assert body.count("{") == body.count("}"), key
        assert re.fullmatch(r"\d{4}", fields["year"]), key


def test_every_paper_of_the_note_is_there():
    keys = {key for _, key, _ in entries()}
    assert keys >= {
        "radford2021clip", "chen2020simclr", "chen2021simsiam", "devlin2018bert", "he2022mae",
        "lee2021predicting", "pathak2016context", "zhang2016colorful",
    }  # fmt: skip


def test_every_arxiv_number_that_is_cited_is_in_the_bibliography():
    files = [*SOURCES, *(ROOT / "ssl_course").rglob("*.py")]
    cited = {
        n for f in files for n in re.findall(r"arXiv[:\s]+(\d{4}\.\d{5})", f.read_text(encoding="utf-8"))
    }
    assert cited <= set(
        re.findall(r"eprint = \{(\S+)\}", (ROOT / "lectures/references.bib").read_text("utf-8"))
    )


def test_every_asset_has_its_licence():
    text = (ROOT / "assets/README.md").read_text(encoding="utf-8")
    patterns = {p for row in re.findall(r"^\| (`.*?) \|", text, re.M) for p in re.findall(r"`([^`]+)`", row)}
    names = [p.relative_to(ROOT / "assets").as_posix() for p in (ROOT / "assets").rglob("*") if p.is_file()]
    lost = [n for n in names if n != "README.md" and not any(fnmatch.fnmatch(n, p) for p in patterns)]
    assert not [n for n in lost if not n.endswith(".part")]


def test_the_glossary_names_each_method_of_the_course():
    text = (ROOT / "lectures/glossary.md").read_text(encoding="utf-8")
    for word in ("Context encoder", "MAE", "Annealed mean", "BERT", "GPT", "Jigsaw", "Rotation", "SimCLR",
                 "SimSiam", "BYOL", "CLIP", "CCA", "PCA", "ACE", "ε_CI²", "Whitening", "Linear probe"):  # fmt: skip
        assert f"**{word}" in text or f", {word}" in text, word
    numbers = re.findall(r"^\*\*.*?\*\* \(([\d, ]+)\)", text, re.M)
    assert len(numbers) > 50 and all(0 <= int(n) < 14 for group in numbers for n in group.split(","))
