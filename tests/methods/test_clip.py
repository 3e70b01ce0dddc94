"""CLIP: its loss, its scale, its end token, the floor that equal captions set, ranks, and what it refuses."""

import json
import math
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ssl_course import checkpoints, losses
from ssl_course.data import Pictures, scenes
from ssl_course.evaluation import linear_probe, pixels
from ssl_course.methods import CLIP
from ssl_course.methods.clip import START, by_each_text, recall
from ssl_course.training import train
from ssl_course.training.optimizer import parameter_groups

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "assets" / "results" / "captions.json"


@pytest.fixture(scope="module")
def data():
    return scenes.World().sample(48, 16, seed=0)


@pytest.fixture
def method():
    torch.manual_seed(0)
    return CLIP().eval()


# ---- what the paper says ----------------------------------------------------------------------------------------
def test_the_loss_is_the_symmetric_cross_entropy_of_scaled_cosines(method, data):
    images, texts = method.encode_image(data.images), method.encode_text(data.captions)
    for z in (images, texts):
        torch.testing.assert_close(z.norm(dim=1), torch.ones(48))
    logits = (images @ texts.T / 0.07).double().detach().numpy()
    total = 0.0
    for i in range(48):
        for row in (logits[i], logits[:, i]):
            total += math.log(sum(math.exp(v) for v in row)) - logits[i, i]
    assert method(data).item() == pytest.approx(total / 96, abs=1e-4)
    assert method(method.prepare(data)).item() == pytest.approx(total / 96, abs=1e-4)


def test_features_lie_before_the_head(method, data):
    h = method.encode(data.images)
    assert h.shape == (48, method.backbone.dim)
    torch.testing.assert_close(F.normalize(method.projection_head(h), dim=1), method.project(data.images))
    torch.testing.assert_close(method.project(data.images), method.encode_image(data.images))


def test_the_scale_starts_at_its_place_is_clamped_and_does_not_decay(method, data):
    assert method.logit_scale.item() == pytest.approx(math.log(1 / 0.07)) and START == pytest.approx(
        2.6593, abs=1e-4
    )
    for value, kept in ((9.0, math.log(100)), (-1.0, 0.0), (3.0, 3.0)):
        method.logit_scale.data.fill_(value)
        method.after_step()
        assert method.logit_scale.item() == pytest.approx(kept)
    groups = parameter_groups(method, 1e-3, 0.1)
    decays = {id(p): g["weight_decay"] for g in groups for p in g["params"]}
    assert decays[id(method.logit_scale)] == 0 and decays[id(method.text_projection.weight)] == 0.1
    assert len(decays) == len(list(method.parameters()))
    method.logit_scale.data.fill_(20.0)
    for _ in train(method, data, 1, 16):
        pass
    assert method.logit_scale.exp().item() == pytest.approx(100, rel=1e-5)


def test_the_caption_is_read_at_its_end(method):
    """What stands behind the end token is never seen, and every word before it is."""
    ids = method.tokenize(["two boats at dusk", "three boats at dawn on waves at sea"])
    alone = method.encode_text(method.tokenize(["two boats at dusk"]))
    torch.testing.assert_close(method.encode_text(ids)[:1], alone)  # padding changes nothing
    junk = ids.clone()
    junk[0, -1] = 9
    torch.testing.assert_close(method.encode_text(junk)[:1], alone)
    for place in range(1, 5):
        other = ids.clone()
        other[0, place] = 7 if other[0, place] != 7 else 8
        assert (method.encode_text(other)[0] - alone[0]).abs().max() > 1e-4


def test_gradients_reach_both_towers_and_the_scale(data):
    torch.manual_seed(0)
    method = CLIP()
    method(data).backward()
    for name, p in method.named_parameters():
        assert p.grad is not None and p.grad.abs().max() > 0, name


# ---- false negatives and the floor ------------------------------------------------------------------------------
def batch_floor(captions):
    counts = Counter(captions)
    return sum(math.log(counts[c]) for c in captions) / len(captions)


def test_the_floor_by_enumeration_and_by_simulation():
    p = torch.tensor([0.5, 0.3, 0.2])
    exact = sum(
        math.prod(float(p[c]) for c in batch) * batch_floor(batch)
        for batch in ((a, b, c, d) for a in range(3) for b in range(3) for c in range(3) for d in range(3))
    )
    assert losses.clip_floor(p, 4).item() == pytest.approx(exact, abs=1e-6)
    assert losses.clip_floor(torch.full((81,), 1 / 81), 128).item() == pytest.approx(
        0.82, abs=0.005
    )  # theory.md
    world = scenes.World().states().sum(-1)
    drawn = [batch_floor(scenes.World().sample(128, 16, seed=s).captions) for s in range(40)]
    mean, error = torch.tensor(drawn).mean(), torch.tensor(drawn).std() / 40**0.5
    assert abs(losses.clip_floor(world, 128) - mean) < 4 * error
    assert losses.clip_floor(torch.tensor([1.0]), 32).item() == pytest.approx(math.log(32))
    assert losses.clip_floor(world, 1).item() == 0


def test_no_features_go_below_the_floor_and_perfect_ones_reach_it():
    captions = scenes.World().sample(256, 16, seed=3).captions
    place = {c: i for i, c in enumerate(dict.fromkeys(captions))}
    index = torch.tensor([place[c] for c in captions])
    perfect = F.one_hot(index, len(place)).float()
    least = batch_floor(captions)
    assert losses.clip_loss(perfect, perfect, 100.0).item() == pytest.approx(least, abs=1e-4)
    same = index[:, None] == index
    assert losses.clip_loss(perfect, perfect, 100.0, same).item() == pytest.approx(0, abs=1e-4)
    for seed in range(5):  # equal captions share a feature; the pictures' features are anything
        g = torch.Generator().manual_seed(seed)
        texts = F.normalize(torch.randn(len(place), 16, generator=g), dim=1)[index]
        images = F.normalize(texts + 0.1 * torch.randn(256, 16, generator=g), dim=1)
        assert losses.clip_loss(images, texts, 100.0).item() >= least - 1e-6


def test_masking_leaves_out_equal_captions_alone(data):
    torch.manual_seed(0)
    method = CLIP().eval()
    captions = [data.captions[i % 12] for i in range(48)]
    batch = method.prepare(replace(data, captions=captions))
    plain = method(batch).item()
    method.mask_false_negatives = True
    logits = (
        method.logit_scale.exp() * method.encode_image(batch.images) @ method.encode_text(captions).T
    ).detach()
    kept = torch.tensor([[i == j or captions[i] != captions[j] for j in range(48)] for i in range(48)])
    by_hand = torch.where(kept, logits, -1e9)
    own = torch.arange(48)
    expected = (F.cross_entropy(by_hand, own) + F.cross_entropy(by_hand.T, own)) / 2
    assert method(batch).item() == pytest.approx(expected.item(), abs=1e-5) and plain > expected + 0.01


@pytest.mark.slow
@pytest.mark.parametrize("masked", [False, True])
def test_training_reaches_the_floor(masked):
    """One batch, learned by heart: the loss ends at its own floor; masked, at 0."""
    pictures = scenes.World().sample(64, 32, seed=5)
    pictures = replace(pictures, captions=scenes.captions(pictures.labels, short=True))
    torch.manual_seed(0)
    found = [s.loss for s in train(CLIP(mask_false_negatives=masked), pictures, 80, 64, lr=3e-3)]
    least = 0.0 if masked else batch_floor(pictures.captions)
    assert found[0] > 3 and (masked or least > 0.4)
    assert least - 1e-4 <= found[-1] < least + 0.1


# ---- use ---------------------------------------------------------------------------------------------------------
def test_zero_shot_is_a_softmax_over_averaged_prompts(method, data):
    classes, templates = ["dawn", "noon", "dusk"], ["two boats at {}", "a pine at {}"]
    p = method.zero_shot(data.images, classes, templates)
    assert p.shape == (48, 3)
    torch.testing.assert_close(p.sum(1), torch.ones(48))
    rows = [
        F.normalize(method.encode_text([t.replace("{}", c) for t in templates]).mean(0), dim=0)
        for c in classes
    ]
    cosine = method.encode_image(data.images) @ torch.stack(rows).T
    torch.testing.assert_close(p, (cosine / 0.07).softmax(1).detach())
    assert torch.equal(p.argmax(1), cosine.argmax(1))


def test_asking_each_text_sums_one_softmax(method, data):
    texts, classes = ["two boats", "a pine", "one boat", "three pines"], torch.tensor([1, 0, 1, 0])
    with torch.no_grad():
        u, v = method.encode_image(data.images), method.encode_text(texts)
    p = by_each_text(u, v, classes, 10.0)
    odds = (10 * u @ v.T).exp()
    expected = torch.stack([odds[:, 1] + odds[:, 3], odds[:, 0] + odds[:, 2]], 1) / odds.sum(1, keepdim=True)
    torch.testing.assert_close(p, expected)


def test_recall():
    similarity = torch.tensor([[0.9, 0.1, 0.2], [0.8, 0.1, 0.3], [0.3, 0.2, 0.1]])
    assert [recall(similarity, k) for k in (1, 2, 3, 10)] == [pytest.approx(v) for v in (1 / 3, 1 / 3, 1, 1)]
    right = torch.tensor([[False, True], [True, True]])
    assert recall(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), 1, right) == 0.5


def test_a_checkpoint_keeps_tokenizer_and_words_seen(tmp_path, data):
    torch.manual_seed(0)
    method = CLIP(vocab_size=300, width=16, heads=2, embed_dim=8)
    photos = replace(data, captions=[f"a photograph of a zebra, number {i}" for i in range(48)])
    photos = method.prepare(photos)
    path = checkpoints.save(tmp_path / "a.safetensors", method)
    back = checkpoints.load(path)
    assert torch.equal(back.encode_text(photos.captions), method.encode_text(photos.captions))
    assert back.unknown("A Zebra and a unicorn, and a zebra") == ["and", "unicorn"]


def test_words_never_seen_are_named(data):
    method = CLIP()
    method.prepare(data[[i for i, c in enumerate(data.captions) if "boat" not in c]])
    assert method.unknown("Two boats at dusk, two boats") == ["boats"]


def test_bad_input_is_named(method, data):
    with pytest.raises(ValueError, match="at least two"):
        method(data[:1])
    with pytest.raises(ValueError, match="caption 1 is empty"):
        method.encode_text(["a boat", "  "])
    with pytest.raises(ValueError, match=r"33 tokens; context=32 has room for 30"):
        method.encode_text(["boat " * 33])
    with pytest.raises(ValueError, match="not one string"):
        method.encode_text("a boat")
    with pytest.raises(ValueError, match="none"):
        method(replace(data, captions=[]))
    with pytest.raises(ValueError, match="CLIP needs a caption"):
        next(train(method, replace(data, captions=[]), 1))
    with pytest.raises(ValueError, match=r"arguments_for\(data\)"):
        method.prepare(replace(data, captions=["zebra crossing traffic"] * 48))
    with pytest.raises(ValueError, match='has no "{}"'):
        method.zero_shot(data.images, ["a", "b"], ["a picture"])
    with pytest.raises(ValueError, match="two classes"):
        method.zero_shot(data.images, ["a"])
    with pytest.raises(ValueError, match="no tokenizer yet"):
        CLIP(vocab_size=300).encode_text(["a"])
    for wrong in ({"context": 2}, {"heads": 5}, {"vocab_size": 10}, {"embed_dim": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            CLIP(**wrong)
    with pytest.raises(ValueError, match="one shape"):
        losses.clip_loss(torch.ones(3, 2), torch.ones(2, 2), 1.0)
    with pytest.raises(ValueError, match="sum to 1"):
        losses.clip_floor(torch.tensor([0.5, 0.4]), 8)


def test_a_batch_larger_than_the_data_is_the_data(data):
    assert next(train(CLIP(), data, 1, 500)).loss > 0


# ---- the scenes' captions ---------------------------------------------------------------------------------------
def test_every_caption_is_there_once_and_prompts_name_their_class():
    texts, labels = scenes.every_caption()
    assert len(set(texts)) == len(texts) == 1458
    assert set(scenes.World().sample(300, 16, seed=2).captions) <= set(texts)
    assert len(set(scenes.captions(labels, short=True))) == 81
    order = torch.arange(1458).reshape(6, 3, 3, 3, 3, 3)
    at = order[4, 2, 1, 0, 2, 1]  # as `World.states` without u
    assert [int(labels[k][at]) for k in ("texture", "light", "object", "count", "biome", "tint")] == [
        4,
        2,
        1,
        0,
        2,
        1,
    ]
    for label, names in scenes.NAMES.items():
        for kind in scenes.PROMPTS:
            assert len(scenes.prompts(label, kind)) == len(names)
        for k, some in enumerate(scenes.prompts(label)):
            assert len(some) == 1458 // len(names)
            assert {int(labels[label][texts.index(t)]) for t in some[:20]} == {k}
    with pytest.raises(ValueError, match="unknown label"):
        scenes.prompts("weather")


# ---- several ranks -----------------------------------------------------------------------------------------------
RANKS = """
import sys, torch
from ssl_course.methods import CLIP
from ssl_course.training import make_fabric, train
from test_clip import patches, small
torch.set_num_threads(1)
fabric, found = make_fabric("cpu"), {}
for masked in (False, True):
    torch.manual_seed(0)
    method = CLIP(backbone=patches(), width=16, heads=2, embed_dim=8, mask_false_negatives=masked)
    losses = [s.loss for s in train(method, small(), steps=3, batch_size=16, lr=1e-2, optimizer="sgd", fabric=fabric)]
    found[masked] = {"losses": losses, "weights": {k: v for k, v in method.state_dict().items() if k != "_extra_state"}}
if fabric.is_global_zero:
    torch.save({"runs": found, "world": fabric.world_size}, sys.argv[1])
"""


def patches():
    """A backbone without batch statistics."""
    net = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.GELU())
    net.dim = 8
    return net


def small() -> Pictures:
    """Pictures with captions that repeat."""
    pictures = scenes.World().sample(32, 16, seed=0)
    return replace(pictures, captions=[pictures.captions[i % 10] for i in range(32)])


@pytest.mark.slow
def test_two_ranks_are_one_with_the_joint_batch(ranks):
    found = {n: ranks(n, RANKS) for n in (1, 2)}
    assert [found[n]["world"] for n in (1, 2)] == [1, 2]
    plain, masked = (found[1]["runs"][k]["losses"][0] for k in (False, True))
    assert masked < plain - 1e-3  # equal captions on different ranks were found, too
    for kind in (False, True):
        one, two = (found[n]["runs"][kind] for n in (1, 2))
        assert two["losses"] == pytest.approx(one["losses"], abs=1e-5)
        for name, value in one["weights"].items():  # plain SGD: weights are the sum of the gradients
            torch.testing.assert_close(two["weights"][name], value, atol=1e-5, rtol=0)


# ---- what the lecture shows ------------------------------------------------------------------------------------
@pytest.mark.slow
def test_beats_pixels_and_a_random_network_at_ten_labels():
    """Texture from colour pictures, after fewer steps than the recorded 200."""
    train_set, test = scenes.World().sample(4096, 32, seed=0), scenes.World().sample(1024, 32, seed=10**6)
    torch.manual_seed(0)
    untrained, method = CLIP().eval(), CLIP()
    found = [s.loss for s in train(method, train_set, 120, 128)]
    assert sum(found[-10:]) / 10 < 2.0 < math.log(128)
    rows = [
        linear_probe(m, train=train_set, test=test, label="texture", n_labels=10)
        for m in (method, untrained, pixels())
    ]
    for other in rows[1:]:
        error = math.hypot(rows[0].std, other.std) / 5**0.5
        assert rows[0].accuracy - other.accuracy > error


@pytest.mark.slow
def test_a_recorded_cell_comes_out_again():
    """The first cell with a quarter of its steps: its loss is above the recorded one, which lies above the floor."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import captions as study
    finally:
        sys.path.pop(0)
    recorded = json.loads(RESULTS.read_text())
    rows = [r for r in recorded["results"] if r["cell"]["arm"] == "all"]
    assert len(rows) == 3 and {r["cell"]["arm"] for r in recorded["results"]} >= {
        "all",
        "triples",
        "pairs",
        "gray",
    }
    data, _ = study.pictures("all", 0)
    _, found = study.trained(data, 0, 60)
    floor = float(losses.clip_floor(scenes.World().states().sum(-1), study.BATCH))
    assert found[0] == pytest.approx(rows[0]["first loss"], abs=0.01)  # the same first batch and weights
    assert all(floor < r["last loss"] < sum(found[-10:]) / 10 for r in rows)
    for r in rows:  # naming held-out combinations was measured for both kinds
        assert all(0 <= v <= 1 for pair in r["naming"].values() for v in pair)
