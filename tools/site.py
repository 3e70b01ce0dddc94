"""The course as a web site: ``python -m tools.site`` makes build/site/ from the notebooks as they lie here.

Nothing is executed. The lectures are prepared for readers without a kernel (`prepared`), Sphinx makes the pages, and KaTeX
comes along, so that no page asks a foreign host for anything.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import http.server
import io
import json
import pkgutil
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from html import escape
from pathlib import Path
from urllib.parse import unquote

import nbformat
from nbformat import NotebookNode

import ssl_course
from ssl_course.course import themes
from ssl_course.course.exercises.card import UNSOLVED
from ssl_course.widgets.frame import canvas
from tools import bake, front, live
from tools.build import ROOT, RUN_LINE, notebook_of, read_source, sources
from tools.handout import student_edition

SITE, PREPARED, VENDOR = ROOT / "build/site", ROOT / "build/site-source", ROOT / "build/npm"
HERE = Path(__file__).resolve().parent / "web"
KATEX, RUNTIME, UNPACKER = "katex@0.16.22", "onnxruntime-web@1.30.0", "xz-decompress@0.2.3"
LONG, FEW = 14, 5  # lines of code above which a cell is folded; where it shows a picture
# Cells that only import and show: a card, a guess, a source, a proof, a widget.
SHOWS = re.compile(
    r"(?:(?:from|import) .+\n|\n)*(?:[A-Z]\w+|card|predict|reveal|say|show_source|proof|film|live|networks\.draw)\((?:.|\n)*\)"
)
NOTEBOOKS, STUDENTS = "_static/notebooks", "ssl-course-students.zip"
SKIPPED = {"home", "set-up", "hold"}
# Words of the glossary that are also plain English: marked in those lectures alone that explain them.
PLAIN = {"dependence", "light", "tint", "view", "negative", "rotation", "spread", "temperature", "biome"}
WRITTEN: set[Path] = set()  # files of this run; others are left from an earlier one
ROOMS = {
    "data": "Where x and y come from",
    "pretext": "How one x becomes (X₁, X₂)",
    "methods": "One file each method",
    "training": "The loop",
    "evaluation": "Probe, neighbours, gauges",
    "theory": "What is exact",
    "studies": "What takes minutes",
    "course": "Cards, figures, exercises",
    "widgets": "What moves",
}


def put(file: Path, content: str | bytes) -> bool:
    """Write it where it differs, which is the answer: Sphinx reads again only what is newer."""
    raw = content if isinstance(content, bytes) else content.encode()
    file.parent.mkdir(parents=True, exist_ok=True)
    if new := not file.exists() or file.read_bytes() != raw:
        file.write_bytes(raw)
    WRITTEN.add(file)
    return new


# -------------------------------------------------------------------------------------------------- lectures
def prepared(notebook: NotebookNode, pictures: Path, at: str) -> NotebookNode:
    """A lecture for readers without a kernel: no notes, no assertions, solutions folded, pictures in files.

    Args:
        notebook: as it is stored; it is changed.
        pictures: folder that the pictures are written to.
        at: how a page calls that folder.
    """
    cells = []
    for cell in notebook.cells:
        tags = set(cell.metadata.get("tags", []))
        if SKIPPED & tags or cell.metadata.get("slideshow", {}).get("slide_type") == "notes":
            continue
        cell.metadata.pop("slideshow", None)
        if cell.cell_type == "code":
            web, rows = {}, cell.source.count("\n") + 1
            reveals = re.search(r"^reveal\(", cell.source, re.MULTILINE)  # whose text tells what was measured
            folded = cell.metadata.get("jupyter", {}).get("source_hidden")
            shown = any(o.get("data", {}).keys() & {"text/html", "image/png"} for o in cell.outputs)
            if "solution" in tags:
                cell.metadata.tags, web["code_prompt_show"] = ["hide-cell"], "Solution"
            elif SHOWS.fullmatch(cell.source):
                cell.metadata.tags = ["remove-input"]  # what it shows is the page
            elif rows > LONG or reveals or (shown and rows > FEW) or folded:
                cell.metadata.tags, web["code_prompt_show"] = ["hide-input"], f"The code, {rows} lines"
            key = re.search(r'^(?:predict|reveal)\(\s*"([^"]+)"', cell.source, re.MULTILINE)
            cell.metadata.mystnb = web
            cell.outputs = [
                kept for output in cell.outputs if (kept := _output(output, pictures, at, key and key[1]))
            ]
            for output in cell.outputs:
                if UNSOLVED.text in (html := output.get("data", {}).get("text/html", "")):
                    output["data"]["text/html"] = exercise(html, pictures.name, cell.source)
        cells.append(cell)
    notebook.cells = cells
    notebook.metadata.pop("ssl_course", None)
    return notebook


HINTS = ROOT / "ssl_course/course/exercises"


def hint(stem: str, source: str) -> str:
    """What the check that a cell calls would say to an answer that follows no known rule; empty where it has no such words."""
    called = re.search(r"^check\.(\w+)\(", source, re.MULTILINE)
    tree = ast.parse((HINTS / f"lecture_{stem[:2]}.py").read_text(encoding="utf-8"))
    for function in tree.body:
        if called and isinstance(function, ast.FunctionDef) and function.name == called[1]:
            for line in function.body:
                if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "hint":
                    return ast.literal_eval(line.value)
    return ""


def exercise(html: str, stem: str, source: str) -> str:
    """The card of an unsolved exercise, where there is no cell to run: how to run it, and the hint, folded."""
    where = f'<a href="../{NOTEBOOKS}/{stem}.ipynb" download>notebook</a>'
    words = f"To try it, open this lecture's {where} with the course installed, put your lines in place of the dots and run the cell."
    folded = f"<details><summary>Hint</summary>{escape(tip)}</details>" if (tip := hint(stem, source)) else ""
    return html.replace(escape(UNSOLVED.text), words + folded)


def _output(output: NotebookNode, pictures: Path, at: str, key: str | None) -> NotebookNode | None:
    """What stays of an output; ``key`` is that of the prediction it asks or reveals."""
    data = output.get("data")
    if data is None:
        return output if output.output_type == "stream" and output.name == "stdout" else None
    if html := "".join(data.get("text/html", "")):
        if RUN_LINE in html:
            return None
        data.clear()
        html = re.sub(r'(class="ssl-(?:predict|reveal) )', rf'data-key="{key}" \1', html) if key else html
        data["text/html"] = _page(html, pictures, at)
    elif markdown := "".join(data.get("text/markdown", "")):
        data.clear()
        # Nobody unfolds on paper, and a search finds only what is open.
        markdown = markdown.replace("<details><summary><b>Proof", "<details open><summary><b>Proof")
        data["text/markdown"] = markdown.replace(themes.SCHEME, "")
    return output


def _page(html: str, pictures: Path, at: str) -> str:
    """HTML of an output: pictures as files, one style for all, a guess that works without a kernel."""
    html = html.replace(themes.SCHEME, "")
    html = re.sub(r"<small>Run this cell to enter your guess\.</small>", "", html)
    html = html.replace("none (enter one above and run this cell again)", "none")

    def file(match: re.Match) -> str:
        if "ssl-film" in html:  # its script takes the drawing apart, and so must find it here
            return match[0]
        kind = {"svg+xml": "svg", "jpeg": "jpg"}.get(match[1], match[1])
        raw = base64.b64decode(match[3]) if match[2] else unquote(match[3]).encode()
        name = f"{hashlib.sha256(raw).hexdigest()[:16]}.{kind}"
        put(pictures / name, raw)
        return f'src="{at}/{name}" loading="lazy"'

    return re.sub(r'src="data:image/([\w+]+)(;base64)?,([^"]+)"', file, html)


def lectures(folder: Path) -> list[tuple[str, str, str, str]]:
    """Write the lectures; (file, title, claim, first picture) of each."""
    rows = []
    for src in sources():
        notebook = nbformat.read(notebook_of(src), as_version=4)
        title = re.search(r"^# (.+)$", notebook.cells[0].source, re.MULTILINE)[1]
        claim = next(
            re.match(r"Claim: (.+) \(note", "".join(output["data"]["text/plain"]))[1]
            for cell in notebook.cells
            for output in cell.get("outputs", ())
            if "".join(output.get("data", {}).get("text/plain", "")).startswith("Claim: ")
        )
        _with_bakes(notebook, src, folder)
        notebook = prepared(
            notebook, folder / "_static/pictures" / src.stem, f"../_static/pictures/{src.stem}"
        )
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = _links(cell.source)
        notebook.cells[0].source += live.entry(src.stem) + downloads(folder, src)
        text = nbformat.writes(notebook) + "\n"
        put(folder / "lectures" / f"{src.stem}.ipynb", text)
        picture = re.search(r"_static/pictures/[^\"\\]+", text)
        rows.append((src.stem, title, claim, picture[0] if picture else ""))
    return rows


def downloads(folder: Path, src: Path) -> str:
    """Put a notebook where a reader can fetch it; the words that lead there, and to the students' edition."""
    at = NOTEBOOKS
    put(folder / at / f"{src.stem}.ipynb", notebook_of(src).read_bytes())
    links = {
        f"{src.stem}.ipynb": "Download this notebook",
        STUDENTS: "all notebooks for students, without solutions",
    }
    return "\n\n" + " · ".join(
        f'<a href="../{at}/{name}" download>{words}</a>' for name, words in links.items()
    )


@contextmanager
def served() -> Iterator[str]:
    """The site's address on loopback, for tests and benchmarks; it is gone afterwards."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    handler = partial(Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def handout(folder: Path) -> None:
    """The students' edition of all notebooks as one file, the same bytes whenever it is made."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for src in sources():
            text = nbformat.writes(student_edition(read_source(src))) + "\n"
            archive.writestr(zipfile.ZipInfo(f"lectures/{src.stem}.ipynb"), text, zipfile.ZIP_DEFLATED)
        for name in ("glossary.md", "references.bib"):
            raw = (ROOT / "lectures" / name).read_bytes()
            archive.writestr(zipfile.ZipInfo(f"lectures/{name}"), raw, zipfile.ZIP_DEFLATED)
    put(folder / NOTEBOOKS / STUDENTS, file.getvalue())


def _with_bakes(notebook: NotebookNode, src: Path, folder: Path) -> None:
    """Pictures of widgets that are baked say where; `baked.js` brings those to life."""
    at = f"_static/baked/{src.stem[:2]}"
    for file in bake.place_of(src).glob("*.gz"):
        put(folder / at / file.name, file.read_bytes())
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if page := "".join(output.get("data", {}).get("text/html", "")):
                output["data"]["text/html"] = bake.mount(page, src, f"../{at}")


def _links(markdown: str) -> str:
    """Links into the folder of the sources become words, and the bibliography has a page of its own."""
    markdown = markdown.replace("](references.bib)", "](../bibliography.md)")
    return re.sub(r"\[([^\]]+)\]\(\.\./(?!bibliography)[^)]+\)", r"\1", markdown)


# ------------------------------------------------------------------------------------------- all other pages
def scripts(*names: str) -> dict[str, bytes]:
    """Files of tools/web by name."""
    return {name: (HERE / name).read_bytes() for name in names}


def first(folder: Path, rows: list[tuple[str, str, str, str]]) -> None:
    """The first page, with what it shows."""
    template = (HERE / "index.md").read_text(encoding="utf-8")
    text, files = front.page(template, rows, scripts("front.js", "front.css"))
    put(folder / "index.md", text)
    for name, raw in files.items():
        put(folder / "_static/live" / name, raw)


def api(folder: Path) -> None:
    """A page for each room of the package, from its docstrings."""
    first = ["interfaces", "losses", "nets", "checkpoints"]
    names = {file.stem for file in Path(ssl_course.__path__[0]).glob("[!_]*.py")}
    pages = {"": [f"ssl_course.{name}" for name in (*first, *sorted(names - {*first}))]}
    for room in ROOMS:
        path = Path(ssl_course.__path__[0]) / room
        pages[room] = [f"ssl_course.{room}.{name}" for name in _modules(path)]
    index = ["# The library", "", "Every public name, from its docstring; *[source]* shows its lines.", ""]
    for room, modules in pages.items():
        title = f"ssl_course.{room}" if room else "ssl_course"
        what = f" {ROOMS[room]}." if room else " Contracts, losses, networks, command line."
        blocks = "\n".join(
            f"## {name.removeprefix('ssl_course.')}\n\n```{{eval-rst}}\n.. automodule:: {name}\n   :members:\n   :ignore-module-all:\n```\n"
            for name in modules
        )
        if put(folder / f"api/{room or 'contracts'}.md", f"# {title}\n\n{what.strip()}\n\n{blocks}"):
            shutil.rmtree(
                SITE / "_modules", ignore_errors=True
            )  # they lead back to names that may have moved
        index.append(f"- [{title}]({room or 'contracts'}.md).{what}")
    index += ["", "```{toctree}", ":hidden:", "", *(room or "contracts" for room in pages), "```"]
    put(folder / "api/index.md", "\n".join(index) + "\n")


def _modules(path: Path, before: str = "") -> Iterator[str]:
    for module in pkgutil.iter_modules([str(path)]):
        if module.name.startswith("_"):
            continue
        yield before + module.name
        if module.ispkg:
            yield from _modules(path / module.name, f"{before}{module.name}.")


def glossary(folder: Path) -> None:
    """The glossary, each word with an address of its own, and what a lecture shows where it uses a word.

    Words of `PLAIN` are marked in those lectures alone that explain them, capitals as they stand.
    """
    text = (ROOT / "lectures/glossary.md").read_text(encoding="utf-8")
    words = []

    def entry(match: re.Match) -> str:
        names, numbers, meaning = match.groups()
        address = (
            re.sub(r"[^a-z0-9]+", "-", names.lower().replace("ε", "e").replace("σ", "s")).strip("-")
            or "letter"
        )
        plain = re.sub(r"\\?\*|`", "", " ".join(meaning.split()))
        for name in names.split(", "):
            if not re.fullmatch(r"[A-Za-z][\w -]+", name):
                continue  # letters stand in formulas
            word = {"name": name, "address": address, "meaning": plain}
            word |= {"only": numbers.split(", ")} if name.lower() in PLAIN else {}
            words.append(word | ({"exact": True} if sum(map(str.isupper, name)) > 1 else {}))
        return f'\n<span id="{address}"></span>\n**{names}** ({numbers}). {meaning}\n'

    text = re.sub(
        r"^\*\*([^*\n]+)\*\* \(([\d, ]+)\)\. ((?:.+\n?)+?)(?=^\*\*|^#|^\||\Z|\n)",
        entry,
        text,
        flags=re.MULTILINE,
    )
    put(folder / "glossary.md", text)
    put(folder / "_static/glossary.js", f"const GLOSSARY = {json.dumps(words, ensure_ascii=False)};\n")


def packed(package: str) -> Iterator[tuple[str, bytes]]:
    """The files under dist/ of a package that npm fetches once: (path, content)."""
    kept = VENDOR / f"{package.replace('@', '-')}.tgz"
    if not kept.exists():
        VENDOR.mkdir(parents=True, exist_ok=True)
        if shutil.which("npm") is None:
            raise SystemExit(
                f"The site needs npm once, to fetch {package}: install Node.js, then run make site again."
            )
        subprocess.run(
            ["npm", "pack", "--silent", package], cwd=VENDOR, check=True, stdout=subprocess.DEVNULL
        )
    with tarfile.open(kept) as archive:
        for member in archive:
            if member.isfile() and member.name.startswith("package/dist/"):
                yield member.name.removeprefix("package/dist/"), archive.extractfile(member).read()


def katex(folder: Path) -> None:
    """KaTeX's script, style and fonts."""
    wanted = ("katex.min.js", "katex.min.css", "contrib/auto-render.min.js")
    for name, raw in packed(KATEX):
        if name in wanted or name.endswith(".woff2"):
            put(folder / "_static/katex" / name, raw)


def networks(folder: Path) -> None:
    """The page on which networks run, with the networks and their runtime."""
    wanted = {"ort.wasm.bundle.min.mjs": "ort.mjs", "ort-wasm-simd-threaded.wasm": "ort.wasm"}
    vendored = {wanted[name]: raw for name, raw in packed(RUNTIME) if name in wanted}
    vendored["xz.js"] = dict(packed(UNPACKER))["package/xz-decompress.min.js"]
    template = (HERE / "try.md").read_text(encoding="utf-8")
    text, files = live.page(template, vendored, scripts(*(file.name for file in HERE.glob("live*.*"))))
    put(folder / "try.md", text)
    for name, raw in files.items():
        put(folder / "_static/live" / name, raw)


def prepare(folder: Path = PREPARED) -> None:
    """Everything that Sphinx reads."""
    WRITTEN.clear()
    for file in (*HERE.glob("*.css"), *HERE.glob("*.js"), *HERE.glob("*.svg")):
        put(folder / "_static" / file.name, file.read_bytes())
    for name, own in (
        ("canvas.js", (canvas.HERE / "canvas.js").read_bytes()),
        ("canvas.css", canvas.STYLE.encode()),
    ):
        put(folder / "_static" / name, own)  # the notebook's own
    put(folder / "conf.py", (HERE / "conf.py").read_bytes())
    first(folder, lectures(folder))
    handout(folder)
    bibliography = "# Bibliography\n\n```{bibliography}\n:all:\n:style: plain\n```\n"
    put(folder / "bibliography.md", bibliography)
    put(folder / "references.bib", (ROOT / "lectures/references.bib").read_bytes())
    teach = (ROOT / "lectures/README.md").read_text(encoding="utf-8")
    teach = re.sub(r"\]\((\d\d_\w+\.ipynb)\)", r"](lectures/\1)", teach)
    teach = re.sub(r"\[([^\]]+)\]\(\.\./[^)]+\)", r"\1", teach).replace(
        "(references.bib)", "(bibliography.md)"
    )
    put(folder / "teach.md", teach)
    glossary(folder)
    api(folder)
    katex(folder)
    networks(folder)
    for file in set(folder.rglob("*.*")) - WRITTEN:
        if file.is_file():
            file.unlink()


def main() -> int:
    """Prepare the pages, let Sphinx make them, say how large they are; a warning is a failure."""
    prepare()
    code = subprocess.call(
        [
            sys.executable,
            "-m",
            "sphinx",
            "-b",
            "html",
            "-q",
            "-j",
            "2",
            "-d",
            str(ROOT / "build/site-cache"),
            str(PREPARED),
            str(SITE),
        ]
    )
    if code == 0:
        total = sum(file.stat().st_size for file in SITE.rglob("*") if file.is_file())
        print(
            f"{SITE.relative_to(ROOT)}: {total / 1e6:.1f} MB; look at it: python -m http.server -d build/site"
        )
    return code


if __name__ == "__main__":
    sys.exit(main())
