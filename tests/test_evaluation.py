"""Probes, kNN and gauges against scikit-learn, closed forms and plain loops; the network is left as it was."""

import copy
import itertools
import json
import math
from dataclasses import asdict

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from ssl_course.data.pictures import Pictures
from ssl_course.evaluation import (
    Encoded,
    alignment,
    effective_rank,
    encode,
    evaluate,
    feature_std,
    features,
    frozen,
    knn,
    label_draws,
    label_efficiency,
    linear_probe,
    pixels,
    probe,
    solvers,
    spectrum,
    uniformity,
    zero_shot,
)
from ssl_course.methods import MAE, SimCLR


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def blobs(n, k=3, d=6, spread=1.5, seed=0):
    """Gaussian classes around fixed means, on axes of very different scale."""
    y = torch.arange(n) % k
    x = random(n, d, seed=seed) + spread * random(k, d, seed=99)[y]
    return Encoded(x * torch.logspace(-2, 2, d) + 5, {"y": y})


class Net(nn.Module):
    """Batch statistics, dropout, and one layer whose mode differs from its root's."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Dropout(0.5))
        self.target = nn.BatchNorm1d(8).eval()
        self.body[0].bias.requires_grad_(False)

    def encode(self, x):
        x = x.float() / 255 if x.dtype == torch.uint8 else x
        return self.target(self.body(x.to(self.body[0].weight.dtype)).mean((2, 3)))

    def project(self, x):
        return self.encode(x)[:, :2]


def pictures(n=20, size=8, seed=0):
    g = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, generator=g)
    return Pictures(images, {"y": torch.arange(n) % 3})


# ---- features, and the network left alone


def snapshot(module):
    state = {k: v.clone() for k, v in module.state_dict().items()}
    flags = [(m.training, [p.requires_grad for p in m.parameters()]) for m in module.modules()]
    return state, flags, [p.grad for p in module.parameters()], torch.get_rng_state()


@pytest.mark.parametrize("make", [Net, SimCLR, lambda: MAE(image_size=32, patch_size=8)])
@pytest.mark.parametrize("use", ["features", "linear_probe", "knn", "evaluate"])
def test_the_network_is_left_exactly_as_it_was(make, use):
    module = make()
    module.train()
    next(module.children()).eval()  # some parts in another mode than the root
    data, before = pictures(size=32), snapshot(module)
    arguments = {"train": data, "test": data, "label": "y"}
    if use == "features":
        features(module, data.inputs)
    elif use == "evaluate":
        evaluate(module, data, data, label="y", n_labels=(3,))
    else:
        {"linear_probe": linear_probe, "knn": knn}[use](module, **arguments)
    after = snapshot(module)
    assert all(torch.equal(after[0][k], v) for k, v in before[0].items())
    assert after[1:3] == before[1:3]
    assert torch.equal(after[3], before[3])


def test_an_error_inside_leaves_the_flags_too():
    net = Net()
    with pytest.raises(RuntimeError), frozen(net):
        assert not any(m.training for m in net.modules()) and not torch.is_grad_enabled()
        raise RuntimeError
    assert net.training and net.body[2].training and not net.target.training and torch.is_grad_enabled()


def test_features_are_those_of_eval_mode_in_any_chunks():
    net, data = Net(), pictures()
    by_hand = net.eval().encode(data.inputs).detach()
    net.train()
    assert not torch.allclose(
        copy.deepcopy(net).encode(data.inputs), by_hand, atol=1e-3
    )  # train mode differs
    for size in (1, 7, 256):
        torch.testing.assert_close(features(net, data.inputs, batch_size=size), by_hand)


def test_features_of_uint8_float_function_bound_method_and_bf16(device):
    net, data = Net(), pictures()
    net.target.running_mean += 1
    uint8 = features(net, data.inputs)
    assert uint8.dtype == torch.float32 and uint8.device.type == "cpu" and not uint8.requires_grad
    net.to(device)
    torch.testing.assert_close(
        features(net, data.inputs), uint8, atol=1e-4, rtol=1e-4
    )  # inputs come to the net
    torch.testing.assert_close(
        features(net, data.inputs.to(device).float() / 255), uint8, atol=1e-4, rtol=1e-4
    )
    head = features(net.project, data.inputs)  # frozen as well: dropout would differ from call to call
    torch.testing.assert_close(head, uint8[:, :2], atol=1e-4, rtol=1e-4)
    assert net.training
    plain = features(lambda x: x.float().mean((2, 3)), data.inputs.to(device))
    torch.testing.assert_close(plain, data.inputs.float().mean((2, 3)))
    low = features(net.to(torch.bfloat16), data.inputs)
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, uint8, atol=0.05, rtol=0.05)


def test_pixels_are_block_means():
    data = pictures(4, size=8)
    by_hand = data.inputs.double().reshape(4, 3, 2, 4, 2, 4).mean((3, 5)).flatten(1) / 255
    torch.testing.assert_close(features(pixels(2), data.inputs).double(), by_hand, atol=1e-6, rtol=0)
    as_floats = features(pixels(2), data.inputs.float() / 255)
    torch.testing.assert_close(as_floats.double(), by_hand, atol=1e-6, rtol=0)
    assert features(pixels(16), data.inputs).shape == (4, 3 * 8 * 8)  # never enlarged


class Broken(nn.Module):
    def encode(self, x):
        return x.float().flatten(1).index_fill(0, torch.tensor([1]), float("nan"))


def test_features_that_are_no_features_are_refused():
    data = pictures(4)
    with pytest.raises(ValueError, match="Broken: the features of 1 of 4 .* diverged.*learning rate"):
        features(Broken(), data.inputs)
    with pytest.raises(ValueError, match=r"\(N, D\)"):
        features(lambda x: x, data.inputs)
    with pytest.raises(ValueError, match="empty"):
        features(pixels(), data.inputs[:0])
    with pytest.raises(ValueError, match="method is None"):
        linear_probe(None, train=data, test=data, label="y")
    with pytest.raises(ValueError, match="already"):
        encode(pixels(), encode(pixels(), data))
    with pytest.raises(ValueError, match="features of 1 of 4 inputs"):
        knn(
            None,
            train=Encoded(torch.tensor([[0.0], [1], [2], [math.nan]]), data.labels),
            test=data,
            label="y",
        )
    with pytest.raises(ValueError, match="train has 6 features, test has 5"):
        linear_probe(None, train=blobs(9), test=blobs(9, d=5), label="y")


# ---- which rows get a label


def test_draws_are_stratified():
    y = torch.arange(3000) % 3
    for n in (3, 10, 30, 100, 1000):
        for rows in label_draws(y, n, draws=4):
            counts = y[rows].bincount(minlength=3)
            assert len(rows) == n == len(rows.unique()) and counts.max() - counts.min() <= 1
    skewed = torch.cat([torch.zeros(900), torch.ones(90), torch.full((10,), 2)]).long()
    for n in (3, 20, 50, 200, 999):
        counts = skewed[label_draws(skewed, n, draws=1)[0]].bincount(minlength=3)
        assert counts.min() >= 1 and (counts - n * skewed.bincount() / 1000).abs().max() <= 2
    for rows in label_draws(skewed, 2, draws=10):  # fewer than classes: all different
        assert len(skewed[rows].unique()) == 2


def test_draws_differ_repeat_and_nest():
    y = torch.randint(0, 5, (500,), generator=torch.Generator().manual_seed(0))
    first, again, other = label_draws(y, 20, 3, 0), label_draws(y, 20, 3, 0), label_draws(y, 20, 3, 1)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert len({tuple(sorted(r.tolist())) for r in first + other}) == 6
    for small, large in zip(first, label_draws(y, 60, 3, 0), strict=True):
        assert set(small.tolist()) <= set(large.tolist())
    seen = torch.cat(label_draws(torch.arange(40) % 2, 4, draws=300)).bincount(minlength=40)
    assert seen.min() > 10 and seen.max() < 55  # 30 ± 5.2 of 300 draws each: every row has its turn
    for n in (None, 500):
        (rows,) = label_draws(y, n, draws=5)
        assert rows.tolist() == list(range(500))


def test_impossible_draws_are_refused():
    data = blobs(12)
    with pytest.raises(ValueError, match="n_labels is 13; .* 12 rows"):
        linear_probe(None, train=data, test=data, label="y", n_labels=13)
    with pytest.raises(ValueError, match="n_labels is 0"):
        linear_probe(None, train=data, test=data, label="y", n_labels=0)
    with pytest.raises(ValueError, match="draws"):
        linear_probe(None, train=data, test=data, label="y", n_labels=3, draws=0)
    for function in (linear_probe, knn):
        with pytest.raises(ValueError, match="unknown label 'biom'; the data have 'y'"):
            function(None, train=data, test=data, label="biom")
        with pytest.raises(ValueError, match="whole numbers"):
            function(None, train=Encoded(data.inputs, {"y": torch.rand(12)}), test=data, label="y")
    with pytest.raises(ValueError, match="solver"):
        linear_probe(None, train=data, test=data, label="y", solver="svm")
    with pytest.raises(ValueError, match="l2"):
        linear_probe(None, train=data, test=data, label="y", l2=0.0)


# ---- the probe


def sklearn_model(solver, l2, n, k):
    """The same objective in scikit-learn's words; its two-class form has one weight vector, ours has two."""
    if solver == "ridge":
        return RidgeClassifier(alpha=l2 * n)
    return LogisticRegression(C=1 / (l2 * n * (0.5 if k == 2 else 1)), tol=1e-8, max_iter=10_000)


@pytest.mark.parametrize("solver", ["logistic", "ridge"])
@pytest.mark.parametrize("k, d, n", [(3, 6, 60), (2, 6, 40), (5, 80, 30), (3, 6, None), (4, 8, 2)])
@pytest.mark.parametrize("l2", [1.0, 0.01])
def test_probe_equals_scikit_learn(solver, k, d, n, l2):
    train, test = blobs(300, k, d, 0.6), blobs(400, k, d, 0.6, seed=1)
    found = linear_probe(None, train=train, test=test, label="y", n_labels=n, draws=3, solver=solver, l2=l2)
    scaler = StandardScaler().fit(train.inputs.double())
    y, expected = train.labels["y"], []
    for rows in label_draws(y, n, draws=3):
        model = sklearn_model(solver, l2, len(rows), len(y[rows].unique()))
        model.fit(scaler.transform(train.inputs.double()[rows]), y[rows])
        expected.append(model.score(scaler.transform(test.inputs.double()), test.labels["y"]))
    assert found.accuracies == pytest.approx(expected, abs=1 / 400 + 1e-9)  # one picture on the border
    assert found.accuracy == pytest.approx(np.mean(expected), abs=1 / 400)
    assert len(found.accuracies) == (1 if n is None else 3)


@pytest.mark.parametrize("l2", [1.0, 0.01, 0.001])
def test_logistic_finds_the_optimum(l2):
    x, y = random(60, 20).double().numpy(), (np.arange(60) % 3)
    x[y == 1, :3] += 1
    w = solvers.logistic(x[None], y[None], np.full((1, 60, 1), 1 / 60), 3, np.array([l2]))[0, 0]
    model = LogisticRegression(C=1 / (l2 * 60), tol=1e-10, max_iter=100_000).fit(x, y)
    out = model.decision_function(x)
    np.testing.assert_allclose(w[:-1] - w[:-1].mean(1, keepdims=True), model.coef_.T, atol=1e-2)
    ours = x @ w[:-1] + w[-1]
    np.testing.assert_allclose(
        ours - ours.mean(1, keepdims=True), out - out.mean(1, keepdims=True), atol=2e-2
    )


@pytest.mark.parametrize("solver", ["logistic", "ridge"])
def test_draws_and_folds_do_not_see_each_other(solver):
    """Fitted at once they are what each is alone: rows with share 0 are as if they were not there."""
    x, y = random(2, 40, 6).double().numpy(), np.stack([np.arange(40) % 3] * 2)
    kept, l2 = random(2, 40, 4).numpy() > -1, np.array([0.1, 0.01])
    together = solvers.SOLVERS[solver].fit(x, y, kept / kept.sum(1, keepdims=True), 3, l2)
    for b in range(2):
        for f in range(4):
            rows = kept[b, :, f]
            share = np.full((1, rows.sum(), 1), 1 / rows.sum())
            alone = solvers.SOLVERS[solver].fit(
                x[b : b + 1, rows], y[b : b + 1, rows], share, 3, l2[b : b + 1]
            )
            out = [x[b] @ w[:-1] + w[-1] for w in (together[b, f], alone[0, 0])]
            out = [o - o.mean(1, keepdims=True) for o in out]
            np.testing.assert_allclose(*out, atol=2e-3)


def test_ridge_solves_its_normal_equations():
    x, y, l2 = random(50, 7).double(), torch.arange(50) % 3, 0.3
    even = np.full((1, 50, 1), 1 / 50)
    w = solvers.ridge(x.numpy()[None], y.numpy()[None], even, 3, np.array([l2]))[0, 0]
    w = torch.from_numpy(w).requires_grad_()
    loss = (x @ w[:-1] + w[-1] - F.one_hot(y, 3)).square().sum(1).mean() + l2 * w[:-1].square().sum()
    loss.backward()
    assert w.grad.abs().max() < 1e-12


@pytest.mark.parametrize("solver", ["logistic", "ridge"])
def test_two_gaussians_reach_the_bayes_rate(solver):
    distance, n = 2.0, 20_000  # between the means, in standard deviations
    bayes = 0.5 * (1 + math.erf(distance / 2 / math.sqrt(2)))  # Φ(d/2)

    def world(seed, n):
        y = torch.arange(n) % 2
        x = random(n, 5, seed=seed)
        x[:, 0] += distance * y
        return Encoded(x @ random(5, 5, seed=77), {"y": y})  # any invertible mixing

    found = linear_probe(None, train=world(0, 4000), test=world(1, n), label="y", solver=solver)
    error = math.sqrt(bayes * (1 - bayes) / n)
    assert abs(found.accuracy - bayes) < 4 * error + 0.003  # what 4,000 labels leave unlearned: about D/4n
    few = linear_probe(None, train=world(0, 4000), test=world(1, n), label="y", n_labels=6, solver=solver)
    assert few.accuracy < bayes - 0.01 and few.std > 0.005


def test_labels_that_are_independent_of_the_features_are_guessed():
    train = Encoded(random(600, 20), {"y": torch.arange(600) % 3})
    test = Encoded(random(6000, 20, seed=1), {"y": torch.arange(6000) % 3})
    for n in (3, 30, None):
        found = linear_probe(None, train=train, test=test, label="y", n_labels=n)
        assert abs(found.accuracy - 1 / 3) < 5 * math.sqrt(2 / 9 / 6000)
    near = knn(None, train=train, test=test, label="y")
    assert abs(near.accuracy - 1 / 3) < 5 * math.sqrt(2 / 9 / 6000)


def faint(n, seed):
    """Three classes told apart only by directions in which the features hardly vary."""
    y = torch.arange(n) % 3
    z = random(n, 128, seed=seed)
    z[:, 40] += 2 * (y == 1)
    z[:, 60] += 2 * (y == 2)
    return Encoded(z / torch.arange(1, 129) @ random(128, 128, seed=5), {"y": y})


def test_cross_validation_picks_well_where_no_fixed_penalty_does():
    worlds = {
        "far apart": (blobs(1200, 3, 60, 0.35), blobs(2000, 3, 60, 0.35, seed=1)),
        "faint": (faint(1200, 1), faint(2000, 2)),
    }
    losses = []
    for train, test in worlds.values():
        arguments = {"train": train, "test": test, "label": "y", "n_labels": 100}
        fixed = [linear_probe(None, **arguments, l2=l2).accuracy for l2 in probe.L2_GRID]
        assert linear_probe(None, **arguments).accuracy > max(fixed) - 0.015
        losses.append([max(fixed) - f for f in fixed])
    assert min(map(max, *losses)) > 0.015


def test_cross_validation_sees_the_labelled_train_rows_alone():
    train, test = blobs(400, 3, 60, 0.35), blobs(300, 3, 60, 0.35, seed=1)
    found = linear_probe(None, train=train, test=test, label="y", n_labels=60)
    assert len(set(found.l2)) > 1  # a choice is made
    noise = Encoded(random(300, 60), {"y": test.labels["y"].flip(0)})
    assert linear_probe(None, train=train, test=noise, label="y", n_labels=60).l2 == found.l2
    y = train.labels["y"]
    x = StandardScaler().fit(train.inputs.double()).transform(train.inputs.double())
    for rows, l2 in zip(label_draws(y, 60), found.l2, strict=True):
        assert probe.fit_draws([x[rows]], [y[rows].numpy()], "logistic", None)[0].l2 == l2
    assert linear_probe(None, train=train, test=test, label="y", n_labels=3).l2 == (probe.L2_FEW,) * 5


def test_held_out_folds_are_stratified_and_disjoint():
    y = np.zeros(25, dtype=int)
    y[::5], y[1] = 1, 2  # 19, 5 and 1 rows
    held = probe.held_out(y)  # (n, F)
    counts = [np.bincount(y[~of_fold], minlength=3) for of_fold in held.T]
    assert [c[1:].tolist() for c in counts] == [[4, 1]] * 5  # the only row of class 2 always trains
    assert sorted(c[0] for c in counts) == [15, 15, 15, 15, 16]
    assert held.sum(1).tolist() == [int(i != 1) for i in range(25)]


def test_probe_repeats_and_reports():
    train, test = blobs(200), blobs(100, seed=1)
    probes = [linear_probe(None, train=train, test=test, label="y", n_labels=12, seed=3) for _ in range(2)]
    assert probes[0] == probes[1]
    p = probes[0]
    assert p.std == pytest.approx(np.std(p.accuracies, ddof=1)) and p.majority == pytest.approx(0.34)
    assert json.loads(json.dumps(p.as_dict()))["accuracies"] == list(p.accuracies)
    for told in ("12 labels", "5 draws", "seed 3", "6 features", "logistic", "standardised", "200 train",
                 "100 test", "cross-validation on the labelled train", f"{p.accuracy:.3f} ± {p.std:.3f}"):  # fmt: skip
        assert told in str(p)
    one = linear_probe(None, train=train, test=test, label="y", n_labels=12, draws=1)
    assert math.isnan(one.std) and json.loads(json.dumps(one.as_dict(), allow_nan=False))["std"] is None
    whole = linear_probe(None, train=train, test=test, label="y")
    assert whole.n_labels == 200 and whole.std == 0 and "±" not in str(whole).split("\n")[0]
    assert "l2 fixed" in str(linear_probe(None, train=train, test=test, label="y", l2=1.0))


def test_the_protocol_says_which_part_of_which_set_was_used():
    train, test = pictures(60), pictures(30, seed=1)
    train.source, test.source = "CIFAR-10, 60 of 50,000 train pictures", "CIFAR-10, all 10,000 test pictures"
    told = "rows of CIFAR-10, 60 of 50,000 train pictures and of CIFAR-10, all 10,000 test pictures"
    found = linear_probe(pixels(2), train=train, test=test, label="y", n_labels=9)
    assert told in str(found) and found.as_dict()["sources"] == [train.source, test.source]
    table = label_efficiency({"a": pixels(2)}, train=train, test=test, label="y", n_labels=(3,))
    assert told in str(table) and table.rows()[0]["sources"] == [train.source, test.source]
    assert "rows of" not in str(linear_probe(pixels(2), train=pictures(60), test=pictures(30), label="y"))


def test_a_constant_column_and_a_constant_network():
    train, test = blobs(60), blobs(60, seed=1)
    plain = linear_probe(None, train=train, test=test, label="y", n_labels=30)

    def wider(data, seed):  # a column that is constant up to float32 rounding carries nothing
        noise = 3 + 1e-7 * random(len(data), 1, seed=seed)
        return Encoded(torch.cat([data.inputs, noise], 1), data.labels)

    found = linear_probe(None, train=wider(train, 5), test=wider(test, 6), label="y", n_labels=30)
    assert found.accuracies == plain.accuracies
    flat = Encoded(torch.full((60, 4), 7.0), train.labels)
    for solver in ("logistic", "ridge"):
        got = linear_probe(None, train=flat, test=flat, label="y", n_labels=30, solver=solver)
        assert got.accuracy == pytest.approx(1 / 3)
    assert 0 <= knn(None, train=flat, test=flat, label="y").accuracy <= 1
    assert feature_std(flat.inputs) == pytest.approx(0, abs=1e-12)


def test_missing_classes():
    train, test = blobs(60, spread=5), blobs(60, spread=5, seed=1)
    one = linear_probe(None, train=train, test=test, label="y", n_labels=1)
    assert one.accuracies == pytest.approx([1 / 3] * 5)  # the class that shows, whatever the picture
    two = linear_probe(None, train=train, test=test, label="y", n_labels=2)
    assert all(0.4 < a <= 2 / 3 + 1e-9 for a in two.accuracies)
    fewer = Encoded(
        train.inputs, {"y": train.labels["y"].clamp(max=1) * 4}
    )  # classes 0 and 4, test has 0, 1, 2
    assert linear_probe(None, train=fewer, test=test, label="y").accuracy <= 1 / 3 + 1e-9


def test_probe_and_knn_of_a_method_with_labels_elsewhere(device):
    torch.manual_seed(0)
    net, train, test = Net(), pictures(60), pictures(30, seed=1)
    here = linear_probe(net, train=train, test=test, label="y", n_labels=30, draws=2)
    near = knn(net, train=train, test=test, label="y", k=5)
    there = linear_probe(net.to(device), train=train.to(device), test=test, label="y", n_labels=30, draws=2)
    assert (
        there.accuracies == pytest.approx(here.accuracies, abs=0.07) and here.name == "Net" and here.dim == 8
    )
    assert knn(net, train=train, test=test.to(device), label="y", k=5).accuracy == pytest.approx(
        near.accuracy, abs=0.07
    )
    encoded = linear_probe(
        None, train=encode(net, train), test=encode(net, test), label="y", n_labels=30, draws=2
    )
    assert encoded == there


# ---- kNN and zero-shot


@pytest.mark.parametrize("k", [1, 5, 20])
@pytest.mark.parametrize("temperature", [0.1, 0.005, 10])
def test_knn_against_a_loop(k, temperature):
    train, test = (
        Encoded(random(80, 4), {"y": torch.arange(80) % 3}),
        Encoded(random(600, 4, seed=1), {"y": torch.arange(600) % 3}),
    )
    right, bank = 0, train.inputs.double().numpy()
    for x, truth in zip(test.inputs.double().numpy(), test.labels["y"].tolist(), strict=True):
        cosines = [float(x @ b / (x @ x * (b @ b)) ** 0.5) for b in bank]
        votes = [0.0] * 3
        for i in sorted(range(80), key=cosines.__getitem__)[::-1][:k]:
            votes[int(train.labels["y"][i])] += math.exp(cosines[i] / temperature)
        right += votes.index(max(votes)) == truth
    found = knn(None, train=train, test=test, label="y", k=k, temperature=temperature)
    assert found.accuracy == right / 600


def test_knn_weighs_and_clamps():
    train = Encoded(torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.6, 0.8]]), {"y": torch.tensor([0, 1, 1])})
    test = Encoded(torch.tensor([[2.0, 0.0]]), {"y": torch.tensor([0])})
    assert knn(None, train=train, test=test, label="y", k=3).accuracy == 1  # e^10 against 2 e^6
    assert knn(None, train=train, test=test, label="y", k=3, temperature=10).accuracy == 0  # two against one
    clamped = knn(None, train=train, test=test, label="y")
    assert clamped.k == 3 and "k = 3 of 3" in str(clamped) and json.dumps(asdict(clamped))
    for wrong in ({"k": 0}, {"temperature": 0.0}):
        with pytest.raises(ValueError, match="k must be at least 1 and temperature positive"):
            knn(None, train=train, test=test, label="y", **wrong)


def test_zero_shot_against_a_loop(device):
    images, classes, labels = (
        random(200, 6),
        random(4, 6, seed=1) * torch.tensor([[1.0], [50], [0.01], [3]]),
        torch.arange(200) % 4,
    )
    right = 0
    for image, label in zip(images, labels, strict=True):
        cosines = [float(F.cosine_similarity(image, c, dim=0)) for c in classes]
        right += cosines.index(max(cosines)) == int(label)
    assert zero_shot(images.to(device), classes, labels.to(device)) == right / 200
    assert zero_shot(classes, classes, torch.arange(4)) == 1
    with pytest.raises(ValueError, match="shapes do not fit"):
        zero_shot(images, classes[:, :5], labels)


# ---- gauges


@pytest.mark.parametrize("d", [2, 16, 128])
def test_feature_std(d, device):
    assert feature_std(random(20_000, d).to(device)) == pytest.approx(d**-0.5, rel=0.02)
    assert feature_std(random(20_000, d) * 1e3) == pytest.approx(feature_std(random(20_000, d)), rel=1e-4)
    collapsed = random(1, d) * (1 + torch.rand(50, 1, generator=torch.Generator().manual_seed(0)))
    assert feature_std(collapsed) == pytest.approx(0, abs=1e-6)  # one direction, whatever the lengths
    z = random(30, d).double()
    z = z / z.norm(dim=1, keepdim=True)
    assert feature_std(z) == pytest.approx(np.mean([np.std(z[:, j].numpy(), ddof=1) for j in range(d)]))


def orthogonal(n, d, seed=0):
    return torch.linalg.qr(random(n, d, seed=seed).double()).Q


@pytest.mark.parametrize("r", [1, 3, 8])
def test_effective_rank_and_spectrum_of_known_spectra(r):
    flat = orthogonal(50, r) @ orthogonal(8, r, seed=1).T * 3
    assert effective_rank(flat) == pytest.approx(r, rel=1e-9)
    s = torch.tensor([4.0, 2.0, 1.0, 1.0], dtype=torch.float64)
    z = orthogonal(50, 4) * s @ orthogonal(8, 4, seed=1).T
    entropy = -sum(p * math.log(p) for p in (0.5, 0.25, 0.125, 0.125))
    assert effective_rank(z) == pytest.approx(math.exp(entropy), rel=1e-9)
    assert effective_rank(torch.zeros(5, 3)) == 0
    u = orthogonal(50, 5)[:, :4]
    u = torch.linalg.qr(u - u.mean(0)).Q  # centred columns
    values = spectrum(u * s @ orthogonal(8, 4, seed=1).T + 3)
    expected = torch.cat([s.square() / 49, torch.zeros(4)])
    torch.testing.assert_close(values, expected, atol=1e-12, rtol=1e-9)


def test_alignment_and_uniformity_against_loops():
    z1, z2 = random(12, 5).double(), random(12, 5, seed=1).double()
    u1, u2 = z1 / z1.norm(dim=1, keepdim=True), z2 / z2.norm(dim=1, keepdim=True)
    for alpha in (1, 2):
        by_hand = np.mean([float((a - b).norm()) ** alpha for a, b in zip(u1, u2, strict=True)])
        assert alignment(z1, z2, alpha) == pytest.approx(by_hand)
    for t in (2, 50):
        pairs = [math.exp(-t * float((a - b).square().sum())) for (i, a), (j, b) in itertools.product(enumerate(u1), repeat=2) if i != j]  # fmt: skip
        assert uniformity(z1, t) == pytest.approx(math.log(np.mean(pairs)))
    assert alignment(z1, z1 * 7) == pytest.approx(0, abs=1e-12) and alignment(z1, -z1) == pytest.approx(4)
    assert uniformity(torch.ones(10, 3)) == pytest.approx(0)
    assert uniformity(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])) == pytest.approx(-8)
    even = random(3000, 64)
    assert uniformity(even) == pytest.approx(-4 + 8 / 64, abs=0.02)  # E exp(4 cos − 4), Var cos = 1/D


def test_gauges_refuse_what_they_cannot_read():
    with pytest.raises(ValueError, match="N at least 2"):
        feature_std(torch.ones(1, 3))
    with pytest.raises(ValueError, match=r"\(N, D\)"):
        effective_rank(torch.ones(3))
    with pytest.raises(ValueError, match="NaN"):
        uniformity(torch.tensor([[0.0, math.nan], [1.0, 1.0]]))
    with pytest.raises(ValueError, match="one shape"):
        alignment(torch.ones(3, 2), torch.ones(2, 2))
    assert feature_std(random(100, 4).to(torch.bfloat16)) == pytest.approx(
        feature_std(random(100, 4)), rel=0.02
    )


# ---- tables


def test_label_efficiency_draws_the_same_labels_for_every_method():
    train, test = pictures(60), pictures(30, seed=1)
    methods = {"a": pixels(2), "b": pixels(2), "other": pixels(4)}
    found = label_efficiency(methods, train=train, test=test, label="y", n_labels=(3, 9, None), draws=4)
    for a, b, other, n in zip(*found.probes.values(), (3, 9, 60), strict=True):
        assert a.accuracies == b.accuracies and a.n_labels == other.n_labels == n
    alone = linear_probe(pixels(4), train=train, test=test, label="y", n_labels=9, draws=4)
    assert found.probes["other"][1] == alone
    rows = json.loads(json.dumps(found.rows(), allow_nan=False))
    assert [(r["method"], r["n_labels"]) for r in rows] == list(itertools.product(methods, (3, 9, 60)))
    assert rows[7]["accuracy"] == alone.accuracy and rows[7]["std"] == alone.std
    lines = str(found).split("\n")
    assert len({len(line) for line in lines[:4]}) == 1 and lines[0].split() == ["labels", "3", "9", "60"]
    assert f"{alone.accuracy:.3f} ± {alone.std:.3f}" in lines[3] and "the same for every method" in str(found)


def test_a_table_that_must_fail_fails_before_anything_is_encoded():
    def never(x):
        raise AssertionError("encoded")

    data = pictures(20)
    with pytest.raises(ValueError, match="n_labels is 30;"):
        label_efficiency({"a": never}, train=data, test=data, label="y")
    with pytest.raises(ValueError, match="n_labels is 30;"):
        evaluate(never, data, data, label="y")
    with pytest.raises(ValueError, match="unknown label"):
        label_efficiency({"a": never}, train=data, test=data, label="x", n_labels=(3,))
    with pytest.raises(ValueError, match="must not be empty"):
        label_efficiency({}, train=data, test=data, label="y")
    with pytest.raises(ValueError, match="there already: 'never'"):
        evaluate(never, data, data, label="y", n_labels=(3,), beside={"never": pixels()})


def test_evaluate_has_every_row_and_its_protocol(device):
    torch.manual_seed(0)
    net, untrained, train, test = Net().to(device), Net(), pictures(60), pictures(30, seed=1)
    beside = {"random network": untrained}
    found = evaluate(net, train, test, label="y", n_labels=(3, None), draws=3, k=5, beside=beside)
    names = ["Net", "pixels 16×16", "random network"]
    kept = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert list(kept["knn"]) == list(kept["gauges"]) == names
    assert [r["method"] for r in kept["probe"]] == [n for n in names for _ in range(2)]
    x = encode(net, test).inputs
    assert kept["gauges"]["Net"]["feature_std"] == feature_std(x)
    assert kept["gauges"]["Net"]["effective_rank"] == effective_rank(x)
    assert kept["knn"]["Net"]["accuracy"] == pytest.approx(
        knn(net, train=train, test=test, label="y", k=5).accuracy, abs=0.07
    )
    p = linear_probe(pixels(), train=train, test=test, label="y", n_labels=3, draws=3)
    assert kept["probe"][2]["accuracies"] == list(p.accuracies)
    for told in (
        *names,
        "kNN",
        "k = 5",
        "feature std",
        "1/√D",
        "30 test rows",
        "majority class 0.333",
        p.cell,
    ):
        assert told in str(found)


def test_evaluate_without_pictures_has_no_pixel_row():
    rows = Encoded(random(20, 4), {"y": torch.arange(20) % 2})
    found = evaluate(None, rows, rows, label="y", n_labels=(4,))
    assert list(found.neighbours) == ["features"]


def test_the_pipeline_of_scikit_learn_on_all_rows():
    train, test = blobs(300, spread=0.5), blobs(1000, spread=0.5, seed=1)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1 / (0.1 * 300), tol=1e-8))
    model.fit(train.inputs.double(), train.labels["y"])
    found = linear_probe(None, train=train, test=test, label="y", l2=0.1)
    assert found.accuracy == pytest.approx(model.score(test.inputs.double(), test.labels["y"]), abs=1e-3)
