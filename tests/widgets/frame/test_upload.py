"""A file that a student brings becomes a picture of the widget's size, or a sentence."""

from __future__ import annotations

import numpy as np
from PIL import Image
from uploads import file

from ssl_course.widgets.frame.upload import read_upload


def test_an_upload_is_cut_and_shrunk_as_data_are():
    wide = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 100, 3), dtype=np.uint8))
    found = read_upload(file(wide), 16)
    assert found.image.shape == (3, 16, 16) and len(repr(found)) < 100
    expected = wide.crop((30, 0, 70, 40)).resize((16, 16), Image.Resampling.BICUBIC)
    assert np.array_equal(found.image.permute(1, 2, 0).numpy(), np.asarray(expected))
