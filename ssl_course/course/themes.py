"""Light and dark for what stays on a page without a kernel:
pictures and cards that carry both sets of colours.

A stored picture is an SVG in an <img>, with both sets inside: an <svg> in the page itself is dropped where a
notebook is not trusted, and leaves its letters behind. The picture follows the ``color-scheme`` of what it
stands in, and so does CSS's ``light-dark()``; JupyterLab sets none, so `SCHEME` does.
"""

import base64
import io
import re
from html import escape
from urllib.parse import quote

from PIL import Image

from ssl_course.course.palette import DARK, INK, NAMES, WASH, Mixed, rgb

# Dark pages of JupyterLab and nbconvert, of VS Code, and of Sphinx with furo. An untrusted notebook loses the
# rule and shows light paper.
SCHEME = (
    '<style>[data-jp-theme-light="false"] .ssl-shown,.vscode-dark .ssl-shown,[data-theme="dark"] .ssl-shown'
    "{color-scheme:dark}</style>"
)
FONT = "'DejaVu Sans',Verdana,system-ui,sans-serif"


def css(color: str | tuple[int, ...]) -> str:
    """A colour for a drawing: of the palette by its name, a mixture as a mixture, all else as it is."""
    if isinstance(color, Mixed):
        return f"color-mix(in srgb,{css(color.high)} {100 * color.share:.3g}%,{css(color.low)})"
    if not isinstance(color, str):
        return "#" + bytes(color).hex()
    base, alpha = color[:7], color[7:]
    if base not in NAMES:
        return color
    solid = f"var(--ssl-{NAMES[base]},{base})"
    return f"color-mix(in srgb,{solid} {int(alpha, 16) / 2.55:.3g}%,transparent)" if alpha else solid


def pixel(color: str | tuple[int, ...], dark: bool = False) -> tuple[int, ...]:
    """A colour as (red, green, blue, opacity) of 0 to 255, on light or on dark paper."""
    if isinstance(color, Mixed):
        ends = zip(pixel(color.low, dark), pixel(color.high, dark), strict=True)
        return tuple(round(a + (b - a) * color.share) for a, b in ends)
    if not isinstance(color, str):
        return (*color, 255)[:4]
    solid = DARK.get(NAMES.get(color[:7], ""), color[:7]) if dark else color[:7]
    return (*rgb(solid), int(color[7:] or "ff", 16))


def both(colour: str) -> str:
    """A colour of the palette for a card: its light and its dark one, as ``light-dark(…)``."""
    return f"light-dark({colour},{DARK[NAMES[colour]]})"


def on_wash() -> str:
    """CSS of words in ink on the wash; first for browsers older than 2024 and untrusted pages,
    which drop what follows."""
    return f"background:{WASH};color:{INK};background:{both(WASH)};color:{both(INK)}"


def _rule(where: str, colours: dict[str, str]) -> str:
    return where + "{" + ";".join(f"--ssl-{name}:{colour}" for name, colour in colours.items()) + "}"


def variables() -> str:
    """The palette's names and what they mean on a light and on a dark page, as CSS for widgets."""
    light = {name: colour for colour, name in NAMES.items()}
    return _rule(".ssl-canvas", light) + _rule('[data-jp-theme-light="false"] .ssl-canvas', DARK)


def standalone(svg: str) -> str:
    """An <svg> whose colours are names of the palette, with what they mean on a light and on a dark page."""
    used = {name: colour for colour, name in NAMES.items() if f"--ssl-{name}" in svg}
    light, dark = _rule(":root", used), _rule(":root", {name: DARK[name] for name in used})
    if "ssl-dark" in svg:  # pictures of its own for each theme
        dark += ".ssl-light{display:none}.ssl-dark{display:inline}"
    style = f"<style>{light}@media(prefers-color-scheme:dark){{{dark}}}text{{font-family:{FONT}}}</style>"
    svg = re.sub(r"<title>.*?</title>", "", svg, flags=re.DOTALL)  # an <img> does not tell them
    svg = re.sub(r"data:image/png;base64,\s*([^\"]+)", lambda match: _smaller(match[1]), svg)
    return re.sub(r"(<svg[^>]*>)", lambda match: match[1] + style, svg, count=1)


def _smaller(data: str) -> str:
    """A PNG in base64 as what takes fewer bytes: a palette, where its colours are few, or a JPEG that keeps
    them all; a WebP where the page shows through."""
    picture, png, jpeg = Image.open(io.BytesIO(base64.b64decode(data))), io.BytesIO(), io.BytesIO()
    if picture.mode == "P":  # few colours already
        return f"data:image/png;base64,{data}"
    if picture.mode == "RGBA" and picture.getextrema()[3][0] < 255:
        picture.save(jpeg, "webp", quality=92, method=6)
        return f"data:image/webp;base64,{base64.b64encode(jpeg.getvalue()).decode()}"
    picture = picture.convert("RGB")
    # No `optimize`: it fails where grain needs more bytes than pixels.
    picture.save(jpeg, "jpeg", quality=92, subsampling=0)
    if picture.getcolors(256) is not None:
        picture.quantize(256, dither=Image.Dither.NONE).save(png, "png", optimize=True)
    kind, file = ("png", png) if 0 < png.tell() <= jpeg.tell() else ("jpeg", jpeg)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def img(svg: str, alt: str, width: int, least: int = 0) -> str:
    """An <img> of a drawing, at most as wide as the page, at least ``least`` CSS pixels;
    with `SCHEME`, which it needs."""
    # As text, which takes a sixth less than base64 of it, and a quarter less where most of it is pictures.
    text = re.sub(r"=\"([^\"']*)\"", r"='\1'", standalone(svg))
    data = quote(text, safe=" ='/:;,+()!*@$?[]{}|^")
    return (
        f'{SCHEME}<img class="ssl-shown" alt="{escape(alt)}" src="data:image/svg+xml,{data}" width="{width}" '
        f'style="max-width:100%;{f"min-width:{least}px;" if least else ""}height:auto;border-radius:4px">'
    )


def figure(svg: str, alt: str, width: int, caption: str | None = None, least: int = 0) -> str:
    """`img` as a <figure> with its caption; where a page is narrower than ``least``, the picture scrolls."""
    words = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    shown = img(svg, alt, width, least)
    if least:  # what scrolls is reached from the keyboard
        shown = f'<div style="overflow-x:auto" tabindex="0" role="region" aria-label="Drawing">{shown}</div>'
    return f'<figure class="ssl-figure" style="margin:0.5em 0">{shown}{words}</figure>'


def named(svg: str) -> str:
    """Matplotlib's SVG with the palette's colours by their names,
    and without what it repeats for every mark."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"(?<=: )#[0-9a-f]{6}", lambda match: css(match[0]), svg)
    svg = re.sub(r" font-family: 'DejaVu Sans'[^;\"]*;?", "", svg)  # `standalone` says it once
    svg = re.sub(r" transform=\"rotate\(-?0 [^\"]*\"", "", svg)
    svg = re.sub(r"\d+\.\d{4,}", lambda match: f"{float(match[0]):.3f}".rstrip("0").rstrip("."), svg)
    svg = re.sub(r'(?<= [xy]=")[\d.]+', lambda match: f"{float(match[0]):.1f}".removesuffix(".0"), svg)
    for number, name in enumerate(sorted(set(re.findall(r' id="(m[0-9a-f]{6,})"', svg)))):  # of markers
        svg = svg.replace(name, f"m{number}")
    svg = svg.replace("xlink:href", "href")
    svg = re.sub(r"((?:<use [^>]*?(style=\"[^\"]*\")/>\s*)(?:<use [^>]*?\2/>\s*)+)", _together, svg)
    return re.sub(r"\s*\n\s*", " ", svg).replace("> <", "><")


def _together(match: re.Match) -> str:
    """Marks of one look: the look once."""
    return f"<g {match[2]}>{match[1].replace(' ' + match[2], '')}</g>"
