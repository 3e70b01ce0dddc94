"""Masked words and next words: what lecture 06 shows as recorded, and the networks that come with the course.

    python benchmarks/words.py --json assets/results/words.json
    python benchmarks/words.py --ship bert_reviews
    python benchmarks/words.py --ship gpt_reviews
    python benchmarks/words.py --ship gpt_shakespeare --root shakespeare.txt

The first measures, for each λ and seed, what the adjective tells of the verb without and with the sentiment given
(a second network, told the sentiment of half of its texts), and linear probes with few labels; and the same of real
reviews, rt-polarity. The others train one network and write
assets/checkpoints/NAME.safetensors: weights alone, with command, seed, steps and metrics in the header.
"""

import argparse
import functools
import json
import math
import shlex
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from ssl_course import checkpoints
from ssl_course.data import Texts, load, reviews
from ssl_course.evaluation import linear_probe
from ssl_course.methods import BERT, GPT
from ssl_course.pretext.words import CLS
from ssl_course.studies.recorded import record
from ssl_course.theory import independence
from ssl_course.training import train

N_TRAIN, N_TEST, N_POOL, SINGLE = 20_000, 4000, 1000, 0.2
SEEDS = dict.fromkeys(
    (0.0, 0.25, 0.5, 0.75, 0.9), 3
)  # λ: so many networks; what is not recorded yet, the command adds
FEW = (4, 16, 64, 256)
SHIPPED = Path(__file__).resolve().parents[1] / "assets" / "checkpoints"
ABOUT = {
    "protocol": (
        f"BERT(), its default steps, {N_TRAIN} texts of which {SINGLE:.0%} are cut to one sentence; {N_TEST} whole test "
        f"texts; probes: mean of 10 draws of labels from {N_POOL} texts, l2 by cross-validation. Real reviews: 10-fold "
        "cross-validated logistic regressions on rt-polarity. Errors are those of the test texts"
    ),
    "labels": list(FEW),
}
STEPS = {"bert_reviews": 2000, "gpt_reviews": 1000, "gpt_shakespeare": 1500}


def trained(
    method: BERT | GPT, data: Texts, steps: int | None, seed: int, batch_size: int | None = None
) -> BERT | GPT:
    """The method after its steps, in eval mode."""
    for _ in train(method, data, steps, batch_size, seed=seed):
        pass
    return method.eval()


def bert(world: reviews.World, told: bool, seed: int, steps: int | None = None) -> BERT:
    """A BERT of the film-review world; told: half of its texts begin with "happy:" or "unhappy:"."""
    data = world.sample(N_TRAIN, seed=seed, single=SINGLE)
    torch.manual_seed(seed)
    return trained(BERT(), data.told(seed=seed) if told else data, steps, seed)


def information(method: BERT, world: reviews.World, told: bool, n: int = N_TEST) -> dict[str, float]:
    """What the adjective tells of the verb, nats: estimate, its standard error, and the exact value."""
    test = world.sample(n, seed=1_000_000)
    test = test.told(share=1.0) if told else test
    value, error = method.information(test, reviews.VERBS, reviews.ADJECTIVES)
    table = world.joint()
    exact = independence.conditional_mutual_information(table if told else table.sum(2, keepdim=True))
    return {"nats": value, "error": error, "exact": float(exact)}


def probes(method: BERT, world: reviews.World, seed: int) -> dict[str, list[float]]:
    """Accuracies with `FEW` labels, by "what: label"."""
    pool, test = world.sample(N_POOL, seed=2_000_000 + seed), world.sample(N_TEST, seed=3_000_000)
    features = {"psi": functools.partial(method.psi, words=reviews.VERBS), "encode": method}
    accuracies = {}
    for name, encoder in features.items():
        for label in ("sentiment", "intensity"):
            accuracies[f"{name}: {label}"] = [
                linear_probe(encoder, train=pool, test=test, label=label, n_labels=n, draws=10).accuracy
                for n in FEW
            ]
    return accuracies


def measure(of: str, dependence: float = 0.0, seed: int = 0) -> dict:
    """One cell: two networks of one world, or the real reviews."""
    if of == "real reviews":
        return real_reviews()
    world = reviews.World(dependence)
    plain = bert(world, False, seed)
    row = {"alone": information(plain, world, False), "probes": probes(plain, world, seed)}
    return row | {"given": information(bert(world, True, seed), world, True)}


# ---- real reviews: no tables, so a linear model stands for P(word | rest) ---------------------------------------

# adjectives alone: else grammar would give most of it away
WORDS = (
    "good", "bad", "funny", "great", "dull", "entertaining", "compelling", "predictable", "fascinating", "charming",
    "flat", "silly", "smart", "moving",
)  # fmt: skip


def real_reviews(root: str | None = None, folds: int = 10, least: int = 5) -> dict:
    """I(x₂; rest) and I(x₂; rest | Y) of rt-polarity, in nats, by differences of held-out cross-entropies.

    x₂ is the one word of `WORDS` in a sentence, the rest all its other words that occur in at least ``least`` of
    the sentences; P(x₂ | rest) and P(x₂ | rest, Y) are logistic regressions. A better model would find more in
    the rest: these are lower bounds up to noise.
    """
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    sets = [load("rt-polarity", split=split, root=root, download=False) for split in ("train", "test")]
    texts = [s.split() for data in sets for s in data.strings]
    y = torch.cat([data.labels["sentiment"] for data in sets]).numpy()
    chosen = [i for i, t in enumerate(texts) if sum(w in WORDS for w in t) == 1]
    word = np.array([next(WORDS.index(w) for w in texts[i] if w in WORDS) for i in chosen])
    rest = [" ".join(w for w in texts[i] if w not in WORDS) for i in chosen]
    y = y[chosen]
    x = (
        CountVectorizer(token_pattern=r"\S+", binary=True, min_df=least)
        .fit_transform(rest)
        .toarray()
        .astype(float)
    )
    sign = np.eye(2)[y] * 3  # large, so that the penalty does not hold it back
    none = np.zeros((len(y), 1))
    views = {"nothing": none, "Y": sign, "rest": x, "rest, Y": np.hstack([x, sign])}
    loss = {name: np.zeros(len(y)) for name in views}
    for fit, held in StratifiedKFold(folds, shuffle=True, random_state=0).split(x, word):
        for name, view in views.items():
            model = LogisticRegression(C=0.05 if "rest" in name else 10.0, max_iter=300).fit(
                view[fit], word[fit]
            )
            p = model.predict_proba(view[held])
            loss[name][held] = -np.log(p[np.arange(len(held)), word[held]])
    pairs = {
        "I(x2; Y)": ("nothing", "Y"), "I(x2; rest)": ("nothing", "rest"), "I(x2; rest | Y)": ("Y", "rest, Y"),
    }  # fmt: skip
    gains = {name: loss[a] - loss[b] for name, (a, b) in pairs.items()}
    measured = {
        name: {"nats": float(g.mean()), "error": float(g.std(ddof=1) / math.sqrt(len(g)))}
        for name, g in gains.items()
    }
    counts = Counter(WORDS[w] for w in word)
    return {
        "sentences": len(y),
        "features": x.shape[1],
        "words": counts,
        "H(x2)": float(loss["nothing"].mean()),
    } | measured


# ---- the networks that come with the course ---------------------------------------------------------------------


def ship(name: str, root: str | None, seed: int = 0) -> Path:
    """Train NAME and write its checkpoint; prints its header."""
    world, about = reviews.World(0.5), {}
    began = time.perf_counter()
    if name == "bert_reviews":
        method = bert(world, True, seed, STEPS[name])
        data = "reviews.World(0.5), half of the texts told"
        about["given"], about["alone"] = (information(method, world, told) for told in (True, False))
    elif name == "gpt_reviews":
        torch.manual_seed(seed)
        method, data = (
            trained(GPT(), world.sample(N_TRAIN, seed=seed), STEPS[name], seed),
            "reviews.World(0.5)",
        )
        about |= surprise(method, world.sample(N_TEST, seed=1_000_000)) | {"exact": world.perplexity()}
    else:
        torch.manual_seed(seed)
        method, data = GPT(vocab_size=1024, context=128, dim=128, depth=4), "tinyshakespeare"
        sets = [method.prepare(load("text", split=split, root=root)) for split in ("train", "test")]
        trained(method, sets[0], STEPS[name], seed, 32)
        about |= surprise(method, sets[1])
    about |= {"steps": STEPS[name], "seed": seed, "seconds": round(time.perf_counter() - began)}
    command = shlex.join(["python", "benchmarks/words.py", "--ship", name])
    command += " --root tinyshakespeare/input.txt" if name == "gpt_shakespeare" else ""
    path = SHIPPED / f"{name}.safetensors"
    checkpoints.save(path, method, command=command, metrics=about, data=data)
    print(json.dumps(checkpoints.about(path), indent=1))
    return path


@torch.no_grad()
def surprise(method: GPT, texts: Texts) -> dict[str, float]:
    """Perplexity, and the standard error that the choice of texts gives it."""
    tokens = (texts.ids > CLS).sum(1).double()  # words and the end
    nats = torch.tensor([math.log(method.perplexity(texts[i])) for i in range(min(len(texts), 200))])
    nats = nats.double() * tokens[: len(nats)]
    mean = nats.sum() / tokens[: len(nats)].sum()
    spread = (nats - mean * tokens[: len(nats)]).std() / tokens.mean() / math.sqrt(len(texts))
    perplexity = method.perplexity(texts)
    return {"perplexity": perplexity, "error": float(perplexity * spread)}


def main() -> None:
    """See the top of the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", help="kept after each cell; what it holds already is not measured again")
    parser.add_argument("--most", type=int, help="only the first so many cells, for a short run")
    parser.add_argument("--ship", choices=STEPS)
    parser.add_argument("--root", help="the text file for gpt_shakespeare")
    given = parser.parse_args()
    if given.ship:
        ship(given.ship, given.root)
        return
    cells = [{"of": "world", "dependence": d, "seed": s} for d, n in SEEDS.items() for s in range(n)]
    record(given.json, [{"of": "real reviews"}, *cells][: given.most], measure, ABOUT)


if __name__ == "__main__":
    main()
