"""Lecture 08's experiment: two views of one picture, and how alike ψ finds them (note §3.2)."""

import math
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from ipywidgets import Checkbox, Dropdown, FloatSlider, IntSlider, Widget
from torch import Tensor, nn

from ssl_course.checkpoints import shipped
from ssl_course.course import palette
from ssl_course.data import scenes
from ssl_course.data.files import resize
from ssl_course.data.pictures import Pictures
from ssl_course.evaluation import features
from ssl_course.interfaces import pair_of
from ssl_course.pretext.augment import Augmentation, Draw, apply
from ssl_course.widgets.frame import Frame, Panel, draw
from ssl_course.widgets.frame.pairs import as_set, untrained
from ssl_course.widgets.frame.sheet import SHOWN, THUMB, Gallery, SheetExplorer
from ssl_course.widgets.frame.upload import Upload

MANY = 8  # draws in the row
OTHERS = 96  # pictures with which the two views are compared
WIDE = 168  # CSS pixels of a view
SHIPPED = "simclr"
MODES = {
    "two separate draws": "separate",
    "one draw, shared by both": "shared",
    "exactly these values": "exact",
}
UNKNOWN = "not yet"
LIGHT = ("brightness", "contrast", "saturation")  # factors around 1
STEPS = ("crop", "zoom", "turn", "flip", *LIGHT, "hue", "gray", "blur")
OFF = dict.fromkeys(STEPS, 0.0) | {"crop": 1.0, "zoom": 1.0, "flip": False}


class Views(NamedTuple):
    """What became of one picture."""

    images: Tensor  # (2 K, 3, s, s) in [0, 1]: all first views, then all second ones
    draw: Draw  # of these 2 K views


def recipe(setting: dict[str, float]) -> Augmentation:
    """The `Augmentation` whose random draws reach as far as the controls say."""
    zoom, blur = setting["zoom"], setting["blur"]
    return Augmentation(
        crop=None if setting["crop"] >= 1 else (setting["crop"], 1.0),
        flip=setting["flip"] / 2,  # the control says whether views are mirrored at all
        rotate=setting["turn"],
        zoom=(min(zoom, 1.0), max(zoom, 1.0)),
        jitter=1.0,
        **{name: setting[name] for name in (*LIGHT, "hue", "gray")},
        blur=float(blur > 0),
        blur_sigma=(min(0.1, blur) or 0.1, max(blur, 0.1)),
    )


def exactly(setting: dict[str, float], strength: Tensor, size: int) -> Draw:
    """The draw that does what the controls say, weakened to ``strength`` (K,) in [0, 1]: no chance in it."""
    s = strength
    share = 1 - s * (1 - setting["crop"])  # of the area, kept in the middle
    side = (share.sqrt() * size).round().clamp(min=1)  # (K,)
    return Draw(
        top=((size - side) / 2).floor(),
        left=((size - side) / 2).floor(),
        height=side,
        width=side,
        flip=(s * setting["flip"] >= 0.5).float(),
        angle=s * setting["turn"],
        zoom=setting["zoom"] ** s,
        **{name: 1 + s * setting[name] for name in LIGHT},
        hue=s * setting["hue"],
        gray=(s * setting["gray"] >= 0.5).float(),
        sigma=s * setting["blur"],
    )


def views(method: Any, image: Tensor, setting: dict[str, float], mode: str, seed: int) -> Views:
    """K pairs of one picture (3, s, s) uint8, by the method's `pair` with the controls' augmentation.

    With mode "exact" the first view is the picture itself.
    """
    size = image.shape[-1]
    if mode == "exact":
        strength = torch.linspace(1, 0, MANY + 1)[:-1]  # the full setting first
        made = exactly(setting, torch.cat([torch.zeros(MANY), strength]), size)
    else:
        stream = torch.Generator().manual_seed(seed)
        made = recipe(setting).draw(2 * MANY, size, size, generator=stream)
        if mode == "shared":
            fields = {name: v for name, v in vars(made).items() if torch.is_tensor(v)}
            made = replace(made, **{name: torch.cat([v[:MANY]] * 2) for name, v in fields.items()})
    shown = as_set(method, augment=lambda x: apply(x, made))
    return Views(torch.cat([*pair_of(shown, Pictures(image.expand(MANY, -1, -1, -1)))]), made)


class _State(Gallery):
    """Networks and pictures; what no control changes is computed once."""

    def __init__(self, networks: dict[str, nn.Module], pictures: Pictures) -> None:
        super().__init__(networks, pictures)
        rest = pictures.images[SHOWN : SHOWN + OTHERS]
        rest = rest if len(rest) > 1 else pictures.images
        # (OTHERS, d) each
        self.others = {
            (name, head): F.normalize(features(_reader(method, head), rest), dim=1)
            for name, method in networks.items()
            for head in (False, True)
        }

    @lru_cache(maxsize=64)  # noqa: B019 - one instance lives as long as its widget
    def made(self, setting: tuple[float, ...], mode: str, seed: int, picture: int, upload: Upload) -> Views:
        method, image = self.networks["trained ψ"], self.image(picture, upload)[0]
        return views(method, image, dict(zip(STEPS, setting, strict=True)), mode, seed)

    @lru_cache(maxsize=64)  # noqa: B019
    def cosines(self, name: str, head: bool, *made: Any) -> tuple[np.ndarray, np.ndarray]:
        """Of the K pairs (K,), and of the first view of the first pair with all other pictures (OTHERS,).

        ``made``: the arguments of `made`.
        """
        images = self.made(*made).images
        z = F.normalize(features(_reader(self.networks[name], head), images), dim=1)  # (2 K, d)
        pair = (z[:MANY] * z[MANY:]).sum(1)
        return pair.numpy(), (self.others[name, head] @ z[0]).numpy()


def _reader(method: nn.Module, head: bool) -> Any:
    return method.project if head else method.encode


class AugmentationExplorer(SheetExplorer):
    """Two views of one picture, a control for each augmentation, and their cosine in two networks.

    The cosines stay hidden until you have said which network you expect to recognise the picture better.

    Args:
        method: a trained `SimCLR` (or another method with encode, project and arguments); None is the one
            that comes with the course.
        data: pictures; None paints scenes of 64 px.

    Raises:
        ValueError: fewer than two pictures.
        FileNotFoundError: no method is given and none is shipped.
    """

    fresh = {}  # the guess is about the networks: it outlives a picture

    def __init__(self, method: nn.Module | None = None, data: Pictures | None = None) -> None:
        method = shipped(SHIPPED) if method is None else method
        data = scenes.World().sample(SHOWN + OTHERS, size=64, seed=8) if data is None else data
        if len(data) < 2:
            raise ValueError(f"data has {len(data)} pictures; two at least, so that there is another one")
        state = _State({"untrained ψ": untrained(method), "trained ψ": method.eval()}, data)
        guesses = [UNKNOWN, *state.networks]
        controls: dict[str, Widget] = {
            "crop": FloatSlider(0.2, min=0.05, max=1, step=0.05, description="crop, smallest area"),
            "zoom": FloatSlider(1.0, min=0.4, max=2.5, step=0.05, description="zoom up to"),
            "turn": FloatSlider(0.0, min=0, max=180, step=5, description="turn, degrees"),
            "flip": Checkbox(True, description="flip"),
            **{n: FloatSlider(0.4, min=0, max=1, step=0.05, description=f"{n} ±") for n in LIGHT},
            "hue": FloatSlider(0.1, min=0, max=0.5, step=0.02, description="hue ±"),
            "gray": FloatSlider(0.2, min=0, max=1, step=0.1, description="gray, probability"),
            "blur": FloatSlider(0.0, min=0, max=4, step=0.25, description="blur, largest width"),
            "mode": Dropdown(options=MODES, value="separate", description="both views from"),
            "seed": IntSlider(0, min=0, max=99, description="draw number"),
            "head": Checkbox(False, description="after the head (z)"),
            "guess": Dropdown(options=guesses, description="your guess: better recognised by"),
        }
        often, seldom = ["crop", "hue", "mode", "flip"], ["zoom", "turn", *LIGHT, "gray", "blur", "seed"]
        actions = {
            "another draw": lambda: self.set(seed=(self.values()["seed"] + 1) % 100),
            "no augmentation": lambda: self.set(**OFF),
        }
        rows = [often, seldom, ["guess", "head"]]
        super().__init__(controls, state=state, rows=rows, actions=actions)
        self.fold(1, "more augmentations")

    @staticmethod
    def render(state: Any, **values: Any) -> Frame:
        """The panels; pure."""
        setting = tuple(float(values[name]) for name in STEPS)
        key = (setting, values["mode"], values["seed"], values["picture"], values["upload"])
        made = state.made(*key)
        cosines = {}
        if values["guess"] != UNKNOWN:
            cosines = {name: state.cosines(name, values["head"], *key) for name in state.networks}
        first, second = (what_was_done(made.draw, i, state.size) for i in (0, MANY))
        panels = [
            state.sheet(values["picture"], values["upload"]),
            Panel(made.images[0], "X₁, the first view", f"first view: {first}", WIDE),
            Panel(made.images[MANY], "X₂, the second view", f"second view: {second}", WIDE),
            _cosines(cosines),
            _all_pairs(made, values["mode"] == "exact"),
        ]
        verdict = _verdict(cosines, values["guess"], values["mode"])
        return panels, f"{values['upload'].line}X₁: {first}.<br>X₂: {second}.<br>{verdict}"


def what_was_done(drawn: Draw, i: int, size: int) -> str:
    """What was done to view i, in words."""

    def value(name: str, neutral: float) -> float:
        v = getattr(drawn, name)
        return neutral if v is None else float(v[i]) if torch.is_tensor(v) and v.ndim else float(v)

    share, zoom = value("height", size) * value("width", size) / size**2, value("zoom", 1)
    angle, hue, blur = value("angle", 0), value("hue", 0), value("sigma", 0)
    done = {
        f"{100 * share:.0f} % of the area": share < 0.995,
        f"zoom {zoom:.2f}": abs(zoom - 1) > 0.005,
        f"turned {angle:.0f}°": abs(angle) >= 0.5,
        "flipped": value("flip", 0),
        **{f"{name} {value(name, 1):.2f}": value(name, 1) != 1 for name in LIGHT},
        f"hue {hue:+.2f}": hue,
        "gray": value("gray", 0),
        f"blur {blur:.1f}": blur > 0,
    }
    return ", ".join(words for words, yes in done.items() if yes).replace("-", "−") or "as it is"


def _all_pairs(made: Views, exact: bool) -> Panel:
    """All K pairs, in two rows: first views above, second ones below."""
    small = [draw.rgba(x) for x in resize((made.images * 255).round().to(torch.uint8), THUMB)]
    half = MANY // 2
    pairs = [draw.tile([*small[k : k + half], *small[MANY + k :][:half]], half) for k in (0, half)]
    rows = draw.tile(pairs, 1, gap=12)
    drawn = f"{MANY} draws: X₁ above, X₂ below; the first pair is shown large"
    caption, alt = "from the full setting (first) to hardly any", f"{MANY} pairs of views of the picture"
    return Panel(rows, caption if exact else drawn, alt, rows.shape[1], pixelated=False, columns=half)


def _cosines(cosines: dict[str, tuple[np.ndarray, np.ndarray]]) -> Panel:
    """For each network a lane: other pictures as a cloud, the K pairs as dots, the shown pair with a ring."""
    low = min([0.0, *(float(min(p.min(), o.min())) for p, o in cosines.values())])
    low = math.floor(low * 5) / 5
    plot = draw.Plot(300, 200, (low, 1.03), (-0.2, 2.2), margin=(8, 10, 38, 8))
    plot.axes("cosine", "", yticks=[])
    for lane, name in enumerate(("untrained ψ", "trained ψ")):
        y = 1.1 - 1.1 * lane
        plot.text(low, y + 0.78, name, palette.PSI, 12, "lm", bold=True, offset=(6, 0), halo=True)
        if name not in cosines:
            plot.text((low + 1) / 2, y + 0.3, "commit to a guess first", palette.MUTED, 12)
            continue
        pairs, others = cosines[name]
        lift = np.modf(np.arange(len(others)) * 0.618)[0]  # so that dots do not hide each other
        plot.dots(np.stack([others, y + 0.05 + 0.2 * lift], 1), palette.MUTED + "70", r=2.5)
        plot.dots(np.stack([pairs, np.full(MANY, y + 0.45)], 1), palette.X2 + "b0", r=4)
        plot.dot(float(pairs[0]), y + 0.45, None, r=7, outline=palette.X1, width=2.5)
    caption = "cosine of X₁ with X₂ (○ this pair) and, in gray, with other pictures"
    alt = "; ".join(f"{n}: {p[0]:.2f}, other pictures {o.mean():.2f}" for n, (p, o) in cosines.items())
    return plot.panel(caption, alt or "cosines, hidden until you have made a guess")


def _verdict(cosines: dict[str, tuple[np.ndarray, np.ndarray]], guess: str, mode: str) -> str:
    """Who recognises the picture, and whether that was the guess."""
    if not cosines:
        return (
            "Which network tells better that X₁ and X₂ are one picture? <b>Commit to a guess</b> (the menu "
            "above); then the cosines appear."
        )
    nearer = {name: float((others > pairs[0]).mean()) for name, (pairs, others) in cosines.items()}
    lines = [
        f"<b>{name}</b>: cosine {pairs[0]:.3f}; {100 * nearer[name]:.0f} % of other "
        "pictures are nearer to X₁ than X₂ is"
        for name, (pairs, _) in cosines.items()
    ]
    winners = [name for name, share in nearer.items() if share == min(nearer.values())]
    if len(winners) > 1:
        verdict = "Both recognise the picture equally well here: make it harder, or easier."
    elif winners[0] == guess:
        verdict = f"You had it: {guess}."
    else:
        verdict = f"Here it is the {winners[0]}: look at a few more draws before you change your mind."
    if mode == "shared":
        verdict += " Both views come from one draw, so they are one picture: nothing is left to learn."
    return f"{'. '.join(lines)}.<br>{verdict}"
