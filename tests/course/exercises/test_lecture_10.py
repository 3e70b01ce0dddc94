"""What a contrast learns, where the masked loss begins, two other remedies; the truth here is written out in loops, not the library's."""

import math

import numpy as np
import pytest

from ssl_course.course.exercises import lecture_10 as check
from ssl_course.losses import clip_loss


def ask(logits, i, axis=0, over=None):
    """−log softmax at (i, i), along a row or a column."""
    row = logits[i] if axis == 0 else [r[i] for r in logits]
    kept = [v for j, v in enumerate(row) if over is None or over(j)]
    return math.log(sum(math.exp(v) for v in kept)) - logits[i][i]


def probability(joint, i=None, j=None):
    rows, columns = joint.shape
    return sum(joint[a, b] for a in range(rows) for b in range(columns) if i in (None, a) and j in (None, b))


def table(entry):
    """A student's function that fills its table entry by entry: (P(x₁,x₂), P(x₁), P(x₂), Q(x₂)) → a number."""

    def function(joint, noise):
        return [
            [
                entry(joint[i, j], probability(joint, i=i), probability(joint, j=j), noise[j])
                for j in range(joint.shape[1])
            ]
            for i in range(joint.shape[0])
        ]

    return function


def by_descent(joint, noise):
    """What descends the exact loss of one stranger by small steps ends there too."""
    import torch

    p, q = torch.tensor(joint), torch.tensor(noise)
    score = torch.zeros_like(p, requires_grad=True)
    descent = torch.optim.LBFGS(
        [score], max_iter=500, tolerance_grad=1e-12, tolerance_change=1e-16, line_search_fn="strong_wolfe"
    )

    def step():
        descent.zero_grad()
        gap = score[:, None, :] - score[:, :, None]
        loss = (p[:, :, None] * q * torch.nn.functional.softplus(gap)).sum()
        loss.backward()
        return loss

    descent.step(step)
    return score.detach().numpy()


@pytest.mark.parametrize("seed", range(4))
def test_right(seed):
    assert check.optimal_scores(table(lambda p, a, b, q: math.log(p / a / q)), seed).passed
    assert check.optimal_scores(table(lambda p, a, b, q: math.log(p / q) + 3), seed).passed
    assert check.optimal_scores(by_descent, seed).passed
    assert check.silence(silent, seed).passed
    assert check.two_floors(by_heart, seed).passed


def test_the_scores_are_where_a_descent_ends():
    rng = np.random.default_rng(5)
    joint = rng.gamma(1.0, size=(3, 4)) + 0.05
    joint /= joint.sum()
    for noise in (joint.sum(0), np.full(4, 0.25)):  # P(x₂), where it is the PMI, and another
        gap = by_descent(joint, noise) - np.log(joint / noise)
        assert np.abs(gap - gap.mean(1, keepdims=True)).max() < 1e-5


def test_the_masked_loss_of_this_file_is_the_librarys():
    import torch

    rng = np.random.default_rng(2)
    logits, captions = rng.normal(0, 3, (7, 7)), torch.tensor([0, 0, 1, 2, 1, 0, 3])
    theirs = clip_loss(torch.tensor(logits), torch.eye(7).double(), 1.0, captions[:, None] == captions)
    assert masked(logits, captions.tolist()) == pytest.approx(float(theirs))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (lambda p, a, b, q: math.log(p / a / b), "That is the PMI"),
        (lambda p, a, b, q: math.log(p / a), "nothing of the strangers"),
        (lambda p, a, b, q: math.log(p), "nothing of the strangers"),
        (lambda p, a, b, q: p / (a * q), "return the logarithm"),
        (lambda p, a, b, q: p, "return the logarithm"),
        (lambda p, a, b, q: p / a, "return the logarithm"),
        (lambda p, a, b, q: -math.log(p / (a * q)), "*higher* score"),
        (lambda p, a, b, q: math.log(p / a * q), "not more"),
        (lambda p, a, b, q: p * math.log(p / (a * q)), "The score is the logarithm alone"),
        (lambda p, a, b, q: math.log(p / a / b / q), "One distribution draws"),
        (lambda p, a, b, q: p**3, "line 1 of the proof"),
    ],
)
def test_wrong_scores_are_recognised(entry, says, seed):
    card = check.optimal_scores(table(entry), seed)
    assert card.state == "wrong" and says in card.text


def silent(captions):
    return masked(np.zeros((len(captions),) * 2), captions)


def left(c, i):
    """Entries that a row keeps: the pair itself, and all with another caption."""
    return 1 + sum(other != c[i] for other in c)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda c: math.log(len(c)), "without the mask"),
        (lambda c: sum(math.log(max(left(c, i) - 1, 1)) for i in range(len(c))) / len(c), "The pair itself"),
        (lambda c: sum(math.log(len(c) / list(c).count(x)) for x in c) / len(c), "less the floor"),
        (lambda c: math.log(len(set(c))), "not the number of different captions"),
        (lambda c: math.log(sum(left(c, i) for i in range(len(c))) / len(c)), "mean of the logs"),
        (
            lambda c: sum(math.log(left(c, list(c).index(x))) for x in set(c)) / len(set(c)),
            "averages over rows",
        ),
        (lambda c: 0, "knows everything"),
        (lambda c: 2 * silent(c), "Rows *and* columns"),
        (lambda c: silent(c) / 2, "Rows *and* columns"),
        (lambda c: 7.0, "How many entries"),
    ],
)
def test_wrong_silences_are_recognised(wrong, says, seed):
    card = check.silence(wrong, seed)
    assert card.state == "wrong" and says in card.text


def masked(logits, captions, axes=(0, 1)):
    n = len(logits)
    a, c = logits.tolist(), list(captions)
    return sum(ask(a, i, x, lambda j, i=i: j == i or c[j] != c[i]) for i in range(n) for x in axes) / (
        n * len(axes)
    )


def shared(logits, captions):
    """The loss whose target is 1/q for each of the q equal captions."""
    a, c, total = logits.tolist(), list(captions), 0.0
    n = len(c)
    for i in range(n):
        twins = [j for j in range(n) if c[j] == c[i]]
        for axis in (0, 1):
            norm = ask(a, i, axis) + a[i][i]
            total += sum(norm - (a[i][j] if axis == 0 else a[j][i]) for j in twins) / len(twins)
    return total / (2 * n)


def half_masked(logits, captions):
    """Rows masked, columns as CLIP has them."""
    n = len(logits)
    return (masked(logits, captions, (0,)) + sum(ask(logits.tolist(), i, 1) for i in range(n)) / n) / 2


def by_heart(captions):
    """Both losses of a network that knows each caption of this batch."""
    scores = 60.0 * (captions[:, None] == captions)
    return half_masked(scores, captions), shared(scores, captions)


def test_no_scores_go_below_the_two_floors():
    # a network gives equal captions one feature, so equal columns: of all such scores none is below the two floors
    rng = np.random.default_rng(3)
    captions = np.array([0, 0, 1, 0, 2, 1, 3])
    floors = by_heart(captions)
    for size in np.repeat([0.1, 1, 3, 10], 25):
        noise = rng.normal(0, size, (7, 4))[:, captions]
        for scores in (noise, noise + 5 * size * (captions[:, None] == captions)):
            reached = half_masked(scores, captions), shared(scores, captions)
            assert all(r > f - 1e-9 for r, f in zip(reached, floors, strict=True))


def log_counts(captions):
    return [math.log(list(captions).count(x)) for x in captions]


def mean(values):
    return sum(values) / len(values)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda c: (0, mean(log_counts(c))), "Nothing is masked in the columns"),
        (lambda c: (0, 0), "Nothing is masked in the columns"),
        (lambda c: (mean(log_counts(c)),) * 2, "can reach 0"),
        (lambda c: (mean(log_counts(c)) / 2, 0), "entropy of its target"),
        (lambda c: (mean(log_counts(c)), 0), "entropy of its target"),
        (lambda c: (mean(log_counts(c)) / 2,) * 2, "Rows *and* columns"),
        (lambda c: by_heart(c)[::-1], "changed places"),
        (
            lambda c: [math.log(mean([list(c).count(x) for x in c])) * s for s in (0.5, 1)],
            "mean of the logs",
        ),
        (
            lambda c: [mean([math.log(list(c).count(x)) for x in set(c)]) * s for s in (0.5, 1)],
            "averages over rows",
        ),
        (lambda c: (1, 2), "What do rows pay"),
    ],
)
def test_wrong_floors_are_recognised(wrong, says, seed):
    card = check.two_floors(wrong, seed)
    assert card.state == "wrong" and says in card.text


@pytest.mark.parametrize("name", ["optimal_scores", "silence", "two_floors"])
def test_stubs_and_stumbles(name):
    ask_it = getattr(check, name)
    assert ask_it(lambda *_: ...).state == "unsolved" and ask_it(...).state == "unsolved"
    assert "stopped" in ask_it(lambda *_: 1 / 0).text
    if name != "optimal_scores":
        assert ("One number" if name == "silence" else "The shape is") in ask_it(lambda *a: a[0]).text
