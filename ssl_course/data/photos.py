"""Pictures that people bring: one file or upload, or a folder of class folders."""

import io
import os
import warnings
from collections.abc import Iterable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageCms, ImageOps, features

from ssl_course.data.files import DataError, is_test
from ssl_course.data.pictures import Pictures

SUFFIXES = {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".avif", ".jp2", ".j2k"}
# Only these decoders are tried, whatever a file calls itself: others run programs (EPS) or are rare.
FORMATS = ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"]
if find_spec("PIL.AvifImagePlugin"):  # of Pillow since 11.3
    FORMATS.append("AVIF")
if features.check("jpg_2000"):
    FORMATS.append("JPEG2000")
MAX_PIXELS = 50_000_000  # more than any phone's camera in its usual mode; 150 MB once decoded
PROGRESS_FROM = 200  # pictures; fewer are read before one could read the bar

LAYOUT = """Expected are class folders with pictures in them:
  {root}/
    desert/  one.jpg  two.png  …
    forest/  three.jpg  …"""


def open_picture(source: str | os.PathLike | bytes, size: int) -> torch.Tensor:
    """Any usual picture as a (3, size, size) uint8 tensor.

    The largest centred square is cut out and resized (PIL, bicubic, antialiased). Rotated as its EXIF says;
    what is transparent shows white; 16 bits are brought to 8; of an animation the first picture is taken.
    Colours are brought to sRGB from what the ICC profile says they are; without one they count as sRGB.

    Args:
        source: a path, or the bytes of a file (an upload).
        size: side of the result.

    Raises:
        ValueError: a size below 1.
        FileNotFoundError: there is no such file.
        DataError: not a picture, damaged, or more than `MAX_PIXELS` (refused before it is decoded).
    """
    if size < 1:
        raise ValueError(f"size is at least 1 pixel, not {size}")
    if isinstance(source, bytes | bytearray | memoryview):
        name, file = "the uploaded picture", io.BytesIO(bytes(source))
    else:
        name, file = os.fspath(source), Path(source)
        if not file.exists():
            raise FileNotFoundError(f"There is no file {name}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong is said below, once, with the file's name
            picture = Image.open(file, formats=FORMATS)  # reads the header, not the pixels
    except Image.DecompressionBombError:  # PIL's own limit, many times ours
        raise DataError(
            _too_large(name, f"over {2 * Image.MAX_IMAGE_PIXELS // 10**6} million pixels")
        ) from None
    except Image.UnidentifiedImageError:
        raise DataError(
            f"{name} is not a picture that can be read here (JPEG, PNG, GIF, BMP, WebP, TIFF, AVIF or JPEG "
            "2000; export HEIC photographs as JPEG)"
        ) from None
    except Exception as error:  # a damaged header fails in many ways inside the decoders
        raise DataError(f"{name} cannot be read: {error}") from error
    with picture:
        width, height = picture.size
        if width * height > min(MAX_PIXELS, Image.MAX_IMAGE_PIXELS or MAX_PIXELS):
            raise DataError(_too_large(name, f"{width} × {height}"))
        if min(width, height) < 1:
            raise DataError(f"{name} has no pixels ({width} × {height})")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                picture.draft(None, (2 * size, 2 * size))  # decode a large JPEG at 1/2, 1/4 or 1/8
                picture.load()
                square = _square(ImageOps.exif_transpose(picture))
        except DataError as error:
            raise DataError(f"{name}: {error}") from None
        except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, …
            raise DataError(f"{name} is damaged or cut short: {error}") from error
    small = square.resize((size, size), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1).contiguous()


def _too_large(name: str, size: str) -> str:
    return (
        f"{name} is too large ({size}): pictures up to {MAX_PIXELS // 10**6} million pixels are read. "
        "Make it smaller first, e.g. to 1,000 × 1,000 pixels."
    )


def _square(picture: Image.Image) -> Image.Image:
    """The largest centred square of a decoded picture, as RGB on white."""
    width, height = picture.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    picture = _in_srgb(picture.crop((left, top, left + side, top + side)))
    if picture.mode.startswith("I"):  # 16 bits a pixel: PIL's own conversion cuts at 255 instead of scaling
        picture = Image.fromarray((np.asarray(picture).clip(0, 65535) / 257).round().astype(np.uint8))
    if picture.mode == "F":
        raise DataError("pictures of floating-point numbers have no fixed white: save it with 8 or 16 bits")
    if picture.has_transparency_data or picture.mode in ("La", "RGBa"):
        if picture.mode == "La":
            picture = picture.convert("LA")
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    return picture.convert("RGB")


def _in_srgb(picture: Image.Image) -> Image.Image:
    """With the colours that the picture's ICC profile means;
    as it is where that says nothing, or cannot be read."""
    with suppress(KeyError, TypeError, ValueError, OSError, ImportError, ImageCms.PyCMSError):
        profile = ImageCms.ImageCmsProfile(io.BytesIO(picture.info["icc_profile"]))
        if "sRGB" in ImageCms.getProfileDescription(profile):
            return picture
        shown = picture.convert("RGBA") if picture.has_transparency_data else picture
        colours = shown.convert("RGB") if shown.mode in ("RGBA", "P") else shown
        srgb = ImageCms.profileToProfile(colours, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
        if shown.mode == "RGBA":
            srgb.putalpha(shown.getchannel("A"))
        return srgb
    return picture


def load_photos(root: str | os.PathLike, size: int, split: str) -> Pictures:
    """A folder of class folders, labels ``class``; see `open_picture` for what is done to each picture.

    Every folder directly in ``root`` that holds a picture is a class, in alphabetical order. About one
    picture in five is in the test split, decided by a hash of its path within ``root``. A picture that
    cannot be read is left out, with one warning for all.
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"There is no folder {root}.\n" + LAYOUT.format(root=root))
    folders = [f for f in root.iterdir() if f.is_dir() and not f.name.startswith(".")]
    files = {f.name: pictures for f in folders if (pictures := _pictures_in(f))}
    if not files:
        hint = "no class folders" if not folders else "no pictures in its folders"
        raise DataError(f"{root} has {hint}.\n" + LAYOUT.format(root=root))
    classes = sorted(files)
    listed = [(path, k) for k, name in enumerate(classes) for path in files[name]]
    chosen = [(p, k) for p, k in listed if is_test(p.relative_to(root).as_posix()) == (split == "test")]
    if not chosen:
        raise DataError(
            f"None of the {len(listed)} pictures in {root} falls into the {split} split "
            f"(about one in five is for test): add more pictures."
        )
    images = torch.empty(len(chosen), 3, size, size, dtype=torch.uint8)
    labels: list[int] = []
    broken: list[DataError] = []
    for path, label in _progress(chosen, root.name):
        try:
            images[len(labels)] = open_picture(path, size)
        except DataError as error:
            broken.append(error)
        else:
            labels.append(label)
    if not labels:
        raise DataError(f"None of the {len(chosen)} pictures of {root} can be read; the first: {broken[0]}")
    if broken:
        more = f"\n  and {len(broken) - 3} more" if len(broken) > 3 else ""
        listing = "".join(f"\n  {error}" for error in broken[:3]) + more
        warnings.warn(f"{len(broken)} of {len(chosen)} pictures left out:{listing}", stacklevel=3)
    return Pictures(
        images=images[: len(labels)],
        labels={"class": torch.tensor(labels)},
        names={"class": classes},
        source=f"{root.name}, {len(labels):,} {split} pictures",
    )


def _pictures_in(folder: Path) -> list[Path]:
    """In the order of their names; hidden files (macOS leaves ._name.jpg) are no pictures."""
    named = (p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    return sorted(p for p in named if p.is_file())


def _progress(items: list, what: str) -> Iterable:
    from tqdm.auto import tqdm

    return tqdm(items, desc=what, unit=" pictures", disable=len(items) < PROGRESS_FROM, leave=False)
