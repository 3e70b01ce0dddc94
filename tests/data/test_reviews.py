"""The film-review world against closed forms, plain loops and counts of its own texts."""

import itertools
import math
import re

import pytest
import torch

from ssl_course.data import reviews
from ssl_course.data.reviews import ADJECTIVES, SENTIMENTS, VERBS, World, review, tokenizer

NOTE = "I like this movie. The CG is awesome."
FOX = "A quick brown fox jumps over the lazy dog."


def words(text):
    """The adjective and the verb of a text as indices, read off the string."""
    found = re.findall(r"\w+", text)
    return next(ADJECTIVES.index(w) for w in found if w in ADJECTIVES), next(
        VERBS.index(w) for w in found if w in VERBS
    )


# --- tables ------------------------------------------------------------------------------------------------


def test_the_counts_of_theory():
    counts = 1600 * World(dependence=0.5).joint().sum(2)
    assert counts.dtype == torch.float64
    expected = [[246, 82, 54, 18], [82, 246, 18, 54], [54, 18, 246, 82], [18, 54, 82, 246]]
    torch.testing.assert_close(counts, torch.tensor(expected, dtype=torch.float64))
    assert list(ADJECTIVES) == ["nice", "awesome", "dull", "awful"] and list(SENTIMENTS) == [
        "happy",
        "unhappy",
    ]
    assert list(VERBS) == ["like", "love", "dislike", "hate"]


@pytest.mark.parametrize("dependence, purity", [(0, 0.9), (0.3, 0.9), (1, 0.7), (0.5, 1.0)])
def test_joint_is_the_formula(dependence, purity):
    joint = World(dependence, purity).joint()
    for i, j, y in itertools.product(range(4), range(4), range(2)):
        s1, s2, v1, v2 = 1 - 2 * (i // 2), 1 - 2 * (j // 2), 2 * (i % 2) - 1, 2 * (j % 2) - 1
        sign = 1 if SENTIMENTS[y] == "happy" else -1
        q1, q2 = (purity if s == sign else 1 - purity for s in (s1, s2))
        assert float(joint[i, j, y]) == pytest.approx(0.5 * q1 * q2 * 0.25 * (1 + dependence * v1 * v2))


@pytest.mark.parametrize("dependence", [0, 0.2, 0.5, 0.63, 0.65, 1])
def test_closed_forms(dependence):
    world = World(dependence)
    c = 0.64
    assert float(world.epsilon_ci_squared()) == pytest.approx(dependence**2 * (1 + c**2) / 4, abs=1e-14)
    expected = sorted([c, dependence, c * dependence], reverse=True)
    assert world.maximal_correlations().tolist() == pytest.approx(expected, abs=1e-12)
    cmi = sum((1 + s * dependence) / 2 * math.log1p(s * dependence) for s in (-1, 1) if s * dependence > -1)
    assert float(world.conditional_mutual_information()) == pytest.approx(cmi, abs=1e-12)
    assert world.flip() == pytest.approx(0.64)


@pytest.mark.parametrize(
    "dependence, sentiment_first", [(0.5, True), (0.63, True), (0.65, False), (1.0, False)]
)
def test_the_leading_feature_flips(dependence, sentiment_first):
    world = World(dependence)
    leading = world.shared(1)
    sign, intensity = [1, 1, -1, -1], [1, -1, 1, -1]  # up to its own sign
    expected = sign if sentiment_first else intensity
    assert leading.x1[:, 0].tolist() == pytest.approx(expected)
    assert leading.x2[:, 0].tolist() == pytest.approx(expected)
    narrow, full = world.probe_limit(k=1), world.probe_limit()
    assert full.excess == pytest.approx(0, abs=1e-12) and full.accuracy == pytest.approx(0.9)
    assert narrow.excess == pytest.approx(0 if sentiment_first else 0.32, abs=1e-9)
    assert narrow.accuracy == pytest.approx(0.9 if sentiment_first else 0.5)
    of_intensity = world.probe_limit("intensity", k=1)
    assert of_intensity.accuracy == pytest.approx(0.5 if sentiment_first else 1.0)


def test_shared_functions_are_correlated_as_they_say():
    world = World(0.5)
    table = world.joint().sum(2)
    rho, f, g = world.shared()
    assert rho.tolist() == pytest.approx(world.maximal_correlations().tolist())
    p, q = table.sum(1), table.sum(0)
    eye = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(f.T @ (p[:, None] * f), eye)
    torch.testing.assert_close(g.T @ (q[:, None] * g), eye)
    torch.testing.assert_close(f.T @ table @ g, torch.diag(rho))
    assert (p @ f).abs().max() < 1e-12


def test_labels_of_the_tables():
    world = World(0.4)
    torch.testing.assert_close(world.joint("intensity").sum(2), world.joint().sum(2))
    assert (world.joint("intensity")[::2, :, 1] == 0).all(), "nice and dull are mild"
    assert world.posterior()[:, 0].tolist() == pytest.approx([0.9, 0.9, 0.1, 0.1])
    with pytest.raises(ValueError, match="unknown label 'mood'"):
        world.joint("mood")


@pytest.mark.parametrize(
    "wrong", [{"dependence": -0.1}, {"dependence": 1.1}, {"purity": 0.5}, {"purity": 1.1}]
)
def test_arguments_out_of_range(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        World(**wrong)


# --- texts -------------------------------------------------------------------------------------------------


def test_all_texts_once_and_the_notes_among_them():
    texts = World().texts()
    assert len(set(texts.strings)) == len(texts) == 28_416
    assert NOTE == review() and NOTE in texts.strings
    assert f"{FOX} {NOTE}" in texts.strings and f"{NOTE} {FOX}" in texts.strings
    assert all(
        texts.tokenizer.decode(ids) == s for ids, s in zip(texts.ids[::97], texts.strings[::97], strict=True)
    )
    assert not (texts.ids == 1).any(), "nothing is unknown"
    p = World(1.0).probabilities()
    assert float(p[texts.strings.index(NOTE)]) == 0, "like is mild and awesome is strong"


@pytest.mark.parametrize("sentiment", [None, "happy", "unhappy"])
def test_texts_add_up_to_the_table(sentiment):
    world = World(0.5)
    p = world.probabilities(sentiment)
    assert float(p.sum()) == pytest.approx(1)
    total = torch.zeros(4, 4, dtype=torch.float64)
    for text, q in zip(world.texts().strings, p, strict=True):
        total[words(text)] += q
    joint = world.joint()
    expected = joint.sum(2) if sentiment is None else 2 * joint[:, :, SENTIMENTS.index(sentiment)]
    torch.testing.assert_close(total, expected)


def brute(world, text, sentiment=None):
    """Every way in which a text of the world fits the beginning, summed by string matching: {words: probability}."""
    pattern = re.compile(re.escape(text).replace(r"\[MASK\]", r"(\w+)"))
    out = {}
    for string, p in zip(world.texts().strings, world.probabilities(sentiment).tolist(), strict=True):
        if (found := pattern.match(string)) and p:
            out[found.groups()] = out.get(found.groups(), 0) + p
    total = sum(out.values())
    return {k: v / total for k, v in out.items()}


@pytest.mark.parametrize("sentiment", [None, "unhappy"])
@pytest.mark.parametrize(
    "text",
    [
        "I [MASK] this movie. The CG is awesome.",
        "The plot is [MASK]. We [MASK] this film.",
        f"[MASK]{FOX[1:]}",
    ],
)
def test_fill_against_string_matching(text, sentiment):
    world = World(0.5)
    found = world.fill(text, sentiment)
    assert found.shape == (text.count("[MASK]"), len(tokenizer()))
    for hole, row in enumerate(found):
        expected = {}
        for group, p in brute(world, text, sentiment).items():
            expected[group[hole]] = expected.get(group[hole], 0) + p
        got = {tokenizer().token(i): p for i, p in enumerate(row.tolist()) if p > 0}
        assert {k.lower(): v for k, v in got.items()} == pytest.approx(
            {k.lower(): v for k, v in expected.items()}
        )


def test_fill_of_the_notes_sentence():
    world = World(0.5)
    ids = [tokenizer().ids(v)[0] for v in VERBS]
    p = world.fill("I [MASK] this movie. The CG is awesome.")[0, ids]
    torch.testing.assert_close(p, world.psi_star()[1])
    given = World(0.0).fill("I [MASK] this movie. The CG is awful.", "happy")[0, ids]
    torch.testing.assert_close(given, World(0.0).class_means()[0])  # the rest of the text does not matter
    fox = World().fill("a quick [MASK] fox jumps over the [MASK] dog")
    assert float(fox[0, tokenizer().ids("brown")[0]]) == pytest.approx(0.6)
    assert float(fox[1, tokenizer().ids("lazy")[0]]) == pytest.approx(0.6)


@pytest.mark.parametrize("text", ["", "I", "I like this movie. The CG is", f"{NOTE}", f"{NOTE} A"])
def test_next_word_against_string_matching(text):
    world = World(0.5)
    expected = {}
    for string, p in zip(world.texts().strings, world.probabilities().tolist(), strict=True):
        rest = string.removeprefix(text)
        if string.startswith(text) and not (text[-1:].isalnum() and rest[:1].isalnum()):  # not inside a word
            word = (re.findall(r"\w+|\.", rest) or ["[sep]"])[0].lower()
            expected[word] = expected.get(word, 0) + p
    total = sum(expected.values())
    found = enumerate(world.next_word(text).tolist())
    got = {tokenizer().token(i).lower(): p for i, p in found if p > 0}
    assert got == pytest.approx({k.lower(): v / total for k, v in expected.items()})


def test_probability_of_a_text_is_the_product_of_next_words():
    world = World(0.3)
    texts, p = world.texts(), world.probabilities()
    for row in (0, 1234, 28_415):
        ids = [i for i in texts.ids[row].tolist() if i]
        product = 1.0
        for t in range(1, len(ids)):
            product *= float(world.next_word(tokenizer().decode(ids[1:t]))[ids[t]])
        assert product == pytest.approx(float(p[row]), rel=1e-9)
    surprise = -sum(float(q) * math.log(float(q)) for q in p if q > 0)
    tokens = sum(
        float(q) * (len(re.findall(r"\w+|\.", s)) + 1) for s, q in zip(texts.strings, p, strict=True)
    )
    assert world.perplexity() == pytest.approx(math.exp(surprise / tokens))
    assert world.entropy() == pytest.approx(surprise)


@pytest.mark.parametrize(
    "text", ["I [MASK] the movie.", "🙂 [MASK]", "[MASK] " * 10_000, "[MASK] this. [MASK]"]
)
def test_no_such_text(text):
    with pytest.raises(ValueError, match="no text of this world begins"):
        World().fill(text)
    with pytest.raises(ValueError, match=r"no \[MASK\]"):
        World().fill("")
    with pytest.raises(ValueError, match="no text of this world begins by somebody happy"):
        World(0.0, purity=1.0).next_word("I hate", "happy")
    with pytest.raises(ValueError, match="sentiment must be"):
        World().next_word("I", "sad")


# --- sample ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dependence", [0.0, 0.5, 1.0])
def test_sample_has_the_frequencies_of_the_table(dependence):
    world, n = World(dependence), 40_000
    data = world.sample(n, seed=1)
    cells = (data.labels["adjective"] * 4 + data.labels["verb"]) * 2 + data.labels["sentiment"]
    expected = world.joint().reshape(-1)
    found = cells.bincount(minlength=32) / n
    assert ((found - expected).abs() <= 4.5 * (expected * (1 - expected) / n).sqrt()).all()
    fox = sum("fox" in s for s in data.strings) / n
    assert fox == pytest.approx(0.2, abs=0.01)
    first = sum(s.startswith("A ") for s in data.strings) / n
    assert first == pytest.approx(0.1, abs=0.007)


def test_labels_are_what_the_strings_say():
    data = World(0.5).sample(300, seed=3)
    for i, string in enumerate(data.strings):
        label = {k: int(v[i]) for k, v in data.labels.items()}
        assert words(string) == (label["adjective"], label["verb"])
        assert label["intensity"] == label["adjective"] % 2
        own = {k: data.names[k][label[k]] for k in ("subject", "thing", "part")}
        assert all(re.search(rf"\b{w}\b", string) for w in own.values())
        verb_first = string.index(VERBS[label["verb"]]) < string.index(ADJECTIVES[label["adjective"]])
        assert data.names["order"][label["order"]] == ("verb first" if verb_first else "adjective first")
    assert torch.equal(data.ids, tokenizer().rows(data.strings, 99)[0])
    assert data.names["sentiment"] == ["happy", "unhappy"]


def test_sample_is_a_function_of_its_seed_and_dependence_moves_only_the_verb():
    one, again, other = World(0.2).sample(500, 7), World(0.2).sample(500, 7), World(0.2).sample(500, 8)
    assert one.strings == again.strings and one.strings != other.strings
    far = World(0.9).sample(500, 7)
    for name, values in far.labels.items():
        if name != "verb":
            assert torch.equal(values, one.labels[name]), name
    assert (far.labels["verb"] != one.labels["verb"]).any()
    assert torch.equal(far.labels["verb"] // 2, one.labels["verb"] // 2)


def test_single_sentences():
    whole, cut = World().sample(2000, 5), World().sample(2000, 5, single=0.3)
    changed = [(a, b) for a, b in zip(whole.strings, cut.strings, strict=True) if a != b]
    assert 0.27 < len(changed) / 2000 < 0.33
    assert all(b in a and b.count(".") == 1 and b[0].isupper() for a, b in changed)
    assert {reviews.tokenizer().decode(i) for i in cut.ids[:50]} == set(cut.strings[:50])
    assert all(torch.equal(v, cut.labels[k]) for k, v in whole.labels.items())
    assert all(s.count(".") == 1 for s in World().sample(50, 5, single=1.0).strings)


def test_bad_samples():
    with pytest.raises(ValueError, match="n must be"):
        World().sample(0)
    with pytest.raises(ValueError, match="single is a share"):
        World().sample(3, single=2)
