"""How a text becomes (x₁, x₂): words hidden from the middle, or the next word from those so far (note §3.1).

Texts are rows of ids, (N, T) LongTensors, padded at the end with PAD. Everything here is batched, random for
each word by itself, and stays on the tensor's own device.
"""

import torch

from ssl_course.interfaces import Pair

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")  # the first ids of every vocabulary, in this order
PAD, UNK, CLS, SEP, MASK = range(len(SPECIAL))  # CLS begins a text, SEP ends it
IGNORE = -100  # a target that does not count; the default of torch's cross-entropy


def mask_words(
    ids: torch.Tensor, vocab_size: int, ratio: float = 0.15, generator: torch.Generator | None = None
) -> Pair:
    """Hide words as BERT does: each is chosen with probability ``ratio``; of the chosen, 80 % become [MASK],
    10 % a random word, 10 % stay (Devlin et al. 2018, §3.1). Those that stay and those that are replaced make
    the network look at every word, not at [MASK] alone.

    Pads, unknown words and the marks of beginning and end are never chosen, nor put in a word's place.

    Args:
        ids: (N, T) of 0..vocab_size−1.
        vocab_size: number of ids, the `SPECIAL` ones included.
        ratio: in [0, 1].
        generator: on the device of ``ids``; torch's own by default.

    Returns:
        x1 (N, T), what became of the ids; x2 (N, T), the chosen words' own ids, `IGNORE` everywhere else.

    Raises:
        ValueError: a ratio outside [0, 1], or a vocabulary without a single word.
    """
    if not 0 <= ratio <= 1:
        raise ValueError(f"ratio must be in [0, 1], got {ratio}")
    if vocab_size <= len(SPECIAL):
        raise ValueError(f"vocab_size must be more than the {len(SPECIAL)} special ids, got {vocab_size}")
    # Each word by itself, anew in each batch: about, not exactly, the share ``ratio`` of a text is asked for.
    u = torch.rand(2, *ids.shape, device=ids.device, generator=generator)  # (2, N, T): chosen? what becomes?
    word = ids >= len(SPECIAL)
    chosen = word & (u[0] < ratio)
    low, high = len(SPECIAL), vocab_size  # never a mark in a word's place
    anything = torch.randint(low, high, ids.shape, device=ids.device, generator=generator)  # (N, T)
    # Texts met later have no [MASK]: a network that answers only where one stands would fail them (§3.1).
    inputs = torch.where(chosen & (u[1] < 0.8), MASK, ids)
    inputs = torch.where(chosen & (u[1] >= 0.9), anything, inputs)
    # As long as x1, place by place: a word that is not asked for is passed over by the loss, not left out.
    return Pair(inputs, torch.where(chosen, ids, IGNORE))


def next_words(ids: torch.Tensor) -> Pair:
    """Every beginning of a text with the word that follows it: x1 and x2 (N, T − 1).

    Position t sees ids[:, : t + 1] (the causal mask sees to that) and must say ids[:, t + 1]; pads do not
    count, the mark of the end does.
    """
    # One text asks T − 1 questions in one pass; hidden words at 15 % ask about a seventh of that.
    targets = ids[:, 1:]
    # The end is a question too, or a text that the network writes would never stop.
    return Pair(ids[:, :-1], torch.where(targets != PAD, targets, IGNORE))


def without_tail(ids: torch.Tensor) -> torch.Tensor:
    """The batch without the columns at the end that hold pads alone: short texts need no long rows."""
    # Every layer compares each place with each: its price grows with the square of the longest row.
    longest = int((ids != PAD).sum(1).max()) if len(ids) else 0
    return ids[:, : max(longest, 1)]  # a column at least, for layers that cannot do without
