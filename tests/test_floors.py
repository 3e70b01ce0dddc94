"""Imports only point down the house: lectures and cli, then widgets and exercises, ... down to data and theory."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ssl_course"

# From the top. A module may import from the floors below its own and, on its own floor, what ALLOWED names.
FLOORS = [
    {"cli", "__main__", "authoring"},
    {"widgets", "exercises", "lecture"},
    {"plots", "checkpoints", "comparison"},
    {"methods", "training", "evaluation"},
    {"data", "theory", "losses", "pretext", "nets"},
    {
        "palette",
        "equations",
        "browser",
        "doctor",
        "recorded",
    },  # plain tables and tools, no use of the course's own maths
]
# The lowest room: what stands further left may use what stands further right.
ROW = ["data", "theory", "losses", "pretext", "nets"]
ALLOWED = (
    {(left, right) for i, left in enumerate(ROW) for right in ROW[i + 1 :]}
    | {("__main__", "cli"), ("doctor", "browser"), ("exercises", "lecture"), ("widgets", "lecture")}
)  # fmt: skip
# Late imports that go up, each on purpose: the report of what is there asks the catalogue.
LATE = {("doctor", "data"), ("training", "widgets")}
# These live in one place only, so that all else loads without them.
HOMES = {
    "ipywidgets": {"widgets", "exercises", "lecture"},
    "anywidget": {"widgets"},
    "matplotlib": {"plots"},
    "safetensors": {"checkpoints"},
}


def room(module):
    """The room of ssl_course.ROOM.anything, None for the bare package and for others' packages."""
    parts = module.split(".")
    return parts[1] if parts[0] == "ssl_course" and len(parts) > 1 else None


def floor(name):
    return next((i for i, names in enumerate(FLOORS) if name in names), None)


def imports(source, module):
    """(imported dotted name, line, whether inside a function) for every import of a file's text."""
    tree = ast.parse(source)
    late = {
        inner
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(outer)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:  # from . import x
                above = module.split(".")[: -node.level]
                base = ".".join([*above, base]).rstrip(".")
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            yield name, node.lineno, node in late


def faults(source, module):
    """What is wrong with the imports of one module, as readable lines."""
    here = room(module)
    found = []
    if here is None:
        return found
    for name, line, late in imports(source, module):
        home = HOMES.get(name.split(".")[0])
        if home and here not in home:
            found.append(f"{module}:{line} imports {name}, which belongs to {sorted(home)}")
        there = room(name)
        if there is None or there == here or (late and (here, there) in LATE) or (here, there) in ALLOWED:
            continue
        if floor(there) is None:
            continue  # an attribute of the package, such as __version__
        if floor(there) <= floor(here):
            found.append(f"{module}:{line} imports {name}, which is not below it")
    return found


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        yield path, ".".join(parts)


def test_every_room_has_a_floor():
    rooms = {room(name) for _, name in modules()} - {"__init__", None}
    assert rooms <= set().union(*FLOORS), "give the new room a place in FLOORS"


@pytest.mark.parametrize("path, module", [pytest.param(p, m, id=m) for p, m in modules()])
def test_imports_point_down(path, module):
    assert faults(path.read_text(encoding="utf-8"), module) == []


@pytest.mark.parametrize(
    "module, line",
    [
        ("ssl_course.data.scenes", "from ssl_course.widgets import canvas"),
        ("ssl_course.theory.bounds", "import ssl_course.data.scenes"),
        ("ssl_course.pretext.color", "from ssl_course.data import pictures"),
        ("ssl_course.pretext.color", "from ..data import pictures"),
        ("ssl_course.methods.mae", "def f():\n    from ssl_course.widgets import canvas"),
        ("ssl_course.training", "from ssl_course.widgets import live"),  # only late
        ("ssl_course.evaluation", "from matplotlib import pyplot"),
        ("ssl_course.plots", "import ipywidgets as widgets"),
    ],
)
def test_a_wrong_import_is_found(module, line):
    assert len(faults(line, module)) == 1


@pytest.mark.parametrize(
    "module, line",
    [
        ("ssl_course.data.scenes", "from ssl_course.pretext import color"),
        ("ssl_course.data.scenes", "from . import painter"),
        ("ssl_course.widgets.scene_explorer", "from ssl_course.data import scenes"),
        ("ssl_course.training", "def fit():\n    from ssl_course.widgets import live"),
        ("ssl_course.plots", "from matplotlib import pyplot"),
    ],
)
def test_a_right_import_passes(module, line):
    assert faults(line, module) == []
