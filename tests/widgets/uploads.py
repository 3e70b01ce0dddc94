"""What the browser sends when a student brings a picture: helpers of all tests with an upload."""

from __future__ import annotations

import datetime
import io


def file(picture, kind="PNG"):
    out = io.BytesIO()
    picture.save(out, kind)
    return out.getvalue()


def bring(explorer, content, name="mine.png"):
    """What the browser sends when a student chooses a file."""
    explorer.upload.value = (
        {
            "name": name, "type": "image/png", "size": len(content), "content": memoryview(content),
            "last_modified": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        },
    )  # fmt: skip
