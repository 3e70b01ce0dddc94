"""The checks of lecture 04: right answers pass, usual wrong ones are named; the truth here is a search, or determinants."""

import numpy as np
import pytest

from ssl_course.course.exercises import lecture_04 as check
from ssl_course.nets import encoder_flops
from ssl_course.theory.masking import ar1_covariance, masked_curves


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


def searched(share, length, dim):
    """The largest number of visible patches whose work is small enough, by trying all."""
    whole = encoder_flops(1 + length, dim, 1)
    return max(k for k in range(length + 1) if encoder_flops(1 + k, dim, 1) <= share * whole)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (searched, None),
        (lambda s, n, d: int(s * n), "in proportion"),
        (lambda s, n, d: int(s * (n + 1)) - 1, "attention is missing"),
        (lambda s, n, d: int(s**0.5 * (n + 1)) - 1, "linear layers are missing"),
        (
            lambda s, n, d: max(
                k for k in range(n + 1) if encoder_flops(k, d, 1) <= s * encoder_flops(n, d, 1)
            ),
            "on both sides",
        ),
        (lambda s, n, d: 1 + searched(s, n, d), "number of tokens"),
        (lambda s, n, d: n - searched(s, n, d), "*hidden*"),
        (lambda s, n, d: 0, "is right"),
        (lambda s, n, d: [1, 2], "One number"),
    ],
)
def test_most_visible(answer, says):
    card = check.most_visible(answer)
    assert card.passed if says is None else (card.state == "wrong" and says in card.text), card.text


def by_determinants(hidden, rho):
    s = ar1_covariance(len(hidden), rho)
    return float(masked_curves([1.0], np.zeros((1, len(hidden))), s[None], hidden).dependence)


def each_border(hidden, rho):
    return -0.5 * np.log(1 - rho**2) * sum(a != b for a, b in zip(hidden, hidden[1:], strict=False))


def parts(hidden, rho, square=2):
    """Logarithm of the determinants of seen, hidden and all places."""
    s = np.abs(np.subtract.outer(np.arange(len(hidden)), np.arange(len(hidden))))
    covariance = rho ** (square / 2 * s)
    seen = ~np.asarray(hidden)
    return [np.linalg.slogdet(covariance[np.ix_(w, w)])[1] for w in (seen, ~seen, seen | ~seen)]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (by_determinants, None),
        (lambda h, r: 2 * by_determinants(h, r), "½ in front"),
        (lambda h, r: by_determinants(h, r) / np.log(2), "nats"),
        (lambda h, r: -by_determinants(h, r), "sign"),
        (lambda h, r: sum(parts(h, r)[:2]) / 2, "row itself"),
        (lambda h, r: (parts(h, r, 1)[0] + parts(h, r, 1)[1] - parts(h, r, 1)[2]) / 2, "it is squared"),
        (each_border, "for each border"),
        (lambda h, r: 0.0, "is right"),
        (lambda h, r: h, "One number"),
    ],
)
def test_from_gaps(answer, says):
    card = check.from_gaps(answer)
    assert card.passed if says is None else (card.state == "wrong" and says in card.text), card.text


@pytest.mark.parametrize("function", [check.encoder_input, check.most_visible, check.from_gaps])
@pytest.mark.parametrize("stub", [None, ..., lambda *a: ..., lambda *a: None])
def test_stubs(function, stub):
    assert function(stub).state == "unsolved"
