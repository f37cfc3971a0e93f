"""Asking a model in the middle of a document: a cue is read from a fork of its state, and what it says next counts.

The fork leaves the reading alone, so one reading answers at any number of points.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from titans_core.errors import ConfigError
from titans_core.evaluation.answering import unseen
from titans_core.model import Model, ModelState
from titans_core.probes.questions import Question
from titans_core.probes.reading_on import Progress, read_on
from titans_core.settings import Settings

ZEROED = Settings(zero_reads=True)


class Said(NamedTuple):
    """p: probability of the whole answer, 0..1; bits: -log2 of it. exact: greedy decoding gives the answer.

    text: what greedy decoding gives, as many tokens as the answer has.
    """

    p: float
    bits: float
    exact: bool
    text: str


def ask(model: Model, state: ModelState | None, question: Question, settings: Settings | None = None) -> Said:
    """What the model says after the cue, from `state`, which stays as it is."""
    ids = torch.from_numpy(question.ids.astype(np.int64)).to(model.device)[None]
    at = question.answer
    with torch.inference_mode():
        logits, told, _ = model(ids[:, :at], state, settings=settings)
        rest = model(ids[:, at:], told, settings=settings).logits[0, :-1]
        each = torch.cat((logits[0, -1:], rest)).double().log_softmax(-1)
        answer = ids[0, at:]
        bits = -float(each.gather(1, answer[:, None]).sum()) / float(np.log(2))
        exact = bool((each.argmax(-1) == answer).all())
        said = answer if exact else _greedy(model, told, each[0], len(answer), settings)
    return Said(2.0**-bits, bits, exact, model.tokenizer.decode(said.cpu().numpy()))


def _greedy(
    model: Model, state: ModelState, first: torch.Tensor, count: int, settings: Settings | None
) -> torch.Tensor:
    tokens = [first.argmax()]
    while len(tokens) < count:
        logits, state, _ = model(tokens[-1][None, None], state, settings=settings)
        tokens.append(logits[0, -1].argmax())
    return torch.stack(tokens)


def near(model: Model, read: int) -> int:
    """How many of the last of `read` tokens windows can reach, where reads are zeroed."""
    return read - unseen(model.config, ZEROED, read)


def without_reads(model: Model, ids: np.ndarray, question: Question, progress: Progress = lambda tokens: None) -> Said:
    """The same after `ids` with all reads of the memory zeroed: what the attention window alone can say.

    Only the tokens that are `near` are read. Raises ConfigError for a model without memory.
    """
    return ask(model, blind(model, ids, progress), question, ZEROED)


def blind(model: Model, ids: np.ndarray, progress: Progress = lambda tokens: None) -> ModelState:
    """The state after `ids` with all reads zeroed. Reads and raises as `without_reads`."""
    if not model.config.has_memory:
        raise ConfigError(f"{model.name} is a {model.config.variant}, which has no memory to be zeroed")
    cut = len(ids) - near(model, len(ids))
    state: ModelState | None = replace(model.start(1), position=cut) if cut else None
    ((_, after),) = read_on(model, ids[cut:], state=state, settings=ZEROED, progress=progress)
    return after
