"""Leaderboard: a ranking of what was measured, which any module can enter, and errors become sentences."""

import json

import pytest
import torch
from torch import nn

from ssl_course import nets
from ssl_course.interfaces import Pair
from ssl_course.studies.comparison import Protocol
from ssl_course.widgets import Leaderboard, leaderboard

TINY = Protocol(widths=(8, 16), samples=48, batch=16, n_train=48, n_test=24)


def row(method, seed, **accuracy):
    return {"cell": {"method": method, "seed": seed}, "accuracy": accuracy}


ROWS = [
    row("A", 0, biome={"10": 0.5, "30": 0.6}),
    row("A", 1, biome={"10": 0.7, "30": 0.6}),
    row("B", 0, biome={"10": 0.9, "30": 0.2}),
]


class Mine(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = TINY.backbone()
        self.head = nn.Linear(16, 1)

    def encode(self, x):
        return self.body(nets.normalise(nets.as_float(x))).mean((2, 3))

    def pair(self, batch):
        x = nets.as_float(batch.inputs)
        return Pair(x, x.mean((1, 2, 3)))

    def forward(self, batch):
        x1, x2 = self.pair(batch)
        return (self.head(self.encode(x1))[:, 0] - x2).square().mean()


def board(tmp_path):
    return Leaderboard(ROWS, tmp_path, TINY)


def test_the_order_follows_the_number_of_labels(tmp_path):
    shown = board(tmp_path)
    shown.set(n_labels="10")
    assert "B 0.900, A 0.600" in shown.panels[0].alt
    shown.set(n_labels="30")
    assert "A 0.600, B 0.200" in shown.panels[0].alt
    shown.set(n_labels="1000")
    assert "10, 30 labels" in shown.readout


def test_recorded_tables_are_found_and_missing_ones_left_out(tmp_path):
    with pytest.raises(ValueError, match="nothing to rank"):
        Leaderboard(folder=tmp_path)
    (tmp_path / "comparison_earth_G.json").write_text(json.dumps({"results": ROWS}))
    shown = Leaderboard(folder=tmp_path)
    assert list(shown.controls["data"].options) == ["the Earth, lightness"]


def test_a_method_of_ones_own_is_trained_and_ranked(tmp_path):
    torch.manual_seed(0)
    shown, mine = board(tmp_path), Mine()
    before = mine.head.weight.detach().clone()
    said = shown.enter("mine", mine)
    assert "is number" in said.text and "of 3" in said.text, said.text
    assert not torch.equal(before, mine.head.weight), "it was trained"
    assert "mine" in shown.panels[0].alt
    again = shown.enter("mine", Mine())
    assert "of 3" in again.text, "entered again, it takes its own place"
    assert "another name" in shown.enter("A", Mine()).text


class NoEncode(nn.Linear):
    pass


class NoLoss(Mine):
    def forward(self, batch):
        return self.encode(batch.inputs)


class Detached(Mine):
    def forward(self, batch):
        return super().forward(batch).detach()


class Stuck(Mine):
    def forward(self, batch):
        return super().forward(batch) * 0


class Stumbles(Mine):
    def forward(self, batch):
        return self.head(batch)


class Maps(Mine):
    def encode(self, x):
        return self.body(nets.normalise(nets.as_float(x)))

    def forward(self, batch):
        return self.encode(batch.inputs).square().mean()


class Bytes(Mine):
    def forward(self, batch):
        return self.body(batch.inputs).mean()


class Infinite(Mine):
    def forward(self, batch):
        return super().forward(batch) / 0


class Empty(nn.Module):
    def encode(self, x):
        return x.flatten(1).float()

    def forward(self, batch):
        return batch.inputs.float().mean()


class NoPair(Mine):
    pair = None

    def forward(self, batch):
        return self.encode(batch.inputs).square().mean()


class Short(NoPair):
    def pair(self, batch):
        return Pair(batch.inputs, batch.inputs[1:])


@pytest.mark.parametrize(
    ("method", "word"),
    [
        (NoPair(), "NoPair has no pair(batch): give it one"),
        (Short(), "Short.pair(batch) returned other numbers of rows (x1 8, x2 7)"),
        (Mine, "class"),
        (3, "nn.Module"),
        (NoEncode(3, 2), "no encode"),
        (NoLoss(), "one number"),
        (Detached(), "does not depend"),
        (Stuck(), "zero everywhere"),
        (Stumbles(), "TypeError"),
        (Maps(), "must return (8, D)"),
        (Bytes(), "as_float"),
        (Infinite(), "nothing can be learned"),
        (Empty(), "no parameters"),
    ],
    ids=lambda v: v if isinstance(v, str) else None,
)
def test_what_is_wrong_is_said_in_a_sentence(method, word, tmp_path):
    shown = board(tmp_path)
    said = shown.enter("mine", method)
    assert said.text.startswith("Not entered.") and word in said.text, said.text
    assert "mine" not in shown.panels[0].alt and shown.error is None


def test_who_cannot_be_told_from_the_first_is_named():
    table = [
        row(m, s, biome={"30": a + gap})
        for m, gap in (("A", 0.1), ("B", 0.09), ("C", -0.2))
        for s, a in enumerate((0.6, 0.7, 0.8))
    ]
    table[4]["accuracy"]["biome"]["30"] += 0.03  # B is better on one seed
    assert leaderboard._tied(table, "biome", 30) == ["B"]


def test_a_row_that_has_not_learned_says_so():
    learned, flat = (
        [row(m, s, biome={"30": a + 0.01 * s}) for s in range(3)]
        for m, a in (("SimCLR", 0.9), ("rotation", 0.41))
    )
    untrained = [
        row(m, s, biome={"30": 0.4 + 0.02 * s}) for m in ("raw pixels", "random network") for s in range(3)
    ]
    board = leaderboard.Board({"t": learned + flat + untrained}, frozenset())
    (panel,), _ = Leaderboard.render(board, data="t", label="biome", n_labels="30")
    assert panel.svg.count("not clear of untrained or pixels") == 1
