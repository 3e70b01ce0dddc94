"""Masking counted against its probabilities; next words written out by hand."""

import pytest
import torch

from ssl_course.pretext.words import (
    CLS,
    IGNORE,
    MASK,
    PAD,
    SEP,
    SPECIAL,
    UNK,
    mask_words,
    next_words,
    without_tail,
)

V = 50


@pytest.fixture
def ids(device):
    """(2000, 30): [CLS] 20 words [SEP] and pads, with one unknown word and one typed [MASK] in each."""
    words = torch.randint(len(SPECIAL), V, (2000, 20), generator=torch.Generator().manual_seed(0))
    words[:, 3], words[:, 4] = UNK, MASK
    out = torch.full((2000, 30), PAD)
    out[:, 0], out[:, 1:21], out[:, 21] = CLS, words, SEP
    return out.to(device)


def near(found, n, p):
    assert abs(found / n - p) < 4.5 * (p * (1 - p) / n) ** 0.5, (found / n, p)


@pytest.mark.parametrize("ratio", [0.15, 0.5])
def test_fifteen_percent_and_80_10_10(ids, ratio):
    torch.manual_seed(0)
    inputs, targets = mask_words(ids, V, ratio)
    assert inputs.device == ids.device and inputs.dtype == targets.dtype == torch.int64
    chosen, word = targets != IGNORE, ids >= len(SPECIAL)
    assert not (chosen & ~word).any(), "only words are chosen"
    assert torch.equal(targets[chosen], ids[chosen])
    assert torch.equal(inputs[~chosen], ids[~chosen]), "what is not chosen is shown as it is"
    n = int(chosen.sum())
    near(n, int(word.sum()), ratio)
    near(int((inputs[chosen] == MASK).sum()), n, 0.8)
    kept = int((inputs[chosen] == ids[chosen]).sum())
    near(kept, n, 0.1 + 0.1 / (V - len(SPECIAL)))  # a random word may be the word itself
    random = inputs[chosen & (inputs != MASK) & (inputs != ids)]
    near(len(random), n, 0.1 - 0.1 / (V - len(SPECIAL)))
    counts = random.bincount(minlength=V)
    assert (counts[: len(SPECIAL)] == 0).all() and (counts[len(SPECIAL) :] > 0).all()


def test_each_text_and_each_place_by_itself(ids):
    torch.manual_seed(1)
    chosen = mask_words(ids, V).x2 != IGNORE
    places = chosen.float().mean(0)[[1, 2, *range(6, 21)]]
    assert ((places - 0.15).abs() < 4.5 * (0.15 * 0.85 / 2000) ** 0.5).all()
    per_text = chosen.sum(1).float()  # of 18 words, independent: binomial
    assert float(per_text.var()) == pytest.approx(18 * 0.15 * 0.85, rel=0.15)


def test_a_generator_decides(ids):
    draw = [mask_words(ids, V, generator=torch.Generator(ids.device).manual_seed(s)) for s in (3, 3, 4)]
    assert torch.equal(draw[0].x1, draw[1].x1) and torch.equal(draw[0].x2, draw[1].x2)
    assert not torch.equal(draw[0].x1, draw[2].x1)
    state = torch.get_rng_state()
    before = ids.clone()
    mask_words(ids, V, generator=torch.Generator(ids.device).manual_seed(0))
    assert torch.equal(state, torch.get_rng_state()) and torch.equal(ids, before)


def test_nothing_and_everything(ids):
    assert (mask_words(ids, V, 0.0).x2 == IGNORE).all()
    assert torch.equal(mask_words(ids, V, 1.0).x2 != IGNORE, ids >= len(SPECIAL))
    bare = torch.tensor([[CLS, SEP, PAD], [CLS, MASK, SEP]])
    inputs, targets = mask_words(bare, V, 1.0)
    assert torch.equal(inputs, bare) and (targets == IGNORE).all()


def test_bad_arguments(ids):
    for ratio in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="ratio must be"):
            mask_words(ids, V, ratio)
    with pytest.raises(ValueError, match="vocab_size must be more than"):
        mask_words(ids, len(SPECIAL))


def test_next_words(device):
    ids = torch.tensor([[CLS, 7, 8, SEP, PAD], [CLS, 9, UNK, 7, SEP]], device=device)
    inputs, targets = next_words(ids)
    assert inputs.tolist() == [[CLS, 7, 8, SEP], [CLS, 9, UNK, 7]]
    assert targets.tolist() == [[7, 8, SEP, IGNORE], [9, UNK, 7, SEP]]


def test_without_tail(device):
    ids = torch.tensor([[CLS, 7, SEP, PAD, PAD], [CLS, SEP, PAD, PAD, PAD]], device=device)
    assert without_tail(ids).tolist() == [[CLS, 7, SEP], [CLS, SEP, PAD]]
    assert without_tail(ids[:, :3]).shape == (2, 3)
    assert without_tail(torch.zeros(2, 4, dtype=torch.int64)).shape == (2, 1)
    assert without_tail(ids[:0]).shape == (0, 1)
