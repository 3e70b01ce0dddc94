"""GPT: say the next word from those so far (Radford et al. 2018; note §3.1).

X₁ is the beginning of a text, X₂ the word that follows. One causal mask makes every position of every text an
example at once.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ssl_course import nets
from ssl_course.data.texts import Texts
from ssl_course.interfaces import Pair
from ssl_course.methods.bert import Candidate
from ssl_course.methods.language import LanguageModel
from ssl_course.pretext.words import CLS, IGNORE, MASK, PAD, SEP, UNK, next_words, without_tail


def sharpen(logits: Tensor, temperature: float = 1.0, top_k: int | None = None) -> Tensor:
    """Scores (…, V) → probabilities: softmax(logits / temperature) over the ``top_k`` highest.

    Temperature 0 is greedy decoding: all on the highest (the first of several). Above 1 is flatter, below 1
    sharper than the model.

    Raises:
        ValueError: a negative temperature, or top_k below 1.
    """
    if not temperature >= 0:
        raise ValueError(f"temperature must not be negative, got {temperature}")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k must be at least 1, got {top_k}")
    # the limit T → 0, without dividing by it
    if temperature == 0:
        return F.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits.dtype)
    # Each unlikely word is rare, all together are not: now and then one is drawn and the text goes astray
    # (Fan 2018).
    if top_k is not None and top_k < logits.shape[-1]:
        best = logits.topk(top_k).indices  # exactly k of them, ties or not
        logits = torch.full_like(logits, -math.inf).scatter(-1, best, logits.gather(-1, best))
    logits = logits - logits.amax(-1, keepdim=True)  # before dividing: a tiny temperature must not overflow
    return (logits / temperature).softmax(-1)


class GPT(LanguageModel):
    """Next words, causal; `GPT()` suits the film-review world.

    Args:
        vocab_size, context, dim, depth, heads: see `LanguageModel`.
    """

    defaults = {"optimizer": "adamw", "lr": 3e-3, "weight_decay": 0.01, "steps": 500, "batch_size": 64}

    def __init__(
        self, vocab_size: int | None = None, context: int = 32, dim: int = 64, depth: int = 1, heads: int = 4
    ) -> None:
        self.arguments = nets.arguments(locals())
        super().__init__(vocab_size, context, dim, depth, heads, causal=True)

    def pair(self, batch: Texts) -> Pair:
        """X₁: ids (N, T − 1), of which position t sees those up to t.
        X₂: the next ones, `IGNORE` where pads are."""
        return next_words(without_tail(batch.rows))

    def forward(self, batch: Texts) -> Tensor:
        """Mean cross-entropy of the next token in nats, over every position; the end counts, pads do not."""
        inputs, targets = self.pair(batch)
        # One pass answers for every beginning of every text: the causal mask hides what comes later from each
        # place. Each token counts the same, in whatever text it stands.
        count = (targets != IGNORE).sum().clamp(min=1)
        logits = self.logits(inputs)  # (N, T − 1, V)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum") / count

    @torch.no_grad()
    def perplexity(self, texts: Texts, batch_size: int = 256) -> float:
        """exp of the mean surprise per token in nats: among how many equally likely tokens the model wavers.

        Every word and the end of each text count once, pads and [CLS] never; all tokens weigh the same, in
        whatever text they stand. Depends on the tokenizer.

        Raises:
            ValueError: no texts.
        """
        if not len(texts):
            raise ValueError("there is no text to measure")
        total, count = 0.0, 0
        for start in range(0, len(texts), batch_size):
            inputs, targets = self.pair(texts[start : start + batch_size].to(self.bias.device))
            logits = self.logits(inputs).flatten(0, 1)
            total += float(F.cross_entropy(logits, targets.flatten(), reduction="sum"))
            count += int((targets != IGNORE).sum())
        return math.exp(total / count)

    @torch.no_grad()
    def probabilities(self, prompt: str = "", temperature: float = 1.0, top_k: int | None = None) -> Tensor:
        """P(next token | prompt), (V,), after `sharpen`; [SEP] is the end.
        Of a long prompt the last words count."""
        # With the mark that every text began with, so that an empty prompt, too, has something to go on from.
        ids = [CLS, *self.ids(prompt)[-(self.context - 1) :]]
        return self._next(torch.tensor([ids], device=self.bias.device), temperature, top_k)

    def _next(self, ids: Tensor, temperature: float, top_k: int | None) -> Tensor:
        logits = self.logits(ids)[0, -1]  # (V,)
        # none of them can be written down; [SEP] may come, it is the end
        never = torch.tensor([PAD, UNK, CLS, MASK], device=logits.device)
        return sharpen(logits.index_fill(0, never, -math.inf), temperature, top_k)

    def candidates(
        self, prompt: str = "", k: int = 10, temperature: float = 1.0, top_k: int | None = None
    ) -> list[Candidate]:
        """The k most probable next tokens in descending order; "[SEP]" is the end of the text."""
        p, ids = self.probabilities(prompt, temperature, top_k).topk(min(k, self.vocab_size))
        pairs = zip(ids.tolist(), p.tolist(), strict=True)
        # 0 is what top_k has cut off
        return [Candidate(self.reader.token(i), q) for i, q in pairs if q > 0]

    @torch.no_grad()
    def sample(
        self,
        prompt: str = "",
        temperature: float = 1.0,
        top_k: int | None = None,
        generator: torch.Generator | None = None,
        max_tokens: int = 64,
    ) -> str:
        """The prompt, as typed, and what the model writes after it, up to the end or ``max_tokens``.

        Temperature 0 is greedy. Only the last ``context`` tokens are seen when the next is drawn.

        Args:
            generator: on the CPU, where the drawing is done; torch's own by default.
        """
        ids = [CLS, *self.ids(prompt)]
        # What is new is decoded alone: the prompt stays as typed, with words that the model does not know.
        begun = len(ids)
        for _ in range(max_tokens):
            # Positions beyond the context were never learned:
            # the last words move to the front, behind their [CLS].
            seen = ids if len(ids) <= self.context else [CLS, *ids[-(self.context - 1) :]]
            p = self._next(torch.tensor([seen], device=self.bias.device), temperature, top_k).cpu()
            token = int(torch.multinomial(p, 1, generator=generator))
            if token == SEP:
                break
            ids.append(token)
        return prompt + self.reader.decode(ids[begun:], after=prompt)
