"""`pair` is the one place where a method makes X₁ and X₂: from a drawn pair the loss by hand is the loss of forward."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from ssl_course import methods, nets
from ssl_course.data import scenes
from ssl_course.data.pairs import Pairs
from ssl_course.data.pictures import Pictures
from ssl_course.data.texts import Texts
from ssl_course.interfaces import Pair, pair_of
from ssl_course.pretext.words import IGNORE
from ssl_course.training import train
from ssl_course.widgets import live

MEAN = np.array([0.485, 0.456, 0.406])[:, None, None]  # of ImageNet, as the papers have them
STD = np.array([0.229, 0.224, 0.225])[:, None, None]

UNITS = torch.tensor(MEAN).float(), torch.tensor(STD).float()


def small():
    return nets.ConvNet((8, 16, 16))


def pictures(size=32):
    return scenes.World().sample(6, size, seed=0)


def texts():
    stream = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 20, (8, 9), generator=stream)
    ids[:, 0], ids[:, -1], ids[:4, 6], ids[:4, 7:] = 2, 3, 3, 0  # [CLS] … [SEP], half of them with pads
    return Texts(ids, [""] * 8)


def rows():
    stream = torch.Generator().manual_seed(0)
    return Pairs(torch.randn(40, 5, generator=stream), torch.randn(40, 7, generator=stream))


# ---- the losses by hand: numpy in float64 and loops, from x1 and x2 alone ------------------------------------
def normalised(picture):
    return (picture.double().numpy() - MEAN) / STD


def surprise(logits, answers):
    """The mean of −log of the softmax at the answers."""
    logits = logits.double().numpy()
    return np.mean([np.log(np.exp(row).sum()) - row[a] for row, a in zip(logits, answers, strict=True)])


def mae(method, pair):
    p, errors = method.patch_size, []
    for x1, x2, hidden in zip(pair.x1, pair.x2, pair.parts["hidden"][:, 0], strict=True):
        places = [(i, j) for i in range(method.grid) for j in range(method.grid)]
        patch = {(i, j): np.s_[..., i * p : (i + 1) * p, j * p : (j + 1) * p] for i, j in places}
        seen = [n for n, place in enumerate(places) if not hidden[patch[place]].any()]
        embed, tokens = method.backbone.patch_embed, [method.cls_token[0, 0]]
        for n in seen:  # a patch as a token is a linear map of its normalised pixels
            pixels = torch.tensor(normalised(x1)[patch[places[n]]]).float()
            tokens.append(
                torch.einsum("dcij,cij->d", embed.weight, pixels) + embed.bias + method.backbone.position[n]
            )
        latent = method.decoder_embed(method.backbone.transformer(torch.stack(tokens)[None]))[0]
        every = method.mask_token[0].repeat(len(places), 1)
        every[seen] = latent[1:]
        decoded = method.decoder(torch.cat([latent[:1], every + method.decoder_position])[None])
        answer = method.decoder_pred(decoded[0, 1:]).double().numpy()
        for n, place in enumerate(places):
            if n not in seen:  # pixel by pixel, the three colours of each together
                truth = normalised(x2)[patch[place]].transpose(1, 2, 0).reshape(-1)
                errors.append(np.mean((answer[n] - truth) ** 2))
    return np.mean(errors)


def context_encoder(method, pair):
    picture = torch.tensor(np.stack([normalised(x) for x in pair.x1])).float()
    answer = method.decoder(method.backbone(picture)).double().numpy()
    total = weight = 0.0
    for filled, x2, hole in zip(answer, pair.x2, pair.parts["hole"][:, 0].numpy(), strict=True):
        for i, j in np.ndindex(hole.shape):
            near = hole[max(i - method.overlap, 0) : i + method.overlap + 1][
                :, max(j - method.overlap, 0) : j + method.overlap + 1
            ]
            w = 1 if hole[i, j] else 10 * near.any()  # the band counts ten times
            total += w * np.mean((filled[:, i, j] - normalised(x2)[:, i, j]) ** 2)
            weight += w
    return total / weight


def colorization(method, pair):
    logits = method.answer(pair.x1).double().numpy()  # (N, Q, h, w)
    centres, weights, losses = method.centres.numpy(), method.weights.numpy(), []
    for n, i, j in np.ndindex(len(logits), *logits.shape[2:]):
        distance = ((centres - pair.x2[n, :, i, j].numpy()) ** 2).sum(1)
        share = np.exp(-distance / (2 * method.sigma**2)) * (distance <= np.sort(distance)[4])
        share /= share.sum()  # the five nearest bins
        row = logits[n, :, i, j]
        losses.append(weights[share.argmax()] * (share * (np.log(np.exp(row).sum()) - row)).sum())
    return np.mean(losses)


def rotation(method, pair):
    x = torch.tensor(np.stack([normalised(x) for x in pair.x1])).float()
    return surprise(method.head(method.backbone(x).mean((2, 3))), pair.x2)


def jigsaw(method, pair):
    scores = []
    for tiles in pair.x1:
        features = []
        for tile in tiles.double():
            mean, std = tile.mean((1, 2), keepdim=True), tile.var((1, 2), correction=0, keepdim=True).sqrt()
            h = method.backbone(((tile - mean) / (std + 0.02)).float()[None])
            features.append(method.tile_head(torch.nn.functional.adaptive_avg_pool2d(h, 2).flatten(1)))
        scores.append(method.head(torch.cat(features, 1)))
    return surprise(torch.cat(scores), pair.x2)


def language(method, pair):
    at = pair.x2 != IGNORE
    return surprise(method.logits(pair.x1)[at], pair.x2[at])


def cosines(a, b):
    a, b = (v.double().numpy() for v in (a, b))
    return a @ b.T / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)


def simclr(method, pair):
    z = torch.cat([method.project(pair.x1), method.project(pair.x2)])
    near, n, losses = np.exp(cosines(z, z) / method.temperature), len(pair), []
    for i in range(2 * n):
        others = sum(near[i, m] for m in range(2 * n) if m != i)
        losses.append(-math.log(near[i, (i + n) % (2 * n)] / others))
    return np.mean(losses)


def simsiam(method, pair):
    z1, z2 = method.project(pair.x1), method.project(pair.x2)
    one, two = cosines(method.prediction_head(z1), z2), cosines(method.prediction_head(z2), z1)
    return -(np.diag(one).mean() + np.diag(two).mean()) / 2


def byol(method, pair):
    target = [method.target[1](method.target[0]((x - m) / s).mean((2, 3))) for x in pair for m, s in [UNITS]]
    q = [method.prediction_head(method.project(x)) for x in pair]
    unit = [v.double().numpy() / np.linalg.norm(v.double().numpy(), axis=1)[:, None] for v in (*q, *target)]
    return sum(((a - b) ** 2).sum(1).mean() for a, b in ((unit[0], unit[3]), (unit[1], unit[2])))


def clip(method, pair):
    scores = cosines(method.encode_image(pair.x1), method.encode_text(pair.x2)) / 0.07
    own = range(len(scores))
    return (surprise(torch.tensor(scores), own) + surprise(torch.tensor(scores.T), own)) / 2


def deep_cca(method, pair):
    """2D − 2 Σρ, with symmetric roots where the library has Cholesky factors."""
    views = []
    for h in (method.net1(pair.x1), method.net2(pair.x2)):
        h = h.double().numpy() - h.double().numpy().mean(0)
        views.append(h / math.sqrt((h**2).mean()))
    white = []
    for h in views:
        values, vectors = np.linalg.eigh(h.T @ h / len(h) + method.ridge * np.eye(h.shape[1]))
        white.append(h @ vectors / np.sqrt(values))
    correlations = np.linalg.svd(white[0].T @ white[1] / len(white[0]), compute_uv=False)
    return 2 * len(correlations) - 2 * correlations.sum()


MAE = {
    "image_size": 16,
    "patch_size": 4,
    "dim": 16,
    "depth": 1,
    "heads": 2,
    "decoder_dim": 8,
    "decoder_heads": 2,
}
CASES = {
    "MAE": (mae, lambda: methods.MAE(**MAE), lambda: pictures(16)),
    "ContextEncoder": (
        context_encoder,
        lambda: methods.ContextEncoder(small(), 16, hole="blocks", overlap=1),
        lambda: pictures(16),
    ),
    "ContextEncoder with a gap": (
        context_encoder,
        lambda: methods.ContextEncoder(small(), 16, hole="free", gap=2),
        lambda: pictures(16),
    ),
    "Colorization": (colorization, lambda: methods.Colorization(small()), pictures),
    "Rotation": (rotation, lambda: methods.Rotation(small()), pictures),
    "Jigsaw": (jigsaw, lambda: methods.Jigsaw(small()), pictures),
    "BERT": (language, lambda: methods.BERT(20, 12, 8, 1, 2, mask_ratio=0.5), texts),
    "GPT": (language, lambda: methods.GPT(20, 12, 8, 1, 2), texts),
    "SimCLR": (simclr, lambda: methods.SimCLR(small(), (16, 8)), pictures),
    "SimSiam": (simsiam, lambda: methods.SimSiam(small(), (16, 16, 16)), pictures),
    "BYOL": (byol, lambda: methods.BYOL(small(), (16, 8)), pictures),
    "CLIP": (clip, lambda: methods.CLIP(small(), augmentation={"flip": 0.5}), pictures),
    "DeepCCA": (deep_cca, lambda: methods.DeepCCA((5, 7), dim=3, width=8), rows),
}


def make(name):
    _, maker, data = CASES[name]
    torch.manual_seed(0)
    method, batch = maker(), data()
    if hasattr(method, "prepare"):
        batch = method.prepare(batch)
    return method.eval(), batch


def test_every_method_is_here():
    assert {name.split()[0] for name in CASES} >= set(dir(methods))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("seed", [1, 2])
@torch.no_grad()
def test_the_loss_of_a_pair_by_hand_is_that_of_forward(name, seed):
    by_hand = CASES[name][0]
    method, batch = make(name)
    torch.manual_seed(seed)
    pair = pair_of(method, batch)
    torch.manual_seed(seed)
    assert float(method(batch)) == pytest.approx(by_hand(method, pair), rel=1e-4)
    again = pair_of(method, batch)
    drawn = name not in ("GPT", "Rotation", "Colorization", "DeepCCA")  # whose pair is no matter of chance
    assert torch.equal(pair.x1, again.x1) != drawn or torch.equal(pair.x2, again.x2) != drawn


@pytest.mark.parametrize("name", CASES)
def test_forward_asks_pair_and_nobody_else(name):
    """A method whose pair is one drawn before gives that pair's loss, whatever the seed."""
    method, batch = make(name)
    pair, asked = pair_of(method, batch), []
    method.pair = lambda *_: asked.append(1) or pair
    with torch.no_grad():
        first, second = float(method(batch)), float(method(batch))
    assert first == second and len(asked) == 2


def test_the_two_parts_of_a_picture_make_it_whole():
    """What MAE hides and shows are the picture, each pixel in exactly one of them; and so with a hole, no band."""
    x = pictures(16)
    for method in (methods.MAE(**MAE), methods.ContextEncoder(small(), 16, hole="free", overlap=0)):
        pair = pair_of(method, x)
        hidden = pair.parts["hidden"].bool().expand_as(pair.x1)
        assert torch.equal(torch.where(hidden, pair.x2, pair.x1), x.images / 255)
        for part, blank in ((pair.x1, hidden), (pair.x2, ~hidden)):  # and nothing of the other is left over
            colours = part.movedim(1, 0)[blank.movedim(1, 0)].view(3, -1)
            assert (colours == colours[:, :1]).all()


def test_what_is_no_matter_of_chance():
    x = pictures()
    turned = pair_of(methods.Rotation(small()), x)
    assert len(turned) == 24 and turned.x2.tolist() == [0] * 6 + [1] * 6 + [2] * 6 + [3] * 6
    for picture, quarter, of in zip(turned.x1, turned.x2, x.images.repeat(4, 1, 1, 1) / 255, strict=True):
        assert torch.equal(picture, torch.rot90(of, int(quarter), (1, 2)))
    left, right = pair_of(methods.DeepCCA(backbone=small()), x)
    assert torch.equal(torch.cat([left, right], 3), x.images / 255)
    lightness, colour = pair_of(methods.Colorization(small()), x)
    assert lightness.shape == (6, 1, 32, 32) and colour.shape == (6, 2, 16, 16)
    gray = pair_of(methods.Colorization(small()), x.gray())
    assert gray.x2.abs().max() < 0.1 and torch.allclose(gray.x1, lightness, atol=0.5)


class Nothing(torch.nn.Module):
    """A method of before pairs."""

    def forward(self, batch):
        return batch.inputs.float().mean()


class Lame(Nothing):
    def pair(self, batch):
        return Pair(batch.inputs, batch.inputs[:-1])


class Longer(Nothing):
    def pair(self, batch):
        return Pair(batch.inputs, batch.inputs, {"hidden": batch.inputs[:1]})


class Two(Nothing):
    def pair(self, batch):
        return batch.inputs, batch.inputs


class Number(Nothing):
    def pair(self, batch):
        return Pair(batch.inputs, batch.inputs.float().mean())


class Absent(Nothing):
    def pair(self, batch):
        return Pair(batch.inputs, None)


WRONG = pytest.mark.parametrize(
    "method, error, says",
    [
        (Nothing(), TypeError, r"Nothing has no pair\(batch\): give it one that returns Pair\(x1, x2\)"),
        (Two(), TypeError, r"Two.pair\(batch\) returned a tuple: return ssl_course.interfaces.Pair"),
        (Lame(), ValueError, r"Lame.pair\(batch\) .*\(x1 6, x2 5\): row i of each"),
        (Longer(), ValueError, r"Longer.pair\(batch\) .*\(x1 6, x2 6, hidden 1\)"),
        (Number(), TypeError, r"Number.pair\(batch\) gave a number as x2: give a tensor \(N, …\)"),
        (Absent(), TypeError, r"Absent.pair\(batch\) gave NoneType as x2: give a tensor \(N, …\)"),
    ],
)


@WRONG
def test_who_makes_no_pair_is_named(method, error, says):
    with pytest.raises(error, match=says):
        pair_of(method, pictures())


@WRONG
def test_nobody_is_trained_or_shown_without_a_pair(method, error, says):
    method.weight = torch.nn.Parameter(torch.zeros(1))
    loader = torch.utils.data.DataLoader(pictures().images, batch_size=6)
    for data in (pictures(), loader):
        with pytest.raises(error, match=says):
            next(train(method, data, steps=2, batch_size=6))
    if not isinstance(method, Longer):  # of one picture it has one row, as it should
        with pytest.raises(error, match=r"(Lame.pair|Nothing has no pair|\w+.pair)\(batch\)"):
            live(method, pictures())


def test_a_pair_is_two_and_stays_as_it_is():
    pair = Pair(torch.zeros(3), torch.ones(3))
    x1, x2 = pair
    assert x1 is pair.x1 and x2 is pair.x2 and len(pair) == 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        pair.x1 = x2


def test_a_picture_of_another_size_is_refused():
    for method in (methods.MAE(**MAE), methods.ContextEncoder(small(), 16)):
        with pytest.raises(ValueError, match="built for pictures of 16 px, not 32"):
            method.pair(Pictures(torch.zeros(1, 3, 32, 32, dtype=torch.uint8)))
