"""The checks of lecture 04: right answers pass, usual wrong ones are named; the truth here is a plain loop."""

import numpy as np
import pytest

from ssl_course.course.exercises import lecture_04 as check


def mask_of(noise, ratio, count=None, largest=False, one=0):
    """One row after the other: sort, cut, set."""
    out = np.full(noise.shape, float(1 - one))
    for i, row in enumerate(noise):
        keep = (
            min(max(round(len(row) * (1 - ratio)), 1), len(row) - 1)
            if count is None
            else count(len(row), ratio)
        )
        for place in sorted(range(len(row)), key=lambda j: -row[j] if largest else row[j])[:keep]:
            out[i, place] = one
    return out


def forgot_to_restore(noise, ratio):
    return np.array([sorted(row) for row in mask_of(noise, ratio)])


def one_argsort(noise, ratio):
    keep = int((mask_of(noise, ratio)[0] == 0).sum())
    return np.array([[float(j >= keep) for j in np.argsort(row)] for row in noise])


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (mask_of, None),
        (lambda n, r: mask_of(n, r, one=1), "Polarity"),
        (lambda n, r: mask_of(n, r, lambda length, ratio: int(length * (1 - ratio))), "Use round"),
        (lambda n, r: mask_of(n, r, lambda length, ratio: round(length * (1 - ratio))), "near 0 and 1"),
        (lambda n, r: mask_of(n, r, largest=True), "largest"),
        (lambda n, r: np.stack([mask_of(n, r)[0]] * len(n)), "mask of the first"),
        (forgot_to_restore, "ids_restore"),
        (one_argsort, "argsort of the argsort"),
        (lambda n, r: (n < r) * 1.0, "toss a coin"),
        (lambda n, r: n * 0, "is right"),
        (lambda n, r: n[:, :2], "is wanted"),
    ],
)
def test_random_masking(answer, says):
    card = check.random_masking(answer)
    assert card.passed if says is None else (card.state == "wrong" and says in card.text), card.text


def tokens(x, p, c, ids):
    return [list(c), *([a + b for a, b in zip(x[i], p[i], strict=True)] for i in ids)]


def with_mask_tokens(x, p, c, ids):
    return [list(c), *((x[i] if i in ids else 0 * x[i]) + p[i] for i in range(len(x)))]


def zeroed(x, p, c, ids):
    return [list(c), *((x[i] + p[i]) * (i in ids) for i in range(len(x)))]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (tokens, None),
        (lambda x, p, c, i: [c, *(x[a] + p[k] for k, a in enumerate(i))], "after masking"),
        (lambda x, p, c, i: [c, *(x[a] for a in i)], "positions are missing"),
        (lambda x, p, c, i: tokens(x, p, c, i)[1:], "class token is missing"),
        (lambda x, p, c, i: [*tokens(x, p, c, i)[1:], c], "behind"),
        (with_mask_tokens, "mask tokens (zeros) to the encoder"),
        (zeroed, "still there"),
        (lambda x, p, c, i: [c + p[0], *tokens(x, p, c, i)[1:]], "it has no place"),
        (lambda x, p, c, i: [c, *(x + p)], "Nothing is removed"),
        (lambda x, p, c, i: [c, *((x + p)[k] for k in range(len(x)) if k not in i)], "were to be removed"),
        (lambda x, p, c, i: x[:1], "is wanted"),
        (lambda x, p, c, i: x["cls"], "IndexError"),
    ],
)
def test_encoder_input(answer, says):
    card = check.encoder_input(lambda *a: np.array(answer(*a)))
    assert card.passed if says is None else (card.state == "wrong" and says in card.text), card.text


def loss(target, prediction, mask, ddof=1, count=lambda m: m == 1, divide=None):
    errors = []
    for n in range(len(target)):
        for patch in range(target.shape[1]):
            if count(mask[n, patch]):
                t = target[n, patch]
                variance = ((t - t.mean()) ** 2).sum() / (len(t) - ddof)
                errors.append(
                    (((t - t.mean()) / (variance + 1e-6) ** 0.5 - prediction[n, patch]) ** 2).mean()
                )
    return sum(errors) / (len(errors) if divide is None else divide(mask))


def raw(t, p, m):
    e = ((t - p) ** 2).mean(-1)
    return (e * m).sum() / m.sum()


def by_variance(t, p, m):
    v = t.var(-1, ddof=1, keepdims=True)
    e = (((t - t.mean(-1, keepdims=True)) / (v + 1e-6) - p) ** 2).mean(-1)
    return (e * m).sum() / m.sum()


def over_patches(t, p, m):
    e = (((t - t.mean(1, keepdims=True)) / np.sqrt(t.var(1, ddof=1, keepdims=True) + 1e-6) - p) ** 2).mean(-1)
    return (e * m).sum() / m.sum()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (loss, None),
        (lambda t, p, m: loss(t, p, m, count=lambda m: True), "on all patches"),
        (lambda t, p, m: loss(t, p, m, count=lambda m: m == 0), "Polarity"),
        (lambda t, p, m: loss(t, p, m, ddof=0), "biased"),
        (lambda t, p, m: loss(t, p, m, ddof=0, count=lambda m: True), "Two things"),
        (lambda t, p, m: loss(t, p, m, divide=np.size), "number of all patches"),
        (lambda t, p, m: 5 * loss(t, p, m), "summed"),
        (
            lambda t, p, m: np.mean([loss(t[i : i + 1], p[i : i + 1], m[i : i + 1]) for i in range(3)]),
            "each picture first",
        ),
        (raw, "not normalised"),
        (by_variance, "its root"),
        (over_patches, "axis −1"),
        (lambda t, p, m: 0.0, "is right"),
        (lambda t, p, m: t, "is wanted"),
    ],
)
def test_masked_loss(answer, says):
    card = check.masked_loss(answer)
    assert card.passed if says is None else (card.state == "wrong" and says in card.text), card.text


@pytest.mark.parametrize("function", [check.random_masking, check.encoder_input, check.masked_loss])
@pytest.mark.parametrize("stub", [None, ..., lambda *a: ..., lambda *a: None])
def test_stubs(function, stub):
    assert function(stub).state == "unsolved"
