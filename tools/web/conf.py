"""Sphinx's settings for the course's site; `tools/site.py` lays it beside the prepared pages."""

import re
import sys
from datetime import date
from pathlib import Path
from types import FunctionType

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import ssl_course  # noqa: E402

project = "ssl-course"
author = copyright = "the ssl-course authors"
version = release = ssl_course.__version__
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinxcontrib.bibtex",
]
html_theme = "furo"
html_title = "ssl-course"
html_static_path = ["_static"]
html_css_files = ["course.css"]
html_js_files = [("glossary.js", {"defer": ""}), ("course.js", {"defer": ""})]
html_css_files += ["canvas.css", "baked.css"]  # widgets, without a kernel
html_js_files.append(("baked.js", {"defer": ""}))
html_show_sphinx = html_show_sourcelink = html_copy_source = False
html_favicon = "_static/favicon.svg"
html_last_updated_fmt = f"{date.today()}, edition {version}"
html_theme_options = {"navigation_with_keys": True}
templates_path = []

myst_enable_extensions = ["dollarmath", "colon_fence", "attrs_inline"]
myst_heading_anchors = 3
nb_execution_mode = "off"
nb_render_markdown_format = "myst"
nb_merge_streams = True
nb_number_source_lines = False
suppress_warnings = ["mystnb.unknown_mime_type", "myst.header", "ref.python"]

# KaTeX, from this site alone, typesets what Sphinx leaves for MathJax; no page asks a foreign host.
KATEX = ["katex/katex.min.js", "katex/contrib/auto-render.min.js"]
mathjax_path, mathjax_options = KATEX[1], {"defer": ""}
html_css_files.insert(0, "katex/katex.min.css")
html_js_files[:0] = [(file, {"defer": "", "priority": 100 + i}) for i, file in enumerate(KATEX)]

bibtex_bibfiles = ["references.bib"]
viewcode_follow_imported_members = (
    False  # every name stands with its own module; and so properties have their lines
)
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_mock_imports = ["nbgrader", "otter"]  # of an environment of their own
napoleon_google_docstring, napoleon_numpy_docstring = True, False
napoleon_use_ivar = True


def plain(app, what, name, obj, options, lines):  # noqa: ANN001, ANN201
    """Docstrings are prose with ``code``: bars, stars and trailing underscores in it mean themselves."""
    for i, line in enumerate(lines):
        parts = re.split(r"(``[^`]+``|`[^`]+`|\.\. \w+::.*|:\w+ [^:]*:)", line)
        parts[::2] = [re.sub(r"([|*])|(?<=\w)(_)(?=\W|$)", r"\\\1\2", part) for part in parts[::2]]
        lines[i] = "".join(parts)


def unsaid(app, what, name, obj, skip, options):  # noqa: ANN001, ANN201
    """A public function is listed even where only its name and types speak."""
    spoken = isinstance(obj, FunctionType | property) and not name.startswith("_")
    return False if spoken else None


def setup(app):  # noqa: ANN001, ANN201
    """Sphinx calls it."""
    app.connect("autodoc-process-docstring", plain)
    app.connect("autodoc-skip-member", unsaid)
