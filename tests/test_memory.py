"""The table of what lectures take: measured rows replace old ones, others stay."""

import json
import re
import sys

import pytest
import yaml

from tools import build, memory

ONE = {"import": 300.4, "private": 1234.0, "peak": 999.0, "seconds": 41.6}


def test_measured_rows_replace_old_ones_and_others_stay(tmp_path):
    file = tmp_path / "README.md"
    file.write_text(f"above\n{memory.BEGIN}\n\n{memory.END}\nbelow\n")
    memory.write({"01": ONE, "04": ONE | {"peak": 2000.0}}, file)
    memory.write({"01": ONE | {"private": 5.0}}, file)
    text = file.read_text()
    assert "| 01 | 300 | 5 | 999 |  | 42 |\n| 04 | 300 | 1,234 | **2,000** |  | 42 |" in text
    memory.write({"04": {"cuda": 2400.0}}, file)
    assert "| 01 | 300 | 5 | 999 |  | 42 |\n| 04 | 300 | 1,234 | **2,000** | 2,400 | 42 |" in file.read_text()
    assert text.startswith("above") and text.endswith("below\n")


def test_a_file_without_a_place_says_so(tmp_path):
    (tmp_path / "README.md").write_text("nothing")
    with pytest.raises(ValueError, match="has no place"):
        memory.write({}, tmp_path / "README.md")


def test_a_hub_reserves_what_was_measured():
    """A lecture to its end; and at its peak, beside its server and a second kernel that was left open."""
    of = yaml.safe_load((build.ROOT / "deploy/values.yaml").read_text(encoding="utf-8"))["singleuser"][
        "memory"
    ]
    megabytes = {
        name: 1024 * float(given.removesuffix("G")) for name, given in of.items()
    }  # the chart's G is 2³⁰
    table = (build.ROOT / "lectures/README.md").read_text(encoding="utf-8")
    row = r"^\| (\d\d) \| [\d,]+ \| ([\d,]+) \| [*]*([\d,]+)[*]* \| [\d,]* \| (\d+) \|$"
    rows = re.findall(row, table, re.M)
    end, peak = ({row[0]: float(row[k].replace(",", "")) for row in rows} for k in (1, 2))
    assert len(rows) == 14 and max(peak.values()) <= memory.LARGEST
    assert max(int(row[3]) for row in rows) <= 75, "CPU seconds of a lecture's whole run"
    results = json.loads((build.ROOT / "assets/results/class.json").read_text(encoding="utf-8"))["results"]
    server = results[-1]["server_mb"]
    assert megabytes["guarantee"] >= max(end.values()) + server["private"]
    assert megabytes["limit"] >= max(peak.values()) + end["01"] + server["resident"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_a_kernel_held_and_gave_back_is_seen(tmp_path):
    src = tmp_path / "src" / "99_x.md"
    src.parent.mkdir()
    head = build.sources()[0].read_text(encoding="utf-8").split("+++")[0]
    cells = ["pass", "x = bytearray(b'1' * 300_000_000)", "del x"]
    src.write_text(
        head + "".join(f"```{{code-cell}} ipython3\n{c}\n```\n\n" for c in cells), encoding="utf-8"
    )
    found = memory.measure(src)
    assert found["peak"] > found["import"] + 290 and found["private"] < found["import"] + 100
    assert found["seconds"] > 0
