"""What the browser sends when a student brings a picture: helpers of all tests with an upload."""

from __future__ import annotations

import io
import struct

import numpy as np


def file(picture, kind="PNG"):
    out = io.BytesIO()
    picture.save(out, kind)
    return out.getvalue()


def bring(explorer, content):
    """What the browser sends when a student brings a file."""
    explorer.upload._handle_custom_msg({}, [memoryview(content)])


def display_p3():
    """An ICC profile (version 4) of the colours that phones take photographs in, written out of its definition."""

    def fixed(*numbers):
        return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)

    def text(words):
        return struct.pack(
            ">4sIIIHHII", b"mluc", 0, 1, 12, 0x656E, 0x5553, 2 * len(words), 28
        ) + words.encode("utf-16-be")

    def point(*xyz):
        return b"XYZ \0\0\0\0" + fixed(*xyz)

    curve = b"para\0\0\0\0\0\3\0\0" + fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # sRGB's, too
    white = (0.9642, 1.0, 0.8249)  # D50, to which the three primaries are adapted
    tags = {
        "desc": text("Display P3"), "cprt": text("none"), "wtpt": point(*white),
        "rXYZ": point(0.51512, 0.24120, -0.00105), "gXYZ": point(0.29198, 0.69225, 0.04189),
        "bXYZ": point(0.15710, 0.06657, 0.78407), "rTRC": curve, "gTRC": curve, "bTRC": curve,
    }  # fmt: skip
    table, data, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += struct.pack(">4sII", name.encode(), start + len(data), len(value))
        data += value + b"\0" * (-len(value) % 4)
    head = struct.pack(">II4s4s4s4s12s4s", start + len(data), 0, b"\4\x20\0\0", b"mntr", b"RGB ", b"XYZ ",
                       struct.pack(">6H", 2026, 1, 1, 0, 0, 0), b"acsp")  # fmt: skip
    head += b"\0" * 28 + fixed(*white)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


# Linear light: Display P3 → sRGB, both with the white of D65, from the chromaticities of their primaries.
P3_TO_SRGB = np.array(
    [[1.2249401, -0.2249404, 0.0], [-0.0420569, 1.0420571, 0.0], [-0.0196376, -0.0786361, 1.0982735]]
)


def p3_in_srgb(colours):
    """What (N, 3) numbers of Display P3, 0 to 255, are in sRGB, cut to what it has."""
    v = np.asarray(colours) / 255
    linear = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4) @ P3_TO_SRGB.T
    linear = linear.clip(0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
