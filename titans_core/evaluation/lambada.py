"""LAMBADA: the last word of a passage that only the whole passage tells."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from titans_core.corpus import read_documents
from titans_core.errors import ConfigError
from titans_core.evaluation.answering import Batching, device_name, score
from titans_core.evaluation.cells import CONTROLS, Cell, Key
from titans_core.evaluation.needles import digest, summary
from titans_core.model import Model
from titans_core.tasks import Episode, Role
from titans_core.tokenizer import Tokenizer

_LAST_WORD = re.compile(r"\S+\s*\Z")


def read_passages(path: Path, tokenizer: Tokenizer, n: int | None = None) -> list[Episode]:
    """The first n passages of a file of {"text"} lines, or all. A passage is read after a separator, as documents are.

    The last word is what stands after the last white space, with signs that touch it; a token that holds any of it
    is an answer token. Raises ConfigError for a file without passages, or a passage of fewer than two words.
    """
    passages = []
    for number, text in enumerate(read_documents(path), 1):
        if n is not None and number > n:
            break
        passages.append(_passage(text, tokenizer, f"{path.name}, passage {number}"))
    if not passages:
        raise ConfigError(f'{path} holds no passage; give LAMBADA\'s test file, one {{"text"}} a line')
    return passages


def run_lambada(
    model: Model,
    passages: list[Episode],
    control: str,
    progress: Callable[[int], None] = lambda tokens: None,
    batching: Batching | None = None,
) -> Cell:
    """Exact last words (greedy, all tokens of the word), and the perplexity of the whole word."""
    begun = time.monotonic()
    answers = score(model, passages, CONTROLS[control], batching=batching, progress=progress)
    key = Key("lambada", None, control)
    cell = summary(key, answers, digest(passages[0]), time.monotonic() - begun, device_name(model.device))
    with np.errstate(over="ignore"):
        perplexity = float(np.exp2(cell.bits))
    return Cell(**{**cell.to_dict(), "length": None, "perplexity": perplexity if np.isfinite(perplexity) else None})


def _passage(text: str, tokenizer: Tokenizer, where: str) -> Episode:
    text = text.rstrip()
    found = _LAST_WORD.search(text)
    if not found or not found.start():
        raise ConfigError(f"{where} has no last word after others: {json.dumps(text[:40])}")
    encoding = tokenizer.encode(text)
    ids = np.concatenate([[tokenizer.separator], encoding.ids]).astype(np.int32)
    role = np.zeros(len(ids), np.uint8)
    role[1:][encoding.end > found.start()] = Role.ANSWER
    return Episode("lambada", ids, role, (found[0],))
