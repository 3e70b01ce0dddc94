"""`Pictures`: slicing keeps pictures, labels, captions and parts together."""

import pytest
import torch

from ssl_course.data.pictures import Pictures


def six() -> Pictures:
    """Picture i is filled with the value i, so a row can be told from any other."""
    value = torch.arange(6)
    return Pictures(
        images=value.to(torch.uint8).view(6, 1, 1, 1).repeat(1, 3, 4, 4),
        labels={"class": value % 3, "count": value},
        captions=[f"picture {i}" for i in range(6)],
        names={"class": ["a", "b", "c"]},
        parts={"L": value.float().view(6, 1, 1, 1).repeat(1, 1, 4, 4)},
    )


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        (slice(1, 4), [1, 2, 3]),
        (slice(None, None, 2), [0, 2, 4]),
        (slice(4, 99), [4, 5]),
        (slice(0, 0), []),
        (3, [3]),
        (-1, [5]),
        (torch.tensor([4, 0, 4]), [4, 0, 4]),
        (torch.tensor([True, False, False, True, False, True]), [0, 3, 5]),
        (torch.zeros(6, dtype=torch.bool), []),
        ([2, 1], [2, 1]),
    ],
)
def test_every_kind_of_index_keeps_all_columns_together(index, rows):
    batch = six()[index]
    assert len(batch) == len(rows)
    assert batch.images.shape == (len(rows), 3, 4, 4) and batch.images.dtype == torch.uint8
    assert batch.images[:, 0, 0, 0].tolist() == rows
    assert batch.labels["class"].tolist() == [i % 3 for i in rows]
    assert batch.labels["count"].tolist() == rows
    assert batch.captions == [f"picture {i}" for i in rows]
    assert batch.parts["L"][:, 0, 0, 0].tolist() == rows
    assert batch.names == {"class": ["a", "b", "c"]}
    assert batch.inputs is batch.images


def test_a_comparison_of_labels_selects_a_class():
    data = six()
    assert data[data.labels["class"] == 1].labels["count"].tolist() == [1, 4]


@pytest.mark.parametrize("index", [6, -7])
def test_an_index_beyond_the_end_is_an_error(index):
    with pytest.raises(IndexError):
        six()[index]


def test_columns_of_another_length_are_refused_by_name():
    images = torch.zeros(3, 3, 2, 2, dtype=torch.uint8)
    with pytest.raises(ValueError, match=r"'biome' has 2 rows for 3 pictures"):
        Pictures(images, labels={"biome": torch.zeros(2, dtype=torch.long)})
    with pytest.raises(ValueError, match=r"'ab' has 4 rows for 3 pictures"):
        Pictures(images, parts={"ab": torch.zeros(4, 2)})
    with pytest.raises(ValueError, match="1 captions for 3 pictures"):
        Pictures(images, captions=["one"])


def test_without_captions_a_slice_has_none():
    assert Pictures(torch.zeros(3, 3, 2, 2, dtype=torch.uint8))[1:].captions == []


def test_gray_has_three_equal_channels_and_the_lightness_of_the_colour():
    colours = torch.tensor([[255, 0, 0], [0, 255, 0], [0, 0, 255], [77, 77, 77], [0, 0, 0], [255, 255, 255]])
    data = Pictures(
        colours.to(torch.uint8).view(6, 3, 1, 1).repeat(1, 1, 2, 2), labels={"k": torch.arange(6)}
    )
    before = data.images.clone()
    gray = data.gray()
    assert gray.images.dtype == torch.uint8 and gray.images.shape == data.images.shape
    assert torch.equal(gray.images[:, 0], gray.images[:, 1]) and torch.equal(
        gray.images[:, 0], gray.images[:, 2]
    )
    # independent: relative luminance by IEC 61966-2-1 (red .2126, green .7152, blue .0722 of linear light);
    # the gray of equal L* is the gray of equal luminance
    curve = lambda y: 255 * (12.92 * y if y <= 0.0031308 else 1.055 * y ** (1 / 2.4) - 0.055)  # noqa: E731
    expected = [curve(0.2126), curve(0.7152), curve(0.0722), 77, 0, 255]
    for found, value in zip(gray.images[:, 0, 0, 0].tolist(), expected, strict=True):
        assert abs(found - value) <= 1
    assert torch.equal(gray.labels["k"], data.labels["k"])
    assert torch.equal(data.images, before), "the original was changed"


def test_to_moves_every_tensor_and_keeps_the_rest():
    moved = six().to("meta")  # a device every machine has
    assert {moved.images.device.type, moved.labels["class"].device.type, moved.parts["L"].device.type} == {
        "meta"
    }
    assert moved.captions == six().captions and moved.names == six().names
