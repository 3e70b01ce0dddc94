"""Pictures that people bring: one file, and a folder of class folders; what is refused is named."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, ImageFile, features
from uploads import display_p3, p3_in_srgb

from ssl_course.data import files
from ssl_course.data.catalog import DataError, load
from ssl_course.data.photos import open_picture


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


IN_P3 = [
    (200, 60, 40),
    (70, 150, 60),
    (30, 90, 200),
    (128, 128, 128),
    (255, 255, 255),
    (0, 0, 0),
    (180, 120, 220),
]


@pytest.mark.parametrize(("form", "options"), [
    ("PNG", {}), ("TIFF", {}), ("JPEG", {"quality": 100, "subsampling": 0}), ("WEBP", {"lossless": True}),
    ("AVIF", {"quality": 100, "subsampling": "4:4:4"}),
])  # fmt: skip
def test_colours_of_a_profile_become_those_of_srgb(form: str, options: dict) -> None:
    if form == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    truth = p3_in_srgb(IN_P3)
    assert np.abs(truth - IN_P3).max() > 15
    for given, meant in zip(IN_P3, truth, strict=True):
        file = encoded(Image.new("RGB", (16, 16), given), form, icc_profile=display_p3(), **options)
        off = np.abs(np.array(colour(open_picture(file, 8))) - meant).max()
        assert off <= (4 if form in ("JPEG", "AVIF") else 1.5), given  # what they round grows in the dark


@pytest.mark.skipif(not features.check("jpg_2000"), reason="this Pillow has no JPEG 2000")
def test_jpeg_2000_opens(tmp_path: Path) -> None:
    painted = Image.new("RGB", (20, 10), (200, 60, 40))
    assert colour(open_picture(encoded(painted, "JPEG2000"), 8)) == [200, 60, 40]
    (tmp_path / "sand").mkdir()
    (tmp_path / "sand" / "one.jp2").write_bytes(encoded(painted, "JPEG2000"))
    (tmp_path / "sand" / "two.jp2").write_bytes(encoded(painted, "JPEG2000"))
    assert len(load("photos", 8, root=tmp_path)) == 2


def test_a_profile_and_transparency() -> None:
    for mode, fill in (("RGBA", (200, 60, 40, 255)), ("P", 1)):
        picture = Image.new(mode, (8, 8), fill)
        if mode == "P":
            picture.putpalette([0, 0, 0, 200, 60, 40])
        opened = colour(open_picture(encoded(picture, icc_profile=display_p3()), 8))
        assert np.abs(opened - p3_in_srgb([(200, 60, 40)])[0]).max() <= 1.5
    clear = Image.new("RGBA", (8, 8), (200, 60, 40, 0))
    assert colour(open_picture(encoded(clear, icc_profile=display_p3()), 8)) == [255, 255, 255]


@pytest.mark.parametrize("profile", [b"", b"no profile", display_p3()[:200]])
def test_a_profile_that_cannot_be_read_changes_nothing(profile: bytes) -> None:
    for mode in ("RGB", "RGBA", "L", "CMYK"):
        form = "TIFF" if mode == "CMYK" else "PNG"
        picture = Image.fromarray(noise(8, 8)).convert(mode)
        assert torch.equal(
            open_picture(encoded(picture, form, icc_profile=profile), 8),
            open_picture(encoded(picture, form), 8),
        )


def test_a_profile_for_other_channels_and_srgb_itself_change_nothing() -> None:
    gray, picture = Image.fromarray(noise(8, 8)).convert("L"), Image.fromarray(noise(8, 8))
    assert torch.equal(
        open_picture(encoded(gray, icc_profile=display_p3()), 8), open_picture(encoded(gray), 8)
    )
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert torch.equal(open_picture(encoded(picture, icc_profile=srgb), 8), open_picture(encoded(picture), 8))


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_avif(tmp_path: Path) -> None:
    picture = Image.new("RGB", (40, 20), (30, 160, 220))
    picture.paste((220, 40, 30), (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter: left is above
    opened = open_picture(encoded(picture, "AVIF", quality=95, exif=exif), 16).float()
    assert (opened[0, :7] > 190).all() and (opened[2, 9:] > 190).all()
    torn = encoded(picture, "AVIF")[:-200]
    with pytest.raises(DataError, match="cannot be read|damaged or cut short|not a picture"):
        open_picture(torn, 16)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"])
def test_a_truncated_picture_is_named(form: str, tmp_path: Path) -> None:
    whole = encoded(Image.fromarray(noise(64, 64)), form)
    open_picture(whole, 8)
    path = tmp_path / f"holiday.{form.lower()}"
    for share in (0.001, 0.1, 0.5, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        for source, name in ((path, "holiday"), (path.read_bytes(), "the uploaded picture")):
            with pytest.raises(DataError, match=name):
                open_picture(source, 8)


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


@pytest.mark.parametrize(("width", "height"), [(20_000, 10_000), (10_000, 10_000), (7_100, 7_100)])
def test_a_huge_picture_is_refused_before_it_is_decoded(
    width: int, height: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(*_: object) -> None:
        raise AssertionError("decoded")

    path = tmp_path / "poster.png"
    path.write_bytes(encoded(Image.new("1", (width, height))))  # a small file
    monkeypatch.setattr(ImageFile.ImageFile, "load", decode)
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


def test_photos_on_real_ones(shared: Callable[[str], Path]) -> None:
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
