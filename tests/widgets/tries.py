"""Values worth testing of what has no control: nobody can guess where a student has clicked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ssl_course.widgets import caption_search, next_word
from ssl_course.widgets.frame.explorer import Explorer
from ssl_course.widgets.frame.sheet import SHOWN
from ssl_course.widgets.frame.upload import Upload

CORNERS = [(0.0, 0.0), (1.0, 1.0)]
Tries = dict[str, list[Any]]  # name of a hidden value → values beside the first


def tries(explorer: Explorer) -> Tries:
    """Those of a widget's class, and of the classes that it is made from."""
    found: Tries = {}
    for kind in reversed(type(explorer).__mro__):
        found |= TRIES.get(kind.__name__, lambda _: {})(explorer)
    return found


def of_sheets(widget: Any) -> Tries:
    found: Tries = {"picture": [len(widget.state.thumbs) - 1, SHOWN]}
    if "upload" in widget.values():
        size = widget.state.size
        found["upload"] = [Upload(bytes(3 * size * size), size), Upload(message="That is no picture.")]
    return found


def of_hands(widget: Any) -> Tries:
    """All hidden and nothing hidden, by hand, and a guess in three places."""
    begun, cells = widget.hidden_now()
    hands = [(begun, bytes([k]) * len(cells)) for k in (1, 0)]
    return {"hand": hands, "cursor": CORNERS, "guess": [*CORNERS, (0.5, 0.5)]}


def of_tiles(widget: Any) -> Tries:
    """A game that is solved, before and after the commit; a tile that is held."""
    ends = [0, widget.state.grid**2 - 1]
    solved = tuple(range(widget.state.grid**2))
    boards = [(((1, True), (solved, done)),) for done in (False, True)]
    return {"boards": boards, "at": [(0.5, 0.5), (0.0, 1.0)], "held": ends, "cursor": ends}


def of_turns(widget: Any) -> Tries:
    whole, states = widget.controls["zoom"].options[0], [(2, False), (2, True), (0, True)]
    return {"boards": [(((1, whole), board),) for board in states]}


def of_rows(widget: Any) -> Tries:
    """A row that is drawn, and one that is begun."""
    first, many = widget.defaults["row"], len(widget.state.columns)
    drawn = [((first, (0.5,) * many),), ((first, (0.3, *[None] * (many - 1))),)]
    return {"drawn": drawn, "column": [many - 1]}


TRIES: dict[str, Callable[[Any], Tries]] = {
    "CaptionSearch": lambda _: {
        "rank": [1, caption_search.SHOWN - 1],
        "cursor": [3, caption_search.BARS - 1],
    },
    "ColorizationExplorer": lambda _: {"place": CORNERS, "guess": [(0.5, 0.5), (1.0, 0.0)]},
    "DrawnRow": of_rows,
    "FlipExplorer": lambda _: {"chosen": [0, 3]},
    "HideAndFill": of_hands,
    "JigsawGame": of_tiles,
    "MaskedWords": lambda _: {"masked": [(), (0, 1, 2), (1, 10_000)], "cursor": [0, 10_000]},
    "NextWord": lambda _: {"cursor": [0, next_word.CANDIDATES - 1], "ended": [True]},
    "RotationGame": of_turns,
    "SceneExplorer": lambda _: {"picture": [3, SHOWN - 1], "guess": [(0.5, 0.5), (0.0, 1.0)]},
    "SheetExplorer": of_sheets,
    "SimilarityMatrix": lambda w: {"row": [1, 2 * w.state.most - 1], "guess": [0, 3]},
    "Tiny": lambda _: {"spot": CORNERS},
}
