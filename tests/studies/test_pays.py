"""What benchmarks/pays.py calls the recipes of a lecture."""

from dataclasses import replace

import pays
import torch

from ssl_course.data.pictures import Pictures
from ssl_course.methods import Jigsaw, Rotation


def test_recipes_that_differ_are_not_called_the_same():
    torch.manual_seed(0)
    coloured = Pictures(torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8))
    gray = replace(coloured, images=coloured.images[:, :1].expand(-1, 3, -1, -1))

    def name(method, data=coloured, seen="", **how):
        row = {"kind": type(method), "arguments": method.arguments, "data": data, **how}
        return pays.name_of(method, row, seen)

    plain = name(Rotation(), steps=9)
    assert plain.endswith(" weights), steps 9, 8 of scenes 3×32×32")
    assert name(Rotation(), gray, steps=9) == f"{plain} in gray"
    assert "steps 9, angles 0 30 60 90, 8" in name(Rotation(angles=(0, 30, 60, 90)), steps=9)
    arms = {name(Jigsaw(grid=2, shift=0, drop=0.0)), name(Jigsaw(grid=2, drop=0.5)), name(Jigsaw(grid=2))}
    assert len(arms) == 3
    assert name(Rotation(), seen=" through a lens", optimizer="sgd").endswith(
        "optimizer sgd, 8 of scenes 3×32×32 through a lens"
    )
