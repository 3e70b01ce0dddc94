"""The students' edition: no solution left, the stubs are there, every check says "not solved yet", nothing raises."""

import ast
import builtins
import re
import zipfile

import nbformat
import pytest

from ssl_course.course.exercises.card import Card
from tools import build, handout

SOURCES = build.sources()


@pytest.fixture(scope="module")
def edition(tmp_path_factory):
    """src → its notebook in the zip."""
    packed = handout.handout(tmp_path_factory.mktemp("build") / "handout")
    with zipfile.ZipFile(packed) as archive:
        names = archive.namelist()
        books = {
            src: nbformat.reads(archive.read(f"ssl-course/lectures/{src.stem}.ipynb").decode(), as_version=4)
            for src in SOURCES
        }
    return names, books


def test_the_zip_has_what_make_lab_needs_and_no_source_of_a_lecture(edition):
    names, _ = edition
    for needed in (
        "Makefile",
        "pyproject.toml",
        "requirements.txt",
        "tools/install.py",
        "ssl_course/cli.py",
        "assets/jupyter/overrides.json",
    ):
        assert f"ssl-course/{needed}" in names
    assert not [n for n in names if "/lectures/src/" in n or n.endswith(".pyc") or "/tests/" in n]


def loads(tree):
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def defines(tree):
    """Names that a cell leaves behind: those of its top level, comprehensions left out."""
    names, nodes = set(), list(tree.body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(a.asname or a.name).split(".")[0] for a in node.names}
        elif not isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            nodes += ast.iter_child_nodes(node)
    return names


def is_stub(cell):
    return bool(re.search(r"^check\.\w+\(|= check\.\w+\(", cell.source, re.M))


@pytest.mark.parametrize("src", SOURCES, ids=lambda p: p.stem)
def test_no_solution_is_left_and_every_stub_is_there(src, edition):
    book, full = edition[1][src], build.read_source(src)
    assert not [c for c in book.cells if {"solution", "hold"} & set(c.metadata.get("tags", []))]
    assert not [c for c in book.cells if c.cell_type == "code" and re.search(r"^\s*assert\b", c.source, re.M)]
    assert not [c for c in book.cells if c.metadata.get("slideshow", {}).get("slide_type") == "notes"]
    assert all(not c.outputs and c.execution_count is None for c in book.cells if c.cell_type == "code")
    asked = {
        name
        for c in full.cells
        if "solution" in c.metadata.get("tags", [])
        for name in re.findall(r"\bcheck\.(\w+)\(", c.source)
    }
    left = {
        name
        for c in book.cells
        if c.cell_type == "code"
        for name in re.findall(r"\bcheck\.(\w+)\(", c.source)
    }
    assert asked and asked <= left


@pytest.mark.parametrize("src", SOURCES, ids=lambda p: p.stem)
def test_nothing_needs_what_only_a_cell_left_out_defines(src, edition):
    """Names are only compared: no lecture is run."""
    kept, gone = set(dir(builtins)) | {"get_ipython"}, set()
    for cell in build.read_source(src).cells:
        if cell.cell_type == "code" and {"solution", "hold"} & set(cell.metadata.get("tags", [])):
            gone |= defines(ast.parse(cell.source))
    for cell in (c for c in edition[1][src].cells if c.cell_type == "code"):
        tree = ast.parse(cell.source)
        bound = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        bound |= {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
        kept |= defines(tree) | bound
        assert not (loads(tree) - kept) & gone, f"a cell uses what no kept cell defined: {cell.source[:80]}"


@pytest.mark.slow
@pytest.mark.parametrize("src", SOURCES, ids=lambda p: p.stem)
def test_every_check_says_not_solved_yet(src, edition, monkeypatch):
    """Runs each stub, with those earlier cells alone that define a name it needs."""
    monkeypatch.chdir(build.ROOT / "lectures")
    code = [c for c in edition[1][src].cells if c.cell_type == "code"]
    trees = [ast.parse(c.source) for c in code]
    stubs = [i for i, c in enumerate(code) if is_stub(c)]
    assert stubs
    for i in stubs:
        wanted, needed = {i}, loads(trees[i])
        for j in range(i - 1, -1, -1):
            if defines(trees[j]) & needed and not is_stub(code[j]):
                wanted.add(j)
                needed |= loads(trees[j])
        space = {"__name__": "handout"}
        for j in sorted(wanted - {i}):
            exec(compile(trees[j], src.stem, "exec"), space)
        *before, last = trees[i].body
        exec(compile(ast.Module(before, []), src.stem, "exec"), space)
        assert isinstance(last, ast.Expr), "the check is the last expression, so that its card shows"
        card = eval(compile(ast.Expression(last.value), src.stem, "eval"), space)
        assert isinstance(card, Card) and card.state == "unsolved", code[i].source
        assert "Not solved yet" in repr(card)


# ---- the ids by which a newer edition finds its cells in a student's copy -----------------------------------------


def source(folder, *cells):
    file = folder / "lectures" / "src" / "99_x.md"
    file.parent.mkdir(parents=True, exist_ok=True)
    head = SOURCES[0].read_text(encoding="utf-8").split("+++")[0]
    file.write_text(
        head + "".join(f"```{{code-cell}} ipython3\n{cell}\n```\n\n" for cell in cells), encoding="utf-8"
    )
    return file


def ids(notebook):
    return [cell.id for cell in notebook.cells if cell.cell_type == "code"]


def test_a_cell_that_is_inserted_or_moved_changes_no_other_s_id(tmp_path):
    a, b = ids(build.read_source(source(tmp_path, "1 + 1", "2 + 2")))
    assert ids(build.read_source(source(tmp_path, "2 + 2", "3 + 3", "1 + 1")))[::2] == [b, a]
    assert ids(build.read_source(source(tmp_path, "1 + 2", "2 + 2")))[1] == b
    same = ids(build.read_source(source(tmp_path, "1 + 1", "1 + 1", "1 + 1")))
    assert same == [a, f"{a}-2", f"{a}-3"]


@pytest.mark.parametrize("src", SOURCES, ids=lambda p: p.stem)
def test_no_id_is_there_twice_and_all_are_what_notebooks_allow(src):
    found = [cell.id for cell in build.read_source(src).cells]
    assert len(set(found)) == len(found)
    assert all(re.fullmatch(r"[a-zA-Z0-9-_]{1,64}", name) for name in found)


def test_a_notebook_of_older_ids_gets_those_of_its_source_without_being_run(tmp_path):
    src = source(tmp_path, "1 + 1", "2 + 2")
    notebook = build.read_source(src)
    wanted = ids(notebook)
    for k, cell in enumerate(notebook.cells):
        cell.id = f"99_x-{k:03d}"
        if cell.cell_type == "code":
            cell.outputs = [nbformat.v4.new_output("stream", text="kept")]
    nbformat.write(notebook, build.notebook_of(src))
    assert build.stale(build.notebook_of(src), src) is None
    assert build._named_anew(build.notebook_of(src), src)
    book = nbformat.read(build.notebook_of(src), as_version=4)
    assert ids(book) == wanted and all(
        c.outputs[0].text == "kept" for c in book.cells if c.cell_type == "code"
    )
    assert not build._named_anew(build.notebook_of(src), src)
