"""Drawings of networks: they say what the methods' defaults do, and nothing in them lies over anything else."""

import inspect
import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest
import torch
from PIL import ImageFont

from ssl_course import methods
from ssl_course.course import networks
from ssl_course.data import reviews, scenes
from ssl_course.losses import BAND_WEIGHT
from ssl_course.pretext import color

SPACE = "{http://www.w3.org/2000/svg}"
METHODS = {
    "colorization": "Colorization", "context_encoder": "ContextEncoder", "mae": "MAE", "puzzles": "Jigsaw", "language": "BERT",
    "simclr": "SimCLR", "siamese": "SimSiam", "clip": "CLIP", "deep_cca": "DeepCCA",
}  # fmt: skip
N = 6


def texts(svg):
    return list(ElementTree.fromstring(svg).iter(f"{SPACE}text"))


def words(name):
    return " ".join(e.text for e in texts(networks.draw(name).svg))


def passed_along(method):
    """Names of modules, and of parts of the pair, with the shapes that one step of the method sees there."""
    seen = {}

    def look(name):
        def hook(module, given, result):
            for key, value in ((f"{name}<", given[0]), (name, result)):
                if torch.is_tensor(value):
                    seen.setdefault(key, set()).add(tuple(value.shape))

        return hook

    is_text = isinstance(method, methods.BERT | methods.GPT)
    data = (reviews if is_text else scenes).World().sample(N, **({} if is_text else {"size": 64}), seed=0)
    data = method.prepare(data) if hasattr(method, "prepare") else data
    for name, module in method.named_modules():
        if name:
            module.register_forward_hook(look(name))
    pair = method.pair(data)
    seen |= {"x1": {tuple(pair.x1.shape)}, "x2": {tuple(pair.x2.shape)}}
    method(data)
    length = pair.x2.shape[-1]  # of texts
    return seen, {"N": N, "tokens": length}


def size(text, values):
    """ "9N" → 54."""
    factor, letter = re.fullmatch(r"(\d*)(N|tokens|)", text).groups()
    return int(factor or 1) * (values[letter] if letter else 1)


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_shapes_are_those_that_the_defaults_pass_along(name):
    runs, checked = {}, 0
    for element in texts(networks.draw(name).svg):
        if of := element.get("data-of"):
            method, _, part = of.rpartition(":")
            method = method or METHODS[name]
            if method not in runs:
                torch.manual_seed(0)
                runs[method] = passed_along(getattr(methods, method)())
            seen, values = runs[method]
            assert {tuple(size(d, values) for d in element.text.split("×"))} == seen[part], (element.text, of)
            checked += 1
        else:
            assert not re.search(r"N×\d", element.text), "a shape that nothing checks"
    assert checked >= 2 and len(runs) == (2 if name in ("language", "puzzles", "siamese") else 1)


def test_numbers_in_the_words_are_those_of_the_defaults():
    mae, jigsaw, byol = methods.MAE(), methods.Jigsaw(), methods.BYOL()
    kept = int((mae.hide(torch.zeros(1, 3, 64, 64)).parts["mask"] == 0).sum())
    blocks, width = len(mae.backbone.transformer.blocks), mae.backbone.dim
    assert f"{blocks} blocks, {width} wide" in words("mae") and "decoder 1 block" in words("mae")
    assert len(mae.decoder.blocks) == 1 and f"{mae.grid**2 + 1} tokens" in words("mae")
    assert f"Of {mae.grid**2} patches {kept} stay visible" in networks.draw("mae").alt
    dark = networks.css(networks.mix(networks.PAPER, networks.PSI, 0.7))
    drawing = ElementTree.fromstring(networks.draw("mae").svg)
    assert sum(e.get("fill") == dark for e in drawing.iter(f"{SPACE}rect")) == kept  # beside the class token
    assert [e.get("d").count("M") for e in drawing.iter(f"{SPACE}path") if e.get("fill") == dark] == [kept]
    assert f"{len(jigsaw.permutations)} orders" in words("puzzles")
    assert f"{methods.ContextEncoder().backbone.dim} maps" in words("context_encoder")
    assert BAND_WEIGHT == 10 and "ten times" in words("context_encoder")
    neighbours = inspect.signature(color.soft_encode).parameters["neighbours"].default
    assert f"{neighbours} nearest bins" in words("colorization")
    assert f"over {len(methods.Colorization().centres)} colour bins" in networks.draw("colorization").alt
    assert all(
        not p.requires_grad for p in byol.target.parameters()
    )  # drawn as a copy behind a stopped gradient


# ---- nothing over anything else -------------------------------------------------------------------------------------
FONT = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"


def box(element):
    """x0, y0, x1, y1 of a text, in the font that the drawings ask for."""
    at, points = element.get("text-anchor"), float(element.get("font-size"))
    x0, y0, x1, y1 = ImageFont.truetype(FONT, 100).getbbox(element.text, anchor="ls")
    wide, scale = x1 - x0, points / 100
    x = float(element.get("x")) - scale * wide * {"start": 0, "middle": 0.5, "end": 1}[at]
    y = float(element.get("y"))
    return x, y + scale * y0, x + scale * wide, y + scale * y1


def overlap(a, b):
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


def faults(svg):
    """Texts that leave the sheet, are too small, or lie over another text, a line, an arrow's head or an edge."""
    root = ElementTree.fromstring(svg)
    wide, high = float(root.get("width")), float(root.get("height"))
    all_boxes = [(e.text, box(e)) for e in texts(svg)]
    obstacles = []
    for path in root.findall(f"{SPACE}path"):
        if path.get("fill") != "none" or "Q" in path.get("d"):
            continue  # cells, and arcs
        numbers = [tuple(map(float, p.split())) for p in path.get("d")[1:].split("L")]
        obstacles += [(min(a, c), min(b, d) - 0.7, max(a, c) + 0.01, max(b, d) + 0.7)
                      for (a, b), (c, d) in zip(numbers, numbers[1:], strict=False) if a == c or b == d]  # fmt: skip
    for shape in root.findall(f"{SPACE}polygon"):
        xs, ys = zip(*(map(float, p.split(",")) for p in shape.get("points").split()), strict=True)
        obstacles.append((min(xs), min(ys), max(xs), max(ys)))
    frames = []
    for rect in root.findall(f"{SPACE}rect")[1:]:
        if rect.get("stroke"):
            x, y, w, h = (float(rect.get(k)) for k in ("x", "y", "width", "height"))
            frames.append((x, y, x + w, y + h))
    for i, (text, b) in enumerate(all_boxes):
        if b[0] < 4 or b[1] < 4 or b[2] > wide - 4 or b[3] > high - 4:
            yield f"{text!r} leaves the sheet"
        for other, c in all_boxes[:i]:
            if overlap(b, (c[0] - 2, c[1], c[2] + 2, c[3])):
                yield f"{text!r} over {other!r}"
        for line in obstacles:
            if overlap(b, line):
                yield f"{text!r} over a line at {line}"
        for f in frames:
            inside = f[0] + 2 < b[0] and f[1] + 2 < b[1] and b[2] < f[2] - 2 and b[3] < f[3] - 2
            if overlap(b, f) and not inside:
                yield f"{text!r} over the edge of {f}"
    for element in texts(svg):
        if float(element.get("font-size")) < 11:
            yield f"{element.text!r} is small"


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_no_word_lies_over_a_line_or_another_word(name):
    assert list(faults(networks.draw(name).svg)) == []


@pytest.mark.parametrize(
    "more, fault",
    [
        (lambda s: s.words(700, 20, "too far right"), "leaves"),
        (lambda s: (s.words(300, 50, "one"), s.words(310, 52, "two")), "over 'one'"),
        (lambda s: (s.arrow((100, 50), (300, 50)), s.words(200, 50, "crossed")), "over a line"),
        (lambda s: s.block(100, 50, 60, "much too long"), "over the edge"),
        (lambda s: s.words(300, 50, "tiny", size=9), "small"),
    ],
)
def test_what_lies_over_something_is_found(more, fault):
    sheet = networks.Sheet(networks.WIDTH, 100)
    more(sheet)
    found = list(faults(sheet.svg()))
    assert len(found) == 1 and fault in found[0]


# ---- on a page ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", networks.NETWORKS)
def test_a_drawing_has_alt_text_scrolls_and_takes_all_colours_from_the_palette(name):
    shown = networks.draw(name)
    html = shown._repr_html_()
    assert len(shown.alt) > 100 and f"min-width:{networks.WIDTH}px" in html and "overflow-x:auto" in html
    assert not re.search(r"#[0-9a-f]{6}", re.sub(r"var\(--ssl-\w+,#\w+\)", "", shown.svg))


def test_an_unknown_name_is_told_those_that_there_are():
    with pytest.raises(ValueError, match="mae"):
        networks.draw("vae")
