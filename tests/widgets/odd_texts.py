"""Texts that a student may type, and that break what was made for sentences."""

import pytest

ODD = {
    "empty": "",
    "spaces": " \n\t ",
    "only masks": "[MASK] [MASK] [MASK]",
    "10,000 words": "I like this movie. " * 2000,
    "10,000 masks": "[MASK] " * 10_000,
    "emoji": "🙂👍🏽 I love 👩‍👩‍👧 this 🇫🇷 movie",
    "right to left": "אני אוהב את הסרט. שָׁלוֹם [MASK] عالم",
    "one long word": "a" * 5000,
    "markup": "<script>alert(1)</script> & <b>I like",
    "broken masks": "[MASK [mask] MASK] x[MASK]y ([MASK])",
    "control": "nul\x00l \ufffd \u202e [PAD][CLS] naïve café don’t well-made",
}
ODD_TEXTS = pytest.mark.parametrize(
    "text",
    [
        pytest.param(t, id=name, marks=[pytest.mark.slow] * (name == "10,000 masks"))
        for name, t in ODD.items()
    ],
)
