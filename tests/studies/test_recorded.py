"""Results kept cell by cell."""

import json

import pytest

from ssl_course.studies.recorded import record


def test_an_interrupted_record_goes_on(tmp_path):
    asked = []

    def measure(n):
        if n == 2 and len(asked) == 2:
            raise KeyboardInterrupt
        asked.append(n)
        return {"square": n * n}

    cells = [{"n": n} for n in range(4)]
    file = tmp_path / "r.json"
    with pytest.raises(KeyboardInterrupt):
        record(str(file), cells, measure, {"rule": 1})
    assert [row["square"] for row in json.loads(file.read_text())["results"]] == [0, 1]
    asked.append(None)
    rows = record(str(file), cells, measure, {"rule": 1}, bar=True)
    assert [row["square"] for row in rows] == [0, 1, 4, 9]
    assert asked == [0, 1, None, 2, 3]  # nothing twice
    with pytest.raises(ValueError, match="other settings"):
        record(str(file), cells, measure, {"rule": 2})


def test_settings_are_compared_as_json_keeps_them(tmp_path):
    """A tuple comes back as a list: that is no other setting, in a new file neither."""
    file = str(tmp_path / "r.json")
    for _ in range(2):
        assert len(record(file, [{"n": 1}], lambda n: {"value": n}, {"widths": (1, 2)})) == 1
