"""The lecturer's own window: a lecture's notes under the slides they belong to, and a clock.

Only who has the desk's token finds it, and only from the machine on which the room (or a hub's proxy) runs:
phones do not.
"""

import json
import re
from html import escape
from pathlib import Path

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Notes: {title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="../phone.css">
<script src="../notes.js" defer></script>
</head>
<body>
<main>
<h1>{title}</h1>
<p id="clock" role="timer"><b id="now"></b> &nbsp;·&nbsp; <b id="since">0</b> of {minutes} minutes</p>
<button id="again">The lecture begins now</button>
{slides}
<nav aria-label="Lectures"><p class="small">{others}</p></nav>
</main>
</body>
</html>
"""


def page(folder: Path, number: str | None) -> str:
    """HTML of the lecture with this number, or of the first one:
    its slides by their titles, and what to say there.

    Raises:
        FileNotFoundError: ``folder`` has no lectures.
    """
    files = {file.name[:2]: file for file in sorted(folder.glob("[0-9][0-9]_*.ipynb"))}
    if not files:
        raise FileNotFoundError(f"there are no lectures in {folder}")
    cells = json.loads(files.get(number or "", next(iter(files.values()))).read_text(encoding="utf-8"))[
        "cells"
    ]
    title, minutes, slides = "", "?", []
    for cell in cells:
        source, kind = "".join(cell["source"]), cell["metadata"].get("slideshow", {}).get("slide_type")
        if cell["cell_type"] == "code":
            minutes = m[1] if (m := re.search(r"minutes=\((\d+)", source)) else minutes
        elif kind == "notes":
            slides.append("".join(f"<p>{_inline(part)}</p>" for part in source.split("\n\n")))
        elif heading := re.match(r"(#+) (.+)", source):
            title = title or heading[2]
            slides.append(f'<p class="small">{_inline(heading[2])}</p>' if len(heading[1]) > 1 else "")
    others = " · ".join(f'<a href="?lecture={n}">{n}</a>' for n in files)
    shown = {
        "title": escape(title),
        "minutes": escape(minutes),
        "slides": "\n".join(slides),
        "others": others,
    }
    return PAGE.format(**shown)


def _inline(text: str) -> str:
    """Escape, then allow ``code``, **bold**, *stress*; of a link its words."""
    html = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", escape(text, quote=False))
    for mark, tag in ((r"`", "code"), (r"\*\*", "b"), (r"\*", "em")):
        html = re.sub(rf"{mark}([^`*]+){mark}", rf"<{tag}>\1</{tag}>", html)
    return html
