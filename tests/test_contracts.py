"""The contracts of interfaces.py as a type checker reads them: what fits passes, what does not is found."""

import re
from pathlib import Path

import pytest

LINES = """\
from torch import Tensor, nn
from ssl_course.data.texts import Texts
from ssl_course.interfaces import Batch, Data, Method
from ssl_course.methods.mae import MAE
from ssl_course.training import fit, train

class NoPair(nn.Module):
    def encode(self, x: Tensor) -> Tensor:
        return x

d: Data = Texts(None, [])
m: Method = MAE()
train(MAE(), d)
train(NoPair(), d)  # wrong
fit(MAE(), 17)  # wrong
b: Batch = Texts(None, ["not prepared"])  # wrong
"""


@pytest.mark.slow
def test_what_breaks_a_contract_is_found_and_nothing_else(tmp_path, monkeypatch):
    from mypy import api

    monkeypatch.chdir(Path(__file__).parents[1])  # its settings, and its cache
    file = tmp_path / "lines.py"
    file.write_text(LINES)
    told, fault, _ = api.run([str(file)])
    found = {int(line) for line in re.findall(r"lines\.py:(\d+): error", told)}
    assert found == {k for k, line in enumerate(LINES.splitlines(), 1) if "# wrong" in line}, told + fault
