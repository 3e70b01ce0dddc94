"""Pictures with captions written by people: emoji and their Unicode names, and the photographs of Flickr8k.

Nothing of either comes with the course. Emoji are drawn when they are loaded, from the font and the list of
names that Debian and Ubuntu package (``apt-get install fonts-noto-color-emoji unicode-data``); Flickr8k must
be fetched by hand, since its photographs are for research and teaching only.
"""

import re
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from ssl_course.data import files
from ssl_course.data.files import DataError, is_test
from ssl_course.data.photos import open_picture
from ssl_course.data.pictures import Pictures

DEBIAN = (Path("/usr/share/fonts/truetype/noto"), Path("/usr/share/unicode/emoji"))
FONT, LIST = "NotoColorEmoji.ttf", "emoji-test.txt"
PIXELS = 109  # the one size at which this font's pictures are stored
EMOJI_FOLDERS = ("emoji_captions", "emoji")
FLICKR_FOLDERS = ("flickr8k", "flickr8k_1000", "Flickr8k")
FLICKR_LIST, FLICKR_IMAGES = "Flickr8k.token.txt", ("images", "Flicker8k_Dataset", "Images")


# ---- emoji -------------------------------------------------------------------------------------------------
def load_emoji(size: int, split: str, root: str | PathLike | None = None) -> Pictures:
    """Emoji without skin tones, with their English names as captions, labels ``group``
    (9) and ``subgroup`` (about 99).

    Looked for in ``root``, $SSL_COURSE_DATA and the user's cache: a folder with ``captions.tsv`` (columns
    file, caption, group, subgroup) and the pictures that it names, or one with NotoColorEmoji.ttf and
    emoji-test.txt; then where Debian's packages put the latter two.
    One in five, by a hash of its characters, is for test.

    Raises:
        DataError: nowhere (where it looked, what to do), or damaged.
    """
    kind, where = find_emoji(root) or (None, None)
    if kind is None:
        raise DataError(
            "The emoji pictures are not on this "
            f"machine.\n{files.looked_in([*files.places(root), *DEBIAN])}\n"
            "What to do: on Debian or Ubuntu, run\n  apt-get install fonts-noto-color-emoji unicode-data\n"
            f"or put {FONT} (https://github.com/googlefonts/noto-emoji) and {LIST} "
            f"(https://unicode.org/Public/emoji/15.0/emoji-test.txt) into one folder and say\n"
            "  load('emoji', root=FOLDER)"
        )
    if kind == "folder":
        rows, paint = _listed(where), lambda file: open_picture(where / file, size)
    else:
        rows, paint = _emoji_named(where[1]), _from_font(where[0], size)
    rows = [row for row in rows if is_test(Path(row[0]).with_suffix("").name) == (split == "test")]
    kept, pictures = [], []
    for row in rows:
        picture = paint(row[0])
        if picture is not None:  # newer than the font
            kept.append(row)
            pictures.append(picture)
    if not kept:
        raise DataError(f"{where} holds no emoji of the {split} split")
    every = {2: sorted({r[2] for r in rows}), 3: sorted({r[3] for r in rows})}
    return Pictures(
        images=torch.stack(pictures),
        labels={
            name: torch.tensor([every[i].index(r[i]) for r in kept])
            for i, name in ((2, "group"), (3, "subgroup"))
        },
        captions=[row[1] for row in kept],
        names={"group": every[2], "subgroup": every[3]},
        source=f"emoji, {len(kept):,} {split} pictures",
    )


def find_emoji(root: str | PathLike | None = None) -> tuple[str, object] | None:
    """("folder", path) or ("font", (font, list)), or None. Cheap."""
    for folder in files.within(files.places(root), *EMOJI_FOLDERS):
        if (folder / "captions.tsv").is_file():
            return "folder", folder
        if (folder / FONT).is_file() and (folder / LIST).is_file():
            return "font", (folder / FONT, folder / LIST)
    font, names = DEBIAN[0] / FONT, DEBIAN[1] / LIST
    return ("font", (font, names)) if font.is_file() and names.is_file() else None


def _emoji_named(path: Path) -> list[tuple[str, str, str, str]]:
    """(code points as "1f600-fe0f", name, group, subgroup) of each qualified emoji without skin tone."""
    rows, group, subgroup = [], "", ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# group:"):
            group = line.partition(":")[2].strip()
        elif line.startswith("# subgroup:"):
            subgroup = line.partition(":")[2].strip()
        elif listed := re.match(r"([0-9A-F ]+?)\s*;\s*fully-qualified\s*#\s*\S+\s+E\d+\.\d+\s+(.+)", line):
            codes, name = listed[1].lower().split(), listed[2].strip()
            if not any("1f3fb" <= c <= "1f3ff" for c in codes):
                rows.append(("-".join(codes), name, group, subgroup))
    if not rows:
        raise DataError(f"{path} is damaged or not Unicode's {LIST}: it lists no emoji")
    return rows


def _listed(folder: Path) -> list[tuple[str, str, str, str]]:
    """(file, caption, group, subgroup) of a folder's captions.tsv."""
    path = folder / "captions.tsv"
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    if head.split("\t") != ["file", "caption", "group", "subgroup"]:
        raise DataError(f"{path}: its first line must be file, caption, group, subgroup, separated by tabs")
    rows = []
    for number, line in enumerate(lines, 2):
        cells = line.split("\t")
        if len(cells) != 4 or not cells[1].strip():
            raise DataError(f"{path}, line {number}: needs a file, a caption, a group and a subgroup")
        rows.append(tuple(cells))
    return rows


def _from_font(path: Path, size: int):
    """Code points → (3, size, size) uint8 on white, cut to the drawing and centred;
    None where the font has none."""
    try:
        font = ImageFont.truetype(str(path), PIXELS)
    except OSError as error:
        raise DataError(f"{path} cannot be opened as a font: {error}") from error

    def paint(key: str) -> torch.Tensor | None:
        text = "".join(chr(int(code, 16)) for code in key.split("-"))
        sheet = Image.new("RGBA", (6 * PIXELS, 2 * PIXELS), (255, 255, 255, 0))
        ImageDraw.Draw(sheet).text((PIXELS // 4, PIXELS // 4), text, font=font, embedded_color=True)
        box = sheet.getchannel("A").getbbox()
        if box is None or box[2] - box[0] > 1.6 * PIXELS:  # nothing, or a sequence shown as its parts
            return None
        drawing = sheet.crop(box)
        side = max(drawing.size)
        square = Image.new("RGBA", (side, side), "white")
        square.alpha_composite(drawing, ((side - drawing.width) // 2, (side - drawing.height) // 2))
        small = square.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
        return torch.from_numpy(np.array(small)).permute(2, 0, 1).contiguous()

    return paint


# ---- Flickr8k ----------------------------------------------------------------------------------------------
def load_flickr8k(size: int, split: str, root: str | PathLike | None = None, captions: int = 5) -> Pictures:
    """Photographs with captions by five people: one row for each of the first ``captions`` of a photograph.

    The layout is that of torchvision's ``Flickr30k(root, ann_file)``: a folder of pictures beside
    Flickr8k.token.txt with lines ``name.jpg#k<tab>caption``. Rows of one photograph stand together, and
    ``parts["photo"]`` (N,) numbers them. One photograph in five, by a hash of its name, is for test.

    Raises:
        ValueError: captions outside 1 … 5. DataError: not found (what to do), or damaged.
    """
    if not 1 <= captions <= 5:
        raise ValueError(f"captions is how many of a photograph's five to take, not {captions}")
    folders = find_flickr8k(root)
    if folders is None:
        raise DataError(
            f"Flickr8k is not on this machine.\n{files.looked_in(files.places(root))}\n"
            "What to do: its authors give it to who asks (https://forms.illinois.edu/sec/1713398). Put\n"
            f"  {FLICKR_LIST} and the folder {FLICKR_IMAGES[0]}/ with the photographs\n"
            "into one folder and say load('flickr8k', root=FOLDER)."
        )
    folder, images = folders
    told: dict[str, list[str]] = {}
    for number, line in enumerate((folder / FLICKR_LIST).read_text(encoding="utf-8").splitlines(), 1):
        name, tab, caption = line.partition("\t")
        photo, mark, _ = name.partition("#")
        if not tab or not mark or not caption.strip():
            raise DataError(f"{folder / FLICKR_LIST}, line {number}: not name.jpg#k, a tab, and a caption")
        told.setdefault(photo, []).append(caption.strip())
    chosen = [p for p in sorted(told) if is_test(p) == (split == "test") and (images / p).is_file()]
    if not chosen:
        raise DataError(f"{images} holds none of the photographs of the {split} split")
    photos = torch.stack([open_picture(images / p, size) for p in chosen])
    texts = [told[p][:captions] for p in chosen]
    rows = torch.tensor([i for i, some in enumerate(texts) for _ in some])
    return Pictures(
        photos[rows],
        captions=[c for some in texts for c in some],
        parts={"photo": rows},
        source=f"Flickr8k, {len(chosen):,} {split} photographs",
    )


def find_flickr8k(root: str | PathLike | None = None) -> tuple[Path, Path] | None:
    """(folder with the list, folder with the photographs), or None. Cheap."""
    for folder in files.within(files.places(root), *FLICKR_FOLDERS):
        if (folder / FLICKR_LIST).is_file():
            return folder, next(f for f in files.within([folder], *FLICKR_IMAGES) if f.is_dir())
    return None
