"""What surprise looks like where there is less to see: the same text in another order, a model that learned nothing.

A correlation that is as high there says nothing about what the model learned of this text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from titans_core.errors import ConfigError
from titans_core.model import Model
from titans_core.probes.sanity import MIN_TOKENS, Sanity, check_length, check_signal, sanity
from titans_core.settings import Settings
from titans_core.tokenizer import Tokenizer
from titans_core.tracing import trace

LIMIT = 20_000  # tokens from the start of the text
MIN_SENTENCES = 20
STRETCH = 16  # tokens moved together where there are too few sentences
LONGEST_WORD = 64  # characters that may be given up to cut a text between words

# After a full stop with its closing quotes before white space, after a CJK one, and before a line end.
_SENTENCE_END = re.compile(r"[.!?…][\"'”’»)\]]*(?=\s)|[。！？][」』”’）]*|\S(?=[^\S\r\n]*[\r\n])")


class Shuffled(NamedTuple):
    """unit: "sentence", or "stretch" (of STRETCH tokens). units: how many were put in another order."""

    text: str
    unit: str
    units: int


@dataclass(frozen=True)
class Comparison:
    """Three answers side by side.

    tokens: of the text as is that were read, out of text_tokens; fewer mean it was cut at `limit`. The shuffled text's
    own count is in its answer. unit, units: as of `Shuffled`. seed: of the order, the untrained weights and resamples.
    """

    as_is: Sanity
    shuffled: Sanity
    untrained: Sanity
    tokens: int
    text_tokens: int
    limit: int
    unit: str
    units: int
    seed: int


def compare(
    model: Model,
    text: str,
    signal: str = "surprise",
    *,
    settings: Settings | None = None,
    background: np.ndarray | None = None,
    limit: int = LIMIT,
    count: int = 200,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """`sanity` of `model` on `text`, on the same text shuffled, and of an untrained model of the same shape on `text`.

    At most the first `limit` tokens are read, each time from an empty memory. progress(done, total) counts the tokens
    of all three runs and may raise to cancel. Other arguments: as of `tracing.trace` and `sanity`.
    Raises ConfigError for a model without a memory, a text or limit of fewer than MIN_TOKENS tokens and what `sanity`
    refuses; TextError as `trace` does.
    """
    if not model.config.has_memory:
        raise ConfigError(f"a {model.config.variant} has no memory; compare a model of mac, mag, mal or lmm")
    check_signal(signal)
    if limit < MIN_TOKENS:
        raise ConfigError(f"limit is {limit}; at least {MIN_TOKENS} tokens must be read")
    whole = len(model.tokenizer.encode(text))
    text = beginning(text, model.tokenizer, limit)
    check_length(tokens := len(model.tokenizer.encode(text)))
    other = shuffled(text, model.tokenizer, seed)
    runs = ((model, text), (model, other.text), (untrained(model, seed), text))
    total = 2 * tokens + len(model.tokenizer.encode(other.text))
    answers: list[Sanity] = []
    for reader, content in runs:
        done = sum(answer.tokens for answer in answers)
        report = None if progress is None else _after(done, total, progress)
        dataset = trace(reader, content, settings=settings, progress=report)
        answers.append(sanity(dataset, signal, background=background, count=count, seed=seed))
    as_is, mixed, blank = answers
    return Comparison(as_is, mixed, blank, tokens, whole, limit, other.unit, other.units, seed)


def _after(done: int, total: int, progress: Callable[[int, int], None]) -> Callable[[int, int], None]:
    return lambda now, _: progress(done + now, total)


def beginning(text: str, tokenizer: Tokenizer, limit: int) -> str:
    """The longest start of `text` that is at most `limit` tokens, cut before white space where some is near."""
    encoding = tokenizer.encode(text)
    if len(encoding) <= limit:
        return text
    end = int(encoding.start[limit])
    cut = end
    while cut > max(0, end - LONGEST_WORD) and not text[cut].isspace():
        cut -= 1
    # where it ends with a token, a start of a text is split into the same tokens as in the whole
    return text[:cut].rstrip() if text[cut].isspace() else text[:end]


def shuffled(text: str, tokenizer: Tokenizer, seed: int = 0) -> Shuffled:
    """The same characters with the sentences (or lines) in another order.

    Sentences, not tokens: tokens in any order are no text (their bytes need not form characters, and what is next to
    each other is split into other tokens), while a sentence still reads as one. The prediction of its words and their
    rarity stay nearly the same; what goes is what one sentence owes to those before it, and any place it has in
    the text. A sentence takes along the white space before it. The first, which has none, and the white space at the
    end stay where they are: sentences that begin after white space keep their very tokens. "Sentence" is meant
    loosely: an abbreviation ends one too. In a text of fewer than MIN_SENTENCES, stretches of STRETCH tokens (from
    one whole character to another) are moved, and tokens at their edges may change.
    """
    body = text.rstrip()
    cuts = [found.end() for found in _SENTENCE_END.finditer(body) if found.end() < len(body)]
    unit = "sentence"
    if len(cuts) + 1 < MIN_SENTENCES:
        starts, unit = tokenizer.encode(body).start[STRETCH::STRETCH], "stretch"
        cuts = np.unique(starts[starts > 0]).tolist()
    first, *others = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    order = np.random.default_rng(seed).permutation(len(others))
    return Shuffled(first + "".join(others[i] for i in order) + text[len(body) :], unit, len(others))


def untrained(model: Model, seed: int = 0) -> Model:
    """A model of the same config, tokenizer, device and dtype, with the weights that training starts from."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        blank = Model(model.config)
    blank.tokenizer, blank.name = model.tokenizer, f"untrained {model.config.variant}, seed {seed}"
    return blank.to(model.device, model.embed.weight.dtype).eval().requires_grad_(False)
