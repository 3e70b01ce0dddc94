"""BERT and GPT: who sees whom, what counts in the loss, and what they learn of a world that is known exactly."""

import copy
import functools
import math
import os
import warnings

import pytest
import torch
import torch.nn.functional as F

from ssl_course.data import reviews
from ssl_course.data.texts import Texts, Tokenizer
from ssl_course.methods import BERT, GPT
from ssl_course.methods.gpt import sharpen
from ssl_course.pretext.words import CLS, IGNORE, MASK, PAD, SEP, SPECIAL, mask_words

BOTH = pytest.mark.parametrize("kind", [BERT, GPT])
NOTE = "I like this movie. The CG is awesome."


@pytest.fixture
def data():
    return reviews.World(0.5).sample(64, seed=1)


def make(kind, seed=0, **arguments):
    torch.manual_seed(seed)
    return kind(**arguments)


def some_ids(n=3, length=9, vocab_size=30):
    ids = torch.randint(len(SPECIAL), vocab_size, (n, length), generator=torch.Generator().manual_seed(5))
    ids[:, 0] = CLS
    return ids


# --- who sees whom -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("depth", [1, 3])
def test_gpt_never_sees_the_future(depth, training, device):
    gpt = make(GPT, vocab_size=30, context=9, depth=depth).to(device).train(training)
    ids = some_ids().to(device)
    with torch.no_grad():
        before = gpt.logits(ids)
        for t in range(9):
            other = ids.clone()
            other[:, t] = torch.where(ids[:, t] == 29, 28, 29)
            after = gpt.logits(other)
            torch.testing.assert_close(after[:, :t], before[:, :t], atol=1e-5, rtol=1e-5)
            changed = (after - before).abs().amax((0, 2))
            assert (changed[t:] > 1e-4).all(), "a word reaches itself and all that follows"


def test_gpt_gradient_of_a_score_stops_at_its_own_word():
    gpt = make(GPT, vocab_size=30, context=9, depth=2)
    ids = some_ids(1)
    leaf = gpt.net.tokens.weight.detach()[ids].requires_grad_()
    gpt.net.tokens.register_forward_hook(lambda *_: leaf)
    for t in range(9):
        (reach,) = torch.autograd.grad(gpt.logits(ids)[0, t].logsumexp(0), leaf)
        assert (reach[0, t + 1 :] == 0).all() and (reach[0, : t + 1].abs().amax(1) > 0).all()


def by_hand(model, ids, padding):
    """Attention weights and hidden states of one block, from its matrices alone: one text, one head, one word at a time."""
    block, (n, length), heads = model.net.transformer.blocks[0], ids.shape, 4
    x = model.net.tokens(ids) + model.net.positions[:length]
    q, k, v = F.linear(block.norm1(x), block.self_attn.in_proj_weight, block.self_attn.in_proj_bias).chunk(
        3, -1
    )
    weights, mixed = torch.zeros(n, heads, length, length), torch.zeros_like(v)
    for t in range(n):
        for head in range(heads):
            part = slice(16 * head, 16 * head + 16)
            for i in range(length):
                seen = [j for j in range(length) if not padding[t, j] and (j <= i or not model.net.causal)]
                scores = torch.stack([q[t, i, part] @ k[t, j, part] / 4 for j in seen])
                weights[t, head, i, seen] = scores.exp() / scores.exp().sum()
                mixed[t, i, part] = weights[t, head, i] @ v[t, :, part]
    x = x + block.self_attn.out_proj(mixed)
    x = x + block.linear2(F.gelu(block.linear1(block.norm2(x))))
    return weights, model.net.transformer.norm(x)


@BOTH
@torch.no_grad()
def test_attention_is_the_softmax_of_queries_times_keys(kind):
    model, ids = make(kind).eval(), some_ids(2, 7)
    ids[1, 5:] = PAD
    padding = ids == PAD if kind is BERT else torch.zeros_like(ids, dtype=torch.bool)
    weights, hidden = by_hand(model, ids, padding)
    found = model.attention(ids)
    torch.testing.assert_close(found[0], weights, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(model.hidden(ids)[~padding], hidden[~padding], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.sum(-1), torch.ones(1, 2, 4, 7))


@BOTH
def test_attention_of_a_deeper_block_belongs_to_what_the_first_one_made(kind):
    model, ids = make(kind, depth=3).eval(), some_ids()
    found = model.attention(ids)
    assert found.shape == (3, 3, 4, 9, 9)
    first = copy.deepcopy(model)
    first.net.transformer.blocks = first.net.transformer.blocks[:1]
    torch.testing.assert_close(found[:1], first.attention(ids))
    assert (found[1] - found[0]).abs().max() > 1e-3
    assert (found.triu(1).abs().max() == 0) == (kind is GPT)


@pytest.mark.parametrize("training", [True, False])
def test_bert_sees_both_sides(training, device):
    bert = make(BERT, vocab_size=30, context=9).to(device).train(training)
    ids = some_ids().to(device)
    with torch.no_grad():
        before = bert.logits(ids)
        for t in range(1, 9):
            other = ids.clone()
            other[:, t] = torch.where(ids[:, t] == 29, 28, 29)
            assert ((bert.logits(other) - before).abs().amax((0, 2)) > 1e-4).all()


@BOTH
@pytest.mark.parametrize("training", [True, False])
def test_pads_change_nothing(kind, training, data, device):
    model = make(kind).to(device).train(training)
    row = data.ids[:1, : int((data.ids[0] != PAD).sum())].to(device)
    longer = F.pad(row, (0, 7), value=PAD)
    with torch.no_grad():
        torch.testing.assert_close(
            model.logits(longer)[:, : row.shape[1]], model.logits(row), atol=1e-5, rtol=1e-4
        )
        torch.testing.assert_close(model.encode(longer), model.encode(row), atol=1e-5, rtol=1e-4)
        nothing = torch.full((2, 5), PAD, device=device)
        assert model.logits(nothing).isfinite().all() and model.encode(nothing).isfinite().all()


# --- losses ------------------------------------------------------------------------------------------------


def test_gpt_loss_is_the_mean_surprise_of_every_next_token(data):
    gpt = make(GPT)
    total, count = 0.0, 0
    with torch.no_grad():
        log_p = gpt.logits(data.ids).log_softmax(-1)
        for row, ids in enumerate(data.ids.tolist()):
            for t in range(len(ids) - 1):
                if ids[t + 1] != PAD:
                    total -= float(log_p[row, t, ids[t + 1]])
                    count += 1
        assert float(gpt(data)) == pytest.approx(total / count, rel=1e-5)
        assert gpt.perplexity(data) == pytest.approx(math.exp(total / count), rel=1e-5)
        assert gpt.perplexity(data, batch_size=7) == pytest.approx(math.exp(total / count), rel=1e-5)
        wide = Texts(F.pad(data.ids, (0, 10), value=PAD))
        assert gpt.perplexity(wide) == pytest.approx(gpt.perplexity(data), rel=1e-5)
    assert count == int((data.ids != PAD).sum()) - len(data), "the end counts, the beginning does not"


def test_bert_loss_is_the_mean_surprise_of_the_chosen_words(data):
    bert = make(BERT)
    with torch.no_grad():
        found = float(bert(data, torch.Generator().manual_seed(3)))
        width = int((data.ids != PAD).sum(1).max())
        inputs, targets = mask_words(
            data.ids[:, :width], bert.vocab_size, generator=torch.Generator().manual_seed(3)
        )
        log_p = bert.logits(inputs).log_softmax(-1)
        surprise = [-float(log_p[n, t, targets[n, t]]) for n, t in (targets != IGNORE).nonzero().tolist()]
    assert found == pytest.approx(sum(surprise) / len(surprise), rel=1e-5) and len(surprise) > 50


def test_bert_loss_where_nothing_was_chosen_is_zero_and_has_a_gradient():
    bert = make(BERT)
    loss = bert(Texts(torch.tensor([[CLS, SEP, PAD]])))
    loss.backward()
    assert float(loss.detach()) == 0 and all(
        p.grad is None or p.grad.isfinite().all() for p in bert.parameters()
    )


@BOTH
def test_an_untrained_model_knows_nothing(kind, data):
    with torch.no_grad():
        assert float(make(kind)(data)) == pytest.approx(math.log(len(reviews.tokenizer())), abs=0.7)


def test_perplexity_of_a_model_that_guesses():
    data = reviews.World().sample(20)
    gpt, bert = make(GPT), make(BERT)
    for model in (gpt, bert):
        torch.nn.init.zeros_(model.net.tokens.weight)
    assert gpt.perplexity(data) == pytest.approx(gpt.vocab_size, rel=1e-4)
    assert bert.pseudo_perplexity(data) == pytest.approx(bert.vocab_size - len(SPECIAL), rel=1e-4)
    with pytest.raises(ValueError, match="no text"):
        gpt.perplexity(data[:0])


def test_pseudo_perplexity_word_by_word():
    data, bert = reviews.World().sample(5), make(BERT)
    surprise = []
    for string in data.strings:
        ids = bert.ids(string)
        for t, word in enumerate(ids):
            hidden = bert.tokenizer.decode([*ids[:t], MASK, *ids[t + 1 :]])
            surprise.append(-float(bert.probabilities(hidden)[0, word].log()))
    expected = math.exp(sum(surprise) / len(surprise))
    assert bert.pseudo_perplexity(data, batch_size=16) == pytest.approx(expected, rel=1e-4)


@BOTH
def test_weights_are_tied(kind, data):
    model = make(kind)
    ids = data.ids[:4]
    expected = model.net(ids, None if kind is GPT else ids == PAD) @ model.net.tokens.weight.T + model.bias
    torch.testing.assert_close(model.logits(ids), expected)
    shapes = [tuple(v.shape) for v in model.state_dict().values()]
    assert shapes.count((model.vocab_size, model.net.dim)) == 1
    pointers = [v.data_ptr() for k, v in model.state_dict().items() if "extra" not in k]
    assert len(set(pointers)) == len(pointers), "safetensors refuses tensors that share memory"


# --- features ----------------------------------------------------------------------------------------------


@BOTH
def test_encode_is_the_mean_over_words(kind, data, device):
    model = make(kind).to(device).eval()
    with torch.no_grad():
        found = model.encode(data.ids)  # moved to the device by itself
        hidden = model.hidden(data.ids.to(device))
        for row in range(5):
            word = (data.ids[row] >= len(SPECIAL)).to(device)
            torch.testing.assert_close(found[row], hidden[row, word].mean(0), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(model.encode(data.strings), found, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(
            model.encode([""]), model.hidden(torch.tensor([[CLS, SEP]]).to(device))[:, 0]
        )
    assert found.shape == (64, 64) and model.encode(data.ids).requires_grad


def test_psi_is_the_answer_with_the_word_hidden(data):
    bert = make(BERT).eval()
    with torch.no_grad():
        found = bert.psi(data.ids, reviews.VERBS)
    for row in range(6):
        verb = reviews.VERBS[int(data.labels["verb"][row])]
        p = words_of(bert, data.strings[row].replace(f" {verb} ", " [MASK] "), reviews.VERBS).float()
        torch.testing.assert_close(found[row], p / p.sum(), atol=1e-5, rtol=1e-4)
    with pytest.raises(ValueError, match="64 of 64 texts have none"):
        bert.psi(data.ids, ["happy"])


# --- answers -----------------------------------------------------------------------------------------------


def test_fill_gives_words_in_descending_order():
    bert = make(BERT)
    found = bert.fill("A quick [MASK] fox jumps over the [MASK] dog", k=7)
    assert len(found) == 2 and [len(row) for row in found] == [7, 7]
    for row in found:
        assert [c.probability for c in row] == sorted((c.probability for c in row), reverse=True)
        assert not {c.word for c in row} & set(SPECIAL)
    everything = bert.fill("[MASK]", k=10_000)[0]
    assert len(everything) == len(bert.tokenizer) - len(SPECIAL)
    assert sum(c.probability for c in everything) == pytest.approx(1, abs=1e-5)


def test_fill_is_the_softmax_of_the_logits():
    bert = make(BERT).eval()
    ids = torch.tensor([[CLS, *bert.ids("I [MASK] this movie."), SEP]])
    with torch.no_grad():
        expected = bert.logits(ids)[0, 2, len(SPECIAL) :].softmax(0)
    torch.testing.assert_close(bert.probabilities("I [MASK] this movie.")[0, len(SPECIAL) :], expected)


@pytest.mark.parametrize("text", ["", "I like this movie.", "🙂"])
def test_fill_without_a_mask(text):
    with pytest.raises(ValueError, match=r"no \[MASK\]"):
        make(BERT).fill(text)


def test_some_masks_only():
    bert, text = make(BERT).eval(), "I [MASK] this [MASK]. The [MASK] is awful."
    every = bert.probabilities(text)
    torch.testing.assert_close(bert.probabilities(text, only=[2, 0]), every[[2, 0]])


def test_texts_must_be_prepared_before_they_are_encoded():
    from ssl_course.evaluation import linear_probe

    texts = Texts(None, [NOTE] * 8, {"sentiment": torch.tensor([0, 1] * 4)})
    with pytest.raises(ValueError, match="prepare the texts first"):
        linear_probe(make(BERT), train=texts, test=texts, label="sentiment")


def test_fill_takes_any_text():
    bert = make(BERT, context=12).eval()
    assert len(bert.fill("[MASK] " * 700)) == 700
    for text in ("🙂 [MASK] 🙂", "שלום [MASK] עולם", "[MASK]", "naïve\n[MASK]\t!"):
        assert bert.probabilities(text).isfinite().all()
    words = ("I love this film. " * 2500).split()
    words[7001] = "[MASK]"  # the verb of sentence 1,751 of 2,500
    far = bert.probabilities(" ".join(words))
    torch.testing.assert_close(
        far, bert.probabilities("love this film. I [MASK] this film. I")
    )  # the ten around it


@pytest.mark.parametrize("at", [0, 1, 4, 6, 20, 39])
def test_a_long_text_is_read_around_the_mask(at):
    bert = make(BERT, context=12).eval()
    tokens = [reviews.ADJECTIVES[i * i % 4] for i in range(40)]
    tokens[at] = "[MASK]"
    first = min(max(at - 5, 0), 30)
    torch.testing.assert_close(
        bert.probabilities(" ".join(tokens)), bert.probabilities(" ".join(tokens[first : first + 10]))
    )


def test_unknown_words_are_shown():
    bert = make(BERT)
    assert bert.tokenizer.unknown("I adore this movie 🙂 [MASK]") == ["adore", "🙂"]
    assert bert.tokenizer.decode(bert.ids("I adore this")) == "I [UNK] this"


def test_sharpen():
    logits = torch.tensor([2.0, 1.0, 3.0, -1.0])
    torch.testing.assert_close(sharpen(logits), logits.softmax(0))
    torch.testing.assert_close(sharpen(logits, 0.5), logits.exp().square() / logits.exp().square().sum())
    assert sharpen(logits, 0).tolist() == sharpen(logits, 5, top_k=1).tolist() == [0, 0, 1, 0]
    two = sharpen(logits, 1, top_k=2)
    assert two.tolist() == pytest.approx([1 / (1 + math.e), 0, math.e / (1 + math.e), 0])
    torch.testing.assert_close(sharpen(logits, 1, top_k=99), logits.softmax(0))
    assert sharpen(logits, 1e-30).tolist() == [0, 0, 1, 0], "close to 0, not NaN"
    torch.testing.assert_close(sharpen(logits, 1e9), torch.full((4,), 0.25))
    assert (sharpen(torch.zeros(6), 1, top_k=2) > 0).sum() == 2, "exactly two, ties or not"
    assert sharpen(torch.stack([logits, -logits]), 0.7, 3).sum(1).tolist() == pytest.approx([1, 1])
    for bad in ({"temperature": -1}, {"temperature": float("nan")}, {"top_k": 0}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            sharpen(logits, **bad)


def test_greedy_writes_the_most_probable_word_each_time():
    gpt = make(GPT, seed=3)
    text = gpt.sample("I like", temperature=0, max_tokens=5)
    begun = "I like"
    for _ in range(5):
        best = max(gpt.candidates(begun, k=99), key=lambda c: c.probability)
        if best.word == "[SEP]":
            break
        begun += gpt.tokenizer.decode(gpt.ids(best.word), after=begun)
    assert text == begun


def test_samples_have_the_models_frequencies():
    gpt = make(GPT)
    with torch.no_grad():
        gpt.bias[gpt.ids("fox")[0]] += 4
        gpt.bias[gpt.ids("dog")[0]] += 3
        gpt.bias[SEP] += 3
    p, n = gpt.probabilities("I like", top_k=3), 600
    generator = torch.Generator().manual_seed(0)
    drawn = [gpt.sample("I like", top_k=3, generator=generator, max_tokens=1) for _ in range(n)]
    assert set(drawn) == {"I like", "I like fox", "I like dog"}
    for text, index in (
        ("I like", SEP),
        ("I like fox", gpt.ids("fox")[0]),
        ("I like dog", gpt.ids("dog")[0]),
    ):
        q = float(p[index])
        assert abs(drawn.count(text) / n - q) < 4.5 * (q * (1 - q) / n) ** 0.5
    again = [gpt.sample("I", generator=torch.Generator().manual_seed(s)) for s in (1, 1)]
    assert again[0] == again[1]
    assert float(gpt.probabilities("I")[[PAD, CLS, MASK]].sum()) == 0


@pytest.mark.parametrize("prompt", ["", "🙂 שלום", "  I like", "x " * 10_000, "[MASK] [PAD]"])
def test_any_prompt_is_kept_as_typed(prompt):
    gpt = make(GPT, context=16)
    text = gpt.sample(prompt, generator=torch.Generator().manual_seed(0), max_tokens=20)
    assert text.startswith(prompt) and len(text) > len(prompt)


def test_only_the_end_of_a_long_prompt_counts():
    gpt = make(GPT, context=8)
    seven = "I like this movie. The CG"  # and [CLS] make eight
    torch.testing.assert_close(gpt.probabilities("fox " * 50 + seven), gpt.probabilities(seven))
    assert not torch.allclose(gpt.probabilities(seven), gpt.probabilities(seven[7:]))


# --- tokenizers and data -----------------------------------------------------------------------------------


@BOTH
def test_prepare_leaves_the_worlds_texts_alone(kind, data):
    model = make(kind)
    assert model.prepare(data) is data and kind.arguments_for(data) == {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bare = model.prepare(Texts(None, data.strings, data.labels))
    assert torch.equal(bare.ids, data.ids[:, : bare.ids.shape[1]]) and bare.labels is data.labels


@BOTH
def test_prepare_learns_pieces_once(kind):
    corpus = Texts(
        None, [f"the actors {w} in this film , and the plot {w} too ." for w in "shine fail".split()] * 50
    )
    arguments = kind.arguments_for(corpus)
    assert arguments["vocab_size"] == 4096 and arguments["context"] == 32
    model = make(kind, vocab_size=300, context=32)
    train = model.prepare(corpus)
    assert model.tokenizer is train.tokenizer and train.ids.max() < 300
    test = model.prepare(Texts(None, ["an unseen word : zebra 🙂"]))
    assert (
        test.tokenizer is model.tokenizer
        and test.tokenizer.decode(test.ids[0]) == "an unseen word : zebra 🙂"
    )
    assert torch.equal(model.prepare(train).ids, train.ids)
    assert model(train).isfinite()


@BOTH
def test_prepare_says_which_model_would_fit(kind, data):
    real = Texts(None, ["an altogether different vocabulary"] * 5)
    advice = rf"{kind.__name__}\(\*\*{kind.__name__}\.arguments_for\(data\)\)"
    for model in (make(kind), make(kind, vocab_size=100)):
        with pytest.raises(ValueError, match=advice):
            model.prepare(real)
    for arguments in ({"vocab_size": 20}, {"context": 5}):
        with pytest.raises(ValueError, match=f"do not fit .*{advice}"):
            make(kind, **arguments).prepare(data)
    fresh = Tokenizer.of_words(["I", "like", "dogs"])
    with pytest.raises(ValueError, match="tokenized otherwise"):
        make(kind).prepare(Texts(None, ["I like dogs"]).tokenize(fresh, 9))
    fitting = kind(**kind.arguments_for(Texts(None, ["I like dogs"]).tokenize(fresh, 9)))
    assert fitting.prepare(Texts(None, ["I like dogs"]).tokenize(fresh, 9)).tokenizer is fitting.tokenizer
    with pytest.raises(ValueError, match="no tokenizer yet"):
        make(kind, vocab_size=100).ids("I")


@BOTH
def test_the_tokenizer_travels_with_the_weights(kind):
    model = make(kind, vocab_size=300)
    model.prepare(Texts(None, ["this film is good"] * 20))
    state = model.state_dict()
    assert all(torch.is_tensor(v) for v in state.values())
    again = make(kind, seed=1, vocab_size=300)
    again.load_state_dict(state)
    assert again.tokenizer.to_json() == model.tokenizer.to_json()
    ids = torch.tensor([again.ids("this film [MASK]")])
    torch.testing.assert_close(again.logits(ids), model.logits(ids))
    assert copy.deepcopy(model).tokenizer.to_json() == model.tokenizer.to_json()
    empty = make(kind, vocab_size=300)
    again.load_state_dict(empty.state_dict())
    assert again.tokenizer is None


@BOTH
@pytest.mark.parametrize(
    "wrong, says",
    [
        ({"vocab_size": 5}, "vocab_size must exceed"),
        ({"context": 2}, "context must be"),
        ({"dim": 30, "heads": 4}, "heads=4 does not divide dim=30"),
    ],
)
def test_sizes_that_do_not_fit(kind, wrong, says):
    with pytest.raises(ValueError, match=says):
        kind(**wrong)


def test_more_bad_input(data):
    for ratio in (0, 1.5):
        with pytest.raises(ValueError, match="mask_ratio"):
            BERT(mask_ratio=ratio)
    for bad in (data.ids[0], data.ids.float()):
        with pytest.raises(ValueError, match=r"\(N, T\) int64"):
            BERT().logits(bad)
    with pytest.raises(ValueError, match="context=4"):
        GPT(context=4).logits(data.ids)
    with pytest.raises(ValueError, match="'zebra' is not one word"):
        BERT().information(data, ["zebra"], reviews.VERBS)
    with pytest.raises(ValueError, match="no text has"):
        BERT().information(Texts(torch.tensor([[CLS, 9, SEP]])), reviews.VERBS, reviews.ADJECTIVES)


def test_information_of_an_answer_that_is_known(monkeypatch):
    """With the world's exact answers in place of the network's, the estimate is the exact information."""
    world = reviews.World(0.5)
    bert, data = make(BERT), world.sample(300, seed=4)
    asked = []

    def exact(ids, places):
        out = []
        for row, place in zip(ids, places, strict=True):
            assert int(row[place]) == MASK
            text = bert.tokenizer.decode(row)
            asked.append(text)
            out.append(world.fill(text)[text[: text.lower().find("this")].count("[MASK]") - 1])
        return torch.stack(out).clamp(min=1e-300).log()

    monkeypatch.setattr(bert, "_at", exact)
    data = data[torch.tensor([s.startswith(("I ", "We ")) for s in data.strings])]  # the verb comes first
    found, error = bert.information(data, reviews.VERBS, reviews.ADJECTIVES)
    table = world.joint().sum(2)
    gains = [
        math.log(table[a, v] / table[a].sum() / table[:, v].sum())
        for a, v in zip(data.labels["adjective"], data.labels["verb"], strict=True)
    ]
    assert found == pytest.approx(sum(gains) / len(gains), abs=1e-6)
    assert error == pytest.approx(float(torch.tensor(gains).std()) / len(gains) ** 0.5, rel=1e-3)
    assert sum(t.count("[MASK]") == 2 for t in asked) == len(asked) / 2


# --- what they learn ---------------------------------------------------------------------------------------


@BOTH
def test_a_few_steps_help(kind, data):
    from ssl_course.training import train

    model = make(kind)
    losses = [step.loss for step in train(model, reviews.World().sample(1000), steps=40)]
    assert sum(losses[-5:]) < 0.6 * sum(losses[:5])
    assert model.prepare(data) is data and not model.training


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """``trained(kind, λ)``: one live training of the lecture, shared by tests, which only ask it.

    Kept in a file, since the tests of two workers ask the same network.
    """
    from ssl_course import checkpoints
    from ssl_course.training import train

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # that of all workers

    def one(kind, dependence):
        file = folder / f"{kind.__name__}_{dependence}.safetensors"
        if not file.exists():
            model = make(kind)
            short = {"single": 0.2} if kind is BERT else {}  # the lecture's share of texts of one sentence
            for _ in train(model, reviews.World(dependence).sample(20_000, seed=0, **short)):
                pass
            checkpoints.save(file, model)
        return checkpoints.load(file)

    return functools.cache(one)


def words_of(bert, text, words):
    p = bert.probabilities(text)[0].double()
    return p[[bert.ids(w)[0] for w in words]]


@pytest.mark.slow
@pytest.mark.parametrize("dependence", [0.0, 0.5])
def test_bert_learns_the_exact_conditional(dependence, trained):
    """The answer at [MASK] is P(x₂ | x₁) = ψ*, entry by entry."""
    world, bert = reviews.World(dependence), trained(BERT, dependence)
    found = torch.zeros(4, 4, dtype=torch.float64)
    ways = [(s, t, o) for s in reviews.SUBJECTS for t in reviews.THINGS for o in reviews.ORDERS]
    for i, adjective in enumerate(reviews.ADJECTIVES):
        for subject, thing, order in ways:
            text = reviews.review("[MASK]", adjective, subject, thing, "CG", order)
            found[i] += words_of(bert, text, reviews.VERBS) / len(ways)
    assert (found - world.psi_star()).abs().max() < 0.08
    test = world.sample(4000, seed=50)
    information, error = bert.information(test, reviews.VERBS, reviews.ADJECTIVES)
    table = world.joint().sum(2)
    exact = float((table * (table / (table.sum(1, keepdim=True) * table.sum(0))).log()).sum())
    assert abs(information - exact) < 0.05 and error < 0.02
    fox = bert.fill("A quick [MASK] fox jumps over the [MASK] dog")
    assert fox[0][0].word == "brown" and fox[0][0].probability == pytest.approx(0.6, abs=0.12)
    assert fox[1][0].word == "lazy" and fox[1][0].probability == pytest.approx(0.6, abs=0.12)


@pytest.mark.slow
def test_given_the_sentiment_the_rest_says_nothing():
    """Conditional mutual information from a BERT that was told the sentiment of half of its texts, at λ = 0.

    At λ = 0.5 test_words_recorded.py asks the same.
    """
    from ssl_course.training import train

    world, bert = reviews.World(0.0), make(BERT)
    for _ in train(bert, world.sample(20_000, seed=0).told(share=0.5)):
        pass
    test = world.sample(4000, seed=50)
    told, _ = bert.information(test.told(share=1.0), reviews.VERBS, reviews.ADJECTIVES)
    assert told == pytest.approx(float(world.conditional_mutual_information()), abs=0.04)
    untold, _ = bert.information(test, reviews.VERBS, reviews.ADJECTIVES)
    assert untold > 0.15 > 3 * told, "without the sentiment, the rest does say something"


@pytest.mark.slow
def test_gpt_comes_close_to_the_worlds_own_perplexity(trained):
    world, gpt = reviews.World(0.5), trained(GPT, 0.5)
    test = world.sample(4000, seed=50)
    p = dict(zip(world.texts().strings, world.probabilities().tolist(), strict=True))
    tokens = int((test.ids > CLS).sum())  # words and ends
    best = math.exp(-sum(math.log(p[s]) for s in test.strings) / tokens)  # of these very texts
    assert best == pytest.approx(world.perplexity(), rel=0.02)
    assert best * 0.999 < gpt.perplexity(test) < best * 1.02
    answer = gpt.probabilities("I like this movie. The CG is")[[gpt.ids(a)[0] for a in reviews.ADJECTIVES]]
    assert (answer.double() - world.psi_star()[:, 0]).abs().max() < 0.06  # the table is symmetric
    written = {gpt.sample(generator=torch.Generator().manual_seed(s)) for s in range(40)}
    assert sum(text in p for text in written) >= 0.85 * len(written), "it writes texts of the world"


@pytest.mark.slow
@pytest.mark.parametrize("dependence", [0.5, 0.95])
def test_the_answer_as_features_needs_four_labels_below_the_flip(dependence, trained):
    """ψ = P(verb | rest): its largest direction is the sentiment below λ* = .64 and the intensity above."""
    from ssl_course.evaluation import linear_probe

    world, bert = reviews.World(dependence), trained(BERT, dependence)
    pool, test = world.sample(1000, seed=60), world.sample(4000, seed=61)
    psi = functools.partial(bert.psi, words=reviews.VERBS)

    def accuracy(method, label, n_labels):
        return linear_probe(method, train=pool, test=test, label=label, n_labels=n_labels, draws=10).accuracy

    assert accuracy(psi, "sentiment", 64) > 0.87, "four numbers keep both, on either side of the flip"
    few = accuracy(psi, "sentiment", 4)
    if dependence < world.flip():
        assert few > 0.78 and few > accuracy(test.tokenizer.bag_of_words, "sentiment", 4) + 0.1
    else:
        assert few < 0.8 and accuracy(psi, "intensity", 4) > 0.97


@pytest.mark.slow
@BOTH
def test_features_know_the_sentiment_from_few_labels(kind, trained):
    from ssl_course.evaluation import linear_probe

    world, model = reviews.World(0.5), trained(kind, 0.5)
    pool, test = world.sample(1000, seed=60), world.sample(2000, seed=61)
    best = float((test.labels["adjective"] // 2 == test.labels["sentiment"]).float().mean())
    found = linear_probe(model, train=pool, test=test, label="sentiment", n_labels=64).accuracy
    assert best - 0.08 < found <= best + 0.05
