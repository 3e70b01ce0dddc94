"""What of each widget is baked for pages without a kernel (`tools.bake`): its controls, the pairs that matter, clicks.

Coarser than in the notebook, where steps are fine: a value is left out rather than a pair that a lecture asks to compare.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from tools.bake import Plan

SCORE = re.compile(r"<br>Score after .*$", re.DOTALL)  # of all puzzles; a page does not keep it
DRAG = re.compile(r"Drag a tile .*? Commit, then")  # on a page the tiles lie still


def plan_of(explorer: Any) -> Plan:
    """The plan of a widget's class, or of the nearest that it is made from; else each control by itself."""
    for kind in type(explorer).__mro__:
        if kind.__name__ in PLANS:
            return PLANS[kind.__name__](explorer)
    return each_alone(explorer)


# ------------------------------------------------------------------------------------------------------ values
def some(control: Any, most: int = 11) -> list[Any]:
    """Values of a control, at most so many of a slider's, its own among them."""
    if hasattr(control, "_options_full"):
        return [value for _, value in control._options_full]
    kind, now = type(control).__name__, control.value
    if kind in ("Checkbox", "ToggleButton"):
        return [False, True]
    if kind in ("Text", "Textarea"):
        return [now]
    steps = round((control.max - control.min) / control.step)
    stride = -(-steps // (most - 1))
    marks = [control.min + control.step * k for k in range(0, steps + 1, stride)]
    if kind == "FloatLogSlider":
        marks = [control.base**v for v in marks]
    whole = kind == "IntSlider"
    return nearby([int(round(v)) if whole else round(v, 10) for v in marks], now)


def nearby(values: Sequence[Any], now: Any) -> list[Any]:
    """The values with the one at the start among them, in place of a neighbour that it nearly is."""
    if not values or now in values:
        return list(values)
    gap = min(abs(a - b) for a, b in zip(values, values[1:], strict=False)) if len(values) > 1 else 0
    return sorted([v for v in values if abs(v - now) > 0.3 * gap] + [now])


def places(side: int, low: float = 0.0, high: float = 1.0) -> list[tuple[float, float]]:
    """The middles of side × side cells of a panel, or of a part of it."""
    at = [round(low + (high - low) * (k + 0.5) / side, 4) for k in range(side)]
    return [(x, y) for y in at for x in at]


def all_of(explorer: Any, most: int = 11, **own: Sequence[Any]) -> dict[str, Sequence[Any]]:
    """Every control with `some` of its values, or its own ones."""
    return {name: own.get(name) or some(control, most) for name, control in explorer.controls.items()} | own


def only(block: dict[str, Sequence[Any]], *names: str) -> dict[str, Sequence[Any]]:
    """Some names of a block."""
    return {name: block[name] for name in names}


def each_alone(explorer: Any) -> Plan:
    """Every control by itself, and each with every other where both are no sliders."""
    values = all_of(explorer)
    few = [name for name in values if len(values[name]) <= 4]
    return Plan([only(values, *few), *(only(values, *few[:2], name) for name in values if name not in few)])


# ------------------------------------------------------------------------------------------------- each widget
def scene_explorer(explorer: Any) -> Plan:
    values = all_of(explorer)
    photographs = type(explorer.state).__name__ == "_Photos"  # they take more bytes than what is painted
    pictures = nearby(
        range(0, len(explorer.state.thumbs), 2 if photographs else 1), explorer.values()["picture"]
    )
    values["dependence"] = nearby([0, 0.25, 0.5, 0.75, 1.0], explorer.values()["dependence"])
    return Plan(
        [
            only(values, "dependence")
            | {"picture": pictures, "guess": [None, *places(3 if photographs else 5, 0.05, 0.95)]},
            only(values, "dependence", "answer") | {"picture": pictures},
            values | {"picture": [*pictures][::6]},
        ]
    )


def hole_explorer(explorer: Any) -> Plan:
    return Plan([all_of(explorer, 12)])


def tour(explorer: Any) -> Plan:
    from ssl_course.checkpoints import shipped
    from ssl_course.widgets.pipeline_tour import TASKS

    values = all_of(explorer, 12)
    blocks = []
    for name, task in TASKS.items():
        own = [getattr(shipped(task.network), task.knob)] if task.knob else [explorer.values()["hide"]]
        if task.knob:
            shares = nearby([0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9], own[0])
            blocks.append({"task": [name], "hide": shares, "draw": range(3)})
            blocks.append({"task": [name], "hide": shares, "picture": values["picture"]})
        alone = {"task": [name], "hide": own}
        blocks.append(alone | only(values, "picture", "label", "n_labels"))
        blocks.append(alone | {"picture": values["picture"][::3], "draw": range(6)})
    return Plan(blocks, context=("task",))


def colorization(explorer: Any) -> Plan:
    values, now = all_of(explorer), explorer.values()
    pictures = range(len(explorer.state.thumbs))
    guesses = [None, *places(5, 0.1, 0.9)]
    warm = nearby([0.0, 0.2, 0.7, 1.0], now["temperature"])
    even = nearby([0.0, 0.25, 0.75, 1.0], now["rebalancing"])
    few, networks = only(values, "network", "answer"), only(values, "network")
    return Plan(
        [
            few | {"picture": pictures, "temperature": warm[::2]},
            few | {"temperature": warm, "rebalancing": even},
            networks | {"picture": pictures, "place": [now["place"], *places(3)]},
            networks | {"guess": guesses, "temperature": warm[::2]},
            {"picture": pictures, "guess": guesses},
        ]
    )


def masking(explorer: Any) -> Plan:
    values = all_of(explorer)
    pictures = range(len(explorer.state.thumbs))
    ratios = nearby([0.0, 0.1, 0.25, 0.4, 0.5, 0.6, 0.85, 0.95, 1.0], explorer.values()["ratio"])
    values |= {"ratio": ratios, "number": range(4)}
    few = only(values, "network", "answer")
    grid = explorer.state.networks[explorer.values()["network"]].grid
    guesses = {"guess": [None, *places(grid)]}
    return Plan(
        [
            few | only(values, "ratio", "kind") | {"picture": [0]},
            few | {"picture": pictures, "ratio": ratios[::2]}
            if len(ratios) % 2
            else few | {"picture": pictures},
            few | {"picture": pictures, "kind": values["kind"]},
            few | {"picture": pictures, "number": values["number"]},
            guesses | {"picture": pictures, "kind": values["kind"]},
            guesses | {"ratio": ratios, "kind": values["kind"]},
            guesses | only(values, "number", "network"),
        ],
        beside=("kind", "ratio", "number"),  # a guess is one of what is hidden
    )


def hole_painter(explorer: Any) -> Plan:
    """A guess goes to the nearest of 64 places that is hidden as well: what is not hidden, nobody can point at."""
    from ssl_course.widgets.frame.hide_and_fill import guessed

    values = all_of(explorer)
    pictures = range(len(explorer.state.thumbs))
    now, spots = explorer.values(), places(8)
    shares = nearby([0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0], now["share"])
    values |= {"share": shares, "number": range(4), "distance": some(explorer.controls["distance"], 6)}
    few, guesses = only(values, "network", "answer"), {"guess": [None, *spots]}

    @cache
    def inside(hidden: bytes) -> list[tuple[float, float]]:
        return [spot for spot in spots if guessed(spot, hidden) is not None]

    def of(widget: Any) -> dict[str, Any]:
        own = widget.values()
        if (at := own["guess"]) is not None and guessed(at, hidden := widget.hidden_now()[1]) is not None:
            own["guess"] = min(inside(hidden), key=lambda spot: math.dist(spot, at), default="between spots")
        return own

    plain: dict[str, Any] = {}

    def drawn(values: dict[str, Any]) -> Any:
        kind = type(explorer)
        if guessed(values["guess"], kind.hiding(explorer.state, values)[1]) is not None:
            return kind.render(explorer.state, **values)
        values = values | {"guess": None}  # of what is seen, no guess: the same frame for all
        if (key := repr(values)) not in plain:
            plain[key] = kind.render(explorer.state, **values)
        return plain[key]

    return Plan(
        [
            few | only(values, "hole", "share"),
            few | {"picture": pictures, "hole": values["hole"]},
            few | {"picture": pictures, "share": shares[1::2]},
            few | {"picture": pictures, "distance": values["distance"]},
            few | only(values, "hole", "number"),
            guesses | only(values, "network") | {"picture": pictures},
            guesses | only(values, "network", "hole"),
            guesses | only(values, "hole", "share"),
            guesses | only(values, "hole") | {"picture": pictures},
            guesses | only(values, "hole", "number"),
        ],
        beside=("hole", "share", "number"),  # a guess is one of what is hidden
        of=of,
        draw=drawn,
        leave={"brush": "to paint a hole", "No hole": ""},
    )


def rotation(explorer: Any) -> Plan:
    """One puzzle at a time: the answer as it stands, and whether it was committed."""
    zooms = some(explorer.controls["zoom"])

    def of(widget: Any) -> dict[str, Any]:
        values = widget.values()
        return {"puzzle": values["puzzle"], "zoom": values["zoom"], "board": widget.now()}

    def to(values: dict[str, Any]) -> dict[str, Any]:
        board = values["board"]
        boards = () if board == (0, False) else (((values["puzzle"], values["zoom"]), board),)
        return {"puzzle": values["puzzle"], "zoom": values["zoom"], "boards": boards}

    boards = [(turn, done) for done in (False, True) for turn in range(4)]
    puzzles = range(1, explorer.controls["puzzle"].max + 1)
    return Plan(
        [{"puzzle": puzzles, "zoom": zooms, "board": boards}],
        of=of,
        to=to,
        say=lambda line: SCORE.sub("", line),
        remarks=("the score of all puzzles",),
    )


def jigsaw(explorer: Any) -> Plan:
    """The order in which a puzzle begins, and the network's answer; tiles are not moved."""

    def of(widget: Any) -> dict[str, Any]:
        values = widget.values()
        order, done = widget.now()
        begun = order == widget.begin(widget.state, widget.puzzle())
        board = done if begun else "moved"
        return {"puzzle": values["puzzle"], "gaps": values["gaps"], "board": board}

    def to(values: dict[str, Any]) -> dict[str, Any]:
        puzzle = values["puzzle"], values["gaps"]
        boards = (((puzzle, (explorer.begin(explorer.state, puzzle), True)),),) if values["board"] else ((),)
        fixed = {"boards": boards[0], "held": None, "at": None, "cursor": None}
        return {"puzzle": puzzle[0], "gaps": puzzle[1]} | fixed

    puzzles = range(1, explorer.controls["puzzle"].max + 1)
    return Plan(
        [{"puzzle": puzzles, "gaps": [True, False], "board": [False, True]}],
        of=of,
        to=to,
        say=lambda line: DRAG.sub("Guess the order and press Commit, then", SCORE.sub("", line)),
        remarks=("to move the tiles, and the score",),
    )


def masked_words(explorer: Any) -> Plan:
    """Up to two hidden words of the sentence at the start, and the fox."""
    from ssl_course.widgets import masked_words as module
    from ssl_course.widgets.frame import chips

    now = explorer.values()
    words = len(chips.texts_of(now["text"]))
    ones = [(), *((k,) for k in range(words))]
    twos = [(j, k) for j in range(words) for k in range(j + 1, words)]
    feelings = some(explorer.controls["feeling"])
    lambdas = nearby([0.0, 0.25, 0.5, 0.75, 1.0], now["dependence"])
    here = {"text": [now["text"]]}
    fox = {"text": [module.FOX]}
    foxes = [(), *((k,) for k in range(len(chips.texts_of(module.FOX)))), (2, 7)]
    return Plan(
        [
            here
            | {
                "masked": list(dict.fromkeys([now["masked"], *ones])),
                "feeling": feelings,
                "dependence": lambdas,
            },
            here | {"masked": twos, "feeling": feelings},
            fox | {"masked": foxes},
        ],
        context=("text",),
        of=lambda widget: {k: v for k, v in widget.values().items() if k != "cursor"},
        to=lambda values: values | {"cursor": min(values["masked"], default=0)},
        leave={"Hide 15 %": "by chance, as BERT does"},
    )


def next_word(explorer: Any) -> Plan:
    """A tree of texts: the five likeliest words three times, then the likeliest one."""
    now, state = explorer.values(), explorer.state
    blocks = []
    for network in some(explorer.controls["network"]):
        gpt = state.networks[network]

        def after(text: str, many: int, gpt: Any = gpt, network: str = network) -> list[str]:
            ids = state.next(network, text, 1.0, 0).ids[:many]
            return [text + gpt.tokenizer.decode([i], after=text) for i in ids if i != module_sep()]

        first = [now["text"]]
        texts, level = list(first), first
        for many in (6, 4, 3, 2):
            level = [t for text in level for t in after(text, many)]
            texts += level
        line = now["text"]
        for _ in range(14):
            following = after(line, 1)
            if not following:
                break
            line = following[0]
            texts.append(line)
        texts = list(dict.fromkeys(texts))
        warm = nearby([0.0, 0.25, 0.5, 1.5, 2.0], now["temperature"])
        blocks.append({"network": [network], "text": texts})
        blocks.append(
            {"network": [network], "text": texts[:7], "temperature": warm, "top_k": some_top(explorer)}
        )
    fixed = {"cursor": -1, "ended": False}
    return Plan(
        blocks,
        context=("network",),
        beside=("temperature", "top_k"),  # which words have a row
        of=lambda widget: {k: v for k, v in widget.values().items() if k not in fixed},
        to=lambda values: values | fixed,
        leave={"Draw a word": "", "Write on": "", "Undo": ""},
    )


def module_sep() -> int:
    from ssl_course.pretext.words import SEP

    return SEP


def some_top(explorer: Any) -> list[Any]:
    return [k for k in some(explorer.controls["top_k"]) if k in (0, 1, 3, 10)]


def shared_versus_large(explorer: Any) -> Plan:
    now = explorer.values()
    values = all_of(explorer, 11)
    values["n"] = nearby([10, 30, 600], now["n"])
    values["shared"] = nearby([0.0, 0.5, 1.5, 3.0], now["shared"])
    values["private"] = nearby([0.0, 1.0, 2.0, 5.0, 10.0], now["private"])
    values["angle"] = nearby([0, 30, 90], now["angle"])
    return Plan(
        [
            only(values, "shared", "private", "label"),
            only(values, "private", "angle", "label"),
            only(values, "private", "n"),
        ]
    )


def halves(explorer: Any) -> Plan:
    return Plan([all_of(explorer, 40)])


def noise_fit(explorer: Any) -> Plan:
    values, now = all_of(explorer, 5), explorer.values()
    values |= {"shared": [0.0, 0.3, 0.6, 0.9]}
    few = nearby(values["n"][::3], now["n"])
    fresh = {"fresh": [False, True]}
    return Plan(
        [
            fresh | only(values, "n"),
            *(fresh | {"n": few} | only(values, name) for name in ("p", "q", "shared", "ridge")),
            fresh | only(values, "p", "ridge"),
        ]
    )


def augmentation(explorer: Any) -> Plan:
    """Each augmentation by itself, beside the recipe and alone; pictures and draws; the guess with all of them."""
    from ssl_course.widgets.augmentation_explorer import OFF

    now = explorer.values()
    values = all_of(explorer, 4)
    guess = only(values, "guess")
    pictures = range(len(explorer.state.thumbs))
    sliders = [name for name in OFF if name != "flip"]
    off = {name: [bool(v) if name == "flip" else v] for name, v in OFF.items()}
    return Plan(
        [
            guess | {"picture": pictures, "seed": range(2), "head": [False, True]},
            guess | {"seed": range(6)},
            guess | only(values, "mode", "flip"),
            *(guess | {name: values[name]} for name in sliders),
            *(guess | off | {name: nearby(values[name], OFF[name]), "mode": ["exact"]} for name in sliders),
            guess | off | only(values, "mode"),
        ],
        leave={} if now["seed"] == 0 else {"another draw": ""},
    )


def similarity(explorer: Any) -> Plan:
    """Every row that can be guessed and chosen, at each temperature: a guess that is lost would be no guess."""
    now = explorer.values()
    warm = nearby([10**e for e in (-1.5, -1.0, 0.0, 0.5, 1.5)], now["temperature"])
    networks = some(explorer.controls["network"])
    few = [n for n in some(explorer.controls["n"]) if n <= 4]
    blocks = [
        {
            "n": [n],
            "network": networks,
            "temperature": warm,
            "row": range(2 * n),
            "guess": [None, *range(2 * n)],
        }
        for n in few
    ]
    more = ("more than four pictures",) if explorer.controls["n"].max > 4 else ()
    return Plan(blocks, beside=("n",), remarks=more)


def drawn_row(explorer: Any) -> Plan:
    """Rows to choose from; they are drawn, and what was measured appears, in the notebook."""

    def to(values: dict[str, Any]) -> dict[str, Any]:
        return {"row": values["row"], "show": False, "drawn": (), "column": 0}

    rows = some(explorer.controls["row"])
    return Plan(
        [{"row": rows}],
        of=lambda widget: {"row": widget.values()["row"]},
        to=to,
        leave={"show": "once your row is drawn"},
        remarks=("to draw a row",),
    )


def caption_search(explorer: Any) -> Plan:
    now = explorer.values()
    blocks = []
    for name in some(explorer.controls["pictures"]):
        gallery = explorer.state[name]
        own = min(max(gallery.scale, 1.0), 100.0)
        start = now["caption"] if name == now["pictures"] else gallery.start
        order, _ = gallery.order(start)
        asked = [start]
        from ssl_course.widgets import caption_search as module

        for picture in order[: module.SHOWN]:
            asked += [gallery.captions[k] for k in module._captions_of(gallery, picture)]
        texts = list(dict.fromkeys(asked))[:25]
        here = {"pictures": [name], "scale": [own if name != now["pictures"] else now["scale"]]}
        scales = nearby([1.0, 2.0, 5.0, 20.0, 50.0, 100.0], here["scale"][0])
        ranks = range(min(module.SHOWN, len(gallery.data)))
        prompts = some(explorer.controls["prompts"])
        labels = some(explorer.controls["label"])
        blocks.append(here | {"caption": [start], "rank": ranks})
        blocks.append(here | {"caption": texts, "rank": [*ranks][:3]})
        blocks.append(here | {"caption": [start], "label": labels, "prompts": prompts})
        blocks.append(
            here | {"caption": [start], "scale": scales, "masked": [False, True], "rank": [*ranks][:3]}
        )
    return Plan(
        blocks,
        context=("pictures",),
        of=lambda widget: {k: v for k, v in widget.values().items() if k != "cursor"},
        to=lambda values: values | {"cursor": 0},
    )


def break_the_bound(explorer: Any) -> Plan:
    values = all_of(explorer, 40)
    return Plan([only(values, "delta", "n"), only(values, "delta", "unit"), only(values, "n", "unit")])


def where_k(explorer: Any) -> Plan:
    values = all_of(explorer)
    few = nearby([15, 30, 200, 1000], explorer.values()["n"])
    return Plan([only(values, "dependence", "n", "ridge"), only(values, "pairs", "dependence") | {"n": few}])


def bound_explorer(explorer: Any) -> Plan:
    from ssl_course.data import scenes

    values, now = all_of(explorer, 40), explorer.values()
    rhos = nearby([0.0, 0.1, 0.3, 0.5, 0.7, 1.0], now["dependence"])
    values |= {"dependence": rhos}
    blocks: list[dict[str, Any]] = []
    counts = values["n"]
    for world in values["world"]:
        here = {"world": [world], "probe": values["probe"]}
        if world in scenes.SEES:
            blocks.append(
                here | {"dependence": nearby([0.0, 0.5, 1.0], now["dependence"]), "n": counts[1:-1:3]}
            )
            continue
        blocks.append(here | {"dependence": rhos, "n": nearby(counts[::3], now["n"])})
        blocks += [here | {name: values[name]} for name in ("k", "sigma", "noise", "n")]
    blocks += [
        only(values, "sigma", "dependence"),
        only(values, "k", "noise"),
        only(values, "sigma", "noise"),
    ]
    return Plan(blocks, context=("world",))


def harmless(explorer: Any) -> Plan:
    return Plan([all_of(explorer, 21)])


def dependence(explorer: Any) -> Plan:
    values, now = all_of(explorer), explorer.values()
    last = explorer.controls["step"].max
    noise = nearby([0.0, 0.3, 0.8], now["noise"])
    return Plan(
        [
            only(values, "shape") | {"step": sorted({1, 2, 3, last})},
            only(values, "shape") | {"step": [3], "noise": noise},
            {"shape": [now["shape"]], "step": [3]} | only(values, "n", "span"),
        ]
    )


def flip(explorer: Any) -> Plan:
    values = all_of(explorer, 21)
    worlds = values["world"]
    return Plan(
        [
            {"world": [w], "dependence": values["dependence"], "chosen": range(4) if w == "words" else [1]}
            for w in worlds
        ],
        context=("world",),
    )


def leaderboard(explorer: Any) -> Plan:
    return Plan([all_of(explorer)], remarks=("to enter a method",))


def live(explorer: Any) -> Plan:
    """The run itself, trained while the page was made: a film for each setting of its switches.

    Where all settings would take more than `MOST` steps, each switch is turned by itself; where even that would, the last
    switches stay in the notebook: what is last in the widget changes least.
    """
    now = explorer.values()
    switches = {
        name: some(control)
        for name, control in explorer.controls.items()
        if type(control).__name__ in ("Checkbox", "Dropdown") and len(some(control)) <= 4
    }
    leave = {name: "" for name in now if name not in switches} | {"Start": "to train", "Step": ""}
    steps, blocks = explorer._steps, [switches]
    if steps * math.prod(map(len, switches.values())) > MOST:
        while steps * (1 + sum(len(values) - 1 for values in switches.values())) > MOST and switches:
            leave[switches.popitem()[0]] = ""
        blocks = [{name: values} for name, values in switches.items()] or [{}]
    start = {name: now[name] for name in switches}
    settings = [
        start | dict(zip(block, s, strict=True))
        for block in blocks
        for s in itertools.product(*block.values())
    ]
    moments = sorted({round(steps * (k / 16) ** 1.5) for k in range(17)})
    frames, words = film_of(explorer, settings, moments)

    return Plan(
        [{"moment": range(len(moments)), **block} for block in blocks],
        of=lambda widget: {name: widget.controls[name].value for name in switches},
        leave=leave,
        draw=lambda values: frames[tuple(values[name] for name in switches), values["moment"]],
        extra={"moment": ("step", words)},
        play="moment",
    )


MOST = 5_000  # steps that the films of one widget take
RATE = re.compile(r" · [\d.,e+-]+ samples/s")
TRAINED = (
    "Play shows this run, with these settings from its first step, as it was trained when the page was made. "
)


def film_of(
    explorer: Any, settings: Sequence[dict[str, Any]], moments: Sequence[int]
) -> tuple[dict, list[str]]:
    """(values of the switches, number of the moment) → frame, of a run for each of the settings."""
    frames: dict[tuple, Any] = {}
    explorer._loop = None
    for setting in settings:
        chosen = tuple(setting.values())
        if (chosen, 0) in frames:
            continue
        explorer.reset()
        for name, value in setting.items():
            explorer.controls[name].value = value
        for number, step in enumerate(moments):
            if step > explorer.index:
                explorer.run(step - explorer.index)
            values = {name: control.value for name, control in explorer.controls.items()}
            state = explorer.state  # without a kernel there is no Start
            state = state._replace(curve={"empty": "press Play", **state.curve})
            panels, line = type(explorer).render(state, **values)
            panels = [
                dataclasses.replace(p, caption=RATE.sub("", p.caption), alt=RATE.sub("", p.alt))
                for p in panels
            ]
            trouble = re.match(r'<span class="ssl-error">.*?</span>', line)
            frames[chosen, number] = (panels, f"{trouble[0] if trouble else ''}{TRAINED}")
    explorer.reset()
    return frames, [f"{step:,}" for step in moments]


PLANS = {
    "SceneExplorer": scene_explorer,
    "HoleExplorer": hole_explorer,
    "PipelineTour": tour,
    "ColorizationExplorer": colorization,
    "MaskingExplorer": masking,
    "HolePainter": hole_painter,
    "RotationGame": rotation,
    "JigsawGame": jigsaw,
    "MaskedWords": masked_words,
    "NextWord": next_word,
    "SharedVersusLarge": shared_versus_large,
    "HalvesExplorer": halves,
    "NoiseFit": noise_fit,
    "AugmentationExplorer": augmentation,
    "SimilarityMatrix": similarity,
    "DrawnRow": drawn_row,
    "CaptionSearch": caption_search,
    "BreakTheBound": break_the_bound,
    "WhereKComesFrom": where_k,
    "BoundExplorer": bound_explorer,
    "HarmlessOrHarmful": harmless,
    "DependenceExplorer": dependence,
    "FlipExplorer": flip,
    "Leaderboard": leaderboard,
    "Live": live,
}
