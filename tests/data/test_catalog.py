"""`load` by name: what is refused, and what is said."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from ssl_course.data import files
from ssl_course.data.catalog import NAMES, load


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


@pytest.mark.parametrize("size", [5, 20, 48, 96])
def test_resize_is_that_of_pillow(size: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (33, 33, 3), dtype=np.uint8)
    ours = files.resize(torch.from_numpy(pixels).permute(2, 0, 1)[None], size)[0].permute(1, 2, 0).numpy()
    theirs = np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC))
    assert np.abs(ours.astype(int) - theirs).max() <= 1
