"""Imports only point down the house (FLOORS), and go in no circle, inside the rooms too."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ssl_course"

# From the top. A module may import from the floors below its own and, on its own floor, what ALLOWED names.
FLOORS = [
    ["cli", "__main__"],
    ["widgets"],
    ["widgets.frame"],
    ["course"],
    ["studies", "checkpoints", "doctor", "unpack"],
    ["methods", "training", "evaluation"],
    ["data", "theory", "losses", "pretext", "nets"],
    ["interfaces", "assets"],
]
# The lowest room with maths: what stands further left may use what stands further right.
ROW = FLOORS[-2]
ALLOWED = {(left, right) for i, left in enumerate(ROW) for right in ROW[i + 1 :]} | {
    ("__main__", "cli"),
    ("studies", "checkpoints"),
}
# Late imports that go up, on purpose: `fit` shows its bar where it runs in a notebook.
LATE = {("training", "widgets.frame")}
# These live in one place only, so that all else loads without them.
HOMES = {
    "ipywidgets": ("widgets", "course.lecture"),
    "anywidget": ("widgets.frame",),
    "matplotlib": ("course.plots",),
    "safetensors": ("checkpoints",),
}
ROOMS = sorted((name for names in FLOORS for name in names), key=len, reverse=True)


def room(module):
    """The room of ssl_course.ROOM.anything, None for the bare package and for others' packages."""
    first, _, rest = module.partition(".")
    if first != "ssl_course" or not rest:
        return None
    return next((r for r in ROOMS if rest == r or rest.startswith(r + ".")), rest.split(".")[0])


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
        if home and not f"{module}.".startswith(tuple(f"ssl_course.{h}." for h in home)):
            found.append(f"{module}:{line} imports {name}, which belongs to {', '.join(home)}")
        there = room(name)
        if there == here == "widgets":
            found.append(
                f"{module}:{line} imports {name} from beside it: what two widgets share lies in frame"
            )
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


def circles(graph):
    """The groups of modules that import each other, directly or by way of others (Tarjan's components)."""
    import networkx

    found = networkx.strongly_connected_components(networkx.DiGraph(graph))
    return sorted(sorted(group) for group in found if len(group) > 1)


def test_no_modules_import_each_other_in_a_circle():
    """Inside rooms too, and late imports count: what must be postponed to work is a circle all the same."""
    texts = {name: path.read_text(encoding="utf-8") for path, name in modules()}
    graph = {}
    for name, text in texts.items():
        wanted = (
            w.removesuffix(".__init__")
            for w, _, late in imports(text, name)
            if not (late and (room(name), room(w)) in LATE)
        )
        # `from a.b import c` names a module a.b.c or something inside a.b
        graph[name.removesuffix(".__init__")] = {
            w if w in texts else w.rpartition(".")[0] for w in wanted if w.startswith("ssl_course.")
        } - {name.removesuffix(".__init__"), "ssl_course"}
    assert circles(graph) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


@pytest.mark.parametrize("path, module", [pytest.param(p, m, id=m) for p, m in modules()])
def test_imports_point_down(path, module):
    assert faults(path.read_text(encoding="utf-8"), module) == []


def test_widgets_make_no_pair_of_their_own():
    """What a student is shown is what the network learned from: X₁ and X₂ come from a method's `pair`."""
    puzzles = r"\b(cut|shuffle|make_holes|rotations|turn|mask_words|next_words|(?<!np\.)rot90)\("
    more = r"\b(rgb_to_lab|lightness|halves|parted|random_masking|augment)\(|(?<!state)\.pair\("
    own, own_or_more = re.compile(puzzles), re.compile(f"{puzzles}|{more}")
    # No network learns there: the pairs of the note's thought experiments, and the halves that PCA and CCA get.
    exact = {"scene_explorer.py", "hole_explorer.py", "halves_explorer.py"}
    made = [f"{path.name}: {line}" for path in sorted((PACKAGE / "widgets").rglob("*.py"))
            for line in path.read_text(encoding="utf-8").splitlines()
            if (own if path.name in exact else own_or_more).search(line)]  # fmt: skip
    assert made == []  # np.rot90 turns a shown picture, as the student's hand does


@pytest.mark.parametrize(
    "module, line",
    [
        ("ssl_course.data.scenes", "from ssl_course.widgets import canvas"),
        ("ssl_course.theory.bounds", "import ssl_course.data.scenes"),
        ("ssl_course.pretext.color", "from ssl_course.data import pictures"),
        ("ssl_course.pretext.color", "from ..data import pictures"),
        ("ssl_course.methods.mae", "def f():\n    from ssl_course.widgets import canvas"),
        ("ssl_course.training", "from ssl_course.widgets.frame import progress"),  # only late
        ("ssl_course.evaluation", "from matplotlib import pyplot"),
        ("ssl_course.course.plots", "import ipywidgets as widgets"),
        ("ssl_course.course.plots", "from ssl_course.widgets.frame import canvas"),
        ("ssl_course.widgets.frame.draw", "from ssl_course.widgets import rotation_game"),
        ("ssl_course.widgets.rotation_game", "from ssl_course.widgets.jigsaw_game import JigsawGame"),
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
        ("ssl_course.training", "def fit():\n    from ssl_course.widgets.frame import progress"),
        ("ssl_course.course.plots", "from matplotlib import pyplot"),
    ],
)
def test_a_right_import_passes(module, line):
    assert faults(line, module) == []
